"""Nothing but registers, scores and lists holds a person: the bytes of everything a run leaves are searched."""

import base64
import io
import re
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from servicenee import read_registers

MAY_HOLD_PERSONS = ("registers", "protected")


@pytest.fixture(scope="module")
def run(demo_run) -> tuple[Path, subprocess.CompletedProcess]:
    """Working directory of a demo, and what it said."""
    return demo_run


def ids_of(registers: Path) -> list[bytes]:
    return [str(person).encode() for person in read_registers(registers).persons["person_id"]]


@pytest.fixture(scope="module")
def persons(run) -> list[bytes]:
    return ids_of(run[0] / "demo" / "registers")


def contents(file: Path):
    """The bytes of a file, of the members of an archive, and of what a page carries as base64."""
    data = file.read_bytes()
    yield data
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(file) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    for packed in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data):
        yield base64.b64decode(packed)


def found_in(data: bytes, persons: list[bytes]) -> int:
    """How many of the ids occur; ids of the synthetic county share a form, so one pattern finds them all."""
    return len(set(re.findall(rb"p[0-9a-f]{8}", data)) & set(persons))


def held_in(folder: Path, persons: list[bytes]) -> dict[str, int]:
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            found[file.relative_to(folder).as_posix()] = sum(found_in(data, persons) for data in contents(file))
    return {name: n for name, n in found.items() if n}


def test_the_pattern_matches_every_id(persons):
    assert found_in(b" ".join(persons), persons) == len(persons) == 1_500


def test_only_registers_scores_and_lists_hold_a_person(run, persons):
    holding = held_in(run[0] / "demo", persons)
    assert "protected/list.xlsx" in holding, "the search sees into archives"
    assert [name for name in holding if not name.startswith(MAY_HOLD_PERSONS)] == []


def test_the_search_went_through_database_model_reports_and_figures(run):
    names = {file.name for file in (run[0] / "demo").rglob("*") if file.is_file()}
    expected = {"mlflow.db", "manifest.json", "estimator.skops", "summary.html", "evaluation.html", "calibration.png"}
    assert expected <= names


def test_what_was_printed_and_logged_holds_no_person(run, persons):
    said = (run[1].stdout + run[1].stderr).encode()
    assert b"scoring with" in said
    assert found_in(said, persons) == 0


def test_nothing_is_left_outside_the_output_folder(run):
    assert [entry.name for entry in run[0].iterdir()] == ["demo"]


def test_a_scores_file_says_what_made_it_without_naming_a_person(run, persons):
    import pyarrow.parquet as pq

    metadata = pq.read_schema(run[0] / "demo" / "protected" / "scores.parquet").metadata
    assert found_in(b" ".join(metadata.values()), persons) == 0


def test_a_refusal_shows_no_person(run, persons, capsys):
    """Registers that lack a source, an unknown person asked about, a folder that is no model."""
    from servicenee import Registers, load_model
    from servicenee.exceptions import ModelError

    folder = run[0] / "demo"
    model, registers = load_model(folder / "model"), read_registers(folder / "registers")
    stranger = pd.MultiIndex.from_tuples([("p0badc0de", pd.Timestamp("2023-01-01"))], names=["person_id", "index_date"])
    without = Registers(registers.persons, registers.events.head(0), extract_date=registers.extract_date)
    messages = []
    for attempt in (
        lambda: model.predict(without),
        lambda: model.reasons(registers, stranger),
        lambda: model.evaluate(registers, "2020-01-01"),
        lambda: load_model(folder / "protected"),
    ):
        with pytest.raises((ModelError, ValueError)) as refused:
            attempt()
        messages.append(str(refused.value))
    said = " ".join(messages).encode() + capsys.readouterr().err.encode()
    assert b"0badc0de" not in said
    assert found_in(said, persons) == 0
