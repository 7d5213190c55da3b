"""What a comparison found, and how: an effect where there were controls, a description where there were none."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from servicenee.html import note, page, table
from servicenee.texts import format_number, text

EFFECT, DESCRIPTION = "effect", "description"
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

    Notes
    -----
    `kind` is "effect" only if the design has controls. Without them `summary` and pages describe what happened and
    show regression to the mean; no word in them claims more.
    """

    design: str
    outcome: str
    estimate: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    n_listed: int = 0
    n_controls: int = 0
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """ "effect" or "description"."""
        return EFFECT if self.design in _DESIGNS_WITH_CONTROLS and self.n_controls > 0 else DESCRIPTION

    @property
    def is_clear(self) -> bool:
        """True where the interval leaves out no difference."""
        nothing = 1.0 if self.design == "interrupted_time_series" else 0.0
        return bool(self.lower > nothing or self.upper < nothing)

    def summary(self, language: str = "en") -> str:
        """One paragraph a reader may quote."""
        if self.kind == DESCRIPTION:
            return text("impact.comparison.description", language, outcome=self.outcome, n=self.n_listed)
        decimals = _decimals(self.upper - self.lower)
        numbers = {
            name: format_number(value, language, decimals=decimals)
            for name, value in (("estimate", self.estimate), ("lower", self.lower), ("upper", self.upper))
        }
        clear = text(f"impact.comparison.{'clear' if self.is_clear else 'unclear'}", language)
        return text(
            "impact.comparison.effect",
            language,
            outcome=self.outcome,
            design=text(f"impact.design.{self.design}", language),
            n_listed=self.n_listed,
            n_controls=self.n_controls,
            clear=clear,
            **numbers,
        )

    def to_html(self, language: str = "en") -> str:
        """A page with the summary and every table."""
        blocks = [note(self.summary(language)), *(self._block(name, language) for name in self.tables)]
        return page(text(f"impact.comparison.title.{self.kind}", language), [("", blocks)], language=language)

    def _block(self, name: str, language: str) -> str:
        return table(self.tables[name], caption=text(f"impact.table.{name}", language), language=language)

    def __repr__(self) -> str:
        if self.kind == DESCRIPTION:
            return f"Comparison(description, outcome={self.outcome!r}, n_listed={self.n_listed})"
        return (
            f"Comparison(effect by {self.design}, outcome={self.outcome!r}, {self.estimate:.4f} "
            f"[{self.lower:.4f}, {self.upper:.4f}], n_listed={self.n_listed}, n_controls={self.n_controls})"
        )

    def _repr_html_(self) -> str:
        rows = "".join(f"{frame.to_html(index=False)}" for frame in self.tables.values())
        return f"<p><b>{self!r}</b></p>{rows}"


def _decimals(width: float) -> int:
    """As many decimals as the interval is worth: three digits of its width."""
    return int(np.clip(2 - np.floor(np.log10(width)), 0, 4)) if np.isfinite(width) and width > 0 else 2
