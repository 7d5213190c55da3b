"""Segments and areas come in; the share of every segment in every area goes out."""

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL, suppress
from servicenee.segments.profile import natural_order, segment_series


def segments_by_area(segments: pd.DataFrame | pd.Series, areas: pd.Series, *, min_cell: int = MIN_CELL) -> pd.DataFrame:
    """Count the persons of every segment in every area.

    Parameters
    ----------
    segments : DataFrame or Series
        Segment of every row.
    areas : Series
        Area of every row, same index; rows without one are left out.
    min_cell : int, default=5
        Counts from 1 to ``min_cell - 1`` are hidden, with those that would give them away.

    Returns
    -------
    DataFrame
        area, segment, n, share (of the area's persons); areas in alphabetical order. NaN where hidden.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.segments import segments_by_area
    >>> table = segments_by_area(pd.Series(["S1"] * 40 + ["S2"] * 60), pd.Series(["Veteli"] * 50 + ["Kokkola"] * 50))
    >>> table[["area", "segment", "n"]].to_numpy().tolist()[:2]
    [['Kokkola', 'S1', 0.0], ['Kokkola', 'S2', 50.0]]
    """
    own = segment_series(segments)
    if not own.index.equals(areas.index):
        raise ValueError("`areas` must have the index of `segments`, in the same order.")
    known = areas.notna().to_numpy()
    counts = pd.crosstab(areas[known].astype(str).to_numpy(), own[known].to_numpy())
    counts = counts.reindex(columns=natural_order(counts.columns), fill_value=0).sort_index()
    shown = suppress(counts.astype(np.int64), min_cell=min_cell).to_numpy()
    totals = counts.sum(axis=1).to_numpy()[:, np.newaxis]
    return pd.DataFrame(
        {
            "area": np.repeat(counts.index.to_numpy(dtype=object), counts.shape[1]),
            "segment": np.tile(counts.columns.to_numpy(dtype=object), counts.shape[0]),
            "n": shown.ravel(),
            "share": (shown / totals).ravel(),
        }
    )
