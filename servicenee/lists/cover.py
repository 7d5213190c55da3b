"""A finished list comes in; the words around its rows go out: headings, cover and summary."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL, is_small, suppress
from servicenee.lists.rows import group_name
from servicenee.texts import format_date, format_number, text

if TYPE_CHECKING:
    from servicenee.lists.listing import SegmentList

_NAMED_GROUPS = ("area", "team")
SUMMARY = ("scored", "base_rate", "capacity", "listed", "expected")


def title(listing: "SegmentList") -> str:
    """What the file is, in one line."""
    key = "lists.title" if listing.purpose == "client_work" else "lists.title.counts"
    return text(key, listing.language)


def notice(listing: "SegmentList") -> str:
    """What the reader must not overlook: a proposal and no decision, or counts and no persons."""
    return text(f"lists.notice.{listing.purpose}", listing.language)


def banner(listing: "SegmentList") -> str:
    """The line that stands above the rows: notice, outcome, date of the data, model."""
    return text(
        "lists.banner",
        listing.language,
        notice=notice(listing),
        outcome=listing.outcome,
        date=format_date(listing.index_date, listing.language),
        model=listing.model,
        version=listing.version,
    )


def heading(column: str, by: str, language: str) -> str:
    """Heading of a column; the group column carries the name of what the list is divided by."""
    if column != "group":
        return text(f"lists.column.{column}", language)
    return text(f"lists.column.{by}", language) if by in _NAMED_GROUPS else by


def cover_sections(listing: "SegmentList") -> list[tuple[str, list[str]]]:
    """Heading and paragraphs of every part of the cover, in reading order."""
    language, purpose = listing.language, listing.purpose
    date, checked = (format_date(day, language) for day in (listing.index_date, listing.extract_date))
    model = {"model": listing.model, "version": listing.version}
    reading = ["number", "reasons", "hidden", "fill"] if purpose == "client_work" else ["number"]
    limits = ["offer", "low", "late", "handling"] if purpose == "client_work" else ["low", "late"]
    parts = {
        "purpose": [text(f"lists.purpose.{purpose}", language)],
        "outcome": [listing.outcome],
        "data_date": [text("lists.cover.data_date.value", language, date=date)],
        "extract_date": [text("lists.cover.extract_date.value", language, date=checked)],
        "model": [text("lists.cover.model.value", language, **model)],
        "capacity": [_capacity(listing), text("lists.capacity.choice", language)],
        "counts": _counts(listing),
        "intended": [text(f"lists.intended.{name}", language) for name in (purpose, "not_for")],
        "read": [text(f"lists.read.{name}", language) for name in reading],
        "limits": [text(f"lists.limits.{name}", language) for name in limits]
        + [text("lists.limits.small", language, limit=MIN_CELL)],
    }
    return [(text(f"lists.cover.{name}", language), lines) for name, lines in parts.items()]


def summary_values(listing: "SegmentList") -> pd.DataFrame:
    """Groups, then their total: numbers where they may be shown, words where a small count is hidden."""
    groups, language = listing.groups, listing.language
    rest = groups["scored"] - groups["listed"]
    cells = suppress(pd.DataFrame({"listed": groups["listed"], "rest": rest}))
    shown = {"scored": suppress(groups["scored"]), "listed": cells["listed"]}
    counts = {name: np.append(groups[name], groups[name].sum()) for name in shown}
    few = {name: is_small(n) for name, n in counts.items()}
    hidden = {name: np.append(shown[name].isna(), few[name][-1]) for name in shown}
    n = counts["scored"][-1]
    average = (groups["base_rate"].fillna(0) * groups["scored"]).sum() / n if n else np.nan
    names = [group_name(name, language) for name in groups["group"]]
    columns = {
        "group": [*names, text("lists.column.total", language)],
        "scored": _covered(counts["scored"], hidden["scored"], few["scored"], language),
        "base_rate": _covered([*groups["base_rate"], average], hidden["scored"], None, language),
        "capacity": [*groups["capacity"], groups["capacity"].sum()],
        "listed": _covered(counts["listed"], hidden["listed"], few["listed"], language),
        "expected": _covered([*groups["expected"], groups["expected"].sum()], hidden["listed"], None, language),
    }
    return pd.DataFrame(columns, dtype=object)


def _covered(values, hidden: np.ndarray, few: np.ndarray | None, language: str) -> list:
    """Values with "fewer than 5" for small counts and "hidden" for what would give them away."""
    beside, small = text("lists.hidden", language), text("common.suppressed", language, limit=MIN_CELL)
    few = np.zeros(len(hidden), dtype=bool) if few is None else few
    return [
        small if is_few else beside if is_hidden else value
        for value, is_hidden, is_few in zip(values, hidden, few, strict=True)
    ]


def summary_table(listing: "SegmentList") -> pd.DataFrame:
    """The summary as texts under the headings of the reader's language."""
    values = summary_values(listing)
    texts = {"group": values["group"]}
    texts |= {name: [_figure(name, value, listing.language) for value in values[name]] for name in SUMMARY}
    return pd.DataFrame({heading(name, listing.by, listing.language): column for name, column in texts.items()})


def _figure(name: str, value: object, language: str) -> str:
    if isinstance(value, str):
        return value
    if name != "base_rate" or pd.isna(value):
        return format_number(value, language, decimals=0)
    percent = format_number(100 * value, language, decimals=1)
    return f"{percent}%" if language == "en" else f"{percent}\u00a0%"


def _counts(listing: "SegmentList") -> list[str]:
    """Who is included and who is not; no total of the lines is shown, so small ones are hidden alone."""
    few = text("common.suppressed", listing.language, limit=MIN_CELL)
    return [
        f"{text(f'lists.count.{what}', listing.language)}: "
        f"{few if is_small(n) else format_number(n, listing.language, decimals=0)}"
        for what, n in zip(listing.counts["what"], listing.counts["n"], strict=True)
    ]


def _capacity(listing: "SegmentList") -> str:
    sizes = sorted(set(listing.groups["capacity"]))
    by = heading("group", listing.by, listing.language).lower()
    if len(sizes) == 1:
        return text("lists.capacity.each", listing.language, n=sizes[0], by=by)
    return text("lists.capacity.own", listing.language, by=by)
