"""Events and stays as delivered, to columns sorted by person and time; rows that cannot be placed are counted."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from servicenee.codes import normalise_code, split_kinds
from servicenee.registers.findings import Findings, Tally
from servicenee.registers.ordering import Rows, order_by_time
from servicenee.registers.reading import (
    PLACEHOLDER,
    is_sentinel,
    person_positions,
    read_dates,
    read_ids,
    read_numbers,
    text_codes,
    to_days,
    to_minutes,
)
from servicenee.registers.tables import (
    FAR_FUTURE,
    MINUTES_PER_DAY,
    EventColumns,
    PersonColumns,
    StayColumns,
    read_only,
)

_SWAP_DAYS = 3  # an end this little before its start is a swap of the two; a larger gap is an unknown end
_NEVER = np.int32(2**31 - 1)  # `available` of a row without a date of its own: filled from the reporting lag
_DENSE_KINDS = 1 << 22
_ROWS_PER_BLOCK = 1 << 18


def build_events(
    frame: pd.DataFrame, persons: PersonColumns, extract_day: int, duplicates: str, findings: Findings
) -> EventColumns:
    """Event columns in canonical order: person, time, kind, value."""
    rows: Rows = {
        "person": person_positions(read_ids(frame), persons.ids),
        "minute": np.empty(len(frame), dtype=np.int32),
        "value": np.empty(len(frame)),
    }
    if "available_at" in frame.columns:
        rows["available"] = np.empty(len(frame), dtype=np.int32)
    rows["kind"], kinds = _kinds(frame, ("source", "code_system", "code", "unit"), findings, "events")
    keep = np.empty(len(frame), dtype=bool)
    tally = Tally(findings, len(frame))
    timed = frame[[name for name in ("time", "value", "available_at") if name in frame.columns]]
    for block in _blocks(len(frame)):
        tally.start = block.start
        some = {name: column[block] for name, column in rows.items()}
        keep[block] = _read_events(timed.iloc[block], some, persons, extract_day, tally)
    tally.report()
    kept = None if keep.all() else np.flatnonzero(keep)
    rows = rows if kept is None else _take(rows, kept)
    rows, kinds, whole = _split_combinations(rows, kinds, kept, len(frame), findings)
    order, ties = order_by_time(rows)
    if duplicates == "drop":
        repeated = _repeats(rows, ("minute", "person", "kind", "value"))
        _count_repeats("events", repeated, len(frame), (ties, order, whole, kept), findings)
        rows = _take(rows, ~repeated) if repeated.any() else rows
    first = _first_rows(rows["person"], len(persons))
    kind, kinds = _used_kinds(rows["kind"], kinds)
    kind = kind.astype(np.uint16 if len(kinds) < 2**16 else np.int32)
    available = rows.get("available")
    read_only(first, rows["minute"], kind, rows["value"], available)
    lag_days = np.zeros(len(kinds), dtype=np.int32)
    return EventColumns(first, rows["minute"], kind, rows["value"], available, kinds, lag_days)


def _read_events(frame: pd.DataFrame, rows: Rows, persons: PersonColumns, extract_day: int, tally: Tally) -> np.ndarray:
    """Fill minute, value and availability of one block; True for the rows that can be placed."""
    dates = read_dates(frame, "time")
    missing = np.isnat(dates) | is_sentinel(dates)
    rows["minute"][:] = to_minutes(dates)
    rows["value"][:] = _values(frame, tally)
    if "available" in rows:
        available = _available_dates(frame, "events", tally)
        rows["available"][:] = np.where(np.isnat(available), _NEVER, to_minutes(available))
    late = ~missing & (rows["minute"] >= (np.int64(extract_day) + 1) * MINUTES_PER_DAY)
    day = rows["minute"] // MINUTES_PER_DAY
    return _placed("events", "time", rows, persons, missing, late, day, tally)


def _blocks(n_rows: int) -> Iterator[slice]:
    """Runs of rows small enough to stay in the processor's cache."""
    for start in range(0, n_rows, _ROWS_PER_BLOCK):
        yield slice(start, min(start + _ROWS_PER_BLOCK, n_rows))


