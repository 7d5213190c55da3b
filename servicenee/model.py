"""`NeedModel`: population, features, estimator and outcome as one object that scores tomorrow and holds no person."""

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from html import escape

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from servicenee._checks import check_count, check_dates, name_some
from servicenee.cohort import Cohort, Population
from servicenee.disclosure import is_small
from servicenee.evaluation import DemandEvaluation, Evaluation, known_outcomes, with_strata
from servicenee.evaluation.refits import Rows
from servicenee.exceptions import LeakageError, ModelError, ServiceneeWarning
from servicenee.features import Builder
from servicenee.index_dates import latest_index_date
from servicenee.need import NeedClassifier
from servicenee.outcomes import CENSORED, EVENT, NO_EVENT, Outcome
from servicenee.refitting import evaluate_model, evaluate_segmenter, recalibrated_classifier
from servicenee.registers import Registers
from servicenee.segments import LatentClassSegmenter, RuleSegmenter, SegmentEvaluation

RISK_DECIMALS = 12


@dataclass(frozen=True)
class Training:
    """What a model remembers of its training: dates and counts, no person.

    Attributes
    ----------
    index_dates : tuple of str
        ISO dates.
    extract_date : str
        Date of the registers.
    n_rows, n_persons : int
        Rows (person and index date) and persons.
    n_events : int or None
        Rows with the event; None if they are 1 to 4, and of segments.
    base_rate : float or None
        Event rate, weighted for censoring; None if there are 1 to 4 events, and of segments.
    digest : str
        Fingerprint of features and labels without ids: the same data gives the same one.
    """

    index_dates: tuple[str, ...]
    extract_date: str
    n_rows: int
    n_persons: int
    n_events: int | None
    base_rate: float | None
    digest: str


