"""Features: stateless builders from a cohort to columns of X, and the proof that they see no future."""

from servicenee.features.builders import Builder
from servicenee.features.events import DaysSince, DistinctCodes, EventCounts, EventSums, LatestValue
from servicenee.features.feature_set import FeatureSet, default_features
from servicenee.features.leakage import check_leakage
from servicenee.features.persons import Demographics
from servicenee.features.stays import StayCounts, StayDays

__all__ = [
    "Builder",
    "DaysSince",
    "Demographics",
    "DistinctCodes",
    "EventCounts",
    "EventSums",
    "FeatureSet",
    "LatestValue",
    "StayCounts",
    "StayDays",
    "check_leakage",
    "default_features",
]
