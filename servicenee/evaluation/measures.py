"""Labels and risks in; one table of every measure with its interval out."""

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.evaluation.capacity import DEFAULT_CAPACITY, check_capacity, listing, mean_over_dates, queue
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.metrics import (
    area_under_curve,
    concordance_if_right,
    distances_to_curve,
    log_error,
    observed_over_expected,
    precision_area,
    scaled_squared_error,
    squared_error,
)
from servicenee.evaluation.notes import (
    EQUAL,
    FEW,
    FEWEST_EVENTS,
    NO_EVENTS,
    NO_OUTCOME,
    NO_ROWS,
    ONLY_EVENTS,
    SEPARATED,
)
from servicenee.evaluation.recalibration import curve_design, curve_knots, intercept_and_slope
from servicenee.evaluation.rows import JudgedRows, Levels, coarse_levels, judged_rows, levels, ranked, totals

METRICS = (
    "auc",
    "expected_auc",
    "average_precision",
    "brier",
    "scaled_brier",
    "log_loss",
    "observed_expected",
    "calibration_intercept",
    "calibration_slope",
    "ici",
    "e90",
    "ppv_at_capacity",
    "sensitivity_at_capacity",
)


def metric_table(
    labels, risk, *, capacity: int | float = DEFAULT_CAPACITY, n_bootstrap: int = 200, random_state=0
) -> pd.DataFrame:
    """Give every measure with its 95 % interval.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table or 0/1 outcome; persons and index dates come from its index, or from that of `risk`.
    risk : array-like of shape (n_rows,)
        Calibrated probabilities.
    capacity : int or float, default=0.05
        Persons the service can act on at each index date: a count, or a fraction.
    n_bootstrap : int, default=200
        Resamples of persons behind the intervals; 0 leaves the intervals out.
    random_state : int or None, default=0
        Seed of the resampling.

    Returns
    -------
    DataFrame
        Columns metric, value, lower, upper, n (rows), events (rows known to have the event), note.
        Where a value cannot be estimated it is NaN and the note says why.

    Notes
    -----
    Persons are resampled, not rows; without persons in an index every row counts as a person. Lists are
    drawn up anew in each resample. Nothing is suppressed here; `evaluate` does that.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import metric_table
    >>> risk = np.linspace(0.01, 0.6, 400)
    >>> outcome = np.random.default_rng(0).random(400) < risk
    >>> metric_table(outcome, risk).columns.tolist()
    ['metric', 'value', 'lower', 'upper', 'n', 'events', 'note']
    """
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    rows = judged_rows(labels, risk)
    return metrics_of(rows, check_capacity(capacity), n_bootstrap=n_bootstrap, random_state=random_state)


def metrics_of(rows: JudgedRows, capacity: int | float, *, n_bootstrap: int, random_state) -> pd.DataFrame:
    """`metric_table` of rows already checked."""
    sorted_rows, waiting = ranked(rows), queue(rows)
    full = levels(sorted_rows)
    knots = curve_knots(full.logit, full.rows)
    coarse_starts, coarse = coarse_levels(sorted_rows, full)
    coarse_design = curve_design(coarse.logit, knots)

    def of_resample(copies: np.ndarray) -> list[float]:
        events, others, _ = totals(sorted_rows, coarse_starts, copies)
        return [
            *intercept_and_slope(coarse.logit, events, others),
            *distances_to_curve(coarse.risk, coarse_design, events, others),
        ]

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        by_risk = full if copies is None else levels(sorted_rows, copies)
        calibration = _calibration(full, knots) if copies is None else of_resample(copies)
        at_capacity = mean_over_dates(listing(waiting, [capacity], copies)[0])[2:]
        return np.array([*_accuracy(by_risk), *calibration, *at_capacity])

    value, lower, upper = person_bootstrap(
        statistic, rows.n_persons, n_bootstrap=n_bootstrap, random_state=random_state
    )
    events = int(np.sum((rows.weight > 0) & (rows.y == 1)))
    bounds = {"metric": list(METRICS), "value": value, "lower": lower, "upper": upper}
    notes = [_note(full, one, events) for one in value]
    return pd.DataFrame({**bounds, "n": float(len(rows.y)), "events": float(events), "note": notes})


def _accuracy(by_risk: Levels) -> list[float]:
    return [
        area_under_curve(by_risk),
        concordance_if_right(by_risk),
        precision_area(by_risk),
        squared_error(by_risk),
        scaled_squared_error(by_risk),
        log_error(by_risk),
        observed_over_expected(by_risk),
    ]


def _calibration(full: Levels, knots: np.ndarray) -> list[float]:
    return [
        *intercept_and_slope(full.logit, full.events, full.others),
        *distances_to_curve(full.risk, curve_design(full.logit, knots), full.events, full.others),
    ]


def _note(full: Levels, value: float, events: int) -> str:
    """Why a value is missing, or what to keep in mind when it is not."""
    if np.isfinite(value):
        return FEW if events < FEWEST_EVENTS else ""
    return _missing_reason(full)


def _missing_reason(full: Levels) -> str:
    """Why a measure has no value."""
    if not len(full.risk):
        return NO_ROWS
    if not full.events.sum() + full.others.sum() > 0:
        return NO_OUTCOME
    if not full.events.sum() > 0:
        return NO_EVENTS
    if not full.others.sum() > 0:
        return ONLY_EVENTS
    return EQUAL if len(full.risk) < 2 else SEPARATED
