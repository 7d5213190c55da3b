"""Today's risks, the list before and registers come in; what to expect, who changed, and how it went, come out."""

import numpy as np
import pandas as pd

from servicenee.evaluation import evaluate, evaluate_demand, expected_auc, turnover_table
from servicenee.evaluation.capacity import count_interval, places
from servicenee.evaluation.horizons import horizon_columns
from servicenee.index_dates import latest_index_date
from servicenee.lists.changes import earlier_lists, last_list
from servicenee.model import NeedModel
from servicenee.registers import Registers

EXPECTED = ("item", "value", "lower", "upper")
TURNOVER = ("before", "index_date", "listed_before", "listed", "stayed", "dropped", "left", "kept", "jaccard")
_RISK = ("risk", "expected")


def main_score(scores: pd.DataFrame) -> str | None:
    """The column that a list is ranked by: the risk, that of the longest horizon, or the amount; None of segments."""
    curve = horizon_columns(scores)
    named = [curve[max(curve)]] if curve else [name for name in _RISK if name in scores]
    return named[0] if named else None


def expected_table(
    values: np.ndarray, capacity: int | float, *, rows_then: int, are_risks: bool, n_unscored: int = 0
) -> pd.DataFrame:
    """What the risks promise, if they are right: events, and how good a list of this capacity would be.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Risks, or expected amounts.
    capacity : int or float
        Persons the service can act on, a count or a fraction.
    rows_then : int
        Persons in training.
    are_risks : bool
        Whether the values are probabilities.
    n_unscored : int, default=0
        Persons in the population whom the estimator gives no score; they are in none of the figures.

    Returns
    -------
    DataFrame
        item, value, lower, upper. rows; unscored (if there are any); rows_then; mean; expected_events (sum; of risks
        with its 80 % interval); and of risks listed, lowest_risk, listed_events (with interval), expected_ppv,
        expected_sensitivity, expected_auc.

    Notes
    -----
    Nothing here was observed: the numbers are those of a model whose risks are right for these persons, each
    independent of the others.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.monitoring.expected import expected_table
    >>> risks = np.repeat([0.5, 0.25], [5, 10])
    >>> table = expected_table(risks, 5, rows_then=15, are_risks=True).set_index("item")
    >>> table.loc[["expected_events", "expected_ppv", "expected_sensitivity"], "value"].tolist()
    [5.0, 0.5, 0.5]
    """
    n = len(values)
    mean = float(values.mean()) if n else np.nan
    unscored = [("unscored", n_unscored)] if n_unscored else []
    rows = [("rows", n), *unscored, ("rows_then", rows_then), ("mean", mean), ("expected_events", values.sum())]
    bounds = {}
    if are_risks and n:
        listed = np.sort(values)[::-1][: n_listed(capacity, n)]
        bounds = {"expected_events": count_interval(values), "listed_events": count_interval(listed)}
        rows += [
            ("listed", float(len(listed))),
            ("lowest_risk", float(listed[-1])),
            ("listed_events", float(listed.sum())),
            ("expected_ppv", float(listed.mean())),
            ("expected_sensitivity", float(listed.sum() / values.sum()) if values.sum() > 0 else np.nan),
            ("expected_auc", expected_auc(np.zeros(n), values)),
        ]
    nowhere = (np.nan, np.nan)
    return pd.DataFrame([(name, float(value), *bounds.get(name, nowhere)) for name, value in rows], columns=EXPECTED)


