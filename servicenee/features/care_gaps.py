"""Builder on care gaps: people with a condition whose monitoring is overdue, by a table that a county can edit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from servicenee._checks import check_days
from servicenee.codes import Codelist, load_codelist
from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Feature, Group, event_groups, measured, stay_groups, windows
from servicenee.features.builders import Builder
from servicenee.features.conditions import Conditions
from servicenee.features.labels import topic_of, windowed
from servicenee.features.rules import as_rules
from servicenee.registers import Registers
from servicenee.texts import LANGUAGES, format_window, text
from servicenee.windows import Window


class CareGaps(Builder):
    """Whether the monitoring that a condition asks for is overdue: one column per row of a table.

    Parameters
    ----------
    rules : "care_gaps", DataFrame or list of dict, default="care_gaps"
        One row per gap, in the columns below. `load_rules("care_gaps")` gives the shipped table to edit.

        - gap: name of the column;
        - condition: a group of the list chronic_conditions, prefixes such as "ICD-10:E10 ICD-10:E11", or
          "stay:home_care" for those in such a stay on the index date. Who has the condition is told as by
          `Conditions`, by diagnoses and entitlements (by purchases only if prefixes of ATC are named);
        - measurement: codes that count as done, such as "lab:HbA1c", separated by spaces;
        - interval_days: overdue when not done within so many days;
        - grace_days: so long after the condition is established nobody is late (optional, default 0);
        - source: sources that record the measurement (optional, by default all that have such codes);
        - topic, label_fi, label_sv, label_en, note: words for readers (optional).
    lookback_days : int, None or list of them, default=1825
        How far back the evidence of the condition is looked for.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    1 means overdue, 0 done in time. NaN means not concerned (no such condition, or only within the grace days), not
    known because a source does not cover the interval, or that these registers hold no such measurement at all: what
    nobody records is not a gap in care. Evidence of a condition counts however far back its sources reach, so a
    shorter register knows of fewer patients. The shipped intervals are working rules for Finnish chronic care; each
    row says in `note` where it comes from, and a clinician of the county should sign them.

    Examples
    --------
    Two people with diabetes since 2020 (a diagnosis in March, another in September), seen on 1 January 2024. The first
    had HbA1c measured on 1 June 2023, the second on 1 June 2022, more than 365 days ago: overdue. Neither has had eGFR
    measured. A third person had one diagnosis of diabetes in primary care: not established, so nothing is due.

    >>> import pandas as pd
    >>> from servicenee import CareGaps, Cohort, Registers
    >>> persons = pd.DataFrame({"person_id": [1, 2, 3], "birth_date": pd.Timestamp("1940-05-01"), "sex": "female"})
    >>> rows = [(1, "2020-03-01", "E119"), (1, "2020-09-01", "E119"), (2, "2020-03-01", "E119"),
    ...         (2, "2020-09-01", "E119"), (3, "2020-03-01", "E119"), (1, "2023-06-01", "HbA1c"),
    ...         (2, "2022-06-01", "HbA1c"), (3, "2023-06-01", "eGFR")]
    >>> events = pd.DataFrame(rows, columns=["person_id", "time", "code"])
    >>> events = events.assign(time=pd.to_datetime(events["time"]), value=[None] * 5 + [50.0, 61.0, 70.0],
    ...     source=["primary_care"] * 5 + ["laboratory"] * 3, code_system=["ICD-10"] * 5 + ["lab"] * 3)
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1, 2, 3], "index_date": "2024-01-01"}))
    >>> X = CareGaps().fit_transform(cohort)
    >>> X["care_gap_diabetes_hba1c_1825d"].tolist(), X["care_gap_diabetes_egfr_1825d"].tolist()
    ([0.0, 1.0, nan], [1.0, 1.0, nan])
    """

    def __init__(self, rules="care_gaps", *, lookback_days=1825, skip_days=0):
        self.rules = rules
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        gaps = [_gap(registers, rule, over) for rule in as_rules("care_gaps", self.rules)]
        names = [gap.name for gap in gaps]
        if len(set(names)) < len(names):
            raise ValueError("`rules` must name every gap once; at least one name of `gap` comes twice.")
        established = _established(registers, gaps, over)
        parts = {
            "in_stay": _part(gaps, "inside", lambda gap: gap.stay, lambda gap: gap.presence, of_stays=True),
            "done": _part(gaps, "since_last", lambda gap: gap.done, lambda gap: (gap.interval,)),
            "observed": _part(gaps, "any", lambda gap: gap.done, lambda gap: (gap.interval,)),
        }
        features = tuple(feature for gap in gaps for feature in gap.features(over))
        asked = {name: part for name, part in parts.items() if part is not None}
        blocks = [block for block, _ in asked.values()] + [part for one in established for part in one.block.parts]
        row_of = {name: rows for name, (_, rows) in asked.items()}
        overdue = partial(_overdue, gaps=gaps, row_of=row_of, established=established)
        return [Block(features, parts=tuple(blocks), derive=overdue)]


@dataclass(frozen=True)
class _Gap:
    """A row of the table, resolved against the registers."""

    name: str
    codes: str
    topic: str
    labels: dict[str, str]
    prefixes: tuple[str, ...]  # of the condition, or
    stay: Group | None  # the stay it is, on the index date
    done: Group | None  # None: these registers hold no such measurement
    grace_days: int
    presence: tuple[Window, ...]
    interval: Window

    def features(self, over: tuple[Window, ...]) -> list[Feature]:
        """One column per look-back for the condition; a single one where the condition is a stay."""
        sources = self.done.sources if self.done else ()
        common = {
            "measure": "care_gap",
            "source": sources,
            "codes": self.codes,
            "group": self.name,
            "topic": self.topic,
        }
        words = partial(windowed, self.labels, self.interval)
        skip = f"_skip{self.interval.skip_days}d" if self.interval.skip_days else ""
        if self.stay is not None:
            return [Feature(f"care_gap_{self.name}{skip}", window=self.interval, words=words, **common)]
        features = []
        for window in over:
            span = "ever" if window.lookback_days is None else f"{window.lookback_days}d"
            own = words if len(over) == 1 else partial(_with_lookback, words, window)
            features.append(Feature(f"care_gap_{self.name}_{span}{skip}", window=window, words=own, **common))
        return features


def _with_lookback(words: Callable[[], dict[str, str]], window: Window) -> dict[str, str]:
    labels = words()
    return {
        language: text(
            "features.label.recorded",
            language,
            what=labels[language],
            window=format_window(window.lookback_days, language),
        )
        for language in LANGUAGES
    }


def _gap(registers: Registers, rule: dict, over: tuple[Window, ...]) -> _Gap:
    skip = over[0].skip_days
    interval = _days(rule, "interval_days", skip + 1)
    grace = max(skip, 0 if np.isnan(rule["grace_days"]) else _days(rule, "grace_days", 0))
    if any(window.lookback_days is not None and window.lookback_days <= grace for window in over):
        raise ValueError(f"`lookback_days` must be longer than the {grace} grace days of {rule['gap']}.")
    stay = _stay(registers, rule["condition"])
    return _Gap(
        name=rule["gap"],
        codes="+".join(rule["measurement"].split()),
        topic=rule["topic"] or topic_of(rule["measurement"], ()),
        labels={language: rule[f"label_{language}"] or rule["gap"] for language in LANGUAGES},
        prefixes=() if stay else _prefixes(rule["condition"]),
        stay=stay,
        done=_done(registers, rule),
        grace_days=grace,
        presence=(Window(skip + 1, skip), Window(grace + 1, grace)) if grace > skip else (Window(skip + 1, skip),),
        interval=Window(interval, skip),
    )


def _days(rule: dict, name: str, minimum: int) -> int:
    value = rule[name]
    return check_days(name, int(value) if float(value).is_integer() else value, minimum=minimum)


def _stay(registers: Registers, condition: str) -> Group | None:
    named = condition.split()
    if not any(one.startswith("stay:") for one in named):
        return None
    if not all(one.startswith("stay:") for one in named):
        raise ValueError(f"`condition` must be stays or diagnoses, not both in one row; got {condition!r}.")
    kinds = [one.removeprefix("stay:") for one in named]
    groups = stay_groups(registers, kinds, None)
    together = np.logical_or.reduce([group.kinds for group in groups])
    sources = sorted({source for group in groups for source in group.sources})
    return replace(groups[0], name=condition, kinds=together, sources=tuple(sources))


def _prefixes(condition: str) -> tuple[str, ...]:
    if ":" in condition:
        return tuple(condition.split())
    known = load_codelist("chronic_conditions").groups
    if condition not in known:
        raise ValueError(
            f"`condition` must be a group of chronic_conditions ({', '.join(known)}), code prefixes or 'stay:<kind>'; "
            f"got {condition!r}."
        )
    return tuple(f"{system}:{prefix}" for system, prefix in known[condition] if system != "ATC")


@dataclass(frozen=True)
class _Established:
    """The conditions of all gaps with the same grace days, as a block of `Conditions`."""

    grace_days: int
    prefixes: tuple[tuple[str, ...], ...]
    block: Block

    def found(self, cohort: Cohort, filled: tuple[np.ndarray, ...]) -> np.ndarray:
        """1, 0 or NaN of shape (conditions, windows, rows)."""
        values = self.block.derive(cohort, *filled) if self.block.parts else self.block.compute(cohort)
        return values.reshape(len(self.prefixes), -1, len(cohort))


def _established(registers: Registers, gaps: list[_Gap], over: tuple[Window, ...]) -> list[_Established]:
    of_grace: dict[int, dict[tuple[str, ...], None]] = {}
    for gap in gaps:
        if gap.stay is None:
            of_grace.setdefault(gap.grace_days, {})[gap.prefixes] = None
    lookbacks = [window.lookback_days for window in over]
    made = []
    for grace_days, conditions in of_grace.items():
        bought = any(prefix.startswith("ATC:") for prefixes in conditions for prefix in prefixes)
        builder = Conditions(
            Codelist({" ".join(prefixes): list(prefixes) for prefixes in conditions}, name="care_gaps"),
            evidence=("diagnoses", "entitlements", "medicines") if bought else ("diagnoses", "entitlements"),
            lookback_days=lookbacks,
            skip_days=grace_days,
        )
        (block,) = builder.blocks(registers)
        found = replace(block, parts=tuple(_whatever_is_covered(part) for part in block.parts))
        made.append(_Established(grace_days, tuple(conditions), found))
    return made


def _whatever_is_covered(block: Block) -> Block:
    """The block without the rule that a source must cover the window: evidence found is evidence."""
    measures = (replace(measure, sources=(None,) * len(measure.sources)) for measure in block.measures)
    return replace(block, measures=tuple(measures))


def _done(registers: Registers, rule: dict) -> Group | None:
    sources = rule["source"].split() or None
    if sources and not set(sources) <= set(registers.coverage_columns.source):
        return None
    (group,) = event_groups(registers, rule["measurement"].split(), sources, None)
    return group if group.kinds.any() else None


def _part(gaps: list[_Gap], statistic: str, group_of, windows_of, *, of_stays: bool = False):
    """Block of all different groups and windows of the gaps, and its row for every (name of group, window)."""
    groups: dict[bytes, Group] = {}
    wanted: dict[Window, None] = {}
    for gap in gaps:
        if group_of(gap) is not None:
            groups.setdefault(_key(group_of(gap)), group_of(gap))
            wanted |= dict.fromkeys(windows_of(gap))
    if not groups:
        return None
    block = measured(list(groups.values()), statistic, "any", tuple(wanted), of_stays=of_stays)
    pairs = [(key, window) for key in groups for window in wanted]
    return block, {pair: row for row, pair in enumerate(pairs)}


def _key(group: Group) -> bytes:
    """What the kernel sees of a group: its kinds and the sources that must cover the window."""
    return group.kinds.tobytes() + "|".join(group.sources).encode()


def _overdue(
    cohort: Cohort,
    *filled: np.ndarray,
    gaps: list[_Gap],
    row_of: dict[str, dict],
    established: list[_Established],
) -> np.ndarray:
    part = dict(zip(row_of, filled, strict=False))
    ill, at = {}, len(row_of)
    for one in established:
        found = one.found(cohort, filled[at : at + len(one.block.parts)])
        at += len(one.block.parts)
        ill |= {(one.grace_days, prefixes): rows for prefixes, rows in zip(one.prefixes, found, strict=True)}

    def column(name: str, group: Group, window: Window) -> np.ndarray:
        return part[name][row_of[name][_key(group), window]]

    out = []
    for gap in gaps:
        if gap.stay is not None:
            concerned = [np.logical_and.reduce([column("in_stay", gap.stay, window) == 1 for window in gap.presence])]
        else:
            concerned = ill[gap.grace_days, gap.prefixes] == 1
        overdue = np.full(len(cohort), np.nan)
        if gap.done is not None:
            overdue[column("observed", gap.done, gap.interval) == 0] = 1
            overdue[~np.isnan(column("done", gap.done, gap.interval))] = 0
        out += [np.where(yes, overdue, np.nan) for yes in concerned]
    return np.array(out)
