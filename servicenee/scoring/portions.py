"""One part of the registers comes in, the scores of its persons by every model go out, not yet ranked."""

import json
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from servicenee.exceptions import ServiceneeWarning
from servicenee.model import NeedModel
from servicenee.registers import Registers, read_registers
from servicenee.registers.fingerprint import content_sum
from servicenee.scoring.unscored import NO_SCORE, too_little_known

N_REASONS = 3
_FACTS = "facts.json"


@dataclass(frozen=True)
class Task:
    """What is asked of every part."""

    models: tuple[NeedModel, ...]
    index_dates: tuple[str, ...] | None  # None: the extract date
    reasons: bool
    force: bool = False  # whether a source without rows is only noted


@dataclass(frozen=True)
class Portion:
    """What one part gives: per model the scores, and who has none; facts that add up over the parts."""

    scores: tuple[pa.Table, ...]
    unscored: tuple[pa.Table, ...]
    facts: dict


def score_part(part: Registers | str, task: Task) -> Portion:
    """Scores and reasons of one part of the registers, read if need be."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ServiceneeWarning)
        registers = part if isinstance(part, Registers) else read_registers(part)
        dates = registers.extract_date if task.index_dates is None else list(task.index_dates)
        pairs = [score_rows(model, registers, dates, reasons=task.reasons) for model in task.models]
    notes = [str(warning.message) for warning in caught if issubclass(warning.category, ServiceneeWarning)]
    facts = {
        "content": content_sum(registers),
        "extract_date": f"{registers.extract_date:%Y-%m-%d}",
        "n_rows": _rows_by_feed(registers),
        "n_persons": len(registers.person_columns.ids),
        "notes": list(dict.fromkeys(notes)),
    }
    return Portion(tuple(scores for scores, _ in pairs), tuple(unscored for _, unscored in pairs), facts)


def score_rows(
    model: NeedModel, registers: Registers, index_dates, *, reasons: bool = False
) -> tuple[pa.Table, pa.Table]:
    """Scores of the registers' persons, and the reasons of those who cannot be scored."""
    model.check_valid(index_dates)
    cohort = model.population.at(registers, index_dates)
    scores = model.score(cohort)
    known = scores.notna().all(axis=1).to_numpy()
    absent = pd.DataFrame({"reason": np.full(int((~known).sum()), NO_SCORE, dtype=object)}, index=scores.index[~known])
    unscored = pd.concat([too_little_known(model.population, registers, index_dates), absent])
    scores = scores[known]
    if reasons:
        scores = scores.assign(reasons=_reasons(model, registers, scores.index))
    return as_table(scores, registers), as_table(unscored, registers)


def write_portion(portion: Portion, folder: Path) -> None:
    """Keep a portion in a folder that appears only when it is complete."""
    partial = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for number, (scores, unscored) in enumerate(zip(portion.scores, portion.unscored, strict=True)):
            pq.write_table(scores, partial / f"scores-{number}.parquet", compression="lz4")
            pq.write_table(unscored, partial / f"unscored-{number}.parquet", compression="lz4")
        (partial / _FACTS).write_text(json.dumps(portion.facts), encoding="utf-8")
        os.replace(partial, folder)
    except OSError:
        if not folder.is_dir():  # else a worker of a job that was killed has just finished the same part
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_portion(folder: Path) -> Portion:
    """A portion that was kept."""
    facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    tables = {
        name: tuple(
            pq.ParquetFile(folder / f"{name}-{number}.parquet").read(use_threads=False)
            for number in range(len(list(folder.glob(f"{name}-*.parquet"))))
        )
        for name in ("scores", "unscored")
    }
    return Portion(**tables, facts=facts)


def as_table(frame: pd.DataFrame, registers: Registers) -> pa.Table:
    """Columns with a type that does not depend on whether there are rows."""
    ids, dates = (frame.index.get_level_values(name) for name in ("person_id", "index_date"))
    kind = pa.int64() if registers.person_columns.ids.dtype.kind == "i" else pa.string()
    columns = {"person_id": pa.array(ids, kind), "index_date": pa.array(dates.to_numpy(), pa.timestamp("us"))}
    for name in frame.columns:
        values = frame[name]
        text = not (pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype))
        columns[name] = pa.array(values.tolist(), pa.string()) if text else pa.array(values.to_numpy())
    return pa.table(columns)


def _reasons(model: NeedModel, registers: Registers, index: pd.MultiIndex) -> np.ndarray:
    """One JSON text per row: a flat column that every database and Spark can read."""
    texts = np.full(len(index), "[]", dtype=object)
    if not len(index):
        return texts
    found = model.reasons(registers, index, n_reasons=N_REASONS)
    rows = index.get_indexer(found.index)
    listed: list[list[dict]] = [[] for _ in index]
    for row, reason in zip(rows, found.drop(columns="order").to_dict("records"), strict=True):
        listed[row].append({name: _plain(value) for name, value in reason.items()})
    texts[:] = [json.dumps(parts, ensure_ascii=False) for parts in listed]
    return texts


def _plain(value):
    if isinstance(value, str):
        return value
    return float(value) if np.isfinite(value) else None


def _rows_by_feed(registers: Registers) -> dict[str, int]:
    n_rows: dict[str, int] = {}
    for table, columns in (("events", registers.event_columns), ("stays", registers.stay_columns)):
        of_kind = np.bincount(columns.kind, minlength=len(columns.kinds))
        for source, n in zip(columns.kinds["source"], of_kind.tolist(), strict=True):
            n_rows[f"{table} {source}"] = n_rows.get(f"{table} {source}", 0) + n
    return n_rows
