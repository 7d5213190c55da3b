"""A finished list comes in; the words around its rows go out: headings, cover and summary."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL, is_small, suppress
from servicenee.lists.choices import INPUTS
from servicenee.lists.rows import group_name
from servicenee.texts import format_date, format_number, format_percent, text

if TYPE_CHECKING:
    from servicenee.lists.document import SegmentList

_NAMED_GROUPS = ("area", "team")
_ALWAYS = ("scored", "base_rate", "capacity", "listed", "expected", "lowest_risk", "other_cut")
_RATES = ("base_rate", "lowest_risk")
_ROLES = ("able", "listed", "held_out", "review")
_REVIEW = ("number", "person_id", "name", "age_band", "group", "area", "language", "services", "care_gaps", "data_gaps")


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
    """Heading of a column; the unit's column carries the name of what the list is divided by."""
    if column != "group":
        return text(f"lists.column.{column}", language)
    return text(f"lists.column.{by}", language) if by in _NAMED_GROUPS else by


def shown_columns(listing: "SegmentList", *, named: bool = False) -> list[str]:
    """Columns of the rows that have something to say on this list, in reading order."""
    rows, terms = listing.rows, listing.terms
    told = {
        "week": terms.weeks > 1,
        "area": _area_tells(listing),
        "changes": listing.report.previous_date is not pd.NaT,
        "segment": bool((rows["segment"] != "").any()),
        "first_step": bool((rows["first_step"] != "").any()),
        "base_rate": False,  # stands in the reading
        "name": named,
    }
    columns = list(rows.columns)
    columns.insert(columns.index("person_id") + 1, "name")
    return [name for name in columns if told.get(name, True)]


def _area_tells(listing: "SegmentList") -> bool:
    """Whether the area says more than the unit, whose name may begin with it."""
    pairs = zip(listing.rows["group"], listing.rows["area"], strict=True)
    return listing.by != "area" and not all(group.startswith(area) for group, area in pairs)


def review_columns(listing: "SegmentList", *, named: bool = False) -> list[str]:
    """Columns of the sample for review: what a professional needs to judge without the model's view."""
    told = {"area": _area_tells(listing), "name": named}
    shown = [name for name in _REVIEW if told.get(name, True)]
    return [*shown, *INPUTS, "source", "list_id"]


def cover_sections(listing: "SegmentList") -> list[tuple[str, list[str]]]:
    """Heading and paragraphs of every part of the cover, in reading order."""
    language, purpose = listing.language, listing.purpose
    date, checked = (format_date(day, language) for day in (listing.index_date, listing.extract_date))
    of_persons = purpose == "client_work"
    reading = ["number", "reasons", _hidden(listing), "fill", "coping"] if of_persons else ["number"]
    limits = ["offer", "low", "late", "handling"] if of_persons else ["low", "late"]
    parts = {
        "purpose": [text(f"lists.purpose.{purpose}", language), *_basis(listing)],
        "outcome": [listing.outcome],
        "data_date": [text("lists.cover.data_date.value", language, date=date)],
        "extract_date": [text("lists.cover.extract_date.value", language, date=checked), *_unchecked(listing)],
        "model": [text("lists.cover.model.value", language, model=listing.model, version=listing.version)],
        "capacity": _capacity(listing),
        "counts": _counts(listing),
        "rules": _rules(listing) if of_persons else [],
        "returned": _returned(listing),
        "intended": [text(f"lists.intended.{name}", language) for name in (purpose, "not_for")],
        "read": [text(f"lists.read.{name}", language) for name in reading],
        "limits": [text(f"lists.limits.{name}", language) for name in limits]
        + [text("lists.limits.small", language, limit=MIN_CELL)],
    }
    return [(text(f"lists.cover.{name}", language), lines) for name, lines in parts.items() if lines]


def _hidden(listing: "SegmentList") -> str:
    return "hidden" if listing.report.hides_as_shipped else "opted_in"


def _basis(listing: "SegmentList") -> list[str]:
    basis = listing.terms.legal_basis
    return [] if basis is None else [text("lists.cover.basis", listing.language, basis=basis)]


def _unchecked(listing: "SegmentList") -> list[str]:
    """Exclusions that the legal basis did not let us look at."""
    names = listing.report.unchecked
    if not names or listing.purpose != "client_work":
        return []
    labels = ", ".join(listing.report.exclusions[name][listing.language] for name in names)
    return [text("lists.cover.unchecked", listing.language, exclusions=labels)]


def _rules(listing: "SegmentList") -> list[str]:
    """For how long a decision or a record keeps somebody off the list, and who has decided so."""
    language, report = listing.language, listing.report
    windows = [
        text("lists.rules.window", language, label=report.exclusions[name][language], n=days)
        for name, days in report.windows
    ]
    said = [text("lists.rules.windows", language, windows="; ".join(windows))] if windows else []
    return [*said, text(f"lists.rules.{'confirmed' if report.is_confirmed else 'shipped'}", language)]


def _counted(name: str, n: int, language: str, **values) -> str:
    """A sentence with a number, in the singular for one."""
    return text(f"{name}.one", language, **values) if n == 1 else text(name, language, n=n, **values)


