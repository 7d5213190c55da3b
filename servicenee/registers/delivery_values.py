"""Texts of a delivery, level by level, to dates, numbers, codes and ids; nothing is guessed, nothing is shown."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from servicenee.registers.delivery_files import Coded

_TIME = r"(?:[T :]\s*(?P<hour>[01]?\d|2[0-4])[:.](?P<minute>[0-5]\d)(?:[:.](?P<second>[0-5]\d)(?:[.,]\d+)?)?)?"
# 31.12.2021 14:05 · 2021-12-31T14:05:00 · 20211231 · 31DEC2021:14:05:00. A date with slashes may be either way round.
_SHAPES = (
    rf"^(?P<day>\d{{1,2}})\.(?P<month>\d{{1,2}})\.(?P<year>\d{{4}}){_TIME}$",
    rf"^(?P<year>\d{{4}})-(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}}){_TIME}$",
    r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})$",
    rf"^(?P<day>\d{{1,2}})(?P<month>[A-Za-z]{{3}})(?P<year>\d{{4}}){_TIME}$",
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NUMBER = r"^-?\d+([.,]\d*)?([eE][+-]?\d+)?$"
_WHOLE = r"^(0|-?[1-9]\d{0,17})$"
_MINUTES_PER_DAY = 1440
_NAT = np.datetime64("NaT", "m")


def dates_of(column: Coded) -> tuple[np.ndarray, np.ndarray]:
    """Dates per row as ``datetime64[m]``, NaT where missing, and which rows hold a text that is no date.

    24:00 is midnight of the next day. A day that does not exist (31 April) is no date.
    """
    dates = np.full(len(column.levels), _NAT, dtype="datetime64[m]")
    open_still = np.ones(len(column.levels), dtype=bool)
    for shape in _SHAPES:
        places = np.flatnonzero(open_still)
        if not len(places):
            break
        parts = pc.extract_regex(column.levels.take(pa.array(places)), shape)
        found = parts.is_valid().to_numpy(zero_copy_only=False)
        dates[places[found]] = _assembled(parts.filter(pa.array(found)))
        open_still[places[found]] = False
    wrong = np.isnat(dates)
    return column.spread(dates, _NAT), column.spread(wrong, False)


def _assembled(parts: pa.StructArray) -> np.ndarray:
    """Dates from their parts; NaT where there is no such day or time."""
    fields = {field.name: parts.field(field.name) for field in parts.type}
    month = _numbers(fields["month"]) if not _is_name(fields["month"]) else _month_numbers(fields["month"])
    year, day = _numbers(fields["year"]), _numbers(fields["day"])
    hour, minute = (
        _numbers(fields[name]) if name in fields else np.zeros(len(day), int) for name in ("hour", "minute")
    )
    real = (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1) & (hour * 60 + minute <= _MINUTES_PER_DAY)
    months = (np.where(real, year * 12 + month - 1, 0) - 1970 * 12).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    real &= days.astype("datetime64[M]") == months
    dates = days.astype("datetime64[m]") + (hour * 60 + minute).astype("timedelta64[m]")
    dates[~real] = _NAT
    return dates


def _numbers(texts: pa.Array) -> np.ndarray:
    whole = pc.if_else(pc.equal(texts, ""), "0", texts)
    return whole.cast(pa.int64()).to_numpy(zero_copy_only=False)


def _is_name(texts: pa.Array) -> bool:
    return bool(len(texts)) and bool(pc.any(pc.utf8_is_alpha(texts)).as_py())


def _month_numbers(names: pa.Array) -> np.ndarray:
    place = pc.index_in(pc.utf8_upper(names), pa.array(_MONTHS))
    return pc.add(pc.fill_null(place, -1), 1).to_numpy(zero_copy_only=False).astype(np.int64)


def numbers_of(column: Coded) -> tuple[np.ndarray, np.ndarray]:
    """Numbers per row with decimal comma or point, NaN where missing, and which rows hold a text that is none."""
    plain = pc.replace_substring_regex(column.levels, r"[ \x{00a0}]", "")
    shaped = pc.match_substring_regex(plain, _NUMBER)
    numbers = np.full(len(column.levels), np.nan)
    found = shaped.to_numpy(zero_copy_only=False)
    numbers[found] = pc.replace_substring(plain.filter(shaped), ",", ".").cast(pa.float64())
    numbers[np.isinf(numbers)] = np.nan
    return column.spread(numbers, np.nan), column.spread(np.isnan(numbers), False)


def codes_of(column: Coded) -> tuple[np.ndarray, list[str]]:
    """Codes per row (-1 where missing) and their distinct texts in capitals."""
    capital = pc.utf8_upper(column.levels).dictionary_encode()
    place = np.append(capital.indices.to_numpy(zero_copy_only=False), -1)
    return place[column.codes].astype(np.int32), capital.dictionary.to_pylist()


def texts_of(column: Coded) -> np.ndarray:
    """Texts per row as an object array, None where missing."""
    return np.array([*column.levels.to_pylist(), None], dtype=object)[column.codes]


def are_whole_numbers(ids: pa.Array) -> bool:
    """True when most of the distinct ids are whole numbers without leading zeros: then the others are faults."""
    shaped = pc.match_substring_regex(ids, _WHOLE).to_numpy(zero_copy_only=False)
    return bool(len(shaped)) and bool(shaped.mean() > 0.5)


def whole_numbers(ids: pa.Array) -> np.ndarray:
    """True for ids that are whole numbers."""
    return pc.match_substring_regex(ids, _WHOLE).to_numpy(zero_copy_only=False)
