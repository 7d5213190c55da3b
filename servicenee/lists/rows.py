"""Listed persons come in; the rows that a clinician or a care coordinator reads go out."""

import numpy as np
import pandas as pd

from servicenee.cohort import completed_years
from servicenee.lists.select import alphabetical
from servicenee.registers import Registers
from servicenee.texts import format_date, text
from servicenee.windows import Measure, Window, measure_stays

INPUTS = ("decision", "decision_reason", "decision_date", "free_text")
COLUMNS = (
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
    *INPUTS,
    "source",
)
_BANDS = (65, 75, 85, 95)
# In the order in which a reader wants them: what goes on at home first.
_SERVICES = (
    "home_care",
    "communal_housing",
    "interval_care",
    "round_the_clock",
    "inpatient_unplanned",
    "inpatient_planned",
)
_LANGUAGES = ("fi", "sv", "en", "other")
_HIGHER = 1.25  # closer to 1 than this, a risk is called about average
_LOWER = 0.8
_DOUBLE = 1.75


def write_rows(
    listed: pd.DataFrame,
    registers: Registers,
    date: pd.Timestamp,
    reasons: dict[object, list[str]],
    language: str,
) -> pd.DataFrame:
    """One row per listed person with the columns `COLUMNS` but for `source`; those to fill in are empty."""
    nobody = [text("lists.reason.none", language)]
    told = [reasons.get(person) or nobody for person in listed["person_id"]]
    area = listed["area"] if "area" in listed else pd.Series(None, index=listed.index, dtype=object)
    speaks = listed["language"] if "language" in listed else pd.Series(None, index=listed.index, dtype=object)
    rows = {
        "place": listed["place"].to_numpy(),
        "person_id": listed["person_id"].to_numpy(),
        "age_band": [age_band(years, language) for years in _ages(registers, listed["position"].to_numpy(), date)],
        "group": [group_name(name, language) for name in listed["group"]],
        "area": [group_name(name if isinstance(name, str) else "", language) for name in area],
        "language": [_contact_language(spoken, language) for spoken in speaks],
        "services": current_services(registers, listed["position"].to_numpy(), date, language),
        "risk": listed["risk"].to_numpy(),
        "base_rate": listed["base_rate"].to_numpy(),
        "reading": [
            reading(risk, base, basis, language)
            for risk, base, basis in zip(listed["risk"], listed["base_rate"], listed["basis"], strict=True)
        ],
        "reasons": ["\n".join(f"• {sentence}" for sentence in own) for own in told],
    }
    return pd.DataFrame(rows | {name: [""] * len(listed) for name in INPUTS})


def _ages(registers: Registers, position: np.ndarray, date: pd.Timestamp) -> np.ndarray:
    """Completed years at the date; NaN where the birth date is not known."""
    day = np.full(len(position), np.datetime64(date, "D").astype(int), dtype=np.int32)
    return completed_years(registers.person_columns.birth_day[position], day)


def age_band(years: float, language: str) -> str:
    """Ten-year band: the exact age of one person is more than the reader needs."""
    if np.isnan(years):
        return text("common.unknown", language)
    if years < _BANDS[0]:
        return text("lists.age.under", language, age=_BANDS[0])
    if years >= _BANDS[-1]:
        return text("lists.age.over", language, age=_BANDS[-1])
    first = max(band for band in _BANDS if band <= years)
    return text("lists.age.between", language, first=first, last=first + 9)


def group_name(name: str, language: str) -> str:
    """The name as the register writes it, or a word for "not known"."""
    return name or text("lists.group.unknown", language)


def current_services(registers: Registers, position: np.ndarray, date: pd.Timestamp, language: str) -> list[str]:
    """Kinds of stay going on at the date, as far as they had been reported; one text per person."""
    stays = registers.stay_columns
    kinds = stays.kinds["kind"].astype(str)
    named = [kind for kind in _SERVICES if kind in set(kinds)]
    named += sorted(set(kinds) - set(named), key=alphabetical)
    if not named or not len(position):
        return [text("lists.service.none", language)] * len(position)
    sources = tuple(tuple(sorted(set(stays.kinds["source"][kinds == kind]))) for kind in named)
    groups = np.array([kinds == kind for kind in named])
    ongoing = Measure("inside", groups, sources, (Window(None),))
    day = np.full(len(position), np.datetime64(date, "D").astype(int), dtype=np.int32)
    inside = np.empty((len(named), len(position)), dtype=np.float32)
    person = position.astype(np.int32)
    measure_stays(stays, registers.coverage_columns, person, day, [(0, ongoing)], inside)
    words = [text(f"lists.service.{kind}", language) if kind in _SERVICES else kind for kind in named]
    nothing = text("lists.service.none", language)
    return [", ".join(words[at] for at in np.flatnonzero(own > 0)) or nothing for own in inside.T]


def reading(risk: float, base: float, basis: str, language: str) -> str:
    """Suggested reading in words, then the risk against the base rate of its `basis` (area, group or all)."""
    of = 100 if base >= 0.01 else 1000
    ratio = risk / base if base > 0 else 1.0
    words = text("lists.reading.higher" if ratio >= _HIGHER else "lists.reading.usual", language)
    shares = {"risk": _of(risk, of, language), "base": _of(base, of, language)}
    return f"{words}\n" + text(f"lists.risk.{basis}", language, ratio=_times(ratio, language), **shares)


def _of(share: float, of: int, language: str) -> str:
    """Share as a count out of 100 or 1,000; never 0 and never all."""
    n = round(share * of)
    if n < 1:
        return text("lists.risk.below", language, of=of)
    if n >= of:
        return text("lists.risk.above", language, n=of - 1, of=of)
    return text("lists.risk.of", language, n=n, of=of)


def _times(ratio: float, language: str) -> str:
    if ratio < _LOWER:
        return text("lists.ratio.lower", language)
    if ratio < _HIGHER:
        return text("lists.ratio.same", language)
    if ratio < _DOUBLE:
        return text("lists.ratio.somewhat", language)
    return text("lists.ratio.times", language, n=round(ratio))


def _contact_language(spoken: object, language: str) -> str:
    if not isinstance(spoken, str):
        return text("common.unknown", language)
    return text(f"common.language.{spoken}", language) if spoken in _LANGUAGES else spoken


def source_line(model: str, version: str, date: pd.Timestamp, language: str) -> str:
    """Model, version and date of the data, so that a row copied elsewhere still says where it is from."""
    return text("lists.source", language, model=model, version=version, date=format_date(date, language))
