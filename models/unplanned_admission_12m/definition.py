"""First unplanned hospital stay within twelve months, for all persons of 65 and over."""

from servicenee import OUTCOMES, NeedClassifier, NeedModel, Outcome, default_features

GROUPS = ("sex", "age_band", "language", "living_alone")
CARD = {
    "Intended use": "For a primary-care team that looks after the persons at highest risk of an unplanned hospital "
    "stay: a care plan, a review of medicines, treatment of chronic conditions that slip, a named nurse to call. Start "
    "with as many persons as the team can meet, and measure the effect: a list without a service behind it has raised "
    "admissions elsewhere (PRISMATIC, Wales).",
    "Not for": "Not for triage of acute illness, not for deciding who may come to hospital, not for comparing clinics. "
    "A low risk never denies care.",
    "Population and data": "Alive and resident for a year, at home or in care.",
    "Limits": "A stay depends on beds, distance and habits of referral as well as on illness. Stays of the last weeks "
    "before an extract are reported late, at discharge; index dates keep clear of them. Trauma and infections of the "
    "healthy are hardly predictable, so the risks of most persons lie close together.",
    "Ethics, oversight and contact": "The organisation that uses the model names its owner, tells residents about it, "
    "checks the subgroup table before use and after a year, and evaluates the model on its own registers first.",
}


def define() -> NeedModel:
    """The model, not yet fitted.

    Examples
    --------
    >>> define()
    NeedModel('unplanned_admission_12m', not fitted)
    """
    return NeedModel(
        OUTCOMES["unplanned_admission"].population_at_risk(min_history_days=365),
        default_features(),
        NeedClassifier(random_state=0),
        Outcome("unplanned_admission", horizon_days=365),
        name="unplanned_admission_12m",
    )
