"""Title, texts, tables and figures in; one self-contained, printable and accessible HTML page out."""

import base64
import io
from collections.abc import Sequence
from html import escape
from numbers import Integral, Real

import pandas as pd

from servicenee._checks import check_choice
from servicenee.texts import LANGUAGES, format_number

MISSING = "–"
STYLE = """
:root { --ink: #1a1a1a; --quiet: #555; --line: #c9ced6; --pale: #f3f5f8; --accent: #00507d; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 "Segoe UI", "Helvetica Neue", Arial,
  "Liberation Sans", sans-serif; }
header, main, footer { max-width: 60rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2rem; border-bottom: 3px solid var(--accent); }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; color: var(--accent); }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; color: var(--accent); }
header p { color: var(--quiet); margin: 0 0 1rem; }
p { margin: .5rem 0; max-width: 46rem; }
p.note { border-left: 4px solid var(--accent); background: var(--pale); padding: .6rem .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding: 0 0 .4rem; }
th, td { padding: .35rem .6rem .35rem .1rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; }
tbody th { font-weight: 600; }
.number { text-align: right; padding-left: .6rem; padding-right: .2rem; }
.number + th, .number + td:not(.number) { padding-left: 1.2rem; }
figure { margin: 1rem 0; }
figure img { width: 100%; max-width: 46rem; height: auto; }
figcaption { color: var(--quiet); font-size: .92rem; max-width: 46rem; }
dl.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; }
dl.tiles div { flex: 1 1 10rem; border: 1px solid var(--line); border-top: 4px solid var(--accent);
  padding: .6rem .9rem; }
dl.tiles dt { color: var(--quiet); font-size: .9rem; }
dl.tiles dd { margin: 0; font-size: 1.5rem; font-weight: 600; }
dl.tiles dd.small { font-size: .85rem; font-weight: 400; color: var(--quiet); }
footer { color: var(--quiet); font-size: .88rem; padding-top: 1.5rem; padding-bottom: 2rem; }
@media print {
  @page { size: A4; margin: 16mm; }
  body { font-size: 10.5pt; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  h2 { break-after: avoid; }
  table, figure, dl.tiles, p.note { break-inside: avoid; }
  thead { display: table-header-group; }
  .wide { overflow: visible; }
  table { font-size: 8.5pt; }
  .number { padding-left: .4rem; }
}
"""


class Html(str):
    """Text that is HTML already; every other text is escaped before it reaches a page."""

    __slots__ = ()


def page(
    title: str,
    sections: Sequence[tuple[str, Sequence[str]]],
    *,
    language: str = "en",
    subtitle: str = "",
    footer: str = "",
    style: str = "",
) -> str:
    """Give one complete HTML page.

    Parameters
    ----------
    title : str
        Heading of the page and of the browser tab.
    sections : sequence of (str, sequence of str)
        Heading and blocks of each section: what `table`, `figure`, `note` and `tiles` give, or plain
        text, which is escaped and becomes a paragraph. An empty heading is left out.
    language : {"fi", "sv", "en"}, default="en"
        Language of the texts, told to browsers and screen readers.
    subtitle : str, default=""
        One line under the title, such as the date of the data.
    footer : str, default=""
        One line at the end, such as how the page was made.
    style : str, default=""
        CSS rules of this page's own blocks, after those that all pages share.

    Returns
    -------
    str
        A document that loads nothing from elsewhere: style and figures are inside.

    Examples
    --------
    >>> from servicenee.html import page
    >>> text = page("Risks", [("Summary", ["AUC < 0.7"])])
    >>> "<p>AUC &lt; 0.7</p>" in text
    True
    """
    check_choice("language", language, LANGUAGES)
    under = f"\n<p>{escape(subtitle)}</p>" if subtitle else ""
    end = f"\n<footer><p>{escape(footer)}</p></footer>" if footer else ""
    body = "\n".join(_section(heading, blocks) for heading, blocks in sections)
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>{under}</header>\n<main>\n{body}\n</main>{end}\n</body>\n</html>\n"
    )


