"""Builders on events: counts, sums, days since the last one, distinct codes, latest value."""

from servicenee.features.blocks import Block, event_groups, measured, windows
from servicenee.features.builders import Builder
from servicenee.registers import Registers


class _EventBuilder(Builder):
    """Parameters that all builders on events share; a builder adds the statistic and the word for it."""

    _statistic: str
    _measure: str

    def __init__(self, codes=None, *, source=None, by=None, lookback_days=365, skip_days=0):
        self.codes = codes
        self.source = source
        self.by = by
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        groups = event_groups(registers, self.codes, self.source, self.by)
        return [measured(groups, self._statistic, self._measure, over)] if groups else []


class EventCounts(_EventBuilder):
    """Number of events in each lookback window.

    Parameters
    ----------
    codes : Codelist, str or list of str, optional
        What counts: a Codelist, the name of a shipped one, or prefixes such as ``["ICD-10:E11", "ATC:A10"]``.
    source : str or list of str, optional
        Sources that count; by default all.
    by : {"source", "code_system", "code", "unit"}, Codelist or name of one, optional
        One column per value, or per group of the list.
    lookback_days : int, None or list of them, default=365
        Window [index - lookback_days, index - skip_days); None looks back over all history.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    0 means observed, none. NaN means that a source does not cover the window (`coverage`). Only what had been reported
    by the index date counts; an event on the index date is in the future.

    Examples
    --------
    A person with emergency visits on 31 December 2022, 1 January 2023 and 1 January 2024, seen on 1 January 2024: the
    window of 365 days begins on 1 January 2023, so one visit counts; the visit on the index date does not.

    >>> import pandas as pd
    >>> from servicenee import Cohort, EventCounts, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "time": pd.to_datetime(["2022-12-31", "2023-01-01", "2024-01-01"]),
    ...                        "source": "emergency", "code_system": "contact", "code": "visit"})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> EventCounts(source="emergency", lookback_days=[365, None]).fit_transform(cohort).iloc[0].to_dict()
    {'count_emergency_365d': 1.0, 'count_emergency_ever': 2.0}
    """

    _statistic, _measure = "count", "count"


class EventSums(_EventBuilder):
    """Sum of the values of events in each lookback window, e.g. hours of home care or packages of medicine.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    In the unit of the events. 0 means observed, nothing to add; NaN means that a source does not cover the window.
    Events without a value add nothing. Sums are accumulated in float64.

    Examples
    --------
    >>> from servicenee import EventSums, Population, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> EventSums(source="home_care", lookback_days=[30, 365]).fit_transform(cohort).columns.tolist()
    ['sum_home_care_30d', 'sum_home_care_365d']
    """

    _statistic, _measure = "sum", "sum"


class DaysSince(_EventBuilder):
    """Days from the latest event in each lookback window to the index date.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    At least 1 where times are whole days (a fraction where times of day are known). NaN means no such event in the
    window, whether none happened or the source was silent.

    Examples
    --------
    >>> from servicenee import DaysSince, Population, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> DaysSince("contacts", source="emergency", lookback_days=730).fit_transform(cohort).columns.tolist()
    ['days_since_contacts_emergency_730d']
    """

    _statistic, _measure = "since_last", "days_since"


class DistinctCodes(_EventBuilder):
    """Number of different codes in each lookback window, e.g. of medicines bought or diagnoses made.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    A code counts once however often it occurs; the same code in two code systems counts twice. 0 means observed, none;
    NaN means that a source does not cover the window.

    Examples
    --------
    >>> from servicenee import DistinctCodes, Population, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> DistinctCodes("medicines", source="medication", lookback_days=90).fit_transform(cohort).columns.tolist()
    ['distinct_medicines_medication_90d']
    """

    _statistic, _measure = "distinct", "distinct"


class LatestValue(_EventBuilder):
    """Latest value in each lookback window: a laboratory result, a blood pressure, a RAI scale.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`; usually ``by`` is a Codelist with one group per measurement.

    Notes
    -----
    In the unit of the events. Several values at the latest time count as their mean. NaN means never measured in the
    window, and is not 0: a person without a RAI assessment is not a person without limitations.

    Examples
    --------
    >>> from servicenee import LatestValue, Population, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> LatestValue(by="rai_scales", source="rai").fit_transform(cohort).columns.tolist()[:2]
    ['latest_CPS_365d', 'latest_ADLH_365d']
    """

    _statistic, _measure = "last", "latest"
