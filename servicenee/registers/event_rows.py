"""Events as delivered, to columns sorted by person and time; rows that cannot be placed are counted and set aside.

The table is read in blocks that stay in the processor's cache, each column once.
"""

import numpy as np
import pandas as pd

from servicenee.registers.findings import Findings, Tally
from servicenee.registers.kinds import TextCodes, split_combinations
from servicenee.registers.ordering import Persons, Rows, blocks, order_by_time
from servicenee.registers.placing import (
    NEVER,
    TOLD_TWICE,
    available_dates,
    count_repeats,
    delivered,
    placed,
    repeats,
    take,
    told_by_another,
    without,
)
from servicenee.registers.reading import (
    Column,
    column_of,
    dates_of,
    is_unknown,
    numbers_of,
    person_finder,
    read_numbers,
    rows_of,
    to_minutes,
)
from servicenee.registers.tables import (
    MINUTES_PER_DAY,
    EventColumns,
    PersonColumns,
    keep_freed_memory,
    read_only,
    unfilled,
)

_TEXTS = ("source", "code_system", "code", "unit")
_LARGEST_VALUE = np.finfo(np.float32).max  # anything larger, such as a filler of 1E+99, would be infinite in X


def build_events(
    frame: pd.DataFrame,
    persons: PersonColumns,
    extract_day: int,
    duplicates: str,
    priority: dict[str, float],
    findings: Findings,
) -> EventColumns:
    """Event columns in canonical order: person, time, kind, value; `priority` is that of the sources that have one."""
    texts = TextCodes(frame, _TEXTS)
    rows, whose, kept = _placed_rows(frame, texts, persons, extract_day, findings)
    first = whose.first
    if first is None:
        rows["person"] = whose.column
    rows["kind"], kinds = texts.kinds(rows["kind"])
    rows, first, kinds, whole = _split(rows, first, kinds, kept, len(frame), findings)
    first, tied, steps = order_by_time(rows, first, len(persons))
    steps = (*steps, whole, kept)
    repeated = repeats(rows, tied, ("kind", "value")) if duplicates == "drop" else tied[:0]
    count_repeats("events", repeated, len(frame), steps, findings)
    twice = told_by_another(rows, first, kinds, priority)
    findings.add_rows("events", "source", TOLD_TWICE, delivered(twice, steps), len(frame), "set aside", limited=False)
    if len(repeated) or len(twice):
        rows, first = without(rows, first, np.union1d(repeated, twice))
    available = rows.get("available")
    read_only(first, rows["minute"], rows["kind"], rows["value"], available)
    lag_days = np.zeros(len(kinds), dtype=np.int32)
    return EventColumns(first, rows["minute"], rows["kind"], rows["value"], available, kinds, lag_days)


def _placed_rows(
    frame: pd.DataFrame, texts: TextCodes, persons: PersonColumns, extract_day: int, findings: Findings
) -> tuple[Rows, Persons, np.ndarray | None]:
    """Rows that can be placed, in the order of the table; whose they are; which these are (None: all)."""
    n = len(frame)
    keep_freed_memory()
    rows: Rows = {
        "minute": unfilled(n, np.int32),
        "value": unfilled(n, np.float64),
        "kind": unfilled(n, texts.dtype),
    }
    if "available_at" in frame.columns:
        rows["available"] = unfilled(n, np.int32)
    find = person_finder(frame, persons.ids)
    columns = {name: column_of(frame, name) for name in ("time", "value", "available_at") if name in frame.columns}
    current = _current(frame, findings) if "version" in frame.columns else None
    tally, dropped, n_kept, whose = Tally(findings, n), [], 0, Persons(len(persons), n)
    for block in blocks(n):
        tally.start = block.start
        cut = {name: rows_of(column, block) for name, column in columns.items()}
        read, keep = _read_block(cut, block, (find, texts, persons, extract_day), tally)
        keep = keep if current is None else keep & current[block]
        if not keep.all():
            dropped.append(np.flatnonzero(~keep) + block.start)
            read = take(read, keep)
        whose.add(read.pop("person"))
        n_before, n_kept = n_kept, n_kept + len(read["minute"])
        for name, column in read.items():
            rows[name][n_before:n_kept] = column
        texts.note(rows["kind"][n_before:n_kept])
    tally.report()
    if not dropped:
        return rows, whose, None
    rows = {name: column[:n_kept] for name, column in rows.items()}
    return rows, whose, np.delete(np.arange(n), np.concatenate(dropped))


