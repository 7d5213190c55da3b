"""The workbook: what a coordinator opens, prints and fills in, read back from the file."""

import re
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest

HEADINGS = {
    "fi": [
        "Sija",
        "Tunniste",
        "Ikä",
        "Alue",
        "Asiointikieli",
        "Nykyiset palvelut",
        "Arvio, %",
        "Arvio ja vertailu",
        "Mihin arvio perustuu",
        "Huomioitavaa",
        "Päätös (valitse)",
        "Syy (valitse)",
        "Päivä",
        "Arjessa pärjääminen, asiakkaan oma arvio (valitse)",
        "Oma arvio ja lisätiedot",
        "Malli ja tietojen päivä",
        "Listan tunnus",
    ],
    "sv": [
        "Plats",
        "Kod",
        "Ålder",
        "Område",
        "Kontaktspråk",
        "Nuvarande tjänster",
        "Risk, %",
        "Bedömning och jämförelse",
        "Vad bedömningen grundar sig på",
        "Att notera",
        "Beslut (välj)",
        "Orsak (välj)",
        "Datum",
        "Hur vardagen fungerar, klientens egen bedömning (välj)",
        "Egen bedömning och tilläggsuppgifter",
        "Modell och uppgifternas datum",
        "Listans kod",
    ],
    "en": [
        "Rank",
        "Id",
        "Age",
        "Area",
        "Contact language",
        "Current services",
        "Risk, %",
        "Assessment and comparison",
        "What the assessment rests on",
        "To note",
        "Decision (choose)",
        "Reason (choose)",
        "Date",
        "Coping in daily life, the client’s own view (choose)",
        "Own judgement and further notes",
        "Model and date of the data",
        "List id",
    ],
}
SHEETS = {
    "fi": ["Ohje", "Lista", "Otos", "Valinnat", "Yhteenveto"],
    "sv": ["Anvisning", "Lista", "Stickprov", "Alternativ", "Sammandrag"],
    "en": ["Guide", "List", "Sample", "Choices", "Summary"],
}
COVER = {
    "fi": ["Ehdotus, ei päätös", "Käyttötarkoitus", "1.1.2024", "versio 1.2.0", "Enintään 3 henkilöä"],
    "sv": ["Förslag, inte beslut", "Användningsändamål", "1.1.2024", "version 1.2.0", "Högst 3 personer"],
    "en": ["A proposal, not a decision", "Purpose", "1 January 2024", "version 1.2.0", "At most 3 persons"],
}


@pytest.fixture
def written(listing, tmp_path):
    """Writes a list and reads it back."""

    def write(*tables, **options):
        return openpyxl.load_workbook(listing(*tables, **options).to_excel(tmp_path / "list.xlsx"))

    return write


def texts(sheet):
    return "\n".join(str(cell) for row in sheet.iter_rows(values_only=True) for cell in row if cell is not None)


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_the_workbook_speaks_the_language_of_its_reader(language, written):
    book = written(language=language)
    assert book.sheetnames == SHEETS[language]
    sheet = book[SHEETS[language][1]]
    assert [cell.value for cell in sheet[2]] == HEADINGS[language]
    assert sheet.max_row == 2 + 6
    cover = texts(book[SHEETS[language][0]])
    for expected in COVER[language]:
        assert expected in cover


def test_no_text_of_one_language_stands_in_the_workbook_of_another(written):
    finnish, swedish = (written(language=language) for language in ("fi", "sv"))
    words = {
        "fi": set(re.findall(r"[A-Za-zÅÄÖåäö]{6,}", "".join(texts(sheet) for sheet in finnish))),
        "sv": set(re.findall(r"[A-Za-zÅÄÖåäö]{6,}", "".join(texts(sheet) for sheet in swedish))),
    }
    # Both languages say "listan".
    assert words["fi"] & words["sv"] == {"Kokkola", "Veteli", "Listan"}


def test_the_banner_says_proposal_date_and_model_above_the_rows(written):
    assert written()["Lista"]["A1"].value == (
        "Ehdotus, ei päätös · Ympärivuorokautisen hoivan alkaminen, seuraavat 12 kk · tiedot 1.1.2024 asti · "
        "malli round_the_clock, versio 1.2.0"
    )


def test_the_list_can_be_scrolled_filtered_and_printed(written):
    sheet = written()["Lista"]
    assert sheet.freeze_panes == "C3"
    assert sheet.auto_filter.ref == "A2:Q8"
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.page_setup.paperSize == 9
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert sheet.page_setup.fitToWidth in (None, 1)  # 1 is what the file format means by nothing
    assert sheet.page_setup.fitToHeight == 0
    assert sheet.print_title_rows == "$1:$2"
    assert sheet.print_area == "'Lista'!$A$1:$O$8"
    assert sheet.oddHeader.left.text == "Luottamuksellinen"
    assert sheet.oddHeader.right.text == "Ehdotus, ei päätös"
    assert sheet.oddFooter.right.text == "Sivu &P / &N"


