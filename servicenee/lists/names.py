"""The key file comes in at the moment of writing; names by person id go out, and are kept nowhere."""

from pathlib import Path

import pandas as pd

from servicenee.lists.returned import separated_rows


def read_names(key: str | Path | None) -> dict[str, str] | None:
    """Name of each person id as text; None without a key file."""
    if key is None:
        return None
    path = Path(key)
    readers = {".csv": _csv, ".xlsx": _excel, ".parquet": pd.read_parquet}
    if path.suffix.lower() not in readers:
        raise ValueError(f"`key` must end in .csv, .xlsx or .parquet; got {path.suffix!r}.")
    table = readers[path.suffix.lower()](path)
    missing = [name for name in ("person_id", "name") if name not in table]
    if missing:
        raise ValueError(f"`key` must have the columns person_id and name; {missing} are missing.")
    ids = table["person_id"].map(lambda person: "" if pd.isna(person) else str(person).strip())
    repeated = int(ids.duplicated().sum())
    if repeated:
        raise ValueError(f"`key` must name each person once; {repeated} of {len(ids)} rows repeat an id.")
    names = table["name"].map(lambda name: "" if pd.isna(name) else str(name).strip())
    return dict(zip(ids, names, strict=True))


def _csv(path: Path) -> pd.DataFrame:
    header, *rows = separated_rows(path) or [[]]
    columns = [name.strip() for name in header]
    width = len(columns)
    even = [[*row, *[""] * width][:width] for row in rows if row]  # Excel leaves empty cells at the end away
    return pd.DataFrame(even, columns=columns, dtype=object)


def _excel(path: Path) -> pd.DataFrame:
    return pd.read_excel(path, dtype=object)
