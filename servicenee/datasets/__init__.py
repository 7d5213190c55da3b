"""Small public data sets, shipped with their attribution, for tests and notebooks."""

from servicenee.datasets.diabetes130 import diabetes130_features, diabetes130_outcome, load_diabetes130

__all__ = ["diabetes130_features", "diabetes130_outcome", "load_diabetes130"]
