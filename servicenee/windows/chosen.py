"""Events of chosen kinds as columns of their own, cheap to rewrite; and what the segments of a window cannot tell."""

from dataclasses import replace

import numpy as np

from servicenee.registers.tables import MINUTES_PER_DAY, EventColumns
from servicenee.windows.measure import Window
from servicenee.windows.search import first_at_or_after, spread

_LOWEST = -(2**31)


def chosen_events(events: EventColumns, chosen: np.ndarray, person: np.ndarray) -> EventColumns:
    """The events of the kinds marked in `chosen`, at least those of these persons, as columns of their own."""
    low, high = (int(events.first[person.min()]), int(events.first[person.max() + 1])) if len(person) else (0, 0)
    return _kept(events, low + np.flatnonzero(chosen[events.kind[low:high]]))


def kept_events(events: EventColumns, keep: np.ndarray) -> EventColumns:
    """The events marked in `keep`, as columns of their own."""
    return _kept(events, np.flatnonzero(keep))


def _kept(events: EventColumns, kept: np.ndarray) -> EventColumns:
    return replace(
        events,
        first=np.searchsorted(kept, events.first).astype(events.first.dtype),
        minute=events.minute[kept],
        kind=events.kind[kept],
        value=events.value[kept],
        available=None if events.available is None else events.available[kept],
    )


def seen_events(
    events: EventColumns, person: np.ndarray, index_day: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """(row, position) pairs of the events in each row's window that had been reported before its index date.

    Pairs are in order of row and time.
    """
    index_minute = index_day.astype(np.int64) * MINUTES_PER_DAY
    stop = index_minute - window.skip_days * MINUTES_PER_DAY
    reach = np.iinfo(np.int32).max if window.lookback_days is None else window.lookback_days * MINUTES_PER_DAY
    low = first_at_or_after(events.first, events.minute, person, np.maximum(index_minute - reach, _LOWEST))
    high = first_at_or_after(events.first, events.minute, person, stop)
    row, position = spread(low, np.maximum(low, high))
    if events.available is not None:
        seen = events.available[position] < index_minute[row]
    else:
        lag = events.lag_days[events.kind[position]].astype(np.int64) * MINUTES_PER_DAY
        seen = events.minute[position] + lag < index_minute[row]
    return row[seen], position[seen]


def change_since_previous(
    events: EventColumns,
    groups: np.ndarray,
    scale_of_kind: np.ndarray,
    person: np.ndarray,
    index_day: np.ndarray,
    window: Window,
) -> np.ndarray:
    """Latest value in the window minus the value before it on the same scale: float64 array (n_groups, n_rows).

    `groups` is a bool array (n_groups, n_kinds), as in `Measure`; `scale_of_kind` numbers the scales from 0, so that
    values which mean different things are not compared.

    Values on one day count as their mean. The value before may lie outside the window, but no further before the
    latest one than the window is long. NaN without two such values.
    """
    wide = window if window.lookback_days is None else Window(2 * window.lookback_days, window.skip_days)
    row, position = seen_events(events, person, index_day, wide)
    group, at = np.nonzero(groups[:, events.kind[position]] & ~np.isnan(events.value[position]))
    position, line = position[at], group * len(person) + row[at]
    out = np.full(len(groups) * len(person), np.nan)
    if not len(line):
        return out.reshape(len(groups), len(person))
    n_scales = int(scale_of_kind.max()) + 1
    line = line * n_scales + scale_of_kind[events.kind[position]]
    order = np.argsort(line, kind="stable")
    line, day = line[order], events.minute[position[order]].astype(np.int64) // MINUTES_PER_DAY
    begins = np.flatnonzero(np.r_[True, (line[1:] != line[:-1]) | (day[1:] != day[:-1])])
    value = np.add.reduceat(events.value[position[order]], begins) / np.diff(np.r_[begins, len(line)])
    line, day = line[begins], day[begins]
    latest = np.flatnonzero(np.r_[line[1:] != line[:-1], True])
    has_earlier = (latest > 0) & (line[latest - 1] == line[latest])
    line = line[latest] // n_scales
    newest = np.lexsort((day[latest], line))  # of several scales, the one of the latest value
    newest = newest[np.r_[line[newest][1:] != line[newest][:-1], True]]
    newest = newest[has_earlier[newest]]
    latest, line = latest[newest], line[newest]
    if window.lookback_days is not None:
        oldest = index_day.astype(np.int64)[line % len(person)] - window.lookback_days
        fresh = (day[latest] >= oldest) & (day[latest] - day[latest - 1] <= window.lookback_days)
        latest, line = latest[fresh], line[fresh]
    out[line] = value[latest] - value[latest - 1]
    return out.reshape(len(groups), len(person))


def share_of_plan(
    measured: EventColumns, plans: EventColumns, person: np.ndarray, index_day: np.ndarray, window: Window
) -> np.ndarray:
    """Days with a measurement as a share, at most 1, of the days planned in the window; NaN without a plan.

    The value of a plan is the number of days a week; the latest one counts, from its day on.
    """
    n, stop = len(person), index_day.astype(np.int64) - window.skip_days
    row, position = seen_events(plans, person, index_day, Window(None, window.skip_days))
    valued = ~np.isnan(plans.value[position])
    plan_day, per_week = np.zeros(n, dtype=np.int64), np.full(n, np.nan)
    # Pairs run forward in time: the latest plan is assigned last.
    plan_day[row[valued]] = plans.minute[position[valued]] // MINUTES_PER_DAY
    per_week[row[valued]] = plans.value[position[valued]]
    begin = plan_day
    if window.lookback_days is not None:
        begin = np.maximum(plan_day, index_day.astype(np.int64) - window.lookback_days)
    row, position = seen_events(measured, person, index_day, window)
    day = measured.minute[position].astype(np.int64) // MINUTES_PER_DAY
    fresh = np.r_[True, (row[1:] != row[:-1]) | (day[1:] != day[:-1])][: len(row)] & (day >= begin[row])
    planned = np.where(per_week > 0, per_week * (stop - begin) / 7, np.nan)
    planned[~(planned >= 1)] = np.nan
    return np.minimum(np.bincount(row[fresh], minlength=n) / planned, 1)
