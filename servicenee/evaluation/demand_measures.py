"""Amounts and what was expected in; tables of measures out: rows as a whole, fifths, groups and sums."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from servicenee.disclosure import is_small, suppress
from servicenee.evaluation.censoring import effective_sample_size, is_labels, known_outcomes
from servicenee.evaluation.grouping import person_codes
from servicenee.evaluation.intervals import person_bootstrap
from servicenee.evaluation.notes import FEW, FEWEST_EVENTS, HIDDEN, HIDDEN_BESIDE, NOT_ESTIMABLE
from servicenee.evaluation.recalibration import poisson_line
from servicenee.evaluation.rows import n_persons_of, persons_by_group
from servicenee.outcomes import CENSORED, DEATH, NO_EVENT

DEMAND_METRICS = (
    "deviance",
    "null_deviance",
    "deviance_explained",
    "observed_expected",
    "calibration_slope",
    "mean_absolute_error",
    "share_in_top_tenth",
    "coverage",
    "share_below",
    "share_above",
    "interval_width",
)
FIFTHS = 5
SMALLEST_EXPECTED = 1e-9
LINE_LEVELS = 1000
FIFTH_COLUMNS = (
    *("fifth", "n", "expected", "observed", "observed_lower", "observed_upper"),
    *("coverage", "coverage_lower", "coverage_upper"),
)
GROUP_COLUMNS = (
    *("by", "group", "n", "expected", "observed", "ratio", "lower", "upper"),
    *("coverage", "coverage_lower", "coverage_upper", "note"),
)
SUM_COLUMNS = ("index_date", "group", "n", "expected", "lower", "upper", "observed", "inside", "note")


@dataclass(frozen=True)
class Amounts:
    """Rows with a known amount."""

    amount: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    weight: np.ndarray
    person: np.ndarray
    n_persons: int
    has_intervals: bool


def known_amounts(labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of rows with a known amount, the amounts, and weights that let them speak for all.

    The amount is known if the whole window was observed or death ended it.
    """
    if not is_labels(labels):
        amount = np.asarray(labels, dtype=np.float64)
        return np.arange(len(amount)), amount, np.ones(len(amount))
    exposure = labels["exposure_days"].to_numpy(dtype=np.float64)
    ended = np.where(exposure >= exposure.max(initial=0.0), NO_EVENT, DEATH)
    status = np.where(labels["status"].to_numpy() == CENSORED, CENSORED, ended)
    known = known_outcomes(labels.assign(status=status, time_days=exposure))
    return known.positions, labels["value"].to_numpy(dtype=np.float64)[known.positions], known.weights


def demand_sums(labels, sums: pd.DataFrame, by, index_date: str) -> pd.DataFrame:
    """Expected sums of one index date with their intervals beside what was used.

    Parameters
    ----------
    labels : DataFrame
        Labels of the index date.
    sums : DataFrame
        As `DemandRegressor.predict_sums` gives it, by the groups of `by`.
    by : array-like of shape (n_rows,)
        Group of each row.
    index_date : str

    Returns
    -------
    DataFrame
        Columns index_date, group, n, expected, lower, upper, observed (weighted for unfinished follow-up), inside (1
        if the interval holds it), note. Groups of 1 to 4 persons, or of 1 to 4 with any amount, are hidden; the
        expected sum too where their number is, which it would tell.
    """
    positions, amount, weight = known_amounts(labels)
    codes = pd.Categorical(np.asarray(by), categories=list(sums.index)).codes
    observed = np.bincount(codes[positions], weight * amount, len(sums))
    person = np.arange(len(labels))[positions]
    some = persons_by_group(person[amount > 0], codes[positions][amount > 0], len(sums))
    n = np.bincount(codes, minlength=len(sums))
    sized = suppress(pd.Series(n)).notna().to_numpy()
    hidden = suppress(pd.Series(some)).isna().to_numpy() | ~sized
    inside = ((observed >= sums["lower"]) & (observed <= sums["upper"])).to_numpy(dtype=np.float64)
    columns = (
        index_date,
        sums.index.astype(str),
        np.where(sized, n, np.nan),
        *np.where(sized, sums[["expected", "lower", "upper"]].to_numpy().T, np.nan),
    )
    columns += (np.where(hidden, np.nan, observed), np.where(hidden, np.nan, inside))
    columns += (np.where(is_small(some), HIDDEN, np.where(hidden, HIDDEN_BESIDE, "")),)
    return pd.DataFrame(dict(zip(SUM_COLUMNS, columns, strict=True)))


