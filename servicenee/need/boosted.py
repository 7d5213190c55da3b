"""A float matrix and outcomes come in, small gradient-boosted trees go out."""

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


def fit_boosted(
    matrix: np.ndarray,
    columns: tuple[Column, ...],
    y: np.ndarray,
    weights: np.ndarray,
    n_trees: int,
    seed: int,
) -> HistGradientBoostingClassifier:
    """Trees of at most 15 leaves with at least max(50, n / 200) rows each; no early stopping, which would split rows at random.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.boosted import boosted_logit, fit_boosted
    >>> from servicenee.need.columns import learn_columns, used
    >>> x = np.linspace(0, 1, 400)[:, np.newaxis]
    >>> y = (x[:, 0] > 0.5).astype(int)
    >>> trees = fit_boosted(x, used(learn_columns(x, None)), y, np.ones(400), n_trees=20, seed=0)
    >>> bool(boosted_logit(trees, x[-1:])[0] > 0)
    True
    """
    is_category = np.array([column.is_category for column in columns], dtype=bool)
    trees = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=n_trees,
        max_leaf_nodes=MAX_LEAVES,
        min_samples_leaf=min(max(50, len(y) // 200), max(1, len(y) // 4)),
        l2_regularization=L2,
        categorical_features=is_category if is_category.any() else None,
        early_stopping=False,
        random_state=seed,
    )
    return trees.fit(_without_empty_columns(matrix), y, sample_weight=weights / weights.mean())


def boosted_logit(trees: HistGradientBoostingClassifier, matrix: np.ndarray) -> np.ndarray:
    """Logit of every row."""
    return trees.decision_function(matrix)


def staged_logits(trees: HistGradientBoostingClassifier, matrix: np.ndarray) -> np.ndarray:
    """Logits after every `STEP_TREES` trees, one row per stage."""
    stages = trees.staged_predict_proba(matrix)
    risks = [risk[:, 1] for n_trees, risk in enumerate(stages, start=1) if n_trees % STEP_TREES == 0]
    return logit(np.clip(np.array(risks), 1e-15, 1 - 1e-15))


def _without_empty_columns(matrix: np.ndarray) -> np.ndarray:
    """HistGradientBoosting (scikit-learn 1.9.1) crashes on a column without a known value, as a fold may hold."""
    empty = np.isnan(matrix).all(axis=0)
    return np.where(empty, 0.0, matrix) if empty.any() else matrix
