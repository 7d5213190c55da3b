"""Tables on segments come in; matplotlib figures go out, readable without colour, drawn without global state."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from servicenee.segments.names import feature_label
from servicenee.segments.profile import is_numbered, wide_profile
from servicenee.segments.resampling import ACCEPT, REJECT
from servicenee.texts import format_number, text

BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#595959"
_MOST_FEATURES = 25
_STATES = ("death", "moved", "outside", "new")


def plot_sizes(profile: pd.DataFrame, names: Mapping[str, str] | None = None, *, language: str = "en"):
    """Draw the share of persons in every segment.

    Parameters
    ----------
    profile : DataFrame
        As `segment_profile` gives it.
    names : mapping of str to str, optional
        Name of each segment.
    language : {"fi", "sv", "en"}, default="en"
        Language of the axis.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import segment_profile
    >>> from servicenee.segments import plot_sizes
    >>> profile = segment_profile(pd.Series(["S1"] * 40 + ["S2"] * 60), pd.DataFrame({"x": [1] * 30 + [0] * 70}))
    >>> len(plot_sizes(profile).axes)
    1
    """
    sizes = profile[profile["statistic"] == "size"]
    fig = _figure(7.4, 0.55 * len(sizes) + 1.0)
    ax = fig.subplots()
    places = np.arange(len(sizes))
    share = 100 * sizes["value"].to_numpy()
    ax.barh(places, np.nan_to_num(share), color=BLUE, height=0.62)
    for place, value in zip(places, share, strict=True):
        shown = "–" if np.isnan(value) else format_number(value, language, decimals=1)
        ax.text(np.nan_to_num(value) + 0.6, place, shown, va="center", fontsize=9)
    ax.set_yticks(places, [_titled(segment, names) for segment in sizes["segment"]])
    ax.invert_yaxis()
    ax.set(xlabel=text("segments.axis.share", language), xlim=(0, 1.12 * np.nanmax([*share, 1.0])))
    _plain(ax)
    return fig


def plot_profile(
    profile: pd.DataFrame,
    names: Mapping[str, str] | None = None,
    *,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    language: str = "en",
):
    """Draw a heat map of the 0/1 columns: colour by observed:expected, figures by the share of the segment.

    Parameters
    ----------
    profile : DataFrame
        As `segment_profile` gives it; the 25 columns that differ most between segments are shown.
    names : mapping of str to str, optional
        Name of each segment.
    labels : mapping of str to mapping of str to str, optional
        Text per language of columns that are not in the shipped list of conditions.
    language : {"fi", "sv", "en"}, default="en"
        Language of labels.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import segment_profile
    >>> from servicenee.segments import plot_profile
    >>> profile = segment_profile(pd.Series(["S1"] * 40 + ["S2"] * 60), pd.DataFrame({"x": [1] * 30 + [0] * 70}))
    >>> len(plot_profile(profile).axes)
    2
    """
    shares = profile[profile["statistic"] == "share"]
    value, ratio = wide_profile(shares), wide_profile(shares, "observed_expected")
    overall = shares.groupby("feature", sort=False)["overall"].first()
    spread = (value.max(axis=1) - value.min(axis=1)).fillna(-1.0)
    chosen = spread.sort_values(ascending=False, kind="stable").index[:_MOST_FEATURES]
    rows = overall.loc[chosen].sort_values(ascending=False, kind="stable").index
    fig = _figure(_width(value.columns, names) + 3.6, 0.3 * len(rows) + 1.6)
    ax = fig.subplots()
    shade = np.log2(np.clip(ratio.loc[rows].to_numpy(), 1.0, 4.0))
    image = ax.imshow(np.ma.masked_invalid(shade), cmap="Oranges", vmin=0, vmax=2.6, aspect="auto")
    for (row, column), share in np.ndenumerate(value.loc[rows].to_numpy()):
        shown = "–" if np.isnan(share) else format_number(100 * share, language, decimals=0)
        ax.text(column, row, shown, ha="center", va="center", fontsize=9)
    _columns(ax, value.columns, {}, names)
    ax.set_yticks(range(len(rows)), [feature_label(name, language, labels) for name in rows])
    ax.tick_params(length=0, labelsize=9)
    bar = fig.colorbar(image, ax=ax, shrink=0.6, ticks=[0, 1, 2], boundaries=np.linspace(0, 2, 41))
    bar.ax.set_yticklabels(["≤ 1", "2", "≥ 4"])
    bar.set_label(text("segments.axis.ratio", language))
    return fig


def plot_stability(stability: pd.DataFrame, names: Mapping[str, str] | None = None, *, language: str = "en"):
    """Draw how far every segment is found again, with the limits of 0.60 and 0.75.

    Parameters
    ----------
    stability : DataFrame
        As `segment_stability` gives it.
    names : mapping of str to str, optional
        Name of each segment.
    language : {"fi", "sv", "en"}, default="en"
        Language of labels.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.segments import plot_stability
    >>> table = pd.DataFrame({"segment": ["S1"], "jaccard": [0.9], "dissolved": [0.0], "recovered": [1.0],
    ...                       "verdict": ["accept"]})
    >>> len(plot_stability(table).axes)
    1
    """
    fig = _figure(7.4, 0.5 * len(stability) + 1.4)
    ax = fig.subplots()
    places = np.arange(len(stability))
    colour = {"accept": BLUE, "flag": VERMILLION, "reject": VERMILLION}
    fill = {"accept": BLUE, "flag": "white", "reject": VERMILLION}
    for place, row in zip(places, stability.itertuples(), strict=True):
        ax.plot([0, row.jaccard], [place, place], color=colour[row.verdict], linewidth=2)
        ax.plot(row.jaccard, place, "o", markersize=8, color=colour[row.verdict], markerfacecolor=fill[row.verdict])
        shown = (
            f"{format_number(row.jaccard, language, decimals=2)}  {text(f'segments.verdict.{row.verdict}', language)}"
        )
        ax.text(1.03, place, shown, va="center", fontsize=9)
    for limit in (REJECT, ACCEPT):
        ax.axvline(limit, color=GREY, linestyle="--", linewidth=1, zorder=0)
    ax.set_yticks(places, [_titled(segment, names) for segment in stability["segment"]])
    ax.set(xlim=(0, 1.0), ylim=(len(stability) - 0.5, -0.5), xlabel=text("segments.axis.jaccard", language))
    ticks = (0, 0.25, REJECT, ACCEPT, 1)
    ax.set_xticks(ticks, [format_number(tick, language) for tick in ticks])
    _plain(ax)
    return fig


def plot_transitions(transitions: pd.DataFrame, names: Mapping[str, str] | None = None, *, language: str = "en"):
    """Draw the matrix of transitions: rows where people were, columns where they were later.

    Parameters
    ----------
    transitions : DataFrame
        As `segment_transitions` gives it.
    names : mapping of str to str, optional
        Name of each segment.
    language : {"fi", "sv", "en"}, default="en"
        Language of labels.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.segments import plot_transitions
    >>> table = pd.DataFrame({"from": ["S1", "S1"], "to": ["S1", "death"], "n": [90.0, 10.0], "share": [0.9, 0.1],
    ...                       "lower": [0.84, 0.05], "upper": [0.96, 0.16]})
    >>> len(plot_transitions(table).axes)
    1
    """
    share = transitions.pivot(index="from", columns="to", values="share")
    share = share.loc[transitions["from"].unique(), transitions["to"].unique()]
    words = {state: text(f"segments.state.{state}", language) for state in _STATES}
    return _matrix(share, words, names, language, ("segments.axis.to", "segments.axis.from"))


def plot_areas(areas: pd.DataFrame, names: Mapping[str, str] | None = None, *, language: str = "en"):
    """Draw the share of every segment in every area.

    Parameters
    ----------
    areas : DataFrame
        As `segments_by_area` gives it.
    names : mapping of str to str, optional
        Name of each segment.
    language : {"fi", "sv", "en"}, default="en"
        Language of labels.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.segments import plot_areas, segments_by_area
    >>> areas = segments_by_area(pd.Series(["S1"] * 40 + ["S2"] * 60), pd.Series(["Veteli"] * 50 + ["Kokkola"] * 50))
    >>> len(plot_areas(areas).axes)
    1
    """
    share = areas.pivot(index="area", columns="segment", values="share")
    share = share.loc[areas["area"].unique(), areas["segment"].unique()]
    return _matrix(share, {}, names, language, ("segments.head.segment", "segments.head.area"))


def _matrix(share: pd.DataFrame, words: Mapping[str, str], names, language: str, titles: tuple[str, str]):
    """Shares as shaded cells with their figures in per cent."""
    fig = _figure(_width(share.columns, names) + 3.6, 0.36 * share.shape[0] + 1.5)
    ax = fig.subplots()
    values = share.to_numpy()
    ax.imshow(np.ma.masked_invalid(values), cmap="Blues", vmin=0, vmax=max(np.nanmax(values), 0.01), aspect="auto")
    limit = 0.6 * np.nanmax(values)
    for (row, column), value in np.ndenumerate(values):
        shown = "–" if np.isnan(value) else format_number(100 * value, language, decimals=0)
        colour = "white" if np.nan_to_num(value) > limit else "black"
        ax.text(column, row, shown, ha="center", va="center", fontsize=9, color=colour)
    _columns(ax, share.columns, words, names)
    ax.set_yticks(range(share.shape[0]), [words.get(name) or _titled(name, names) for name in share.index])
    ax.set(xlabel=text(titles[0], language), ylabel=text(titles[1], language))
    ax.tick_params(length=0, labelsize=9)
    return fig


def _columns(ax, segments: pd.Index, words: Mapping[str, str], names: Mapping[str, str] | None) -> None:
    """Headings of columns, above: the code of a numbered segment, whose name the rows or the first figure tell."""
    heads = [words.get(name) or (name if is_numbered(name) else (names or {}).get(name, name)) for name in segments]
    ax.set_xticks(range(len(heads)), [_wrapped(head, 16) for head in heads])
    ax.xaxis.set_label_position("top")
    ax.xaxis.set_ticks_position("top")


def _width(segments: pd.Index, names: Mapping[str, str] | None) -> float:
    """Inches for the columns: names of schemes need more room than codes."""
    return sum(0.8 if is_numbered(name) or name in _STATES else 1.35 for name in segments)


def _titled(segment: str, names: Mapping[str, str] | None) -> str:
    """Code and name of a numbered segment, the name of another; in lines that fit beside a figure."""
    name = (names or {}).get(segment)
    if not name:
        return str(segment)
    return _wrapped(f"{segment}  {name}" if is_numbered(segment) else name, 44)


def _wrapped(words: str, width: int) -> str:
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def _figure(width: float, height: float):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _plain(ax) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=9)
