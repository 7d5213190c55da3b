"""Registers in; findings on them out: what reading found, and signs of gaps, outages, breaks and mixed units."""

import re

import numpy as np
import pandas as pd

from servicenee.codes import suggest_icd10
from servicenee.registers.core import Registers
from servicenee.registers.findings import COLUMNS, Findings
from servicenee.registers.quality import coded_kinds, has_pattern, source_table, weekly_volumes
from servicenee.registers.tables import FAR_FUTURE, FAR_PAST, MINUTES_PER_DAY, TextColumn

GAPS = "weeks without rows"
OUTAGE = "last complete week under 60 % of the usual"
_LATE_START = "rows begin later than those of other sources; coverage does not say so"
_SHIFT, _SPIKE = "level shift in the monthly volume", "spike in the monthly volume"
NOT_ROWS = frozenset((GAPS, OUTAGE, _LATE_START, _SHIFT, _SPIKE))  # these count weeks, days and months
_LOWEST_LAST_WEEK = 0.6
_LATE_START_DAYS = 180
_TOLERATED_OUTSIDE = 0.05  # of a source's rows while the person lived elsewhere
_SHIFT_RATIO, _SHIFT_MONTHS, _SHIFT_SIGMAS = 1.5, 6, 8.0
_UNIT_VALUES, _UNIT_LEVELS, _UNIT_RATIO, _UNIT_DISTANCE, _UNIT_SHARE = 50, 10, 4.0, 4.0, 0.02
_UNITS_SHOWN = 20_000  # values of one code looked at: every k-th, by position
_DAYS_PER_MONTH = 365.25 / 12
_CHAPTERED = ("ICD-10", "ICPC-2", "ATC")
_MOJIBAKE = re.compile("Ã[^a-zåäö]|\ufffd")  # Ã¤, Ã¶, Ã… and the sign for what could not be read
_GARBLED = "text read in another encoding than it was written in"
_OF_VISITS = ("home_care",)  # services that consist of visits
_TOLERATED_REPEATS = 0.01
_SHAPELESS, _LETTER_O = "code without the shape of its system's codes", "letter O where a zero seems to be meant"


def check_registers(registers: Registers) -> pd.DataFrame:
    """Everything that a reader of these registers should know before trusting a number made from them.

    Parameters
    ----------
    registers : Registers

    Returns
    -------
    DataFrame
        fault, table, column (or source), n, n_rows, share, action, first_rows: what reading found, as in
        `Registers.findings`, and then signs in the whole. Where weeks or months are counted, `first_rows` holds the
        first of their dates.

    See Also
    --------
    servicenee.registers.register_report : the same as a page, with volumes, coverage, delays and codes.

    Notes
    -----
    Signs are warnings, and nothing is changed: weeks without rows; a last complete week under 60 % of the median of the
    weeks around, beyond chance (`servicenee check` then ends in an error unless forced); a level shift or a spike in
    the monthly volume of a code chapter; several units, or values in two groups far apart, under one code; rows that
    begin much later than those of other sources where no coverage says so; rows available later than the reporting lag
    of their source, which follow-up takes for the time after which nothing more comes; rows of people who lived
    elsewhere; codes
    that do not have the shape of their system's; persons without a birth date or an area; text in a wrong encoding; the
    same code of one person on one day from several sources; home care without any visit.

    Examples
    --------
    >>> from servicenee import check_registers, make_registers
    >>> check_registers(make_registers(300, random_state=0)).columns.tolist()
    ['fault', 'table', 'column', 'n', 'n_rows', 'share', 'action', 'first_rows']
    """
    signs = Findings(1.0)
    _weeks(weekly_volumes(registers), signs)
    _starts(source_table(registers), registers, signs)
    _lateness(registers, signs)
    _residence(registers, signs)
    _codes(coded_kinds(registers), signs)
    _shifts(registers, signs)
    _units(registers, signs)
    _persons(registers, signs)
    _texts(registers, signs)
    _repeats(registers, signs)
    _decisions(registers, signs)
    found = [frame for frame in (registers.findings, signs.frame()) if len(frame)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(COLUMNS))


