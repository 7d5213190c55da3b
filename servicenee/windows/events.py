"""Measures of events, all windows and all columns in one pass.

For every row of a cohort the events of its widest window are one contiguous slice, found by two binary searches; slices
become (row, event) pairs in chunks that stay in the processor's cache. The bounds of all windows cut the past into
disjoint segments; a pair falls into one segment, and a window is a run of segments. Sums are accumulated in float64
inside each segment, never as differences of running totals, which would cancel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from servicenee.registers.tables import MINUTES_PER_DAY, CoverageColumns, EventColumns
from servicenee.windows.measure import Measure, Window, blank_uncovered
from servicenee.windows.search import first_at_or_after, spread

_PAIRS_PER_CHUNK = 150_000  # about 2 MB of pairs: fits the second-level cache
_CELLS_PER_CHUNK = 2_000_000
_NO_LIMIT = np.iinfo(np.int32).max
_EMPTY = np.uint8(255)
_MINUTES_PER_YEAR = 365.25 * MINUTES_PER_DAY


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
    plans = _plans(measures, events)
    reach = max((plan.reach for plan in plans), default=0)
    oldest = np.maximum(index_minute.astype(np.int64) - reach, -(2**31)).astype(np.int32)
    low = first_at_or_after(events.first, events.minute, person, oldest)
    high = first_at_or_after(events.first, events.minute, person, index_minute)
    cells = max((plan.cells for plan in plans), default=1)
    for rows in _chunks(high - low, cells):
        pairs = _visible_pairs(events, low[rows], high[rows], index_minute[rows])
        target = out[:, rows] if order is None else np.empty((len(out), rows.stop - rows.start), dtype=np.float32)
        for plan in plans:
            plan.fill(events, pairs, target)
        if order is not None:
            for column, measure in measures:
                for filled in measure.columns(column):
                    out[filled, order[rows]] = target[filled]
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


@dataclass(frozen=True)
class _Pairs:
    n_rows: int
    row: np.ndarray
    position: np.ndarray
    lag: np.ndarray  # minutes from event to index date, > 0


def _visible_pairs(events: EventColumns, low: np.ndarray, high: np.ndarray, index_minute: np.ndarray) -> _Pairs:
    """Pairs of the chunk whose event had been reported before the index date."""
    row, position = spread(low, high)
    lag = index_minute[row] - events.minute[position]
    seen = None
    if events.available is not None:
        seen = events.available[position] < index_minute[row]
    elif events.lag_days.any():
        seen = lag > (events.lag_days * np.int32(MINUTES_PER_DAY))[events.kind[position]]
    if seen is not None and not seen.all():
        row, position, lag = row[seen], position[seen], lag[seen]
    return _Pairs(len(low), row, position, lag)


class _Plan:
    """Measures that share one grouping of kinds, and so one set of cells (group, segment, row)."""

    def __init__(self, wanted: list[tuple[int, Measure]], events: EventColumns):
        group_of_kind, n_groups = wanted[0][1].group_of_kind, len(wanted[0][1].sources)
        windows = [window for _, measure in wanted for window in measure.windows]
        bounds = {_minutes(window.skip_days) for window in windows} | {
            _minutes(window.lookback_days) for window in windows
        }
        self.group_of_kind = group_of_kind
        self.n_groups = n_groups
        self.bounds = sorted(bounds)
        self.n_segments = len(self.bounds) - 1
        self.wanted = wanted
        self.reach = self.bounds[-1]
        self.slots, self.group_of_slot = _code_slots(group_of_kind, events)
        distinct = any(measure.statistic == "distinct" for _, measure in wanted)
        self.cells = max(n_groups * self.n_segments, len(self.group_of_slot) if distinct else 0)

    def fill(self, events: EventColumns, pairs: _Pairs, out: np.ndarray) -> None:
        """Write the measures of one chunk of rows into `out` (columns × rows)."""
        kind = events.kind[pairs.position]
        group = self.group_of_kind[kind]
        at = np.flatnonzero((group >= 0) & (pairs.lag > self.bounds[0]) & (pairs.lag <= self.bounds[-1]))
        lag = pairs.lag[at]
        segment = np.zeros(len(at), dtype=np.uint8)
        for bound in self.bounds[1:-1]:
            segment += lag > bound
        cells = _Cells(self, pairs, at, lag, segment, group[at], kind[at], events)
        for column, measure in self.wanted:
            ranges = [self._range(window) for window in measure.windows]
            filled = cells.over_windows(measure.statistic, ranges)
            out[measure.columns(column)] = filled.reshape(-1, pairs.n_rows)

    def _range(self, window: Window) -> tuple[int, int]:
        return self.bounds.index(_minutes(window.skip_days)), self.bounds.index(_minutes(window.lookback_days))


def _minutes(days: int | None) -> int:
    return _NO_LIMIT if days is None else min(days * MINUTES_PER_DAY, _NO_LIMIT)


def _plans(measures: list[tuple[int, Measure]], events: EventColumns) -> list[_Plan]:
    grouped: dict[tuple[bytes, int], list[tuple[int, Measure]]] = {}
    for column, measure in measures:
        key = (measure.group_of_kind.tobytes(), len(measure.sources))
        grouped.setdefault(key, []).append((column, measure))
    return [_Plan(wanted, events) for wanted in grouped.values()]


def _code_slots(group_of_kind: np.ndarray, events: EventColumns) -> tuple[np.ndarray, np.ndarray]:
    """Number of the distinct (group, code system, code) of every kind, and the group of every such number."""
    code = events.kinds.groupby(["code_system", "code"], sort=True).ngroup().to_numpy()
    packed = np.where(group_of_kind >= 0, group_of_kind.astype(np.int64) * (len(code) + 1) + code, -1)
    used, slot = np.unique(packed, return_inverse=True)
    negative = int((used < 0).sum())
    return (slot - negative).astype(np.int32), (used[negative:] // (len(code) + 1)).astype(np.int64)


class _Cells:
    """Pairs of one chunk and one plan, summarised per (group, segment, row) as the statistics ask for it."""

    def __init__(self, plan: _Plan, pairs: _Pairs, at, lag, segment, group, kind, events: EventColumns):
        self.shape = (plan.n_groups, plan.n_segments, pairs.n_rows)
        self.size = int(np.prod(self.shape))
        self.plan, self.lag, self.segment, self.kind = plan, lag, segment, kind
        self.row = pairs.row[at]
        self.cell = (group.astype(np.int64) * plan.n_segments + segment) * pairs.n_rows + self.row
        self._events, self._position = events, pairs.position[at]
        self._made: dict[str, np.ndarray] = {}

    def over_windows(self, statistic: str, ranges: list[tuple[int, int]]) -> np.ndarray:
        """The statistic for every group, window and row: float64 array (n_groups, n_windows, n_rows)."""
        if statistic in ("count", "any"):
            n = self._runs("count", ranges, np.add)
            return n if statistic == "count" else (n > 0).astype(np.float64)
        if statistic == "distinct":
            return self._distinct(ranges)
        if statistic == "sum":
            return self._runs("sum", ranges, np.add)
        if statistic == "mean":
            return _ratio(self._runs("sum", ranges, np.add), self._runs("n_values", ranges, np.add))
        if statistic in ("min", "max"):
            extreme = self._runs(statistic, ranges, np.minimum if statistic == "min" else np.maximum)
            return np.where(np.isfinite(extreme), extreme, np.nan)
        if statistic == "slope":
            return self._slope(ranges)
        choose = {"last": _earlier_segment, "since_last": np.fmin, "first": _later_segment, "since_first": np.fmax}
        return self._runs(statistic, ranges, choose[statistic])

    def _runs(self, name: str, ranges: list[tuple[int, int]], combine) -> np.ndarray:
        """Combine the segments of every range, from the most recent one on."""
        base = self._base(name)
        out = np.empty((self.shape[0], len(ranges), self.shape[2]))
        for start in sorted({start for start, _ in ranges}):
            running = base[:, start].astype(np.float64)
            for segment in range(start, self.shape[1]):
                if segment > start:
                    running = combine(running, base[:, segment])
                for at, window in enumerate(ranges):
                    if window == (start, segment + 1):
                        out[:, at] = running
        return out

    def _base(self, name: str) -> np.ndarray:
        if name not in self._made:
            self._made[name] = getattr(self, f"_make_{name}")().reshape(self.shape)
        return self._made[name]

    @cached_property
    def _valued(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cell, value and lag of the pairs that carry a value."""
        value = self._events.value[self._position]
        has = np.flatnonzero(value == value)
        return self.cell[has], value[has], self.lag[has]

    def _make_count(self) -> np.ndarray:
        return np.bincount(self.cell, minlength=self.size)

    def _make_n_values(self) -> np.ndarray:
        return np.bincount(self._valued[0], minlength=self.size)

    def _make_sum(self) -> np.ndarray:
        cell, value, _ = self._valued
        return np.bincount(cell, weights=value, minlength=self.size).astype(np.float64, copy=False)

    def _make_min(self) -> np.ndarray:
        return self._extreme(np.minimum, np.inf)

    def _make_max(self) -> np.ndarray:
        return self._extreme(np.maximum, -np.inf)

    def _extreme(self, ufunc: np.ufunc, start: float) -> np.ndarray:
        cell, value, _ = self._valued
        out = np.full(self.size, start)
        ufunc.at(out, cell, value)
        return out

    def _make_since_last(self) -> np.ndarray:
        return self._lag_days(self.cell, self.lag)

    def _make_since_first(self) -> np.ndarray:
        return self._lag_days(self.cell[::-1], self.lag[::-1])

    def _lag_days(self, cell: np.ndarray, lag: np.ndarray) -> np.ndarray:
        out = np.full(self.size, np.nan)
        out[cell] = lag / MINUTES_PER_DAY  # pairs run forward in time, so the last assignment is the most recent
        return out

    def _make_last(self) -> np.ndarray:
        return self._value_at_end(slice(None))

    def _make_first(self) -> np.ndarray:
        return self._value_at_end(slice(None, None, -1))

    def _value_at_end(self, direction: slice) -> np.ndarray:
        """Value at the last time of every cell; several values at that time count as their mean."""
        cell, value, lag = (column[direction] for column in self._valued)
        final = np.full(self.size, -1, dtype=np.int32)
        final[cell] = lag
        at = np.flatnonzero(final[cell] == lag)
        n = np.bincount(cell[at], minlength=self.size)
        if direction.step is not None:
            at = at[::-1]  # add ties in one order, whichever end is asked for
        total = np.bincount(cell[at], weights=value[at], minlength=self.size)
        return _ratio(total.astype(np.float64, copy=False), n)

    def _slope(self, ranges: list[tuple[int, int]]) -> np.ndarray:
        """Least-squares slope per year of 365.25 days; whole minutes from the row's latest value keep sums exact."""
        cell, value, lag = self._valued
        line = cell // (self.shape[1] * self.shape[2]) * self.shape[2] + cell % self.shape[2]  # (group, row)
        origin = np.zeros(self.shape[0] * self.shape[2], dtype=lag.dtype)
        origin[line] = lag
        minutes = (origin[line] - lag).astype(np.float64)
        weights = {"x": minutes, "xx": minutes * minutes, "xy": minutes * value}
        for name, weight in weights.items():
            total = np.bincount(cell, weights=weight, minlength=self.size).astype(np.float64, copy=False)
            self._made[name] = total.reshape(self.shape)
        n, y = self._runs("n_values", ranges, np.add), self._runs("sum", ranges, np.add)
        x, xx, xy = (self._runs(name, ranges, np.add) for name in weights)
        spread_of_time = n * xx - x * x
        sloped = (n > 1) & (spread_of_time > 1e-15 * n * xx)  # all at one time: no slope
        return np.where(sloped, _MINUTES_PER_YEAR * _ratio(n * xy - x * y, spread_of_time), np.nan)

    def _distinct(self, ranges: list[tuple[int, int]]) -> np.ndarray:
        """Distinct codes: every code counts once, in the most recent segment in which it occurs."""
        plan, n_rows = self.plan, self.shape[2]
        slot = plan.slots[self.kind]
        out = np.empty((self.shape[0], len(ranges), n_rows))
        for start in sorted({start for start, _ in ranges}):
            latest = np.full(len(plan.group_of_slot) * n_rows, _EMPTY)
            within = self.segment >= start
            latest[slot[within].astype(np.int64) * n_rows + self.row[within]] = self.segment[within]
            used = np.flatnonzero(latest != _EMPTY)
            group, row = plan.group_of_slot[used // n_rows], used % n_rows
            cell = (group * self.shape[1] + latest[used]) * n_rows + row
            self._made["distinct"] = np.bincount(cell, minlength=self.size).reshape(self.shape)
            among = [at for at, window in enumerate(ranges) if window[0] == start]
            out[:, among] = self._runs("distinct", [ranges[at] for at in among], np.add)
        return out


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


def _earlier_segment(recent: np.ndarray, older: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(recent), older, recent)


def _later_segment(recent: np.ndarray, older: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(older), recent, older)
