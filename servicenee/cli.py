"""The command line: `servicenee demo | check | train | predict | lists | impact | monitor`."""

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from servicenee import __version__
from servicenee.exceptions import ServiceneeWarning

LOG = logging.getLogger("servicenee")
_ABOUT = "Register extracts in; calibrated service-need risks and lists out."
_COMMANDS = {
    "demo": "a synthetic county from registers to a list and a page, in under a minute",
    "check": "the quality of registers: faults, weeks without rows, coverage, delays, codes",
    "train": "fit a defined model, evaluate it, register it, write its card",
    "predict": "score everybody in a model's population",
    "lists": "a list for a care coordinator from scores, and what came back of the last one",
    "impact": "the county's indicators as a page and a workbook: access, service mix, cost, equity",
    "monitor": "whether a model is still true: feeds, drift, what to expect of the list, outcomes known by now",
}
_EXAMPLES = {
    "demo": "servicenee demo --output servicenee-demo --language en",
    "check": "servicenee check registers --output quality.html",
    "train": "servicenee train models/home_care_start_12m registers --alias champion",
    "predict": "servicenee predict models:/home_care_start_12m@champion registers protected/scores.parquet",
    "lists": "servicenee lists models:/home_care_start_12m@champion registers protected/scores.parquet "
    'protected/list.xlsx --purpose client_work --legal-basis "section of law, decision of the controller"',
    "impact": "servicenee impact registers --output impact --language fi",
    "monitor": "servicenee monitor models:/home_care_start_12m@champion registers --output monitor.html",
}
_MODEL = "folder of a saved model, or models:/NAME@ALIAS"
_REGISTERS = "folder of registers (Parquet or CSV)"
_FAR = "2199-12-31"  # later than any index date


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
    arguments = _parser().parse_args(argv)
    if arguments.command is None:
        _parser().print_help()
        return 2
    handler = _progress(arguments.quiet)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", ServiceneeWarning)
            warnings.showwarning = _as_note(arguments.quiet)
            arguments.run(arguments)
    except KeyboardInterrupt:
        _complain(arguments.command, "interrupted")
        return 130
    except (ValueError, TypeError, OSError) as error:
        _complain(arguments.command, str(error))
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
    from servicenee.registers import read_registers
    from servicenee.tracking import configure, log_model
    from servicenee.training import find_definition, train, write_facts

    folder = find_definition(arguments.definition)
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


def _predict(arguments: argparse.Namespace) -> None:
    from servicenee.scoring import predict
    from servicenee.tracking import load_model

    model = load_model(arguments.model, arguments.sha256)
    if arguments.force:
        model = model.renewed(_FAR)
    LOG.info("scoring with %r", model)
    scores = predict(
        model, arguments.registers, index_date=arguments.date, output=arguments.output, reasons=arguments.reasons
    )
    _say(f"{len(scores):,} persons scored: {arguments.output}")
    if arguments.shadow is not None:
        _compare_with_shadow(arguments, scores)


def _compare_with_shadow(arguments: argparse.Namespace, scores) -> None:
    """Scores of the challenger on the same registers; only how much they differ is kept."""
    from servicenee.monitoring import compare_scores
    from servicenee.scoring import predict
    from servicenee.tracking import load_model

    challenger = load_model(arguments.shadow)
    LOG.info("scoring in the shadow with %r", challenger)
    others = predict(challenger, arguments.registers, index_date=arguments.date)
    table = compare_scores(scores, others, capacity=arguments.capacity)
    _say(f"beside {challenger.name} {challenger.version}:", table.round(4).to_string(index=False, header=False))