def _weeks(volumes: pd.DataFrame, signs: Findings) -> None:
    """Weeks without rows, and a last complete week that is far too thin."""
    for (table, source), weeks in volumes.groupby(["table", "source"], sort=True):
        complete = weeks[weeks["mark"] != "late"]
        gaps = complete[complete["mark"] == "gap"]
        signs.observe(table, source, GAPS, len(gaps), len(complete), "kept", _dates(gaps["week"]))
        last = complete.tail(1)
        thin = last[last["mark"].isin(["gap", "low"]) & (last["n"] < _LOWEST_LAST_WEEK * last["usual"])]
        signs.observe(table, source, OUTAGE, len(thin), 1, "kept", _dates(thin["week"]))


def _starts(sources: pd.DataFrame, registers: Registers, signs: Findings) -> None:
    """Sources that begin late without a coverage that says so: their silence before would count as no use."""
    if not len(sources):
        return
    beginning = sources["first"].min()
    late = (sources["first"] - beginning).dt.days > _LATE_START_DAYS
    for row in sources[late & sources["from"].isna()].itertuples():
        days = (row.first - beginning).days
        n_all = (registers.extract_date - beginning).days
        signs.observe(row.table, row.source, _LATE_START, days, max(n_all, days), "kept", f"{row.first:%Y-%m-%d}")


