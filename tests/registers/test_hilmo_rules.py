"""What changed with the years is a dated row, not an `if`: Hilmo, social Hilmo and AvoHilmo, case by case."""

import numpy as np
import pandas as pd
import pytest

from servicenee import read_hilmo
from servicenee.exceptions import RegisterError
from servicenee.registers.delivery import columns_of, data_rows
from servicenee.registers.hilmo_rules import FIELDS, field_columns, rules_of

PEOPLE = "TNRO;SYNTYMAPVM;SUKUPUOLI\n" + "".join(f"{number};1.1.1940;2\n" for number in range(1, 4))


@pytest.fixture
def deliver(tmp_path):
    """Registers from tables given as text."""

    def read(*, tolerance=1.0, people=PEOPLE, **tables):
        for name, text in ({"vaesto": people} | tables).items():
            lines = [line.strip() for line in text.strip().splitlines()]
            (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_hilmo(tmp_path, extract_date="2024-01-01", tolerance=tolerance)

    return read


def set_aside(registers) -> dict[str, int]:
    """Rows set aside by file."""
    account = registers.account.set_index("table")["set_aside"]
    return account[account.index.str.endswith(".csv")].to_dict()


def what(registers) -> list[str]:
    """Sources with kinds of the stays and codes of the events, one after the other."""
    stays, events = registers.stays, registers.events
    rows = pd.concat([stays[["source", "kind"]], events[["source", "code"]].set_axis(["source", "kind"], axis=1)])
    return (rows["source"] + " " + rows["kind"]).tolist()


@pytest.mark.parametrize(
    ("year", "pala", "form", "urgency", "found"),
    [
        # inpatient care: by the service sector until 2018, by R80 from 2019 on
        (2018, "1", "", "", "inpatient inpatient"),
        (2018, "6", "R10", "", "inpatient inpatient"),
        (2018, "", "R80", "", "other_contact unknown"),
        (2019, "", "R80", "", "inpatient inpatient"),
        (2019, "1", "R10", "", "inpatient inpatient"),
        (2019, "1", "", "", "inpatient inpatient"),
        (2019, "1", "R20", "", "outpatient home_visit"),
        # urgency: letters until 2014, 1 and 2 in 2015-2018, 3 to 6 from 2019 on
        (2014, "1", "", "K", "inpatient inpatient_unplanned"),
        (2014, "1", "", "V", "inpatient inpatient_unplanned"),
        (2014, "1", "", "E", "inpatient inpatient_planned"),
        (2014, "1", "", "1", "inpatient inpatient"),
        (2015, "1", "", "K", "inpatient inpatient"),
        (2015, "1", "", "1", "inpatient inpatient_unplanned"),
        (2018, "1", "", "2", "inpatient inpatient_planned"),
        (2019, "1", "R80", "1", "inpatient inpatient"),
        (2019, "1", "R80", "3", "inpatient inpatient_unplanned"),
        (2019, "1", "R80", "4", "inpatient inpatient_planned"),
        # emergency care
        (2018, "91", "", "1", "emergency visit"),
        (2018, "", "R10", "6", "other_contact unknown"),
        (2019, "", "R10", "6", "emergency visit"),
        (2021, "", "R40", "5", "emergency visit"),
        (2021, "", "R10", "E", "outpatient visit"),
        # at a distance: R52 and R56 from 2019 on; R50 to R55 whenever they come
        (2018, "", "R52", "", "other_contact unknown"),
        (2019, "", "R52", "", "outpatient remote"),
        (2018, "", "R50", "", "outpatient remote"),
        (2022, "", "R50", "", "outpatient remote"),
        # specialist visits, and what is no contact or no care
        (2018, "92", "", "E", "outpatient visit"),
        (2018, "94", "", "E", None),
        (2021, "", "R60", "", None),
        (2018, "ZZ", "", "", None),
        # housing: the law of 2023
        (2022, "32", "", "", "round_the_clock_care round_the_clock"),
        (2023, "32", "", "", "round_the_clock_care round_the_clock"),
        (2022, "38", "", "", "service_housing service_housing"),
        (2023, "38", "", "", "communal_housing communal_housing"),
        (2023, "86", "", "", "social day_activity"),
    ],
)
def test_hilmo_by_year(deliver, year, pala, form, urgency, found):
    registers = deliver(
        hilmo=f"""HILMO_ID;TNRO;VUOSI;PALA;YHTEYSTAPA;KIIREELLISYYS;TUPVA;LPVM
        1;1;{year};{pala};{form};{urgency};1.6.{year};3.6.{year}"""
    )
    assert what(registers) == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("form_of_service", "form", "year", "found"),
    [
        ("T11", "R10", 2020, "primary_care visit"),
        ("T71", "R41", 2020, "mental_health visit, mental_health mental_health"),
        ("T71", "R20", 2020, "mental_health home_visit, mental_health mental_health"),
        ("T73", "R10", 2020, "mental_health visit, mental_health substance_use"),
        ("T73", "R51", 2022, "mental_health remote, mental_health substance_use"),
        ("T73", "R52", 2018, "other_contact R52"),
        ("T73", "R52", 2019, "mental_health remote, mental_health substance_use"),
        ("T71", "R60", 2020, None),
        ("T74", "R10", 2020, "primary_care visit"),
        ("T11", "R20", 2020, "primary_care home_visit"),
        ("T40", "R20", 2020, "home_care home_visit"),
        ("T41", "R20", 2020, "home_care home_visit"),
        ("T40", "R52", 2020, "home_care remote"),
        ("T43", "R20", 2020, "primary_care home_visit"),  # hospital at home is no home care
        ("T60", "R10", 2020, "oral_health visit"),
        ("T30", "R10", 2020, "occupational_health visit"),
        ("T11", "R51", 2018, "primary_care remote"),
        ("T11", "R51", 2022, "primary_care remote"),
        ("T11", "R52", 2018, "other_contact R52"),
        ("T11", "R56", 2019, "primary_care remote"),
        ("T11", "R71", 2020, None),
    ],
)
def test_avohilmo_by_form(deliver, form_of_service, form, year, found):
    registers = deliver(
        avohilmo=f"""AVOHILMO_ID;TNRO;KAYNTI_ALKOI;KAYNTI_PALVELUMUOTO;KAYNTI_YHTEYSTAPA
        1;1;1.6.{year} 10:00;{form_of_service};{form}"""
    )
    assert what(registers) == ([] if found is None else found.split(", "))


