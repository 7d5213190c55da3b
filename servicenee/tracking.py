"""A model and its evaluation come in, an MLflow run and a registered model go out; and any address of a model, loaded.

The only module that imports mlflow. Nothing it writes holds a person: parameters, aggregates and the model folder.
"""

import importlib.metadata
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from servicenee import __version__
from servicenee._checks import name_some
from servicenee.evaluation import Evaluation
from servicenee.exceptions import ModelError
from servicenee.features import FeatureSet
from servicenee.model import NeedModel
from servicenee.persistence import MANIFEST, manifest_sha256, read_model, save_model
from servicenee.segments import SegmentEvaluation

STORE = "mlruns"
DATABASE = "mlflow.db"
MODEL_FOLDER = "servicenee_model"
_PROGRESS_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
_TALKERS = r"(mlflow|sqlalchemy|alembic|pydantic)"
_REQUIREMENTS = ("scikit-learn", "numpy", "pandas", "skops")


def configure(folder: str | Path = STORE) -> str:
    """Choose the folder of the embedded MLflow store: a SQLite file, with the artefacts beside it.

    Parameters
    ----------
    folder : str or Path, default="mlruns"
        Created if it does not exist. The database keeps absolute paths: do not move the folder afterwards.

    Returns
    -------
    str
        The tracking URI.

    Notes
    -----
    Without this call `log_model` uses what is configured already (MLFLOW_TRACKING_URI, Databricks, a server), and
    otherwise the folder mlruns.

    Examples
    --------
    >>> from servicenee.tracking import configure  # doctest: +SKIP
    >>> configure("results/mlruns")  # doctest: +SKIP
    'sqlite:////home/me/results/mlruns/mlflow.db'
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{(folder / DATABASE).as_posix()}"
    _mlflow().set_tracking_uri(uri)
    return uri


def log_model(
    model: NeedModel,
    evaluation: Evaluation | SegmentEvaluation,
    *,
    experiment: str,
    name: str | None = None,
    alias: str | None = None,
) -> str:
    """Record a model with its evaluation as an MLflow run and register it.

    Parameters
    ----------
    model : NeedModel
        Fitted.
    evaluation : Evaluation or SegmentEvaluation
        What ``model.evaluate`` gave.
    experiment : str
        Experiment of the run; created if it does not exist.
    name : str, optional
        Registered name; by default the name of the model.
    alias : str, optional
        Alias to point at the new version, such as "champion".

    Returns
    -------
    str
        Address of exactly this version, such as ``models:/home_care_start_12m/1``.

    Notes
    -----
    Logged: parameters of population, outcome, features and calibration, training dates and counts with a fingerprint
    of the data, versions of the libraries, measures with intervals, tables, figures, report, model card, the whole
    definition with its code lists (``definition.json``) and the model folder. What identifies the model, its validity
    date and its cut points (the lowest risk listed, by capacity) stand in the metadata of the registered model, too.
    Never rows, ids or an input example.

    Examples
    --------
    >>> from servicenee import log_model  # doctest: +SKIP
    >>> log_model(model, evaluation, experiment="home care", alias="champion")  # doctest: +SKIP
    'models:/home_care_start_12m/1'
    """
    registered = model.name if name is None else name
    with _quiet() as mlflow, tempfile.TemporaryDirectory() as scratch:
        _use_default_store(mlflow)
        folder = save_model(model, Path(scratch) / MODEL_FOLDER)
        run = mlflow.start_run(
            experiment_id=_experiment_id(mlflow, experiment),
            run_name=f"{model.name} {model.version}",
            nested=mlflow.active_run() is not None,
        )
        with run:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            mlflow.set_tags(_tags(model, folder))
            mlflow.log_params(_parameters(model) | _flat("libraries", manifest["libraries"]))
            mlflow.log_input(_dataset(model), context="training")
            mlflow.log_metrics(_metrics(evaluation))
            mlflow.log_artifacts(str(_write_aggregates(model, evaluation, manifest, Path(scratch) / "aggregates")))
            info = mlflow.pyfunc.log_model(
                name="model",
                loader_module="servicenee.tracking",
                data_path=str(folder),
                signature=_signature(model),
                pip_requirements=_pip_requirements(),
                metadata={"servicenee": _metadata(model, evaluation, manifest)},
            )
        version = _register(mlflow, registered, info, _description(model))
        if alias is not None:
            mlflow.MlflowClient().set_registered_model_alias(registered, alias, version)
    return f"models:/{registered}/{version}"


def log_monitoring(monitoring, *, experiment: str) -> str:
    """Record a monitor run in MLflow: status and key figures, tables, page; aggregates only.

    Parameters
    ----------
    monitoring : Monitoring
        What `monitor` gave.
    experiment : str
        Created if it does not exist.

    Returns
    -------
    str
        Id of the MLflow run.

    Examples
    --------
    >>> from servicenee.tracking import log_monitoring  # doctest: +SKIP
    >>> log_monitoring(monitor(model, registers), experiment="home care, monitoring")  # doctest: +SKIP
    '0f6ec1e0f5d24a5e8a2b51a2b6f1c3d4'
    """
    summary = monitoring.summary()
    numbers = {name: float(value) for name, value in summary.items() if _is_number(value)}
    names = ("model", "version", "valid_until", "index_date", "extract_date", "status")
    with _quiet() as mlflow, tempfile.TemporaryDirectory() as scratch:
        _use_default_store(mlflow)
        run = mlflow.start_run(
            experiment_id=_experiment_id(mlflow, experiment),
            run_name=f"{monitoring.model} {monitoring.version}, {monitoring.index_date}",
            nested=mlflow.active_run() is not None,
        )
        with run:
            mlflow.set_tags({f"servicenee.{name}": summary[name] for name in names})
            mlflow.log_metrics(numbers | {"findings": float(len(monitoring.findings))})
            folder = Path(scratch)
            _write_tables(monitoring.tables, folder / "tables")
            monitoring.to_html(folder / "monitor.html", language="en")
            (folder / "monitor.json").write_text(monitoring.to_json() + "\n", encoding="utf-8", newline="\n")
            mlflow.log_artifacts(str(folder))
    return str(run.info.run_id)


def load_model(path_or_uri: str | Path, expected_sha256: str | None = None) -> NeedModel:
    """Load a model from a folder or from the registry.

    Parameters
    ----------
    path_or_uri : str or Path
        A folder of `save_model`, ``models:/name@alias`` or ``models:/name/1``.
    expected_sha256 : str, optional
        SHA-256 of the manifest; anything else is refused.

    Returns
    -------
    NeedModel
        Scores bit-identically to the one that was saved.

    Raises
    ------
    ModelError
        If there is no such model, or it is refused.

    Examples
    --------
    >>> from servicenee import load_model  # doctest: +SKIP
    >>> load_model("models:/home_care_start_12m@champion")  # doctest: +SKIP
    """
    address = str(path_or_uri)
    if not address.startswith("models:/"):
        return read_model(path_or_uri, expected_sha256)
    with _quiet() as mlflow, tempfile.TemporaryDirectory() as scratch:
        if _is_default_store(mlflow) and not (Path(STORE) / DATABASE).is_file():
            raise ModelError(
                f"{address} cannot be loaded: there is no MLflow store in {Path(STORE).resolve()}. Go to the folder "
                "where it was registered, or name the store (MLFLOW_TRACKING_URI or servicenee.tracking.configure)."
            )
        _use_default_store(mlflow)
        try:
            local = mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=scratch)
        except mlflow.exceptions.MlflowException as error:
            raise ModelError(
                f"{address} cannot be loaded from {mlflow.get_tracking_uri()}: {error.error_code}. Check name, version "
                "or alias, and the store (MLFLOW_TRACKING_URI or servicenee.tracking.configure)."
            ) from None
        folder = Path(local) / "data" / MODEL_FOLDER
        if not folder.is_dir():
            raise ModelError(f"{address} is not a model of servicenee: only what log_model wrote is loaded.")
        return read_model(folder, expected_sha256)


class RiskFunction:
    """What MLflow calls a loaded model: a frame of features in, scores or segments out.

    Notes
    -----
    The columns are found by their names, whatever their order. Nothing else of the frame is used, and no message shows
    a value of it.

    Examples
    --------
    >>> import mlflow  # doctest: +SKIP
    >>> mlflow.pyfunc.load_model("models:/home_care_start_12m@champion").predict(X)  # doctest: +SKIP
    """

    def __init__(self, model: NeedModel):
        self.model = model

    def predict(self, frame: pd.DataFrame, params: dict | None = None) -> np.ndarray:
        """Risk (or segment, or what else the estimator gives, column by column) of every row of a frame of features."""
        X = _numbers(frame, self.model.feature_table["feature"].tolist())
        _refuse_empty(X, self.model)
        if self.model.is_segmenter:
            return self.model.estimator_.scores(X)["segment"].to_numpy()
        scores = self.model.estimator_.scores(X).to_numpy()
        return scores[:, 0] if scores.shape[1] == 1 else scores


def _load_pyfunc(path: str) -> RiskFunction:
    """Entry point that MLflow looks up in the loader module of a registered model."""
    return RiskFunction(read_model(path))


def _numbers(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns of training in their order, as numbers."""
    if not isinstance(frame, pd.DataFrame):
        raise ModelError(f"the input must be a frame with the {len(columns)} columns of training; got no frame.")
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ModelError(
            f"the frame lacks {len(missing)} of the {len(columns)} columns the model was trained with: "
            f"{name_some(missing)}. Make it with model.transform(cohort)."
        )
    others = []
    for name in columns:
        try:
            frame[name].to_numpy(dtype=np.float64)
        except (TypeError, ValueError):
            others.append(name)
    if others:
        raise ModelError(f"{len(others)} columns of the frame hold something else than numbers: {name_some(others)}.")
    # As wide as builders make them: a user's own pipeline computes other last digits from wider numbers.
    return frame[columns].astype(np.float32)


