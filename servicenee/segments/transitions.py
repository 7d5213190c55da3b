"""Segments on two dates come in; who stayed, moved between segments, died, left or is new goes out."""

import numpy as np
import pandas as pd
from scipy.stats import binom

from servicenee._checks import check_fraction
from servicenee.disclosure import MIN_CELL, is_small, suppress
from servicenee.registers import Registers

DEATH, MOVED, NEW, OUTSIDE = "death", "moved", "new", "outside"
TRANSITION_COLUMNS = ["from", "to", "n", "share", "lower", "upper"]


def segment_transitions(
    before: pd.DataFrame,
    after: pd.DataFrame,
    registers: Registers | None = None,
    *,
    hysteresis: float = 0.3,
    min_cell: int = MIN_CELL,
) -> pd.DataFrame:
    """Count how persons move between segments from one index date to a later one.

    Parameters
    ----------
    before, after : DataFrame, index (person_id, index_date)
        What ``segment_probabilities`` of one frozen segmenter gives on two index dates, one row per person.
    registers : Registers, optional
        Tell death and moving away apart; without them whoever is gone counts as "outside".
    hysteresis : float, default=0.3
        A person keeps the segment of before unless another one is more probable by more than this on the later date,
        so that a small change of probability is no movement.
    min_cell : int, default=5
        Counts from 1 to ``min_cell - 1`` are hidden, with those that would give them away.

    Returns
    -------
    DataFrame
        from, to, n, share (of the persons of "from"), lower, upper (95 % bootstrap interval of the share). "to" may
        be "death", "moved" (left the area) or "outside" (no longer in the population); "from" may be "new".

    Notes
    -----
    Resampling the persons of a row gives binomial counts, so the bootstrap interval is exact and needs no draws.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import segment_transitions
    >>> index = pd.MultiIndex.from_product([range(40), ["2023-01-01"]], names=["person_id", "index_date"])
    >>> before = pd.DataFrame({"S1": [0.9] * 30 + [0.1] * 10, "S2": [0.1] * 30 + [0.9] * 10}, index=index)
    >>> after = pd.DataFrame({"S1": [0.4] * 20 + [0.1] * 15, "S2": [0.6] * 20 + [0.9] * 15}, index=index[:35])
    >>> table = segment_transitions(before, after)
    >>> table.loc[table["from"] == "S1", ["to", "n"]].to_numpy().tolist()
    [['S1', 20.0], ['S2', 10.0], ['outside', 0.0]]
    """
    check_fraction("hysteresis", hysteresis)
    segments = _check_tables(before, after)
    old, new = _by_person(before), _by_person(after)
    was = pd.Series(np.array(segments)[old.to_numpy().argmax(axis=1)], index=old.index)
    now = held_segments(old, new, hysteresis=hysteresis)
    gone = was.index.difference(now.index, sort=False)
    to = pd.concat([now, _where_gone(gone, after, registers)])
    arrived = now.index.difference(was.index, sort=False)
    moves = pd.DataFrame({"from": was.reindex(to.index).fillna(NEW), "to": to})
    states = [DEATH, MOVED, OUTSIDE]
    columns = [*segments, *(state for state in states if (to == state).any())]
    rows = [*segments, *([NEW] if len(arrived) else [])]
    counts = pd.crosstab(moves["from"], moves["to"]).reindex(index=rows, columns=columns, fill_value=0)
    return _table(counts, min_cell)


def held_segments(before: pd.DataFrame, after: pd.DataFrame, *, hysteresis: float = 0.3) -> pd.Series:
    """Segment of every person of the later date, kept from the earlier one unless another is clearly more probable.

    Parameters
    ----------
    before, after : DataFrame, index person
        Probabilities of the segments, one column each.
    hysteresis : float, default=0.3
        By how much another segment must be more probable.

    Returns
    -------
    Series, index of `after`

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.segments import held_segments
    >>> before = pd.DataFrame({"S1": [0.9, 0.9], "S2": [0.1, 0.1]})
    >>> after = pd.DataFrame({"S1": [0.4, 0.3], "S2": [0.6, 0.7]})
    >>> held_segments(before, after).tolist()
    ['S1', 'S2']
    """
    segments = np.array(after.columns, dtype=object)
    probability = after.to_numpy()
    best = probability.argmax(axis=1)
    known = before.index.get_indexer(after.index)
    was = np.where(known >= 0, before.to_numpy().argmax(axis=1)[known], best)
    every = np.arange(len(after))
    # Probabilities are rounded so that a difference of exactly the margin does not hang on its last bit.
    gain = np.round(probability[every, best] - probability[every, was], 9)
    return pd.Series(segments[np.where(gain > hysteresis, best, was)], index=after.index, name="segment")


def _check_tables(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    for name, table in (("before", before), ("after", after)):
        if not isinstance(table, pd.DataFrame) or "person_id" not in table.index.names or not len(table):
            raise ValueError(
                f"`{name}` must be a table of segment_probabilities with the index (person_id, index_date)."
            )
        n_repeated = int(table.index.get_level_values("person_id").duplicated().sum())
        if n_repeated:
            raise ValueError(f"`{name}` must have one row per person; {n_repeated} rows repeat a person.")
    if list(before.columns) != list(after.columns):
        raise ValueError("`after` must have the segments of `before`: use one frozen segmenter for both dates.")
    return [str(name) for name in before.columns]


def _by_person(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis(table.index.get_level_values("person_id"))


def _where_gone(gone: pd.Index, after: pd.DataFrame, registers: Registers | None) -> pd.Series:
    where = np.full(len(gone), OUTSIDE, dtype=object)
    if registers is not None and len(gone):
        persons = registers.person_columns
        ids = pd.Index(registers.person_ids(np.arange(len(persons.ids))))
        rows = ids.get_indexer(gone)
        day = int(
            pd.DatetimeIndex(after.index.get_level_values("index_date"))[0].to_datetime64().astype("M8[D]").astype(int)
        )
        died, left = persons.death_day[rows] <= day, persons.to_day[rows] <= day
        where[left & (rows >= 0)] = MOVED
        where[died & (rows >= 0)] = DEATH
    return pd.Series(where, index=gone)


def _table(counts: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    shown = suppress(counts.astype(np.int64), min_cell=min_cell)
    totals = counts.sum(axis=1).to_numpy()[:, np.newaxis]
    hidden = shown.isna().to_numpy() | is_small(totals, min_cell=min_cell)
    share = np.where(hidden, np.nan, counts.to_numpy() / np.maximum(totals, 1))
    lower, upper = (binom.ppf(q, totals, np.nan_to_num(share)) / np.maximum(totals, 1) for q in (0.025, 0.975))
    return pd.DataFrame(
        {
            "from": np.repeat(counts.index.to_numpy(dtype=object), counts.shape[1]),
            "to": np.tile(counts.columns.to_numpy(dtype=object), counts.shape[0]),
            "n": np.where(hidden, np.nan, counts.to_numpy()).ravel(),
            "share": share.ravel(),
            "lower": np.where(hidden, np.nan, lower).ravel(),
            "upper": np.where(hidden, np.nan, upper).ravel(),
        },
        columns=TRANSITION_COLUMNS,
    )
