"""Follow-up of persons comes in; one row per person and interval, hazards of each cause, and incidences go out."""

from dataclasses import dataclass, replace

import numpy as np

from servicenee.need.calibration import Calibrator, calibrate, fit_calibrator, uncalibrated
from servicenee.need.columns import Column, Rows
from servicenee.need.families import LOGISTIC
from servicenee.need.folds import rows_for_selection
from servicenee.need.inputs import calibration_folds
from servicenee.need.selection import EngineModel, choose_engine, default_choice, engine_predictor, fit_engine
from servicenee.outcomes import CENSORED

# Beyond this many rows (person and interval), those without an event are sampled within each interval.
MAX_PERIODS = 150_000


@dataclass(frozen=True)
class FollowUp:
    """Time in days and cause of its end for each person at an index date: 0 none, 3 censored, else a cause."""

    time: np.ndarray
    cause: np.ndarray
    weights: np.ndarray
    persons: np.ndarray

    def take(self, rows: np.ndarray) -> "FollowUp":
        """Some of the rows."""
        return FollowUp(self.time[rows], self.cause[rows], self.weights[rows], self.persons[rows])


@dataclass(frozen=True)
class Periods:
    """Rows of person and interval: position of the person's row, interval, how it ended, weight."""

    row: np.ndarray
    interval: np.ndarray
    cause: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Hazard:
    """Chance of one cause in an interval, given that nothing has come before."""

    engine: str
    loss: dict[str, float]
    model: EngineModel
    calibrator: Calibrator
    baseline: np.ndarray

    def risk(self, matrix: np.ndarray, interval: np.ndarray | int) -> np.ndarray:
        """Hazard of every row in its interval; the last column of the matrix is the time."""
        risk = calibrate(self.calibrator, engine_predictor(self.model, matrix))
        odds = np.exp(self.baseline[interval])
        return risk * odds / (1.0 - risk + risk * odds)


def cut_into_periods(follow_up: FollowUp, edges: np.ndarray, rng: np.random.RandomState) -> Periods:
    """Every interval that a person entered; the one in which follow-up was censored counts by the part observed.

    Examples
    --------
    >>> import numpy as np
    >>> from servicenee.need.hazards import FollowUp, cut_into_periods
    >>> follow_up = FollowUp(np.array([60.0, 45.0, 10.0]), np.array([0, 3, 1]), np.ones(3), np.arange(3))
    >>> periods = cut_into_periods(follow_up, np.array([0.0, 30.0, 60.0]), np.random.RandomState(0))
    >>> periods.row.tolist(), periods.cause.tolist(), periods.weights.tolist()
    ([0, 0, 1, 1, 2], [0, 0, 0, 0, 1], [1.0, 1.0, 1.0, 0.5, 1.0])
    """
    n_intervals = len(edges) - 1
    last = np.minimum(np.searchsorted(edges, follow_up.time, side="right") - 1, n_intervals - 1)
    row = np.repeat(np.arange(len(last)), last + 1)
    interval = np.arange(len(row)) - np.repeat(np.cumsum(last + 1) - (last + 1), last + 1)
    ends = interval == last[row]
    happened = (follow_up.cause != 0) & (follow_up.cause != CENSORED) & (follow_up.time < edges[-1])
    cause = np.where(ends & happened[row], follow_up.cause[row], 0)
    length = np.diff(edges)[interval]
    part = np.clip((follow_up.time[row] - edges[interval]) / length, 0.0, 1.0)
    weights = follow_up.weights[row] * np.where(ends & (follow_up.cause[row] == CENSORED), part, 1.0)
    kept = weights > 0
    periods = Periods(row[kept], interval[kept], cause[kept], weights[kept])
    return periods if len(periods.row) <= MAX_PERIODS else _sampled(periods, n_intervals, rng)


