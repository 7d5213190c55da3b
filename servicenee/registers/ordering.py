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


class Persons:
    """Whose every row is, in the order of the rows: only where each person begins, as long as persons come in order."""

    def __init__(self, n_persons: int, n_rows: int):
        self._n_rows = n_rows
        self._n_of = np.zeros(n_persons, dtype=np.int64)
        self._n, self._last = 0, 0
        self._column: np.ndarray | None = None

    def add(self, person: np.ndarray) -> None:
        """Take the persons of the next rows."""
        if self._column is None and not self._goes_on(person):
            before = person_of_rows(self.first)
            self._column = unfilled(self._n_rows, np.int32)
            self._column[: self._n] = before
        if self._column is not None:
            self._column[self._n : self._n + len(person)] = person
        elif len(person):
            low, self._last = int(person[0]), int(person[-1])
            begins = np.searchsorted(person, np.arange(low, self._last + 2, dtype=person.dtype))
            self._n_of[low : self._last + 1] += np.diff(begins)
        self._n += len(person)

    def _goes_on(self, person: np.ndarray) -> bool:
        return not len(person) or (person[0] >= self._last and not (person[1:] < person[:-1]).any())

    @property
    def first(self) -> np.ndarray | None:
        """First row of every person, and the number of rows; None when persons do not come in order."""
        return None if self._column is not None else np.r_[0, np.cumsum(self._n_of)]

    @property
    def column(self) -> np.ndarray | None:
        """Person of every row; None when `first` tells it."""
        return None if self._column is None else self._column[: self._n]


def person_of_rows(first: np.ndarray) -> np.ndarray:
    """Person of every row, of the first row of every person."""
    return np.repeat(np.arange(len(first) - 1, dtype=np.int32), np.diff(first))


def first_rows(person: np.ndarray, n_persons: int) -> np.ndarray:
    """First row of every person in the sorted `person`, and the number of rows at the end."""
    return np.searchsorted(person, np.arange(n_persons + 1, dtype=person.dtype)).astype(np.int64)


def order_by_time(
    rows: Rows, first: np.ndarray | None, n_persons: int
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray | Moved]]:
    """Sort rows in place by person and time, then ties by kind, value and availability.

    `first` is the first row of every person, or None where a column "person" tells whose the rows are; that column is
    taken away. Returns `first` as it is after sorting, the rows that share person and time with the row before, and for
    every step of the sorting the row from which each came, the last step first.
    """
    steps = []
    if first is None:
        steps = [_sort(rows)] if len(rows["person"]) else []
        first = first_rows(rows.pop("person"), n_persons)
    tied = _tied(rows["minute"], first)
    if tied is None:
        steps = [_sort_within(rows, first)]
        tied = _tied(rows["minute"], first)
    moved = _order_ties(rows, tied)
    return first, tied, steps if moved is None else [moved, *steps]


def _tied(minute: np.ndarray, first: np.ndarray) -> np.ndarray | None:
    """Rows with the person and time of the row before; None when the rows of some person are not in order of time."""
    alike = [np.zeros(0, dtype=np.int64)]
    for block in blocks(len(minute) - 1):
        minutes = minute[block.start : block.stop + 1]
        earlier = np.flatnonzero(minutes[1:] < minutes[:-1]) + block.start + 1
        if not _begins(earlier, first).all():
            return None
        alike.append(np.flatnonzero(minutes[1:] == minutes[:-1]) + block.start + 1)
    tied = np.concatenate(alike)
    return tied[~_begins(tied, first)]


def _begins(at: np.ndarray, first: np.ndarray) -> np.ndarray:
    """True for the rows that are the first of a person."""
    return first[np.searchsorted(first, at)] == at


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
        _reorder(rows, source, some, _packed_order(rows["person"][some], rows["minute"][some]))
        start = stop
    return source


def _sort_within(rows: Rows, first: np.ndarray) -> np.ndarray:
    """Sort rows of persons in order by time, in place, and say from which row each came."""
    n = len(rows["minute"])
    source = np.arange(n, dtype=_dtype_of_places(n))
    bounds = np.unique(np.r_[first[np.searchsorted(first, np.arange(0, n, _ROWS_PER_BLOCK))], n])
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        some, (low, high) = slice(start, stop), np.searchsorted(first, [start, stop])
        _reorder(rows, source, some, _packed_order(person_of_rows(first[low : high + 1]), rows["minute"][some]))
    return source


def _reorder(rows: Rows, source: np.ndarray, some: slice, order: np.ndarray) -> None:
    """Put a run of rows into this order, in place, and with them the rows from which they came."""
    for column in (*rows.values(), source):
        column[some] = column[some].take(order, mode="clip")  # places lie within: clipping only saves a check


def _dtype_of_places(n_rows: int) -> type:
    return np.int32 if n_rows < 2**31 else np.int64


def _piles(person: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Size of every pile of neighbouring persons, and the place of every row when piles lie one after the other."""
    pile, sizes = unfilled(len(person), np.uint8), []
    for block in blocks(len(person)):
        pile[block] = person[block] >> np.int32(shift)
        sizes.append(np.bincount(pile[block], minlength=1 << _PERSON_BITS))
    size = np.sum(sizes, axis=0)
    free = np.cumsum(size) - size
    place = unfilled(len(person), _dtype_of_places(len(person)))
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
    for_time, for_position = (int(minute.max()) - int(first)).bit_length(), len(person).bit_length()
    if for_time > 31 or int(person.max() - low).bit_length() + for_time + for_position > 63:
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
    at = np.unique(np.r_[tied - 1, tied])
    begins = np.ones(len(at), dtype=bool)
    begins[np.searchsorted(at, tied)] = False
    group = np.cumsum(begins)
    keys = [rows[name][at] for name in ("available", "value", "kind") if name in rows]
    moved = np.lexsort((*keys, group))
    if bool((moved == np.arange(len(at))).all()):
        return None
    for column in rows.values():
        column[at] = column[at[moved]]
    return Moved(at, at[moved])
