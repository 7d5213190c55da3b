"""`read_decisions`: a list that came back filled in, or the protected folder, comes in; decisions go out."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee.lists.choices import CHOICES, INPUTS, choice_names, choice_texts, plain
from servicenee.lists.protected import read_all, write_once
from servicenee.lists.returned import read_returned
from servicenee.texts import text

COLUMNS = ("person_id", "list_id", *INPUTS)
FINDINGS = ("sheet", "row", "column", "finding", "remedy")
_ROW = ("person_id", "list_id")  # what makes a row of a list one row, however often it comes back
_FOLDER = "decisions"
_FIRST_SERIAL, _LAST_SERIAL = 36_526, 73_050  # 2000 to 2099 as Excel counts days
_YEARS = range(2000, 2100)


@dataclass(frozen=True, repr=False, eq=False)
class Decisions:
    """What professionals, with the clients, wrote on a list.

    Attributes
    ----------
    table : DataFrame
        One row per row that was filled in: person_id (text, as in the file), list_id, decision, decision_reason,
        decision_date (NaT where it could not be read), coping, free_text. Choices are language-neutral names, ""
        where nothing was chosen.
    findings : DataFrame
        What could not be read or should be completed: sheet, row (as the spreadsheet numbers it), column, finding,
        remedy, in the language of the list. The other cells of such a row are kept.
    returned : DataFrame
        person_id and list_id of every row that came back, filled in or not; each once.

    Examples
    --------
    Made by `read_decisions`, which shows an example.
    """

    table: pd.DataFrame
    findings: pd.DataFrame
    returned: pd.DataFrame

    @property
    def n_rows(self) -> int:
        """Rows that came back, filled in or not; a row that came back twice is one."""
        return len(self.returned)

    @property
    def coping_share(self) -> float:
        """Share of the returned rows in which the client's own view of coping was filled in; NaN without rows."""
        return n_asked(self.table) / self.n_rows if self.n_rows else np.nan

    def store(self, folder: str | Path) -> Path:
        """Keep what came back in the protected folder, where ``read_decisions(folder)`` finds all of it.

        Parameters
        ----------
        folder : str or Path
            The protected folder that holds the record of lists.

        Returns
        -------
        Path
            The file; the same decisions are stored once.

        Notes
        -----
        Nothing that is stored is replaced: a list that comes back a second time adds what is new on it, and a later
        decision on the same person counts over an earlier one. Rows that nobody filled in are stored as well, so that
        the share of rows filled in stays known.
        """
        unfilled = self.returned.merge(self.table[list(_ROW)], how="left", indicator=True).query(
            "_merge == 'left_only'"
        )
        table = pd.concat([self.table, unfilled[list(_ROW)]], ignore_index=True)[list(COLUMNS)]
        table = table.assign(**{name: table[name].fillna("") for name in COLUMNS if name != "decision_date"})
        digest = hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:16]
        path = Path(folder) / _FOLDER / f"{digest}.parquet"
        return path if path.exists() else write_once(table, path)

    def __repr__(self) -> str:
        """Counts; never a row, for a repr ends up in logs."""
        return f"Decisions({len(self.table)} of {self.n_rows} rows filled in, {len(self.findings)} findings)"


def read_decisions(path: str | Path) -> Decisions:
    """Read a list that came back filled in, or all decisions stored in the protected folder.

    Parameters
    ----------
    path : str or Path
        An Excel or CSV file as `SegmentList` wrote it, in any of its languages, or the protected folder. A CSV
        with the columns person_id, decision, decision_reason, decision_date, coping and free_text will do too, for
        objections that came by another way.

    Returns
    -------
    Decisions
        Rows that nobody filled in are counted, not kept.

    Raises
    ------
    ValueError
        If the headings of a list are not found.

    Notes
    -----
    A cell that cannot be read costs that cell only, and is named in `findings` with its row and how to mend it;
    neither findings nor errors show what stands in a cell. A decision without a readable date counts from the date
    of the list; an objection without one cannot be told to be older than its withdrawal, and holds.

    Examples
    --------
    >>> from pathlib import Path
    >>> from servicenee import read_decisions
    >>> rows = ["person_id;decision;decision_date", "17;Otetaan yhteyttä;5.3.2024", "18;maybe;"]
    >>> _ = Path("back.csv").write_text("\\n".join(rows), encoding="utf-8")
    >>> decisions = read_decisions("back.csv")
    >>> decisions
    Decisions(1 of 2 rows filled in, 1 findings)
    >>> decisions.findings.loc[0, "row"], decisions.findings.loc[0, "remedy"][:34]
    (np.int64(3), 'Choose from the list: Will be cont')
    """
    path = Path(path)
    if path.is_dir():
        return _stored(path)
    tables, findings, returned = [], [], []
    for sheet in read_returned(path):
        made, found = _read_sheet(sheet.name, sheet.cells, sheet.language)
        tables.append(made)
        findings += found
        returned.append(_rows_of(sheet.cells))
    table = pd.concat(tables, ignore_index=True)
    rows = pd.concat(returned, ignore_index=True).drop_duplicates(ignore_index=True)
    return Decisions(table, pd.DataFrame(findings, columns=list(FINDINGS)), rows)


def n_asked(table: pd.DataFrame) -> int:
    """Rows of lists in which the client's own view of coping is entered."""
    asked = table["coping"].isin([name for name in CHOICES["coping"] if name != "not_asked"])
    return len(table.loc[asked, list(_ROW)].drop_duplicates())


