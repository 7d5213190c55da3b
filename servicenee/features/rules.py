"""Data rows that builders follow (care gaps, targets, ranges of scales): shipped tables or a county's own come in."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

# Columns of each shipped table: text, and numbers (required, optional).
_TABLES = {
    "care_gaps": (("gap", "condition", "measurement"), ("interval_days",), ("grace_days",)),
    "targets": (("measurement", "codes"), (), ("low", "high")),
    "rai_ranges": (("scale", "codes"), ("low", "high"), ()),
}
_PARAMETERS = {"care_gaps": "rules", "targets": "targets", "rai_ranges": "ranges"}
_TEXTS = ("unit", "instrument", "source", "topic", "label_fi", "label_sv", "label_en")


def shipped_rules() -> list[str]:
    """Names of the tables that come with the package.

    Examples
    --------
    >>> from servicenee.features.rules import shipped_rules
    >>> shipped_rules()
    ['care_gaps', 'targets', 'rai_ranges']
    """
    return list(_TABLES)


def load_rules(name: str) -> pd.DataFrame:
    """One of the shipped tables of data rows, to read, or to edit and hand to a builder.

    Parameters
    ----------
    name : {"care_gaps", "targets", "rai_ranges"}
        Monitoring that chronic patients are due, targets of measurements, ranges of RAI scales.

    Returns
    -------
    DataFrame
        The columns are those of the shipped CSV; `note` says where a row comes from.

    Examples
    --------
    A county that assesses home-care clients twice a year:

    >>> from servicenee import CareGaps, load_rules
    >>> rules = load_rules("care_gaps")
    >>> rules.loc[rules["gap"] == "home_care_rai", "interval_days"] = 183
    >>> builder = CareGaps(rules)
    """
    if name not in _TABLES:
        raise ValueError(f"`rules` must name a shipped table ({', '.join(_TABLES)}) or be a table; got {name!r}.")
    return _read(name).copy()


@cache
def _read(name: str) -> pd.DataFrame:
    _, numbers, optional = _TABLES[name]
    with (files("servicenee.features") / f"{name}.csv").open(encoding="utf-8") as stream:
        frame = pd.read_csv(stream, dtype=str, keep_default_na=False)
    for column in (*numbers, *optional):
        frame[column] = pd.to_numeric(frame[column])
    return frame


def as_rules(table: str, rules) -> list[dict]:
    """Rows of a name, a DataFrame or a list of dicts in the form of the shipped table; its columns are checked.

    Text that is missing becomes "", a number that is missing NaN.
    """
    texts, numbers, optional = _TABLES[table]
    rows = rule_rows(rules)
    lacking = [name for name in (*texts, *numbers) if any(_absent(row.get(name)) for row in rows)]
    if not rows or lacking:
        said = f"rows without {', '.join(lacking)}" if lacking else "no rows"
        raise ValueError(
            f"`{_PARAMETERS[table]}` must be rows with {', '.join((*texts, *numbers))}; got {said}. "
            f'Start from load_rules("{table}").'
        )
    made = []
    for row in rows:
        one = {name: "" if _absent(row.get(name)) else str(row[name]).strip() for name in (*texts, *_TEXTS)}
        made.append(one | {name: _number(name, row.get(name)) for name in (*numbers, *optional)})
    return made


def rule_rows(rules) -> list[dict]:
    """Rows as plain dicts, in which a value that is missing is None."""
    if isinstance(rules, str):
        rules = load_rules(rules)
    if isinstance(rules, pd.DataFrame):
        rules = rules.to_dict("records")
    rows = list(rules) if isinstance(rules, Iterable) else [rules]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            f"rules must be the name of a shipped table, a DataFrame or dicts; got {type(rules).__name__}."
        )
    return [{str(name): None if _absent(value) else value for name, value in row.items()} for row in rows]


def _absent(value) -> bool:
    return value is None or value == "" or (isinstance(value, float) and np.isnan(value)) or value is pd.NA


def _number(name: str, value) -> float:
    if _absent(value):
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` of a rule must be a number; got {value!r}.") from None
