"""Labels and risks from a new place in; how far the risks must be changed there, and the change, out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import chi2

from servicenee._checks import check_choice, check_fraction
from servicenee.evaluation.notes import FEWEST_EVENTS
from servicenee.evaluation.recalibration import curve_design, curve_knots, intercept_and_slope, logistic_fit
from servicenee.evaluation.rows import JudgedRows, check_risk, judged_rows, logit

UPDATES = ("none", "intercept", "logistic", "refit")


@dataclass(frozen=True, eq=False)
class Recalibration:
    """How risks must be changed to be right in a new place.

    Parameters
    ----------
    method : {"none", "intercept", "logistic", "refit"}
        "refit": no shift of the log odds suffices, the model must learn anew there; `apply` then gives the best that a
        shift and a slope can do.
    intercept, slope : float
        New log odds are ``intercept + slope * log odds``.
    tests : DataFrame
        Columns method, statistic, df, p_value, rejected: the closed test, in its order; empty if the method was given.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import recalibrate
    >>> risk = np.repeat([0.1, 0.2, 0.4], 200)
    >>> outcome = np.concatenate([np.arange(200) < 200 * share for share in (0.18, 0.33, 0.57)])
    >>> recalibrate(outcome, risk).method
    'intercept'
    """

    method: str
    intercept: float
    slope: float
    tests: pd.DataFrame

    def apply(self, risk) -> np.ndarray:
        """Give the changed risks.

        Parameters
        ----------
        risk : array-like of shape (n_rows,)
            Risks of the model.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        values = check_risk(risk)
        return values if self.method == "none" else expit(self.intercept + self.slope * logit(values))


def recalibrate(labels, risk, *, method: str = "auto", X=None, alpha: float = 0.05) -> Recalibration:
    """Find the smallest change that makes risks right for new persons, such as those of another county.

    Parameters
    ----------
    labels : DataFrame or array-like of shape (n_rows,)
        Labels table or 0/1 outcome of the new place; persons come from its index, or from that of `risk`.
    risk : array-like of shape (n_rows,)
        Risks that the model gives there.
    method : {"auto", "none", "intercept", "logistic", "refit"}, default="auto"
        "auto": by closed testing. "intercept": one shift of the log odds; "logistic": shift and slope.
    X : DataFrame or array-like of shape (n_rows, n_columns), default=None
        A few main predictors, complete, whose effects may differ in the new place. None: the largest model asks
        only whether the calibration curve bends (a spline of the log odds).
    alpha : float, default=0.05
        Level of every test.

    Returns
    -------
    Recalibration
        Method, intercept, slope and tests.

    Raises
    ------
    ValueError
        If there are fewer than 20 rows with or without the event, or X has missing values.

    Notes
    -----
    The closed test fits the largest model once and asks, from the smallest change to the largest, whether it is
    enough: no change, intercept, intercept and slope; the first that is not rejected is chosen, else "refit". It keeps
    the error of changing too much at `alpha`. Tests are Wald tests with a covariance clustered on persons, so that
    several index dates of a person, and weights for censoring, do not make them too sure.

    References
    ----------
    Vergouwe Y et al. A closed testing procedure to select an appropriate method to update prediction models. Stat Med
    2017;36:4529-4539. Janssen KJM et al. J Clin Epidemiol 2008;61:76-86.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import recalibrate
    >>> risk = np.repeat([0.1, 0.2, 0.4], 200)
    >>> outcome = np.concatenate([np.arange(200) < 200 * share for share in (0.18, 0.33, 0.57)])
    >>> found = recalibrate(outcome, risk)
    >>> found.tests["method"].tolist(), found.apply([0.1, 0.2, 0.4]).round(2).tolist()
    (['none', 'intercept'], [0.18, 0.33, 0.57])
    """
    check_choice("method", method, ("auto", *UPDATES))
    check_fraction("alpha", alpha)
    rows = judged_rows(labels, risk)
    _refuse_few(rows)
    tests = _closed_test(rows, X, alpha) if method == "auto" else _no_tests()
    if method == "auto":
        kept = tests.loc[~tests["rejected"], "method"]
        method = kept.iloc[0] if len(kept) else "refit"
    log_odds, events, others = logit(rows.risk), rows.weight * rows.y, rows.weight * (1 - rows.y)
    if method == "none":
        return Recalibration(method, 0.0, 1.0, tests)
    if method == "intercept":
        return Recalibration(method, intercept_and_slope(log_odds, events, others)[0], 1.0, tests)
    intercept, slope = logistic_fit(np.column_stack([np.ones(len(log_odds)), log_odds]), events, others)
    if not np.isfinite(slope):
        raise ValueError("`risk` must vary and must not separate the events from the rest; method 'intercept' remains.")
    return Recalibration(method, float(intercept), float(slope), tests)


