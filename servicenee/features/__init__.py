"""Features: stateless builders from a cohort to columns of X, and the proof that they see no future."""

from servicenee.features.builders import Builder
from servicenee.features.events import (
    AnyEvent,
    DaysSince,
    DaysSinceFirst,
    DistinctCodes,
    EventCounts,
    EventMaxima,
    EventMeans,
    EventMinima,
    EventSums,
    FirstValue,
    LatestValue,
    ValueTrend,
)
from servicenee.features.feature_set import FeatureSet, default_features
from servicenee.features.leakage import check_leakage
from servicenee.features.persons import Demographics
from servicenee.features.stays import (
    CareChains,
    CareMoves,
    DaysSinceDischarge,
    InStay,
    LongestStay,
    StayCounts,
    StayDays,
)

__all__ = [
    "AnyEvent",
    "Builder",
    "CareChains",
    "CareMoves",
    "DaysSince",
    "DaysSinceDischarge",
    "DaysSinceFirst",
    "Demographics",
    "DistinctCodes",
    "EventCounts",
    "EventMaxima",
    "EventMeans",
    "EventMinima",
    "EventSums",
    "FeatureSet",
    "FirstValue",
    "InStay",
    "LatestValue",
    "LongestStay",
    "StayCounts",
    "StayDays",
    "ValueTrend",
    "check_leakage",
    "default_features",
]
