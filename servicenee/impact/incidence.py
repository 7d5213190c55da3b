"""Days waited and what ended the wait in; the share met by every day (Aalen-Johansen) and its error out."""

from dataclasses import dataclass

import numpy as np

from servicenee.outcomes import CENSORED, EVENT, OTHER_EVENT


@dataclass(frozen=True)
class Incidence:
    """What is known of every group on every day since the request; arrays of shape (n_groups, n_days).

    `at_risk`: still waiting when the day began, and followed through it; `met`, `closed`: cumulative shares met and
    closed unmet by the end of the day; `waiting`: share that still waits when the day begins.
    """

    at_risk: np.ndarray
    n_met: np.ndarray
    n_closed: np.ndarray
    waiting: np.ndarray
    met: np.ndarray
    closed: np.ndarray

    def quantile(self, share: float) -> np.ndarray:
        """First day by which at least this share of all requests had been met; NaN where it never was."""
        reached = self.met >= share - 1e-12
        return np.where(reached.any(axis=1), reached.argmax(axis=1), np.nan)


def cumulative_incidence(
    days: np.ndarray, status: np.ndarray, group: np.ndarray, *, n_groups: int, n_days: int
) -> Incidence:
    """Aalen-Johansen estimate of every group for the days 0 to ``n_days - 1``.

    Nothing is known of the day on which follow-up ends, so on one day an end of follow-up comes before a contact:
    the convention of `evaluation.known_outcomes`, whose weighted share of events is the same number.
    """
    cell = group.astype(np.int64) * (n_days + 1) + np.minimum(days, n_days)
    size = n_groups * (n_days + 1)
    counts = {
        code: np.bincount(cell[status == code], minlength=size).reshape(n_groups, n_days + 1)
        for code in (EVENT, OTHER_EVENT, CENSORED)
    }
    ended = sum(counts.values())
    reached = np.cumsum(ended[:, ::-1], axis=1)[:, ::-1]
    at_risk = (reached - counts[CENSORED])[:, :n_days]
    n_met, n_closed = (counts[code][:, :n_days] for code in (EVENT, OTHER_EVENT))
    waiting = _before(np.cumprod(1 - _ratio(n_met + n_closed, at_risk), axis=1), start=1.0)
    met, closed = (np.cumsum(waiting * _ratio(n, at_risk), axis=1) for n in (n_met, n_closed))
    return Incidence(at_risk, n_met, n_closed, waiting, met, closed)


def share_error(
    incidence: Incidence, day: int, days: np.ndarray, status: np.ndarray, group: np.ndarray, person: np.ndarray
) -> np.ndarray:
    """Standard error of the share met by the end of `day` in every group, requests of one person taken together.

    The infinitesimal jackknife: the derivative of the share by the weight of every request, summed within persons,
    squared and summed, as R's survfit(id=, cluster=) does.
    """
    n_groups, stop = len(incidence.met), day + 1
    at_risk = np.maximum(incidence.at_risk[:, :stop], 1)
    met_hazard = incidence.n_met[:, :stop] / at_risk
    hazard = met_hazard + incidence.n_closed[:, :stop] / at_risk
    gain = incidence.waiting[:, :stop] / at_risk
    to_come = incidence.met[:, day][:, None] - incidence.met[:, :stop]
    loss = np.divide(to_come, at_risk * (1 - hazard), out=np.zeros_like(to_come), where=hazard < 1 - 1e-12)
    drift = np.cumsum(loss * hazard - gain * met_hazard, axis=1)
    before = _before(drift, start=0.0)
    inside = days < stop
    place = group.astype(np.int64) * stop + np.minimum(days, day)
    influence = np.where(inside & (status == CENSORED), before.ravel()[place], drift.ravel()[place])
    ended = inside & (status != CENSORED)
    influence[ended] -= loss.ravel()[place[ended]]
    influence[inside & (status == EVENT)] += gain.ravel()[place[inside & (status == EVENT)]]
    return np.sqrt(_squares_by_person(influence, group, person, n_groups))


def _squares_by_person(influence: np.ndarray, group: np.ndarray, person: np.ndarray, n_groups: int) -> np.ndarray:
    n_persons = int(person.max(initial=-1)) + 1
    pair = group.astype(np.int64) * n_persons + person
    order = np.argsort(pair, kind="stable")
    if not len(order):
        return np.zeros(n_groups)
    first = np.flatnonzero(np.r_[True, np.diff(pair[order]) > 0])
    sums = np.add.reduceat(influence[order], first)
    return np.bincount(group[order[first]], weights=sums**2, minlength=n_groups)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def _before(values: np.ndarray, *, start: float) -> np.ndarray:
    """Values as they were before each day."""
    return np.concatenate([np.full((len(values), 1), start), values[:, :-1]], axis=1)
