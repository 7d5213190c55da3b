"""Every fault of data, model or risks is found, says what it is of, and stops the work only if it must."""

import gc
import json
import re
import weakref

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from servicenee import (
    DemandRegressor,
    Demographics,
    EventCounts,
    FeatureSet,
    LatentClassSegmenter,
    NeedClassifier,
    NeedModel,
    Outcome,
    Population,
    RiskCurve,
    monitor,
    read_registers,
    write_registers,
)
from servicenee.evaluation import observed_expected
from servicenee.exceptions import ModelError
from servicenee.monitoring import monitor_limits
from servicenee.monitoring.findings import find
from tests.monitoring.conftest import rebuilt, stopped

pytestmark = pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")


def found(run) -> dict[str, str]:
    """Subject of each finding."""
    return dict(zip(run.findings["finding"], run.findings["subject"], strict=True))


@pytest.fixture(scope="module")
def today(fitted, four_sources):
    """A run in which nothing is wrong, with a list before and outcomes that are known by now."""
    return monitor(fitted, four_sources, previous=fitted.predict(four_sources, "2023-10-01"), capacity=60)


def test_a_county_that_goes_on_as_before_is_well(today):
    assert (today.status, len(today.findings)) == ("well", 0)
    assert (
        repr(today)
        == "Monitoring('visit', version 2024-01-01, 2024-01-01: well, 0 findings, 0 of them stop the scoring)"
    )


# --- feeds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", ["emergency", "laboratory", "home_care"], ids=["lag of 7 days", "lag of 2 days", "lag of 30 days"]
)
def test_a_source_that_stops_two_weeks_early_stops_the_work(fitted, four_sources, source):
    run = monitor(fitted, stopped(four_sources, source, days=14), known=[])
    assert run.status == "stop"
    assert found(run)["stopped"] == f"events {source}"
    volumes = run.tables["volumes"].set_index("source")
    assert volumes["mark"].to_dict() == dict.fromkeys(volumes.index, "") | {source: "stopped"}
    assert 15 <= volumes.loc[source, "silent_days"] <= 17
    assert volumes.loc[source, "n"] < volumes.loc[source, "limit"]


def test_by_force_the_same_is_only_to_be_looked_into(fitted, four_sources):
    run = monitor(fitted, stopped(four_sources, "emergency", days=14), known=[], force=True)
    assert run.status == "look"
    assert found(run)["stopped"] == "events emergency"


def test_a_feed_that_loses_most_of_its_rows_is_too_thin(fitted, four_sources):
    events = four_sources.events
    lost = (events["source"] == "laboratory") & (events["time"] >= "2023-11-01") & (np.arange(len(events)) % 4 > 0)
    run = monitor(fitted, rebuilt(four_sources, events[~lost]), known=[])
    assert (run.status, found(run)["thin"]) == ("stop", "events laboratory")


def test_a_source_whose_coverage_has_ended_stops_the_work(fitted, four_sources):
    coverage = four_sources.coverage
    coverage.loc[coverage["source"] == "laboratory", "to"] = pd.Timestamp("2023-11-01")
    run = monitor(fitted, rebuilt(four_sources, coverage=coverage), known=[])
    assert (run.status, found(run)["ended"]) == ("stop", "events laboratory")


def test_a_source_without_any_row_stops_the_work(fitted, four_sources):
    events = four_sources.events
    without = rebuilt(four_sources, events[events["source"] != "home_care"])
    run = monitor(fitted, without, known=[])
    assert (run.status, found(run)["stopped"]) == ("stop", "events home_care")


@pytest.mark.parametrize("days", [100, 250, 500], ids=["three months", "most of a year", "longer than a year"])
def test_a_feed_that_has_been_dead_for_long_is_not_taken_for_usual(fitted, four_sources, days):
    run = monitor(fitted, stopped(four_sources, "laboratory", days), known=[])
    assert (run.status, found(run)["stopped"]) == ("stop", "events laboratory")


