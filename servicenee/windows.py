"""The kernel: the only place that compares times of events and stays with an index date.

Every window is half-open: a lookback window [index - lookback, index - skip) is kept as lags in (skip, lookback], where
the lag of an event is the index date minus its time. Lag 0, an event on the index date, is therefore never past.

One pass serves all measures. For every row of a cohort the events of its widest window are one contiguous slice, found by
two binary searches; slices become (row, event) pairs in chunks that stay in the processor's cache. The bounds of all
windows cut the past into disjoint segments; a pair falls into one segment, and a window is a run of segments. Sums are
accumulated in float64 inside each segment, never as differences of running totals, which would cancel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from servicenee.registers.tables import FAR_FUTURE, MINUTES_PER_DAY, CoverageColumns, EventColumns, StayColumns

_PAIRS_PER_CHUNK = 150_000  # about 2 MB of pairs: fits the second-level cache
_CELLS_PER_CHUNK = 2_000_000
_NO_LIMIT = np.iinfo(np.int32).max
_EMPTY = np.uint8(255)

# Of these, 0 means observed and none, NaN that the source does not cover the window; of all others NaN means not found.
COUNTING = ("count", "any", "sum", "distinct", "days", "inside")


@dataclass(frozen=True)
class Window:
    """Lookback window [index - lookback_days, index - skip_days); None looks back over all history."""

    lookback_days: int | None
    skip_days: int = 0


@dataclass(frozen=True, eq=False)
class Measure:
    """What to compute from events or stays, for groups of kinds and for several windows.

    `group_of_kind` holds the group number of every kind, -1 where the kind does not count; `sources` holds, for every
    group, the sources that must cover a window for "none" to mean none. Columns come out by group, then window; `places`
    are the groups' places among those of the builder, where kinds in two groups make it ask by two measures.
    """

    statistic: str
    group_of_kind: np.ndarray
    sources: tuple[tuple[str, ...], ...]
    windows: tuple[Window, ...]
    places: tuple[int, ...]

    def columns(self, first: int) -> np.ndarray:
        """Rows of the output filled by this measure, by group and window, when the builder's start at `first`."""
        n_windows = len(self.windows)
        return (first + np.array(self.places, dtype=np.int64)[:, None] * n_windows + np.arange(n_windows)).ravel()


# --- searching -------------------------------------------------------------------------------------------------------


def first_at_or_after(first: np.ndarray, times: np.ndarray, person: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Position of the person's first row whose time is at or after `at` (the person's end if there is none)."""
    low, high = first[person], first[person + 1]
    longest = int((high - low).max()) if len(low) else 0
    for _ in range(longest.bit_length()):
        middle = (low + high) >> 1
        open_ = low < high
        before = times[np.minimum(middle, len(times) - 1)] < at
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low


def spread(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row, position) pairs of the slices [low, high), in order of row and position."""
    n = high - low
    row = np.repeat(np.arange(len(low), dtype=np.int32), n)
    before = np.cumsum(n) - n
    return row, np.arange(len(row), dtype=np.int64) + np.repeat(low - before, n)


def uncovered(
    coverage: CoverageColumns, sources: tuple[str, ...], index_day: np.ndarray, window: Window
) -> np.ndarray:
    """True where some source does not cover the whole window, as far as its reports could have arrived."""
    from_day, to_day, lag_days = coverage.of(sources)
    late = index_day - max(window.skip_days, lag_days) > to_day
    if window.lookback_days is None:
        return late
    return late | (index_day.astype(np.int64) - window.lookback_days < from_day)


# --- events ----------------------------------------------------------------------------------------------------------


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
    _blank_uncovered(out, coverage, index_day, measures)


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


def _blank_uncovered(
    out: np.ndarray, coverage: CoverageColumns, index_day: np.ndarray, measures: list[tuple[int, Measure]]
) -> None:
    """A count of 0 is only a 0 where the sources cover the window: NaN elsewhere."""
    for first, measure in measures:
        if measure.statistic not in COUNTING:
            continue
        asked = ((sources, window) for sources in measure.sources for window in measure.windows)
        for column, (sources, window) in zip(measure.columns(first), asked, strict=True):
            out[column, uncovered(coverage, sources, index_day, window)] = np.nan


