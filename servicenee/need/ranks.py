"""Risks and their index dates come in, ranks go out: the same whatever the parts and machines the risks come from."""

import numpy as np

from servicenee.evaluation.rows import RISK_DECIMALS


def rounded(risk: np.ndarray) -> np.ndarray:
    """Risks as they are ranked: another order of summation moves at most the digits that are left off."""
    return np.round(risk, RISK_DECIMALS)


def rank_risks(risk: np.ndarray, index_day: np.ndarray) -> np.ndarray:
    """1 for the highest risk of each index date; equal to 12 decimals means equal, then the earlier row comes first.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.ranks import rank_risks
    >>> rank_risks(np.array([0.2, 0.5, 0.2 + 1e-15]), np.zeros(3)).tolist()
    [2, 1, 3]
    """
    order = np.lexsort((-rounded(risk), index_day))
    _, starts, lengths = np.unique(index_day[order], return_index=True, return_counts=True)
    ranks = np.empty(len(risk), dtype=np.int64)
    ranks[order] = np.arange(len(risk)) - np.repeat(starts, lengths) + 1
    return ranks
