"""Drift is told from chance, whatever the number of persons; what is remembered of training shows no few persons."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from servicenee.monitoring import compare_scores
from servicenee.reference import (
    Spread,
    counts_between,
    persons_by_kind,
    plain_reference,
    reference_from,
    take_reference,
)
from tests.conftest import one_person
from tests.monitoring.conftest import drift_of

TENTHS = Spread("x", 0.0, tuple(np.arange(0.1, 0.95, 0.1)), (0.1,) * 10)


def psi_of(n: int, rng) -> pd.DataFrame:
    """One column without drift: `n` persons then, `n` now."""
    then, now = rng.random(n), rng.random(n)
    shares = tuple(counts_between(TENTHS.cuts, then) / n)
    return drift_of([Spread("x", 0.0, TENTHS.cuts, shares)], pd.DataFrame({"x": now}), n_then=n).iloc[0]


@pytest.mark.parametrize(("n", "mean"), [(100, 0.18), (1_000, 0.018)])
def test_without_drift_the_index_is_as_large_as_theory_says_and_raises_no_alarm(n, mean):
    rng = np.random.default_rng(0)
    drawn = [psi_of(n, rng) for _ in range(300)]
    index = np.array([row["psi"] for row in drawn])
    assert index.mean() == pytest.approx(mean, rel=0.15), "(B - 1) (1 / n + 1 / n) with ten intervals"
    assert np.mean([row["shifted"] for row in drawn]) <= 0.04
    if n == 100:
        assert (index > 0.1).mean() > 0.5, "the folklore limit alone would cry wolf"


@pytest.mark.parametrize(("n", "moved", "shifted"), [(400, 0.15, True), (5_000, 0.15, True), (5_000, 0.02, False)])
def test_a_shift_that_matters_is_found_and_a_small_one_is_not(n, moved, shifted):
    values = np.clip(np.linspace(0, 1, n) + moved, 0, 1)
    row = drift_of([TENTHS], pd.DataFrame({"x": values}), n_then=n).iloc[0]
    assert row["shifted"] == shifted
    assert row["higher"] > 0.5


def test_many_columns_share_one_chance_of_a_false_alarm():
    names = [f"x{j}" for j in range(300)]
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.random((150, 300)), columns=names)
    spreads = [Spread(name, 0.0, TENTHS.cuts, TENTHS.shares) for name in names]
    table = drift_of(spreads, X, n_then=150)
    assert (table["psi"] > 0.1).sum() > 20
    assert table["shifted"].sum() == 0


def test_a_missing_share_is_compared_beyond_chance_and_beyond_five_per_cent():
    then = Spread("x", 0.5, (), (1.0,))
    few = drift_of([then], pd.DataFrame({"x": [np.nan] * 12 + [1.0] * 8}), n_then=1_000).iloc[0]
    many = drift_of([then], pd.DataFrame({"x": [np.nan] * 600 + [1.0] * 400}), n_then=1_000).iloc[0]
    assert (few["missing_changed"], many["missing_changed"]) == (False, True)


def test_a_column_that_was_rare_is_noticed_when_it_becomes_common():
    index = pd.MultiIndex.from_product([range(500), pd.to_datetime(["2024-01-01"])], names=["person_id", "index_date"])
    X = pd.DataFrame({"rare": [1.0] * 3 + [0.0] * 497}, index=index)
    reference = take_reference(X, X, one_person(), ())
    [spread] = reference.columns
    assert (spread.cuts, spread.shares) == ((0.0,), (1.0, 0.0)), "three persons are not told from nobody"
    assert drift_of([spread], X.assign(rare=[1.0, 0.0] * 250), n_then=500)["shifted"].tolist() == [True]
    assert drift_of([spread], X, n_then=500)["shifted"].tolist() == [False]


@settings(max_examples=40)
@given(
    values=st.lists(st.one_of(st.just(np.nan), st.integers(0, 12), st.floats(-1e6, 1e6, width=32)), max_size=60),
    repeats=st.integers(1, 3),
)
def test_no_interval_holds_one_to_four_persons(values, repeats):
    column = np.array(values * repeats, dtype=np.float64)
    index = pd.MultiIndex.from_product([range(len(column)), pd.to_datetime(["2024-01-01"])])
    index.names = ["person_id", "index_date"]
    X = pd.DataFrame({"x": column}, index=index)
    if not len(X):
        return
    reference = take_reference(X, X, one_person(), ())
    [spread] = reference.columns
    n_known = int((~np.isnan(column)).sum())
    counts = np.round(np.array(spread.shares) * n_known).astype(int)
    assert len(spread.shares) == len(spread.cuts) + 1
    assert not [n for n in counts.tolist() if 0 < n < 5]
    assert spread.missing is None or round(spread.missing * len(column)) not in (1, 2, 3, 4)
    assert counts.sum() in (0, n_known)
    assert reference_from(plain_reference(reference)) == reference


def test_a_code_of_four_persons_is_not_remembered_and_its_rows_are_no_news(four_sources):
    events = four_sources.events
    n_persons = events.groupby(["source", "code_system", "code", "unit"], dropna=False)["person_id"].nunique()
    kinds = four_sources.event_columns.kinds
    keys = kinds.assign(unit=kinds["unit"].replace("", np.nan))[list(n_persons.index.names)]
    expected = pd.MultiIndex.from_frame(keys)
    found = pd.Series(persons_by_kind(four_sources), index=expected).sort_index()
    pd.testing.assert_series_equal(found, n_persons.sort_index(), check_names=False, check_index_type=False)


# --- two models side by side -----------------------------------------------------------------------------------------


def scored(risk) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([range(len(risk)), pd.to_datetime(["2024-01-01"])])
    index.names = ["person_id", "index_date"]
    return pd.DataFrame({"risk": np.asarray(risk, dtype=np.float64)}, index=index)


def test_two_models_are_compared_by_their_lists_and_ranks():
    rng = np.random.default_rng(0)
    first, second = rng.random(400), rng.random(400)
    table = compare_scores(scored(first), scored(second), capacity=100).set_index("item")["value"]
    lists = [set(np.argsort(-risk)[:100]) for risk in (first, second)]
    both = len(lists[0] & lists[1])
    assert table[["listed", "listed_by_both", "moved_in", "moved_out"]].tolist() == [100, both, 100 - both, 100 - both]
    assert table["agreement"] == both / 100
    assert table["rank_correlation"] == pytest.approx(spearmanr(first, second).statistic)
    assert table["mean_difference"] == pytest.approx(second.mean() - first.mean())


def test_few_persons_who_move_are_hidden_with_those_who_stay():
    risk = np.linspace(0.9, 0.1, 100)
    swapped = risk.copy()
    swapped[[18, 19, 20, 21]] = risk[[20, 21, 18, 19]]
    table = compare_scores(scored(risk), scored(swapped), capacity=20).set_index("item")["value"]
    assert table[["listed_by_both", "moved_in", "moved_out", "agreement"]].isna().all()
    assert table["listed"] == 20


def test_a_person_whom_one_model_does_not_score_is_left_out_of_the_comparison():
    table = compare_scores(scored(np.linspace(0, 1, 50)), scored(np.linspace(0, 1, 60)), capacity=10)
    value = table.set_index("item")["value"]
    assert value[["scored_by_both", "only_champion", "only_challenger"]].tolist() == [50, 0, 10]


def test_segments_and_several_dates_cannot_be_compared():
    index = pd.MultiIndex.from_product([[1], pd.to_datetime(["2024-01-01", "2024-02-01"])])
    index.names = ["person_id", "index_date"]
    two = pd.DataFrame({"risk": [0.1, 0.2]}, index=index)
    with pytest.raises(ValueError, match="must be scores of one index date; got 2"):
        compare_scores(two, two)
    with pytest.raises(ValueError, match="segments cannot be ranked"):
        compare_scores(two.rename(columns={"risk": "segment"}), two)
