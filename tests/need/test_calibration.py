"""The calibration ladder, and that climbing it makes risks truer."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.svm import LinearSVC

from servicenee.evaluation import calibration_slope, log_loss, observed_expected
from servicenee.need import NeedClassifier
from servicenee.need.boosted import boosted_predictor, fit_boosted
from servicenee.need.calibration import calibrate, fit_calibrator, recalibrated
from servicenee.need.columns import Rows, learn_columns, used
from servicenee.need.families import LOGISTIC, log_losses
from servicenee.need.linear import fit_linear, linear_predictor

BOTH = ("logistic", "isotonic")


def outcomes(n, seed=0):
    """True logits with an outcome drawn from each, and five folds."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.5, 1.0, n)
    return logits, (rng.random(n) < expit(logits)).astype(int), np.arange(n) % 5


@pytest.mark.parametrize(
    ("n_rows", "kind"),
    [(300, "intercept"), (1_000, "logistic"), (20_000, "logistic")],
    ids=["58", "210", "4,300"],
)
def test_auto_climbs_with_the_number_of_events(n_rows, kind):
    logits, y, folds = outcomes(n_rows)
    assert fit_calibrator("auto", 2 * logits, y, np.ones(n_rows), folds).kind == kind


def test_few_without_the_event_say_as_little_as_few_with_it():
    logits, y, folds = outcomes(300)
    assert fit_calibrator("auto", -2 * logits, 1 - y, np.ones(300), folds).kind == "intercept"


def test_auto_takes_isotonic_steps_only_where_a_line_cannot_follow():
    logits, y, folds = outcomes(20_000)
    bent = np.where(logits > -1.5, 5 * (logits + 1.5), 0.2 * (logits + 1.5)) - 1.5
    assert fit_calibrator("auto", bent, y, np.ones(len(y)), folds).kind == "isotonic"


def test_steps_that_win_by_less_than_a_standard_error_are_left_out():
    logits, y, folds = outcomes(10_000)
    bent = np.where(logits > -1.5, 2.5 * (logits + 1.5), logits + 1.5) - 1.5
    gains = np.zeros(len(y))
    for fold in range(5):
        out, rest = folds == fold, folds != fold
        fitted = [fit_calibrator(kind, bent[rest], y[rest], np.ones(rest.sum()), folds[rest]) for kind in BOTH]
        line, steps = (log_losses(y[out], calibrate(calibrator, bent[out])) for calibrator in fitted)
        gains[out] = line - steps
    assert 0 < gains.mean() < gains.std() / np.sqrt(len(gains))
    assert fit_calibrator("auto", bent, y, np.ones(len(y)), folds).kind == "logistic"


@pytest.mark.parametrize("kind", ["intercept", "logistic", "isotonic"])
def test_a_new_place_moves_the_log_odds_of_every_risk(kind):
    logits, y, folds = outcomes(2_000)
    here = fit_calibrator(kind, 0.8 * logits + 1, y, np.ones(len(y)), folds)
    there = recalibrated(here, -0.4, 1.3)
    at = here.logits if kind == "isotonic" else np.linspace(-3, 3, 7)
    expected = expit(-0.4 + 1.3 * logit(calibrate(here, at)))
    np.testing.assert_allclose(calibrate(there, at), expected, rtol=1e-12)
    assert there.slope == pytest.approx(1.3 * here.slope), "which scales the reasons"


@pytest.mark.parametrize("kind", ["intercept", "logistic", "isotonic"])
def test_calibrated_risks_add_up_to_the_weighted_events(kind):
    logits, y, folds = outcomes(4_000)
    weights = np.random.default_rng(1).uniform(1, 3, len(y))
    risk = calibrate(fit_calibrator(kind, logits + 1, y, weights, folds), logits + 1)
    assert np.average(risk, weights=weights) == pytest.approx(np.average(y, weights=weights), rel=0.01)


def test_the_line_finds_the_shift_and_the_stretch():
    logits, y, folds = outcomes(50_000)
    calibrator = fit_calibrator("logistic", (logits + 0.5) / 1.6, y, np.ones(len(y)), folds)
    assert calibrator.slope == pytest.approx(1.6, rel=0.05)
    assert calibrator.intercept == pytest.approx(-0.5, abs=0.05)


