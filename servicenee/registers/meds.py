"""Medical Event Data Standard (MEDS), a folder of Parquet shards, to `Registers`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from servicenee._checks import check_dates, check_fraction, name_some
from servicenee.registers.arrow import read_parquet
from servicenee.registers.core import Registers
from servicenee.registers.findings import Findings
from servicenee.registers.folders import assembled, existing_folder, frame_of, require_columns
from servicenee.registers.schema import DATE, IDENTITY, NUMBER, TEXT

_COLUMNS = {"subject_id": IDENTITY, "time": DATE, "code": TEXT, "numeric_value": NUMBER}
_REQUIRED = ("subject_id", "time", "code")
_PLACE = "data"  # the shards together, as messages call them
_NO_SYSTEM = "MEDS"  # code system of a code without a separator


def read_meds(
    path,
    *,
    coverage: pd.DataFrame,
    sources: Mapping[str, str] | None = None,
    sexes: Mapping[str, str] | None = None,
    duplicates: str = "drop",
    tolerance: float = 0.01,
) -> Registers:
    """Read data in the MEDS layout.

    Parameters
    ----------
    path : str or path
        Folder with the Parquet shards in `data` (and its subfolders, such as train and tuning), or right in it:
        subject_id, time, code, and optionally numeric_value.
    coverage : DataFrame
        source, from, to, and optionally reporting_lag_days, as in `Registers`; `to` is needed. MEDS has no observation
        periods, so nothing in the data tells a quiet year from a year that was not collected. The latest `to` is the
        extract date.
    sources : mapping of str to str, optional
        Source of every code system, where it is not the code system in lower case: ``{"ATC": "purchases"}``.
    sexes : mapping of str to {"female", "male"}, optional
        Codes that tell the sex, besides the usual ``GENDER//F`` and ``GENDER//M``.
    duplicates : {"drop", "keep"}, default="drop"
        What becomes of events that repeat another exactly.
    tolerance : float, default=0.01
        Share of the rows that may be set aside before the registers are refused; of a column's values, five
        times as much may be unreadable.

    Returns
    -------
    Registers
        Every subject is a person, born and dead by ``MEDS_BIRTH`` and ``MEDS_DEATH`` (the earliest of each), resident
        all the time. ``"ICD-10//E11.9"`` becomes code system "ICD-10", code "E119". There are no stays: MEDS has only
        points in time.

    Raises
    ------
    RegisterError
        If shards or columns are missing or hold something else, or the coverage lacks the sources of too many rows.

    Notes
    -----
    Rows without a time are static: they tell the sex, or are set aside and counted.

    References
    ----------
    Medical Event Data Standard, schema 0.4. https://medical-event-data-standard.github.io/

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from servicenee import read_meds
    >>> rows = pd.DataFrame({"subject_id": 1, "code": ["GENDER//F", "MEDS_BIRTH", "ICD-10//E11.9"],
    ...                      "time": pd.to_datetime([None, "1940-05-01", "2020-03-01"])})
    >>> coverage = pd.DataFrame({"source": ["icd_10"], "from": pd.to_datetime(["2015-01-01"]),
    ...                          "to": pd.to_datetime(["2021-01-01"])})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "data").mkdir()
    ...     rows.to_parquet(Path(folder, "data", "0.parquet"))
    ...     read_meds(folder, coverage=coverage)
    Registers(1 person, 1 event, 0 stays, extract_date=2021-01-01)
    """
    extract_date = _last_covered_day(coverage)
    findings = Findings(check_fraction("tolerance", tolerance))
    frame = _read_shards(existing_folder(path), findings)
    findings.raise_errors()
    meaning = _meanings(frame["code"].cat.categories, sexes or {})
    meaning = np.append(meaning, "")[frame["code"].cat.codes]
    tables = {"persons": _persons(frame, meaning, findings)}
    static = np.isnat(frame["time"].to_numpy())
    rest = meaning == ""
    findings.add(_PLACE, "time", "static, and not the sex", static & rest, "set aside")
    rows = np.flatnonzero(rest & ~static)
    events = _events(frame.iloc[rows], sources or {})
    tables["events"] = events[_covered(events["source"], rows, len(frame), coverage, findings)]
    return assembled(tables | {"coverage": coverage}, findings, extract_date=extract_date, duplicates=duplicates)


def _last_covered_day(coverage) -> np.datetime64:
    """The latest `to`, or an error that says what coverage is for."""
    wanted = ("source", "from", "to")
    if not isinstance(coverage, pd.DataFrame) or any(name not in coverage.columns for name in wanted):
        raise ValueError(
            "`coverage` must be a table with source, from and to, since MEDS has no observation period. Write down for "
            "every source from when to when it was collected."
        )
    if not len(coverage) or coverage["to"].isna().any():
        raise ValueError(f"`coverage` must tell the end, to, of every source; got {len(coverage)} rows with gaps.")
    return check_dates("coverage.to", list(pd.to_datetime(coverage["to"])))[-1]


def _read_shards(root: Path, findings: Findings) -> pd.DataFrame:
    """The columns of all shards below each other, in the order of their names."""
    shards = sorted((root / _PLACE if (root / _PLACE).is_dir() else root).rglob("*.parquet"))
    if not shards:
        findings.error("data: there is no Parquet file in the folder. Give the folder that holds the shards.")
        findings.raise_errors()
    parts = []
    for shard in shards:
        try:
            names = pq.read_schema(shard).names
            if require_columns(names, _REQUIRED, shard.relative_to(root).as_posix(), findings):
                columns = [name for name in _COLUMNS if name in names]
                parts.append(read_parquet(shard, columns, ["code"]))
        except (pa.ArrowException, OSError, UnicodeDecodeError):  # the last of column names
            findings.error(f"{shard.relative_to(root).as_posix()}: cannot be read as Parquet. Write the file again.")
    findings.raise_errors()
    try:
        arrow = pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException:
        findings.error(f"{_PLACE}: the shards hold different types under one name. Write them alike.")
        findings.raise_errors()
    return frame_of(arrow, _PLACE, _COLUMNS, None, findings)


@cache
def _usual_meanings() -> dict[str, str]:
    with (files("servicenee.registers") / "data" / "meds_codes.csv").open(encoding="utf-8") as stream:
        rows = pd.read_csv(stream, dtype=str)
    return dict(zip(rows["code"], rows["meaning"], strict=True))


def _meanings(codes: pd.Index, sexes: Mapping[str, str]) -> np.ndarray:
    """Birth, death, female, male or nothing, for each of the codes."""
    known = _usual_meanings() | {code.upper(): sex for code, sex in sexes.items()}
    return np.array([known.get(str(code).upper(), "") for code in codes], dtype=object)


def _persons(frame: pd.DataFrame, meaning: np.ndarray, findings: Findings) -> pd.DataFrame:
    """Every subject once; birth and death are the earliest told, the sex the first."""
    persons = pd.DataFrame({"person_id": frame["subject_id"].drop_duplicates().dropna().to_numpy()})
    for name, column in (("birth", "birth_date"), ("death", "death_date")):
        told = frame.loc[meaning == name, ["subject_id", "time"]].dropna().sort_values("time", kind="stable")
        again = np.zeros(len(frame), dtype=bool)
        again[told.index[told["subject_id"].duplicated()]] = True
        findings.add(_PLACE, "time", f"another {name} of the person", again, "set aside: the earliest counts")
        first = told.drop_duplicates("subject_id").set_index("subject_id")["time"].dt.normalize()
        persons[column] = first.reindex(persons["person_id"]).to_numpy(dtype="datetime64[us]")
    sexed = np.isin(meaning, ("female", "male"))
    sex = pd.Series(meaning[sexed], index=frame.loc[sexed, "subject_id"])
    persons["sex"] = persons["person_id"].map(sex[~sex.index.duplicated()]).astype(object)
    differs = np.zeros(len(frame), dtype=bool)
    differs[sexed] = meaning[sexed] != frame.loc[sexed, "subject_id"].map(sex[~sex.index.duplicated()])
    findings.add(_PLACE, "code", "another sex of the person", differs, "set aside: the first counts")
    unborn = persons["birth_date"].isna().to_numpy()
    findings.add("persons", "birth_date", "no birth in the data", unborn, "kept, but of unknown age")
    return persons


def _events(frame: pd.DataFrame, sources: Mapping[str, str]) -> pd.DataFrame:
    """Events, with the code taken apart at its first separator."""
    levels = [_taken_apart(str(code)) for code in frame["code"].cat.categories]
    systems = [system for system, _ in levels]
    named = [sources.get(system, system.lower().replace("-", "_").replace(" ", "_")) for system in systems]
    number = frame["code"].cat.codes.to_numpy()
    events = {"person_id": frame["subject_id"].array, "time": frame["time"].to_numpy()}
    for name, texts in (("source", named), ("code_system", systems), ("code", [code for _, code in levels])):
        places, distinct = pd.factorize(np.array(texts, dtype=object))
        events[name] = pd.Categorical.from_codes(np.append(places, -1)[number], distinct)
    if "numeric_value" in frame:
        events["value"] = frame["numeric_value"].to_numpy()
    return pd.DataFrame(events, copy=False)


def _taken_apart(code: str) -> tuple[str, str]:
    for separator in ("//", "/"):
        system, found, rest = code.partition(separator)
        if found and system and rest:
            return system, rest
    return _NO_SYSTEM, code


def _covered(
    source: pd.Series, rows: np.ndarray, n_rows: int, coverage: pd.DataFrame, findings: Findings
) -> np.ndarray:
    """True for events of a source that the coverage lists; an error where too many of these `rows` are of others."""
    levels = source.cat.categories
    outside = ~np.append(levels.isin(coverage["source"].astype(str)), True)[source.cat.codes]
    if outside.sum() > findings.tolerance * n_rows:
        absent = sorted(set(source[outside]))
        findings.error(
            f"coverage.source: {len(absent)} sources of the data are not listed: {name_some(absent)}. Add a row for "
            "each, or name them alike with `sources`."
        )
    findings.add_rows(_PLACE, "code", "source not in coverage", rows[outside], n_rows, "set aside", limited=False)
    return ~outside
