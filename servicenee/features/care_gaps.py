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
from servicenee.features.labels import topic_of, windowed
from servicenee.features.rules import as_rules
from servicenee.registers import Registers
from servicenee.texts import LANGUAGES, format_window, text
from servicenee.windows import Window

_EVIDENCE = ("ICD-10", "ICPC-2", "Kela")  # a diagnosis or an entitlement; a medicine alone may have another reason


class CareGaps(Builder):
    """Whether the monitoring that a condition asks for is overdue: one column per row of a table.

    Parameters
    ----------
    rules : "care_gaps", DataFrame or list of dict, default="care_gaps"
        One row per gap, in the columns below. `load_rules("care_gaps")` gives the shipped table to edit.

        - gap: name of the column;
        - condition: a group of the list chronic_conditions, prefixes such as "ICD-10:E10 ICD-10:E11", or
          "stay:home_care" for those in such a stay on the index date;
        - measurement: codes that count as done, such as "lab:HbA1c", separated by spaces;
        - interval_days: overdue when not done within so many days;
        - grace_days: so long after the condition is first recorded nobody is late (optional, default 0);
        - source: sources that record the measurement (optional, by default all that have such codes);
        - topic, label_fi, label_sv, label_en, note: words for readers (optional).
    lookback_days : int, None or list of them, default=1825
        How far back a record of the condition is looked for. Any one diagnosis or entitlement is evidence.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    1 means overdue, 0 done in time. NaN means not concerned (no such condition, or only within the grace days), not
    known because a source does not cover the interval, or that these registers hold no such measurement at all: what
    nobody records is not a gap in care. The shipped intervals are working rules for Finnish chronic care; each row
    says in `note` where it comes from, and a clinician of the county should sign them.

    Examples
    --------
    Two people with diabetes since 2020, seen on 1 January 2024. The first had HbA1c measured on 1 June 2023, the second
    on 1 June 2022, more than 365 days ago: overdue. Neither has had eGFR measured; a third person has no diabetes.

    >>> import pandas as pd
    >>> from servicenee import CareGaps, Cohort, Registers
    >>> persons = pd.DataFrame({"person_id": [1, 2, 3], "birth_date": pd.Timestamp("1940-05-01"), "sex": "female"})
    >>> events = pd.DataFrame({"person_id": [1, 2, 1, 2, 3],
    ...     "time": pd.to_datetime(["2020-03-01", "2020-03-01", "2023-06-01", "2022-06-01", "2023-06-01"]),
    ...     "source": ["primary_care"] * 2 + ["laboratory"] * 3, "code_system": ["ICD-10"] * 2 + ["lab"] * 3,
    ...     "code": ["E119", "E119", "HbA1c", "HbA1c", "eGFR"], "value": [None, None, 50.0, 61.0, 70.0]})
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
        parts = {
            "diagnosed": _part(gaps, "since_last", lambda gap: gap.condition, lambda gap: gap.evidence),
            "in_stay": _part(gaps, "inside", lambda gap: gap.stay, lambda gap: gap.presence, of_stays=True),
            "done": _part(gaps, "since_last", lambda gap: gap.done, lambda gap: (gap.interval,)),
            "observed": _part(gaps, "any", lambda gap: gap.done, lambda gap: (gap.interval,)),
        }
        features = tuple(feature for gap in gaps for feature in gap.features(over))
        asked = {name: part for name, part in parts.items() if part is not None}
        blocks = tuple(block for block, _ in asked.values())
        row_of = {name: rows for name, (_, rows) in asked.items()}
        return [Block(features, parts=blocks, derive=partial(_overdue, gaps=gaps, row_of=row_of))]


@dataclass(frozen=True)
class _Gap:
    """A row of the table, resolved against the registers."""

    name: str
    codes: str
    topic: str
    labels: dict[str, str]
    condition: Group | None  # recorded as an event, or
    stay: Group | None  # as a stay on the index date
    done: Group | None  # None: these registers hold no such measurement
    evidence: tuple[Window, ...]
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
        condition=None if stay else _condition(registers, rule),
        stay=stay,
        done=_done(registers, rule),
        evidence=tuple(Window(window.lookback_days, grace) for window in over),
        presence=(Window(skip + 1, skip), Window(grace + 1, grace)) if grace > skip else (Window(skip + 1, skip),),
        interval=Window(interval, skip),
    )


def _days(rule: dict, name: str, minimum: int) -> int:
    value = rule[name]
    return check_days(name, int(value) if float(value).is_integer() else value, minimum=minimum)


def _stay(registers: Registers, condition: str) -> Group | None:
    if not condition.startswith("stay:"):
        return None
    kinds = [one.removeprefix("stay:") for one in condition.split()]
    groups = stay_groups(registers, kinds, None)
    together = np.logical_or.reduce([group.kinds for group in groups])
    sources = sorted({source for group in groups for source in group.sources})
    return replace(groups[0], name=condition, kinds=together, sources=tuple(sources))


def _condition(registers: Registers, rule: dict) -> Group:
    condition = rule["condition"]
    if ":" in condition:
        (group,) = event_groups(registers, condition.split(), None, None)
        return group
    known = load_codelist("chronic_conditions").groups
    if condition not in known:
        raise ValueError(
            f"`condition` must be a group of chronic_conditions ({', '.join(known)}), code prefixes or 'stay:<kind>'; "
            f"got {condition!r}."
        )
    prefixes = [f"{system}:{prefix}" for system, prefix in known[condition] if system in _EVIDENCE]
    (group,) = event_groups(registers, Codelist({condition: prefixes}, name=condition), None, None)
    return group


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


def _overdue(cohort: Cohort, *filled: np.ndarray, gaps: list[_Gap], row_of: dict[str, dict]) -> np.ndarray:
    part = dict(zip(row_of, filled, strict=True))

    def column(name: str, group: Group, window: Window) -> np.ndarray:
        return part[name][row_of[name][_key(group), window]]

    out = []
    for gap in gaps:
        if gap.stay is not None:
            concerned = [np.logical_and.reduce([column("in_stay", gap.stay, window) == 1 for window in gap.presence])]
        else:
            concerned = [~np.isnan(column("diagnosed", gap.condition, window)) for window in gap.evidence]
        overdue = np.full(len(cohort), np.nan)
        if gap.done is not None:
            overdue[column("observed", gap.done, gap.interval) == 0] = 1
            overdue[~np.isnan(column("done", gap.done, gap.interval))] = 0
        out += [np.where(yes, overdue, np.nan) for yes in concerned]
    return np.array(out)
