"""A number of persons comes in; a synthetic county, scored and listed, with one page that shows it, goes out."""

import logging
import os
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from servicenee import __version__
from servicenee._checks import check_choice, check_count
from servicenee.disclosure import MIN_CELL
from servicenee.evaluation import auc
from servicenee.evaluation.sections import metrics_html
from servicenee.html import Html, figure, note, page, table, tiles, value_text
from servicenee.lists import SegmentList, segment_list
from servicenee.lists.cover import summary_table
from servicenee.lists.reasons import is_hidden
from servicenee.model import NeedModel
from servicenee.persistence import save_model
from servicenee.registers import Registers, make_registers, true_risks, write_registers
from servicenee.scoring import predict
from servicenee.texts import LANGUAGES, format_date, format_number, text
from servicenee.tracking import configure, log_model
from servicenee.training import Trained, train

LOG = logging.getLogger("servicenee")
MODEL = "home_care_start_12m"
SEED = 0
SMALLEST_COUNTY = 1_500
CAPACITY = 20
# The demo's experiment is the first of its own store.
MLFLOW_PAGE = "http://127.0.0.1:5000/#/experiments/1/runs"
_N_REASONS = 8
_STEPS = ("all", "resident", "age", "history", "without")


@dataclass(frozen=True)
class Demo:
    """Where everything is, and the command that shows the MLflow page."""

    summary: Path
    listing: Path
    evaluation: Path
    scores: Path
    model: Path
    registers: Path
    mlflow_command: str


def run_demo(output: str | Path, *, n_persons: int = 20_000, language: str = "fi") -> Demo:
    """Make a county, train, log, score and list; leave no file outside the output folder.

    Parameters
    ----------
    output : str or Path
        Folder; what an earlier demo left there is replaced, and its MLflow runs are kept.
    n_persons : int, default=20_000
    language : {"fi", "sv", "en"}, default="fi"
        Language of the list and the page.

    Returns
    -------
    Demo

    Examples
    --------
    >>> from servicenee.demo import run_demo  # doctest: +SKIP
    >>> run_demo("servicenee-demo", n_persons=5_000, language="en").summary  # doctest: +SKIP
    """
    check_count("n_persons", n_persons, minimum=SMALLEST_COUNTY)
    check_choice("language", language, LANGUAGES)
    output = Path(output).resolve()
    paths = _paths(output)
    LOG.info("making a county of %s persons", f"{n_persons:,}")
    registers = make_registers(n_persons, random_state=SEED)
    write_registers(registers, paths.registers)
    trained = train(MODEL, registers)
    LOG.info("logging to MLflow")
    configure(output / "mlruns")
    log_model(trained.model, trained.evaluation, experiment="servicenee demo", alias="champion")
    save_model(trained.model, paths.model)
    LOG.info("scoring with models:/%s@champion", MODEL)
    scores = predict(f"models:/{MODEL}@champion", paths.registers, output=paths.scores)
    LOG.info("writing the list and the reports")
    listing = segment_list(
        scores,
        registers,
        model=trained.model,
        purpose="client_work",
        capacity=CAPACITY,
        language=language,
        legal_basis=text("demo.legal_basis", language),
    )
    listing.to_excel(paths.listing)
    trained.evaluation.to_html(paths.evaluation, language=language)
    paths.summary.write_bytes(_page(trained, registers, listing, paths, language).encode("utf-8"))
    return paths


def _paths(output: Path) -> Demo:
    protected = output / "protected"
    protected.mkdir(parents=True, exist_ok=True)
    light = "" if os.name == "nt" else "MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false "
    store = f"sqlite:///{(output / 'mlruns' / 'mlflow.db').as_posix()}"
    return Demo(
        summary=output / "summary.html",
        listing=protected / "list.xlsx",
        evaluation=output / "evaluation.html",
        scores=protected / "scores.parquet",
        model=output / "model",
        registers=output / "registers",
        mlflow_command=f'{light}"{sys.executable}" -m mlflow ui --workers 1 --port 5000 --backend-store-uri "{store}"',
    )


def _page(trained: Trained, registers: Registers, listing: SegmentList, paths: Demo, language: str) -> str:
    def word(name: str, **values) -> str:
        return text(f"demo.{name}", language, **values)

    sections = [
        (word("section.done"), [_done(trained, listing, language), note(word("note"))]),
        (word("section.county"), _county(registers, language)),
        (word("section.attrition"), [_attrition(trained.model, registers, language)]),
        (word("section.evaluation"), _evaluation(trained, registers, language)),
        (word("section.list"), _preview(listing, trained.model, registers, language)),
        (word("section.files"), _files(paths, language)),
    ]
    return page(
        word("title"),
        sections,
        language=language,
        subtitle=word("subtitle", date=format_date(registers.extract_date, language)),
        footer=word("footer", version=__version__),
    )


def _done(trained: Trained, listing: SegmentList, language: str) -> Html:
    facts, model = trained.model.training_, trained.model
    horizon = text("common.horizon.months", language, n=12)
    dates = ", ".join(format_date(date, language) for date in facts.index_dates)
    steps = {
        "county": {},
        "fit": {
            "outcome": model.outcome_label(language),
            "horizon": horizon,
            "dates": dates,
            "n": _whole(facts.n_rows, language),
        },
        "judge": {"date": format_date(trained.evaluation_date, language)},
        "track": {},
        "list": {
            "listed": _whole(listing.groups["listed"].sum(), language),
            "scored": _whole(listing.groups["scored"].sum(), language),
            "capacity": CAPACITY,
        },
    }
    lines = [text(f"demo.done.{name}", language, **values) for name, values in steps.items()]
    return Html("<ol>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ol>")


