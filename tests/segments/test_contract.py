"""scikit-learn's own contract of the two segmenters."""

import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from servicenee import LatentClassSegmenter, RuleSegmenter
from servicenee.segments import load_scheme

FIRST_COLUMN = [
    {"order": 1, "segment": "high", "feature": "x0", "comparison": ">=", "value": 0.5},
    {"order": 2, "segment": "low", "feature": ""},
]


@pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")
@parametrize_with_checks(
    [
        LatentClassSegmenter(2, n_starts=2, random_state=0),
        LatentClassSegmenter(max_segments=2, n_starts=2, n_bootstrap=2, random_state=0),
        RuleSegmenter(FIRST_COLUMN),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_a_scheme_of_a_county_can_be_cloned():
    scheme = load_scheme("needs_pyramid")
    assert clone(RuleSegmenter(scheme)).scheme.equals(scheme)
