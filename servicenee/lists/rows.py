"""What is known of the listed persons comes in; the rows that a clinician or a care coordinator reads go out."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from servicenee.lists.ages import age_band
from servicenee.lists.choices import INPUTS
from servicenee.lists.facts import SERVICES, Person
from servicenee.lists.reasons import write_reason
from servicenee.texts import format_date, format_number, text

COLUMNS = (
    "week",
    "place",
    "person_id",
    "age_band",
    "group",
    "area",
    "language",
    "services",
    "risk",
    "base_rate",
    "reading",
    "reasons",
    "changes",
    "care_gaps",
    "data_gaps",
    "segment",
    "first_step",
    *INPUTS,
    "source",
    "list_id",
)
_LANGUAGES = ("fi", "sv", "en", "other")
_SPOKEN_HERE = ("fi", "sv", "en")
_HIGHER = 1.25  # closer to 1 than this, a risk is called about average
_LOWER = 0.8
_DOUBLE = 1.75


def write_rows(
    people: Iterable[Person], segments: Mapping[str, dict], source: str, list_id: str, language: str
) -> pd.DataFrame:
    """One row per person with the columns `COLUMNS`; those to fill in are empty.

    `segments` gives, for each segment, its label and first step by language.
    """
    rows = [_row(person, segments, language) for person in people]
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in (*INPUTS, "source", "list_id")])
    empty = {name: np.full(len(frame), "", dtype=object) for name in INPUTS}
    ends = {"source": [source] * len(frame), "list_id": [list_id] * len(frame)}
    return frame.assign(**empty, **ends)[list(COLUMNS)]


def _row(person: Person, segments: Mapping[str, dict], language: str) -> dict[str, object]:
    nobody = [text("lists.reason.none", language)]
    reasons = [write_reason(reason, language) for reason in person.reasons] or nobody
    return {
        "week": person.week,
        "place": person.place,
        "person_id": person.person_id,
        "age_band": age_band(person.age, language),
        "group": group_name(person.group, language),
        "area": group_name(person.area, language),
        "language": contact_language(person.language, person.interpreter, language),
        "services": ", ".join(service_name(kind, language) for kind in person.services)
        or text("lists.service.none", language),
        "risk": person.risk,
        "base_rate": person.base_rate,
        "reading": reading(person, language),
        "reasons": bullets(reasons),
        "changes": bullets(write_change(name, values, language) for name, values in person.changes),
        "care_gaps": bullets(labels[language] for labels in person.care_gaps),
        "data_gaps": bullets(labels[language] for labels in person.data_gaps),
        "segment": segment_text(person, segments, language),
        "first_step": segments.get(person.segment, {}).get("first_step", {}).get(language, ""),
    }


def bullets(sentences: Iterable[str]) -> str:
    """One sentence a line, each with a mark."""
    return "\n".join(f"• {sentence}" for sentence in sentences)


def group_name(name: str, language: str) -> str:
    """The name as the register writes it, or a word for "not known"."""
    return name or text("lists.group.unknown", language)


def service_name(kind: str, language: str) -> str:
    """A service in words; a county's own kind keeps its name."""
    return text(f"lists.service.{kind}", language) if kind in SERVICES else kind


def contact_language(spoken: str, interpreter: str, language: str) -> str:
    """The language to use, and whether an interpreter is needed or the need should be asked about."""
    if not spoken:
        named = text("common.unknown", language)
    else:
        named = text(f"common.language.{spoken}", language) if spoken in _LANGUAGES else spoken
    if interpreter == "needed":
        return f"{named}, {text('lists.interpreter.needed', language)}"
    if interpreter:
        return f"{named}, {text('lists.interpreter.language', language, spoken=interpreter)}"
    if spoken and spoken not in _SPOKEN_HERE:
        return f"{named}, {text('lists.interpreter.ask', language)}"
    return named


def reading(person: Person, language: str) -> str:
    """Suggested reading in words, then the risk against the base rate of the area, the unit or all."""
    risk, base = person.risk, person.base_rate
    of = 100 if base >= 0.01 else 1000
    ratio = risk / base if base > 0 else 1.0
    words = text("lists.reading.higher" if ratio >= _HIGHER else "lists.reading.usual", language)
    shares = {"risk": share_of(risk, of, language), "base": share_of(base, of, language)}
    return f"{words}\n" + text(f"lists.risk.{person.basis}", language, ratio=_times(ratio, language), **shares)


def share_of(share: float, of: int, language: str) -> str:
    """Share as a count out of 100 or 1,000; never 0 and never all."""
    n = round(share * of)
    if n < 1:
        return text(f"lists.risk.below.{of}", language)
    if n >= of:
        return text(f"lists.risk.above.{of}", language)
    return text(f"lists.risk.of.{of}", language, n=n)


def _times(ratio: float, language: str) -> str:
    if ratio < _LOWER:
        return text("lists.ratio.lower", language)
    if ratio < _HIGHER:
        return text("lists.ratio.same", language)
    if ratio < _DOUBLE:
        return text("lists.ratio.somewhat", language)
    return text("lists.ratio.times", language, n=round(ratio))


def write_change(name: str, values: dict, language: str) -> str:
    """One sentence on what changed since the last list."""
    said: dict[str, str] = {}
    for key, value in values.items():
        if key == "date":
            said[key] = format_date(value, language)
        elif key == "before":
            said[key] = share_of(value, 100, language)
        elif key == "service":
            said[key] = service_name(value, language)
        elif key == "choice":
            said[key] = text(f"lists.decision.{value}", language)
        else:
            said[key] = format_number(value, language, decimals=0)
    return text(f"lists.change.{name}", language, **said)


def segment_text(person: Person, segments: Mapping[str, dict], language: str) -> str:
    """The segment in words; an uncertain one says so."""
    if not person.segment:
        return ""
    label = segments.get(person.segment, {}).get("label", {}).get(language, person.segment)
    return text("lists.segment.uncertain", language, label=label) if person.uncertain else label


def source_line(model: str, version: str, date: pd.Timestamp, language: str) -> str:
    """Model, version and date of the data, so that a row copied elsewhere still says where it is from."""
    return text("lists.source", language, model=model, version=version, date=format_date(date, language))
