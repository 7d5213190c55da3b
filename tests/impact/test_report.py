"""The county's set of indicators: what a director reads is what was counted, in three languages, without a person."""

import re

import numpy as np
import pandas as pd
import pytest

from servicenee.impact import (
    days_at_home,
    difference_in_differences,
    equity_gaps,
    impact_report,
    indicator_definitions,
    indicator_rates,
    unit_costs,
)
from servicenee.impact.report import _met

LANGUAGES = ("fi", "sv", "en")
PERSON = re.compile(r"\bp[0-9a-f]{8}\b")


@pytest.fixture(scope="module")
def report(county):
    panel = pd.DataFrame(
        {
            "team": ["a", "a", "b", "b", "c", "c", "d", "d"],
            "year": [1, 2] * 4,
            "visits": [5.0, 4.0, 7.0, 6.2, 6.0, 6.1, 8.0, 7.9],
            "start": [2] * 4 + [None] * 4,
        }
    )
    found = difference_in_differences(panel, unit="team", time="year", value="visits", start="start")
    return impact_report(county, comparisons=[found])


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    return report.to_html(tmp_path_factory.mktemp("page") / "fi.html", language="fi").read_text("utf-8")


def test_the_summary_is_the_last_period_of_the_rates(report):
    summary, rates = report.tables["summary"], report.tables["rates"]
    last = rates[rates["period"] == rates["period"].max()].set_index("indicator")
    assert summary["indicator"].tolist() == indicator_definitions()["indicator"].tolist()
    for name in ("value", "lower", "upper", "n_persons"):
        assert summary[name].tolist() == pytest.approx(last.loc[summary["indicator"], name].tolist(), nan_ok=True)


@pytest.mark.parametrize(
    ("lower", "upper", "target", "met"),
    [(81, 85, 80, "met"), (70, 75, 80, "not_met"), (78, 82, 80, "unsure"), (80, 82, 80, "met")],
)
def test_a_target_is_met_only_by_the_whole_interval(lower, upper, target, met):
    assert _met(lower, upper, target, "higher") == met
    assert _met(-upper, -lower, -target, "lower") == met


def test_access_improves_in_the_synthetic_county_and_misses_its_target(report):
    row = report.tables["summary"].set_index("indicator").loc["met_within_7_days"]
    assert row["verdict"] == "better"
    assert row["target_met"] == "not_met"
    months = report.tables["months"]
    assert (months["realised_visits_share"] > months["share"]).mean() > 0.9


WORDS = {
    "fi": (
        "Vaikuttavuusmittaristo",
        "Hoitoon 7 vuorokaudessa",
        "tavoite 80",
        "Tiedot 1.1.2024 asti",
        "erotusten erotus",
    ),
    "sv": ("Effektindikatorer", "Vård inom 7 dygn", "mål 80", "Uppgifter till 1.1.2024", "skillnad i skillnader"),
    "en": ("Impact indicators", "Care within 7 days", "target 80", "Data up to 1 January 2024", "difference in diff"),
}


def check_page(page: str, language: str) -> None:
    assert [word for word in WORDS[language] if word not in page] == []
    assert f'<html lang="{language}">' in page
    assert page.count("data:image/svg+xml;base64,") == 8
    assert "nan" not in re.sub(r"base64,[^\"]+", "", page).lower().split()


def test_the_page_speaks_the_language_of_its_reader(page):
    check_page(page, "fi")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["sv", "en"])
