"""Merged Finnish municipalities: dated rows, checked against published numbers, and used where areas are read."""

import pandas as pd
import pytest

from servicenee import read_hilmo
from servicenee.registers.delivery import data_rows
from servicenee.registers.municipalities import merged_codes, merged_names, municipality_codes, municipality_names


@pytest.mark.parametrize(
    ("year", "published"),
    [
        (2014, 320),
        (2015, 317),
        (2016, 313),
        (2017, 311),
        (2019, 311),
        (2020, 310),
        (2021, 309),
        (2024, 309),
        (2025, 308),
    ],
)
def test_as_many_municipalities_as_statistics_finland_tells(year, published):
    """Its notices on the changes of 2015, 2016, 2017, 2018 and 2021; no code is new since 2014."""
    merged = pd.to_datetime(data_rows("municipality_mergers")["merged"])
    assert len(municipality_codes()) + (merged > pd.Timestamp(year, 1, 1)).sum() == published


def test_every_merger_ends_in_a_municipality_of_today():
    mergers = data_rows("municipality_mergers")
    assert set(mergers["became"]) <= set(municipality_codes().values())
    assert not set(mergers["code"]) & set(municipality_codes().values())
    assert not mergers["code"].duplicated().any()
    assert mergers["merged"].str.endswith("-01-01").all()
    assert (mergers["cited"] != "").all()


@pytest.mark.parametrize(
    ("code", "name", "today"),
    [
        # as the page of the classification of 2006 tells
        ("699", "Rovaniemen mlk", "Rovaniemi"),
        ("728", "Saari", "Parikkala"),
        ("589", "Peräseinäjoki", "Seinäjoki"),
        ("919", "Vehmersalmi", "Kuopio"),
        # of Juankoski in 1971, which is of Kuopio since 2017
        ("502", "Muuruvesi", "Kuopio"),
        # the Government's decision for 2025
        ("588", "Pertunmaa", "Mäntyharju"),
    ],
)
def test_where_merged_municipalities_are_today(code, name, today):
    assert merged_codes()[code] == merged_names()[name] == today


def test_a_name_that_a_municipality_has_today_is_not_of_a_merged_one():
    """Porvoo (612) merged into Porvoo (638)."""
    assert merged_codes()["612"] == "Porvoo"
    assert "Porvoo" not in merged_names()
    assert municipality_names()["BORGÅ"] == "Porvoo"


def test_a_delivery_with_old_codes_and_names_is_of_one_geography(tmp_path):
    towns = ["297", "534", "Nilsiä", "NILSIÄ", "Kuopio", "kuopio", "997", "999", "443", "Atlantis", ""]
    lines = [f"{n};1.1.1940;2;{town}" for n, town in enumerate(towns)]
    (tmp_path / "vaesto.csv").write_text("\n".join(["TNRO;SYNTYMAPVM;SUKUPUOLI;KOTIKUNTA", *lines]), encoding="utf-8")
    registers = read_hilmo(tmp_path, extract_date="2024-01-01", tolerance=1.0)
    areas = registers.persons["area"].astype(object).where(registers.persons["area"].notna(), None)
    unknown = ["Kokkola", "unknown", "unknown", "Atlantis", None]
    assert areas.tolist() == ["Kuopio"] * 6 + unknown
    found = registers.findings.set_index("fault")["n"]
    assert found["an area that is no more"] == 4
    assert found["municipality that is not known"] == 2
    account = registers.account.set_index("table").loc["vaesto.csv"]
    assert account[["unchanged", "repaired", "set_aside"]].tolist() == [5, 6, 0]
