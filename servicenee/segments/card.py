"""An evaluation of segments comes in; a model card in Markdown goes out, with prompts where people write."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
import pandas as pd

from servicenee.evaluation.card import PROMPT
from servicenee.html import value_text
from servicenee.texts import text

_WHOLE = ("n", "events", "n_segments", "n_parameters", "n_due", "n_gap")
_PROFILE = ("segment", "feature", "n", "value", "overall", "observed_expected", "exclusivity")


PROMPTS = {
    "Intended use": "who uses the segments, for what, at what moment.",
    "Not for": "decisions the segments must not be used for. A segment never denies a service.",
    "Population and data": "sources, area, who is included.",
    "Limits": "known gaps of the data, groups that are missing, changes expected.",
    "Ethics, oversight and contact": "who answers for the model, when it is reviewed.",
}


def segment_card(evaluation, *, title: str | None, words: Mapping[str, str] | None) -> str:
    """The whole card; `words` answer prompts by the heading of their section."""
    answers = _answers(words)
    tables = evaluation.tables
    parts = [
        f"# {title or 'Model card'}",
        "## Intended use\n\n" + answers["Intended use"],
        "## Not for\n\n" + answers["Not for"],
        f"## Population and data\n\n{answers['Population and data']}\n\n"
        f"Index date: {evaluation.index_date}.\n\n" + _markdown(tables["data"], digits=0),
        "## Segments\n\n" + _segments(evaluation) + "\n\n" + text("segments.note", "en"),
        "## Performance\n\n" + _markdown(tables["metrics"][["metric", "value", "n"]], digits=4),
        *(
            f"## {heading}\n\n" + _markdown(tables[name], digits=3)
            for heading, name in _SECTIONS.items()
            if name in tables
        ),
        "## Outcome in the next year\n\n" + _outcome(evaluation),
        "## Limits\n\n" + _limits(evaluation, answers["Limits"]),
        "## Ethics, oversight and contact\n\n" + answers["Ethics, oversight and contact"],
    ]
    return "\n\n".join(parts) + "\n"


def _answers(words: Mapping[str, str] | None) -> dict[str, str]:
    """What a human has written by heading, else the prompt."""
    written = dict(words or {})
    unknown = sorted(set(written) - set(PROMPTS))
    if unknown:
        raise ValueError(f"`words` must be for {', '.join(PROMPTS)}; got {', '.join(unknown)}.")
    return {heading: written.get(heading) or PROMPT + prompt for heading, prompt in PROMPTS.items()}


_SECTIONS = {
    "Number of segments": "selection",
    "Stability": "stability",
    "Drift since training": "drift",
    "Transitions": "transitions",
    "Care gaps": "care_gaps",
}


def _segments(evaluation) -> str:
    profile, names = evaluation.tables["profile"], evaluation.tables["names"]
    sizes = profile[profile["statistic"] == "size"].set_index("segment")
    listed = names[["segment", "codes", "name_en", "name_fi"]].assign(
        n=sizes["n"].reindex(names["segment"]).to_numpy(), share=sizes["value"].reindex(names["segment"]).to_numpy()
    )
    over = profile[profile["over_represented"]].sort_values("observed_expected", ascending=False, kind="stable")
    over = over.sort_values("segment", kind="stable")[list(_PROFILE)]
    return _markdown(listed, digits=3) + "\n\nOver-represented:\n\n" + _markdown(over, digits=3)


def _outcome(evaluation) -> str:
    if not evaluation.outcome:
        return "The outcome window after the index date has not ended; nothing is told."
    tables = evaluation.tables
    about = f"Outcome: {evaluation.outcome}, within a year, before death. It did not make the segments."
    verdict = "Beyond age, sex and comorbidity, segments add less than 1 % of the deviance: they are descriptive only."
    if not tables["explained"]["descriptive_only"].any():
        verdict = "Segments add at least 1 % of the deviance beyond age, sex and comorbidity."
    parts = [about, _markdown(tables["separation"], digits=3), _markdown(tables["explained"], digits=4), verdict]
    return "\n\n".join(parts)


def _limits(evaluation, answer: str) -> str:
    lines = []
    if "stability" in evaluation.tables:
        weak = evaluation.tables["stability"].query("verdict != 'accept'")
        lines += [
            f"{row.segment} is not stable (Jaccard {row.jaccard:.2f}, {row.verdict})." for row in weak.itertuples()
        ]
    lines.append(answer)
    return "\n".join(f"- {line}" for line in lines)


def _markdown(frame: pd.DataFrame, *, digits: int) -> str:
    rows = [
        [_cell(value, name, digits) for value, name in zip(row, frame.columns, strict=True)] for row in _rows(frame)
    ]
    lines = [[str(name) for name in frame.columns], ["---"] * frame.shape[1], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rows(frame: pd.DataFrame):
    return frame.itertuples(index=False, name=None)


def _cell(value, name: str, digits: int) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    whole = name in _WHOLE or (isinstance(value, Real) and not isinstance(value, int) and float(value).is_integer())
    return value_text(value, digits=0 if whole else digits).replace("|", "\\|").replace("\u00a0", " ")