def list_turnover(scores: pd.DataFrame, previous, capacity: int | float, model: str) -> pd.DataFrame:
    """How many of the persons listed before are on a list of today's scores.

    Parameters
    ----------
    scores : DataFrame, index (person_id, index_date)
        Today's, of one index date.
    previous : scores, SegmentList or what `read_record` gives
        Of an earlier index date. Of scores, a list of the same capacity is taken; of lists, the persons listed.
    capacity : int or float
        Persons on today's list, a count or a fraction; with lists, as many as were listed.
    model : str
        Name of the model: scores and lists of others are passed over.

    Returns
    -------
    DataFrame
        One row, or none without an earlier date: before, index_date, listed_before, listed, stayed, dropped (still in
        the population), left (no longer in it), kept (stayed / listed_before) and jaccard (on both / on either).

    Raises
    ------
    ValueError
        If earlier scores lack the column that today's are ranked by, or hold a person twice.
    """
    name, date = main_score(scores), scores.index.get_level_values("index_date").max()
    today = scores[name]
    if isinstance(previous, pd.DataFrame) and previous.index.names == ["person_id", "index_date"]:
        before = _before(previous, name, date, model)
    else:
        before, capacity = _as_scores(last_list(earlier_lists(previous, date, model)), today, capacity)
    if not len(before):
        return pd.DataFrame(columns=list(TURNOVER))
    both = pd.concat([before, today])
    scale = max(1.0, float(both.max()))  # amounts are ranked like risks
    row = turnover_table(np.zeros(len(both)), both / scale, capacity=capacity).iloc[0]
    listed_before = float(n_listed(capacity, len(before)))
    since = before.index.get_level_values("index_date")[0]
    kept = row["stayed"] / listed_before
    values = (f"{since:%Y-%m-%d}", f"{date:%Y-%m-%d}", listed_before, *row[["listed", "stayed", "dropped", "left"]])
    return pd.DataFrame([(*values, kept, row["jaccard"])], columns=list(TURNOVER))


def known_dates(model: NeedModel, registers: Registers, index_date: pd.Timestamp) -> list[str]:
    """The latest index date whose outcomes are known by now; none before the windows that the model learned from."""
    if model.is_segmenter:
        return []
    outcome = model.outcome
    window = np.timedelta64(outcome.gap_days + outcome.horizon_days, "D")
    latest = min(latest_index_date(outcome, registers), np.datetime64(index_date, "D") - window)
    return [str(latest)] if latest >= np.datetime64(model.training_.last_date) + window else []


def observed_metrics(labels: pd.DataFrame, scores: pd.DataFrame, capacity: int | float) -> pd.DataFrame:
    """The measures of `NeedModel.evaluate` on dates whose outcomes are known, with their interval."""
    if "expected" in scores:
        return evaluate_demand(labels, scores).tables["metrics"]
    return evaluate(labels, scores, capacity=capacity).tables["metrics"]


def n_listed(capacity: int | float, n_rows: int) -> int:
    """How many of the rows of one index date a capacity lists."""
    return int(min(places(capacity, np.array([n_rows]))[0], n_rows))


def _before(previous: pd.DataFrame, name: str, date: pd.Timestamp, model: str) -> pd.Series:
    """The model's own scores of the latest date before, one for each person."""
    own = previous[previous["model"] == model] if "model" in previous else previous
    dates = own.index.get_level_values("index_date")
    own = own[dates == dates[dates < date].max()] if (dates < date).any() else own.head(0)
    n_again = int(own.index.duplicated().sum())
    if n_again:
        raise ValueError(
            f"`previous` must hold every person once per index date; {n_again} of {len(own)} rows are of a person "
            "again. Give the scores of one version of the model."
        )
    if len(own) and name not in own:
        raise ValueError(f"`previous` must have the column {name!r}, as today's scores have; got {', '.join(own)}.")
    return own[name] if len(own) else pd.Series(dtype=np.float64)


def _as_scores(listed: pd.DataFrame, today: pd.Series, capacity: int | float) -> tuple[pd.Series, int | float]:
    """The persons of a list as scores of its date: first those listed, then all others of today who were not."""
    if not len(listed):
        return today.head(0), capacity
    since, person = listed["index_date"].iloc[0], listed["person_id"]
    ids = today.index.get_level_values("person_id")
    same = person.astype(ids.dtype) if ids.dtype != object else person.astype(type(ids[0]) if len(ids) else str)
    others = ids[~ids.isin(same)]
    index = pd.MultiIndex.from_arrays(
        [[*same, *others], [since] * (len(same) + len(others))], names=["person_id", "index_date"]
    )
    return pd.Series(np.repeat([1.0, 0.0], [len(same), len(others)]), index=index), len(same)
