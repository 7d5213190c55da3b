"""A statistic of resampled persons in; its value and a 95 % interval out."""

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

LOWEST, HIGHEST = 2.5, 97.5
SMALLEST_SHARE_ESTIMABLE = 0.9


def person_bootstrap(
    statistic: Callable[[np.ndarray | None], np.ndarray], n_persons: int, *, n_bootstrap: int, random_state
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, lower and upper bound of each entry of `statistic(copies)`; `copies` counts each person.

    Persons are drawn with replacement, and all rows of a person come along: rows of one person are alike,
    and drawing rows would give intervals that are too narrow. Censoring weights are kept from the full
    table; estimating them anew would cost a sort per resample and, if anything, narrow the intervals.
    A bound is NaN when fewer than 90 % of the resamples can be estimated.
    """
    value = statistic(None)
    if n_bootstrap == 0 or n_persons == 0:
        nowhere = np.full(len(value), np.nan)
        return value, nowhere, nowhere
    generator = np.random.default_rng(random_state)
    resampled = np.empty((n_bootstrap, len(value)))
    # Many short sums: several threads for each would wait for one another longer than they add.
    with threadpool_limits(1, user_api="blas"):
        for row in range(n_bootstrap):
            drawn = generator.integers(n_persons, size=n_persons)
            resampled[row] = statistic(np.bincount(drawn, minlength=n_persons).astype(np.float64))
    lower, upper = _bounds(resampled)
    known = np.isfinite(value)
    return value, np.where(known, lower, np.nan), np.where(known, upper, np.nan)


def _bounds(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    estimable = np.isfinite(resampled).mean(axis=0) >= SMALLEST_SHARE_ESTIMABLE
    bounds = np.full((2, resampled.shape[1]), np.nan)
    if estimable.any():
        bounds[:, estimable] = np.nanpercentile(resampled[:, estimable], [LOWEST, HIGHEST], axis=0)
    return bounds[0], bounds[1]
