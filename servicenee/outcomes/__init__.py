"""What is to be predicted: a cohort in; labels, what happened in the window after every index date, out."""

from servicenee.outcomes.assure import assure
from servicenee.outcomes.definitions import KINDS, OUTCOMES, Definition
from servicenee.outcomes.found import (
    CENSORED,
    DEATH,
    EVENT,
    LABEL_COLUMNS,
    NO_EVENT,
    OTHER_EVENT,
    reported_days,
)
from servicenee.outcomes.outcome import Outcome
from servicenee.outcomes.service import outcome_sources

__all__ = [
    "CENSORED",
    "DEATH",
    "EVENT",
    "KINDS",
    "LABEL_COLUMNS",
    "NO_EVENT",
    "OTHER_EVENT",
    "OUTCOMES",
    "Definition",
    "Outcome",
    "assure",
    "outcome_sources",
    "reported_days",
]
