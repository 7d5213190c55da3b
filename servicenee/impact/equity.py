"""A measure and registers in; the gap of every group to the largest group of its kind, with interval, out."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy.stats import norm

from servicenee.impact.groups import EQUITY_COLUMNS, UNKNOWN, listed_columns
from servicenee.registers import Registers

GAP_COLUMNS = (
    "dimension",
    "group",
    "period",
    "indicator",
    "n_persons",
    "value",
    "value_lower",
    "value_upper",
    "reference",
    "gap",
    "lower",
    "upper",
    "clear",
    "note",
)


def equity_gaps(
    measure: Callable[..., pd.DataFrame], registers: Registers, *, by: str | Iterable[str] | None = None
) -> pd.DataFrame:
    """Give the gap of every group to the largest group, for each column by which fairness is asked.

    Parameters
    ----------
    measure : callable
        Called as ``measure(registers, by=column)``: `service_mix`, `service_cost`, `days_at_home`,
        `avoidable_admissions`, `indicator_rates`, or one of these with more arguments in a lambda or partial.
    registers : Registers
    by : str or list of str, optional
        Columns of persons or "age_band"; by default those present of sex, age_band, language, area, urban_rural,
        living_alone and income.

    Returns
    -------
    DataFrame
        dimension (the column), group, period, indicator, n_persons, value with value_lower and value_upper, reference
        (the largest group), gap (value minus that of the reference), lower and upper, clear (True: the interval
        leaves 0 out), note.

    Notes
    -----
    Intervals hold together for all groups of a dimension (Bonferroni), because with many groups one of them always
    differs by luck. Groups of one dimension are taken as independent. Small groups come without numbers. Values are
    standardised for age and sex wherever the measure is; a gap by sex or age band then compares within the other.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import days_at_home, equity_gaps
    >>> gaps = equity_gaps(days_at_home, make_registers(400, random_state=0), by="sex")
    >>> gaps["group"].unique().tolist()
    ['female', 'male']
    """
    names = equity_columns(registers) if by is None else listed_columns(by)
    parts = [_gaps_of(measure(registers, by=name), name) for name in names]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(GAP_COLUMNS))


def equity_columns(registers: Registers) -> list[str]:
    """The columns by which fairness is asked that these persons have, with at least two values."""
    extra = registers.person_columns.extra
    present = [name for name in EQUITY_COLUMNS if name in extra]
    return [name for name in EQUITY_COLUMNS if name in present or name == "age_band"]


def _gaps_of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    parts = []
    for _, rows in table.groupby(["period", "indicator"], sort=False):
        known = rows[rows["value"].notna() & (rows[name] != UNKNOWN)]
        largest = known["n_persons"].idxmax() if len(known) else None
        parts.append(_against(rows, name, largest, n_compared=max(len(known) - 1, 1)))
    made = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(GAP_COLUMNS))
    return made[list(GAP_COLUMNS)]


def _against(rows: pd.DataFrame, name: str, largest, *, n_compared: int) -> pd.DataFrame:
    gap, error = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    if largest is not None:
        gap = (rows["value"] - rows.at[largest, "value"]).to_numpy()
        error = np.hypot(rows["error"].to_numpy(), rows.at[largest, "error"])
        error[rows.index.get_loc(largest)] = 0.0
    width = norm.ppf(1 - 0.025 / n_compared) * error
    return rows.assign(
        dimension=name,
        group=rows[name].astype(str),
        value_lower=rows["lower"],
        value_upper=rows["upper"],
        reference=str(rows.at[largest, name]) if largest is not None else "",
        gap=gap,
        lower=gap - width,
        upper=gap + width,
        clear=np.abs(gap) > width,
    )
