"""An evaluation in; its report as one HTML page out, in words a manager can act on."""

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL
from servicenee.evaluation.capacity import capacity_text
from servicenee.evaluation.notes import HIDDEN, TEXT_KEYS
from servicenee.html import Html, figure, note, page, table, tiles, value_text
from servicenee.texts import format_date, text

# A browser may break a line after an en dash; the word joiner keeps an interval in one piece.
BETWEEN = "\u00a0–\u2060\u00a0"
GOOD_OBSERVED_EXPECTED = (0.9, 1.1)
GOOD_SLOPE = (0.8, 1.2)


def report(evaluation, *, title: str | None, language: str) -> str:
    """The whole page."""
    word = _words(language)
    sections = [
        (word("section.summary"), _summary(evaluation, language)),
        (word("section.estimand"), [estimand_text(evaluation, language), note(word("need"))]),
        (word("section.data"), [_data(evaluation, language)]),
        (word("section.metrics"), [metrics_html(evaluation, language)]),
        (word("section.calibration"), _calibration(evaluation, language)),
        (word("section.capacity"), _capacity(evaluation, language)),
    ]
    if "subgroups" in evaluation.tables:
        sections.append((word("section.subgroups"), [_subgroups(evaluation, language), word("method.groups")]))
    sections.append((word("section.method"), _method(evaluation, language)))
    return page(
        title or word("title"),
        sections,
        language=language,
        subtitle=_subtitle(evaluation, language),
        footer=word("footer"),
    )


def metrics_html(evaluation, language: str) -> Html:
    """The measures as a table with a line on how to read each."""
    word = _words(language)
    metrics = evaluation.tables["metrics"]
    shown = pd.DataFrame(
        {
            word("head.metric"): [word(f"metric.{name}") for name in metrics["metric"]],
            word("head.value"): metrics["value"].to_numpy(),
            word("head.interval"): _intervals(metrics, language),
            word("head.read"): [
                word(f"read.{name}") + (f" ({note_text(why, language)})" if why else "")
                for name, why in zip(metrics["metric"], metrics["note"], strict=True)
            ],
        }
    )
    return table(shown, language=language)


def estimand_text(evaluation, language: str) -> str:
    """What the risk is a probability of."""
    if evaluation.simple_outcome:
        return text("evaluation.estimand.simple", language)
    return text("evaluation.estimand", language, horizon=_days(evaluation, language))


def note_text(why: str, language: str) -> str:
    """A note of a table in the reader's language."""
    return text(TEXT_KEYS[why], language) if why in TEXT_KEYS else why


def verdict_key(evaluation) -> str:
    """Whether the risks are at the right level, by the bands of METHODS: key of the sentence that says so."""
    ratio, slope = evaluation.metric("observed_expected"), evaluation.metric("calibration_slope")
    if not (np.isfinite(ratio) and np.isfinite(slope)):
        return "evaluation.say.unknown"
    inside = GOOD_OBSERVED_EXPECTED[0] <= ratio <= GOOD_OBSERVED_EXPECTED[1] and GOOD_SLOPE[0] <= slope <= GOOD_SLOPE[1]
    return "evaluation.say.calibrated" if inside else "evaluation.say.uncalibrated"


def share_text(value: float, language: str, digits: int = 1) -> str:
    """A share as per cent: 12,3 % in Finnish and Swedish, 12.3% in English."""
    if not np.isfinite(value):
        return "–"
    gap = "" if language == "en" else "\u00a0"
    return f"{value_text(100 * value, language=language, digits=digits)}{gap}%"


def event_shares(evaluation) -> tuple[float, float]:
    """Observed and expected share of rows with the event."""
    bins = evaluation.tables["calibration"]
    weight = bins["n"].to_numpy()
    if not len(bins) or not weight.sum() > 0:
        return np.nan, np.nan
    expected = float(weight @ bins["predicted"].to_numpy() / weight.sum())
    return expected * evaluation.metric("observed_expected"), expected


