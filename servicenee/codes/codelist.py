"""Codes as registers write them, and named lists of code prefixes."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

_DOTTED = ("ICD-10", "ATC", "ICPC-2")


def normalise_code(code_system: str, code: str) -> str:
    """Spelling used for matching: ICD-10, ICPC-2 and ATC in upper case without dots, commas and spaces.

    Parameters
    ----------
    code_system : str
        Name of the code system, e.g. ``"ICD-10"``.
    code : str
        Code as it stands in the register.

    Returns
    -------
    str
        The code in one spelling; codes of other systems only lose outer spaces.

    Examples
    --------
    >>> from servicenee.codes import normalise_code
    >>> normalise_code("ICD-10", " e11,9 ")
    'E119'
    """
    code = code.strip()
    if code_system in _DOTTED:
        return code.upper().translate({ord(mark): None for mark in "., "})
    return code


class Codelist:
    """Named groups of code prefixes.

    Parameters
    ----------
    groups : mapping of str to list of str
        Prefixes per group, each written ``"SYSTEM:prefix"``: ``"ICD-10:E11"``, ``"ATC:A10"``. ``"contact:"`` is the
        whole system, ``"stay:home_care"`` a kind of stay, ``"OMOP:=192671"`` this one code and none that begins so.
    name : str
        Name used in feature columns and reports.
    labels : mapping of str to mapping of str to str, optional
        Text of a group per language (``{"diabetes": {"fi": "Diabetes", ...}}``).

    Examples
    --------
    >>> from servicenee.codes import Codelist
    >>> diabetes = Codelist({"diabetes": ["ICD-10:E10", "ICD-10:E11", "ATC:A10"]}, name="diabetes")
    >>> diabetes.matches(["ICD-10", "ICD-10"], ["E119", "I10"]).tolist()
    [[True, False]]
    """

    def __init__(
        self,
        groups: Mapping[str, Iterable[str]],
        *,
        name: str,
        labels: Mapping[str, Mapping[str, str]] | None = None,
    ):
        self.groups = {group: tuple(_parse(prefix) for prefix in prefixes) for group, prefixes in groups.items()}
        self.name = name
        self.labels = {group: dict(texts) for group, texts in (labels or {}).items()}

    def matches(self, code_systems: Iterable[str], codes: Iterable[str]) -> np.ndarray:
        """Which group holds which code.

        Parameters
        ----------
        code_systems, codes : iterable of str, length n_codes
            Codes in the spelling of `normalise_code`.

        Returns
        -------
        ndarray of bool, shape (n_groups, n_codes)
        """
        pairs = list(zip(code_systems, codes, strict=True))
        found = np.zeros((len(self.groups), len(pairs)), dtype=bool)
        for row, prefixes in enumerate(self.groups.values()):
            begins: dict[str, list[str]] = {}
            for system, prefix in prefixes:
                if not prefix.startswith("="):
                    begins.setdefault(system, []).append(prefix)
            exact = {(system, prefix[1:]) for system, prefix in prefixes if prefix.startswith("=")}
            starts = {system: tuple(listed) for system, listed in begins.items()}
            found[row] = [(system, code) in exact or code.startswith(starts.get(system, ())) for system, code in pairs]
        return found

    def groups_of_kinds(self, kinds: pd.DataFrame) -> np.ndarray:
        """Which group holds which kind of event (code_system, code) or of stay (kind, written ``stay:`` in prefixes).

        Returns
        -------
        ndarray of bool, shape (n_groups, n_kinds)
        """
        if "kind" in kinds.columns:
            return self.matches(["stay"] * len(kinds), kinds["kind"])
        return self.matches(kinds["code_system"], kinds["code"])

    def matches_kinds(self, kinds: pd.DataFrame) -> np.ndarray:
        """Which kinds are in any group: ndarray of bool, shape (n_kinds,)."""
        return self.groups_of_kinds(kinds).any(axis=0)

    def keep(self, *groups: str) -> "Codelist":
        """The same list with these groups only, in this order.

        Examples
        --------
        >>> from servicenee.codes import load_codelist
        >>> load_codelist("chronic_conditions").keep("diabetes", "dementia")
        Codelist('chronic_conditions', 2 groups)
        """
        unknown = [group for group in groups if group not in self.groups]
        if unknown:
            raise ValueError(f"`groups` must be groups of {self.name} ({', '.join(self.groups)}); got {unknown}.")
        kept = Codelist({}, name=self.name)
        kept.groups = {group: self.groups[group] for group in groups}
        kept.labels = {group: self.labels[group] for group in groups if group in self.labels}
        return kept

    def frame(self) -> pd.DataFrame:
        """The list as a table: group, code_system, prefix.

        Examples
        --------
        >>> from servicenee.codes import Codelist
        >>> Codelist({"falls": ["ICD-10:W0"]}, name="falls").frame().iloc[0].tolist()
        ['falls', 'ICD-10', 'W0']
        """
        rows = [(group, *pair) for group, prefixes in self.groups.items() for pair in prefixes]
        return pd.DataFrame(rows, columns=["group", "code_system", "prefix"])

    def __eq__(self, other) -> bool:
        return isinstance(other, Codelist) and (self.name, self.groups) == (other.name, other.groups)

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.groups.items())))

    def __repr__(self) -> str:
        return f"Codelist({self.name!r}, {len(self.groups)} groups)"


def as_codelist(codes: "Codelist | str | Iterable[str]") -> Codelist:
    """A `Codelist` from itself, the name of a shipped one, or prefixes such as ``["ICD-10:E11", "ATC:A10"]``."""
    if isinstance(codes, Codelist):
        return codes
    if isinstance(codes, str) and ":" not in codes:
        return load_codelist(codes)
    prefixes = [codes] if isinstance(codes, str) else list(codes) if isinstance(codes, Iterable) else []
    if not prefixes or not all(isinstance(prefix, str) for prefix in prefixes):
        raise ValueError(
            f"`codes` must be a Codelist, the name of a shipped one ({', '.join(shipped_codelists())}) or prefixes "
            f"such as ['ICD-10:E11']; got {codes!r}."
        )
    name = "+".join(prefixes)
    return Codelist({name: prefixes}, name=name)


def shipped_codelists() -> list[str]:
    """Names of the lists that come with the package.

    Examples
    --------
    >>> from servicenee.codes import shipped_codelists
    >>> "chronic_conditions" in shipped_codelists()
    True
    """
    folder = files("servicenee.codes") / "lists"
    return sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".csv"))


@cache
def load_codelist(name: str) -> Codelist:
    """One of the shipped lists, by name.

    Raises
    ------
    ValueError
        If no list has that name; the message names those there are.

    Examples
    --------
    >>> from servicenee.codes import load_codelist
    >>> load_codelist("contacts").groups["contacts"]
    (('contact', ''),)
    """
    if name not in shipped_codelists():
        raise ValueError(
            f"`codes` must name a shipped list ({', '.join(shipped_codelists())}) or hold prefixes such as "
            f"'ICD-10:E11'; got {name!r}."
        )
    with (files("servicenee.codes") / "lists" / f"{name}.csv").open(encoding="utf-8") as stream:
        rows = pd.read_csv(stream, dtype=str, keep_default_na=False)
    groups: dict[str, list[str]] = {}
    labels: dict[str, dict[str, str]] = {}
    for row in rows.itertuples(index=False):
        groups.setdefault(row.group, []).append(f"{row.code_system}:{row.prefix}")
        labels[row.group] = {"fi": row.label_fi, "sv": row.label_sv, "en": row.label_en}
    return Codelist(groups, name=name, labels=labels)


def _parse(prefix: str) -> tuple[str, str]:
    system, colon, code = prefix.partition(":")
    if not colon or not system:
        raise ValueError(f"a code prefix must be written 'SYSTEM:prefix', such as 'ICD-10:E11'; got {prefix!r}.")
    return system, normalise_code(system, code)
