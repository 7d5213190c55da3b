"""Tables of an evaluation in; blocks of its report out: figures and tables with a line on how to read them."""

import numpy as np
import pandas as pd

from servicenee.evaluation.notes import HIDDEN
from servicenee.evaluation.trends import model_text
from servicenee.evaluation.wording import (
    column,
    full_group_text,
    intervals,
    list_length,
    note_text,
    number,
    share,
    short_group_text,
    whole,
    with_intervals,
    words,
)
from servicenee.html import Html, figure, table, value_text
from servicenee.texts import format_date, text

SHARES = ("event_share", "selected_share", "ppv_at_capacity", "sensitivity_at_capacity")
READ_THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
READ_DECISIONS = 8
READ_CHARACTERISTICS = 15
KNOWN_MARKERS = ("death", "diagnoses", "function")


def metrics_html(evaluation, language: str) -> Html:
    """The measures as a table with a line on how to read each."""
    word = words(language)
    metrics = evaluation.tables["metrics"]
    shown = pd.DataFrame(
        {
            word("head.metric"): [word(f"metric.{name}") for name in metrics["metric"]],
            word("head.value"): metrics["value"].to_numpy(),
            word("head.interval"): intervals(metrics, _three, language),
            word("head.read"): [
                word(f"read.{name}") + (f" ({note_text(why, language)})" if why else "")
                for name, why in zip(metrics["metric"], metrics["note"], strict=True)
            ],
        }
    )
    return table(shown, language=language)


def data_blocks(evaluation, language: str) -> list[str]:
    """What was judged."""
    word = words(language)
    data = evaluation.tables["data"]
    values = [
        number(value, language) if name == "largest_weight" else whole(value, language)
        for name, value in zip(data["item"], data["value"], strict=True)
    ]
    shown = pd.DataFrame(
        {word("head.item"): [word(f"data.{name}") for name in data["item"]], word("head.value"): values}
    )
    return [table(shown, language=language, numbers=[word("head.value")])]


def calibration_blocks(evaluation, drawn: dict, language: str) -> list[str]:
    """Predicted against observed risk."""
    word = words(language)
    bins = evaluation.tables["calibration"]
    shown = pd.DataFrame(
        {
            word("head.bin"): bins["bin"].to_numpy(),
            word("head.n"): column(bins["n"], whole, language),
            word("head.events"): column(bins["events"], whole, language),
            word("head.predicted"): column(bins["predicted"], share, language),
            word("head.observed"): column(bins["observed"], share, language),
            word("head.interval"): intervals(bins, share, language),
        }
    )
    return [picture(drawn, "calibration", language), table(shown, language=language, numbers=list(shown.columns))]


def capacity_blocks(evaluation, drawn: dict, language: str) -> list[str]:
    """What lists of different lengths find."""
    word = words(language)
    lists = evaluation.tables["capacity"]
    shown = pd.DataFrame(
        {
            word("head.capacity"): [list_length(asked, language) for asked in lists["capacity"]],
            word("head.selected"): column(lists["selected"], whole, language),
            word("head.lowest_risk"): column(lists["lowest_risk"], share, language),
            word("head.expected_events"): _expected(lists, language),
            word("head.observed_events"): column(lists["observed_events"], whole, language),
            word("head.ppv"): with_intervals(lists, share, language, "ppv"),
            word("head.number_needed"): column(lists["number_needed"], _one, language),
            word("head.sensitivity"): with_intervals(lists, share, language, "sensitivity"),
            word("head.lead_days"): column(lists["lead_days"], whole, language),
        }
    )
    if lists["note"].any():
        shown[word("head.note")] = [note_text(why, language) for why in lists["note"]]
    return [
        picture(drawn, "capacity", language),
        table(shown, language=language, numbers=list(shown.columns[1:9])),
        word("read.capacity"),
    ]


def turnover_blocks(evaluation, language: str) -> list[str]:
    """How the list changes from one index date to the next."""
    word = words(language)
    lists = evaluation.tables["turnover"]
    shown = pd.DataFrame({word("head.index_date"): [format_date(date, language) for date in lists["index_date"]]})
    for name in ("listed", "stayed", "dropped", "left", "new"):
        shown[word(f"head.{name}")] = column(lists[name], whole, language)
    shown[word("head.jaccard")] = column(lists["jaccard"], number, language)
    return [table(shown, language=language, numbers=list(shown.columns[1:])), word("read.turnover")]