def table(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    language: str = "en",
    digits: int = 3,
    numbers: Sequence[str] = (),
) -> Html:
    """Give a DataFrame as an HTML table with header cells for its columns and its first column.

    Parameters
    ----------
    frame : DataFrame
        Shown in its order, without its index.
    caption : str, default=""
        What the table shows, above it.
    language : {"fi", "sv", "en"}, default="en"
        Decides the decimal mark.
    digits : int, default=3
        Decimals of numbers that are not whole-number columns.
    numbers : sequence of str, default=()
        Text columns that hold numbers already written for the reader: set to the right, like numbers.

    Returns
    -------
    Html
        A block for `page`. Missing values are shown as an en dash.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.html import table
    >>> "<td class=\\"number\\">0,25</td>" in table(
    ...     pd.DataFrame({"area": ["Kaustinen"], "risk": [0.25]}), language="fi", digits=2)
    True
    """
    numeric = [
        pd.api.types.is_numeric_dtype(frame.iloc[:, i]) or frame.columns[i] in numbers for i in range(frame.shape[1])
    ]
    heads = "".join(
        f'<th scope="col"{_class(is_number)}>{escape(str(name))}</th>'
        for name, is_number in zip(frame.columns, numeric, strict=True)
    )
    columns = [
        [value_text(value, language=language, digits=digits) for value in frame.iloc[:, i].tolist()]
        for i in range(frame.shape[1])
    ]
    rows = "\n".join(_row(cells, numeric) for cells in zip(*columns, strict=True))
    title = f"<caption>{escape(caption)}</caption>\n" if caption else ""
    return Html(
        f'<div class="wide"><table>\n{title}<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'
    )


def figure(fig, alt: str, *, caption: str = "") -> Html:
    """Give a matplotlib figure as an image inside the page.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        Drawn as scalable graphics, so that it prints sharply. The same figure gives the same bytes.
    alt : str
        What the figure shows, for a reader who does not see it.
    caption : str, default=""
        One or two sentences under the figure: how to read it.

    Returns
    -------
    Html
        A block for `page`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from servicenee.html import figure
    >>> figure(Figure(figsize=(1, 1)), "nothing yet")[:30]
    '<figure><img alt="nothing yet"'
    """
    from matplotlib import rc_context

    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "servicenee"}):
        fig.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(drawn.getvalue()).decode("ascii")
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Html(f'<figure><img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">{below}</figure>')


def note(text: str) -> Html:
    """Give a paragraph that stands out: a warning, a definition, a limit.

    Parameters
    ----------
    text : str
        Plain text; it is escaped.

    Returns
    -------
    Html
        A block for `page`.

    Examples
    --------
    >>> from servicenee.html import note
    >>> str(note("A list, not a decision"))
    '<p class="note">A list, not a decision</p>'
    """
    return Html(f'<p class="note">{escape(text)}</p>')


def tiles(figures: Sequence[tuple[str, str, str]]) -> Html:
    """Give a row of key figures.

    Parameters
    ----------
    figures : sequence of (str, str, str)
        Label, value and explanation of each; an empty explanation is left out.

    Returns
    -------
    Html
        A block for `page`.

    Examples
    --------
    >>> from servicenee.html import tiles
    >>> "<dd>1 204</dd>" in tiles([("Persons", "1 204", "")])
    True
    """
    items = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd>"
        + (f'<dd class="small">{escape(explanation)}</dd>' if explanation else "")
        + "</div>"
        for label, value, explanation in figures
    )
    return Html(f'<dl class="tiles">{items}</dl>')


def value_text(value, *, language: str = "en", digits: int = 3) -> str:
    """Give one value as a reader of the language writes it; an en dash if it is missing.

    Parameters
    ----------
    value : object
        Whole numbers are grouped by thousands, other numbers get `digits` decimals.
    language : {"fi", "sv", "en"}, default="en"
        Decides the decimal mark.
    digits : int, default=3
        Decimals of numbers that are not whole-number types.

    Returns
    -------
    str
        Not yet escaped.

    Examples
    --------
    >>> from servicenee.html import value_text
    >>> value_text(0.1234, language="sv"), value_text(float("nan"))
    ('0,123', '–')
    """
    check_choice("language", language, LANGUAGES)
    if value is None or value is pd.NaT or value is pd.NA:
        return MISSING
    if isinstance(value, Integral) and not isinstance(value, bool):
        return format_number(int(value), language, decimals=0)
    if isinstance(value, Real) and not isinstance(value, bool):
        return format_number(float(value), language, decimals=digits)
    return str(value)


def _section(heading: str, blocks: Sequence[str]) -> str:
    title = f"<h2>{escape(heading)}</h2>\n" if heading else ""
    return f"<section>\n{title}" + "\n".join(_block(block) for block in blocks) + "\n</section>"


def _block(block: str) -> str:
    return str(block) if isinstance(block, Html) else f"<p>{escape(block)}</p>"


def _row(cells: Sequence[str], numeric: Sequence[bool]) -> str:
    first, *others = cells
    head = f'<th scope="row"{_class(numeric[0])}>{escape(first)}</th>'
    rest = "".join(
        f"<td{_class(is_number)}>{escape(cell)}</td>" for cell, is_number in zip(others, numeric[1:], strict=True)
    )
    return f"<tr>{head}{rest}</tr>"


def _class(is_number: bool) -> str:
    return ' class="number"' if is_number else ""
