"""Tables on segments come in; one HTML page that a service manager can act on goes out."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee._checks import check_choice
from servicenee.html import Html, figure, note, page, table, value_text
from servicenee.segments.figures import plot_areas, plot_profile, plot_sizes, plot_stability, plot_transitions
from servicenee.segments.names import feature_label
from servicenee.segments.profile import is_numbered
from servicenee.texts import LANGUAGES, format_percent, text

PARTS = ("profile", "names", "stability", "separation", "transitions", "drift", "actions", "care_gaps", "areas")
# The county fills these in.
_IF_FILLED = ("capacity_per_month", "months_to_meet")
_BETWEEN = "\u00a0–\u2060\u00a0"


def segment_report(
    tables: Mapping[str, pd.DataFrame],
    path: str | Path,
    *,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    title: str | None = None,
    language: str = "fi",
) -> Path:
    """Write one self-contained HTML page on the segments.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        What is known: "profile" and "names" are needed; "stability", "separation" (of `outcome_by_segment`),
        "transitions", "drift", "actions" (of `action_sheet`), "care_gaps" and "areas" are shown if they are there.
    path : str or Path
        File to write.
    labels : mapping of str to mapping of str to str, optional
        Text per language of columns that are not in the shipped list of conditions.
    title : str, optional
        Heading of the page.
    language : {"fi", "sv", "en"}, default="fi"
        Language of the page.

    Returns
    -------
    Path
        The file; it holds aggregates only.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from servicenee import segment_profile
    >>> from servicenee.segments import name_segments, segment_report
    >>> X = pd.DataFrame({"condition_diabetes_1825d": [1] * 30 + [0] * 70})
    >>> profile = segment_profile(pd.Series(["S2"] * 40 + ["S1"] * 60), X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tables = {"profile": profile, "names": name_segments(profile)}
    ...     "Diabetes" in segment_report(tables, f"{folder}/segments.html").read_text(encoding="utf-8")
    True
    """
    check_choice("language", language, LANGUAGES)
    unknown = [name for name in tables if name not in PARTS]
    lacking = [name for name in ("profile", "names") if name not in tables]
    if unknown or lacking:
        raise ValueError(
            f"`tables` must hold profile and names, and may hold {', '.join(PARTS[2:])}; got {list(tables)}."
        )
    names = dict(zip(tables["names"]["segment"], tables["names"][f"name_{language}"], strict=True))
    sections = [(_word("section.sizes", language), _sizes(tables["profile"], names, language))]
    if (tables["profile"]["statistic"] == "share").any():
        sections.append((_word("section.profile", language), _profile(tables["profile"], names, labels, language)))
    if "care_gaps" in tables:
        gaps = [feature_label(name, language, labels) for name in tables["care_gaps"]["gap"]]
        tables = {**tables, "care_gaps": tables["care_gaps"].assign(gap=gaps)}
    for name, draw in _SECTIONS.items():
        if name in tables and len(tables[name]):
            sections.append((_word(f"section.{name}", language), draw(tables[name], names, language)))
    sizes = tables["profile"][tables["profile"]["statistic"] == "size"]
    n = value_text(int(sizes["n"].sum()), language=language) if sizes["n"].notna().all() else "–"
    content = page(
        title or _word("title", language),
        sections,
        language=language,
        subtitle=text("segments.subtitle", language, n=n, segments=len(sizes)),
        footer=_word("footer", language),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")
    return path


def _word(name: str, language: str) -> str:
    return text(f"segments.{name}", language)


def _shown(frame: pd.DataFrame, columns: tuple[str, ...], language: str, **options) -> str:
    """A table with the reader's headings; shares are written in per cent by the callers."""
    heads = {name: _word(f"head.{name}", language) for name in columns}
    return table(frame[list(columns)].rename(columns=heads), language=language, **options)


def _percent(values: pd.Series, language: str) -> list[str]:
    return [format_percent(value, language) for value in values]


def _counts(values: pd.Series, language: str) -> list[str]:
    return ["–" if np.isnan(v) else value_text(int(v), language=language) for v in values]


def _titles(segments: pd.Series, names: Mapping[str, str]) -> list[str]:
    return [f"{key} {names.get(key, '')}".strip() if is_numbered(key) else names.get(key, key) for key in segments]


def sizes_html(profile: pd.DataFrame, names: Mapping[str, str], language: str) -> Html:
    """How many persons each segment has, as a table."""
    sizes = profile[profile["statistic"] == "size"]
    shown = pd.DataFrame(
        {
            "segment": sizes["segment"],
            "name": [names.get(segment, segment) for segment in sizes["segment"]],
            "n": _counts(sizes["n"], language),
            "share": _percent(sizes["value"], language),
        }
    )
    if not sizes["segment"].map(is_numbered).all():  # the code of a scheme's segment is no word for a reader
        shown = shown.drop(columns="segment")
    heads = {name: _word(f"head.{name}", language) for name in shown.columns}
    return table(shown.rename(columns=heads), language=language, numbers=[heads["n"], heads["share"]])


def _sizes(profile: pd.DataFrame, names, language: str) -> list[str]:
    drawn = figure(plot_sizes(profile, names, language=language), _word("alt.sizes", language))
    shown = sizes_html(profile, names, language)
    return [note(_word("note", language)), drawn, shown, _word("read.sizes", language)]


def _profile(profile: pd.DataFrame, names, labels, language: str) -> list[str]:
    drawn = plot_profile(profile, names, labels=labels, language=language)
    return [figure(drawn, _word("alt.profile", language), caption=_word("read.profile", language))]


def _stability(stability: pd.DataFrame, names, language: str) -> list[str]:
    drawn = plot_stability(stability, names, language=language)
    return [figure(drawn, _word("alt.stability", language), caption=_word("read.stability", language))]


def _separation(separation: pd.DataFrame, names, language: str) -> list[str]:
    risks = _with_interval(separation, ("risk", "lower", "upper"), lambda values: _percent(values, language))
    ratios = _with_interval(
        separation,
        ("rate_ratio", "ratio_lower", "ratio_upper"),
        lambda values: [value_text(v, language=language, digits=2) for v in values],
    )
    shown = pd.DataFrame(
        {
            "segment": _titles(separation["segment"], names),
            "n": _counts(separation["n"], language),
            "events": _counts(separation["events"], language),
            "risk": risks,
            "ratio": ratios,
            "death": _percent(separation["death_risk"], language),
        }
    )
    numbers = [_word(f"head.{name}", language) for name in ("n", "events", "risk", "ratio", "death")]
    return [_shown(shown, tuple(shown.columns), language, numbers=numbers), _word("read.separation", language)]


def _with_interval(frame: pd.DataFrame, columns: tuple[str, str, str], write) -> list[str]:
    value, lower, upper = (write(frame[name]) for name in columns)
    return ["–" if v == "–" else f"{v} ({a}{_BETWEEN}{b})" for v, a, b in zip(value, lower, upper, strict=True)]


def _transitions(transitions: pd.DataFrame, names, language: str) -> list[str]:
    drawn = plot_transitions(transitions, names, language=language)
    return [figure(drawn, _word("alt.transitions", language), caption=_word("read.transitions", language))]


def _drift(drift: pd.DataFrame, names, language: str) -> list[str]:
    def write(values):
        return [value_text(v, language=language, digits=3) for v in values]

    shown = pd.DataFrame(
        {
            "measure": [_word(f"measure.{name}", language) for name in drift["measure"]],
            "segment": _titles(drift["segment"], names),
            "reference": write(drift["reference"]),
            "value": write(drift["value"]),
            "range": [f"{a}{_BETWEEN}{b}" for a, b in zip(write(drift["lower"]), write(drift["upper"]), strict=True)],
            "drifted": [text(f"common.{'yes' if flag else 'no'}", language) for flag in drift["drifted"]],
        }
    )
    numbers = [_word(f"head.{name}", language) for name in ("reference", "value", "range")]
    return [_shown(shown, tuple(shown.columns), language, numbers=numbers), _word("read.drift", language)]


def _actions(actions: pd.DataFrame, names, language: str) -> list[str]:
    columns = ("segment", "n", "offer", "for_whom", "by_whom", "capacity_per_month", "months_to_meet")
    columns = tuple(name for name in columns if name not in _IF_FILLED or actions[name].notna().any())
    shown = actions.assign(segment=_titles(actions["segment"], names), n=_counts(actions["n"], language))
    numbers = [_word("head.n", language)]
    return [_shown(shown, columns, language, digits=0, numbers=numbers), _word("read.actions", language)]


def _care_gaps(gaps: pd.DataFrame, names, language: str) -> list[str]:
    gaps = gaps[gaps["n_due"] > 0]
    shown = pd.DataFrame(
        {
            "gap": gaps["gap"],
            "segment": _titles(gaps["segment"], names),
            "n_due": _counts(gaps["n_due"], language),
            "n_gap": _counts(gaps["n_gap"], language),
            "share": _percent(gaps["share"], language),
        }
    )
    numbers = [_word(f"head.{name}", language) for name in ("n_due", "n_gap", "share")]
    return [_shown(shown, tuple(shown.columns), language, numbers=numbers), _word("read.care_gaps", language)]


def _areas(areas: pd.DataFrame, names, language: str) -> list[str]:
    drawn = plot_areas(areas, names, language=language)
    return [figure(drawn, _word("alt.areas", language), caption=_word("read.areas", language))]


_SECTIONS = {
    "stability": _stability,
    "separation": _separation,
    "transitions": _transitions,
    "drift": _drift,
    "actions": _actions,
    "care_gaps": _care_gaps,
    "areas": _areas,
}
