"""Hours of home care in the next twelve months, for clients of regular home care: how many, with an interval."""

from servicenee import OUTCOMES, DemandRegressor, NeedModel, Outcome, default_features

GROUPS = ("sex", "age_band", "language", "area")
CARD = {
    "Intended use": "For planning: how many hours the present clients of a team or an area will need in the coming "
    "year, with an interval, for shifts, recruitment and the budget; a month is a twelfth of it.",
    "Not for": "Not for deciding the hours of any client: these follow from the care plan and the assessment. Not for "
    "fees, and not for cutting visits of persons whose hours lie above what is expected.",
    "Population and data": "Alive and resident for a year, in regular home care on the index date, not in "
    "round-the-clock care. New clients of the year are not in the number; the model home_care_start_12m counts them.",
    "Limits": "Hours are those that were delivered and recorded, not those that were needed: where staff is short, so "
    "are the hours, and the model expects them to stay short. Death, recovery and moving into round-the-clock care end "
    "the hours; all three are part of the expected total. Travelling time is not in it.",
    "Ethics, oversight and contact": "The organisation that uses the model names its owner, tells clients about it, "
    "checks expected and observed hours by group and area before use and every year, and evaluates the model on its "
    "own registers first.",
}


def define() -> NeedModel:
    """The model, not yet fitted.

    Examples
    --------
    >>> define()
    NeedModel('home_care_hours_12m', not fitted)
    """
    return NeedModel(
        OUTCOMES["home_care_hours"].population_at_risk(min_history_days=365, washout_days=0),
        default_features(),
        DemandRegressor(loss="two_part", random_state=0),
        Outcome("home_care_hours", horizon_days=365),
        name="home_care_hours_12m",
    )
