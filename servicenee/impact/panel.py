"""A panel of units over time, some of which started something, in; the difference it made, by time since, out."""

import numpy as np
import pandas as pd

from servicenee.impact.comparison import Comparison, Z

FEW_UNITS = 40
_PERMUTATIONS = 199


def difference_in_differences(
    panel: pd.DataFrame, *, unit: str, time: str, value: str, start: str, random_state: int = 0
) -> Comparison:
    """Give the average effect on units that started at different times, against units that had not.

    Parameters
    ----------
    panel : DataFrame
        One row per unit (team, area) and time.
    unit, time, value, start : str
        Columns: the unit; the time (numbers or dates, ordered); the outcome; the time at which the unit started
        (missing: never).
    random_state : int, default=0
        Seed of the permutation test with few units.

    Returns
    -------
    Comparison
        estimate: average over all starters and times since their start, weighted by the number of starters. Tables:
        "group_time" (start, time, estimate, error, lower, upper), "event_study" (since_start in steps of time,
        negative before; n_units), "flow", and with fewer than 40 units "permutation" (p_value).

    Raises
    ------
    ValueError
        If columns are missing, a unit is repeated at one time or changes its start, or nobody is left to compare.

    Notes
    -----
    Group-time averages of Callaway and Sant'Anna without covariates: starters at g are compared from the time before g
    on with units that never started, or where there are none, with those that had not started yet. A regression with
    unit and time effects would use early starters as controls of later ones, and can get even the sign wrong.
    Estimates before the start compare each time with the one before; they should be near 0, or the units were not
    moving in parallel. Errors are clustered by unit, by influence functions; with few units read the permutation test,
    in which starts are dealt out to the units at random.

    References
    ----------
    Callaway B, Sant'Anna PHC. Difference-in-differences with multiple time periods. J Econometrics 2021;225:200-230.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.impact import difference_in_differences
    >>> panel = pd.DataFrame({"team": ["a", "a", "b", "b", "c", "c", "d", "d"], "year": [1, 2] * 4,
    ...                       "visits": [5.0, 4.0, 7.0, 6.2, 6.0, 6.1, 8.0, 7.9], "start": [2] * 4 + [None] * 4})
    >>> found = difference_in_differences(panel, unit="team", time="year", value="visits", start="start")
    >>> round(found.estimate, 2)
    -0.9
    """
    _check(panel, unit, time, value, start)
    values, starts, times, dropped = _balanced(panel, unit, time, value, start)
    found = _group_times(values, starts)
    if not found or not any(t >= g for g, t, *_ in found):
        raise ValueError("`panel` must hold units that start after the first time, and units to compare them with.")
    estimate, error = _aggregate([one for one in found if one[1] >= one[0]], starts)
    flow = pd.DataFrame({"step": ["units", "started", "set_aside"], "n": [len(starts), _n_started(starts), dropped]})
    tables = {"event_study": _event_study(found, starts), "group_time": _group_time_table(found, times), "flow": flow}
    if len(starts) < FEW_UNITS:
        p_value = _permuted(values, starts, estimate, random_state)
        tables["permutation"] = pd.DataFrame({"n_units": [len(starts)], "p_value": [p_value]})
    n = _n_started(starts), len(starts) - _n_started(starts)
    # Without never-starters the later starters are the controls of the earlier ones.
    n_controls = n[1] if n[1] else int((starts > starts.min()).sum())
    bounds = (float(estimate - Z * error), float(estimate + Z * error))
    return Comparison("difference_in_differences", value, float(estimate), *bounds, n[0], n_controls, tables)


_NEVER = np.iinfo(np.int64).max


def _check(panel: pd.DataFrame, *names: str) -> None:
    missing = [name for name in names if name not in panel.columns]
    if missing:
        raise ValueError(f"`panel` must have the columns named; missing are {', '.join(missing)}.")
    unit, time, value, start = names
    repeated = int(panel.duplicated([unit, time]).sum())
    if repeated:
        raise ValueError(f"`panel` must hold each unit once at each time; {repeated} of {len(panel)} rows repeat one.")
    changing = int((panel.groupby(unit)[start].nunique(dropna=False) > 1).sum())
    if changing:
        raise ValueError(f"`panel.{start}` must be the same in all rows of a unit; {changing} units change it.")
    if not np.isfinite(panel[value].to_numpy(dtype=np.float64, na_value=np.nan)).any():
        raise ValueError(f"`panel.{value}` must hold numbers; none of {len(panel)} is one.")


