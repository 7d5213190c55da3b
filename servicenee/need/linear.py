"""What an engine learns from comes in, a regularised model with linear splines goes out, one curve per column.

The fitted model is a sum of one-dimensional curves. Columns are added one after the other in the order of X, so that a
row's risk has the same bits whatever other rows are scored with it; a matrix product would not keep that promise.
"""

from dataclasses import dataclass

import numpy as np

from servicenee.need.columns import Column, Rows
from servicenee.need.families import Family

# Prior variance of a log odds ratio per two standard deviations; from strong to weak shrinkage.
PENALTY_GRID = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
KNOT_SHARES = (0.1, 0.35, 0.65, 0.9)
MAX_ROWS_FOR_KNOTS = 20_000
MIN_ROWS_FOR_MISSING = 5
# Continuous directions get half a unit of spread, so that they are shrunk like a 0/1 column (Gelman 2008, Stat
# Med 27:2865).
SPREAD = 0.5


@dataclass(frozen=True)
class Curve:
    """One column's share of the predictor: straight lines between knots, flat outside, its own value when missing."""

    logarithmic: bool
    knots: np.ndarray
    heights: np.ndarray
    missing: float
    is_category: bool


@dataclass(frozen=True)
class LinearModel:
    """Intercept and one curve per used column."""

    intercept: float
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class _Basis:
    """How one column spreads into design columns."""

    logarithmic: bool
    knots: np.ndarray
    center: np.ndarray
    whiten: np.ndarray
    missing_share: float
    n_levels: int


def fit_linear(rows: Rows, family: Family, penalties: tuple[float, ...] = PENALTY_GRID) -> list[LinearModel]:
    """One model per penalty, strongest shrinkage first.

    Parameters
    ----------
    rows : Rows
        Only the proportions of the weights matter.
    family : Family
        Logistic for a yes or no, Poisson for an amount.
    penalties : tuple of float, default=PENALTY_GRID
        Inverse penalty strengths in rising order.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.columns import Rows, learn_columns, used
    >>> from servicenee.need.families import LOGISTIC
    >>> from servicenee.need.linear import fit_linear, linear_predictor
    >>> x = np.linspace(0, 1, 200)[:, np.newaxis]
    >>> rows = Rows(x, used(learn_columns(x, None)), (x[:, 0] > 0.5).astype(float), np.ones(200))
    >>> model = fit_linear(rows, LOGISTIC, (1.0,))[0]
    >>> bool(linear_predictor(model, x[:1])[0] < 0 < linear_predictor(model, x[-1:])[0])
    True
    """
    bases = [_learn_basis(rows.matrix[:, place], rows.weights, column) for place, column in enumerate(rows.columns)]
    width = sum(_width(basis) for basis in bases)
    design = np.empty((len(rows.matrix), width), dtype=np.float64, order="F")
    start = 0
    for place, basis in enumerate(bases):
        design[:, start : start + _width(basis)] = _spread(rows.matrix[:, place], basis)
        start += _width(basis)
    if width == 0:
        mean = float(np.average(rows.y, weights=rows.weights))
        return [LinearModel(float(family.link(mean)), ())] * len(penalties)
    solutions = family.solve(design, rows.y, rows.weights, penalties)
    return [_fold(bases, coefficients, intercept) for coefficients, intercept in solutions]


def linear_predictor(model: LinearModel, matrix: np.ndarray) -> np.ndarray:
    """Logit or log mean of every row, columns added in fixed order."""
    total = np.full(len(matrix), model.intercept)
    for place, curve in enumerate(model.curves):
        total += _height(curve, matrix[:, place])
    return total


