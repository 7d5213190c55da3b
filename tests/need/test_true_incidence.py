"""A made-up county whose true risks are known: what unfinished follow-up does to the sum of predicted risks.

At 100,000 persons and for three seeds the comparison is `tests/benchmarks/true_incidence.py`; here one smaller county.
"""

import runpy
from pathlib import Path

import pandas as pd
import pytest

BENCHMARK = runpy.run_path(Path(__file__).parents[1] / "benchmarks" / "true_incidence.py")


@pytest.mark.slow
def test_the_sum_of_risks_is_true_under_censoring_and_naive_sums_are_not():
    table = BENCHMARK["compare"](8_000, seed=10)
    assert 0.28 < table["censored"].iloc[0] < 0.32
    # About 400 events, of which 150 in the tenth: one standard error is 5 % and 8 %.
    assert table["all"]["RiskCurve"] == pytest.approx(1, abs=0.07)
    assert table["frailest tenth"]["RiskCurve"] == pytest.approx(1, abs=0.15)
    assert table["all"]["censored = no event"] < 0.9
    assert table["all"]["censored dropped"] > 1.1


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, []),
        ({("RiskCurve", "all"): 1.021}, ["RiskCurve, all"]),
        ({("RiskCurve", "frailest tenth"): 0.949}, ["RiskCurve, frailest tenth"]),
        (
            {("censored dropped", "all"): 1.0, ("censored dropped", "frailest tenth"): 1.0},
            ["censored dropped is within the limits"],
        ),
    ],
    ids=["kept", "overall", "frailest tenth", "naive way no worse"],
)
def test_the_comparison_tells_what_misses_its_limits(changed, missed):
    methods = {"RiskCurve": 1.019, "censored = no event": 0.83, "censored dropped": 1.17}
    mean = pd.DataFrame({place: methods for place in ("all", "frailest tenth")}, dtype=float)
    for (method, place), value in changed.items():
        mean.loc[method, place] = value
    assert BENCHMARK["misses"](mean) == missed