def test_a_source_that_the_model_does_not_need_may_stop(four_sources):
    estimator = NeedClassifier(LogisticRegression(), random_state=0)
    model = NeedModel(Population(75), Demographics(), estimator, Outcome("emergency_visit"), name="age and sex")
    model.fit(four_sources, "2021-12-01")
    assert monitor(model, stopped(four_sources, "laboratory", days=14), known=[]).status == "well"


def test_half_the_rows_over_a_year_are_a_change_of_level(fitted, four_sources):
    events = four_sources.events
    lost = (events["source"] == "primary_care") & (events["time"] >= "2022-06-01") & (np.arange(len(events)) % 2 > 0)
    run = monitor(fitted, rebuilt(four_sources, events[~lost]), known=[])
    assert found(run)["less"] == "events primary_care"
    assert "count_contacts_primary_care_365d" in found(run)["shifted"]
    assert run.status == "look"


# --- columns, codes, persons -----------------------------------------------------------------------------------------


def test_codes_that_training_did_not_know_are_told_with_their_share(fitted, four_sources):
    events = four_sources.events
    renamed = (events["code_system"] == "ICD-10") & (events["time"] >= "2023-01-01") & (np.arange(len(events)) % 5 == 0)
    run = monitor(fitted, rebuilt(four_sources, events.assign(code=events["code"].mask(renamed, "U99"))), known=[])
    codes = run.tables["codes"].set_index(["source", "code_system"])
    row = codes.loc[("primary_care", "ICD-10")]
    assert (row["marked"], row["codes"]) == (True, "U99")
    assert row["share"] == pytest.approx(0.2, abs=0.02)
    assert {"new_codes"} <= set(found(run))


def test_a_measurement_that_is_no_longer_sent_is_a_change_of_missing_shares(fitted, four_sources):
    events = four_sources.events
    lost = (events["code"] == "HbA1c") & (events["time"] >= "2023-01-01")
    run = monitor(fitted, rebuilt(four_sources, events[~lost]), known=[])
    assert found(run)["missing"] == "latest_HbA1c_365d"
    row = run.tables["columns"].set_index("feature").loc["latest_HbA1c_365d"]
    assert row["missing_now"] == 1


def test_half_the_persons_are_told(fitted, four_sources):
    persons = four_sources.persons.iloc[::2]
    kept = [frame[frame["person_id"].isin(persons["person_id"])] for frame in (four_sources.events, four_sources.stays)]
    run = monitor(fitted, rebuilt(four_sources, *kept, persons=persons), known=[])
    row = run.findings.set_index("finding").loc["rows"]
    assert row["value"] == pytest.approx(0.5, abs=0.1)


def test_nobody_in_the_population_stops_the_work(fitted, four_sources):
    persons = four_sources.persons.assign(birth_date=pd.Timestamp("1990-01-01"))
    young = rebuilt(four_sources, persons=persons)
    run = monitor(fitted, young)
    assert run.status == "stop"
    assert "nobody" in found(run)
    assert "NaN" not in run.to_json()
    with pytest.raises(ValueError, match="`known` must have persons in the population on its dates"):
        monitor(fitted, young, known=["2022-12-20"])


# --- risks and outcomes ----------------------------------------------------------------------------------------------


def test_what_is_said_before_outcomes_are_known_is_the_mean_and_sum_of_the_risks(today, fitted, four_sources):
    risk = fitted.predict(four_sources)["risk"].sort_values(ascending=False)
    value = today.tables["expected"].set_index("item")["value"]
    assert value["expected_events"] == pytest.approx(risk.sum())
    assert value["expected_ppv"] == pytest.approx(risk.head(60).mean())
    assert value["expected_sensitivity"] == pytest.approx(risk.head(60).sum() / risk.sum())
    assert all(name.startswith("expected_") for name in value.index if name.endswith(("auc", "ppv", "sensitivity")))


def test_outcomes_are_those_of_the_latest_date_whose_window_has_ended(today, fitted, four_sources):
    observed = today.tables["observed"].set_index("metric")
    assert set(observed["index_dates"]) == {"2022-12-25"}, "a year and the lag of a week before the extract"
    cohort = fitted.population.at(four_sources, "2022-12-25")
    expected = observed_expected(fitted.outcome.label(cohort), fitted.predict(four_sources, "2022-12-25")["risk"])
    assert observed.loc["observed_expected", "value"] == pytest.approx(expected, rel=0.02)
    assert observed.loc["observed_expected", "lower"] < expected < observed.loc["observed_expected", "upper"]


