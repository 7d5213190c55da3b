"""Values of all rows come in; the distinct rows in canonical order, and how many persons share each, go out.

Everything that is learnt comes from these, so that no sum depends on the order of the rows.
"""

import numpy as np

from servicenee.segments.blocks import BlockColumn

_LARGEST_KEY = 2**62


def distinct_rows(columns: tuple[BlockColumn, ...], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct columns of `values`, shape (n_columns, n_rows), in a fixed order, and the number of each.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.segments.blocks import learn_blocks, read_values
    >>> from servicenee.segments.patterns import distinct_rows
    >>> X = np.array([[1.0, 0.0], [0.0, np.nan], [1.0, 0.0]])
    >>> columns = learn_blocks(X, None)
    >>> rows, numbers = distinct_rows(columns, read_values(columns, X))
    >>> rows.T.tolist(), numbers.tolist()
    ([[0.0, nan], [1.0, 0.0]], [1, 2])
    """
    n_rows = values.shape[1]
    keys = _keys(columns, values)
    order = keys[0].argsort(kind="stable") if len(keys) == 1 else np.lexsort(keys[::-1])
    is_first = np.zeros(n_rows, dtype=bool)
    is_first[0] = True
    for key in keys:
        sorted_key = key[order]
        is_first[1:] |= sorted_key[1:] != sorted_key[:-1]
    first = np.flatnonzero(is_first)
    return values[:, order[first]], np.diff(np.append(first, n_rows))


def _keys(columns: tuple[BlockColumn, ...], values: np.ndarray) -> list[np.ndarray]:
    """Whole numbers that stand for each row; as many columns as fit share one number."""
    keys, key, size = [], np.zeros(values.shape[1], dtype=np.int64), 1
    for column, row in zip(columns, values, strict=True):
        ranks, n_ranks = _ranks(column, row)
        if size > _LARGEST_KEY // n_ranks:
            keys.append(key)
            key, size = np.zeros(values.shape[1], dtype=np.int64), 1
        key = key * n_ranks + ranks
        size *= n_ranks
    return [*keys, key]


def _ranks(column: BlockColumn, row: np.ndarray) -> tuple[np.ndarray, int]:
    if column.kind in ("binary", "category"):
        n_values = max(2, len(column.levels))
        return np.where(np.isnan(row), n_values, row).astype(np.int64), n_values + 1
    distinct, ranks = np.unique(row, return_inverse=True)
    return ranks.ravel().astype(np.int64), len(distinct)
