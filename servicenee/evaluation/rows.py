"""Labels and risks in; rows ready to be judged out: aligned, weighted, with their person and index date."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from servicenee.evaluation.censoring import is_labels, known_outcomes
from servicenee.evaluation.grouping import person_codes

RISK_DECIMALS = 12
RESAMPLED_LEVELS = 1000
MEANS = ("risk", "log_risk", "log_rest", "logit")
TOTALS = ("events", "others", "rows")


@dataclass(frozen=True)
class JudgedRows:
    """One entry per row; a row whose outcome is not known weighs 0 but still has its risk and its rank."""

    y: np.ndarray
    weight: np.ndarray
    risk: np.ndarray
    time_days: np.ndarray
    person: np.ndarray
    date: np.ndarray
    date_names: tuple[str, ...]
    n_persons: int
    persons_known: bool

    def subset(self, positions: np.ndarray) -> "JudgedRows":
        """The same for some of the rows."""
        person, n_persons = _compact(self.person[positions])
        kept_dates, date = np.unique(self.date[positions], return_inverse=True)
        return JudgedRows(
            y=self.y[positions],
            weight=self.weight[positions],
            risk=self.risk[positions],
            time_days=self.time_days[positions],
            person=person,
            date=date,
            date_names=tuple(self.date_names[code] for code in kept_dates),
            n_persons=n_persons,
            persons_known=self.persons_known,
        )

    @property
    def has_event(self) -> np.ndarray:
        """Rows known to have the event."""
        return (self.weight > 0) & (self.y == 1)

    @property
    def has_none(self) -> np.ndarray:
        """Rows known not to have the event."""
        return (self.weight > 0) & (self.y == 0)


@dataclass(frozen=True)
class Levels:
    """Weighted totals for each distinct risk, highest first."""

    risk: np.ndarray
    log_risk: np.ndarray
    log_rest: np.ndarray
    logit: np.ndarray
    events: np.ndarray
    others: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Ranked:
    """Rows sorted once by risk, so that a resample of persons only has to add up again."""

    weighted_y: np.ndarray
    weight: np.ndarray
    risk: np.ndarray
    person: np.ndarray
    starts: np.ndarray
    blank: Levels


def judged_rows(labels, risk, *, sample_weight=None) -> JudgedRows:
    """Check labels against risks and put what the measures need into plain arrays."""
    values = check_risk(risk)
    n_rows = len(labels) if hasattr(labels, "__len__") else -1
    if n_rows != len(values):
        raise ValueError(
            f"`risk` must have one value per row of labels ({n_rows}); got {len(values)}. "
            "Pass the risks of the same rows in the same order."
        )
    index = _common_index(labels, risk)
    positions, y, weights = known_outcomes(labels)
    all_y, all_weights = np.zeros(n_rows), np.zeros(n_rows)
    all_y[positions] = y
    all_weights[positions] = weights
    if sample_weight is not None:
        all_weights = all_weights * _check_weight(sample_weight, n_rows)
    codes = person_codes(index)
    person, n_persons = _compact(np.arange(n_rows) if codes is None else codes)
    date, date_names = _dates(index, n_rows)
    return JudgedRows(
        y=all_y,
        weight=all_weights,
        risk=values,
        time_days=_times(labels, n_rows),
        person=person,
        date=date,
        date_names=date_names,
        n_persons=n_persons,
        persons_known=codes is not None,
    )


def check_risk(risk) -> np.ndarray:
    """Risks as a float array, every one a probability; a scores table gives its column ``risk``."""
    if isinstance(risk, pd.DataFrame):
        if "risk" not in risk.columns:
            raise ValueError("`risk` must be one value per row or a scores table; got a table without `risk`.")
        risk = risk["risk"]
    try:
        values = np.asarray(risk, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("`risk` must be numbers between 0 and 1; got values that are not numbers.") from None
    if values.ndim != 1:
        raise ValueError(
            f"`risk` must be one value per row; got shape {values.shape}. "
            "Of predict_proba take the column of the event: [:, 1]."
        )
    missing, outside = int(np.isnan(values).sum()), int(((values < 0) | (values > 1)).sum())
    if missing or outside:
        raise ValueError(
            f"`risk` must be between 0 and 1 in every row; of {len(values)} rows {missing} are missing and "
            f"{outside} lie outside. Pass calibrated probabilities."
        )
    return values


def ranked(rows: JudgedRows) -> Ranked:
    """Sort the rows by risk once and note where each distinct risk starts."""
    rounded = np.round(rows.risk, RISK_DECIMALS)
    order = np.argsort(-rounded, kind="stable")
    sorted_risk = rounded[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(sorted_risk) != 0])) if len(order) else order
    risk = sorted_risk[starts]
    # scikit-learn's log_loss cuts at the same place: a risk of exactly 0 or 1 costs much, not everything.
    smallest = np.finfo(np.float64).eps
    inside = np.clip(risk, smallest, 1 - smallest)
    nothing = np.zeros(len(starts))
    return Ranked(
        weighted_y=(rows.weight * rows.y)[order],
        weight=rows.weight[order],
        risk=sorted_risk,
        person=rows.person[order],
        starts=starts,
        blank=Levels(risk, np.log(inside), np.log1p(-inside), logit(risk), nothing, nothing, nothing),
    )


def levels(sorted_rows: Ranked, copies: np.ndarray | None = None) -> Levels:
    """Totals for each distinct risk, with every person taken as often as `copies` says (None: once)."""
    return replace(sorted_rows.blank, **dict(zip(TOTALS, totals(sorted_rows, sorted_rows.starts, copies), strict=True)))


def totals(
    sorted_rows: Ranked, starts: np.ndarray, copies: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted events, weighted others and rows from each start to the next."""
    taken = np.ones(len(sorted_rows.person)) if copies is None else copies[sorted_rows.person]
    events = sums(sorted_rows.weighted_y * taken, starts)
    known = sums(sorted_rows.weight * taken, starts)
    return events, known - events, sums(taken, starts)


