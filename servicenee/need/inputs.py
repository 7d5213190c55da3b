"""X, weights and persons as a caller gives them come in; checked tables, folds and warnings go out."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import validate_data

from servicenee._checks import name_some
from servicenee.evaluation import is_labels
from servicenee.exceptions import ServiceneeWarning
from servicenee.need.columns import Column, read_matrix, used
from servicenee.need.folds import folds_hold_both_classes, person_folds

FEW_EVENTS = 20
ROWS_PER_PART = 16_384
# The folds are most of the cost of training, so larger tables get three instead of five. An engine that learnt from
# two thirds of the rows is the poorer guide to one that learns from all: the simpler one is chosen too often, and trees
# come out too timid (seven splits of the development patients of diabetes130). Not with few events, of which a third
# left out would make the engine too cautious.
VALUES_FOR_FIVE_FOLDS = 2_500_000
EVENTS_FOR_THREE_FOLDS = 1_000


def check_X(estimator, X, *, reset: bool):
    """A frame with distinct names, or a float array; `reset` remembers the columns on the estimator."""
    if not isinstance(X, pd.DataFrame):
        return validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan")
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if 0 in X.shape:
        raise ValueError(f"`X` must have at least one row and one column; got shape {X.shape}.")
    if not X.columns.is_unique:
        raise ValueError("`X` must have a distinct name for each column; got the same name more than once.")
    return X


def binary_outcome(y) -> tuple[np.ndarray, np.ndarray]:
    """Two classes and the 0/1 code of each row; with one class in `y` code 1 if it is 1."""
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) > 2:
        raise ValueError(f"Only binary classification is supported. The type of the target is {type_of_target(y)}.")
    if len(classes) == 1:
        codes = np.full(len(y), classes[0] == 1)
    return classes, codes.astype(np.intp)


def refuse_few_events(outcome: np.ndarray, y) -> None:
    """Trees fit one class without a word and logistic models with an unclear one; from few events risks are guesses.

    scikit-learn's contract fits on a handful of rows, so that few events are an error in labels of registers only.
    """
    n_events, n_rows = int(outcome.sum()), len(outcome)
    found = f"{n_events} events in {n_rows} rows with a known outcome{_index_dates(y)}"
    if min(n_events, n_rows - n_events) == 0:
        raise ValueError(f"`y` must hold both classes; got 1 class ({found}).")
    if n_events < FEW_EVENTS and is_labels(y):
        raise ValueError(
            f"`y` must hold at least {FEW_EVENTS} events; got {found}. Take more index dates, more persons or a longer "
            "horizon."
        )
    if n_events < FEW_EVENTS:
        warn(f"Only {n_events} events in {n_rows} rows: risks from fewer than {FEW_EVENTS} events are guesses.")


def _index_dates(y) -> str:
    """First and last index date of labels that have them, as words of a message."""
    if not is_labels(y) or "index_date" not in y.index.names or not len(y):
        return ""
    dates = y.index.get_level_values("index_date")
    return f", index dates {str(dates.min())[:10]} to {str(dates.max())[:10]}"


def check_weights(sample_weight, n_rows: int) -> np.ndarray:
    """One finite weight of at least 0 per row."""
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim != 1 or len(weights) != n_rows:
        raise ValueError(f"`sample_weight` must hold one weight per row ({n_rows}); got shape {weights.shape}.")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("`sample_weight` must be finite and not negative in every row.")
    if not weights.any():
        raise ValueError("`sample_weight` must be above 0 in at least one row; all weights are zero.")
    return weights


def check_same_index(X, labels: pd.DataFrame) -> None:
    """Labels of other rows than X would teach the model somebody else's outcome."""
    if isinstance(X, pd.DataFrame) and not X.index.equals(labels.index):
        raise ValueError("`y` must have the index of X, in the same order. Use y.loc[X.index].")


def take(X, rows: np.ndarray):
    """Some rows of X; X itself if all of them."""
    if len(rows) == X.shape[0]:
        return X
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def calibration_folds(
    y: np.ndarray,
    persons: np.ndarray | None,
    rng: np.random.RandomState,
    n_columns: int,
    can_learn: Callable = folds_hold_both_classes,
) -> np.ndarray | None:
    """Fold of every row; None with one warning if no split leaves enough to learn from.

    `y` says which rows have the event (or any amount); ``can_learn(folds, y)`` whether a split is good enough.
    """
    many = len(y) * n_columns > VALUES_FOR_FIVE_FOLDS and y.sum() >= EVENTS_FOR_THREE_FOLDS
    most = 3 if many else 5
    for n_folds in range(most, 1, -1):
        folds = person_folds(persons, y, n_folds, rng)
        if len(np.unique(folds)) == n_folds and can_learn(folds, y):
            return folds
    warn("Too few persons of one class to calibrate: predictions are as the engine gives them.")
    return None


def matrices(columns: tuple[Column, ...], X) -> Iterator[np.ndarray]:
    """The used columns as float matrices, in parts that fit the cache."""
    columns = used(columns)
    for start in range(0, X.shape[0], ROWS_PER_PART):
        yield read_matrix(columns, X[start : start + ROWS_PER_PART])


def warn_of_dropped_columns(columns: tuple[Column, ...]) -> None:
    """One warning for all columns that say nothing."""
    dropped = [f"{column.name} ({column.dropped})" for column in columns if column.dropped]
    if dropped:
        warn(f"{len(dropped)} of {len(columns)} columns of X are not used: {name_some(dropped)}.")


def warn_of_new_categories(columns: tuple[Column, ...], X) -> None:
    """One warning when more than 1 % of rows have a category that training did not know."""
    new = []
    for column in used(columns):
        if column.is_category:
            codes = read_matrix((column,), X)[:, 0]
            share = np.mean(codes == len(column.categories))
            if share > column.other_share + 0.01:
                new.append(f"{column.name} ({share:.0%})")
    if new:
        warn(f"Categories not seen in training count as other in more than 1 % of rows: {name_some(new)}.")


def warn(message: str) -> None:
    """A caveat of ours, shown at the caller's line."""
    warnings.warn(message, ServiceneeWarning, stacklevel=4)