def _lists(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from servicenee.lists import read_decisions, read_record, segment_list
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
    listing = segment_list(
        pd.read_parquet(arguments.scores),
        read_registers(arguments.registers),
        model=load_model(arguments.model),
        purpose=arguments.purpose,
        segments=None if arguments.segments is None else pd.read_parquet(arguments.segments),
        previous=None if folder is None else read_record(folder),
        decisions=None if folder is None else read_decisions(folder),
        capacity=arguments.capacity,
        by=arguments.by,
        language=arguments.language,
        weeks=arguments.weeks,
        legal_basis=arguments.legal_basis,
    )
    write = _writer(listing, Path(arguments.output).suffix)
    if folder is not None:
        # Before writing: a list that was handed out without a trace would be worse than a trace without a list.
        written = {"written_by": arguments.user, "written_for": arguments.output, "ground": arguments.ground}
        _say(f"recorded as {listing.record(folder, **written)}")
    path = write(arguments.output, key=arguments.key)
    _say(f"{int(listing.groups['listed'].sum()):,} persons listed: {path}")


def _writer(listing, ending: str):
    writers = {".xlsx": listing.to_excel, ".html": listing.to_html, ".csv": listing.to_csv}
    if ending.lower() not in writers:
        raise ValueError(f"the list must be a file ending in .xlsx, .html or .csv; got {ending!r}.")
    return writers[ending.lower()]


def _impact(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from servicenee.impact import impact_report
    from servicenee.registers import read_registers

    LOG.info("reading %s", arguments.registers)
    registers = read_registers(arguments.registers)
    given = {
        name: pd.read_csv(getattr(arguments, name)) if getattr(arguments, name) else None
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
    import pandas as pd

    from servicenee.monitoring import monitor
    from servicenee.registers import read_registers
    from servicenee.tracking import load_model

    model = load_model(arguments.model, arguments.sha256)
    LOG.info("looking at %r", model)
    run = monitor(
        model,
        read_registers(arguments.registers),
        index_date=arguments.date,
        previous=None if arguments.previous is None else pd.read_parquet(arguments.previous),
        capacity=arguments.capacity,
        force=arguments.force,
    )
    if arguments.output is not None:
        _say(f"open {run.to_html(arguments.output, language=arguments.language)}")
    if arguments.experiment is not None:
        LOG.info("logging to MLflow")
        run.log(experiment=arguments.experiment)
    if arguments.log is None:
        _say(run.to_json())
    else:
        with Path(arguments.log).open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(run.to_json() + "\n")
        _say(f"{run.status}: {len(run.findings)} findings")
    if run.status == "stop":
        stops = run.findings[run.findings["action"] == "stop"]
        named = "; ".join(f"{row.finding} {row.subject}".strip() for row in stops.itertuples())
        raise ValueError(f"do not score with this model on these registers ({named}). Mend the cause, or use --force.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="servicenee", description=_ABOUT, epilog="Every command explains itself: servicenee COMMAND --help"
    )
    parser.add_argument("--version", action="version", version=f"servicenee {__version__}")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    demo = _command(commands, "demo", _demo)
    demo.add_argument("--output", default="servicenee-demo", help="folder for everything (default: %(default)s)")
    demo.add_argument("--persons", type=int, default=20_000, help="size of the county (default: %(default)s)")
    _add_language(demo)
    _add_check_arguments(_command(commands, "check", _check))
    train = _command(commands, "train", _train)
    train.add_argument("definition", help="folder with a definition.py, or the name of a shipped one")
    train.add_argument("registers", help=_REGISTERS)
    train.add_argument("--alias", help="alias for the new version, such as champion")
    train.add_argument("--mlruns", help="folder of the MLflow store (default: what is configured, else mlruns)")
    train.add_argument("--experiment", help="MLflow experiment (default: the name of the definition)")
    train.add_argument("--capacity", type=_capacity, help="persons the service can act on: 200, or 0.05 for 5 %%")
    train.add_argument(
        "--refits",
        nargs="+",
        default=(),
        help="models to compare with: baselines, without_past_use, learning_curve, areas",
    )
    train.add_argument("--output", help="folder for card.md and metrics.json (default: that of the definition)")
    train.add_argument("--about", default="", help="one sentence on the registers, for the card")
    _add_predict_arguments(_command(commands, "predict", _predict))
    lists = _command(commands, "lists", _lists)
    lists.add_argument("model", help=_MODEL)
    lists.add_argument("registers", help=_REGISTERS)
    lists.add_argument("scores", help="Parquet file written by predict, of one index date")
    lists.add_argument("output", help="file to write: .xlsx, .html or .csv")
    lists.add_argument(
        "--purpose", required=True, choices=("client_work", "knowledge_management"), help="persons, or counts only"
    )
    _add_list_options(lists)
    _add_impact_arguments(_command(commands, "impact", _impact))
    _add_monitor_arguments(_command(commands, "monitor", _monitor))
    return parser


def _add_predict_arguments(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("model", help=_MODEL)
    predict.add_argument("registers", help=_REGISTERS)
    predict.add_argument("output", help="Parquet file for the scores")
    predict.add_argument("--date", help="index date, ISO (default: the extract date)")
    predict.add_argument("--reasons", action="store_true", help="add the reasons of everybody; takes longer")
    predict.add_argument("--sha256", help="refuse a model whose manifest has another SHA-256")
    predict.add_argument("--force", action="store_true", help="score although the model's validity date is over")
    predict.add_argument("--shadow", metavar="CHALLENGER", help="another model, to tell how much its scores differ")
    predict.add_argument("--capacity", type=_capacity, help="with --shadow: persons listed, 200, or 0.05 for 5 %%")


def _add_list_options(lists: argparse.ArgumentParser) -> None:
    lists.add_argument(
        "--capacity", type=_capacity, help="persons per unit and week: 20, or 0.01 for 1 %% (default: 20)"
    )
    lists.add_argument("--weeks", type=int, default=1, help="weeks that the list is for (default: %(default)s)")
    lists.add_argument("--by", default="area", help="column of persons that makes the units (default: %(default)s)")
    lists.add_argument("--legal-basis", help="ground for joining health and social records on a list of persons")
    lists.add_argument("--segments", help="Parquet file of segments, as predict writes it for a segmenter")
    lists.add_argument("--protected", help="folder with the record of lists and decisions; the new list is recorded")
    lists.add_argument(
        "--returned", nargs="*", default=[], help="lists that came back filled in, to read and keep first"
    )
    lists.add_argument("--user", default="", help="who writes the list, for the log of access (with --protected)")
    lists.add_argument("--ground", default="", help="task or section of law, for the log of access (with --protected)")
    lists.add_argument("--key", help="file with person_id and name, read only while writing")
    _add_language(lists)


def _add_impact_arguments(impact: argparse.ArgumentParser) -> None:
    impact.add_argument("registers", help=_REGISTERS)
    impact.add_argument("--output", default="impact", help="folder for page and workbook (default: %(default)s)")
    impact.add_argument("--definitions", help="CSV of indicators, as impact.indicator_definitions gives them")
    impact.add_argument("--costs", help="CSV of unit costs, as impact.unit_costs gives them")
    _add_language(impact)


def _add_monitor_arguments(monitor: argparse.ArgumentParser) -> None:
    monitor.add_argument("model", help=_MODEL)
    monitor.add_argument("registers", help=_REGISTERS)
    monitor.add_argument("--date", help="index date, ISO (default: the extract date)")
    monitor.add_argument("--previous", help="Parquet file of the scores of an earlier index date, for the turnover")
    monitor.add_argument("--capacity", type=_capacity, help="persons the service can act on: 200, or 0.05 for 5 %%")
    monitor.add_argument("--output", help="HTML page to write (default: none)")
    monitor.add_argument("--log", help="file to append the line of JSON to (default: it is printed)")
    monitor.add_argument("--experiment", help="MLflow experiment to record the run in (default: none)")
    monitor.add_argument("--sha256", help="refuse a model whose manifest has another SHA-256")
    monitor.add_argument("--force", action="store_true", help="end with 0 whatever is found, and take an expired model")
    _add_language(monitor)


def _command(commands, name: str, run) -> argparse.ArgumentParser:
    about = _COMMANDS[name]
    command = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=f"example:\n  {_EXAMPLES[name]}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("--quiet", action="store_true", help="no progress and no notes; errors only")
    return command


def _add_check_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "registers", help=f"{_REGISTERS}, in our own format, as OMOP CDM tables or as a Finnish delivery"
    )
    command.add_argument("--output", help="HTML page to write (default: none)")
    command.add_argument("--force", action="store_true", help="end with 0 even if a feed seems to have stopped")
    _add_language(command)


def _add_language(command: argparse.ArgumentParser) -> None:
    command.add_argument("--language", default="fi", choices=("fi", "sv", "en"), help="(default: %(default)s)")


def _capacity(value: str) -> int | float:
    return float(value) if "." in value else int(value)


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