class _Plan:
    """Measures that share one grouping of kinds, and so one set of cells (group, segment, row)."""

    def __init__(self, group_of_kind: np.ndarray, n_groups: int, wanted: list[tuple[int, Measure]], events: EventColumns):
        windows = [window for _, measure in wanted for window in measure.windows]
        bounds = {_minutes(window.skip_days) for window in windows} | {_minutes(window.lookback_days) for window in windows}
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
        at = np.flatnonzero(group >= 0)
        lag = pairs.lag[at]
        segment = np.full(len(at), -1, dtype=np.int16)
        for bound in self.bounds[:-1]:
            segment += lag > bound
        at, lag, segment = (at, lag, segment) if self.bounds[0] == 0 else (x[segment >= 0] for x in (at, lag, segment))
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
    return [_Plan(wanted[0][1].group_of_kind, key[1], wanted, events) for key, wanted in grouped.items()]


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
        """Least-squares slope per day; time counts from the latest value of the row, so that nothing cancels."""
        cell, value, lag = self._valued
        line = cell // (self.shape[1] * self.shape[2]) * self.shape[2] + cell % self.shape[2]  # (group, row)
        origin = np.zeros(self.shape[0] * self.shape[2], dtype=lag.dtype)
        origin[line] = lag
        days = (origin[line] - lag) / MINUTES_PER_DAY
        weights = {"x": days, "xx": days * days, "xy": days * value}
        for name, weight in weights.items():
            total = np.bincount(cell, weights=weight, minlength=self.size).astype(np.float64, copy=False)
            self._made[name] = total.reshape(self.shape)
        n, y = self._runs("n_values", ranges, np.add), self._runs("sum", ranges, np.add)
        x, xx, xy = (self._runs(name, ranges, np.add) for name in weights)
        spread_of_time = n * xx - x * x
        sloped = (n > 1) & (spread_of_time > 1e-12 * n * xx)  # all at one time: no slope
        return np.where(sloped, _ratio(n * xy - x * y, spread_of_time), np.nan)

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


# --- stays -----------------------------------------------------------------------------------------------------------


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
    row, position = spread(
        stays.first[person], first_at_or_after(stays.first, stays.start_day, person, index_day)
    )
    seen = stays.available_day[position] < index_day[row]
    row, position = row[seen], position[seen]
    start, end, kind = stays.start_day[position], _known_end(stays, position, index_day[row]), stays.kind[position]
    for first, measure in measures:
        columns = iter(measure.columns(first))
        for group in range(len(measure.sources)):
            at = np.flatnonzero(measure.group_of_kind[kind] == group)
            for window in measure.windows:
                filled = _stay_statistic(measure.statistic, row[at], start[at], end[at], index_day, window)
                out[next(columns)] = filled
    _blank_uncovered(out, coverage, index_day, measures)


def _known_end(stays: StayColumns, position: np.ndarray, index_day: np.ndarray) -> np.ndarray:
    """End of the stay as it stood in the register on the index date: open until the end had been reported."""
    return np.where(stays.end_available_day[position] < index_day, stays.end_day[position], FAR_FUTURE)


def _stay_statistic(
    statistic: str, row: np.ndarray, start: np.ndarray, end: np.ndarray, index_day: np.ndarray, window: Window
) -> np.ndarray:
    n_rows, last = len(index_day), index_day[row] - window.skip_days
    oldest = np.full(len(row), -(2**31)) if window.lookback_days is None else index_day[row] - window.lookback_days
    if statistic == "days":
        return _days_in_union(row, np.maximum(start, oldest), np.minimum(end, last), n_rows)
    chosen = {
        "count": (start >= oldest) & (start < last),
        "any": (start < last) & ((end > oldest) | (start >= oldest)),
        "inside": (start < last) & (end >= last),
    }[statistic]
    n = np.bincount(row[chosen], minlength=n_rows)
    return n if statistic == "count" else n > 0


def _days_in_union(row: np.ndarray, start: np.ndarray, end: np.ndarray, n_rows: int) -> np.ndarray:
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


# --- the other side of the wall: outcomes ----------------------------------------------------------------------------


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
    return _days_in_union(row, begin, np.minimum(stays.end_day[position], stop[row]), len(person))


def in_stay(
    stays: StayColumns, chosen: np.ndarray, person: np.ndarray, day: np.ndarray, *, seen: bool = False
) -> np.ndarray:
    """True where a chosen stay that began before `day` goes on at `day`; `seen`: as the register stood on that day."""
    longest = np.full(len(person), -(2**31), dtype=np.int64)
    row, position = rows_between(stays.first, stays.start_day, chosen, person, longest, day)
    end = _known_end(stays, position, day[row]) if seen else stays.end_day[position]
    inside = end >= day[row] if seen else end > day[row]
    if seen:
        inside &= stays.available_day[position] < day[row]
    return np.bincount(row[inside], minlength=len(person)) > 0
