"""A folder with a register delivery, to its tables: columns by their canonical names, and an account of every row."""

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee.registers.delivery_files import (
    Coded,
    Lines,
    UnreadableError,
    no_column,
    read_lines,
    stacked,
    text_files,
)
from servicenee.registers.delivery_values import codes_of, dates_of, numbers_of, texts_of
from servicenee.registers.findings import Findings
from servicenee.registers.reading import PLACEHOLDER, is_sentinel

_BROKEN = "number of fields differs from the header, or half a quotation"
_PLAIN_LETTERS = str.maketrans("äöå", "aoa")
_MENDED = "text in the wrong encoding"


@dataclass
class Delivered:
    """One table of a delivery, from one file or several, and which of its rows are set aside."""

    name: str
    findings: Findings
    parts: list[tuple[str, Lines]] = field(default_factory=list)
    keep_repeats: bool = False
    columns: dict[str, Coded] = field(default_factory=dict)

    def __post_init__(self):
        for name in dict.fromkeys(name for _, lines in self.parts for name in lines.columns):
            of_parts = [lines.columns.get(name) or no_column(len(lines.rows)) for _, lines in self.parts]
            self.columns[name] = stacked(of_parts)
        self.set_aside = np.zeros(len(self), dtype=bool)
        for file, lines in self.parts:
            broken = lines.broken
            self.findings.deliver(file, lines.n_rows)
            self.findings.add_rows(file, "all columns", _BROKEN, broken, lines.n_rows, "set aside", limited=True)
        for name, column in self.columns.items():
            if column.mended is not None:
                self.note(name, _MENDED, column.mended, "turned back")

    def __len__(self) -> int:
        return sum(len(lines.rows) for _, lines in self.parts)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    @property
    def kept(self) -> np.ndarray:
        """True for the rows that are not set aside."""
        return ~self.set_aside

    def note(self, column: str, fault: str, bad: np.ndarray, action: str) -> None:
        """Count rows that stay, by file; an action that begins with "kept" leaves them as they are, others mend."""
        self._report(column, fault, bad & ~self.set_aside, action, limited=False)

    def refuse(self, column: str, fault: str, bad: np.ndarray, *, limited: bool = True) -> None:
        """Set rows aside and count them, by file; a row that is set aside already is not counted again."""
        bad = bad & ~self.set_aside
        self.set_aside |= bad
        self._report(column, fault, bad, "set aside", limited=limited)

    def _report(self, column: str, fault: str, bad: np.ndarray, action: str, *, limited: bool) -> None:
        if not bad.any():
            return
        start = 0
        for file, lines in self.parts:
            own = bad[start : start + len(lines.rows)]
            start += len(lines.rows)
            self.findings.add_rows(file, column, fault, lines.rows[own], lines.n_rows, action, limited=limited)

    def dates(self, column: str) -> np.ndarray:
        """Dates as ``datetime64[m]``; what is no date counts as missing, and so does a placeholder."""
        if column not in self:
            return np.full(len(self), np.datetime64("NaT", "m"))
        dates, wrong = dates_of(self.columns[column])
        self.note(column, "not a date", wrong, "taken as missing")
        placeholder = is_sentinel(dates)
        self.note(column, PLACEHOLDER, placeholder, "taken as missing")
        dates[placeholder] = np.datetime64("NaT", "m")
        return dates

    def numbers(self, column: str) -> np.ndarray:
        """Numbers within the range of the column table; what is none counts as missing."""
        if column not in self:
            return np.full(len(self), np.nan)
        numbers, wrong = numbers_of(self.columns[column])
        self.note(column, "not a number", wrong, "taken as missing")
        low, high = column_range(self.name, column)
        outside = (numbers < low) | (numbers > high)
        self.note(column, "outside the range of the column", outside, "taken as missing")
        return np.where(outside, np.nan, numbers)

    def codes(self, column: str) -> tuple[np.ndarray, list[str]]:
        """Codes (-1 where missing) and their distinct texts in capitals."""
        if column not in self:
            return np.full(len(self), -1, dtype=np.int32), []
        return codes_of(self.columns[column])

    def texts(self, column: str) -> np.ndarray:
        """Texts as an object array, None where missing."""
        if column not in self:
            return np.full(len(self), None, dtype=object)
        return texts_of(self.columns[column])

    def drop_repeats(self) -> None:
        """Set rows aside that are like an earlier one in every column that is read, unless such rows are wanted."""
        kept = np.flatnonzero(self.kept)
        if not len(kept) or not self.columns or self.keep_repeats:
            return
        # Equal sums of weighted codes only suggest copies; the columns themselves decide.
        weights = np.random.default_rng(0).integers(1, 2**63, size=len(self.columns), dtype=np.uint64)
        mixed = np.zeros(len(kept), dtype=np.uint64)
        for weight, column in zip(weights, self.columns.values(), strict=True):
            mixed += (column.codes[kept] + 2).astype(np.uint64) * weight
        group, _ = pd.factorize(mixed)
        first = np.empty(len(kept), dtype=np.int64)
        first[group[::-1]] = kept[::-1]
        earlier = first[group]
        copies = earlier != kept
        for column in self.columns.values():
            copies &= column.codes[kept] == column.codes[earlier]
        repeated = np.zeros(len(self), dtype=bool)
        repeated[kept[copies]] = True
        self.refuse("all columns", "exact duplicate", repeated, limited=False)


