"""An evaluation in; TRIPOD+AI items as filled, prompt or missing, and the PROBAST+AI topics that can be checked, out.

The rows of ``tripod_ai.csv`` and ``probast_ai.csv`` are the items in our words, and what answers them.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee.evaluation.wording import verdict_key

STATUSES = FILLED, PROMPT, MISSING = "filled", "prompt", "missing"
YES, NO, UNKNOWN = "yes", "no", "not known"
FEWEST_EVALUATED = 100


def tripod_table(evaluation, words: Mapping[str, str]) -> pd.DataFrame:
    """TRIPOD+AI items: item, topic, status, where.

    "filled": the card says it; "prompt": a human has to write it; "missing": another evaluation would say it. In the
    last two cases `where` says what to do.

    References
    ----------
    Collins GS et al. TRIPOD+AI statement. BMJ 2024;385:e078378 (CC BY 4.0).
    """
    rows = [_item(row, evaluation, words) for row in _rows("tripod_ai.csv")]
    return pd.DataFrame(rows, columns=["item", "topic", "status", "where"])


def probast_table(evaluation) -> pd.DataFrame:
    """PROBAST+AI topics that the figures can answer: domain, topic, answer. The rest needs a reader.

    References
    ----------
    Moons KGM et al. PROBAST+AI. BMJ 2025;388:e082505.
    """
    rows = [(row["domain"], row["topic"], _answer(row["check"], evaluation)) for row in _rows("probast_ai.csv")]
    return pd.DataFrame(rows, columns=["domain", "topic", "answer"])


def _item(row: dict[str, str], evaluation, words: Mapping[str, str]) -> tuple[str, str, str, str]:
    kind, _, name = row["filled_by"].partition(":")
    if kind in ("human", "words"):
        found = kind == "words" and bool(words.get(name))
        where = row["where"] if found else row["to_fill"] or f"write {name!r}"
        return row["item"], row["topic"], FILLED if found else PROMPT, where
    known = {
        "always": True,
        "dates": bool(evaluation.index_dates),
        "model": evaluation.model is not None,
        "compared": _compared(evaluation),
        "table": _has(evaluation, name),
    }[kind]
    return row["item"], row["topic"], FILLED if known else MISSING, row["where"] if known else row["to_fill"]


def _answer(check: str, evaluation) -> str:
    kind, _, name = check.partition(":")
    if kind == "table":
        return YES if _has(evaluation, name) else NO
    if kind == "by_construction":
        # True of every NeedModel; of risks from elsewhere nothing is known.
        return YES if evaluation.model is not None else UNKNOWN
    return _CHECKS[kind](evaluation)


def _has(evaluation, table: str) -> bool:
    return len(evaluation.tables.get(table, ())) > 0


def _compared(evaluation) -> bool:
    """Whether means of training stand beside those of the evaluation."""
    return _has(evaluation, "characteristics") and evaluation.tables["characteristics"]["training_mean"].notna().any()


def _yes(answer: bool) -> str:
    return YES if answer else NO


def _later_dates(evaluation) -> str:
    if evaluation.model is None or not evaluation.index_dates:
        return UNKNOWN
    return _yes(evaluation.index_dates[0] > max(evaluation.model.training_dates))


def _label_is_need(evaluation) -> str:
    return UNKNOWN if evaluation.model is None else _yes(evaluation.model.label_type == "need")


def _enough_rows(evaluation) -> str:
    if not _has(evaluation, "sample_size"):
        return UNKNOWN
    n = evaluation.tables["sample_size"].set_index("criterion")["n"]
    return _yes(bool(n["had"] >= n["all"]))


def _hundred_events(evaluation) -> str:
    events = evaluation.tables["metrics"]["events"].iloc[0]
    return _yes(bool(np.isfinite(events) and events >= FEWEST_EVALUATED))


def _both_estimable(evaluation) -> str:
    return _yes(bool(np.isfinite([evaluation.metric("auc"), evaluation.metric("calibration_slope")]).all()))


_CHECKS = {
    "later_dates": _later_dates,
    "persons_known": lambda evaluation: _yes(evaluation.persons_known),
    "model_known": lambda evaluation: YES if evaluation.model is not None else UNKNOWN,
    "label_is_need": _label_is_need,
    "labels_used": lambda evaluation: _yes(not evaluation.simple_outcome),
    "hundred_events": _hundred_events,
    "enough_rows": _enough_rows,
    "both_estimable": _both_estimable,
    "calibrated": lambda evaluation: _yes(verdict_key(evaluation) == "evaluation.say.calibrated"),
    "intervals": lambda evaluation: _yes(evaluation.n_bootstrap > 0),
}


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    with (files("servicenee.evaluation") / name).open(encoding="utf-8") as stream:
        table = pd.read_csv(stream, dtype=str, keep_default_na=False)
    return tuple(table.to_dict("records"))
