"""Segments of chronic-disease patients of 65 and over, by the long-term conditions that go together."""

from servicenee import Conditions, FeatureSet, LatentClassSegmenter, NeedModel, Population

CARD = {
    "Intended use": "For planners of chronic-disease care: which conditions go together, how many persons each group "
    "has, what it uses, and what the county could offer it. A professional and the client decide about every person.",
    "Not for": "Not for granting, refusing or reducing a service, not for ranking persons, and not for telling who "
    "copes: registers know the burden of illness only. A person with few records is not therefore self-managing.",
    "Population and data": "Persons aged 65 or over on the index date, alive and resident for a year; long-term "
    "conditions by diagnoses and entitlements of three years. Age and sex describe the segments but do not make them.",
    "Limits": "Only what is recorded counts: conditions treated privately, or not at all, are not seen. Frailty that "
    "runs through all conditions makes segments of level rather than of kind; an unstable segment is not acted on.",
    "Ethics, oversight and contact": "The organisation that uses the segments names their owner, confirms the names "
    "and the action sheets with clinicians, and looks at stability and drift once a year.",
}


def define() -> NeedModel:
    """The model, not yet fitted.

    Examples
    --------
    >>> define()
    NeedModel('chronic_segments', not fitted)
    """
    return NeedModel(
        Population(min_age=65, min_history_days=365),
        FeatureSet([("conditions", Conditions(lookback_days=1095))]),
        LatentClassSegmenter(random_state=0),
        name="chronic_segments",
    )
