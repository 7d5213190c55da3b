"""The quality of registers: signs in the whole, each with the data that show it, and the report with nothing small."""

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from servicenee import Registers, check_registers
from servicenee.html import value_text
from servicenee.registers import (
    code_systems,
    lag_curve,
    register_report,
    register_summary,
    source_table,
    weekly_volumes,
)
from servicenee.registers.quality_report import _fault, _key
from servicenee.texts import LANGUAGES, text

MARKER = "MARKER99"
FIRST, LAST = "2021-01-04", "2023-12-31"  # 156 weeks from a Monday
RNG = np.random.default_rng(0)


def daily(per_day=3, *, source="emergency", system="contact", code="visit", first=FIRST, last=LAST, **columns):
    """So many events a day, of twenty persons in turn."""
    times = np.repeat(pd.date_range(first, last).to_numpy(dtype="datetime64[us]"), per_day)
    times = times + (np.arange(len(times)) % per_day * 60).astype("timedelta64[m]")
    person = [f"p{n % 20}" for n in range(len(times))]
    table = {"person_id": person, "time": times, "source": source, "code_system": system, "code": code}
    return pd.DataFrame(table | columns)


def registers(*events: pd.DataFrame, coverage=None, **persons) -> Registers:
    table = {"person_id": [MARKER, *(f"p{n}" for n in range(20))], "birth_date": pd.Timestamp("1940-01-01")}
    stacked = pd.concat(events, ignore_index=True)
    people = pd.DataFrame(table | {"sex": "female"} | persons)
    return Registers(people, stacked, coverage=coverage, extract_date="2024-01-01", tolerance=1.0)


def between(table: pd.DataFrame, first: str, last: str) -> pd.Series:
    return (table["time"] >= first) & (table["time"] < last)


def found(made: Registers) -> dict[tuple[str, str], tuple]:
    listed = check_registers(made)
    assert MARKER not in listed.to_csv()
    return {(one.fault, one.column): (one.n, one.first_rows) for one in listed.itertuples()}


# --- signs -----------------------------------------------------------------------------------------------------------


def test_an_even_flow_of_good_rows_has_no_findings():
    assert found(registers(daily(), daily(source="laboratory", system="lab", code="Hb"))) == {}


def test_weeks_without_rows_are_counted_and_dated():
    table = daily()
    made = registers(table[~between(table, "2022-03-07", "2022-03-21")], daily(source="outpatient"))
    assert found(made) == {("weeks without rows", "emergency"): (2, "2022-03-07, 2022-03-14")}
    volumes = weekly_volumes(made)
    assert volumes.loc[volumes["mark"] == "gap", "source"].tolist() == ["emergency", "emergency"]
    assert volumes["n"].sum() == len(made.events)


@pytest.mark.parametrize(("kept", "outage"), [(0, True), (2, True), (4, False)], ids=["none", "half", "most"])
def test_a_thin_last_complete_week_is_an_outage(kept, outage):
    table = daily(5)
    last = between(table, "2023-12-25", "2024-01-01")
    made = registers(table[~last | (np.arange(len(table)) % 5 < kept)])
    assert (("last complete week under 60 % of the usual", "emergency") in found(made)) == outage


def test_weeks_that_the_reporting_lag_leaves_open_are_neither_gap_nor_outage():
    table = daily()
    coverage = pd.DataFrame({"source": ["emergency"], "reporting_lag_days": [30]})
    made = registers(table[table["time"] < "2023-12-04"], coverage=coverage)
    assert found(made) == {}
    assert weekly_volumes(made)["mark"].tolist()[-4:] == ["late"] * 4


def test_a_source_of_few_rows_has_no_gaps():
    table = daily(1)
    assert found(registers(table[::5])) == {}


