"""Shared fixtures: small tables written by hand, and one synthetic county for the whole session."""

# ruff: noqa: E402
import os
import subprocess
import sys
from pathlib import Path

# One thread for each test worker and for what it starts: more only wait for each other. Read when numpy is loaded.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from servicenee import Cohort, Registers, make_registers

# The same examples in every run, however busy the machine: a test that fails today failed yesterday too.
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def county() -> Registers:
    return make_registers(1_500, random_state=0)


def one_person(days=(), *, stays=(), coverage=None, extract_date="2025-01-01", **person) -> Registers:
    """Registers of one woman born in 1940, with emergency visits on `days` and (start, end, kind) `stays`."""
    persons = pd.DataFrame(
        {"person_id": ["a"], "birth_date": pd.to_datetime(["1940-06-15"]), "sex": ["female"]}
        | {name: pd.to_datetime([value]) for name, value in person.items()}
    )
    events = pd.DataFrame(
        {
            "person_id": pd.Series(["a"] * len(days), dtype=object),
            "time": pd.to_datetime(pd.Series(days, dtype=object), format="ISO8601"),
            "source": "emergency",
            "code_system": "contact",
            "code": "visit",
        }
    )
    listed = pd.DataFrame(
        {
            "person_id": pd.Series(["a"] * len(stays), dtype=object),
            "start": pd.to_datetime(pd.Series([stay[0] for stay in stays], dtype=object)),
            "end": pd.to_datetime(pd.Series([stay[1] for stay in stays], dtype=object)),
            "source": pd.Series([_SOURCE[stay[2]] for stay in stays], dtype=object),
            "kind": pd.Series([stay[2] for stay in stays], dtype=object),
        }
    )
    return Registers(persons, events, listed, coverage=coverage, extract_date=extract_date)


_SOURCE = {
    "home_care": "home_care",
    "round_the_clock": "round_the_clock_care",
    "interval_care": "round_the_clock_care",
    "inpatient_unplanned": "inpatient",
}


def seen_on(registers: Registers, *dates: str) -> Cohort:
    """The persons of the registers on each of the dates."""
    ids = registers.persons["person_id"]
    frame = pd.DataFrame({"person_id": np.repeat(ids.to_numpy(), len(dates)), "index_date": list(dates) * len(ids)})
    return Cohort.from_frame(registers, frame)


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """Working directory of a small demo that a shell ran, in a folder with spaces and letters beyond ASCII, and what
    it said. Its files are in the folder `demo`."""
    folder = tmp_path_factory.mktemp("oma demo, sisältö äå", numbered=False)
    arguments = [
        sys.executable,
        "-m",
        "servicenee",
        "demo",
        "--persons",
        "1500",
        "--output",
        "demo",
        "--language",
        "en",
    ]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture
def person():
    return one_person


@pytest.fixture
def seen():
    return seen_on
