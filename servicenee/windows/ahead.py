"""The other side of the wall: what happened from the index date on, for outcomes."""

import numpy as np

from servicenee.registers.tables import FAR_FUTURE, StayColumns
from servicenee.windows.search import first_at_or_after, spread
from servicenee.windows.stays import days_in_union, known_end


def rows_between(
    first: np.ndarray, times: np.ndarray, chosen: np.ndarray, person: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(row, position) pairs of the chosen events or stays whose time lies in [start, stop) of the row.

    `times`, `start` and `stop` are in the same unit; `chosen` marks the events or stays that count.
    """
    kept = np.flatnonzero(chosen)
    first_kept = np.searchsorted(kept, first)
    low = first_at_or_after(first_kept, times[kept], person, start)
    high = first_at_or_after(first_kept, times[kept], person, stop)
    row, at = spread(low, np.maximum(low, high))
    return row, kept[at]


def earliest(row: np.ndarray, time: np.ndarray, n_rows: int) -> np.ndarray:
    """Smallest time of every row, FAR_FUTURE where a row has none."""
    out = np.full(n_rows, FAR_FUTURE, dtype=np.int64)
    np.minimum.at(out, row, time)
    return out


def days_between(
    stays: StayColumns, chosen: np.ndarray, person: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Days in the chosen stays within [start, stop) of every row, overlaps counted once."""
    longest = np.full(len(person), -(2**31), dtype=np.int64)
    row, position = rows_between(stays.first, stays.start_day, chosen, person, longest, stop)
    begin = np.maximum(stays.start_day[position], start[row])
    return days_in_union(row, begin, np.minimum(stays.end_day[position], stop[row]), len(person))


def in_stay(
    stays: StayColumns, chosen: np.ndarray, person: np.ndarray, day: np.ndarray, *, seen: bool = False
) -> np.ndarray:
    """True where a chosen stay that began before `day` goes on at `day`; `seen`: as the register stood on that day."""
    longest = np.full(len(person), -(2**31), dtype=np.int64)
    row, position = rows_between(stays.first, stays.start_day, chosen, person, longest, day)
    end = known_end(stays, position, day[row]) if seen else stays.end_day[position]
    inside = end >= day[row] if seen else end > day[row]
    if seen:
        inside &= stays.available_day[position] < day[row]
    return np.bincount(row[inside], minlength=len(person)) > 0
