"""evaluate: fixed tables, protected groups, a report that stands alone, and no person anywhere."""

import base64
import pickle
import re
import warnings
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import evaluate, known_outcomes
from servicenee.evaluation.wording import subtitle
from servicenee.exceptions import ServiceneeWarning
from servicenee.texts import text as catalogue_text

IDS = np.array([f"person-{number:05d}-x" for number in range(1500)])


def county(n_persons=1500, n_dates=3, seed=0, censored=0.3):
    rng = np.random.default_rng(seed)
    n_rows = n_persons * n_dates
    dates = pd.date_range("2021-01-01", periods=n_dates, freq="YS")
    index = pd.MultiIndex.from_product([IDS[:n_persons], dates], names=["person_id", "index_date"])
    risk = np.repeat(rng.beta(1, 6, n_persons), n_dates)
    time = np.where(rng.random(n_rows) < risk, rng.integers(0, 365, n_rows), 365).astype(float)
    status = np.where(time < 365, np.where(rng.random(n_rows) < 0.1, 2, 1), 0)
    leaves = np.where(rng.random(n_rows) < censored, rng.integers(1, 365, n_rows), 999)
    status = np.where(leaves <= time, 3, status)
    time = np.minimum(time, leaves)
    labels = pd.DataFrame(
        {"status": status.astype("int8"), "time_days": time, "value": status == 1.0, "exposure_days": time},
        index=index,
    )
    return labels, pd.Series(risk, index=index, name="risk")


def groups_of(labels):
    number = labels.index.get_level_values("person_id").str[7:12].astype(int)
    return pd.DataFrame(
        {
            "sex": np.where(number % 2, "female", "male"),
            "area": np.select([number < 7, number < 90], ["C", "B"], "A"),
        },
        index=labels.index,
    )


@pytest.fixture(scope="module")
def evaluation():
    labels, risk = county()
    return evaluate(labels, risk, by=groups_of(labels), capacity=40, n_bootstrap=40)


def test_tables_have_fixed_names_and_columns(evaluation):
    assert list(evaluation.tables) == [
        *("data", "metrics", "calibration", "curve", "risks", "risks_by_outcome", "capacity", "thresholds"),
        *("decision", "dates", "turnover", "subgroups", "areas"),
    ]
    assert evaluation.tables["metrics"].columns.tolist() == [
        "metric",
        "value",
        "lower",
        "upper",
        "n",
        "events",
        "note",
    ]
    assert evaluation.tables["subgroups"].columns.tolist() == [
        "by",
        "group",
        "metric",
        "value",
        "lower",
        "upper",
        "n",
        "events",
        "note",
    ]


def test_every_value_lies_within_its_interval(evaluation):
    metrics = evaluation.tables["metrics"].set_index("metric").drop(index="ici")  # a distance: biased upwards
    assert metrics["value"].between(metrics["lower"], metrics["upper"]).all()


def test_data_table_accounts_for_every_row(evaluation):
    labels, _ = county()
    data = evaluation.tables["data"].set_index("item")["value"]
    counts = labels["status"].value_counts()
    assert data[["rows", "persons", "index_dates"]].tolist() == [4500, 1500, 3]
    assert data[["no_event", "event", "death_first", "censored"]].tolist() == [counts[i] for i in range(4)]
    assert data["largest_weight"] == pytest.approx(known_outcomes(labels).weights.max())
    assert data["effective_sample_size"] < counts[[0, 1, 2]].sum()
    assert (evaluation.horizon_days, evaluation.index_dates) == (365, ("2021-01-01", "2023-01-01"))


def test_groups_are_judged_on_the_common_list_and_add_up(evaluation):
    groups = evaluation.tables["subgroups"]
    sex = groups[groups["by"] == "sex"]
    assert sex.groupby("group")["n"].first().sum() == 4500
    assert sex.groupby("group")["events"].first().sum() == evaluation.tables["metrics"]["events"].iloc[0]
    assert sex["value"].notna().all()
    assert (sex["lower"] <= sex["value"]).all()
    assert (sex["value"] <= sex["upper"]).all()


