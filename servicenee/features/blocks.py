"""What a builder asks for: blocks of feature columns, each with the measures that fill it and words for readers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from servicenee._checks import check_days
from servicenee.codes import Codelist, as_codelist, shipped_codelists
from servicenee.cohort import Cohort
from servicenee.features.labels import ALL_EVENTS, ALL_STAYS, label, of_source, topic_of
from servicenee.registers import Registers
from servicenee.registers.tables import EventColumns, unfilled
from servicenee.windows import Measure, Window, measure_events, measure_stays

_ROWS_WITH_PARTS = 50_000  # derived columns keep their parts in memory for this many rows at a time
_OF_THE_DEAD = "cause_of_death"  # a year late and about nobody who lives on an index date: its silence tells nothing
EVENT_COLUMNS = ("source", "code_system", "code", "unit")


_EVER = Window(None)


@dataclass(frozen=True)
class Feature:
    """One column of X, described without a person and without a language; words for readers are made when asked for."""

    name: str
    measure: str
    source: tuple[str, ...] = ()
    codes: str = ""
    group: str = ""
    window: Window = _EVER
    topic: str = "background"
    words: Callable[[], dict[str, str]] = dict

    @property
    def labels(self) -> dict[str, str]:
        """Noun phrase in every language."""
        return self.words()


@dataclass(frozen=True)
class Records:
    """Events behind the columns of a block: kinds of every column (columns × kinds), values of a kind that count."""

    kinds: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def counting(self, events: EventColumns) -> np.ndarray:
        """Which of the events have a value that counts."""
        return (events.value >= self.low[events.kind]) & (events.value <= self.high[events.kind])


@dataclass(frozen=True)
class Block:
    """Columns filled by measures of events or stays, by a function of the cohort, or derived from other blocks.

    A derived block has `parts` and a function `derive(cohort, *filled)`; `filled` are the float32 arrays (columns ×
    rows) of the parts. Parts share the one pass over the events, but are no columns of X. A block with `compute` may
    say in `records` which events it reads, for the dates that stand behind a reason.
    """

    features: tuple[Feature, ...]
    measures: tuple[Measure, ...] = ()
    of_stays: bool = False
    compute: Callable[[Cohort], np.ndarray] | None = None
    records: Records | None = None
    parts: tuple["Block", ...] = ()
    derive: Callable[..., np.ndarray] | None = None


@dataclass(frozen=True)
class Group:
    """Kinds counted together in one column: what it is called and which sources must cover the window."""

    name: str
    kinds: np.ndarray
    sources: tuple[str, ...]
    codes: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def fill(cohort: Cohort, blocks: list[Block]) -> np.ndarray:
    """Matrix of all blocks, feature-major: float32 of shape (n_columns, n_rows)."""
    n_columns = sum(len(block.features) for block in blocks)
    out = unfilled((n_columns, len(cohort)), np.float32)
    parts = [part for block in blocks for part in block.parts]
    if not parts:
        _fill_plain(cohort, blocks, out)
        return out
    n_parts = sum(len(part.features) for part in parts)
    for start in range(0, len(cohort), _ROWS_WITH_PARTS):
        some = cohort[start : start + _ROWS_WITH_PARTS]
        work = np.empty((n_columns + n_parts, len(some)), dtype=np.float32)
        _fill_plain(some, [*blocks, *parts], work)
        _derive(some, blocks, work, n_columns)
        out[:, start : start + len(some)] = work[:n_columns]
    return out


def _fill_plain(cohort: Cohort, blocks: list[Block], out: np.ndarray) -> None:
    registers = cohort.registers
    events, stays, column = [], [], 0
    for block in blocks:
        if block.compute is not None:
            out[column : column + len(block.features)] = block.compute(cohort)
        asked = stays if block.of_stays else events
        asked += [(column, measure) for measure in block.measures]
        column += len(block.features)
    where = (registers.coverage_columns, cohort.person, cohort.index_day)
    if events:
        measure_events(registers.event_columns, *where, events, out)
    if stays:
        measure_stays(registers.stay_columns, *where, stays, out)


def _derive(cohort: Cohort, blocks: list[Block], work: np.ndarray, n_columns: int) -> None:
    column, part_column = 0, n_columns
    for block in blocks:
        filled = []
        for part in block.parts:
            filled.append(work[part_column : part_column + len(part.features)])
            part_column += len(part.features)
        if block.derive is not None:
            work[column : column + len(block.features)] = block.derive(cohort, *filled)
        column += len(block.features)


def windows(lookback_days, skip_days) -> tuple[Window, ...]:
    """One window per lookback; the builder's parameters are checked here."""
    skip = check_days("skip_days", skip_days)
    several = lookback_days if isinstance(lookback_days, Iterable) else [lookback_days]
    lookbacks = [check_days("lookback_days", days, minimum=1, optional=True) for days in several]
    if not lookbacks or len(set(lookbacks)) < len(lookbacks):
        raise ValueError(f"`lookback_days` must hold one or several different lengths; got {lookback_days!r}.")
    for days in lookbacks:
        if days is not None and days <= skip:
            raise ValueError(f"`lookback_days` must be longer than `skip_days` ({skip}); got {days}.")
    return tuple(Window(days, skip) for days in lookbacks)


