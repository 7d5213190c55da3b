"""The shipped hospital encounters: counts as in the source, outcomes as defined, features known before discharge."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from servicenee.datasets import diabetes130_features, diabetes130_outcome, load_diabetes130


@pytest.fixture(scope="module")
def encounters():
    return load_diabetes130()


def test_all_encounters_at_60_and_over_of_the_sampled_patients(encounters):
    assert encounters.shape == (48_226, 48)
    assert encounters.index.names == ["person_id", "encounter_id"]
    assert encounters.index.is_unique
    assert encounters.index.get_level_values("person_id").nunique() == 33_691
    assert sorted(encounters["age"].unique()) == ["[60-70)", "[70-80)", "[80-90)", "[90-100)"]


def test_data_is_small_and_carries_its_attribution():
    folder = files("servicenee.datasets")
    notice = (folder / "diabetes130.md").read_text(encoding="utf-8")
    assert len((folder / "diabetes130.parquet").read_bytes()) < 1_000_000
    for needed in ("CC BY 4.0", "Strack", "UCI", "https://doi.org/", "What was changed"):
        assert needed in notice


@pytest.mark.parametrize(
    ("went_to", "came_from", "home_health", "nursing_facility"),
    [
        (1, 7, 0, 0),
        (6, 7, 1, 0),
        (8, 7, 1, 0),
        (3, 7, 0, 1),
        (4, 7, 0, 1),
        (24, 7, 0, 1),
        (5, 7, 0, 0),
        (6, 5, None, None),
        *[(code, 7, None, None) for code in (11, 13, 14, 19, 20, 21, 18, 25, 26)],
    ],
)
def test_outcomes_by_where_a_person_went(went_to, came_from, home_health, nursing_facility):
    row = pd.DataFrame({"discharge_disposition_id": [went_to], "admission_source_id": [came_from]})
    for outcome, expected in [("home_health", home_health), ("nursing_facility", nursing_facility)]:
        y = diabetes130_outcome(row, outcome)
        assert y.tolist() == ([] if expected is None else [expected])


def test_an_unknown_outcome_is_refused(encounters):
    with pytest.raises(ValueError, match="`outcome` must be one of 'home_health', 'nursing_facility'"):
        diabetes130_outcome(encounters, "readmitted")


def test_features_do_not_move_when_everything_after_discharge_is_scrambled(encounters):
    rows = encounters.head(2_000)
    rng = np.random.default_rng(0)
    scrambled = rows.assign(
        discharge_disposition_id=rng.integers(1, 29, len(rows)), readmitted=rng.choice(["NO", "<30", ">30"], len(rows))
    )
    pd.testing.assert_frame_equal(diabetes130_features(rows), diabetes130_features(scrambled))


def test_features_of_a_row_do_not_depend_on_other_rows_or_on_ids(encounters):
    rows = encounters.head(300)
    renamed = rows.iloc[100:110].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        diabetes130_features(rows).iloc[100:110].reset_index(drop=True),
        diabetes130_features(renamed),
        check_dtype=False,
    )


@pytest.mark.parametrize(
    ("code", "chapter", "conditions"),
    [
        ("428.0", "circulatory", ["heart_failure"]),
        ("250.83", "diabetes", []),
        ("820", "injury", ["hip_fracture", "other_fracture"]),
        ("38", "infection", ["sepsis"]),
        ("V57", "contact", ["rehabilitation"]),
        ("E885", "external", []),
        ("648", "other", []),
        (None, None, []),
    ],
)
def test_icd_9_codes_become_chapters_and_conditions(encounters, code, chapter, conditions):
    row = encounters.head(1).assign(diag_1=pd.Series([code], index=encounters.index[:1], dtype="object"))
    row = row.assign(diag_2="250", diag_3="250")
    features = diabetes130_features(row).iloc[0]
    assert features["chapter_1"] == chapter if chapter else pd.isna(features["chapter_1"])
    flags = features.loc["sepsis":"rehabilitation"]
    assert flags[flags == 1].index.tolist() == conditions
