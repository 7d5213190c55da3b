"""NeedModel.evaluate and recalibrate: what the model adds to its evaluation, and how it moves to a new county."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from servicenee import (
    DemandRegressor,
    Demographics,
    EventCounts,
    FeatureSet,
    NeedClassifier,
    NeedModel,
    Outcome,
    Population,
    load_model,
    make_registers,
    save_model,
)
from servicenee.exceptions import LeakageError, ServiceneeWarning
from servicenee.monitoring.expected import known_dates

FEATURES = FeatureSet(
    [
        Demographics(),
        ("visits", EventCounts("contacts", source=("emergency", "primary_care"), by="source", lookback_days=365)),
        ("frailty", EventCounts(by="frailty_signs", lookback_days=365)),
    ]
)


@pytest.fixture(scope="module")
def registers():
    return make_registers(4_000, random_state=3)


@pytest.fixture(scope="module")
def model(registers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        outcome = Outcome("unplanned_admission")
        return NeedModel(Population(70), FEATURES, NeedClassifier(random_state=0), outcome, name="admission").fit(
            registers, ["2019-06-01", "2020-06-01"]
        )


@pytest.fixture(scope="module")
def evaluation(model, registers):
    by = ["sex", "age_band", "area", "sex:age_band"]
    return model.evaluate(registers, "2022-06-01", by=by, capacity=60, refits=["baselines", "without_past_use"])


def test_the_model_is_compared_with_simple_ones_of_the_same_training(evaluation):
    comparison = evaluation.tables["comparison"]
    assert comparison["model"].drop_duplicates().tolist() == ["model", "age_sex", "last_year_use", "without_past_use"]
    own = comparison.set_index(["model", "metric"]).loc[("model", "auc"), "value"]
    assert own == pytest.approx(evaluation.metric("auc"))


def test_need_is_compared_at_equal_risk(evaluation):
    audit = evaluation.tables["label_audit"]
    assert set(audit["marker"]) == {"death", "function"}, "these features count no different diagnoses"
    assert set(audit["by"]) == {"sex", "age_band", "sex:age_band"}, "fourteen areas are too many"


def test_two_variables_make_one_group(evaluation):
    groups = evaluation.tables["subgroups"]
    assert "female, 75–84" in set(groups.loc[groups["by"] == "sex:age_band", "group"])


def test_training_size_stands_beside_what_would_be_needed(evaluation, model):
    size = evaluation.tables["sample_size"].set_index("criterion")
    assert size.loc["had", "n"] == model.training_.n_rows
    assert size.loc["all", "n"] == size.loc[["shrinkage", "optimism", "event_share"], "n"].max()


def test_the_report_says_whether_age_and_sex_would_have_done(evaluation, tmp_path):
    page = evaluation.to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.search(r"by age and sex alone would find \d+% of the events", page)
    assert "Unplanned hospital admission: how good the model is" in page


def test_no_id_leaves_with_the_evaluation(evaluation, registers, tmp_path):
    text = evaluation.to_html(tmp_path / "report.html").read_text(encoding="utf-8") + evaluation.model_card()
    ids = registers.persons["person_id"].astype(str)
    assert not [one for one in ids.iloc[:200] if re.search(rf"\b{re.escape(one)}\b", text) and not one.isdigit()]


@pytest.mark.slow
def test_learning_curve_and_areas_fit_the_model_several_times(model, registers):
    tables = model.evaluate(registers, "2022-06-01", refits=["learning_curve", "areas"]).tables
    assert tables["learning_curve"]["share"].iloc[-1] == 1
    assert {"pooled", "a new area"} <= set(tables["areas_left_out"]["area"])


def test_unknown_refits_are_refused(model, registers):
    with pytest.raises(ValueError, match="`refits` must be one of 'baselines'"):
        model.evaluate(registers, "2022-06-01", refits="everything")


def test_a_new_county_with_another_level_gets_another_intercept(model, tmp_path):
    elsewhere = make_registers(4_000, random_state=8)
    shifted = NeedModel(Population(70), FEATURES, model.estimator, model.outcome, name="admission")
    shifted.with_fit(model.estimator_, model.training_, model.feature_table, model.reference_)
    moved = shifted.recalibrate(elsewhere, ["2020-06-01", "2021-06-01"], method="intercept")
    before, after = (one.predict(elsewhere, "2022-06-01")["risk"] for one in (shifted, moved))
    difference = np.log(after / (1 - after)) - np.log(before / (1 - before))
    assert np.ptp(difference) < 1e-9, "the ranking stays"
    assert "intercept 2021-06-01" in moved.version
    again = load_model(save_model(moved, tmp_path / "moved"))
    pd.testing.assert_series_equal(again.predict(elsewhere, "2022-06-01")["risk"], after, check_exact=True)
    assert model.predict(elsewhere, "2022-06-01")["risk"].equals(before), "the model itself is not changed"


def test_after_a_recalibration_the_rows_of_it_are_no_test_and_the_level_to_expect_is_theirs(model, tmp_path):
    elsewhere = make_registers(4_000, random_state=8)
    dates = ["2021-06-01", "2022-06-01"]
    moved = model.recalibrate(elsewhere, dates, method="intercept")
    for one in (moved, load_model(save_model(moved, tmp_path / "moved"))):
        assert (one.training_.index_dates, one.training_.recalibrated_on) == (model.training_.index_dates, tuple(dates))
        with pytest.raises(LeakageError, match=r"not lie before 2023-\d\d-\d\d, when .* of recalibration ends"):
            one.evaluate(elsewhere, "2022-06-01")
        assert known_dates(one, elsewhere, pd.Timestamp("2024-01-01")) == []
    assert known_dates(model, elsewhere, pd.Timestamp("2024-01-01")) != []
    risk = moved.predict(elsewhere, dates)["risk"]
    assert moved.training_.base_rate == pytest.approx(risk.mean(), rel=0.02)
    last = int((risk.index.get_level_values("index_date") == "2022-06-01").sum())
    assert moved.reference_.n_rows == last
    assert moved.reference_.scores != model.reference_.scores
    assert moved.reference_.codes == model.reference_.codes


def test_a_model_that_holds_true_is_left_alone(model, registers):
    kept = model.recalibrate(registers, "2021-06-01", method="none")
    assert kept.predict(registers)["risk"].equals(model.predict(registers)["risk"])


def test_amounts_cannot_be_recalibrated(registers):
    visits = Outcome("emergency_visit", kind="counts")
    amounts = NeedModel(Population(75), Demographics(), DemandRegressor(random_state=0), visits)
    amounts.fit(registers, "2020-06-01")
    with pytest.raises(TypeError, match="must be a NeedClassifier to be recalibrated"):
        amounts.recalibrate(registers, "2022-06-01")
