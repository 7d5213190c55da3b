"""The contract of every builder, and what each says about 0 and NaN."""

import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from servicenee import (
    AnyEvent,
    Assessments,
    CareChains,
    CareGaps,
    CareMoves,
    Charlson,
    Codelist,
    Cohort,
    ConditionCount,
    Conditions,
    DaysSince,
    DaysSinceDischarge,
    DaysSinceFirst,
    DeficitCount,
    Demographics,
    DistinctCodes,
    Elixhauser,
    EventCounts,
    EventMaxima,
    EventMeans,
    EventMinima,
    EventSums,
    FeatureSet,
    FirstValue,
    HospitalFrailty,
    InStay,
    LatestValue,
    LongestStay,
    Medicines,
    PlanAdherence,
    Population,
    Registers,
    StayCounts,
    StayDays,
    ValueTrend,
    WithinTarget,
    default_features,
    load_codelist,
)
from servicenee.codes import shipped_codelists
from servicenee.features import blocks
from servicenee.windows import events as kernel

BUILDERS = [
    Demographics(columns=("age", "sex", "language", "living_alone")),
    EventCounts(by="source", lookback_days=(30, 365, None)),
    EventCounts("chronic_conditions", by="chronic_conditions", source=["primary_care", "inpatient"], skip_days=30),
    EventSums("contacts", source="home_care", lookback_days=(30, 365)),
    DaysSince(source=["emergency", "inpatient"], by="source", lookback_days=730),
    DistinctCodes("ATC:", source="medication", lookback_days=90),
    LatestValue(by="rai_scales", source="rai"),
    LatestValue(by="laboratory", source="laboratory", at="time", lookback_days=(90, None)),
    StayDays(("inpatient_unplanned", "home_care"), lookback_days=(90, 365)),
    StayDays(),
    LongestStay(source=["inpatient", "home_care"]),
    EventCounts(source="laboratory", by="code"),
    EventCounts(by="code_system", lookback_days=(30, 365)),
    EventMeans("lab:HbA1c", source="laboratory", by="unit"),
    StayCounts(source="inpatient", lookback_days=None),
    AnyEvent("contacts", by="source", source=["emergency", "outpatient"], lookback_days=(30, 365)),
    EventCounts("contacts", source="emergency", by="office_hours", lookback_days=(90, 365)),
    EventSums("contacts", source="home_care", by="weekday", skip_days=7),
    EventMeans(by="laboratory", source="laboratory", lookback_days=(90, 365)),
    EventMinima("lab:Hb", lookback_days=730),
    EventMaxima("lab:HbA1c", lookback_days=None),
    FirstValue(by="rai_scales", source="rai", lookback_days=730),
    ValueTrend(by="laboratory", source="laboratory", lookback_days=(365, 730)),
    DaysSinceFirst(by="chronic_conditions", source=["primary_care", "inpatient"], lookback_days=None),
    CareChains(source="inpatient", lookback_days=(90, 365)),
    LongestStay(("inpatient_unplanned", "home_care"), lookback_days=(90, None)),
    DaysSinceDischarge(source="inpatient", skip_days=3),
    InStay(("home_care", "round_the_clock")),
    InStay("home_care", skip_days=90),
    CareMoves(lookback_days=(365, None)),
    CareMoves(by="pair", lookback_days=(365, None)),
    WithinTarget(lookback_days=(90, 365), skip_days=7),
    PlanAdherence("lab:BP_systolic", "plan:BP_systolic", lookback_days=(28, 365)),
    Assessments(source="rai", lookback_days=(180, 365)),
    Assessments(source="rai", instruments=["interRAI-HC", "interRAI-LTCF"]),
    Assessments(["RAI:CPS"], columns=("change", "missing"), lookback_days=None, skip_days=30),
    CareGaps(),
    CareGaps(lookback_days=(730, None), skip_days=14),
    Demographics("urban_rural", levels={"urban_rural": ["K2", "K3"]}),
    Conditions(lookback_days=(365, 1825), skip_days=14),
    Conditions(["ICD-10:E11", "ATC:A10"], evidence=("diagnoses", "medicines"), lookback_days=(200, 365, None)),
    ConditionCount(lookback_days=(365, None)),
    Charlson(lookback_days=(365, 1825), skip_days=30),
    Charlson("charlson1987", variant="sweden2021", age_points=True),
    Elixhauser("swiss2021", source=["inpatient", "outpatient"], lookback_days=(365, None)),
    HospitalFrailty(lookback_days=(730, None)),
    DeficitCount(lookback_days=(60, 1825)),
    DeficitCount(as_share=False, medicine_source=None),
    Medicines(
        ("substances", "polypharmacy", "anticholinergic", "dose_dispensing"),
        by="medicine_groups",
        lookback_days=(90, 365),
        skip_days=7,
    ),
    default_features(),
]
each_builder = pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: type(builder).__name__)


