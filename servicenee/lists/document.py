"""`SegmentList`: a finished list, to be read, written, recorded and explained."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from servicenee._checks import check_choice
from servicenee.html import table
from servicenee.lists.client import write_explanation
from servicenee.lists.cover import banner, heading, shown_columns, summary_table, title
from servicenee.lists.facts import Person
from servicenee.lists.flat import write_csv, write_parquet
from servicenee.lists.names import read_names
from servicenee.lists.page import write_page
from servicenee.lists.record import append_list
from servicenee.lists.report import Report
from servicenee.lists.rows import source_line, write_rows
from servicenee.lists.select import LISTED, REVIEW
from servicenee.lists.terms import Terms
from servicenee.lists.workbook import write_workbook
from servicenee.texts import LANGUAGES

PLACED = ("group", "person_id", "risk", "order_in_group", "role")


@dataclass(frozen=True, repr=False, eq=False)
class SegmentList:
    """A finished list, as `segment_list` makes it.

    Attributes
    ----------
    rows : DataFrame
        One row per listed person, in order of unit and place, with texts in `language`; empty when the purpose is
        knowledge management. Columns: week, place, person_id, age_band, group, area, language, services, risk,
        base_rate, reading, reasons, changes, care_gaps, data_gaps, segment, first_step, then those to be filled in
        (decision, decision_reason, decision_date, coping, free_text), source, list_id.
    review : DataFrame
        The persons drawn from those not listed, in the same columns.
    groups : DataFrame
        One row per unit: group, scored, base_rate, capacity (places on this list), listed, expected (sum of the
        listed risks), lowest_risk, other_cut (persons the other way of cutting would list), new, held_out, review.
        Not suppressed: hide small counts before showing it to anyone; the files and the notebook view do.
    counts : DataFrame
        Columns what (able, listed, held_out, review, then every exclusion) and n: what became of the scored persons.
    terms : Terms
        The choices the list was made with.
    report : Report
        What else its cover tells.
    language, model, version : str
        Its language, and what it was made with.
    index_date, extract_date : Timestamp
        Date of the data, and the date to which deaths, moves and decisions are known.

    Examples
    --------
    Made by `segment_list`, which shows an example.
    """

    people: tuple[Person, ...]
    placed: pd.DataFrame
    groups: pd.DataFrame
    counts: pd.DataFrame
    terms: Terms
    report: Report
    language: str
    model: str
    version: str
    index_date: pd.Timestamp
    extract_date: pd.Timestamp

    @property
    def purpose(self) -> str:
        """What the list is for."""
        return self.terms.purpose

    @property
    def by(self) -> str:
        """Column of persons that makes the units."""
        return self.terms.by

    @property
    def outcome(self) -> str:
        """What is assessed and over which time, in the language of the list."""
        return self.report.outcomes[self.language]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The listed persons."""
        return self._written(LISTED)

    @cached_property
    def review(self) -> pd.DataFrame:
        """The persons drawn for review."""
        return self._written(REVIEW)

    @cached_property
    def list_id(self) -> str:
        """Date of the data and a fingerprint of the list: the same list has the same id in every language."""
        facts = f"{self.model}|{self.version}|{self.purpose}|{self.by}|{self.index_date:%Y-%m-%d}"
        content = facts + self.placed.to_csv(index=False) + self.groups.to_csv(index=False)
        return f"{self.index_date:%Y-%m-%d}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"

    @property
    def record_rows(self) -> pd.DataFrame:
        """Who was listed, held out or drawn for review: the rows of the record, but for the time of writing."""
        placed = self.placed.sort_values(["group", "order_in_group"], kind="stable")
        return pd.DataFrame(
            {
                "list_id": self.list_id,
                "index_date": self.index_date.as_unit("us"),
                "team": placed["group"].to_numpy(dtype=object),
                "person_id": placed["person_id"].to_numpy(),
                "risk": placed["risk"].to_numpy(),
                "rank": placed["order_in_group"].to_numpy(),
                "role": placed["role"].to_numpy(dtype=object),
                "model": self.model,
                "version": self.version,
                "purpose": self.purpose,
            }
        )

    def to_excel(self, path: str | Path, *, key: str | Path | None = None) -> Path:
        """Write an Excel workbook to read, filter, print and fill in; the same list gives the same bytes.

        Parameters
        ----------
        path : str or Path
            File to write, ending in .xlsx; an existing file is replaced once the new one is complete.
        key : str or Path, optional
            Table (CSV, Excel or Parquet) with the columns person_id and name, read here and nowhere else: adds a
            column of names. Keep it apart from everything else.

        Returns
        -------
        Path
            The file.
        """
        return write_workbook(self, path, read_names(key))

    def to_html(self, path: str | Path, *, key: str | Path | None = None) -> Path:
        """Write one page that prints well, reads well aloud, and loads nothing from elsewhere.

        Parameters
        ----------
        path : str or Path
            File to write, ending in .html.
        key : str or Path, optional
            As for `to_excel`.

        Returns
        -------
        Path
            The file.
        """
        return write_page(self, path, read_names(key))

    def to_csv(self, path: str | Path, *, key: str | Path | None = None) -> Path:
        """Write the listed rows as CSV for Finnish Excel: semicolons, decimal commas, UTF-8 with BOM.

        Parameters
        ----------
        path : str or Path
            File to write, ending in .csv.
        key : str or Path, optional
            As for `to_excel`.

        Returns
        -------
        Path
            The file. Cells that could be read as formulas begin with an apostrophe.
        """
        return write_csv(self, path, read_names(key))

    def to_parquet(self, path: str | Path) -> Path:
        """Write the listed rows as a table for machines: neutral column names, numbers as numbers, no names.

        Parameters
        ----------
        path : str or Path
            File to write, ending in .parquet.

        Returns
        -------
        Path
            The file.
        """
        return write_parquet(self, path)

    def split(self) -> dict[str, "SegmentList"]:
        """One list per unit that lists anybody, so that each team receives its own persons and no others.

        Returns
        -------
        dict of str to SegmentList
            By name of the unit ("" where it is not known). `counts` stay those of all: they hold no person.
        """
        names = [name for name, n in zip(self.groups["group"], self.groups["listed"], strict=True) if n]
        return {name: self._only(name) for name in names}

    def record(self, folder: str | Path, *, written_by: str, written_for: str, ground: str, written_at=None) -> str:
        """Append the list to the record in the protected folder, and who wrote it for whom to the log of access.

        Parameters
        ----------
        folder : str or Path
            The protected folder. What is there is never changed.
        written_by, written_for : str
            Who wrote the list, and the team or person who receives it.
        ground : str
            Legal ground or task on which it was written.
        written_at : date or ISO text, optional
            UTC; by default now.

        Returns
        -------
        str
            The id of the list, which `log_access` asks for.

        Raises
        ------
        FileExistsError
            If the same list is in the record already.
        """
        return append_list(self, folder, written_by, written_for, ground, written_at)

    def explain_to_client(self, person_id, path: str | Path, *, contact: str, language: str | None = None) -> Path:
        """Write a page for one listed person: what was looked at, what it means, how to object.

        Parameters
        ----------
        person_id : int or str
            One of the listed.
        path : str or Path
            File to write, ending in .html.
        contact : str
            Whom the client can turn to: a name or title, a telephone number.
        language : {"fi", "sv", "en"}, optional
            The client's language; by default that of the list.

        Returns
        -------
        Path
            The file.
        """
        spoken = check_choice("language", language or self.language, LANGUAGES)
        return write_explanation(self, person_id, path, contact, spoken)

    @property
    def frame(self) -> pd.DataFrame:
        """The listed rows under the headings of the reader's language."""
        shown = self.rows[shown_columns(self)]
        return shown.rename(columns={name: heading(name, self.by, self.language) for name in shown})

    def _written(self, role: str) -> pd.DataFrame:
        people: Iterable[Person] = (person for person in self.people if person.role == role)
        source = source_line(self.model, self.version, self.index_date, self.language)
        return write_rows(people, self.report.segments, source, self.list_id, self.language)

    def _only(self, name: str) -> "SegmentList":
        own = replace(
            self,
            people=tuple(person for person in self.people if person.group == name),
            placed=self.placed[self.placed["group"] == name],
            groups=self.groups[self.groups["group"] == name].reset_index(drop=True),
        )
        own.__dict__["list_id"] = self.list_id  # a part of the same list, so that decisions lead back to it
        return own

    def __repr__(self) -> str:
        """What the list is about; never its rows, for a repr ends up in logs."""
        about = f"{self.purpose}, {self.language}, by {self.by}, model {self.model} {self.version}"
        return f"SegmentList({about}, data {self.index_date:%Y-%m-%d})"

    def _repr_html_(self) -> str:
        shown = [table(summary_table(self), caption=title(self), language=self.language)]
        if len(self.rows):
            rows = self.frame.replace("\n", " · ", regex=True)
            shown.append(table(rows, caption=banner(self), language=self.language))
        return "\n".join(shown)
