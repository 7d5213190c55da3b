"""What leaves as HTML, CSV and Parquet; names by a key file; no formula, no small count, the same bytes."""

import csv
import re
from itertools import pairwise

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LANGUAGES = ("fi", "sv", "en")


@pytest.fixture
def key(tmp_path):
    """A key file that names p0000 and p0002."""
    path = tmp_path / "key.csv"
    path.write_text("person_id;name\np0000;Testinen, Aino\np0002;=HYPERLINK(1)\n", encoding="utf-8")
    return path


def cells(path):
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines, delimiter=";"))


def test_csv_is_what_finnish_excel_opens(listing, tmp_path):
    path = listing().to_csv(tmp_path / "list.csv")
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == 7
    rows = cells(path)
    assert rows[0][:4] == ["Sija", "Tunniste", "Ikä", "Alue"]
    assert rows[1][rows[0].index("Arvio, %")] == "0,6000"
    assert "1.1.2024" in rows[1][rows[0].index("Malli ja tietojen päivä")]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_no_text_becomes_a_formula(name, listing, make_county, tmp_path):
    made = listing(make_county(6, areas=(name,)))
    assert [row[3] for row in cells(made.to_csv(tmp_path / "list.csv"))[1:]] == [f"'{name}"] * 3
    book = openpyxl.load_workbook(made.to_excel(tmp_path / "list.xlsx"))
    assert [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"] == []


def test_parquet_is_for_machines(listing, tmp_path):
    table = pd.read_parquet(listing().to_parquet(tmp_path / "list.parquet"))
    assert table["role"].tolist() == ["listed"] * 6 + ["review"] * 4
    assert table["risk"].dtype == np.float64
    assert {"person_id", "group", "reasons", "list_id"} <= set(table.columns)
    assert "name" not in table.columns


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_in_itself_and_says_what_it_is(language, listing, tmp_path):
    text = listing(language=language).to_html(tmp_path / "list.html").read_text("utf-8")
    assert f'<html lang="{language}">' in text
    assert not re.search(r"(src|href)=|@import|url\(|<script", text)
    assert text.count('<article class="person">') == 6 + 4
    assert {"fi": "Ehdotus, ei päätös", "sv": "Förslag, inte beslut", "en": "A proposal, not a decision"}[
        language
    ] in text
    headings = [int(level) for level in re.findall(r"<h([1-4])", text)]
    assert headings[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(headings))


def test_the_sample_shows_no_risk_and_no_reason(listing, tmp_path):
    made = listing()
    sheet = openpyxl.load_workbook(made.to_excel(tmp_path / "list.xlsx"))["Otos"]
    shown = " ".join(str(cell.value) for row in sheet.iter_rows(min_row=3) for cell in row)
    assert made.review["person_id"][0] in shown
    assert "sadasta" not in shown
    assert "Päivystyskäynnit" not in shown
    page = made.to_html(tmp_path / "list.html").read_text("utf-8").split("Otos</h2>")[1]
    assert "sadasta" not in page


def test_names_come_from_the_key_file_and_stay_in_the_file_written(key, listing, tmp_path):
    made = listing()
    sheet = openpyxl.load_workbook(made.to_excel(tmp_path / "list.xlsx", key=key))["Lista"]
    assert [sheet.cell(2, 3).value, sheet.cell(3, 3).value] == ["Nimi", "Testinen, Aino"]
    assert (sheet.cell(4, 3).value, sheet.cell(4, 3).data_type) == ("=HYPERLINK(1)", "s")
    assert sheet.cell(5, 3).value is None, "the key lacks this person"
    assert cells(made.to_csv(tmp_path / "list.csv", key=key))[2][2] == "'=HYPERLINK(1)"
    assert "Testinen, Aino" in made.to_html(tmp_path / "list.html", key=key).read_text("utf-8")
    for later in (made.to_excel(tmp_path / "plain.xlsx"), made.to_parquet(tmp_path / "list.parquet")):
        assert b"Testinen" not in later.read_bytes()
    assert "Testinen" not in repr(made.__dict__)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("key.txt", "", r"`key` must end in \.csv, \.xlsx or \.parquet"),
        ("key.csv", "id;name\n1;A\n", r"`key` must have the columns person_id and name; \['person_id'\] are missing"),
        ("key.csv", "", r"`key` must have the columns person_id and name"),
        ("key.csv", "person_id,name\np1,Aino\np1,Eino\n", "`key` must name each person once; 1 of 2 rows repeat an id"),
    ],
)
def test_a_key_file_is_checked_without_naming_anyone(name, content, message, listing, tmp_path):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        listing().to_excel(tmp_path / "list.xlsx", key=path)
    assert "Aino" not in str(refused.value)


