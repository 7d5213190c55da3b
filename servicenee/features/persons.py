"""Builder on persons: age, sex, language and further columns of the persons table."""

from functools import partial

import numpy as np

from servicenee.cohort import Cohort, exact_age
from servicenee.features.blocks import Block, Feature
from servicenee.features.builders import Builder
from servicenee.features.labels import known_text
from servicenee.registers import Registers
from servicenee.registers.tables import TextColumn
from servicenee.texts import LANGUAGES

_LEVELS = {"sex": ("female",), "language": ("sv", "other")}


class Demographics(Builder):
    """Age and descriptors of the person on the index date.

    Parameters
    ----------
    columns : list of str, default=("age", "sex")
        "age": years since birth, with a fraction; "sex": sex_female 1 or 0; "language": language_sv and language_other,
        against Finnish; any other name is a numeric column of persons, such as "living_alone".

    Notes
    -----
    NaN means unknown, or that the registers have no such column. Language and area are left out by default: they may
    stand for unequal access rather than for need.

    Examples
    --------
    >>> from servicenee import Demographics, Population, make_registers
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> Demographics().fit_transform(cohort).columns.tolist()
    ['age', 'sex_female']
    """

    def __init__(self, columns=("age", "sex")):
        self.columns = columns

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers."""
        columns = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        return [block for name in columns for block in _blocks(name, registers)]


def _blocks(name: str, registers: Registers) -> list[Block]:
    if name == "age":
        return [Block((_feature("age", "age", ""),), compute=_age)]
    column = registers.person_columns.extra.get(name)
    if name in _LEVELS:
        return [
            Block((_feature(f"{name}_{level}", name, level),), compute=partial(_is_level, name=name, level=level))
            for level in _LEVELS[name]
        ]
    if isinstance(column, TextColumn):
        raise ValueError(
            f"`columns` must name 'age', 'sex', 'language' or numeric columns of persons; got text {name!r}."
        )
    return [Block((_feature(name, name, ""),), compute=partial(_number, name=name))]


def _feature(name: str, measure: str, level: str) -> Feature:
    key = f"features.person.{name}"
    labels = {language: known_text(key, language) or name for language in LANGUAGES}
    topic = "age" if measure == "age" else "background"
    return Feature(name, measure, group=level, topic=topic, labels=labels)


def _age(cohort: Cohort) -> np.ndarray:
    return exact_age(cohort.registers.person_columns.birth_day[cohort.person], cohort.index_day)


def _is_level(cohort: Cohort, *, name: str, level: str) -> np.ndarray:
    column = cohort.registers.person_columns.extra.get(name)
    if not isinstance(column, TextColumn):
        return np.full(len(cohort), np.nan)
    codes = column.codes[cohort.person]
    number = column.levels.index(level) if level in column.levels else -2
    return np.where(codes < 0, np.nan, codes == number)


def _number(cohort: Cohort, *, name: str) -> np.ndarray:
    column = cohort.registers.person_columns.extra.get(name)
    return np.full(len(cohort), np.nan) if column is None else column[cohort.person]
