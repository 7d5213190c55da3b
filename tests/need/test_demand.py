"""Amounts: what is expected, what intervals and sums hold, and which estimand `y` asks for."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, PoissonRegressor

from servicenee.exceptions import ServiceneeWarning
from servicenee.need import DemandRegressor
from servicenee.need.amounts import TwoParts
from servicenee.need.spread import Expected, fit_spread, interval


def county(n_rows, seed):
    """Ages, days observed, visits at a rate that doubles every 14 years of age, and hours that most do not have."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"age": rng.uniform(65, 95, n_rows), "noise": rng.normal(size=n_rows)})
    X.index = pd.Index(np.arange(n_rows), name="person_id")
    rate = np.exp((X["age"].to_numpy() - 75) / 20)
    observed = rng.uniform(0.2, 1.0, n_rows)
    visits = rng.negative_binomial(2, 2 / (2 + rate * observed))
    has = rng.random(n_rows) < 1 / (1 + np.exp(-(X["age"].to_numpy() - 88) / 4))
    hours = np.where(has, rng.gamma(2.0, 20.0 * rate / 2.0), 0.0)
    return X, visits, observed, hours, rate


@pytest.fixture(scope="module")
def learnt():
    return county(6_000, 0)


@pytest.fixture(scope="module")
def new():
    return county(4_000, 1)


@pytest.fixture(scope="module")
def visits_model(learnt):
    X, visits, observed, _, _ = learnt
    return DemandRegressor(random_state=0).fit(X, visits, exposure=observed)


@pytest.fixture(scope="module")
def hours_model(learnt):
    X, _, _, hours, _ = learnt
    return DemandRegressor(loss="two_part", random_state=0).fit(X, hours)


def test_exposure_gives_the_amount_per_unit_of_time_whatever_the_time_observed(visits_model, new):
    X, _, observed, _, rate = new
    np.testing.assert_allclose(visits_model.predict(X).mean(), rate.mean(), rtol=0.05)
    assert np.corrcoef(visits_model.predict(X), rate)[0, 1] > 0.97
    np.testing.assert_allclose(visits_model.predict(X, exposure=observed), visits_model.predict(X) * observed)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_intervals_of_visits_are_whole_and_hold_what_they_promise_in_every_fifth(visits_model, new, coverage):
    X, visits, observed, _, _ = new
    ends = visits_model.predict_interval(X, coverage=coverage, exposure=observed)
    inside = (ends[:, 0] <= visits) & (visits <= ends[:, 1])
    fifth = np.argsort(np.argsort(visits_model.predict(X, exposure=observed))) * 5 // len(X)
    assert (ends == np.round(ends)).all()
    # Of about one visit an interval of whole numbers cannot hold exactly half.
    assert coverage - 0.03 < inside.mean() < coverage + 0.1
    assert min(inside[fifth == one].mean() for one in range(5)) > coverage - 0.06


def test_hours_are_learnt_in_two_parts_and_their_intervals_cover(hours_model, new):
    X, _, _, hours, _ = new
    assert isinstance(hours_model.estimator_, TwoParts)
    assert hours_model.predict(X).sum() == pytest.approx(hours.sum(), rel=0.08)
    ends = hours_model.predict_interval(X)
    old = X["age"].to_numpy() > 88
    assert ((ends[:, 0] <= hours) & (hours <= ends[:, 1]))[old].mean() == pytest.approx(0.8, abs=0.05)


def test_sums_of_areas_lie_in_their_intervals_as_often_as_promised(visits_model):
    inside = []
    for seed in range(2, 8):
        X, visits, observed, _, _ = county(2_000, seed)
        area = np.arange(len(X)) % 20
        sums = visits_model.predict_sums(X, area, exposure=observed)
        true = np.bincount(area, visits)
        inside += ((sums["lower"] <= true) & (true <= sums["upper"])).tolist()
    assert sums.columns.tolist() == ["n_rows", "expected", "lower", "upper"]
    assert sums["n_rows"].sum() == 2_000
    assert sums["expected"].sum() == pytest.approx(visits_model.predict(X, exposure=observed).sum())
    assert 0.7 < np.mean(inside) < 0.92


