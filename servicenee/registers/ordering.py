"""Rows in any order come in; rows in canonical order (person, time, kind, value, availability) go out, in place."""

from collections.abc import Iterator

import numpy as np

from servicenee.registers.tables import unfilled

Rows = dict[str, np.ndarray]

_ROWS_PER_BLOCK = 1 << 17
_PERSON_BITS = 8  # persons are first dealt into at most 256 piles: NumPy sorts numbers of eight bits by counting


def blocks(n_rows: int) -> Iterator[slice]:
    """Runs of rows small enough to stay in the processor's cache."""
    for start in range(0, n_rows, _ROWS_PER_BLOCK):
        yield slice(start, min(start + _ROWS_PER_BLOCK, n_rows))


class Moved:
    """From which row each row came, when few have moved."""

    def __init__(self, to: np.ndarray, source: np.ndarray):
        self._to, self._source = to, source

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        at = np.searchsorted(self._to, rows)
        at[at == len(self._to)] = 0
        return np.where(self._to[at] == rows, self._source[at], rows)


def order_by_time(rows: Rows) -> tuple[np.ndarray, list[np.ndarray | Moved]]:
    """Sort rows in place by person and time, then ties by kind, value and availability.

    Returns the rows that share person and time with the row before, and for every step of the sorting the row from
    which each came, the last step first.
    """
    steps = []
    in_order, tied = _neighbours(rows["person"], rows["minute"])
    if not in_order:
        steps = [_sort(rows)]
        _, tied = _neighbours(rows["person"], rows["minute"])
    moved = _order_ties(rows, tied)
    return tied, steps if moved is None else [moved, *steps]


def _neighbours(person: np.ndarray, minute: np.ndarray) -> tuple[bool, np.ndarray]:
    """Whether rows are in order of person and time, and which have both in common with the row before."""
    tied = [np.zeros(0, dtype=np.int64)]
    for block in blocks(len(person) - 1):
        persons, minutes = (column[block.start : block.stop + 1] for column in (person, minute))
        same = persons[1:] == persons[:-1]
        later = minutes[1:] >= minutes[:-1]
        if not ((persons[1:] > persons[:-1]) | (same & later)).all():
            return False, tied[0]
        same &= minutes[1:] == minutes[:-1]
        tied.append(np.flatnonzero(same) + block.start + 1)
    return True, np.concatenate(tied)


def _sort(rows: Rows) -> np.ndarray:
    """Sort rows in place by person and time, and say from which row each came."""
    person = rows["person"]
    shift = max(0, int(person.max()).bit_length() - _PERSON_BITS)
    size, place = _piles(person, shift)
    for name in rows:
        rows[name] = _dealt(rows[name], place)
    source = unfilled(len(place), place.dtype)
    for block in blocks(len(place)):
        source[place[block]] = np.arange(block.start, block.stop, dtype=place.dtype)
    start = 0
    for stop in np.cumsum(size).tolist():
        some = slice(start, stop)
        inner = _packed_order(rows["person"][some], rows["minute"][some])
        for column in (*rows.values(), source):
            column[some] = column[some].take(inner, mode="clip")  # they lie within: clipping only saves a check
        start = stop
    return source


def _piles(person: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Size of every pile of neighbouring persons, and the place of every row when piles lie one after the other."""
    pile, sizes = unfilled(len(person), np.uint8), []
    for block in blocks(len(person)):
        pile[block] = person[block] >> np.int32(shift)
        sizes.append(np.bincount(pile[block], minlength=1 << _PERSON_BITS))
    size = np.sum(sizes, axis=0)
    free = np.cumsum(size) - size
    place = unfilled(len(person), np.int32 if len(person) < 2**31 else np.int64)
    for block, n in zip(blocks(len(person)), sizes, strict=True):
        order = np.argsort(pile[block], kind="stable")
        place[block][order] = (free - (np.cumsum(n) - n)).take(pile[block][order]) + np.arange(len(order))
        free += n
    return size, place


def _dealt(column: np.ndarray, place: np.ndarray) -> np.ndarray:
    dealt = unfilled(len(column), column.dtype)
    for block in blocks(len(column)):
        dealt[place[block]] = column[block]
    return dealt


def _packed_order(person: np.ndarray, minute: np.ndarray) -> np.ndarray:
    """Order by person and time; both and the position are packed into one number, which sorts fastest."""
    if not len(person):
        return np.zeros(0, dtype=np.int64)
    low, first = person.min(), minute.min()
    for_time, for_position = int(minute.max() - first).bit_length(), len(person).bit_length()
    if int(person.max() - low).bit_length() + for_time + for_position > 63:
        return np.lexsort((minute, person))
    packed = np.subtract(person, low, dtype=np.int64)
    packed <<= for_time
    packed |= minute - first
    packed <<= for_position
    packed |= np.arange(len(packed))
    packed.sort()
    packed &= (1 << for_position) - 1
    return packed


def _order_ties(rows: Rows, tied: np.ndarray) -> Moved | None:
    """Sort rows of one person at one time, in place; the row from which each came, or None when none moved."""
    if not len(tied):
        return None
    person, minute = rows["person"], rows["minute"]
    at = np.unique(np.r_[tied - 1, tied])
    begins = np.r_[True, (minute[at[1:]] != minute[at[:-1]]) | (person[at[1:]] != person[at[:-1]])]
    group = np.cumsum(begins)
    keys = [rows[name][at] for name in ("available", "value", "kind") if name in rows]
    moved = np.lexsort((*keys, group))
    if bool((moved == np.arange(len(at))).all()):
        return None
    for column in rows.values():
        column[at] = column[at[moved]]
    return Moved(at, at[moved])
