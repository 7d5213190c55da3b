"""A finished impact report in; the bytes of one Excel workbook out, a sheet per table, to read and to chart."""

import io
from datetime import datetime
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from servicenee.impact.readable import name_text
from servicenee.impact.wording import (
    definition_text,
    dimension_text,
    group_text,
    label_text,
    note_text,
    period_text,
    row_text,
    title_text,
    word,
)
from servicenee.texts import format_date

if TYPE_CHECKING:
    from servicenee.impact.report import ImpactReport

_INK, _LINE, _BAND = "#1A1A1A", "#BFBFBF", "#DCE9F2"
_BASE = {"font_name": "Arial", "font_size": 10, "font_color": _INK, "valign": "top"}
_CELL = _BASE | {"border": 1, "border_color": _LINE}
_STYLES = {
    "title": _BASE | {"font_size": 14, "bold": True},
    "remark": _BASE | {"bold": True, "font_color": "#8A3B00"},
    "subtitle": _BASE | {"font_color": "#555555"},
    "header": _CELL | {"bold": True, "bg_color": _BAND, "text_wrap": True},
    "text": _CELL | {"text_wrap": True},
    "number": _CELL | {"num_format": "#,##0.0"},
    "whole": _CELL | {"num_format": "#,##0"},
    "fine": _CELL | {"num_format": "0.000"},
    "percent": _CELL | {"num_format": "0.0 %"},
    "met": _CELL | {"text_wrap": True, "bg_color": "#D9EAD3"},
    "not_met": _CELL | {"text_wrap": True, "bg_color": "#F8D7C4"},
}
_WITH_EUROS = ("indicators", "trends", "cost", "equity")
_A4, _HEADER_ROW = 9, 3
_LINE_HEIGHT, _CHARACTERS = 12.8, 1.2  # points of a line; running characters in one unit of column width


def workbook_bytes(report: "ImpactReport", language: str) -> bytes:
    """The same report gives the same bytes."""
    import xlsxwriter

    memory = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(memory, options)
    date = report.extract_date
    book.set_properties({"title": word("title", language), "created": datetime(date.year, date.month, date.day)})
    styles = {name: book.add_format(style) for name, style in _STYLES.items()}
    for name, frame, kinds in _sheets(report, language):
        sheet = _write(book, styles, word(f"sheet.{name}", language), frame, kinds, report, language)
        if report.has_example_costs and name in _WITH_EUROS:
            sheet.write_string(_HEADER_ROW - 1, 0, word("note.cost_examples", language), styles["remark"])
        if name == "months":
            _add_chart(book, sheet, word("sheet.months", language), frame, language)
    book.close()
    return memory.getvalue()


def _sheets(report: "ImpactReport", language: str):
    """Name, table and kinds of columns of every sheet."""
    tables = report.tables
    yield ("indicators", *_indicators(report, language))
    yield ("trends", *_rates(report, language))
    for name, by in (("months", "month"), ("areas", "area")):
        if name in tables:
            yield (name, *_guarantee(tables[name], by, language))
    for name in ("mix", "cost"):
        yield (name, *_lines(tables[name], language))
    yield ("equity", *_equity(report, language))
    if report.comparisons:
        yield ("comparisons", *_comparisons(report, language))
    yield ("definitions", *_definitions(tables["definitions"], language))


def _indicators(report: "ImpactReport", language: str) -> tuple[pd.DataFrame, list[str]]:
    summary = report.tables["summary"]
    rows = list(report.tables["definitions"].itertuples())
    gap = [
        word(
            "gap.text",
            language,
            dimension=dimension_text(row.gap_dimension, language),
            group=group_text(row.gap_dimension, row.gap_group, language),
            reference=group_text(row.gap_dimension, row.gap_reference, language),
            gap="",
        ).replace("  ", " ").strip()
        if np.isfinite(row.gap)
        else word("gap.none", language)
        for row in summary.itertuples()
    ]  # fmt: skip
    columns = [
        ("indicator", "text", [title_text(row, language, example_costs=report.has_example_costs) for row in rows]),
        ("value", "number", summary["value"].tolist()),
        ("lower", "number", summary["lower"].tolist()),
        ("upper", "number", summary["upper"].tolist()),
        ("target", "whole", summary["target"].tolist()),
        ("target_met", "met", [word(f"tile.{key}", language) if key else "" for key in summary["target_met"]]),
        ("change", "number", summary["change"].tolist()),
        ("verdict", "text", [word(f"verdict.{key}", language) if key else "" for key in summary["verdict"]]),
        ("gap", "text", gap),
        ("difference", "number", summary["gap"].tolist()),
        ("definition", "text", [definition_text(row, language) for row in rows]),
    ]
    return _frame(columns, language)


