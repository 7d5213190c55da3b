"""Labels and risks in; one record of aggregates out: tables, figures, an HTML report and a model card."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.evaluation.areas import areas_of
from servicenee.evaluation.calibration import calibration_of, curve_of
from servicenee.evaluation.capacity import DEFAULT_CAPACITY, capacities_of, check_capacity, list_lengths
from servicenee.evaluation.card import model_card
from servicenee.evaluation.censoring import NO_EVENT, is_labels
from servicenee.evaluation.distribution import outcome_table, risk_table
from servicenee.evaluation.facts import ModelFacts
from servicenee.evaluation.figures import plot_calibration, plot_capacity, plot_decision, plot_discrimination
from servicenee.evaluation.forests import plot_audit, plot_groups
from servicenee.evaluation.horizons import horizon_columns, horizon_tables, labels_at
from servicenee.evaluation.measures import metrics_of
from servicenee.evaluation.protection import (
    data_table,
    few_persons,
    protected_bins,
    protected_capacities,
    protected_metrics,
)
from servicenee.evaluation.report import report
from servicenee.evaluation.rows import JudgedRows, judged_rows
from servicenee.evaluation.sections import metrics_html
from servicenee.evaluation.subgroups import group_variables, subgroups_of
from servicenee.evaluation.thresholds import decisions_of, protected_thresholds
from servicenee.evaluation.trends import plot_comparison, plot_incidence, plot_learning
from servicenee.evaluation.turnover import protected_turnover, turnover_of
from servicenee.exceptions import ServiceneeWarning

CALIBRATION_BINS = 10
AREA = "area"
_PLOTS = {
    "capacity": ("capacity", plot_capacity),
    "discrimination": ("thresholds", plot_discrimination),
    "decision": ("decision", plot_decision),
    "subgroups": ("subgroups", plot_groups),
    "dates": ("dates", partial(plot_groups, metrics=("observed_expected",))),
    "incidence": ("incidence", plot_incidence),
    "comparison": ("comparison", plot_comparison),
    "learning_curve": ("learning_curve", plot_learning),
    "label_audit": ("label_audit", plot_audit),
}


@dataclass(frozen=True, repr=False)
class Evaluation:
    """How good a set of risks is; holds aggregates only, no person and no row.

    Parameters
    ----------
    tables : dict of DataFrame
        ``data`` (item, value), ``metrics``, ``calibration``, ``curve``, ``risks`` (distribution),
        ``risks_by_outcome``, ``capacity``, ``thresholds``, ``decision``; with several index dates ``dates`` and
        ``turnover``; with groups ``subgroups``, and with a group ``area`` also ``areas``; with risks at several
        horizons ``horizons`` and ``incidence``; and what a `NeedModel` adds: ``characteristics``,
        ``comparison``, ``learning_curve``, ``areas_left_out``, ``label_audit``, ``sample_size``.
    capacity : int or float
        Capacity behind PPV and sensitivity.
    horizon_days : float
        Length of the outcome window; NaN when it is not known from the labels.
    index_dates : tuple of str
        First and last index date; empty when there are none.
    simple_outcome : bool
        Whether the outcome was a plain 0/1 array, in which death and censoring cannot be seen.
    persons_known : bool
        Whether intervals are by person; if not, every row was taken for a person.
    n_bootstrap : int
        Resamples behind the intervals.
    random_state : int or None
        Seed of the resampling.
    model : ModelFacts, default=None
        What is known of the model behind the risks.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import evaluate
    >>> index = pd.MultiIndex.from_product([range(400), ["2024-01-01"]], names=["person_id", "index_date"])
    >>> risk = pd.Series(np.linspace(0.01, 0.6, 400), index=index)
    >>> outcome = (np.random.default_rng(0).random(400) < risk).astype(int)
    >>> evaluation = evaluate(outcome, risk, capacity=40, n_bootstrap=50)
    >>> evaluation
    Evaluation(400 rows, 107 events, AUC 0.718, observed:expected 0.877)
    """

    tables: dict[str, pd.DataFrame]
    capacity: int | float
    horizon_days: float
    index_dates: tuple[str, ...]
    simple_outcome: bool
    persons_known: bool
    n_bootstrap: int
    random_state: int | None
    model: ModelFacts | None = None

    @cached_property
    def figures(self) -> dict:
        """Matplotlib figures by name: see `draw`."""
        return self.draw("en")

    def with_model(self, model: ModelFacts, tables: Mapping[str, pd.DataFrame]) -> "Evaluation":
        """Give the same with facts about the model and more tables.

        Parameters
        ----------
        model : ModelFacts
        tables : mapping of str to DataFrame
            Such as ``comparison``, ``learning_curve``, ``areas_left_out``, ``label_audit``, ``sample_size``.

        Returns
        -------
        Evaluation
        """
        return replace(self, model=model, tables={**self.tables, **tables})

    def draw(self, language: str) -> dict:
        """Give the figures with their words in one language.

        Parameters
        ----------
        language : {"fi", "sv", "en"}
            Language of axes and legends.

        Returns
        -------
        dict of matplotlib.figure.Figure
            ``calibration``, ``capacity``, ``discrimination`` and ``decision``; where there are such tables also
            ``subgroups``, ``dates``, ``incidence``, ``comparison``, ``learning_curve`` and ``label_audit``.
        """
        groups, curve, risks = (self.tables[name] for name in ("calibration", "curve", "risks"))
        drawn = {"calibration": plot_calibration(groups, curve, risks, language=language)}
        for name, (table, plot) in _PLOTS.items():
            if table in self.tables:
                drawn[name] = plot(self.tables[table], language=language)
        return drawn

    def metric(self, name: str) -> float:
        """Give the value of one measure.

        Parameters
        ----------
        name : str
            A name in the column ``metric`` of ``tables["metrics"]``.

        Returns
        -------
        float
            NaN where it cannot be estimated or is hidden.
        """
        metrics = self.tables["metrics"].set_index("metric")
        if name not in metrics.index:
            raise ValueError(f"`name` must be one of {', '.join(metrics.index)}; got {name!r}.")
        return float(metrics.loc[name, "value"])

    def to_html(self, path, *, title: str | None = None, language: str = "en") -> Path:
        """Write the report: one file that needs no network, for the screen and for paper.

        Parameters
        ----------
        path : str or Path
            File to write.
        title : str, default=None
            Heading, such as the name of the model. None: a general one.
        language : {"fi", "sv", "en"}, default="en"
            Language of the report.

        Returns
        -------
        Path
            The file.
        """
        path = Path(path)
        path.write_bytes(report(self, title=title, language=language).encode("utf-8"))
        return path

    def model_card(self, *, title: str | None = None, words: Mapping[str, str] | None = None) -> str:
        """Give a model card in Markdown: figures filled in, prompts where a human has to write.

        Parameters
        ----------
        title : str, default=None
            Heading. None: name and version of the model, as far as they are known.
        words : mapping of str to str, default=None
            What a human has written, by the heading of the section: "Intended use", "Not for", "Population and data",
            "Outcome", "Limits", "Ethics, oversight and contact".

        Returns
        -------
        str
            Markdown text, with the TRIPOD+AI items as filled, prompt or missing and the PROBAST+AI topics that the
            figures can answer.
        """
        return model_card(self, title=title, words=words)

    def __repr__(self) -> str:
        metrics = self.tables["metrics"]
        events = metrics["events"].iloc[0]
        shown = "hidden" if np.isnan(events) else f"{events:.0f}"
        return (
            f"Evaluation({metrics['n'].iloc[0]:.0f} rows, {shown} events, AUC {self.metric('auc'):.3f}, "
            f"observed:expected {self.metric('observed_expected'):.3f})"
        )

    def _repr_html_(self) -> str:
        return str(metrics_html(self, "en"))


def evaluate(
    labels, risk, *, by=None, capacity: int | float | None = None, n_bootstrap: int = 200, random_state=0
) -> Evaluation:
    """Judge risks against what happened.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table, or a 0/1 outcome; its index (person_id, index_date), or that of `risk`, tells
        persons and index dates.
    risk : Series, scores table or array-like of shape (n_rows,)
        Calibrated probabilities for the same rows in the same order. Of a scores table with risks at several
        horizons (``risk_90d``, ``risk_365d``) every one is judged at its horizon, and the last one in full.
    by : DataFrame, Series, dict or array-like, default=None
        Groups to look at one by one, such as sex or area: one value per row; several as columns. A group named
        ``area`` also shows what a list of its own would give every area.
    capacity : int or float, default=None
        Persons the service can act on at each index date, a count or a fraction. None: 5 % of the rows.
    n_bootstrap : int, default=200
        Resamples of persons behind the 95 % intervals; 0 leaves the intervals out.
    random_state : int or None, default=0
        Seed of the resampling.

    Returns
    -------
    Evaluation
        Tables, figures, report and model card; aggregates only.

    Notes
    -----
    The estimand is the cumulative incidence before death. Rows whose follow-up ended early are weighted
    for (`known_outcomes`), assuming that leaving does not depend on the risk. Counts of 1 to 4 persons,
    and figures that would give them away, are hidden; groups with fewer than 20 events are not estimated.
    Nothing raises because there are too few rows or events: the value is NaN and its note says why.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import evaluate
    >>> index = pd.MultiIndex.from_product([range(400), ["2024-01-01"]], names=["person_id", "index_date"])
    >>> risk = pd.Series(np.linspace(0.01, 0.6, 400), index=index)
    >>> outcome = (np.random.default_rng(0).random(400) < risk).astype(int)
    >>> round(evaluate(outcome, risk, n_bootstrap=50).metric("auc"), 3)
    0.718
    """
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    capacity = check_capacity(DEFAULT_CAPACITY if capacity is None else capacity)
    drawing = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    curve, more = horizon_columns(risk), {}
    if curve:
        more = horizon_tables(labels, risk, capacity, **drawing)
        labels, risk = labels_at(labels, max(curve)), risk[curve[max(curve)]]
    rows = judged_rows(labels, risk)
    groups = {} if by is None else group_variables(by, labels)
    if not rows.persons_known and n_bootstrap:
        warnings.warn(
            "Persons are not known: rows were resampled as if independent. Give labels or risk an index "
            "with the level person_id.",
            ServiceneeWarning,
            stacklevel=2,
        )
    tables = {"data": data_table(labels, rows), **_risk_tables(rows, capacity, drawing)}
    if len(rows.date_names) > 1:
        tables["dates"] = subgroups_of(rows, _date_groups(rows), capacity, **drawing)
        tables["turnover"] = protected_turnover(turnover_of(rows, capacity))
    if groups:
        tables["subgroups"] = subgroups_of(rows, groups, capacity, **drawing)
    if AREA in groups:
        tables["areas"] = areas_of(rows, groups[AREA], capacity, **drawing)
    return Evaluation(
        tables={**tables, **more},
        capacity=capacity,
        horizon_days=_horizon(labels),
        index_dates=_first_and_last(labels, risk),
        simple_outcome=not is_labels(labels),
        persons_known=rows.persons_known,
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    )


def _risk_tables(rows: JudgedRows, capacity: int | float, drawing: dict) -> dict[str, pd.DataFrame]:
    """What can be said of the rows as a whole."""
    lengths = list_lengths(rows, capacity)
    curve, decisions = curve_of(rows, **drawing), decisions_of(rows, None, **drawing)
    few = few_persons(rows)
    return {
        "metrics": protected_metrics(metrics_of(rows, capacity, **drawing), rows, capacity),
        "calibration": protected_bins(calibration_of(rows, n_bins=CALIBRATION_BINS, **drawing), rows),
        "curve": curve.iloc[:0] if few else curve,
        "risks": risk_table(rows),
        "risks_by_outcome": outcome_table(rows),
        "capacity": protected_capacities(capacities_of(rows, lengths, **drawing), rows, lengths),
        "thresholds": protected_thresholds(rows),
        "decision": decisions.iloc[:0] if few else decisions,
    }


def _date_groups(rows: JudgedRows) -> dict[str, pd.Series]:
    return {"index_date": pd.Series(pd.Categorical.from_codes(rows.date, categories=list(rows.date_names)))}


def _horizon(labels) -> float:
    """Length of the outcome window: the time of the rows that reached its end without event."""
    if not is_labels(labels):
        return np.nan
    reached = labels["time_days"].to_numpy(dtype=np.float64)[labels["status"].to_numpy() == NO_EVENT]
    return float(reached.max()) if len(reached) else np.nan


def _first_and_last(labels, risk) -> tuple[str, ...]:
    for table in (labels, risk):
        index = getattr(table, "index", None)
        if isinstance(index, pd.MultiIndex) and "index_date" in index.names and len(index):
            level = index.names.index("index_date")
            dates = index.levels[level][np.unique(index.codes[level])]
            return str(dates.min())[:10], str(dates.max())[:10]
    return ()
