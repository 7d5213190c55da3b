"""A finished list comes in, an Excel workbook goes out: guide, list, sample and summary, to read, print, fill in."""

import io
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from servicenee.lists.choices import CHOICES, INPUTS, choice_texts
from servicenee.lists.compact import compact, n_lines
from servicenee.lists.cover import (
    banner,
    cover_sections,
    heading,
    notice,
    review_columns,
    shown_columns,
    summary_values,
    title,
)
from servicenee.lists.flat import with_names
from servicenee.lists.protected import replace_file
from servicenee.texts import format_date, text

if TYPE_CHECKING:
    from servicenee.lists.document import SegmentList

# Widths in characters; together they print legibly on one A4 page across.
_WIDTHS = {
    "week": 7,
    "place": 5,
    "number": 5,
    "person_id": 11,
    "name": 16,
    "age_band": 7,
    "group": 12,
    "area": 12,
    "language": 12,
    "services": 14,
    "risk": 8,
    "reading": 21,
    "reasons": 42,
    "notes": 30,
    "care_gaps": 30,
    "data_gaps": 24,
    "plan": 22,
    "decision": 12,
    "decision_reason": 13,
    "decision_date": 10,
    "coping": 13,
    "free_text": 17,
    "source": 24,
    "list_id": 22,
}
_NAMES, _WIDEST_NAME = ("group", "area"), 24
_NOT_PRINTED = ("source", "list_id")  # every page says where it is from in its banner and footer
_COVER_WIDTH = 96
_HEADER_ROW = 1
_A4 = 9
_LINE_HEIGHT = 12.8
_BETWEEN = 7
_INK, _LINE, _BAND, _INPUT, _INPUT_HEAD = "#1A1A1A", "#BFBFBF", "#DCE9F2", "#FFFBEA", "#FFE9A8"
_BASE = {"font_name": "Arial", "font_size": 10, "font_color": _INK, "valign": "top", "text_wrap": True}
_CELL = _BASE | {"border": 1, "border_color": _LINE}
_STYLES = {
    "title": _BASE | {"font_size": 16, "bold": True, "text_wrap": False},
    "notice": _BASE | {"font_size": 12, "bold": True, "bg_color": _BAND, "text_wrap": False},
    "heading": _BASE | {"bold": True},
    "paragraph": _BASE,
    "banner": _BASE | {"bold": True, "text_wrap": False, "valign": "vcenter"},
    "header": _CELL | {"bold": True, "bg_color": _BAND},
    "input_header": _CELL | {"bold": True, "bg_color": _INPUT_HEAD},
    "text": _CELL,
    "place": _CELL | {"num_format": "0", "align": "center"},
    "risk": _CELL | {"num_format": "0 %", "align": "center"},
    "name": _CELL,
    "figure": _CELL | {"align": "right", "num_format": "#,##0"},
    "rate": _CELL | {"align": "right", "num_format": "0.0 %"},
    "total_name": _CELL | {"bold": True},
    "total_figure": _CELL | {"bold": True, "align": "right", "num_format": "#,##0"},
    "total_rate": _CELL | {"bold": True, "align": "right", "num_format": "0.0 %"},
    "input": _CELL | {"bg_color": _INPUT, "locked": False},
    "input_date": _CELL | {"bg_color": _INPUT, "locked": False, "num_format": "d.m.yyyy", "align": "left"},
}
_ROW_STYLES = ("text", "place", "risk", "input", "input_date")
_FIRST = {"top": 2, "top_color": _INK}


def write_workbook(listing: "SegmentList", path: str | Path, names: dict[str, str] | None) -> Path:
    """Write the workbook beside its final name first and rename it when complete."""
    import xlsxwriter

    path = Path(path)
    if path.suffix.lower() != ".xlsx":
        raise ValueError(f"`path` must end in .xlsx; got a name ending in {path.suffix!r}.")
    memory = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        # Column widths are counted in digits of the default font; Arial is on every desk.
        "default_format_properties": {"font_name": "Arial", "font_size": 10},
    }
    book = xlsxwriter.Workbook(memory, options)
    created = datetime(listing.index_date.year, listing.index_date.month, listing.index_date.day)
    # A fixed date of creation: the same list gives the same bytes.
    book.set_properties({"title": title(listing), "comments": banner(listing), "created": created})
    styles = {name: book.add_format(style) for name, style in _STYLES.items()}
    # The first row of a group gets a strong upper edge, so that groups can be told apart on paper.
    styles |= {f"first_{name}": book.add_format(_STYLES[name] | _FIRST) for name in _ROW_STYLES}
    _write_cover(book, styles, listing)
    if listing.purpose == "client_work":
        _write_persons(book, styles, listing, names)
    _write_summary(book, styles, listing)
    book.close()
    return replace_file(path, memory.getvalue())


