"""Scorers for GridSearchCV and cross_validate that take a labels table, or a 0/1 outcome, as `y`.

A labels table passes through scikit-learn untouched and arrives here with the rows of the test fold; the
censoring weights are estimated on these rows. scikit-learn's own string scorers (``"roc_auc"``,
``"neg_log_loss"``) cannot read a labels table: they raise a ValueError about multi-output targets, which
cross_validate turns into NaN with a warning unless ``error_score="raise"``. Use the scorers of this module.
For PPV the index dates come from the index of `y`: pass labels or a Series, not a bare array.
"""

from sklearn.metrics import make_scorer

from servicenee._checks import check_choice
from servicenee.evaluation.capacity import check_capacity, ppv_at_capacity
from servicenee.evaluation.metrics import auc, average_precision, brier, log_loss

auc_scorer = make_scorer(auc, response_method="predict_proba")
average_precision_scorer = make_scorer(average_precision, response_method="predict_proba")
log_loss_scorer = make_scorer(log_loss, response_method="predict_proba", greater_is_better=False)
brier_scorer = make_scorer(brier, response_method="predict_proba", greater_is_better=False)

_SCORERS = {
    "auc": auc_scorer,
    "average_precision": average_precision_scorer,
    "log_loss": log_loss_scorer,
    "brier": brier_scorer,
}


def scorer(name: str):
    """Give a scorer by name.

    Parameters
    ----------
    name : {"auc", "average_precision", "log_loss", "brier"}
        Log-loss and Brier score come out negative, so that larger is better, as scikit-learn expects.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``, for ``scoring=``; it passes `sample_weight` on when metadata routing
        asks it to.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from servicenee.evaluation import scorer
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> y = np.tile([0, 1, 1, 0, 1], 8)
    >>> cross_val_score(LogisticRegression(), X, y, scoring=scorer("log_loss"), cv=4).shape
    (4,)
    """
    return _SCORERS[check_choice("name", name, _SCORERS)]


def ppv_scorer(*, capacity: int | float):
    """Give a scorer for the share of the listed rows that have the event.

    Parameters
    ----------
    capacity : int or float
        Persons the service can act on at each index date: a count, or a fraction.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``, for ``scoring=``.

    Examples
    --------
    >>> from servicenee.evaluation import ppv_scorer
    >>> from sklearn.dummy import DummyClassifier
    >>> model = DummyClassifier().fit([[0], [1], [2]], [0, 1, 1])
    >>> ppv_scorer(capacity=2)(model, [[0], [1], [2]], [0, 1, 1])
    0.5
    """
    return make_scorer(ppv_at_capacity, response_method="predict_proba", capacity=check_capacity(capacity))
