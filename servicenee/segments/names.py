"""A profile comes in; names of segments by what is over-represented in them go out, in three languages."""

from collections.abc import Mapping

from servicenee.texts import LANGUAGES


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
