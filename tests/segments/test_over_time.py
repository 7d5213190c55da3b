"""Stability, transitions, drift, and what happens to segments in the next year."""

import numpy as np
import pandas as pd
import pytest

from servicenee import (
    LatentClassSegmenter,
    Outcome,
    Population,
    Registers,
    RuleSegmenter,
    known_outcomes,
    segment_stability,
    segment_transitions,
)
from servicenee.exceptions import ServiceneeWarning
from servicenee.segments import (
    explained_deviance,
    held_segments,
    outcome_by_segment,
    scheme_features,
    segment_drift,
)


def test_planted_segments_are_found_again(five, planted):
    table = segment_stability(five, planted[0], n_bootstrap=4, random_state=0)
    assert table["segment"].tolist() == list(five.segments_)
    assert (table["verdict"] == "accept").sum() >= 4
    assert (table["dissolved"] + table["recovered"] <= 1).all()
    again = segment_stability(five, planted[0].iloc[::-1], n_bootstrap=4, random_state=0)
    assert table.equals(again)


def test_segments_that_are_not_there_are_rejected(structureless):
    X = structureless.head(1_000)
    segmenter = LatentClassSegmenter(4, n_starts=3, random_state=0).fit(X)
    table = segment_stability(segmenter, X, n_bootstrap=4, random_state=0)
    assert (table["verdict"] == "reject").sum() >= 3


def test_auto_flags_weak_segments(planted):
    # With 600 persons the third segment is a mixture of small classes.
    segmenter = LatentClassSegmenter(max_segments=4, n_starts=5, n_bootstrap=8, random_state=0)
    with pytest.warns(ServiceneeWarning, match=r"1 of 3 segments are not surely found again .* S3 \(0\.\d\d\)"):
        segmenter.fit(planted[0].sample(600, random_state=0))
    assert segmenter.stability_["verdict"].tolist() == ["accept", "accept", "flag"]


def test_stability_of_rules_is_refused():
    X = pd.DataFrame({"count_contacts_emergency_365d": np.arange(20.0)})
    with pytest.raises(TypeError, match="Rules are not estimated"):
        segment_stability(RuleSegmenter("frequent_users").fit(X), X)


def table_of(rows: dict, date: str) -> pd.DataFrame:
    """Probability of S1 by person, as segment_probabilities gives it for two segments."""
    index = pd.MultiIndex.from_tuples(
        [(person, pd.Timestamp(date)) for person in rows], names=["person_id", "index_date"]
    )
    first = np.array(list(rows.values()))
    return pd.DataFrame({"S1": first, "S2": 1 - first}, index=index)


@pytest.mark.parametrize(
    ("was", "now", "segment"),
    [(0.9, 0.6, "S1"), (0.9, 0.4, "S1"), (0.9, 0.35, "S1"), (0.9, 0.34, "S2"), (0.1, 0.64, "S2"), (0.1, 0.9, "S1")],
    ids=["stays", "by 0.2", "by exactly 0.3", "by 0.32", "other way, by 0.28", "clearly"],
)
def test_a_small_change_is_no_movement(was, now, segment):
    before, after = (pd.DataFrame({"S1": [p], "S2": [1 - p]}) for p in (was, now))
    assert held_segments(before, after, hysteresis=0.3).tolist() == [segment]


def test_a_new_person_has_no_segment_to_hold():
    before, after = pd.DataFrame({"S1": [0.9], "S2": [0.1]}), pd.DataFrame({"S1": [0.45], "S2": [0.55]}, index=[7])
    assert held_segments(before, after).tolist() == ["S2"]


