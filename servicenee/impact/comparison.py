"""What a comparison found, and how: an effect where there were controls that stood the test, else a description."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from servicenee.html import note, page, table
from servicenee.impact.readable import name_text, readable
from servicenee.texts import format_number, text

LARGEST_IMBALANCE = 0.1  # standardised difference
EFFECT, DESCRIPTION = "effect", "description"
PLACEBO = "before_the_list"
Z = 1.959963984540054  # 97.5 % point of the normal distribution
_DESIGNS_WITH_CONTROLS = (
    "hold_out",
    "discontinuity",
    "matched",
    "difference_in_differences",
    "interrupted_time_series",
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of `effect_of_lists`, `difference_in_differences` or `interrupted_time_series`.

    Attributes
    ----------
    design : str
        "hold_out", "discontinuity", "matched", "difference_in_differences", "interrupted_time_series" or
        "before_after".
    outcome : str
        What was compared.
    estimate, lower, upper : float
        Listed minus not listed, with its 95 % interval; for an interrupted time series the ratio of rates. NaN for a
        description.
    n_listed, n_controls : int
        Persons, units or months that were compared.
    tables : dict of str to DataFrame
        What the design rests on: counts, balance, sensitivity, event study.
    labels : dict of str to dict
        Names of outcomes and features for readers, by language.

    Notes
    -----
    `kind` is "effect" only if the design has controls and `doubts` is empty. Without controls `summary` and pages
    describe what happened and show regression to the mean; with doubts they tell the difference and what speaks
    against reading anything into it. No word in them claims more.

    `doubts` may hold "placebo": the two sides differed clearly (95 %) in the outcome before the list, on which it
    cannot have acted; "balance": after matching a feature differs by more than 0.1 standard deviations, and by more
    than chance lets any of them; "trend": units differed clearly before their start (all times before it together).
    """

    design: str
    outcome: str
    estimate: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    n_listed: int = 0
    n_controls: int = 0
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """ "effect" or "description"."""
        return EFFECT if self.has_controls and not self.doubts else DESCRIPTION

    @property
    def has_controls(self) -> bool:
        """Whether anybody was compared with."""
        return self.design in _DESIGNS_WITH_CONTROLS and self.n_controls > 0

    @property
    def doubts(self) -> tuple[str, ...]:
        """What speaks against reading the difference as the doing of the list: of "placebo", "balance", "trend"."""
        checks = {"placebo": _placebo_fails, "balance": _is_unbalanced, "trend": _trends_differ}
        return tuple(name for name, fails in checks.items() if fails(self))

    @property
    def is_clear(self) -> bool:
        """True where the interval leaves out no difference."""
        nothing = 1.0 if self.design == "interrupted_time_series" else 0.0
        return bool(self.lower > nothing or self.upper < nothing)

    def summary(self, language: str = "en") -> str:
        """One paragraph a reader may quote."""
        outcome = name_text(self.outcome, language, self.labels)
        outcome = f"{outcome[:1].upper()}{outcome[1:]}"
        if not self.has_controls:
            return text("impact.comparison.description", language, outcome=outcome, n=self.n_listed)
        decimals = _decimals(self.upper - self.lower)
        values = {
            name: format_number(value, language, decimals=decimals)
            for name, value in (("estimate", self.estimate), ("lower", self.lower), ("upper", self.upper))
        }
        values |= {"design": text(f"impact.design.{self.design}", language), "outcome": outcome}
        values |= {"n_listed": self.n_listed, "n_controls": self.n_controls}
        if self.doubts:
            told = " ".join(text(f"impact.doubt.{doubt}", language) for doubt in self.doubts)
            return text("impact.comparison.doubtful", language, doubts=told, **values)
        clear = text(f"impact.comparison.{'clear' if self.is_clear else 'unclear'}", language)
        return text("impact.comparison.effect", language, clear=clear, **values)

    def to_html(self, language: str = "en") -> str:
        """A page with the summary and every table."""
        blocks = [note(self.summary(language)), *(self.block(name, language) for name in self.tables)]
        return page(text(f"impact.comparison.title.{self.kind}", language), [("", blocks)], language=language)

    def block(self, name: str, language: str) -> str:
        """One of the tables in the words of a reader, for a page."""
        shown = readable(self.tables[name], language, self.labels)
        return table(shown, caption=text(f"impact.table.{name}", language), language=language)

    def __repr__(self) -> str:
        about = f"outcome={self.outcome!r}, n_listed={self.n_listed}"
        if not self.has_controls:
            return f"Comparison(description, {about})"
        if self.doubts:
            return f"Comparison(description by {self.design}, {about}, doubts={self.doubts})"
        return (
            f"Comparison(effect by {self.design}, outcome={self.outcome!r}, {self.estimate:.4f} "
            f"[{self.lower:.4f}, {self.upper:.4f}], n_listed={self.n_listed}, n_controls={self.n_controls})"
        )

    def _repr_html_(self) -> str:
        rows = "".join(f"{frame.to_html(index=False)}" for frame in self.tables.values())
        return f"<p><b>{self!r}</b></p>{rows}"


def _placebo_fails(found: Comparison) -> bool:
    """Listed and controls differed clearly before the list."""
    rows = found.tables.get("sensitivity", pd.DataFrame({"analysis": []}))
    placebo = rows[rows["analysis"] == PLACEBO]
    return bool(len(placebo) and (placebo["lower"].iloc[0] > 0 or placebo["upper"].iloc[0] < 0))


def _is_unbalanced(found: Comparison) -> bool:
    """A feature differs after matching, and by more than the largest of so many would by chance."""
    balance = found.tables.get("balance", pd.DataFrame())
    if found.design != "matched" or balance.empty:
        return False
    pairs = max(min(found.n_listed, found.n_controls), 1)
    by_chance = norm.ppf(1 - 0.025 / len(balance)) * np.sqrt(2 / pairs)
    return bool(balance["difference_after"].abs().max() > max(LARGEST_IMBALANCE, by_chance))


def _trends_differ(found: Comparison) -> bool:
    """Starters and the others moved apart before the start."""
    study = found.tables.get("event_study", pd.DataFrame({"since_start": []}))
    before = study[(study["since_start"] < 0) & (study["error"] > 0)] if len(study) else study
    if not len(before):
        return False
    free = max(found.n_listed + found.n_controls - 2, 1)
    return bool((before["estimate"].abs() > t.ppf(1 - 0.025 / len(before), free) * before["error"]).any())


def _decimals(width: float) -> int:
    """As many decimals as the interval is worth: three digits of its width."""
    return int(np.clip(2 - np.floor(np.log10(width)), 0, 4)) if np.isfinite(width) and width > 0 else 2
