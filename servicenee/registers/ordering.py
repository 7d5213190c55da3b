"""Rows in any order come in; rows in canonical order (person, time, kind, value, availability) go out, in place."""

import numpy as np
from scipy.sparse import csr_array

Rows = dict[str, np.ndarray]

_ROWS_PER_SORT = 1 << 18


def order_by_time(rows: Rows) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Sort rows in place by person and time, then ties by kind, value and availability.

    Returns the row from which each came, once for either step; None for a step that moved nothing.
    """
    person, minute = rows["person"], rows["minute"]
    same = person[1:] == person[:-1]
    sorted_already = bool((person[1:] >= person[:-1]).all()) and not bool((same & (minute[1:] < minute[:-1])).any())
    order = None
    if not sorted_already:
        order = _time_order(person, minute)
        for name in rows:
            rows[name] = rows[name][order]
    return order, _order_ties(rows)


def _time_order(person: np.ndarray, minute: np.ndarray) -> np.ndarray:
    """Order by person, by counting, then by time within runs of whole persons, by sorting packed numbers."""
    n_rows, n_persons = len(person), int(person.max()) + 1
    rows = np.arange(n_rows, dtype=np.int64)
    by_person = csr_array((rows, person, np.array([0, n_rows])), shape=(1, n_persons)).tocsc()
    order, first = by_person.data, by_person.indptr
    start = 0
    while start < n_persons:
        stop = int(np.searchsorted(first, first[start] + _ROWS_PER_SORT, side="right")) - 1
        stop = min(max(stop, start + 1), n_persons)
        run = slice(int(first[start]), int(first[stop]))
        own = order[run]
        order[run] = own[_packed_order(person[own] - np.int32(start), minute[own])]
        start = stop
    return order


def _packed_order(person: np.ndarray, minute: np.ndarray) -> np.ndarray:
    """Order of a few persons' rows: person, time and position packed into one number, which sorts fastest."""
    if not len(person):
        return np.zeros(0, dtype=np.int64)
    minute = minute.astype(np.int64) - int(minute.min())
    for_time, for_position = int(minute.max()).bit_length(), len(person).bit_length()
    if int(person.max()).bit_length() + for_time + for_position > 63:
        return np.lexsort((minute, person))
    packed = (((person.astype(np.int64) << for_time) | minute) << for_position) | np.arange(len(person))
    packed.sort()
    return packed & ((1 << for_position) - 1)


def _order_ties(rows: Rows) -> np.ndarray | None:
    """Sort rows of one person at one time, in place; the row from which each came, or None."""
    person, minute = rows["person"], rows["minute"]
    tied = np.flatnonzero((minute[1:] == minute[:-1]) & (person[1:] == person[:-1]))
    if not len(tied):
        return None
    at = np.unique(np.r_[tied, tied + 1])
    begins = np.r_[True, (minute[at[1:]] != minute[at[:-1]]) | (person[at[1:]] != person[at[:-1]])]
    group = np.cumsum(begins)
    keys = [rows[name][at] for name in ("available", "value", "kind") if name in rows]
    moved = np.lexsort((*keys, group))
    if bool((moved == np.arange(len(at))).all()):
        return None
    for column in rows.values():
        column[at] = column[at[moved]]
    source = np.arange(len(person), dtype=np.int32 if len(person) < 2**31 else np.int64)
    source[at] = at[moved]
    return source
