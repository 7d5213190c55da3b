"""Tables come in and are kept, never changed, in the protected folder; all that is kept there goes out."""

import io
import os
from pathlib import Path

import pandas as pd


def write_once(table: pd.DataFrame, path: Path) -> Path:
    """Write a new Parquet file; what is there already is never replaced.

    Raises
    ------
    FileExistsError
        If there is a file of that name.
    """
    # Only the account that writes lists may read what it keeps; a county widens this on purpose.
    path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    if path.exists():
        raise FileExistsError(f"{path.name} is kept already, and what is kept is never written again.")
    memory = io.BytesIO()
    table.to_parquet(memory, index=False, coerce_timestamps="us")
    return replace_file(path, memory.getvalue())


def replace_file(path: Path, data: bytes) -> Path:
    """Write beside the final name first and rename when complete, so that no reader sees half a file."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read_all(folder: Path) -> pd.DataFrame:
    """All files of a folder below each other in order of name, with the column `file`; nothing if there is none."""
    tables = [pd.read_parquet(path).assign(file=path.name) for path in sorted(folder.glob("*.parquet"))]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