@pytest.fixture(scope="module")
def cohort(county):
    return Population(70).at(county, ["2022-01-01", "2023-01-01"])[:400]


@each_builder
def test_x_is_float_with_the_cohorts_index(builder, cohort):
    X = builder.fit_transform(cohort)
    assert X.index.equals(cohort.index)
    assert (X.dtypes == np.float32).all()
    assert X.to_numpy().flags.f_contiguous
    assert X.columns.is_unique


@each_builder
def test_cloning_and_refitting_change_nothing(builder, cohort):
    before = repr(builder.get_params())
    X = clone(builder).fit(cohort).transform(cohort)
    pd.testing.assert_frame_equal(X, builder.transform(cohort), check_exact=True)
    assert repr(builder.get_params()) == before


@each_builder
def test_chunks_do_not_move_a_bit(builder, cohort, monkeypatch):
    some = cohort[::9]
    whole = builder.transform(some)
    monkeypatch.setattr(kernel, "_PAIRS_PER_CHUNK", 9)
    monkeypatch.setattr(blocks, "_ROWS_WITH_PARTS", 11)
    pd.testing.assert_frame_equal(whole, builder.transform(some), check_exact=True)


def test_two_processes_compute_the_same_bits(cohort):
    halves = joblib.Parallel(n_jobs=2)(joblib.delayed(_transformed)(half) for half in (cohort[:200], cohort[200:]))
    for alone, first, second in zip(_transformed(cohort), *halves, strict=True):
        pd.testing.assert_frame_equal(alone, pd.concat([first, second]), check_exact=True)


def _transformed(cohort: Cohort) -> list[pd.DataFrame]:
    return [builder.transform(cohort) for builder in BUILDERS]


@each_builder
def test_a_row_does_not_depend_on_the_other_rows(builder, cohort):
    some = [17, 3, 250, 4]
    pd.testing.assert_frame_equal(
        builder.fit_transform(cohort[some]), builder.fit_transform(cohort).iloc[some], check_exact=True
    )


@each_builder
def test_an_empty_cohort_keeps_the_columns(builder, cohort):
    X = builder.fit_transform(cohort[:0])
    assert X.shape == (0, builder.fit_transform(cohort).shape[1])


@each_builder
def test_every_column_is_described_in_three_languages(builder, cohort):
    table = builder.describe(cohort.registers)
    assert table["feature"].tolist() == builder.fit_transform(cohort).columns.tolist()
    labels = table[["label_fi", "label_sv", "label_en"]]
    assert (labels.map(len) > 0).all().all()
    assert not labels.duplicated().any(), "two columns a reader cannot tell apart"


DIABETES = load_codelist("chronic_conditions").keep("diabetes")