def test_the_page_speaks_the_other_languages_too(report, language, tmp_path):
    check_page(report.to_html(tmp_path / "page.html", language=language).read_text("utf-8"), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_workbook_holds_what_the_page_shows(report, language, tmp_path):
    sheets = pd.read_excel(report.to_excel(tmp_path / "a.xlsx", language=language), sheet_name=None, header=3)
    assert len(sheets) == 9
    first = next(iter(sheets.values()))
    summary = report.tables["summary"]
    assert first.iloc[:, 1].tolist() == pytest.approx(summary["value"].tolist(), nan_ok=True)
    assert len(first.columns) == 11
    assert len(list(sheets.values())[1]) == len(report.tables["rates"])


def test_no_person_and_no_small_count_leaves(page, report, county, tmp_path):
    ids = set(county.persons["person_id"])
    assert not PERSON.search(re.sub(r"base64,[^\"]+", "", page))
    for sheet in pd.read_excel(report.to_excel(tmp_path / "a.xlsx"), sheet_name=None, header=None).values():
        assert not set(sheet.to_numpy().ravel().astype(str)) & ids
    for name in ("rates", "gaps", "mix", "cost"):
        n = report.tables[name]["n_persons"]
        assert not ((n > 0) & (n < 5)).any(), name


@pytest.mark.slow
def test_the_same_registers_give_the_same_bytes(county, page, tmp_path, report):
    again = impact_report(county, comparisons=report.comparisons)
    assert again.to_html(tmp_path / "a.html", language="fi").read_text("utf-8") == page
    for name in ("a", "b"):
        again.to_excel(tmp_path / f"{name}.xlsx", language="fi")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


PERIOD = [("2023-01-01", "2024-01-01")]


def test_without_requests_the_page_says_so(registers_of, tmp_path):
    report = impact_report(registers_of({}), periods=PERIOD, definitions=indicator_definitions().head(1))
    page = report.to_html(tmp_path / "page.html", language="en").read_text("utf-8")
    assert "The registers hold no requests" in page
    assert report.tables["summary"]["note"].tolist() == ["no requests in the registers"]
    report.to_excel(tmp_path / "book.xlsx", language="en")


def test_a_countys_own_rows_are_shown_under_their_own_names(registers_of, tmp_path):
    own = indicator_definitions().iloc[[2]].assign(indicator="own", label_fi="Oma mittari", target=320.0)
    report = impact_report(registers_of({}), definitions=own, periods=PERIOD)
    assert "Oma mittari" in report.to_html(tmp_path / "page.html", language="fi").read_text("utf-8")
    assert report.tables["summary"]["target_met"].tolist() == ["met"]


EXAMPLES = {"fi": "esimerkkejä", "sv": "exempel", "en": "The unit costs are examples"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_euros_of_example_prices_say_so_until_the_county_gives_its_own(language, registers_of, tmp_path):
    one = registers_of({"events": [("2023-05-01", "primary_care", "visit")]})
    cost = indicator_definitions().query("measure == 'cost'").assign(**{f"definition_{language}": "x"})
    own = unit_costs().assign(cost_eur=lambda costs: costs["cost_eur"] * 1.1, basis="our accounts 2023")
    for costs, told in ((None, True), (unit_costs(), True), (own, False)):
        report = impact_report(one, definitions=cost, periods=PERIOD, costs=costs)
        assert report.has_example_costs is told
        page = report.to_html(tmp_path / "page.html", language=language).read_text("utf-8")
        assert (EXAMPLES[language] in page) is told
        sheets = pd.read_excel(report.to_excel(tmp_path / "a.xlsx", language=language), sheet_name=None, header=None)
        named = [EXAMPLES[language] in frame.to_string() for frame in sheets.values()]
        assert sum(named) == (4 if told else 0), "indicators, trends, costs, equity"


def test_only_xlsx_is_written(report, tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in \.xlsx"):
        report.to_excel(tmp_path / "book.xls")
    assert list(tmp_path.iterdir()) == []


# --- equity ----------------------------------------------------------------------------------------------------------


def test_a_planted_gap_is_clear_and_luck_is_not(registers_of):
    gone = {"stays": [("2023-01-01", "2023-04-11", "round_the_clock")]}
    people = [{"language": "fi"}] * 4 + [{"language": "sv"} | gone] * 2 + [{"language": "other"}]
    people = [person | {"sex": "female" if number % 2 else "male"} for number, person in enumerate(people)]
    registers = registers_of(*people)
    definitions = indicator_definitions().query("indicator == 'days_at_home_75'")

    def measure(registers, by):
        return indicator_rates(registers, definitions=definitions, by=by, periods=[("2023-01-01", "2024-01-01")])

    gaps = equity_gaps(measure, registers, by="language").set_index("group")
    assert gaps["reference"].unique().tolist() == ["fi"]
    assert gaps["gap"].round(6).to_dict() == {"fi": 0, "other": 0, "sv": -100}
    assert gaps["clear"].to_dict() == {"fi": False, "other": False, "sv": True}


def test_every_dimension_at_hand_is_compared(county):
    gaps = equity_gaps(lambda one, by: days_at_home(one, by=by, periods=[("2022-01-01", "2023-01-01")]), county)
    assert gaps["dimension"].unique().tolist() == ["sex", "age_band", "language", "area", "living_alone"]
    reference = gaps[gaps["group"] == gaps["reference"]]
    assert np.nan_to_num(reference["gap"]).tolist() == [0] * len(reference)
    assert not reference["clear"].any()
