"""Requests and a reference period in; what came, what was met and who waits, against what was to be expected, out."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from servicenee._checks import check_dates
from servicenee.disclosure import is_small, suppress
from servicenee.impact.comparison import Z
from servicenee.impact.groups import group_codes, listed_columns
from servicenee.impact.hiding import shown_steps
from servicenee.impact.waiting import Waits, read_waits
from servicenee.outcomes import CENSORED, EVENT

_MEASURES = ("requests", "met", "queue")
_COLUMNS = (
    "month",
    "measure",
    "observed",
    "expected",
    "lower",
    "upper",
    "difference",
    "debt",
    "in_reference",
    "reference",
)


def service_debt(
    requests: pd.DataFrame,
    *,
    reference: tuple,
    extract_date,
    by: str | Iterable[str] | None = None,
    persons: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give observed against expected requests, contacts and queue by month, and the debt that adds up.

    Parameters
    ----------
    requests, extract_date, by, persons
        As for `care_guarantee`. By service it serves specialist queues likewise.
    reference : (date, date)
        First day and first day after of the normal time: whole months, at least twelve.

    Returns
    -------
    DataFrame
        The columns of `by`, month (its first day), measure ("requests" made in the month, "met" in the month, "queue"
        waiting at its end), observed, expected, lower and upper (95 % of where a normal month would lie), difference
        (observed minus expected), debt, in_reference, reference (the period in words). Months after the reference
        add to the debt: of "met" the contacts missing so far, of "requests" the requests missing so far (need that
        may come later), of "queue" simply how much longer the queue is than usual. NaN where 1 to 4 were observed,
        where what is expected rests on such a month, and in sums from there on.

    Raises
    ------
    ValueError
        If the reference is not whole months, is shorter than twelve, or ends after the extract date.

    Notes
    -----
    Expected is the mean of the same calendar month over the years of the reference, per day of the month, so that
    summers are compared with summers. Intervals take months as Poisson counts and widen for a short reference; they
    know nothing of trends in the size and age of the population. Only months that ended by the extract are shown; a
    request counts in the queue from its day until met or closed.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.impact import service_debt
    >>> days = pd.date_range("2022-01-01", "2023-06-30", freq="D")
    >>> requests = pd.DataFrame({"person_id": range(len(days)), "requested": days, "met": days})
    >>> debt = service_debt(requests, reference=("2022-01-01", "2023-01-01"), extract_date="2023-07-01")
    >>> debt[debt["measure"].eq("met") & debt["month"].eq("2023-06-01")][["observed", "expected"]].to_numpy().tolist()
    [[30.0, 30.0]]
    """
    names = listed_columns(by)
    waits = read_waits(requests, extract_date, persons, names)
    if not len(waits):
        raise ValueError("`requests` must hold at least one usable request; got none.")
    extract = np.datetime64(int(waits.requested_day[0] + waits.followed_days[0]), "D")
    span = _reference(reference, extract)
    months = np.arange(
        np.datetime64(int(waits.requested_day.min()), "D").astype("datetime64[M]"), extract.astype("M8[M]")
    )
    if not len(months) or span[0] < months[0]:
        raise ValueError(f"`reference` must begin in or after the first month with requests; that is {months[:1]}.")
    group, groups = group_codes(waits.keys)
    counts = _counts(waits, group, len(groups), months)
    hidden = _hidden(counts)
    parts = []
    for number in range(len(groups)):
        for name in _MEASURES:
            made = _compared(counts[name][number], hidden[name][number], name, months, span)
            parts.append(groups.iloc[[number]].merge(made, how="cross") if len(groups.columns) else made)
    return pd.concat(parts, ignore_index=True)[[*names, *_COLUMNS]]


