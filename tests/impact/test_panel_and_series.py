"""Staggered starts and time series: numbers as in R, and no effect without a control."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from servicenee.impact import difference_in_differences, interrupted_time_series

DATA = Path(__file__).parents[1] / "data"
COLUMNS = {"unit": "team", "time": "month", "value": "visits", "start": "start"}


@pytest.fixture(scope="module")
def employment():
    panel = pd.read_parquet(DATA / "mpdta" / "mpdta.parquet")
    panel["start"] = panel["first_treat"].where(panel["first_treat"] > 0)
    return difference_in_differences(panel, unit="county", time="year", value="lemp", start="start")


# Documentation of the R package did (att_gt with xformla = ~1 on mpdta, never-treated controls).
R_GROUP_TIME = [
    (2004, 2004, -0.0105),
    (2004, 2005, -0.0704),
    (2004, 2006, -0.1373),
    (2004, 2007, -0.1008),
    (2006, 2004, 0.0065),
    (2006, 2005, -0.0028),
    (2006, 2006, -0.0046),
    (2006, 2007, -0.0412),
    (2007, 2004, 0.0305),
    (2007, 2005, -0.0027),
    (2007, 2006, -0.0311),
    (2007, 2007, -0.0261),
]


def test_group_time_averages_as_in_r(employment):
    table = employment.tables["group_time"]
    found = [(row.start, row.time, round(row.estimate, 4)) for row in table.itertuples()]
    assert found == R_GROUP_TIME
    # R's errors are bootstrapped: 0.0233-0.0248, 0.0310-0.0338 and 0.0156-0.0147 for these in its own documents.
    errors = table.set_index(["start", "time"])["error"]
    assert 0.0220 < errors[2004, 2004] < 0.0250
    assert 0.0300 < errors[2004, 2005] < 0.0340
    assert 0.0140 < errors[2007, 2004] < 0.0160


def test_the_event_study_averages_by_time_since_the_start(employment):
    study = employment.tables["event_study"].set_index("since_start")
    assert study.index.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert round(study.loc[1, "estimate"], 4) == round((20 * -0.070423 + 40 * -0.041224) / 60, 4)
    assert employment.n_listed == 191


def test_two_groups_and_two_times_are_the_regression_of_the_textbooks():
    from statsmodels.api import OLS

    rng = np.random.default_rng(0)
    panel = pd.DataFrame({"team": np.repeat(range(60), 2), "month": [0, 1] * 60, "visits": rng.normal(size=120)})
    panel["start"] = np.where(panel["team"] < 25, 1.0, np.nan)
    found = difference_in_differences(panel, **COLUMNS)
    treated, after = (panel["team"] < 25).to_numpy(float), panel["month"].to_numpy(float)
    design = np.column_stack([np.ones(120), treated, after, treated * after])
    fit = OLS(panel["visits"].to_numpy(), design).fit(
        cov_type="cluster", cov_kwds={"groups": panel["team"].to_numpy(), "use_correction": False}
    )
    assert found.estimate == pytest.approx(fit.params[3])
    assert (found.upper - found.lower) / (2 * 1.959964) == pytest.approx(fit.bse[3], rel=1e-5)


def growing_effect(seed=0, *, never=True) -> pd.DataFrame:
    """Teams that start at 3 or 8 and gain one visit fewer every month from then on; months drift alike for all."""
    rng = np.random.default_rng(seed)
    starts = {team: (3, 8, None)[team % 3] if never else (3, 8)[team % 2] for team in range(60)}
    rows = []
    for team, start in starts.items():
        for month in range(12):
            effect = -(month - start + 1) if start is not None and month >= start else 0
            rows.append((team, month, 20 + team % 5 + 0.5 * month + effect + rng.normal() / 5, start))
    return pd.DataFrame(rows, columns=["team", "month", "visits", "start"])


@pytest.mark.parametrize("never", [True, False], ids=["some never start", "later starters are the controls"])
def test_an_effect_that_grows_is_found_where_two_way_fixed_effects_fail(never):
    study = difference_in_differences(growing_effect(never=never), **COLUMNS).tables["event_study"]
    study = study.set_index("since_start")["estimate"]
    assert study[0] == pytest.approx(-1, abs=0.2)
    assert study[3] == pytest.approx(-4, abs=0.2)
    assert study[study.index < 0].abs().max() < 0.25


def test_few_units_get_a_permutation_test():
    panel = growing_effect()
    few = panel[panel["team"] < 12]
    table = difference_in_differences(few, **COLUMNS).tables["permutation"]
    assert table["p_value"].iloc[0] < 0.05
    null = few.assign(visits=np.random.default_rng(1).normal(size=len(few)))
    assert difference_in_differences(null, **COLUMNS).tables["permutation"]["p_value"].iloc[0] > 0.05
    assert "permutation" not in difference_in_differences(panel, **COLUMNS).tables


def test_units_with_gaps_or_without_a_before_are_set_aside_and_counted():
    panel = growing_effect()
    panel = panel.drop(index=panel[(panel["team"] == 5) & (panel["month"] == 4)].index)
    panel.loc[panel["team"] == 6, "start"] = 0
    flow = difference_in_differences(panel, **COLUMNS).tables["flow"].set_index("step")["n"]
    assert flow["set_aside"] == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda panel: panel.drop(columns="visits"), "missing are visits"),
        (lambda panel: pd.concat([panel, panel.head(2)]), "2 of 722 rows repeat one"),
        (lambda panel: panel.assign(start=panel["month"]), "60 units change it"),
        (lambda panel: panel.assign(start=np.nan), "units that start after the first time"),
    ],
    ids=["column", "repeated", "changing start", "nobody starts"],
)
def test_a_panel_that_cannot_be_used_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        difference_in_differences(change(growing_effect()), **COLUMNS)


# --- interrupted time series -----------------------------------------------------------------------------------------


def months(ratio=1.0, *, n=60, shock=1.0, seed=0) -> pd.DataFrame:
    """Monthly counts around 200 with a summer, a trend, a `ratio` from 2024 on and a `shock` that hits everybody."""
    rng = np.random.default_rng(seed)
    month = pd.date_range("2020-01-01", periods=n, freq="MS")
    rate = 0.2 * (1 + 0.1 * np.sin(2 * np.pi * np.arange(n) / 12)) * 1.002 ** np.arange(n)
    rate = rate * np.where(month >= "2024-01-01", ratio * shock, 1)
    return pd.DataFrame({"month": month, "count": rng.poisson(1000 * rate), "exposure": 1000.0})


def test_a_change_of_a_fifth_is_found_with_a_control():
    found = interrupted_time_series(months(0.8, shock=1.3), start="2024-01-01", control=months(shock=1.3, seed=1))
    assert found.kind == "effect"
    assert found.lower < 0.8 < found.upper
    assert found.upper < 1


def test_what_hits_both_is_no_effect():
    found = interrupted_time_series(months(shock=0.7), start="2024-01-01", control=months(shock=0.7, seed=1))
    assert not found.is_clear


def test_without_a_control_it_is_a_description():
    found = interrupted_time_series(months(0.8), start="2024-01-01", outcome="visits")
    assert found.kind == "description"
    assert np.isnan(found.estimate)
    assert "effect" not in found.summary("en")
    fitted = found.tables["fitted"]
    after = fitted[fitted["expected_without"].notna()]
    assert (after["observed"] / after["expected_without"]).mean() == pytest.approx(0.8, abs=0.06)


def test_months_of_phasing_in_are_left_out():
    found = interrupted_time_series(months(0.8), start="2024-01-01", control=months(seed=1), phase_in=3)
    assert len(found.tables["fitted"]) == 57


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (months(n=50), "at least 24 months before and 6 after"),
        (months().drop(index=7), "consecutive months"),
        (months().assign(count=-1), "counts of at least 0"),
        (months().drop(columns="exposure"), "missing are exposure"),
    ],
    ids=["too short", "a gap", "negative", "column"],
)
def test_a_series_that_cannot_be_used_is_refused(series, said):
    with pytest.raises(ValueError, match=said):
        interrupted_time_series(series, start="2024-01-01")


def test_units_that_moved_apart_before_their_start_give_no_effect():
    """Starters grew by one a year more than the others from the first year on."""
    random = np.random.default_rng(1)
    rows = [
        (unit, year, year * (1.0 if unit < 15 else 0.0) + random.normal(scale=0.2), 5 if unit < 15 else None)
        for unit in range(40)
        for year in range(9)
    ]
    panel = pd.DataFrame(rows, columns=["team", "year", "visits", "start"])
    found = difference_in_differences(panel, unit="team", time="year", value="visits", start="start")
    assert found.doubts == ("trend",)
    assert found.kind == "description"
    assert "moved apart already before the start" in found.summary("en")
    parallel = panel.assign(visits=panel["visits"] - panel["year"] * (panel["team"] < 15))
    assert difference_in_differences(parallel, unit="team", time="year", value="visits", start="start").doubts == ()


def test_a_month_with_a_handful_is_not_shown():
    months = pd.date_range("2020-01-01", periods=48, freq="MS")
    series = pd.DataFrame({"month": months, "count": [3, *[40] * 47], "exposure": 1000.0})
    fitted = interrupted_time_series(series, start="2023-01-01").tables["fitted"]
    assert fitted["observed"].isna().tolist() == [True, *[False] * 47]
