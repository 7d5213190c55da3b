"""Requests for care in; the share met in time by request, not by visit, with interval and caveats, out."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
from scipy.stats import beta

from servicenee._checks import check_choice, check_days
from servicenee.disclosure import is_small
from servicenee.impact.comparison import Z
from servicenee.impact.groups import group_codes, listed_columns
from servicenee.impact.hiding import distinct_persons, hidden_cells, hidden_groups, shown_steps
from servicenee.impact.incidence import Incidence, cumulative_incidence, share_error
from servicenee.impact.waiting import Waits, read_waits
from servicenee.outcomes import CENSORED, EVENT, OTHER_EVENT

SMALLEST_FOLLOWED_SHARE = 0.5  # of the requests of a group, made at least the limit before the extract
LONGEST_WAIT_DAYS = 400  # quantiles of longer waits are not told apart
NOT_FOLLOWED, TOO_FEW = "too little follow-up", "too few persons"
_IN_TIME = ("share", "lower", "upper")
_REALISED = ("realised_visits_share", "realised_visits_bias")
_AT_RISK = ("at_risk",)
_OF_ALL = ("closed_unmet_share", "open_share", "assessed_share", "followed_share")
_GUARANTEE_COLUMNS = (
    "limit_days",
    "n",
    "n_persons",
    "share",
    "lower",
    "upper",
    "at_risk",
    "followed_share",
    "closed_unmet_share",
    "open_share",
    "median_days",
    "p90_days",
    "assessed_share",
    "realised_visits_share",
    "realised_visits_bias",
    "note",
)


def care_limits() -> pd.DataFrame:
    """Give the legal limits of waiting by service, date of the request and age: data to read and to edit.

    Returns
    -------
    DataFrame
        service, valid_from, valid_to (first day no longer valid; NaT: still valid), age_from, age_to (completed
        years, both included; NaN: no limit), days, basis.

    Examples
    --------
    >>> from servicenee.impact import care_limits
    >>> limits = care_limits()
    >>> limits[limits["service"].eq("primary_care") & limits["valid_from"].ge("2025")]["days"].tolist()
    [14, 90]
    """
    return _limits().copy()


def care_guarantee(
    requests: pd.DataFrame,
    *,
    limit_days: int | str = 7,
    extract_date,
    by: str | Iterable[str] | None = None,
    persons: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give the share of requests met by a treating contact within the limit.

    Parameters
    ----------
    requests : DataFrame
        One row per request: person_id, requested (the assessment of need, which starts the clock); optional met
        (first treating contact), closed and closed_reason (closed without a contact), service, urgency, assessed.
        Leave planned revisits, certificates and urgent care out.
    limit_days : int or "law", default=7
        Contact within this many days, the day of the request being day 0. "law": the limit that `care_limits` gives
        each request by service, date and age (needs `persons` with birth_date); limits come as groups of their own.
    extract_date : date or ISO text
        Day on which the requests were extracted; follow-up covers the days before it.
    by : str or list of str, optional
        Groups: columns of requests or persons, "month" (of the request) or "age_band". Several are crossed.
    persons : DataFrame, optional
        Persons table of `Registers`, for groups, ages, deaths and moves.

    Returns
    -------
    DataFrame
        One row per group: the columns of `by`, limit_days, n (requests), n_persons (who made them), share with lower
        and upper (95 %), at_risk
        (still waiting and followed on the day of the limit), followed_share (made early enough to be followed to the
        limit), closed_unmet_share and open_share (of all), median_days and p90_days (by when half and nine tenths of
        all requests had been met; NaN: never), assessed_share (of all, NaN without the column assessed),
        realised_visits_share (what counting realised visits would claim), realised_visits_bias, note.

    Raises
    ------
    ValueError
        If fewer than half of the requests could be followed to the limit, or a column of `by` is unknown.
    RegisterError
        If a column is missing or of a wrong type, or more than 1 % of the rows cannot be used.

    Notes
    -----
    The estimand is the probability that a request is met within the limit before it is closed for another reason:
    the Aalen-Johansen cumulative incidence, with requests still open at the extract censored and cancellations,
    moves and deaths competing. Counting realised visits forgets those still waiting and those who gave up; it is
    given beside it, as THL's official figure is computed from visits, to show the difference. Standard errors take
    the requests of one person together. Whatever rests on 1 to 4 persons, or would give such a number away, is hidden:
    groups, and within a group the share met in time, met late, closed or waiting.

    References
    ----------
    Aalen OO, Johansen S. An empirical transition matrix for non-homogeneous Markov chains based on censored
    observations. Scand J Stat 1978;5:141-150.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.impact import care_guarantee
    >>> requests = pd.DataFrame({"person_id": range(50), "requested": pd.to_datetime(["2025-01-01"] * 50),
    ...                          "met": pd.to_datetime(["2025-01-05"] * 30 + ["2025-01-20"] * 10 + [None] * 10)})
    >>> table = care_guarantee(requests, limit_days=7, extract_date="2025-02-01")
    >>> float(table["share"].iloc[0]), float(table["realised_visits_share"].iloc[0])
    (0.6, 0.75)
    """
    names = listed_columns(by)
    optional = ["assessed"] if isinstance(requests, pd.DataFrame) and "assessed" in requests.columns else []
    waits = read_waits(requests, extract_date, persons, [*names, *optional])
    assessed = waits.keys["assessed"].notna().to_numpy() if optional else np.full(len(waits), np.nan)
    limit = _limit_of_each(limit_days, waits)
    keys = waits.keys[names].assign(limit_days=limit)
    group, groups = group_codes(keys)
    groups["limit_days"] = groups["limit_days"].astype(np.int64) if len(groups) else groups.get("limit_days")
    _refuse_unfollowed(waits, limit)
    n_days = max(LONGEST_WAIT_DAYS, int(limit.max(initial=0)) + 1)
    incidence = cumulative_incidence(waits.days, waits.status, group, n_groups=len(groups), n_days=n_days)
    table = groups.assign(**_shares(waits, group, groups["limit_days"].to_numpy(np.int64), incidence))
    table["assessed_share"] = _mean_by(group, assessed, len(groups))
    table["n_persons"] = distinct_persons(waits.person, group, len(groups)).astype(float)
    return _guarded(table, waits, group, limit)[[*names, *_GUARANTEE_COLUMNS]]