def _refuse_empty(X: pd.DataFrame, model: NeedModel) -> None:
    """MLflow fills in a column that the caller left out; so does a table that was joined to the wrong persons."""
    always_known = [spread.name for spread in model.reference_.columns if spread.missing == 0.0]
    empty = [name for name in always_known if len(X) and X[name].isna().all()]
    if empty:
        raise ModelError(
            f"{len(empty)} columns of the frame have no value in any row and were never missing in training: "
            f"{name_some(empty)}. Pass all columns by name."
        )


def _mlflow() -> ModuleType:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.artifacts
        import mlflow.pyfunc
    return mlflow


@contextmanager
def _quiet() -> Iterator[ModuleType]:
    """mlflow without its talk: database migrations, progress bars, deprecations; and with logging as it was before."""
    mlflow, root, stray = _mlflow(), logging.getLogger(), Path("mlruns")
    # The migrations of mlflow configure the root logger, and mlflow before 3.5 makes an empty ./mlruns for any store.
    handlers, level, disabled, is_stray = root.handlers[:], root.level, root.manager.disable, not stray.exists()
    bar = os.environ.get(_PROGRESS_BAR)
    os.environ[_PROGRESS_BAR] = "false"
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning, UserWarning):
                warnings.filterwarnings("ignore", category=category, module=_TALKERS)
            yield mlflow
    except mlflow.exceptions.MlflowException as error:
        raise ModelError(f"MLflow at {mlflow.get_tracking_uri()} refused: {error.message}") from None
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)
        os.environ.pop(_PROGRESS_BAR)
        if bar is not None:
            os.environ[_PROGRESS_BAR] = bar
        if is_stray and stray.is_dir() and not any(stray.iterdir()):
            stray.rmdir()


