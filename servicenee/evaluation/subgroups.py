"""Labels, risks and group variables in; the same few measures for every group out, small groups protected."""

import numpy as np
import pandas as pd

from servicenee.disclosure import is_small, suppress
from servicenee.evaluation.capacity import is_listed, queue
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.metrics import area_under_curve, observed_over_expected
from servicenee.evaluation.notes import (
    FEWEST_EVENTS,
    HIDDEN,
    HIDDEN_BESIDE,
    HIDDEN_REST,
    MISSING_GROUP,
    NOT_ESTIMABLE,
)
from servicenee.evaluation.rows import JudgedRows, levels, ranked

SUBGROUP_COLUMNS = ["by", "group", "metric", "value", "lower", "upper", "n", "events", "note"]
SUBGROUP_METRICS = ("observed_expected", "auc", "ppv_at_capacity", "sensitivity_at_capacity")
MOST_GROUPS = 50


def group_variables(by, labels) -> dict[str, pd.Series]:
    """Group variables by name, one text per row; an error for a wrong length, order or number of groups."""
    if isinstance(by, pd.DataFrame):
        columns = {str(name): by[name] for name in by.columns}
    elif isinstance(by, dict):
        columns = {str(name): values for name, values in by.items()}
    else:
        columns = {str(getattr(by, "name", None) or "group"): by}
    return {name: _groups(name, values, labels) for name, values in columns.items()}


def subgroups_of(
    rows: JudgedRows, by: dict[str, pd.Series], capacity: int | float, *, n_bootstrap: int, random_state
) -> pd.DataFrame:
    """O:E, AUC, PPV and sensitivity at capacity of every group, with intervals.

    Who is listed is decided once, over all groups together; the intervals take that list as given.
    """
    listed = is_listed(queue(rows), capacity)
    parts = []
    for name, groups in by.items():
        notes, sizes = _protection(rows, groups)
        for group in groups.cat.categories:
            positions = np.flatnonzero((groups == group).to_numpy())
            part = _one_group(
                rows.subset(positions), listed[positions], notes[group], n_bootstrap, random_state
            )
            part.insert(0, "group", group)
            part.insert(0, "by", name)
            if not sizes[group]:
                part["n"] = np.nan
            parts.append(part)
    if not parts:
        return pd.DataFrame(columns=SUBGROUP_COLUMNS)
    return pd.concat(parts, ignore_index=True)[SUBGROUP_COLUMNS]


def _one_group(
    rows: JudgedRows, listed: np.ndarray, note: str, n_bootstrap: int, random_state
) -> pd.DataFrame:
    events = float(np.sum((rows.weight > 0) & (rows.y == 1)))
    nothing = np.full(len(SUBGROUP_METRICS), np.nan)
    found = (nothing, nothing, nothing)
    if not note and events < FEWEST_EVENTS:
        note = NOT_ESTIMABLE
    elif not note:
        found = person_bootstrap(
            _statistic(rows, listed), rows.n_persons, n_bootstrap=n_bootstrap, random_state=random_state
        )
    columns = dict(zip(("value", "lower", "upper"), found, strict=True))
    frame = pd.DataFrame({"metric": list(SUBGROUP_METRICS), **columns, "n": float(len(rows.y))})
    frame["events"] = np.nan if note in (HIDDEN, HIDDEN_REST, HIDDEN_BESIDE) else events
    frame["note"] = note
    return frame


def _statistic(rows: JudgedRows, listed: np.ndarray):
    sorted_rows = ranked(rows)
    weighted_y = rows.weight * rows.y
    listed_y, listed_weight = listed * weighted_y, listed * rows.weight

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        by_risk = levels(sorted_rows, copies)
        times = np.ones(len(rows.y)) if copies is None else copies[rows.person]
        hits, known, events = times @ listed_y, times @ listed_weight, times @ weighted_y
        return np.array(
            [
                observed_over_expected(by_risk),
                area_under_curve(by_risk),
                hits / known if known > 0 else np.nan,
                hits / events if events > 0 else np.nan,
            ]
        )

    return statistic


def _protection(rows: JudgedRows, groups: pd.Series) -> tuple[pd.Series, pd.Series]:
    """For each group why its events are hidden (empty: shown), and whether its size may be shown."""
    has_event = (rows.weight > 0) & (rows.y == 1)
    has_none = (rows.weight > 0) & (rows.y == 0)
    code = groups.cat.codes.to_numpy()
    names = groups.cat.categories

    def persons(chosen: np.ndarray) -> np.ndarray:
        pairs = np.unique(np.column_stack([code[chosen], rows.person[chosen]]), axis=0)
        return np.bincount(pairs[:, 0], minlength=len(names))

    counts = pd.DataFrame({"with": persons(has_event), "without": persons(has_none)}, index=names)
    of_all = pd.Series(persons(np.ones(len(code), dtype=bool)), index=names)
    hidden = suppress(counts)["with"].isna()
    sizes = suppress(of_all).notna()
    rest = is_small(counts["without"]) | is_small(of_all)
    why = np.select(
        [~hidden & sizes, is_small(counts["with"]), rest], ["", HIDDEN, HIDDEN_REST], HIDDEN_BESIDE
    )
    return pd.Series(why, index=names), sizes


def _groups(name: str, values, labels) -> pd.Series:
    if len(values) != len(labels):
        raise ValueError(
            f"`by` must have one value per row of labels ({len(labels)}); `{name}` has {len(values)}. "
            "Take the groups of the same rows in the same order."
        )
    index = getattr(labels, "index", None)
    if isinstance(index, pd.MultiIndex) and isinstance(getattr(values, "index", None), pd.MultiIndex):
        if not index.equals(values.index):
            raise ValueError(
                f"`by` must have the index of labels, row by row; that of `{name}` differs. "
                "Bring the rows into the same order first: by.loc[labels.index]."
            )
    column = pd.Series(np.asarray(values)) if not isinstance(values, pd.Series) else values
    present = column.dropna()
    if isinstance(column.dtype, pd.CategoricalDtype):
        known = [one for one in column.cat.categories if (present == one).any()]
    else:
        known = sorted(present.unique().tolist(), key=lambda one: (str(type(one)), one))
    if len(known) > MOST_GROUPS:
        raise ValueError(
            f"`by` must have at most {MOST_GROUPS} groups; `{name}` has {len(known)}. "
            "Cut numbers into bands, join rare groups."
        )
    names = {one: _group_name(one) for one in known}
    text = [MISSING_GROUP if pd.isna(one) else names[one] for one in column.tolist()]
    order = list(dict.fromkeys([*names.values(), *([MISSING_GROUP] if len(present) < len(column) else [])]))
    return pd.Series(pd.Categorical(text, categories=order))


def _group_name(value) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
