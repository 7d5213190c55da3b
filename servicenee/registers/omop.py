"""OMOP CDM tables (5.2 to 5.4), in a folder of Parquet or CSV or in a database, to `Registers`."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa

from servicenee._checks import check_fraction
from servicenee.registers.arrow import WrongTypeError, values_of
from servicenee.registers.core import Registers
from servicenee.registers.databases import Database
from servicenee.registers.findings import Findings
from servicenee.registers.folders import Folder, assembled
from servicenee.registers.omop_concepts import UNMAPPED, Concepts, concept_ids, omop_tables, read_concepts
from servicenee.registers.omop_persons import latest_observed_day, read_persons
from servicenee.registers.schema import DATE, IDENTITY, NUMBER

_MEANING = ("concept_id", "table", "source", "kind")
_LASTING = {"visit_occurrence": ("visit", "visit_concept_id"), "episode": ("episode", "episode_concept_id")}


def read_omop(
    path_or_engine,
    *,
    schema: str | None = None,
    custom_concepts: pd.DataFrame | None = None,
    extract_date=None,
    duplicates: str = "drop",
    tolerance: float = 0.01,
) -> Registers:
    """Read OMOP CDM tables from a folder of Parquet or CSV files, or from a database.

    Parameters
    ----------
    path_or_engine : str, path or SQLAlchemy engine
        Folder or database with `person` and `observation_period`, and any of `death`, `visit_occurrence`, `episode`,
        `condition_occurrence` (or `condition_era`), `drug_exposure` (or `drug_era`), `measurement`, `observation`,
        `procedure_occurrence`, `device_exposure` and `concept`; upper or lower case, CSV with comma, semicolon or tab.
    schema : str, optional
        Schema of the tables in the database; by default that of the connection.
    custom_concepts : DataFrame, optional
        What concepts of your own mean, such as those of social care, for which OMOP has none: concept_id (from
        2,000,000,000 on), table ("events" or "stays"), source and kind, as in the last example. Events are taken from
        any table, stays from `visit_occurrence` and `episode`. A concept of the standard listed here gets this meaning
        instead of ours.
    extract_date : date or ISO text, optional
        Day on which the extract was taken; by default the day after the last end of an observation period.
    duplicates : {"drop", "keep"}, default="drop"
        What becomes of events that repeat another exactly.
    tolerance : float, default=0.01
        Share of a table's rows that may be set aside before the registers are refused; of a column's values, five
        times as much may be unreadable.

    Returns
    -------
    Registers
        Events of the sources condition, drug (value: days of supply), measurement, observation, procedure and device;
        visits become events of emergency, outpatient and home_care (code system "contact") and stays of inpatient and
        round_the_clock_care, visits of other types events of the source visit. Every source covers all time.

    Raises
    ------
    RegisterError
        If tables or columns are missing or hold something else; the message lists all faults, by table and column.

    Notes
    -----
    A code is the concept's `vocabulary_id` and `concept_code` ("RxNorm", "140587") where the concept table has it, else
    "OMOP" and the concept id; concept 0 is kept as OMOP 0 and counted. Write exact codes with an equals sign,
    ``"OMOP:=192671"``, because ``"OMOP:19267"`` is a prefix of it; `concept_codelist` does so, and `concept_names`
    gives the names.

    A person is under observation from the start of the first observation period to the end of the last; gaps between
    periods are counted as findings. A birth date without day is taken as the 15th, without month as 1 July. Emergency
    admission is known only where the visit says so (concept 262): other inpatient stays are of the kind "inpatient",
    not "inpatient_unplanned". Era tables are read where the occurrence table is absent. Lengths of stay use the dates,
    since many databases write midnight for an unknown time of day. A database gives its rows in chunks, and of its
    vocabulary only the concepts that occur.

    References
    ----------
    OHDSI. OMOP Common Data Model v5.4. https://ohdsi.github.io/CommonDataModel/cdm54.html

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from servicenee import read_omop
    >>> texts = {"person": "person_id,gender_concept_id,year_of_birth\\n1,8532,1940\\n",
    ...          "observation_period": "person_id,observation_period_start_date,observation_period_end_date\\n"
    ...                                "1,2015-01-01,2020-12-31\\n",
    ...          "visit_occurrence": "person_id,visit_concept_id,visit_start_date,visit_end_date\\n"
    ...                              "1,2000000001,2016-01-01,2016-06-30\\n"}
    >>> ours = pd.DataFrame({"concept_id": [2_000_000_001], "table": ["stays"], "source": ["home_care"],
    ...                      "kind": ["home_care"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = [Path(folder, f"{name}.csv").write_text(text) for name, text in texts.items()]
    ...     read_omop(folder, custom_concepts=ours)
    Registers(1 person, 0 events, 1 stay, extract_date=2021-01-01)
    """
    findings = Findings(check_fraction("tolerance", tolerance))
    meanings = _meanings(custom_concepts)
    tables = omop_tables(path_or_engine, findings, schema=schema)
    _refuse_gaps(tables, findings)
    findings.raise_errors()
    ids = tables.ids_of("person")
    persons = read_persons(tables, ids, findings)
    if extract_date is None:
        extract_date = latest_observed_day(persons)
    concepts = read_concepts(tables, _used_concepts(tables))
    reading = _Reading(tables, ids, concepts, meanings, findings)
    events = [frame for row in _tables_of(tables) for frame in _read_events(reading, row)]
    stays = []
    for table in [table for table in _LASTING if table in tables]:
        contacts, lasting = _read_lasting(reading, table)
        events, stays = events + contacts, stays + lasting
    stacked = {"persons": persons, "events": _stacked(events, ("person_id", "time", "source", "code_system", "code"))}
    stacked["stays"] = _stacked(stays, ("person_id", "start", "end", "source", "kind"))
    return assembled(stacked, findings, extract_date=extract_date, duplicates=duplicates)


@dataclass(frozen=True)
class _Reading:
    """What every table is read with."""

    tables: Folder | Database
    ids: str | None
    concepts: Concepts
    meanings: pd.DataFrame
    findings: Findings


def _meanings(custom: pd.DataFrame | None) -> pd.DataFrame:
    """What concepts mean that are contacts or stays: ours, and those given, which come first."""
    ours = _data_rows("omop_visits.csv").astype({"concept_id": np.int64})[list(_MEANING)].assign(custom=False)
    if custom is None:
        return ours
    missing = [name for name in _MEANING if name not in custom.columns]
    if missing or custom[list(_MEANING)].isna().to_numpy().any() or not custom["table"].isin(["events", "stays"]).all():
        raise ValueError(
            "`custom_concepts` must be a table with concept_id, table ('events' or 'stays'), source and kind, all "
            f"filled in; got the columns {list(custom.columns)}."
        )
    given = custom[list(_MEANING)].astype({"concept_id": np.int64}).assign(custom=True)
    return pd.concat([ours[~ours["concept_id"].isin(given["concept_id"])], given], ignore_index=True)


@cache
def _table_rows() -> tuple[dict[str, str], ...]:
    return tuple(_data_rows("omop_tables.csv").to_dict("records"))


def _data_rows(name: str) -> pd.DataFrame:
    with (files("servicenee.registers") / "data" / name).open(encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False)


def _tables_of(tables: Folder | Database) -> list[dict[str, str]]:
    """Rows of omop_tables.csv to read: eras only where the occurrences are absent."""
    return [row for row in _table_rows() if row["table"] in tables and row["instead_of"] not in tables]


def _refuse_gaps(tables: Folder | Database, findings: Findings) -> None:
    """Errors for every table and column that is missing."""
    for table in [table for table in ("person", "observation_period") if table not in tables]:
        tables.refuse_absent(table)
    wanted = {"person": ["person_id", "gender_concept_id"], "observation_period": ["person_id"], "death": ["person_id"]}
    times = {"death": ["death"]} | {"observation_period": ["observation_period_start", "observation_period_end"]}
    for table, (stem, concept) in _LASTING.items():
        wanted[table], times[table] = ["person_id", concept], [f"{stem}_start", f"{stem}_end"]
    for row in _tables_of(tables):
        wanted[row["table"]], times[row["table"]] = ["person_id", row["concept"]], [row["time"]]
    for table in [table for table in wanted if table in tables]:
        tables.require(table, wanted[table])
        for stem in times.get(table, []):
            if f"{stem}_datetime" not in tables.columns(table):
                tables.require(table, [f"{stem}_date"])
    if "person" in tables and "birth_datetime" not in tables.columns("person"):
        tables.require("person", ["year_of_birth"])


def _used_concepts(tables: Folder | Database) -> np.ndarray:
    """Every concept that occurs, once."""
    columns = [(row["table"], row[name]) for row in _tables_of(tables) for name in ("concept", "unit") if row[name]]
    columns += [(table, concept) for table, (_, concept) in _LASTING.items() if table in tables]
    if "concept" not in tables:
        return np.zeros(0, dtype=np.int64)
    found = [_numbers(tables.distinct(table, column)) for table, column in columns]
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *found]))


def _numbers(column) -> np.ndarray:
    """Concept ids of distinct values; what is none is told when the table is read."""
    try:
        return concept_ids(pd.Series(values_of(column, NUMBER)[0]))
    except (WrongTypeError, pa.ArrowInvalid):
        return np.zeros(0, dtype=np.int64)


def _read_events(reading: _Reading, row: dict[str, str]) -> list[pd.DataFrame]:
    """Events of one table, as one row of omop_tables.csv says; those of custom concepts apart."""
    tables, (table, value, unit) = reading.tables, (row[name] for name in ("table", "value", "unit"))
    dates = dict.fromkeys([f"{row['time']}_date", f"{row['time']}_datetime"], DATE)
    numbers = dict.fromkeys([name for name in (row["concept"], value, unit) if name], NUMBER)
    frame = tables.read(table, {"person_id": IDENTITY} | dates | numbers, reading.ids)
    events = {"person_id": frame["person_id"].array, "time": _moments(reading, table, frame, row["time"])}
    events["source"] = _constant(row["source"], len(frame))
    concept = concept_ids(frame[row["concept"]])
    ours = reading.meanings[reading.meanings["custom"] & (reading.meanings["table"] == "events")]
    custom = np.isin(concept, ours["concept_id"])
    events["code_system"], events["code"] = _codes(reading, table, row["concept"], concept, ~custom)
    if value in frame:
        events["value"] = frame[value].to_numpy()
        events["unit"] = _units(frame[unit], reading.concepts) if unit in frame else _constant(unit, len(frame))
    made = pd.DataFrame(events, copy=False)
    if not custom.any():
        return [made]
    return [made[~custom], *_contacts(made, concept, ours)]


def _contacts(frame: pd.DataFrame, concept: np.ndarray, meanings: pd.DataFrame) -> list[pd.DataFrame]:
    """Events that are contacts, by source and kind."""
    made = []
    for (source, kind), listed in meanings.groupby(["source", "kind"], sort=True):
        rows = frame[np.isin(concept, listed["concept_id"])]
        n = len(rows)
        code = {"code_system": _constant("contact", n), "code": _constant(kind, n)}
        made.append(rows.assign(source=_constant(source, n), **code))
    return made


def _read_lasting(reading: _Reading, table: str) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Visits (or episodes) as contacts and as stays, by what concepts mean; the others as events of source visit."""
    stem, name = _LASTING[table]
    dates = [f"{stem}_{end}_{grain}" for end in ("start", "end") for grain in ("date", "datetime")]
    columns = {"person_id": IDENTITY, name: NUMBER} | dict.fromkeys(dates, DATE)
    frame = reading.tables.read(table, columns, reading.ids)
    frame["time"] = _moments(reading, table, frame, f"{stem}_start")
    for end in ("start", "end"):
        day = frame[f"{stem}_{end}_date" if f"{stem}_{end}_date" in frame else f"{stem}_{end}_datetime"]
        frame[end] = read_days(day)
    concept = concept_ids(frame[name])
    lasting = reading.meanings["table"] == "stays"
    stays = []
    for (source, kind), listed in reading.meanings[lasting].groupby(["source", "kind"], sort=True):
        rows = frame.loc[np.isin(concept, listed["concept_id"]), ["person_id", "start", "end"]]
        stays.append(rows.assign(source=_constant(source, len(rows)), kind=_constant(kind, len(rows))))
    contacts = _contacts(frame[["person_id", "time"]], concept, reading.meanings[~lasting])
    other = ~np.isin(concept, reading.meanings["concept_id"])
    fault = f"{stem} type that is neither a contact nor a stay here"
    file = reading.tables.file_name(table)
    reading.findings.add(file, name, fault, other, f"kept as events of the source {stem}")
    system, code = _codes(reading, table, name, concept, other)
    rest = frame.loc[other, ["person_id", "time"]].assign(source=_constant(stem, int(other.sum())))
    return [*contacts, rest.assign(code_system=system[other], code=code[other])], stays


def _moments(reading: _Reading, table: str, frame: pd.DataFrame, stem: str) -> np.ndarray:
    """Date with its time of day where both tell the same day, else the date."""
    date, moment = (frame.get(f"{stem}_{grain}") for grain in ("date", "datetime"))
    if date is None or moment is None:
        return (moment if date is None else date).to_numpy(dtype="datetime64[us]")
    date, moment = date.to_numpy(dtype="datetime64[us]"), moment.to_numpy(dtype="datetime64[us]")
    same = moment.astype("datetime64[D]") == date.astype("datetime64[D]")
    differs = ~same & ~np.isnat(moment) & ~np.isnat(date)
    file, fault = reading.tables.file_name(table), "another day than the date column"
    reading.findings.add(file, f"{stem}_datetime", fault, differs, "the date counts")
    return np.where(same | np.isnat(date), moment, date)


def read_days(column: pd.Series) -> np.ndarray:
    """Dates without the time of day."""
    return column.to_numpy(dtype="datetime64[us]").astype("datetime64[D]").astype("datetime64[us]")


def _codes(
    reading: _Reading, table: str, column: str, concept: np.ndarray, counted: np.ndarray
) -> tuple[pd.Categorical, pd.Categorical]:
    """Code system and code of every row; findings on the rows that are `counted`."""
    file = reading.tables.file_name(table)
    unmapped = concept == 0
    reading.findings.add(file, column, "concept 0 or none", counted & unmapped, f"kept as {UNMAPPED} 0")
    number, levels = pd.factorize(concept)
    unknown = ~reading.concepts.known(levels)[number] & ~unmapped & counted
    reading.findings.add(file, column, "not in concept", unknown, f"kept as {UNMAPPED} and concept id")
    return tuple(_category(texts, number) for texts in reading.concepts.of(levels))


def _units(column: pd.Series, concepts: Concepts) -> pd.Categorical:
    ids = concept_ids(column)
    number, levels = pd.factorize(ids)
    return _category(concepts.of(levels)[1], np.where(ids == 0, -1, number))


def _category(texts: np.ndarray, number: np.ndarray) -> pd.Categorical:
    """`texts[number]` as a categorical; -1 is missing."""
    codes, levels = pd.factorize(texts)
    return pd.Categorical.from_codes(np.append(codes, -1)[number], levels)


def _constant(text: str, n: int) -> pd.Categorical:
    return pd.Categorical.from_codes(np.zeros(n, dtype=np.int8), [text])


def _stacked(frames: list[pd.DataFrame], required: tuple[str, ...]) -> pd.DataFrame:
    """The frames below each other, categoricals kept; columns that only some have are missing in the others."""
    names = dict.fromkeys([*required, *(name for frame in frames for name in frame.columns)])
    return pd.DataFrame({name: _stacked_column(frames, name) for name in names}, copy=False)


def _stacked_column(frames: list[pd.DataFrame], name: str):
    present = [frame[name] for frame in frames if name in frame]
    if not any(isinstance(column.dtype, pd.CategoricalDtype) for column in present):
        parts = [frame.get(name, pd.Series(np.nan, index=frame.index)) for frame in frames]
        return pd.concat(parts, ignore_index=True) if parts else pd.Series(dtype=object)
    levels: dict[str, int] = {}
    codes = []
    for frame in frames:
        column = frame[name].array if name in frame else pd.Categorical.from_codes(np.full(len(frame), -1), [])
        place = [levels.setdefault(level, len(levels)) for level in column.categories]
        codes.append(np.array([*place, -1], dtype=np.int32)[column.codes])
    return pd.Categorical.from_codes(np.concatenate(codes), list(levels))
