"""Labels, risks and group variables in; the same few measures for every group out, small groups protected."""

from dataclasses import replace

import numpy as np
import pandas as pd

from servicenee.disclosure import is_small, suppress
from servicenee.evaluation.capacity import is_listed, queue
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.metrics import area_under_curve, event_share, observed_over_expected
from servicenee.evaluation.notes import (
    FEWEST_EVENTS,
    HIDDEN,
    HIDDEN_BESIDE,
    HIDDEN_REST,
    MISSING_GROUP,
    NOT_ESTIMABLE,
)
from servicenee.evaluation.rows import JudgedRows, Levels, levels, persons_by_group, ranked

SUBGROUP_COLUMNS = ["by", "group", "metric", "value", "lower", "upper", "n", "events", "note"]
SUBGROUP_METRICS = (
    "event_share",
    "observed_expected",
    "auc",
    "selected_share",
    "ppv_at_capacity",
    "sensitivity_at_capacity",
    "list_share_by_event_share",
)
FROM_HITS = np.array([name in ("ppv_at_capacity", "sensitivity_at_capacity") for name in SUBGROUP_METRICS])
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
    """The measures of `SUBGROUP_METRICS` for every group, with intervals.

    Who is listed is decided once, over all groups together; the intervals take that list as given.
    """
    listed = is_listed(queue(rows), capacity)
    drawing = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    parts = [_one_variable(rows, name, groups, listed, drawing) for name, groups in by.items()]
    if not parts:
        return pd.DataFrame(columns=SUBGROUP_COLUMNS)
    return pd.concat(parts, ignore_index=True)[SUBGROUP_COLUMNS]


def _one_variable(rows: JudgedRows, name: str, groups: pd.Series, listed: np.ndarray, drawing: dict) -> pd.DataFrame:
    notes, sizes = group_protection(rows, groups)
    code, categories = groups.cat.codes.to_numpy(), groups.cat.categories
    events = np.bincount(code[rows.has_event], minlength=len(categories)).astype(np.float64)
    few = (notes == "").to_numpy() & (events < FEWEST_EVENTS)
    notes = notes.mask(few, NOT_ESTIMABLE)
    judged = [place for place in range(len(categories)) if not notes.iloc[place]]
    statistic = _statistic(rows, code, listed, judged)
    found = person_bootstrap(statistic, rows.n_persons, **drawing)
    of_groups = np.full((3, len(categories), len(SUBGROUP_METRICS)), np.nan)
    of_groups[:, judged] = np.reshape(found, (3, len(judged), len(SUBGROUP_METRICS)))
    of_groups[:, _few_found(rows, code, listed, len(categories))[:, None] & FROM_HITS] = np.nan
    n_rows = np.where(sizes, np.bincount(code, minlength=len(categories)), np.nan)
    shown = np.where(notes.isin(["", NOT_ESTIMABLE]), events, np.nan)
    times = len(SUBGROUP_METRICS)
    return pd.DataFrame(
        {
            "by": name,
            "group": np.repeat(categories.to_numpy(dtype=object), times),
            "metric": np.tile(np.array(SUBGROUP_METRICS, dtype=object), len(categories)),
            **{bound: of_groups[place].ravel() for place, bound in enumerate(("value", "lower", "upper"))},
            "n": np.repeat(n_rows, times),
            "events": np.repeat(shown, times),
            "note": np.repeat(notes.to_numpy(dtype=object), times),
        }
    )


def _few_found(rows: JudgedRows, code: np.ndarray, listed: np.ndarray, n_groups: int) -> np.ndarray:
    """Groups of which the list holds 1 to 4 persons with the event, and those that would give them away."""
    chosen = listed & rows.has_event
    return suppress(pd.Series(persons_by_group(rows.person[chosen], code[chosen], n_groups))).isna().to_numpy()


def _statistic(rows: JudgedRows, code: np.ndarray, listed: np.ndarray, judged: list[int]):
    """The measures of the groups that may be judged, one group after the other."""
    positions = [np.flatnonzero(code == place) for place in judged]
    # Person numbers stay those of the whole table: one draw of persons serves every group.
    sorted_groups = [ranked(replace(rows.subset(at), person=rows.person[at])) for at in positions]
    weighted_y = rows.weight * rows.y
    every_row = np.ones(len(rows.y))
    totals = np.column_stack([listed * weighted_y, listed * rows.weight, listed, weighted_y, every_row])
    of_groups = [totals[at] for at in positions]

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        times = np.ones(rows.n_persons) if copies is None else copies
        sums = np.array([times[rows.person[at]] @ part for at, part in zip(positions, of_groups, strict=True)])
        everybody = times[rows.person] @ totals
        found = np.empty((len(judged), len(SUBGROUP_METRICS)))
        for place, sorted_rows in enumerate(sorted_groups):
            by_risk = levels(sorted_rows, times)
            found[place] = _measures(by_risk, sums[place], everybody)
        return found.ravel()

    return statistic


def _measures(by_risk: Levels, of_group: np.ndarray, everybody: np.ndarray) -> list[float]:
    hits, seen, listed, events, n_rows = of_group.tolist()
    share_of_list = listed / everybody[2] if everybody[2] > 0 else np.nan
    share_of_events = events / everybody[3] if everybody[3] > 0 else np.nan
    return [
        event_share(by_risk),
        observed_over_expected(by_risk),
        area_under_curve(by_risk),
        listed / n_rows if n_rows > 0 else np.nan,
        hits / seen if seen > 0 else np.nan,
        hits / events if events > 0 else np.nan,
        share_of_list / share_of_events if share_of_events > 0 else np.nan,
    ]


def group_protection(rows: JudgedRows, groups: pd.Series) -> tuple[pd.Series, pd.Series]:
    """For each group why its events are hidden (empty: shown), and whether its size may be shown."""
    code = groups.cat.codes.to_numpy()
    names = groups.cat.categories

    def persons(chosen: np.ndarray) -> np.ndarray:
        return persons_by_group(rows.person[chosen], code[chosen], len(names))

    counts = pd.DataFrame({"with": persons(rows.has_event), "without": persons(rows.has_none)}, index=names)
    of_all = pd.Series(persons(np.ones(len(code), dtype=bool)), index=names)
    hidden = suppress(counts)["with"].isna()
    sizes = suppress(of_all).notna()
    rest = is_small(counts["without"]) | is_small(of_all)
    why = np.select([~hidden & sizes, is_small(counts["with"]), rest], ["", HIDDEN, HIDDEN_REST], HIDDEN_BESIDE)
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