def judged_amounts(labels, scores) -> tuple[np.ndarray, Amounts]:
    """Check amounts against scores; positions of the rows with a known amount, and what the measures need of them."""
    if not isinstance(scores, pd.DataFrame) or "expected" not in scores.columns:
        raise ValueError("`scores` must be a table with the column expected, and lower and upper for intervals.")
    if len(scores) != len(labels):
        raise ValueError(f"`scores` must have one row per row of labels ({len(labels)}); got {len(scores)}.")
    table = scores[[name for name in ("expected", "lower", "upper") if name in scores.columns]]
    values = table.to_numpy(dtype=np.float64)
    wrong = int((~np.isfinite(values) | (values < 0)).any(axis=1).sum())
    if wrong:
        raise ValueError(f"`scores` must be numbers of at least 0 in every row; {wrong} of {len(values)} rows are not.")
    index = getattr(labels, "index", None)
    if isinstance(index, pd.MultiIndex) and isinstance(scores.index, pd.MultiIndex) and not index.equals(scores.index):
        raise ValueError("`scores` must have the index of labels, row by row; reorder them: scores.loc[labels.index].")
    positions, amount, weight = known_amounts(labels)
    if not (np.isfinite(amount) & (amount >= 0)).all():
        raise ValueError("`labels` must hold amounts of at least 0 in every row with a known outcome.")
    codes = person_codes(index)
    codes = person_codes(scores.index) if codes is None else codes
    person = np.arange(len(scores)) if codes is None else np.unique(codes, return_inverse=True)[1]
    kept = values[positions]
    nothing = np.full(len(positions), np.nan)
    has_intervals = kept.shape[1] == 3
    return positions, Amounts(
        amount=amount,
        expected=np.maximum(kept[:, 0], SMALLEST_EXPECTED),
        lower=kept[:, 1] if has_intervals else nothing,
        upper=kept[:, 2] if has_intervals else nothing,
        weight=weight,
        person=person[positions],
        n_persons=int(person.max(initial=-1)) + 1,
        has_intervals=has_intervals,
    )


def amount_data(labels, rows: Amounts) -> pd.DataFrame:
    """What was judged."""
    some = n_persons_of(rows.person[rows.amount > 0])
    few = is_small(n_persons_of(rows.person)) or is_small(some)
    n_without = n_persons_of(rows.person) - some
    items = {
        "rows": float(len(labels)),
        "known": float(len(rows.amount)),
        "persons": float(n_persons_of(rows.person)),
        "with_any": float(np.sum(rows.amount > 0)) if not is_small(n_without) else np.nan,
        "observed_total": float(rows.weight @ rows.amount),
        "expected_total": float(rows.weight @ rows.expected),
        "effective_sample_size": effective_sample_size(rows.weight),
    }
    hidden = ("with_any", "observed_total") if few else ()
    return pd.DataFrame(
        {"item": list(items), "value": [np.nan if name in hidden else one for name, one in items.items()]}
    )


def amount_metrics(rows: Amounts, drawing: dict) -> pd.DataFrame:
    """Every measure with its interval; those of intervals only where there are intervals."""
    columns, order = _row_parts(rows), np.argsort(-rows.expected, kind="stable")
    level, level_log = _levels_of_line(rows)

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        times = rows.weight if copies is None else rows.weight * copies[rows.person]
        total = times @ columns
        if not (total[0] > 0 and total[1] > 0):
            return np.full(len(DEMAND_METRICS), np.nan)
        means = total / total[0]
        null = means[4] - 2 * means[1] * np.log(means[1])
        amounts, known = (np.bincount(level, part, len(level_log)) for part in (times * rows.amount, times))
        slope = poisson_line(level_log, amounts, known)[1]
        explained = 1 - means[3] / null if null > 0 else np.nan
        top = _share_in_top(times[order], rows.amount[order])
        of_intervals = means[6:] if rows.has_intervals else np.full(4, np.nan)
        return np.array([means[3], null, explained, total[1] / total[2], slope, means[5], top, *of_intervals])

    value, lower, upper = person_bootstrap(statistic, rows.n_persons, **drawing)
    table = pd.DataFrame({"metric": list(DEMAND_METRICS), "value": value, "lower": lower, "upper": upper})
    few = is_small(n_persons_of(rows.person[rows.amount > 0]))
    if few:
        table[["value", "lower", "upper"]] = np.nan
    enough = np.sum(rows.amount > 0) >= FEWEST_EVENTS
    table["note"] = HIDDEN if few else "" if enough else FEW
    return table if rows.has_intervals else table.iloc[:7].copy()


def _row_parts(rows: Amounts) -> np.ndarray:
    """What each row adds to the sums from which the measures are made."""
    # Deviance from a constant m is 2 (y log y - y log m - y + m): y log y is all that varies by row.
    own = np.where(rows.amount > 0, rows.amount * np.log(np.maximum(rows.amount, 1e-300)), 0.0)
    return np.column_stack(
        [
            np.ones(len(rows.amount)),
            rows.amount,
            rows.expected,
            _deviance(rows.amount, rows.expected),
            2 * own,
            np.abs(rows.amount - rows.expected),
            (rows.amount >= rows.lower) & (rows.amount <= rows.upper),
            rows.amount < rows.lower,
            rows.amount > rows.upper,
            rows.upper - rows.lower,
        ]
    )


