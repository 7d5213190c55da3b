"""Registers in; registers out with a fault mended that only their user can judge, and findings on what was done."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from servicenee._checks import check_days, name_some
from servicenee.registers.core import Registers
from servicenee.registers.findings import Findings
from servicenee.registers.municipalities import merged_names
from servicenee.registers.placing import TOLD_TWICE, told_by_another, without
from servicenee.registers.tables import FAR_FUTURE, MINUTES_PER_DAY, TextColumn, read_only

UNKNOWN_AREA = "unknown"


def without_repeats(registers: Registers, sources: Sequence[str]) -> Registers:
    """The registers with each event that several sources tell kept once.

    Parameters
    ----------
    registers : Registers
    sources : sequence of str
        Sources that may tell of the same event, the most trusted first: ``["inpatient", "primary_care"]``.

    Returns
    -------
    Registers
        Without events of a source that has the same person, day, code system and code as an event of a source before
        it in the list. Events that one and the same source repeats are not touched, and contacts all stay: a visit at
        the hospital and one at the health centre make two on one day.

    Raises
    ------
    ValueError
        If a source has no events.

    See Also
    --------
    Registers : does the same while reading where `coverage` has the column priority.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import Registers
    >>> from servicenee.registers import without_repeats
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": 1, "time": pd.to_datetime(["2020-03-01T08:00", "2020-03-01T15:30"]),
    ...                        "source": ["primary_care", "inpatient"], "code_system": "ICD-10", "code": "I50"})
    >>> without_repeats(Registers(persons, events), ["inpatient", "primary_care"]).events["source"].tolist()
    ['inpatient']
    """
    events = registers.event_columns
    absent = [source for source in sources if source not in set(events.kinds["source"])]
    if isinstance(sources, str) or absent or not len(sources):
        shown = name_some(absent) if absent and not isinstance(sources, str) else repr(sources)
        raise ValueError(f"`sources` must be names of sources with events; got {shown}.")
    columns = {name: getattr(events, name) for name in ("minute", "kind", "value", "available")}
    columns = {name: column for name, column in columns.items() if column is not None}
    priority = {source: float(place) for place, source in enumerate(sources)}
    told = told_by_another(columns, events.first, events.kinds, priority)
    findings = Findings(1.0)
    findings.add_rows("events", "source", TOLD_TWICE, told, len(events), "set aside", limited=False)
    columns, first = without(columns, events.first, told)
    read_only(first, *columns.values())
    return _with(registers, findings, event_columns=replace(events, first=first, **columns))


def with_assumed_ends(registers: Registers, kinds: Sequence[str], *, inactive_days: int = 180) -> Registers:
    """The registers with ends for stays that nobody closed, such as service decisions.

    Parameters
    ----------
    registers : Registers
    kinds : sequence of str
        Kinds of stays to look at.
    inactive_days : int, default=180
        A stay without events of its source for so long is taken to have ended then.

    Returns
    -------
    Registers
        An open stay ends at the first of: death, leaving the area, the person's next stay of the kind, and
        `inactive_days` after the last event of its source (or after its start). The findings tell how many ends were
        assumed, by reason; a stay with none of these before the extract stays open.

    Raises
    ------
    ValueError
        If there are no stays of a kind.

    Notes
    -----
    An end assumed from silence can be known only when the silence has lasted: it becomes visible on its own day, after
    the reporting lag. Home care and the like need visits as events of the same source; without any, every open stay
    would end after `inactive_days`.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import Registers
    >>> from servicenee.registers import with_assumed_ends
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> stays = pd.DataFrame({"person_id": [1], "start": pd.to_datetime(["2020-01-01"]), "end": pd.to_datetime([None]),
    ...                       "source": ["home_care"], "kind": ["home_care"]})
    >>> events = pd.DataFrame({"person_id": [1], "time": pd.to_datetime(["2020-03-01"]), "source": ["home_care"],
    ...                        "code_system": ["contact"], "code": ["home_visit"]})
    >>> registers = Registers(persons, events, stays, extract_date="2024-01-01")
    >>> str(with_assumed_ends(registers, ["home_care"]).stays["end"][0].date())
    '2020-08-28'
    """
    check_days("inactive_days", inactive_days, minimum=1)
    stays, persons = registers.stay_columns, registers.person_columns
    absent = [kind for kind in kinds if kind not in set(stays.kinds["kind"])]
    if isinstance(kinds, str) or absent:
        shown = repr(kinds) if isinstance(kinds, str) else name_some(absent)
        raise ValueError(f"`kinds` must be kinds of stays that there are; got {shown}.")
    person = np.repeat(np.arange(len(persons)), np.diff(stays.first))
    chosen = stays.kinds["kind"].isin(list(kinds)).to_numpy()[stays.kind] & (stays.end_day == FAR_FUTURE)
    candidates = {
        "death": persons.death_day[person],
        "leaving the area": persons.to_day[person],
        "the next stay of the kind": _next_starts(registers, person),
        f"{inactive_days} days without an event": _silences(registers, person, chosen, inactive_days),
    }
    ends = np.stack([np.maximum(day, stays.start_day) for day in candidates.values()])
    ends = np.where((ends <= registers.extract_day) & chosen, ends, FAR_FUTURE)
    reason, end = ends.argmin(axis=0), ends.min(axis=0)
    findings = Findings(1.0)
    for number, name in enumerate(candidates):
        assumed = (end != FAR_FUTURE) & (reason == number)
        findings.add("stays", "end", "open end", assumed, f"end assumed: {name}")
    end_day = np.where(end != FAR_FUTURE, end, stays.end_day).astype(np.int32)
    lag = stays.lag_days[stays.kind]
    known = np.where(end != FAR_FUTURE, end + lag.astype(np.int64), stays.end_available_day).astype(np.int32)
    order = np.lexsort((stays.kind, end_day, stays.start_day, person))
    columns = {name: getattr(stays, name)[order] for name in ("start_day", "kind", "available_day")}
    columns |= {"end_day": end_day[order], "end_available_day": known[order]}
    read_only(*columns.values())
    return _with(registers, findings, stay_columns=replace(stays, **columns))


def with_areas(registers: Registers, areas: Sequence[str], changed: Mapping[str, str] | None = None) -> Registers:
    """The registers with areas of one fixed geography.

    Parameters
    ----------
    registers : Registers
        With the column area among the persons.
    areas : sequence of str
        The areas of that geography.
    changed : mapping of str to str, optional
        What became of areas that are no more; by default the Finnish municipalities that have merged since 1969.

    Returns
    -------
    Registers
        Persons of an area that is neither listed nor changed into a listed one, or of none, are of the area "unknown"
        and counted among the findings.

    Notes
    -----
    The mergers are rows of ``registers/data/municipality_mergers.csv``, with date and source. The few municipalities
    that were divided among several are not among them.

    References
    ----------
    Statistics Finland, classification of municipalities and list of abolished municipalities.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import Registers
    >>> from servicenee.registers import with_areas
    >>> persons = pd.DataFrame({"person_id": [1, 2], "birth_date": pd.to_datetime(["1940-05-01", "1941-05-01"]),
    ...                         "sex": "female", "area": ["Nilsiä", "Atlantis"]})
    >>> events = pd.DataFrame({"person_id": [1], "time": pd.to_datetime(["2020-03-01"]), "source": ["emergency"],
    ...                        "code_system": ["contact"], "code": ["visit"]})
    >>> with_areas(Registers(persons, events), ["Kuopio"]).persons["area"].tolist()
    ['Kuopio', 'unknown']
    """
    columns = registers.person_columns
    area = columns.extra.get("area")
    if not isinstance(area, TextColumn):
        raise ValueError("`registers` must have the column area, as text, among the persons; it has none.")
    changed, listed = merged_names() if changed is None else changed, set(areas)
    became = [level if level in listed else changed.get(level, level) for level in area.levels]
    became = [level if level in listed else UNKNOWN_AREA for level in [*became, None]]
    levels = tuple(sorted(set(became)))
    codes = np.array([levels.index(level) for level in became], dtype=np.int32)[area.codes]
    findings = Findings(1.0)
    names = np.array([*area.levels, None], dtype=object)[area.codes]
    moved = np.array([name in changed and name not in listed for name in names], dtype=bool)
    unknown = codes == (levels.index(UNKNOWN_AREA) if UNKNOWN_AREA in levels else -1)
    findings.add("persons", "area", "an area that is no more", moved & ~unknown, "taken as what became of it")
    findings.add("persons", "area", "not an area of the geography", unknown, "taken as unknown")
    read_only(codes)
    extra = columns.extra | {"area": TextColumn(codes, levels)}
    return _with(registers, findings, person_columns=replace(columns, extra=extra))


def _next_starts(registers: Registers, person: np.ndarray) -> np.ndarray:
    """Start of the same person's next stay of the same kind."""
    stays = registers.stay_columns
    kind = pd.factorize(stays.kinds["kind"])[0][stays.kind]
    order = np.lexsort((stays.start_day, kind, person))
    starts = np.full(len(stays), FAR_FUTURE, dtype=np.int64)
    one, other = order[:-1], order[1:]
    follows = (
        (person[one] == person[other]) & (kind[one] == kind[other]) & (stays.start_day[other] > stays.start_day[one])
    )
    starts[one[follows]] = stays.start_day[other[follows]]
    return starts


