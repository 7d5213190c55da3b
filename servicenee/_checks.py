"""Argument checks with one message shape: `name` must be <rule>; got <value>. <What to do.>"""

from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np
import pandas as pd


def check_days(name: str, value, *, minimum: int = 0, optional: bool = False) -> int | None:
    """Whole number of days ≥ `minimum`; None passes when `optional`."""
    if value is None and optional:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        alternative = " or None" if optional else ""
        raise ValueError(f"`{name}` must be a whole number of days of at least {minimum}{alternative}; got {value!r}.")
    return int(value)


def check_fraction(name: str, value) -> float:
    """Number between 0 and 1."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be a fraction between 0 and 1; got {value!r}. For 5 % write 0.05.")
    return float(value)


def check_count(name: str, value, *, minimum: int = 1) -> int:
    """Whole number ≥ `minimum`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"`{name}` must be a whole number of at least {minimum}; got {value!r}.")
    return int(value)


def check_choice(name: str, value, choices: Iterable[str]):
    """One of a closed set of names."""
    choices = list(choices)
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {listed}; got {value!r}.")
    return value


def check_dates(name: str, dates) -> np.ndarray:
    """One or several calendar dates as a sorted, distinct ``datetime64[D]`` array.

    Text must be ISO (2024-01-31): `01.02.2024` means different days in different countries.
    """
    listed = [dates] if isinstance(dates, str) or not isinstance(dates, Iterable) else list(dates)
    if not listed:
        raise ValueError(f"`{name}` must hold at least one date; got none.")
    try:
        stamps = pd.DatetimeIndex([pd.Timestamp(_iso(date)) for date in listed])
    except (ValueError, TypeError):
        raise ValueError(
            f"`{name}` must be dates or ISO text such as '2024-01-31'; at least one of {len(listed)} is neither."
        ) from None
    if stamps.hasnans or stamps.tz is not None or (stamps != stamps.normalize()).any():
        raise ValueError(f"`{name}` must be plain calendar dates without a time of day, a time zone or a gap.")
    return np.unique(stamps.to_numpy().astype("datetime64[us]").astype("datetime64[D]"))


def _iso(date):
    if isinstance(date, str) and not (len(date) >= 10 and date[4] == date[7] == "-"):
        raise ValueError
    return date


def name_some(names: list[str]) -> str:
    """The first ten names, and how many more there are."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