def test_a_small_group_is_hidden_and_so_is_the_one_that_would_give_it_away(evaluation):
    area = evaluation.tables["subgroups"].query("by == 'area'").drop_duplicates("group").set_index("group")
    assert area.loc["C", "note"] == "hidden: fewer than 5 persons with the event"
    assert area.loc["B", "note"] == "hidden beside a small group"
    assert area.loc["A", "note"] == ""
    assert area["events"].isna().tolist() == [False, True, True]


def test_a_group_with_fewer_than_20_events_is_not_estimated():
    labels, risk = county(censored=0)
    number = labels.index.get_level_values("person_id").str[7:12].astype(int)
    table = evaluate(labels, risk, by=np.where(number < 25, "few", "many"), n_bootstrap=0).tables["subgroups"]
    few = table[table["group"] == "few"]
    assert 5 <= few["events"].iloc[0] < 20
    assert few["value"].isna().all()
    assert set(few["note"]) == {"not estimable: fewer than 20 events"}


def test_missing_groups_are_a_group_and_categories_keep_their_order():
    labels, risk = county()
    band = pd.Categorical(np.resize(["80+", "65-79", None], len(labels)), categories=["65-79", "80+"], ordered=True)
    table = evaluate(labels, risk, by={"age": band}, n_bootstrap=0).tables["subgroups"]
    assert table["group"].drop_duplicates().tolist() == ["65-79", "80+", "missing"]


def test_few_persons_with_the_event_hide_everything_that_would_tell():
    labels, risk = county(n_persons=60, n_dates=2)
    labels["status"] = np.where(np.arange(120) < 6, 1, 0)  # three persons, six rows
    labels["time_days"] = np.where(np.arange(120) < 6, 10.0, 365.0)
    found = evaluate(labels, risk, n_bootstrap=5)
    assert found.tables["metrics"][["value", "lower", "upper", "events"]].isna().all(axis=None)
    assert found.tables["calibration"][["events", "observed"]].isna().all(axis=None)
    assert found.tables["capacity"]["ppv"].isna().all()
    assert found.tables["data"].set_index("item").loc[["event", "no_event"], "value"].isna().all()
    assert "hidden" in repr(found)
    assert "hidden: fewer than 5 persons" in found.model_card()


def test_short_lists_that_catch_few_persons_are_hidden():
    labels, risk = county()
    found = evaluate(labels, risk, capacity=1, n_bootstrap=0).tables
    metrics = found["metrics"].set_index("metric")
    assert metrics.loc[["ppv_at_capacity", "sensitivity_at_capacity"], "value"].isna().all()
    assert np.isfinite(metrics.loc["auc", "value"])
    capacities = found["capacity"].set_index("capacity")
    assert np.isnan(capacities.loc["1", "observed_events"])
    assert np.isfinite(capacities.loc["20%", "ppv"])


@pytest.mark.parametrize("outcome", [[], [0] * 30, [1] * 30], ids=["empty", "no events", "only events"])
def test_a_cohort_that_cannot_tell_is_reported_not_raised(outcome, tmp_path):
    risk = np.linspace(0.1, 0.5, len(outcome))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        found = evaluate(outcome, risk, n_bootstrap=5)
    assert np.isnan(found.metric("auc"))
    assert found.tables["metrics"].set_index("metric").loc["auc", "note"] != ""
    assert "too few events" in found.to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert found.model_card().startswith("# Model card")


def test_without_persons_there_is_one_warning():
    with pytest.warns(ServiceneeWarning, match="resampled as if independent") as caught:
        found = evaluate(np.tile([0, 0, 1], 50), np.linspace(0.1, 0.5, 150), n_bootstrap=5)
    assert len(caught) == 1
    assert not found.persons_known


