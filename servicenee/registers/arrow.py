"""Columns of a file as Arrow reads them, to values that `Registers` takes: dates, numbers, text and person ids.

Nothing is guessed: dates are ISO text, decimals have a point, and what cannot be read is marked, never shown.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from servicenee.registers.schema import DATE, IDENTITY, NUMBER, TEXT, ZONE

WHOLE_NUMBERS, ANY_TEXT = "whole numbers", "text"  # what person ids are

_NOT_AVAILABLE = pa.array(["NA", "N/A", "NaN", "nan", "NULL", "null"])  # as R, pandas and databases write "missing"
_ISO = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?)?$"
_WITH_ZONE = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)$"
_LATE_MIDNIGHT = r"^\d{4}-\d\d-\d\d[T ]24:00(:00(\.0{1,6})?)?$"
LEADING_ZERO = r"^-?0\d"  # of a number that is a code: 0123 is not 123
DECIMAL = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WHOLE = r"^(0|-?[1-9]\d{0,17})$"  # a leading zero makes text: 007 is not 7
_WITH_FRACTION = r"^-?\d+\.\d*$"
_FACTORS_OF_BYTE = np.where(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), 1, np.nan
)
_LOST = "an id such as 123.0 has lost its identity"

EXPECTED = {
    DATE: "dates such as 2021-12-31 or 2021-12-31T14:05",
    NUMBER: "numbers with a decimal point",
    TEXT: "text",
    IDENTITY: "whole numbers or text",
}


class WrongTypeError(TypeError):
    """A whole column holds something else than what it should."""


class Only(NamedTuple):
    """Rows that are wanted of a table: those with one of the `values`, whole numbers or text, in a column.

    Of every distinct combination in the columns `each_of`, one row more is kept, so that all of them stay known.
    """

    column: str
    values: np.ndarray
    each_of: tuple[str, ...] = ()


def read_parquet(file: Path, columns: list[str], text: list[str], only: Only | None = None) -> pa.Table:
    """These columns, those of `text` as dictionaries, one row group at a time.

    A file read as a whole takes far more memory, and most of the time goes into getting it from the system.
    """
    parquet = pq.ParquetFile(file, read_dictionary=text, memory_map=True)
    parts = []
    for group in range(parquet.num_row_groups):
        part = parquet.read_row_group(group, columns=columns, use_threads=False)
        parts.append(part if only is None else rows_with(part, only))
    return pa.concat_tables(parts) if parts else parquet.read(columns=columns)


def rows_with(arrow: pa.Table, only: Only) -> pa.Table:
    """The rows that are wanted, also where a file spells numbers as text."""
    column = arrow.column(only.column)
    whole = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    kind = pa.int64() if whole else pa.string()
    values = pa.array(only.values, pa.string() if only.values.dtype == object else pa.int64())
    try:
        wanted = pc.is_in(column.cast(kind, safe=False), values.cast(kind)).to_numpy().copy()
        wanted[_first_of_each(arrow, [name for name in only.each_of if name in arrow.column_names])] = True
        return arrow.filter(pa.array(wanted))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return arrow  # reading the column tells what is wrong with it


def _first_of_each(arrow: pa.Table, names: list[str]) -> np.ndarray:
    """Position of the first row of every distinct combination of these texts; nothing without columns."""
    packed = np.zeros(len(arrow), dtype=np.int64)
    for name in names:
        codes, levels = arrow_levels(arrow.column(name))
        packed = packed * (len(levels) + 1) + codes + 1
    return np.unique(packed, return_index=True)[1] if names else np.zeros(0, dtype=np.int64)


def values_of(column: pa.ChunkedArray, holds: str, ids: str | None = None) -> tuple[object, np.ndarray | None]:
    """Values for a data frame, and which of them could not be read (None when all could).

    Dates come as ``datetime64[us]``, numbers as float64, text as a categorical. Person ids come as int64 where the file
    or `ids` says whole numbers, else as a categorical.
    """
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if holds == DATE:
        return _dates(column)
    if holds == NUMBER:
        return _numbers(column)
    if holds == IDENTITY:
        return _identities(column, ids), None
    return _categorical(_as_text(column)), None


def to_local_time(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[tuple[str, str, np.ndarray]]]:
    """Times with a zone as Finnish local time and 24:00 as the midnight after; fault, action and rows of either."""
    taken = f"taken as local time of {ZONE}"
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        zoned = column.is_valid().to_numpy(zero_copy_only=False)
        return pc.local_timestamp(column.cast(pa.timestamp("us", tz=ZONE))), [("time with a zone", taken, zoned)]
    if not _is_text(column.type):
        return column, []
    codes, levels = arrow_levels(column)
    noted, texts = [], None
    for fault, action, pattern in (
        ("time with a zone", taken, _WITH_ZONE),
        ("24:00", "taken as the midnight after", _LATE_MIDNIGHT),
    ):
        found = pc.match_substring_regex(levels, pattern).to_numpy(zero_copy_only=False)
        if found.any():
            texts = levels.to_numpy(zero_copy_only=False).astype(object) if texts is None else texts
            texts[found] = [_local(text) for text in texts[found]]
            noted.append((fault, action, np.append(found, False)[codes]))
    distinct = levels if texts is None else pa.array(texts, pa.string())
    encoded = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), distinct)
    return pa.chunked_array([encoded]), noted


def _local(text: str) -> str:
    """The time as local text; as it was when there is no such time, so that reading it fails and is counted."""
    late = text[11:16] == "24:00"
    try:
        moment = pd.Timestamp(f"{text[:10]}T00:00" if late else text)
    except ValueError:
        return text
    if late:
        return str(moment + pd.Timedelta(days=1))
    return str(moment.tz_convert(ZONE).tz_localize(None))


def what_ids_are(column: pa.ChunkedArray, *, typed: bool) -> str:
    """Whether ids are whole numbers or text; in a file without types, whole numbers if every one of them is."""
    if not _is_text(column.type):
        return WHOLE_NUMBERS
    levels = arrow_levels(column)[1]
    if typed or not len(levels):
        return ANY_TEXT
    return WHOLE_NUMBERS if pc.all(pc.match_substring_regex(levels, _WHOLE)).as_py() else ANY_TEXT


def looks_numeric(column: pa.ChunkedArray) -> bool:
    """True for a column of numbers, or of text in which every value is a number without leading zeros."""
    if not _is_text(column.type):
        return _is_number(column.type)
    levels = arrow_levels(column)[1]
    if not len(levels):
        return False
    leading_zero = pc.any(pc.match_substring_regex(levels, LEADING_ZERO)).as_py()
    return not leading_zero and pc.all(pc.match_substring_regex(levels, DECIMAL)).as_py()


def _dates(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray | None]:
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return column.cast(pa.timestamp("us"), safe=False).to_numpy(), None
    if not _is_text(column.type):
        raise WrongTypeError(str(column.type))
    codes, levels = arrow_levels(column)
    stamps = np.full(len(levels) + 1, np.datetime64("NaT", "us"), dtype="datetime64[us]")
    shaped = np.flatnonzero(pc.match_substring_regex(levels, _ISO).to_numpy(zero_copy_only=False))
    texts = levels.take(pa.array(shaped))
    days = _number_at(texts, 8, 10)
    months = (_number_at(texts, 0, 4) * 12 + _number_at(texts, 5, 7) - 1 - 1970 * 12).astype("datetime64[M]")
    exists = (months.astype("datetime64[D]") + (days - 1).astype("timedelta64[D]")).astype("datetime64[M]") == months
    stamps[shaped[exists]] = texts.filter(pa.array(exists)).cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
    return stamps[codes], _unreadable(codes, levels, np.isnat(stamps[:-1]))


def _numbers(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray | None]:
    if _is_number(column.type):
        return column.cast(pa.float64(), safe=False).to_numpy(), None
    if not _is_text(column.type):
        raise WrongTypeError(str(column.type))
    codes, levels = arrow_levels(column)
    numbers = np.full(len(levels) + 1, np.nan)
    shaped = pc.match_substring_regex(levels, DECIMAL)
    numbers[np.flatnonzero(shaped.to_numpy(zero_copy_only=False))] = levels.filter(shaped).cast(pa.float64())
    return numbers[codes], _unreadable(codes, levels, np.isnan(numbers[:-1]))


def _identities(column: pa.ChunkedArray, ids: str | None) -> object:
    if pa.types.is_floating(column.type) or (pa.types.is_decimal(column.type) and column.type.scale):
        raise WrongTypeError(f"{column.type}: {_LOST}")
    if not _is_text(column.type):
        values = column.cast(pa.int64())
        return values.to_pandas(integer_object_nulls=False) if not values.null_count else _nullable(values)
    codes, levels = arrow_levels(column)
    if len(levels) and pc.all(pc.match_substring_regex(levels, _WITH_FRACTION)).as_py():
        raise WrongTypeError(f"decimal numbers: {_LOST}")
    if ids != WHOLE_NUMBERS:
        return _categorical(column)
    whole = pc.match_substring_regex(levels, _WHOLE)
    numbers, known = np.zeros(len(levels) + 1, dtype=np.int64), np.zeros(len(levels) + 1, dtype=bool)
    known[:-1] = whole.to_numpy(zero_copy_only=False)
    numbers[known] = levels.filter(whole).cast(pa.int64())
    return numbers[codes] if known[codes].all() else pd.arrays.IntegerArray(numbers[codes], ~known[codes])


def _nullable(values: pa.ChunkedArray) -> pd.arrays.IntegerArray:
    missing = values.is_null().to_numpy()
    return pd.arrays.IntegerArray(values.fill_null(0).to_numpy().copy(), missing)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if _is_text(column.type):
        return column
    if pa.types.is_floating(column.type) and column.null_count < len(column):
        raise WrongTypeError(str(column.type))
    return column.cast(pa.string())


def _categorical(column: pa.ChunkedArray) -> pd.Categorical:
    codes, levels = arrow_levels(column)
    return pd.Categorical.from_codes(codes, levels.to_pandas())


def arrow_levels(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Codes (-1 where missing) and distinct texts; ArrowInvalid if they are not UTF-8."""
    codes, levels = arrow_pieces(column)
    return np.concatenate(codes) if codes else np.zeros(0, dtype=np.int32), levels


