"""What builders with derived columns share: groups by hand, parts by name, columns of X with words of their own."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from servicenee.codes import Codelist
from servicenee.features.blocks import Feature, Group, event_groups
from servicenee.features.labels import windowed
from servicenee.registers import Registers
from servicenee.texts import LANGUAGES
from servicenee.windows import Window

# Weight sets, code sets and lists by the name readers know them by, which no language translates.
PUBLISHED = {
    "charlson1987": "Charlson 1987",
    "quan2005": "Quan 2005",
    "quan2011": "Quan 2011",
    "sweden2021": "Ludvigsson 2021",
    "vanwalraven2009": "van Walraven 2009",
    "swiss2021": "Sharma 2021",
    "boustani2008": "Boustani 2008",
    "acbcalc2023": "ACBcalc 2023",
    "kiesel2018": "Kiesel 2018",
}


def listed_groups(codelist: Codelist, kinds: pd.DataFrame, chosen: np.ndarray, sources: tuple[str, ...]) -> list[Group]:
    """One group per group of the list, among the chosen kinds; all need the same sources to cover the window."""
    found = codelist.groups_of_kinds(kinds) & chosen
    return [Group(name, found[row], sources, codelist.name) for row, name in enumerate(codelist.groups)]


def of_sources(registers: Registers, source) -> np.ndarray:
    """Which kinds belong to the sources asked for (None: all); an unknown source is refused."""
    return event_groups(registers, None, source, None)[0].kinds


def by_window(filled: np.ndarray, n_windows: int) -> np.ndarray:
    """Filled columns of a measured block as an array (n_groups, n_windows, n_rows)."""
    return filled.reshape(-1, n_windows, filled.shape[1])


def column(name: str, window: Window, what: Callable[[str], str], **facts) -> Feature:
    """A column of X: its name with the window, and its noun phrase in every language from `what(language)`."""
    span = "ever" if window.lookback_days is None else f"{window.lookback_days}d"
    skip = f"_skip{window.skip_days}d" if window.skip_days else ""
    return Feature(f"{name}_{span}{skip}", window=window, words=partial(_phrases, what, window), **facts)


def _phrases(what: Callable[[str], str], window: Window) -> dict[str, str]:
    return windowed({language: what(language) for language in LANGUAGES}, window)