class NeedModel:
    """Everything needed to score tomorrow: who, what was known, what is predicted, and the fitted estimator.

    Parameters
    ----------
    population : Population
        Who is scored.
    features : FeatureSet or builder
        What was known on the index date.
    estimator : NeedClassifier, DemandRegressor, RiskCurve, LatentClassSegmenter or RuleSegmenter
        Learns the risk, the amount, the risk by several horizons or the segments; it is cloned. Any scikit-learn
        estimator fits inside the first three, as in ``NeedClassifier(LogisticRegression())``.
    outcome : Outcome, optional
        What is predicted; None for segmenters.
    name : str, default="need"
        Name in scores, lists and the registry.
    version : str, optional
        Version in scores and lists; by default the extract date of the registers it was trained on.

    Attributes
    ----------
    training_ : Training
        Dates, counts and fingerprint of the training data.
    feature_table : DataFrame
        One row per column of X, with labels in three languages.
    estimator_ : estimator
        Fitted.

    Notes
    -----
    The same `Population.at` and features serve training and scoring: there is no second feature path. The risk is that
    of the event in the window after the index date, death competing; need is more than what registers hold of use.

    Examples
    --------
    >>> from servicenee import NeedClassifier, NeedModel, Outcome, Population, default_features, make_registers
    >>> registers = make_registers(1_000, random_state=0)
    >>> outcome = Outcome("unplanned_admission")
    >>> model = NeedModel(Population(75), default_features(), NeedClassifier(random_state=0), outcome, name="admission")
    >>> model = model.fit(registers, "2021-06-01")
    >>> model.predict(registers).columns.tolist()
    ['risk', 'rank', 'model', 'version']
    """

    def __init__(
        self,
        population: Population,
        features: Builder,
        estimator,
        outcome: Outcome | None = None,
        *,
        name: str = "need",
        version: str | None = None,
    ):
        self.population = population
        self.features = features
        self.estimator = estimator
        self.outcome = outcome
        self.name = name
        self._version = version

    def fit(self, registers: Registers, index_dates) -> "NeedModel":
        """Learn from the persons of the population on these dates and from what happened to them afterwards.

        Parameters
        ----------
        registers : Registers
        index_dates : date, ISO text or list of them
            Their outcome windows must have been observed by the extract date.

        Returns
        -------
        NeedModel
            Itself.
        """
        self._check()
        cohort = self.population.at(registers, index_dates)
        labels = None if self.is_segmenter else self._label(cohort)
        X = self.features.fit_transform(cohort)
        persons = cohort.person
        if labels is None:
            estimator = clone(self.estimator).fit(X)
        else:
            estimator = clone(self.estimator).fit(X, labels, groups=persons)
        facts = _training(X, labels, persons, registers.extract_date)
        return self.with_fit(estimator, facts, self.features.describe(registers))

    def evaluate(
        self,
        registers: Registers,
        index_dates,
        *,
        by: str | Iterable[str] | None = None,
        capacity: int | float | None = None,
        refits: str | Iterable[str] = (),
    ) -> Evaluation | DemandEvaluation | SegmentEvaluation:
        """Judge risks or amounts on later dates, whose outcomes training has not seen; or segments on a later one.

        Parameters
        ----------
        registers : Registers
        index_dates : date, ISO text or list of them
            At or after the end of the last outcome window of training.
        by : str or list of str, optional
            Groups to look at one by one: columns of the persons table such as "sex", "area" or "language", "age_band",
            and two together as "sex:age_band". With groups, markers of need are compared at equal risk.
        capacity : int or float, optional
            Persons the service can act on at each index date, a count or a fraction; by default 5 %.
        refits : str or list of str, default=()
            Models to fit on the training dates of these registers for comparison: "baselines" (age and sex; last
            year's use), "without_past_use", "learning_curve", "areas" (each area judged by a model that has not seen
            it). The last two fit the model several times. Amounts and segments have none.

        Returns
        -------
        Evaluation, DemandEvaluation or SegmentEvaluation
            Of risks, of expected amounts, or of segments: profile, names, drift and transitions since training, and
            how unplanned admissions of the next year differ, if that year has been observed; `by` and `capacity` do
            not apply.

        Raises
        ------
        LeakageError
            If an index date lies before the end of the outcome windows of training.
        """
        self._check_fitted()
        if self.is_segmenter:
            return evaluate_segmenter(self, registers, index_dates, refits=refits)
        self._check_later(index_dates)
        later = self._rows(registers, index_dates)
        training = partial(self._rows, registers, self.training_.index_dates)
        return evaluate_model(self, later, training, by=by, capacity=capacity, refits=refits)

    def recalibrate(self, registers: Registers, index_dates, *, method: str = "auto") -> "NeedModel":
        """Give the model changed no more than it takes to be right in a new place, such as another county.

        Parameters
        ----------
        registers : Registers
            Of the new place.
        index_dates : date, ISO text or list of them
            Their outcome windows must have been observed.
        method : {"auto", "none", "intercept", "logistic", "refit"}, default="auto"
            "auto": the smallest change that a closed test does not reject (see `evaluation.recalibrate`). "refit": the
            model learns anew from these registers.

        Returns
        -------
        NeedModel
            A new one; its version names the method. Judge it on later index dates.
        """
        self._check_fitted()
        if not isinstance(self.estimator_, NeedClassifier):
            name = type(self.estimator_).__name__
            raise TypeError(f"`estimator` must be a NeedClassifier to be recalibrated; got {name}.")
        cohort, rows = self._rows(registers, index_dates)
        found, classifier = recalibrated_classifier(self, rows, method)
        version = f"{self.version}, {found} {np.datetime64(int(cohort.index_day.max()), 'D')}"
        parts = (self.population, self.features, self.estimator, self.outcome)
        changed = NeedModel(*parts, name=self.name, version=version)
        if found == "refit":
            return changed.fit(registers, index_dates)
        return changed.with_fit(classifier, self.training_, self._feature_table)

    def predict(self, registers: Registers, index_date=None) -> pd.DataFrame:
        """Scores of everybody in the population on the index date.

        Parameters
        ----------
        registers : Registers
        index_date : date, ISO text or list of them, optional
            By default the extract date: today's list.

        Returns
        -------
        DataFrame, index (person_id, index_date)
            What the estimator gives, see below; model; version. Persons outside the population, and those whom the
            estimator cannot score, are not in the table.

        Notes
        -----
        NeedClassifier: risk; rank (1 = highest within the index date; on the risk rounded to 12 decimals, ties in
        order of person). DemandRegressor: expected, lower, upper. RiskCurve: risk_90d, risk_180d, ...
        Segmenters: segment, segment_probability, uncertain.
        ``attrs["estimand"]`` of the table says in words what the numbers are.
        """
        self._check_fitted()
        cohort = self.population.at(registers, registers.extract_date if index_date is None else index_date)
        if self.is_segmenter:
            return self._segments(cohort)
        columns = self._columns(cohort)
        known = np.isfinite(np.column_stack(list(columns.values()))).all(axis=1)
        if not known.all():
            _warn(f"{int((~known).sum())} of {len(known)} rows have no score from the estimator; they are left out.")
            cohort, columns = cohort[known], {name: values[known] for name, values in columns.items()}
        if "risk" in columns:
            columns["rank"] = _ranks(columns["risk"], cohort.index_day)
        for name in ("model", "version"):
            text = self.name if name == "model" else self.version
            columns[name] = pd.Series(text, index=range(len(cohort)), dtype=object).to_numpy()
        scores = pd.DataFrame(columns, index=cohort.index)
        scores.attrs["estimand"] = self.estimator_.estimand
        return scores

    def reasons(self, registers: Registers, index: pd.MultiIndex, n_reasons: int = 3) -> pd.DataFrame:
        """What raises the risk of these rows most, language-neutral.

        Parameters
        ----------
        registers : Registers
        index : MultiIndex (person_id, index_date)
            Rows to explain, such as ``scores.index[:20]``.
        n_reasons : int, default=3
            At most this many per row.

        Returns
        -------
        DataFrame, index repeated from `index`
            order, feature, value, reference (the reference person's value), contribution (on the logit).
        """
        self._check_fitted()
        check_count("n_reasons", n_reasons)
        cohort = Cohort.from_frame(registers, index.to_frame(index=False))
        return self.estimator_.explain(self.transform(cohort), n_reasons=n_reasons)

    def transform(self, cohort: Cohort) -> pd.DataFrame:
        """X of a cohort: the columns of training, in their order.

        Raises
        ------
        ModelError
            If the registers lack a source, or the features a column, that the model was trained with.
        """
        self._check_fitted()
        table = self._feature_table
        _check_sources(table, cohort.registers)
        X = self.features.transform(cohort)
        missing = [name for name in table["feature"] if name not in X.columns]
        if missing:
            raise ModelError(
                f"the features of these registers lack {len(missing)} of the {len(table)} columns the model was "
                f"trained with: {name_some(missing)}. Deliver the codes they are made of, or train the model again."
            )
        new = X.shape[1] - len(table)
        if new:
            _warn(f"{new} columns of the features were not there in training; the model ignores them.")
        return X if not new and list(X.columns) == list(table["feature"]) else X[list(table["feature"])]

    @property
    def feature_table(self) -> pd.DataFrame:
        """One row per column of X: measure, source, codes, window, topic, labels."""
        self._check_fitted()
        return self._feature_table

    @property
    def version(self) -> str:
        """The version given, else the extract date of the training data."""
        if self._version is not None:
            return str(self._version)
        self._check_fitted()
        return self.training_.extract_date

    def outcome_label(self, language: str) -> str:
        """Noun phrase for the outcome, such as "start of regular home care".

        Parameters
        ----------
        language : {"fi", "sv", "en"}
        """
        definition = self.outcome.definition
        return definition.labels.get(language) or definition.name

    def with_fit(self, estimator, training: Training, feature_table: pd.DataFrame) -> "NeedModel":
        """The model itself with what was learned elsewhere: how a saved one comes back."""
        self.estimator_, self.training_, self._feature_table = estimator, training, feature_table
        return self

    @property
    def is_segmenter(self) -> bool:
        """Whether the model gives segments rather than risks."""
        return isinstance(self.estimator, LatentClassSegmenter | RuleSegmenter)

    @property
    def is_fitted(self) -> bool:
        """Whether the model can score."""
        return hasattr(self, "estimator_")

    def _check(self) -> None:
        for name, value, expected in (
            ("population", self.population, Population),
            ("features", self.features, Builder),
            ("outcome", self.outcome, type(None) if self.is_segmenter else Outcome),
        ):
            if not isinstance(value, expected):
                raise TypeError(f"`{name}` must be of class {expected.__name__}; got {type(value).__name__}.")
        if not (self.is_segmenter or hasattr(self.estimator, "scores")):
            raise TypeError(
                "`estimator` must be a NeedClassifier, DemandRegressor, RiskCurve or segmenter; got "
                f"{type(self.estimator).__name__}. Put a scikit-learn classifier inside one: NeedClassifier(estimator)."
            )

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise NotFittedError(f"model {self.name!r} has not learned anything yet. Call fit(registers, index_dates).")

    def _check_later(self, index_dates) -> None:
        dates = check_dates("index_dates", index_dates)
        window = np.timedelta64(self.outcome.gap_days + self.outcome.horizon_days, "D")
        end = np.datetime64(max(self.training_.index_dates)) + window
        if dates[0] < end:
            raise LeakageError(
                f"`index_dates` must not lie before {end}, when the last outcome window of training ends; got "
                f"{dates[0]}. Evaluate on later dates, or train on earlier ones."
            )

    def _rows(self, registers: Registers, index_dates) -> tuple[Cohort, Rows]:
        cohort = self.population.at(registers, index_dates)
        labels = self._label(cohort)
        return cohort, Rows(self.transform(cohort), labels, cohort.person)

    def _label(self, cohort: Cohort) -> pd.DataFrame:
        if not len(cohort):
            last = cohort.attrition["step"].iloc[-1] if len(cohort.attrition) else "selection"
            raise ValueError(
                f"`index_dates` must have persons in the population; nobody is left (last step: {last}). See "
                "population.at(registers, index_dates).attrition."
            )
        labels = self.outcome.label(cohort)
        status = labels["status"].to_numpy()
        for day in np.unique(cohort.index_day):
            of_day = status[cohort.index_day == day]
            # Follow-up that ends for everybody at once is the end of the data, not people who leave.
            if not (of_day == NO_EVENT).any() and (of_day == CENSORED).mean() > 0.5:
                last = latest_index_date(self.outcome, cohort.registers)
                raise ValueError(
                    f"`index_dates` must have outcome windows that the registers cover; the window of "
                    f"{np.datetime64(int(day), 'D')} has not ended. Use dates up to {last}."
                )
        return with_strata(labels, cohort)

    def _segments(self, cohort: Cohort) -> pd.DataFrame:
        if not len(cohort):
            empty = {"segment": object, "segment_probability": np.float64, "uncertain": bool}
            segments = pd.DataFrame({name: np.empty(0, dtype) for name, dtype in empty.items()}, index=cohort.index)
        else:
            segments = self.estimator_.scores(self.transform(cohort))
        names = {"model": self.name, "version": self.version}
        segments = segments.assign(**{key: np.full(len(cohort), name, dtype=object) for key, name in names.items()})
        segments.attrs["estimand"] = self.estimator_.estimand
        return segments

    def _columns(self, cohort: Cohort) -> dict[str, np.ndarray]:
        """What the estimator says of every row, by column of the scores."""
        if not len(cohort):
            return {name: np.empty(0) for name in self.estimator_.score_names}
        table = self.estimator_.scores(self.transform(cohort))
        return {name: table[name].to_numpy(dtype=np.float64) for name in table}

    def __repr__(self) -> str:
        if not self.is_fitted:
            return f"NeedModel({self.name!r}, not fitted)"
        facts = self.training_
        return (
            f"NeedModel({self.name!r}, version {self.version}, {len(self._feature_table)} features, "
            f"{facts.n_rows:,} rows of {len(facts.index_dates)} index dates)"
        )

    def _repr_html_(self) -> str:
        rows = {"population": self.population, "outcome": self.outcome, "estimator": self.estimator}
        if self.is_fitted:
            facts = self.training_
            events = "fewer than 5" if facts.n_events is None else f"{facts.n_events:,}"
            rows |= {
                "engine": getattr(self.estimator_, "engine_", type(self.estimator_).__name__),
                "trained on": f"{', '.join(facts.index_dates)} (extract {facts.extract_date})",
                "rows, persons, events": f"{facts.n_rows:,}, {facts.n_persons:,}, {events}",
            }
        cells = "".join(f"<tr><th>{name}</th><td>{escape(str(value))}</td></tr>" for name, value in rows.items())
        return f"<p><b>{escape(repr(self))}</b></p><table>{cells}</table>"


