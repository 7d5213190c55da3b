"""scikit-learn's own contract, with the reasons for the checks that cannot hold."""

import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from servicenee.need import DemandRegressor, NeedClassifier, RiskCurve

FOLDS = "folds are drawn by row position, so a repeated row and a weight of two give different folds"


def reasons_to_fail(estimator):
    return {
        "check_sample_weight_equivalence_on_dense_data": FOLDS,
    }


@pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")
@parametrize_with_checks(
    [
        NeedClassifier(random_state=0),
        NeedClassifier(LogisticRegression(), random_state=0),
        DemandRegressor(random_state=0),
        DemandRegressor(loss="two_part", random_state=0),
        DemandRegressor(PoissonRegressor(), random_state=0),
        RiskCurve(random_state=0),
    ],
    expected_failed_checks=reasons_to_fail,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
