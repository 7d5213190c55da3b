"""The likelihood of mixed blocks, against scipy row by row; missing values; block weights; EM never falls."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from servicenee import LatentClassSegmenter
from servicenee.segments.blocks import finish_columns, learn_blocks, read_values
from servicenee.segments.mixture import climb, draw_start, lay_out, make_design, overall_means
from servicenee.segments.patterns import distinct_rows

BLOCKS = {
    "conditions": {"columns": ["diabetes", "dementia"]},
    "living": {"columns": "living"},
    "use": {"columns": ["visits"], "kind": "count"},
    "function": {"columns": ["CPS", "eGFR"], "kind": "scale"},
}


@pytest.fixture(scope="module")
def mixed() -> pd.DataFrame:
    """Two kinds of people by every kind of column; a tenth of the values is missing."""
    rng = np.random.default_rng(0)
    n = 900
    frail = rng.random(n) < 0.35
    X = pd.DataFrame(
        {
            "diabetes": (rng.random(n) < np.where(frail, 0.4, 0.1)).astype(float),
            "dementia": (rng.random(n) < np.where(frail, 0.5, 0.02)).astype(float),
            "living": np.where(rng.random(n) < np.where(frail, 0.7, 0.2), "alone", "with others").astype(object),
            "visits": rng.poisson(np.where(frail, 9, 3)).astype(float),
            "CPS": np.clip(rng.normal(np.where(frail, 3, 0.5), 1).round(), 0, 6),
            "eGFR": rng.normal(np.where(frail, 55, 80), 12),
        }
    )
    for name in X.columns:
        X.loc[rng.random(n) < 0.1, name] = None if name == "living" else np.nan
    X.attrs["frail"] = frail
    return X


def oracle(segmenter: LatentClassSegmenter, X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Posterior and log-likelihood with scipy's distributions, one value at a time."""
    joint = np.tile(np.log(segmenter.segment_shares_), (len(X), 1))
    for row in range(len(X)):
        place = 0
        for column in segmenter.columns_:
            value = X[column.name].iloc[row]
            for k, means in enumerate(segmenter.means_):
                if not pd.isna(value):
                    joint[row, k] += column.weight * _log_density(column, means[place:], value)
            place += column.n_statistics
    loglik = np.log(np.exp(joint).sum(axis=1))
    return np.exp(joint - loglik[:, np.newaxis]), loglik


def _log_density(column, means, value) -> float:
    if column.kind == "binary":
        return stats.bernoulli.logpmf(value, means[0])
    if column.kind == "category":
        return np.log(means[column.levels.index(value)])
    if column.kind == "count":
        return stats.poisson.logpmf(value, means[0])
    deviation = np.sqrt(max(means[1] - means[0] ** 2, column.floor)) * column.unit
    return stats.norm.logpdf(value, means[0] * column.unit + column.centre, deviation)


@pytest.mark.parametrize("weight", [1.0, 3.0], ids=["plain", "function weighs three"])
def test_mixed_blocks_agree_with_scipy(mixed, weight):
    blocks = BLOCKS | {"function": BLOCKS["function"] | {"weight": weight}}
    segmenter = LatentClassSegmenter(2, blocks=blocks, n_starts=4, random_state=0).fit(mixed)
    posterior, loglik = oracle(segmenter, mixed.head(60))
    np.testing.assert_allclose(segmenter.predict_proba(mixed.head(60)), posterior, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(segmenter.score_samples(mixed.head(60)), loglik, rtol=1e-9)
    found = segmenter.predict(mixed) == 1
    assert np.mean(found == mixed.attrs["frail"]) > 0.93


def test_what_is_missing_says_nothing(mixed):
    segmenter = LatentClassSegmenter(2, blocks=BLOCKS, n_starts=4, random_state=0).fit(mixed)
    nothing = pd.DataFrame({name: [None if name == "living" else np.nan] for name in mixed.columns})
    np.testing.assert_allclose(segmenter.predict_proba(nothing)[0], segmenter.segment_shares_, rtol=1e-12)


def test_a_weighted_block_is_not_drowned():
    # Forty noisy conditions of one kind of split, one scale of another: the weight decides which is found.
    rng = np.random.default_rng(1)
    ill, stiff = rng.random(800) < 0.5, rng.random(800) < 0.5
    X = pd.DataFrame({f"c{j}": rng.random(800) < np.where(ill, 0.35, 0.15) for j in range(40)}).astype(float)
    X["scale"] = rng.normal(np.where(stiff, 3.0, 0.0), 1.0)
    agree = {}
    for weight in (1.0, 40.0):
        blocks = {"conditions": {"columns": "c*"}, "function": {"columns": "scale", "weight": weight}}
        labels = LatentClassSegmenter(2, blocks=blocks, n_starts=5, random_state=0).fit_predict(X)
        agree[weight] = [max(np.mean(labels == truth), np.mean(labels != truth)) for truth in (ill, stiff)]
    assert agree[1.0][0] > 0.9 > 0.6 > agree[1.0][1]
    assert agree[40.0][1] > 0.9 > 0.6 > agree[40.0][0]


@given(
    rows=st.lists(st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=5, max_size=5), min_size=8, max_size=40),
    seed=st.integers(0, 100),
)
@settings(max_examples=25)
def test_climbing_on_never_loses_likelihood(rows, seed):
    X = np.array(rows)
    columns = learn_blocks(X, None)
    values, weights = distinct_rows(columns, read_values(columns, X))
    finished = finish_columns(columns, values, weights)
    keep = [not column.dropped for column in finished]
    columns = tuple(column for column in finished if not column.dropped)
    values = values[keep]
    design = make_design(columns, values, weights, lay_out(columns, np.isnan(values).any(axis=1)))
    overall = overall_means(design)
    mixture = draw_start(design, overall, 3, np.random.default_rng(seed))
    before = -np.inf
    for _ in range(6):
        mixture = climb(design, overall, mixture, max_iter=3, tol=0.0)
        assert mixture.objective >= before - 1e-9
        before = mixture.objective


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1, 1], "binary"),
        ([True, False, True], "binary"),
        ([0.0, np.nan, 1.0], "binary"),
        ([3, 0, 12], "count"),
        ([0.5, 1.0, 2.0], "scale"),
        ([-1, 0, 1], "scale"),
        (["alone", "alone", None], "category"),
    ],
    ids=str,
)
def test_the_kind_of_a_column_follows_from_its_values(values, kind):
    assert learn_blocks(pd.DataFrame({"x": values}), None)[0].kind == kind


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({}, "`blocks` must be a dict"),
        ({"a": {"kind": "binary"}}, r"`blocks`\['a'\] must be a dict with columns"),
        ({"a": {"columns": "z*"}}, "'a' names none"),
        ({"a": {"columns": "x"}, "b": {"columns": ["x", "y"]}}, "x are in more than one block"),
        ({"a": {"columns": "x", "kind": "ordinal"}}, "kind of block a` must be one of"),
        ({"a": {"columns": "x", "weight": 0}}, "weight of block 'a' must be a number above 0; got 0"),
        ({"a": {"columns": "y", "kind": "binary"}}, "column `y` of X must hold values of kind 'binary'"),
    ],
    ids=["empty", "no columns", "no match", "twice", "unknown kind", "no weight", "wrong kind"],
)
def test_blocks_are_checked(blocks, message):
    X = pd.DataFrame({"x": [0.0, 1.0, 0.0], "y": [2.0, 5.0, 7.0]})
    with pytest.raises(ValueError, match=message):
        LatentClassSegmenter(2, blocks=blocks).fit(X)