def arrow_pieces(column: pa.ChunkedArray) -> tuple[list[np.ndarray], pa.Array]:
    """Codes of every chunk, without a copy where there is nothing missing, and the texts; see `arrow_levels`."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    column = column.unify_dictionaries()
    levels = column.chunk(0).dictionary.cast(pa.string()) if column.num_chunks else pa.array([], pa.string())
    levels.validate(full=True)
    indices = [chunk.indices for chunk in column.chunks]
    if any(not pa.types.is_signed_integer(part.type) for part in indices):
        indices = [part.cast(pa.int32()) for part in indices]
    codes = [(part.fill_null(-1) if part.null_count else part).to_numpy(zero_copy_only=False) for part in indices]
    return codes, levels


def arrow_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers as float64, NaN where there is none; no copy of one chunk in which every number is there."""
    parts = [_with_nan(chunk) for chunk in column.cast(pa.float64(), safe=False).chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0), *parts])


def _with_nan(chunk: pa.Array) -> np.ndarray:
    if not chunk.null_count:
        return chunk.to_numpy()
    # A byte of the bitmap picks the factors of eight rows, 1 or NaN: `fill_null` takes five times longer.
    valid, numbers = chunk.buffers()
    begin, end = chunk.offset, chunk.offset + len(chunk)
    factors = _FACTORS_OF_BYTE.take(np.frombuffer(valid, np.uint8)[begin // 8 : (end + 7) // 8], axis=0).ravel()
    return factors[begin % 8 : begin % 8 + len(chunk)] * np.frombuffer(numbers, np.float64)[begin:end]


def holds_arrow(kind: pa.DataType, what: str) -> bool:
    """Whether a typed Arrow column can be read as dates, numbers, text or person ids."""
    if what == DATE:
        return pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    if what == NUMBER:
        return _is_number(kind)
    whole = pa.types.is_integer(kind)
    return _is_text(kind) or whole or (what == TEXT and pa.types.is_boolean(kind))


def _unreadable(codes: np.ndarray, levels: pa.Array, failed: np.ndarray) -> np.ndarray | None:
    """True where a text is neither a value nor one of the usual words for a missing one."""
    if not failed.any():
        return None
    failed = failed & ~pc.is_in(levels, _NOT_AVAILABLE).to_numpy(zero_copy_only=False)
    return np.append(failed, False)[codes]


def _number_at(texts: pa.Array, start: int, stop: int) -> np.ndarray:
    return pc.utf8_slice_codeunits(texts, start, stop).cast(pa.int64()).to_numpy(zero_copy_only=False)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_number(kind: pa.DataType) -> bool:
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(check(kind) for check in checks)
