"""An evaluation in; its report as one HTML page out, in words a manager can act on."""

import numpy as np

from servicenee.evaluation.capacity import capacity_text
from servicenee.evaluation.facts import label_warning_key
from servicenee.evaluation.sections import (
    areas_blocks,
    audit_blocks,
    calibration_blocks,
    capacity_blocks,
    characteristics_blocks,
    comparison_blocks,
    data_blocks,
    decision_blocks,
    discrimination_blocks,
    group_blocks,
    horizon_blocks,
    learning_blocks,
    left_out_blocks,
    metrics_html,
    size_blocks,
    turnover_blocks,
)
from servicenee.evaluation.wording import estimand_text, number, share, subtitle, verdict_key, whole, words
from servicenee.html import note, page, tiles, value_text
from servicenee.texts import text


def report(evaluation, *, title: str | None, language: str) -> str:
    """The whole page: what to do first, then why it may be believed, then the figures for specialists."""
    word = words(language)
    drawn = evaluation.draw(language)
    sections = [
        (word("section.summary"), _summary(evaluation, language)),
        (word("section.estimand"), _meaning(evaluation, language)),
        (word("section.data"), data_blocks(evaluation, language)),
        (word("section.capacity"), capacity_blocks(evaluation, drawn, language)),
        (word("section.calibration"), calibration_blocks(evaluation, drawn, language)),
        *_where_known(evaluation, drawn, language),
        (word("section.metrics"), [metrics_html(evaluation, language)]),
        (word("section.discrimination"), discrimination_blocks(evaluation, drawn, language)),
        (word("section.decision"), decision_blocks(evaluation, drawn, language)),
        (word("section.method"), _method(evaluation, language)),
    ]
    return page(
        title or _title(evaluation, language),
        sections,
        language=language,
        subtitle=subtitle(evaluation, language, horizon_days=evaluation.horizon_days),
        footer=word("footer"),
    )


def _where_known(evaluation, drawn: dict, language: str) -> list[tuple[str, list[str]]]:
    """Sections of tables that not every evaluation has."""
    word, tables = words(language), evaluation.tables
    makers = {
        "comparison": lambda: comparison_blocks(evaluation, drawn, language),
        "subgroups": lambda: [*group_blocks(evaluation, "subgroups", drawn, language), word("method.groups")],
        "characteristics": lambda: characteristics_blocks(evaluation, language),
        "label_audit": lambda: audit_blocks(evaluation, drawn, language),
        "areas": lambda: areas_blocks(evaluation, language),
        "dates": lambda: group_blocks(evaluation, "dates", drawn, language),
        "turnover": lambda: turnover_blocks(evaluation, language),
        "horizons": lambda: horizon_blocks(evaluation, drawn, language),
        "areas_left_out": lambda: left_out_blocks(evaluation, language),
        "learning_curve": lambda: learning_blocks(evaluation, drawn, language),
        "sample_size": lambda: size_blocks(evaluation, language),
    }
    return [(word(f"section.{name}"), make()) for name, make in makers.items() if name in tables and len(tables[name])]


def event_shares(evaluation) -> tuple[float, float]:
    """Observed and expected share of rows with the event."""
    bins = evaluation.tables["calibration"]
    weight = bins["n"].to_numpy()
    if not len(bins) or not weight.sum() > 0:
        return np.nan, np.nan
    expected = float(weight @ bins["predicted"].to_numpy() / weight.sum())
    return expected * evaluation.metric("observed_expected"), expected


def _title(evaluation, language: str) -> str:
    if evaluation.model is None:
        return text("evaluation.title", language)
    outcome = evaluation.model.outcome.get(language) or evaluation.model.name
    return text("evaluation.title.model", language, outcome=outcome[:1].upper() + outcome[1:])


def _meaning(evaluation, language: str) -> list[str]:
    blocks = [estimand_text(evaluation, language)]
    # Definitions are written in English only.
    if language == "en" and evaluation.model is not None and evaluation.model.definition:
        blocks.append(text("evaluation.definition", language, definition=evaluation.model.definition))
    return [*blocks, note(text(label_warning_key(evaluation.model), language))]


def _summary(evaluation, language: str) -> list[str]:
    word = words(language)
    data = evaluation.tables["data"].set_index("item")["value"]
    observed, expected = event_shares(evaluation)
    metrics = evaluation.tables["metrics"].set_index("metric")

    def interval(name: str, show) -> str:
        lower, upper = (show(metrics.loc[name, bound], language) for bound in ("lower", "upper"))
        return text("evaluation.tile.interval", language, lower=lower, upper=upper) if lower != "–" else ""

    persons = text("evaluation.tile.rows.note", language, persons=whole(data["persons"], language))
    even = text("evaluation.tile.share.note", language, expected=share(expected, language))
    auc, ratio, ppv = (evaluation.metric(name) for name in ("auc", "observed_expected", "ppv_at_capacity"))
    figures = [
        (word("tile.rows"), whole(data["rows"], language), persons),
        (word("tile.share"), share(observed, language), even),
        (word("tile.auc"), number(auc, language), interval("auc", number)),
        (word("tile.oe"), number(ratio, language), interval("observed_expected", number)),
        (word("tile.ppv"), share(ppv, language), interval("ppv_at_capacity", share)),
    ]
    blocks = [tiles(figures)]
    if np.isfinite(ppv) and np.isfinite(observed):
        blocks.append(_list_sentence(evaluation, observed, language))
    return [*blocks, *_comparison_sentence(evaluation, language), note(text(verdict_key(evaluation), language))]


def _list_sentence(evaluation, observed: float, language: str) -> str:
    capacity = evaluation.capacity
    shown = capacity_text(capacity) if isinstance(capacity, int) else share(capacity, language, 0)
    if not isinstance(capacity, int) and round(100 * capacity) != 100 * capacity:
        shown = share(capacity, language)
    key = "evaluation.say.capacity." + ("count" if isinstance(capacity, int) else "share")
    return text(
        "evaluation.say.list",
        language,
        capacity=text(key, language, n=shown),
        hits=value_text(100 * evaluation.metric("ppv_at_capacity"), language=language, digits=0),
        base=value_text(100 * observed, language=language, digits=0 if observed >= 0.095 else 1),
        found=share(evaluation.metric("sensitivity_at_capacity"), language, 0),
    )


def _comparison_sentence(evaluation, language: str) -> list[str]:
    """How many more events the list finds than one by age and sex alone."""
    if "comparison" not in evaluation.tables:
        return []
    comparison = evaluation.tables["comparison"].set_index(["model", "metric"])
    place = ("age_sex", "sensitivity_at_capacity")
    if place not in comparison.index or not np.isfinite(comparison.loc[place, "value"]):
        return []
    row = comparison.loc[place]
    values = {"simple": row["value"], "model": row["value"] + row["difference"]}
    shown = {name: share(value, language, 0) for name, value in values.items()}
    lower, upper = row["difference_lower"], row["difference_upper"]
    key = "evaluation.say.age_sex" + ("" if lower > 0 or upper < 0 else ".unsure")
    return [text(key, language, **shown)]


def _method(evaluation, language: str) -> list[str]:
    blocks = [
        text("evaluation.method.intervals", language, n=evaluation.n_bootstrap, seed=evaluation.random_state),
        text("evaluation.method.capacity", language),
        text("evaluation.method.censoring", language),
    ]
    if not evaluation.persons_known:
        blocks.append(note(text("evaluation.method.persons", language)))
    return blocks
