"""Tables with one interval per row in; forest plots out: groups, areas, comparisons and markers side by side."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from servicenee.evaluation.drawing import BLUE, GREEN, GREY, VERMILLION, blank, nothing, plain, word
from servicenee.evaluation.wording import short_group_text
from servicenee.texts import format_number

MARKERS = ("o", "s", "^", "D")
COLOURS = (BLUE, VERMILLION, GREEN, GREY)


def plot_groups(
    subgroups: pd.DataFrame,
    metrics: Sequence[str] = ("observed_expected", "list_share_by_event_share"),
    *,
    language="en",
):
    """Draw measures of every group with their intervals beside the value that is right.

    Parameters
    ----------
    subgroups : DataFrame
        Table ``subgroups`` or ``dates`` of an `Evaluation`.
    metrics : sequence of str
        One panel each.
    language : {"fi", "sv", "en"}, default="en"
        Language of labels.

    Returns
    -------
    matplotlib.figure.Figure
        Groups that are hidden or not estimable are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import evaluate, plot_groups
    >>> risk = np.linspace(0.01, 0.6, 400)
    >>> outcome = np.random.default_rng(0).random(400) < risk
    >>> sex = np.tile(["female", "male"], 200)
    >>> tables = evaluate(outcome, risk, by={"sex": sex}, n_bootstrap=0).tables
    >>> len(plot_groups(tables["subgroups"]).axes)
    2
    """
    shown = subgroups[subgroups["metric"].isin(list(metrics)) & np.isfinite(subgroups["value"])]
    names = list(dict.fromkeys(zip(shown["by"], shown["group"], strict=True)))
    fig = blank(7.2, 1.1 + 0.3 * max(len(names), 2))
    if not names:
        return nothing(fig, language)
    panels = fig.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for panel, metric in zip(panels, metrics, strict=True):
        part = shown[shown["metric"] == metric].set_index(["by", "group"]).reindex(names)
        forest(panel, part, np.arange(len(names)), BLUE, "o")
        panel.axvline(1, color=GREY, linestyle="--", linewidth=1.2)
        panel.set_xscale("log")
        ratio_ticks(panel, part, language)
        panel.set_xlabel(word(f"metric.{metric}", language))
    panels[0].set_yticks(np.arange(len(names)), [short_group_text(*name, language) for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    plain(*panels)
    return fig


def plot_audit(audit: pd.DataFrame, *, language: str = "en"):
    """Draw how much sicker each group is than others at equal risk, one panel per marker of need.

    Parameters
    ----------
    audit : DataFrame
        As `label_audit` gives it.
    language : {"fi", "sv", "en"}, default="en"
        Language of labels.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import label_audit, plot_audit
    >>> risk, sex = np.tile([0.1, 0.3], 100), np.repeat(["female", "male"], 100)
    >>> audit = label_audit(risk, pd.DataFrame({"diagnoses": np.arange(200.0)}), by={"sex": sex}, n_bootstrap=20)
    >>> len(plot_audit(audit).axes)
    1
    """
    shown = audit[np.isfinite(audit["ratio"]) & (audit["ratio"] > 0)].rename(columns={"ratio": "value"})
    groups = list(dict.fromkeys(zip(shown["by"], shown["group"], strict=True)))
    markers = list(dict.fromkeys(shown["marker"]))
    fig = blank(7.2, 1.4 + 0.32 * max(len(groups), 2))
    if not groups:
        return nothing(fig, language)
    axis = fig.subplots()
    for place, marker in enumerate(markers):
        part = shown[shown["marker"] == marker].set_index(["by", "group"]).reindex(groups)
        shift = 0.5 * ((place + 0.5) / len(markers) - 0.5)
        style = (COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])
        forest(axis, part, np.arange(len(groups)) + shift, *style, label=_marker_text(marker, language))
    axis.axvline(1, color=GREY, linestyle="--", linewidth=1.2)
    axis.set_xscale("log")
    ratio_ticks(axis, shown, language)
    axis.set_xlabel(word("axis.audit", language))
    axis.set_yticks(np.arange(len(groups)), [short_group_text(*name, language) for name in groups])
    axis.set_ylim(len(groups) - 0.5, -0.5)
    # Finnish names of markers are long: two side by side are what the width holds.
    handles = axis.get_legend_handles_labels()
    fig.legend(*handles, frameon=False, loc="outside upper center", ncols=min(2, len(markers)))
    plain(axis)
    return fig


def forest(axis, part: pd.DataFrame, heights: np.ndarray, colour: str, marker: str, label: str | None = None) -> None:
    """Points with intervals at these heights; columns value, lower, upper."""
    value, lower, upper = (part[name].to_numpy(dtype=np.float64) for name in ("value", "lower", "upper"))
    reach = np.nan_to_num(np.maximum(np.vstack([value - lower, upper - value]), 0))
    axis.errorbar(
        value, heights, xerr=reach, fmt=marker, color=colour, markersize=5, capsize=2.5, linewidth=1.3, label=label
    )


def ratio_ticks(axis, part: pd.DataFrame, language: str) -> None:
    """Ticks of a ratio on a logarithmic axis: round numbers within what is shown."""
    values = part[["value", "lower", "upper"]].to_numpy(dtype=np.float64)
    values = values[np.isfinite(values) & (values > 0)]
    low, high = (min(float(values.min()), 0.8), max(float(values.max()), 1.25)) if len(values) else (0.8, 1.25)
    low, high = max(low, 0.1) / 1.08, min(high, 10.0) * 1.08
    ticks = [tick for tick in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0) if low <= tick <= high]
    axis.set_xlim(low, high)
    axis.set_xticks(ticks, [format_number(tick, language, decimals=1) for tick in ticks])
    axis.minorticks_off()


def _marker_text(marker: str, language: str) -> str:
    return word(f"marker.{marker}", language) if marker in ("death", "diagnoses", "function") else marker
