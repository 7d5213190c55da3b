"""Tables along days, persons or models in; line and bar figures out."""

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

FIFTH_COLOURS = (BLUE, "#56B4E9", GREEN, "#B07C00", VERMILLION)
FIFTH_MARKERS = ("o", "s", "^", "D", "v")


def plot_incidence(incidence: pd.DataFrame, *, language: str = "en"):
    """Draw predicted (lines) and observed (points) cumulative incidence by fifth of the risk.

    Parameters
    ----------
    incidence : DataFrame
        Table ``incidence`` of an `Evaluation` of risks at several horizons.
    language : {"fi", "sv", "en"}, default="en"
        Language of axes and legend.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.evaluation import plot_incidence
    >>> rows = [(90.0, 1, 100.0, 0.02, 0.03, 0.01, 0.05), (180.0, 1, 100.0, 0.05, 0.05, 0.02, 0.08)]
    >>> table = pd.DataFrame(rows, columns=["horizon_days", "fifth", "n", "predicted", "observed", "lower", "upper"])
    >>> len(plot_incidence(table).axes)
    1
    """
    fig = blank(6.4, 4.2)
    if not len(incidence) or not np.isfinite(incidence["predicted"]).any():
        return nothing(fig, language)
    axis = fig.subplots()
    for fifth, part in incidence.groupby("fifth", sort=True):
        style = {"color": FIFTH_COLOURS[int(fifth) - 1], "marker": FIFTH_MARKERS[int(fifth) - 1]}
        days = np.concatenate([[0.0], part["horizon_days"]])
        axis.plot(days, np.concatenate([[0.0], part["predicted"]]), color=style["color"], linewidth=1.6)
        bars = spread(part["observed"], part["lower"], part["upper"])
        label = f"{word('head.fifth', language)} {int(fifth)}"
        axis.errorbar(
            part["horizon_days"], part["observed"], yerr=bars, linestyle="none", capsize=3, label=label, **style
        )
    axis.set(
        xlabel=word("axis.days", language), ylabel=word("axis.incidence", language), xlim=(0, None), ylim=(0, None)
    )
    axis.legend(frameon=False, reverse=True)
    percent(axis.yaxis, None, float(incidence["predicted"].max()), language)
    numbers(axis.xaxis, language)
    plain(axis)
    return fig


def plot_learning(learning: pd.DataFrame, *, language: str = "en"):
    """Draw log-loss on later rows and on the training rows against the number of persons learnt from.

    Parameters
    ----------
    learning : DataFrame
        Table ``learning_curve`` of an `Evaluation`.
    language : {"fi", "sv", "en"}, default="en"
        Language of axes and legend.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.evaluation import plot_learning
    >>> table = pd.DataFrame({"n": [100.0, 200], "auc": [0.6, 0.65], "auc_training": [0.8, 0.75]})
    >>> len(plot_learning(table).axes)
    1
    """
    fig = blank(6.4, 3.6)
    if len(learning) < 2:
        return nothing(fig, language)
    axis = fig.subplots()
    axis.plot(learning["n"], learning["auc"], color=BLUE, marker="o", label=word("legend.later", language))
    label = word("legend.training", language)
    axis.plot(learning["n"], learning["auc_training"], color=VERMILLION, marker="s", linestyle="--", label=label)
    axis.set(xlabel=word("axis.training_rows", language), ylabel=word("metric.auc", language), xlim=(0, None))
    axis.legend(frameon=False)
    numbers(axis.xaxis, language)
    numbers(axis.yaxis, language, decimals=2)
    plain(axis)
    return fig


def plot_comparison(comparison: pd.DataFrame, *, language: str = "en"):
    """Draw AUC and share of events found of the model beside simpler models.

    Parameters
    ----------
    comparison : DataFrame
        As `compare_risks` gives it.
    language : {"fi", "sv", "en"}, default="en"
        Language of labels.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import compare_risks, plot_comparison
    >>> risk = np.linspace(0.01, 0.6, 400)
    >>> outcome = np.random.default_rng(0).random(400) < risk
    >>> table = compare_risks(outcome, {"model": risk, "age_sex": risk[::-1]}, n_bootstrap=20)
    >>> len(plot_comparison(table).axes)
    2
    """
    shown = comparison[np.isfinite(comparison["value"])]
    models = list(dict.fromkeys(shown["model"]))
    fig = blank(7.2, 1.2 + 0.4 * max(len(models), 2))
    if not models:
        return nothing(fig, language)
    panels = fig.subplots(1, 2, sharey=True)
    for panel, metric in zip(panels, ("auc", "sensitivity_at_capacity"), strict=True):
        part = shown[shown["metric"] == metric].set_index("model").reindex(models)
        reach = spread(part["value"], part["lower"], part["upper"])
        colours = [VERMILLION if name == models[0] else BLUE for name in models]
        panel.barh(range(len(models)), part["value"], color=colours, height=0.6)
        panel.errorbar(part["value"], range(len(models)), xerr=reach, fmt="none", color=GREY, capsize=3, linewidth=1.2)
        panel.set_xlabel(word(f"metric.{metric}", language))
    panels[0].set_xlim(0.5, None)
    numbers(panels[0].xaxis, language, decimals=2)
    panels[0].set_yticks(range(len(models)), [model_text(name, language) for name in models])
    panels[0].set_ylim(len(models) - 0.4, -0.6)
    percent(panels[1].xaxis, None, 1.0, language, n_ticks=4)
    plain(*panels)
    return fig


def model_text(name: str, language: str) -> str:
    """Name of a model of the comparison in the reader's language."""
    known = ("model", "age_sex", "last_year_use", "without_past_use")
    return word(f"model.{name}", language) if name in known else name
