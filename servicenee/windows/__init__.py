"""The kernel: the only room that compares times of events and stays with an index date.

Every window is half-open: a lookback window [index - lookback, index - skip) is kept as lags in (skip, lookback], where
the lag of an event is the index date minus its time. Lag 0, an event on the index date, is therefore never past.
"""

from servicenee.windows.ahead import days_between, earliest, in_stay, rows_between
from servicenee.windows.events import measure_events
from servicenee.windows.measure import Measure, Window
from servicenee.windows.stays import measure_stays

__all__ = [
    "Measure",
    "Window",
    "days_between",
    "earliest",
    "in_stay",
    "measure_events",
    "measure_stays",
    "rows_between",
]
