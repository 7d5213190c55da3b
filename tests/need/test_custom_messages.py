"""What another library says about a row stays inside."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from servicenee import NeedClassifier


def test_a_refusal_of_the_users_estimator_shows_no_cell():
    X = pd.DataFrame({"age": np.arange(40.0), "note": ["very private text"] * 40})
    y = np.tile([0, 1], 20)
    with pytest.raises(ValueError, match=r"`estimator` \(LogisticRegression\) refused X") as caught:
        NeedClassifier(LogisticRegression()).fit(X, y, groups=np.arange(40))
    assert "private" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_it_names_the_columns_without_any_value():
    X = pd.DataFrame({"age": np.arange(40.0), "latest_PAIN_365d": np.nan})
    with pytest.raises(ValueError, match="columns without any value: latest_PAIN_365d"):
        NeedClassifier(LogisticRegression()).fit(X, np.tile([0, 1], 20), groups=np.arange(40))
