"""Registers and the sources that a model needs come in; which feeds have stopped or changed, and new codes, go out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL, is_small
from servicenee.monitoring.limits import limit
from servicenee.reference import (
    DAYS,
    LEAST_USUAL,
    TAIL_DAYS,
    DatedRows,
    KnownCodes,
    Reference,
    added_rows,
    persons_at,
    rows_in_tail,
    rows_of_sources,
    rows_per_person,
    silent_feeds,
)
from servicenee.registers import Registers
from servicenee.registers.quality import volumes_by_week
from servicenee.registers.tables import FAR_PAST, CoverageColumns

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
_CODE = ["source", "code_system", "code"]


@dataclass(frozen=True)
class Feeds:
    """What the sources that a model needs have delivered until a day, counted: of the registers, or of a part of them.

    Attributes
    ----------
    index_day, extract_day : int
        Days since 1970-01-01.
    coverage : CoverageColumns
        Of all sources.
    n_persons : int
        Registered on the index day.
    rows : dict of str to DatedRows
        By table and source such as "events emergency".
    """

    index_day: int
    extract_day: int
    coverage: CoverageColumns
    n_persons: int
    rows: dict[str, DatedRows]


@dataclass(frozen=True)
class Codes:
    """Codes of the year before a day, counted: of the registers, or of a part of them.

    Attributes
    ----------
    counts : DataFrame
        source, code_system, code, n (rows), n_persons, new (whether training did not know it).
    news : DataFrame
        source, code_system, n_persons (with one of the new codes or with several).
    """

    counts: pd.DataFrame
    news: pd.DataFrame


@dataclass(frozen=True)
class _Feed:
    """Rows of a source, and which days they cover."""

    rows: DatedRows
    first_day: int
    end_day: int
    lag_days: int


def count_feeds(registers: Registers, sources: tuple[str, ...], index_day: int) -> Feeds:
    """What the sources that a model needs have delivered until a day, since 1970-01-01."""
    return Feeds(
        index_day,
        registers.extract_day,
        registers.coverage_columns,
        persons_at(registers, index_day),
        rows_of_sources(registers, sources),
    )


def added_feeds(parts: Sequence[Feeds]) -> Feeds:
    """What has been delivered in all parts of the registers."""
    names = sorted({name for part in parts for name in part.rows})
    rows = {name: added_rows([part.rows[name] for part in parts if name in part.rows]) for name in names}
    return replace(parts[0], n_persons=sum(part.n_persons for part in parts), rows=rows)


def feed_volumes(feeds: Feeds, reference: Reference) -> pd.DataFrame:
    """Rows of every source in the weeks before the index date against those of earlier weeks, and against training.

    Parameters
    ----------
    feeds : Feeds
        What has been delivered.
    reference : Reference
        What the model remembers of training.

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
    >>> from servicenee.monitoring.feeds import count_feeds, feed_volumes
    >>> from servicenee.reference import Reference
    >>> registers = make_registers(300, random_state=0)
    >>> feeds = count_feeds(registers, ("primary_care",), registers.extract_day)
    >>> feed_volumes(feeds, Reference(0, (), (), (), {}, {}))["mark"].tolist()
    ['']
    """
    index_day, persons = feeds.index_day, feeds.n_persons
    rates = rows_per_person(feeds.rows, persons, index_day)
    silent = silent_feeds(reference, {name: int(rows.n.sum()) for name, rows in feeds.rows.items()}, persons)
    rows, is_today = [], index_day > feeds.extract_day - TAIL_DAYS
    for name in sorted({*feeds.rows, *reference.rates}):
        then, now, feed = reference.rates.get(name, np.nan), rates.get(name, 0.0), _feed(feeds, name)
        row = {**_volume(feed, index_day, then * persons / DAYS), "rate_then": then, "rate_now": now}
        if row["mark"] in ("", FEW):
            row["mark"] = STOPPED if name in silent else _level(then, now, persons) or row["mark"]
        if feed is not None and is_today and row["mark"] not in (STOPPED, ENDED):
            row |= _silent_tail(feed.rows, feeds.extract_day, reference.tails.get(name, np.nan))
        table, _, source = name.partition(" ")
        rows.append({"table": table, "source": source} | row)
    return pd.DataFrame(rows, columns=list(VOLUMES))


def source_weeks(feeds: Feeds) -> pd.DataFrame:
    """`weekly_volumes` of the last year before the index date, of the sources that a model needs."""
    # Sources of events first, each table by name.
    counted = [(*name.split(" ", 1), *_by_day(feeds.rows[name])) for name in sorted(feeds.rows)]
    volumes = volumes_by_week(counted, feeds.coverage, feeds.extract_day)
    index_date = pd.Timestamp(np.datetime64(feeds.index_day, "D"))
    near = (volumes["week"] < index_date) & (volumes["week"] >= index_date - pd.Timedelta(weeks=WEEKS_SHOWN))
    weeks = volumes[near].reset_index(drop=True)
    return weeks.assign(n=weeks["n"].astype(np.float64).mask(is_small(weeks["n"].to_numpy(dtype=np.int64))))


def count_codes(registers: Registers, sources: tuple[str, ...], reference: Reference, index_day: int) -> Codes:
    """Codes of the sources that a model needs, in the year before a day, since 1970-01-01."""
    events, known = registers.event_columns, {(one.source, one.code_system): one.codes for one in reference.codes}
    kinds = events.kinds[_CODE]
    of_sources = kinds[kinds["source"].isin(sources)]
    counts = of_sources.drop_duplicates().sort_values(_CODE, ignore_index=True)
    keys = zip(counts["source"], counts["code_system"], counts["code"], strict=True)
    counts["new"] = np.array([code not in known.get((source, system), ()) for source, system, code in keys], dtype=bool)
    # The units of one code are kinds of their own.
    code_of_kind = np.full(len(kinds), -1)
    code_of_kind[of_sources.index] = pd.MultiIndex.from_frame(counts[_CODE]).get_indexer(
        pd.MultiIndex.from_frame(of_sources)
    )
    recent, person = _recent_events(registers, index_day)
    code = code_of_kind[events.kind[recent]]
    code, person = code[code >= 0], person[code >= 0]
    counts["n"] = np.bincount(code, minlength=len(counts))
    counts["n_persons"] = _persons_with(code, person, len(counts))
    system, news = counts.groupby(_CODE[:2], sort=True).ngroup().to_numpy(), counts[_CODE[:2]].drop_duplicates()
    new = counts["new"].to_numpy()[code]
    news = news.assign(n_persons=_persons_with(system[code[new]], person[new], len(news)))
    return Codes(counts[counts["n"] > 0], news)


def added_codes(parts: Sequence[Codes]) -> Codes:
    """Codes of all parts of the registers; nobody is in two of them."""
    counts = pd.concat([part.counts for part in parts]).groupby([*_CODE, "new"], as_index=False, sort=True).sum()
    news = pd.concat([part.news for part in parts]).groupby(_CODE[:2], as_index=False, sort=True).sum()
    return Codes(counts, news)


def new_codes(codes: Codes, reference: Reference) -> pd.DataFrame:
    """Share of the last year's rows whose codes fewer than five persons had in training, or nobody.

    Parameters
    ----------
    codes : Codes
        Of the last year.
    reference : Reference
        What the model remembers of the codes.

    Returns
    -------
    DataFrame
        source; code_system; n (rows of the last year; for a code system that training did not know, all rows of the
        source); new (rows with codes that training did not know), share (of n), NaN if they are of 1 to 4 persons;
        share_then; limit; codes (the commonest new ones that at least five persons have); marked.

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.monitoring.feeds import count_codes, new_codes
    >>> from servicenee.reference import KnownCodes, Reference
    >>> known = KnownCodes("emergency", "contact", ("visit",), 0.0)
    >>> registers = make_registers(300, random_state=0)
    >>> reference = Reference(0, (), (), (known,), {}, {})
    >>> codes = count_codes(registers, ("emergency",), reference, registers.extract_day)
    >>> new_codes(codes, reference)[["code_system", "marked"]].values.tolist()
    [['ICD-10', True], ['contact', False]]
    """
    known = {(one.source, one.code_system): one for one in reference.codes}
    n_persons = codes.news.set_index(_CODE[:2])["n_persons"]
    of_source = codes.counts.groupby("source")["n"].sum()
    found = []
    for key, own in codes.counts.groupby(_CODE[:2], sort=True):
        one = known.get(key, KnownCodes(*key, (), 0.0))
        n = own["n"].sum() if key in known else of_source[key[0]]
        found.append(_codes_of(one, own[own["new"]], int(n), int(n_persons[key])))
    return pd.DataFrame(found, columns=list(CODES))


def _feed(feeds: Feeds, name: str) -> _Feed | None:
    rows = feeds.rows.get(name)
    if rows is None:
        return None
    first, end, lag = feeds.coverage.of([name.partition(" ")[2]])
    # Rows without dates of their own count as unseen for the whole lag; the window ends before them.
    own_dates = bool((rows.seen != rows.day + lag).any())
    first = int(rows.day[0]) if first == FAR_PAST else first
    return _Feed(rows, first, end, 0 if own_dates else lag)


def _by_day(rows: DatedRows) -> tuple[np.ndarray, np.ndarray]:
    day, first = np.unique(rows.day, return_index=True)
    return day, np.add.reduceat(rows.n, first)


def _volume(feed: _Feed | None, index_day: int, daily_then: float) -> dict:
    """What `feed_volumes` says of one source but its yearly rates; `daily_then` rows would come as in training."""
    volume = {"window_days": np.nan, "n": 0.0, "usual": np.nan, "limit": np.nan, "silent_days": np.nan}
    if feed is None:
        return volume | {"mark": FEW}
    before = feed.rows.day[feed.rows.day < index_day]
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


def _silent_tail(rows: DatedRows, extract_day: int, tail_then: float) -> dict:
    """The last two weeks before the extract, if emptier than late rows explain, judged by those of training."""
    n, usual = rows_in_tail(rows, extract_day)
    expected = tail_then * usual
    lowest = limit("tail") * expected
    if not (expected >= LEAST_USUAL and n < lowest):
        return {}
    mark = STOPPED if n == 0 else FADING
    return {"window_days": float(TAIL_DAYS), "n": float(n), "usual": expected, "limit": lowest, "mark": mark}


def _as_seen(feed: _Feed, index_day: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the window that could be seen on the index date and on each of the 53 weeks before; whether covered."""
    days = index_day - 7 * np.r_[0, _WEEKS]
    rows = feed.rows
    begin, stop = (np.searchsorted(rows.day, days - feed.lag_days - back) for back in (window, 0))
    spans = zip(begin.tolist(), stop.tolist(), days.tolist(), strict=True)
    counts = [rows.n[first:last][rows.seen[first:last] < day].sum() for first, last, day in spans]
    return np.array(counts, dtype=np.float64), days - feed.lag_days - window >= feed.first_day


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


def _persons_with(group: np.ndarray, person: np.ndarray, n_groups: int) -> np.ndarray:
    """Different persons of every group."""
    pairs = np.unique(person.astype(np.int64) * max(n_groups, 1) + group)
    return np.bincount(pairs % max(n_groups, 1), minlength=n_groups)


def _codes_of(known: KnownCodes, new: pd.DataFrame, n: int, n_persons: int) -> tuple:
    shown = new[new["n_persons"] >= MIN_CELL].sort_values("n", ascending=False, kind="stable")
    n_new, highest, few = int(new["n"].sum()), known.others + limit("new_codes"), is_small(n_persons)
    counted = (np.nan, np.nan) if few else (float(n_new), n_new / n)
    names = ", ".join(shown["code"].iloc[:_CODES_SHOWN])
    marked = bool(n_new / n > highest and not few)
    return known.source, known.code_system, float(n), *counted, known.others, highest, names, marked
