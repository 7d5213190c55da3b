"""Text columns of a table come in; one small number per row and the table of the distinct combinations go out."""

import numpy as np
import pandas as pd

from servicenee.codes import normalise_code, split_kinds
from servicenee.registers.ordering import blocks
from servicenee.registers.reading import text_codes
from servicenee.registers.tables import unfilled

_MOST_COMBINATIONS = 1 << 22  # up to here a table of all possible combinations finds the distinct ones fastest


class TextCodes:
    """Text columns as codes, packed into one number per row: which combination of texts it holds.

    Parameters
    ----------
    frame : DataFrame
    names : tuple of str
        The columns; one that the frame lacks counts as missing in every row.
    """

    def __init__(self, frame: pd.DataFrame, names: tuple[str, ...]):
        self.names = names
        self.codes, self._levels = zip(*(text_codes(frame, name) for name in names), strict=True)
        self._sizes = [len(levels) + 1 for levels in self._levels]
        n_combinations = int(np.prod(self._sizes, dtype=np.float64))
        self._dense = n_combinations <= _MOST_COMBINATIONS
        self._seen = np.zeros(n_combinations if self._dense else 0, dtype=bool)
        self.dtype = np.min_scalar_type(n_combinations) if self._dense else np.dtype(np.int64)

    def missing(self, name: str, block: slice) -> np.ndarray:
        """Rows of the block without this text; empty when it has none."""
        codes = self.codes[self.names.index(name)][block]
        return codes < 0 if len(codes) and codes.min() < 0 else np.zeros(0, dtype=bool)

    def pack(self, block: slice) -> np.ndarray:
        """Number of the combination of texts in every row of the block."""
        packed = np.zeros(block.stop - block.start, dtype=self.dtype)
        for codes, size in zip(self.codes, self._sizes, strict=True):
            if size > 1:
                packed *= self.dtype.type(size)
                # A missing text, -1, is the largest number of its kind, and the 1 that follows brings it round to 0.
                packed += codes[block].astype(self.dtype)
                packed += self.dtype.type(1)
        return packed

    def note(self, packed: np.ndarray) -> None:
        """Remember that these combinations occur."""
        if self._dense:
            self._seen[packed.astype(np.intp)] = True

    def kinds(self, packed: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
        """Kind of every row, and the table of distinct kinds in order; codes in their normal spelling.

        All of `packed` must have been noted; it is written over where kinds fit into it.
        """
        if self._dense:
            used = np.flatnonzero(self._seen)
        else:
            packed, used = pd.factorize(packed)
        parts = np.unravel_index(used, self._sizes)
        kinds = pd.DataFrame(
            {
                name: np.array(["", *levels], dtype=object)[part]
                for name, levels, part in zip(self.names, self._levels, parts, strict=True)
            }
        )
        if "code" in self.names:
            kinds["code"] = [normalise_code(*pair) for pair in zip(kinds["code_system"], kinds["code"], strict=True)]
        place, kinds = sorted_kinds(kinds)
        if self._dense:
            of_kind, place = place, np.zeros(len(self._seen), dtype=place.dtype)
            place[used] = of_kind
        of_row = packed if packed.dtype == place.dtype else unfilled(len(packed), place.dtype)
        for block in blocks(len(packed)):
            of_row[block] = place.take(packed[block])
        return of_row, kinds


def sorted_kinds(kinds: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Place of every kind among the distinct ones in order, as narrow a number as will do, and these."""
    rows = list(zip(*(kinds[name].tolist() for name in kinds.columns), strict=True))
    distinct = sorted(set(rows))
    place_of = {row: place for place, row in enumerate(distinct)}
    place = np.array([place_of[row] for row in rows], dtype=np.uint16 if len(distinct) < 2**16 else np.int32)
    return place, pd.DataFrame(distinct, columns=kinds.columns, dtype=object)


def _same(parts: pd.DataFrame, kinds: pd.DataFrame) -> np.ndarray:
    names = ["code_system", "code"]
    return (parts[names].to_numpy() == kinds[names].to_numpy()).all(axis=1)


def split_combinations(kinds: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, pd.DataFrame] | None:
    """Parts of Finnish combination codes (F00.10*G30.1): how many every kind has, the kinds they become, and these.

    None when there is nothing to split. Without it a search by prefix would miss a fifth of the diagnoses of diabetes
    and most of its complications.
    """
    parts = split_kinds(kinds)
    n_parts = np.bincount(parts["row"], minlength=len(kinds))
    if not len(kinds) or bool((n_parts == 1).all() and _same(parts, kinds).all()):
        return None
    split = kinds.iloc[parts["row"]].assign(code_system=parts["code_system"].tolist(), code=parts["code"].tolist())
    place, split = sorted_kinds(split)
    return n_parts, place, split
