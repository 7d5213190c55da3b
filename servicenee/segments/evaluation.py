"""A fitted segmenter and a later cohort come in; one record of aggregates goes out: tables, figures, report, card."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort
from servicenee.disclosure import MIN_CELL, is_small
from servicenee.features import CareGaps, Charlson, Demographics, EventCounts, FeatureSet, StayCounts, StayDays
from servicenee.outcomes import Outcome
from servicenee.registers import Registers
from servicenee.registers.tables import TextColumn
from servicenee.segments.actions import action_sheet, care_gaps_by_segment
from servicenee.segments.areas import segments_by_area
from servicenee.segments.card import segment_card
from servicenee.segments.drift import segment_drift
from servicenee.segments.figures import plot_areas, plot_profile, plot_sizes, plot_stability, plot_transitions
from servicenee.segments.latent import LatentClassSegmenter
from servicenee.segments.names import NAME_COLUMNS, name_segments, scheme_names
from servicenee.segments.profile import segment_profile
from servicenee.segments.report import PARTS, segment_report, sizes_html
from servicenee.segments.rules import RuleSegmenter
from servicenee.segments.schemes import scheme_features
from servicenee.segments.separation import explained_deviance, outcome_by_segment
from servicenee.segments.transitions import segment_transitions
from servicenee.texts import LANGUAGES

# Segments are compared by an outcome of the next year that did not make them.
COMPARED_BY = "unplanned_admission"
_METRIC_COLUMNS = ["metric", "value", "lower", "upper", "n", "events", "note"]
_COVARIATES = ("age", "sex_female", "charlson")


@dataclass(frozen=True, repr=False)
class SegmentEvaluation:
    """How good a segmentation is on a later date; holds aggregates only, no person and no row.

    Parameters
    ----------
    tables : dict of DataFrame
        ``metrics``, ``data``, ``profile``, ``names``, ``drift``, ``actions`` and, where they can be made,
        ``stability``, ``selection``, ``separation``, ``explained``, ``transitions``, ``care_gaps``, ``areas``.
    index_date : str
        The later date.
    outcome : str
        Outcome of the next year by which segments were compared; "" if its window has not ended.
    labels : mapping of str to mapping of str to str
        Text per language of the columns that describe segments and of care gaps.

    Examples
    --------
    >>> from servicenee import NeedModel, Population, RuleSegmenter, make_registers
    >>> from servicenee.segments import scheme_features
    >>> registers = make_registers(1_000, random_state=0)
    >>> model = NeedModel(Population(75), scheme_features(1095), RuleSegmenter("needs_pyramid"), name="pyramid")
    >>> model.fit(registers, "2021-10-01").evaluate(registers, "2022-10-01")
    SegmentEvaluation(3 segments, 2022-10-01)
    """

    tables: dict[str, pd.DataFrame]
    index_date: str
    outcome: str
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def figures(self) -> dict:
        """Matplotlib figures by name, in English."""
        return self.draw("en")

    def draw(self, language: str) -> dict:
        """Give the figures with their words in one language.

        Parameters
        ----------
        language : {"fi", "sv", "en"}

        Returns
        -------
        dict of matplotlib.figure.Figure
            ``sizes``, ``profile`` and, where the tables are there, ``stability``, ``transitions``, ``areas``.
        """
        names = self.names(language)
        profile = self.tables["profile"]
        figures = {
            "sizes": plot_sizes(profile, names, language=language),
            "profile": plot_profile(profile, names, labels=self.labels, language=language),
        }
        for name, plot in (("stability", plot_stability), ("transitions", plot_transitions), ("areas", plot_areas)):
            if name in self.tables:
                figures[name] = plot(self.tables[name], names, language=language)
        return figures

    def names(self, language: str) -> dict[str, str]:
        """Name of every segment in one language."""
        table = self.tables["names"]
        return dict(zip(table["segment"], table[f"name_{language}"], strict=True))

    def to_html(self, path, *, title: str | None = None, language: str = "en") -> Path:
        """Write the report: one file that needs no network, for the screen and for paper.

        Parameters
        ----------
        path : str or Path
            File to write.
        title : str, default=None
            Heading; None: a general one.
        language : {"fi", "sv", "en"}, default="en"
            Language of the report.

        Returns
        -------
        Path
            The file.
        """
        shown = {name: table for name, table in self.tables.items() if name in PARTS}
        shown["actions"] = action_sheet(shown["names"], shown["profile"], language=language)
        return segment_report(shown, path, labels=self.labels, title=title, language=language)

    def model_card(self, *, title: str | None = None, words: Mapping[str, str] | None = None) -> str:
        """Give a model card in Markdown: figures filled in, prompts where a human has to write.

        Parameters
        ----------
        title : str, default=None
            Name and version of the model.
        words : dict of str to str, optional
            What a human has written, by the heading of its section; other prompts stay.

        Returns
        -------
        str
        """
        return segment_card(self, title=title, words=words)

    def __repr__(self) -> str:
        return f"SegmentEvaluation({len(self.tables['names'])} segments, {self.index_date})"

    def _repr_html_(self) -> str:
        return f"<p><b>{self!r}</b></p>{sizes_html(self.tables['profile'], self.names('en'), 'en')}"


def profile_features() -> FeatureSet:
    """Give what segments are described by besides their own columns: age, sex, comorbidity, use of services.

    Examples
    --------
    >>> from servicenee.segments.evaluation import profile_features
    >>> list(profile_features().named_builders)
    ['persons', 'charlson', 'contacts', 'stays', 'stay_days']
    """
    return FeatureSet(
        [
            ("persons", Demographics()),
            ("charlson", Charlson(lookback_days=1095)),
            ("contacts", EventCounts("contacts", by="source", lookback_days=365)),
            ("stays", StayCounts("inpatient_unplanned", lookback_days=365)),
            ("stay_days", StayDays("inpatient_unplanned", lookback_days=365)),
        ]
    )


def evaluate_segments(
    segmenter: LatentClassSegmenter | RuleSegmenter,
    cohort: Cohort,
    X: pd.DataFrame,
    *,
    before: pd.DataFrame | None = None,
    labels: pd.DataFrame | None = None,
    outcome: Outcome | None = None,
) -> SegmentEvaluation:
    """Judge a frozen segmenter on a later cohort.

    Parameters
    ----------
    segmenter : LatentClassSegmenter or RuleSegmenter
        Fitted.
    cohort : Cohort
        One later index date.
    X : DataFrame
        Features of the cohort: the columns of training.
    before : DataFrame, optional
        Probabilities of the segments on an earlier date, for the transitions.
    labels : DataFrame, optional
        What happened to the cohort in the next year, by `outcome`.
    outcome : Outcome, optional
        What `labels` hold.

    Returns
    -------
    SegmentEvaluation

    Examples
    --------
    >>> from servicenee import Outcome, Population, RuleSegmenter, make_registers
    >>> from servicenee.segments import evaluate_segments, scheme_features
    >>> cohort = Population(75).at(make_registers(500, random_state=0), "2022-10-01")
    >>> X = scheme_features(1095).fit_transform(cohort)
    >>> evaluate_segments(RuleSegmenter("needs_pyramid").fit(X), cohort, X).tables["names"].shape
    (3, 5)
    """
    assigned = segmenter.scores(X)
    described = profile_features().fit_transform(cohort)
    own = [name for name in X.columns if name not in described.columns]
    profile = segment_profile(assigned, pd.concat([X[own], described], axis=1))
    names = _names(segmenter, profile)
    tables = {
        "profile": profile,
        "names": names,
        "drift": segment_drift(segmenter, X),
        "actions": action_sheet(names, profile, language="en"),
        "care_gaps": _gaps(assigned, cohort),
    }
    if isinstance(segmenter, LatentClassSegmenter):
        tables |= {"selection": segmenter.selection_, "stability": segmenter.stability_}
    if before is not None:
        tables["transitions"] = segment_transitions(before, segmenter.segment_probabilities(X), cohort.registers)
    if labels is not None:
        tables["separation"] = outcome_by_segment(assigned, labels)
        tables["explained"] = explained_deviance(assigned, labels, _covariates(described))
    areas = _areas(cohort)
    if areas is not None:
        tables["areas"] = segments_by_area(assigned, areas)
    tables = {name: table for name, table in tables.items() if len(table)}
    dates = cohort.frame["index_date"]
    tables["data"] = _data(segmenter, assigned, cohort)
    tables["metrics"] = _metrics(segmenter, tables, assigned)
    name = "" if labels is None else outcome.definition.name
    return SegmentEvaluation(tables, f"{dates.max():%Y-%m-%d}", name, _labels(cohort.registers))


def _names(segmenter: LatentClassSegmenter | RuleSegmenter, profile: pd.DataFrame) -> pd.DataFrame:
    """Proposed names, or those of the scheme; a name that people gave takes their place."""
    if isinstance(segmenter, LatentClassSegmenter):
        names = name_segments(profile)
    elif isinstance(segmenter.scheme, str):
        names = scheme_names(segmenter.scheme)
    else:
        rows = [[segment, segment, *[segment.replace("_", " ")] * 3] for segment in segmenter.segments_]
        names = pd.DataFrame(rows, columns=NAME_COLUMNS)
    present = profile["segment"].unique()
    names = names[names["segment"].isin(present)].reset_index(drop=True)
    for language in LANGUAGES:
        given = {key: words[language] for key, words in segmenter.segment_names_.items() if language in words}
        column = f"name_{language}"
        names[column] = [given.get(key, name) for key, name in zip(names["segment"], names[column], strict=True)]
    return names


def _gaps(assigned: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    gaps = CareGaps().fit_transform(cohort)
    return care_gaps_by_segment(assigned, gaps[[name for name in gaps.columns if gaps[name].notna().any()]])


def _labels(registers: Registers) -> dict[str, dict[str, str]]:
    """Words of the columns that describe segments, by language."""
    builders = (scheme_features(), profile_features(), CareGaps())
    described = pd.concat([builder.describe(registers) for builder in builders])
    return {
        row["feature"]: {language: row[f"label_{language}"] for language in LANGUAGES}
        for row in described.to_dict("records")
    }


def _covariates(described: pd.DataFrame) -> pd.DataFrame:
    chosen = [name for name in described.columns if name.startswith(_COVARIATES)]
    known = described[chosen]
    return known.fillna(known.median()).fillna(0.0)


def _areas(cohort: Cohort) -> pd.Series | None:
    column = cohort.registers.person_columns.extra.get("area")
    if not isinstance(column, TextColumn):
        return None
    levels = np.array([*column.levels, None], dtype=object)
    return pd.Series(levels[column.codes[cohort.person]], index=cohort.index)


def _data(segmenter, assigned: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    items = {
        "rows": len(assigned),
        "persons": len(np.unique(cohort.person)),
        "index_dates": len(np.unique(cohort.index_day)),
        "segments": len(segmenter.segments_),
    }
    return pd.DataFrame({"item": list(items), "value": list(items.values())})


def _metrics(segmenter, tables: dict[str, pd.DataFrame], assigned: pd.DataFrame) -> pd.DataFrame:
    n_uncertain = int(assigned["uncertain"].sum())
    share = np.nan if is_small(n_uncertain, min_cell=MIN_CELL) else n_uncertain / len(assigned)
    drift = tables["drift"]
    moved = (drift["value"] - drift["reference"]).abs()[drift["measure"] == "share"]
    values = {
        "n_segments": len(segmenter.segments_),
        "smallest_share": float(np.min(segmenter.segment_shares_)),
        "uncertain_share": share,
        "largest_share_shift": float(moved.max()),
    }
    if isinstance(segmenter, LatentClassSegmenter):
        chosen = segmenter.selection_[segmenter.selection_["chosen"]].iloc[0]
        fit = drift[drift["measure"] == "loglik"].iloc[0]
        values |= {"bic": segmenter.bic_, "entropy_r2": chosen["entropy_r2"], "mean_loglik": fit["value"]}
    if "stability" in tables:
        values["smallest_jaccard"] = float(tables["stability"]["jaccard"].min())
    if "explained" in tables:
        values["explained_deviance_added"] = float(tables["explained"]["added"].max())
    rows = [[name, float(value), np.nan, np.nan, len(assigned), 0, ""] for name, value in values.items()]
    return pd.DataFrame(rows, columns=_METRIC_COLUMNS)
