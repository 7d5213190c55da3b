"""Event rows while the county is being made: what a builder emits, joined and filtered as plain arrays."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from servicenee.registers.county_parameters import county_table
from servicenee.registers.county_people import NEVER

LABORATORY_UNITS = {
    "HbA1c": "mmol/mol",
    "eGFR": "ml/min/1.73m2",
    "BP_systolic": "mmHg",
    "weight": "kg",
    "Hb": "g/l",
}
RAI_SCALES = ("CPS", "ADLH", "CHESS", "DRS", "MAPLE", "IADLP")
MENTAL_HEALTH_SERVICES = ("mental_health", "substance_use")
DISTRESS_CODES = ("P01", "P03", "P06", "P29")  # anxious, low, sleepless, other
SOCIAL_SERVICES = ("needs_assessment", "support_service", "informal_care")


@dataclass(frozen=True)
class Rows:
    """Events as arrays of one length; `available` is NEVER where the source's lag decides."""

    person: np.ndarray
    day: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    available: np.ndarray

    def where(self, kept: np.ndarray) -> "Rows":
        """The rows for which `kept` is true."""
        return Rows(self.person[kept], self.day[kept], self.kind[kept], self.value[kept], self.available[kept])


def rows(person, day, kind, *, value=np.nan, available=NEVER) -> Rows:
    """Rows from arrays and scalars."""
    n = len(person)
    return Rows(
        person.astype(np.int32),
        np.broadcast_to(day, n).astype(np.int32),
        np.broadcast_to(kind, n).astype(np.int16),
        np.broadcast_to(value, n).astype(np.float64),
        np.broadcast_to(available, n).astype(np.int32),
    )


def join(*parts: Rows) -> Rows:
    """All rows, one part after the other."""
    names = ("person", "day", "kind", "value", "available")
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def spread(rng, counts: np.ndarray, first_day: np.ndarray, last_day: np.ndarray):
    """`counts` (persons, columns) as rows (person, column, day), days drawn evenly from first to last."""
    person, column = np.nonzero(counts)
    repeats = counts[person, column]
    first = np.broadcast_to(first_day, counts.shape)[person, column]
    width = np.broadcast_to(last_day, counts.shape)[person, column] - first
    person, column = np.repeat(person, repeats), np.repeat(column, repeats)
    day = np.repeat(first, repeats) + (rng.random(len(person)) * np.repeat(width, repeats)).astype(np.int64)
    return person, column, day


@cache
def event_kinds() -> tuple[tuple[str, str, str, str | None], ...]:
    """Every (source, code_system, code, unit) of the county, in a fixed order."""
    kinds = [(source, "contact", "visit", None) for source in ("primary_care", "emergency", "outpatient")]
    kinds += [("primary_care", "contact", code, None) for code in ("home_visit", "remote")]
    kinds += [("home_care", "contact", "home_visit", "h")]
    conditions, complaints = county_table("conditions"), county_table("complaints")
    for codes in conditions["icd10"]:
        for source in ("primary_care", "emergency", "outpatient", "inpatient"):
            kinds += [(source, "ICD-10", code, None) for code in codes.split("|")]
    kinds += [("primary_care", "ICPC-2", code, None) for codes in conditions["icpc2"] for code in codes.split("|")]
    for source, system, code in complaints[["source", "code_system", "code"]].itertuples(index=False):
        kinds.append(("inpatient" if source == "planned" else source, system, code, None))
    kinds += [("medication", "ATC", code, "package") for code in county_table("medicines")["atc"]]
    kinds += [("entitlement", "Kela", code, None) for code in conditions["kela"].dropna()]
    kinds += [("laboratory", "lab", code, unit) for code, unit in LABORATORY_UNITS.items()]
    kinds += [("rai", "RAI", code, None) for code in RAI_SCALES]
    kinds += [("social", "service", code, None) for code in SOCIAL_SERVICES]
    kinds += [("mental_health", "service", code, None) for code in MENTAL_HEALTH_SERVICES]
    kinds += [("mental_health", "contact", "visit", None)]
    kinds += [("primary_care", "ICPC-2", code, None) for code in DISTRESS_CODES]
    return tuple(dict.fromkeys(kinds))


@cache
def _positions() -> dict[tuple[str, str, str], int]:
    return {kind[:3]: position for position, kind in enumerate(event_kinds())}


def kind_of(source: str, code_system: str, code: str) -> int:
    """Position of a code in `event_kinds`."""
    return _positions()[source, code_system, code]
