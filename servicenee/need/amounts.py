"""What an engine learns from comes in; a model of the mean amount, in one part or two, goes out."""

from dataclasses import dataclass

import numpy as np

from servicenee.need.calibration import MIN_EVENTS_FOR_SLOPE, SMALLEST_SLOPE, Calibrator, calibrate, fit_calibrator
from servicenee.need.columns import Rows
from servicenee.need.families import LOGISTIC, POISSON, limited_exp
from servicenee.need.selection import Choice, EngineModel, choose_engine, default_choice, engine_predictor, fit_engine
from servicenee.need.spread import Expected


@dataclass(frozen=True)
class TwoParts:
    """Whether there is any amount, calibrated, and the log mean of the amount if there is."""

    whether: EngineModel
    calibrator: Calibrator
    amount: EngineModel


@dataclass(frozen=True)
class Line:
    """Intercept and slope on the log mean."""

    intercept: float
    slope: float


@dataclass(frozen=True)
class Learnt:
    """A fitted model of the mean, what was chosen, and out-of-fold expectations of the rows it was chosen on."""

    model: EngineModel | TwoParts
    engine: str
    loss: dict[str, float]
    expected: Expected


def learn_mean(rows: Rows, part: Rows, folds: np.ndarray | None, seed: int) -> Learnt:
    """One log mean for all rows; chosen on `part`, learnt from `rows`.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.amounts import learn_mean
    >>> from servicenee.need.columns import Rows, learn_columns, used
    >>> x = np.arange(60.0)[:, np.newaxis]
    >>> rows = Rows(x, used(learn_columns(x, None)), x[:, 0], np.ones(60))
    >>> learn_mean(rows, rows, np.arange(60) % 3, seed=0).engine
    'linear'
    """
    choice = _choose(part, folds, POISSON, seed)
    model = fit_engine(choice, rows, POISSON, seed)
    predictor = choice.predictor if folds is not None else engine_predictor(model, part.matrix)
    return Learnt(model, choice.engine, choice.loss, Expected(limited_exp(predictor), None))


def learn_two_parts(rows: Rows, part: Rows, folds: np.ndarray | None, seed: int) -> Learnt:
    """The chance of any amount times the mean amount if there is any."""
    any_rows, any_part = _whether(rows), _whether(part)
    some_rows, some_part = _if_any(rows), _if_any(part)
    whether, amount = _choose(any_part, folds, LOGISTIC, seed), _choose(some_part, folds, POISSON, seed)
    any_model = fit_engine(whether, any_rows, LOGISTIC, seed)
    amount_model = fit_engine(amount, some_rows.take(np.flatnonzero(some_rows.weights > 0)), POISSON, seed)
    logits, log_mean = whether.predictor, amount.predictor
    if folds is None:
        logits = engine_predictor(any_model, part.matrix)
        log_mean = engine_predictor(amount_model, part.matrix)
    calibrator = fit_calibrator(
        "auto", logits, any_part.y, part.weights, np.zeros(len(logits)) if folds is None else folds
    )
    share = calibrate(calibrator, logits)
    model = TwoParts(any_model, calibrator, amount_model)
    loss = {
        f"{name}_{engine}": value
        for name, choice in (("any", whether), ("amount", amount))
        for engine, value in choice.loss.items()
    }
    expected = Expected(share * limited_exp(log_mean), share)
    return Learnt(model, f"{whether.engine} × {amount.engine}", loss, expected)


def expected_amounts(model: EngineModel | TwoParts, matrix: np.ndarray) -> Expected:
    """Uncalibrated expectation of every row."""
    if not isinstance(model, TwoParts):
        return Expected(limited_exp(engine_predictor(model, matrix)), None)
    share = calibrate(model.calibrator, engine_predictor(model.whether, matrix))
    return Expected(share * limited_exp(engine_predictor(model.amount, matrix)), share)


def joined(parts: list[Expected]) -> Expected:
    """Parts of a table put together."""
    mean = np.concatenate([part.mean for part in parts])
    return Expected(mean, None if parts[0].any_share is None else np.concatenate([part.any_share for part in parts]))


def fit_line(mean: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Line:
    """Intercept, and from 100 rows with an amount the slope, that make out-of-fold means true.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.amounts import fit_line
    >>> round(fit_line(np.full(4, 2.0), np.array([0.0, 1.0, 1.0, 2.0]), np.ones(4)).intercept, 3)
    -0.693
    """
    predictor = np.log(np.maximum(mean, 1e-9))
    level = float(np.average(y, weights=weights))
    weights = weights / (weights.mean() * level)
    slope = 1.0
    intercept = _intercept(predictor, y, weights, slope)
    if (y > 0).sum() < MIN_EVENTS_FOR_SLOPE:
        return Line(intercept, slope)
    for _ in range(100):
        fitted = weights * limited_exp(intercept + slope * predictor)
        center = np.average(predictor, weights=fitted)
        # A normal prior of mean 1 and variance 1 keeps the slope finite.
        step = ((weights * y - fitted) @ (predictor - center) - (slope - 1.0)) / (
            fitted @ (predictor - center) ** 2 + 1.0
        )
        slope = max(slope + float(np.clip(step, -0.5, 0.5)), SMALLEST_SLOPE)
        intercept = _intercept(predictor, y, weights, slope)
        if abs(step) < 1e-10:
            break
    return Line(intercept, slope)


def _intercept(predictor: np.ndarray, y: np.ndarray, weights: np.ndarray, slope: float) -> float:
    return float(np.log(weights @ y) - np.log(weights @ limited_exp(slope * predictor)))


def _choose(part: Rows, folds: np.ndarray | None, family, seed: int) -> Choice:
    return default_choice() if folds is None else choose_engine(part, folds, family, seed)


def _whether(rows: Rows) -> Rows:
    return Rows(rows.matrix, rows.columns, (rows.y > 0).astype(np.intp), rows.weights)


def _if_any(rows: Rows) -> Rows:
    return Rows(rows.matrix, rows.columns, rows.y, np.where(rows.y > 0, rows.weights, 0.0))
