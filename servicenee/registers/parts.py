"""Registers in parts: the columns of some persons, checked and sorted, in a folder of their own that is read fast.

A part (``part-00000``, ...) stands on its own: besides its rows it carries what belongs to the whole (coverage, extract
date, code words, the levels of text columns), so that features of a part have the columns of the whole; and which of
how many parts of which extract it is, so that none is missed or met twice.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from servicenee._checks import name_some
from servicenee.exceptions import RegisterError
from servicenee.registers.arrow import EXPECTED, holds_arrow
from servicenee.registers.core import Registers
from servicenee.registers.kinds import sorted_kinds
from servicenee.registers.ordering import first_rows
from servicenee.registers.reading import to_days
from servicenee.registers.schema import DATE, IDENTITY, NUMBER, TEXT
from servicenee.registers.tables import (
    FAR_FUTURE,
    FAR_PAST,
    CoverageColumns,
    EventColumns,
    PersonColumns,
    StayColumns,
    TextColumn,
    read_only,
    unfilled,
)
from servicenee.registers.writing import from_pandas, person_types, persons_table

MANIFEST = "registers.json"
_LAYOUT = "part"
_ROWS_PER_GROUP = 1 << 20
_NUMBERS = {
    "events": {"person": "int32", "minute": "int32", "kind": "uint16 int32", "value": "double", "available": "int32"},
    "stays": {
        "person": "int32",
        "start_day": "int32",
        "end_day": "int32",
        "kind": "uint16 int32",
        "available_day": "int32",
        "end_available_day": "int32",
    },
}
_DATES = {"birth_date": FAR_PAST, "death_date": FAR_FUTURE, "registered_from": FAR_PAST, "registered_to": FAR_FUTURE}
_OWN = ("content", "part")  # what the manifests of the parts of one extract do not have in common
_SAID = {"extract_date": str, "levels": dict, "tables": list, "part": int, "parts": int, "extract": str, "content": str}
_KIND_COLUMNS = {
    "events": ("source", "code_system", "code", "unit"),
    "stays": ("source", "kind", "unit"),
}
_MAY_BE_ABSENT = "available"
_REMEDY = "Write the parts again with `servicenee prepare` or write_registers."
_NOT_ONE_EXTRACT = f"{MANIFEST}: the parts are not of one extract. Read them one by one, or write them anew."


@dataclass(frozen=True)
class Words:
    """What belongs to the whole of which registers are a part: kinds of events and of stays, levels of text columns."""

    event_kinds: pd.DataFrame
    stay_kinds: pd.DataFrame
    levels: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Part:
    """One part as it is read: its numbers, and the words they stand for."""

    manifest: dict
    persons: pa.Table
    numbers: dict[str, dict[str, np.ndarray]]
    kinds: dict[str, pd.DataFrame]
    coverage: pd.DataFrame
    requests: pd.DataFrame | None


def part_folders(root: Path) -> list[Path]:
    """The parts of a folder in order; none if it holds the registers as a whole."""
    return sorted(part for part in root.glob("part-*") if part.is_dir())


def is_part(folder: Path) -> bool:
    """Whether a folder was written by `write_part`."""
    return (folder / MANIFEST).is_file() and read_manifest(folder).get("layout") == _LAYOUT


def read_manifest(folder: Path) -> dict:
    """What ``registers.json`` of a folder says; RegisterError if it cannot be read or lacks what a part must say."""
    file = folder / MANIFEST
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(file, f"cannot be read ({type(error).__name__}). {_REMEDY}") from None
    if not isinstance(said, dict):
        raise _refused(file, f"is no table of facts. {_REMEDY}")
    if said.get("layout") == _LAYOUT:
        lacking = [name for name, kind in _SAID.items() if not isinstance(said.get(name), kind)]
        if lacking:
            raise _refused(file, f"does not say {', '.join(lacking)}. {_REMEDY}")
    return said


def refuse_incomplete(folders: list[Path]) -> None:
    """Raise RegisterError unless the folders are all the parts of one extract, each once.

    Parts of another layout do not say how many they are and pass; so does a part whose manifest cannot be read, for
    reading it tells why.
    """
    said, unknown = {}, 0
    for folder in folders:
        try:
            said[folder.name] = read_manifest(folder) if (folder / MANIFEST).is_file() else {}
        except RegisterError:
            unknown += 1
    if not any(manifest.get("layout") == _LAYOUT for manifest in said.values()):
        return
    first = next(iter(said.values()))
    extracts = {(manifest.get("extract"), manifest.get("parts")) for manifest in said.values()}
    if len(extracts) > 1:
        raise RegisterError([_NOT_ONE_EXTRACT])
    numbers = [manifest["part"] for manifest in said.values()]
    twice = [name for name, manifest in said.items() if numbers.count(manifest["part"]) > 1]
    if twice:
        raise RegisterError([f"{MANIFEST}: {name_some(twice)} hold the same part. Keep one of them. {_REMEDY}"])
    missing = [f"part-{number:05d}" for number in sorted({*range(first["parts"])} - {*numbers})]
    if len(missing) > unknown:
        raise RegisterError(
            [f"{len(missing)} of {first['parts']} parts are missing: {name_some(missing)}. Put them back. {_REMEDY}"]
        )


def write_part(registers: Registers, chosen: np.ndarray, requests: pd.DataFrame | None, folder: Path) -> None:
    """Write the persons marked in `chosen`, with these requests, to a new folder, to be numbered by `number_parts`.

    Numbers are as narrow as they are in memory; the codec is the one that is fastest to read.
    """
    folder.mkdir(parents=True)
    _write(folder / "persons.parquet", persons_table(registers, np.flatnonzero(chosen)))
    events, stays = registers.event_columns, registers.stay_columns
    rows, person = _rows_of(events.first, chosen)
    columns = {"minute": events.minute, "kind": events.kind, "value": events.value, "available": events.available}
    columns = {name: values[rows] for name, values in columns.items() if values is not None}
    _write(folder / "events.parquet", pa.table({"person": person, **columns}))
    rows, person = _rows_of(stays.first, chosen)
    columns = {name: getattr(stays, name)[rows] for name in _NUMBERS["stays"] if name != "person"}
    _write(folder / "stays.parquet", pa.table({"person": person, **columns}))
    _write(folder / "coverage.parquet", from_pandas(registers.coverage))
    for name, kinds in (("events", events.kinds), ("stays", stays.kinds)):
        _write_kinds(folder, name, kinds)
    if requests is not None:
        _write(folder / "requests.parquet", from_pandas(requests))
    extra = registers.person_columns.extra
    levels = {name: list(column.levels) for name, column in extra.items() if isinstance(column, TextColumn)}
    manifest = {
        "extract_date": f"{registers.extract_date:%Y-%m-%d}",
        "layout": _LAYOUT,
        "levels": levels,
        "persons": person_types(registers),
        "tables": sorted(file.stem for file in folder.glob("*.parquet")),
    }
    _write_manifest(folder, manifest)


def number_parts(folders: list[Path]) -> None:
    """Have parts say which of how many they are, what they hold and what extract they are of: by their bytes."""
    contents = [_digest(file.read_bytes() for file in sorted(folder.glob("*.parquet"))) for folder in folders]
    extract = _digest(content.encode() for content in contents)
    for number, (folder, content) in enumerate(zip(folders, contents, strict=True)):
        own = {"content": content, "extract": extract, "part": number, "parts": len(folders)}
        _write_manifest(folder, _written(folder) | own)


def share_words(folders: list[Path]) -> None:
    """Give parts that were written one by one the coverage, code words and levels of all of them."""
    manifests = [_written(folder) for folder in folders]
    levels = {
        name: sorted({level for manifest in manifests for level in manifest["levels"].get(name, ())})
        for name in dict.fromkeys(name for manifest in manifests for name in manifest["levels"])
    }
    coverage = pd.concat([_frame(folder / "coverage.parquet") for folder in folders], ignore_index=True)
    coverage = coverage.drop_duplicates("source").sort_values("source", ignore_index=True)
    for name in ("events", "stays"):
        own = [_read_kinds(folder, name) for folder in folders]
        _, whole = sorted_kinds(pd.concat(own, ignore_index=True))
        for folder, kinds in zip(folders, own, strict=True):
            known = set(kinds.itertuples(index=False, name=None))
            new = [row not in known for row in whole.itertuples(index=False, name=None)]
            _write_kinds(folder, name, pd.concat([kinds, whole[new]], ignore_index=True))
    for folder, manifest in zip(folders, manifests, strict=True):
        _write(folder / "coverage.parquet", from_pandas(coverage))
        _write_manifest(folder, manifest | {"levels": levels})


def read_parts(folders: list[Path], *, persons: np.ndarray | None = None) -> Registers:
    """Registers of one part or of several together; events and requests of these persons only, if any are given.

    Raises
    ------
    RegisterError
        If a file is missing, cannot be read or was changed since the parts were written, or the parts are of
        different extracts.
    """
    parts = [_of_persons(_read_part(folder), persons) for folder in folders]
    first = parts[0].manifest
    common = {name: first[name] for name in first if name not in _OWN}
    if any(common != {name: said for name, said in part.manifest.items() if name not in _OWN} for part in parts) or (
        len({"available" in part.numbers["events"] for part in parts}) > 1
    ):
        raise RegisterError([_NOT_ONE_EXTRACT])
    extract_day = int(np.datetime64(first["extract_date"], "D").astype(np.int64))
    everybody, place = _persons(parts)
    coverage = _coverage(parts[0].coverage, extract_day)
    lag_of = dict(zip(coverage.source, coverage.lag_days.tolist(), strict=True))
    columns = {name: _merged(parts, name, place, len(everybody), lag_of) for name in ("events", "stays")}
    events = EventColumns(**{"available": None} | columns["events"])
    requests = [part.requests for part in parts if part.requests is not None]
    return Registers.of_columns(
        everybody,
        events,
        StayColumns(**columns["stays"]),
        coverage,
        extract_day,
        pd.concat(requests, ignore_index=True) if requests else None,
    )


def with_words(registers: Registers, words: Words) -> Registers:
    """The same rows, their kinds and text levels numbered as in the whole, so that features have its columns."""
    coverage = registers.coverage_columns
    lag_of = dict(zip(coverage.source, coverage.lag_days.tolist(), strict=True))
    renumbered = {}
    for name, whole in (("event_columns", words.event_kinds), ("stay_columns", words.stay_kinds)):
        columns = getattr(registers, name)
        place, kinds = sorted_kinds(pd.concat([columns.kinds, whole], ignore_index=True))
        kind = place[: len(columns.kinds)][columns.kind] if len(columns) else columns.kind.astype(place.dtype)
        lag_days = np.array([lag_of[source] for source in kinds["source"]], dtype=np.int32)
        read_only(kind)
        renumbered[name] = replace(columns, kind=kind, kinds=kinds, lag_days=lag_days)
    persons = registers.person_columns
    extra = dict(persons.extra)
    for name, whole in words.levels.items():
        if isinstance(extra.get(name), TextColumn):
            levels = tuple(sorted({*extra[name].levels, *whole}))
            place = np.array([*(levels.index(level) for level in extra[name].levels), -1], dtype=np.int32)
            extra[name] = TextColumn(place[extra[name].codes], levels)
    return registers.replaced(**renumbered, person_columns=replace(persons, extra=extra))


# --- writing ---------------------------------------------------------------------------------------------------------


def _rows_of(first: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray | slice, np.ndarray]:
    """Rows of the chosen persons, and for each row its person's number among them."""
    n = np.diff(first)
    person = np.repeat(np.arange(int(chosen.sum()), dtype=np.int32), n[chosen])
    return (slice(None) if chosen.all() else np.repeat(chosen, n)), person