def test_persons_may_come_with_the_risk_or_with_a_scores_table():
    labels, risk = county()
    outcome = (labels["status"] == 1).astype(int)
    scores = risk.to_frame().assign(rank=1, model="m", version="1")
    one = evaluate(outcome.to_numpy(), scores, n_bootstrap=10).tables["metrics"]
    pd.testing.assert_frame_equal(one, evaluate(outcome, risk, n_bootstrap=10).tables["metrics"])


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (["a"] * 7, "`by` must have one value per row of labels"),
        (np.arange(4500), "`by` must have at most 50 groups; `group` has 4500"),
    ],
    ids=["short", "one group per row"],
)
def test_groups_that_are_none_are_refused(by, message):
    labels, risk = county()
    with pytest.raises(ValueError, match=message):
        evaluate(labels, risk, by=by, n_bootstrap=0)


def test_groups_in_another_order_are_refused():
    labels, risk = county()
    with pytest.raises(ValueError, match=r"by\.loc\[labels\.index\]"):
        evaluate(labels, risk, by=groups_of(labels).iloc[::-1], n_bootstrap=0)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    labels, risk = county()
    pages = [
        evaluate(labels, risk, by=groups_of(labels), n_bootstrap=10).to_html(tmp_path / name).read_bytes()
        for name in ("first.html", "second.html")
    ]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_the_report_stands_alone(evaluation, tmp_path, language):
    path = evaluation.to_html(tmp_path / "report.html", title="Home care <12 months>", language=language)
    text = path.read_text(encoding="utf-8")
    outside = re.sub(r'"data:image/svg\+xml;base64,[^"]*"', '""', text)
    assert not re.search(r"https?://|<link|<script|@import|url\(", outside)
    assert f'<html lang="{language}">' in text
    assert "Home care &lt;12 months&gt;" in text
    assert text.count("<img alt=") == 6
    assert catalogue_text("evaluation.note.hidden", language) in text, "a small group is named, with the reason"
    assert "evaluation." not in outside


def test_the_report_states_what_the_risk_means(evaluation, tmp_path):
    text = evaluation.to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "cumulative incidence before death" in text
    assert "within 365 days" in text
    assert "use of a service, not need" in text


def test_no_id_is_in_tables_report_figures_card_or_pickle(evaluation, tmp_path):
    page = evaluation.to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    drawn = b"".join(base64.b64decode(one) for one in re.findall(r"base64,([^\"]*)", page))
    assert len(evaluation.figures) == 6  # drawn now, so that they are in the pickle
    everything = b"".join([page.encode(), drawn, evaluation.model_card().encode(), pickle.dumps(evaluation)])
    everything += evaluation._repr_html_().encode() + repr(evaluation).encode()
    assert b"person-0" not in everything
    rows_held = max(len(table) for table in evaluation.tables.values())
    assert rows_held <= 100


def test_figures_are_drawn_without_pyplot(evaluation):
    figures = evaluation.figures
    assert list(figures) == ["calibration", "capacity", "discrimination", "decision", "subgroups", "dates"]
    assert all(isinstance(fig, matplotlib.figure.Figure) for fig in figures.values())
    assert all(fig.canvas.manager is None for fig in figures.values())
    assert evaluation.figures is figures


def test_the_model_card_fills_in_figures_and_prompts_for_the_rest(evaluation):
    card = evaluation.model_card(title="Home care start")
    assert card.startswith("# Home care start\n")
    assert f"| auc | {evaluation.metric('auc'):.4f} |" in card
    assert card.count("_To be written:_") >= 5
    for heading in ("Intended use", "Not for", "Performance", "Groups", "Limits"):
        assert f"## {heading}" in card


def test_an_unknown_measure_is_refused(evaluation):
    with pytest.raises(ValueError, match=r"`name` must be one of auc, .*; got 'accuracy'"):
        evaluation.metric("accuracy")


@pytest.mark.parametrize(
    ("dates", "horizon_days", "told"),
    [
        ((), None, "No index dates"),
        (("2022-01-01", "2022-01-01"), 365, "Index date 1 January 2022 · outcome within 365 days"),
        (("2021-01-01", "2022-01-01"), None, "Index dates 1 January 2021 to 1 January 2022"),
    ],
)
def test_the_subtitle_tells_one_date_or_the_first_and_the_last(dates, horizon_days, told):
    judged = SimpleNamespace(index_dates=dates, model=None)
    assert subtitle(judged, "en", horizon_days=horizon_days) == told
