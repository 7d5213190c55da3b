"""`check_leakage`: rewrite everything that was not known at the index dates and prove that X does not move."""

from dataclasses import replace

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort
from servicenee.exceptions import LeakageError
from servicenee.registers import Registers
from servicenee.registers.ordering import person_of_rows
from servicenee.registers.reading import person_positions, read_dates
from servicenee.registers.tables import (
    FAR_FUTURE,
    FAR_PAST,
    MINUTES_PER_DAY,
    EventColumns,
    PersonColumns,
    StayColumns,
    to_dates,
)


def check_leakage(features, cohort: Cohort) -> None:
    """Prove that features see nothing of the future.

    Everything at or after each row's index date, and everything not reported by then, is first deleted and then
    rewritten (other codes, other values, moved to the index date itself), as if the extract had been taken on that
    day; X must stay the same to the last bit.

    Parameters
    ----------
    features : builder or FeatureSet
        Anything with ``fit_transform(cohort)`` that returns a frame.
    cohort : Cohort

    Raises
    ------
    LeakageError
        If a column moves; the message names the columns and counts the rows.

    Notes
    -----
    What has no date cannot be rewritten: further columns of persons (a level of care as it is today), the lists of
    codes and of sources that occur, findings, and the order of rows and ids. Nor can a table that a builder holds
    itself. What is read of other people is checked from the latest index date on where the dates differ from person to
    person, from the row's own otherwise.

    Examples
    --------
    >>> from servicenee import EventCounts, Population, check_leakage, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> check_leakage(EventCounts(by="source"), cohort)
    """
    registers, turn = cohort.registers, _turns(cohort)
    moved: dict[str, np.ndarray] = {}
    for number in range(int(turn.max()) + 1 if len(turn) else 0):
        at = np.flatnonzero(turn == number)
        rows = cohort[at]
        expected = features.fit_transform(rows)
        wall = np.full(len(registers.person_columns), rows.index_day.max(), dtype=np.int64)
        wall[rows.person] = rows.index_day
        extract = _taken_on(registers, int(rows.index_day.max()))
        for rewrite in (_deleted, _rewritten):
            other = Cohort(rewrite(extract, wall), rows.person, rows.index_day, rows.attrition)
            for name, changed in _changed(expected, features.fit_transform(other)).items():
                moved.setdefault(name, np.zeros(len(cohort), dtype=bool))[at] |= changed
    if moved:
        listed = ", ".join(f"{name} ({changed.sum()} rows)" for name, changed in list(moved.items())[:10])
        raise LeakageError(
            f"{len(moved)} columns change when what was not known at the index date changes: {listed}. Ask "
            "`servicenee.windows` for windows instead of comparing dates in the builder."
        )


def _turns(cohort: Cohort) -> np.ndarray:
    """Which rows are rewritten together: those of one date, or the first row of everybody, then the second, ..."""
    dates, of_date = np.unique(cohort.index_day, return_inverse=True)
    order = np.lexsort((cohort.index_day, cohort.person))
    nth = np.empty(len(order), dtype=np.int64)
    changes = np.flatnonzero(np.r_[True, np.diff(cohort.person[order]) != 0])
    nth[order] = np.arange(len(order)) - np.repeat(changes, np.diff(np.r_[changes, len(order)]))
    return of_date if len(dates) <= nth.max(initial=0) + 1 else nth


