"""Language-neutral reasons of the listed persons come in; sentences a coordinator reads go out."""

import csv
from functools import cache
from importlib.resources import files

import pandas as pd

from servicenee.texts import format_number, text

N_SHOWN = 3
N_ASKED = 15  # more than are shown, because some are never displayed
_YES_NO = ("any", "in_stay", "living_alone")


def write_reasons(
    reasons: pd.DataFrame, feature_table: pd.DataFrame, language: str
) -> dict[object, list[str]]:
    """Up to three sentences per person id, strongest first.

    Left out: protected and stigmatising topics (hidden_reasons.csv), missing values (what nobody measured is
    no reason), features without a description, a second feature of the same records, and facts equal to the
    usual.
    """
    described = feature_table.set_index("feature")
    shown = described[~is_hidden(feature_table).to_numpy()]
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
        fact = shown.loc[feature]
        records = (person, *(str(fact[name]) for name in ("source", "codes", "group")))
        own = sentences.setdefault(person, [])
        sentence = _sentence(fact, value, reference, language)
        if len(own) < N_SHOWN and sentence and (fact["topic"] == "background" or records not in told):
            own.append(sentence)
            told.add(records)
    return sentences


def is_hidden(feature_table: pd.DataFrame) -> pd.Series:
    """True for features that are never displayed as a reason."""
    hidden = pd.Series(False, index=feature_table.index)
    for field, value in _rules():
        if field == "codes":
            found = feature_table["codes"].map(lambda codes, prefix=value: _touches(codes, prefix))
        else:
            found = feature_table[field].astype(object) == value
        hidden |= found.astype(bool)
    return hidden


@cache
def _rules() -> tuple[tuple[str, str], ...]:
    with (files("servicenee.lists") / "hidden_reasons.csv").open(encoding="utf-8", newline="") as lines:
        return tuple((row["field"], row["value"]) for row in csv.DictReader(lines))


def _touches(codes: object, prefix: str) -> bool:
    """True if one of the codes ("SYSTEM:prefix ...") lies under the prefix."""
    listed = codes.replace(",", " ").replace(";", " ").split() if isinstance(codes, str) else []
    return any(code.startswith(prefix) for code in listed)


def _sentence(fact: pd.Series, value: object, reference: object, language: str) -> str:
    label, written = fact[f"label_{language}"], _value(fact["measure"], value, language)
    if pd.isna(reference):
        return text("lists.reason.alone", language, label=label, value=written)
    usual = _value(fact["measure"], reference, language)
    if usual == written:
        return ""
    return text("lists.reason", language, label=label, value=written, reference=usual)


def _value(measure: str, value: object, language: str) -> str:
    if isinstance(value, str):
        return value
    if measure in _YES_NO:
        return text("common.yes" if float(value) >= 0.5 else "common.no", language)
    whole = measure in ("age", "days_since", "stay_days") or abs(float(value)) >= 100
    return format_number(value, language, decimals=0 if whole else None)
