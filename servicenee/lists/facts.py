"""Chosen persons come in; what a row tells of each, in no language yet, goes out."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort, completed_years
from servicenee.features import AnyEvent, CareGaps, DaysSince, InStay
from servicenee.lists.reasons import Reason
from servicenee.lists.sectors import sector_of
from servicenee.registers import Registers

# In the order in which a reader wants them: what goes on at home first.
SERVICES = (
    "home_care",
    "communal_housing",
    "interval_care",
    "round_the_clock",
    "inpatient_unplanned",
    "inpatient_planned",
)
_RAI_GAP = "home_care_rai"  # shown among the data gaps, with its months
_DAYS_PER_MONTH = 30.4375


@dataclass(frozen=True)
class Person:
    """What the list tells of one person; words come later, in the language of the reader."""

    person_id: object
    role: str
    group: str
    place: int
    week: int
    age: float
    area: str
    language: str
    interpreter: str
    services: tuple[str, ...]
    risk: float
    base_rate: float
    basis: str
    reasons: tuple[Reason, ...] = ()
    care_gaps: tuple[dict[str, str], ...] = ()
    data_gaps: tuple[dict[str, str], ...] = ()
    changes: tuple[tuple[str, dict], ...] = ()
    segment: str = ""
    segment_probability: float = np.nan
    uncertain: bool = False


@dataclass(frozen=True, eq=False)
class Sight:
    """The rows of the chosen persons, and what the list may look at."""

    cohort: Cohort
    allowed: tuple[str, ...]
    rules: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    @property
    def registers(self) -> Registers:
        """The registers of the cohort."""
        return self.cohort.registers


def plain_facts(chosen: pd.DataFrame, sight: Sight, by: str) -> list[dict]:
    """What the persons table, the risk and the stays tell, one dict per person."""
    cohort = sight.cohort
    ages = completed_years(cohort.registers.person_columns.birth_day[cohort.person], cohort.index_day)
    services = current_services(sight)
    own = "area" if by == "area" else "group"
    return [
        {
            "person_id": row["person_id"],
            "role": row["role"],
            "group": row["group"],
            "place": int(row["place"]),
            "week": int(row["week"]),
            "age": float(age),
            "area": _text(row.get("area")),
            "language": _text(row.get("language")),
            "interpreter": _interpreter(row.get("interpreter")),
            "services": service,
            "risk": float(row["risk"]),
            "base_rate": float(row["base_rate"]),
            "basis": own if row["own_base"] else "all",
        }
        for row, age, service in zip(chosen.to_dict("records"), ages, services, strict=True)
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _interpreter(value: object) -> str:
    """The optional column `interpreter` of persons: 1 or "yes" for needed, 0 or "no" for not, or a language."""
    if isinstance(value, str):
        known = {"yes": "needed", "true": "needed", "1": "needed", "no": "", "false": "", "0": "", "": ""}
        return known.get(value.strip().lower(), value.strip())
    return "needed" if value is not None and not pd.isna(value) and value > 0 else ""


def current_services(sight: Sight) -> list[tuple[str, ...]]:
    """Kinds of stay going on at the index date, as far as they had been reported."""
    kinds = sight.registers.stay_columns.kinds
    permitted = set(kinds.loc[kinds["source"].isin(sight.allowed), "kind"].astype(str))
    named = [kind for kind in SERVICES if kind in permitted] + sorted(permitted - set(SERVICES))
    if not named or not len(sight.cohort):
        return [()] * len(sight.cohort)
    inside = InStay(named).transform(sight.cohort).to_numpy() == 1
    return [tuple(named[at] for at in np.flatnonzero(own)) for own in inside]


def care_gaps(sight: Sight) -> list[tuple[dict[str, str], ...]]:
    """Labels of the monitoring that is overdue, by the shipped table of care gaps, as far as it may be looked at."""
    builder, cohort = CareGaps(), sight.cohort
    described = builder.describe(sight.registers).set_index("feature")
    sources = [set(str(source).split()) for source in described["source"]]
    shown = described[[bool(own) and own <= set(sight.allowed) for own in sources]]
    shown = shown[(shown["group"] != _RAI_GAP) & _conditions_seen(sight)]
    if not len(shown) or not len(cohort):
        return [()] * len(cohort)
    overdue = builder.transform(cohort)[list(shown.index)].to_numpy() == 1
    labels = [{language: row[f"label_{language}"] for language in ("fi", "sv", "en")} for _, row in shown.iterrows()]
    return [tuple(labels[at] for at in np.flatnonzero(own)) for own in overdue]


def _conditions_seen(sight: Sight) -> bool:
    """Conditions are known from health care: without it nothing can be said of their monitoring."""
    return "health" in sector_of(sight.allowed, sight.rules).values()


def data_gaps(sight: Sight) -> list[tuple[dict[str, str], ...]]:
    """Sentences on records that should be there and are not, by the table of data gaps."""
    found: list[list[dict[str, str]]] = [[] for _ in range(len(sight.cohort))]
    for rule in sight.rules["data_gaps"]:
        for at, months in _missing(rule, sight):
            said = {language: rule[f"label_{language}"].format(n=months) for language in ("fi", "sv", "en")}
            if months is None:
                said = {language: rule[f"never_{language}"] for language in ("fi", "sv", "en")}
            found[at].append(said)
    return [tuple(own) for own in found]


def _missing(rule: dict[str, str], sight: Sight) -> list[tuple[int, int | None]]:
    """Rows without such a record in the days of the rule, and months since the last one (None: never)."""
    known = set(sight.registers.coverage_columns.source) & set(sight.allowed)
    sources = [name for name in rule["source"].split() if name in known]
    if not sources or not len(sight.cohort):
        return []
    codes = rule["codes"].split() or None
    recorded = AnyEvent(codes, source=sources, lookback_days=int(rule["days"])).transform(sight.cohort).to_numpy()[:, 0]
    since = DaysSince(codes, source=sources, lookback_days=None).transform(sight.cohort).to_numpy()[:, 0]
    gap = recorded == 0  # NaN: not covered, so nobody knows
    if rule["applies_to"]:
        kind = rule["applies_to"].removeprefix("stay:")
        gap &= [kind in services for services in current_services(sight)]
    return [(int(at), None if np.isnan(since[at]) else int(since[at] / _DAYS_PER_MONTH)) for at in np.flatnonzero(gap)]
