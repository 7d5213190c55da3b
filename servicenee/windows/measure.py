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

    `group_of_kind` holds the group number of every kind, -1 where the kind does not count; `sources` holds, for every
    group, the sources that must cover a window for "none" to mean none: no source at all means that nothing is known,
    None in their place that coverage does not matter. Columns come out by group, then window;
    `places` are the groups' places among those of the builder, where kinds in two groups make it ask by two measures.
    """

    statistic: str
    group_of_kind: np.ndarray
    sources: tuple[tuple[str, ...] | None, ...]
    windows: tuple[Window, ...]
    places: tuple[int, ...]

    def columns(self, first: int) -> np.ndarray:
        """Rows of the output filled by this measure, by group and window, when the builder's start at `first`."""
        n_windows = len(self.windows)
        return (first + np.array(self.places, dtype=np.int64)[:, None] * n_windows + np.arange(n_windows)).ravel()


def uncovered(coverage: CoverageColumns, sources: tuple[str, ...], index_day: np.ndarray, window: Window) -> np.ndarray:
    """True where some source does not cover the whole window, as far as its reports could have arrived.

    Without any source nobody could have reported, so that nothing is covered.
    """
    if not sources:
        return np.ones(len(index_day), dtype=bool)
    from_day, to_day, lag_days = coverage.of(sources)
    late = index_day - max(window.skip_days, lag_days) > to_day
    if window.lookback_days is None:
        return late
    return late | (index_day.astype(np.int64) - window.lookback_days < from_day)


def blank_uncovered(
    out: np.ndarray, coverage: CoverageColumns, index_day: np.ndarray, measures: list[tuple[int, Measure]]
) -> None:
    """A count of 0 is only a 0 where the sources cover the window: NaN elsewhere."""
    for first, measure in measures:
        if measure.statistic not in COUNTING:
            continue
        asked = ((sources, window) for sources in measure.sources for window in measure.windows)
        for column, (sources, window) in zip(measure.columns(first), asked, strict=True):
            if sources is not None:
                out[column, uncovered(coverage, sources, index_day, window)] = np.nan