def _is_default_store(mlflow: ModuleType) -> bool:
    return not mlflow.is_tracking_uri_set() and not mlflow.get_tracking_uri().startswith("databricks")


def _use_default_store(mlflow: ModuleType) -> None:
    """The embedded store, unless somebody has chosen another."""
    if _is_default_store(mlflow):
        configure()


def _experiment_id(mlflow: ModuleType, experiment: str) -> str:
    found = mlflow.get_experiment_by_name(experiment)
    if found is not None:
        return found.experiment_id
    uri, location = mlflow.get_tracking_uri(), None
    if uri.startswith("sqlite:///"):
        # MLflow would put the artefacts of a SQLite store into the working directory.
        location = (Path(uri.removeprefix("sqlite:///")).parent / "artifacts").resolve().as_uri()
    # Without the kind, the page opens on views for language models.
    tags = {"mlflow.experimentKind": "custom_model_development"}
    return mlflow.create_experiment(experiment, artifact_location=location, tags=tags)


def _register(mlflow: ModuleType, name: str, info, description: str) -> str:
    """Version of the logged model in the registry; by the client, because the shorter ways print to the terminal."""
    client = mlflow.MlflowClient()
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    made = client.create_model_version(
        name, source=info.model_uri, run_id=info.run_id, model_id=info.model_id, description=description
    )
    return str(made.version)


def _tags(model: NeedModel, folder: Path) -> dict[str, str]:
    return {
        "servicenee.model": model.name,
        "servicenee.version": model.version,
        "servicenee.manifest_sha256": manifest_sha256(folder),
        "mlflow.note.content": _description(model),
    }


