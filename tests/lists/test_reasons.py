"""Reasons are facts against the usual, in the language of the reader, never on a stigmatising topic."""

import numpy as np
import pandas as pd
import pytest

from servicenee.lists import list_rules
from servicenee.lists.reasons import choose_reasons, is_hidden, write_reason

DATE = pd.Timestamp("2024-01-01")


def feature(name, label="Visits", **described):
    visits = {
        "measure": "count",
        "source": "emergency",
        "codes": "contacts",
        "group": "",
        "topic": "acute_use",
    }
    labels = {"label_fi": f"{label} fi", "label_sv": f"{label} sv", "label_en": label}
    return {"feature": name} | visits | described | labels


def table(*features):
    return pd.DataFrame(list(features))


def write_reasons(given, facts, language, records=None):
    """Sentences by person, as a row shows them."""
    chosen = choose_reasons(given, facts, is_hidden(facts), records)
    return {person: [write_reason(reason, language) for reason in own] for person, own in chosen.items()}


def reasons(*facts, person="a"):
    index = pd.MultiIndex.from_tuples([(person, DATE)] * len(facts), names=["person_id", "index_date"])
    rows = [(at, *fact, 1.0 / at) for at, fact in enumerate(facts, start=1)]
    return pd.DataFrame(rows, columns=["order", "feature", "value", "reference", "contribution"], index=index)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("fi", "Visits fi: 4 (yleensä 0)"),
        ("sv", "Visits sv: 4 (vanligen 0)"),
        ("en", "Visits: 4 (usually 0)"),
    ],
)
def test_a_reason_gives_the_value_and_the_usual(language, expected):
    told = write_reasons(reasons(("visits", 4.0, 0.0)), table(feature("visits")), language)
    assert told == {"a": [expected]}


@pytest.mark.parametrize(
    ("measure", "topic", "value", "reference", "expected"),
    [
        ("latest", "function", 2.5, 0.0, "Visits fi: 2,5 (yleensä 0)"),
        ("latest", "measurements", 141.2, 128.9, "Visits fi: 141 (yleensä 129)"),
        ("age", "age", 87.6, 76.1, "Visits fi: 85–94 (yleensä 75–84)"),
        ("living_alone", "background", 1.0, 0.0, "Visits fi: kyllä (yleensä ei)"),
        ("count", "diagnoses", 4.0, 0.0, "Visits fi: 4 kirjausta (yleensä 0)"),
        ("count", "diagnoses", 1.0, 0.0, "Visits fi: 1 kirjaus (yleensä 0)"),
        ("count", "medicines", 3.0, 0.0, "Visits fi: 3 ostoa (yleensä 0)"),
        ("count", "acute_use", 0.0, 2.0, "Visits fi: 0 (yleensä 2)"),
        ("count", "acute_use", 4.0, np.nan, "Visits fi: 4"),
        ("category", "background", "urban", "rural", "Visits fi: urban (yleensä rural)"),
    ],
)
def test_values_are_written_as_people_say_them(measure, topic, value, reference, expected):
    facts = table(feature("x", measure=measure, topic=topic))
    assert write_reasons(reasons(("x", value, reference)), facts, "fi") == {"a": [expected]}


def test_a_missing_value_is_no_reason():
    told = write_reasons(reasons(("cps", np.nan, 0.0)), table(feature("cps", measure="latest")), "fi")
    assert told.get("a", []) == []


def test_an_age_in_the_usual_band_is_no_reason():
    assert write_reasons(reasons(("age", 82.0, 80.0)), table(feature("age", measure="age")), "fi") == {"a": []}


def test_a_fact_equal_to_the_usual_is_no_reason():
    told = write_reasons(reasons(("x", 4.04, 4.0)), table(feature("x", measure="latest")), "fi")
    assert told == {"a": []}


