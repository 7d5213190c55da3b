"""Physician visits of 4,406 older Americans: the mean and the intervals are judged on persons left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import xlogy
from sklearn.compose import make_column_transformer
from sklearn.linear_model import PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from servicenee.need import DemandRegressor

USE_IN_THE_SAME_YEAR = ["nvisits", "ovisits", "novisits", "emergency"]
pytestmark = pytest.mark.filterwarnings("ignore:Persons are not known")


@pytest.fixture(scope="module")
def survey():
    table = pd.read_parquet(Path(__file__).parents[1] / "data" / "nmes1988" / "nmes1988.parquet")
    return table.drop(columns=["visits", *USE_IN_THE_SAME_YEAR]), table["visits"].to_numpy(dtype=float)


def deviance(y, mean):
    return float(np.mean(2 * (xlogy(y, y / mean) - y + mean)))


def out_of_fold(estimator, X, y, seed, n_folds=10):
    fold = np.random.default_rng(seed).permutation(len(y)) % n_folds
    mean, ends = np.empty(len(y)), np.empty((len(y), 2))
    for one in range(n_folds):
        model = estimator.fit(X[fold != one], y[fold != one])
        mean[fold == one] = model.predict(X[fold == one])
        if isinstance(model, DemandRegressor):
            ends[fold == one] = model.predict_interval(X[fold == one], coverage=0.8)
    return mean, (ends[:, 0] <= y) & (y <= ends[:, 1])


def test_the_data_are_those_of_the_literature(survey):
    X, y = survey
    numbers = X.select_dtypes("number").columns
    glm = make_pipeline(
        make_column_transformer((StandardScaler(), numbers), remainder=OneHotEncoder(drop="first")),
        PoissonRegressor(alpha=0, max_iter=1_000),
    )
    assert (len(y), y.sum(), (y == 0).sum()) == (4_406, 25_442, 683)
    assert deviance(y, np.full(len(y), y.mean())) == pytest.approx(6.115, abs=0.001)
    assert deviance(y, out_of_fold(glm, X, y, seed=0)[0]) == pytest.approx(5.255, abs=0.03)


@pytest.mark.slow
def test_visits_of_persons_left_out_are_expected_and_their_intervals_cover_in_every_fifth(survey):
    X, y = survey
    deviances = []
    for seed in range(3):
        mean, inside = out_of_fold(DemandRegressor(random_state=seed), X, y, seed)
        fifth = np.argsort(np.argsort(mean)) * 5 // len(y)
        deviances.append(deviance(y, mean))
        assert 0.78 <= inside.mean() <= 0.83
        assert min(inside[fifth == one].mean() for one in range(5)) >= 0.76
    assert np.mean(deviances) <= 5.15
