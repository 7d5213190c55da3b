"""Start of regular home care within twelve months, for persons of 75 and over who live at home without it."""

from servicenee import OUTCOMES, NeedClassifier, NeedModel, Outcome, default_features

GROUPS = ("sex", "age_band", "language")
CARD = {
    "Intended use": "For a care coordinator who plans preventive home visits and service guidance: persons whose risk "
    "of needing regular home care within twelve months is highest, as many as the team can meet. The list is a "
    "proposal; a professional decides about every person, after meeting them.",
    "Not for": "Not for granting, refusing or reducing a service, not for setting fees, not for ranking persons who "
    "already receive home care, and not for measuring how well an area works. A low risk never denies anything.",
    "Population and data": "Alive and resident for a year; without regular home care or round-the-clock care in the "
    "last 365 days.",
    "Limits": "Language and area are not features, and needs assessments and service decisions are left out because "
    "they belong to the decision that is predicted. Private and informal care are not seen.",
    "Ethics, oversight and contact": "The organisation that uses the model names its owner, tells residents about it, "
    "checks the subgroup table before use and after a year, and evaluates the model on its own registers first.",
}


def define() -> NeedModel:
    """The model, not yet fitted.

    Visits of home care are left out of the features: the population has had none for a year.

    Examples
    --------
    >>> define()
    NeedModel('home_care_start_12m', not fitted)
    """
    return NeedModel(
        OUTCOMES["home_care_start"].population_at_risk(min_history_days=365, washout_days=365),
        default_features().without("home_care"),
        NeedClassifier(random_state=0),
        Outcome("home_care_start", horizon_days=365),
        name="home_care_start_12m",
    )
