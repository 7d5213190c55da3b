"""Population, outcome and features come in, plain JSON values go out; and back, by an explicit table of our classes."""

import inspect
import warnings

import numpy as np

from servicenee.codes import Codelist, load_codelist
from servicenee.codes.codelist import shipped_codelists
from servicenee.cohort import Population
from servicenee.exceptions import ModelError, ServiceneeWarning
from servicenee.features import (
    AnyEvent,
    Assessments,
    CareChains,
    CareGaps,
    CareMoves,
    Charlson,
    ConditionCount,
    Conditions,
    DaysSince,
    DaysSinceDischarge,
    DaysSinceFirst,
    DeficitCount,
    Demographics,
    DistinctCodes,
    Elixhauser,
    EventCounts,
    EventMaxima,
    EventMeans,
    EventMinima,
    EventSums,
    FeatureSet,
    FirstValue,
    HospitalFrailty,
    InStay,
    LatestValue,
    LongestStay,
    Medicines,
    PlanAdherence,
    StayCounts,
    StayDays,
    ValueTrend,
    WithinTarget,
)
from servicenee.features.rules import rule_rows
from servicenee.outcomes import Outcome

# Only these are ever built from a saved model; a class that is not here cannot be saved either.
CLASSES = {
    cls.__name__: cls
    for cls in (
        AnyEvent,
        Assessments,
        CareChains,
        CareGaps,
        CareMoves,
        Charlson,
        ConditionCount,
        Conditions,
        DaysSince,
        DaysSinceDischarge,
        DaysSinceFirst,
        DeficitCount,
        Demographics,
        DistinctCodes,
        Elixhauser,
        EventCounts,
        EventMaxima,
        EventMeans,
        EventMinima,
        EventSums,
        FeatureSet,
        FirstValue,
        HospitalFrailty,
        InStay,
        LatestValue,
        LongestStay,
        Medicines,
        Outcome,
        Population,
        PlanAdherence,
        StayCounts,
        StayDays,
        ValueTrend,
        WithinTarget,
    )
}
# Parameters that may hold the name of a shipped code list.
_TAKE_CODELISTS = ("codes", "by", "conditions", "without", "having")
# Parameters that may hold the name of a shipped table of data rows, or such a table.
_TAKE_RULES = ("rules", "targets", "ranges")


def to_plain(value, *, what: str = "the model"):
    """JSON value of one of our objects, or of a parameter of one; code lists are written out in full.

    Parameters
    ----------
    value : object
        Population, outcome, builder, Codelist, number, text, None, or a list or dict of these.
    what : str, default="the model"
        What is being written, for the message.

    Raises
    ------
    ModelError
        If the value is of a class that cannot be rebuilt from plain values.

    Examples
    --------
    >>> from servicenee import EventCounts
    >>> from servicenee.blueprint import to_plain
    >>> to_plain(EventCounts("contacts", lookback_days=(90, 365)))["parameters"]["lookback_days"]
    [90, 365]
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Codelist):
        return _plain_codelist(value)
    if type(value) is CLASSES.get(type(value).__name__):
        return {"class": type(value).__name__, "parameters": _plain_parameters(value)}
    if isinstance(value, dict):
        return {str(name): to_plain(part, what=what) for name, part in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        parts = sorted(value) if isinstance(value, set) else value
        return [to_plain(part, what=what) for part in parts]
    raise ModelError(
        f"{what} cannot be saved: it holds a {type(value).__name__}. Only classes of servicenee "
        f"({', '.join(CLASSES)}), code lists and plain values can be rebuilt without running foreign code."
    )


def plain_number(value):
    """JSON value of a figure; six significant digits, which is more than its interval allows."""
    if value is None or isinstance(value, str):
        return value
    if not np.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(f"{float(value):.6g}")


def from_plain(plain):
    """The object that `to_plain` wrote.

    Raises
    ------
    ModelError
        If a class is not one of ours, or its parameters are not those of this version.

    Examples
    --------
    >>> from servicenee import StayDays
    >>> from servicenee.blueprint import from_plain, to_plain
    >>> from_plain(to_plain(StayDays("home_care", lookback_days=730))).lookback_days
    730
    """
    if isinstance(plain, list):
        return [from_plain(part) for part in plain]
    if not isinstance(plain, dict):
        return plain
    if "codelist" in plain:
        return _codelist(plain)
    if "class" not in plain:
        return {name: from_plain(part) for name, part in plain.items()}
    if plain["class"] not in CLASSES:
        raise ModelError(f"the model holds a {plain['class']!r}, which is none of {', '.join(CLASSES)}. It is refused.")
    cls, parameters = CLASSES[plain["class"]], plain["parameters"]
    unknown = sorted(set(parameters) - set(inspect.signature(cls).parameters))
    if unknown:
        raise ModelError(
            f"the model sets {', '.join(unknown)} of {cls.__name__}, which this version of servicenee does not have. "
            "Load it with the version it was saved with."
        )
    values = {name: from_plain(part) for name, part in parameters.items()}
    if cls is FeatureSet:
        values["builders"] = [tuple(pair) for pair in values["builders"]]
    return cls(**values)


def plain_definition(outcome: Outcome) -> dict:
    """What the outcome counts, in full, so that a reader of the saved model need not know our named outcomes.

    Examples
    --------
    >>> from servicenee import Outcome
    >>> from servicenee.blueprint import plain_definition
    >>> plain_definition(Outcome("home_care_start"))["confirm_days"]
    60
    """
    return to_plain(vars(outcome.definition))


def warn_if_redefined(outcome: Outcome, saved: dict) -> None:
    """Say so when a named outcome no longer counts what it counted when the model was saved."""
    if plain_definition(outcome) != saved:
        warnings.warn(
            f"The definition of {outcome.event!r} has changed since the model was saved. Scores are what they were; "
            "an evaluation would use the new definition.",
            ServiceneeWarning,
            stacklevel=3,
        )


def _plain_parameters(value) -> dict:
    names = inspect.signature(type(value)).parameters
    parameters = {}
    for name in names:
        part = getattr(value, name)
        if isinstance(value, FeatureSet) and name == "builders":
            part = list(value.named_builders.items())
        elif name in _TAKE_RULES and part is not None:
            part = rule_rows(part)
        elif name in _TAKE_CODELISTS and isinstance(part, str) and part in shipped_codelists():
            part = load_codelist(part)
        parameters[name] = to_plain(part, what=f"`{name}` of {type(value).__name__}")
    return parameters


def _plain_codelist(codelist: Codelist) -> dict:
    groups = [
        [group, [f"{system}:{prefix}" for system, prefix in prefixes], codelist.labels.get(group, {})]
        for group, prefixes in codelist.groups.items()
    ]
    return {"codelist": codelist.name, "groups": groups}


def _codelist(plain: dict) -> Codelist:
    groups = {group: prefixes for group, prefixes, _ in plain["groups"]}
    labels = {group: words for group, _, words in plain["groups"] if words}
    return Codelist(groups, name=plain["codelist"], labels=labels)
