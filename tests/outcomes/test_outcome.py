"""What happened after the index date, as small tables: one person, one window, one expected status."""

import numpy as np
import pandas as pd
import pytest

from servicenee import OUTCOMES, Outcome, Population

INDEX = "2022-01-01"

# stays: kind start end; status as in the labels table; day counts from the start of the window
STARTS = """
    home care from                        death        left         lag  gap  status  day
    -                                     -            -            0    0    0       365
    2022-01-01..-                         -            -            0    0    1       0
    2022-12-31..-                         -            -            0    0    1       364
    2023-01-01..-                         -            -            0    0    0       365
    2022-03-01..2022-04-29                -            -            0    0    0       365
    2022-03-01..2022-04-30                -            -            0    0    1       59
    2022-03-01..2022-03-11                2022-03-11   -            0    0    1       59
    2022-03-01..2022-03-11                -            2022-03-11   0    0    1       59
    2022-03-01..2022-03-11                -            -            0    0    0       365
    -                                     2022-02-01   -            0    0    2       31
    -                                     -            2022-02-01   0    0    3       31
    -                                     2022-02-01   2022-02-01   0    0    2       31
    2022-03-01..-                         2022-02-01   -            0    0    2       31
    2022-03-01..2022-07-01                2022-07-01   -            0    0    1       59
    2022-01-15..-                         -            -            0    30   4       0
    2022-01-31..-                         -            -            0    30   1       0
    2023-01-30..-                         -            -            0    30   1       364
    2021-12-20..-                         -            -            30   0    4       0
"""


@pytest.mark.parametrize("line", STARTS.strip().splitlines()[1:], ids=lambda line: "/".join(line.split()))
def test_start_of_home_care(person, seen, line):
    care, death, left, lag, gap, status, day = line.split()
    start, _, end = care.partition("..")
    stays = [] if care == "-" else [(start, None if end == "-" else end, "home_care")]
    coverage = pd.DataFrame({"source": ["home_care"], "reporting_lag_days": [int(lag)]})
    # The end of a stay is at the latest the end of life or of residence.
    registers = person(
        stays=stays,
        coverage=coverage,
        death_date=None if death == "-" else death,
        registered_to=None if left == "-" else left,
    )
    labels = Outcome("home_care_start", gap_days=int(gap)).label(seen(registers, INDEX))
    assert labels["status"].tolist() == [int(status)]
    assert labels["time_days"].tolist() == [float(day)]


