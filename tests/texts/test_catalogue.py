"""Every reader text exists in every language, with the same placeholders and in its own language."""

import csv
import re
from pathlib import Path
from string import Formatter

import pytest

import servicenee.texts
from servicenee.texts import LANGUAGES, text

ROWS = [
    (source.stem, row)
    for source in sorted(Path(servicenee.texts.__file__).parent.glob("*.csv"))
    for row in csv.DictReader(source.open(encoding="utf-8", newline=""))
]
KEYS = [row["key"] for _, row in ROWS]
# Words that exist only in English: none may stand in a Finnish or Swedish text.
ENGLISH = re.compile(
    r"\b(the|of|and|with|without|last|days|months|visits|not|risk|model|list|number|person|persons|date|decision|"
    r"care|services|reason|reasons|usual|usually|version|proposal|area)\b",
    re.IGNORECASE,
)
ALSO_SWEDISH = {"version", "risk", "person"}
SHARED_WORDS = {"version", "segment", "under", "team", "risk", "april", "september", "november", "december"}


def placeholders(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_every_catalogue_file_has_exactly_the_four_columns():
    for source in sorted(Path(servicenee.texts.__file__).parent.glob("*.csv")):
        header = source.read_text(encoding="utf-8").splitlines()[0]
        assert header == "key,fi,sv,en", source.name


def test_keys_are_unique_and_start_with_the_name_of_their_file():
    assert len(KEYS) == len(set(KEYS))
    assert [key for file, key in [(file, row["key"]) for file, row in ROWS] if not key.startswith(f"{file}.")] == []


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=KEYS)
def test_a_text_has_all_languages_and_the_same_placeholders(row):
    assert None not in row, "a comma without quotes"
    for language in LANGUAGES:
        assert row[language], language
        assert row[language] == row[language].strip(), language
    assert placeholders(row["fi"]) == placeholders(row["sv"]) == placeholders(row["en"])


@pytest.mark.parametrize(
    ("language", "allowed"),
    [("fi", set()), ("sv", ALSO_SWEDISH)],
    ids=["Finnish", "Swedish"],
)
def test_no_english_is_left_in_the_other_languages(language, allowed):
    left_over = {
        row["key"]: word
        for _, row in ROWS
        for word in ENGLISH.findall(re.sub(r"\{.*?\}", "", row[language]))
        if word.lower() not in allowed
    }
    assert left_over == {}


def test_a_translation_is_not_a_copy_of_the_english():
    # Patterns made of placeholders and words that the languages share may agree; other running words may not.
    copies = []
    for _, row in ROWS:
        words = re.findall(r"[a-zåäö]{4,}", re.sub(r"\{.*?\}", "", row["en"]).lower())
        own = [word for word in words if word not in SHARED_WORDS]
        if own and row["en"] in (row["fi"], row["sv"]):
            copies.append(row["key"])
    assert copies == []


def test_every_key_that_the_code_asks_for_exists():
    package = Path(servicenee.texts.__file__).parents[1]
    asked = {
        key
        for source in package.rglob("*.py")
        for key in re.findall(
            r"\btext\(\s*\"([^\"]+)\"", re.sub(r"(?m)^\s*(>>>|\.\.\.).*$", "", source.read_text("utf-8"))
        )
    }
    assert asked
    assert sorted(asked - set(KEYS)) == []


def test_placeholders_are_filled_in():
    assert text("features.window.months", "sv", n=6) == "de senaste 6 mån."


def test_braces_in_a_value_stay_text():
    assert text("features.measure.latest", "en", what="{n}") == "{n}, latest value"


def test_an_unknown_key_is_refused_by_name():
    with pytest.raises(KeyError, match=r"no key 'features\.nothing'"):
        text("features.nothing", "fi")
    with pytest.raises(KeyError, match=r"no key '\.\./exceptions\.x'"):
        text("../exceptions.x", "fi")


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="`language` must be one of 'fi', 'sv', 'en'; got 'de'"):
        text("features.window.all", "de")


@pytest.mark.parametrize("values", [{}, {"n": 3, "m": 4}], ids=["missing", "one too many"])
def test_values_must_be_exactly_the_placeholders(values):
    with pytest.raises(ValueError, match=r"placeholders of 'features\.window\.months': \['n'\]"):
        text("features.window.months", "fi", **values)