@pytest.mark.parametrize(
    ("builder", "feature", "label"),
    [
        (StayDays(source="inpatient"), "stay_days_inpatient_365d", "Hospital days, last 12 months"),
        (StayDays("day_hospital"), "stay_days_day_hospital_365d", "day_hospital, days, last 12 months"),
        (EventCounts(DIABETES), "count_diabetes_365d", "Diabetes, last 12 months"),
        (
            EventCounts(DIABETES, source="inpatient"),
            "count_diabetes_inpatient_365d",
            "Hospital care records: Diabetes, last 12 months",
        ),
        (
            AnyEvent("ICD-10:I50", source="inpatient"),
            "any_ICD-10:I50_inpatient_365d",
            "Hospital care records: ICD-10:I50 (yes/no), last 12 months",
        ),
        (
            EventCounts("frailty_signs", source="primary_care"),
            "count_frailty_signs_primary_care_365d",
            "Primary care visits and contacts: signs of frailty, last 12 months",
        ),
        (
            InStay("home_care", skip_days=1),
            "in_stay_home_care_skip1d",
            "Regular home care spells, ongoing, as of the day before",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_name_and_label_say_what_is_counted_and_where(builder, feature, label, cohort):
    (row,) = builder.describe(cohort.registers)[["feature", "label_en"]].to_numpy().tolist()
    assert row == [feature, label]


def test_a_label_repeats_neither_the_name_of_a_list_nor_of_a_source(cohort):
    table = FeatureSet(
        [(name, EventCounts(name, source="primary_care")) for name in shipped_codelists()]
        + [(f"{name} by source", AnyEvent(name, by="source")) for name in shipped_codelists()]
    ).describe(cohort.registers)
    for language in ("fi", "sv", "en"):
        assert not table[f"label_{language}"].str.contains("_").any()


def test_events_without_a_unit_have_a_column_of_that_name(person, seen):
    builder = EventCounts(by="unit")
    cohort = seen(person(["2024-01-01"]), "2024-01-31")
    assert builder.fit_transform(cohort).iloc[0].to_dict() == {"count_no_unit_365d": 1}
    assert builder.describe(cohort.registers)["label_fi"].tolist() == [
        "Päivystyskäynnit: ilman yksikköä, viimeiset 12 kk"
    ]


def test_a_by_that_is_neither_column_nor_list_is_refused_with_what_there_is(cohort):
    with pytest.raises(ValueError, match=r"`by` must be one of source, .*office_hours, a Codelist, .*got 'month'"):
        EventCounts(by="month").fit(cohort)


@each_builder
def test_a_builder_holds_parameters_never_tables(builder, cohort):
    fitted = clone(builder).fit(cohort)
    assert fitted.__dict__.keys() == builder.__dict__.keys()


def test_codes_in_two_groups_count_in_both(person, seen):
    lists = Codelist({"heart": ["contact:vis"], "any": ["contact:"], "none": ["contact:zzz"]}, name="mine")
    cohort = seen(person(["2024-01-01"]), "2024-01-31")
    X = EventCounts(by=lists, source="emergency").fit_transform(cohort)
    assert X.iloc[0].to_dict() == {"count_heart_365d": 1, "count_any_365d": 1, "count_none_365d": 0}


def test_what_no_source_reports_is_unknown_not_zero(person, seen):
    cohort = seen(person(["2024-01-01"]), "2024-01-31")
    unknown = [EventCounts(["ICD-10:QQQ"]), DistinctCodes(["ICD-10:QQQ"]), StayDays("homecare"), StayCounts("homecare")]
    for builder in unknown:
        assert builder.fit_transform(cohort).isna().all(axis=None)


HEART = Codelist({"heart": ["ICD-10:I", "ATC:C07"]}, name="mine")


@pytest.mark.parametrize(
    ("clinic", "by", "expected"),
    [
        ("ICD-10:J44", "code_system", np.nan),  # the clinic writes ICD-10, but only since December
        ("ICD-10:J44", "code", np.nan),
        ("ICD-10:J44", "unit", np.nan),
        ("ICD-10:J44", HEART, np.nan),
        ("ATC:C07AB02", "unit", 1),  # the clinic writes no ICD-10, and nothing else was asked for
        ("ATC:C07AB02", HEART, 1),
    ],
    ids=str,
)
def test_sources_that_record_the_code_systems_asked_for_must_cover_the_window(seen, clinic, by, expected):
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["male"]})
    rows = [("hospital", "ICD-10:I50"), ("clinic", clinic)]
    events = pd.DataFrame(
        [(source, *code.split(":")) for source, code in rows], columns=["source", "code_system", "code"]
    )
    events = events.assign(person_id=1, time=pd.Timestamp("2024-01-01"), unit=["", "mg"])
    coverage = pd.DataFrame({"source": ["clinic"], "from": pd.to_datetime(["2023-12-01"])})
    cohort = seen(Registers(persons, events, coverage=coverage, extract_date="2025-01-01"), "2024-01-31")
    X = EventCounts(["ICD-10:I"], by=by).fit_transform(cohort)
    np.testing.assert_array_equal(X.to_numpy(), [[expected]])


def test_causes_of_death_that_end_a_year_ago_hide_no_diagnosis_of_the_living(seen):
    persons = pd.DataFrame({"person_id": [1, 2], "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    events = pd.DataFrame(
        {
            "person_id": [1, 2],
            "time": pd.to_datetime(["2023-03-01", "2021-05-01"]),
            "source": ["inpatient", "cause_of_death"],
            "code_system": "ICD-10",
            "code": ["E11.9", "I21.9"],
        }
    )
    coverage = pd.DataFrame({"source": ["cause_of_death"], "to": pd.to_datetime(["2022-01-01"])})
    cohort = seen(Registers(persons, events, coverage=coverage, extract_date="2024-06-01"), "2024-01-01")
    builders = [EventCounts("ICD-10:E11"), ConditionCount(), Charlson("charlson1987")]
    found = {type(builder).__name__: builder.fit_transform(cohort).iloc[0, 0] for builder in builders}
    assert found == {"EventCounts": 1, "ConditionCount": 1, "Charlson": 1}
    asked = EventCounts("ICD-10:E11", source=["inpatient", "cause_of_death"])
    assert asked.fit_transform(cohort).isna().all(axis=None)


def test_other_spellings_of_sex_and_language_are_not_guessed(seen):
    persons = pd.DataFrame(
        {"person_id": [1, 2], "birth_date": pd.Timestamp("1940-01-01"), "sex": ["F", "male"], "language": ["ru", "fi"]}
    )
    events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    registers = Registers(persons, events, extract_date="2024-01-01")
    X = Demographics(("sex", "language")).fit_transform(seen(registers, "2023-01-01"))
    np.testing.assert_array_equal(X.to_numpy(), [[np.nan, 0, 1], [0, 0, 0]])
    assert registers.findings[["column", "fault", "n"]].iloc[0].tolist() == ["sex", "neither 'female' nor 'male'", 1]


def test_values_at_the_latest_time_count_as_their_mean(seen):
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["male"]})
    events = pd.DataFrame(
        {
            "person_id": 1,
            "time": pd.to_datetime(["2023-01-01", "2023-05-01", "2023-05-01", "2023-06-01"]),
            "source": "laboratory",
            "code_system": "lab",
            "code": "Hb",
            "value": [100, 120, 140, np.nan],
        }
    )
    cohort = seen(Registers(persons, events, extract_date="2024-01-01"), "2024-01-01")
    assert LatestValue("lab:Hb").fit_transform(cohort).iloc[0, 0] == 130
    assert DaysSince("lab:Hb").fit_transform(cohort).iloc[0, 0] == 214