def areas_blocks(evaluation, language: str) -> list[str]:
    """A list of its own for every area beside the common one."""
    word = words(language)
    areas = evaluation.tables["areas"]
    shown = pd.DataFrame(
        {
            word("head.area"): [note_text(area, language) for area in areas["area"]],
            word("head.n"): column(areas["n"], whole, language),
            word("head.common_selected"): column(areas["common_selected"], _one, language),
            word("head.own_selected"): column(areas["selected"], _one, language),
            word("head.lowest_risk"): column(areas["lowest_risk"], share, language),
            word("head.expected_events"): column(areas["expected_events"], _one, language),
            word("head.observed_events"): column(areas["observed_events"], _one, language),
            word("head.ppv"): with_intervals(areas, share, language, "ppv"),
            word("head.sensitivity"): with_intervals(areas, share, language, "sensitivity"),
        }
    )
    noted = areas[areas["note"] != ""].rename(columns={"area": "group"}).assign(by="area")
    return [
        table(shown, language=language, numbers=list(shown.columns[1:])),
        word("read.areas"),
        *_not_judged(noted, language),
    ]


def group_blocks(evaluation, name: str, drawn: dict, language: str) -> list[str]:
    """One row per group, or per index date, with every measure beside it; below, the groups that are not estimated."""
    word = words(language)
    long = evaluation.tables[name]
    first = long.drop_duplicates(["by", "group"])
    long, judged = long[long["note"] == ""], first[first["note"] == ""]
    # The share of a list that an index date holds says nothing: every date has a list of its own.
    metrics = [one for one in dict.fromkeys(long["metric"]) if name != "dates" or not one.startswith("list_share")]
    shown = {word("head.group"): _group_texts(judged, language)}
    for count in ("n", "events"):
        shown[word(f"head.{count}")] = column(judged[count], whole, language)
    for metric in metrics:
        part, show = long[long["metric"] == metric], share if metric in SHARES else number
        bare = metric in ("event_share", "selected_share")
        cells = column(part["value"], show, language) if bare else with_intervals(part, show, language)
        shown[word(f"metric.{metric}")] = cells
    blocks = [picture(drawn, name, language), table(pd.DataFrame(shown), language=language, numbers=list(shown)[1:])]
    return [*blocks, *_not_judged(first[first["note"] != ""], language)]


def _not_judged(first: pd.DataFrame, language: str) -> list[str]:
    """Groups that are hidden or have too few events, by the reason."""
    word = words(language)
    found = []
    for why in dict.fromkeys(first["note"]):
        rows = first[first["note"] == why]
        names = "; ".join(
            text("evaluation.say.group", language, group=group, n=whole(n, language))
            for group, n in zip(_short_texts(rows, language), rows["n"], strict=True)
        )
        found.append(text("evaluation.say.not_judged", language, why=note_text(why, language), groups=names))
    return [word("say.not_judged.head"), *found] if found else []


def characteristics_blocks(evaluation, language: str) -> list[str]:
    """Columns in which those with the event differ most from those without it."""
    word = words(language)
    known = evaluation.tables["characteristics"].dropna(subset="difference")
    kept = known.sort_values("difference", key=abs, ascending=False, kind="stable").head(READ_CHARACTERISTICS)
    if not len(kept):
        return [note_text(HIDDEN, language)]
    shown = {word("head.characteristic"): kept[f"label_{language}"].tolist()}
    for name in ("known", "mean_event", "mean_no_event", "difference", "training_mean", "training_difference"):
        if kept[name].notna().any():
            shown[word(f"head.{name}")] = column(kept[name], share if name == "known" else number, language)
    return [table(pd.DataFrame(shown), language=language, numbers=list(shown)[1:]), word("read.characteristics")]


