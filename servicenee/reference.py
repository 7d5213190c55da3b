"""What a model remembers of its training: X, risks and registers come in; dates, counts and aggregates go out.

Later rows are compared with these aggregates, and no person can be found in them: numbers are counted in a few
intervals of at least five persons each, or none, and a code stands here only if at least five persons had it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from servicenee._checks import name_some
from servicenee.disclosure import MIN_CELL, is_small, tells_few
from servicenee.evaluation import calibration_slope, known_amounts, known_outcomes, labels_at
from servicenee.evaluation.horizons import horizon_columns
from servicenee.evaluation.recalibration import poisson_line
from servicenee.exceptions import ModelError
from servicenee.outcomes import EVENT, Outcome
from servicenee.outcomes.service import outcome_sources
from servicenee.registers import Registers
from servicenee.registers.tables import MINUTES_PER_DAY

DAYS = 365  # of the year before an index date, over which rows and codes are counted
TAIL_DAYS = 14
LEAST_USUAL = 10  # rows of a window, below which an empty one can be chance
_TENTHS = np.arange(0.1, 0.95, 0.1)
_ROWS_FOR_CUTS = 50_000
_DIGITS = 3  # of a cut: the value of nobody in particular
_ROWS_AT_ONCE = 2_000_000
_MIDDLE = np.int64(1) << 31  # so that any 32-bit number becomes one of at least 0
# Slope of the outcomes on the log odds of the rows learned from. Were theirs spread so much further than those of new
# rows, the stability index of normal log odds in tenths would be 0.05 with nothing changed; 0.1 is the least reported.
_STEEPEST = 1.2


@dataclass(frozen=True)
class Training:
    """What a model remembers of its training: dates and counts, no person.

    Attributes
    ----------
    index_dates : tuple of str
        ISO dates.
    extract_date : str
        Date of the registers.
    n_rows, n_persons : int
        Rows (person and index date) and persons.
    n_events : int or None
        Rows with the event; None if they are 1 to 4, and of segments.
    base_rate : float or None
        Event rate, weighted for censoring; None if there are 1 to 4 events, and of segments. Of the rows that the
        model was recalibrated on, if it was.
    digest : str
        Fingerprint of features and labels without ids: the same data gives the same one.
    recalibrated_on : tuple of str, default=()
        ISO index dates of the rows that the model was recalibrated on.
    """

    index_dates: tuple[str, ...]
    extract_date: str
    n_rows: int
    n_persons: int
    n_events: int | None
    base_rate: float | None
    digest: str
    recalibrated_on: tuple[str, ...] = ()

    @property
    def last_date(self) -> str:
        """The last index date that the model has learned anything from."""
        return max((*self.index_dates, *self.recalibrated_on))


@dataclass(frozen=True)
class Spread:
    """How the values of one column were spread over the persons of the last index date of training.

    Attributes
    ----------
    name : str
    missing : float or None
        Share of persons without a value; None if they are 1 to 4, or those with one are.
    cuts : tuple of float
        Ends of the intervals, each belonging to the interval below it.
    shares : tuple of float
        Share of the known values in each interval, one more than there are cuts.
    """

    name: str
    missing: float | None
    cuts: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class KnownCodes:
    """Codes that at least five persons had when the model was trained, of one source and code system.

    Attributes
    ----------
    source, code_system : str
    codes : tuple of str
    others : float
        Share of the rows of the last year that had another code, of fewer persons.
    """

    source: str
    code_system: str
    codes: tuple[str, ...]
    others: float


@dataclass(frozen=True)
class Reference:
    """Aggregates of the training data that later data are compared with.

    Attributes
    ----------
    n_rows : int
        Persons of the last index date of training: the earlier dates are further from today, and may reach back to
        when a source had not begun.
    columns, scores : tuple of Spread
        Of the columns of X, and of the numbers that the model gave.
    codes : tuple of KnownCodes
    rates : dict of str to float
        Rows in the year before that date, by table and source such as ``"events emergency"``, for every person
        registered then.
    tails : dict of str to float
        Rows in the last two weeks before the extract as a share of the usual, by table and source; those with few rows
        are left out.
    """

    n_rows: int
    columns: tuple[Spread, ...]
    scores: tuple[Spread, ...]
    codes: tuple[KnownCodes, ...]
    rates: dict[str, float]
    tails: dict[str, float]


@dataclass(frozen=True)
class DatedRows:
    """How many rows of a source are of which day, and could be seen from which day; in order of both.

    Attributes
    ----------
    day, seen, n : ndarray of shape (n_pairs,)
        Days since 1970-01-01, and rows with this pair of them.
    """

    day: np.ndarray
    seen: np.ndarray
    n: np.ndarray

    def before(self, days: np.ndarray) -> np.ndarray:
        """Rows that are of an earlier day than each of these."""
        return np.r_[0, np.cumsum(self.n)][np.searchsorted(self.day, days)]


def training_facts(
    X: pd.DataFrame, labels: pd.DataFrame | None, persons: np.ndarray, extract_date: pd.Timestamp
) -> Training:
    """Dates, counts and fingerprint of the training rows."""
    n_events, rate = (None, None) if labels is None else _events(labels)
    dates = np.unique(X.index.get_level_values("index_date").to_numpy().astype("datetime64[D]"))
    digest = hashlib.sha256("\n".join(X.columns).encode())
    for table in (X,) if labels is None else (X, labels):
        for name in table.columns:
            digest.update(table[name].to_numpy(dtype=np.float64).tobytes())
    return Training(
        index_dates=tuple(str(date) for date in dates),
        extract_date=f"{extract_date:%Y-%m-%d}",
        n_rows=len(X),
        n_persons=len(np.unique(persons)),
        n_events=n_events,
        base_rate=rate,
        digest=digest.hexdigest()[:16],
    )


def take_reference(X: pd.DataFrame, scores: pd.DataFrame, registers: Registers, sources: tuple[str, ...]) -> Reference:
    """Aggregates of the training rows, and of the registers that they were made of.

    Parameters
    ----------
    X, scores : DataFrame, index (person_id, index_date)
        Features, and what the estimator gave; columns of text are left out.
    registers : Registers
    sources : tuple of str
        Sources that the model needs.

    Returns
    -------
    Reference
    """
    dates = X.index.get_level_values("index_date")
    last = np.asarray(dates == dates.max())
    X, scores = X[last], scores[last]
    day = int(dates.max().to_datetime64().astype("datetime64[D]").astype(int))
    rows = rows_of_sources(registers, sources)
    return Reference(
        n_rows=len(X),
        columns=tuple(_spread(name, X[name]) for name in X),
        scores=tuple(_spread(name, scores[name]) for name in scores if _is_number(scores[name])),
        codes=tuple(_known_codes(registers, sources)),
        rates=rows_per_person(rows, persons_at(registers, day), day),
        tails=_tails(rows, registers.extract_day),
    )


def comparable_scores(scores: pd.DataFrame, labels: pd.DataFrame | None) -> pd.DataFrame:
    """Scores of the rows learned from if those of new rows are spread alike; else the same rows without a column.

    An estimator that knows its own rows by heart gives them risks near 0 and 1, and others to everybody else: the
    stability index would report a shift where nothing has moved. The slope of the outcomes on the scores tells.
    """
    if labels is None or not len(scores):
        return scores
    curve = horizon_columns(scores)
    if "expected" in scores:
        positions, amount, weight = known_amounts(labels)
        logs = np.log(np.maximum(scores["expected"].to_numpy(dtype=np.float64)[positions], 1e-9))
        flat, slope = np.ptp(logs) == 0, poisson_line(logs, weight * amount, weight)[1]
    else:
        risk = scores[curve[max(curve)]] if curve else scores["risk"]
        known = risk.notna().to_numpy()
        labels, risk = labels[known], risk[known]
        flat = risk.nunique() < 2
        slope = np.nan if flat else calibration_slope(labels_at(labels, max(curve)) if curve else labels, risk)
    return scores if flat or slope <= _STEEPEST else scores[[]]


def recalibrated_facts(facts: Training, labels: pd.DataFrame) -> Training:
    """The facts of a model that has been recalibrated on these rows: its level is theirs, and so are its dates."""
    dates = np.unique(labels.index.get_level_values("index_date").to_numpy().astype("datetime64[D]"))
    return replace(facts, base_rate=_events(labels)[1], recalibrated_on=tuple(str(date) for date in dates))


def moved_reference(then: Reference, now: Reference) -> Reference:
    """The reference of a model moved to other rows: all is compared with these, but codes with those it learned."""
    return replace(now, codes=then.codes, rates=then.rates | now.rates)


def needed_sources(feature_table: pd.DataFrame, outcome: Outcome | None, registers: Registers) -> tuple[str, ...]:
    """Sources of the features and of the outcome, in order of name."""
    needed = {source for names in feature_table["source"] for source in names.split()}
    if outcome is not None:
        needed |= set(outcome_sources(registers, outcome.definition))
    return tuple(sorted(needed))


def silent_feeds(reference: Reference, n_rows: Mapping[str, int], n_persons: int) -> list[str]:
    """Tables and sources such as "events emergency" without a row, though so many persons once had ten a year."""
    expected = {name: rate * n_persons for name, rate in reference.rates.items()}
    return sorted(name for name, n in expected.items() if n >= LEAST_USUAL and not n_rows.get(name))


def check_sources(table: pd.DataFrame, registers: Registers) -> None:
    """A source that training had and these registers lack would silently turn its columns into something else."""
    known = set(registers.coverage_columns.source)
    lacking: dict[str, list[str]] = {}
    for name, sources in zip(table["feature"], table["source"], strict=True):
        for source in sources.split():
            if source not in known:
                lacking.setdefault(source, []).append(name)
    if lacking:
        parts = [f"{source} (columns {name_some(names)})" for source, names in lacking.items()]
        raise ModelError(
            f"the registers lack {len(lacking)} sources the model was trained with: {'; '.join(parts)}. Deliver them, "
            "or train a model without them."
        )


def counts_between(cuts: tuple[float, ...], values: np.ndarray) -> np.ndarray:
    """How many of the known values lie in each interval, a cut belonging to the interval below it."""
    known = values[~np.isnan(values)]
    return np.bincount(np.searchsorted(np.asarray(cuts), known, side="left"), minlength=len(cuts) + 1)


def rows_of_sources(registers: Registers, sources: tuple[str, ...]) -> dict[str, DatedRows]:
    """Rows of every source by their days, under table and source such as "events emergency"; none of one without."""
    events, stays, found = registers.event_columns, registers.stay_columns, {}
    for table, columns in (("events", events), ("stays", stays)):
        of_kind = columns.kinds["source"].to_numpy(dtype=object)
        for source in sources:
            rows = np.flatnonzero((of_kind == source)[columns.kind])
            if not len(rows):
                continue
            if table == "stays":
                day, seen = columns.start_day[rows], columns.available_day[rows]
            else:
                day = columns.minute[rows] // MINUTES_PER_DAY
                lag = columns.lag_days[columns.kind[rows]]
                seen = day + lag if columns.available is None else columns.available[rows] // MINUTES_PER_DAY
            found[f"{table} {source}"] = dated_rows(day, seen)
    return found


def dated_rows(day: np.ndarray, seen: np.ndarray) -> DatedRows:
    """Rows of these days, counted by pairs."""
    pairs, n = np.unique((day.astype(np.int64) << 32) + (seen + _MIDDLE), return_counts=True)
    return DatedRows(pairs >> 32, (pairs & (2 * _MIDDLE - 1)) - _MIDDLE, n)


def added_rows(parts: Iterable[DatedRows]) -> DatedRows:
    """Rows of a source from several parts of the registers."""
    day, seen, n = (np.concatenate(columns) for columns in zip(*((p.day, p.seen, p.n) for p in parts), strict=True))
    order = np.lexsort((seen, day))
    day, seen, n = day[order], seen[order], n[order]
    first = np.flatnonzero(np.r_[True, (day[1:] != day[:-1]) | (seen[1:] != seen[:-1])])
    return DatedRows(day[first], seen[first], np.add.reduceat(n, first))


def rows_per_person(rows: Mapping[str, DatedRows], n_persons: int, day: int) -> dict[str, float]:
    """Rows of the year before a day that could be seen then, for every person registered on it, by table and source."""
    rates = {}
    for name, one in rows.items():
        n = int(one.n[(one.day >= day - DAYS) & (one.day < day) & (one.seen < day)].sum())
        rates[name] = 0.0 if is_small(n) else n / max(n_persons, 1)
    return rates


def persons_at(registers: Registers, day: int) -> int:
    """Persons alive and registered in the area on a day."""
    persons = registers.person_columns
    return int(((persons.from_day <= day) & (persons.to_day > day) & (persons.death_day > day)).sum())


def plain_reference(reference: Reference) -> dict:
    """JSON values of a reference."""
    return asdict(reference)


def reference_from(plain: dict) -> Reference:
    """The reference that `plain_reference` wrote."""
    spreads = {
        part: tuple(
            Spread(one["name"], one["missing"], tuple(one["cuts"]), tuple(one["shares"])) for one in plain[part]
        )
        for part in ("columns", "scores")
    }
    codes = tuple(KnownCodes(**{**one, "codes": tuple(one["codes"])}) for one in plain["codes"])
    others = {name: plain[name] for name in ("n_rows", "rates", "tails")}
    return Reference(**spreads, codes=codes, **others)


def persons_by_kind(registers: Registers) -> np.ndarray:
    """How many different persons have each kind of event."""
    events = registers.event_columns
    n_kinds = len(events.kinds)
    n_persons = np.zeros(n_kinds, dtype=np.int64)
    # Some persons at a time: one sort of all events would take more memory than the events.
    starts = np.searchsorted(events.first, np.arange(0, len(events), _ROWS_AT_ONCE), side="left")
    bounds = np.unique(np.r_[0, starts, len(events.first) - 1])
    for begin, stop in pairwise(bounds.tolist()):
        rows = slice(events.first[begin], events.first[stop])
        person = np.repeat(np.arange(stop - begin, dtype=np.int64), np.diff(events.first[begin : stop + 1]))
        pairs = np.unique(person * n_kinds + events.kind[rows])
        n_persons += np.bincount(pairs % n_kinds, minlength=n_kinds) if n_kinds else 0
    return n_persons


def rows_in_tail(rows: DatedRows, extract_day: int) -> tuple[int, float]:
    """Rows of the last two weeks before the extract, late ones missing, and how many two weeks of the year before had.

    The second is NaN where the year had few rows.
    """
    ends = extract_day - np.r_[0, np.arange(TAIL_DAYS, DAYS, 7)]
    counts = rows.before(ends) - rows.before(ends - TAIL_DAYS)
    usual = float(np.median(counts[1:]))
    return int(counts[0]), usual if usual >= LEAST_USUAL else np.nan


def _tails(rows: Mapping[str, DatedRows], extract_day: int) -> dict[str, float]:
    found = {}
    for name, one in rows.items():
        n, usual = rows_in_tail(one, extract_day)
        if np.isfinite(usual) and not is_small(n):
            found[name] = round(n / usual, 6)
    return found


def _spread(name: str, column: pd.Series) -> Spread:
    values = column.to_numpy(dtype=np.float64)
    known = values[~np.isnan(values)]
    n_missing = len(values) - len(known)
    missing = None if tells_few(n_missing, len(values)) else round(n_missing / max(len(values), 1), 6)
    cuts, counts = _intervals(known) if len(known) >= MIN_CELL else ((), np.zeros(1))
    shares = counts / max(counts.sum(), 1)
    return Spread(str(name), missing, cuts, tuple(round(float(share), 6) for share in shares))


def _intervals(known: np.ndarray) -> tuple[tuple[float, ...], np.ndarray]:
    """Cuts at about the tenths of the values, and how many values lie in each interval, none of them by 1 to 4."""
    sample = known[:: max(1, len(known) // _ROWS_FOR_CUTS)]
    tenths = np.quantile(sample, _TENTHS, method="nearest")
    cuts = sorted({float(f"{value:.{_DIGITS}g}") for value in tenths.tolist()})
    counts = counts_between(tuple(cuts), known).tolist()
    # The last cut stays: above the commonest value of a rare column there is a place for those who get another.
    while len(cuts) > 1 and min(counts) < MIN_CELL:
        at = int(np.argmin(counts))
        below = at > 0 and (at == len(counts) - 1 or counts[at - 1] <= counts[at + 1])
        first = at - 1 if below else at
        counts[first : first + 2] = [counts[first] + counts[first + 1]]
        del cuts[first]
    if min(counts) < MIN_CELL:
        counts = [0 if n == min(counts) else len(known) for n in counts]
    return tuple(cuts), np.array(counts)


def _known_codes(registers: Registers, sources: tuple[str, ...]) -> list[KnownCodes]:
    events = registers.event_columns
    kinds = events.kinds[["source", "code_system", "code"]].copy()
    recent = events.minute >= (registers.extract_day - DAYS) * MINUTES_PER_DAY
    kinds["n"] = np.bincount(events.kind[recent], minlength=len(kinds))
    kinds["persons"] = persons_by_kind(registers)
    kinds = kinds[kinds["source"].isin(sources)]
    # The units of one code are kinds of their own; persons with several of them would count twice in a sum.
    of_code = kinds.groupby(["source", "code_system", "code"], sort=True, as_index=False).agg(
        {"n": "sum", "persons": "max"}
    )
    found = []
    for (source, system), rows in of_code.groupby(["source", "code_system"], sort=True):
        known = rows["persons"] >= MIN_CELL
        total, others = int(rows["n"].sum()), int(rows.loc[~known, "n"].sum())
        found.append(KnownCodes(source, system, tuple(rows.loc[known, "code"]), round(others / max(total, 1), 6)))
    return found


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _events(labels: pd.DataFrame) -> tuple[int | None, float | None]:
    """Number of events and their rate, weighted for censoring; None for 1 to 4 events."""
    known = known_outcomes(labels)
    n_events = int((labels["status"] == EVENT).sum())
    if is_small(n_events):
        return None, None
    return n_events, float(np.average(known.y, weights=known.weights)) if len(known.y) else float("nan")
