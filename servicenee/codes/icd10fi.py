"""Finnish ICD-10 as registers write it: combinations taken apart, both parts kept, each with its role.

A Finnish record may join two codes: ``A+B`` (cause, then manifestation), ``A*B`` (manifestation, then cause),
``A#B`` (adverse effect, then the ATC code of the drug) and ``A&B`` (additional code); a mark may also trail alone.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from servicenee.codes.spelling import atc_level, is_pseudo_code, normalise_code

_ICD10 = re.compile(r"[A-Z]\d\d\d{0,3}")
_BLOCK = re.compile(r"[A-Z]\d{1,5}-[A-Z]?\d{1,5}|[A-Z][A-NP-Z]\d\d")  # E10-E14, E11.0-E11.9, and ZA0.0
_ROLES = {  # of the part before and after the mark
    "+": ("cause", "manifestation"),
    "*": ("manifestation", "cause"),
    "#": ("diagnosis", "medicine"),
    "&": ("diagnosis", "additional"),
}


class CodePart(NamedTuple):
    """One code of a combination: its code system, its spelling for matching, and its role."""

    code_system: str
    code: str
    role: str


def split_icd10(code: str) -> tuple[CodePart, ...]:
    """Codes inside one Finnish ICD-10 entry.

    Parameters
    ----------
    code : str
        Entry as it stands in the register, e.g. ``"F00.10*G30.1"``.

    Returns
    -------
    tuple of CodePart
        In the order of the entry, each with code_system, code and role ("diagnosis", "cause", "manifestation",
        "additional", "medicine"). Empty for a missing token (``"-1"``) and for what is not one code: a block such as
        ``"E10-E14"``.

    Notes
    -----
    The part after ``#`` becomes an ATC code if it looks like one, a diagnosis if it looks like one, and is left out
    otherwise. Elsewhere too, and alone, what can only be an ATC code (``C10AX09``) becomes one. With more than one mark
    all parts are kept; the first mark decides the roles of its two neighbours, and further parts are diagnoses. A code
    of an unknown shape is kept as it is (`suggest_icd10` may know better).

    References
    ----------
    THL, Tautiluokitus ICD-10 (Finnish edition), rules on cause, manifestation and drug codes.

    Examples
    --------
    >>> from servicenee.codes import split_icd10
    >>> [(part.code, part.role) for part in split_icd10("F00.10*G30.1")]
    [('F0010', 'manifestation'), ('G301', 'cause')]
    >>> [part[:2] for part in split_icd10("T88.7#C07AB02")]
    [('ICD-10', 'T887'), ('ATC', 'C07AB02')]
    """
    code = normalise_code("ICD-10", code)
    if not code or _BLOCK.fullmatch(code):
        return ()
    pieces = re.split(r"([+*#&])", code)
    found: list[CodePart] = []
    for place in range(0, len(pieces), 2):
        part = _part(pieces, place)
        if part is not None and part[:2] not in [other[:2] for other in found]:
            found.append(part)
    if len(found) == 1 and found[0].code_system == "ICD-10":
        found = [found[0]._replace(role="diagnosis")]  # a trailing mark joins nothing
    return tuple(found)


def _part(pieces: list[str], place: int) -> CodePart | None:
    piece = normalise_code("ICD-10", pieces[place])
    if not piece or _BLOCK.fullmatch(piece):
        return None
    after = bool(place) and pieces[place - 1] == "#"
    if atc_level(piece) > (1 if after else 3):  # C10AX09 lowers lipids, C10 alone is a cancer of the throat
        return CodePart("ATC", piece, "medicine")
    if after:
        return CodePart("ICD-10", piece, "diagnosis") if _ICD10.fullmatch(piece) else None
    role = "diagnosis"
    if place <= 2 and len(pieces) > 1:
        role = _ROLES[pieces[1]][place // 2]
    return CodePart("ICD-10", piece, role)


def split_kinds(kinds: pd.DataFrame) -> pd.DataFrame:
    """Every code inside a table of distinct kinds of events.

    Parameters
    ----------
    kinds : DataFrame
        Columns code_system and code (further columns are not read), one row per distinct kind; a small table.

    Returns
    -------
    DataFrame
        Columns row (position of the kind in `kinds`), code_system and code, in the order of `kinds` and of the parts.
        A Finnish ICD-10 combination has two rows or more. A kind without a code, or with a token that means so, keeps
        one row with an empty code; an ICD-10 block such as ``"E10-E14"`` and a pseudo code have no row, so that the
        caller can count them.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.codes import split_kinds
    >>> kinds = pd.DataFrame({"code_system": ["ICD-10", "ATC"], "code": ["E11.3+H36.09", "a10ba02"]})
    >>> split_kinds(kinds).to_numpy().tolist()
    [[0, 'ICD-10', 'E113'], [0, 'ICD-10', 'H3609'], [1, 'ATC', 'A10BA02']]
    """
    rows: list[tuple[int, str, str]] = []
    for row, (system, code) in enumerate(zip(kinds["code_system"], kinds["code"], strict=True)):
        spelled = normalise_code(system, code)
        if is_pseudo_code(system, spelled):
            continue
        if system != "ICD-10" or not spelled:
            rows.append((row, system, spelled))
        else:
            rows += [(row, part.code_system, part.code) for part in split_icd10(spelled)]
    table = pd.DataFrame(rows, columns=["row", "code_system", "code"], dtype=object)
    return table.astype({"row": np.int64})


def suggest_icd10(code: str) -> str | None:
    """The code that was probably meant where a letter O stands for a zero; None if there is nothing to suggest.

    Parameters
    ----------
    code : str
        Code as it stands in the register.

    Returns
    -------
    str or None
        A suggestion for a person to judge; nothing is ever rewritten by itself.

    Examples
    --------
    >>> from servicenee.codes import suggest_icd10
    >>> suggest_icd10("E1O.9"), suggest_icd10("E10.9")
    ('E109', None)
    """
    code = normalise_code("ICD-10", code)
    meant = code[:1] + code[1:].replace("O", "0")
    return meant if not _ICD10.fullmatch(code) and _ICD10.fullmatch(meant) else None
