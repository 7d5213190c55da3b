"""Features: stateless builders from a cohort to columns of X, and the proof that they see no future."""

from servicenee.features.assessments import Assessments
from servicenee.features.builders import Builder
from servicenee.features.care_gaps import CareGaps
from servicenee.features.comorbidity import Charlson, DeficitCount, Elixhauser, HospitalFrailty
from servicenee.features.conditions import ConditionCount, Conditions
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
from servicenee.features.medicines import Medicines
from servicenee.features.persons import Demographics
from servicenee.features.rules import load_rules
from servicenee.features.stays import (
    CareChains,
    CareMoves,
    DaysSinceDischarge,
    InStay,
    LongestStay,
    StayCounts,
    StayDays,
)
from servicenee.features.values import PlanAdherence, WithinTarget

__all__ = [
    "AnyEvent",
    "Assessments",
    "Builder",
    "CareChains",
    "CareGaps",
    "CareMoves",
    "Charlson",
    "ConditionCount",
    "Conditions",
    "DaysSince",
    "DaysSinceDischarge",
    "DaysSinceFirst",
    "DeficitCount",
    "Demographics",
    "DistinctCodes",
    "Elixhauser",
    "EventCounts",
    "EventMaxima",
    "EventMeans",
    "EventMinima",
    "EventSums",
    "FeatureSet",
    "FirstValue",
    "HospitalFrailty",
    "InStay",
    "LatestValue",
    "LongestStay",
    "Medicines",
    "PlanAdherence",
    "StayCounts",
    "StayDays",
    "ValueTrend",
    "WithinTarget",
    "check_leakage",
    "default_features",
    "load_rules",
]
