"""A float matrix and outcomes come in; the engine with the lower out-of-fold log-loss and those predictions go out."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from servicenee.need.boosted import (
    MARGIN_TREES,
    MAX_TREES,
    STEP_TREES,
    BoostedModel,
    boosted_logit,
    fit_boosted,
    staged_logits,
)
from servicenee.need.calibration import log_losses
from servicenee.need.columns import Column
from servicenee.need.linear import PENALTY_GRID, LinearModel, fit_linear, linear_logit

# Under about this many events trees learn noise (METHODS of the readmission data: slope .04 to .85).
MIN_EVENTS_FOR_TREES = 1_000
DEFAULT_PENALTY = PENALTY_GRID[4]


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
            trees = fit_boosted(train, columns, y[rest], weights[rest], STEP_TREES * len(boosted), seed)
            boosted[:, held_out] = staged_logits(trees, test)
            boosted = boosted[: _stages_worth_growing(boosted[:, held_out], y[held_out], weights[held_out])]
    choices = [_best("linear", PENALTY_GRID, linear, y, weights)]
    if boosted is not None:
        n_trees = tuple(range(STEP_TREES, STEP_TREES * len(boosted) + 1, STEP_TREES))
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
) -> LinearModel | BoostedModel:
    """The chosen engine on all rows."""
    if choice.engine == "linear":
        return fit_linear(matrix, columns, y, weights, (choice.setting,))[0]
    return fit_boosted(matrix, columns, y, weights, int(choice.setting), seed)


def engine_logit(model: LinearModel | BoostedModel, matrix: np.ndarray) -> np.ndarray:
    """Uncalibrated logit of every row."""
    return linear_logit(model, matrix) if isinstance(model, LinearModel) else boosted_logit(model, matrix)


def _stages_worth_growing(logits: np.ndarray, y: np.ndarray, weights: np.ndarray) -> int:
    """Stages up to this fold's best and a margin: later folds need not grow more trees than that."""
    return int(np.argmin(_losses(logits, y, weights))) + 1 + MARGIN_TREES // STEP_TREES


def _losses(logits: np.ndarray, y: np.ndarray, weights: np.ndarray) -> list[float]:
    return [float(np.average(log_losses(y, expit(row)), weights=weights)) for row in logits]


def _best(engine: str, settings: tuple, logits: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Choice:
    losses = _losses(logits, y, weights)
    best = int(np.argmin(losses))
    return Choice(engine, settings[best], logits[best], {engine: losses[best]})
