"""Scores and persons come in; who can be listed, who is left out and why, and the cut by capacity go out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from servicenee._checks import check_count
from servicenee.registers import Registers

DEFAULT_CAPACITY = 20  # persons one worker can go through in a month
MIN_GROUP = 20  # the average of fewer persons says too much of single ones and too little of the group
EXCLUSIONS = ("dead", "moved", "no_risk")
SCORES = ("risk", "rank", "model", "version")


def find_candidates(scores: pd.DataFrame, registers: Registers, by: str) -> pd.DataFrame:
    """One row per score, in their order: the persons table plus position, risk, rank, group and excluded.

    `position` is the row of the persons table; `excluded` is empty, or the first reason that applies of
    `EXCLUSIONS`; `group` is empty where it is not known.
    """
    _check_scores(scores)
    persons = registers.persons
    if by not in persons:
        known = ", ".join(repr(name) for name in persons.columns if name != "person_id")
        raise ValueError(f"`by` must be a column of the persons table ({known}); got {by!r}.")
    ids = scores.index.get_level_values("person_id")
    at = pd.Index(persons["person_id"]).get_indexer(ids)
    if (at < 0).any():
        raise ValueError(
            f"`scores` must hold persons of `registers`; {int((at < 0).sum())} of {len(scores)} are not "
            "in the persons table. Hand over the registers that were scored."
        )
    found = persons.iloc[at].reset_index(drop=True).assign(position=at)
    found["risk"] = scores["risk"].to_numpy(dtype=np.float64, na_value=np.nan)
    found["rank"] = scores["rank"].to_numpy(dtype=np.float64, na_value=np.inf)
    found["group"] = found[by].astype(object).where(found[by].notna(), "").astype(str)
    found["excluded"] = _exclusions(found, registers.extract_date)
    return found


def cut_by_capacity(
    candidates: pd.DataFrame, capacity: int | Mapping[str, int] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Listed candidates in order of group and place, and one row per group.

    Listed gains the columns place, base_rate and own_base (True: the base rate is the group's own, False: the
    average of all, because the group is small). Groups: group, scored, base_rate, capacity, listed, expected.
    """
    able = candidates[candidates["excluded"] == ""]
    names = sorted(set(candidates["group"]), key=alphabetical)
    capacities = _capacities(capacity, names)
    # Rounding as in scoring: differences below 1e-12 come from the order of additions, not from persons.
    order = np.lexsort((able["rank"], -able["risk"].round(12)))
    able = able.iloc[order]
    able = able.assign(place=able.groupby("group").cumcount() + 1)
    listed = able[able["place"] <= _looked_up(able["group"], capacities)]
    groups = _group_table(able, listed, capacities)
    rates = groups.set_index("group")
    own_base = _looked_up(listed["group"], rates["scored"]) >= MIN_GROUP
    base_rate = _looked_up(listed["group"], rates["base_rate"]).where(own_base, able["risk"].mean())
    listed = listed.assign(base_rate=base_rate, own_base=own_base)
    position = {name: at for at, name in enumerate(names)}
    order = np.lexsort((listed["place"], _looked_up(listed["group"], position)))
    return listed.iloc[order].reset_index(drop=True), groups


def alphabetical(name: str) -> str:
    """Sorting key in which å, ä and ö stand after z, and an empty name last."""
    return name.lower().translate({ord("å"): "~a", ord("ä"): "~b", ord("ö"): "~c"}) or "~~"


def _looked_up(names: pd.Series, numbers: Mapping | pd.Series) -> pd.Series:
    """Number of each name; numeric even when there is no name at all."""
    return names.map(numbers).astype(np.float64)


def _check_scores(scores: pd.DataFrame) -> None:
    missing = [name for name in SCORES if name not in scores]
    if list(scores.index.names) != ["person_id", "index_date"] or missing:
        raise ValueError(
            "`scores` must have the index (person_id, index_date) and the columns risk, rank, model, "
            f"version; got index {list(scores.index.names)}, missing {missing}. Use the table that "
            "predict returns."
        )
    dates = scores.index.get_level_values("index_date").unique()
    if len(dates) != 1:
        raise ValueError(f"`scores` must hold one index date; got {len(dates)}. Choose the rows of one date.")
    repeated = int(scores.index.duplicated().sum())
    if repeated:
        raise ValueError(f"`scores` must hold each person once; got {repeated} repeated rows. Drop them.")
    risk = scores["risk"].to_numpy(dtype=np.float64, na_value=np.nan)
    outside = int(((risk < 0) | (risk > 1)).sum())
    if outside:
        raise ValueError(
            f"`scores.risk` must be probabilities between 0 and 1; {outside} of {len(risk)} values are not."
        )


def _exclusions(found: pd.DataFrame, extract_date: pd.Timestamp) -> np.ndarray:
    """Nobody recorded as dead or moved by the time of writing is listed, whenever that happened."""
    moved = found["registered_to"].notna() & (found["registered_to"] <= extract_date)
    return np.select([found["death_date"].notna(), moved, found["risk"].isna()], EXCLUSIONS, default="")


def _capacities(capacity: int | Mapping[str, int] | None, names: list[str]) -> dict[str, int]:
    if capacity is None:
        return dict.fromkeys(names, DEFAULT_CAPACITY)
    if not isinstance(capacity, Mapping):
        return dict.fromkeys(names, check_count("capacity", capacity))
    absent = [name for name in names if name not in capacity]
    if absent:
        listed = ", ".join(repr(name) for name in absent[:5])
        raise ValueError(
            f"`capacity` must name every group; {len(absent)} of {len(names)} are missing: {listed}. Give 0 "
            "to a group that gets no list ('' stands for persons whose group is not known)."
        )
    return {name: check_count(f"capacity[{name!r}]", capacity[name], minimum=0) for name in names}


def _group_table(able: pd.DataFrame, listed: pd.DataFrame, capacities: dict[str, int]) -> pd.DataFrame:
    names = list(capacities)
    scored = able.groupby("group")["risk"].agg(["size", "mean"]).reindex(names)
    chosen = listed.groupby("group")["risk"].agg(["size", "sum"]).reindex(names)
    return pd.DataFrame(
        {
            "group": names,
            "scored": scored["size"].fillna(0).astype(int).to_numpy(),
            "base_rate": scored["mean"].to_numpy(),
            "capacity": list(capacities.values()),
            "listed": chosen["size"].fillna(0).astype(int).to_numpy(),
            "expected": chosen["sum"].fillna(0.0).to_numpy(),
        }
    )
