"""The errors and the warning that servicenee raises besides ValueError and TypeError; and what may be told of any."""

import opcode
import traceback


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


def plain_reason(error: Exception) -> str:
    """What went wrong, without a value of a row: our own words, or the class of a foreign error and where it met us.

    The text of a foreign error may hold a birth date or an id ("could not convert string to float: ..."); of those only
    errors of files and of missing packages are passed on as they are.

    Examples
    --------
    >>> from servicenee.exceptions import plain_reason
    >>> plain_reason(RegisterError(["events.time: missing.", "stays.end: missing."]))
    'events.time: missing. stays.end: missing.'
    >>> plain_reason(KeyError("010140-123A"))
    'KeyError. Please report it with this line'
    """
    if isinstance(error, RegisterError):
        return " ".join(error.findings)
    if isinstance(error, LeakageError | ModelError | OSError | ImportError) or _is_raised_by_us(error):
        return str(error)
    ours = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_ours(frame)]
    place = f" in {ours[-1][0].f_globals['__name__']}, line {ours[-1][1]}" if ours else ""
    return f"{type(error).__name__}{place}. Please report it with this line"


def _is_raised_by_us(error: Exception) -> bool:
    """Whether a `raise` of ours made the error, and not something that our code called."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    # What is written in C leaves no frame of its own: only the instruction tells `raise` from a call.
    return (
        last is not None
        and _is_ours(last.tb_frame)
        and last.tb_frame.f_code.co_code[last.tb_lasti] == opcode.opmap["RAISE_VARARGS"]
    )


def _is_ours(frame) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] == "servicenee"
