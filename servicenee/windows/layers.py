"""Measures come in; layers go out: groups of kinds that overlap nowhere, so that every pair of a layer has one cell."""

from dataclasses import dataclass

import numpy as np

from servicenee.registers.tables import MINUTES_PER_DAY, EventColumns
from servicenee.windows.cells import STATISTICS, Asked, Cells, Pairs, asked_for, taken
from servicenee.windows.measure import Measure, Window

_NO_LIMIT = np.iinfo(np.int32).max
_CODES_PER_SUM = 255  # as many as eight bits can count
_OF_EVENTS = ("count", "any", "distinct", "since_last", "since_first")  # all other statistics are of values


@dataclass(frozen=True)
class _Group:
    """Kinds that are counted together, and all that is asked of them: (statistic, window, row of the output)."""

    kinds: np.ndarray
    wanted: list[tuple[str, Window, int]]


def layers_of(measures: list[tuple[int, Measure]], events: EventColumns) -> list["Layer"]:
    """As few layers as hold the groups of all measures; statistics of values have layers of their own."""
    found: dict[bool, dict[bytes, _Group]] = {True: {}, False: {}}
    for first, measure in measures:
        columns = iter(measure.columns(first))
        for kinds in measure.groups:
            group = found[measure.statistic in _OF_EVENTS].setdefault(kinds.tobytes(), _Group(kinds, []))
            group.wanted.extend((measure.statistic, window, next(columns)) for window in measure.windows)
    return [
        Layer(groups, events, of_values=not of_events)
        for of_events, group_of in found.items()
        for groups in _apart(list(group_of.values()))
    ]


def _apart(groups: list[_Group]) -> list[list[_Group]]:
    """The groups in lists within which no kind belongs to two of them; each goes to the first list with room."""
    lists: list[list[_Group]] = []
    taken: list[np.ndarray] = []
    for group in groups:
        for members, kinds in zip(lists, taken, strict=True):
            if not (kinds & group.kinds).any():
                members.append(group)
                kinds |= group.kinds
                break
        else:
            lists.append([group])
            taken.append(group.kinds.copy())
    return lists


class Layer:
    """Groups that have no kind in common, with all statistics and windows asked of them."""

    def __init__(self, groups: list[_Group], events: EventColumns, *, of_values: bool):
        self.of_values = of_values
        self.n_groups = len(groups)
        self.group_of_kind = np.full(len(events.kinds), -1, dtype=np.int64)
        for number, group in enumerate(groups):
            self.group_of_kind[group.kinds] = number
        self.every_kind = bool((self.group_of_kind >= 0).all())
        windows = {window for group in groups for _, window, _ in group.wanted}
        bounds = {_minutes(window.skip_days) for window in windows}
        self.bounds = sorted(bounds | {_minutes(window.lookback_days) for window in windows})
        self.reach = self.bounds[-1]
        self.asked = self._by_statistic(groups)
        self.codes = _Codes(groups, self.group_of_kind, events) if "distinct" in self.asked else None
        cells_per_row = self.n_groups * (len(self.bounds) - 1)
        self.cells_per_row = max(cells_per_row, 0 if self.codes is None else self.codes.n_codes)

    def _by_statistic(self, groups: list[_Group]) -> dict[str, list[Asked]]:
        """Windows in order of their first, then their last segment, for every statistic."""
        gathered: dict[str, dict[tuple[int, int], list[tuple[int, int]]]] = {}
        for number, group in enumerate(groups):
            for statistic, window, column in group.wanted:
                span = self.bounds.index(_minutes(window.skip_days)), self.bounds.index(_minutes(window.lookback_days))
                gathered.setdefault(statistic, {}).setdefault(span, []).append((number, column))
        return {
            statistic: [asked_for(*span, *np.array(spans[span]).T, self.n_groups) for span in sorted(spans)]
            for statistic, spans in gathered.items()
        }

    def fill(self, pairs: Pairs, out: np.ndarray) -> None:
        """Write everything asked of one chunk of rows into `out` (columns × rows)."""
        cells = self._cells(pairs)
        for statistic, asked in self.asked.items():
            write = self.codes.count_distinct if statistic == "distinct" else STATISTICS[statistic]
            write(cells, asked, out)

    def _cells(self, pairs: Pairs) -> Cells:
        shape = (self.n_groups, len(self.bounds) - 1, pairs.n_rows)
        cell = taken(self.group_of_kind * (shape[1] * shape[2]), pairs.kind)
        at = self._kept(pairs, cell)
        row, lag = taken(pairs.row, at), taken(pairs.lag, at)
        segment = np.zeros(len(lag), dtype=np.uint8 if len(self.bounds) < 256 else np.uint16)
        for bound in self.bounds[1:-1]:
            segment += lag > bound
        cell = taken(cell, at)
        cell += np.multiply(segment, pairs.n_rows, dtype=np.int64)
        cell += row
        return Cells(shape, cell, pairs, at, row, lag, segment)

    def _kept(self, pairs: Pairs, cell: np.ndarray) -> np.ndarray | None:
        """Pairs of the layer's kinds within its windows, with a value where that is what is asked for."""
        checks = [] if self.every_kind else [cell >= 0]
        if self.bounds[0] > 0:
            checks.append(pairs.lag > self.bounds[0])
        if self.reach < pairs.reach:
            checks.append(pairs.lag <= self.reach)
        if self.of_values:
            checks.append(pairs.value == pairs.value)
        if not checks:
            return None
        kept = checks[0]
        for check in checks[1:]:
            kept &= check
        return None if kept.all() else np.flatnonzero(kept)


