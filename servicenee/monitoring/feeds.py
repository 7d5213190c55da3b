"""Registers and the sources that a model needs come in; which feeds have stopped or changed, and new codes, go out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL, is_small
from servicenee.monitoring.limits import limit
from servicenee.reference import (
    DAYS,
    LEAST_USUAL,
    TAIL_DAYS,
    KnownCodes,
    Reference,
    persons_at,
    rows_in_tail,
    rows_of_sources,
    rows_per_person,
    silent_feeds,
)
from servicenee.registers import Registers, weekly_volumes
from servicenee.registers.tables import FAR_PAST

VOLUMES = (
    *("table", "source", "window_days", "n", "usual", "limit", "silent_days"),
    *("rate_then", "rate_now", "mark"),
)
STOPPED, FADING, THIN, ENDED, MORE, LESS, FEW = "stopped", "fading", "thin", "ended", "more", "less", "few"
CODES = ("source", "code_system", "n", "new", "share", "share_then", "limit", "codes", "marked")
WEEKS_SHOWN = 53
_WINDOWS = (14, 28, 56, 112)
_WEEKS, _SEASON = np.arange(1, 54), (51, 52, 53)
_SIGMAS = 3.0
_RATE_SIGMAS = 5.0
_CODES_SHOWN = 5


@dataclass(frozen=True)
class _Feed:
    """Days of the rows of a source, in ascending order, and the day from which each could be seen."""

    day: np.ndarray
    seen: np.ndarray
    first_day: int
    end_day: int
    lag_days: int


def feed_volumes(registers: Registers, sources: tuple[str, ...], reference: Reference, index_day: int) -> pd.DataFrame:
    """Rows of every source in the weeks before the index date against those of earlier weeks, and against training.

    Parameters
    ----------
    registers : Registers
    sources : tuple of str
        Sources that the model needs.
    reference : Reference
        What it remembers of training.
    index_day : int
        Days since 1970-01-01.

    Returns
    -------
    DataFrame
        table; source; window_days (how many days before the index date are counted: as few as tell an outage from
        chance); n (rows in them that could be seen on the index date); usual (median of what could be seen on each of
        the 52 weeks before, on its day); limit; silent_days (days since the last row); rate_then and rate_now (rows a
        year for every person registered); mark: "stopped" (no rows), "fading" (some, but far fewer than usual, before
        the extract), "thin" (fewer than the limit), "ended" (the coverage says so), "less" or "more" (over the year,
        against training), "few" (too few rows to tell), or "".

    Notes
    -----
    Rows arrive late. What is counted for an earlier week is therefore what could be seen then, and not what is known
    of it now. Where rows have no dates of their own, those of the reporting lag are left out; but a feed whose last
    two weeks before the extract are empty, or nearly so, has stopped if those of the training extract were not.
    The limit is 60 % of the usual, or of the fewest around this time last year, so that Christmas and July are no
    outage; and a window must differ by more than three standard deviations of its weeks.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.monitoring.feeds import feed_volumes
    >>> from servicenee.reference import Reference
    >>> registers = make_registers(300, random_state=0)
    >>> table = feed_volumes(registers, ("primary_care",), Reference(0, (), (), (), {}, {}), registers.extract_day)
    >>> table["mark"].tolist()
    ['']
    """
    rates = rows_per_person(registers, sources, index_day)
    found = {
        f"{table} {source}": _feed(registers, table, source, day, seen)
        for table, source, _, day, seen in rows_of_sources(registers, sources)
    }
    persons = persons_at(registers, index_day)
    silent = silent_feeds(reference, {name: len(feed.day) for name, feed in found.items()}, persons)
    rows, is_today = [], index_day > registers.extract_day - TAIL_DAYS
    for name in sorted({*found, *reference.rates}):
        then, now, feed = reference.rates.get(name, np.nan), rates.get(name, 0.0), found.get(name)
        row = {**_volume(feed, index_day, then * persons / DAYS), "rate_then": then, "rate_now": now}
        if row["mark"] in ("", FEW):
            row["mark"] = STOPPED if name in silent else _level(then, now, persons) or row["mark"]
        if feed is not None and is_today and row["mark"] not in (STOPPED, ENDED):
            row |= _silent_tail(registers, feed.day, reference.tails.get(name, np.nan))
        table, _, source = name.partition(" ")
        rows.append({"table": table, "source": source} | row)
    return pd.DataFrame(rows, columns=list(VOLUMES))


def source_weeks(registers: Registers, sources: tuple[str, ...], index_day: int) -> pd.DataFrame:
    """`weekly_volumes` of the last year before the index date, of the sources that a model needs."""
    volumes = weekly_volumes(registers)
    index_date = pd.Timestamp(np.datetime64(index_day, "D"))
    near = (volumes["week"] < index_date) & (volumes["week"] >= index_date - pd.Timedelta(weeks=WEEKS_SHOWN))
    weeks = volumes[near & volumes["source"].isin(sources)].reset_index(drop=True)
    return weeks.assign(n=weeks["n"].astype(np.float64).mask(is_small(weeks["n"].to_numpy(dtype=np.int64))))


def new_codes(registers: Registers, sources: tuple[str, ...], reference: Reference, index_day: int) -> pd.DataFrame:
    """Share of the last year's rows whose codes fewer than five persons had in training, or nobody.

    Parameters
    ----------
    registers : Registers
    sources : tuple of str
        Sources that the model needs.
    reference : Reference
        What it remembers of the codes.
    index_day : int
        Days since 1970-01-01.

    Returns
    -------
    DataFrame
        source; code_system; n (rows of the last year; for a code system that training did not know, all rows of the
        source); new (rows with codes that training did not know), share (of n), NaN if they are of 1 to 4 persons;
        share_then; limit; codes (the commonest new ones that at least five persons have); marked.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.monitoring.feeds import new_codes
    >>> from servicenee.reference import KnownCodes, Reference
    >>> known = KnownCodes("emergency", "contact", ("visit",), 0.0)
    >>> registers = make_registers(300, random_state=0)
    >>> reference = Reference(0, (), (), (known,), {}, {})
    >>> new_codes(registers, ("emergency",), reference, registers.extract_day)["marked"].tolist()
    [False]
    """
    known = {(one.source, one.code_system): one for one in reference.codes}
    kinds = registers.event_columns.kinds[["source", "code_system", "code"]]
    recent, person = _recent_events(registers, index_day)
    kind = registers.event_columns.kind[recent]
    chosen = kinds["source"].isin(sources).to_numpy()[kind]
    rows = kinds.iloc[kind[chosen]].reset_index(drop=True)
    rows["person"] = person[chosen]
    of_source = rows.groupby("source", observed=True).size()
    found = []
    for key, own in rows.groupby(["source", "code_system"], sort=True, observed=True):
        one = known.get(key, KnownCodes(*key, (), 0.0))
        found.append(_codes_of(one, own, len(own) if key in known else int(of_source[key[0]])))
    return pd.DataFrame(found, columns=list(CODES))


def _feed(registers: Registers, table: str, source: str, day: np.ndarray, seen: np.ndarray) -> _Feed:
    first, end, lag = registers.coverage_columns.of([source])
    order = np.argsort(day, kind="stable")
    # Rows without dates of their own count as unseen for the whole lag; the window ends before them.
    own_dates = bool((seen != day + lag).any())
    first = int(day.min()) if first == FAR_PAST else first
    return _Feed(day[order], seen[order], first, end, 0 if own_dates else lag)


def _volume(feed: _Feed | None, index_day: int, daily_then: float) -> dict:
    """What `feed_volumes` says of one source but its yearly rates; `daily_then` rows would come as in training."""
    volume = {"window_days": np.nan, "n": 0.0, "usual": np.nan, "limit": np.nan, "silent_days": np.nan}
    if feed is None:
        return volume | {"mark": FEW}
    before = feed.day[feed.day < index_day]
    volume["silent_days"] = float(index_day - before[-1]) if len(before) else np.nan
    for window in _WINDOWS:
        counts, covered = _as_seen(feed, index_day, window)
        usual, lowest = _lowest(counts, covered, window // 7)
        if lowest > 0:
            break
    volume |= {"window_days": float(window), "n": float(counts[0]), "usual": usual}
    if feed.end_day < index_day - feed.lag_days and daily_then > 0:
        return volume | {"mark": ENDED}
    if not lowest > 0:
        # A feed that has been dead for most of the year is its own usual; training knows better.
        dead = counts[0] == 0 and daily_then * window >= LEAST_USUAL
        return volume | {"mark": STOPPED if dead else FEW}
    low = counts[0] < lowest
    return volume | {"limit": lowest, "mark": (STOPPED if counts[0] == 0 else THIN) if low else ""}


def _lowest(counts: np.ndarray, covered: np.ndarray, apart: int) -> tuple[float, float]:
    """Usual rows of a window, and the fewest that are no outage: NaN or below 0 where even none could be chance."""
    earlier = counts[1:][covered[1:]]
    usual = float(np.median(earlier)) if len(earlier) else np.nan
    if not usual >= LEAST_USUAL:
        return usual, np.nan
    season = counts[list(_SEASON)][covered[list(_SEASON)]]
    base = min(usual, float(season.min())) if len(season) else usual
    # From one window to the next one, so that a slow trend is no noise.
    steps = np.abs(earlier[apart:] - earlier[:-apart])
    spread = 1.4826 * float(np.median(steps)) / np.sqrt(2) if len(steps) else 0.0
    return usual, min(limit("volume") * base, base - _SIGMAS * max(np.sqrt(base), spread))


def _silent_tail(registers: Registers, day: np.ndarray, tail_then: float) -> dict:
    """The last two weeks before the extract, if emptier than late rows explain, judged by those of training."""
    n, usual = rows_in_tail(day, registers.extract_day)
    expected = tail_then * usual
    lowest = limit("tail") * expected
    if not (expected >= LEAST_USUAL and n < lowest):
        return {}
    mark = STOPPED if n == 0 else FADING
    return {"window_days": float(TAIL_DAYS), "n": float(n), "usual": expected, "limit": lowest, "mark": mark}


def _as_seen(feed: _Feed, index_day: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the window that could be seen on the index date and on each of the 53 weeks before; whether covered."""
    days = index_day - 7 * np.r_[0, _WEEKS]
    begin, stop = (np.searchsorted(feed.day, days - feed.lag_days - back) for back in (window, 0))
    pairs = zip(begin.tolist(), stop.tolist(), days.tolist(), strict=True)
    counts = np.array([int((feed.seen[first:last] < day).sum()) for first, last, day in pairs], dtype=np.float64)
    return counts, days - feed.lag_days - window >= feed.first_day


