"""Counts in; the same counts out, with those hidden that could point at a person: the one place for it."""

from typing import TypeVar

import numpy as np
import pandas as pd

from servicenee._checks import check_count

Counts = TypeVar("Counts", pd.Series, pd.DataFrame)

MIN_CELL = 5
HIDDEN_BESIDE = "hidden"


def is_small(counts, *, min_cell: int = MIN_CELL):
    """Tell which counts are too small to show: at least 1 and below `min_cell`.

    Parameters
    ----------
    counts : int or array-like of int
        Numbers of persons.
    min_cell : int, default=5
        The smallest count that may be shown; zero may always be shown.

    Returns
    -------
    bool or ndarray of bool
        One answer per count.

    Examples
    --------
    >>> from servicenee.disclosure import is_small
    >>> is_small([0, 1, 4, 5]).tolist()
    [False, True, True, False]
    """
    check_count("min_cell", min_cell)
    counts = np.asarray(counts)
    small = (counts > 0) & (counts < min_cell)
    return bool(small) if small.ndim == 0 else small


def suppress(counts: Counts, *, min_cell: int = MIN_CELL) -> Counts:
    """Give the counts with small ones, and those that would give them away, replaced by NaN.

    Parameters
    ----------
    counts : Series or DataFrame of int
        Numbers of persons in cells that add up to known totals: a Series to one total, a DataFrame
        to the totals of its rows and of its columns. Leave the totals themselves out.
    min_cell : int, default=5
        The smallest count that may be shown. Counts from 1 to ``min_cell - 1`` are hidden.

    Returns
    -------
    Series or DataFrame of float64
        Same index and columns; NaN where hidden.

    Notes
    -----
    Primary suppression hides the small counts. Secondary suppression hides the smallest other counts
    of the same row, or column, until a reader who knows the total cannot subtract: at least two cells
    of the line are hidden and together they hold at least `min_cell` persons. Where a line has no
    other cell to hide (or only zeros are left, and these are hidden too), its total must not be
    shown. The result depends on the counts alone; equal counts are hidden in their order.

    References
    ----------
    Hundepool A et al. Statistical Disclosure Control. Wiley 2012, chapter 4.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.disclosure import suppress
    >>> suppress(pd.Series({"Kokkola": 40, "Toholampi": 3, "Veteli": 9})).tolist()
    [40.0, nan, nan]
    """
    hidden = _hidden(counts, min_cell)
    return counts.astype("float64").mask(hidden)


def tells_few(counts, total, *, min_cell: int = MIN_CELL):
    """Tell which counts would show 1 to 4 persons of a known total: those counted, or all the others.

    Parameters
    ----------
    counts : int or array-like of int
        Numbers of persons.
    total : int or array-like of int
        Persons that they are part of, known to the reader.
    min_cell : int, default=5
        The smallest count that may be shown; zero may always be shown.

    Returns
    -------
    bool or ndarray of bool
        One answer per count. A share of the total tells as much as the count.

    Examples
    --------
    >>> from servicenee.disclosure import tells_few
    >>> tells_few([0, 3, 30, 58, 60], 60).tolist()
    [False, True, False, True, False]
    """
    counts, total = np.asarray(counts), np.asarray(total)
    return is_small(counts, min_cell=min_cell) | is_small(total - counts, min_cell=min_cell)


def enough_beyond(fractions, n_persons: int, *, min_cell: int = MIN_CELL) -> np.ndarray:
    """Tell which quantiles have enough persons on both sides, so that they are the value of nobody in particular.

    Parameters
    ----------
    fractions : array-like of float
        Such as 0.05 for the value that a twentieth lies below.
    n_persons : int
        Persons whose values they are of.
    min_cell : int, default=5
        Fewest persons below a quantile and above it.

    Returns
    -------
    ndarray of bool
        One answer per quantile.

    Examples
    --------
    >>> from servicenee.disclosure import enough_beyond
    >>> enough_beyond([0.05, 0.5], 60).tolist()
    [False, True]
    """
    fractions = np.asarray(fractions, dtype=np.float64)
    return np.round(n_persons * np.minimum(fractions, 1 - fractions), 9) >= min_cell


def count_text(counts: Counts, *, min_cell: int = MIN_CELL) -> Counts:
    """Give the counts as text for a report: ``<5`` for small ones, ``hidden`` for those beside them.

    Parameters
    ----------
    counts : Series or DataFrame of int
        As for `suppress`.
    min_cell : int, default=5
        The smallest count that may be shown.

    Returns
    -------
    Series or DataFrame of str
        Same index and columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.disclosure import count_text
    >>> count_text(pd.Series({"Kokkola": 40, "Toholampi": 3, "Veteli": 9})).tolist()
    ['40', '<5', 'hidden']
    """
    hidden = _hidden(counts, min_cell)
    small = is_small(counts.to_numpy(), min_cell=min_cell)
    text = np.where(hidden, HIDDEN_BESIDE, counts.to_numpy().astype(str))
    text = np.where(small, f"<{min_cell}", text).astype(object)
    if isinstance(counts, pd.Series):
        return pd.Series(text, index=counts.index, name=counts.name)
    return pd.DataFrame(text, index=counts.index, columns=counts.columns)


def _hidden(counts: pd.Series | pd.DataFrame, min_cell: int) -> np.ndarray:
    if not isinstance(counts, pd.Series | pd.DataFrame):
        raise TypeError(f"`counts` must be a Series or a DataFrame; got {type(counts).__name__}.")
    values = counts.to_numpy()
    if not values.size:
        return np.zeros(values.shape, dtype=bool)
    if not np.issubdtype(values.dtype, np.integer) or values.min() < 0:
        raise ValueError(f"`counts` must be whole numbers of at least 0; got type {values.dtype}.")
    table = values.reshape(len(counts), -1)
    hidden = is_small(table, min_cell=min_cell)
    lines = [table] if isinstance(counts, pd.Series) else [table, table.T]
    masks = [hidden] if isinstance(counts, pd.Series) else [hidden, hidden.T]
    changed = True
    while changed:
        changed = False
        for line_table, mask in zip(lines, masks, strict=True):
            for column in range(line_table.shape[1]):
                changed |= _hide_beside(line_table[:, column], mask[:, column], min_cell)
    return hidden.reshape(values.shape)


def _hide_beside(line: np.ndarray, hidden: np.ndarray, min_cell: int) -> bool:
    """Hide more cells of one line, in place, until its total gives nothing away."""
    changed = False
    while hidden.any() and (hidden.sum() < 2 or line[hidden].sum() < min_cell) and not hidden.all():
        candidates = np.flatnonzero(~hidden)
        # Smallest first, zeros last: a zero protects little.
        ranked = np.lexsort((candidates, line[candidates], line[candidates] == 0))
        hidden[candidates[ranked[0]]] = True
        changed = True
    return changed