def test_a_source_that_begins_late_needs_a_coverage_that_says_so():
    events = daily(), daily(source="rai", system="RAI", code="CPS", first="2022-01-03")
    fault = ("rows begin later than those of other sources; coverage does not say so", "rai")
    assert found(registers(*events)) == {fault: (364, "2022-01-03")}
    coverage = pd.DataFrame({"source": ["emergency", "rai"], "from": pd.to_datetime(["2021-01-01", "2022-01-01"])})
    assert found(registers(*events, coverage=coverage)) == {}


@pytest.mark.parametrize(("days", "late"), [(30, False), (31, True)])
def test_rows_later_than_the_reporting_lag_are_told(days, late):
    table = daily()
    table["available_at"] = table["time"].where(table.index != 7, table["time"] + pd.Timedelta(days=days))
    coverage = pd.DataFrame({"source": ["emergency"], "reporting_lag_days": [30]})
    fault = ("available later than the reporting lag of the source", "emergency")
    assert found(registers(table, coverage=coverage)) == ({fault: (1, "")} if late else {})


def test_a_stay_later_than_the_reporting_lag_is_told():
    stays = pd.DataFrame({"person_id": ["p1", "p2"], "source": "inpatient", "kind": "inpatient"})
    stays["start"] = stays["end"] = pd.Timestamp("2022-03-01")
    stays["available_at"] = pd.to_datetime(["2022-03-31", "2022-04-01"])
    coverage = pd.DataFrame({"source": ["emergency", "inpatient"], "reporting_lag_days": [0, 30]})
    made = registers(daily(), coverage=coverage)
    made = Registers(made.persons, made.events, stays, coverage=coverage, extract_date=made.extract_date)
    assert found(made)["available later than the reporting lag of the source", "inpatient"] == (1, "")


def test_rows_of_persons_who_lived_elsewhere():
    made = registers(daily(), registered_from=pd.Timestamp("2021-06-01"))
    n = int(between(daily(), FIRST, "2021-06-01").sum())
    assert found(made) == {("person not registered in the area at the time", "emergency"): (n, "")}


@pytest.mark.parametrize(
    ("system", "code", "fault"),
    [
        ("ICD-10", "E119", None),
        ("ICD-10", "250.0", "code without the shape of its system's codes"),
        ("ICD-10", "E1O.9", "letter O where a zero seems to be meant"),
        ("ICD-10", "-1", "no code"),
        ("ATC", "012345", "code without the shape of its system's codes"),
        ("home made", "???", None),
    ],
    ids=["good", "ICD-9 in ICD-10", "letter O", "missing token", "product number in ATC", "unknown system"],
)
def test_codes_without_the_shape_of_their_system(system, code, fault):
    made = registers(daily(), daily(source="inpatient", system=system, code=code))
    n = len(daily())
    assert found(made) == ({} if fault is None else {(fault, system): (n, "")})


def test_a_level_shift_of_a_code_chapter_is_dated():
    early, late = daily(last="2022-06-30"), daily(6, first="2022-07-01")
    stable = daily(20, source="inpatient", system="ICD-10", code="I10")
    shifted = [part.assign(source="inpatient", code_system="ICD-10", code="E119") for part in (early, late)]
    assert found(registers(stable, *shifted)) == {
        ("level shift in the monthly volume", "inpatient: ICD-10 E"): (1, "2022-07")
    }


def test_a_spike_of_a_code_chapter_is_dated():
    spike = daily(40, source="inpatient", system="ICD-10", code="E119", first="2022-03-01", last="2022-03-31")
    usual = daily(source="inpatient", system="ICD-10", code="E119")
    signs = found(registers(usual, spike))
    assert signs["spike in the monthly volume", "inpatient: ICD-10 E"] == (1, "2022-03")


def _values(*groups, unit="mmol/mol") -> pd.DataFrame:
    """Glycated haemoglobin, log-normal around each of the medians."""
    table = daily(1, source="laboratory", system="lab", code="HbA1c")
    median = np.array([groups[n % len(groups)] for n in range(len(table))])
    return table.assign(value=median * np.exp(RNG.normal(0, 0.2, len(table))), unit=unit)


