"""The kernel: the only room that compares times of events and stays with an index date.

Every window is half-open: a lookback window [index - lookback, index - skip) is kept as lags in (skip, lookback], where
the lag of an event is the index date minus its time. Lag 0, an event on the index date, is therefore never past.
"""

from servicenee.windows.ahead import days_between, earliest, in_stay, rows_between
from servicenee.windows.chosen import change_since_previous, chosen_events, kept_events, seen_events, share_of_plan
from servicenee.windows.events import measure_events
from servicenee.windows.measure import Measure, Window, uncovered
from servicenee.windows.regular import Visits, is_regular, starts_regular
from servicenee.windows.stays import chained, known_end, level_moves, measure_stays, seen_stays

__all__ = [
    "Measure",
    "Visits",
    "Window",
    "chained",
    "change_since_previous",
    "chosen_events",
    "days_between",
    "earliest",
    "in_stay",
    "is_regular",
    "kept_events",
    "known_end",
    "level_moves",
    "measure_events",
    "measure_stays",
    "rows_between",
    "seen_events",
    "seen_stays",
    "share_of_plan",
    "starts_regular",
    "uncovered",
]
