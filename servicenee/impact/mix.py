"""Registers in; person-days by level of service, moves to heavier and lighter ones, and unmet need beside them, out."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from servicenee.codes import as_codelist
from servicenee.impact.guarantee import guarantee_rates
from servicenee.impact.hiding import hidden_parts
from servicenee.impact.levels import level_days, level_moves, service_levels
from servicenee.impact.measures import contacts, deaths, sources_of
from servicenee.impact.residents import RATE_COLUMNS, Residents, blank_uncovered, rate_table, residents
from servicenee.registers import Registers

DAYS_PER_YEAR = 365.25
MARKER_LIMIT_DAYS = 7
_EMERGENCY = ("contact:=visit", ("emergency",))


def service_mix(
    registers: Registers,
    *,
    periods=None,
    by: str | Iterable[str] | None = None,
    min_age: int = 65,
    levels: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give person-days by level of service, moves between levels, and markers of unmet need beside them.

    Parameters
    ----------
    registers : Registers
    periods : list of (date, date), optional
        First day and first day after of each; by default `last_years`.
    by : str or list of str, optional
        Columns of persons, or "age_band"; several are crossed.
    min_age : int, default=65
        Age in completed years on the first day of the period.
    levels : DataFrame, optional
        What counts as a day on each level; by default `service_levels`.

    Returns
    -------
    DataFrame
        The columns of `by`, period, then indicator, n_persons, value, error (standard error), lower, upper (95 %),
        per, note. Indicators: "level.<level>" in person-days per 1,000 resident days (level "none": no service);
        "moves.heavier", "moves.lighter" and "moves.net_lighter" per 100 person-years; and the markers
        "marker.emergency_visits" and "marker.deaths" per 1,000 person-years, "marker.met_in_time" (share of requests
        met within 7 days) and "marker.still_waiting" (share of the period's requests open at the extract) where
        there are requests.

    Notes
    -----
    A day belongs to the heaviest service of the day. Rates are standardised directly for age and sex to the Finnish
    population of 2016; the variance is over persons. Days count while alive and resident. A service can look lighter
    because care was denied: read levels and moves only together with the markers.

    References
    ----------
    Fay MP, Feuer EJ. Confidence intervals for directly standardized rates. Stat Med 1997;16:791-801.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import service_mix
    >>> mix = service_mix(make_registers(300, random_state=0), periods=[("2022-01-01", "2023-01-01")])
    >>> round(mix.loc[mix["indicator"].str.startswith("level."), "value"].sum())
    1000
    """
    levels = service_levels() if levels is None else levels
    rows = residents(registers, periods, by, min_age=min_age)
    days = level_days(rows, levels)
    hidden = hidden_parts(rows.groups, rows.group, list(days.values()))
    tables = []
    for at, (level, amount) in enumerate(days.items()):
        table = rate_table(rows, f"level.{level}", amount, rows.days, per=1000, hidden=hidden[:, at])
        used = levels[levels["level"] == level]
        tables.append(blank_uncovered(table, rows, _sources(registers, used)))
    return ordered(rows, [*tables, *_moves(rows, levels), need_markers(rows, registers)])


def _moves(rows: Residents, levels: pd.DataFrame) -> list[pd.DataFrame]:
    """Moves each way and their balance: of three numbers, two of which make the third, one alone is never hidden."""
    moves, years = level_moves(rows, levels), rows.days / DAYS_PER_YEAR
    hidden = hidden_parts(rows.groups, rows.group, [moves["heavier"], moves["lighter"]]).any(axis=1)
    amounts = {name: moves[name] for name in ("heavier", "lighter")}
    amounts["net_lighter"] = moves["lighter"] - moves["heavier"]
    return [
        rate_table(rows, f"moves.{name}", amount, years, per=100, hidden=hidden) for name, amount in amounts.items()
    ]


def need_markers(rows: Residents, registers: Registers) -> pd.DataFrame:
    """Emergency visits, deaths and waiting: what lighter or cheaper services must not be bought with."""
    years = rows.days / DAYS_PER_YEAR
    codes, sources = as_codelist([_EMERGENCY[0]]), _EMERGENCY[1]
    visits = rate_table(rows, "marker.emergency_visits", contacts(rows, codes, sources), years, per=1000)
    tables = [
        blank_uncovered(visits, rows, sources_of(registers, *_EMERGENCY)),
        death_rate(rows, "marker.deaths", years, per=1000),
    ]
    waiting = None if registers.requests is None else _waiting_markers(rows, registers)
    if waiting is not None and len(waiting):
        tables.append(waiting)
    return pd.concat(tables, ignore_index=True)


def death_rate(rows: Residents, indicator: str, years: np.ndarray, *, per: float) -> pd.DataFrame:
    """Deaths per person-year; hidden where few died, and where few did not."""
    died = deaths(rows)
    hidden = hidden_parts(rows.groups, rows.group, [died, 1 - died])[:, 0]
    return rate_table(rows, indicator, died, years, per=per, hidden=hidden)


def ordered(rows: Residents, tables: list[pd.DataFrame]) -> pd.DataFrame:
    """All tables in one, columns in fixed order."""
    return pd.concat(tables, ignore_index=True)[[*rows.groups.columns, *RATE_COLUMNS]]


def _sources(registers: Registers, used: pd.DataFrame) -> set[str]:
    found: set[str] = set()
    for row in used.itertuples():
        found |= sources_of(registers, row.codes, tuple(row.source.split()))
    return found


def _waiting_markers(rows: Residents, registers: Registers) -> pd.DataFrame:
    """Requests of the same persons in the same periods and groups: met within 7 days, and still open."""
    table = guarantee_rates(rows, registers.requests, limit_days=MARKER_LIMIT_DAYS)
    names = {f"met_within_{MARKER_LIMIT_DAYS}_days": "marker.met_in_time", "still_waiting": "marker.still_waiting"}
    return table.assign(indicator=table["indicator"].map(names))
