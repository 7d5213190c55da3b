"""Risks and a capacity in; who would be listed and how many of the events that catches out.

Everything is computed within each index date and then averaged over the dates: a service acts on today's
list, and pooling the dates would let a sick month crowd out the others. Ties go by row order after rounding
the risks to 12 decimals, as in the scores.
"""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.rows import RISK_DECIMALS, JudgedRows, judged_rows

DEFAULT_CAPACITY = 0.05
CAPACITY_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Queue:
    """Rows in the order in which they would be listed, date by date."""

    order: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    weighted_y: np.ndarray
    weight: np.ndarray
    risk: np.ndarray
    person: np.ndarray


@dataclass(frozen=True)
class Listing:
    """What a capacity gives on each index date."""

    selected: np.ndarray
    expected: np.ndarray
    ppv: np.ndarray
    sensitivity: np.ndarray


def ppv_at_capacity(labels, risk, *, capacity: int | float, sample_weight=None) -> float:
    """Give the share of the listed rows that have the event (positive predictive value).

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table or 0/1 outcome. Index dates are taken from its index, else all rows are one date.
    risk : array-like of shape (n_rows,)
        Calibrated probabilities.
    capacity : int or float
        Persons the service can act on at each index date: a count, or a fraction of the rows of the
        date. Above the number of rows everybody is listed.
    sample_weight : array-like of shape (n_rows,), default=None
        Multiplied by the censoring weights.

    Returns
    -------
    float
        Mean over the index dates.

    Examples
    --------
    >>> from servicenee.evaluation import ppv_at_capacity
    >>> ppv_at_capacity([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5], capacity=2)
    1.0
    """
    return _mean(_listing(labels, risk, capacity, sample_weight).ppv)


def sensitivity_at_capacity(labels, risk, *, capacity: int | float, sample_weight=None) -> float:
    """Give the share of all events that are among the listed rows.

    Parameters
    ----------
    labels, risk, capacity, sample_weight
        As in `ppv_at_capacity`.

    Returns
    -------
    float
        Mean over the index dates that have an event.

    Examples
    --------
    >>> from servicenee.evaluation import sensitivity_at_capacity
    >>> sensitivity_at_capacity([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5], capacity=0.2)
    0.3333333333333333
    """
    return _mean(_listing(labels, risk, capacity, sample_weight).sensitivity)


def capacity_table(labels, risk, *, capacity=None, n_bootstrap: int = 200, random_state=0) -> pd.DataFrame:
    """Give what lists of different lengths would catch, per index date and then averaged.

    Parameters
    ----------
    labels, risk, n_bootstrap, random_state
        As in `metric_table`.
    capacity : int or float, default=None
        One more length beside 1, 2, 5, 10 and 20 % of the rows of each index date.

    Returns
    -------
    DataFrame
        Columns capacity (as asked for), selected (number listed), lowest_risk, expected_events (sum of the
        risks), observed_events (PPV times number listed), ppv, ppv_lower, ppv_upper, sensitivity,
        sensitivity_lower, sensitivity_upper; all means over the index dates.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import capacity_table
    >>> risk = np.linspace(0.01, 0.6, 400)
    >>> outcome = np.random.default_rng(0).random(400) < risk
    >>> capacity_table(outcome, risk, capacity=50)["selected"].tolist()
    [4.0, 8.0, 20.0, 40.0, 50.0, 80.0]
    """
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    asked = None if capacity is None else check_capacity(capacity)
    rows = judged_rows(labels, risk)
    lengths = list_lengths(rows, asked)
    return capacities_of(rows, lengths, n_bootstrap=n_bootstrap, random_state=random_state)


def check_capacity(capacity) -> int | float:
    """A count of at least 1, or a fraction above 0 and up to 1."""
    if isinstance(capacity, Integral) and not isinstance(capacity, bool) and capacity >= 1:
        return int(capacity)
    if isinstance(capacity, Real) and not isinstance(capacity, bool | Integral) and 0 < capacity <= 1:
        return float(capacity)
    raise ValueError(
        f"`capacity` must be a whole number from 1 or a fraction above 0 and up to 1; got {capacity!r}. "
        "Write 50 for fifty persons, 0.05 for 5 % of each index date."
    )


