"""Builder on persons: age, sex, language and further columns of the persons table."""

from functools import partial

import numpy as np

from servicenee.cohort import Cohort, exact_age
from servicenee.features.blocks import Block, Feature
from servicenee.features.builders import Builder
from servicenee.registers import Registers
from servicenee.registers.tables import TextColumn
from servicenee.texts import LANGUAGES, known_text

# Levels that get a column; those that are left out are what the columns are compared with.
_LEVELS = {
    "sex": ("female",),
    "language": ("sv", "other"),
    "urban_rural": ("K2", "K3", "M4", "M5", "M6", "M7"),
}
_KNOWN = {"sex": ("female", "male")}  # any other spelling is unknown, not the other sex


class Demographics(Builder):
    """Age and descriptors of the person on the index date.

    Parameters
    ----------
    columns : list of str, default=("age", "sex")
        "age": years since birth, with a fraction; "sex": sex_female 1 or 0; "language": language_sv and language_other,
        against Finnish (any language but Finnish and
        Swedish is "other"); "urban_rural": the classes K2 to M7 of the urban-rural classification, against the inner
        urban area K1; any other name is a numeric column of persons, such as "living_alone" or "income".
    levels : dict of str to list of str, optional
        Levels of text columns that get a column of 1 and 0, e.g. ``{"education": ["secondary", "tertiary"]}``; the
        levels not named are what they are compared with. They are stated, not found in the data, so that X has the same
        columns in every extract.

    Notes
    -----
    0 means another level. NaN means unknown, or that the registers have no such column. Language, area and income are
    left out by default: they may stand for unequal access rather than for need.

    References
    ----------
    Finnish Environment Institute: urban-rural classification (seven classes, K1-K3 and M4-M7).

    Examples
    --------
    A woman born on 1 July 1940 who lives alone in a rural heartland area, seen on 1 January 2024: 83.5 years old.

    >>> import pandas as pd
    >>> from servicenee import Cohort, Demographics, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-07-01"]), "sex": ["female"],
    ...                         "living_alone": [1], "urban_rural": ["M6"], "education": ["basic"]})
    >>> events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> builder = Demographics(["age", "living_alone", "education"], levels={"education": ["secondary", "tertiary"]})
    >>> builder.fit_transform(cohort).astype(float).round(1).iloc[0].tolist()
    [83.5, 1.0, 0.0, 0.0]
    >>> Demographics("urban_rural").fit_transform(cohort)["urban_rural_M6"].item()
    1.0

    >>> Demographics().fit_transform(cohort).columns.tolist()
    ['age', 'sex_female']
    """

    def __init__(self, columns=("age", "sex"), *, levels=None):
        self.columns = columns
        self.levels = levels

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers."""
        columns = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        levels = _checked_levels(self.levels, columns)
        return [block for name in columns for block in _blocks(name, levels, registers)]


def _checked_levels(levels, columns: list[str]) -> dict[str, tuple[str, ...]]:
    given = {} if levels is None else levels
    wrong = not isinstance(given, dict) or any(isinstance(named, str) or not named for named in given.values())
    if wrong or any(name not in columns or len(set(named)) < len(list(named)) for name, named in given.items()):
        raise ValueError(
            f"`levels` must list the levels of text columns named in `columns`, each once; got {levels!r}. "
            'For example {"education": ["secondary", "tertiary"]}.'
        )
    return _LEVELS | {name: tuple(named) for name, named in given.items()}


def _blocks(name: str, levels: dict[str, tuple[str, ...]], registers: Registers) -> list[Block]:
    if name == "age":
        return [Block((_feature("age", "age", ""),), compute=_age)]
    column = registers.person_columns.extra.get(name)
    if name in levels:
        return [
            Block((_feature(f"{name}_{level}", name, level),), compute=partial(_is_level, name=name, level=level))
            for level in levels[name]
        ]
    if isinstance(column, TextColumn):
        raise ValueError(
            f"`columns` must name 'age', 'sex', 'language', 'urban_rural' or numeric columns of persons; got text "
            f"{name!r}. Name the levels of a text column in `levels`."
        )
    return [Block((_feature(name, name, ""),), compute=partial(_number, name=name))]


def _feature(name: str, measure: str, level: str) -> Feature:
    topic = "age" if measure == "age" else "background"
    return Feature(name, measure, group=level, topic=topic, words=partial(_labels, name, measure, level))


def _labels(name: str, measure: str, level: str) -> dict[str, str]:
    return {language: _label(name, measure, level, language) for language in LANGUAGES}


def _label(name: str, measure: str, level: str, language: str) -> str:
    known = known_text(f"features.person.{name}", language)
    column = known_text(f"features.measure.{measure}", language) or measure
    return known or (f"{column}: {level}" if level else column)


def _age(cohort: Cohort) -> np.ndarray:
    return exact_age(cohort.registers.person_columns.birth_day[cohort.person], cohort.index_day)


def _is_level(cohort: Cohort, *, name: str, level: str) -> np.ndarray:
    column = cohort.registers.person_columns.extra.get(name)
    if not isinstance(column, TextColumn):
        return np.full(len(cohort), np.nan)
    levels = np.array([*column.levels, None], dtype=object)  # code -1 stands for the missing level at the end
    known = np.array([one is not None and one in _KNOWN.get(name, levels) for one in levels])
    found = levels == level
    if (name, level) == ("language", "other"):
        found = ~np.isin(levels, ("fi", "sv"))  # registers write many languages, the features know three
    return np.where(known, found, np.nan)[column.codes[cohort.person]]


def _number(cohort: Cohort, *, name: str) -> np.ndarray:
    column = cohort.registers.person_columns.extra.get(name)
    return np.full(len(cohort), np.nan) if column is None else column[cohort.person]