def test_round_the_clock_care_first_competes_with_home_care(person, seen):
    stays = [("2022-02-01", None, "round_the_clock"), ("2022-03-01", None, "home_care")]
    labels = Outcome("home_care_start").label(seen(person(stays=stays), INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[4, 31]]


def test_interval_care_is_not_a_start_of_round_the_clock_care(person, seen):
    stays = [("2022-02-01", "2022-02-10", "interval_care"), ("2022-05-01", None, "round_the_clock")]
    labels = Outcome("round_the_clock_start").label(seen(person(stays=stays), INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[1, 120]]


FOLLOW_UP = """
    extract      lag  confirm  status  day
    2023-01-01   0    0        0       365
    2022-12-31   0    0        3       364
    2023-01-01   30   0        3       335
    2023-01-31   30   0        0       365
    2023-01-31   30   60       3       305
    2021-12-31   0    0        -       -
"""


@pytest.mark.parametrize("line", FOLLOW_UP.strip().splitlines()[1:], ids=lambda line: "/".join(line.split()))
def test_what_is_not_reported_yet_is_never_taken_for_no_event(person, seen, line):
    extract, lag, confirm, status, day = line.split()
    coverage = pd.DataFrame({"source": ["round_the_clock_care"], "reporting_lag_days": [int(lag)]})
    registers = person(coverage=coverage, extract_date=extract)
    if status == "-":
        with pytest.raises(ValueError, match="after the extract date"):
            seen(registers, INDEX)
        return
    labels = Outcome("round_the_clock_start", confirm_days=int(confirm)).label(seen(registers, INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[int(status), float(day)]]


def test_a_source_that_begins_after_the_window_opens_says_nothing(person, seen):
    coverage = pd.DataFrame({"source": ["emergency"], "from": pd.to_datetime(["2022-01-02"])})
    labels = Outcome("emergency_visit").label(seen(person(["2022-05-01"], coverage=coverage), INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[3, 0]]


@pytest.mark.parametrize(
    ("reported_to", "death", "status"),
    [
        ("2022-06-01", "2022-05-31", 1),
        ("2022-06-01", "2022-06-01", 3),
        ("2022-06-01", "2022-06-02", 3),
        ("2022-12-31", None, 3),
        ("2023-01-01", None, 1),
    ],
    ids=["death before", "death on the day", "death after", "a day short", "the whole window"],
)
def test_an_amount_is_known_if_all_of_it_has_been_reported(person, seen, reported_to, death, status):
    coverage = pd.DataFrame({"source": ["emergency"], "to": pd.to_datetime([reported_to])})
    registers = person(["2022-02-01"], coverage=coverage, death_date=death)
    labels = Outcome("emergency_visit", kind="counts").label(seen(registers, INDEX))
    assert labels["status"].tolist() == [status]


def test_exposure_ends_with_death(person, seen):
    registers = person(["2022-02-01"], death_date="2022-05-01")
    labels = Outcome("emergency_visit", kind="counts").label(seen(registers, INDEX))
    assert labels[["value", "exposure_days"]].to_numpy().tolist() == [[1, 120]]


def test_counts_and_exposure_end_with_follow_up(person, seen):
    registers = person(
        ["2021-12-31", "2022-01-01", "2022-02-01", "2022-06-01", "2023-01-01"], registered_to="2022-05-01"
    )
    labels = Outcome("emergency_visit", kind="counts").label(seen(registers, INDEX))
    assert labels.iloc[0].to_dict() == {"status": 3, "time_days": 120, "value": 2, "exposure_days": 120}


def test_an_amount_that_death_ends_is_known_and_one_that_leaving_ends_is_not(person, seen):
    first, number = Outcome("emergency_visit"), Outcome("emergency_visit", kind="counts")
    visit = ["2022-02-01"]
    dead, gone = person(visit, death_date="2022-05-01"), person(visit, registered_to="2022-05-01")
    assert [first.label(seen(one, INDEX))["status"].item() for one in (dead, gone)] == [1, 1]
    assert [number.label(seen(one, INDEX))["status"].item() for one in (dead, gone)] == [1, 3]


def test_days_in_stays_count_overlaps_once(person, seen):
    stays = [("2021-12-01", "2022-01-11", "inpatient_unplanned"), ("2022-01-06", "2022-01-16", "inpatient_unplanned")]
    labels = Outcome("unplanned_admission", kind="days").label(seen(person(stays=stays), INDEX))
    assert labels["value"].tolist() == [15]


def test_death_is_an_outcome_too_and_can_count_as_one(person, seen):
    cohort = seen(person(["2020-01-01"], death_date="2022-03-01"), INDEX)
    assert Outcome("death").label(cohort)["status"].tolist() == [1]
    assert Outcome("emergency_visit").label(cohort)["status"].tolist() == [2]
    assert Outcome("emergency_visit", death="event").label(cohort)["status"].tolist() == [1]


def test_an_outcome_of_ones_own_is_a_list_of_codes(person, seen):
    outcome = Outcome(["contact:visit"], source="emergency", horizon_days=30, label_type="use")
    labels = outcome.label(seen(person(["2022-01-30"]), INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[1, 29]]


@pytest.mark.parametrize("name", [name for name in OUTCOMES if name != "mental_health_start"])
def test_labels_are_numeric_complete_and_aligned(county, name):
    cohort = OUTCOMES[name].population_at_risk().at(county, ["2021-01-01", "2022-01-01"])
    outcome = Outcome(name, gap_days=30)
    cohort = cohort[outcome.at_risk(cohort)]
    assert len(cohort) > 100
    labels = outcome.label(cohort)
    assert labels.index.equals(cohort.index)
    assert labels["status"].dtype == np.int8
    assert labels.notna().all().all()
    assert labels["time_days"].between(0, 365).all()
    assert (labels.loc[labels["status"] == 0, "time_days"] == 365).all()
    assert (labels["exposure_days"] <= 365).all()


def test_rows_already_in_the_service_are_refused_with_the_remedy(county):
    cohort = Population(75).at(county, "2022-01-01")
    with pytest.raises(ValueError, match=r"rows are already in the service. Use Population\(..., without="):
        Outcome("home_care_start").label(cohort)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"event": "home_care"}, "`event` must be one of home_care_start"),
        ({"event": "death", "horizon_days": 0}, "`horizon_days` must be a whole number of days of at least 1; got 0"),
        ({"event": "death", "gap_days": -1}, "`gap_days`"),
        ({"event": "death", "kind": "begins"}, "`kind` must be one of 'starts'"),
        ({"event": "death", "death": "censored"}, "`death` must be one of"),
    ],
)
def test_parameters_out_of_range_are_refused(person, seen, parameters, message):
    with pytest.raises(ValueError, match=message):
        Outcome(**parameters).label(seen(person(), INDEX))


def test_an_empty_cohort_has_empty_labels(county):
    labels = Outcome("home_care_start").label(Population(min_age=119).at(county, "2022-01-01"))
    assert labels.shape == (0, 4)


def test_an_outcome_that_no_source_can_report_is_refused(person, seen):
    cohort = seen(person(["2021-05-01"]), INDEX)
    with pytest.raises(
        ValueError, match=r"`source` of the outcome must be among .* \(emergency\); got \['inpatient'\]"
    ):
        Outcome("unplanned_admission").label(cohort)
    with pytest.raises(ValueError, match="`event` must match something in the registers"):
        Outcome(["ICD10:F00"], label_type="need").label(cohort)


@pytest.mark.parametrize(
    "life",
    [{"death_date": INDEX}, {"registered_to": INDEX}, {"registered_from": "2022-01-02"}],
    ids=lambda life: next(iter(life)),
)
def test_rows_of_the_dead_and_the_absent_are_refused(person, seen, life):
    with pytest.raises(ValueError, match="alive and resident on the index date; 1 of 1 rows are not"):
        Outcome("emergency_visit").label(seen(person(["2020-05-01"], **life), INDEX))


@pytest.mark.parametrize(("left", "status"), [("2022-02-28", 1), ("2022-02-26", 1), ("2022-02-25", 3)])
def test_residence_that_ends_a_few_days_before_death_is_a_death(person, seen, left, status):
    registers = person(["2020-05-01"], registered_to=left, death_date="2022-03-01")
    assert Outcome("death").label(seen(registers, INDEX))["status"].tolist() == [status]


def test_a_short_spell_at_the_index_date_does_not_hide_the_start_after_it(person, seen):
    stays = [("2021-12-20", "2022-01-10", "home_care"), ("2022-03-01", None, "home_care")]
    labels = Outcome("home_care_start").label(seen(person(stays=stays), INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[1, 59]]


SPELLS = """
    home care from                                 status  day
    2022-03-01..2022-03-31 2022-03-31..2022-05-01  1       59
    2022-03-01..2022-03-31 2022-04-01..2022-05-01  1       59
    2022-03-01..2022-03-31 2022-04-02..2022-05-01  0       365
    2022-03-01..2022-03-20 2022-04-02..            1       91
    2021-12-20..2022-01-01 2022-01-01..            4       0
    2021-12-20..2022-01-10 2022-01-10..2022-03-01  4       0
    2021-06-01..2021-12-31 2022-01-01..2022-01-10  4       0
"""


@pytest.mark.parametrize("line", SPELLS.strip().splitlines()[1:], ids=lambda line: "/".join(line.split()))
def test_adjoining_stays_are_one_spell(person, seen, line):
    *care, status, day = line.split()
    spans = [span.partition("..") for span in care]
    stays = [(start, end or None, "home_care") for start, _, end in spans]
    # So long a lag that none of the stays is seen at the index date.
    coverage = pd.DataFrame({"source": ["home_care"], "reporting_lag_days": [250]})
    registers = person(stays=stays, coverage=coverage)
    labels = Outcome("home_care_start").label(seen(registers, INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[int(status), float(day)]]


@pytest.mark.parametrize(("entry", "status", "day"), [("2022-03-20", 1, 59), ("2022-03-25", 4, 83)])
def test_a_start_counts_where_round_the_clock_care_ends_it_and_not_where_it_had_ended(person, seen, entry, status, day):
    stays = [("2022-03-01", "2022-03-20", "home_care"), (entry, None, "round_the_clock")]
    labels = Outcome("home_care_start").label(seen(person(stays=stays), INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[status, day]]


@pytest.mark.parametrize("end", ["2022-01-10", "2022-09-01"])
def test_who_is_in_care_at_the_index_date_is_not_at_risk_whatever_comes_after_it(person, seen, end):
    cohort = seen(person(stays=[("2021-12-20", end, "home_care")]), INDEX)
    assert Outcome("home_care_start").at_risk(cohort).tolist() == [False]


def test_follow_up_waits_for_the_slowest_of_outcome_and_competing_event(person, seen):
    coverage = pd.DataFrame({"source": ["home_care", "round_the_clock_care"], "reporting_lag_days": [0, 200]})
    registers = person(
        stays=[("2020-01-01", "2020-03-01", "round_the_clock")], coverage=coverage, extract_date="2023-01-01"
    )
    labels = Outcome("home_care_start", confirm_days=0).label(seen(registers, INDEX))
    assert labels[["status", "time_days"]].to_numpy().tolist() == [[3, 165]]


def test_visits_are_confirmed_by_their_weeks():
    assert Outcome("daily_home_care_start", confirm_days=10).definition.confirm_days == 28
