"""Commands do what their help says, tell errors in one line, and end with an exit code a scheduler understands."""

import json
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

import servicenee
from servicenee import (
    NeedModel,
    Population,
    RuleSegmenter,
    arguments,
    cli,
    make_registers,
    read_registers,
    refitting,
    save_model,
    tracking,
    write_hilmo,
)
from servicenee.cli import main
from servicenee.lists import read_access_log, read_record
from servicenee.segments import scheme_features
from tests.test_privacy import held_in, ids_of

COMMANDS = ("demo", "check", "prepare", "train", "predict", "lists", "impact", "monitor")


@pytest.fixture(scope="module")
def demo(demo_run) -> Path:
    """Folder of a small demo, whose path has spaces and letters beyond ASCII, as in every test below."""
    return demo_run[0] / "demo"


def help_of(*arguments) -> str:
    run = subprocess.run([sys.executable, "-m", "servicenee", *arguments, "--help"], capture_output=True, text=True)
    assert run.returncode == 0
    return run.stdout


def test_help_is_a_table_of_contents():
    shown = help_of()
    assert [name for name in COMMANDS if re.search(rf"^    {name} ", shown, re.MULTILINE)] == list(COMMANDS)
    assert "servicenee COMMAND --help" in shown
    assert len(re.findall(r"^    \w.+", shown, re.MULTILINE)) == len(COMMANDS), "one line each"
    assert "ends with 0 when done" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example_of_itself(command):
    assert f"example:\n  servicenee {command} " in help_of(command)


def test_looking_at_the_help_loads_nothing_heavy():
    code = "import sys, servicenee.cli; print(sorted({'sklearn', 'pandas', 'mlflow', 'matplotlib'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_without_a_command_the_help_is_shown_and_the_code_is_2(capsys):
    assert main([]) == 2
    assert "servicenee COMMAND --help" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--persons", "many"],
        ["forecast"],
        ["lists", "model", "registers", "scores", "list.xlsx"],
        ["train", "home_care_start_12m", "registers", "--capacity", "5%"],
        ["train", "home_care_start_12m", "registers", "--refits", "everything"],
    ],
    ids=["not a number", "no such command", "no purpose", "no number of persons", "no such refit"],
)
def test_wrong_arguments_end_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "servicenee" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "no-model", "no-registers", "out.parquet"], "holds no manifest.json"),
        (
            ["train", "no-definition", "no-registers"],
            "is neither a folder with a definition.py nor one of the shipped models (",
        ),
        (["demo", "--persons", "10"], "`n_persons` must be a whole number of at least 1500; got 10."),
        (
            ["train", "home_care_start_12m", "no-registers", "--capacity", "0"],
            "`capacity` must be a whole number from 1",
        ),
        (["lists", "m", "r", "no.parquet", "l.xlsx", "--purpose", "client_work"], "no.parquet is not there."),
    ],
    ids=["predict", "train", "demo", "capacity", "scores"],
)
def test_an_error_is_one_line_and_the_code_1(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"servicenee {arguments[0]}: ")
    assert said in told.err
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_error_nobody_foresaw_is_one_line_without_its_text(capsys, monkeypatch):
    def fail(arguments):
        return {}["310140-123A"]

    monkeypatch.setitem(cli._RUN, "check", fail)
    assert main(["check", "registers", "--quiet"]) == 1
    told = capsys.readouterr().err
    assert re.fullmatch(
        r"servicenee check: KeyError in servicenee\.cli, line \d+\. Please report it with this line\n", told
    )


def test_a_file_that_is_no_table_is_named(tmp_path, capsys):
    scores = tmp_path / "scores.parquet"
    scores.write_text("person_id\n310140-123A\n")
    assert main(["lists", "model", "registers", str(scores), "list.xlsx", "--purpose", "client_work", "--quiet"]) == 1
    assert capsys.readouterr().err == f"servicenee lists: {scores} cannot be read as Parquet. Write the file again.\n"


def test_a_table_that_holds_no_scores_is_refused(demo, tmp_path, capsys):
    events, listing = str(demo / "registers" / "events.parquet"), str(tmp_path / "list.xlsx")
    arguments = [str(demo / "model"), str(demo / "registers"), events, listing, "--purpose", "client_work", "--quiet"]
    assert main(["lists", *arguments]) == 1
    assert capsys.readouterr().err == (
        f"servicenee lists: {events} must hold scores as `servicenee predict` writes them; it has no persons.\n"
    )


