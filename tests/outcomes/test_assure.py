"""A definition is checked on persons written by hand: what is wrong is said person by person."""

import pandas as pd
import pytest

from servicenee import Outcome, assure


def test_every_difference_is_listed_with_the_person_and_what_was_found():
    persons = [
        {"person": "in time", "stays": "round_the_clock 2022-05-01..", "status": "no event"},
        {"person": "too late", "stays": "round_the_clock 2023-05-01..", "status": 0},
        {"stays": "round_the_clock 2022-05-01..", "status": "event", "time_days": 100},
    ]
    with pytest.raises(ValueError, match="2 of 3 persons' labels differ") as error:
        assure(Outcome("round_the_clock_start"), persons)
    assert "in time: status is 1 (event), expected 0 (no event)" in str(error.value)
    assert "person 3: time_days is 120, expected 100" in str(error.value)
    assert "too late" not in str(error.value)


def test_persons_may_be_a_table():
    persons = pd.DataFrame(
        {
            "person": ["dies", "stays well", "moves"],
            "death_date": ["2022-03-01", None, None],
            "registered_to": [None, None, "2022-03-01"],
            "status": ["death", "no event", "censored"],
        }
    )
    found = assure(Outcome("round_the_clock_start"), persons)
    assert found["person"].tolist() == ["dies", "stays well", "moves"]
    assert found.columns.tolist() == ["person", "index_date", "status", "time_days", "value", "exposure_days"]


def test_persons_have_index_dates_and_windows_of_their_own():
    persons = [
        {"index_date": "2022-01-01", "stays": "round_the_clock 2022-04-01..", "status": "event"},
        {"index_date": "2022-04-02", "stays": "round_the_clock 2022-04-20..", "status": "other event"},
        {"index_date": "2022-03-02", "stays": "round_the_clock 2022-04-20..", "status": "event", "time_days": 19},
    ]
    assure(Outcome("round_the_clock_start", gap_days=30, horizon_days=90), persons)


def test_what_the_extract_cannot_know_is_censored():
    persons = [{"stays": "round_the_clock 2022-02-01..", "status": "event"}, {"status": "censored", "time_days": 181}]
    assure(Outcome("round_the_clock_start"), persons, extract_date="2022-07-01")


@pytest.mark.parametrize(
    ("person", "message"),
    [
        ({"stays": "round_the_clock 2022-05-01.."}, "must say what is expected: person 1 has none"),
        ({"diagnoses": "F00", "status": 0}, r"must have columns of .*; person 1 has \['diagnoses'\]"),
        ({"stays": "round_the_clock 2022-05-01", "status": 0}, "person 1 has 'round_the_clock 2022-05-01'"),
        ({"events": "F00 2022-05-01", "status": 0}, "events as 'ICD-10:S720 2022-05-02'; person 1 has 'F00"),
        ({"stays": "round_the_clock soon..", "status": 0}, "person 1 has 'round_the_clock soon..'"),
    ],
)
def test_a_person_that_cannot_be_read_is_named(person, message):
    with pytest.raises(ValueError, match=message):
        assure(Outcome("round_the_clock_start"), [person])


def test_no_persons_are_no_check():
    with pytest.raises(ValueError, match="at least one person; got none"):
        assure(Outcome("death"), [])


def test_a_person_with_two_wrong_labels_is_one_person():
    with pytest.raises(ValueError, match="1 of 1 persons' labels differ"):
        assure(Outcome("home_care_start"), [{"stays": "home_care 2022-03-01..", "status": 0, "time_days": 365}])
