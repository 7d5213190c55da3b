"""Labels and risks in; one number out: discrimination, calibration and accuracy, weighted for censoring.

Every function takes a labels table or a 0/1 outcome. With labels the estimand is the risk of the event
before death; rows whose follow-up ended too early are weighted for by `known_outcomes`. Every function
gives NaN, never an error, where the data cannot tell: no rows, or one class only.
"""

import numpy as np
from scipy.special import expit

from servicenee.evaluation.recalibration import curve_design, curve_knots, intercept_and_slope, logistic_fit
from servicenee.evaluation.rows import Levels, judged_rows, levels, ranked


def auc(labels, risk, *, sample_weight=None) -> float:
    """Give the probability that a row with the event has a higher risk than a row without.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table or 0/1 outcome.
    risk : array-like of shape (n_rows,)
        Calibrated probabilities; ties count one half.
    sample_weight : array-like of shape (n_rows,), default=None
        Multiplied by the censoring weights.

    Returns
    -------
    float
        Area under the ROC curve; with labels, of events before the horizon against no event by then.

    References
    ----------
    Blanche P, Dartigues JF, Jacqmin-Gadda H. Stat Med 2013;32:5381-5397.

    Examples
    --------
    >>> from servicenee.evaluation import auc
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return area_under_curve(_levels(labels, risk, sample_weight))


def expected_auc(labels, risk, *, sample_weight=None) -> float:
    """Give the AUC that would be expected if every risk were exactly right (model-based concordance).

    Parameters
    ----------
    labels, risk, sample_weight
        As in `auc`; what happened is not used.

    Returns
    -------
    float
        A low AUC beside a low expected AUC says that the persons are alike; beside a high one, that the risks are
        wrong.

    References
    ----------
    Van Klaveren D et al. Stat Med 2016;35:4136-4152.

    Examples
    --------
    >>> from servicenee.evaluation import expected_auc
    >>> round(expected_auc([0, 1], [0.2, 0.8]), 3)
    0.941
    """
    return concordance_if_right(_levels(labels, risk, sample_weight))


def average_precision(labels, risk, *, sample_weight=None) -> float:
    """Give the mean share of events among rows at least as high, over the rows with the event.

    Parameters
    ----------
    labels, risk, sample_weight
        As in `auc`.

    Returns
    -------
    float
        Average precision; its value for a useless ranking is the event share.

    Examples
    --------
    >>> from servicenee.evaluation import average_precision
    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 3)
    0.833
    """
    return precision_area(_levels(labels, risk, sample_weight))


def brier(labels, risk, *, sample_weight=None) -> float:
    """Give the mean squared distance between risk and outcome; smaller is better.

    Parameters
    ----------
    labels, risk, sample_weight
        As in `auc`.

    Returns
    -------
    float
        Brier score, with labels weighted for censoring.

    References
    ----------
    Graf E et al. Stat Med 1999;18:2529-2545.

    Examples
    --------
    >>> from servicenee.evaluation import brier
    >>> brier([0, 1], [0.0, 0.5])
    0.125
    """
    return squared_error(_levels(labels, risk, sample_weight))


def scaled_brier(labels, risk, *, sample_weight=None) -> float:
    """Give the share of the Brier score of a constant risk that the risks take away.

    Parameters
    ----------
    labels, risk, sample_weight
        As in `auc`.

    Returns
    -------
    float
        1 for perfect risks, 0 for everybody at the event share, negative if worse than that.

    References
    ----------
    Steyerberg EW et al. Epidemiology 2010;21:128-138.

    Examples
    --------
    >>> from servicenee.evaluation import scaled_brier
    >>> scaled_brier([0, 1], [0.0, 0.5])
    0.5
    """
    return scaled_squared_error(_levels(labels, risk, sample_weight))


def log_loss(labels, risk, *, sample_weight=None) -> float:
    """Give the mean negative log-likelihood of the outcomes; smaller is better.

    Parameters
    ----------
    labels, risk, sample_weight
        As in `auc`. Risks of exactly 0 or 1 are moved by 2e-16.

    Returns
    -------
    float
        Log-loss, with labels weighted for censoring.

    Examples
    --------
    >>> from servicenee.evaluation import log_loss
    >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
    0.6931
    """
    return log_error(_levels(labels, risk, sample_weight))


def observed_expected(labels, risk, *, sample_weight=None) -> float:
    """Give observed events divided by expected events: calibration in the large.

    Parameters
    ----------
    labels, risk, sample_weight
        As in `auc`.

    Returns
    -------
    float
        1 when the risks are right on average, above 1 when they are too low.

    Notes
    -----
    Expected: the mean risk of all rows, those that left follow-up early included. Observed: the
    weighted event share, which for one stratum is the Aalen-Johansen estimate.

    Examples
    --------
    >>> from servicenee.evaluation import observed_expected
    >>> observed_expected([0, 1], [0.5, 0.75])
    0.8
    """
    return observed_over_expected(_levels(labels, risk, sample_weight))


def calibration_intercept(labels, risk, *, sample_weight=None) -> float:
    """Give the shift on the log-odds scale that would make the risks right on average; 0 is ideal.

    Parameters
    ----------
    labels, risk, sample_weight
        As in `auc`. Log odds are taken of risks kept between 1e-6 and 1 - 1e-6.

    Returns
    -------
    float
        Intercept of a logistic model of the outcome with the log odds of the risk as offset.

    References
    ----------
    Van Calster B et al. BMC Med 2019;17:230.

    Examples
    --------
    >>> from servicenee.evaluation import calibration_intercept
    >>> round(calibration_intercept([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.2]), 4)
    1.3863
    """
    totals = _levels(labels, risk, sample_weight)
    return intercept_and_slope(totals.logit, totals.events, totals.others)[0]


def calibration_slope(labels, risk, *, sample_weight=None) -> float:
    """Give the slope of the outcome on the log odds of the risk; 1 is ideal, below 1 is too extreme.

    Parameters
    ----------
    labels, risk, sample_weight
        As in `calibration_intercept`.

    Returns
    -------
    float
        Slope of a logistic model with an intercept and the log odds of the risk; NaN if all risks are
        equal or if one cut of the risk separates all events from all others.

    References
    ----------
    Cox DR. Biometrika 1958;45:562-565.

    Examples
    --------
    >>> from servicenee.evaluation import calibration_slope
    >>> outcome = [0] * 8 + [1] * 2 + [0] * 2 + [1] * 8
    >>> round(calibration_slope(outcome, [0.2] * 10 + [0.8] * 10), 6)
    1.0
    """
    totals = _levels(labels, risk, sample_weight)
    return intercept_and_slope(totals.logit, totals.events, totals.others)[1]


def ici(labels, risk, *, sample_weight=None) -> float:
    """Give the mean distance between the risks and a smooth calibration curve (integrated calibration index).

    Parameters
    ----------
    labels, risk, sample_weight
        As in `calibration_intercept`.

    Returns
    -------
    float
        0 for perfect calibration, in units of probability.

    Notes
    -----
    The curve is a logistic regression on a restricted cubic spline of the log odds with knots at the
    quantiles .05, .35, .65 and .95 of all rows.

    References
    ----------
    Austin PC, Steyerberg EW. Stat Med 2019;38:4051-4065.

    Examples
    --------
    >>> from servicenee.evaluation import ici
    >>> round(ici([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.2]), 6)
    0.3
    """
    return _distances(labels, risk, sample_weight)[0]


def e90(labels, risk, *, sample_weight=None) -> float:
    """Give the distance to the smooth calibration curve that 90 % of the risks do not exceed.

    Parameters
    ----------
    labels, risk, sample_weight
        As in `ici`, and of the same curve.

    Returns
    -------
    float
        0 for perfect calibration, in units of probability. The largest distance (Emax) is left out: it hangs on a
        single row at the end of the curve.

    References
    ----------
    Austin PC, Steyerberg EW. Stat Med 2019;38:4051-4065.

    Examples
    --------
    >>> from servicenee.evaluation import e90
    >>> round(e90([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.2]), 6)
    0.3
    """
    return _distances(labels, risk, sample_weight)[1]


def area_under_curve(totals: Levels) -> float:
    """AUC from totals by risk."""
    events, others = totals.events.sum(), totals.others.sum()
    if not (events > 0 and others > 0):
        return np.nan
    below = others - np.cumsum(totals.others)
    return float(totals.events @ (below + 0.5 * totals.others) / (events * others))


def precision_area(totals: Levels) -> float:
    """Average precision from totals by risk."""
    events = totals.events.sum()
    if not events > 0:
        return np.nan
    hits = np.cumsum(totals.events)
    listed = np.cumsum(totals.events + totals.others)
    precision = np.divide(hits, listed, out=np.zeros(len(hits)), where=listed > 0)
    return float(totals.events @ precision / events)


def squared_error(totals: Levels) -> float:
    """Brier score from totals by risk."""
    weight = totals.events.sum() + totals.others.sum()
    if not weight > 0:
        return np.nan
    return float((totals.events @ (1 - totals.risk) ** 2 + totals.others @ totals.risk**2) / weight)


def scaled_squared_error(totals: Levels) -> float:
    """Scaled Brier score from totals by risk."""
    share = event_share(totals)
    if not 0 < share < 1:
        return np.nan
    return 1 - squared_error(totals) / (share * (1 - share))


def log_error(totals: Levels) -> float:
    """Log-loss from totals by risk."""
    weight = totals.events.sum() + totals.others.sum()
    if not weight > 0:
        return np.nan
    return float(-(totals.events @ totals.log_risk + totals.others @ totals.log_rest) / weight)


def event_share(totals: Levels) -> float:
    """Weighted share of rows with the event."""
    weight = totals.events.sum() + totals.others.sum()
    return float(totals.events.sum() / weight) if weight > 0 else np.nan


def observed_over_expected(totals: Levels) -> float:
    """O:E from totals by risk."""
    expected = float(totals.rows @ totals.risk)
    return event_share(totals) * float(totals.rows.sum()) / expected if expected > 0 else np.nan


def concordance_if_right(totals: Levels) -> float:
    """Expected AUC from totals by risk, over all pairs of two different rows."""
    events, others = totals.rows * totals.risk, totals.rows * (1 - totals.risk)
    # A row cannot be compared with itself; among many rows its own half tie vanishes.
    alone = totals.rows @ (totals.risk * (1 - totals.risk))
    pairs = events.sum() * others.sum() - alone
    if not pairs > 0:
        return np.nan
    below = others.sum() - np.cumsum(others)
    return float((events @ (below + 0.5 * others) - 0.5 * alone) / pairs)


def distances_to_curve(
    risk: np.ndarray, design: np.ndarray, events: np.ndarray, others: np.ndarray
) -> tuple[float, float]:
    """Mean and 90 % point of the distance between the risks and the curve with this design."""
    beta = logistic_fit(design, events, others)
    weight = events + others
    if not (np.isfinite(beta).all() and weight.sum() > 0):
        return np.nan, np.nan
    distance = np.abs(risk - expit(design @ beta))
    order = np.argsort(distance, kind="stable")
    reached = np.cumsum(weight[order])
    # The last level reaches the whole weight but for rounding.
    at = min(int(np.searchsorted(reached, 0.9 * reached[-1] * (1 - 1e-12))), len(order) - 1)
    return float(weight @ distance / weight.sum()), float(distance[order][at])


def _distances(labels, risk, sample_weight) -> tuple[float, float]:
    totals = _levels(labels, risk, sample_weight)
    knots = curve_knots(totals.logit, totals.rows)
    return distances_to_curve(totals.risk, curve_design(totals.logit, knots), totals.events, totals.others)


def _levels(labels, risk, sample_weight) -> Levels:
    return levels(ranked(judged_rows(labels, risk, sample_weight=sample_weight)))
