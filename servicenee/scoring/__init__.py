"""Scoring: a model and registers come in, scores of everybody in the population go out."""

from servicenee.scoring.batch import predict

__all__ = ["predict"]
