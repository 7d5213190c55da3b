"""Windows and measures: what builders ask of the kernel, and when "none" may be said."""

from dataclasses import dataclass

import numpy as np

from servicenee.registers.tables import CoverageColumns

# Of these, 0 means observed and none, NaN that the source does not cover the window; of all others NaN means not found.
COUNTING = ("count", "any", "sum", "distinct", "days", "inside", "chains", "longest")


@dataclass(frozen=True)
class Window:
    """Lookback window [index - lookback_days, index - skip_days); None looks back over all history."""

    lookback_days: int | None
    skip_days: int = 0


@dataclass(frozen=True, eq=False)
class Measure:
    """What to compute from events or stays, for groups of kinds and for several windows.

    `groups` is a bool array of shape (n_groups, n_kinds) that says which kinds count in which group; a kind may count
    in several. `sources` holds, for every group, the sources that must cover a window for "none" to mean none: no
    source at all means that nothing is known, None in their place that coverage does not matter. Columns come out by
    group, then window.
    """

    statistic: str
    groups: np.ndarray
    sources: tuple[tuple[str, ...] | None, ...]
    windows: tuple[Window, ...]

    def columns(self, first: int) -> range:
        """Rows of the output filled by this measure, by group and window, when they start at `first`."""
        return range(first, first + len(self.groups) * len(self.windows))


def uncovered(coverage: CoverageColumns, sources: tuple[str, ...], index_day: np.ndarray, window: Window) -> np.ndarray:
    """True where some source does not cover the whole window, as far as its reports could have arrived.

    Without any source nobody could have reported, so that nothing is covered.
    """
    if not sources:
        return np.ones(len(index_day), dtype=bool)
    at = [coverage.source.index(source) for source in sources]
    # Each source by its own lag: a slow one is no excuse for another that has stopped.
    told_until = (coverage.to_day[at].astype(np.int64) + np.maximum(window.skip_days, coverage.lag_days[at])).min()
    late = index_day > told_until
    if window.lookback_days is None:
        return late
    return late | (index_day.astype(np.int64) - window.lookback_days < coverage.from_day[at].max())


def blank_uncovered(
    out: np.ndarray, coverage: CoverageColumns, index_day: np.ndarray, measures: list[tuple[int, Measure]]
) -> None:
    """A count of 0 is only a 0 where the sources cover the window: NaN elsewhere."""
    blank: dict[tuple, np.ndarray] = {}
    for first, measure in measures:
        if measure.statistic not in COUNTING:
            continue
        asked = ((sources, window) for sources in measure.sources for window in measure.windows)
        for column, (sources, window) in zip(measure.columns(first), asked, strict=True):
            if sources is None:
                continue
            if (sources, window) not in blank:
                blank[sources, window] = np.flatnonzero(uncovered(coverage, sources, index_day, window))
            out[column, blank[sources, window]] = np.nan
