"""Groups, and persons behind what is said of them, in; what must not be shown, so that nobody can be found, out."""

import numpy as np
import pandas as pd

from servicenee.disclosure import is_small, suppress


def hidden_groups(groups: pd.DataFrame, counts: np.ndarray) -> np.ndarray:
    """Small counts of each period, and those beside them that would give them away by subtraction from a total.

    `groups` has the columns of a grouping and `period`. Of crossed groups the totals by either column may be known.
    """
    hidden = np.zeros(len(counts), dtype=bool)
    names = [name for name in groups.columns if name != "period"]
    for period in groups["period"].unique():
        at = np.flatnonzero(groups["period"] == period)
        own = pd.Series(counts[at])
        if len(names) < 2:
            hidden[at] = suppress(own).isna().to_numpy()
            continue
        rows = pd.MultiIndex.from_frame(groups.iloc[at][names[:-1]])
        row, column = pd.factorize(rows)[0], pd.factorize(groups[names[-1]].iloc[at])[0]
        table = np.zeros((row.max() + 1, column.max() + 1), dtype=np.int64)
        table[row, column] = own
        hidden[at] = suppress(pd.DataFrame(table)).isna().to_numpy()[row, column]
    return hidden


def hidden_parts(groups: pd.DataFrame, group: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """For every group and part, whether it must be hidden; array of shape (n_groups, n_parts).

    The parts of a group add up to something that is shown: levels of service to all days, a share and its complement
    to everybody. A part is as small as the number of persons behind it.
    """
    counts = np.column_stack([persons_behind(part, group, len(groups)) for part in parts])
    unseen = hidden_groups(groups, np.bincount(group, minlength=len(groups)))
    hidden = np.zeros(counts.shape, dtype=bool)
    for period in groups["period"].unique():
        at = np.flatnonzero(groups["period"] == period)
        hidden[at] = hidden_cells(counts[at], unseen[at])
    return hidden


def hidden_cells(counts: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """For groups by parts, which cells must be hidden: small ones, and those that would give them away.

    What is hidden in one group would be seen in the total of all groups, and one hidden part in the total of the
    parts: both are guarded against. Groups that are `unseen` as a whole are known together, as what the others leave
    of the total.
    """
    hidden = np.tile(unseen[:, None], counts.shape[1])
    known = counts[~unseen]
    if unseen.any():
        known = np.vstack([known, counts[unseen].sum(axis=0)])
    hidden[~unseen] = suppress(pd.DataFrame(known)).isna().to_numpy()[: int((~unseen).sum())]
    return hidden


def persons_behind(amount: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Number of persons of every group with anything to count; one entry of `amount` is one person."""
    return np.bincount(group, weights=amount != 0, minlength=n_groups).astype(np.int64)


def distinct_persons(person: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Number of different persons of every group, who may have several rows."""
    stride = int(person.max(initial=0)) + 1
    pairs = np.sort(group.astype(np.int64) * stride + person)  # several times faster than np.unique, which hashes
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = pairs[1:] != pairs[:-1]
    return np.bincount(pairs[first] // stride, minlength=n_groups)


def shown_steps(counts: np.ndarray) -> np.ndarray:
    """Steps of running totals that may be shown: between two of them nobody, or enough persons, are added to each.

    `counts` has shape (n_steps, n_totals): what every step adds to every total. Two totals shown are a count by
    subtraction, also with steps between them that are not.
    """
    since, shown = np.zeros(counts.shape[1], dtype=np.int64), np.zeros(len(counts), dtype=bool)
    for step, added in enumerate(counts):
        since += added
        if not is_small(since).any():
            shown[step], since = True, np.zeros_like(since)
    return shown
