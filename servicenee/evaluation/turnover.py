"""Risks on several index dates in; how many of the listed stay listed from one date to the next out."""

import numpy as np
import pandas as pd

from servicenee.disclosure import suppress
from servicenee.evaluation.capacity import check_capacity, is_listed, queue
from servicenee.evaluation.rows import JudgedRows, judged_rows

TURNOVER_COLUMNS = ("index_date", "listed", "stayed", "new", "dropped", "left", "jaccard")


def turnover_table(labels, risk, *, capacity: int | float) -> pd.DataFrame:
    """Give who stays on the list from one index date to the next.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table or 0/1 outcome; persons and index dates come from its index, or from that of `risk`.
    risk : array-like of shape (n_rows,)
        Calibrated probabilities.
    capacity : int or float
        Persons the service can act on at each index date: a count, or a fraction.

    Returns
    -------
    DataFrame
        One row for each index date but the first: index_date, listed (persons listed then), stayed (listed on the
        date before, too), new (not in the population on the date before), dropped (listed before, still in the
        population, no longer listed), left (listed before, no longer in the population), jaccard (listed on both
        dates / listed on either). Empty with one index date or without persons.

    Notes
    -----
    A list that changes little finds the same persons again, who have been met already; one that changes much may
    follow noise. A person is expected at most once on each index date.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.evaluation import turnover_table
    >>> index = pd.MultiIndex.from_product([range(4), ["2023-01-01", "2024-01-01"]], names=["person_id", "index_date"])
    >>> risk = pd.Series([0.9, 0.9, 0.8, 0.1, 0.2, 0.7, 0.1, 0.2], index=index)
    >>> turnover_table([0] * 8, risk, capacity=2)[["listed", "stayed", "dropped", "jaccard"]].round(3).values.tolist()
    [[2.0, 1.0, 1.0, 0.333]]
    """
    return turnover_of(judged_rows(labels, risk), check_capacity(capacity))


def turnover_of(rows: JudgedRows, capacity: int | float) -> pd.DataFrame:
    """`turnover_table` of rows already checked."""
    n_dates = len(rows.date_names)
    if not rows.persons_known or n_dates < 2:
        return pd.DataFrame({name: np.empty(0) for name in TURNOVER_COLUMNS})
    listed = np.zeros((n_dates, rows.n_persons), dtype=bool)
    present = np.zeros((n_dates, rows.n_persons), dtype=bool)
    present[rows.date, rows.person] = True
    chosen = is_listed(queue(rows), capacity)
    listed[rows.date[chosen], rows.person[chosen]] = True
    found = [_between(date, listed, present, rows.date_names) for date in range(1, n_dates)]
    return pd.DataFrame(found, columns=list(TURNOVER_COLUMNS))


def protected_turnover(turnover: pd.DataFrame) -> pd.DataFrame:
    """The same with small counts hidden, and those beside them that would give them away."""
    protected = turnover.copy()
    for row in turnover.index:
        before, now = ["stayed", "dropped", "left"], ["new"]
        counts = turnover.loc[row, before].astype(np.int64)
        shown = suppress(counts)
        protected.loc[row, before] = shown
        alone = suppress(turnover.loc[row, now].astype(np.int64))
        protected.loc[row, now] = alone
        if shown.isna()["stayed"]:
            protected.loc[row, "jaccard"] = np.nan
    return protected


def _between(date: int, listed: np.ndarray, present: np.ndarray, names: tuple[str, ...]) -> tuple:
    before, now = listed[date - 1], listed[date]
    both, either = int(np.sum(before & now)), int(np.sum(before | now))
    return (
        names[date],
        float(now.sum()),
        float(both),
        float(np.sum(now & ~present[date - 1])),
        float(np.sum(before & present[date] & ~now)),
        float(np.sum(before & ~present[date])),
        both / either if either else np.nan,
    )
