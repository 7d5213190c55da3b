"""Registers and definitions as rows of data in; standardised indicators by period and group out."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pandas as pd

from servicenee.codes import as_codelist, load_codelist
from servicenee.impact.cost import checked_costs, cost_amount
from servicenee.impact.guarantee import guarantee_rates
from servicenee.impact.hiding import hidden_parts
from servicenee.impact.home import home_days
from servicenee.impact.levels import level_days, level_moves, service_levels
from servicenee.impact.measures import (
    chains_with,
    contacts,
    deaths,
    episodes,
    present,
    sources_of,
    starts,
    stay_days,
)
from servicenee.impact.mix import DAYS_PER_YEAR, ordered
from servicenee.impact.residents import Residents, blank_uncovered, grouped, rate_table, residents
from servicenee.registers import Registers

MEASURES = (
    "free_share",
    "point_share",
    "starts",
    "contacts",
    "stay_days",
    "episodes",
    "chains",
    "deaths",
    "home_days",
    "level_days",
    "net_lighter_moves",
    "cost",
    "requests_met",
)
NO_REQUESTS = "no requests in the registers"
EPISODE_GAP_DAYS = 90
_SHARES = ("free_share", "point_share")
_COLUMNS = ("indicator", "measure", "codes", "source", "diagnoses", "min_age", "per")


def indicator_definitions() -> pd.DataFrame:
    """Give the definitions of the indicators: rows of data that a county edits and extends.

    Returns
    -------
    DataFrame
        indicator, measure, codes and diagnoses (prefixes, or the name of a code list), source, days, min_age, per,
        better ("higher", "lower" or empty), target, decimals, then label and definition in Finnish, Swedish and
        English. Measures: "point_share" (share in the stays on the last day), "free_share" (share not in them),
        "starts" (care chains that begin), "stay_days", "contacts" (events), "episodes" (events at least 90 days
        apart), "chains" (care chains with one of the diagnoses), "deaths", "home_days" (as `days_at_home`),
        "level_days" (days on the levels that codes names), "net_lighter_moves", "cost" (by `unit_costs`),
        "requests_met" (share of primary-care requests met within `days`).

    Examples
    --------
    >>> from servicenee.impact import indicator_definitions
    >>> indicator_definitions()["indicator"].head(2).tolist()
    ['met_within_7_days', 'met_within_14_days']
    """
    return _definitions().copy()


def indicator_rates(
    registers: Registers,
    *,
    definitions: pd.DataFrame | None = None,
    periods=None,
    by: str | Iterable[str] | None = None,
    costs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give the indicators of the definitions for every period and group.

    Parameters
    ----------
    registers, periods, by
        As for `service_mix`.
    definitions : DataFrame, optional
        Rows as of `indicator_definitions`, which is the default.
    costs : DataFrame, optional
        Unit costs; by default `unit_costs`.

    Returns
    -------
    DataFrame
        Columns as of `service_mix`; value is the age-sex standardised rate per `per` persons or person-years.

    Raises
    ------
    ValueError
        If the definitions lack a column or hold an unknown measure.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import indicator_rates
    >>> rates = indicator_rates(make_registers(300, random_state=0), periods=[("2022-01-01", "2023-01-01")])
    >>> len(rates)
    16
    """
    return rates_by(measure_indicators(registers, definitions=definitions, periods=periods, costs=costs), by)


class Measured(NamedTuple):
    """One indicator for every person-period: its definition, the rows, amount and exposure (None: of requests).

    `parts` are amounts that add up to something known, such as a share and its complement, of which the first `n_own`
    make the indicator: it is hidden wherever one of these must be.
    """

    definition: tuple
    rows: Residents
    amount: np.ndarray | None = None
    exposure: np.ndarray | None = None
    parts: tuple[np.ndarray, ...] = ()
    n_own: int = 1


