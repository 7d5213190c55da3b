"""A listed person comes in; a page for that client, in plain words of the client's language, goes out."""

from pathlib import Path
from typing import TYPE_CHECKING

from servicenee.html import page
from servicenee.lists.bullets import bullet_list
from servicenee.lists.protected import replace_file
from servicenee.lists.reasons import source_name, write_reason
from servicenee.lists.rows import share_of
from servicenee.lists.select import LISTED
from servicenee.texts import format_date, text

if TYPE_CHECKING:
    from servicenee.lists.document import SegmentList
    from servicenee.lists.facts import Person


def write_explanation(listing: "SegmentList", person_id, path: str | Path, contact: str, language: str) -> Path:
    """Write the page; the error for somebody who is not listed does not name them."""
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise ValueError(f"`path` must end in .html; got a name ending in {path.suffix!r}.")
    if not str(contact).strip():
        raise ValueError("`contact` must say whom the client can turn to, such as a title and a telephone number.")
    own = [person for person in listing.people if person.role == LISTED and str(person.person_id) == str(person_id)]
    if not own:
        raise ValueError("`person_id` must be one of the persons on the list; it is not.")
    made = page(
        text("lists.client.title", language),
        _sections(listing, own[0], contact, language),
        language=language,
        subtitle=text("lists.client.subtitle", language, date=format_date(listing.index_date, language)),
        footer=text("lists.client.footer", language, model=listing.model, version=listing.version),
    )
    return replace_file(path, made.encode("utf-8"))


def _sections(listing: "SegmentList", person: "Person", contact: str, language: str) -> list[tuple[str, list[str]]]:
    def say(name: str, **values: str) -> str:
        return text(f"lists.client.{name}", language, **values)

    of = 100 if person.base_rate >= 0.01 else 1000
    shares = {"risk": share_of(person.risk, of, language), "base": share_of(person.base_rate, of, language)}
    sources = ", ".join(source_name(source, language) for source in listing.report.sources)
    reasons = [write_reason(reason, language) for reason in person.reasons]
    looked = [say("looked.sources", sources=sources)]
    if reasons:
        looked += [say("looked.reasons"), bullet_list(reasons)]
    rights = [say(f"rights.{name}") for name in ("object", "see", "complain")]
    return [
        (say("why"), [say("why.text")]),
        (
            say("meaning"),
            [
                say("meaning.outcome", outcome=listing.report.outcomes[language]),
                say("meaning.number", **shares),
                say("meaning.not"),
            ],
        ),
        (say("looked"), [*looked, say("looked.hidden")]),
        (say("effect"), [say("effect.text")]),
        (say("rights"), [bullet_list(rights), say("rights.contact", contact=contact)]),
    ]
