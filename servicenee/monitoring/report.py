"""A monitor run in; one HTML page out, in words for whoever answers for the model."""

from collections.abc import Callable
from html import escape

import numpy as np
import pandas as pd

from servicenee import __version__
from servicenee._checks import check_choice
from servicenee.disclosure import MIN_CELL
from servicenee.evaluation.capacity import capacity_text
from servicenee.evaluation.wording import column, intervals, number, share, whole
from servicenee.html import Html, figure, note, page, table, tiles
from servicenee.monitoring.figures import MOST_COLUMNS, plot_columns, plot_intervals
from servicenee.monitoring.wording import finding_texts, source_text, words
from servicenee.registers.quality_figures import plot_volumes
from servicenee.texts import LANGUAGES, format_date, format_horizon, known_text

SHARES = ("lowest_risk", "expected_ppv", "expected_sensitivity")
# The verdict begins with its word, so that the colour of its edge only repeats it.
_STYLE = """
dl.tiles div { flex: 1 1 15rem; }
p.note.well { border-color: #007a55; }
p.note.look { border-color: #b06a00; }
p.note.stop { border-color: #b3261e; background: #fdeceb; font-weight: 600; }
"""
METRICS = (
    "observed_expected",
    "calibration_slope",
    "auc",
    "expected_auc",
    "ppv_at_capacity",
    "sensitivity_at_capacity",
)
SHARE_METRICS = ("ppv_at_capacity", "sensitivity_at_capacity")


def report(run, language: str) -> str:
    """The whole page: the verdict and what to do first, then the grounds for it."""
    check_choice("language", language, LANGUAGES)
    word, drawn = words(language), draw(run, language)
    sections = [
        ("summary", _summary(run, language)),
        ("findings", _findings(run, language)),
        ("volumes", _volumes(run, drawn, language)),
        ("codes", _codes(run, language)),
        ("columns", _columns(run, drawn, language)),
        *([("segments", _segments(run, language))] if "segments" in run.tables else []),
        *([("scores", _scores(run, drawn, language))] if "scores" in run.tables else []),
        *([("expected", _expected(run, language))] if "scores" in run.tables else []),
        *([("turnover", _turnover(run, language))] if "scores" in run.tables else []),
        *([("observed", _observed(run, language))] if "scores" in run.tables else []),
        ("method", [word(f"method.{name}") for name in ("psi", "feeds", "reference")]),
    ]
    facts = {name: format_date(getattr(run, name), language) for name in ("index_date", "extract_date")}
    return page(
        word("title", outcome=run.outcome.get(language) or word("segments")),
        [(word(f"section.{name}"), blocks) for name, blocks in sections],
        language=language,
        subtitle=word("subtitle", model=run.model, version=run.version, **facts),
        footer=word("footer", version=__version__),
        style=_STYLE,
    )


def draw(run, language: str) -> dict:
    """Figures by name, with their words in one language."""
    tables, drawn = run.tables, {}
    # Of a source with few rows a week most weeks would be hidden; the table tells of it all the same.
    weeks = tables["weeks"].groupby(["table", "source"], sort=False).filter(lambda own: own["n"].median() >= MIN_CELL)
    if len(weeks):
        keys = weeks[["table", "source"]].drop_duplicates().itertuples(index=False, name=None)
        names = {key: source_text(*key, language) for key in keys}
        drawn["volumes"] = plot_volumes(weeks, names, language=language)
    if np.isfinite(tables["columns"]["psi"]).any():
        drawn["columns"] = plot_columns(tables["columns"], language=language)
    if "intervals" in tables and tables["intervals"]["now"].sum() > 0 and len(tables["intervals"]) > 1:
        drawn["scores"] = plot_intervals(tables["intervals"], are_risks=_are_risks(run), language=language)
    return drawn


def _summary(run, language: str) -> list[str]:
    word = words(language)
    stops = int((run.findings["action"] == "stop").sum())
    counted = {} if run.status == "well" else {"n": stops or len(run.findings)}
    say = f"say.{run.status}" if run.outcome else f"say.{run.status}.segments"
    verdict = Html(f'<p class="note {run.status}">{escape(word(say, **counted))}</p>')
    return [verdict, tiles(_tiles(run, language)), word("say.valid", date=format_date(run.valid_until, language))]


