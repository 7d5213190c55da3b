"""Amounts and what was expected in; how good the expectations are out: level, slope, deviance, intervals, sums."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.evaluation.demand_measures import (
    amount_data,
    amount_fifths,
    amount_groups,
    amount_metrics,
    judged_amounts,
)
from servicenee.evaluation.demand_report import amounts_html, demand_card, demand_report, plot_coverage, plot_expected
from servicenee.evaluation.facts import ModelFacts
from servicenee.evaluation.subgroups import group_variables


@dataclass(frozen=True, repr=False)
class DemandEvaluation:
    """How good expected visits, days or hours are; holds aggregates only, no person and no row.

    Parameters
    ----------
    tables : dict of DataFrame
        ``data`` (item, value), ``metrics`` (metric, value, lower, upper, note), ``fifths`` (calibration and coverage
        by fifth of the expectation) and, when groups were given, ``groups``; of a `NeedModel` also ``sums``.
    index_dates : tuple of str
        First and last index date; empty when there are none.
    n_bootstrap : int
        Resamples behind the intervals.
    random_state : int or None
        Seed of the resampling.
    model : ModelFacts, default=None
        What is known of the model.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import evaluate_demand
    >>> visits = np.random.default_rng(0).poisson(3, 400)
    >>> evaluate_demand(visits, pd.DataFrame({"expected": np.full(400, 3.0)}), n_bootstrap=20)
    DemandEvaluation(400 rows, deviance explained -0.003, observed:expected 1.032)
    """

    tables: dict[str, pd.DataFrame]
    index_dates: tuple[str, ...]
    n_bootstrap: int
    random_state: int | None
    model: ModelFacts | None = None

    @property
    def figures(self) -> dict:
        """Matplotlib figures by name: ``expected`` and, with intervals, ``coverage``."""
        return self.draw("en")

    def draw(self, language: str) -> dict:
        """Give the figures with their words in one language.

        Parameters
        ----------
        language : {"fi", "sv", "en"}

        Returns
        -------
        dict of matplotlib.figure.Figure
        """
        fifths = self.tables["fifths"]
        drawn = {"expected": plot_expected(fifths, language=language)}
        if np.isfinite(fifths["coverage"]).any():
            drawn["coverage"] = plot_coverage(fifths, language=language)
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

    def with_model(self, model: ModelFacts, tables: dict[str, pd.DataFrame]) -> "DemandEvaluation":
        """Give the same with facts about the model and more tables."""
        return replace(self, model=model, tables={**self.tables, **tables})

    def to_html(self, path, *, title: str | None = None, language: str = "en") -> Path:
        """Write the report: one file that needs no network, for the screen and for paper.

        Parameters
        ----------
        path : str or Path
            File to write.
        title : str, default=None
            Heading. None: a general one, or that of the model.
        language : {"fi", "sv", "en"}, default="en"
            Language of the report.

        Returns
        -------
        Path
            The file.
        """
        path = Path(path)
        path.write_bytes(demand_report(self, title=title, language=language).encode("utf-8"))
        return path

    def model_card(self, *, title: str | None = None, words=None) -> str:
        """Give a model card in Markdown: figures filled in, prompts where a human has to write.

        Parameters
        ----------
        title : str, default=None
            Heading. None: name and version of the model, as far as they are known.
        words : mapping of str to str, default=None
            What a human has written, by the heading of the section, as for `Evaluation.model_card`.

        Returns
        -------
        str
        """
        return demand_card(self, title=title, words=words)

    def __repr__(self) -> str:
        n = self.tables["data"].set_index("item").loc["rows", "value"]
        return (
            f"DemandEvaluation({n:.0f} rows, deviance explained {self.metric('deviance_explained'):.3f}, "
            f"observed:expected {self.metric('observed_expected'):.3f})"
        )

    def _repr_html_(self) -> str:
        return f"<p><b>{self!r}</b></p>{amounts_html(self.tables['metrics'], 'en')}"


def evaluate_demand(labels, scores, *, by=None, n_bootstrap: int = 200, random_state=0) -> DemandEvaluation:
    """Judge expected visits, days or hours against what was used.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table, whose `value` is the amount, or amounts of at least 0; its index (person_id, index_date), or
        that of `scores`, tells persons.
    scores : DataFrame of shape (n_rows, n_columns)
        Columns expected and, if there are intervals, lower and upper, for the same rows in the same order.
    by : DataFrame, Series, dict or array-like, default=None
        Groups to look at one by one, as in `evaluate`.
    n_bootstrap : int, default=200
        Resamples of persons behind the 95 % intervals; 0 leaves the intervals out.
    random_state : int or None, default=0
        Seed of the resampling.

    Returns
    -------
    DemandEvaluation
        Tables, figures, report and model card; aggregates only.

    Notes
    -----
    The estimand is the total in the window: death ends it. Rows whose follow-up ended for another reason are left out
    and the others weighted for them. The deviance is the mean Poisson deviance, which ranks any expectations of a
    mean, also of hours; "deviance_explained" is its share that a constant would leave. Groups with fewer than 20 rows
    with any amount are not estimated, and figures of 1 to 4 persons with any amount are hidden.

    References
    ----------
    Gneiting T. Making and evaluating point forecasts. J Am Stat Assoc 2011;106:746-762. Lorentzen C, Mayer M, Wuethrich
    MV. Gini index and friends. SSRN 2022.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import evaluate_demand
    >>> mean = np.repeat([1.0, 4.0], 300)
    >>> visits = np.random.default_rng(0).poisson(mean)
    >>> round(evaluate_demand(visits, pd.DataFrame({"expected": mean}), n_bootstrap=20).metric("deviance_explained"), 2)
    0.41
    """
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    positions, rows = judged_amounts(labels, scores)
    drawing = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    tables = {
        "data": amount_data(labels, rows),
        "metrics": amount_metrics(rows, drawing),
        "fifths": amount_fifths(rows, drawing),
    }
    if by is not None:
        variables = {name: column.iloc[positions] for name, column in group_variables(by, scores).items()}
        tables["groups"] = amount_groups(rows, variables, drawing)
    return DemandEvaluation(tables, _first_and_last(scores), n_bootstrap, random_state)


def _first_and_last(scores: pd.DataFrame) -> tuple[str, ...]:
    if "index_date" not in scores.index.names or not len(scores):
        return ()
    dates = scores.index.get_level_values("index_date")
    return str(dates.min())[:10], str(dates.max())[:10]
