"""Start of mental-health or substance-use services within six months, for persons of 18 to 29 without them."""

from servicenee import (
    OUTCOMES,
    Demographics,
    DistinctCodes,
    EventCounts,
    FeatureSet,
    Medicines,
    NeedClassifier,
    NeedModel,
    Outcome,
    load_codelist,
)

GROUPS = ("sex", "language")
DIAGNOSES = ("primary_care", "emergency", "outpatient", "inpatient")
CONDITIONS = load_codelist("chronic_conditions").keep("depression", "schizophrenia", "substance", "asthma", "diabetes")
MEDICINES = load_codelist("medicine_groups").keep("antidepressants", "sedatives", "antipsychotics", "opioids")
CARD = {
    "Intended use": "For early identification: a student or primary-care nurse offers a talk, low-threshold support or "
    "a quick appointment to young adults whose contacts point to distress before anybody has referred them. The offer "
    "is voluntary, is made by somebody who already treats the person, and says why it is made.",
    "Not for": "Not for contacting persons whom the service does not treat, not for employers, insurers, schools or "
    "the police, not for refusing or delaying care, and never as a diagnosis. A low risk never denies anything.",
    "Population and data": "Alive and resident for a year, without a contact in these services in the last 365 days.",
    "Limits": "Contacts with student, occupational, private and third-sector services are not seen, so young adults in "
    "work and studies look healthier than they are. Few persons have the event within six months: most of those listed "
    "will not start. Who seeks help differs by sex and language more than illness does; read the groups.",
    "Ethics, oversight and contact": "Mental health and substance use are sensitive: the organisation assesses the "
    "impact on data protection first, names an owner, tells residents, lets them object, shows lists only to those who "
    "treat the person, and reviews after half a year whether anybody was helped or harmed.",
}


def define() -> NeedModel:
    """The model, not yet fitted.

    Examples
    --------
    >>> define()
    NeedModel('young_adult_mental_health_6m', not fitted)
    """
    contacts = ("primary_care", "emergency", "outpatient")
    features = FeatureSet(
        [
            ("person", Demographics(columns=("age", "sex"))),
            ("contacts", EventCounts("contacts", source=contacts, by="source", lookback_days=(90, 365, 730))),
            ("earlier_care", EventCounts("contacts", source="mental_health", lookback_days=730, skip_days=365)),
            ("distress_signs", EventCounts(source=DIAGNOSES, by="distress_signs", lookback_days=(90, 730))),
            ("conditions", EventCounts(source=DIAGNOSES, by=CONDITIONS, lookback_days=730)),
            ("diagnoses", DistinctCodes("diagnoses", source=DIAGNOSES, lookback_days=730)),
            ("medicines", Medicines("substances", lookback_days=365)),
            ("medicine_groups", EventCounts(source="medication", by=MEDICINES, lookback_days=365)),
        ]
    )
    return NeedModel(
        OUTCOMES["mental_health_start"].population_at_risk(min_history_days=365, washout_days=365),
        features,
        NeedClassifier(random_state=0),
        Outcome("mental_health_start", horizon_days=182),
        name="young_adult_mental_health_6m",
    )
