"""One spelling of codes, and lists that match what they should."""

import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee.blueprint import from_plain, to_plain
from servicenee.codes import Codelist, as_codelist, load_codelist, normalise_code, shipped_codelists


@pytest.mark.parametrize(
    ("system", "written", "read"),
    [
        ("ICD-10", "e11.9", "E119"),
        ("ICD-10", " E11,9 ", "E119"),
        ("ATC", "a10ba02", "A10BA02"),
        ("ICPC-2", "t90", "T90"),
        ("lab", " HbA1c ", "HbA1c"),
        ("contact", "home_visit", "home_visit"),
    ],
)
def test_codes_have_one_spelling(system, written, read):
    assert normalise_code(system, written) == read


def test_prefixes_match_within_their_code_system_only():
    diabetes = Codelist({"diabetes": ["ICD-10:E1"]}, name="diabetes")
    assert diabetes.matches(["ICD-10", "ICD-10", "ATC"], ["E119", "F00", "E11"]).tolist() == [[True, False, False]]


@pytest.mark.parametrize("name", shipped_codelists())
def test_shipped_lists_have_labels_in_three_languages_and_no_repeats(name):
    codelist = load_codelist(name)
    frame = codelist.frame()
    assert not frame.duplicated(["group", "code_system", "prefix"]).any()
    for group in codelist.groups:
        labels = codelist.labels[group]
        assert set(labels) == {"fi", "sv", "en"}
        assert all(label.strip() == label and label for label in labels.values())


def test_chronic_conditions_hold_what_a_clinician_expects():
    conditions = load_codelist("chronic_conditions")
    found = dict(
        zip(
            conditions.groups,
            conditions.matches(
                ["ICD-10", "ICD-10", "ICD-10", "ICPC-2", "ICD-10"], ["F001", "G309", "E1190", "T90", "I500"]
            ).tolist(),
            strict=True,
        )
    )
    assert found["dementia"] == [True, True, False, False, False]
    assert found["diabetes"] == [False, False, True, True, False]
    assert found["heart_failure"] == [False, False, False, False, True]


def test_no_rubric_for_all_other_diseases_establishes_a_condition():
    """ICPC-2 ends each chapter with a rubric for what has none of its own: T99 may be lack of vitamin D.

    U99 alone stays, which Finnish primary care writes for chronic kidney disease, of whatever stage. Two visits for a
    cystitis (U71) or for bad sleep (P06) are no chronic infection and no sleep apnoea.
    """
    rows = load_codelist("chronic_conditions").frame()
    rows = rows[rows["code_system"] == "ICPC-2"]
    assert set(rows.loc[rows["prefix"].str.endswith("99"), "prefix"]) - {"U99"} == set()
    assert not rows["prefix"].duplicated().any()
    assert not rows["prefix"].isin(["P06", "U70", "U71"]).any()


@pytest.mark.parametrize("bad", ["E11", ["ICD-10"], [], 3, [3]])
def test_what_is_not_a_code_list_is_refused(bad):
    with pytest.raises((ValueError, TypeError), match=r"SYSTEM:prefix|shipped"):
        as_codelist(bad)


PREFIXES = st.text("AB1", min_size=0, max_size=3)
MARKED = st.tuples(st.sampled_from(["", "", "="]), PREFIXES).map("".join)
LISTS = st.lists(MARKED, min_size=1, max_size=4)
CODES = ["".join(letters) for n in range(5) for letters in itertools.product("AB1", repeat=n)]


def codelist(prefixes, name):
    return Codelist({"g": [f"x:{prefix}" for prefix in prefixes]}, name=name)


def held(codes):
    return codes.matches(["x"] * len(CODES), CODES).any(axis=0)


@settings(max_examples=150)
@given(LISTS, LISTS, LISTS, LISTS)
def test_unions_and_differences_hold_the_codes_that_sets_would(first, second, third, fourth):
    a, b, c, d = (
        codelist(prefixes, name) for prefixes, name in zip((first, second, third, fourth), "abcd", strict=True)
    )
    assert (held(a | b) == (held(a) | held(b))).all()
    assert (held(a - b) == (held(a) & ~held(b))).all()
    assert (held((a - b) | c) == ((held(a) & ~held(b)) | held(c))).all()
    assert (held((a - b) | (c - d)) == ((held(a) & ~held(b)) | (held(c) & ~held(d)))).all()
    assert (held((a - b) - (c - d)) == (held(a) & ~held(b) & ~(held(c) & ~held(d)))).all()


def test_a_union_keeps_names_labels_and_sources():
    conditions, falls = load_codelist("chronic_conditions").keep("dementia"), load_codelist("falls_fractures")
    both = conditions | falls
    assert both.name == "chronic_conditions+falls_fractures"
    assert list(both.groups) == ["dementia", "falls_fractures"]
    assert both.labels["falls_fractures"]["sv"] == "Fall och frakturer"
    assert (both.frame()["source"] != "").all()
    assert "dementia" in both._repr_html_()


def test_a_list_without_some_codes_survives_being_saved():
    cancer = Codelist({"cancer": ["ICD-10:C"]}, name="cancer") - Codelist({"skin": ["ICD-10:C44"]}, name="skin")
    again = from_plain(to_plain(cancer))
    assert again == cancer
    assert again.matches(["ICD-10"] * 2, ["C443", "C509"]).tolist() == [[False, True]]


@pytest.mark.parametrize("name", shipped_codelists())
def test_every_shipped_row_names_its_source_and_version(name):
    frame = load_codelist(name).frame()
    assert (frame[["source", "version"]] != "").all().all()
    dates = frame[["valid_from", "valid_to"]].to_numpy().ravel()
    assert all(not date or pd.Timestamp(date) for date in dates)


def test_entitlements_stand_for_their_condition_exactly():
    conditions = load_codelist("chronic_conditions")
    codes = ["205", "215", "307", "1151", "115"]
    found = conditions.matches(["Kela"] * len(codes), codes)
    names = list(conditions.groups)
    assert [[names[row] for row in column.nonzero()[0]] for column in found.T] == [
        ["hypertension"],
        ["diabetes"],
        ["dementia"],
        [],
        ["solid_cancer"],
    ]


@pytest.mark.parametrize("name", ["laboratory", "rai_scales", "social_services", "contact_forms"])
def test_a_measurement_is_not_taken_for_another_whose_name_begins_alike(name):
    codelist = load_codelist(name)
    codes = [code.lstrip("=") for code in codelist.frame()["prefix"]]
    found = codelist.matches(codelist.frame()["code_system"], codes)
    assert found.sum(axis=0).tolist() == [1] * len(codes)