def coarse_levels(sorted_rows: Ranked, full: Levels) -> tuple[np.ndarray, Levels]:
    """Neighbouring risks joined to at most about 1,000 levels: the row where each starts, and their totals.

    Fits on these in the resamples cost little and move a slope by less than its fifth digit.
    """
    n_levels = len(full.risk)
    if n_levels <= RESAMPLED_LEVELS:
        return sorted_rows.starts, full
    middle = np.cumsum(full.rows) - full.rows / 2
    group = np.floor(middle / full.rows.sum() * RESAMPLED_LEVELS)
    at = np.flatnonzero(np.concatenate([[True], np.diff(group) != 0]))
    rows = sums(full.rows, at)
    means = {name: sums(getattr(full, name) * full.rows, at) / rows for name in MEANS}
    joined = {name: sums(getattr(full, name), at) for name in TOTALS}
    return sorted_rows.starts[at], Levels(**means, **joined)


def n_persons_of(person: np.ndarray) -> int:
    """Number of different persons."""
    return int(np.count_nonzero(np.bincount(person)))


def persons_by_group(person: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Number of different persons in every group."""
    seen = np.zeros((n_groups, int(person.max()) + 1 if len(person) else 0), dtype=bool)
    seen[group, person] = True
    return np.count_nonzero(seen, axis=1)


def logit(risk: np.ndarray) -> np.ndarray:
    """Log odds, for risks kept between 1e-6 and 1 - 1e-6, so that a single 0 or 1 does not decide a slope."""
    inside = np.clip(risk, 1e-6, 1 - 1e-6)
    return np.log(inside) - np.log1p(-inside)


def sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sum from each start to the next."""
    return values if len(starts) == len(values) else np.add.reduceat(values, starts)


def _compact(codes: np.ndarray) -> tuple[np.ndarray, int]:
    names, compact = np.unique(codes, return_inverse=True)
    return compact, len(names)


def _dates(index, n_rows: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Position of the index date of each row among the dates, earliest first, and the dates as ISO text."""
    if not isinstance(index, pd.MultiIndex) or "index_date" not in index.names:
        return np.zeros(n_rows, dtype=np.int64), ("",)
    level = index.names.index("index_date")
    codes, position = np.unique(np.asarray(index.codes[level]), return_inverse=True)
    dates = index.levels[level][codes]
    order = np.argsort(dates, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[position], tuple(str(dates[code])[:10] for code in order)


def _times(labels, n_rows: int) -> np.ndarray:
    """Days from the start of the window to what came first; NaN where a plain 0/1 outcome does not tell."""
    if not is_labels(labels):
        return np.full(n_rows, np.nan)
    return labels["time_days"].to_numpy(dtype=np.float64)


def _common_index(labels, risk):
    """The index with persons, from labels or risk; an error when both have one and they differ."""
    known = [table.index for table in (labels, risk) if person_codes(getattr(table, "index", None)) is not None]
    if len(known) == 2 and not known[0].equals(known[1]):
        raise ValueError(
            "`risk` must have the index of labels, row by row; got another index. "
            "Bring the rows into the same order first: risk.loc[labels.index]."
        )
    return known[0] if known else None


def _check_weight(sample_weight, n_rows: int) -> np.ndarray:
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_rows,):
        raise ValueError(f"`sample_weight` must have one value per row ({n_rows}); got shape {weights.shape}.")
    wrong = int(np.sum(~(np.isfinite(weights) & (weights >= 0))))
    if wrong:
        raise ValueError(f"`sample_weight` must be at least 0 in every row; {wrong} of {n_rows} rows are not.")
    return weights
