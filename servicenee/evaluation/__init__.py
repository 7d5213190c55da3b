"""How good the risks are: labels and risks in; weights, metrics, tables, figures and one report out."""

from servicenee.evaluation.censoring import KnownOutcomes as KnownOutcomes
from servicenee.evaluation.censoring import effective_sample_size as effective_sample_size
from servicenee.evaluation.censoring import is_labels as is_labels
from servicenee.evaluation.censoring import known_outcomes as known_outcomes
from servicenee.evaluation.grouping import person_groups as person_groups
