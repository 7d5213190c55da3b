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
    share = capacity if isinstance(capacity, float) else min(1.0, capacity * len(rows.date_names) / max(len(rows.y), 1))
    common = is_listed(queue(rows), capacity)
    notes, sizes = group_protection(rows, areas)
    found = []
    for area in areas.cat.categories:
        at = np.flatnonzero((areas == area).to_numpy())
        part = rows.subset(at)
        row = capacities_of(part, [share], n_bootstrap=n_bootstrap, random_state=random_state).iloc[0].to_dict()
        events = float(part.has_event.sum())
        note = notes[area] or (NOT_ESTIMABLE if events < FEWEST_EVENTS else "")
        if not note and is_small(listed_with_event(part, share)):
            note = HIDDEN
        row |= {"area": area, "n": float(len(at)) if sizes[area] else np.nan, "note": note}
        row["events"] = np.nan if notes[area] else events
        row["common_selected"] = float(common[at].sum()) / len(rows.date_names)
        if note:
            row |= dict.fromkeys(_FROM_OUTCOMES, np.nan)
        if not sizes[area]:
            row |= dict.fromkeys(["selected", "common_selected", *_FROM_LIST], np.nan)
            found.append(row)
            continue
        # The risks of a list of 1 to 4 persons are theirs, and few on the common list are a small count.
        if is_small(int(np.ceil(row["selected"]))):
            row |= dict.fromkeys(_FROM_LIST, np.nan)
        if is_small(int(common[at].sum())):
            row["common_selected"] = np.nan
        found.append(row)
    return pd.DataFrame(found, columns=list(AREA_COLUMNS))
