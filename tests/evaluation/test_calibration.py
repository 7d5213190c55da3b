"""Calibration groups and curve: equal groups, ties together, no small counts, a band that holds the line."""

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import calibration_curve, calibration_table


def made_up(n_rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    risk = rng.beta(1, 5, n_rows)
    true_risk = 1 / (1 + (1 - risk) / risk * np.exp(-shift))
    return rng.random(n_rows) < true_risk, risk


def test_groups_are_of_equal_size_and_in_order_of_risk():
    outcome, risk = made_up(5_000, seed=0)
    table = calibration_table(outcome, risk, n_bootstrap=20)
    assert table.columns.tolist() == ["bin", "n", "events", "predicted", "observed", "lower", "upper"]
    assert table["n"].tolist() == [500.0] * 10
    assert table["predicted"].is_monotonic_increasing
    assert table["events"].sum() == outcome.sum()
    by_hand = pd.Series(outcome).groupby(pd.qcut(risk, 10, labels=False)).mean()
    assert table["observed"].tolist() == pytest.approx(by_hand.tolist())


def test_equal_risks_stay_together():
    risk = np.repeat([0.1, 0.2, 0.5], [10, 900, 90])
    outcome = np.tile([0, 1], 500)
    table = calibration_table(outcome, risk, n_bins=4, n_bootstrap=0)
    assert table["n"].tolist() == [10.0, 900.0, 90.0]


def test_groups_are_joined_until_none_holds_one_to_four_persons_with_or_without_the_event():
    for seed in range(30):
        outcome, risk = made_up(150, seed=seed)
        table = calibration_table(outcome, risk, n_bootstrap=0)
        assert table["n"].sum() == 150
        if 5 <= outcome.sum() <= 145:
            rest = table["n"] - table["events"]
            assert not table["events"].between(1, 4).any()
            assert not rest.between(1, 4).any()


def test_persons_count_not_rows_when_groups_are_joined():
    index = pd.MultiIndex.from_product([range(60), range(10)], names=["person_id", "index_date"])
    risk = pd.Series(np.repeat(np.linspace(0.01, 0.9, 60), 10), index=index)
    outcome = pd.Series(np.repeat(np.arange(60) % 6 == 0, 10).astype(int), index=index)
    table = calibration_table(outcome, risk, n_bootstrap=0)
    assert (table["events"] >= 50).all()


def test_band_of_right_risks_holds_the_line_about_nine_times_in_ten():
    held = []
    for seed in range(30):
        outcome, risk = made_up(2_000, seed=seed)
        curve = calibration_curve(outcome, risk, n_bootstrap=60, random_state=seed)
        held.append(((curve["lower"] <= curve["risk"]) & (curve["risk"] <= curve["upper"])).mean())
    assert 0.8 < np.mean(held) < 0.99


def test_band_of_risks_that_are_too_low_lies_above_the_line():
    outcome, risk = made_up(20_000, seed=1, shift=0.7)
    curve = calibration_curve(outcome, risk, n_bootstrap=60)
    busy = curve[curve["risk"] > 0.03]
    assert (busy["lower"] > busy["risk"]).mean() > 0.9


@pytest.mark.parametrize("outcome", [[], [0] * 50, [1] * 50], ids=["empty", "no events", "only events"])
def test_nothing_to_draw_gives_tables_without_estimates(outcome):
    risk = np.linspace(0.1, 0.5, len(outcome))
    assert len(calibration_curve(outcome, risk, n_bootstrap=5)) == 0
    assert len(calibration_table(outcome, risk, n_bootstrap=5)) in (0, 10)


def test_one_risk_for_all_gives_one_group():
    table = calibration_table(np.tile([0, 1], 50), np.full(100, 0.3), n_bootstrap=5)
    assert table[["n", "events", "predicted", "observed"]].round(12).to_numpy().tolist() == [[100, 50, 0.3, 0.5]]
    assert len(calibration_curve(np.tile([0, 1], 50), np.full(100, 0.3), n_bootstrap=5)) == 0
