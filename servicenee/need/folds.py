"""Persons and outcomes come in; folds, and rows to choose the engine on, go out."""

import numpy as np

MAX_ROWS = 50_000
MIN_EVENTS = 2_000


def person_folds(persons: np.ndarray | None, y: np.ndarray, n_folds: int, rng: np.random.RandomState) -> np.ndarray:
    """Fold number of every row: all rows of a person in one fold, persons with an event spread evenly.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.folds import person_folds
    >>> folds = person_folds(np.array([7, 7, 8, 9]), np.array([0, 1, 1, 0]), 2, np.random.RandomState(0))
    >>> bool(folds[0] == folds[1] != folds[2])
    True
    """
    codes = np.arange(len(y)) if persons is None else np.unique(persons, return_inverse=True)[1].reshape(-1)
    n_persons = int(codes.max()) + 1
    has_event = np.bincount(codes, weights=y, minlength=n_persons) > 0
    fold_of_person = np.empty(n_persons, dtype=np.intp)
    dealt = 0
    for group in (np.flatnonzero(has_event), np.flatnonzero(~has_event)):
        shuffled = rng.permutation(group)
        fold_of_person[shuffled] = (np.arange(len(shuffled)) + dealt) % n_folds
        dealt += len(shuffled)
    return fold_of_person[codes]


def folds_hold_both_classes(folds: np.ndarray, y: np.ndarray) -> bool:
    """Whether each fold's complement can be learnt from."""
    return all(0 < y[folds != fold].sum() < (folds != fold).sum() for fold in np.unique(folds))


def folds_hold_amounts(folds: np.ndarray, any_amount: np.ndarray) -> bool:
    """Whether each fold and its complement hold an amount above 0."""
    held = np.bincount(folds, weights=any_amount)
    return bool(np.all((held > 0) & (held < any_amount.sum())))


def rows_for_selection(y: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Rows to choose the engine on (at most 50,000) and the weight that lets each speak for those left out.

    The share of events is kept unless that leaves fewer than 2,000 of them: a rare outcome's information is in its
    events, so more of them are taken and weigh less.
    """
    if len(y) <= MAX_ROWS:
        return np.arange(len(y)), np.ones(len(y))
    events, others = np.flatnonzero(y == 1), np.flatnonzero(y != 1)
    n_events = min(len(events), max(round(MAX_ROWS * len(events) / len(y)), MIN_EVENTS))
    n_others = min(len(others), MAX_ROWS - n_events)
    rows = np.sort(
        np.concatenate([rng.choice(events, n_events, replace=False), rng.choice(others, n_others, replace=False)])
    )
    weights = np.where(y[rows] == 1, len(events) / n_events, len(others) / n_others)
    return rows, weights
