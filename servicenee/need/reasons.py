"""Contributions of columns to a row's logit come in, the reasons table goes out; and contributions of any model."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from servicenee.need.columns import Column, category_texts, column_values

N_ORDERS = 4
MAX_STATES = 20_000
REASON_COLUMNS = ["order", "feature", "value", "reference", "contribution"]


def reasons_table(
    X: pd.DataFrame | np.ndarray, columns: tuple[Column, ...], contributions: np.ndarray, n_reasons: int
) -> pd.DataFrame:
    """The largest positive contributions of each row, in descending order; a missing value is never a reason.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_features)
        The rows to explain.
    columns : tuple of Column
        The columns of `contributions`.
    contributions : ndarray of shape (n_rows, n_columns)
        On the logit, against the reference person.
    n_reasons : int
        At most this many per row.

    Returns
    -------
    DataFrame
        order, feature, value, reference, contribution; the index of X's rows, repeated.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.columns import learn_columns
    >>> from servicenee.need.reasons import reasons_table
    >>> X = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 9.0]])
    >>> reasons_table(X, learn_columns(X, None), np.array([[0.0, 0.2], [-1.0, 0.0], [0.1, 0.3]]), 1)["feature"].tolist()
    ['x1', 'x1']
    """
    is_frame = isinstance(X, pd.DataFrame)
    raw = [X.iloc[:, column.position] if is_frame else X[:, column.position] for column in columns]
    known = [~np.isnan(column_values(column, values)) for column, values in zip(columns, raw, strict=True)]
    shown = np.where(np.column_stack(known), contributions, 0.0) if known else contributions
    order = np.argsort(-shown, axis=1, kind="stable")[:, :n_reasons]
    rows, places = np.nonzero(np.take_along_axis(shown, order, axis=1) > 0)
    positions = order[rows, places]
    values, references = np.empty(len(rows), dtype=object), np.empty(len(rows), dtype=object)
    for place in np.unique(positions):
        here = positions == place
        cells = (
            category_texts(raw[place])
            if columns[place].is_category
            else pd.Series(column_values(columns[place], raw[place]))
        )
        values[here] = cells.to_numpy()[rows[here]]
        references[here] = columns[place].reference
    names = np.array([column.name for column in columns], dtype=object)
    index = X.index[rows] if is_frame else pd.Index(rows)
    table = {
        "order": places + 1,
        "feature": pd.array(names[positions] if len(names) else names, dtype=object),
        "value": values,
        "reference": references,
        "contribution": shown[rows, positions],
    }
    return pd.DataFrame(table, index=index, columns=REASON_COLUMNS)


def path_contributions(logit_of: Callable, mix: Callable, differs: np.ndarray, n_orders: int = N_ORDERS) -> np.ndarray:
    """Shapley values against one reference person, averaged over a few fixed orders of the columns.

    Parameters
    ----------
    logit_of : callable
        Logits of what `mix` gives.
    mix : callable
        ``mix(rows, taken)``: one row per state; its columns come from the row to explain where `taken` is True and
        from the reference person elsewhere.
    differs : ndarray of bool, shape (n_rows, n_columns)
        Where a row differs from the reference person; elsewhere the contribution is exactly 0.
    n_orders : int, default=4
        Half of the orders are the reverse of the other half.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Each row adds up to its logit less the reference person's.

    Notes
    -----
    Along an order the columns change one by one from the reference person's value to the row's; the change of the
    logit is the column's contribution. The orders are the same for every model and row, so the result is
    deterministic.

    References
    ----------
    Strumbelj E, Kononenko I. Explaining prediction models and individual predictions with feature contributions.
    Knowl Inf Syst 2014;41:647-665. Sundararajan M, Najmi A. The many Shapley values. ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.reasons import path_contributions
    >>> x = np.array([[1.0, 2.0]])
    >>> mix = lambda rows, taken: np.where(taken, x[rows], 0.0)
    >>> path_contributions(lambda states: states.sum(axis=1), mix, x != 0).tolist()
    [[1.0, 2.0]]
    """
    n_columns = differs.shape[1]
    total = np.zeros(differs.shape)
    base = logit_of(mix(np.zeros(1, dtype=np.intp), np.zeros((1, n_columns), dtype=bool)))[0]
    # Not the caller's seed: reasons must not change with it.
    rng = np.random.RandomState(0)
    halves = [rng.permutation(n_columns) for _ in range(n_orders // 2)]
    for order in [way for half in halves for way in (half, half[::-1])]:
        rows, steps = np.nonzero(differs[:, order])
        for part in _whole_rows(rows):
            taken = np.empty((len(rows[part]), n_columns), dtype=bool)
            taken[:, order] = np.arange(n_columns) <= steps[part, np.newaxis]
            logits = logit_of(mix(rows[part], taken))
            first = np.r_[True, rows[part][1:] != rows[part][:-1]]
            before = np.where(first, base, np.r_[0.0, logits[:-1]])
            total[rows[part], order[steps[part]]] += logits - before
    return total / (2 * len(halves))


def _whole_rows(rows: np.ndarray) -> list[slice]:
    """Cut the states into parts of about `MAX_STATES` at the boundaries between rows."""
    if len(rows) == 0:
        return []
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    parts = starts // MAX_STATES
    cuts = starts[np.r_[True, parts[1:] != parts[:-1]]].tolist()
    return [slice(start, end) for start, end in zip(cuts, [*cuts[1:], len(rows)], strict=True)]
