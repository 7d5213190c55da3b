"""Persons written by hand, and a county with an effect that we put there ourselves."""

import numpy as np
import pandas as pd
import pytest

from servicenee import Registers

COPIES = 12
_SOURCES = {
    "home_care": "home_care",
    "round_the_clock": "round_the_clock_care",
    "interval_care": "round_the_clock_care",
    "inpatient_unplanned": "inpatient",
    "inpatient_planned": "inpatient",
}


def _registers_of(*persons, extract_date="2024-06-01", requests=None, **columns) -> Registers:
    """Registers with `COPIES` of every person: dicts of stays (start, end, kind), events (day, source, code, value)."""
    people, stays, events = [], [], []
    for copy in range(COPIES):
        for number, person in enumerate(persons):
            identity = f"p{number}c{copy:02d}"
            facts = {"birth_date": "1940-06-15", "sex": "female", "death_date": None, "registered_to": None}
            facts |= {name: value for name, value in person.items() if name not in ("stays", "events")}
            people.append({"person_id": identity, **facts})
            stays += [(identity, *stay) for stay in person.get("stays", ())]
            events += [(identity, *event) for event in person.get("events", ())]
    people = pd.DataFrame(people)
    for name in ("birth_date", "death_date", "registered_to"):
        people[name] = people[name].astype("datetime64[us]")
    return Registers(people, _events(events), _stays(stays), requests, extract_date=extract_date, **columns)


def _stays(rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["person_id", "start", "end", "kind"], dtype=object)
    for name in ("start", "end"):
        frame[name] = frame[name].astype("datetime64[us]")
    return frame.assign(source=frame["kind"].map(_SOURCES).astype(object))


def _events(rows) -> pd.DataFrame:
    full = [(*row, *[np.nan] * (5 - len(row))) for row in rows]
    frame = pd.DataFrame(full, columns=["person_id", "time", "source", "code", "value"])
    system = np.where(frame["code"].isin(["visit", "home_visit", "remote"]), "contact", "ICD-10")
    return frame.assign(
        person_id=frame["person_id"].astype(object),
        time=frame["time"].astype("datetime64[us]"),
        source=frame["source"].astype(object),
        code=frame["code"].astype(object),
        code_system=system.astype(object),
        value=frame["value"].astype(float),
    )


INDEX_DATE = pd.Timestamp("2023-01-01")
TEAMS = 10


def _planted_county(seed, *, n_persons=5_000, listed_share=0.15, hold_out=0.0, avoided=0.0, by_staff=False):
    """Record of lists, scores and registers; the list spares a share `avoided` of the listed their next event.

    `by_staff`: who is listed depends on risk and chance, as when a nurse picks; else it is the top of every team.
    """
    rng = np.random.default_rng(seed)
    frailty = rng.normal(size=n_persons)
    visits = rng.poisson(np.exp(0.6 + 0.4 * frailty))
    before = rng.poisson(np.exp(-1.2 + 0.7 * frailty))
    logit = -2.0 + 0.35 * np.log1p(visits) + 0.8 * np.log1p(before)
    risk = 1 / (1 + np.exp(-logit - rng.normal(scale=0.05, size=n_persons)))
    truth = 1 / (1 + np.exp(-logit))
    team = rng.integers(TEAMS, size=n_persons)
    role = _roles(rng, risk, team, listed_share, hold_out, by_staff)
    happens = rng.random(n_persons) < truth
    spared = (role == "listed") & (rng.random(n_persons) < avoided)
    ids = np.array([f"p{number:05d}" for number in range(n_persons)], dtype=object)
    persons = pd.DataFrame(
        {
            "person_id": ids,
            "birth_date": pd.Timestamp("1945-01-01"),
            "sex": "female",
            "team": [f"team {t}" for t in team],
        }
    )
    events = pd.concat(
        [
            _contacts(rng, np.repeat(ids, visits), "visit", INDEX_DATE - pd.Timedelta(days=365)),
            _contacts(rng, np.repeat(ids, before), "emergency", INDEX_DATE - pd.Timedelta(days=365)),
            _contacts(rng, ids[happens & ~spared], "emergency", INDEX_DATE),
        ],
        ignore_index=True,
    )
    registers = Registers(persons, events, extract_date="2024-06-01", duplicates="keep")
    scores = pd.DataFrame({"person_id": ids, "index_date": INDEX_DATE, "risk": risk})
    on_record = role != ""
    record = scores[on_record].assign(team=persons["team"][on_record], role=role[on_record])
    effect = -avoided * truth[role == "listed"].mean()
    return record, scores, registers, float(effect)


def _roles(rng, risk, team, share, hold_out, by_staff):
    wish = np.log(risk) + (rng.logistic(scale=0.6, size=len(risk)) if by_staff else 0)
    role = np.full(len(risk), "", dtype=object)
    for one in range(TEAMS):
        at = np.flatnonzero(team == one)
        top = at[np.argsort(-wish[at], kind="stable")[: int(share * len(at))]]
        role[top] = np.where(rng.random(len(top)) < hold_out, "held_out", "listed")
    return role


def _contacts(rng, ids, code, start):
    time = start + pd.to_timedelta(rng.integers(365, size=len(ids)), unit="D")
    return pd.DataFrame({"person_id": ids, "time": time, "source": "contacts", "code_system": "contact", "code": code})


@pytest.fixture
def registers_of():
    """Registers of a few persons, each many times over."""
    return _registers_of


@pytest.fixture
def planted_county():
    """Record of lists, scores, registers and the effect that was planted in them."""
    return _planted_county
