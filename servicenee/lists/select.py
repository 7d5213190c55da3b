"""Candidates come in; who is listed, held out or drawn for review, and one row per unit, go out."""

import hashlib

import numpy as np
import pandas as pd

from servicenee.lists.exclusions import LISTED_BEFORE, Exclusions
from servicenee.lists.terms import Terms, places_of
from servicenee.registers import Registers

MIN_GROUP = 20  # the average of fewer persons says too much of single ones and too little of the group
STAY_WITHIN = 1.25  # whoever was listed stays until this many times the places are ahead of them
SCORES = ("risk", "rank", "model", "version")
LISTED, HELD_OUT, REVIEW = "listed", "held_out", "review"
GROUP_COLUMNS = (
    "group",
    "scored",
    "base_rate",
    "capacity",
    "listed",
    "expected",
    "lowest_risk",
    "other_cut",
    "new",
    "held_out",
    "review",
)


def find_candidates(scores: pd.DataFrame, registers: Registers, by: str) -> pd.DataFrame:
    """One row per score, in order of person: the persons table plus position, risk, rank and group.

    `position` is the row of the persons table; `group` is empty where it is not known.
    """
    _check_scores(scores)
    persons = registers.persons
    if by not in persons:
        known = ", ".join(repr(name) for name in persons.columns if name != "person_id")
        raise ValueError(f"`by` must be a column of the persons table ({known}); got {by!r}.")
    at = positions_of(scores, registers, "scores")
    found = persons.iloc[at].reset_index(drop=True).assign(position=at)
    found["risk"] = scores["risk"].to_numpy(dtype=np.float64, na_value=np.nan)
    found["rank"] = scores["rank"].to_numpy(dtype=np.float64, na_value=np.inf)
    found["group"] = found[by].astype(object).where(found[by].notna(), "").astype(str)
    # In order of person, so that draws do not depend on the order of the rows.
    return found.sort_values("position", kind="stable", ignore_index=True)


def positions_of(table: pd.DataFrame, registers: Registers, name: str) -> np.ndarray:
    """Row of the persons table for each row of a table indexed by person_id and index_date."""
    ids = table.index.get_level_values("person_id")
    at = pd.Index(registers.person_ids(slice(None))).get_indexer(ids)
    if (at < 0).any():
        raise ValueError(
            f"`{name}` must hold persons of `registers`; {int((at < 0).sum())} of {len(table)} are not "
            "in the persons table. Hand over the registers that were scored."
        )
    return at


