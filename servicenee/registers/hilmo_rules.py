"""What a row of Hilmo, social Hilmo or AvoHilmo is: the first dated rule of ``hilmo_contacts.csv`` that fits."""

from functools import cache

import numpy as np
import pandas as pd

from servicenee.registers.delivery import Delivered, data_rows
from servicenee.registers.hilmo_people import within

FIELDS = ("PALA", "YHTEYSTAPA", "KIIREELLISYYS", "PALVELUMUOTO", "TUSYY")
_NOTHING = "-"  # in a rule: the field is empty


@cache
def rules_of(table: str) -> tuple[dict[str, str], ...]:
    """Rules of one table in order."""
    rows = data_rows("hilmo_contacts")
    return tuple(rows[[table in names.split() for names in rows["table"]]].to_dict("records"))


def field_columns(table: str, field: str) -> tuple[str, ...]:
    """Columns of a table that hold a field of the rules."""
    if table == "avohilmo":
        return (f"KAYNTI_{field}",)
    return ("TUSYY1", "TUSYY2", "TUSYY3") if field == "TUSYY" else (field,)


def classify(table: Delivered, reported: np.ndarray) -> np.ndarray:
    """Number of the rule of every row in `rules_of` its table; -1 where none fits.

    `reported` is the day whose coding guide the row follows: codes change with the year of reporting.
    """
    fields = {field: [table.codes(name) for name in field_columns(table.name, field)] for field in FIELDS}
    rules = rules_of(table.name)
    period, days = _periods(rules, reported)
    alike = period
    for codes, levels in (coded for listed in fields.values() for coded in listed):
        alike = pd.factorize(alike.astype(np.int64) * (len(levels) + 1) + codes + 1)[0]
    first = np.empty(int(alike.max(initial=-1)) + 1, dtype=np.int64)
    first[alike[::-1]] = np.arange(len(alike))[::-1]
    found = np.full(len(first), -1, dtype=np.int32)
    for number, rule in enumerate(rules):
        fits = within(days[period[first]], rule)
        for field, columns in fields.items():
            if rule[field]:
                fits &= _holds_any(columns, rule[field].split(), first)
        found[fits & (found < 0)] = number
    return found[alike]


def _holds_any(columns: list[tuple[np.ndarray, list[str]]], wanted: list[str], rows: np.ndarray) -> np.ndarray:
    found = np.zeros(len(rows), dtype=bool)
    for codes, levels in columns:
        is_wanted = np.array([level in wanted for level in levels] + [_NOTHING in wanted], dtype=bool)
        found |= is_wanted[codes[rows]]
    return found


def _periods(rules: tuple[dict[str, str], ...], reported: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the stretch of days between changes of the rules for every row, and a day of each stretch."""
    changes = {np.datetime64(rule["valid_from"]) for rule in rules if rule["valid_from"]}
    changes |= {np.datetime64(rule["valid_to"]) + 1 for rule in rules if rule["valid_to"]}
    edges = np.array(sorted(changes), dtype="datetime64[D]")
    days = reported.astype("datetime64[D]")
    # A row without any date is set aside anyway; it is looked at as of the latest rules.
    days = np.where(np.isnat(days), edges[-1], days)
    return np.searchsorted(edges, days, side="right"), np.r_[edges[0] - 1, edges]
