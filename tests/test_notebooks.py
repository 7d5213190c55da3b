"""Every notebook runs top to bottom, was committed with its outputs, and shows no machine and no person."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SHORT = ("01_the_straight_line", "02_cohort_outcome_leakage", "03_features")  # the others are run with the slow checks
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks():
    assert NOTEBOOKS


@each_notebook
def test_it_was_committed_with_outputs_and_without_paths(path):
    text = path.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert sum(bool(cell["outputs"]) for cell in cells) >= len(cells) // 2
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert not re.search(r"/(home|root|tmp|Users|work)/", text)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.stem not in SHORT), id=path.stem) for path in NOTEBOOKS],
)
def test_it_runs_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert all(cell["execution_count"] for cell in notebook.cells if cell["cell_type"] == "code" and cell["source"])


def test_the_one_of_real_people_invents_nobody():
    text = NOTEBOOKS[-1].read_text(encoding="utf-8")
    assert NOTEBOOKS[-1].stem == "08_real_people"
    assert "make_registers" not in text