def _minutes(days: int | None) -> int:
    return _NO_LIMIT if days is None else min(days * MINUTES_PER_DAY, _NO_LIMIT)


class _Codes:
    """Numbers of the distinct (group, code system, code), by group, for counting how many of them occur."""

    def __init__(self, groups: list[_Group], group_of_kind: np.ndarray, events: EventColumns):
        counted = np.array([any(statistic == "distinct" for statistic, _, _ in group.wanted) for group in groups])
        code = events.kinds.groupby(["code_system", "code"], sort=True).ngroup().to_numpy()
        coded = (events.kinds["code"] != "").to_numpy()  # an event without a code is no code more
        at = np.flatnonzero(np.append(counted, False)[group_of_kind] & coded)
        used, number = np.unique(group_of_kind[at] * (len(code) + 1) + code[at], return_inverse=True)
        self.number_of_kind = np.full(len(code), -1, dtype=np.int64)
        self.number_of_kind[at] = number
        self.n_codes = len(used)
        self.every_kind = bool((self.number_of_kind[group_of_kind >= 0] >= 0).all())
        self.first_of_group = np.searchsorted(used // (len(code) + 1), np.arange(len(groups) + 1))

    def count_distinct(self, cells: Cells, asked: list[Asked], out: np.ndarray) -> None:
        """Every code counts once, in the most recent segment in which it occurs."""
        n_groups, _, n_rows = cells.shape
        place = taken(self.number_of_kind * n_rows, cells.kind)
        place += cells.row
        for start in sorted({window.start for window in asked}):
            never = np.iinfo(cells.segment.dtype).max
            recent = np.full((self.n_codes, n_rows), never, dtype=cells.segment.dtype)
            used = None
            if start or not self.every_kind:
                used = np.flatnonzero((place >= 0) & (cells.segment >= start))
            # Pairs run forward in time: the last assignment stays.
            recent.ravel()[taken(place, used)] = taken(cells.segment, used)
            for window in [window for window in asked if window.start == start]:
                n = np.zeros((n_groups, n_rows))
                for group in range(n_groups):
                    for low in range(self.first_of_group[group], self.first_of_group[group + 1], _CODES_PER_SUM):
                        high = min(low + _CODES_PER_SUM, self.first_of_group[group + 1])
                        seen = (recent[low:high] < window.stop).view(np.uint8)
                        n[group] += np.add.reduce(seen, axis=0, dtype=np.uint8)
                window.write(out, n)
