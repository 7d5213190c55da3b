"""The README is true: its Python runs, its commands are the ones that CI uses, its files exist."""

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import servicenee as sn
from servicenee.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETUP = 'python3 -m venv .venv && .venv/bin/pip install -q -e ".[test]" && .venv/bin/python -m pytest -q'


def test_the_python_of_the_readme_gives_what_it_shows():
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    results = doctest.testfile(str(ROOT / "README.md"), module_relative=False, optionflags=flags, encoding="utf-8")
    assert results.attempted >= 5
    assert results.failed == 0


def test_ci_runs_the_test_command_of_the_readme():
    assert SETUP in README
    assert SETUP in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_servicenee_command_of_the_readme_exists(capsys):
    commands = set(re.findall(r"\bservicenee (demo|predict|train|check|lists|impact|monitor|prepare)\b", README))
    assert "demo" in commands
    for command in commands:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0
        assert "example" in capsys.readouterr().out.lower()


PREDICTS = {
    "home_care_start_12m": "start of regular home care within 12 months, 75 and over",
    "round_the_clock_start_12m": "start of round-the-clock care within 12 months",
    "unplanned_admission_12m": "an unplanned admission within 12 months",
    "emergency_visits_12m": "number of emergency visits, with intervals",
    "home_care_hours_12m": "hours of home care, with intervals",
    "young_adult_mental_health_6m": "start of mental-health or substance services, 18 to 29",
    "chronic_segments": "segments of patients with chronic conditions",
}
SHOWN = {
    "auc": "AUC",
    "observed_expected": "O:E",
    "calibration_slope": "slope",
    "ppv_at_capacity": "PPV at 5 %",
    "deviance_explained": "deviance explained",
    "coverage": "80 % intervals cover",
    "n_segments": "segments",
    "uncertain_share": "uncertain",
}


def table_of_models() -> str:
    lines = ["| model | what it predicts | persons | measured there |", "|---|---|---|---|"]
    for model, predicts in PREDICTS.items():
        facts = json.loads((ROOT / "models" / model / "metrics.json").read_text(encoding="utf-8"))
        evaluation = facts["evaluation"]
        value = {line["metric"]: line["value"] for line in evaluation["metrics"]}
        shown = ", ".join(
            f"{name} {value[metric]:.{0 if metric == 'n_segments' else 2}f}"
            for metric, name in SHOWN.items()
            if metric in value
        )
        n = {line["item"]: line["value"] for line in evaluation["data"]}["persons"]
        lines.append(f"| [`{model}`](models/{model}/card.md) | {predicts} | {n:,} | {shown} |")
    return "\n".join(lines)


def test_the_table_of_models_says_what_their_metrics_say():
    assert {folder.name for folder in (ROOT / "models").iterdir() if folder.is_dir()} >= set(PREDICTS)
    shown = README.split("tests/test_readme.py -->\n")[1].split("\n<!-- end of models -->")[0]
    assert shown == table_of_models()


@pytest.mark.slow
def test_one_page_tells_of_every_public_name(tmp_path):
    command = re.search(r"pdoc (servicenee --docformat numpy --output-directory) reference", README).group(1).split()
    subprocess.run([sys.executable, "-m", "pdoc", *command, str(tmp_path)], check=True)
    page = (tmp_path / "servicenee.html").read_text(encoding="utf-8")
    assert [name for name in sn.__all__ if f'<section id="{name}"' not in page] == []


def test_every_file_the_readme_points_to_is_there():
    for target in re.findall(r"\]\((?!http|#)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
