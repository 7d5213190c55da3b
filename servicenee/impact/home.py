"""Registers in; days alive and at home in a year out, death counted as days not at home."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from servicenee._checks import check_choice
from servicenee.codes import as_codelist
from servicenee.cohort import Cohort
from servicenee.impact.hiding import hidden_parts
from servicenee.impact.measures import sources_of, stay_days
from servicenee.impact.mix import ordered
from servicenee.impact.residents import Residents, blank_uncovered, rate_table, residents
from servicenee.outcomes import Outcome
from servicenee.registers import Registers

AWAY = ("stay:inpatient", "stay:round_the_clock", "stay:interval_care")
DEATHS = ("zero_days", "per_alive_day")
DAYS = 365


def days_at_home(
    registers: Registers,
    *,
    periods=None,
    by: str | Iterable[str] | None = None,
    min_age: int = 75,
    death: str = "zero_days",
) -> pd.DataFrame:
    """Give the mean days at home in a year: neither in hospital, nor in round-the-clock care, nor dead.

    Parameters
    ----------
    registers, periods, by, min_age
        As for `service_mix`; the default age is 75.
    death : {"zero_days", "per_alive_day"}, default="zero_days"
        Days after death count as days not at home, so that early death is no success; or only days alive count.

    Returns
    -------
    DataFrame
        Columns as of `service_mix`; indicator "days_at_home" or "days_at_home_alive", days per 365, standardised for
        age and sex.

    Notes
    -----
    Overlapping stays are one; a stay covers the days from its start up to, not including, its end, so that the day of
    discharge is a day at home. Home care at home is home. Days after a move out of the area count on neither side.

    References
    ----------
    Lee H et al. Days spent at home: an outcome of people with serious illness. Mean 355.8 days of 365; a difference
    of 18.6 days is one that matters (J Gen Intern Med 2019).

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import days_at_home
    >>> table = days_at_home(make_registers(300, random_state=0), periods=[("2022-01-01", "2023-01-01")])
    >>> bool(table["value"].between(250, 365).all())
    True
    """
    check_choice("death", death, DEATHS)
    rows = residents(registers, periods, by, min_age=min_age)
    exposure = rows.days if death == "per_alive_day" else (rows.gone_day - rows.start_day).astype(np.float64)
    indicator = "days_at_home" if death == "zero_days" else "days_at_home_alive"
    home = home_days(rows)
    hidden = hidden_parts(rows.groups, rows.group, [home, exposure - home])[:, 0]
    table = rate_table(rows, indicator, home, exposure, per=DAYS, hidden=hidden)
    table["upper"] = table["upper"].clip(upper=DAYS)
    return ordered(rows, [blank_uncovered(table, rows, sources_of(registers, " ".join(AWAY), ()))])


def home_days(rows: Residents) -> np.ndarray:
    """Days alive, resident and at home of every person-period."""
    return rows.days - stay_days(rows, as_codelist(list(AWAY)))


def days_at_home_after(cohort: Cohort, *, horizon_days: int = DAYS) -> pd.DataFrame:
    """Give the days alive and at home after every index date, as labels for comparisons.

    Parameters
    ----------
    cohort : Cohort
    horizon_days : int, default=365

    Returns
    -------
    DataFrame
        Labels as of `Outcome`: value is the number of days at home, days after death counting as none; status 3
        where follow-up ends in the window for another reason than death.

    Examples
    --------
    >>> from servicenee import Population, make_registers
    >>> from servicenee.impact.home import days_at_home_after
    >>> cohort = Population(75).at(make_registers(300, random_state=0), "2022-01-01")
    >>> float(days_at_home_after(cohort)["value"].max())
    365.0
    """
    away = Outcome(list(AWAY), kind="days", horizon_days=horizon_days, label_type="use").label(cohort)
    home = away["exposure_days"] - away["value"]
    return away.assign(value=home.clip(lower=0))
