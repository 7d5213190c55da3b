"""Registers in; a report on their quality out, as an HTML page or as lines for a terminal, with small counts hidden."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee import __version__
from servicenee._checks import check_choice
from servicenee.disclosure import HIDDEN_BESIDE, MIN_CELL, count_text, is_small
from servicenee.html import MISSING, figure, note, page, table, tiles, value_text
from servicenee.registers.core import Registers
from servicenee.registers.findings import ACCOUNT, effect_of
from servicenee.registers.quality import code_systems, lag_curve, source_table, weekly_volumes
from servicenee.registers.quality_figures import plot_lags, plot_volumes
from servicenee.registers.signals import GAPS, NOT_ROWS, OUTAGE, check_registers
from servicenee.texts import LANGUAGES, format_date, format_percent, known_text, text

_BARS = "▁▂▃▄▅▆▇█"
_WEEKS_SHOWN = 52
_DRAWN = pd.Timedelta(days=5 * 365)
_SHOWN_LAGS = (1, 7, 30, 90)
_LEAST_FOR_LAG = 100  # rows of a source below which a curve tells little, and of few persons


def register_report(registers: Registers, path, *, language: str = "fi") -> Path:
    """Write the quality of the registers as one HTML page.

    Parameters
    ----------
    registers : Registers
    path : str or path
        File to write.
    language : {"fi", "sv", "en"}, default="fi"

    Returns
    -------
    Path
        The file: findings, weekly volumes with gaps marked, coverage, delays and code systems. It loads nothing from
        elsewhere, and counts of 1 to 4 rows are hidden in it.

    Examples
    --------
    >>> import tempfile
    >>> from servicenee import make_registers
    >>> from servicenee.registers import register_report
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = register_report(make_registers(100, random_state=0), f"{folder}/quality.html", language="en")
    ...     "Rows by week" in written.read_text("utf-8")
    True
    """
    check_choice("language", language, LANGUAGES)
    facts = _facts(registers)
    sections = [
        ("summary", [_tiles(registers, facts, language), *_verdict(facts, language)]),
        ("findings", _findings_blocks(facts, language)),
        ("volumes", _volume_blocks(facts, language)),
        ("sources", [_table(_sources(facts, language), language, ("rows", "lag"))]),
        ("lag", _lag_blocks(facts, language)),
        (
            "codes",
            [
                _table(_codes(facts, language), language, ("rows", "codes", "recognised", "empty")),
                _word("method.recognised", language),
            ],
        ),
        ("method", [_word("method.usual", language), _word("method.nothing", language)]),
    ]
    document = page(
        _word("title", language),
        [(_word(f"section.{name}", language), blocks) for name, blocks in sections],
        language=language,
        subtitle=_word("subtitle", language, date=format_date(registers.extract_date, language)),
        footer=_word("footer", language, version=__version__),
    )
    target = Path(path)
    target.write_text(document, encoding="utf-8")
    return target


def register_summary(registers: Registers, *, language: str = "en") -> str:
    """The quality of the registers as lines for a terminal.

    Parameters
    ----------
    registers : Registers
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    str
        Verdict, findings, and per source a bar for each of the last 52 weeks ("·" for a week without rows), coverage,
        how late rows arrive, and code systems; counts of 1 to 4 rows are hidden.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.registers import register_summary
    >>> print(register_summary(make_registers(100, random_state=0)).splitlines()[0])
    Quality of the registers: Extract of 1 January 2024
    """
    check_choice("language", language, LANGUAGES)
    facts = _facts(registers)
    date = _word("subtitle", language, date=format_date(registers.extract_date, language))
    lines = [f"{_word('title', language)}: {date}", repr(registers), *_sentences(facts, language)]
    if len(facts.findings):
        lines += ["", _word("section.findings", language), *_aligned(_findings(facts, language))]
    lines += ["", *_aligned(_account(facts, language))]
    lines += ["", _word("section.sources", language), *_aligned(_sources(facts, language))]
    lines += ["", _word("section.volumes", language), *_aligned(_weeks(facts, language, bars=True))]
    lags = _lags(facts, language)
    lines += ["", _word("section.lag", language), *(_aligned(lags) if len(lags) else [_word("lag.none", language)])]
    lines += ["", _word("section.codes", language), *_aligned(_codes(facts, language))]
    return "\n".join(lines)


@dataclass(frozen=True)
class _Facts:
    """The tables of one report."""

    account: pd.DataFrame
    findings: pd.DataFrame
    volumes: pd.DataFrame
    sources: pd.DataFrame
    lags: pd.DataFrame
    codes: pd.DataFrame


def _facts(registers: Registers) -> _Facts:
    return _Facts(
        registers.account,
        check_registers(registers),
        weekly_volumes(registers),
        source_table(registers),
        lag_curve(registers),
        code_systems(registers),
    )


def _tiles(registers: Registers, facts: _Facts, language: str):
    columns = {"persons": "person_columns", "events": "event_columns", "stays": "stay_columns"}
    rows = {name: _count(len(getattr(registers, column)), language) for name, column in columns.items()}
    rows["findings"] = value_text(len(facts.findings), language=language)
    return tiles([(_word(f"tile.{name}", language), shown, "") for name, shown in rows.items()])


def _sentences(facts: _Facts, language: str) -> list[str]:
    """The verdict in words: an outage first, then weeks without rows."""
    if not len(facts.findings):
        return [_word("say.clean", language)]
    said = []
    for fault, key in ((OUTAGE, "say.outage"), (GAPS, "say.gaps")):
        found = facts.findings[facts.findings["fault"] == fault]
        pairs = zip(found["table"], found["column"], strict=True)
        if len(found):
            said.append(_word(key, language, sources=", ".join(_source(*pair, language) for pair in pairs)))
    return [*said, _word("say.some", language)]


def _verdict(facts: _Facts, language: str) -> list[str]:
    first, *others = _sentences(facts, language)
    return [note(first), *others]


def _findings(facts: _Facts, language: str) -> pd.DataFrame:
    """The findings for a reader: faults and effects in words, small counts hidden with all that would tell them."""
    rows = []
    for one in facts.findings.itertuples():
        hidden = one.fault not in NOT_ROWS and is_small(one.n)
        effect = _word(f"effect.{effect_of(one.action).replace(' ', '_')}", language)
        count = _count(one.n, language) if one.fault not in NOT_ROWS else value_text(one.n, language=language)
        share, first = (
            (MISSING, MISSING) if hidden else (format_percent(one.share, language, decimals=2), one.first_rows)
        )
        where = _source(one.table, one.column, language)
        rows.append((_fault(one.fault, language), _table_name(one.table, language), where, count, share, effect, first))
    names = ("fault", "where", "column", "n", "share", "effect", "first")
    return pd.DataFrame(rows, columns=[_word(f"head.{name}", language) for name in names])


def _findings_blocks(facts: _Facts, language: str) -> list:
    account = [_table(_account(facts, language), language, ACCOUNT[1:]), _word("account.caption", language)]
    if not len(facts.findings):
        return account
    found = _table(_findings(facts, language), language, ("n", "share"))
    return [found, _word("findings.caption", language), *account]


def _account(facts: _Facts, language: str) -> pd.DataFrame:
    """What became of the rows of each table that has any; nothing that a small count follows from."""
    rows = []
    for one in facts.account[facts.account["delivered"] > 0].itertuples():
        parts = pd.Series({name: getattr(one, name) for name in ACCOUNT[2:]}, dtype=np.int64)
        shown = [_count(part, language) for part in parts]
        hidden = (count_text(parts) == HIDDEN_BESIDE).to_numpy()
        shown = [MISSING if beside else text for text, beside in zip(shown, hidden, strict=True)]
        rows.append((_table_name(one.table, language), _count(one.delivered, language), *shown))
    heads = [_word(f"head.{name}", language) for name in ("where", *ACCOUNT[1:])]
    return pd.DataFrame(rows, columns=heads)


def _table(frame: pd.DataFrame, language: str, numbers: tuple[str, ...]):
    return table(frame, language=language, numbers=[_word(f"head.{name}", language) for name in numbers])


def _volume_blocks(facts: _Facts, language: str) -> list:
    if not len(facts.volumes):
        return [_word("volumes.none", language)]
    drawn = []
    recent = facts.volumes[facts.volumes["week"] >= facts.volumes["week"].max() - _DRAWN]
    usual = recent.groupby(["table", "source"])["usual"].median()
    names = {pair: name for pair, name in _names(recent, language).items() if usual[pair] >= MIN_CELL}
    if names:
        fig = plot_volumes(recent, names, language=language)
        alt = _word("volumes.alt", language, sources=", ".join(names.values()))
        drawn.append(figure(fig, alt, caption=_word("volumes.caption", language)))
    return [*drawn, _table(_weeks(facts, language, bars=False), language, ("weeks", "usual", "gap", "low", "high"))]


def _names(volumes: pd.DataFrame, language: str) -> dict[tuple[str, str], str]:
    pairs = volumes[["table", "source"]].drop_duplicates().itertuples(index=False)
    return {(one, source): _source(one, source, language) for one, source in pairs}


def _weeks(facts: _Facts, language: str, *, bars: bool) -> pd.DataFrame:
    """Per source: weeks, the usual volume, how many weeks are empty, thin or heavy; and bars of the last year."""
    rows = []
    for (one, source), name in _names(facts.volumes, language).items():
        weeks = facts.volumes[(facts.volumes["table"] == one) & (facts.volumes["source"] == source)]
        marks = weeks["mark"].value_counts()
        usual = float(weeks.loc[weeks["mark"] != "late", "usual"].median())
        shown = f"<{MIN_CELL}" if 0 < usual < MIN_CELL else value_text(usual, language=language, digits=0)
        found = [value_text(int(marks.get(mark, 0)), language=language) for mark in ("gap", "low", "high")]
        line = [name, value_text(len(weeks), language=language), shown, *found]
        rows.append([*line, _bar(weeks.tail(_WEEKS_SHOWN))] if bars else line)
    heads = [_word(f"head.{name}", language) for name in ("source", "weeks", "usual", "gap", "low", "high")]
    return pd.DataFrame(rows, columns=[*heads, ""] if bars else heads)


def _bar(weeks: pd.DataFrame) -> str:
    """One character a week; a point where there are no rows, the lowest bar where there are few."""
    top = max(int(weeks["n"].max()), MIN_CELL)
    level = weeks["n"].where(weeks["n"] >= MIN_CELL, 1) * (len(_BARS) - 1) // top
    pairs = zip(weeks["n"], level, strict=True)
    return "".join("·" if n == 0 else _BARS[int(height)] for n, height in pairs)


def _sources(facts: _Facts, language: str) -> pd.DataFrame:
    rows = []
    for one in facts.sources.itertuples(index=False):
        record = dict(zip(facts.sources.columns, one, strict=True))
        ends, limits = (
            [format_date(record[end], language) for end in pair] for pair in (("first", "last"), ("from", "to"))
        )
        # The dates of a handful of rows would tell of a few persons.
        span = MISSING if is_small(record["n"]) else f"{ends[0]}\u00a0– {ends[1]}"
        lag = value_text(int(record["reporting_lag_days"]), language=language)
        name = _source(record["table"], record["source"], language)
        rows.append((name, _count(record["n"], language), span, *limits, lag))
    names = ("source", "rows", "span", "from", "to", "lag")
    return pd.DataFrame(rows, columns=[_word(f"head.{name}", language) for name in names])


def _lag_blocks(facts: _Facts, language: str) -> list:
    curve = facts.lags[facts.lags["n"] >= _LEAST_FOR_LAG]
    if not len(curve):
        return [_word("lag.none", language)]
    names = {source: _source("events", source, language) for source in dict.fromkeys(curve["source"])}
    alt = _word("lag.alt", language, sources=", ".join(names.values()))
    drawn = figure(plot_lags(curve, names, language=language), alt, caption=_word("lag.caption", language))
    shown = _lags(facts, language)
    return [drawn, table(shown, language=language, numbers=list(shown.columns[1:]))]


def _lags(facts: _Facts, language: str) -> pd.DataFrame:
    """Share of the rows of each source that had arrived after some days."""
    curve = facts.lags[(facts.lags["n"] >= _LEAST_FOR_LAG) & facts.lags["days"].isin(_SHOWN_LAGS)]
    share = curve.pivot(index="source", columns="days", values="share")
    shown = pd.DataFrame({_word("head.source", language): [_source("events", name, language) for name in share.index]})
    for days in share.columns:
        shown[_word("head.arrived", language, days=days)] = [format_percent(value, language) for value in share[days]]
    return shown


def _codes(facts: _Facts, language: str) -> pd.DataFrame:
    rows = []
    for one in facts.codes.itertuples():
        shares = [
            MISSING if is_small(one.n) else format_percent(share, language) for share in (one.recognised, one.empty)
        ]
        codes = value_text(one.n_codes, language=language)
        rows.append((one.code_system or MISSING, _count(one.n, language), codes, *shares))
    names = ("system", "rows", "codes", "recognised", "empty")
    return pd.DataFrame(rows, columns=[_word(f"head.{name}", language) for name in names])


def _word(name: str, language: str, **values: object) -> str:
    return text(f"quality.{name}", language, **values)


def _fault(fault: str, language: str) -> str:
    return known_text(_key(fault), language, fault)


def _key(fault: str) -> str:
    """Key of the fault's words in the catalogue."""
    return "faults." + re.sub(r"[^a-z0-9]+", "_", fault.lower()).strip("_")


def _table_name(name: str, language: str) -> str:
    return known_text(f"quality.table.{name}", language, name)


def _source(name: str, source: str, language: str) -> str:
    """What the reader calls a source of events or of stays; the name of a column as it is."""
    if source == "all columns":
        return _word("column.all", language)
    key = "stay_source" if name == "stays" else "source"
    return known_text(f"features.{key}.{source}", language, source)


def _count(n: int, language: str) -> str:
    return f"<{MIN_CELL}" if is_small(n) else value_text(int(n), language=language)


def _aligned(frame: pd.DataFrame) -> list[str]:
    """The table in columns of one width."""
    columns = [[str(name), *map(str, frame[name])] for name in frame.columns]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
