"""CPU seconds of training a NeedClassifier, as multiples of one plain HistGradientBoostingClassifier.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/training.py [ROWS COLUMNS]

200,000 rows of 100,000 persons and 300 columns by default: counts, flags, continuous values and columns with gaps.
Promised: at most 3 times the plain trees with the choice of engine on at most 50,000 rows and calibration on at least
1,000 person-grouped out-of-fold events, and at most 5 times with full cross-fitting. Not timed in the test run.
"""

import resource
import sys

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from servicenee import NeedClassifier


def made_up_rows(n_rows: int, n_columns: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Two rows per person; a twentieth of the columns matter; about 6 % events."""
    rng = np.random.default_rng(0)
    table = np.empty((n_rows, n_columns), order="F")
    for place in range(n_columns):
        kind = place % 4
        if kind == 0:
            table[:, place] = rng.poisson(rng.gamma(0.5, 2.0, n_rows))
        elif kind == 1:
            table[:, place] = rng.random(n_rows) < 0.1
        else:
            table[:, place] = rng.normal(size=n_rows)
        if kind == 3:
            table[rng.random(n_rows) < 0.3, place] = np.nan
    matter = np.nan_to_num(table[:, : max(3, n_columns // 20)])
    logit = 0.35 * np.log1p(np.abs(matter)).sum(axis=1) + 0.4 * (matter[:, 0] > 2) * (matter[:, 2] > 0)
    logit += -3.4 - logit.mean()
    index = pd.Index(np.arange(n_rows) // 2, name="person_id")
    X = pd.DataFrame(table, columns=[f"x{place}" for place in range(n_columns)], index=index)
    return X, (rng.random(n_rows) < expit(logit)).astype(int)


def cpu_seconds(work) -> tuple[float, object]:
    """User and system time of this process during `work`, and what it gave."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    result = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def main(n_rows: int = 200_000, n_columns: int = 300) -> None:
    X, y = made_up_rows(n_rows, n_columns)
    print(f"{n_rows:,} rows, {n_columns} columns, {y.mean():.1%} events")
    plain = HistGradientBoostingClassifier(early_stopping=False, max_iter=100, random_state=0)
    base, _ = cpu_seconds(lambda: plain.fit(X, y))
    print(f"plain trees: {base:.1f} CPU s")
    for name, parameters in (("default", {}), ("full cross-fitting", {"cross_fitting": True})):
        model = NeedClassifier(random_state=0, **parameters)
        took, fitted = cpu_seconds(lambda model=model: model.fit(X, y))
        print(f"NeedClassifier, {name}: {took:.1f} CPU s, {took / base:.2f} times; engine {fitted.engine_}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
