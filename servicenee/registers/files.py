"""Our own format: registers to a folder of Parquet or CSV files, whole or in parts by person, and back."""

import json
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from servicenee._checks import check_choice, check_count, check_fraction
from servicenee.registers.arrow import ANY_TEXT, WHOLE_NUMBERS, Only
from servicenee.registers.core import Registers
from servicenee.registers.findings import Findings
from servicenee.registers.folders import Folder, assembled, existing_folder
from servicenee.registers.schema import NUMBER, TABLES, TEXT
from servicenee.registers.tables import FAR_FUTURE, TextColumn, to_dates

_MANIFEST = "registers.json"
_ROWS_PER_BATCH = 1 << 20
_US = pa.timestamp("us")


def write_registers(registers: Registers, path, partitions: int | None = None, *, format: str = "parquet") -> None:
    """Write registers to a folder that `read_registers` reads back exactly.

    Parameters
    ----------
    registers : Registers
    path : str or path
        A new or empty folder, or one written by this function before, which is then replaced as a whole.
    partitions : int, optional
        Number of parts, each a folder of its own (``part-00000``, ...) that `read_registers` reads alone or together.
        A person's part is the CRC-32 of the id's text modulo `partitions`, so that it never changes.
    format : {"parquet", "csv"}, default="parquet"
        Parquet with zstd and dates in microseconds; or comma-separated UTF-8 text with ISO dates, for other programs.

    Raises
    ------
    ValueError
        If the folder holds other files.

    Notes
    -----
    The files are persons, events, stays, coverage and, where there are any, requests; ``registers.json`` holds the
    extract date. They are written under another name and renamed when complete. Findings are not written: their rows
    have been mended or set aside.

    Examples
    --------
    >>> import tempfile
    >>> from servicenee import make_registers, read_registers, write_registers
    >>> registers = make_registers(100, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_registers(registers, f"{folder}/county", partitions=4)
    ...     repr(read_registers(f"{folder}/county")) == repr(registers)
    True
    """
    check_choice("format", format, ("parquet", "csv"))
    ids = registers.person_columns.ids
    target = Path(path).resolve()
    _refuse_foreign(target)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        if partitions is None:
            _write_part(registers, np.ones(len(ids), dtype=bool), registers.requests, partial, format)
        else:
            _write_parts(registers, check_count("partitions", partitions), partial, format)
        _replace(target, partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_registers(
    path,
    *,
    persons: Iterable | None = None,
    extract_date=None,
    duplicates: str | None = None,
    tolerance: float = 0.01,
) -> Registers:
    """Read registers from a folder of Parquet or CSV files.

    Parameters
    ----------
    path : str or path
        Folder with `persons` and `events`, and optionally `stays`, `requests` and `coverage`, each one file with the
        columns of `Registers`: written by `write_registers`, whole or in parts, or by hand.
    persons : iterable of person ids, optional
        Persons whose events and requests are read, when not everybody's are needed: it takes far less memory. Persons
        and stays are whole all the same, and one event more of every code, so that all codes stay known. By default
        everybody.
    extract_date : date or ISO text, optional
        Day on which the extract was taken; by default what ``registers.json`` says, else as in `Registers`.
    duplicates : {"drop", "keep"}, optional
        What becomes of events that repeat another exactly; by default what ``registers.json`` says, else "drop".
    tolerance : float, default=0.01
        Share of a table's rows that may be set aside before the registers are refused; of a column's values, five
        times as much may be unreadable.

    Returns
    -------
    Registers
        Checked like any other; `findings` tells what could not be read.

    Raises
    ------
    RegisterError
        If files or columns are missing or hold something else; the message lists all faults, by file and column.

    Notes
    -----
    In CSV an empty field is missing, dates are ISO text (2021-12-31 or 2021-12-31T14:05, local time), decimals have a
    point. Person ids in CSV are whole numbers if all ids of `persons` are, without leading zeros; otherwise they
    are text. Further columns of `persons` are numbers if all their values are. In Parquet the types of the file hold.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from servicenee import read_registers
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = "person_id,birth_date,sex\\n007,1940-05-01,female\\n"
    ...     _ = Path(folder, "persons.csv").write_text(text)
    ...     text = "person_id,time,source,code_system,code\\n007,2023-03-01T09:15,emergency,contact,visit\\n"
    ...     _ = Path(folder, "events.csv").write_text(text)
    ...     read_registers(folder, extract_date="2024-01-01")
    Registers(1 person, 1 event, 0 stays, extract_date=2024-01-01)
    """
    findings = Findings(check_fraction("tolerance", tolerance))
    root = existing_folder(path)
    parts = _parts(root) or [root]
    manifest = _read_manifest(parts, findings)
    folder = Folder(parts, findings)
    for name in ("persons", "events"):
        if name not in folder:
            findings.error(f"{name}: there is no file {name}.parquet or {name}.csv in the folder. Add it.")
    findings.raise_errors()
    columns = manifest.get("persons", {})
    ids = columns.get("person_id") or folder.ids_of("persons")
    known = {name: column.holds for name, column in TABLES["persons"].items()}
    further = {name: columns.get(name) for name in folder.columns("persons") if name not in known}
    tables = {"persons": folder.read("persons", known | further, ids)}
    only = {} if persons is None else _only(persons)
    for name in [name for name in ("events", "stays", "requests", "coverage") if name in folder]:
        holds = {column: what.holds for column, what in TABLES[name].items()}
        if name == "requests":
            holds |= dict.fromkeys([column for column in folder.columns(name) if column not in holds])
        tables[name] = folder.read(name, holds, ids, only=only.get(name))
    if "coverage" in tables and len(parts) > 1:
        tables["coverage"] = tables["coverage"].drop_duplicates(ignore_index=True)
    if "requests" in tables:
        tables["requests"] = _plain(tables["requests"])
    return assembled(
        tables,
        findings,
        extract_date=extract_date if extract_date is not None else manifest.get("extract_date"),
        duplicates=duplicates if duplicates is not None else manifest.get("duplicates", "drop"),
    )


def _only(persons: Iterable) -> dict[str, Only]:
    """Rows wanted of each table when not everybody's are."""
    ids = pd.unique(pd.Series(list(persons), dtype=object))
    whole = all(isinstance(one, int | np.integer) for one in ids)
    values = ids.astype(np.int64) if whole else np.array([str(one) for one in ids], dtype=object)
    kinds = ("source", "code_system", "code", "unit")
    return {"events": Only("person_id", values, kinds), "requests": Only("person_id", values)}


def _refuse_foreign(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir() or (any(target.iterdir()) and not _manifests(target)):
        raise ValueError(
            f"`path` must be a new or empty folder, or one written by write_registers; got {str(target)!r}, which "
            "holds something else."
        )


def _parts(root: Path) -> list[Path]:
    return sorted(part for part in root.glob("part-*") if part.is_dir())


def _manifests(root: Path) -> list[Path]:
    return [folder / _MANIFEST for folder in (root, *_parts(root)) if (folder / _MANIFEST).is_file()]


def _replace(target: Path, partial: Path) -> None:
    """Put the complete folder in the place of the old one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _read_manifest(parts: list[Path], findings: Findings) -> dict:
    found = [json.loads(file.read_text(encoding="utf-8")) for part in parts for file in _manifests(part)]
    if any(manifest != found[0] for manifest in found[1:]) or len(found) not in (0, len(parts)):
        findings.error(f"{_MANIFEST}: the parts are not of one extract. Read them one by one, or write them anew.")
    return found[0] if found else {}


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Categoricals as ordinary text."""
    text = [name for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return frame.astype({name: frame[name].cat.categories.dtype for name in text})


# --- writing ---------------------------------------------------------------------------------------------------------


def _write_parts(registers: Registers, partitions: int, folder: Path, format: str) -> None:
    part = _part_of(registers.person_columns.ids, partitions)
    requests = registers.requests
    part_of_request = None if requests is None else _part_of(requests["person_id"].to_numpy(), partitions)
    for number in range(partitions):
        within = None if requests is None else requests[part_of_request == number]
        _write_part(registers, part == number, within, folder / f"part-{number:05d}", format)


def _part_of(ids: np.ndarray, partitions: int) -> np.ndarray:
    return np.array([zlib.crc32(str(person).encode()) % partitions for person in ids.tolist()], dtype=np.int64)


def _write_part(
    registers: Registers, chosen: np.ndarray, requests: pd.DataFrame | None, folder: Path, format: str
) -> None:
    folder.mkdir(parents=True)
    _write_table(folder, "persons", format, iter([_persons(registers, np.flatnonzero(chosen))]))
    _write_table(folder, "events", format, _events(registers, chosen))
    _write_table(folder, "stays", format, _stays(registers, chosen))
    _write_table(folder, "coverage", format, iter([_from_pandas(registers.coverage)]))
    if requests is not None:
        _write_table(folder, "requests", format, iter([_from_pandas(requests)]))
    manifest = {
        "duplicates": "keep" if _has_duplicates(registers) else "drop",
        "extract_date": f"{registers.extract_date:%Y-%m-%d}",
        "persons": _person_types(registers),
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_table(folder: Path, name: str, format: str, batches: Iterator[pa.Table]) -> None:
    """Write the batches, of which there is at least one, to one file."""
    batch = next(batches)
    if format == "parquet":
        with pq.ParquetWriter(folder / f"{name}.parquet", batch.schema, compression="zstd") as writer:
            while batch is not None:
                writer.write_table(batch)
                batch = next(batches, None)
        return
    schema = pa.schema([(field.name, _csv_type(field.type)) for field in batch.schema])
    with pacsv.CSVWriter(folder / f"{name}.csv", schema) as writer:
        while batch is not None:
            writer.write_table(batch.cast(schema))
            batch = next(batches, None)


def _csv_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return pa.string()
    return pa.timestamp("s") if pa.types.is_timestamp(kind) else kind


def _persons(registers: Registers, chosen: np.ndarray) -> pa.Table:
    columns = registers.person_columns
    table = {"person_id": _ids(registers, chosen), "birth_date": _days(columns.birth_day[chosen])}
    for name, values in columns.extra.items():
        if isinstance(values, TextColumn):
            table[name] = _text(values.codes[chosen], values.levels)
        else:
            table[name] = pa.array(values[chosen], from_pandas=True)
    table["registered_from"] = _days(columns.from_day[chosen])
    table["registered_to"] = _days(columns.to_day[chosen])
    table["death_date"] = _days(columns.death_day[chosen])
    return pa.table(table)


def _events(registers: Registers, chosen: np.ndarray) -> Iterator[pa.Table]:
    columns = registers.event_columns
    texts = _kind_texts(columns.kinds)
    for person, rows in _batches(columns.first, chosen):
        minute, kind = columns.minute[rows], columns.kind[rows]
        table = {"person_id": _ids(registers, person), "time": _minutes(minute)}
        table |= {name: _text(codes[kind], levels) for name, (codes, levels) in texts.items()}
        table["value"] = pa.array(columns.value[rows], from_pandas=True)
        if columns.available is not None:  # else it follows from the reporting lags in coverage
            table["available_at"] = _minutes(columns.available[rows])
        yield pa.table(table)


def _stays(registers: Registers, chosen: np.ndarray) -> Iterator[pa.Table]:
    columns = registers.stay_columns
    texts = _kind_texts(columns.kinds)
    for person, rows in _batches(columns.first, chosen):
        kind, start, end = columns.kind[rows], columns.start_day[rows], columns.end_day[rows]
        table = {"person_id": _ids(registers, person), "start": _days(start), "end": _days(end)}
        table |= {name: _text(codes[kind], levels) for name, (codes, levels) in texts.items()}
        lag = columns.lag_days[kind].astype(np.int64)
        available, end_available = columns.available_day[rows], columns.end_available_day[rows]
        follows = (available == start + lag) & (end_available == np.minimum(end + lag, FAR_FUTURE))
        table["available_at"] = _days(np.where(follows, FAR_FUTURE, available))
        yield pa.table(table)


def _batches(first: np.ndarray, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Persons' positions and rows, a bounded number at a time; one empty batch when there is nothing."""
    n = np.diff(first)
    rows = np.flatnonzero(np.repeat(chosen, n))
    person = np.repeat(np.flatnonzero(chosen).astype(np.int32), n[chosen])
    for start in range(0, max(len(rows), 1), _ROWS_PER_BATCH):
        yield person[start : start + _ROWS_PER_BATCH], rows[start : start + _ROWS_PER_BATCH]


def _ids(registers: Registers, positions: np.ndarray) -> pa.Array:
    ids = registers.person_ids(positions)
    return pa.array(ids, pa.string() if ids.dtype == object else pa.int64())


def _days(days: np.ndarray) -> pa.Array:
    return pa.array(to_dates(days), _US)


def _minutes(minutes: np.ndarray) -> pa.Array:
    return pa.array(minutes.astype("datetime64[m]").astype("datetime64[us]"), _US)


def _text(codes: np.ndarray, levels: tuple[str, ...]) -> pa.DictionaryArray:
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(levels, pa.string()))


def _kind_texts(kinds: pd.DataFrame) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """Codes by kind and levels of every column of `kinds`; a unit that is not there is missing."""
    texts = {}
    for name in kinds.columns:
        column = kinds[name].to_numpy(dtype=object)
        levels = sorted(set(column.tolist()) - ({""} if name == "unit" else set()))
        texts[name] = (pd.Index(levels, dtype=object).get_indexer(column).astype(np.int32), tuple(levels))
    return texts


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    """A frame as a table: dates in microseconds, text as text."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    kinds = {True: _US, False: pa.string()}
    fields = []
    for field in table.schema:
        plain = not pa.types.is_timestamp(field.type) and not pa.types.is_date(field.type)
        known = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_boolean(field.type)
        fields.append((field.name, field.type if plain and known else kinds[not plain]))
    return table.cast(pa.schema(fields), safe=False)


def _person_types(registers: Registers) -> dict[str, str]:
    """What CSV cannot tell: the type of the ids and of further columns of persons."""
    columns = registers.person_columns
    ids = WHOLE_NUMBERS if columns.ids.dtype.kind == "i" else ANY_TEXT
    extra = {name: TEXT if isinstance(values, TextColumn) else NUMBER for name, values in columns.extra.items()}
    return {"person_id": ids, **{name: what for name, what in extra.items() if name not in TABLES["persons"]}}


def _has_duplicates(registers: Registers) -> bool:
    columns = registers.event_columns
    same = (columns.minute[1:] == columns.minute[:-1]) & (columns.kind[1:] == columns.kind[:-1])
    at = np.flatnonzero(same)
    now, before = columns.value[at + 1], columns.value[at]
    person = np.searchsorted(columns.first, np.stack([at, at + 1]), side="right")
    return bool((((now == before) | ((now != now) & (before != before))) & (person[0] == person[1])).any())
