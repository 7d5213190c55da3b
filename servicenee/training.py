"""A model definition and registers come in; a fitted, evaluated model with its card and measures goes out."""

import importlib.metadata
import json
import logging
import runpy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import servicenee
from servicenee.blueprint import plain_number
from servicenee.evaluation import DemandEvaluation, Evaluation
from servicenee.exceptions import ModelError
from servicenee.index_dates import yearly_dates
from servicenee.model import NeedModel
from servicenee.outcomes import Outcome
from servicenee.registers import Registers
from servicenee.segments import COMPARED_BY, SegmentEvaluation

LOG = logging.getLogger("servicenee")
_TABLES = (
    *("data", "metrics", "capacity", "calibration", "subgroups", "comparison"),
    *("fifths", "groups", "sums"),  # of amounts
    *("names", "stability", "drift", "separation", "explained"),  # of segments
)


@dataclass(frozen=True)
class Trained:
    """A fitted model, how good it is, and the words of its definition.

    Attributes
    ----------
    model : NeedModel
    evaluation : Evaluation, DemandEvaluation or SegmentEvaluation
    evaluation_date : str
        Later than the outcome windows of training.
    words : dict of str to str
        Heading and text of the parts of the card that a human wrote.
    """

    model: NeedModel
    evaluation: Evaluation | DemandEvaluation | SegmentEvaluation
    evaluation_date: str
    words: dict[str, str]


def find_definition(name: str | Path) -> Path:
    """Folder of a definition: a path to one, or the name of one that comes with the package.

    Examples
    --------
    >>> from servicenee.training import find_definition
    >>> find_definition("home_care_start_12m").name
    'home_care_start_12m'
    """
    package = Path(servicenee.__file__).parent
    places = [Path(name), package / "definitions" / name, package.parent / "models" / name]
    for place in places:
        if (place / "definition.py").is_file():
            return place
    roots = (places[1].parent, places[2].parent)
    shipped = ", ".join(sorted({file.parent.name for root in roots for file in root.glob("*/definition.py")}))
    raise ModelError(f"{name} is neither a folder with a definition.py nor one of the shipped models ({shipped}).")


def train(
    definition: str | Path,
    registers: Registers,
    *,
    capacity: int | float | None = None,
    refits: str | Iterable[str] = (),
) -> Trained:
    """Fit a defined model on yearly index dates and judge it on a later one.

    Parameters
    ----------
    definition : str or Path
        As for `find_definition`. The file is Python and is run: train only definitions you have read.
    registers : Registers
    capacity : int or float, optional
        Persons the service can act on at each index date; by default 5 %.
    refits : str or list of str, default=()
        Models to compare with, as for `NeedModel.evaluate`.

    Returns
    -------
    Trained

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.training import card, measures, train
    >>> trained = train("home_care_start_12m", make_registers(1_500, random_state=0))
    >>> trained.evaluation_date
    '2022-10-01'
    >>> card(trained, "A synthetic county.").splitlines()[0]
    '# home_care_start_12m, version 2024-01-01'
    >>> measures(trained, "A synthetic county.")["evaluation"]["index_date"]
    '2022-10-01'
    """
    names = _run(find_definition(definition))
    model = names["define"]()
    dates, later = yearly_dates(model.population, model.outcome or Outcome(COMPARED_BY), registers)
    if model.is_segmenter:
        # A person counts once: rows of one person repeat each other, and BIC would find too many segments.
        dates = dates[-1:]
    LOG.info("training %s on %s", model.name, ", ".join(dates))
    model.fit(registers, dates)
    LOG.info("evaluating on %s", later)
    columns = set(registers.person_columns.extra)
    by = [name for name in names.get("GROUPS", ()) if name == "age_band" or name in columns]
    evaluation = model.evaluate(registers, later, by=by or None, capacity=capacity, refits=refits)
    return Trained(model, evaluation, later, names.get("CARD", {}))


def card(trained: Trained, about: str) -> str:
    """Model card in Markdown: the figures of the evaluation and the words of the definition.

    Parameters
    ----------
    trained : Trained
    about : str
        Which registers these were.

    Examples
    --------
    See `train`.
    """
    model, words = trained.model, dict(trained.words)
    definition = None if model.outcome is None else model.outcome.definition
    of_outcome = "" if definition is None else definition.population
    population = (of_outcome, words.get("Population and data"), about, _facts(model))
    words["Population and data"] = " ".join(part for part in population if part)
    if definition is not None:
        words["Outcome"] = " ".join(part for part in (definition.text, words.get("Outcome")) if part)
    return trained.evaluation.model_card(title=f"{model.name}, version {model.version}", words=words)


def measures(trained: Trained, about: str) -> dict:
    """What `metrics.json` holds: training facts and measures, aggregates only.

    Parameters
    ----------
    trained : Trained
    about : str
        Which registers these were.

    Examples
    --------
    See `train`.
    """
    tables = trained.evaluation.tables
    return {
        "model": trained.model.name,
        "version": trained.model.version,
        "about": about,
        **_outcome_facts(trained.model),
        "engine": getattr(trained.model.estimator_, "engine_", type(trained.model.estimator_).__name__),
        "n_features": len(trained.model.feature_table),
        "training": vars(trained.model.training_),
        "evaluation": {
            "index_date": trained.evaluation_date,
            **{name: _records(tables[name]) for name in _TABLES if name in tables},
        },
        "libraries": {name: importlib.metadata.version(name) for name in ("numpy", "pandas", "scikit-learn")},
    }


def write_facts(trained: Trained, about: str, folder: Path) -> tuple[Path, Path]:
    """Write `card.md` and `metrics.json` into a folder.

    Examples
    --------
    >>> from servicenee.training import write_facts  # doctest: +SKIP
    >>> write_facts(trained, "A synthetic county.", Path("models/home_care_start_12m"))  # doctest: +SKIP
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "card.md", folder / "metrics.json"
    text = json.dumps(measures(trained, about), ensure_ascii=False, indent=1, allow_nan=False)
    for file, content in zip(files, (card(trained, about), text + "\n"), strict=True):
        file.write_text(content, encoding="utf-8", newline="\n")
    return files


def _run(folder: Path) -> dict:
    """Names that the definition makes; run as a script, so that no compiled copy is left beside it."""
    names = runpy.run_path(str(folder / "definition.py"))
    if "define" not in names:
        raise ModelError(f"{folder / 'definition.py'} must have a function define() that returns a NeedModel.")
    return names


def _outcome_facts(model: NeedModel) -> dict[str, dict]:
    """The outcome and its window; nothing for segments, which have none."""
    if model.outcome is None:
        return {}
    definition = model.outcome.definition
    facts = {
        "name": definition.name,
        "kind": definition.kind,
        "label_type": definition.label_type,
        "gap_days": model.outcome.gap_days,
        "horizon_days": model.outcome.horizon_days,
    }
    return {"outcome": facts}


def _facts(model: NeedModel) -> str:
    facts = model.training_
    events = "fewer than 5" if facts.n_events is None else f"{facts.n_events:,}"
    of_events = "" if model.is_segmenter else f" with {events} events"
    return (
        f"Trained on {facts.n_rows:,} rows of {facts.n_persons:,} persons{of_events}, index dates "
        f"{', '.join(facts.index_dates)}, extract of {facts.extract_date}, {len(model.feature_table)} features."
    )


def _records(table: pd.DataFrame) -> list[dict]:
    rows = table.astype(object).to_dict("records")
    return [{str(name): plain_number(value) for name, value in row.items()} for row in rows]
