"""One person, one condition, empty blocks, constant columns, new categories, ten million flags: no fall, no lie."""

import numpy as np
import pandas as pd
import pytest

from servicenee import LatentClassSegmenter
from servicenee.exceptions import ServiceneeWarning


def quick(n_segments="auto", **options) -> LatentClassSegmenter:
    return LatentClassSegmenter(n_segments, max_segments=3, n_starts=3, n_bootstrap=2, random_state=0, **options)


def test_one_person_is_one_segment():
    with pytest.warns(ServiceneeWarning, match=r"2 of 2 columns of X are not used: a \(constant\), b \(constant\)"):
        segmenter = quick().fit(pd.DataFrame({"a": [1.0], "b": [0.0]}))
    assert segmenter.n_segments_ == 1
    assert segmenter.scores(pd.DataFrame({"a": [0.0], "b": [1.0]}))["segment"].tolist() == ["S1"]


def test_more_segments_than_different_persons_are_refused():
    with pytest.raises(ValueError, match="got 3 for 2 different rows"):
        quick(3).fit(pd.DataFrame({"a": [0.0, 1.0, 1.0]}))


def test_one_condition_is_one_segment():
    X = pd.DataFrame({"diabetes": [1.0] * 30 + [0.0] * 70})
    segmenter = quick().fit(X)
    assert segmenter.n_segments_ == 1
    assert segmenter.means_[0, 0] == pytest.approx(0.3)
    assert segmenter.loglik_ == pytest.approx(30 * np.log(0.3) + 70 * np.log(0.7), rel=1e-6)


@pytest.fixture(scope="module")
def two_kinds() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    ill = rng.random(400) < 0.4
    return pd.DataFrame({f"c{j}": (rng.random(400) < np.where(ill, 0.8, 0.1)).astype(float) for j in range(5)})


def test_a_block_without_values_is_left_out_with_a_warning(two_kinds):
    X = two_kinds.assign(scale=np.nan, constant=1.0)
    with pytest.warns(ServiceneeWarning, match=r"scale \(no values\), constant \(constant\)"):
        segmenter = quick(2).fit(X)
    assert np.array_equal(segmenter.means_, quick(2).fit(two_kinds).means_)
    known_now = X.head(3).assign(scale=4.0, constant=0.0)
    assert segmenter.predict_proba(known_now).shape == (3, 2)


def test_a_new_category_counts_as_missing(two_kinds):
    X = two_kinds.assign(living=np.where(two_kinds["c0"] == 1, "alone", "with others"))
    segmenter = quick(2).fit(X)
    unknown, new = X.head(4).assign(living=None), X.head(4).assign(living="on a boat")
    with pytest.warns(ServiceneeWarning, match=r"not seen in training count as missing: living \(4 of 4 rows\)"):
        found = segmenter.predict_proba(new)
    assert found.tobytes() == segmenter.predict_proba(unknown).tobytes()


def test_a_category_of_fewer_than_five_persons_is_not_remembered(two_kinds):
    living = np.where(two_kinds["c0"] == 1, "alone", "with others").astype(object)
    living[:4] = "Zacharias"
    with pytest.warns(ServiceneeWarning, match="count as missing"):
        segmenter = quick(2).fit(two_kinds.assign(living=living))
    assert "Zacharias" not in str(vars(segmenter))


def test_a_value_that_a_condition_cannot_have_is_refused(two_kinds):
    segmenter = quick(2).fit(two_kinds)
    with pytest.raises(ValueError, match=r"column `c1` of X must hold 0 and 1, as in training; 400 of 400 rows"):
        segmenter.predict(two_kinds.assign(c1=2.0))


def test_a_point_mass_does_not_swallow_the_likelihood():
    # Half of a scale's values are exactly 0: without a floor the variance of a segment would go to 0.
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"scale": np.where(rng.random(500) < 0.5, 0.0, rng.normal(5, 1, 500))})
    segmenter = quick(2).fit(X)
    assert np.isfinite(segmenter.loglik_)
    assert segmenter.loglik_ / 500 < 1


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("n_segments", 0, "`n_segments` must be a whole number of at least 1; got 0"),
        ("n_segments", "five", "`n_segments` must be a whole number"),
        ("max_segments", 0, "`max_segments` must be"),
        ("n_starts", 0, "`n_starts` must be"),
        ("min_share", 5, "`min_share` must be a fraction between 0 and 1; got 5"),
        ("uncertain_below", 60, "`uncertain_below` must be a fraction"),
        ("n_bootstrap", -1, "`n_bootstrap` must be"),
    ],
)
def test_parameters_are_checked(two_kinds, parameter, value, message):
    with pytest.raises(ValueError, match=message):
        LatentClassSegmenter(**{parameter: value}).fit(two_kinds)


@pytest.mark.slow
def test_ten_million_condition_flags():
    rng = np.random.default_rng(0)
    ill = rng.random(250_000) < 0.3
    flags = rng.random((250_000, 40)) < np.where(ill[:, np.newaxis], 0.25, 0.05)
    X = pd.DataFrame(flags.astype(np.float32), columns=[f"c{j}" for j in range(40)])
    segmenter = LatentClassSegmenter(2, n_starts=3, random_state=0).fit(X)
    assert segmenter.segment_shares_[1] == pytest.approx(0.3, abs=0.01)
    assert np.mean((segmenter.predict(X) == 1) == ill) > 0.95
