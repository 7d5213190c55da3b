"""The tables of a delivery that stand alone: home-care visits, RAI, Kela, laboratory, causes of death; to events."""

import numpy as np
import pandas as pd

from servicenee.codes import atc_level, normalise_code
from servicenee.registers.delivery import Delivered, data_rows, with_role
from servicenee.registers.hilmo_contacts import YES, system_of
from servicenee.registers.hilmo_people import People, placed, within
from servicenee.registers.hilmo_rows import Coding, coding, events, picked
from servicenee.registers.hilmo_visits import distinct_days

_AT_A_DISTANCE = ("E", "ETÄ", "ETA", "2")


def read_home_visits(table: Delivered, people: People, extract_day: int | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Visits with their hours, and the days of all visits as person and day (see `person_days`), sorted."""
    table.drop_repeats()
    start, end = table.dates("KAYNTI_ALKOI"), table.dates("KAYNTI_LOPPUI")
    place = placed(table, people, "KAYNTI_ALKOI", start, extract_day)
    cancelled = _one_of(table, "PERUTTU", YES)
    table.note("PERUTTU", "cancelled", cancelled, "kept, but no visit")
    hours = table.numbers("TOTEUTUNUT_MIN") / 60
    clock = (end - start) / np.timedelta64(60, "m")
    table.note("KAYNTI_LOPPUI", "before KAYNTI_ALKOI", clock < 0, "taken as missing")
    hours = np.where(np.isnan(hours) & (clock >= 0), clock, hours)
    remote = _one_of(table, "KAYNTITAPA", _AT_A_DISTANCE)
    rows = np.flatnonzero(table.kept & ~cancelled)
    code = (remote[rows].astype(np.int8), ["home_visit", "remote"])
    found = (people, place[rows], start[rows], "home_care", "contact", code)
    seen = distinct_days(place[rows], start[rows])
    return events(*found, value=hours[rows], unit="h"), seen


def read_assessments(table: Delivered, people: People, extract_day: int | None) -> list[pd.DataFrame]:
    """Scale values of RAI assessments; the unit is the instrument."""
    table.drop_repeats()
    time = table.dates("ARVIOINTIPVM")
    place = placed(table, people, "ARVIOINTIPVM", time, extract_day)
    instrument = _texts(table, "VALINE")
    made = []
    for column, listed in with_role("rai", "scale").items():
        if column in table:
            value = table.numbers(column)
            rows = np.flatnonzero(table.kept & ~np.isnan(value))
            found = (people, place[rows], time[rows], "rai", "RAI", listed["role"].partition(":")[2])
            made.append(events(*found, value=value[rows], unit=picked(instrument, rows)))
    return made


def read_purchases(table: Delivered, people: People, extract_day: int | None) -> pd.DataFrame:
    """Purchases of medicines with their packages; Kela's pseudo codes for other products are set aside."""
    table.drop_repeats()
    time = table.dates("OSTOPV")
    place = placed(table, people, "OSTOPV", time, extract_day)
    codes, levels = table.codes("ATC")
    no_medicine = [atc_level(normalise_code("ATC", level)) == 0 for level in levels]
    table.refuse("ATC", "no ATC code", np.append(np.array(no_medicine, dtype=bool), True)[codes], limited=False)
    value = table.numbers("PLKM")
    rows = np.flatnonzero(table.kept)
    found = (people, place[rows], time[rows], "medication", "ATC", picked((codes, levels), rows))
    return events(*found, value=value[rows], unit="package")


def read_entitlements(table: Delivered, people: People, extract_day: int | None) -> pd.DataFrame:
    """Entitlements to special reimbursement on the day they begin."""
    table.drop_repeats()
    time = table.dates("KORVAUSOIKEUS_ALPV")
    place = placed(table, people, "KORVAUSOIKEUS_ALPV", time, extract_day)
    codes, levels = table.codes("KORVAUSOIKEUS_KOODI")
    table.refuse("KORVAUSOIKEUS_KOODI", "no code", codes < 0, limited=False)
    spelled = [normalise_code("Kela", level) for level in levels]
    rules = data_rows("hilmo_codes")
    outside = np.zeros(len(table), dtype=bool)
    for rule in rules[rules["field"] == "Kela"].to_dict("records"):
        meant = np.append(np.array([code == rule["code"] for code in spelled], dtype=bool), False)[codes]
        outside |= meant & ~within(time, rule)
    table.note("KORVAUSOIKEUS_KOODI", "code outside the days on which it was granted", outside, "kept")
    rows = np.flatnonzero(table.kept)
    return events(people, place[rows], time[rows], "entitlement", "Kela", picked((codes, levels), rows))


def read_laboratory(table: Delivered, people: People, extract_day: int | None) -> pd.DataFrame:
    """Results under the names of the code lists where the code table has the test, else under the laboratory's own."""
    table.drop_repeats()
    time = table.dates("TUTKIMUSAIKA")
    place = placed(table, people, "TUTKIMUSAIKA", time, extract_day)
    rules = data_rows("hilmo_codes")
    names = {row["code"].upper(): row["value"] for row in rules[rules["field"] == "lab"].to_dict("records")}
    texts = table.texts("TUTKIMUS")
    table.refuse("TUTKIMUS", "no code", pd.isna(texts))
    codes, levels = coding(texts)
    codes, levels = coding(
        np.array([*(names.get(level.upper(), level) for level in levels), None], dtype=object)[codes]
    )
    value = table.numbers("TULOS")
    rows = np.flatnonzero(table.kept)
    found = (people, place[rows], time[rows], "laboratory", "lab", picked((codes, levels), rows))
    return events(*found, value=value[rows], unit=picked(_texts(table, "YKSIKKO"), rows))


def read_causes_of_death(table: Delivered, people: People) -> pd.DataFrame:
    """Underlying causes on the day of death; the table itself has been read with the persons."""
    codes, levels = table.codes("TPKS")
    place, time = people.of_rows(table), table.dates("KPV")
    system, _ = system_of("hilmo_diag", levels, time, codes)
    rows = np.flatnonzero(table.kept & (codes >= 0) & (place >= 0) & ~np.isnat(time))
    of_rows = (picked(system, rows), picked((codes, levels), rows))
    return events(people, place[rows], time[rows], "cause_of_death", *of_rows)


def _one_of(table: Delivered, column: str, wanted) -> np.ndarray:
    codes, levels = table.codes(column)
    return np.append(np.array([level in wanted for level in levels], dtype=bool), False)[codes]


def _texts(table: Delivered, column: str) -> Coding:
    if column not in table:
        return np.full(len(table), -1, dtype=np.int32), []
    column = table.columns[column]
    return column.codes, column.levels.to_pylist()