@pytest.mark.parametrize(("year", "system"), [(1986, "ICD-8"), (1995, "ICD-9"), (1996, "ICD-10")])
def test_codes_of_diagnoses_follow_the_year(deliver, year, system):
    registers = deliver(
        hilmo=f"HILMO_ID;TNRO;PALA;TUPVA;LPVM\n1;1;1;1.6.{year};3.6.{year}", hilmo_diag="HILMO_ID;TNRO;KOODI\n1;1;4280"
    )
    assert registers.events["code_system"].tolist() == [system]


def test_diagnoses_in_the_main_row_are_read_where_there_is_no_table_of_them(deliver):
    registers = deliver(hilmo="HILMO_ID;TNRO;PALA;TUPVA;LPVM;PDG;SDG1\n1;1;1;1.6.2018;3.6.2018;I50.0;e119")
    assert registers.events["code"].tolist() == ["E119", "I500"]


@pytest.mark.parametrize(
    ("child", "header", "row", "found"),
    [
        (
            "hilmo_toimp",
            "HILMO_ID;TNRO;TOIMP;TOIMPALKUPVM",
            "1;1;NFB30;2.6.2020 08:30",
            "outpatient NCSP NFB30 2020-06-02",
        ),
        (
            "hilmo_laakitys",
            "HILMO_ID;TNRO;MAAR_PVM;ATC",
            "1;1;15MAY2020:00:00:00;c07ab02",
            "prescription ATC C07AB02 2020-05-15",
        ),
        ("avohilmo_toimenpide", "AVOHILMO_ID;TNRO;TOIMENPIDE", "1;1;1053", "primary_care SPAT SPAT1053 2020-06-01"),
        ("avohilmo_toimenpide", "AVOHILMO_ID;TNRO;TOIMENPIDE", "1;1;XX1AA", "primary_care NCSP XX1AA 2020-06-01"),
        (
            "avohilmo_laake",
            "AVOHILMO_ID;TNRO;LAAKEAINE;LAAKE_MAARATTY",
            "1;1;A10BA02;",
            "prescription ATC A10BA02 2020-06-01",
        ),
        (
            "avohilmo_lahete",
            "AVOHILMO_ID;TNRO;LAHETE_ERIKOISALA;LAHETE_AJANKOHTA",
            "1;1;20;3.6.2020",
            "referral EA 20 2020-06-03",
        ),
        (
            "avohilmo_rokotus",
            "AVOHILMO_ID;TNRO;LAAKEAINE;ROKOTE_ANTOPVM",
            "1;1;J07BB02;1.6.2020",
            "vaccination ATC J07BB02 2020-06-01",
        ),
        (
            "avohilmo_kotihoito",
            "AVOHILMO_ID;TNRO;OMAISHOIDONTUKI;ATERIAPALVELU",
            "1;1;1;0",
            "social service informal_care 2020-06-01",
        ),
        (
            "avohilmo_icpc2",
            "AVOHILMOID;FID;JARJESTYS;LUOKITUSLUOKKA",
            "1;1;1;k86",
            "primary_care ICPC-2 K86 2020-06-01",
        ),
    ],
)
def test_child_tables_take_person_and_source_from_their_rows(deliver, child, header, row, found):
    registers = deliver(
        hilmo="HILMO_ID;TNRO;YHTEYSTAPA;TUPVA;LPVM\n1;1;R60;1.6.2020;1.6.2020",
        avohilmo="AVOHILMO_ID;TNRO;KAYNTI_ALKOI;KAYNTI_YHTEYSTAPA\n1;1;1.6.2020;R72",
        **{child: f"{header}\n{row}"},
    )
    events = registers.events
    assert [
        " ".join([*row[:3], f"{row[3]:%Y-%m-%d}"])
        for row in zip(events["source"], events["code_system"], events["code"], events["time"], strict=True)
    ] == [found]


