"""Risks at several horizons: labels cut at a day, incidence as Aalen and Johansen have it, every horizon judged."""

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import auc, evaluate, labels_at, observed_expected

RNG = np.random.default_rng(0)
N = 1500
INDEX = pd.MultiIndex.from_product([range(N), ["2023-01-01"]], names=["person_id", "index_date"])
RATE = RNG.gamma(2, 0.0006, N)


def curve_labels(censored=0.4):
    event, death = RNG.exponential(1 / RATE), RNG.exponential(1 / 0.0004, N)
    leaves = np.where(RNG.random(N) < censored, RNG.uniform(0, 365, N), 9999)
    time = np.minimum.reduce([event, death, leaves, np.full(N, 365.0)])
    status = np.select([time == 365, time == event, time == death], [0, 1, 2], 3)
    return pd.DataFrame(
        {"status": status.astype("int8"), "time_days": np.floor(time), "value": status == 1.0, "exposure_days": time},
        index=INDEX,
    )


def scores_of(days=(90, 180, 365)):
    return pd.DataFrame({f"risk_{day}d": 1 - np.exp(-RATE * day * 0.93) for day in days}, index=INDEX)


@pytest.fixture(scope="module")
def labels():
    return curve_labels()


@pytest.fixture(scope="module")
def evaluation(labels):
    return evaluate(labels, scores_of(), n_bootstrap=40)


def aalen_johansen(time, status, horizon):
    """Product of the shares that survive each day, one day after the other; an end of follow-up comes first."""
    surviving, incidence = 1.0, 0.0
    for day in np.unique(time[time < horizon]):
        at_risk = np.sum(time >= day) - np.sum((time == day) & (status == 3))
        events, deaths = (np.sum((time == day) & (status == code)) for code in (1, 2))
        incidence += surviving * events / at_risk
        surviving *= 1 - (events + deaths) / at_risk
    return incidence


def test_what_comes_on_the_last_day_or_later_has_not_happened_by_then():
    table = pd.DataFrame(
        {
            "status": [1, 1, 2, 3, 0],
            "time_days": [89.0, 90, 100, 90, 365],
            "value": [1.0, 1, 0, 0, 0],
            "exposure_days": [200.0, 365, 100, 90, 365],
        }
    )
    cut = labels_at(table, 90)
    assert cut["status"].tolist() == [1, 0, 0, 0, 0]
    assert cut["time_days"].tolist() == [89, 90, 90, 90, 90]
    assert cut["value"].tolist() == [1, 0, 0, 0, 0]
    assert cut["exposure_days"].tolist() == [90, 90, 90, 90, 90]


def test_a_longer_window_than_the_labels_have_is_refused(labels):
    with pytest.raises(ValueError, match=r"at most the window of the labels \(365\); got 400"):
        labels_at(labels, 400)


@pytest.mark.parametrize("day", [90, 180, 365])
def test_the_observed_share_is_the_incidence_of_aalen_and_johansen(labels, day):
    cut = labels_at(labels, day)
    everybody = pd.Series(np.full(N, 0.5), index=INDEX)
    expected = aalen_johansen(labels["time_days"].to_numpy(), labels["status"].to_numpy(), day)
    assert 0.5 * observed_expected(cut, everybody) == pytest.approx(expected, rel=1e-9)


def test_every_horizon_is_judged_at_its_day(evaluation, labels):
    table = evaluation.tables["horizons"].set_index(["horizon_days", "metric"])["value"]
    for day in (90, 180, 365):
        assert table[(day, "auc")] == pytest.approx(auc(labels_at(labels, day), scores_of()[f"risk_{day}d"]))
    assert evaluation.metric("auc") == table[(365, "auc")]
    assert evaluation.horizon_days == 365


def test_predicted_and_observed_incidence_rise_over_the_horizons_in_every_fifth(evaluation):
    table = evaluation.tables["incidence"]
    assert len(table) == 15
    for _, part in table.groupby("fifth"):
        assert part["predicted"].is_monotonic_increasing
        assert part["observed"].dropna().is_monotonic_increasing, "few events are hidden"
    last = table[table["horizon_days"] == 365]
    assert last["n"].sum() == N
    assert last["observed"].between(last["lower"], last["upper"]).all()


def test_the_report_has_a_section_for_the_horizons(evaluation, tmp_path):
    page = evaluation.to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The risk at each horizon" in page
    assert "incidence" in evaluation.figures
