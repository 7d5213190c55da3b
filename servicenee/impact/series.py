"""Monthly counts before and after a start, and those of a control area, in; the change of the rate out."""

import numpy as np
import pandas as pd
from scipy.stats import t

from servicenee._checks import check_count
from servicenee.disclosure import is_small
from servicenee.impact.comparison import Comparison

FEWEST_BEFORE, FEWEST_AFTER = 24, 6
_HARMONICS = 2
_MONTHS = 12
_LAGS = {"maxlags": 3, "use_correction": True}


def interrupted_time_series(
    series: pd.DataFrame, *, start, control: pd.DataFrame | None = None, phase_in: int = 0, outcome: str = "rate"
) -> Comparison:
    """Give the ratio of the rate after a start to what the series itself, and its control, led to expect.

    Parameters
    ----------
    series : DataFrame
        One row per month: month, count, exposure (person-time or population).
    start : date or ISO text
        First month in which the change could act.
    control : DataFrame, optional
        The same columns of an area or group without the change. Without it the result is a description.
    phase_in : int, default=0
        Months from the start that are left out, while the change was being made.
    outcome : str, default="rate"
        Name of what was counted.

    Returns
    -------
    Comparison
        estimate: ratio of rates, averaged (geometrically) over the months after the start, 1 being no change. Tables:
        "coefficients" (level and slope changes on the log scale) and "fitted" (month, observed, expected_without; NaN
        where 1 to 4 were counted).

    Raises
    ------
    ValueError
        With fewer than 24 months before or 6 after, months that repeat or are missing, or counts that are negative.

    Notes
    -----
    Segmented regression: level, slope, two harmonics of the year, change of level and of slope at the start. With a
    control the log of the ratio of the two rates is modelled by least squares, so that whatever hit both areas drops
    out; without one, counts by a Poisson model with the log of exposure as offset. Errors are the larger of Newey-West
    over three months, because neighbouring months are alike, and the plain ones, because Newey-West is too small in
    series as short as these.

    References
    ----------
    Lopez Bernal J et al. The use of controls in interrupted time series studies. Int J Epidemiol 2018;47:2082-2093.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.impact import interrupted_time_series
    >>> months = pd.date_range("2020-01-01", periods=48, freq="MS")
    >>> rate = np.where(months >= "2023-01-01", 80, 100) + 10 * np.sin(np.arange(48))
    >>> series = pd.DataFrame({"month": months, "count": rate.round(), "exposure": 1000.0})
    >>> control = series.assign(count=(100 + 10 * np.sin(np.arange(48))).round())
    >>> found = interrupted_time_series(series, start="2023-01-01", control=control)
    >>> found.kind, round(found.estimate, 1)
    ('effect', 0.8)
    """
    check_count("phase_in", phase_in, minimum=0)
    first = pd.Timestamp(start)
    months, count, exposure = _read(series, "series")
    after_from = first + pd.DateOffset(months=phase_in)
    kept = (months < first) | (months >= after_from)
    after = (months >= after_from)[kept]
    if (~after).sum() < FEWEST_BEFORE or after.sum() < FEWEST_AFTER:
        raise ValueError(
            f"`series` must hold at least {FEWEST_BEFORE} months before and {FEWEST_AFTER} after the start and "
            f"phase-in; got {int((~after).sum())} and {int(after.sum())}."
        )
    step = ((months.year - first.year) * _MONTHS + months.month - first.month).to_numpy(np.float64)[kept]
    design, names = _design(step, after)
    few = is_small(count[kept])
    if control is None:
        fit, plain, observed = _poisson(design, count[kept], exposure[kept])
    else:
        other_months, other_count, other_exposure = _read(control, "control")
        if not other_months.equals(months):
            raise ValueError("`control` must hold the same months as `series`.")
        fit, plain, observed = _ratio(design, (count, exposure), (other_count, other_exposure), kept)
        few = few | is_small(other_count[kept])
    contrast = design[after][:, -2:].mean(axis=0)
    change = float(contrast @ fit.params[-2:])
    error = max(float(np.sqrt(contrast @ np.asarray(one)[-2:, -2:] @ contrast)) for one in (fit.cov_params(), plain))
    width = float(t.ppf(0.975, len(design) - design.shape[1])) * error
    expected = observed / np.exp(design[:, -2:] @ fit.params[-2:])
    coefficients = pd.DataFrame({"term": names, "estimate": fit.params, "error": fit.bse})
    fitted = pd.DataFrame(
        {
            "month": months[kept],
            "observed": np.where(few, np.nan, observed),
            "expected_without": np.where(after & ~few, expected, np.nan),
        }
    )
    bounds = (float(np.exp(change - width)), float(np.exp(change + width)))
    n = int(after.sum()), len(after) if control is not None else 0
    tables = {"coefficients": coefficients, "fitted": fitted}
    if control is None:
        return Comparison("interrupted_time_series", outcome, n_listed=n[0], tables=tables)
    return Comparison("interrupted_time_series", outcome, float(np.exp(change)), *bounds, *n, tables)


def _read(frame: pd.DataFrame, name: str) -> tuple[pd.DatetimeIndex, np.ndarray, np.ndarray]:
    missing = [column for column in ("month", "count", "exposure") if column not in frame.columns]
    if missing:
        raise ValueError(f"`{name}` must have the columns month, count and exposure; missing are {', '.join(missing)}.")
    frame = frame.sort_values("month", kind="stable")
    months = pd.DatetimeIndex(frame["month"]).to_period("M").to_timestamp()
    count, exposure = (frame[column].to_numpy(np.float64) for column in ("count", "exposure"))
    step = months.year * _MONTHS + months.month
    if len(months) == 0 or (np.diff(step) != 1).any():
        raise ValueError(f"`{name}.month` must be consecutive months, each once; got {len(months)} rows with breaks.")
    wrong = int((~(count >= 0) | ~(exposure > 0)).sum())
    if wrong:
        raise ValueError(
            f"`{name}` must have counts of at least 0 and exposure above 0; {wrong} of {len(count)} differ."
        )
    return months, count, exposure


def _design(step: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, list[str]]:
    columns = {"level": np.ones(len(step)), "slope": step / _MONTHS}
    for k in range(1, _HARMONICS + 1):
        angle = 2 * np.pi * k * step / _MONTHS
        columns |= {f"sin_{k}": np.sin(angle), f"cos_{k}": np.cos(angle)}
    columns |= {"level_change": after.astype(np.float64), "slope_change": after * step / _MONTHS}
    return np.column_stack(list(columns.values())), list(columns)


def _poisson(design: np.ndarray, count: np.ndarray, exposure: np.ndarray):
    from statsmodels.api import GLM, families

    model = GLM(count, design, family=families.Poisson(), offset=np.log(exposure))
    return model.fit(cov_type="HAC", cov_kwds=_LAGS), model.fit(scale="X2").cov_params(), count / exposure


def _ratio(design: np.ndarray, mine: tuple, other: tuple, kept: np.ndarray):
    """Least squares on the log ratio of the two rates; half a count guards against months without any."""
    from statsmodels.api import OLS

    logs = [np.log((count[kept] + 0.5) / exposure[kept]) for count, exposure in (mine, other)]
    model = OLS(logs[0] - logs[1], design)
    return model.fit(cov_type="HAC", cov_kwds=_LAGS), model.fit().cov_params(), np.exp(logs[0] - logs[1])
