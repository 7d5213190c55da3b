"""A finished list comes in; one printable page with a card for each person goes out."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from servicenee.html import Html, note, page, table
from servicenee.lists.bullets import bullet_list
from servicenee.lists.choices import choice_texts
from servicenee.lists.cover import (
    banner,
    cover_sections,
    heading,
    notice,
    review_columns,
    shown_columns,
    summary_table,
    title,
)
from servicenee.lists.flat import with_names
from servicenee.lists.protected import replace_file
from servicenee.texts import text

if TYPE_CHECKING:
    from servicenee.lists.document import SegmentList

_FACTS = ("week", "age_band", "group", "area", "language", "services", "segment", "first_step")
_LISTS = (("reasons",), ("changes", "care_gaps", "data_gaps"))  # left and right
STYLE = """
dl.cover dt { font-weight: 600; margin-top: .6rem; }
dl.cover dd { margin: 0; max-width: 46rem; }
article.person { border: 1px solid var(--line); border-left: 5px solid var(--accent); padding: .7rem 1rem .9rem;
  margin: 1rem 0; break-inside: avoid; }
article.person h3 { margin: 0 0 .3rem; font-size: 1.1rem; }
article.person h4 { margin: .6rem 0 .1rem; font-size: .92rem; }
article.person p.reading { font-size: 1.05rem; margin: .2rem 0 .5rem; }
article.person dl.facts { display: flex; flex-wrap: wrap; gap: .1rem 1.6rem; margin: 0; }
article.person dl.facts dt { color: var(--quiet); font-size: .9em; }
article.person dl.facts dd { margin: 0; }
article.person ul { margin: .1rem 0 0; padding-left: 1.2rem; }
article.person .beside { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1.5rem; }
article.person .fill { border-top: 1px solid var(--line); margin-top: .7rem; padding-top: .3rem; }
article.person .fill h4 { display: inline; margin-right: .8rem; }
article.person .fill .boxes { margin: .15rem 0; }
article.person .fill span { display: inline-block; margin: 0 .8rem 0 0; }
article.person .fill .write { display: flex; gap: 1.2rem; margin: .5rem 0 0; color: var(--quiet); }
article.person .fill .write span { flex: 1; border-bottom: 1px solid var(--quiet); padding-bottom: 1.5rem; margin: 0; }
article.person .fill .write span:last-child { flex: 3; }
@media print { article.person { font-size: 8.5pt; line-height: 1.35; padding: .3rem .7rem .5rem; margin: .4rem 0; }
  article.person h3, article.person p.reading { font-size: 10.5pt; margin: 0 0 .15rem; }
  article.person h4 { font-size: 8.5pt; margin: .35rem 0 0; }
  section:has(article) { break-before: page; } }
"""


def write_page(listing: "SegmentList", path: str | Path, names: dict[str, str] | None) -> Path:
    """Write the page beside its final name first and rename it when complete."""
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise ValueError(f"`path` must end in .html; got a name ending in {path.suffix!r}.")
    sections = _cover(listing)
    summary = table(summary_table(listing), language=listing.language, numbers=_numeric(listing))
    sections.append((text("lists.sheet.groups", listing.language), [summary]))
    if listing.purpose == "client_work":
        sections += _persons(listing, names)
    made = page(
        title(listing),
        sections,
        language=listing.language,
        subtitle=listing.outcome,
        footer=f"{listing.list_id} · {banner(listing)}",
        style=STYLE,
    )
    return replace_file(path, made.encode("utf-8"))


def _cover(listing: "SegmentList") -> list[tuple[str, list[str]]]:
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{'<br>'.join(escape(line) for line in lines)}</dd>"
        for name, lines in cover_sections(listing)
    )
    return [("", [note(notice(listing)), Html(f'<dl class="cover">{items}</dl>')])]


def _numeric(listing: "SegmentList") -> list[str]:
    return list(summary_table(listing).columns[1:])


def _persons(listing: "SegmentList", names: dict[str, str] | None) -> list[tuple[str, list[str]]]:
    """One section per unit, then the sample for review."""
    language, rows = listing.language, with_names(listing.rows, names)
    columns = shown_columns(listing, named=names is not None)
    sections = []
    for unit, own in rows.groupby("group", sort=False):
        name = f"{text('lists.sheet.list', language)}: {unit}"
        sections.append((name, [_card(listing, record, columns) for record in own.to_dict("records")]))
    if len(listing.review):
        review = with_names(listing.review, names)
        columns = review_columns(listing, named=names is not None)
        cards = [_card(listing, record, columns) for record in review.to_dict("records")]
        notice_of_sample = note(text("lists.review.notice", language))
        sections.append((text("lists.sheet.review", language), [notice_of_sample, *cards]))
    return sections


def _card(listing: "SegmentList", record: dict, columns: list[str]) -> Html:
    """One person: who, the assessment, what it rests on, and room to write."""
    language = listing.language
    named = f" {record['name']}" if "name" in columns else ""
    first = f"<h3>{record['place']}. {escape(str(record['person_id']))}{escape(named)}</h3>"
    reading = ""
    if "reading" in columns:
        words, numbers = str(record["reading"]).split("\n", 1)
        reading = f'<p class="reading"><b>{escape(words)}</b>: {escape(numbers)}</p>'
    facts = "".join(
        f"<div><dt>{escape(heading(name, listing.by, language))}</dt><dd>{escape(str(record[name]))}</dd></div>"
        for name in _FACTS
        if name in columns and str(record[name])
    )
    told = [[name for name in side if name in columns and record[name]] for side in _LISTS]
    sides = ["".join(_sentences(listing, name, record[name]) for name in side) for side in told if side]
    lists = "".join(f"<div>{side}</div>" for side in sides)
    return Html(
        f'<article class="person">{first}{reading}<dl class="facts">{facts}</dl><div class="beside">{lists}</div>'
        f'<div class="fill">{_to_fill(listing)}</div></article>'
    )


def _sentences(listing: "SegmentList", name: str, value: str) -> str:
    sentences = [line.removeprefix("• ") for line in value.split("\n")]
    return f"<h4>{escape(heading(name, listing.by, listing.language))}</h4>{bullet_list(sentences)}"


def _to_fill(listing: "SegmentList") -> str:
    """Boxes to tick on paper for the decision and the client's own view; lines for reason, date and notes."""
    language = listing.language
    parts = []
    for field in ("decision", "coping"):
        boxes = "".join(f"<span>☐ {escape(choice)}</span>" for choice in choice_texts(field, language))
        label = text(f"lists.page.{field}", language)
        parts.append(f'<div class="boxes"><h4>{escape(label)}</h4>{boxes}</div>')
    labels = [text(f"lists.page.{name}", language) for name in ("decision_reason", "decision_date", "free_text")]
    lines = "".join(f"<span>{escape(label)}</span>" for label in labels)
    return "".join(parts) + f'<div class="write">{lines}</div>'
