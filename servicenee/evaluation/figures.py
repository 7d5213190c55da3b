"""Tables of the rows as a whole in; matplotlib figures out, readable without colour, drawn without global state."""

import numpy as np
import pandas as pd

from servicenee.evaluation.drawing import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    blank,
    nothing,
    numbers,
    percent,
    plain,
    spread,
    word,
)


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
    fig = blank(6.4, 6.6)
    shown = groups[np.isfinite(groups["observed"])]
    if shown.empty:
        return nothing(fig, language)
    above, below = fig.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    top = _top(shown, curve)
    above.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1.2, label=word("legend.ideal", language))
    if len(curve):
        above.fill_between(curve["risk"], curve["lower"], curve["upper"], color=BLUE, alpha=0.18, linewidth=0)
        above.plot(curve["risk"], curve["observed"], color=BLUE, linewidth=2, label=word("legend.curve", language))
    bars = spread(shown["observed"], shown["lower"], shown["upper"])
    above.errorbar(
        shown["predicted"],
        shown["observed"],
        yerr=bars,
        fmt="o",
        color=VERMILLION,
        markersize=5.5,
        capsize=3,
        linewidth=1.3,
        label=word("legend.groups", language),
    )
    above.set(xlim=(0, top), ylim=(0, top), ylabel=word("axis.observed", language))
    above.legend(frameon=False, loc="upper left")
    _bars(below, risks)
    below.set(xlabel=word("axis.predicted", language), ylabel=word("axis.rows", language))
    percent(above.xaxis, above.yaxis, top, language)
    numbers(below.yaxis, language)
    plain(above, below)
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
    fig = blank(6.4, 3.8)
    shown = capacities[np.isfinite(capacities["ppv"])]
    if shown.empty:
        return nothing(fig, language)
    axis = fig.subplots()
    for name, color, marker, line in (("ppv", BLUE, "o", "-"), ("sensitivity", VERMILLION, "s", "--")):
        axis.errorbar(
            shown["selected"],
            shown[name],
            yerr=spread(shown[name], shown[f"{name}_lower"], shown[f"{name}_upper"]),
            color=color,
            marker=marker,
            linestyle=line,
            capsize=3,
            linewidth=1.6,
            label=word(f"head.{name}", language),
        )
    axis.set(xlabel=word("axis.selected", language), ylabel=word("axis.share", language), xlim=(0, None))
    highest = shown[["ppv_upper", "sensitivity_upper", "ppv", "sensitivity"]].max().max()
    axis.set_ylim(0, min(1.0, 1.15 * float(highest)) if highest > 0 else 1.0)
    axis.legend(frameon=False)
    percent(axis.yaxis, None, 1.0, language)
    numbers(axis.xaxis, language)
    plain(axis)
    return fig


def plot_decision(decisions: pd.DataFrame, *, language: str = "en"):
    """Draw the net benefit of acting on the risk against acting on everybody and on nobody.

    Parameters
    ----------
    decisions : DataFrame
        As `decision_curve` gives it.
    language : {"fi", "sv", "en"}, default="en"
        Language of axes and legend.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from servicenee.evaluation import decision_curve, plot_decision
    >>> curve = decision_curve([0, 1, 0, 1], [0.1, 0.6, 0.4, 0.8], n_bootstrap=0)
    >>> len(plot_decision(curve).axes)
    1
    """
    fig = blank(6.4, 3.8)
    if decisions.empty or not np.isfinite(decisions["net_benefit"]).any():
        return nothing(fig, language)
    axis = fig.subplots()
    risk, ours = decisions["threshold"], decisions["net_benefit"]
    axis.fill_between(risk, decisions["lower"], decisions["upper"], color=BLUE, alpha=0.18, linewidth=0)
    axis.plot(risk, ours, color=BLUE, linewidth=2, label=word("legend.model", language))
    axis.plot(risk, decisions["treat_all"], color=VERMILLION, linestyle="--", label=word("legend.everybody", language))
    axis.axhline(0, color=GREY, linestyle=":", label=word("legend.nobody", language))
    top = float(np.nanmax([ours.max(), decisions["upper"].max(), decisions["treat_all"].max(), 1e-6]))
    axis.set(xlabel=word("axis.threshold", language), ylabel=word("axis.net_benefit", language))
    axis.set(xlim=(0, float(risk.max())), ylim=(-0.25 * top, 1.1 * top))
    numbers(axis.yaxis, language, decimals=3)
    axis.legend(frameon=False)
    percent(axis.xaxis, None, float(risk.max()), language)
    plain(axis)
    return fig


def plot_discrimination(thresholds: pd.DataFrame, *, language: str = "en"):
    """Draw the ROC curve and the precision-recall curve at the thresholds of a table.

    Parameters
    ----------
    thresholds : DataFrame
        As `threshold_table` gives it.
    language : {"fi", "sv", "en"}, default="en"
        Language of axes and legend.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from servicenee.evaluation import plot_discrimination, threshold_table
    >>> len(plot_discrimination(threshold_table([0, 1, 0, 1], [0.1, 0.6, 0.4, 0.8])).axes)
    2
    """
    fig = blank(7.2, 3.6)
    if len(thresholds) < 2 or not np.isfinite(thresholds["sensitivity"]).any():
        return nothing(fig, language)
    left, right = fig.subplots(1, 2)
    found = np.concatenate([[0.0], thresholds["sensitivity"], [1.0]])
    false = np.concatenate([[0.0], 1 - thresholds["specificity"], [1.0]])
    left.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2)
    left.plot(false, found, color=BLUE, marker=".", linewidth=1.8)
    left.set(xlabel=word("axis.false_positive", language), ylabel=word("axis.sensitivity", language))
    right.plot(thresholds["sensitivity"], thresholds["ppv"], color=GREEN, marker=".", linewidth=1.8)
    everybody = thresholds["ppv"].iloc[-1]
    right.axhline(everybody, color=GREY, linestyle="--", linewidth=1.2)
    right.set(xlabel=word("axis.sensitivity", language), ylabel=word("head.ppv", language), xlim=(0, 1), ylim=(0, None))
    for axis in (left, right):
        percent(axis.xaxis, axis.yaxis, 1.0, language)
    plain(left, right)
    return fig


def _top(groups: pd.DataFrame, curve: pd.DataFrame) -> float:
    """Upper end of both axes: all groups with their intervals and the whole curve, never above 1."""
    highest = groups[["predicted", "observed", "upper"]].max().max()
    if len(curve):
        highest = max(highest, curve["risk"].max(), curve["observed"].max())
    return min(1.0, 1.06 * float(highest)) if highest > 0 else 1.0


def _bars(axis, risks: pd.DataFrame) -> None:
    width = risks["to"] - risks["from"]
    heights = risks["n"].fillna(0)
    axis.bar(risks["from"], heights, width=width, align="edge", color=BLUE, edgecolor="white", linewidth=0.4)