def test_four_reasons_strongest_first_from_different_records():
    facts = table(
        feature("visits_365", label="A"),
        feature("visits_90", label="B"),
        feature("falls", codes="falls_fractures", group="falls_fractures", topic="diagnoses", label="C"),
        feature("age", measure="age", source="", codes="", topic="age", label="D"),
        feature("alone", measure="living_alone", source="", codes="", topic="background", label="E"),
        feature("stays", source="inpatient", codes="", label="F"),
    )
    given = reasons(*[(name, 99.0, 0.0) for name in ("visits_365", "visits_90", "falls", "age", "alone", "stays")])
    told = write_reasons(given, facts, "en")["a"]
    assert [sentence[0] for sentence in told] == ["A", "C", "D", "E"]


def test_a_reason_names_the_date_and_source_of_its_latest_record():
    latest = {"a": (pd.Timestamp("2023-03-05"), "emergency")}
    facts = table(feature("visits"))
    told = {
        language: write_reasons(reasons(("visits", 4.0, 0.0)), facts, language, lambda names: {"visits": latest})["a"]
        for language in ("fi", "sv", "en")
    }
    assert told == {
        "fi": ["Visits fi: 4 (yleensä 0; viimeksi 5.3.2023, päivystys)"],
        "sv": ["Visits sv: 4 (vanligen 0; senast 5.3.2023, jouren)"],
        "en": ["Visits: 4 (usually 0; latest 5 March 2023, emergency care)"],
    }


def test_a_county_opts_in_by_taking_a_row_out_of_the_table():
    facts = table(feature("x", codes="chronic_conditions", group="depression"))
    rules = list_rules("hidden_reasons")
    kept = rules[~rules["value"].isin(["depression", "ICD-10:F", "ICPC-2:P", "ATC:N06"])]
    assert is_hidden(facts, rules.to_dict("records")).tolist() == [True]
    assert is_hidden(facts, kept.to_dict("records")).tolist() == [False]


def test_a_feature_without_a_description_is_not_shown():
    assert write_reasons(reasons(("unheard", 4.0, 0.0)), table(feature("visits")), "fi") == {}


@pytest.mark.parametrize(
    "hidden",
    [
        {"measure": "sex_female", "codes": "", "group": "female"},
        {"measure": "language_sv", "codes": "", "group": "sv"},
        {"measure": "area", "codes": "", "group": ""},
        {"codes": "chronic_conditions", "group": "depression"},
        {"codes": "chronic_conditions", "group": "substance"},
        {"codes": "chronic_conditions", "group": "schizophrenia"},
        {"codes": "chronic_conditions", "group": "dementia"},
        {"codes": "medicine_groups", "group": "antidepressants"},
        {"codes": "rai_scales", "group": "DRS"},
        {"codes": "ICD-10:F10", "group": "ICD-10:F10"},
        {"codes": "ICD-10:E11+ICD-10:F32", "group": "ICD-10:E11+ICD-10:F32"},
        {"codes": "ICD-10:K703", "group": ""},
        {"codes": "ICPC-2:P15", "group": ""},
        {"codes": "county_list", "group": "alcohol"},
    ],
    ids=lambda hidden: f"{hidden.get('measure', hidden['codes'])} {hidden['group']}",
)
def test_protected_and_stigmatising_topics_are_never_shown(hidden):
    facts = table(feature("x", **hidden))
    assert is_hidden(facts).tolist() == [True]
    assert write_reasons(reasons(("x", 4.0, 0.0)), facts, "fi") == {}


@pytest.mark.parametrize(
    "shown",
    [
        {"codes": "chronic_conditions", "group": "diabetes"},
        {"codes": "chronic_conditions", "group": "heart_failure"},
        {"codes": "diagnoses", "group": "diagnoses"},
        {"codes": "medicines", "group": "medicines_medication"},
        {"codes": "rai_scales", "group": "CPS"},
        {"codes": "", "group": "inpatient_unplanned", "measure": "stay_days"},
        {"measure": "age", "codes": "", "group": ""},
    ],
    ids=lambda shown: f"{shown.get('measure', shown['codes'])} {shown['group']}",
)
def test_other_topics_are_shown(shown):
    assert is_hidden(table(feature("x", **shown))).tolist() == [False]
