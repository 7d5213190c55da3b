"""A float matrix and outcomes come in, small gradient-boosted trees go out."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier

from servicenee.need.columns import Column

# Small trees, slow learning: scikit-learn's defaults had a calibration slope of .04 to .83 on the readmission data.
LEARNING_RATE = 0.06
MAX_LEAVES = 15
L2 = 2.0
MAX_TREES = 240
STEP_TREES = 20
MARGIN_TREES = 60
MAX_BINS = 255
ROWS_FOR_GRID = 50_000
# Rows with the overall event rate that each category starts from.
ROWS_OF_DOUBT = 20.0


@dataclass(frozen=True)
class BoostedModel:
    """Trees, and for each category column the log odds of its categories that stand in for them (else nothing)."""

    trees: HistGradientBoostingClassifier
    levels: tuple[np.ndarray, ...]


def fit_boosted(
    matrix: np.ndarray,
    columns: tuple[Column, ...],
    y: np.ndarray,
    weights: np.ndarray,
    n_trees: int,
    seed: int,
) -> BoostedModel:
    """Trees of at most 15 leaves with at least max(50, n / 200) rows each.

    No early stopping, which would split rows at random. Categories are ordered by their smoothed event rate, so that
    a split parts the likelier from the less likely.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.boosted import boosted_logit, fit_boosted
    >>> from servicenee.need.columns import learn_columns, used
    >>> x = np.linspace(0, 1, 400)[:, np.newaxis]
    >>> y = (x[:, 0] > 0.5).astype(int)
    >>> model = fit_boosted(x, used(learn_columns(x, None)), y, np.ones(400), n_trees=20, seed=0)
    >>> bool(boosted_logit(model, x[-1:])[0] > 0)
    True
    """
    trees = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=n_trees,
        max_leaf_nodes=MAX_LEAVES,
        min_samples_leaf=min(max(50, len(y) // 200), max(1, len(y) // 4)),
        l2_regularization=L2,
        early_stopping=False,
        random_state=seed,
    )
    levels = tuple(_level_logits(matrix[:, place], column, y, weights) for place, column in enumerate(columns))
    matrix = _without_empty_columns(_with_levels(matrix, levels))
    if np.ptp(weights) == 0:
        return BoostedModel(trees.fit(matrix, y), levels)
    return BoostedModel(trees.fit(_snapped(matrix), y, sample_weight=weights / weights.mean()), levels)


def boosted_logit(model: BoostedModel, matrix: np.ndarray) -> np.ndarray:
    """Logit of every row."""
    return model.trees.decision_function(_with_levels(matrix, model.levels))


def staged_logits(model: BoostedModel, matrix: np.ndarray) -> np.ndarray:
    """Logits after every `STEP_TREES` trees, one row per stage."""
    stages = model.trees.staged_predict_proba(_with_levels(matrix, model.levels))
    risks = [risk[:, 1] for n_trees, risk in enumerate(stages, start=1) if n_trees % STEP_TREES == 0]
    return logit(np.clip(np.array(risks), 1e-15, 1 - 1e-15))


def _level_logits(values: np.ndarray, column: Column, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if not column.is_category:
        return np.zeros(0)
    known = ~np.isnan(values)
    codes, n_levels = values[known].astype(np.intp), len(column.categories) + 1
    rate = np.average(y, weights=weights)
    events = np.bincount(codes, weights=(weights * y)[known], minlength=n_levels)
    rows = np.bincount(codes, weights=weights[known], minlength=n_levels)
    return logit((events + ROWS_OF_DOUBT * rate) / (rows + ROWS_OF_DOUBT))


def _with_levels(matrix: np.ndarray, levels: tuple[np.ndarray, ...]) -> np.ndarray:
    """Category numbers replaced by their log odds; the matrix itself if it has no categories."""
    if not any(len(logits) for logits in levels):
        return matrix
    matrix = matrix.copy(order="F")
    for place, logits in enumerate(levels):
        if len(logits):
            known = ~np.isnan(matrix[:, place])
            matrix[known, place] = logits[matrix[known, place].astype(np.intp)]
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
