"""How an outcome is learnt: link, loss and learners of a yes or no (logit) and of an amount (logarithm of the mean)."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, xlogy
from scipy.special import logit as to_logit
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from threadpoolctl import threadpool_limits

# Small trees, slow learning: scikit-learn's defaults had a calibration slope of .04 to .83 on the readmission data.
LEARNING_RATE = 0.06
# Amounts are noisier than their number of rows says, and need smaller trees.
LEAVES_OF_RISKS, LEAVES_OF_AMOUNTS = 15, 6
L2 = 2.0
LARGEST_LOG_MEAN = 30.0


@dataclass(frozen=True)
class Family:
    """A distribution of the outcome with its learners.

    Attributes
    ----------
    link : callable
        Mean to predictor.
    losses : callable
        ``losses(y, predictor)``: log-loss or Poisson deviance of every row.
    solve : callable
        ``solve(design, y, weights, penalties)``: coefficients and intercept for each penalty, strongest first.
    trees : callable
        ``trees(n_trees, n_rows, increasing, seed)``: boosted trees, not fitted.
    blends : bool
        Whether the mean of the two engines' predictors is a third candidate.
    """

    link: Callable
    losses: Callable
    solve: Callable
    trees: Callable
    blends: bool


def log_losses(y: np.ndarray, risk: np.ndarray) -> np.ndarray:
    """Log-loss of every row."""
    risk = np.clip(risk, 1e-15, 1 - 1e-15)
    return -np.where(y == 1, np.log(risk), np.log1p(-risk))


def per_event(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights as multiples of the mean weight of the rows with an event or an amount.

    What is known of a rare event is in its events. Where rows without it are sampled and weigh more, penalties must not
    depend on how many were taken: a model of few would be shrunk more than one of many, and a calibration learnt from
    the one would be wrong for the other.
    """
    happened = weights[y > 0]
    return weights / (happened.mean() if happened.sum() > 0 else weights.mean())


def poisson_deviances(y: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Poisson deviance of every row; proper for any amount of at least 0, not only for counts.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.families import poisson_deviances
    >>> poisson_deviances(np.array([0.0, 2.0]), np.array([1.0, 2.0])).tolist()
    [2.0, 0.0]
    """
    mean = np.maximum(mean, 1e-12)
    return 2.0 * (xlogy(y, y / mean) - y + mean)


def limited_exp(predictor: np.ndarray) -> np.ndarray:
    """Mean of a log mean, kept finite."""
    return np.exp(np.minimum(predictor, LARGEST_LOG_MEAN))


def _log_losses_of_logits(y: np.ndarray, predictor: np.ndarray) -> np.ndarray:
    return log_losses(y, expit(predictor))


def _deviances_of_log_means(y: np.ndarray, predictor: np.ndarray) -> np.ndarray:
    return poisson_deviances(y, limited_exp(predictor))


def _solve_logistic(design, y, weights, penalties) -> list[tuple[np.ndarray, float]]:
    """Coefficients for each penalty, each started from the one before."""
    weights = per_event(y, weights)
    rate = np.average(y, weights=weights)
    # lbfgs stops on the gradient of the mean loss, whose size follows the event rate.
    learner = LogisticRegression(max_iter=300, tol=1e-4 * min(rate, 1 - rate), warm_start=True)
    return _path(learner, [{"C": penalty} for penalty in penalties], design, y, weights)


def _solve_poisson(design, y, weights, penalties) -> list[tuple[np.ndarray, float]]:
    """The same for log means; the penalty allows for a variance larger than the mean (quasi-likelihood)."""
    weights = per_event(y, weights)
    mean = float(np.average(y, weights=weights))
    variance = float(np.average((y / mean - 1.0) ** 2, weights=weights))
    strengths = [{"alpha": variance / (penalty * weights.sum())} for penalty in penalties]
    learner = PoissonRegressor(max_iter=300, tol=1e-5, warm_start=True)
    solutions = _path(learner, strengths, design, y / mean, weights)
    return [(coefficients, intercept + float(np.log(mean))) for coefficients, intercept in solutions]


def _path(learner, settings: list[dict], design, y, weights) -> list[tuple[np.ndarray, float]]:
    solutions = []
    # One thread: the number of threads would change the last bits of the coefficients.
    with threadpool_limits(limits=1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # scikit-learn 1.6 passes options that SciPy 1.16 has begun to drop.
        warnings.filterwarnings("ignore", "scipy.optimize: The `disp`", DeprecationWarning)
        for setting in settings:
            learner.set_params(**setting).fit(design, y, sample_weight=weights)
            solutions.append((np.ravel(learner.coef_).copy(), float(np.ravel(learner.intercept_)[0])))
    return solutions


def _risk_trees(n_trees: int, n_rows: int, increasing: np.ndarray, seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_leaf_nodes=LEAVES_OF_RISKS,
        **_shared(n_trees, n_rows, increasing, seed),
    )


def _amount_trees(n_trees: int, n_rows: int, increasing: np.ndarray, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="poisson",
        max_leaf_nodes=LEAVES_OF_AMOUNTS,
        **_shared(n_trees, n_rows, increasing, seed),
    )


def _shared(n_trees: int, n_rows: int, increasing: np.ndarray, seed: int) -> dict:
    """No early stopping, which would split rows at random."""
    return {
        "learning_rate": LEARNING_RATE,
        "max_iter": n_trees,
        "min_samples_leaf": min(max(50, n_rows // 200), max(1, n_rows // 4)),
        "l2_regularization": L2,
        "monotonic_cst": increasing if increasing.any() else None,
        "early_stopping": False,
        "random_state": seed,
    }


LOGISTIC = Family(to_logit, _log_losses_of_logits, _solve_logistic, _risk_trees, blends=False)
POISSON = Family(np.log, _deviances_of_log_means, _solve_poisson, _amount_trees, blends=True)
