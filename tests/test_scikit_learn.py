"""A cohort is an X: scikit-learn's own tools run on raw registers as they stand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline

from servicenee import (
    Demographics,
    EventCounts,
    FeatureSet,
    NeedClassifier,
    Outcome,
    Population,
    known_outcomes,
)
from servicenee.evaluation import auc_scorer, log_loss_scorer


@pytest.fixture(scope="module")
def line(county):
    cohort = Population(65).at(county, ["2020-01-01", "2021-01-01", "2022-01-01"])
    labels = Outcome("emergency_visit").label(cohort)
    features = FeatureSet([Demographics(), ("visits", EventCounts("contacts", source="emergency"))])
    return cohort, labels, features


def test_a_pipeline_from_registers_to_risk(line):
    cohort, labels, features = line
    y = (labels["status"] == 1).to_numpy().astype(int)
    pipeline = make_pipeline(features, HistGradientBoostingClassifier(max_iter=5))
    assert pipeline.fit(cohort, y).predict_proba(cohort).shape == (len(cohort), 2)
    assert list(pipeline[-1].feature_names_in_) == ["age", "sex_female", "count_contacts_emergency_365d"]


@pytest.mark.parametrize("as_labels", [True, False], ids=["labels table", "0/1"])
def test_cross_validation_by_person(line, as_labels):
    cohort, labels, features = line
    y = labels if as_labels else (labels["status"] == 1).to_numpy().astype(int)
    person = cohort.index.get_level_values("person_id")
    pipeline = make_pipeline(features, NeedClassifier(LogisticRegression(), calibration="intercept", random_state=0))
    splits = GroupKFold(3)
    scores = cross_validate(pipeline, cohort, y, groups=person, cv=splits, scoring=auc_scorer, error_score="raise")
    assert (scores["test_score"] > 0.55).all()


@pytest.mark.parametrize("as_labels", [True, False], ids=["labels table", "0/1"])
def test_a_lookback_window_is_a_hyperparameter(line, as_labels):
    cohort, labels, features = line
    y = labels if as_labels else (labels["status"] == 1).to_numpy().astype(int)
    search = GridSearchCV(
        make_pipeline(features, NeedClassifier(LogisticRegression(), calibration="none", random_state=0)),
        {"featureset__visits__lookback_days": [30, 730]},
        scoring=log_loss_scorer,
        cv=GroupKFold(2),
        error_score="raise",
    )
    search.fit(cohort, y, groups=cohort.index.get_level_values("person_id"))
    assert search.best_params_ == {"featureset__visits__lookback_days": 730}


def test_two_workers_find_what_one_finds(line):
    cohort, labels, features = line
    pipeline = make_pipeline(features, NeedClassifier(LogisticRegression(), calibration="none", random_state=0))
    person = cohort.index.get_level_values("person_id")
    found = [
        cross_validate(pipeline, cohort, labels, groups=person, cv=GroupKFold(2), scoring=auc_scorer, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(found[0]["test_score"], found[1]["test_score"])


def test_caching_persons_on_disk_is_refused(line, tmp_path):
    cohort, labels, features = line
    y = (labels["status"] == 1).to_numpy().astype(int)
    pipeline = make_pipeline(features, LogisticRegression(), memory=str(tmp_path))
    with pytest.raises(TypeError, match="cannot be cached"):
        pipeline.fit(cohort, y)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix == ".pkl"]


def test_computing_x_once_is_just_as_natural(line):
    cohort, labels, features = line
    X = features.fit_transform(cohort)
    positions, y, weights = known_outcomes(labels)
    model = HistGradientBoostingClassifier(max_iter=5).fit(X.iloc[positions], y, sample_weight=weights)
    risk = pd.Series(model.predict_proba(X)[:, 1], index=X.index)
    assert risk.index.equals(labels.index)
    assert (weights >= 1).all()
    assert len(positions) == (labels["status"] != 3).sum()
