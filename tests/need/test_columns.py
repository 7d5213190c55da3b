"""The linear engine's curves: what shapes it can follow and what it does beyond the training data."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from servicenee.need.boosted import boosted_predictor, fit_boosted
from servicenee.need.columns import Rows, learn_columns, read_matrix, used
from servicenee.need.families import LOGISTIC
from servicenee.need.linear import fit_linear, linear_predictor
from servicenee.need.selection import choose_engine

N = 20_000


def fitted_curve(x, truth):
    rng = np.random.default_rng(0)
    y = (rng.random(len(x)) < expit(truth)).astype(int)
    X = pd.DataFrame({"x": x})
    columns = learn_columns(X, None)
    rows = Rows(read_matrix(used(columns), X), used(columns), y, np.ones(len(y)))
    model = fit_linear(rows, LOGISTIC, (0.3,))[0]
    return lambda values: linear_predictor(model, read_matrix(columns, pd.DataFrame({"x": values})))


def test_a_bend_is_followed():
    x = np.random.default_rng(1).uniform(65, 95, N)
    curve = fitted_curve(x, np.maximum(0, x - 85) * 0.3 - 2)
    assert curve([66.0, 80.0, 94.0]) == pytest.approx([-2, -2, 0.7], abs=0.3)


def test_counts_have_a_step_from_none_to_any_and_then_the_logarithm():
    x = np.random.default_rng(1).negative_binomial(1, 0.3, N).astype(float)
    curve = fitted_curve(x, -2 + 1.0 * (x > 0) + 0.3 * np.log1p(x))
    assert curve([0.0, 1.0, 8.0]) == pytest.approx([-2, -0.79, -0.34], abs=0.2)


def test_missing_has_its_own_level_and_the_others_keep_their_line():
    rng = np.random.default_rng(1)
    x = np.where(rng.random(N) < 0.4, np.nan, rng.normal(size=N))
    curve = fitted_curve(x, np.where(np.isnan(x), 0.5, -1 + 0.8 * x))
    assert curve([np.nan, 0.0, 1.0]) == pytest.approx([0.5, -1, -0.2], abs=0.2)


def test_the_curve_is_flat_beyond_what_was_seen():
    x = np.random.default_rng(1).uniform(65, 95, N)
    curve = fitted_curve(x, (x - 80) / 5)
    low, high, lowest, highest = curve([65.0, 95.0, -1e6, 1e6])
    assert (lowest, highest) == pytest.approx((low, high), abs=0.02)


def test_categories_not_seen_get_about_the_average():
    x = np.random.default_rng(1).choice(["low", "high"], N)
    curve = fitted_curve(x, np.where(x == "high", 1.0, -1.0))
    assert curve(["low", "high", "new"]) == pytest.approx([-1, 1, 0], abs=0.15)


def test_trees_are_only_considered_from_1000_events():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4_000, 2))
    columns, folds = learn_columns(X, None), np.arange(4_000) % 3
    crossed = expit(3 * np.sign(X[:, 0] * X[:, 1]))
    for rate, considered in [(1.0, ["linear", "boosted"]), (0.3, ["linear"])]:
        y = (rng.random(4_000) < rate * crossed).astype(int)
        choice = choose_engine(Rows(X, columns, y, np.ones(4_000)), folds, LOGISTIC, seed=0)
        assert list(choice.loss) == considered
    assert choice.engine == "linear"


def test_nearly_equal_weights_give_trees_as_good_as_equal_weights():
    rng = np.random.default_rng(0)
    X = rng.gamma(1.0, size=(6_000, 2))
    y = (rng.random(6_000) < expit(np.where(X[:, 0] > 1, 2, -2) * np.where(X[:, 1] > 1, 1, -1))).astype(int)
    columns, folds = learn_columns(X, None), np.arange(6_000) % 3
    losses = [
        choose_engine(Rows(X, columns, y, weights), folds, LOGISTIC, seed=0).loss["boosted"]
        for weights in (np.ones(6_000), np.r_[np.full(5_999, 1.0), 1.001])
    ]
    assert losses[0] == pytest.approx(losses[1], abs=0.005)


def test_columns_of_our_features_that_count_use_are_held_to_raise_the_prediction():
    names = ["age", "count_contacts_emergency_365d", "latest_weight_730d", "assessed_CPS_365d"]
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 4)), columns=names)
    held = {column.name for column in learn_columns(X, None, "auto") if column.is_increasing}
    assert held == {"count_contacts_emergency_365d", "assessed_CPS_365d"}
    assert not any(column.is_increasing for column in learn_columns(X, None))
    with pytest.raises(ValueError, match=r"`increasing` must name columns of X; 1 are not there: weight"):
        learn_columns(X, None, ["weight"])


def test_trees_never_fall_along_a_column_held_to_rise():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"visits": rng.poisson(3, 4_000).astype(float), "other": rng.normal(size=4_000)})
    y = (rng.random(4_000) < expit(np.sin(X["visits"]) + X["other"])).astype(int)
    columns = used(learn_columns(X, None, ["visits"]))
    trees = fit_boosted(Rows(X.to_numpy(), columns, y, np.ones(4_000)), LOGISTIC, 60, seed=0)
    along = boosted_predictor(trees, np.column_stack([np.arange(12.0), np.zeros(12)]))
    assert (np.diff(along) >= 0).all()
