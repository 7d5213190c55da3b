"""A list goes out, comes back filled in, and the next list knows."""

import csv
import datetime
import io

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee.lists import read_decisions, read_record
from servicenee.lists.choices import CHOICES, choice_texts
from servicenee.lists.decisions import COLUMNS
from servicenee.lists.flat import _cell as written_cell
from servicenee.lists.returned import _cell as read_cell

EARLIER = pd.Timestamp("2023-12-01")
SHEET = {"fi": "Lista", "sv": "Lista", "en": "List"}


@pytest.fixture
def earlier(listing, make_county, make_scores):
    """The list of a month before."""

    def make(**options):
        scores = make_scores(make_county()).rename(index={pd.Timestamp("2024-01-01"): EARLIER})
        return listing(scores=scores, **options)

    return make


def fill(path, cells, sheet="Lista"):
    """Write cells, such as {"K3": "Otetaan yhteyttä"}, as a reader does in a spreadsheet."""
    book = openpyxl.load_workbook(path)
    for address, value in cells.items():
        book[sheet][address] = value
    book.save(path)
    return path


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_list_decisions_next_list(language, earlier, listing, tmp_path):
    first = earlier(language=language)
    words = {field: dict(zip(CHOICES[field], choice_texts(field, language), strict=True)) for field in CHOICES}
    path = first.to_excel(tmp_path / "list.xlsx")
    fill(
        path,
        {
            "K3": words["decision"]["contact"],
            "M3": datetime.datetime(2023, 12, 8),
            "N3": words["coping"]["supported"],
            "O3": "soitettu",
            "K4": words["decision"]["no_action"],
            "L4": words["decision_reason"]["objected"],
            "M4": "9.12.2023",
        },
        SHEET[language],
    )
    decisions = read_decisions(path)
    assert decisions.table["person_id"].tolist() == first.rows["person_id"].tolist()[:2]
    assert decisions.table["decision"].tolist() == ["contact", "no_action"]
    assert decisions.table["decision_reason"].tolist() == ["", "objected"]
    assert decisions.table["decision_date"].tolist() == [pd.Timestamp("2023-12-08"), pd.Timestamp("2023-12-09")]
    assert decisions.table["coping"].tolist() == ["supported", ""]
    assert decisions.table["free_text"].tolist() == ["soitettu", ""]
    assert decisions.table["list_id"].tolist() == [first.list_id] * 2
    assert len(decisions.findings) == 0
    assert decisions.n_rows == 6 + 4, "the list, and the sample for review"
    assert decisions.coping_share == pytest.approx(0.1)

    second = listing(previous=first, decisions=decisions, language=language)
    assert not set(second.rows["person_id"]) & set(decisions.table["person_id"])
    counts = dict(zip(second.counts["what"], second.counts["n"], strict=True))
    assert (counts["contacted"], counts["objected"]) == (1, 1)
    assert second.report.returned == {
        "rows": 10,
        "contact": 1,
        "no_action": 1,
        "already_known": 0,
        "wrong_data": 0,
        "coping": 1,
    }


def test_rows_tell_what_changed_since_the_last_list(earlier, listing):
    first = earlier(capacity=2)
    rows = listing(previous=first, capacity=3, language="en").rows.set_index("person_id")
    assert rows.loc["p0000", "changes"] == "• was on the list of 1 December 2023, assessment unchanged"
    assert rows.loc["p0004", "changes"].split("\n") == [
        "• new on the list (last list 1 December 2023)",
        "• unplanned hospital stays since then: 1",
    ]


def test_the_record_is_a_previous_list_too(earlier, listing, tmp_path):
    first = earlier()
    first.record(tmp_path, written_by="analyst", written_for="Kokkola", ground="test", written_at="2023-12-02")
    of_record, of_list = (listing(previous=one).rows["changes"] for one in (read_record(tmp_path), first))
    assert of_record.tolist() == of_list.tolist()
    assert of_list[0].startswith("• oli listalla 1.12.2023")


def test_a_csv_comes_back_in_the_way_finnish_excel_saves_it(listing, tmp_path):
    path = listing().to_csv(tmp_path / "list.csv")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines, delimiter=";"))
    rows[1][rows[0].index("Päätös (valitse)")] = "otetaan  YHTEYTTÄ"
    rows[1][rows[0].index("Päivä")] = "8.1.2024"
    with path.open("w", encoding="cp1252", newline="", errors="replace") as lines:
        csv.writer(lines, delimiter=";").writerows(rows)
    table = read_decisions(path).table
    assert table[["person_id", "decision"]].to_numpy().tolist() == [["p0000", "contact"]]
    assert table["decision_date"].tolist() == [pd.Timestamp("2024-01-08")]


