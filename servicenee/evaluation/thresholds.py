"""Labels and risks in; what a cut of the risk would do out: the usual rates, and the net benefit with its interval."""

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.disclosure import is_small
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.rows import JudgedRows, Levels, Ranked, judged_rows, levels, n_persons_of, ranked

THRESHOLD_COLUMNS = (
    "threshold",
    "selected_share",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "lr_positive",
    "lr_negative",
    "f1",
)
DECISION_COLUMNS = ("threshold", "net_benefit", "lower", "upper", "treat_all")
SELECTED_SHARES = tuple(np.round(np.concatenate([np.arange(1, 20), np.arange(20, 101, 5)]) / 100, 2).tolist())
DECISION_POINTS = 40


def threshold_table(labels, risk) -> pd.DataFrame:
    """Give the usual rates at cuts of the risk: whoever is at or above the threshold is selected.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table or 0/1 outcome.
    risk : array-like of shape (n_rows,)
        Calibrated probabilities.

    Returns
    -------
    DataFrame
        Columns threshold, selected_share, sensitivity, specificity, ppv, npv, lr_positive, lr_negative, f1, weighted
        for censoring; one row for each percent from 1 to 20 and each 5 % to 100 of the rows that are selected
        (fewer where risks are equal). NaN where a rate has no denominator.

    Notes
    -----
    Rows are pooled over the index dates here: a threshold, unlike a list of limited length, treats every date alike.
    Accuracy is left out: with rare events it is highest for a model that selects nobody.

    References
    ----------
    Deeks JJ, Altman DG. Diagnostic tests 4: likelihood ratios. BMJ 2004;329:168-169.

    Examples
    --------
    >>> from servicenee.evaluation import threshold_table
    >>> table = threshold_table([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5])
    >>> table[["threshold", "sensitivity", "specificity"]].round(3).values.tolist()[1]
    [0.4, 0.667, 1.0]
    """
    return thresholds_of(judged_rows(labels, risk))


def decision_curve(labels, risk, *, thresholds=None, n_bootstrap: int = 200, random_state=0) -> pd.DataFrame:
    """Give the net benefit of acting on everybody at or above a risk, with its 95 % interval.

    Parameters
    ----------
    labels, risk, n_bootstrap, random_state
        As in `metric_table`.
    thresholds : array-like of float, default=None
        Risks between 0 and 1 at which a person would just be acted on. None: 40 from near 0 to the highest
        percent of the risks.

    Returns
    -------
    DataFrame
        Columns threshold, net_benefit, lower, upper, treat_all (net benefit of acting on everybody; acting on
        nobody is 0), in true positives per row.

    Notes
    -----
    ``TP / n - FP / n * t / (1 - t)``, weighted for censoring. Whoever accepts up to r needless contacts for one
    needed contact acts from ``t = 1 / (1 + r)``. Net benefit knows no capacity: read it beside `capacity_table`.

    References
    ----------
    Vickers AJ, Elkin EB. Med Decis Making 2006;26:565-574. Vickers AJ et al. BMC Med Inform Decis Mak 2008;8:53.

    Examples
    --------
    >>> from servicenee.evaluation import decision_curve
    >>> decision_curve([0, 1, 0, 1], [0.1, 0.6, 0.4, 0.8], thresholds=[0.2, 0.5], n_bootstrap=0)["net_benefit"].tolist()
    [0.4375, 0.5]
    """
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    rows = judged_rows(labels, risk)
    cuts = None if thresholds is None else _check_thresholds(thresholds)
    return decisions_of(rows, cuts, n_bootstrap=n_bootstrap, random_state=random_state)


def thresholds_of(rows: JudgedRows) -> pd.DataFrame:
    """`threshold_table` of rows already checked."""
    sorted_rows = ranked(rows)
    full = levels(sorted_rows)
    ends = _ends(full)
    return pd.DataFrame(_rates(full, ends), columns=list(THRESHOLD_COLUMNS))


