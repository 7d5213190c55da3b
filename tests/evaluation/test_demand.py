"""Expected amounts: measures against scikit-learn and statsmodels, coverage counted, few users hidden."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import d2_tweedie_score, mean_absolute_error, mean_poisson_deviance

from servicenee.evaluation import demand_sums, evaluate_demand, known_amounts
from servicenee.evaluation.recalibration import poisson_line

RNG = np.random.default_rng(0)
INDEX = pd.MultiIndex.from_product([range(500), ["2022-01-01", "2023-01-01"]], names=["person_id", "index_date"])
MEAN = RNG.gamma(2, 2, 1000)
VISITS = RNG.poisson(MEAN)
SCORES = pd.DataFrame({"expected": MEAN, "lower": np.floor(MEAN / 2), "upper": np.ceil(1.5 * MEAN)}, index=INDEX)


@pytest.fixture(scope="module")
def evaluation():
    sex = np.tile(["female", "male"], 500)
    return evaluate_demand(pd.Series(VISITS, index=INDEX), SCORES, by={"sex": sex}, n_bootstrap=40)


def test_a_notebook_shows_every_measure_and_how_to_read_it(evaluation):
    shown = evaluation._repr_html_()
    assert repr(evaluation) in shown
    assert shown.count("<tr>") == 1 + len(evaluation.tables["metrics"])
    assert "Observed : expected" in shown


def test_deviance_and_error_are_those_of_scikit_learn(evaluation):
    assert evaluation.metric("deviance") == pytest.approx(mean_poisson_deviance(VISITS, MEAN))
    assert evaluation.metric("deviance_explained") == pytest.approx(d2_tweedie_score(VISITS, MEAN, power=1))
    null = mean_poisson_deviance(VISITS, np.full(1000, VISITS.mean()))
    assert evaluation.metric("null_deviance") == pytest.approx(null)
    assert evaluation.metric("mean_absolute_error") == pytest.approx(mean_absolute_error(VISITS, MEAN))


def test_the_slope_agrees_with_statsmodels():
    # statsmodels 0.15: GLM(Poisson) of y on the log of the mean, freq_weights.
    row = np.arange(200)
    mean, weight = np.exp(0.2 + row % 17 / 10), 1 + ((row * 7) % 5) / 4
    y = (row * 31) % 23 * (mean / mean.mean()) // 3
    found = poisson_line(np.log(mean), weight * y, weight)
    assert found == pytest.approx((-0.16163965, 1.16758715), abs=1e-7)


def test_coverage_and_sums_are_counted(evaluation):
    inside = (SCORES["lower"] <= VISITS) & (SCORES["upper"] >= VISITS)
    assert evaluation.metric("coverage") == pytest.approx(inside.mean())
    assert evaluation.metric("share_below") == pytest.approx((SCORES["lower"] > VISITS).mean())
    assert evaluation.metric("observed_expected") == pytest.approx(VISITS.sum() / MEAN.sum())
    top = np.argsort(-MEAN)[:100]
    assert evaluation.metric("share_in_top_tenth") == pytest.approx(VISITS[top].sum() / VISITS.sum())


def test_fifths_add_up(evaluation):
    fifths = evaluation.tables["fifths"]
    assert fifths["n"].tolist() == [200] * 5
    assert fifths["expected"].mean() == pytest.approx(MEAN.mean())
    assert fifths["observed"].mean() == pytest.approx(VISITS.mean())
    assert fifths["expected"].is_monotonic_increasing


def test_groups_have_ratio_and_coverage(evaluation):
    groups = evaluation.tables["groups"].set_index("group")
    assert groups.loc["female", "ratio"] == pytest.approx(VISITS[::2].sum() / MEAN[::2].sum())
    assert (groups["lower"] < groups["ratio"]).all()
    assert (groups["ratio"] < groups["upper"]).all()


def test_death_ends_the_use_and_leaving_does_not_make_it_known():
    labels = pd.DataFrame(
        {
            "status": [0, 2, 3, 0],
            "time_days": [365.0, 100, 200, 365],
            "value": [4.0, 1, 1, 6],
            "exposure_days": [365.0, 100, 200, 365],
        }
    )
    positions, amount, weight = known_amounts(labels)
    assert positions.tolist() == [0, 1, 3]
    assert amount.tolist() == [4, 1, 6]
    assert weight.tolist() == [1.5, 1, 1.5], "two stay of the three who were followed beyond day 200"


def test_expectations_without_intervals_have_no_coverage():
    found = evaluate_demand(VISITS, SCORES[["expected"]], n_bootstrap=0)
    assert "coverage" not in set(found.tables["metrics"]["metric"])
    assert list(found.figures) == ["expected"]


def test_the_size_of_a_small_group_cannot_be_told_from_the_others_or_from_its_expected_sum():
    area = np.repeat(["Large", "Middle", "Small"], [60, 20, 3])
    index = pd.MultiIndex.from_product([range(83), ["2024-01-01"]], names=["person_id", "index_date"])
    scores = pd.DataFrame({"expected": np.full(83, 2.0)}, index=index)
    groups = evaluate_demand(np.full(83, 2.0), scores, by={"area": area}, n_bootstrap=0).tables["groups"]
    assert groups.set_index("group")["n"].isna().to_dict() == {"Large": False, "Middle": True, "Small": True}
    sums = pd.DataFrame({name: [120.0, 40, 6] for name in ("expected", "lower", "upper")}, index=np.unique(area))
    table = demand_sums(np.full(83, 2.0), sums, area, "2024-01-01").set_index("group")
    assert table.loc["Large", ["n", "expected", "observed"]].tolist() == [60, 120, 120]
    assert table.loc[["Middle", "Small"], ["n", "expected", "lower", "upper", "observed"]].isna().all(axis=None)


def test_few_users_are_hidden():
    visits = np.zeros(1000)
    visits[[0, 2, 4]] = 7
    area = np.where(np.arange(1000) < 20, "village", "town")
    found = evaluate_demand(pd.Series(visits, index=INDEX), SCORES, by={"area": area}, n_bootstrap=0)
    assert found.tables["metrics"]["value"].isna().all()
    assert found.tables["groups"][["observed", "ratio", "coverage"]].isna().all(axis=None)
    assert found.tables["data"].set_index("item").loc["observed_total"].isna().all()


def test_sums_say_whether_the_interval_held():
    labels = pd.DataFrame({"status": 0, "time_days": 365.0, "value": VISITS[:100], "exposure_days": 365.0})
    area = np.repeat(["north", "south"], 50)
    observed = [VISITS[:50].sum(), VISITS[50:100].sum()]
    sums = pd.DataFrame(
        {"n_rows": 50, "expected": observed, "lower": [observed[0] - 5, observed[1] + 1], "upper": 9999.0},
        index=pd.Index(["north", "south"]),
    )
    table = demand_sums(labels, sums, area, "2023-01-01")
    assert table["observed"].tolist() == observed
    assert table["inside"].tolist() == [1, 0]


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_the_report_stands_alone(evaluation, tmp_path, language):
    text = evaluation.to_html(tmp_path / "report.html", language=language).read_text(encoding="utf-8")
    outside = re.sub(r'"data:image/svg\+xml;base64,[^"]*"', '""', text)
    assert not re.search(r"https?://|<link|<script|@import|url\(", outside)
    assert "evaluation." not in outside
    assert text.count("<img alt=") == 2


def test_the_card_has_the_tables_and_the_prompts(evaluation):
    card = evaluation.model_card(title="Visits", words={"Intended use": "Planning of shifts."})
    assert card.startswith("# Visits\n")
    assert "Planning of shifts." in card
    assert "| deviance |" in card


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (SCORES[["lower"]], "the column expected"),
        (SCORES.iloc[:5], r"one row per row of labels \(1000\); got 5"),
        (-SCORES, "at least 0 in every row"),
        (SCORES.iloc[::-1], r"scores\.loc\[labels\.index\]"),
    ],
    ids=["no expectation", "short", "negative", "another order"],
)
def test_scores_that_are_none_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        evaluate_demand(pd.Series(VISITS, index=INDEX), scores)
