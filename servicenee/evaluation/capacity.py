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
COUNT_INTERVAL = 0.8
CUT_COLUMNS = ("lowest_risk", "tied", "expected_lower", "expected_upper", "lead_days")


@dataclass(frozen=True)
class Queue:
    """Rows in the order in which they would be listed, date by date."""

    order: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    weighted_y: np.ndarray
    weight: np.ndarray
    risk: np.ndarray
    time_days: np.ndarray
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
        Columns capacity (as asked for), selected (number listed), lowest_risk, tied (rows as high as the
        last one listed that found no place), expected_events (sum of the risks), expected_lower,
        expected_upper (80 % interval of the number of events if the risks are right), observed_events (PPV
        times number listed), ppv, ppv_lower, ppv_upper, number_needed (listed per event, 1 / PPV), lift (PPV
        / event share), sensitivity, sensitivity_lower, sensitivity_upper, lead_days (median days from the
        start of the window to the events of the listed; NaN for a plain 0/1 outcome); all means over the
        index dates.

    Notes
    -----
    The number of events among listed persons with risks ``p`` has a Poisson-binomial distribution; it takes
    the persons to be independent.

    References
    ----------
    Hong Y. On computing the distribution function for the Poisson binomial distribution. Comput Stat Data
    Anal 2013;59:41-51.

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


def capacities_of(rows: JudgedRows, asked: list[int | float], *, n_bootstrap: int, random_state) -> pd.DataFrame:
    """`capacity_table` of rows already checked, for list lengths in ascending order."""
    waiting = queue(rows)

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        return np.concatenate([mean_over_dates(one) for one in listing(waiting, asked, copies)])

    found = person_bootstrap(statistic, rows.n_persons, n_bootstrap=n_bootstrap, random_state=random_state)
    value, lower, upper = (part.reshape(len(asked), 4) for part in found)
    cuts = pd.DataFrame([_at_the_cut(waiting, one) for one in asked], columns=list(CUT_COLUMNS))
    ppv = value[:, 2]
    return pd.DataFrame(
        {
            "capacity": [capacity_text(one) for one in asked],
            "selected": value[:, 0],
            "lowest_risk": cuts["lowest_risk"],
            "tied": cuts["tied"],
            "expected_events": value[:, 1],
            "expected_lower": cuts["expected_lower"],
            "expected_upper": cuts["expected_upper"],
            "observed_events": ppv * value[:, 0],
            "ppv": ppv,
            "ppv_lower": lower[:, 2],
            "ppv_upper": upper[:, 2],
            "number_needed": np.divide(1.0, ppv, out=np.full(len(asked), np.nan), where=ppv > 0),
            "lift": ppv / _event_share(waiting),
            "sensitivity": value[:, 3],
            "sensitivity_lower": lower[:, 3],
            "sensitivity_upper": upper[:, 3],
            "lead_days": cuts["lead_days"],
        }
    )


def list_lengths(rows: JudgedRows, capacity: int | float | None) -> list[int | float]:
    """The lengths that are always looked at and the one asked for, shortest list first."""
    asked = list(CAPACITY_STEPS) + ([] if capacity in (None, *CAPACITY_STEPS) else [capacity])
    waiting = queue(rows)
    sizes = [mean_over_dates(one)[0] for one in listing(waiting, asked)]
    return [asked[position] for position in np.argsort(sizes, kind="stable")]


def capacity_text(capacity: int | float) -> str:
    """A capacity as it was asked for: ``50`` or ``5%``."""
    return str(capacity) if isinstance(capacity, int) else f"{100 * capacity:g}%"


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
        time_days=rows.time_days[order],
        person=rows.person[order],
    )


def listing(waiting: Queue, capacities: list[int | float], copies: np.ndarray | None = None) -> list[Listing]:
    """Number listed, expected events, PPV and sensitivity on each index date, for every list length.

    `copies` says how often each person is taken (None: once); a person may then be listed in part.
    """
    if not len(waiting.order):
        nothing = np.empty(0)
        return [Listing(nothing, nothing, nothing, nothing) for _ in capacities]
    times = np.ones(len(waiting.order)) if copies is None else copies[waiting.person]
    reached = _running(times)
    hits = _running(times * waiting.weighted_y)
    known = _running(times * waiting.weight)
    expected = _running(times * waiting.risk)
    first, last = waiting.starts, waiting.starts + waiting.lengths
    present = reached[last] - reached[first]
    of_date = hits[last] - hits[first]
    found = []
    for capacity in capacities:
        listed = np.minimum(places(capacity, present), present)
        end, part = _cut(reached, first, last, listed)
        caught, seen, predicted = (_up_to(sums, end, part) - sums[first] for sums in (hits, known, expected))
        found.append(Listing(listed, predicted, _share(caught, seen), _share(caught, of_date)))
    return found


