"""Features and outcomes of later rows in; how those with the event differ, and all from training, out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee.disclosure import is_small, tells_few
from servicenee.evaluation.censoring import known_outcomes
from servicenee.evaluation.refits import Rows

NAMES = ["feature", "label_fi", "label_sv", "label_en"]
FIGURES = ["known", "mean", "mean_event", "mean_no_event", "difference", "training_mean", "training_difference"]
_UNKNOWN = (np.nan, np.nan, np.nan)  # share known, mean, variance


@dataclass(frozen=True)
class Part:
    """Some rows whose means are shown: positions, weights, persons."""

    positions: np.ndarray
    weights: np.ndarray
    person: np.ndarray


def characteristics(feature_table: pd.DataFrame, later: Rows, training: Rows | None = None) -> pd.DataFrame:
    """Means of every column among those with and without the event, and in training.

    Parameters
    ----------
    feature_table : DataFrame
        As `describe` of features gives it: feature and its labels.
    later : Rows
        Rows that a model is judged on.
    training : Rows, optional
        Rows that it learned from.

    Returns
    -------
    DataFrame
        Columns feature, label_fi, label_sv, label_en, known (share of rows with a value), mean, mean_event,
        mean_no_event, difference (event less no event, in standard deviations), training_mean, training_difference
        (later less training); the last two NaN without training rows.

    Notes
    -----
    Means of outcomes are weighted for follow-up that ended early. A standardised difference above 0.1 is commonly
    taken for one that matters. A mean is NaN where it would tell of 1 to 4 persons: all those with a value, those
    whose value is not 0, or of a yes or no also those with a no.

    References
    ----------
    Austin PC. Balance diagnostics for comparing the distribution of baseline covariates. Stat Med 2009;28:3083-3107.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation.characteristics import characteristics
    >>> from servicenee.evaluation.refits import Rows
    >>> table = pd.DataFrame({"feature": ["age"], **{f"label_{name}": ["age"] for name in ("fi", "sv", "en")}})
    >>> rows = Rows(pd.DataFrame({"age": np.repeat([70.0, 80.0], 10)}), np.repeat([0, 1], 10), np.arange(20))
    >>> characteristics(table, rows)[["mean", "mean_event", "mean_no_event"]].to_numpy().tolist()
    [[75.0, 80.0, 70.0]]
    """
    positions, y, weights = known_outcomes(later.labels)
    everybody = _part(later, np.arange(len(later.persons)))
    with_event = _part(later, positions[y == 1], weights[y == 1])
    without = _part(later, positions[y == 0], weights[y == 0])
    learnt = None if training is None else _part(training, np.arange(len(training.persons)))
    rows = []
    for name in feature_table["feature"]:
        values = later.X[name].to_numpy(dtype=np.float64)
        known, mean, variance = _moments(values, everybody)
        event, no_event = _moments(values, with_event), _moments(values, without)
        # One of the two, the overall mean and the event share would tell the other.
        pair = (event, no_event) if np.isfinite([event[1], no_event[1]]).all() else (_UNKNOWN, _UNKNOWN)
        before = _UNKNOWN if learnt is None else _moments(training.X[name].to_numpy(dtype=np.float64), learnt)
        means = (known, mean, pair[0][1], pair[1][1], _difference(*pair))
        rows.append((*means, before[1], _difference((known, mean, variance), before)))
    return feature_table.reset_index(drop=True)[NAMES].join(pd.DataFrame(rows, columns=FIGURES, dtype=np.float64))


def _part(rows: Rows, positions: np.ndarray, weights: np.ndarray | None = None) -> Part:
    person = np.unique(np.asarray(rows.persons)[positions], return_inverse=True)[1].reshape(-1)
    return Part(positions, np.ones(len(positions)) if weights is None else weights, person)


def _moments(values: np.ndarray, part: Part) -> tuple[float, float, float]:
    """Share known, mean and variance; NaN what tells of 1 to 4 persons."""
    values = values[part.positions]
    is_known = np.isfinite(values)
    n_persons, n_known = _n_persons(part, np.ones(len(values), dtype=bool)), _n_persons(part, is_known)
    known = np.nan if n_persons == 0 or tells_few(n_known, n_persons) else float(is_known.mean())
    if n_known == 0 or tells_few(n_known, n_persons) or _of_few(values, is_known, part):
        return known, np.nan, np.nan
    weights = part.weights[is_known]
    mean = float(np.average(values[is_known], weights=weights))
    return known, mean, float(np.average((values[is_known] - mean) ** 2, weights=weights))


def _of_few(values: np.ndarray, is_known: np.ndarray, part: Part) -> bool:
    """Whether the mean is that of 1 to 4 persons, or tells how many of a yes or no they are."""
    has = is_known & (values != 0)
    yes_or_no = np.isin(values[is_known], (0, 1)).all()
    few_have_none = yes_or_no and is_small(_n_persons(part, is_known & (values == 0)))
    return bool(is_small(_n_persons(part, is_known)) or is_small(_n_persons(part, has)) or few_have_none)


def _n_persons(part: Part, chosen: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(part.person[chosen])))


def _difference(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Standardised mean difference; NaN where there is no spread."""
    spread = np.sqrt(0.5 * (one[2] + other[2]))
    return (one[1] - other[1]) / spread if spread > 0 else np.nan
