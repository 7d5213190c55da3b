"""A small county with four sources, a model of it, and ways to damage the county."""

import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from servicenee import (
    Demographics,
    EventCounts,
    FeatureSet,
    LatestValue,
    NeedClassifier,
    NeedModel,
    Outcome,
    Population,
    Registers,
    make_registers,
)
from servicenee.monitoring.drift import column_drift, count_columns
from servicenee.reference import Spread

SOURCES = ("emergency", "primary_care", "laboratory", "home_care")


def rebuilt(registers: Registers, events=None, stays=None, coverage=None, persons=None) -> Registers:
    """The registers with some of their tables replaced."""
    given = {"persons": persons, "events": events, "stays": stays, "coverage": coverage}
    tables = {name: getattr(registers, name) if table is None else table for name, table in given.items()}
    return Registers(**tables, extract_date=registers.extract_date, duplicates="keep")


def drift_of(spreads: list[Spread], X: pd.DataFrame, *, n_then: int) -> pd.DataFrame:
    """Columns of X compared with how they were spread in training."""
    return column_drift(spreads, count_columns(spreads, X), n_then=n_then)


def stopped(registers: Registers, source: str, days: int) -> Registers:
    """A feed that brought nothing in the last days before the extract."""
    last = registers.extract_date - pd.Timedelta(days=days)
    events = registers.events
    return rebuilt(registers, events[(events["source"] != source) | (events["time"] < last)])


@pytest.fixture(scope="session")
def four_sources() -> Registers:
    registers = make_registers(3_000, random_state=0)
    events = registers.events
    coverage = registers.coverage[registers.coverage["source"].isin(SOURCES)]
    stays = registers.stays.head(0)
    return rebuilt(registers, events[events["source"].isin(SOURCES)], stays, coverage)


@pytest.fixture(scope="session")
def fitted(four_sources) -> NeedModel:
    features = FeatureSet(
        [
            Demographics(columns=("age", "sex")),
            ("contacts", EventCounts("contacts", source=SOURCES[:2], by="source", lookback_days=365)),
            ("home_care", EventCounts("contacts", source="home_care", lookback_days=90)),
            ("laboratory", LatestValue(source="laboratory", by="laboratory", lookback_days=365)),
        ]
    )
    outcome = Outcome("emergency_visit")
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    model = NeedModel(Population(70), features, NeedClassifier(pipeline, random_state=0), outcome, name="visit")
    return model.fit(four_sources, ["2020-12-01", "2021-12-01"])