@pytest.fixture(scope="module")
def moved() -> Registers:
    """40 persons; 6 die and 5 move away in 2023."""
    persons = pd.DataFrame({"person_id": range(40), "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    persons["death_date"] = pd.NaT
    persons["registered_to"] = pd.NaT
    persons.loc[:5, "death_date"] = pd.Timestamp("2023-06-01")
    persons.loc[6:10, "registered_to"] = pd.Timestamp("2023-07-01")
    events = pd.DataFrame(
        {
            "person_id": [0],
            "time": pd.Timestamp("2022-01-01"),
            "source": "emergency",
            "code_system": "contact",
            "code": "v",
        }
    )
    return Registers(persons, events, extract_date="2025-01-01")


def test_death_moving_and_new_are_states(moved):
    before = table_of({person: 0.9 for person in range(30)}, "2023-01-01")
    after = table_of({person: 0.9 if person < 25 else 0.1 for person in range(11, 40)}, "2024-01-01")
    table = segment_transitions(before, after, moved)
    shown = {(row["from"], row["to"]): row["n"] for row in table.to_dict("records") if row["n"]}
    assert shown == {
        ("S1", "S1"): 14,
        ("S1", "S2"): 5,
        ("S1", "death"): 6,
        ("S1", "moved"): 5,
        ("new", "S2"): 10,
    }
    first = table[table["from"] == "S1"]
    assert first["share"].sum() == pytest.approx(1)
    assert ((first["lower"] <= first["share"]) & (first["share"] <= first["upper"])).all()


def test_without_registers_whoever_is_gone_is_outside():
    before = table_of({person: 0.9 for person in range(30)}, "2023-01-01")
    after = table_of({person: 0.9 for person in range(20)}, "2024-01-01")
    table = segment_transitions(before, after)
    assert table.loc[(table["from"] == "S1") & (table["to"] == "outside"), "n"].tolist() == [10]


def test_few_movers_are_hidden():
    before = table_of({person: 0.9 for person in range(30)}, "2023-01-01")
    after = table_of({person: 0.1 if person < 2 else 0.9 for person in range(30)}, "2024-01-01")
    assert segment_transitions(before, after).query("`from` == 'S1'")["n"].isna().all()


def test_tables_of_two_segmenters_are_refused():
    before, after = table_of({1: 0.9}, "2023-01-01"), table_of({1: 0.9}, "2024-01-01")
    with pytest.raises(ValueError, match="use one frozen segmenter"):
        segment_transitions(before, after.rename(columns={"S2": "S3"}))
    with pytest.raises(ValueError, match="1 rows repeat a person"):
        segment_transitions(pd.concat([before, before]), after)


def test_new_persons_of_the_same_law_do_not_drift(five, new_persons):
    table = segment_drift(five, new_persons[0])
    assert not table["drifted"].any()
    assert table["measure"].tolist() == ["share"] * 5 + ["loglik"]


def test_other_persons_drift(five, planted):
    X = planted[0]
    sicker = X[planted[1] != 0]
    table = segment_drift(five, sicker).set_index("segment")
    assert table.loc["S1", "drifted"]
    assert table.loc["S1", "value"] < table.loc["S1", "reference"]
    scrambled = X.apply(lambda column: column.sample(frac=1, random_state=1).to_numpy())
    unlike = pd.concat([scrambled] * 3)
    unlike[["falls", "kidney"]] = 1
    assert segment_drift(five, unlike).set_index("measure").loc["loglik", "drifted"]


@pytest.fixture(scope="module")
def next_year(county):
    cohort = Population(65).at(county, "2022-01-01")
    X = scheme_features(1095).fit_transform(cohort)
    return RuleSegmenter("needs_pyramid").fit(X).scores(X), Outcome("unplanned_admission").label(cohort), X


def test_risk_by_segment_is_that_of_the_known_rows(next_year):
    segments, labels, _ = next_year
    table = outcome_by_segment(segments, labels).set_index("segment")
    known = known_outcomes(labels)
    inside = (segments["segment"] == "case_management").to_numpy()[known.positions]
    expected = np.average(known.y[inside], weights=known.weights[inside])
    row = table.loc["case_management"]
    assert row["risk"] == pytest.approx(expected)
    assert row["lower"] < row["risk"] < row["upper"]
    assert row["rate_ratio"] > 1.3
    assert table["n"].sum() == len(segments)


def test_segments_are_judged_beyond_age_and_sex(next_year):
    segments, labels, _ = next_year
    rng = np.random.default_rng(0)
    noise = pd.DataFrame({"noise": rng.normal(size=len(labels))}, index=labels.index)
    real = explained_deviance(segments, labels, noise).set_index("model")
    shuffled = pd.Series(rng.permutation(segments["segment"]), index=segments.index)
    none = explained_deviance(shuffled, labels, noise).set_index("model")
    assert real.loc["both", "added"] > 0.01
    assert not real.loc["both", "descriptive_only"]
    assert none.loc["both", "added"] < 0.005
    assert none.loc["both", "descriptive_only"]
    alone = explained_deviance(pd.Series("S1", index=labels.index), labels, noise).set_index("model")
    assert alone.loc["segments", "explained"] == 0.0