def _rates(report: "ImpactReport", language: str) -> tuple[pd.DataFrame, list[str]]:
    tables, examples = report.tables, report.has_example_costs
    rows = tables["definitions"].itertuples()
    labels = {row.indicator: title_text(row, language, example_costs=examples) for row in rows}
    rates = tables["rates"].sort_values(["indicator", "period"], kind="stable")
    order = {name: place for place, name in enumerate(labels)}
    rates = rates.iloc[np.argsort(rates["indicator"].map(order), kind="stable")]
    return _frame(_value_columns(rates, [labels[name] for name in rates["indicator"]], "indicator", language), language)


def _lines(rates: pd.DataFrame, language: str) -> tuple[pd.DataFrame, list[str]]:
    return _frame(
        _value_columns(rates, [row_text(name, language) for name in rates["indicator"]], "level", language), language
    )


def _value_columns(rates: pd.DataFrame, names: list[str], head: str, language: str) -> list[tuple]:
    return [
        (head, "text", names),
        ("period", "text", [period_text(label, language) for label in rates["period"]]),
        ("value", "fine" if rates["value"].abs().max() < 2 else "number", rates["value"].tolist()),
        ("lower", "number", rates["lower"].tolist()),
        ("upper", "number", rates["upper"].tolist()),
        ("persons", "whole", rates["n_persons"].tolist()),
        ("per", "whole", rates["per"].tolist()),
        ("note", "text", [note_text(note, language) for note in rates["note"]]),
    ]


def _guarantee(table: pd.DataFrame, by: str, language: str) -> tuple[pd.DataFrame, list[str]]:
    columns = [
        (by, "text", table[by].astype(str).tolist()),
        ("n", "whole", table["n"].tolist()),
        ("share", "percent", table["share"].tolist()),
        ("lower", "percent", table["lower"].tolist()),
        ("upper", "percent", table["upper"].tolist()),
        ("realised", "percent", table["realised_visits_share"].tolist()),
        ("median", "whole", table["median_days"].tolist()),
        ("p90", "whole", table["p90_days"].tolist()),
        ("closed_unmet", "percent", table["closed_unmet_share"].tolist()),
        ("open", "percent", table["open_share"].tolist()),
        ("note", "text", [note_text(note, language) for note in table["note"]]),
    ]
    return _frame(columns, language)


def _equity(report: "ImpactReport", language: str) -> tuple[pd.DataFrame, list[str]]:
    gaps, rows = report.tables["gaps"], report.tables["definitions"].itertuples()
    labels = {row.indicator: title_text(row, language, example_costs=report.has_example_costs) for row in rows}
    groups = [group_text(*pair, language) for pair in zip(gaps["dimension"], gaps["group"], strict=True)]
    references = [group_text(*pair, language) for pair in zip(gaps["dimension"], gaps["reference"], strict=True)]
    columns = [
        ("indicator", "text", [labels[name] for name in gaps["indicator"]]),
        ("dimension", "text", [dimension_text(name, language) for name in gaps["dimension"]]),
        ("group", "text", groups),
        ("persons", "whole", gaps["n_persons"].tolist()),
        ("value", "number", gaps["value"].tolist()),
        ("reference", "text", references),
        ("difference", "number", gaps["gap"].tolist()),
        ("lower", "number", gaps["lower"].tolist()),
        ("upper", "number", gaps["upper"].tolist()),
        ("note", "text", [note_text(note, language) for note in gaps["note"]]),
    ]
    return _frame(columns, language)


def _comparisons(report: "ImpactReport", language: str) -> tuple[pd.DataFrame, list[str]]:
    found = report.comparisons
    columns = [
        ("comparison", "text", [name_text(one.outcome, language, one.labels) for one in found]),
        ("design", "text", [word(f"design.{one.design}", language) for one in found]),
        ("difference", "fine", [one.estimate for one in found]),
        ("lower", "fine", [one.lower for one in found]),
        ("upper", "fine", [one.upper for one in found]),
        ("listed", "whole", [float(one.n_listed) for one in found]),
        ("controls", "whole", [float(one.n_controls) for one in found]),
        ("read", "text", [one.summary(language) for one in found]),
    ]
    return _frame(columns, language)