def _write(file: Path, table: pa.Table) -> None:
    pq.write_table(table, file, compression="lz4", row_group_size=_ROWS_PER_GROUP, write_statistics=False)


def _write_kinds(folder: Path, name: str, kinds: pd.DataFrame) -> None:
    columns = {column: pa.array(kinds[column].tolist(), pa.string()) for column in kinds.columns}
    _write(folder / f"{name.removesuffix('s')}_kinds.parquet", pa.table(columns))


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(hashlib.sha256(piece).digest())
    return digest.hexdigest()[:16]


def _written(folder: Path) -> dict:
    """The manifest of a part that is being written."""
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def _write_manifest(folder: Path, manifest: dict) -> None:
    text = json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8", newline="\n")


# --- reading ---------------------------------------------------------------------------------------------------------


def _read_part(folder: Path) -> _Part:
    manifest = read_manifest(folder)
    for table in manifest["tables"]:
        if not (folder / f"{table}.parquet").is_file():
            raise _refused(folder / f"{table}.parquet", f"is missing though {MANIFEST} names it. {_REMEDY}")
    persons = _read_persons(folder / "persons.parquet", manifest["levels"])
    numbers = {name: _read_numbers(folder / f"{name}.parquet", _NUMBERS[name], len(persons)) for name in _NUMBERS}
    kinds = {name: _read_kinds(folder, name) for name in _NUMBERS}
    for name, columns in numbers.items():
        if len(columns["kind"]) and int(columns["kind"].max()) >= len(kinds[name]):
            raise _changed(folder / f"{name}.parquet", "kind")
    coverage = _read_coverage(folder / "coverage.parquet")
    for name, own in kinds.items():
        if not own["source"].isin(coverage["source"]).all():
            raise _refused(folder / "coverage.parquet", f"lacks sources of {name}. {_REMEDY}")
    requests = _frame(folder / "requests.parquet") if "requests" in manifest["tables"] else None
    return _Part(manifest, persons, numbers, kinds, coverage, requests)


