"""Searching sorted times: positions of a person's rows, and pairs of rows and positions."""

import numpy as np


def first_at_or_after(first: np.ndarray, times: np.ndarray, person: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Position of the person's first row whose time is at or after `at` (the person's end if there is none)."""
    low, high = first[person], first[person + 1]
    longest = int((high - low).max()) if len(low) else 0
    for _ in range(longest.bit_length()):
        middle = (low + high) >> 1
        open_ = low < high
        before = times[np.minimum(middle, len(times) - 1)] < at
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low


def spread(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row, position) pairs of the slices [low, high), in order of row and position."""
    n = high - low
    row = np.repeat(np.arange(len(low), dtype=np.int32), n)
    before = np.cumsum(n) - n
    return row, np.arange(len(row), dtype=np.int64) + np.repeat(low - before, n)
