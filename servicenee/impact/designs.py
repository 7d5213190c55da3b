"""Rows of listed and not listed persons in; the difference a list made, by hold-out, discontinuity or matching, out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee.disclosure import MIN_CELL, is_small
from servicenee.impact.comparison import PLACEBO, Comparison, Z

CALIPER = 0.2  # standard deviations of the logit of the propensity
_SMALLEST_SIDE = 20
_KERNEL_CONSTANT = 3.4375  # triangular kernel at a boundary (Imbens and Kalyanaraman 2012)


@dataclass(frozen=True)
class Rows:
    """One entry per person and index date whose outcome is known."""

    outcome: str
    y: np.ndarray
    weight: np.ndarray  # so that the known speak for the censored
    person: np.ndarray
    stratum: np.ndarray  # index date and team
    listed: np.ndarray
    held_out: np.ndarray
    logit: np.ndarray  # of the risk
    cut: np.ndarray  # logit of the lowest risk on the list of the stratum; NaN where it has no list

    def __len__(self) -> int:
        return len(self.y)

    def where(self, kept: np.ndarray) -> "Rows":
        """The rows for which `kept` is true."""
        return Rows(self.outcome, *(getattr(self, name)[kept] for name in list(self.__dict__)[1:]))


def by_hold_out(rows: Rows) -> Comparison:
    """Listed against those who were drawn not to be listed, within lists, adjusted for the risk."""
    rows = rows.where(rows.listed | rows.held_out)
    _enough(rows, rows.listed, "held out")
    plain = _difference(rows, rows.listed, np.zeros((len(rows), 0)))
    adjusted = _difference(rows, rows.listed, rows.logit[:, None])
    sensitivity = pd.DataFrame(
        [("adjusted", *adjusted), ("unadjusted", *plain)], columns=["analysis", "estimate", "lower", "upper"]
    )
    balance = _balance(rows.listed, pd.DataFrame({"risk_logit": rows.logit}), rows.weight)
    return _comparison("hold_out", rows, rows.listed, adjusted, {"sensitivity": sensitivity, "balance": balance})


def by_discontinuity(rows: Rows, placebo: np.ndarray) -> Comparison:
    """The jump of the outcome where the list ends, per jump in being listed; `placebo` as for `by_matching`."""
    kept = np.isfinite(rows.cut)
    rows, placebo = rows.where(kept), placebo[kept]
    running, above = rows.logit - rows.cut, rows.logit >= rows.cut
    _enough(rows, above, "just below the cut")
    bandwidth = _bandwidth(running, rows.y, rows.weight)
    tried = [(name, _jump(rows, running, factor * bandwidth)) for name, factor in _BANDWIDTHS.items()]
    own = _bandwidth(running, placebo, rows.weight)
    before = _jump(Rows(**{**rows.__dict__, "y": placebo}), running, own)
    lines = [
        (name, factor * bandwidth, *result) for (name, result), factor in zip(tried, _BANDWIDTHS.values(), strict=True)
    ]
    sensitivity = pd.DataFrame(
        [*lines, (PLACEBO, own, *before)], columns=["analysis", "bandwidth_logit", "estimate", "lower", "upper"]
    )
    near = np.abs(running) < bandwidth
    used = rows.where(near)
    return _comparison(
        "discontinuity", used, above[near], tried[0][1], {"sensitivity": sensitivity, "near_cut": _bins(rows, running)}
    )


_BANDWIDTHS = {"chosen": 1.0, "half": 0.5, "double": 2.0}


def by_matching(rows: Rows, features: pd.DataFrame, placebo: np.ndarray) -> Comparison:
    """Listed against matched persons of the same date, then adjusted by regression: right if either model is.

    `placebo` is the outcome's own count before the index date, on which the list cannot have acted.
    """
    controls = ~rows.listed
    _enough(rows, rows.listed, "not listed")
    X = _complete(features)
    logit = _propensity(X, rows.listed)
    date = rows.stratum[:, 0] if rows.stratum.ndim == 2 else np.zeros(len(rows))
    treated, matched = _pairs(logit, rows.listed, date)
    _enough_pairs(len(treated), int(rows.listed.sum()))
    both = np.r_[treated, matched]
    before = _balance(rows.listed, X, rows.weight)
    after = _balance(rows.listed[both], X.iloc[both], rows.weight[both])
    balance = before.merge(after, on="feature", suffixes=("_before", "_after"))
    pair_rows = rows.where(both)
    pair_rows = Rows(**{**pair_rows.__dict__, "stratum": np.zeros((len(both), 1), dtype=np.int64)})
    covariates = _adjusted_for(X.iloc[both], after, logit[both])
    adjusted = _difference(pair_rows, pair_rows.listed, covariates)
    plain = _difference(pair_rows, pair_rows.listed, np.zeros((len(both), 0)))
    placebo_rows = Rows(**{**pair_rows.__dict__, "y": placebo[both]})
    earlier = _difference(placebo_rows, placebo_rows.listed, np.zeros((len(both), 0)))
    sensitivity = pd.DataFrame(
        [("doubly_robust", *adjusted), ("matched_only", *plain), (PLACEBO, *earlier)],
        columns=["analysis", "estimate", "lower", "upper"],
    )
    flow = pd.DataFrame(
        {"step": ["listed", "matched", "controls_available"], "n": [rows.listed.sum(), len(treated), controls.sum()]}
    )
    tables = {"sensitivity": sensitivity, "balance": balance, "flow": flow}
    return _comparison("matched", pair_rows, pair_rows.listed, adjusted, tables)


def _comparison(design: str, rows: Rows, listed: np.ndarray, found: tuple, tables: dict) -> Comparison:
    estimate, lower, upper = found
    n = len(np.unique(rows.person[listed])), len(np.unique(rows.person[~listed]))
    return Comparison(design, rows.outcome, estimate, lower, upper, *n, tables)


def _difference(rows: Rows, listed: np.ndarray, covariates: np.ndarray) -> tuple[float, float, float]:
    """Coefficient of being listed within strata, weighted, with errors that hold when a person comes repeatedly."""
    from statsmodels.api import WLS

    stratum = pd.factorize(pd.MultiIndex.from_arrays(list(np.atleast_2d(rows.stratum.T))))[0]
    columns = np.column_stack([listed.astype(np.float64), covariates, rows.y])
    total = np.bincount(stratum, weights=rows.weight)
    centred = np.column_stack(
        [column - (np.bincount(stratum, weights=rows.weight * column) / total)[stratum] for column in columns.T]
    )
    fit = WLS(centred[:, -1], centred[:, :-1], weights=rows.weight).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(rows.person)[0]}
    )
    return _interval(fit.params[0], fit.bse[0])


def _interval(estimate: float, error: float) -> tuple[float, float, float]:
    return float(estimate), float(estimate - Z * error), float(estimate + Z * error)


def _jump(rows: Rows, running: np.ndarray, bandwidth: float) -> tuple[float, float, float]:
    """Local linear jump at 0 of the outcome over that of being listed; NaN where a side is too thin."""
    from statsmodels.api import WLS

    near = np.abs(running) < bandwidth
    above = (running >= 0) & near
    if min(above.sum(), (near & ~above).sum()) < _SMALLEST_SIDE:
        return np.nan, np.nan, np.nan
    x, d = running[near], rows.listed[near].astype(np.float64)
    kernel = (1 - np.abs(x) / bandwidth) * rows.weight[near]
    design = np.column_stack([above[near], np.ones(len(x)), x, x * above[near]]).astype(np.float64)
    groups = pd.factorize(rows.person[near])[0]
    uptake = WLS(d, design, weights=kernel).fit().params[0]
    if abs(uptake) < 0.1:
        return np.nan, np.nan, np.nan
    jump = WLS(rows.y[near], design, weights=kernel).fit().params[0]
    # The error of a ratio is that of the outcome less the estimate times the uptake, over the uptake's jump.
    rest = WLS(rows.y[near] - jump / uptake * d, design, weights=kernel).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    return _interval(jump / uptake, rest.bse[0] / abs(uptake))


def _bandwidth(running: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Bandwidth of Imbens and Kalyanaraman (2012, section 4.2), shrunk for intervals that cover.

    The rule minimises the mean squared error of the jump; times n^(-1/20) it minimises the error of coverage instead
    (Calonico, Cattaneo and Farrell, Econometrics Journal 2020;23:192-210). Numbers are theirs, none is ours.
    """
    n, pilot = len(running), max(1.84 * float(np.std(running)) * len(running) ** -0.2, 1e-6)
    sides = (running >= 0, running < 0)
    density = max(float((np.abs(running) < pilot).sum()), 1.0) / (2 * pilot * n)
    third = _third_derivative(running, y, weight)
    noise, curvatures, regularisation = 0.0, [], 0.0
    for side in sides:
        inside = side & (np.abs(running) < pilot)
        variance = float(np.var(y[inside if inside.sum() > 1 else side]))
        reach = 3.56 * (variance / (density * max(third**2, 0.01))) ** (1 / 7) * max(side.sum(), 1) ** (-1 / 7)
        local = side & (np.abs(running) <= max(reach, _side_reach(running, side)))
        curvatures.append(2 * _polynomial(running[local], y[local], weight[local], 2)[2])
        regularisation += 2160 * variance / (max(local.sum(), 1) * max(reach, 1e-6) ** 4)
        noise += variance
    bend = (curvatures[0] - curvatures[1]) ** 2 + regularisation
    bandwidth = _KERNEL_CONSTANT * (noise / (density * max(bend, 1e-12) * n)) ** 0.2 * n**-0.05
    narrowest = max(_side_reach(running, side) for side in sides)
    return float(np.clip(bandwidth, narrowest, np.max(np.abs(running))))


