"""Service mix, cost, days at home and indicators, counted by hand on persons who fit into a table."""

import numpy as np
import pandas as pd
import pytest

from servicenee import make_registers
from servicenee.impact import (
    avoidable_admissions,
    days_at_home,
    indicator_definitions,
    indicator_rates,
    last_years,
    service_cost,
    service_mix,
    unit_costs,
)
from servicenee.impact.residents import NOT_COVERED, TOO_FEW

YEAR, COPIES = [("2023-01-01", "2024-01-01")], 12
HOSPITAL = {"stays": [("2023-03-01", "2023-03-11", "inpatient_unplanned")]}


def value_of(table: pd.DataFrame, indicator: str) -> float:
    """The value of one indicator of a table with one group."""
    found = table[table["indicator"] == indicator]
    assert len(found) == 1
    return float(found["value"].iloc[0])


def per_1000(days: float, of: float = 365) -> float:
    return 1000 * days / of


# --- service mix -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "level", "days"),
    [
        (HOSPITAL, "hospital", 10),
        ({"stays": [("2022-12-01", "2023-01-11", "round_the_clock")]}, "round_the_clock", 10),
        ({"stays": [("2023-12-22", None, "round_the_clock")]}, "round_the_clock", 10),
        ({"stays": [("2023-03-01", "2023-03-11", "round_the_clock"), ("2023-03-05", "2023-03-15", "interval_care")]},
         "round_the_clock", 14),
        ({"stays": [("2023-03-01", "2023-03-31", "home_care"), ("2023-03-11", "2023-03-16", "inpatient_planned")]},
         "light_home_care", 25),
        ({"events": [("2023-05-01", "emergency", "visit"), ("2023-05-01", "primary_care", "visit")]}, "hospital", 1),
        ({"events": [("2023-05-01", "primary_care", "visit"), ("2023-05-01", "primary_care", "remote")]}, "clinic", 1),
        ({"events": [("2023-05-01", "primary_care", "remote"), ("2024-01-01", "primary_care", "remote")]},
         "digital", 1),
        ({"events": [("2023-05-01", "home_care", "home_visit", 2.0), ("2023-05-07", "home_care", "home_visit", 2.0)]},
         "heavy_home_care", 7),
        ({"events": [("2023-05-07", "home_care", "home_visit", 2.0), ("2023-05-08", "home_care", "home_visit", 2.0)]},
         "heavy_home_care", 0),
    ],
    ids=["in hospital", "begun before", "still open", "overlap once", "heaviest of the day", "emergency", "clinic",
         "period is half-open", "four hours in a week", "four hours in two weeks"],
)  # fmt: skip
def test_a_day_belongs_to_its_heaviest_service(person, level, days, registers_of):
    mix = service_mix(registers_of(person), periods=YEAR)
    assert value_of(mix, f"level.{level}") == pytest.approx(per_1000(days))
    levels = mix[mix["indicator"].str.startswith("level.")]
    assert levels["value"].sum() == pytest.approx(1000)


@pytest.mark.parametrize(
    ("stays", "heavier", "lighter"),
    [
        ([("2023-02-01", None, "home_care")], 1, 0),
        ([("2023-02-01", "2023-05-01", "home_care")], 1, 1),
        ([("2023-02-01", "2023-05-01", "home_care"), ("2023-05-01", None, "round_the_clock")], 2, 0),
        ([("2023-02-01", "2023-02-05", "inpatient_planned"), ("2023-02-05", "2023-02-09", "inpatient_planned")], 1, 1),
        ([("2022-02-01", "2024-02-01", "home_care")], 0, 0),
    ],
    ids=["starts", "starts and ends", "home care, then round the clock", "a transfer is no move", "before and after"],
)
def test_moves_are_counted_once(stays, heavier, lighter, registers_of):
    mix = service_mix(registers_of({"stays": stays}), periods=YEAR)
    assert value_of(mix, "moves.heavier") == pytest.approx(100 * heavier / (365 / 365.25))
    assert value_of(mix, "moves.lighter") == pytest.approx(100 * lighter / (365 / 365.25))
    assert value_of(mix, "moves.net_lighter") == pytest.approx(100 * (lighter - heavier) / (365 / 365.25))


def test_a_stay_that_death_ends_is_no_move_to_a_lighter_service(registers_of):
    person = {"stays": [("2022-02-01", "2023-07-01", "round_the_clock")], "death_date": "2023-07-01"}
    mix = service_mix(registers_of(person), periods=YEAR)
    assert value_of(mix, "moves.lighter") == 0
    assert value_of(mix, "marker.deaths") > 1000


def test_markers_of_unmet_need_stand_beside_the_mix(registers_of):
    requests = pd.DataFrame(
        {
            "person_id": [f"p0c{copy:02d}" for copy in range(COPIES)],
            "requested": pd.Timestamp("2023-05-01"),
            "met": pd.to_datetime(["2023-05-03"] * 6 + [None] * 6),
        }
    )
    mix = service_mix(registers_of({}, requests=requests), periods=YEAR)
    assert value_of(mix, "marker.met_in_time") == 0.5
    assert value_of(mix, "marker.still_waiting") == 0.5
    without = service_mix(registers_of({}), periods=YEAR)
    assert {"marker.emergency_visits", "marker.deaths"} <= set(without["indicator"])


