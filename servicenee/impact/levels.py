"""Registers and the table of levels in; days of every person-period by the heaviest service of the day, moves, out."""

from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee.codes import as_codelist
from servicenee.impact.measures import chosen_kinds
from servicenee.impact.residents import Residents
from servicenee.registers import Registers
from servicenee.registers.ordering import person_of_rows
from servicenee.registers.tables import FAR_FUTURE, MINUTES_PER_DAY, StayColumns
from servicenee.windows import days_between, rows_between
from servicenee.windows.stays import chained

NO_SERVICE = "none"
_MONDAY = 3  # 1970-01-01 was a Thursday


def service_levels() -> pd.DataFrame:
    """Give the levels of service from lighter to heavier, and what counts as a day on each: data to read and edit.

    Returns
    -------
    DataFrame
        level, order (0, no service, is not listed), codes (prefixes), source (empty: all), hours_per_week (from how
        many hours of the events' values in a week all its days count), definition. A level may have several rows.

    Examples
    --------
    >>> from servicenee.impact import service_levels
    >>> service_levels()["level"].drop_duplicates().tolist()
    ['digital', 'clinic', 'light_home_care', 'heavy_home_care', 'round_the_clock', 'hospital']
    """
    return _levels().copy()


def level_days(rows: Residents, levels: pd.DataFrame) -> dict[str, np.ndarray]:
    """Days of every person-period on each level: the day's heaviest; days without any are level "none"."""
    spans = _level_spans(rows.registers, levels, min(start for start, _ in rows.periods))
    names = levels.sort_values("order").drop_duplicates("order")
    beyond = np.zeros(len(rows))
    days = {}
    for level, order in zip(names["level"][::-1], names["order"][::-1], strict=True):
        from_here_up = days_between(spans, spans.kind >= order, rows.person, rows.start_day, rows.stop_day)
        days[level] = from_here_up - beyond
        beyond = from_here_up
    days[NO_SERVICE] = rows.days - beyond
    return {name: days[name] for name in (NO_SERVICE, *names["level"])}


def level_moves(rows: Residents, levels: pd.DataFrame) -> dict[str, np.ndarray]:
    """Moves to a heavier and to a lighter level of care in stays; a stay that death ends is no move."""
    stays = rows.registers.stay_columns
    person = person_of_rows(stays.first)
    order = np.zeros(len(stays.kinds), dtype=np.int64)
    for row in levels.itertuples():
        order[as_codelist(row.codes.split()).matches_kinds(stays.kinds)] = row.order
    found: dict[str, list[np.ndarray]] = {"heavier": [], "lighter": []}
    for least in sorted({number for number in order.tolist() if number}):
        chosen = np.flatnonzero(order[stays.kind] >= least)
        at, start, end = chained(person[chosen], stays.start_day[chosen], stays.end_day[chosen])
        for name, day in (("heavier", start), ("lighter", end)):
            found[name].append(_pair(at, day))
    # A move over two levels begins two chains on one day, and is one move.
    nothing = np.zeros(0, dtype=np.int64)
    return {name: _moves_within(rows, np.unique(np.concatenate([nothing, *pairs]))) for name, pairs in found.items()}


def _level_spans(registers: Registers, levels: pd.DataFrame, first_day: int) -> StayColumns:
    """All days in services as stays whose kind is the order of the level; contacts are stays of one day."""
    parts = []
    for row in levels.itertuples():
        codes, sources = as_codelist(row.codes.split()), tuple(str(row.source).split()) if row.source else ()
        if pd.notna(row.hours_per_week):
            parts.append((*_heavy_weeks(registers, codes, sources, row.hours_per_week, first_day), row.order))
            continue
        stays, events = registers.stay_columns, registers.event_columns
        person = person_of_rows(stays.first)
        at = np.flatnonzero(chosen_kinds(stays.kinds, codes, sources)[stays.kind] & (stays.end_day > first_day))
        parts.append((person[at], stays.start_day[at].astype(np.int64), stays.end_day[at].astype(np.int64), row.order))
        person, day, _ = _days_of_events(registers, chosen_kinds(events.kinds, codes, sources), first_day)
        parts.append((person, day, day + 1, row.order))
    person = np.concatenate([part[0] for part in parts])
    start, end = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    level = np.concatenate([np.full(len(part[0]), part[3], dtype=np.int32) for part in parts])
    order = np.lexsort((start, person))
    first = np.searchsorted(person[order], np.arange(len(registers.person_columns) + 1))
    return replace(registers.stay_columns, first=first, start_day=start[order], end_day=end[order], kind=level[order])


def _heavy_weeks(registers, codes, sources, hours: float, first_day: int) -> tuple[np.ndarray, ...]:
    """Person, first day and first day after of every week with at least that many hours."""
    person, day, position = _days_of_events(
        registers, chosen_kinds(registers.event_columns.kinds, codes, sources), first_day - 7
    )
    week = (day + _MONDAY) // 7
    pairs, at = np.unique((person << 32) + week, return_inverse=True)
    total = np.bincount(at, weights=np.nan_to_num(registers.event_columns.value[position]), minlength=len(pairs))
    heavy = pairs[total >= hours - 1e-9]
    start = (heavy & (2**32 - 1)) * 7 - _MONDAY
    return heavy >> 32, start, start + 7


def _days_of_events(registers: Registers, chosen: np.ndarray, first_day: int) -> tuple[np.ndarray, ...]:
    """Person, day and position of the chosen events from a day on."""
    events = registers.event_columns
    position = np.flatnonzero(chosen[events.kind] & (events.minute >= first_day * MINUTES_PER_DAY))
    person = np.searchsorted(events.first, position, side="right") - 1
    return person, events.minute[position].astype(np.int64) // MINUTES_PER_DAY, position


def _pair(person: np.ndarray, day: np.ndarray) -> np.ndarray:
    known = day < FAR_FUTURE
    return (person[known].astype(np.int64) << 32) + day[known] + 2**31


def _moves_within(rows: Residents, pairs: np.ndarray) -> np.ndarray:
    person, day = pairs >> 32, (pairs & (2**32 - 1)) - 2**31
    first = np.searchsorted(person, np.arange(len(rows.registers.person_columns) + 1))
    at, _ = rows_between(first, day, np.ones(len(day), dtype=bool), rows.person, rows.start_day, rows.stop_day)
    return np.bincount(at, minlength=len(rows)).astype(np.float64)


@cache
def _levels() -> pd.DataFrame:
    with files("servicenee.impact").joinpath("service_levels.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"source": str}).fillna({"source": ""})
