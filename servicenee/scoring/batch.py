"""`predict`: models or their addresses, registers or their folder come in; scores go out, also to a Parquet file."""

import json
import logging
import time
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from servicenee import __version__
from servicenee._checks import check_dates, name_some
from servicenee.exceptions import ModelError, RegisterError, ServiceneeWarning, plain_reason
from servicenee.model import NeedModel
from servicenee.need.ranks import rank_risks
from servicenee.reference import silent_feeds
from servicenee.registers import Registers
from servicenee.registers.folders import existing_folder
from servicenee.registers.parts import part_folders, refuse_incomplete
from servicenee.scoring.portions import Portion, Task, read_portion, score_part, write_portion
from servicenee.scoring.sharing import Team
from servicenee.scoring.workplace import empty, key_of, state_of, workplace, write_together
from servicenee.tracking import load_model

LOG = logging.getLogger("servicenee")
_KEYS = ["person_id", "index_date"]
_MANY_NOTES = 5
_FAR = "2199-12-31"  # later than any index date


def predict(
    model: NeedModel | str | Path | Iterable[NeedModel | str | Path],
    registers: Registers | str | Path,
    *,
    index_date=None,
    output: str | Path | None = None,
    reasons: bool = False,
    n_jobs: int | None = None,
    force: bool = False,
) -> pd.DataFrame:
    """Score everybody in the population of a model or of several.

    Parameters
    ----------
    model : NeedModel, str, Path or list of them
        The model, its folder, or its address in the registry (``models:/name@alias``). Several read the registers
        once; they need different names or versions.
    registers : Registers, str or Path
        The registers, or their folder as `write_registers` lays it out. A folder in parts is read one part at a time,
        so that memory is bounded by the part and not by the county.
    index_date : date, ISO text or list of them, optional
        By default the extract date.
    output : str or Path, optional
        Parquet file to write as well. It appears only when it is complete, with a second file
        ``NAME.unscored.parquet`` of those who would belong to the population but cannot be scored, and why.
    reasons : bool, default=False
        Whether to add the column `reasons`. For a list this is not needed: it asks for those of the listed persons.
    n_jobs : int, optional
        Processes that share the parts, this one among them, as in joblib: -1 for one per processor; by default one.
        Never more than there are parts, and registers in memory are one part. To import what scoring takes, a process
        needs as long as it needs to score some 50,000 persons: several pay from some 100,000 persons on.
    force : bool, default=False
        Whether to score although a model's validity date is over, or a source that it needs has no row at all.

    Returns
    -------
    DataFrame, index (person_id, index_date)
        risk, rank (1 = highest within the index date), model, version, or what else the estimator gives (see
        `NeedModel.predict`); with `reasons` a JSON text with up to three of feature, value, reference, contribution.
        Several models come one below the other, in their order; a column that one does not give is missing there.

    Raises
    ------
    ModelError
        If a model is refused or its validity date is over, or the registers lack what it was trained with; also if a
        source has no row though at least ten a year were to be expected of so many persons.
    ValueError
        If parts of the registers cannot be scored; the others are finished and kept beside `output`. Or if another
        job is writing `output`.
    RegisterError
        If parts are missing, there twice or of different extracts, or registers in one piece cannot be read.

    Notes
    -----
    A person's risk has the same bits whatever other persons are scored, in how many parts and processes, and whether
    the model comes from memory, a folder or the registry (estimators of your own: to about 1e-12); so has the file.
    Its metadata name models, versions, index dates, the extract date and a fingerprint of the registers' content.

    A job that is interrupted, even by force, goes on where it was: parts that are finished wait in a folder
    ``.NAME.work`` beside `output` until it is complete. Change a model, an index date or a part, and what depends on it
    is computed anew. A model that holds code of your own (a builder, an estimator, a function) is scored from the start
    each time, for a change in that code would not be seen. Scores are personal data: keep the file in the protected
    folder. Progress goes to the logger "servicenee" at level INFO.

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
    if n_jobs == 0:
        raise ValueError("`n_jobs` must be at least 1, or -1 for one per processor; got 0.")
    dates = None if index_date is None else tuple(str(date) for date in check_dates("index_date", index_date))
    parts = _parts(registers)
    with Team(n_jobs, len(parts)) as team:
        task = Task(_models(model, force), dates, reasons, force)
        if dates is not None:
            for one in task.models:
                one.check_valid(list(dates))
        if output is None:
            return _scores(task, list(_portions(parts, task, team, None)))
        return _kept_scores(parts, task, team, Path(output).resolve())


def _kept_scores(parts, task: Task, team: Team, output: Path) -> pd.DataFrame:
    """Scores of all parts, written to `output` as well; what is finished is kept until it is complete."""
    key = key_of(task)
    output.parent.mkdir(parents=True, exist_ok=True)
    with workplace(output) as folder:
        finished = None if key is None else folder / key
        empty(folder, keep=finished)
        if finished is None:
            LOG.info("a model holds code of your own: parts that are finished are not kept for another try")
        portions = list(_portions(parts, task, team, finished))
        scores = _scores(task, portions)
        _write(scores, task, portions, output)
        empty(folder)
    return scores


# --- before ----------------------------------------------------------------------------------------------------------


def _models(model, force: bool) -> tuple[NeedModel, ...]:
    listed = [model] if isinstance(model, NeedModel | str | Path) else list(model)
    models = tuple(one if isinstance(one, NeedModel) else load_model(one) for one in listed)
    named = [(one.name, one.version) for one in models if one.is_fitted]
    if not models or len(set(named)) < len(named):
        raise ValueError(f"`model` must hold one model or several of different names or versions; got {len(models)}.")
    return tuple(one.renewed(_FAR) for one in models) if force else models


def _parts(registers) -> list[tuple[str, Registers | Path]]:
    """Parts by name, in order."""
    if isinstance(registers, Registers):
        return [("registers", registers)]
    root = existing_folder(registers)
    parts = part_folders(root)
    refuse_incomplete(parts)
    return [(part.name, part) for part in parts] or [("registers", root)]


# --- the parts -------------------------------------------------------------------------------------------------------


def _portions(parts, task: Task, team: Team, finished: Path | None) -> Iterator[Portion]:
    """What every part gives, in the order of the parts; with `finished` kept there, and not computed twice."""
    kept = {name: None if finished is None else _place(finished, name, part) for name, part in parts}
    waiting = [(name, part) for name, part in parts if kept[name] is None or not kept[name].is_dir()]
    if len(waiting) < len(parts):
        LOG.info("%d of %d parts are there from before", len(parts) - len(waiting), len(parts))
    if len(parts) == 1 and waiting:  # its error is the caller's as it is
        name, part = waiting[0]
        yield _score(part, task, kept[name]) or read_portion(kept[name])
        return
    done, failures, start = {}, {}, time.monotonic()
    for name, result in team.share(partial(_attempt, task=task, kept=kept), waiting):
        (failures if isinstance(result, Exception) else done)[name] = result
        n_done = len(done) + len(failures)
        left = (time.monotonic() - start) / n_done * (len(waiting) - n_done)
        LOG.info("part %d of %d scored; about %.0f s left", len(parts) - len(waiting) + n_done, len(parts), left)
    if failures:
        raise _failed(failures, len(parts), finished is not None)
    for name, _ in parts:
        yield done[name] if done.get(name) is not None else read_portion(kept[name])


def _place(finished: Path, name: str, part: Registers | Path) -> Path | None:
    """Where a part's scores are kept; those of registers in memory are not."""
    return None if isinstance(part, Registers) else finished / f"{name}-{state_of(part)}"


