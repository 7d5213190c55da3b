"""Start of round-the-clock care within twelve months, for persons of 75 and over who do not live in it yet."""

from servicenee import OUTCOMES, NeedClassifier, NeedModel, Outcome, default_features

GROUPS = ("sex", "age_band", "language", "living_alone")
CARD = {
    "Intended use": "For the planners of housing and home care, and for a care team that reviews the care plans of the "
    "persons at highest risk: rehabilitation, medicines, support of the carer, home care at the right hours, before "
    "living at home fails. A professional decides about every person, after meeting them.",
    "Not for": "Not for granting or refusing a place, not for putting persons in order on a waiting list, not for "
    "setting fees. A low risk never denies anything, and a high risk is no reason to move anybody.",
    "Population and data": "Alive and resident for a year; in home care or not; without round-the-clock care in the "
    "last 365 days.",
    "Limits": "A start needs a place: where places are few, the risk is lower than the need. Needs assessments and "
    "service decisions are left out of the features, because they belong to the decision that is predicted; interval "
    "care is left out of the outcome and of the features. Informal care is seen only where it is paid for.",
    "Ethics, oversight and contact": "The organisation that uses the model names its owner, tells residents about it, "
    "checks the subgroup table before use and after a year, and evaluates the model on its own registers first.",
}


def define() -> NeedModel:
    """The model, not yet fitted.

    Examples
    --------
    >>> define()
    NeedModel('round_the_clock_start_12m', not fitted)
    """
    return NeedModel(
        OUTCOMES["round_the_clock_start"].population_at_risk(min_history_days=365, washout_days=365),
        default_features(),
        NeedClassifier(random_state=0),
        Outcome("round_the_clock_start", horizon_days=365),
        name="round_the_clock_start_12m",
    )
