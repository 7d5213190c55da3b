"""A population and registers come in; who would belong but is too little known to be scored, and why, goes out."""

from copy import copy

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort, Population
from servicenee.registers import Registers
from servicenee.registers.tables import FAR_PAST

NO_SCORE = "the estimator gives no score"


def too_little_known(population: Population, registers: Registers, index_dates) -> pd.DataFrame:
    """Reasons by row of those who pass every other rule of the population.

    Parameters
    ----------
    population : Population
    registers : Registers
    index_dates : date, ISO text or list of them

    Returns
    -------
    DataFrame, index (person_id, index_date)
        reason.

    Examples
    --------
    >>> from servicenee import Population, make_registers
    >>> from servicenee.scoring.unscored import too_little_known
    >>> registers = make_registers(500, random_state=0)
    >>> too_little_known(Population(75), registers, "2023-01-01")["reason"].unique().tolist()
    ['less than 365 days of history']
    """
    found = [_reasons(registers, np.zeros(0, np.int32), np.zeros(0, np.int32), "")]
    has_age_limit = population.min_age is not None or population.max_age is not None
    if has_age_limit and bool((registers.person_columns.birth_day == FAR_PAST).any()):
        cohort = _loosened(population, min_age=None, max_age=None).at(registers, index_dates)
        unknown = registers.person_columns.birth_day[cohort.person] == FAR_PAST
        found.append(_reasons(registers, cohort.person[unknown], cohort.index_day[unknown], "unknown birth date"))
    if population.min_history_days:
        cohort = _loosened(population).at(registers, index_dates)
        history = cohort.index_day - registers.person_columns.from_day[cohort.person].astype(np.int64)
        short = history < population.min_history_days
        reason = f"less than {population.min_history_days} days of history"
        found.append(_reasons(registers, cohort.person[short], cohort.index_day[short], reason))
    return pd.concat(found)


def _loosened(population: Population, **changes) -> Population:
    other = copy(population)
    for name, value in {"min_history_days": 0, **changes}.items():
        setattr(other, name, value)
    return other


def _reasons(registers: Registers, person: np.ndarray, index_day: np.ndarray, reason: str) -> pd.DataFrame:
    index = Cohort(registers, person, index_day, pd.DataFrame()).index
    return pd.DataFrame({"reason": np.full(len(index), reason, dtype=object)}, index=index)
