"""The house: rooms import only rooms above them, nothing of ours hides inside a function, importing is cheap."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import servicenee

PACKAGE = Path(servicenee.__file__).parent
ROOMS = [
    "exceptions",
    "_checks",
    "texts",
    "disclosure",
    "html",
    "codes",
    "registers",
    "windows",
    "cohort",
    "outcomes",
    "features",
    "evaluation",
    "need",
    "segments",
    "index_dates",
    "refitting",
    "reference",
    "model",
    "blueprint",
    "persistence",
    "tracking",
    "scoring",
    "lists",
    "impact",
    "monitoring",
    "datasets",
    "training",
    "demo",
    "arguments",
    "cli",
    "__main__",
]
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "definitions" not in path.parts)
LAZY = {"__init__.py", "cli.py"}  # look rooms up by name on first use


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _own_imports(tree: ast.AST) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "servicenee":
            names = (
                [node.module] if node.module != "servicenee" else [f"servicenee.{alias.name}" for alias in node.names]
            )
            found += [(name, node.lineno) for name in names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names if alias.name.split(".")[0] == "servicenee"]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_above_it(path):
    if path == PACKAGE / "__init__.py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = _room(path)
    for name, line in _own_imports(tree):
        room = name.split(".")[1] if "." in name else "__init__"
        if room in ("__version__", "__init__"):
            continue
        assert room in ROOMS, f"{path}:{line} imports {name}: not a room"
        assert room == own or ROOMS.index(room) < ROOMS.index(own), f"{path}:{line} imports {name}: upward"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_of_ours_hides_in_a_function(path):
    if path.name in LAZY and path.parent == PACKAGE:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [hidden for function in functions for hidden in _own_imports(function)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_bodies_stay_readable(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 500
    assert ast.get_docstring(ast.parse(text)), "a module says in one sentence what comes in and what goes out"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            body = node.end_lineno - node.lineno - (docstring.count("\n") + 1 if docstring else 0)
            assert body <= 45, f"{node.name} has {body} lines"


HEAVY = {"mlflow", "matplotlib", "xlsxwriter", "openpyxl", "pyspark", "statsmodels"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_in_functions_and_mlflow_in_tracking_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            packages = {name.split(".")[0] for name in names}
            assert "mlflow" not in packages or path.name == "tracking.py", f"{path}:{node.lineno}"
            assert not packages & HEAVY or node not in tree.body, f"{path}:{node.lineno} imports {packages} on top"


RUNS_WHAT_IT_READS = {
    *("pickle.load", "pickle.loads", "joblib.load", "pd.read_pickle", "marshal.loads", "shelve.open", "yaml.load"),
    *("eval", "exec", "compile", "os.system", "skops.io.load", "import_module", "runpy.run_path"),
}
ALLOWED = {  # file: why
    "training.py": "a definition is Python that its reader has read, as the README says",
    "persistence.py": "skops reads the types that were reviewed, and no other",
    "__init__.py": "our own rooms by name",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_runs_what_it_reads(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not calls & RUNS_WHAT_IT_READS or path.relative_to(PACKAGE).as_posix() in ALLOWED
    loads = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load"]
    assert all("allow_pickle=False" in ast.unparse(node) for node in loads)


def test_importing_is_cheap_and_loads_nothing_heavy():
    code = (
        "import time, sys, json; start = time.perf_counter(); import servicenee; took = time.perf_counter() - start;"
        "heavy = ['sklearn', 'mlflow', 'matplotlib', 'xlsxwriter', 'openpyxl', 'pyspark', 'pandas', 'pyarrow'];"
        "print(json.dumps([took, [name for name in heavy if name in sys.modules], dir(servicenee)]))"
    )
    runs = []
    for _ in range(3):
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        took, loaded, names = json.loads(result.stdout)
        assert loaded == []
        assert set(servicenee.__all__) <= set(names)
        runs.append(took)
    assert min(runs) < 0.1


def test_help_tells_the_public_names_in_the_order_of_the_line():
    told = servicenee.__doc__.replace("\n", " ").replace(",", " ").split()
    assert [name for name in told if name in servicenee.__all__] == servicenee.__all__


def test_every_public_name_is_there_and_documented():
    for name in servicenee.__all__:
        value = getattr(servicenee, name)
        if callable(value):
            assert value.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_that_name'"):
        servicenee.nothing_of_that_name  # noqa: B018
