"""The shipped models: definitions that only define, and cards whose figures are those that training measured."""

import ast
import json
import re
import runpy
from pathlib import Path

import pytest

from servicenee import NeedModel, make_registers
from servicenee.evaluation.card import PROMPT
from servicenee.training import card, measures, train

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "models").glob("*/definition.py"))
each_model = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
READS_OR_WRITES = {"open", "read_registers", "read_csv", "read_parquet", "Path", "make_registers", "print", "exec"}
YOUNG = "young_adult_mental_health_6m"


def names_of(folder: Path) -> dict:
    return runpy.run_path(str(folder / "definition.py"))


@each_model
def test_a_definition_is_short_and_neither_reads_nor_writes(folder):
    text = (folder / "definition.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= 80
    assert not {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & READS_OR_WRITES
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == ["servicenee"]


@each_model
def test_it_defines_a_model_of_its_name_and_says_who_may_use_it_for_what(folder):
    names = names_of(folder)
    model = names["define"]()
    assert isinstance(model, NeedModel)
    assert model.name == folder.name
    assert {"Intended use", "Not for", "Population and data", "Limits", "Ethics, oversight and contact"} <= set(
        names["CARD"]
    )


@each_model
def test_the_card_is_finished_and_shows_what_metrics_json_holds(folder):
    text = (folder / "card.md").read_text(encoding="utf-8")
    facts = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert PROMPT.strip() not in text
    assert facts["model"] == folder.name
    if "outcome" in facts:
        assert facts["outcome"]["label_type"] in ("need", "use", "cost")
    assert text.startswith(f"# {folder.name}, version {facts['version']}\n")
    assert f"{facts['training']['n_rows']:,} rows of {facts['training']['n_persons']:,} persons" in text
    shown = dict(re.findall(r"^\| (\w+) \| ([−\d.,]+) \|", text.split("## Performance")[1], re.MULTILINE))
    for row in facts["evaluation"]["metrics"]:
        if row["value"] is not None:
            written = float(shown[row["metric"]].replace("−", "-").replace(",", ""))
            assert written == pytest.approx(row["value"], abs=6e-4, rel=1e-3), row["metric"]


@pytest.mark.slow
@each_model
def test_training_gives_the_card_and_the_measures_of_any_registers(folder):
    ages = {"ages": (18, 29)} if folder.name == YOUNG else {}
    trained = train(folder, make_registers(3_000, random_state=1, **ages))
    text, facts = card(trained, "A small synthetic county."), measures(trained, "A small synthetic county.")
    assert PROMPT.strip() not in text
    if trained.model.is_segmenter:
        assert "outcome" not in facts
    else:
        assert trained.model.outcome.caveat("en") in text
        assert trained.model.outcome.definition.population in text
        assert facts["outcome"]["name"] == trained.model.outcome.event
    assert facts["evaluation"]["index_date"] == trained.evaluation_date