def linear_contributions(model: LinearModel, matrix: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Exact share of every column in the difference between a row's predictor and the reference person's."""
    shares = np.empty(matrix.shape)
    for place, curve in enumerate(model.curves):
        shares[:, place] = _height(curve, matrix[:, place]) - _height(curve, reference[:, place])
    return shares


def _learn_basis(values: np.ndarray, weights: np.ndarray, column: Column) -> _Basis:
    """Directions as wide as among everybody: rows that stand for many count as many."""
    known = ~np.isnan(values)
    missing_share = np.average(~known, weights=weights) if (~known).sum() >= MIN_ROWS_FOR_MISSING else 0.0
    if column.is_category:
        n_levels = len(column.categories) + 1
        share = np.bincount(values[known].astype(np.intp), weights[known], minlength=n_levels) / weights.sum()
        return _Basis(False, np.arange(n_levels, dtype=np.float64), share, np.eye(n_levels), missing_share, n_levels)
    values, weights = values[known], weights[known]
    sample = values[:: max(1, len(values) // MAX_ROWS_FOR_KNOTS)]
    logarithmic = _is_skewed_amount(sample)
    knots = _knots(np.log1p(sample) if logarithmic else sample, logarithmic)
    if len(knots) < 2:
        return _Basis(False, np.zeros(0), np.zeros(0), np.zeros((0, 0)), missing_share, 0)
    hinges = _hinges(np.log1p(values) if logarithmic else values, knots)
    center = np.average(hinges, axis=0, weights=weights)
    is_binary = len(knots) == 2 and not logarithmic and len(np.unique(sample)) == 2
    whiten = np.eye(1) / (knots[1] - knots[0]) if is_binary else _whitening(hinges - center, weights)
    return _Basis(logarithmic, knots, center, whiten, missing_share, 0)


def _is_skewed_amount(sample: np.ndarray) -> bool:
    if len(sample) == 0 or sample.min() < 0 or len(np.unique(sample[:1_000])) <= 2:
        return False
    deviation = sample - sample.mean()
    spread = np.sqrt(np.mean(deviation**2))
    return bool(spread > 0 and np.mean(deviation**3) > 1.5 * spread**3)


def _knots(t: np.ndarray, logarithmic: bool) -> np.ndarray:
    """Ends of the range and quantiles between; for amounts the smallest positive, for the step from none to any."""
    distinct = np.unique(t)
    if len(distinct) <= 2:
        return distinct
    low, high = np.quantile(t, [0.001, 0.999])
    inner = np.quantile(t, KNOT_SHARES)
    if logarithmic:
        positive = t[t > 0]
        inner = np.array([positive.min(), np.quantile(positive, 0.75)])
    ends = (low, high) if high > low else (distinct[0], distinct[-1])
    # Straight lines between knots closer than a hundredth of the range would only be steep noise.
    knots = [ends[0]]
    for knot in np.sort(inner):
        if knot - knots[-1] > 0.01 * (ends[1] - ends[0]) and ends[1] - knot > 0.01 * (ends[1] - ends[0]):
            knots.append(knot)
    return np.array([*knots, ends[1]])


def _hinges(t: np.ndarray, knots: np.ndarray) -> np.ndarray:
    clipped = np.clip(t, knots[0], knots[-1])
    hinges = np.empty((len(t), len(knots) - 1), order="F")
    hinges[:, 0] = clipped - knots[0]
    for place, knot in enumerate(knots[1:-1], start=1):
        np.maximum(clipped - knot, 0.0, out=hinges[:, place])
    return hinges


def _whitening(centered: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Matrix that makes the hinges uncorrelated and equally wide, the straight line first."""
    gram = centered.T @ (weights[:, np.newaxis] * centered) / weights.sum()
    gram += 1e-6 * np.diag(np.diag(gram)) + 1e-12 * np.eye(len(gram))
    return SPREAD * np.linalg.inv(np.linalg.cholesky(gram)).T


def _width(basis: _Basis) -> int:
    return len(basis.center) + (basis.missing_share > 0)


def _spread(values: np.ndarray, basis: _Basis) -> np.ndarray:
    missing = np.isnan(values)
    block = np.zeros((len(values), _width(basis)), order="F")
    n_hinges = len(basis.center)
    if basis.n_levels:
        block[~missing, values[~missing].astype(np.intp)] = 1.0
        block[:, :n_hinges] -= basis.center
    elif n_hinges:
        t = np.log1p(np.maximum(values, 0.0)) if basis.logarithmic else values
        block[:, :n_hinges] = (_hinges(t, basis.knots) - basis.center) @ basis.whiten
        block[missing, :n_hinges] = 0.0
    if basis.missing_share > 0:
        block[:, n_hinges] = missing - basis.missing_share
    return block


def _fold(bases: list[_Basis], coefficients: np.ndarray, intercept: float) -> LinearModel:
    """Design coefficients back to one curve per column."""
    curves, start = [], 0
    for basis in bases:
        own = coefficients[start : start + _width(basis)]
        start += _width(basis)
        n_hinges = len(basis.center)
        if_known = -own[n_hinges] * basis.missing_share if basis.missing_share > 0 else 0.0
        if_missing = own[n_hinges] * (1.0 - basis.missing_share) if basis.missing_share > 0 else 0.0
        if basis.n_levels:
            at_knots = own[:n_hinges] - basis.center @ own[:n_hinges]
            if_missing -= basis.center @ own[:n_hinges]
        elif n_hinges == 0:
            at_knots = np.zeros(0)
        else:
            at_knots = (_hinges(basis.knots, basis.knots) - basis.center) @ (basis.whiten @ own[:n_hinges])
        curves.append(Curve(basis.logarithmic, basis.knots, at_knots + if_known, float(if_missing), basis.n_levels > 0))
    return LinearModel(float(intercept), tuple(curves))


def _height(curve: Curve, values: np.ndarray) -> np.ndarray:
    missing = np.isnan(values)
    if len(curve.knots) == 0:
        return np.where(missing, curve.missing, 0.0)
    if curve.is_category:
        codes = np.where(missing, 0, values).astype(np.intp)
        height = curve.heights[codes]
    else:
        t = np.log1p(np.maximum(values, 0.0)) if curve.logarithmic else values
        height = np.interp(t, curve.knots, curve.heights)
    if missing.any():
        height[missing] = curve.missing
    return height
