"""A finished list comes in; its rows as CSV for Finnish Excel, or as Parquet for machines, go out."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from servicenee.lists.cover import heading, shown_columns
from servicenee.lists.protected import replace_file
from servicenee.lists.returned import FORMULA
from servicenee.lists.rows import COLUMNS

if TYPE_CHECKING:
    from servicenee.lists.document import SegmentList

_RISK_DECIMALS = 4
_NUMBERS = ("week", "place", "risk", "base_rate")


def write_csv(listing: "SegmentList", path: str | Path, names: dict[str, str] | None) -> Path:
    """Semicolons, decimal commas, UTF-8 with BOM and CRLF: what Finnish Excel opens with a double click."""
    path = _checked(path, ".csv")
    columns = [*shown_columns(listing, named=names is not None), "base_rate", "source", "list_id"]
    columns = list(dict.fromkeys(columns))
    rows = with_names(listing.rows, names)
    memory = io.StringIO(newline="")
    writer = csv.writer(memory, delimiter=";", lineterminator="\r\n")
    writer.writerow([heading(name, listing.by, listing.language) for name in columns])
    for record in rows[columns].to_dict("records"):
        writer.writerow([_cell(record[name]) for name in columns])
    return replace_file(path, memory.getvalue().encode("utf-8-sig"))


def write_parquet(listing: "SegmentList", path: str | Path) -> Path:
    """Neutral names, listed rows and the persons drawn for review, each with its role; never a name."""
    path = _checked(path, ".parquet")
    parts = [listing.rows.assign(role="listed"), listing.review.assign(role="review")]
    table = pd.concat(parts, ignore_index=True)[["role", *COLUMNS]]
    for name in table.columns:
        if name not in (*_NUMBERS, "person_id"):
            table[name] = table[name].astype(object)
    memory = io.BytesIO()
    table.to_parquet(memory, index=False)
    return replace_file(path, memory.getvalue())


def with_names(rows: pd.DataFrame, names: dict[str, str] | None) -> pd.DataFrame:
    """The rows with the column `name`, if a key was given; a person whom the key lacks has none."""
    if names is None:
        return rows
    return rows.assign(name=[names.get(str(person), "") for person in rows["person_id"]])


def _cell(value: object) -> str:
    """Numbers with a decimal comma; text that a spreadsheet would read as a formula gets an apostrophe."""
    if isinstance(value, float):
        return f"{value:.{_RISK_DECIMALS}f}".replace(".", ",")
    written = str(value)
    return f"'{written}" if FORMULA.match(written) else written


def _checked(path: str | Path, ending: str) -> Path:
    path = Path(path)
    if path.suffix.lower() != ending:
        raise ValueError(f"`path` must end in {ending}; got a name ending in {path.suffix!r}.")
    return path