def period_rows(matrix: np.ndarray, columns: tuple[Column, ...], periods: Periods, edges: np.ndarray) -> Rows:
    """What an engine learns from: the columns of X and, last, the middle of the interval in days."""
    middle = 0.5 * (edges[1:] + edges[:-1])
    table = np.empty((len(periods.row), len(columns) + 1), order="F")
    for place in range(len(columns)):
        table[:, place] = matrix[periods.row, place]
    table[:, -1] = middle[periods.interval]
    time = Column("days after the index date", len(columns), None, 0.0, float(middle[len(middle) // 2]), "")
    return Rows(table, (*columns, time), np.zeros(len(periods.row), dtype=np.intp), periods.weights)


def learn_hazard(
    rows: Rows, interval: np.ndarray, persons: np.ndarray, calibration: str, rng: np.random.RandomState
) -> Hazard:
    """The engine with the lower log-loss on persons it has not seen, calibrated on them and to every interval.

    The penalty and few events flatten how the hazard changes over time. As in a Cox model the level of each interval
    is therefore free: the log odds are moved until the hazards of those at risk add up to the events (and one more on
    both sides, so that an interval without an event keeps a hazard).
    """
    seed = int(rng.randint(2**31 - 1))
    positions, stand_in = rows_for_selection(rows.y, rng)
    part = rows if len(positions) == len(rows.y) else rows.take(positions)
    part = replace(part, weights=part.weights * stand_in)
    folds = calibration_folds(part.y, persons[positions], rng, len(rows.columns))
    choice, calibrator = default_choice(), uncalibrated()
    if folds is not None:
        choice = choose_engine(part, folds, LOGISTIC, seed)
        share = float(1.0 - 1.0 / (folds.max() + 1)) * part.y.sum() / rows.y.sum()
        calibrator = fit_calibrator(calibration, choice.predictor, part.y, part.weights, folds, share)
    model = fit_engine(choice, rows, LOGISTIC, seed)
    hazard = Hazard(choice.engine, choice.loss, model, calibrator, np.zeros(int(interval.max()) + 1))
    return replace(hazard, baseline=_baseline(hazard, rows, interval))


def incidences(hazards: dict[int, Hazard], matrix: np.ndarray, edges: np.ndarray) -> dict[int, np.ndarray]:
    """Cumulative incidence of each cause at the end of each interval, shape (n_rows, n_intervals)."""
    middle = 0.5 * (edges[1:] + edges[:-1])
    table = np.empty((len(matrix), matrix.shape[1] + 1), order="F")
    table[:, :-1] = matrix
    free = np.ones(len(matrix))
    reached = {cause: np.zeros((len(matrix), len(middle))) for cause in hazards}
    for interval, day in enumerate(middle):
        table[:, -1] = day
        now = {cause: hazard.risk(table, interval) for cause, hazard in hazards.items()}
        together = sum(now.values())
        # Hazards are learnt one by one; very large ones could add up to more than certainty.
        scale = 1.0 / np.maximum(together, 1.0)
        for cause, hazard in now.items():
            before = reached[cause][:, interval - 1] if interval else 0.0
            reached[cause][:, interval] = before + free * hazard * scale
        free = free * (1.0 - together * scale)
    return reached


def _baseline(hazard: Hazard, rows: Rows, interval: np.ndarray) -> np.ndarray:
    """Shift of the log odds in each interval."""
    n_intervals = len(hazard.baseline)
    happened = np.bincount(interval, rows.weights * rows.y, n_intervals)
    risk, shift = hazard.risk(rows.matrix, interval), np.zeros(n_intervals)
    for _ in range(5):
        odds = np.exp(shift)[interval]
        expected = np.bincount(interval, rows.weights * risk * odds / (1.0 - risk + risk * odds), n_intervals)
        shift += np.log((happened + 1.0) / (expected + 1.0))
    return shift


def _sampled(periods: Periods, n_intervals: int, rng: np.random.RandomState) -> Periods:
    """All rows with an event and, of the others, so many from each interval that the total is kept; they weigh more."""
    quiet = np.flatnonzero(periods.cause == 0)
    events = np.flatnonzero(periods.cause != 0)
    share = max(MAX_PERIODS - len(events), len(events)) / len(quiet)
    weights, kept = periods.weights.copy(), [events]
    for interval in range(n_intervals):
        own = quiet[periods.interval[quiet] == interval]
        n_kept = min(len(own), max(1, round(share * len(own)))) if len(own) else 0
        chosen = rng.choice(own, n_kept, replace=False)
        if n_kept:
            weights[chosen] *= periods.weights[own].sum() / periods.weights[chosen].sum()
        kept.append(chosen)
    order = np.sort(np.concatenate(kept))
    return Periods(periods.row[order], periods.interval[order], periods.cause[order], weights[order])
