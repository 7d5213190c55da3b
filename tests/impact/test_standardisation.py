"""Rates: standardised by hand and by statsmodels, intervals exact where they can be."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from servicenee.impact.residents import gamma_interval, standard_population, standardised_rates


def test_two_strata_by_hand():
    """Rates 2/4 and 1/4, standard population 1 to 3: 0.5 * 1/4 + 0.25 * 3/4."""
    amount, exposure = np.array([2.0, 0, 1, 0]), np.array([2.0, 2, 2, 2])
    value, _, _ = standardised_rates(
        amount, exposure, np.zeros(4, int), np.array([0, 0, 1, 1]), n_groups=1, weights=np.array([1.0, 3.0])
    )
    assert value[0] == pytest.approx(0.3125)


def test_a_stratum_nobody_is_in_is_left_out():
    amount, exposure = np.array([1.0, 0]), np.array([2.0, 2])
    value, _, _ = standardised_rates(
        amount, exposure, np.zeros(2, int), np.zeros(2, int), n_groups=2, weights=np.array([1.0, 3.0])
    )
    assert value[0] == 0.25
    assert np.isnan(value[1])


def test_value_and_error_as_in_statsmodels():
    """A Poisson model with one rate per stratum and sandwich errors, averaged over the standard population."""
    from statsmodels.api import GLM, families

    rng = np.random.default_rng(0)
    stratum = rng.integers(3, size=600)
    exposure = rng.uniform(0.3, 1, size=600)
    amount = rng.poisson(np.array([0.5, 1, 2])[stratum] * rng.gamma(1, size=600) * exposure).astype(float)
    weights = np.array([5.0, 3.0, 2.0])
    value, variance, _ = standardised_rates(amount, exposure, np.zeros(600, int), stratum, n_groups=1, weights=weights)
    design = (stratum[:, None] == np.arange(3)).astype(float)
    fit = GLM(amount, design, family=families.Poisson(), offset=np.log(exposure)).fit(cov_type="HC0")
    rates, share = np.exp(fit.params), weights / weights.sum()
    assert value[0] == pytest.approx(share @ rates, rel=1e-9)
    n = np.bincount(stratum)
    by_model = np.sum((share * rates) ** 2 * np.diag(fit.cov_params()) * n / (n - 1))
    assert variance[0] == pytest.approx(by_model, rel=1e-6)


@pytest.mark.parametrize("events", [1, 10, 50])
def test_the_interval_of_one_count_is_the_exact_poisson_interval(events):
    lower, upper = gamma_interval(np.array([events / 1.0]), np.array([events / 1.0]), np.array([1.0]))
    assert lower[0] == pytest.approx(chi2.ppf(0.025, 2 * events) / 2)
    assert upper[0] == pytest.approx(chi2.ppf(0.975, 2 * events + 2) / 2)


def test_published_exact_interval_of_ten_events():
    """Garwood 1936 (and every table since): 10 events, 4.7954 to 18.3904."""
    lower, upper = gamma_interval(np.array([10.0]), np.array([10.0]), np.array([1.0]))
    assert (round(float(lower[0]), 4), round(float(upper[0]), 4)) == (4.7954, 18.3904)


def test_no_event_is_not_no_risk():
    lower, upper = gamma_interval(np.array([0.0]), np.array([0.0]), np.array([0.01]))
    assert lower[0] == 0
    assert upper[0] == pytest.approx(0.01 * chi2.ppf(0.975, 2) / 2)


def test_a_person_with_many_events_is_one_person():
    exposure, group = np.ones(400), np.zeros(400, int)
    spread = (np.arange(400) % 4 == 0).astype(float)
    heaped = 10 * (np.arange(400) % 40 == 0).astype(float)
    (first, narrow, _), (second, wide, _) = (
        standardised_rates(amount, exposure, group, group, n_groups=1, weights=np.ones(1))
        for amount in (spread, heaped)
    )
    assert first[0] == second[0] == 0.25
    assert wide[0] > 10 * narrow[0]


def test_the_standard_population_is_that_of_finland():
    standard = standard_population()
    assert len(standard) == 40
    assert 5_400_000 < standard["persons"].sum() < 5_600_000
    assert isinstance(standard, pd.DataFrame)
