"""Contacts of the synthetic county in; the requests for care behind them, met, withdrawn or waiting, out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee.registers.county_parameters import Calendar, county_table
from servicenee.registers.county_people import NEVER, People
from servicenee.registers.county_rows import Rows, kind_of

SERVICES = ("primary_care", "specialist_care")
_DAY_BITS = 20  # days up to NEVER
_YEARS = 3  # requests are recorded in the years before the extract only
_ASKED_SHARE = (0.35, 0.5)  # of the visits; the others are planned follow-up
_SAME_DAYS_SHARE, _SAME_DAYS = 0.3, 3  # of the requests in primary care, met within days whatever the queue
_MEAN_WAIT_DAYS = (11.0, 75.0)
_WAIT_SHAPE = 1.3
_WITHDRAWN_PER_DAY = (1 / 110, 1 / 700)
_CHANGE_PER_YEAR = -0.15  # of the log of the waits: access gets better
_SMALL_PLACE, _OTHER_LANGUAGE = 0.25, 0.2  # longer waits, on the log
_SMALL_PLACE_PERSONS = 8_000


@dataclass(frozen=True)
class Requests:
    """Requests as arrays of one length; `met` and `closed` are NEVER where that did not happen before the extract."""

    person: np.ndarray
    requested: np.ndarray
    service: np.ndarray
    met: np.ndarray
    closed: np.ndarray

    def where(self, kept: np.ndarray) -> "Requests":
        """The requests for which `kept` is true."""
        return Requests(*(column[kept] for column in self.__dict__.values()))


def county_requests(
    people: People, events: Rows, reported: Rows, exit_day: np.ndarray, calendar: Calendar, rng
) -> Requests:
    """The requests of some persons: each visit that was asked for, those withdrawn on the way, and the queue.

    A queue at the extract is made of visits still to come: those of the last months are repeated after the extract,
    or requests would thin out towards it and waits would look short. A visit that happened but has not been reported
    leaves its request open, as in a real extract.
    """
    made = []
    for service, source in enumerate(("primary_care", "outpatient")):
        kind = kind_of(source, "contact", "visit")
        happened = np.unique(_visit_days(events, kind, calendar))
        horizon = min(8 * int(_MEAN_WAIT_DAYS[service]), calendar.extract - calendar.start)
        person, day = happened >> _DAY_BITS, happened & (2**_DAY_BITS - 1)
        recent = day >= calendar.extract - horizon
        person, day = np.r_[person, person[recent]], np.r_[day, day[recent] + horizon]
        asked = rng.random(len(person)) < _ASKED_SHARE[service]
        person, day = person[asked], day[asked]
        requested = day - _waits(people, person, day, service, calendar, rng)
        withdrawn = requested + 1 + rng.exponential(1 / _WITHDRAWN_PER_DAY[service], len(day)).astype(np.int64)
        told = np.isin((person << _DAY_BITS) + day, _visit_days(reported, kind, calendar))
        everything = Requests(
            person,
            requested,
            np.full(len(person), service),
            np.where(told & (day <= withdrawn), day, NEVER),
            np.where((withdrawn < day) & (withdrawn < calendar.extract), withdrawn, NEVER),
        )
        first = max(calendar.start, calendar.extract - 365 * _YEARS)
        made.append(everything.where((requested >= first) & (requested < calendar.extract)))
    found = Requests(*(np.concatenate([getattr(part, name) for part in made]) for name in Requests.__annotations__))
    here = (found.requested >= people.entry_day[found.person]) & (found.requested < exit_day[found.person])
    found = found.where(here)
    order = np.lexsort((found.closed, found.met, found.service, found.requested, found.person))
    found = found.where(order)
    # One request a day for one service; a second one would be the same.
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (found.person, found.requested, found.service):
        same &= column[1:] == column[:-1]
    return found.where(np.r_[True, ~same]) if len(order) else found


def _visit_days(events: Rows, kind: int, calendar: Calendar) -> np.ndarray:
    """Person and day of the visits before the extract, packed into one number each."""
    visits = events.where((events.kind == kind) & (events.day < calendar.extract))
    return (visits.person.astype(np.int64) << _DAY_BITS) + visits.day


def request_frame(parts: list[tuple[Requests, int]], ids: np.ndarray) -> pd.DataFrame:
    """The requests table of some blocks, each with the number of its first person."""
    person = np.concatenate([part.person + shift for part, shift in parts])
    requested, service, met, closed = (
        np.concatenate([getattr(part, name) for part, _ in parts]) for name in ("requested", "service", "met", "closed")
    )
    return pd.DataFrame(
        {
            "person_id": ids[person],
            "requested": _dates(requested),
            "service": np.array(SERVICES, dtype=object)[service],
            "urgency": np.full(len(person), "non_urgent", dtype=object),
            "met": _dates(met),
            "closed": _dates(closed),
            "closed_reason": np.where(closed < NEVER, "cancelled", None),
        }
    )


def _waits(people: People, person: np.ndarray, day: np.ndarray, service: int, calendar: Calendar, rng) -> np.ndarray:
    """Days waited, by place, language and year."""
    towns = county_table("municipalities")
    small = (towns["population_2022"].to_numpy() < _SMALL_PLACE_PERSONS)[people.area[person]]
    years_back = (day - calendar.extract) / 365.25
    log_mean = (
        np.log(_MEAN_WAIT_DAYS[service])
        + _CHANGE_PER_YEAR * years_back
        + _SMALL_PLACE * small
        + _OTHER_LANGUAGE * (people.language[person] == 2)
    )
    waits = rng.gamma(_WAIT_SHAPE, np.exp(log_mean) / _WAIT_SHAPE)
    soon = (rng.random(len(person)) < _SAME_DAYS_SHARE) & (service == 0)
    return np.where(soon, rng.integers(0, _SAME_DAYS + 1, len(person)), waits).astype(np.int64)


def _dates(days: np.ndarray) -> np.ndarray:
    dates = days.astype("datetime64[D]").astype("datetime64[us]")
    dates[days == NEVER] = np.datetime64("NaT", "us")
    return dates
