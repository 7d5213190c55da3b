"""Segments and features come in; size, shares, means and what is over-represented in each segment go out."""

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.disclosure import MIN_CELL, is_small, suppress

OBSERVED_EXPECTED, EXCLUSIVITY = 2.0, 0.25
PROFILE_COLUMNS = [
    "segment",
    "feature",
    "statistic",
    "n",
    "value",
    "overall",
    "observed_expected",
    "exclusivity",
    "over_represented",
]
SIZE = "persons"


def segment_profile(segments: pd.DataFrame | pd.Series, X: pd.DataFrame, *, min_cell: int = MIN_CELL) -> pd.DataFrame:
    """Describe every segment by its size and by the columns of X: conditions, age and sex, use, cost, risks.

    Parameters
    ----------
    segments : DataFrame or Series
        Segment of every row: scores, what ``scores`` gives, or one column; same index as X.
    X : DataFrame of shape (n_rows, n_features)
        Columns to describe by; those that made the segments, and others such as age, costs or a risk.
    min_cell : int, default=5
        Counts from 1 to ``min_cell - 1`` are hidden, with those that would give them away; so are shares and means
        that rest on them.

    Returns
    -------
    DataFrame
        One row per segment and column: segment, feature, statistic ("size", "share" of a 0/1 column, or "mean"), n
        (persons with the condition; of a mean, persons with a value), value, overall (of everybody),
        observed_expected (value / overall), exclusivity (share of all persons with the condition who are in the
        segment), over_represented (observed:expected at least 2 and exclusivity at least 25 %). Missing values of a
        column are left out of its row; NaN where hidden or unknown. The rows on "persons" come first; their value is
        the share of the segment.

    Notes
    -----
    Exclusivity alone would favour large segments, and observed:expected alone small ones.

    References
    ----------
    Violán C et al. Soft clustering using real-world data for the identification of multimorbidity patterns in an
    elderly population. BMJ Open 2018;8:e022187.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import segment_profile
    >>> X = pd.DataFrame({"diabetes": [1] * 30 + [0] * 70, "age": [70.0] * 50 + [80.0] * 50})
    >>> profile = segment_profile(pd.Series(["S1"] * 40 + ["S2"] * 60), X)
    >>> profile.loc[profile["feature"] == "diabetes", ["segment", "value", "over_represented"]].to_numpy().tolist()
    [['S1', 0.75, True], ['S2', 0.0, False]]
    """
    check_count("min_cell", min_cell)
    own = segment_series(segments)
    if not isinstance(X, pd.DataFrame) or not own.index.equals(X.index):
        raise ValueError("`X` must be a DataFrame with the index of `segments`, in the same order.")
    names, codes = np.unique(own.to_numpy().astype(str), return_inverse=True)
    order = _by_size(names, codes)
    codes = np.argsort(order)[codes]
    keys = names[order]
    parts = [_sizes(keys, codes, min_cell)]
    for name in X.columns:
        values = _numbers(X[name])
        if values is not None:
            describe = _shares if _is_binary(values) else _means
            parts.append(describe(str(name), keys, codes, values, min_cell))
    return pd.concat(parts, ignore_index=True)[PROFILE_COLUMNS]


def segment_series(segments: pd.DataFrame | pd.Series) -> pd.Series:
    """The column of segments of a table of scores, or the column itself; nobody may be without one."""
    own = segments["segment"] if isinstance(segments, pd.DataFrame) else segments
    if not isinstance(own, pd.Series) or own.isna().any() or not len(own):
        raise ValueError("`segments` must give every row a segment: a table with the column segment, or that column.")
    return own


def natural_order(names) -> list[str]:
    """S1, S2, ..., S10 in the order of their numbers, other names in theirs."""
    return sorted(names, key=lambda name: (not is_numbered(name), int(name[1:]) if is_numbered(name) else 0, str(name)))