def test_every_decision_has_its_choices_and_its_date(written):
    book = written()
    sheet = book["Lista"]
    rules = {str(rule.sqref): rule for rule in sheet.data_validations.dataValidation}
    assert sorted(rules) == ["K3:K8", "L3:L8", "M3:M8", "N3:N8"]
    assert rules["K3:K8"].formula1 == "'Valinnat'!$A$1:$A$4"
    assert rules["L3:L8"].formula1 == "'Valinnat'!$B$1:$B$9"
    assert (rules["M3:M8"].type, rules["M3:M8"].operator) == ("date", "greaterThanOrEqual")
    assert rules["N3:N8"].formula1 == "'Valinnat'!$C$1:$C$4"
    choices = [row[0] for row in book["Valinnat"].iter_rows(max_row=4, values_only=True)]
    assert choices == ["Otetaan yhteyttä", "Ei toimenpiteitä", "Jo tiedossa", "Virheelliset tiedot"]
    assert book["Valinnat"].sheet_state == "hidden"


def test_only_the_columns_to_fill_in_are_open_and_they_are_empty(written):
    sheet = written()["Lista"]
    assert sheet.protection.sheet
    assert not sheet.protection.autoFilter  # in the file format, 0 means allowed
    for row in sheet.iter_rows(min_row=3):
        assert [cell.column_letter for cell in row if not cell.protection.locked] == ["K", "L", "M", "N", "O"]
        assert all(cell.value is None for cell in row[10:15])


def test_text_that_looks_like_a_formula_stays_text(written, make_county):
    county = make_county(6, areas=("=1+1", "@SUM(A1)"))
    sheet = written(county)["Lista"]
    areas = {(cell.value, cell.data_type) for cell in sheet["D"][2:]}
    assert areas == {("=1+1", "s"), ("@SUM(A1)", "s")}
    assert [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.data_type == "f"] == []


def test_ids_are_text(written, make_county):
    assert [cell.data_type for cell in written(make_county(6))["Lista"]["B"][2:]] == ["s"] * 6


def test_the_same_list_gives_the_same_bytes(listing, tmp_path):
    first = listing().to_excel(tmp_path / "first.xlsx").read_bytes()
    second = listing().to_excel(tmp_path / "second.xlsx").read_bytes()
    assert first == second


def test_writing_replaces_a_file_and_leaves_nothing_else_behind(listing, tmp_path):
    path = tmp_path / "list.xlsx"
    path.write_text("old")
    assert listing().to_excel(path) == path
    assert [entry.name for entry in tmp_path.iterdir()] == ["list.xlsx"]
    assert zipfile.is_zipfile(path)


def test_another_ending_than_xlsx_is_refused(listing, tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in \.xlsx; got a name ending in '\.xls'"):
        listing().to_excel(tmp_path / "list.xls")


def test_exclusions_are_counted_on_the_cover_and_small_counts_hidden(written, make_county, make_scores):
    death = pd.Series(pd.NaT, index=range(60))
    death[:7] = pd.Timestamp("2023-11-01")
    county = make_county(death_date=pd.to_datetime(death))
    risk = np.linspace(0.6, 0.01, 60)
    risk[10:12] = np.nan
    cover = texts(written(county, make_scores(county, risk))["Ohje"])
    assert "Jätetty pois: kuollut: 7" in cover
    assert "Tarkistettu, ei ketään: muuttanut pois alueelta, vastustaa" in cover
    assert "Jätetty pois: todennäköisyyttä ei voitu arvioida: alle 5" in cover


def test_small_areas_are_hidden_in_the_summary_and_cannot_be_worked_out(written, make_county):
    areas = ["Halsua"] * 3 + ["Kokkola"] * 40 + ["Veteli"] * 20
    summary = written(make_county(63, area=areas), capacity=6)["Yhteenveto"]
    rows = {row[0]: row[1:] for row in summary.iter_rows(min_row=3, values_only=True)}
    assert rows["Halsua"] == ("alle 5", "peitetty", 6, "alle 5", "peitetty", "peitetty", "alle 5")
    assert rows["Veteli"][0] == "peitetty"
    assert rows["Kokkola"][0] == 40
    assert rows["Yhteensä"][0] == 63


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_knowledge_management_has_no_sheet_of_persons_and_no_id_in_the_file(language, listing, tmp_path):
    path = listing(purpose="knowledge_management", language=language).to_excel(tmp_path / "counts.xlsx")
    assert openpyxl.load_workbook(path).sheetnames == [SHEETS[language][0], SHEETS[language][4]]
    with zipfile.ZipFile(path) as parts:
        assert not any(b"p00" in parts.read(name) for name in parts.namelist())


def test_a_list_without_anybody_still_opens(written, make_county, make_scores):
    county = make_county(6)
    book = written(county, make_scores(county, np.full(6, np.nan)))
    assert book["Lista"].max_row == 2
    assert "Heistä listalla: 0" in texts(book["Ohje"])


def test_an_ampersand_in_the_model_name_is_printed_as_one(written, make_county, make_scores, make_model):
    county, model = make_county(6), make_model(name="home & care")
    sheet = written(county, make_scores(county, model=model), model=model)["Lista"]
    assert sheet.oddFooter.left.text == "home && care 1.2.0 · 1.1.2024"
