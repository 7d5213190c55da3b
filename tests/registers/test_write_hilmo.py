"""Registers to a delivery and back: the same registers, whatever faults the delivery has, and every fault counted."""

import re
import time

import numpy as np
import pandas as pd
import pytest

from servicenee import Registers, make_registers, read_hilmo, write_hilmo
from servicenee.registers.hilmo_faults import FAULTS
from servicenee.texts import text

TABLES = ("persons", "events", "stays", "coverage")


@pytest.fixture(scope="module")
def small() -> Registers:
    return make_registers(150, random_state=3).replaced(requests=None)


def assert_same(first: Registers, second: Registers) -> None:
    assert first.extract_date == second.extract_date
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(first, table), getattr(second, table))


def counted(registers: Registers) -> pd.Series:
    """How many rows have each fault."""
    return registers.findings.groupby("fault")["n"].sum()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"start": "2012-01-01", "extract_date": "2016-06-01"},  # the codes of 2014 and of 2015
        {"start": "2020-01-01", "extract_date": "2025-03-01"},  # the housing terms of 2023
        {"ages": (18, 29)},  # mental-health and substance-use services
    ],
    ids=["2018-2023", "2012-2016", "2020-2025", "young adults"],
)
def test_the_round_trip_returns_the_same_registers(tmp_path, options):
    registers = make_registers(60, random_state=1, **options).replaced(requests=None)
    write_hilmo(registers, tmp_path)
    again = read_hilmo(tmp_path)
    assert_same(again, registers)
    assert again.requests is None
    assert (again.account[["repaired", "set_aside"]] == 0).all(axis=None)


def test_all_faults_together_change_nothing_and_each_is_counted(tmp_path, small):
    planted = write_hilmo(small, tmp_path, faults="all", random_state=0)
    assert set(planted["fault"]) == set(FAULTS)
    again = read_hilmo(tmp_path, tolerance=0.3)
    assert_same(again, small)
    expected = planted[planted["counted_as"] != ""].groupby("counted_as")["n"].sum()
    pd.testing.assert_series_equal(
        counted(again)[expected.index], expected, check_names=False, check_dtype=False, check_index_type=False
    )
    account = again.account
    assert (account["delivered"] == account[["unchanged", "repaired", "set_aside"]].sum(axis=1)).all()
    for fault in again.findings["fault"]:
        assert text("faults." + re.sub(r"[^a-z0-9]+", "_", fault.lower()).strip("_"), "sv")
    # Every line of every file is in the account, but for the header and the files that are not read.
    lines = {file.name: file.read_bytes().count(b"\n") - 1 for file in tmp_path.iterdir()}
    delivered = account.set_index("table")["delivered"].drop(["persons", "events", "stays"]).to_dict()
    assert delivered == {name: n for name, n in lines.items() if name not in ("saate.txt", "THL_HILMO_PSYKP.csv")}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_alone(tmp_path, small, fault):
    planted = write_hilmo(small, tmp_path, faults=[fault], random_state=0)
    again = read_hilmo(tmp_path, tolerance=0.3)
    assert_same(again, small)
    for rule, n in planted[planted["counted_as"] != ""].groupby("counted_as")["n"].sum().items():
        assert counted(again)[rule] == n


def test_the_same_seed_writes_the_same_bytes(tmp_path, small):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        write_hilmo(small, folder, faults="all", random_state=7)
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes()


def with_requests(registers: Registers) -> Registers:
    """Requests that visits met, that were cancelled and that still wait, of persons of these registers."""
    events, persons = registers.events, registers.persons
    events = events[events["person_id"].isin(persons.loc[persons["death_date"].isna(), "person_id"])]
    visits = events[(events["source"] == "primary_care") & (events["code"] == "visit")]
    visits = visits[visits["time"] >= "2019-06-01"].drop_duplicates("person_id", ignore_index=True)
    wait = pd.to_timedelta(np.arange(len(visits)) % 20, unit="D").astype("timedelta64[us]")
    late = registers.extract_date - pd.Timedelta(days=1)
    n, n_waiting = len(visits), len(visits) // 2
    requests = pd.DataFrame(
        {
            "person_id": [*visits["person_id"], *visits["person_id"][:n_waiting]],
            "requested": pd.array([*(visits["time"] - wait), *[late] * n_waiting], dtype="datetime64[us]"),
            "service": ["primary_care"] * n + ["oral_health"] * n_waiting,
            "urgency": "non_urgent",
            "met": pd.array([*visits["time"], *[pd.NaT] * n_waiting], dtype="datetime64[us]"),
        }
    )
    closed = requests["met"].isna() & (requests.index % 2 == 0)
    requests["closed"] = pd.Series(late, index=requests.index).where(closed).astype("datetime64[us]")
    requests["closed_reason"] = np.where(closed, "cancelled", None)
    tables = {name: getattr(registers, name) for name in TABLES}
    return Registers(**tables, requests=requests, extract_date=registers.extract_date)


