"""Training before test, with an embargo between them, whatever the index dates are."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, reject
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline

from servicenee import EventCounts, FeatureSet, NeedClassifier, Outcome, Population, RollingOrigin
from servicenee.evaluation import log_loss_scorer

YEARS = ["2018-01-01", "2019-01-01", "2020-01-01", "2021-01-01", "2022-01-01"]


def rows(dates, persons=("a",)) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([persons, pd.to_datetime(dates)], names=["person_id", "index_date"])
    return pd.DataFrame({"age": np.arange(len(index), dtype=float)}, index=index)


def dates_of(X: pd.DataFrame, splitter: RollingOrigin) -> list[tuple[list[str], list[str]]]:
    day = X.index.get_level_values("index_date").strftime("%Y-%m-%d")
    return [(sorted(set(day[train])), sorted(set(day[test]))) for train, test in splitter.split(X)]


def test_yearly_dates_are_tested_one_by_one_with_all_earlier_ones_to_train_on():
    assert dates_of(rows(YEARS), RollingOrigin(3, test_days=365, embargo_days=365)) == [
        (YEARS[:2], YEARS[2:3]),
        (YEARS[:3], YEARS[3:4]),
        (YEARS[:4], YEARS[4:]),
    ]


@pytest.mark.parametrize(
    ("embargo_days", "last_of_training"),
    [
        (92, "2021-10-01"),
        (93, "2021-07-01"),
        (184, "2021-07-01"),
        (185, "2021-04-01"),
        (365, "2021-01-01"),
        (366, "2020-10-01"),
    ],
)
def test_the_embargo_is_counted_from_index_date_to_index_date(embargo_days, last_of_training):
    quarters = pd.date_range("2020-01-01", "2022-04-01", freq="QS").strftime("%Y-%m-%d").tolist()
    splitter = RollingOrigin(1, test_days=120, embargo_days=embargo_days)
    (train, test) = dates_of(rows(quarters), splitter)[0]
    assert test == ["2022-01-01", "2022-04-01"]
    assert train[-1] == last_of_training


@st.composite
def cohorts(draw):
    offsets = draw(st.lists(st.integers(0, 1500), min_size=2, max_size=40))
    persons = draw(st.lists(st.integers(0, 8), min_size=len(offsets), max_size=len(offsets)))
    days = pd.Timestamp("2018-01-01") + pd.to_timedelta(offsets, unit="D")
    index = pd.MultiIndex.from_arrays([persons, days], names=["person_id", "index_date"])
    return pd.DataFrame({"age": 1.0}, index=index)


@given(cohorts(), st.integers(1, 4), st.integers(1, 400), st.integers(1, 400), st.sampled_from([None, 0.3]))
def test_whatever_the_dates_training_ends_an_embargo_before_the_test(X, n_splits, test_days, embargo_days, new_persons):
    splitter = RollingOrigin(
        n_splits, test_days=test_days, embargo_days=embargo_days, new_persons=new_persons, random_state=0
    )
    day = X.index.get_level_values("index_date").to_numpy()
    person = X.index.get_level_values("person_id").to_numpy()
    tested, embargo = [], np.timedelta64(embargo_days, "D")
    try:
        splits = list(splitter.split(X))
    except ValueError:
        reject()  # the dates do not reach far enough back
    assert len(splits) == splitter.get_n_splits(X) == n_splits
    for train, test in splits:
        assert day[train].max() + embargo <= day[test].min()
        assert day[test].max() - day[test].min() < np.timedelta64(test_days, "D")
        if new_persons is not None:
            assert not set(person[train]) & set(person[test])
        assert not tested or day[test].min() > tested[-1]
        tested.append(day[test].max())
    if new_persons is None:
        assert tested[-1] == day.max()


def test_new_persons_are_dealt_alike_in_every_run_and_from_everybody():
    X = rows(YEARS, persons=[f"p{number:03d}" for number in range(200)])
    splitter = RollingOrigin(2, test_days=365, embargo_days=365, new_persons=0.25, random_state=3)
    first, second = (list(splitter.split(X)) for _ in range(2))
    np.testing.assert_equal(first, second)
    assert [len(test) for _, test in first] == [50, 50]
    assert len(set(first[0][1] // 5) & set(first[1][1] // 5)) < 50  # dealt anew for the second split
    assert [len(train) for train, _ in first] == [150 * 3, 150 * 4]


def test_dates_come_from_labels_when_x_is_a_bare_array():
    X, y = rows(YEARS), pd.Series(range(5), index=rows(YEARS).index)
    from_labels = list(RollingOrigin(1, test_days=365, embargo_days=365).split(X.to_numpy(), y))
    assert [part.tolist() for part in from_labels[0]] == [[0, 1, 2, 3], [4]]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_splits": 0}, "`n_splits` must be a whole number of at least 1; got 0"),
        ({"test_days": 0}, "`test_days` must be a whole number of days of at least 1; got 0"),
        ({"embargo_days": 0}, "`embargo_days` must be a whole number of days of at least 1; got 0"),
        ({"new_persons": 1.0}, "`new_persons` must be between 0 and 1, or None; got 1.0"),
        ({"n_splits": 6}, "2018-01-01 to 2022-01-01, make 5 of 365 days, got n_splits=6"),
        ({"n_splits": 5}, "split 1 of 5, tested from 2018-01-01, has 0 training and 1 test rows"),
    ],
)
def test_what_cannot_be_split_is_refused_with_the_reason(parameters, message):
    splitter = RollingOrigin(**{"n_splits": 1, "test_days": 365, "embargo_days": 365} | parameters)
    with pytest.raises(ValueError, match=message):
        list(splitter.split(rows(YEARS)))


def test_rows_without_index_dates_are_refused():
    with pytest.raises(ValueError, match="whose index has the level index_date; neither is"):
        list(RollingOrigin(1, test_days=365, embargo_days=365).split(np.zeros((4, 1)), np.zeros(4)))


@pytest.fixture(scope="module")
def line(county):
    cohort = Population(65).at(county, YEARS[1:])
    return cohort, Outcome("emergency_visit").label(cohort)


def test_lookback_window_and_penalty_are_tuned_together_over_raw_registers(line):
    cohort, labels = line
    features = FeatureSet([("visits", EventCounts("contacts", source="emergency"))])
    search = GridSearchCV(
        make_pipeline(features, NeedClassifier(LogisticRegression(), calibration="none", random_state=0)),
        {"featureset__visits__lookback_days": [30, 365], "needclassifier__estimator__C": [0.001, 1.0]},
        scoring=log_loss_scorer,
        cv=RollingOrigin(2, test_days=365, embargo_days=365),
        error_score="raise",
    ).fit(cohort, labels)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_params_["featureset__visits__lookback_days"] == 365


@pytest.mark.parametrize("routed", [False, True])
def test_groups_reach_the_splitter_with_and_without_metadata_routing(line, routed):
    cohort, labels = line
    X = pd.DataFrame({"age": np.arange(len(cohort)) % 7.0}, index=cohort.index)
    y = (labels["status"] == 1).to_numpy().astype(int)
    splitter = RollingOrigin(2, test_days=365, embargo_days=365, new_persons=0.5, random_state=0)
    with sklearn.config_context(enable_metadata_routing=routed):
        passed = {"params": {"groups": cohort.person}} if routed else {"groups": cohort.person}
        found = cross_validate(LogisticRegression(), X, y, cv=splitter, return_indices=True, **passed)
    for train, test in zip(found["indices"]["train"], found["indices"]["test"], strict=True):
        assert not np.intersect1d(cohort.person[train], cohort.person[test]).size
