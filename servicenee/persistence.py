"""A fitted `NeedModel` comes in, a folder without pickle goes out; and back, after every check has passed.

The folder holds `manifest.json` (plain parameters, code lists, training facts, SHA-256 of the other files),
`estimator.skops` and `reference.json` (aggregates of the training data). It can be copied anywhere.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning

from servicenee import __version__
from servicenee.blueprint import from_plain, plain_definition, to_plain, warn_if_redefined
from servicenee.exceptions import ModelError
from servicenee.model import NeedModel
from servicenee.reference import Reference, Training, plain_reference, reference_from

FORMAT = 2
MANIFEST = "manifest.json"
ESTIMATOR = "estimator.skops"
REFERENCE = "reference.json"

# Every class that a saved estimator may hold besides numpy arrays, plain containers and public scikit-learn estimators,
# each read through: it keeps numbers and texts, and unpacking it runs no code of the file.
TRUSTED = (
    "numpy.dtype",
    "servicenee.need.amounts.Line",
    "servicenee.need.amounts.TwoParts",
    "servicenee.need.boosted.BoostedModel",
    "servicenee.need.calibration.Calibrator",
    "servicenee.need.classifier.NeedClassifier",
    "servicenee.need.columns.Column",
    "servicenee.need.curve.RiskCurve",
    "servicenee.need.demand.DemandRegressor",
    "servicenee.need.hazards.Hazard",
    "servicenee.need.linear.Curve",
    "servicenee.need.linear.LinearModel",
    "servicenee.need.selection.BlendedModel",
    "servicenee.need.spread.Spread",
    "servicenee.segments.blocks.BlockColumn",
    "servicenee.segments.latent.LatentClassSegmenter",
    "servicenee.segments.rules.RuleSegmenter",
    "servicenee.segments.schemes.Clause",
    "servicenee.segments.schemes.Rule",
)
# A user's own estimator may be of any class of scikit-learn (trees and losses are internal classes of it).
_TRUSTED_PACKAGE = "sklearn."
# Kinds of entry that stand for code rather than for data.
_CODE = ("FunctionNode", "MethodNode", "OperatorFuncNode", "PartialNode", "ConstructorFromReduceNode")
# Where scikit-learn estimators keep rows of their training data.
_ROW_KEEPERS = (
    "_fit_X",
    "X_fit_",
    "X_train_",
    "X_",
    "support_vectors_",
    "_mask_fit_X",
    "oob_decision_function_",
    "components_indices_",
    "component_indices_",
)
_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "skops")


def save_model(model: NeedModel, path: str | Path) -> Path:
    """Write a fitted model to a folder that can be copied, checked and read without running foreign code.

    Parameters
    ----------
    model : NeedModel
        Fitted.
    path : str or Path
        Folder to write. It appears only when it is complete; an existing model there is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelError
        If the model is not fitted, keeps rows of its training data, or holds a class that could not be read back.

    Notes
    -----
    The folder holds parameters and aggregates, never a person. An estimator of your own may be any scikit-learn
    classifier without functions inside that keeps no training rows (so neither nearest neighbours nor support vectors).

    Examples
    --------
    >>> import tempfile
    >>> from servicenee import Demographics, NeedClassifier, NeedModel, Outcome, Population, load_model
    >>> from servicenee import make_registers, save_model
    >>> registers = make_registers(500, random_state=0)
    >>> model = NeedModel(Population(75), Demographics(), NeedClassifier(random_state=0), Outcome("emergency_visit"))
    >>> model = model.fit(registers, "2021-06-01")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_model(save_model(model, f"{folder}/model")).predict(registers).equals(model.predict(registers))
    True
    """
    import skops.io  # a second of imports that the processes of `predict` do without

    if not isinstance(model, NeedModel) or not model.is_fitted:
        raise ModelError("only a fitted NeedModel can be saved. Call fit(registers, index_dates) first.")
    _refuse_training_rows(model)
    path = Path(path)
    if path.exists() and not (path / MANIFEST).is_file() and (path.is_file() or any(path.iterdir())):
        raise ModelError(f"`path` must be a new folder or one with a saved model; {path} holds something else.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        skops.io.dump(model.estimator_, partial / ESTIMATOR, compression=zipfile.ZIP_DEFLATED)
        _check_types(partial / ESTIMATOR)
        _write_json(partial / REFERENCE, plain_reference(model.reference_))
        _write_json(partial / MANIFEST, _manifest(model, partial), indent=1)
        partial.chmod(0o755)
        _replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def read_model(path: str | Path, expected_sha256: str | None = None) -> NeedModel:
    """Read a model folder after checking hashes, versions and types, in this order.

    Parameters
    ----------
    path : str or Path
        Folder written by `save_model`.
    expected_sha256 : str, optional
        What `manifest_sha256` gave when the model was accepted. Only with it is a folder protected against somebody
        who can write to it.

    Raises
    ------
    ModelError
        If anything does not match; nothing of the estimator has been unpacked then.

    Notes
    -----
    Our linear engine, risk curve, amounts and segments are numbers of our own: such a model is read with every
    supported scikit-learn, and predicts the same. Boosted trees and estimators of your own are objects of scikit-learn,
    which another version may read differently: they are read only with the minor version they were saved with.

    Examples
    --------
    >>> import tempfile
    >>> from servicenee.exceptions import ModelError
    >>> from servicenee.persistence import read_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         read_model(folder)
    ...     except ModelError as error:
    ...         print(str(error).removeprefix(folder))
     holds no manifest.json: it is no saved model, or its writing was interrupted.
    """
    import skops.io

    path = Path(path)
    manifest = _read_manifest(path, expected_sha256)
    _check_files(path, manifest)
    _check_versions(manifest["libraries"], path / ESTIMATOR)
    types = _check_types(path / ESTIMATOR)
    with warnings.catch_warnings():
        # Patch releases of one scikit-learn minor read each other's estimators.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        estimator = skops.io.load(path / ESTIMATOR, trusted=types)
    return _rebuild(manifest, estimator, reference_from(_read_json(path / REFERENCE)))


def manifest_sha256(path: str | Path) -> str:
    """Fingerprint of a saved model: the SHA-256 of its manifest, which in turn holds those of its other files.

    Examples
    --------
    >>> from servicenee.persistence import manifest_sha256  # doctest: +SKIP
    >>> manifest_sha256("models/exports/home_care_start_12m")  # doctest: +SKIP
    """
    return _sha256(Path(path) / MANIFEST)


def _manifest(model: NeedModel, folder: Path) -> dict:
    return {
        "format": FORMAT,
        "name": model.name,
        "version": model.version,
        "valid_until": model.valid_until,
        "libraries": _versions(),
        "files": {name: _sha256(folder / name) for name in (ESTIMATOR, REFERENCE)},
        "training": vars(model.training_),
        "population": to_plain(model.population),
        "outcome": to_plain(model.outcome),
        "outcome_definition": None if model.outcome is None else plain_definition(model.outcome),
        "features": to_plain(model.features),
        "feature_table": json.loads(model.feature_table.to_json(orient="split", index=False, double_precision=15)),
    }


def _rebuild(manifest: dict, estimator, reference: Reference) -> NeedModel:
    outcome = from_plain(manifest["outcome"])
    if outcome is not None:
        warn_if_redefined(outcome, manifest["outcome_definition"])
    model = NeedModel(
        from_plain(manifest["population"]),
        from_plain(manifest["features"]),
        clone(estimator),
        outcome,
        name=manifest["name"],
        version=manifest["version"],
        valid_until=manifest["valid_until"],
    )
    training = {name: tuple(one) if isinstance(one, list) else one for name, one in manifest["training"].items()}
    table = pd.DataFrame(**manifest["feature_table"]).astype({"lookback_days": "float64", "skip_days": "int64"})
    return model.with_fit(estimator, Training(**training), table, reference)


def _read_manifest(path: Path, expected_sha256: str | None) -> dict:
    if not (path / MANIFEST).is_file():
        raise ModelError(f"{path} holds no {MANIFEST}: it is no saved model, or its writing was interrupted.")
    content = (path / MANIFEST).read_bytes()
    if expected_sha256 is not None and hashlib.sha256(content).hexdigest() != expected_sha256.lower():
        raise ModelError(f"{path / MANIFEST} is not the expected one: its SHA-256 differs from `expected_sha256`.")
    manifest = _read_json(path / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise ModelError(
            f"the model folder has format {manifest.get('format')!r}; this version of servicenee reads {FORMAT}. "
            "Load it with the version that saved it, or train it again."
        )
    return manifest


def _check_files(path: Path, manifest: dict) -> None:
    if set(manifest["files"]) != {ESTIMATOR, REFERENCE}:
        raise ModelError(f"{MANIFEST} must list {ESTIMATOR} and {REFERENCE} and nothing else.")
    for name, expected in manifest["files"].items():
        if not (path / name).is_file():
            raise ModelError(f"{path / name} is missing. Copy the model folder again.")
        if _sha256(path / name) != expected:
            raise ModelError(f"{path / name} has changed since the model was saved (SHA-256). It is not read.")


def _check_versions(saved: dict[str, str], file: Path) -> None:
    now, then = _versions()["scikit-learn"], saved["scikit-learn"]
    if _minor(now) == _minor(then):
        return
    modules = {str(node.get("__module__")) for node in _nodes(_schema(file))}
    if any(module.startswith(_TRUSTED_PACKAGE) for module in modules):
        raise ModelError(
            f"the model holds classes of scikit-learn {then} and is not read with {now}: another version may predict "
            f"other risks. Install scikit-learn {_minor(then)}, or train the model again."
        )


def _check_types(file: Path) -> list[str]:
    """Types outside numpy and the plain containers that the estimator is made of; refuses those not on our list."""
    import skops.io

    schema = _schema(file)
    try:
        functions = [node for node in _nodes(schema) if node["__loader__"] in _CODE]
        code = sorted({f"{node['__module__']}.{node['__class__']}" for node in functions})
        types = skops.io.get_untrusted_types(file=file)
    except (KeyError, ValueError, TypeError, ImportError, AttributeError) as error:
        raise _unreadable(file, error) from None
    refused = code + [name for name in types if name not in TRUSTED and not name.startswith(_TRUSTED_PACKAGE)]
    if refused:
        raise ModelError(
            f"the estimator holds functions or classes that are not trusted: {', '.join(refused)}. Use classes of "
            "scikit-learn without functions inside."
        )
    return types


def _schema(file: Path) -> dict:
    """What the estimator is made of, by name; nothing is unpacked."""
    try:
        with zipfile.ZipFile(file) as archive:
            return json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> ModelError:
    return ModelError(f"{file} cannot be read as an estimator ({type(error).__name__}).")


def _nodes(entry):
    """All entries of a skops schema."""
    if isinstance(entry, dict):
        if "__loader__" in entry:
            yield entry
        for part in entry.values():
            yield from _nodes(part)
    elif isinstance(entry, list):
        for part in entry:
            yield from _nodes(part)


def _refuse_training_rows(model: NeedModel) -> None:
    """A fitted array with one entry per training row, or rows kept as such, would carry persons."""
    facts, known = model.training_, getattr(model.estimator_, "n_rows_", None)
    for name, value in _attributes(model.estimator_, "", set()):
        attribute = name.rpartition(".")[2]
        per_row = np.ndim(value) > 0 and any(size in (facts.n_rows, known) for size in np.shape(value))
        if per_row or attribute in _ROW_KEEPERS:
            raise ModelError(
                f"the estimator keeps training rows in `{name.lstrip('.')}`: saving it would carry persons. Choose an "
                "estimator that learns parameters only."
            )


def _attributes(value, name: str, seen: set[int]):
    """Arrays and tables inside an object, with the path that leads to them."""
    if id(value) in seen or value is None or isinstance(value, str | bytes | int | float | type):
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray | pd.Series | pd.DataFrame | pd.Index) or hasattr(value, "toarray"):
        yield name, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _attributes(part, f"{name}[{key!r}]", seen)
    elif isinstance(value, list | tuple | set):
        if value and all(isinstance(part, int | float | np.number) for part in value):
            yield name, np.asarray(list(value))
        for part in value:
            yield from _attributes(part, name, seen)
    else:
        for key, part in getattr(value, "__dict__", {}).items():
            yield from _attributes(part, f"{name}.{key}", seen)


def _replace(partial: Path, path: Path) -> None:
    """The new folder takes the place of the old one; at no moment is half a model there."""
    aside = partial.with_name(f"{partial.name}-old")
    if path.exists():
        os.replace(path, aside)
    os.replace(partial, path)
    shutil.rmtree(aside, ignore_errors=True)


def _versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"servicenee": __version__, "python": platform.python_version(), **found}


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _write_json(file: Path, content: dict, indent: int | None = None) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=indent, allow_nan=False)
    file.write_text(text, encoding="utf-8", newline="\n")


def _read_json(file: Path) -> dict:
    try:
        return json.loads(file.read_bytes())
    except ValueError:
        raise ModelError(f"{file} cannot be read. Copy the model folder again.") from None


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
