"""A small model that looks at single codes, saved, and the county it scores: as a whole and in seven parts."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from servicenee import (
    Demographics,
    EventCounts,
    FeatureSet,
    NeedClassifier,
    NeedModel,
    Outcome,
    Population,
    StayDays,
    make_registers,
    save_model,
    write_registers,
)

CARE = ["stay:home_care", "stay:round_the_clock"]


def small_model(name: str, outcome: str) -> NeedModel:
    """Columns by code: a part of the county does not hold all of these codes."""
    features = FeatureSet(
        [
            Demographics(),
            ("diagnoses", EventCounts(["ICD-10:I", "ICD-10:F"], by="code", lookback_days=730)),
            ("contacts", EventCounts("contacts", source=("primary_care", "emergency"), by="source")),
            ("hospital", StayDays("inpatient_unplanned", source="inpatient")),
        ]
    )
    return NeedModel(
        Population(70, without=CARE), features, NeedClassifier(random_state=0), Outcome(outcome), name=name
    )


@pytest.fixture(scope="session")
def scored_county():
    return make_registers(900, random_state=1)


@pytest.fixture(scope="session")
def model(scored_county):
    return small_model("home_care", "home_care_start").fit(scored_county, ["2020-06-01", "2021-06-01"])


@pytest.fixture(scope="session")
def second_model(scored_county):
    return small_model("admission", "unplanned_admission").fit(scored_county, "2021-06-01")


@pytest.fixture(scope="session")
def kept(model, scored_county, tmp_path_factory) -> SimpleNamespace:
    """Folders: the saved model, the registers as a whole, and in seven parts."""
    root: Path = tmp_path_factory.mktemp("kept")
    write_registers(scored_county, root / "whole")
    write_registers(scored_county, root / "parts", partitions=7)
    return SimpleNamespace(model=save_model(model, root / "model"), whole=root / "whole", parts=root / "parts")
