"""OMOP concept ids to code systems, codes and names; concept sets to code lists, as `read_omop` writes the codes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd

from servicenee.codes import Codelist
from servicenee.registers.arrow import Only
from servicenee.registers.databases import Database, is_engine
from servicenee.registers.findings import Findings
from servicenee.registers.folders import Folder, existing_folder
from servicenee.registers.schema import NUMBER, TEXT

UNMAPPED = "OMOP"  # code system of concepts without a vocabulary at hand: the code is the concept id
_NO_CONCEPT_FROM = 2**53  # whole numbers are exact in float64 up to here


def concept_codelist(
    path_or_engine,
    concepts: Mapping[str, int | str | Iterable[int | str]],
    *,
    name: str,
    descendants: bool = True,
    schema: str | None = None,
) -> Codelist:
    """A code list of OMOP concepts, as `read_omop` writes their codes.

    Parameters
    ----------
    path_or_engine : str, path or SQLAlchemy engine
        What `read_omop` reads; with `concept_ancestor` when `descendants` are wanted.
    concepts : mapping of str to concepts
        Concepts of every group: one or several ids, or names of standard concepts as the concept table writes them.
    name : str
        Name of the list in feature columns and reports.
    descendants : bool, default=True
        Take the concepts below them in the hierarchy, too: every preparation of an ingredient, every kind of a disease.
    schema : str, optional
        Schema of the tables in the database.

    Returns
    -------
    Codelist
        Exact codes such as ``RxNorm:=140587``, or ``OMOP:=1118084`` where there is no concept table.

    Raises
    ------
    RegisterError
        If a table that is needed is not there, or a name is not that of exactly one standard concept.

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
    tables = omop_tables(path_or_engine, findings, schema=schema)
    groups = {group: [ids] if isinstance(ids, Integral | str) else list(ids) for group, ids in concepts.items()}
    groups = _numbered(tables, groups, findings)
    if descendants:
        if "concept_ancestor" not in tables:
            tables.refuse_absent("concept_ancestor", "Add it, or use descendants=False.")
            findings.raise_errors()
        groups = {group: _with_descendants(tables, ids) for group, ids in groups.items()}
    known = read_concepts(tables, np.unique(np.concatenate([np.array(ids, np.int64) for ids in groups.values()])))
    findings.raise_errors()
    prefixes = {}
    for group, ids in groups.items():
        systems, codes = known.of(np.array(ids, dtype=np.int64))
        prefixes[group] = [f"{system}:={code}" for system, code in zip(systems, codes, strict=True)]
    return Codelist(prefixes, name=name)


def concept_names(path_or_engine, registers, *, schema: str | None = None) -> pd.DataFrame:
    """The names of the codes in registers that `read_omop` read from there.

    Parameters
    ----------
    path_or_engine : str, path or SQLAlchemy engine
        What `read_omop` read, with its concept table.
    registers : Registers
    schema : str, optional
        Schema of the tables in the database.

    Returns
    -------
    DataFrame
        code_system, code, name: one row per code of the events that the concept table knows, in order.

    Raises
    ------
    RegisterError
        If there is no concept table, or it lacks columns.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from servicenee import Registers
    >>> from servicenee.registers import concept_names
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": [1], "time": pd.to_datetime(["2015-01-01"]), "source": ["condition"],
    ...                        "code_system": ["SNOMED"], "code": ["74474003"]})
    >>> text = ("concept_id,concept_name,vocabulary_id,concept_code\\n"
    ...         "192671,Gastrointestinal hemorrhage,SNOMED,74474003\\n")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "concept.csv").write_text(text)
    ...     concept_names(folder, Registers(persons, events))["name"].tolist()
    ['Gastrointestinal hemorrhage']
    """
    findings = Findings(1.0)
    tables = omop_tables(path_or_engine, findings, schema=schema)
    if "concept" not in tables:
        tables.refuse_absent("concept")
    findings.raise_errors()
    columns = {"concept_id": NUMBER, "concept_name": TEXT, "vocabulary_id": TEXT, "concept_code": TEXT}
    tables.require("concept", columns)
    findings.raise_errors()
    frame = tables.read("concept", columns).dropna().astype({name: object for name in list(columns)[1:]})
    findings.raise_errors()
    mapped = frame.rename(columns={"vocabulary_id": "code_system", "concept_code": "code", "concept_name": "name"})
    number = [str(one) for one in concept_ids(frame["concept_id"]).tolist()]
    unmapped = pd.DataFrame({"code_system": UNMAPPED, "code": number, "name": frame["concept_name"].to_numpy()})
    known = pd.concat([mapped, unmapped], ignore_index=True)[["code_system", "code", "name"]]
    used = registers.event_columns.kinds[["code_system", "code"]].drop_duplicates()
    named = used.merge(known.drop_duplicates(["code_system", "code"]), on=["code_system", "code"])
    return named.sort_values(["code_system", "code"], ignore_index=True)


