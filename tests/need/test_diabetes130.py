"""Real discharges: patients whose number ends in 7, 8 or 9 were never used for any choice in the library."""

import numpy as np
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from servicenee.datasets import diabetes130_features, diabetes130_outcome, load_diabetes130
from servicenee.evaluation import auc, calibration_slope, evaluate, ici, log_loss, observed_expected
from servicenee.need import NeedClassifier

OUTCOMES = [("home_health", 0.68), ("nursing_facility", 0.79)]


def split(outcome):
    """Features and outcome of the patients to learn from and of those to be judged on."""
    encounters = load_diabetes130()
    y = diabetes130_outcome(encounters, outcome)
    X = diabetes130_features(encounters.loc[y.index])
    is_test = X.index.get_level_values("person_id") % 10 >= 7
    return X[~is_test], y[~is_test], X[is_test], y[is_test]


def peers(lightgbm):
    """What a data scientist would take from the shelf, as it stands."""
    text, numbers = make_column_selector(dtype_exclude="number"), make_column_selector(dtype_include="number")
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20)
    scaled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return {
        "HistGradientBoosting": make_pipeline(
            make_column_transformer((ordinal, text), remainder="passthrough"),
            HistGradientBoostingClassifier(random_state=0),
        ),
        "LightGBM": make_pipeline(
            make_column_transformer((ordinal, text), remainder="passthrough"),
            lightgbm.LGBMClassifier(random_state=0, verbose=-1, n_jobs=1),
        ),
        "logistic": make_pipeline(
            make_column_transformer((one_hot, text), (scaled, numbers)), LogisticRegression(max_iter=2_000)
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("outcome", "smallest_auc"), OUTCOMES)
def test_discharge_of_new_patients_is_predicted_and_calibrated(outcome, smallest_auc):
    X, y, new_X, new_y = split(outcome)
    risk = NeedClassifier(random_state=0).fit(X, y).predict_proba(new_X)[:, 1]
    assert auc(new_y, risk) >= smallest_auc
    assert 0.95 < observed_expected(new_y, risk) < 1.05
    assert 0.9 < calibration_slope(new_y, risk) < 1.1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("outcome", [name for name, _ in OUTCOMES])
def test_side_by_side_with_what_is_on_the_shelf(outcome):
    lightgbm = pytest.importorskip("lightgbm")
    X, y, new_X, new_y = split(outcome)
    risks = {name: model.fit(X, y).predict_proba(new_X)[:, 1] for name, model in peers(lightgbm).items()}
    ours = NeedClassifier(random_state=0).fit(X, y).predict_proba(new_X)[:, 1]
    for name, risk in {**risks, "NeedClassifier": ours}.items():
        figures = [measure(new_y, risk) for measure in (log_loss, auc, observed_expected, calibration_slope, ici)]
        print(outcome, name, np.round(figures, 4).tolist())
    assert log_loss(new_y, ours) <= min(log_loss(new_y, risk) for risk in risks.values()) + 0.002
    assert ici(new_y, ours) <= min(ici(new_y, risk) for risk in risks.values()) + 0.005
    metrics = evaluate(new_y, ours).tables["metrics"].set_index("metric")
    print(metrics.to_string())
    covering = ("observed_expected", "calibration_slope")
    missed = [name for name in covering if not metrics["lower"][name] <= 1 <= metrics["upper"][name]]
    assert missed == []
