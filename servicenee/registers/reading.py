"""Columns of a data frame as checked numpy arrays: dates, numbers, text and person ids; findings, no guesses."""

import numpy as np
import pandas as pd
from pandas.api import types

from servicenee.registers.findings import Findings
from servicenee.registers.schema import DATE, IDENTITY, NUMBER, TABLES, TEXT
from servicenee.registers.tables import TextColumn

_HINTS = {
    DATE: "dates (datetime64 or date objects). Parse text with pd.to_datetime(..., format=...) first",
    NUMBER: "numbers. Convert text with pd.to_numeric after settling the decimal mark",
    TEXT: "text",
    IDENTITY: "whole numbers or text. A float id such as 123.0 has lost its identity: read it as text or int64",
}
_ZONE_HINT = "local dates without a time zone. Use .dt.tz_convert('Europe/Helsinki').dt.tz_localize(None), once"
_US_PER_MINUTE = 60_000_000
_SENTINEL_BEFORE = np.datetime64("1900-01-02", "us")  # 1800-01-01 and 1900-01-01 stand for "unknown" in extracts
PLACEHOLDER = "placeholder date (before 1900-01-02 or from 2099)"
_SENTINEL_FROM = np.datetime64("2099-01-01", "us")  # 2099-12-31, 2999-12-31, 9999-12-31 stand for "open"


def check_columns(table: str, frame: pd.DataFrame, findings: Findings) -> bool:
    """Report missing columns and columns of a wrong type; True when the table can be read on."""
    if not isinstance(frame, pd.DataFrame):
        findings.error(f"{table}: must be a pandas DataFrame; got {type(frame).__name__}.")
        return False
    usable = True
    for name, column in TABLES[table].items():
        if name not in frame.columns:
            if column.required:
                findings.error(f"{table}.{name}: the column is missing. Add it, or rename the one that holds it.")
                usable = False
        elif len(frame) and not _holds(frame[name], column.holds):
            hint = _ZONE_HINT if column.holds == DATE and _has_zone(frame[name]) else _HINTS[column.holds]
            findings.error(f"{table}.{name}: must be {hint}; got {frame[name].dtype}.")
            usable = False
    return usable


def check_identity(table: str, frame: pd.DataFrame, persons: np.ndarray, findings: Findings) -> bool:
    """Report person ids that are text in one table and whole numbers in another; True when they are alike."""
    column = frame["person_id"]
    if not len(frame) or not len(persons) or types.is_integer_dtype(column.dtype) == (persons.dtype.kind == "i"):
        return True
    words = ("text", "whole numbers") if persons.dtype.kind == "i" else ("whole numbers", "text")
    findings.error(
        f"{table}.person_id: holds {words[0]} where persons.person_id holds {words[1]}, so that nobody would be found. "
        "Read both as the same type."
    )
    return False


def _holds(column: pd.Series, what: str) -> bool:
    if column.isna().all():
        return what != IDENTITY
    dtype = column.dtype
    if what == DATE:
        if types.is_datetime64_dtype(dtype):
            return True
        if not types.is_object_dtype(dtype) or _has_zone(column):
            return False
        return types.infer_dtype(column, skipna=True) in ("date", "datetime", "datetime64")
    if what == NUMBER:
        return types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)
    if what == IDENTITY:
        return types.is_integer_dtype(dtype) or _is_text(column)
    return _is_text(column) or types.is_integer_dtype(dtype) or types.is_bool_dtype(dtype)


