"""What a reader fills in: the columns, the choices of each, and how they are told apart in any language."""

from functools import cache

from servicenee.texts import LANGUAGES, text

INPUTS = ("decision", "decision_reason", "decision_date", "coping", "free_text")
CHOICES = {
    "decision": ("contact", "no_action", "already_known", "wrong_data"),
    "decision_reason": (
        "sufficient",
        "ongoing",
        "declined",
        "not_reached",
        "no_offer",
        "moved",
        "objected",
        "objection_withdrawn",
        "other",
    ),
    "coping": ("well", "supported", "poorly", "not_asked"),
}


def choice_texts(field: str, language: str) -> list[str]:
    """The choices of a column as the reader sees them, in their order."""
    return [text(f"lists.{field}.{name}", language) for name in CHOICES[field]]


@cache
def choice_names(field: str) -> dict[str, str]:
    """Name of every choice by what may stand in the cell: the choice in any language, or the name itself."""
    names = {name: name for name in CHOICES[field]}
    for language in LANGUAGES:
        names |= {
            plain(written): name for name, written in zip(CHOICES[field], choice_texts(field, language), strict=True)
        }
    return names


def plain(value: object) -> str:
    """A cell as lower-case text without superfluous spaces; "" for an empty one."""
    return "" if value is None else " ".join(str(value).split()).casefold()
