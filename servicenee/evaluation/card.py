"""An evaluation in; a model card in Markdown out: figures filled in, prompts where a human has to write."""

import pandas as pd

from servicenee.evaluation.capacity import capacity_text
from servicenee.evaluation.wording import estimand_text, verdict_key
from servicenee.html import value_text
from servicenee.texts import text

PROMPT = "_To be written:_ "


def model_card(evaluation, *, title: str | None) -> str:
    """The whole card."""
    parts = [
        f"# {title or 'Model card'}",
        "## Intended use\n\n" + PROMPT + "who uses the risks, for which decision, at what moment.",
        "## Not for\n\n"
        + PROMPT
        + "decisions the risks must not be used for. A list adds help; a low risk never denies it.",
        "## Population and data\n\n"
        + PROMPT
        + "sources, area, who is included.\n\n"
        + _dates(evaluation)
        + _markdown(evaluation.tables["data"], digits=1),
        "## Outcome\n\n" + estimand_text(evaluation, "en") + "\n\n" + PROMPT + "definition of the event.",
        "## Performance\n\n" + _metrics(evaluation),
        "## Calibration\n\n"
        + text(verdict_key(evaluation), "en")
        + "\n\n"
        + _markdown(evaluation.tables["calibration"], digits=4),
        "## Capacity\n\n" + _markdown(evaluation.tables["capacity"], digits=3),
        "## Groups\n\n" + _groups(evaluation),
        "## Limits\n\n" + _limits(evaluation),
        "## Ethics, oversight and contact\n\n" + PROMPT + "who answers for the model, when it is reviewed.",
    ]
    return "\n\n".join(parts) + "\n"


def _dates(evaluation) -> str:
    if not evaluation.index_dates:
        return ""
    return "Index dates: {} to {}.\n\n".format(*evaluation.index_dates)


def _metrics(evaluation) -> str:
    about = (
        f"Capacity: {capacity_text(evaluation.capacity)} at each index date. 95 % intervals from "
        f"{evaluation.n_bootstrap} resamples of persons."
    )
    return about + "\n\n" + _markdown(evaluation.tables["metrics"], digits=4)


def _groups(evaluation) -> str:
    if "subgroups" not in evaluation.tables:
        return PROMPT + "evaluate with `by=` for sex, age band, area and language."
    return _markdown(evaluation.tables["subgroups"], digits=3)


def _limits(evaluation) -> str:
    lines = [text("evaluation.need", "en")]
    if not evaluation.persons_known:
        lines.append(text("evaluation.method.persons", "en"))
    lines += sorted({f"{why}." for why in evaluation.tables["metrics"]["note"] if why})
    lines.append(PROMPT + "known gaps of the data, groups that are missing, changes expected.")
    return "\n".join(f"- {line}" for line in lines)


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