def measure_indicators(registers: Registers, *, definitions, periods, costs) -> list[Measured]:
    """Everything that does not depend on the groups, so that many groupings cost little."""
    definitions, costs = _checked(_definitions() if definitions is None else definitions), checked_costs(costs)
    rows_of: dict[int, Residents] = {}
    measured = []
    for row in definitions.itertuples():
        if row.min_age not in rows_of:
            rows_of[row.min_age] = residents(registers, periods, None, min_age=int(row.min_age))
        rows = rows_of[row.min_age]
        found = () if row.measure == "requests_met" else _measured(rows, row, costs)
        measured.append(Measured(row, rows, *found))
    return measured


def rates_by(measured: list[Measured], by: str | Iterable[str] | None) -> pd.DataFrame:
    """Rates of measured indicators in the groups of some columns."""
    tables, regrouped = [], {}
    for row, plain, amount, exposure, parts, n_own in measured:
        if id(plain) not in regrouped:
            regrouped[id(plain)] = grouped(plain, by)
        rows = regrouped[id(plain)]
        if amount is None:
            tables.append(_requests_met(rows, row))
            continue
        hidden = hidden_parts(rows.groups, rows.group, list(parts))[:, :n_own].any(axis=1)
        table = rate_table(rows, row.indicator, amount, exposure, per=row.per, hidden=hidden)
        if row.measure in (*_SHARES, "home_days"):
            table["upper"] = table["upper"].clip(upper=row.per)
        tables.append(blank_uncovered(table, rows, _sources(rows.registers, row)))
    return ordered(rows, tables)


def avoidable_admissions(
    registers: Registers,
    *,
    periods=None,
    by: str | Iterable[str] | None = None,
    min_age: int = 65,
    diagnoses: str = "avoidable_admissions",
) -> pd.DataFrame:
    """Give the unplanned admissions that good outpatient care can prevent, transfers merged into one care chain.

    Parameters
    ----------
    registers, periods, by, min_age
        As for `service_mix`.
    diagnoses : Codelist or str, default="avoidable_admissions"
        Groups of diagnoses; by default chronic, acute and vaccine-preventable conditions.

    Returns
    -------
    DataFrame
        Columns as of `service_mix`; indicators "avoidable.all" and "avoidable.<group>", care chains per 100,000
        person-years, standardised for age and sex.

    Notes
    -----
    The choice of codes moves the total a lot: publish the list with the number (``load_codelist(...).frame()``).
    Diagnoses in any position count, as events carry no order; exclusions by procedure are not applied. A chain with
    conditions of two groups counts in both groups, and once in all. Compare with other areas or a trend: chronic
    avoidable admissions fell 40-63 % in Finland in 1996-2013 without any single cause.

    References
    ----------
    Satokangas M et al. Ambulatory care sensitive conditions in Finland 1996-2013. BMC Health Serv Res 2019;19:629.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import avoidable_admissions
    >>> table = avoidable_admissions(make_registers(300, random_state=0), periods=[("2022-01-01", "2023-01-01")])
    >>> table["indicator"].tolist()
    ['avoidable.all', 'avoidable.chronic', 'avoidable.acute', 'avoidable.vaccine']
    """
    listed = load_codelist(diagnoses) if isinstance(diagnoses, str) else diagnoses
    rows, stays = residents(registers, periods, by, min_age=min_age), as_codelist(["stay:inpatient_unplanned"])
    sources = sources_of(registers, "stay:inpatient_unplanned", ())
    chosen = {"all": listed, **{group: listed.keep(group) for group in listed.groups}}
    found = {name: chains_with(rows, stays, codes) for name, codes in chosen.items()}
    groups = [found[name] for name in list(found)[1:]]
    hidden = dict(zip(list(found)[1:], hidden_parts(rows.groups, rows.group, groups).T, strict=True))
    years, tables = rows.days / DAYS_PER_YEAR, []
    for name, amount in found.items():
        table = rate_table(rows, f"avoidable.{name}", amount, years, per=100_000, hidden=hidden.get(name))
        tables.append(blank_uncovered(table, rows, sources))
    return ordered(rows, tables)


