"""Segments of chronic-disease patients: rules and latent classes; profile, stability, transitions, action."""

from servicenee.segments.actions import action_sheet, care_gaps_by_segment, load_offers, risk_by_segment
from servicenee.segments.areas import segments_by_area
from servicenee.segments.drift import segment_drift
from servicenee.segments.evaluation import COMPARED_BY, SegmentEvaluation, evaluate_segments, profile_features
from servicenee.segments.figures import plot_areas, plot_profile, plot_sizes, plot_stability, plot_transitions
from servicenee.segments.latent import LatentClassSegmenter
from servicenee.segments.names import name_segments, names_for_rename, scheme_names
from servicenee.segments.profile import segment_profile, wide_profile
from servicenee.segments.report import segment_report
from servicenee.segments.rules import RuleSegmenter
from servicenee.segments.schemes import load_scheme, scheme_features, scheme_segments, shipped_schemes
from servicenee.segments.separation import explained_deviance, outcome_by_segment
from servicenee.segments.stability import segment_stability
from servicenee.segments.transitions import held_segments, segment_transitions

__all__ = [
    "COMPARED_BY",
    "LatentClassSegmenter",
    "RuleSegmenter",
    "SegmentEvaluation",
    "action_sheet",
    "care_gaps_by_segment",
    "evaluate_segments",
    "explained_deviance",
    "held_segments",
    "load_offers",
    "load_scheme",
    "name_segments",
    "names_for_rename",
    "outcome_by_segment",
    "plot_areas",
    "plot_profile",
    "plot_sizes",
    "plot_stability",
    "plot_transitions",
    "profile_features",
    "risk_by_segment",
    "scheme_features",
    "scheme_names",
    "scheme_segments",
    "segment_drift",
    "segment_profile",
    "segment_report",
    "segment_stability",
    "segment_transitions",
    "segments_by_area",
    "shipped_schemes",
    "wide_profile",
]
