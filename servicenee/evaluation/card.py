"""An evaluation in; a model card in Markdown out: figures filled in, prompts where a human has to write."""

from collections.abc import Mapping

import pandas as pd

from servicenee.evaluation.capacity import capacity_text
from servicenee.evaluation.checklists import STATUSES, probast_table, tripod_table
from servicenee.evaluation.facts import label_warning_key
from servicenee.evaluation.wording import estimand_text, verdict_key
from servicenee.html import value_text
from servicenee.texts import text

PROMPT = "_To be written:_ "
PROMPTS = {
    "Intended use": "who uses the risks, for which decision, at what moment.",
    "Not for": "decisions the risks must not be used for. A list adds help; a low risk never denies it.",
    "Population and data": "sources, area, who is included.",
    "Outcome": "definition of the event.",
    "Limits": "known gaps of the data, groups that are missing, changes expected.",
    "Ethics, oversight and contact": "who answers for the model, when it is reviewed.",
}
# Long tables that a reader wants with one row per key: keys, what goes beside each other, value.
BESIDE = {
    "subgroups": (["by", "group"], "metric", "value"),
    "dates": (["group"], "metric", "value"),
    "areas_left_out": (["area"], "metric", "value"),
    "horizons": (["horizon_days"], "metric", "value"),
    "label_audit": (["by", "group"], "marker", "ratio"),
}
METHOD = (
    "Training and evaluation are split by index date: no outcome window of training reaches into the evaluation. "
    "Missing values enter the model as such or are imputed inside it, learnt on training rows alone; a source that "
    "training had and the registers lack is refused at scoring. Classes are never resampled. Rows whose follow-up "
    "ended early are weighted for; death competes. Code: servicenee, Apache-2.0."
)


def model_card(evaluation, *, title: str | None, words: Mapping[str, str] | None) -> str:
    """The whole card; `words` answer prompts by the heading of their section."""
    answer = _answers(words)
    tables = evaluation.tables
    sections = {
        "Intended use": answer("Intended use"),
        "Not for": answer("Not for"),
        "Population and data": _paragraphs(
            answer("Population and data"), _dates(evaluation), _markdown(tables["data"], digits=1)
        ),
        "Outcome": _paragraphs(estimand_text(evaluation, "en"), _definition(evaluation, answer("Outcome"))),
        "Performance": _metrics(evaluation),
        "Calibration": _paragraphs(text(verdict_key(evaluation), "en"), _markdown(tables["calibration"], digits=4)),
        "Capacity": _markdown(tables["capacity"], digits=3),
        "Groups": _groups(evaluation),
        **_where_known(evaluation),
        "Method": METHOD,
        "Limits": _limits(evaluation, answer("Limits")),
        "Ethics, oversight and contact": answer("Ethics, oversight and contact"),
        "TRIPOD+AI": _tripod(evaluation, dict(words or {})),
        "PROBAST+AI": _markdown(probast_table(evaluation), digits=0),
    }
    return _joined(title or _title(evaluation), sections)


def card_of(
    evaluation, tables: Mapping[str, pd.DataFrame], *, title: str | None, words: Mapping[str, str] | None, estimand: str
) -> str:
    """A card around other tables than those of risks: one section each, by heading."""
    answer = _answers(words)
    sections = {
        "Intended use": answer("Intended use"),
        "Not for": answer("Not for"),
        "Population and data": _paragraphs(
            answer("Population and data"), _dates(evaluation), _markdown(evaluation.tables["data"], digits=1)
        ),
        "Outcome": _paragraphs(estimand, answer("Outcome")),
        **{heading: _markdown(table, digits=3) for heading, table in tables.items()},
        "Method": METHOD,
        "Limits": _lines(text(label_warning_key(evaluation.model), "en"), answer("Limits")),
        "Ethics, oversight and contact": answer("Ethics, oversight and contact"),
    }
    return _joined(title or _title(evaluation), sections)


def _answers(words: Mapping[str, str] | None):
    """What a human has written for a heading, else its prompt."""
    written = dict(words or {})
    unknown = sorted(set(written) - set(PROMPTS))
    if unknown:
        raise ValueError(f"`words` must be for {', '.join(PROMPTS)}; got {', '.join(unknown)}.")

    def answer(heading: str) -> str:
        return written.get(heading) or PROMPT + PROMPTS[heading]

    return answer


