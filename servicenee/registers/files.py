"""Our own format: registers to a folder of Parquet or CSV files, whole or in parts by person, and back."""

import json
import logging
import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from servicenee._checks import check_choice, check_count, check_dates, check_fraction
from servicenee.exceptions import RegisterError, ServiceneeWarning
from servicenee.registers.arrow import Only
from servicenee.registers.core import Registers
from servicenee.registers.findings import Findings
from servicenee.registers.folders import Folder, assembled, existing_folder
from servicenee.registers.parts import (
    MANIFEST,
    is_part,
    number_parts,
    part_folders,
    read_manifest,
    read_parts,
    refuse_incomplete,
    share_words,
    write_part,
)
from servicenee.registers.schema import TABLES
from servicenee.registers.splitting import PERSONS_PER_PART, count_persons, part_of, split_folder
from servicenee.registers.writing import event_tables, from_pandas, person_types, persons_table, stay_tables

LOG = logging.getLogger("servicenee")
_MANY = 20  # findings told of parts that are refused


def write_registers(
    registers: Registers | str | Path,
    path,
    partitions: int | None = None,
    *,
    format: str = "parquet",
    extract_date=None,
) -> None:
    """Write registers to a folder that `read_registers` reads back exactly.

    Parameters
    ----------
    registers : Registers, str or Path
        Registers, or the folder of some that may be larger than the memory: it is read and written part by part.
    path : str or path
        A new or empty folder, or one written by this function before, which is then replaced as a whole.
    partitions : int, optional
        Number of parts, each a folder of its own (``part-00000``, ...) that `read_registers` reads alone or together,
        and `predict` one at a time. A person's part is the CRC-32 of the id's text modulo `partitions`, so that it
        never changes. Of a folder by default one part per 10,000 persons.
    format : {"parquet", "csv"}, default="parquet"
        Parquet with zstd and dates in microseconds; or, as a whole, comma-separated UTF-8 text with ISO dates, for
        other programs.
    extract_date : date or ISO text, optional
        Day on which the extract of a folder was taken, if its ``registers.json`` does not say.

    Raises
    ------
    ValueError
        If `path` holds other files, or is the folder that is to be read.
    RegisterError
        If a folder cannot be read, as in `read_registers`.

    Notes
    -----
    The files are persons, events, stays, coverage and, where there are any, requests; ``registers.json`` holds the
    extract date. They are written under another name and renamed when complete. Findings are not written: their rows
    have been mended or set aside; of a folder, a warning counts those set aside.

    Parts are prepared for reading: events and stays are sorted by person and time, with the person's row in persons,
    whole minutes or days since 1970-01-01 and a row number of ``event_kinds`` or ``stay_kinds`` as narrow numbers, and
    are read without the checks that they have passed. Every part carries the coverage, code words and text levels of
    the whole.

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
    from_folder = not isinstance(registers, Registers)
    if format == "csv" and (from_folder or partitions is not None):
        raise ValueError(
            '`format` must be "parquet" for parts; CSV holds registers as a whole. Leave out `partitions`.'
        )
    if partitions is not None:
        check_count("partitions", partitions)
    target = Path(path).resolve()
    _refuse_foreign(target)
    if from_folder and Path(registers).resolve() == target:
        raise ValueError(
            f"`path` must be another folder than the registers, which stay as they are; got {str(path)!r}."
        )
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        if from_folder:
            _prepare(existing_folder(registers), partial, partitions, extract_date)
        elif partitions is None:
            _write_whole(registers, partial, format)
        else:
            _write_parts(registers, partitions, partial)
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
        times as much may be unreadable. Parts that `write_registers` wrote have been checked: these three do not apply.

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
    parts = part_folders(root)
    refuse_incomplete(parts)
    parts = parts or [root]
    wanted = None if persons is None else _ids(persons)
    if all(is_part(part) for part in parts):
        return read_parts(parts, persons=wanted)
    manifest = _read_manifest(parts, findings)
    folder = Folder(parts, findings)
    for name in dict.fromkeys(("persons", "events", *manifest.get("tables", ()))):
        if name not in folder:
            folder.refuse_absent(name)
    findings.raise_errors()
    columns = manifest.get("persons", {})
    ids = columns.get("person_id") or folder.ids_of("persons")
    known = {name: column.holds for name, column in TABLES["persons"].items()}
    further = {name: columns.get(name) for name in folder.columns("persons") if name not in known}
    tables = {"persons": folder.read("persons", known | further, ids)}
    only = {} if wanted is None else _only(wanted)
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


def _ids(persons: Iterable) -> np.ndarray:
    ids = pd.unique(pd.Series(list(persons), dtype=object))
    whole = all(isinstance(one, int | np.integer) for one in ids)
    return ids.astype(np.int64) if whole else np.array([str(one) for one in ids], dtype=object)


def _only(persons: np.ndarray) -> dict[str, Only]:
    """Rows wanted of each table when not everybody's are."""
    kinds = ("source", "code_system", "code", "unit")
    return {"events": Only("person_id", persons, kinds), "requests": Only("person_id", persons)}