def waiting_times(
    requests: pd.DataFrame,
    *,
    extract_date,
    days: Iterable[int] = (0, 1, 3, 7, 14, 30, 60, 90),
    by: str | Iterable[str] | None = None,
    persons: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give the share of requests met by each day after the request.

    Parameters
    ----------
    requests, extract_date, by, persons
        As for `care_guarantee`.
    days : iterable of int, default=(0, 1, 3, 7, 14, 30, 60, 90)
        Days after the request, 0 being the same day.

    Returns
    -------
    DataFrame
        One row per group and day: the columns of `by`, day, n (requests), at_risk, share met with lower and upper,
        closed_unmet_share, waiting_share (neither). NaN from where fewer than five requests are followed, and, for
        each of them, on days that would show, less an earlier day, that 1 to 4 came to it in between.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.impact import waiting_times
    >>> requests = pd.DataFrame({"person_id": range(20), "requested": pd.to_datetime(["2025-01-01"] * 20),
    ...                          "met": pd.to_datetime(["2025-01-05"] * 12 + ["2025-01-20"] * 8)})
    >>> waiting_times(requests, extract_date="2025-02-01", days=[3, 7])["share"].tolist()
    [0.0, 0.6]
    """
    names = listed_columns(by)
    asked = sorted({check_days("days", day) for day in days})
    if not asked:
        raise ValueError("`days` must hold at least one day; got none.")
    waits = read_waits(requests, extract_date, persons, names)
    group, groups = group_codes(waits.keys)
    incidence = cumulative_incidence(waits.days, waits.status, group, n_groups=len(groups), n_days=asked[-1] + 1)
    small = _unseen(groups, waits.person, group)
    safe = _safe_days(incidence, asked)
    n = np.bincount(group, minlength=len(groups))
    parts = []
    for day in asked:
        error = share_error(incidence, day, waits.days, waits.status, group, waits.person)
        share, at_risk = incidence.met[:, day], incidence.at_risk[:, day].astype(float)
        lower, upper = share_interval(share, error, n)
        # What happens after the last followed request is not known, and a handful of persons would be recognised.
        unknown = small | ((at_risk < 5) & (incidence.met[:, day] + incidence.closed[:, day] < 1 - 1e-9))
        safe_met, safe_closed, safe_lost = (~unknown & safe[:, asked.index(day), at] for at in range(3))
        closed, both = incidence.closed[:, day], safe_met & safe_closed
        columns = {
            "at_risk": (at_risk, both & safe_lost),
            "share": (share, safe_met),
            "lower": (lower, safe_met),
            "upper": (upper, safe_met),
            "closed_unmet_share": (closed, safe_closed),
            "waiting_share": (1 - share - closed, both),
        }
        shown = {name: np.where(told, values, np.nan) for name, (values, told) in columns.items()}
        parts.append(groups.assign(day=day, n=np.where(small, np.nan, n), **shown))
    return pd.concat(parts, ignore_index=True).sort_values([*names, "day"], ignore_index=True, kind="stable")


def _safe_days(incidence: Incidence, days: list[int]) -> np.ndarray:
    """Whether the running totals of met, closed and lost may be shown; array of shape (n_groups, len(days), 3)."""
    met, closed = (np.cumsum(n, axis=1) for n in (incidence.n_met, incidence.n_closed))
    ended = incidence.n_met + incidence.n_closed
    lost = incidence.at_risk[:, :1] - incidence.at_risk - met - closed + ended
    totals = np.stack([met, closed, lost], axis=-1)[:, days]
    added = np.diff(totals, axis=1, prepend=0).astype(np.int64)
    safe = [[shown_steps(one[:, at, None]) for at in range(3)] for one in added]
    return np.array(safe, dtype=bool).reshape(len(added), 3, len(days)).transpose(0, 2, 1)


def share_interval(share: np.ndarray, error: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of shares on the logit scale; exact (Clopper-Pearson) where the share is 0 or 1."""
    inside = (share > 0) & (share < 1)
    middle = np.where(inside, share, 0.5)
    width = Z * error / (middle * (1 - middle))
    logit = np.log(middle) - np.log1p(-middle)
    with np.errstate(over="ignore"):
        lower, upper = 1 / (1 + np.exp(width - logit)), 1 / (1 + np.exp(-width - logit))
    count = np.maximum(n, 1)
    lower = np.where(inside, lower, np.where(share >= 1, beta.ppf(0.025, count, 1), 0.0))
    upper = np.where(inside, upper, np.where(share >= 1, 1.0, beta.ppf(0.975, 1, count)))
    return lower, upper


@cache
def _limits() -> pd.DataFrame:
    with files("servicenee.impact").joinpath("care_limits.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, parse_dates=["valid_from", "valid_to"])


def _limit_of_each(limit_days: int | str, waits: Waits) -> np.ndarray:
    """Limit of every request; without one (a service or an age the table does not know) the row is refused."""
    if not isinstance(limit_days, str):
        return np.full(len(waits), check_days("limit_days", limit_days), dtype=np.int64)
    check_choice("limit_days", limit_days, ("law",))
    if np.isnan(waits.age).all() and len(waits):
        raise ValueError("`persons` must hold birth_date when `limit_days` is 'law'; no age is known. Give `persons`.")
    limit = np.full(len(waits), -1, dtype=np.int64)
    for row in _limits().itertuples():
        begins, ends = (_day(date) for date in (row.valid_from, row.valid_to))
        chosen = (waits.service == row.service) & (waits.requested_day >= begins)
        chosen &= (waits.requested_day < ends) if ends is not None else True
        for bound, fits in ((row.age_from, np.greater_equal), (row.age_to, np.less_equal)):
            chosen &= fits(waits.age, bound) if pd.notna(bound) else True
        limit[chosen] = row.days
    without = int((limit < 0).sum())
    if without:
        raise ValueError(
            f"`limit_days` 'law' knows no limit for {without} of {len(limit)} requests (service, date or age). "
            f"Services known: {', '.join(sorted(set(_limits()['service'])))}. Leave the others out or give a number."
        )
    return limit


def _day(date) -> int | None:
    return None if date is pd.NaT else int(np.datetime64(date, "D").astype(np.int64))


def _refuse_unfollowed(waits: Waits, limit: np.ndarray) -> None:
    if not len(waits):
        raise ValueError("`requests` must hold at least one usable request; got none.")
    followed = float((waits.followed_days > limit).mean())
    if followed < SMALLEST_FOLLOWED_SHARE:
        raise ValueError(
            f"`requests` must be followed to the limit; only {followed:.0%} were made more than the limit before "
            "`extract_date`. Leave out the newest requests, choose a shorter limit or a later extract."
        )


def _shares(waits: Waits, group: np.ndarray, limit: np.ndarray, incidence: Incidence) -> dict[str, np.ndarray]:
    """Numbers of every group at its own limit."""
    n, every = np.bincount(group, minlength=len(limit)), np.arange(len(limit))
    share, error = incidence.met[every, limit], np.zeros(len(limit))
    for one in np.unique(limit):
        error[limit == one] = share_error(incidence, int(one), waits.days, waits.status, group, waits.person)[
            limit == one
        ]
    lower, upper = share_interval(share, error, n)
    met = waits.status == EVENT
    in_time = met & (waits.days <= limit[group])
    visits = np.bincount(group[met], minlength=len(limit))
    realised = np.divide(
        np.bincount(group[in_time], minlength=len(limit)), visits, out=np.full(len(limit), np.nan), where=visits > 0
    )
    return {
        "n": n.astype(float),
        "share": share,
        "lower": lower,
        "upper": upper,
        "at_risk": incidence.at_risk[every, limit].astype(float),
        "followed_share": _mean_by(group, waits.followed_days > limit[group], len(limit)),
        "closed_unmet_share": _mean_by(group, waits.status == OTHER_EVENT, len(limit)),
        "open_share": _mean_by(group, waits.status == CENSORED, len(limit)),
        "median_days": incidence.quantile(0.5),
        "p90_days": incidence.quantile(0.9),
        "realised_visits_share": realised,
        "realised_visits_bias": realised - share,
    }


def _guarded(table: pd.DataFrame, waits: Waits, group: np.ndarray, limit: np.ndarray) -> pd.DataFrame:
    """Groups without follow-up or with too few persons keep their row, a note and nothing to read."""
    few = _few(waits, group, table, limit)
    small = few["n"]
    short = table["followed_share"].to_numpy() < SMALLEST_FOLLOWED_SHARE
    values = [name for name in table.columns if name in _GUARANTEE_COLUMNS and name != "limit_days"]
    estimates = [name for name in values if name not in ("n", "n_persons", "followed_share", *_OF_ALL)]
    table = table.copy()
    table.loc[short, estimates] = np.nan
    few_wait = is_small(np.nan_to_num(table["at_risk"].to_numpy()))
    for names, hidden in ((_IN_TIME, few["in_time"]), (_REALISED, few["realised"]), (_AT_RISK, few["any"] | few_wait)):
        table.loc[hidden, list(names)] = np.nan
    for name in _OF_ALL:
        table.loc[few[name], name] = np.nan
    table.loc[small, values] = np.nan
    told = small | few["any"]
    table["note"] = np.where(told, TOO_FEW, np.where(short, NOT_FOLLOWED, ""))
    return table


def _few(waits: Waits, group: np.ndarray, table: pd.DataFrame, limit: np.ndarray) -> dict[str, np.ndarray]:
    """Groups whose numbers would give 1 to 4 persons away, by what is shown of them.

    A share beside the number of requests is a count. Requests met in time, met late, closed and open add up to all of
    them, so that one of the four that must be hidden hides another.
    """
    n_groups, met, in_time = len(table), waits.status == EVENT, waits.days <= limit[group]
    closed, waiting = waits.status == OTHER_EVENT, waits.status == CENSORED
    of_four = [_persons(waits, group, n_groups, chosen) for chosen in (met & in_time, met & ~in_time, closed, waiting)]
    keys = table[[name for name in table if name == "limit_days" or name not in _GUARANTEE_COLUMNS]]
    unseen = _unseen(keys, waits.person, group)
    in_time, late, closed, waiting = hidden_cells(np.column_stack(of_four), unseen).T
    hidden = {
        "n": unseen,
        "in_time": in_time,
        "realised": in_time | late,
        "closed_unmet_share": closed,
        "open_share": waiting,
        "any": in_time | late | closed | waiting,
    }
    assessed = waits.keys["assessed"].notna().to_numpy() if "assessed" in waits.keys else np.ones(len(waits), bool)
    for name, chosen in (("assessed_share", assessed), ("followed_share", waits.followed_days > limit[group])):
        both = [_persons(waits, group, n_groups, side) for side in (chosen, ~chosen)]
        hidden[name] = hidden_cells(np.column_stack(both), unseen).any(axis=1)
    return hidden


def _unseen(keys: pd.DataFrame, person: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Groups of 1 to 4 persons, and those beside them that would give them away, also where columns are crossed."""
    crossed = keys.loc[:, keys.nunique() > 1]
    return hidden_groups(crossed.assign(period=""), distinct_persons(person, group, len(keys)))


def _persons(waits: Waits, group: np.ndarray, n_groups: int, chosen: np.ndarray) -> np.ndarray:
    """Different persons of every group with such a request."""
    return distinct_persons(waits.person[chosen], group[chosen], n_groups)


def _mean_by(group: np.ndarray, values: np.ndarray, n_groups: int) -> np.ndarray:
    n = np.bincount(group, minlength=n_groups)
    total = np.bincount(group, weights=values.astype(float), minlength=n_groups)
    return np.divide(total, n, out=np.full(n_groups, np.nan), where=n > 0)
