"""Reasons of listed persons come in; the latest record behind each of them, its date and source, goes out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Feature, Records
from servicenee.registers.tables import MINUTES_PER_DAY
from servicenee.windows import Window, chosen_events, kept_events, seen_events, seen_stays


@dataclass(frozen=True)
class _Behind:
    """Kinds of events or stays that fill a column, and the window they are looked for in."""

    kinds: np.ndarray
    window: Window
    of_stays: bool = False
    records: Records | None = None


def latest_records(features, cohort: Cohort, wanted: list[str]) -> dict[str, pd.DataFrame]:
    """For each wanted column of X, one row per row of the cohort: date (NaT for none) and source ("" for none).

    The date is that of the latest event, or the start of the latest stay, that the column could see. Columns that no
    record fills, such as age, are not in the answer.
    """
    behind = {
        name: found
        for block in features.blocks(cohort.registers)
        for name, found in _behind(block).items()
        if name in wanted and found is not None
    }
    return {name: _latest(found, cohort) for name, found in behind.items()}


def _behind(block: Block) -> dict[str, _Behind | None]:
    """What fills every column of a block; None where no single record could be shown for it."""
    if block.parts:
        return _behind_derived(block)
    records = block.records
    pairs = _kinds(block) if records is None else zip(block.features, records.kinds, strict=True)
    return {
        feature.name: _Behind(kinds, feature.window, block.of_stays, records) for feature, kinds in pairs if kinds.any()
    }


def _kinds(block: Block) -> list[tuple[Feature, np.ndarray]]:
    """Kinds of records that fill each column of a block of measures."""
    found = []
    for measure in block.measures:
        n_windows = len(measure.windows)
        for number, kinds in enumerate(measure.groups):
            filled = block.features[number * n_windows : (number + 1) * n_windows]
            found += [(feature, kinds) for feature in filled]
    return found


def _behind_derived(block: Block) -> dict[str, _Behind | None]:
    """A derived column rests on the parts of its own group, or on all parts where the block is about one thing."""
    parts = [pair for part in block.parts if not part.of_stays for pair in _kinds(part)]
    about_one_thing = len({feature.group for feature in block.features}) == 1
    found: dict[str, _Behind | None] = {}
    for feature in block.features:
        own = [kinds for part, kinds in parts if part.group == feature.group]
        masks = own or [kinds for _, kinds in parts if about_one_thing]
        found[feature.name] = _Behind(np.logical_or.reduce(masks), feature.window) if masks else None
    return found


def _latest(behind: _Behind, cohort: Cohort) -> pd.DataFrame:
    day = np.full(len(cohort), np.datetime64("NaT", "D"), dtype="datetime64[D]")
    source = np.full(len(cohort), "", dtype=object)
    if behind.kinds.any():
        row, days, sources = (_stays if behind.of_stays else _events)(behind, cohort)
        # Pairs run forward in time within a row: the latest record is assigned last.
        day[row], source[row] = days.astype("datetime64[D]"), sources
    return pd.DataFrame({"date": pd.Series(day.astype("datetime64[us]")), "source": source})


def _events(behind: _Behind, cohort: Cohort) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = chosen_events(cohort.registers.event_columns, behind.kinds, cohort.person)
    if behind.records is not None:
        columns = kept_events(columns, behind.records.counting(columns))
    row, position = seen_events(columns, cohort.person, cohort.index_day, behind.window)
    sources = columns.kinds["source"].to_numpy(dtype=object)[columns.kind[position]]
    return row, columns.minute[position] // MINUTES_PER_DAY, sources


def _stays(behind: _Behind, cohort: Cohort) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stays = cohort.registers.stay_columns
    row, position = seen_stays(stays, cohort.person, cohort.index_day, behind.window)
    mine = behind.kinds[stays.kind[position]]
    row, position = row[mine], position[mine]
    return row, stays.start_day[position], stays.kinds["source"].to_numpy(dtype=object)[stays.kind[position]]
