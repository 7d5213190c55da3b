"""Registers and periods in; person-periods with their exposure, and age-sex standardised rates of anything, out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
from scipy.stats import gamma

from servicenee._checks import check_count, check_dates
from servicenee.cohort import completed_years
from servicenee.impact.comparison import Z
from servicenee.impact.groups import age_band, group_codes, listed_columns
from servicenee.impact.hiding import hidden_groups, persons_behind
from servicenee.registers import Registers
from servicenee.registers.tables import FAR_PAST, TextColumn

TOO_FEW = "too few persons"
NOT_COVERED = "not covered by the source"
RATE_COLUMNS = ("indicator", "n_persons", "value", "error", "lower", "upper", "per", "note")
_FEW_FOR_SPREAD = 10
_BANDS = np.array([0, *range(5, 95, 5), 95])
_SLOW_SOURCES = ("entitlement", "medication", "laboratory", "rai", "social")  # nothing here is counted from them


@dataclass(frozen=True)
class Residents:
    """One entry per person and period: who lived in the area, from which day to which, and in which group.

    `stop_day` ends at death, leaving or the period's end; `gone_day` ignores death, for measures in which a day
    after death counts as a day without.
    """

    registers: Registers
    periods: tuple[tuple[int, int], ...]
    person: np.ndarray
    period: np.ndarray
    start_day: np.ndarray
    stop_day: np.ndarray
    gone_day: np.ndarray
    stratum: np.ndarray
    group: np.ndarray
    groups: pd.DataFrame  # columns of `by`, then period; one row per group

    def __len__(self) -> int:
        return len(self.person)

    @property
    def days(self) -> np.ndarray:
        """Days alive and resident."""
        return (self.stop_day - self.start_day).astype(np.float64)


def last_years(registers: Registers, n_periods: int = 4) -> list[tuple[str, str]]:
    """Give the latest periods of twelve months that the registers cover and have reported completely.

    Parameters
    ----------
    registers : Registers
    n_periods : int, default=4
        How many at most; fewer where the sources begin later.

    Returns
    -------
    list of (str, str)
        First day and first day after of each period, ISO, oldest first.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import last_years
    >>> last_years(make_registers(200, random_state=0), n_periods=2)
    [('2021-11-01', '2022-11-01'), ('2022-11-01', '2023-11-01')]
    """
    check_count("n_periods", n_periods)
    end = np.datetime64(complete_until(registers), "D").astype("datetime64[M]")
    begins = _first_covered(registers)
    periods = []
    for back in range(n_periods, 0, -1):
        start = end - np.timedelta64(12 * back, "M")
        if start.astype("datetime64[D]").astype(np.int64) >= begins:
            periods.append(tuple(str(month.astype("datetime64[D]")) for month in (start, start + 12)))
    if not periods:
        raise ValueError("`registers` must cover twelve months that are completely reported. Give `periods` yourself.")
    return periods


def complete_until(registers: Registers) -> int:
    """First day of the registers on which something may be unreported still."""
    coverage = registers.coverage_columns
    used = [place for place, source in enumerate(coverage.source) if source not in _SLOW_SOURCES]
    if not used:
        return registers.extract_day
    return int((np.minimum(coverage.to_day[used], registers.extract_day - coverage.lag_days[used])).min())


def residents(registers: Registers, periods, by: str | Iterable[str] | None, *, min_age: int = 65) -> Residents:
    """Everybody of at least `min_age` on the first day of each period, for the days they lived in the area."""
    check_count("min_age", min_age, minimum=0)
    spans = _spans(registers, periods)
    persons, parts = registers.person_columns, []
    for number, (begins, ends) in enumerate(spans):
        start = np.maximum(persons.from_day, begins)
        gone = np.minimum(persons.to_day, ends)
        stop = np.minimum(persons.death_day, gone)
        age = completed_years(persons.birth_day, np.full(len(persons), begins))
        kept = np.flatnonzero((age >= min_age) & (stop > start))
        # Nobody leaves the area after death: a registered_to at the death date is the death, not a move.
        gone = np.where(persons.death_day <= persons.to_day, ends, gone)
        parts.append((kept, np.full(len(kept), number), start[kept], stop[kept], gone[kept], age[kept]))
    person, period, start, stop, gone, age = (np.concatenate(column) for column in zip(*parts, strict=True))
    stratum = _strata(registers, person, age)
    nobody = np.zeros(len(person), dtype=np.int64)
    rows = Residents(registers, tuple(spans), person, period, start, stop, gone, stratum, nobody, pd.DataFrame())
    return grouped(rows, by)


def grouped(rows: Residents, by: str | Iterable[str] | None) -> Residents:
    """The same rows in other groups."""
    begins = np.array([span[0] for span in rows.periods])[rows.period]
    age = completed_years(rows.registers.person_columns.birth_day[rows.person], begins)
    keys = pd.DataFrame(
        {name: _person_column(rows.registers, name, rows.person, age) for name in listed_columns(by)},
        index=range(len(rows)),
    )
    labels = np.array([period_label(span) for span in rows.periods], dtype=object)
    group, groups = group_codes(keys.assign(period=labels[rows.period]))
    return replace(rows, group=group, groups=groups)


def rate_table(
    rows: Residents,
    indicator: str,
    amount: np.ndarray,
    exposure: np.ndarray,
    *,
    per: float,
    standardise: bool = True,
    hidden: np.ndarray | None = None,
) -> pd.DataFrame:
    """Rate of `amount` per `exposure` in every group: value, standard error, 95 % interval; small groups hidden.

    `hidden` marks the groups that must not be shown; by default those with few persons behind the amount.
    """
    n_groups, used = len(rows.groups), exposure > 0
    group, stratum = rows.group[used], rows.stratum[used] if standardise else np.zeros(int(used.sum()), np.int64)
    weights = _weights() if standardise else np.ones(1)
    value, variance, largest = standardised_rates(
        amount[used], exposure[used], group, stratum, n_groups=n_groups, weights=weights
    )
    lower, upper = _interval(value, variance, largest, signed=bool((amount < 0).any()))
    n_persons = np.bincount(group, minlength=n_groups)
    few = hidden_groups(rows.groups, n_persons)
    if hidden is None:
        hidden = hidden_groups(rows.groups, persons_behind(amount[used], group, n_groups))
    hidden = few | hidden
    estimates = {"value": value, "error": np.sqrt(variance), "lower": lower, "upper": upper}
    shown = {name: np.where(hidden, np.nan, per * column) for name, column in estimates.items()}
    return rows.groups.assign(
        indicator=indicator,
        n_persons=np.where(few, np.nan, n_persons),
        **shown,
        per=float(per),
        note=np.where(hidden, TOO_FEW, ""),
    )


def standardised_rates(
    amount: np.ndarray,
    exposure: np.ndarray,
    group: np.ndarray,
    stratum: np.ndarray,
    *,
    n_groups: int,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directly standardised rate of every group, its variance, and the largest weight of one unit of exposure.

    One entry is one person. The variance is that of a sum of ratios over persons, so that a person with many events
    counts as one person. Strata nobody of the group is in are left out and the other weights scaled up.
    """
    shape, n_cells = (n_groups, len(weights)), n_groups * len(weights)
    cell = group * len(weights) + stratum
    total, at_risk, n = (
        np.bincount(cell, weights=column, minlength=n_cells).reshape(shape)
        for column in (amount, exposure, np.ones(len(cell)))
    )
    weight = np.where(at_risk > 0, weights[None, :], 0.0)
    whole = weight.sum(axis=1, keepdims=True)
    weight = _ratio(weight, np.broadcast_to(whole, shape))
    rate = _ratio(total, at_risk)
    residual = amount - rate.ravel()[cell] * exposure
    squares = np.bincount(cell, weights=residual**2, minlength=n_cells).reshape(shape)
    # A handful of persons, or of persons with anything to count, shows too little of its own spread (none at all
    # where nothing happened by luck): there the stratum's spread in all groups counts.
    with_any = np.bincount(cell, weights=amount != 0, minlength=n_cells).reshape(shape)
    few = (n < _FEW_FOR_SPREAD) | (with_any < _FEW_FOR_SPREAD)
    free = np.maximum(n - 1, 0)
    pooled = _ratio(squares.sum(axis=0), free.sum(axis=0))
    squares = n * np.where(few, pooled[None, :], _ratio(squares, free))
    share = _ratio(weight, at_risk)
    value = np.where(whole[:, 0] > 0, (weight * rate).sum(axis=1), np.nan)
    return value, (share**2 * squares).sum(axis=1), share.max(axis=1)


