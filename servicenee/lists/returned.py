"""A returned Excel or CSV file comes in; its sheets of rows under neutral column names go out."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from servicenee.lists.choices import INPUTS, plain
from servicenee.texts import LANGUAGES, text

_WANTED = ("person_id", "list_id", *INPUTS)
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet takes for a formula, or would once an apostrophe is gone
GUARDED = re.compile(r"'+[=+\-@\t\r]")
_HEADING_ROWS = 10  # the headings of a list stand in the second row; people insert rows above


@dataclass(frozen=True, eq=False)
class Sheet:
    """Rows under the headings: columns by neutral name, numbered as the spreadsheet numbers them."""

    name: str
    language: str
    cells: pd.DataFrame


def read_returned(path: Path) -> list[Sheet]:
    """The sheets of a file that carry the headings of a list; at least one."""
    endings = {".xlsx": _excel_sheets, ".csv": _csv_sheets}
    if path.suffix.lower() not in endings:
        raise ValueError(f"`path` must end in .xlsx or .csv, or be the protected folder; got {path.suffix!r}.")
    found = [sheet for name, rows in endings[path.suffix.lower()](path) for sheet in _sheet(name, rows)]
    if not found:
        raise ValueError(
            f"`path` must be a list that servicenee wrote; no row among the first {_HEADING_ROWS} of {path.name} has "
            "the headings of the id and of the decision. Restore the headings as they were."
        )
    return found


def _excel_sheets(path: Path):
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, OSError):
        raise ValueError(f"`path` must be an Excel workbook; {path.name} is damaged. Ask for the file again.") from None
    try:
        return [(sheet.title, [list(row) for row in sheet.iter_rows(values_only=True)]) for sheet in book.worksheets]
    finally:
        book.close()


def _csv_sheets(path: Path):
    return [(path.name, separated_rows(path))]


def separated_rows(path: Path) -> list[list[str]]:
    """Rows of a CSV as we write it (UTF-8) or as Excel saves it; separated by ; , or tab.

    Raises
    ------
    ValueError
        If the file is no CSV, such as a workbook under another name; the message shows nothing of it.
    """
    written = _decoded(path.read_bytes())
    first = written.partition("\n")[0]
    reader = csv.reader(io.StringIO(written, newline=""), delimiter=max(";\t,", key=first.count))
    try:
        return list(reader)
    except csv.Error:
        raise ValueError(
            f"`path` must be a readable CSV file; {path.name} breaks off at line {reader.line_num}. Open it in Excel "
            "and save it again as CSV UTF-8, or return the Excel workbook."
        ) from None


def _decoded(data: bytes) -> str:
    """Text as UTF-8, as UTF-16 (Excel's "Unicode text"), or as Windows-1252 (CSV of Finnish Excel)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _sheet(name: str, rows: list[list]) -> list[Sheet]:
    for at, row in enumerate(rows[:_HEADING_ROWS]):
        language, columns = _headings(row)
        if not {"person_id", "decision"} <= set(columns):
            continue
        body = [{field: _cell(own, place) for field, place in columns.items()} for own in rows[at + 1 :]]
        cells = pd.DataFrame(body, columns=list(columns), dtype=object)
        cells.index = pd.RangeIndex(at + 2, at + 2 + len(body))
        return [Sheet(name, language, cells[[any(plain(value) for value in own.values()) for own in body]])]
    return []


def _headings(row: list) -> tuple[str, dict[str, int]]:
    """The language of a row of headings and where each column stands; the neutral names are understood too."""
    written = [plain(cell) for cell in row]
    best: tuple[str, dict[str, int]] = ("en", {name: written.index(name) for name in _WANTED if name in written})
    for language in LANGUAGES:
        known = {name: plain(text(f"lists.column.{name}", language)) for name in _WANTED}
        found = {name: written.index(heading) for name, heading in known.items() if heading in written}
        if len(found) > len(best[1]):
            best = (language, found)
    return best


def _cell(row: list, place: int) -> object:
    """The value; the apostrophe that keeps Excel from reading text as a formula is ours."""
    value = row[place] if place < len(row) else None
    return value[1:] if isinstance(value, str) and GUARDED.match(value) else value
