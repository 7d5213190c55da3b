"""What was found in the tables and what was done about it: collected row by row of a small table, never row of data."""

import numpy as np
import pandas as pd

from servicenee.exceptions import RegisterError

COLUMNS = ("fault", "table", "column", "n", "n_rows", "share", "action", "first_rows")
ACCOUNT = ("table", "delivered", "unchanged", "repaired", "set_aside")
_COLUMN_FACTOR = 5  # a value lost costs less than a row lost: 1 % of rows, 5 % of a column


def effect_of(action: str) -> str:
    """What an action does to a row: "set aside", "kept" as it is, or "repaired"."""
    return next((effect for effect in ("set aside", "kept") if action.startswith(effect)), "repaired")


class Findings:
    """Collects findings while tables are read; errors are raised together, the rest becomes a table.

    An action that begins with "set aside" costs the row, one that begins with "kept" leaves it as it is, any other
    mends a value. A limited finding is an error from `tolerance` of the rows on when it costs rows, from five times as
    much when it costs values.
    """

    def __init__(self, tolerance: float):
        self.tolerance = tolerance
        self._rows: list[tuple] = []
        self._errors: list[str] = []
        self._delivered: dict[str, int] = {}
        self._unread: dict[str, int] = {}
        self._touched: dict[tuple[str, str], list[np.ndarray]] = {}

    def error(self, message: str) -> None:
        """A fault the registers cannot be used with; told once, however often it is met."""
        if message not in self._errors:
            self._errors.append(message)

    def deliver(self, table: str, n_rows: int) -> None:
        """Note how many rows a table came with, for the account."""
        self._delivered[table] = n_rows

    def add(self, table: str, column: str, fault: str, bad: np.ndarray, action: str, *, limited: bool = False) -> None:
        """Count the rows marked in `bad`; when `limited`, more than the tolerated share of them is an error."""
        self.add_rows(table, column, fault, np.flatnonzero(bad), len(bad), action, limited=limited)

    def add_rows(self, table: str, column: str, fault: str, rows, n_rows: int, action: str, *, limited: bool) -> None:
        """Count these rows of `n_rows`, like `add`."""
        if not len(rows):
            return
        effect = effect_of(action)
        self._touched.setdefault((table, effect), []).append(np.asarray(rows, dtype=np.int64))
        share = len(rows) / n_rows
        first = ", ".join(str(row) for row in rows[:3])
        self._rows.append((fault, table, column, len(rows), n_rows, share, action, first))
        tolerated = min(1.0, self.tolerance * (1 if effect == "set aside" else _COLUMN_FACTOR))
        if limited and share > tolerated:
            place = f"{table}, {column}" if "." in table else f"{table}.{column}"  # of a file, of a table
            self.error(
                f"{place}: {fault} in {len(rows)} of {n_rows} rows ({share:.1%}), first at rows {first}; "
                f"at most {tolerated:.0%} is tolerated. Mend the extract, or raise `tolerance` knowingly."
            )

    def add_unread(self, table: str, fault: str, rows, n_rows: int) -> None:
        """Count lines of a file that make no row of its table; they have no number among the rows that were read."""
        self.add_rows(table, "all columns", fault, rows, n_rows, "set aside", limited=True)
        self._touched[table, "set aside"].pop()
        self._unread[table] = len(rows)

    def observe(self, table: str, column: str, fault: str, n: int, n_all: int, action: str, first: str = "") -> None:
        """Note what concerns no single row, such as weeks without any: `n` of `n_all`, and where it is seen first."""
        if n:
            self._rows.append((fault, table, column, n, n_all, n / n_all, action, first))

    @property
    def errors(self) -> list[str]:
        """Faults found so far."""
        return list(self._errors)

    def raise_errors(self) -> None:
        """Raise one error that lists every fault found so far."""
        if self._errors:
            raise RegisterError(self._errors)

    def frame(self) -> pd.DataFrame:
        """One line per finding, in the order of the checks."""
        return pd.DataFrame(self._rows, columns=list(COLUMNS))

    def account(self) -> pd.DataFrame:
        """What became of the rows of every table: delivered = unchanged + repaired + set aside."""
        lines = []
        for table, read in self._delivered.items():
            delivered = read + self._unread.get(table, 0)
            lost, mended = (self._distinct(table, effect) for effect in ("set aside", "repaired"))
            mended = np.setdiff1d(mended, lost, assume_unique=True)
            n_lost = len(lost) + self._unread.get(table, 0)
            lines.append((table, delivered, delivered - n_lost - len(mended), len(mended), n_lost))
        return pd.DataFrame(lines, columns=list(ACCOUNT))

    def _distinct(self, table: str, effect: str) -> np.ndarray:
        touched = self._touched.get((table, effect))
        return np.unique(np.concatenate(touched)) if touched else np.zeros(0, dtype=np.int64)


class Tally:
    """Findings of a table that is read block by block: the rows of every fault are gathered, then reported once."""

    def __init__(self, findings: Findings, n_rows: int):
        self.start = 0  # row of the table at which the present block begins
        self._findings, self._n_rows = findings, n_rows
        self._gathered: dict[tuple, list[np.ndarray]] = {}

    def add(self, table: str, column: str, fault: str, bad: np.ndarray, action: str, *, limited: bool = False) -> None:
        """Gather the rows marked in `bad`, counted from the beginning of the block."""
        rows = self._gathered.setdefault((table, column, fault, action, limited), [])
        if bad.any():
            rows.append(np.flatnonzero(bad) + self.start)

    def report(self) -> None:
        """Hand everything over to the findings, in the order of the checks."""
        for (table, column, fault, action, limited), rows in self._gathered.items():
            found = np.concatenate(rows) if rows else []
            self._findings.add_rows(table, column, fault, found, self._n_rows, action, limited=limited)