def _balanced(panel, unit: str, time: str, value: str, start: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Values (units, times), the place of each unit's start among the times, the times, and units set aside."""
    wide = panel.pivot(index=unit, columns=time, values=value).sort_index()
    times = wide.columns.to_numpy()
    given = panel.groupby(unit)[start].first().reindex(wide.index)
    places = np.searchsorted(times, given.fillna(times[-1]).to_numpy().astype(times.dtype), side="left")
    beyond = given.isna().to_numpy() | (places >= len(times))
    starts = np.where(beyond, _NEVER, places)
    # Somebody who started before the first time has no time before; somebody with gaps cannot be followed.
    usable = wide.notna().all(axis=1).to_numpy() & (starts > 0)
    return wide.to_numpy(np.float64)[usable], starts[usable], times, int((~usable).sum())


def _group_times(values: np.ndarray, starts: np.ndarray) -> list[tuple[int, int, float, np.ndarray]]:
    """(start, time, estimate, influence of every unit) of all starts and times after the first."""
    never, found = starts == _NEVER, []
    for start in np.unique(starts[~never]):
        treated = starts == start
        for time in range(1, values.shape[1]):
            base = start - 1 if time >= start else time - 1
            controls = never if never.any() else (starts > max(time, base)) & ~treated
            if not controls.any():
                continue
            change = values[:, time] - values[:, base]
            influence = np.zeros(len(values))
            estimate = 0.0
            for group, sign in ((treated, 1.0), (controls, -1.0)):
                mean = change[group].mean()
                estimate += sign * mean
                influence[group] += sign * (change[group] - mean) / group.sum()
            found.append((int(start), time, float(estimate), influence))
    return found


def _aggregate(found: list[tuple], starts: np.ndarray) -> tuple[float, float]:
    """Average weighted by the number of starters, and its error."""
    weights = np.array([(starts == start).sum() for start, *_ in found], dtype=np.float64)
    weights /= weights.sum()
    influence = sum(weight * one[3] for weight, one in zip(weights, found, strict=True))
    estimate = float(sum(weight * one[2] for weight, one in zip(weights, found, strict=True)))
    return estimate, float(np.sqrt(np.sum(influence**2)))


def _event_study(found: list[tuple], starts: np.ndarray) -> pd.DataFrame:
    rows = []
    for since in sorted({time - start for start, time, *_ in found}):
        chosen = [one for one in found if one[1] - one[0] == since]
        estimate, error = _aggregate(chosen, starts)
        n_units = int(sum((starts == one[0]).sum() for one in chosen))
        rows.append((since, n_units, estimate, error, estimate - Z * error, estimate + Z * error))
    return pd.DataFrame(rows, columns=["since_start", "n_units", "estimate", "error", "lower", "upper"])


def _group_time_table(found: list[tuple], times: np.ndarray) -> pd.DataFrame:
    rows = []
    for start, time, estimate, influence in found:
        error = float(np.sqrt(np.sum(influence**2)))
        rows.append((times[start], times[time], estimate, error, estimate - Z * error, estimate + Z * error))
    return pd.DataFrame(rows, columns=["start", "time", "estimate", "error", "lower", "upper"])


def _permuted(values: np.ndarray, starts: np.ndarray, estimate: float, random_state: int) -> float:
    """Share of random assignments of the starts that give as large an average."""
    generator, larger = np.random.default_rng(random_state), 1
    for _ in range(_PERMUTATIONS):
        dealt = generator.permutation(starts)
        found = [one for one in _group_times(values, dealt) if one[1] >= one[0]]
        larger += bool(found) and abs(_aggregate(found, dealt)[0]) >= abs(estimate) - 1e-12
    return larger / (_PERMUTATIONS + 1)


def _n_started(starts: np.ndarray) -> int:
    return int((starts != _NEVER).sum())
