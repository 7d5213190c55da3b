"""What an engine learns from comes in; the engine that predicts new people better and those predictions go out."""

from dataclasses import dataclass

import numpy as np

from servicenee.need.boosted import (
    MARGIN_TREES,
    MAX_TREES,
    STEP_TREES,
    BoostedModel,
    boosted_predictor,
    fit_boosted,
    staged_predictors,
)
from servicenee.need.columns import Rows
from servicenee.need.families import Family
from servicenee.need.linear import PENALTY_GRID, LinearModel, fit_linear, linear_predictor

# Under about this many events trees learn noise (METHODS of the readmission data: slope .04 to .85).
MIN_EVENTS_FOR_TREES = 1_000
DEFAULT_PENALTY = PENALTY_GRID[4]


@dataclass(frozen=True)
class Choice:
    """Engine and settings, its out-of-fold predictors, and the loss of each candidate."""

    engine: str
    penalty: float
    n_trees: int
    predictor: np.ndarray
    loss: dict[str, float]


@dataclass(frozen=True)
class BlendedModel:
    """Both engines, each with half a say."""

    linear: LinearModel
    boosted: BoostedModel


EngineModel = LinearModel | BoostedModel | BlendedModel


def choose_engine(rows: Rows, folds: np.ndarray, family: Family, seed: int) -> Choice:
    """Linear engine or small trees, whichever predicts people it has not seen with the lower loss.

    Rows of weight 0 are predicted, but nothing is learnt from them.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.columns import Rows, learn_columns, used
    >>> from servicenee.need.families import LOGISTIC
    >>> from servicenee.need.selection import choose_engine
    >>> x = np.arange(60.0)[:, np.newaxis]
    >>> rows = Rows(x, used(learn_columns(x, None)), np.arange(60) % 2, np.ones(60))
    >>> choose_engine(rows, np.arange(60) // 2 % 3, LOGISTIC, seed=0).engine
    'linear'
    """
    linear, boosted = np.empty((len(PENALTY_GRID), len(rows.y))), None
    if np.sum((rows.y > 0) & (rows.weights > 0)) >= MIN_EVENTS_FOR_TREES and len(rows.columns):
        boosted = np.empty((MAX_TREES // STEP_TREES, len(rows.y)))
    for fold in np.unique(folds):
        held_out, learnt = rows.take(np.flatnonzero(folds == fold)), (folds != fold) & (rows.weights > 0)
        train, place = rows.take(np.flatnonzero(learnt)), folds == fold
        for row, model in zip(linear, fit_linear(train, family), strict=True):
            row[place] = linear_predictor(model, held_out.matrix)
        if boosted is not None:
            trees = fit_boosted(train, family, STEP_TREES * len(boosted), seed)
            boosted[:, place] = staged_predictors(trees, held_out.matrix)
            boosted = boosted[: _stages_worth_growing(boosted[:, place], held_out, family)]
    return _choice(linear, boosted, rows, family)


def default_choice() -> Choice:
    """The linear engine with a middling penalty, when there are too few persons to choose by."""
    return Choice("linear", DEFAULT_PENALTY, 0, np.zeros(0), {})


def fit_engine(choice: Choice, rows: Rows, family: Family, seed: int) -> EngineModel:
    """The chosen engine on all rows."""
    if choice.engine == "boosted":
        return fit_boosted(rows, family, choice.n_trees, seed)
    linear = fit_linear(rows, family, (choice.penalty,))[0]
    return (
        linear if choice.engine == "linear" else BlendedModel(linear, fit_boosted(rows, family, choice.n_trees, seed))
    )


def out_of_fold(choice: Choice, rows: Rows, folds: np.ndarray, family: Family, seed: int) -> np.ndarray:
    """Predictors of every row by the chosen engine, learnt from the other folds."""
    predictor = np.empty(len(rows.y))
    for fold in np.unique(folds):
        model = fit_engine(choice, rows.take(np.flatnonzero(folds != fold)), family, seed)
        predictor[folds == fold] = engine_predictor(model, rows.matrix[folds == fold])
    return predictor


def engine_predictor(model: EngineModel, matrix: np.ndarray) -> np.ndarray:
    """Uncalibrated logit or log mean of every row."""
    if isinstance(model, BlendedModel):
        return 0.5 * (linear_predictor(model.linear, matrix) + boosted_predictor(model.boosted, matrix))
    return linear_predictor(model, matrix) if isinstance(model, LinearModel) else boosted_predictor(model, matrix)


def _stages_worth_growing(predictors: np.ndarray, rows: Rows, family: Family) -> int:
    """Stages up to this fold's best and a margin: later folds need not grow more trees than that."""
    return int(np.argmin(_losses(predictors, rows, family))) + 1 + MARGIN_TREES // STEP_TREES


def _losses(predictors: np.ndarray, rows: Rows, family: Family) -> list[float]:
    return [float(np.average(family.losses(rows.y, row), weights=rows.weights)) for row in predictors]


def _choice(linear: np.ndarray, boosted: np.ndarray | None, rows: Rows, family: Family) -> Choice:
    penalty, predictor, loss = _best(linear, rows, family)
    predictors, losses, stage = {"linear": predictor}, {"linear": loss}, 0
    if boosted is not None:
        stage, predictors["boosted"], losses["boosted"] = _best(boosted, rows, family)
    if boosted is not None and family.blends:
        blend = 0.5 * (predictors["linear"] + predictors["boosted"])
        _, predictors["blend"], losses["blend"] = _best(blend[np.newaxis, :], rows, family)
    engine = min(losses, key=losses.__getitem__)
    return Choice(engine, PENALTY_GRID[penalty], STEP_TREES * (stage + 1), predictors[engine], losses)


def _best(predictors: np.ndarray, rows: Rows, family: Family) -> tuple[int, np.ndarray, float]:
    losses = _losses(predictors, rows, family)
    best = int(np.argmin(losses))
    return best, predictors[best], losses[best]
