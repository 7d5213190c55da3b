"""Rows and their area in; what a list of its own would give every area, beside the common list, out."""

import numpy as np
import pandas as pd

from servicenee.disclosure import is_small
from servicenee.evaluation.capacity import capacities_of, is_listed, queue
from servicenee.evaluation.notes import FEWEST_EVENTS, HIDDEN, NOT_ESTIMABLE
from servicenee.evaluation.protection import listed_with_event
from servicenee.evaluation.rows import JudgedRows
from servicenee.evaluation.subgroups import group_protection

AREA_COLUMNS = (
    "area",
    "n",
    "events",
    "selected",
    "common_selected",
    "lowest_risk",
    "expected_events",
    "observed_events",
    "ppv",
    "ppv_lower",
    "ppv_upper",
    "sensitivity",
    "sensitivity_lower",
    "sensitivity_upper",
    "note",
)
_FROM_LIST = ("lowest_risk", "expected_events")
_FROM_OUTCOMES = [name for name in AREA_COLUMNS if name.startswith(("observed", "ppv", "sensitivity"))]


def areas_of(
    rows: JudgedRows, areas: pd.Series, capacity: int | float, *, n_bootstrap: int, random_state
) -> pd.DataFrame:
    """One row per area: its own list, as long in proportion to its rows as the common list is.

    ``selected`` is the length of that list, ``common_selected`` how many the common list takes from the area;
    all are means over the index dates. One length for all areas means different risks at the cut, and one cut
    means lists of different length: the choice belongs to those who lead the service.
    """
    n_dates, drawing = len(rows.date_names), {"n_bootstrap": n_bootstrap, "random_state": random_state}
    share = capacity if isinstance(capacity, float) else min(1.0, capacity * n_dates / max(len(rows.y), 1))
    common = is_listed(queue(rows), capacity)
    notes, sizes = group_protection(rows, areas)
    found = []
    for area in areas.cat.categories:
        at = np.flatnonzero((areas == area).to_numpy())
        row = _one_area(rows.subset(at), share, notes[area], drawing)
        row |= {"area": area, "n": float(len(at)), "common_selected": float(common[at].sum()) / n_dates}
        if is_small(int(common[at].sum())):
            row["common_selected"] = np.nan
        if not sizes[area]:
            row |= dict.fromkeys(["n", "selected", "common_selected", *_FROM_LIST], np.nan)
        found.append(row)
    return pd.DataFrame(found, columns=list(AREA_COLUMNS))


def _one_area(part: JudgedRows, share: float, hidden: str, drawing: dict) -> dict:
    """The area's own list, with what may be shown of it."""
    row = capacities_of(part, [share], **drawing).iloc[0].to_dict()
    events = float(part.has_event.sum())
    note = hidden or (NOT_ESTIMABLE if events < FEWEST_EVENTS else "")
    if not note and is_small(listed_with_event(part, share)):
        note = HIDDEN
    row |= {"events": np.nan if hidden else events, "note": note}
    if note:
        row |= dict.fromkeys(_FROM_OUTCOMES, np.nan)
    # The risks of a list of 1 to 4 persons are theirs.
    if is_small(int(np.ceil(row["selected"]))):
        row |= dict.fromkeys(_FROM_LIST, np.nan)
    return row