def _of_persons(part: _Part, persons: np.ndarray | None) -> _Part:
    if persons is None:
        return part
    chosen = pd.Index(part.persons["person_id"].to_pylist()).isin(persons)
    rows = chosen[part.numbers["events"]["person"]]
    events = {name: values[rows] for name, values in part.numbers["events"].items()}
    requests = part.requests
    if requests is not None:
        requests = requests[requests["person_id"].isin(persons)]
    return replace(part, numbers=part.numbers | {"events": events}, requests=requests)


def _read_persons(file: Path, levels: dict[str, list[str]]) -> pa.Table:
    """Persons, each column of the type that `write_part` gave it."""
    table = _table(file)
    texts = dict.fromkeys(levels, TEXT)
    numbers = {name: NUMBER for name in table.column_names if name not in texts}
    _refuse_types(file, table, numbers | texts | dict.fromkeys(_DATES, DATE) | {"person_id": IDENTITY})
    if table["person_id"].null_count:
        raise _changed(file, "person_id")
    for name, known in levels.items():
        texts = table[name].cast(pa.string()).drop_null().unique()
        if not pc.all(pc.is_in(texts, pa.array(known, pa.string())), min_count=0).as_py():
            raise _refused(file, f"{name} holds texts that {MANIFEST} does not name: the file was changed. {_REMEDY}")
    return table


