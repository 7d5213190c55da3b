"""A row's risk has the same bits whatever else is scored with it, on any number of threads, in any process."""

import hashlib
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from servicenee.need import NeedClassifier

FIT_AND_HASH = """
import hashlib, numpy as np, pandas as pd
from servicenee.need import NeedClassifier
rng = np.random.default_rng(0)
n = 1800
X = pd.DataFrame({"a": rng.normal(size=n), "b": rng.poisson(2, n), "c": rng.choice(list("xyz"), n)})
y = (rng.random(n) < 1 / (1 + np.exp(-1 - 2 * np.sign(X["a"] * (X["b"] - 2) + 0.1)))).astype(int)
model = NeedClassifier(random_state=0).fit(X, y, groups=np.arange(n))
logit = NeedClassifier(calibration="none", random_state=0).fit(X[:300], y[:300], groups=np.arange(300))
for fitted in (model, logit):
    print(fitted.engine_, hashlib.sha256(fitted.predict_proba(X).tobytes()).hexdigest())
print(hashlib.sha256(model.explain(X[:50]).to_csv().encode()).hexdigest())
"""


@pytest.mark.parametrize("n_at_once", [1, 7, 1000])
def test_chunks_give_the_same_bits_as_all_rows_together(fitted, new_people, n_at_once):
    X = new_people[0].head({1: 60, 7: 400, 1000: 2_500}[n_at_once])
    together = fitted.predict_proba(X)
    parts = [fitted.predict_proba(X[start : start + n_at_once]) for start in range(0, len(X), n_at_once)]
    assert np.concatenate(parts).tobytes() == together.tobytes()


def test_memory_order_and_width_of_an_array_do_not_matter(people):
    X, y, _ = people
    numbers = X[["age", "visits", "lab"]].to_numpy(dtype="float32")
    model = NeedClassifier(random_state=0).fit(numbers, y, groups=X.index.get_level_values(0))
    expected = model.predict_proba(numbers).tobytes()
    for dtype, order in itertools.product(["float32", "float64"], ["C", "F"]):
        assert model.predict_proba(np.array(numbers, dtype=dtype, order=order)).tobytes() == expected


def test_rows_can_be_scored_in_any_order(fitted, new_people):
    X = new_people[0].head(500)
    shuffled = np.random.default_rng(0).permutation(500)
    assert fitted.predict_proba(X.iloc[shuffled]).tobytes() == fitted.predict_proba(X)[shuffled].tobytes()


@pytest.mark.slow
def test_hash_seed_and_number_of_threads_do_not_change_a_bit_of_the_model_or_its_risks():
    outputs = []
    for hash_seed, n_threads in [("0", "1"), ("77", "2")]:
        threads = {
            "OMP_NUM_THREADS": n_threads,
            "OPENBLAS_NUM_THREADS": n_threads,
            "PYTHONHASHSEED": hash_seed,
        }
        done = subprocess.run(
            [sys.executable, "-c", FIT_AND_HASH],
            env=os.environ | threads,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert [line.split()[0] for line in outputs[0].splitlines()[:2]] == ["boosted", "linear"]


def test_same_seed_same_model(people, linear, new_people):
    X, y, _ = people
    again = NeedClassifier(random_state=0).fit(X, y)
    digests = {hashlib.sha256(model.predict_proba(new_people[0]).tobytes()).digest() for model in (linear, again)}
    assert len(digests) == 1
