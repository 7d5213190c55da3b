"""Tables of an evaluation in; the same tables with everything hidden that could point at a person out."""

import numpy as np
import pandas as pd

from servicenee.disclosure import is_small, suppress
from servicenee.evaluation.capacity import is_listed, queue
from servicenee.evaluation.censoring import effective_sample_size, is_labels
from servicenee.evaluation.notes import HIDDEN, HIDDEN_REST
from servicenee.evaluation.rows import JudgedRows, n_persons_of, persons_by_group

STATUS_NAMES = ("no_event", "event", "death_first", "censored", "competing_first")
FROM_OUTCOMES = ("observed", "ppv", "number_needed", "lift", "sensitivity", "lead")


def data_table(labels, rows: JudgedRows) -> pd.DataFrame:
    """What was judged: rows, persons, index dates, what happened, weights."""
    n_rows, known = len(rows.y), rows.weight[rows.weight > 0]
    n_dates = int(rows.date.max()) + 1 if n_rows else 0
    status = labels["status"].to_numpy(dtype=np.int64) if is_labels(labels) else rows.y.astype(np.int64)
    names = STATUS_NAMES if is_labels(labels) else STATUS_NAMES[:2]
    persons = persons_by_group(rows.person, status, len(names))
    n_of_status = [float(np.sum(status == code)) for code in range(len(names))]
    shown = suppress(pd.Series(persons)).notna().to_numpy()
    few = is_small(rows.n_persons)
    items = {
        "rows": np.nan if few else n_rows,
        "persons": np.nan if few else rows.n_persons,
        "index_dates": n_dates,
        **dict(zip(names, np.where(shown, n_of_status, np.nan).tolist(), strict=True)),
        "effective_sample_size": np.nan if few else effective_sample_size(known),
        "largest_weight": float(known.max()) if len(known) else np.nan,
    }
    return pd.DataFrame({"item": list(items), "value": np.array(list(items.values()), dtype=np.float64)})


def protected_metrics(metrics: pd.DataFrame, rows: JudgedRows, capacity: int | float) -> pd.DataFrame:
    """Measures hidden where 1 to 4 persons have the event, or have not, overall or on the list."""
    hidden = np.full(len(metrics), few_persons(rows))
    if is_small(listed_with_event(rows, capacity)):
        hidden |= metrics["metric"].str.endswith("at_capacity").to_numpy()
    protected = metrics.copy()
    protected.loc[hidden, ["value", "lower", "upper"]] = np.nan
    protected.loc[hidden, "note"] = HIDDEN if not few_persons(rows) or _few(rows, rows.has_event) else HIDDEN_REST
    if few_persons(rows):
        protected["events"] = np.nan
    if is_small(rows.n_persons):
        protected["n"] = np.nan
    return protected


def protected_capacities(capacities: pd.DataFrame, rows: JudgedRows, asked: list) -> pd.DataFrame:
    """List lengths with what they catch hidden where 1 to 4 listed persons have the event."""
    hidden = np.array([is_small(listed_with_event(rows, one)) for one in asked]) | few_persons(rows)
    caught = [name for name in capacities.columns if name.startswith(FROM_OUTCOMES)]
    protected = capacities.copy()
    protected.loc[hidden, caught] = np.nan
    protected["note"] = np.where(hidden, HIDDEN, "")
    return protected


def protected_bins(bins: pd.DataFrame, rows: JudgedRows) -> pd.DataFrame:
    """Calibration groups; they were joined until none is small, unless there are too few persons in all."""
    protected = bins.copy()
    if few_persons(rows):
        protected[["events", "observed", "lower", "upper"]] = np.nan
    if is_small(rows.n_persons):
        protected["n"] = np.nan
    return protected


def few_persons(rows: JudgedRows) -> bool:
    """Whether 1 to 4 persons have the event, or 1 to 4 have not."""
    return _few(rows, rows.has_none) or _few(rows, rows.has_event)


def listed_with_event(rows: JudgedRows, capacity: int | float) -> int:
    """Number of persons with the event who are on a list."""
    chosen = is_listed(queue(rows), capacity) & rows.has_event
    return n_persons_of(rows.person[chosen])


def _few(rows: JudgedRows, chosen: np.ndarray) -> bool:
    return is_small(n_persons_of(rows.person[chosen]))
