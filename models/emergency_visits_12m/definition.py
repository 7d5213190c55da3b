"""Emergency visits in the next twelve months, for all persons of 65 and over: how many, with an interval."""

from servicenee import OUTCOMES, DemandRegressor, NeedModel, Outcome, default_features

GROUPS = ("sex", "age_band", "language", "area")
CARD = {
    "Intended use": "For planning: how many emergency visits the residents of an area will make next year, with an "
    "interval, and how many of them a small group with many visits makes. For a case manager: persons of whom many "
    "visits are expected, to be offered a care plan and a way to reach a nurse by day.",
    "Not for": "Not for turning anybody away from an emergency department, not for budgets of a single clinic without "
    "its interval, not for comparing how well areas work.",
    "Population and data": "Alive and resident for a year, at home or in care.",
    "Limits": "Visits depend on distance, opening hours and the daytime access to primary care; when these change, the "
    "expected number is wrong until the model has been trained again. The interval of one person is wide: most have no "
    "visit at all. Death ends the visits: the number is that of the coming year, not that of a year alive.",
    "Ethics, oversight and contact": "The organisation that uses the model names its owner, tells residents about it, "
    "checks expected and observed numbers by group and area before use and every year, and evaluates the model on its "
    "own registers first.",
}


def define() -> NeedModel:
    """The model, not yet fitted.

    Examples
    --------
    >>> define()
    NeedModel('emergency_visits_12m', not fitted)
    """
    return NeedModel(
        OUTCOMES["emergency_visits"].population_at_risk(min_history_days=365),
        default_features(),
        DemandRegressor(random_state=0),
        Outcome("emergency_visits", horizon_days=365),
        name="emergency_visits_12m",
    )