def event_groups(registers: Registers, codes, source, by) -> list[Group]:
    """Groups of event kinds that a builder's `codes`, `source` and `by` ask for."""
    kinds = registers.event_columns.kinds
    sources = _sources(registers, source)
    chosen = np.ones(len(kinds), dtype=bool) if sources is None else kinds["source"].isin(sources).to_numpy()
    codelist = None if codes is None else as_codelist(codes)
    listed = np.ones(len(kinds), dtype=bool) if codelist is None else codelist.matches_kinds(kinds)
    elsewhere = bool((listed & ~chosen).any())
    chosen = chosen & listed
    if by is None:
        return [_one_group(kinds, chosen, sources, codelist, elsewhere)]
    if isinstance(by, Codelist) or by not in EVENT_COLUMNS:
        return _groups_by_list(kinds, chosen, sources, _list_of(by), codelist)
    return _groups_by_column(kinds, chosen, sources, codelist, by)


def _one_group(
    kinds: pd.DataFrame, chosen: np.ndarray, sources: list[str] | None, codelist: Codelist | None, elsewhere: bool
) -> Group:
    """All that is chosen in one column; `elsewhere`: other sources hold such codes too, for columns of their own."""
    name, codes, labels = _called(codelist)
    parts = [name] if name else []
    if sources is not None and len(sources) == 1:
        parts += sources
        labels = of_source(labels, sources[0]) if elsewhere else labels
    if codelist is None:
        fed_by = feeding(kinds, chosen, sources)
    else:
        fed_by = _recording(kinds, _systems(codelist, codelist.groups), sources)
    return Group("_".join(parts) or ALL_EVENTS, chosen, fed_by, codes, labels)


def _groups_by_column(
    kinds: pd.DataFrame, chosen: np.ndarray, sources: list[str] | None, codelist: Codelist | None, by: str
) -> list[Group]:
    of_kind = kinds[by].to_numpy(dtype=object)
    if by == "code":  # K86 is a disease of the pancreas in one system and high blood pressure in another
        of_kind = kinds["code_system"].to_numpy(dtype=object) + ":" + of_kind
    levels = sorted(set(of_kind[chosen]))
    if by == "source":
        levels = list(sources) if sources is not None else levels
    name, codes, labels = _called(codelist)
    groups = []
    for level in levels:
        within = chosen & (of_kind == level)
        words = of_source(labels, level) if by == "source" else {}
        asked = [level] if by == "source" else sources
        fed_by = _recording(kinds, _telling_systems(kinds, codelist, by, level) if asked is None else (), asked)
        shown = f"{level}no_{by}" if not level or level.endswith(":") else level  # events without a unit or a code
        called = "_".join(part for part in (name, shown) if part)
        groups.append(Group(called, within, fed_by, codes, words))
    return groups


def _telling_systems(kinds: pd.DataFrame, codelist: Codelist | None, by: str, level: str) -> set[str]:
    """Code systems of which a source must have told before its silence about the level means none."""
    if by in ("code", "code_system"):
        return {level.partition(":")[0]}
    if codelist is not None:
        return _systems(codelist, codelist.groups)
    return set(kinds.loc[kinds[by] == level, "code_system"])


def _called(codelist: Codelist | None) -> tuple[str, str, dict[str, str]]:
    """How a list in one column is called, its own name, and labels: one labelled group gives its name to the column."""
    if codelist is None:
        return "", "", {}
    only = next(iter(codelist.groups)) if len(codelist.groups) == 1 else codelist.name
    labels = codelist.labels.get(only, {})
    return only if labels else codelist.name, codelist.name, labels