def _attempt(named: tuple[str, Registers | Path], *, task: Task, kept: dict) -> tuple[str, Portion | Exception | None]:
    """What `_score` gives, or the error that tells why there is nothing."""
    name, part = named
    try:
        return name, _score(part, task, kept[name])
    except (RegisterError, ModelError, OSError) as error:
        return name, error
    except Exception as error:  # whatever it is, the other parts are scored
        return name, ValueError(plain_reason(error))


def _score(part, task: Task, place: Path | None) -> Portion | None:
    """A part's scores, or None when they are kept in `place`."""
    portion = score_part(part, task)
    if place is None:
        return portion
    write_portion(portion, place)
    return None


def _failed(failures: dict[str, Exception], n_parts: int, kept: bool) -> Exception:
    """One error of one line for all parts that failed; what all parts say alike is said once."""
    told: dict[str, list[str]] = {}
    for name in sorted(failures):
        error = failures[name]
        reason = " ".join(error.findings) if isinstance(error, RegisterError) else str(error)
        told.setdefault(reason.replace(f"{name}/", ""), []).append(name)
    if len(failures) == n_parts and len(told) == 1:
        return next(iter(failures.values()))
    reasons = "; ".join(f"{name_some(names)}: {reason}" for reason, names in told.items())
    rest = " The others are finished and kept: mend these and run it again." if kept and len(failures) < n_parts else ""
    alike = [kind for kind in (ModelError, OSError) if all(isinstance(error, kind) for error in failures.values())]
    return (*alike, ValueError)[0](f"{len(failures)} of {n_parts} parts cannot be scored. {reasons}{rest}")


# --- after -----------------------------------------------------------------------------------------------------------


