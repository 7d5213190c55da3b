"""Days on which persons were visited, as one sorted array of whole numbers; regular care told from them alone."""

import numpy as np

_SHIFT, _ZERO = 32, 1 << 31  # a day may lie before 1970
# Regular home care: at least one visit a week, and for two months (fee rules of the counties).
_REGULAR_DAYS, _REGULAR_VISITS = 60, 8
_SILENT_DAYS = 14


def person_days(place: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Person and day as one number; in the order of persons, then days."""
    day = time.astype("datetime64[D]").astype(np.int64)
    return (place.astype(np.int64) << _SHIFT) + np.where(np.isnat(time), 0, day) + _ZERO


def distinct_days(place: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Days on which each person was visited, each once, in order; sorting is faster here than numpy's unique."""
    days = np.sort(person_days(place, time))
    return days[np.r_[True, days[1:] != days[:-1]]] if len(days) else days


def days_of(visits: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01."""
    return (visits & ((1 << _SHIFT) - 1)) - _ZERO


def person_range(visits: np.ndarray, place: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last place (exclusive) in sorted `visits` of each person's visits from a day on."""
    who = place.astype(np.int64) << _SHIFT
    return np.searchsorted(visits, who + day + _ZERO), np.searchsorted(visits, who + (1 << _SHIFT))


def regular_spells(visits: np.ndarray, seen_until: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Spells of regular care that visits show: person, first day, end (NaT while going on), and when it was known.

    A spell begins with the first visit after which 60 days bring at least 8 visits, never more than 14 days apart, and
    care goes on. The first visit after these 60 days makes it known. It ends 14 days after its last visit: everything
    about a day follows from the visits before it.
    """
    place, day = visits >> _SHIFT, days_of(visits)
    begins = np.r_[True, (place[1:] != place[:-1]) | (np.diff(day) > _SILENT_DAYS)][: len(visits)]
    run = np.cumsum(begins) - 1
    stops = np.r_[np.flatnonzero(begins)[1:], len(visits)][: int(begins.sum())]
    confirmed = np.searchsorted(visits, visits + _REGULAR_DAYS)
    regular = np.flatnonzero((confirmed < stops[run]) & (confirmed - np.arange(len(visits)) >= _REGULAR_VISITS))
    first = regular[np.unique(run[regular], return_index=True)[1]]
    end = day[stops[run[first]] - 1] + _SILENT_DAYS
    ends = np.where(end > seen_until, np.iinfo(np.int64).min, end).astype("datetime64[D]")
    return place[first], day[first].astype("datetime64[D]"), ends, day[confirmed[first]].astype("datetime64[D]")
