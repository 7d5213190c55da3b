"""The limits of the monitor as data rows in; numbers by name out."""

from functools import cache
from importlib.resources import files

import pandas as pd


def monitor_limits() -> pd.DataFrame:
    """Limits beyond which the monitor reports a finding, with the reason for each.

    Returns
    -------
    DataFrame
        name, value, note.

    Examples
    --------
    >>> from servicenee.monitoring import monitor_limits
    >>> float(monitor_limits().set_index("name").loc["psi", "value"])
    0.1
    """
    return _read().copy()


def limit(name: str) -> float:
    """One limit by its name."""
    return _values()[name]


@cache
def _values() -> dict[str, float]:
    table = _read()
    return dict(zip(table["name"], table["value"].astype(float).tolist(), strict=True))


@cache
def _read() -> pd.DataFrame:
    with (files("servicenee.monitoring") / "limits.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream)
