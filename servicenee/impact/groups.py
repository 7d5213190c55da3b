"""Persons and dates in; the groups by which access and services are compared out."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

AGE_BANDS = ("0–17", "18–22", "23–64", "65–74", "75–84", "85–94", "95+")
_STARTS = np.array([0, 18, 23, 65, 75, 85, 95])
# The columns by which fairness is asked (where the persons table has them).
EQUITY_COLUMNS = ("sex", "age_band", "language", "area", "urban_rural", "living_alone", "income")
UNKNOWN = "unknown"


def age_band(age: np.ndarray) -> np.ndarray:
    """Band of every age in completed years; "unknown" where the age is NaN or negative."""
    known = np.nan_to_num(age, nan=-1.0) >= 0
    place = np.searchsorted(_STARTS, np.where(known, age, 0), side="right") - 1
    return np.where(known, np.array(AGE_BANDS, dtype=object)[place], UNKNOWN)


def listed_columns(by: str | Iterable[str] | None) -> list[str]:
    """`by` as a list of column names."""
    if by is None:
        return []
    names = [by] if isinstance(by, str) else list(by)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"`by` must be a column or several different columns; got {by!r}.")
    return names


def group_codes(keys: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Number of the group of every row, and one row of keys per group, in order; without keys all are one group."""
    if not len(keys.columns):
        return np.zeros(len(keys), dtype=np.int64), pd.DataFrame(index=range(1 if len(keys) else 0))
    columns = [_ordered_codes(keys[name]) for name in keys.columns]
    packed = np.zeros(len(keys), dtype=np.int64)
    for codes, levels in columns:
        packed = packed * max(len(levels), 1) + codes
    used, group = np.unique(packed, return_inverse=True)
    table = {}
    rest = used
    for name, (_, levels) in reversed(list(zip(keys.columns, columns, strict=True))):
        table[name] = np.asarray(levels, dtype=object)[rest % max(len(levels), 1)]
        rest = rest // max(len(levels), 1)
    return group.astype(np.int64), pd.DataFrame({name: table[name] for name in keys.columns})


def _ordered_codes(column: pd.Series) -> tuple[np.ndarray, list]:
    """Codes by ascending level, missing values last under the name "unknown"."""
    codes, levels = pd.factorize(column)
    texts = [str(int(level)) if isinstance(level, float) and level.is_integer() else str(level) for level in levels]
    order = sorted(range(len(texts)), key=lambda place: (texts[place] == UNKNOWN, texts[place]))
    place = np.empty(len(texts) + 1, dtype=np.int64)
    place[order] = np.arange(len(order))
    place[-1] = len(order)
    names = [texts[i] for i in order]
    return place[codes], [*names, UNKNOWN] if (codes < 0).any() else names
