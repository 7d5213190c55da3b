"""A fitted model, later rows and its training rows in; the evaluation with what it takes the model to say out."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, check_dates
from servicenee.cohort import Cohort, completed_years
from servicenee.evaluation import (
    DemandEvaluation,
    Evaluation,
    demand_sums,
    evaluate,
    evaluate_demand,
    label_audit,
    labels_at,
    minimum_sample_size,
    recalibrate,
)
from servicenee.evaluation.characteristics import characteristics
from servicenee.evaluation.facts import ModelFacts
from servicenee.evaluation.horizons import horizon_columns
from servicenee.evaluation.refits import Rows, column_sets, compare_refits, learning_curve, leave_areas_out
from servicenee.exceptions import LeakageError
from servicenee.index_dates import latest_index_date
from servicenee.need import NeedClassifier
from servicenee.need.calibration import recalibrated
from servicenee.outcomes import CENSORED, EVENT, Outcome
from servicenee.registers import Registers
from servicenee.segments import COMPARED_BY, SegmentEvaluation, evaluate_segments

REFITS = ("baselines", "without_past_use", "learning_curve", "areas")
BASELINES = ("age_sex", "last_year_use")
MOST_AUDITED_GROUPS = 8
_AGE_BANDS = (0, 65, 75, 85)


def evaluate_model(
    model,
    later: tuple[Cohort, Rows],
    training: Callable[[], tuple[Cohort, Rows]],
    *,
    by: str | Iterable[str] | None,
    capacity: int | float | None,
    refits: str | Iterable[str],
) -> Evaluation | DemandEvaluation:
    """What ``NeedModel.evaluate`` gives; `training` makes the rows of training only if a refit asks for them."""
    wanted = [refits] if isinstance(refits, str) else list(refits)
    for name in wanted:
        check_choice("refits", name, REFITS)
    cohort, rows = later
    scores = model.estimator_.scores(rows.X)
    groups = None if by is None else group_columns(cohort, by)
    if "expected" in scores:
        if wanted:
            raise ValueError(f"`refits` must be empty for amounts; got {', '.join(wanted)}.")
        judged = evaluate_demand(rows.labels, scores, by=groups)
        return judged.with_model(model_facts(model), _sum_tables(model, rows, groups))
    judged = evaluate(rows.labels, scores, by=groups, capacity=capacity)
    curve = horizon_columns(scores)
    if curve:
        rows = replace(rows, labels=labels_at(rows.labels, max(curve)))
    risk = scores[curve[max(curve)]] if curve else scores["risk"]
    tables = added_tables(model, judged, cohort, rows, risk, groups)
    learnt = training() if wanted else None
    tables["characteristics"] = characteristics(model.feature_table, rows, None if learnt is None else learnt[1])
    if learnt is not None:
        tables |= refit_tables(model, wanted, learnt, (cohort, rows), risk, judged.capacity)
    return judged.with_model(model_facts(model), tables)


def evaluate_segmenter(model, registers: Registers, index_dates, *, refits: str | Iterable[str]) -> SegmentEvaluation:
    """What ``NeedModel.evaluate`` gives of segments, on the last of the index dates; `refits` must be empty."""
    if refits:
        raise ValueError(f"`refits` must be empty for segments; got {refits!r}.")
    date, last = check_dates("index_dates", index_dates)[-1], np.datetime64(max(model.training_.index_dates))
    if date <= last:
        raise LeakageError(f"`index_dates` must lie after {last}, the last of training; got {date}.")
    then, now = (model.population.at(registers, str(day)) for day in (last, date))
    outcome = Outcome(COMPARED_BY)
    labels = outcome.label(now) if date <= latest_index_date(outcome, registers) else None
    before = model.estimator_.segment_probabilities(model.transform(then)) if len(then) else None
    facts = {"before": before, "labels": labels, "outcome": outcome}
    return evaluate_segments(model.estimator_, now, model.transform(now), **facts)


def recalibrated_classifier(model, rows: Rows, method: str) -> tuple[str, NeedClassifier]:
    """How the model must be changed to be right on these rows, and its classifier so changed (not refitted)."""
    change = recalibrate(rows.labels, model.estimator_.scores(rows.X)["risk"], method=method)
    changed = copy.copy(model.estimator_)
    if change.method in ("intercept", "logistic"):
        changed.calibrator_ = recalibrated(changed.calibrator_, change.intercept, change.slope)
    return change.method, changed


def model_facts(model) -> ModelFacts:
    """What the report and the card say of the model itself."""
    definition, training = model.outcome.definition, model.training_
    return ModelFacts(
        name=model.name,
        version=model.version,
        outcome={language: model.outcome_label(language) for language in ("fi", "sv", "en")},
        definition=definition.text,
        label_type=definition.label_type,
        population=definition.population or repr(model.population),
        training_dates=training.index_dates,
        n_rows=training.n_rows,
        n_persons=training.n_persons,
        n_events=training.n_events,
        n_features=len(model.feature_table),
        engine=getattr(model.estimator_, "engine_", type(model.estimator_).__name__),
    )


def group_columns(cohort: Cohort, by: str | Iterable[str]) -> pd.DataFrame:
    """Group variables of every row: columns of persons, bands of age on the index date, or two as "sex:age_band"."""
    names = [by] if isinstance(by, str) else list(by)
    persons = cohort.registers.persons
    known = ["age_band", *(name for name in persons.columns if name != "person_id")]
    unknown = [part for name in names for part in name.split(":") if part not in known]
    if unknown:
        raise ValueError(f"`by` must name 'age_band' or columns of persons ({', '.join(known[1:])}); got {unknown}.")
    columns = {name: [_column(cohort, part) for part in name.split(":")] for name in names}
    groups = {name: parts[0] if len(parts) == 1 else _joined(parts) for name, parts in columns.items()}
    return pd.DataFrame(groups, index=cohort.index)


def need_markers(model, cohort: Cohort, X: pd.DataFrame) -> pd.DataFrame:
    """Markers that stand closer to need than use does, as far as the registers have them.

    ``death`` within the window (NaN where follow-up ended before), ``diagnoses`` (different ones in the longest
    window) and ``function`` (kinds of signs of reduced function).
    """
    table = model.feature_table
    markers = {"death": _died(model.outcome, cohort)}
    distinct = table[(table["measure"] == "distinct") & (table["topic"] == "diagnoses")]
    if len(distinct):
        longest = pd.to_numeric(distinct["lookback_days"], errors="coerce").fillna(np.inf).idxmax()
        markers["diagnoses"] = X[distinct.loc[longest, "feature"]].to_numpy(dtype=np.float64)
    function = table.loc[table["topic"] == "function", ["feature", "group"]]
    if len(function):
        kinds = [(X[names["feature"]] > 0).any(axis=1) for _, names in function.groupby("group", sort=True)]
        markers["function"] = np.sum(kinds, axis=0).astype(np.float64)
    return pd.DataFrame(markers, index=cohort.index)


def added_tables(
    model, evaluation: Evaluation, cohort: Cohort, later: Rows, risk: pd.Series, groups: pd.DataFrame | None
) -> dict[str, pd.DataFrame]:
    """Tables that need the model but no refit: ``label_audit`` where there are groups, and ``sample_size``."""
    tables = {}
    few = [] if groups is None else [name for name in groups if groups[name].nunique() <= MOST_AUDITED_GROUPS]
    if few:
        drawing = {"n_bootstrap": evaluation.n_bootstrap, "random_state": evaluation.random_state}
        tables["label_audit"] = label_audit(risk, need_markers(model, cohort, later.X), by=groups[few], **drawing)
    facts, auc = model.training_, evaluation.metric("auc")
    if facts.base_rate is not None and 0 < facts.base_rate < 1 and 0.5 < auc < 1:
        size = minimum_sample_size(facts.base_rate, len(model.feature_table), auc=auc)
        per_parameter = facts.n_events / len(model.feature_table)
        had = pd.DataFrame([("had", facts.n_rows, facts.n_events, per_parameter)], columns=size.columns)
        tables["sample_size"] = pd.concat([size, had], ignore_index=True)
    return tables


def refit_tables(
    model,
    refits: list[str],
    training: tuple[Cohort, Rows],
    later: tuple[Cohort, Rows],
    risk: pd.Series,
    capacity: int | float,
) -> dict[str, pd.DataFrame]:
    """Tables that take refits on the training dates: ``comparison``, ``learning_curve``, ``areas_left_out``."""
    learnt, judged = training[1], later[1]
    sets = column_sets(model.feature_table)
    wanted = [*(BASELINES if "baselines" in refits else ()), *(name for name in refits if name == "without_past_use")]
    sets = {name: sets[name] for name in wanted if name in sets}
    makers: dict[str, Callable[[], pd.DataFrame]] = {}
    if sets:
        makers["comparison"] = lambda: compare_refits(
            model.estimator, learnt, judged, risk.to_numpy(), sets, capacity=capacity
        )
    if "learning_curve" in refits:
        makers["learning_curve"] = lambda: learning_curve(model.estimator, learnt, judged)
    if "areas" in refits:
        areas = [_column(cohort, "area") for cohort, _ in (training, later)]
        makers["areas_left_out"] = lambda: leave_areas_out(model.estimator, learnt, judged, *areas)
    return {name: make() for name, make in makers.items()}


def _sum_tables(model, rows: Rows, groups: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Sums by area with their intervals, one index date after the other; none without a group ``area``."""
    if groups is None or "area" not in groups:
        return {}
    dates = rows.X.index.get_level_values("index_date")
    parts = []
    for date in dates.unique().sort_values():
        of_date = np.asarray(dates == date)
        area = groups["area"].to_numpy()[of_date]
        sums = model.estimator_.predict_sums(rows.X[of_date], area)
        parts.append(demand_sums(rows.labels[of_date], sums, area, str(date)[:10]))
    return {"sums": pd.concat(parts, ignore_index=True)}


