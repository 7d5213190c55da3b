"""Tables of a monitor run come in; the same without anything that tells of one to four persons goes out.

Whether something is beyond its limit is decided before, on the true figures: what is hidden may still be a finding.
"""

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL, enough_beyond, is_small, suppress, tells_few
from servicenee.monitoring.drift import QUANTILES
from servicenee.monitoring.feeds import FADING, THIN

_DIGITS = 3  # of a single risk: that of nobody in particular
_OF_LIST = ["lowest_risk", "listed_events", "expected_ppv", "expected_sensitivity"]
_BEFORE = ["stayed", "dropped", "left"]


def protected(tables: dict[str, pd.DataFrame], *, n_persons: int, n_scored: int) -> dict[str, pd.DataFrame]:
    """Hide what tells of 1 to 4 persons, or rows.

    Parameters
    ----------
    tables : dict of DataFrame
        Of a monitor run, with its findings.
    n_persons, n_scored : int
        Persons in the population, and those of them with a score.

    Returns
    -------
    dict of DataFrame
        The same tables, with NaN where hidden.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.monitoring.protection import protected
    >>> intervals = pd.DataFrame({"then": [0.2, 0.3, 0.5], "now": [0.05, 0.25, 0.7]})
    >>> protected({"intervals": intervals}, n_persons=60, n_scored=60)["intervals"]["now"].tolist()
    [nan, nan, 0.7]
    """
    hide = {
        "volumes": _volumes,
        "codes": _codes,
        "columns": lambda table: _columns(table, n_persons, n_scored),
        "scores": lambda table: _columns(table, n_scored, n_scored),
        "quantiles": lambda table: _quantiles(table, n_scored),
        "intervals": lambda table: table.assign(now=_shares(table["now"], n_scored)),
        "segments": lambda table: _segments(table, n_persons),
        "expected": _expected,
        "turnover": _turnover,
    }
    shown = {name: hide[name](table) if name in hide and len(table) else table for name, table in tables.items()}
    if "findings" not in tables:
        return shown
    return shown | {"findings": _findings(tables["findings"], shown, n_persons, n_scored)}


def _volumes(table: pd.DataFrame) -> pd.DataFrame:
    counts = ["n", "usual"]
    return table.assign(**{name: table[name].mask(is_small(table[name].fillna(0.0))) for name in counts})


def _codes(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a few persons are not counted as new by `new_codes` itself."""
    n, new = table["n"], table["new"]
    few = tells_few(new.fillna(0.0), n)
    return table.assign(n=n.mask(is_small(n)), new=new.mask(few), share=table["share"].mask(few))


def _columns(table: pd.DataFrame, total: int, n_scored: int) -> pd.DataFrame:
    some = is_small(table["n"].to_numpy())
    hidden = tells_few(table["n"].to_numpy(), total)
    # Beside the number of those with a score, that of all would tell of a few without one.
    shown = table.assign(
        n=table["n"].mask(hidden | tells_few(n_scored, total)), missing_now=table["missing_now"].mask(hidden)
    )
    # An index of 58 persons out of 60 is not that of 60: its last digits would tell.
    measures = {name: table[name].where(~hidden, table[name].round(2)).mask(some) for name in ("psi", "higher")}
    return shown.assign(**measures, psi_limit=table["psi_limit"].mask(some))


def _quantiles(table: pd.DataFrame, total: int) -> pd.DataFrame:
    shown = table.copy()
    for name, enough in zip(table.columns[2:], enough_beyond(QUANTILES, total), strict=True):
        shown[name] = [_rounded(value) for value in table[name]] if enough else np.nan
    return shown if total >= MIN_CELL else shown.assign(mean=np.nan)


def _shares(shares: pd.Series, total: int) -> pd.Series:
    """Shares of one total, those of a few persons hidden with others beside them."""
    hidden = suppress((shares * total).round().astype(np.int64)).isna()
    return shares.mask(hidden | (total < MIN_CELL))


def _segments(table: pd.DataFrame, total: int) -> pd.DataFrame:
    shares = table.loc[table["measure"] == "share", "value"]
    return table.assign(value=pd.concat([_shares(shares, total), table["value"].drop(shares.index)]))


def _expected(table: pd.DataFrame) -> pd.DataFrame:
    shown, value = table.set_index("item"), table.set_index("item")["value"]
    if is_small(value["rows"]):
        shown.loc[shown.index != "rows_then", ["value", "lower", "upper"]] = np.nan
    elif "listed" in value and tells_few(value["listed"], value["rows"]):
        shown.loc[_OF_LIST, ["value", "lower", "upper"]] = np.nan
    for name in {"listed", "unscored", "rows_then"} & set(value.index):
        shown.loc[name, "value"] = np.nan if is_small(value[name]) else value[name]
    if "lowest_risk" in value:
        shown.loc["lowest_risk", "value"] = _rounded(shown.loc["lowest_risk", "value"])
    return shown.reset_index()[list(table.columns)]


def _turnover(table: pd.DataFrame) -> pd.DataFrame:
    shown = table.copy()
    for row in table.index:
        counts = table.loc[row, _BEFORE].astype(np.int64)
        # Those newly listed follow from the length of the list.
        few = tells_few(counts["stayed"], int(table.loc[row, "listed"]))
        shown.loc[row, _BEFORE] = np.nan if few else suppress(counts)
        if few or suppress(counts).isna()["stayed"]:
            shown.loc[row, ["kept", "jaccard"]] = np.nan
    return shown


def _findings(found: pd.DataFrame, shown: dict[str, pd.DataFrame], n_persons: int, n_scored: int) -> pd.DataFrame:
    """Findings whose values would tell what their tables hide keep their limit, and lose the value."""
    volumes, codes, turnover = (shown[name] for name in ("volumes", "codes", "turnover"))
    few = volumes[volumes["n"].isna() & volumes["mark"].isin([THIN, FADING])]
    hidden = {
        *zip(few["mark"], few["table"] + " " + few["source"], strict=True),
        *(("new_codes", f"{row.source} {row.code_system}") for row in codes[codes["share"].isna()].itertuples()),
        *(("turnover", before) for before in turnover.loc[turnover["kept"].isna(), "before"]),
        *_few_segments(shown),
        *([("rows", ""), ("expected", "")] if is_small(n_persons) or is_small(n_scored) else []),
        *([("unscored", "")] if tells_few(n_scored, n_persons) else []),
    }
    keys = zip(found["finding"], found["subject"], strict=True)
    return found.assign(value=found["value"].mask(np.array([key in hidden for key in keys], dtype=bool)))


def _few_segments(shown: dict[str, pd.DataFrame]) -> list[tuple[str, str]]:
    if "segments" not in shown:
        return []
    segments = shown["segments"]
    return [("segments", name) for name in segments.loc[segments["value"].isna(), "segment"]]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
