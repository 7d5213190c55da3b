"""Decisions as they were returned come in; decisions on persons of the registers, and how many came back, go out."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee.exceptions import ServiceneeWarning
from servicenee.lists.choices import CHOICES
from servicenee.lists.decisions import COLUMNS, Decisions, empty_decisions, n_asked, n_decided
from servicenee.registers import Registers


@dataclass(frozen=True, eq=False)
class Decided:
    """Decisions with the `position` of their person, oldest first; and counts for the cover (None without any)."""

    table: pd.DataFrame
    returned: dict[str, int] | None


def place_decisions(decisions, registers: Registers) -> Decided:
    """Find the persons of decisions; those of unknown persons are counted in a warning and left out."""
    if decisions is None:
        return Decided(empty_decisions().assign(position=pd.Series(dtype=np.int64)), None)
    table = decisions.table if isinstance(decisions, Decisions) else decisions
    missing = [name for name in COLUMNS if not isinstance(table, pd.DataFrame) or name not in table]
    if missing:
        raise ValueError(f"`decisions` must be what read_decisions gives; {missing} are missing.")
    ids = pd.Index([str(person) for person in registers.person_ids(slice(None))])
    position = ids.get_indexer(pd.Index(table["person_id"].astype(str)))
    unknown = int((position < 0).sum())
    if unknown:
        warnings.warn(
            f"{unknown} of {len(table)} decisions are on persons who are not in the registers; they change nothing. "
            "Check that the ids came back as they were.",
            ServiceneeWarning,
            stacklevel=3,
        )
    placed = table.assign(position=position, dated=table["decision_date"].notna())[position >= 0]
    placed = placed.assign(decision_date=placed["decision_date"].fillna(_list_dates(placed["list_id"])))
    placed = placed.assign(decision_date=placed["decision_date"].fillna(registers.extract_date))
    placed = placed.sort_values(["position", "decision_date"], kind="stable", ignore_index=True)
    n_rows = decisions.n_rows if isinstance(decisions, Decisions) else len(table)
    return Decided(_without_withdrawn(placed), _returned(table, n_rows))


def _list_dates(list_ids: pd.Series) -> pd.Series:
    """The date that a list id begins with."""
    return pd.to_datetime(list_ids.astype(str).str[:10], format="%Y-%m-%d", errors="coerce")


def _without_withdrawn(placed: pd.DataFrame) -> pd.DataFrame:
    """Leave out objections that were withdrawn later, or on the same day; one without a date may be the newer one."""
    withdrawn = placed[placed["decision_reason"] == "objection_withdrawn"].groupby("position")["decision_date"].max()
    until = withdrawn.reindex(placed["position"]).to_numpy(dtype="datetime64[us]")
    ended = (placed["decision_reason"] == "objected") & placed["dated"] & (placed["decision_date"] <= until)
    return placed[~ended].drop(columns="dated")


def _returned(table: pd.DataFrame, n_rows: int) -> dict[str, int]:
    counts = {name: n_decided(table, name) for name in CHOICES["decision"]}
    return {"rows": int(n_rows), **counts, "coping": n_asked(table)}
