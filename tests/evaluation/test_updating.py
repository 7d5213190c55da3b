"""Closed testing for a new place: statistics against statsmodels, and the smallest change that is enough."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from servicenee.evaluation import observed_expected, recalibrate


def county(n_persons, intercept, slope, bend=0.0, seed=0):
    """Persons of a new place with three index dates: true log odds are intercept + slope z + bend (z² - 1)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=3 * n_persons)
    index = pd.MultiIndex.from_product([range(n_persons), ["2021", "2022", "2023"]], names=["person_id", "index_date"])
    outcome = rng.random(3 * n_persons) < expit(intercept + slope * z + bend * (z**2 - 1))
    return pd.Series(outcome.astype(int), index=index), expit(-1.5 + z)


def test_statistics_agree_with_statsmodels():
    # statsmodels 0.15: Logit on the same restricted cubic spline, cov_type="cluster" by person without its small-sample
    # correction, times n / (n - 1); Wald statistics of the last 4, 3 and 2 coefficients.
    rng = np.random.default_rng(0)
    z = rng.normal(size=900)
    risk = 1 / (1 + np.exp(-(-1.5 + z)))
    y = (rng.random(900) < 1 / (1 + np.exp(-(-1.1 + 0.7 * z)))).astype(int)
    index = pd.MultiIndex.from_product([range(300), ["2021", "2022", "2023"]], names=["person_id", "index_date"])
    found = recalibrate(pd.Series(y, index=index), risk)
    assert found.tests["statistic"].tolist() == pytest.approx([43.78627521, 9.39847451, 2.7775594], rel=1e-6)
    assert found.tests["df"].tolist() == [4, 3, 2]
    assert found.method == "logistic"


@pytest.mark.parametrize(
    ("intercept", "slope", "bend", "method"),
    [(-1.5, 1.0, 0, "none"), (-0.8, 1.0, 0, "intercept"), (-1.2, 0.5, 0, "logistic"), (-1.5, 1.0, -0.5, "refit")],
    ids=["nothing differs", "other level", "other slope", "other shape"],
)
def test_the_smallest_change_that_is_enough_is_chosen(intercept, slope, bend, method):
    outcome, risk = county(2000, intercept, slope, bend)
    assert recalibrate(outcome, risk).method == method


def test_risks_that_are_right_are_rarely_changed():
    chosen = [recalibrate(*county(300, -1.5, 1.0, seed=seed)).method for seed in range(60)]
    assert chosen.count("none") >= 52, "one in twenty on average"


def test_another_effect_of_a_predictor_calls_for_a_refit():
    outcome, risk = county(1500, -1.5, 1.0)
    group = np.random.default_rng(5).random(len(risk)) < 0.5
    moved = (np.random.default_rng(6).random(len(risk)) < expit(logit(risk) + np.where(group, 0.8, -0.8))).astype(int)
    moved = pd.Series(moved, index=outcome.index)
    assert recalibrate(moved, risk, X=group[:, None].astype(float)).method == "refit"
    assert recalibrate(outcome, risk, X=group[:, None].astype(float)).method == "none"


def test_changed_risks_are_right_on_average():
    outcome, risk = county(2000, -0.8, 1.0)
    for method in ("intercept", "logistic"):
        changed = recalibrate(outcome, risk, method=method).apply(risk)
        assert observed_expected(outcome, changed) == pytest.approx(1, abs=1e-6)
        assert recalibrate(outcome, changed).method == "none"
    same = recalibrate(outcome, risk, method="none").apply(risk)
    assert (same == risk).all()


@pytest.mark.parametrize("outcome", [[0] * 50 + [1] * 10, [1] * 100], ids=["few events", "only events"])
def test_too_few_of_either_are_refused_without_saying_how_many(outcome):
    with pytest.raises(ValueError, match="at least 20 rows with the event and as many without") as raised:
        recalibrate(outcome, np.linspace(0.1, 0.5, len(outcome)))
    assert "10" not in str(raised.value)


def test_equal_risks_allow_a_shift_only():
    outcome, risk = np.tile([0, 0, 1], 40), np.full(120, 0.2)
    assert recalibrate(outcome, risk, method="intercept").apply(risk) == pytest.approx(np.full(120, 1 / 3))
    with pytest.raises(ValueError, match="must vary"):
        recalibrate(outcome, risk)