def _write_persons(book, styles: dict, listing: "SegmentList", names: dict[str, str] | None) -> None:
    """The list, the sample for review if there is one, and the hidden choices of their drop-downs."""
    language, named = listing.language, names is not None
    sheets = [("list", listing.rows, shown_columns(listing, named=named), banner(listing))]
    if len(listing.review):
        sample = listing.review.assign(number=listing.review["place"])
        above = text("lists.review.notice", language)
        sheets.append(("review", sample, review_columns(listing, named=named), above))
    made = [book.add_worksheet(text(f"lists.sheet.{name}", language)) for name, *_ in sheets]
    choices = _write_choices(book, language)
    for sheet, (_, rows, columns, above) in zip(made, sheets, strict=True):
        shown = with_names(rows, names)[columns]
        shown = compact(shown, language) if rows is listing.rows else shown
        _write_rows(sheet, styles, listing, shown, above, choices)


def _write_cover(book, styles: dict, listing: "SegmentList") -> None:
    sheet = book.add_worksheet(text("lists.sheet.cover", listing.language))
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, _COVER_WIDTH)
    sheet.write_string(0, 0, title(listing), styles["title"])
    sheet.set_row(0, 26)
    sheet.merge_range(1, 0, 1, 1, notice(listing), styles["notice"])
    row = 3
    for name, lines in cover_sections(listing):
        sheet.write_string(row, 0, name, styles["heading"])
        for line in lines:
            sheet.write_string(row, 1, line, styles["paragraph"])
            sheet.set_row(row, _LINE_HEIGHT * n_lines(line, _COVER_WIDTH) + 2)
            row += 1
        sheet.set_row(row, _BETWEEN)
        row += 1
    _set_up_print(sheet, listing, landscape=False)
    sheet.print_area(0, 0, row, 1)


def _write_rows(
    sheet, styles: dict, listing: "SegmentList", rows: pd.DataFrame, above: str, choices: dict[str, str]
) -> None:
    columns = list(rows.columns)
    headings = {name: heading(name, listing.by, listing.language) for name in columns}
    sheet.write_string(0, 0, above, styles["banner"])
    sheet.set_row(0, 20)
    widths = _widths(rows)
    for at, name in enumerate(columns):
        sheet.set_column(at, at, widths[name])
        style = "input_header" if name in INPUTS else "header"
        sheet.write_string(_HEADER_ROW, at, headings[name], styles[style])
    sheet.set_row(_HEADER_ROW, _height(headings, widths, bold=True))
    for row, record in enumerate(rows.to_dict("records"), start=_HEADER_ROW + 1):
        edge = "first_" if record.get("place", record.get("number")) == 1 else ""
        for at, name in enumerate(columns):
            value = str(record[name]) if name == "person_id" else record[name]
            _write_cell(sheet, (row, at), value, styles[edge + _row_style(name)])
        sheet.set_row(row, _height(record, widths))
    _finish(sheet, listing, columns, len(rows), choices)


def _finish(sheet, listing: "SegmentList", columns: list[str], n_rows: int, choices: dict[str, str]) -> None:
    """Drop-downs, filters, frozen and repeated headings, what is printed, and what is locked."""
    last, ids = _HEADER_ROW + n_rows, columns.index("person_id")
    if n_rows:
        _add_choices(sheet, columns, last, choices, listing)
        sheet.ignore_errors({"number_stored_as_text": _cells(_HEADER_ROW + 1, ids, last, ids)})
    sheet.autofilter(_HEADER_ROW, 0, last, len(columns) - 1)
    sheet.freeze_panes(_HEADER_ROW + 1, ids + 1)
    sheet.repeat_rows(0, _HEADER_ROW)
    printed = [at for at, name in enumerate(columns) if name not in _NOT_PRINTED]
    sheet.print_area(0, 0, last, max(printed))
    _set_up_print(sheet, listing, landscape=True)
    # Without a password: the lock keeps ids and risks from being overwritten by mistake, it is no secret.
    sheet.protect("", {"autofilter": True, "sort": True, "format_columns": True, "format_rows": True})


def _write_summary(book, styles: dict, listing: "SegmentList") -> None:
    values = summary_values(listing)
    sheet = book.add_worksheet(text("lists.sheet.groups", listing.language))
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, len(values.columns) - 1, 17)
    sheet.write_string(0, 0, banner(listing), styles["banner"])
    sheet.set_row(0, 20)
    for at, name in enumerate(values):
        sheet.write_string(_HEADER_ROW, at, heading(name, listing.by, listing.language), styles["header"])
    sheet.set_row(_HEADER_ROW, 4 * _LINE_HEIGHT + 3)
    for row, record in enumerate(values.to_dict("records"), start=_HEADER_ROW + 1):
        last = row == _HEADER_ROW + len(values)
        for at, (name, value) in enumerate(record.items()):
            style = _summary_style(name, total=last)
            if isinstance(value, str):
                sheet.write_string(row, at, value, styles[style])
            elif pd.notna(value):
                sheet.write_number(row, at, value, styles[style])
            else:
                sheet.write_blank(row, at, None, styles[style])
    sheet.freeze_panes(_HEADER_ROW + 1, 1)
    sheet.repeat_rows(0, _HEADER_ROW)
    sheet.print_area(0, 0, _HEADER_ROW + len(values), len(values.columns) - 1)
    _set_up_print(sheet, listing, landscape=True)


