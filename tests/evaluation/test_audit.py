"""Label audit: need at equal risk by hand, a hidden disadvantage found, small counts hidden."""

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import label_audit


def test_the_group_is_compared_with_the_others_at_its_own_risks():
    # Group a is mostly at high risk, where others have 4 diagnoses; at low risk they have 2.
    risk = np.array([0.3] * 30 + [0.1] * 10 + [0.3] * 10 + [0.1] * 30)
    group = np.repeat(["a", "b"], 40)
    diagnoses = np.where(group == "a", 6.0, np.where(risk > 0.2, 4.0, 2.0))
    table = label_audit(risk, pd.DataFrame({"diagnoses": diagnoses}), by=group, n_bands=2, n_bootstrap=0)
    row = table.set_index("group").loc["a"]
    assert (row["observed"], row["expected"]) == (6.0, pytest.approx((30 * 4 + 10 * 2) / 40))
    assert row["ratio"] == pytest.approx(6 / 3.5)


def underserved(n_persons=3000, seed=0):
    """Two groups with the same need, of which one gets 40 % less service; the risk follows service."""
    rng = np.random.default_rng(seed)
    group = np.where(rng.random(n_persons) < 0.3, "less served", "served")
    need = rng.gamma(2, 1, n_persons)
    use = rng.poisson(need * np.where(group == "less served", 0.6, 1.0) * 3)
    risk = 1 - np.exp(-0.1 * use)
    index = pd.MultiIndex.from_product([range(n_persons), ["2024-01-01"]], names=["person_id", "index_date"])
    return pd.Series(risk, index=index), pd.DataFrame({"need": need}), group


def test_a_group_that_got_less_service_for_its_need_is_found():
    table = label_audit(*underserved()[:2], by={"group": underserved()[2]}).set_index("group")
    assert table.loc["less served", "lower"] > 1.1
    assert table.loc["served", "upper"] < 1


def test_two_groups_that_are_served_alike_have_a_ratio_of_one():
    risk, markers, _ = underserved()
    halves = np.random.default_rng(3).permutation(np.resize(["one", "two"], len(risk)))
    table = label_audit(risk, markers, by={"half": halves})
    assert ((table["lower"] < 1) & (table["upper"] > 1)).all()


def test_small_counts_are_hidden_in_the_group_and_outside():
    risk = np.linspace(0.1, 0.4, 100)
    group = np.array(["a"] * 50 + ["b"] * 50)
    rare = np.zeros(100)
    rare[:3], rare[60:80] = 1, 1
    table = label_audit(risk, pd.DataFrame({"death": rare}), by=group, n_bootstrap=0)
    assert table[["observed", "expected", "ratio"]].isna().all(axis=None)
    assert table["note"].str.startswith("hidden").all()


def test_rows_without_the_marker_are_left_out():
    risk, group = np.full(60, 0.2), np.repeat(["a", "b"], 30)
    scale = np.where(np.arange(60) % 3 == 0, np.nan, 2.0)
    table = label_audit(risk, pd.DataFrame({"scale": scale}), by=group, n_bootstrap=0)
    assert table["n"].tolist() == [20, 20]
    assert table["ratio"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("markers", "message"),
    [
        (pd.DataFrame({"x": [1.0]}), "one row per risk"),
        (pd.DataFrame({"x": ["a"] * 20}), "must be numbers or booleans"),
    ],
    ids=["short", "text"],
)
def test_markers_that_are_none_are_refused(markers, message):
    with pytest.raises(ValueError, match=message):
        label_audit(np.full(20, 0.1), markers, by=["a", "b"] * 10)
