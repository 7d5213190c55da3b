"""Visits in; from which of them on, and on which days, they come week after week."""

import numpy as np

_APART = np.int64(1) << 32  # keeps the days of one person away from those of the next
DAYS_PER_WEEK = 7


def starts_regular(
    person: np.ndarray, day: np.ndarray, last_day: np.ndarray, *, per_week: int, weeks: int
) -> np.ndarray:
    """True for the visits that open `weeks` weeks in a row with at least `per_week` visits each.

    Visits are in order of person and day. Weeks that reach beyond `last_day` of the person (death, leaving) are not
    asked, save the first.
    """
    times = person * _APART + day
    regular = np.ones(len(day), dtype=bool)
    for week in range(weeks):
        begin = times + DAYS_PER_WEEK * week
        visits = np.searchsorted(times, begin + DAYS_PER_WEEK) - np.searchsorted(times, begin)
        cut_short = (day + DAYS_PER_WEEK * (week + 1) > last_day[person]) & (week > 0)
        regular &= (visits >= per_week) | cut_short
    return regular


def is_regular(
    person: np.ndarray, day: np.ndarray, of_row: np.ndarray, at: np.ndarray, *, per_week: int, weeks: int
) -> np.ndarray:
    """True for the rows before whose day `at` lie `weeks` weeks with at least `per_week` visits each."""
    times = person * _APART + day
    regular = np.ones(len(at), dtype=bool)
    for week in range(weeks):
        end = of_row * _APART + at - DAYS_PER_WEEK * week
        visits = np.searchsorted(times, end) - np.searchsorted(times, end - DAYS_PER_WEEK)
        regular &= visits >= per_week
    return regular
