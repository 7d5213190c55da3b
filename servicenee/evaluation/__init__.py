"""How good the risks are: labels and risks in; weights, metrics, tables, figures and one report out."""

from servicenee.evaluation.censoring import KnownOutcomes, effective_sample_size, is_labels, known_outcomes
from servicenee.evaluation.grouping import person_groups

__all__ = ["KnownOutcomes", "effective_sample_size", "is_labels", "known_outcomes", "person_groups"]