@dataclass(frozen=True)
class Delivery:
    """The tables of a delivery by name."""

    tables: dict[str, Delivered]
    findings: Findings

    def __contains__(self, table: str) -> bool:
        return table in self.tables

    def __getitem__(self, table: str) -> Delivered:
        return self.tables[table]


def read_delivery(folder: Path, findings: Findings, *, keep_repeats: bool = False) -> Delivery:
    """Every file of the folder that is a table of a delivery, columns by their canonical names."""
    parts: dict[str, list[tuple[str, Lines]]] = {}
    for file in text_files(folder):
        table = table_of(file.name)
        if not table:
            rule = "no table that is read" if table == "" else "no name of a table of a delivery"
            findings.add(file.name, "all columns", rule, np.ones(1, dtype=bool), "set aside: file not read")
            continue
        try:
            lines = read_lines(file, _spellings(table))
        except UnreadableError as error:
            findings.error(f"{file.name}: {error}. Write the file again, as text with semicolons and a header.")
            continue
        _refuse_gaps(file.name, table, lines, findings)
        parts.setdefault(table, []).append((file.name, lines))
    for row in data_rows("hilmo_tables").to_dict("records"):
        if row["parent"] and row["table"] in parts and row["parent"] not in parts:
            findings.error(
                f"{parts[row['table']][0][0]}: its rows belong to {row['parent']}, which is missing. Add it."
            )
    tables = {table: Delivered(table, findings, files, keep_repeats) for table, files in sorted(parts.items())}
    return Delivery(tables, findings)


def table_of(file_name: str) -> str | None:
    """Name of the table that a file holds by its name; "" for one that is known but not read, None for others."""
    stem = file_name.lower().split(".")[0].translate(_PLAIN_LETTERS)
    for row in data_rows("hilmo_tables").to_dict("records"):
        if re.search(row["pattern"], stem):
            return row["table"]
    return None


@cache
def columns_of(table: str) -> tuple[dict[str, str], ...]:
    """Rows of the column table for one table, in the order of the file."""
    rows = data_rows("hilmo_columns")
    return tuple(rows[rows["table"] == table].to_dict("records"))


@cache
def with_role(table: str, role: str) -> dict[str, dict[str, str]]:
    """Columns of a table that have this role, or one such as ``measure:weight`` for ``measure``, by name."""
    rows = columns_of(table)
    return {row["column"]: row for row in rows if row["role"] == role or row["role"].startswith(f"{role}:")}


@cache
def column_range(table: str, column: str) -> tuple[float, float]:
    """Lowest and highest number that a column can hold."""
    row = next(row for row in columns_of(table) if row["column"] == column)
    return float(row["low"] or "-inf"), float(row["high"] or "inf")


@cache
def data_rows(name: str) -> pd.DataFrame:
    """One of the data tables of the deliveries, all text, for example ``"hilmo_columns"``."""
    with (files("servicenee.registers") / "data" / f"{name}.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False)


@cache
def _spellings(table: str) -> dict[str, tuple[str, ...]]:
    """Columns that are read, with every name under which they may come."""
    rows = columns_of(table)
    return {row["column"]: (row["column"], *filter(None, row["aliases"].split("|"))) for row in rows if row["holds"]}


def _refuse_gaps(file: str, table: str, lines: Lines, findings: Findings) -> None:
    for row in columns_of(table):
        if row["needed"] and row["column"] not in lines.columns:
            findings.error(f"{file}, {row['column']}: the column is missing. Add it, or rename the one that holds it.")
    for name in set(lines.repeated) & {spelling for names in _spellings(table).values() for spelling in names}:
        findings.error(f"{file}, {name}: the header has this column twice. Keep one.")
