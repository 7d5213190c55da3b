"""The contract of feature builders: stateless scikit-learn transformers from a cohort to columns of X."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Feature, fill
from servicenee.registers import Registers


class Builder(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """What every builder shares: nothing is learned, and X always is a frame with the cohort's index.

    A builder holds parameters, never tables. Its one method of its own is `blocks`, which says what to measure.
    """

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; a builder's parameters are checked here."""
        raise NotImplementedError

    def fit(self, X: Cohort, y=None):
        """Check the parameters against the registers; nothing is learned."""
        self.blocks(_cohort(X).registers)
        return self

    def transform(self, X: Cohort) -> pd.DataFrame:
        """Columns for every row of the cohort.

        Parameters
        ----------
        X : Cohort

        Returns
        -------
        DataFrame of float32, shape (n_rows, n_columns), index (person_id, index_date)
        """
        return to_frame(_cohort(X), self.blocks(X.registers))

    def describe(self, registers: Registers) -> pd.DataFrame:
        """One row per column: feature, measure, source, codes, group, lookback_days, skip_days, topic, labels.

        `lookback_days` is NaN where the column looks back over all history.
        """
        return feature_table(self.blocks(registers))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        return tags


def to_frame(cohort: Cohort, blocks: list[Block]) -> pd.DataFrame:
    """X of these blocks: float32 columns with the cohort's (person_id, index_date)."""
    matrix = fill(cohort, blocks)
    names = [feature.name for block in blocks for feature in block.features]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise ValueError(
            f"`builders` must make columns of different names; {len(repeated)} come twice: {', '.join(repeated[:5])}. "
            "Drop one of the builders, or give it a code list of its own: another name, and other names of groups if "
            "it splits `by` them."
        )
    return pd.DataFrame(matrix.T, index=cohort.index, columns=names, copy=False)


def feature_table(blocks: list[Block]) -> pd.DataFrame:
    """Description of every column, in the order of X."""
    return pd.DataFrame([_described(feature) for block in blocks for feature in block.features])


def _described(feature: Feature) -> dict:
    lookback = feature.window.lookback_days
    return {
        "feature": feature.name,
        "measure": feature.measure,
        "source": " ".join(feature.source),
        "codes": feature.codes,
        "group": feature.group,
        "lookback_days": np.nan if lookback is None else float(lookback),
        "skip_days": feature.window.skip_days,
        "topic": feature.topic,
        **{f"label_{language}": label for language, label in feature.labels.items()},
    }


def _cohort(X) -> Cohort:
    if not isinstance(X, Cohort):
        raise TypeError(
            f"feature builders take a Cohort (Population(...).at(registers, dates)); got {type(X).__name__}. With a "
            "computed X, use the model without the builders."
        )
    return X
