"""Impact tables in; matplotlib figures out, readable without colour, drawn without global state."""

from functools import partial
from textwrap import wrap

import numpy as np
import pandas as pd

from servicenee.evaluation.figures import BLUE, GREY, VERMILLION
from servicenee.impact.comparison import Comparison
from servicenee.impact.wording import label_text, level_text, period_text, word
from servicenee.texts import format_number, format_percent

GREEN, YELLOW, SKY, PURPLE = "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
_LEVEL_COLORS = {
    "digital": SKY,
    "clinic": GREEN,
    "light_home_care": "#F0E442",
    "heavy_home_care": YELLOW,
    "round_the_clock": VERMILLION,
    "hospital": "#5B2A86",
}
_LEVEL_HATCHES = {"heavy_home_care": "//", "round_the_clock": "..", "hospital": "xx"}
_PER_ROW = 4


def plot_guarantee(months: pd.DataFrame, *, target: float | None = None, language: str = "en"):
    """Draw the share met in time by month, its interval, what counting visits would claim, and the target.

    Parameters
    ----------
    months : DataFrame
        As `care_guarantee` gives it by month.
    target : float, optional
        Share to reach, from 0 to 1.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import care_guarantee
    >>> from servicenee.impact.figures import plot_guarantee
    >>> registers = make_registers(500, random_state=0)
    >>> months = care_guarantee(registers.requests, extract_date=registers.extract_date, by="month")
    >>> len(plot_guarantee(months, target=0.8).axes)
    1
    """
    fig = _figure(8.0, 3.9)
    shown = months[months["share"].notna()].sort_values("month")
    if shown.empty:
        return _nothing(fig, language)
    axis, x = fig.subplots(), _month_numbers(shown["month"])
    axis.fill_between(x, 100 * shown["lower"], 100 * shown["upper"], color=BLUE, alpha=0.18, linewidth=0)
    axis.plot(x, 100 * shown["share"], color=BLUE, linewidth=2.2, marker="o", markersize=4)
    axis.plot(x, 100 * shown["realised_visits_share"], color=GREY, linewidth=1.6, linestyle="--")
    _write_at_end(axis, x[-1], 100 * shown["share"].iloc[-1], word("legend.share", language), BLUE)
    _write_at_end(axis, x[-1], 100 * shown["realised_visits_share"].iloc[-1], word("legend.realised", language), GREY)
    if target is not None:
        axis.plot([x[0], x[-1]], [100 * target] * 2, color=VERMILLION, linewidth=1.6, linestyle=(0, (5, 2)))
        words = word("legend.target", language, target=format_number(100 * target, language, decimals=0))
        axis.text(x[0], 100 * target + 1, words, color=VERMILLION, va="bottom", fontsize=10)
    _year_ticks(axis, x)
    axis.set(ylim=(0, 100), xlim=(x[0] - 0.5, x[-1] + 0.22 * (x[-1] - x[0]) + 2), ylabel=word("axis.share", language))
    _numbers(axis.yaxis, language)
    _plain(axis)
    return fig


