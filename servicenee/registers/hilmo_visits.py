"""Days on which persons were visited, as one sorted array of whole numbers: who and when in one."""

import numpy as np

_SHIFT, _ZERO = 32, 1 << 31  # a day may lie before 1970


def person_days(place: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Person and day as one number; in the order of persons, then days."""
    day = time.astype("datetime64[D]").astype(np.int64)
    return (place.astype(np.int64) << _SHIFT) + np.where(np.isnat(time), 0, day) + _ZERO


def days_of(visits: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01."""
    return (visits & ((1 << _SHIFT) - 1)) - _ZERO


def person_range(visits: np.ndarray, place: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last place (exclusive) in sorted `visits` of each person's visits from a day on."""
    who = place.astype(np.int64) << _SHIFT
    return np.searchsorted(visits, who + day + _ZERO), np.searchsorted(visits, who + (1 << _SHIFT))