@pytest.mark.parametrize(("column", "date"), [("307", "1.11.2016"), ("215", "31.12.2016")])
def test_breaks_of_the_entitlements_are_counted_and_nothing_is_lost(deliver, column, date):
    registers = deliver(
        korvausoikeudet=f"""HETU;KORVAUSOIKEUS_KOODI;korvausoikeus_alpv
        1;{column};{date}
        2;{column};{"1.10.2016" if column == "307" else "1.1.2017"}"""
    )
    assert len(registers.events) == 2
    found = registers.findings
    assert found["n"].tolist() == [1]
    assert "code outside the days on which it was granted" in found.iloc[0].tolist()


def test_a_stay_in_the_census_of_every_year_is_one_stay(deliver):
    rows = "\n".join(f"1;{year};2;32;1.5.2015;" for year in range(2015, 2024))
    registers = deliver(soshilmo=f"TNRO;VUOSI;ILAJI;PALA;TUPVA;LPVM\n{rows}")
    assert registers.stays["start"].astype(str).tolist() == ["2015-05-01"]
    assert registers.stays["end"].isna().all()
    assert set_aside(registers) == {"soshilmo.csv": 8, "vaesto.csv": 0}


@pytest.mark.parametrize(
    ("visits", "spells"),
    [
        ((), [("2020-01-01", None)]),  # no visits of the person at all: care by voucher, say
        (("2023-12-01",), [("2020-01-01", None)]),  # silent for four years, but the rule counts from visits only
        (("2020-02-01",), [("2020-01-01", "2020-07-30")]),
        (("2020-02-01", "2020-07-30", "2023-12-30"), [("2020-01-01", "2021-01-26"), ("2023-12-30", None)]),
    ],
)
def test_open_home_care_ends_after_180_days_of_silence(deliver, visits, spells):
    rows = "".join(f"1;{visit};30\n" for visit in visits)
    registers = deliver(
        paatokset="TNRO;PALVELU;TOTEUTUNUT_ALKU\n1;kotihoito;1.1.2020",
        kotihoito=f"TNRO;KAYNTI_ALKOI;TOTEUTUNUT_MIN\n2;1.1.2020;30\n{rows}",
    )
    ends = [None if pd.isna(end) else f"{end:%Y-%m-%d}" for end in registers.stays["end"]]
    assert list(zip(registers.stays["start"].astype(str), ends, strict=True)) == spells


