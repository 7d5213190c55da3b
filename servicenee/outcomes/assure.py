"""An outcome and persons written by hand in; their labels out, or an error that says which is not as expected."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort
from servicenee.outcomes.definitions import Definition
from servicenee.outcomes.found import LABEL_COLUMNS
from servicenee.outcomes.outcome import Outcome
from servicenee.registers import Registers

STATUS_WORDS = ("no event", "event", "death", "censored", "other event")
_LIFE = {"birth_date": "1940-01-01", "registered_from": None, "registered_to": None, "death_date": None}
_KNOWN = ("person", "index_date", "events", "stays", *_LIFE, *LABEL_COLUMNS)


def assure(
    outcome: Outcome,
    persons: pd.DataFrame | Iterable[Mapping],
    *,
    index_date: str = "2022-01-01",
    extract_date: str = "2030-01-01",
) -> pd.DataFrame:
    """Check the definition of an outcome on persons written by hand.

    Parameters
    ----------
    outcome : Outcome
    persons : DataFrame or list of dict
        One row per person. What happened: ``stays``, a text such as ``"home_care 2022-03-01..2022-07-01"`` (kind, first
        day and first day after; nothing after ``..`` is an open stay) or a list of them; ``events``, such as
        ``"ICD-10:S720 2022-05-02"`` or ``"lab:HbA1c 2022-05-02 71"`` (code, day and, if it matters, value), likewise. A
        source may stand in front: ``"inpatient ICD-10:I509 2022-05-02"``; by default it is one the outcome asks for.
        Optional: ``person`` (a name for messages), ``index_date``, ``birth_date``, ``registered_from``,
        ``registered_to``, ``death_date``. What is expected: at least one of ``status`` (0 to 4, or "no event", "event",
        "death", "censored", "other event"), ``time_days``, ``value`` and ``exposure_days``.
    index_date : str, default="2022-01-01"
        Index date of persons who have none of their own.
    extract_date : str, default="2030-01-01"
        Nothing is known from this day on.

    Returns
    -------
    DataFrame
        person, index_date and the labels found: one row per person, all as expected.

    Raises
    ------
    ValueError
        If a label is not as expected, listing every such person; or if a person cannot be read.

    References
    ----------
    The idea is that of ``assure`` in OpenSAFELY's ehrQL: a definition comes with the cases that show what it means.

    Examples
    --------
    >>> from servicenee import Outcome, assure
    >>> table = assure(Outcome("home_care_start"), [
    ...     {"stays": "home_care 2022-03-01..2022-04-30", "status": "event", "time_days": 59},
    ...     {"stays": "home_care 2022-03-01..2022-04-29", "status": "no event"},
    ...     {"stays": "round_the_clock 2022-02-01..", "status": "other event"},
    ... ])
    >>> table["status"].tolist()
    [1, 0, 4]
    """
    rows = persons.to_dict("records") if isinstance(persons, pd.DataFrame) else [dict(person) for person in persons]
    if not rows:
        raise ValueError("`persons` must hold at least one person; got none.")
    names = [str(row.get("person") or f"person {number}") for number, row in enumerate(rows, start=1)]
    for name, row in zip(names, rows, strict=True):
        _check(name, row)
    registers = _registers(names, rows, outcome.definition, extract_date)
    dates = [_given(row, "index_date", index_date) for row in rows]
    ids = [f"{number:06d}" for number in range(len(rows))]
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ids, "index_date": dates}))
    labels = outcome.label(cohort).reset_index(drop=True)
    wrong = [
        (number, f"{name}: {column} is {_shown(column, found)}, expected {_shown(column, expected)}")
        for number, (name, row, found_row) in enumerate(zip(names, rows, labels.to_dict("records"), strict=True))
        for column, expected in _expected(row).items()
        if (found := found_row[column]) != expected
    ]
    if wrong:
        n_persons = len({number for number, _ in wrong})
        raise ValueError(
            f"`persons` must have the labels expected of them; {n_persons} of {len(rows)} persons' labels differ:\n- "
            + "\n- ".join(line for _, line in wrong)
        )
    return labels.assign(person=names, index_date=pd.to_datetime(dates))[["person", "index_date", *LABEL_COLUMNS]]


def _check(name: str, row: dict) -> None:
    unknown = [column for column in row if column not in _KNOWN]
    if unknown:
        raise ValueError(f"`persons` must have columns of {', '.join(_KNOWN)}; {name} has {unknown}.")
    if not _expected(row):
        raise ValueError(f"`persons` must say what is expected: {name} has none of {', '.join(LABEL_COLUMNS)}.")


def _expected(row: dict) -> dict[str, float]:
    expected = {}
    for column in LABEL_COLUMNS:
        value = _given(row, column)
        if column == "status" and isinstance(value, str) and value in STATUS_WORDS:
            value = STATUS_WORDS.index(value)
        if value is not None:
            expected[column] = float(value)
    return expected


def _shown(column: str, value: float) -> str:
    whole = f"{value:g}"
    return f"{whole} ({STATUS_WORDS[int(value)]})" if column == "status" and value in range(5) else whole


def _given(row: dict, column: str, default=None):
    value = row.get(column)
    return default if value is None or (not isinstance(value, list | tuple) and pd.isna(value)) else value


def _registers(names: list[str], rows: list[dict], definition: Definition, extract_date: str) -> Registers:
    ids = np.array([f"{number:06d}" for number in range(len(rows))], dtype=object)
    persons = pd.DataFrame({"person_id": ids, "sex": "female"})
    for column, default in _LIFE.items():
        persons[column] = pd.to_datetime(pd.Series([_given(row, column, default) for row in rows], dtype=object))
    parts: dict[str, list[dict]] = {"events": [], "stays": []}
    for table, read in (("events", _event), ("stays", _stay)):
        for name, person_id, row in zip(names, ids, rows, strict=True):
            written = _given(row, table, [])
            for line in [written] if isinstance(written, str) else written:
                parts[table].append({"person_id": person_id, **_read(read, name, line, definition)})
    events = pd.DataFrame(parts["events"], columns=["person_id", "time", "source", "code_system", "code", "value"])
    stays = pd.DataFrame(parts["stays"], columns=["person_id", "start", "end", "source", "kind"])
    found = {*events["source"], *stays["source"], *definition.source}
    coverage = pd.DataFrame({"source": sorted(found), "reporting_lag_days": 0})
    events = events.astype({"time": "datetime64[us]", "value": float})
    stays = stays.astype({"start": "datetime64[us]", "end": "datetime64[us]"})
    return Registers(persons, events, stays, coverage=coverage, extract_date=extract_date)


def _read(read, name: str, line: str, definition: Definition) -> dict:
    try:
        return read(line.split(), definition)
    except (ValueError, IndexError):
        raise ValueError(
            f"`persons` must write stays as 'home_care 2022-03-01..2022-07-01' and events as "
            f"'ICD-10:S720 2022-05-02'; {name} has {line!r}."
        ) from None


def _event(words: list[str], definition: Definition) -> dict:
    source, words = (None, words) if ":" in words[0] else (words[0], words[1:])
    system, code = words[0].split(":")
    value = float(words[2]) if len(words) > 2 else np.nan
    if source is None:
        matched = definition.codes is not None and definition.codes.matches([system], [code]).any()
        source = _source(definition, matched)
    return {"time": pd.Timestamp(words[1]), "source": source, "code_system": system, "code": code, "value": value}


def _stay(words: list[str], definition: Definition) -> dict:
    *source, kind, days = words
    start, dots, end = days.partition("..")
    if not dots or len(source) > 1:
        raise ValueError
    counts = definition.codes is not None and definition.codes.matches(["stay"], [kind]).any()
    return {
        "start": pd.Timestamp(start),
        "end": pd.Timestamp(end) if end else pd.NaT,
        "source": source[0] if source else _source(definition, counts),
        "kind": kind,
    }


def _source(definition: Definition, counts: bool) -> str:
    """A source the outcome asks for, where the event or stay is of a kind that counts."""
    return definition.source[0] if counts and definition.source else "written"
