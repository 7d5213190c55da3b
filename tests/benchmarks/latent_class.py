"""Ten starts of the latent class segmenter against ten of StepMix, and the large table: prints CPU seconds.

Run by hand: ``python tests/benchmarks/latent_class.py``; StepMix (pip install stepmix) is used if it is installed.
"""

import importlib.util
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee import LatentClassSegmenter

PLANTED = Path(__file__).parents[1] / "data" / "planted_segments" / "persons.parquet"


def planted() -> None:
    """Five classes of 4,000 persons x 24 conditions."""
    X = pd.read_parquet(PLANTED).drop(columns="true_class")
    ours = []
    for seed in range(3):
        start = time.process_time()
        model = LatentClassSegmenter(5, n_starts=10, random_state=seed).fit(X)
        ours.append((time.process_time() - start, model.loglik_))
    print("ours, ten starts: ", *(f"{cpu:.2f} s {loglik:.2f}" for cpu, loglik in ours), sep="  ")
    if importlib.util.find_spec("stepmix") is None:
        print("StepMix is not installed.")
        return
    from stepmix import StepMix

    theirs = []
    for seed in range(3):
        start = time.process_time()
        model = StepMix(5, measurement="binary", n_init=10, random_state=seed, progress_bar=0, verbose=0).fit(X)
        theirs.append((time.process_time() - start, model.score(X) * len(X)))
    print("StepMix, ten starts:", *(f"{cpu:.2f} s {loglik:.2f}" for cpu, loglik in theirs), sep="  ")
    print(f"ratio of medians: {np.median([c for c, _ in theirs]) / np.median([c for c, _ in ours]):.1f}")


def large(n_persons: int = 100_000, n_conditions: int = 40) -> None:
    """One to ten segments of a large table, ten starts each, and the stability of the chosen ones."""
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(8) * 3)
    prevalence = rng.uniform(0.01, 0.25, n_conditions) * np.exp(rng.normal(0, 0.9, (8, n_conditions)))
    kind, frailty = rng.choice(8, n_persons, p=shares), np.exp(rng.normal(0, 0.3, n_persons))
    chance = np.clip(np.clip(prevalence, 0.005, 0.8)[kind] * frailty[:, np.newaxis], 0, 0.9)
    X = pd.DataFrame((rng.random(chance.shape) < chance).astype(float), columns=[f"c{j}" for j in range(n_conditions)])
    start, wall = time.process_time(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LatentClassSegmenter(n_starts=10, random_state=0).fit(X)
    print(
        f"{n_persons:,} x {n_conditions}: {time.process_time() - start:.0f} CPU s, {time.perf_counter() - wall:.0f} s"
    )
    print(model.selection_[["n_segments", "loglik", "bic", "chosen"]].to_string(index=False))


if __name__ == "__main__":
    planted()
    large()
