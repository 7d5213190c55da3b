"""Does the line find the truth? A synthetic county knows every person's true risk; the default model does not.

The oracle regresses the true risk itself on the same X in another county: what the features allow. The latent truth is
the ceiling that no features reach.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from servicenee import NeedClassifier, Outcome, Population, default_features, make_registers, true_risks

START = "2014-01-01"
TRAINING = [f"{year}-01-01" for year in range(2016, 2022)]
TEST = "2022-01-01"  # the last training window ends the day before; its own window ends a year before the extract
POPULATION = Population(65, without=["stay:home_care", "stay:round_the_clock"])


def _rows(n_persons, seed, dates, part=None):
    registers = make_registers(n_persons, random_state=seed, start=START, part=part)
    cohort = POPULATION.at(registers, dates)
    X = default_features(registers).fit_transform(cohort)
    truth = true_risks(cohort.frame, "home_care_start", random_state=seed, start=START).to_numpy()
    return X, Outcome("home_care_start").label(cohort), truth


def _expected_auc(truth: np.ndarray, score: np.ndarray) -> float:
    """Probability that a drawn event outranks a drawn non-event when row i is an event with probability truth[i]."""
    _, level = np.unique(score, return_inverse=True)
    events, others = np.bincount(level, weights=truth), np.bincount(level, weights=1 - truth)
    below = np.cumsum(others) - others
    return float((events * (below + others / 2)).sum() / (events.sum() * others.sum()))


def _expected_slope(truth: np.ndarray, risk: np.ndarray) -> float:
    """Calibration slope of the risks if row i were an event with probability truth[i]."""
    logit = np.log(risk / (1 - risk))
    doubled = np.r_[logit, logit][:, None]
    event = np.r_[np.ones_like(truth), np.zeros_like(truth)]
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(doubled, event, sample_weight=np.r_[truth, 1 - truth])
    return float(fitted.coef_[0, 0])


@pytest.fixture(scope="module")
def oracle():
    parts = [_rows(40_000, 1_000, [*TRAINING, TEST], part=(number, 4)) for number in range(4)]
    X, truth = pd.concat([X for X, _, _ in parts]), np.concatenate([truth for _, _, truth in parts])
    assert len(X) >= 100_000
    trees = HistGradientBoostingRegressor(
        loss="poisson", max_iter=400, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=100, random_state=0
    )
    return trees.fit(X.to_numpy(), truth)


@pytest.fixture(scope="module")
def found(oracle):
    rows = []
    for seed in range(5):
        X, labels, _ = _rows(20_000, seed, TRAINING)
        model = NeedClassifier(random_state=0).fit(X, labels)
        X, labels, truth = _rows(20_000, seed, TEST)
        risk = model.predict_proba(X)[:, 1]
        followed = (labels["status"] != 3).to_numpy()
        rows.append(
            {
                "engine": model.engine_,
                "auc": _expected_auc(truth, risk),
                "oracle": _expected_auc(truth, oracle.predict(X.to_numpy())),
                "latent truth": _expected_auc(truth, truth),
                "slope": _expected_slope(truth, risk),
                "expected_observed": truth.sum() / risk.sum(),
                "realised": (labels["status"] == 1)[followed].sum() / risk[followed].sum(),
            }
        )
    table = pd.DataFrame(rows)
    print(f"\nhome_care_start, out of time, seeds 0-4; the latent truth is the ceiling\n{table.round(3).to_string()}")
    return table


@pytest.mark.slow
def test_the_default_model_is_near_the_oracle(found):
    assert (found["auc"] >= found["oracle"] - 0.015).all()
    assert (found["oracle"] < found["latent truth"]).all()


@pytest.mark.slow
def test_the_default_model_is_calibrated(found):
    assert found["slope"].between(0.85, 1.15).all()
    assert 0.93 <= found["expected_observed"].median() <= 1.07
    assert found["realised"].between(0.88, 1.12).all()


def test_a_small_county_is_recovered_roughly():
    X, labels, _ = _rows(5_000, 1, TRAINING[-3:])
    model = NeedClassifier(random_state=0).fit(X, labels)
    X, _, truth = _rows(5_000, 1, TEST)
    risk = model.predict_proba(X)[:, 1]
    assert _expected_auc(truth, risk) > 0.74
    assert _expected_auc(truth, X["age"].to_numpy()) < _expected_auc(truth, risk)
    assert 0.75 < truth.sum() / risk.sum() < 1.33
