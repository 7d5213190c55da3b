"""An estimator, its training rows and later rows in; what simpler, smaller and elsewhere fitted models reach out."""

import logging
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.base import clone

from servicenee.evaluation.capacity import DEFAULT_CAPACITY
from servicenee.evaluation.comparison import compare_risks
from servicenee.evaluation.measures import metric_table
from servicenee.evaluation.notes import FEWEST_EVENTS, NOT_ESTIMABLE
from servicenee.evaluation.rows import judged_rows
from servicenee.exceptions import ServiceneeWarning

LOG = logging.getLogger("servicenee")
LEARNING_SHARES = (0.1, 0.25, 0.5, 1.0)
LEARNING_COLUMNS = ("share", "n", "events", "auc", "log_loss", "calibration_slope", "auc_training", "log_loss_training")
LEFT_OUT_METRICS = ("auc", "observed_expected", "calibration_slope")
LEFT_OUT_COLUMNS = ("area", "metric", "value", "lower", "upper", "n", "events", "note")
MOST_AREAS = 10
OTHER_AREAS = "other areas"
POOLED, PREDICTION = "pooled", "a new area"
# Topics of columns that count the use of services.
USE_TOPICS = ("services", "acute_use", "social")


@dataclass(frozen=True)
class Rows:
    """Features and labels of some rows, and their persons."""

    X: pd.DataFrame
    labels: pd.DataFrame
    persons: np.ndarray

    def take(self, chosen: np.ndarray) -> "Rows":
        """Some of the rows, by a mask."""
        return Rows(self.X[chosen], self.labels[chosen], self.persons[chosen])


class Pooled(NamedTuple):
    """Random-effects summary: estimate, its interval, and the interval for one more study."""

    estimate: float
    lower: float
    upper: float
    prediction_lower: float
    prediction_upper: float


def column_sets(feature_table: pd.DataFrame) -> dict[str, list[str]]:
    """Give the columns of the models that the one in question has to beat.

    Parameters
    ----------
    feature_table : DataFrame
        As `describe` of features gives it: feature, measure, topic, lookback_days.

    Returns
    -------
    dict of str to list of str
        "age_sex"; "last_year_use" (use of services, windows of up to a year); "without_past_use" (all columns that do
        not count the use of services; diagnoses still come from contacts). A set without columns, or with all of
        them, is left out.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.evaluation.refits import column_sets
    >>> table = pd.DataFrame({"feature": ["age", "visits_365d"], "measure": ["age", "count"],
    ...                       "topic": ["age", "services"], "lookback_days": [None, 365]})
    >>> column_sets(table)
    {'age_sex': ['age'], 'last_year_use': ['visits_365d'], 'without_past_use': ['age']}
    """
    use = feature_table["topic"].isin(USE_TOPICS)
    lookback = pd.to_numeric(feature_table["lookback_days"], errors="coerce")
    sets = {
        "age_sex": feature_table["measure"].isin(["age", "sex"]),
        "last_year_use": use & (lookback <= 366),
        "without_past_use": ~use,
    }
    return {
        name: feature_table.loc[chosen, "feature"].tolist()
        for name, chosen in sets.items()
        if chosen.any() and not chosen.all()
    }


def compare_refits(
    estimator,
    training: Rows,
    later: Rows,
    risk: np.ndarray,
    sets: dict[str, list[str]],
    *,
    capacity: int | float = DEFAULT_CAPACITY,
) -> pd.DataFrame:
    """The model beside the same estimator fitted on fewer columns of the same training rows: see `compare_risks`."""
    risks = {"model": risk}
    for name, columns in sets.items():
        LOG.info("fitting %s for comparison: %d columns", name, len(columns))
        risks[name] = _refit_risk(estimator, training, later.X, columns)
    return compare_risks(later.labels, risks, capacity=capacity)