def _has_zone(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return True
    if not types.is_object_dtype(column.dtype):
        return False
    return any(getattr(value, "tzinfo", None) is not None for value in column.dropna())


def _is_text(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _is_text(column.cat.categories.to_series()) if len(column.cat.categories) else True
    if types.is_object_dtype(column.dtype):
        return types.infer_dtype(column, skipna=True) in ("string", "empty")
    return types.is_string_dtype(column.dtype)


def read_dates(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A date column as ``datetime64[us]``; NaT where missing or where the frame has no such column."""
    if name not in frame.columns or frame[name].isna().all():
        return np.full(len(frame), np.datetime64("NaT", "us"), dtype="datetime64[us]")
    column = frame[name]
    if types.is_object_dtype(column.dtype):
        values = column.where(column.notna(), None).to_numpy(dtype=object)
        return np.array(
            [np.datetime64("NaT", "us") if value is None else value for value in values], dtype="datetime64[us]"
        )
    return column.to_numpy(dtype="datetime64[us]")


def is_sentinel(dates: np.ndarray) -> np.ndarray:
    """True for dates that registers write where they mean 'unknown' or 'open'."""
    return (dates < _SENTINEL_BEFORE) | (dates >= _SENTINEL_FROM)


def to_days(dates: np.ndarray, missing: np.int32) -> np.ndarray:
    """Whole days since 1970-01-01; `missing` where the date is NaT."""
    days = dates.astype("datetime64[D]").astype(np.int64)
    return np.where(np.isnat(dates), missing, days).astype(np.int32)


def to_minutes(dates: np.ndarray) -> np.ndarray:
    """Whole minutes since 1970-01-01 (rounded down); 0 where the date is NaT."""
    minutes = dates.view(np.int64) // _US_PER_MINUTE
    out_of_range = np.isnat(dates) | is_sentinel(dates)
    if out_of_range.any():
        minutes[out_of_range] = 0
    return minutes.astype(np.int32)


def text_codes(frame: pd.DataFrame, name: str) -> tuple[np.ndarray, list[str]]:
    """Codes and levels of a text column in any order; -1 where missing or where the frame has no such column."""
    if name not in frame.columns:
        return np.full(len(frame), -1, dtype=np.int8), []
    column = frame[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, levels = column.cat.codes.to_numpy(), column.cat.categories
    else:
        codes, levels = pd.factorize(column)
    return codes, [str(level) for level in levels]


def read_text(frame: pd.DataFrame, name: str) -> TextColumn:
    """A text column as sorted levels and codes; -1 where missing or where the frame has no such column."""
    codes, levels = text_codes(frame, name)
    texts = np.array(levels, dtype=object)
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(texts)))
    order = used[np.argsort(texts[used], kind="stable")]
    place = np.full(len(texts) + 1, -1, dtype=np.int32)
    place[order] = np.arange(len(order))
    return TextColumn(place[codes], tuple(texts[order]))


def read_numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A number column as float64; NaN where missing or where the frame has no such column."""
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    column = frame[name]
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy().astype(np.float64, copy=False)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def read_ids(frame: pd.DataFrame) -> np.ndarray:
    """Person ids as int64 or fixed-width text; the caller has checked the type."""
    column = frame["person_id"]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if types.is_integer_dtype(column.dtype):
        if isinstance(column.dtype, np.dtype):
            return column.to_numpy().astype(np.int64, copy=False)
        return column.to_numpy(dtype=np.int64, na_value=np.iinfo(np.int64).min)
    return column.to_numpy(dtype=object)


def person_positions(ids: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """Position of each id in the ascending `persons`, -1 where it is not among them."""
    if not len(persons) or not len(ids):
        return np.full(len(ids), -1, dtype=np.int32)
    if ids.dtype.kind != persons.dtype.kind and not (ids.dtype == object and persons.dtype.kind == "U"):
        return np.full(len(ids), -1, dtype=np.int32)
    if ids.dtype.kind == "i" and bool((ids[1:] >= ids[:-1]).all()):
        starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
        found = pd.Index(persons).get_indexer(ids[starts])
        return np.repeat(found.astype(np.int32), np.diff(np.r_[starts, len(ids)]))
    index = pd.Index(persons.astype(object)) if persons.dtype.kind == "U" else pd.Index(persons)
    codes, levels = pd.factorize(ids)
    place = np.r_[index.get_indexer(levels), -1].astype(np.int32)
    return place[codes]