def _changed(expected: pd.DataFrame, found: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns that are not the same, and in which rows; a column that comes or goes differs in all of them."""
    changed = {}
    for name in expected.columns.union(found.columns, sort=False):
        differ = np.ones(len(expected), dtype=bool)
        if name in expected.columns and name in found.columns:
            before, after = expected[name].to_numpy(), found[name].to_numpy()
            differ = (before != after) & ~(pd.isna(before) & pd.isna(after))
        if differ.any():
            changed[name] = differ
    return changed


def _taken_on(registers: Registers, day: int) -> Registers:
    """The registers as if the extract had been taken on that day."""
    coverage = registers.coverage_columns
    covered = replace(coverage, to_day=np.minimum(coverage.to_day, np.int32(day)))
    return registers.replaced(extract_day=day, coverage_columns=covered)


def _deleted(registers: Registers, wall: np.ndarray) -> Registers:
    """The registers as if nothing had happened after each person's wall."""
    events, stays = registers.event_columns, registers.stay_columns
    unseen_events, unseen_stays = _unseen_events(events, wall), _unseen_stays(stays, wall)
    return registers.replaced(
        person_columns=_future_lives(registers.person_columns, wall, FAR_FUTURE),
        event_columns=_keep_events(events, ~unseen_events),
        stay_columns=_keep_stays(_open_ends(stays, wall, FAR_FUTURE), ~unseen_stays),
        requests=_requests(registers, wall, deleted=True),
    )


def _rewritten(registers: Registers, wall: np.ndarray) -> Registers:
    """The registers with another future: other codes and values, all moved to the wall itself."""
    rng = np.random.default_rng(0)
    events, stays = registers.event_columns, registers.stay_columns
    unseen = _unseen_events(events, wall)
    person = person_of_rows(events.first)
    at_wall = wall[person] * MINUTES_PER_DAY
    minute = np.where(unseen & (events.minute >= at_wall), at_wall, events.minute).astype(np.int32)
    kind = np.where(unseen, rng.integers(0, max(1, len(events.kinds)), len(events)), events.kind).astype(
        events.kind.dtype
    )
    value = np.where(unseen, rng.normal(1e6, 1e5, len(events)), events.value)
    available = events.available
    if available is None:
        # Rewritten kinds have other lags; the times of report must stay as they were.
        available = (events.minute + events.lag_days[events.kind] * MINUTES_PER_DAY).astype(np.int32)
    unseen_stays = _unseen_stays(stays, wall)
    other_stay = rng.integers(0, max(1, len(stays.kinds)), len(stays)).astype(stays.kind.dtype)
    opened = _open_ends(stays, wall, None)
    return registers.replaced(
        person_columns=_future_lives(registers.person_columns, wall, None),
        event_columns=replace(events, minute=minute, kind=kind, value=value, available=available),
        stay_columns=replace(opened, kind=np.where(unseen_stays, other_stay, stays.kind)),
        requests=_requests(registers, wall, deleted=False),
    )


def _unseen_events(events: EventColumns, wall: np.ndarray) -> np.ndarray:
    at = wall[person_of_rows(events.first)] * MINUTES_PER_DAY
    available = events.available
    if available is None:
        available = events.minute + events.lag_days[events.kind].astype(np.int64) * MINUTES_PER_DAY
    return (events.minute >= at) | (available >= at)


def _unseen_stays(stays: StayColumns, wall: np.ndarray) -> np.ndarray:
    at = wall[person_of_rows(stays.first)]
    return (stays.start_day >= at) | (stays.available_day >= at)


def _open_ends(stays: StayColumns, wall: np.ndarray, end: np.int32 | None) -> StayColumns:
    """Stays whose end was not known at the wall get another end: `end`, or the day of the wall."""
    at = wall[person_of_rows(stays.first)]
    unknown = stays.end_available_day >= at
    other = at if end is None else end
    ends = np.maximum(np.where(unknown, other, stays.end_day), stays.start_day)
    told = np.where(unknown, other, stays.end_available_day)
    return replace(stays, end_day=ends.astype(np.int32), end_available_day=told.astype(np.int32))


def _future_lives(persons: PersonColumns, wall: np.ndarray, day: np.int32 | None) -> PersonColumns:
    """Deaths and moves from the wall on happen at `day`, or the day after the wall; who is to come is there already."""
    other = wall + 1 if day is None else day
    death = np.where(persons.death_day >= wall, other, persons.death_day).astype(np.int32)
    left = np.where(persons.to_day >= wall, other, persons.to_day).astype(np.int32)
    came = np.where(persons.from_day > wall, FAR_PAST, persons.from_day).astype(np.int32)
    return replace(persons, death_day=death, to_day=left, from_day=came)


def _requests(registers: Registers, wall: np.ndarray, *, deleted: bool) -> pd.DataFrame | None:
    """Requests as they stood at the wall: what came later is deleted, or happens on the day of the wall."""
    requests = registers.requests
    if requests is None:
        return None
    person = person_positions(requests[["person_id"]].infer_objects(), registers.person_columns.ids)
    at = to_dates(np.where(person < 0, wall.max(initial=0), wall[person]))
    requests = requests.copy()
    for name in [name for name in ("met", "closed") if name in requests.columns]:
        date = read_dates(requests, name)
        later = date >= at
        requests[name] = np.where(later, np.datetime64("NaT", "us") if deleted else at, date)
        if name == "closed" and "closed_reason" in requests.columns:
            requests["closed_reason"] = requests["closed_reason"].mask(later)
    requested = read_dates(requests, "requested")
    unseen = requested >= at
    if deleted:
        return requests[~unseen].reset_index(drop=True)
    return requests.assign(requested=np.where(unseen, at, requested))


def _keep_events(events: EventColumns, keep: np.ndarray) -> EventColumns:
    return replace(
        events,
        first=_first_of_kept(events.first, keep),
        minute=events.minute[keep],
        kind=events.kind[keep],
        value=events.value[keep],
        available=None if events.available is None else events.available[keep],
    )


def _keep_stays(stays: StayColumns, keep: np.ndarray) -> StayColumns:
    return replace(
        stays,
        first=_first_of_kept(stays.first, keep),
        start_day=stays.start_day[keep],
        end_day=stays.end_day[keep],
        kind=stays.kind[keep],
        available_day=stays.available_day[keep],
        end_available_day=stays.end_available_day[keep],
    )


def _first_of_kept(first: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return np.r_[0, np.cumsum(keep)][first].astype(np.int64)
