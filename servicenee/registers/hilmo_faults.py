"""Faults of register deliveries, planted in their texts: extra rows to be found, spellings to be understood."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from servicenee.registers.delivery import columns_of
from servicenee.registers.hilmo_people import person_column

_SHARE = 0.002  # of a table's rows, at least one: far below the tolerated share for all faults together
_NOBODY = "x999999x"
_MAIN = ("hilmo", "soshilmo", "avohilmo", "kotihoito", "ostot", "korvausoikeudet", "laboratorio", "rai", "paatokset")
_PLACED = {"paatokset": "ALKUPVM"}  # the column under which a fault of the date is counted, where it is not the start
_DIAGNOSES = {"hilmo_diag": "KOODI", "avohilmo_icd10": "ICD10"}


@dataclass
class Draft:
    """Tables of a delivery as text, raw lines and whole files beside them, and a record of what was planted."""

    tables: dict[str, pd.DataFrame]
    extract: pd.Timestamp
    rng: np.random.Generator
    lines: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, bytes] = field(default_factory=dict)
    split: bool = False
    rows: list[tuple[str, str, str, int]] = field(default_factory=list)

    def __post_init__(self):
        self._sizes = {name: len(table) for name, table in self.tables.items()}

    def some(self, table: str, among: np.ndarray | None = None) -> np.ndarray:
        """Positions of a few rows, none of which was planted."""
        rows = np.arange(self._sizes[table]) if among is None else np.flatnonzero(among[: self._sizes[table]])
        n = min(len(rows), max(1, round(_SHARE * len(rows))))
        return np.sort(self.rng.choice(rows, size=n, replace=False)) if len(rows) else rows

    def add(self, fault: str, table: str, rows: pd.DataFrame, rule: str) -> None:
        """Append rows to a table, each once unless copies are what is planted."""
        rows = rows if fault == "copies" else rows.drop_duplicates()
        if len(rows):
            self.tables[table] = pd.concat([self.tables[table], rows], ignore_index=True)
            self.rows.append((fault, table, rule, len(rows)))

    def change(self, fault: str, table: str, column: str, rows: np.ndarray, texts, rule: str = "") -> None:
        """Write some rows of a column differently."""
        if len(rows):
            column_texts = self.tables[table][column].to_numpy(dtype=object, copy=True)
            column_texts[rows] = texts
            self.tables[table] = self.tables[table].assign(**{column: column_texts})
            self.rows.append((fault, table, rule, len(rows)))

    def started(self, table: str) -> str:
        """Column that says when a row of the table began."""
        return _PLACED.get(table) or next(row["column"] for row in columns_of(table) if row["role"] == "start")


def _mixed_dates(draft: Draft) -> None:
    for name in [name for name in draft.tables if name != "kattavuus"]:
        for row in [row for row in columns_of(name) if row["holds"] == "date"]:
            texts = draft.tables[name][row["column"]].to_numpy(dtype=object)
            rows = draft.some(name, (texts != "") & (draft.rng.random(len(texts)) < 0.3))
            turned = [_turned(text) for text in texts[rows]]
            draft.change("mixed_dates", name, row["column"], rows, turned)


def _turned(text: str) -> str:
    """The date in another shape."""
    if "-" in text:
        return _as_finnish(pd.Timestamp(text))
    if text[2:5].isalpha():
        return _as_iso(pd.to_datetime(text, format="%d%b%Y:%H:%M:%S"))
    shape = "%d.%m.%Y %H:%M" if " " in text else "%d.%m.%Y"
    return _as_iso(pd.to_datetime(text, format=shape))


def _as_finnish(date: pd.Timestamp) -> str:
    return f"{date.day}.{date.month}.{date.year}" + (f" {date:%H:%M}" if date != date.normalize() else "")


def _as_iso(date: pd.Timestamp) -> str:
    return f"{date:%Y-%m-%d}" + (f"T{date:%H:%M}" if date != date.normalize() else "")


def _midnight_24(draft: Draft) -> None:
    if "avohilmo" not in draft.tables:
        return
    texts = draft.tables["avohilmo"]["KAYNTI_ALKOI"].to_numpy(dtype=object)
    rows = draft.some("avohilmo", np.array([len(text) == 10 and "." in text for text in texts], dtype=bool))
    before = pd.to_datetime(pd.Series(texts[rows]), format="%d.%m.%Y") - pd.Timedelta(days=1)
    draft.change(
        "midnight_24", "avohilmo", "KAYNTI_ALKOI", rows, (before.dt.strftime("%d.%m.%Y") + " 24:00").to_numpy()
    )


def _placeholder_ends(draft: Draft) -> None:
    for name, column in (("soshilmo", "LPVM"), ("paatokset", "TOTEUTUNUT_LOPPU")):
        if name in draft.tables:
            rows = draft.some(name, (draft.tables[name][column] == "").to_numpy())
            rule = "placeholder date (before 1900-01-02 or from 2099)"
            draft.change("placeholder_ends", name, column, rows, "31.12.9999", rule)


def _code_spelling(draft: Draft) -> None:
    for name, column in _DIAGNOSES.items():
        if name in draft.tables:
            texts = draft.tables[name][column].to_numpy(dtype=object)
            rows = draft.some(name, draft.rng.random(len(texts)) < 0.5)
            spelled = [
                f" {text[:3]}.{text[3:]}&".lower() if len(text) > 3 else f"{text.lower()}+" for text in texts[rows]
            ]
            draft.change("code_spelling", name, column, rows, spelled)
    if "ostot" in draft.tables:
        texts = draft.tables["ostot"]["ATC"].to_numpy(dtype=object)
        rows = draft.some("ostot")
        draft.change("code_spelling", "ostot", "ATC", rows, [f"{text[:5].lower()} {text[5:]}" for text in texts[rows]])


def _copies(draft: Draft) -> None:
    for name in [name for name in draft.tables if name != "kattavuus"]:
        draft.add("copies", name, draft.tables[name].iloc[draft.some(name)], "exact duplicate")


def _unknown_persons(draft: Draft) -> None:
    for name in [name for name in _MAIN if name in draft.tables]:
        rows = draft.tables[name].iloc[draft.some(name)].assign(**{person_column(name): _NOBODY})
        draft.add("unknown_persons", name, _new_keys(draft, name, rows), "not in the population table")


def _impossible_dates(draft: Draft) -> None:
    for name in [name for name in _MAIN if name in draft.tables]:
        dates = {row["column"]: "" for row in columns_of(name) if row["holds"] == "date"}
        rows = draft.tables[name].iloc[draft.some(name)].assign(**dates | {draft.started(name): "31.2.2020"})
        draft.add("impossible_dates", name, _new_keys(draft, name, rows), "not a date")


def _after_extract(draft: Draft) -> None:
    late = draft.extract + pd.Timedelta(days=30)
    for name in [name for name in _MAIN if name in draft.tables]:
        dates = {row["column"]: "" for row in columns_of(name) if row["holds"] == "date"}
        rows = draft.tables[name].iloc[draft.some(name)].assign(**dates | {draft.started(name): _as_finnish(late)})
        draft.add("after_extract", name, _new_keys(draft, name, rows), "after extract_date")


def _missing_codes(draft: Draft) -> None:
    for name, column in _DIAGNOSES.items():
        if name in draft.tables:
            rows = draft.tables[name].iloc[draft.some(name)]
            draft.add("missing_codes", name, rows.assign(**{column: "____"}), "no code")


def _orphans(draft: Draft) -> None:
    for name in _DIAGNOSES:
        if name in draft.tables:
            rows = draft.tables[name].iloc[draft.some(name)]
            key = next(row["column"] for row in columns_of(name) if row["holds"] == "key")
            draft.add("orphans", name, rows.assign(**{key: "0"}), "its row is not there")


def _pseudo_atc(draft: Draft) -> None:
    if "ostot" in draft.tables:
        rows = draft.tables["ostot"].iloc[draft.some("ostot")]
        draft.add("pseudo_atc", "ostot", rows.assign(ATC="E0000UV"), "no ATC code")


def _out_of_range(draft: Draft) -> None:
    """An activity that did not occur (8) is no state of independence, and no state at all."""
    if "rai" in draft.tables:
        scales = {row["column"]: "" for row in columns_of("rai") if row["role"].startswith("scale")}
        rows = draft.tables["rai"].iloc[draft.some("rai")].assign(**scales | {"CPS": "8"})
        draft.add("out_of_range", "rai", rows, "outside the range of the column")


def _no_care(draft: Draft) -> None:
    if "hilmo" in draft.tables:
        rows = draft.tables["hilmo"].iloc[draft.some("hilmo")].assign(PALA="ZZ")
        draft.add("no_care", "hilmo", _new_keys(draft, "hilmo", rows), "no care of a person")


def _cancelled(draft: Draft) -> None:
    if "avohilmo" in draft.tables:
        rows = draft.tables["avohilmo"].iloc[draft.some("avohilmo")]
        rows = rows.assign(PERUUTUS_SYY="2", HOIDONTARVE_AJANKOHTA="")
        draft.add("cancelled", "avohilmo", _new_keys(draft, "avohilmo", rows), "cancelled")


def _census_rows(draft: Draft) -> None:
    """Long stays are reported at the end of every year, in the same table as the final row."""
    if "soshilmo" in draft.tables:
        table = draft.tables["soshilmo"]
        year = pd.to_numeric(table["VUOSI"])
        rows = table.iloc[draft.some("soshilmo", (table["ILAJI"] == "1").to_numpy())]
        rows = rows.assign(ILAJI="2", LPVM="", VUOSI=(year[rows.index] - 1).astype(int).astype(str))
        draft.add("census_rows", "soshilmo", rows, "census row of a stay whose end is told")


def _older_years(draft: Draft) -> None:
    table = draft.tables["vaesto"].assign(VUOSI=str(draft.extract.year))
    draft.tables["vaesto"] = table
    rows = table.iloc[draft.some("vaesto")].assign(VUOSI=str(draft.extract.year - 1), KOTIKUNTA="091")
    draft.add("older_years", "vaesto", rows, "an older year of the person")


def _home_visits_twice(draft: Draft) -> None:
    """National rows of visits that the home-care system of the county reports itself."""
    if {"avohilmo", "kotihoito"} <= set(draft.tables):
        visits = draft.tables["kotihoito"].iloc[
            draft.some("kotihoito", (draft.tables["kotihoito"]["KAYNTITAPA"] == "L").to_numpy())
        ]
        rows = {"TNRO": visits["TNRO"], "KAYNTI_ALKOI": visits["KAYNTI_ALKOI"], "KAYNTI_PALVELUMUOTO": "T40"}
        rows = pd.DataFrame(rows | {"KAYNTI_YHTEYSTAPA": "R20"}).reindex(
            columns=draft.tables["avohilmo"].columns, fill_value=""
        )
        rule = "home visit that the home-care system has too"
        draft.add("home_visits_twice", "avohilmo", _new_keys(draft, "avohilmo", rows), rule)


def _mojibake(draft: Draft) -> None:
    texts = draft.tables["vaesto"]["TIIMI"].to_numpy(dtype=object)
    rows = draft.some("vaesto", np.array([not text.isascii() for text in texts], dtype=bool))
    wrong = [text.encode().decode("latin-1") for text in texts[rows]]
    draft.change("mojibake", "vaesto", "TIIMI", rows, wrong, "text in the wrong encoding")


def _broken_lines(draft: Draft) -> None:
    rule = "number of fields differs from the header, or half a quotation"
    for name in [name for name in _MAIN if name in draft.tables]:
        filled = ";".join("1" for _ in columns_of(name)[1:])
        draft.lines[name] = ["too;few", f"{filled};1;1;1", f'"half;{filled}']
        draft.rows.append(("broken_lines", name, rule, 3))


def _split_files(draft: Draft) -> None:
    draft.split = True
    draft.rows.append(("split_files", "avohilmo", "", 0))


def _unread_files(draft: Draft) -> None:
    draft.others |= {"saate.txt": b"Toimitus\n", "THL_HILMO_PSYKP.csv": b"HILMO_ID;TNRO;TUTAP\n1;1;1\n"}
    draft.rows.append(("unread_files", "saate.txt", "no name of a table of a delivery", 1))
    draft.rows.append(("unread_files", "THL_HILMO_PSYKP.csv", "no table that is read", 1))


def _new_keys(draft: Draft, name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a main table with numbers of their own, so that no child row belongs to them."""
    key = next((row["column"] for row in columns_of(name) if row["holds"] == "key"), None)
    if key is None:
        return rows
    begin = 10**9 + len(draft.tables[name])
    return rows.assign(**{key: [str(begin + place) for place in range(len(rows))]})


# Spellings come first, so that a copied row is spelled as the row it copies; copies come last.
FAULTS: dict[str, Callable[[Draft], None]] = {
    "placeholder_ends": _placeholder_ends,
    "code_spelling": _code_spelling,
    "mixed_dates": _mixed_dates,
    "midnight_24": _midnight_24,
    "mojibake": _mojibake,
    "older_years": _older_years,
    "unknown_persons": _unknown_persons,
    "impossible_dates": _impossible_dates,
    "after_extract": _after_extract,
    "missing_codes": _missing_codes,
    "orphans": _orphans,
    "pseudo_atc": _pseudo_atc,
    "out_of_range": _out_of_range,
    "no_care": _no_care,
    "cancelled": _cancelled,
    "census_rows": _census_rows,
    "home_visits_twice": _home_visits_twice,
    "copies": _copies,
    "broken_lines": _broken_lines,
    "split_files": _split_files,
    "unread_files": _unread_files,
}


def plant(draft: Draft, wanted: list[str]) -> None:
    """Plant the wanted faults, always in the same order."""
    for name, fault in FAULTS.items():
        if name in wanted:
            fault(draft)
