"""The thirty faults of register data: each has rows in tests/data/faults.csv, and each row shows what becomes of it.

A row with damage is put among good rows: it must be found, counted once and treated as the row says, and no good row
may be lost. A row without damage concerns more than one row of a table (a fit, a list, a feed); it names the tests that
show it.
"""

import csv
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from servicenee import Registers
from servicenee.registers.findings import effect_of

ROOT = Path(__file__).parents[2]
with (ROOT / "tests" / "data" / "faults.csv").open(encoding="utf-8", newline="") as _lines:
    ROWS = list(csv.DictReader(_lines))
DAMAGED = [row for row in ROWS if row["table"]]
N_GOOD = 200
SPLIT = ("combination of codes", "more than two codes in one")
DATES = ("time", "birth_date", "death_date", "start", "end", "registered_from", "registered_to", "available_at")


def good() -> dict[str, list[dict]]:
    """Good tables; codes are numbered so that every event can be told from the others."""
    persons = [
        {"person_id": "alive", "birth_date": "1940-05-01", "sex": "female"},
        {"person_id": "dead", "birth_date": "1940-05-01", "sex": "male", "death_date": "2021-06-10"},
    ]
    events = [
        {
            "person_id": "alive",
            "time": f"2020-01-02T{8 + n // 60:02}:{n % 60:02}",
            "source": "emergency",
            "code": f"{n}",
        }
        for n in range(N_GOOD)
    ]
    stays = [
        {"person_id": "alive", "start": "2021-03-10", "end": "2021-03-20", "source": "inpatient", "kind": "planned"}
    ]
    stays += [stays[0] | {"start": f"2019-{n:02}-01", "end": f"2019-{n:02}-09"} for n in range(1, 13)]
    return {"persons": persons, "events": [{"code_system": "own", **event} for event in events], "stays": stays}


def with_fault(row: dict) -> dict[str, list[dict]]:
    """The good tables with the row's damage on a copy of their first row, last in its table."""
    tables, table = good(), row["table"]
    fresh = {"persons": {"person_id": "third"}, "events": {"code": "of its own"}, "stays": {}}[table]
    tables[table].append(tables[table][0] | fresh | json.loads(row["damage"]))
    return tables


def registers(tables: dict[str, list[dict]]) -> Registers:
    frames = {}
    for name, rows in tables.items():
        frame = pd.DataFrame(rows)
        for column in [column for column in DATES if column in frame]:
            frame[column] = frame[column].astype("datetime64[us]")  # as to_datetime does not, it holds the year 2999
        if "value" in frame:
            frame["value"] = frame["value"].astype(float)
        frames[name] = frame
    return Registers(**frames, extract_date="2024-01-01", tolerance=0.1)


def test_all_thirty_faults_are_here():
    numbers = {int(row["number"]) for row in ROWS}
    assert numbers == set(range(1, 31))


@pytest.mark.parametrize("row", DAMAGED, ids=[f"{row['number']} {row['fault']}" for row in DAMAGED])
def test_a_fault_is_found_once_and_no_good_row_is_lost(row):
    tables = with_fault(row)
    made, undamaged = registers(tables), registers(good())
    found = [(one.fault, one.table, one.n, one.first_rows) for one in made.findings.itertuples()]
    last = len(tables[row["table"]]) - 1
    if row["finding"]:
        assert found == [(row["finding"], row["table"], 1, str(last))]
        assert effect_of(made.findings["action"][0]) == row["effect"]
    else:
        assert found == []
        assert row["effect"].removeprefix("kept as ") in set(made.events["code"])
    kept = set(made.events["code"])
    assert {f"{n}" for n in range(N_GOOD)} <= kept
    for name in ("persons", "stays"):
        before, after = (getattr(one, name) for one in (undamaged, made))
        merged = before.astype(str).merge(after.astype(str), how="left", indicator=True)
        assert (merged["_merge"] == "both").all()


@pytest.mark.parametrize("row", DAMAGED, ids=[f"{row['number']} {row['fault']}" for row in DAMAGED])
def test_rows_in_are_unchanged_repaired_or_set_aside(row):
    tables = with_fault(row)
    made = registers(tables)
    account = made.account.set_index("table")
    for name, rows in tables.items():
        line = account.loc[name]
        assert line["delivered"] == len(rows)
        assert line["delivered"] == line["unchanged"] + line["repaired"] + line["set_aside"]
        if not (name == "events" and row["finding"] in SPLIT):  # one row, several events
            assert len(getattr(made, name)) == line["unchanged"] + line["repaired"]


@pytest.mark.parametrize("told", sorted({one for row in ROWS for one in row["told_by"].split(";") if one}))
def test_the_tests_that_are_named_exist(told):
    path, _, name = told.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), told