def _words(language: str):
    def word(name: str) -> str:
        return text(f"evaluation.{name}", language)

    return word


def _summary(evaluation, language: str) -> list[str]:
    word = _words(language)
    data = evaluation.tables["data"].set_index("item")["value"]
    observed, expected = event_shares(evaluation)
    metrics = evaluation.tables["metrics"].set_index("metric")

    def interval(name: str, show) -> str:
        lower, upper = (show(metrics.loc[name, bound]) for bound in ("lower", "upper"))
        return text("evaluation.tile.interval", language, lower=lower, upper=upper) if lower != "–" else ""

    def two(value: float) -> str:
        return value_text(float(value), language=language, digits=2)

    def share(value: float) -> str:
        return share_text(value, language)

    persons = text("evaluation.tile.rows.note", language, persons=_whole(data["persons"], language))
    even = text("evaluation.tile.share.note", language, expected=share(expected))
    figures = [
        (word("tile.rows"), _whole(data["rows"], language), persons),
        (word("tile.share"), share(observed), even),
        (word("tile.auc"), two(evaluation.metric("auc")), interval("auc", two)),
        (word("tile.oe"), two(evaluation.metric("observed_expected")), interval("observed_expected", two)),
        (word("tile.ppv"), share(evaluation.metric("ppv_at_capacity")), interval("ppv_at_capacity", share)),
    ]
    blocks = [tiles(figures)]
    if np.isfinite(evaluation.metric("ppv_at_capacity")) and np.isfinite(observed):
        blocks.append(_list_sentence(evaluation, observed, language))
    return [*blocks, note(text(verdict_key(evaluation), language))]


def _list_sentence(evaluation, observed: float, language: str) -> str:
    capacity = evaluation.capacity
    shown = capacity_text(capacity) if isinstance(capacity, int) else share_text(capacity, language, 0)
    if not isinstance(capacity, int) and round(100 * capacity) != 100 * capacity:
        shown = share_text(capacity, language)
    key = "evaluation.say.capacity." + ("count" if isinstance(capacity, int) else "share")
    return text(
        "evaluation.say.list",
        language,
        capacity=text(key, language, n=shown),
        hits=value_text(100 * evaluation.metric("ppv_at_capacity"), language=language, digits=0),
        base=value_text(100 * observed, language=language, digits=0 if observed >= 0.095 else 1),
        found=share_text(evaluation.metric("sensitivity_at_capacity"), language, 0),
    )


def _subtitle(evaluation, language: str) -> str:
    if not evaluation.index_dates:
        return text("evaluation.subtitle.undated", language)
    first, last = (format_date(date, language) for date in evaluation.index_dates)
    return text("evaluation.subtitle", language, first=first, last=last, horizon=_days(evaluation, language))


def _data(evaluation, language: str) -> Html:
    word = _words(language)
    data = evaluation.tables["data"]
    values = [
        value_text(value, language=language, digits=2) if name == "largest_weight" else _whole(value, language)
        for name, value in zip(data["item"], data["value"], strict=True)
    ]
    items = [word(f"data.{name}") for name in data["item"]]
    shown = pd.DataFrame({word("head.item"): items, word("head.value"): values})
    return table(shown, language=language, numbers=[word("head.value")])


def _calibration(evaluation, language: str) -> list[str]:
    word = _words(language)
    bins = evaluation.tables["calibration"]
    shown = pd.DataFrame(
        {
            word("head.bin"): bins["bin"].to_numpy(),
            word("head.n"): [_whole(value, language) for value in bins["n"]],
            word("head.events"): [_whole(value, language) for value in bins["events"]],
            word("head.predicted"): [share_text(value, language) for value in bins["predicted"]],
            word("head.observed"): [share_text(value, language) for value in bins["observed"]],
            word("head.interval"): _intervals(bins, language, as_share=True),
        }
    )
    drawn = evaluation.draw(language)["calibration"]
    image = figure(drawn, word("figure.calibration.alt"), caption=word("figure.calibration.caption"))
    return [image, table(shown, language=language, numbers=list(shown.columns))]


