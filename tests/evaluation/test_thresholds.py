"""Cuts of the risk: rates against scikit-learn and by hand, net benefit by its definition, small cells left out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc as area
from sklearn.metrics import confusion_matrix, f1_score

from servicenee.evaluation import average_precision, decision_curve, evaluate, known_outcomes, threshold_table

RNG = np.random.default_rng(0)
RISK = np.round(RNG.beta(1, 6, 400), 3)
OUTCOME = (RNG.random(400) < RISK).astype(int)


def censored(n_rows=400):
    time = np.where(OUTCOME == 1, RNG.integers(0, 365, n_rows), 365).astype(float)
    leaves = np.where(RNG.random(n_rows) < 0.4, RNG.integers(1, 365, n_rows), 999)
    status = np.where(leaves <= time, 3, OUTCOME)
    time = np.minimum(time, leaves)
    return pd.DataFrame({"status": status, "time_days": time, "value": status == 1.0, "exposure_days": time})


def test_rates_are_those_of_scikit_learns_confusion_matrix():
    table = threshold_table(OUTCOME, RISK)
    for row in table.itertuples():
        selected = RISK >= row.threshold
        tn, fp, fn, tp = confusion_matrix(OUTCOME, selected, labels=[0, 1]).ravel()
        assert row.selected_share == pytest.approx(selected.mean())
        assert row.sensitivity == pytest.approx(tp / (tp + fn))
        assert row.specificity == pytest.approx(tn / (tn + fp))
        assert row.ppv == pytest.approx(tp / (tp + fp))
        assert row.f1 == pytest.approx(f1_score(OUTCOME, selected))
        if tn + fn:
            assert row.npv == pytest.approx(tn / (tn + fn))
            assert row.lr_negative == pytest.approx((fn / (tp + fn)) / (tn / (tn + fp)))
        if fp:
            assert row.lr_positive == pytest.approx((tp / (tp + fn)) / (fp / (tn + fp)))


def test_of_a_hundred_rows_every_percent_is_one_row():
    table = threshold_table(np.tile([0, 1], 50), np.arange(100) / 100)
    assert (100 * table["selected_share"]).round(9).tolist()[:19] == list(range(1, 20))


def test_the_roc_curve_of_the_table_has_the_area_of_the_auc():
    risk = np.repeat(np.arange(1, 21) / 40, 20)
    outcome = RNG.random(400) < risk
    table = threshold_table(outcome, risk)
    found = area(np.r_[0, 1 - table["specificity"], 1], np.r_[0, table["sensitivity"], 1])
    assert found == pytest.approx(evaluate_auc(outcome, risk), abs=1e-12)
    assert table["ppv"].iloc[-1] == pytest.approx(outcome.mean())
    assert average_precision(outcome, risk) > outcome.mean()


def evaluate_auc(outcome, risk):
    higher = risk[outcome][:, None] - risk[~outcome][None, :]
    return (np.sum(higher > 0) + 0.5 * np.sum(higher == 0)) / higher.size


@pytest.mark.parametrize("threshold", [0.05, 0.1, 0.25])
def test_net_benefit_by_its_definition(threshold):
    tp, fp = np.sum((threshold <= RISK) & (OUTCOME == 1)), np.sum((threshold <= RISK) & (OUTCOME == 0))
    row = decision_curve(OUTCOME, RISK, thresholds=[threshold], n_bootstrap=0).iloc[0]
    odds = threshold / (1 - threshold)
    assert row["net_benefit"] == pytest.approx(tp / 400 - fp / 400 * odds)
    assert row["treat_all"] == pytest.approx(OUTCOME.mean() - (1 - OUTCOME.mean()) * odds)


def test_net_benefit_under_censoring_weighs_the_known_rows():
    labels = censored()
    known = known_outcomes(labels)
    selected = RISK[known.positions] >= 0.1
    tp = np.sum(known.weights * known.y * selected) / known.weights.sum()
    fp = np.sum(known.weights * (1 - known.y) * selected) / known.weights.sum()
    row = decision_curve(labels, RISK, thresholds=[0.1], n_bootstrap=0).iloc[0]
    assert row["net_benefit"] == pytest.approx(tp - fp / 9)


def test_right_risks_are_never_worse_than_everybody_or_nobody():
    risk = np.repeat([0.1, 0.3, 0.6], 1000)
    outcome = np.concatenate([np.arange(1000) < 1000 * one for one in (0.1, 0.3, 0.6)])
    curve = decision_curve(outcome, risk, n_bootstrap=0)
    assert (curve["net_benefit"] >= np.maximum(curve["treat_all"], 0) - 1e-12).all()


def test_the_interval_of_the_net_benefit_holds_it():
    curve = decision_curve(OUTCOME, RISK, n_bootstrap=100)
    assert curve["net_benefit"].between(curve["lower"], curve["upper"]).mean() > 0.9


@pytest.mark.parametrize("thresholds", [[0.0], [1.0], [[0.1]], [-1]], ids=["0", "1", "table", "negative"])
def test_thresholds_that_are_no_risks_are_refused(thresholds):
    with pytest.raises(ValueError, match="`thresholds` must be risks above 0 and below 1"):
        decision_curve(OUTCOME, RISK, thresholds=thresholds)


def test_an_evaluation_leaves_out_cuts_with_1_to_4_persons_on_a_side():
    index = pd.MultiIndex.from_product([range(400), ["2024-01-01"]], names=["person_id", "index_date"])
    shown = evaluate(pd.Series(OUTCOME, index=index), RISK, n_bootstrap=0).tables["thresholds"]
    for row in shown.itertuples():
        selected = RISK >= row.threshold
        cells = confusion_matrix(OUTCOME, selected, labels=[0, 1]).ravel()
        assert not any(0 < cell < 5 for cell in cells)
    assert 0 < len(shown) < len(threshold_table(OUTCOME, RISK))
