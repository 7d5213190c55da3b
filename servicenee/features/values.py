"""Builders on measured values: the share within a target, and how well a plan of self-monitoring was kept."""

from dataclasses import replace
from functools import partial

import numpy as np

from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Group, event_groups, measured, windows
from servicenee.features.builders import Builder
from servicenee.features.rules import as_rules
from servicenee.registers import Registers
from servicenee.texts import LANGUAGES, format_number, text
from servicenee.windows import Window, chosen_events, measure_events, share_of_plan, uncovered


class WithinTarget(Builder):
    """Share of the values of a measurement that lie within its target, in each lookback window.

    Parameters
    ----------
    targets : "targets", DataFrame or list of dict, default="targets"
        One row per column: measurement (its name), codes (prefixes such as "lab:HbA1c", separated by spaces), low and
        high (within: low <= value < high; either may be missing), unit (values in another unit do not count; values
        without one do), label_fi, label_sv, label_en. `load_rules("targets")` gives the shipped table to edit.
    source, lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    Between 0 and 1. 0 means measured, never within the target; NaN means no value in the window, and is neither good
    nor bad control. The targets are general ones; treatment aims are set with the person.

    Examples
    --------
    HbA1c of a diabetic was 60, 54, 50 and 48 mmol/mol; seen on 1 January 2024. The last three lie within 365 days, and
    two of them are below 53.

    >>> import pandas as pd
    >>> from servicenee import Cohort, Registers, WithinTarget
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "laboratory", "code_system": "lab", "code": "HbA1c",
    ...     "time": pd.to_datetime(["2022-06-01", "2023-01-31", "2023-07-01", "2023-12-22"]),
    ...     "value": [60.0, 54.0, 50.0, 48.0], "unit": "mmol/mol"})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> X = WithinTarget().fit_transform(cohort)
    >>> X["within_target_HbA1c_365d"].astype(float).round(3).tolist(), X["within_target_BP_systolic_365d"].tolist()
    ([0.667], [nan])
    """

    def __init__(self, targets="targets", *, source=None, lookback_days=365, skip_days=0):
        self.targets = targets
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        groups, bounds = [], []
        for target in as_rules("targets", self.targets):
            (group,) = event_groups(registers, target["codes"].split(), self.source, None)
            unit = registers.event_columns.kinds["unit"].isin(["", target["unit"]]).to_numpy()
            kinds = group.kinds & unit if target["unit"] else group.kinds
            labels = {language: _aim(target, language) for language in LANGUAGES}
            groups.append(replace(group, name=target["measurement"], kinds=kinds, labels=labels))
            bounds.append((target["low"], target["high"]))
        made = [measured([group], "mean", "within_target", over) for group in groups]
        features = tuple(feature for block in made for feature in block.features)
        return [Block(features, compute=partial(_shares, blocks=made, groups=groups, bounds=bounds))]


def _aim(target: dict, language: str) -> str:
    """Name of the measurement with its target: "HbA1c (below 53 mmol/mol)"."""
    name = target[f"label_{language}"] or target["measurement"]
    low, high = (None if np.isnan(target[end]) else format_number(target[end], language) for end in ("low", "high"))
    if low is None and high is None:
        raise ValueError(f"`targets` must give low or high for every row; {target['measurement']} has neither.")
    if target["low"] >= target["high"]:
        raise ValueError(
            f"`targets` must give a low below the high; {target['measurement']} has {target['low']:g} and "
            f"{target['high']:g}."
        )
    ends = {name: end for name, end in (("low", low), ("high", high)) if end is not None}
    aim = text(f"features.target.{'_'.join(ends)}", language, unit=target["unit"], **ends).strip()
    return f"{name} ({aim})"


