"""A table of numbers and categories comes in, a float matrix and what was learnt about its columns go out."""

import csv
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, name_some

# A category is remembered only when this many persons share it, so that a model never holds a text of one person.
MIN_PERSONS_PER_CATEGORY = 5
MAX_CATEGORIES = 200


@dataclass(frozen=True)
class Column:
    """What the model remembers of one column of X."""

    name: str | int
    position: int
    categories: tuple[str, ...] | None
    other_share: float
    reference: float | str
    dropped: str
    is_increasing: bool = False

    @property
    def is_category(self) -> bool:
        return self.categories is not None


@dataclass(frozen=True)
class Rows:
    """What an engine learns from: a float matrix with its used columns, the outcome and the row weights."""

    matrix: np.ndarray
    columns: tuple[Column, ...]
    y: np.ndarray
    weights: np.ndarray

    def take(self, positions: np.ndarray) -> "Rows":
        """The same for some of the rows, in the memory order that the engines read fastest."""
        return Rows(np.asfortranarray(self.matrix[positions]), self.columns, self.y[positions], self.weights[positions])


def learn_columns(
    X: pd.DataFrame | np.ndarray, persons: np.ndarray | None, increasing: str | Iterable[str] | None = None
) -> tuple[Column, ...]:
    """Kind, categories and reference value of every column; `dropped` says why one is not used ("" if it is).

    `increasing`: columns that may only raise the prediction of trees, by name; "auto": those of our features that the
    rows of ``increasing.csv`` name.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.columns import learn_columns
    >>> columns = learn_columns(np.array([[1.0, 0.0], [1.0, 2.0]]), persons=None)
    >>> [column.dropped for column in columns]
    ['constant', '']
    """
    names = column_names(X)
    columns = [_learn_column(name, position, _raw(X, position), persons) for position, name in enumerate(names)]
    chosen = _increasing(names, increasing)
    return tuple(
        replace(column, is_increasing=not column.is_category) if column.name in chosen else column for column in columns
    )


def _increasing(names: list, increasing) -> set:
    if increasing is None:
        return set()
    if isinstance(increasing, str):
        check_choice("increasing", increasing, ["auto"])
        prefixes = _increasing_prefixes()
        return {name for name in names if str(name).startswith(prefixes)}
    unknown = sorted(set(increasing) - set(names))
    if unknown:
        raise ValueError(f"`increasing` must name columns of X; {len(unknown)} are not there: {name_some(unknown)}.")
    return set(increasing)


@cache
def _increasing_prefixes() -> tuple[str, ...]:
    with (files("servicenee.need") / "increasing.csv").open(encoding="utf-8") as stream:
        return tuple(row["prefix"] for row in csv.DictReader(stream))


def column_names(X: pd.DataFrame | np.ndarray) -> list:
    """The frame's names, or x0, x1, ... as scikit-learn calls the columns of an array."""
    if isinstance(X, pd.DataFrame):
        return [name if isinstance(name, str) else str(name) for name in X.columns]
    return [f"x{position}" for position in range(X.shape[1])]


