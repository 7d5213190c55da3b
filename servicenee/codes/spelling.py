"""Codes as registers write them come in; the one spelling that code lists match comes out."""

import re

# What registers write where nobody recorded a code.
_MISSING = frozenset(("", "-1", "-2", "-", "_", "__", "___", "____", "NA", "NAN", "NULL", "NONE"))
_MARKS = str.maketrans("", "", "., \t\u00a0")
_DASHES = str.maketrans("–—−", "---")
_WITH_MISSING = ("ICD-10", "ICPC-2", "ATC", "SPAT", "Kela")
_ATC = re.compile(r"[ABCDGHJLMNPRSV](\d\d([A-Z]([A-Z](\d\d)?)?)?)?")
_PSEUDO_ATC = re.compile(r"[A-Z]0{4}[A-Z]{2}")  # of Kela, for a product without a code: no substance, no group
_ATC_LEVEL = {1: 1, 3: 2, 4: 3, 5: 4, 7: 5}


def normalise_code(code_system: str, code: str) -> str:
    """Spelling used for matching.

    Parameters
    ----------
    code_system : str
        Name of the code system, e.g. ``"ICD-10"``.
    code : str
        Code as it stands in the register.

    Returns
    -------
    str
        ICD-10, ICPC-2 and ATC: upper case without dots, commas and spaces; an ICPC-2 process code with a plain minus
        (``"-31"``). SPAT: ``"SPAT1217"``. Kela: digits without ".0" and leading zeros (``"205"``). Services: lower
        case with underscores, short codes with digits in upper case (``"T40"``). Codes of other systems only lose
        outer spaces. Tokens that mean "no code" (``"-1"``, ``"-2"``, ``"-"``, ``"____"``) become empty.

    See Also
    --------
    servicenee.codes.split_icd10 : takes Finnish combinations such as ``"E11.3+H36.09"`` apart.

    Examples
    --------
    >>> from servicenee.codes import normalise_code
    >>> [normalise_code(*pair) for pair in [("ICD-10", " e11,9 "), ("SPAT", "1217"), ("Kela", "205.0")]]
    ['E119', 'SPAT1217', '205']
    """
    code = code.strip()
    if code_system in _WITH_MISSING and code.upper() in _MISSING:
        return ""
    if code_system in _SPELLINGS:
        return _SPELLINGS[code_system](code)
    return code


def atc_level(code: str) -> int:
    """Level of an ATC code: 1 anatomical group to 5 substance; 0 for what is no ATC code.

    Parameters
    ----------
    code : str
        Code in the spelling of `normalise_code`.

    Returns
    -------
    int

    Notes
    -----
    Kela writes pseudo codes such as E0000UV where a product has no ATC code; their level is 0, as is that of a Nordic
    product number.

    Examples
    --------
    >>> from servicenee.codes import atc_level
    >>> [atc_level(code) for code in ("A10BA02", "A12AX", "N05", "E0000UV")]
    [5, 4, 2, 0]
    """
    return _ATC_LEVEL[len(code)] if _ATC.fullmatch(code) else 0


def is_pseudo_code(code_system: str, code: str) -> bool:
    """Whether a code only fills the place of one, as Kela's E0000UV does for a product without an ATC code.

    Parameters
    ----------
    code_system : str
        Name of the code system, e.g. ``"ATC"``.
    code : str
        Code in the spelling of `normalise_code`.

    Returns
    -------
    bool

    Examples
    --------
    >>> from servicenee.codes import is_pseudo_code
    >>> is_pseudo_code("ATC", "E0000UV"), is_pseudo_code("ATC", "A12AX")
    (True, False)
    """
    return code_system == "ATC" and _PSEUDO_ATC.fullmatch(code) is not None


def _dotless(code: str) -> str:
    return code.upper().translate(_MARKS).translate(_DASHES)


def _icpc2(code: str) -> str:
    code = _dotless(code)
    return f"-{code[1:]}" if re.fullmatch(r"[*]\d\d", code) else code  # "*31" and "-31" are the same process code


def _spat(code: str) -> str:
    code = _dotless(code)
    return f"SPAT{code}" if code.isdigit() else code


def _kela(code: str) -> str:
    code = re.sub(r"[.,]0+$", "", code.replace(" ", ""))
    return (code.lstrip("0") or code) if code.isdigit() else code.upper()


def _service(code: str) -> str:
    if re.search(r"\d", code):
        return code.upper().replace(" ", "")
    return re.sub(r"[\s-]+", "_", code.lower())


_SPELLINGS = {
    "ICD-10": _dotless,
    "ICPC-2": _icpc2,
    "ATC": _dotless,
    "SPAT": _spat,
    "Kela": _kela,
    "service": _service,
}