def test_looking_for_a_model_makes_no_store(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking, "_is_default_store", lambda mlflow: True)  # whatever other tests have chosen
    assert main(["predict", "models:/none@champion", "no-registers", "out.parquet", "--quiet"]) == 1
    assert f"there is no MLflow store in {tmp_path / 'mlruns'}. Go to" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_refits_are_those_of_the_library():
    assert arguments.REFITS == refitting.REFITS


def test_no_extract_is_replaced_by_its_own_parts(demo, capsys):
    registers = str(demo / "registers")
    assert main(["prepare", registers, registers, "--quiet"]) == 1
    assert "`path` must be another folder than the registers" in capsys.readouterr().err
    assert (demo / "registers" / "persons.parquet").is_file()


def test_no_process_is_no_number_of_processes(demo, tmp_path, capsys):
    paths = [str(demo / "model"), str(demo / "registers"), str(tmp_path / "scores.parquet")]
    assert main(["predict", *paths, "--jobs", "0", "--quiet"]) == 1
    assert "`n_jobs` must be at least 1, or -1" in capsys.readouterr().err


# --- demo ------------------------------------------------------------------------------------------------------------


def test_the_demo_leaves_everything_it_promises(demo):
    made = {path.relative_to(demo).as_posix() for path in demo.rglob("*")}
    assert {
        "summary.html",
        "evaluation.html",
        "protected/list.xlsx",
        "protected/scores.parquet",
        "model/manifest.json",
        "mlruns/mlflow.db",
        "registers/persons.parquet",
    } <= made


def test_the_page_shows_county_attrition_measures_and_where_to_go(demo):
    page = (demo / "summary.html").read_text("utf-8")
    for words in (
        "Every person is invented",
        "No regular home care or round-the-clock care for 365 days",
        "Observed : expected",
        "data:image/svg+xml;base64,",
        "The commonest reasons on the list",
        'href="protected/list.xlsx"',
        "mlflow ui",
    ):
        assert words in page, words
    addresses = re.findall(r'href="([^"]+)"', page)
    assert [address for address in addresses if not (demo / address).exists()] == []


def test_the_demo_ends_in_what_to_open_and_tells_its_progress_on_stderr(demo_run, demo):
    said = demo_run[1]
    assert str(demo / "summary.html") in said.stdout
    assert str(demo / "protected" / "list.xlsx") in said.stdout
    assert f'--backend-store-uri "sqlite:///{demo / "mlruns" / "mlflow.db"}"' in said.stdout
    assert "making a county of 1,500 persons" in said.stderr
    manifest = json.loads((demo / "model" / "manifest.json").read_text("utf-8"))
    assert manifest["name"] == "home_care_start_12m"


