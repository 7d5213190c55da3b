"""Builders on stays: days and number of stays."""

from servicenee.features.blocks import Block, measured, stay_groups, windows
from servicenee.features.builders import Builder
from servicenee.registers import Registers


class _StayBuilder(Builder):
    """Parameters that all builders on stays share; a builder adds the statistic and the word for it."""

    _statistic: str
    _measure: str

    def __init__(self, kind=None, *, source=None, lookback_days=365, skip_days=0):
        self.kind = kind
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        groups = stay_groups(registers, self.kind, self.source)
        return [measured(groups, self._statistic, self._measure, over, of_stays=True)]


class StayDays(_StayBuilder):
    """Days in stay in each lookback window, overlapping stays counted once.

    Parameters
    ----------
    kind : str or list of str, optional
        Kinds of stay, one column each; by default all kinds together.
    source : str or list of str, optional
        Sources that count; by default all.
    lookback_days : int, None or list of them, default=365
        Window [index - lookback_days, index - skip_days); None looks back over all history.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    A stay covers the days from its start up to, not including, its end: a stay within one day has no days (nights). A
    stay whose end had not been reported by the index date goes on to the index date. 0 means observed, none; NaN means
    that a source does not cover the window.

    Examples
    --------
    >>> from servicenee import Population, StayDays, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> StayDays("inpatient_unplanned", source="inpatient").fit_transform(cohort).columns.tolist()
    ['stay_days_inpatient_unplanned_365d']
    """

    _statistic, _measure = "days", "stay_days"


class StayCounts(_StayBuilder):
    """Number of stays that began in each lookback window.

    Parameters
    ----------
    kind, source, lookback_days, skip_days
        As in `StayDays`.

    Notes
    -----
    0 means observed, none; NaN means that a source does not cover the window.

    Examples
    --------
    >>> from servicenee import Population, StayCounts, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> StayCounts("inpatient_unplanned", lookback_days=[90, 365]).fit_transform(cohort).columns.tolist()
    ['stay_count_inpatient_unplanned_90d', 'stay_count_inpatient_unplanned_365d']
    """

    _statistic, _measure = "count", "stay_count"