def _read_coverage(file: Path) -> pd.DataFrame:
    table = _table(file)
    _refuse_types(file, table, {"source": TEXT, "from": DATE, "to": DATE, "reporting_lag_days": NUMBER})
    if table["source"].null_count or table["reporting_lag_days"].null_count:
        raise _refused(file, f"lacks values: the file was changed. {_REMEDY}")
    return _as_frame(table)


def _refuse_types(file: Path, table: pa.Table, expected: dict[str, str]) -> None:
    for name, holds in expected.items():
        if name not in table.column_names:
            raise _refused(file, f"has no column {name}. {_REMEDY}")
        kind = table.schema.field(name).type
        if not holds_arrow(kind, holds) or (pa.types.is_timestamp(kind) and kind.tz is not None):
            raise _refused(file, f"{name} must be {EXPECTED[holds]}; got {kind}. {_REMEDY}")


def _read_numbers(file: Path, expected: dict[str, str], n_persons: int) -> dict[str, np.ndarray]:
    """Columns of numbers, one row group at a time, without a copy where there is one group only."""
    try:
        parquet = pq.ParquetFile(file, memory_map=True)
        schema = parquet.schema_arrow
        for name, kinds in expected.items():
            if name not in schema.names and name != _MAY_BE_ABSENT:
                raise _refused(file, f"has no column {name}. {_REMEDY}")
            if name in schema.names and str(schema.field(name).type) not in kinds.split():
                raise _refused(
                    file, f"{name} must be {kinds.replace(' ', ' or ')}; got {schema.field(name).type}. {_REMEDY}"
                )
        names = [name for name in expected if name in schema.names]
        n_rows = parquet.metadata.num_rows
        columns = {name: unfilled(n_rows, schema.field(name).type.to_pandas_dtype()) for name in names}
        start = 0
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=names, use_threads=False)
            for name in names:
                columns[name][start : start + len(table)] = table.column(name).chunk(0).to_numpy()
            start += len(table)
    except MemoryError:  # Arrow's own is an ArrowException too, and says nothing about the file
        raise
    except (pa.ArrowException, OSError) as error:
        raise _refused(file, f"cannot be read ({type(error).__name__}). {_REMEDY}") from None
    person = columns["person"]
    if len(person) and not (0 <= person[0] and person[-1] < n_persons and bool((person[1:] >= person[:-1]).all())):
        raise _changed(file, "person")
    return columns


def _read_kinds(folder: Path, name: str) -> pd.DataFrame:
    file = folder / f"{name.removesuffix('s')}_kinds.parquet"
    table = _table(file)
    _refuse_types(file, table, dict.fromkeys(_KIND_COLUMNS[name], TEXT))
    return pd.DataFrame({column: pd.Series(table[column].to_pylist(), dtype=object) for column in table.column_names})


