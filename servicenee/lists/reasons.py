"""Language-neutral reasons of the listed persons come in; those that may be shown go out, and become sentences."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from servicenee.codes import load_codelist, shipped_codelists
from servicenee.lists.ages import age_band
from servicenee.lists.rules import as_rules
from servicenee.texts import format_date, format_number, text

N_SHOWN = 4
N_ASKED = 40  # more than are shown, because many are never displayed
_COUNTED = {"diagnoses": "record", "social": "record", "medicines": "purchase"}
_YES_NO = ("any", "in_stay", "living_alone", "care_gap", "not_assessed")
_SOURCES = (
    "primary_care",
    "emergency",
    "outpatient",
    "inpatient",
    "home_care",
    "medication",
    "entitlement",
    "laboratory",
    "rai",
    "social",
    "round_the_clock_care",
    "communal_housing",
)


@dataclass(frozen=True)
class Reason:
    """A fact about a person that goes together with a higher risk, and the latest record behind it."""

    feature: str
    measure: str
    topic: str
    labels: tuple[str, str, str]
    value: object
    reference: object
    date: pd.Timestamp = pd.NaT
    source: str = ""


def choose_reasons(
    reasons: pd.DataFrame, feature_table: pd.DataFrame, hidden: pd.Series, records: Callable | None = None
) -> dict[object, tuple[Reason, ...]]:
    """Up to `N_SHOWN` reasons per person id, strongest first.

    Left out: features marked in `hidden`, missing values (what nobody measured is no reason), features without a
    description, a second feature of the same records, facts that are written like the usual. `records` gives, for the
    names of features, the latest record of each person: ``{feature: {person id: (date, source)}}``.
    """
    facts = feature_table[~hidden.to_numpy()].set_index("feature").to_dict("index")
    known = reasons[reasons["feature"].isin(list(facts)) & reasons["value"].notna()]
    known = known.sort_values("order", kind="stable")
    persons = known.index.get_level_values("person_id")
    kept: dict[object, list[Reason]] = {}
    told: set[tuple] = set()
    for person, feature, value, reference in zip(
        persons, known["feature"], known["value"], known["reference"], strict=True
    ):
        own, fact = kept.setdefault(person, []), facts[feature]
        behind = (person, *_records(fact))
        reason = _reason(feature, fact, value, reference)
        if len(own) < N_SHOWN and behind not in told and _is_telling(reason):
            own.append(reason)
            told.add(behind)
    found = {} if records is None else records(sorted({reason.feature for own in kept.values() for reason in own}))
    return {person: tuple(_dated(reason, person, found) for reason in own) for person, own in kept.items()}


def _reason(feature: str, fact: dict, value: object, reference: object) -> Reason:
    labels = (fact["label_fi"], fact["label_sv"], fact["label_en"])
    return Reason(feature, str(fact["measure"]), str(fact["topic"]), labels, value, reference)


def _is_telling(reason: Reason) -> bool:
    """Whether the reader sees another figure than the usual one."""
    if pd.isna(reason.reference):
        return True
    return _value(reason, reason.value, "fi") != _value(reason, reason.reference, "fi")


def _dated(reason: Reason, person: object, found: dict[str, dict]) -> Reason:
    if reason.feature not in found:
        return reason
    date, source = found[reason.feature][person]
    return replace(reason, date=date, source=source)


def write_reason(reason: Reason, language: str) -> str:
    """One sentence: what, how much, how much usually, and the latest record with its source."""
    label = reason.labels[("fi", "sv", "en").index(language)]
    written = _value(reason, reason.value, language)
    beside = []
    if not pd.isna(reason.reference):
        usual = _figure(reason.measure, reason.reference, language)
        beside.append(text("lists.reason.usual", language, reference=usual))
    if not pd.isna(reason.date):
        date, source = format_date(reason.date, language), source_name(reason.source, language)
        beside.append(text("lists.reason.record", language, date=date, source=source))
    value = f"{written} ({'; '.join(beside)})" if beside else written
    return text("lists.reason", language, label=label, value=value)


def source_name(source: str, language: str) -> str:
    """A source in the middle of a sentence; a county's own keeps its name."""
    return text(f"lists.source.{source}", language) if source in _SOURCES else source


def is_hidden(feature_table: pd.DataFrame, rules: list[dict[str, str]] | None = None) -> pd.Series:
    """True for features never displayed as a reason: by measure, by group, or by the codes behind them.

    `rules` are the rows of the table hidden_reasons; by default those shipped.
    """
    by_field = _by_field(as_rules(None)["hidden_reasons"] if rules is None else rules)
    prefixes = {(codes, group): _prefixes(codes, group) for codes, group in _pairs(feature_table)}
    hidden = [
        measure.startswith(by_field["measure"])
        or group in by_field["group"]
        or any(prefix.startswith(by_field["codes"]) for prefix in prefixes[codes, group])
        for measure, (codes, group) in zip(feature_table["measure"], _pairs(feature_table), strict=True)
    ]
    return pd.Series(hidden, index=feature_table.index, dtype=bool)


def _by_field(rows: list[dict[str, str]]) -> dict[str, tuple[str, ...]]:
    fields = ("measure", "group", "codes")
    return {field: tuple(row["value"] for row in rows if row["field"] == field) for field in fields}


def _pairs(feature_table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(feature_table["codes"].astype(str), feature_table["group"].astype(str), strict=True))


def _prefixes(codes: str, group: str) -> list[str]:
    """Prefixes ("SYSTEM:prefix") behind a feature that names a shipped list or the prefixes themselves."""
    if ":" in codes:
        return codes.replace("+", " ").replace(":=", ":").split()
    if codes not in shipped_codelists():
        return []
    groups = load_codelist(codes).groups
    listed = groups[group] if group in groups else [pair for pairs in groups.values() for pair in pairs]
    return [f"{system}:{prefix.removeprefix('=')}" for system, prefix in listed if not prefix.startswith("!")]


def _records(fact: dict) -> tuple:
    """What tells the records behind a feature from those behind another."""
    where = tuple(str(fact[name]) for name in ("source", "codes", "group"))
    return where if any(where) else (str(fact["measure"]),)


def _value(reason: Reason, value: object, language: str) -> str:
    """The figure, with a unit where diagnoses or medicines are counted: "Diabetes: 4" would puzzle."""
    figure = _figure(reason.measure, value, language)
    unit = _COUNTED.get(reason.topic) if reason.measure == "count" else None
    if unit is None:
        return figure
    return text(f"lists.value.{unit}" if value == 1 else f"lists.value.{unit}s", language, n=figure)


def _figure(measure: str, value: object, language: str) -> str:
    if isinstance(value, str):
        return value
    if measure in _YES_NO:
        return text("common.yes" if float(value) >= 0.5 else "common.no", language)
    if measure == "age":
        return age_band(float(value), language)  # the row shows no more than the band either
    value = round(float(value), 1 if abs(value) >= 1 else 2)
    whole = measure in ("days_since", "stay_days") or abs(value) >= 100
    return format_number(value, language, decimals=0 if whole else None)
