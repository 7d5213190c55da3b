"""Data rows that a list follows: who is left out, what is never displayed, which sector a source belongs to."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import pandas as pd

# Columns that each table must have; further ones are notes.
_TABLES = {
    "exclusions": ("exclusion", "looks_at", "codes", "days", "label_fi", "label_sv", "label_en"),
    "hidden_reasons": ("field", "value"),
    "data_gaps": tuple(
        "gap applies_to source codes days label_fi label_sv label_en never_fi never_sv never_en".split()
    ),
    "sectors": ("source", "sector"),
}
# Tables that the segments room makes; without them a segment keeps its code and has no first step.
_GIVEN = {
    "segment_names": ("segment", "codes", "name_fi", "name_sv", "name_en"),
    "offers": tuple("code offer_fi offer_sv offer_en by_whom_fi by_whom_sv by_whom_en".split()),
}
# Rows that no county may take away: (exclusion, looks_at).
ALWAYS = (("dead", "persons"), ("moved", "persons"), ("no_risk", "scores"), ("objected", "decisions"))
# Tables whose windows nobody but the county can decide; the shipped ones are a starting point.
WORKING_RULES = ("exclusions", "data_gaps")
LOOKS_AT = ("persons", "scores", "decisions", "outcome", "events", "stays")


def list_rules(name: str) -> pd.DataFrame:
    """One of the tables that `segment_list` follows, to read, or to edit and hand back as ``rules={name: table}``.

    Parameters
    ----------
    name : {"exclusions", "hidden_reasons", "data_gaps", "sectors"}
        Who is left out and for how many days; what is never displayed as a reason; which missing records are
        pointed out; whether a source belongs to health care or to social services.

    Returns
    -------
    DataFrame of str
        The columns are those of the shipped table; `note` says where a row comes from. An empty `days` means
        without an end.

    Notes
    -----
    The windows of exclusions and data gaps are working rules. The cover of a list names them and says that the county
    has not confirmed them, until both tables are handed back, edited or as they are.

    Examples
    --------
    A county that contacts people again after a year, and leaves out those who are in hospital:

    >>> from servicenee.lists import list_rules
    >>> exclusions = list_rules("exclusions")
    >>> exclusions.loc[exclusions["exclusion"] == "contacted", "days"] = "365"
    >>> hospital = {"exclusion": "in_hospital", "looks_at": "stays", "codes": "stay:inpatient_unplanned", "days": "",
    ...     "label_fi": "sairaalassa", "label_sv": "på sjukhus", "label_en": "in hospital", "note": ""}
    >>> exclusions.loc[len(exclusions)] = hospital
    """
    if name not in _TABLES:
        raise ValueError(f"`name` must be one of {', '.join(map(repr, _TABLES))}; got {name!r}.")
    return _read(name).copy()


def as_rules(given: Mapping[str, pd.DataFrame] | None) -> dict[str, list[dict[str, str]]]:
    """All tables as rows of text: the county's own where given, else the shipped ones."""
    given = {} if given is None else dict(given)
    unknown = [name for name in given if name not in (*_TABLES, *_GIVEN)]
    if unknown:
        raise ValueError(f"`rules` must name tables among {', '.join((*_TABLES, *_GIVEN))}; got {unknown}.")
    made = {name: _rows(name, given[name]) if name in given else _shipped(name) for name in _TABLES}
    made |= {name: _rows(name, given[name]) if name in given else [] for name in _GIVEN}
    kept = [tuple(row.values())[:4] for row in made["exclusions"]]
    shipped = [tuple(row.values())[:4] for row in _shipped("exclusions")]
    missing = [row[0] for row in shipped if row[:2] in ALWAYS and row not in kept]
    if missing:
        raise ValueError(
            f"`rules['exclusions']` must keep the shipped rows {', '.join(missing)}. Nobody dead, moved away, without "
            "a risk or objecting may be listed."
        )
    return made


def is_shipped(name: str, rows: list[dict[str, str]]) -> bool:
    """Whether a table holds every row of the shipped one, so that what the texts promise still holds."""
    kept = [tuple(row[column] for column in _TABLES[name]) for row in rows]
    return all(tuple(row[column] for column in _TABLES[name]) in kept for row in _shipped(name))


def is_confirmed(tables: Mapping[str, list[dict[str, str]]]) -> bool:
    """Whether the county has handed over its own tables of exclusions and of data gaps, edited or as they are.

    The shipped ones are the same objects every time; a table that was handed over never is.
    """
    return all(tables[name] is not _shipped(name) for name in WORKING_RULES)


@cache
def _shipped(name: str) -> list[dict[str, str]]:
    return _rows(name, _read(name))


@cache
def _read(name: str) -> pd.DataFrame:
    with (files("servicenee.lists") / "rules" / f"{name}.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False)


def _rows(name: str, table: pd.DataFrame) -> list[dict[str, str]]:
    columns = list((_TABLES | _GIVEN)[name])
    missing = [column for column in columns if not isinstance(table, pd.DataFrame) or column not in table]
    if missing:
        raise ValueError(f"`rules[{name!r}]` must be a table with {', '.join(columns)}; {missing} are missing.")
    text = table[columns].astype(object).where(table[columns].notna(), "")
    rows = [{column: str(value).strip() for column, value in row.items()} for row in text.to_dict("records")]
    wrong = [row["days"] for row in rows if "days" in row and row["days"] and not row["days"].isdigit()]
    wrong += [row["looks_at"] for row in rows if "looks_at" in row and row["looks_at"] not in LOOKS_AT]
    if wrong:
        raise ValueError(
            f"`rules[{name!r}]` must have whole numbers or nothing as days and one of {', '.join(LOOKS_AT)} as "
            f"looks_at; got {wrong[:3]}."
        )
    return rows
