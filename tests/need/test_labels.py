"""Unfinished follow-up: the labels table is a y, and recovers what the naive 0/1 outcome loses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from servicenee.evaluation import is_labels
from servicenee.exceptions import ServiceneeWarning
from servicenee.need import NeedClassifier


@pytest.fixture(scope="module")
def followed():
    """Exponential times to the event, death and leaving; the true risk of the event before death in 365 days."""
    rng = np.random.default_rng(0)
    n = 8_000
    index = pd.MultiIndex.from_arrays([np.arange(n), ["2024-01-01"] * n], names=["person_id", "index_date"])
    X = pd.DataFrame({"frailty": rng.normal(size=n)}, index=index)
    hazard, death = np.exp(-7.4 + 0.8 * X["frailty"].to_numpy()), 1 / 2_000
    times = np.column_stack(
        [
            rng.exponential(1 / hazard),
            rng.exponential(1 / death, n),
            np.where(rng.random(n) < 0.5, rng.uniform(1, 365, n), np.inf),
            np.full(n, 365.0),
        ]
    )
    status = np.array([1, 2, 3, 0])[times.argmin(axis=1)]
    days = times.min(axis=1)
    labels = pd.DataFrame(
        {
            "status": status.astype("int8"),
            "time_days": days,
            "value": (status == 1) * 1.0,
            "exposure_days": days,
        },
        index=index,
    )
    return X, labels, hazard / (hazard + death) * (1 - np.exp(-365 * (hazard + death)))


def test_labels_recover_the_true_risk_and_naive_outcomes_do_not(followed):
    X, labels, true_risk = followed
    model = NeedClassifier(random_state=0)
    risk = model.fit(X, labels).predict_proba(X)[:, 1]
    naive = model.fit(X, (labels["status"] == 1).astype(int)).predict_proba(X)[:, 1]
    assert 0.95 < risk.mean() / true_risk.mean() < 1.05
    assert naive.mean() / true_risk.mean() < 0.85
    assert np.mean((risk - true_risk) ** 2) < np.mean((naive - true_risk) ** 2) / 2


def test_rows_that_left_count_neither_as_rows_nor_as_events(followed):
    X, labels, _ = followed
    model = NeedClassifier(random_state=0).fit(X, labels)
    assert model.n_rows_ == (labels["status"] != 3).sum()
    assert model.n_events_ == (labels["status"] == 1).sum()
    assert model.effective_n_ < model.n_rows_
    assert model.classes_.tolist() == [0, 1]


def test_without_unfinished_follow_up_labels_and_0_1_give_the_same_model(people):
    X, y, _ = people
    labels = pd.DataFrame({"status": y, "time_days": 365.0, "value": y * 1.0, "exposure_days": 365.0}, index=X.index)
    by_labels = NeedClassifier(random_state=0).fit(X, labels).predict_proba(X)
    assert by_labels.tobytes() == NeedClassifier(random_state=0).fit(X, y).predict_proba(X).tobytes()


def test_labels_of_other_rows_are_refused(followed):
    X, labels, _ = followed
    with pytest.raises(ValueError, match="must have the index of X"):
        NeedClassifier().fit(X, labels.iloc[::-1])


def test_an_estimator_without_weights_is_named(followed):
    X, labels, _ = followed
    with pytest.warns(ServiceneeWarning, match="KNeighborsClassifier takes no sample_weight"):
        NeedClassifier(KNeighborsClassifier(50), random_state=0).fit(X, labels)


@pytest.mark.parametrize("kind", ["labels", "0/1"])
def test_search_cross_validation_and_pipeline_take_both_kinds_of_y(followed, kind):
    X, labels, _ = followed
    y = labels if kind == "labels" else (labels["status"] == 1).astype(int)
    assert is_labels(y) == (kind == "labels")
    persons = X.index.get_level_values("person_id")
    pipeline = make_pipeline(FunctionTransformer(), NeedClassifier(random_state=0))
    folds = GroupKFold(2)
    settings = {"needclassifier__calibration": ["none", "logistic"]}
    search = GridSearchCV(pipeline, settings, cv=folds, error_score="raise").fit(X, y, groups=persons)
    scores = cross_validate(search.best_estimator_, X, y, groups=persons, cv=folds, error_score="raise")["test_score"]
    assert scores.min() > 0.65
