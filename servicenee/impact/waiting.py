"""The table of requests in; for each, the days waited, what ended the wait, and its groups out; faults counted."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee._checks import check_dates
from servicenee.cohort import completed_years
from servicenee.exceptions import RegisterError, ServiceneeWarning
from servicenee.impact.groups import age_band
from servicenee.outcomes import CENSORED, EVENT, OTHER_EVENT
from servicenee.registers.findings import Findings
from servicenee.registers.reading import PLACEHOLDER, check_columns, is_sentinel, read_dates, to_days
from servicenee.registers.tables import FAR_FUTURE, FAR_PAST

_TOLERANCE = 0.01
_LEAVING = ("death_date", "registered_to")


@dataclass(frozen=True)
class Waits:
    """One entry per usable request; `days` counts from the request (day 0) to what `status` says."""

    days: np.ndarray
    status: np.ndarray  # EVENT: met; OTHER_EVENT: closed unmet, left or died; CENSORED: still open at the extract
    requested_day: np.ndarray
    followed_days: np.ndarray  # days from the request to the extract
    person: np.ndarray  # number of the person, the same for all requests of one
    keys: pd.DataFrame  # the columns asked for
    age: np.ndarray  # completed years at the request, NaN where unknown
    service: np.ndarray

    def __len__(self) -> int:
        return len(self.days)


def read_waits(requests: pd.DataFrame, extract_date, persons: pd.DataFrame | None, columns: list[str]) -> Waits:
    """Check the requests, set faulty ones aside with a warning, and follow each to its end or to the extract."""
    extract_day = _one_day(extract_date)
    findings = Findings(_TOLERANCE)
    if not check_columns("requests", requests, findings):
        findings.raise_errors()
    findings.raise_errors()
    requests = requests.reset_index(drop=True)
    place = _places(requests, persons)
    requested, met, closed = _days(requests, extract_day, findings)
    kept = _usable(requests, requested, met, closed, extract_day, findings)
    findings.raise_errors()
    _tell(findings)
    requests, place = requests[kept], place[kept]
    requested, met, closed = (column[kept] for column in (requested, met, closed))
    left = _leaving_day(persons, place)
    other = np.minimum(closed, np.where(left < requested, FAR_FUTURE, left))
    is_met = (met <= other) & (met < extract_day)
    is_closed = ~is_met & (other < extract_day)
    end = np.where(is_met, met, np.where(is_closed, other, extract_day))
    age = _ages(persons, place, requested)
    return Waits(
        (end - requested).astype(np.int32),
        np.where(is_met, EVENT, np.where(is_closed, OTHER_EVENT, CENSORED)).astype(np.int8),
        requested,
        extract_day - requested,
        pd.factorize(requests["person_id"])[0],
        _keys(requests, persons, place, requested, age, columns),
        age,
        _service(requests),
    )


def _one_day(extract_date) -> int:
    dates = check_dates("extract_date", extract_date)
    if len(dates) != 1:
        raise ValueError(f"`extract_date` must be one date; got {len(dates)}.")
    return int(dates[0].astype(np.int64))


def _days(requests: pd.DataFrame, extract_day: int, findings: Findings) -> tuple[np.ndarray, ...]:
    """Days of request, contact and closing; a placeholder or an open end is FAR_FUTURE, an unknown request FAR_PAST."""
    requested = read_dates(requests, "requested")
    unknown = np.isnat(requested) | is_sentinel(requested)
    found = [np.where(unknown, FAR_PAST, to_days(requested, FAR_PAST)).astype(np.int64)]
    for name in ("met", "closed"):
        dates = read_dates(requests, name).copy()
        placeholder = is_sentinel(dates)
        findings.add("requests", name, PLACEHOLDER, placeholder, "taken as open")
        dates[placeholder] = np.datetime64("NaT", "us")
        found.append(to_days(dates, FAR_FUTURE).astype(np.int64))
    return tuple(found)


def _usable(requests, requested, met, closed, extract_day: int, findings: Findings) -> np.ndarray:
    """True for requests whose dates make sense; exact repeats are kept once."""
    late = (requested >= extract_day) & (requested != FAR_PAST)
    faults = (
        ("requested", "missing or placeholder date", requested == FAR_PAST, True),
        ("requested", "on or after extract_date", late, True),
        ("met", "before requested", met < requested, True),
        ("closed", "before requested", closed < requested, True),
        ("all columns", "exact duplicate", requests.duplicated().to_numpy(), False),
    )
    kept = np.ones(len(requests), dtype=bool)
    for column, rule, bad, limited in faults:
        findings.add("requests", column, rule, kept & bad, "set aside", limited=limited)
        kept &= ~bad
    return kept


def _tell(findings: Findings) -> None:
    table = findings.frame()
    if len(table):
        listed = "; ".join(
            f"requests.{row.column}: {row.fault} in {row.n} of {row.n_rows} rows, {row.action}"
            for row in table.itertuples()
        )
        warnings.warn(f"{listed}. The other rows are used.", ServiceneeWarning, stacklevel=4)


def _places(requests: pd.DataFrame, persons: pd.DataFrame | None) -> np.ndarray:
    """Row of the person of every request in `persons`, -1 where there is none."""
    if persons is None:
        return np.full(len(requests), -1)
    if "person_id" not in persons.columns:
        raise RegisterError(["persons.person_id: the column is missing. Add it, or rename the one that holds it."])
    if persons["person_id"].duplicated().any():
        n = int(persons["person_id"].duplicated().sum())
        raise RegisterError([f"persons.person_id: {n} of {len(persons)} rows repeat a person. Keep one row of each."])
    place = pd.Index(persons["person_id"]).get_indexer(pd.Index(requests["person_id"]))
    if len(place) and (place < 0).all():
        raise RegisterError(
            ["requests.person_id: nobody is among persons. Read the ids of both tables as the same type."]
        )
    return place


def _leaving_day(persons: pd.DataFrame | None, place: np.ndarray) -> np.ndarray:
    """Day on which the person dies or leaves the area; FAR_FUTURE where nothing is known of it."""
    left = np.full(len(place), FAR_FUTURE, dtype=np.int64)
    for name in _LEAVING if persons is not None else ():
        dates = read_dates(persons, name).copy()
        dates[is_sentinel(dates)] = np.datetime64("NaT", "us")
        days = np.append(to_days(dates, FAR_FUTURE), FAR_FUTURE)
        left = np.minimum(left, days[place])
    return left


def _ages(persons: pd.DataFrame | None, place: np.ndarray, day: np.ndarray) -> np.ndarray:
    if persons is None or "birth_date" not in persons.columns:
        return np.full(len(place), np.nan)
    birth = np.append(to_days(read_dates(persons, "birth_date"), FAR_PAST), FAR_PAST)[place]
    return completed_years(birth, day)


def _service(requests: pd.DataFrame) -> np.ndarray:
    """Service asked for; a table without the column, or a row without a value, is about primary care."""
    if "service" not in requests.columns:
        return np.full(len(requests), "primary_care", dtype=object)
    return requests["service"].astype(object).where(requests["service"].notna(), "primary_care").to_numpy()


def _keys(requests, persons, place, requested, age, columns: list[str]) -> pd.DataFrame:
    known = {
        "month": lambda: _months(requested),
        "age_band": lambda: age_band(age),
    }
    made = {}
    for name in columns:
        if name in requests.columns:
            made[name] = requests[name].to_numpy(dtype=object)
        elif name in known:
            made[name] = known[name]()
        elif persons is not None and name in persons.columns:
            made[name] = np.append(persons[name].to_numpy(dtype=object), None)[place]
        else:
            raise ValueError(
                f"`by` must name columns of requests or of persons, 'month' or 'age_band'; got {name!r}. "
                "Give `persons` for columns such as area or sex."
            )
    return pd.DataFrame(made, index=range(len(requests)))


def _months(day: np.ndarray) -> np.ndarray:
    """Month of every day as ISO text."""
    months, place = np.unique(day.astype("datetime64[D]").astype("datetime64[M]"), return_inverse=True)
    return months.astype(str).astype(object)[place]