def test_values_of_two_units_under_one_name_are_told_and_never_converted():
    made = registers(_values(48.0, 48.0, 48.0, 6.5))
    (fault, column), (n, _) = next(iter(found(made).items()))
    assert (fault, column) == ("values in two groups far apart, as of two units", "lab HbA1c")
    assert n == pytest.approx(len(_values(1.0)) / 4, abs=2)
    assert made.events["value"].min() < 10


def test_one_unit_and_a_wide_spread_are_no_fault():
    assert found(registers(_values(48.0))) == {}


def test_several_units_under_one_code_count_the_rarer_ones():
    table = _values(48.0)
    mixed = table.assign(unit=np.where(np.arange(len(table)) % 10 == 0, "%", "mmol/mol"))
    n = int((np.arange(len(table)) % 10 == 0).sum())
    assert found(registers(mixed)) == {("several units under one code", "lab HbA1c"): (n, "")}


def test_persons_of_unknown_birth_or_area():
    births = pd.Series([pd.Timestamp("1940-01-01")] * 18 + [pd.NaT] * 3)
    signs = found(registers(daily(), birth_date=births, area=["a"] * 20 + [None]))
    # Rows of `registers.persons`, which is in order of id: p17, p18 and p19 stand between p16 and p2.
    assert signs == {("unknown", "birth_date"): (3, "10, 11, 12"), ("unknown", "area"): (1, "12")}


def test_what_reading_found_comes_first():
    late = daily(1, first="2024-02-01", last="2024-02-07")
    listed = check_registers(registers(daily(), late))
    assert listed.iloc[0][["fault", "n", "action"]].tolist() == ["after extract_date", 7, "set aside"]


# --- tables ----------------------------------------------------------------------------------------------------------


def test_the_lag_curve_is_the_share_that_had_arrived():
    table = daily(1)
    waited = np.where(np.arange(len(table)) % 4 == 0, 20, 2).astype("timedelta64[D]")
    curve = lag_curve(registers(table.assign(available_at=table["time"] + waited), daily(source="other")))
    share = curve.set_index(["source", "days"])["share"]
    assert share["emergency", 1] == 0
    assert share["emergency", 3] == pytest.approx(0.75, abs=0.001)
    assert share["emergency", 30] == 1
    assert "other" not in set(curve["source"])


def test_sources_show_rows_and_coverage():
    coverage = pd.DataFrame({"source": ["emergency"], "from": [pd.Timestamp("2020-01-01")], "reporting_lag_days": [7]})
    row = source_table(registers(daily(), coverage=coverage)).iloc[0]
    assert row.tolist() == [
        "events",
        "emergency",
        len(daily()),
        *pd.to_datetime([FIRST, LAST, "2020-01-01", "2024-01-01"]),
        7,
    ]


def test_code_systems_tell_what_was_recognised():
    half = daily(2, source="inpatient", system="ICD-10")
    made = registers(half.assign(code=np.where(np.arange(len(half)) % 2 == 0, "E11.9", "???")))
    row = code_systems(made).iloc[0]
    assert row.tolist() == ["ICD-10", len(half), 2, 0.0, 0.5]


