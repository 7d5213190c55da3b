"""The protected folder: lists and calls of the county's system come in; who was listed, and who looked, goes out."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from servicenee.lists.changes import RECORD
from servicenee.lists.protected import read_all, write_once

if TYPE_CHECKING:
    from servicenee.lists.document import SegmentList

ACCESS = ("list_id", "at", "action", "user", "ground", "written_for")
_LISTS, _ACCESS = "lists", "access"
WRITTEN = "written"


def append_list(
    listing: "SegmentList", folder: str | Path, written_by: str, written_for: str, ground: str, written_at=None
) -> str:
    """Append a list to the record, and its writing to the log of access; give its id."""
    at = _moment(written_at)
    rows = listing.record_rows.assign(written_at=at)[list(RECORD)]
    if is_recorded(listing, folder):
        raise FileExistsError(f"list {listing.list_id} is in the record already; a record is never written again.")
    entry = _entry(listing.list_id, at, WRITTEN, written_by, ground, written_for)
    write_once(rows, _place(listing, folder))
    _append_access(folder, entry)
    return listing.list_id


def is_recorded(listing: "SegmentList", folder: str | Path) -> bool:
    """Whether this list, or this part of one, is in the record."""
    return _place(listing, folder).exists()


def _place(listing: "SegmentList", folder: str | Path) -> Path:
    return Path(folder) / _LISTS / f"{listing.list_id}-{_fingerprint(listing)}.parquet"


def read_record(folder: str | Path) -> pd.DataFrame:
    """Who has been listed, held out or drawn for review, on every list in the protected folder.

    Parameters
    ----------
    folder : str or Path
        The folder that `SegmentList.record` was given.

    Returns
    -------
    DataFrame
        list_id, written_at (UTC), index_date, team (the unit), person_id, risk, rank (within the unit, of all who
        could be listed), role ("listed", "held_out" or "review"), model, version, purpose; oldest list first. This is
        what `segment_list` takes as `previous`.

    Examples
    --------
    >>> from servicenee.lists import read_record
    >>> read_record("protected").columns.tolist()[:5]
    ['list_id', 'written_at', 'index_date', 'team', 'person_id']
    """
    rows = read_all(Path(folder) / _LISTS)
    if not len(rows):
        return pd.DataFrame(columns=list(RECORD))
    return rows[list(RECORD)].sort_values(["index_date", "written_at", "list_id"], kind="stable", ignore_index=True)


def log_access(
    folder: str | Path,
    list_id: str,
    *,
    user: str,
    ground: str,
    action: str = "opened",
    written_for: str = "",
    at=None,
) -> None:
    """Append to the log who opened, printed or sent a list, and on what ground: a call for the county's system.

    Parameters
    ----------
    folder : str or Path
        The protected folder.
    list_id : str
        What `SegmentList.record` gave; it stands on every row of the list.
    user : str
        Who looked.
    ground : str
        The task or section of law on which they did.
    action : str, default="opened"
        What they did.
    written_for : str, optional
        Whom a further copy was written for.
    at : date or ISO text, optional
        UTC; by default now.

    Examples
    --------
    >>> from servicenee.lists import log_access, read_access_log
    >>> log_access("protected", "2024-01-01-0123456789", user="coordinator 7", ground="client guidance, Vaasa 2",
    ...            at="2024-01-08 09:00")
    >>> read_access_log("protected")[["action", "user"]].to_numpy().tolist()
    [['opened', 'coordinator 7']]
    """
    _append_access(folder, _entry(list_id, _moment(at), action, user, ground, written_for))


def read_access_log(folder: str | Path) -> pd.DataFrame:
    """Who wrote and opened lists, when and on what ground; oldest first.

    Parameters
    ----------
    folder : str or Path
        The protected folder.

    Returns
    -------
    DataFrame
        list_id, at (UTC), action, user, ground, written_for.

    Examples
    --------
    >>> from servicenee.lists import read_access_log
    >>> len(read_access_log("nothing-here"))
    0
    """
    rows = read_all(Path(folder) / _ACCESS)
    if not len(rows):
        return pd.DataFrame(columns=list(ACCESS))
    return rows[list(ACCESS)].sort_values(["at", "list_id", "action", "user"], kind="stable", ignore_index=True)


def _entry(list_id: str, at: pd.Timestamp, action: str, user: str, ground: str, written_for: str) -> tuple:
    """One line of the log of access, in the order of its columns."""
    needed = {"user": user, "ground": ground, "list_id": list_id, "action": action}
    lacking = [name for name, value in needed.items() if not str(value).strip()]
    if lacking:
        raise ValueError(f"{', '.join(lacking)} must not be empty: the log says who looked at what on which ground.")
    return list_id, at, action, user, ground, written_for


def _append_access(folder: str | Path, entry: tuple) -> None:
    list_id, at, action, user, ground, _ = entry
    place = Path(folder) / _ACCESS
    stem = f"{at:%Y%m%dT%H%M%S}-" + hashlib.sha256("|".join((list_id, action, user, ground)).encode()).hexdigest()[:8]
    same = len(list(place.glob(f"{stem}*.parquet")))
    write_once(pd.DataFrame([entry], columns=list(ACCESS)), place / f"{stem}-{same}.parquet")


def _fingerprint(listing: "SegmentList") -> str:
    """Tells the parts of one list apart, which share its id."""
    return hashlib.sha256("|".join(listing.groups["group"]).encode()).hexdigest()[:6]


def _moment(at) -> pd.Timestamp:
    stamp = pd.Timestamp.now("UTC").tz_localize(None) if at is None else pd.Timestamp(at)
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    return stamp.floor("s").as_unit("us")
