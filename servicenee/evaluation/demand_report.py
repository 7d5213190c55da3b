"""An evaluation of expected amounts in; figures, its report as one HTML page, and its model card out."""

import numpy as np
import pandas as pd

from servicenee.evaluation.card import card_of
from servicenee.evaluation.drawing import BLUE, GREY, VERMILLION, blank, nothing, numbers, percent, plain, spread, word
from servicenee.evaluation.facts import label_warning_key
from servicenee.evaluation.wording import (
    column,
    full_group_text,
    intervals,
    note_text,
    number,
    share,
    subtitle,
    whole,
    with_intervals,
    words,
)
from servicenee.html import figure, note, page, table, tiles
from servicenee.texts import format_date, text

AS_SHARE = ("deviance_explained", "share_in_top_tenth", "coverage", "share_below", "share_above")


def plot_expected(fifths: pd.DataFrame, *, language: str = "en"):
    """Draw observed against expected means by fifth of the expectation.

    Parameters
    ----------
    fifths : DataFrame
        Table ``fifths`` of a `DemandEvaluation`.
    language : {"fi", "sv", "en"}, default="en"
        Language of axes and legend.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import evaluate_demand, plot_expected
    >>> mean = np.repeat([1.0, 4.0], 100)
    >>> visits = np.random.default_rng(0).poisson(mean)
    >>> judged = evaluate_demand(visits, pd.DataFrame({"expected": mean}), n_bootstrap=5)
    >>> len(plot_expected(judged.tables["fifths"]).axes)
    1
    """
    fig = blank(5.6, 4.4)
    shown = fifths[np.isfinite(fifths["observed"])]
    if shown.empty:
        return nothing(fig, language)
    axis = fig.subplots()
    top = 1.08 * float(np.nanmax(shown[["expected", "observed", "observed_upper"]].to_numpy()))
    axis.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1.2, label=word("legend.ideal", language))
    bars = spread(shown["observed"], shown["observed_lower"], shown["observed_upper"])
    label = word("legend.fifths", language)
    axis.errorbar(
        shown["expected"],
        shown["observed"],
        yerr=bars,
        fmt="o",
        color=VERMILLION,
        capsize=3,
        linewidth=1.3,
        label=label,
    )
    axis.set(xlim=(0, top), ylim=(0, top), xlabel=word("axis.expected", language), ylabel=word("axis.used", language))
    decimals = 0 if top > 10 else 1
    numbers(axis.xaxis, language, decimals=decimals)
    numbers(axis.yaxis, language, decimals=decimals)
    axis.legend(frameon=False, loc="upper left")
    plain(axis)
    return fig


def plot_coverage(fifths: pd.DataFrame, *, language: str = "en"):
    """Draw how often the interval held the amount, by fifth of the expectation.

    Parameters
    ----------
    fifths : DataFrame
        Table ``fifths`` of a `DemandEvaluation`.
    language : {"fi", "sv", "en"}, default="en"
        Language of axes and legend.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import evaluate_demand, plot_coverage
    >>> visits = np.random.default_rng(0).poisson(3, 200)
    >>> scores = pd.DataFrame({"expected": np.full(200, 3.0), "lower": 1.0, "upper": 5.0})
    >>> len(plot_coverage(evaluate_demand(visits, scores, n_bootstrap=5).tables["fifths"]).axes)
    1
    """
    fig = blank(5.6, 3.2)
    shown = fifths[np.isfinite(fifths["coverage"])]
    if shown.empty:
        return nothing(fig, language)
    axis = fig.subplots()
    bars = spread(shown["coverage"], shown["coverage_lower"], shown["coverage_upper"])
    axis.axhline(0.8, color=GREY, linestyle="--", linewidth=1.2)
    axis.errorbar(shown["fifth"], shown["coverage"], yerr=bars, fmt="s", color=BLUE, capsize=3, linewidth=1.3)
    axis.set(xlabel=word("axis.fifth", language), ylabel=word("metric.coverage", language), ylim=(0, 1.02))
    axis.set_xticks(shown["fifth"].to_numpy())
    percent(axis.yaxis, None, 1.0, language)
    plain(axis)
    return fig


def demand_report(evaluation, *, title: str | None, language: str) -> str:
    """The whole page."""
    say, tables = words(language), evaluation.tables
    sections = [
        (say("section.summary"), _summary(evaluation, language)),
        (say("section.meaning"), _meaning(evaluation, language)),
        (say("section.data"), [_data(tables["data"], language)]),
        (say("section.expected"), _fifths(evaluation, language)),
    ]
    if "groups" in tables:
        sections.append((say("section.subgroups"), _groups(tables["groups"], language)))
    if "sums" in tables:
        sections.append((say("section.sums"), _sums(tables["sums"], language)))
    sections.append((say("section.metrics"), [amounts_html(tables["metrics"], language)]))
    method = text("evaluation.method.amounts", language, n=evaluation.n_bootstrap, seed=evaluation.random_state)
    sections.append((say("section.method"), [method]))
    return page(
        title or _title(evaluation, language),
        sections,
        language=language,
        subtitle=subtitle(evaluation, language),
        footer=say("footer"),
    )


def demand_card(evaluation, *, title: str | None, words) -> str:
    """The model card: the same sections as that of risks, with the tables of amounts."""
    names = {"metrics": "Performance", "fifths": "Calibration and coverage", "groups": "Groups", "sums": "Sums by area"}
    tables = {heading: evaluation.tables[name] for name, heading in names.items() if name in evaluation.tables}
    return card_of(evaluation, tables, title=title, words=words, estimand=text("evaluation.estimand.amount", "en"))


