"""Visits that come week after week: as a slow and obvious count finds them, and what goes on at the index date."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicenee import Cohort, Outcome, Registers
from servicenee.windows import Visits, is_regular, starts_regular

visits = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), max_size=60).map(sorted)
rules = st.fixed_dictionaries({"per_week": st.integers(1, 3), "weeks": st.integers(1, 4)})


def weekly(days: list[int], start: int, weeks: int) -> list[int]:
    return [sum(start + 7 * week <= day < start + 7 * week + 7 for day in days) for week in range(weeks)]


def columns(visits) -> Visits:
    person, day = (np.array([visit[part] for visit in visits], dtype=np.int64) for part in (0, 1))
    return Visits(person, day, day * 1440)


@given(visits, rules, st.lists(st.integers(0, 90), min_size=3, max_size=3))
def test_starts_are_those_found_by_counting_every_week(visits, rule, last_day):
    expected = []
    for who, start in visits:
        counts = weekly([day for other, day in visits if other == who], start, rule["weeks"])
        asked = [week == 0 or start + 7 * week + 7 <= last_day[who] for week in range(rule["weeks"])]
        expected.append(all(n >= rule["per_week"] for n, counted in zip(counts, asked, strict=True) if counted))
    assert starts_regular(columns(visits), np.array(last_day), **rule).tolist() == expected


@given(visits, rules, st.lists(st.tuples(st.integers(0, 2), st.integers(0, 80)), max_size=5))
def test_care_goes_on_where_every_week_before_has_its_visits(visits, rule, rows):
    of_row, at = (np.array([row[part] for row in rows], dtype=np.int64) for part in (0, 1))
    expected = [
        all(
            n >= rule["per_week"]
            for n in weekly([day for who, day in visits if who == row], end - 7 * rule["weeks"], rule["weeks"])
        )
        for row, end in rows
    ]
    assert is_regular(columns(visits), of_row, at, **rule).tolist() == expected


def home_visits(*spans, lag=0, available_at=None) -> Cohort:
    """One person with a home-care visit on every day of the spans, seen on 2022-01-01."""
    days = np.concatenate([pd.date_range(*span) for span in spans])
    events = pd.DataFrame({"person_id": "a", "time": days, "source": "home_care"})
    events = events.assign(code_system="contact", code="home_visit", value=0.5)
    if available_at is not None:
        events = events.assign(available_at=pd.Timestamp(available_at))
    persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["female"]})
    stays = pd.DataFrame({"person_id": [], "start": [], "end": [], "source": [], "kind": []}).astype(
        {"person_id": object, "start": "datetime64[us]", "end": "datetime64[us]", "source": object, "kind": object}
    )
    coverage = pd.DataFrame({"source": ["home_care"], "reporting_lag_days": [lag]})
    registers = Registers(persons, events, stays, coverage=coverage, extract_date="2024-01-01")
    return Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2022-01-01"]}))


DAILY = Outcome("daily_home_care_start")


def test_daily_visits_until_the_index_date_mean_that_care_is_daily_already():
    cohort = home_visits(("2021-12-04", "2022-03-01"))
    assert DAILY.at_risk(cohort).tolist() == [False]
    with pytest.raises(ValueError, match=r"1 of 1 rows are already in the service. Use cohort\[outcome.at_risk"):
        DAILY.label(cohort)


@pytest.mark.parametrize(("available_at", "at_risk"), [("2021-12-31", False), ("2022-01-02", True)])
def test_visits_that_were_not_reported_yet_do_not_show_who_is_in_care(available_at, at_risk):
    cohort = home_visits(("2021-12-04", "2021-12-31"), available_at=available_at)
    assert DAILY.at_risk(cohort).tolist() == [at_risk]


def test_a_break_before_the_index_date_lets_care_start_anew():
    cohort = home_visits(("2021-11-01", "2021-12-20"), ("2022-02-01", "2022-03-15"))
    assert DAILY.at_risk(cohort).tolist() == [True]
    assert DAILY.label(cohort)[["status", "time_days"]].to_numpy().tolist() == [[1, 31]]


@pytest.mark.parametrize(("first_visit", "lag"), [("2021-12-20", 0), ("2021-12-04", 14)])
def test_care_that_began_unseen_before_the_window_can_no_longer_start(first_visit, lag):
    cohort = home_visits((first_visit, "2022-03-15"), lag=lag)
    assert DAILY.at_risk(cohort).tolist() == [True]
    assert DAILY.label(cohort)[["status", "time_days"]].to_numpy().tolist() == [[4, 0]]


def test_follow_up_ends_as_many_weeks_earlier_as_it_takes_to_see_the_start():
    cohort = home_visits(("2022-06-01", "2022-06-10"))
    labels = Outcome("home_care_start", visits_per_week=1, weeks=60).label(cohort)
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[3, 310]]
