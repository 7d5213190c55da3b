"""The register tables of a database, read in chunks and filtered there by date, to `Registers`."""

from dataclasses import replace

import numpy as np

from servicenee._checks import check_dates, check_fraction
from servicenee.registers.core import Registers
from servicenee.registers.databases import Database, Days, is_engine
from servicenee.registers.findings import Findings
from servicenee.registers.folders import assembled
from servicenee.registers.schema import TABLES

_TIMES = {"events": ("time", None), "stays": ("start", "end"), "requests": ("requested", None)}


def read_sql(
    engine,
    *,
    schema: str | None = None,
    since=None,
    until=None,
    duplicates: str = "drop",
    tolerance: float = 0.01,
) -> Registers:
    """Read registers from the tables of a database.

    Parameters
    ----------
    engine : SQLAlchemy engine
        Database with tables or views `persons` and `events`, and optionally `stays`, `requests` and `coverage`, with
        the columns of `Registers`.
    schema : str, optional
        Schema of the tables; by default that of the connection.
    since : date or ISO text, optional
        First day wanted: events and requests before it stay in the database, and so do stays that ended before it.
    until : date or ISO text, optional
        First day no longer wanted, which becomes the extract date; by default the day after the last date in the
        tables.
    duplicates : {"drop", "keep"}, default="drop"
        What becomes of events that repeat another exactly.
    tolerance : float, default=0.01
        Share of a table's rows that may be set aside before the registers are refused; of a column's values, five
        times as much may be unreadable.

    Returns
    -------
    Registers
        With `since`, the coverage of every source starts there at the earliest, so that a lookback window that reaches
        further back is missing, not empty.

    Raises
    ------
    RegisterError
        If tables or columns are missing or hold something else; the message lists all faults, by table and column.

    Notes
    -----
    Rows come in chunks of 50,000 through a cursor on the server, where the driver has one. The filters are part of the
    query, so that an index on the time is used. SQLite has no dates: its texts must be ISO (2021-12-31).

    Examples
    --------
    >>> import sqlalchemy
    >>> from servicenee import make_registers, read_sql
    >>> registers = make_registers(50, random_state=0)
    >>> engine = sqlalchemy.create_engine("sqlite://")
    >>> for name in ("persons", "events", "stays", "coverage"):
    ...     _ = getattr(registers, name).to_sql(name, engine, index=False)
    >>> repr(read_sql(engine, until=registers.extract_date)) == repr(registers)
    True
    """
    if not is_engine(engine):
        raise ValueError(f"`engine` must be an SQLAlchemy engine; got {type(engine).__name__}. Use create_engine(url).")
    first, end = (_day(name, value) for name, value in (("since", since), ("until", until)))
    if first is not None and end is not None and first >= end:
        raise ValueError(f"`since` must be before `until`; got {first} and {end}.")
    findings = Findings(check_fraction("tolerance", tolerance))
    database = Database(engine, findings, schema=schema)
    for table in [table for table in ("persons", "events") if table not in database]:
        database.refuse_absent(table)
    findings.raise_errors()
    ids = database.ids_of("persons")
    tables = {}
    for name in [name for name in TABLES if name in database]:
        holds = {column: what.holds for column, what in TABLES[name].items()}
        if name in ("persons", "requests"):
            holds |= dict.fromkeys([column for column in database.columns(name) if column not in holds])
        tables[name] = database.read(name, holds, ids, days=_wanted(database, name, first, end))
    registers = assembled(tables, findings, extract_date=end, duplicates=duplicates)
    return registers if first is None else _covered_since(registers, first)


def _day(name: str, value) -> np.datetime64 | None:
    if value is None:
        return None
    days = check_dates(name, value)
    if len(days) != 1:
        raise ValueError(f"`{name}` must be one date; got {len(days)}.")
    return days[0]


def _wanted(database: Database, table: str, since: np.datetime64 | None, until: np.datetime64 | None) -> Days | None:
    """The filter by date; none for a table without the columns, of which reading tells."""
    start, end = _TIMES.get(table, (None, None))
    present = database.columns(table)
    if start not in present or (since is None and until is None):
        return None
    return Days(start, since, until, until_column=end if end in present else None)


def _covered_since(registers: Registers, first: np.datetime64) -> Registers:
    """The registers with a coverage that does not promise what was not read."""
    coverage = registers.coverage_columns
    from_day = np.maximum(coverage.from_day, first.astype(np.int32)).astype(np.int32)
    return registers.replaced(coverage_columns=replace(coverage, from_day=from_day))
