"""Registers, whole or part by part, come in; what a monitor run needs of them, counted and scored, goes out.

What is kept of a part is small: counts that add up, and the scores of its persons. So memory is that of one part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee.evaluation.censoring import followed_alike, numbered_strata
from servicenee.index_dates import refuse_unobserved
from servicenee.model import NeedModel
from servicenee.monitoring.drift import Counted, added_columns, count_columns
from servicenee.monitoring.feeds import Codes, Feeds, added_codes, added_feeds, count_codes, count_feeds
from servicenee.reference import needed_sources
from servicenee.registers import Registers, read_registers
from servicenee.registers.folders import existing_folder
from servicenee.registers.parts import is_part, part_folders, refuse_incomplete
from servicenee.segments.drift import segment_fits

_ALIKE = ["band", "place", "day"]


@dataclass(frozen=True)
class Known:
    """Rows of dates whose outcomes are known by now.

    Attributes
    ----------
    labels, scores, alike : DataFrame, index (person_id, index_date)
        Of the same rows; `alike` tells whose follow-up is alike.
    """

    labels: pd.DataFrame
    scores: pd.DataFrame
    alike: pd.DataFrame


@dataclass(frozen=True)
class Seen:
    """What a monitor run sees of the registers, or of one part of them.

    Attributes
    ----------
    feeds : Feeds
    codes : Codes
    columns : Counted
        X of the persons in the population.
    scores : DataFrame, index (person_id, index_date)
        What the model says of them, of segmenters how well each segment fits.
    known : Known or None
    """

    feeds: Feeds
    codes: Codes
    columns: Counted
    scores: pd.DataFrame
    known: Known | None


def in_parts(registers: Registers | str | Path) -> Iterator[Registers]:
    """The registers part by part, as far as `write_registers` wrote them so."""
    if isinstance(registers, Registers):
        yield registers
        return
    folders = part_folders(existing_folder(registers))
    refuse_incomplete(folders)
    if not folders or not all(is_part(folder) for folder in folders):
        yield read_registers(registers)
        return
    for folder in folders:
        yield read_registers(folder)


def look(model: NeedModel, registers: Registers, index_date: str, known: Sequence[str]) -> Seen:
    """What a monitor run needs of the registers, or of a part of them."""
    sources = needed_sources(model.feature_table, model.outcome, registers)
    index_day = int(np.datetime64(index_date, "D").astype(int))
    X = model.transform(model.population.at(registers, index_date))
    return Seen(
        feeds=count_feeds(registers, sources, index_day),
        codes=count_codes(registers, sources, model.reference_, index_day),
        columns=count_columns(model.reference_.columns, X),
        scores=_scores(model, X),
        known=_known(model, registers, known) if len(known) else None,
    )


def together(parts: Iterable[Seen]) -> Seen:
    """What is seen of all parts: counts added up, persons in their order."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    known = [part.known for part in parts if part.known is not None]
    tables = ([one.labels for one in known], [one.scores for one in known], [one.alike for one in known])
    return Seen(
        feeds=added_feeds([part.feeds for part in parts]),
        codes=added_codes([part.codes for part in parts]),
        columns=added_columns([part.columns for part in parts]),
        scores=_in_order([part.scores for part in parts]),
        known=Known(*(_in_order(frames) for frames in tables)) if known else None,
    )


def known_rows(model: NeedModel, known: Known, registers: Registers) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels with their strata, and scores, of the rows whose outcomes are known; `registers` may be any part."""
    if not len(known.labels):
        raise ValueError("`known` must have persons in the population on its dates; nobody is left.")
    refuse_unobserved(known.labels, model.outcome, registers)
    return numbered_strata(known.labels, known.alike.to_numpy()), known.scores


def _scores(model: NeedModel, X: pd.DataFrame) -> pd.DataFrame:
    """What the model says of every row of X."""
    if model.is_segmenter:
        return segment_fits(model.estimator_, X) if len(X) else pd.DataFrame(index=X.index)
    if not len(X):
        return pd.DataFrame({name: np.empty(0) for name in model.estimator_.score_names}, index=X.index)
    return model.estimator_.scores(X)


def _known(model: NeedModel, registers: Registers, dates: Sequence[str]) -> Known:
    cohort = model.population.at(registers, list(dates))
    labels, alike = model.outcome.label(cohort), pd.DataFrame(followed_alike(cohort), cohort.index, _ALIKE)
    return Known(labels, _scores(model, model.transform(cohort)), alike)


def _in_order(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of all parts in order of person and index date, as `Registers` orders them."""
    frames = [frame for frame in frames if len(frame)] or frames[:1]
    frame = pd.concat(frames).sort_index(kind="stable")
    levels = [frame.index.get_level_values(name) for name in frame.index.names]
    return frame.set_axis(pd.MultiIndex.from_arrays(levels))
