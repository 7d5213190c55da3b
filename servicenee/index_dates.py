"""Population, outcome and registers come in; index dates whose windows the registers cover go out."""

import numpy as np
import pandas as pd

from servicenee.cohort import Population
from servicenee.outcomes import CENSORED, NO_EVENT, Outcome, reported_days
from servicenee.registers import Registers


def latest_index_date(outcome: Outcome, registers: Registers) -> np.datetime64:
    """Last index date whose outcome window the registers cover, reporting lag and confirmation included.

    Examples
    --------
    >>> from servicenee import Outcome, make_registers
    >>> from servicenee.index_dates import latest_index_date
    >>> str(latest_index_date(Outcome("home_care_start"), make_registers(200, random_state=0)))
    '2022-10-03'
    """
    _, reported = reported_days(registers, outcome.definition)
    return np.datetime64(int(reported - outcome.gap_days - outcome.horizon_days), "D")


def refuse_unobserved(labels: pd.DataFrame, outcome: Outcome, registers: Registers) -> None:
    """Raise ValueError if the labels, index (person_id, index_date), are of a date whose window has not ended."""
    status, dates = labels["status"].to_numpy(), labels.index.get_level_values("index_date")
    for date in dates.unique().sort_values():
        of_date = status[dates == date]
        # Follow-up that ends for everybody at once is the end of the data, not people who leave.
        if not (of_date == NO_EVENT).any() and (of_date == CENSORED).mean() > 0.5:
            raise ValueError(
                f"`index_dates` must have outcome windows that the registers cover; the window of {date:%Y-%m-%d} has "
                f"not ended. Use dates up to {latest_index_date(outcome, registers)}."
            )


def yearly_dates(population: Population, outcome: Outcome, registers: Registers) -> tuple[list[str], str]:
    """Index dates to train on and a later one to evaluate on, a year apart, as late as the registers allow.

    Parameters
    ----------
    population : Population
        Its history and washout must lie within the registers.
    outcome : Outcome
        Its window must have been observed.
    registers : Registers

    Returns
    -------
    (list of str, str)
        Training dates, earliest first, and the evaluation date: firsts of months, ISO.

    Examples
    --------
    >>> from servicenee import Outcome, Population, make_registers
    >>> from servicenee.index_dates import yearly_dates
    >>> yearly_dates(Population(75), Outcome("home_care_start"), make_registers(200, random_state=0))
    (['2019-10-01', '2020-10-01', '2021-10-01'], '2022-10-01')
    """
    test = pd.Timestamp(latest_index_date(outcome, registers)).replace(day=1)
    before = max(population.min_history_days, population.washout_days)
    first_day, _ = reported_days(registers, outcome.definition)
    first_day = max(int(first_day), _first_record_day(registers))
    earliest = pd.Timestamp(np.datetime64(first_day + before, "D"))
    window = pd.Timedelta(days=outcome.gap_days + outcome.horizon_days)
    date = min(test - pd.DateOffset(years=1), (test - window).replace(day=1))
    dates = []
    while date >= earliest:
        dates.append(f"{date:%Y-%m-%d}")
        date -= pd.DateOffset(years=1)
    if not dates:
        raise ValueError(
            f"`registers` must cover {before} days before an index date and two outcome windows after it; they begin "
            f"on {np.datetime64(first_day, 'D')} and reach to {registers.extract_date:%Y-%m-%d}. Deliver more years, "
            "or choose a shorter horizon."
        )
    return dates[::-1], f"{test:%Y-%m-%d}"


def _first_record_day(registers: Registers) -> int:
    minutes, starts = registers.event_columns.minute, registers.stay_columns.start_day
    days = [int(minutes.min()) // 1440] if len(minutes) else []
    days += [int(starts.min())] if len(starts) else []
    return min(days) if days else registers.extract_day
