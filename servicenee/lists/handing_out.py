"""A finished list comes in; its file and its place in the record, or neither, go out."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from servicenee.lists.record import WRITTEN, is_recorded, log_access

if TYPE_CHECKING:
    from servicenee.lists.document import SegmentList

_ENDINGS = {".xlsx": "to_excel", ".html": "to_html", ".csv": "to_csv"}


def write_list(listing: "SegmentList", path: str | Path, key: str | Path | None = None) -> Path:
    """Write the list in the format that the ending of the file asks for."""
    ending = Path(path).suffix.lower()
    if ending not in _ENDINGS:
        raise ValueError(f"the list must be a file ending in {', '.join(_ENDINGS)}; got {ending!r}.")
    return getattr(listing, _ENDINGS[ending])(path, key=key)


def hand_out(
    listing: "SegmentList", path: str | Path, folder: str | Path, *, key: str | Path | None = None, **written: str
) -> str:
    """Write the list, record it, and only then give the file its name; a run that failed can be run again.

    `written` is what `SegmentList.record` asks for: written_by, written_for, ground. A list that is in the record
    already, because an earlier run got no further or because somebody needs another copy, is not recorded again: the
    log of access tells that it was written once more.
    """
    path = Path(path)
    unnamed = path.with_name(f".unrecorded.{path.name}")
    try:
        write_list(listing, unnamed, key)
        if is_recorded(listing, folder):
            log_access(folder, listing.list_id, user=written.pop("written_by"), action=WRITTEN, **written)
        else:
            listing.record(folder, **written)
        os.replace(unnamed, path)
    finally:
        unnamed.unlink(missing_ok=True)
    return listing.list_id
