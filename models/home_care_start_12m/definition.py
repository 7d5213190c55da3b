"""Start of regular home care within twelve months, for persons of 75 and over who live at home without it."""

from servicenee import NeedClassifier, NeedModel, Outcome, Population, default_features

WITHOUT = ["stay:home_care", "stay:round_the_clock"]
GROUPS = ("sex", "age_band", "language")
CARD = {
    "Intended use": "For a care coordinator who plans preventive home visits and service guidance: persons whose risk "
    "of needing regular home care within twelve months is highest, as many as the team can meet. The list is a "
    "proposal; a professional decides about every person, after meeting them.",
    "Not for": "Not for granting, refusing or reducing a service, not for setting fees, not for ranking persons who "
    "already receive home care, and not for measuring how well an area works. A low risk never denies anything.",
    "Population and data": "Persons aged 75 or over on the index date, alive and resident for a year, without regular "
    "home care or round-the-clock care in the last 365 days.",
    "Outcome": "First day of a spell of regular home care that lasts at least 60 days, within 365 days of the index "
    "date; death and direct entry to round-the-clock care compete. It is the start of a service, so it mixes need "
    "with supply: where home care is hard to get, the risk is lower than the need.",
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
        Population(min_age=75, min_history_days=365, without=WITHOUT, washout_days=365),
        default_features().without("home_care"),
        NeedClassifier(random_state=0),
        Outcome("home_care_start", horizon_days=365),
        name="home_care_start_12m",
    )