def test_no_outcomes_are_compared_before_the_windows_of_training_have_ended(fitted, four_sources):
    run = monitor(fitted, four_sources, index_date="2023-06-01")
    assert len(run.tables["observed"]) == 0
    assert "known_auc" not in json.loads(run.to_json())


@pytest.mark.parametrize(
    ("value", "lower", "upper", "is_found"),
    [(0.5, 0.4, 0.6, True), (1.3, 1.1, 1.5, True), (0.5, 0.2, 1.1, False), (0.95, 0.92, 0.98, False)],
    ids=["too few", "too many", "by chance", "too little to matter"],
)
def test_observed_to_expected_is_a_finding_beyond_chance_and_beyond_a_tenth(today, value, lower, upper, is_found):
    observed = today.tables["observed"].set_index("metric")
    observed.loc["observed_expected", ["value", "lower", "upper"]] = value, lower, upper
    findings = find(today.tables | {"observed": observed.reset_index()}, None)
    assert ("observed_expected" in set(findings["finding"])) == is_found


@pytest.mark.slow
def test_half_the_expected_events_are_a_finding(fitted, four_sources):
    events = four_sources.events
    lost = (events["source"] == "emergency") & (events["time"] >= "2022-12-25") & (np.arange(len(events)) % 3 > 0)
    run = monitor(fitted, rebuilt(four_sources, events[~lost]))
    row = run.findings.set_index("finding").loc["observed_expected"]
    assert row["value"] < 0.75
    assert (row["subject"], row["limit"]) == ("2022-12-25", 0.9)


def test_the_list_before_is_compared_with_the_list_of_today(today, fitted, four_sources):
    before = fitted.predict(four_sources, "2023-10-01")
    row = today.tables["turnover"].iloc[0]
    first = set(before.nsmallest(60, "rank").index.get_level_values("person_id"))
    today = set(fitted.predict(four_sources).nsmallest(60, "rank").index.get_level_values("person_id"))
    assert row["stayed"] == len(first & today)
    assert (row["before"], row["kept"]) == ("2023-10-01", len(first & today) / 60)


def test_a_list_of_the_record_is_a_list_before(fitted, four_sources):
    before = fitted.predict(four_sources, "2023-10-01").nsmallest(60, "rank").reset_index()
    record = before.assign(role=["held_out"] * 10 + ["listed"] * 50)
    run = monitor(fitted, four_sources, previous=record, known=[])
    row = run.tables["turnover"].iloc[0]
    today = set(fitted.predict(four_sources).nsmallest(50, "rank").index.get_level_values("person_id"))
    assert (row["listed_before"], row["listed"]) == (50, 50)
    assert row["stayed"] == len(set(before["person_id"].iloc[10:]) & today)


def test_a_list_that_keeps_few_is_a_finding(fitted, four_sources):
    before = fitted.predict(four_sources, "2023-10-01")
    upside_down = before.assign(risk=1 - before["risk"])
    run = monitor(fitted, four_sources, previous=upside_down, capacity=60, known=[])
    assert found(run)["turnover"] == "2023-10-01"


# --- registers in parts ----------------------------------------------------------------------------------------------


def same_run(found, expected) -> None:
    """Everything of two runs is the same to the last bit."""
    assert found.to_json() == expected.to_json()
    assert found.tables.keys() == expected.tables.keys()
    for name, table in expected.tables.items():
        pd.testing.assert_frame_equal(found.tables[name], table, check_exact=True, obj=name)