def _interval(value, variance, largest, *, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gamma interval of counts; that of the normal distribution for balances, which may be negative."""
    if not signed:
        return gamma_interval(value, variance, largest)
    width = Z * np.sqrt(variance)
    return value - width, value + width


def gamma_interval(value: np.ndarray, variance: np.ndarray, largest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a weighted sum of counts (Fay and Feuer, Stat Med 1997;16:791-801); exact for one Poisson count.

    `largest` is the largest weight of a single count; it widens the upper bound for what was rare by luck.
    """
    value, variance, largest = (np.asarray(column, dtype=np.float64) for column in (value, variance, largest))
    lower, upper = np.where(variance > 0, 0.0, value), np.full(value.shape, np.nan)
    some = (value > 0) & (variance > 0)
    lower[some] = gamma.ppf(0.025, value[some] ** 2 / variance[some], scale=variance[some] / value[some])
    known = np.isfinite(value) & (largest > 0)
    mean, spread = value[known] + largest[known], variance[known] + largest[known] ** 2
    upper[known] = gamma.ppf(0.975, mean**2 / spread, scale=spread / mean)
    lower[~np.isfinite(value)] = np.nan
    return lower, upper


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def standard_population() -> pd.DataFrame:
    """Give the population that rates are standardised to: Finland 2016, by sex and five years of age.

    Returns
    -------
    DataFrame
        sex, age_from, persons.

    Examples
    --------
    >>> from servicenee.impact.residents import standard_population
    >>> int(standard_population()["persons"].sum()) // 1_000_000
    5
    """
    return _standard().copy()


def period_label(span: tuple[int, int]) -> str:
    """A period as its first and last month, or as the year it is."""
    first, last = (np.datetime64(int(day), "D") for day in (span[0], span[1] - 1))
    months = [str(day.astype("datetime64[M]")) for day in (first, last)]
    whole_year = str(first)[5:] == "01-01" and str(last) == f"{months[0][:4]}-12-31"
    return months[0][:4] if whole_year else "–".join(dict.fromkeys(months))


def blank_uncovered(table: pd.DataFrame, rows: Residents, sources: Iterable[str]) -> pd.DataFrame:
    """The same table without values for periods that one of the sources does not cover."""
    from_day, _, _ = rows.registers.coverage_columns.of(sorted(set(sources)))
    late = {period_label(span) for span in rows.periods if span[0] < from_day}
    blank = table["period"].isin(late)
    table = table.copy()
    table.loc[blank, ["value", "error", "lower", "upper"]] = np.nan
    table.loc[blank, "note"] = NOT_COVERED
    return table


def _spans(registers: Registers, periods) -> list[tuple[int, int]]:
    listed = last_years(registers) if periods is None else list(periods)
    spans = []
    for period in listed:
        if isinstance(period, str) or len(period) != 2:
            raise ValueError("`periods` must be pairs (first day, first day after); got something else.")
        start, end = (int(check_dates("periods", date)[0].astype(np.int64)) for date in period)
        if end <= start:
            raise ValueError(f"`periods` must end after they start; one of {len(listed)} does not.")
        spans.append((start, end))
    until = complete_until(registers)
    if not spans or max(end for _, end in spans) > until:
        raise ValueError(
            f"`periods` must be completely reported, which the registers are until {np.datetime64(until, 'D')} "
            "(extract date minus reporting lag). Choose periods that end by then."
        )
    return sorted(spans)


def _first_covered(registers: Registers) -> int:
    """First day that the sources of contacts and stays cover; one that a later law began does not hold up the rest."""
    coverage = registers.coverage_columns
    used = [place for place, source in enumerate(coverage.source) if source not in (*_SLOW_SOURCES, "communal_housing")]
    return int(coverage.from_day[used].max()) if used else int(FAR_PAST)


def _person_column(registers: Registers, name: str, person: np.ndarray, age: np.ndarray) -> np.ndarray:
    if name == "age_band":
        return age_band(age)
    column = registers.person_columns.extra.get(name)
    if column is None:
        raise ValueError(
            f"`by` must name columns of persons or 'age_band'; got {name!r}, "
            f"known are {', '.join(registers.person_columns.extra)}."
        )
    values = column.to_numpy() if isinstance(column, TextColumn) else np.asarray(column)
    return values[person]


def _strata(registers: Registers, person: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Number of the stratum of age and sex among those of the standard population; other sexes share the women's."""
    male = _person_column(registers, "sex", person, age) == "male"
    band = np.searchsorted(_BANDS, np.nan_to_num(age), side="right") - 1
    return male.astype(np.int64) * len(_BANDS) + band


@cache
def _standard() -> pd.DataFrame:
    with files("servicenee.impact").joinpath("standard_population.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


@cache
def _weights() -> np.ndarray:
    return _standard().sort_values(["sex", "age_from"])["persons"].to_numpy(np.float64)
