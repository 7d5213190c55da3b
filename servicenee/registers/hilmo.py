"""A folder with a Finnish register delivery, as it arrives, to `Registers` and an account of every row."""

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, check_dates, check_fraction
from servicenee.registers.core import Registers
from servicenee.registers.delivery import Delivery, read_delivery
from servicenee.registers.findings import Findings
from servicenee.registers.folders import assembled, existing_folder
from servicenee.registers.hilmo_contacts import Contacts, read_child, read_stays_table, read_visits_table
from servicenee.registers.hilmo_decisions import HOME_CARE, home_care_from_visits, read_decisions
from servicenee.registers.hilmo_people import People, read_people
from servicenee.registers.hilmo_requests import read_requests
from servicenee.registers.hilmo_rows import joined
from servicenee.registers.hilmo_sources import (
    read_assessments,
    read_causes_of_death,
    read_entitlements,
    read_home_visits,
    read_laboratory,
    read_purchases,
)
from servicenee.registers.identity import PseudonymKey

_CHILDREN = {
    "hilmo": ("hilmo_diag", "hilmo_toimp", "hilmo_laakitys"),
    "avohilmo": (
        "avohilmo_icd10",
        "avohilmo_icpc2",
        "avohilmo_toimenpide",
        "avohilmo_laake",
        "avohilmo_lahete",
        "avohilmo_rokotus",
        "avohilmo_kotihoito",
    ),
}


def read_hilmo(
    path,
    *,
    extract_date=None,
    coverage: pd.DataFrame | None = None,
    key: PseudonymKey | None = None,
    duplicates: str = "drop",
    tolerance: float = 0.01,
) -> Registers:
    """Read a folder with a Finnish register delivery.

    Parameters
    ----------
    path : str or path
        Folder with text files (.csv, .txt) as they arrive. A file is a table by its name: population register (needed),
        deaths, Hilmo, social Hilmo and AvoHilmo with their child tables, home-care visits, RAI assessments, purchases
        and entitlements of Kela, service decisions, laboratory, and ids that changed (TUNNUSMUUTOKSET: VANHA, UUSI).
        Several files of one table are read as one.
    extract_date : date or ISO text, optional
        Day on which the extract was taken; by default what a file KATTAVUUS says, else as in `Registers`.
    coverage : DataFrame, optional
        Which days each source covers and how late its rows arrive, as in `Registers`; by default what a file KATTAVUUS
        says (LAHDE; ALKUPVM; LOPPUPVM; VIIVE_PV; ETUSIJA; POIMINTAPVM).
    key : PseudonymKey, optional
        From `pseudonym_key`: person ids become pseudonyms while they are read. Without it, personal identity codes
        are refused.
    duplicates : {"drop", "keep"}, default="drop"
        What becomes of rows that are like an earlier one in every column that is read, and of events alike.
    tolerance : float, default=0.01
        Share of a file's rows that may be unreadable or set aside for one reason before the delivery is refused.

    Returns
    -------
    Registers
        With `requests` where AvoHilmo has assessments of need. `findings` tells by file and row what was found;
        `account` tells of every file, and of the tables made of them, what became of the rows.

    Raises
    ------
    RegisterError
        If tables or columns are missing, ids are personal identity codes, or too many rows cannot be used; the message
        lists all faults, by file and column, and shows neither ids nor rows.

    Notes
    -----
    Files may be UTF-8 (with or without a mark), UTF-16 or Latin-1; separated by semicolons, commas, tabs or bars; with
    decimal comma or point; with dates as 31.12.2021, 31.12.2021 14:05, 15MAY2015:00:00:00, 20211231 or ISO; with
    headers in any case. A date with slashes is no date, because it may be either way round.

    Every rule that changed with the years is a dated row of ``hilmo_contacts.csv``, ``hilmo_codes.csv``,
    ``hilmo_systems.csv`` or ``hilmo_services.csv``: inpatient care (2018/2019), urgency (2015, 2019), forms of
    contact at a distance (2019), housing (2023). A row follows the rules of the year in which it was reported: of its
    end, else its year of statistics, else its start. The tables of the county's own systems (home-care visits, RAI,
    decisions, laboratory) have no public description; their columns are ours.

    Hospital diagnoses become available at discharge. Open home-care decisions end at the next decision on the same
    service, or after 180 days without a visit where visits are delivered. Where no decision on home care is delivered,
    its stays are spells of regular visits: from the first visit after which 60 days bring at least 8 visits, never more
    than 14 days apart; available once that is known.

    References
    ----------
    FinRegistry data dictionary and loaders, https://github.com/dsgelab/finregistry-data
    FinOMOP vocabulary mappings, https://github.com/FinOMOP/FinOMOP_mappings

    Examples
    --------
    >>> import tempfile
    >>> from servicenee import make_registers, read_hilmo, write_hilmo
    >>> registers = make_registers(20, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_hilmo(registers, folder)
    ...     repr(read_hilmo(folder)) == repr(registers)
    True
    """
    check_choice("duplicates", duplicates, ("drop", "keep"))
    if key is not None and not isinstance(key, PseudonymKey):
        raise TypeError(f"`key` must come from pseudonym_key; got {type(key).__name__}.")
    findings = Findings(check_fraction("tolerance", tolerance))
    delivery = read_delivery(existing_folder(path), findings, keep_repeats=duplicates == "keep")
    if "vaesto" not in delivery:
        findings.error(
            "VAESTO: there is no file with the population register in the folder. Add it: one row per person."
        )
    findings.raise_errors()
    told, told_extract = _read_coverage(delivery)
    extract_date = told_extract if extract_date is None else extract_date
    extract_day = None if extract_date is None else int(check_dates("extract_date", extract_date)[0].astype(int))
    people = read_people(delivery, key)
    tables = _read_tables(delivery, people, extract_day)
    tables |= {"persons": people.frame, "coverage": told if coverage is None else coverage}
    tables = {name: table for name, table in tables.items() if table is not None}
    return assembled(tables, findings, extract_date=extract_date, duplicates=duplicates)