def _died(outcome: Outcome, cohort: Cohort) -> np.ndarray:
    death = Outcome("death", horizon_days=outcome.horizon_days, gap_days=outcome.gap_days)
    status = death.label(cohort)["status"].to_numpy()
    return np.where(status == CENSORED, np.nan, (status == EVENT).astype(np.float64))


def _column(cohort: Cohort, name: str) -> np.ndarray:
    if name == "age_band":
        return _age_bands(cohort)
    persons = cohort.registers.persons
    if name not in persons.columns:
        raise ValueError(f"`refits` by {name} need the column {name!r} of persons; the registers have none.")
    return persons[name].to_numpy()[cohort.person]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """Two variables as one; None where either is missing."""
    return np.array(
        [None if any(pd.isna(one) for one in row) else ", ".join(map(str, row)) for row in zip(*parts, strict=True)],
        dtype=object,
    )


def _age_bands(cohort: Cohort) -> np.ndarray:
    age = completed_years(cohort.registers.person_columns.birth_day[cohort.person], cohort.index_day)
    ends = [*(f"–{end - 1}" for end in _AGE_BANDS[1:]), "+"]
    names = np.array([f"{start}{end}" for start, end in zip(_AGE_BANDS, ends, strict=True)], dtype=object)
    band = np.searchsorted(_AGE_BANDS, np.nan_to_num(age), side="right") - 1
    return np.where(np.isnan(age), None, names[band])