def test_demographics_by_hand(seen):
    persons = pd.DataFrame(
        {
            "person_id": [1, 2, 3],
            "birth_date": pd.to_datetime(["1940-01-01", None, "1950-01-01"]),
            "sex": ["female", "male", None],
            "language": ["sv", "fi", "other"],
            "living_alone": [1, 0, np.nan],
        }
    )
    events = pd.DataFrame(
        {"person_id": [1], "time": pd.to_datetime(["2020-01-01"]), "source": "a", "code_system": "x", "code": "y"}
    )
    cohort = seen(Registers(persons, events, extract_date="2024-01-01"), "2020-01-01")
    X = Demographics(("age", "sex", "language", "living_alone", "income")).fit_transform(cohort)
    expected = [[80.0, 1, 1, 0, 1, np.nan], [np.nan, 0, 0, 0, 0, np.nan], [70.0, np.nan, 0, 1, np.nan, np.nan]]
    np.testing.assert_allclose(X.to_numpy(), expected, atol=0.01)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([True, False, None], dtype=object),
        pd.Series([1, 0, None], dtype=object),
        pd.array([True, False, None], dtype="boolean"),
        pd.array([True, False, None], dtype="bool[pyarrow]"),
        [1.0, 0.0, np.nan],
    ],
    ids=["truth values as objects", "numbers as objects", "boolean", "Arrow", "numbers"],
)
def test_living_alone_may_come_in_any_type_of_yes_no_and_unknown(seen, column):
    persons = pd.DataFrame({"person_id": [1, 2, 3], "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    registers = Registers(persons.assign(living_alone=column), events, extract_date="2024-01-01")
    X = Demographics("living_alone").fit_transform(seen(registers, "2020-01-01"))
    np.testing.assert_array_equal(X["living_alone"], [1, 0, np.nan])


def test_a_text_column_has_the_levels_that_are_stated(seen):
    persons = pd.DataFrame(
        {
            "person_id": [1, 2, 3, 4],
            "birth_date": pd.Timestamp("1940-01-01"),
            "sex": "female",
            "education": ["basic", "tertiary", None, "a level nobody stated"],
        }
    )
    events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    cohort = seen(Registers(persons, events, extract_date="2024-01-01"), "2020-01-01")
    builder = Demographics("education", levels={"education": ["secondary", "tertiary"]})
    X = builder.fit_transform(cohort)
    assert X.columns.tolist() == ["education_secondary", "education_tertiary"]
    np.testing.assert_array_equal(X, [[0, 0], [0, 1], [np.nan, np.nan], [0, 0]])
    assert builder.describe(cohort.registers)["label_fi"].tolist() == ["Koulutus: secondary", "Koulutus: tertiary"]
    without = Registers(persons.drop(columns="education"), events, extract_date="2024-01-01")
    assert builder.fit_transform(seen(without, "2020-01-01")).isna().all(axis=None)


def test_names_of_a_plain_list_and_nested_parameters():
    features = FeatureSet([EventCounts(source="emergency"), EventCounts(source="rai"), ("stays", StayDays())])
    assert list(features.named_builders) == ["eventcounts-1", "eventcounts-2", "stays"]
    features.set_params(stays__lookback_days=90, **{"eventcounts-1__skip_days": 30})
    assert features.get_params()["stays__lookback_days"] == 90
    assert features.named_builders["eventcounts-1"].skip_days == 30


def test_a_set_equals_its_builders_one_by_one(cohort):
    features = FeatureSet([(str(number), builder) for number, builder in enumerate(BUILDERS[:2] + BUILDERS[3:-1])])
    apart = pd.concat([builder.fit_transform(cohort) for builder in features.named_builders.values()], axis=1)
    pd.testing.assert_frame_equal(features.fit_transform(cohort), apart, check_exact=True)


def test_default_features_leave_out_sources_that_are_not_there(person, seen):
    registers = person(["2024-01-01"])
    assert list(default_features(registers).named_builders) == ["person", "emergency_gap"]
    with pytest.raises(ValueError, match="`source` must name sources of the registers"):
        default_features().fit(seen(registers, "2024-01-31"))


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (EventCounts(lookback_days=0), "`lookback_days` must be a whole number of days of at least 1 or None; got 0"),
        (EventCounts(lookback_days=[]), "`lookback_days` must hold one or several"),
        (EventCounts(lookback_days=[30, 30]), "`lookback_days` must hold one or several different"),
        (EventCounts(lookback_days=30, skip_days=30), "`lookback_days` must be longer than `skip_days`"),
        (EventCounts(source="hospital"), "`source` must name sources"),
        (EventCounts("my_list"), "`codes` must name a shipped list"),
        (EventCounts(["E11"]), "must be written 'SYSTEM:prefix'"),
        (StayDays(skip_days=1.5), "`skip_days` must be a whole number"),
        (Demographics("area"), "got text 'area'"),
        (Demographics("area", levels={"education": ["basic"]}), "`levels` must list the levels"),
        (Demographics("area", levels={"area": "Vaasa"}), "`levels` must list the levels"),
        (Demographics("area", levels={"area": ["Vaasa", "Vaasa"]}), "`levels` must list the levels"),
        (FeatureSet([("a", Demographics()), ("a", Demographics())]), "must have different names"),
        (FeatureSet([("a", Demographics()), ("b", Demographics())]), "come twice: age, sex_female"),
    ],
)
def test_parameters_out_of_range_are_refused_when_fitting(builder, message, cohort):
    with pytest.raises(ValueError, match=message):
        builder.fit_transform(cohort)


def test_a_matrix_in_place_of_a_cohort_is_refused():
    with pytest.raises(TypeError, match="feature builders take a Cohort"):
        EventCounts().transform(np.zeros((3, 2)))


def test_hash_seed_does_not_change_columns_or_bytes():
    code = (
        "import hashlib, servicenee as sn; r = sn.make_registers(300, random_state=1);"
        "X = sn.default_features(r).fit_transform(sn.Population(70).at(r, ['2022-01-01']));"
        "print(hashlib.sha256(X.to_numpy().tobytes() + repr(list(X)).encode()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 65