@pytest.mark.slow  # a second demo
def test_once_more_into_the_same_folder_files_are_replaced_and_runs_kept(demo, capsys):
    summary = demo / "summary.html"
    summary.write_text("of yesterday", encoding="utf-8")
    assert main(["demo", "--output", str(demo), "--persons", "1500", "--language", "en", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert "Every person is invented" in summary.read_text("utf-8")
    assert len({path.parent for path in (demo / "mlruns").rglob("calibration.png")}) == 2


# --- check -----------------------------------------------------------------------------------------------------------


def test_check_tells_the_quality_on_the_terminal_and_as_a_page(demo, tmp_path, capsys):
    page = tmp_path / "quality.html"
    arguments = ["check", str(demo / "registers"), "--output", str(page), "--language", "en", "--quiet"]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert told.startswith("Quality of the registers: Extract of 1 January 2024\nRegisters(1,500 persons, ")
    assert f"open {page}" in told
    assert held_in(tmp_path, ids_of(demo / "registers")) == {}
    assert "Rows by week" in page.read_text("utf-8")


def test_check_reads_omop_tables_too(capsys):
    folder = Path(__file__).parent / "data" / "omop_synpuf"
    assert main(["check", str(folder), "--language", "en", "--quiet"]) == 0
    assert "concept 0 or none" in capsys.readouterr().out


def test_check_reads_finnish_deliveries_too(tmp_path, capsys):
    write_hilmo(make_registers(60, random_state=0), tmp_path / "delivery", faults=["copies"], random_state=0)
    arguments = ["check", str(tmp_path / "delivery"), "--language", "fi", "--quiet", "--force"]
    assert main(arguments) == 0
    assert "täsmälleen sama rivi toiseen kertaan" in capsys.readouterr().out


def _damaged(demo: Path, folder: Path, damage) -> str:
    """The registers of the demo with other events."""
    for file in (demo / "registers").iterdir():
        shutil.copy(file, folder)
    damage(pd.read_parquet(folder / "events.parquet")).to_parquet(folder / "events.parquet")
    return str(folder)


def test_check_shows_registers_that_are_refused_and_ends_with_1(demo, tmp_path, capsys):
    untimed = _damaged(demo, tmp_path, lambda events: events.assign(time=events["time"].where(events.index % 20 > 0)))
    assert main(["check", untimed, "--language", "en", "--quiet"]) == 1
    told = capsys.readouterr()
    assert "missing or placeholder date" in told.out
    assert "at most 1% is tolerated" in told.err


def test_check_ends_with_1_when_a_feed_seems_to_have_stopped_unless_forced(demo, tmp_path, capsys):
    stopped = _damaged(
        demo, tmp_path, lambda events: events[(events["source"] != "home_care") | (events["time"] < "2023-11-01")]
    )
    assert main(["check", stopped, "--language", "en", "--quiet"]) == 1
    told = capsys.readouterr()
    assert "Caution: a feed seems to have stopped (Home care visits)" in told.out
    assert "has under 60 % of its usual rows" in told.err
    assert main(["check", stopped, "--language", "en", "--quiet", "--force"]) == 0


# --- the other commands, on what the demo made -----------------------------------------------------------------------


def test_predict_and_lists_give_what_the_demo_gave(demo, tmp_path, capsys):
    model, registers = str(demo / "model"), str(demo / "registers")
    scores, listing = tmp_path / "scores.parquet", tmp_path / "list.xlsx"
    assert main(["predict", model, registers, str(scores), "--quiet"]) == 0
    pd.testing.assert_frame_equal(
        pd.read_parquet(scores), pd.read_parquet(demo / "protected" / "scores.parquet"), check_exact=True
    )
    arguments = [model, registers, str(scores), str(listing), "--purpose", "client_work", "--language", "en"]
    arguments += ["--legal-basis", "made-up data, no real persons"]
    assert main(["lists", *arguments, "--quiet"]) == 0
    assert listing.read_bytes() == (demo / "protected" / "list.xlsx").read_bytes()
    told = capsys.readouterr()
    assert re.search(r"^\d+ persons scored: ", told.out, re.MULTILINE)
    assert re.search(r"^\d+ persons listed: ", told.out, re.MULTILINE)
    assert told.err == "", "quiet"


def test_a_list_is_recorded_comes_back_and_the_next_one_knows(demo, tmp_path, capsys):
    model, registers = str(demo / "model"), str(demo / "registers")
    scores, folder = str(tmp_path / "scores.parquet"), str(tmp_path / "protected")
    common = ["--purpose", "client_work", "--language", "en", "--legal-basis", "test", "--protected", folder]
    common += ["--user", "analyst", "--ground", "test", "--quiet"]
    assert main(["predict", model, registers, scores, "--date", "2023-11-01", "--quiet"]) == 0
    first = tmp_path / "first.xlsx"
    assert main(["lists", model, registers, scores, str(first), *common]) == 0
    book = openpyxl.load_workbook(first)
    headings = [cell.value for cell in book["List"][2]]
    book["List"].cell(3, headings.index("Decision (choose)") + 1).value = "Already known"
    book.save(first)
    assert main(["predict", model, registers, scores, "--date", "2023-12-01", "--quiet"]) == 0
    capsys.readouterr()
    second = str(tmp_path / "second.html")
    assert main(["lists", model, registers, scores, second, *common, "--returned", str(first)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^1 of \d+ rows filled in: ", told, re.MULTILINE)
    assert "row 3, Date: The decision has no date. Add the date." in told
    assert re.search(r"^recorded as 2023-12-01-[0-9a-f]{10}$", told, re.MULTILINE)
    page = Path(second).read_text("utf-8")
    assert "Left out: already known or current services are enough: fewer than 5" in page
    assert "was on the list of 1 November 2023" in page
    assert main(["lists", model, registers, scores, second, *common]) == 0, "another copy of the same list"
    assert read_record(folder)["list_id"].nunique() == 2, "is recorded once"
    assert read_access_log(folder)["action"].tolist() == ["written"] * 3, "and logged"


def test_segments_stand_on_the_list_once_their_model_is_named(demo, tmp_path, capsys):
    model, registers = str(demo / "model"), str(demo / "registers")
    pyramid = NeedModel(Population(65), scheme_features(), RuleSegmenter("needs_pyramid"), name="pyramid")
    save_model(pyramid.fit(read_registers(registers), "2023-01-01"), tmp_path / "pyramid")
    scores, segments = str(demo / "protected" / "scores.parquet"), str(tmp_path / "segments.parquet")
    assert main(["predict", str(tmp_path / "pyramid"), registers, segments, "--quiet"]) == 0
    common = ["--purpose", "client_work", "--language", "en", "--segments", segments, "--quiet"]
    assert main(["lists", model, registers, scores, str(tmp_path / "list.html"), *common]) == 1
    assert "`segments_model` must be given" in capsys.readouterr().err
    common += ["--segments-model", str(tmp_path / "pyramid"), "--legal-basis", "test"]
    assert main(["lists", model, registers, scores, str(tmp_path / "list.html"), *common]) == 0
    page = (tmp_path / "list.html").read_text("utf-8")
    assert "Proposal: case management" in page
    assert "A named worker and one shared plan (Care coordinator)" in page


def test_impact_writes_a_page_and_a_workbook(demo, tmp_path, capsys):
    assert main(["impact", str(demo / "registers"), "--output", str(tmp_path), "--language", "sv", "--quiet"]) == 0
    assert "Effektindikatorer" in (tmp_path / "impact.html").read_text("utf-8")
    assert held_in(tmp_path, ids_of(demo / "registers")) == {}, "no person in the workbook either"
    assert "Vård inom 7 dygn" in pd.read_excel(tmp_path / "impact.xlsx", header=None).iloc[4, 0]
    assert str(tmp_path / "impact.xlsx") in capsys.readouterr().out


@pytest.fixture(scope="module")
def trained(demo, tmp_path_factory) -> tuple[Path, str, str]:
    """Folder of a definition that was trained, and what was said; it keeps features that are constant here."""
    source = Path(servicenee.__file__).parent.parent / "models" / "home_care_start_12m"
    definition = shutil.copytree(source, tmp_path_factory.mktemp("definition") / "home_care_start_12m")
    text = (definition / "definition.py").read_text("utf-8").replace('.without("home_care")', "")
    (definition / "definition.py").write_text(text, encoding="utf-8")
    arguments = [str(definition), str(demo / "registers"), "--mlruns", str(demo / "mlruns"), "--alias", "challenger"]
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        assert main(["train", *arguments, "--about", "A made-up county.", "--capacity", "30"]) == 0
    return definition, out.getvalue(), err.getvalue()


def test_train_registers_the_model_and_writes_card_and_measures(trained, demo):
    definition, out, _ = trained
    assert held_in(definition, ids_of(demo / "registers")) == {}
    assert re.search(r"models:/home_care_start_12m/\d+", out)
    card = (definition / "card.md").read_text("utf-8")
    assert "A made-up county." in card
    assert "_To be written:_" not in card
    facts = json.loads((definition / "metrics.json").read_text("utf-8"))
    measures = {row["metric"]: row for row in facts["evaluation"]["metrics"]}
    assert 0.5 < measures["auc"]["value"] < 1
    assert measures["auc"]["lower"] < measures["auc"]["value"] < measures["auc"]["upper"]
    assert facts["evaluation"]["index_date"] == "2022-10-01"
    assert facts["training"]["n_rows"] > 100


def test_a_note_of_the_library_becomes_one_line(trained):
    """A feature that is constant in this county is told, without the Python behind it."""
    notes = [line for line in trained[2].splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert "sum_contacts_home_care_30d (constant)" in notes[0]


def test_the_shipped_card_and_measures_belong_to_the_shipped_definition():
    folder = Path(servicenee.__file__).parent.parent / "models" / "home_care_start_12m"
    facts = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert facts["model"] == folder.name
    assert (folder / "card.md").read_text("utf-8").startswith(f"# {folder.name}, version {facts['version']}\n")
    assert "_To be written:_" not in (folder / "card.md").read_text("utf-8")
