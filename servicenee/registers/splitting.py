"""A folder of registers of any size comes in; the same rows in parts by person go out, in memory that is bounded."""

import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from servicenee.exceptions import RegisterError
from servicenee.registers.arrow import looks_numeric, what_ids_are
from servicenee.registers.schema import NUMBER, TABLES, TEXT

PERSONS_PER_PART = 10_000
_SPLIT = ("persons", "events", "stays", "requests")
_ROWS_PER_BATCH = 1 << 19
_BLOCK_BYTES = 32 << 20
_SUFFIXES = (".parquet", ".csv")


def part_of(ids: np.ndarray, partitions: int) -> np.ndarray:
    """Part of every person: the CRC-32 of the id's text modulo the number of parts, so that it never changes."""
    return np.array([zlib.crc32(str(person).encode()) % partitions for person in ids.tolist()], dtype=np.int64)


def count_persons(folders: list[Path]) -> int:
    """Rows of the persons tables."""
    return sum(len(batch) for batch in _persons_batches(folders))


def split_folder(folders: list[Path], scratch: Path, partitions: int, manifest: dict) -> list[Path]:
    """Write the rows of each part to a folder of its own below `scratch`, as they stand and in their order.

    Rows of nobody among the persons are dealt out evenly: reading the parts sets them aside and counts them. `manifest`
    becomes ``registers.json`` of each part, with what the columns of persons hold: one part alone might not tell.
    """
    text = json.dumps(manifest | {"persons": _person_types(folders) | manifest.get("persons", {})})
    parts = [scratch / f"part-{number:05d}" for number in range(partitions)]
    for part in parts:
        part.mkdir(parents=True)
        (part / "registers.json").write_text(text, encoding="utf-8")
    ids = _persons(folders)
    place = part_of(np.array(ids.to_pylist(), dtype=object), partitions)
    for table in _SPLIT:
        files = [file for file in (_file(folder, table) for folder in folders) if file is not None]
        if files:
            _split_table(table, files, parts, ids, place)
    for folder in folders:
        coverage = _file(folder, "coverage")
        if coverage is not None:
            for part in parts:
                shutil.copy(coverage, part / coverage.name.lower())
    return parts


def _person_types(folders: list[Path]) -> dict[str, str]:
    """What ids and further columns hold, by all their values."""
    persons = pa.concat_tables(_persons_batches(folders), promote_options="permissive")
    further = [name for name in persons.column_names if name not in TABLES["persons"]]
    types = {name: NUMBER if looks_numeric(persons.column(name)) else TEXT for name in further}
    if "person_id" in persons.column_names:
        typed = any(_file(folder, "persons").suffix.lower() == ".parquet" for folder in folders)
        types["person_id"] = what_ids_are(persons.column("person_id"), typed=typed)
    return types


def _persons_batches(folders: list[Path]) -> Iterator[pa.Table]:
    for folder in folders:
        file = _file(folder, "persons")
        if file is None:
            raise RegisterError(["persons: there is no file persons.parquet or persons.csv in the folder. Add it."])
        yield from _batches(file)


def _persons(folders: list[Path]) -> pa.Array:
    batches = [batch for batch in _persons_batches(folders) if "person_id" in batch.column_names]
    if not batches:  # reading the parts tells what is missing
        return pa.array([], pa.string())
    found = [_plain(batch.column("person_id")) for batch in batches]
    chunks = [chunk for column in found for chunk in column.chunks]
    return pc.drop_null(pc.unique(pa.chunked_array(chunks, found[0].type)))


def _split_table(table: str, files: list[Path], parts: list[Path], ids: pa.Array, place: np.ndarray) -> None:
    writers: list[pq.ParquetWriter | None] = [None] * len(parts)
    n_rows, schema = 0, None
    try:
        for batch in (batch for file in files for batch in _batches(file)):
            schema = batch.schema if schema is None else schema
            part = _parts_of_rows(batch, ids, place, n_rows, len(parts))
            n_rows += len(batch)
            ordered = batch.take(pa.array(np.argsort(part, kind="stable"))).cast(schema)
            ends = np.cumsum(np.bincount(part, minlength=len(parts)))
            for number, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
                if writers[number] is None:
                    file = parts[number] / f"{table}.parquet"
                    writers[number] = pq.ParquetWriter(file, schema, compression="lz4")
                    writers[number].write_table(schema.empty_table())  # pyarrow 18 does not read a file without any
                if end > start:
                    writers[number].write_table(ordered.slice(start, end - start))
    finally:
        for writer in writers:
            if writer is not None:
                writer.close()


def _parts_of_rows(batch: pa.Table, ids: pa.Array, place: np.ndarray, start: int, partitions: int) -> np.ndarray:
    dealt = (np.arange(len(batch)) + start) % partitions
    column = _plain(batch.column("person_id")) if "person_id" in batch.column_names else None
    if column is None or column.type != ids.type or not len(place):  # reading the parts tells what is wrong with it
        return dealt
    position = pc.index_in(column, value_set=ids).fill_null(-1).to_numpy()
    return np.where(position < 0, dealt, place[position])


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers as int64, text as text, whatever their width or encoding."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return column.cast(pa.int64() if pa.types.is_integer(kind) else pa.string())


def _file(folder: Path, table: str) -> Path | None:
    found = [file for file in folder.iterdir() if file.stem.lower() == table and file.suffix.lower() in _SUFFIXES]
    return found[0] if found else None


def _batches(file: Path) -> Iterator[pa.Table]:
    """Rows of a file, a bounded number at a time; at least one table, which may be empty."""
    try:
        yield from _parquet_batches(file) if file.suffix.lower() == ".parquet" else _text_batches(file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RegisterError([f"{file.name}: cannot be read ({type(error).__name__}). Write the file again."]) from None


def _text_batches(file: Path) -> Iterator[pa.Table]:
    with file.open(encoding="utf-8-sig") as stream:
        header = stream.readline()
    delimiter = max((",", ";", "\t"), key=header.count)
    parse = pacsv.ParseOptions(delimiter=delimiter, quote_char=False if delimiter == "\t" else '"')
    names = pacsv.read_csv(pa.py_buffer(header.encode()), parse_options=parse).column_names
    text = dict.fromkeys(names, pa.string())
    convert = pacsv.ConvertOptions(column_types=text, null_values=[""], strings_can_be_null=True)
    read = pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
    with pacsv.open_csv(file, read_options=read, parse_options=parse, convert_options=convert) as reader:
        yield reader.schema.empty_table()
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _parquet_batches(file: Path) -> Iterator[pa.Table]:
    schema = pq.read_schema(file)
    text = [name for name in schema.names if pa.types.is_string(schema.field(name).type)]
    parquet = pq.ParquetFile(file, read_dictionary=text, memory_map=True)
    yield parquet.schema_arrow.empty_table()
    for batch in parquet.iter_batches(_ROWS_PER_BATCH, use_threads=False):
        yield pa.Table.from_batches([batch])
