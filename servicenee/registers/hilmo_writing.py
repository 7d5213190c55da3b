"""Registers to a folder as a Finnish register delivery would look, with the faults that deliveries have."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from servicenee.registers.core import Registers
from servicenee.registers.delivery import columns_of, data_rows
from servicenee.registers.hilmo_faults import FAULTS, Draft, plant
from servicenee.registers.hilmo_tables import delivery_tables

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_PLANTED = ("fault", "table", "counted_as", "n")


def write_hilmo(registers: Registers, path, *, faults="none", random_state: int | None = None) -> pd.DataFrame:
    """Write registers as a Finnish register delivery that `read_hilmo` reads back the same.

    Parameters
    ----------
    registers : Registers
        For example a county of `make_registers`. Every source, code and kind must have a place in a delivery.
    path : str or path
        A new or empty folder.
    faults : {"none", "all"} or list of str, default="none"
        Faults to plant: rows that must be set aside or counted once, and spellings that must be understood, so that the
        registers read back are still the same. The names are in Notes.
    random_state : int, optional
        Seed of the faults; None draws one.

    Returns
    -------
    DataFrame
        One row per planted fault and table: fault, table, counted_as (the fault in the findings of `read_hilmo`; empty
        for spellings that it understands without a word) and n, the number of rows.

    Raises
    ------
    ValueError
        If the folder holds anything, or the registers hold what a delivery has no place for; it names the kinds.

    Notes
    -----
    Column names, date shapes and encodings are those of the tables that `read_hilmo` uses. The time at which a row
    became available is not written: hospital rows come at discharge, others after the lag of their source. Nor are
    requests for specialist care, whose queues come in other deliveries.

    Faults: after_extract, broken_lines, cancelled, census_rows, code_spelling, copies, home_visits_twice,
    impossible_dates, missing_codes, midnight_24, mixed_dates, mojibake, no_care, older_years, orphans, out_of_range,
    placeholder_ends, pseudo_atc, split_files, unknown_persons, unread_files.

    Examples
    --------
    >>> import tempfile
    >>> from servicenee import make_registers, read_hilmo, write_hilmo
    >>> registers = make_registers(20, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     planted = write_hilmo(registers, folder, faults=["copies"], random_state=0)
    ...     account = read_hilmo(folder).account
    >>> int(account["set_aside"].sum()) == int(planted["n"].sum())
    True
    """
    wanted = {"none": (), "all": tuple(FAULTS)}.get(faults, faults) if isinstance(faults, str) else tuple(faults)
    unknown = sorted(set(wanted) - set(FAULTS)) if not isinstance(wanted, str) else [wanted]
    if unknown:
        raise ValueError(f"`faults` must be among {', '.join(FAULTS)}, or 'all' or 'none'; got {unknown}.")
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"`path` must be a new or empty folder; got {str(folder)!r}, which holds something.")
    texts = {name: _texts(name, table) for name, table in delivery_tables(registers).items()}
    draft = Draft(texts, registers.extract_date, np.random.default_rng(random_state))
    plant(draft, list(wanted))
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _files(draft):
        (folder / name).write_bytes(data)
    return pd.DataFrame(draft.rows, columns=list(_PLANTED))


def _texts(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is written: all columns of the column table, every value as text."""
    shape = data_rows("hilmo_tables").set_index("table").at[name, "dates"]
    written = {}
    for row in columns_of(name):
        values = table.get(row["column"])
        if values is None:
            written[row["column"]] = np.full(len(table), "", dtype=object)
        elif row["holds"] == "date":
            written[row["column"]] = _date_texts(values, shape)
        elif row["holds"] == "number":
            written[row["column"]] = _number_texts(values.to_numpy(dtype=float))
        else:
            written[row["column"]] = values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=object)
    return pd.DataFrame(written)


def _date_texts(dates: pd.Series, shape: str) -> np.ndarray:
    """Dates in the shape of a table; the time of day only where there is one, but always in SAS's shape."""
    codes, levels = pd.factorize(dates)
    days = pd.DatetimeIndex(levels)
    timed = days != days.normalize()
    if shape == "sas":
        texts = [f"{day:%d}{_MONTHS[day.month - 1]}{day:%Y:%H:%M:%S}" for day in days]
    elif shape == "finnish":
        texts = [f"{day:%d.%m.%Y}" + (f" {day:%H:%M}" if has else "") for day, has in zip(days, timed, strict=True)]
    else:
        texts = [f"{day:%Y-%m-%d}" + (f"T{day:%H:%M}" if has else "") for day, has in zip(days, timed, strict=True)]
    return np.array([*texts, ""], dtype=object)[codes]


def _number_texts(numbers: np.ndarray) -> np.ndarray:
    """Numbers with a decimal comma, whole ones without."""
    codes, levels = pd.factorize(numbers)
    texts = [str(int(level)) if level == int(level) else repr(float(level)).replace(".", ",") for level in levels]
    return np.array([*texts, ""], dtype=object)[codes]


def _files(draft: Draft) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the files."""
    rows = data_rows("hilmo_tables").set_index("table")
    for name, table in draft.tables.items():
        row = rows.loc[name]
        header = [column.lower() if row["header"] == "lower" else column for column in table.columns]
        parts = {"": table}
        if draft.split and name == "avohilmo":
            parts = {f"_{place}": table.iloc[place::2] for place in range(2)}
        for suffix, part in parts.items():
            lines = draft.lines.get(name, []) if suffix in ("", "_0") else []
            yield f"{row['write_as']}{suffix}.csv", _encoded(part, header, lines, row["encoding"])
    yield from draft.others.items()


def _encoded(table: pd.DataFrame, header: list[str], lines: list[str], encoding: str) -> bytes:
    """A table as text with semicolons; raw `lines` stand in the middle."""
    half = len(table) // 2
    pieces = [";".join(header) + "\n", _lines(table.iloc[:half]), "".join(f"{line}\n" for line in lines)]
    text = "".join([*pieces, _lines(table.iloc[half:])])
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode("utf-8-sig")


def _lines(table: pd.DataFrame) -> str:
    """The rows as text; quotation marks only where a value needs them."""
    arrow = pa.table({name: pa.array(table[name], pa.string()) for name in table.columns})
    try:
        return _csv(arrow, "none")
    except pa.ArrowInvalid:
        return _csv(arrow, "needed")


def _csv(table: pa.Table, quoting: str) -> str:
    sink = io.BytesIO()
    options = pacsv.WriteOptions(include_header=False, delimiter=";", quoting_style=quoting)
    pacsv.write_csv(table, sink, options)
    return sink.getvalue().decode("utf-8")
