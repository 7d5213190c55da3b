"""`segment_list`: scores and registers come in, a list for people goes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from servicenee._checks import check_choice
from servicenee.exceptions import ModelError
from servicenee.html import table
from servicenee.lists.cover import banner, heading, summary_table, title
from servicenee.lists.reasons import N_ASKED, write_reasons
from servicenee.lists.rows import COLUMNS, source_line, write_rows
from servicenee.lists.select import EXCLUSIONS, cut_by_capacity, find_candidates
from servicenee.lists.workbook import write_workbook
from servicenee.registers import Registers
from servicenee.texts import LANGUAGES, format_horizon

PURPOSES = ("client_work", "knowledge_management")


@dataclass(frozen=True, repr=False, eq=False)
class SegmentList:
    """A finished list, as `segment_list` makes it.

    Attributes
    ----------
    rows : DataFrame
        One row per listed person, in order of group and place, with texts in `language`; empty when the
        purpose is knowledge management. Columns: place, person_id, age_band, group, area, language, services,
        risk, base_rate, reading, reasons, decision, decision_reason, decision_date, free_text (these four to
        be filled in), source.
    groups : DataFrame
        One row per group: group, scored, base_rate, capacity, listed, expected (sum of the listed risks). Not
        suppressed: hide small counts before showing it to anyone; the files and the notebook view do.
    counts : DataFrame
        Columns what (able, listed, dead, moved, no_risk) and n: what became of the scored persons.
    purpose, language, by, outcome, model, version : str
        What the list is for, its language, the persons column that divides it, and what it was made with.
    index_date, extract_date : Timestamp
        Date of the data, and the date to which deaths and moves are known.

    Examples
    --------
    Made by `segment_list`, which shows an example.
    """

    rows: pd.DataFrame
    groups: pd.DataFrame
    counts: pd.DataFrame
    purpose: str
    language: str
    by: str
    outcome: str
    model: str
    version: str
    index_date: pd.Timestamp
    extract_date: pd.Timestamp

    def to_excel(self, path: str | Path) -> Path:
        """Write an Excel workbook: guide, list (for client work) and summary; the same list gives the same
        bytes.

        Parameters
        ----------
        path : str or Path
            File to write, ending in .xlsx; an existing file is replaced once the new one is complete.

        Returns
        -------
        Path
            The file.
        """
        return write_workbook(self, path)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows under the headings of the reader's language."""
        shown = self.rows if self.by != "area" else self.rows.drop(columns="area")
        return shown.rename(columns={name: heading(name, self.by, self.language) for name in shown})

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


def segment_list(
    scores: pd.DataFrame,
    registers: Registers,
    *,
    model,
    purpose: str,
    capacity: int | Mapping[str, int] | None = None,
    by: str = "area",
    language: str = "fi",
) -> SegmentList:
    """List the persons with the highest risk, group by group, as many as the service can act on.

    Parameters
    ----------
    scores : DataFrame
        What `predict` returned for one index date: index (person_id, index_date), columns risk, rank, model,
        version.
    registers : Registers
        The registers that were scored.
    model : NeedModel
        The model that scored them; gives the reasons of the listed persons and the labels of its features.
    purpose : {"client_work", "knowledge_management"}
        Client work: a professional goes through persons. Knowledge management: counts by group; the list then
        holds no person. There is no default, because the legal basis differs.
    capacity : int or mapping of str to int, default=None
        Most persons listed in each group; a mapping names every group. None: 20.
    by : str, default="area"
        Column of the persons table that divides the list, such as "area" or "team".
    language : {"fi", "sv", "en"}, default="fi"
        Language of the reader.

    Returns
    -------
    SegmentList

    Raises
    ------
    ModelError
        If the scores were made by another model or version than `model`.

    Notes
    -----
    Left out and counted: persons recorded in `registers` as dead, persons who have moved away by the extract
    date, and persons without a risk. Deaths after the index date count too: a list is for contacting people.
    To make a list of the past, hand over the registers as they were. Equal risks (to 12 decimals) are listed
    in order of `rank`. The base rate of a row is the average risk of its group, or of all when fewer than 20
    persons of the group were scored. Sex, language, area, mental health and substance use are never shown as
    reasons.

    Examples
    --------
    >>> from servicenee import segment_list  # doctest: +SKIP
    >>> listing = segment_list(scores, registers, model=model, purpose="client_work")  # doctest: +SKIP
    >>> listing.to_excel("list.xlsx")  # doctest: +SKIP
    """
    check_choice("purpose", purpose, PURPOSES)
    check_choice("language", language, LANGUAGES)
    candidates = find_candidates(scores, registers, by)
    name, version = _made_by(scores, model)
    date = pd.Timestamp(scores.index.get_level_values("index_date")[0])
    listed, groups = cut_by_capacity(candidates, capacity)
    rows = pd.DataFrame(columns=list(COLUMNS))
    if purpose == "client_work":
        rows = _person_rows(listed, scores, registers, model, by, language)
        rows = rows.assign(source=source_line(name, version, date, language))[list(COLUMNS)]
    return SegmentList(
        rows=rows,
        groups=groups,
        counts=_counts(candidates, groups),
        purpose=purpose,
        language=language,
        by=by,
        outcome=_outcome(model, language),
        model=name,
        version=version,
        index_date=date,
        extract_date=registers.extract_date,
    )


def _made_by(scores: pd.DataFrame, model) -> tuple[str, str]:
    """Name and version of the model: those of the scores, for reasons of another model would mislead."""
    own = (str(model.name), str(model.version))
    made = sorted(set(zip(scores["model"].astype(str), scores["version"].astype(str), strict=True)))
    if made != [own]:
        raise ModelError(
            f"`model` must be the one that made the scores, {made}; got {own}. Load that one, or score again."
        )
    return own


def _outcome(model, language: str) -> str:
    """Outcome and its window, e.g. "Start of regular home care, next 12 months"."""
    label, outcome = model.outcome_label(language), model.outcome
    horizon = format_horizon(outcome.horizon_days, language, gap_days=outcome.gap_days)
    return f"{label[:1].upper()}{label[1:]}, {horizon}"


def _person_rows(
    listed: pd.DataFrame, scores: pd.DataFrame, registers: Registers, model, by: str, language: str
) -> pd.DataFrame:
    basis = listed["own_base"].map({True: "area" if by == "area" else "group", False: "all"})
    listed = listed.assign(basis=basis.astype(object))
    date = scores.index.get_level_values("index_date")[0]
    index = pd.MultiIndex.from_arrays([listed["person_id"], [date] * len(listed)], names=["person_id", "index_date"])
    told = {}
    if len(listed):
        reasons = model.reasons(registers, index, n_reasons=N_ASKED)
        told = write_reasons(reasons, model.feature_table, language)
    return write_rows(listed, registers, pd.Timestamp(date), told, language)


def _counts(candidates: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    excluded = candidates["excluded"].value_counts()
    n = {"able": int(excluded.get("", 0)), "listed": int(groups["listed"].sum())}
    n |= {reason: int(excluded.get(reason, 0)) for reason in EXCLUSIONS}
    return pd.DataFrame({"what": list(n), "n": list(n.values())})