def audit_blocks(evaluation, drawn: dict, language: str) -> list[str]:
    """Markers of need by group at equal risk: one row per group, one column per marker."""
    word = words(language)
    audit = evaluation.tables["label_audit"].rename(columns={"ratio": "value"})
    first = audit.drop_duplicates(["by", "group"])
    shown = {word("head.group"): _group_texts(first, language), word("head.n"): column(first["n"], whole, language)}
    for marker in dict.fromkeys(audit["marker"]):
        shown[_marker(marker, language)] = with_intervals(audit[audit["marker"] == marker], number, language)
    return [
        word("read.label_audit"),
        picture(drawn, "label_audit", language),
        table(pd.DataFrame(shown), language=language, numbers=list(shown)[1:]),
        *(note_text(why, language) for why in dict.fromkeys(audit["note"]) if why),
    ]


def comparison_blocks(evaluation, drawn: dict, language: str) -> list[str]:
    """The model beside simpler ones."""
    word = words(language)
    long = evaluation.tables["comparison"]
    models = list(dict.fromkeys(long["model"]))
    shown = {word("head.model"): [model_text(name, language) for name in models]}
    for metric in ("auc", "log_loss", "observed_expected", "ppv_at_capacity", "sensitivity_at_capacity"):
        part = long[long["metric"] == metric]
        show = share if metric in SHARES else _three if metric == "log_loss" else number
        shown[word(f"metric.{metric}")] = with_intervals(part, show, language)
        if metric == "auc":
            shown[word("head.difference_auc")] = with_intervals(part, _three, language, "difference")
    return [
        picture(drawn, "comparison", language),
        table(pd.DataFrame(shown), language=language, numbers=list(shown)[1:]),
        word("read.comparison"),
    ]


def learning_blocks(evaluation, drawn: dict, language: str) -> list[str]:
    """What more persons would add."""
    word = words(language)
    curve = evaluation.tables["learning_curve"]
    shown = pd.DataFrame({word("head.share"): [share(value, language, 0) for value in curve["share"]]})
    for name in ("n", "events"):
        shown[word(f"head.{name}")] = column(curve[name], whole, language)
    shown[word("legend.later")] = column(curve["auc"], _three, language)
    shown[word("legend.training")] = column(curve["auc_training"], _three, language)
    shown[word("metric.log_loss")] = column(curve["log_loss"], _three, language)
    return [
        picture(drawn, "learning_curve", language),
        table(shown, language=language, numbers=list(shown.columns)),
        word("read.learning_curve"),
    ]


def size_blocks(evaluation, language: str) -> list[str]:
    """How many rows a model of this kind takes."""
    word = words(language)
    size = evaluation.tables["sample_size"]
    shown = pd.DataFrame(
        {
            word("head.criterion"): [word(f"criterion.{name}") for name in size["criterion"]],
            word("head.n"): column(size["n"], whole, language),
            word("head.events"): column(size["events"], whole, language),
        }
    )
    return [table(shown, language=language, numbers=list(shown.columns[1:])), word("read.sample_size")]


def left_out_blocks(evaluation, language: str) -> list[str]:
    """Every area judged by a model that has not seen it."""
    word = words(language)
    long = evaluation.tables["areas_left_out"]
    names = list(dict.fromkeys(long["area"]))
    known = {"other areas": "area.other", "pooled": "area.pooled", "a new area": "area.new"}
    shown = {word("head.area"): [word(known[name]) if name in known else str(name) for name in names]}
    first = long.drop_duplicates("area")
    shown[word("head.n")] = column(first["n"], whole, language)
    shown[word("head.events")] = column(first["events"], whole, language)
    for metric in dict.fromkeys(long["metric"]):
        shown[word(f"metric.{metric}")] = with_intervals(long[long["metric"] == metric], number, language)
    if first["note"].any():
        shown[word("head.note")] = [note_text(why, language) for why in first["note"]]
    frame = pd.DataFrame(shown)
    return [table(frame, language=language, numbers=list(frame.columns[1:6])), word("read.areas_left_out")]


