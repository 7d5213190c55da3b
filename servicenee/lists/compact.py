"""Rows of a list come in; fewer, fuller columns that still print legibly on one A4 page across go out."""

import pandas as pd

from servicenee.texts import text

_NOTES = ("changes", "care_gaps", "data_gaps")
_PLAN = ("segment", "first_step")
# Advance widths of Arial in thousandths of its size, by letter; what is not here is a digit wide.
_WIDTHS = {
    **dict.fromkeys("ijl'|", 222),
    **dict.fromkeys(" t.,:;!/fI[]\\", 278),
    **dict.fromkeys("r()-`", 333),
    **dict.fromkeys("•*", 370),
    **dict.fromkeys("cksvxyz", 500),
    **dict.fromkeys("FTZ", 611),
    **dict.fromkeys("ABEKPSVXYÄ&Å", 667),
    **dict.fromkeys("CDHNRU", 722),
    **dict.fromkeys("GOQÖ", 778),
    **dict.fromkeys("mM", 833),
    "w": 722,
    "W": 944,
    "%": 889,
    "@": 1015,
}
_DIGIT = 556  # one unit of a column's width is a digit wide


def compact(rows: pd.DataFrame, language: str) -> pd.DataFrame:
    """What to note (changes, gaps) in one column, and the segment with its first step in another."""
    columns = list(rows.columns)
    made = rows.copy()
    for name, parts, labelled in (("notes", _NOTES, True), ("plan", _PLAN, False)):
        own = [part for part in parts if part in columns]
        if not own:
            continue
        made[name] = [_joined(record, own, labelled, language) for record in rows[own].to_dict("records")]
        columns = [name if part == own[0] else part for part in columns if part == own[0] or part not in own]
    return made[columns]


def _joined(record: dict, parts: list[str], labelled: bool, language: str) -> str:
    filled = [part for part in parts if record[part]]
    if not labelled:
        return "\n".join(str(record[part]) for part in filled)
    return "\n".join(f"{text(f'lists.note.{part}', language)}\n{record[part]}" for part in filled)


def n_lines(value: str, width: float, *, bold: bool = False) -> int:
    """Lines that a text takes in a column of so many digits' width, as a spreadsheet wraps it."""
    return sum(_lines_of(paragraph, width, 1.07 if bold else 1.0) for paragraph in value.split("\n"))


def _lines_of(paragraph: str, width: float, wider: float) -> int:
    lines, used = 1, 0.0
    for word in paragraph.split(" "):
        length = wider * sum(_WIDTHS.get(letter, _DIGIT) for letter in word) / _DIGIT
        space = wider * _WIDTHS[" "] / _DIGIT if used else 0.0
        if used and used + space + length > width:
            lines, used, space = lines + 1, 0.0, 0.0
        # A word longer than the column is broken where the column ends.
        lines += int(length // width) if length > width else 0
        used += space + (length % width if length > width else length)
    return lines
