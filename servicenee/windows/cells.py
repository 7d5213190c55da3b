"""Pairs sorted into cells (group, segment, row) come in; statistics of groups, windows and rows go out.

A segment is a stretch of the past between two bounds of windows, the most recent one first; a window is a run of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from servicenee.registers.tables import MINUTES_PER_DAY

_MINUTES_PER_YEAR = 365.25 * MINUTES_PER_DAY


@dataclass(frozen=True)
class Pairs:
    """(row, event) pairs of a chunk of rows, in order of row and time."""

    n_rows: int
    reach: int  # no lag is longer, in minutes
    row: np.ndarray
    lag: np.ndarray  # minutes from event to index date, > 0
    kind: np.ndarray
    position: np.ndarray
    value_of_event: np.ndarray

    @cached_property
    def value(self) -> np.ndarray:
        """Value of every pair's event, NaN where it has none."""
        return taken(self.value_of_event, self.position)


@dataclass(frozen=True)
class Asked:
    """Columns of one statistic and one window, which is the run of segments from `start` to `stop`."""

    start: int
    stop: int
    groups: np.ndarray | slice
    columns: np.ndarray | slice

    def write(self, out: np.ndarray, filled: np.ndarray) -> None:
        """Write the asked groups of `filled` (n_groups, n_rows) into their columns."""
        out[self.columns] = filled[self.groups]


def asked_for(start: int, stop: int, groups: np.ndarray, columns: np.ndarray, n_groups: int) -> Asked:
    """The same with slices where they will do: writing one is several times faster than writing rows."""
    every = np.array_equal(groups, np.arange(n_groups))
    step = int(columns[1] - columns[0]) if len(columns) > 1 else 1
    even = step > 0 and bool((np.diff(columns) == step).all())
    return Asked(
        start,
        stop,
        slice(None) if every else groups,
        slice(int(columns[0]), int(columns[-1]) + 1, step) if even else columns,
    )


@dataclass(frozen=True)
class Cells:
    """The pairs of a chunk that belong to one layer, each in its cell, and what several statistics share."""

    shape: tuple[int, int, int]
    cell: np.ndarray
    pairs: Pairs
    at: np.ndarray | None  # which pairs of the chunk these are; None: all
    row: np.ndarray
    lag: np.ndarray
    segment: np.ndarray

    @cached_property
    def kind(self) -> np.ndarray:
        """Kind of every pair."""
        return taken(self.pairs.kind, self.at)

    @cached_property
    def value(self) -> np.ndarray:
        """Value of every pair."""
        return taken(self.pairs.value, self.at)

    @cached_property
    def minutes(self) -> np.ndarray:
        """Lag of every pair as float64, exact; NumPy scatters numbers that need no conversion three times faster."""
        return self.lag.astype(np.float64)

    @cached_property
    def count(self) -> np.ndarray:
        """Pairs per cell, as float64 like all it is reckoned with."""
        return np.bincount(self.cell, minlength=self._size).astype(np.float64).reshape(self.shape)

    @cached_property
    def sum(self) -> np.ndarray:
        """Sum of the values per cell."""
        return self.total(self.value)

    @cached_property
    def day(self) -> np.ndarray:
        """Days from the event's day to the index date, less one; windows begin at midnight, so none cuts a day."""
        return (self.lag - 1) // np.int32(MINUTES_PER_DAY)

    def tied(self, moment: np.ndarray) -> np.ndarray:
        """Pairs of the same row and moment, which is `lag` or `day`, as the one before or after them."""
        alike = (moment[1:] == moment[:-1]) & (self.row[1:] == self.row[:-1])
        tied = np.zeros(len(moment), dtype=bool)
        tied[1:] = alike
        tied[:-1] |= alike
        return np.flatnonzero(tied)

    @property
    def _size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    def total(self, weights: np.ndarray) -> np.ndarray:
        """Sum of the weights per cell, added in the order of the pairs."""
        total = np.bincount(self.cell, weights=weights, minlength=self._size)
        return total.astype(np.float64, copy=False).reshape(self.shape)  # of no pairs numpy makes whole numbers

    def at_end(self, values: np.ndarray, *, last: bool) -> np.ndarray:
        """Value of the last, or first, pair of every cell; NaN where there is none."""
        out = np.full(self._size, np.nan)
        # Pairs run forward in time, and of several assignments to one cell the last one stays.
        way = slice(None) if last else slice(None, None, -1)
        out[self.cell[way]] = values[way]
        return out.reshape(self.shape)

    def extreme(self, ufunc: np.ufunc, start: float) -> np.ndarray:
        """Smallest or largest value per cell; NaN where there is none."""
        out = np.full(self._size, start)
        ufunc.at(out, self.cell, self.value)
        np.putmask(out, out == start, np.nan)  # values are finite
        return out.reshape(self.shape)