def capacities_of(
    rows: JudgedRows, asked: list[int | float], *, n_bootstrap: int, random_state
) -> pd.DataFrame:
    """`capacity_table` of rows already checked, for list lengths in ascending order."""
    waiting = queue(rows)

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        return np.concatenate([mean_over_dates(listing(waiting, one, copies)) for one in asked])

    found = person_bootstrap(statistic, rows.n_persons, n_bootstrap=n_bootstrap, random_state=random_state)
    value, lower, upper = (part.reshape(len(asked), 4) for part in found)
    return pd.DataFrame(
        {
            "capacity": [capacity_text(one) for one in asked],
            "selected": value[:, 0],
            "lowest_risk": [lowest_risk(waiting, one) for one in asked],
            "expected_events": value[:, 1],
            "observed_events": value[:, 2] * value[:, 0],
            "ppv": value[:, 2],
            "ppv_lower": lower[:, 2],
            "ppv_upper": upper[:, 2],
            "sensitivity": value[:, 3],
            "sensitivity_lower": lower[:, 3],
            "sensitivity_upper": upper[:, 3],
        }
    )


def list_lengths(rows: JudgedRows, capacity: int | float | None) -> list[int | float]:
    """The lengths that are always looked at and the one asked for, shortest list first."""
    asked = list(CAPACITY_STEPS) + ([] if capacity in (None, *CAPACITY_STEPS) else [capacity])
    waiting = queue(rows)
    sizes = [mean_over_dates(listing(waiting, one))[0] for one in asked]
    return [asked[position] for position in np.argsort(sizes, kind="stable")]


def capacity_text(capacity: int | float) -> str:
    """A capacity as it was asked for: ``50`` or ``5 %``."""
    return str(capacity) if isinstance(capacity, int) else f"{100 * capacity:g} %"


def queue(rows: JudgedRows) -> Queue:
    """Sort the rows of each index date by falling risk, ties by row order."""
    order = np.lexsort((-np.round(rows.risk, RISK_DECIMALS), rows.date))
    lengths = np.bincount(rows.date) if len(order) else np.empty(0, dtype=np.int64)
    return Queue(
        order=order,
        starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(order) else lengths,
        lengths=lengths,
        weighted_y=(rows.weight * rows.y)[order],
        weight=rows.weight[order],
        risk=rows.risk[order],
        person=rows.person[order],
    )


def taken(waiting: Queue, capacity: int | float, copies: np.ndarray) -> np.ndarray:
    """How many copies of each row of the queue are listed; `copies` has one entry per row of it."""
    reached = np.cumsum(copies)
    present = np.add.reduceat(copies, waiting.starts)
    before = reached - copies - np.repeat(reached[waiting.starts] - copies[waiting.starts], waiting.lengths)
    places = np.repeat(_places(capacity, present), waiting.lengths)
    return np.clip(places - before, 0, copies)


def listing(waiting: Queue, capacity: int | float, copies: np.ndarray | None = None) -> Listing:
    """Number listed, expected events, PPV and sensitivity on each index date."""
    if not len(waiting.order):
        nothing = np.empty(0)
        return Listing(nothing, nothing, nothing, nothing)
    copies = np.ones(len(waiting.order)) if copies is None else copies[waiting.person].astype(np.float64)
    chosen = taken(waiting, capacity, copies)

    def by_date(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, waiting.starts)

    hits = by_date(chosen * waiting.weighted_y)
    return Listing(
        selected=by_date(chosen),
        expected=by_date(chosen * waiting.risk),
        ppv=_share(hits, by_date(chosen * waiting.weight)),
        sensitivity=_share(hits, by_date(copies * waiting.weighted_y)),
    )


def is_listed(waiting: Queue, capacity: int | float) -> np.ndarray:
    """For each row, in the original order, whether it would be listed."""
    listed = np.zeros(len(waiting.order), dtype=bool)
    if len(listed):
        listed[waiting.order] = taken(waiting, capacity, np.ones(len(listed))) > 0
    return listed


def lowest_risk(waiting: Queue, capacity: int | float) -> float:
    """Risk of the last row listed, mean over the index dates."""
    if not len(waiting.order):
        return np.nan
    chosen = taken(waiting, capacity, np.ones(len(waiting.order))) > 0
    return _mean(np.minimum.reduceat(np.where(chosen, waiting.risk, np.inf), waiting.starts))


def mean_over_dates(of_dates: Listing) -> np.ndarray:
    """Mean over the index dates of number listed, expected events, PPV and sensitivity."""
    return np.array(
        [_mean(of_dates.selected), _mean(of_dates.expected), _mean(of_dates.ppv), _mean(of_dates.sensitivity)]
    )


def _listing(labels, risk, capacity, sample_weight) -> Listing:
    rows = judged_rows(labels, risk, sample_weight=sample_weight)
    return listing(queue(rows), check_capacity(capacity))


def _places(capacity: int | float, present: np.ndarray) -> np.ndarray:
    if isinstance(capacity, int):
        return np.full(len(present), float(capacity))
    # Half up, so that 5 % of 50 rows is 3 wherever it is computed; at least one place.
    return np.maximum(np.floor(capacity * present + 0.5), 1.0)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
