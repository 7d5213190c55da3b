"""The command line: `servicenee demo | check | prepare | train | predict | lists | impact | monitor`."""

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from servicenee.arguments import parser
from servicenee.exceptions import RegisterError, ServiceneeWarning, plain_reason

LOG = logging.getLogger("servicenee")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; by default those of the shell.

    Returns
    -------
    int
        0: done. 1: something is wrong with the input; one line says what. 2: wrong arguments. 130: interrupted.

    Examples
    --------
    >>> from servicenee.cli import main
    >>> main(["predict", "no-such-model", "registers", "scores.parquet", "--quiet"])
    1
    """
    arguments = parser().parse_args(argv)
    if arguments.command is None:
        parser().print_help()
        return 2
    handler = _progress(arguments.quiet)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", ServiceneeWarning)
            warnings.showwarning = _as_note(arguments.quiet)
            _RUN[arguments.command](arguments)
    except KeyboardInterrupt:
        _complain(arguments.command, "interrupted")
        return 130
    except Exception as error:  # a scheduler keeps one line, not a traceback, which might show a row
        # Findings of registers go below each other, as many as there are.
        _complain(arguments.command, str(error) if isinstance(error, RegisterError) else plain_reason(error))
        return 1
    finally:
        LOG.removeHandler(handler)
    return 0


def _demo(arguments: argparse.Namespace) -> None:
    from servicenee.demo import MLFLOW_PAGE, run_demo

    made = run_demo(arguments.output, n_persons=arguments.persons, language=arguments.language)
    _say(
        f"open {made.summary}",
        f"     {made.listing}",
        f"     {made.evaluation}",
        f"see  {MLFLOW_PAGE} after starting\n     {made.mlflow_command}",
    )


def _check(arguments: argparse.Namespace) -> None:
    from servicenee.exceptions import RegisterError
    from servicenee.registers import check_registers, register_report, register_summary
    from servicenee.registers.signals import OUTAGE

    read = _reader_of(Path(arguments.registers))
    LOG.info("reading %s", arguments.registers)
    refused = None
    try:
        registers = read(arguments.registers)
    except RegisterError as error:  # show what can be shown of registers that nothing else would take
        refused, registers = error, read(arguments.registers, tolerance=1.0)
    LOG.info("checking")
    _say(register_summary(registers, language=arguments.language))
    if arguments.output is not None:
        _say(f"open {register_report(registers, arguments.output, language=arguments.language)}")
    if refused is not None:
        raise refused
    if not arguments.force and OUTAGE in set(check_registers(registers)["fault"]):
        raise ValueError(
            "the last complete week of a source has under 60 % of its usual rows. Find out whether the feed has "
            "stopped before computing risks, or use --force."
        )


def _reader_of(folder: Path):
    """What reads a folder, by the names of its files: OMOP tables, a Finnish delivery, else registers of our own."""
    from servicenee.registers import read_hilmo, read_omop, read_registers
    from servicenee.registers.delivery import table_of

    names = [file.name for file in folder.glob("*.*")]
    if any(name.lower().startswith("person.") for name in names):
        return read_omop
    return read_hilmo if any(table_of(name) == "vaesto" for name in names) else read_registers


def _train(arguments: argparse.Namespace) -> None:
    from servicenee.evaluation.capacity import check_capacity
    from servicenee.registers import read_registers
    from servicenee.tracking import configure, log_model
    from servicenee.training import find_definition, train, write_facts

    folder = find_definition(arguments.definition)
    if arguments.capacity is not None:  # refused now, not after the fit
        check_capacity(arguments.capacity)
    LOG.info("reading %s", arguments.registers)
    registers = read_registers(arguments.registers)
    trained = train(folder, registers, capacity=arguments.capacity, refits=arguments.refits)
    LOG.info("logging to MLflow")
    if arguments.mlruns is not None:
        configure(arguments.mlruns)
    uri = log_model(
        trained.model, trained.evaluation, experiment=arguments.experiment or folder.name, alias=arguments.alias
    )
    card, metrics = write_facts(trained, arguments.about, Path(arguments.output or folder))
    _say(f"model    {uri}", f"card     {card}", f"measures {metrics}")


def _prepare(arguments: argparse.Namespace) -> None:
    from servicenee.registers import read_registers, write_registers
    from servicenee.registers.splitting import PERSONS_PER_PART

    read, given = _reader_of(Path(arguments.registers)), arguments.registers
    options = {"partitions": arguments.partitions, "extract_date": arguments.extract_date}
    LOG.info("reading %s", given)
    if read is not read_registers:
        given = read(given, extract_date=arguments.extract_date)
        options = {"partitions": arguments.partitions or max(1, -(-len(given.persons) // PERSONS_PER_PART))}
    with _one_line():
        write_registers(given, arguments.output, **options)
    _say(f"prepared: {arguments.output}")


def _predict(arguments: argparse.Namespace) -> None:
    models = _checked_models(arguments)
    challenger = models.pop() if arguments.shadow is not None else None
    for model in models:
        LOG.info("scoring with %r", model)
    scores = _score(models, arguments, output=arguments.output, reasons=arguments.reasons)
    _say(f"{len(scores):,} persons scored: {arguments.output}")
    if challenger is not None:
        own = (scores["model"] == models[0].name) & (scores["version"] == models[0].version)
        _compare_with_shadow(arguments, scores[own].dropna(axis="columns", how="all"), challenger)


def _checked_models(arguments: argparse.Namespace) -> list:
    """All models, that of the shadow last: what would be refused after an hour of work is refused before it."""
    from servicenee.evaluation.capacity import check_capacity
    from servicenee.tracking import load_model

    paths = [arguments.model, *arguments.also, *([] if arguments.shadow is None else [arguments.shadow])]
    hashes = arguments.sha256 or [None] * len(paths)
    if len(hashes) != len(paths):
        raise ValueError(
            f"--sha256 must be given once for each of the {len(paths)} models, in the order MODEL, --also, --shadow; "
            f"got {len(hashes)}."
        )
    if arguments.shadow is None:
        return [load_model(*pair) for pair in zip(paths, hashes, strict=True)]
    if len(arguments.date or ()) > 1:
        raise ValueError(f"--shadow compares on one index date; got {len(arguments.date)}. Score them one at a time.")
    check_capacity(0.05 if arguments.capacity is None else arguments.capacity)
    models = [load_model(*pair) for pair in zip(paths, hashes, strict=True)]
    for model in (models[0], models[-1]):
        if model.is_segmenter:
            raise ValueError(f"--shadow compares risks or amounts; {model.name!r} gives segments, which have no order.")
    if not arguments.force:
        models[-1].check_valid(arguments.date or _extract_date(arguments.registers))
    return models


def _extract_date(folder: str):
    """That of registers in a folder, from their first part and without its persons."""
    from servicenee.registers import read_registers
    from servicenee.registers.folders import existing_folder
    from servicenee.registers.parts import part_folders

    root = existing_folder(folder)
    with _one_line():
        return read_registers((part_folders(root) or [root])[0], persons=[]).extract_date


def _compare_with_shadow(arguments: argparse.Namespace, scores, challenger) -> None:
    """Scores of the challenger on the same registers; only how much they differ is kept."""
    from servicenee.monitoring import compare_scores

    LOG.info("scoring in the shadow with %r", challenger)
    table = compare_scores(scores, _score([challenger], arguments), capacity=arguments.capacity)
    _say(f"beside {challenger.name} {challenger.version}:", table.round(4).to_string(index=False, header=False))


def _score(models: list, arguments: argparse.Namespace, **how):
    from servicenee.scoring import predict

    with _one_line():
        asked = {"index_date": arguments.date, "n_jobs": arguments.jobs, "force": arguments.force}
        return predict(models, arguments.registers, **asked, **how)


@contextmanager
def _one_line():
    """All faults of the registers in the one line that a scheduler keeps."""
    try:
        yield
    except RegisterError as error:
        raise ValueError(" ".join(error.findings)) from None


def _lists(arguments: argparse.Namespace) -> None:
    from servicenee.lists import read_decisions, read_record, segment_list
    from servicenee.lists.handing_out import hand_out, write_list
    from servicenee.registers import read_registers
    from servicenee.tracking import load_model

    folder = arguments.protected
    if arguments.returned and folder is None:
        raise ValueError("--returned needs --protected, the folder where decisions are kept.")
    if folder is not None:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in arguments.returned:
        decisions = read_decisions(path)
        decisions.store(folder)
        told = [f"  row {row.row}, {row.column}: {row.finding} {row.remedy}" for row in decisions.findings.itertuples()]
        _say(f"{len(decisions.table):,} of {decisions.n_rows:,} rows filled in: {path}", *told)
    scores = _table(arguments.scores)
    if "person_id" not in scores.index.names:
        raise ValueError(f"{arguments.scores} must hold scores as `servicenee predict` writes them; it has no persons.")
    listing = segment_list(
        scores,
        # Of the scored alone: a fifth of the events or so, and of the memory.
        read_registers(arguments.registers, persons=scores.index.unique("person_id")),
        model=load_model(arguments.model),
        purpose=arguments.purpose,
        segments=None if arguments.segments is None else _table(arguments.segments),
        segments_model=None if arguments.segments_model is None else load_model(arguments.segments_model),
        previous=None if folder is None else read_record(folder),
        decisions=None if folder is None else read_decisions(folder),
        capacity=arguments.capacity,
        by=arguments.by,
        language=arguments.language,
        weeks=arguments.weeks,
        legal_basis=arguments.legal_basis,
    )
    if folder is None:
        write_list(listing, arguments.output, arguments.key)
    else:
        written = {"written_by": arguments.user, "written_for": arguments.written_for, "ground": arguments.ground}
        _say(f"recorded as {hand_out(listing, arguments.output, folder, key=arguments.key, **written)}")
    _say(f"{int(listing.groups['listed'].sum()):,} persons listed: {arguments.output}")


def _impact(arguments: argparse.Namespace) -> None:
    from servicenee.impact import impact_report
    from servicenee.registers import read_registers

    LOG.info("reading %s", arguments.registers)
    registers = read_registers(arguments.registers)
    given = {
        name: _table(getattr(arguments, name), "CSV") if getattr(arguments, name) else None
        for name in ("definitions", "costs")
    }
    LOG.info("measuring")
    report = impact_report(registers, **given)
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    LOG.info("writing the page and the workbook")
    _say(
        f"page     {report.to_html(output / 'impact.html', language=arguments.language)}",
        f"workbook {report.to_excel(output / 'impact.xlsx', language=arguments.language)}",
    )


def _monitor(arguments: argparse.Namespace) -> None:
    from servicenee.monitoring import monitor
    from servicenee.registers import read_registers
    from servicenee.tracking import load_model

    model = load_model(arguments.model, arguments.sha256)
    LOG.info("looking at %r", model)
    run = monitor(
        model,
        read_registers(arguments.registers),
        index_date=arguments.date,
        previous=None if arguments.previous is None else _table(arguments.previous),
        capacity=arguments.capacity,
        force=arguments.force,
    )
    if arguments.log is None:
        _say(run.to_json())
    else:
        with Path(arguments.log).open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(run.to_json() + "\n")
        _say(f"{run.status}: {len(run.findings)} findings")
    # After the line: whatever becomes of page and store, the scheduler's log has the run.
    if arguments.output is not None:
        _say(f"open {run.to_html(arguments.output, language=arguments.language)}")
    if arguments.experiment is not None:
        LOG.info("logging to MLflow")
        run.log(experiment=arguments.experiment)
    if run.status == "stop":
        stops = run.findings[run.findings["action"] == "stop"]
        named = "; ".join(f"{row.finding} {row.subject}".strip() for row in stops.itertuples())
        raise ValueError(f"do not score with this model on these registers ({named}). Mend the cause, or use --force.")


def _table(path: str, kind: str = "Parquet"):
    import pandas as pd

    try:
        return pd.read_csv(path) if kind == "CSV" else pd.read_parquet(path)
    except FileNotFoundError:
        raise ValueError(f"{path} is not there. Check the path.") from None
    except ValueError:
        raise ValueError(f"{path} cannot be read as {kind}. Write the file again.") from None


_RUN = {
    "demo": _demo,
    "check": _check,
    "prepare": _prepare,
    "train": _train,
    "predict": _predict,
    "lists": _lists,
    "impact": _impact,
    "monitor": _monitor,
}


def _progress(quiet: bool) -> logging.Handler:
    """Progress as lines with the seconds since the start, on standard error."""
    handler, start = logging.StreamHandler(sys.stderr), time.monotonic()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(lambda record: _stamp(record, start))
    LOG.setLevel(logging.WARNING if quiet else logging.INFO)
    LOG.addHandler(handler)
    return handler


def _stamp(record: logging.LogRecord, start: float) -> bool:
    record.msg = f"{time.monotonic() - start:5.1f} s  {record.msg}"
    return True


def _as_note(quiet: bool):
    def show(message, category, filename, lineno, file=None, line=None):
        if not quiet:
            sys.stderr.write(f"note: {message}\n")

    return show


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _complain(command: str, message: str) -> None:
    sys.stderr.write(f"servicenee {command}: {message}\n")
