"""`monitor`: a model and today's registers come in; whether the model is still true goes out, as aggregates only."""

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee import __version__
from servicenee._checks import check_dates
from servicenee.blueprint import plain_number
from servicenee.disclosure import MIN_CELL
from servicenee.evaluation.capacity import DEFAULT_CAPACITY, capacity_text, check_capacity
from servicenee.model import NeedModel
from servicenee.monitoring.drift import Counted, column_drift, count_columns, score_intervals, score_quantiles
from servicenee.monitoring.expected import (
    EXPECTED,
    TURNOVER,
    expected_table,
    known_dates,
    list_turnover,
    main_score,
    observed_metrics,
)
from servicenee.monitoring.feeds import feed_volumes, new_codes, source_weeks
from servicenee.monitoring.findings import LOOK, STOP, find, forced
from servicenee.monitoring.parts import Seen, in_parts, known_rows, look, together
from servicenee.monitoring.protection import protected
from servicenee.monitoring.report import METRICS, draw, report
from servicenee.registers import Registers
from servicenee.segments.drift import drift_of_fits
from servicenee.texts import LANGUAGES
from servicenee.tracking import load_model, log_monitoring

WELL = "well"
_OBSERVED = ("metric", "value", "lower", "upper", "note", "index_dates")


@dataclass(frozen=True, repr=False)
class Monitoring:
    """Whether a model is still true on one day; holds aggregates only, no person and no row.

    Parameters
    ----------
    model, version : str
        Name and version of the model.
    outcome : dict of str to str
        What it predicts, by language; empty for segments.
    window : tuple of int
        Horizon and gap of the outcome in days; zeros for segments.
    valid_until : str
        Last index date that it may score.
    index_date, extract_date : str
        ISO dates.
    capacity : int or float
        Persons the service can act on.
    status : {"well", "look", "stop"}
        "stop": do not score with this model on these registers. "look": score, and look into the findings.
    tables : dict of DataFrame
        ``findings`` (finding, subject, value, limit, action), ``volumes`` and ``weeks`` (of sources), ``codes``,
        ``columns`` (of X), ``scores`` and ``quantiles`` and ``intervals`` (of risks or amounts), ``expected``,
        ``turnover``, ``observed``; of segmenters ``segments`` in place of those of scores. What would tell of 1 to 4
        persons is NaN, also in the findings: whether they are beyond a limit was decided before.

    Examples
    --------
    >>> from servicenee.monitoring import Monitoring
    >>> Monitoring("need", "1", {}, (0, 0), "2026-01-01", "2024-01-01", "2024-01-01", 0.05, "well", {}).status
    'well'
    """

    model: str
    version: str
    outcome: dict[str, str]
    window: tuple[int, int]
    valid_until: str
    index_date: str
    extract_date: str
    capacity: int | float
    status: str
    tables: dict[str, pd.DataFrame]

    @property
    def findings(self) -> pd.DataFrame:
        """What is beyond its limit: finding, subject, value, limit, action."""
        return self.tables["findings"]

    def draw(self, language: str) -> dict:
        """Give the figures with their words in one language.

        Parameters
        ----------
        language : {"fi", "sv", "en"}

        Returns
        -------
        dict of matplotlib.figure.Figure
            ``volumes``; ``columns`` and ``scores`` where there is something to draw.
        """
        return draw(self, language)

    def to_html(self, path, *, language: str = "fi") -> Path:
        """Write the page: one file that needs no network, to be read by whoever answers for the model.

        Parameters
        ----------
        path : str or Path
            File to write.
        language : {"fi", "sv", "en"}, default="fi"

        Returns
        -------
        Path
            The file.
        """
        path = Path(path)
        path.write_bytes(report(self, language).encode("utf-8"))
        return path

    def to_json(self) -> str:
        """Give the run as one line of JSON, for a scheduler or a log: status, key figures and findings.

        Returns
        -------
        str
            Without a line break. The same run gives the same line.
        """
        return json.dumps(self.summary(), ensure_ascii=False, allow_nan=False)

    def summary(self) -> dict:
        """Give what `to_json` writes, as plain values; None where there is nothing to tell."""
        columns, volumes = self.tables["columns"], self.tables["volumes"]
        facts = {
            name: getattr(self, name) for name in ("model", "version", "valid_until", "index_date", "extract_date")
        }
        return {
            "servicenee": __version__,
            **facts,
            "status": self.status,
            "capacity": capacity_text(self.capacity),
            **_plain_items(self.tables["expected"], "item", ("value", "lower", "upper")),
            "features": len(columns),
            "features_shifted": int(columns["shifted"].sum()),
            "features_missing_changed": int(columns["missing_changed"].sum()),
            "sources": len(volumes),
            "sources_marked": {f"{row.table} {row.source}": row.mark for row in volumes.itertuples() if row.mark},
            **{f"list_{name}": plain_number(value) for name, value in _first(self.tables["turnover"]).items()},
            **{f"known_{name}": value for name, value in _observed_items(self.tables["observed"]).items()},
            "findings": [
                {name: plain_number(value) for name, value in row.items()} for row in self.findings.to_dict("records")
            ],
        }

    def log(self, *, experiment: str) -> str:
        """Record the run in MLflow: status and key figures as metrics, tables and page as artefacts.

        Parameters
        ----------
        experiment : str
            Created if it does not exist.

        Returns
        -------
        str
            Id of the MLflow run.
        """
        return log_monitoring(self, experiment=experiment)

    def __repr__(self) -> str:
        findings = self.findings
        n_stop = int((findings["action"] == STOP).sum())
        return (
            f"Monitoring({self.model!r}, version {self.version}, {self.index_date}: {self.status}, "
            f"{len(findings)} findings, {n_stop} of them stop the scoring)"
        )

    def _repr_html_(self) -> str:
        return self.findings.to_html(index=False)