def horizon_blocks(evaluation, drawn: dict, language: str) -> list[str]:
    """How good the risk is at each horizon."""
    word = words(language)
    long = evaluation.tables["horizons"]
    days = list(dict.fromkeys(long["horizon_days"]))
    shown = {word("head.horizon"): [whole(value, language) for value in days]}
    shown[word("head.events")] = column(long.drop_duplicates("horizon_days")["events"], whole, language)
    for metric in ("auc", "observed_expected", "calibration_slope", "ici", "scaled_brier"):
        part = long[long["metric"] == metric]
        shown[word(f"metric.{metric}")] = with_intervals(part, _three if metric == "ici" else number, language)
    return [picture(drawn, "incidence", language), table(pd.DataFrame(shown), language=language, numbers=list(shown))]


def discrimination_blocks(evaluation, drawn: dict, language: str) -> list[str]:
    """Rates at cuts of the risk, and how the risks of the two outcomes are spread out."""
    word = words(language)
    rates = evaluation.tables["thresholds"]
    wanted = np.abs(rates["selected_share"].to_numpy()[:, None] - np.array(READ_THRESHOLDS)) < 0.005
    kept = rates[wanted.any(axis=1)]
    shown = pd.DataFrame(
        {
            word("head.selected_share"): [share(value, language, 0) for value in kept["selected_share"]],
            word("head.threshold"): column(kept["threshold"], share, language),
            **{
                word(f"head.{name}"): column(kept[name], share, language)
                for name in ("sensitivity", "specificity", "ppv", "npv")
            },
            word("head.lr_positive"): column(kept["lr_positive"], number, language),
            word("head.lr_negative"): column(kept["lr_negative"], number, language),
        }
    )
    spread = evaluation.tables["risks_by_outcome"]
    quantiles = {word("head.outcome"): [word(f"outcome.{name}") for name in spread["outcome"]]}
    quantiles[word("head.mean")] = column(spread["mean"], share, language)
    quantiles |= {f"{name[1:]} %": column(spread[name], share, language) for name in spread.columns[2:]}
    return [
        picture(drawn, "discrimination", language),
        table(shown, language=language, numbers=list(shown.columns)),
        table(
            pd.DataFrame(quantiles), caption=word("caption.quantiles"), language=language, numbers=list(quantiles)[1:]
        ),
    ]


def decision_blocks(evaluation, drawn: dict, language: str) -> list[str]:
    """Net benefit at some thresholds."""
    word = words(language)
    curve = evaluation.tables["decision"]
    at = np.unique(np.linspace(0, len(curve) - 1, READ_DECISIONS).round().astype(int)) if len(curve) else []
    kept = curve.iloc[at].rename(columns={"net_benefit": "value"})
    shown = pd.DataFrame(
        {
            word("head.threshold"): column(kept["threshold"], share, language),
            word("head.needless"): [_one(1 / value - 1, language) for value in kept["threshold"]],
            word("head.net_benefit"): with_intervals(kept, _four, language),
            word("legend.everybody"): column(kept["treat_all"], _four, language),
        }
    )
    return [picture(drawn, "decision", language), table(shown, language=language, numbers=list(shown.columns))]


def picture(drawn: dict, name: str, language: str) -> Html:
    """A figure with what it shows and how to read it."""
    word = words(language)
    return figure(drawn[name], word(f"figure.{name}.alt"), caption=word(f"figure.{name}.caption"))


def _expected(lists: pd.DataFrame, language: str) -> list[str]:
    return with_intervals(
        lists.rename(columns={"expected_events": "value", "expected_lower": "lower", "expected_upper": "upper"}),
        whole,
        language,
    )


def _group_texts(frame: pd.DataFrame, language: str) -> list[str]:
    return [full_group_text(*pair, language) for pair in zip(frame["by"], frame["group"], strict=True)]


def _short_texts(frame: pd.DataFrame, language: str) -> list[str]:
    return [short_group_text(*pair, language) for pair in zip(frame["by"], frame["group"], strict=True)]


def _marker(name: str, language: str) -> str:
    return words(language)(f"marker.{name}") if name in KNOWN_MARKERS else name


def _one(value: float, language: str) -> str:
    return value_text(float(value), language=language, digits=1)


def _three(value: float, language: str) -> str:
    return value_text(float(value), language=language, digits=3)


def _four(value: float, language: str) -> str:
    return value_text(float(value), language=language, digits=4)
