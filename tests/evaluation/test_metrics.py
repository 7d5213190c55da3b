"""Every measure against scikit-learn, statsmodels (as literals) or a number worked by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from servicenee.evaluation import (
    auc,
    average_precision,
    brier,
    calibration_intercept,
    calibration_slope,
    e90,
    expected_auc,
    ici,
    known_outcomes,
    log_loss,
    observed_expected,
    scaled_brier,
)

ALL = [
    auc,
    average_precision,
    brier,
    scaled_brier,
    log_loss,
    observed_expected,
    calibration_intercept,
    calibration_slope,
    ici,
    e90,
    expected_auc,
]
ROW = np.arange(200)
RISK = np.round(0.02 + 0.9 * ((ROW * 37) % 101) / 101, 4)
OUTCOME = (((ROW * 53) % 89) / 89 < RISK**1.3 * 1.05 + 0.03).astype(int)
WEIGHT = 1 + ((ROW * 7) % 5) / 4


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("risk", [RISK, np.round(RISK, 1)], ids=["few ties", "many ties"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (auc, roc_auc_score),
        (average_precision, average_precision_score),
        (brier, brier_score_loss),
        (log_loss, sklearn_log_loss),
    ],
    ids=["auc", "average precision", "brier", "log-loss"],
)
def test_agrees_with_scikit_learn(ours, theirs, risk, weight):
    found = ours(OUTCOME, risk, sample_weight=weight)
    assert found == pytest.approx(theirs(OUTCOME, risk, sample_weight=weight), rel=1e-12)


def test_log_loss_of_risks_of_0_and_1_agrees_with_scikit_learn():
    outcome, risk = [0, 1, 1, 0], [0.0, 1.0, 0.0, 0.3]
    assert log_loss(outcome, risk) == pytest.approx(sklearn_log_loss(outcome, risk), rel=1e-12)


# statsmodels 0.15: GLM(Binomial) with an offset, with the log odds, and on patsy's natural spline cr()
# with the same knots; freq_weights.
@pytest.mark.parametrize(
    ("weight", "intercept", "slope", "index", "ninety"),
    [
        (None, -0.0882052153196546, 1.0867421469426526, 0.0345763269603657, 0.06438977088980946),
        (WEIGHT, -0.09258935404422403, 1.0998937037991234, 0.02798134458593271, 0.04947197815604363),
    ],
    ids=["unweighted", "weighted"],
)
def test_calibration_agrees_with_statsmodels(weight, intercept, slope, index, ninety):
    assert calibration_intercept(OUTCOME, RISK, sample_weight=weight) == pytest.approx(intercept, abs=1e-9)
    assert calibration_slope(OUTCOME, RISK, sample_weight=weight) == pytest.approx(slope, abs=1e-9)
    assert ici(OUTCOME, RISK, sample_weight=weight) == pytest.approx(index, abs=1e-8)
    assert e90(OUTCOME, RISK, sample_weight=weight) == pytest.approx(ninety, abs=1e-8)


def test_the_expected_auc_by_its_definition_over_all_pairs():
    first, second = RISK[:, None], RISK[None, :]
    likely = first * (1 - second) * ~np.eye(len(RISK), dtype=bool)
    concordant = (first > second) + 0.5 * (first == second)
    assert expected_auc(OUTCOME, RISK) == pytest.approx(np.sum(likely * concordant) / likely.sum(), rel=1e-12)


def test_the_auc_of_right_risks_is_the_expected_one():
    risk = np.random.default_rng(1).beta(1, 4, 40_000)
    outcome = np.random.default_rng(2).random(40_000) < risk
    assert auc(outcome, risk) == pytest.approx(expected_auc(outcome, risk), abs=0.01)


def test_observed_expected_and_scaled_brier_by_hand():
    outcome, risk = [1, 0, 0, 1], [0.5, 0.5, 0.1, 0.1]
    assert observed_expected(outcome, risk) == pytest.approx(2 / 1.2)
    assert brier(outcome, risk) == pytest.approx((0.25 + 0.25 + 0.01 + 0.81) / 4)
    assert scaled_brier(outcome, risk) == pytest.approx(1 - 0.33 / 0.25)


def test_risks_that_are_right_have_slope_1_and_intercept_0():
    risk = np.repeat([0.1, 0.25, 0.5, 0.8], 1000)
    outcome = np.concatenate([np.arange(1000) < 1000 * one for one in (0.1, 0.25, 0.5, 0.8)])
    assert calibration_slope(outcome, risk) == pytest.approx(1, abs=1e-9)
    assert calibration_intercept(outcome, risk) == pytest.approx(0, abs=1e-9)
    assert observed_expected(outcome, risk) == pytest.approx(1)
    assert ici(outcome, risk) == pytest.approx(0, abs=1e-9)


def test_risks_twice_too_extreme_have_slope_one_half():
    risk = np.repeat([0.1, 0.25, 0.5, 0.8], 1000)
    outcome = np.concatenate([np.arange(1000) < 1000 * one for one in (0.1, 0.25, 0.5, 0.8)])
    too_extreme = 1 / (1 + ((1 - risk) / risk) ** 2)
    assert calibration_slope(outcome, too_extreme) == pytest.approx(0.5, abs=1e-9)


def censored_labels(n_rows, seed):
    rng = np.random.default_rng(seed)
    risk = rng.beta(1, 6, n_rows)
    has_event = rng.random(n_rows) < risk
    time = np.where(has_event, rng.uniform(0, 365, n_rows), 365)
    leaves = np.where(rng.random(n_rows) < 0.5, rng.uniform(0, 365, n_rows), 400)
    status = np.where(leaves < time, 3, has_event)
    time = np.minimum(time, leaves)
    labels = pd.DataFrame({"status": status, "time_days": time, "value": status == 1.0, "exposure_days": time})
    return labels, risk, has_event


def test_with_half_of_the_rows_censored_the_measures_are_those_of_the_full_truth():
    labels, risk, has_event = censored_labels(100_000, seed=3)
    assert 0.4 < (labels["status"] == 3).mean() < 0.6
    for measure, tolerance in [
        (auc, 0.012),
        (brier, 0.003),
        (log_loss, 0.008),
        (observed_expected, 0.03),
        (calibration_slope, 0.05),
    ]:
        assert measure(labels, risk) == pytest.approx(measure(has_event, risk), abs=tolerance), measure.__name__
    known = labels["status"] != 3
    censored_as_none = (labels["status"] == 1).to_numpy()
    assert observed_expected(censored_as_none, risk) < 0.85
    assert observed_expected(has_event[known], risk[known]) > 1.15


def test_labels_are_weighted_as_known_outcomes_says():
    labels, risk, _ = censored_labels(500, seed=4)
    positions, y, weights = known_outcomes(labels)
    expected = roc_auc_score(y, risk[positions], sample_weight=weights)
    assert auc(labels, risk) == pytest.approx(expected, rel=1e-12)


def test_row_order_does_not_matter():
    labels, risk, _ = censored_labels(500, seed=5)
    order = np.random.default_rng(0).permutation(500)
    for measure in ALL:
        assert measure(labels.iloc[order], risk[order]) == pytest.approx(measure(labels, risk), rel=1e-9)


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize("outcome", [[], [0, 0, 0], [1, 1, 1]], ids=["empty", "no events", "only events"])
def test_data_that_cannot_tell_give_a_number_or_nan_but_no_error(measure, outcome):
    value = measure(outcome, [0.2, 0.3, 0.4][: len(outcome)])
    assert isinstance(value, float)
    if measure in (auc, calibration_intercept, calibration_slope, ici, e90, scaled_brier) or not outcome:
        assert np.isnan(value)


def test_slope_is_nan_when_risks_are_equal_or_separate_the_events():
    assert np.isnan(calibration_slope([0, 1, 0, 1], [0.3] * 4))
    assert np.isnan(calibration_slope([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]))


def test_a_risk_of_exactly_0_that_was_wrong_does_not_break_calibration():
    assert np.isfinite(calibration_slope(np.append(OUTCOME, 1), np.append(RISK, 0.0)))


@pytest.mark.parametrize(
    ("risk", "message"),
    [
        ([0.1, np.nan, 1.2], "of 3 rows 1 are missing and 1 lie outside"),
        ([0.1, 0.2], r"one value per row of labels \(3\); got 2"),
        ([[0.9, 0.1]] * 3, r"got shape \(3, 2\)"),
        (["low", "low", "high"], "values that are not numbers"),
        (pd.DataFrame({"score": [0.1] * 3}), "a table without `risk`"),
    ],
    ids=["outside", "short", "two columns", "text", "no risk column"],
)
def test_bad_risks_are_named_and_counted(risk, message):
    with pytest.raises(ValueError, match=message):
        auc([0, 1, 0], risk)


def test_risks_in_another_order_than_the_labels_are_refused():
    index = pd.MultiIndex.from_product([["a", "b"], ["2024"]], names=["person_id", "index_date"])
    outcome, risk = pd.Series([0, 1], index=index), pd.Series([0.1, 0.2], index=index)
    with pytest.raises(ValueError, match=r"risk\.loc\[labels\.index\]") as raised:
        auc(outcome, risk.iloc[::-1])
    assert "'a'" not in str(raised.value)


@pytest.mark.parametrize(
    ("weight", "message"),
    [([1, 1], "one value per row"), ([1, -1, 1], "1 of 3 rows"), ([1, np.nan, 1], "1 of 3")],
)
def test_bad_sample_weights_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        auc([0, 1, 0], [0.1, 0.2, 0.3], sample_weight=weight)
