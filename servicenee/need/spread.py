"""Out-of-fold means and amounts come in; how amounts spread around their mean goes out, as intervals that cover."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc, gammaincinv
from scipy.stats import nbinom

MAX_BINS = 10
MIN_ROWS_PER_BIN = 200
# Tails are remembered for intervals of 1 to 99 %.
LEVELS = np.arange(1, 100)
SMALLEST_MEAN = 1e-9


@dataclass(frozen=True)
class Spread:
    """How amounts spread around their mean.

    Attributes
    ----------
    kind : {"count", "amount", "whole_amount"}
        Negative binomial; none or a gamma amount; the same in whole units.
    dispersion : float
        Squared coefficient of variation beyond Poisson (counts), or of the amounts above 0.
    edges : ndarray of shape (n_bins - 1,)
        Means at which the next bin begins.
    tails : ndarray of shape (n_bins, 99)
        Share left out at each end for an interval of 1, 2, ..., 99 %.
    any_share : ndarray of shape (n_bins,)
        Share of rows with any amount, for models that do not predict it row by row.
    variance_ratio : ndarray of shape (n_bins,)
        Squared errors over the variance that the distribution expects.
    level_variance : float
        Squared relative standard error of the level of all predictions.
    """

    kind: str
    dispersion: float
    edges: np.ndarray
    tails: np.ndarray
    any_share: np.ndarray
    variance_ratio: np.ndarray
    level_variance: float


@dataclass(frozen=True)
class Expected:
    """Rows with an expected amount, and where the model predicts it the share that has any."""

    mean: np.ndarray
    any_share: np.ndarray | None


def fit_spread(expected: Expected, y: np.ndarray, weights: np.ndarray, persons: np.ndarray | None, kind: str) -> Spread:
    """Mondrian conformal calibration: in every bin of the prediction, tails with which the interval covers.

    Parameters
    ----------
    expected : Expected
        Out-of-fold predictions.
    y, weights : ndarray of shape (n_rows,)
        Amounts and row weights.
    persons : ndarray of shape (n_rows,) or None
        Person of every row: rows of one person err together.
    kind : {"count", "amount", "whole_amount"}
        See `Spread`.

    Notes
    -----
    A row's score is the largest tail whose central interval still holds the amount: min(F(y), 1 - F(y-)), with F the
    assumed distribution around the row's mean. The tail of an interval is the quantile of the scores in the bin with
    the rank that split conformal prediction prescribes. As the score counts the whole step of F at y, intervals of
    whole numbers do not cover more than they should.

    References
    ----------
    Vovk V, Gammerman A, Shafer G. Algorithmic Learning in a Random World. Springer 2005. Czado C, Gneiting T, Held L.
    Predictive model assessment for count data. Biometrics 2009;65:1254-1261.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.spread import Expected, fit_spread, interval
    >>> expected = Expected(np.full(2_000, 3.0), None)
    >>> y = np.random.default_rng(0).poisson(3.0, 2_000).astype(float)
    >>> spread = fit_spread(expected, y, np.ones(2_000), None, "count")
    >>> interval(spread, Expected(np.array([3.0]), None), 80).tolist()
    [[1.0, 5.0]]
    """
    mean = np.maximum(expected.mean, SMALLEST_MEAN)
    n_bins = int(np.clip(len(y) // MIN_ROWS_PER_BIN, 1, MAX_BINS))
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, n_bins + 1)[1:-1], method="nearest"))
    edges = edges[edges > mean.min()]
    bins = np.searchsorted(edges, mean, side="right")
    share = _any_share_by_bin(y, weights, bins, len(edges) + 1)
    dispersion = _dispersion(y, mean, share[bins] if expected.any_share is None else expected.any_share, weights, kind)
    blank = Spread(
        kind, dispersion, edges, np.zeros((len(edges) + 1, len(LEVELS))), share, np.ones(len(edges) + 1), 0.0
    )
    scores = _scores(blank, expected, y)
    variance = _variance(blank, expected)
    tails = [_tails(scores[bins == place], weights[bins == place]) for place in range(len(edges) + 1)]
    squares = weights * (y - mean) ** 2
    ratio = np.bincount(bins, squares, len(share)) / np.maximum(
        np.bincount(bins, weights * variance, len(share)), 1e-300
    )
    level = _level_variance(weights * (y - mean), weights * mean, persons)
    return Spread(kind, dispersion, edges, np.array(tails), share, ratio, level)


def interval(spread: Spread, expected: Expected, percent: int) -> np.ndarray:
    """Lower and upper end for every row, shape (n_rows, 2)."""
    mean = np.maximum(expected.mean, SMALLEST_MEAN)
    # A hair less, so that an amount whose score is the tail itself lies inside.
    tail = spread.tails[_bins(spread, mean), percent - 1] * (1.0 - 1e-9)
    share = _any_share(spread, expected)
    return np.column_stack([_quantiles(spread, tail, mean, share), _quantiles(spread, 1.0 - tail, mean, share)])


def sum_interval(spread: Spread, expected: Expected, groups: np.ndarray, n_groups: int, percent: int) -> np.ndarray:
    """Expected sum, lower and upper end for each group of rows, shape (n_groups, 3).

    Rows are taken as independent given their means; the error in the level of all of them comes on top. The sum of
    many skewed amounts is taken as gamma.
    """
    mean = np.maximum(expected.mean, SMALLEST_MEAN)
    own = spread.variance_ratio[_bins(spread, mean)] * _variance(spread, expected)
    total = np.maximum(np.bincount(groups, mean, n_groups), SMALLEST_MEAN)
    variance = np.maximum(np.bincount(groups, own, n_groups), 1e-300) + spread.level_variance * total**2
    tail, shape = (1.0 - percent / 100.0) / 2.0, total**2 / variance
    ends = [gammaincinv(shape, at) * variance / total for at in (tail, 1.0 - tail)]
    if spread.kind != "amount":
        ends = [np.floor(ends[0]), np.ceil(ends[1])]
    return np.column_stack([total, *ends])


def _bins(spread: Spread, mean: np.ndarray) -> np.ndarray:
    return np.searchsorted(spread.edges, mean, side="right")


def _any_share(spread: Spread, expected: Expected) -> np.ndarray:
    if expected.any_share is not None:
        return np.clip(expected.any_share, 1e-6, 1.0)
    return spread.any_share[_bins(spread, expected.mean)]


def _any_share_by_bin(y: np.ndarray, weights: np.ndarray, bins: np.ndarray, n_bins: int) -> np.ndarray:
    some, all_rows = np.bincount(bins, weights * (y > 0), n_bins), np.bincount(bins, weights, n_bins)
    return np.clip(some / np.maximum(all_rows, 1e-300), 1e-6, 1.0)


def _dispersion(y, mean, share, weights, kind: str) -> float:
    if kind == "count":
        excess = np.sum(weights * ((y - mean) ** 2 - mean)) / np.sum(weights * mean**2)
        return float(max(excess, 1e-4))
    some = y > 0
    if_any = mean[some] / share[some]
    return float(max(np.average((y[some] / if_any - 1.0) ** 2, weights=weights[some]), 0.01))


def _variance(spread: Spread, expected: Expected) -> np.ndarray:
    mean = np.maximum(expected.mean, SMALLEST_MEAN)
    if spread.kind == "count":
        return mean + spread.dispersion * mean**2
    return mean**2 * ((1.0 + spread.dispersion) / _any_share(spread, expected) - 1.0)


def _scores(spread: Spread, expected: Expected, y: np.ndarray) -> np.ndarray:
    mean = np.maximum(expected.mean, SMALLEST_MEAN)
    share = _any_share(spread, expected)
    return np.minimum(_cumulative(spread, y, mean, share), 1.0 - _below(spread, y, mean, share))


def _cumulative(spread: Spread, y, mean, share) -> np.ndarray:
    """P(amount ≤ y)."""
    if spread.kind == "count":
        return nbinom.cdf(y, *_negative_binomial(spread, mean))
    at = y + 0.5 * (spread.kind == "whole_amount")
    inside = gammainc(1.0 / spread.dispersion, at * share / (mean * spread.dispersion))
    return 1.0 - share + share * np.where(y > 0, inside, 0.0)


def _below(spread: Spread, y, mean, share) -> np.ndarray:
    """P(amount < y)."""
    if spread.kind == "amount":
        return np.where(y > 0, _cumulative(spread, y, mean, share), 0.0)
    return np.where(y > 0, _cumulative(spread, np.maximum(y - 1.0, 0.0), mean, share), 0.0)


def _quantiles(spread: Spread, at: np.ndarray, mean: np.ndarray, share: np.ndarray) -> np.ndarray:
    if spread.kind == "count":
        return nbinom.ppf(at, *_negative_binomial(spread, mean)).clip(min=0.0)
    if_any = gammaincinv(1.0 / spread.dispersion, np.clip((at - 1.0 + share) / share, 0.0, 1.0 - 1e-12))
    amount = if_any * mean * spread.dispersion / share
    if spread.kind == "whole_amount":
        amount = np.maximum(np.ceil(amount - 0.5), 1.0)
    return np.where(at <= 1.0 - share, 0.0, amount)


def _negative_binomial(spread: Spread, mean: np.ndarray) -> tuple[float, np.ndarray]:
    return 1.0 / spread.dispersion, 1.0 / (1.0 + spread.dispersion * mean)


def _tails(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each level the score of rank floor((1 - level) (n + 1)), ranks counted in weights."""
    order = np.argsort(scores, kind="stable")
    rank = np.cumsum(weights[order]) / (weights.sum() + weights.mean())
    # A hair more, so that 0.2 of 4 rows is not lost to rounding.
    place = np.searchsorted(rank, 1.0 - LEVELS / 100.0 + 1e-12, side="right") - 1
    return np.clip(scores[order][np.maximum(place, 0)], 1e-6, 0.5)


def _level_variance(errors: np.ndarray, means: np.ndarray, persons: np.ndarray | None) -> float:
    if persons is not None:
        errors = np.bincount(np.unique(persons, return_inverse=True)[1].reshape(-1), errors)
    return float(np.sum(errors**2) / np.sum(means) ** 2)
