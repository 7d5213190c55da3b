"""Risk by several horizons: it adds up, agrees with Aalen-Johansen, and uses follow-up that ended early."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import known_outcomes
from servicenee.need import NeedClassifier, RiskCurve
from servicenee.need.hazards import FollowUp, cut_into_periods

HORIZONS = (90, 180, 365)


def followed(n_rows, seed, leaving_share=0.5):
    """Constant hazards of event, death and another service; the true cumulative incidence by horizon and cause."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_arrays([np.arange(n_rows), ["2024-01-01"] * n_rows], names=["person_id", "index_date"])
    X = pd.DataFrame({"frailty": rng.normal(size=n_rows), "noise": rng.normal(size=n_rows)}, index=index)
    hazards = np.column_stack(
        [np.exp(-7.4 + 0.8 * X["frailty"]), np.exp(-7.6 + 0.5 * X["frailty"]), np.full(n_rows, 1e-4)]
    )
    leaving = np.where(rng.random(n_rows) < leaving_share, rng.uniform(0, 365, n_rows), np.inf)
    times = np.column_stack([rng.exponential(1 / hazards), leaving, np.full(n_rows, 365.0)])
    status = np.array([1, 2, 4, 3, 0])[times.argmin(axis=1)]
    days = np.floor(times.min(axis=1))
    labels = pd.DataFrame({"status": status, "time_days": days, "value": 0.0, "exposure_days": days}, index=index)
    total = hazards.sum(axis=1, keepdims=True)
    true = {h: hazards / total * (1 - np.exp(-h * total)) for h in HORIZONS}
    return X, labels, true


@pytest.fixture(scope="module")
def county():
    return followed(5_000, 0)


@pytest.fixture(scope="module")
def model(county):
    X, labels, _ = county
    return RiskCurve(HORIZONS, random_state=0).fit(X, labels)


def test_the_curves_add_up_to_aalen_and_johansen_at_every_horizon_for_every_cause(model, county):
    X, labels, _ = county
    curve = model.predict_curve(X)
    for horizon in HORIZONS:
        within = labels["time_days"] < horizon
        cut = labels.assign(status=labels["status"].where(within, 0), time_days=labels["time_days"].clip(upper=horizon))
        for name, status in (("risk", 1), ("death", 2), ("other", 4)):
            known = known_outcomes(cut)
            observed = known.weights @ (cut["status"].to_numpy()[known.positions] == status)
            assert curve[f"{name}_{horizon}d"].sum() == pytest.approx(observed, rel=0.01)


def test_risks_are_true_for_all_and_for_the_frail(model, county):
    X, _, true = county
    curve, frail = model.predict_curve(X), X["frailty"].to_numpy() > 1
    assert curve["risk_365d"].sum() == pytest.approx(true[365][:, 0].sum(), rel=0.08)
    assert curve["risk_365d"][frail].sum() == pytest.approx(true[365][frail, 0].sum(), rel=0.08)


def test_risks_never_fall_and_all_causes_together_stay_below_one(model, county):
    curve = model.predict_curve(county[0])
    for cause in ["risk", "death", "other"]:
        steps = np.diff(curve[[f"{cause}_{horizon}d" for horizon in HORIZONS]].to_numpy(), axis=1)
        assert (steps >= 0).all()
    assert (curve[["risk_365d", "death_365d", "other_365d"]].sum(axis=1) < 1).all()


def test_scores_are_the_risks_and_say_what_they_are(model, county):
    X = county[0].head(10)
    scores = model.scores(X)
    assert scores.columns.tolist() == ["risk_90d", "risk_180d", "risk_365d"]
    assert scores.attrs["estimand"].startswith("probability of the event within 90, 180, 365 days, before death")
    assert scores["risk_365d"].tolist() == model.predict_proba(X)[:, 1].tolist()


def test_who_left_early_counts_as_long_as_followed():
    follow_up = FollowUp(np.array([100.0, 45.0, 30.0, 0.0]), np.array([0, 3, 3, 3]), np.ones(4), np.arange(4))
    periods = cut_into_periods(follow_up, np.array([0.0, 30.0, 60.0, 90.0]), np.random.RandomState(0))
    assert periods.row.tolist() == [0, 0, 0, 1, 1, 2]
    assert periods.weights.tolist() == [1, 1, 1, 1, 0.5, 1]
    assert not periods.cause.any()


def test_a_sample_of_quiet_intervals_speaks_for_all(monkeypatch):
    rng = np.random.default_rng(0)
    time, cause = rng.uniform(0, 365, 5_000), rng.choice([1, 2, 3], 5_000, p=[0.05, 0.05, 0.9])
    follow_up = FollowUp(time, cause, np.ones(5_000), np.arange(5_000))
    edges = np.linspace(0, 360, 13)
    whole = cut_into_periods(follow_up, edges, rng)
    monkeypatch.setattr("servicenee.need.hazards.MAX_PERIODS", 4_000)
    sample = cut_into_periods(follow_up, edges, np.random.RandomState(0))
    assert len(sample.row) == pytest.approx(4_000, abs=12)
    assert (sample.cause > 0).sum() == (whole.cause > 0).sum()
    for one in (whole, sample):
        np.testing.assert_allclose(np.bincount(one.interval, one.weights), np.bincount(whole.interval, whole.weights))


