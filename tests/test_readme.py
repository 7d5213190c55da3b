"""The README is true: its Python runs, its commands are the ones that CI uses, its files exist."""

import doctest
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import servicenee as sn
from servicenee.cli import main
from servicenee.tracking import configure
from tests.test_privacy import held_in, ids_of

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


def test_the_commands_of_every_night_run(demo_run, tmp_path, monkeypatch):
    """As they stand, in a folder that has the registers and knows the MLflow store of the demo."""
    block = README.split("## Every night")[1].split("```bash\n")[1].split("```")[0]
    commands = [shlex.split(line, comments=True) for line in block.strip().splitlines()]
    assert [command[:2] for command in commands] == [["servicenee", name] for name in ("prepare", "monitor", "predict")]
    shutil.copytree(demo_run[0] / "demo" / "registers", tmp_path / "registers")
    monkeypatch.chdir(tmp_path)
    configure(demo_run[0] / "demo" / "mlruns")
    assert [main([*command[1:], "--quiet"]) for command in commands] == [0, 0, 0]
    assert {path.name for path in tmp_path.rglob("*") if path.suffix in (".html", ".parquet")} >= {
        "monitor.html",
        "scores.parquet",
    }
    holding = held_in(tmp_path, ids_of(tmp_path / "registers"))
    assert {name.split("/")[0] for name in holding} == {"registers", "parts", "protected"}


def test_what_the_demo_ends_with_is_what_the_readme_shows(demo_run):
    shown = README.split("```text\n")[1].split("```")[0].strip().splitlines()
    said = demo_run[1].stdout.strip().splitlines()
    pattern = [re.escape(line).replace("…", ".*").replace("servicenee\\-demo", "demo") for line in shown]
    assert [bool(re.fullmatch(*pair)) for pair in zip(pattern, said, strict=True)] == [True] * len(shown)


def test_every_dependency_is_in_the_table_with_its_reason():
    table = README.split("<!-- dependencies: checked by tests/test_readme.py -->\n")[1].split("<!-- end of dep")[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    installed = {re.match(r"[\w-]+", one).group() for one in project["dependencies"]}
    installed |= {re.match(r"[\w-]+", one).group() for name in ("impact", "spark") for one in optional[name]}
    named = {name for line in table.splitlines()[2:] for name in re.findall(r"[a-z][\w-]+", line.split("|")[1])}
    assert named - {"impact", "spark"} == installed


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