def _table(file: Path) -> pa.Table:
    try:
        return pq.ParquetFile(file).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _refused(file, f"cannot be read ({type(error).__name__}). {_REMEDY}") from None


def _frame(file: Path) -> pd.DataFrame:
    return _as_frame(_table(file))


def _as_frame(table: pa.Table) -> pd.DataFrame:
    text = {field.name: object for field in table.schema if pa.types.is_string(field.type)}
    return table.to_pandas().astype(text)


def _refused(file: Path, reason: str) -> RegisterError:
    return RegisterError([f"{file.parent.name}/{file.name}: {reason}"])


def _changed(file: Path, column: str) -> RegisterError:
    return _refused(file, f"{column} holds numbers out of order or range: the file was changed. {_REMEDY}")


# --- putting together ------------------------------------------------------------------------------------------------


def _persons(parts: list[_Part]) -> tuple[PersonColumns, list[np.ndarray]]:
    """Persons of all parts in order of id, and for each part the positions of its persons among them."""
    table = pa.concat_tables([part.persons for part in parts], promote_options="permissive")
    ids = table["person_id"].to_numpy()
    ids = ids if ids.dtype.kind == "i" else np.array(table["person_id"].to_pylist(), dtype=str)
    order = np.argsort(ids, kind="stable")
    if bool((ids[order][1:] == ids[order][:-1]).any()):
        raise RegisterError(["persons: some persons are in several parts. Write the parts anew."])
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    dates = {
        name: to_days(table[name].to_numpy().astype("datetime64[us]")[order], missing)
        for name, missing in _DATES.items()
    }
    levels = parts[0].manifest["levels"]
    extra: dict[str, TextColumn | np.ndarray] = {}
    for name in [name for name in table.column_names if name != "person_id" and name not in dates]:
        if name in levels:
            codes = pd.Index(levels[name], dtype=object).get_indexer(table[name].to_pylist()).astype(np.int32)
            extra[name] = TextColumn(codes[order], tuple(levels[name]))
        else:
            extra[name] = table[name].cast(pa.float64(), safe=False).to_numpy()[order]
            read_only(extra[name])
    ends = np.cumsum([len(part.persons) for part in parts])
    columns = (ids[order], *dates.values())
    read_only(*columns)
    return PersonColumns(*columns, extra=extra), np.split(place, ends[:-1])


def _coverage(frame: pd.DataFrame, extract_day: int) -> CoverageColumns:
    dates = {name: frame[name].to_numpy(dtype="datetime64[us]") for name in ("from", "to")}
    return CoverageColumns(
        tuple(frame["source"]),
        to_days(dates["from"], FAR_PAST),
        np.minimum(to_days(dates["to"], FAR_FUTURE), np.int32(extract_day)),
        frame["reporting_lag_days"].to_numpy().astype(np.int32),
    )


def _merged(parts: list[_Part], table: str, place: list[np.ndarray], n_persons: int, lag_of: dict[str, int]) -> dict:
    """Columns of all parts in order of person, kinds numbered alike, and what follows from the kinds."""
    kind_of, kinds = sorted_kinds(pd.concat([part.kinds[table] for part in parts], ignore_index=True))
    ends = np.cumsum([len(part.kinds[table]) for part in parts])
    numbers = []
    for part, positions, new in zip(parts, place, np.split(kind_of, ends[:-1]), strict=True):
        columns = part.numbers[table]
        person, kind = _renumbered(columns["person"], positions), _renumbered(columns["kind"], new)
        numbers.append(columns | {"person": person, "kind": kind})
    if len(parts) == 1:
        columns = numbers[0]
    else:
        columns = {name: np.concatenate([part[name] for part in numbers]) for name in numbers[0]}
        order = np.argsort(columns["person"], kind="stable")
        columns = {name: values[order] for name, values in columns.items()}
    first = first_rows(columns.pop("person"), n_persons)
    lag_days = np.array([lag_of[source] for source in kinds["source"]], dtype=np.int32)
    read_only(first, *columns.values())
    return columns | {"first": first, "kinds": kinds, "lag_days": lag_days}


def _renumbered(numbers: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The new number of each; the same array when all stay as they are."""
    if numbers.dtype == new.dtype and bool((new == np.arange(len(new))).all()):
        return numbers
    return new[numbers] if len(new) else numbers.astype(new.dtype)
