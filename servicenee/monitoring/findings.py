"""Tables of a monitor run come in; findings go out: what, of what, how much, and beyond which limit."""

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL
from servicenee.evaluation.wording import GOOD_OBSERVED_EXPECTED, GOOD_SLOPE
from servicenee.monitoring.feeds import ENDED, FADING, FEW, LESS, MORE, STOPPED, THIN
from servicenee.monitoring.limits import limit

STOP, LOOK = "stop", "look"
FINDINGS = ("finding", "subject", "value", "limit", "action")
EXPIRED = "expired"
NOBODY = "nobody"
_OF_FEEDS = {STOPPED: STOP, FADING: STOP, THIN: STOP, ENDED: STOP, LESS: LOOK, MORE: LOOK}


def find(tables: dict[str, pd.DataFrame], base_rate: float | None) -> pd.DataFrame:
    """Everything beyond its limit, what stops the work first.

    Parameters
    ----------
    tables : dict of DataFrame
        Of a monitor run, as they are before anything is hidden.
    base_rate : float or None
        Event rate of training.

    Returns
    -------
    DataFrame
        finding; subject (a source, column or date; empty where there is only one thing it can be of); value; limit;
        action ("stop": do not score; "look": score, and look into it).
    """
    rows = [
        *_of_volumes(tables["volumes"]),
        *_of_codes(tables["codes"]),
        *_of_columns(tables["columns"]),
        *_of_expected(tables["expected"], base_rate),
        *_of_scores(tables),
        *_of_turnover(tables["turnover"]),
        *_of_observed(tables["observed"]),
    ]
    found = pd.DataFrame(rows, columns=list(FINDINGS))
    return found.sort_values("action", ascending=False, kind="stable", ignore_index=True)


def forced(findings: pd.DataFrame, valid_until: str, day: np.datetime64) -> pd.DataFrame:
    """The same with nothing that stops the work: somebody has decided to go on, also after the validity date."""
    days = float((day - np.datetime64(valid_until)).astype(int))
    expired = [(EXPIRED, valid_until, days, 0.0, LOOK)] if days > 0 else []
    rows = [*expired, *findings.assign(action=LOOK).itertuples(index=False, name=None)]
    return pd.DataFrame(rows, columns=list(FINDINGS))


def _of_volumes(volumes: pd.DataFrame) -> list[tuple]:
    rows = []
    for row in volumes[~volumes["mark"].isin(["", FEW])].itertuples():
        of_year = row.mark in (LESS, MORE)
        edge = limit("rate_low") if row.mark == LESS else limit("rate_high")
        value = row.rate_now / row.rate_then if of_year else row.n if row.mark in (THIN, FADING) else row.silent_days
        rows.append((row.mark, f"{row.table} {row.source}", value, edge if of_year else row.limit, _OF_FEEDS[row.mark]))
    return rows


def _of_codes(codes: pd.DataFrame) -> list[tuple]:
    marked = codes[codes["marked"].astype(bool)]
    return [("new_codes", f"{row.source} {row.code_system}", row.share, row.limit, LOOK) for row in marked.itertuples()]


def _of_columns(columns: pd.DataFrame) -> list[tuple]:
    """One finding for each topic of columns would hide the largest; one for each column would be a hundred."""
    rows = []
    for kind, flag, size, edge in (
        ("shifted", "shifted", "psi", "psi_limit"),
        ("missing", "missing_changed", "missing_change", "missing_limit"),
    ):
        table = columns.assign(missing_change=(columns["missing_now"] - columns["missing_then"]).abs())
        table = table[table[flag].astype(bool)].sort_values(size, ascending=False, kind="stable")
        if len(table):
            first = table.iloc[0]
            rows.append((kind, first["feature"], float(len(table)), float(first[edge]), LOOK))
    return rows


def _of_expected(expected: pd.DataFrame, base_rate: float | None) -> list[tuple]:
    value = expected.set_index("item")["value"]
    if value["rows"] < MIN_CELL:
        return [(NOBODY, "", 0.0, float(MIN_CELL), STOP)]
    found, rows_then, unscored = [], value["rows_then"], value.get("unscored", 0.0)
    n_persons = value["rows"] + unscored
    if unscored / n_persons > limit("unscored"):
        found.append(("unscored", "", float(unscored / n_persons), limit("unscored"), LOOK))
    ratio = n_persons / rows_then
    beyond = abs(ratio - 1) > limit("rows") and abs(n_persons - rows_then) > 5 * np.sqrt(rows_then)
    if beyond:
        found.append(("rows", "", float(ratio), limit("rows"), LOOK))
    if base_rate and "expected_auc" in value:
        ratio, n = value["mean"] / base_rate, value["rows"]
        error = 3 * np.sqrt(base_rate * (1 - base_rate) * (1 / n + 1 / max(rows_then, 1)))
        if abs(ratio - 1) > limit("expected") and abs(value["mean"] - base_rate) > error:
            found.append(("expected", "", float(ratio), limit("expected"), LOOK))
    return found


def _of_scores(tables: dict[str, pd.DataFrame]) -> list[tuple]:
    if "segments" in tables:
        drifted = tables["segments"][tables["segments"]["drifted"].astype(bool)]
        return [("segments", row.segment, row.value, row.reference, LOOK) for row in drifted.itertuples()]
    moved = tables["scores"][tables["scores"]["shifted"].astype(bool)]
    return [("scores", row.feature, row.psi, row.psi_limit, LOOK) for row in moved.itertuples()]


def _of_turnover(turnover: pd.DataFrame) -> list[tuple]:
    low = turnover[turnover["kept"] < limit("kept")]
    return [("turnover", row.before, row.kept, limit("kept"), LOOK) for row in low.itertuples()]


def _of_observed(observed: pd.DataFrame) -> list[tuple]:
    rows = []
    for metric, (lowest, highest) in (
        ("observed_expected", GOOD_OBSERVED_EXPECTED),
        ("calibration_slope", GOOD_SLOPE),
    ):
        for row in observed[observed["metric"] == metric].itertuples():
            outside = row.value < lowest or row.value > highest
            by_chance = row.lower <= 1 <= row.upper or not np.isfinite(row.lower)
            if outside and not by_chance:
                edge = lowest if row.value < lowest else highest
                rows.append((metric, row.index_dates, row.value, edge, LOOK))
    return rows