@pytest.fixture(scope="module")
def parts(four_sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("monitored") / "parts"
    write_registers(four_sources, folder, partitions=5)
    return folder


@pytest.fixture(scope="module")
def ours(four_sources):
    """A model of our own engine, whose risks have the same bits in parts."""
    features = FeatureSet([Demographics(), ("contacts", EventCounts("contacts", source="emergency"))])
    model = NeedModel(Population(75), features, NeedClassifier(random_state=0), Outcome("emergency_visit"), name="ours")
    return model.fit(four_sources, "2021-12-01")


def test_registers_in_parts_give_the_run_of_the_whole(ours, four_sources, parts):
    how = {"previous": ours.predict(four_sources, "2023-10-01"), "capacity": 60}
    whole = monitor(ours, four_sources, **how)
    same_run(monitor(ours, parts, **how), whole)
    assert len(whole.tables["turnover"]) == 1
    assert len(whole.tables["observed"]) > 5


def test_parts_are_read_one_by_one(fitted, parts, monkeypatch):
    read, held, most = read_registers, [], []

    def read_and_count(folder):
        gc.collect()
        most.append(sum(one() is not None for one in held))
        registers = read(folder)
        held.append(weakref.ref(registers))
        return registers

    monkeypatch.setattr("servicenee.monitoring.parts.read_registers", read_and_count)
    monitor(fitted, parts, known=[])
    assert len(most) == 5
    assert max(most) <= 2, "the first stays for what belongs to the whole, and one that has just been looked at"


def test_a_feed_that_stopped_and_new_codes_are_found_in_parts_too(ours, four_sources, tmp_path):
    damaged = stopped(four_sources, "emergency", days=14)
    events = damaged.events
    renamed = (events["code_system"] == "ICD-10") & (events["time"] >= "2023-01-01") & (np.arange(len(events)) % 5 == 0)
    damaged = rebuilt(damaged, events.assign(code=events["code"].mask(renamed, "U99")))
    write_registers(damaged, tmp_path / "parts", partitions=4)
    run = monitor(ours, tmp_path / "parts", known=[])
    same_run(run, monitor(ours, damaged, known=[]))
    assert (run.status, found(run)["stopped"], "new_codes" in found(run)) == ("stop", "events emergency", True)


def test_segments_of_parts_are_those_of_the_whole(four_sources, parts):
    model = NeedModel(Population(75), Demographics(), LatentClassSegmenter(2, random_state=0), name="groups")
    model.fit(four_sources, "2021-12-01")
    same_run(monitor(model, parts), monitor(model, four_sources))
    with pytest.raises(ValueError, match="`known` must be empty for segments"):
        monitor(model, parts, known=["2022-12-01"])


# --- a model past its date -------------------------------------------------------------------------------------------


def test_a_model_is_valid_for_two_years_after_its_extract(fitted):
    assert fitted.valid_until == "2026-01-01"


def test_a_model_past_its_date_neither_scores_nor_monitors(fitted, four_sources):
    expired = fitted.renewed("2023-06-30")
    message = r"'visit', version 2024-01-01, is valid until 2023-06-30; the index date is 2024-01-01\. Train it again"
    for use in (lambda: expired.predict(four_sources), lambda: monitor(expired, four_sources)):
        with pytest.raises(ModelError, match=message):
            use()
    assert len(expired.predict(four_sources, "2023-06-30")), "its last day is still its own"


def test_by_force_an_expired_model_is_looked_at_and_then_renewed(fitted, four_sources):
    expired = fitted.renewed("2023-06-30")
    run = monitor(expired, four_sources, known=[], force=True)
    assert (run.status, found(run)) == ("look", {"expired": "2023-06-30"})
    assert expired.renewed("2024-12-31").predict(four_sources).equals(fitted.predict(four_sources))


# --- few persons ----------------------------------------------------------------------------------------------------


def test_of_four_persons_nothing_is_told_and_the_work_stops(fitted, four_sources):
    few = NeedModel(Population(96), fitted.features, fitted.estimator, fitted.outcome, name="few")
    few.with_fit(fitted.estimator_, fitted.training_, fitted.feature_table, fitted.reference_)
    persons = four_sources.persons
    old = persons["birth_date"] < pd.Timestamp("1929-01-01")
    persons.loc[old, "birth_date"] = pd.Timestamp("1930-01-01")
    persons.loc[persons.index[old][:4], "birth_date"] = pd.Timestamp("1925-01-01")
    run = monitor(few, rebuilt(four_sources, persons=persons), known=[], capacity=2)
    assert run.tables["expected"].set_index("item")["value"].drop("rows_then").isna().all()
    assert run.tables["quantiles"].drop(columns="score").isna().all(axis=None)
    assert (run.status, "nobody" in found(run)) == ("stop", True)


# --- other estimators ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [DemandRegressor(random_state=0), RiskCurve((90, 365), random_state=0)])
def test_amounts_and_curves_are_monitored_too(four_sources, estimator, tmp_path):
    outcome = Outcome("emergency_visits" if isinstance(estimator, DemandRegressor) else "emergency_visit")
    model = NeedModel(Population(75), Demographics(), estimator, outcome, name="any").fit(four_sources, "2021-12-01")
    previous = model.predict(four_sources, "2023-06-01")
    run = monitor(model, four_sources, previous=previous, capacity=50, known=[])
    assert run.status == "well"
    assert "Jaccard" not in run.to_html(tmp_path / "monitor.html", language="sv").read_text("utf-8")


def test_segments_are_monitored_by_their_shares(four_sources, tmp_path):
    model = NeedModel(Population(75), Demographics(), LatentClassSegmenter(2, random_state=0), name="groups")
    model.fit(four_sources, "2021-12-01")
    run = monitor(model, four_sources)
    assert run.tables["segments"]["measure"].tolist() == ["share", "share", "loglik"]
    page = run.to_html(tmp_path / "monitor.html", language="en").read_text("utf-8")
    assert "Are the segments as they were" in page
    assert "compute risks" not in page, "a segment is no risk"
    assert "The model uses neither events nor stays." in page


# --- what is written -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(fitted, four_sources):
    return monitor(fitted, stopped(four_sources, "emergency", days=14), known=[])


def test_a_run_is_one_line_of_json(run):
    line = run.to_json()
    assert "\n" not in line
    row = json.loads(line)
    assert (row["model"], row["index_date"], row["status"]) == ("visit", "2024-01-01", "stop")
    assert row["sources_marked"] == {"events emergency": "stopped"}
    assert row["findings"][0]["finding"] == "stopped"


def test_the_line_tells_accuracy_as_expected_until_it_is_known(today, run):
    row, before = json.loads(today.to_json()), json.loads(run.to_json())
    assert row["known_observed_expected_lower"] < row["known_observed_expected"] < row["known_observed_expected_upper"]
    assert row["list_kept"] > 0.5
    assert "expected_auc" in before
    assert not [name for name in before if name.startswith("known_")]


@pytest.mark.parametrize(
    ("language", "verdict"),
    [
        ("fi", "Seis: riskejä ei pidä laskea"),
        ("sv", "Stopp: beräkna inga risker"),
        ("en", "Stop: do not compute risks"),
    ],
)
def test_the_page_begins_with_the_verdict_in_the_readers_language(run, tmp_path, language, verdict):
    page = run.to_html(tmp_path / "monitor.html", language=language).read_text("utf-8")
    assert page.index(verdict) < page.index("<table>")
    assert "http" not in page.replace("http://www.w3.org", "")


def test_page_and_line_are_the_same_bytes_again(run, fitted, four_sources, tmp_path):
    again = monitor(fitted, stopped(four_sources, "emergency", days=14), known=[])
    assert again.to_json() == run.to_json()
    pages = [one.to_html(tmp_path / f"{n}.html").read_bytes() for n, one in enumerate((run, again))]
    assert pages[0] == pages[1]


def test_nothing_that_is_written_holds_a_person(today, four_sources, tmp_path):
    page = today.to_html(tmp_path / "monitor.html").read_text("utf-8")
    tables = "".join(table.to_csv() for table in today.tables.values())
    ids = set(four_sources.persons["person_id"])
    assert not ids & set(re.findall(r"p[0-9a-f]{8}", page + tables + today.to_json()))


def test_limits_are_data_rows_with_their_reason():
    limits = monitor_limits()
    assert limits.set_index("name").loc["volume", "value"] == 0.6
    assert limits["note"].str.len().min() > 20