def n_decided(table: pd.DataFrame, decision: str) -> int:
    """Rows of lists on which this decision is entered."""
    return len(table.loc[table["decision"] == decision, list(_ROW)].drop_duplicates())


def empty_decisions() -> pd.DataFrame:
    """A table of decisions without rows."""
    table = pd.DataFrame({name: pd.Series(dtype=object) for name in COLUMNS})
    return table.assign(decision_date=pd.Series(dtype="datetime64[us]"))


def _stored(folder: Path) -> Decisions:
    findings, kept = pd.DataFrame(columns=list(FINDINGS)), read_all(folder / _FOLDER)
    if not len(kept):
        return Decisions(empty_decisions(), findings, empty_decisions()[list(_ROW)])
    kept = kept[list(COLUMNS)].drop_duplicates()
    kept = kept.sort_values(["person_id", "decision_date", "list_id"], kind="stable", ignore_index=True)
    filled = (kept[[*CHOICES, "free_text"]] != "").any(axis=1) | kept["decision_date"].notna()
    rows = kept[list(_ROW)].drop_duplicates(ignore_index=True)
    return Decisions(kept[filled].reset_index(drop=True), findings, rows)


def _rows_of(cells: pd.DataFrame) -> pd.DataFrame:
    """Person and list of every row that has an id."""
    ids = cells["person_id"].map(lambda person: _as_id(person) if plain(person) else "")
    lists = cells["list_id"] if "list_id" in cells else pd.Series("", index=cells.index)
    rows = pd.DataFrame({"person_id": ids.astype(object), "list_id": lists.map(_as_text).astype(object)})
    return rows[rows["person_id"] != ""]


def _read_sheet(sheet: str, cells: pd.DataFrame, language: str) -> tuple[pd.DataFrame, list[tuple]]:
    """Decisions of one sheet, whose rows are numbered as the spreadsheet does, and what to mend."""
    findings: list[tuple] = []

    def tell(row: int, column: str, kind: str, **values) -> None:
        told = (text(f"lists.finding.{kind}", language), text(f"lists.remedy.{kind}", language, **values))
        findings.append((sheet, row, text(f"lists.column.{column}", language), *told))

    kept = []
    for row, record in zip(cells.index, cells.to_dict("records"), strict=True):
        made = {field: _chosen(record.get(field), field, row, language, tell) for field in CHOICES}
        made["free_text"] = _as_text(record.get("free_text"))
        made["decision_date"] = _date(record.get("decision_date"), row, tell)
        if not (any(made[name] for name in (*CHOICES, "free_text")) or made["decision_date"] is not pd.NaT):
            continue
        person = record.get("person_id")
        if not plain(person):
            tell(row, "person_id", "no_id")
            continue
        _complete(made, row, tell)
        kept.append({"person_id": _as_id(person), "list_id": _as_text(record.get("list_id"))} | made)
    table = pd.DataFrame(kept, columns=list(COLUMNS)) if kept else empty_decisions()
    for row in _repeated(table, cells):
        tell(row, "person_id", "repeated")
    return table.assign(decision_date=pd.to_datetime(table["decision_date"]).astype("datetime64[us]")), findings


def _chosen(value: object, field: str, row: int, language: str, tell) -> str:
    if not plain(value):
        return ""
    name = choice_names(field).get(plain(value), "")
    if not name:
        tell(row, field, "choice", choices=", ".join(choice_texts(field, language)))
    return name


def _date(value: object, row: int, tell) -> pd.Timestamp:
    """A date as Excel keeps it, or as people write it: 5.3.2024, or ISO."""
    if not plain(value):
        return pd.NaT
    found = pd.NaT
    if isinstance(value, int | float) and _FIRST_SERIAL <= value <= _LAST_SERIAL:
        found = pd.Timestamp("1899-12-30") + pd.Timedelta(days=int(value))
    elif hasattr(value, "year"):
        found = pd.Timestamp(value).normalize()
    elif isinstance(value, str):
        parsed = (pd.to_datetime(value.strip(), format=way, errors="coerce") for way in ("%d.%m.%Y", "%Y-%m-%d"))
        found = next((date for date in parsed if date is not pd.NaT), pd.NaT)
    if found is pd.NaT or found.year not in _YEARS:
        tell(row, "decision_date", "date")
        return pd.NaT
    return found


def _complete(made: dict, row: int, tell) -> None:
    """Point out what a decision lacks; it counts all the same."""
    if made["decision"] and made["decision_date"] is pd.NaT:
        tell(row, "decision_date", "no_date")
    if made["decision"] == "no_action" and not made["decision_reason"]:
        tell(row, "decision_reason", "no_reason")
    if made["decision_reason"] == "other" and not made["free_text"]:
        tell(row, "free_text", "no_text")


def _as_text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _as_id(person: object) -> str:
    """The id as text; Excel may have made a number of it."""
    if isinstance(person, float) and person.is_integer():
        return str(int(person))
    return str(person).strip()


def _repeated(table: pd.DataFrame, cells: pd.DataFrame) -> list[int]:
    """Row numbers of persons who stand on the sheet a second time."""
    if not table["person_id"].duplicated().any():
        return []
    ids = cells["person_id"].map(lambda person: _as_id(person) if plain(person) else "")
    return [int(row) for row in cells.index[(ids != "") & ids.duplicated()]]
