"""Features and an outcome come in, calibrated risks with reasons go out: the classifier of service need."""

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, column_or_1d, get_tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from servicenee._checks import check_choice, check_count
from servicenee.evaluation.censoring import effective_sample_size, is_labels, known_outcomes
from servicenee.evaluation.grouping import person_groups
from servicenee.evaluation.metrics import auc
from servicenee.need.calibration import CALIBRATIONS, calibrate, fit_calibrator, uncalibrated
from servicenee.need.columns import Rows, learn_columns, read_matrix, reference_row, used
from servicenee.need.custom import custom_logit, fit_custom, warn_if_unweighted
from servicenee.need.families import LOGISTIC
from servicenee.need.folds import person_folds, rows_for_selection
from servicenee.need.inputs import (
    binary_outcome,
    calibration_folds,
    check_same_index,
    check_weights,
    check_X,
    matrices,
    refuse_few_events,
    take,
    warn_of_dropped_columns,
    warn_of_new_categories,
)
from servicenee.need.linear import linear_contributions
from servicenee.need.mixing import differs_from_reference, frame_mixer, matrix_mixer
from servicenee.need.reasons import path_contributions, reasons_table
from servicenee.need.selection import choose_engine, default_choice, engine_predictor, fit_engine, out_of_fold


class NeedClassifier(ClassifierMixin, BaseEstimator):
    """Calibrated risk that a service is needed within the horizon, with reasons.

    Parameters
    ----------
    estimator : scikit-learn classifier, default=None
        Any binary classifier; it is cloned, given the row weights if it takes them, and calibrated. None: a
        regularised logistic model with linear splines or, from 1,000 events, small gradient-boosted trees,
        whichever has the lower log-loss on persons it has not seen.
    calibration : {"auto", "none", "intercept", "logistic", "isotonic"}, default="auto"
        How out-of-fold logits become risks. "auto": intercept under 100 events, intercept and slope from 100,
        isotonic only if it wins in cross-validation.
    cross_fitting : bool, default=False
        Calibrate the default engine on out-of-fold predictions of all rows, and not only of the at most 50,000 (with
        2,000 events or more, if there are as many) that it was chosen on. Takes about half as long again.
    increasing : "auto", list of str or None, default="auto"
        Columns of numbers that may only raise the prediction of boosted trees, which keeps noise out of the reasons.
        "auto": those of our features that count use, medicines, conditions or loss of function (the rows of
        ``need/increasing.csv``), by their names.
    random_state : int, RandomState or None, default=None
        Draws the folds; pass an integer for the same model every time.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two outcomes; the risk is that of the second.
    engine_ : {"linear", "boosted", "custom"}
        What `estimator_` is.
    estimator_ : object
        The fitted engine before calibration.
    calibrator_ : Calibrator
        What turns its logits into risks.
    engine_log_loss_ : dict
        Out-of-fold log-loss of each engine that was considered, before calibration.
    columns_ : tuple of Column
        What is remembered of each column of X; `dropped` says why one is not used.
    n_events_, n_rows_ : int
        Events and rows with a known outcome.
    effective_n_ : float
        Number of equally weighted rows that would be as informative.

    Notes
    -----
    `X` is a frame of numbers, booleans and categories (also text) with missing values, or an array of numbers. A
    category shared by fewer than five persons, and one that appears only later, counts as "other".

    `y` is a 0/1 outcome or the labels table of an `Outcome`. From labels the risk is that of the event within the
    horizon before death: death first and other competing events are no event, and rows censored before the horizon
    are left out with the others weighted by the inverse probability of being followed (assumed: leaving follow-up
    does not depend on the risk).

    Persons decide the folds: `groups` in `fit`, else the index level person_id of X, else that of y; without any,
    one warning, and every row counts as a person. Weights are relative: only their proportions matter. The model
    holds no value of any one row.

    A column's contribution to the linear engine's logit is exact; for trees and custom estimators it is a Shapley
    value over four fixed orders of the columns. Both compare with the reference person, who has the
    median of each number and the commonest of each category in the training data. Contributions say what the risk is
    associated with, not what causes it.

    References
    ----------
    Van Calster B et al. Calibration: the Achilles heel of predictive analytics. BMC Med 2019;17:230.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee.need import NeedClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.integers(65, 95, 600), "visits": rng.poisson(2, 600)})
    >>> y = rng.random(600) < 1 / (1 + np.exp(-(X["age"] - 85) / 5))
    >>> model = NeedClassifier(random_state=0).fit(X, y.astype(int), groups=np.arange(600))
    >>> model.explain(X[X["age"] == 94].head(1))["feature"].tolist()[0]
    'age'
    """

    def __init__(
        self, estimator=None, *, calibration="auto", cross_fitting=False, increasing="auto", random_state=None
    ):
        self.estimator = estimator
        self.calibration = calibration
        self.cross_fitting = cross_fitting
        self.increasing = increasing
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Learn engine and calibration.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            Features.
        y : labels table or array-like of shape (n_rows,)
            Outcome.
        sample_weight : array-like of shape (n_rows,), default=None
            Row weights, multiplied by those of censoring.
        groups : array-like of shape (n_rows,), default=None
            Person of each row.

        Returns
        -------
        NeedClassifier
            Itself.
        """
        check_choice("calibration", self.calibration, CALIBRATIONS)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        named = X
        X = check_X(self, X, reset=True)
        check_consistent_length(X, y)
        self.classes_, rows, outcome, weights = _outcome(named, y)
        if sample_weight is not None:
            weights = weights * check_weights(sample_weight, X.shape[0])[rows]
            rows, outcome, weights = (values[weights > 0] for values in (rows, outcome, weights))
        refuse_few_events(outcome, y)
        persons = person_groups(named, y, groups)
        persons = None if persons is None else persons[rows]
        X = take(X, rows)
        self.n_rows_, self.n_events_ = len(outcome), int(outcome.sum())
        self.effective_n_ = effective_sample_size(weights)
        self.columns_ = learn_columns(X, persons, self.increasing)
        if self.estimator is None:
            warn_of_dropped_columns(self.columns_)
        rng = check_random_state(self.random_state)
        fit_rows = self._fit_default if self.estimator is None else self._fit_custom
        fit_rows(X, outcome, weights, persons, rng)
        return self

    def predict_proba(self, X):
        """Give the probability of no event and of the event.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        ndarray of shape (n_rows, 2)
            A row's values do not depend on the other rows.
        """
        check_is_fitted(self)
        X = check_X(self, X, reset=False)
        risk = calibrate(self.calibrator_, self._logit(X))
        return np.column_stack([1.0 - risk, risk])

    def predict(self, X):
        """Give the likelier outcome; for a list use the risk and the capacity instead of this cut at one half.

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

    def scores(self, X):
        """Give the columns of the scores table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
            risk.
        """
        risk = self.predict_proba(X)[:, 1]
        return pd.DataFrame({"risk": risk}, index=X.index if isinstance(X, pd.DataFrame) else None)

    @property
    def score_names(self):
        """Columns of `scores`."""
        return ("risk",)

    @property
    def estimand(self):
        """What a risk is, in words."""
        return "probability of the event within the outcome's horizon, before death and other competing events"

    def score(self, X, y, sample_weight=None):
        """Give the area under the ROC curve: what a search or cross-validation maximises when no scorer is given.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.
        y : labels table or array-like of shape (n_rows,)
            Outcome; from labels the rows left unfinished are weighted for by the others.
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
        """Give the columns that raise each row's risk most above the reference person's.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training; meant for the rows of a list, a few hundred.
        n_reasons : int, default=3
            At most this many per row.

        Returns
        -------
        DataFrame
            order (1, 2, ...), feature, value, reference, contribution (on the logit, above 0, descending); the index
            of X's rows, repeated. A missing value is never a reason, so a row may have fewer or none.
        """
        check_is_fitted(self)
        check_count("n_reasons", n_reasons)
        X = check_X(self, X, reset=False)
        columns = used(self.columns_) if self.engine_ != "custom" else self.columns_
        contributions = self.calibrator_.slope * self._contributions(X, columns)
        return reasons_table(X, columns, contributions, n_reasons)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        tags.classifier_tags.multi_class = False
        return tags

    def _fit_default(self, X, y, weights, persons, rng) -> None:
        columns, seed = used(self.columns_), int(rng.randint(2**31 - 1))
        every_row = Rows(read_matrix(columns, X), columns, y, weights)
        positions, stand_in = rows_for_selection(y, rng)
        folds = calibration_folds(y[positions], None if persons is None else persons[positions], rng, len(columns))
        if folds is None:
            choice, self.calibrator_ = default_choice(), uncalibrated()
        else:
            part = every_row if len(positions) == len(y) else every_row.take(positions)
            part = replace(part, weights=part.weights * stand_in)
            choice, share = choose_engine(part, folds, LOGISTIC, seed), float(part.y.sum() / y.sum())
            logits = choice.predictor
            if self.cross_fitting and len(positions) < len(y):
                part, share, folds = every_row, 1.0, person_folds(persons, y, int(folds.max()) + 1, rng)
                logits = out_of_fold(choice, part, folds, LOGISTIC, seed)
            share *= float(1.0 - 1.0 / (folds.max() + 1))
            self.calibrator_ = fit_calibrator(self.calibration, logits, part.y, part.weights, folds, share)
        self.engine_, self.engine_log_loss_ = choice.engine, choice.loss
        self.estimator_ = fit_engine(choice, every_row, LOGISTIC, seed)

    def _fit_custom(self, X, y, weights, persons, rng) -> None:
        warn_if_unweighted(self.estimator, weights)
        folds = calibration_folds(y, persons, rng, X.shape[1]) if self.calibration != "none" else None
        self.engine_, self.engine_log_loss_, self.calibrator_ = "custom", {}, uncalibrated()
        if folds is not None:
            logits = np.empty(len(y))
            for fold in np.unique(folds):
                held_out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
                fitted = fit_custom(self.estimator, take(X, rest), y[rest], weights[rest])
                logits[held_out] = custom_logit(fitted, take(X, held_out))
            share = float(1.0 - 1.0 / (folds.max() + 1))
            self.calibrator_ = fit_calibrator(self.calibration, logits, y, weights, folds, share)
        self.estimator_ = fit_custom(self.estimator, X, y, weights)

    def _logit(self, X) -> np.ndarray:
        if self.engine_ == "custom":
            return custom_logit(self.estimator_, X)
        warn_of_new_categories(self.columns_, X)
        return np.concatenate([engine_predictor(self.estimator_, part) for part in matrices(self.columns_, X)])

    def _contributions(self, X, columns) -> np.ndarray:
        matrix, reference = read_matrix(columns, X), reference_row(columns)
        if self.engine_ == "linear":
            return linear_contributions(self.estimator_, matrix, reference)
        is_frame = self.engine_ == "custom" and isinstance(X, pd.DataFrame)
        mix = frame_mixer(X, columns) if is_frame else matrix_mixer(matrix, reference)
        logit_of = custom_logit if self.engine_ == "custom" else engine_predictor
        return path_contributions(
            lambda states: logit_of(self.estimator_, states), mix, differs_from_reference(matrix, reference)
        )


def _outcome(X, y) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Classes, rows with a known outcome, 0/1 outcome and weight of each."""
    if is_labels(y):
        check_same_index(X, y)
        known = known_outcomes(y)
        return np.array([0, 1]), known.positions, known.y.astype(np.intp), known.weights
    classes, codes = binary_outcome(y)
    return classes, np.arange(len(codes)), codes, np.ones(len(codes))
