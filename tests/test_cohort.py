"""Who is eligible when, from what was known when; and a cohort that slices like an X."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest

from servicenee import Cohort, Population, Registers

ANYBODY = {"min_age": None, "min_history_days": 0}


@pytest.mark.parametrize(
    ("day", "eligible"),
    [("2005-06-14", False), ("2005-06-15", True), ("2006-06-15", True), ("2006-06-14", True), ("2016-06-15", False)],
    ids=["day before 65", "65th birthday", "66th birthday", "last day at 65", "76th birthday"],
)
def test_age_is_in_completed_years(person, day, eligible):
    cohort = Population(65, 75, min_history_days=0).at(person(extract_date="2020-01-01"), day)
    assert len(cohort) == eligible


RESIDENCE = """
    registered_from  registered_to  death_date   on 2024-01-01
    -                -              -            yes
    2024-01-01       -              -            yes
    2024-01-02       -              -            no
    -                2024-01-01     -            no
    -                2024-01-02     -            yes
    -                -              2024-01-01   no
    -                -              2024-01-02   yes
"""


@pytest.mark.parametrize("line", RESIDENCE.strip().splitlines()[1:], ids=lambda line: "/".join(line.split()))
def test_alive_and_resident_on_the_index_date(person, line):
    start, end, death, eligible = (None if word == "-" else word for word in line.split())
    registers = person(registered_from=start, registered_to=end, death_date=death)
    assert len(Population(**ANYBODY).at(registers, "2024-01-01")) == (eligible == "yes")


@pytest.mark.parametrize(("since", "eligible"), [("2023-01-01", True), ("2023-01-02", False)])
def test_history_of_365_days(person, since, eligible):
    cohort = Population(min_age=None).at(person(registered_from=since), "2024-01-01")
    assert len(cohort) == eligible


@pytest.mark.parametrize(
    ("start", "end", "free"),
    [
        ("2022-01-01", "2023-01-01", True),
        ("2022-01-01", "2023-01-02", False),
        ("2023-12-31", None, False),
        ("2024-01-01", None, True),
    ],
    ids=["ended before the washout", "one day in the washout", "began yesterday", "begins on the index date"],
)
def test_without_home_care_for_365_days(person, start, end, free):
    registers = person(stays=[(start, end, "home_care")])
    cohort = Population(without="stay:home_care", **ANYBODY).at(registers, "2024-01-01")
    assert len(cohort) == free


def test_eligibility_sees_only_what_was_reported(person):
    coverage = pd.DataFrame({"source": ["home_care"], "reporting_lag_days": [30]})
    registers = person(stays=[("2023-12-15", None, "home_care")], coverage=coverage)
    population = Population(without="stay:home_care", **ANYBODY)
    assert population.at(registers, ["2024-01-01", "2024-02-01"]).frame["index_date"].dt.month.tolist() == [1]


def test_having_an_event_ever_or_a_stay_now(person):
    registers = person(["2020-03-01"], stays=[("2023-01-01", "2023-06-01", "home_care")])
    dates = ["2020-01-01", "2021-01-01", "2023-05-01", "2024-01-01"]
    visited = Population(having="contact:visit", **ANYBODY).at(registers, dates)
    clients = Population(having="stay:home_care", **ANYBODY).at(registers, dates)
    assert visited.frame["index_date"].dt.year.tolist() == [2021, 2023, 2024]
    assert clients.frame["index_date"].dt.year.tolist() == [2023]


def test_attrition_adds_up(county):
    cohort = Population(75, without=["stay:home_care", "stay:round_the_clock"]).at(county, ["2021-01-01", "2022-01-01"])
    flow = cohort.attrition
    assert flow["n_rows"].iloc[-1] == len(cohort)
    assert (
        flow["n_rows"].iloc[:-1].to_numpy() - flow["n_removed"].iloc[1:].to_numpy() == flow["n_rows"].iloc[1:]
    ).all()
    assert flow["n_persons"].is_monotonic_decreasing


def test_area_keeps_named_areas_and_refuses_unknown_ones(county):
    area = county.persons["area"].iloc[0]
    cohort = Population(area=area).at(county, "2022-01-01")
    areas = county.persons.set_index("person_id")["area"]
    assert set(areas[cohort.frame["person_id"]]) == {area}
    with pytest.raises(ValueError, match="1 of 1 names are not there"):
        Population(area="Atlantis").at(county, "2022-01-01")


def test_nobody_eligible_gives_an_empty_cohort_that_works(county):
    cohort = Population(min_age=119).at(county, "2022-01-01")
    assert len(cohort) == 0
    assert cohort.attrition["n_rows"].iloc[-1] == 0
    assert cohort.frame.columns.tolist() == ["person_id", "index_date", "follow_up_end"]


def test_dates_after_the_extract_and_unreadable_dates_are_refused(county):
    with pytest.raises(ValueError, match="must not lie after the extract date 2024-01-01; got 2024-01-02"):
        Population().at(county, "2024-01-02")
    for bad in ("1.2.2022", [], "2022-01-01T10:00", pd.NaT):
        with pytest.raises(ValueError, match="index_dates"):
            Population().at(county, bad)


def test_rows_slice_the_way_scikit_learn_slices(county):
    cohort = Population().at(county, ["2021-01-01", "2022-01-01"])
    rows = np.array([5, 3, 3, 0])
    mask = np.zeros(len(cohort), dtype=bool)
    mask[[0, 3]] = True
    assert cohort.shape == (len(cohort), 2)
    assert cohort[rows].frame["person_id"].tolist() == cohort.frame["person_id"].iloc[rows].tolist()
    assert cohort[(rows, ...)].index.equals(cohort[rows].index)
    assert cohort[mask].index.equals(cohort.index[mask])
    assert len(cohort[:7]) == 7
    assert cohort[rows].registers is county


def test_a_cohort_travels_but_is_never_cached(county):
    cohort = Population().at(county, "2022-01-01")[:20]
    assert pickle.loads(pickle.dumps(cohort)).index.equals(cohort.index)
    with pytest.raises(TypeError, match="cannot be cached"):
        joblib.hash(cohort)


def test_personal_index_dates_keep_their_order_and_ids(county):
    ids = county.persons["person_id"].iloc[[9, 2, 2]].tolist()
    frame = pd.DataFrame({"person_id": ids, "index_date": ["2022-05-04", "2021-03-03", "2020-02-29"]})
    cohort = Cohort.from_frame(county, frame)
    assert cohort.index.tolist() == list(zip(ids, pd.to_datetime(frame["index_date"]), strict=True))


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        ({"person_id": ["nobody-here"], "index_date": ["2022-01-01"]}, "not in the registers"),
        ({"person_id": [None], "index_date": ["2022-01-01"]}, "not in the registers"),
        ({"person_id": [0], "index_date": ["01.02.2022"]}, "missing or unreadable dates"),
        ({"person_id": [0], "index_date": ["2030-01-01"]}, "after the extract date"),
        ({"person_id": [0, 0], "index_date": ["2022-01-01", "2022-01-01"]}, "repeated"),
        ({"person_id": [0]}, "column index_date"),
    ],
)
def test_a_frame_with_a_fault_is_refused_without_showing_a_person(county, frame, fault):
    known = county.persons["person_id"].iloc[0]
    frame = pd.DataFrame(frame).replace({"person_id": {0: known}})
    with pytest.raises(ValueError, match=fault) as caught:
        Cohort.from_frame(county, frame)
    assert "nobody-here" not in str(caught.value)
    assert str(known) not in str(caught.value)


@pytest.mark.parametrize("ids", [[10, 2, 33], ["b", "ä", "01"]], ids=["integers", "text"])
def test_person_ids_come_back_exactly_as_they_went_in(ids):
    persons = pd.DataFrame({"person_id": ids, "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    events = pd.DataFrame(
        {"person_id": ids, "time": pd.Timestamp("2023-01-01"), "source": "a", "code_system": "x", "code": "y"}
    )
    registers = Registers(persons, events, extract_date="2024-01-01")
    cohort = Population(min_age=None).at(registers, "2024-01-01")
    assert cohort.frame["person_id"].tolist() == sorted(ids)
    assert registers.events["person_id"].tolist() == sorted(ids)
    assert cohort.frame["person_id"].map(type).eq(type(ids[0])).all()


def test_no_washout_asks_only_for_today(person):
    registers = person(["2023-12-31"], stays=[("2023-01-01", "2023-12-31", "home_care")])
    population = Population(without=["contact:visit", "stay:home_care"], washout_days=0, **ANYBODY)
    assert len(population.at(registers, "2024-01-01")) == 1


def test_an_empty_selection_and_an_empty_age_span(county):
    cohort = Population().at(county, "2022-01-01")
    assert len(cohort[[]]) == 0
    with pytest.raises(ValueError, match="`max_age` must be at least `min_age`"):
        Population(90, 70).at(county, "2022-01-01")


def test_time_zones_and_two_times_of_one_day_are_refused(county):
    person = county.persons["person_id"].iloc[0]
    zoned = pd.Series(pd.to_datetime(["2022-01-01"]).tz_localize("Europe/Helsinki"))
    with pytest.raises(ValueError, match="without a time zone"):
        Cohort.from_frame(county, pd.DataFrame({"person_id": [person], "index_date": zoned}))
    twice = pd.DataFrame({"person_id": person, "index_date": ["2022-01-01T08:00", "2022-01-01T10:00"]})
    with pytest.raises(ValueError, match="repeated"):
        Cohort.from_frame(county, twice)


def test_a_notebook_shows_who_was_left_at_every_step(county):
    cohort = Population(80).at(county, "2022-01-01")
    shown = cohort._repr_html_()
    assert repr(cohort) in shown
    for step in cohort.attrition["step"]:
        assert step in shown
