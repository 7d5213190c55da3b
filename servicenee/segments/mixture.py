"""Distinct rows with their numbers come in; the latent class model of highest likelihood goes out, by EM in numpy.

Every distribution here is an exponential family, so a column is its sufficient statistics, a segment the means of
these, and both steps of EM are one matrix product each.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from servicenee.segments.blocks import BlockColumn

# Each segment starts with the evidence of a fraction of an average person: no probability is exactly 0 or 1.
PRIOR_PERSONS = 0.1
_TINY = 1e-300
_SHORT_ROUNDS = 5
_FIRST_ROUNDS = 25
_FINALISTS = 3
_RACE_TOL = 1e-7
_LEAST_LEAP = 1.001
_SAME_SHARES = 0.02


@dataclass(frozen=True)
class Layout:
    """Where the statistics of each kind of column stand, and the block weight of each."""

    binary: np.ndarray
    category: np.ndarray
    count: np.ndarray
    scale: np.ndarray  # the value; its square follows
    floor: np.ndarray  # least variance of each scale value
    observed: np.ndarray  # for each statistic: row that tells whether the column is observed, or -1
    weight: np.ndarray
    n_statistics: int
    n_observed: int


@dataclass(frozen=True)
class Design:
    """Rows as the likelihood needs them: statistics, shape (n_statistics + n_observed, n_rows), and persons per row."""

    layout: Layout
    statistics: np.ndarray
    base: np.ndarray
    weights: np.ndarray

    def with_weights(self, weights: np.ndarray) -> "Design":
        """The same rows with other numbers of persons; rows without any are left out."""
        keep = weights > 0
        return Design(self.layout, self.statistics[:, keep], self.base[keep], weights[keep].astype(np.float64))


@dataclass(frozen=True)
class Mixture:
    """A latent class model: share and means of the statistics of every segment."""

    shares: np.ndarray
    means: np.ndarray
    loglik: float
    objective: float
    n_rounds: int


def lay_out(columns: tuple[BlockColumn, ...], missing: np.ndarray) -> Layout:
    """Places of the statistics of these columns; `missing` tells which columns have missing values."""
    places = {kind: [] for kind in ("binary", "category", "count", "scale")}
    observed, weight, floor, place, n_observed = [], [], [], 0, 0
    n_statistics = sum(column.n_statistics for column in columns)
    for column, gaps in zip(columns, missing, strict=True):
        span = range(place, place + column.n_statistics)
        places[column.kind] += span if column.kind == "category" else span[:1]
        floor += [column.floor] if column.kind == "scale" else []
        observed += [n_statistics + n_observed if gaps else -1] * len(span)
        weight += [column.weight] * len(span)
        n_observed += int(gaps)
        place += len(span)
    arrays = {kind: np.array(listed, dtype=np.intp) for kind, listed in places.items()}
    return Layout(
        **arrays,
        floor=np.array(floor),
        observed=np.array(observed, dtype=np.intp),
        weight=np.array(weight),
        n_statistics=n_statistics,
        n_observed=n_observed,
    )


def make_design(columns: tuple[BlockColumn, ...], values: np.ndarray, weights: np.ndarray, layout: Layout) -> Design:
    """Statistics of rows whose `values`, shape (n_columns, n_rows), are as `read_values` gives them."""
    n_rows = values.shape[1]
    statistics = np.zeros((layout.n_statistics + layout.n_observed, n_rows))
    base, place = np.zeros(n_rows), 0
    for column, row in zip(columns, values, strict=True):
        known = ~np.isnan(row)
        filled = np.where(known, row, 0.0)
        if column.kind == "category":
            for level in range(len(column.levels)):
                statistics[place + level] = row == level
        elif column.kind == "scale":
            scaled = np.where(known, (filled - column.centre) / column.unit, 0.0)
            statistics[place], statistics[place + 1] = scaled, scaled**2
            base -= column.weight * known * (np.log(column.unit) + 0.5 * np.log(2 * np.pi))
        else:
            statistics[place] = filled
            if column.kind == "count":
                base -= column.weight * gammaln(filled + 1.0)
        if layout.n_observed and layout.observed[place] >= 0:
            statistics[layout.observed[place]] = known
        place += column.n_statistics
    return Design(layout, statistics, base, weights.astype(np.float64))


def coefficients(layout: Layout, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of every statistic in the log-likelihood of every segment, shape (n_segments, ...), and what is added."""
    n_segments = means.shape[0]
    slopes = np.zeros((n_segments, layout.n_statistics + layout.n_observed))
    level = np.zeros((n_segments, layout.n_statistics))
    p = means[:, layout.binary]
    slopes[:, layout.binary] = np.log(p) - np.log1p(-p)
    level[:, layout.binary] = np.log1p(-p)
    slopes[:, layout.category] = np.log(means[:, layout.category])
    rate = means[:, layout.count]
    slopes[:, layout.count] = np.log(rate)
    level[:, layout.count] = -rate
    centre = means[:, layout.scale]
    variance = np.maximum(means[:, layout.scale + 1] - centre**2, layout.floor)
    slopes[:, layout.scale] = centre / variance
    slopes[:, layout.scale + 1] = -0.5 / variance
    level[:, layout.scale] = -0.5 * (centre**2 / variance + np.log(variance))
    slopes[:, : layout.n_statistics] *= layout.weight
    level *= layout.weight
    gaps = layout.observed >= 0
    np.add.at(slopes, (slice(None), layout.observed[gaps]), level[:, gaps])
    return slopes, level[:, ~gaps].sum(axis=1)


