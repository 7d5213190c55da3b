"""What a person will need: a table of features and an outcome in; calibrated risks, amounts and their reasons out."""

from servicenee.need.classifier import NeedClassifier
from servicenee.need.curve import RiskCurve
from servicenee.need.demand import DemandRegressor
from servicenee.need.stability import reason_stability

__all__ = ["DemandRegressor", "NeedClassifier", "RiskCurve", "reason_stability"]
