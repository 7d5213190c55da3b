"""A model and its evaluation come in, an MLflow run and a registered model go out; and any address of a model, loaded.

The only module that imports mlflow. Nothing it writes holds a person: parameters, aggregates and the model folder.
"""

import importlib.metadata
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from servicenee import __version__
from servicenee.evaluation import Evaluation
from servicenee.exceptions import ModelError
from servicenee.features import FeatureSet
from servicenee.model import NeedModel
from servicenee.persistence import manifest_sha256, read_model, save_model
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
    Logged: parameters of population, outcome and features, training dates and counts with a fingerprint of the data,
    measures with intervals, tables, figures, report, model card and the model folder. Never rows, ids or an input
    example.

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
            mlflow.set_tags(_tags(model, folder))
            mlflow.log_params(_parameters(model))
            mlflow.log_input(_dataset(model), context="training")
            mlflow.log_metrics(_metrics(evaluation))
            mlflow.log_artifacts(str(_write_aggregates(model, evaluation, Path(scratch) / "aggregates")))
            info = mlflow.pyfunc.log_model(
                name="model",
                loader_module="servicenee.tracking",
                data_path=str(folder),
                signature=_signature(model),
                pip_requirements=_pip_requirements(),
            )
        version = _register(mlflow, registered, info, _description(model))
        if alias is not None:
            mlflow.MlflowClient().set_registered_model_alias(registered, alias, version)
    return f"models:/{registered}/{version}"


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
        _use_default_store(mlflow)
        try:
            local = mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=scratch)
        except mlflow.exceptions.MlflowException as error:
            raise ModelError(
                f"{address} cannot be loaded from {mlflow.get_tracking_uri()}: {error.error_code}. Check name, version "
                "or alias, and the store (MLFLOW_TRACKING_URI or servicenee.tracking.configure)."
            ) from None
        return read_model(Path(local) / "data" / MODEL_FOLDER, expected_sha256)


class RiskFunction:
    """What MLflow calls a loaded model: a frame of features in, scores or segments out.

    Examples
    --------
    >>> import mlflow  # doctest: +SKIP
    >>> mlflow.pyfunc.load_model("models:/home_care_start_12m@champion").predict(X)  # doctest: +SKIP
    """

    def __init__(self, model: NeedModel):
        self.model = model

    def predict(self, frame: pd.DataFrame, params: dict | None = None) -> np.ndarray:
        """Risk (or segment, or what else the estimator gives, column by column) of every row of a frame of features."""
        columns = self.model.feature_table["feature"].tolist()
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            raise ModelError(f"the frame lacks {len(missing)} of the {len(columns)} columns, such as {missing[0]!r}.")
        if self.model.is_segmenter:
            return self.model.estimator_.scores(frame[columns])["segment"].to_numpy()
        scores = self.model.estimator_.scores(frame[columns]).to_numpy()
        return scores[:, 0] if scores.shape[1] == 1 else scores


def _load_pyfunc(path: str) -> RiskFunction:
    """Entry point that MLflow looks up in the loader module of a registered model."""
    return RiskFunction(read_model(path))


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


def _use_default_store(mlflow: ModuleType) -> None:
    """The embedded store, unless somebody has chosen another."""
    if not mlflow.is_tracking_uri_set() and not mlflow.get_tracking_uri().startswith("databricks"):
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
    facts = vars(model.training_) | {"index_dates": ", ".join(model.training_.index_dates)}
    groups = {
        "population": vars(model.population),
        "outcome": {} if model.outcome is None else vars(model.outcome),
        "estimator": model.estimator.get_params(deep=False),
        "training": facts,
    }
    parameters = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    engine = getattr(model.estimator_, "engine_", type(model.estimator_).__name__)
    named = model.features.named_builders if isinstance(model.features, FeatureSet) else {"builder": model.features}
    builders = {f"features.{name}": repr(builder)[:500] for name, builder in named.items()}
    return parameters | builders | {"estimator.engine": engine, "features.n_columns": len(model.feature_table)}


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    metrics = {}
    for row in evaluation.tables["metrics"].to_dict("records"):
        for part, suffix in (("value", ""), ("lower", "_lower"), ("upper", "_upper")):
            if np.isfinite(row[part]):
                metrics[f"{row['metric']}{suffix}"] = float(row[part])
    return metrics


def _write_aggregates(model: NeedModel, evaluation: Evaluation, folder: Path) -> Path:
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True)
    for name, table in evaluation.tables.items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False, lineterminator="\n")
    model.feature_table.to_csv(folder / "tables" / "features.csv", index=False, lineterminator="\n")
    for name, figure in evaluation.figures.items():
        figure.savefig(folder / "figures" / f"{name}.png", dpi=120, metadata={"Software": None})
    evaluation.to_html(folder / "evaluation.html", title=f"{model.name} {model.version}")
    card = evaluation.model_card(title=f"{model.name} {model.version}")
    (folder / "model_card.md").write_text(card, encoding="utf-8", newline="\n")
    return folder


def _signature(model: NeedModel):
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    columns = [ColSpec("double", name) for name in model.feature_table["feature"]]
    output = "string" if model.is_segmenter else "double"
    return ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(output)]))


def _pip_requirements() -> list[str]:
    """Stated, because MLflow would load the model in another process to find out, which takes ten seconds."""
    return [f"servicenee=={__version__}", *(f"{name}=={importlib.metadata.version(name)}" for name in _REQUIREMENTS)]
