"""Finnish personal identity codes: recognised and refused as person ids; keyed pseudonyms in their place."""

import hmac
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from servicenee.registers.findings import Findings

# Day, month, year; sign of the century (new ones since 2023: Act 661/2009 as amended, decree 128/2010); a number of
# three digits, 900 and over for temporary codes; check character.
_SHAPE = r"(?i)^\s*(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d\d[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]\s*$"
_CHECK = "0123456789ABCDEFHJKLMNPRSTUVWXY"  # the nine digits as one number, modulo 31
_TEMPORARY_FROM = 900
_SHORTEST_KEY = 16  # bytes
_DIGITS = 20  # hexadecimal digits of a pseudonym: 80 bits
_VARIABLE = "SERVICENEE_PSEUDONYM_KEY"


class PseudonymKey:
    """A secret from which pseudonyms are made; read from a file or the environment, never shown and never stored.

    Made by `pseudonym_key`. Printing it shows nothing, and it refuses to be pickled.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes):
        self._secret = secret

    def digest(self, text: str) -> str:
        """Pseudonym of one id."""
        return "p" + hmac.digest(self._secret, text.encode(), "sha256").hex()[:_DIGITS]

    def __repr__(self) -> str:
        return "PseudonymKey(hidden)"

    def __reduce__(self):
        raise TypeError("a PseudonymKey is not stored. Read it again with pseudonym_key where it is needed.")


def pseudonym_key(path=None, *, variable: str = _VARIABLE) -> PseudonymKey:
    """Read the key that `pseudonymise` needs from a file, or else from an environment variable.

    Parameters
    ----------
    path : str or path, optional
        File that holds the key and nothing else; spaces and line ends around it do not count.
    variable : str, default="SERVICENEE_PSEUDONYM_KEY"
        Environment variable that holds the key when there is no `path`.

    Returns
    -------
    PseudonymKey

    Raises
    ------
    ValueError
        If there is no such file or variable, or the key is shorter than 16 bytes.

    Notes
    -----
    Make a key once per extract, for example with ``python -c "import secrets; print(secrets.token_hex(32))"``, and keep
    it where only those may read it who may know the persons. With another key the same persons get other pseudonyms.

    Examples
    --------
    >>> import os
    >>> from servicenee import pseudonym_key
    >>> os.environ["MY_KEY"] = "0123456789abcdef0123456789abcdef"
    >>> pseudonym_key(variable="MY_KEY")
    PseudonymKey(hidden)
    """
    if path is not None:
        file = Path(path)
        if not file.is_file():
            raise ValueError(f"`path` must be a file that holds the key; got {str(file)!r}, which is none.")
        secret, place = file.read_bytes().strip(), "the file"
    else:
        secret, place = os.environ.get(variable, "").strip().encode(), f"the environment variable {variable}"
    if len(secret) < _SHORTEST_KEY:
        raise ValueError(
            f"the key must have at least {_SHORTEST_KEY} bytes; {place} holds {len(secret)}. Make one with "
            'python -c "import secrets; print(secrets.token_hex(32))".'
        )
    return PseudonymKey(secret)


def pseudonymise(ids: Sequence, key: PseudonymKey, *, changed: Mapping[str, str] | None = None) -> np.ndarray:
    """Pseudonyms in the place of person ids, the same for the same id in every table.

    Parameters
    ----------
    ids : sequence of str or int
        Person ids, for example a column of a table; a missing id stays missing.
    key : PseudonymKey
        From `pseudonym_key`.
    changed : mapping of str to str, optional
        Ids that changed, with the new ones, as the population register tells them: both get the pseudonym of the new.

    Returns
    -------
    ndarray of object
        ``"p"`` and 20 hexadecimal digits of the HMAC-SHA256 of the id, in the order of `ids`; None where missing.

    Notes
    -----
    Letters count alike in upper and lower case, and spaces around an id do not count, because deliveries differ in
    both. A pseudonym is still personal data (GDPR, article 4(5)): it belongs in the same protected place.

    References
    ----------
    Krawczyk H, Bellare M, Canetti R. HMAC: keyed-hashing for message authentication. RFC 2104, 1997.

    Examples
    --------
    >>> import os
    >>> from servicenee import pseudonym_key, pseudonymise
    >>> os.environ["MY_KEY"] = "0123456789abcdef0123456789abcdef"
    >>> pseudonymise(["a1", "A1 ", None], pseudonym_key(variable="MY_KEY")).tolist()
    ['pe130394aad9e076ef59c', 'pe130394aad9e076ef59c', None]
    """
    if not isinstance(key, PseudonymKey):
        raise TypeError(f"`key` must come from pseudonym_key; got {type(key).__name__}.")
    values = pd.Series(ids)
    if pd.api.types.is_float_dtype(values.dtype) and len(values):
        raise TypeError("`ids` must be text or whole numbers; got decimal numbers, which have lost their identity.")
    codes, levels = pd.factorize(values)
    latest = latest_ids(changed or {})
    spelled = [str(level).strip().upper() for level in levels]
    spelled = [latest.get(text, text).upper() for text in spelled]
    made = [key.digest(text) for text in spelled]
    if len(set(made)) < len(set(spelled)):
        raise ValueError("two persons got the same pseudonym, which should never happen. Use another key.")
    return np.array([*made, None], dtype=object)[codes]


def latest_ids(changed: Mapping[str, str]) -> dict[str, str]:
    """The last of the ids that each old one, in capitals, changed into; ids that change in a circle are left alone."""
    steps = {str(old).strip().upper(): str(new).strip() for old, new in changed.items()}
    latest = {}
    for old in steps:
        seen, now = {old}, steps[old]
        while now.upper() in steps and now.upper() not in seen:
            seen.add(now.upper())
            now = steps[now.upper()]
        if now.upper() not in seen:
            latest[old] = now
    return latest


def is_identity_code(texts: pa.Array) -> np.ndarray:
    """True for texts of the form of a Finnish personal identity code, whether or not the check character is right."""
    return pc.fill_null(pc.match_substring_regex(texts, _SHAPE), False).to_numpy(zero_copy_only=False)


def refuse_identity_codes(table: str, column: str, texts: np.ndarray, findings: Findings) -> None:
    """An error if any of the distinct `texts` is a personal identity code; it counts them and shows none."""
    levels = pa.array(texts, pa.string())
    found = is_identity_code(levels)
    if not found.any():
        return
    wrong, temporary = flaws(levels)
    place = f"{table}, {column}" if "." in table else f"{table}.{column}"  # of a file, of a table
    findings.error(
        f"{place}: {int(found.sum())} of {len(texts)} values have the form of Finnish personal identity codes "
        f"({int(wrong.sum())} with a wrong check character, {int(temporary.sum())} temporary). These are not read. "
        "Replace them first, in every table alike: see pseudonymise and pseudonym_key; read_hilmo takes the key itself."
    )


def flaws(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Which texts are personal identity codes with a wrong check character, and which are temporary ones."""
    at = np.flatnonzero(is_identity_code(texts))
    codes = pc.utf8_upper(pc.utf8_trim_whitespace(texts.take(pa.array(at)))).to_pylist()
    numbers = np.array([int(code[:6] + code[7:10]) for code in codes], dtype=np.int64)
    wrong, temporary = (np.zeros(len(texts), dtype=bool) for _ in range(2))
    wrong[at] = [_CHECK[number % 31] != code[-1] for number, code in zip(numbers.tolist(), codes, strict=True)]
    temporary[at] = numbers % 1000 >= _TEMPORARY_FROM
    return wrong, temporary