def monitor(
    model: NeedModel | str | Path,
    registers: Registers | str | Path,
    *,
    index_date=None,
    previous=None,
    capacity: int | float | None = None,
    known=None,
    force: bool = False,
) -> Monitoring:
    """Look whether a model is still true before its risks are used.

    Parameters
    ----------
    model : NeedModel, str or Path
        The model, its folder, or its address in the registry (``models:/name@alias``).
    registers : Registers, str or Path
        Today's registers, or their folder.
    index_date : date or ISO text, optional
        By default the extract date.
    previous : scores, SegmentList or what `read_record` gives, optional
        The run before: scores of an earlier index date, or the list that was made of them.
    capacity : int or float, optional
        Persons the service can act on, a count or a fraction; by default 5 %.
    known : list of dates, optional
        Earlier index dates whose outcomes are known by now, to compare what happened with what was expected. By
        default the latest one, if it lies after the outcome windows of training; an empty list leaves it out.
    force : bool, default=False
        Go on although the model's validity date is over, and let no finding stop the scoring.

    Returns
    -------
    Monitoring
        Findings, tables, page, line of JSON. ``status`` is "stop" if a source that the model needs has stopped, has
        thinned out or has ended, or nobody is in the population.

    Raises
    ------
    ModelError
        If the model is refused: its validity date is over (unless forced), or the registers lack what it needs.

    Notes
    -----
    Before outcomes are known, what is said of accuracy is what the risks promise: it assumes that they are right, and
    every name says so ("expected"). Once a list has been acted on, its persons may fare better than expected; judge a
    low observed:expected with the list in mind, and never train on it blindly. Of a folder in parts, one is read at a
    time, so that memory is bounded by the part and not by the county; the run is the same to the last bit (with an
    estimator of your own: to about 1e-12).

    References
    ----------
    Yurdakul B, Naranjo J. Statistical properties of the population stability index. J Risk Model Valid 2020;14:89-100.
    Liley J et al. Model updating after interventions paradoxically introduces bias. AISTATS 2021.

    Examples
    --------
    >>> from servicenee import Demographics, NeedClassifier, NeedModel, Outcome, Population, make_registers, monitor
    >>> registers = make_registers(2_000, random_state=0)
    >>> model = NeedModel(Population(75), Demographics(), NeedClassifier(random_state=0), Outcome("emergency_visit"))
    >>> monitor(model.fit(registers, ["2020-06-01", "2021-06-01"]), registers, known=[]).status
    'well'
    """
    capacity = check_capacity(DEFAULT_CAPACITY if capacity is None else capacity)
    fitted = model if isinstance(model, NeedModel) else load_model(model)
    parts = in_parts(registers)
    first = next(parts)  # what belongs to the whole is in every part
    day = _one_day(first.extract_date if index_date is None else index_date, first)
    if not force:
        fitted.check_valid(str(day))
    dates = _known_dates(fitted, first, day, known)
    seen = together(look(fitted, part, str(day), dates) for part in chain([first], parts))
    scores = seen.scores if fitted.is_segmenter else seen.scores[np.isfinite(seen.scores).all(axis=1)]
    tables = {**_feeds(fitted, seen), **_persons(fitted, seen.columns, scores, capacity)}
    tables["turnover"] = pd.DataFrame(columns=list(TURNOVER))
    if previous is not None and not fitted.is_segmenter and len(scores):
        tables["turnover"] = list_turnover(scores, previous, capacity, fitted.name)
    tables["observed"] = pd.DataFrame(columns=list(_OBSERVED))
    if dates and (known is not None or len(seen.known.labels)):
        judged = observed_metrics(*known_rows(fitted, seen.known, first), capacity)
        tables["observed"] = judged.assign(index_dates=", ".join(dates))[list(_OBSERVED)]
    found = find(tables, _rate_of_training(fitted))
    found = forced(found, fitted.valid_until, day) if force else found
    shown = protected({"findings": found, **tables}, n_persons=seen.columns.n_rows, n_scored=len(scores))
    return Monitoring(
        model=fitted.name,
        version=fitted.version,
        outcome={} if fitted.outcome is None else {name: fitted.outcome_label(name) for name in ("fi", "sv", "en")},
        window=(0, 0) if fitted.outcome is None else (fitted.outcome.horizon_days, fitted.outcome.gap_days),
        valid_until=fitted.valid_until,
        index_date=str(day),
        extract_date=f"{first.extract_date:%Y-%m-%d}",
        capacity=capacity,
        status=STOP if (found["action"] == STOP).any() else LOOK if len(found) else WELL,
        tables=shown,
    )


