"""A logged model is registered, scores the same bits through every door, and its run holds aggregates only."""

import logging
import os

import numpy as np
import pandas as pd
import pytest

from servicenee import load_model, log_model, make_registers
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
