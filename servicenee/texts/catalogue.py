"""The catalogue of reader texts: a key, a language and values come in, one sentence goes out.

Each CSV file beside this module holds one reader-facing area; its keys start with the name of the file.
"""

import csv
from functools import cache
from importlib.resources import files
from string import Formatter

from servicenee._checks import check_choice

LANGUAGES = ("fi", "sv", "en")


def text(key: str, language: str, **values: object) -> str:
    """Text of the catalogue in one language, with its placeholders filled in.

    Parameters
    ----------
    key : str
        ``"<file>.<name>"``, e.g. ``"features.source.emergency"``.
    language : {"fi", "sv", "en"}
        Language of the reader.
    **values : object
        One value for each placeholder of the text, already formatted for the reader.

    Returns
    -------
    str
        The finished text.

    Raises
    ------
    KeyError
        If the catalogue has no such key.
    ValueError
        If the language is not one of ours, or the values are not exactly the placeholders of the text.

    Examples
    --------
    >>> from servicenee.texts import text
    >>> text("features.window.months", "fi", n=12)
    'viimeiset 12 kk'
    """
    check_choice("language", language, LANGUAGES)
    area = _area(key.partition(".")[0])
    if key not in area:
        raise KeyError(f"The text catalogue has no key {key!r}. Add it in all languages to a CSV in texts/.")
    template = area[key][language]
    wanted = _placeholders(template)
    if wanted != values.keys():
        raise ValueError(
            f"`values` must be exactly the placeholders of {key!r}: {sorted(wanted)}; got {sorted(values)}."
        )
    return template.format(**values)


def known_text(key: str, language: str, otherwise: str = "") -> str:
    """Text of the catalogue, or what stands in the data where it has none, such as a source of a county's own.

    Parameters
    ----------
    key : str
        As in `text`; the text has no placeholders.
    language : {"fi", "sv", "en"}
        Language of the reader.
    otherwise : str, default=""
        What to give where the catalogue has no such key.

    Returns
    -------
    str

    Examples
    --------
    >>> from servicenee.texts import known_text
    >>> known_text("features.source.of_our_own", "fi", "of_our_own")
    'of_our_own'
    """
    try:
        return text(key, language)
    except KeyError:
        return otherwise


@cache
def _area(name: str) -> dict[str, dict[str, str]]:
    """Texts of one file by key and language; no texts when there is no such file."""
    source = files("servicenee.texts") / f"{name}.csv"
    if not name.isidentifier() or not source.is_file():
        return {}
    with source.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {row["key"]: {language: row[language] for language in LANGUAGES} for row in rows}


@cache
def _placeholders(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)
