"""Event share, number of parameters and expected strength of a model in; how many rows it takes to fit it out."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from servicenee._checks import check_count, check_fraction

SHRINKAGE, OPTIMISM, MARGIN = 0.9, 0.05, 0.05
CRITERIA = ("shrinkage", "optimism", "event_share")


def minimum_sample_size(
    event_share: float, n_parameters: int, *, r2_cox_snell: float | None = None, auc: float | None = None
) -> pd.DataFrame:
    """Give the smallest number of rows for a logistic prediction model by the criteria of Riley and others.

    Parameters
    ----------
    event_share : float
        Share of rows with the event.
    n_parameters : int
        Candidate parameters: columns, counted with their bends and levels.
    r2_cox_snell : float, default=None
        Cox-Snell R² that is expected of the model on new persons.
    auc : float, default=None
        AUC that is expected on new persons, from which R² is worked out if it is not given.

    Returns
    -------
    DataFrame
        Columns criterion, n, events, events_per_parameter; rows "shrinkage" (expected shrinkage of at least 0.9),
        "optimism" (apparent and adjusted Nagelkerke R² differ by at most 0.05), "event_share" (overall risk known to
        within 0.05) and "all", the largest.

    Notes
    -----
    Meant for models without penalty; a regularised model does with fewer, boosted trees need several times more.
    From the AUC, R² is that of a logistic model whose log odds are normal, with the same spread, among those with
    and those without the event.

    References
    ----------
    Riley RD et al. Stat Med 2019;38:1276-1296. Riley RD et al. BMJ 2020;368:m441. Riley RD, Van Calster B, Collins
    GS. Stat Med 2021;40:859-864.

    Examples
    --------
    >>> from servicenee.evaluation import minimum_sample_size
    >>> minimum_sample_size(0.174, 24, r2_cox_snell=0.288)[["criterion", "n", "events"]].values.tolist()
    [['shrinkage', 623, 109], ['optimism', 662, 116], ['event_share', 221, 39], ['all', 662, 116]]
    """
    share = check_fraction("event_share", event_share)
    if not 0 < share < 1:
        raise ValueError(f"`event_share` must lie between 0 and 1, both left out; got {event_share!r}.")
    check_count("n_parameters", n_parameters)
    if (r2_cox_snell is None) == (auc is None):
        raise ValueError("`r2_cox_snell` or `auc` must be given, and not both.")
    r2 = r2_from_auc(auc, share) if r2_cox_snell is None else check_fraction("r2_cox_snell", r2_cox_snell)
    highest = 1 - (share**share * (1 - share) ** (1 - share)) ** 2
    if not 0 < r2 < highest:
        raise ValueError(f"`r2_cox_snell` must lie between 0 and {highest:.3f} for this event share; got {r2:.3f}.")
    needed = [_rows_for(SHRINKAGE, n_parameters, r2)]
    needed.append(_rows_for(r2 / (r2 + OPTIMISM * highest), n_parameters, r2))
    # 1.96 as in the published criterion, not the 1.95996 of the normal distribution.
    needed.append((1.96 / MARGIN) ** 2 * share * (1 - share))
    n = np.ceil(np.round([*needed, max(needed)], 6)).astype(np.int64)
    events = np.ceil(np.round(n * share, 6)).astype(np.int64)
    return pd.DataFrame(
        {"criterion": [*CRITERIA, "all"], "n": n, "events": events, "events_per_parameter": n * share / n_parameters}
    )


def r2_from_auc(auc: float, event_share: float) -> float:
    """Cox-Snell R² of a calibrated model with this AUC, by quadrature over its log odds."""
    if not 0.5 < auc < 1:
        raise ValueError(f"`auc` must lie between 0.5 and 1, both left out; got {auc!r}.")
    apart = np.sqrt(2) * norm.ppf(auc)
    grid = np.linspace(-12, 12 + apart, 20_001)
    with_event, without = event_share * norm.pdf(grid - apart), (1 - event_share) * norm.pdf(grid)
    log_risk = _log_share(with_event, without)
    log_rest = _log_share(without, with_event)
    step = grid[1] - grid[0]
    fitted = step * float(with_event @ log_risk + without @ log_rest)
    constant = event_share * np.log(event_share) + (1 - event_share) * np.log1p(-event_share)
    return float(-np.expm1(-2 * (fitted - constant)))


def _log_share(part: np.ndarray, rest: np.ndarray) -> np.ndarray:
    whole = part + rest
    return np.log(np.divide(part, whole, out=np.ones_like(whole), where=part > 0))


def _rows_for(shrinkage: float, n_parameters: int, r2: float) -> float:
    return n_parameters / ((shrinkage - 1) * np.log1p(-r2 / shrinkage))
