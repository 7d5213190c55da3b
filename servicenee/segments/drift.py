"""A frozen segmenter and persons of a later date come in; whether its segments still fit them goes out."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from servicenee._checks import check_fraction
from servicenee.disclosure import MIN_CELL
from servicenee.segments.latent import LatentClassSegmenter
from servicenee.segments.rules import RuleSegmenter

DRIFT_COLUMNS = ["measure", "segment", "reference", "value", "lower", "upper", "drifted"]
_Z99 = 2.5758293035489004


def segment_drift(
    segmenter: LatentClassSegmenter | RuleSegmenter, X: pd.DataFrame, *, least_shift: float = 0.02
) -> pd.DataFrame:
    """Compare the shares of a frozen segmenter, and how well it describes people, with those of training.

    Parameters
    ----------
    segmenter : LatentClassSegmenter or RuleSegmenter
        Fitted.
    X : DataFrame of shape (n_rows, n_features)
        Other persons, or the same later: the columns of training.
    least_shift : float, default=0.02
        A share that moved by less is never called drifted: with many persons any difference is significant.

    Returns
    -------
    DataFrame
        measure ("share" of a segment; "loglik", the mean log-likelihood of a person, of latent classes only), segment,
        reference (in training), value (now), lower, upper (where the value lies in 99 of 100 samples without drift),
        drifted.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee import LatentClassSegmenter
    >>> from servicenee.segments import segment_drift
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({f"c{j}": rng.random(800) < 0.2 for j in range(5)})
    >>> segmenter = LatentClassSegmenter(1).fit(X[:400])
    >>> segment_drift(segmenter, X[400:])["drifted"].tolist()
    [False, False]
    """
    check_is_fitted(segmenter)
    check_fraction("least_shift", least_shift)
    if len(X) < MIN_CELL:
        raise ValueError(f"`X` must hold at least {MIN_CELL} rows; got {len(X)}.")
    return drift_of_fits(segmenter, segment_fits(segmenter, X), least_shift)


def segment_fits(segmenter: LatentClassSegmenter | RuleSegmenter, X: pd.DataFrame) -> pd.DataFrame:
    """What `segment_drift` needs of every row: the probability of each segment and, of latent classes, loglik."""
    fits = segmenter.segment_probabilities(X)
    return fits.assign(loglik=segmenter.score_samples(X)) if isinstance(segmenter, LatentClassSegmenter) else fits


def drift_of_fits(
    segmenter: LatentClassSegmenter | RuleSegmenter, fits: pd.DataFrame, least_shift: float = 0.02
) -> pd.DataFrame:
    """`segment_drift` of rows that `segment_fits` has looked at."""
    # In rows, so that the sums have the same last digits however the table came about.
    n, probabilities = len(fits), np.ascontiguousarray(fits[list(segmenter.segments_)])
    value, reference = probabilities.mean(axis=0), np.asarray(segmenter.segment_shares_)
    pooled = (value * n + reference * segmenter.n_rows_) / (n + segmenter.n_rows_)
    sampling = 1.0 / n + 1.0 / segmenter.n_rows_
    table = _rows("share", list(segmenter.segments_), reference, value, np.sqrt(pooled * (1 - pooled) * sampling))
    table["drifted"] &= (table["value"] - table["reference"]).abs() >= least_shift
    if isinstance(segmenter, LatentClassSegmenter):
        spread = segmenter.loglik_spread_ * np.sqrt(sampling)
        before, now = np.array([segmenter.loglik_ / segmenter.n_rows_]), np.array([np.mean(fits["loglik"].to_numpy())])
        table = pd.concat([table, _rows("loglik", [""], before, now, np.array([spread]))], ignore_index=True)
    return table


def _rows(measure: str, segments: list[str], reference, value, error) -> pd.DataFrame:
    lower, upper = reference - _Z99 * error, reference + _Z99 * error
    if measure == "share":
        lower, upper = np.clip(lower, 0.0, 1.0), np.clip(upper, 0.0, 1.0)
    drifted = (value < lower) | (value > upper)
    values = (measure, segments, reference, value, lower, upper, drifted)
    return pd.DataFrame(dict(zip(DRIFT_COLUMNS, values, strict=True)))
