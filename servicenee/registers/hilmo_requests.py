"""AvoHilmo to requests for care: the assessment of need starts the clock, the first treating contact stops it."""

import numpy as np
import pandas as pd

from servicenee.registers.delivery import Delivered
from servicenee.registers.hilmo_contacts import Contacts
from servicenee.registers.hilmo_people import People, translated
from servicenee.registers.hilmo_visits import days_of, distinct_days, person_range

_PREVENTION = "TH"
_PRIMARY_CARE = "primary_care"  # what a request is for that names no service
_CANCELLED = "cancelled"
_ONE_PERSON = "1"
_NAT = np.datetime64("NaT", "D")


def read_requests(contacts: Contacts, people: People, extract_day: int | None) -> pd.DataFrame | None:
    """One row per assessment of the need for treatment; None where AvoHilmo has no assessments.

    A request is met by the visit of its own row, else by the person's first treating visit of the same service, from
    its day on, that has no assessment of its own; cancelled without a visit, it is closed. Visits for prevention, for
    groups and case handling do not treat. The clock counts days: an assessment dated after its own visit was made on
    the day of the visit.
    """
    table = contacts.table
    assessed = table.dates("HOIDONTARVE_AJANKOHTA")
    if np.isnat(assessed[table.kept]).all():
        return None
    treating, service = _treating(contacts), _services(contacts)
    requested, own_visit = assessed.astype("datetime64[D]"), contacts.time.astype("datetime64[D]")
    asked = ~np.isnat(requested) & ~_holds(table, ("HTA_LUONNE", "KAYNTI_LUONNE"), _PREVENTION)
    asked &= ~_outside(table, asked, requested, contacts.place, people, extract_day)
    backwards = asked & treating & (own_visit < requested)
    rule = "after the visit of its own row"
    table.note("HOIDONTARVE_AJANKOHTA", rule, backwards, "taken as the day of the visit")
    requested = np.where(backwards, own_visit, requested)
    unassessed = treating & np.isnat(assessed)
    rule = "treating visit without an assessment"
    told = unassessed & (service == _PRIMARY_CARE)
    table.note("HOIDONTARVE_AJANKOHTA", rule, told, "kept, no request of its own")
    closed = _closed(contacts, asked & ~treating)
    rows = np.flatnonzero(asked & table.kept)
    met = np.where(treating, own_visit, _NAT)
    waiting = rows[~treating[rows] & ~contacts.cancelled[rows]]
    met[waiting] = _next_visit(contacts, np.flatnonzero(unassessed & table.kept), waiting, requested, service)
    return pd.DataFrame(
        {
            "person_id": people.ids[contacts.place[rows]],
            "requested": requested[rows].astype("datetime64[us]"),
            "service": service[rows],
            "urgency": translated(table, "HTA_KIIREELLISYYS", "urgency", assessed)[0][rows],
            "met": met[rows].astype("datetime64[us]"),
            "closed": closed[rows].astype("datetime64[us]"),
            "closed_reason": np.where(np.isnat(closed[rows]), None, _CANCELLED).astype(object),
        }
    )


def _treating(contacts: Contacts) -> np.ndarray:
    """Visits that treat one person: realised, not for prevention, not only between professionals."""
    table = contacts.table
    one = table.codes("KAYNTI_KAVIJARYHMA")
    alone = np.append(np.array([level == _ONE_PERSON for level in one[1]], dtype=bool), True)[one[0]]
    return (contacts.target == "event") & table.kept & alone & ~_holds(table, ("KAYNTI_LUONNE",), _PREVENTION)


def _holds(table: Delivered, columns: tuple[str, ...], code: str) -> np.ndarray:
    found = np.zeros(len(table), dtype=bool)
    for column in columns:
        codes, levels = table.codes(column)
        found |= np.append(np.array([level == code for level in levels], dtype=bool), False)[codes]
    return found


def _outside(
    table: Delivered,
    asked: np.ndarray,
    requested: np.ndarray,
    place: np.ndarray,
    people: People,
    extract_day: int | None,
) -> np.ndarray:
    """True for assessments outside the person's life or after the extract: no requests; a visit of the row counts."""
    day = np.where(asked, requested.astype(np.int64), 0)
    outside = np.zeros(len(day), dtype=bool)
    if len(people.ids):
        outside |= asked & ((day < people.birth_day[place]) | (day > people.death_day[place]))
    if extract_day is not None:
        outside |= asked & (day > extract_day)
    rule = "outside the person's life or after extract_date"
    table.note("HOIDONTARVE_AJANKOHTA", rule, outside, "taken as missing")
    return outside


def _closed(contacts: Contacts, asked: np.ndarray) -> np.ndarray:
    """Day on which requests without a visit were cancelled; NaT for all others."""
    table = contacts.table
    cancelled_at = table.dates("PERUUTUS_AJANKOHTA").astype("datetime64[D]")
    cancelled = asked & contacts.cancelled
    undated = cancelled & np.isnat(cancelled_at)
    table.note("PERUUTUS_AJANKOHTA", "cancelled, but the day is not told", undated, "kept as a request still open")
    return np.where(cancelled, cancelled_at, _NAT)


def _next_visit(
    contacts: Contacts, visits: np.ndarray, waiting: np.ndarray, requested: np.ndarray, service: np.ndarray
) -> np.ndarray:
    """Day of the person's first of these visits of the same service from the day of each request on, else NaT."""
    services, names = pd.factorize(np.where(pd.isna(service), _PRIMARY_CARE, service))
    person = contacts.place.astype(np.int64) * len(names) + services
    seen = distinct_days(person[visits], contacts.time[visits])
    first, last = person_range(seen, person[waiting], requested[waiting].astype(np.int64))
    days = np.append(days_of(seen), 0)[np.minimum(first, len(seen))].astype("datetime64[D]")
    return np.where(first < last, days, _NAT)


def _services(contacts: Contacts) -> np.ndarray:
    """Service of the visit, else of the booking; None where neither tells it."""
    table = contacts.table
    visited = translated(table, "KAYNTI_PALVELUMUOTO", "service", contacts.time)[0]
    booked = translated(table, "AJANVARAUS_PALVELUMUOTO", "service")[0]
    return np.where(pd.isna(visited), booked, visited)
