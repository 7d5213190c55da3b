"""What reading events and reading stays have in common: rows placed in a person's life, repeats, availability."""

from dataclasses import replace

import numpy as np
import pandas as pd

from servicenee.registers.findings import Findings, Tally
from servicenee.registers.ordering import Moved, Rows, person_of_rows
from servicenee.registers.reading import PLACEHOLDER, is_sentinel
from servicenee.registers.tables import (
    FAR_FUTURE,
    MINUTES_PER_DAY,
    EventColumns,
    PersonColumns,
    StayColumns,
    read_only,
    unfilled,
)

NEVER = np.int32(2**31 - 1)  # `available` of a row without a date of its own: filled from the reporting lag
_LATE_PAPERS_DAYS = 30  # late answers of a laboratory and bills follow a death; much later rows contradict it
_NONE = np.zeros(0, dtype=bool)
TOLD_TWICE = "the same event from a source before it in the list"


def placed(
    where: tuple[str, str],
    person: np.ndarray,
    day: np.ndarray,
    unusable: tuple[np.ndarray, np.ndarray, np.ndarray],
    persons: PersonColumns,
    findings: Findings | Tally,
) -> np.ndarray:
    """True for rows of a known person, at a known time within the person's life and before the extract.

    `where` are table and column; `unusable` marks rows without a source (counted before, empty if there are none),
    without a date, and after the extract.
    """
    table, column = where
    sourceless, missing, late = unusable
    unknown = person < 0
    findings.add(table, "person_id", "not among persons", unknown, "set aside", limited=True)
    findings.add(table, column, "missing or placeholder date", missing, "set aside", limited=True)
    findings.add(table, column, "after extract_date", late, "set aside", limited=True)
    keep = ~(unknown | missing | late)
    if len(sourceless):
        keep &= ~sourceless
    before_birth = after_death = conflict = _NONE
    if len(persons) and len(day):
        # Most blocks begin after the youngest person's birth and end before the first death: no need to look closer.
        if day.min() < persons.birth_day.max():
            before_birth = keep & (day < persons.birth_day[person])
        if day.max() > persons.death_day.min():
            since_death = day - persons.death_day[person].astype(np.int64)
            after_death = keep & (since_death > 0) & (since_death <= _LATE_PAPERS_DAYS)
            conflict = keep & (since_death > _LATE_PAPERS_DAYS)
    findings.add(table, column, "before birth_date", before_birth, "set aside")
    findings.add(table, column, "after death_date", after_death, "set aside")
    fault = f"more than {_LATE_PAPERS_DAYS} days after death_date"
    findings.add(table, column, fault, conflict, "set aside: is it the same person, and dead?")
    for outside in (before_birth, after_death, conflict):
        if len(outside):
            keep &= ~outside
    return keep


def available_dates(dates: np.ndarray, table: str, findings: Findings | Tally) -> np.ndarray:
    """Dates of `available_at`; a placeholder would make a row visible since ever or never, so it counts as missing."""
    placeholder = is_sentinel(dates)
    findings.add(table, "available_at", PLACEHOLDER, placeholder, "taken as missing: time plus reporting lag")
    return np.where(placeholder, np.datetime64("NaT", "us"), dates)


def with_reporting_lag(columns: EventColumns | StayColumns, lag_of: dict[str, int]) -> EventColumns | StayColumns:
    """The same rows, each with the time from which it could be seen: `available_at`, else time plus lag."""
    lag_days = np.array([lag_of[source] for source in columns.kinds["source"]], dtype=np.int32)
    if isinstance(columns, StayColumns):
        lag = lag_days[columns.kind]
        dated = columns.available_day != NEVER
        available = np.where(dated, columns.available_day, columns.start_day + lag).astype(np.int32)
        end_known = np.minimum(columns.end_day.astype(np.int64) + lag, FAR_FUTURE)
        # A row that came after the end of its stay brought the end with it.
        end_known = np.where(dated & (available >= columns.end_day), available, end_known).astype(np.int32)
        read_only(available, end_known)
        return replace(columns, available_day=available, end_available_day=end_known, lag_days=lag_days)
    available = columns.available
    if available is not None:
        default = columns.minute + lag_days[columns.kind] * np.int32(MINUTES_PER_DAY)
        available = np.where(available == NEVER, default, available).astype(np.int32)
        read_only(available)
    return replace(columns, available=available, lag_days=lag_days)


def take(rows: Rows, index: np.ndarray) -> Rows:
    """The rows at these positions, or those marked."""
    return {name: column[index] for name, column in rows.items()}


def without(rows: Rows, first: np.ndarray, dropped: np.ndarray) -> tuple[Rows, np.ndarray]:
    """The rows save those at the positions `dropped`, in order, and the first row of every person then."""
    keep = np.ones(int(first[-1]), dtype=bool)
    keep[dropped] = False
    n_kept = len(keep) - len(dropped)
    rows = {name: np.compress(keep, column, out=unfilled(n_kept, column.dtype)) for name, column in rows.items()}
    return rows, first - np.searchsorted(dropped, first)


def repeats(rows: Rows, among: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Those of the rows `among` that equal the one before in these columns; missing values count as equal."""
    at = among
    for name in names:
        now, before = rows[name][at], rows[name][at - 1]
        at = at[(now == before) | ((now != now) & (before != before))]
    return at


def count_repeats(
    table: str, repeated: np.ndarray, n_rows: int, steps: tuple[np.ndarray | Moved | None, ...], findings: Findings
) -> None:
    """Report duplicates by their rows as delivered: `steps` lead back from sorted rows to delivered ones."""
    findings.add_rows(
        table,
        "all columns",
        "exact duplicate",
        delivered(repeated, steps),
        n_rows,
        "set aside: one of each kept, the first to be available",
        limited=False,
    )


def delivered(at: np.ndarray, steps: tuple[np.ndarray | Moved | None, ...]) -> np.ndarray:
    """Rows as they were delivered, in order, of these sorted ones."""
    for step in steps:
        at = at if step is None else step[at]
    return np.sort(at)


def told_by_another(rows: Rows, first: np.ndarray, kinds: pd.DataFrame, priority: dict[str, float]) -> np.ndarray:
    """Rows with the person, day, code system and code of a row of a source that comes before theirs in priority.

    `priority` gives the place of the sources that may tell of the same event, the lowest first; others do not count.
    Contacts are never the same: a visit at the hospital and one at the health centre make two on one day.
    """
    if len(priority) < 2:
        return np.zeros(0, dtype=np.int64)
    place = kinds["source"].map(priority).where(kinds["code_system"] != "contact").to_numpy(dtype=np.float64)
    what = kinds.groupby(["code_system", "code"], sort=True).ngroup().to_numpy()
    at = np.flatnonzero(~np.isnan(place)[rows["kind"]])
    person, day, kind = person_of_rows(first)[at], rows["minute"][at] // MINUTES_PER_DAY, rows["kind"][at]
    told = pd.DataFrame({"person": person, "day": day, "what": what[kind], "place": place[kind]})
    best = told.groupby(["person", "day", "what"])["place"].transform("min")
    return at[(told["place"] > best).to_numpy()]