@pytest.mark.parametrize("cut", ["2020-03-01", "2020-09-01", "2021-03-01", "2022-06-01"])
def test_an_assumed_end_does_not_depend_on_what_came_later(deliver, cut):
    """Registers cut at a day tell the same about the days before it as registers that know everything."""
    visits = ["2020-01-05", "2020-02-01", "2020-10-01", "2021-01-01", "2022-12-01"]
    decision = "TNRO;PALVELU;TOTEUTUNUT_ALKU\n1;kotihoito;1.1.2020"

    def spells(days):
        rows = "".join(f"1;{day};30\n" for day in days)
        stays = deliver(paatokset=decision, kotihoito=f"TNRO;KAYNTI_ALKOI;TOTEUTUNUT_MIN\n{rows}").stays
        return np.array([stays["start"].fillna("2999-01-01"), stays["end"].fillna("2999-01-01")], dtype="datetime64[D]")

    def in_care(days) -> set:
        begin, end = spells(days)
        every = np.arange("2020-01-01", cut, dtype="datetime64[D]")
        return {str(day) for day in every if ((begin <= day) & (day < end)).any()}

    assert in_care(visits) == in_care([day for day in visits if day < cut])


def _days(dates: pd.Series) -> list[str | None]:
    return [None if pd.isna(date) else f"{date:%Y-%m-%d}" for date in dates]


@pytest.mark.parametrize(
    ("days", "spell"),
    [
        (range(0, 70, 7), ("2020-01-01", "2020-03-18", "2020-03-04")),  # once a week, ten times: the last on 4 March
        (range(0, 49, 7), None),  # seven weeks
        (range(0, 140, 14), None),  # every other week
        ((0, 20, *range(40, 110, 7)), ("2020-02-10", "2020-04-27", "2020-04-13")),  # regular from the third visit on
        ((*range(0, 63, 7), 80, *range(100, 120)), None),  # 56 days, then silence
        (range(0, 1_461, 7), ("2020-01-01", None, "2020-03-04")),  # still going on
    ],
)
def test_home_care_from_visits_where_no_decisions_are_delivered(deliver, days, spell):
    dates = pd.Timestamp("2020-01-01") + pd.to_timedelta(list(days), unit="D")
    rows = "".join(f"1;{date:%d.%m.%Y};30\n" for date in dates if date < pd.Timestamp("2024-01-01"))
    stays = deliver(kotihoito=f"TNRO;KAYNTI_ALKOI;TOTEUTUNUT_MIN\n{rows}").stays
    columns = [_days(stays[name]) for name in ("start", "end", "available_at")]
    assert list(zip(*columns, strict=True)) == ([] if spell is None else [spell])


def test_a_later_decision_ends_an_open_one(deliver):
    registers = deliver(paatokset="TNRO;PALVELU;TOTEUTUNUT_ALKU\n1;kotihoito;1.1.2020\n1;Kotihoito;1.1.2021")
    assert _days(registers.stays["end"]) == ["2021-01-01", None]


def test_residences_give_area_and_time_in_it(deliver):
    registers = deliver(
        asuminen="""TNRO;MUNICIPALITY;START_OF_RESIDENCE;END_OF_RESIDENCE
        1;905;1.1.1990;31.12.2010
        1;231;1.1.2011;30.6.2020
        2;905;1.1.1990;
        3;999;1.1.1990;"""
    )
    persons = registers.persons
    assert persons["area"].tolist() == ["Kaskinen", "Vaasa", "unknown"]
    assert persons["registered_from"].astype(str).tolist() == ["1990-01-01"] * 3
    assert _days(persons["registered_to"]) == ["2020-07-01", None, None]


def test_a_diagnosis_that_two_registers_tell_counts_once_where_the_coverage_gives_them_an_order(deliver):
    tables = {
        "hilmo": "HILMO_ID;TNRO;PALA;YHTEYSTAPA;TUPVA;LPVM;PDG\n1;1;92;R10;1.6.2020;1.6.2020;I50.0",
        "avohilmo": "AVOHILMO_ID;TNRO;KAYNTI_ALKOI;KAYNTI_PALVELUMUOTO;KAYNTI_YHTEYSTAPA\n1;1;1.6.2020 15:00;T11;R10",
        "avohilmo_icd10": "AVOHILMO_ID;TNRO;ICD10\n1;1;i500",
    }
    told_twice = deliver(**tables).events
    order = "LAHDE;ETUSIJA\noutpatient;1\nprimary_care;2"
    once = deliver(kattavuus=order, **tables)
    sources = [events.loc[events["code"] == "I500", "source"].tolist() for events in (told_twice, once.events)]
    assert sources == [["outpatient", "primary_care"], ["outpatient"]]
    assert once.account.set_index("table").loc["events", "set_aside"] == 1
    assert (once.events["code"] == "visit").sum() == 2


