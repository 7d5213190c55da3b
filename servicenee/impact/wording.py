"""Keys, periods, groups and numbers of impact tables in; what a reader reads out."""

import numpy as np
import pandas as pd

from servicenee.impact.access import NOT_FOLLOWED
from servicenee.impact.groups import UNKNOWN
from servicenee.impact.indicators import NO_REQUESTS
from servicenee.impact.residents import NOT_COVERED, TOO_FEW
from servicenee.texts import format_number, known_text, text

MISSING = "–"
_NOTES = {
    TOO_FEW: "impact.note.few",
    NOT_COVERED: "impact.note.uncovered",
    NOT_FOLLOWED: "impact.note.follow_up",
    NO_REQUESTS: "impact.note.no_requests",
}


def word(name: str, language: str, **values) -> str:
    """Text of this room."""
    return text(f"impact.{name}", language, **values)


def period_text(label: str, language: str) -> str:
    """A period as its months in the reader's way; a year stays a year."""
    months = label.split("–")
    if len(months) == 1 and len(label) == 4:
        return label
    first, last = months[0].split("-"), months[-1].split("-")
    return word(
        "period",
        language,
        from_month=int(first[1]),
        from_year=first[0],
        to_month=int(last[1]),
        to_year=last[0],
    )


def month_text(label: str) -> str:
    """A month such as 2023-05 in the reader's way."""
    year, month = label.split("-")
    return f"{int(month)}/{year}"


def level_text(level: str, language: str) -> str:
    """Name of a level of service; one that a county added speaks for itself."""
    return known_text(f"impact.level.{level}", language, str(level))


def dimension_text(dimension: str, language: str) -> str:
    """Name of a column by which groups are compared."""
    return known_text(f"impact.dimension.{dimension}", language, str(dimension))


def group_text(dimension: str, group: str, language: str) -> str:
    """Name of a group."""
    if group == UNKNOWN:
        return word("unknown", language)
    key = {
        "sex": f"common.sex.{group}",
        "language": f"common.language.{group}",
        "living_alone": {"0": "common.no", "1": "common.yes", "False": "common.no", "True": "common.yes"}.get(
            group, ""
        ),
    }.get(dimension, "")
    return known_text(key, language, str(group))


def note_text(note: str, language: str) -> str:
    """Why a number is not there."""
    return text(_NOTES[note], language) if note in _NOTES else note


def row_text(indicator: str, language: str) -> str:
    """Name of a line of the mix or cost table, such as ``level.hospital``."""
    family, _, name = indicator.partition(".")
    if family in ("level", "cost", "cost_per_served"):
        return word(f"row.{family}", language, level=level_text(name, language))
    return known_text(f"impact.row.{indicator}", language, str(indicator))


def number(value: float, language: str, decimals: int) -> str:
    """A number, or a dash where there is none."""
    return format_number(value, language, decimals=decimals) if np.isfinite(value) else MISSING


def signed(value: float, language: str, decimals: int) -> str:
    """A difference with its sign."""
    written = number(value, language, decimals)
    return f"+{written}" if np.isfinite(value) and value > 0 and any(c in "123456789" for c in written) else written


def interval(lower: float, upper: float, language: str, decimals: int) -> str:
    """An interval; a dash where there is none."""
    if not (np.isfinite(lower) and np.isfinite(upper)):
        return MISSING
    return f"{number(lower, language, decimals)} – {number(upper, language, decimals)}"


def definition_text(row, language: str) -> str:
    """What an indicator counts; its measure where a county wrote no words."""
    words = getattr(row, f"definition_{language}", None)
    return words if isinstance(words, str) and words else str(row.measure)


def label_text(row, language: str) -> str:
    """Name of an indicator; its key where a county wrote no name."""
    words = getattr(row, f"label_{language}", None)
    return words if isinstance(words, str) and words else str(row.indicator)


def title_text(row, language: str, *, example_costs: bool) -> str:
    """Name of an indicator; one in euros says so when the prices are examples."""
    label = label_text(row, language)
    return word("example_costs", language, label=label) if example_costs and row.measure == "cost" else label


def decimals_of(row) -> int:
    """Decimals with which an indicator is shown."""
    given = getattr(row, "decimals", None)
    return 1 if given is None or pd.isna(given) else int(given)
