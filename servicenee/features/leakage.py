"""`check_leakage`: rewrite everything that was not known at the index dates and prove that X does not move."""

from dataclasses import replace

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort
from servicenee.exceptions import LeakageError
from servicenee.registers import Registers
from servicenee.registers.reading import person_positions, read_dates
from servicenee.registers.tables import FAR_FUTURE, MINUTES_PER_DAY, EventColumns, PersonColumns, StayColumns, to_dates


def check_leakage(features, cohort: Cohort) -> None:
    """Prove that features see nothing of the future.

    Everything at or after each row's index date, and everything not reported by then, is first deleted and then
    rewritten (other codes, other values, moved to the index date itself); X must stay the same to the last bit. That
    goes for events, stays, requests, deaths and moves; of persons that are not in the cohort for what is at or after
    the last index date.

    Parameters
    ----------
    features : builder or FeatureSet
        Anything with ``fit_transform(cohort)`` that returns a frame.
    cohort : Cohort

    Raises
    ------
    LeakageError
        If a column moves; the message names the columns and counts the rows.

    Examples
    --------
    >>> from servicenee import EventCounts, Population, check_leakage, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> check_leakage(EventCounts(by="source"), cohort)
    """
    order = np.lexsort((cohort.index_day, cohort.person))
    nth = np.empty(len(order), dtype=np.int64)
    changes = np.flatnonzero(np.r_[True, np.diff(cohort.person[order]) != 0])
    nth[order] = np.arange(len(order)) - np.repeat(changes, np.diff(np.r_[changes, len(order)]))
    moved: dict[str, int] = {}
    for turn in range(int(nth.max()) + 1 if len(nth) else 0):
        rows = cohort[np.flatnonzero(nth == turn)]
        expected = features.fit_transform(rows)
        wall = np.full(len(cohort.registers.person_columns), rows.index_day.max(), dtype=np.int64)
        wall[rows.person] = rows.index_day
        for rewrite in (_deleted, _rewritten):
            other = Cohort(rewrite(cohort.registers, wall), rows.person, rows.index_day, rows.attrition)
            _compare(expected, features.fit_transform(other), moved)
    if moved:
        listed = ", ".join(f"{name} ({n} rows)" for name, n in list(moved.items())[:10])
        raise LeakageError(
            f"{len(moved)} columns change when what was not known at the index date changes: {listed}. Ask "
            "`servicenee.windows` for windows instead of comparing dates in the builder."
        )


def _compare(expected: pd.DataFrame, found: pd.DataFrame, moved: dict[str, int]) -> None:
    for name in expected.columns.union(found.columns, sort=False):
        if name in expected.columns and name in found.columns:
            before, after = expected[name].to_numpy(), found[name].to_numpy()
            n = int(((before != after) & ~(pd.isna(before) & pd.isna(after))).sum())
        else:
            n = len(expected)
        if n:
            moved[name] = max(n, moved.get(name, 0))


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
    person = _person_of(events.first)
    at_wall = np.minimum(wall, FAR_FUTURE // MINUTES_PER_DAY)[person] * MINUTES_PER_DAY
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


def _person_of(first: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(first) - 1), np.diff(first))


def _unseen_events(events: EventColumns, wall: np.ndarray) -> np.ndarray:
    at = np.minimum(wall, FAR_FUTURE // MINUTES_PER_DAY)[_person_of(events.first)] * MINUTES_PER_DAY
    available = events.available
    if available is None:
        available = events.minute + events.lag_days[events.kind].astype(np.int64) * MINUTES_PER_DAY
    return (events.minute >= at) | (available >= at)


def _unseen_stays(stays: StayColumns, wall: np.ndarray) -> np.ndarray:
    at = wall[_person_of(stays.first)]
    return (stays.start_day >= at) | (stays.available_day >= at)


def _open_ends(stays: StayColumns, wall: np.ndarray, end: np.int32 | None) -> StayColumns:
    """Stays whose end was not known at the wall get another end: `end`, or the day of the wall."""
    at = wall[_person_of(stays.first)]
    unknown = stays.end_available_day >= at
    ends = np.where(unknown, at if end is None else end, stays.end_day)
    return replace(stays, end_day=np.maximum(ends, stays.start_day).astype(np.int32))


def _future_lives(persons: PersonColumns, wall: np.ndarray, day: np.int32 | None) -> PersonColumns:
    """Deaths and moves from the wall on happen at another time: at `day`, or the day after the wall."""
    other = np.minimum(wall + 1, FAR_FUTURE) if day is None else day
    death = np.where(persons.death_day >= wall, other, persons.death_day).astype(np.int32)
    left = np.where(persons.to_day >= wall, other, persons.to_day).astype(np.int32)
    return replace(persons, death_day=death, to_day=left)


def _requests(registers: Registers, wall: np.ndarray, *, deleted: bool) -> pd.DataFrame | None:
    """Requests as they stood at the wall: what came later is deleted, or happens on the day of the wall."""
    requests = registers.requests
    if requests is None:
        return None
    person = person_positions(requests, registers.person_columns.ids)
    at = to_dates(np.where(person < 0, FAR_FUTURE, wall[person]))
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
