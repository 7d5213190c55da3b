"""A cohort and a definition in; what happened to every row, and until when the registers can tell, out."""

import numpy as np

from servicenee.cohort import Cohort
from servicenee.outcomes.definitions import Definition
from servicenee.outcomes.service import Service, chosen_rows, outcome_sources
from servicenee.registers import Registers
from servicenee.registers.tables import FAR_FUTURE, MINUTES_PER_DAY
from servicenee.windows import days_between, earliest, in_stay, rows_between

NO_EVENT, EVENT, DEATH, CENSORED, OTHER_EVENT = range(5)
LABEL_COLUMNS = ("status", "time_days", "value", "exposure_days")
_DAYS_FROM_LEAVING_TO_DEATH = 3


class Found:
    """What happened to every row of a cohort, in days since 1970-01-01."""

    def __init__(self, cohort: Cohort, definition: Definition, gap_days: int, horizon_days: int):
        self.registers, self.person = cohort.registers, cohort.person
        self.definition, self.horizon = definition, horizon_days
        self.index_day = cohort.index_day.astype(np.int64)
        self.start = self.index_day + gap_days
        self.stop = self.start + horizon_days
        self.service = Service(cohort.registers, definition)
        persons = self.registers.person_columns
        self.death = persons.death_day[self.person].astype(np.int64)
        # Registers often end the residence of the dead on the day of death or a few days before it: that is a death.
        left = persons.to_day[self.person].astype(np.int64)
        died = (left <= self.death) & (left >= self.death - _DAYS_FROM_LEAVING_TO_DEATH)
        self.censored = np.minimum(np.where(died, FAR_FUTURE, left), self._reported_until())

    def labels(self, *, death_counts: bool) -> dict[str, np.ndarray]:
        """Status, time, value and exposure."""
        event, other = self._event(), self._other()
        if death_counts:
            event = np.minimum(event, self.death)
        times = np.stack([event, np.full_like(event, FAR_FUTURE) if death_counts else self.death, self.censored, other])
        # On one and the same day entry to a heavier service counts before a start of the lighter one, and an event
        # before death; nothing is known of the day on which follow-up ends.
        times = np.maximum(times, self.start) - self.start
        first = times[[3, 2, 0, 1]].argmin(axis=0)
        status = np.array([OTHER_EVENT, CENSORED, EVENT, DEATH], dtype=np.int8)[first]
        time = times.min(axis=0)
        nothing = time >= self.horizon
        status[nothing], time[nothing] = NO_EVENT, self.horizon
        followed = np.minimum(self.death, self.censored)
        exposure = np.clip(followed - self.start, 0, self.horizon)
        value = (status == EVENT).astype(np.float64)
        if self.definition.kind in ("counts", "days", "sums"):
            value = self._amount(np.maximum(np.minimum(self.stop, followed), self.start))
            # What was counted until follow-up ended is not the amount of the window, whatever came first.
            lost = (self.censored <= self.death) & (self.censored < self.stop)
            status[lost], time[lost] = CENSORED, exposure[lost]
        return {
            "status": status,
            "time_days": time.astype(np.float64),
            "value": value,
            "exposure_days": exposure.astype(np.float64),
        }

    def _reported_until(self) -> np.ndarray:
        """First day of which the extract may not tell everything yet."""
        from_day, until = reported_days(self.registers, self.definition)
        return np.where(self.start < from_day, self.start, until)

    def _event(self) -> np.ndarray:
        """Day of the first event of the window, or of the one of the number that the definition asks for."""
        row, day = self._happened(self.start, self.stop)
        return _nth(row, day, len(self.person), self.definition.times)

    def _happened(self, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and day of every start and every event in [start, stop) of the row."""
        starts = self.service.starts
        every = np.ones(len(starts.day), dtype=bool)
        row, position = rows_between(starts.first, starts.day, every, self.person, start, stop)
        day = starts.day[position]
        if self.definition.visits_per_week is not None:  # visits are counted in the starts they make
            return row, day
        of_event, position = self._events_between(start, stop)
        of_day = self.registers.event_columns.minute[position] // MINUTES_PER_DAY
        return np.concatenate([row, of_event]), np.concatenate([day, of_day])

    def _events_between(self, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        events = self.registers.event_columns
        chosen, start, stop = self.service.events, start * MINUTES_PER_DAY, stop * MINUTES_PER_DAY
        return rows_between(events.first, events.minute, chosen, self.person, start, stop)

    def _other(self) -> np.ndarray:
        """First competing event; for starts also a service that began unseen before the window."""
        other = self._first_competing()
        if self.definition.kind == "starts":
            begun = self.service.goes_on(self.person, self.index_day)
            row, _ = self._happened(self.index_day, self.start)
            begun |= np.bincount(row, minlength=len(self.person)) > 0
            other = np.where(begun, self.start, other)
        return other

    def _first_competing(self) -> np.ndarray:
        codes, n_rows = self.definition.competing, len(self.person)
        stays, events = self.registers.stay_columns, self.registers.event_columns
        chosen = chosen_rows(stays, codes, ())
        row, position = rows_between(stays.first, stays.start_day, chosen, self.person, self.index_day, self.stop)
        other = earliest(row, stays.start_day[position], n_rows)
        if self.definition.kind == "starts":
            inside = in_stay(stays, chosen, self.person, self.index_day)
            other = np.where(inside, self.start, other)
        chosen = chosen_rows(events, codes, ())
        limits = self.index_day * MINUTES_PER_DAY, self.stop * MINUTES_PER_DAY
        row, position = rows_between(events.first, events.minute, chosen, self.person, *limits)
        return np.minimum(other, earliest(row, events.minute[position] // MINUTES_PER_DAY, n_rows))

    def _amount(self, stop: np.ndarray) -> np.ndarray:
        """Number of events and of started stays, days in stays, or sum of values, within the window and follow-up."""
        n_rows = len(self.person)
        if self.definition.kind == "days":
            stays = self.registers.stay_columns
            return days_between(stays, self.service.stays, self.person, self.start, stop).astype(np.float64)
        if self.definition.kind == "counts":
            row, _ = self._happened(self.start, stop)
            return np.bincount(row, minlength=n_rows).astype(np.float64)
        row, position = self._events_between(self.start, stop)
        values = np.nan_to_num(self.registers.event_columns.value[position])
        return np.bincount(row, weights=values, minlength=n_rows)


def reported_days(registers: Registers, definition: Definition) -> tuple[int, int]:
    """First day covered by the outcome's sources, and the first of which the extract may not tell everything yet."""
    from_day, to_day, lag_days = registers.coverage_columns.of(outcome_sources(registers, definition))
    return from_day, min(to_day, registers.extract_day - lag_days) - definition.confirm_days


def _nth(row: np.ndarray, day: np.ndarray, n_rows: int, number: int) -> np.ndarray:
    """Day of the event of this number in every row, FAR_FUTURE where there are fewer."""
    if number == 1:
        return earliest(row, day, n_rows)
    order = np.lexsort((day, row))
    row, day = row[order], day[order]
    n_events = np.bincount(row, minlength=n_rows)
    enough = np.flatnonzero(n_events >= number)
    out = np.full(n_rows, FAR_FUTURE, dtype=np.int64)
    out[enough] = day[(np.cumsum(n_events) - n_events)[enough] + number - 1]
    return out
