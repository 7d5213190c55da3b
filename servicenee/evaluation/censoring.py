"""Labels with unfinished follow-up in; the rows whose outcome is known, a 0/1 outcome and weights out."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort, completed_years
from servicenee.outcomes import CENSORED, EVENT, LABEL_COLUMNS, NO_EVENT
from servicenee.registers.tables import TextColumn

SMALLEST_FOLLOWED_SHARE = 0.05
STRATUM = "stratum"
FEWEST_FOLLOWED = 50  # rows of a stratum followed to the end of the window, below which strata are joined
_AGE_BANDS = (65, 75, 85)


class KnownOutcomes(NamedTuple):
    """Rows whose outcome is known: their positions, a 0/1 outcome and a weight for each."""

    positions: np.ndarray
    y: np.ndarray
    weights: np.ndarray


def is_labels(y) -> bool:
    """Tell whether `y` is a labels table (status, time_days, value, exposure_days).

    Parameters
    ----------
    y : object
        Anything that may be passed to scikit-learn as a target.

    Returns
    -------
    bool
        True for a DataFrame with the four columns of labels.

    Examples
    --------
    >>> from servicenee.evaluation import is_labels
    >>> is_labels([0, 1, 1])
    False
    """
    return isinstance(y, pd.DataFrame) and set(LABEL_COLUMNS) <= set(y.columns)


def known_outcomes(labels, *, strata=None) -> KnownOutcomes:
    """Give the rows whose outcome at the horizon is known, and weights that let them speak for all.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        A labels table, or a plain 0/1 outcome (then every row is known and weighs 1).
    strata : array-like of shape (n_rows,), default=None
        Groups within which the chance of staying in follow-up is estimated, such as area or age
        group. None: the column ``stratum`` that `with_strata` gave the labels, strata with fewer than 50 rows
        followed to the end joined with the next ones; without such a column one estimate for all rows.

    Returns
    -------
    KnownOutcomes
        ``(positions, y, weights)``: integer row positions, ascending; 1 for the event and 0 for no
        event, death first or another competing event first; weights of at least 1.

    Notes
    -----
    The estimand is the probability of the event before death (cumulative incidence). A person who
    left follow-up early is neither an event nor a non-event; people like them who stayed count for
    more: ``w = 1 / G(T)``, with ``T`` the day of the event, of death, of the competing event or of
    the horizon, and ``G`` the Kaplan-Meier estimate of being followed beyond that day, no smaller
    than 0.05. Windows are half-open: nothing is known of the day on which follow-up ends, so on one
    and the same day an end of follow-up comes before an event. So the weighted event
    share equals the Aalen-Johansen estimate, and the weights add up to the number of rows as long
    as somebody in each stratum is followed to the horizon. Assumed: within a stratum, leaving
    follow-up does not depend on the risk.

    References
    ----------
    Satten GA, Datta S. The Kaplan-Meier estimator as an inverse-probability-of-censoring weighted
    average. Am Stat 2001;55:207-210.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.evaluation import known_outcomes
    >>> labels = pd.DataFrame({"status": [1, 3, 0, 0], "time_days": [10.0, 20, 30, 30],
    ...                        "value": [1.0, 0, 0, 0], "exposure_days": [10.0, 20, 30, 30]})
    >>> positions, y, weights = known_outcomes(labels)
    >>> positions.tolist(), y.tolist(), weights.tolist()
    ([0, 2, 3], [1, 0, 0], [1.0, 1.5, 1.5])
    """
    if not is_labels(labels):
        y = _zero_one(labels)
        return KnownOutcomes(np.arange(len(y)), y, np.ones(len(y)))
    status, time_days = _checked(labels)
    followed = np.ones(len(status))
    if (status == CENSORED).any():
        _refuse_unfinished(status)
        if strata is None and STRATUM in labels.columns:
            strata = _joined_strata(labels[STRATUM].to_numpy(), status)
        for rows in _rows_by_stratum(strata, len(status)):
            followed[rows] = _followed_share(time_days[rows], status[rows] == CENSORED)
    positions = np.flatnonzero(status != CENSORED)
    weights = 1.0 / np.maximum(followed[positions], SMALLEST_FOLLOWED_SHARE)
    return KnownOutcomes(positions, (status[positions] == EVENT).astype(np.int64), weights)


def with_strata(labels: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    """Give labels with a column that says whose follow-up is alike: age band, area and index date.

    Parameters
    ----------
    labels : DataFrame
        Labels of the cohort, row by row.
    cohort : Cohort

    Returns
    -------
    DataFrame
        The labels and the column ``stratum``: whole numbers, neighbours of which are alike (same age band and area,
        next index date).

    Notes
    -----
    People of different ages and areas leave follow-up at different rates, and index dates close to the extract lose
    everybody at once. `known_outcomes` estimates the chance of staying within a stratum, so what must hold is weaker:
    leaving does not depend on the risk *among people of one age band, area and index date*. An index date that nobody
    was followed from to the end is joined with an earlier or later one of people of the same age and area, who speak
    for it. The column travels with the labels through scikit-learn's splits, into our estimators, scorers and
    `evaluate`.

    Examples
    --------
    >>> from servicenee import Outcome, Population, make_registers
    >>> from servicenee.evaluation import with_strata
    >>> cohort = Population(65).at(make_registers(300, random_state=0), ["2021-01-01", "2022-01-01"])
    >>> with_strata(Outcome("emergency_visit").label(cohort), cohort).columns.tolist()
    ['status', 'time_days', 'value', 'exposure_days', 'stratum']
    """
    if not is_labels(labels) or len(labels) != len(cohort):
        raise ValueError(f"`labels` must be those of the cohort, {len(cohort)} rows; got {len(labels)} rows.")
    return numbered_strata(labels, followed_alike(cohort))


def followed_alike(cohort: Cohort) -> np.ndarray:
    """Age band, area and index date of every row, as numbers; of a part of the registers, those of the whole."""
    persons = cohort.registers.person_columns
    age = completed_years(persons.birth_day[cohort.person], cohort.index_day)
    band = np.where(np.isnan(age), -1, np.searchsorted(_AGE_BANDS, np.nan_to_num(age), side="right"))
    area = persons.extra.get("area")
    place = area.codes[cohort.person] if isinstance(area, TextColumn) else np.zeros(len(cohort), dtype=np.int64)
    return np.stack([band, place, cohort.index_day], axis=1)


def numbered_strata(labels: pd.DataFrame, alike: np.ndarray) -> pd.DataFrame:
    """`with_strata` of rows whose age band, area and index date are known already."""
    return labels.assign(**{STRATUM: np.unique(alike, axis=0, return_inverse=True)[1].ravel()})


def effective_sample_size(weights) -> float:
    """Give the number of equally weighted rows that would be as informative: (Σw)² / Σw².

    Parameters
    ----------
    weights : array-like of shape (n_rows,)
        Weights as given by `known_outcomes`.

    Returns
    -------
    float
        Effective sample size; 0 without rows.

    References
    ----------
    Kish L. Survey Sampling. Wiley 1965.

    Examples
    --------
    >>> from servicenee.evaluation import effective_sample_size
    >>> effective_sample_size([1, 1, 2])
    2.6666666666666665
    """
    weights = np.asarray(weights, dtype=np.float64)
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares > 0 else 0.0


def _followed_share(time_days: np.ndarray, censored: np.ndarray) -> np.ndarray:
    """G(T) of each row: the share still in follow-up after its time."""
    times, position = np.unique(time_days, return_inverse=True)
    rows = np.bincount(position, minlength=len(times))
    leaving = np.bincount(position, weights=censored, minlength=len(times))
    reached = np.cumsum(rows[::-1])[::-1]
    # Labels know nothing of the day on which follow-up ends, so whoever had the event that day was followed beyond it.
    staying = np.divide(reached - leaving, reached, out=np.ones(len(times)), where=reached > 0)
    return np.cumprod(staying)[position]


def _refuse_unfinished(status: np.ndarray) -> None:
    """Without anybody followed to the horizon the weights know nothing of those who stay free of the event."""
    if not (status == NO_EVENT).any():
        raise ValueError(
            f"`labels` must hold rows followed to the end of the window; none of {len(status)} is "
            f"({int((status == CENSORED).sum())} censored). Use earlier index dates or a shorter horizon."
        )


def _rows_by_stratum(strata, n_rows: int) -> list[np.ndarray]:
    if strata is None:
        return [np.arange(n_rows)]
    codes, names = pd.factorize(np.asarray(strata), sort=False, use_na_sentinel=False)
    if len(codes) != n_rows:
        raise ValueError(f"`strata` must have one value per row of labels ({n_rows}); got {len(codes)}.")
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])


def _joined_strata(stratum: np.ndarray, status: np.ndarray) -> np.ndarray:
    """Strata in their order, joined with the next ones until each holds enough rows that were followed to the end.

    A stratum with few followed and more lost opens none of its own: those before it, who are alike, speak for it.
    """
    codes = np.unique(stratum, return_inverse=True)[1].ravel()
    n_followed = np.bincount(codes, weights=status == NO_EVENT)
    n_lost = np.bincount(codes, weights=status == CENSORED)
    joined, group, held = np.zeros(len(n_followed), dtype=np.int64), 0, 0.0
    for place, n in enumerate(n_followed):
        if held >= FEWEST_FOLLOWED and n >= min(n_lost[place], FEWEST_FOLLOWED):
            group, held = group + 1, 0.0
        joined[place] = group
        held += n
    if held < FEWEST_FOLLOWED:  # too few are left at the end: they belong to those before
        joined[joined == group] = max(group - 1, 0)
    return joined[codes]


def _checked(labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    status = labels["status"].to_numpy(dtype=np.float64, na_value=np.nan)
    time_days = labels["time_days"].to_numpy(dtype=np.float64, na_value=np.nan)
    unknown = int(np.sum(~np.isin(status, range(5))))
    if unknown:
        raise ValueError(
            f"`labels.status` must be 0 to 4 in every row; {unknown} of {len(status)} rows are not. "
            "Make labels with Outcome(...).label(cohort)."
        )
    wrong = int(np.sum(~(np.isfinite(time_days) & (time_days >= 0))))
    if wrong:
        raise ValueError(
            f"`labels.time_days` must be a number of days of at least 0 in every row; "
            f"{wrong} of {len(time_days)} rows are not. Make labels with Outcome(...).label(cohort)."
        )
    return status.astype(np.int64), time_days


def _zero_one(y) -> np.ndarray:
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"`labels` must be a labels table or a 0/1 array, one value per row; got shape {values.shape}."
        )
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`labels` must be 0 or 1 in every row; got type {values.dtype}.") from None
    wrong = int(np.sum((numbers != 0) & (numbers != 1)))
    if wrong:
        raise ValueError(
            f"`labels` must be 0 or 1 in every row; {wrong} of {len(numbers)} rows are neither. "
            "For unfinished follow-up use a labels table."
        )
    return numbers.astype(np.int64)
