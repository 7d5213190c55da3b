"""One spelling of codes, and lists that match what they should."""

import pytest

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
    assert not frame.duplicated().any()
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


@pytest.mark.parametrize("bad", ["E11", ["ICD-10"], [], 3, [3]])
def test_what_is_not_a_code_list_is_refused(bad):
    with pytest.raises((ValueError, TypeError), match=r"SYSTEM:prefix|shipped"):
        as_codelist(bad)