def build_stays(frame: pd.DataFrame, persons: PersonColumns, extract_day: int, findings: Findings) -> StayColumns:
    """Stay columns in canonical order: person, start, end, kind."""
    starts, ends = read_dates(frame, "start"), read_dates(frame, "end").copy()
    missing = np.isnat(starts) | is_sentinel(starts)
    placeholder = is_sentinel(ends)
    findings.add("stays", "end", PLACEHOLDER, placeholder, "taken as open")
    ends[placeholder] = np.datetime64("NaT", "us")
    rows: Rows = {
        "person": person_positions(read_ids(frame), persons.ids),
        "start": to_days(starts, np.int32(0)),
        "end": to_days(ends, FAR_FUTURE),
    }
    if "available_at" in frame.columns:
        rows["available"] = to_days(_available_dates(frame, "stays", findings), _NEVER)
    rows["kind"], kinds = _kinds(frame, ("source", "kind", "unit"), findings, "stays")
    late = ~missing & (rows["start"] > extract_day)
    keep = _placed("stays", "start", rows, persons, missing, late, rows["start"], findings)
    _mend_ends(rows, keep & (rows["end"] < rows["start"]), findings)
    rows.setdefault("available", np.full(len(frame), _NEVER))
    kept = np.flatnonzero(keep)
    rows = _take(rows, kept)
    order = np.lexsort((rows["available"], rows["kind"], rows["end"], rows["start"], rows["person"]))
    rows = _take(rows, order)
    repeated = _repeats(rows, ("person", "start", "kind", "end"))
    _count_repeats("stays", repeated, len(frame), (order, kept), findings)
    rows = _take(rows, ~repeated)
    first = _first_rows(rows["person"], len(persons))
    kind, kinds = _used_kinds(rows["kind"], kinds)
    read_only(first, rows["start"], rows["end"], kind)
    lag_days = np.zeros(len(kinds), dtype=np.int32)
    available = rows["available"]
    return StayColumns(first, rows["start"], rows["end"], kind, available, available, kinds, lag_days)


def _values(frame: pd.DataFrame, findings: Tally) -> np.ndarray:
    values = read_numbers(frame, "value")
    infinite = np.isinf(values)
    findings.add("events", "value", "infinite", infinite, "taken as missing")
    return np.where(infinite, np.nan, values) if infinite.any() else values


def _available_dates(frame: pd.DataFrame, table: str, findings: Findings | Tally) -> np.ndarray:
    """Dates of `available_at`; a placeholder would make a row visible since ever or never, so it counts as missing."""
    dates = read_dates(frame, "available_at").copy()
    placeholder = is_sentinel(dates)
    findings.add(table, "available_at", PLACEHOLDER, placeholder, "taken as missing: time plus reporting lag")
    dates[placeholder] = np.datetime64("NaT", "us")
    return dates


def with_reporting_lag(columns: EventColumns | StayColumns, lag_of: dict[str, int]) -> EventColumns | StayColumns:
    """The same rows, each with the time from which it could be seen: `available_at`, else time plus lag."""
    lag_days = np.array([lag_of[source] for source in columns.kinds["source"]], dtype=np.int32)
    if isinstance(columns, StayColumns):
        lag = lag_days[columns.kind]
        dated = columns.available_day != _NEVER
        available = np.where(dated, columns.available_day, columns.start_day + lag).astype(np.int32)
        end_known = np.minimum(columns.end_day.astype(np.int64) + lag, FAR_FUTURE)
        # A row that came after the end of its stay brought the end with it.
        end_known = np.where(dated & (available >= columns.end_day), available, end_known).astype(np.int32)
        read_only(available, end_known)
        return replace(columns, available_day=available, end_available_day=end_known, lag_days=lag_days)
    available = columns.available
    if available is not None:
        default = columns.minute + lag_days[columns.kind] * np.int32(MINUTES_PER_DAY)
        available = np.where(available == _NEVER, default, available).astype(np.int32)
        read_only(available)
    return replace(columns, available=available, lag_days=lag_days)


