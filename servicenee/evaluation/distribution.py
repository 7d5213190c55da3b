"""Rows in; how the risks are spread out: over all rows, and over rows with and without the event."""

import numpy as np
import pandas as pd

from servicenee.disclosure import is_small, suppress
from servicenee.evaluation.rows import JudgedRows, n_persons_of, persons_by_group

RISK_BARS = 40
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def risk_table(rows: JudgedRows) -> pd.DataFrame:
    """How many rows have a risk in each of 40 intervals; small counts hidden."""
    highest = float(rows.risk.max()) if len(rows.risk) else 0.0
    edges = np.linspace(0, highest if highest > 0 else 1.0, RISK_BARS + 1)
    bar = np.clip(np.searchsorted(edges, rows.risk, side="right") - 1, 0, RISK_BARS - 1)
    persons = persons_by_group(rows.person, bar, RISK_BARS)
    shown = suppress(pd.Series(persons)).notna().to_numpy()
    n_rows = np.bincount(bar, minlength=RISK_BARS).astype(np.float64)
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:], "n": np.where(shown, n_rows, np.nan)})


def outcome_table(rows: JudgedRows) -> pd.DataFrame:
    """Mean and quantiles of the risk of rows with and without the event, weighted for censoring.

    The difference of the two means is the discrimination slope. Hidden where there are fewer than five persons.
    """
    found = []
    for name, chosen in (("event", rows.has_event), ("no_event", rows.has_none)):
        row = {"outcome": name, "mean": np.nan, **{f"q{100 * one:.0f}": np.nan for one in QUANTILES}}
        n_persons = n_persons_of(rows.person[chosen])
        if n_persons and not is_small(n_persons):
            risk, weight = rows.risk[chosen], rows.weight[chosen]
            row["mean"] = float(np.average(risk, weights=weight))
            row |= {f"q{100 * one:.0f}": _quantile(risk, weight, one) for one in QUANTILES}
        found.append(row)
    return pd.DataFrame(found)


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Smallest value that at least this share of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    at = np.searchsorted(reached, share * reached[-1] * (1 - 1e-12))
    return float(values[order][min(int(at), len(order) - 1)])
