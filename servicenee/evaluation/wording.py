"""Values of the tables in; the texts in which a reader meets them out: shares, intervals, notes, verdicts."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from servicenee.evaluation.notes import TEXT_KEYS
from servicenee.html import value_text
from servicenee.texts import format_date, format_percent, text

# A browser may break a line after an en dash; the word joiner keeps an interval in one piece.
BETWEEN = "\u00a0–\u2060\u00a0"
GOOD_OBSERVED_EXPECTED = (0.9, 1.1)
GOOD_SLOPE = (0.8, 1.2)


def words(language: str) -> Callable[[str], str]:
    """Look-up of the texts of evaluations."""

    def word(name: str) -> str:
        return text(f"evaluation.{name}", language)

    return word


def estimand_text(evaluation, language: str) -> str:
    """What the risk is a probability of."""
    if evaluation.simple_outcome:
        return text("evaluation.estimand.simple", language)
    return text("evaluation.estimand", language, horizon=whole(evaluation.horizon_days, language))


def note_text(why: str, language: str) -> str:
    """A note of a table in the reader's language."""
    return text(TEXT_KEYS[why], language) if why in TEXT_KEYS else why


def group_text(by: str, group: str, language: str) -> str:
    """A group in the reader's language: sexes, languages and dates are known, other names stay as they are."""
    if by == "index_date":
        return format_date(group, language) if group else note_text(group, language)
    if by.count(":") == group.count(", ") > 0:
        parts = zip(by.split(":"), group.split(", "), strict=True)
        return ", ".join(short_group_text(*part, language) for part in parts)
    known = {"sex": ("female", "male"), "language": ("fi", "sv", "other"), "living_alone": ("True", "False", "0", "1")}
    if group in known.get(by, ()):
        return text(f"evaluation.group.{by}.{group.lower()}", language)
    return note_text(group, language)


def full_group_text(by: str, group: str, language: str) -> str:
    """A group with its variable before it; an index date needs none."""
    name = group_text(by, group, language)
    if by == "index_date":
        return name
    known = ("sex", "age_band", "language", "area", "team", "living_alone")
    parts = [text(f"evaluation.by.{part}", language) if part in known else part for part in by.split(":")]
    return f"{', '.join([parts[0], *(part.lower() for part in parts[1:])])}: {name}"


def short_group_text(by: str, group: str, language: str) -> str:
    """A group as a figure names it: its variable only where the group says nothing by itself."""
    speaks = by in ("sex", "age_band", "language", "area", "index_date") or ":" in by
    return group_text(by, group, language) if speaks else full_group_text(by, group, language)


def subtitle(evaluation, language: str, *, horizon_days: int | None = None) -> str:
    """What was judged when: index dates, the outcome's window, the model; as far as they are known."""
    parts = []
    if evaluation.index_dates:
        first, last = (format_date(date, language) for date in evaluation.index_dates)
        if first == last:
            parts.append(text("evaluation.subtitle.date", language, date=first))
        else:
            parts.append(text("evaluation.subtitle.dates", language, first=first, last=last))
        if horizon_days is not None:
            parts.append(text("evaluation.subtitle.horizon", language, n=whole(horizon_days, language)))
    if evaluation.model is not None:
        facts = evaluation.model
        parts.append(text("evaluation.subtitle.model", language, name=facts.name, version=facts.version))
    return " · ".join(parts) or text("evaluation.subtitle.undated", language)


def verdict_key(evaluation) -> str:
    """Whether the risks are at the right level, by the bands of METHODS: key of the sentence that says so."""
    ratio, slope = evaluation.metric("observed_expected"), evaluation.metric("calibration_slope")
    if not (np.isfinite(ratio) and np.isfinite(slope)):
        return "evaluation.say.unknown"
    inside = GOOD_OBSERVED_EXPECTED[0] <= ratio <= GOOD_OBSERVED_EXPECTED[1] and GOOD_SLOPE[0] <= slope <= GOOD_SLOPE[1]
    return "evaluation.say.calibrated" if inside else "evaluation.say.uncalibrated"


def share(value: float, language: str, digits: int = 1) -> str:
    """A share as per cent."""
    return format_percent(value, language, decimals=digits)


def number(value: float, language: str, digits: int = 2) -> str:
    """A number with two decimals."""
    return value_text(float(value), language=language, digits=digits)


def whole(value: float, language: str) -> str:
    """A number without decimals."""
    return value_text(float(value), language=language, digits=0)


def column(values: Sequence[float], show: Callable, language: str) -> list[str]:
    """Every value as `show` writes it."""
    return [show(value, language) for value in values]


def intervals(
    frame: pd.DataFrame, show: Callable, language: str, names: Sequence[str] = ("lower", "upper")
) -> list[str]:
    """Intervals of the two columns; an en dash where there is none. Of shares only the upper end says per cent."""
    return [
        f"{_lower(lower, show, language)}{BETWEEN}{show(upper, language)}"
        if np.isfinite(lower) and np.isfinite(upper)
        else "–"
        for lower, upper in zip(frame[names[0]], frame[names[1]], strict=True)
    ]


def _lower(value: float, show: Callable, language: str) -> str:
    return number(100 * value, language, 1) if show is share else show(value, language)


def with_intervals(frame: pd.DataFrame, show: Callable, language: str, name: str = "value") -> list[str]:
    """Values of a column with their interval in brackets: ``name_lower`` to ``name_upper``, or lower to upper."""
    bounds = (f"{name}_lower", f"{name}_upper") if f"{name}_lower" in frame else ("lower", "upper")
    return [
        show(value, language) if interval == "–" else f"{show(value, language)} ({interval})"
        for value, interval in zip(frame[name], intervals(frame, show, language, bounds), strict=True)
    ]


def list_length(asked: str, language: str) -> str:
    """A list length as a reader writes it."""
    return asked if language == "en" else asked.replace(".", ",").replace("%", "\u00a0%")
