"""Nothing that leaves a monitor run tells of one to four persons; what is beyond its limit is found all the same."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from servicenee import Demographics, NeedClassifier, NeedModel, Outcome, Population, monitor
from servicenee.monitoring.drift import score_intervals, score_quantiles
from servicenee.monitoring.expected import expected_table, list_turnover
from servicenee.monitoring.feeds import count_codes, new_codes
from servicenee.monitoring.findings import find
from servicenee.monitoring.protection import protected
from servicenee.reference import KnownCodes, Reference, Spread, take_reference
from tests.conftest import one_person
from tests.monitoring.conftest import drift_of, rebuilt

pytestmark = pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")
FIFTHS = Spread("risk", 0.0, (0.2, 0.4, 0.6, 0.8), (0.2,) * 5)


def scored(risk, date: str = "2024-01-01") -> pd.DataFrame:
    index = pd.MultiIndex.from_product([range(len(risk)), pd.to_datetime([date])], names=["person_id", "index_date"])
    return pd.DataFrame({"risk": np.asarray(risk, dtype=np.float64)}, index=index)


def hidden(name: str, table: pd.DataFrame, n: int) -> pd.DataFrame:
    return protected({name: table}, n_persons=n, n_scored=n)[name]


@pytest.mark.parametrize(
    ("n_known", "n", "shown"),
    [(60, 60, True), (58, 60, False), (55, 60, True), (3, 60, False), (0, 60, True)],
    ids=["all known", "two missing", "five missing", "three known", "none known"],
)
def test_a_column_does_not_tell_of_a_few_persons_with_or_without_a_value(n_known, n, shown):
    values = np.r_[np.linspace(0, 1, n_known), np.full(n - n_known, np.nan)]
    table = drift_of([FIFTHS], pd.DataFrame({"risk": values}), n_then=1_000)
    row = hidden("columns", table, n).iloc[0]
    assert (np.isfinite(row["n"]), np.isfinite(row["missing_now"])) == (shown, shown)
    assert np.isfinite(row["psi"]) == np.isfinite(row["higher"]) == (n_known >= 5)
    if n_known == 58:
        complete = drift_of([FIFTHS], pd.DataFrame({"risk": np.linspace(0, 1, n)}), n_then=1_000).iloc[0]
        assert row["psi_limit"] == complete["psi_limit"]


def test_an_interval_of_three_persons_is_hidden_with_one_beside_it():
    risk = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], [20, 15, 12, 10, 3])
    table = score_intervals(scored(risk), [FIFTHS])
    assert table["now"].iloc[-1] == 0.05
    np.testing.assert_allclose(hidden("intervals", table, 60)["now"], [20 / 60, 15 / 60, 12 / 60, np.nan, np.nan])


@pytest.mark.parametrize(
    ("n", "shown"), [(2, 0), (9, 0), (12, 1), (60, 3), (100, 5)], ids=["two", "nine", "twelve", "60", "100"]
)
def test_a_quantile_is_shown_with_five_persons_on_either_side(n, shown):
    row = hidden("quantiles", score_quantiles(scored(np.linspace(0.1, 0.9, n))), n).iloc[0]
    assert row.filter(like="q").notna().sum() == shown
    assert np.isfinite(row["mean"]) == (n >= 5)


def test_two_persons_have_neither_a_cut_nor_a_sum():
    table = expected_table(np.array([0.31234, 0.6]), 1, rows_then=900, are_risks=True)
    value = hidden("expected", table, 2).set_index("item")["value"]
    assert value[value.notna()].to_dict() == {"rows_then": 900}


def test_a_list_of_four_or_of_all_but_four_says_nothing_of_its_risks():
    risks = np.linspace(0.1, 0.9, 60)
    for listed, shown in ((4, False), (57, False), (20, True)):
        table = expected_table(risks, listed, rows_then=900, are_risks=True)
        value = hidden("expected", table, 60).set_index("item")["value"]
        assert value[["lowest_risk", "listed_events", "expected_ppv"]].notna().all() == shown
        assert np.isfinite(value["expected_events"])


def turned(kept: int, n_listed: int = 100) -> pd.DataFrame:
    """One row of turnover: `kept` of the listed stay listed."""
    now, before = np.zeros(400), np.zeros(400)
    before[:n_listed], now[n_listed - kept : 2 * n_listed - kept] = 1, 1
    return list_turnover(scored(now), scored(before, "2023-01-01"), n_listed, "visit")


@pytest.mark.parametrize(("kept", "found", "value"), [(3, True, np.nan), (20, True, 0.2), (98, False, None)])
def test_a_list_that_keeps_three_of_a_hundred_is_a_finding_without_its_value(kept, found, value):
    expected = expected_table(np.linspace(0, 1, 400), 100, rows_then=400, are_risks=True)
    columns = drift_of([FIFTHS], scored(np.linspace(0, 1, 400)), n_then=400)
    nothing = {"volumes": ["mark", "table", "source", "n", "usual"], "codes": ["marked", "n", "new", "share"]}
    tables = {name: pd.DataFrame(columns=names) for name, names in nothing.items()}
    tables |= {"observed": pd.DataFrame(columns=["metric"]), "columns": columns, "scores": columns}
    tables |= {"expected": expected, "turnover": turned(kept)}
    shown = protected({"findings": find(tables, None), **tables}, n_persons=400, n_scored=400)
    assert shown["findings"]["finding"].tolist() == (["turnover"] if found else [])
    np.testing.assert_array_equal(shown["findings"]["value"], [value] if found else [])
    assert shown["turnover"]["kept"].isna().tolist() == [kept != 20], "two newly listed follow from 98 who stayed"


def test_a_column_known_of_three_persons_is_remembered_as_such_of_nobody():
    for n_missing, missing in ((97, None), (95, 0.95), (3, None), (0, 0.0)):
        X = scored(np.r_[np.full(n_missing, np.nan), np.linspace(0, 1, 100 - n_missing)])
        assert take_reference(X, X, one_person(), ()).columns[0].missing == missing


def test_a_population_of_two_leaves_no_risk_behind(fitted, four_sources, tmp_path):
    old = four_sources.persons.assign(birth_date=pd.Timestamp("1990-01-01"))
    old.loc[old.index[:2], "birth_date"] = pd.Timestamp("1940-01-01")
    run = monitor(fitted, rebuilt(four_sources, persons=old), known=[])
    row = json.loads(run.to_json())
    assert {row[name] for name in ("rows", "mean", "lowest_risk", "expected_events", "list_kept") if name in row} == {
        None
    }
    assert run.tables["quantiles"].filter(like="q").isna().all(axis=None)
    assert "–" in run.to_html(tmp_path / "monitor.html").read_text("utf-8")


def test_three_persons_without_a_score_do_not_follow_from_the_other_counts():
    expected = expected_table(np.linspace(0.1, 0.9, 57), 20, rows_then=900, are_risks=True, n_unscored=3)
    columns = drift_of([FIFTHS], pd.DataFrame({"risk": np.linspace(0, 1, 60)}), n_then=1_000)
    shown = protected({"expected": expected, "columns": columns}, n_persons=60, n_scored=57)
    value = shown["expected"].set_index("item")["value"]
    assert (value["rows"], np.isnan(value["unscored"]), shown["columns"]["n"].isna().all()) == (57, True, True)


# --- codes -----------------------------------------------------------------------------------------------------------


def test_a_code_system_that_nobody_knew_is_new(fitted, four_sources):
    events = four_sources.events
    renamed = events.assign(code_system=events["code_system"].mask(events["source"] == "emergency", "contact2"))
    codes = monitor(fitted, rebuilt(four_sources, renamed), known=[]).tables["codes"]
    row = codes.set_index(["source", "code_system"]).loc[("emergency", "contact2")]
    assert (row["share"], row["marked"]) == (1.0, True)


def test_new_codes_of_four_persons_are_hidden_and_not_called_known(four_sources):
    events = four_sources.events
    few = events["person_id"].unique()[:4]
    events = events[(events["source"] != "emergency") | events["person_id"].isin(few)]
    known = KnownCodes("emergency", "contact", ("something else",), 0.0)
    registers = rebuilt(four_sources, events)
    reference = Reference(0, (), (), (known,), {}, {})
    table = new_codes(count_codes(registers, ("emergency",), reference, registers.extract_day), reference)
    assert table[["new", "share"]].isna().all(axis=None)
    assert not table["marked"].any()


# --- scores ----------------------------------------------------------------------------------------------------------


def test_a_forest_that_knows_its_rows_by_heart_raises_no_alarm_on_others_of_the_same_day(four_sources, tmp_path):
    persons = four_sources.persons
    halves = [rebuilt_half(four_sources, persons.iloc[start::2]) for start in (0, 1)]
    forest = NeedClassifier(RandomForestClassifier(60, random_state=0), random_state=0)
    features = Demographics(columns=("age", "sex"))
    model = NeedModel(Population(65), features, forest, Outcome("emergency_visit"), name="forest")
    model.fit(halves[0], "2022-12-01")
    run = monitor(model, halves[1], index_date="2022-12-01", known=[])
    assert "scores" not in set(run.findings["finding"])
    page = run.to_html(tmp_path / "monitor.html", language="en").read_text("utf-8")
    assert "The spread of the risks is not compared with training" in page


def rebuilt_half(registers, persons):
    kept = [frame[frame["person_id"].isin(persons["person_id"])] for frame in (registers.events, registers.stays)]
    return rebuilt(registers, *kept, persons=persons)


def test_scores_of_another_model_are_no_list_before():
    before = scored(np.linspace(0, 1, 60), "2023-01-01").assign(model="visit", version="1")
    other = (1 - before[["risk"]]).assign(model="other", version="1")
    row = list_turnover(scored(np.linspace(0, 1, 60)), pd.concat([other, before]), 20, "visit").iloc[0]
    assert row["kept"] == 1
    with pytest.raises(ValueError, match="must hold every person once per index date; 60 of 120 rows"):
        list_turnover(scored(np.linspace(0, 1, 60)), pd.concat([before, before.assign(version="2")]), 20, "visit")
    assert not len(list_turnover(scored(np.linspace(0, 1, 60)), other, 20, "visit"))


def test_persons_without_a_score_are_counted_and_reported(four_sources):
    model = NeedModel(Population(70), Demographics(), NeedClassifier(random_state=0), Outcome("emergency_visit"))
    model.fit(four_sources, "2021-12-01")
    scores = model.estimator_.scores

    def some_missing(X):
        return scores(X).where(np.arange(len(X))[:, None] % 10 > 0)

    model.estimator_.scores = some_missing
    run = monitor(model, four_sources, known=[])
    value = run.tables["expected"].set_index("item")["value"]
    assert value["unscored"] == np.ceil((value["rows"] + value["unscored"]) / 10)
    assert run.findings.set_index("finding").loc["unscored", "value"] == pytest.approx(0.1, abs=0.01)
