"""Risks, markers of need and groups in; whether one group is sicker than others at equal risk out."""

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.disclosure import is_small
from servicenee.evaluation.grouping import person_codes
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.notes import HIDDEN_MARKER
from servicenee.evaluation.rows import check_risk, persons_by_group
from servicenee.evaluation.subgroups import group_variables

AUDIT_COLUMNS = ("by", "group", "marker", "n", "observed", "expected", "ratio", "lower", "upper", "note")
BANDS = 10


def label_audit(risk, markers, *, by, n_bands: int = BANDS, n_bootstrap: int = 200, random_state=0) -> pd.DataFrame:
    """Compare markers of need between groups among persons of equal risk.

    Parameters
    ----------
    risk : Series, scores table or array-like of shape (n_rows,)
        Risks; persons come from its index.
    markers : DataFrame of shape (n_rows, n_markers)
        Numbers that stand closer to need than the use of services does: diagnoses, measured function, death. NaN: not
        assessed, the row is left out for this marker.
    by : DataFrame, Series, dict or array-like
        Groups, as in `evaluate`.
    n_bands : int, default=10
        Bands of equally many rows within which risks count as equal.
    n_bootstrap : int, default=200
        Resamples of persons behind the 95 % intervals; 0 leaves the intervals out.
    random_state : int or None, default=0
        Seed of the resampling.

    Returns
    -------
    DataFrame
        Columns by, group, marker, n (rows with the marker known), observed (mean in the group), expected (mean of
        everybody else at the same risks), ratio (observed / expected), lower, upper, note. Hidden where 1 to 4
        persons of a group, or of the rest, have the marker.

    Notes
    -----
    Registers hold use. If a group gets less service for the same need, a model of use gives it too low a risk, and at
    equal risk its members are sicker: a ratio above 1. A ratio of 1 does not prove that the label is fair when the
    markers themselves come from services that the group does not reach.

    References
    ----------
    Obermeyer Z et al. Science 2019;366:447-453.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from servicenee.evaluation import label_audit
    >>> risk, language = np.tile([0.1, 0.3], 100), np.repeat(["fi", "sv"], 100)
    >>> diagnoses = pd.DataFrame({"diagnoses": np.where(language == "sv", 6.0, 3.0)})
    >>> label_audit(risk, diagnoses, by={"language": language}, n_bands=2, n_bootstrap=0)["ratio"].tolist()
    [0.5, 2.0]
    """
    check_count("n_bands", n_bands)
    check_count("n_bootstrap", n_bootstrap, minimum=0)
    values = check_risk(risk)
    table = _check_markers(markers, len(values))
    codes = person_codes(getattr(risk, "index", None))
    person = np.arange(len(values)) if codes is None else np.unique(codes, return_inverse=True)[1]
    band = _bands(values, n_bands)
    drawing = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    variables = group_variables(by, risk if hasattr(risk, "index") else table)
    parts = [
        _one_marker(name, groups, marker, table[marker].to_numpy(dtype=np.float64), band, person, drawing)
        for name, groups in variables.items()
        for marker in table.columns
    ]
    return pd.concat(parts, ignore_index=True)


def _one_marker(
    name: str, groups: pd.Series, marker: str, values: np.ndarray, band: np.ndarray, person: np.ndarray, drawing: dict
) -> pd.DataFrame:
    known = np.isfinite(values)
    code, categories = groups.cat.codes.to_numpy()[known], groups.cat.categories
    values, band, person = values[known], band[known], person[known]
    n_groups, n_bands = len(categories), int(band.max(initial=0)) + 1
    cell = code * n_bands + band

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        times = None if copies is None else copies[person]
        weighted = values if copies is None else times * values
        n = np.bincount(cell, weights=times, minlength=n_groups * n_bands).reshape(n_groups, n_bands)
        total = np.bincount(cell, weights=weighted, minlength=n_groups * n_bands).reshape(n_groups, n_bands)
        return _observed_and_expected(n.astype(np.float64), total).ravel()

    n_persons = int(person.max(initial=-1)) + 1
    value, lower, upper = (part.reshape(3, n_groups) for part in person_bootstrap(statistic, n_persons, **drawing))
    hidden = _hidden(code, values, person, n_groups)
    shown = [np.where(hidden, np.nan, part) for part in (value[0], value[1], value[2], lower[2], upper[2])]
    n_rows = np.bincount(code, minlength=n_groups).astype(np.float64)
    few_rows = is_small(persons_by_group(person, code, n_groups))
    columns = ([name] * n_groups, categories.to_numpy(dtype=object), [marker] * n_groups)
    columns += (np.where(few_rows, np.nan, n_rows), *shown, np.where(hidden, HIDDEN_MARKER, ""))
    return pd.DataFrame(dict(zip(AUDIT_COLUMNS, columns, strict=True)))


def _observed_and_expected(n: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Mean of each group, mean of all others at the same risks, and their ratio."""
    rest_n, rest_total = n.sum(axis=0) - n, total.sum(axis=0) - total
    # Bands in which nobody else is found tell nothing and are left out on both sides.
    compared = np.where(rest_n > 0, n, 0.0)
    others = np.divide(rest_total, rest_n, out=np.zeros_like(total), where=rest_n > 0)
    size = compared.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.where(rest_n > 0, total, 0.0).sum(axis=1) / size
        expected = (compared * others).sum(axis=1) / size
        ratio = np.where(expected > 0, observed / expected, np.nan)
    return np.stack([observed, expected, ratio])


def _hidden(code: np.ndarray, values: np.ndarray, person: np.ndarray, n_groups: int) -> np.ndarray:
    """Groups in which, or outside which, 1 to 4 persons have the marker, or 1 to 4 persons are."""
    has = values != 0
    small = np.zeros(n_groups, dtype=bool)
    for chosen in (np.ones(len(code), dtype=bool), has):
        small |= is_small(persons_by_group(person[chosen], code[chosen], n_groups))
        for group in range(n_groups):
            rest = chosen & (code != group)
            small[group] |= is_small(int(np.count_nonzero(np.bincount(person[rest]))))
    return small


def _bands(risk: np.ndarray, n_bands: int) -> np.ndarray:
    """Band of every row: equally many rows each, equal risks together."""
    inner = np.unique(np.quantile(risk, np.arange(1, n_bands) / n_bands)) if len(risk) else np.empty(0)
    return np.searchsorted(inner, risk, side="left")


def _check_markers(markers, n_rows: int) -> pd.DataFrame:
    table = markers.to_frame() if isinstance(markers, pd.Series) else markers
    if not isinstance(table, pd.DataFrame) or len(table) != n_rows or not len(table.columns):
        raise ValueError(f"`markers` must be a table with one row per risk ({n_rows}) and at least one column.")
    text = [str(name) for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        raise ValueError(f"`markers` must be numbers or booleans; {', '.join(text)} are not. Count or measure them.")
    return table
