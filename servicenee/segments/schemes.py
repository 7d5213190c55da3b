"""Schemes of segmentation rules as data rows: shipped tables or a county's own come in, checked rules go out."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from numbers import Real

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, name_some
from servicenee.features import (
    Assessments,
    ConditionCount,
    Conditions,
    EventCounts,
    FeatureSet,
    InStay,
    StayCounts,
)
from servicenee.texts import LANGUAGES

COMPARISONS = (">=", ">", "<=", "<", "==", "top_share")
_COMBINES = {"max": np.fmax, "sum": np.add}
_COLUMNS = ("scheme", "order", "segment", "feature", "combine", "comparison", "value", "origin", "note")


@dataclass(frozen=True)
class Clause:
    """One comparison of a rule: the largest value, or the sum, of the columns that fit, against a value."""

    feature: str
    combine: str
    comparison: str
    value: float
    origin: str


@dataclass(frozen=True)
class Rule:
    """Clauses that must all hold; a rule without clauses takes everybody who is left."""

    order: int
    segment: str
    clauses: tuple[Clause, ...]
    note: str


def shipped_schemes() -> list[str]:
    """Names of the schemes that come with the package.

    Examples
    --------
    >>> from servicenee.segments import shipped_schemes
    >>> shipped_schemes()[:3]
    ['needs_pyramid', 'frequent_users', 'frequent_users_cost']
    """
    return list(dict.fromkeys(_read("schemes")["scheme"]))


def load_scheme(name: str) -> pd.DataFrame:
    """One of the shipped schemes, to read, or to edit and hand to `RuleSegmenter`.

    Parameters
    ----------
    name : str
        One of `shipped_schemes`.

    Returns
    -------
    DataFrame
        One row per clause: scheme, order (rows with the same order make one rule, and all of them must hold), segment,
        feature (column or patterns such as ``condition_copd_*|condition_ckd_*``; empty: everybody left), combine
        ("max" or "sum" of the columns that fit), comparison (>=, >, <=, <, ==, top_share), value, origin ("register",
        or "client" for what client and professional fill in and registers never hold), note.

    Examples
    --------
    >>> from servicenee.segments import RuleSegmenter, load_scheme
    >>> scheme = load_scheme("frequent_users")
    >>> scheme.loc[0, "value"] = 0.05
    >>> segmenter = RuleSegmenter(scheme)
    """
    check_choice("scheme", name, shipped_schemes())
    rows = _read("schemes")
    return rows[rows["scheme"] == name].reset_index(drop=True)


def scheme_segments(name: str) -> pd.DataFrame:
    """Segments of a shipped scheme: segment, burden, second_axis, label_fi, label_sv, label_en.

    `burden` is what registers can propose; `second_axis` (coping, resources, benefit) is "" where client and
    professional have not filled it in.

    Examples
    --------
    >>> from servicenee.segments import scheme_segments
    >>> table = scheme_segments("suuntima").set_index("segment")
    >>> table.loc["burden_high", "second_axis"], table.loc["network", "second_axis"]
    ('', 'weak')
    """
    check_choice("scheme", name, shipped_schemes())
    rows = _read("scheme_segments")
    return rows[rows["scheme"] == name].drop(columns="scheme").reset_index(drop=True)


def scheme_features(lookback_days: int = 1825) -> FeatureSet:
    """Give the builders of every column that the shipped schemes ask of registers (costs come from the county).

    Parameters
    ----------
    lookback_days : int, default=1825
        How far back chronic conditions are looked for; the same for everybody.

    Returns
    -------
    FeatureSet

    Examples
    --------
    >>> from servicenee import Population, make_registers
    >>> from servicenee.segments import RuleSegmenter, scheme_features
    >>> cohort = Population(75).at(make_registers(500, random_state=0), "2022-01-01")
    >>> X = scheme_features(lookback_days=1095).fit_transform(cohort)
    >>> sorted(set(RuleSegmenter("needs_pyramid").fit(X).scores(X)["segment"]))
    ['case_management', 'disease_management', 'general_support']
    """
    return FeatureSet(
        [
            ("conditions", Conditions(lookback_days=lookback_days)),
            ("count", ConditionCount(lookback_days=lookback_days)),
            ("home_care", InStay("home_care")),
            ("round_the_clock", InStay("round_the_clock")),
            ("stays", StayCounts("inpatient_unplanned", lookback_days=365)),
            *(
                (f"contacts_{source}", EventCounts("contacts", source=source, lookback_days=365))
                for source in ("primary_care", "emergency", "outpatient", "home_care")
            ),
            ("falls", EventCounts(by="falls_fractures", lookback_days=730)),
            ("frailty", EventCounts(by="frailty_signs", lookback_days=730)),
            ("scales", Assessments(columns="value")),
        ]
    )


def as_rules(scheme) -> tuple[Rule, ...]:
    """Checked rules, in order, of a name, a DataFrame or a list of dicts; the last one must take everybody left."""
    rows = load_scheme(scheme) if isinstance(scheme, str) else pd.DataFrame(scheme)
    lacking = [name for name in ("order", "segment", "feature") if name not in rows.columns]
    if lacking or not len(rows):
        raise ValueError(
            "`scheme` must be rows with order, segment and feature; got "
            f"{'rows without ' + name_some(lacking) if len(rows) else 'no rows'}. Start from load_scheme(name)."
        )
    rules = tuple(_rule(int(order), part) for order, part in rows.groupby("order", sort=True))
    if any(not rule.clauses for rule in rules[:-1]):
        raise ValueError("`scheme` must have one rule without a feature, the last; a rule after it would never fire.")
    if rules[-1].clauses:
        raise ValueError(
            "`scheme` must end with a rule without a feature, so that everybody has a segment. Add a row for the rest."
        )
    return rules


def plain_rules(rules: tuple[Rule, ...]) -> list[dict]:
    """The rows that `as_rules` makes the same rules of: plain values, which a saved model may hold."""
    rows = []
    for rule in rules:
        facts = {"order": rule.order, "segment": rule.segment, "note": rule.note}
        rows += [facts | vars(clause) for clause in rule.clauses] or [facts | {"feature": ""}]
    return rows


def clause_values(clause: Clause, names: list[str], columns: list[np.ndarray]) -> np.ndarray | None:
    """What a clause compares, one value per row; NaN is unknown, None: X has no such column (client's axis only)."""
    patterns = clause.feature.split("|")
    found = [n for n, name in enumerate(names) if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not found and clause.origin == "client":
        return None
    if not found:
        raise ValueError(
            f"`X` must have columns for the rule on {clause.feature!r}; it has none. Its columns: {name_some(names)}. "
            "See scheme_features()."
        )
    combined = columns[found[0]]
    for n in found[1:]:
        combined = _COMBINES[clause.combine](combined, columns[n])
    return combined


def segment_labels(scheme) -> dict[str, dict[str, str]]:
    """Label per language of each segment of a shipped scheme; nothing for a county's own."""
    if not isinstance(scheme, str):
        return {}
    rows = scheme_segments(scheme).to_dict("records")
    return {row["segment"]: {language: row[f"label_{language}"] for language in LANGUAGES} for row in rows}


@cache
def _read(name: str) -> pd.DataFrame:
    with (files("servicenee.segments") / f"{name}.csv").open(encoding="utf-8") as stream:
        frame = pd.read_csv(stream, dtype=str, keep_default_na=False)
    if "value" in frame.columns:
        frame["order"], frame["value"] = frame["order"].astype(int), pd.to_numeric(frame["value"])
    return frame


def _rule(order: int, rows: pd.DataFrame) -> Rule:
    segments = rows["segment"].unique()
    if len(segments) != 1:
        raise ValueError(f"`scheme` must give one segment per rule; rule {order} gives {name_some(list(segments))}.")
    named = [row for row in rows.to_dict("records") if _text(row, "feature")]
    if named and len(named) < len(rows):
        raise ValueError(f"`scheme`: rule {order} has rows with and without a feature; give each row one, or none.")
    note = _text(rows.iloc[0].to_dict(), "note")
    return Rule(order, str(segments[0]), tuple(_clause(order, row) for row in named), note)


def _clause(order: int, row: dict) -> Clause:
    combine, comparison = _text(row, "combine") or "max", _text(row, "comparison")
    origin = _text(row, "origin") or "register"
    check_choice(f"combine of rule {order}", combine, _COMBINES)
    check_choice(f"comparison of rule {order}", comparison, COMPARISONS)
    check_choice(f"origin of rule {order}", origin, ("register", "client"))
    value = row.get("value")
    if not isinstance(value, Real) or isinstance(value, bool) or not np.isfinite(value):
        raise ValueError(f"value of rule {order} must be a number; got {value!r}.")
    if comparison == "top_share" and not 0 < value < 1:
        raise ValueError(
            f"value of rule {order} must be a fraction between 0 and 1; got {value!r}. For 10 % write 0.1."
        )
    return Clause(_text(row, "feature"), combine, comparison, float(value), origin)


def _text(row: dict, name: str) -> str:
    value = row.get(name)
    return "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value).strip()
