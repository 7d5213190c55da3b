"""Weekly volumes and delays of the sources in; matplotlib figures out, readable without colour."""

from functools import partial

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL
from servicenee.texts import format_number, format_percent, text

_BLUE, _RED, _GREY, _GRID = "#0072B2", "#D55E00", "#c9ced6", "#e3e6ea"
_DASHES = ("-", "--", "-.", ":")
_WEEK = np.timedelta64(7, "D")


def plot_volumes(volumes: pd.DataFrame, names: dict[tuple[str, str], str], *, language: str = "en"):
    """Rows by week, one panel per source, with weeks that are empty, thin or still to come.

    Parameters
    ----------
    volumes : DataFrame
        As `weekly_volumes` gives it.
    names : dict of (table, source) to str
        What the reader calls each source; the panels come in this order.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.registers import weekly_volumes
    >>> from servicenee.registers.quality_figures import plot_volumes
    >>> volumes = weekly_volumes(make_registers(100, random_state=0))
    >>> len(plot_volumes(volumes, {("events", "home_care"): "Home care visits"}).axes)
    1
    """
    from matplotlib.figure import Figure

    fig = Figure(figsize=(7.4, 0.4 + 0.95 * len(names)), layout="constrained")
    axes = np.atleast_1d(fig.subplots(len(names), 1, sharex=True))
    by_source = dict(iter(volumes.groupby(["table", "source"])))
    for axis, (source, name) in zip(axes, names.items(), strict=True):
        weeks = by_source[source]
        week, mark = weeks["week"].to_numpy(), weeks["mark"].to_numpy()
        shown = weeks["n"].where((weeks["n"] >= MIN_CELL) | (weeks["n"] == 0)).to_numpy(dtype=np.float64)
        for start, stop in _runs(np.isin(mark, ["gap", "low"])):
            axis.axvspan(week[start], week[stop - 1] + _WEEK, color=_RED, alpha=0.45, linewidth=0)
        for start, stop in _runs(mark == "late"):
            axis.axvspan(week[start], week[stop - 1] + _WEEK, color=_GREY, alpha=0.6, linewidth=0)
        axis.plot(week, shown, color=_BLUE, linewidth=1, marker="." if len(week) < 9 else None)
        axis.set_title(name, loc="left", fontsize=9, pad=2)
        top = np.nanmax(np.append(shown, 1.0))
        axis.set(ylim=(0, 1.1 * top), yticks=[0, float(f"{top:.1g}")])
        axis.yaxis.set_major_formatter(partial(_whole, language=language))
        axis.tick_params(labelsize=8)
        _plain(axis)
    return fig


def plot_lags(curve: pd.DataFrame, names: dict[str, str], *, language: str = "en"):
    """Share of rows that had arrived by days since they happened, one line per source.

    Parameters
    ----------
    curve : DataFrame
        As `lag_curve` gives it.
    names : dict of str to str
        What the reader calls each source.
    language : {"fi", "sv", "en"}, default="en"

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.registers.quality_figures import plot_lags
    >>> curve = pd.DataFrame({"source": "a", "days": [0, 30], "n": 9, "share": [0.5, 1.0]})
    >>> len(plot_lags(curve, {"a": "A"}).axes)
    1
    """
    from matplotlib.figure import Figure

    fig = Figure(figsize=(7.4, 3.4), layout="constrained")
    axis = fig.subplots()
    for number, (source, name) in enumerate(names.items()):
        own = curve[curve["source"] == source]
        axis.plot(own["days"], own["share"], _DASHES[number % len(_DASHES)], drawstyle="steps-post", label=name)
    axis.set(ylim=(0, 1.02), xlabel=text("quality.axis.days", language), ylabel=text("quality.axis.arrived", language))
    axis.set_xscale("symlog", linthresh=7)
    axis.set_xlim(0, curve["days"].max())
    axis.set_xticks([0, 1, 3, 7, 30, 90, 365])
    axis.xaxis.set_major_formatter(partial(_whole, language=language))
    axis.yaxis.set_major_formatter(partial(_percent, language=language))
    axis.legend(frameon=False, fontsize=9)
    _plain(axis)
    return fig


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """First position and the one after the last, for each run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, marked, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


# matplotlib calls a formatter with the value and the position of the tick.
def _whole(value: float, position: int | None, *, language: str) -> str:
    return format_number(value, language, decimals=0)


def _percent(value: float, position: int | None, *, language: str) -> str:
    return format_percent(value, language, decimals=0)


def _plain(axis) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(True, axis="y", color=_GRID, linewidth=0.8)
    axis.set_axisbelow(True)
