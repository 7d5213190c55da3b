"""Registers and a definition in; which events and stays count, and on which days the service starts, out."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from servicenee.codes import Codelist
from servicenee.outcomes.definitions import Definition
from servicenee.registers import Registers
from servicenee.registers.tables import MINUTES_PER_DAY, EventColumns, StayColumns
from servicenee.windows import (
    Measure,
    Window,
    in_stay,
    is_regular,
    measure_events,
    rows_between,
    starts_regular,
)

_LONG_AGO = -(2**31)
_APART = np.int64(1) << 32  # keeps the days of one person away from those of the next


@dataclass(frozen=True)
class Starts:
    """Days on which a service starts: those of person p are `first[p]` to `first[p + 1]`, in order."""

    first: np.ndarray
    day: np.ndarray


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
        """Stays that count and lasted long enough, or that death or leaving the area ended sooner."""
        stays = self.registers.stay_columns
        chosen = chosen_rows(stays, self.definition.codes, self.definition.source)
        if self.definition.visits_per_week is not None:
            return np.zeros_like(chosen)
        position = np.flatnonzero(chosen)
        begin, end = self._begins(position), stays.end_day[position].astype(np.int64)
        counts = (begin < end) | (begin == stays.start_day[position])
        if self.definition.confirm_days:
            lasted = end - begin >= self.definition.confirm_days
            counts &= lasted | (end >= self._gone[_persons_of(stays, position)])
        chosen[position] = counts
        return chosen

    @cached_property
    def starts(self) -> Starts:
        """Days on which the service starts: of stays, or of visits that come week after week."""
        if self.definition.visits_per_week is not None:
            person, day = self._visits
            regular = starts_regular(
                person, day, self._gone, per_week=self.definition.visits_per_week, weeks=self.definition.weeks
            )
            return self._in_order(person[regular], day[regular])
        kept = np.flatnonzero(self.stays)
        return self._in_order(_persons_of(self.registers.stay_columns, kept), self._begins(kept))

    def goes_on(self, person: np.ndarray, day: np.ndarray, *, seen: bool = False) -> np.ndarray:
        """True where the service began before `day` and goes on; `seen`: as the registers stood on that day."""
        if self.definition.visits_per_week is not None:
            return self._visits_go_on(person, day, seen)
        stays = self.registers.stay_columns
        inside = in_stay(stays, self.stays, person, day, seen=seen)
        if self.definition.excluding is not None:
            excluding = chosen_rows(stays, self.definition.excluding, ())
            inside &= ~in_stay(stays, excluding, person, day, seen=seen)
        return inside

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
    def _visits(self) -> tuple[np.ndarray, np.ndarray]:
        """Person and day of every visit, in order."""
        events, kept = self.registers.event_columns, np.flatnonzero(self.events)
        return _persons_of(events, kept), (events.minute[kept] // MINUTES_PER_DAY).astype(np.int64)

    def _visits_go_on(self, person: np.ndarray, day: np.ndarray, seen: bool) -> np.ndarray:
        """Regular in the weeks before the day; unless only what had been reported counts, also begun in them."""
        rule = {"per_week": self.definition.visits_per_week, "weeks": self.definition.weeks}
        if seen:
            _, _, lag_days = self.registers.coverage_columns.of(_sources_of(self.registers, self.definition))
            return is_regular(*self._visits, person, day - lag_days, **rule)
        starts = self.starts
        every = np.ones(len(starts.day), dtype=bool)
        row, _ = rows_between(starts.first, starts.day, every, person, day - self.definition.confirm_days, day)
        begun = np.bincount(row, minlength=len(person)) > 0
        return begun | is_regular(*self._visits, person, day, **rule)

    def _begins(self, position: np.ndarray) -> np.ndarray:
        """First day of some of the stays, or the end of the excluded stays in which they began."""
        stays = self.registers.stay_columns
        begin = stays.start_day[position].astype(np.int64)
        if self.definition.excluding is None:
            return begin
        return self._excluded_until(_persons_of(stays, position), begin)

    def _excluded_until(self, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        """The day itself, or the end of the excluded stays that cover it."""
        stays = self.registers.stay_columns
        excluding = chosen_rows(stays, self.definition.excluding, ())
        until = day.astype(np.int64)
        moved = excluding.any()
        while moved:
            row, position = rows_between(
                stays.first, stays.start_day, excluding, person, np.full(len(day), _LONG_AGO), until + 1
            )
            latest = until.copy()
            np.maximum.at(latest, row, stays.end_day[position])
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

    def _in_order(self, person: np.ndarray, day: np.ndarray) -> Starts:
        order = np.lexsort((day, person))
        n_persons = len(self.registers.person_columns)
        return Starts(np.searchsorted(person[order], np.arange(n_persons + 1)), day[order].astype(np.int64))


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