def _reference(reference, extract: np.datetime64) -> tuple[np.datetime64, np.datetime64]:
    dates = check_dates("reference", list(reference))
    whole = len(dates) == 2 and all(date == date.astype("M8[M]").astype("M8[D]") for date in dates)
    if not whole or (dates[1].astype("M8[M]") - dates[0].astype("M8[M]")).astype(int) < 12 or dates[1] > extract:
        raise ValueError(
            "`reference` must be the first day and the first day after of at least twelve whole months before the "
            "extract date, such as ('2022-01-01', '2024-01-01')."
        )
    return dates[0].astype("M8[M]"), dates[1].astype("M8[M]")


def _counts(waits: Waits, group: np.ndarray, n_groups: int, months: np.ndarray) -> dict[str, np.ndarray]:
    """Counts of shape (n_groups, n_months)."""
    first = months[0].astype(np.int64)
    end_day = waits.requested_day + waits.days
    asked, ended = (
        day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) - first
        for day in (waits.requested_day, end_day)
    )
    requests, met, over = (
        _table(group[chosen], month[chosen], n_groups, len(months))
        for chosen, month in (
            (np.ones(len(group), dtype=bool), asked),
            (waits.status == EVENT, ended),
            (waits.status != CENSORED, ended),
        )
    )
    return {"requests": requests, "met": met, "closed": over - met, "queue": np.cumsum(requests - over, axis=1)}


def _hidden(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Months of every group that must be hidden: small counts, those beside them, and queues that would tell.

    Two queues, less what was asked and met between them, leave how many were closed without a contact.
    """
    hidden = {name: _small_of_month(counts[name]) for name in ("requests", "met")}
    flows = np.stack([counts[name] for name in ("requests", "met", "closed")], axis=-1)
    steps = np.array([shown_steps(one) for one in flows]).reshape(counts["queue"].shape)
    hidden["queue"] = ~steps | _small_of_month(counts["queue"]) | hidden["requests"] | hidden["met"]
    return hidden


def _small_of_month(counts: np.ndarray) -> np.ndarray:
    """Small counts, and those of other groups that would give them away in the month's total."""
    return suppress(pd.DataFrame(counts)).isna().to_numpy() if len(counts) > 1 else is_small(counts)


def _table(group: np.ndarray, month: np.ndarray, n_groups: int, n_months: int) -> np.ndarray:
    inside = month < n_months  # the month of the extract is not over
    cell = group[inside] * n_months + month[inside]
    return np.bincount(cell, minlength=n_groups * n_months).reshape(n_groups, n_months)


def _compared(counts: np.ndarray, hidden: np.ndarray, name: str, months: np.ndarray, span: tuple) -> pd.DataFrame:
    days = ((months + 1).astype("M8[D]") - months.astype("M8[D]")).astype(np.int64)
    exposure = days if name != "queue" else np.ones(len(days), dtype=np.int64)
    inside = (months >= span[0]) & (months < span[1])
    calendar = months.astype(np.int64) % 12
    total, base = (np.bincount(calendar[inside], weights=one[inside], minlength=12) for one in (counts, exposure))
    years = np.bincount(calendar[inside], minlength=12)[calendar]
    expected = (total / base)[calendar] * exposure
    width = Z * np.sqrt(expected * (1 + 1 / years))
    # An expectation made of a small count would show it, and so would the step that either makes in a sum.
    of_few = np.bincount(calendar[inside], weights=hidden[inside], minlength=12)[calendar] > 0
    expected, width = (np.where(of_few, np.nan, column) for column in (expected, width))
    observed = np.where(hidden, np.nan, counts)
    difference = observed - expected
    after = months >= span[1]
    debt = np.cumsum(np.where(after, expected - observed, 0.0)) if name != "queue" else difference
    return pd.DataFrame(
        {
            "month": months.astype("M8[D]").astype("M8[us]"),
            "measure": name,
            "observed": observed,
            "expected": expected,
            "lower": np.maximum(expected - width, 0),
            "upper": expected + width,
            "difference": difference,
            "debt": np.where(after, debt, np.nan),
            "in_reference": inside,
            "reference": f"{span[0]}–{span[1] - 1}",
        }
    )