def _closed_test(rows: JudgedRows, X, alpha: float) -> pd.DataFrame:
    log_odds = logit(rows.risk)
    design = _largest(rows, log_odds, X)
    known = rows.weight > 0
    design, weight, y, person = design[known], rows.weight[known], rows.y[known], rows.person[known]
    beta = logistic_fit(design, weight * y, weight * (1 - y))
    if len(beta) < 2 or not np.isfinite(beta).all():
        raise ValueError(
            "`risk` and `X` must vary, and must not separate the events from the rest or repeat one another; they do. "
            "Choose a `method`, or other columns of X."
        )
    covariance = _clustered(design, weight * (y - expit(design @ beta)), weight, beta, person)
    away = beta - np.eye(len(beta))[1]
    found = []
    for n_free, method in enumerate(UPDATES[:3]):
        # The first n_free coefficients (intercept, slope) may be anything; the others must change nothing.
        rest = slice(n_free, None)
        statistic = float(away[rest] @ np.linalg.solve(covariance[rest, rest], away[rest]))
        df = len(beta) - n_free
        p_value = float(chi2.sf(statistic, df))
        found.append((method, statistic, df, p_value, p_value < alpha))
        if not found[-1][-1]:
            break
    return pd.DataFrame(found, columns=list(_no_tests().columns))


def _largest(rows: JudgedRows, log_odds: np.ndarray, X) -> np.ndarray:
    """Intercept, log odds, and what the largest model adds."""
    if X is None:
        return curve_design(log_odds, curve_knots(log_odds, np.ones(len(log_odds))))
    columns = np.asarray(X, dtype=np.float64)
    if columns.ndim != 2 or len(columns) != len(log_odds) or not np.isfinite(columns).all():
        raise ValueError(
            f"`X` must have one row per row of labels ({len(log_odds)}) and no missing value; got shape "
            f"{columns.shape} with {int((~np.isfinite(columns)).sum())} missing."
        )
    spread = columns.std(axis=0)
    centred = (columns - columns.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    return np.column_stack([np.ones(len(log_odds)), log_odds, centred])


def _clustered(
    design: np.ndarray, residual: np.ndarray, weight: np.ndarray, beta: np.ndarray, person: np.ndarray
) -> np.ndarray:
    """Sandwich covariance of logistic coefficients, clustered on persons."""
    risk = expit(design @ beta)
    bread = np.linalg.inv((design * (weight * risk * (1 - risk))[:, None]).T @ design)
    scores = design * residual[:, None]
    by_person = np.column_stack([np.bincount(person, weights=column) for column in scores.T])
    n_persons = int(np.count_nonzero(np.bincount(person)))
    return bread @ (by_person.T @ by_person) @ bread * (n_persons / max(n_persons - 1, 1))


def _refuse_few(rows: JudgedRows) -> None:
    events, others = int(rows.has_event.sum()), int(rows.has_none.sum())
    if min(events, others) < FEWEST_EVENTS:
        raise ValueError(
            f"`labels` must hold at least {FEWEST_EVENTS} rows with the event and as many without; there are fewer. "
            "Use more index dates, or keep the risks as they are."
        )


def _no_tests() -> pd.DataFrame:
    columns = {"method": object, "statistic": float, "df": int, "p_value": float, "rejected": bool}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
