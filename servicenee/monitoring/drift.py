"""Columns of today's X, or scores, and how they were spread in training come in; which of them have moved goes out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from servicenee.disclosure import is_small
from servicenee.monitoring.limits import limit
from servicenee.reference import Spread, counts_between

COLUMNS = (
    "feature",
    "n",
    "psi",
    "psi_limit",
    "shifted",
    "higher",
    "missing_then",
    "missing_now",
    "missing_limit",
    "missing_changed",
)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Counted:
    """Columns counted in the intervals of training: of all persons, or of some of them.

    Attributes
    ----------
    n_rows : int
        Persons, those without a value included.
    counts : dict of str to ndarray of shape (n_intervals,)
        Values in each interval, by column.
    """

    n_rows: int
    counts: dict[str, np.ndarray]


def count_columns(spreads: Sequence[Spread], X: pd.DataFrame) -> Counted:
    """Count the columns of X, one row per person, in the intervals of training."""
    values = ((spread, X[spread.name].to_numpy(dtype=np.float64)) for spread in spreads)
    return Counted(len(X), {spread.name: counts_between(spread.cuts, column) for spread, column in values})


def added_columns(parts: Sequence[Counted]) -> Counted:
    """Columns of several groups of persons together."""
    counts = {name: np.sum([part.counts[name] for part in parts], axis=0) for name in parts[0].counts}
    return Counted(sum(part.n_rows for part in parts), counts)


def column_drift(spreads: Sequence[Spread], now: Counted, *, n_then: int) -> pd.DataFrame:
    """Compare every column with how it was spread in training.

    Parameters
    ----------
    spreads : sequence of Spread
        What the model remembers of each column.
    now : Counted
        The same columns today.
    n_then : int
        Persons in training.

    Returns
    -------
    DataFrame
        feature; n (rows with a value); psi (population stability index, 0 for the same spread) and its limit; shifted;
        higher (probability that a value of today lies above one of training, ties shared: 0.5 if nothing has moved);
        share of missing rows then and now, the change that is allowed, and missing_changed. NaN where there is nothing
        to compare: a column without any value, or a missing share that training does not tell.

    Notes
    -----
    Without drift the index times ``n_then * n / (n_then + n)`` has about a chi-squared distribution with one degree of
    freedom less than there are intervals, so that its mean is ``(B - 1) (1 / n_then + 1 / n)``: with 100 persons and
    ten intervals the folklore limit of 0.1 would be passed by chance in four columns of ten. The limit is the larger
    of 0.1 and the quantile of that distribution which leaves one false alarm in a hundred runs to all columns
    together. Rows of one person at several training dates are alike, so that persons are counted, not rows.

    References
    ----------
    Yurdakul B, Naranjo J. Statistical properties of the population stability index. J Risk Model Valid 2020;14:89-100.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee.monitoring.drift import column_drift, count_columns
    >>> from servicenee.reference import Spread
    >>> then = Spread("age", 0.0, (75.0, 85.0), (0.3, 0.5, 0.2))
    >>> ages = pd.DataFrame({"age": np.repeat([70.0, 80.0, 90.0], [300, 500, 200])})
    >>> column_drift([then], count_columns([then], ages), n_then=1_000)["shifted"].tolist()
    [False]
    """
    rows = [_compared(spread, now.counts[spread.name], now.n_rows, n_then, len(spreads)) for spread in spreads]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def stability_index(then: np.ndarray, counts: np.ndarray, n_then: int) -> float:
    """PSI of counts now against shares then; half a person is added where nobody was."""
    before = np.maximum(then, 0.5 / max(n_then, 1))
    now = np.maximum(counts, 0.5) / max(counts.sum(), 1)
    return float(np.sum((now - before) * np.log(now / before)))


def score_quantiles(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and quantiles of today's scores."""
    rows = []
    for name in scores:
        values = scores[name].to_numpy(dtype=np.float64)
        quantiles = np.quantile(values, QUANTILES) if len(values) else np.full(len(QUANTILES), np.nan)
        mean = float(values.mean()) if len(values) else np.nan
        rows.append((name, mean, *quantiles.tolist()))
    return pd.DataFrame(rows, columns=["score", "mean", *(f"q{100 * one:.0f}" for one in QUANTILES)])


def score_intervals(scores: pd.DataFrame, main: Sequence[Spread]) -> pd.DataFrame:
    """Shares of rows in the intervals of the main score, then and now; no rows where training has left none."""
    tables = [pd.DataFrame(columns=["above", "up_to", "then", "now"], dtype=np.float64)]
    for spread in main:
        counts = counts_between(spread.cuts, scores[spread.name].to_numpy(dtype=np.float64))
        ends, now = (-np.inf, *spread.cuts, np.inf), counts / max(counts.sum(), 1)
        tables = [pd.DataFrame({"above": ends[:-1], "up_to": ends[1:], "then": spread.shares, "now": now})]
    return tables[0]


def _compared(spread: Spread, counts: np.ndarray, n_rows: int, n_then: int, n_columns: int) -> tuple:
    n, then = int(counts.sum()), np.asarray(spread.shares)
    missing_now = (n_rows - n) / n_rows if n_rows else np.nan
    missing_limit = _missing_limit(spread.missing, n_rows, n_then, n_columns)
    changed = bool(np.isfinite(missing_limit) and abs(missing_now - spread.missing) > missing_limit)
    known_then = round(n_then * (1 - (spread.missing or 0.0)))
    psi = psi_limit = higher = np.nan
    if n and known_then and len(then) > 1 and then.sum() > 0:
        psi = stability_index(then, counts, known_then)
        # A limit that every column shares cannot tell how few rows of this one have no value.
        n_now = n_rows if is_small(n_rows - n) else n
        by_chance = chi2.isf(limit("error") / n_columns, len(then) - 1) * (1 / known_then + 1 / n_now)
        psi_limit = max(limit("psi"), float(by_chance))
        higher = float((counts / n) @ (np.cumsum(then) - then / 2))
    shifted = bool(psi > psi_limit)
    parts = (spread.name, n, psi, psi_limit, shifted, higher)
    missing_then = np.nan if spread.missing is None else spread.missing
    return (*parts, missing_then, missing_now, missing_limit, changed)


def _missing_limit(then: float | None, n: int, n_then: int, n_columns: int) -> float:
    """Change of a missing share that chance or the least change of interest allows."""
    if then is None or not n or not n_then:
        return np.nan
    pooled = np.clip(then, 1 / n_then, 1 - 1 / n_then) if n_then > 1 else 0.5
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_then))
    return max(limit("missing"), float(norm.isf(limit("error") / n_columns / 2) * error))
