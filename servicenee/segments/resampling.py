"""A latent class model and its rows come in; how much of each segment is found again in resamples goes out."""

import numpy as np
import pandas as pd

from servicenee.segments.mixture import Design, Mixture, expect, race

ACCEPT, REJECT = 0.75, 0.60
DISSOLVED, RECOVERED = 0.5, 0.75
STABILITY_COLUMNS = ["segment", "jaccard", "dissolved", "recovered", "verdict"]
_RESAMPLED_PERSONS = 5_000
_STARTS = 5


def resampled_overlap(
    design: Design, overall: np.ndarray, mixture: Mixture, n_bootstrap: int, rng: np.random.Generator
) -> np.ndarray:
    """Jaccard overlap of each segment with the nearest one of every refit, shape (n_bootstrap, n_segments).

    Each refit sees persons drawn with replacement (at most 5,000), starts anew, and then assigns everybody.
    """
    n_segments = len(mixture.shares)
    overlaps = np.ones((n_bootstrap, n_segments))
    if n_segments == 1:
        return overlaps
    own = expect(design, mixture.shares, mixture.means)[0].argmax(axis=0)
    n_persons = int(min(design.weights.sum(), _RESAMPLED_PERSONS))
    for overlap in overlaps:
        drawn = design.with_weights(rng.multinomial(n_persons, design.weights / design.weights.sum()))
        best = race(drawn, overall, n_segments, _STARTS, rng)[0]
        other = expect(design, best.shares, best.means)[0].argmax(axis=0)
        overlap[:] = _jaccard(own, other, n_segments, design.weights).max(axis=1)
    return overlaps


def stability_table(overlaps: np.ndarray, segments: tuple[str, ...]) -> pd.DataFrame:
    """One row per segment: mean overlap, share of resamples that lost and that found it, verdict; or no rows."""
    if not len(overlaps):
        return pd.DataFrame(columns=STABILITY_COLUMNS)
    jaccard = overlaps.mean(axis=0)
    return pd.DataFrame(
        {
            "segment": list(segments),
            "jaccard": jaccard,
            "dissolved": (overlaps <= DISSOLVED).mean(axis=0),
            "recovered": (overlaps >= RECOVERED).mean(axis=0),
            "verdict": [_verdict(value) for value in jaccard],
        }
    )


def _verdict(jaccard: float) -> str:
    if jaccard >= ACCEPT:
        return "accept"
    return "flag" if jaccard >= REJECT else "reject"


def _jaccard(own: np.ndarray, other: np.ndarray, n_segments: int, weights: np.ndarray) -> np.ndarray:
    both = np.bincount(own * n_segments + other, weights=weights, minlength=n_segments**2)
    both = both.reshape(n_segments, n_segments)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return both / np.maximum(either, 1.0)
