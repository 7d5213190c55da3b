"""What was found in the tables and what was done about it: collected row by row of a small table, never row of data."""

import numpy as np
import pandas as pd

from servicenee.exceptions import RegisterError

COLUMNS = ("table", "column", "rule", "n", "n_rows", "share", "first_rows", "action")


class Findings:
    """Collects findings while tables are read; errors are raised together, the rest becomes a table."""

    def __init__(self, tolerance: float):
        self.tolerance = tolerance
        self._rows: list[tuple] = []
        self._errors: list[str] = []

    def error(self, message: str) -> None:
        """A fault the registers cannot be used with."""
        self._errors.append(message)

    def add(self, table: str, column: str, rule: str, bad: np.ndarray, action: str, *, limited: bool = False) -> None:
        """Count the rows marked in `bad`; when `limited`, more than the tolerated share of them is an error."""
        self.add_rows(table, column, rule, np.flatnonzero(bad), len(bad), action, limited=limited)

    def add_rows(self, table: str, column: str, rule: str, rows, n_rows: int, action: str, *, limited: bool) -> None:
        """Count these rows of `n_rows`, like `add`."""
        if not len(rows):
            return
        share = len(rows) / n_rows
        first = ", ".join(str(row) for row in rows[:3])
        self._rows.append((table, column, rule, len(rows), n_rows, share, first, action))
        if limited and share > self.tolerance:
            place = f"{table}, {column}" if "." in table else f"{table}.{column}"  # of a file, of a table
            self.error(
                f"{place}: {rule} in {len(rows)} of {n_rows} rows ({share:.1%}), first at rows {first}; "
                f"at most {self.tolerance:.0%} is tolerated. Mend the extract, or raise `tolerance` knowingly."
            )

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


class Tally:
    """Findings of a table that is read block by block: the rows of every rule are gathered, then reported once."""

    def __init__(self, findings: Findings, n_rows: int):
        self.start = 0  # row of the table at which the present block begins
        self._findings, self._n_rows = findings, n_rows
        self._gathered: dict[tuple, list[np.ndarray]] = {}

    def add(self, table: str, column: str, rule: str, bad: np.ndarray, action: str, *, limited: bool = False) -> None:
        """Gather the rows marked in `bad`, counted from the beginning of the block."""
        rows = self._gathered.setdefault((table, column, rule, action, limited), [])
        if bad.any():
            rows.append(np.flatnonzero(bad) + self.start)

    def report(self) -> None:
        """Hand everything over to the findings, in the order of the checks."""
        for (table, column, rule, action, limited), rows in self._gathered.items():
            found = np.concatenate(rows) if rows else []
            self._findings.add_rows(table, column, rule, found, self._n_rows, action, limited=limited)