def _list_of(by) -> Codelist:
    """The list that `by` names; another name than of a list is refused with all that `by` takes."""
    try:
        return as_codelist(by)
    except ValueError:
        if not isinstance(by, str) or ":" in by:
            raise
        raise ValueError(
            f"`by` must be one of {', '.join(EVENT_COLUMNS)}, weekday, office_hours, a Codelist, or the name of a "
            f"shipped one ({', '.join(shipped_codelists())}); got {by!r}."
        ) from None


def _groups_by_list(
    kinds: pd.DataFrame, chosen: np.ndarray, sources: list[str] | None, by: Codelist, codelist: Codelist | None
) -> list[Group]:
    found = by.groups_of_kinds(kinds) & chosen
    groups = []
    for row, name in enumerate(by.groups):
        systems = _systems(by, [name])
        if codelist is not None:
            systems &= _systems(codelist, codelist.groups)
        fed_by = _recording(kinds, systems, sources)
        groups.append(Group(name, found[row], fed_by, by.name, by.labels.get(name, {})))
    return groups


def stay_groups(registers: Registers, kind, source) -> list[Group]:
    """One group per stay kind asked for, or one of all kinds."""
    kinds = registers.stay_columns.kinds
    sources = _sources(registers, source)
    chosen = np.ones(len(kinds), dtype=bool) if sources is None else kinds["source"].isin(sources).to_numpy()
    if kind is None:
        name = sources[0] if sources is not None and len(sources) == 1 else ALL_STAYS
        return [Group(name, chosen, feeding(kinds, chosen, sources))]
    wanted = [kind] if isinstance(kind, str) else list(kind)
    groups = []
    for one in wanted:
        within = chosen & (kinds["kind"] == one).to_numpy()
        groups.append(Group(one, within, feeding(kinds, within, sources)))
    return groups


def _sources(registers: Registers, source) -> list[str] | None:
    if source is None:
        return None
    wanted = [source] if isinstance(source, str) else list(source)
    known = registers.coverage_columns.source
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(
            f"`source` must name sources of the registers ({', '.join(known)}); got {unknown}. A source without rows "
            "is known when `coverage` lists it."
        )
    return wanted


def _systems(codelist: Codelist, groups: Iterable[str]) -> set[str]:
    return {system for group in groups for system, _ in codelist.groups[group]}


def _recording(kinds: pd.DataFrame, systems: Iterable[str], sources: list[str] | None) -> tuple[str, ...]:
    """Sources asked for, else those that record one of the code systems; looked up only where none are asked for."""
    if sources is not None:
        return tuple(sources)
    return feeding(kinds, kinds["code_system"].isin(systems).to_numpy(), None)


def feeding(kinds: pd.DataFrame, telling: np.ndarray, source: str | Iterable[str] | None) -> tuple[str, ...]:
    """Sources whose silence would be taken for "none": those asked for, else those that hold such kinds."""
    if source is None:
        return tuple(sorted({*kinds["source"].to_numpy(dtype=object)[telling]} - {_OF_THE_DEAD}))
    return (source,) if isinstance(source, str) else tuple(source)


def measured(
    groups: list[Group], statistic: str, measure: str, over: tuple[Window, ...], *, of_stays: bool = False
) -> Block:
    """The block that computes one statistic for groups and windows; `measure` is the word used in names and labels."""
    sources = tuple(group.sources for group in groups)
    asked = Measure(statistic, np.array([group.kinds for group in groups]), sources, over)
    features = tuple(_feature(group, measure, window, of_stays) for group in groups for window in over)
    return Block(features, (asked,), of_stays)


def _feature(group: Group, measure: str, window: Window, of_stays: bool) -> Feature:
    span = "ever" if window.lookback_days is None else f"{window.lookback_days}d"
    skip = f"_skip{window.skip_days}d" if window.skip_days else ""
    return Feature(
        name=f"{measure}_{group.name}_{span}{skip}",
        measure=measure,
        source=group.sources,
        codes=group.codes,
        group=group.name,
        window=window,
        topic=topic_of(group.codes or group.name, group.sources),
        words=partial(label, measure, group.name, group.codes, group.sources, group.labels, window, of_stays),
    )
