"""Columns of registers come in, tables of our own format go out: ids, dates in microseconds, text as text."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from servicenee.registers.arrow import ANY_TEXT, WHOLE_NUMBERS
from servicenee.registers.core import Registers
from servicenee.registers.schema import NUMBER, TABLES, TEXT
from servicenee.registers.tables import FAR_FUTURE, TextColumn, to_dates

_ROWS_PER_BATCH = 1 << 20
_US = pa.timestamp("us")


def persons_table(registers: Registers, chosen: np.ndarray) -> pa.Table:
    """The persons at these positions."""
    columns = registers.person_columns
    table = {"person_id": _ids(registers, chosen), "birth_date": _days(columns.birth_day[chosen])}
    for name, values in columns.extra.items():
        if isinstance(values, TextColumn):
            table[name] = _text(values.codes[chosen], values.levels)
        else:
            table[name] = pa.array(values[chosen], from_pandas=True)
    table["registered_from"] = _days(columns.from_day[chosen])
    table["registered_to"] = _days(columns.to_day[chosen])
    table["death_date"] = _days(columns.death_day[chosen])
    return pa.table(table)


def event_tables(registers: Registers) -> Iterator[pa.Table]:
    """All events, a bounded number at a time; at least one table."""
    columns = registers.event_columns
    texts = _kind_texts(columns.kinds)
    for person, rows in _batches(columns.first):
        minute, kind = columns.minute[rows], columns.kind[rows]
        table = {"person_id": _ids(registers, person), "time": _minutes(minute)}
        table |= {name: _text(codes[kind], levels) for name, (codes, levels) in texts.items()}
        table["value"] = pa.array(columns.value[rows], from_pandas=True)
        if columns.available is not None:  # else it follows from the reporting lags in coverage
            table["available_at"] = _minutes(columns.available[rows])
        yield pa.table(table)


def stay_tables(registers: Registers) -> Iterator[pa.Table]:
    """All stays, likewise; `available_at` is left out where it follows from the reporting lags in coverage."""
    columns = registers.stay_columns
    texts = _kind_texts(columns.kinds)
    for person, rows in _batches(columns.first):
        kind, start, end = columns.kind[rows], columns.start_day[rows], columns.end_day[rows]
        table = {"person_id": _ids(registers, person), "start": _days(start), "end": _days(end)}
        table |= {name: _text(codes[kind], levels) for name, (codes, levels) in texts.items()}
        lag = columns.lag_days[kind].astype(np.int64)
        available, end_available = columns.available_day[rows], columns.end_available_day[rows]
        follows = (available == start + lag) & (end_available == np.minimum(end + lag, FAR_FUTURE))
        table["available_at"] = _days(np.where(follows, FAR_FUTURE, available))
        yield pa.table(table)


def from_pandas(frame: pd.DataFrame) -> pa.Table:
    """A frame as a table: dates in microseconds, text as text."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    kinds = {True: _US, False: pa.string()}
    fields = []
    for field in table.schema:
        plain = not pa.types.is_timestamp(field.type) and not pa.types.is_date(field.type)
        known = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_boolean(field.type)
        fields.append((field.name, field.type if plain and known else kinds[not plain]))
    return table.cast(pa.schema(fields), safe=False)


def person_types(registers: Registers) -> dict[str, str]:
    """What CSV cannot tell: the type of the ids and of further columns of persons."""
    columns = registers.person_columns
    ids = WHOLE_NUMBERS if columns.ids.dtype.kind == "i" else ANY_TEXT
    extra = {name: TEXT if isinstance(values, TextColumn) else NUMBER for name, values in columns.extra.items()}
    return {"person_id": ids, **{name: what for name, what in extra.items() if name not in TABLES["persons"]}}


def _batches(first: np.ndarray) -> Iterator[tuple[np.ndarray, slice]]:
    """Persons' positions and their rows, a bounded number at a time; one empty batch when there is nothing."""
    person = np.repeat(np.arange(len(first) - 1, dtype=np.int32), np.diff(first))
    for start in range(0, max(len(person), 1), _ROWS_PER_BATCH):
        yield person[start : start + _ROWS_PER_BATCH], slice(start, start + _ROWS_PER_BATCH)


def _ids(registers: Registers, positions: np.ndarray) -> pa.Array:
    ids = registers.person_ids(positions)
    return pa.array(ids, pa.string() if ids.dtype == object else pa.int64())


def _days(days: np.ndarray) -> pa.Array:
    return pa.array(to_dates(days), _US)


def _minutes(minutes: np.ndarray) -> pa.Array:
    return pa.array(minutes.astype("datetime64[m]").astype("datetime64[us]"), _US)


def _text(codes: np.ndarray, levels: tuple[str, ...]) -> pa.DictionaryArray:
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(levels, pa.string()))


def _kind_texts(kinds: pd.DataFrame) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """Codes by kind and levels of every column of `kinds`; a unit that is not there is missing."""
    texts = {}
    for name in kinds.columns:
        column = kinds[name].to_numpy(dtype=object)
        levels = sorted(set(column.tolist()) - ({""} if name == "unit" else set()))
        texts[name] = (pd.Index(levels, dtype=object).get_indexer(column).astype(np.int32), tuple(levels))
    return texts
