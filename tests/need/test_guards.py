"""Bad input: what is refused, what is dropped with a warning, what counts as other. No message shows a value."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from servicenee.exceptions import ServiceneeWarning
from servicenee.need import NeedClassifier, RiskCurve


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.uniform(65, 95, 400), "sex": rng.choice(["female", "male"], 400)})
    X.index = pd.Index(range(400), name="person_id")
    return X, (rng.random(400) < 0.4).astype(int)


@pytest.mark.parametrize(("outcome", "found"), [(0, "0 events in 400 rows"), (1, "400 events in 400 rows")])
def test_an_outcome_of_one_class_is_refused_with_its_counts(table, outcome, found):
    with pytest.raises(ValueError, match=found):
        NeedClassifier().fit(table[0], np.full(400, outcome))


def labels_of(X, n_events) -> pd.DataFrame:
    status = (np.arange(len(X)) < n_events).astype(np.int8)
    columns = {"status": status, "time_days": np.where(status, 100.0, 365.0), "value": 0.0, "exposure_days": 365.0}
    dates = np.datetime64("2024-01-01") + np.where(np.arange(len(X)) % 2, 151, 0)
    return pd.DataFrame(columns, index=pd.MultiIndex.from_arrays([X.index, dates], names=["person_id", "index_date"]))


@pytest.mark.parametrize("learner", [NeedClassifier(random_state=0), RiskCurve(horizons_days=(365,), random_state=0)])
@pytest.mark.parametrize(
    ("n_events", "message"),
    [(0, "must hold both classes; got 1 class [(]0 events in"), (19, "must hold at least 20 events; got 19 events in")],
)
def test_labels_with_fewer_than_20_events_are_refused_with_counts_and_dates(table, learner, n_events, message):
    labels = labels_of(table[0], n_events)
    X = table[0].set_axis(labels.index)
    with pytest.raises(ValueError, match=f"{message} 400 rows .* index dates 2024-01-01 to 2024-05-31"):
        clone(learner).fit(X, labels)


def test_twenty_events_are_enough(table):
    labels = labels_of(table[0], 20)
    assert NeedClassifier(random_state=0).fit(table[0].set_axis(labels.index), labels).n_events_ == 20


def test_fewer_than_20_events_of_a_plain_outcome_are_a_warning_as_scikit_learn_fits_on_a_handful_of_rows(table):
    y = np.zeros(400, dtype=int)
    y[:19] = 1
    with pytest.warns(ServiceneeWarning, match="Only 19 events"):
        NeedClassifier(random_state=0).fit(table[0], y)


def test_empty_and_constant_columns_are_dropped_with_one_warning_and_stay_in_the_schema(table):
    X, y = table
    X = X.assign(never=np.nan, always=3.0, nowhere=None, same="text", gap=np.where(X["age"] > 80, np.nan, 1.0))
    with pytest.warns(ServiceneeWarning) as caught:
        model = NeedClassifier(random_state=0).fit(X, y)
    assert [str(warning.message) for warning in caught] == [
        "4 of 7 columns of X are not used: never (no values), always (constant), nowhere (no values), same (constant)."
    ]
    assert model.n_features_in_ == 7
    surprise = X.assign(never=5.0, always=4.0)
    assert model.predict_proba(surprise).tobytes() == model.predict_proba(X).tobytes()


def test_a_column_known_in_one_fold_only_does_not_stop_the_trees():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3_000, 3))
    X[:, 2] = np.nan
    X[:4, 2] = 1.0, 2.0, 3.0, 4.0
    y = (rng.random(3_000) < np.where(X[:, 0] * X[:, 1] > 0, 0.8, 0.2)).astype(int)
    model = NeedClassifier(random_state=0).fit(X, y, groups=np.r_[np.zeros(4), np.arange(2_996)])
    assert model.engine_ == "boosted"


def test_a_missing_and_a_new_column_are_named(table):
    X, y = table
    model = NeedClassifier(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"(?s)missing.*- sex"):
        model.predict_proba(X[["age"]])
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time.*- extra"):
        model.predict_proba(X.assign(extra=1.0))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            lambda n: pd.date_range("2024-01-01", periods=n),
            "`age` of X must hold numbers or categories; got dates",
        ),
        (
            lambda n: np.r_[np.inf, np.zeros(n - 1)],
            "`age` of X must hold finite numbers; got infinity in 1 of 400",
        ),
    ],
    ids=["dates", "infinity"],
)
def test_dates_and_infinity_are_refused_by_column(table, column, message):
    X, y = table
    with pytest.raises(ValueError, match=message):
        NeedClassifier().fit(X.assign(age=column(400)), y)


def test_a_number_that_became_text_is_refused_without_showing_it(table):
    X, y = table
    model = NeedClassifier(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="`age` of X must hold numbers as it did") as caught:
        model.predict_proba(X.assign(age="Matti Meikalainen"))
    assert "Matti" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_new_categories_count_as_other_and_many_of_them_are_a_warning(table):
    X, y = table
    model = NeedClassifier(random_state=0).fit(X, y)
    few = X.assign(sex=["unknown"] * 3 + X["sex"].tolist()[3:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(model.predict_proba(few)).all()
    with pytest.warns(ServiceneeWarning, match=r"more than 1 % of rows: sex \(100%\)"):
        model.predict_proba(X.assign(sex="unknown"))


@pytest.mark.parametrize(
    "as_type",
    ["category", "object", "str", "string"],
)
def test_text_in_any_dtype_gives_the_same_risks(table, as_type):
    X, y = table
    X = X.assign(sex=X["sex"].where(X["age"] > 70, None))
    expected = NeedClassifier(random_state=0).fit(X, y).predict_proba(X)
    typed = X.assign(sex=X["sex"].astype("object").astype("category" if as_type == "category" else "object"))
    if as_type in ("str", "string"):
        typed["sex"] = typed["sex"].astype("string")
    assert NeedClassifier(random_state=0).fit(typed, y).predict_proba(typed).tobytes() == expected.tobytes()


@pytest.mark.parametrize("as_type", ["bool", "boolean", "int8", "Int64", "float32", "object"])
def test_flags_in_any_dtype_give_the_same_risks(table, as_type):
    X, y = table
    flag = np.random.default_rng(1).integers(0, 2, 400)
    expected = NeedClassifier(random_state=0).fit(X.assign(flag=flag), y).predict_proba(X.assign(flag=flag))
    typed = X.assign(flag=pd.Series(flag == 1, index=X.index).astype(as_type))
    assert NeedClassifier(random_state=0).fit(typed, y).predict_proba(typed).tobytes() == expected.tobytes()


@pytest.mark.parametrize("weights", [np.ones(399), -np.ones(400), np.full(400, np.nan), np.zeros(400)])
def test_wrong_weights_are_refused(table, weights):
    X, y = table
    with pytest.raises(ValueError, match="`sample_weight` must"):
        NeedClassifier().fit(X, y, sample_weight=weights)


def test_weights_move_the_risk_to_the_weighted_share(table):
    X, y = table
    model = NeedClassifier(random_state=0).fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(3 * y.sum() / (3 * y.sum() + (1 - y).sum()), rel=0.05)


def test_an_unknown_calibration_is_refused(table):
    with pytest.raises(ValueError, match="`calibration` must be one of 'auto'"):
        NeedClassifier(calibration="platt").fit(*table)


def test_too_few_persons_for_folds_leave_risks_uncalibrated_with_a_warning(table):
    X, y = table
    with pytest.warns(ServiceneeWarning, match="Too few persons of one class to calibrate"):
        model = NeedClassifier(random_state=0).fit(X[["age"]], y, groups=np.zeros(400))
    assert model.calibrator_.kind == "none"