def _title(evaluation, language: str) -> str:
    if evaluation.model is None:
        return text("evaluation.title.amount", language)
    outcome = evaluation.model.outcome.get(language) or evaluation.model.name
    return text("evaluation.title.model", language, outcome=outcome[:1].upper() + outcome[1:])


def _summary(evaluation, language: str) -> list[str]:
    say = words(language)
    data = evaluation.tables["data"].set_index("item")["value"]
    metrics = evaluation.tables["metrics"].set_index("metric")

    def interval(name: str, show) -> str:
        lower, upper = (show(metrics.loc[name, bound], language) for bound in ("lower", "upper"))
        return text("evaluation.tile.interval", language, lower=lower, upper=upper) if lower != "–" else ""

    persons = text("evaluation.tile.rows.note", language, persons=whole(data["persons"], language))
    expected = text("evaluation.tile.share.note", language, expected=whole(data["expected_total"], language))
    figures = [
        (say("tile.rows"), whole(data["rows"], language), persons),
        (say("tile.used"), whole(data["observed_total"], language), expected),
    ]
    for name, show in (("observed_expected", number), ("deviance_explained", share), ("coverage", share)):
        if name in metrics.index:
            shown = show(metrics.loc[name, "value"], language)
            figures.append((say(f"metric.{name}"), shown, interval(name, show)))
    return [tiles(figures), note(say(_verdict(evaluation)))]


def _verdict(evaluation) -> str:
    ratio, slope = evaluation.metric("observed_expected"), evaluation.metric("calibration_slope")
    if not np.isfinite([ratio, slope]).all():
        return "say.unknown"
    return "say.amount.right" if 0.9 <= ratio <= 1.1 and 0.8 <= slope <= 1.2 else "say.amount.wrong"


def _meaning(evaluation, language: str) -> list[str]:
    return [text("evaluation.estimand.amount", language), note(text(label_warning_key(evaluation.model), language))]


def _data(data: pd.DataFrame, language: str) -> str:
    say = words(language)
    shown = pd.DataFrame(
        {
            say("head.item"): [say(f"data.{name}") for name in data["item"]],
            say("head.value"): column(data["value"], whole, language),
        }
    )
    return table(shown, language=language, numbers=[say("head.value")])


def _fifths(evaluation, language: str) -> list[str]:
    say, fifths = words(language), evaluation.tables["fifths"]
    drawn = evaluation.draw(language)
    shown = {
        say("head.fifth"): fifths["fifth"].to_numpy(),
        say("head.n"): column(fifths["n"], whole, language),
        say("head.expected"): column(fifths["expected"], number, language),
        say("head.used"): with_intervals(fifths, number, language, "observed"),
    }
    if "coverage" in drawn:
        shown[say("metric.coverage")] = with_intervals(fifths, share, language, "coverage")
    pictures = [figure(drawn[name], say(f"figure.{name}.alt"), caption=say(f"figure.{name}.caption")) for name in drawn]
    return [*pictures, table(pd.DataFrame(shown), language=language, numbers=list(shown))]


def _groups(groups: pd.DataFrame, language: str) -> list[str]:
    say = words(language)
    ratios = groups.rename(columns={"ratio": "value"})
    shown = {
        say("head.group"): [
            full_group_text(*pair, language) for pair in zip(groups["by"], groups["group"], strict=True)
        ],
        say("head.n"): column(groups["n"], whole, language),
        say("head.expected"): column(groups["expected"], number, language),
        say("head.used"): column(groups["observed"], number, language),
        say("metric.observed_expected"): with_intervals(ratios, number, language),
    }
    if np.isfinite(groups["coverage"]).any():
        shown[say("metric.coverage")] = with_intervals(groups, share, language, "coverage")
    of_numbers = list(shown)[1:]
    if groups["note"].any():
        shown[say("head.note")] = [note_text(why, language) for why in groups["note"]]
    return [table(pd.DataFrame(shown), language=language, numbers=of_numbers)]


def _sums(sums: pd.DataFrame, language: str) -> list[str]:
    say = words(language)
    shown = {
        say("head.index_date"): [format_date(date, language) for date in sums["index_date"]],
        say("head.area"): sums["group"].to_numpy(),
        say("head.n"): column(sums["n"], whole, language),
        say("head.expected"): with_intervals(sums.rename(columns={"expected": "value"}), whole, language),
        say("head.used"): column(sums["observed"], whole, language),
        say("head.inside"): [
            "–" if not np.isfinite(one) else say("inside.yes" if one else "inside.no") for one in sums["inside"]
        ],
    }
    return [table(pd.DataFrame(shown), language=language, numbers=list(shown)[2:5]), say("read.sums")]


def amounts_html(metrics: pd.DataFrame, language: str) -> str:
    """The measures as a table with a line on how to read each."""
    say = words(language)
    as_share = metrics["metric"].isin(AS_SHARE)
    rows = [
        (
            say(f"metric.{row.metric}"),
            (share if percent_row else number)(row.value, language),
            intervals(metrics.iloc[[place]], share if percent_row else number, language)[0],
            say(f"read.amount.{row.metric}") + (f" ({note_text(row.note, language)})" if row.note else ""),
        )
        for place, (row, percent_row) in enumerate(zip(metrics.itertuples(), as_share, strict=True))
    ]
    heads = [say(f"head.{name}") for name in ("metric", "value", "interval", "read")]
    return table(pd.DataFrame(rows, columns=heads), language=language, numbers=[heads[1]])
