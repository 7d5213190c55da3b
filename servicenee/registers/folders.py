"""A folder of tables as Parquet or CSV: what is there, its columns as data frames, and the registers made from them."""

from codecs import getincrementaldecoder
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from servicenee.exceptions import RegisterError
from servicenee.registers.arrow import (
    EXPECTED,
    Only,
    WrongTypeError,
    looks_numeric,
    read_parquet,
    rows_with,
    to_local_time,
    values_of,
    what_ids_are,
)
from servicenee.registers.core import Registers
from servicenee.registers.findings import Findings
from servicenee.registers.schema import DATE, NUMBER, TEXT

_SUFFIXES = (".parquet", ".csv")
_DELIMITERS = (",", ";", "\t")
_BLOCK_BYTES = 16 << 20


class Folder:
    """Tables in one folder or in several parts of one: `name.parquet` or `name.csv`, in upper or lower case.

    With `any_case`, columns go by their names in lower case, however the files spell them.
    CSV is UTF-8 with a header; the delimiter (comma, semicolon, tab) is the one that the header has most of.
    """

    def __init__(self, parts: Iterable[Path], findings: Findings, *, any_case: bool = False):
        self._findings = findings
        self._any_case = any_case
        self._files: dict[str, list[Path]] = {}
        for part in parts:
            found = sorted(file for file in part.iterdir() if file.suffix.lower() in _SUFFIXES)
            names = [file.stem.lower() for file in found]
            for file, name in zip(found, names, strict=True):
                if names.count(name) == 1:
                    self._files.setdefault(name, []).append(file)
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                findings.error(f"{', '.join(twice)}: there are several files of this name. Keep one, Parquet or CSV.")
        self._columns: dict[str, dict[str, str]] = {}
        self._counted: set[str] = set()

    def __contains__(self, table: str) -> bool:
        return table in self._files

    def file_name(self, table: str) -> str:
        """Name of the table's file, as messages call it."""
        return self._files[table][0].name if table in self._files else table

    def columns(self, table: str) -> list[str]:
        """Column names in the order of the file; none when the file cannot be read."""
        if table not in self._columns:
            header = self._header(self._files[table][0])
            self._columns[table] = {name.lower() if self._any_case else name: name for name in header}
        return list(self._columns[table])

    def require(self, table: str, columns: Iterable[str]) -> bool:
        """True when the table has these columns; an error that names those it lacks."""
        return require_columns(self.columns(table), columns, self.file_name(table), self._findings)

    def refuse_absent(self, table: str, remedy: str = "Add it.") -> None:
        """An error that says the file is not there."""
        self._findings.error(f"{table}: there is no file {table}.parquet or {table}.csv in the folder. {remedy}")

    def read(
        self,
        table: str,
        holds: Mapping[str, str | None],
        ids: str | None = None,
        *,
        only: Only | None = None,
    ) -> pd.DataFrame:
        """Those of the columns that the table has; what cannot be read is missing, and counted.

        `holds` says what each column holds, None to take numbers for numbers and the rest for text. `ids` says what the
        person ids are (see `ids_of`); by default what the file says. `only` tells which rows are wanted.
        """
        wanted = [name for name in self.columns(table) if name in holds]
        if not wanted:
            return pd.DataFrame()
        return frame_of(self._arrow(table, wanted, only), self.file_name(table), holds, ids, self._findings)

    def distinct(self, table: str, column: str) -> pa.ChunkedArray:
        """The distinct values of a column; none where the table has no such column."""
        if column not in self.columns(table):
            return pa.chunked_array([], pa.null())
        return pa.chunked_array([self._arrow(table, [column]).column(column).unique()])

    def ids_of(self, table: str) -> str | None:
        """What the person ids of this table are, so that those of the others can be read alike."""
        if "person_id" not in self.columns(table):
            return None
        typed = self._files[table][0].suffix.lower() == ".parquet"
        column = self._arrow(table, ["person_id"]).column("person_id")
        try:
            return what_ids_are(column, typed=typed)
        except (WrongTypeError, pa.ArrowInvalid):
            return None  # reading the column tells what is wrong with it

    def _header(self, file: Path) -> list[str]:
        try:
            if file.suffix.lower() == ".parquet":
                return pq.read_schema(file).names
            with file.open(encoding="utf-8-sig") as stream:
                header = stream.readline()
            options = pacsv.ParseOptions(delimiter=_delimiter(header))
            return pacsv.read_csv(pa.py_buffer(header.encode()), parse_options=options).column_names
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            return self._refuse(file)

    def _arrow(self, table: str, columns: list[str], only: Only | None = None) -> pa.Table:
        """These columns, from all parts; all rows, or those that are wanted."""
        spelled = self._columns[table]
        only = None if only is None else only._replace(column=spelled.get(only.column, only.column))
        parts, skipped = [], []
        for file in self._files[table]:
            try:
                part = self._read(file, [spelled[name] for name in columns], skipped, only)
            except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError):
                self._refuse(file)
                part = pa.table({spelled[name]: pa.nulls(0) for name in columns})
            parts.append(part.rename_columns(columns))
        arrow = pa.concat_tables(parts, promote_options="permissive") if len(parts) > 1 else parts[0]
        if skipped and table not in self._counted:
            self._counted.add(table)  # once, however often the file is opened for some of its columns
            fault, n_rows = "number of fields differs from the header", arrow.num_rows + len(skipped)
            self._findings.add_unread(self.file_name(table), fault, skipped, n_rows)
        return arrow

    def _read(self, file: Path, columns: list[str], skipped: list[int], only: Only | None) -> pa.Table:
        if file.suffix.lower() == ".parquet":
            names = pq.read_schema(file)
            text = [name for name in columns if pa.types.is_string(names.field(name).type)]
            return read_parquet(file, columns, text, only)

        _refuse_other_encodings(file)

        def skip(row: pacsv.InvalidRow) -> str:
            skipped.append(row.number - 2)  # the header is row 1
            return "skip"

        with file.open(encoding="utf-8-sig") as stream:
            delimiter = _delimiter(stream.readline())
        # Vocabulary files of OMOP (Athena) are tab-separated and use quotation marks as letters.
        quote = False if delimiter == "\t" else '"'
        parse = pacsv.ParseOptions(delimiter=delimiter, quote_char=quote, invalid_row_handler=skip)
        convert = pacsv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            include_columns=columns,
            null_values=[""],
            strings_can_be_null=True,
        )
        read = pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
        found = pacsv.read_csv(file, read_options=read, parse_options=parse, convert_options=convert)
        return found if only is None else rows_with(found, only)

    def _refuse(self, file: Path) -> list[str]:
        kind = "Parquet" if file.suffix.lower() == ".parquet" else "UTF-8 text with delimiters and a header"
        self._findings.error(f"{file.name}: cannot be read as {kind}. Write the file again.")
        return []


