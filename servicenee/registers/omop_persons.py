"""OMOP tables person, observation_period and death to the persons table of `Registers`."""

import numpy as np
import pandas as pd

from servicenee.registers.databases import Database
from servicenee.registers.findings import Findings
from servicenee.registers.folders import Folder
from servicenee.registers.reading import is_sentinel, person_positions, read_ids, to_days
from servicenee.registers.schema import DATE, IDENTITY, NUMBER
from servicenee.registers.tables import FAR_FUTURE, FAR_PAST, to_dates

_SEX = {8507: "male", 8532: "female"}  # standard concepts of the domain Gender
_FIRST_YEAR, _LAST_YEAR = 1800, 2200  # outside of these a year is an error of typing
_MID_YEAR, _MID_MONTH = 7, 15
_NEVER = 0  # registered from and to one and the same day: on no day


def read_persons(tables: Folder | Database, ids: str | None, findings: Findings) -> pd.DataFrame:
    """One row per row of person: id, birth_date, sex, registered_from, registered_to, death_date."""
    parts = dict.fromkeys(["gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth"], NUMBER)
    frame = tables.read("person", {"person_id": IDENTITY, "birth_datetime": DATE} | parts, ids)
    number, distinct = pd.factorize(read_ids(frame))
    sex = frame["gender_concept_id"].map(_SEX).astype(object)
    file = tables.file_name("person")
    unknown = sex.isna().to_numpy()
    findings.add(file, "gender_concept_id", "neither 8507 (male) nor 8532 (female)", unknown, "sex taken as missing")
    from_day, to_day = (np.append(days, _NEVER) for days in _observed(tables, ids, distinct, findings))
    death_day = np.append(_death_days(tables, ids, distinct, findings), FAR_FUTURE)  # the last is that of missing ids
    unobserved = from_day == to_day
    fault = "person without an observation period"
    findings.add(file, "person_id", fault, unobserved[number], "kept, never counted as resident")
    persons = {
        "person_id": frame["person_id"].array,
        "birth_date": _birth_dates(frame, file, findings),
        "sex": sex.to_numpy(),
        "registered_from": to_dates(from_day)[number],
        "registered_to": to_dates(to_day)[number],
        "death_date": to_dates(death_day)[number],
    }
    return pd.DataFrame(persons, copy=False)


def latest_observed_day(persons: pd.DataFrame) -> np.datetime64 | None:
    """The day after the last end of an observation period."""
    ends = persons["registered_to"].to_numpy(dtype="datetime64[us]")
    ends = ends[~np.isnat(ends)]
    return ends.max().astype("datetime64[D]") if len(ends) else None


