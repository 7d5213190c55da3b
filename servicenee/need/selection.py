"""A float matrix and outcomes come in; the engine with the lower out-of-fold log-loss and those predictions go out."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from servicenee.need.boosted import MAX_TREES, STEP_TREES, boosted_logit, fit_boosted, staged_logits
from servicenee.need.calibration import log_losses
from servicenee.need.columns import Column
from servicenee.need.linear import PENALTY_GRID, LinearModel, fit_linear, linear_logit

# Under about this many events trees learn noise (METHODS of the readmission data: slope .04 to .85).
MIN_EVENTS_FOR_TREES = 1_000
DEFAULT_PENALTY = PENALTY_GRID[1]


@dataclass(frozen=True)
class Choice:
    """Engine, its setting (penalty or number of trees), its out-of-fold logits, and the log-loss of each candidate."""

    engine: str
    setting: float
    logits: np.ndarray
    log_loss: dict[str, float]


def choose_engine(
    matrix: np.ndarray,
    columns: tuple[Column, ...],
    y: np.ndarray,
    weights: np.ndarray,
    folds: np.ndarray,
    seed: int,
) -> Choice:
    """Linear engine or small trees, whichever predicts people it has not seen with the lower log-loss.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.columns import learn_columns, used
    >>> from servicenee.need.selection import choose_engine
    >>> x = np.arange(60.0)[:, np.newaxis]
    >>> columns, y, folds = used(learn_columns(x, None)), np.arange(60) % 2, np.arange(60) // 2 % 3
    >>> choose_engine(x, columns, y, np.ones(60), folds, seed=0).engine
    'linear'
    """
    linear, boosted = np.empty((len(PENALTY_GRID), len(y))), None
    if y.sum() >= MIN_EVENTS_FOR_TREES and len(columns):
        boosted = np.empty((MAX_TREES // STEP_TREES, len(y)))
    for fold in np.unique(folds):
        held_out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        train, test = np.asfortranarray(matrix[rest]), matrix[held_out]
        for place, model in enumerate(fit_linear(train, columns, y[rest], weights[rest])):
            linear[place, held_out] = linear_logit(model, test)
        if boosted is not None:
            trees = fit_boosted(train, columns, y[rest], weights[rest], MAX_TREES, seed)
            boosted[:, held_out] = staged_logits(trees, test)
    choices = [_best("linear", PENALTY_GRID, linear, y, weights)]
    if boosted is not None:
        n_trees = tuple(range(STEP_TREES, MAX_TREES + 1, STEP_TREES))
        choices.append(_best("boosted", n_trees, boosted, y, weights))
    losses = {choice.engine: choice.log_loss[choice.engine] for choice in choices}
    best = min(choices, key=lambda choice: losses[choice.engine])
    return Choice(best.engine, best.setting, best.logits, losses)


def fit_engine(
    choice: Choice,
    matrix: np.ndarray,
    columns: tuple[Column, ...],
    y: np.ndarray,
    weights: np.ndarray,
    seed: int,
) -> LinearModel | HistGradientBoostingClassifier:
    """The chosen engine on all rows."""
    if choice.engine == "linear":
        return fit_linear(matrix, columns, y, weights, (choice.setting,))[0]
    return fit_boosted(matrix, columns, y, weights, int(choice.setting), seed)


def engine_logit(model: LinearModel | HistGradientBoostingClassifier, matrix: np.ndarray) -> np.ndarray:
    """Uncalibrated logit of every row."""
    return linear_logit(model, matrix) if isinstance(model, LinearModel) else boosted_logit(model, matrix)


def _best(engine: str, settings: tuple, logits: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Choice:
    losses = [float(np.average(log_losses(y, expit(row)), weights=weights)) for row in logits]
    best = int(np.argmin(losses))
    return Choice(engine, settings[best], logits[best], {engine: losses[best]})
