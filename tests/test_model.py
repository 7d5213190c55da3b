"""A NeedModel scores tomorrow from what was known, refuses what would mislead, and holds no person."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from servicenee import (
    DemandRegressor,
    Demographics,
    EventCounts,
    FeatureSet,
    NeedClassifier,
    NeedModel,
    Outcome,
    Population,
    Registers,
    RiskCurve,
    StayDays,
    make_registers,
    predict,
    save_model,
)
from servicenee.exceptions import LeakageError, ModelError, ServiceneeWarning
from servicenee.index_dates import latest_index_date, yearly_dates

TRAINING = ["2019-10-01", "2020-10-01", "2021-10-01"]
LATER = "2022-10-01"
FEATURES = FeatureSet(
    [
        Demographics(),
        ("visits", EventCounts("contacts", source=("emergency", "primary_care"), by="source", lookback_days=(90, 365))),
        ("conditions", EventCounts(source="primary_care", by="chronic_conditions", lookback_days=730)),
        ("stays", StayDays("inpatient_unplanned", source="inpatient")),
    ]
)


def need_model(features=FEATURES, estimator=None, outcome=None, **named) -> NeedModel:
    return NeedModel(
        Population(75, without=["stay:home_care", "stay:round_the_clock"]),
        features,
        NeedClassifier(random_state=0) if estimator is None else estimator,
        Outcome("home_care_start") if outcome is None else outcome,
        **named,
    )


@pytest.fixture(scope="module")
def model(county) -> NeedModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        return need_model(name="home_care").fit(county, TRAINING)


def some_persons(registers: Registers, keep: np.ndarray) -> Registers:
    """The registers of some of the persons, in the same order."""
    persons = registers.persons[keep]
    tables = [table[table["person_id"].isin(persons["person_id"])] for table in (registers.events, registers.stays)]
    return Registers(persons, *tables, coverage=registers.coverage, extract_date=registers.extract_date)


# --- scores ----------------------------------------------------------------------------------------------------------


def test_scores_are_of_today_and_of_the_population(model, county):
    scores = model.predict(county)
    eligible = model.population.at(county, county.extract_date)
    assert scores.index.equals(eligible.index)
    assert scores.columns.tolist() == ["risk", "rank", "model", "version"]
    assert scores["risk"].between(0, 1).all()
    assert set(scores["model"]) == {"home_care"}
    assert set(scores["version"]) == {"2024-01-01"}, "without a version of its own, the date of the training data"


def test_rank_one_is_the_highest_risk_and_every_rank_comes_once(model, county):
    scores = model.predict(county)
    assert sorted(scores["rank"]) == list(range(1, len(scores) + 1))
    in_order = scores.sort_values("rank")["risk"].to_numpy()
    assert (np.diff(in_order) <= 1e-12).all()


class FlatRisk(NeedClassifier):
    """Risks that differ only beyond the twelfth decimal, or are missing."""

    risks = (0.25, 0.25 + 1e-14, 0.5)

    def predict_proba(self, X):
        risk = np.resize(self.risks, len(X))
        return np.column_stack([1 - risk, risk])


def test_equal_risks_to_twelve_decimals_are_ranked_in_order_of_person(model, county, monkeypatch):
    monkeypatch.setattr(model, "estimator_", FlatRisk())
    ranks = model.predict(county)["rank"].to_numpy()
    n = len(ranks)
    highest, equal = ranks[2::3], np.delete(ranks, np.arange(2, n, 3))
    assert highest.tolist() == list(range(1, len(highest) + 1))
    assert equal.tolist() == list(range(len(highest) + 1, n + 1))


def test_every_index_date_has_ranks_of_its_own(model, county):
    scores = model.predict(county, [LATER, "2023-10-01"])
    for _, part in scores.groupby(level="index_date"):
        assert sorted(part["rank"]) == list(range(1, len(part) + 1))


def test_persons_without_a_risk_are_left_out_and_counted_not_ranked_as_zero(model, county, monkeypatch):
    estimator = FlatRisk()
    monkeypatch.setattr(estimator, "risks", (np.nan, 0.25, 0.5), raising=False)
    monkeypatch.setattr(model, "estimator_", estimator)
    n = len(model.population.at(county, county.extract_date))
    with pytest.warns(ServiceneeWarning, match=rf"{-(-n // 3)} of {n} rows have no score"):
        scores = model.predict(county)
    assert len(scores) == n - -(-n // 3)
    assert scores["risk"].notna().all()


def test_a_population_without_anybody_gives_empty_scores(model, county, monkeypatch):
    monkeypatch.setattr(model, "population", Population(119))
    scores = model.predict(county)
    assert scores.empty
    assert scores.columns.tolist() == ["risk", "rank", "model", "version"]


@pytest.mark.parametrize("n_parts", [2, 7])
def test_a_persons_risk_has_the_same_bits_whoever_else_is_scored(model, county, n_parts):
    whole = model.predict(county)["risk"]
    member = np.arange(len(county.persons)) % n_parts
    parts = [model.predict(some_persons(county, member == part))["risk"] for part in range(n_parts)]
    pd.testing.assert_series_equal(pd.concat(parts).sort_index(), whole.sort_index(), check_exact=True)


def test_fitting_twice_gives_the_same_bits(model, county):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        again = need_model(name="home_care").fit(county, TRAINING)
    pd.testing.assert_frame_equal(again.predict(county), model.predict(county), check_exact=True)
    assert again.training_ == model.training_


# --- evaluation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", ["2022-09-30", "2021-10-01", "2019-01-01"], ids=["a day early", "training", "before"])
def test_evaluation_on_dates_that_training_reaches_is_refused(model, county, date):
    with pytest.raises(LeakageError, match="must not lie before 2022-10-01"):
        model.evaluate(county, date)


def test_the_gap_belongs_to_the_training_window(county):
    outcome = Outcome("unplanned_admission", horizon_days=300, gap_days=65)
    model = need_model(outcome=outcome).fit(county, "2021-10-01")
    with pytest.raises(LeakageError, match="must not lie before 2022-10-01"):
        model.evaluate(county, "2022-09-30")
    assert model.evaluate(county, "2022-10-01").metric("auc") > 0.5


def test_evaluation_looks_at_groups_of_persons_and_age_bands(model, county):
    evaluation = model.evaluate(county, LATER, by=["sex", "age_band"], capacity=0.1)
    subgroups = evaluation.tables["subgroups"]
    assert set(subgroups["by"]) == {"sex", "age_band"}
    assert set(subgroups.loc[subgroups["by"] == "age_band", "group"]) == {"75–84", "85+"}
    assert evaluation.capacity == 0.1


def test_an_unknown_group_is_named(model, county):
    with pytest.raises(ValueError, match=r"`by` must name 'age_band' or columns of persons .*got \['shoe_size'\]"):
        model.evaluate(county, LATER, by="shoe_size")


def test_windows_that_have_not_ended_are_refused_with_the_last_date_that_works(county):
    with pytest.raises(ValueError, match=r"the window of 2023-06-01 has not ended\. Use dates up to 2022-10-03"):
        need_model().fit(county, ["2021-10-01", "2023-06-01"])


def test_an_empty_cohort_says_which_step_left_nobody(county):
    nobody = need_model()
    nobody.population = Population(119)
    with pytest.raises(ValueError, match=r"nobody is left \(last step: 365 days of history\)"):
        nobody.fit(county, "2021-10-01")


# --- columns ---------------------------------------------------------------------------------------------------------


def test_a_source_that_is_missing_at_scoring_is_refused_with_its_columns(model, county):
    without = Registers(
        county.persons,
        county.events[county.events["source"] != "emergency"],
        county.stays,
        coverage=county.coverage[county.coverage["source"] != "emergency"],
        extract_date=county.extract_date,
    )
    with pytest.raises(ModelError, match=r"emergency \(columns count_contacts_emergency_90d"):
        model.predict(without)


def by_source() -> FeatureSet:
    """One column per source of contacts that the registers hold."""
    return FeatureSet([Demographics(), ("contacts", EventCounts("contacts", by="source"))])


def test_a_missing_column_is_refused_and_named(county):
    model = need_model(FeatureSet([Demographics(), ("visits", EventCounts(source="emergency", by="code"))]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        model.fit(county, ["2020-10-01", "2021-10-01"])
    events = county.events
    other = events.assign(code=events["code"].where(events["code"] != "visit", "call"))
    registers = Registers(
        county.persons, other, county.stays, coverage=county.coverage, extract_date=county.extract_date
    )
    with pytest.raises(
        ModelError, match=r"lack 1 of the \d+ columns the model was trained with: count_contact:visit_365d"
    ):
        model.predict(registers)


def test_a_new_column_is_ignored_and_counted_in_one_warning(county):
    model = need_model(by_source())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        model.fit(county, ["2020-10-01", "2021-10-01"])
    extra = county.events[county.events["source"] == "emergency"].head(50).assign(source="ambulance")
    events = pd.concat([county.events, extra])
    coverage = pd.concat([county.coverage, county.coverage.head(1).assign(source="ambulance")])
    more = Registers(county.persons, events, county.stays, coverage=coverage, extract_date=county.extract_date)
    with pytest.warns(ServiceneeWarning, match="1 columns of the features were not there in training") as caught:
        scores = model.predict(more)
    assert len(caught) == 1
    pd.testing.assert_frame_equal(scores, model.predict(county), check_exact=True)


# --- facts, reasons, messages ----------------------------------------------------------------------------------------


def test_training_facts_are_counts_and_dates(model, county):
    facts = model.training_
    cohort = model.population.at(county, TRAINING)
    labels = model.outcome.label(cohort)
    assert facts.index_dates == tuple(TRAINING)
    assert facts.extract_date == "2024-01-01"
    assert facts.n_rows == len(cohort)
    assert facts.n_events == (labels["status"] == 1).sum()
    assert 0.5 * labels["value"].mean() < facts.base_rate < 2 * labels["value"].mean()


def test_other_data_have_another_digest(model, county):
    in_cohort = model.population.at(county, TRAINING).person[0]
    others = some_persons(county, np.arange(len(county.persons)) != in_cohort)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        other = need_model().fit(others, TRAINING)
    assert other.training_.digest != model.training_.digest


def test_reasons_are_of_the_asked_rows_in_order(model, county):
    listed = model.predict(county).sort_values("rank").index[:5]
    reasons = model.reasons(county, listed, n_reasons=2)
    assert reasons.columns.tolist() == ["order", "feature", "value", "reference", "contribution"]
    assert set(reasons.index) <= set(listed)
    assert set(reasons["feature"]) <= set(model.feature_table["feature"])
    assert reasons["order"].max() <= 2
    assert (reasons["contribution"] > 0).all()


def test_the_outcome_has_words_in_three_languages(model):
    words = [model.outcome_label(language) for language in ("fi", "sv", "en")]
    assert words == ["säännöllisen kotihoidon alkaminen", "början av regelbunden hemvård", "start of regular home care"]


def test_a_given_version_is_kept():
    assert need_model(version="7").version == "7"


def test_a_model_that_has_not_learned_says_so(county):
    model = need_model(name="fresh")
    assert repr(model) == "NeedModel('fresh', not fitted)"
    with pytest.raises(NotFittedError, match="'fresh' has not learned anything yet"):
        model.predict(county)


def test_a_bare_classifier_is_refused_with_the_remedy(county):
    with pytest.raises(TypeError, match=r"got LogisticRegression\. Put a scikit-learn classifier inside one"):
        need_model(estimator=LogisticRegression()).fit(county, "2021-10-01")


def test_what_a_notebook_shows_holds_no_person(model, county):
    shown = model._repr_html_() + repr(model)
    assert "home_care" in shown
    assert not [person for person in county.persons["person_id"] if str(person) in shown]


# --- index dates -----------------------------------------------------------------------------------------------------


def test_yearly_dates_leave_a_whole_outcome_window_between_training_and_evaluation(county):
    model = need_model()
    assert yearly_dates(model.population, model.outcome, county) == (TRAINING, LATER)


def test_the_latest_index_date_leaves_room_for_lag_and_confirmation(county):
    # Extract 1 January 2024, less 30 days of lag, 60 of confirmation and 365 of horizon.
    assert str(latest_index_date(Outcome("home_care_start"), county)) == "2022-10-03"


def test_registers_of_one_year_are_too_short():
    short = make_registers(300, random_state=0, start="2021-01-01", extract_date="2022-07-01")
    with pytest.raises(ValueError, match="must cover 365 days before an index date and two outcome windows after it"):
        yearly_dates(Population(75), Outcome("home_care_start"), short)


@pytest.mark.parametrize(
    ("estimator", "outcome", "columns"),
    [
        (NeedClassifier(random_state=0), Outcome("emergency_visit"), ["risk", "rank"]),
        (DemandRegressor(random_state=0), Outcome("emergency_visit", kind="counts"), ["expected", "lower", "upper"]),
        (RiskCurve((90, 365), interval_days=90, random_state=0), Outcome("death"), ["risk_90d", "risk_365d"]),
    ],
    ids=["risk", "amount", "curve"],
)
def test_every_estimator_is_fitted_saved_and_scored_in_the_same_way(county, tmp_path, estimator, outcome, columns):
    features = FeatureSet([Demographics(), ("visits", EventCounts("contacts", source="emergency"))])
    model = NeedModel(Population(75), features, estimator, outcome, name="any").fit(
        county, ["2020-06-01", "2021-06-01"]
    )
    scores = predict(save_model(model, tmp_path / "model"), county, output=tmp_path / "scores.parquet")
    assert scores.columns.tolist() == [*columns, "model", "version"]
    assert scores.equals(model.predict(county))
    stored = pd.read_parquet(tmp_path / "scores.parquet")
    assert stored.equals(scores)
    assert "death" in stored.attrs["estimand"]
    assert model.reasons(county, scores.index[:3]).columns.tolist()[:2] == ["order", "feature"]
    nobody = NeedModel(Population(120), features, estimator, outcome).with_fit(
        model.estimator_, model.training_, model.feature_table, model.reference_
    )
    assert nobody.predict(county).columns.tolist() == [*columns, "model", "version"]


def test_a_curve_is_judged_at_every_horizon_and_an_amount_as_an_amount(county):
    curve, amount = RiskCurve((90, 365), interval_days=90, random_state=0), DemandRegressor(random_state=0)
    model = NeedModel(Population(75), Demographics(), curve, Outcome("death")).fit(county, "2020-06-01")
    assert model.evaluate(county, "2022-01-01").tables["horizons"]["horizon_days"].unique().tolist() == [90, 365]
    visits = Outcome("emergency_visit", kind="counts")
    model = NeedModel(Population(75), Demographics(), amount, visits).fit(county, "2020-06-01")
    judged = model.evaluate(county, "2022-01-01", by=["sex", "area"])
    assert 0.7 < judged.metric("observed_expected") < 1.4
    assert judged.tables["sums"]["inside"].notna().any()
    with pytest.raises(ValueError, match="`refits` must be empty for amounts"):
        model.evaluate(county, "2022-01-01", refits="baselines")