def _refuse_foreign(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir() or (any(target.iterdir()) and not _manifests(target)):
        raise ValueError(
            f"`path` must be a new or empty folder, or one written by write_registers; got {str(target)!r}, which "
            "holds something else."
        )


def _manifests(root: Path) -> list[Path]:
    return [folder / MANIFEST for folder in (root, *part_folders(root)) if (folder / MANIFEST).is_file()]


def _replace(target: Path, partial: Path) -> None:
    """Put the complete folder in the place of the old one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _read_manifest(parts: list[Path], findings: Findings) -> dict:
    found = [read_manifest(file.parent) for part in parts for file in _manifests(part)]
    if any(manifest != found[0] for manifest in found[1:]) or len(found) not in (0, len(parts)):
        findings.error(f"{MANIFEST}: the parts are not of one extract. Read them one by one, or write them anew.")
    return found[0] if found else {}


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Categoricals as ordinary text."""
    text = [name for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return frame.astype({name: frame[name].cat.categories.dtype for name in text})


# --- writing ---------------------------------------------------------------------------------------------------------


def _write_whole(registers: Registers, folder: Path, format: str) -> None:
    folder.mkdir(parents=True)
    everybody = np.arange(len(registers.person_columns))
    _write_table(folder, "persons", format, iter([persons_table(registers, everybody)]))
    _write_table(folder, "events", format, event_tables(registers))
    _write_table(folder, "stays", format, stay_tables(registers))
    _write_table(folder, "coverage", format, iter([from_pandas(registers.coverage)]))
    if registers.requests is not None:
        _write_table(folder, "requests", format, iter([from_pandas(registers.requests)]))
    manifest = {
        "duplicates": "keep" if _has_duplicates(registers) else "drop",
        "extract_date": f"{registers.extract_date:%Y-%m-%d}",
        "persons": person_types(registers),
        "tables": sorted(file.stem for file in folder.iterdir()),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_parts(registers: Registers, partitions: int, folder: Path) -> None:
    part, requests = part_of(registers.person_columns.ids, partitions), registers.requests
    part_of_request = None if requests is None else part_of(requests["person_id"].to_numpy(), partitions)
    for number in range(partitions):
        within = None if requests is None else requests[part_of_request == number]
        write_part(registers, part == number, within, folder / f"part-{number:05d}")
    number_parts(part_folders(folder))


def _prepare(root: Path, folder: Path, partitions: int | None, extract_date) -> None:
    """Parts of a folder, one in memory at a time."""
    roots = part_folders(root) or [root]
    if any(is_part(one) for one in roots):
        raise ValueError("`registers` must be a folder of tables; got parts that are prepared already. Use them.")
    findings = Findings(1.0)
    manifest = _read_manifest(roots, findings)
    findings.raise_errors()
    if extract_date is not None:
        manifest = manifest | {"extract_date": str(check_dates("extract_date", extract_date)[0])}
    if "extract_date" not in manifest:
        raise ValueError(f"`extract_date` must be given for a folder without {MANIFEST}: parts have one in common.")
    if partitions is None:
        partitions = max(1, -(-count_persons(roots) // PERSONS_PER_PART))
    scratch, found, refused = folder / "scratch", [], []
    LOG.info("dealing the rows out; parts: %d", partitions)
    parts = split_folder(roots, scratch, partitions, manifest)
    for number, part in enumerate(parts):
        try:
            registers = read_registers(part)
        except RegisterError as error:  # go on, so that the faults of all parts are told together
            refused.extend(error.findings)
            continue
        finally:
            shutil.rmtree(part)
        write_part(
            registers, np.ones(len(registers.person_columns), dtype=bool), registers.requests, folder / part.name
        )
        found.append(registers.findings)
        LOG.info("part %d of %d written: %r", number + 1, len(parts), registers)
    if refused:
        raise RegisterError(_first_of(list(dict.fromkeys(refused))))
    shutil.rmtree(scratch)
    share_words(part_folders(folder))
    number_parts(part_folders(folder))
    _tell_what_was_set_aside(pd.concat(found, ignore_index=True))


def _first_of(findings: list[str]) -> list[str]:
    """Findings that a reader takes in, and how many there are besides."""
    rest = len(findings) - _MANY
    return [*findings[:_MANY], f"and {rest} more findings of this kind in other parts."] if rest > 0 else findings


def _tell_what_was_set_aside(findings: pd.DataFrame) -> None:
    lost = findings[findings["action"].str.startswith("set aside").astype(bool)]
    counts = lost.groupby(["table", "column", "fault"], sort=True)["n"].sum()
    if len(counts):
        told = "; ".join(f"{n:,} of {table}.{column}: {fault}" for (table, column, fault), n in counts.items())
        warnings.warn(f"rows were set aside: {told}.", ServiceneeWarning, stacklevel=4)


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


def _has_duplicates(registers: Registers) -> bool:
    columns = registers.event_columns
    same = (columns.minute[1:] == columns.minute[:-1]) & (columns.kind[1:] == columns.kind[:-1])
    at = np.flatnonzero(same)
    now, before = columns.value[at + 1], columns.value[at]
    person = np.searchsorted(columns.first, np.stack([at, at + 1]), side="right")
    return bool((((now == before) | ((now != now) & (before != before))) & (person[0] == person[1])).any())