def _third_derivative(running: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Of a cubic with a jump at the cut, over the half of each side that lies nearer to it."""
    bounds = [float(np.median(running[side])) if side.any() else 0.0 for side in (running < 0, running >= 0)]
    near = (running >= bounds[0]) & (running <= bounds[1])
    design = np.column_stack([running[near] >= 0, *(running[near] ** power for power in range(4))]).astype(np.float64)
    root = np.sqrt(weight[near])
    return 6 * float(np.linalg.lstsq(design * root[:, None], y[near] * root, rcond=None)[0][-1])


def _polynomial(x: np.ndarray, y: np.ndarray, weight: np.ndarray, degree: int) -> np.ndarray:
    """Coefficients by ascending power, of least squares."""
    design, root = np.vander(x, degree + 1, increasing=True), np.sqrt(weight)
    return np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]


def _side_reach(distance: np.ndarray, side: np.ndarray) -> float:
    """Distance from the cut that takes in enough persons of one side."""
    sorted_distance = np.sort(np.abs(distance[side]))
    return float(sorted_distance[min(2 * _SMALLEST_SIDE, len(sorted_distance) - 1)]) if side.any() else 0.0


def _bins(rows: Rows, running: np.ndarray, *, n_bins: int = 10) -> pd.DataFrame:
    """Mean outcome in equal groups on each side of the cut."""
    made = []
    for side, chosen in (("below", running < 0), ("listed", running >= 0)):
        order = np.flatnonzero(chosen)[np.argsort(running[chosen], kind="stable")]
        for part in np.array_split(order, min(n_bins, max(len(order) // 30, 1))):
            if len(part) >= MIN_CELL:
                some = rows.y[part] != 0
                mean = np.average(rows.y[part], weights=rows.weight[part])
                # A share beside the number of persons is a count.
                few = any(is_small(len(np.unique(rows.person[part[chosen]]))) for chosen in (some, ~some))
                made.append((side, float(running[part].mean()), np.nan if few else float(mean), len(part)))
    return pd.DataFrame(made, columns=["side", "distance_logit", "observed", "n"])


def _complete(features: pd.DataFrame) -> pd.DataFrame:
    """Features without gaps: the median, and a column that tells where something was missing."""
    missing = features.isna()
    gaps = missing.loc[:, missing.any() & ~missing.all()].astype(np.float64).add_suffix("_missing")
    filled = features.loc[:, ~missing.all()]
    filled = pd.concat([filled.fillna(filled.median()), gaps], axis=1)
    return filled.loc[:, filled.nunique() > 1].reset_index(drop=True)


def _propensity(X: pd.DataFrame, listed: np.ndarray) -> np.ndarray:
    """Logit of the probability of being listed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(X.to_numpy(), listed).decision_function(X.to_numpy())


def _pairs(logit: np.ndarray, listed: np.ndarray, date: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest free control of the same date within the caliper, those hardest to match first."""
    width = CALIPER * float(np.std(logit))
    treated, matched = [], []
    for one in np.unique(date):
        at = np.flatnonzero(date == one)
        pool = at[~listed[at]][np.argsort(logit[at][~listed[at]], kind="stable")]
        values = logit[pool]
        free_above, free_below = np.arange(len(pool) + 1), np.arange(len(pool) + 1)
        for row in at[listed[at]][np.argsort(-logit[at][listed[at]], kind="stable")]:
            place = int(np.searchsorted(values, logit[row]))
            above, below = _find(free_above, place), _find(free_below, place) - 1
            gaps = [abs(values[i] - logit[row]) if 0 <= i < len(pool) else np.inf for i in (above, below)]
            if min(gaps) > width:
                continue
            chosen = (above, below)[int(np.argmin(gaps))]
            free_above[chosen], free_below[chosen + 1] = chosen + 1, chosen
            treated.append(row)
            matched.append(pool[chosen])
    return np.array(treated, dtype=np.int64), np.array(matched, dtype=np.int64)


def _find(link: np.ndarray, place: int) -> int:
    """Follow links to the next free place, shortening the way for the next one."""
    way = []
    while link[place] != place:
        way.append(place)
        place = int(link[place])
    link[way] = place
    return place


def _balance(listed: np.ndarray, X: pd.DataFrame, weight: np.ndarray) -> pd.DataFrame:
    """Standardised difference of every feature between listed and controls."""
    values = X.to_numpy(dtype=np.float64)
    means, variances = [], []
    for side in (listed, ~listed):
        mean = np.average(values[side], axis=0, weights=weight[side])
        means.append(mean)
        variances.append(np.average((values[side] - mean) ** 2, axis=0, weights=weight[side]))
    spread = np.sqrt((variances[0] + variances[1]) / 2)
    difference = np.divide(means[0] - means[1], spread, out=np.zeros(len(spread)), where=spread > 0)
    return pd.DataFrame({"feature": list(X.columns), "difference": difference})


def _adjusted_for(X: pd.DataFrame, after: pd.DataFrame, logit: np.ndarray) -> np.ndarray:
    """The propensity and the features least in balance, at most one per twenty rows, standardised."""
    order = after["difference"].abs().sort_values(ascending=False, kind="stable").index[: max(len(X) // 20, 1)][:20]
    values = np.column_stack([logit, X.iloc[:, list(order)].to_numpy(dtype=np.float64)])
    spread = values.std(axis=0)
    values = (values[:, spread > 0] - values[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    # The propensity is a sum of features: whatever the columns before it already say is left out.
    own = np.abs(np.diag(np.linalg.qr(values, mode="r")))
    return values[:, own > 1e-6 * np.sqrt(len(values))]


def _enough(rows: Rows, treated: np.ndarray, controls: str) -> None:
    n = int(treated.sum()), int((~treated).sum())
    if min(n) < _SMALLEST_SIDE:
        raise ValueError(
            f"`design` needs at least {_SMALLEST_SIDE} rows listed and {_SMALLEST_SIDE} {controls} with a known "
            f"outcome; got {n[0]} and {n[1]}. Gather more lists, or take another design."
        )


def _enough_pairs(n_pairs: int, n_listed: int) -> None:
    if n_pairs < _SMALLEST_SIDE:
        raise ValueError(
            f"`design` 'matched' found controls like them for only {n_pairs} of {n_listed} listed rows: lists that "
            "follow the risk strictly leave nobody alike unlisted. Use 'discontinuity', or hold some out at random."
        )
