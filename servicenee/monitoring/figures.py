"""Tables of a monitor run in; matplotlib figures out, readable without colour."""

import numpy as np
import pandas as pd

from servicenee.evaluation.drawing import BLUE, GREY, VERMILLION, blank, numbers, percent, plain
from servicenee.texts import format_number, format_percent, text

MOST_COLUMNS = 12
_LONGEST_LABEL = 58


def plot_columns(columns: pd.DataFrame, *, language: str = "en"):
    """Draw the features that have shifted most, as multiples of their limit.

    Parameters
    ----------
    columns : DataFrame
        As `column_drift` gives it, with labels.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.monitoring.figures import plot_columns
    >>> columns = pd.DataFrame({"psi": [0.2, 0.01], "psi_limit": 0.1, "label_en": ["Age", "Visits"]})
    >>> len(plot_columns(columns).axes)
    1
    """
    table = columns.assign(ratio=columns["psi"] / columns["psi_limit"])
    table = table[np.isfinite(table["ratio"])].sort_values("ratio", ascending=False, kind="stable").head(MOST_COLUMNS)
    fig = blank(7.4, 0.7 + 0.32 * max(len(table), 1))
    axis = fig.subplots()
    places = np.arange(len(table))
    beyond = (table["ratio"] > 1).to_numpy()
    colors = np.where(beyond, VERMILLION, BLUE)
    bars = axis.barh(places, table["ratio"], color=colors, height=0.62)
    for bar, marked in zip(bars, beyond, strict=True):
        bar.set_hatch("//" if marked else "")
        bar.set_edgecolor("white")
    axis.axvline(1, color=GREY, linestyle="--", linewidth=1.2)
    axis.set_yticks(places, [_short(label) for label in table[f"label_{language}"]], fontsize=8.5)
    axis.invert_yaxis()
    axis.set(xlabel=text("monitoring.columns.axis", language), xlim=(0, max(1.15, 1.08 * table["ratio"].max())))
    numbers(axis.xaxis, language, decimals=1)
    plain(axis)
    axis.grid(False, axis="y")
    return fig


def plot_intervals(intervals: pd.DataFrame, *, are_risks: bool = True, language: str = "en"):
    """Draw the share of persons in each interval of the score, in training and now.

    Parameters
    ----------
    intervals : DataFrame
        As `score_intervals` gives it.
    are_risks : bool, default=True
        Whether the score is a probability.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee.monitoring.figures import plot_intervals
    >>> table = pd.DataFrame({"above": [-np.inf, 0.1], "up_to": [0.1, np.inf], "then": [0.9, 0.1], "now": [0.8, 0.2]})
    >>> len(plot_intervals(table).axes)
    1
    """
    fig = blank(7.4, 3.4)
    axis = fig.subplots()
    places = np.arange(len(intervals))
    for shift, name, color, hatch in ((-0.2, "then", GREY, ""), (0.2, "now", BLUE, "//")):
        label = text(f"monitoring.legend.{name}", language)
        axis.bar(places + shift, intervals[name], width=0.38, color=color, hatch=hatch, edgecolor="white", label=label)
    names = [_end(end, are_risks, language) for end in intervals["up_to"]]
    names[-1] = f"{text('monitoring.scores.above', language)}\n{names[-2]}" if len(names) > 1 else ""
    axis.set_xticks(places, names, fontsize=8.5)
    key = "monitoring.scores.axis" + ("" if are_risks else ".amount")
    axis.set(xlabel=text(key, language), ylabel=text("monitoring.scores.share", language))
    axis.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))  # above the bars, never on them
    percent(axis.yaxis, None, 1.0, language)
    plain(axis)
    axis.grid(False, axis="x")
    return fig


def _short(label: str) -> str:
    """A label cut in the middle: its end says which window it is."""
    if len(label) <= _LONGEST_LABEL:
        return label
    head, _, window = label.rpartition(", ")
    return f"{head[: _LONGEST_LABEL - len(window) - 3].rstrip(' ,')}…, {window}"


def _end(value: float, is_risk: bool, language: str) -> str:
    if not np.isfinite(value):
        return ""
    if not is_risk:
        return format_number(value, language)
    return format_percent(value, language)
