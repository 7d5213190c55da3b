"""How good the risks are: labels and risks in; weights, measures, tables, figures and one report out."""

from servicenee.evaluation.calibration import calibration_curve, calibration_table
from servicenee.evaluation.capacity import capacity_table, ppv_at_capacity, sensitivity_at_capacity
from servicenee.evaluation.censoring import KnownOutcomes, effective_sample_size, is_labels, known_outcomes
from servicenee.evaluation.grouping import person_groups
from servicenee.evaluation.measures import metric_table
from servicenee.evaluation.metrics import (
    auc,
    average_precision,
    brier,
    calibration_intercept,
    calibration_slope,
    ici,
    log_loss,
    observed_expected,
    scaled_brier,
)

__all__ = [
    "KnownOutcomes",
    "auc",
    "average_precision",
    "brier",
    "calibration_curve",
    "calibration_intercept",
    "calibration_slope",
    "calibration_table",
    "capacity_table",
    "effective_sample_size",
    "ici",
    "is_labels",
    "known_outcomes",
    "log_loss",
    "metric_table",
    "observed_expected",
    "person_groups",
    "ppv_at_capacity",
    "scaled_brier",
    "sensitivity_at_capacity",
]
