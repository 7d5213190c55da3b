"""Sentences come in; an HTML list for a page goes out."""

from collections.abc import Iterable
from html import escape

from servicenee.html import Html


def bullet_list(sentences: Iterable[str]) -> Html:
    """An unordered list; every sentence is escaped."""
    return Html("<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>")