def _requests_met(rows: Residents, row) -> pd.DataFrame:
    """The care guarantee as an indicator; rows without numbers where there are no requests."""
    requests = rows.registers.requests
    made = None if requests is None else guarantee_rates(rows, requests, limit_days=int(row.days))
    if made is None or made.empty:
        empty = dict.fromkeys(("n_persons", "value", "error", "lower", "upper"), np.nan)
        return rows.groups.assign(indicator=row.indicator, **empty, per=float(row.per), note=NO_REQUESTS)
    made = made[made["indicator"] != "still_waiting"].assign(indicator=row.indicator, per=float(row.per))
    scaled = {name: made[name] * row.per for name in ("value", "error", "lower", "upper")}
    return made.assign(**scaled)


def _sources(registers: Registers, row) -> set[str]:
    return sources_of(registers, row.codes, tuple(row.source.split())) if ":" in row.codes else set()


def _measured(rows: Residents, row, costs: pd.DataFrame) -> tuple:
    """Amount and exposure of every person-period, and the parts by which either could be worked out."""
    codes = as_codelist(row.codes.split()) if ":" in row.codes else None
    if row.measure == "home_days":
        home, exposure = home_days(rows), (rows.gone_day - rows.start_day).astype(np.float64)
        return home, exposure, (home, exposure - home)
    if row.measure == "level_days":
        days, own = level_days(rows, service_levels()), row.codes.split()
        others = [days[level] for level in days if level not in own]
        return sum(days[level] for level in own), rows.days, (*(days[level] for level in own), *others), len(own)
    if row.measure in _SHARES:
        inside, there = present(rows, codes)
        inside, outside = (inside, there - inside)[:: 1 if row.measure == "point_share" else -1]
        return inside, there, (inside, outside)
    years = rows.days / DAYS_PER_YEAR
    if row.measure == "net_lighter_moves":
        moves = level_moves(rows, service_levels())
        return moves["lighter"] - moves["heavier"], years, (moves["lighter"], moves["heavier"]), 2
    if row.measure == "deaths":
        died = deaths(rows)
        return died, years, (died, 1 - died)
    amount = _amount(rows, row, codes, costs)
    return amount, years, (amount,)


def _amount(rows: Residents, row, codes, costs: pd.DataFrame) -> np.ndarray:
    sources = tuple(row.source.split())
    return {
        "starts": lambda: starts(rows, codes),
        "contacts": lambda: contacts(rows, codes, sources),
        "stay_days": lambda: stay_days(rows, codes),
        "episodes": lambda: episodes(rows, codes, sources, EPISODE_GAP_DAYS),
        "chains": lambda: chains_with(rows, codes, _diagnoses(row.diagnoses)),
        "cost": lambda: cost_amount(rows, costs),
    }[row.measure]()


def _diagnoses(text: str):
    return as_codelist(text.split() if ":" in text else text)


def _checked(definitions: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _COLUMNS if name not in definitions.columns]
    if missing:
        raise ValueError(
            f"`definitions` must have the columns {', '.join(_COLUMNS)}; missing are {', '.join(missing)}."
        )
    unknown = sorted(set(definitions["measure"]) - set(MEASURES))
    if unknown:
        raise ValueError(f"`definitions.measure` must be one of {', '.join(MEASURES)}; got {', '.join(unknown)}.")
    repeated = int(definitions["indicator"].duplicated().sum())
    if repeated or not len(definitions):
        raise ValueError(f"`definitions` must hold each indicator once, and at least one; {repeated} are repeated.")
    return definitions.fillna(dict.fromkeys(("codes", "source", "diagnoses", "better"), ""))


@cache
def _definitions() -> pd.DataFrame:
    with files("servicenee.impact").joinpath("indicators.csv").open(encoding="utf-8") as file:
        text = dict.fromkeys(("codes", "source", "diagnoses", "better"), str)
        return pd.read_csv(file, dtype=text).fillna(dict.fromkeys(text, ""))
