"""Rows of data in; what an outcome counts, for whom, and what competes with it, out."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from servicenee._checks import check_choice, check_count, check_days
from servicenee.codes import Codelist, as_codelist
from servicenee.cohort import Population

KINDS = ("starts", "occurs", "counts", "days", "sums")
LABEL_TYPES = ("need", "use", "cost")
WEEKS = 8  # of regular care, where a row gives visits per week and no weeks: the two months of Finnish fee rules


@dataclass(frozen=True)
class Definition:
    """What an outcome counts, for whom, what competes with it, and whether it is need, use or cost.

    Attributes
    ----------
    name : str
    kind : {"starts", "occurs", "counts", "days", "sums"}
    codes : Codelist or None
        Events and stays that count; None is death itself.
    source : tuple of str
        Sources that count; empty: every source with such codes.
    competing : Codelist or None
        Events and stays that, coming first, make the outcome impossible (status 4).
    excluding : Codelist or None
        Stays in which nothing happens or starts, such as an assessment period; care that goes on after it starts then.
    at_start_of : Codelist or None
        Stays on whose first day an event must lie, such as an admission.
    min_age, max_age : int or None
        Age of the population at risk.
    without, having : tuple of str
        What the population at risk is free of, and what it has.
    confirm_days : int
        How long a spell of adjoining stays must last to count.
    visits : Codelist or None
        What counts instead of `codes` once visits per week are given.
    visits_per_week, weeks : int or None
        A start is the first visit of so many weeks in a row with at least so many visits each.
    times : int
        The outcome is the first event, or the one of this number.
    at_least : float or None
        An event counts only with a value of at least this.
    label_type : {"need", "use", "cost"}
    labels : mapping of str to str
        Noun phrase in Finnish, Swedish and English.
    population, text : str
        Population at risk and definition, in words.
    """

    name: str
    kind: str
    codes: Codelist | None
    source: tuple[str, ...]
    competing: Codelist | None
    excluding: Codelist | None
    at_start_of: Codelist | None
    min_age: int | None
    max_age: int | None
    without: tuple[str, ...]
    having: tuple[str, ...]
    confirm_days: int
    visits: Codelist | None
    visits_per_week: int | None
    weeks: int | None
    times: int
    at_least: float | None
    label_type: str
    labels: Mapping[str, str]
    population: str
    text: str

    def population_at_risk(
        self, *, min_history_days: int = 365, washout_days: int = 365, area: str | Iterable[str] | None = None
    ) -> Population:
        """Population at risk of the outcome.

        Parameters
        ----------
        min_history_days, washout_days, area
            As for `Population`.

        Examples
        --------
        >>> from servicenee import OUTCOMES
        >>> OUTCOMES["round_the_clock_start"].population_at_risk().without
        ['stay:round_the_clock']
        """
        return Population(
            self.min_age,
            self.max_age,
            min_history_days=min_history_days,
            without=list(self.without) or None,
            washout_days=washout_days,
            having=list(self.having) or None,
            area=area,
        )


def definition_of_row(row: Mapping) -> Definition:
    """The definition that a row of data holds; columns that are absent or empty take their usual value.

    Parameters
    ----------
    row : mapping
        Columns of ``outcomes.csv``; ``codes`` and ``label_type`` are required. Codes are the name of a shipped list, or
        prefixes as a list or in one text, separated by blanks.

    Examples
    --------
    >>> from servicenee.outcomes.definitions import definition_of_row
    >>> definition_of_row({"codes": "ICD-10:S72", "label_type": "need"}).kind
    'occurs'
    """
    unknown = sorted(set(row) - set(COLUMNS))
    if unknown:
        raise ValueError(f"an outcome's row must have columns of {', '.join(COLUMNS)}; got {unknown}.")
    cells = {name: _cell(row.get(name)) for name in COLUMNS}
    for name in ("codes", "label_type"):
        if not cells[name]:
            raise ValueError(f"an outcome's row must have a value of `{name}`; it has none.")
    codes = None if cells["codes"] == "death" else _codes(cells["codes"])
    check_choice("label_type", cells["label_type"], LABEL_TYPES)
    definition = Definition(
        name=cells["name"] or cells["codes"],
        kind=check_choice("kind", cells["kind"] or usual_kind(codes), KINDS),
        codes=codes,
        source=tuple(cells["source"].split()),
        **{name: _codes(cells[name]) for name in ("competing", "excluding", "at_start_of", "visits")},
        min_age=_whole("min_age", cells, 0),
        max_age=_whole("max_age", cells, 0),
        without=tuple(cells["without"].split()),
        having=tuple(cells["having"].split()),
        confirm_days=check_days("confirm_days", _whole("confirm_days", cells, 0) or 0),
        visits_per_week=None,
        weeks=None,
        times=_whole("times", cells, 1) or 1,
        at_least=float(cells["at_least"]) if cells["at_least"] else None,
        label_type=cells["label_type"],
        labels={language: cells[f"label_{language}"] for language in ("fi", "sv", "en")},
        population=cells["population"],
        text=cells["definition"],
    )
    return with_visits(definition, _whole("visits_per_week", cells, 1), _whole("weeks", cells, 1))


def with_visits(definition: Definition, visits_per_week: int | None, weeks: int | None) -> Definition:
    """The same outcome, started by so many visits a week for so many weeks; None leaves it as it is."""
    if visits_per_week is None and weeks is None:
        return definition
    per_week = visits_per_week or definition.visits_per_week
    if per_week is None:
        raise ValueError(f"`weeks` needs `visits_per_week`; without it {definition.name} is started by a stay.")
    weeks = weeks or definition.weeks or WEEKS
    changes = {
        "visits_per_week": check_count("visits_per_week", per_week),
        "weeks": check_count("weeks", weeks),
        "confirm_days": 7 * weeks,
        "codes": definition.visits or definition.codes,
        "visits": None,
    }
    return Definition(**{**vars(definition), **changes})


def named_definition(name: str) -> Definition:
    """One of `OUTCOMES`, by name."""
    if name not in OUTCOMES:
        raise ValueError(
            f"`event` must be one of {', '.join(OUTCOMES)}, or prefixes such as ['ICD-10:S72']; got {name!r}."
        )
    return OUTCOMES[name]


def own_definition(codes: Codelist | Iterable[str], label_type: str | None) -> Definition:
    """The definition of an outcome given as codes alone."""
    if label_type is None:
        raise ValueError(
            "`label_type` must be 'need', 'use' or 'cost' for an outcome of your own; got None. Say what the label is: "
            "use of a service is not need, and cost is neither."
        )
    codes = as_codelist(codes)
    plain = definition_of_row({"codes": "death", "name": codes.name, "label_type": label_type})
    return Definition(**{**vars(plain), "codes": codes, "kind": usual_kind(codes)})


def usual_kind(codes: Codelist | None) -> str:
    """Stays start, events occur."""
    return "starts" if codes is not None and set(codes.frame()["code_system"]) == {"stay"} else "occurs"


def _codes(cell: str) -> Codelist | None:
    if not cell:
        return None
    return as_codelist(cell) if ":" not in cell else as_codelist(cell.split())


def _cell(value) -> str:
    if isinstance(value, list | tuple):
        return " ".join(value)
    return "" if pd.isna(value) else str(value).strip()


def _whole(name: str, cells: dict[str, str], minimum: int) -> int | None:
    if not cells[name]:
        return None
    try:
        value = float(cells[name])
    except ValueError:
        value = math.nan
    # A column of numbers with gaps comes as 75.0, which is whole; 75.5 is not.
    return check_count(name, int(value) if value.is_integer() else cells[name], minimum=minimum)


def _read_table() -> pd.DataFrame:
    with (files("servicenee.outcomes") / "outcomes.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False)


_TABLE = _read_table()
COLUMNS = tuple(_TABLE.columns)
OUTCOMES: Mapping[str, Definition] = {row["name"]: definition_of_row(row) for row in _TABLE.to_dict("records")}
