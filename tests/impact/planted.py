"""A county of persons with known risks, a list of the highest, and an effect that we put there ourselves."""

import numpy as np
import pandas as pd

from servicenee import EventCounts, FeatureSet, Outcome, Registers

INDEX_DATE = pd.Timestamp("2023-01-01")
OUTCOME = Outcome(["contact:=emergency"], horizon_days=365)
FEATURES = FeatureSet(
    [("before", EventCounts(["contact:=emergency"], lookback_days=365)), ("age", EventCounts(["contact:=visit"]))]
)
TEAMS = 10


def planted_county(seed, *, n_persons=5_000, listed_share=0.15, hold_out=0.0, avoided=0.0, by_staff=False):
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
        {"person_id": ids, "birth_date": pd.Timestamp("1945-01-01"), "sex": "female", "team": [f"team {t}" for t in team]}
    )
    events = pd.concat(
        [
            _events(rng, np.repeat(ids, visits), "visit", INDEX_DATE - pd.Timedelta(days=365)),
            _events(rng, np.repeat(ids, before), "emergency", INDEX_DATE - pd.Timedelta(days=365)),
            _events(rng, ids[happens & ~spared], "emergency", INDEX_DATE),
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


def _events(rng, ids, code, start):
    time = start + pd.to_timedelta(rng.integers(365, size=len(ids)), unit="D")
    return pd.DataFrame(
        {"person_id": ids, "time": time, "source": "contacts", "code_system": "contact", "code": code}
    )