def _share_in_top(times: np.ndarray, amount: np.ndarray) -> float:
    """Share of the whole amount that is used by the tenth with the highest expectation, which come first."""
    reached = np.cumsum(times)
    room = 0.1 * reached[-1] - (reached - times)
    taken = np.clip(room, 0, times)
    return float(taken @ amount / (times @ amount))


def amount_fifths(rows: Amounts, drawing: dict) -> pd.DataFrame:
    """Expected and observed means, and coverage, by fifth of the expectation."""
    inner = np.quantile(rows.expected, np.arange(1, FIFTHS) / FIFTHS) if len(rows.expected) else np.zeros(FIFTHS - 1)
    fifth = np.searchsorted(inner, rows.expected, side="left")
    value, lower, upper = _by_code(rows, fifth, FIFTHS, drawing)
    hidden = is_small(persons_by_group(rows.person[rows.amount > 0], fifth[rows.amount > 0], FIFTHS))
    n = np.bincount(fifth, minlength=FIFTHS).astype(np.float64)
    columns = (np.arange(1, FIFTHS + 1), n, value[0])
    columns += tuple(np.where(hidden, np.nan, part[1]) for part in (value, lower, upper))
    columns += tuple(np.where(hidden, np.nan, part[3]) for part in (value, lower, upper))
    table = pd.DataFrame(dict(zip(FIFTH_COLUMNS, columns, strict=True)))
    return table[table["n"] > 0].reset_index(drop=True)


def amount_groups(rows: Amounts, variables: dict[str, pd.Series], drawing: dict) -> pd.DataFrame:
    """The same by group, with the ratio of observed to expected."""
    parts = []
    for name, groups in variables.items():
        code, categories = groups.cat.codes.to_numpy(), groups.cat.categories
        some = rows.amount > 0
        persons = persons_by_group(rows.person[some], code[some], len(categories))
        hidden = suppress(pd.Series(persons)).isna().to_numpy()
        few = np.bincount(code[some], minlength=len(categories)) < FEWEST_EVENTS
        sized = suppress(pd.Series(persons_by_group(rows.person, code, len(categories)))).notna().to_numpy()
        note = np.select([is_small(persons), hidden | ~sized, few], [HIDDEN, HIDDEN_BESIDE, NOT_ESTIMABLE], "")
        value, lower, upper = _by_code(rows, code, len(categories), drawing)
        n = np.bincount(code, minlength=len(categories)).astype(np.float64)
        shown = [np.where(note != "", np.nan, part) for part in (value[1], value[2], lower[2], upper[2])]
        covered = [np.where(note != "", np.nan, part[3]) for part in (value, lower, upper)]
        columns = (name, categories.to_numpy(dtype=object), np.where(sized, n, np.nan), value[0])
        parts.append(pd.DataFrame(dict(zip(GROUP_COLUMNS, (*columns, *shown, *covered, note), strict=True))))
    return pd.concat(parts, ignore_index=True)


def _by_code(rows: Amounts, code: np.ndarray, n_codes: int, drawing: dict):
    """Mean expected, mean observed, their ratio and coverage of every code; value, lower and upper of each."""
    inside = ((rows.amount >= rows.lower) & (rows.amount <= rows.upper)).astype(np.float64)

    def statistic(copies: np.ndarray | None) -> np.ndarray:
        times = rows.weight if copies is None else rows.weight * copies[rows.person]
        parts = (times, times * rows.expected, times * rows.amount, times * inside)
        known, expected, observed, covered = (np.bincount(code, part, n_codes) for part in parts)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(expected > 0, observed / expected, np.nan)
            share = covered / known if rows.has_intervals else np.full(n_codes, np.nan)
            return np.concatenate([expected / known, observed / known, ratio, share])

    found = person_bootstrap(statistic, rows.n_persons, **drawing)
    return tuple(part.reshape(4, n_codes) for part in found)


def _deviance(amount: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Poisson deviance of every row."""
    ratio = np.divide(amount, expected, out=np.ones_like(amount), where=amount > 0)
    return 2 * (amount * np.log(ratio) - amount + expected)


def _levels_of_line(rows: Amounts) -> tuple[np.ndarray, np.ndarray]:
    """Rows joined to at most 1,000 levels of the expectation, and the mean log expectation of each."""
    log = np.log(rows.expected)
    order = np.argsort(log, kind="stable")
    level = np.empty(len(log), dtype=np.int64)
    level[order] = np.arange(len(log)) * min(LINE_LEVELS, len(log)) // max(len(log), 1)
    n_levels = int(level.max(initial=-1)) + 1
    return level, np.bincount(level, log, n_levels) / np.maximum(np.bincount(level, minlength=n_levels), 1)
