"""Measures of events, all windows and all columns in one pass.

For every row of a cohort the events of its widest window are one contiguous slice, found by two binary searches; slices
become (row, event) pairs in chunks that stay in the processor's cache. The bounds of all windows cut the past into
disjoint segments; a pair falls into one segment, and a window is a run of segments. Sums are accumulated in float64
inside each segment, never as differences of running totals, which would cancel.
"""

from collections.abc import Iterator

import numpy as np

from servicenee.registers.tables import MINUTES_PER_DAY, CoverageColumns, EventColumns, keep_freed_memory
from servicenee.windows.cells import Pairs, taken
from servicenee.windows.layers import layers_of
from servicenee.windows.measure import Measure, blank_uncovered
from servicenee.windows.search import first_at_or_after, spread

_PAIRS_PER_CHUNK = 150_000  # about 5 MB of pairs and cells: stays in the cache
_CELLS_PER_CHUNK = 2_000_000


def measure_events(
    events: EventColumns,
    coverage: CoverageColumns,
    person: np.ndarray,
    index_day: np.ndarray,
    measures: list[tuple[int, Measure]],
    out: np.ndarray,
) -> None:
    """Write all measures of all rows into `out`, feature-major.

    Parameters
    ----------
    events, coverage : columns of `Registers`
    person : ndarray of int32, shape (n_rows,)
        Position of the row's person.
    index_day : ndarray of int32, shape (n_rows,)
        Days since 1970-01-01.
    measures : list of (int, Measure)
        Every measure with the first of the rows of `out` that it fills, by group, then window.
    out : ndarray of float32, shape (n_columns, n_rows)
        One row per column of X: its transpose is a Fortran-ordered matrix, which scikit-learn's trees read fastest.
    """
    order = _by_person(person)
    person, days = (person, index_day) if order is None else (person[order], index_day[order])
    index_minute = days * np.int32(MINUTES_PER_DAY)
    layers = layers_of(measures, events)
    reach = max((layer.reach for layer in layers), default=0)
    oldest = np.maximum(index_minute.astype(np.int64) - reach, -(2**31)).astype(np.int32)
    low = first_at_or_after(events.first, events.minute, person, oldest)
    high = first_at_or_after(events.first, events.minute, person, index_minute)
    cells = max((layer.cells_per_row for layer in layers), default=1)
    keep_freed_memory()
    for rows in _chunks(high - low, cells):
        pairs = _seen_pairs(events, low[rows], high[rows], index_minute[rows], reach)
        target = out[:, rows] if order is None else np.empty((len(out), pairs.n_rows), dtype=out.dtype)
        for layer in layers:
            layer.fill(pairs, target)
        if order is not None:
            for first, measure in measures:
                for column in measure.columns(first):
                    out[column, order[rows]] = target[column]
    blank_uncovered(out, coverage, index_day, measures)


def _by_person(person: np.ndarray) -> np.ndarray | None:
    """Order that brings rows of one person together; None when they stand so already."""
    return None if bool((person[1:] >= person[:-1]).all()) else np.argsort(person, kind="stable")


def _chunks(n_pairs: np.ndarray, cells_per_row: int) -> Iterator[slice]:
    """Runs of rows with about `_PAIRS_PER_CHUNK` pairs and at most `_CELLS_PER_CHUNK` cells."""
    until = np.cumsum(n_pairs)
    most = max(1, _CELLS_PER_CHUNK // max(1, cells_per_row))
    start = 0
    while start < len(n_pairs):
        done = until[start - 1] if start else 0
        stop = int(np.searchsorted(until, done + _PAIRS_PER_CHUNK, side="right"))
        stop = min(max(stop, start + 1), start + most, len(n_pairs))
        yield slice(start, stop)
        start = stop


def _seen_pairs(events: EventColumns, low: np.ndarray, high: np.ndarray, index_minute: np.ndarray, reach: int) -> Pairs:
    """Pairs of the chunk whose event had been reported before the index date."""
    row, position = spread(low, high)
    index_minute = np.repeat(index_minute, high - low)
    lag = index_minute - taken(events.minute, position)
    kind = taken(events.kind, position).astype(np.intp)
    seen = None
    if events.available is not None:
        seen = events.available[position] < index_minute
    elif events.lag_days.any():
        seen = lag > (events.lag_days * np.int32(MINUTES_PER_DAY))[kind]
    if seen is not None and not seen.all():
        at = np.flatnonzero(seen)
        row, position, lag, kind = row[at], position[at], lag[at], kind[at]
    return Pairs(len(low), reach, row, lag, kind, position, events.value)