def _summary_style(name: str, *, total: bool) -> str:
    kind = {"group": "name", "base_rate": "rate", "lowest_risk": "rate"}.get(name, "figure")
    return f"total_{kind}" if total else kind


def _row_style(name: str) -> str:
    if name in INPUTS:
        return "input_date" if name == "decision_date" else "input"
    return {"week": "place", "number": "place", "place": "place", "risk": "risk"}.get(name, "text")


def _write_cell(sheet, cell: tuple[int, int], value: object, style) -> None:
    """Text is always written as text: a name that starts with an equals sign is no formula."""
    if value == "":
        sheet.write_blank(*cell, None, style)
    elif isinstance(value, str):
        sheet.write_string(*cell, value, style)
    else:
        sheet.write_number(*cell, value, style)


def _write_choices(book, language: str) -> dict[str, str]:
    """Write the hidden sheet with the choices of the drop-downs; give the formula of each.

    A list inside the rule itself may hold 255 characters and no comma, which translations do not promise.
    """
    name = text("lists.sheet.choices", language)
    sheet = book.add_worksheet(name)
    sheet.hide()
    formulas = {}
    for at, field in enumerate(CHOICES):
        for row, choice in enumerate(choice_texts(field, language)):
            sheet.write_string(row, at, choice)
        formulas[field] = f"='{name}'!${'ABC'[at]}$1:${'ABC'[at]}${len(CHOICES[field])}"
    return formulas


def _add_choices(sheet, columns: list[str], last: int, choices: dict[str, str], listing: "SegmentList") -> None:
    language = listing.language
    common = {
        "error_title": text("lists.entry.error", language),
        "input_title": text("lists.entry.title", language),
    }
    for field, formula in choices.items():
        at = columns.index(field)
        message = text("lists.entry.decision", language)
        hint = text("lists.entry.coping", language) if field == "coping" else message
        rule = {"validate": "list", "source": formula, "error_message": message, "input_message": hint, **common}
        sheet.data_validation(_HEADER_ROW + 1, at, last, at, rule)
    at = columns.index("decision_date")
    start = listing.index_date.to_pydatetime()
    message = text("lists.entry.date", language, example=f"{start.day}.{start.month}.{start.year}")
    rule = {"validate": "date", "criteria": ">=", "value": start, "error_message": message, **common}
    sheet.data_validation(_HEADER_ROW + 1, at, last, at, rule | {"input_message": message})


def _set_up_print(sheet, listing: "SegmentList", *, landscape: bool) -> None:
    language = listing.language
    sheet.set_landscape() if landscape else sheet.set_portrait()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.3, right=0.3, top=0.75, bottom=0.6)
    confidential = text("common.confidential", language) if listing.purpose == "client_work" else ""
    sheet.set_header(f'&L&"Arial,Bold"{confidential}&R&"Arial,Bold"{notice(listing)}')
    made = f"{listing.model} {listing.version}"[:120].replace("&", "&&")
    page = text("lists.print.page", language, page="&P", pages="&N")
    sheet.set_footer(f'&L&"Arial"{made} · {format_date(listing.index_date, language)}&R&"Arial"{page}')


def _widths(rows: pd.DataFrame) -> dict[str, float]:
    """Widths of the columns, in which no name of an area or a unit is broken within a word."""
    widths = {name: float(_WIDTHS[name]) for name in rows}
    for name in [name for name in _NAMES if name in rows]:
        longest = max((len(word) for value in rows[name] for word in str(value).split()), default=0)
        widths[name] = float(min(max(widths[name], longest + 1), _WIDEST_NAME))
    return widths


def _height(record: dict[str, object], widths: dict[str, float], *, bold: bool = False) -> float:
    """Height in points of a row that shows all its wrapped text."""
    texts = {name: value for name, value in record.items() if isinstance(value, str)}
    return _LINE_HEIGHT * max(n_lines(value, widths[name], bold=bold) for name, value in texts.items()) + 3


def _cells(first_row: int, first_column: int, last_row: int, last_column: int) -> str:
    from xlsxwriter.utility import xl_range

    return xl_range(first_row, first_column, last_row, last_column)
