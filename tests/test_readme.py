"""The README is true: its Python runs, its commands are the ones that CI uses, its files exist."""

import doctest
import re
from pathlib import Path

import pytest

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


def test_every_file_the_readme_points_to_is_there():
    for target in re.findall(r"\]\((?!http|#)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
