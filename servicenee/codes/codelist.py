"""Codes as registers write them, and named lists of code prefixes."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee.codes.spelling import normalise_code

_ORIGIN = ("source", "version", "valid_from", "valid_to")
_Pair = tuple[str, str]  # code system and prefix; "=" before a prefix: this one code, "!" before it: not these


class Codelist:
    """Named groups of code prefixes.

    Parameters
    ----------
    groups : mapping of str to list of str
        Prefixes per group, each written ``"SYSTEM:prefix"``: ``"ICD-10:E11"``, ``"ATC:A10"``. ``"contact:"`` is the
        whole system, ``"stay:home_care"`` a kind of stay, ``"OMOP:=192671"`` this one code and none that begins so,
        ``"ICD-10:!C44"`` takes codes out again. Of several prefixes that fit a code, the longest decides.
    name : str
        Name used in feature columns and reports; where the list is one labelled group, the group's name is used.
    labels : mapping of str to mapping of str to str, optional
        Text of a group per language (``{"diabetes": {"fi": "Diabetes", ...}}``).

    Notes
    -----
    ``a | b`` holds the codes of both, group by group; ``a - b`` takes every code that `b` holds out of all groups of
    `a`. To drop whole groups use `keep`. The validity in `frame` says when a code was in use; matching does not ask.

    Examples
    --------
    >>> from servicenee.codes import Codelist
    >>> diabetes = Codelist({"diabetes": ["ICD-10:E10", "ICD-10:E11", "ATC:A10"]}, name="diabetes")
    >>> diabetes.matches(["ICD-10", "ICD-10"], ["E119", "I10"]).tolist()
    [[True, False]]
    >>> cancer = Codelist({"cancer": ["ICD-10:C"]}, name="cancer") - Codelist({"skin": ["ICD-10:C44"]}, name="skin")
    >>> cancer.matches(["ICD-10", "ICD-10"], ["C509", "C443"]).tolist()
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
        self._origin: dict[tuple[str, _Pair], tuple[str, ...]] = {}

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
            found[row] = _matches(prefixes, pairs)
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
        return self._with({group: self.groups[group] for group in groups}, self.name)

    def frame(self) -> pd.DataFrame:
        """The list as a table: group, code_system, prefix, labels, source, version, valid_from, valid_to.

        Examples
        --------
        >>> from servicenee.codes import load_codelist
        >>> table = load_codelist("chronic_conditions").frame()
        >>> table.loc[table["prefix"] == "=307", ["group", "valid_to"]].to_numpy().tolist()
        [['dementia', '2016-10-31']]
        """
        rows = []
        for group, prefixes in self.groups.items():
            labels = self.labels.get(group, {})
            words = [labels.get(language, "") for language in ("fi", "sv", "en")]
            rows += [(group, *pair, *words, *self._origin.get((group, pair), [""] * 4)) for pair in prefixes]
        names = ["group", "code_system", "prefix", "label_fi", "label_sv", "label_en", *_ORIGIN]
        return pd.DataFrame(rows, columns=names, dtype=object)

    def __or__(self, other: "Codelist") -> "Codelist":
        if not isinstance(other, Codelist):
            return NotImplemented
        groups = dict(self.groups)
        for group, prefixes in other.groups.items():
            groups[group] = _union(groups[group], prefixes) if group in groups else prefixes
        return self._with(groups, self.name if self.name == other.name else f"{self.name}+{other.name}", other)

    def __sub__(self, other: "Codelist") -> "Codelist":
        if not isinstance(other, Codelist):
            return NotImplemented
        taken: tuple[_Pair, ...] = ()
        for prefixes in other.groups.values():
            taken = _union(taken, prefixes)
        left = {group: _without(prefixes, taken) for group, prefixes in self.groups.items()}
        left = {group: prefixes for group, prefixes in left.items() if any(not _is_out(pair) for pair in prefixes)}
        return self._with(left, f"{self.name}-{other.name}")

    def _with(self, groups: dict[str, tuple[_Pair, ...]], name: str, other: "Codelist | None" = None) -> "Codelist":
        """A list of these groups with the labels and origins known here, or else in `other`."""
        made = Codelist({}, name=name)
        made.groups = groups
        labels = (other.labels if other else {}) | self.labels
        made.labels = {group: labels[group] for group in groups if group in labels}
        origin = (other._origin if other else {}) | self._origin
        made._origin = {key: words for key, words in origin.items() if key[0] in groups}
        return made

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False, max_rows=40, na_rep="")

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
        return codelist_of_rows(pd.read_csv(stream, dtype=str, keep_default_na=False), name)