@dataclass(frozen=True)
class Concepts:
    """Vocabulary and code of concepts, in ascending order of id."""

    ids: np.ndarray
    system: np.ndarray
    code: np.ndarray
    listed: bool = True  # False: there is no concept table, so that no concept can be missing from it

    def of(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Code system and code of each of the ids."""
        system = np.full(len(ids), UNMAPPED, dtype=object)
        code = np.array([str(number) for number in ids.tolist()], dtype=object)
        if len(self.ids):
            at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
            found = (self.ids[at] == ids) & (ids != 0)
            system[found], code[found] = self.system[at[found]], self.code[at[found]]
        return system, code

    def known(self, ids: np.ndarray) -> np.ndarray:
        """True for ids in the concept table; for all where there is none."""
        return np.isin(ids, self.ids) if self.listed else np.ones(len(ids), dtype=bool)


def omop_tables(path_or_engine, findings: Findings, *, schema: str | None = None) -> Folder | Database:
    """The tables of a folder or of a database."""
    if is_engine(path_or_engine):
        return Database(path_or_engine, findings, schema=schema)
    if schema is not None:
        raise ValueError(f"`schema` must be None for a folder; got {schema!r}. It belongs to a database.")
    return Folder([existing_folder(path_or_engine)], findings, any_case=True)


def read_concepts(tables: Folder | Database, ids: np.ndarray) -> Concepts:
    """Vocabulary and code of these concepts; of none when there is no concept table.

    Only of these: a whole vocabulary has millions of concepts, an extract a few thousand.
    """
    nothing = np.zeros(0, dtype=object)
    columns = {"concept_id": NUMBER, "vocabulary_id": TEXT, "concept_code": TEXT}
    if "concept" not in tables or not tables.require("concept", columns):
        return Concepts(np.zeros(0, dtype=np.int64), nothing, nothing, listed=False)
    frame = tables.read("concept", columns, only=Only("concept_id", ids)).dropna()
    found = concept_ids(frame["concept_id"])
    order = np.argsort(found, kind="stable")
    system, code = (frame[name].astype(object).to_numpy()[order] for name in ("vocabulary_id", "concept_code"))
    return Concepts(found[order], system, code)


def concept_ids(column: pd.Series) -> np.ndarray:
    """Concept ids as whole numbers; 0 where there is none, or a number that none can be."""
    numbers = column.to_numpy(dtype=np.float64)
    return np.where(np.abs(numbers) < _NO_CONCEPT_FROM, numbers, 0).astype(np.int64)


def _numbered(
    tables: Folder | Database, groups: dict[str, list[int | str]], findings: Findings
) -> dict[str, list[int]]:
    """Concept ids in the place of names."""
    names = [one for listed in groups.values() for one in listed if isinstance(one, str)]
    if not names:
        return groups
    columns = {"concept_id": NUMBER, "concept_name": TEXT, "standard_concept": TEXT}
    if "concept" not in tables:
        tables.refuse_absent("concept")
    elif tables.require("concept", columns):
        frame = tables.read("concept", columns)
        frame = frame[frame["concept_name"].isin(names) & (frame["standard_concept"] == "S")]
        found = dict(zip(frame["concept_name"], concept_ids(frame["concept_id"]).tolist(), strict=True))
        n_of = frame["concept_name"].astype(object).value_counts()
        for name in [name for name in names if n_of.get(name, 0) != 1]:
            findings.error(
                f"concept.concept_name: {n_of.get(name, 0)} standard concepts are called {name!r}. Give the id."
            )
        findings.raise_errors()
        return {group: [found.get(one, one) for one in listed] for group, listed in groups.items()}
    findings.raise_errors()
    return groups


def _with_descendants(tables: Folder | Database, ids: list[int]) -> list[int]:
    columns = {"ancestor_concept_id": NUMBER, "descendant_concept_id": NUMBER}
    if not tables.require("concept_ancestor", columns):
        return ids
    pairs = tables.read("concept_ancestor", columns, only=Only("ancestor_concept_id", np.array(ids, dtype=np.int64)))
    return sorted({*ids, *concept_ids(pairs["descendant_concept_id"]).tolist()})
