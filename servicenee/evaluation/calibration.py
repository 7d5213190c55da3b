"""Labels and risks in; predicted against observed risk out, in groups and as a smooth curve."""

import numpy as np
import pandas as pd
from scipy.special import expit

from servicenee._checks import check_count
from servicenee.disclosure import is_small
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.recalibration import curve_design, curve_knots, logistic_fit
from servicenee.evaluation.rows import (
    JudgedRows,
    Ranked,
    coarse_levels,
    judged_rows,
    levels,
    n_persons_of,
    ranked,
    sums,
    totals,
)

CURVE_POINTS = 100
CURVE_COLUMNS = ("risk", "observed", "lower", "upper")


def calibration_table(labels, risk, *, n_bins: int = 10, n_bootstrap: int = 200, random_state=0) -> pd.DataFrame:
    """Give predicted risk against observed event share in groups of equal size.

    Parameters
    ----------
    labels, risk, n_bootstrap, random_state
        As in `metric_table`.
    n_bins : int, default=10
        Groups of about equally many rows. Equal risks stay together, and neighbours are joined until no
        group has 1 to 4 persons with the event or 1 to 4 without.

    Returns
    -------
    DataFrame
        Columns bin, n, events, predicted (mean risk), observed (event share, weighted for censoring),
        lower, upper.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import calibration_table
    >>> risk = np.repeat([0.1, 0.5], 100)
    >>> outcome = np.tile([1] + [0] * 9, 10).tolist() + [0, 1] * 50
    >>> calibration_table(outcome, risk)[["n", "predicted", "observed"]].round(3).values.tolist()
    [[100.0, 0.1, 0.1], [100.0, 0.5, 0.5]]
    """
    check_count("n_bins", n_bins)
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    rows = judged_rows(labels, risk)
    return calibration_of(rows, n_bins=n_bins, n_bootstrap=n_bootstrap, random_state=random_state)


def calibration_curve(labels, risk, *, n_bootstrap: int = 200, random_state=0) -> pd.DataFrame:
    """Give the smooth calibration curve with its 95 % band.

    Parameters
    ----------
    labels, risk, n_bootstrap, random_state
        As in `metric_table`.

    Returns
    -------
    DataFrame
        Columns risk (from its 1 % to its 99 % point), observed, lower, upper; empty where no curve can be
        estimated. The curve is that of `ici`; the band is pointwise.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.evaluation import calibration_curve
    >>> risk = np.linspace(0.01, 0.6, 400)
    >>> outcome = np.random.default_rng(0).random(400) < risk
    >>> len(calibration_curve(outcome, risk))
    100
    """
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    return curve_of(judged_rows(labels, risk), n_bootstrap=n_bootstrap, random_state=random_state)


def calibration_of(rows: JudgedRows, *, n_bins: int, n_bootstrap: int, random_state) -> pd.DataFrame:
    """`calibration_table` of rows already checked."""
    sorted_rows = ranked(rows)
    starts = _bin_starts(sorted_rows, n_bins)

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        events, others, _ = totals(sorted_rows, starts, copies)
        known = events + others
        return np.divide(events, known, out=np.full(len(starts), np.nan), where=known > 0)

    observed, lower, upper = person_bootstrap(
        statistic, rows.n_persons, n_bootstrap=n_bootstrap, random_state=random_state
    )
    n = totals(sorted_rows, starts)[2]
    columns = {
        "n": n,
        "events": sums((sorted_rows.weighted_y > 0).astype(np.float64), starts),
        "predicted": sums(sorted_rows.risk, starts) / n,
        "observed": observed,
        "lower": lower,
        "upper": upper,
    }
    # Rows are sorted from the highest risk down; a reader starts at the lowest.
    table = pd.DataFrame(columns)[::-1].reset_index(drop=True)
    table.insert(0, "bin", np.arange(1, len(table) + 1))
    return table


def curve_of(rows: JudgedRows, *, n_bootstrap: int, random_state) -> pd.DataFrame:
    """`calibration_curve` of rows already checked."""
    sorted_rows = ranked(rows)
    full = levels(sorted_rows)
    knots = curve_knots(full.logit, full.rows)
    if len(knots) < 2:
        return pd.DataFrame({name: np.empty(0) for name in CURVE_COLUMNS})
    starts, coarse = coarse_levels(sorted_rows, full)
    design = curve_design(coarse.logit, knots)
    reached = np.cumsum(full.rows[::-1])
    ends = np.searchsorted(reached, np.array([0.01, 0.99]) * reached[-1])
    grid = np.linspace(*full.logit[::-1][ends], CURVE_POINTS)
    grid_design = curve_design(grid, knots)

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        if copies is None:
            beta = logistic_fit(curve_design(full.logit, knots), full.events, full.others)
        else:
            beta = logistic_fit(design, *totals(sorted_rows, starts, copies)[:2])
        return expit(grid_design @ beta)

    observed, lower, upper = person_bootstrap(
        statistic, rows.n_persons, n_bootstrap=n_bootstrap, random_state=random_state
    )
    curve = pd.DataFrame(dict(zip(CURVE_COLUMNS, (expit(grid), observed, lower, upper), strict=True)))
    return curve[np.isfinite(observed)].reset_index(drop=True)


def _bin_starts(sorted_rows: Ranked, n_bins: int) -> np.ndarray:
    """Rows where bins start, highest risk first: equal risks together, no bin with a small count."""
    n_rows = len(sorted_rows.person)
    if not n_rows:
        return np.empty(0, dtype=np.int64)
    wanted = np.arange(n_bins) * n_rows / n_bins
    after = np.minimum(np.searchsorted(sorted_rows.starts, wanted), len(sorted_rows.starts) - 1)
    before = np.maximum(after - 1, 0)
    nearer = wanted - sorted_rows.starts[before] < sorted_rows.starts[after] - wanted
    starts = np.unique(sorted_rows.starts[np.where(nearer, before, after)])
    kept = [0]
    for start in starts[1:].tolist():
        if not _too_small(sorted_rows, kept[-1], start):
            kept.append(start)
    while len(kept) > 1 and _too_small(sorted_rows, kept[-1], n_rows):
        kept.pop()
    return np.array(kept, dtype=np.int64)


def _too_small(sorted_rows: Ranked, start: int, end: int) -> bool:
    """Whether 1 to 4 persons have the event between two rows, or 1 to 4 have not."""
    part = slice(start, end)
    has_event = sorted_rows.weighted_y[part] > 0
    has_none = (sorted_rows.weight[part] > 0) & ~has_event
    person = sorted_rows.person[part]
    return any(is_small(n_persons_of(person[has])) for has in (has_event, has_none))
