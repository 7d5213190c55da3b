"""Registers and unit costs in; cost per resident and per person served, by level, beside unmet need, out."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee.codes import as_codelist
from servicenee.impact.hiding import hidden_parts
from servicenee.impact.measures import contact_values, contacts, sources_of, stay_days
from servicenee.impact.mix import DAYS_PER_YEAR, need_markers, ordered
from servicenee.impact.residents import Residents, blank_uncovered, rate_table, residents
from servicenee.registers import Registers

_UNITS = ("visit", "value", "day")
_COLUMNS = ("item", "level", "codes", "source", "unit", "cost_eur", "valid_from", "valid_to")


def unit_costs() -> pd.DataFrame:
    """Give the table of unit costs: examples in the order of size, to be replaced by the county's own.

    Returns
    -------
    DataFrame
        item, level, codes (prefixes), source (empty: all), unit ("visit": each event; "value": the event's value,
        such as hours; "day": each day in stay), cost_eur, valid_from, valid_to (first day no longer valid; NaT:
        still valid), basis.

    Examples
    --------
    >>> from servicenee.impact import unit_costs
    >>> unit_costs().set_index("item").loc["hospital_day", "unit"]
    'day'
    """
    return _costs().copy()


def service_cost(
    registers: Registers,
    *,
    periods=None,
    by: str | Iterable[str] | None = None,
    min_age: int = 65,
    costs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give the cost of services per resident and per person served, by level, with unmet need beside it.

    Parameters
    ----------
    registers, periods, by, min_age
        As for `service_mix`.
    costs : DataFrame, optional
        Dated unit costs; by default `unit_costs`, which are examples.

    Returns
    -------
    DataFrame
        Columns as of `service_mix`. Indicators: "cost.<level>" and "cost.all" in euros per resident and year,
        standardised for age and sex; "cost_per_served.<level>" and "cost_per_served.all" in euros per person who got
        the service in the period, not standardised; the markers of `service_mix`.

    Raises
    ------
    ValueError
        If the table of costs lacks a column, or holds an unknown unit or a cost that is not a number of at least 0.

    Notes
    -----
    A person served stands for a met need: registers do not hold the needs that were not met. Falling cost with
    rising emergency visits, deaths or waiting is not productivity.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import service_cost
    >>> cost = service_cost(make_registers(300, random_state=0), periods=[("2022-01-01", "2023-01-01")])
    >>> cost["indicator"].tolist()[:2]
    ['cost.clinic', 'cost.digital']
    """
    costs = checked_costs(costs)
    rows = residents(registers, periods, by, min_age=min_age)
    amounts = {level: cost_amount(rows, lines) for level, lines in costs.groupby("level", sort=True)}
    # The levels add up to all services: what is hidden must not be what is left of the total.
    hidden = dict(zip(amounts, hidden_parts(rows.groups, rows.group, list(amounts.values())).T, strict=True))
    amounts["all"] = sum(amounts.values())
    per_resident, per_served = [], []
    for level, amount in amounts.items():
        lines = costs if level == "all" else costs[costs["level"] == level]
        sources = set().union(
            *(sources_of(registers, row.codes, tuple(row.source.split())) for row in lines.itertuples())
        )
        years, served = rows.days / DAYS_PER_YEAR, (amount > 0).astype(np.float64)
        options = {"per": 1, "hidden": hidden.get(level)}
        cost = rate_table(rows, f"cost.{level}", amount, years, **options)
        of_served = rate_table(rows, f"cost_per_served.{level}", amount, served, standardise=False, **options)
        per_resident.append(blank_uncovered(cost, rows, sources))
        per_served.append(blank_uncovered(of_served, rows, sources))
    return ordered(rows, [*per_resident, *per_served, need_markers(rows, registers)])


def cost_amount(rows: Residents, lines: pd.DataFrame) -> np.ndarray:
    """Euros of every person-period, each line within its own dates."""
    total = np.zeros(len(rows))
    for row in lines.itertuples():
        within = _clipped(rows, row.valid_from, row.valid_to)
        codes, sources = as_codelist(row.codes.split()), tuple(row.source.split())
        if row.unit == "day":
            total += row.cost_eur * stay_days(within, codes)
        else:
            count = contacts if row.unit == "visit" else contact_values
            total += row.cost_eur * count(within, codes, sources)
    return total


def _clipped(rows: Residents, valid_from, valid_to) -> Residents:
    """The same rows for the days on which a price was valid; no days where there are none."""
    begins = rows.start_day if valid_from is pd.NaT else np.maximum(rows.start_day, _day(valid_from))
    ends = rows.stop_day if valid_to is pd.NaT else np.minimum(rows.stop_day, _day(valid_to))
    return Residents(**{**rows.__dict__, "start_day": begins, "stop_day": np.maximum(begins, ends)})


def _day(date) -> int:
    return int(np.datetime64(date, "D").astype(np.int64))


def checked_costs(costs: pd.DataFrame | None) -> pd.DataFrame:
    """The table of unit costs, or the shipped one, with every row usable."""
    costs = unit_costs() if costs is None else costs
    missing = [name for name in _COLUMNS if name not in costs.columns]
    if missing:
        raise ValueError(f"`costs` must have the columns {', '.join(_COLUMNS)}; missing are {', '.join(missing)}.")
    unknown = ~costs["unit"].isin(_UNITS)
    wrong = ~(pd.to_numeric(costs["cost_eur"], errors="coerce") >= 0)
    for bad, rule in ((unknown, f"unit must be one of {', '.join(_UNITS)}"), (wrong, "cost_eur must be at least 0")):
        if bad.any():
            rows = np.flatnonzero(bad)[:3].tolist()
            raise ValueError(f"`costs`: {rule}; {int(bad.sum())} of {len(costs)} rows differ, first at rows {rows}.")
    dated = {name: pd.to_datetime(costs[name]) for name in ("valid_from", "valid_to")}
    return costs.assign(source=costs["source"].fillna(""), **dated)


def are_examples(costs: pd.DataFrame | None) -> bool:
    """Whether any of the prices is a shipped example that the county has not replaced by its own."""
    shipped = unit_costs()
    if costs is None:
        return True
    names = ["item", "cost_eur", *(["basis"] if "basis" in costs else [])]
    pairs = set(shipped[names].itertuples(index=False, name=None))
    return any(row in pairs for row in costs[names].itertuples(index=False, name=None))


@cache
def _costs() -> pd.DataFrame:
    with files("servicenee.impact").joinpath("unit_costs.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"source": str}, parse_dates=["valid_from", "valid_to"]).fillna({"source": ""})