def choose(candidates: pd.DataFrame, terms: Terms) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The chosen persons in order of unit and place, and one row per unit.

    `candidates` carry excluded, segment_order, on_last (on the last list) and listed_before (on any list). The chosen
    gain role, place (among the listed of the unit), order_in_group, week, base_rate and own_base (True: the base rate
    is the unit's own, False: that of all, because the unit is small).
    """
    names = sorted(set(candidates["group"]), key=alphabetical)
    able = _in_order(candidates[candidates["excluded"] == ""], terms.order)
    n_able = able.groupby("group").size()
    places = places_of(terms.capacity, {name: int(n_able.get(name, 0)) for name in names}, terms.weeks)
    able["role"] = _roles(able, places, terms, terms.cut)
    other = _roles(able, places, terms, "county" if terms.cut == "unit" else "unit")
    if terms.purpose == "client_work":
        able.loc[_review_sample(able, names, terms), "role"] = REVIEW
    groups = _group_table(able, places, other == LISTED, names)
    rates = groups.set_index("group")
    chosen = able[able["role"] != ""].copy()
    chosen["own_base"] = chosen["group"].map(rates["scored"]) >= MIN_GROUP
    own_rate = chosen["group"].map(rates["base_rate"]).astype(np.float64)
    chosen["base_rate"] = own_rate.where(chosen["own_base"], able["risk"].mean())
    turn = np.arange(len(chosen)) + len(chosen) * (chosen["listed_before"].to_numpy() & (terms.new == "first"))
    # The sample stands in order of person, for its reader must not see the model's view.
    turn = np.where(chosen["role"] == REVIEW, chosen["position"], turn)
    chosen = chosen.iloc[np.argsort(turn, kind="stable")]
    chosen["place"] = chosen.groupby(["group", "role"]).cumcount() + 1
    chosen["week"] = _weeks(chosen, terms.weeks, places if terms.cut == "unit" else None)
    position = {name: at for at, name in enumerate(names)}
    order = np.lexsort((chosen["place"], chosen["role"], chosen["group"].map(position).astype(np.float64)))
    return chosen.iloc[order].reset_index(drop=True), groups


def mark_listed_before(candidates: pd.DataFrame, exclusions: Exclusions, new: str) -> Exclusions:
    """With new="only", whoever has been on a list is left out and counted."""
    if new != "only":
        return exclusions
    of = exclusions.of.copy()
    of[candidates["listed_before"].to_numpy() & (of == "")] = LISTED_BEFORE
    return Exclusions(of, (*exclusions.names, LISTED_BEFORE), exclusions.unchecked)


def alphabetical(name: str) -> str:
    """Sorting key in which å, ä and ö stand after z, and an empty name last."""
    return name.lower().translate({ord("å"): "~a", ord("ä"): "~b", ord("ö"): "~c"}) or "~~"


def _in_order(able: pd.DataFrame, by: str) -> pd.DataFrame:
    """Highest risk first (segment first where asked), with the place of each person within the unit."""
    first = able["segment_order"] if by == "segment" else np.zeros(len(able))
    # Rounding as in scoring: differences below 1e-12 come from the order of additions, not from persons.
    order = np.lexsort((able["position"], able["rank"], -able["risk"].round(12), first))
    able = able.iloc[order].reset_index(drop=True)
    return able.assign(order_in_group=able.groupby("group").cumcount() + 1)


def _roles(able: pd.DataFrame, places: dict[str, int], terms: Terms, cut: str) -> np.ndarray:
    """Role of everybody who can be listed: listed, held out or none, unit by unit or over the county."""
    role = np.full(len(able), "", dtype=object)
    held = _drawn_out(able, terms)
    if cut == "county":
        with_list = able["group"].map(places).to_numpy() > 0  # a unit without capacity gets no list
        _cut(able, np.flatnonzero(with_list), sum(places.values()), held, terms, role)
        return role
    for name, rows in able.groupby("group").indices.items():
        _cut(able, rows, places[name], held, terms, role)
    return role


def _cut(able: pd.DataFrame, rows: np.ndarray, places: int, held: np.ndarray, terms: Terms, role: np.ndarray) -> None:
    """Give the places of one unit, in order: persons held out use none, and are those the list would have reached."""
    open_rows = rows[~held[rows]]
    if not places or not len(rows):
        return
    later = np.zeros(len(able), dtype=np.int8)
    if terms.new == "first":
        later[rows] = able["listed_before"].to_numpy()[rows]
    else:
        near = open_rows[: int(np.ceil(places * STAY_WITHIN))]
        later[rows] = 1
        later[near[able["on_last"].to_numpy()[near]]] = 0
    in_turn = rows[np.argsort(later[rows], kind="stable")]
    turn = np.cumsum(~held[in_turn])
    mine = held[in_turn]
    reached = in_turn[(turn < places) | ((turn == places) & ~mine) | (turn[-1] <= places)]
    role[reached] = np.where(held[reached], HELD_OUT, LISTED)


def _drawn_out(able: pd.DataFrame, terms: Terms) -> np.ndarray:
    """A draw of each person that the seed alone decides: the same persons are held out from list to list."""
    if not terms.holdout:
        return np.zeros(len(able), dtype=bool)
    drawn = [_fraction(f"{terms.random_state}:{person}") for person in able["person_id"]]
    return np.array(drawn) < terms.holdout


def _fraction(value: str) -> float:
    return int.from_bytes(hashlib.sha256(value.encode()).digest()[:8], "big") / 2**64


def _review_sample(able: pd.DataFrame, names: list[str], terms: Terms) -> np.ndarray:
    """Rows of the persons drawn for review: as many in each unit, from those whom the list did not reach."""
    # Without a seed the draw follows from the list itself: the same input gives the same persons.
    seed = terms.random_state
    if seed is None:
        seed = int(1e9 * _fraction(f"{len(able)}:{able['risk'].sum():.9f}"))
    random = np.random.RandomState(seed % 2**32)
    rest = able[able["role"] == ""].sort_values("position")
    drawn = []
    for name in names:
        rows = rest.index[rest["group"] == name].to_numpy()
        drawn.append(rows[random.permutation(len(rows))[: terms.n_review]])
    return np.sort(np.concatenate(drawn)) if drawn else np.zeros(0, dtype=int)


def _weeks(chosen: pd.DataFrame, weeks: int, places: dict[str, int] | None) -> np.ndarray:
    """Week in which a listed person's turn is: the highest places first, evenly."""
    listed = chosen["role"] == LISTED
    n = chosen[listed].groupby("group").size() if places is None else pd.Series(places)
    per_week = np.ceil(chosen["group"].map(n).fillna(1).astype(np.float64).clip(lower=1) / weeks)
    return np.where(listed, (chosen["place"] - 1) // per_week + 1, 0).astype(int)


def _group_table(able: pd.DataFrame, places: dict[str, int], other: np.ndarray, names: list[str]) -> pd.DataFrame:
    scored = able.groupby("group")["risk"].agg(["size", "mean"]).reindex(names)
    listed = able[able["role"] == LISTED]
    chosen = listed.groupby("group")["risk"].agg(["size", "sum", "min"]).reindex(names)

    def count(rows: pd.DataFrame) -> np.ndarray:
        return rows.groupby("group").size().reindex(names).fillna(0).astype(int).to_numpy()

    return pd.DataFrame(
        {
            "group": names,
            "scored": scored["size"].fillna(0).astype(int).to_numpy(),
            "base_rate": scored["mean"].to_numpy(),
            "capacity": list(places.values()),
            "listed": chosen["size"].fillna(0).astype(int).to_numpy(),
            "expected": chosen["sum"].fillna(0.0).to_numpy(),
            "lowest_risk": chosen["min"].to_numpy(),
            "other_cut": count(able[other]),
            "new": count(listed[~listed["listed_before"]]),
            "held_out": count(able[able["role"] == HELD_OUT]),
            "review": count(able[able["role"] == REVIEW]),
        }
    )[list(GROUP_COLUMNS)]


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
