"""OMOP CDM tables to registers: the published counts of GiBleed, rules on tables written by hand, traps."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from servicenee import (
    Cohort,
    DaysSince,
    Demographics,
    DistinctCodes,
    EventCounts,
    FeatureSet,
    NeedClassifier,
    Outcome,
    Population,
    Registers,
    StayCounts,
    read_omop,
)
from servicenee.exceptions import RegisterError
from servicenee.registers import concept_codelist, concept_names

GIBLEED = Path(__file__).parents[1] / "data" / "omop_gibleed"
PUBLISHED = {"celecoxib": 1118084, "diclofenac": 1124300, "gi_bleed": 192671}  # persons: 1,844, 850, 479 (OHDSI)
MARKER = "MARKER99"


@pytest.fixture(scope="module")
def gibleed() -> Registers:
    return read_omop(GIBLEED)


def _persons_with(registers: Registers, folder: Path, **options) -> list[int]:
    codes = concept_codelist(folder, PUBLISHED, name="published", **options)
    everybody = {"person_id": registers.persons["person_id"], "index_date": registers.extract_date}
    cohort = Cohort.from_frame(registers, pd.DataFrame(everybody))
    return (EventCounts(by=codes, lookback_days=None).fit_transform(cohort) > 0).sum().tolist()


# --- GiBleed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("descendants", [True, False])
def test_gibleed_gives_the_counts_that_ohdsi_publishes(gibleed, descendants):
    assert _persons_with(gibleed, GIBLEED, descendants=descendants) == [1_844, 850, 479]


def _copy(target: Path, *left_out: str) -> Path:
    target.mkdir()
    for file in GIBLEED.glob("*.parquet"):
        if file.stem not in left_out:
            shutil.copy(file, target)
    return target


def test_without_a_concept_table_codes_are_concept_ids_and_the_counts_hold(tmp_path):
    folder = _copy(tmp_path / "cdm", "concept")
    registers = read_omop(folder)
    assert set(registers.event_columns.kinds["code_system"]) == {"OMOP"}
    assert _persons_with(registers, folder) == [1_844, 850, 479]


def test_eras_are_read_where_occurrences_are_absent_and_the_counts_hold(tmp_path):
    folder = _copy(tmp_path / "cdm", "condition_occurrence", "drug_exposure", "visit_occurrence")
    registers = read_omop(folder)
    assert _persons_with(registers, folder) == [1_844, 850, 479]
    assert len(registers.stay_columns) == 0
    zero = registers.findings.set_index("fault").loc["concept 0 or none"]
    assert (zero["table"], zero["column"], zero["n"]) == ("condition_era.parquet", "condition_concept_id", 443)


def test_no_row_of_gibleed_is_lost_in_silence(gibleed):
    tables = ["condition_occurrence", "drug_exposure", "measurement", "observation", "procedure_occurrence"]
    n_in = sum(len(pd.read_parquet(GIBLEED / f"{table}.parquet", columns=["person_id"])) for table in tables)
    assert set(gibleed.findings["fault"]) == {"not in person", "before birth_date", "exact duplicate"}
    gone = gibleed.findings.set_index("table").loc["events", "n"].sum()
    assert len(gibleed.event_columns) + gone == n_in
    assert len(gibleed.stay_columns) == 1_037


def test_observation_periods_of_persons_who_are_not_there_are_counted(gibleed):
    finding = gibleed.findings.iloc[0]
    assert (finding["table"], finding["n"], finding["n_rows"]) == ("observation_period.parquet", 2_649, 5_343)
    assert len(gibleed.persons) == 2_694
    assert gibleed.extract_date == pd.Timestamp("2019-07-04")


def test_csv_in_upper_case_with_tabs_gives_the_same_registers(tmp_path, gibleed):
    for file in GIBLEED.glob("*.parquet"):
        table = pd.read_parquet(file)
        table.columns = [name.upper() for name in table.columns]
        table.to_csv(tmp_path / f"{file.stem.upper()}.CSV", sep="\t", index=False)
    again = read_omop(tmp_path)
    pd.testing.assert_frame_equal(again.events, gibleed.events)
    pd.testing.assert_frame_equal(again.stays, gibleed.stays)
    pd.testing.assert_frame_equal(again.persons, gibleed.persons)


def test_from_gibleed_to_risks_of_persons_65_and_older(gibleed):
    # There is little to learn in these synthetic persons (AUC about 0.56): the test is that the line holds and that
    # the level is right a period later, not that the risks are sharp.
    population = Population(min_age=65)
    training = population.at(gibleed, ["2010-01-01", "2012-01-01", "2014-01-01"])
    later = population.at(gibleed, "2016-01-01")
    outcome = Outcome(["SNOMED:"], source="condition", label_type="need")
    features = FeatureSet(
        [
            Demographics(columns=("age", "sex")),
            EventCounts(by="source", source=["condition", "drug", "procedure"], lookback_days=[365, 1825]),
            DistinctCodes(source="drug", lookback_days=1825),
            DaysSince(source="condition", lookback_days=1825),
            StayCounts("inpatient", lookback_days=1825),
        ]
    )
    model = NeedClassifier(random_state=0).fit(features.fit_transform(training), outcome.label(training))
    risk = model.predict_proba(features.transform(later))[:, 1]
    status = outcome.label(later)["status"].to_numpy()
    assert len(risk) == len(later) > 500
    assert np.isfinite(risk).all()
    assert 0.85 < np.isin(status, [1]).sum() / risk.sum() < 1.15
    assert risk[status == 1].mean() > risk[status == 0].mean()


# --- tables written by hand ------------------------------------------------------------------------------------------


def cdm(folder: Path, **tables: str) -> Path:
    """Write tables as CSV; person and observation_period have something in them by default."""
    given = {
        "person": (
            "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth\n1,8532,1940,5,1\n2,8507,1930,2,28\n"
        ),
        "observation_period": (
            "person_id,observation_period_start_date,observation_period_end_date\n"
            "1,2010-01-01,2020-12-31\n2,2012-01-01,2019-06-30\n"
        ),
    }
    for name, text in (given | tables).items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


VISITS = "person_id,visit_concept_id,visit_start_date,visit_end_date\n"


@pytest.mark.parametrize(
    ("concept", "contacts", "stays"),
    [
        (9201, [], [("inpatient", "inpatient")]),
        (262, [("emergency", "contact", "visit")], [("inpatient", "inpatient_unplanned")]),
        (9203, [("emergency", "contact", "visit")], []),
        (9202, [("outpatient", "contact", "visit")], []),
        (5083, [("outpatient", "contact", "remote")], []),
        (581476, [("home_care", "contact", "home_visit")], []),
        (42898160, [], [("round_the_clock_care", "round_the_clock")]),
        (581478, [("visit", "OMOP", "581478")], []),
        (0, [("visit", "OMOP", "0")], []),
    ],
    ids=[
        "inpatient",
        "emergency and inpatient",
        "emergency",
        "outpatient",
        "remote",
        "home",
        "institution",
        "other",
        "none",
    ],
)
def test_a_visit_becomes_a_contact_or_a_stay(tmp_path, concept, contacts, stays):
    registers = read_omop(cdm(tmp_path, visit_occurrence=f"{VISITS}1,{concept},2015-03-01,2015-03-04\n"))
    assert registers.events[["source", "code_system", "code"]].apply(tuple, axis=1).tolist() == contacts
    assert registers.stays[["source", "kind"]].apply(tuple, axis=1).tolist() == stays


def test_visits_that_are_neither_contact_nor_stay_are_counted(tmp_path):
    registers = read_omop(
        cdm(tmp_path, visit_occurrence=f"{VISITS}1,581478,2015-03-01,2015-03-01\n1,,2015-03-02,2015-03-02\n")
    )
    rules = registers.findings.set_index("fault")["n"].to_dict()
    assert rules == {"visit type that is neither a contact nor a stay here": 2, "concept 0 or none": 1}


@pytest.mark.parametrize(
    ("start", "end", "nights"),
    [
        ("2015-03-01", "2015-03-04", 3),
        ("2015-03-01", "2015-03-01", 0),
        ("2015-03-04", "2015-03-02", 2),
        ("2015-03-14", "2015-03-02", 0),
    ],
    ids=["three nights", "one day", "swapped", "end long before start"],
)
def test_length_of_an_inpatient_visit(tmp_path, start, end, nights):
    registers = read_omop(cdm(tmp_path, visit_occurrence=f"{VISITS}1,9201,{start},{end}\n"))
    stay = registers.stays.iloc[0]
    assert (stay["end"] - stay["start"]).days == nights


def test_a_midnight_end_does_not_change_the_length(tmp_path):
    visits = (
        "person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,visit_end_datetime\n"
        "1,9201,2015-03-01,2015-03-01 22:30:00,2015-03-04,2015-03-04 00:00:00\n"
    )
    stay = read_omop(cdm(tmp_path, visit_occurrence=visits)).stays.iloc[0]
    assert (stay["start"], stay["end"]) == (pd.Timestamp("2015-03-01"), pd.Timestamp("2015-03-04"))


def test_a_visit_without_an_end_is_open(tmp_path):
    registers = read_omop(cdm(tmp_path, visit_occurrence=f"{VISITS}1,9201,2015-03-01,\n2,9201,2015-03-01,2099-12-31\n"))
    assert registers.stays["end"].isna().all()


@pytest.mark.parametrize(
    ("row", "born"),
    [
        ("1,8532,1940,5,9,1940-05-09T03:00:00", "1940-05-09"),
        ("1,8532,1940,5,9,", "1940-05-09"),
        ("1,8532,1940,5,,", "1940-05-15"),
        ("1,8532,1940,,,", "1940-07-01"),
        ("1,8532,1941,2,31,", "1941-02-28"),
    ],
    ids=["time of birth", "date", "no day", "no month", "no such day"],
)
def test_birth_date(tmp_path, row, born):
    header = "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,birth_datetime\n"
    registers = read_omop(cdm(tmp_path, person=f"{header}{row}\n2,8507,1930,1,1,\n"))
    assert registers.persons["birth_date"][0] == pd.Timestamp(born)


def test_sex_is_male_female_or_missing_and_counted(tmp_path):
    person = "person_id,gender_concept_id,year_of_birth\n1,8532,1940\n2,8507,1940\n3,8521,1940\n4,,1940\n"
    registers = read_omop(cdm(tmp_path, person=person))
    assert registers.persons["sex"].fillna("?").tolist() == ["female", "male", "?", "?"]
    assert registers.findings.set_index("column").loc["gender_concept_id", "n"] == 2


def test_several_observation_periods_are_one_from_first_to_last_and_gaps_are_counted(tmp_path):
    periods = (
        "person_id,observation_period_start_date,observation_period_end_date\n"
        "1,2015-01-01,2020-12-31\n1,2010-01-01,2012-12-31\n2,2010-01-01,2012-12-31\n2,2013-01-01,2013-12-31\n"
    )
    registers = read_omop(cdm(tmp_path, observation_period=periods))
    persons = registers.persons
    assert persons["registered_from"].tolist() == [pd.Timestamp("2010-01-01"), pd.Timestamp("2010-01-01")]
    assert persons["registered_to"].tolist() == [pd.Timestamp("2021-01-01"), pd.Timestamp("2014-01-01")]
    gap = registers.findings.iloc[0]
    assert (gap["n"], gap["first_rows"], gap["action"]) == (1, "0", "days between the periods count as observed")


def test_a_person_without_an_observation_period_is_never_in_a_cohort(tmp_path):
    periods = "person_id,observation_period_start_date,observation_period_end_date\n1,2010-01-01,2020-12-31\n"
    registers = read_omop(cdm(tmp_path, observation_period=periods))
    cohort = Population(65, min_history_days=0).at(registers, ["1970-01-01", "2015-01-01", "2020-01-01"])
    assert set(cohort.frame["person_id"]) == {1}
    assert "person without an observation period" in set(registers.findings["fault"])


def test_a_period_that_ends_before_it_starts_is_set_aside_and_counted(tmp_path):
    periods = (
        "person_id,observation_period_start_date,observation_period_end_date\n"
        "1,2010-01-01,2020-12-31\n1,2009-01-01,2008-12-31\n2,2010-01-01,2099-12-31\n"
    )
    registers = read_omop(cdm(tmp_path, observation_period=periods))
    assert registers.persons["registered_from"][0] == pd.Timestamp("2010-01-01")
    assert pd.isna(registers.persons["registered_to"][1])
    assert "set aside" in set(registers.findings["action"])


def test_the_earliest_death_counts(tmp_path):
    death = "person_id,death_date\n1,2020-05-05\n1,2020-05-03\n7,2020-01-01\n"
    registers = read_omop(cdm(tmp_path, death=death))
    assert registers.persons["death_date"][0] == pd.Timestamp("2020-05-03")
    assert set(registers.findings["fault"]) == {"not in person", "another death of the person"}


CONDITIONS = "person_id,condition_concept_id,condition_start_date\n"


def test_a_prefix_of_a_concept_id_is_not_the_concept(tmp_path):
    rows = "1,192671,2015-01-01\n1,1926711,2015-01-02\n1,19267,2015-01-03\n"
    registers = read_omop(cdm(tmp_path, condition_occurrence=CONDITIONS + rows))
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": ["2016-01-01"]}))
    codes = concept_codelist(tmp_path, {"bleed": 192671}, name="bleed", descendants=False)
    for listed, n in ((codes, 1), (["OMOP:=192671"], 1), (["OMOP:192671"], 2), (["OMOP:19267"], 3)):
        assert EventCounts(listed, lookback_days=730).fit_transform(cohort).iloc[0, 0] == n


def test_codes_are_those_of_the_concept_table_where_it_has_them(tmp_path):
    header = "concept_id\tconcept_name\tvocabulary_id\tconcept_code\n"
    concept = f'{header}192671\ta "quoted name\tSNOMED\t74474003\n0\tNone\tNone\tx\n'
    rows = "1,192671,2015-01-01\n1,2000000001,2015-01-02\n1,0,2015-01-03\n1,,2015-01-04\n"
    registers = read_omop(cdm(tmp_path, condition_occurrence=CONDITIONS + rows, concept=concept))
    events = registers.events
    assert (events["code_system"] + " " + events["code"]).tolist() == [
        "SNOMED 74474003",
        "OMOP 2000000001",
        "OMOP 0",
        "OMOP 0",
    ]
    counted = registers.findings.set_index("fault")["n"].to_dict()
    assert counted == {"concept 0 or none": 2, "not in concept": 1}


def test_measurements_carry_value_unit_and_time_of_day(tmp_path):
    measurement = (
        "person_id,measurement_concept_id,measurement_date,measurement_datetime,value_as_number,unit_concept_id\n"
        "1,3004410,2015-01-01,2015-01-01 07:30:00,48.5,8840\n"
        "1,3004410,2015-01-02,2015-01-09 07:30:00,49,0\n"
        "1,3004410,2015-01-03,,,\n"
    )
    concept = "concept_id,vocabulary_id,concept_code\n3004410,LOINC,4548-4\n8840,UCUM,mg/dL\n"
    registers = read_omop(cdm(tmp_path, measurement=measurement, concept=concept))
    events = registers.events
    assert events["time"].tolist() == [
        pd.Timestamp("2015-01-01 07:30"),
        pd.Timestamp("2015-01-02"),
        pd.Timestamp("2015-01-03"),
    ]
    assert events["value"].fillna(-1).tolist() == [48.5, 49.0, -1.0]
    assert events["unit"].fillna("").tolist() == ["mg/dL", "", ""]
    assert registers.findings["fault"].tolist() == ["another day than the date column"]


def test_drug_exposures_carry_days_of_supply(tmp_path):
    drugs = "person_id,drug_concept_id,drug_exposure_start_date,days_supply\n1,1118084,2015-01-01,30\n"
    event = read_omop(cdm(tmp_path, drug_exposure=drugs)).events.iloc[0]
    assert (event["source"], event["value"], event["unit"]) == ("drug", 30.0, "d")


def test_a_cdm_of_persons_and_periods_alone_can_be_read(tmp_path):
    registers = read_omop(cdm(tmp_path))
    assert (len(registers.persons), len(registers.events), len(registers.stays)) == (2, 0, 0)
    assert registers.extract_date == pd.Timestamp("2021-01-01")


def test_text_ids_stay_text(tmp_path):
    tables = {
        "person": "person_id,gender_concept_id,year_of_birth\na1,8532,1940\n",
        "observation_period": (
            "person_id,observation_period_start_date,observation_period_end_date\na1,2010-01-01,2020-12-31\n"
        ),
        "visit_occurrence": f"{VISITS}a1,9203,2015-03-01,2015-03-01\na1,9201,2015-03-01,2015-03-05\n",
    }
    registers = read_omop(cdm(tmp_path, **tables))
    assert registers.events["person_id"].tolist() == registers.stays["person_id"].tolist() == ["a1"]


def test_all_that_is_missing_is_told_at_once(tmp_path):
    tables = {
        "person": f"person_id,year\n{MARKER},1940\n",
        "visit_occurrence": f"person_id,visit_start_date\n{MARKER},2015-01-01\n",
        "measurement": f"person_id,measurement_concept_id\n{MARKER},1\n",
    }
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(RegisterError) as error:
        read_omop(tmp_path)
    for told in (
        "observation_period: there is no file",
        "person.csv, gender_concept_id",
        "person.csv, year_of_birth",
        "visit_occurrence.csv, visit_concept_id",
        "visit_occurrence.csv, visit_end_date",
        "measurement.csv, measurement_date",
    ):
        assert told in str(error.value)
    assert MARKER not in str(error.value)


def test_dates_that_are_not_iso_are_refused_by_file_and_column(tmp_path):
    rows = f"1,{MARKER},01.02.2015\n1,1,02.02.2015\n"
    with pytest.raises(RegisterError) as error:
        read_omop(cdm(tmp_path, condition_occurrence=CONDITIONS + rows))
    assert "condition_occurrence.csv, condition_start_date: not dates such as" in str(error.value)
    assert "condition_occurrence.csv, condition_concept_id: not numbers" in str(error.value)
    assert MARKER not in str(error.value)


def test_descendants_need_the_table_of_ancestors(tmp_path):
    with pytest.raises(RegisterError, match=r"concept_ancestor: there is no file .* or use descendants=False"):
        concept_codelist(cdm(tmp_path), {"bleed": 192671}, name="bleed")


# --- custom concepts, CDM 5.4, names ---------------------------------------------------------------------------------

HOME_CARE, DAY_CENTRE = 2_000_000_001, 2_000_000_002
OURS = pd.DataFrame(
    {
        "concept_id": [HOME_CARE, DAY_CENTRE],
        "table": ["stays", "events"],
        "source": ["home_care", "day_centre"],
        "kind": ["home_care", "visit"],
    }
)


def test_custom_concepts_of_social_care_become_stays_and_contacts_wherever_they_stand(tmp_path):
    tables = {
        "visit_occurrence": f"{VISITS}1,{HOME_CARE},2015-03-01,2015-09-01\n1,{DAY_CENTRE},2015-03-02,2015-03-02\n",
        "observation": (
            f"person_id,observation_concept_id,observation_date\n2,{DAY_CENTRE},2015-04-01\n2,9,2015-04-02\n"
        ),
        "episode": (
            "person_id,episode_concept_id,episode_start_date,episode_end_date\n"
            f"2,{HOME_CARE},2015-05-01,\n2,32531,2015-05-02,2015-05-09\n"
        ),
    }
    registers = read_omop(cdm(tmp_path, **tables), custom_concepts=OURS)
    stays = registers.stays[["person_id", "source", "kind", "end"]].to_numpy().tolist()
    assert stays == [[1, "home_care", "home_care", pd.Timestamp("2015-09-01")], [2, "home_care", "home_care", pd.NaT]]
    events = registers.events[["person_id", "source", "code_system", "code"]].to_numpy().tolist()
    assert events == [
        [1, "day_centre", "contact", "visit"],
        [2, "day_centre", "contact", "visit"],
        [2, "observation", "OMOP", "9"],
        [2, "episode", "OMOP", "32531"],
    ]
    assert registers.findings["fault"].tolist() == ["episode type that is neither a contact nor a stay here"]


def test_a_standard_concept_may_be_given_another_meaning(tmp_path):
    ours = pd.DataFrame({"concept_id": [9202], "table": ["stays"], "source": ["day_surgery"], "kind": ["day_surgery"]})
    folder = cdm(tmp_path, visit_occurrence=f"{VISITS}1,9202,2015-03-01,2015-03-01\n")
    registers = read_omop(folder, custom_concepts=ours)
    assert registers.stays["kind"].tolist() == ["day_surgery"]
    assert len(registers.events) == 0


@pytest.mark.parametrize("change", [{"table": "visits"}, {"kind": None}], ids=["table", "missing"])
def test_custom_concepts_must_be_complete(tmp_path, change):
    with pytest.raises(ValueError, match="`custom_concepts` must be a table with concept_id"):
        read_omop(cdm(tmp_path), custom_concepts=OURS.assign(**change))
    with pytest.raises(ValueError, match="`custom_concepts` must be a table with concept_id"):
        read_omop(cdm(tmp_path), custom_concepts=OURS.drop(columns="source"))


def test_devices_are_events_of_their_own_source(tmp_path):
    devices = "person_id,device_concept_id,device_exposure_start_date\n1,4138614,2015-03-01\n"
    assert read_omop(cdm(tmp_path, device_exposure=devices)).events["source"].tolist() == ["device"]


CONCEPTS = (
    "concept_id,concept_name,vocabulary_id,concept_code,standard_concept\n"
    "192671,Gastrointestinal hemorrhage,SNOMED,74474003,S\n"
    "1,Fall,SNOMED,1912002,S\n2,Fall,Nebraska,9,S\n3,Fracture,ICD10,S72,\n"
)


def test_concepts_may_be_given_by_name(tmp_path):
    folder = cdm(tmp_path, concept=CONCEPTS)
    listed = concept_codelist(folder, {"bleed": "Gastrointestinal hemorrhage"}, name="bleed", descendants=False)
    assert listed.frame()[["code_system", "prefix"]].to_numpy().tolist() == [["SNOMED", "=74474003"]]


@pytest.mark.parametrize(
    ("name", "told"),
    [("Fall", "2 standard concepts are called 'Fall'"), ("Fracture", "0 standard concepts"), ("Flu", "0 standard")],
    ids=["two", "not standard", "none"],
)
def test_a_name_that_is_not_of_one_standard_concept_is_refused(tmp_path, name, told):
    with pytest.raises(RegisterError, match=told):
        concept_codelist(cdm(tmp_path, concept=CONCEPTS), {"a": name}, name="a", descendants=False)
    with pytest.raises(RegisterError, match="concept: there is no file"):
        concept_codelist(GIBLEED.parent, {"a": name}, name="a", descendants=False)


def test_names_of_the_codes_that_occur(tmp_path):
    rows = "1,192671,2015-01-01\n1,2000000009,2015-01-02\n"
    folder = cdm(tmp_path, condition_occurrence=CONDITIONS + rows, concept=CONCEPTS)
    registers = read_omop(folder)
    assert concept_names(folder, registers).to_numpy().tolist() == [
        ["SNOMED", "74474003", "Gastrointestinal hemorrhage"]
    ]


def test_concept_ids_as_text_in_parquet_are_read_and_what_is_none_is_counted(tmp_path):
    folder = cdm(tmp_path, condition_occurrence=CONDITIONS + "1,192671,2015-01-01\n")
    concept = pd.DataFrame(
        {"concept_id": ["192671", "none"], "vocabulary_id": "SNOMED", "concept_code": ["74474003", "x"]}
    )
    concept.to_parquet(folder / "concept.parquet")
    assert read_omop(folder).events["code_system"].tolist() == ["SNOMED"]


def test_a_broken_line_is_counted_once_though_the_file_is_opened_for_its_concepts_too(tmp_path):
    rows = "".join(f"1,192671,2015-01-{day:02}\n" for day in range(1, 29))
    folder = cdm(tmp_path, condition_occurrence=f"{CONDITIONS}{rows}1,192671\n", concept=CONCEPTS)
    registers = read_omop(folder, tolerance=0.1)
    assert registers.findings["fault"].tolist() == ["number of fields differs from the header"]
    account = registers.account.set_index("table").loc["condition_occurrence.csv"]
    assert account.tolist() == [29, 28, 0, 1]