# What is refused -----------------------------------------------------------------------------------------------------


def test_all_missing_columns_and_tables_are_told_at_once(deliver):
    with pytest.raises(RegisterError) as caught:
        deliver(
            hilmo="HILMO_ID;TNRO;LPVM\n1;1;1.1.2020", avohilmo_icd10="AVOHILMO_ID;ICD10\n1;I10", rai="TNRO;CPS\n1;2"
        )
    message = str(caught.value)
    assert "hilmo.csv, TUPVA: the column is missing" in message
    assert "rai.csv, ARVIOINTIPVM: the column is missing" in message
    assert "avohilmo_icd10.csv: its rows belong to avohilmo, which is missing" in message


def test_a_folder_without_a_population_register_is_refused(tmp_path):
    (tmp_path / "rai.csv").write_text("TNRO;ARVIOINTIPVM;CPS\n1;1.1.2020;2\n")
    with pytest.raises(RegisterError, match="VAESTO: there is no file with the population register"):
        read_hilmo(tmp_path)


def test_dates_of_the_wrong_shape_are_refused_with_their_rows_and_not_shown(deliver):
    with pytest.raises(RegisterError) as caught:
        deliver(rai="TNRO;ARVIOINTIPVM;CPS\n1;01/02/2020;2", tolerance=0.01)
    assert "rai.csv, ARVIOINTIPVM: no date in 1 of 1 rows" in str(caught.value)
    assert "01/02" not in str(caught.value)


def test_no_persons_make_empty_registers(deliver):
    registers = deliver(people="TNRO;SYNTYMAPVM;SUKUPUOLI", rai="TNRO;ARVIOINTIPVM;CPS\n1;1.1.2020;2")
    assert len(registers.persons) == len(registers.events) == 0
    assert set_aside(registers) == {"rai.csv": 1, "vaesto.csv": 0}


# The tables of rules themselves --------------------------------------------------------------------------------------


def test_every_column_of_the_column_table_has_a_source_and_belongs_to_a_table():
    columns, tables = data_rows("hilmo_columns"), data_rows("hilmo_tables")
    assert set(columns["table"]) == set(tables["table"]) - {""}
    assert (columns["cited"] != "").all()
    assert not columns.duplicated(["table", "column"]).any()
    assert set(columns["holds"]) == {"", "person", "key", "date", "number", "code", "text"}


@pytest.mark.parametrize("table", ["hilmo", "soshilmo", "avohilmo"])
def test_every_rule_can_be_the_first_that_fits(table):
    """No rule stands in the shadow of the rules before it."""
    rules = rules_of(table)
    for number, rule in enumerate(rules):
        for earlier in rules[:number]:
            wider = all(_covers(earlier[field], rule[field]) for field in FIELDS)
            longer = (earlier["valid_from"] or "0") <= (rule["valid_from"] or "0")
            longer &= (earlier["valid_to"] or "9") >= (rule["valid_to"] or "9")
            assert not (wider and longer), f"{rule['note']} comes after {earlier['note']}"


def _covers(wide: str, narrow: str) -> bool:
    return not wide or (bool(narrow) and set(narrow.split()) <= set(wide.split()))


def test_rules_name_columns_that_their_tables_have():
    for table in ("hilmo", "soshilmo", "avohilmo"):
        held = {row["column"] for row in columns_of(table) if row["holds"]}
        used = {
            name for rule in rules_of(table) for field in FIELDS if rule[field] for name in field_columns(table, field)
        }
        missing = used - held
        assert missing <= ({"YHTEYSTAPA", "KIIREELLISYYS"} if table == "soshilmo" else set()) | {
            "TUSYY1",
            "TUSYY2",
            "TUSYY3",
        }
