"""Candidates, registers and earlier decisions come in; who must not be listed, and why, goes out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee.codes import as_codelist
from servicenee.registers import Registers
from servicenee.windows import Window, chosen_events, in_stay, seen_events

LISTED_BEFORE = "listed_before"


@dataclass(frozen=True)
class Exclusions:
    """The first exclusion that applies to each candidate ("" for none), and the rules that could not be checked."""

    of: np.ndarray
    names: tuple[str, ...]
    unchecked: tuple[str, ...]


def find_exclusions(
    found: pd.DataFrame,
    registers: Registers,
    rules: list[dict[str, str]],
    allowed: tuple[str, ...],
    decided: pd.DataFrame,
    outcome,
) -> Exclusions:
    """Check every rule as things stood on the extract date: a list is for contacting people now.

    `found` has one row per candidate with position, risk, death_date and registered_to; `decided` one row per decision
    with position, decision, decision_reason and decision_date; `allowed` names the sources that may be looked at.
    """
    first = np.full(len(found), "", dtype=object)
    unchecked = []
    for rule in rules:
        applies = _applies(rule, found, registers, allowed, decided, outcome)
        if applies is None:
            unchecked.append(rule["exclusion"])
            continue
        first[applies & (first == "")] = rule["exclusion"]
    names = tuple(dict.fromkeys(rule["exclusion"] for rule in rules))
    return Exclusions(first, names, tuple(dict.fromkeys(unchecked)))


def _applies(rule, found, registers, allowed, decided, outcome) -> np.ndarray | None:
    looks_at, days = rule["looks_at"], int(rule["days"]) if rule["days"] else None
    if looks_at == "persons":
        return _of_person(rule["codes"], found, registers.extract_date)
    if looks_at == "scores":
        return found["risk"].isna().to_numpy()
    if looks_at == "decisions":
        return _decided(rule["codes"], days, found, decided, registers.extract_date)
    if looks_at == "events":
        return _recorded(rule["codes"], days, found, registers, allowed)
    codes = rule["codes"].split() if looks_at == "stays" else _service_of(outcome)
    return _in_stay(codes, found, registers, allowed)


def _of_person(code: str, found: pd.DataFrame, extract_date: pd.Timestamp) -> np.ndarray:
    """Dead or moved away by the time of writing, whenever that happened."""
    if code == "dead":
        return found["death_date"].notna().to_numpy()
    return (found["registered_to"].notna() & (found["registered_to"] <= extract_date)).to_numpy()


def _decided(
    codes: str, days: int | None, found: pd.DataFrame, decided: pd.DataFrame, extract_date: pd.Timestamp
) -> np.ndarray:
    """A decision that fits, made no more than so many days ago; codes are "decision", "decision/reason", "*/reason"."""
    fits = [_fits(codes, *pair) for pair in zip(decided["decision"], decided["decision_reason"], strict=True)]
    chosen = decided[np.array(fits, dtype=bool)]
    if days is not None:
        chosen = chosen[chosen["decision_date"] > extract_date - pd.Timedelta(days=days)]
    return found["position"].isin(chosen["position"]).to_numpy()


def _fits(codes: str, decision: str, reason: str) -> bool:
    own = {decision, f"{decision}/{reason}", f"*/{reason}"}
    listed = codes.split()
    taken_out = {code.removeprefix("!") for code in listed if code.startswith("!")}
    return bool(own & set(listed)) and not own & taken_out


def _recorded(
    codes: str, days: int | None, found: pd.DataFrame, registers: Registers, allowed: tuple[str, ...]
) -> np.ndarray | None:
    events = registers.event_columns
    chosen = as_codelist(codes.split()).matches_kinds(events.kinds)
    permitted = chosen & events.kinds["source"].isin(allowed).to_numpy()
    if not permitted.any():
        return None if chosen.any() else np.zeros(len(found), dtype=bool)
    person, day = _where(found, registers)
    few = chosen_events(events, permitted, person)
    row, _ = seen_events(few, person, day, Window(days))
    return np.bincount(row, minlength=len(found)) > 0


def _service_of(outcome) -> list[str]:
    """Stays of the service whose start is the outcome; nothing for other outcomes."""
    definition = outcome.definition
    if definition.kind != "starts" or definition.codes is None:
        return []
    rows = definition.codes.frame()
    return [f"stay:{prefix}" for prefix in rows.loc[rows["code_system"] == "stay", "prefix"]]


def _in_stay(
    codes: list[str], found: pd.DataFrame, registers: Registers, allowed: tuple[str, ...]
) -> np.ndarray | None:
    stays = registers.stay_columns
    wanted = [code.removeprefix("stay:").removeprefix("=") for code in codes]
    chosen = stays.kinds["kind"].isin(wanted).to_numpy()
    permitted = chosen & stays.kinds["source"].isin(allowed).to_numpy()
    if not permitted.any():
        return None if chosen.any() else np.zeros(len(found), dtype=bool)
    person, day = _where(found, registers)
    return in_stay(stays, permitted[stays.kind], person, day, seen=True)


def _where(found: pd.DataFrame, registers: Registers) -> tuple[np.ndarray, np.ndarray]:
    return found["position"].to_numpy(np.int32), np.full(len(found), registers.extract_day, dtype=np.int32)