@pytest.mark.parametrize(
    ("cells", "finding", "remedy", "kept"),
    [
        ({"K3": "ehkä"}, "Valintaa ei tunnistettu.", "Valitse luettelosta: Otetaan yhteyttä, Ei toimenpiteitä,", 0),
        ({"K3": "Jo tiedossa", "M3": "ensi viikolla"}, "Päivää ei voitu lukea.", "Kirjoita päivä muodossa", 1),
        ({"K3": "Jo tiedossa"}, "Päätökseltä puuttuu päivä.", "Lisää päivä.", 1),
        ({"K3": "Ei toimenpiteitä", "M3": "5.1.2024"}, "Päätökseltä ”Ei toimenpiteitä” puuttuu syy.", "Valitse syy", 1),
        ({"L3": "Muu syy, kerro lisätiedoissa"}, "Syy on ”Muu”, mutta lisätiedot puuttuvat.", "Kerro syy", 1),
        ({"B3": None, "O3": "kuka tämä oli"}, "Riviltä puuttuu tunniste", "Palauta tunniste", 0),
        ({"B4": "p0000", "O3": "a", "O4": "b"}, "Sama tunniste on toisella rivillä.", "Jätä yksi rivi", 2),
    ],
    ids=["choice", "date", "no date", "no reason", "no text", "no id", "repeated"],
)
def test_what_cannot_be_read_is_told_with_its_row_and_how_to_mend_it(cells, finding, remedy, kept, listing, tmp_path):
    path = fill(listing().to_excel(tmp_path / "list.xlsx"), cells)
    decisions = read_decisions(path)
    assert len(decisions.table) == kept
    told = decisions.findings[decisions.findings["finding"].str.startswith(finding)]
    assert told["row"].tolist() in ([3], [4])
    assert told["remedy"].str.startswith(remedy).all()
    assert "p00" not in decisions.findings.to_string()
    assert "kuka" not in decisions.findings.to_string()
    assert "p00" not in repr(decisions)


def test_a_row_inserted_above_and_another_order_of_columns_do_no_harm(listing, tmp_path):
    path = fill(listing().to_excel(tmp_path / "list.xlsx"), {"K3": "Jo tiedossa", "M3": "5.1.2024"})
    book = openpyxl.load_workbook(path)
    book["Lista"].insert_rows(1)
    book["Lista"].delete_cols(3)
    book.save(path)
    assert read_decisions(path).table["decision"].tolist() == ["already_known"]


def test_dates_as_numbers_are_dates(listing, tmp_path):
    path = fill(listing().to_excel(tmp_path / "list.xlsx"), {"K3": "Jo tiedossa", "M3": 45296})
    book = openpyxl.load_workbook(path)
    book["Lista"]["M3"].number_format = "General"
    book.save(path)
    assert read_decisions(path).table["decision_date"].tolist() == [pd.Timestamp("2024-01-05")]


def test_integer_ids_find_their_persons_again(listing, make_county, tmp_path):
    from servicenee import Registers

    county = make_county(6)
    events = county.events.assign(person_id=7)
    county = Registers(county.persons.assign(person_id=range(7, 13)), events, extract_date="2024-01-01")
    path = fill(listing(county).to_excel(tmp_path / "list.xlsx"), {"K3": "Jo tiedossa", "M3": "5.12.2023"})
    made = listing(county, decisions=read_decisions(path))
    assert 7 not in made.rows["person_id"].tolist()


def test_stored_decisions_add_up_and_the_same_file_counts_once(listing, tmp_path):
    path, folder = tmp_path / "list.xlsx", tmp_path / "protected"
    for cells in ({"K3": "Jo tiedossa", "M3": "5.1.2024"}, {"K4": "Otetaan yhteyttä", "M4": "9.1.2024"}):
        decisions = read_decisions(fill(listing().to_excel(path), cells))
        assert decisions.store(folder) == decisions.store(folder)
    stored = read_decisions(folder)
    assert stored.table["decision"].tolist() == ["already_known", "contact"]
    assert stored.n_rows == 10, "the same list twice"
    assert list(stored.table.columns) == list(COLUMNS)


def test_a_list_that_comes_back_empty_and_one_that_comes_back_twice_are_counted_once(listing, tmp_path):
    made, path, folder = listing(), tmp_path / "list.xlsx", tmp_path / "protected"
    read_decisions(made.to_excel(path)).store(folder)
    assert (len(read_decisions(folder).table), read_decisions(folder).n_rows) == (0, 10), "nobody filled it in"
    filled = {"K3": "Jo tiedossa", "M3": "5.1.2024"}
    for cells in (filled, filled | {"N3": "Pärjää hyvin"}):  # returned, then returned again with one cell more
        read_decisions(fill(made.to_excel(path), cells)).store(folder)
    stored = read_decisions(folder)
    assert stored.n_rows == 10
    assert stored.coping_share == pytest.approx(0.1)
    returned = listing(decisions=stored).report.returned
    assert (returned["rows"], returned["already_known"], returned["coping"]) == (10, 1, 1)
    for number, part in enumerate(made.split().values()):  # the parts of one list share its id
        read_decisions(part.to_excel(tmp_path / f"{number}.xlsx")).store(folder)
    assert read_decisions(folder).n_rows == 10


