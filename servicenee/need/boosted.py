"""What an engine learns from comes in, small gradient-boosted trees go out."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from servicenee.need.columns import Rows
from servicenee.need.families import Family, per_event

MAX_TREES = 240
STEP_TREES = 20
MARGIN_TREES = 60
MAX_BINS = 255
ROWS_FOR_GRID = 50_000
# Rows with the overall mean that each category starts from.
ROWS_OF_DOUBT = 20.0


@dataclass(frozen=True)
class BoostedModel:
    """Trees, and for each category column the predictor of its categories that stands in for them (else nothing)."""

    trees: HistGradientBoostingClassifier | HistGradientBoostingRegressor
    levels: tuple[np.ndarray, ...]


def fit_boosted(rows: Rows, family: Family, n_trees: int, seed: int) -> BoostedModel:
    """Trees with few leaves of at least max(50, n / 200) rows each.

    Categories are ordered by their smoothed mean, so that a split parts the likelier from the less likely. Columns
    that may only raise the prediction are held to it.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.boosted import boosted_predictor, fit_boosted
    >>> from servicenee.need.columns import Rows, learn_columns, used
    >>> from servicenee.need.families import LOGISTIC
    >>> x = np.linspace(0, 1, 400)[:, np.newaxis]
    >>> rows = Rows(x, used(learn_columns(x, None)), (x[:, 0] > 0.5).astype(int), np.ones(400))
    >>> bool(boosted_predictor(fit_boosted(rows, LOGISTIC, n_trees=20, seed=0), x[-1:])[0] > 0)
    True
    """
    increasing = np.array([int(column.is_increasing) for column in rows.columns])
    trees = family.trees(n_trees, len(rows.y), increasing, seed)
    levels = tuple(_level_predictors(rows, place, family) for place in range(len(rows.columns)))
    matrix = _without_empty_columns(_with_levels(rows.matrix, levels))
    if np.ptp(rows.weights) == 0:
        return BoostedModel(trees.fit(matrix, rows.y), levels)
    weights = per_event(rows.y, rows.weights)
    return BoostedModel(trees.fit(_snapped(matrix), rows.y, sample_weight=weights), levels)


def boosted_predictor(model: BoostedModel, matrix: np.ndarray) -> np.ndarray:
    """Logit or log mean of every row."""
    matrix = _with_levels(matrix, model.levels)
    if is_classifier(model.trees):
        return model.trees.decision_function(matrix)
    return np.log(np.maximum(model.trees.predict(matrix), 1e-15))


def staged_predictors(model: BoostedModel, matrix: np.ndarray) -> np.ndarray:
    """Predictors after every `STEP_TREES` trees, one row per stage."""
    matrix = _with_levels(matrix, model.levels)
    if is_classifier(model.trees):
        risks = [risk[:, 1] for risk in _every_step(model.trees.staged_predict_proba(matrix))]
        return logit(np.clip(np.array(risks), 1e-15, 1 - 1e-15))
    return np.log(np.maximum(np.array(_every_step(model.trees.staged_predict(matrix))), 1e-15))


def _every_step(stages) -> list[np.ndarray]:
    return [stage for n_trees, stage in enumerate(stages, start=1) if n_trees % STEP_TREES == 0]


def _level_predictors(rows: Rows, place: int, family: Family) -> np.ndarray:
    column, values = rows.columns[place], rows.matrix[:, place]
    if not column.is_category:
        return np.zeros(0)
    known = ~np.isnan(values)
    codes, n_levels = values[known].astype(np.intp), len(column.categories) + 1
    mean = np.average(rows.y, weights=rows.weights)
    amount = np.bincount(codes, weights=(rows.weights * rows.y)[known], minlength=n_levels)
    weight = np.bincount(codes, weights=rows.weights[known], minlength=n_levels)
    return family.link((amount + ROWS_OF_DOUBT * mean) / (weight + ROWS_OF_DOUBT))


def _with_levels(matrix: np.ndarray, levels: tuple[np.ndarray, ...]) -> np.ndarray:
    """Category numbers replaced by their predictors; the matrix itself if it has no categories."""
    if not any(len(predictors) for predictors in levels):
        return matrix
    matrix = matrix.copy(order="F")
    for place, predictors in enumerate(levels):
        if len(predictors):
            known = ~np.isnan(matrix[:, place])
            matrix[known, place] = predictors[matrix[known, place].astype(np.intp)]
    return matrix


def _snapped(matrix: np.ndarray) -> np.ndarray:
    """Numbers moved to the nearest of 255 quantiles; the trees' thresholds, halfway between two, are the same.

    With sample weights scikit-learn 1.9 looks for the bins of a column with more values one by one, which takes
    longer than the trees.
    """
    snapped = np.empty(matrix.shape, order="F")
    for place, values in enumerate(matrix.T):
        known = values[~np.isnan(values)]
        sample = known[:: max(1, len(known) // ROWS_FOR_GRID)]
        snapped[:, place] = values
        if len(np.unique(sample)) > MAX_BINS:
            grid = np.unique(np.quantile(sample, np.linspace(0, 1, MAX_BINS), method="nearest"))
            nearest = np.searchsorted((grid[1:] + grid[:-1]) * 0.5, known)
            snapped[~np.isnan(values), place] = grid[nearest]
    return snapped


def _without_empty_columns(matrix: np.ndarray) -> np.ndarray:
    """HistGradientBoosting (scikit-learn 1.9.1) crashes on a column without a known value, as a fold may hold."""
    empty = np.isnan(matrix).all(axis=0)
    return np.where(empty, 0.0, matrix) if empty.any() else matrix
