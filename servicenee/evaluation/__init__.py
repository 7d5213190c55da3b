"""How good the risks are: labels and risks in; weights, measures, tables, figures and one report out."""

from servicenee.evaluation.calibration import calibration_curve, calibration_table
from servicenee.evaluation.capacity import capacity_table, ppv_at_capacity, sensitivity_at_capacity
from servicenee.evaluation.censoring import KnownOutcomes, effective_sample_size, is_labels, known_outcomes
from servicenee.evaluation.evaluation import Evaluation, evaluate
from servicenee.evaluation.figures import plot_calibration, plot_capacity
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
from servicenee.evaluation.scorers import (
    auc_scorer,
    average_precision_scorer,
    brier_scorer,
    log_loss_scorer,
    ppv_scorer,
    scorer,
)

__all__ = [
    "Evaluation",
    "KnownOutcomes",
    "auc",
    "auc_scorer",
    "average_precision",
    "average_precision_scorer",
    "brier",
    "brier_scorer",
    "calibration_curve",
    "calibration_intercept",
    "calibration_slope",
    "calibration_table",
    "capacity_table",
    "effective_sample_size",
    "evaluate",
    "ici",
    "is_labels",
    "known_outcomes",
    "log_loss",
    "log_loss_scorer",
    "metric_table",
    "observed_expected",
    "person_groups",
    "plot_calibration",
    "plot_capacity",
    "ppv_at_capacity",
    "ppv_scorer",
    "scaled_brier",
    "scorer",
    "sensitivity_at_capacity",
]