# --- days at home ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "zero_days", "alive"),
    [
        ({}, 365, 365),
        (HOSPITAL, 355, 355),
        ({"stays": [("2023-03-01", "2023-03-11", "inpatient_unplanned"),
                    ("2023-03-05", "2023-03-21", "interval_care")]}, 345, 345),
        ({"stays": [("2023-01-01", None, "home_care")]}, 365, 365),
        ({"death_date": "2023-07-02"}, 182, 365),
        ({"registered_to": "2023-07-02"}, 365, 365),
    ],
    ids=["at home", "in hospital", "overlap", "home care is home", "dead from July", "moved in July"],
)  # fmt: skip
def test_days_at_home(person, zero_days, alive, registers_of):
    registers = registers_of(person)
    assert value_of(days_at_home(registers, periods=YEAR), "days_at_home") == pytest.approx(zero_days)
    table = days_at_home(registers, periods=YEAR, death="per_alive_day")
    assert value_of(table, "days_at_home_alive") == pytest.approx(alive)


# --- cost ------------------------------------------------------------------------------------------------------------


def test_cost_is_amount_times_unit_cost_within_its_dates(registers_of):
    costs = pd.DataFrame(
        {
            "item": ["old", "new", "hours"],
            "level": ["hospital", "hospital", "home_care"],
            "codes": ["stay:inpatient", "stay:inpatient", "contact:=home_visit"],
            "source": ["", "", "home_care"],
            "unit": ["day", "day", "value"],
            "cost_eur": [500, 600, 50],
            "valid_from": [None, "2023-03-06", None],
            "valid_to": ["2023-03-06", None, None],
        }
    )
    visits = [("2023-05-01", "home_care", "home_visit", 1.5), ("2023-05-02", "home_care", "home_visit", 0.5)]
    cost = service_cost(registers_of(HOSPITAL | {"events": visits}, {}), periods=YEAR, costs=costs)
    per_year = 365.25 / 365 / 2  # two persons, one of whom is served
    assert value_of(cost, "cost.hospital") == pytest.approx((5 * 500 + 5 * 600) * per_year)
    assert value_of(cost, "cost.home_care") == pytest.approx(100 * per_year)
    assert value_of(cost, "cost.all") == pytest.approx(5600 * per_year)
    assert value_of(cost, "cost_per_served.hospital") == pytest.approx(5500)
    assert "marker.deaths" in set(cost["indicator"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda costs: costs.drop(columns="unit"), "missing are unit"),
        (lambda costs: costs.assign(unit="piece"), "unit must be one of visit, value, day; 8 of 8 rows differ"),
        (lambda costs: costs.assign(cost_eur=-1), "cost_eur must be at least 0; 8 of 8 rows"),
    ],
    ids=["column", "unit", "cost"],
)
def test_a_table_of_costs_that_cannot_be_used_is_refused(change, said, registers_of):
    with pytest.raises(ValueError, match=said):
        service_cost(registers_of({}), periods=YEAR, costs=change(unit_costs()))


# --- indicators ------------------------------------------------------------------------------------------------------


YEARS = 365 / 365.25


@pytest.mark.parametrize(
    ("indicator", "person", "value"),
    [
        ("living_at_home_75", {"stays": [("2023-05-01", None, "round_the_clock")]}, 0),
        ("living_at_home_75", {"stays": [("2023-05-01", "2023-06-01", "round_the_clock")]}, 100),
        ("home_care_coverage_75", {"stays": [("2023-05-01", None, "home_care")]}, 100),
        ("home_care_coverage_85", {"stays": [("2023-05-01", None, "home_care")], "birth_date": "1930-01-01"}, 100),
        ("round_the_clock_starts_75", {"stays": [("2023-05-01", None, "round_the_clock")]}, 1000 / YEARS),
        ("round_the_clock_starts_75", {"stays": [("2022-05-01", None, "round_the_clock")]}, 0),
        ("emergency_visits_75", {"events": [("2023-05-01", "emergency", "visit")] * 1}, 1000 / YEARS),
        ("unplanned_bed_days_75", HOSPITAL, 10_000 / YEARS),
        ("hip_fractures_65", {"events": [("2023-05-01", "emergency", "S720"), ("2023-05-02", "inpatient", "S7200"),
                                         ("2023-09-01", "emergency", "S721")]}, 20_000 / YEARS),
        ("avoidable_admissions_65", HOSPITAL | {"events": [("2023-03-01", "inpatient", "I500")]}, 100_000 / YEARS),
        ("avoidable_admissions_65", HOSPITAL | {"events": [("2023-03-01", "inpatient", "S720")]}, 0),
        ("avoidable_admissions_65", HOSPITAL | {"events": [("2023-03-12", "inpatient", "I500")]}, 0),
        ("deaths_75", {"death_date": "2023-12-31"}, 1000 / (364 / 365.25)),
        ("days_at_home_75", HOSPITAL, 355),
        ("heavy_days_65", HOSPITAL, per_1000(10)),
    ],
    ids=["in care at the end", "home again", "home care", "home care 85+", "new care", "care begun before",
         "emergency", "bed-days", "two fractures", "avoidable", "not avoidable", "diagnosis after the stay", "death",
         "days at home", "heavy days"],
)  # fmt: skip
def test_indicators_by_hand(indicator, person, value, registers_of):
    definitions = indicator_definitions()
    chosen = definitions[definitions["indicator"] == indicator]
    table = indicator_rates(registers_of(person), definitions=chosen, periods=YEAR)
    assert value_of(table, indicator) == pytest.approx(value)


