"""Language-neutral reasons of the listed persons come in; sentences a coordinator reads go out."""

import csv
from functools import cache
from importlib.resources import files

import pandas as pd

from servicenee.codes import load_codelist, shipped_codelists
from servicenee.lists.rows import age_band
from servicenee.texts import format_number, text

N_SHOWN = 3
N_ASKED = 40  # more than are shown, because many are never displayed
_COUNTED = {"diagnoses": "record", "social": "record", "medicines": "purchase"}
_YES_NO = ("any", "in_stay", "living_alone", "care_gap", "not_assessed")


def write_reasons(reasons: pd.DataFrame, feature_table: pd.DataFrame, language: str) -> dict[object, list[str]]:
    """Up to three sentences per person id, strongest first.

    Left out: protected and stigmatising topics (hidden_reasons.csv), missing values (what nobody measured is
    no reason), features without a description, a second feature of the same records, facts equal to the
    usual.
    """
    shown = feature_table[~is_hidden(feature_table).to_numpy()].set_index("feature")
    facts = shown.to_dict("index")
    known = reasons[reasons["feature"].isin(shown.index) & reasons["value"].notna()]
    known = known.sort_values("order", kind="stable")
    sentences: dict[object, list[str]] = {}
    told: set[tuple] = set()
    for person, feature, value, reference in zip(
        known.index.get_level_values("person_id"),
        known["feature"],
        known["value"],
        known["reference"],
        strict=True,
    ):
        own = sentences.setdefault(person, [])
        records = (person, *_records(facts[feature]))
        sentence = _sentence(facts[feature], value, reference, language)
        if len(own) < N_SHOWN and sentence and records not in told:
            own.append(sentence)
            told.add(records)
    return sentences


def is_hidden(feature_table: pd.DataFrame) -> pd.Series:
    """True for features never displayed as a reason: by measure, by group, or by the codes behind them."""
    rules = _rules()
    prefixes = {(codes, group): _prefixes(codes, group) for codes, group in _pairs(feature_table)}
    hidden = [
        measure.startswith(rules["measure"])
        or group in rules["group"]
        or any(prefix.startswith(rules["codes"]) for prefix in prefixes[codes, group])
        for measure, (codes, group) in zip(feature_table["measure"], _pairs(feature_table), strict=True)
    ]
    return pd.Series(hidden, index=feature_table.index, dtype=bool)


@cache
def _rules() -> dict[str, tuple[str, ...]]:
    with (files("servicenee.lists") / "hidden_reasons.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
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


def _sentence(fact: dict, value: object, reference: object, language: str) -> str:
    label, written = fact[f"label_{language}"], _value(fact, value, language)
    if pd.isna(reference):
        return text("lists.reason.alone", language, label=label, value=written)
    if _value(fact, reference, language) == written:
        return ""
    usual = _figure(fact["measure"], reference, language)
    return text("lists.reason", language, label=label, value=written, reference=usual)


def _value(fact: dict, value: object, language: str) -> str:
    """The figure, with a unit where diagnoses or medicines are counted: "Diabetes: 4" would puzzle."""
    figure = _figure(fact["measure"], value, language)
    unit = _COUNTED.get(fact["topic"]) if fact["measure"] == "count" else None
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