def _tiles(run, language: str) -> list[tuple[str, str, str]]:
    word = words(language)
    items = run.tables["expected"].set_index("item")
    volumes = run.tables["volumes"]
    then = word("tile.rows.note", n=whole(items.loc["rows_then", "value"], language))
    in_order = int((~volumes["mark"].isin(["stopped", "fading", "thin", "ended"])).sum())
    feeds = (word("tile.feeds"), whole(in_order, language), word("tile.feeds.note", n=whole(len(volumes), language)))
    shown = [
        *([feeds] if len(volumes) else []),
        (word("tile.rows"), whole(items.loc["rows", "value"], language), then),
    ]
    if "listed_events" in items.index:
        lower, upper = (whole(items.loc["expected_events", end], language) for end in ("lower", "upper"))
        horizon = format_horizon(run.window[0], language, gap_days=run.window[1])
        said = word("tile.expected.note", horizon=horizon, lower=lower, upper=upper)
        shown.append((word("tile.expected"), whole(items.loc["expected_events", "value"], language), said))
        n, capacity = whole(items.loc["listed", "value"], language), capacity_text(run.capacity)
        said = word(
            "tile.listed.note", n=n, capacity=capacity if language == "en" else capacity.replace("%", "\u00a0%")
        )
        shown.append((word("tile.listed"), whole(items.loc["listed_events", "value"], language), said))
    for row in run.tables["turnover"].itertuples():
        said = word("tile.kept.note", date=format_date(row.before, language))
        shown.append((word("tile.kept"), share(row.kept, language, 0), said))
    return [*shown, *_observed_tile(run, language)]


def _observed_tile(run, language: str) -> list[tuple[str, str, str]]:
    word, observed = words(language), run.tables["observed"]
    if "segments" in run.tables:
        return []
    if not len(observed):
        return [(word("tile.observed"), "–", word("tile.observed.unknown"))]
    row = observed.set_index("metric").loc["observed_expected"]
    lower, upper = (number(row[end], language) for end in ("lower", "upper"))
    said = word("tile.observed.note", date=_dates(row["index_dates"], language), lower=lower, upper=upper)
    return [(word("tile.observed"), number(row["value"], language), said)]


def _findings(run, language: str) -> list[str]:
    word, findings = words(language), run.findings
    if not len(findings):
        return [word("say.nothing")]
    labels = run.tables["columns"].set_index("feature")[f"label_{language}"]
    told = [finding_texts(row, labels, language) for row in findings.to_dict("records")]
    heads = [word(f"head.{name}") for name in ("finding", "limit", "todo")]
    return [table(pd.DataFrame(told, columns=heads), language=language)]


def _volumes(run, drawn: dict, language: str) -> list[str]:
    word, volumes = words(language), run.tables["volumes"]
    if not len(volumes):
        return [word("volumes.none")]
    names = [source_text(row.table, row.source, language) for row in volumes.itertuples()]
    shown = pd.DataFrame({word("head.source"): names})
    shown[word("head.mark")] = [word(f"mark.{mark or 'ok'}") for mark in volumes["mark"]]
    for name, head in (("window_days", "window"), ("n", "n"), ("usual", "usual"), ("silent_days", "silent")):
        shown[word(f"head.{head}")] = column(volumes[name], whole, language)
    few = volumes["n"].isna()
    shown[word("head.n")] = shown[word("head.n")].mask(few.to_numpy(), word("few"))
    for name in ("rate_then", "rate_now"):
        shown[word(f"head.{name}")] = column(volumes[name], number, language)
    blocks: list[str] = []
    if "volumes" in drawn:
        alt = word("volumes.alt", sources=", ".join(names))
        blocks.append(figure(drawn["volumes"], alt, caption=word("volumes.caption")))
    return [*blocks, table(shown, language=language, numbers=list(shown.columns[2:])), word("volumes.read")]


def _codes(run, language: str) -> list[str]:
    word, codes = words(language), run.tables["codes"]
    some = codes[codes["share"] != 0]
    if not len(some):
        return [word("codes.none"), word("codes.read")]
    shown = pd.DataFrame({word("head.source"): [source_text("events", name, language) for name in some["source"]]})
    shown[word("head.system")] = list(some["code_system"])
    for name, show in (("n", whole), ("new", whole), ("share", share), ("limit", share)):
        texts = column(some[name], show, language)
        shown[word(f"head.{name}")] = np.where(some[name].isna(), word("hidden"), texts)
    figures = list(shown.columns[2:])
    shown[word("head.codes")] = list(some["codes"])
    return [table(shown, language=language, numbers=figures), word("codes.read")]


