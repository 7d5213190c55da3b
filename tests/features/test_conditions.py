"""A condition is established by evidence: what counts, what does not, and when nothing can be said."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee import (
    Codelist,
    Cohort,
    ConditionCount,
    Conditions,
    FeatureSet,
    Registers,
    check_leakage,
    load_codelist,
)

DIABETES = Codelist({"diabetes": ["ICD-10:E11", "ICPC-2:T90", "ATC:A10", "Kela:=215"]}, name="mine")
ALL = ("diagnoses", "entitlements", "medicines")
SYSTEM = {"E11": "ICD-10", "T90": "ICPC-2", "A10": "ATC", "215": "Kela", "I10": "ICD-10", "205": "Kela"}
SOURCES = {"H": "inpatient", "P": "primary_care", "O": "outpatient", "K": "entitlement", "M": "medication"}
BACKGROUND = "H I10 2000-01-01, P I10 2000-01-01, O I10 2000-01-01, K 205 2000-01-01, M C03 2000-01-01"


def registers_of(records: str, **more) -> Registers:
    """Records of one person, written 'H E11 2023-05-01, ...'; a second person holds one record of every source."""
    rows = [
        (person, *record.split())
        for person, text in ((1, records), (2, BACKGROUND))
        for record in text.split(", ")
        if record
    ]
    events = pd.DataFrame(rows, columns=["person_id", "source", "code", "time"])
    events["code_system"] = [SYSTEM.get(code[:3], "ATC") for code in events["code"]]
    events["time"] = pd.to_datetime(events["time"], format="ISO8601")
    events["source"] = events["source"].map(SOURCES)
    persons = pd.DataFrame({"person_id": [1, 2], "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    return Registers(persons, events, extract_date="2024-06-01", **more)


def condition(registers, date="2024-01-01", **parameters) -> float:
    parameters.setdefault("conditions", DIABETES)
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": [date]}))
    return Conditions(**parameters).fit_transform(cohort).iloc[0, 0]


@pytest.mark.parametrize(
    ("records", "met"),
    [
        ("", 0),
        ("H E11 2023-05-01", 1),  # one hospital diagnosis
        ("H I10 2023-05-01", 0),  # of something else
        ("P E11 2023-05-01", 0),  # one date in primary care
        ("P E11 2023-05-01, P E11 2023-05-01T12:00", 0),  # the same date
        ("P E11 2023-05-01, P E11 2023-05-30", 0),  # 29 days apart
        ("P E11 2023-05-01, P E11 2023-05-31", 1),  # 30 days apart
        ("P E11 2023-05-01T15:00, P E11 2023-05-31T09:00", 1),  # 30 dates apart, whatever the hour
        ("P E11 2023-05-01T09:00, P E11 2023-05-30T15:00", 0),
        ("P E11 2023-05-01, P T90 2023-05-31", 1),  # ICD-10 and ICPC-2 together
        ("P E11 2023-05-01, O E11 2023-05-31", 1),  # two sources together
        ("P E11 2023-05-01, P I10 2023-05-31", 0),  # two conditions, one date each
        ("P E11 2023-05-01, P E11 2023-05-15, P E11 2023-05-31", 1),  # first and last count
        ("K 215 2023-05-01", 1),  # entitlement
        ("K 205 2023-05-01", 0),
        ("M A10BA02 2023-05-01, M A10BA02 2023-08-01", 0),  # medicines only when asked for
        ("P E11 2023-05-01, M A10BA02 2023-08-01", 0),  # sources of different kinds do not add up
        ("H E11 2024-01-01", 0),  # on the index date: future
        ("H E11 2019-01-02", 1),  # 1825 days before
        ("H E11 2019-01-01", 0),  # 1826 days before
        ("P E11 2018-12-01, P E11 2019-01-10", 0),  # one of the two dates before the window
    ],
)
def test_the_evidence_rule(records, met):
    assert condition(registers_of(records)) == met


@pytest.mark.parametrize(
    ("records", "met"),
    [
        ("M A10BA02 2023-05-01", 0),
        ("M A10BA02 2023-05-01, M A10BA02 2023-05-01T08:00", 0),  # two packages of one day
        ("M A10BA02 2023-05-01, M A10BB12 2023-08-01", 1),
        ("M A10BA02 2023-01-01, M A10BB12 2023-12-31", 1),  # both within 12 months
        ("M A10BA02 2022-12-31, M A10BB12 2023-12-31", 0),  # 366 and 1 days before
        ("M C03CA01 2023-05-01, M C03CA01 2023-08-01", 0),
        ("P E11 2023-05-01, P E11 2023-05-31", 1),  # the other evidence still counts
    ],
)
def test_medicines_as_evidence(records, met):
    assert condition(registers_of(records), evidence=ALL) == met


def test_the_drug_of_an_adverse_effect_is_no_purchase():
    registers = registers_of("")
    events = registers.events.iloc[[0, 0]].assign(
        person_id=1,
        source="outpatient",
        code_system="ATC",
        code="A10BA02",
        time=pd.to_datetime(["2023-05-01", "2023-08-01"]),
    )
    registers = Registers(registers.persons, pd.concat([registers.events, events]), extract_date="2024-06-01")
    assert condition(registers, evidence=ALL) == 0


def test_sources_of_which_one_diagnosis_is_enough():
    registers = registers_of("O E11 2023-05-01")
    assert condition(registers) == 0
    assert condition(registers, sufficient_source=["inpatient", "outpatient"]) == 1
    assert condition(registers_of("H E11 2023-05-01"), sufficient_source=None) == 0
    assert condition(registers_of("H E11 2023-05-01, H E11 2023-06-01"), sufficient_source=None) == 1


def test_only_the_sources_asked_for_count():
    registers = registers_of("H E11 2023-05-01, K 215 2023-05-01")
    assert condition(registers, source=["primary_care", "outpatient"]) == 0
    assert condition(registers, source="entitlement") == 1
    assert condition(registers, source="inpatient", evidence="diagnoses") == 1


def test_what_is_not_covered_is_missing_even_where_something_was_found():
    coverage = pd.DataFrame({"source": ["primary_care"], "from": pd.to_datetime(["2021-01-01"])})
    registers = registers_of("H E11 2023-05-01", coverage=coverage, tolerance=1.0)
    assert np.isnan(condition(registers))
    assert condition(registers, lookback_days=1000) == 1
    assert condition(registers, source=["inpatient"]) == 1
    kela = pd.DataFrame({"source": ["entitlement"], "from": pd.to_datetime(["2021-01-01"])})
    registers = registers_of("H E11 2023-05-01", coverage=kela)
    assert np.isnan(condition(registers))
    assert condition(registers, evidence="diagnoses") == 1


def test_registers_without_any_evidence_say_nothing():
    registers = registers_of("")
    events = registers.events.assign(code_system="contact", code="visit")
    registers = Registers(registers.persons, events, extract_date="2024-06-01")
    assert np.isnan(condition(registers))


def test_several_windows_and_conditions_at_once():
    registers = registers_of("H E11 2023-12-20, H I10 2022-05-01")
    both = DIABETES | Codelist({"pressure": ["ICD-10:I10"]}, name="mine")
    cohort = Cohort.from_frame(
        registers, pd.DataFrame({"person_id": [1, 1], "index_date": ["2024-01-01", "2023-01-01"]})
    )
    X = Conditions(both, lookback_days=(30, None), skip_days=14).fit_transform(cohort)
    assert X.columns.tolist() == [
        "condition_diabetes_30d_skip14d",
        "condition_diabetes_ever_skip14d",
        "condition_pressure_30d_skip14d",
        "condition_pressure_ever_skip14d",
    ]
    assert X.to_numpy().tolist() == [[0, 0, 0, 1], [0, 0, 0, 1]]
    n = ConditionCount(both, lookback_days=(30, None)).fit_transform(cohort)
    assert n.to_dict("list") == {"n_mine_30d": [1, 0], "n_mine_ever": [2, 1]}


def test_conditions_that_share_a_code_are_both_established():
    conditions = load_codelist("chronic_conditions").keep("ckd", "eskd", "diabetes")
    registers = registers_of("H I10 2023-05-01")
    events = registers.events.assign(code=registers.events["code"].replace("I10", "N18.5"))
    registers = Registers(registers.persons, events, extract_date="2024-06-01")
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": ["2024-01-01"]}))
    assert Conditions(conditions).fit_transform(cohort).to_numpy().tolist() == [[1, 1, 0]]
    assert ConditionCount(conditions).fit_transform(cohort).to_numpy().tolist() == [[2]]


def test_in_a_set_they_share_one_pass_and_stay_the_same(county, seen):
    cohort = seen(county, "2023-01-01")[:200]
    features = FeatureSet([("conditions", Conditions()), ("n", ConditionCount())])
    X = features.fit_transform(cohort)
    n_conditions = len(load_codelist("chronic_conditions").groups)
    assert X.shape == (200, n_conditions + 1)
    pd.testing.assert_frame_equal(X.iloc[:, :-1], Conditions().fit_transform(cohort), check_exact=True)
    assert (X.iloc[:, :-1].sum(axis=1) == X.iloc[:, -1]).all()
    assert X.iloc[:, -1].mean() > 0.5  # the county's people do have conditions


def test_a_reader_can_tell_established_from_probable(county):
    both = FeatureSet(
        [("sure", Conditions()), ("likely", Conditions(evidence=ALL)), ("n", ConditionCount(evidence=ALL))]
    )
    table = both.describe(county)
    for language in ("fi", "sv", "en"):
        assert not table[f"label_{language}"].duplicated().any()
    assert table["label_fi"].iloc[0].endswith("todettu sairaus, viimeiset 60 kk")
    assert set(table["topic"]) == {"diagnoses"}


@pytest.mark.parametrize("builder", [Conditions(evidence=ALL, lookback_days=(365, None)), ConditionCount(skip_days=30)])
def test_conditions_see_no_future(builder, county, seen):
    check_leakage(builder, seen(county, "2022-01-01", "2023-01-01")[:400])


RECORD = st.tuples(
    st.sampled_from(["H E11", "P E11", "P T90", "O E11", "K 215", "M A10BA02", "M A10BB12", "P I10"]),
    st.integers(min_value=-30, max_value=800),
)


@settings(max_examples=60)
@given(st.lists(RECORD, max_size=7), st.sampled_from([60, 400, 730]), st.sampled_from([0, 20]))
def test_it_agrees_with_the_rule_written_out(drawn, lookback, skip):
    index = pd.Timestamp("2024-01-01")
    records = [(what, lag) for what, lag in dict.fromkeys(drawn)]
    written = ", ".join(f"{what} {(index - pd.Timedelta(days=lag)).date()}" for what, lag in records)
    lags = [(what, lag) for what, lag in records if skip < lag <= lookback]
    once = any(what in ("H E11", "K 215") for what, _ in lags)
    repeated = [lag for what, lag in lags if what in ("P E11", "P T90", "O E11")]
    bought = {lag for what, lag in lags if what.startswith("M") and lag <= skip + 365}
    expected = once or (bool(repeated) and max(repeated) - min(repeated) >= 30) or len(bought) >= 2
    registers, options = registers_of(written), {"evidence": ALL, "lookback_days": lookback, "skip_days": skip}
    assert condition(registers, **options) == expected
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": [index]}))
    two = DIABETES | Codelist({"hypertension": ["ICD-10:I10"]}, name="another")
    hypertension = [lag for what, lag in lags if what == "P I10"]
    expected += bool(hypertension) and max(hypertension) - min(hypertension) >= 30
    assert ConditionCount(two, **options).fit_transform(cohort).iloc[0, 0] == expected


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"evidence": ()}, "`evidence` must hold at least one of"),
        ({"evidence": "laboratory"}, "`evidence` must be one of 'diagnoses', 'entitlements', 'medicines'"),
        ({"conditions": "heart"}, "`codes` must name a shipped list"),
        ({"source": "hospital"}, "`source` must name sources"),
        ({"sufficient_source": "hospital"}, "`source` must name sources"),
        ({"lookback_days": 30, "skip_days": 30}, "`lookback_days` must be longer than `skip_days`"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        condition(registers_of(""), **parameters)
