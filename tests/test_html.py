"""The page frame: everything escaped, nothing loaded from elsewhere, readable by machine and ear."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from servicenee.html import figure, note, page, table, tiles, value_text

VOID = {"meta", "img", "br", "link", "input", "hr"}
NASTY = '<script>alert("x")</script> & Öhman'


class Outline(HTMLParser):
    """Tags and texts of a page; fails on tags that do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data)

    def named(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def drawing():
    fig = Figure(figsize=(2, 1))
    fig.subplots().plot([0, 1], [0, 1], label="a")
    return fig


def full_page(language="en"):
    frame = pd.DataFrame({"area": [NASTY, "Veteli"], "n": [1234, 5], "risk": [0.25, np.nan]})
    blocks = [
        NASTY,
        note(NASTY),
        tiles([(NASTY, NASTY, NASTY)]),
        table(frame, caption=NASTY, language=language),
    ]
    drawn = figure(drawing(), NASTY, caption=NASTY)
    return page(NASTY, [(NASTY, [*blocks, drawn])], language=language, subtitle=NASTY, footer=NASTY)


def test_every_text_is_escaped():
    outline = Outline(full_page())
    assert outline.named("script") == []
    assert sum(NASTY in text for text in outline.texts) >= 11
    assert outline.named("img")[0]["alt"] == NASTY


def test_nothing_is_loaded_from_elsewhere():
    text = full_page()
    assert not re.search(r"https?://|//[a-z]|@import|<link|<script|url\(", re.sub(r"base64,[^\"]*", "", text))
    assert [img["src"][:26] for img in Outline(text).named("img")] == ["data:image/svg+xml;base64,"]


def test_language_title_and_headings_are_told_to_the_reader():
    outline = Outline(full_page("sv"))
    assert outline.named("html") == [{"lang": "sv"}]
    assert len(outline.named("h1")) == len(outline.named("title")) == len(outline.named("main")) == 1


def test_table_has_header_cells_and_the_readers_decimal_mark():
    frame = pd.DataFrame({"alue": ["Veteli", "Perho"], "henkilöt": [1234, 5], "riski": [0.25, np.nan]})
    text = table(frame, caption="Alueet", language="fi", digits=2)
    outline = Outline(text)
    assert [cell["scope"] for cell in outline.named("th")] == ["col", "col", "col", "row", "row"]
    assert len(outline.named("caption")) == 1
    assert outline.texts[4:] == ["Veteli", "1\u00a0234", "0,25", "Perho", "5", "–"]


def test_a_table_without_rows_still_has_its_head():
    outline = Outline(table(pd.DataFrame({"area": [], "n": []})))
    assert outline.texts == ["area", "n"]


def test_the_same_input_gives_the_same_bytes():
    assert full_page() == full_page()


def test_columns_of_written_numbers_are_set_to_the_right():
    frame = pd.DataFrame({"a": ["x"], "b": ["5 %"], "c": ["y"]})
    classes = [cell.get("class") for cell in Outline(table(frame, numbers=["b"])).named("td")]
    assert classes == ["number", None]


@pytest.mark.parametrize(
    ("value", "language", "text"),
    [
        (1234567, "fi", "1\u00a0234\u00a0567"),
        (1234567, "en", "1,234,567"),
        (-0.5, "sv", "\u22120,500"),
        (-0.0001, "en", "0.000"),
        (np.float32(0.5), "en", "0.500"),
        (np.int64(3), "en", "3"),
        (None, "en", "–"),
        (pd.NaT, "en", "–"),
        (pd.NA, "en", "–"),
        (float("nan"), "en", "–"),
        ("<5", "fi", "<5"),
        (True, "en", "True"),
    ],
)
def test_values_as_a_reader_writes_them(value, language, text):
    assert value_text(value, language=language) == text


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="`language` must be one of 'fi', 'sv', 'en'; got 'de'"):
        page("x", [], language="de")


def contrast(first, second):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_colours_can_be_read_on_white_and_on_the_pale_ground():
    colours = dict(re.findall(r"--(\w+): (#\w+);", full_page()))
    full = {name: "#" + "".join(2 * c for c in one[1:]) if len(one) == 4 else one for name, one in colours.items()}
    for name in ("ink", "quiet", "accent"):
        assert contrast(full[name], "#ffffff") >= 4.5
        assert contrast(full[name], full["pale"]) >= 4.5
