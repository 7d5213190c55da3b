"""A profile comes in; names of segments by what is over-represented in them go out, in three languages."""

import re
from collections.abc import Mapping

import pandas as pd

from servicenee.codes import load_codelist
from servicenee.segments.schemes import scheme_segments
from servicenee.texts import LANGUAGES, text

NAME_COLUMNS = ["segment", "codes", "name_fi", "name_sv", "name_en"]
LEAST_PREVALENCE = 0.10
MOST_CODES = 3
_CONDITION = re.compile(r"^(?:(?:probable_)?condition|any)_(.+?)_(?:\d+d(?:_skip\d+d)?|ever)$")


def name_segments(profile: pd.DataFrame, labels: Mapping[str, Mapping[str, str]] | None = None) -> pd.DataFrame:
    """Propose a name for every segment: the two or three conditions that are most over-represented in it.

    Parameters
    ----------
    profile : DataFrame
        As `segment_profile` gives it.
    labels : mapping of str to mapping of str to str, optional
        Text per language of conditions that the shipped list chronic_conditions does not have, by column of X.

    Returns
    -------
    DataFrame
        segment, codes (groups of chronic_conditions, or columns, separated by spaces), name_fi, name_sv, name_en.

    Notes
    -----
    A condition counts when it is over-represented (observed:expected at least 2 and exclusivity at least 25 %) and at
    least 10 % of the segment have it. Where none does, the name says whether the segment has fewer or more conditions
    than people in general. The codes are what is stored; people choose the name that is used (`rename`). A name tells
    what the records hold more often, not what the persons are.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import segment_profile
    >>> from servicenee.segments import name_segments
    >>> X = pd.DataFrame({"condition_diabetes_1825d": [1] * 30 + [0] * 70})
    >>> profile = segment_profile(pd.Series(["S2"] * 40 + ["S1"] * 60), X)
    >>> name_segments(profile)[["segment", "name_en"]].to_numpy().tolist()
    [['S1', 'Few long-term conditions in the registers'], ['S2', 'Diabetes']]
    """
    shares = profile[profile["statistic"] == "share"]
    is_condition = shares["feature"].str.match(_CONDITION)
    shares = shares[is_condition] if is_condition.any() else shares
    rows = [
        _name(segment, shares[shares["segment"] == segment], labels or {}) for segment in profile["segment"].unique()
    ]
    return pd.DataFrame(rows, columns=NAME_COLUMNS)


def scheme_names(scheme: str) -> pd.DataFrame:
    """Names of the segments of a shipped scheme, in the columns of `name_segments`.

    Examples
    --------
    >>> from servicenee.segments import scheme_names
    >>> scheme_names("needs_pyramid")["codes"].tolist()[0]
    'needs_pyramid:case_management'
    """
    table = scheme_segments(scheme)
    named = {f"name_{language}": table[f"label_{language}"] for language in LANGUAGES}
    codes = [f"{scheme}:{segment}" for segment in table["segment"]]
    return pd.DataFrame({"segment": table["segment"], "codes": codes, **named})[NAME_COLUMNS]


def names_for_rename(names: pd.DataFrame) -> dict[str, dict[str, str]]:
    """The proposals in the form that ``rename`` takes.

    Examples
    --------
    >>> from servicenee.segments import names_for_rename, scheme_names
    >>> names_for_rename(scheme_names("frequent_users"))["other_user"]["fi"]
    'Muu'
    """
    rows = names.to_dict("records")
    return {row["segment"]: {language: row[f"name_{language}"] for language in LANGUAGES} for row in rows}


def segment_keys(n_segments: int) -> tuple[str, ...]:
    """Codes of segments in order of size: S1 is the largest."""
    return tuple(f"S{number}" for number in range(1, n_segments + 1))


def with_renamed(
    known: Mapping[str, dict], names: Mapping[str, Mapping[str, str]], segments: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """Names after people have chosen some; each must name a segment and a language of ours."""
    wrong = [key for key in names if key not in segments]
    if wrong:
        raise ValueError(f"`names` must name segments ({', '.join(segments)}); got {', '.join(map(str, wrong))}.")
    for key, words in names.items():
        if not isinstance(words, Mapping) or not words or not set(words) <= set(LANGUAGES):
            raise ValueError(f"`names`[{key!r}] must be a dict of language ({', '.join(LANGUAGES)}) and name.")
    return {**known, **{key: {**known.get(key, {}), **words} for key, words in names.items()}}


def feature_label(feature: str, language: str, labels: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """A column in the reader's language: given, else by the shipped list of conditions, else its name.

    Examples
    --------
    >>> from servicenee.segments.names import feature_label
    >>> feature_label("condition_diabetes_1825d", "en"), feature_label("LDL", "en")
    ('Diabetes', 'LDL')
    """
    given = (labels or {}).get(feature, {}).get(language)
    shipped = _condition_labels().get(_code(feature), {}).get(language)
    return given or shipped or feature[:1].upper() + feature[1:].replace("_", " ")


def _name(segment: str, shares: pd.DataFrame, labels: Mapping) -> list[str]:
    over = shares[shares["over_represented"] & (shares["value"] >= LEAST_PREVALENCE)]
    top = over.sort_values(["observed_expected", "feature"], ascending=[False, True], kind="stable")["feature"]
    top = top.head(MOST_CODES).tolist()
    codes = [_code(feature) for feature in top]
    if top:
        named = [_joined([feature_label(feature, language, labels) for feature in top]) for language in LANGUAGES]
    else:
        shown = shares.dropna(subset=["value", "overall"])
        key = "few" if shown["value"].sum() < shown["overall"].sum() else "mixed"
        named = [text(f"segments.name.{key}", language) for language in LANGUAGES]
    return [segment, " ".join(codes), *named]


def _code(feature: str) -> str:
    found = _CONDITION.match(feature)
    return found.group(1) if found else feature


def _condition_labels() -> Mapping[str, Mapping[str, str]]:
    return load_codelist("chronic_conditions").labels


def _joined(parts: list[str]) -> str:
    """Without what stands in parentheses; only the first word begins with a capital, unless it is an abbreviation."""
    short = [re.sub(r"\s*\([^)]*\)", "", part) for part in parts]
    return ", ".join([short[0], *(_lower(part) for part in short[1:])])


def _lower(part: str) -> str:
    return part if part[1:2].isupper() else part[:1].lower() + part[1:]
