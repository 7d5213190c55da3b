"""Events and stays on their way from a delivery to the registers: pieces in, one frame of each out."""

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from servicenee.registers.hilmo_people import People

Coding = tuple[np.ndarray, list[str]]  # numbers of texts by row, and the texts; -1 for none

_EVENT_COLUMNS = ("person_id", "time", "source", "code_system", "code", "value", "unit", "available_at")
_STAY_COLUMNS = ("person_id", "start", "end", "source", "kind", "available_at")


def events(
    people: People,
    place: np.ndarray,
    time: np.ndarray,
    source: str | Coding,
    code_system: str | Coding,
    code: str | Coding,
    *,
    value: np.ndarray | float = np.nan,
    unit: str | Coding = "",
    available: np.ndarray | None = None,
) -> pd.DataFrame:
    """A piece of the events table; `available` is NaT where the source's lag decides."""
    n = len(place)
    return pd.DataFrame(
        {
            "person_id": people.column(place),
            "time": time.astype("datetime64[us]"),
            "source": _text(source, n),
            "code_system": _text(code_system, n),
            "code": _text(code, n),
            "value": np.broadcast_to(value, n),
            "unit": _text(unit, n),
            "available_at": _dates(available, n),
        }
    )


def stays(
    people: People, place: np.ndarray, start: np.ndarray, end: np.ndarray, source: Coding, kind: Coding, available=None
) -> pd.DataFrame:
    """A piece of the stays table: whole days, `end` NaT while the stay is open."""
    n = len(place)
    return pd.DataFrame(
        {
            "person_id": people.column(place),
            "start": start.astype("datetime64[D]").astype("datetime64[us]"),
            "end": end.astype("datetime64[D]").astype("datetime64[us]"),
            "source": _text(source, n),
            "kind": _text(kind, n),
            "available_at": _dates(available, n),
        }
    )


def joined(pieces: list[pd.DataFrame], people: People, *, of_stays: bool = False) -> pd.DataFrame:
    """All pieces as one frame; text stays categorical, because a delivery has few distinct texts."""
    names = _STAY_COLUMNS if of_stays else _EVENT_COLUMNS
    pieces = [piece for piece in pieces if len(piece)]
    if not pieces:
        nobody, never = np.zeros(0, dtype=np.int32), np.zeros(0, dtype="datetime64[m]")
        pieces = [
            stays(people, nobody, never, never, "", "") if of_stays else events(people, nobody, never, "", "", "")
        ]
    columns = {}
    for name in names:
        parts = [piece[name] for piece in pieces]
        if isinstance(parts[0].dtype, pd.CategoricalDtype):
            columns[name] = parts[0].array if len(parts) == 1 else union_categoricals(parts)
        else:
            columns[name] = np.concatenate([part.to_numpy() for part in parts])
    return pd.DataFrame(columns, copy=False)


def coding(texts: np.ndarray) -> Coding:
    """An object array of texts, None where missing, as numbers and texts."""
    codes, levels = pd.factorize(texts)
    return codes.astype(np.int32), [str(level) for level in levels]


def picked(coding: Coding, rows: np.ndarray) -> Coding:
    """The coding of some rows."""
    return coding[0][rows], coding[1]


def _text(text: str | Coding, n: int) -> pd.Categorical:
    if isinstance(text, str):
        codes = np.full(n, 0 if text else -1, dtype=np.int8)
        return pd.Categorical.from_codes(codes, categories=_levels([text] if text else []))
    return pd.Categorical.from_codes(text[0], categories=_levels(text[1]))


def _levels(texts: list[str]) -> pd.Index:
    """Of one type, whether there are any or none: only such categoricals can be joined."""
    return pd.Index(texts, dtype=object)


def _dates(dates: np.ndarray | None, n: int) -> np.ndarray:
    if dates is None:
        return np.full(n, np.datetime64("NaT", "us"))
    return dates.astype("datetime64[us]")