def labels_with_leavers(n_rows, seed):
    """One visit every 100 days in age 65, every 10 in age 95; death and leaving end it; the true total."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_arrays([np.arange(n_rows), ["2024-01-01"] * n_rows], names=["person_id", "index_date"])
    X = pd.DataFrame({"age": rng.uniform(65, 95, n_rows)}, index=index)
    per_day = np.exp((X["age"].to_numpy() - 65) / 13) / 100
    death = rng.exponential(4_000 / np.exp((X["age"].to_numpy() - 65) / 15))
    leaving = np.where(rng.random(n_rows) < 0.5, rng.uniform(0, 365, n_rows), np.inf)
    alive, seen = np.minimum(death, 365), np.minimum(np.minimum(death, leaving), 365)
    value = rng.poisson(per_day * seen)
    status = np.where(leaving < alive, 3, np.where(value > 0, 1, np.where(death < 365, 2, 0)))
    labels = pd.DataFrame(
        {"status": status, "time_days": seen, "value": value * 1.0, "exposure_days": seen}, index=index
    )
    return X, labels, per_day * alive, per_day


def test_labels_give_the_total_before_death_and_weigh_for_those_who_left():
    X, labels, total, per_day = labels_with_leavers(5_000, 0)
    model = DemandRegressor(random_state=0).fit(X, labels)
    naive = DemandRegressor(random_state=0).fit(X, labels["value"])
    assert model.predict(X).sum() == pytest.approx(total.sum(), rel=0.03)
    assert naive.predict(X).sum() < 0.85 * total.sum()
    assert model.n_rows_ == (labels["status"] != 3).sum()
    alive = DemandRegressor(random_state=0).fit(X, labels["value"], exposure=labels["exposure_days"])
    assert alive.predict(X, exposure=np.full(len(X), 365.0)).sum() == pytest.approx((365 * per_day).sum(), rel=0.03)


@pytest.mark.parametrize("estimator", [PoissonRegressor(), LinearRegression(), RandomForestRegressor(20)], ids=repr)
def test_any_regressor_gets_its_level_right_and_intervals_that_cover(learnt, new, estimator):
    (X, _, _, hours, _), (new_X, _, _, new_hours, _) = learnt, new
    model = DemandRegressor(estimator, random_state=0).fit(X, hours)
    ends = model.predict_interval(new_X)
    assert model.predict(new_X).sum() == pytest.approx(new_hours.sum(), rel=0.1)
    assert ((ends[:, 0] <= new_hours) & (new_hours <= ends[:, 1])).mean() > 0.76


def test_reasons_are_on_the_log_of_the_amount(visits_model, new):
    X = new[0]
    oldest = X[X["age"] > 94].head(1)
    reason = visits_model.explain(oldest, n_reasons=1).iloc[0]
    assert (reason["feature"], reason["value"]) == ("age", oldest["age"].iloc[0])
    assert reason["contribution"] == pytest.approx((reason["value"] - reason["reference"]) / 20, abs=0.2)


def test_a_persons_amounts_do_not_depend_on_who_else_is_scored(hours_model, new):
    X = new[0].head(300)
    together = hours_model.scores(X)
    parts = pd.concat([hours_model.scores(X.iloc[start : start + 7]) for start in range(0, len(X), 7)])
    assert parts.to_numpy().tobytes() == together.to_numpy().tobytes()
    assert hours_model.scores(X.iloc[::-1]).iloc[::-1].to_numpy().tobytes() == together.to_numpy().tobytes()


def test_ties_of_one_mean_are_covered_not_split():
    y = np.random.default_rng(0).poisson(3.0, 4_000).astype(float)
    expected = Expected(np.full(4_000, 3.0), None)
    spread = fit_spread(expected, y, np.ones(4_000), None, "count")
    lower, upper = interval(spread, expected, 80)[0]
    assert ((lower <= y) & (y <= upper)).mean() >= 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": -1}, r"`y` must be at least 0 in every row; 1 of 50 rows are below"),
        ({"y": 0}, "must hold an amount above 0; all 50 rows"),
        ({"exposure": [1.0]}, r"`exposure` must hold one value per row \(50\)"),
        ({"estimator": PoissonRegressor(), "loss": "two_part"}, "`loss` must be 'poisson' with an estimator"),
        ({"loss": "gamma"}, "`loss` must be one of 'poisson', 'two_part'"),
    ],
    ids=["negative", "nothing", "exposure", "own estimator", "loss"],
)
def test_bad_input_is_named(change, message):
    X, y = np.arange(50.0).reshape(-1, 1), np.zeros(50) if change.get("y") == 0 else np.ones(50)
    y[0] = change.get("y", 1)
    model = DemandRegressor(change.get("estimator"), loss=change.get("loss", "poisson"))
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, groups=np.arange(50), exposure=change.get("exposure"))


def test_coverage_is_asked_in_whole_per_cents(visits_model, new):
    with pytest.raises(ValueError, match=r"`coverage` must be from 0\.01 to 0\.99"):
        visits_model.predict_interval(new[0], coverage=0.999)


def test_a_person_is_never_in_two_folds():
    rng = np.random.default_rng(0)
    persons = np.repeat(np.arange(300), 5)
    X, y = rng.normal(size=(300, 4))[persons], rng.poisson(rng.gamma(0.5, 8.0, 300)[persons])
    forest = RandomForestRegressor(20, random_state=0)
    by_person = DemandRegressor(forest, random_state=0).fit(X, y, groups=persons)
    with pytest.warns(ServiceneeWarning, match="split as if independent"):
        by_row = DemandRegressor(forest, random_state=0).fit(X, y)
    assert by_person.line_.slope < 0.3 < 0.7 < by_row.line_.slope
