"""Segments, their names and a table of offers come in; who could be offered what, by whom, goes out."""

from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, check_count, check_fraction
from servicenee.disclosure import MIN_CELL, is_small, suppress
from servicenee.segments.profile import natural_order, segment_series
from servicenee.texts import LANGUAGES, text

ACTION_COLUMNS = ["segment", "name", "n", "offer", "for_whom", "by_whom", "capacity_per_month", "months_to_meet"]
_OFFER_COLUMNS = ("code", "offer", "for_whom", "by_whom", "capacity_per_month")


def load_offers() -> pd.DataFrame:
    """What a county could offer, as data rows to edit: the shipped ones are starting points, without capacities.

    Returns
    -------
    DataFrame
        code (a condition such as ``heart_failure``, or ``scheme:segment``), offer_fi, offer_sv, offer_en, for_whom_fi,
        ..., by_whom_fi, ..., capacity_per_month (persons; NaN until the county fills it in), note.

    Examples
    --------
    >>> from servicenee.segments import load_offers
    >>> offers = load_offers()
    >>> offers.loc[offers["code"] == "needs_pyramid:case_management", "capacity_per_month"] = 40
    """
    return _offers().copy()


def action_sheet(
    names: pd.DataFrame, profile: pd.DataFrame, *, offers: pd.DataFrame | None = None, language: str = "fi"
) -> pd.DataFrame:
    """Give every segment its action sheet: what is offered, to whom, by whom, and how far the capacity reaches.

    Parameters
    ----------
    names : DataFrame
        As `name_segments` or `scheme_names` gives it; an offer belongs to a segment by one of its codes.
    profile : DataFrame
        As `segment_profile` gives it: the sizes.
    offers : DataFrame, optional
        As `load_offers` gives it, edited by the county; by default the shipped rows.
    language : {"fi", "sv", "en"}, default="fi"
        Language of the texts.

    Returns
    -------
    DataFrame
        segment, name, n (NaN where hidden), offer, for_whom, by_whom, capacity_per_month, months_to_meet (n /
        capacity). A segment without an offer has one row that says so: a segment that nobody acts on is no segment.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import segment_profile
    >>> from servicenee.segments import action_sheet, name_segments
    >>> X = pd.DataFrame({"condition_diabetes_1825d": [1] * 30 + [0] * 70})
    >>> profile = segment_profile(pd.Series(["S2"] * 40 + ["S1"] * 60), X)
    >>> action_sheet(name_segments(profile), profile, language="en")["offer"].tolist()[0]
    'No offer agreed yet'
    """
    check_choice("language", language, LANGUAGES)
    rows = _offers() if offers is None else offers
    needed = [f"{name}_{language}" if name in ("offer", "for_whom", "by_whom") else name for name in _OFFER_COLUMNS]
    lacking = [name for name in needed if name not in rows.columns]
    if lacking:
        raise ValueError(f"`offers` must have the columns {', '.join(needed)}; {', '.join(lacking)} are missing.")
    sizes = profile[profile["statistic"] == "size"].set_index("segment")["n"]
    sheets = [_sheet(row, sizes, rows[needed].set_axis(_OFFER_COLUMNS, axis=1), language) for row in names.itertuples()]
    table = pd.concat(sheets, ignore_index=True)
    table["months_to_meet"] = table["n"] / table["capacity_per_month"].where(table["capacity_per_month"] > 0)
    return table[ACTION_COLUMNS]


def risk_by_segment(
    scores: pd.DataFrame,
    segments: pd.DataFrame | pd.Series,
    *,
    capacity: int | float = 0.05,
    min_cell: int = MIN_CELL,
) -> pd.DataFrame:
    """Group the persons of highest risk by segment, such as by what would help them (scheme "what_would_help").

    Parameters
    ----------
    scores : DataFrame, index (person_id, index_date)
        Risks of a NeedModel: the column rank, or risk.
    segments : DataFrame or Series
        Segment of every row, same index.
    capacity : int or float, default=0.05
        How many of highest risk, a count or a fraction.
    min_cell : int, default=5
        Counts from 1 to ``min_cell - 1`` are hidden, with those that would give them away.

    Returns
    -------
    DataFrame
        segment, n, n_high_risk, share_high_risk (of the segment), share_of_high_risk (of all of high risk), mean_risk.

    References
    ----------
    Nuutinen M et al. Developing and validating models for predicting nursing home admission using only RAI-HC
    instrument data. Inform Health Soc Care 2019, doi:10.1080/17538157.2019.1656212: home-care clients of high risk in
    Tampere fell into three groups, of physical, cognitive and mood needs.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.segments import risk_by_segment
    >>> scores = pd.DataFrame({"risk": [0.01 * i for i in range(100)]})
    >>> segments = pd.Series(["physical"] * 60 + ["cognitive"] * 40)
    >>> risk_by_segment(scores, segments, capacity=30)["n_high_risk"].tolist()
    [30.0, 0.0]
    """
    own = segment_series(segments)
    if not own.index.equals(scores.index):
        raise ValueError("`segments` must have the index of `scores`, in the same order.")
    n_high = _n_persons(capacity, len(scores))
    risk = scores["risk"].to_numpy(dtype=np.float64)
    order = np.argsort(-np.round(risk, 12), kind="stable")
    is_high = np.zeros(len(risk), dtype=bool)
    is_high[order[:n_high]] = True
    names = natural_order(own.unique())
    table = (
        pd.DataFrame({"segment": own.to_numpy(), "risk": risk, "high": is_high})
        .groupby("segment")
        .agg(n=("risk", "size"), n_high_risk=("high", "sum"), mean_risk=("risk", "mean"))
    )
    table = table.loc[names]
    cells = suppress(
        pd.DataFrame({"high": table["n_high_risk"], "rest": table["n"] - table["n_high_risk"]}).astype(np.int64),
        min_cell=min_cell,
    )
    shown = cells["high"].where(cells["rest"].notna())
    enough = ~is_small(table["n"].to_numpy(), min_cell=min_cell)
    return pd.DataFrame(
        {
            "segment": names,
            "n": suppress(table["n"].astype(np.int64), min_cell=min_cell).to_numpy(),
            "n_high_risk": shown.to_numpy(),
            "share_high_risk": (shown / table["n"]).to_numpy(),
            "share_of_high_risk": (shown / n_high).to_numpy(),
            "mean_risk": table["mean_risk"].where(enough).to_numpy(),
        }
    )


