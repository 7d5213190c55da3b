"""A folder of registers of any size comes in; the same rows in parts by person go out, in memory that is bounded."""

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

PERSONS_PER_PART = 10_000
_SPLIT = ("persons", "events", "stays", "requests")
_ROWS_PER_BATCH = 1 << 19
_BLOCK_BYTES = 32 << 20


def part_of(ids: np.ndarray, partitions: int) -> np.ndarray:
    """Part of every person: the CRC-32 of the id's text modulo the number of parts, so that it never changes."""
    return np.array([zlib.crc32(str(person).encode()) % partitions for person in ids.tolist()], dtype=np.int64)


def count_persons(folders: list[Path]) -> int:
    """Rows of the persons tables."""
    return sum(len(batch) for folder in folders for batch in _batches(_file(folder, "persons"), ["person_id"]))


def split_folder(folders: list[Path], scratch: Path, partitions: int, manifest: str) -> list[Path]:
    """Write the rows of each part to a folder of its own below `scratch`, as they stand and in their order.

    Rows of nobody among the persons are dealt out evenly: reading the parts sets them aside and counts them. `manifest`
    is the text of ``registers.json`` of each part.
    """
    parts = [scratch / f"part-{number:05d}" for number in range(partitions)]
    for part in parts:
        part.mkdir(parents=True)
        (part / "registers.json").write_text(manifest, encoding="utf-8")
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


def _persons(folders: list[Path]) -> pa.Array:
    found = [
        _plain(batch.column("person_id")) for folder in folders for batch in _batches(_file(folder, "persons"), None)
    ]
    return pc.drop_null(
        pc.unique(pa.chunked_array([chunk for column in found for chunk in column.chunks], found[0].type))
    )


def _split_table(table: str, files: list[Path], parts: list[Path], ids: pa.Array, place: np.ndarray) -> None:
    writers: list[pq.ParquetWriter | None] = [None] * len(parts)
    n_rows, schema = 0, None
    try:
        for file in files:
            for batch in _batches(file, None):
                schema = batch.schema if schema is None else schema
                part = _parts_of_rows(batch, ids, place, n_rows, len(parts))
                n_rows += len(batch)
                order = np.argsort(part, kind="stable")
                ends = np.cumsum(np.bincount(part, minlength=len(parts)))
                ordered = batch.take(pa.array(order)).cast(schema)
                for number, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
                    if writers[number] is None:
                        file_of_part = parts[number] / f"{table}.parquet"
                        writers[number] = pq.ParquetWriter(file_of_part, schema, compression="lz4")
                    if end > start:
                        writers[number].write_table(ordered.slice(start, end - start))
    except (pa.ArrowException, KeyError) as error:
        raise RegisterError([f"{file.name}: cannot be read ({type(error).__name__}). Write the file again."]) from None
    finally:
        for writer in writers:
            if writer is not None:
                writer.close()


def _parts_of_rows(batch: pa.Table, ids: pa.Array, place: np.ndarray, start: int, partitions: int) -> np.ndarray:
    column = _plain(batch.column("person_id"))
    if column.type != ids.type:  # reading the parts tells what is wrong with it
        return (np.arange(len(batch)) + start) % partitions
    position = pc.index_in(column, value_set=ids).fill_null(-1).to_numpy()
    dealt = (np.arange(len(batch)) + start) % partitions
    return np.where(position < 0, dealt, place[position]) if len(place) else dealt


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers as int64, text as text, whatever their width or encoding."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return column.cast(pa.int64() if pa.types.is_integer(kind) else pa.string())


def _file(folder: Path, table: str) -> Path | None:
    found = [file for file in folder.iterdir() if file.stem.lower() == table and file.suffix.lower() in _SUFFIXES]
    return found[0] if found else None


_SUFFIXES = (".parquet", ".csv")


def _batches(file: Path, columns: list[str] | None) -> Iterator[pa.Table]:
    """Rows of a file, a bounded number at a time; at least one table, which may be empty."""
    if file.suffix.lower() == ".parquet":
        yield from _parquet_batches(file, columns)
        return
    with file.open(encoding="utf-8-sig") as stream:
        header = stream.readline()
    delimiter = max((",", ";", "\t"), key=header.count)
    names = pacsv.read_csv(
        pa.py_buffer(header.encode()), parse_options=pacsv.ParseOptions(delimiter=delimiter)
    ).column_names
    options = {
        "read_options": pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        "parse_options": pacsv.ParseOptions(delimiter=delimiter, quote_char=False if delimiter == "\t" else '"'),
        "convert_options": pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=columns,
            null_values=[""],
            strings_can_be_null=True,
        ),
    }
    with pacsv.open_csv(file, **options) as reader:
        yield reader.schema.empty_table()
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _parquet_batches(file: Path, columns: list[str] | None) -> Iterator[pa.Table]:
    schema = pq.read_schema(file)
    text = [name for name in schema.names if pa.types.is_string(schema.field(name).type)]
    parquet = pq.ParquetFile(file, read_dictionary=text, memory_map=True)
    yield parquet.schema_arrow.empty_table() if columns is None else parquet.schema_arrow.empty_table().select(columns)
    for batch in parquet.iter_batches(_ROWS_PER_BATCH, columns=columns, use_threads=False):
        yield pa.Table.from_batches([batch])
