"""`Population` and `Cohort`: from registers and index dates to rows of (person, index date), the X of everything."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from servicenee._checks import check_dates, check_days
from servicenee.codes import Codelist, as_codelist
from servicenee.registers import Registers
from servicenee.registers.reading import holds_dates, person_positions, read_dates
from servicenee.registers.tables import FAR_PAST, TextColumn, to_dates
from servicenee.windows import Measure, Window, measure_events, measure_stays


class Cohort:
    """Rows of (person, index date) over registers; slices like an array and is the X of builders and pipelines.

    Made by `Population.at` or `Cohort.from_frame`. A slice copies the index, never the events.

    Attributes
    ----------
    registers : Registers
    person : ndarray of int32, shape (n_rows,)
        Position of the person in the registers.
    index_day : ndarray of int32, shape (n_rows,)
        Days since 1970-01-01.
    attrition : DataFrame
        step, n_removed, n_rows, n_persons: who was left after every step of the selection.

    Notes
    -----
    `cohort[(rows, ...)]` is accepted because scikit-learn slices whatever has a `shape` that way. A cohort travels to
    worker processes (its arrays are memory-mapped by joblib), but it cannot be cached or hashed: `Pipeline(memory=...)`
    would write persons to disk.

    Examples
    --------
    >>> from servicenee import Population, make_registers
    >>> cohort = Population(min_age=75).at(make_registers(200, random_state=0), "2022-01-01")
    >>> cohort[:10].shape
    (10, 2)
    """

    def __init__(self, registers: Registers, person: np.ndarray, index_day: np.ndarray, attrition: pd.DataFrame):
        self.registers = registers
        self.person = person
        self.index_day = index_day
        self.attrition = attrition

    @classmethod
    def from_frame(cls, registers: Registers, frame: pd.DataFrame) -> "Cohort":
        """Rows with index dates of their own, such as a discharge.

        Parameters
        ----------
        registers : Registers
        frame : DataFrame
            person_id, index_date (dates, or ISO text). Rows keep their order.

        Raises
        ------
        ValueError
            If a column is missing, a person is not in the registers, a date is missing or after the extract date, or
            a row is repeated; the message counts the rows.
        """
        for name in ("person_id", "index_date"):
            if name not in frame.columns:
                raise ValueError(f"`frame` must have the column {name}; got {list(frame.columns)}.")
        ids = registers.person_columns.ids
        known = person_positions(frame[["person_id"]].infer_objects(), ids)
        stamps = _calendar_dates(frame["index_date"])
        faults = {
            "persons that are not in the registers": known < 0,
            "missing or unreadable dates (use dates or ISO text, without a time zone)": np.isnat(stamps),
            "repeated (person_id, index_date)": pd.DataFrame({"person": known, "day": stamps}).duplicated().to_numpy(),
        }
        for fault, bad in faults.items():
            _refuse_rows("frame", fault, bad)
        days = stamps.astype("datetime64[D]").astype(np.int64)
        _refuse_rows(
            "frame",
            f"index dates after the extract date {registers.extract_date:%Y-%m-%d}",
            days > registers.extract_day,
        )
        attrition = _attrition([("rows of the frame", 0, known)])
        return cls(registers, known.astype(np.int32), days.astype(np.int32), attrition)

    def __len__(self) -> int:
        return len(self.person)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and 2: person and index date."""
        return len(self.person), 2

    def __getitem__(self, rows) -> "Cohort":
        rows = rows[0] if isinstance(rows, tuple) else rows
        if not isinstance(rows, slice):
            rows = np.atleast_1d(rows)
            rows = rows if len(rows) else rows.astype(np.int64)
        return Cohort(self.registers, self.person[rows], self.index_day[rows], self.attrition)

    def __reduce_ex__(self, protocol):
        # Pipeline(memory=...) begins by hashing, for which joblib pickles by protocol 3; workers use a later one.
        if protocol < 4:
            raise TypeError("a Cohort cannot be cached: use Pipeline(memory=None), or persons reach the disk.")
        return Cohort, (self.registers, self.person, self.index_day, self.attrition)

    @property
    def index(self) -> pd.MultiIndex:
        """(person_id, index_date) of every row; X, labels and scores carry it."""
        persons, person_codes = np.unique(self.person, return_inverse=True)
        days, day_codes = np.unique(self.index_day, return_inverse=True)
        return pd.MultiIndex(
            levels=[pd.Index(self.registers.person_ids(persons)), pd.DatetimeIndex(to_dates(days))],
            codes=[person_codes, day_codes],
            names=["person_id", "index_date"],
            verify_integrity=False,
        )

    @property
    def follow_up_end_day(self) -> np.ndarray:
        """First day without follow-up: the first of death, leaving the area and the extract date."""
        persons = self.registers.person_columns
        end = np.minimum(persons.death_day[self.person], persons.to_day[self.person])
        return np.minimum(end, self.registers.extract_day)

    @property
    def frame(self) -> pd.DataFrame:
        """person_id, index_date, follow_up_end: one row per row of the cohort."""
        frame = self.index.to_frame(index=False)
        return frame.assign(follow_up_end=to_dates(self.follow_up_end_day))

    def __repr__(self) -> str:
        days = np.unique(self.index_day)
        span = f", {to_dates(days)[0]:.10} … {to_dates(days)[-1]:.10}".replace("T", "") if len(days) else ""
        return f"Cohort({len(self):,} rows, {len(np.unique(self.person)):,} persons, {len(days)} index dates{span})"

    def _repr_html_(self) -> str:
        return f"<p><b>{self!r}</b></p>{self.attrition.to_html(index=False)}"


