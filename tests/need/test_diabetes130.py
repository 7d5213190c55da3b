"""Real discharges: patients whose number ends in 7, 8 or 9 were never used for any choice in the library."""

import pytest

from servicenee.datasets import diabetes130_features, diabetes130_outcome, load_diabetes130
from servicenee.evaluation import auc, calibration_slope, observed_expected
from servicenee.need import NeedClassifier


@pytest.mark.parametrize(("outcome", "smallest_auc"), [("home_health", 0.68), ("nursing_facility", 0.79)])
def test_discharge_of_new_patients_is_predicted_and_calibrated(outcome, smallest_auc):
    encounters = load_diabetes130()
    y = diabetes130_outcome(encounters, outcome)
    X = diabetes130_features(encounters.loc[y.index])
    is_test = X.index.get_level_values("person_id") % 10 >= 7
    model = NeedClassifier(random_state=0).fit(X[~is_test], y[~is_test])
    risk = model.predict_proba(X[is_test])[:, 1]
    assert auc(y[is_test], risk) >= smallest_auc
    assert 0.95 < observed_expected(y[is_test], risk) < 1.05
    assert 0.9 < calibration_slope(y[is_test], risk) < 1.1
