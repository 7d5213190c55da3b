"""Builders on events: how many, how much, when, which, and what values."""

from servicenee._checks import check_choice
from servicenee.features.blocks import Block, event_groups, measured, windows
from servicenee.features.builders import Builder
from servicenee.features.times import PARTS, by_time
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
        if isinstance(self.by, str) and self.by in PARTS:
            (group,) = event_groups(registers, self.codes, self.source, None)
            return [by_time(group, self.by, self._statistic, self._measure, over)]
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
    by : {"source", "code_system", "code", "unit", "weekday", "office_hours"}, Codelist or name of one, optional
        One column per value, or per group of the list. "code": a code with its system, such as ``ICD-10:I50``.
        "weekday": Monday to Sunday. "office_hours": working days 8-16, other hours of working days, and weekends with
        public holidays (Finnish; Midsummer and Christmas Eve too).
    lookback_days : int, None or list of them, default=365
        Window [index - lookback_days, index - skip_days); None looks back over all history, as far as
        the source reaches: it is never taken for not covered.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    0 means observed, none. NaN means that a source does not cover the window (`coverage`): one of `source` or, without
    it, any that records the code systems of `codes`; of these, only those of the code, the system or the group of the
    list, where `by` asks for them. Where none of these registers does, the column is NaN. Only what had been reported
    by the index date counts; an event on the index date is in the future. 0 over a window no longer than the reporting
    lag of its source says little: look back further than that.

    A time of exactly 00:00 is a date without an hour: a window that holds such an event on a working day gives NaN for
    office hours and for evenings and nights.

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

    By weekday of the same visits: 31 December 2022 was a Saturday, 1 January 2023 a Sunday.

    >>> by_day = EventCounts(source="emergency", by="weekday", lookback_days=None).fit_transform(cohort)
    >>> by_day.iloc[0, 4:].to_dict()
    {'count_emergency_friday_ever': 0.0, 'count_emergency_saturday_ever': 1.0, 'count_emergency_sunday_ever': 1.0}
    """

    _statistic, _measure = "count", "count"


class AnyEvent(_EventBuilder):
    """Whether there was an event in each lookback window: 1 or 0.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    0 means observed, none; NaN means that a source does not cover the window.

    Examples
    --------
    The latest of four results is ten days old on 1 January 2024: there is one in the last 30 days, and none in the 30
    days before those.

    >>> import pandas as pd
    >>> from servicenee import Cohort, AnyEvent, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "Hb",
    ...     "time": pd.to_datetime(["2022-06-01", "2023-01-31", "2023-07-01", "2023-12-22"]),
    ...     "value": [140.0, 130.0, 128.0, 120.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> pd.concat([AnyEvent("lab:Hb", lookback_days=30).fit_transform(cohort),
    ...            AnyEvent("lab:Hb", lookback_days=60, skip_days=30).fit_transform(cohort)], axis=1).iloc[0].to_dict()
    {'any_lab:Hb_30d': 1.0, 'any_lab:Hb_60d_skip30d': 0.0}
    """

    _statistic, _measure = "any", "any"


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
    Home care gave 0.5, 1.5 and 1 hours on 30 November, 20 December and 31 December 2023; a visit on 21 December has no
    hours recorded. Seen on 1 January 2024, 2.5 hours lie within 30 days and 3 within a year.

    >>> import pandas as pd
    >>> from servicenee import Cohort, EventSums, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "home_care", "code_system": "contact", "code": "home_visit",
    ...     "time": pd.to_datetime(["2023-11-30", "2023-12-20", "2023-12-21", "2023-12-31"]),
    ...     "value": [0.5, 1.5, None, 1.0], "unit": "h"})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> EventSums(source="home_care", lookback_days=[30, 365]).fit_transform(cohort).iloc[0].to_dict()
    {'sum_home_care_30d': 2.5, 'sum_home_care_365d': 3.0}
    """

    _statistic, _measure = "sum", "sum"


class EventMeans(_EventBuilder):
    """Mean of the values of events in each lookback window.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    In the unit of the events; events without a value do not count. NaN means never measured in the window, and is not
    0.

    Examples
    --------
    Haemoglobin was 140, 130, 128 and 120 g/l; seen on 1 January 2024, the last three results lie within 365 days:
    (130 + 128 + 120) / 3 = 126.

    >>> import pandas as pd
    >>> from servicenee import Cohort, EventMeans, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "Hb",
    ...     "time": pd.to_datetime(["2022-06-01", "2023-01-31", "2023-07-01", "2023-12-22"]),
    ...     "value": [140.0, 130.0, 128.0, 120.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> EventMeans("lab:Hb").fit_transform(cohort).iloc[0].to_dict()
    {'mean_lab:Hb_365d': 126.0}
    """

    _statistic, _measure = "mean", "mean"


class EventMinima(_EventBuilder):
    """Smallest value of events in each lookback window.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    In the unit of the events; events without a value do not count. NaN means never measured in the window, and is not
    0.

    Examples
    --------
    Haemoglobin was 140, 130, 128 and 120 g/l; seen on 1 January 2024, the last three results lie within 365 days
    and the lowest of them is 120.

    >>> import pandas as pd
    >>> from servicenee import Cohort, EventMinima, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "Hb",
    ...     "time": pd.to_datetime(["2022-06-01", "2023-01-31", "2023-07-01", "2023-12-22"]),
    ...     "value": [140.0, 130.0, 128.0, 120.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> EventMinima("lab:Hb").fit_transform(cohort).iloc[0].to_dict()
    {'min_lab:Hb_365d': 120.0}
    """

    _statistic, _measure = "min", "min"


class EventMaxima(_EventBuilder):
    """Largest value of events in each lookback window.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    In the unit of the events; events without a value do not count. NaN means never measured in the window, and is not
    0.

    Examples
    --------
    Haemoglobin was 140, 130, 128 and 120 g/l; seen on 1 January 2024, the last three results lie within 365 days
    and the highest of them is 130; 140 is older.

    >>> import pandas as pd
    >>> from servicenee import Cohort, EventMaxima, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "Hb",
    ...     "time": pd.to_datetime(["2022-06-01", "2023-01-31", "2023-07-01", "2023-12-22"]),
    ...     "value": [140.0, 130.0, 128.0, 120.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> EventMaxima("lab:Hb").fit_transform(cohort).iloc[0].to_dict()
    {'max_lab:Hb_365d': 130.0}
    """

    _statistic, _measure = "max", "max"


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
    Emergency visits on 1 March and 20 December 2023 and on 1 January 2024, seen on that day: the latest that is past
    was 12 days ago. Without the last 30 days it is the visit in March, 306 days ago.

    >>> import pandas as pd
    >>> from servicenee import Cohort, DaysSince, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "time": pd.to_datetime(["2023-03-01", "2023-12-20", "2024-01-01"]),
    ...                        "source": "emergency", "code_system": "contact", "code": "visit"})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> DaysSince(source="emergency", lookback_days=[7, 365]).fit_transform(cohort).iloc[0].to_dict()
    {'days_since_emergency_7d': nan, 'days_since_emergency_365d': 12.0}
    >>> DaysSince(source="emergency", skip_days=30).fit_transform(cohort).iloc[0].to_dict()
    {'days_since_emergency_365d_skip30d': 306.0}
    """

    _statistic, _measure = "since_last", "days_since"


class DaysSinceFirst(_EventBuilder):
    """Days from the first event in each lookback window to the index date.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    At least 1 where times are whole days. NaN means no such event in the window, whether none happened or the source
    was silent. Over all history it tells how long something has been known, as far back as the source reaches.

    Examples
    --------
    Haemoglobin was 140, 130, 128 and 120 g/l; seen on 1 January 2024, the last three results lie within 365 days,
    the first of them on 31 January 2023, 335 days before; the first ever is 579 days old.

    >>> import pandas as pd
    >>> from servicenee import Cohort, DaysSinceFirst, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "Hb",
    ...     "time": pd.to_datetime(["2022-06-01", "2023-01-31", "2023-07-01", "2023-12-22"]),
    ...     "value": [140.0, 130.0, 128.0, 120.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> DaysSinceFirst("lab:Hb", lookback_days=[365, None]).fit_transform(cohort).iloc[0].to_dict()
    {'days_since_first_lab:Hb_365d': 335.0, 'days_since_first_lab:Hb_ever': 579.0}
    """

    _statistic, _measure = "since_first", "days_since_first"


class DistinctCodes(_EventBuilder):
    """Number of different codes in each lookback window, e.g. of medicines bought or diagnoses made.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    A code counts once however often it occurs; the same code in two code systems counts twice; an event without a code
    counts for none. 0 means observed, none; NaN means that a source does not cover the window.

    Examples
    --------
    Metformin (A10BA02) bought on 1 June and 1 December 2023, bisoprolol (C07AB07) on 1 December: two substances, of
    which both were bought within 90 days of 1 January 2024.

    >>> import pandas as pd
    >>> from servicenee import Cohort, DistinctCodes, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "time": pd.to_datetime(["2023-06-01", "2023-12-01", "2023-12-01"]),
    ...     "source": "medication", "code_system": "ATC", "code": ["A10BA02", "A10BA02", "C07AB07"]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> DistinctCodes("ATC:", source="medication", lookback_days=[90, 365]).fit_transform(cohort).iloc[0].to_dict()
    {'distinct_ATC:_medication_90d': 2.0, 'distinct_ATC:_medication_365d': 2.0}
    """

    _statistic, _measure = "distinct", "distinct"


class _ValueAtEnd(_EventBuilder):
    """The value at one end of the window, of a day or of a moment."""

    _end: str

    def __init__(self, codes=None, *, source=None, by=None, at="day", lookback_days=365, skip_days=0):
        super().__init__(codes, source=source, by=by, lookback_days=lookback_days, skip_days=skip_days)
        self.at = at

    @property
    def _statistic(self) -> str:
        return self._end if check_choice("at", self.at, ("day", "time")) == "day" else f"{self._end}_time"


class LatestValue(_ValueAtEnd):
    """Latest value in each lookback window: a laboratory result, a blood pressure, a RAI scale.

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`; usually ``by`` is a Codelist with one group per measurement.
    at : {"day", "time"}, default="day"
        "day": several values on the latest day count as their mean, such as home blood pressure in the morning and in
        the evening. "time": the last of them counts, where hours are known.

    Notes
    -----
    In the unit of the events. NaN means never measured in the window, and is not 0: a person without a RAI assessment
    is not a person without limitations. Several values at one time always count as their mean.

    Examples
    --------
    Haemoglobin was 130 g/l on 1 February 2023; on 1 December it was measured twice, 118 in the morning and 122 in the
    evening: seen on 1 January 2024 the latest value is their mean, (118 + 122) / 2 = 120. Weight was never measured.

    >>> import pandas as pd
    >>> from servicenee import Cohort, LatestValue, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "Hb",
    ...     "time": pd.to_datetime(["2023-02-01T09:00", "2023-12-01T08:00", "2023-12-01T20:00"]),
    ...     "value": [130.0, 118.0, 122.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> X = LatestValue(by="laboratory", source="laboratory").fit_transform(cohort)
    >>> X["latest_Hb_365d"].item(), X["latest_weight_365d"].item()
    (120.0, nan)
    >>> LatestValue("lab:Hb", at="time").fit_transform(cohort).iloc[0, 0].item()
    122.0
    """

    _end, _measure = "last", "latest"


class FirstValue(_ValueAtEnd):
    """First value in each lookback window, e.g. where a treatment began.

    Parameters
    ----------
    codes, source, by, at, lookback_days, skip_days
        As in `LatestValue`.

    Notes
    -----
    In the unit of the events. Several values on the first day count as their mean. NaN means never measured in the
    window, and is not 0. The window decides what is first: with ``lookback_days=None`` it is the first ever.

    Examples
    --------
    Haemoglobin was 140, 130, 128 and 120 g/l; seen on 1 January 2024, the last three results lie within 365 days
    and the first of them is 130.

    >>> import pandas as pd
    >>> from servicenee import Cohort, FirstValue, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "Hb",
    ...     "time": pd.to_datetime(["2022-06-01", "2023-01-31", "2023-07-01", "2023-12-22"]),
    ...     "value": [140.0, 130.0, 128.0, 120.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> FirstValue("lab:Hb").fit_transform(cohort).iloc[0].to_dict()
    {'first_lab:Hb_365d': 130.0}
    """

    _end, _measure = "first", "first"


class ValueTrend(_EventBuilder):
    """Change of the values per year in each lookback window: the slope of a straight line (least squares).

    Parameters
    ----------
    codes, source, by, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    In the unit of the events, per 365.25 days. NaN means fewer than two times with a value in the window. Two results
    close together give a steep line: prefer windows of a year or more.

    Examples
    --------
    Haemoglobin was 140, 130, 128 and 120 g/l; seen on 1 January 2024, the last three results lie within 365 days
    on days 335, 184 and 10 before: mean day 176.33, mean value 126. The line falls by (158.67 * 4 + 7.67 * 2 +
    166.33 * 6) / (158.67^2 + 7.67^2 + 166.33^2) = 1648 / 52901 = 0.03115 a day, 11.4 g/l a year.

    >>> import pandas as pd
    >>> from servicenee import Cohort, ValueTrend, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "Hb",
    ...     "time": pd.to_datetime(["2022-06-01", "2023-01-31", "2023-07-01", "2023-12-22"]),
    ...     "value": [140.0, 130.0, 128.0, 120.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> ValueTrend("lab:Hb").fit_transform(cohort).astype(float).round(1).iloc[0].to_dict()
    {'trend_lab:Hb_365d': -11.4}
    """

    _statistic, _measure = "slope", "trend"
