"""`servicenee monitor` and `predict --shadow` say in a page, a line and an exit code what a scheduler has to know."""

import json

import pandas as pd
import pytest

from servicenee import save_model, write_registers
from servicenee.cli import main
from servicenee.monitoring import Monitoring
from servicenee.persistence import manifest_sha256
from tests.monitoring.conftest import stopped

pytestmark = pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")
CALM = ["--date", "2023-06-01"]  # before outcomes are known, which would take seconds to judge


@pytest.fixture(scope="module")
def folders(fitted, four_sources, tmp_path_factory):
    """The model, the registers, and the same with a feed that stopped."""
    root = tmp_path_factory.mktemp("command")
    write_registers(four_sources, root / "registers")
    write_registers(stopped(four_sources, "emergency", days=240), root / "stopped")
    return str(save_model(fitted, root / "model")), str(root / "registers"), str(root / "stopped")


def test_all_well_ends_with_0_and_one_line_of_json(folders, capsys):
    model, registers, _ = folders
    assert main(["monitor", model, registers, *CALM, "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "well"


def test_a_feed_that_stopped_ends_with_1_and_the_page_is_written_all_the_same(folders, tmp_path, capsys):
    model, _, registers = folders
    page, log = tmp_path / "monitor.html", tmp_path / "runs.jsonl"
    arguments = ["monitor", model, registers, *CALM, "--output", str(page), "--log", str(log), "--quiet"]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.err == (
        "servicenee monitor: do not score with this model on these registers (stopped events emergency). Mend the "
        "cause, or use --force.\n"
    )
    assert "Seis" in page.read_text("utf-8")
    assert main([*arguments, "--force"]) == 0
    assert [json.loads(line)["status"] for line in log.read_text("utf-8").splitlines()] == ["stop", "look"]


def test_an_expired_model_is_refused_by_both_commands_unless_forced(folders, fitted, tmp_path, capsys):
    _, registers, _ = folders
    model = str(save_model(fitted.renewed("2023-01-31"), tmp_path / "old"))
    scores = str(tmp_path / "scores.parquet")
    for command in (["monitor", model, registers, *CALM], ["predict", model, registers, scores, *CALM]):
        assert main([*command, "--quiet"]) == 1
        assert "is valid until 2023-01-31; the index date is 2023-06-01" in capsys.readouterr().err
        assert main([*command, "--quiet", "--force"]) == 0
    assert pd.read_parquet(scores)["risk"].between(0, 1).all()


def test_a_model_in_the_shadow_is_compared_and_leaves_no_scores(folders, tmp_path, capsys):
    model, registers, _ = folders
    scores = tmp_path / "scores.parquet"
    assert (
        main(["predict", model, registers, str(scores), "--shadow", model, "--capacity", "50", "--quiet", *CALM]) == 0
    )
    said = capsys.readouterr().out
    assert "beside visit 2024-01-01:" in said
    values = dict(line.split() for line in said.splitlines()[2:])
    assert (float(values["listed"]), float(values["agreement"]), float(values["mean_difference"])) == (50, 1, 0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["scores.parquet", "scores.unscored.parquet"]


def refused(arguments: list[str], capsys) -> str:
    """What is said of a command that fails."""
    assert main([*arguments, "--quiet"]) == 1
    return capsys.readouterr().err


def test_what_is_wrong_with_a_challenger_is_said_before_anything_is_scored(folders, fitted, tmp_path, capsys):
    model, registers, _ = folders
    scores = tmp_path / "scores.parquet"
    command = ["predict", model, registers, str(scores)]
    expired = str(save_model(fitted.renewed("2023-01-31"), tmp_path / "old"))
    assert "is valid until 2023-01-31; the index date is 2024-01-01" in refused([*command, "--shadow", expired], capsys)
    assert "holds no manifest.json" in refused([*command, "--shadow", str(tmp_path)], capsys)
    two = ["--date", "2023-06-01", "2023-07-01"]
    assert "--shadow compares on one index date; got 2" in refused([*command, "--shadow", model, *two], capsys)
    one_hash = ["--sha256", manifest_sha256(model)]
    told = refused([*command, "--shadow", expired, *one_hash], capsys)
    assert "--sha256 must be given once for each of the 2 models" in told
    told = refused([*command, "--shadow", expired, *one_hash, "--sha256", "0" * 64], capsys)
    assert "differs from `expected_sha256`" in told
    assert not list(tmp_path.glob("*scores*")), "nothing was begun"


def test_force_reaches_the_challenger(folders, fitted, tmp_path, capsys):
    model, registers, _ = folders
    expired = str(save_model(fitted.renewed("2023-01-31"), tmp_path / "old"))
    scores = str(tmp_path / "scores.parquet")
    assert main(["predict", model, registers, scores, "--shadow", expired, "--force", "--quiet", *CALM]) == 0
    assert "beside visit" in capsys.readouterr().out


def test_the_line_is_in_the_log_even_if_the_store_cannot_be_reached(folders, tmp_path, monkeypatch):
    model, registers, _ = folders
    monkeypatch.setattr(Monitoring, "log", _unreachable)
    log = tmp_path / "runs.jsonl"
    assert main(["monitor", model, registers, *CALM, "--log", str(log), "--experiment", "any", "--quiet"]) == 1
    assert json.loads(log.read_text("utf-8"))["status"] == "well"


def _unreachable(monitoring, *, experiment: str) -> str:
    raise OSError("the store cannot be reached")
