"""What is known of the model behind an evaluation, besides its risks: facts for the report and the card."""

from collections.abc import Mapping
from dataclasses import dataclass

LABEL_TYPES = ("need", "use", "cost")


@dataclass(frozen=True)
class ModelFacts:
    """The model in a few words and counts; no person.

    Parameters
    ----------
    name, version : str
    outcome : mapping of str to str
        Noun phrase for the outcome by language, such as "start of regular home care".
    definition : str
        What counts as the outcome, in a sentence.
    label_type : {"need", "use", "cost"}
        What the outcome measures.
    population : str
        Who is scored.
    training_dates : tuple of str
        ISO index dates.
    n_rows, n_persons : int
        Of training.
    n_events : int or None
        Of training; None if they are 1 to 4.
    n_features : int
    engine : str
        What learnt the risk.

    Examples
    --------
    >>> from servicenee.evaluation.facts import ModelFacts
    >>> facts = ModelFacts("falls", "1", {"en": "fall"}, "A fall.", "need", "65+", ("2024-01-01",), 9, 9, None, 3, "-")
    >>> facts.name
    'falls'
    """

    name: str
    version: str
    outcome: Mapping[str, str]
    definition: str
    label_type: str
    population: str
    training_dates: tuple[str, ...]
    n_rows: int
    n_persons: int
    n_events: int | None
    n_features: int
    engine: str


def label_warning_key(model: ModelFacts | None) -> str:
    """Key of the warning about what the outcome measures; without a model, that of use."""
    kind = "use" if model is None or model.label_type not in LABEL_TYPES else model.label_type
    return f"evaluation.label.{kind}"
