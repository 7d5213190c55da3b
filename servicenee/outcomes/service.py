"""Registers and a definition in; which events and stays count, and on which days the service starts, out."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from servicenee.codes import Codelist
from servicenee.outcomes.definitions import Definition
from servicenee.registers import Registers
from servicenee.registers.tables import FAR_FUTURE, MINUTES_PER_DAY, EventColumns, StayColumns
from servicenee.windows import (
    Measure,
    Visits,
    Window,
    chained,
    earliest,
    is_regular,
    known_end,
    measure_events,
    rows_between,
    seen_stays,
    starts_regular,
)

_LONG_AGO = -(2**31)
_APART = np.int64(1) << 32  # keeps the days of one person away from those of the next


@dataclass(frozen=True)
class Starts:
    """Days on which a service starts and ends: those of person p are `first[p]` to `first[p + 1]`, in order of start.

    Of visits that come week after week the end is not known; it is the day of the start.
    """

    first: np.ndarray
    day: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class _Spells:
    """Stays that count as one: person, first day, first day after, and whether they lasted long enough to count."""

    person: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    counts: np.ndarray
    of_stay: np.ndarray  # spell of every stay of a kind that counts


class Service:
    """What counts for an outcome in some registers: its events, its stays, and the days on which it starts."""

    def __init__(self, registers: Registers, definition: Definition):
        self.registers, self.definition = registers, definition
        persons = registers.person_columns
        self._gone = np.minimum(persons.death_day, persons.to_day).astype(np.int64)

    @cached_property
    def events(self) -> np.ndarray:
        """Events that count."""
        events, definition = self.registers.event_columns, self.definition
        chosen = chosen_rows(events, definition.codes, definition.source)
        if definition.at_least is not None:
            chosen &= events.value >= definition.at_least
        if definition.at_start_of is not None:
            chosen &= self._on_a_first_day(chosen)
        if definition.excluding is not None:
            position = np.flatnonzero(chosen)
            day = events.minute[position] // MINUTES_PER_DAY
            chosen[position] &= self._excluded_until(_persons_of(events, position), day) == day
        return chosen

    @cached_property
    def stays(self) -> np.ndarray:
        """Stays that count: their spell lasted long enough, or ended as life, residence or the chance of it did."""
        chosen = self._of_the_kind.copy()
        chosen[chosen] = self._spells.counts[self._spells.of_stay]
        return chosen

    @cached_property
    def starts(self) -> Starts:
        """Days on which the service starts: of stays, or of visits that come week after week."""
        if self.definition.visits_per_week is not None:
            visits = self._visits
            regular = starts_regular(visits, self._gone, **self._rule)
            return self._in_order(visits.person[regular], visits.day[regular], visits.day[regular])
        spells, counts = self._spells, self._spells.counts
        return self._in_order(spells.person[counts], spells.begin[counts], spells.end[counts])

    def goes_on(self, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        """True where the service began before `day` and goes on."""
        starts, definition = self.starts, self.definition
        every, since = np.ones(len(starts.day), dtype=bool), np.full(len(person), _LONG_AGO, dtype=np.int64)
        if definition.visits_per_week is not None:
            since = day - definition.confirm_days
        row, position = rows_between(starts.first, starts.day, every, person, since, day)
        if definition.visits_per_week is not None:
            begun = np.bincount(row, minlength=len(person)) > 0
            return begun | is_regular(self._visits, person, day, **self._rule)
        return np.bincount(row[starts.end[position] > day[row]], minlength=len(person)) > 0

    def seen_to_go_on(self, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        """True where the service goes on at `day` as the registers stood on that day, long or not."""
        definition, stays = self.definition, self.registers.stay_columns
        if definition.visits_per_week is not None:
            _, _, lag_days = self.registers.coverage_columns.of(_sources_of(self.registers, definition))
            return is_regular(self._visits, person, day - lag_days, **self._rule, seen_on=day)
        row, position = seen_stays(stays, person, day, Window(None))
        going_on = self._of_the_kind[position] & (known_end(stays, position, day[row]) >= day[row])
        row, position = row[going_on], position[going_on]
        begin = self._excluded_until(person[row], stays.start_day[position], seen_on=day[row])
        return np.bincount(row[begin < day[row]], minlength=len(person)) > 0

    def latest_value(self, person: np.ndarray, index_day: np.ndarray) -> np.ndarray:
        """Latest value that had been reported before the index date, NaN without one."""
        events, definition = self.registers.event_columns, self.definition
        kinds = definition.codes.matches_kinds(events.kinds)
        if definition.source:
            kinds &= events.kinds["source"].isin(definition.source).to_numpy()
        latest = Measure("last", kinds[np.newaxis], (None,), (Window(None),))
        out = np.empty((1, len(person)), dtype=np.float32)
        measure_events(events, self.registers.coverage_columns, person, index_day, [(0, latest)], out)
        return out[0]

    @cached_property
    def _of_the_kind(self) -> np.ndarray:
        """Stays of a kind that counts, however long."""
        stays = self.registers.stay_columns
        chosen = chosen_rows(stays, self.definition.codes, self.definition.source)
        return chosen if self.definition.visits_per_week is None else np.zeros_like(chosen)

    @cached_property
    def _spells(self) -> _Spells:
        """A started service goes on through stays that overlap or adjoin; other stays count one by one."""
        stays, definition = self.registers.stay_columns, self.definition
        position = np.flatnonzero(self._of_the_kind)
        person, start = _persons_of(stays, position), stays.start_day[position].astype(np.int64)
        end, of_stay = stays.end_day[position].astype(np.int64), np.arange(len(position))
        if definition.kind == "starts" or definition.confirm_days:
            days = person * _APART + start
            person, start, end = chained(person, start, end)
            of_stay = np.searchsorted(person * _APART + start, days, side="right") - 1
        begin = self._excluded_until(person, start)
        counts = (begin < end) | (begin == start)
        if definition.confirm_days:
            ends_anyway = np.minimum(self._gone[person], self._first_competing_stay(person, begin))
            counts &= (end - begin >= definition.confirm_days) | (end >= ends_anyway)
        return _Spells(person, begin, end, counts, of_stay)

    @cached_property
    def _visits(self) -> Visits:
        events, kept = self.registers.event_columns, np.flatnonzero(self.events)
        minute, kind = events.minute[kept].astype(np.int64), events.kind[kept]
        lag = events.lag_days[kind].astype(np.int64) * MINUTES_PER_DAY
        available = minute + lag if events.available is None else events.available[kept]
        return Visits(_persons_of(events, kept), minute // MINUTES_PER_DAY, available)

    @property
    def _rule(self) -> dict[str, int]:
        return {"per_week": self.definition.visits_per_week, "weeks": self.definition.weeks}

    def _first_competing_stay(self, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        """First day from `day` on of a stay that competes, FAR_FUTURE without one."""
        stays = self.registers.stay_columns
        competing = chosen_rows(stays, self.definition.competing, ())
        until = np.full(len(person), FAR_FUTURE, dtype=np.int64)
        row, position = rows_between(stays.first, stays.start_day, competing, person, day, until)
        return earliest(row, stays.start_day[position], len(person))

    def _excluded_until(self, person: np.ndarray, day: np.ndarray, seen_on: np.ndarray | None = None) -> np.ndarray:
        """The day itself, or the end of the excluded stays that cover it; as it had been reported on `seen_on`."""
        stays = self.registers.stay_columns
        excluding = chosen_rows(stays, self.definition.excluding, ())
        until = day.astype(np.int64)
        moved = excluding.any()
        while moved:
            row, position = rows_between(
                stays.first, stays.start_day, excluding, person, np.full(len(day), _LONG_AGO), until + 1
            )
            end = stays.end_day[position]
            if seen_on is not None:
                seen = stays.available_day[position] < seen_on[row]
                row, end = row[seen], known_end(stays, position, seen_on[row])[seen]
            latest = until.copy()
            np.maximum.at(latest, row, end)
            moved = bool((latest > until).any())
            until = latest
        return until

    def _on_a_first_day(self, chosen: np.ndarray) -> np.ndarray:
        """Events on the first day of a stay of the kind that the definition names."""
        events, stays = self.registers.event_columns, self.registers.stay_columns
        begun = np.flatnonzero(chosen_rows(stays, self.definition.at_start_of, ()))
        admissions = _persons_of(stays, begun) * _APART + stays.start_day[begun]
        position = np.flatnonzero(chosen)
        days = _persons_of(events, position) * _APART + events.minute[position] // MINUTES_PER_DAY
        found = np.zeros_like(chosen)
        found[position] = np.isin(days, admissions)
        return found

    def _in_order(self, person: np.ndarray, day: np.ndarray, end: np.ndarray) -> Starts:
        order = np.lexsort((day, person))
        first = np.searchsorted(person[order], np.arange(len(self.registers.person_columns) + 1))
        return Starts(first, day[order].astype(np.int64), end[order].astype(np.int64))


def chosen_rows(columns: EventColumns | StayColumns, codes: Codelist | None, source: tuple[str, ...]) -> np.ndarray:
    """Events with one of the codes, or stays of one of the kinds, from one of the sources."""
    if codes is None:
        return np.zeros(len(columns), dtype=bool)
    kinds = codes.matches_kinds(columns.kinds)
    if source:
        kinds &= columns.kinds["source"].isin(source).to_numpy()
    return kinds[columns.kind]


def outcome_sources(registers: Registers, definition: Definition) -> list[str]:
    """Sources that report the outcome or what competes with it, those of the definition or those with such codes."""
    found = _sources_of(registers, definition)
    for codes in (definition.competing, definition.at_start_of):
        found |= _sources_with(registers, codes)
    return sorted(found)


def _sources_of(registers: Registers, definition: Definition) -> set[str]:
    return set(definition.source) or _sources_with(registers, definition.codes)


def _sources_with(registers: Registers, codes: Codelist | None) -> set[str]:
    tables = (registers.event_columns.kinds, registers.stay_columns.kinds)
    return (
        set()
        if codes is None
        else {source for kinds in tables for source in kinds["source"][codes.matches_kinds(kinds)]}
    )


def _persons_of(columns: EventColumns | StayColumns, position: np.ndarray) -> np.ndarray:
    """Person of some of the events or stays."""
    return np.searchsorted(columns.first, position, side="right") - 1
