"""`predict`: a model or its address, registers or their folder come in; scores go out, to a Parquet file if asked."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from servicenee import __version__
from servicenee.model import NeedModel
from servicenee.registers import Registers, read_registers
from servicenee.tracking import load_model

N_REASONS = 3


def predict(
    model: NeedModel | str | Path,
    registers: Registers | str | Path,
    *,
    index_date=None,
    output: str | Path | None = None,
    reasons: bool = False,
) -> pd.DataFrame:
    """Score everybody in the model's population.

    Parameters
    ----------
    model : NeedModel, str or Path
        The model, its folder, or its address in the registry (``models:/name@alias``).
    registers : Registers, str or Path
        The registers, or their folder as `write_registers` lays it out.
    index_date : date, ISO text or list of them, optional
        By default the extract date.
    output : str or Path, optional
        Parquet file to write as well; it appears only when it is complete.
    reasons : bool, default=False
        Whether to add the column `reasons`. For a list this is not needed: it asks for those of the listed persons.

    Returns
    -------
    DataFrame, index (person_id, index_date)
        risk, rank (1 = highest within the index date), model, version; with `reasons` a JSON text with up to three
        of feature, value, reference, contribution.

    Raises
    ------
    ModelError
        If the model is refused, or the registers lack what it was trained with.

    Notes
    -----
    A person's risk has the same bits whatever other persons are scored, and whether the model comes from memory, a
    folder or the registry (estimators of your own: to about 1e-12). The file's metadata name the model, its version,
    the index dates and the extract date. Scores are personal data: keep the file in the protected folder.

    Examples
    --------
    >>> from servicenee import Demographics, NeedClassifier, NeedModel, Outcome, Population, make_registers, predict
    >>> registers = make_registers(500, random_state=0)
    >>> model = NeedModel(Population(75), Demographics(), NeedClassifier(random_state=0), Outcome("emergency_visit"))
    >>> scores = predict(model.fit(registers, "2021-06-01"), registers, index_date="2023-06-01")
    >>> int(scores["rank"].min()), scores.index.names
    (1, FrozenList(['person_id', 'index_date']))
    """
    if output is not None and Path(output).suffix != ".parquet":
        raise ValueError(f"`output` must be a file ending in .parquet; got {str(output)!r}.")
    fitted = model if isinstance(model, NeedModel) else load_model(model)
    tables = registers if isinstance(registers, Registers) else read_registers(registers)
    scores = fitted.predict(tables, index_date)
    if reasons:
        scores = scores.assign(reasons=_reasons(fitted, tables, scores.index))
    if output is not None:
        _write(scores, fitted, tables, Path(output))
    return scores


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


def _write(scores: pd.DataFrame, model: NeedModel, registers: Registers, path: Path) -> None:
    dates = scores.index.get_level_values("index_date").unique().sort_values()
    facts = {
        "servicenee": __version__,
        "model": model.name,
        "version": model.version,
        "index_dates": [f"{date:%Y-%m-%d}" for date in dates],
        "extract_date": f"{registers.extract_date:%Y-%m-%d}",
        "training_digest": model.training_.digest,
    }
    table = pa.Table.from_pandas(scores)
    # Where pandas looks for `attrs`; older versions of pyarrow do not write them.
    words = {b"PANDAS_ATTRS": json.dumps(scores.attrs).encode()} if scores.attrs else {}
    metadata = {**(table.schema.metadata or {}), **words, b"servicenee": json.dumps(facts).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        pq.write_table(table.replace_schema_metadata(metadata), partial, coerce_timestamps="us")
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)
