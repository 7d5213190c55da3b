"""Rows to explain and the reference person come in, functions that mix the two column by column go out."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from servicenee.need.columns import Column, category_text, column_values


def differs_from_reference(matrix: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Where a row has another value than the reference person; missing differs from any value.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.mixing import differs_from_reference
    >>> differs_from_reference(np.array([[1.0, np.nan]]), np.array([[1.0, 0.0]])).tolist()
    [[False, True]]
    """
    return (matrix != reference) & ~(np.isnan(matrix) & np.isnan(reference))


def matrix_mixer(matrix: np.ndarray, reference: np.ndarray) -> Callable:
    """``mix(rows, taken)`` for a float matrix."""

    def mix(rows: np.ndarray, taken: np.ndarray) -> np.ndarray:
        return np.where(taken, matrix[rows], reference)

    return mix


def frame_mixer(X: pd.DataFrame, columns: tuple[Column, ...]) -> Callable:
    """``mix(rows, taken)`` for a frame; numbers come back as float64, categories in their own type."""

    def mix(rows: np.ndarray, taken: np.ndarray) -> pd.DataFrame:
        mixed = [
            _mixed(column, X.iloc[:, column.position], rows, taken[:, place]) for place, column in enumerate(columns)
        ]
        frame = pd.concat(mixed, axis=1)
        frame.columns = X.columns
        return frame

    return mix


def _mixed(column: Column, values: pd.Series, rows: np.ndarray, taken: np.ndarray) -> pd.Series:
    if not column.is_category:
        return pd.Series(np.where(taken, column_values(column, values)[rows], column.reference))
    picked = values.take(rows).reset_index(drop=True)
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = {category_text(level): code for code, level in enumerate(values.cat.categories)}
        mixed = np.where(taken, picked.cat.codes, codes.get(column.reference, -1))
        return pd.Series(pd.Categorical.from_codes(mixed, dtype=values.dtype))
    return picked.where(taken, column.reference)