def learning_curve(estimator, training: Rows, later: Rows, *, shares=LEARNING_SHARES, random_state=0) -> pd.DataFrame:
    """How the model grows with the persons it learns from, on later rows and on its own.

    Persons are drawn once in a random order, so that every share contains the smaller ones. A curve that is flat at
    its end says that more persons of the same kind will not help; a gap to the training rows, that the model holds
    more than the data carry. Shares with fewer than 20 events are left out.
    """
    people, code = np.unique(training.persons, return_inverse=True)
    place = np.random.default_rng(random_state).permutation(len(people))[code]
    found = []
    for share in shares:
        part = training.take(place < max(1, round(share * len(people))))
        events = int(judged_rows(part.labels, np.zeros(len(part.X))).has_event.sum())
        if events < FEWEST_EVENTS:
            continue
        LOG.info("learning curve: fitting on %.0f %% of the persons", 100 * share)
        fitted = _fit(estimator, part, list(part.X.columns))
        after = _values(later.labels, _risk_of(fitted, later.X))
        before = _values(part.labels, _risk_of(fitted, part.X))
        row = (share, float(len(part.X)), float(events))
        row += (after["auc"], after["log_loss"], after["calibration_slope"], before["auc"], before["log_loss"])
        found.append(row)
    return pd.DataFrame(found, columns=list(LEARNING_COLUMNS))


def leave_areas_out(
    estimator,
    training: Rows,
    later: Rows,
    training_area: np.ndarray,
    later_area: np.ndarray,
    *,
    n_bootstrap: int = 200,
) -> pd.DataFrame:
    """Internal-external validation: each area judged by a model that has seen nothing of it.

    Areas with fewer than 20 later events, and all but the ten largest, form one group. "pooled" is the random-effects
    mean over the areas with its interval, "a new area" the interval in which the measure of one more area is expected.

    References
    ----------
    Steyerberg EW, Harrell FE. J Clin Epidemiol 2016;69:245-247. Debray TPA et al. BMJ 2017;356:i6460.
    """
    names = _areas_to_leave_out(later, later_area)
    groups = [(name, later_area == name, training_area == name) for name in names]
    groups.append((OTHER_AREAS, ~np.isin(later_area, names), ~np.isin(training_area, names)))
    parts = []
    for name, of_later, of_training in groups:
        if not of_later.any() or of_training.all():
            continue
        judged, learnt = later.take(of_later), training.take(~of_training)
        LOG.info("fitting without %s", name)
        risk = _risk_of(_fit(estimator, learnt, list(learnt.X.columns)), judged.X)
        parts.append(_one_area(name, judged.labels, risk, n_bootstrap))
    if not parts:
        return pd.DataFrame(columns=list(LEFT_OUT_COLUMNS))
    areas = pd.concat(parts, ignore_index=True)
    return pd.concat([areas, _summary(areas)], ignore_index=True)


def random_effects(estimates: np.ndarray, variances: np.ndarray) -> Pooled:
    """Random-effects mean with the interval of Hartung and Knapp, and the interval for one more study.

    The variance between studies is that of Paule and Mandel; NaN for fewer than three studies.

    References
    ----------
    Paule RC, Mandel J. J Res Natl Bur Stand 1982;87:377-385. IntHout J et al. BMC Med Res Methodol 2014;14:25.
    Higgins JPT et al. J R Stat Soc A 2009;172:137-159.
    """
    n = len(estimates)
    if n < 3:
        return Pooled(*[np.nan] * 5)
    between = _between_variance(estimates, variances)
    weights = 1 / (variances + between)
    mean = float(weights @ estimates / weights.sum())
    # Never narrower than the plain interval: with few alike studies Hartung and Knapp's can be far too short.
    spread = max(1.0, float(weights @ (estimates - mean) ** 2) / (n - 1))
    error = np.sqrt(spread / weights.sum())
    near = student.ppf(0.975, n - 1) * error
    far = student.ppf(0.975, n - 2) * np.sqrt(between + error**2)
    return Pooled(mean, mean - near, mean + near, mean - far, mean + far)


