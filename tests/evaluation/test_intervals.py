"""Bootstrap intervals: by person, covering, the same every time, and equal to resampling the rows themselves."""

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import (
    calibration_curve,
    calibration_table,
    capacity_table,
    metric_table,
    ppv_at_capacity,
)
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.measures import METRICS


def repeated(n_persons, n_rows_each, seed):
    """Persons whose rows all have the same outcome and risk: the extreme of being alike."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(1, 4, n_persons)
    outcome = rng.random(n_persons) < risk
    dates = pd.date_range("2020-01-01", periods=n_rows_each, freq="MS")
    index = pd.MultiIndex.from_product([range(n_persons), dates], names=["person_id", "index_date"])
    repeat = np.repeat(np.arange(n_persons), n_rows_each)
    return pd.Series(outcome[repeat].astype(int), index=index), pd.Series(risk[repeat], index=index)


def width(table, metric):
    row = table.set_index("metric").loc[metric]
    return row["upper"] - row["lower"]


def test_drawing_rows_instead_of_persons_would_be_too_sure():
    outcome, risk = repeated(300, 9, seed=0)
    by_person = metric_table(outcome, risk, n_bootstrap=200)
    by_row = metric_table(outcome.to_numpy(), risk.to_numpy(), n_bootstrap=200)
    for metric in ("auc", "brier", "observed_expected", "calibration_slope"):
        assert 2.2 < width(by_person, metric) / width(by_row, metric) < 4.2, metric


def test_nine_equal_rows_per_person_are_worth_one():
    outcome, risk = repeated(300, 9, seed=0)
    one_each = outcome.index.get_level_values("index_date") == outcome.index[0][1]
    many, one = metric_table(outcome, risk), metric_table(outcome[one_each], risk[one_each])
    assert width(many, "auc") == pytest.approx(width(one, "auc"), rel=1e-9)
    assert width(many, "ppv_at_capacity") == pytest.approx(width(one, "ppv_at_capacity"), rel=1e-9)


@pytest.mark.slow
def test_intervals_of_60_cohorts_cover_the_truth_about_57_times():
    covered = {"observed_expected": 0, "calibration_slope": 0, "calibration_intercept": 0}
    truth = {"observed_expected": 1.0, "calibration_slope": 1.0, "calibration_intercept": 0.0}
    for seed in range(60):
        outcome, risk = repeated(400, 2, seed=seed)
        table = metric_table(outcome, risk, n_bootstrap=80).set_index("metric")
        for metric in covered:
            covered[metric] += table.loc[metric, "lower"] <= truth[metric] <= table.loc[metric, "upper"]
    assert all(52 <= count <= 60 for count in covered.values()), covered


def test_resampling_by_counts_equals_resampling_the_rows():
    outcome, risk = repeated(60, 3, seed=1)
    outcome = outcome.where(np.random.default_rng(5).random(180) < 0.8, 1 - outcome)
    for capacity in (7, 0.15):
        table = metric_table(outcome, risk, capacity=capacity, n_bootstrap=15, random_state=3)
        rng = np.random.default_rng(3)
        found = []
        for _ in range(15):
            drawn = np.sort(rng.integers(60, size=60))
            rows = (drawn[:, None] * 3 + np.arange(3)).ravel()
            index = pd.MultiIndex.from_arrays(
                [np.repeat(range(60), 3), outcome.index.get_level_values(1)[rows]],
                names=["person_id", "index_date"],
            )
            again = pd.Series(outcome.to_numpy()[rows], index=index), risk.to_numpy()[rows]
            found.append(metric_table(*again, capacity=capacity, n_bootstrap=0)["value"].to_numpy())
        lower, upper = np.percentile(found, [2.5, 97.5], axis=0)
        same = [METRICS.index(name) for name in METRICS if name not in ("ici", "e90")]  # knots stay those of all rows
        assert table["lower"].to_numpy()[same] == pytest.approx(lower[same], abs=1e-7)
        assert table["upper"].to_numpy()[same] == pytest.approx(upper[same], abs=1e-7)


def test_the_joined_levels_of_large_tables_do_not_move_the_slope_interval():
    rng = np.random.default_rng(2)
    risk = rng.beta(1, 5, 4000)
    outcome = rng.random(4000) < risk
    fine = metric_table(outcome, risk, n_bootstrap=50).set_index("metric")
    coarse_risk = np.round(risk, 3)  # fewer than 1,000 levels: nothing is joined
    coarse = metric_table(outcome, coarse_risk, n_bootstrap=50).set_index("metric")
    for bound in ("value", "lower", "upper"):
        assert fine.loc["calibration_slope", bound] == pytest.approx(coarse.loc["calibration_slope", bound], abs=0.01)


@pytest.mark.parametrize("table", [metric_table, calibration_table, calibration_curve, capacity_table])
def test_the_same_seed_gives_the_same_table(table):
    outcome, risk = repeated(300, 2, seed=4)
    first = table(outcome, risk, n_bootstrap=20, random_state=7)
    pd.testing.assert_frame_equal(first, table(outcome, risk, n_bootstrap=20, random_state=7), check_exact=True)
    other = table(outcome, risk, n_bootstrap=20, random_state=8)
    assert not first.equals(other)


def test_without_resamples_there_are_values_but_no_intervals():
    outcome, risk = repeated(300, 2, seed=4)
    table = metric_table(outcome, risk, n_bootstrap=0)
    assert table["value"].notna().all()
    assert table[["lower", "upper"]].isna().all(axis=None)


def test_a_statistic_that_often_fails_has_no_interval():
    def mostly_nan(copies):
        return np.array([1.0 if copies is None or copies[0] > 1 else np.nan, 2.0])

    value, lower, upper = person_bootstrap(mostly_nan, 10, n_bootstrap=40, random_state=0)
    assert value.tolist() == [1.0, 2.0]
    assert np.isnan([lower[0], upper[0]]).all()
    assert (lower[1], upper[1]) == (2.0, 2.0)


def test_value_of_the_table_is_that_of_the_function():
    outcome, risk = repeated(300, 3, seed=6)
    table = metric_table(outcome, risk, capacity=12, n_bootstrap=0).set_index("metric")
    assert table.loc["ppv_at_capacity", "value"] == ppv_at_capacity(outcome, risk, capacity=12)


@pytest.mark.parametrize(
    ("outcome", "risk", "metric", "why"),
    [
        ([], [], "auc", "no rows"),
        ([0, 0, 0], [0.1, 0.2, 0.3], "auc", "no events"),
        ([1, 1, 1], [0.1, 0.2, 0.3], "auc", "every row has the event"),
        ([0, 1, 0], [0.2, 0.2, 0.2], "calibration_slope", "all risks are equal"),
        ([0, 0, 1], [0.1, 0.2, 0.3], "calibration_slope", "a cut of the risk separates the events"),
    ],
)
def test_a_missing_value_says_why(outcome, risk, metric, why):
    row = metric_table(outcome, risk, n_bootstrap=5).set_index("metric").loc[metric]
    assert np.isnan(row["value"])
    assert row["note"] == why


def test_few_events_are_flagged():
    outcome, risk = repeated(40, 1, seed=9)
    assert outcome.sum() < 20
    table = metric_table(outcome, risk, n_bootstrap=0)
    assert table.set_index("metric").loc["auc", "note"] == "fewer than 20 events: read with care"
