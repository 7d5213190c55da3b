"""Features and amounts come in; expected visits, days or hours with intervals that cover go out, and sums of them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d, get_tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from servicenee._checks import check_choice, check_count, check_fraction
from servicenee.evaluation.censoring import effective_sample_size, is_labels
from servicenee.evaluation.demand_measures import known_amounts
from servicenee.evaluation.grouping import person_groups
from servicenee.need.amounts import Line, expected_amounts, fit_line, joined, learn_mean, learn_two_parts
from servicenee.need.columns import Rows, learn_columns, read_matrix, reference_row, used
from servicenee.need.custom import custom_mean, fit_custom, warn_if_unweighted
from servicenee.need.families import limited_exp, poisson_deviances
from servicenee.need.folds import folds_hold_amounts, folds_hold_both_classes, rows_for_selection
from servicenee.need.inputs import (
    calibration_folds,
    check_same_index,
    check_weights,
    check_X,
    matrices,
    take,
    warn_of_dropped_columns,
    warn_of_new_categories,
)
from servicenee.need.linear import LinearModel, linear_contributions
from servicenee.need.mixing import differs_from_reference, frame_mixer, matrix_mixer
from servicenee.need.reasons import path_contributions, reasons_table
from servicenee.need.spread import SMALLEST_MEAN, Expected, fit_spread, interval, sum_interval

LOSSES = ("poisson", "two_part")
COVERAGE = 0.8
# Of the overall mean: the least that the mean of a regressor of your own counts as.
SMALLEST_SHARE = 0.01


class DemandRegressor(RegressorMixin, BaseEstimator):
    """Expected visits, days or hours of a service, with intervals that cover, and sums for areas.

    Parameters
    ----------
    estimator : scikit-learn regressor, default=None
        Any regressor of the mean; it is cloned, given the row weights if it takes them, and its level and slope are
        corrected on persons it has not seen. None: a regularised log-linear model with linear splines, small
        gradient-boosted trees (from 1,000 rows with any amount), or the mean of both, whichever has the lower Poisson
        deviance on persons it has not seen.
    loss : {"poisson", "two_part"}, default="poisson"
        How the default engines learn. "poisson": the mean at once; right for any amount whose mean is wanted, not
        only for counts. "two_part": the chance of any amount times the mean amount if there is any; for hours or days
        of a service that most persons do not have.
    increasing : "auto", list of str or None, default="auto"
        Columns of numbers that may only raise the prediction of boosted trees, which keeps noise out of the reasons.
        "auto": those of our features that count use, medicines, conditions or loss of function (the rows of
        ``need/increasing.csv``), by their names.
    random_state : int, RandomState or None, default=None
        Draws the folds; pass an integer for the same model every time.

    Attributes
    ----------
    engine_ : str
        "linear", "boosted", "blend" or "custom"; of two parts that of each.
    estimator_ : object
        The fitted model of the mean before its level and slope are corrected.
    floor_ : float
        The least that a mean of `estimator` counts as: a hundredth of the overall mean. Only with `estimator`.
    line_ : Line
        That correction, on the log mean.
    spread_ : Spread
        How amounts spread around their mean.
    engine_loss_ : dict
        Out-of-fold deviance (of "any": log-loss) of each engine that was considered.
    columns_ : tuple of Column
        What is remembered of each column of X; `dropped` says why one is not used.
    n_rows_, n_events_ : int
        Rows with a known amount, and those with more than none.
    effective_n_ : float
        Number of equally weighted rows that would be as informative.

    Notes
    -----
    Two estimands, according to `y`:

    * The labels table of an `Outcome`: the expected total in its window. Death ends the use of services, so the total
      of somebody likely to die is smaller. Rows whose follow-up ended for another reason (status 3, also after first
      visits) are left out and the others weighted by the inverse probability of being followed (assumed: leaving does
      not depend on the use).
    * Amounts of at least 0, with `exposure` such as the days under observation: the expected amount per unit of
      exposure, times the exposure given to `predict`. ``fit(X, labels["value"], exposure=labels["exposure_days"])``
      and ``predict(X, exposure=np.full(len(X), 365.25))`` give visits per person-year alive.

    Intervals come from Mondrian conformal prediction on out-of-fold predictions: in each of up to ten bins of the
    prediction the share of persons outside is what was asked for, and whole numbers stay whole. They hold as long as
    the new persons are like those of training; watch their coverage over time.

    Amounts of use are not need: who asks for more, or is offered more, has more.

    References
    ----------
    Wooldridge JM. Quasi-likelihood methods for count data. In: Handbook of Applied Econometrics II. Blackwell 1997.
    Duan N et al. A comparison of alternative models for the demand for medical care. J Bus Econ Stat 1983;1:115-126.
    Vovk V, Gammerman A, Shafer G. Algorithmic Learning in a Random World. Springer 2005.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee.need import DemandRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.integers(65, 95, 800)}, index=pd.Index(range(800), name="person_id"))
    >>> visits = rng.poisson(np.exp((X["age"] - 70) / 20))
    >>> model = DemandRegressor(random_state=0).fit(X, visits)
    >>> model.scores(X[X["age"] == 90].head(1)).round(1).to_numpy().tolist()
    [[2.7, 1.0, 4.0]]
    """

    def __init__(self, estimator=None, *, loss="poisson", increasing="auto", random_state=None):
        self.estimator = estimator
        self.loss = loss
        self.increasing = increasing
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None, exposure=None):
        """Learn the mean and how amounts spread around it.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            Features.
        y : labels table or array-like of shape (n_rows,)
            Labels, whose `value` is the amount; or amounts of at least 0.
        sample_weight : array-like of shape (n_rows,), default=None
            Row weights, multiplied by those of censoring.
        groups : array-like of shape (n_rows,), default=None
            Person of each row; else the index level person_id of X, else that of y.
        exposure : array-like of shape (n_rows,), default=None
            Observed time (or population) behind each amount; 0 leaves the row out. Only with plain amounts.

        Returns
        -------
        DemandRegressor
            Itself.
        """
        check_choice("loss", self.loss, LOSSES)
        if self.estimator is not None and self.loss != "poisson":
            raise ValueError(f"`loss` must be 'poisson' with an estimator of your own; got {self.loss!r}.")
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        named = X
        X = check_X(self, X, reset=True)
        check_consistent_length(X, y)
        rows, amount, weights = _amounts(named, y)
        exposed = _check_exposure(exposure, X.shape[0], y)[rows]
        if sample_weight is not None:
            weights = weights * check_weights(sample_weight, X.shape[0])[rows]
        persons = person_groups(named, y, groups)
        known = _Known(amount, exposed, weights, None if persons is None else persons[rows])
        keep = np.flatnonzero((weights > 0) & (exposed > 0))
        known, X = known.take(keep), take(X, rows[keep])
        if not known.amount.any():
            raise ValueError(f"`y` must hold an amount above 0; all {len(keep)} rows with a known amount have none.")
        self.n_rows_, self.n_events_ = len(keep), int((known.amount > 0).sum())
        self.effective_n_ = effective_sample_size(known.weights)
        self.columns_ = learn_columns(X, known.persons, self.increasing)
        self._learn(X, known)
        return self

    def predict(self, X, exposure=None):
        """Give the expected amount.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.
        exposure : array-like of shape (n_rows,), default=None
            Time for which the amount is wanted, in the unit of training; None: one unit, and with labels the window.

        Returns
        -------
        ndarray of shape (n_rows,)
            A row's value does not depend on the other rows.
        """
        return self._expected(X, exposure).mean

    def predict_interval(self, X, *, coverage=COVERAGE, exposure=None):
        """Give an interval in which the person's amount lies with this probability.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.
        coverage : float, default=0.8
            From 0.01 to 0.99, in whole per cents.
        exposure : array-like of shape (n_rows,), default=None
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_rows, 2)
            Lower and upper end, both included; whole numbers if all amounts of training were. Where most persons
            have none, the interval may be 0 to 0 and the mean, which few persons with much make, lie above it.
        """
        expected = self._expected(X, exposure)
        return interval(self.spread_, expected, _check_coverage(coverage))

    def predict_sums(self, X, by, *, coverage=COVERAGE, exposure=None):
        """Give expected sums for areas, teams or any other groups of rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training; rows of different persons, such as those of one index date.
        by : array-like of shape (n_rows,)
            Group of each row.
        coverage : float, default=0.8
            From 0.01 to 0.99, in whole per cents.
        exposure : array-like of shape (n_rows,), default=None
            As in `predict`.

        Returns
        -------
        DataFrame, index the groups in order
            n_rows, expected, lower, upper.

        Notes
        -----
        The interval holds the chance of each person and the uncertainty of the model's level. It knows nothing of
        areas that differ for reasons outside X, nor of changes in service policy.
        """
        expected, percent = self._expected(X, exposure), _check_coverage(coverage)
        if len(by) != len(expected.mean):
            raise ValueError(f"`by` must have one value per row of X ({len(expected.mean)}); got {len(by)}.")
        codes, names = pd.factorize(np.asarray(by), sort=True, use_na_sentinel=False)
        sums = sum_interval(self.spread_, expected, codes, len(names), percent)
        table = pd.DataFrame(sums, columns=["expected", "lower", "upper"], index=pd.Index(names, name="group"))
        table.insert(0, "n_rows", np.bincount(codes, minlength=len(names)))
        return table

    def scores(self, X):
        """Give the columns of the scores table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
            expected: amount in the window (per unit of exposure if trained with one); lower, upper: 80 % interval.
        """
        expected = self._expected(X, None)
        ends = interval(self.spread_, expected, round(100 * COVERAGE))
        columns = {"expected": expected.mean, "lower": ends[:, 0], "upper": ends[:, 1]}
        return pd.DataFrame(columns, index=X.index if isinstance(X, pd.DataFrame) else None)

    @property
    def score_names(self):
        """Columns of `scores`."""
        return ("expected", "lower", "upper")

    @property
    def estimand(self):
        """What an expected amount is, in words."""
        return "mean amount in the outcome's window, death ending it; 80 % interval of the single person's amount"

    def score(self, X, y, sample_weight=None, exposure=None):
        """Give the share of the Poisson deviance explained: what a search maximises when no scorer is given.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.
        y : labels table or array-like of shape (n_rows,)
            As in `fit`.
        sample_weight, exposure : array-like of shape (n_rows,), default=None
            As in `fit`.

        Returns
        -------
        float
            1 - deviance / deviance of one mean for all; below 0 if that would have been better.
        """
        rows, amount, weights = _amounts(X, y)
        exposed = _check_exposure(exposure, len(rows) if not is_labels(y) else len(y), y)[rows]
        if sample_weight is not None:
            weights = weights * check_weights(sample_weight, X.shape[0])[rows]
        mean = self._expected(X, exposure).mean[rows]
        level = exposed * np.sum(weights * amount) / np.sum(weights * exposed)
        losses = [np.average(poisson_deviances(amount, at), weights=weights) for at in (mean, level)]
        return 1.0 - float(losses[0] / losses[1]) if losses[1] > 0 else float("nan")

    def explain(self, X, n_reasons=3):
        """Give the columns that raise each row's expected amount most above the reference person's.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training; meant for a few hundred rows.
        n_reasons : int, default=3
            At most this many per row.

        Returns
        -------
        DataFrame
            order (1, 2, ...), feature, value, reference, contribution (on the logarithm of the amount, above 0,
            descending); the index of X's rows, repeated. A missing value is never a reason.
        """
        check_is_fitted(self)
        check_count("n_reasons", n_reasons)
        X = check_X(self, X, reset=False)
        columns = used(self.columns_) if self.engine_ != "custom" else self.columns_
        return reasons_table(X, columns, self.line_.slope * self._contributions(X, columns), n_reasons)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        tags.target_tags.positive_only = True
        return tags

    def _learn(self, X, known: "_Known") -> None:
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        positions, stand_in = np.arange(len(known.amount)), 1.0
        if self.estimator is None:
            positions, stand_in = rows_for_selection((known.amount > 0).astype(np.intp), rng)
        part = known.take(positions, stand_in)
        two_parts = self.loss == "two_part" and bool((known.amount == 0).any())
        can_learn = folds_hold_both_classes if two_parts else folds_hold_amounts
        any_amount = (part.amount > 0).astype(np.intp)
        folds = calibration_folds(any_amount, part.persons, rng, X.shape[1], can_learn)
        if self.estimator is None:
            expected = self._learn_default(X, known, (positions, part, folds), two_parts, seed)
        else:
            expected = self._learn_custom(X, known, folds)
        self.line_ = fit_line(expected.mean, part.rate, part.rate_weights)
        kind = "count" if expected.any_share is None else "whole_amount"
        kind = kind if (known.amount == np.round(known.amount)).all() else "amount"
        expected = _times(_corrected(expected, self.line_), part.exposed)
        self.spread_ = fit_spread(expected, part.amount, part.weights, part.persons, kind)

    def _learn_default(self, X, known: "_Known", chosen, two_parts: bool, seed: int) -> Expected:
        warn_of_dropped_columns(self.columns_)
        positions, part, folds = chosen
        columns = used(self.columns_)
        rows = Rows(read_matrix(columns, X), columns, known.rate, known.rate_weights)
        rows_of_part = rows if len(positions) == len(rows.y) else rows.take(positions)
        learn = learn_two_parts if two_parts else learn_mean
        learnt = learn(rows, replace(rows_of_part, weights=part.rate_weights), folds, seed)
        self.estimator_, self.engine_, self.engine_loss_ = learnt.model, learnt.engine, learnt.loss
        return learnt.expected

    def _learn_custom(self, X, known: "_Known", folds: np.ndarray | None) -> Expected:
        rate, weights = known.rate, known.rate_weights
        warn_if_unweighted(self.estimator, weights)
        self.engine_, self.engine_loss_ = "custom", {}
        self.floor_ = SMALLEST_SHARE * float(np.average(rate, weights=weights))
        self.estimator_ = fit_custom(self.estimator, X, rate, weights)
        if folds is None:
            return Expected(custom_mean(self.estimator_, X, self.floor_), None)
        mean = np.empty(len(rate))
        for fold in np.unique(folds):
            held_out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            fitted = fit_custom(self.estimator, take(X, rest), rate[rest], weights[rest])
            mean[held_out] = custom_mean(fitted, take(X, held_out), self.floor_)
        return Expected(mean, None)

    def _expected(self, X, exposure) -> Expected:
        check_is_fitted(self)
        X = check_X(self, X, reset=False)
        if self.engine_ == "custom":
            expected = Expected(custom_mean(self.estimator_, X, self.floor_), None)
        else:
            warn_of_new_categories(self.columns_, X)
            expected = joined([expected_amounts(self.estimator_, part) for part in matrices(self.columns_, X)])
        expected = _corrected(expected, self.line_)
        return expected if exposure is None else _times(expected, _check_exposure(exposure, X.shape[0], None))

    def _contributions(self, X, columns) -> np.ndarray:
        matrix, reference = read_matrix(columns, X), reference_row(columns)
        if isinstance(self.estimator_, LinearModel):
            return linear_contributions(self.estimator_, matrix, reference)
        custom = self.engine_ == "custom"
        mix = frame_mixer(X, columns) if custom and isinstance(X, pd.DataFrame) else matrix_mixer(matrix, reference)

        def log_mean(states):
            mean = (
                custom_mean(self.estimator_, states, self.floor_)
                if custom
                else expected_amounts(self.estimator_, states).mean
            )
            return np.log(np.maximum(mean, SMALLEST_MEAN))

        return path_contributions(log_mean, mix, differs_from_reference(matrix, reference))


@dataclass(frozen=True)
class _Known:
    """Rows with a known amount: what was observed for how long, row weights, and the person of each."""

    amount: np.ndarray
    exposed: np.ndarray
    weights: np.ndarray
    persons: np.ndarray | None

    @property
    def rate(self) -> np.ndarray:
        return self.amount / self.exposed

    @property
    def rate_weights(self) -> np.ndarray:
        """Weights with which learning rates is the same as learning amounts with an offset."""
        return self.weights * self.exposed

    def take(self, positions: np.ndarray, stand_in: np.ndarray | float = 1.0) -> "_Known":
        """Some rows, each speaking for `stand_in` rows."""
        persons = None if self.persons is None else self.persons[positions]
        return _Known(self.amount[positions], self.exposed[positions], self.weights[positions] * stand_in, persons)


def _amounts(X, y) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with a known amount, the amounts and the weight of each."""
    if is_labels(y):
        check_same_index(X, y)
        for name in ("value", "exposure_days"):
            _not_negative(f"y.{name}", y[name])
        return known_amounts(y)
    return known_amounts(_not_negative("y", column_or_1d(y, warn=True)))


