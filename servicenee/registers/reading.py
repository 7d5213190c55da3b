"""Columns of a data frame as checked numpy arrays: dates, numbers, text and person ids; findings, no guesses."""

from bisect import bisect_right
from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types

from servicenee.registers.arrow import arrow_numbers, arrow_pieces, holds_arrow, to_local_time
from servicenee.registers.findings import Findings
from servicenee.registers.schema import DATE, IDENTITY, NUMBER, TABLES, TEXT, ZONE
from servicenee.registers.tables import TextColumn

Column = pd.Series | pa.ChunkedArray

_HINTS = {
    DATE: "dates (datetime64 or date objects). Parse text with pd.to_datetime(..., format=...) first",
    NUMBER: "numbers. Convert text with pd.to_numeric after settling the decimal mark",
    TEXT: "text",
    IDENTITY: "whole numbers or text. A float id such as 123.0 has lost its identity: read it as text or int64",
}
_US_PER_MINUTE = 60_000_000
_NO_ID = np.iinfo(np.int64).min
_IDS_PER_PERSON = 64  # ids no sparser than this are looked up in a table of all numbers between the first and the last
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
            findings.error(f"{table}.{name}: must be {_HINTS[column.holds]}; got {frame[name].dtype}.")
            usable = False
        elif column.holds == DATE and _has_zone(frame[name]):
            zoned = frame[name].notna().to_numpy()
            findings.add(table, name, "time with a zone", zoned, f"taken as local time of {ZONE}")
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
    return _is_of_type(column, what) or (what != IDENTITY and bool(column.isna().all()))


def holds_dates(column: pd.Series) -> bool:
    """True for a column of dates without a time zone, whatever library keeps them."""
    return _is_of_type(column, DATE)


def _is_of_type(column: pd.Series, what: str) -> bool:
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        return holds_arrow(dtype.pyarrow_dtype, what)
    if what == DATE:
        if types.is_datetime64_any_dtype(dtype):
            return True
        return types.is_object_dtype(dtype) and types.infer_dtype(column, skipna=True) in (
            "date",
            "datetime",
            "datetime64",
        )
    if what == NUMBER:
        return types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)
    if what == IDENTITY:
        return types.is_integer_dtype(dtype) or _is_text(column)
    return _is_text(column) or types.is_integer_dtype(dtype) or types.is_bool_dtype(dtype)


def _has_zone(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.ArrowDtype):
        return getattr(column.dtype.pyarrow_dtype, "tz", None) is not None
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


def column_of(frame: pd.DataFrame, name: str) -> Column:
    """A column of the frame: Arrow's own, without a copy, where Arrow keeps it, since that is cut much faster."""
    column = frame[name]
    return column.array.__arrow_array__() if isinstance(column.dtype, pd.ArrowDtype) else column


def rows_of(column: Column, block: slice) -> Column:
    """A run of rows of a column."""
    return column.iloc[block] if isinstance(column, pd.Series) else column.slice(block.start, block.stop - block.start)


def read_dates(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A date column as ``datetime64[us]``; NaT where missing or where the frame has no such column."""
    if name not in frame.columns:
        return np.full(len(frame), np.datetime64("NaT", "us"), dtype="datetime64[us]")
    return dates_of(column_of(frame, name))


def dates_of(column: Column) -> np.ndarray:
    """Dates as ``datetime64[us]``, NaT where missing."""
    if isinstance(column, pa.ChunkedArray):
        return to_local_time(column)[0].cast(pa.timestamp("us"), safe=False).to_numpy()
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert(ZONE).dt.tz_localize(None)
    if types.is_datetime64_dtype(column.dtype):
        return column.to_numpy(dtype="datetime64[us]")
    values = column.astype(object).where(column.notna(), None).to_numpy(dtype=object)
    return np.array(
        [np.datetime64("NaT", "us") if value is None else _local(value) for value in values], dtype="datetime64[us]"
    )


def _local(value):
    """A time with a zone as local time; every other value as it is."""
    if getattr(value, "tzinfo", None) is None:
        return value
    return value.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)


def is_sentinel(dates: np.ndarray) -> np.ndarray:
    """True for dates that registers write where they mean 'unknown' or 'open'."""
    return (dates < _SENTINEL_BEFORE) | (dates >= _SENTINEL_FROM)


def is_unknown(dates: np.ndarray) -> np.ndarray:
    """True where there is no date, or a placeholder for one."""
    microseconds = dates.view(np.int64)  # NaT is the smallest of all
    low, high = _SENTINEL_BEFORE.astype(np.int64), _SENTINEL_FROM.astype(np.int64)
    if len(dates) and microseconds.min() >= low and microseconds.max() < high:
        return np.zeros(len(dates), dtype=bool)
    return (microseconds < low) | (microseconds >= high)


def to_days(dates: np.ndarray, missing: np.int32) -> np.ndarray:
    """Whole days since 1970-01-01; `missing` where the date is NaT."""
    days = dates.astype("datetime64[D]").astype(np.int64)
    return np.where(np.isnat(dates), missing, days).astype(np.int32)


def to_minutes(dates: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Whole minutes since 1970-01-01 (rounded down); 0 where the date is unknown."""
    minutes = dates.view(np.int64) // _US_PER_MINUTE
    if unknown.any():
        minutes[unknown] = 0
    return minutes.astype(np.int32)


class Pieces:
    """An array that lies in several pieces, sliced as if it were one; a slice within one piece is no copy."""

    def __init__(self, parts: list[np.ndarray]):
        self._parts = parts
        self._begins = np.cumsum([0, *map(len, parts)]).tolist()

    def __getitem__(self, block: slice) -> np.ndarray:
        if len(self._parts) == 1:
            return self._parts[0][block]
        start, stop, _ = block.indices(self._begins[-1])
        first = bisect_right(self._begins, start) - 1
        cut = []
        for part, begin in zip(self._parts[first:], self._begins[first:-1], strict=True):
            if begin >= stop:
                break
            cut.append(part[max(0, start - begin) : stop - begin])
        return cut[0] if len(cut) == 1 else np.concatenate(cut) if cut else self._parts[0][:0]


def text_codes(frame: pd.DataFrame, name: str) -> tuple[Pieces, list[str]]:
    """Codes and levels of a text column in any order; -1 where missing or where the frame has no such column."""
    if name not in frame.columns:
        return Pieces([np.full(len(frame), -1, dtype=np.int8)]), []
    column = column_of(frame, name)
    if isinstance(column, pa.ChunkedArray):
        codes, levels = arrow_pieces(column)
        codes, levels = codes or [np.zeros(0, dtype=np.int32)], levels.to_pylist()
    elif isinstance(column.dtype, pd.CategoricalDtype):
        codes, levels = [column.cat.codes.to_numpy()], column.cat.categories
    else:
        codes, levels = pd.factorize(column)
        codes = [codes]
    return Pieces(codes), [str(level) for level in levels]


def read_text(frame: pd.DataFrame, name: str) -> TextColumn:
    """A text column as sorted levels and codes; -1 where missing or where the frame has no such column."""
    pieces, levels = text_codes(frame, name)
    codes, texts = pieces[:], np.array(levels, dtype=object)
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(texts)))
    order = used[np.argsort(texts[used], kind="stable")]
    place = np.full(len(texts) + 1, -1, dtype=np.int32)
    place[order] = np.arange(len(order))
    return TextColumn(place[codes], tuple(texts[order]))


