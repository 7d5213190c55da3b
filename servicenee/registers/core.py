"""`Registers`: the tables of a county, checked once, sorted once, columnar inside."""

from copy import copy

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, check_dates, check_fraction
from servicenee.exceptions import RegisterError
from servicenee.registers.event_rows import build_events
from servicenee.registers.findings import Findings
from servicenee.registers.persons import build_persons
from servicenee.registers.placing import with_reporting_lag
from servicenee.registers.reading import (
    check_columns,
    check_identity,
    is_unknown,
    read_dates,
    read_numbers,
    to_days,
)
from servicenee.registers.schema import TABLES
from servicenee.registers.stay_rows import build_stays
from servicenee.registers.tables import (
    FAR_FUTURE,
    FAR_PAST,
    CoverageColumns,
    EventColumns,
    PersonColumns,
    StayColumns,
    TextColumn,
    to_dates,
)

_LONGEST_LAG_DAYS = 36_500


class Registers:
    """Register tables of one population, ready for cohorts and features.

    Parameters
    ----------
    persons : DataFrame
        One row per person: person_id (int or text), birth_date, sex; optional language, area, registered_from,
        registered_to (first day outside the area), death_date and any further column (team, living_alone, ...).
    events : DataFrame
        person_id, time, source, code_system, code; optional value, unit, available_at.
    stays : DataFrame, optional
        person_id, start, end (missing = still open), source, kind; optional unit, available_at. A stay covers the
        days from `start` up to, not including, `end`.
    requests : DataFrame, optional
        person_id, requested; optional service, urgency, met, closed, closed_reason.
    coverage : DataFrame, optional
        source, from, to, reporting_lag_days: which days a source's rows cover (`to` is the first day no longer
        covered) and how many days they arrive late. By default every source covers all time to `extract_date`. Sources
        that may tell of the same event can have a `priority`, 1 the most trusted: of events with the same person, day,
        code system and code, only those of the source that comes first are kept (contacts all stay).
    extract_date : date or ISO text, optional
        Day on which the extract was taken; follow-up covers the days before it. By default the day after the last
        date in the tables, which is right only if something happened on the last day.
    duplicates : {"drop", "keep"}, default="drop"
        What becomes of events that repeat another row exactly.
    tolerance : float, default=0.01
        Share of a table's rows that may be set aside (unknown person, no time, after the extract) before the
        registers are refused; of a column's values, five times as much may be unreadable.

    Attributes
    ----------
    extract_date : Timestamp
    findings : DataFrame
        What was found and done: fault, table, column, n, n_rows, share, action, first_rows (positions).
    account : DataFrame
        What became of the rows of every file and table: delivered = unchanged + repaired + set_aside.

    Raises
    ------
    RegisterError
        If a column is missing or of a wrong type, a person is repeated, or too many rows cannot be placed; the
        message lists all faults at once and shows neither ids nor rows.

    Notes
    -----
    Time is kept in whole minutes, stays in whole days. Dates before 1900-01-02 or from 2099 on are placeholders:
    missing where something begins, open where something ends; times with a zone become Finnish local time. Events may
    have a column `version`: of rows alike in person, time, source, code system and code, the latest counts. Rows come
    back from `persons`, `events` and `stays`
    in canonical order (person, time, code), so the order of the input never matters.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import Registers
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": [1], "time": pd.to_datetime(["2023-03-01"]), "source": ["emergency"],
    ...                        "code_system": ["contact"], "code": ["visit"]})
    >>> Registers(persons, events, extract_date="2024-01-01")
    Registers(1 person, 1 event, 0 stays, extract_date=2024-01-01)
    """

    def __init__(
        self,
        persons: pd.DataFrame,
        events: pd.DataFrame,
        stays: pd.DataFrame | None = None,
        requests: pd.DataFrame | None = None,
        coverage: pd.DataFrame | None = None,
        extract_date=None,
        *,
        duplicates: str = "drop",
        tolerance: float = 0.01,
    ):
        check_choice("duplicates", duplicates, ("drop", "keep"))
        findings = Findings(check_fraction("tolerance", tolerance))
        stays = _empty("stays") if stays is None else stays
        given = {"persons": persons, "events": events, "stays": stays}
        optional = {"requests": requests, "coverage": coverage}
        given |= {name: frame for name, frame in optional.items() if frame is not None}
        # A table that cannot be read is taken as empty, so that one error tells what is wrong with all of them.
        given = {name: frame if check_columns(name, frame, findings) else _empty(name) for name, frame in given.items()}
        for name in ("persons", "events", "stays"):
            findings.deliver(name, len(given[name]))
        extract_day = _extract_day(extract_date, given["persons"], given["events"], given["stays"])
        self.person_columns: PersonColumns = build_persons(given["persons"], extract_day, findings)
        for name in [name for name in ("events", "stays", "requests") if name in given]:
            alike = check_identity(name, given[name], self.person_columns.ids, findings)
            given[name] = given[name] if alike else _empty(name)
        events, stays, coverage = (given.get(name) for name in ("events", "stays", "coverage"))
        priority = _priority(coverage)
        event_columns = build_events(events, self.person_columns, extract_day, duplicates, priority, findings)
        stay_columns = build_stays(stays, self.person_columns, extract_day, findings)
        sources = sorted({*event_columns.kinds["source"], *stay_columns.kinds["source"]})
        self.coverage_columns: CoverageColumns = _coverage(coverage, sources, extract_day, findings)
        lag_of = dict(zip(self.coverage_columns.source, self.coverage_columns.lag_days.tolist(), strict=True))
        self.event_columns: EventColumns = with_reporting_lag(event_columns, lag_of)
        self.stay_columns: StayColumns = with_reporting_lag(stay_columns, lag_of)
        findings.raise_errors()
        self.requests = None if requests is None else requests.reset_index(drop=True)
        self.extract_day = extract_day
        self.findings = findings.frame()
        self.account = findings.account()

    @classmethod
    def of_columns(
        cls,
        persons: PersonColumns,
        events: EventColumns,
        stays: StayColumns,
        coverage: CoverageColumns,
        extract_day: int,
        requests: pd.DataFrame | None = None,
    ) -> "Registers":
        """Registers of columns that were checked and sorted when they were written; there is nothing left to find."""
        registers, nothing = cls.__new__(cls), Findings(0.0)
        registers.person_columns, registers.event_columns, registers.stay_columns = persons, events, stays
        registers.coverage_columns, registers.requests, registers.extract_day = coverage, requests, extract_day
        registers.findings, registers.account = nothing.frame(), nothing.account()
        return registers

    @property
    def extract_date(self) -> pd.Timestamp:
        """Day on which the extract was taken."""
        return pd.Timestamp(np.datetime64(self.extract_day, "D"))

    @property
    def persons(self) -> pd.DataFrame:
        """The persons table, in ascending order of id."""
        columns = self.person_columns
        frame = pd.DataFrame({"person_id": self._ids(slice(None)), "birth_date": to_dates(columns.birth_day)})
        for name, values in columns.extra.items():
            frame[name] = values.to_numpy() if isinstance(values, TextColumn) else values
        frame["registered_from"] = to_dates(columns.from_day)
        frame["registered_to"] = to_dates(columns.to_day)
        frame["death_date"] = to_dates(columns.death_day)
        return frame

    @property
    def events(self) -> pd.DataFrame:
        """The events table, in order of person, time, code and value; `available_at` is always filled in."""
        columns = self.event_columns
        available = columns.available
        if available is None:
            available = columns.minute + columns.lag_days[columns.kind] * 1440
        time, available = (
            minutes.astype("datetime64[m]").astype("datetime64[us]") for minutes in (columns.minute, available)
        )
        frame = pd.DataFrame({"person_id": self._repeated_ids(columns.first), "time": time})
        for name in ("source", "code_system", "code"):
            frame[name] = columns.kinds[name].to_numpy(dtype=object)[columns.kind]
        frame["value"] = columns.value
        unit = columns.kinds["unit"].replace("", None).to_numpy(dtype=object)
        frame["unit"] = unit[columns.kind]
        return frame.assign(available_at=available)

    @property
    def stays(self) -> pd.DataFrame:
        """The stays table, in order of person, start, end and kind; `end` is NaT while the stay is open."""
        columns = self.stay_columns
        frame = pd.DataFrame({"person_id": self._repeated_ids(columns.first)})
        frame["start"], frame["end"] = to_dates(columns.start_day), to_dates(columns.end_day)
        for name in ("source", "kind"):
            frame[name] = columns.kinds[name].to_numpy(dtype=object)[columns.kind]
        unit = columns.kinds["unit"].replace("", None).to_numpy(dtype=object)
        frame["unit"] = unit[columns.kind]
        frame["available_at"] = to_dates(columns.available_day)
        return frame

    @property
    def coverage(self) -> pd.DataFrame:
        """One row per source: from, to (first day not covered; the extract date unless it stopped earlier), lag."""
        columns = self.coverage_columns
        return pd.DataFrame(
            {
                "source": np.array(columns.source, dtype=object),
                "from": to_dates(columns.from_day),
                "to": to_dates(columns.to_day),
                "reporting_lag_days": columns.lag_days,
            }
        )

    def person_ids(self, positions: np.ndarray) -> np.ndarray:
        """Ids of the persons at these positions, exactly as they went in."""
        return self._ids(positions)

    def replaced(self, **columns) -> "Registers":
        """A shallow copy with other person, event or stay columns; the caller keeps them sorted."""
        other = copy(self)
        other.__dict__.update(columns)
        return other

    def _ids(self, positions) -> np.ndarray:
        ids = self.person_columns.ids[positions]
        return ids.astype(object) if ids.dtype.kind == "U" else ids

    def _repeated_ids(self, first: np.ndarray) -> np.ndarray:
        return np.repeat(self._ids(slice(None)), np.diff(first))

    def __repr__(self) -> str:
        counts = (
            (len(self.person_columns), "person"),
            (len(self.event_columns), "event"),
            (len(self.stay_columns), "stay"),
        )
        listed = ", ".join(f"{n:,} {noun}{'' if n == 1 else 's'}" for n, noun in counts)
        return f"Registers({listed}, extract_date={self.extract_date:%Y-%m-%d})"

    def _repr_html_(self) -> str:
        findings = self.findings.to_html(index=False) if len(self.findings) else "<p>No findings.</p>"
        return f"<p><b>{self!r}</b></p>{self.coverage.to_html(index=False)}{findings}"