def _shares(cohort: Cohort, *, blocks: list[Block], groups: list[Group], bounds: list[tuple]) -> np.ndarray:
    registers = cohort.registers
    all_kinds = np.logical_or.reduce([group.kinds for group in groups])
    chosen = chosen_events(registers.event_columns, all_kinds, cohort.person)
    out = np.empty((sum(len(block.features) for block in blocks), len(cohort)), dtype=np.float32)
    first = 0
    for block, group, (low, high) in zip(blocks, groups, bounds, strict=True):
        events = chosen_events(chosen, group.kinds, cohort.person)
        # A bound that is missing compares as never crossed, a value that is missing stays missing.
        within = np.where(np.isnan(events.value), np.nan, ~(events.value < low) & ~(events.value >= high))
        asked = [(first, measure) for measure in block.measures]
        where = (registers.coverage_columns, cohort.person, cohort.index_day)
        measure_events(replace(events, value=within), *where, asked, out)
        first += len(block.features)
    return out


class PlanAdherence(Builder):
    """Days with a self-measurement as a share of the days planned, in each lookback window.

    Parameters
    ----------
    codes : Codelist, str or list of str
        What is measured, e.g. ``"home:BP_systolic"``, or ``load_codelist("home_measurements").keep("weight_home")``
        for a column with words for readers.
    plan : Codelist, str or list of str
        Events that hold the plan, e.g. ``"plan:BP_systolic"``; their value is the number of days a week to measure.
    source : str or list of str, optional
        Sources of the measurements, e.g. ``"self_monitoring"``; by default all.
    lookback_days, skip_days
        As in `EventCounts`.

    Notes
    -----
    Between 0 and 1: measuring more often than planned is no more than 1. The latest plan reported by the index date
    counts, from its own day on; several measurements on a day are one. 0 means a plan, but no measurement; NaN means no
    plan (or one of 0 days a week, which ends a plan, or one so fresh that not a day was due), or that a source does
    not cover the window.

    Examples
    --------
    A nurse and a patient agreed on 15 December 2023 that blood pressure is measured on seven days a week. Seen on 1
    January 2024, 17 days were planned. The patient measured on 15, 16 (twice) and 20 December, so 3 / 17 = 0.176.

    >>> import pandas as pd
    >>> from servicenee import Cohort, PlanAdherence, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> days = ["2023-12-15", "2023-12-15", "2023-12-16T08:00", "2023-12-16T20:00", "2023-12-20"]
    >>> events = pd.DataFrame({"person_id": "a", "time": pd.to_datetime(days, format="ISO8601"),
    ...     "source": "self_monitoring", "code_system": ["plan"] + 4 * ["home"], "code": "BP_systolic",
    ...     "value": [7.0, 150.0, 148.0, 141.0, 139.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> builder = PlanAdherence("home:BP_systolic", "plan:BP_systolic", source="self_monitoring", lookback_days=28)
    >>> builder.fit_transform(cohort).astype(float).round(3).iloc[0].to_dict()
    {'adherence_home:BP_systolic_self_monitoring_28d': 0.176}
    """

    def __init__(self, codes, plan, *, source=None, lookback_days=28, skip_days=0):
        self.codes = codes
        self.plan = plan
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        (group,) = event_groups(registers, self.codes, self.source, None)
        (plan,) = event_groups(registers, self.plan, None, None)
        block = measured([group], "count", "adherence", over)
        return [Block(block.features, compute=partial(_adherence, group=group, plan=plan.kinds, over=over))]


def _adherence(cohort: Cohort, *, group: Group, plan: np.ndarray, over: tuple[Window, ...]) -> np.ndarray:
    registers = cohort.registers
    days, plans = (chosen_events(registers.event_columns, kinds, cohort.person) for kinds in (group.kinds, plan))
    out = np.empty((len(over), len(cohort)))
    for place, window in enumerate(over):
        out[place] = share_of_plan(days, plans, cohort.person, cohort.index_day, window)
        out[place, uncovered(registers.coverage_columns, group.sources, cohort.index_day, window)] = np.nan
    return out
