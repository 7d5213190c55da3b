"""The errors and the warning that servicenee raises besides ValueError and TypeError."""


class RegisterError(ValueError):
    """Register tables that cannot be used as they stand; the message lists every finding at once.

    Parameters
    ----------
    findings : list of str
        One sentence per finding: table, column, how many of how many, first row numbers, remedy.

    Examples
    --------
    >>> from servicenee.exceptions import RegisterError
    >>> print(RegisterError(["events.time: missing. Add the column."]))
    1 finding in the registers:
    - events.time: missing. Add the column.
    """

    def __init__(self, findings: list[str]):
        self.findings = list(findings)
        noun = "finding" if len(self.findings) == 1 else "findings"
        lines = "\n".join(f"- {finding}" for finding in self.findings)
        super().__init__(f"{len(self.findings)} {noun} in the registers:\n{lines}")

    def __reduce__(self):
        return type(self), (self.findings,)


class LeakageError(ValueError):
    """Something at or after an index date reached a feature, or training dates reach into a test."""


class ModelError(ValueError):
    """A saved model that is refused: changed bytes, untrusted types, unsupported versions, wrong columns."""


class ServiceneeWarning(UserWarning):
    """A result that stands, with a caveat the reader should know."""