def _description(model: NeedModel) -> str:
    if model.outcome is None:
        return f"Version {model.version}. Segments: {', '.join(model.estimator_.segments_)}."
    return f"Version {model.version}. {model.outcome_label('en').capitalize()}: {model.outcome.definition.text}".strip()


def _dataset(model: NeedModel):
    """The training data as MLflow may know them: when and which, by a fingerprint; no rows and no columns' values."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    facts = model.training_
    source = CodeDatasetSource({"extract_date": facts.extract_date, "index_dates": ", ".join(facts.index_dates)})
    return MetaDataset(source, name="registers", digest=facts.digest)


def _parameters(model: NeedModel) -> dict[str, object]:
    facts = {name: ", ".join(one) if isinstance(one, tuple) else one for name, one in vars(model.training_).items()}
    groups = {
        "population": vars(model.population),
        "outcome": {} if model.outcome is None else vars(model.outcome),
        "estimator": model.estimator.get_params(deep=False),
        "training": facts,
    }
    calibrator = getattr(model.estimator_, "calibrator_", None)
    if calibrator is not None:
        groups["calibration"] = {name: getattr(calibrator, name) for name in ("kind", "intercept", "slope")}
    parameters = {key: value for group, values in groups.items() for key, value in _flat(group, values).items()}
    engine = getattr(model.estimator_, "engine_", type(model.estimator_).__name__)
    named = model.features.named_builders if isinstance(model.features, FeatureSet) else {"builder": model.features}
    builders = {f"features.{name}": repr(builder)[:500] for name, builder in named.items()}
    added = {"estimator.engine": engine, "features.n_columns": len(model.feature_table)}
    return parameters | builders | added | {"valid_until": model.valid_until}


def _flat(group: str, values: Mapping[str, object]) -> dict[str, object]:
    return {f"{group}.{name}": value for name, value in values.items()}


def _metadata(model: NeedModel, evaluation, manifest: dict) -> dict:
    """What a reader of the registered model's MLmodel has to know without unpacking it."""
    calibrator = getattr(model.estimator_, "calibrator_", None)
    kept = ("name", "version", "valid_until", "population", "outcome", "outcome_definition", "training", "libraries")
    cuts = evaluation.tables.get("capacity", pd.DataFrame())
    names = [name for name in ("capacity", "lowest_risk", "ppv", "sensitivity") if name in cuts]
    return {name: manifest[name] for name in kept} | {
        "estimator": type(model.estimator_).__name__,
        "engine": getattr(model.estimator_, "engine_", type(model.estimator_).__name__),
        "calibration": None if calibrator is None else calibrator.kind,
        "cut_points": json.loads(cuts[names].to_json(orient="records")) if names else [],
    }


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    metrics = {}
    for row in evaluation.tables["metrics"].to_dict("records"):
        for part, suffix in (("value", ""), ("lower", "_lower"), ("upper", "_upper")):
            if np.isfinite(row[part]):
                metrics[f"{row['metric']}{suffix}"] = float(row[part])
    return metrics


def _write_aggregates(model: NeedModel, evaluation: Evaluation, manifest: dict, folder: Path) -> Path:
    _write_tables(evaluation.tables | {"features": model.feature_table}, folder / "tables")
    (folder / "figures").mkdir()
    for name, figure in evaluation.figures.items():
        figure.savefig(folder / "figures" / f"{name}.png", dpi=120, metadata={"Software": None})
    evaluation.to_html(folder / "evaluation.html", title=f"{model.name} {model.version}")
    card = evaluation.model_card(title=f"{model.name} {model.version}")
    (folder / "model_card.md").write_text(card, encoding="utf-8", newline="\n")
    definition = {name: value for name, value in manifest.items() if name not in ("files", "feature_table")}
    text = json.dumps(definition, ensure_ascii=False, indent=1)
    (folder / "definition.json").write_text(text, encoding="utf-8", newline="\n")
    return folder


def _write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _signature(model: NeedModel):
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    # Of any type and optional: what MLflow itself refuses it prints, rows and person ids included. `_numbers` refuses.
    columns = [ColSpec(AnyType(), name, required=False) for name in model.feature_table["feature"]]
    output = "string" if model.is_segmenter else "double"
    return ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(output)]))


def _pip_requirements() -> list[str]:
    """Stated, because MLflow would load the model in another process to find out, which takes ten seconds."""
    return [f"servicenee=={__version__}", *(f"{name}=={importlib.metadata.version(name)}" for name in _REQUIREMENTS)]