def test_an_objection_is_not_lost_when_another_copy_comes_back(listing, tmp_path):
    made, path, folder = listing(), tmp_path / "list.xlsx", tmp_path / "protected"
    objected = {"K3": "Ei toimenpiteitä", "L3": "Vastustaa tietojensa käyttöä listalla", "M3": "5.1.2024"}
    for cells in (objected, {}, {"K3": "Jo tiedossa", "M3": "9.1.2024"}):
        read_decisions(fill(made.to_excel(path), cells)).store(folder)
    counts = listing(decisions=read_decisions(folder)).counts.set_index("what")["n"]
    assert counts["objected"] == 1


def test_an_empty_folder_holds_no_decisions(tmp_path, listing):
    stored = read_decisions(tmp_path)
    assert (len(stored.table), stored.n_rows) == (0, 0)
    assert len(listing(decisions=stored).rows) == 6


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.xls", b"", r"`path` must end in \.xlsx or \.csv, or be the protected folder; got '\.xls'"),
        ("list.csv", b"a;b\n1;2\n", "`path` must be a list that servicenee wrote; no row among the first 10"),
    ],
)
def test_another_file_is_refused(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_decisions(path)


@pytest.mark.parametrize(
    "content",
    [b"person_id;decision\n17;" + b"x" * 140_000, b"PK\x03\x04" + bytes(200)],
    ids=["a cell without end", "a workbook under another name"],
)
def test_a_csv_that_cannot_be_read_is_named_without_a_word_of_it(content, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` must be .*list\.csv") as refused:
        read_decisions(path)
    assert "xxx" not in str(refused.value)


TEXTS = st.text(st.sampled_from("ab ä;,\t\"'=+-@\r\n\u2028"), min_size=1, max_size=12)


@settings(max_examples=200)
@given(said=TEXTS)
def test_any_text_survives_the_csv(said):
    """Commas, semicolons, quotes, line breaks, what looks like a formula, and apostrophes of one's own."""
    memory = io.StringIO(newline="")
    csv.writer(memory, delimiter=";", lineterminator="\r\n").writerow([written_cell(said)])
    (row,) = csv.reader(io.StringIO(memory.getvalue(), newline=""), delimiter=";")
    assert read_cell(row, 0) == said
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_a_note_of_several_lines_and_signs_comes_back_as_it_was_written(encoding, listing, tmp_path):
    said = 'Soitettu; tytär sanoi: "äiti pärjää",\nkatsotaan uudelleen\n=keväällä'
    path = listing().to_csv(tmp_path / "list.csv")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines, delimiter=";"))
    rows[1][rows[0].index("Oma arvio ja lisätiedot")] = said
    with path.open("w", encoding=encoding, newline="", errors="replace") as lines:
        csv.writer(lines, delimiter=";").writerows(rows)
    assert read_decisions(path).table["free_text"].tolist() == [said]


def test_something_else_than_decisions_is_refused(listing):
    with pytest.raises(ValueError, match="`decisions` must be what read_decisions gives"):
        listing(decisions=pd.DataFrame({"person_id": ["p0000"]}))
    with pytest.raises(ValueError, match="`previous` must be a SegmentList or what read_record gives"):
        listing(previous=pd.DataFrame({"person_id": ["p0000"]}))


def test_a_list_of_another_model_is_not_what_changed_since(earlier, listing):
    other = earlier().record_rows.assign(model="unplanned_admission", risk=0.01)
    made = listing(previous=other)
    assert made.rows["changes"].tolist() == listing().rows["changes"].tolist()
    assert made.report.previous_date is pd.NaT


@pytest.mark.parametrize("day", [datetime.datetime(9999, 12, 31), "31.12.9999", "5.3.1924"])
def test_a_year_far_away_is_a_date_that_cannot_be_read(day, tmp_path):
    book = openpyxl.Workbook()
    for row in (["person_id", "decision", "decision_date"], ["17", "contact", day]):
        book.active.append(row)
    book.save(tmp_path / "back.xlsx")
    decisions = read_decisions(tmp_path / "back.xlsx")
    assert decisions.table["decision_date"].isna().all()
    assert decisions.findings["row"].tolist() == [2, 2]


def test_a_damaged_workbook_is_named_and_asked_for_again(tmp_path):
    path = tmp_path / "list.xlsx"
    path.write_bytes(b"PK\x03\x04 cut off on the way")
    with pytest.raises(ValueError, match=r"list\.xlsx is damaged\. Ask for the file again"):
        read_decisions(path)