def _scores(task: Task, portions: list[Portion]) -> pd.DataFrame:
    """Scores of all parts by model, person and index date, with ranks over the whole county."""
    if len({portion.facts["extract_date"] for portion in portions}) > 1:
        raise ValueError("the parts of the registers are not of one extract date. Write them again together.")
    _pass_on_notes(task, portions)
    frames = []
    for number, model in enumerate(task.models):
        frame = _ordered([portion.scores[number] for portion in portions])
        n_twice = int(frame.index.duplicated().sum())
        if n_twice:
            raise ValueError(f"{n_twice:,} rows are scored twice: persons are in several parts. Write the parts anew.")
        if "risk" in frame:
            day = frame.index.get_level_values("index_date").to_numpy().astype("datetime64[D]")
            ranks = rank_risks(frame["risk"].to_numpy(), day.astype(np.int64))
            frame.insert(frame.columns.get_loc("risk") + 1, "rank", ranks)
        place = len(frame.columns) - ("reasons" in frame)
        for name, text in (("version", model.version), ("model", model.name)):
            frame.insert(place, name, np.full(len(frame), text, dtype=object))
        frames.append(frame)
    scores = frames[0] if len(frames) == 1 else pd.concat(frames)
    estimands = {model.estimator_.estimand for model in task.models}
    if len(estimands) == 1:
        scores.attrs["estimand"] = estimands.pop()
    return scores


def _ordered(tables: list[pa.Table]) -> pd.DataFrame:
    """Rows of all parts in order of person, index date and reason, as `Registers` orders persons."""
    table = pa.concat_tables(tables)
    keys = [*_KEYS, *(name for name in ("reason",) if name in table.column_names)]
    table = table.take(pc.sort_indices(table, [(name, "ascending") for name in keys]))
    frame = table.to_pandas()
    text = [name for name in table.column_names if pa.types.is_string(table.schema.field(name).type)]
    return frame.astype({name: object for name in text if name not in _KEYS}).set_index(_KEYS)


def _pass_on_notes(task: Task, portions: list[Portion]) -> None:
    """Caveats of the parts, each once, and sources that have fallen silent."""
    notes: dict[str, int] = {}
    for portion in portions:
        for note in portion.facts["notes"]:
            notes[note] = notes.get(note, 0) + 1
    for note, n in list(notes.items())[:_MANY_NOTES]:
        of_parts = f" ({n} of {len(portions)} parts)" if len(portions) > 1 else ""
        warnings.warn(f"{note}{of_parts}", ServiceneeWarning, stacklevel=4)
    if len(notes) > _MANY_NOTES:
        more = f"and {len(notes) - _MANY_NOTES} more notes of parts: score a part alone to read them."
        warnings.warn(more, ServiceneeWarning, stacklevel=4)
    _refuse_silence(task, portions)


def _refuse_silence(task: Task, portions: list[Portion]) -> None:
    """Persons would look healthy whose visits have not been delivered; by force it is only noted."""
    n_rows: dict[str, int] = {}
    for portion in portions:
        for name, n in portion.facts["n_rows"].items():
            n_rows[name] = n_rows.get(name, 0) + n
    n_persons = sum(portion.facts["n_persons"] for portion in portions)
    silent = sorted({name for model in task.models for name in silent_feeds(model.reference_, n_rows, n_persons)})
    if not silent:
        return
    told = (
        f"{len(silent)} sources that the model was trained with have no row in these registers: {name_some(silent)}. "
        "Find out whether their files are missing before the scores are used"
    )
    if not task.force:
        raise ModelError(f"{told}, or score by force.")
    warnings.warn(f"{told}.", ServiceneeWarning, stacklevel=5)


def _write(scores: pd.DataFrame, task: Task, portions: list[Portion], path: Path) -> None:
    unscored = [
        _ordered([portion.unscored[number] for portion in portions]).assign(model=model.name, version=model.version)
        for number, model in enumerate(task.models)
    ]
    unscored = pd.concat(unscored)[["model", "version", "reason"]].astype(object)
    dates = task.index_dates or (portions[0].facts["extract_date"],)
    facts = {
        "servicenee": __version__,
        "models": [
            {"name": model.name, "version": model.version, "training_digest": model.training_.digest}
            for model in task.models
        ],
        "index_dates": list(dates),
        "extract_date": portions[0].facts["extract_date"],
        "registers": f"{sum(portion.facts['content'] for portion in portions) % 2**64:016x}",
        "n_scored": len(scores),
        "n_unscored": len(unscored),
    }
    tables = {}
    for frame, file in ((unscored, path.with_suffix(".unscored.parquet")), (scores, path)):
        table = pa.Table.from_pandas(frame)
        # Where pandas looks for `attrs`; older versions of pyarrow do not write them.
        words = {b"PANDAS_ATTRS": json.dumps(frame.attrs).encode()} if frame.attrs else {}
        metadata = {**(table.schema.metadata or {}), **words, b"servicenee": json.dumps(facts).encode()}
        tables[file] = table.replace_schema_metadata(metadata)
    write_together(tables)  # the scores last: where they are, everything is
