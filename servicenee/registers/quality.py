"""Registers in; tables on their quality out: what came in which week, from when, how late, and in which codes."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee.registers.core import Registers
from servicenee.registers.tables import FAR_FUTURE, FAR_PAST, MINUTES_PER_DAY, CoverageColumns, EventColumns, to_dates

LAG_DAYS = (0, 1, 3, 7, 14, 30, 60, 90, 180, 365)
_MONDAY = 3  # 1970-01-01, day 0, was a Thursday: weeks begin on Mondays
_WEEKS_AROUND = 53
_LOW, _HIGH = 0.6, 2.0  # of the usual volume
_LEAST_USUAL = 5  # rows a week, below which a week without any tells nothing


def weekly_volumes(registers: Registers) -> pd.DataFrame:
    """Rows of every source by week, within its coverage.

    Parameters
    ----------
    registers : Registers

    Returns
    -------
    DataFrame
        table (events or stays), source, week (its Monday), n, usual (median of the weeks around), mark: "gap" (no rows
        where at least five are usual), "low" (under 60 % of the usual), "high" (over twice the usual), each beyond
        chance, "late" (too near the extract for all rows to have come, by the source's reporting lag), else "".

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.registers import weekly_volumes
    >>> weekly_volumes(make_registers(100, random_state=0)).columns.tolist()
    ['table', 'source', 'week', 'n', 'usual', 'mark']
    """
    counted = [(*name, *np.unique(day, return_counts=True)) for *name, day in _days_by_source(registers)]
    return volumes_by_week(counted, registers.coverage_columns, registers.extract_day)


def volumes_by_week(
    counted: Iterable[tuple[str, str, np.ndarray, np.ndarray]], coverage: CoverageColumns, extract_day: int
) -> pd.DataFrame:
    """`weekly_volumes` of rows that were counted before: table, source, days, and how many rows are of each."""
    made = []
    for table, source, day, n_rows in counted:
        first, end, lag = _covered(coverage, extract_day, source, day)
        if end <= first:
            continue
        inside = (day >= first) & (day < end)
        week_of_first, last_week = (first + _MONDAY + 6) // 7, (end - 1 + _MONDAY) // 7
        if last_week < week_of_first:
            continue
        week = np.maximum((day[inside] + _MONDAY) // 7 - week_of_first, -1) + 1
        n = np.bincount(week, n_rows[inside], minlength=1)[1:].astype(np.int64)
        n = np.pad(n, (0, last_week - week_of_first + 1 - len(n)))
        monday = np.arange(week_of_first, last_week + 1) * 7 - _MONDAY
        late = monday + 7 > min(end, extract_day - lag)
        usual = _usual(n, ~late)
        frame = {"table": table, "source": source, "week": to_dates(monday.astype(np.int32)), "n": n, "usual": usual}
        made.append(pd.DataFrame(frame | {"mark": np.where(late, "late", _marks(n, usual, ~late))}))
    columns = ["table", "source", "week", "n", "usual", "mark"]
    return pd.concat(made, ignore_index=True)[columns] if made else pd.DataFrame(columns=columns)


def lag_curve(registers: Registers) -> pd.DataFrame:
    """Share of the events of every source that had arrived so many days after they happened.

    Parameters
    ----------
    registers : Registers

    Returns
    -------
    DataFrame
        source, days, n (rows with a date of their own in `available_at`), share. A source whose rows have no such
        dates, so that only the lag of the coverage is known, is left out.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.registers import lag_curve
    >>> lag_curve(make_registers(100, random_state=0)).columns.tolist()
    ['source', 'days', 'n', 'share']
    """
    columns = registers.event_columns
    rows = []
    source_of_kind, names = pd.factorize(columns.kinds["source"], sort=True)
    if columns.available is not None and len(columns):
        waited = (columns.available - columns.minute) // MINUTES_PER_DAY
        dated = waited != columns.lag_days[columns.kind]
        source = source_of_kind[columns.kind]
        for number, name in enumerate(names):
            own = waited[source == number]
            if not dated[source == number].any():
                continue
            rows += [(name, days, len(own), float((own <= days).mean())) for days in LAG_DAYS]
    return pd.DataFrame(rows, columns=["source", "days", "n", "share"])


def source_table(registers: Registers) -> pd.DataFrame:
    """Every source with its rows and its coverage.

    Parameters
    ----------
    registers : Registers

    Returns
    -------
    DataFrame
        table, source, n, first and last (days of rows), from and to (coverage; missing: all time), reporting_lag_days.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.registers import source_table
    >>> sorted(set(source_table(make_registers(100, random_state=0))["table"]))
    ['events', 'stays']
    """
    coverage = registers.coverage.set_index("source")
    rows = []
    for table, source, day in _days_by_source(registers):
        ends = to_dates(np.array([day.min(), day.max()], dtype=np.int32))
        rows.append((table, source, len(day), *ends, *coverage.loc[source]))
    names = ["table", "source", "n", "first", "last", "from", "to", "reporting_lag_days"]
    return pd.DataFrame(rows, columns=names)


def code_systems(registers: Registers) -> pd.DataFrame:
    """Code systems of the events, and the share of rows whose code has the shape of the system's codes.

    Parameters
    ----------
    registers : Registers

    Returns
    -------
    DataFrame
        code_system, n, n_codes, empty (share of rows without a code), recognised (share of rows; missing where the
        shape of the system's codes is not known here).

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.registers import code_systems
    >>> table = code_systems(make_registers(100, random_state=0)).set_index("code_system")
    >>> float(table.loc["ATC", "recognised"])
    1.0
    """
    kinds = coded_kinds(registers)
    known = kinds.assign(recognised=kinds["n"].where(kinds["recognised"]), empty=kinds["n"].where(kinds["code"] == ""))
    table = known.groupby("code_system", sort=True).agg(
        n=("n", "sum"), n_codes=("code", "nunique"), empty=("empty", "sum"), recognised=("recognised", "sum")
    )
    table["empty"] /= table["n"]
    table["recognised"] = (table["recognised"] / table["n"]).where(table.index.isin(_patterns()))
    return table.reset_index()


def coded_kinds(registers: Registers) -> pd.DataFrame:
    """source, code_system, code, n, and whether the code has the shape of its system's codes."""
    columns: EventColumns = registers.event_columns
    kinds = columns.kinds[["source", "code_system", "code"]].copy()
    kinds["n"] = np.bincount(columns.kind, minlength=len(kinds))
    kinds = kinds.groupby(["source", "code_system", "code"], sort=True, as_index=False)["n"].sum()
    patterns = _patterns()
    pairs = zip(kinds["code_system"], kinds["code"], strict=True)
    kinds["recognised"] = [bool(system in patterns and patterns[system].fullmatch(code)) for system, code in pairs]
    return kinds


@cache
def _patterns() -> dict[str, re.Pattern]:
    with (files("servicenee.registers") / "data" / "code_patterns.csv").open(encoding="utf-8") as stream:
        rows = pd.read_csv(stream, dtype=str)
    return {system: re.compile(pattern) for system, pattern in zip(rows["code_system"], rows["pattern"], strict=True)}


def has_pattern(code_system: str) -> bool:
    """True for a code system whose codes can be told by their shape."""
    return code_system in _patterns()


def _days_by_source(registers: Registers):
    """Table, source and the days of its rows, for every source of events and of stays that has rows."""
    events, stays = registers.event_columns, registers.stay_columns
    for table, columns, day in (
        ("events", events, events.minute // MINUTES_PER_DAY),
        ("stays", stays, stays.start_day),
    ):
        source_of_kind, names = pd.factorize(columns.kinds["source"], sort=True)
        source = source_of_kind[columns.kind]
        for number, name in enumerate(names):
            own = day[source == number]
            if len(own):
                yield table, name, own


def _covered(coverage: CoverageColumns, extract_day: int, source: str, day: np.ndarray) -> tuple[int, int, int]:
    """First day of the coverage, or of the rows where it is not told; the first day not covered; the lag."""
    first, end, lag = coverage.of([source])
    first = int(day.min()) if first == FAR_PAST else first
    return first, int(extract_day if end == FAR_FUTURE else end), lag


def _usual(n: np.ndarray, complete: np.ndarray) -> np.ndarray:
    """Median of the complete weeks around each week."""
    counted = pd.Series(np.where(complete, n, np.nan))
    return counted.rolling(_WEEKS_AROUND, center=True, min_periods=1).median().ffill().fillna(0).to_numpy()


def _marks(n: np.ndarray, usual: np.ndarray, complete: np.ndarray) -> np.ndarray:
    """Weeks that differ from the usual by far more than the source's weeks do among themselves."""
    away = np.abs(n - usual)[complete]
    spread = 1.4826 * float(np.median(away)) if len(away) else 0.0  # rows come in clusters, such as six scales at once
    chance = np.maximum(np.sqrt(np.maximum(usual, 1)), spread)
    below = usual - n > 3 * chance
    gap = (n == 0) & (usual >= _LEAST_USUAL) & below
    high = (n > _HIGH * usual) & (n - usual > 5 * chance) & (usual > 0)
    return np.select([gap, (n < _LOW * usual) & below, high], ["gap", "low", "high"], "")
