"""`Outcome`: from a cohort to labels, what happened in the window after every index date."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, check_days
from servicenee.codes import Codelist, as_codelist
from servicenee.cohort import Cohort
from servicenee.registers import Registers
from servicenee.registers.tables import FAR_FUTURE, MINUTES_PER_DAY
from servicenee.windows import days_between, earliest, in_stay, rows_between

NO_EVENT, EVENT, DEATH, CENSORED, OTHER_EVENT = range(5)
KINDS = ("starts", "occurs", "counts", "days")
LABEL_COLUMNS = ("status", "time_days", "value", "exposure_days")


_DAYS_FROM_LEAVING_TO_DEATH = 3


@dataclass(frozen=True)
class Definition:
    """What an outcome counts: codes and sources, what competes, and how a start is confirmed."""

    name: str
    kind: str
    codes: Codelist | None  # None: death itself
    source: tuple[str, ...]
    competing: Codelist | None
    without: tuple[str, ...]
    confirm_days: int
    label_type: str
    labels: Mapping[str, str]
    text: str


class Outcome:
    """What is to be predicted: an event or a stay in [index + gap, index + gap + horizon), death competing.

    Parameters
    ----------
    event : str, Codelist or list of str
        The name of one of `OUTCOMES`, or what counts: prefixes such as ``["ICD-10:S72"]`` for events or
        ``["stay:round_the_clock"]`` for stays.
    kind : {"starts", "occurs", "counts", "days"} or None, default=None
        "starts": first start of a service the person is not in; "occurs": at least one; "counts": how many; "days":
        days in the stays. None takes the kind of the named outcome, "starts" for stays and "occurs" for events.
    horizon_days : int, default=365
    gap_days : int, default=0
        Days between the index date and the start of the window, to give the service time to act.
    death : {"competing", "event"}, default="competing"
        Death before the outcome is a status of its own, or counts as the outcome.
    source : str or list of str, optional
        Sources that count; by default those of the named outcome, else every source with such codes.
    confirm_days : int, optional
        A started stay counts only if it lasts this long (or death or leaving the area ends it sooner), and follow-up
        ends as much earlier.

    Notes
    -----
    The estimand is the cumulative incidence in the presence of death: the probability that the outcome comes in the
    window before death. It is what capacity planning needs, and lower than the risk "had nobody died".

    Follow-up ends at the first of death, leaving the area, and the last day that had been reported in the extract
    (extract date minus reporting lag, minus `confirm_days`). A service that began before the window without being
    visible at the index date, or in the gap, is status 4: it can no longer start.

    Examples
    --------
    >>> from servicenee import Outcome, Population, make_registers
    >>> registers = make_registers(300, random_state=0)
    >>> cohort = Population(75, without=["stay:home_care", "stay:round_the_clock"]).at(registers, "2022-01-01")
    >>> Outcome("home_care_start").label(cohort).columns.tolist()
    ['status', 'time_days', 'value', 'exposure_days']
    """

    def __init__(
        self,
        event: str | Codelist | Iterable[str],
        *,
        kind: str | None = None,
        horizon_days: int = 365,
        gap_days: int = 0,
        death: str = "competing",
        source: str | Iterable[str] | None = None,
        confirm_days: int | None = None,
    ):
        self.event = event
        self.kind = kind
        self.horizon_days = horizon_days
        self.gap_days = gap_days
        self.death = death
        self.source = source
        self.confirm_days = confirm_days

    @property
    def definition(self) -> Definition:
        """What counts, with the parameters given here in place of the named outcome's."""
        base = _named(self.event)
        if base is None:
            codes = as_codelist(self.event)
            kind = "starts" if set(codes.frame()["code_system"]) == {"stay"} else "occurs"
            base = Definition(codes.name, kind, codes, (), None, (), 0, "use", {}, "")
        changes: dict = {}
        if self.kind is not None:
            changes["kind"] = check_choice("kind", self.kind, KINDS)
        if self.source is not None:
            changes["source"] = (self.source,) if isinstance(self.source, str) else tuple(self.source)
        if self.confirm_days is not None:
            changes["confirm_days"] = check_days("confirm_days", self.confirm_days)
        return Definition(**{**base.__dict__, **changes})

    def label(self, cohort: Cohort) -> pd.DataFrame:
        """Labels of every row of the cohort: a numeric, complete table that is a valid `y`.

        Parameters
        ----------
        cohort : Cohort

        Returns
        -------
        DataFrame, shape (n_rows, 4), index (person_id, index_date)
            status : int8, 0 no event, 1 event, 2 death first, 3 censored, 4 other competing event first;
            time_days : days from the start of the window to what came first (the horizon if nothing did);
            value : 1 or 0 for "starts" and "occurs", the count or the days for the others;
            exposure_days : days of the window alive and under follow-up.

        Raises
        ------
        ValueError
            If rows of a "starts" outcome are already in the service (the message says what to put into `Population`),
            if persons are dead or live elsewhere on the index date, or if no source of the registers reports the
            outcome.
        """
        check_days("horizon_days", self.horizon_days, minimum=1)
        check_days("gap_days", self.gap_days)
        check_choice("death", self.death, ("competing", "event"))
        _refuse_unknown(self.definition, cohort.registers)
        _refuse_absent(cohort)
        found = _Found(cohort, self.definition, self.gap_days, self.horizon_days)
        labels = found.labels(death_counts=self.death == "event" or self.definition.codes is None)
        return pd.DataFrame(labels, index=cohort.index)[list(LABEL_COLUMNS)]

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.__dict__.items() if value is not None and name != "event"}
        return f"Outcome({self.event!r}, {', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class _Found:
    """What happened to every row of a cohort, in days since 1970-01-01."""

    def __init__(self, cohort: Cohort, definition: Definition, gap_days: int, horizon_days: int):
        self.registers, self.person = cohort.registers, cohort.person
        self.definition, self.horizon = definition, horizon_days
        self.index_day = cohort.index_day.astype(np.int64)
        self.start = self.index_day + gap_days
        self.stop = self.start + horizon_days
        persons = self.registers.person_columns
        self.death = persons.death_day[self.person].astype(np.int64)
        # Registers often end the residence of the dead on the day of death or a few days before it: that is a death.
        left = persons.to_day[self.person].astype(np.int64)
        died = (left <= self.death) & (left >= self.death - _DAYS_FROM_LEAVING_TO_DEATH)
        self.censored = np.minimum(np.where(died, FAR_FUTURE, left), self._reported_until())

    def labels(self, *, death_counts: bool) -> dict[str, np.ndarray]:
        """Status, time, value and exposure."""
        event, other = self._first_event(), self._first_other()
        if death_counts:
            event = np.minimum(event, self.death)
        times = np.stack([event, np.full_like(event, FAR_FUTURE) if death_counts else self.death, self.censored, other])
        # On one and the same day entry to a heavier service counts before a start of the lighter one, and an event
        # before death; nothing is known of the day on which follow-up ends.
        times = np.maximum(times, self.start) - self.start
        first = times[[3, 2, 0, 1]].argmin(axis=0)
        status = np.array([OTHER_EVENT, CENSORED, EVENT, DEATH], dtype=np.int8)[first]
        time = times.min(axis=0)
        nothing = time >= self.horizon
        status[nothing], time[nothing] = NO_EVENT, self.horizon
        followed = np.minimum(self.death, self.censored)
        exposure = np.clip(followed - self.start, 0, self.horizon)
        value = (status == EVENT).astype(np.float64)
        if self.definition.kind in ("counts", "days"):
            value = self._amount(np.minimum(self.stop, followed))
        return {
            "status": status,
            "time_days": time.astype(np.float64),
            "value": value,
            "exposure_days": exposure.astype(np.float64),
        }

    def _reported_until(self) -> np.ndarray:
        """First day of which the extract may not tell everything yet."""
        from_day, until = reported_days(self.registers, self.definition)
        return np.where(self.start < from_day, self.start, until)

    def _chosen(self, columns, codes: Codelist | None, source: tuple[str, ...]) -> np.ndarray:
        """Rows of the events or stays that count."""
        if codes is None:
            return np.zeros(len(columns), dtype=bool)
        kinds = codes.matches_kinds(columns.kinds)
        if source:
            kinds &= columns.kinds["source"].isin(source).to_numpy()
        return kinds[columns.kind]

    def _confirmed_stays(self) -> np.ndarray:
        stays, persons = self.registers.stay_columns, self.registers.person_columns
        chosen = self._chosen(stays, self.definition.codes, self.definition.source)
        if not self.definition.confirm_days or not chosen.any():
            return chosen
        person = np.repeat(np.arange(len(persons)), np.diff(stays.first))
        gone = np.minimum(persons.death_day, persons.to_day)[person]
        lasted = stays.end_day.astype(np.int64) - stays.start_day >= self.definition.confirm_days
        return chosen & (lasted | (stays.end_day >= gone))

    def _first_event(self) -> np.ndarray:
        stays, confirmed = self.registers.stay_columns, self._confirmed_stays()
        if self.definition.kind == "starts":
            self._refuse_prevalent(confirmed)
        row, position = rows_between(stays.first, stays.start_day, confirmed, self.person, self.start, self.stop)
        first = earliest(row, stays.start_day[position], len(self.person))
        row, minute = self._events_between(self.start, self.stop)
        return np.minimum(first, earliest(row, minute // MINUTES_PER_DAY, len(self.person)))

    def _events_between(self, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        events = self.registers.event_columns
        chosen = self._chosen(events, self.definition.codes, self.definition.source)
        start, stop = start * MINUTES_PER_DAY, stop * MINUTES_PER_DAY
        row, position = rows_between(events.first, events.minute, chosen, self.person, start, stop)
        return row, events.minute[position]

    def _first_other(self) -> np.ndarray:
        """First competing event; for starts also a service that began unseen before the window."""
        stays, n_rows = self.registers.stay_columns, len(self.person)
        chosen = self._chosen(stays, self.definition.competing, ())
        row, position = rows_between(stays.first, stays.start_day, chosen, self.person, self.index_day, self.stop)
        other = earliest(row, stays.start_day[position], n_rows)
        if self.definition.kind == "starts":
            confirmed = self._confirmed_stays()
            inside = in_stay(stays, chosen | confirmed, self.person, self.index_day)
            row, _ = rows_between(stays.first, stays.start_day, confirmed, self.person, self.index_day, self.start)
            begun = np.bincount(row, minlength=n_rows) > 0
            other = np.where(inside | begun, self.start, other)
        return other

    def _refuse_prevalent(self, confirmed: np.ndarray) -> None:
        stays = self.registers.stay_columns
        inside = in_stay(stays, confirmed, self.person, self.index_day, seen=True)
        if inside.any():
            without = list(self.definition.without) or list(self.definition.codes.frame().agg(":".join, axis=1))
            raise ValueError(
                f"`cohort` must be free of the outcome at the index date; {int(inside.sum())} of {len(inside)} "
                f"rows are already in the service. Use Population(..., without={without})."
            )

    def _amount(self, stop: np.ndarray) -> np.ndarray:
        """Number of events and of started stays, or days in stays, within the window and follow-up."""
        stays, n_rows = self.registers.stay_columns, len(self.person)
        chosen, stop = self._confirmed_stays(), np.maximum(stop, self.start)
        if self.definition.kind == "days":
            return days_between(stays, chosen, self.person, self.start, stop)
        row, _ = rows_between(stays.first, stays.start_day, chosen, self.person, self.start, stop)
        events, _ = self._events_between(self.start, stop)
        return (np.bincount(row, minlength=n_rows) + np.bincount(events, minlength=n_rows)).astype(np.float64)


def outcome_sources(registers: Registers, definition: Definition) -> list[str]:
    """Sources that report the outcome or what competes with it, those of the definition or those with such codes."""
    found = list(definition.source)
    for columns in (registers.event_columns, registers.stay_columns):
        wanted = [codes for codes in (definition.codes, definition.competing) if codes is not None]
        if definition.source:
            wanted = wanted[1:]
        for codes in wanted:
            found += columns.kinds.loc[codes.matches_kinds(columns.kinds), "source"].tolist()
    return sorted(set(found))


def reported_days(registers: Registers, definition: Definition) -> tuple[int, int]:
    """First day covered by the outcome's sources, and the first of which the extract may not tell everything yet."""
    from_day, to_day, lag_days = registers.coverage_columns.of(outcome_sources(registers, definition))
    return from_day, min(to_day, registers.extract_day - lag_days) - definition.confirm_days


def _refuse_unknown(definition: Definition, registers: Registers) -> None:
    """An outcome that no source can report would come out as "nobody had it"."""
    known = registers.coverage_columns.source
    unknown = [source for source in definition.source if source not in known]
    if unknown:
        raise ValueError(
            f"`source` of the outcome must be among the sources of the registers ({', '.join(known)}); got {unknown}."
        )
    if definition.codes is not None and not outcome_sources(registers, definition):
        raise ValueError(
            f"`event` must match something in the registers, or name its `source`; {definition.name} matches no code "
            "and no stay."
        )


def _refuse_absent(cohort: Cohort) -> None:
    """Rows of persons who are dead or live elsewhere on the index date have no window of their own."""
    persons, day = cohort.registers.person_columns, cohort.index_day
    present = (persons.from_day[cohort.person] <= day) & (cohort.follow_up_end_day >= day)
    present &= (persons.death_day[cohort.person] > day) & (persons.to_day[cohort.person] > day)
    absent = np.flatnonzero(~present)
    if len(absent):
        raise ValueError(
            f"`cohort` must hold persons who are alive and resident on the index date; {len(absent)} of {len(cohort)} "
            f"rows are not, first at rows {absent[:3].tolist()}. Leave them out of the frame."
        )


def _read_definitions() -> dict[str, Definition]:
    with (files("servicenee") / "outcomes.csv").open(encoding="utf-8") as stream:
        rows = pd.read_csv(stream, dtype=str, keep_default_na=False)
    return {row["name"]: _definition(row) for row in rows.to_dict("records")}


def _definition(row: dict[str, str]) -> Definition:
    return Definition(
        name=row["name"],
        kind=row["kind"],
        codes=None if row["codes"] == "death" else as_codelist(row["codes"].split()),
        source=tuple(row["source"].split()),
        competing=as_codelist(row["competing"].split()) if row["competing"] else None,
        without=tuple(row["without"].split()),
        confirm_days=int(row["confirm_days"]),
        label_type=row["label_type"],
        labels={language: row[f"label_{language}"] for language in ("fi", "sv", "en")},
        text=row["definition"],
    )


def _named(event) -> Definition | None:
    if not isinstance(event, str) or ":" in event:
        return None
    if event not in OUTCOMES:
        raise ValueError(
            f"`event` must be one of {', '.join(OUTCOMES)}, or prefixes such as ['ICD-10:S72']; got {event!r}."
        )
    return OUTCOMES[event]


OUTCOMES: Mapping[str, Definition] = _read_definitions()
