"""A folder of any size becomes parts, one in memory at a time, and the parts together are the whole."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from servicenee import Registers, make_registers, read_registers, write_registers
from servicenee.exceptions import RegisterError, ServiceneeWarning
from servicenee.registers.fingerprint import content_sum
from servicenee.registers.parts import Words, with_words
from servicenee.registers.splitting import split_folder

MARKER = "MARKER99"  # stands for a person: must be in no message


@pytest.fixture(scope="module")
def county() -> Registers:
    return make_registers(150, random_state=3)


@pytest.fixture(scope="module")
def whole(county, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("registers") / "whole"
    write_registers(county, folder)
    return folder


def _assert_same(left: Registers, right: Registers) -> None:
    for table in ("persons", "events", "stays", "coverage"):
        pd.testing.assert_frame_equal(getattr(left, table), getattr(right, table), check_exact=True)
    for columns in ("event_columns", "stay_columns"):
        pd.testing.assert_frame_equal(getattr(left, columns).kinds, getattr(right, columns).kinds)
        assert getattr(left, columns).kind.dtype == getattr(right, columns).kind.dtype
    assert left.extract_date == right.extract_date


def _numbered(county: Registers) -> Registers:
    """The county with whole numbers for ids, of which a few are large."""
    ids = county.persons["person_id"].tolist()
    number = {person: at * at * 1_000_003 for at, person in enumerate(ids)}
    tables = {
        name: getattr(county, name).assign(person_id=lambda table: table["person_id"].map(number).astype("int64"))
        for name in ("persons", "events", "stays")
    }
    return Registers(**tables, coverage=county.coverage, extract_date=county.extract_date)


@pytest.mark.parametrize("format", ["parquet", "csv"])
@pytest.mark.parametrize("ids", ["text", "numbers"])
def test_a_folder_in_parts_holds_what_reading_it_as_a_whole_gives(county, tmp_path, format, ids):
    write_registers(county if ids == "text" else _numbered(county), tmp_path / "whole", format=format)
    write_registers(tmp_path / "whole", tmp_path / "parts", partitions=3)
    _assert_same(read_registers(tmp_path / "whole"), read_registers(tmp_path / "parts"))


def test_parts_of_a_folder_are_those_of_registers_in_memory(county, whole, tmp_path):
    write_registers(whole, tmp_path / "prepared", partitions=4)
    write_registers(county, tmp_path / "written", partitions=4)
    for number in range(4):
        part = f"part-{number:05d}"
        _assert_same(read_registers(tmp_path / "prepared" / part), read_registers(tmp_path / "written" / part))


def test_parts_as_others_lay_them_out_are_read_together(county, whole, tmp_path):
    manifest = json.loads((whole / "registers.json").read_text())
    split_folder([whole], tmp_path / "theirs", 3, manifest)
    _assert_same(read_registers(tmp_path / "theirs"), county)
    write_registers(tmp_path / "theirs", tmp_path / "ours", partitions=2)
    _assert_same(read_registers(tmp_path / "ours"), county)


def test_a_part_knows_the_words_of_the_whole(county, whole, tmp_path):
    write_registers(whole, tmp_path / "parts", partitions=20)
    part = read_registers(tmp_path / "parts" / "part-00000")
    assert len(np.unique(part.event_columns.kind)) < len(part.event_columns.kinds)
    pd.testing.assert_frame_equal(part.event_columns.kinds, county.event_columns.kinds)
    assert part.person_columns.extra["area"].levels == county.person_columns.extra["area"].levels
    pd.testing.assert_frame_equal(part.coverage, county.coverage)


def test_registers_of_some_persons_are_given_the_words_of_the_whole(county):
    some = county.persons["person_id"].head(5)
    tables = {name: getattr(county, name) for name in ("persons", "events", "stays")}
    few = {name: table[table["person_id"].isin(some)] for name, table in tables.items()}
    registers = Registers(**few, coverage=county.coverage, extract_date=county.extract_date)
    areas = {"area": county.person_columns.extra["area"].levels}
    renamed = with_words(registers, Words(county.event_columns.kinds, county.stay_columns.kinds, areas))
    pd.testing.assert_frame_equal(renamed.event_columns.kinds, county.event_columns.kinds)
    for table in ("persons", "events", "stays"):
        pd.testing.assert_frame_equal(getattr(renamed, table), getattr(registers, table))


def test_there_is_a_part_for_every_10_000_persons(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("servicenee.registers.files.PERSONS_PER_PART", 70)
    write_registers(whole, tmp_path / "parts")
    assert sorted(part.name for part in (tmp_path / "parts").iterdir()) == ["part-00000", "part-00001", "part-00002"]


def test_rows_of_nobody_are_set_aside_and_counted(county, tmp_path):
    write_registers(county, tmp_path / "whole")
    strangers = county.events.iloc[:40].assign(person_id=[f"{MARKER}{number}" for number in range(40)])
    pd.concat([county.events, strangers]).to_parquet(tmp_path / "whole" / "events.parquet")
    with pytest.warns(ServiceneeWarning, match=r"^rows were set aside: 40 of events\.person_id: not among") as told:
        write_registers(tmp_path / "whole", tmp_path / "parts", partitions=4)
    assert MARKER not in str(told[0].message)
    assert len(read_registers(tmp_path / "parts").event_columns) == len(county.event_columns)


def test_a_folder_without_an_extract_date_needs_one(county, tmp_path):
    write_registers(county, tmp_path / "whole")
    (tmp_path / "whole" / "registers.json").unlink()
    with pytest.raises(ValueError, match=r"`extract_date` must be given for a folder without registers\.json"):
        write_registers(tmp_path / "whole", tmp_path / "parts")
    write_registers(tmp_path / "whole", tmp_path / "parts", partitions=2, extract_date="2024-01-01")
    assert read_registers(tmp_path / "parts").extract_date == pd.Timestamp("2024-01-01")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_what_a_column_holds_is_decided_by_all_parts(tmp_path):
    """In text files: ids are whole numbers if all are, and a column of which some values are numbers is text."""
    folder = tmp_path / "whole"
    folder.mkdir()
    rows = [f"{person},1940-05-01,female,{team}" for person, team in enumerate(["1", "2", "3", "B", "5", "6"])]
    (folder / "persons.csv").write_text("\n".join(["person_id,birth_date,sex,team", *rows, ""]))
    events = [f"{person},2023-03-01,emergency,contact,visit" for person in range(6)]
    (folder / "events.csv").write_text("\n".join(["person_id,time,source,code_system,code", *events, ""]))
    write_registers(folder, tmp_path / "parts", partitions=3, extract_date="2024-01-01")
    registers = read_registers(tmp_path / "parts")
    assert registers.persons["person_id"].tolist() == [0, 1, 2, 3, 4, 5]
    assert registers.persons["team"].tolist() == ["1", "2", "3", "B", "5", "6"]
    _assert_same(registers, read_registers(folder, extract_date="2024-01-01"))


@pytest.mark.parametrize("damaged", ["persons", "events", "stays"])
def test_a_folder_that_cannot_be_read_leaves_the_old_parts(county, damaged, tmp_path):
    write_registers(county, tmp_path / "parts", partitions=2)
    before = _bytes(tmp_path / "parts")
    write_registers(county, tmp_path / "whole")
    file = tmp_path / "whole" / f"{damaged}.parquet"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match=rf"{damaged}\.parquet: cannot be read"):
        write_registers(tmp_path / "whole", tmp_path / "parts", partitions=2)
    assert _bytes(tmp_path / "parts") == before
    assert not (tmp_path / ".parts.partial").exists()


def test_parts_are_parquet(county, tmp_path):
    with pytest.raises(ValueError, match='`format` must be "parquet" for parts'):
        write_registers(county, tmp_path / "parts", partitions=2, format="csv")


def test_the_fingerprint_of_the_content_is_the_sum_of_those_of_the_parts(county, tmp_path):
    write_registers(county, tmp_path / "parts", partitions=3)
    of_parts = [content_sum(read_registers(part)) for part in (tmp_path / "parts").iterdir()]
    assert sum(of_parts) % 2**64 == content_sum(county)
    moved = county.events
    moved.loc[7, "time"] += pd.Timedelta(minutes=1)
    other = Registers(county.persons, moved, county.stays, coverage=county.coverage, extract_date=county.extract_date)
    assert content_sum(other) != content_sum(county)


def test_the_faults_of_all_parts_are_told_together(county, tmp_path):
    """Every unreadable time is in a part of its own: a person's rows are."""
    write_registers(county, tmp_path / "whole", format="csv")
    events = pd.read_csv(tmp_path / "whole" / "events.csv", dtype=str)
    events["value"] = events["value"].where(events.index % 2 == 0, MARKER)
    events["time"] = events["time"].where(events.index % 3 == 0, MARKER)
    events.to_csv(tmp_path / "whole" / "events.csv", index=False)
    with pytest.raises(RegisterError) as told:
        write_registers(tmp_path / "whole", tmp_path / "parts", partitions=12)
    assert sum("time" in finding for finding in told.value.findings) >= 8
    assert len(told.value.findings) == 21
    assert told.value.findings[-1].endswith("more findings of this kind in other parts.")
    assert MARKER not in str(told.value)
    assert not (tmp_path / "parts").exists()


def test_parts_that_are_prepared_are_not_prepared_again(county, tmp_path):
    write_registers(county, tmp_path / "parts", partitions=2)
    with pytest.raises(ValueError, match="got parts that are prepared already"):
        write_registers(tmp_path / "parts", tmp_path / "again", partitions=3)


def test_parts_say_which_of_how_many_of_which_extract_they_are(county, whole, tmp_path):
    write_registers(whole, tmp_path / "parts", partitions=3)
    write_registers(whole, tmp_path / "again", partitions=3)
    write_registers(make_registers(150, random_state=4), tmp_path / "other", partitions=3)
    said = {
        name: [json.loads((part / "registers.json").read_text()) for part in sorted((tmp_path / name).iterdir())]
        for name in ("parts", "again", "other")
    }
    assert said["parts"] == said["again"]
    assert [(part["part"], part["parts"]) for part in said["parts"]] == [(0, 3), (1, 3), (2, 3)]
    assert len({part["content"] for part in said["parts"]}) == 3
    assert {part["extract"] for part in said["parts"]}.isdisjoint(part["extract"] for part in said["other"])
