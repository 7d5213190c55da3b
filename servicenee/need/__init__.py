"""What a person will need: a table of features and an outcome in, calibrated risks and their reasons out."""

from servicenee.need.classifier import NeedClassifier

__all__ = ["NeedClassifier"]
