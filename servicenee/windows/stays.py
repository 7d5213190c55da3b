"""Measures of stays, as they stood in the register on the index date."""

import numpy as np

from servicenee.registers.tables import FAR_FUTURE, CoverageColumns, StayColumns
from servicenee.windows.measure import Measure, Window, blank_uncovered
from servicenee.windows.search import first_at_or_after, spread


def measure_stays(
    stays: StayColumns,
    coverage: CoverageColumns,
    person: np.ndarray,
    index_day: np.ndarray,
    measures: list[tuple[int, Measure]],
    out: np.ndarray,
) -> None:
    """Write all measures of all rows into `out`, like `measure_events`.

    Statistics are "days" (in stay within the window, overlaps counted once, open stays to the index date), "count"
    (stays begun in the window), "any" (1 if a stay began or went on in the window) and "inside" (1 if a stay goes on at
    the index date). An end not yet reported at the index date is an open end.
    """
    row, position = spread(stays.first[person], first_at_or_after(stays.first, stays.start_day, person, index_day))
    seen = stays.available_day[position] < index_day[row]
    row, position = row[seen], position[seen]
    start, end, kind = stays.start_day[position], known_end(stays, position, index_day[row]), stays.kind[position]
    for first, measure in measures:
        columns = iter(measure.columns(first))
        for group in range(len(measure.sources)):
            at = np.flatnonzero(measure.group_of_kind[kind] == group)
            for window in measure.windows:
                filled = _stay_statistic(measure.statistic, row[at], start[at], end[at], index_day, window)
                out[next(columns)] = filled
    blank_uncovered(out, coverage, index_day, measures)


def known_end(stays: StayColumns, position: np.ndarray, index_day: np.ndarray) -> np.ndarray:
    """End of the stay as it stood in the register on the index date: open until the end had been reported."""
    return np.where(stays.end_available_day[position] < index_day, stays.end_day[position], FAR_FUTURE)


def _stay_statistic(
    statistic: str, row: np.ndarray, start: np.ndarray, end: np.ndarray, index_day: np.ndarray, window: Window
) -> np.ndarray:
    n_rows, last = len(index_day), index_day[row] - window.skip_days
    oldest = np.full(len(row), -(2**31)) if window.lookback_days is None else index_day[row] - window.lookback_days
    if statistic == "days":
        return days_in_union(row, np.maximum(start, oldest), np.minimum(end, last), n_rows)
    chosen = {
        "count": (start >= oldest) & (start < last),
        "any": (start < last) & ((end > oldest) | (start >= oldest)),
        "inside": (start < last) & (end >= last),
    }[statistic]
    n = np.bincount(row[chosen], minlength=n_rows)
    return n if statistic == "count" else n > 0


def days_in_union(row: np.ndarray, start: np.ndarray, end: np.ndarray, n_rows: int) -> np.ndarray:
    """Days per row covered by at least one of the intervals; intervals of a row are in order of start."""
    inside = end > start
    row, start, end = row[inside].astype(np.int64), start[inside].astype(np.int64), end[inside].astype(np.int64)
    order = np.lexsort((start, row))  # clipping to the window keeps starts in order, but ties may have moved
    row, start, end = row[order], start[order], end[order]
    apart = np.int64(1) << 33  # rows become far-apart stretches of one line, so one running maximum serves them all
    reached = np.maximum.accumulate(end + row * apart) - row * apart
    before = np.r_[np.int64(-(2**62)), reached[:-1]]
    before[np.r_[True, row[1:] != row[:-1]]] = -(2**62)
    new = np.maximum(end - np.maximum(start, before), 0)
    return np.bincount(row, weights=new, minlength=n_rows)
