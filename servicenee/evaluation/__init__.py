"""How good the risks are: labels and risks in; weights, measures, tables, figures and one report out."""

from servicenee.evaluation.audit import label_audit
from servicenee.evaluation.calibration import calibration_curve, calibration_table
from servicenee.evaluation.capacity import capacity_table, ppv_at_capacity, sensitivity_at_capacity
from servicenee.evaluation.censoring import KnownOutcomes, effective_sample_size, is_labels, known_outcomes, with_strata
from servicenee.evaluation.comparison import compare_risks
from servicenee.evaluation.demand import DemandEvaluation, evaluate_demand
from servicenee.evaluation.demand_measures import demand_sums, known_amounts
from servicenee.evaluation.demand_report import plot_coverage, plot_expected
from servicenee.evaluation.evaluation import Evaluation, evaluate
from servicenee.evaluation.facts import ModelFacts
from servicenee.evaluation.figures import plot_calibration, plot_capacity, plot_decision, plot_discrimination
from servicenee.evaluation.forests import plot_audit, plot_groups
from servicenee.evaluation.grouping import person_groups
from servicenee.evaluation.horizons import labels_at
from servicenee.evaluation.measures import metric_table
from servicenee.evaluation.metrics import (
    auc,
    average_precision,
    brier,
    calibration_intercept,
    calibration_slope,
    e90,
    expected_auc,
    ici,
    log_loss,
    observed_expected,
    scaled_brier,
)
from servicenee.evaluation.sample_size import minimum_sample_size
from servicenee.evaluation.scorers import (
    auc_scorer,
    average_precision_scorer,
    brier_scorer,
    log_loss_scorer,
    ppv_scorer,
    scorer,
)
from servicenee.evaluation.splitting import RollingOrigin
from servicenee.evaluation.thresholds import decision_curve, threshold_table
from servicenee.evaluation.trends import plot_comparison, plot_incidence, plot_learning
from servicenee.evaluation.turnover import turnover_table
from servicenee.evaluation.updating import Recalibration, recalibrate

__all__ = [
    "DemandEvaluation",
    "Evaluation",
    "KnownOutcomes",
    "ModelFacts",
    "Recalibration",
    "RollingOrigin",
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
    "compare_risks",
    "decision_curve",
    "demand_sums",
    "e90",
    "effective_sample_size",
    "evaluate",
    "evaluate_demand",
    "expected_auc",
    "ici",
    "is_labels",
    "known_amounts",
    "known_outcomes",
    "label_audit",
    "labels_at",
    "log_loss",
    "log_loss_scorer",
    "metric_table",
    "minimum_sample_size",
    "observed_expected",
    "person_groups",
    "plot_audit",
    "plot_calibration",
    "plot_capacity",
    "plot_comparison",
    "plot_coverage",
    "plot_decision",
    "plot_discrimination",
    "plot_expected",
    "plot_groups",
    "plot_incidence",
    "plot_learning",
    "ppv_at_capacity",
    "ppv_scorer",
    "recalibrate",
    "scaled_brier",
    "scorer",
    "sensitivity_at_capacity",
    "threshold_table",
    "turnover_table",
    "with_strata",
]
