"""Features and follow-up come in; the risk by several horizons, with death and other competing events, goes out."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from servicenee._checks import check_choice, check_count, check_days
from servicenee.evaluation.censoring import is_labels, known_outcomes
from servicenee.evaluation.grouping import person_groups
from servicenee.evaluation.metrics import auc
from servicenee.need.calibration import CALIBRATIONS
from servicenee.need.columns import learn_columns, read_matrix, reference_row, used
from servicenee.need.hazards import (
    FollowUp,
    cut_into_periods,
    incidences,
    learn_hazard,
    period_rows,
)
from servicenee.need.inputs import (
    binary_outcome,
    check_same_index,
    check_weights,
    check_X,
    matrices,
    refuse_few_events,
    take,
    warn_of_dropped_columns,
    warn_of_new_categories,
)
from servicenee.need.linear import LinearModel, linear_contributions
from servicenee.need.mixing import differs_from_reference, matrix_mixer
from servicenee.need.reasons import path_contributions, reasons_table
from servicenee.outcomes import DEATH, EVENT, NO_EVENT, OTHER_EVENT

CAUSES = {EVENT: "risk", DEATH: "death", OTHER_EVENT: "other"}


class RiskCurve(ClassifierMixin, BaseEstimator):
    """Risk of the outcome by several horizons, in the presence of death and of other competing events.

    Parameters
    ----------
    horizons_days : tuple of int, default=(90, 180, 365)
        Days after the start of the window, rising; the last no later than the end of the labels' window.
    interval_days : int, default=30
        Follow-up is cut into intervals of about this length, in which hazards are constant.
    calibration : {"auto", "none", "intercept", "logistic", "isotonic"}, default="auto"
        How out-of-fold logits of the hazards become hazards, as in `NeedClassifier`.
    increasing : "auto", list of str or None, default="auto"
        Columns of numbers that may only raise the prediction of boosted trees, which keeps noise out of the reasons.
        "auto": those of our features that count use, medicines, conditions or loss of function (the rows of
        ``need/increasing.csv``), by their names.
    random_state : int, RandomState or None, default=None
        Draws the folds and the sample; pass an integer for the same model every time.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        No event and event within the last horizon.
    engine_ : str
        Engine of the event's hazard: "linear" or "boosted".
    hazards_ : dict of int to Hazard
        For status 1 (event), 2 (death) and 4 (other competing event), as far as they occurred.
    edges_ : ndarray
        Days at which intervals begin and end.
    columns_ : tuple of Column
        What is remembered of each column of X.
    n_rows_, n_events_ : int
        Rows, and those with the event within the last horizon.

    Notes
    -----
    The estimand is the cumulative incidence: the probability that the event comes within h days, before death and
    before any other competing event the outcome names (for the start of home care: direct entry to round-the-clock
    care). It is not the risk "had nobody died", which would be larger. Risks never fall from one horizon to the next,
    and risk, death, other and staying free of all of them add up to one.

    In each interval the hazard of each cause, given that nothing has come before, is learnt from one row per person
    and interval by the engines of `NeedClassifier`, with the time as one more column; then

    .. math:: F(h) = \\sum_{u \\le h} S(u - 1) \\, \\lambda_{event}(u), \\quad
              S(u) = S(u - 1) \\, (1 - \\lambda_{event}(u) - \\lambda_{death}(u) - \\lambda_{other}(u))

    A row that is censored counts as long as it was followed, so nobody is dropped and nobody is taken for free of the
    event (assumed: leaving follow-up does not depend on the risk, given X). Above 150,000 rows, those without an
    event are sampled within each interval and weighted.

    `y` is the labels table of an `Outcome`. A plain 0/1 outcome is that of the last horizon, with everybody followed
    and the time unknown: the hazard is then constant over the window.

    References
    ----------
    Tutz G, Schmid M. Modeling Discrete Time-to-Event Data. Springer 2016. Aalen OO, Johansen S. An empirical
    transition matrix for non-homogeneous Markov chains based on censored observations. Scand J Stat 1978;5:141-150.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee.need import RiskCurve
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.integers(65, 95, 900)}, index=pd.Index(range(900), name="person_id"))
    >>> days = np.floor(rng.exponential(20_000 / (X["age"] - 60)))
    >>> labels = pd.DataFrame({"status": np.where(days < 365, 1, 0), "time_days": np.minimum(days, 365),
    ...                        "value": 0.0, "exposure_days": 365.0})
    >>> RiskCurve(random_state=0).fit(X, labels).scores(X.head(1)).columns.tolist()
    ['risk_90d', 'risk_180d', 'risk_365d']
    """

    def __init__(
        self,
        horizons_days=(90, 180, 365),
        *,
        interval_days=30,
        calibration="auto",
        increasing="auto",
        random_state=None,
    ):
        self.horizons_days = horizons_days
        self.interval_days = interval_days
        self.calibration = calibration
        self.increasing = increasing
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Learn the hazards.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            Features.
        y : labels table or array-like of shape (n_rows,)
            Follow-up, or a 0/1 outcome.
        sample_weight : array-like of shape (n_rows,), default=None
            Row weights.
        groups : array-like of shape (n_rows,), default=None
            Person of each row; else the index level person_id of X, else that of y.

        Returns
        -------
        RiskCurve
            Itself.
        """
        horizons = _check_horizons(self.horizons_days)
        check_days("interval_days", self.interval_days, minimum=1)
        check_choice("calibration", self.calibration, CALIBRATIONS)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        named = X
        X = check_X(self, X, reset=True)
        check_consistent_length(X, y)
        self.classes_, follow_up = _follow_up(named, y, horizons[-1])
        persons = person_groups(named, y, groups)
        if sample_weight is not None:
            follow_up = replace(follow_up, weights=check_weights(sample_weight, X.shape[0]))
        if persons is not None:
            follow_up = replace(follow_up, persons=persons)
        rows = np.flatnonzero(follow_up.weights > 0)
        X, follow_up = take(X, rows), follow_up.take(rows)
        is_event = (follow_up.cause == EVENT) & (follow_up.time < horizons[-1])
        refuse_few_events(is_event, y)
        self.n_rows_, self.n_events_ = len(rows), int(is_event.sum())
        self.edges_ = _edges(horizons, self.interval_days) if is_labels(y) else np.array([0.0, horizons[-1]])
        self.columns_ = learn_columns(X, None if persons is None else follow_up.persons, self.increasing)
        warn_of_dropped_columns(self.columns_)
        self._learn(X, follow_up)
        return self

    def predict_curve(self, X):
        """Give the cumulative incidence of the event, of death and of other competing events by each horizon.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
            risk_90d, ..., death_90d, ..., other_90d, ... for the horizons of the model. A cause that training never
            saw is 0. ``attrs["estimand"]`` says what a risk is.
        """
        check_is_fitted(self)
        horizons = _check_horizons(self.horizons_days)
        X = check_X(self, X, reset=False)
        warn_of_new_categories(self.columns_, X)
        parts = [incidences(self.hazards_, part, self.edges_) for part in matrices(self.columns_, X)]
        table = {}
        for cause, name in CAUSES.items():
            reached = np.zeros((X.shape[0], len(self.edges_) - 1))
            if cause in self.hazards_:
                reached = np.concatenate([part[cause] for part in parts])
            for horizon in horizons:
                table[f"{name}_{horizon}d"] = _at(reached, self.edges_, horizon)
        curve = pd.DataFrame(table, index=X.index if isinstance(X, pd.DataFrame) else None)
        curve.attrs["estimand"] = self.estimand
        return curve

    def scores(self, X):
        """Give the columns of the scores table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
            risk_90d, risk_180d, ... for the horizons of the model; never falling from one to the next.
        """
        return self.predict_curve(X)[list(self.score_names)]

    @property
    def score_names(self):
        """Columns of `scores`."""
        return tuple(f"risk_{horizon}d" for horizon in _check_horizons(self.horizons_days))

    @property
    def estimand(self):
        """What a risk is, in words."""
        horizons = ", ".join(str(horizon) for horizon in _check_horizons(self.horizons_days))
        return f"probability of the event within {horizons} days, before death and other competing events"

    def predict_proba(self, X):
        """Give the probability of no event and of the event within the last horizon.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        ndarray of shape (n_rows, 2)
            A row's values do not depend on the other rows.
        """
        risk = self.scores(X).iloc[:, -1].to_numpy()
        return np.column_stack([1.0 - risk, risk])

    def predict(self, X):
        """Give the likelier outcome at the last horizon; for a list use the risk and the capacity instead.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        ndarray of shape (n_rows,)
            Values of `classes_`.
        """
        check_is_fitted(self)
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(np.intp)]

    def score(self, X, y, sample_weight=None):
        """Give the area under the ROC curve at the last horizon.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.
        y : labels table or array-like of shape (n_rows,)
            Labels whose window is the last horizon, or a 0/1 outcome.
        sample_weight : array-like of shape (n_rows,), default=None
            Row weights.

        Returns
        -------
        float
            Not the accuracy, which for a rare need is highest when nobody is found.
        """
        check_is_fitted(self)
        outcome = y if is_labels(y) else (column_or_1d(y) == self.classes_[1]).astype(np.intp)
        return auc(outcome, self.predict_proba(X)[:, 1], sample_weight=sample_weight)

    def explain(self, X, n_reasons=3):
        """Give the columns that raise each row's hazard of the event most above the reference person's.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training; meant for a few hundred rows.
        n_reasons : int, default=3
            At most this many per row.

        Returns
        -------
        DataFrame
            order (1, 2, ...), feature, value, reference, contribution (on the logit of the hazard in the middle of
            the window, above 0, descending); the index of X's rows, repeated. A missing value is never a reason.
        """
        check_is_fitted(self)
        check_count("n_reasons", n_reasons)
        X = check_X(self, X, reset=False)
        columns, hazard = used(self.columns_), self.hazards_[EVENT]
        matrix, reference = read_matrix(columns, X), reference_row(columns)
        if isinstance(hazard.model, LinearModel):
            model = replace(hazard.model, curves=hazard.model.curves[:-1])
            contributions = hazard.calibrator.slope * linear_contributions(model, matrix, reference)
            return reasons_table(X, columns, contributions, n_reasons)
        middle = (len(self.edges_) - 1) // 2
        time = 0.5 * (self.edges_[middle] + self.edges_[middle + 1])

        def hazard_logit(states):
            risk = hazard.risk(np.column_stack([states, np.full(len(states), time)]), middle)
            return logit(np.clip(risk, 1e-12, 1.0 - 1e-12))

        differs = differs_from_reference(matrix, reference)
        contributions = path_contributions(hazard_logit, matrix_mixer(matrix, reference), differs)
        return reasons_table(X, columns, contributions, n_reasons)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    def _learn(self, X, follow_up: FollowUp) -> None:
        rng, columns = check_random_state(self.random_state), used(self.columns_)
        periods = cut_into_periods(follow_up, self.edges_, rng)
        rows = period_rows(read_matrix(columns, X), columns, periods, self.edges_)
        persons = follow_up.persons[periods.row]
        self.hazards_ = {}
        for cause in CAUSES:
            happened = (periods.cause == cause).astype(np.intp)
            if happened.any():
                self.hazards_[cause] = learn_hazard(
                    replace(rows, y=happened), periods.interval, persons, self.calibration, rng
                )
        self.engine_ = self.hazards_[EVENT].engine


