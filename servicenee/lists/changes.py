"""The last list, the decisions since, and the registers come in; what changed for each person goes out."""

import numpy as np
import pandas as pd

from servicenee.cohort import Cohort
from servicenee.features import EventCounts, StayCounts
from servicenee.lists.facts import Sight, current_services

RECORD = (
    "list_id",
    "written_at",
    "index_date",
    "team",
    "person_id",
    "risk",
    "rank",
    "role",
    "model",
    "version",
    "purpose",
)
_ACUTE_SOURCE, _ACUTE_STAY = "emergency", "inpatient_unplanned"
_CLEAR = 0.02  # a smaller change of the risk is the same to a reader


def earlier_lists(previous, index_date: pd.Timestamp, model: str) -> pd.DataFrame:
    """Rows of lists of the same model made before the index date; `previous` is a list or rows of the record.

    The record may hold lists of several models, whose risks are of different things.
    """
    if previous is None:
        return pd.DataFrame(columns=list(RECORD))
    rows = previous if isinstance(previous, pd.DataFrame) else previous.record_rows
    missing = [name for name in ("index_date", "person_id", "risk", "role") if name not in rows]
    if missing:
        raise ValueError(f"`previous` must be a SegmentList or what read_record gives; {missing} are missing.")
    same = rows["model"].astype(str) == model if "model" in rows else True
    return rows[(rows["index_date"].astype("datetime64[us]") < index_date) & same]


def last_list(earlier: pd.DataFrame) -> pd.DataFrame:
    """The listed rows of the latest of these lists."""
    listed = earlier[earlier["role"] == "listed"]
    return listed[listed["index_date"] == listed["index_date"].max()] if len(listed) else listed


def find_changes(
    chosen: pd.DataFrame, sight: Sight, last: pd.DataFrame, decided: pd.DataFrame
) -> list[tuple[tuple[str, dict], ...]]:
    """What changed since the last list: (name of the sentence, its values), in reading order; nothing without one."""
    if not len(last) or not len(chosen):
        return [()] * len(chosen)
    since = pd.Timestamp(last["index_date"].iloc[0])
    before = dict(zip(last["person_id"].astype(str), last["risk"], strict=True))
    said: list[list[tuple[str, dict]]] = []
    for row in chosen.to_dict("records"):
        risk = before.get(str(row["person_id"]))
        if risk is None:
            said.append([("new", {"date": since})])
        else:
            kind = "risk" if abs(row["risk"] - risk) >= _CLEAR else "same"
            said.append([(kind, {"date": since} | ({"before": float(risk)} if kind == "risk" else {}))])
    _add_decisions(said, chosen, decided)
    _add_records(said, sight, since)
    return [tuple(own) for own in said]


def _add_decisions(said: list[list], chosen: pd.DataFrame, decided: pd.DataFrame) -> None:
    """The latest decision on each person."""
    latest = decided.sort_values("decision_date", kind="stable").groupby("position").last()
    for own, position in zip(said, chosen["position"], strict=True):
        if position in latest.index and latest.at[position, "decision"]:
            own.append(
                ("decided", {"date": latest.at[position, "decision_date"], "choice": latest.at[position, "decision"]})
            )


def _add_records(said: list[list], sight: Sight, since: pd.Timestamp) -> None:
    """Acute visits and unplanned hospital stays, and services begun or ended, since the last list."""
    cohort = sight.cohort
    days = int(cohort.index_day[0]) - int(np.datetime64(since, "D").astype(int))
    visits, admissions = _acute(sight, days)
    then = Cohort(sight.registers, cohort.person, cohort.index_day - np.int32(days), cohort.attrition)
    services, earlier = current_services(sight), current_services(Sight(then, sight.allowed, sight.rules))
    for at, own in enumerate(said):
        own += [("visits", {"n": visits[at]})] if visits[at] else []
        own += [("admissions", {"n": admissions[at]})] if admissions[at] else []
        changed = [("began", kind) for kind in services[at] if kind not in earlier[at]]
        changed += [("ended", kind) for kind in earlier[at] if kind not in services[at]]
        own += [(name, {"service": kind}) for name, kind in changed if not kind.startswith("inpatient")]


def _acute(sight: Sight, days: int) -> tuple[list[int], list[int]]:
    """Emergency visits, and unplanned hospital stays begun, in the last `days` of every row."""
    registers, found = sight.registers, []
    known = set(registers.coverage_columns.source) & set(sight.allowed)
    kinds = registers.stay_columns.kinds
    builders = [EventCounts("contacts", source=_ACUTE_SOURCE, lookback_days=days)] if _ACUTE_SOURCE in known else [None]
    unplanned = (kinds["kind"] == _ACUTE_STAY) & kinds["source"].isin(sight.allowed)
    builders.append(StayCounts(_ACUTE_STAY, lookback_days=days) if unplanned.any() else None)
    for builder in builders:
        n = np.zeros(len(sight.cohort)) if builder is None else builder.transform(sight.cohort).to_numpy()[:, 0]
        found.append(np.nan_to_num(n).astype(int).tolist())
    return found[0], found[1]