def _lateness(registers: Registers, signs: Findings) -> None:
    """Rows later than the reporting lag: follow-up, which ends that long before the extract, missed their like."""
    events, stays = registers.event_columns, registers.stay_columns
    waits = {"stays": (stays, stays.available_day - stays.start_day)}
    if events.available is not None:
        waits["events"] = (events, (events.available - events.minute) // MINUTES_PER_DAY)
    for table, (columns, days) in sorted(waits.items()):
        source_of_kind, names = pd.factorize(columns.kinds["source"], sort=True)
        late = source_of_kind[columns.kind[days > columns.lag_days[columns.kind]]]
        n, n_all = (np.bincount(rows, minlength=len(names)) for rows in (late, source_of_kind[columns.kind]))
        for name, some, everything in zip(names, n.tolist(), n_all.tolist(), strict=True):
            signs.observe(table, name, "available later than the reporting lag of the source", some, everything, "kept")


def _residence(registers: Registers, signs: Findings) -> None:
    """Rows from while the person was not registered in the area: moved, or the residence is not complete."""
    persons, events = registers.person_columns, registers.event_columns
    person = np.repeat(np.arange(len(persons), dtype=np.int32), np.diff(events.first))
    day = events.minute // MINUTES_PER_DAY
    outside = (day < persons.from_day[person]) | (day >= persons.to_day[person])
    outside &= (persons.from_day[person] != FAR_PAST) | (persons.to_day[person] != FAR_FUTURE)
    source_of_kind, names = pd.factorize(events.kinds["source"], sort=True)
    source = source_of_kind[events.kind]
    n, n_all = (np.bincount(source[rows], minlength=len(names)) for rows in (outside, slice(None)))
    for name, some, everything in zip(names, n.tolist(), n_all.tolist(), strict=True):
        if some > _TOLERATED_OUTSIDE * everything:
            signs.observe("events", name, "person not registered in the area at the time", some, everything, "kept")


def _codes(kinds: pd.DataFrame, signs: Findings) -> None:
    """Rows whose code has not the shape of its system's codes; apart, those in which an O seems to stand for a zero."""
    for system, rows in kinds.groupby("code_system", sort=True):
        if not has_pattern(system):
            continue
        empty = (rows["code"] == "").to_numpy()
        meant = np.array([system == "ICD-10" and suggest_icd10(code) is not None for code in rows["code"]], dtype=bool)
        unknown = ~rows["recognised"].to_numpy() & ~empty & ~meant
        for fault, concerned in ((_SHAPELESS, unknown), (_LETTER_O, meant), ("no code", empty)):
            n, n_all = int(rows["n"].to_numpy()[concerned].sum()), int(rows["n"].sum())
            signs.observe("events", system, fault, n, n_all, "kept")


def _shifts(registers: Registers, signs: Findings) -> None:
    """Level shifts and spikes in the monthly volume of a code chapter (code system and first letter) of a source."""
    events = registers.event_columns
    kinds = events.kinds.astype({"code": object})  # of no rows it would be taken for numbers
    chapter = kinds["code"].str[:1].where(kinds["code_system"].isin(_CHAPTERED), "")
    group_of_kind, names = pd.factorize(kinds["source"] + "|" + kinds["code_system"] + " " + chapter, sort=True)
    month = ((events.minute // MINUTES_PER_DAY) / _DAYS_PER_MONTH).astype(np.int64)
    group = group_of_kind[events.kind]
    for number, name in enumerate(names):
        source, _, what = name.partition("|")
        first, end, lag = registers.coverage_columns.of([source])
        own = month[group == number]
        begin = int(np.ceil(first / _DAYS_PER_MONTH)) if first != FAR_PAST else int(own.min()) + 1
        stop = int((min(int(end), registers.extract_day) - lag) // _DAYS_PER_MONTH)
        n = np.bincount(own[(own >= begin) & (own < stop)] - begin, minlength=max(stop - begin, 0))
        at, ratio = _largest_shift(n.astype(np.float64))
        fault = _SHIFT if ratio else _SPIKE
        at = at if ratio else _largest_spike(n.astype(np.float64))
        if at is not None:
            date = np.datetime64(0, "D") + int((begin + at) * _DAYS_PER_MONTH)
            signs.observe("events", f"{source}: {what.strip()}", fault, 1, len(n), "kept", str(date)[:7])


def _largest_shift(n: np.ndarray) -> tuple[int | None, float | None]:
    """Month from which the level is at least half as much again, or less by as much; and the ratio of the levels."""
    months = np.arange(_SHIFT_MONTHS, len(n) - _SHIFT_MONTHS + 1)
    if not len(months):
        return None, None
    total = np.r_[0.0, np.cumsum(n)]
    before, after = total[months] / months, (total[-1] - total[months]) / (len(n) - months)
    pooled = np.array([max(_spread(n[:at]), _spread(n[at:]), 1.0) for at in months])
    distance = np.abs(after - before) / (pooled * np.sqrt(1 / months + 1 / (len(n) - months)))
    best = int(np.argmax(distance))
    low, high = sorted((before[best], after[best]))
    if distance[best] < _SHIFT_SIGMAS or high < _SHIFT_RATIO * low or high < 10:
        return None, None
    return int(months[best]), float(after[best] / max(before[best], 1e-9))


def _largest_spike(n: np.ndarray) -> int | None:
    """Month with far more rows than the months around it."""
    if len(n) < 2 * _SHIFT_MONTHS:
        return None
    usual = pd.Series(n).rolling(2 * _SHIFT_MONTHS + 1, center=True, min_periods=_SHIFT_MONTHS).median().to_numpy()
    above = n - usual
    spread = max(1.4826 * float(np.median(np.abs(above))), float(np.sqrt(max(np.median(n), 1))))
    at = int(np.argmax(above))
    return at if above[at] > _SHIFT_SIGMAS * spread and n[at] > 2 * usual[at] else None


def _spread(n: np.ndarray) -> float:
    """Standard deviation from one month to the next, which a trend hardly touches."""
    return float(np.std(np.diff(n)) / np.sqrt(2)) if len(n) > 2 else 0.0


def _units(registers: Registers, signs: Findings) -> None:
    """Codes with several units, or with values in two groups far apart, as of one unit and another."""
    events = registers.event_columns
    valued = np.flatnonzero(np.isfinite(events.value) & (events.value > 0))
    code_of_kind, names = pd.factorize(events.kinds["code_system"] + " " + events.kinds["code"], sort=True)
    code = code_of_kind[events.kind[valued]]
    order = np.argsort(code, kind="stable")
    bounds = np.searchsorted(code[order], np.arange(len(names) + 1))
    for number, name in enumerate(names):
        rows = valued[order[bounds[number] : bounds[number + 1]]]
        rare = _of_rarer_units(registers, rows)
        if rare:
            signs.observe("events", name, "several units under one code", rare, len(rows), "kept")
        elif len(rows) >= _UNIT_VALUES:
            every = max(1, len(rows) // _UNITS_SHOWN)
            smaller = _smaller_group(events.value[rows[::every]])
            fault = "values in two groups far apart, as of two units"
            signs.observe("events", name, fault, smaller * every, len(rows), "kept")


def _of_rarer_units(registers: Registers, rows: np.ndarray) -> int:
    """How many of the rows have another unit than most."""
    events = registers.event_columns
    unit_of_kind, units = pd.factorize(events.kinds["unit"])
    n = np.bincount(unit_of_kind[events.kind[rows]], minlength=len(units)) * (np.array(units, dtype=object) != "")
    return int(n.sum() - n.max()) if len(n) else 0


def _smaller_group(values: np.ndarray) -> int:
    """Size of the smaller of two groups of values that are clearly apart on the log scale, else 0.

    Ashman's D of the best split; 2.65 for the halves of one normal distribution, 3.5 for those of a uniform one.
    """
    logs = np.sort(np.log(values))
    if len(np.unique(logs)) < _UNIT_LEVELS:
        return 0
    n = np.arange(1, len(logs))
    total, squares = np.cumsum(logs), np.cumsum(logs**2)
    low, high = total[:-1] / n, (total[-1] - total[:-1]) / (len(logs) - n)
    within_low = np.maximum(squares[:-1] / n - low**2, 1e-12)
    within_high = np.maximum((squares[-1] - squares[:-1]) / (len(logs) - n) - high**2, 1e-12)
    best = int(np.argmin(n * within_low + (len(logs) - n) * within_high))
    distance = np.sqrt(2) * (high[best] - low[best]) / np.sqrt(within_low[best] + within_high[best])
    smaller = int(min(n[best], len(logs) - n[best]))
    apart = distance > _UNIT_DISTANCE and high[best] - low[best] > np.log(_UNIT_RATIO)
    return smaller if apart and smaller >= _UNIT_SHARE * len(logs) else 0


def _persons(registers: Registers, signs: Findings) -> None:
    columns = registers.person_columns
    unknown = columns.birth_day == FAR_PAST
    signs.add("persons", "birth_date", "unknown", unknown, "kept, but of unknown age")
    area = columns.extra.get("area")
    if area is not None:
        signs.add("persons", "area", "unknown", area.codes < 0, "kept, as of unknown area")


def _texts(registers: Registers, signs: Findings) -> None:
    """Texts written in UTF-8 and read as Latin-1, or read with what could not be read replaced."""
    columns = registers.event_columns
    n = np.bincount(columns.kind, minlength=len(columns.kinds))
    for name in ("source", "code_system", "code", "unit"):
        broken = np.array([bool(_MOJIBAKE.search(text)) for text in columns.kinds[name]], dtype=bool)
        signs.observe("events", name, _GARBLED, int(n[broken].sum()), len(columns), "kept")
    for name, column in registers.person_columns.extra.items():
        if isinstance(column, TextColumn):
            broken = np.array([*(bool(_MOJIBAKE.search(text)) for text in column.levels), False], dtype=bool)
            signs.add("persons", name, _GARBLED, broken[column.codes], "kept")


def _repeats(registers: Registers, signs: Findings) -> None:
    """Diagnoses and the like that several sources tell of one person on one day: counted once each, or twice."""
    events = registers.event_columns
    coded = events.kinds["code_system"].isin(_CHAPTERED).to_numpy()
    rows = np.flatnonzero(coded[events.kind])
    what = events.kinds.groupby(["code_system", "code"], sort=True).ngroup().to_numpy(dtype=np.int64)
    person = np.searchsorted(events.first, rows, side="right") - 1
    table = pd.DataFrame({"person": person, "day": events.minute[rows] // MINUTES_PER_DAY})
    table["what"] = what[events.kind[rows]]
    table["source"] = pd.factorize(events.kinds["source"])[0][events.kind[rows]]
    table = table.drop_duplicates()
    n = int(table.duplicated(["person", "day", "what"]).sum())
    if n > _TOLERATED_REPEATS * len(rows):
        signs.observe("events", "source", "the same code, person and day in several sources", n, len(rows), "kept")


def _decisions(registers: Registers, signs: Findings) -> None:
    """Stays of services that are visits, without any visit: their starts may be decisions, not the service itself."""
    with_events = set(registers.event_columns.kinds["source"])
    source = registers.stay_columns.kinds["source"].to_numpy(dtype=object)[registers.stay_columns.kind]
    for name in [name for name in _OF_VISITS if name not in with_events]:
        n = int((source == name).sum())
        signs.observe("stays", name, "stays without any visit: starts may be decisions", n, n, "kept")


def _dates(weeks: pd.Series) -> str:
    return ", ".join(f"{week:%Y-%m-%d}" for week in weeks.head(3))
