"""Findings of a monitor run in; the sentences in which a reader meets them out."""

from collections.abc import Callable

import pandas as pd

from servicenee.evaluation.wording import number, share, whole
from servicenee.texts import format_date, known_text, text

# How each finding writes its value and its limit (None: not at all), and what its subject is.
_SHOWN: dict[str, tuple[Callable | None, Callable | None, str]] = {
    "expired": (whole, None, "date"),
    "nobody": (None, None, ""),
    "stopped": (whole, whole, "source"),
    "fading": (whole, whole, "source"),
    "thin": (whole, whole, "source"),
    "ended": (whole, None, "source"),
    "less": (number, number, "source"),
    "more": (number, number, "source"),
    "new_codes": (share, share, "codes"),
    "shifted": (whole, number, "feature"),
    "missing": (whole, share, "feature"),
    "rows": (number, share, ""),
    "expected": (number, share, ""),
    "unscored": (share, share, ""),
    "scores": (number, number, ""),
    "segments": (share, share, "segment"),
    "turnover": (share, share, "date"),
    "observed_expected": (number, number, "date"),
    "calibration_slope": (number, number, "date"),
}
# Whose value may be hidden because it would tell of a few persons; that it is beyond the limit is not.
_HIDDEN = ("fading", "thin", "new_codes", "rows", "unscored", "expected", "segments", "turnover")


def words(language: str) -> Callable[..., str]:
    """Look-up of the texts of the monitor."""

    def word(name: str, **values) -> str:
        return text(f"monitoring.{name}", language, **values)

    return word


def finding_texts(row: dict, labels: pd.Series, language: str) -> tuple[str, str, str]:
    """What was found, its limit and what to do; `labels` are those of the features."""
    kind = row["finding"]
    show_value, show_limit, subject_is = _SHOWN[kind]
    said = {"subject": _subject(row["subject"], subject_is, labels, language)} if subject_is else {}
    hidden = kind in _HIDDEN and pd.isna(row["value"])
    if show_value is not None and not hidden:
        said["value"] = show_value(row["value"], language)
    edge = {} if show_limit is None else {"limit": show_limit(row["limit"], language)}
    parts = (
        (f"finding.{kind}.hidden" if hidden else f"finding.{kind}", said),
        (f"limit.{kind}", edge),
        (f"todo.{kind}", {}),
    )
    sentence, limit, todo = (text(f"monitoring.{name}", language, **values) for name, values in parts)
    return sentence, limit, todo


def source_text(name: str, source: str, language: str) -> str:
    """What the reader calls a source of events or of stays."""
    key = "stay_source" if name == "stays" else "source"
    return known_text(f"features.{key}.{source}", language, source)


def _subject(subject: str, subject_is: str, labels: pd.Series, language: str) -> str:
    if subject_is == "source":
        return source_text(*subject.split(" ", 1), language)
    if subject_is == "codes":
        source, system = subject.split(" ", 1)
        return f"{source_text('events', source, language)} ({system})"
    if subject_is == "date":
        return ", ".join(format_date(date, language) for date in subject.split(", "))
    return str(labels.get(subject, subject)) if subject_is == "feature" else subject
