"""A fitted model: pickles and skops give the same bits back, and no person is inside."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io

from servicenee.need import DemandRegressor, NeedClassifier, RiskCurve
from servicenee.persistence import TRUSTED as TRUSTED_BY_US

TRUSTED = {
    *TRUSTED_BY_US,
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # skops 0.11 only:
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogLink",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfPoissonLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
}


def arrays_inside(thing):
    """Every array and list in the state of an object."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, dict):
        for part in thing.values():
            yield from arrays_inside(part)
    elif isinstance(thing, list | tuple):
        yield np.array(thing, dtype=object)
        for part in thing:
            yield from arrays_inside(part)
    elif dataclasses.is_dataclass(thing) or hasattr(thing, "__dict__"):
        yield from arrays_inside(vars(thing))


def test_pickle_gives_the_same_bits(fitted, new_people):
    X = new_people[0]
    assert pickle.loads(pickle.dumps(fitted)).predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()


def test_skops_gives_the_same_bits_and_the_same_reasons(fitted, new_people):
    X, stored = new_people[0], skops.io.dumps(fitted)
    untrusted = set(skops.io.get_untrusted_types(data=stored))
    assert untrusted <= TRUSTED
    loaded = skops.io.loads(stored, trusted=sorted(untrusted))
    assert loaded.predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()
    assert loaded.explain(X.head(20)).equals(fitted.explain(X.head(20)))


def test_nothing_fitted_has_one_entry_per_row_or_person(fitted):
    lengths = {length for array in arrays_inside(fitted) for length in array.shape}
    assert len(lengths) > 3
    assert not lengths & {fitted.n_rows_, fitted.n_rows_ // 2}


@pytest.mark.parametrize("n_persons", [1, 4])
def test_a_text_of_fewer_than_five_persons_is_not_remembered(people, n_persons):
    X, y, _ = people
    remark = np.where(np.arange(len(X)) < 2 * n_persons, "Zacharias", X["sex"].astype(object))
    model = NeedClassifier(random_state=0).fit(X.assign(remark=remark), y)
    assert b"Zacharias" not in pickle.dumps(model)
    assert b"female" in pickle.dumps(model)


def amounts_and_curves(people):
    """One fitted estimator of each other kind, with trees in it where there is a choice."""
    X, y, _ = people
    visits = np.random.default_rng(0).poisson(X["visits"] * np.where(X["age"] > 80, 3.0, 0.5))
    days = np.where(y == 1, 100.0, 365.0)
    labels = pd.DataFrame({"status": y, "time_days": days, "value": 0.0, "exposure_days": 365.0})
    yield DemandRegressor(random_state=0).fit(X, visits)
    yield DemandRegressor(loss="two_part", random_state=0).fit(X, np.where(y == 1, visits * 0.5, 0.0))
    yield RiskCurve(interval_days=90, random_state=0).fit(X, labels.set_index(X.index))


def test_the_other_estimators_come_back_with_the_same_bits_and_hold_no_person(people, new_people):
    X = new_people[0].head(400)
    for model in amounts_and_curves(people):
        stored = skops.io.dumps(model)
        untrusted = set(skops.io.get_untrusted_types(data=stored))
        assert untrusted <= TRUSTED
        loaded = skops.io.loads(stored, trusted=sorted(untrusted))
        assert loaded.scores(X).to_numpy().tobytes() == model.scores(X).to_numpy().tobytes()
        assert pickle.loads(pickle.dumps(model)).scores(X).equals(model.scores(X))
        assert loaded.explain(X.head(5)).equals(model.explain(X.head(5)))
        assert not {n for array in arrays_inside(model) for n in array.shape} & {model.n_rows_, model.n_rows_ // 2}
