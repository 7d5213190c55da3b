"""Tables of an evaluation in; matplotlib figures out, readable without colour, drawn without global state."""

from functools import partial

import numpy as np
import pandas as pd

from servicenee.texts import format_number, text

# Blue and vermillion of Okabe and Ito: told apart by colour-blind readers, contrast of at least 3.9 on white.
BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#595959"


def plot_calibration(groups: pd.DataFrame, curve: pd.DataFrame, risks: pd.DataFrame, *, language: str = "en"):
    """Draw observed share against predicted risk, with the distribution of the risks below.

    Parameters
    ----------
    groups : DataFrame
        As `calibration_table` gives it.
    curve : DataFrame
        As `calibration_curve` gives it.
    risks : DataFrame
        Columns from, to, n: how many rows have a risk in each interval.
    language : {"fi", "sv", "en"}, default="en"
        Language of axes and legend.

    Returns
    -------
    matplotlib.figure.Figure
        Show it in a notebook, or save it with ``savefig``.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import evaluate, plot_calibration
    >>> index = pd.MultiIndex.from_product([range(400), ["2024-01-01"]], names=["person_id", "index_date"])
    >>> risk = pd.Series(np.linspace(0.01, 0.6, 400), index=index)
    >>> outcome = (np.random.default_rng(0).random(400) < risk).astype(int)
    >>> tables = evaluate(outcome, risk, n_bootstrap=20).tables
    >>> len(plot_calibration(tables["calibration"], tables["curve"], tables["risks"]).axes)
    2
    """
    fig = _figure(6.4, 6.6)
    shown = groups[np.isfinite(groups["observed"])]
    if shown.empty:
        return _nothing(fig, language)
    above, below = fig.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    top = _top(shown, curve)
    above.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1.2, label=_word("legend.ideal", language))
    if len(curve):
        above.fill_between(curve["risk"], curve["lower"], curve["upper"], color=BLUE, alpha=0.18, linewidth=0)
        above.plot(curve["risk"], curve["observed"], color=BLUE, linewidth=2, label=_word("legend.curve", language))
    spread = _spread(shown["observed"], shown["lower"], shown["upper"])
    above.errorbar(
        shown["predicted"],
        shown["observed"],
        yerr=spread,
        fmt="o",
        color=VERMILLION,
        markersize=5.5,
        capsize=3,
        linewidth=1.3,
        label=_word("legend.groups", language),
    )
    above.set(xlim=(0, top), ylim=(0, top), ylabel=_word("axis.observed", language))
    above.legend(frameon=False, loc="upper left")
    _bars(below, risks)
    below.set(xlabel=_word("axis.predicted", language), ylabel=_word("axis.rows", language))
    _percent(above.xaxis, above.yaxis, top, language)
    _whole_numbers(below.yaxis, language)
    _plain(above, below)
    return fig


def plot_capacity(capacities: pd.DataFrame, *, language: str = "en"):
    """Draw PPV and the share of events found against the number of persons listed.

    Parameters
    ----------
    capacities : DataFrame
        As `capacity_table` gives it.
    language : {"fi", "sv", "en"}, default="en"
        Language of axes and legend.

    Returns
    -------
    matplotlib.figure.Figure
        Show it in a notebook, or save it with ``savefig``.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import capacity_table, plot_capacity
    >>> risk = np.linspace(0.01, 0.6, 400)
    >>> outcome = np.random.default_rng(0).random(400) < risk
    >>> len(plot_capacity(capacity_table(outcome, risk, n_bootstrap=20)).axes)
    1
    """
    fig = _figure(6.4, 3.8)
    shown = capacities[np.isfinite(capacities["ppv"])]
    if shown.empty:
        return _nothing(fig, language)
    axis = fig.subplots()
    for name, color, marker, line in (("ppv", BLUE, "o", "-"), ("sensitivity", VERMILLION, "s", "--")):
        axis.errorbar(
            shown["selected"],
            shown[name],
            yerr=_spread(shown[name], shown[f"{name}_lower"], shown[f"{name}_upper"]),
            color=color,
            marker=marker,
            linestyle=line,
            capsize=3,
            linewidth=1.6,
            label=_word(f"head.{name}", language),
        )
    axis.set(xlabel=_word("axis.selected", language), ylabel=_word("axis.share", language), xlim=(0, None))
    highest = shown[["ppv_upper", "sensitivity_upper", "ppv", "sensitivity"]].max().max()
    axis.set_ylim(0, min(1.0, 1.15 * float(highest)) if highest > 0 else 1.0)
    axis.legend(frameon=False)
    _percent(axis.yaxis, None, 1.0, language)
    _whole_numbers(axis.xaxis, language)
    _plain(axis)
    return fig


def _figure(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    return fig


def _word(name: str, language: str) -> str:
    return text(f"evaluation.{name}", language)


def _nothing(fig, language: str):
    fig.text(0.5, 0.5, _word("figure.empty", language), ha="center", va="center", color=GREY)
    return fig


def _top(groups: pd.DataFrame, curve: pd.DataFrame) -> float:
    """Upper end of both axes: all groups with their intervals and the whole curve, never above 1."""
    highest = groups[["predicted", "observed", "upper"]].max().max()
    if len(curve):
        highest = max(highest, curve["risk"].max(), curve["observed"].max())
    return min(1.0, 1.06 * float(highest)) if highest > 0 else 1.0


def _spread(middle: pd.Series, lower: pd.Series, upper: pd.Series) -> np.ndarray:
    """Distances down and up; 0 where there is no interval."""
    return np.nan_to_num(np.maximum(np.vstack([middle - lower, upper - middle]), 0))


def _bars(axis, risks: pd.DataFrame) -> None:
    width = risks["to"] - risks["from"]
    heights = risks["n"].fillna(0)
    axis.bar(risks["from"], heights, width=width, align="edge", color=BLUE, edgecolor="white", linewidth=0.4)


def _percent(axis, other, top: float, language: str) -> None:
    decimals = 0 if top > 0.08 else 1
    for one in (axis, other):
        if one is not None:
            one.set_major_formatter(partial(_percent_text, language=language, decimals=decimals))


def _whole_numbers(axis, language: str) -> None:
    axis.set_major_formatter(partial(_whole_text, language=language))


# matplotlib calls a formatter with the value and the position of the tick.
def _percent_text(value: float, position: int | None, *, language: str, decimals: int) -> str:
    gap = "" if language == "en" else "\u00a0"
    return f"{format_number(100 * value, language, decimals=decimals)}{gap}%"


def _whole_text(value: float, position: int | None, *, language: str) -> str:
    return format_number(value, language, decimals=0)


def _plain(*axes) -> None:
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(True, color="#e3e6ea", linewidth=0.8)
        axis.set_axisbelow(True)