def used(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns that reach the engine, in the order of X."""
    return tuple(column for column in columns if not column.dropped)


def read_matrix(columns: tuple[Column, ...], X: pd.DataFrame | np.ndarray) -> np.ndarray:
    """These columns as a float64 matrix: NaN is missing, categories are numbered, the last number is "other"."""
    matrix = np.empty((X.shape[0], len(columns)), dtype=np.float64, order="F")
    for place, column in enumerate(columns):
        matrix[:, place] = column_values(column, _raw(X, column.position))
    return matrix


def column_values(column: Column, values: pd.Series | np.ndarray) -> np.ndarray:
    """One column of X as float64."""
    if not column.is_category:
        return _numbers(column.name, values)
    text = category_texts(values)
    codes = pd.Index(column.categories, dtype=object).get_indexer(text).astype(np.float64)
    codes[codes < 0] = len(column.categories)
    codes[text.isna().to_numpy()] = np.nan
    return codes


def reference_row(columns: tuple[Column, ...]) -> np.ndarray:
    """The reference person in the numbering of `read_matrix`, one row."""
    return np.array([_reference_code(column) for column in columns], dtype=np.float64)[np.newaxis, :]


def _reference_code(column: Column) -> float:
    if not column.is_category:
        return float(column.reference)
    known = column.reference in column.categories
    return float(column.categories.index(column.reference) if known else len(column.categories))


def _raw(X, position: int):
    return X.iloc[:, position] if isinstance(X, pd.DataFrame) else X[:, position]


def _learn_column(name: Hashable, position: int, values, persons: np.ndarray | None) -> Column:
    if _holds_categories(name, values):
        return _learn_categories(name, position, category_texts(values), persons)
    numbers = _numbers(name, values)
    known = numbers[~np.isnan(numbers)]
    reference = float(np.median(known)) if len(known) else float("nan")
    return Column(name, position, None, 0.0, reference, _why_not_a_number(known, len(numbers)))


def _why_not_a_number(known: np.ndarray, n_rows: int) -> str:
    # HistGradientBoosting (scikit-learn 1.9.1) crashes when its sample of 200,000 rows holds no known value.
    if len(known) < max(1, n_rows // 1_000):
        return "no values" if len(known) == 0 else "hardly any values"
    return "constant" if len(known) == n_rows and known.min() == known.max() else ""


def _learn_categories(name: Hashable, position: int, text: pd.Series, persons: np.ndarray | None) -> Column:
    known = text.notna().to_numpy()
    values = pd.DataFrame({"text": text.to_numpy()[known], "person": _persons(persons, len(text))[known]})
    n_rows, n_persons = values["text"].value_counts(), values.drop_duplicates()["text"].value_counts()
    frequent = sorted(
        n_persons.index[n_persons >= MIN_PERSONS_PER_CATEGORY], key=lambda level: (-n_persons[level], level)
    )
    levels = tuple(sorted(frequent[:MAX_CATEGORIES]))
    reference = min(levels, key=lambda level: (-n_rows[level], level)) if levels else "other"
    other_share = float(1.0 - n_rows[list(levels)].sum() / max(len(values), 1))
    dropped = "no values" if not known.any() else ""
    if known.all() and len(levels) + (other_share > 0) < 2:
        dropped = "constant"
    return Column(name, position, levels, other_share, reference, dropped)


def _persons(persons: np.ndarray | None, n_rows: int) -> np.ndarray:
    return np.arange(n_rows) if persons is None else np.asarray(persons)


def _holds_categories(name: Hashable, values) -> bool:
    kinds = pd.api.types
    if not isinstance(values, pd.Series):
        return False
    if kinds.is_datetime64_any_dtype(values.dtype) or kinds.is_timedelta64_dtype(values.dtype):
        raise ValueError(
            f"column `{name}` of X must hold numbers or categories; got dates. "
            "Turn it into days before the index date (for example with DaysSince)."
        )
    if isinstance(values.dtype, pd.CategoricalDtype):
        return True
    if kinds.is_object_dtype(values.dtype):
        numeric = ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty")
        return kinds.infer_dtype(values, skipna=True) not in numeric
    return kinds.is_string_dtype(values.dtype)


def _numbers(name: Hashable, values) -> np.ndarray:
    if isinstance(values, pd.Series):
        try:
            values = values.to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError):
            # The third-party message would show a value of a row.
            raise ValueError(
                f"column `{name}` of X must hold numbers as it did when the model was fitted; got {values.dtype}."
            ) from None
    numbers = np.asarray(values, dtype=np.float64)
    n_infinite = int(np.isinf(numbers).sum())
    if n_infinite:
        raise ValueError(
            f"column `{name}` of X must hold finite numbers; got infinity in {n_infinite} of {len(numbers)} rows."
        )
    return numbers


def category_texts(values: pd.Series | np.ndarray) -> pd.Series:
    """Category values as text, missing kept; 1.0 and 1 are the same category."""
    values = pd.Series(values)
    if isinstance(values.dtype, pd.CategoricalDtype):
        names = [category_text(level) for level in values.cat.categories]
        codes = values.cat.codes.to_numpy()
        listed = np.array([*names, None], dtype=object)
        return pd.Series(listed[codes], dtype=object)
    if pd.api.types.is_string_dtype(values.dtype) and not pd.api.types.is_object_dtype(values.dtype):
        return pd.Series(values.to_numpy(dtype=object, na_value=None), dtype=object)
    missing = values.isna().to_numpy()
    codes, levels = pd.factorize(values[~missing], sort=False)
    text = np.full(len(values), None, dtype=object)
    text[~missing] = np.array([category_text(level) for level in levels], dtype=object)[codes] if len(levels) else None
    return pd.Series(text, dtype=object)


def category_text(level) -> str:
    """A category as text: 1.0 and 1 are the same."""
    whole = isinstance(level, float | np.floating) and float(level).is_integer()
    return str(int(level)) if whole else str(level)
