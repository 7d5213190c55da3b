"""AvoHilmo to requests for care: the assessment of need starts the clock, the first treating contact stops it."""

import numpy as np
import pandas as pd

from servicenee.registers.hilmo_contacts import Contacts
from servicenee.registers.hilmo_people import People, translated
from servicenee.registers.hilmo_visits import days_of, person_days, person_range

COLUMNS = ("person_id", "requested", "service", "urgency", "met", "closed", "closed_reason")
_PREVENTION = "TH"
_ONE_PERSON = "1"
_NAT = np.datetime64("NaT", "D")


def read_requests(contacts: Contacts, people: People, extract_day: int | None) -> pd.DataFrame | None:
    """One row per assessment of the need for treatment; None where AvoHilmo has no assessments.

    A request is met by the visit of its own row, else by the person's first treating visit from its day on that has no
    assessment of its own; cancelled without a visit, it is closed. Visits for prevention, for groups and case handling
    do not treat. The clock counts days: an assessment dated after its own visit was made on the day of the visit.
    """
    table = contacts.table
    assessed = table.dates("HOIDONTARVE_AJANKOHTA")
    cancelled_at = table.dates("PERUUTUS_AJANKOHTA")
    if np.isnat(assessed[table.kept]).all():
        return None
    treating = _treating(contacts)
    requested, own_visit = assessed.astype("datetime64[D]"), contacts.time.astype("datetime64[D]")
    asked = ~np.isnat(requested) & ~_holds(table, ("HTA_LUONNE", "KAYNTI_LUONNE"), _PREVENTION)
    _refuse_late(table, asked, requested, contacts.place, people, extract_day)
    backwards = asked & treating & (own_visit < requested)
    rule = "after the visit of its own row"
    table.note("HOIDONTARVE_AJANKOHTA", rule, backwards, "taken as the day of the visit", mended=True)
    requested = np.where(backwards, own_visit, requested)
    unassessed = treating & np.isnat(assessed) & (contacts.source[0] == _code(contacts, "primary_care"))
    table.note(
        "HOIDONTARVE_AJANKOHTA", "treating visit without an assessment", unassessed, "kept, no request of its own"
    )
    cancelled = (table.codes("PERUUTUS_AJANKOHTA")[0] >= 0) | (table.codes("PERUUTUS_SYY")[0] >= 0)
    met = np.where(treating, own_visit, _NAT)
    rows = np.flatnonzero(asked & table.kept)
    waiting = rows[np.isnat(met[rows]) & ~cancelled[rows]]
    met[waiting] = _next_visit(contacts, np.flatnonzero(treating & np.isnat(assessed) & table.kept), waiting, requested)
    closed = np.where(cancelled & np.isnat(met), cancelled_at.astype("datetime64[D]"), _NAT)
    reason = np.where(cancelled & np.isnat(met), "cancelled", None).astype(object)
    return pd.DataFrame(
        {
            "person_id": pd.array(people.ids)[contacts.place[rows]],
            "requested": requested[rows].astype("datetime64[us]"),
            "service": _services(contacts)[rows],
            "urgency": translated(table, "HTA_KIIREELLISYYS", "urgency", assessed)[0][rows],
            "met": met[rows].astype("datetime64[us]"),
            "closed": closed[rows].astype("datetime64[us]"),
            "closed_reason": reason[rows],
        }
    )


def _treating(contacts: Contacts) -> np.ndarray:
    """Visits that treat one person: realised, not for prevention, not only between professionals."""
    table = contacts.table
    one = table.codes("KAYNTI_KAVIJARYHMA")
    alone = np.append(np.array([level == _ONE_PERSON for level in one[1]], dtype=bool), True)[one[0]]
    return (contacts.target == "event") & table.kept & alone & ~_holds(table, ("KAYNTI_LUONNE",), _PREVENTION)


def _holds(table, columns: tuple[str, ...], code: str) -> np.ndarray:
    found = np.zeros(len(table), dtype=bool)
    for column in columns:
        codes, levels = table.codes(column)
        found |= np.append(np.array([level == code for level in levels], dtype=bool), False)[codes]
    return found


def _code(contacts: Contacts, source: str) -> int:
    names = contacts.source[1]
    return names.index(source) if source in names else -2


def _refuse_late(
    table, asked: np.ndarray, requested: np.ndarray, place: np.ndarray, people: People, extract_day: int | None
) -> None:
    """Requests outside the person's life or after the extract are no requests; a visit of the row still counts."""
    day = np.where(asked, requested.astype(np.int64), 0)
    outside = asked & ((day < people.birth_day[place]) | (day > people.death_day[place]))
    if extract_day is not None:
        outside |= asked & (day > extract_day)
    table.note(
        "HOIDONTARVE_AJANKOHTA", "outside the person's life or after extract_date", outside, "no request", mended=True
    )
    asked &= ~outside


def _next_visit(contacts: Contacts, visits: np.ndarray, waiting: np.ndarray, requested: np.ndarray) -> np.ndarray:
    """Day of the person's first of these visits from the day of each request on; NaT where there is none."""
    seen = np.unique(person_days(contacts.place[visits], contacts.time[visits]))
    begins = requested[waiting].astype(np.int64)
    first, last = person_range(seen, contacts.place[waiting], begins)
    days = np.append(days_of(seen), 0)[np.minimum(first, len(seen))].astype("datetime64[D]")
    return np.where(first < last, days, _NAT)


def _services(contacts: Contacts) -> np.ndarray:
    """Service of the visit, else of the booking; None where neither tells it."""
    table = contacts.table
    visited = translated(table, "KAYNTI_PALVELUMUOTO", "service", contacts.time)[0]
    booked = translated(table, "AJANVARAUS_PALVELUMUOTO", "service")[0]
    return np.where(pd.isna(visited), booked, visited)
