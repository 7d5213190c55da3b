"""Real events with known sums: persons with and without fatty liver, times in days from entry (tests/data/nafld)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from servicenee import Codelist, Cohort, EventCounts, LatestValue, Registers

FOLDER = Path(__file__).parents[1] / "data" / "nafld"
ENTRY = pd.Timestamp("2000-01-01")  # day 0 of everybody


def _day(days: pd.Series) -> pd.Series:
    return ENTRY + pd.to_timedelta(days, unit="D")


def _events(rows: pd.DataFrame, source: str, code: str, value=np.nan) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "person_id": rows["id"],
            "time": _day(rows["days"]),
            "source": source,
            "code_system": "nafld",
            "code": rows[code],
            "value": value,
        }
    )


@pytest.fixture(scope="module", params=["drop", "keep"])
def at_entry(request) -> Cohort:
    people, measured, found = (pd.read_parquet(FOLDER / f"nafld{number}.parquet") for number in (1, 2, 3))
    born = _day(-(people["age"] * 365.25).astype(int))
    sex = people["male"].map(["female", "male"].__getitem__)
    followed_to = _day(people["futime"] + 1)  # without it, many would be over 110 at the extract
    persons = pd.DataFrame({"person_id": people["id"], "birth_date": born, "sex": sex, "registered_to": followed_to})
    events = [_events(measured, "laboratory", "test", measured["value"]), _events(found, "diagnoses", "event")]
    registers = Registers(
        persons, pd.concat(events, ignore_index=True), extract_date="2025-01-01", duplicates=request.param
    )
    rows = pd.DataFrame({"person_id": people["id"], "index_date": ENTRY})
    return Cohort.from_frame(registers, rows)


def test_diagnoses_before_entry(at_entry):
    codes = Codelist({"diabetes": ["nafld:diabetes"], "hypertension": ["nafld:htn"]}, name="diagnoses")
    counts = EventCounts(by=codes, source="diagnoses", lookback_days=[None, 1825, 365]).fit_transform(at_entry)
    assert counts.sum().astype(int).tolist() == [2_393, 1_227, 302, 5_022, 2_479, 505]


def test_cholesterol_measurements_in_the_year_before_entry(at_entry):
    n = EventCounts(["nafld:chol"], lookback_days=365).fit_transform(at_entry).to_numpy().sum(dtype=float)
    assert n == (10_588 if len(at_entry.registers.findings) else 10_663)


def test_latest_cholesterol_in_five_years_before_entry(at_entry):
    latest = LatestValue(["nafld:chol"], lookback_days=1825).fit_transform(at_entry)
    assert np.nansum(latest, dtype=float) == 680_189


def test_exact_duplicates_are_counted_only_where_they_are_dropped(at_entry):
    findings = at_entry.registers.findings
    n_kept = len(at_entry.registers.event_columns)
    assert findings["fault"].tolist() in ([], ["exact duplicate"])
    assert n_kept + int(findings["n"].sum()) == 400_123 + 34_340