def _birth_dates(frame: pd.DataFrame, file: str, findings: Findings) -> np.ndarray:
    """`birth_datetime`, else year, month and day; the middle of what is not known."""
    given = np.full(len(frame), np.datetime64("NaT", "us"), dtype="datetime64[us]")
    if "birth_datetime" in frame:
        given = frame["birth_datetime"].to_numpy(dtype="datetime64[us]")
    if "year_of_birth" not in frame:
        return given
    missing = pd.Series(np.nan, index=frame.index)
    year, month, day = (
        frame.get(f"{part}_of_birth", missing).to_numpy(np.float64) for part in ("year", "month", "day")
    )
    built = np.isnat(given) & (year >= _FIRST_YEAR) & (year < _LAST_YEAR)
    no_month, no_day = built & ~((month >= 1) & (month <= 12)), built & ~((day >= 1) & (day <= 31))
    findings.add(file, "month_of_birth", "without a month", no_month, "taken as 1 July")
    findings.add(file, "day_of_birth", "without a day", no_day & ~no_month, f"taken as day {_MID_MONTH}")
    day = np.where(no_month, 1, np.where(no_day, _MID_MONTH, np.nan_to_num(day, nan=1)))
    month = np.where(no_month, _MID_YEAR, np.nan_to_num(month, nan=1))
    months = ((np.where(built, year, 1970) - 1970) * 12 + month - 1).astype(np.int64).astype("datetime64[M]")
    last = ((months + np.timedelta64(1, "M")).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    dates = months.astype("datetime64[D]") + (np.minimum(day, last).astype(np.int64) - 1).astype("timedelta64[D]")
    return np.where(built, dates.astype("datetime64[us]"), given)


def _observed(
    tables: Folder | Database, ids: str | None, persons: np.ndarray, findings: Findings
) -> tuple[np.ndarray, np.ndarray]:
    """First day of the first period and the day after the last, per person."""
    frame, person, known = _rows_of(tables, "observation_period", ids, persons, findings)
    file = tables.file_name("observation_period")
    start = to_days(_date(frame, "observation_period_start", FAR_PAST), FAR_PAST).astype(np.int64)
    end = to_days(_date(frame, "observation_period_end", FAR_FUTURE), FAR_FUTURE).astype(np.int64)
    backwards = known & (end < start)
    findings.add(file, "observation_period_end_date", "before the start", backwards, "set aside")
    rows = np.flatnonzero(known & ~backwards)
    rows = rows[np.lexsort((end[rows], start[rows], person[rows]))]
    gap = np.zeros(len(frame), dtype=bool)
    gap[rows[1:]] = _after_gap(person[rows], start[rows], end[rows])
    findings.add(
        file,
        "observation_period_start_date",
        "a gap since the person's period before",
        gap,
        "days between the periods count as observed",
    )
    first, last = np.full(len(persons), np.iinfo(np.int64).max), np.full(len(persons), np.iinfo(np.int64).min)
    np.minimum.at(first, person[rows], start[rows])
    np.maximum.at(last, person[rows], end[rows])
    none = first > last
    to_day = np.where(last >= FAR_FUTURE, FAR_FUTURE, last + 1)
    return np.where(none, _NEVER, first).astype(np.int32), np.where(none, _NEVER, to_day).astype(np.int32)


def _after_gap(person: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """True where a row of the sorted periods, from the second on, leaves days out since the one before."""
    apart = np.int64(1) << 33
    reached = np.maximum.accumulate(end + person * apart) - person * apart
    return (person[1:] == person[:-1]) & (start[1:] > reached[:-1] + 1)


def _death_days(tables: Folder | Database, ids: str | None, persons: np.ndarray, findings: Findings) -> np.ndarray:
    """Day of death per person, the earliest if there are several."""
    days = np.full(len(persons), FAR_FUTURE, dtype=np.int32)
    if "death" not in tables:
        return days
    frame, person, known = _rows_of(tables, "death", ids, persons, findings)
    again = known & pd.Series(person).duplicated().to_numpy()
    findings.add(
        tables.file_name("death"), "person_id", "another death of the person", again, "set aside: the earliest counts"
    )
    day = to_days(_date(frame, "death", FAR_FUTURE), FAR_FUTURE)
    missing = known & (day == FAR_FUTURE)
    findings.add(tables.file_name("death"), "death_date", "missing or placeholder date", missing, "set aside")
    np.minimum.at(days, person[known], day[known])
    return days


def _rows_of(
    tables: Folder | Database, table: str, ids: str | None, persons: np.ndarray, findings: Findings
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The table, the position of each row's person, and whether there is such a person."""
    stems = {"observation_period": ("observation_period_start", "observation_period_end"), "death": ("death",)}[table]
    dates = dict.fromkeys([f"{stem}_{grain}" for stem in stems for grain in ("date", "datetime")], DATE)
    frame = tables.read(table, {"person_id": IDENTITY} | dates, ids)
    person = person_positions(frame, persons).astype(np.int64)
    findings.add(tables.file_name(table), "person_id", "not in person", person < 0, "set aside")
    return frame, person, person >= 0


def _date(frame: pd.DataFrame, stem: str, missing: np.int32) -> np.ndarray:
    """The date column, else the datetime column; placeholders as NaT."""
    column = frame[f"{stem}_date" if f"{stem}_date" in frame else f"{stem}_datetime"]
    dates = column.to_numpy(dtype="datetime64[us]").copy()
    dates[is_sentinel(dates)] = np.datetime64("NaT", "us")
    return dates
