"""Out-of-fold logits and outcomes come in, a calibrator goes out that turns a logit into a risk."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit
from scipy.special import logit as to_logit
from sklearn.isotonic import IsotonicRegression

from servicenee.need.families import log_losses

CALIBRATIONS = ("auto", "none", "intercept", "logistic", "isotonic")
MIN_EVENTS_FOR_SLOPE = 100
MIN_EVENTS_FOR_ISOTONIC = 1_000
MAX_STEPS = 200
# A slope of zero or less would make all risks equal or turn the ranking round.
SMALLEST_SLOPE = 0.05


@dataclass(frozen=True)
class Calibrator:
    """Intercept and slope on the logit, or isotonic steps (then `slope` only scales the reasons)."""

    kind: str
    intercept: float
    slope: float
    logits: np.ndarray
    risks: np.ndarray


def fit_calibrator(
    kind: str,
    logits: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    folds: np.ndarray,
    learnt_share: float = 1.0,
) -> Calibrator:
    """Calibrator from out-of-fold logits.

    Parameters
    ----------
    kind : {"auto", "none", "intercept", "logistic", "isotonic"}
        "auto": the intercept alone under 100 events, intercept and slope from 100, isotonic steps only from 1,000
        and if their cross-validated log-loss is lower by more than one standard error.
    logits : ndarray of shape (n_rows,)
        Out-of-fold logits.
    y, weights : ndarray of shape (n_rows,)
        Outcome 0/1 and row weights.
    folds : ndarray of shape (n_rows,)
        Fold of every row.
    learnt_share : float, default=1.0
        Events that each fold's model learnt from, as a share of those the final model learns from.

    Returns
    -------
    Calibrator

    Notes
    -----
    A model that learnt from fewer events exaggerates more. A slope below 1 is therefore moved towards 1 as far as the
    final model's larger number of events promises: its excess 1 / slope - 1 shrinks in proportion to 1 / events.

    References
    ----------
    Copas JB. Regression, prediction and shrinkage. J R Stat Soc B 1983;45:311-354.
    Platt J. Probabilistic outputs for support vector machines. 1999. Van Calster B et al. Calibration: the
    Achilles heel of predictive analytics. BMC Med 2019;17:230.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.calibration import calibrate, fit_calibrator
    >>> y, logits = np.array([0, 0, 0, 1]), np.zeros(4)
    >>> calibrator = fit_calibrator("auto", logits, y, np.ones(4), folds=np.arange(4))
    >>> calibrator.kind, calibrate(calibrator, logits).round(3).tolist()
    ('intercept', [0.25, 0.25, 0.25, 0.25])
    """
    n_events = min(int(y.sum()), int(len(y) - y.sum()))
    if kind == "auto":
        isotonic = n_events >= MIN_EVENTS_FOR_ISOTONIC and _isotonic_wins(logits, y, weights, folds)
        kind = "isotonic" if isotonic else "logistic" if n_events >= MIN_EVENTS_FOR_SLOPE else "intercept"
    fitted = _fit(kind, logits, y, weights)
    if kind != "logistic" or fitted.slope >= 1.0:
        return fitted
    slope = 1.0 / (1.0 + (1.0 / fitted.slope - 1.0) * learnt_share)
    intercept, _ = _logistic(slope * logits, y, weights, with_slope=False)
    return Calibrator(kind, intercept, slope, fitted.logits, fitted.risks)


def uncalibrated() -> Calibrator:
    """Leaves every logit as it is."""
    return Calibrator("none", 0.0, 1.0, np.zeros(0), np.zeros(0))


def calibrate(calibrator: Calibrator, logits: np.ndarray) -> np.ndarray:
    """Risk of every row."""
    if calibrator.kind == "isotonic":
        return np.interp(logits, calibrator.logits, calibrator.risks)
    return expit(calibrator.intercept + calibrator.slope * logits)


def recalibrated(calibrator: Calibrator, intercept: float, slope: float) -> Calibrator:
    """The calibrator followed by another intercept and slope on the log odds, as for a new place."""
    moved = {"intercept": intercept + slope * calibrator.intercept, "slope": slope * calibrator.slope}
    if calibrator.kind == "isotonic":
        return replace(calibrator, **moved, risks=expit(intercept + slope * to_logit(calibrator.risks)))
    return replace(calibrator, kind="logistic", **moved)


def _fit(kind: str, logits, y, weights) -> Calibrator:
    if kind == "none":
        return uncalibrated()
    intercept, slope = _logistic(logits, y, weights, with_slope=kind != "intercept")
    if kind != "isotonic":
        return Calibrator(kind, intercept, slope, np.zeros(0), np.zeros(0))
    steps = IsotonicRegression(out_of_bounds="clip").fit(logits, y, sample_weight=weights)
    # No more steps than this, so that the model never holds one value per person.
    at = np.unique(np.quantile(steps.X_thresholds_, np.linspace(0, 1, MAX_STEPS), method="nearest"))
    smallest = 1.0 / (weights.sum() + 2.0)
    risks = np.clip(np.interp(at, steps.X_thresholds_, steps.y_thresholds_), smallest, 1.0 - smallest)
    return Calibrator("isotonic", intercept, slope, at, risks)


def _logistic(logits: np.ndarray, y: np.ndarray, weights: np.ndarray, *, with_slope: bool) -> tuple[float, float]:
    """Newton's method; a normal prior of mean 1 and variance 1 keeps the slope finite when classes separate."""
    rate = np.average(y, weights=weights)
    intercept, slope = float(to_logit(rate)) - float(np.average(logits, weights=weights)), 1.0
    for _ in range(100):
        risk = expit(intercept + slope * logits)
        curvature = np.maximum(weights * risk * (1.0 - risk), 1e-12 * weights)
        residual = weights * (y - risk)
        gradient = np.array([residual.sum(), residual @ logits - (slope - 1.0)])
        cross = curvature @ logits
        hessian = np.array([[curvature.sum(), cross], [cross, curvature @ logits**2 + 1.0]])
        if with_slope:
            step = np.linalg.solve(hessian, gradient)
        else:
            step = np.array([gradient[0] / hessian[0, 0], 0.0])
        # Far from the solution a full step can overshoot.
        step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        intercept, slope = intercept + float(step[0]), slope + float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    if slope < SMALLEST_SLOPE:
        intercept, _ = _logistic(SMALLEST_SLOPE * logits, y, weights, with_slope=False)
        return intercept, SMALLEST_SLOPE
    return intercept, slope


def _isotonic_wins(logits, y, weights, folds) -> bool:
    gains = np.zeros(len(y))
    for fold in np.unique(folds):
        held_out, rest = folds == fold, folds != fold
        losses = []
        for kind in ("logistic", "isotonic"):
            calibrator = _fit(kind, logits[rest], y[rest], weights[rest])
            losses.append(log_losses(y[held_out], calibrate(calibrator, logits[held_out])))
        gains[held_out] = weights[held_out] * (losses[0] - losses[1])
    return bool(gains.mean() > gains.std() / np.sqrt(len(gains)))
