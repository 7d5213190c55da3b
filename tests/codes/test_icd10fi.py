"""Finnish entries are taken apart, both parts kept; spellings of every code system are one."""

import pandas as pd
import pytest

from servicenee.codes import atc_level, normalise_code, split_icd10, split_kinds, suggest_icd10

ICD, ATC = "ICD-10", "ATC"


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("E11.3+H36.09", [(ICD, "E113", "cause"), (ICD, "H3609", "manifestation")]),
        ("F00.10*G30.1", [(ICD, "F0010", "manifestation"), (ICD, "G301", "cause")]),
        ("N08.39*E11.2", [(ICD, "N0839", "manifestation"), (ICD, "E112", "cause")]),
        ("C61&", [(ICD, "C61", "diagnosis")]),
        ("D59.0#", [(ICD, "D590", "diagnosis")]),
        ("E11.2+", [(ICD, "E112", "diagnosis")]),
        ("T88.7#C07AB02", [(ICD, "T887", "diagnosis"), (ATC, "C07AB02", "medicine")]),
        ("C07AB02#T88.7", [(ATC, "C07AB02", "medicine"), (ICD, "T887", "diagnosis")]),
        ("I95.2&C03CA01", [(ICD, "I952", "diagnosis"), (ATC, "C03CA01", "medicine")]),
        ("C10AX09", [(ATC, "C10AX09", "medicine")]),  # lowers lipids
        ("C10", [(ICD, "C10", "diagnosis")]),  # cancer of the throat
        ("T88.7#n02", [(ICD, "T887", "diagnosis"), (ATC, "N02", "medicine")]),
        ("T88.7#L27.0", [(ICD, "T887", "diagnosis"), (ICD, "L270", "diagnosis")]),
        ("T88.7#PENISILLIINI", [(ICD, "T887", "diagnosis")]),
        ("C50.9&C77.3", [(ICD, "C509", "diagnosis"), (ICD, "C773", "additional")]),
        ("A17.0+G01*B90.0", [(ICD, "A170", "cause"), (ICD, "G01", "manifestation"), (ICD, "B900", "diagnosis")]),
        ("E11.2+E11.2", [(ICD, "E112", "diagnosis")]),
        ("e11,9 ", [(ICD, "E119", "diagnosis")]),
        (" E11.9", [(ICD, "E119", "diagnosis")]),
        ("-1", []),
        ("-2", []),
        ("-", []),
        ("____", []),
        ("", []),
        ("E10-E14", []),
        ("E10–E14", []),
        ("A00.0 - A09.9", []),
        ("I20-25", []),
        ("ZA0.0", []),
    ],
)  # fmt: skip
def test_a_finnish_entry_keeps_every_code_with_its_role(entry, parts):
    assert [tuple(part) for part in split_icd10(entry)] == parts


def test_kinds_are_split_and_nothing_but_blocks_and_pseudo_codes_vanishes():
    rows = [
        ("ICD-10", "F00.10*G30.1", "inpatient"),
        ("ICD-10", "-1", "inpatient"),
        ("ICD-10", "E10-E14", "inpatient"),
        ("ATC", "a10 ba02", "medication"),
        ("ICD-10", "T88.7#C07AB02", "emergency"),
        ("contact", "visit", "emergency"),
        ("ATC", "e0000uv", "medication"),
    ]
    kinds = pd.DataFrame(rows, columns=["code_system", "code", "source"])
    split = split_kinds(kinds)
    assert split.columns.tolist() == ["row", "code_system", "code"]
    assert split.to_numpy().tolist() == [
        [0, "ICD-10", "F0010"],
        [0, "ICD-10", "G301"],
        [1, "ICD-10", ""],
        [3, "ATC", "A10BA02"],
        [4, "ICD-10", "T887"],
        [4, "ATC", "C07AB02"],
        [5, "contact", "visit"],
    ]
    assert split_kinds(kinds.iloc[:0]).to_dict("list") == {"row": [], "code_system": [], "code": []}


def test_splitting_what_is_split_changes_nothing():
    once = split_kinds(pd.DataFrame({"code_system": "ICD-10", "code": ["E11.3+H36.09", "i10"]}))
    again = split_kinds(once)
    assert again[["code_system", "code"]].equals(once[["code_system", "code"]])


@pytest.mark.parametrize(
    ("code", "suggested"),
    [
        ("E1O.9", "E109"),
        ("EO3", "E03"),
        ("E10.9", None),
        ("O80.0", None),
        ("OO0.1", "O001"),
        ("XYZ", None),
        ("-1", None),
    ],
)
def test_a_letter_o_for_a_zero_is_only_suggested(code, suggested):
    assert suggest_icd10(code) == suggested
    if suggested is not None:
        assert [part.code for part in split_icd10(code)] == [normalise_code("ICD-10", code)]


@pytest.mark.parametrize(
    ("system", "written", "read"),
    [
        ("ICPC-2", "t90", "T90"),
        ("ICPC-2", "*31", "-31"),
        ("ICPC-2", "–31", "-31"),
        ("ICPC-2", "-1", ""),
        ("ATC", "a10 ba02", "A10BA02"),
        ("ATC", "____", ""),
        ("SPAT", "1217", "SPAT1217"),
        ("SPAT", "spat 1217", "SPAT1217"),
        ("Kela", "205.0", "205"),
        ("Kela", "0205", "205"),
        ("Kela", " 205 ", "205"),
        ("service", "Needs assessment", "needs_assessment"),
        ("service", "needs-assessment", "needs_assessment"),
        ("service", "t40", "T40"),
        ("lab", "-1", "-1"),
    ],
)
def test_every_code_system_has_one_spelling(system, written, read):
    assert normalise_code(system, written) == read
    assert normalise_code(system, read) == read


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("A", 1),
        ("A10", 2),
        ("A10B", 3),
        ("A10BA", 4),
        ("A10BA02", 5),
        ("A12AX", 4),
        ("E0000UV", 0),
        ("123456", 0),
        ("", 0),
    ],
)
def test_atc_levels_and_pseudo_codes(code, level):
    assert atc_level(code) == level
