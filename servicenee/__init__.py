"""servicenee: register extracts in; calibrated service-need risks, patient segments and usable lists out."""

from importlib import import_module

__version__ = "0.1.0"

# Public names in the order of the line; each is looked up in its room on first use, so that importing stays cheap.
_ROOMS = {
    "servicenee.registers": (
        "Registers",
        "check_registers",
        "make_registers",
        "pseudonym_key",
        "pseudonymise",
        "read_hilmo",
        "read_meds",
        "read_omop",
        "read_registers",
        "read_sql",
        "true_risks",
        "write_hilmo",
        "write_registers",
    ),
    "servicenee.codes": ("Codelist", "load_codelist"),
    "servicenee.cohort": ("Cohort", "Population"),
    "servicenee.outcomes": ("OUTCOMES", "Outcome", "assure"),
    "servicenee.features": (
        "AnyEvent",
        "Assessments",
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
    ),
    "servicenee.evaluation": (
        "DemandEvaluation",
        "Evaluation",
        "RollingOrigin",
        "evaluate",
        "evaluate_demand",
        "known_outcomes",
    ),
    "servicenee.need": ("DemandRegressor", "NeedClassifier", "RiskCurve"),
    "servicenee.segments": (
        "LatentClassSegmenter",
        "RuleSegmenter",
        "segment_profile",
        "segment_stability",
        "segment_transitions",
    ),
    "servicenee.model": ("NeedModel",),
    "servicenee.persistence": ("save_model",),
    "servicenee.tracking": ("load_model", "log_model"),
    "servicenee.scoring": ("predict",),
    "servicenee.lists": ("read_decisions", "segment_list"),
    "servicenee.monitoring": ("monitor",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [*_ROOM_OF]
__doc__ += "".join(
    f"\n{room.removeprefix('servicenee.')}\n    {', '.join(names)}\n" for room, names in _ROOMS.items()
)  # so that help() tells the names in the order of the line, too: dir() sorts them


def __getattr__(name: str):
    if name in _ROOM_OF:
        value = getattr(import_module(_ROOM_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