def _not_negative(name: str, values) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        values = values.astype(np.float64)
    assert_all_finite(values, input_name=name)
    n_negative = int((values < 0).sum())
    if n_negative:
        raise ValueError(f"`{name}` must be at least 0 in every row; {n_negative} of {len(values)} rows are below.")
    return values.astype(np.float64)


def _check_exposure(exposure, n_rows: int, y) -> np.ndarray:
    if exposure is None:
        return np.ones(n_rows)
    if is_labels(y):
        raise ValueError(
            "`exposure` must be None with a labels table; for amounts per day alive use y=labels['value']."
        )
    exposure = _not_negative("exposure", exposure)
    if exposure.shape != (n_rows,):
        raise ValueError(f"`exposure` must hold one value per row ({n_rows}); got shape {exposure.shape}.")
    return exposure


def _check_coverage(coverage) -> int:
    percent = round(100 * check_fraction("coverage", coverage))
    if not 1 <= percent <= 99:
        raise ValueError(f"`coverage` must be from 0.01 to 0.99; got {coverage!r}.")
    return percent


def _corrected(expected: Expected, line: Line) -> Expected:
    log_mean = line.intercept + line.slope * np.log(np.maximum(expected.mean, SMALLEST_MEAN))
    return Expected(limited_exp(log_mean), expected.any_share)


def _times(expected: Expected, exposure: np.ndarray) -> Expected:
    return Expected(expected.mean * exposure, expected.any_share)