def test_a_final_model_with_more_events_is_trusted_more():
    logits, y, folds = outcomes(5_000)
    slopes = [fit_calibrator("logistic", 1.3 * logits, y, np.ones(len(y)), folds, share).slope for share in (1.0, 0.5)]
    assert slopes[0] < slopes[1] < 1


def test_where_classes_separate_the_prior_holds_the_slope():
    """At the mode the pull of the data, the sum of (y - risk) * logit, is that of a normal prior, slope - 1."""
    logits = np.repeat([-1.0, 1.0], 10)
    y = (logits > 0).astype(int)
    calibrator = fit_calibrator("logistic", logits, y, np.ones(20), np.arange(20) % 5)
    pull = (y - calibrate(calibrator, logits)) @ logits
    assert pull == pytest.approx(calibrator.slope - 1, rel=1e-6)
    assert calibrator.slope > 1


def test_a_slope_moved_towards_one_leaves_the_sum_of_the_risks_right():
    logits, y, folds = outcomes(5_000)
    calibrator = fit_calibrator("logistic", 1.3 * logits, y, np.ones(len(y)), folds, 0.5)
    assert calibrate(calibrator, 1.3 * logits).mean() == pytest.approx(y.mean(), rel=1e-8)


def test_no_steps_reach_zero_or_one_and_none_is_a_single_person():
    logits, y, folds = outcomes(2_000)
    calibrator = fit_calibrator("isotonic", 10 * logits, y, np.ones(len(y)), folds)
    risk = calibrate(calibrator, np.array([-1e3, 1e3]))
    assert 0 < risk[0] < risk[1] < 1
    assert len(calibrator.logits) <= 200


def test_perfect_separation_and_turned_ranking_stay_finite_and_in_order():
    y, folds = np.repeat([0, 1], 200), np.arange(400) % 5
    for logits in (np.where(y == 1, 5.0, -5.0), np.where(y == 1, -1.0, 1.0)):
        calibrator = fit_calibrator("auto", logits, y, np.ones(400), folds)
        assert 0 < calibrator.slope < 10
        assert np.isfinite(calibrator.intercept)


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(random_state=0),
        RandomForestClassifier(50, min_samples_leaf=3, random_state=0),
        LinearSVC(),
    ],
    ids=["trees that overfit", "a forest that hedges", "a decision function"],
)
def test_calibration_makes_the_risks_of_any_estimator_truer(estimator, people, new_people):
    (X, y, _), (new_X, new_y, _) = people, new_people
    X, new_X = (table[["age", "visits", "alone"]].astype(float) for table in (X, new_X))
    losses, slopes = {}, {}
    for kind in ("none", "auto"):
        risk = NeedClassifier(estimator, calibration=kind, random_state=0).fit(X, y).predict_proba(new_X)[:, 1]
        losses[kind], slopes[kind] = log_loss(new_y, risk), calibration_slope(new_y, risk)
    assert losses["auto"] < losses["none"]
    assert abs(logit(slopes["auto"] / (1 + slopes["auto"]))) < abs(logit(slopes["none"] / (1 + slopes["none"])))


def test_default_risks_are_true_among_new_people(linear, new_people):
    X, y, risk = new_people
    predicted = linear.predict_proba(X)[:, 1]
    assert linear.engine_ == "linear"
    assert 0.93 < observed_expected(y, predicted) < 1.07
    assert 0.9 < calibration_slope(y, predicted) < 1.1
    assert np.mean(np.abs(predicted - risk)) < 0.03


@pytest.mark.parametrize("engine", ["linear", "boosted"])
def test_a_model_is_as_bold_when_rows_without_the_event_are_sampled(engine):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60_000, 5))
    y = (rng.random(len(x)) < expit(x[:, :3].sum(axis=1) - 6)).astype(np.intp)
    every = Rows(x, used(learn_columns(x, None)), y, np.ones(len(x)))
    some = np.flatnonzero((y == 1) | (rng.random(len(x)) < 0.05))
    sampled = replace(every.take(some), weights=np.where(y[some] == 1, 1.0, 20.0))
    if engine == "linear":
        predictors = [linear_predictor(fit_linear(rows, LOGISTIC, (0.001,))[0], x) for rows in (every, sampled)]
    else:
        predictors = [boosted_predictor(fit_boosted(rows, LOGISTIC, 60, seed=0), x) for rows in (every, sampled)]
    assert np.polyfit(*predictors, 1)[0] == pytest.approx(1, abs=0.1)
