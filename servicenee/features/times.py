"""Weekday and office hours: a group of events in, one column for each part of the week in which they happened out."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Feature, Group, measured
from servicenee.registers.tables import MINUTES_PER_DAY, EventColumns
from servicenee.texts import LANGUAGES, text
from servicenee.windows import Measure, Window, chosen_events, measure_events

# The last part of "office_hours" has no column: whole-day times on working days, of which nobody knows the hour.
PARTS = {
    "office_hours": ("office_hours", "evening_night", "weekend_holiday", "unknown"),
    "weekday": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
}
_OPENS, _CLOSES = 8 * 60, 16 * 60
_THURSDAY = 3  # 1970-01-01


def by_time(group: Group, by: str, statistic: str, measure: str, over: tuple[Window, ...]) -> Block:
    """Block of one statistic of a group of events by `by`: "office_hours" or "weekday"."""
    parts = PARTS[by]
    shown = [part for part in parts if part != "unknown"]
    groups = []
    for number, part in enumerate(parts):
        kinds = np.zeros(len(parts) * len(group.kinds), dtype=bool)
        kinds[number * len(group.kinds) : (number + 1) * len(group.kinds)] = group.kinds
        groups.append(replace(group, name=f"{group.name}_{part}", kinds=kinds))
    block = measured(groups[: len(shown)], statistic, measure, over)
    whole = measured([group], statistic, measure, over)
    features = tuple(
        replace(feature, words=partial(_words, whole.features[place % len(over)], shown[place // len(over)]))
        for place, feature in enumerate(block.features)
    )
    # An hour that is missing is missing, whether or not a source covers the window.
    hours_unknown = [Measure("count", one.kinds[np.newaxis], (None,), over) for one in groups[len(shown) :]]
    return Block(
        features,
        compute=partial(_measured, block=block, hours_unknown=hours_unknown, chosen=group.kinds, by=by),
    )


def _words(whole: Feature, part: str) -> dict[str, str]:
    labels = whole.labels
    return {
        language: text(
            "features.label.at_time",
            language,
            what=labels[language],
            time=text(f"features.time.{part}", language),
        )
        for language in LANGUAGES
    }


def _measured(cohort: Cohort, *, block: Block, hours_unknown: list[Measure], chosen: np.ndarray, by: str) -> np.ndarray:
    registers, n = cohort.registers, len(block.features)
    events = _split(chosen_events(registers.event_columns, chosen, cohort.person), by)
    n_windows = len(block.measures[0].windows)
    out = np.empty((n + n_windows * len(hours_unknown), len(cohort)), dtype=np.float32)
    asked = [(0, one) for one in block.measures] + [(n, one) for one in hours_unknown]
    measure_events(events, registers.coverage_columns, cohort.person, cohort.index_day, asked, out)
    if hours_unknown:
        by_hour = out[: 2 * n_windows].reshape(2, n_windows, -1)
        by_hour[:, out[n:] > 0] = np.nan
    return out[:n]


def _split(events: EventColumns, by: str) -> EventColumns:
    """The same events with a kind of their own for every part of the week."""
    n_kinds, n_parts = len(events.kinds), len(PARTS[by])
    day, minute = np.divmod(events.minute, MINUTES_PER_DAY)
    part = weekdays(day) if by == "weekday" else _office_hours(day, minute)
    return replace(
        events,
        kind=part.astype(np.int32) * n_kinds + events.kind,
        kinds=pd.concat([events.kinds] * n_parts, ignore_index=True),
        lag_days=np.tile(events.lag_days, n_parts),
    )


def _office_hours(day: np.ndarray, minute: np.ndarray) -> np.ndarray:
    unknown, weekend_holiday = 3, 2
    part = np.where((minute >= _OPENS) & (minute < _CLOSES), 0, 1)
    part[minute == 0] = unknown
    part[(weekdays(day) >= 5) | np.isin(day, holidays(day))] = weekend_holiday
    return part


def weekdays(day: np.ndarray) -> np.ndarray:
    """0 for Monday to 6 for Sunday, from days since 1970-01-01."""
    return (day + _THURSDAY) % 7


def holidays(day: np.ndarray) -> np.ndarray:
    """Days on which Finnish offices are closed, of all years from that of the first to that of the last of `day`.

    Public holidays of the calendar in force since 1992, with Midsummer Eve and Christmas Eve.
    """
    if not len(day):
        return np.zeros(0, dtype=np.int64)
    bounds = np.array([day.min(), day.max()]).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    year = np.arange(bounds[0], bounds[1] + 1)
    easter = _easter(year)
    june_19 = _day(year, 6, 19)
    fixed = [_day(year, *date) for date in ((1, 1), (1, 6), (5, 1), (12, 6), (12, 24), (12, 25), (12, 26))]
    moving = [easter - 2, easter + 1, easter + 39, june_19 + (4 - weekdays(june_19)) % 7]
    return np.sort(np.concatenate(fixed + moving))


def _day(year: np.ndarray, month, date) -> np.ndarray:
    months = (year - 1970) * 12 + np.asarray(month) - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + np.asarray(date) - 1


def _easter(year: np.ndarray) -> np.ndarray:
    """Easter Sunday (Gregorian; Meeus, Astronomical Algorithms, 1991, ch. 8)."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    line = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * line) // 451
    month, date = np.divmod(h + line - 7 * m + 114, 31)
    return _day(year, month, date + 1)
