"""A fitted model: pickles and skops give the same bits back, and no person is inside."""

import dataclasses
import pickle

import numpy as np
import pytest
import skops.io

from servicenee.need import NeedClassifier

TRUSTED = {
    "servicenee.need.boosted.BoostedModel",
    "servicenee.need.calibration.Calibrator",
    "servicenee.need.classifier.NeedClassifier",
    "servicenee.need.columns.Column",
    "servicenee.need.linear.Curve",
    "servicenee.need.linear.LinearModel",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "numpy.dtype",
    # skops 0.11 only:
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
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