def read_numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A number column as float64; NaN where missing or where the frame has no such column."""
    return numbers_of(column_of(frame, name)) if name in frame.columns else np.full(len(frame), np.nan)


def numbers_of(column: Column) -> np.ndarray:
    """Numbers as float64, NaN where missing."""
    if isinstance(column, pa.ChunkedArray):
        return arrow_numbers(column)
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy().astype(np.float64, copy=False)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def read_ids(frame: pd.DataFrame) -> np.ndarray:
    """Person ids as int64 (its smallest value where missing) or text objects; the caller has checked the type."""
    return _ids_of(column_of(frame, "person_id"))


def _ids_of(column: Column) -> np.ndarray:
    if isinstance(column, pa.ChunkedArray):
        if not pa.types.is_integer(column.type):
            return np.array(column.cast(pa.string()).to_pylist(), dtype=object)
        whole = column.cast(pa.int64())
        return (whole.fill_null(_NO_ID) if whole.null_count else whole).to_numpy()
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if types.is_integer_dtype(column.dtype):
        if isinstance(column.dtype, np.dtype):
            return column.to_numpy().astype(np.int64, copy=False)
        return column.to_numpy(dtype=np.int64, na_value=_NO_ID)
    return column.to_numpy(dtype=object)


def person_positions(frame: pd.DataFrame, persons: np.ndarray) -> np.ndarray:
    """Position of every row's person among `persons`, -1 where it is not one of them."""
    return person_finder(frame, persons)(slice(0, len(frame)))


def person_finder(frame: pd.DataFrame, persons: np.ndarray) -> Callable[[slice], np.ndarray]:
    """A function that gives the positions among `persons` for a run of rows; -1 for unknown persons."""
    if not len(persons) or not len(frame) or _holds_numbers(frame["person_id"]) != (persons.dtype.kind == "i"):
        return lambda block: np.full(block.stop - block.start, -1, dtype=np.int32)
    if persons.dtype.kind != "i":
        codes, levels = text_codes(frame, "person_id")
        found = pd.Index(persons.astype(object)).get_indexer(pd.Index(np.array(levels, dtype=object)))
        place = np.append(found, -1).astype(np.int32)
        return lambda block: place[codes[block]]
    numbers = column_of(frame, "person_id")
    low, width = int(persons.min()), int(persons.max()) - int(persons.min()) + 1
    if width > _IDS_PER_PERSON * len(persons) + 1024:
        index = pd.Index(persons)
        return lambda block: index.get_indexer(_ids_of(rows_of(numbers, block))).astype(np.int32)
    # Ids that lie close together are looked up in a table; whatever lies outside finds the -1 at its end.
    place = np.full(width + 1, -1, dtype=np.int32)
    place[persons - low] = np.arange(len(persons), dtype=np.int32)

    def find(block: slice) -> np.ndarray:
        ids = _ids_of(rows_of(numbers, block))
        if ids.min() >= low and ids.max() < low + width:
            return place.take(ids - low, mode="clip")  # none lies outside: clipping only saves a check
        return place[np.where((ids >= low) & (ids < low + width), ids - low, width)]

    return find


def _holds_numbers(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return types.is_integer_dtype(column.cat.categories.dtype)
    return types.is_integer_dtype(column.dtype)
