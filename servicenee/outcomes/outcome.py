"""`Outcome`: from a cohort to labels, what happened in the window after every index date."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, check_days
from servicenee.codes import Codelist
from servicenee.cohort import Cohort
from servicenee.outcomes.definitions import (
    KINDS,
    LABEL_TYPES,
    Definition,
    definition_of_row,
    named_definition,
    own_definition,
    with_visits,
)
from servicenee.outcomes.found import LABEL_COLUMNS, Found
from servicenee.outcomes.service import Service, outcome_sources
from servicenee.registers import Registers
from servicenee.texts import text


class Outcome:
    """What is to be predicted: an event or a stay in [index + gap, index + gap + horizon), death competing.

    Parameters
    ----------
    event : str, Codelist, list of str or mapping
        The name of one of `OUTCOMES`; what counts, as prefixes such as ``["ICD-10:S72"]`` for events or
        ``["stay:round_the_clock"]`` for stays; or a row with the columns of ``outcomes.csv``, such as
        ``{"codes": "lab:=HbA1c", "at_least": 75, "label_type": "need"}``.
    kind : {"starts", "occurs", "counts", "days", "sums"} or None, default=None
        "starts": first start of a service the person is not in; "occurs": at least one; "counts": how many; "days":
        days in the stays; "sums": total of the events' values. None takes the kind of the named outcome, "starts" for
        stays and "occurs" for events.
    horizon_days : int, default=365
    gap_days : int, default=0
        Days between the index date and the start of the window, to give the service time to act.
    death : {"competing", "event"}, default="competing"
        Death before the outcome is a status of its own, or counts as the outcome.
    source : str or list of str, optional
        Sources that count; by default those of the named outcome, else every source with such codes.
    confirm_days : int, optional
        A started stay counts only if it lasts this long (or death, leaving the area or a stay that competes ends it
        sooner), and follow-up ends as much earlier. Of no effect on starts by visits, which their weeks confirm.
    visits_per_week, weeks : int, optional
        Takes visits for the sign of regular care, where the registers hold no stays or not the ones you mean: it starts
        with the first visit of `weeks` weeks in a row (8, if not given) that hold at least `visits_per_week` visits
        each. Weeks that death or leaving the area cut short are not asked; a week in hospital breaks the row.
    label_type : {"need", "use", "cost"}, optional
        What the label is; required for an outcome of your own. Reports carry a warning that depends on it.

    Notes
    -----
    The estimand is the cumulative incidence in the presence of death: the probability that the outcome comes in the
    window before death. It is what capacity planning needs, and lower than the risk "had nobody died".

    Follow-up ends at the first of death, leaving the area, and the last day that had been reported in the extract
    (extract date minus reporting lag, minus `confirm_days`). A service that began before the window without being
    visible at the index date, or in the gap, is status 4: it can no longer start. So is a person to whom a competing
    event of the outcome comes first, such as direct entry to round-the-clock care before home care.

    What starts is a spell: stays that overlap, or follow each other within a day, are one, so that a county which
    closes and opens a stay at every new decision has the same starts as one that does not.

    Registers hold the use of services. Use is not need: it mixes need with supply and with who asks.

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
        event: str | Codelist | Iterable[str] | Mapping,
        *,
        kind: str | None = None,
        horizon_days: int = 365,
        gap_days: int = 0,
        death: str = "competing",
        source: str | Iterable[str] | None = None,
        confirm_days: int | None = None,
        visits_per_week: int | None = None,
        weeks: int | None = None,
        label_type: str | None = None,
    ):
        self.event = event
        self.kind = kind
        self.horizon_days = horizon_days
        self.gap_days = gap_days
        self.death = death
        self.source = source
        self.confirm_days = confirm_days
        self.visits_per_week = visits_per_week
        self.weeks = weeks
        self.label_type = label_type

    @property
    def definition(self) -> Definition:
        """What counts, with the parameters given here in place of the named outcome's."""
        if isinstance(self.event, str) and ":" not in self.event:
            base = named_definition(self.event)
        elif isinstance(self.event, Mapping):
            base = definition_of_row(self.event)
        else:
            base = own_definition(self.event, self.label_type)
        changes: dict = {}
        if self.kind is not None:
            changes["kind"] = check_choice("kind", self.kind, KINDS)
        if self.source is not None:
            changes["source"] = (self.source,) if isinstance(self.source, str) else tuple(self.source)
        if self.confirm_days is not None and base.visits_per_week is None:
            changes["confirm_days"] = check_days("confirm_days", self.confirm_days)
        if self.label_type is not None:
            changes["label_type"] = check_choice("label_type", self.label_type, LABEL_TYPES)
        return with_visits(Definition(**{**vars(base), **changes}), self.visits_per_week, self.weeks)

    def label(self, cohort: Cohort) -> pd.DataFrame:
        """Labels of every row of the cohort: a numeric, complete table that is a valid `y`.

        Parameters
        ----------
        cohort : Cohort

        Returns
        -------
        DataFrame, shape (n_rows, 4), index (person_id, index_date)
            status : int8, 0 no event, 1 event, 2 death first, 3 censored (for "counts", "days" and "sums" also after
            first events: the amount of the window is not known), 4 other competing event first;
            time_days : days from the start of the window to what came first (the horizon if nothing did);
            value : 1 or 0 for "starts" and "occurs", the count, the days or the sum for the others;
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
        definition = self.definition
        _refuse_unknown(definition, cohort.registers)
        _refuse_absent(cohort)
        found = Found(cohort, definition, self.gap_days, self.horizon_days)
        if definition.kind == "starts":
            row = cohort.person, found.index_day
            _refuse_prevalent(definition, found.service.seen_to_go_on(*row) & found.service.goes_on(*row))
        labels = found.labels(death_counts=self.death == "event" or definition.codes is None)
        return pd.DataFrame(labels, index=cohort.index)[list(LABEL_COLUMNS)]

    def at_risk(self, cohort: Cohort) -> np.ndarray:
        """Rows to whom the outcome can still happen, by what had been reported on the index date.

        Parameters
        ----------
        cohort : Cohort

        Returns
        -------
        ndarray of bool, shape (n_rows,)
            False for persons who are in the service already, and for outcomes with a limit for those whose latest
            value reaches it. ``cohort[outcome.at_risk(cohort)]`` leaves them out where no `Population` can.

        Examples
        --------
        >>> from servicenee import Outcome, Population, make_registers
        >>> clients = Population(75, having="stay:home_care").at(make_registers(500, random_state=0), "2022-01-01")
        >>> three_visits = Outcome("home_care_start", visits_per_week=3)
        >>> bool(three_visits.at_risk(clients).all())
        False
        """
        definition = self.definition
        service = Service(cohort.registers, definition)
        if definition.kind == "starts":
            return ~service.seen_to_go_on(cohort.person, cohort.index_day.astype(np.int64))
        if definition.at_least is None:
            return np.ones(len(cohort), dtype=bool)
        return ~(service.latest_value(cohort.person, cohort.index_day) >= definition.at_least)

    def caveat(self, language: str) -> str:
        """What to keep in mind of a label that is need, use or cost, for every report.

        Parameters
        ----------
        language : {"fi", "sv", "en"}

        Examples
        --------
        >>> from servicenee import Outcome
        >>> Outcome("home_care_start").caveat("en").split(".")[0]
        'The outcome is the use of a service, not need'
        """
        return text(f"evaluation.label.{self.definition.label_type}", language)

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.__dict__.items() if value is not None and name != "event"}
        return f"Outcome({self.event!r}, {', '.join(f'{name}={value!r}' for name, value in shown.items())})"


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


def _refuse_prevalent(definition: Definition, inside: np.ndarray) -> None:
    if not inside.any():
        return
    without = list(definition.without) or list(definition.codes.frame().agg(":".join, axis=1))
    remedy = f"Population(..., without={without})"
    if definition.visits_per_week is not None:
        remedy = "cohort[outcome.at_risk(cohort)]"
    raise ValueError(
        f"`cohort` must be free of the outcome at the index date; {int(inside.sum())} of {len(inside)} rows are "
        f"already in the service. Use {remedy}."
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
