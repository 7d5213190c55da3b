"""Labels and risks at several horizons in; how good the risk is at each of them out."""

import re

import numpy as np
import pandas as pd

from servicenee._checks import check_days
from servicenee.disclosure import is_small
from servicenee.evaluation.censoring import NO_EVENT, is_labels
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.measures import metrics_of
from servicenee.evaluation.protection import protected_metrics
from servicenee.evaluation.rows import RISK_DECIMALS, JudgedRows, judged_rows, n_persons_of

FIFTHS = 5
INCIDENCE_COLUMNS = ("horizon_days", "fifth", "n", "predicted", "observed", "lower", "upper")
_HORIZON = re.compile(r"risk_(\d+)d")


def horizon_columns(scores) -> dict[int, str]:
    """Columns ``risk_90d``, ``risk_180d``, ... of a scores table by their days, shortest first; empty if none."""
    names = [str(name) for name in getattr(scores, "columns", ())]
    found = {int(match.group(1)): name for name in names if (match := _HORIZON.fullmatch(name))}
    return dict(sorted(found.items()))


def labels_at(labels: pd.DataFrame, horizon_days: int) -> pd.DataFrame:
    """Give the labels of a shorter window that starts on the same day.

    Parameters
    ----------
    labels : DataFrame
        Labels table of "starts" or "occurs".
    horizon_days : int
        Length of the shorter window, at most that of the labels.

    Returns
    -------
    DataFrame
        What happens on or after day `horizon_days` is "no event" by then, also an end of follow-up.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.evaluation import labels_at
    >>> labels = pd.DataFrame({"status": [1, 1, 3, 0], "time_days": [89.0, 90, 200, 365],
    ...                        "value": [1.0, 1, 0, 0], "exposure_days": [365.0, 365, 200, 365]})
    >>> labels_at(labels, 90)["status"].tolist()
    [1, 0, 0, 0]
    """
    check_days("horizon_days", horizon_days, minimum=1)
    if not is_labels(labels):
        raise TypeError(f"`labels` must be a labels table to be cut at a day; got {type(labels).__name__}.")
    longest = _longest(labels)
    if np.isfinite(longest) and horizon_days > longest:
        raise ValueError(
            f"`horizon_days` must be at most the window of the labels ({longest:.0f}); got {horizon_days}."
        )
    cut = labels.copy()
    later = labels["time_days"].to_numpy() >= horizon_days
    cut["status"] = np.where(later, NO_EVENT, labels["status"]).astype(labels["status"].dtype)
    cut["time_days"] = np.minimum(labels["time_days"], float(horizon_days))
    cut["exposure_days"] = np.minimum(labels["exposure_days"], float(horizon_days))
    cut["value"] = np.where(later, 0.0, labels["value"])
    return cut


def horizon_tables(
    labels: pd.DataFrame, scores: pd.DataFrame, capacity: int | float, *, n_bootstrap: int, random_state
) -> dict[str, pd.DataFrame]:
    """``horizons``: every measure at every horizon; ``incidence``: predicted and observed by fifth of the last risk."""
    drawing = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    columns = horizon_columns(scores)
    fifth = _fifths(scores[list(columns.values())[-1]].to_numpy(dtype=np.float64))
    measures, incidence = [], []
    for days, name in columns.items():
        rows = judged_rows(labels_at(labels, days), scores[name])
        table = protected_metrics(metrics_of(rows, capacity, **drawing), rows, capacity)
        table.insert(0, "horizon_days", float(days))
        measures.append(table)
        incidence.append(_incidence(rows, fifth, days, drawing))
    return {
        "horizons": pd.concat(measures, ignore_index=True),
        "incidence": pd.concat(incidence, ignore_index=True),
    }


def _incidence(rows: JudgedRows, fifth: np.ndarray, days: int, drawing: dict) -> pd.DataFrame:
    """Mean risk and weighted event share, which within one stratum of censoring is that of Aalen and Johansen."""
    weighted_y = rows.weight * rows.y

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        times = np.ones(len(fifth)) if copies is None else copies[rows.person]
        events = np.bincount(fifth, times * weighted_y, FIFTHS)
        known = np.bincount(fifth, times * rows.weight, FIFTHS)
        return np.divide(events, known, out=np.full(FIFTHS, np.nan), where=known > 0)

    observed, lower, upper = person_bootstrap(statistic, rows.n_persons, **drawing)
    n = np.bincount(fifth, minlength=FIFTHS).astype(np.float64)
    risk = np.bincount(fifth, rows.risk, FIFTHS)
    predicted = np.divide(risk, n, out=np.full(FIFTHS, np.nan), where=n > 0)
    small = np.array(
        [
            is_small(n_persons_of(rows.person[chosen & (fifth == one)]))
            for chosen in (rows.has_event, rows.has_none)
            for one in range(FIFTHS)
        ]
    )
    hidden = small.reshape(2, FIFTHS).any(axis=0)
    shown = [np.where(hidden, np.nan, part) for part in (observed, lower, upper)]
    columns = (float(days), np.arange(1, FIFTHS + 1), n, predicted, *shown)
    return pd.DataFrame(dict(zip(INCIDENCE_COLUMNS, columns, strict=True)))


def _fifths(risk: np.ndarray) -> np.ndarray:
    """Fifth of every row, 0 the lowest; equal risks together."""
    rounded = np.round(risk, RISK_DECIMALS)
    inner = np.quantile(rounded, np.arange(1, FIFTHS) / FIFTHS) if len(rounded) else np.zeros(FIFTHS - 1)
    return np.searchsorted(inner, rounded, side="left")


def _longest(labels: pd.DataFrame) -> float:
    reached = labels["time_days"].to_numpy(dtype=np.float64)[labels["status"].to_numpy() == NO_EVENT]
    return float(reached.max()) if len(reached) else np.nan
