"""Visits in; from which of them on, and on which days, they come week after week."""

from dataclasses import dataclass

import numpy as np

from servicenee.registers.tables import MINUTES_PER_DAY
from servicenee.windows.search import spread

_APART = np.int64(1) << 32  # keeps the days of one person away from those of the next
DAYS_PER_WEEK = 7


@dataclass(frozen=True)
class Visits:
    """Visits in order of person and day, with the minute from which each could be seen."""

    person: np.ndarray
    day: np.ndarray
    available: np.ndarray


def starts_regular(visits: Visits, last_day: np.ndarray, *, per_week: int, weeks: int) -> np.ndarray:
    """True for the visits that open `weeks` weeks in a row with at least `per_week` visits each.

    Weeks that reach beyond `last_day` of the person (death, leaving) are not asked, save the first.
    """
    times = visits.person * _APART + visits.day
    regular = np.ones(len(times), dtype=bool)
    for week in range(weeks):
        begin = times + DAYS_PER_WEEK * week
        n_visits = np.searchsorted(times, begin + DAYS_PER_WEEK) - np.searchsorted(times, begin)
        cut_short = (visits.day + DAYS_PER_WEEK * (week + 1) > last_day[visits.person]) & (week > 0)
        regular &= (n_visits >= per_week) | cut_short
    return regular


def is_regular(
    visits: Visits, of_row: np.ndarray, at: np.ndarray, *, per_week: int, weeks: int, seen_on: np.ndarray | None = None
) -> np.ndarray:
    """True for the rows before whose day `at` lie `weeks` weeks with at least `per_week` visits each.

    With `seen_on`, a day of every row, only visits count that could be seen before it.
    """
    times, until = visits.person * _APART + visits.day, of_row * _APART + at
    low = np.searchsorted(times, until - DAYS_PER_WEEK * weeks)
    row, position = spread(low, np.searchsorted(times, until))
    if seen_on is not None:
        seen = visits.available[position] < seen_on[row] * np.int64(MINUTES_PER_DAY)
        row, position = row[seen], position[seen]
    week = (until[row] - 1 - times[position]) // DAYS_PER_WEEK
    n_visits = np.bincount(row * np.int64(weeks) + week, minlength=len(at) * weeks)
    return (n_visits.reshape(-1, weeks) >= per_week).all(axis=1)