def _between_variance(estimates: np.ndarray, variances: np.ndarray) -> float:
    """Root of Paule and Mandel: the variance between studies at which the weighted spread is as expected."""

    def excess(between: float) -> float:
        weights = 1 / (variances + between)
        return float(weights @ (estimates - weights @ estimates / weights.sum()) ** 2) - (len(estimates) - 1)

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) > 0:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def _one_area(name: str, labels: pd.DataFrame, risk: np.ndarray, n_bootstrap: int) -> pd.DataFrame:
    found = metric_table(labels, pd.Series(risk, index=labels.index), n_bootstrap=n_bootstrap)
    table = found.set_index("metric").loc[list(LEFT_OUT_METRICS)]
    few = table["events"].iloc[0] < FEWEST_EVENTS
    if few:
        table[["value", "lower", "upper", "events"]] = np.nan
        table["note"] = NOT_ESTIMABLE
    table.insert(0, "area", name)
    return table.reset_index()[list(LEFT_OUT_COLUMNS)]


def _summary(areas: pd.DataFrame) -> pd.DataFrame:
    """Pooled on the scale on which the measure is nearest to normal: log odds of the AUC, log of O:E."""
    found = []
    for metric in LEFT_OUT_METRICS:
        there, back = _SCALES[metric]
        known = areas[(areas["metric"] == metric) & areas[["value", "lower", "upper"]].notna().all(axis=1)]
        bounds = there(known[["value", "lower", "upper"]].to_numpy(dtype=np.float64))
        usable = np.isfinite(bounds).all(axis=1) & (bounds[:, 2] > bounds[:, 1])
        variances = ((bounds[usable, 2] - bounds[usable, 1]) / (2 * 1.959964)) ** 2
        pooled = Pooled(*back(np.array(random_effects(bounds[usable, 0], variances))))
        n, events = known["n"].sum(), known["events"].sum()
        found.append((POOLED, metric, pooled.estimate, pooled.lower, pooled.upper, n, events, ""))
        found.append(
            (PREDICTION, metric, pooled.estimate, pooled.prediction_lower, pooled.prediction_upper, n, events, "")
        )
    return pd.DataFrame(found, columns=list(LEFT_OUT_COLUMNS))


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, 1e-12))


def _log_odds(values: np.ndarray) -> np.ndarray:
    inside = np.clip(values, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))


def _from_log_odds(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


_SCALES = {
    "auc": (_log_odds, _from_log_odds),
    "observed_expected": (_log, np.exp),
    "calibration_slope": (_same, _same),
}


def _areas_to_leave_out(later: Rows, area: np.ndarray) -> list:
    has_event = judged_rows(later.labels, np.zeros(len(later.X))).has_event
    counts = pd.Series(area[has_event]).value_counts(sort=False).sort_index()
    enough = counts[counts >= FEWEST_EVENTS].sort_values(ascending=False, kind="stable")
    return enough.index[:MOST_AREAS].tolist()


def _values(labels: pd.DataFrame, risk: np.ndarray) -> pd.Series:
    return metric_table(labels, pd.Series(risk, index=labels.index), n_bootstrap=0).set_index("metric")["value"]


def _refit_risk(estimator, training: Rows, X: pd.DataFrame, columns: list[str]) -> np.ndarray:
    return _risk_of(_fit(estimator, training, columns), X[columns])


def _fit(estimator, rows: Rows, columns: list[str]):
    with warnings.catch_warnings():
        # What a refit drops or cannot tell is a property of the comparison, not of the model in question.
        warnings.simplefilter("ignore", ServiceneeWarning)
        return clone(estimator).fit(rows.X[columns], rows.labels, groups=rows.persons)


def _risk_of(fitted, X: pd.DataFrame) -> np.ndarray:
    """Risk of a classifier; of a curve over several horizons that at the last one."""
    if hasattr(fitted, "scores"):
        return fitted.scores(X).iloc[:, -1].to_numpy(dtype=np.float64)
    return np.asarray(fitted.predict_proba(X)[:, 1], dtype=np.float64)
