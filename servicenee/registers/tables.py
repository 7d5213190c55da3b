"""The columns inside `Registers`: plain, read-only numpy arrays, sorted once by person and time.

Days are whole days since 1970-01-01 (int32), minutes likewise. Every array is numeric or fixed-width text, so that
joblib can map it into worker processes instead of copying it.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

MINUTES_PER_DAY = 1440
_LARGER_THAN_A_BLOCK = 24 << 20  # glibc looks at pieces of up to 32 megabytes
FAR_FUTURE = np.int32(2**31 - 1)  # an open end: not dead, not moved, stay still going on
FAR_PAST = np.int32(-(2**31))  # an unknown beginning: registered since ever, covered since ever


@dataclass(frozen=True)
class TextColumn:
    """A text column as small numbers: `levels[codes]`, with -1 where the text is missing."""

    codes: np.ndarray
    levels: tuple[str, ...]

    def to_numpy(self) -> np.ndarray:
        """Object array of text, None where missing."""
        return np.array([*self.levels, None], dtype=object)[self.codes]


@dataclass(frozen=True)
class PersonColumns:
    """One entry per person, in ascending order of `ids`."""

    ids: np.ndarray
    birth_day: np.ndarray  # FAR_PAST where unknown
    death_day: np.ndarray  # FAR_FUTURE while alive
    from_day: np.ndarray  # first day in the area
    to_day: np.ndarray  # first day outside the area
    extra: dict[str, TextColumn | np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class EventColumns:
    """Events of person p are rows `first[p]` to `first[p + 1]`, in order of time.

    A *kind* is a distinct (source, code_system, code, unit); everything that is not time or value is in `kinds`.
    """

    first: np.ndarray
    minute: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    available: np.ndarray | None  # minute from which the row could be seen; None: minute + lag of the kind
    kinds: pd.DataFrame
    lag_days: np.ndarray  # per kind

    def __len__(self) -> int:
        return len(self.minute)


@dataclass(frozen=True)
class StayColumns:
    """Stays of person p are rows `first[p]` to `first[p + 1]`, in order of start; days are half-open [start, end)."""

    first: np.ndarray
    start_day: np.ndarray
    end_day: np.ndarray  # FAR_FUTURE while open
    kind: np.ndarray
    available_day: np.ndarray  # first day on which the row could have been seen
    end_available_day: np.ndarray  # first day on which its end could have been seen; until then the stay is open
    kinds: pd.DataFrame
    lag_days: np.ndarray  # per kind

    def __len__(self) -> int:
        return len(self.start_day)


@dataclass(frozen=True)
class CoverageColumns:
    """One entry per source: which days its rows cover, half-open, and how late they arrive."""

    source: tuple[str, ...]
    from_day: np.ndarray
    to_day: np.ndarray
    lag_days: np.ndarray

    def of(self, sources) -> tuple[int, int, int]:
        """First covered day, first day no longer covered and longest lag of several sources together."""
        rows = [self.source.index(source) for source in sources]
        if not rows:
            return int(FAR_PAST), int(FAR_FUTURE), 0
        return int(self.from_day[rows].max()), int(self.to_day[rows].min()), int(self.lag_days[rows].max())


def to_dates(days: np.ndarray) -> np.ndarray:
    """Days as ``datetime64[us]``, NaT where the day is open or unknown."""
    unknown = (days == FAR_FUTURE) | (days == FAR_PAST)
    dates = np.where(unknown, 0, days).astype("datetime64[D]").astype("datetime64[us]")
    dates[unknown] = np.datetime64("NaT", "us")
    return dates


def unfilled(shape: int | tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array to be written once, like `numpy.empty`, for which no huge pages are asked.

    NumPy asks for them, and a virtual machine pays several times more for the first use of those than of usual ones.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) if isinstance(shape, tuple) else shape
    buffer = pa.allocate_buffer(size * dtype.itemsize, memory_pool=pa.system_memory_pool())
    return np.frombuffer(buffer, dtype).reshape(shape)


def keep_freed_memory() -> None:
    """Let the arrays of one block of work leave their memory to those of the next.

    Until a larger piece has been freed, glibc gives what is freed back to the system at once, to fetch it again for the
    next block. The piece freed here was never touched, so that it costs nothing, as all of this does elsewhere.
    """
    unfilled(_LARGER_THAN_A_BLOCK, np.uint8)


def read_only(*arrays: np.ndarray | None) -> None:
    """Guard shared arrays against writing in place."""
    for array in arrays:
        if array is not None:
            array.setflags(write=False)