def _known_dates(model: NeedModel, registers: Registers, day: np.datetime64, given) -> list[str]:
    """Earlier index dates to judge the model on: those given, else the latest one whose outcomes are known."""
    if given is None:
        return known_dates(model, registers, pd.Timestamp(day))
    dates = [str(date) for date in given]
    if dates and model.is_segmenter:
        raise ValueError(f"`known` must be empty for segments, which have no outcome; got {', '.join(dates)}.")
    if dates:
        model.check_later(dates)
    return dates


def _feeds(model: NeedModel, seen: Seen) -> dict[str, pd.DataFrame]:
    """Tables of the sources that the model needs."""
    return {
        "volumes": feed_volumes(seen.feeds, model.reference_),
        "weeks": source_weeks(seen.feeds),
        "codes": new_codes(seen.codes, model.reference_),
    }


def _persons(
    model: NeedModel, columns: Counted, scores: pd.DataFrame, capacity: int | float
) -> dict[str, pd.DataFrame]:
    """Tables of the persons in the population, against those of training."""
    reference, n_then = model.reference_, model.reference_.n_rows
    drift = column_drift(reference.columns, columns, n_then=n_then)
    labels = model.feature_table.set_index("feature")[[f"label_{language}" for language in LANGUAGES]]
    tables = {"columns": drift.join(labels, on="feature")}
    if model.is_segmenter:
        counted = [("rows", float(len(scores)), np.nan, np.nan), ("rows_then", float(n_then), np.nan, np.nan)]
        tables["expected"] = pd.DataFrame(counted, columns=list(EXPECTED))
        return tables | ({"segments": drift_of_fits(model.estimator_, scores)} if len(scores) >= MIN_CELL else {})
    name = main_score(scores)
    counts = {"rows_then": n_then, "n_unscored": columns.n_rows - len(scores)}
    # None of a model that fits its own rows too well to be compared with them.
    main = [spread for spread in reference.scores if spread.name == name]
    return tables | {
        "expected": expected_table(scores[name].to_numpy(), capacity, are_risks=name != "expected", **counts),
        "scores": column_drift(main, count_columns(main, scores), n_then=n_then),
        "quantiles": score_quantiles(scores),
        "intervals": score_intervals(scores, main),
    }


def _rate_of_training(model: NeedModel) -> float | None:
    """Event rate that the mean risk can be compared with; None of a curve that ends before the outcome's horizon."""
    horizons = () if model.is_segmenter else model.estimator_.score_names
    whole = ("risk", "" if model.outcome is None else f"risk_{model.outcome.horizon_days}d")
    return model.training_.base_rate if horizons and horizons[-1] in whole else None


def _one_day(index_date, registers: Registers) -> np.datetime64:
    dates = check_dates("index_date", index_date)
    if len(dates) != 1:
        raise ValueError(f"`index_date` must be one date; got {len(dates)}. Monitor one run at a time.")
    if dates[0] > np.datetime64(registers.extract_date, "D"):
        raise ValueError(
            f"`index_date` must not lie after the extract date, {registers.extract_date:%Y-%m-%d}; got {dates[0]}."
        )
    return dates[0]


def _plain_items(table: pd.DataFrame, key: str, parts: tuple[str, ...]) -> dict:
    """One entry for each row and part with a number; the first part has the name of the row."""
    found = {}
    for row in table.to_dict("records"):
        for part in parts:
            name = row[key] if part == parts[0] else f"{row[key]}_{part}"
            if part == parts[0] or np.isfinite(row[part]):
                found[name] = plain_number(row[part])
    return found


def _observed_items(observed: pd.DataFrame) -> dict:
    if not len(observed):
        return {}
    dates = {"index_dates": observed["index_dates"].iloc[0]}
    return dates | _plain_items(observed[observed["metric"].isin(METRICS)], "metric", ("value", "lower", "upper"))


def _first(table: pd.DataFrame) -> dict:
    return table.iloc[0].to_dict() if len(table) else {}
