"""Scorers inside scikit-learn's own tools, with a labels table and with a 0/1 outcome."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate

from servicenee.evaluation import auc_scorer, known_outcomes, ppv_at_capacity, ppv_scorer, scorer


class CensoredLogistic(ClassifierMixin, BaseEstimator):
    """Logistic regression on the known rows of a labels table."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        positions, known, weights = known_outcomes(y)
        self.model_ = LogisticRegression(C=self.C).fit(np.asarray(X)[positions], known, sample_weight=weights)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(np.asarray(X))

    def predict(self, X):
        return self.model_.predict(np.asarray(X))


def made_up(n_rows=600):
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product(
        [range(n_rows // 2), pd.to_datetime(["2024-01-01", "2024-07-01"])], names=["person_id", "index_date"]
    )
    X = pd.DataFrame(rng.normal(size=(n_rows, 2)), columns=["a", "b"], index=index)
    event = rng.random(n_rows) < 1 / (1 + np.exp(1 - X["a"].to_numpy()))
    status = np.where(rng.random(n_rows) < 0.2, 3, event)
    time = np.where(status == 0, 365.0, rng.integers(1, 365, n_rows))
    labels = pd.DataFrame(
        {"status": status, "time_days": time, "value": status == 1.0, "exposure_days": time}, index=index
    )
    return X, labels


SCORING = {name: scorer(name) for name in ("auc", "average_precision", "log_loss", "brier")}


@pytest.mark.parametrize("as_labels", [True, False], ids=["labels table", "0/1 outcome"])
def test_cross_validate_takes_both_kinds_of_y(as_labels):
    X, labels = made_up()
    y = labels if as_labels else (labels["status"] == 1).astype(int)
    groups = X.index.get_level_values("person_id")
    scoring = {**SCORING, "ppv": ppv_scorer(capacity=20)}
    found = cross_validate(
        CensoredLogistic(), X, y, groups=groups, cv=GroupKFold(4), scoring=scoring, error_score="raise"
    )
    assert (found["test_auc"] > 0.6).all()
    assert (found["test_log_loss"] < 0).all()
    assert (found["test_brier"] < 0).all()
    assert (found["test_ppv"] > 0.3).all()


def test_grid_search_picks_by_our_scorer():
    X, labels = made_up()
    search = GridSearchCV(CensoredLogistic(), {"C": [1e-4, 1.0]}, scoring=scorer("log_loss"), cv=3, error_score="raise")
    assert search.fit(X, labels).best_params_ == {"C": 1.0}


def test_ppv_scorer_keeps_index_dates_apart():
    X, labels = made_up()
    model = CensoredLogistic().fit(X, labels)
    risk = model.predict_proba(X)[:, 1]
    assert ppv_scorer(capacity=10)(model, X, labels) == ppv_at_capacity(labels, risk, capacity=10)
    assert ppv_scorer(capacity=10)(model, X, labels) != ppv_at_capacity(
        labels.reset_index(drop=True), risk, capacity=10
    )


def test_sample_weight_reaches_the_scorer_by_metadata_routing():
    X, labels = made_up()
    y = (labels["status"] == 1).astype(int).to_numpy()
    weight = np.where(np.arange(len(y)) % 3 == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_validate(
            LogisticRegression().set_fit_request(sample_weight=False),
            X.to_numpy(),
            y,
            cv=3,
            scoring=scorer("auc").set_score_request(sample_weight=True),
            params={"sample_weight": weight},
            error_score="raise",
        )
    plain = cross_validate(LogisticRegression(), X.to_numpy(), y, cv=3, scoring=auc_scorer)
    assert not np.allclose(found["test_score"], plain["test_score"])


@pytest.mark.parametrize("name", ["roc_auc", "neg_log_loss", "neg_brier_score", "average_precision"])
def test_string_scorers_refuse_a_labels_table_rather_than_give_a_wrong_number(name):
    X, labels = made_up()
    with pytest.raises(ValueError, match=r"multi|not supported|1d array|inconsistent"):
        cross_validate(CensoredLogistic(), X, labels, cv=3, scoring=name, error_score="raise")


def test_an_unknown_scorer_is_refused():
    with pytest.raises(ValueError, match=r"`name` must be one of 'auc', .*; got 'roc_auc'"):
        scorer("roc_auc")


def test_a_wrong_capacity_is_refused_before_any_fit():
    with pytest.raises(ValueError, match="`capacity`"):
        ppv_scorer(capacity=0)