def test_requests_come_back(tmp_path, small):
    registers = with_requests(small)
    write_hilmo(registers, tmp_path)
    again = read_hilmo(tmp_path)
    order = ["person_id", "service", "requested"]
    assert registers.requests["met"].notna().sum() > 20
    assert registers.requests["closed"].notna().sum() > 5
    pd.testing.assert_frame_equal(
        again.requests.sort_values(order, ignore_index=True),
        registers.requests.sort_values(order, ignore_index=True),
        check_dtype=False,
    )
    assert_same(again, small)


@pytest.mark.parametrize("ages", [(65, None), (18, 29)], ids=["old", "young"])
def test_requests_of_the_county_for_primary_care_come_back_met_closed_or_waiting(tmp_path, ages):
    """Queues of specialist care are in other deliveries than AvoHilmo."""
    registers = make_registers(300, random_state=3, ages=ages)
    write_hilmo(registers, tmp_path)
    again = read_hilmo(tmp_path)
    order = ["person_id", "service", "requested"]
    expected = registers.requests[registers.requests["service"] == "primary_care"].sort_values(order, ignore_index=True)
    assert expected["met"].isna().sum() > expected["closed"].notna().sum() > 5
    pd.testing.assert_frame_equal(again.requests.sort_values(order, ignore_index=True), expected, check_dtype=False)
    pd.testing.assert_frame_equal(again.events, registers.events)


def test_a_table_that_is_only_a_header_is_an_empty_table(tmp_path):
    write_hilmo(make_registers(20, random_state=0), tmp_path)
    for file in sorted(tmp_path.iterdir()):
        content = file.read_bytes()
        file.write_bytes(content.split(b"\n")[0])
        registers = read_hilmo(tmp_path, extract_date="2024-01-01", tolerance=1.0)
        assert (registers.account.set_index("table").at[file.name, "delivered"]) == 0
        file.write_bytes(content)


def test_rows_alike_are_kept_on_request(tmp_path, small):
    write_hilmo(small, tmp_path)
    purchases = tmp_path / "LAAKEOSTOT.csv"
    purchases.write_bytes(purchases.read_bytes() + purchases.read_bytes().split(b"\n")[1] + b"\n")
    assert len(read_hilmo(tmp_path).events) == len(small.events)
    assert len(read_hilmo(tmp_path, duplicates="keep").events) == len(small.events) + 1


def test_what_a_delivery_has_no_place_for_is_named(tmp_path, small):
    tables = {name: getattr(small, name) for name in TABLES}
    odd = tables["events"].head(3).assign(source="moon", code_system="contact", code="MARKER99")
    registers = Registers(**tables | {"events": pd.concat([tables["events"], odd])}, extract_date=small.extract_date)
    with pytest.raises(ValueError, match="it has none for moon, contact, MARKER99"):
        write_hilmo(registers, tmp_path / "odd")
    registers = Registers(**tables | {"persons": tables["persons"].assign(height=1.0)}, extract_date=small.extract_date)
    with pytest.raises(ValueError, match="persons has height"):
        write_hilmo(registers, tmp_path / "odd")
    assert not (tmp_path / "odd").exists()


def test_a_service_without_its_contact_has_no_place(tmp_path):
    young = make_registers(60, random_state=1, ages=(18, 29))
    lonely = young.events[(young.events["source"] != "mental_health") | (young.events["code_system"] == "service")]
    registers = Registers(young.persons, lonely, young.stays, extract_date=young.extract_date)
    with pytest.raises(ValueError, match="services of mental_health come without the other at their time"):
        write_hilmo(registers, tmp_path / "odd")


def test_bad_arguments(tmp_path, small):
    with pytest.raises(ValueError, match=r"`faults` must be among .*got \['moths'\]"):
        write_hilmo(small, tmp_path, faults=["moths"])
    with pytest.raises(ValueError, match=r"got \['everything'\]"):
        write_hilmo(small, tmp_path, faults="everything")
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="which holds something"):
        write_hilmo(small, tmp_path)
    with pytest.raises(ValueError, match="which is none"):
        read_hilmo(tmp_path / "none")
    with pytest.raises(ValueError, match="`duplicates` must be one of"):
        read_hilmo(tmp_path, duplicates="some")


def test_the_callers_coverage_and_extract_date_count_before_those_of_the_folder(tmp_path, small):
    write_hilmo(small, tmp_path)
    coverage = small.coverage.assign(reporting_lag_days=1)
    again = read_hilmo(tmp_path, extract_date="2024-02-01", coverage=coverage)
    assert again.extract_date == pd.Timestamp("2024-02-01")
    assert (again.coverage["reporting_lag_days"] == 1).all()


@pytest.mark.slow
def test_a_million_rows_take_seconds(tmp_path):
    registers = make_registers(5_000, random_state=0).replaced(requests=None)
    write_hilmo(registers, tmp_path)
    began = time.process_time()
    again = read_hilmo(tmp_path)
    took = time.process_time() - began
    assert again.account["delivered"].sum() > 1_800_000  # 960,000 lines of files, and the events made of them
    assert took < 10
    assert_same(again, registers)