def _kinds(
    frame: pd.DataFrame, names: tuple[str, ...], findings: Findings, table: str
) -> tuple[np.ndarray, pd.DataFrame]:
    """Number of the distinct combination of `names` in every row (negative without a source), and their table."""
    texts = [text_codes(frame, name) for name in names]
    for name, (codes, _) in zip(names, texts, strict=True):
        if name != "unit":
            action = "set aside" if name == "source" else "kept with empty text"
            findings.add(table, name, "missing", codes < 0, action, limited=name == "source")
    sizes = [len(levels) + 1 for _, levels in texts]
    used, number = _distinct([codes for codes, _ in texts], sizes)
    parts = np.unravel_index(used, sizes)
    kinds = pd.DataFrame(
        {
            name: np.array(["", *levels], dtype=object)[part]
            for name, (_, levels), part in zip(names, texts, parts, strict=True)
        }
    )
    if "code" in names:
        kinds["code"] = [normalise_code(*pair) for pair in zip(kinds["code_system"], kinds["code"], strict=True)]
    merged, kinds = _sorted_kinds(kinds)
    sourceless = int((kinds["source"] == "").sum())  # sorted first; their rows get a negative number
    kinds = kinds.iloc[sourceless:].reset_index(drop=True)
    if len(merged):
        place = merged - np.int32(sourceless)
        for block in _blocks(len(number)):
            number[block] = place[number[block]]
    return number, kinds


