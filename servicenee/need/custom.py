"""A scikit-learn estimator of the user's own: fitted with weights where it takes them, read as logits or means."""

import warnings

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from servicenee._checks import name_some
from servicenee.exceptions import ServiceneeWarning
from servicenee.need.columns import column_names


def fit_custom(estimator, X, y: np.ndarray, weights: np.ndarray):
    """A fitted clone; equal weights are not passed on.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from servicenee.need.custom import custom_logit, fit_custom
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> custom_logit(fit_custom(LogisticRegression(), X, y, np.ones(4)), X).shape
    (4,)
    """
    fitted = clone(estimator)
    name = None if np.ptp(weights) == 0 else weight_argument(fitted)
    try:
        return fitted.fit(X, y) if name is None else fitted.fit(X, y, **{name: weights})
    except (TypeError, ValueError) as error:
        # Other libraries show the offending cell, which may be a person's.
        empty = [name for name, blank in zip(column_names(X), pd.DataFrame(X).isna().all(), strict=True) if blank]
        raise ValueError(
            f"`estimator` ({type(estimator).__name__}) refused X with a {type(error).__name__}, whose text is withheld "
            "because it may show a row. Check for text columns and missing values (NaN) it does not take"
            + (f"; columns without any value: {name_some(empty)}." if empty else ".")
        ) from None


def warn_if_unweighted(estimator, weights: np.ndarray) -> None:
    """Weights that go nowhere bias the ranking; the calibration still uses them."""
    if np.ptp(weights) > 0 and weight_argument(estimator) is None:
        warnings.warn(
            f"{type(estimator).__name__} takes no sample_weight: the weights of censoring (or sample_weight) "
            "only reach the calibration.",
            ServiceneeWarning,
            stacklevel=4,
        )


def weight_argument(estimator) -> str | None:
    """Name under which `fit` takes row weights; of a pipeline, its last step's."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        inner = weight_argument(last)
        return None if inner is None else f"{name}__{inner}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def custom_logit(fitted, X) -> np.ndarray:
    """Logit of the second class; a decision function stands in where there are no probabilities."""
    if hasattr(fitted, "predict_proba"):
        risk = np.asarray(fitted.predict_proba(X), dtype=np.float64)[:, 1]
        return logit(np.clip(risk, 1e-6, 1 - 1e-6))
    return np.asarray(fitted.decision_function(X), dtype=np.float64)


def custom_mean(fitted, X, floor: float) -> np.ndarray:
    """Mean of an amount, at least `floor`: a least-squares model may put it at 0 or below, where nothing can happen."""
    return np.maximum(np.asarray(fitted.predict(X), dtype=np.float64).reshape(-1), floor)