def _training(
    X: pd.DataFrame, labels: pd.DataFrame | None, persons: np.ndarray, extract_date: pd.Timestamp
) -> Training:
    n_events, rate = (None, None) if labels is None else _events(labels)
    dates = np.unique(X.index.get_level_values("index_date").to_numpy().astype("datetime64[D]"))
    digest = hashlib.sha256("\n".join(X.columns).encode())
    for table in (X,) if labels is None else (X, labels):
        for name in table.columns:
            digest.update(table[name].to_numpy(dtype=np.float64).tobytes())
    return Training(
        index_dates=tuple(str(date) for date in dates),
        extract_date=f"{extract_date:%Y-%m-%d}",
        n_rows=len(X),
        n_persons=len(np.unique(persons)),
        n_events=n_events,
        base_rate=rate,
        digest=digest.hexdigest()[:16],
    )


def _events(labels: pd.DataFrame) -> tuple[int | None, float | None]:
    """Number of events and their rate, weighted for censoring; None for 1 to 4 events."""
    known = known_outcomes(labels)
    n_events = int((labels["status"] == EVENT).sum())
    if is_small(n_events):
        return None, None
    return n_events, float(np.average(known.y, weights=known.weights)) if len(known.y) else float("nan")


def _ranks(risk: np.ndarray, index_day: np.ndarray) -> np.ndarray:
    """1 for the highest risk of each index date; equal to 12 decimals means equal, then the earlier row comes first."""
    order = np.lexsort((-np.round(risk, RISK_DECIMALS), index_day))
    _, starts, lengths = np.unique(index_day[order], return_index=True, return_counts=True)
    ranks = np.empty(len(risk), dtype=np.int64)
    ranks[order] = np.arange(len(risk)) - np.repeat(starts, lengths) + 1
    return ranks


def _check_sources(table: pd.DataFrame, registers: Registers) -> None:
    """A source that training had and these registers lack would silently turn its columns into something else."""
    known = set(registers.coverage_columns.source)
    lacking: dict[str, list[str]] = {}
    for name, sources in zip(table["feature"], table["source"], strict=True):
        for source in sources.split():
            if source not in known:
                lacking.setdefault(source, []).append(name)
    if lacking:
        parts = [f"{source} (columns {name_some(names)})" for source, names in lacking.items()]
        raise ModelError(
            f"the registers lack {len(lacking)} sources the model was trained with: {'; '.join(parts)}. Deliver them, "
            "or train a model without them."
        )


def _warn(message: str) -> None:
    warnings.warn(message, ServiceneeWarning, stacklevel=3)
