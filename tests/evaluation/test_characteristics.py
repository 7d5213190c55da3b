"""Who has the event and how they differ, from those without it and from training, without telling of a few persons."""

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation.characteristics import characteristics
from servicenee.evaluation.refits import Rows

N = 40
OUTCOME = np.repeat([1, 0], [10, 30])
TABLE = pd.DataFrame({name: ["x"] for name in ("feature", "label_fi", "label_sv", "label_en")})


def rows(x, outcome=OUTCOME, persons=None) -> Rows:
    persons = np.arange(len(x)) if persons is None else persons
    return Rows(pd.DataFrame({"x": np.asarray(x, dtype=float)}), outcome, persons)


def only(later, training=None) -> pd.Series:
    return characteristics(TABLE, later, training).iloc[0]


def test_means_and_standardised_difference_of_those_with_and_without_the_event():
    x = np.random.default_rng(0).normal(size=N) + OUTCOME
    row = only(rows(x))
    one, other = x[:10], x[10:]
    assert row["mean"] == pytest.approx(x.mean())
    assert row["mean_event"] == pytest.approx(one.mean())
    assert row["mean_no_event"] == pytest.approx(other.mean())
    assert row["difference"] == pytest.approx((one.mean() - other.mean()) / np.sqrt((one.var() + other.var()) / 2))
    assert np.isnan(row["training_mean"])


def test_censored_rows_are_weighted_for_and_not_taken_for_no_event():
    # Ten rows leave on day 100; those followed longer stand for them: of those with no event each counts 30 / 20.
    status = np.repeat([1, 3, 0], [10, 10, 20]).astype("int8")
    labels = pd.DataFrame({"status": status, "time_days": np.repeat([50.0, 100, 365], [10, 10, 20])})
    labels = labels.assign(value=(status == 1).astype(float), exposure_days=labels["time_days"])
    row = only(rows(np.repeat([1.0, 7, 2], [10, 10, 20]), labels))
    assert (row["mean_event"], row["mean_no_event"]) == (1, 2)


def test_training_is_compared_with_what_came_later():
    later, before = np.arange(N) + 1.0, np.arange(N) * 2 + 1.0
    row = only(rows(later), rows(before))
    assert row["training_mean"] == pytest.approx(before.mean())
    assert row["training_difference"] == pytest.approx(
        (later.mean() - before.mean()) / np.sqrt((later.var() + before.var()) / 2)
    )


@pytest.mark.parametrize(
    ("with_flag", "hidden"),
    [((0, 12), False), ((3, 12), True), ((7, 12), True), ((5, 12), False), ((5, 2), True), ((5, 28), True)],
    ids=["none", "three with", "three without", "five", "two of the others with", "two of the others without"],
)
def test_means_that_would_tell_of_one_to_four_persons_are_hidden(with_flag, hidden):
    flag = np.concatenate([np.arange(10) < with_flag[0], np.arange(30) < with_flag[1]])
    row = only(rows(flag))
    assert row[["mean_event", "mean_no_event", "difference"]].isna().all() == hidden


def test_a_mean_of_counts_does_not_tell_how_few_had_none():
    visits = np.where(np.arange(N) % 10 == 0, 0, 3)
    assert np.isfinite(only(rows(visits))["mean_event"])


def test_few_rows_of_one_person_are_one_person():
    flag = np.repeat([1, 0], [20, 20])
    outcome = np.tile([1, 0], 20)
    persons = np.concatenate([np.repeat(np.arange(3), [7, 7, 6]), np.arange(3, 23)])
    assert np.isnan(only(rows(flag, outcome, persons))["mean"])


def test_a_share_of_known_values_that_tells_of_few_is_hidden():
    x = np.ones(N)
    x[:3] = np.nan
    assert np.isnan(only(rows(x))["known"])
    x[:6] = np.nan
    assert only(rows(x))["known"] == pytest.approx(34 / 40)


def test_no_spread_is_no_difference():
    row = only(rows(np.ones(N)))
    assert row["mean_event"] == 1
    assert np.isnan(row["difference"])