def test_a_key_may_be_excel_or_parquet(listing, tmp_path):
    names = pd.DataFrame({"person_id": ["p0000"], "name": ["Testinen, Aino"]})
    names.to_excel(tmp_path / "key.xlsx", index=False)
    names.to_parquet(tmp_path / "key.parquet", index=False)
    for kind in ("xlsx", "parquet"):
        written = listing().to_csv(tmp_path / "list.csv", key=tmp_path / f"key.{kind}")
        assert cells(written)[1][2] == "Testinen, Aino"


@pytest.mark.parametrize("kind", ["excel", "html", "csv", "parquet"])
def test_the_same_list_gives_the_same_bytes_in_every_format(kind, listing, make_county, make_scores, tmp_path):
    county = make_county()
    ending = {"excel": "xlsx"}.get(kind, kind)
    scores = make_scores(county)
    written = [
        getattr(listing(county, given), f"to_{kind}")(tmp_path / f"list.{ending}").read_bytes()
        for given in (scores, scores.sample(frac=1, random_state=1))
    ]
    assert written[0] == written[1]


@pytest.mark.parametrize(("kind", "ending"), [("to_html", ".html"), ("to_csv", ".csv"), ("to_parquet", ".parquet")])
def test_another_ending_is_refused(kind, ending, listing, tmp_path):
    with pytest.raises(ValueError, match=f"`path` must end in {ending}"):
        getattr(listing(), kind)(tmp_path / "list.txt")


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.sampled_from([1, 2, 4, 5, 9, 30]), min_size=1, max_size=5),
    capacity=st.integers(1, 7),
)
def test_small_counts_are_hidden_on_every_summary(sizes, capacity, listing, make_county):
    from servicenee.lists.cover import cover_sections, summary_table

    areas = [f"Area {number}" for number, size in enumerate(sizes) for _ in range(size)]
    made = listing(
        make_county(len(areas), area=areas), capacity=capacity, purpose="knowledge_management", language="en"
    )
    counts = summary_table(made)[["Persons assessed", "On the list", "On the list if places were shared the other way"]]
    assert not [cell for row in counts.to_numpy() for cell in row if cell in ("1", "2", "3", "4")]
    who = dict(cover_sections(made))["Who is included"]
    assert not [line for line in who if re.search(r": [1-4]$", line)]


def test_a_list_says_that_it_can_only_add_an_offer(listing, tmp_path):
    said = {
        "fi": "Lista voi vain lisätä tarjouksen. Se ei poista eikä viivästytä palveluja",
        "sv": "Listan kan bara leda till ytterligare ett erbjudande. Den tar inte bort eller fördröjer tjänster",
        "en": "The list can only add an offer. It does not remove or delay services",
    }
    for language in LANGUAGES:
        page = listing(language=language).to_html(tmp_path / "list.html").read_text("utf-8")
        assert said[language] in page
        book = openpyxl.load_workbook(listing(language=language).to_excel(tmp_path / "list.xlsx"))
        assert any(said[language] in str(cell.value) for row in book.worksheets[0].iter_rows() for cell in row)
