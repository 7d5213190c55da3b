"""Arguments of the commands, their help and an example of each."""

import argparse

from servicenee import __version__

_ABOUT = "Register extracts in; calibrated service-need risks and lists out."
REFITS = ("baselines", "without_past_use", "learning_curve", "areas")
COMMANDS = {  # one line each in the help of all, where 64 letters fit
    "demo": "the whole line on an invented county, to see what comes out",
    "check": "the quality of registers, before anything else is done",
    "prepare": "registers of any size in parts that are read fast",
    "train": "fit, evaluate and register a model; write its card",
    "predict": "risks, amounts or segments of everybody in the population",
    "lists": "a list to act on, and what came back of the last one",
    "impact": "did it help: access, service mix, cost, equity",
    "monitor": "is the model still true; before every scoring",
}
_DETAILS = {
    "demo": "Makes registers, a model, MLflow runs, scores, an Excel list and a page that shows them all.",
    "check": "Tells faults, weeks without rows, coverage, delays, codes. Ends with 1 if a feed seems to have stopped.",
    "prepare": "Needed once per extract of a whole county; small registers are read as they are.",
    "train": "Trains on yearly index dates, judges on a later one and logs to MLflow.",
    "predict": "Writes a Parquet file, and beside it who cannot be scored and why. Goes on where it was interrupted.",
    "lists": "Writes Excel, HTML or CSV with reasons, and reads decisions back. The list is a proposal: people decide.",
    "impact": "Writes one page and one workbook of indicators with intervals, targets and gaps between groups.",
    "monitor": "Looks at feeds, drift, what to expect of the list, what came true. Ends with 1 if scoring has to wait.",
}
_ENDS = "It ends with 0 when done, 1 if something is wrong with the input (one line says what), 2 for wrong arguments."
_EXAMPLES = {
    "demo": "servicenee demo --output servicenee-demo --language en",
    "check": "servicenee check registers --output quality.html",
    "prepare": "servicenee prepare registers prepared",
    "train": "servicenee train models/home_care_start_12m registers --alias champion",
    "predict": "servicenee predict models:/home_care_start_12m@champion registers protected/scores.parquet",
    "lists": "servicenee lists models:/home_care_start_12m@champion registers protected/scores.parquet "
    'protected/list.xlsx --purpose client_work --legal-basis "section of law, decision of the controller"',
    "impact": "servicenee impact registers --output impact --language fi",
    "monitor": "servicenee monitor models:/home_care_start_12m@champion registers --output monitor.html",
}
_MODEL = "folder of a saved model, or models:/NAME@ALIAS"
_REGISTERS = "folder of registers (Parquet or CSV)"


def parser() -> argparse.ArgumentParser:
    """Parser of the whole command line; its `command` is a name of `COMMANDS`."""
    made = argparse.ArgumentParser(
        prog="servicenee",
        description=_ABOUT,
        epilog=f"Every command explains itself: servicenee COMMAND --help\n{_ENDS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"servicenee {__version__}")
    commands = made.add_subparsers(dest="command", title="commands, in the order of use", metavar="COMMAND")
    demo = _command(commands, "demo")
    demo.add_argument("--output", default="servicenee-demo", help="folder for everything (default: %(default)s)")
    demo.add_argument("--persons", type=int, default=20_000, help="size of the county (default: %(default)s)")
    _add_language(demo)
    _add_check_arguments(_command(commands, "check"))
    prepare = _command(commands, "prepare")
    prepare.add_argument(
        "registers", help=f"{_REGISTERS}, in our own format, as OMOP CDM tables or as a Finnish delivery"
    )
    prepare.add_argument("output", help="folder to write")
    prepare.add_argument("--partitions", type=int, help="number of parts (default: one per 10,000 persons)")
    prepare.add_argument("--extract-date", help="ISO date of the extract, if the folder does not say")
    train = _command(commands, "train")
    train.add_argument("definition", help="folder with a definition.py, or the name of a shipped one")
    train.add_argument("registers", help=_REGISTERS)
    train.add_argument("--alias", help="alias for the new version, such as champion")
    train.add_argument("--mlruns", help="folder of the MLflow store (default: what is configured, else mlruns)")
    train.add_argument("--experiment", help="MLflow experiment (default: the name of the definition)")
    train.add_argument("--capacity", type=_capacity, help="persons the service can act on: 200, or 0.05 for 5 %%")
    train.add_argument("--refits", nargs="+", default=(), choices=REFITS, help="models to compare with")
    train.add_argument("--output", help="folder for card.md and metrics.json (default: that of the definition)")
    train.add_argument("--about", default="", help="one sentence on the registers, for the card")
    _add_predict_arguments(_command(commands, "predict"))
    lists = _command(commands, "lists")
    lists.add_argument("model", help=_MODEL)
    lists.add_argument("registers", help=_REGISTERS)
    lists.add_argument("scores", help="Parquet file written by predict, of one index date")
    lists.add_argument("output", help="file to write: .xlsx, .html or .csv")
    lists.add_argument(
        "--purpose", required=True, choices=("client_work", "knowledge_management"), help="persons, or counts only"
    )
    _add_list_options(lists)
    _add_impact_arguments(_command(commands, "impact"))
    _add_monitor_arguments(_command(commands, "monitor"))
    return made


def _add_predict_arguments(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("model", help=_MODEL)
    predict.add_argument("registers", help=f"{_REGISTERS}; large ones as `servicenee prepare` writes them")
    predict.add_argument("output", help="Parquet file for the scores; who cannot be scored goes beside it")
    predict.add_argument("--also", nargs="+", default=[], metavar="MODEL", help="further models, scored in one pass")
    predict.add_argument("--date", nargs="+", help="index dates, ISO (default: the extract date)")
    predict.add_argument("--reasons", action="store_true", help="add the reasons of everybody; takes longer")
    predict.add_argument("--jobs", type=int, help="processes that share the parts; -1: all processors (default: 1)")
    predict.add_argument(
        "--sha256",
        action="append",
        metavar="SHA256",
        help="refuse a model whose manifest has another SHA-256; once for each model: MODEL, --also, --shadow",
    )
    predict.add_argument(
        "--force", action="store_true", help="score although a model's validity date is over or a source has no row"
    )
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
    lists.add_argument(
        "--segments-model",
        help=f"what made the segments: {_MODEL}; needed for a list of persons without --legal-basis",
    )
    lists.add_argument("--protected", help="folder with the record of lists and decisions; the new list is recorded")
    lists.add_argument(
        "--returned", nargs="*", default=[], help="lists that came back filled in, to read and keep first"
    )
    lists.add_argument("--user", default="", help="who writes the list, for the log of access (with --protected)")
    lists.add_argument("--ground", default="", help="task or section of law, for the log of access (with --protected)")
    lists.add_argument("--written-for", default="", help="team or person who receives it, for the log of access")
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


def _command(commands, name: str) -> argparse.ArgumentParser:
    about = COMMANDS[name]
    command = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.\n{_DETAILS[name]}",
        epilog=f"example:\n  {_EXAMPLES[name]}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number of persons such as 200, or 0.05 for 5 %; got {value!r}"
        ) from None
