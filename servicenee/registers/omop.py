"""OMOP CDM tables (5.2 to 5.4) in a folder of Parquet or CSV to `Registers`, and concept sets to code lists."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from numbers import Integral

import numpy as np
import pandas as pd

from servicenee._checks import check_fraction
from servicenee.codes import Codelist
from servicenee.registers.core import Registers
from servicenee.registers.findings import Findings
from servicenee.registers.folders import Folder, assembled, existing_folder
from servicenee.registers.omop_persons import latest_observed_day, read_persons
from servicenee.registers.schema import DATE, IDENTITY, NUMBER, TEXT

_UNMAPPED = "OMOP"  # code system of concepts without a vocabulary at hand: the code is the concept id
_NO_CONCEPT_FROM = 2**53  # whole numbers are exact in float64 up to here


def read_omop(path, *, extract_date=None, duplicates: str = "drop", tolerance: float = 0.01) -> Registers:
    """Read OMOP CDM tables from a folder of Parquet or CSV files.

    Parameters
    ----------
    path : str or path
        Folder with `person` and `observation_period`, and any of `death`, `visit_occurrence`, `condition_occurrence`
        (or `condition_era`), `drug_exposure` (or `drug_era`), `measurement`, `observation`, `procedure_occurrence`
        and `concept`; upper or lower case, CSV with comma, semicolon or tab.
    extract_date : date or ISO text, optional
        Day on which the extract was taken; by default the day after the last end of an observation period.
    duplicates : {"drop", "keep"}, default="drop"
        What becomes of events that repeat another exactly.
    tolerance : float, default=0.01
        Share of a table's rows that may be unreadable or set aside before the registers are refused.

    Returns
    -------
    Registers
        Events of the sources condition, drug (value: days of supply), measurement, observation and procedure; visits
        become events of emergency, outpatient and home_care (code system "contact") and stays of inpatient and
        round_the_clock_care, visits of other types events of the source visit. Every source covers all time.

    Raises
    ------
    RegisterError
        If tables or columns are missing or hold something else; the message lists all faults, by file and column.

    Notes
    -----
    A code is the concept's `vocabulary_id` and `concept_code` ("RxNorm", "140587") where the concept table has it, else
    "OMOP" and the concept id; concept 0 is kept as OMOP 0 and counted. Write exact codes with an equals sign,
    ``"OMOP:=192671"``, because ``"OMOP:19267"`` is a prefix of it; `concept_codelist` does so.

    A person is under observation from the start of the first observation period to the end of the last; gaps between
    periods are counted as findings. A birth date without day is taken as the 15th, without month as 1 July. Emergency
    admission is known only where the visit says so (concept 262): other inpatient stays are of the kind "inpatient",
    not "inpatient_unplanned". Era tables are read where the occurrence table is absent. Lengths of stay use the dates,
    since many databases write midnight for an unknown time of day.

    References
    ----------
    OHDSI. OMOP Common Data Model v5.4. https://ohdsi.github.io/CommonDataModel/cdm54.html

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from servicenee import read_omop
    >>> texts = {"person": "person_id,gender_concept_id,year_of_birth\\n1,8532,1940\\n",
    ...          "observation_period": "person_id,observation_period_start_date,observation_period_end_date\\n"
    ...                                "1,2015-01-01,2020-12-31\\n"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = [Path(folder, f"{name}.csv").write_text(text) for name, text in texts.items()]
    ...     read_omop(folder)
    Registers(1 person, 0 events, 0 stays, extract_date=2021-01-01)
    """
    findings = Findings(check_fraction("tolerance", tolerance))
    folder = Folder([existing_folder(path)], findings, any_case=True)
    _refuse_gaps(folder, findings)
    findings.raise_errors()
    ids = folder.ids_of("person")
    persons = read_persons(folder, ids, findings)
    if extract_date is None:
        extract_date = latest_observed_day(persons)
    concepts = _read_concepts(folder)
    events = [_read_events(folder, row, ids, concepts, findings) for row in _tables_of(folder)]
    stays = []
    if "visit_occurrence" in folder:
        contacts, stays = _read_visits(folder, ids, concepts, findings)
        events += contacts
    tables = {"persons": persons, "events": _stacked(events, ("person_id", "time", "source", "code_system", "code"))}
    tables["stays"] = _stacked(stays, ("person_id", "start", "end", "source", "kind"))
    return assembled(tables, findings, extract_date=extract_date, duplicates=duplicates)


def concept_codelist(
    path, concepts: Mapping[str, int | Iterable[int]], *, name: str, descendants: bool = True
) -> Codelist:
    """A code list of OMOP concepts, as `read_omop` writes their codes.

    Parameters
    ----------
    path : str or path
        The folder that `read_omop` reads; with `concept_ancestor` when `descendants` are wanted.
    concepts : mapping of str to concept id or list of them
        Concepts of every group.
    name : str
        Name of the list in feature columns and reports.
    descendants : bool, default=True
        Take the concepts below them in the hierarchy, too: every preparation of an ingredient, every kind of a disease.

    Returns
    -------
    Codelist
        Exact codes such as ``RxNorm:=140587``, or ``OMOP:=1118084`` where the folder has no concept table.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from servicenee.registers import concept_codelist
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = "ancestor_concept_id,descendant_concept_id\\n201826,201826\\n201826,4193704\\n"
    ...     _ = Path(folder, "concept_ancestor.csv").write_text(text)
    ...     concept_codelist(folder, {"type_2_diabetes": 201826}, name="diabetes").frame()["prefix"].tolist()
    ['=201826', '=4193704']
    """
    findings = Findings(0.0)
    folder = Folder([existing_folder(path)], findings, any_case=True)
    groups = {group: [ids] if isinstance(ids, Integral) else list(ids) for group, ids in concepts.items()}
    if descendants:
        if "concept_ancestor" not in folder:
            findings.error("concept_ancestor: there is no such file in the folder. Add it, or use descendants=False.")
            findings.raise_errors()
        groups = {group: _with_descendants(folder, ids) for group, ids in groups.items()}
    known = _read_concepts(folder)
    findings.raise_errors()
    prefixes = {}
    for group, ids in groups.items():
        systems, codes = known.of(np.array(ids, dtype=np.int64))
        prefixes[group] = [f"{system}:={code}" for system, code in zip(systems, codes, strict=True)]
    return Codelist(prefixes, name=name)


@dataclass(frozen=True)
class _Concepts:
    """Vocabulary and code of concepts, in ascending order of id."""

    ids: np.ndarray
    system: np.ndarray
    code: np.ndarray

    def of(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Code system and code of each of the ids."""
        system = np.full(len(ids), _UNMAPPED, dtype=object)
        code = np.array([str(number) for number in ids.tolist()], dtype=object)
        if len(self.ids):
            at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
            found = (self.ids[at] == ids) & (ids != 0)
            system[found], code[found] = self.system[at[found]], self.code[at[found]]
        return system, code

    def known(self, ids: np.ndarray) -> np.ndarray:
        """True for ids in the concept table; for all where there is none."""
        return np.isin(ids, self.ids) if len(self.ids) else np.ones(len(ids), dtype=bool)


def _read_concepts(folder: Folder) -> _Concepts:
    nothing = np.zeros(0, dtype=object)
    columns = {"concept_id": NUMBER, "vocabulary_id": TEXT, "concept_code": TEXT}
    if "concept" not in folder or not folder.require("concept", columns):
        return _Concepts(np.zeros(0, dtype=np.int64), nothing, nothing)
    frame = folder.read("concept", columns).dropna()
    ids = _concept_ids(frame["concept_id"])
    order = np.argsort(ids, kind="stable")
    system, code = (frame[name].astype(object).to_numpy()[order] for name in ("vocabulary_id", "concept_code"))
    return _Concepts(ids[order], system, code)


def _with_descendants(folder: Folder, ids: list[int]) -> list[int]:
    columns = {"ancestor_concept_id": NUMBER, "descendant_concept_id": NUMBER}
    if not folder.require("concept_ancestor", columns):
        return ids
    pairs = folder.read("concept_ancestor", columns)
    ancestor, descendant = (_concept_ids(pairs[name]) for name in columns)
    return sorted({*ids, *descendant[np.isin(ancestor, ids)].tolist()})


@cache
def _table_rows() -> tuple[dict[str, str], ...]:
    return tuple(_data_rows("omop_tables.csv").to_dict("records"))


def _data_rows(name: str) -> pd.DataFrame:
    with (files("servicenee.registers") / "data" / name).open(encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False)


def _tables_of(folder: Folder) -> list[dict[str, str]]:
    """Rows of omop_tables.csv to read: eras only where the occurrences are absent."""
    return [row for row in _table_rows() if row["table"] in folder and row["instead_of"] not in folder]


def _refuse_gaps(folder: Folder, findings: Findings) -> None:
    """Errors for every table and column that is missing."""
    for table in ("person", "observation_period"):
        if table not in folder:
            findings.error(f"{table}: there is no file {table}.parquet or {table}.csv in the folder. Add it.")
    wanted = {"person": ["person_id", "gender_concept_id"], "observation_period": ["person_id"], "death": ["person_id"]}
    wanted["visit_occurrence"] = ["person_id", "visit_concept_id"]
    times = {"death": ["death"], "visit_occurrence": ["visit_start", "visit_end"]}
    times["observation_period"] = ["observation_period_start", "observation_period_end"]
    for row in _tables_of(folder):
        wanted[row["table"]], times[row["table"]] = ["person_id", row["concept"]], [row["time"]]
    for table in [table for table in wanted if table in folder]:
        folder.require(table, wanted[table])
        for stem in times.get(table, []):
            if f"{stem}_datetime" not in folder.columns(table):
                folder.require(table, [f"{stem}_date"])
    if "person" in folder and "birth_datetime" not in folder.columns("person"):
        folder.require("person", ["year_of_birth"])


def _read_events(
    folder: Folder, row: dict[str, str], ids: str | None, concepts: _Concepts, findings: Findings
) -> pd.DataFrame:
    """Events of one table, as one row of omop_tables.csv says."""
    table, value, unit = row["table"], row["value"], row["unit"]
    dates = dict.fromkeys([f"{row['time']}_date", f"{row['time']}_datetime"], DATE)
    numbers = dict.fromkeys([name for name in (row["concept"], value, unit) if name], NUMBER)
    frame = folder.read(table, {"person_id": IDENTITY} | dates | numbers, ids)
    events = {"person_id": frame["person_id"].array, "time": _moments(folder, table, frame, row["time"], findings)}
    events["source"] = _constant(row["source"], len(frame))
    coded = _codes(folder, table, frame[row["concept"]], concepts, findings)
    events["code_system"], events["code"] = coded
    if value in frame:
        events["value"] = frame[value].to_numpy()
        events["unit"] = _units(frame[unit], concepts) if unit in frame else _constant(unit, len(frame))
    return pd.DataFrame(events, copy=False)


def _read_visits(
    folder: Folder, ids: str | None, concepts: _Concepts, findings: Findings
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Visits as contacts and as stays, by omop_visits.csv; those of other types as events of the source visit."""
    table = "visit_occurrence"
    dates = [f"visit_{end}_{grain}" for end in ("start", "end") for grain in ("date", "datetime")]
    columns = {"person_id": IDENTITY, "visit_concept_id": NUMBER} | dict.fromkeys(dates, DATE)
    frame = folder.read(table, columns, ids)
    frame["time"] = _moments(folder, table, frame, "visit_start", findings)
    for end in ("start", "end"):
        day = frame[f"visit_{end}_date" if f"visit_{end}_date" in frame else f"visit_{end}_datetime"]
        frame[end] = read_days(day)
    concept = _concept_ids(frame["visit_concept_id"])
    rules = _data_rows("omop_visits.csv").astype({"concept_id": np.int64})
    contacts, stays = [], []
    for (target, source, kind), rule in rules.groupby(["table", "source", "kind"], sort=True):
        rows = frame[np.isin(concept, rule["concept_id"])]
        if target == "stays":
            stay = rows[["person_id", "start", "end"]]
            stays.append(stay.assign(source=_constant(source, len(rows)), kind=_constant(kind, len(rows))))
        else:
            contact = rows[["person_id", "time"]].assign(source=_constant(source, len(rows)))
            code = {"code_system": _constant("contact", len(rows)), "code": _constant(kind, len(rows))}
            contacts.append(contact.assign(**code))
    other = ~np.isin(concept, rules["concept_id"])
    rule = "visit type that is neither a contact nor a stay here"
    findings.add(folder.file_name(table), "visit_concept_id", rule, other, "kept as events of the source visit")
    rest = frame.loc[other, ["person_id", "time"]].assign(source=_constant("visit", int(other.sum())))
    system, code = _codes(folder, table, frame.loc[other, "visit_concept_id"], concepts, findings)
    return [*contacts, rest.assign(code_system=system, code=code)], stays


def _moments(folder: Folder, table: str, frame: pd.DataFrame, stem: str, findings: Findings) -> np.ndarray:
    """Date with its time of day where both tell the same day, else the date."""
    date, moment = (frame.get(f"{stem}_{grain}") for grain in ("date", "datetime"))
    if date is None or moment is None:
        return (moment if date is None else date).to_numpy(dtype="datetime64[us]")
    date, moment = date.to_numpy(dtype="datetime64[us]"), moment.to_numpy(dtype="datetime64[us]")
    same = moment.astype("datetime64[D]") == date.astype("datetime64[D]")
    differs = ~same & ~np.isnat(moment) & ~np.isnat(date)
    findings.add(
        folder.file_name(table), f"{stem}_datetime", f"another day than {stem}_date", differs, "the date counts"
    )
    return np.where(same | np.isnat(date), moment, date)


def read_days(column: pd.Series) -> np.ndarray:
    """Dates without the time of day."""
    return column.to_numpy(dtype="datetime64[us]").astype("datetime64[D]").astype("datetime64[us]")


def _codes(
    folder: Folder, table: str, column: pd.Series, concepts: _Concepts, findings: Findings
) -> tuple[pd.Categorical, pd.Categorical]:
    """Code system and code of every row."""
    ids = _concept_ids(column)
    unmapped = ids == 0
    findings.add(folder.file_name(table), column.name, "concept 0 or none", unmapped, f"kept as {_UNMAPPED} 0")
    number, levels = pd.factorize(ids)
    unknown = ~concepts.known(levels)[number] & ~unmapped
    findings.add(folder.file_name(table), column.name, "not in concept", unknown, f"kept as {_UNMAPPED} and concept id")
    return tuple(_category(texts, number) for texts in concepts.of(levels))


def _units(column: pd.Series, concepts: _Concepts) -> pd.Categorical:
    ids = _concept_ids(column)
    number, levels = pd.factorize(ids)
    return _category(concepts.of(levels)[1], np.where(ids == 0, -1, number))


def _concept_ids(column: pd.Series) -> np.ndarray:
    """Concept ids as whole numbers; 0 where there is none, or a number that none can be."""
    numbers = column.to_numpy(dtype=np.float64)
    return np.where(np.abs(numbers) < _NO_CONCEPT_FROM, numbers, 0).astype(np.int64)


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
