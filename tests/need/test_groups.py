"""One person is never on both sides of a fold."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from servicenee.evaluation import log_loss
from servicenee.exceptions import ServiceneeWarning
from servicenee.need import NeedClassifier
from servicenee.need.calibration import fit_calibrator
from servicenee.need.folds import person_folds, rows_for_selection

N_PERSONS, N_TIMES = 250, 6


@pytest.fixture(scope="module")
def noise_repeated_by_person():
    """Features that say nothing but who the person is; the outcome is the person's own."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N_PERSONS, 5)), rng.integers(0, 2, N_PERSONS)
    persons = np.repeat(np.arange(N_PERSONS), N_TIMES)
    X, y = X[persons] + 1e-3 * rng.normal(size=(len(persons), 5)), y[persons]
    new = rng.normal(size=(2_000, 5)), rng.integers(0, 2, 2_000)
    return X, y, persons, new


def test_knowing_the_persons_keeps_a_memorising_model_from_false_certainty(noise_repeated_by_person):
    X, y, persons, (new_X, new_y) = noise_repeated_by_person
    forest = NeedClassifier(RandomForestClassifier(30, random_state=0), random_state=0)
    by_person = log_loss(new_y, forest.fit(X, y, groups=persons).predict_proba(new_X)[:, 1])
    with pytest.warns(ServiceneeWarning, match="split as if independent"):
        forest.fit(X, y)
    by_row = log_loss(new_y, forest.predict_proba(new_X)[:, 1])
    assert by_person < np.log(2) + 0.02
    assert by_row > np.log(2) + 0.1


def test_persons_come_from_groups_else_the_index_of_X_else_that_of_y(noise_repeated_by_person):
    X, y, persons, _ = noise_repeated_by_person
    index = pd.Index(persons, name="person_id")
    model = NeedClassifier(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_groups = model.fit(X, y, groups=persons).calibrator_
        from_X = model.fit(pd.DataFrame(X, index=index), y).calibrator_
        from_y = model.fit(X, pd.Series(y, index=index)).calibrator_
    slopes = {calibrator.slope for calibrator in (from_groups, from_X, from_y)}
    assert len(slopes) == 1


def test_folds_keep_persons_whole_and_spread_the_events():
    persons = np.repeat(np.arange(100), 3)
    y = (persons < 20).astype(int)
    folds = person_folds(persons, y, 5, np.random.RandomState(0))
    assert all(len(np.unique(folds[persons == person])) == 1 for person in range(100))
    assert [int(y[folds == fold].sum()) for fold in range(5)] == [12] * 5


@pytest.mark.parametrize("event_rate", [0.005, 0.2])
def test_at_most_50000_rows_choose_the_engine_and_stand_for_all(event_rate):
    y = (np.random.default_rng(0).random(120_000) < event_rate).astype(int)
    rows, weights = rows_for_selection(y, np.random.RandomState(0))
    assert len(rows) <= 50_000
    assert weights.sum() == pytest.approx(120_000)
    assert weights[y[rows] == 1].sum() == pytest.approx(y.sum())
    assert y[rows].sum() >= min(y.sum(), 2_000)


def test_cross_fitting_calibrates_on_all_rows(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3_000, 2))
    y = (rng.random(3_000) < 1 / (1 + np.exp(1 - X[:, 0]))).astype(int)
    monkeypatch.setattr("servicenee.need.folds.MAX_ROWS", 600)
    monkeypatch.setattr("servicenee.need.folds.MIN_EVENTS", 100)
    seen = {}

    def spy(kind, logits, *rest):
        seen[len(seen)] = len(logits)
        return fit_calibrator(kind, logits, *rest)

    monkeypatch.setattr("servicenee.need.classifier.fit_calibrator", spy)
    for cross_fitting in (False, True):
        NeedClassifier(cross_fitting=cross_fitting, random_state=0).fit(X, y, groups=np.arange(3_000))
    assert list(seen.values()) == [600, 3_000]
