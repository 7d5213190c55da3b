"""A finished impact report in; one HTML page out, that a county director reads in five minutes."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from servicenee import __version__
from servicenee.html import Html, figure, note, page, table, tiles
from servicenee.impact import figures as drawing
from servicenee.impact.wording import (
    decimals_of,
    definition_text,
    dimension_text,
    group_text,
    interval,
    label_text,
    month_text,
    note_text,
    number,
    period_text,
    row_text,
    signed,
    title_text,
    word,
)
from servicenee.texts import format_date

if TYPE_CHECKING:
    from servicenee.impact.report import ImpactReport

_TILES = ("met_within_7_days", "days_at_home_75", "heavy_days_65", "living_at_home_75")
_EQUITY_FIGURES = ("met_within_7_days", "days_at_home_75")
_LAST_MONTHS = 12


def impact_page(report: "ImpactReport", language: str) -> str:
    """The whole page."""
    tables = report.tables
    drawn = report.figures(language)
    sections = [
        (word("section.summary", language), [_tiles(report, language), note(word("note.reading", language))]),
        (word("section.indicators", language), [indicator_table(report, language), _shown(drawn, "trends", language)]),
        (word("section.access", language), _access(report, drawn, language)),
        (word("section.mix", language), _mix(tables, drawn, language)),
        (word("section.cost", language), _cost(report, language)),
        (word("section.equity", language), _equity(report, language)),
    ]
    if report.comparisons:
        found = [_comparison(one, language) for one in report.comparisons]
        sections.append((word("section.comparisons", language), [block for blocks in found for block in blocks]))
    sections.append((word("section.definitions", language), [_definitions(tables["definitions"], language)]))
    return page(
        word("title", language),
        sections,
        language=language,
        subtitle=word(
            "subtitle",
            language,
            date=format_date(report.extract_date, language),
            periods=", ".join(period_text(label, language) for label in _periods(tables["rates"])),
        ),
        footer=word("footer", language, version=__version__),
    )


def indicator_table(report: "ImpactReport", language: str) -> Html:
    """Every indicator on a line: value, interval, target, trend, gap."""
    summary = report.tables["summary"]
    lines = [
        (title_text(definition, language, example_costs=report.has_example_costs), *_line(row, definition, language))
        for row, definition in zip(summary.itertuples(), report.tables["definitions"].itertuples(), strict=True)
    ]
    names = [word(f"head.{head}", language) for head in ("indicator", "value", "interval", "target", "trend", "gap")]
    since, period = sorted(set(summary["since"]) - {""}), period_text(str(summary["period"].max()), language)
    caption = period
    if since:
        caption = word("caption.indicators", language, period=period, since=period_text(since[0], language))
    return table(pd.DataFrame(lines, columns=names), caption=caption, language=language, numbers=names[1:3])


def _line(row, definition, language: str) -> tuple[str, ...]:
    decimals = decimals_of(definition)
    value = number(row.value, language, decimals)
    if row.note and not np.isfinite(row.value):
        value = note_text(row.note, language)
    gap = word("gap.none", language)
    if np.isfinite(row.gap):
        gap = word(
            "gap.text",
            language,
            dimension=dimension_text(row.gap_dimension, language),
            group=group_text(row.gap_dimension, row.gap_group, language),
            reference=group_text(row.gap_dimension, row.gap_reference, language),
            gap=signed(row.gap, language, decimals),
        )
    target = number(row.target, language, 0)
    if row.target_met:
        target = f"{target} ({word(f'tile.{row.target_met}', language)})"
    return (
        value,
        interval(row.lower, row.upper, language, decimals),
        target,
        _trend(row, decimals, language),
        gap,
    )


def _trend(row, decimals: int, language: str) -> str:
    change = signed(row.change, language, decimals)
    return f"{change} ({word(f'verdict.{row.verdict}', language)})" if row.verdict else change


def _tiles(report: "ImpactReport", language: str) -> Html:
    summary = report.tables["summary"].set_index("indicator")
    definitions = {row.indicator: row for row in report.tables["definitions"].itertuples()}
    made = []
    for name in [name for name in _TILES if name in summary.index]:
        row, definition = summary.loc[name], definitions[name]
        decimals = decimals_of(definition)
        words = word(
            "tile.interval",
            language,
            lower=number(row["lower"], language, decimals),
            upper=number(row["upper"], language, decimals),
        )
        if row["target_met"]:
            met = word(f"tile.{row['target_met']}", language)
            target = word("tile.target", language, target=number(row["target"], language, 0), met=met)
            words = f"{target} · {words}"
        made.append((label_text(definition, language), number(row["value"], language, decimals), words))
    if "debt" in report.tables:
        made.append(_debt_tile(report.tables["debt"], language))
    return tiles(made)


def _debt_tile(debt: pd.DataFrame, language: str) -> tuple[str, str, str]:
    met = debt[debt["measure"] == "met"].sort_values("month")
    value = number(np.maximum(met["debt"].iloc[-1], 0.0), language, 0)  # a dash if the newest sum is hidden
    reference = period_text(str(debt["reference"].iloc[0]), language)
    return word("tile.debt", language), value, word("tile.debt_note", language, reference=reference)


def _access(report: "ImpactReport", drawn: dict, language: str) -> list[str]:
    tables = report.tables
    if "months" not in tables:
        return [note(word("note.no_requests", language))]
    blocks = [
        note(word("note.access", language)),
        _shown(drawn, "guarantee", language),
        _shown(drawn, "waiting", language),
    ]
    blocks.append(access_table(tables["months"].tail(_LAST_MONTHS), "month", language))
    if "areas" in tables:
        blocks.append(access_table(tables["areas"], "area", language))
    if "debt" in tables:
        reference = period_text(str(tables["debt"]["reference"].iloc[0]), language)
        blocks.append(_shown(drawn, "debt", language, reference=reference))
    return blocks


def access_table(guarantee: pd.DataFrame, by: str, language: str) -> Html:
    """Share met in time by month or area, what counting visits would claim, and who gave up or waits."""
    percent = {
        "share": 100 * guarantee["share"],
        "realised": 100 * guarantee["realised_visits_share"],
        "closed_unmet": 100 * guarantee["closed_unmet_share"],
        "open": 100 * guarantee["open_share"],
    }
    columns = {
        by: [month_text(one) if by == "month" else one for one in guarantee[by].astype(str)],
        "n": [number(value, language, 0) for value in guarantee["n"]],
        "share": [number(value, language, 1) for value in percent["share"]],
        "interval": [
            interval(100 * low, 100 * high, language, 1)
            for low, high in zip(guarantee["lower"], guarantee["upper"], strict=True)
        ],
        "realised": [number(value, language, 1) for value in percent["realised"]],
        "median": [number(value, language, 0) for value in guarantee["median_days"]],
        "p90": [number(value, language, 0) for value in guarantee["p90_days"]],
        "closed_unmet": [number(value, language, 1) for value in percent["closed_unmet"]],
        "open": [number(value, language, 1) for value in percent["open"]],
        "note": [note_text(one, language) for one in guarantee["note"]],
    }
    if not guarantee["note"].any():
        columns.pop("note")
    named = {word(f"head.{name}", language): values for name, values in columns.items()}
    caption = word("caption.months" if by == "month" else "caption.areas", language)
    return table(pd.DataFrame(named), caption=caption, language=language, numbers=list(named)[1:9])


def _mix(tables: dict, drawn: dict, language: str) -> list[str]:
    return [note(word("note.mix", language)), _shown(drawn, "mix", language), period_table(tables["mix"], language)]


def _cost(report: "ImpactReport", language: str) -> list[str]:
    notes = ["note.cost_examples", "note.cost"] if report.has_example_costs else ["note.cost"]
    return [*(note(word(name, language)) for name in notes), period_table(report.tables["cost"], language)]


def period_table(rates: pd.DataFrame, language: str) -> Html:
    """Rows by name, columns by period; the last period with its interval."""
    periods = _periods(rates)
    lines = []
    for indicator in dict.fromkeys(rates["indicator"]):
        one = rates[rates["indicator"] == indicator].set_index("period").reindex(periods)
        decimals = _decimals(one["value"])
        values = [number(value, language, decimals) for value in one["value"]]
        last = one.iloc[-1]
        lines.append(
            (row_text(indicator, language), *values, interval(last["lower"], last["upper"], language, decimals))
        )
    heads = [period_text(label, language) for label in periods]
    names = [word("head.level", language), *heads, word("head.interval", language)]
    return table(pd.DataFrame(lines, columns=names), language=language, numbers=names[1:])


def _equity(report: "ImpactReport", language: str) -> list[str]:
    tables = report.tables
    blocks: list[str] = [note(word("note.equity", language))]
    definitions = {row.indicator: row for row in tables["definitions"].itertuples()}
    summary = tables["summary"].set_index("indicator")
    for name in [name for name in _EQUITY_FIGURES if name in definitions]:
        rows = with_bounds(tables["gaps"][tables["gaps"]["indicator"] == name])
        if not rows["value"].notna().any():
            continue
        labels = [
            f"{dimension_text(row.dimension, language)}: {group_text(row.dimension, row.group, language)}"
            for row in rows.itertuples()
        ]
        fig = drawing.plot_equity(rows, float(summary.at[name, "value"]), labels=labels, language=language)
        title = word("figure.equity", language, indicator=label_text(definitions[name], language))
        caption = f"{title}. {word('figure.equity.caption', language)}"
        blocks.append(figure(fig, word("alt.equity", language), caption=caption))
    titles = {
        name: title_text(row, language, example_costs=report.has_example_costs) for name, row in definitions.items()
    }
    blocks.append(_clear_gaps(tables["gaps"], definitions, titles, language))
    return blocks


def with_bounds(gaps: pd.DataFrame) -> pd.DataFrame:
    """Gaps with the intervals of the values themselves, without groups that have no number."""
    return gaps[gaps["value"].notna()].reset_index(drop=True)


def _clear_gaps(gaps: pd.DataFrame, definitions: dict, titles: dict[str, str], language: str) -> Html:
    clear = gaps[gaps["clear"].astype(bool) & gaps["dimension"].ne("age_band")]
    lines = []
    for row in clear.itertuples():
        decimals = decimals_of(definitions[row.indicator])
        lines.append(
            (
                titles[row.indicator],
                dimension_text(row.dimension, language),
                group_text(row.dimension, row.group, language),
                number(row.value, language, decimals),
                group_text(row.dimension, row.reference, language),
                signed(row.gap, language, decimals),
                interval(row.lower, row.upper, language, decimals),
            )
        )
    heads = ("indicator", "dimension", "group", "value", "reference", "difference", "interval")
    names = [word(f"head.{head}", language) for head in heads]
    if not lines:
        return Html(f"<p>{word('gap.none', language)}</p>")
    return table(pd.DataFrame(lines, columns=names), language=language, numbers=[names[3], names[5], names[6]])


def _comparison(one, language: str) -> list[str]:
    blocks: list[str] = [note(one.summary(language))]
    if "event_study" in one.tables:
        fig = drawing.plot_event_study(one, language=language)
        blocks.append(figure(fig, word("figure.event_study", language)))
    for name in [name for name in ("sensitivity", "before_after", "permutation") if name in one.tables]:
        blocks.append(one.block(name, language))
    return blocks


def _definitions(definitions: pd.DataFrame, language: str) -> Html:
    lines = [(label_text(row, language), definition_text(row, language)) for row in definitions.itertuples()]
    names = [word(f"head.{name}", language) for name in ("indicator", "definition")]
    return table(pd.DataFrame(lines, columns=names), language=language)


def _shown(drawn: dict, name: str, language: str, **values) -> Html:
    caption = f"{word(f'figure.{name}', language)}. {word(f'figure.{name}.caption', language, **values)}"
    return figure(drawn[name], word(f"alt.{name}", language), caption=caption)


def _periods(rates: pd.DataFrame) -> list[str]:
    return sorted(rates["period"].unique())


def _decimals(values: pd.Series) -> int:
    """Decimals for a line of a table: whole euros, tenths of days, hundredths of shares."""
    largest = float(values.abs().max()) if values.notna().any() else 0.0
    return 2 if largest < 2 else 1 if largest < 500 else 0