def _level(rate_then: float, rate_now: float, persons: int) -> str:
    """Whether a year has far more or fewer rows for every person than in training."""
    if not rate_then > 0:
        return ""
    expected = rate_then * persons
    if abs(rate_now * persons - expected) <= _RATE_SIGMAS * np.sqrt(expected):
        return ""
    ratio = rate_now / rate_then
    return LESS if ratio < limit("rate_low") else MORE if ratio > limit("rate_high") else ""


def _recent_events(registers: Registers, index_day: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the events of the last year, and the person of each."""
    events = registers.event_columns
    day = events.minute // (24 * 60)
    recent = np.flatnonzero((day >= index_day - DAYS) & (day < index_day))
    return recent, np.searchsorted(events.first, recent, side="right") - 1


def _codes_of(known: KnownCodes, rows: pd.DataFrame, n: int) -> tuple:
    new = rows[~rows["code"].isin(known.codes)]
    by_code = new.groupby("code", sort=True)["person"].agg(["size", "nunique"])
    shown = by_code[by_code["nunique"] >= MIN_CELL].sort_values("size", ascending=False, kind="stable")
    share, highest = len(new) / n, known.others + limit("new_codes")
    few = is_small(new["person"].nunique())
    counted = (np.nan, np.nan) if few else (float(len(new)), share)
    names = ", ".join(shown.index[:_CODES_SHOWN])
    marked = bool(share > highest and not few)
    return known.source, known.code_system, float(n), *counted, known.others, highest, names, marked