def _empty(table: str) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name, column in TABLES[table].items() if column.required})


def _extract_day(extract_date, persons: pd.DataFrame, events: pd.DataFrame, stays: pd.DataFrame) -> int:
    if extract_date is not None:
        dates = check_dates("extract_date", extract_date)
        if len(dates) != 1:
            raise ValueError(f"`extract_date` must be one date; got {len(dates)}.")
        return int(dates[0].astype(int))
    last = []
    for frame, name in ((events, "time"), (stays, "start"), (stays, "end"), (persons, "death_date")):
        dates = read_dates(frame, name)
        dates = dates[~is_unknown(dates)]
        if len(dates):
            last.append(dates.max())
    if not last:
        return 0
    day = int(max(last).astype("datetime64[D]").astype(int)) + 1
    if day > np.datetime64("today", "D").astype(int) + 1:
        raise RegisterError(
            [
                f"extract_date: the last date in the tables, {np.datetime64(day - 1, 'D')}, lies in the future. "
                "Give the day on which the extract was taken, so that future dates can be set aside."
            ]
        )
    return day


def _priority(coverage: pd.DataFrame | None) -> dict[str, float]:
    """Place of the sources that have one, by name."""
    if coverage is None:
        return {}
    places = read_numbers(coverage, "priority")
    names = coverage["source"].to_numpy(dtype=object)
    return {str(name): float(place) for name, place in zip(names, places, strict=True) if not np.isnan(place)}


