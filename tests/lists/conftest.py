"""A small county of made-up persons, its scores, and a stand-in for the model that made them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from servicenee import EventCounts, Outcome, Population
from servicenee.lists import segment_list
from servicenee.registers import Registers

DATE = pd.Timestamp("2024-01-01")
LABELS = {
    "fi": "ympärivuorokautisen hoivan alkaminen",
    "sv": "början av dygnetruntvård",
    "en": "start of round-the-clock care",
}
_COLUMNS = "feature measure source codes group topic label_fi label_sv label_en".split()
VISITS = "count_contacts_emergency_365d"
_VISITS = [VISITS, "count", "emergency", "contacts", "", "acute_use"]
_CPS = ["CPS", "latest", "rai", "rai_scales", "CPS", "function"]
_DEPRESSION = ["depression", "count", "", "ICD-10:F32", "", "diagnoses"]
_SEX = ["sex_female", "sex_female", "", "", "female", "background"]
FEATURES = pd.DataFrame(
    [
        [*_VISITS, "Päivystyskäynnit", "Jourbesök", "Emergency visits"],
        [*_CPS, "Kognitio", "Kognition", "Cognition"],
        [*_DEPRESSION, "Masennus", "Depression", "Depressive disorder"],
        [*_SEX, "Nainen", "Kvinna", "Woman"],
    ],
    columns=_COLUMNS,
)
FACTS = [("sex_female", 1.0), ("depression", 3.0), (VISITS, 4.0), ("CPS", 2.0)]


@dataclass
class StandInModel:
    """What `segment_list` asks of a model."""

    name: str = "round_the_clock"
    version: str = "1.2.0"
    outcome: Outcome = field(default_factory=lambda: Outcome("round_the_clock_start"))
    population: Population = field(default_factory=Population)
    features: EventCounts = field(default_factory=lambda: EventCounts("contacts", source="emergency"))
    feature_table: pd.DataFrame = field(default_factory=lambda: FEATURES)
    asked: list = field(default_factory=list)

    def outcome_label(self, language):
        return LABELS[language]

    def reasons(self, registers, index, n_reasons):
        self.asked.append(list(index))
        facts = list(enumerate(FACTS[:n_reasons], start=1))
        rows = [(at, name, value, 0.0, 1 / at) for _ in index for at, (name, value) in facts]
        columns = ["order", "feature", "value", "reference", "contribution"]
        return pd.DataFrame(rows, columns=columns, index=index.repeat(len(facts)))


def small_county(n=60, areas=("Kokkola", "Veteli"), **changes):
    """Registers of n persons, areas in turn, all alive and living there; `changes` replace columns."""
    persons = pd.DataFrame(
        {
            "person_id": [f"p{number:04d}" for number in range(n)],
            "birth_date": pd.date_range("1930-01-01", periods=n, freq="200D"),
            "sex": ["female", "male"] * (n // 2) + ["female"] * (n % 2),
            "language": [("fi", "sv", "other")[number % 3] for number in range(n)],
            "area": [areas[number % len(areas)] for number in range(n)],
            "team": [f"team {number % 3}" for number in range(n)],
            "registered_to": pd.NaT,
            "death_date": pd.NaT,
        }
    )
    persons = persons.assign(**changes)
    events = pd.DataFrame(
        {
            "person_id": ["p0000"],
            "time": pd.to_datetime(["2023-03-01"]),
            "source": ["emergency"],
            "code_system": ["contact"],
            "code": ["visit"],
        }
    )
    stays = pd.DataFrame(
        {
            "person_id": ["p0000", "p0002", "p0004", "p0004"],
            "start": pd.to_datetime(["2022-01-01", "2022-01-01", "2023-12-20", "2023-01-01"]),
            "end": pd.to_datetime([None, "2023-06-01", None, None]),
            "source": ["home_care", "home_care", "inpatient", "home_care"],
            "kind": ["home_care", "home_care", "inpatient_unplanned", "home_care"],
        }
    )
    stays = stays[stays["person_id"].isin(persons["person_id"])]
    return Registers(persons, events, stays, extract_date=DATE)


def scores_of(registers, risk=None, model=None):
    """Scores of all persons; by default the first person has the highest risk."""
    model = model or StandInModel()
    ids = registers.persons["person_id"]
    risk = np.linspace(0.6, 0.01, len(ids)) if risk is None else np.asarray(risk, dtype=float)
    index = pd.MultiIndex.from_arrays([ids, [DATE] * len(ids)], names=["person_id", "index_date"])
    scores = pd.DataFrame({"risk": risk}, index=index)
    rank = scores["risk"].round(12).rank(ascending=False, method="first").fillna(len(ids))
    return scores.assign(rank=rank.astype(int), model=model.name, version=model.version)


@pytest.fixture
def make_county():
    return small_county


@pytest.fixture
def make_scores():
    return scores_of


@pytest.fixture
def make_model():
    return StandInModel


@pytest.fixture
def listing():
    """Makes a list of the small county with three persons per area; everything can be replaced."""

    def make(registers=None, scores=None, **options):
        registers = small_county() if registers is None else registers
        scores = scores_of(registers) if scores is None else scores
        given_options = {"model": StandInModel(), "purpose": "client_work", "capacity": 3, "legal_basis": "test"}
        given_options |= options
        return segment_list(scores, registers, **given_options)

    return make