def require_columns(present: Iterable[str], columns: Iterable[str], place: str, findings: Findings) -> bool:
    """True when all columns are present; an error for each that is not."""
    missing = [name for name in columns if name not in present]
    for name in missing:
        findings.error(f"{place}, {name}: the column is missing. Add it, or rename the one that holds it.")
    return not missing


def frame_of(
    arrow: pa.Table, place: str, holds: Mapping[str, str | None], ids: str | None, findings: Findings
) -> pd.DataFrame:
    """The columns as values that `Registers` takes; what cannot be read is missing, and counted under `place`."""
    frame, n_rows = {}, arrow.num_rows
    findings.deliver(place, n_rows)
    for name in arrow.column_names:
        column, what = arrow.column(name), holds[name] or TEXT
        arrow = arrow.drop_columns(name)  # a column and its values are in memory together, but one at a time
        try:
            column, noted = to_local_time(column) if what == DATE else (column, [])
            if holds[name] is None and looks_numeric(column):
                what = NUMBER
            frame[name], failed = values_of(column, what, ids)
        except (WrongTypeError, pa.ArrowInvalid) as error:
            reason = str(error) if isinstance(error, WrongTypeError) else str(column.type)
            findings.error(f"{place}, {name}: must be {EXPECTED[what]}; got {reason}.")
            frame[name] = pd.array([None] * n_rows, dtype=object)
            continue
        for fault, action, rows in noted:
            findings.add(place, name, fault, rows, action)
        if failed is not None:
            findings.add(place, name, f"not {EXPECTED[what]}", failed, "taken as missing", limited=True)
    arrow = column = None
    pa.default_memory_pool().release_unused()  # else what the columns took stays with Arrow while the rows are sorted
    return pd.DataFrame(frame, copy=False)


def existing_folder(path) -> Path:
    """The folder, or an error that says there is none."""
    folder = Path(path)
    if not folder.is_dir():
        raise ValueError(f"`path` must be a folder of Parquet or CSV files; got {str(folder)!r}, which is none.")
    return folder


def assembled(
    tables: dict[str, pd.DataFrame], findings: Findings, *, extract_date, duplicates: str = "drop"
) -> Registers:
    """Registers from tables that were read; faults found while reading and in the tables come in one error or table."""
    try:
        registers = Registers(**tables, extract_date=extract_date, duplicates=duplicates, tolerance=findings.tolerance)
    except RegisterError as error:
        raise RegisterError([*findings.errors, *error.findings]) from None
    findings.raise_errors()
    registers.account = pd.concat([findings.account(), registers.account], ignore_index=True)
    found = [frame for frame in (findings.frame(), registers.findings) if len(frame)]
    if found:
        registers.findings = pd.concat(found, ignore_index=True)
    return registers


def _refuse_other_encodings(file: Path) -> None:
    """Raise UnicodeDecodeError unless the file is UTF-8."""
    decoder = getincrementaldecoder("utf-8")()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            decoder.decode(block)
    decoder.decode(b"", final=True)


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)