def decisions_of(rows: JudgedRows, cuts: np.ndarray | None, *, n_bootstrap: int, random_state) -> pd.DataFrame:
    """`decision_curve` of rows already checked."""
    sorted_rows = ranked(rows)
    cuts = _default_cuts(sorted_rows) if cuts is None else cuts
    if not len(cuts) or not len(rows.y):
        return pd.DataFrame({name: np.empty(0) for name in DECISION_COLUMNS})
    # Rows are sorted from the highest risk down: those at or above a cut are the first ones.
    n_selected = np.searchsorted(-sorted_rows.risk, -cuts, side="right")
    odds = cuts / (1 - cuts)

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        taken = np.ones(len(sorted_rows.person)) if copies is None else copies[sorted_rows.person]
        events = np.concatenate([[0.0], np.cumsum(sorted_rows.weighted_y * taken)])
        known = np.concatenate([[0.0], np.cumsum(sorted_rows.weight * taken)])
        if not known[-1] > 0:
            return np.full(2 * len(cuts), np.nan)
        positive, selected = events[n_selected], known[n_selected]
        ours = (positive - (selected - positive) * odds) / known[-1]
        everybody = (events[-1] - (known[-1] - events[-1]) * odds) / known[-1]
        return np.concatenate([ours, everybody])

    found = person_bootstrap(statistic, rows.n_persons, n_bootstrap=n_bootstrap, random_state=random_state)
    value, lower, upper = (part.reshape(2, len(cuts)) for part in found)
    columns = (cuts, value[0], lower[0], upper[0], value[1])
    return pd.DataFrame(dict(zip(DECISION_COLUMNS, columns, strict=True)))


def protected_thresholds(rows: JudgedRows) -> pd.DataFrame:
    """`threshold_table` without cuts that leave 1 to 4 persons of either outcome on either side."""
    sorted_rows = ranked(rows)
    full = levels(sorted_rows)
    ends = _ends(full)
    last_row = np.append(sorted_rows.starts, len(sorted_rows.person))[ends + 1]
    kept = np.array([not _small_cell(sorted_rows, n_selected) for n_selected in last_row.tolist()], dtype=bool)
    return pd.DataFrame(_rates(full, ends[kept]), columns=list(THRESHOLD_COLUMNS))


def _small_cell(sorted_rows: Ranked, n_selected: int) -> bool:
    has_event = sorted_rows.weighted_y > 0
    has_none = (sorted_rows.weight > 0) & ~has_event
    above = np.arange(len(has_event)) < n_selected
    cells = (has_event & above, has_event & ~above, has_none & above, has_none & ~above)
    return any(is_small(n_persons_of(sorted_rows.person[cell])) for cell in cells)


def _ends(full: Levels) -> np.ndarray:
    """Positions of the last risk selected, for every share of the rows."""
    if not len(full.risk):
        return np.empty(0, dtype=np.int64)
    reached = np.cumsum(full.rows)
    wanted = np.array(SELECTED_SHARES) * reached[-1]
    # A share of 0.29 * 100 rows is 28.999... in floating point: the 29th row still belongs to it.
    ends = np.searchsorted(reached, wanted * (1 - 1e-12))
    return np.unique(np.minimum(ends, len(reached) - 1))


def _rates(full: Levels, ends: np.ndarray) -> dict[str, np.ndarray]:
    hits, false = np.cumsum(full.events)[ends], np.cumsum(full.others)[ends]
    events, others = full.events.sum(), full.others.sum()
    sensitivity, specificity = _share(hits, events), 1 - _share(false, others)
    ppv = _share(hits, hits + false)
    return {
        "threshold": full.risk[ends],
        "selected_share": np.cumsum(full.rows)[ends] / max(full.rows.sum(), 1.0),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ppv,
        "npv": _share(others - false, events + others - hits - false),
        "lr_positive": _share(sensitivity, 1 - specificity),
        "lr_negative": _share(1 - sensitivity, specificity),
        "f1": _share(2 * hits, hits + false + events),
    }


def _share(part: np.ndarray, whole) -> np.ndarray:
    whole = np.broadcast_to(np.asarray(whole, dtype=np.float64), part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 1e-12)


def _default_cuts(sorted_rows: Ranked) -> np.ndarray:
    if not len(sorted_rows.risk):
        return np.empty(0)
    highest = float(np.quantile(sorted_rows.risk, 0.99))
    return np.linspace(0, min(highest, 0.95), DECISION_POINTS + 1)[1:] if highest > 0 else np.empty(0)


def _check_thresholds(thresholds) -> np.ndarray:
    cuts = np.asarray(thresholds, dtype=np.float64)
    if cuts.ndim != 1 or not ((cuts > 0) & (cuts < 1)).all():
        raise ValueError("`thresholds` must be risks above 0 and below 1, one after the other; got others.")
    return np.sort(cuts)
