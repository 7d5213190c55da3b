"""Riley's criteria: the published example, and R² from the AUC against a simulation."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from servicenee.evaluation import minimum_sample_size
from servicenee.evaluation.sample_size import r2_from_auc


def test_the_published_example_needs_662_women_and_116_events():
    # Riley RD et al. BMJ 2020;368:m441, box 5, pre-eclampsia of van Kuijk: 24 parameters, event share 0.174, R² 0.288.
    table = minimum_sample_size(0.174, 24, r2_cox_snell=0.288).set_index("criterion")
    assert table.loc["all", ["n", "events"]].tolist() == [662, 116]
    assert table["n"].to_dict() == {"shrinkage": 623, "optimism": 662, "event_share": 221, "all": 662}


def test_a_weaker_model_needs_more_rows_and_more_parameters_need_more():
    def rows(auc, n_parameters):
        return minimum_sample_size(0.05, n_parameters, auc=auc)["n"].iloc[-1]

    assert rows(0.65, 20) > rows(0.75, 20) > rows(0.85, 20)
    assert rows(0.75, 80) > rows(0.75, 20)


@pytest.mark.parametrize(("auc", "share"), [(0.7, 0.05), (0.8, 0.174), (0.9, 0.4)])
def test_r2_from_the_auc_is_that_of_a_simulated_model(auc, share):
    rng = np.random.default_rng(0)
    y = rng.random(400_000) < share
    x = rng.normal(size=400_000) + y * np.sqrt(2) * norm.ppf(auc)
    risk = LogisticRegression(C=np.inf).fit(x[:, None], y).predict_proba(x[:, None])[:, 1]
    fitted = np.mean(np.where(y, np.log(risk), np.log1p(-risk)))
    constant = y.mean() * np.log(y.mean()) + (1 - y.mean()) * np.log(1 - y.mean())
    assert r2_from_auc(auc, share) == pytest.approx(1 - np.exp(-2 * (fitted - constant)), abs=0.004)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`r2_cox_snell` or `auc` must be given"),
        ({"auc": 0.7, "r2_cox_snell": 0.1}, "and not both"),
        ({"auc": 0.5}, "`auc` must lie between 0.5 and 1"),
        ({"r2_cox_snell": 0.9}, "must lie between 0 and"),
    ],
    ids=["neither", "both", "guessing", "impossible"],
)
def test_strengths_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        minimum_sample_size(0.1, 10, **arguments)
