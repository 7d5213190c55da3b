"""Weighted totals by risk in; logistic recalibration and a smooth calibration curve out."""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

KNOT_SHARES = (0.05, 0.35, 0.65, 0.95)


def logistic_fit(design: np.ndarray, events: np.ndarray, others: np.ndarray, offset=0.0) -> np.ndarray:
    """Maximum-likelihood coefficients of a weighted logistic regression; NaN where there is no maximum."""
    nowhere = np.full(design.shape[1], np.nan)
    if not (events.sum() > 0 and others.sum() > 0):
        return nowhere
    beta = np.zeros(design.shape[1])
    weight = events + others

    def loss_at(coefficients: np.ndarray) -> float:
        eta = design @ coefficients + offset
        return float(weight @ (np.maximum(eta, 0) + np.log1p(np.exp(-np.abs(eta)))) - events @ eta)

    loss = loss_at(beta)
    for _ in range(100):
        risk = expit(design @ beta + offset)
        slope = design.T @ (events - weight * risk)
        curvature = (design * (weight * risk * (1 - risk))[:, None]).T @ design
        try:
            step = np.linalg.solve(curvature, slope)
        except np.linalg.LinAlgError:
            return nowhere
        beta, loss, moved = _step_down(loss_at, beta, loss, step)
        if not moved or np.abs(step).max() < 1e-9:
            break
    # Events and non-events that a line separates have no finite maximum: the loss goes to 0 instead.
    converged = np.isfinite(beta).all() and np.abs(step).max() < 1e-5 and loss > 1e-6 * weight.sum()
    return beta if converged else nowhere


def intercept_and_slope(logits: np.ndarray, events: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Calibration intercept (slope held at 1) and calibration slope."""
    ones = np.ones((len(logits), 1))
    intercept = logistic_fit(ones, events, others, offset=logits)[0]
    if len(logits) < 2:
        return float(intercept), np.nan
    slope = logistic_fit(np.column_stack([ones, logits]), events, others)[1]
    return float(intercept), float(slope)


def poisson_line(log_expected: np.ndarray, amounts: np.ndarray, known: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of a log-linear Poisson model of amounts on the log expectation; NaN without a maximum.

    `amounts` are totals over `known` rows each.
    """
    weight = known.sum()
    if not (weight > 0 and amounts.sum() > 0) or np.ptp(log_expected) < 1e-9:
        return np.nan, np.nan
    centre = float(known @ log_expected / weight)
    design = np.column_stack([np.ones(len(log_expected)), log_expected - centre])
    beta = np.array([np.log(amounts.sum() / weight), 0.0])
    for _ in range(100):
        mean = known * np.exp(np.clip(design @ beta, -50, 50))
        step = np.linalg.solve((design * mean[:, None]).T @ design, design.T @ (amounts - mean))
        # Half steps far from the maximum: the exponential overshoots.
        beta = beta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            return float(beta[0] - beta[1] * centre), float(beta[1])
    return np.nan, np.nan


def curve_knots(logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Knots of the calibration curve: quantiles of the log odds over all rows, distinct ones only."""
    if not len(logits):
        return np.empty(0)
    order = np.argsort(logits, kind="stable")
    reached = np.cumsum(rows[order])
    at = np.searchsorted(reached, np.array(KNOT_SHARES) * reached[-1], side="left")
    knots = np.unique(logits[order][np.minimum(at, len(logits) - 1)])
    return knots if len(knots) > 2 else np.unique([logits.min(), logits.max()])


def curve_design(logits: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Restricted cubic spline of the log odds: straight below the first knot and above the last.

    Fewer than three distinct knots leave a straight line, a single risk a constant.
    """
    columns = [np.ones(len(logits))]
    if len(knots) > 1:
        columns.append(logits)
    if len(knots) > 2:
        last, before_last = knots[-1], knots[-2]
        for knot in knots[:-2]:
            bend = (
                _cube(logits - knot)
                - _cube(logits - before_last) * (last - knot) / (last - before_last)
                + _cube(logits - last) * (before_last - knot) / (last - before_last)
            )
            columns.append(bend / (last - knots[0]) ** 2)
    return np.column_stack(columns)


def _cube(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0) ** 3


def _step_down(
    loss_at: Callable[[np.ndarray], float], beta: np.ndarray, loss: float, step: np.ndarray
) -> tuple[np.ndarray, float, bool]:
    """Newton step, halved until the loss does not rise."""
    for halving in range(30):
        candidate = beta + step * 0.5**halving
        candidate_loss = loss_at(candidate)
        if candidate_loss <= loss:
            return candidate, candidate_loss, True
    return beta, loss, False
