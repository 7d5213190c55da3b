"""Several risks of the same persons: the same figures as alone, and differences that are surer than two intervals."""

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import compare_risks, metric_table

RNG = np.random.default_rng(1)
INDEX = pd.MultiIndex.from_product([range(400), ["2023-01-01", "2024-01-01"]], names=["person_id", "index_date"])
FRAILTY = np.repeat(RNG.normal(size=400), 2)
RISK = pd.Series(1 / (1 + np.exp(2 - FRAILTY)), index=INDEX)
NOISY = pd.Series(1 / (1 + np.exp(2 - FRAILTY - 0.4 * RNG.normal(size=800))), index=INDEX)
OUTCOME = pd.Series((RNG.random(800) < RISK).astype(int), index=INDEX)


@pytest.fixture(scope="module")
def table():
    risks = {"model": RISK, "noisy": NOISY, "twin": RISK}
    return compare_risks(OUTCOME, risks, capacity=40, n_bootstrap=100).set_index(["model", "metric"])


def test_values_are_those_of_each_model_alone(table):
    for name, risk in (("model", RISK), ("noisy", NOISY)):
        alone = metric_table(OUTCOME, risk, capacity=40, n_bootstrap=0).set_index("metric")["value"]
        shown = table.loc[name, "value"]
        pd.testing.assert_series_equal(shown, alone[shown.index], check_names=False)


def test_differences_are_first_minus_other_and_none_for_the_first(table):
    noisy, model = table.loc["noisy"], table.loc["model"]
    assert (noisy["difference"] == model["value"] - noisy["value"]).all()
    assert model[["difference", "difference_lower", "difference_upper"]].isna().all(axis=None)


def test_equal_risks_differ_by_exactly_nothing(table):
    assert (table.loc["twin", ["difference", "difference_lower", "difference_upper"]] == 0).all(axis=None)


def test_a_difference_is_surer_than_two_intervals(table):
    row = table.loc[("noisy", "auc")]
    assert row["difference_upper"] - row["difference_lower"] < 0.8 * (row["upper"] - row["lower"])
    assert row["difference_lower"] <= row["difference"] <= row["difference_upper"]


def test_lists_with_few_events_are_hidden():
    found = compare_risks(OUTCOME, {"model": RISK}, capacity=1, n_bootstrap=0).set_index("metric")
    assert found.loc[["ppv_at_capacity", "sensitivity_at_capacity"], "value"].isna().all()
    assert found.loc["ppv_at_capacity", "note"].startswith("hidden")
    assert np.isfinite(found.loc["auc", "value"])


def test_without_a_model_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match="`risks` must hold the risks of at least one model"):
        compare_risks(OUTCOME, {})