def _silences(registers: Registers, person: np.ndarray, chosen: np.ndarray, days: int) -> np.ndarray:
    """Day on which nothing of the stay's source had happened for so many days, counted from its last event or start."""
    stays, events = registers.stay_columns, registers.event_columns
    ends = np.full(len(stays), FAR_FUTURE, dtype=np.int64)
    event_source = events.kinds["source"].to_numpy(dtype=object)
    for source in sorted(set(stays.kinds["source"])):
        rows = np.flatnonzero(chosen & (stays.kinds["source"].to_numpy(dtype=object) == source)[stays.kind])
        own = np.flatnonzero((event_source == source)[events.kind])
        last = np.full(len(registers.person_columns) + 1, np.iinfo(np.int64).min)
        event_person = np.searchsorted(events.first, own, side="right") - 1
        np.maximum.at(last, event_person, events.minute[own] // MINUTES_PER_DAY)
        ends[rows] = np.maximum(last[person[rows]], stays.start_day[rows]) + days
    return ends


def _with(registers: Registers, findings: Findings, **columns) -> Registers:
    """The registers with other columns, and the findings added to theirs."""
    found = [frame for frame in (registers.findings, findings.frame()) if len(frame)]
    together = pd.concat(found, ignore_index=True) if found else registers.findings
    return registers.replaced(**columns, findings=together)
