"""Registers come in, a fingerprint of their content goes out: the same for the whole and for the sum of its parts."""

import zlib

import numpy as np

from servicenee.registers.core import Registers
from servicenee.registers.tables import EventColumns, StayColumns, TextColumn

# Odd constants of the splitmix64 generator (Steele et al. 2014, OOPSLA 453-472): nearby numbers end far apart.
_STEP, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(31)
_ROWS_PER_BLOCK = 1 << 18


def content_sum(registers: Registers) -> int:
    """Sum of a number per person, event and stay, modulo 2**64; the order and the parts of the rows do not matter.

    Notes
    -----
    It tells extracts apart and says nothing about a person. It guards against mistakes, not against forgery.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.registers.fingerprint import content_sum
    >>> content_sum(make_registers(50, random_state=0)) == content_sum(make_registers(50, random_state=0))
    True
    """
    persons = registers.person_columns
    ids = _of_ids(persons.ids)
    total = np.zeros(1, dtype=np.uint64)
    columns = [persons.birth_day, persons.death_day, persons.from_day, persons.to_day]
    for values in persons.extra.values():
        columns.append(_of_texts(values.levels)[values.codes] if isinstance(values, TextColumn) else values)
    total += _mixed(ids, columns).sum(dtype=np.uint64)
    events, stays = registers.event_columns, registers.stay_columns
    total += _of_rows(events, ids, [events.minute, events.value, events.available])
    total += _of_rows(stays, ids, [stays.start_day, stays.end_day, stays.available_day, stays.end_available_day])
    return int(total[0])


def _of_rows(table: EventColumns | StayColumns, ids: np.ndarray, columns: list[np.ndarray | None]) -> np.uint64:
    kinds = _of_texts(["\t".join(row) for row in table.kinds.itertuples(index=False, name=None)])
    person = np.repeat(ids, np.diff(table.first))
    columns = [values for values in columns if values is not None]
    total = np.zeros(1, dtype=np.uint64)
    for start in range(0, len(person), _ROWS_PER_BLOCK):
        rows = slice(start, start + _ROWS_PER_BLOCK)
        some = [values[rows] for values in columns]
        total += _mixed(person[rows] ^ kinds[table.kind[rows]], some).sum(dtype=np.uint64)
    return total[0]


def _mixed(key: np.ndarray, columns: list[np.ndarray]) -> np.ndarray:
    """One number per row that depends on all columns and their order."""
    mixed = key.copy()
    for values in columns:
        mixed += _bits(values)
        mixed *= _MIX
        mixed ^= mixed >> _SHIFT
    return mixed


def _bits(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), 0.5, values).view(np.int64)  # any missing value is like another
    return values.astype(np.int64, copy=False).view(np.uint64) if values.dtype != np.uint64 else values


def _of_ids(ids: np.ndarray) -> np.ndarray:
    if ids.dtype.kind == "i":
        return _mixed(ids.astype(np.int64).view(np.uint64) * _STEP, [ids])
    return _of_texts(ids.tolist())[:-1]


def _of_texts(texts) -> np.ndarray:
    """A number per text, and one more at the end for a text that is missing."""
    coded = [text.encode() for text in texts]
    halves = [(zlib.crc32(text) << 32) | zlib.adler32(text) for text in coded]
    return np.array([*halves, 0], dtype=np.uint64) * _STEP
