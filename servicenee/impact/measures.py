"""Person-periods and codes in; days, contacts, starts, care chains and deaths of every person-period out."""

import numpy as np
import pandas as pd

from servicenee.codes import Codelist, as_codelist
from servicenee.impact.residents import Residents
from servicenee.registers import Registers
from servicenee.registers.ordering import person_of_rows
from servicenee.registers.tables import FAR_FUTURE, MINUTES_PER_DAY, StayColumns
from servicenee.windows import days_between, in_stay, rows_between
from servicenee.windows.stays import chained


def chosen_kinds(kinds: pd.DataFrame, codes: Codelist, sources: tuple[str, ...]) -> np.ndarray:
    """Kinds of events or stays with these codes, from these sources where any are named."""
    chosen = codes.matches_kinds(kinds)
    return chosen & kinds["source"].isin(sources).to_numpy() if sources else chosen


def sources_of(registers: Registers, codes: str, sources: tuple[str, ...]) -> set[str]:
    """Sources from which the codes come."""
    found: set[str] = set()
    for kinds in (registers.event_columns.kinds, registers.stay_columns.kinds):
        found |= set(kinds["source"][chosen_kinds(kinds, as_codelist(codes.split()), sources)])
    return found


def stay_days(rows: Residents, codes: Codelist) -> np.ndarray:
    """Days in the stays, overlaps counted once."""
    stays = rows.registers.stay_columns
    chosen = codes.matches_kinds(stays.kinds)[stays.kind]
    return days_between(stays, chosen, rows.person, rows.start_day, rows.stop_day)


def contacts(rows: Residents, codes: Codelist, sources: tuple[str, ...] = ()) -> np.ndarray:
    """Number of events."""
    at, _ = _events(rows, codes, sources)
    return np.bincount(at, minlength=len(rows)).astype(np.float64)


def contact_values(rows: Residents, codes: Codelist, sources: tuple[str, ...] = ()) -> np.ndarray:
    """Sum of the values of the events, such as hours; missing values count as nothing."""
    at, position = _events(rows, codes, sources)
    values = np.nan_to_num(rows.registers.event_columns.value[position])
    return np.bincount(at, weights=values, minlength=len(rows))


def episodes(rows: Residents, codes: Codelist, sources: tuple[str, ...], gap_days: int) -> np.ndarray:
    """Number of episodes: events at least `gap_days` after the event before."""
    events = rows.registers.event_columns
    chosen = chosen_kinds(events.kinds, codes, sources)[events.kind]
    position = np.flatnonzero(chosen)
    person = person_of_rows(events.first)[position]
    day = events.minute[position].astype(np.int64) // MINUTES_PER_DAY
    new = np.ones(len(position), dtype=bool)
    new[1:] = (person[1:] != person[:-1]) | (day[1:] - day[:-1] >= gap_days)
    return _starting_within(rows, person[new], day[new])


def starts(rows: Residents, codes: Codelist) -> np.ndarray:
    """Number of care chains of these stays that begin."""
    person, start, _ = _chains(rows.registers.stay_columns, codes)
    return _starting_within(rows, person, start)


def chains_with(rows: Residents, codes: Codelist, diagnoses: Codelist) -> np.ndarray:
    """Number of care chains that begin and have one of the diagnoses on any day of the chain.

    Transfers are merged, so that one admission counts once. Events carry no order of diagnoses, so any position
    counts: the number is an upper bound of one by main diagnosis.
    """
    stays, events = rows.registers.stay_columns, rows.registers.event_columns
    person, start, end = _chains(stays, codes)
    sources = tuple(sorted(set(stays.kinds["source"][codes.matches_kinds(stays.kinds)])))
    chosen = chosen_kinds(events.kinds, diagnoses, sources)[events.kind]
    until = np.minimum(np.maximum(end, start + 1), np.int64(FAR_FUTURE) // MINUTES_PER_DAY)
    at, _ = rows_between(
        events.first, events.minute.astype(np.int64), chosen, person, start * MINUTES_PER_DAY, until * MINUTES_PER_DAY
    )
    has = np.bincount(at, minlength=len(person)) > 0
    return _starting_within(rows, person[has], start[has])


def present(rows: Residents, codes: Codelist) -> tuple[np.ndarray, np.ndarray]:
    """In the stay at the end of the period (1 or 0), and who lived in the area then (1 or 0)."""
    stays = rows.registers.stay_columns
    ends = np.array([span[1] for span in rows.periods])[rows.period]
    there = rows.stop_day == ends
    chosen = codes.matches_kinds(stays.kinds)[stays.kind]
    inside = in_stay(stays, chosen, rows.person, ends) & there
    return inside.astype(np.float64), there.astype(np.float64)


def deaths(rows: Residents) -> np.ndarray:
    """1 where the person died in the period while living in the area."""
    death = rows.registers.person_columns.death_day[rows.person]
    ends = np.array([span[1] for span in rows.periods])[rows.period]
    return ((death == rows.stop_day) & (death < ends)).astype(np.float64)


def _events(rows: Residents, codes: Codelist, sources: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    events = rows.registers.event_columns
    chosen = chosen_kinds(events.kinds, codes, sources)[events.kind]
    start, stop = (column.astype(np.int64) * MINUTES_PER_DAY for column in (rows.start_day, rows.stop_day))
    return rows_between(events.first, events.minute, chosen, rows.person, start, stop)


def _chains(stays: StayColumns, codes: Codelist) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Person, start and end of the care chains of these stays, in order of person and start."""
    chosen = np.flatnonzero(codes.matches_kinds(stays.kinds)[stays.kind])
    person = person_of_rows(stays.first)[chosen]
    return chained(person, stays.start_day[chosen], stays.end_day[chosen])


def _starting_within(rows: Residents, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """How many of the days of a person, sorted by person and day, lie in every person-period."""
    first = np.searchsorted(person, np.arange(len(rows.registers.person_columns) + 1))
    at, _ = rows_between(first, day, np.ones(len(day), dtype=bool), rows.person, rows.start_day, rows.stop_day)
    return np.bincount(at, minlength=len(rows)).astype(np.float64)
