"""Several sets of risks of the same rows in; how good each is, and how much better than the others, out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.disclosure import is_small
from servicenee.evaluation.capacity import DEFAULT_CAPACITY, check_capacity, listing, mean_over_dates, queue
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.metrics import (
    area_under_curve,
    log_error,
    observed_over_expected,
    scaled_squared_error,
)
from servicenee.evaluation.notes import HIDDEN
from servicenee.evaluation.protection import few_persons, listed_with_event
from servicenee.evaluation.recalibration import intercept_and_slope
from servicenee.evaluation.rows import JudgedRows, coarse_levels, judged_rows, levels, ranked, totals

COMPARED = (
    "auc",
    "scaled_brier",
    "log_loss",
    "observed_expected",
    "calibration_slope",
    "ppv_at_capacity",
    "sensitivity_at_capacity",
)
COMPARISON_COLUMNS = (
    "model",
    "metric",
    "value",
    "lower",
    "upper",
    "difference",
    "difference_lower",
    "difference_upper",
    "note",
)


def compare_risks(
    labels,
    risks: Mapping[str, object],
    *,
    capacity: int | float = DEFAULT_CAPACITY,
    n_bootstrap: int = 200,
    random_state=0,
) -> pd.DataFrame:
    """Give the main measures of several risks of the same rows, and how far the first is from the others.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table or 0/1 outcome.
    risks : dict of str to array-like of shape (n_rows,)
        Calibrated probabilities by the name of the model; the first is the one in question.
    capacity, n_bootstrap, random_state
        As in `metric_table`.

    Returns
    -------
    DataFrame
        Columns model, metric, value, lower, upper, difference (first model minus this one), difference_lower,
        difference_upper, note; NaN differences for the first model.

    Notes
    -----
    Differences are taken within each resample of persons: two models of the same persons err together, and
    intervals that overlap say nothing. Figures of lists that hold 1 to 4 persons with the event are hidden.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import compare_risks
    >>> risk = np.linspace(0.01, 0.6, 400)
    >>> outcome = np.random.default_rng(0).random(400) < risk
    >>> table = compare_risks(outcome, {"model": risk, "same for all": np.full(400, 0.3)}, n_bootstrap=50)
    >>> table.set_index(["model", "metric"]).loc[("same for all", "auc"), ["value", "difference"]].round(3).tolist()
    [0.5, 0.218]
    """
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    if not risks:
        raise ValueError("`risks` must hold the risks of at least one model; got none.")
    capacity = check_capacity(capacity)
    rows = {str(name): judged_rows(labels, risk) for name, risk in risks.items()}
    statistics = [_statistic(one, capacity) for one in rows.values()]

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        values = np.array([of_model(copies) for of_model in statistics])
        return np.concatenate([values, values[0] - values]).ravel()

    first = next(iter(rows.values()))
    found = person_bootstrap(statistic, first.n_persons, n_bootstrap=n_bootstrap, random_state=random_state)
    bounds = np.reshape(found, (3, 2, len(rows), len(COMPARED)))
    bounds[:, 1, 0] = np.nan
    parts = [_one_model(name, one, bounds[:, :, place], capacity) for place, (name, one) in enumerate(rows.items())]
    return pd.concat(parts, ignore_index=True)[list(COMPARISON_COLUMNS)]


def _one_model(name: str, rows: JudgedRows, bounds: np.ndarray, capacity: int | float) -> pd.DataFrame:
    hidden = np.full(len(COMPARED), few_persons(rows))
    if is_small(listed_with_event(rows, capacity)):
        hidden |= np.array([metric.endswith("at_capacity") for metric in COMPARED])
    bounds = np.where(hidden, np.nan, bounds)
    return pd.DataFrame(
        {
            "model": name,
            "metric": list(COMPARED),
            **{column: bounds[place, 0] for place, column in enumerate(COMPARISON_COLUMNS[2:5])},
            **{column: bounds[place, 1] for place, column in enumerate(COMPARISON_COLUMNS[5:8])},
            "note": np.where(hidden, HIDDEN, ""),
        }
    )


def _statistic(rows: JudgedRows, capacity: int | float):
    sorted_rows, waiting = ranked(rows), queue(rows)
    starts, coarse = coarse_levels(sorted_rows, levels(sorted_rows))

    def statistic(copies: np.ndarray | None) -> list[float]:
        by_risk = levels(sorted_rows, copies)
        events, others, _ = totals(sorted_rows, starts, copies)
        return [
            area_under_curve(by_risk),
            scaled_squared_error(by_risk),
            log_error(by_risk),
            observed_over_expected(by_risk),
            intercept_and_slope(coarse.logit, events, others)[1],
            *mean_over_dates(listing(waiting, [capacity], copies)[0])[2:],
        ]

    return statistic