def _joined(title: str, sections: Mapping[str, str]) -> str:
    parts = [f"# {title}", *(f"## {heading}\n\n{body}" for heading, body in sections.items())]
    return "\n\n".join(parts) + "\n"


def _lines(*lines: str) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _title(evaluation) -> str:
    facts = evaluation.model
    return "Model card" if facts is None else f"{facts.name}, version {facts.version}"


def _where_known(evaluation) -> dict[str, str]:
    """Sections of tables that not every evaluation has."""
    names = {
        "comparison": "Comparison",
        "characteristics": "Characteristics",
        "label_audit": "Need at equal risk",
        "areas": "Lists by area",
        "dates": "Index dates",
        "turnover": "Turnover of the list",
        "horizons": "Horizons",
        "areas_left_out": "Other areas",
        "learning_curve": "Learning curve",
        "sample_size": "Training data",
    }
    tables = evaluation.tables
    return {
        heading: _markdown(_one_row_each(tables[name], name), digits=3)
        for name, heading in names.items()
        if name in tables and len(tables[name])
    }


def _one_row_each(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Measures side by side with their intervals, one row per group, area or date, where a table has them below."""
    if name == "characteristics":
        return table.drop(columns=["label_fi", "label_sv", "label_en"])
    if name not in BESIDE:
        return table
    keys, across, value = BESIDE[name]
    rows = []
    for key, part in table.groupby(keys, sort=False):
        counts = {count: part[count].iloc[0] for count in ("n", "events") if count in part}
        figures = part[[value, "lower", "upper"]].itertuples(index=False)
        cells = {one: _with_interval(*row) for one, row in zip(part[across], figures, strict=True)}
        notes = "; ".join(why for why in dict.fromkeys(part["note"]) if why)
        rows.append(dict(zip(keys, key, strict=True)) | counts | cells | {"note": notes})
    return pd.DataFrame(rows)


def _with_interval(value: float, lower: float, upper: float) -> str:
    shown = [value_text(number, digits=3) for number in (value, lower, upper)]
    return shown[0] if "–" in shown else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _definition(evaluation, answer: str) -> str:
    """What counts as the event: what a human wrote, else what the model knows."""
    known = "" if evaluation.model is None else evaluation.model.definition
    return known if known and answer.startswith(PROMPT) else answer


def _tripod(evaluation, words: Mapping[str, str]) -> str:
    table = tripod_table(evaluation, words)
    counts = table["status"].value_counts()
    shown = ", ".join(f"{int(counts.get(status, 0))} {status}" for status in STATUSES)
    return _paragraphs(f"{len(table)} items: {shown}.", _markdown(table, digits=0))


def _dates(evaluation) -> str:
    if not evaluation.index_dates:
        return ""
    return "Index dates: {} to {}.".format(*evaluation.index_dates)


def _metrics(evaluation) -> str:
    about = (
        f"Capacity: {capacity_text(evaluation.capacity)} at each index date. 95 % intervals from "
        f"{evaluation.n_bootstrap} resamples of persons."
    )
    facts = evaluation.model
    model = "" if facts is None else f"Model: {facts.engine}, {facts.n_features} columns."
    return _paragraphs(model, about, _markdown(evaluation.tables["metrics"], digits=4))


def _groups(evaluation) -> str:
    if "subgroups" not in evaluation.tables:
        return PROMPT + "evaluate with `by=` for sex, age band, area and language."
    return _markdown(_one_row_each(evaluation.tables["subgroups"], "subgroups"), digits=3)


def _limits(evaluation, answer: str) -> str:
    lines = [text(label_warning_key(evaluation.model), "en")]
    if not evaluation.persons_known:
        lines.append(text("evaluation.method.persons", "en"))
    lines += sorted({f"{why}." for why in evaluation.tables["metrics"]["note"] if why})
    return _lines(*lines, answer)


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _markdown(frame: pd.DataFrame, *, digits: int) -> str:
    rows = [
        [_cell(value, name, digits) for value, name in zip(row, frame.columns, strict=True)]
        for row in frame.itertuples(index=False)
    ]
    lines = [list(frame.columns), ["---"] * frame.shape[1], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _cell(value, name: str, digits: int) -> str:
    whole = name in ("n", "events", "selected") or (isinstance(value, float) and value.is_integer())
    return value_text(value, digits=0 if whole else digits).replace("|", "\\|").replace("\u00a0", " ")
