"""Every example in a docstring runs, and gives what it shows."""

import doctest
import importlib
import pkgutil

import pytest

import servicenee

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(servicenee.__path__, "servicenee.")
    if "definitions" not in module.name and not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(module, optionflags=flags).failed == 0


def test_every_public_callable_has_an_example():
    without = [
        name
        for name in servicenee.__all__
        if callable(getattr(servicenee, name)) and ">>>" not in (getattr(servicenee, name).__doc__ or "")
    ]
    assert without == []