def _county(registers: Registers, language: str) -> list[str]:
    def word(name: str) -> str:
        return text(f"demo.{name}", language)

    n_persons, n_events, n_stays = (
        len(columns) for columns in (registers.person_columns, registers.event_columns, registers.stay_columns)
    )
    figures = [
        (word("tile.persons"), _whole(n_persons, language), word("tile.persons.note")),
        (word("tile.events"), _whole(n_events, language), ""),
        (word("tile.stays"), _whole(n_stays, language), ""),
        (word("tile.extract"), format_date(registers.extract_date, language), ""),
    ]
    rows = pd.concat([registers.events["source"], registers.stays["source"]]).value_counts()
    coverage = registers.coverage
    sources = pd.DataFrame(
        {
            word("head.source"): [text(f"features.source.{name}", language) for name in coverage["source"]],
            word("head.from"): [format_date(day, language) for day in coverage["from"]],
            word("head.lag"): coverage["reporting_lag_days"].to_numpy(),
            word("head.rows"): [int(rows.get(name, 0)) for name in coverage["source"]],
        }
    )
    return [tiles(figures), table(sources, language=language)]


def _attrition(model: NeedModel, registers: Registers, language: str) -> Html:
    population = model.population
    flow = population.at(registers, registers.extract_date).attrition
    values = {
        "age": {"age": population.min_age},
        "history": {"days": population.min_history_days},
        "without": {"days": population.washout_days},
    }
    steps = [text(f"demo.step.{name}", language, **values.get(name, {})) for name in _STEPS]
    shown = pd.DataFrame(
        {
            text("demo.head.step", language): steps,
            text("demo.head.removed", language): flow["n_removed"].to_numpy(),
            text("demo.head.left", language): flow["n_persons"].to_numpy(),
        }
    )
    date = format_date(registers.extract_date, language)
    return table(shown, caption=text("demo.attrition.caption", language, date=date), language=language)


def _evaluation(trained: Trained, registers: Registers, language: str) -> list[str]:
    evaluation, model = trained.evaluation, trained.model
    data = evaluation.tables["data"].set_index("item")["value"]
    labels = model.outcome.label(model.population.at(registers, trained.evaluation_date))
    ceiling = auc(labels, true_risks(labels.index, model.outcome.event, random_state=SEED))
    rows = text(
        "demo.evaluation.rows",
        language,
        date=format_date(trained.evaluation_date, language),
        n=value_text(data["persons"], language=language, digits=0),
        events=value_text(data["event"], language=language, digits=0),
        days=model.outcome.horizon_days,
    )
    drawn = evaluation.draw(language)["calibration"]
    image = figure(
        drawn,
        text("evaluation.figure.calibration.alt", language),
        caption=text("evaluation.figure.calibration.caption", language),
    )
    limit = text("demo.evaluation.ceiling", language, ceiling=value_text(ceiling, language=language, digits=2))
    return [rows, metrics_html(evaluation, language), note(limit), image]


def _preview(listing: SegmentList, model: NeedModel, registers: Registers, language: str) -> list[str]:
    """Counts by area, and how often a feature is among the reasons; features of fewer than 5 persons are left out."""
    index = pd.MultiIndex.from_product(
        [listing.rows["person_id"], [listing.index_date]], names=["person_id", "index_date"]
    )
    features = model.feature_table
    features = features[~is_hidden(features)].set_index("feature")
    found = model.reasons(registers, index)["feature"].value_counts()
    found = found[found.index.isin(features.index) & (found >= MIN_CELL)]
    # Equal counts in the order of X, whatever the sorting of the library.
    order = (
        found.to_frame("n")
        .assign(place=features.index.get_indexer(found.index))
        .sort_values(["n", "place"], ascending=[False, True])
    )
    commonest = order.head(_N_REASONS)
    reasons = pd.DataFrame(
        {
            text("demo.head.reason", language): features.loc[commonest.index, f"label_{language}"].to_numpy(),
            text("demo.head.persons", language): commonest["n"].to_numpy(),
        }
    )
    counts = summary_table(listing)
    return [
        table(counts, language=language),
        table(reasons, caption=text("demo.reasons.caption", language), language=language),
    ]


def _files(paths: Demo, language: str) -> list[str]:
    root = paths.summary.parent
    listed = {
        "list": paths.listing,
        "evaluation": paths.evaluation,
        "scores": paths.scores,
        "model": paths.model / "manifest.json",
        "registers": paths.registers,
    }
    links = []
    for name, path in listed.items():
        address = escape(path.relative_to(root).as_posix())
        links.append(f'<li>{escape(text(f"demo.file.{name}", language))}: <a href="{address}">{address}</a></li>')
    command = f'<p style="overflow-wrap: anywhere"><code>{escape(paths.mlflow_command)}</code></p>'
    return [Html(f"<ul>{''.join(links)}</ul>"), text("demo.mlflow", language, address=MLFLOW_PAGE), Html(command)]


def _whole(n, language: str) -> str:
    return format_number(n, language, decimals=0)
