"""Stays as delivered, to columns sorted by person and start; ends that cannot be are mended and counted."""

import numpy as np
import pandas as pd

from servicenee.registers.findings import Findings
from servicenee.registers.kinds import TextCodes
from servicenee.registers.ordering import Rows, first_rows
from servicenee.registers.placing import NEVER, available_dates, count_repeats, placed, repeats, take
from servicenee.registers.reading import PLACEHOLDER, is_sentinel, is_unknown, person_finder, read_dates, to_days
from servicenee.registers.tables import FAR_FUTURE, PersonColumns, StayColumns, read_only

_SWAP_DAYS = 3  # an end this little before its start is a swap of the two; a larger gap is an unknown end


def build_stays(frame: pd.DataFrame, persons: PersonColumns, extract_day: int, findings: Findings) -> StayColumns:
    """Stay columns in canonical order: person, start, end, kind."""
    starts, ends = read_dates(frame, "start"), read_dates(frame, "end").copy()
    missing = is_unknown(starts)
    placeholder = is_sentinel(ends)
    findings.add("stays", "end", PLACEHOLDER, placeholder, "taken as open")
    ends[placeholder] = np.datetime64("NaT", "us")
    every, texts = slice(0, len(frame)), TextCodes(frame, ("source", "kind", "unit"))
    for name, action in (("source", "set aside"), ("kind", "kept with empty text")):
        findings.add("stays", name, "missing", texts.missing(name, every), action, limited=name == "source")
    start = to_days(np.where(missing, np.datetime64("NaT", "us"), starts), np.int32(0))
    rows: Rows = {
        "person": person_finder(frame, persons.ids)(every),
        "start": start,
        "end": to_days(ends, FAR_FUTURE),
        "kind": texts.pack(every),
        "available": np.full(len(frame), NEVER),
    }
    if "available_at" in frame.columns:
        rows["available"] = to_days(available_dates(read_dates(frame, "available_at"), "stays", findings), NEVER)
    unusable = texts.missing("source", every), missing, ~missing & (start > extract_day)
    keep = placed(("stays", "start"), rows["person"], start, unusable, persons, findings)
    _mend_ends(rows, keep & (rows["end"] < rows["start"]), findings)
    kept = np.flatnonzero(keep)
    rows = take(rows, kept)
    texts.note(rows["kind"])
    rows["kind"], kinds = texts.kinds(rows["kind"])
    order = np.lexsort((rows["available"], rows["kind"], rows["end"], rows["start"], rows["person"]))
    rows = take(rows, order)
    repeated = repeats(rows, np.arange(1, len(kept)), ("person", "start", "kind", "end"))
    count_repeats("stays", repeated, len(frame), (order, kept), findings)
    rows = take(rows, np.delete(np.arange(len(kept)), repeated))
    first = first_rows(rows["person"], len(persons))
    read_only(first, rows["start"], rows["end"], rows["kind"])
    lag_days = np.zeros(len(kinds), dtype=np.int32)
    available = rows["available"]
    return StayColumns(first, rows["start"], rows["end"], rows["kind"], available, available, kinds, lag_days)


def _mend_ends(rows: Rows, backwards: np.ndarray, findings: Findings) -> None:
    gap = rows["start"].astype(np.int64) - rows["end"]
    swapped = backwards & (gap <= _SWAP_DAYS)
    unknown = backwards & (gap > _SWAP_DAYS)
    findings.add("stays", "end", f"up to {_SWAP_DAYS} days before start", swapped, "start and end swapped")
    findings.add("stays", "end", f"more than {_SWAP_DAYS} days before start", unknown, "taken as a stay of no nights")
    start = rows["start"][swapped]
    rows["start"][swapped] = rows["end"][swapped]
    rows["end"][swapped] = start
    rows["end"][unknown] = rows["start"][unknown]
