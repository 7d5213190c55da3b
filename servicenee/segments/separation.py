"""Segments and what happened in the next year come in; how far outcomes differ between segments goes out."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from servicenee.disclosure import MIN_CELL, is_small, suppress
from servicenee.evaluation import known_outcomes
from servicenee.evaluation.grouping import person_groups
from servicenee.outcomes import DEATH
from servicenee.segments.profile import natural_order, segment_series

SEPARATION_COLUMNS = [
    "segment",
    "n",
    "events",
    "risk",
    "lower",
    "upper",
    "rate_ratio",
    "ratio_lower",
    "ratio_upper",
    "death_risk",
]
_FOLDS = 5
_Z = 1.959963984540054
# Below this the segments say nothing about the outcome that age, sex and comorbidity do not say.
DESCRIPTIVE_ONLY = 0.01


def outcome_by_segment(
    segments: pd.DataFrame | pd.Series, labels: pd.DataFrame, *, min_cell: int = MIN_CELL
) -> pd.DataFrame:
    """Give the risk of an outcome of the next year in every segment, death competing.

    Parameters
    ----------
    segments : DataFrame or Series, index (person_id, index_date)
        Segment of every row.
    labels : DataFrame
        What ``Outcome.label`` gave for the same rows, in the same order. Take an outcome that did not make the
        segments.
    min_cell : int, default=5
        Counts from 1 to ``min_cell - 1`` are hidden, with those that would give them away.

    Returns
    -------
    DataFrame
        segment, n (rows), events, risk (cumulative incidence before death), lower, upper (95 %), rate_ratio (risk
        against everybody else), ratio_lower, ratio_upper (95 %), death_risk (of death first). NaN where hidden.

    Notes
    -----
    Rows censored before the horizon are left out and the others weighted in their place (`known_outcomes`), which
    estimates what the Aalen-Johansen estimator does. Intervals are on the log scale, from the effective number of rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import Outcome, Population, make_registers
    >>> from servicenee.segments import RuleSegmenter, outcome_by_segment, scheme_features
    >>> registers = make_registers(1_000, random_state=0)
    >>> cohort = Population(75).at(registers, "2022-01-01")
    >>> X = scheme_features(1095).fit_transform(cohort)
    >>> segments = RuleSegmenter("needs_pyramid").fit(X).scores(X)
    >>> table = outcome_by_segment(segments, Outcome("unplanned_admission").label(cohort))
    >>> table["segment"].tolist()
    ['case_management', 'disease_management', 'general_support']
    """
    own = _aligned(segments, labels)
    known = known_outcomes(labels)
    died = (labels["status"].to_numpy()[known.positions] == DEATH).astype(np.float64)
    names = natural_order(np.unique(own).tolist())
    rows = []
    for name in names:
        inside = own[known.positions] == name
        rows.append(_row(name, inside, known, died, int((own == name).sum())))
    table = pd.DataFrame(rows, columns=SEPARATION_COLUMNS)
    return _hidden(table, min_cell)


def explained_deviance(
    segments: pd.DataFrame | pd.Series, labels: pd.DataFrame, covariates: pd.DataFrame
) -> pd.DataFrame:
    """Tell how much of the deviance of an outcome segments explain beyond covariates such as age, sex and Charlson.

    Parameters
    ----------
    segments : DataFrame or Series, index (person_id, index_date)
        Segment of every row.
    labels : DataFrame
        What ``Outcome.label`` gave for the same rows.
    covariates : DataFrame
        Numbers for the same rows, nothing missing: age, sex_female, a comorbidity score.

    Returns
    -------
    DataFrame
        model ("covariates", "segments", "both"), explained (share of the deviance, on persons held out; below 0 if
        worse than the mean), added (of "both" beyond "covariates"), descriptive_only (added below 1 %).

    Notes
    -----
    Logistic regressions are fitted on four fifths of the persons and judged on the other fifth, so that more segments
    do not explain more by chance.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee.segments import explained_deviance
    >>> index = pd.MultiIndex.from_product([range(500), ["2023-01-01"]], names=["person_id", "index_date"])
    >>> rng = np.random.default_rng(0)
    >>> segment = pd.Series(np.where(rng.random(500) < 0.3, "S2", "S1"), index=index)
    >>> status = (rng.random(500) < np.where(segment == "S2", 0.5, 0.1)).astype(np.int8)
    >>> labels = pd.DataFrame({"status": status, "time_days": 100.0, "value": 0.0, "exposure_days": 365.0}, index=index)
    >>> labels.loc[labels["status"] == 0, "time_days"] = 365.0
    >>> table = explained_deviance(segment, labels, pd.DataFrame({"age": rng.normal(80, 5, 500)}, index=index))
    >>> bool(table.set_index("model").loc["both", "added"] > 0.05)
    True
    """
    own = _aligned(segments, labels)
    if not covariates.index.equals(labels.index) or covariates.isna().any(axis=None):
        raise ValueError("`covariates` must have the index of `labels` and nothing missing.")
    known = known_outcomes(labels)
    persons = person_groups(labels)[known.positions]
    adjust = covariates.to_numpy(dtype=np.float64)[known.positions]
    dummies = (own[:, np.newaxis] == np.unique(own)[np.newaxis, 1:]).astype(np.float64)[known.positions]
    tables = {"covariates": adjust, "segments": dummies, "both": np.column_stack([adjust, dummies])}
    explained = {name: _explained(table, known.y, known.weights, persons) for name, table in tables.items()}
    added = explained["both"] - explained["covariates"]
    return pd.DataFrame(
        {
            "model": list(explained),
            "explained": list(explained.values()),
            "added": [np.nan, np.nan, added],
            "descriptive_only": [False, False, added < DESCRIPTIVE_ONLY],
        }
    )


def _aligned(segments, labels: pd.DataFrame) -> np.ndarray:
    own = segment_series(segments)
    if not own.index.equals(labels.index):
        raise ValueError("`labels` must have the index of `segments`, in the same order.")
    return own.to_numpy().astype(str)


def _row(name: str, inside: np.ndarray, known, died: np.ndarray, n: int) -> list:
    risk, effective = _risk(known.y[inside], known.weights[inside])
    others, effective_others = _risk(known.y[~inside], known.weights[~inside])
    lower, upper = _interval(risk, np.sqrt((1 - risk) / (risk * effective)) if risk else np.nan)
    ratio = risk / others if others else np.nan
    spread = np.nan
    if risk and others:
        spread = np.sqrt((1 - risk) / (risk * effective) + (1 - others) / (others * effective_others))
    ratio_lower, ratio_upper = _interval(ratio, spread)
    death, _ = _risk(died[inside], known.weights[inside])
    return [name, n, int(known.y[inside].sum()), risk, lower, min(upper, 1.0), ratio, ratio_lower, ratio_upper, death]


def _risk(y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    if not len(y):
        return np.nan, 0.0
    return float(np.average(y, weights=weights)), float(weights.sum() ** 2 / (weights**2).sum())


def _interval(value: float, spread: float) -> tuple[float, float]:
    return value * np.exp(-_Z * spread), value * np.exp(_Z * spread)


def _hidden(table: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    rest = table["n"] - table["events"]
    cells = suppress(pd.DataFrame({"events": table["events"], "rest": rest}).astype(np.int64), min_cell=min_cell)
    small = cells.isna().any(axis=1) | is_small(table["n"], min_cell=min_cell)
    values = [name for name in SEPARATION_COLUMNS if name not in ("segment", "n")]
    table = table.astype({"events": np.float64, "n": np.float64})
    table.loc[small, values] = np.nan
    table["n"] = suppress(table["n"].astype(np.int64), min_cell=min_cell)
    return table


def _explained(X: np.ndarray, y: np.ndarray, weights: np.ndarray, persons: np.ndarray) -> float:
    """Share of the null deviance explained on held-out persons; 0 without anything to explain it by."""
    if not X.shape[1]:
        return 0.0
    y = y.astype(np.intp)
    deviance, null = 0.0, 0.0
    for train, test in GroupKFold(_FOLDS).split(X, y, persons):
        scale = StandardScaler().fit(X[train])
        model = LogisticRegression(C=1e4, max_iter=1_000)
        model.fit(scale.transform(X[train]), y[train], sample_weight=weights[train])
        p = model.predict_proba(scale.transform(X[test]))[:, 1]
        deviance += _deviance(y[test], p, weights[test])
        null += _deviance(y[test], np.average(y[train], weights=weights[train]), weights[test])
    return 1.0 - deviance / null


def _deviance(y: np.ndarray, p, weights: np.ndarray) -> float:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return float(-2.0 * (weights * (y * np.log(p) + (1 - y) * np.log1p(-p))).sum())