def test_the_last_horizon_agrees_with_the_classifier_of_that_horizon(model, county):
    X, labels, true = county
    risk = NeedClassifier(random_state=0).fit(X, labels).predict_proba(X)[:, 1]
    curve = model.predict_proba(X)[:, 1]
    assert np.corrcoef(risk, curve)[0, 1] > 0.98
    assert np.mean((curve - true[365][:, 0]) ** 2) < 2 * np.mean((risk - true[365][:, 0]) ** 2)


def test_a_plain_outcome_is_that_of_the_last_horizon(county):
    X, labels, _ = county
    y = (labels["status"] == 1).astype(int)
    scores = RiskCurve(HORIZONS, random_state=0).fit(X, y).scores(X)
    assert scores["risk_365d"].sum() == pytest.approx(y.sum(), rel=0.03)
    assert scores["risk_90d"].sum() == pytest.approx(y.sum() * 90 / 365, rel=0.05)


def test_horizons_need_not_be_the_ends_of_intervals(county):
    X, labels, true = county
    scores = RiskCurve((100, 200), interval_days=70, random_state=0).fit(X, labels).scores(X)
    assert true[90][:, 0].sum() < scores["risk_100d"].sum() < true[180][:, 0].sum() < scores["risk_200d"].sum()


def test_reasons_are_those_of_the_hazard(model, county):
    X = county[0]
    reasons = model.explain(X[X["frailty"] > 2].head(3), n_reasons=1)
    assert reasons["feature"].tolist() == ["frailty"] * 3
    assert reasons["contribution"].to_numpy() == pytest.approx(0.8 * reasons["value"].to_numpy(dtype=float), rel=0.3)


@pytest.mark.parametrize(
    ("horizons", "message"),
    [
        ((180, 90), "rising numbers of days"),
        ((), "rising numbers of days"),
        ((0, 90), "whole number of days of at least 1"),
        ((90, 730), "must lie within follow-up; got 730"),
    ],
)
def test_horizons_that_cannot_be_are_refused(county, horizons, message):
    X, labels, _ = county
    with pytest.raises(ValueError, match=message):
        RiskCurve(horizons).fit(X, labels)


def test_a_persons_curve_does_not_depend_on_who_else_is_scored(model, county):
    X = county[0].head(300)
    together = model.predict_curve(X).to_numpy()
    parts = np.concatenate([model.predict_curve(X.iloc[start : start + 7]).to_numpy() for start in range(0, 300, 7)])
    assert parts.tobytes() == together.tobytes()


@pytest.fixture(scope="module")
def gammopathy():
    """Months to progression, death competing. A month known to be free of both ends after it, not at its start."""
    table = pd.read_parquet(Path(__file__).parents[1] / "data" / "mgus2" / "mgus2.parquet")
    progressed = table["pstat"] == 1
    status = np.where(progressed, 1, np.where(table["death"] == 1, 2, 3))
    months = np.where(progressed, table["ptime"], table["futime"]) + (status == 3.0)
    labels = pd.DataFrame({"status": status, "time_days": months.astype(float), "value": 0.0, "exposure_days": months})
    return table[["age", "sex", "hgb", "creat", "mspike"]], labels


@pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")
def test_without_features_the_curve_is_that_of_aalen_and_johansen(gammopathy):
    """Golden: R's survival::survfit, 3.41 / 6.37 / 9.98 % by month 60 / 120 / 240; death 32.0 / 53.2 / 72.4 %."""
    nothing, labels = gammopathy[0][["age"]] * 0, gammopathy[1]
    curve = RiskCurve((61, 121, 241), interval_days=6, random_state=0).fit(nothing, labels).predict_curve(nothing[:1])
    found = 100 * curve.iloc[0].to_numpy()
    assert found[:3] == pytest.approx([3.41, 6.37, 9.98], abs=0.2)
    assert found[3:6] == pytest.approx([32.0, 53.2, 72.4], abs=0.2)


@pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")
def test_with_features_the_mean_of_the_curves_stays_close_to_it(gammopathy):
    X, labels = gammopathy
    curve = RiskCurve((61, 121, 241), interval_days=12, random_state=0).fit(X, labels).predict_curve(X)
    found = 100 * curve.mean().to_numpy()
    assert found[:3] == pytest.approx([3.41, 6.37, 9.98], abs=0.3)
    assert found[3:6] == pytest.approx([32.0, 53.2, 72.4], abs=2.0)
