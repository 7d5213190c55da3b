"""A logged model is registered, scores the same bits through every door, and its run holds aggregates only."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest

from servicenee import load_model, log_model, make_registers, monitor
from servicenee.exceptions import ModelError
from servicenee.persistence import manifest_sha256
from servicenee.tracking import configure
from servicenee.training import train

pytestmark = pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")


@pytest.fixture(scope="module")
def county():
    return make_registers(1_500, random_state=3)


@pytest.fixture(scope="module")
def trained(county):
    return train("home_care_start_12m", county)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for the module: its database takes seconds to make."""
    folder = tmp_path_factory.mktemp("tracking")
    before = os.getcwd()
    os.chdir(folder)
    configure(folder / "runs")
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def uri(trained, store):
    return log_model(trained.model, trained.evaluation, experiment="tests", name="start", alias="champion")


@pytest.fixture(scope="module")
def run(uri):
    import mlflow

    client = mlflow.MlflowClient()
    version = client.get_model_version("start", "1")
    return client.get_run(version.run_id)


@pytest.fixture(scope="module")
def artefacts(run):
    """Paths of everything logged with the run, relative to it."""
    import mlflow

    folder = mlflow.artifacts.download_artifacts(run_id=run.info.run_id)
    return {os.path.relpath(os.path.join(root, name), folder) for root, _, names in os.walk(folder) for name in names}


@pytest.mark.parametrize("address", ["models:/start@champion", "models:/start/1"])
def test_a_registered_model_predicts_the_same_bits(address, uri, trained, county):
    loaded = load_model(address)
    pd.testing.assert_frame_equal(loaded.predict(county), trained.model.predict(county), check_exact=True)


def test_the_address_returned_is_of_exactly_this_version(uri):
    assert uri == "models:/start/1"


def test_mlflows_own_loader_gives_the_same_risks_from_a_feature_table(uri, trained, county):
    import mlflow

    cohort = trained.model.population.at(county, county.extract_date)
    X = trained.model.transform(cohort)
    risks = mlflow.pyfunc.load_model("models:/start@champion").predict(X[X.columns[::-1]])
    np.testing.assert_array_equal(risks, trained.model.predict(county)["risk"])


MARK = "9d3f1-somebody"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: X.drop(columns=["age", "sex_female"]), r"the frame lacks 2 of the 82 columns .*: age, sex_female\."),
        (lambda X: X.assign(age=MARK), r"1 columns of the frame hold something else than numbers: age\."),
        (lambda X: X.to_numpy(), "the frame lacks 82 of the 82 columns"),
        (lambda X: X.assign(age=np.nan), r"1 columns of the frame have no value in any row and were never .*: age\."),
    ],
    ids=["a column is missing", "a text", "no names", "nothing in a column"],
)
def test_a_frame_that_is_not_the_models_is_refused_by_name_and_shows_no_person(uri, trained, county, spoil, message):
    import mlflow

    X = trained.model.transform(trained.model.population.at(county, county.extract_date)).head(20)
    function = mlflow.pyfunc.load_model(uri)
    with pytest.raises(ModelError, match=message) as refused:
        function.predict(spoil(X))
    persons = X.index.get_level_values("person_id")
    assert not [text for text in (MARK, *persons) if text in str(refused.value)]


def test_the_registered_model_says_what_it_is_and_where_its_lists_are_cut(uri, trained):
    import mlflow

    facts = mlflow.models.get_model_info(uri).metadata["servicenee"]
    model, capacity = trained.model, trained.evaluation.tables["capacity"]
    assert (facts["name"], facts["version"], facts["valid_until"]) == (model.name, model.version, "2026-01-01")
    assert facts["population"]["parameters"]["min_age"] == 75
    assert facts["outcome_definition"]["confirm_days"] == 60
    assert (facts["engine"], facts["calibration"]) == (model.estimator_.engine_, model.estimator_.calibrator_.kind)
    assert {"scikit-learn", "numpy", "pandas", "servicenee"} <= set(facts["libraries"])
    cuts = {row["capacity"]: row["lowest_risk"] for row in facts["cut_points"]}
    expected = capacity.set_index("capacity")["lowest_risk"]
    assert cuts["5%"] == pytest.approx(expected["5%"])


def test_the_run_holds_the_definition_with_its_code_lists(run):
    import mlflow

    definition = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/definition.json")
    builders = dict(definition["features"]["parameters"]["builders"])
    conditions = builders["conditions"]["parameters"]["by"]
    dementia = next(prefixes for group, prefixes, _ in conditions["groups"] if group == "dementia")
    assert "ICD-10:F03" in dementia


def test_metrics_carry_their_intervals(run, trained):
    metrics = run.data.metrics
    assert metrics["auc"] == trained.evaluation.metric("auc")
    assert metrics["auc_lower"] < metrics["auc"] < metrics["auc_upper"]
    assert "observed_expected" in metrics


def test_parameters_tell_population_outcome_training_and_a_digest_of_the_data(run, trained):
    parameters = run.data.params
    assert parameters["population.min_age"] == "75"
    assert parameters["outcome.horizon_days"] == "365"
    assert parameters["training.index_dates"] == "2019-10-01, 2020-10-01, 2021-10-01"
    assert parameters["training.digest"] == trained.model.training_.digest
    [dataset] = [one.dataset for one in run.inputs.dataset_inputs]
    assert dataset.digest == trained.model.training_.digest


@pytest.mark.parametrize(
    "name",
    ["evaluation.html", "model_card.md", "figures/calibration.png", "tables/metrics.csv", "tables/features.csv"],
)
def test_the_run_holds_report_card_figures_and_tables(artefacts, name):
    assert name in artefacts


