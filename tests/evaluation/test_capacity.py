"""What a list of limited length finds: per index date, ties by row order, capacity as count or fraction."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from servicenee.evaluation import capacity_table, ppv_at_capacity, sensitivity_at_capacity, turnover_table
from servicenee.evaluation.capacity import count_interval


def on_dates(rows):
    """Rows of (date, risk, outcome), one person each."""
    index = pd.MultiIndex.from_arrays(
        [range(len(rows)), pd.to_datetime([row[0] for row in rows])], names=["person_id", "index_date"]
    )
    return pd.Series([row[2] for row in rows], index=index), pd.Series([row[1] for row in rows], index=index)


# On 1 January everybody is at high risk; pooled over the dates, July would get no list at all.
TWO_DATES = [
    ("2024-01-01", 0.90, 1),
    ("2024-01-01", 0.80, 1),
    ("2024-01-01", 0.70, 1),
    ("2024-01-01", 0.60, 0),
    ("2024-07-01", 0.30, 0),
    ("2024-07-01", 0.20, 1),
    ("2024-07-01", 0.10, 0),
    ("2024-07-01", 0.05, 0),
]


@pytest.mark.parametrize(
    ("capacity", "ppv", "sensitivity"),
    [(1, (1 + 0) / 2, (1 / 3 + 0) / 2), (2, (1 + 0.5) / 2, (2 / 3 + 1) / 2), (4, (0.75 + 0.25) / 2, 1.0)],
)
def test_each_index_date_has_its_own_list(capacity, ppv, sensitivity):
    outcome, risk = on_dates(TWO_DATES)
    assert ppv_at_capacity(outcome, risk, capacity=capacity) == pytest.approx(ppv)
    assert sensitivity_at_capacity(outcome, risk, capacity=capacity) == pytest.approx(sensitivity)


def test_pooling_the_dates_would_give_another_answer():
    outcome, risk = on_dates(TWO_DATES)
    assert ppv_at_capacity(outcome.to_numpy(), risk.to_numpy(), capacity=2) == 1.0
    assert ppv_at_capacity(outcome, risk, capacity=2) == 0.75


def test_dates_may_come_in_any_order():
    outcome, risk = on_dates([TWO_DATES[i] for i in (4, 0, 5, 1, 6, 2, 7, 3)])
    assert ppv_at_capacity(outcome, risk, capacity=2) == 0.75


def test_ties_go_by_row_order():
    assert ppv_at_capacity([1, 0, 0, 1], [0.5] * 4, capacity=1) == 1.0
    assert ppv_at_capacity([0, 1, 0, 1], [0.5] * 4, capacity=1) == 0.0


def test_risks_that_differ_after_the_twelfth_decimal_are_ties():
    risk = [0.3, 0.3 + 1e-14, 0.3 + 2e-14]
    assert ppv_at_capacity([1, 0, 0], risk, capacity=1) == 1.0
    assert ppv_at_capacity([1, 0, 0], [0.3, 0.3 + 1e-11, 0.2], capacity=1) == 0.0


def test_more_places_than_rows_list_everybody():
    assert ppv_at_capacity([1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], capacity=100) == 0.25
    assert sensitivity_at_capacity([1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], capacity=100) == 1.0


def test_a_fraction_is_of_the_rows_of_each_date():
    outcome, risk = on_dates(TWO_DATES)
    for fraction, count in [(0.25, 1), (0.5, 2), (1.0, 4), (0.01, 1)]:
        assert ppv_at_capacity(outcome, risk, capacity=fraction) == ppv_at_capacity(outcome, risk, capacity=count)


def test_a_listed_row_with_unknown_outcome_takes_a_place_but_is_not_counted_as_a_miss():
    labels = pd.DataFrame(
        {
            "status": [3, 1, 0, 0],
            "time_days": [1.0, 5, 30, 30],
            "value": 0.0,
            "exposure_days": [1.0, 5, 30, 30],
        }
    )
    assert ppv_at_capacity(labels, [0.9, 0.8, 0.2, 0.1], capacity=2) == 1.0
    assert ppv_at_capacity(labels, [0.9, 0.1, 0.8, 0.2], capacity=2) == 0.0
    assert np.isnan(ppv_at_capacity(labels, [0.9, 0.1, 0.8, 0.2], capacity=1))


@pytest.mark.parametrize("bad", [0, -3, 0.0, 1.5, True, "50", None, float("nan")])
def test_other_capacities_are_refused(bad):
    with pytest.raises(ValueError, match="`capacity` must be a whole number from 1 or a fraction"):
        ppv_at_capacity([0, 1], [0.1, 0.2], capacity=bad)


def test_capacity_table_expected_and_observed_events():
    outcome = np.tile([1, 0, 0, 0, 0], 200)
    risk = np.where(outcome == 1, 0.6, 0.1)
    table = capacity_table(outcome, risk, capacity=300, n_bootstrap=0).set_index("capacity")
    assert table.index.tolist() == ["1%", "2%", "5%", "10%", "20%", "300"]
    row = table.loc["300"]
    assert row["selected"] == 300
    assert row["lowest_risk"] == 0.1
    assert row["expected_events"] == pytest.approx(200 * 0.6 + 100 * 0.1)
    assert row["observed_events"] == pytest.approx(200)
    assert (row["ppv"], row["sensitivity"]) == pytest.approx((2 / 3, 1.0))
    assert np.isnan(row["ppv_lower"])


@pytest.mark.parametrize(("n", "risk"), [(1, 0.5), (7, 0.3), (50, 0.2), (400, 0.03)])
def test_with_equal_risks_the_number_of_events_is_binomial(n, risk):
    lower, upper = count_interval(np.full(n, risk))
    assert (lower, upper) == tuple(binom(n, risk).ppf([0.1, 0.9]))


def test_with_different_risks_every_outcome_counts_by_its_probability():
    risk = np.array([0.05, 0.2, 0.5, 0.7, 0.9, 0.33])
    probability = np.zeros(7)
    for outcome in product([0, 1], repeat=6):
        probability[sum(outcome)] += np.prod(np.where(outcome, risk, 1 - risk))
    reached = np.cumsum(probability)
    assert count_interval(risk) == (np.searchsorted(reached, 0.1), np.searchsorted(reached, 0.9))


def test_rows_as_high_as_the_last_one_listed_are_counted():
    table = capacity_table([1, 0, 0, 1, 0], [0.5, 0.5, 0.5, 0.9, 0.1], capacity=2, n_bootstrap=0).set_index("capacity")
    assert table.loc["2", ["tied", "lowest_risk"]].tolist() == [2, 0.5]


def test_lead_time_is_the_median_of_the_events_of_the_listed():
    labels = pd.DataFrame(
        {"status": [1, 1, 1, 2, 1], "time_days": [10.0, 30, 200, 5, 300], "value": 0.0, "exposure_days": 365.0}
    )
    table = capacity_table(labels, [0.9, 0.8, 0.7, 0.6, 0.1], capacity=4, n_bootstrap=0).set_index("capacity")
    assert table.loc["4", "lead_days"] == 30
    assert np.isnan(capacity_table([1, 0], [0.9, 0.1], n_bootstrap=0)["lead_days"]).all(), "0/1 knows no days"


def test_lift_and_number_needed_by_hand():
    outcome, risk = np.tile([1, 0, 0, 0], 25), np.tile([0.9, 0.8, 0.2, 0.1], 25)
    row = capacity_table(outcome, risk, capacity=50, n_bootstrap=0).set_index("capacity").loc["50"]
    assert (row["ppv"], row["lift"], row["number_needed"]) == (0.5, 2.0, 2.0)


def test_turnover_by_hand():
    people = {
        "stays": (0.9, 0.9),
        "drops": (0.8, 0.1),
        "leaves": (0.7, None),
        "comes": (None, 0.8),
        "rises": (0.1, 0.7),
    }
    rows = [
        (name, date, risk)
        for name, risks in people.items()
        for date, risk in zip(("2023-01-01", "2024-01-01"), risks, strict=True)
        if risk is not None
    ]
    index = pd.MultiIndex.from_tuples([row[:2] for row in rows], names=["person_id", "index_date"])
    table = turnover_table([0] * len(rows), pd.Series([row[2] for row in rows], index=index), capacity=3)
    assert table.to_dict("records") == [
        {"index_date": "2024-01-01", "listed": 3, "stayed": 1, "new": 1, "dropped": 1, "left": 1, "jaccard": 0.2}
    ]


def test_one_index_date_has_no_turnover():
    outcome, risk = on_dates(TWO_DATES[:4])
    assert turnover_table(outcome, risk, capacity=2).empty
