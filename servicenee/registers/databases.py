"""Tables of a database, through any SQLAlchemy engine: read in chunks to the same data frames that files give."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import ge, gt, lt

import numpy as np
import pandas as pd
import pyarrow as pa

from servicenee.registers.arrow import Only, WrongTypeError, what_ids_are
from servicenee.registers.findings import Findings
from servicenee.registers.folders import frame_of, require_columns

_ROWS_PER_CHUNK = 50_000
_IDS_PER_QUERY = 500  # SQLite takes 999 parameters in its older versions


@dataclass(frozen=True)
class Days:
    """A filter that the database applies: rows of `column`, or of what lasts to `until_column`, in [since, until)."""

    column: str
    since: np.datetime64 | None = None
    until: np.datetime64 | None = None
    until_column: str | None = None  # where a row lasts: it stays when it ends after `since`, or is open


class Database:
    """Tables and views of one schema; names go in lower case, however the database spells them."""

    def __init__(self, engine, findings: Findings, *, schema: str | None = None):
        from sqlalchemy import inspect

        self._engine, self._findings, self._schema = engine, findings, schema
        self._inspector = inspect(engine)
        names = [*self._inspector.get_table_names(schema), *self._inspector.get_view_names(schema)]
        self._spelled = {name.lower(): name for name in names}
        self._columns: dict[str, dict[str, tuple[str, object]]] = {}
        self._selectable: dict[str, object] = {}

    def __contains__(self, table: str) -> bool:
        return table in self._spelled

    def file_name(self, table: str) -> str:
        """Name of the table, as messages call it."""
        return table

    def columns(self, table: str) -> list[str]:
        """Column names in the order of the table."""
        return list(self._types(table))

    def refuse_absent(self, table: str, remedy: str = "Add it.") -> None:
        """An error that says the table is not there."""
        place = f"schema {self._schema!r}" if self._schema else "default schema"
        self._findings.error(f"{table}: there is no such table or view in the {place} of the database. {remedy}")

    def require(self, table: str, columns: Iterable[str]) -> bool:
        """True when the table has these columns; an error that names those it lacks."""
        return require_columns(self.columns(table), columns, table, self._findings)

    def read(
        self,
        table: str,
        holds: Mapping[str, str | None],
        ids: str | None = None,
        *,
        only: Only | None = None,
        days: Days | None = None,
    ) -> pd.DataFrame:
        """Those of the columns that the table has, as `Folder.read` gives them; `days` keeps rows of a time only."""
        wanted = [name for name in self.columns(table) if name in holds]
        if not wanted:
            return pd.DataFrame()
        return frame_of(self._arrow(table, wanted, only, days), table, holds, ids, self._findings)

    def distinct(self, table: str, column: str) -> pa.ChunkedArray:
        """The distinct values of a column; none where the table has no such column."""
        if column not in self.columns(table):
            return pa.chunked_array([], pa.null())
        chosen = self._select(table, [column]).distinct()
        return self._fetch(table, [chosen], [column]).column(column)

    def ids_of(self, table: str) -> str | None:
        """What the person ids of this table are, so that those of the others can be read alike."""
        if "person_id" not in self.columns(table):
            return None
        try:
            return what_ids_are(self.distinct(table, "person_id"), typed=True)
        except (WrongTypeError, pa.ArrowInvalid):
            return None  # reading the column tells what is wrong with it

    def _types(self, table: str) -> dict[str, tuple[str, object]]:
        """Spelling and type of every column."""
        if table not in self._columns:
            found = self._inspected(table)
            self._columns[table] = {column["name"].lower(): (column["name"], column["type"]) for column in found}
        return self._columns[table]

    def _inspected(self, table: str) -> list[dict]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return self._inspector.get_columns(self._spelled[table], self._schema)
        except SQLAlchemyError as error:
            self._refuse(table, error)
            return []

    def _refuse(self, table: str, error: Exception) -> None:
        """An error that names the kind of the fault only: its text may hold values."""
        self._findings.error(f"{table}: the database could not give it ({type(error).__name__}). Try the query there.")

    def _arrow(self, table: str, columns: list[str], only: Only | None, days: Days | None) -> pa.Table:
        selected = self._select(table, columns)
        if days is not None:
            selected = selected.where(*self._conditions(table, days))
        if only is None:
            return self._fetch(table, [selected], columns)
        column, listed = self._column(table, only.column), only.values.tolist()
        starts = range(0, len(listed), _IDS_PER_QUERY)
        parts = (selected.where(column.in_(listed[start : start + _IDS_PER_QUERY])) for start in starts)
        return self._fetch(table, parts, columns)

    def _select(self, table: str, columns: list[str]):
        from sqlalchemy import select

        return select(*[self._column(table, name) for name in columns])

    def _column(self, table: str, name: str):
        """The column, typed so that the driver gives numbers as float and SQLite its texts as they are."""
        import sqlalchemy as sa

        spelled, kind = self._types(table)[name]
        if table not in self._selectable:
            known = [sa.column(*column) for column in self._types(table).values()]
            self._selectable[table] = sa.table(self._spelled[table], *known, schema=self._schema)
        column = self._selectable[table].c[spelled]
        if isinstance(kind, sa.Numeric | sa.Float):
            return sa.type_coerce(column, sa.Float()).label(spelled)
        if self._is_text_date(kind):
            return sa.type_coerce(column, sa.String()).label(spelled)
        return column

    def _is_text_date(self, kind) -> bool:
        """SQLite has no dates: it holds text, which is checked here like that of a CSV file."""
        import sqlalchemy as sa

        return self._engine.dialect.name == "sqlite" and isinstance(kind, sa.Date | sa.DateTime)

    def _conditions(self, table: str, days: Days) -> list:
        """Conditions of the query; a row without a readable date passes, so that it is counted and not lost here."""
        from sqlalchemy import func, or_

        def within(name: str, day: np.datetime64, compare):
            column, moment = self._column(table, name), day.astype("datetime64[us]").item()
            if self._is_text_date(self._types(table)[name][1]):
                return or_(func.date(column).is_(None), compare(column, moment.strftime("%Y-%m-%d")))
            return or_(column.is_(None), compare(column, moment))

        conditions = []
        if days.until is not None:
            conditions.append(within(days.column, days.until, lt))
        if days.since is not None and days.until_column is None:
            conditions.append(within(days.column, days.since, ge))
        if days.since is not None and days.until_column is not None:
            conditions.append(within(days.until_column, days.since, gt))
        return conditions

    def _fetch(self, table: str, queries: Iterable, columns: list[str]) -> pa.Table:
        """Rows of the queries below each other; an error and no rows when the database cannot give them."""
        from sqlalchemy.exc import SQLAlchemyError

        kinds = [self._arrow_type(self._types(table)[name][1]) for name in columns]
        chunks: list[list[pa.Array]] = [[] for _ in columns]
        try:
            for rows in self._rows(queries):
                for chunk, values, kind in zip(chunks, zip(*rows, strict=True), kinds, strict=True):
                    chunk.append(_array(values, kind))
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            self._refuse(table, error)
            chunks = [[] for _ in columns]
        stacked = [_below_each_other(chunk, kind) for chunk, kind in zip(chunks, kinds, strict=True)]
        return pa.table(dict(zip(columns, stacked, strict=True)))

    def _rows(self, queries: Iterable) -> Iterator[list]:
        with self._engine.connect() as connection:
            connection = connection.execution_options(stream_results=True, max_row_buffer=_ROWS_PER_CHUNK)
            for query in queries:
                yield from connection.execute(query).partitions(_ROWS_PER_CHUNK)

    def _arrow_type(self, kind) -> pa.DataType | None:
        """What values of a column of the database become; None to take them as they come."""
        import sqlalchemy as sa

        if isinstance(kind, sa.String) or self._is_text_date(kind):
            return pa.string()
        if isinstance(kind, sa.Boolean):
            return pa.bool_()
        if isinstance(kind, sa.Integer):
            return pa.int64()
        if isinstance(kind, sa.Numeric | sa.Float):
            return pa.float64()
        if isinstance(kind, sa.Date | sa.DateTime):
            return pa.timestamp("us", tz="UTC" if getattr(kind, "timezone", False) else None)
        return None


def is_engine(source) -> bool:
    """True for an SQLAlchemy engine, told without importing SQLAlchemy."""
    return hasattr(source, "connect") and hasattr(source, "dialect")


def _array(values: tuple, kind: pa.DataType | None) -> pa.Array:
    """Values as Arrow; as text where they are not what the column of the database says, which SQLite allows."""
    try:
        array = pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError):
        array = pa.array([None if value is None else str(value) for value in values], pa.string())
    return array.dictionary_encode() if pa.types.is_string(array.type) else array


def _below_each_other(chunks: list[pa.Array], kind: pa.DataType | None) -> pa.ChunkedArray:
    if not chunks:
        return pa.chunked_array([], kind or pa.null())
    types = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)}
    if len(types) == 1:
        return pa.chunked_array([chunk.cast(*types) for chunk in chunks])
    if len(types) > 1:
        chunks = [chunk.cast(pa.string()) for chunk in chunks]
    return pa.chunked_array(chunks)
