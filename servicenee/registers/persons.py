"""The persons table as delivered, to one checked row per person in ascending order of id."""

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_bool_dtype, is_numeric_dtype

from servicenee.registers.findings import Findings
from servicenee.registers.identity import refuse_identity_codes
from servicenee.registers.reading import (
    PLACEHOLDER,
    is_sentinel,
    read_dates,
    read_ids,
    read_numbers,
    read_text,
    text_codes,
    to_days,
)
from servicenee.registers.schema import TABLES
from servicenee.registers.tables import FAR_FUTURE, FAR_PAST, PersonColumns, TextColumn, read_only

_OLDEST_DAYS = 111 * 365.25  # of completed years, 110 is the last that is taken for true
_DATES = ("birth_date", "death_date", "registered_from", "registered_to")


def build_persons(frame: pd.DataFrame, extract_day: int, findings: Findings) -> PersonColumns:
    """Person columns in ascending order of id; impossible dates are taken as unknown and counted."""
    ids = read_ids(frame)
    _refuse_identity_codes(frame, ids, findings)
    unusable = _refused_ids(frame, ids, findings)
    if unusable.any():  # read on without these rows, so that one error can tell everything that is wrong
        frame, ids = frame.loc[~unusable].reset_index(drop=True), ids[~unusable]
    ids = _fixed_width(ids)
    order = np.argsort(ids, kind="stable")
    birth, death, start, end = (
        to_days(_dates(frame, name, findings), FAR_FUTURE if name in ("death_date", "registered_to") else FAR_PAST)
        for name in _DATES
    )
    backwards = end < start
    findings.add("persons", "registered_to", "before registered_from", backwards, "registered_to taken as open")
    end[backwards] = FAR_FUTURE
    early = (death < birth) & (birth != FAR_PAST)
    findings.add("persons", "death_date", "before birth_date", early, "birth_date taken as unknown")
    birth[early] = FAR_PAST
    _doubt_births(birth, np.minimum(np.minimum(death, end), extract_day), extract_day, findings)
    sex = read_text(frame, "sex")
    known = np.isin(np.array([*sex.levels, "female"], dtype=object)[sex.codes], ("female", "male"))
    findings.add("persons", "sex", "neither 'female' nor 'male'", ~known, "kept, but unknown to features")
    columns = [column[order] for column in (ids, birth, death, start, end)]
    read_only(*columns)
    return PersonColumns(*columns, extra=_extra_columns(frame, order))


def _refuse_identity_codes(frame: pd.DataFrame, ids: np.ndarray, findings: Findings) -> None:
    """Personal identity codes are neither taken as ids nor kept in any other column."""
    if ids.dtype == object:
        refuse_identity_codes("persons", "person_id", ids[~pd.isna(ids)], findings)
    for name in [name for name in frame.columns if name not in ("person_id", *_DATES)]:
        if not pd.api.types.is_numeric_dtype(frame[name].dtype):
            refuse_identity_codes("persons", name, np.array(text_codes(frame, name)[1], dtype=object), findings)


def _doubt_births(birth: np.ndarray, last: np.ndarray, extract_day: int, findings: Findings) -> None:
    """Take births as unknown, in place, that give on the last day of life or residence an age nobody has."""
    known = birth != FAR_PAST
    unborn = known & (birth > extract_day)
    findings.add("persons", "birth_date", "after the extract", unborn, "taken as unknown")
    old = known & (last.astype(np.int64) - birth > _OLDEST_DAYS)
    findings.add("persons", "birth_date", "an age over 110 years", old, "taken as unknown")
    birth[unborn | old] = FAR_PAST


def _fixed_width(ids: np.ndarray) -> np.ndarray:
    return ids.astype(str) if ids.dtype == object else ids


def _refused_ids(frame: pd.DataFrame, ids: np.ndarray, findings: Findings) -> np.ndarray:
    """True in rows without an id of their own; any such row is an error."""
    missing = pd.isna(frame["person_id"]).to_numpy()
    faults = {
        "values are missing": missing,
        "rows repeat a person": pd.Series(_fixed_width(ids)).duplicated().to_numpy() & ~missing,
    }
    for fault, bad in faults.items():
        if bad.any():
            rows = np.flatnonzero(bad)
            findings.error(
                f"persons.person_id: {len(rows)} of {len(ids)} {fault}; first at rows {rows[:3].tolist()}. "
                "Keep one row with an id per person."
            )
    return np.any(list(faults.values()), axis=0)


def _dates(frame: pd.DataFrame, name: str, findings: Findings) -> np.ndarray:
    dates = read_dates(frame, name).copy()
    sentinel = is_sentinel(dates)
    findings.add("persons", name, PLACEHOLDER, sentinel, "taken as missing")
    dates[sentinel] = np.datetime64("NaT", "us")
    return dates


def _numbers_in(column: pd.Series) -> np.ndarray | None:
    """Numbers or truth values as float64, also those that pandas keeps as objects; None where the column holds text."""
    if column.dtype == object:
        column = column.astype("boolean") if infer_dtype(column, skipna=True) == "boolean" else column.infer_objects()
    if is_bool_dtype(column.dtype):
        column = column.astype("boolean")
    return read_numbers(column.to_frame(), column.name) if is_numeric_dtype(column.dtype) else None


def _extra_columns(frame: pd.DataFrame, order: np.ndarray) -> dict[str, TextColumn | np.ndarray]:
    extra: dict[str, TextColumn | np.ndarray] = {}
    for name in [column for column in frame.columns if column not in ("person_id", *_DATES)]:
        numbers = None if name in TABLES["persons"] else _numbers_in(frame[name])
        if numbers is not None:
            extra[name] = numbers[order]
            read_only(extra[name])
        else:
            text = read_text(frame, name)
            extra[name] = TextColumn(text.codes[order], text.levels)
    return extra