def codelist_of_rows(rows: pd.DataFrame, name: str) -> Codelist:
    """The list that a table of data rows holds: group, code_system, prefix, labels, source, version, validity.

    Examples
    --------
    >>> from servicenee.codes import load_codelist
    >>> from servicenee.codes.codelist import codelist_of_rows
    >>> codelist_of_rows(load_codelist("contacts").frame(), "contacts") == load_codelist("contacts")
    True
    """
    groups: dict[str, list[str]] = {}
    labels: dict[str, dict[str, str]] = {}
    origin = {}
    for row in rows.itertuples(index=False):
        written = f"{row.code_system}:{row.prefix}"
        groups.setdefault(row.group, []).append(written)
        labels[row.group] = {"fi": row.label_fi, "sv": row.label_sv, "en": row.label_en}
        origin[row.group, _parse(written)] = tuple(getattr(row, column) for column in _ORIGIN)
    codelist = Codelist(groups, name=name, labels=labels)
    codelist._origin = origin
    return codelist


def _parse(prefix: str) -> _Pair:
    system, colon, code = prefix.partition(":")
    if not colon or not system:
        raise ValueError(f"a code prefix must be written 'SYSTEM:prefix', such as 'ICD-10:E11'; got {prefix!r}.")
    code = code.strip()
    marks = code[: len(code) - len(code.lstrip("!="))]
    if marks not in ("", "=", "!", "!="):
        raise ValueError(f"a code prefix must begin with no mark, '=', '!' or '!='; got {prefix!r}.")
    return system, marks + normalise_code(system, code[len(marks) :])


def _is_out(pair: _Pair) -> bool:
    return pair[1].startswith("!")


def _fits(pair: _Pair, code_system: str, code: str) -> bool:
    system, prefix = pair
    prefix = prefix.removeprefix("!")
    return system == code_system and (code == prefix[1:] if prefix.startswith("=") else code.startswith(prefix))


def _matches(prefixes: tuple[_Pair, ...], pairs: list[_Pair]) -> list[bool]:
    """Which codes a group holds: those that fit a prefix, unless a longer one takes them out."""
    begins: dict[str, list[str]] = {}
    for system, prefix in prefixes:
        if prefix[:1] not in ("=", "!"):
            begins.setdefault(system, []).append(prefix)
    exact = {(system, prefix[1:]) for system, prefix in prefixes if prefix.startswith("=")}
    starts = {system: tuple(listed) for system, listed in begins.items()}
    found = [(system, code) in exact or code.startswith(starts.get(system, ())) for system, code in pairs]
    if any(_is_out(pair) for pair in prefixes):
        found = [held and _decided(prefixes, *pair) for held, pair in zip(found, pairs, strict=True)]
    return found


def _decided(prefixes: tuple[_Pair, ...], system: str, code: str) -> bool:
    """Whether the longest prefix that fits holds the code; one exact code is longer than any prefix."""
    fitting = [
        (len(pair[1].lstrip("!=")), "=" in pair[1], not _is_out(pair)) for pair in prefixes if _fits(pair, system, code)
    ]
    return max(fitting)[2] if fitting else False


def _covers(prefixes: tuple[_Pair, ...], pair: _Pair) -> bool:
    """Whether prefixes hold everything that `pair` names."""
    system, prefix = pair[0], pair[1].removeprefix("!")
    if prefix.startswith("="):
        return _decided(prefixes, system, prefix[1:])
    return _decided(tuple(other for other in prefixes if "=" not in other[1]), system, prefix)


def _union(first: tuple[_Pair, ...], second: tuple[_Pair, ...]) -> tuple[_Pair, ...]:
    """Codes that either holds; what one takes out stays out unless the other holds it."""
    kept = [pair for pair in first if not (_is_out(pair) and _covers(second, pair))]
    kept += [pair for pair in second if not (_is_out(pair) and _covers(first, pair))]
    return tuple(dict.fromkeys(kept))


def _without(prefixes: tuple[_Pair, ...], taken: tuple[_Pair, ...]) -> tuple[_Pair, ...]:
    """Codes that `prefixes` hold and `taken` do not."""
    kept = [pair for pair in prefixes if _is_out(pair) or not _covers(taken, pair)]
    for system, prefix in taken:
        if prefix.startswith("!"):
            # What `taken` does not hold comes back, where it was held to begin with.
            kept += [(system, prefix[1:])] if _covers(prefixes, (system, prefix[1:])) else []
        elif _covers(prefixes, (system, prefix)):
            kept.append((system, f"!{prefix}"))
    return tuple(dict.fromkeys(kept))