def plot_waiting(curve: pd.DataFrame, *, language: str = "en"):
    """Draw what became of the requests day by day: met, closed without care, still waiting.

    Parameters
    ----------
    curve : DataFrame
        As `waiting_times` gives it for one group and many days.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import waiting_times
    >>> from servicenee.impact.figures import plot_waiting
    >>> registers = make_registers(500, random_state=0)
    >>> curve = waiting_times(registers.requests, extract_date=registers.extract_date, days=range(31))
    >>> len(plot_waiting(curve).axes)
    1
    """
    fig = _figure(8.0, 3.9)
    shown = curve[curve["share"].notna()]
    if shown.empty:
        return _nothing(fig, language)
    axis, day = fig.subplots(), shown["day"].to_numpy(np.float64)
    # A share that is hidden on a day is drawn as it was when last shown: a handful of requests does not make a step.
    met, closed = 100 * shown["share"], 100 * curve["closed_unmet_share"].ffill().fillna(0.0)[shown.index]
    layers = (
        ("met", 0 * met, met, BLUE),
        ("closed", met, met + closed, YELLOW),
        ("waiting", met + closed, 100, "#D9DDE3"),
    )
    for name, low, high, color in layers:
        axis.fill_between(
            day, low, high, color=color, linewidth=0, step="post", alpha=0.85, label=word(f"legend.{name}", language)
        )
    for limit in (7, 14):
        if day[0] <= limit <= day[-1]:
            height = float(met[shown["day"] <= limit].iloc[-1])  # the day itself may be hidden
            axis.plot([limit, limit], [0, height], color="white", linewidth=1.4)
            axis.text(
                limit + 0.25,
                height / 2,
                format_percent(height / 100, language, decimals=0),
                color="white",
                fontweight="bold",
            )
    axis.set(
        xlim=(day[0], day[-1]), ylim=(0, 100), xlabel=word("axis.days", language), ylabel=word("axis.share", language)
    )
    axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3)
    axis.spines[["top", "right"]].set_visible(False)
    return fig


def plot_mix(mix: pd.DataFrame, *, language: str = "en"):
    """Draw days in services per 1,000 resident days, a bar for every period.

    Parameters
    ----------
    mix : DataFrame
        As `service_mix` gives it without groups.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import service_mix
    >>> from servicenee.impact.figures import plot_mix
    >>> len(plot_mix(service_mix(make_registers(400, random_state=0))).axes)
    1
    """
    levels = mix[mix["indicator"].str.startswith("level.") & mix["indicator"].ne("level.none")]
    wide = levels.pivot(index="period", columns="indicator", values="value")
    wide = wide[list(dict.fromkeys(levels["indicator"]))]
    fig = _figure(8.0, 1.5 + 0.62 * len(wide))
    if not np.isfinite(wide.to_numpy(np.float64)).any():
        return _nothing(fig, language)
    names = [period_text(period, language) for period in wide.index]
    axis, left = fig.subplots(), np.zeros(len(wide))
    for indicator in wide.columns:
        level, width = indicator.partition(".")[2], wide[indicator].fillna(0).to_numpy()
        bars = axis.barh(
            names,
            width,
            left=left,
            color=_LEVEL_COLORS.get(level, PURPLE),
            hatch=_LEVEL_HATCHES.get(level),
            edgecolor="white",
            linewidth=0.8,
            label=level_text(level, language),
        )
        for bar, value in zip(bars, width, strict=True):
            if value > 0.06 * wide.sum(axis=1).max():
                middle = bar.get_x() + value / 2
                axis.text(middle, bar.get_y() + bar.get_height() / 2, format_number(value, language, decimals=0),
                          ha="center", va="center", fontsize=10,
                          bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.2})  # fmt: skip
        left += width
    axis.invert_yaxis()
    axis.set_xlabel(word("axis.per_1000", language))
    _numbers(axis.xaxis, language)
    axis.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3, fontsize=9)
    _plain(axis)
    axis.grid(False, axis="y")
    return fig


