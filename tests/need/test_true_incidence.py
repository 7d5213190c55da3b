"""A made-up county whose true risks are known: what unfinished follow-up does to the sum of predicted risks.

`compare(100_000, seed)` for seeds 0 to 2 is the full comparison (about an hour); the test takes a smaller county.
"""

import warnings

import numpy as np
import pandas as pd
import pytest

from servicenee import NeedClassifier, Outcome, Population, RiskCurve, default_features, make_registers, true_risks
from servicenee.exceptions import ServiceneeWarning

# Windows that follow each other: three times the starts of one, so that the county's luck weighs less.
INDEX_DATES = ["2020-01-01", "2021-01-01", "2022-01-01"]


def leave_early(labels, seed, share=0.305):
    """Labels in which this share of rows leaves on a day of the window that has nothing to do with their risk."""
    rng = np.random.default_rng(seed)
    leaves = np.where(rng.random(len(labels)) < share, rng.integers(0, 365, len(labels)), 365)
    gone = leaves <= labels["time_days"]
    gone &= leaves < 365
    days = np.where(gone, leaves, labels["time_days"]).astype(float)
    return labels.assign(status=np.where(gone, 3, labels["status"]).astype("int8"), time_days=days, exposure_days=days)


def half_by_half(estimator, X, y, half):
    """Risk within a year of each half of the persons from a model of the other half."""
    risk = np.empty(len(X))
    for one in (False, True):
        known = (half != one) & ~np.isnan(np.asarray(y["status"] if isinstance(y, pd.DataFrame) else y, dtype=float))
        risk[half == one] = estimator.fit(X[known], y[known]).predict_proba(X[half == one])[:, 1]
    return risk


METHODS = ("RiskCurve", "NeedClassifier", "censored = no event", "censored dropped")


def compare(n_persons, seed, outcome="home_care_start", methods=METHODS):
    """Sum of predicted over sum of true risks, overall and in the tenth with the highest predictions, by method.

    "happened" is what came of the true risks before anybody left early: the county's luck.
    """
    registers = make_registers(n_persons, random_state=seed)
    cohort = Population(65, without=["stay:home_care", "stay:round_the_clock"]).at(registers, INDEX_DATES)
    followed, X = Outcome(outcome).label(cohort), default_features().fit_transform(cohort)
    # Who has the service already, unseen at the index date, can no longer start.
    can_start = ((followed["status"] != 4) | (followed["time_days"] > 0)).to_numpy()
    true = can_start * true_risks(X.index, outcome, random_state=seed).to_numpy()
    labels = leave_early(followed, seed)
    half = (np.random.default_rng(seed).random(len(registers.persons)) < 0.5)[cohort.person]
    event = (labels["status"] == 1).astype(float)
    targets = {
        "RiskCurve": (RiskCurve((90, 180, 365), random_state=0), labels),
        "NeedClassifier": (NeedClassifier(random_state=0), labels),
        "censored = no event": (NeedClassifier(random_state=0), event),
        "censored dropped": (NeedClassifier(random_state=0), event.where(labels["status"] != 3)),
    }
    rows = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        for name in methods:
            estimator, y = targets[name]
            risk = half_by_half(estimator, X, y, half)
            top = risk >= np.quantile(risk, 0.9)
            rows[name] = {"all": risk.sum() / true.sum(), "frailest tenth": risk[top].sum() / true[top].sum()}
            happened = (followed["status"] == 1).to_numpy()
            rows[name] |= {"happened": happened.sum() / true.sum(), "of tenth": happened[top].sum() / true[top].sum()}
    return pd.DataFrame(rows).T.assign(censored=(labels["status"] == 3).mean(), events=int(event.sum()))


@pytest.mark.slow
def test_the_sum_of_risks_is_true_under_censoring_and_naive_sums_are_not():
    table = compare(8_000, seed=10)
    assert 0.28 < table["censored"].iloc[0] < 0.32
    assert table["all"]["RiskCurve"] == pytest.approx(1, abs=0.07)
    assert table["frailest tenth"]["RiskCurve"] == pytest.approx(1, abs=0.15)
    assert table["all"]["censored = no event"] < 0.9
    assert table["all"]["censored dropped"] > 1.1