def _columns(run, drawn: dict, language: str) -> list[str]:
    word, columns = words(language), run.tables["columns"]
    counted = {"shifted": columns["shifted"].sum(), "missing": columns["missing_changed"].sum(), "n": len(columns)}
    blocks: list[str] = [word("columns.say", **{name: whole(n, language) for name, n in counted.items()})]
    if "columns" in drawn:
        blocks.append(figure(drawn["columns"], word("columns.alt"), caption=word("columns.caption")))
    marked = columns[(columns["shifted"] | columns["missing_changed"]).astype(bool)]
    marked = marked.assign(size=marked["psi"].fillna(0)).sort_values("size", ascending=False, kind="stable")
    if not len(marked):
        return blocks
    some = marked.head(3 * MOST_COLUMNS)
    shown = pd.DataFrame({word("head.feature"): list(some[f"label_{language}"])})
    for name, head, show in (
        ("psi", "psi", number),
        ("psi_limit", "limit", number),
        ("higher", "higher", share),
        ("missing_then", "missing_then", share),
        ("missing_now", "missing_now", share),
    ):
        shown[word(f"head.{head}")] = column(some[name], show, language)
    blocks += [table(shown, language=language, numbers=list(shown.columns[1:])), word("columns.read")]
    more = len(marked) - len(some)
    return [*blocks, word("columns.more", n=whole(more, language))] if more else blocks


def _scores(run, drawn: dict, language: str) -> list[str]:
    word, show = words(language), share if _are_risks(run) else number
    quantiles = run.tables["quantiles"]
    shown = pd.DataFrame(
        {word("head.score"): [known_text(f"monitoring.score.{name}", language, name) for name in quantiles["score"]]}
    )
    for name in quantiles.columns[1:]:
        head = word("head.mean") if name == "mean" else f"{name[1:]}{'' if language == 'en' else chr(0xA0)}%"
        shown[head] = column(quantiles[name], show, language)
    blocks: list[str] = [table(shown, language=language, numbers=list(shown.columns[1:]))]
    if not len(run.tables["scores"]):
        blocks.append(word("scores.unknown"))
    if "scores" in drawn:
        alt = word("scores.alt", psi=number(run.tables["scores"]["psi"].iloc[0], language))
        blocks.insert(0, figure(drawn["scores"], alt, caption=word("scores.caption")))
    return blocks


def _expected(run, language: str) -> list[str]:
    word, items = words(language), run.tables["expected"]
    of_risks = _are_risks(run)
    shown = pd.DataFrame({word("head.item"): [word(f"item.{name}") for name in items["item"]]})
    shown[word("head.value")] = [_item(row.item, row.value, of_risks, language) for row in items.itertuples()]
    shown[word("head.interval")] = intervals(items, whole, language)
    return [table(shown, language=language, numbers=list(shown.columns[1:])), note(word("expected.read"))]


def _turnover(run, language: str) -> list[str]:
    word, lists = words(language), run.tables["turnover"]
    if not len(lists):
        return [word("turnover.none")]
    shown = pd.DataFrame({word("head.before"): [format_date(date, language) for date in lists["before"]]})
    for name in ("listed_before", "listed", "stayed", "dropped", "left"):
        shown[word(f"head.{name}")] = column(lists[name], whole, language)
    shown[word("head.kept")] = column(lists["kept"], share, language)
    return [table(shown, language=language, numbers=list(shown.columns[1:])), word("turnover.read")]


def _observed(run, language: str) -> list[str]:
    word, observed = words(language), run.tables["observed"]
    if not len(observed):
        return [word("observed.none")]
    some = observed[observed["metric"].isin(METRICS)]
    some = some.assign(at=some["metric"].map(METRICS.index)).sort_values("at", kind="stable")
    names = [known_text(f"evaluation.metric.{name}", language, name) for name in some["metric"]]
    shown = pd.DataFrame({word("head.measure"): names})
    shows: list[Callable] = [share if name in SHARE_METRICS else number for name in some["metric"]]
    rows = [some.iloc[[place]] for place in range(len(some))]
    shown[word("head.value")] = [show(row["value"].iloc[0], language) for show, row in zip(shows, rows, strict=True)]
    shown[word("head.interval95")] = [intervals(row, show, language)[0] for show, row in zip(shows, rows, strict=True)]
    said = word("observed.read", date=_dates(some["index_dates"].iloc[0], language))
    return [said, table(shown, language=language, numbers=list(shown.columns[1:]))]


def _segments(run, language: str) -> list[str]:
    word = words(language)
    shares = run.tables["segments"]
    shares = shares[shares["measure"] == "share"]
    shown = pd.DataFrame({word("head.segment"): list(shares["segment"])})
    shown[word("head.then")] = column(shares["reference"], share, language)
    shown[word("head.rate_now")] = column(shares["value"], share, language)
    shown[word("head.limit")] = intervals(shares, share, language)
    return [table(shown, language=language, numbers=list(shown.columns[1:])), word("segments.read")]


def _item(name: str, value: float, of_risks: bool, language: str) -> str:
    if name in SHARES or (name == "mean" and of_risks):
        return share(value, language)
    return number(value, language) if name in ("mean", "expected_auc") else whole(value, language)


def _are_risks(run) -> bool:
    return "listed" in set(run.tables["expected"]["item"])


def _dates(dates: str, language: str) -> str:
    return ", ".join(format_date(date, language) for date in dates.split(", "))