def test_a_transfer_is_one_avoidable_admission(registers_of):
    stays = [("2023-03-01", "2023-03-05", "inpatient_unplanned"), ("2023-03-05", "2023-03-09", "inpatient_unplanned")]
    person = {"stays": stays, "events": [("2023-03-06", "inpatient", "I500"), ("2023-03-06", "inpatient", "N10")]}
    table = avoidable_admissions(registers_of(person), periods=YEAR)
    assert value_of(table, "avoidable.all") == pytest.approx(100_000 / YEARS)
    assert value_of(table, "avoidable.chronic") == value_of(table, "avoidable.all")
    assert value_of(table, "avoidable.vaccine") == 0


def test_a_county_adds_an_indicator_as_a_row(registers_of):
    row = (
        indicator_definitions()
        .head(1)
        .assign(indicator="strokes", measure="episodes", codes="ICD-10:I63", source="inpatient", min_age=65, per=1000)
    )
    person = {"events": [("2023-05-01", "inpatient", "I639")]}
    table = indicator_rates(registers_of(person), definitions=row, periods=YEAR)
    assert value_of(table, "strokes") == pytest.approx(1000 / YEARS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(columns="codes"), "missing are codes"),
        (lambda rows: rows.assign(measure="luck"), "`definitions.measure` must be one of"),
        (lambda rows: rows.assign(indicator="same"), "each indicator once"),
    ],
    ids=["column", "measure", "repeated"],
)
def test_definitions_that_cannot_be_used_are_refused(change, said, registers_of):
    with pytest.raises(ValueError, match=said):
        indicator_rates(registers_of({}), definitions=change(indicator_definitions()), periods=YEAR)


# --- periods and groups ----------------------------------------------------------------------------------------------


def test_the_last_years_end_where_reporting_is_complete(registers_of):
    coverage = pd.DataFrame({"source": ["inpatient"], "reporting_lag_days": [60]})
    registers = registers_of(HOSPITAL, coverage=coverage, extract_date="2024-03-10")
    assert last_years(registers, n_periods=1) == [("2023-01-01", "2024-01-01")]
    with pytest.raises(
        ValueError, match="`periods` must be completely reported, which the registers are until 2024-01-10"
    ):
        days_at_home(registers, periods=[("2023-02-01", "2024-02-01")])


def test_a_source_that_began_later_gives_no_number_for_before(registers_of):
    coverage = pd.DataFrame({"source": ["inpatient"], "from": pd.to_datetime(["2023-06-01"])})
    table = days_at_home(registers_of(HOSPITAL, coverage=coverage), periods=YEAR)
    assert table["note"].tolist() == [NOT_COVERED]
    assert table["value"].isna().all()


def test_small_groups_are_hidden_with_the_next_smallest():
    registers = make_registers(300, random_state=1)
    table = days_at_home(registers, by="area")
    small = table[table["note"] == TOO_FEW]
    assert len(small) > 0
    assert small[["value", "lower", "upper", "error"]].isna().all(axis=None)
    shown = table[table["note"] == ""]
    assert (shown["n_persons"] >= 5).all()


def test_only_those_of_age_on_the_first_day_are_counted(registers_of):
    registers = registers_of({"birth_date": "1948-01-01"}, {"birth_date": "1948-01-02"}, {"birth_date": None})
    table = days_at_home(registers, periods=YEAR, min_age=75)
    assert table["n_persons"].tolist() == [COPIES]


def test_order_of_rows_and_copies_do_not_change_a_byte():
    registers = make_registers(400, random_state=2)
    first, second = service_mix(registers), service_mix(registers)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert np.isfinite(first.loc[first["note"] == "", "value"]).all()


def test_a_hidden_level_is_not_what_the_others_leave_of_all_days():
    mix = service_mix(make_registers(600, random_state=0), periods=[("2022-01-01", "2023-01-01")], by="area")
    levels = mix[mix["indicator"].str.startswith("level.")]
    n_hidden = levels["value"].isna().groupby(levels["area"]).sum()
    assert n_hidden.max() > 1
    assert 1 not in set(n_hidden)
