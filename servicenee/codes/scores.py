"""Score tables as data rows: which codes belong to a category, what it weighs, and which category it gives way to."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

from servicenee.codes.codelist import Codelist, codelist_of_rows

_FOLDER = "scoretables"


@dataclass(frozen=True)
class ScoreTable:
    """A shipped score: its categories, their weights, and the hierarchy among them.

    Attributes
    ----------
    codelist : Codelist
        Categories and their code prefixes.
    weights : dict of str to dict of str to float
        Weight of every category by the name of the weight set; categories that a set does not weigh are absent.
    superseded_by : dict of str to str
        A milder category and the severer one that, when present, takes its place.
    """

    codelist: Codelist
    weights: dict[str, dict[str, float]]
    superseded_by: dict[str, str]


def shipped_scores() -> list[str]:
    """Names of the score tables that come with the package.

    Examples
    --------
    >>> from servicenee.codes import shipped_scores
    >>> "hfrs" in shipped_scores()
    True
    """
    folder = files("servicenee.codes") / _FOLDER
    return sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".csv"))


@cache
def load_score(name: str) -> ScoreTable:
    """One of the shipped score tables, by name.

    Parameters
    ----------
    name : str
        One of `shipped_scores`.

    Raises
    ------
    ValueError
        If no table has that name; the message names those there are.

    Examples
    --------
    >>> from servicenee.codes import load_score
    >>> table = load_score("charlson_quan2005")
    >>> table.weights["quan2011"]["metacanc"], table.superseded_by["canc"]
    (6.0, 'metacanc')
    """
    if name not in shipped_scores():
        raise ValueError(f"`name` must name a shipped score table ({', '.join(shipped_scores())}); got {name!r}.")
    with (files("servicenee.codes") / _FOLDER / f"{name}.csv").open(encoding="utf-8") as stream:
        rows = pd.read_csv(stream, dtype=str, keep_default_na=False)
    categories = rows.drop_duplicates("group")
    weights = {
        column.removeprefix("weight_"): {
            group: float(weight)
            for group, weight in zip(categories["group"], categories[column], strict=True)
            if weight
        }
        for column in rows.columns
        if column.startswith("weight_")
    }
    superseded = zip(categories["group"], categories["superseded_by"], strict=True)
    return ScoreTable(codelist_of_rows(rows, name), weights, {mild: severe for mild, severe in superseded if severe})
