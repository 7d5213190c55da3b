"""Measures of stays, as they stood in the register on the index date.

Stays of one group that overlap, or follow each other within a day, are one care chain: a transfer is no discharge.
"""

import numpy as np

from servicenee.registers.tables import FAR_FUTURE, CoverageColumns, StayColumns
from servicenee.windows.measure import Measure, Window, blank_uncovered
from servicenee.windows.search import first_at_or_after, spread

CHAIN_GAP_DAYS = 1  # a stay that begins the day after another ended is a transfer, registered a day late
_APART = np.int64(1) << 33  # rows become far-apart stretches of one line, so one running maximum serves them all


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
    (stays begun in the window), "any" (1 if a stay began or went on in the window), "inside" (1 if a stay goes on at
    the index date), "chains" (care chains begun in the window), "longest" (days in the window of the longest chain) and
    "since_end" (days since the latest chain that ended in the window). An end not yet reported at the index date is an
    open end.
    """
    row, position = _seen_stays(stays, person, index_day)
    start, end, kind = (
        stays.start_day[position],
        known_end(stays, position, index_day[row]),
        stays.kind[position],
    )
    for first, measure in measures:
        columns = iter(measure.columns(first))
        for kinds in measure.groups:
            at = np.flatnonzero(kinds[kind])
            for window in measure.windows:
                filled = _stay_statistic(measure.statistic, row[at], start[at], end[at], index_day, window)
                out[next(columns)] = filled
    blank_uncovered(out, coverage, index_day, measures)


def _seen_stays(stays: StayColumns, person: np.ndarray, index_day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row, position) pairs of the stays that began, and had been reported, before the row's index date."""
    row, position = spread(stays.first[person], first_at_or_after(stays.first, stays.start_day, person, index_day))
    seen = stays.available_day[position] < index_day[row]
    return row[seen], position[seen]


def seen_stays(
    stays: StayColumns, person: np.ndarray, index_day: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """(row, position) pairs of the stays that began before, and went on or began in, each row's window; as reported.

    Pairs are in order of row and start.
    """
    row, position = _seen_stays(stays, person, index_day)
    last = index_day[row] - window.skip_days
    oldest = np.full(len(row), -(2**31)) if window.lookback_days is None else index_day[row] - window.lookback_days
    start, end = stays.start_day[position], known_end(stays, position, index_day[row])
    within = (start < last) & ((end > oldest) | (start >= oldest))
    return row[within], position[within]


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
    if statistic in ("chains", "longest", "since_end"):
        return _chain_statistic(statistic, *(column[start < last] for column in (row, start, end)), index_day, window)
    chosen = {
        "count": (start >= oldest) & (start < last),
        "any": (start < last) & ((end > oldest) | (start >= oldest)),
        "inside": (start < last) & (end >= last),
    }[statistic]
    n = np.bincount(row[chosen], minlength=n_rows)
    return n if statistic == "count" else n > 0


def _chain_statistic(
    statistic: str, row: np.ndarray, start: np.ndarray, end: np.ndarray, index_day: np.ndarray, window: Window
) -> np.ndarray:
    row, start, end = chained(row, start, end)
    index = index_day.astype(np.int64)
    last = (index - window.skip_days)[row]
    oldest = np.full(len(row), -(2**31)) if window.lookback_days is None else index[row] - window.lookback_days
    if statistic == "chains":
        return np.bincount(row[start >= oldest], minlength=len(index))
    if statistic == "longest":
        longest = np.zeros(len(index), dtype=np.int64)
        np.maximum.at(longest, row, np.minimum(end, last) - np.maximum(start, oldest))
        return longest
    since_end = np.full(len(index), np.nan)
    ended = (end >= oldest) & (end < last)
    since_end[row[ended]] = index[row[ended]] - end[ended]  # chains run forward in time: the last assignment stays
    return since_end


def chained(row: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, start and end of the care chains of every row, in order of row and start."""
    row, start, end = row.astype(np.int64), start.astype(np.int64), end.astype(np.int64)
    order = np.lexsort((start, row))
    row, start, end = row[order], start[order], end[order]
    if not len(row):
        return row, start, end
    begins = np.flatnonzero(start > _reached_before(row, end) + CHAIN_GAP_DAYS)
    return row[begins], start[begins], np.maximum.reduceat(end, begins)


def _reached_before(row: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Latest end among the earlier intervals of the same row; far in the past for the first one."""
    reached = np.maximum.accumulate(end + row * _APART) - row * _APART
    before = np.r_[np.int64(-(2**62)), reached[:-1]]
    before[np.r_[True, row[1:] != row[:-1]]] = -(2**62)
    return before


def days_in_union(row: np.ndarray, start: np.ndarray, end: np.ndarray, n_rows: int) -> np.ndarray:
    """Days per row covered by at least one of the intervals; intervals of a row are in order of start."""
    inside = end > start
    row, start, end = (
        row[inside].astype(np.int64),
        start[inside].astype(np.int64),
        end[inside].astype(np.int64),
    )
    order = np.lexsort((start, row))  # clipping to the window keeps starts in order, but ties may have moved
    row, start, end = row[order], start[order], end[order]
    new = np.maximum(end - np.maximum(start, _reached_before(row, end)), 0)
    return np.bincount(row, weights=new, minlength=n_rows)


def level_moves(
    stays: StayColumns,
    level_of_kind: np.ndarray,
    person: np.ndarray,
    index_day: np.ndarray,
    window: Window,
) -> np.ndarray:
    """Moves between levels of care in the window of every row: numbers of shape (from, to, rows).

    The level of a day is the heaviest of the stays that cover it, 0 where none does; breaks within a chain do not
    count. A move happens on the first day of the new level.
    """
    row, position = _seen_stays(stays, person, index_day)
    start, end = stays.start_day[position], known_end(stays, position, index_day[row])
    level = level_of_kind[stays.kind[position]]
    last = index_day.astype(np.int64) - window.skip_days
    oldest = np.full(len(person), -(2**31)) if window.lookback_days is None else index_day - window.lookback_days
    used = (level > 0) & (end > start) & (start < last[row])
    row, start, end, level = row[used], start[used], end[used], level[used]
    n_levels = int(level_of_kind.max(initial=0)) + 1
    begun, ended = [], []
    for least in range(1, n_levels):
        at, begin, until = chained(*(column[level >= least] for column in (row, start, end)))
        for days, found in ((begin, begun), (until, ended)):
            moved = (days >= oldest[at]) & (days < last[at])
            found.append((at[moved] * _APART + days[moved] + 2**31, np.full(moved.sum(), least)))
    moves = np.zeros((n_levels, n_levels, len(person)), dtype=np.int64)
    at, below, above = _crossed(begun)
    np.add.at(moves, (below, above, at), 1)
    at, below, above = _crossed(ended)
    np.add.at(moves, (above, below, at), 1)
    return moves


def _crossed(chains: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, level below and level above of every move; the chains that one move begins (or ends) share their day."""
    if not chains:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    when, least = (np.concatenate(part) for part in zip(*chains, strict=True))
    order = np.argsort(when, kind="stable")  # layers were added from the lowest: so they stay within a day
    when, least = when[order], least[order]
    first = np.r_[True, when[1:] != when[:-1]][: len(when)]
    return when[first] // _APART, least[first] - 1, least[np.r_[first[1:], True][: len(when)]]
