"""A small made-up county: people with known risks, several rows each."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from servicenee.need import NeedClassifier


def make_people(n_rows: int, seed: int, curved: bool = False):
    """Features with gaps, categories and flags; a 0/1 outcome; the true risk. Two rows per person."""
    rng = np.random.default_rng(seed)
    age, visits = rng.uniform(65, 95, n_rows), rng.poisson(1.5, n_rows).astype(float)
    lab = rng.normal(size=n_rows)
    X = pd.DataFrame(
        {
            "age": age,
            "visits": visits.astype("float32"),
            "lab": np.where(rng.random(n_rows) < 0.3, np.nan, lab),
            "sex": rng.choice(["female", "male"], n_rows),
            "area": pd.Categorical(rng.choice(list("abcd"), n_rows)),
            "alone": rng.random(n_rows) < 0.4,
        },
        index=pd.MultiIndex.from_arrays(
            [np.arange(n_rows) // 2, np.tile(["2024-01-01", "2025-01-01"], n_rows // 2)],
            names=["person_id", "index_date"],
        ),
    )
    logit = (age - 82) / 7 + 0.5 * np.log1p(visits) + 0.4 * X["alone"] + 0.4 * X["lab"].fillna(0) - 1.5
    if curved:
        logit = -0.5 + 2.0 * np.sign(X["lab"].fillna(0)) * np.sign(age - 80)
    risk = expit(logit.to_numpy(dtype=float))
    return X, (rng.random(n_rows) < risk).astype(int), risk


@pytest.fixture(scope="session")
def people():
    return make_people(4_000, seed=0)


@pytest.fixture(scope="session")
def new_people():
    return make_people(3_000, seed=1)


@pytest.fixture(scope="session")
def linear(people):
    X, y, _ = people
    return NeedClassifier(random_state=0).fit(X, y)


@pytest.fixture(scope="session")
def boosted():
    X, y, _ = make_people(4_000, seed=2, curved=True)
    model = NeedClassifier(calibration="logistic", random_state=0).fit(X, y)
    assert model.engine_ == "boosted"
    return model


@pytest.fixture(params=["linear", "boosted"])
def fitted(request):
    return request.getfixturevalue(request.param)