def _capacity(evaluation, language: str) -> list[str]:
    word = _words(language)
    lists = evaluation.tables["capacity"]

    def shares(name: str) -> list[str]:
        bounds = lists.rename(columns={f"{name}_lower": "lower", f"{name}_upper": "upper"})
        texts = [share_text(value, language) for value in lists[name]]
        return _with_interval(texts, _intervals(bounds, language, as_share=True))

    shown = pd.DataFrame(
        {
            word("head.capacity"): [_length(asked, language) for asked in lists["capacity"]],
            word("head.selected"): [_whole(value, language) for value in lists["selected"]],
            word("head.lowest_risk"): [share_text(value, language) for value in lists["lowest_risk"]],
            word("head.expected_events"): [_whole(value, language) for value in lists["expected_events"]],
            word("head.observed_events"): [_whole(value, language) for value in lists["observed_events"]],
            word("head.ppv"): shares("ppv"),
            word("head.sensitivity"): shares("sensitivity"),
        }
    )
    if lists["note"].any():
        shown[word("head.note")] = [note_text(why, language) for why in lists["note"]]
    drawn = evaluation.draw(language)["capacity"]
    image = figure(drawn, word("figure.capacity.alt"), caption=word("figure.capacity.caption"))
    return [image, table(shown, language=language, numbers=list(shown.columns[1:7]))]


def _subgroups(evaluation, language: str) -> Html:
    word = _words(language)
    long = evaluation.tables["subgroups"]
    metrics = list(dict.fromkeys(long["metric"]))
    first = long.iloc[:: len(metrics)]
    shown = {
        word("head.by"): first["by"].to_numpy(),
        word("head.group"): [note_text(group, language) for group in first["group"]],
        word("head.n"): [_whole(value, language) for value in first["n"]],
        word("head.events"): [
            f"<{MIN_CELL}" if why == HIDDEN else _whole(value, language)
            for value, why in zip(first["events"], first["note"], strict=True)
        ],
    }
    for position, name in enumerate(metrics):
        part = long.iloc[position :: len(metrics)]
        as_share = name.endswith("at_capacity")
        values = [
            share_text(value, language) if as_share else value_text(value, language=language, digits=2)
            for value in part["value"]
        ]
        column = _with_interval(values, _intervals(part, language, as_share=as_share, digits=2))
        shown[word(f"metric.{name}")] = column
    shown[word("head.note")] = [note_text(why, language) for why in first["note"]]
    return table(pd.DataFrame(shown), language=language, numbers=list(shown)[2:-1])


def _method(evaluation, language: str) -> list[str]:
    blocks = [
        text("evaluation.method.intervals", language, n=evaluation.n_bootstrap, seed=evaluation.random_state),
        text("evaluation.method.capacity", language),
    ]
    if not evaluation.persons_known:
        blocks.append(note(text("evaluation.method.persons", language)))
    return blocks


def _intervals(frame: pd.DataFrame, language: str, *, as_share: bool = False, digits: int = 3) -> list[str]:
    def show(value: float) -> str:
        return share_text(value, language) if as_share else value_text(value, language=language, digits=digits)

    return [
        f"{show(lower)}{BETWEEN}{show(upper)}" if np.isfinite(lower) and np.isfinite(upper) else "–"
        for lower, upper in zip(frame["lower"], frame["upper"], strict=True)
    ]


def _length(asked: str, language: str) -> str:
    return asked if language == "en" else asked.replace(".", ",").replace("%", "\u00a0%")


def _with_interval(values: list[str], intervals: list[str]) -> list[str]:
    return [
        value if interval == "–" else f"{value} ({interval})" for value, interval in zip(values, intervals, strict=True)
    ]


def _whole(value: float, language: str) -> str:
    return value_text(float(value), language=language, digits=0)


def _days(evaluation, language: str) -> str:
    return _whole(evaluation.horizon_days, language)
