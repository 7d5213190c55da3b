"""Models as an earlier release saved them load and predict the same numbers, or are refused with what to install."""

import json
from pathlib import Path

import numpy as np
import pytest
import sklearn

from servicenee import load_model, predict
from servicenee.exceptions import ModelError
from tests.data.saved_models.twelve import twelve_persons

SAVED = Path(__file__).parent / "data" / "saved_models"
SETS = sorted(folder.name for folder in SAVED.glob("sklearn_*"))
MINOR = ".".join(sklearn.__version__.split(".")[:2])


def expected_risk(folder: Path) -> list[float]:
    return json.loads((folder / "expected.json").read_text("utf-8"))["risk"]


@pytest.mark.parametrize("kept", SETS)
def test_our_own_engine_predicts_the_same_with_every_supported_scikit_learn(kept):
    folder = SAVED / kept / "own"
    scores = predict(folder, twelve_persons(), index_date="2023-01-01")
    np.testing.assert_allclose(scores["risk"], expected_risk(folder), rtol=1e-12)
    assert scores["version"].unique().tolist() == ["2024-01-01"]


@pytest.mark.parametrize("kept", SETS)
def test_objects_of_scikit_learn_predict_the_same_with_theirs_and_are_refused_by_others(kept):
    folder, saved_with = SAVED / kept / "trees", kept.removeprefix("sklearn_")
    if saved_with == MINOR:
        scores = predict(folder, twelve_persons(), index_date="2023-01-01")
        np.testing.assert_allclose(scores["risk"], expected_risk(folder), rtol=1e-12)
    else:
        with pytest.raises(ModelError, match=rf"classes of scikit-learn {saved_with}\.\d.*Install scikit-learn"):
            load_model(folder)


def test_more_than_one_set_is_kept_so_that_one_of_them_is_always_refused():
    assert len(SETS) >= 2
    assert sum(name != f"sklearn_{MINOR}" for name in SETS) >= 1