# --- the report ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def damaged() -> Registers:
    table = daily(5)
    table = table[~between(table, "2022-03-07", "2022-03-21") & ~between(table, "2023-12-25", "2024-01-01")]
    few = daily(1, source="rare", code=MARKER, first="2022-01-01", last="2022-01-03")
    late = daily(1, first="2024-02-01", last="2024-02-02")
    return registers(table, few, late)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_holds_everything_in_the_language_and_nothing_small(damaged, tmp_path, language):
    page = register_report(damaged, tmp_path / "quality.html", language=language).read_text("utf-8")
    assert f'<html lang="{language}">' in page
    assert "data:image/svg+xml;base64," in page
    assert MARKER not in page
    cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", page)
    row = cells.index(_fault("after extract_date", language))
    assert cells[row + 3 : row + 5] == ["&lt;5", "–"]  # two rows, of a share and at rows that nobody learns
    account = [
        cells[at + 1 : at + 5] for at, cell in enumerate(cells) if cell == text("quality.table.events", language)
    ]
    n = value_text(len(damaged.events) + 2, language=language)
    assert [n, "–", "0", "&lt;5"] in account  # the unchanged rows would give away the two that were set aside
    rare = [cells[at + 1 : at + 3] for at, cell in enumerate(cells) if cell == "rare"]
    assert ["&lt;5", "–"] in rare  # three rows: neither how many nor from when to when


def test_the_summary_leads_with_the_outage_and_draws_the_weeks(damaged):
    told = register_summary(damaged, language="en")
    assert told.splitlines()[2].startswith("Caution: a feed seems to have stopped (Emergency visits)")
    assert MARKER not in told
    bars = next(line for line in told.splitlines() if line.startswith("Emergency visits") and "█" in line)
    assert bars.endswith("·")


def test_the_same_registers_give_the_same_page(damaged, tmp_path):
    pages = [register_report(damaged, tmp_path / f"{n}.html").read_bytes() for n in range(2)]
    assert pages[0] == pages[1]


def test_registers_of_nobody_have_a_report(tmp_path):
    made = registers(daily()[:0])
    assert len(check_registers(made)) == 0
    assert "No faults or interruptions were found." in register_summary(made)
    assert register_report(made, tmp_path / "quality.html").stat().st_size > 1_000


def test_an_unknown_language_is_refused(damaged, tmp_path):
    with pytest.raises(ValueError, match="`language` must be one of 'fi', 'sv', 'en'; got 'de'"):
        register_report(damaged, tmp_path / "quality.html", language="de")


@pytest.mark.parametrize("text", ["TÃ¶ysÃ¤", "T\ufffdys\ufffd"], ids=["UTF-8 as Latin-1", "replaced"])
def test_text_in_a_wrong_encoding(text):
    made = registers(daily(), area=["Töysä"] * 20 + [text])
    assert found(made) == {("text read in another encoding than it was written in", "area"): (1, "12")}


def test_the_same_diagnosis_from_several_sources():
    once = daily(source="inpatient", system="ICD-10", code="I50")
    made = registers(once, once.assign(source="primary_care")[::10])
    assert found(made)["the same code, person and day in several sources", "source"] == (-(-len(once) // 10), "")


def test_home_care_without_visits_may_be_decisions():
    days = pd.date_range("2021-02-01", periods=5).astype("datetime64[us]")
    stays = pd.DataFrame({"person_id": "p1", "start": days, "end": days + pd.Timedelta(1, "D")})
    stays = stays.assign(source="home_care", kind="home_care")
    people = pd.DataFrame({"person_id": ["p1"], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["female"]})
    events = daily(1).assign(person_id="p1")
    fault = "stays without any visit: starts may be decisions"
    for source, told in (("emergency", True), ("home_care", False)):
        made = Registers(people, events.assign(source=source), stays, extract_date="2024-01-01")
        assert ((fault, "home_care") in found(made)) == told


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_of_the_fixture_has_its_words(language):
    with (Path(__file__).parents[1] / "data" / "faults.csv").open(encoding="utf-8", newline="") as lines:
        faults = {row["finding"] for row in csv.DictReader(lines)} - {""}
    for fault in faults:
        assert text(_key(fault), language)


def test_a_notebook_shows_coverage_and_what_was_found(person):
    clean, faulty = person(["2023-01-01"]), person(["2023-01-01", "2023-01-01"])
    assert "No findings" in clean._repr_html_()
    shown = faulty._repr_html_()
    assert repr(faulty) in shown
    assert "exact duplicate" in shown
    assert "reporting_lag_days" in shown