class Population:
    """Who is looked at: a rule that picks persons on every index date from what was known on that date.

    Parameters
    ----------
    min_age, max_age : int or None, default 65 and None
        Age in completed years on the index date, both ends included.
    min_history_days : int, default=365
        How long a person must have lived in the area before the index date. Take at least the longest lookback that
        should mean the same for everybody.
    without : Codelist, str or list of str, optional
        Services or events the person must be free of: at the index date and in the washout before it. Prefixes such as
        ``["stay:home_care", "stay:round_the_clock"]``.
    washout_days : int, default=365
        Length of the washout of `without`.
    having : Codelist, str or list of str, optional
        What the person must have: an event at any time before the index date, or a stay going on at the index date.
    area : str or list of str, optional
        Areas to keep.

    Notes
    -----
    Persons must be alive and resident on the index date. `without` and `having` see only what had been reported by the
    index date. A person with an unknown birth date is not eligible when an age limit is set.

    Examples
    --------
    >>> from servicenee import Population, make_registers
    >>> registers = make_registers(500, random_state=0)
    >>> population = Population(min_age=75, without=["stay:home_care", "stay:round_the_clock"])
    >>> population.at(registers, "2022-01-01").attrition["step"].tolist()[:2]
    ['persons × index dates', 'alive and resident']
    """

    def __init__(
        self,
        min_age: int | None = 65,
        max_age: int | None = None,
        *,
        min_history_days: int = 365,
        without: Codelist | str | Iterable[str] | None = None,
        washout_days: int = 365,
        having: Codelist | str | Iterable[str] | None = None,
        area: str | Iterable[str] | None = None,
    ):
        self.min_age = min_age
        self.max_age = max_age
        self.min_history_days = min_history_days
        self.without = without
        self.washout_days = washout_days
        self.having = having
        self.area = area

    def at(self, registers: Registers, index_dates) -> Cohort:
        """Eligible persons on every index date.

        Parameters
        ----------
        registers : Registers
        index_dates : date, ISO text or list of them

        Returns
        -------
        Cohort
            Rows in order of person and index date; empty, with its attrition table, if nobody is eligible.

        Raises
        ------
        ValueError
            If an index date lies after the extract date, or a parameter is out of range.
        """
        self._check()
        days = check_dates("index_dates", index_dates).astype(np.int64)
        if days[-1] > registers.extract_day:
            raise ValueError(
                f"`index_dates` must not lie after the extract date {registers.extract_date:%Y-%m-%d}; "
                f"got {pd.Timestamp(days[-1], unit='D'):%Y-%m-%d}. Nothing is known about later days."
            )
        n_persons = len(registers.person_columns)
        person = np.repeat(np.arange(n_persons, dtype=np.int32), len(days))
        day = np.tile(days.astype(np.int32), n_persons)
        flow = [("persons × index dates", 0, person)]
        for step, keep_rows in self._steps():
            keep = keep_rows(registers, person, day)
            flow.append((step, int((~keep).sum()), person[keep]))
            person, day = person[keep], day[keep]
        return Cohort(registers, person, day, _attrition(flow))

    def _check(self) -> None:
        check_days("min_history_days", self.min_history_days)
        check_days("washout_days", self.washout_days)
        for name in ("min_age", "max_age"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 120:
                raise ValueError(f"`{name}` must be an age in years between 0 and 120 or None; got {value!r}.")
        if self.min_age is not None and self.max_age is not None and self.min_age > self.max_age:
            raise ValueError(f"`max_age` must be at least `min_age` ({self.min_age}); got {self.max_age}.")

    def _steps(self):
        yield "alive and resident", _resident
        if self.min_age is not None or self.max_age is not None:
            low, high = self.min_age or 0, self.max_age
            yield f"age {low}–{'' if high is None else high}", self._of_age
        if self.min_history_days:
            yield f"{self.min_history_days} days of history", self._with_history
        if self.area is not None:
            yield "in the area", self._in_area
        if self.without is not None:
            yield f"without {as_codelist(self.without).name}, {self.washout_days} days", self._free_of
        if self.having is not None:
            yield f"having {as_codelist(self.having).name}", self._having

    def _of_age(self, registers: Registers, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        age = completed_years(registers.person_columns.birth_day[person], day)
        keep = ~np.isnan(age)
        if self.min_age is not None:
            keep &= age >= self.min_age
        if self.max_age is not None:
            keep &= age <= self.max_age
        return keep

    def _with_history(self, registers: Registers, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        return day - registers.person_columns.from_day[person].astype(np.int64) >= self.min_history_days

    def _in_area(self, registers: Registers, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        column = registers.person_columns.extra.get("area")
        if not isinstance(column, TextColumn):
            raise ValueError("`area` needs the column persons.area; the registers have none.")
        wanted = [self.area] if isinstance(self.area, str) else list(self.area)
        unknown = sum(name not in column.levels for name in wanted)
        if unknown:
            raise ValueError(f"`area` must name known areas; {unknown} of {len(wanted)} names are not there.")
        return np.isin(column.codes[person], [column.levels.index(name) for name in wanted])

    def _free_of(self, registers: Registers, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        window = Window(self.washout_days)
        return ~_any_of(registers, as_codelist(self.without), person, day, window, "any")

    def _having(self, registers: Registers, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        return _any_of(registers, as_codelist(self.having), person, day, Window(None), "inside")

    def __repr__(self) -> str:
        shown = ("min_age", "max_age", "min_history_days", "without", "washout_days", "having", "area")
        return f"Population({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def completed_years(birth_day: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Age in completed calendar years, NaN where the birth day is unknown."""
    unknown = birth_day == FAR_PAST
    born = np.where(unknown, 0, birth_day).astype("datetime64[D]")
    now = day.astype("datetime64[D]")
    years = now.astype("datetime64[Y]").astype(np.int64) - born.astype("datetime64[Y]").astype(np.int64)
    month_and_day = [_month_and_day(date) for date in (born, now)]
    years = years - (month_and_day[1] < month_and_day[0])
    return np.where(unknown, np.nan, years)


def exact_age(birth_day: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Age in years with a fraction, NaN where the birth day is unknown."""
    days = day - birth_day.astype(np.float64)
    return np.where(birth_day == FAR_PAST, np.nan, days / 365.25)


def _month_and_day(date: np.ndarray) -> np.ndarray:
    month = date.astype("datetime64[M]")
    return (month.astype(np.int64) % 12) * 31 + (date - month.astype("datetime64[D]")).astype(np.int64)


def _resident(registers: Registers, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    persons = registers.person_columns
    inside = (persons.from_day[person] <= day) & (day < persons.to_day[person])
    return inside & (day < persons.death_day[person]) & (persons.birth_day[person] <= day)


def _any_of(
    registers: Registers, codelist: Codelist, person: np.ndarray, day: np.ndarray, window: Window, of_stays: str
) -> np.ndarray:
    """True where the person has a listed event in the window, or a listed stay as `of_stays` asks."""
    found = np.zeros(len(person), dtype=bool)
    for columns, statistic, measure in (
        (registers.event_columns, "any", measure_events),
        (registers.stay_columns, of_stays, measure_stays),
    ):
        chosen = codelist.matches_kinds(columns.kinds)
        nothing_to_see = window.lookback_days == 0 and statistic == "any" and measure is measure_events
        if chosen.any() and not nothing_to_see:
            wanted = Measure(statistic, chosen[np.newaxis], (None,), (window,))
            out = np.empty((1, len(person)), dtype=np.float32)
            measure(columns, registers.coverage_columns, person, day, [(0, wanted)], out)
            found |= out[0] > 0
    return found


def _calendar_dates(column: pd.Series) -> np.ndarray:
    """Dates without their time of day; NaT where they are missing, unreadable or in a time zone."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return np.full(len(column), np.datetime64("NaT", "us"))
    if holds_dates(column):
        return read_dates(column.to_frame("date"), "date").astype("datetime64[D]")
    dates = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=False)
    if isinstance(dates.dtype, pd.DatetimeTZDtype):
        return np.full(len(column), np.datetime64("NaT", "us"))
    return dates.to_numpy(dtype="datetime64[us]").astype("datetime64[D]")


def _attrition(flow: list[tuple[str, int, np.ndarray]]) -> pd.DataFrame:
    rows = [(step, removed, len(person), len(np.unique(person))) for step, removed, person in flow]
    return pd.DataFrame(rows, columns=["step", "n_removed", "n_rows", "n_persons"])


def _refuse_rows(name: str, fault: str, bad: np.ndarray) -> None:
    if bad.any():
        rows = np.flatnonzero(bad)
        raise ValueError(
            f"`{name}` must not hold {fault}; {len(rows)} of {len(bad)} rows do, first at rows {rows[:3].tolist()}."
        )
