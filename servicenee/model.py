"""`NeedModel`: population, features, estimator and outcome as one object that scores tomorrow and holds no person."""

import copy
import warnings
from collections.abc import Iterable
from functools import partial
from html import escape

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from servicenee._checks import check_count, check_dates, name_some
from servicenee.cohort import Cohort, Population
from servicenee.evaluation import DemandEvaluation, Evaluation, with_strata
from servicenee.evaluation.refits import Rows
from servicenee.exceptions import LeakageError, ModelError, ServiceneeWarning
from servicenee.features import Builder
from servicenee.index_dates import refuse_unobserved
from servicenee.need import NeedClassifier
from servicenee.need.ranks import rank_risks
from servicenee.outcomes import Outcome
from servicenee.reference import (
    Reference,
    Training,
    check_sources,
    comparable_scores,
    moved_reference,
    needed_sources,
    recalibrated_facts,
    take_reference,
    training_facts,
)
from servicenee.refitting import evaluate_model, evaluate_segmenter, recalibrated_classifier
from servicenee.registers import Registers
from servicenee.segments import LatentClassSegmenter, RuleSegmenter, SegmentEvaluation

# Codes, services and the rules of who gets them change from year to year; the last outcome of training is over a year
# old by then already.
VALID_YEARS = 2
_SEGMENTS = {"segment": object, "segment_probability": np.float64, "uncertain": bool}


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
    valid_until : date or ISO text, optional
        Last index date that it may score; by default two years after that extract date.

    Attributes
    ----------
    training_ : Training
        Dates, counts and fingerprint of the training data.
    reference_ : Reference
        Aggregates of the training data, which `monitor` compares later data with.
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
        valid_until=None,
    ):
        self.population = population
        self.features = features
        self.estimator = estimator
        self.outcome = outcome
        self.name = name
        self._version = version
        self._valid_until = None if valid_until is None else _one_date("valid_until", valid_until)

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
        facts = training_facts(X, labels, persons, registers.extract_date)
        table = self.features.describe(registers)
        scores = comparable_scores(estimator.scores(X), labels)
        reference = take_reference(X, scores, registers, needed_sources(table, self.outcome, registers))
        return self.with_fit(estimator, facts, table, reference)

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
            If an index date lies before the end of the outcome windows of training, or of recalibration.
        """
        self._check_fitted()
        if self.is_segmenter:
            return evaluate_segmenter(self, registers, index_dates, refits=refits)
        self.check_later(index_dates)
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
            A new one; its version names the method. It is valid until two years after the extract date of these
            registers. `monitor` compares later data with these rows, and judges it on later index dates.
        """
        self._check_fitted()
        if not isinstance(self.estimator_, NeedClassifier):
            name = type(self.estimator_).__name__
            raise TypeError(f"`estimator` must be a NeedClassifier to be recalibrated; got {name}.")
        cohort, rows = self._rows(registers, index_dates)
        found, classifier = recalibrated_classifier(self, rows, method)
        version = f"{self.version}, {found} {np.datetime64(int(cohort.index_day.max()), 'D')}"
        parts = (self.population, self.features, self.estimator, self.outcome)
        changed = NeedModel(*parts, name=self.name, version=version, valid_until=_years_after(registers.extract_date))
        if found == "refit":
            return changed.fit(registers, index_dates)
        sources = needed_sources(self._feature_table, self.outcome, registers)
        here = take_reference(rows.X, classifier.scores(rows.X), registers, sources)
        facts, reference = recalibrated_facts(self.training_, rows.labels), moved_reference(self.reference_, here)
        return changed.with_fit(classifier, facts, self._feature_table, reference)

    def renewed(self, valid_until) -> "NeedModel":
        """The same model, allowed to score until another date: for whoever has looked at it with `monitor`."""
        self._check_fitted()
        other = copy.copy(self)
        other._valid_until = _one_date("valid_until", valid_until)
        return other

    def check_valid(self, index_date) -> None:
        """Refuse index dates after the model's validity date."""
        self._check_fitted()
        last = check_dates("index_date", index_date)[-1]
        if last > np.datetime64(self.valid_until):
            raise ModelError(
                f"model {self.name!r}, version {self.version}, is valid until {self.valid_until}; the index date is "
                f"{last}. Train it again, or look at it with monitor(..., force=True) and then renew it: "
                "model.renewed(date)."
            )

    def check_later(self, index_dates) -> None:
        """Refuse index dates before the end of the last outcome window of training, or of recalibration."""
        self._check_fitted()
        dates = check_dates("index_dates", index_dates)
        window = np.timedelta64(self.outcome.gap_days + self.outcome.horizon_days, "D")
        end = np.datetime64(self.training_.last_date) + window
        if dates[0] < end:
            last = "recalibration" if self.training_.recalibrated_on else "training"
            raise LeakageError(
                f"`index_dates` must not lie before {end}, when the last outcome window of {last} ends; got "
                f"{dates[0]}. Evaluate on later dates, or train on earlier ones."
            )

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

        Raises
        ------
        ModelError
            If the model's validity date is over, or the registers lack what it was trained with.

        Notes
        -----
        NeedClassifier: risk; rank (1 = highest within the index date; on the risk rounded to 12 decimals, ties in
        order of person). DemandRegressor: expected, lower, upper. RiskCurve: risk_90d, risk_180d, ...
        Segmenters: segment, segment_probability, uncertain.
        ``attrs["estimand"]`` of the table says in words what the numbers are.
        """
        index_date = registers.extract_date if index_date is None else index_date
        self.check_valid(index_date)
        cohort = self.population.at(registers, index_date)
        scores = self.score(cohort)
        known = scores.notna().all(axis=1).to_numpy()
        if not known.all():
            _warn(f"{int((~known).sum())} of {len(known)} rows have no score from the estimator; they are left out.")
            scores, cohort = scores[known], cohort[known]
        if "risk" in scores:
            scores["rank"] = rank_risks(scores["risk"].to_numpy(), cohort.index_day)
        for name, text in (("model", self.name), ("version", self.version)):
            scores[name] = np.full(len(scores), text, dtype=object)
        scores.attrs["estimand"] = self.estimator_.estimand
        return scores

    def score(self, cohort: Cohort) -> pd.DataFrame:
        """What the estimator says of every row of a cohort, missing where it says nothing: no ranks, nobody left out.

        Parameters
        ----------
        cohort : Cohort

        Returns
        -------
        DataFrame, index (person_id, index_date)
            Those columns of `predict` that come from the estimator.
        """
        self._check_fitted()
        if not len(cohort):
            kinds = _SEGMENTS if self.is_segmenter else dict.fromkeys(self.estimator_.score_names, np.float64)
            return pd.DataFrame({name: np.empty(0, kind) for name, kind in kinds.items()}, index=cohort.index)
        table = self.estimator_.scores(self.transform(cohort))
        if self.is_segmenter:
            return table.astype({"segment": object})
        table = table.astype(np.float64)
        return table.where(np.isfinite(table))

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
        check_sources(table, cohort.registers)
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

    @property
    def valid_until(self) -> str:
        """Last index date that it may score: the one given, else two years after the extract date of training."""
        if self._valid_until is not None:
            return self._valid_until
        self._check_fitted()
        return _years_after(pd.Timestamp(self.training_.extract_date))

    def outcome_label(self, language: str) -> str:
        """Noun phrase for the outcome, such as "start of regular home care".

        Parameters
        ----------
        language : {"fi", "sv", "en"}
        """
        definition = self.outcome.definition
        return definition.labels.get(language) or definition.name

    def with_fit(self, estimator, training: Training, feature_table: pd.DataFrame, reference: Reference) -> "NeedModel":
        """The model itself with what was learned elsewhere: how a saved one comes back."""
        self.estimator_, self.training_, self._feature_table = estimator, training, feature_table
        self.reference_ = reference
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
        refuse_unobserved(labels, self.outcome, cohort.registers)
        return with_strata(labels, cohort)

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
                "valid until": self.valid_until,
                "rows, persons, events": f"{facts.n_rows:,}, {facts.n_persons:,}, {events}",
            }
        cells = "".join(f"<tr><th>{name}</th><td>{escape(str(value))}</td></tr>" for name, value in rows.items())
        return f"<p><b>{escape(repr(self))}</b></p><table>{cells}</table>"


def _one_date(name: str, date) -> str:
    dates = check_dates(name, date)
    if len(dates) != 1:
        raise ValueError(f"`{name}` must be one date; got {len(dates)}.")
    return str(dates[0])


def _years_after(date: pd.Timestamp) -> str:
    return f"{date + pd.DateOffset(years=VALID_YEARS):%Y-%m-%d}"


def _warn(message: str) -> None:
    warnings.warn(message, ServiceneeWarning, stacklevel=3)
