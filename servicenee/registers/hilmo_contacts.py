"""Hilmo, social Hilmo and AvoHilmo with their child tables: contacts, stays, diagnoses, procedures, measurements."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from servicenee.codes import normalise_code
from servicenee.registers.delivery import Delivered, data_rows, with_role
from servicenee.registers.hilmo_people import People, person_column, placed, within
from servicenee.registers.hilmo_rows import Coding, coding, events, picked, stays
from servicenee.registers.hilmo_rules import classify, field_columns, rules_of
from servicenee.registers.hilmo_visits import person_days
from servicenee.registers.reading import to_days

CENSUS = ("2", "4")  # ILAJI of rows about people who are still in care at the end of the year
YES = frozenset(("1", "K", "KYLLÄ", "T", "TRUE", "X"))
_OTHER = "other_contact"
_DEFAULT_SOURCE = {"hilmo": "outpatient", "soshilmo": "social", "avohilmo": "primary_care"}
_HOSPITAL = "inpatient"  # its rows arrive at discharge
_NAT = np.datetime64("NaT", "m")


@dataclass(frozen=True)
class Contacts:
    """Rows of a main table, read: what its child tables and the requests need of them."""

    table: Delivered
    place: np.ndarray
    time: np.ndarray
    source: Coding
    target: np.ndarray  # event, stay, service, record, refused, other; "" for rows that are no contact
    kind: Coding
    service: Coding  # of the service that the row tells of beside the contact itself
    available: np.ndarray  # NaT where the source's lag decides
    cancelled: np.ndarray
    events: list[pd.DataFrame]
    stays: list[pd.DataFrame]


def read_stays_table(table: Delivered, people: People, extract_day: int | None) -> Contacts:
    """Hilmo or social Hilmo."""
    table.drop_repeats()
    start, end = table.dates("TUPVA"), table.dates("LPVM")
    year = table.numbers("VUOSI")
    reported = _reported(start, end, year)
    place = placed(table, people, "TUPVA", start, extract_day)
    source, target, kind, service = _meaning(table, classify(table, reported))
    table.refuse("PALA", "no care of a person", target == "refused", limited=False)
    is_stay = target == "stay"
    table.note("LPVM", "before TUPVA", is_stay & (end < start), "see stays")
    end = _settle_census(table, is_stay, place, start, end, year)
    in_hospital = is_stay & np.append([level == _HOSPITAL for level in source[1]], False)[source[0]]
    available = np.where(in_hospital, np.maximum(start, end), _NAT)
    rows = np.flatnonzero(is_stay & table.kept)
    made = [
        stays(people, place[rows], start[rows], end[rows], picked(source, rows), picked(kind, rows), available[rows])
    ]
    contacts = Contacts(
        table, place, start, source, target, kind, service, available, np.zeros(len(table), dtype=bool), [], made
    )
    contacts.events.extend(_contact_events(contacts, people, target != ""))
    for column in with_role(table.name, "diagnosis"):
        if column in table:
            contacts.events.append(_coded_rows(table, column, contacts, np.arange(len(table)), start, people))
    return contacts


def read_visits_table(table: Delivered, people: People, extract_day: int | None, seen: np.ndarray) -> Contacts:
    """AvoHilmo; `seen` are the days with home visits that the home-care system has itself, as person and day."""
    table.drop_repeats()
    time = table.dates("KAYNTI_ALKOI")
    place = placed(table, people, "KAYNTI_ALKOI", time, extract_day, needed=False)
    table.refuse("AVOHILMO_ID", "no number of the row", table.codes("AVOHILMO_ID")[0] < 0)
    cancelled = (table.codes("PERUUTUS_AJANKOHTA")[0] >= 0) | (table.codes("PERUUTUS_SYY")[0] >= 0)
    table.note("PERUUTUS_AJANKOHTA", "cancelled", cancelled, "kept, but no contact")
    visit = ~np.isnat(time) & ~cancelled
    source, target, kind, service = _meaning(table, classify(table, time))
    target, no_date = np.where(visit, target, ""), np.full(len(table), _NAT)
    contacts = Contacts(table, place, time, source, target, kind, service, no_date, cancelled, [], [])
    at_home = visit & _is(source, "home_care") & _is(kind, "home_visit")
    twice = at_home & np.isin(person_days(place, time), seen)
    table.note("KAYNTI_ALKOI", "home visit that the home-care system has too", twice, "kept, counted once")
    contacts.events.extend(_contact_events(contacts, people, visit & ~twice))
    for column, row in with_role("avohilmo", "measure").items():
        value = table.numbers(column) if column in table else np.full(len(table), np.nan)
        rows = np.flatnonzero(visit & table.kept & ~np.isnan(value))
        code = row["role"].partition(":")[2]
        found = (people, place[rows], time[rows], "measurement", "lab", code)
        contacts.events.append(events(*found, value=value[rows], unit=row["unit"]))
    contacts.events.extend(_flagged(table, contacts, np.arange(len(table)), people))
    return contacts


def read_child(table: Delivered, parent: Contacts, people: People, extract_day: int | None) -> list[pd.DataFrame]:
    """A child table: its rows take person, time and source from the row they belong to."""
    table.drop_repeats()
    row = _parent_rows(table, parent)
    orphan = row < 0
    table.refuse(_key(table.name), "its row is not there", orphan)
    if not len(parent.table):
        return []
    table.refuse(_key(table.name), "its row was set aside", ~orphan & parent.table.set_aside[row], limited=False)
    table.refuse(_key(table.name), "its row is no contact", ~orphan & (parent.target[row] == ""), limited=False)
    if person_column(table.name) in table:
        table.refuse(
            person_column(table.name),
            "another person than in its row",
            people.of_rows(table) != parent.place[row],
        )
    time = parent.time[row]
    for name in with_role(table.name, "time"):
        own = table.dates(name)
        time = np.where(np.isnat(own), time, own)
        _refuse_outside(table, name, time, people, parent.place[row], extract_day)
    made = _flagged(table, parent, row, people, time)
    for name in with_role(table.name, "coded"):
        made.append(_coded_rows(table, name, parent, row, time, people))
    return made


def system_of(table: str, levels: list[str], dates: np.ndarray, codes: np.ndarray) -> tuple[Coding, Coding]:
    """Code system and source of codes by their shape and date; no source where the row they belong to has it."""
    rows = data_rows("hilmo_systems")
    rows = rows[rows["table"] == table].reset_index(drop=True)
    found = np.full(len(codes), -1, dtype=np.int32)
    for number, row in rows.iterrows():
        shaped = [not row["pattern"] or re.fullmatch(row["pattern"], level) is not None for level in levels]
        fits = np.append(np.array(shaped, dtype=bool), False)[codes] & within(dates, row)
        found[fits & (found < 0)] = number
    return (found, rows["code_system"].tolist()), (found, rows["source"].tolist())


def _key(table: str) -> str:
    return "HILMO_ID" if table.startswith("hilmo") else "AVOHILMO_ID"


def _reported(start: np.ndarray, end: np.ndarray, year: np.ndarray) -> np.ndarray:
    """Day whose guide a row follows: of its end, else the last of its year of statistics, else of its start."""
    years = np.where((year >= 1900) & (year < 2100), year, 0).astype(np.int64)
    last = (years - 1970 + 1).astype("datetime64[Y]").astype("datetime64[D]") - 1
    last = np.where(years > 0, last.astype("datetime64[m]"), start)
    return np.where(np.isnat(end), last, end)


def _meaning(table: Delivered, rule: np.ndarray) -> tuple[Coding, np.ndarray, Coding, Coding]:
    """Source, target, kind and service of every row by its rule; rows without a rule are kept as other contacts."""
    rules = rules_of(table.name)
    default = _DEFAULT_SOURCE[table.name]
    sources = np.array([*(row["source"] or default for row in rules), default], dtype=object)
    targets = np.array([*(row["target"] for row in rules), "other"], dtype=object)
    kinds, services = (
        np.array([*(row[name] or None for row in rules), None], dtype=object) for name in ("kind", "service")
    )
    return _by_rule(sources, rule), targets[rule], _by_rule(kinds, rule), _by_rule(services, rule)


def _by_rule(texts: np.ndarray, rule: np.ndarray) -> Coding:
    codes, levels = coding(texts)
    return codes[rule], levels


def _is(column: Coding, text: str) -> np.ndarray:
    return np.append(np.array([level == text for level in column[1]], dtype=bool), False)[column[0]]


def _contact_events(contacts: Contacts, people: People, chosen: np.ndarray) -> list[pd.DataFrame]:
    """Contacts and services of the chosen rows; rows that no rule knows as events of a source of their own."""
    table, target, made = contacts.table, contacts.target, []
    form = field_columns(table.name, "YHTEYSTAPA" if table.name == "avohilmo" else "PALA")[0]
    for wanted, code_system, code in (
        (target == "event", "contact", contacts.kind),
        (target == "service", "service", contacts.kind),
        ((target == "event") & (contacts.service[0] >= 0), "service", contacts.service),
    ):
        rows = np.flatnonzero(chosen & table.kept & wanted)
        of_rows = (picked(contacts.source, rows), code_system, picked(code, rows))
        made.append(events(people, contacts.place[rows], contacts.time[rows], *of_rows))
    table.note(
        field_columns(table.name, "YHTEYSTAPA")[0],
        "no contact with the person",
        chosen & (target == "record"),
        "kept, only its codes count",
    )
    other = chosen & (target == "other")
    table.note(form, "no rule for this form of care", other, f"kept as events of the source {_OTHER}")
    rows = np.flatnonzero(other & table.kept)
    codes, levels = table.codes(form)
    unknown = (np.where(codes[rows] < 0, len(levels), codes[rows]), [*levels, "unknown"])
    made.append(events(people, contacts.place[rows], contacts.time[rows], _OTHER, form, unknown))
    return made


def _settle_census(
    table: Delivered, is_stay: np.ndarray, place: np.ndarray, start: np.ndarray, end: np.ndarray, year: np.ndarray
) -> np.ndarray:
    """Ends of stays after the yearly census rows of one stay are put together.

    A census row says that the person was still there at the end of its year. Of several rows of one stay the one with
    an end counts, else the latest; a stay missing from the next census ended without a row.
    """
    codes, levels = table.codes("ILAJI")
    census = np.append(np.array([level in CENSUS for level in levels], dtype=bool), False)[codes]
    census &= is_stay & table.kept & np.isnat(end)
    if not census.any():
        return end
    rows = pd.DataFrame({"place": place, "start": start, "pala": table.codes("PALA")[0], "year": year})
    key = [rows["place"], rows["start"], rows["pala"]]
    ended = pd.Series(is_stay & table.kept & ~np.isnat(end)).groupby(key, dropna=False).transform("any").to_numpy()
    table.refuse("ILAJI", "census row of a stay whose end is told", census & ended, limited=False)
    open_rows = rows[census & table.kept].sort_values("year", kind="stable")
    earlier = np.zeros(len(table), dtype=bool)
    earlier[open_rows.index[open_rows.duplicated(["place", "start", "pala"], keep="last")]] = True
    table.refuse("ILAJI", "census row of an earlier year of the stay", earlier, limited=False)
    last_census = np.max(year[census & ~np.isnan(year)], initial=0)
    vanished = census & table.kept & (year < last_census)
    table.note("LPVM", "stay missing from the next census", vanished, "taken to end with the year")
    until = np.where(vanished, year, 1970).astype(np.int64)
    ends = (until - 1970 + 1).astype("datetime64[Y]").astype("datetime64[m]")
    return np.where(vanished, ends, end)


def _parent_rows(table: Delivered, parent: Contacts) -> np.ndarray:
    """Row of the main table to which each row belongs, -1 for none; of copies, the one that was kept."""
    own, key = table.columns[_key(table.name)], _key(table.name)
    if key not in parent.table:
        return np.full(len(table), -1, dtype=np.int64)
    theirs = parent.table.columns[key]
    order = np.r_[np.flatnonzero(parent.table.set_aside)[::-1], np.flatnonzero(parent.table.kept)[::-1]]
    row_of = np.full(len(theirs.levels) + 1, -1, dtype=np.int64)
    row_of[theirs.codes[order]] = order
    row_of[-1] = -1
    place = pc.fill_null(pc.index_in(own.levels, theirs.levels), -1).to_numpy(zero_copy_only=False)
    return own.spread(row_of[place], -1)


def _refuse_outside(
    table: Delivered, column: str, time: np.ndarray, people: People, place: np.ndarray, extract_day: int | None
) -> None:
    day = to_days(time, np.int32(0))
    if extract_day is not None:
        table.refuse(column, "after extract_date", day > extract_day)
    if len(people.ids):
        table.refuse(column, "before birth_date", day < people.birth_day[place], limited=False)
        table.refuse(column, "after death_date", day > people.death_day[place], limited=False)


def _coded_rows(
    table: Delivered, column: str, parent: Contacts, row: np.ndarray, time: np.ndarray, people: People
) -> pd.DataFrame:
    """Events of one column of codes; `row` is the row of the main table to which each belongs."""
    codes, levels = table.codes(column)
    own_table = column in with_role(table.name, "coded")
    system, own_source = system_of(table.name, levels, time, codes)
    empty = np.append(np.array([not normalise_code("ICD-10", level) for level in levels], dtype=bool), True)[codes]
    if own_table:
        table.refuse(column, "no code", empty, limited=False)
    rows = np.flatnonzero(table.kept & ~empty & (row >= 0) & (parent.target[row] != ""))
    source = _source_or(own_source, parent.source, row)
    of_rows = (picked(source, rows), picked(system, rows), picked((codes, levels), rows))
    return events(people, parent.place[row[rows]], time[rows], *of_rows, available=parent.available[row[rows]])


def _source_or(own: Coding, parent: Coding, row: np.ndarray) -> Coding:
    """The code table's source, where it has one, else that of the row of the main table."""
    names = list(dict.fromkeys([*parent[1], *filter(None, own[1])]))
    of_own = np.array([names.index(name) if name else -1 for name in own[1]] + [-1], dtype=np.int32)[own[0]]
    of_parent = np.array([*(names.index(name) for name in parent[1]), -1], dtype=np.int32)[parent[0][row]]
    return np.where(of_own < 0, of_parent, of_own), names


def _flagged(
    table: Delivered, parent: Contacts, row: np.ndarray, people: People, time: np.ndarray | None = None
) -> list[pd.DataFrame]:
    """Services that columns tick as given."""
    made = []
    time = parent.time[row] if time is None else time
    for column, listed in with_role(table.name, "flag").items():
        codes, levels = table.codes(column)
        ticked = np.append(np.array([level in YES for level in levels], dtype=bool), False)[codes]
        rows = np.flatnonzero(ticked & table.kept & (row >= 0) & (parent.target[row] != ""))
        service = listed["role"].partition(":")[2]
        made.append(events(people, parent.place[row[rows]], time[rows], "social", "service", service))
    return made