def _current(frame: pd.DataFrame, findings: Findings) -> np.ndarray:
    """True for rows of which no later version is there."""
    same = [frame[name] for name in ("person_id", "time", "source", "code_system", "code")]
    version = pd.Series(read_numbers(frame, "version"), index=frame.index).fillna(-np.inf)
    old = (version < version.groupby(same, dropna=False, observed=True).transform("max")).to_numpy()
    findings.add("events", "version", "superseded by a later version", old, "set aside")
    return ~old


def _read_block(columns: dict[str, Column], block: slice, how: tuple, tally: Tally) -> tuple[Rows, np.ndarray]:
    """Columns of one block, and True for the rows that can be placed."""
    find, texts, persons, extract_day = how
    sourceless = texts.missing("source", block)
    tally.add("events", "source", "missing", sourceless, "set aside", limited=True)
    for name in ("code_system", "code"):
        tally.add("events", name, "missing", texts.missing(name, block), "kept with empty text")
    dates = dates_of(columns["time"])
    missing = is_unknown(dates)
    minute = to_minutes(dates, missing)
    read = {"person": find(block), "minute": minute, "kind": texts.pack(block)}
    read["value"] = _values(columns["value"], tally) if "value" in columns else np.full(len(dates), np.nan)
    if "available_at" in columns:
        available = available_dates(dates_of(columns["available_at"]), "events", tally)
        undated = np.isnat(available)
        read["available"] = np.where(undated, NEVER, to_minutes(available, undated))
    late = ~missing & (minute >= (extract_day + 1) * MINUTES_PER_DAY)
    day = minute // np.int32(MINUTES_PER_DAY)
    return read, placed(("events", "time"), read["person"], day, (sourceless, missing, late), persons, tally)


def _values(column: Column, tally: Tally) -> np.ndarray:
    values = numbers_of(column)
    infinite = np.abs(values) > _LARGEST_VALUE
    tally.add("events", "value", "infinite", infinite, "taken as missing")
    return np.where(infinite, np.nan, values) if infinite.any() else values


def _split(
    rows: Rows,
    first: np.ndarray | None,
    kinds: pd.DataFrame,
    kept: np.ndarray | None,
    n_rows: int,
    findings: Findings,
) -> tuple[Rows, np.ndarray | None, pd.DataFrame, np.ndarray | None]:
    """One row per part of a combination of codes, and from which row each came (None when nothing was split)."""
    found = split_combinations(kinds)
    if found is None:
        return rows, first, kinds, None
    n_parts, place, split = found
    as_delivered = np.arange(n_rows) if kept is None else kept
    pseudo = (kinds["code_system"] == "ATC").to_numpy()
    begins = np.cumsum(n_parts) - n_parts
    one, medicine = np.flatnonzero(n_parts == 1), np.zeros(len(kinds), dtype=bool)
    medicine[one] = split["code_system"].to_numpy()[place[begins[one]]] != kinds["code_system"].to_numpy()[one]
    for concerned, fault, action in (
        (n_parts == 2, "combination of codes", "split, all parts kept"),
        (n_parts > 2, "more than two codes in one", "split, all parts kept"),
        (medicine, "ATC code among diagnoses", "taken as a medicine"),
        ((n_parts == 0) & ~pseudo, "block of codes", "set aside"),
        ((n_parts == 0) & pseudo, "pseudo code in the place of a code", "set aside"),
    ):
        at = as_delivered[concerned[rows["kind"]]]
        findings.add_rows("events", "code", fault, at, n_rows, action, limited=False)
    times = n_parts[rows["kind"]]
    whole = np.repeat(np.arange(len(times)), times)
    number_of_part = np.arange(len(whole)) - np.repeat(np.cumsum(times) - times, times)
    part = begins[rows["kind"][whole]] + number_of_part
    first = None if first is None else np.searchsorted(whole, first)
    return take(rows, whole) | {"kind": place[part]}, first, split, whole
