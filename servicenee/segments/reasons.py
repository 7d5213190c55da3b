"""Rows and their segments come in; the columns that speak for each row's segment go out."""

import numpy as np
import pandas as pd

from servicenee.segments.blocks import BlockColumn
from servicenee.segments.mixture import Design, coefficients

REASON_COLUMNS = ["order", "feature", "value", "reference", "contribution"]


def column_reasons(
    design: Design,
    columns: tuple[BlockColumn, ...],
    means: np.ndarray,
    overall: np.ndarray,
    index: pd.Index,
    n_reasons: int,
) -> pd.DataFrame:
    """The largest differences in log-likelihood between a row's segment and the average, column by column.

    `means` holds the statistics of each row's own segment, shape (n_rows, n_statistics).
    """
    layout = design.layout
    gain = np.zeros((len(columns), len(index)))
    distinct, own = np.unique(means, axis=0, return_inverse=True)
    slopes, _ = coefficients(layout, np.vstack([distinct, overall]))
    difference = (slopes[:-1] - slopes[-1])[own.ravel()]
    place = 0
    for number, column in enumerate(columns):
        for statistic in (*range(place, place + column.n_statistics), layout.observed[place]):
            gain[number] += difference[:, statistic] * design.statistics[statistic]
        place += column.n_statistics
    return _table(design, columns, overall, gain, index, n_reasons)


def _table(design, columns, overall, gain, index, n_reasons) -> pd.DataFrame:
    order = np.argsort(-gain, axis=0, kind="stable")[:n_reasons]
    ranked = np.take_along_axis(gain, order, axis=0)
    rows, ranks = np.nonzero(ranked.T > 1e-9)
    chosen = order[ranks, rows]
    starts = np.cumsum([0, *[column.n_statistics for column in columns]])
    values = [
        _value(columns[n], design.statistics[starts[n] : starts[n + 1], row])
        for n, row in zip(chosen, rows, strict=True)
    ]
    references = [_reference(columns[n], overall[starts[n] : starts[n + 1]]) for n in chosen]
    return pd.DataFrame(
        {
            "order": (ranks + 1).astype(np.int64),
            "feature": pd.Series([columns[n].name for n in chosen], dtype=object).to_numpy(),
            "value": pd.Series(values, dtype=object).to_numpy(),
            "reference": pd.Series(references, dtype=object).to_numpy(),
            "contribution": ranked[ranks, rows],
        },
        index=index[rows],
        columns=REASON_COLUMNS,
    )


def _value(column: BlockColumn, statistics: np.ndarray):
    if column.kind == "category":
        return column.levels[int(statistics.argmax())]
    return float(statistics[0] * column.unit + column.centre)


def _reference(column: BlockColumn, overall: np.ndarray):
    if column.kind == "category":
        return column.levels[int(overall.argmax())]
    return float(overall[0] * column.unit + column.centre)
