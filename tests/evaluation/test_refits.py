"""Refits: what a model has to beat, how it grows, and how it does in areas it has not seen."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from servicenee.evaluation.refits import (
    Rows,
    column_sets,
    compare_refits,
    learning_curve,
    leave_areas_out,
    random_effects,
)


class Logistic(LogisticRegression):
    """A classifier that takes groups and a labels table, as ours do."""

    def fit(self, X, y, groups=None):
        return super().fit(X, (y["status"] == 1).to_numpy())


def rows(n_persons, seed, date="2020-01-01", areas=4):
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([range(n_persons), [date]], names=["person_id", "index_date"])
    X = pd.DataFrame({"age": rng.normal(size=n_persons), "visits_365d": rng.normal(size=n_persons)}, index=index)
    X = X.assign(**{f"noise_{place}": rng.normal(size=n_persons) for place in range(15)})
    status = (rng.random(n_persons) < 1 / (1 + np.exp(2 - X["age"] - X["visits_365d"]))).astype(int)
    labels = pd.DataFrame({"status": status, "time_days": 365.0, "value": status, "exposure_days": 365.0}, index=index)
    labels.loc[status == 1, "time_days"] = 100.0
    return Rows(X, labels, np.arange(n_persons)), np.array(
        [f"area {number}" for number in rng.integers(0, areas, n_persons)]
    )


TABLE = pd.DataFrame(
    {
        "feature": ["age", "sex_female", "visits_365d", "visits_730d", "dementia_730d"],
        "measure": ["age", "sex", "count", "count", "count"],
        "topic": ["age", "background", "services", "acute_use", "diagnoses"],
        "lookback_days": [np.nan, np.nan, 365, 730, 730],
    }
)


def test_the_models_to_beat_take_their_columns_from_the_feature_table():
    assert column_sets(TABLE) == {
        "age_sex": ["age", "sex_female"],
        "last_year_use": ["visits_365d"],
        "without_past_use": ["age", "sex_female", "dementia_730d"],
    }
    assert column_sets(TABLE.iloc[:2]) == {}, "a model of age and sex alone has nothing to beat"


def test_a_model_with_more_of_what_matters_beats_one_with_less():
    training, later = rows(1500, 0)[0], rows(1500, 1, "2022-01-01")[0]
    risk = Logistic().fit(training.X, training.labels).predict_proba(later.X)[:, 1]
    table = compare_refits(Logistic(), training, later, risk, {"age_sex": ["age"]}, capacity=100)
    row = table.set_index(["model", "metric"]).loc[("age_sex", "auc")]
    assert row["difference_lower"] > 0
    assert table["model"].drop_duplicates().tolist() == ["model", "age_sex"]


def test_the_learning_curve_rises_on_later_rows_and_falls_on_its_own():
    table = learning_curve(Logistic(), rows(2000, 2)[0], rows(2000, 3, "2022-01-01")[0])
    assert table["share"].tolist() == [0.1, 0.25, 0.5, 1.0]
    assert table["n"].tolist() == [200, 500, 1000, 2000]
    assert table["auc"].iloc[-1] > table["auc"].iloc[0]
    gap = table["auc_training"] - table["auc"]
    assert gap.iloc[0] > gap.iloc[-1]


def test_shares_with_too_few_events_are_left_out():
    assert learning_curve(Logistic(), rows(300, 2)[0], rows(300, 3)[0])["share"].min() > 0.1


class Remembers(Logistic):
    """Notes what it has seen."""

    seen = []

    def fit(self, X, y, groups=None):
        self.seen.append(len(X))
        return super().fit(X, y)


def test_every_area_is_judged_by_a_model_that_has_not_seen_it():
    Remembers.seen.clear()
    (training, of_training), (later, of_later) = rows(1200, 4), rows(1200, 5, "2022-01-01")
    table = leave_areas_out(Remembers(), training, later, of_training, of_later, n_bootstrap=30)
    areas = table["area"].drop_duplicates().tolist()
    assert sorted(areas[:4]) == ["area 0", "area 1", "area 2", "area 3"]
    assert areas[4:] == ["pooled", "a new area"]
    assert Remembers.seen == [int(np.sum(of_training != area)) for area in areas[:4]]
    auc = table[table["metric"] == "auc"].set_index("area")
    assert auc.loc["a new area", "lower"] <= auc.loc["pooled", "lower"] < auc.loc["pooled", "value"]


def test_small_areas_are_left_out_together():
    (training, of_training), (later, of_later) = rows(900, 6), rows(900, 7, "2022-01-01")
    small = np.where(np.arange(900) < 30, "village", of_later)
    table = leave_areas_out(Logistic(), training, later, of_training, small, n_bootstrap=5)
    assert "village" not in set(table["area"])
    assert "other areas" in set(table["area"])


def test_random_effects_agree_with_statsmodels():
    # statsmodels 0.15, combine_effects(method_re="iterated", use_t=True): Paule-Mandel 0.03509565, Hartung-Knapp.
    pooled = random_effects(np.array([0.1, 0.35, -0.05, 0.6, 0.22]), np.array([0.01, 0.02, 0.015, 0.04, 0.01]))
    assert pooled[:3] == pytest.approx((0.213412, -0.070285, 0.497109), abs=1e-6)
    # By hand: 0.213412 ± t(0.975, 3) √(0.03509565 + 0.10218²).
    assert pooled[3:] == pytest.approx((0.213412 - 0.679111, 0.213412 + 0.679111), abs=1e-4)


def test_two_areas_cannot_be_pooled():
    assert np.isnan(random_effects(np.array([0.1, 0.2]), np.array([0.1, 0.1]))).all()
