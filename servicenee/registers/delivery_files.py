"""Text files of a delivery as they arrive, to columns of codes and levels; lines that cannot be read are told.

Encoding (UTF-8 with or without a mark, UTF-16, else Latin-1), delimiter and quotation marks are found out per file.
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

_SUFFIXES = {".csv", ".txt", ".dat", ".tsv"}
_DELIMITERS = (";", "\t", ",", "|")
_BLOCK_BYTES = 16 << 20
# What registers, SAS, R and databases write where there is no value.
_NOT_AVAILABLE = ["", ".", "NA", "N/A", "NaN", "nan", "NULL", "null", "<NA>"]
_NO_ROWS = ("Empty CSV", "Could not skip initial 1 rows")  # pyarrow, of a file that has a header only
_MOJIBAKE = "[ÃÂ]."  # UTF-8 that somebody read as Latin-1 and saved again: Ã¤ for ä


class UnreadableError(ValueError):
    """A file that is no table; the message says why and shows nothing of it."""


@dataclass(frozen=True)
class Coded:
    """A column as numbers of its distinct texts: `levels[codes]`, with -1 where there is none."""

    codes: np.ndarray
    levels: pa.Array
    mended: np.ndarray | None = (
        None  # by row: text in the wrong encoding that was turned back; None where there is none
    )

    def spread(self, of_levels: np.ndarray, missing) -> np.ndarray:
        """Values by level as values by row."""
        return np.append(of_levels, np.array([missing], dtype=of_levels.dtype))[self.codes]


@dataclass(frozen=True)
class Lines:
    """What a file holds: wanted columns by their canonical names, and which of its lines could be read."""

    columns: dict[str, Coded]
    rows: np.ndarray  # position in the file of every row that was read; the header does not count
    broken: np.ndarray  # positions of lines without as many fields as the header, or with half a quotation
    repeated: tuple[str, ...]  # columns that the header has twice

    @property
    def n_rows(self) -> int:
        """Rows of the file, broken ones too."""
        return len(self.rows) + len(self.broken)


def text_files(folder: Path) -> list[Path]:
    """Files of the folder that may be tables, in order of their names."""
    found = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
    return sorted(file for file in found if _SUFFIXES & {suffix.lower() for suffix in file.suffixes})


def read_lines(file: Path, names: Mapping[str, Iterable[str]]) -> Lines:
    """Read the columns that `names` gives, each by any of its spellings in capitals.

    Raises
    ------
    UnreadableError
        If the file is empty or no table of text.
    """
    try:
        source, encoding, has_quotes = _opened(file)
        header = _header(file, encoding)
    except (OSError, UnicodeDecodeError):
        raise UnreadableError("it cannot be read as UTF-8 or Latin-1 text") from None
    delimiter = max(_DELIMITERS, key=header.count)
    spelled = [name.strip().strip('"').strip().upper() for name in _mended_text(header).split(delimiter)]
    if len(spelled) < 2:
        raise UnreadableError("its first line is no header of several columns")
    places = {name: _place(spelled, spellings) for name, spellings in names.items()}
    places = {name: place for name, place in places.items() if place is not None}
    rows, broken, table = _parsed(source, encoding, delimiter, has_quotes, len(spelled), places)
    columns = {name: _coded(table.column(f"c{place}")) for name, place in places.items()}
    twice = tuple(sorted({name for name in spelled if name and spelled.count(name) > 1}))
    return Lines(columns, rows, broken, twice)


def stacked(parts: list[Coded]) -> Coded:
    """Several columns, one below the other."""
    if len(parts) == 1:
        return parts[0]
    place, levels = _distinct(pa.concat_arrays([part.levels for part in parts]))
    place = np.append(place, np.int32(-1))
    starts = np.cumsum([0, *(len(part.levels) for part in parts[:-1])])
    shifted = [np.where(part.codes < 0, -1, part.codes + start) for part, start in zip(parts, starts, strict=True)]
    mended = None
    if any(part.mended is not None for part in parts):
        nothing = [np.zeros(len(part.codes), dtype=bool) for part in parts]
        mended = np.concatenate(
            [none if part.mended is None else part.mended for part, none in zip(parts, nothing, strict=True)]
        )
    return Coded(place[np.concatenate(shifted)].astype(np.int32), levels, mended)


def no_column(n: int) -> Coded:
    """A column that a file does not have: missing in every row."""
    return Coded(np.full(n, -1, dtype=np.int32), pa.array([], pa.string()))


def _place(spelled: list[str], spellings: Iterable[str]) -> int | None:
    return next((spelled.index(name) for name in spellings if name in spelled), None)


def _opened(file: Path) -> tuple[object, str, bool]:
    """The file, or its bytes where they need mending first; its encoding; whether it has quotation marks."""
    with file.open("rb") as stream:
        start = stream.read(2)
    if start in (BOM_UTF16_LE, BOM_UTF16_BE):
        text = file.read_bytes().decode("utf-16", errors="replace").encode()
        return _without_half_quotations(text), "utf-8", b'"' in text
    decoder, encoding, has_quotes = getincrementaldecoder("utf-8")(), "utf-8", False
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            has_quotes = has_quotes or b'"' in block
            encoding = encoding if encoding == "latin-1" or _decodes(decoder, block) else "latin-1"
    if encoding == "utf-8" and not _decodes(decoder, b"", final=True):
        encoding = "latin-1"
    return (_without_half_quotations(file.read_bytes()) if has_quotes else file), encoding, has_quotes


def _decodes(decoder, block: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _without_half_quotations(data: bytes) -> bytes:
    """Lines with an odd number of quotation marks made one field, so that they swallow no line after them."""
    array = np.frombuffer(data, dtype=np.uint8).copy()
    ends = np.flatnonzero(array == ord("\n"))
    marks = np.bincount(np.searchsorted(ends, np.flatnonzero(array == ord('"'))), minlength=len(ends) + 1)
    edges = np.r_[-1, ends, len(array)]
    for line in np.flatnonzero(marks % 2):
        array[edges[line] + 1 : edges[line + 1]] = ord("?")
    return array.tobytes()


def _header(file: Path, encoding: str) -> str:
    with file.open("rb") as stream:
        start = stream.read(2)
    if start in (BOM_UTF16_LE, BOM_UTF16_BE):
        encoding = "utf-16"
    with file.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, errors="replace") as stream:
        return stream.readline().rstrip("\r\n")


def _parsed(
    source, encoding: str, delimiter: str, has_quotes: bool, n_columns: int, places: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray, pa.Table]:
    """Positions of rows read, positions of broken lines, and the wanted columns as c0, c1, ..."""
    numbers: list[int] = []

    def skip(row: pacsv.InvalidRow) -> str:
        numbers.append(row.number - 2)  # the header is line 1
        return "skip"

    wanted = [f"c{place}" for place in sorted(set(places.values()))] or ["c0"]
    names = [f"c{place}" for place in range(n_columns)]
    read = pacsv.ReadOptions(
        use_threads=False, block_size=_BLOCK_BYTES, column_names=names, skip_rows=1, encoding=encoding
    )
    parse = pacsv.ParseOptions(
        delimiter=delimiter, quote_char='"' if has_quotes else False, invalid_row_handler=skip, ignore_empty_lines=True
    )
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.dictionary(pa.int32(), pa.string())),
        include_columns=wanted,
        null_values=_NOT_AVAILABLE,
        strings_can_be_null=True,
    )
    try:
        opened = pa.BufferReader(source) if isinstance(source, bytes) else source
        table = pacsv.read_csv(opened, read_options=read, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        if not any(words in str(error) for words in _NO_ROWS):
            raise UnreadableError("it is no text with delimiters") from None
        empty = pa.array([], pa.string()).dictionary_encode()
        table = pa.table(dict.fromkeys(wanted, empty))
    broken = np.array(numbers, dtype=np.int64)
    everything = np.ones(table.num_rows + len(broken), dtype=bool)
    everything[broken[broken < len(everything)]] = False
    return np.flatnonzero(everything)[: table.num_rows], broken, table


def _coded(column: pa.ChunkedArray) -> Coded:
    """Codes and levels without outer spaces; empty texts and words for "missing" count as missing."""
    column = column.unify_dictionaries()
    levels = column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.string())
    codes = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    codes = np.concatenate(codes or [np.zeros(0)]).astype(np.int32)
    trimmed = pc.utf8_trim_whitespace(levels)
    wrong, mended = pc.match_substring_regex(trimmed, _MOJIBAKE).to_numpy(zero_copy_only=False), None
    if wrong.any():
        before = trimmed.to_pylist()
        after = [_mended_text(text) if bad else text for text, bad in zip(before, wrong, strict=True)]
        mended = np.array([*(new != old for new, old in zip(after, before, strict=True)), False], dtype=bool)[codes]
        trimmed = pa.array(after, pa.string())
    place, distinct = _distinct(trimmed)
    place[pc.is_in(trimmed, pa.array(_NOT_AVAILABLE)).to_numpy(zero_copy_only=False)] = -1
    return Coded(np.append(place, np.int32(-1))[codes], distinct, mended)


def _distinct(texts: pa.Array) -> tuple[np.ndarray, pa.Array]:
    encoded = texts.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32), encoded.dictionary


def _mended_text(text: str) -> str:
    """The text with UTF-8 that was read as Latin-1 or Windows-1252 turned back; unchanged where it was not."""
    text = text.removeprefix(BOM_UTF8.decode("utf-8")).removeprefix("ï»¿")
    for encoding in ("cp1252", "latin-1"):
        try:
            return text.encode(encoding).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
    return text