def _definitions(definitions: pd.DataFrame, language: str) -> tuple[pd.DataFrame, list[str]]:
    rows = list(definitions.itertuples())
    columns = [
        ("indicator", "text", [label_text(row, language) for row in rows]),
        ("definition", "text", [definition_text(row, language) for row in rows]),
        ("measure", "text", definitions["measure"].tolist()),
        ("codes", "text", definitions["codes"].fillna("").tolist()),
        ("diagnoses", "text", definitions["diagnoses"].fillna("").tolist()),
        ("age", "whole", definitions["min_age"].astype(float).tolist()),
        ("per", "whole", definitions["per"].astype(float).tolist()),
        ("target", "whole", definitions.get("target", pd.Series(np.nan, definitions.index)).astype(float).tolist()),
    ]
    return _frame(columns, language)


def _frame(columns: list[tuple], language: str) -> tuple[pd.DataFrame, list[str]]:
    named = {word(f"head.{name}", language): values for name, _, values in columns}
    return pd.DataFrame(named), [kind for _, kind, _ in columns]


def _write(book, styles: dict, name: str, frame: pd.DataFrame, kinds: list[str], report, language: str):
    sheet = book.add_worksheet(name[:31])
    sheet.hide_gridlines(2)
    sheet.write_string(0, 0, f"{word('title', language)}: {name}", styles["title"])
    sheet.write_string(1, 0, _dates(report, language), styles["subtitle"])
    widths = [_width(frame[head], head, kind) for head, kind in zip(frame.columns, kinds, strict=True)]
    for at, head in enumerate(frame.columns):
        sheet.set_column(at, at, widths[at])
        sheet.write_string(_HEADER_ROW, at, head, styles["header"])
    sheet.set_row(_HEADER_ROW, _height(frame.columns, widths))
    for row, values in enumerate(frame.itertuples(index=False), start=_HEADER_ROW + 1):
        sheet.set_row(row, _height(values, widths))
        for at, value in enumerate(values):
            _write_cell(sheet, (row, at), value, kinds[at], styles, language)
    last = _HEADER_ROW + len(frame)
    sheet.autofilter(_HEADER_ROW, 0, last, len(frame.columns) - 1)
    sheet.freeze_panes(_HEADER_ROW + 1, 1)
    sheet.repeat_rows(_HEADER_ROW)
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)
    return sheet


def _dates(report, language: str) -> str:
    """The latest period and the date of the data."""
    period = period_text(str(report.tables["summary"]["period"].max()), language)
    return f"{period} · {word('head.data_date', language)}: {format_date(report.extract_date, language)}"


def _write_cell(sheet, cell: tuple[int, int], value, kind: str, styles: dict, language: str) -> None:
    """Text is always written as text; a missing number is an empty cell."""
    if isinstance(value, str):
        style = kind
        if kind == "met":
            style = {word("tile.met", language): "met", word("tile.not_met", language): "not_met"}.get(value, "text")
        sheet.write_string(*cell, value, styles[style])
    elif pd.notna(value) and np.isfinite(value):
        sheet.write_number(*cell, float(value), styles[kind])
    else:
        sheet.write_blank(*cell, None, styles["text"])


def _width(values: pd.Series, head: str, kind: str) -> float:
    """Wide enough for the words, never wider than a page bears."""
    if kind not in ("text", "met"):
        return 10.5
    longest = max([len(head), *(len(value) for value in values)])
    return float(54 if longest > 100 else min(max(longest, 9) + 1, 32))


def _height(values, widths: list[float]) -> float:
    """Height in points of a row that shows all its wrapped text."""
    lines = [
        max(1, len(wrap(value, max(int(width * _CHARACTERS), 1))))
        for value, width in zip(values, widths, strict=True)
        if isinstance(value, str)
    ]
    return _LINE_HEIGHT * max(lines, default=1) + 3


def _add_chart(book, sheet, name: str, frame: pd.DataFrame, language: str) -> None:
    """The share by month as a chart of the workbook itself, below the table."""
    first, last = _HEADER_ROW + 1, _HEADER_ROW + len(frame)
    chart = book.add_chart({"type": "line"})
    for column, color, dash in ((2, "#0072B2", "solid"), (5, "#595959", "dash")):
        chart.add_series(
            {
                "name": frame.columns[column],
                "categories": [name[:31], first, 0, last, 0],
                "values": [name[:31], first, column, last, column],
                "line": {"color": color, "width": 2.25, "dash_type": dash},
            }
        )
    chart.set_y_axis(
        {"min": 0, "max": 1, "num_format": "0 %", "major_gridlines": {"visible": True, "line": {"color": "#E3E6EA"}}}
    )
    chart.set_title({"name": word("figure.guarantee", language), "name_font": {"size": 12}})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 720, "height": 360})
    sheet.insert_chart(last + 2, 0, chart)