def expect(design: Design, shares: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, float]:
    """E-step: posterior of every segment, shape (n_segments, n_rows), and the log-likelihood of all persons."""
    slopes, level = coefficients(design.layout, means)
    joint = slopes @ design.statistics
    joint += (level + np.log(np.maximum(shares, _TINY)))[:, np.newaxis]
    top = joint.max(axis=0)
    joint -= top
    np.exp(joint, out=joint)
    total = joint.sum(axis=0)
    joint /= total
    return joint, float(design.weights @ (top + np.log(total) + design.base))


def log_likelihoods(design: Design, shares: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of every segment, shape (n_segments, n_rows), and the log-likelihood of every row.

    As `expect`, but statistic by statistic in fixed order: a matrix product changes a row's last bits with the number
    of rows.
    """
    slopes, level = coefficients(design.layout, means)
    joint = np.repeat((level + np.log(np.maximum(shares, _TINY)))[:, np.newaxis], len(design.base), axis=1)
    for row, slope in zip(design.statistics, slopes.T, strict=True):
        joint += slope[:, np.newaxis] * row
    top = joint.max(axis=0)
    joint -= top
    np.exp(joint, out=joint)
    total = np.zeros(len(design.base))
    for segment in joint:
        total += segment
    joint /= total
    return joint, top + np.log(total) + design.base


def maximise(design: Design, posterior: np.ndarray, overall: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M-step: shares and means that fit these posteriors best, with the prior evidence of `overall`."""
    layout = design.layout
    persons = posterior * design.weights
    totals = (design.statistics @ persons.T).T
    sizes = persons.sum(axis=1)
    seen = np.repeat(sizes[:, np.newaxis], layout.n_statistics, axis=1)
    gaps = layout.observed >= 0
    seen[:, gaps] = totals[:, layout.observed[gaps]]
    means = (totals[:, : layout.n_statistics] + PRIOR_PERSONS * overall) / (seen + PRIOR_PERSONS)
    return sizes / sizes.sum(), means


def overall_means(design: Design) -> np.ndarray:
    """Means of the statistics over everybody observed."""
    layout = design.layout
    totals = design.statistics @ design.weights
    seen = np.full(layout.n_statistics, design.weights.sum())
    gaps = layout.observed >= 0
    seen[gaps] = totals[layout.observed[gaps]]
    return totals[: layout.n_statistics] / np.maximum(seen, 1.0)


def climb(design: Design, overall: np.ndarray, start: Mixture, *, max_iter: int, tol: float) -> Mixture:
    """EM with squared extrapolation, until a cycle gains less than `tol` of the objective, or after `max_iter` rounds.

    Two rounds of EM tell where the parameters are heading; the leap is taken back if it loses likelihood, so that the
    objective never falls (SQUAREM, Varadhan and Roland 2008).
    """
    here = start.shares, start.means
    one, loglik, objective = _round(design, overall, here)
    n_done = 1
    while True:
        two, _, floor = _round(design, overall, one)
        leap = _leap(design.layout, here, one, two)
        after, loglik_after, objective_after = _round(design, overall, leap)
        n_done += 2
        if objective_after < floor:
            leap = two
            after, loglik_after, objective_after = _round(design, overall, two)
            n_done += 1
        gain = objective_after - objective
        here, one, loglik, objective = leap, after, loglik_after, objective_after
        if gain <= tol * abs(objective) or n_done >= max_iter:
            return Mixture(*here, loglik, objective, start.n_rounds + n_done)


def race(
    design: Design, overall: np.ndarray, n_segments: int, n_starts: int, rng: np.random.Generator
) -> list[Mixture]:
    """The best few of many starts: all climb for a while, the better half climbs on, and so forth.

    Every start is the best of as many draws as there are segments, after a few rounds (short runs of EM, Biernacki,
    Celeux and Govaert 2003): the more segments, the more summits, and the fewer draws lead to the highest.
    """
    running = [_best_draw(design, overall, n_segments, rng) for _ in range(n_starts)]
    n_rounds = _FIRST_ROUNDS
    while True:
        running = [climb(design, overall, start, max_iter=n_rounds, tol=_RACE_TOL) for start in running]
        running = _distinct(sorted(running, key=lambda mixture: -mixture.objective))
        if len(running) <= _FINALISTS:
            return running
        running = running[: max(_FINALISTS, (len(running) + 1) // 2)]
        n_rounds *= 2


def _best_draw(design: Design, overall: np.ndarray, n_segments: int, rng: np.random.Generator) -> Mixture:
    drawn = [draw_start(design, overall, n_segments, rng) for _ in range(n_segments)]
    short = [climb(design, overall, start, max_iter=_SHORT_ROUNDS, tol=_RACE_TOL) for start in drawn]
    return max(short, key=lambda mixture: round(mixture.objective, 2))


def _distinct(running: list[Mixture]) -> list[Mixture]:
    """Of starts that climb to the same summit, told by their shares, the highest only: the others find nothing new."""
    kept: list[Mixture] = []
    for mixture in running:
        shares = np.sort(mixture.shares)
        if all(np.abs(shares - np.sort(other.shares)).max() > _SAME_SHARES for other in kept):
            kept.append(mixture)
    return kept


def _round(design: Design, overall: np.ndarray, parameters: tuple[np.ndarray, np.ndarray]):
    """One round of EM: the next parameters; log-likelihood and objective of the present ones."""
    posterior, loglik = expect(design, *parameters)
    return maximise(design, posterior, overall), loglik, loglik + prior(design.layout, overall, parameters[1])


def _leap(layout: Layout, here: tuple, one: tuple, two: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Where two rounds of EM point to; a shorter leap where that is outside of what parameters can be."""
    first = [b - a for a, b in zip(here, one, strict=True)]
    bend = [c - 2.0 * b + a for a, b, c in zip(here, one, two, strict=True)]
    speed, curve = (float(np.sqrt(sum((part**2).sum() for part in parts))) for parts in (first, bend))
    length = max(1.0, speed / curve) if curve > 0 else 1.0
    while length > _LEAST_LEAP:
        there = tuple(a + 2.0 * length * d + length**2 * b for a, d, b in zip(here, first, bend, strict=True))
        if _is_inside(layout, *there):
            return there
        length = (length + 1.0) / 2.0
    return two


def _is_inside(layout: Layout, shares: np.ndarray, means: np.ndarray) -> bool:
    probabilities = means[:, layout.binary]
    positive = (shares, probabilities, 1.0 - probabilities, means[:, layout.category], means[:, layout.count])
    return all((part > 0.0).all() for part in positive)


def prior(layout: Layout, overall: np.ndarray, means: np.ndarray) -> float:
    """Log-likelihood of the prior evidence: `PRIOR_PERSONS` average persons in every segment."""
    slopes, level = coefficients(layout, means)
    row = np.concatenate([overall, np.ones(layout.n_observed)])
    return float(PRIOR_PERSONS * ((slopes @ row).sum() + level.sum()))


def draw_start(design: Design, overall: np.ndarray, n_segments: int, rng: np.random.Generator) -> Mixture:
    """Equal shares around persons drawn by chance, each mixed with the average."""
    chance = design.weights / design.weights.sum()
    rows = rng.choice(len(chance), size=n_segments, replace=len(chance) < n_segments, p=chance)
    layout = design.layout
    seen = design.statistics[:, rows].T
    means = 0.5 * seen[:, : layout.n_statistics] + 0.5 * overall
    gaps = np.flatnonzero(layout.observed >= 0)
    is_missing = seen[:, layout.observed[gaps]] == 0
    means[:, gaps] = np.where(is_missing, overall[gaps], means[:, gaps])
    return Mixture(np.full(n_segments, 1.0 / n_segments), means, -np.inf, -np.inf, 0)


def entropy_r2(posterior: np.ndarray, weights: np.ndarray) -> float:
    """Entropy R²: 1 when everybody is certain, 0 when nobody is told apart."""
    n_segments = len(posterior)
    if n_segments == 1:
        return 1.0
    entropy = -(posterior * np.log(np.maximum(posterior, 1e-300))).sum(axis=0)
    return float(1.0 - (weights * entropy).sum() / (weights.sum() * np.log(n_segments)))