def taken(values: np.ndarray, at: np.ndarray | None) -> np.ndarray:
    """The values at these places; None: all."""
    return values if at is None else values.take(at, mode="clip")  # places lie within: clipping only saves a check


def _windows(base: np.ndarray, asked: list[Asked], combine: Callable) -> Iterator[np.ndarray]:
    """For every window asked for its segments combined, from the most recent one on: arrays (n_groups, n_rows)."""
    start, stop, running = -1, -1, base[:, 0]
    for window in asked:
        if window.start != start:
            start, stop, running = window.start, window.start + 1, base[:, window.start]
        for segment in range(stop, window.stop):
            running = combine(running, base[:, segment])
        stop = window.stop
        yield running


def _combined(make: Callable[[Cells], np.ndarray], combine: Callable, finish: Callable | None = None) -> Callable:
    def write(cells: Cells, asked: list[Asked], out: np.ndarray) -> None:
        for window, filled in zip(asked, _windows(make(cells), asked, combine), strict=True):
            window.write(out, filled if finish is None else finish(filled))

    return write


def _mean(cells: Cells, asked: list[Asked], out: np.ndarray) -> None:
    totals, counts = _windows(cells.sum, asked, np.add), _windows(cells.count, asked, np.add)
    for window, total, n in zip(asked, totals, counts, strict=True):
        with np.errstate(invalid="ignore"):  # of no values 0 / 0: NaN
            window.write(out, total / n)


def _value_at_end(cells: Cells, *, last: bool, of_day: bool) -> np.ndarray:
    """Value on the last, or first, day of every cell, or at that time; several values then count as their mean."""
    found = cells.at_end(cells.value, last=last)
    moment = cells.day if of_day else cells.lag
    tied = cells.tied(moment)
    if not len(tied):
        return found
    # Most cells hold one value at their end: only the tied pairs are looked at again.
    end = np.full(found.size, -1, dtype=moment.dtype)
    way = slice(None) if last else slice(None, None, -1)
    end[cells.cell[way]] = moment[way]
    tied = tied[moment[tied] == end[cells.cell[tied]]]
    n = np.bincount(cells.cell[tied], minlength=found.size)
    total = np.bincount(cells.cell[tied], weights=cells.value[tied], minlength=found.size)
    at = np.flatnonzero(n)
    found.ravel()[at] = total[at] / n[at]
    return found


def _at_end(combine: Callable, *, last: bool, of_day: bool) -> Callable:
    return _combined(lambda cells: _value_at_end(cells, last=last, of_day=of_day), combine)


def _slope(cells: Cells, asked: list[Asked], out: np.ndarray) -> None:
    """Least-squares slope per year of 365.25 days.

    Time is the lag in whole minutes, whose sums and products are exact up to 2^53: what is left of them after taking
    the mean away is not lost to rounding unless all values lie within a minute per thirty years of lag.
    """
    minutes = cells.minutes
    sums = (cells.count, cells.sum, *map(cells.total, (minutes, minutes * minutes, minutes * cells.value)))
    for window, n, y, x, xx, xy in zip(asked, *(_windows(base, asked, np.add) for base in sums), strict=True):
        n_xx = n * xx
        spread_of_time = n_xx - x * x
        spread_of_time[spread_of_time <= 1e-15 * n_xx] = np.nan  # fewer than two values, or all at one time: no slope
        window.write(out, (x * y - n * xy) * _MINUTES_PER_YEAR / spread_of_time)


def _earlier_segment(recent: np.ndarray, older: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(recent), older, recent)


def _later_segment(recent: np.ndarray, older: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(older), recent, older)


def _in_days(minutes: np.ndarray) -> np.ndarray:
    return minutes / MINUTES_PER_DAY


# How each statistic is made: its value per cell, how segments combine to windows, and a last step.
STATISTICS: dict[str, Callable[[Cells, list[Asked], np.ndarray], None]] = {
    "count": _combined(lambda cells: cells.count, np.add),
    "any": _combined(lambda cells: cells.count > 0, np.logical_or),
    "since_last": _combined(lambda cells: cells.at_end(cells.minutes, last=True), np.fmin, _in_days),
    "since_first": _combined(lambda cells: cells.at_end(cells.minutes, last=False), np.fmax, _in_days),
    "sum": _combined(lambda cells: cells.sum, np.add),
    "mean": _mean,
    "min": _combined(lambda cells: cells.extreme(np.minimum, np.inf), np.fmin),
    "max": _combined(lambda cells: cells.extreme(np.maximum, -np.inf), np.fmax),
    "last": _at_end(_earlier_segment, last=True, of_day=True),
    "last_time": _at_end(_earlier_segment, last=True, of_day=False),
    "first": _at_end(_later_segment, last=False, of_day=True),
    "first_time": _at_end(_later_segment, last=False, of_day=False),
    "slope": _slope,
}