def test_the_registered_model_holds_no_example_of_its_input(store, uri):
    names = {name for _, _, files in os.walk(store) for name in files}
    assert "MLmodel" in names
    assert not [name for name in names if "example" in name]


def test_a_registered_model_is_refused_when_it_is_not_the_expected_one(uri, run):
    expected = run.data.tags["servicenee.manifest_sha256"]
    assert load_model(uri, expected_sha256=expected).name == "home_care_start_12m"
    with pytest.raises(ModelError, match="differs from `expected_sha256`"):
        load_model(uri, expected_sha256="0" * 64)


@pytest.mark.parametrize("address", ["models:/start@nobody", "models:/nothing/1"])
def test_an_unknown_address_says_where_it_was_looked_up(address, uri):
    with pytest.raises(ModelError, match=rf"{address} cannot be loaded from sqlite:.*configure"):
        load_model(address)


def test_a_model_of_somebody_else_is_not_loaded(uri, trained, store):
    import mlflow

    with mlflow.start_run(experiment_id=mlflow.get_experiment_by_name("tests").experiment_id):
        mlflow.pyfunc.log_model(
            name="model",
            loader_module="servicenee.tracking",
            data_path=str(store / "runs" / "mlflow.db"),
            pip_requirements=["servicenee"],
            registered_model_name="foreign",
        )
    with pytest.raises(ModelError, match=r"models:/foreign/1 is not a model of servicenee"):
        load_model("models:/foreign/1")


def test_champion_and_challenger_are_two_addresses_and_the_alias_moves_with_a_decision(trained, uri, county):
    challenger = trained.model.renewed("2027-06-30")
    second = log_model(challenger, trained.evaluation, experiment="tests", name="pair", alias="champion")
    assert load_model("models:/pair@champion").valid_until == "2027-06-30"
    third = log_model(trained.model, trained.evaluation, experiment="tests", name="pair", alias="challenger")
    assert (second, third) == ("models:/pair/1", "models:/pair/2")
    assert load_model("models:/pair@challenger").valid_until == "2026-01-01"
    assert load_model("models:/pair@champion").valid_until == "2027-06-30"


def test_a_monitor_run_is_logged_with_its_figures_page_and_tables(trained, county, uri):
    import mlflow

    run_id = monitor(trained.model, county, known=[], capacity=50).log(experiment="watch")
    logged = mlflow.get_run(run_id)
    assert logged.data.tags["servicenee.status"] in ("well", "look")
    assert logged.data.metrics["listed"] == 50
    assert "features_shifted" in logged.data.metrics
    folder = mlflow.artifacts.download_artifacts(run_id=run_id)
    names = {name for _, _, files in os.walk(folder) for name in files}
    assert {"monitor.html", "monitor.json", "volumes.csv", "columns.csv", "findings.csv"} <= names


@pytest.mark.slow
def test_a_served_model_answers_with_the_risks_and_refuses_by_name(uri, trained, county, tmp_path):
    """`mlflow models serve`, on a port of this machine, with the environment that is there."""
    import mlflow

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "-p", str(port), "--env-manager", "local"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "MLFLOW_DISABLE_TELEMETRY": "true"}
    # MLflow starts `uvicorn` by its name, which need not be on the path of whoever runs the tests.
    command = tmp_path / "uvicorn"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m uvicorn "$@"\n', "utf-8")
    command.chmod(0o755)
    environment["PATH"] = os.pathsep.join([str(tmp_path), environment["PATH"]])
    server = subprocess.Popen(
        [*served, "--workers", "1"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(port, server)
        X = trained.model.transform(trained.model.population.at(county, county.extract_date)).head(30)
        code, answer = post(port, X[X.columns[::-1]])
        assert code == 200
        risks = trained.model.predict(county)["risk"].to_numpy()[:30]
        np.testing.assert_allclose(json.loads(answer)["predictions"], risks, rtol=1e-12)
        code, answer = post(port, X.drop(columns="age"))
        assert code == 400
        assert "the frame lacks 1 of the 82 columns the model was trained with: age" in answer
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def wait_for(port: int, server: subprocess.Popen) -> None:
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            if urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).status == 200:
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not answer within two minutes")


def post(port: int, X: pd.DataFrame) -> tuple[int, str]:
    body = json.dumps({"dataframe_split": json.loads(X.to_json(orient="split", index=False, double_precision=15))})
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_what_mlflow_refuses_becomes_one_of_our_errors(trained, uri):
    with pytest.raises(ModelError, match=r"MLflow at sqlite:.* refused: .*alias"):
        log_model(trained.model, trained.evaluation, experiment="tests", name="other", alias="no alias!")


def test_logging_again_makes_a_second_version_and_moves_the_alias(trained, uri, capfd):
    second = log_model(trained.model, trained.evaluation, experiment="tests", name="start", alias="next")
    assert second == "models:/start/2"
    assert capfd.readouterr() == ("", ""), "a batch job stays quiet"
    import mlflow

    aliases = mlflow.MlflowClient().get_registered_model("start").aliases
    assert {name: str(version) for name, version in aliases.items()} == {"champion": "1", "next": "2"}


def test_logging_leaves_logging_and_the_working_directory_as_they_were(trained, store, uri):
    root = logging.getLogger()
    before = root.handlers[:], root.level, root.manager.disable
    load_model(uri)
    assert (root.handlers, root.level, root.manager.disable) == before
    assert sorted(os.listdir(store)) == ["runs"]


def test_a_folder_is_an_address_too(trained, tmp_path, county):
    from servicenee import save_model

    folder = save_model(trained.model, tmp_path / "model")
    loaded = load_model(str(folder), expected_sha256=manifest_sha256(folder))
    pd.testing.assert_frame_equal(loaded.predict(county), trained.model.predict(county), check_exact=True)