def _check_horizons(horizons_days) -> tuple[int, ...]:
    listed = list(horizons_days) if isinstance(horizons_days, Iterable) else [horizons_days]
    horizons = tuple(check_days("horizons_days", horizon, minimum=1) for horizon in listed)
    if not horizons or any(later <= earlier for earlier, later in pairwise(horizons)):
        raise ValueError(f"`horizons_days` must be rising numbers of days, at least one; got {listed}.")
    return horizons


def _follow_up(X, y, horizon: int) -> tuple[np.ndarray, FollowUp]:
    """Classes, and time and cause of every row."""
    if not is_labels(y):
        classes, outcome = binary_outcome(y)
        return classes, _unweighted(np.where(outcome == 1, 0.0, horizon), outcome)
    check_same_index(X, y)
    time = np.asarray(y["time_days"], dtype=np.float64)
    if np.nanmax(time, initial=0) < horizon:
        raise ValueError(
            f"`horizons_days` must lie within follow-up; got {horizon}, and nobody is followed for more than "
            f"{np.nanmax(time, initial=0):g} days. Use shorter horizons, or labels with a longer window."
        )
    cut = y.assign(status=np.where(time < horizon, y["status"], NO_EVENT), time_days=np.minimum(time, horizon))
    known_outcomes(cut)  # refuses what is no status or no time, and a window that nobody was followed through
    return np.array([0, 1]), _unweighted(cut["time_days"].to_numpy(), cut["status"].to_numpy().astype(np.intp))


def _unweighted(time: np.ndarray, cause: np.ndarray) -> FollowUp:
    return FollowUp(time, cause, np.ones(len(time)), np.arange(len(time)))


def _edges(horizons: tuple[int, ...], interval_days: int) -> np.ndarray:
    """Every stretch between horizons in equal intervals of about `interval_days`."""
    edges = [0.0]
    for begin, end in pairwise((0, *horizons)):
        n_intervals = max(1, round((end - begin) / interval_days))
        edges += np.linspace(begin, end, n_intervals + 1)[1:].tolist()
    return np.array(edges)


def _at(reached: np.ndarray, edges: np.ndarray, horizon: int) -> np.ndarray:
    """Incidence by the horizon; within an interval it grows evenly."""
    place = int(np.searchsorted(edges, horizon, side="left"))
    before = reached[:, place - 2] if place > 1 else 0.0
    part = (horizon - edges[place - 1]) / (edges[place] - edges[place - 1])
    return before + part * (reached[:, place - 1] - before)
