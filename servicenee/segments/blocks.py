"""A table and its blocks come in; what is remembered of each column, and its values as numbers, go out."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from numbers import Real

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, name_some
from servicenee.exceptions import ServiceneeWarning
from servicenee.need.columns import MIN_PERSONS_PER_CATEGORY, category_texts, column_names

KINDS = ("binary", "category", "count", "scale")
_BLOCK_KEYS = {"columns", "kind", "weight"}
# A segment may not be told apart by a scale value that varies less than this share of its standard deviation.
_LEAST_SPREAD = 0.1


@dataclass(frozen=True)
class BlockColumn:
    """What the segmenter remembers of one column of X.

    `centre` and `unit` are mean and standard deviation of a scale value; `floor` is the least variance that a segment
    may have, in units of `unit`; `dropped` says why the column is not used ("" if it is).
    """

    name: str
    position: int
    block: str
    kind: str
    weight: float
    levels: tuple[str, ...] = ()
    centre: float = 0.0
    unit: float = 1.0
    floor: float = 0.0
    dropped: str = ""

    @property
    def n_statistics(self) -> int:
        """Numbers per person that the likelihood needs."""
        return {"category": len(self.levels), "scale": 2}.get(self.kind, 1)

    @property
    def n_parameters(self) -> int:
        """Free parameters per segment."""
        return len(self.levels) - 1 if self.kind == "category" else self.n_statistics


def learn_blocks(X: pd.DataFrame | np.ndarray, blocks: Mapping | None) -> tuple[BlockColumn, ...]:
    """Block, kind and levels of every column that a block names; of all columns, by their values, without blocks.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.segments.blocks import learn_blocks
    >>> X = pd.DataFrame({"diabetes": [0, 1], "visits": [3, 12], "eGFR": [61.5, 88.0]})
    >>> [column.kind for column in learn_blocks(X, None)]
    ['binary', 'count', 'scale']
    """
    names = [str(name) for name in column_names(X)]
    chosen = [("all", None, 1.0, name) for name in names] if blocks is None else _chosen(blocks, names)
    columns = []
    for block, kind, weight, name in chosen:
        position = names.index(name)
        values = _raw(X, position)
        found = _kind(values)
        if kind is not None and kind != "category":
            _check_kind(name, kind, found)
        kind = kind or found
        levels = _levels(values) if kind == "category" else ()
        columns.append(BlockColumn(name, position, block, kind, weight, levels))
    return tuple(columns)


def used(columns: tuple[BlockColumn, ...]) -> tuple[BlockColumn, ...]:
    """The columns that tell segments apart."""
    return tuple(column for column in columns if not column.dropped)


def read_values(columns: tuple[BlockColumn, ...], X: pd.DataFrame | np.ndarray) -> np.ndarray:
    """Values of these columns, shape (n_columns, n_rows): NaN is missing, categories are numbered.

    A category that was rare in training or appears only now is missing: it says nothing about the segment.
    """
    values = np.empty((len(columns), X.shape[0]), dtype=np.float64)
    unseen = []
    for place, column in enumerate(columns):
        values[place] = _column_values(column, _raw(X, column.position), unseen)
    if unseen:
        warnings.warn(
            f"Categories not seen in training count as missing: {name_some(unseen)}.", ServiceneeWarning, stacklevel=4
        )
    return values


def finish_columns(columns: tuple[BlockColumn, ...], values: np.ndarray, weights: np.ndarray):
    """The columns with centre, unit and floor learnt, and with the reason why some tell nothing.

    `values` are distinct rows in canonical order and `weights` their numbers, so that nothing depends on row order.
    """
    return tuple(_finish(column, row, weights) for column, row in zip(columns, values, strict=True))


def _chosen(blocks: Mapping, names: list[str]) -> list[tuple]:
    """(block, kind, weight, column name) in the order of the table; patterns such as ``condition_*`` are allowed."""
    if not isinstance(blocks, Mapping) or not blocks:
        raise ValueError("`blocks` must be a dict such as {'conditions': {'columns': ['condition_*']}}, or None.")
    found: dict[str, tuple] = {}
    for block, rule in blocks.items():
        kind, weight, patterns = _rule(block, rule)
        hits = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
        if not hits:
            raise ValueError(f"`blocks` must name columns of X; {block!r} names none. X has {name_some(names)}.")
        twice = [name for name in hits if name in found]
        if twice:
            raise ValueError(f"`blocks` must name a column once; {name_some(twice)} are in more than one block.")
        found |= {name: (block, kind, weight, name) for name in hits}
    return [found[name] for name in names if name in found]


def _rule(block: str, rule: Mapping) -> tuple[str | None, float, list[str]]:
    if not isinstance(rule, Mapping) or "columns" not in rule or not set(rule) <= _BLOCK_KEYS:
        raise ValueError(f"`blocks`[{block!r}] must be a dict with columns and, if wanted, kind and weight.")
    kind, weight, columns = rule.get("kind"), rule.get("weight", 1.0), rule["columns"]
    if kind is not None:
        check_choice(f"kind of block {block}", kind, KINDS)
    if not isinstance(weight, Real) or isinstance(weight, bool) or not 0 < weight < np.inf:
        raise ValueError(f"weight of block {block!r} must be a number above 0; got {weight!r}.")
    return kind, float(weight), [columns] if isinstance(columns, str) else [str(column) for column in columns]


def _raw(X, position: int):
    return X.iloc[:, position] if isinstance(X, pd.DataFrame) else X[:, position]


def _kind(values) -> str:
    """Kind by the values: text is a category, 0/1 binary, other whole numbers from 0 a count, else a scale value."""
    if _is_text(values):
        return "category"
    numbers = _numbers("X", values)
    known = numbers[~np.isnan(numbers)]
    if ((known == 0) | (known == 1)).all():
        return "binary"
    whole = (known >= 0).all() and (known == np.floor(known)).all()
    return "count" if whole else "scale"


def _check_kind(name: str, kind: str, found: str) -> None:
    fits = {"binary": ("binary",), "count": ("binary", "count"), "scale": ("binary", "count", "scale")}[kind]
    if found not in fits:
        raise ValueError(f"column `{name}` of X must hold values of kind {kind!r}; its values are of kind {found!r}.")


def _is_text(values) -> bool:
    if not isinstance(values, pd.Series):
        return False
    kinds = pd.api.types
    if isinstance(values.dtype, pd.CategoricalDtype):
        return True
    if kinds.is_object_dtype(values.dtype):
        inferred = kinds.infer_dtype(values, skipna=True)
        return inferred not in ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty")
    return kinds.is_string_dtype(values.dtype)


def _levels(values) -> tuple[str, ...]:
    """Categories that enough persons share: a model never holds a text of one person."""
    counts = category_texts(values).value_counts()
    return tuple(sorted(counts.index[counts >= MIN_PERSONS_PER_CATEGORY]))


def _column_values(column: BlockColumn, raw, unseen: list[str]) -> np.ndarray:
    if column.kind == "category":
        text = category_texts(raw)
        codes = pd.Index(column.levels, dtype=object).get_indexer(text).astype(np.float64)
        n_unseen = int(((codes < 0) & text.notna().to_numpy()).sum())
        codes[codes < 0] = np.nan
        if n_unseen and not column.dropped:
            unseen.append(f"{column.name} ({n_unseen} of {len(codes)} rows)")
        return codes
    # A negative zero would make two equal rows differ.
    numbers = _numbers(column.name, raw) + 0.0
    if column.kind in ("binary", "count") and not column.dropped:
        _check_range(column, numbers)
    return numbers


def _check_range(column: BlockColumn, numbers: np.ndarray) -> None:
    known = numbers[~np.isnan(numbers)]
    wrong = known < 0 if column.kind == "count" else (known != 0) & (known != 1)
    if wrong.any():
        rule = "0 and 1" if column.kind == "binary" else "numbers of at least 0"
        raise ValueError(
            f"column `{column.name}` of X must hold {rule}, as in training; {int(wrong.sum())} of {len(numbers)} rows "
            "hold others."
        )


def _numbers(name: str, values) -> np.ndarray:
    if isinstance(values, pd.Series):
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            raise ValueError(f"column `{name}` of X must hold numbers or categories; got dates.")
        try:
            values = values.to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError):
            # The third-party message would show a value of a row.
            raise ValueError(f"column `{name}` of X must hold numbers or categories; got {values.dtype}.") from None
    numbers = np.asarray(values, dtype=np.float64)
    n_infinite = int(np.isinf(numbers).sum())
    if n_infinite:
        raise ValueError(f"column `{name}` of X must hold finite numbers; got infinity in {n_infinite} rows.")
    return numbers


def _finish(column: BlockColumn, values: np.ndarray, weights: np.ndarray) -> BlockColumn:
    known = ~np.isnan(values)
    facts = dict(vars(column))
    if not known.any():
        return BlockColumn(**facts | {"dropped": "no values"})
    distinct = np.unique(values[known])
    if len(distinct) == 1:
        return BlockColumn(**facts | {"dropped": "constant"})
    if column.kind != "scale":
        return column
    total = weights[known].sum()
    centre = float(weights[known] @ values[known] / total)
    unit = float(np.sqrt(weights[known] @ (values[known] - centre) ** 2 / total))
    # Values written in whole steps are known to within a step only: a uniform error of variance step² / 12.
    step = float(np.diff(distinct).min())
    floor = max((step / unit) ** 2 / 12, _LEAST_SPREAD**2)
    return BlockColumn(**facts | {"centre": centre, "unit": unit, "floor": min(floor, 0.5)})