def _read_tables(delivery: Delivery, people: People, extract_day: int | None) -> dict[str, pd.DataFrame | None]:
    """Events, stays and requests of all tables."""
    events, stays, requests = [], [], None
    seen = np.zeros(0, dtype=np.int64)
    if "kotihoito" in delivery:
        made, seen = read_home_visits(delivery["kotihoito"], people, extract_day)
        events.append(made)
    for name in [name for name in ("hilmo", "soshilmo", "avohilmo") if name in delivery]:
        contacts = _read_contacts(delivery, name, people, extract_day, seen)
        for child in [child for child in _CHILDREN.get(name, ()) if child in delivery]:
            events += read_child(delivery[child], contacts, people, extract_day)
        if name == "avohilmo":
            requests = read_requests(contacts, people, extract_day)
        events += contacts.events
        stays += contacts.stays
    if "paatokset" in delivery:
        visits = seen if "kotihoito" in delivery else None
        made, spells = read_decisions(delivery["paatokset"], people, extract_day, visits)
        events.append(made)
        stays.append(spells)
    if not any(_has_home_care(piece) for piece in stays):
        stays.append(home_care_from_visits(people, events, extract_day))
    events += _read_others(delivery, people, extract_day)
    return {"events": joined(events, people), "stays": joined(stays, people, of_stays=True), "requests": requests}


def _read_contacts(
    delivery: Delivery, name: str, people: People, extract_day: int | None, seen: np.ndarray
) -> Contacts:
    if name == "avohilmo":
        return read_visits_table(delivery[name], people, extract_day, seen)
    return read_stays_table(delivery[name], people, extract_day)


def _has_home_care(stays: pd.DataFrame) -> bool:
    kinds = stays["kind"].cat
    return HOME_CARE in kinds.categories and bool((kinds.codes == list(kinds.categories).index(HOME_CARE)).any())


def _read_others(delivery: Delivery, people: People, extract_day: int | None) -> list[pd.DataFrame]:
    """Events of the tables that stand alone."""
    events = []
    if "rai" in delivery:
        events += read_assessments(delivery["rai"], people, extract_day)
    readers = {"ostot": read_purchases, "korvausoikeudet": read_entitlements, "laboratorio": read_laboratory}
    for name, read in readers.items():
        if name in delivery:
            events.append(read(delivery[name], people, extract_day))
    if "kuolemat" in delivery:
        events.append(read_causes_of_death(delivery["kuolemat"], people))
    return events


def _read_coverage(delivery: Delivery) -> tuple[pd.DataFrame | None, str | None]:
    """The coverage table and the day of the extract, where a file KATTAVUUS tells them."""
    if "kattavuus" not in delivery:
        return None, None
    table = delivery["kattavuus"]
    told = pd.DataFrame(
        {
            "source": table.texts("LAHDE"),
            "from": table.dates("ALKUPVM").astype("datetime64[us]"),
            "to": table.dates("LOPPUPVM").astype("datetime64[us]"),
            "reporting_lag_days": table.numbers("VIIVE_PV"),
            "priority": table.numbers("ETUSIJA"),
        }
    )
    table.refuse("LAHDE", "no source", pd.isna(told["source"]).to_numpy())
    extract = table.dates("POIMINTAPVM").astype("datetime64[D]")
    extract = extract[~np.isnat(extract)]
    return told[table.kept].reset_index(drop=True), str(extract.max()) if len(extract) else None
