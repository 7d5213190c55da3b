"""What every figure shares: a blank page, colours that the colour-blind tell apart, the reader's numbers."""

from functools import partial

import numpy as np
import pandas as pd

from servicenee.texts import format_number, format_percent, text

# Blue, vermillion and green of Okabe and Ito: told apart by colour-blind readers, and by their markers and lines.
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#595959"


def blank(width: float, height: float):
    """A figure of its own, outside pyplot: nothing global changes and nothing pops up."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    return fig


def word(name: str, language: str) -> str:
    """A text of evaluations."""
    return text(f"evaluation.{name}", language)


def nothing(fig, language: str):
    """A figure that says that there is nothing to show."""
    fig.text(0.5, 0.5, word("figure.empty", language), ha="center", va="center", color=GREY)
    return fig


def spread(middle: pd.Series, lower: pd.Series, upper: pd.Series) -> np.ndarray:
    """Distances down and up; 0 where there is no interval."""
    return np.nan_to_num(np.maximum(np.vstack([middle - lower, upper - middle]), 0))


def percent(axis, other, top: float, language: str, *, n_ticks: int = 8) -> None:
    """Ticks as per cent, with a decimal where the axis is short; at most so many steps."""
    from matplotlib.ticker import MaxNLocator

    decimals = 0 if top > 0.08 else 1
    for one in (axis, other):
        if one is not None:
            # Steps of 2.5 % would be written as 2 %, 5 %, 8 %.
            one.set_major_locator(MaxNLocator(nbins=n_ticks, steps=[1, 2, 5, 10]))
            one.set_major_formatter(partial(_percent_text, language=language, decimals=decimals))


def numbers(axis, language: str, *, decimals: int = 0) -> None:
    """Ticks with the decimal mark of the language."""
    axis.set_major_formatter(partial(_number_text, language=language, decimals=decimals))


# matplotlib calls a formatter with the value and the position of the tick.
def _percent_text(value: float, position: int | None, *, language: str, decimals: int) -> str:
    return format_percent(value, language, decimals=decimals)


def _number_text(value: float, position: int | None, *, language: str, decimals: int) -> str:
    return format_number(value, language, decimals=decimals)


def plain(*axes) -> None:
    """No frame at the top and on the right, a pale grid behind."""
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(True, color="#e3e6ea", linewidth=0.8)
        axis.set_axisbelow(True)