def plot_equity(gaps: pd.DataFrame, county: float, *, labels: list[str], language: str = "en"):
    """Draw the value of every group with its interval, beside the county's value.

    Parameters
    ----------
    gaps : DataFrame
        Rows of `equity_gaps` of one indicator and period, with the columns value_lower and value_upper.
    county : float
        Value of everybody.
    labels : list of str
        Text of every row.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = _figure(8.0, 1.1 + 0.27 * max(len(gaps), 3))
    if not gaps["value"].notna().any():
        return _nothing(fig, language)
    axis, y = fig.subplots(), np.arange(len(gaps), dtype=np.float64)
    y += np.cumsum(np.r_[0, gaps["dimension"].to_numpy()[1:] != gaps["dimension"].to_numpy()[:-1]]) * 0.6
    axis.axvline(county, color=GREY, linewidth=1.2, label=word("legend.county", language))
    axis.hlines(y, gaps["value_lower"], gaps["value_upper"], color=BLUE, linewidth=1.8)
    clear = gaps["clear"].to_numpy(dtype=bool)
    for chosen, face in ((clear, BLUE), (~clear, "white")):
        axis.plot(gaps["value"].to_numpy()[chosen], y[chosen], "o", color=BLUE, markerfacecolor=face, markersize=6.5)
    axis.set_yticks(y, labels, fontsize=9)
    axis.invert_yaxis()
    known = gaps[gaps["value"].notna()]
    # One tiny group with a wide interval must not flatten all others.
    low, high = known["value"].min(), known["value"].max()
    reach = max(high - low, 1e-9)
    axis.set_xlim(
        max(known["value_lower"].min(), low - 1.5 * reach), min(known["value_upper"].max(), high + 1.5 * reach)
    )
    axis.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    _numbers(axis.xaxis, language)
    _plain(axis)
    return fig


def plot_trends(rates: pd.DataFrame, definitions: pd.DataFrame, *, language: str = "en"):
    """Draw every indicator as a small picture: values by period, intervals, the target.

    Parameters
    ----------
    rates : DataFrame
        As `indicator_rates` gives it without groups.
    definitions : DataFrame
        As `indicator_definitions` gives it.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import indicator_definitions, indicator_rates
    >>> from servicenee.impact.figures import plot_trends
    >>> definitions = indicator_definitions()
    >>> rates = indicator_rates(make_registers(400, random_state=0), definitions=definitions)
    >>> len(plot_trends(rates, definitions).axes) == len(definitions)
    True
    """
    n_rows = -(-len(definitions) // _PER_ROW)
    fig = _figure(10.0, 1.95 * n_rows, layout="none")
    # Sixteen small pictures: placed by hand, because finding their places takes longer than drawing them.
    margins = {"left": 0.05, "right": 0.985, "top": 1 - 0.45 / (1.95 * n_rows), "bottom": 0.3 / (1.95 * n_rows)}
    axes = fig.subplots(n_rows, _PER_ROW, squeeze=False, gridspec_kw=margins | {"wspace": 0.3, "hspace": 0.75}).ravel()
    periods = sorted(rates["period"].unique())
    for axis, row in zip(axes, definitions.itertuples(), strict=False):
        one = rates[rates["indicator"] == row.indicator].set_index("period").reindex(periods)
        _small_trend(axis, one, row, periods, language)
    for axis in axes[len(definitions) :]:
        axis.remove()
    return fig


def plot_debt(debt: pd.DataFrame, *, language: str = "en"):
    """Draw observed against expected requests, contacts and queue by month.

    Parameters
    ----------
    debt : DataFrame
        As `service_debt` gives it without groups.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import service_debt
    >>> from servicenee.impact.figures import plot_debt
    >>> registers = make_registers(500, random_state=0)
    >>> debt = service_debt(registers.requests, reference=("2021-01-01", "2022-01-01"),
    ...                     extract_date=registers.extract_date)
    >>> len(plot_debt(debt).axes)
    3
    """
    fig = _figure(8.0, 6.0)
    axes = fig.subplots(3, 1, sharex=True)
    for axis, measure in zip(axes, ("requests", "met", "queue"), strict=True):
        one = debt[debt["measure"] == measure].sort_values("month")
        x = _month_numbers(one["month"].dt.strftime("%Y-%m"))
        axis.fill_between(x, one["lower"], one["upper"], color="#D9DDE3", linewidth=0)
        axis.plot(
            x, one["expected"], color=GREY, linewidth=1.4, linestyle="--", label=word("legend.expected", language)
        )
        axis.plot(x, one["observed"], color=BLUE, linewidth=2, label=word("legend.observed", language))
        axis.set_title(word(f"axis.{measure}", language), loc="left", fontsize=10)
        axis.set_ylim(0, None)
        _numbers(axis.yaxis, language)
        _plain(axis)
    axes[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    _year_ticks(axes[-1], x)
    return fig


def plot_event_study(comparison: Comparison, *, language: str = "en"):
    """Draw the estimates of `difference_in_differences` by time since the start, with their 95 % intervals.

    Parameters
    ----------
    comparison : Comparison
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.impact import difference_in_differences
    >>> from servicenee.impact.figures import plot_event_study
    >>> panel = pd.DataFrame({"team": ["a", "a", "b", "b", "c", "c", "d", "d"], "year": [1, 2] * 4,
    ...                       "visits": [5.0, 4.0, 7.0, 6.2, 6.0, 6.1, 8.0, 7.9], "start": [2] * 4 + [None] * 4})
    >>> found = difference_in_differences(panel, unit="team", time="year", value="visits", start="start")
    >>> len(plot_event_study(found).axes)
    1
    """
    study = comparison.tables["event_study"]
    fig = _figure(8.0, 3.6)
    axis = fig.subplots()
    axis.axhline(0, color=GREY, linewidth=1.2)
    axis.axvline(-0.5, color=VERMILLION, linewidth=1.4, linestyle="--")
    before = study["since_start"] < 0
    for chosen, face in ((before, "white"), (~before, BLUE)):
        part = study[chosen]
        axis.vlines(part["since_start"], part["lower"], part["upper"], color=BLUE, linewidth=1.8)
        axis.plot(part["since_start"], part["estimate"], "o", color=BLUE, markerfacecolor=face, markersize=7)
    axis.set(xlabel=word("axis.since_start", language), ylabel=word("axis.difference", language))
    axis.set_xticks(study["since_start"])
    _numbers(axis.yaxis, language)
    _plain(axis)
    return fig


def _small_trend(axis, one: pd.DataFrame, row, periods: list[str], language: str) -> None:
    x, value = np.arange(len(periods)), one["value"].to_numpy(np.float64)
    axis.vlines(x, one["lower"], one["upper"], color=BLUE, linewidth=1.4, alpha=0.6)
    axis.plot(x, value, color=BLUE, marker="o", markersize=4.5, linewidth=1.6)
    if pd.notna(row.target):
        axis.axhline(float(row.target), color=VERMILLION, linewidth=1.2, linestyle="--")
    title = label_text(row, language)
    axis.set_title("\n".join(wrap(title, 27)), loc="left", fontsize=8.5)
    ends = [period_text(period, language).split("–")[-1].split(" to ")[-1] for period in periods]
    shown = sorted({0, len(periods) - 1})
    axis.set_xticks(shown, [ends[place] for place in shown])
    axis.set_xlim(-0.4, len(periods) - 0.6)
    axis.margins(y=0.25)
    axis.locator_params(axis="y", nbins=3)
    axis.tick_params(labelsize=8)
    _numbers(axis.yaxis, language)
    _plain(axis)


def _figure(width: float, height: float, *, layout: str = "constrained"):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(fig)
    return fig


def _nothing(fig, language: str):
    fig.text(0.5, 0.5, word("figure.empty", language), ha="center", va="center", color=GREY)
    return fig


def _month_numbers(months: pd.Series) -> np.ndarray:
    return np.array(months.to_list(), dtype="datetime64[M]").astype(np.int64).astype(np.float64)


def _year_ticks(axis, x: np.ndarray) -> None:
    """A tick every quarter, a number every January and at the first month."""
    quarters = [month for month in range(int(x[0]), int(x[-1]) + 1) if month % 3 == 0]
    axis.set_xticks(quarters, [str(1970 + month // 12) if month % 12 == 0 else "" for month in quarters])


def _write_at_end(axis, x: float, y: float, words: str, color: str) -> None:
    axis.text(x + 0.6, y, words, color=color, va="center", fontsize=10)


def _numbers(axis, language: str) -> None:
    axis.set_major_formatter(partial(_number_text, language=language))


# matplotlib calls a formatter with the value and the position of the tick.
def _number_text(value: float, position: int | None, *, language: str) -> str:
    return format_number(round(value, 9), language)


def _plain(axis) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(True, color="#e3e6ea", linewidth=0.8)
    axis.set_axisbelow(True)
