"""Reasons: contributions against the reference person that add up, sorted, positive, never from a gap."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from servicenee.need import NeedClassifier, reason_stability


@pytest.fixture(scope="module")
def custom(people):
    X, y, _ = people
    text = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["sex", "area"]),
        remainder="passthrough",
    )
    return NeedClassifier(
        make_pipeline(text, HistGradientBoostingClassifier(max_iter=20, random_state=0)), random_state=0
    ).fit(X, y)


def reference_person(model, X):
    values = {column.name: column.reference for column in model.columns_}
    return pd.DataFrame([values]).astype({"alone": bool, "area": X["area"].dtype})[X.columns.tolist()]


@pytest.mark.parametrize("name", ["linear", "boosted", "custom"])
def test_all_contributions_of_a_row_add_up_to_its_logit_less_the_reference_persons(name, new_people, request):
    model = request.getfixturevalue(name)
    X = new_people[0].head(40)
    contributions = model._contributions(X, model.columns_).sum(axis=1) * model.calibrator_.slope
    difference = logit(model.predict_proba(X)[:, 1]) - logit(model.predict_proba(reference_person(model, X))[:, 1])
    np.testing.assert_allclose(contributions, difference, atol=1e-9)


@pytest.mark.parametrize("name", ["linear", "boosted", "custom"])
def test_reasons_table(name, new_people, request):
    X = new_people[0].head(60)
    reasons = request.getfixturevalue(name).explain(X, n_reasons=2)
    assert reasons.columns.tolist() == ["order", "feature", "value", "reference", "contribution"]
    assert reasons.index.names == ["person_id", "index_date"]
    assert reasons.index.isin(X.index).all()
    assert set(reasons["order"]) == {1, 2}
    assert (reasons["contribution"] > 0).all()
    first, second = (reasons[reasons["order"] == place]["contribution"] for place in (1, 2))
    assert (first.loc[second.index] >= second).all()
    for (row, feature), value in (
        reasons.set_index("feature", append=True)["value"].groupby(level=[0, 2]).first().items()
    ):
        assert not pd.isna(value), (row, feature)


def test_a_missing_value_raises_the_risk_but_is_never_a_reason():
    rng = np.random.default_rng(0)
    tested = rng.random(2_000) < 0.5
    X = pd.DataFrame({"test": np.where(tested, rng.normal(size=2_000), np.nan), "age": rng.uniform(65, 95, 2_000)})
    y = (rng.random(2_000) < np.where(tested, 0.1, 0.5)).astype(int)
    model = NeedClassifier(random_state=0).fit(X, y, groups=np.arange(2_000))
    row = pd.DataFrame({"test": [np.nan], "age": [94.0]})
    assert model.predict_proba(row)[0, 1] > 0.35
    assert "test" not in model.explain(row)["feature"].tolist()


def test_reference_is_the_median_and_the_commonest(linear, people):
    X = people[0]
    reference = {column.name: column.reference for column in linear.columns_}
    assert reference["age"] == X["age"].median()
    assert reference["visits"] == 1.0
    assert reference["sex"] == X["sex"].mode()[0]


def test_values_and_references_are_shown_as_they_are(linear, new_people):
    X = new_people[0]
    oldest = X[X["age"] > 94].head(1)
    first = linear.explain(oldest).iloc[0]
    assert (first["feature"], first["value"]) == ("age", oldest["age"].iloc[0])


def test_the_reference_person_has_no_reasons(linear, people):
    assert linear.explain(reference_person(linear, people[0])).empty


def test_an_array_has_columns_x0_x1_and_rows_0_1(people):
    X, y, _ = people
    numbers = X[["age", "visits"]].to_numpy()
    model = NeedClassifier(random_state=0).fit(numbers, y, groups=X.index.get_level_values(0))
    reasons = model.explain(numbers[:20])
    assert set(reasons["feature"]) <= {"x0", "x1"}
    assert reasons.index.isin(range(20)).all()


def test_stability_tells_reasons_in_the_data_from_reasons_of_chance():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(600, 6)), columns=list("abcdef"), index=pd.Index(range(600), name="person_id"))
    clear = (rng.random(600) < 1 / (1 + np.exp(-3 * X["a"]))).astype(int)
    chance = rng.integers(0, 2, 600)
    figures = [
        reason_stability(NeedClassifier(random_state=0).fit(X, y), X, y, n_reasons=1, n_refits=3, random_state=0)
        for y in (clear, chance)
    ]
    assert figures[0] > 0.9 > 0.8 > figures[1]