def _coverage(
    coverage: pd.DataFrame | None, sources: list[str], extract_day: int, findings: Findings
) -> CoverageColumns:
    given = _empty("coverage") if coverage is None else coverage.reset_index(drop=True)
    names = [str(name) for name in given["source"]]
    repeated = given["source"].duplicated().to_numpy()
    if repeated.any():
        findings.error(
            f"coverage.source: {int(repeated.sum())} of {len(given)} rows repeat a source. Keep one row per source."
        )
    lag = read_numbers(given, "reporting_lag_days") if len(given) else np.zeros(0)
    senseless = (lag < 0) | (lag > _LONGEST_LAG_DAYS)
    if senseless.any():
        findings.error(
            f"coverage.reporting_lag_days: {int(senseless.sum())} of {len(lag)} values are not between 0 and "
            f"{_LONGEST_LAG_DAYS:,}. Give the days from an event to its row in the extract."
        )
        lag = np.where(senseless, 0, lag)
    absent = [source for source in sources if source not in names]
    if coverage is not None:
        unlisted = np.array([source in absent for source in sources], dtype=bool)
        findings.add(
            "coverage", "source", "source of rows not listed", unlisted, "taken to cover all time, without lag"
        )
    n = len(absent)
    from_day = np.r_[to_days(read_dates(given, "from"), FAR_PAST), np.full(n, FAR_PAST)]
    to_day = np.r_[to_days(read_dates(given, "to"), FAR_FUTURE), np.full(n, FAR_FUTURE)]
    to_day = np.minimum(to_day, extract_day)
    lag = np.r_[np.nan_to_num(lag), np.zeros(n)]
    order = np.argsort(np.array([*names, *absent], dtype=object), kind="stable")
    return CoverageColumns(
        tuple(np.array([*names, *absent], dtype=object)[order]),
        from_day[order].astype(np.int32),
        to_day[order].astype(np.int32),
        lag[order].astype(np.int32),
    )