def wide_profile(profile: pd.DataFrame, column: str = "value") -> pd.DataFrame:
    """One row per feature and one column per segment, in the order of the profile.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import segment_profile
    >>> from servicenee.segments.profile import wide_profile
    >>> profile = segment_profile(pd.Series(["S1"] * 40 + ["S2"] * 60), pd.DataFrame({"x": [1] * 30 + [0] * 70}))
    >>> wide_profile(profile).loc["x"].tolist()
    [0.75, 0.0]
    """
    wide = profile.pivot(index="feature", columns="segment", values=column)
    return wide.loc[profile["feature"].unique(), profile["segment"].unique()]


def is_numbered(name: str) -> bool:
    """Whether a segment is called S1, S2 and so on."""
    return len(name) > 1 and name[0] == "S" and name[1:].isdigit()


def _by_size(names: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Numbered segments in the order of their numbers, others from the largest."""
    if all(is_numbered(name) for name in names):
        return np.array([list(names).index(name) for name in natural_order(names)])
    return np.lexsort((names, -np.bincount(codes, minlength=len(names))))


def _numbers(column: pd.Series) -> np.ndarray | None:
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return None


def _is_binary(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    return bool(((known == 0) | (known == 1)).all()) and len(known) > 0


def _sizes(keys: np.ndarray, codes: np.ndarray, min_cell: int) -> pd.DataFrame:
    counts = pd.Series(np.bincount(codes, minlength=len(keys)))
    shown = suppress(counts, min_cell=min_cell)
    return _rows(SIZE, "size", keys, n=shown, value=shown / counts.sum(), overall=1.0)


def _shares(name: str, keys: np.ndarray, codes: np.ndarray, values: np.ndarray, min_cell: int) -> pd.DataFrame:
    known = ~np.isnan(values)
    total = np.bincount(codes[known], minlength=len(keys))
    having = np.bincount(codes[known & (values == 1)], minlength=len(keys))
    # With and without: that all but two have it tells as much as that two do.
    cells = suppress(pd.DataFrame({"having": having, "without": total - having}), min_cell=min_cell)
    hidden = cells.isna().any(axis=1).to_numpy()
    n = np.where(hidden, np.nan, having)
    overall = having.sum() / max(known.sum(), 1)
    if is_small([having.sum(), known.sum() - having.sum()], min_cell=min_cell).any():
        n, overall = np.full(len(keys), np.nan), np.nan
    value = n / np.where(total == 0, np.nan, total)
    ratio = value / overall if overall else np.full(len(keys), np.nan)
    exclusivity = n / having.sum() if having.sum() else np.full(len(keys), np.nan)
    over = (ratio >= OBSERVED_EXPECTED) & (exclusivity >= EXCLUSIVITY)
    return _rows(
        name,
        "share",
        keys,
        n=n,
        value=value,
        overall=overall,
        observed_expected=ratio,
        exclusivity=exclusivity,
        over_represented=over,
    )


def _means(name: str, keys: np.ndarray, codes: np.ndarray, values: np.ndarray, min_cell: int) -> pd.DataFrame:
    known = ~np.isnan(values)
    counts = pd.Series(np.bincount(codes[known], minlength=len(keys)))
    n = suppress(counts, min_cell=min_cell).to_numpy()
    sums = np.bincount(codes[known], weights=values[known], minlength=len(keys))
    value = np.where(np.isnan(n) | (counts == 0), np.nan, sums / np.maximum(counts, 1))
    enough = known.sum() >= min_cell
    overall = values[known].mean() if enough else np.nan
    ratio = value / overall if enough and overall > 0 else np.full(len(keys), np.nan)
    return _rows(name, "mean", keys, n=n, value=value, overall=overall, observed_expected=ratio)


def _rows(name: str, statistic: str, keys: np.ndarray, **columns) -> pd.DataFrame:
    facts = {"segment": keys, "feature": name, "statistic": statistic}
    rest = {"observed_expected": np.nan, "exclusivity": np.nan, "over_represented": False}
    return pd.DataFrame(facts | rest | {key: np.asarray(value) for key, value in columns.items()})
