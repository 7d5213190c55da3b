"""Shipped score tables hold the published weights, with a source for every row."""

import pytest

from servicenee.codes import load_score, shipped_scores
from servicenee.texts import LANGUAGES


@pytest.mark.parametrize("name", shipped_scores())
def test_every_row_has_a_source_and_no_prefix_comes_twice(name):
    table = load_score(name)
    frame = table.codelist.frame()
    assert (frame["source"] != "").all()
    assert not frame.duplicated(["group", "code_system", "prefix"]).any()
    assert all(set(table.codelist.labels[group]) == set(LANGUAGES) for group in table.codelist.groups)
    for mild, severe in table.superseded_by.items():
        assert {mild, severe} <= set(table.codelist.groups)


CHARLSON_1987 = {
    "mi": 1, "chf": 1, "pvd": 1, "cevd": 1, "dementia": 1, "cpd": 1, "rheumd": 1, "pud": 1, "mld": 1, "diab": 1,
    "diabwc": 2, "hp": 2, "rend": 2, "canc": 2, "msld": 3, "metacanc": 6, "aids": 6,
}  # fmt: skip
QUAN_2011 = {
    "mi": 0, "chf": 2, "pvd": 0, "cevd": 0, "dementia": 2, "cpd": 1, "rheumd": 1, "pud": 0, "mld": 2, "diab": 0,
    "diabwc": 1, "hp": 2, "rend": 1, "canc": 2, "msld": 4, "metacanc": 6, "aids": 4,
}  # fmt: skip
VAN_WALRAVEN_2009 = {
    "chf": 7, "carit": 5, "valv": -1, "pcd": 4, "pvd": 2, "hypunc": 0, "hypc": 0, "para": 7, "ond": 6, "cpd": 3,
    "diabunc": 0, "diabc": 0, "hypothy": 0, "rf": 5, "ld": 11, "pud": 0, "aids": 0, "lymph": 9, "metacanc": 12,
    "solidtum": 4, "rheumd": 0, "coag": 3, "obes": -4, "wloss": 6, "fed": 5, "blane": -2, "dane": -2, "alcohol": 0,
    "drug": -7, "psycho": 0, "depre": -3,
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "weights", "published"),
    [
        ("charlson_quan2005", "charlson1987", CHARLSON_1987),
        ("charlson_quan2005", "quan2011", QUAN_2011),
        ("charlson_sweden2021", "charlson1987", CHARLSON_1987),
        ("elixhauser_quan2005", "vanwalraven2009", VAN_WALRAVEN_2009),
    ],
)
def test_weights_are_the_published_ones(table, weights, published):
    assert load_score(table).weights[weights] == published


def test_hfrs_has_109_categories_that_sum_to_the_published_maximum():
    weights = load_score("hfrs").weights["gilbert2018"]
    assert len(weights) == 109
    assert sum(weights.values()) == pytest.approx(173.2)
    assert [weights[code] for code in ("F00", "G81", "G30", "I69", "R50")] == [7.1, 4.4, 4.0, 3.7, 0.1]


def test_charlson_codes_are_quans():
    # Quan 2005, table 1: spot checks at the edges of the ranges.
    groups = load_score("charlson_quan2005").codelist
    codes = ["I252", "I099", "F051", "G041", "K766", "E102", "N052", "C97", "C77", "C44", "B24", "I10"]
    expected = [
        "mi",
        "chf",
        "dementia",
        "hp",
        "msld",
        "diabwc",
        "rend",
        "canc",
        "metacanc",
        None,
        "aids",
        None,
    ]
    found = groups.matches(["ICD-10"] * len(codes), codes)
    names = list(groups.groups)
    assert [next((names[row] for row in column.nonzero()[0]), None) for column in found.T] == expected


def test_an_unknown_table_is_refused_by_name():
    with pytest.raises(ValueError, match="`name` must name a shipped score table"):
        load_score("gagne")
