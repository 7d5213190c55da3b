"""Scores of two models for the same day in; how much their lists and risks differ out, as aggregates only."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from servicenee.disclosure import suppress
from servicenee.evaluation.capacity import DEFAULT_CAPACITY, check_capacity, places
from servicenee.monitoring.expected import main_score

ITEMS = (
    *("scored_by_both", "only_champion", "only_challenger", "listed", "listed_by_both", "moved_in", "moved_out"),
    *("agreement", "rank_correlation", "mean_champion", "mean_challenger", "mean_difference"),
)


def compare_scores(
    champion: pd.DataFrame, challenger: pd.DataFrame, *, capacity: int | float | None = None
) -> pd.DataFrame:
    """Compare the scores of the model in use with those of one that runs in its shadow.

    Parameters
    ----------
    champion, challenger : DataFrame, index (person_id, index_date)
        Scores of the two models on the same registers and one index date.
    capacity : int or float, optional
        Persons the service can act on, a count or a fraction; by default 5 %.

    Returns
    -------
    DataFrame
        item, value. scored_by_both, only_champion, only_challenger (persons); listed (by each, of those that both
        scored); listed_by_both; moved_in (the challenger alone would list them) and moved_out (the champion alone);
        agreement (listed_by_both / listed); rank_correlation (Spearman's, of all that both scored); mean_champion,
        mean_challenger and mean_difference of the risk or amount. Counts of 1 to 4 persons, and what would give them
        away, are NaN.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.monitoring import compare_scores
    >>> index = pd.MultiIndex.from_product([range(200), pd.to_datetime(["2024-01-01"])])
    >>> index.names = ["person_id", "index_date"]
    >>> champion = pd.DataFrame({"risk": [i / 400 for i in range(200)]}, index=index)
    >>> table = compare_scores(champion, champion.assign(risk=0.8 * champion["risk"]), capacity=20).set_index("item")
    >>> table.loc[["agreement", "rank_correlation"], "value"].tolist()
    [1.0, 1.0]
    """
    capacity = check_capacity(DEFAULT_CAPACITY if capacity is None else capacity)
    ours, theirs = _values(champion, "champion"), _values(challenger, "challenger")
    both = ours.index.intersection(theirs.index, sort=False)
    first, second = ours.loc[both].to_numpy(), theirs.loc[both].to_numpy()
    n_listed = int(min(places(capacity, np.array([len(both)]))[0], len(both)))
    in_first, in_second = (_top(values, n_listed) for values in (first, second))
    counts = {
        **_counted(scored_by_both=len(both), only_champion=len(ours) - len(both)),
        **_counted(only_challenger=len(theirs) - len(both)),
        "listed": float(n_listed),
        **_counted(listed_by_both=int((in_first & in_second).sum()), moved_in=int((in_second & ~in_first).sum())),
    }
    counts["moved_out"] = counts["moved_in"]  # both lists are of one length
    constant = len(both) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0
    means = [float(values.mean()) if len(both) else np.nan for values in (first, second)]
    values = counts | {
        "agreement": counts["listed_by_both"] / n_listed if n_listed else np.nan,
        "rank_correlation": np.nan if constant else float(spearmanr(first, second).statistic),
        "mean_champion": means[0],
        "mean_challenger": means[1],
        "mean_difference": means[1] - means[0],
    }
    return pd.DataFrame({"item": ITEMS, "value": [float(values[item]) for item in ITEMS]})


def _values(scores: pd.DataFrame, which: str) -> pd.Series:
    name = main_score(scores)
    if name is None:
        raise ValueError(f"`{which}` must be scores with a risk or an expected amount; segments cannot be ranked.")
    n_dates = scores.index.get_level_values("index_date").nunique()
    if n_dates > 1:
        raise ValueError(f"`{which}` must be scores of one index date; got {n_dates}. Compare one at a time.")
    return scores[name]


def _top(values: np.ndarray, n_listed: int) -> np.ndarray:
    """The highest so many; of equals the earlier row, as in the ranks."""
    listed = np.zeros(len(values), dtype=bool)
    listed[np.argsort(-np.round(values, 12), kind="stable")[:n_listed]] = True
    return listed


def _counted(**counts: int) -> dict[str, float]:
    """Counts that add up to a known total, with small ones hidden and one beside them."""
    return suppress(pd.Series(counts)).to_dict()