def _sorted_kinds(kinds: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Place of every kind among the distinct ones in order, and these."""
    names = list(kinds.columns)
    place = kinds.groupby(names, sort=True).ngroup().to_numpy().astype(np.int32)
    return place, kinds.drop_duplicates().sort_values(names, ignore_index=True)


def _split_combinations(
    rows: Rows, kinds: pd.DataFrame, kept: np.ndarray | None, n_rows: int, findings: Findings
) -> tuple[Rows, pd.DataFrame, np.ndarray | None]:
    """One row per part of Finnish combination codes (F00.10*G30.1), and from which row each came.

    Without it a search by prefix would miss a fifth of the diagnoses of diabetes and most of its complications.
    """
    parts = split_kinds(kinds)
    n_parts = np.bincount(parts["row"], minlength=len(kinds))
    if not len(kinds) or bool((n_parts == 1).all() and (parts["code"].to_numpy() == kinds["code"].to_numpy()).all()):
        return rows, kinds, None
    delivered = np.arange(n_rows) if kept is None else kept
    for n, rule, action in (
        (n_parts > 1, "combination of codes", "split, all parts kept"),
        (n_parts == 0, "block of codes", "set aside"),
    ):
        found = delivered[n[rows["kind"]]]
        findings.add_rows("events", "code", rule, found, n_rows, action, limited=False)
    whole = np.repeat(np.arange(len(rows["kind"])), n_parts[rows["kind"]])
    first = np.cumsum(n_parts) - n_parts
    begins = np.r_[True, whole[1:] != whole[:-1]] if len(whole) else np.zeros(0, dtype=bool)
    since = np.arange(len(whole)) - np.maximum.accumulate(np.where(begins, np.arange(len(whole)), 0))
    part = first[rows["kind"][whole]] + since
    split = kinds.iloc[parts["row"]].assign(code_system=parts["code_system"].tolist(), code=parts["code"].tolist())
    place, split = _sorted_kinds(split)
    return _take(rows, whole) | {"kind": place[part]}, split, whole


def _distinct(columns: list[np.ndarray], sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Combinations of codes that occur, packed into one number each, and the place of every row's among them."""
    size = int(np.prod(sizes, dtype=np.int64))
    packed = np.empty(len(columns[0]), dtype=np.int32 if size <= _DENSE_KINDS else np.int64)
    seen = np.zeros(size if size <= _DENSE_KINDS else 0, dtype=bool)
    for block in _blocks(len(packed)):
        together = packed[block]
        together[:] = 0
        for codes, levels in zip(columns, sizes, strict=True):
            if levels > 1:
                together *= packed.dtype.type(levels)
                together += codes[block]
                together += packed.dtype.type(1)
        if len(seen):
            seen[together] = True
    if not len(seen):
        used, number = np.unique(packed, return_inverse=True)
        return used, number.astype(np.int32)
    used = np.flatnonzero(seen)
    place = np.zeros(size, dtype=np.int32)
    place[used] = np.arange(len(used))
    for block in _blocks(len(packed)):
        packed[block] = place[packed[block]]
    return used, packed


def _placed(
    table: str,
    column: str,
    rows: Rows,
    persons: PersonColumns,
    missing: np.ndarray,
    late: np.ndarray,
    day: np.ndarray,
    findings: Findings | Tally,
) -> np.ndarray:
    """Rows of a known person, at a known time within the person's life and before the extract."""
    unknown = rows["person"] < 0
    findings.add(table, "person_id", "not among persons", unknown, "set aside", limited=True)
    unknown |= rows["kind"] < 0
    findings.add(table, column, "missing or placeholder date", missing, "set aside", limited=True)
    findings.add(table, column, "after extract_date", late, "set aside", limited=True)
    keep = ~(unknown | missing | late)
    if not len(persons):
        return keep
    before_birth = keep & (day < persons.birth_day[rows["person"]])
    findings.add(table, column, "before birth_date", before_birth, "set aside")
    after_death = keep & (day > persons.death_day[rows["person"]])
    findings.add(table, column, "after death_date", after_death, "set aside")
    return keep & ~before_birth & ~after_death


def _mend_ends(rows: Rows, backwards: np.ndarray, findings: Findings) -> None:
    gap = rows["start"].astype(np.int64) - rows["end"]
    swapped = backwards & (gap <= _SWAP_DAYS)
    unknown = backwards & (gap > _SWAP_DAYS)
    findings.add("stays", "end", f"up to {_SWAP_DAYS} days before start", swapped, "start and end swapped")
    findings.add("stays", "end", f"more than {_SWAP_DAYS} days before start", unknown, "taken as a stay of no nights")
    start = rows["start"][swapped]
    rows["start"][swapped] = rows["end"][swapped]
    rows["end"][swapped] = start
    rows["end"][unknown] = rows["start"][unknown]


def _take(rows: Rows, index: np.ndarray) -> Rows:
    return {name: column[index] for name, column in rows.items()}


def _first_rows(person: np.ndarray, n_persons: int) -> np.ndarray:
    return np.searchsorted(person, np.arange(n_persons + 1, dtype=person.dtype)).astype(np.int64)


def _repeats(rows: Rows, names: tuple[str, ...]) -> np.ndarray:
    """True for rows equal to the one before; missing values count as equal."""
    first, *others = (rows[name] for name in names)
    at = np.flatnonzero(first[1:] == first[:-1]) + 1
    for column in others:
        now, before = column[at], column[at - 1]
        at = at[(now == before) | ((now != now) & (before != before))]
    repeated = np.zeros(len(first), dtype=bool)
    repeated[at] = True
    return repeated


def _count_repeats(
    table: str, repeated: np.ndarray, n_rows: int, steps: tuple[np.ndarray | None, ...], findings: Findings
) -> None:
    """Report duplicates by their rows as delivered: `steps` lead back from sorted rows to delivered ones."""
    at = np.flatnonzero(repeated)
    for step in steps:
        at = at if step is None else step[at]
    findings.add_rows(
        table,
        "all columns",
        "exact duplicate",
        np.sort(at),
        n_rows,
        "one of each kept, the first to be available",
        limited=False,
    )


def _used_kinds(kind: np.ndarray, kinds: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Kinds without those of which every row was set aside."""
    used = np.zeros(len(kinds), dtype=bool)
    for block in _blocks(len(kind)):
        used[kind[block]] = True
    if used.all():
        return kind, kinds
    place = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return place[kind], kinds[used].reset_index(drop=True)
