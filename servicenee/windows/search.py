"""Searching sorted times: positions of a person's rows, and pairs of rows and positions."""

import numpy as np


def first_at_or_after(first: np.ndarray, times: np.ndarray, person: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Position of the person's first row whose time is at or after `at` (the person's end if there is none)."""
    low, high = first[person], first[person + 1]
    longest = int((high - low).max()) if len(low) else 0
    for step in [1 << bit for bit in reversed(range(longest.bit_length()))]:
        # The row that would be the last of those before: beyond the person's end it is not looked at.
        last = low + (step - 1)
        before = times.take(last, mode="clip") < at
        before &= last < high
        low += before * step
    return low


def spread(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row, position) pairs of the slices [low, high), in order of row and position."""
    n = high - low
    row = np.repeat(np.arange(len(low), dtype=np.int32), n)
    position = np.repeat(low - (np.cumsum(n) - n), n)
    position += np.arange(len(row))
    return row, position