def _capacity(listing: "SegmentList") -> list[str]:
    terms, language = listing.terms, listing.language
    by = heading("group", listing.by, language).lower()
    said = [_size(listing, by), text(f"lists.cut.{terms.cut}", language)]
    if terms.weeks > 1:
        said.append(text("lists.capacity.weeks", language, n=terms.weeks))
    if terms.order == "segment":
        said.append(text("lists.order.segment", language))
    if terms.new != "mixed":
        said.append(text(f"lists.new.{terms.new}", language))
    elif listing.report.previous_date is not pd.NaT:
        date = format_date(listing.report.previous_date, language)
        said.append(text("lists.new.mixed", language, date=date))
    if terms.holdout:
        share = format_number(100 * terms.holdout, language)
        said.append(text("lists.holdout", language, share=share))
    if terms.n_review and listing.purpose == "client_work":
        said.append(_counted("lists.review", terms.n_review, language))
    return said


def _size(listing: "SegmentList", by: str) -> str:
    sizes = sorted(set(listing.groups["capacity"]))
    if isinstance(listing.terms.capacity, float):
        share = format_number(100 * listing.terms.capacity, listing.language)
        return text("lists.capacity.share", listing.language, share=share, by=by)
    if len(sizes) == 1:
        return _counted("lists.capacity.each", sizes[0], listing.language, by=by)
    return text("lists.capacity.own", listing.language, by=by)


def _counts(listing: "SegmentList") -> list[str]:
    """Who is included and who is not; no total of the lines is shown, so small ones are hidden alone."""
    language, said, nobody = listing.language, [], []
    for what, n in zip(listing.counts["what"], listing.counts["n"], strict=True):
        if what in _ROLES:
            said += (
                [f"{text(f'lists.count.{what}', language)}: {_count(n, language)}"] if n or what in _ROLES[:2] else []
            )
        elif n:
            label = text("lists.count.left_out", language, label=listing.report.exclusions[what][language])
            said.append(f"{label}: {_count(n, language)}")
        elif what not in listing.report.unchecked:
            nobody.append(listing.report.exclusions[what][language])
    return [*said, text("lists.count.nobody", language, labels=", ".join(nobody))] if nobody else said


def _count(n: int, language: str) -> str:
    if is_small(n):
        return text("common.suppressed", language, limit=MIN_CELL)
    return format_number(n, language, decimals=0)


def _returned(listing: "SegmentList") -> list[str]:
    """What came back from earlier lists: decisions by kind, and how often clients' own view of coping was asked."""
    returned, language = listing.report.returned, listing.language
    if returned is None or not returned["rows"]:
        return []
    kinds = [name for name in returned if name not in ("rows", "coping")]
    said = [text("lists.returned.rows", language, n=_count(returned["rows"], language))]
    said += [f"{text(f'lists.decision.{name}', language)}: {_count(returned[name], language)}" for name in kinds]
    if is_small(returned["coping"]) or is_small(returned["rows"]):
        share = text("common.suppressed", language, limit=MIN_CELL)
    else:
        share = format_percent(returned["coping"] / returned["rows"], language, decimals=0)
    return [*said, text("lists.returned.coping", language, share=share)]


def summary_values(listing: "SegmentList") -> pd.DataFrame:
    """Units, then their total: numbers where they may be shown, words where a small count is hidden."""
    groups, language = listing.groups, listing.language
    shown = _suppressed(groups)
    counts = {name: np.append(groups[name], groups[name].sum()) for name in shown}
    few = {name: is_small(n) for name, n in counts.items()}
    hidden = {name: np.append(shown[name].isna(), few[name][-1]) for name in shown}
    n = counts["scored"][-1]
    average = (groups["base_rate"].fillna(0) * groups["scored"]).sum() / n if n else np.nan
    names = [group_name(name, language) for name in groups["group"]]
    columns = {"group": [*names, text("lists.column.total", language)]}
    for name in summary_columns(listing):
        if name in shown:
            columns[name] = _covered(counts[name], hidden[name], few[name], language)
    beside = {
        "base_rate": ([*groups["base_rate"], average], hidden["scored"]),
        "capacity": ([*groups["capacity"], groups["capacity"].sum()], np.zeros(len(groups) + 1, dtype=bool)),
        "expected": ([*groups["expected"], groups["expected"].sum()], hidden["listed"]),
        "lowest_risk": ([*groups["lowest_risk"], groups["lowest_risk"].min()], hidden["listed"]),
    }
    columns |= {name: _covered(values, mask, None, language) for name, (values, mask) in beside.items()}
    return pd.DataFrame(columns, dtype=object)[["group", *summary_columns(listing)]]


def summary_columns(listing: "SegmentList") -> list[str]:
    """Columns of the summary that have something to say on this list."""
    further = {
        "new": listing.report.previous_date is not pd.NaT,
        "held_out": listing.terms.holdout > 0,
        "review": listing.purpose == "client_work" and listing.terms.n_review >= MIN_CELL,
    }
    return [*_ALWAYS, *(name for name, told in further.items() if told)]


def _suppressed(groups: pd.DataFrame) -> dict[str, pd.Series]:
    """Counts per unit with NaN where hidden: by unit, and against the counts they could be subtracted from."""
    whole = {"listed": "scored", "other_cut": "scored", "new": "listed", "held_out": "scored", "review": "scored"}
    shown = {"scored": suppress(groups["scored"])}
    for part, of in whole.items():
        shown[part] = suppress(pd.DataFrame({"part": groups[part], "rest": groups[of] - groups[part]}))["part"]
    return shown


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
    texts |= {name: [_figure(name, value, listing.language) for value in values[name]] for name in values.columns[1:]}
    return pd.DataFrame({heading(name, listing.by, listing.language): column for name, column in texts.items()})


def _figure(name: str, value: object, language: str) -> str:
    if isinstance(value, str):
        return value
    if name not in _RATES or pd.isna(value):
        return format_number(value, language, decimals=0)
    return format_percent(value, language)