def care_gaps_by_segment(
    segments: pd.DataFrame | pd.Series, X: pd.DataFrame, *, min_cell: int = MIN_CELL
) -> pd.DataFrame:
    """Count overdue monitoring in every segment.

    Parameters
    ----------
    segments : DataFrame or Series
        Segment of every row.
    X : DataFrame
        Same index; its columns ``care_gap_*`` (of `CareGaps`) are used: 1 overdue, 0 done, NaN not due.
    min_cell : int, default=5
        Counts from 1 to ``min_cell - 1`` are hidden, with those that would give them away.

    Returns
    -------
    DataFrame
        segment, gap (column of X), n_due (persons whose monitoring is due), n_gap (of these, overdue), share.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.segments import care_gaps_by_segment
    >>> X = pd.DataFrame({"care_gap_diabetes_hba1c_1825d": [1.0] * 10 + [0.0] * 20 + [None] * 10})
    >>> care_gaps_by_segment(pd.Series(["S1"] * 40), X)[["n_due", "n_gap"]].to_numpy().tolist()
    [[30.0, 10.0]]
    """
    own = segment_series(segments)
    if not own.index.equals(X.index):
        raise ValueError("`X` must have the index of `segments`, in the same order.")
    gaps = [name for name in X.columns if str(name).startswith("care_gap_")]
    if not gaps:
        raise ValueError("`X` must have columns care_gap_*; it has none. Add the builder CareGaps() to the features.")
    parts = [_gap(own, X[name].to_numpy(dtype=np.float64, na_value=np.nan), name, min_cell) for name in gaps]
    table = pd.concat(parts, ignore_index=True)
    order = {name: place for place, name in enumerate(natural_order(own.unique()))}
    return table.sort_values("segment", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


@cache
def _offers() -> pd.DataFrame:
    with (files("servicenee.segments") / "offers.csv").open(encoding="utf-8") as stream:
        frame = pd.read_csv(stream, dtype=str, keep_default_na=False)
    frame["capacity_per_month"] = pd.to_numeric(frame["capacity_per_month"])
    return frame


def _sheet(row, sizes: pd.Series, offers: pd.DataFrame, language: str) -> pd.DataFrame:
    own = offers[offers["code"].isin(row.codes.split())].drop(columns="code").reset_index(drop=True)
    if not len(own):
        nothing = text("segments.action.none", language)
        own = pd.DataFrame([[nothing, "", "", np.nan]], columns=_OFFER_COLUMNS[1:])
    own["capacity_per_month"] = own["capacity_per_month"].astype(np.float64)
    name = getattr(row, f"name_{language}")
    return own.assign(segment=row.segment, name=name, n=sizes.get(row.segment, np.nan))


def _n_persons(capacity: int | float, n_rows: int) -> int:
    if isinstance(capacity, float):
        return max(1, round(check_fraction("capacity", capacity) * n_rows))
    return min(check_count("capacity", capacity), n_rows)


def _gap(own: pd.Series, values: np.ndarray, name: str, min_cell: int) -> pd.DataFrame:
    due = ~np.isnan(values)
    keys = natural_order(own.unique())
    codes = pd.Index(keys).get_indexer(own)
    n_due = np.bincount(codes[due], minlength=len(keys))
    n_gap = np.bincount(codes[due & (values == 1)], minlength=len(keys))
    cells = suppress(pd.DataFrame({"gap": n_gap, "done": n_due - n_gap}), min_cell=min_cell)
    hidden = cells.isna().any(axis=1).to_numpy()
    shown_due, shown_gap = np.where(hidden, np.nan, n_due), np.where(hidden, np.nan, n_gap)
    share = shown_gap / np.where(n_due == 0, np.nan, n_due)
    return pd.DataFrame({"segment": keys, "gap": name, "n_due": shown_due, "n_gap": shown_gap, "share": share})