def is_listed(waiting: Queue, capacity: int | float) -> np.ndarray:
    """For each row, in the original order, whether it would be listed."""
    listed = np.zeros(len(waiting.order), dtype=bool)
    if len(listed):
        place = np.arange(len(listed)) - np.repeat(waiting.starts, waiting.lengths)
        listed[waiting.order] = place < np.repeat(places(capacity, waiting.lengths), waiting.lengths)
    return listed


def count_interval(risk: np.ndarray, share: float = COUNT_INTERVAL) -> tuple[float, float]:
    """Interval that holds the number of events among independent rows with these risks in `share` of cases."""
    reached = np.cumsum(_count_distribution(risk))
    tail = (1 - share) / 2
    lower, upper = np.searchsorted(reached, [tail, 1 - tail])
    return float(lower), float(min(upper, len(risk)))


def mean_over_dates(of_dates: Listing) -> np.ndarray:
    """Mean over the index dates of number listed, expected events, PPV and sensitivity."""
    return np.array(
        [_mean(of_dates.selected), _mean(of_dates.expected), _mean(of_dates.ppv), _mean(of_dates.sensitivity)]
    )


def _at_the_cut(waiting: Queue, capacity: int | float) -> list[float]:
    """Means over the index dates of what the end of the list looks like: see `CUT_COLUMNS`."""
    of_dates = []
    for start, length in zip(waiting.starts.tolist(), waiting.lengths.tolist(), strict=True):
        n_listed = int(min(places(capacity, np.array([length]))[0], length))
        listed, beyond = slice(start, start + n_listed), slice(start + n_listed, start + length)
        risk = np.round(waiting.risk[beyond], RISK_DECIMALS)
        lowest = waiting.risk[listed][-1]
        tied = float(np.sum(risk == np.round(lowest, RISK_DECIMALS)))
        lead = _weighted_median(waiting.time_days[listed], waiting.weighted_y[listed])
        of_dates.append([lowest, tied, *count_interval(waiting.risk[listed]), lead])
    if not of_dates:
        return [np.nan] * len(CUT_COLUMNS)
    return [_mean(column) for column in np.array(of_dates).T]


def _count_distribution(risk: np.ndarray) -> np.ndarray:
    """Probabilities of 0, 1, 2, ... events: the product of the polynomials (1 - p) + p z, multiplied pairwise."""
    factors = np.column_stack([1 - risk, risk])
    while len(factors) > 1:
        if len(factors) % 2:
            factors = np.vstack([factors, np.eye(1, factors.shape[1])])
        size = 2 * factors.shape[1] - 1
        spectrum = np.fft.rfft(factors, size, axis=1)
        factors = np.fft.irfft(spectrum[0::2] * spectrum[1::2], size, axis=1)
    return factors[0]


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """Smallest value that at least half of the weight does not exceed; NaN without weight or values."""
    known = np.isfinite(values) & (weights > 0)
    if not known.any():
        return np.nan
    order = np.argsort(values[known], kind="stable")
    reached = np.cumsum(weights[known][order])
    return float(values[known][order][np.searchsorted(reached, reached[-1] / 2)])


def _event_share(waiting: Queue) -> float:
    """Weighted event share, mean over the index dates, as PPV is."""
    if not len(waiting.order):
        return np.nan
    events = np.add.reduceat(waiting.weighted_y, waiting.starts)
    share = _mean(_share(events, np.add.reduceat(waiting.weight, waiting.starts)))
    return share if share > 0 else np.nan


def _listing(labels, risk, capacity, sample_weight) -> Listing:
    rows = judged_rows(labels, risk, sample_weight=sample_weight)
    return listing(queue(rows), [check_capacity(capacity)])[0]


def places(capacity: int | float, present: np.ndarray) -> np.ndarray:
    """Places on the list of each index date with so many rows; more than there are rows where it is a large count."""
    if isinstance(capacity, int):
        return np.full(len(present), float(capacity))
    # Half up, so that 5 % of 50 rows is 3 wherever it is computed; at least one place.
    return np.maximum(np.floor(capacity * present + 0.5), 1.0)


def _running(values: np.ndarray) -> np.ndarray:
    """Sum of all entries before each position; one entry more than `values`."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _cut(reached: np.ndarray, first: np.ndarray, last: np.ndarray, places: np.ndarray):
    """Where the list of each date ends: rows that are listed in full, and the part of the next row."""
    target = reached[first] + places
    end = np.searchsorted(reached, target, side="right") - 1
    end = np.minimum(end, last)
    room = reached[np.minimum(end + 1, len(reached) - 1)] - reached[end]
    part = np.divide(target - reached[end], room, out=np.zeros(len(end)), where=(room > 0) & (end < last))
    return end, part


def _up_to(sums: np.ndarray, end: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Running sum at the end of each list, with part of the row that is listed in part."""
    return sums[end] + part * (sums[np.minimum(end + 1, len(sums) - 1)] - sums[end])


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
