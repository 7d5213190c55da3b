"""What every named outcome counts, one line per person: what happened, and the label it gives."""

import pytest

from servicenee import OUTCOMES, LatestValue, Outcome, Population, assure
from servicenee.outcomes.definitions import definition_of_row

# what happened after the index date 2022-01-01, and the label: status, then what else is expected
CASES = {
    "home_care_start": [
        ("stays", "home_care 2022-03-01..2022-04-30", "event", {"time_days": 59}),
        ("stays", "home_care 2022-03-01..2022-04-29", "no event", {}),
        ("stays", "hospital_at_home 2022-03-01..2022-07-01", "no event", {}),
        ("stays", "assessment_period 2022-03-01..2022-07-01", "no event", {}),
        ("stays", ["assessment_period 2022-03-01..2022-04-12", "home_care 2022-03-01.."], "event", {"time_days": 101}),
        ("stays", ["hospital_at_home 2022-03-01..2022-03-11", "home_care 2022-03-05..2022-05-09"], "no event", {}),
        ("stays", ["hospital_at_home 2022-03-01..2022-03-11", "home_care 2022-03-05..2022-05-10"], "event", {}),
        ("stays", ["home_care 2022-03-01..", "round_the_clock 2022-02-28.."], "other event", {"time_days": 58}),
        ("stays", ["home_care 2022-03-01..", "round_the_clock 2022-03-02.."], "event", {"time_days": 59}),
        ("death_date", "2022-02-01", "death", {"time_days": 31}),
    ],
    "daily_home_care_start": [
        ("events", [f"contact:home_visit 2022-03-{day:02d}" for day in range(1, 32)], "event", {"time_days": 59}),
        ("events", [f"contact:home_visit 2022-03-{day:02d}" for day in range(1, 28)], "no event", {}),
        ("events", [f"contact:hospital_at_home 2022-03-{day:02d}" for day in range(1, 32)], "no event", {}),
    ],
    "round_the_clock_start": [
        ("stays", "round_the_clock 2022-05-01..2022-05-02", "event", {"time_days": 120}),
        ("stays", "interval_care 2022-05-01..2022-05-15", "no event", {}),
        ("stays", "communal_housing 2022-05-01..", "no event", {}),
        ("death_date", "2022-06-01", "death", {"time_days": 151}),
        ("registered_to", "2022-06-01", "censored", {"time_days": 151}),
    ],
    "unplanned_admission": [
        ("stays", "inpatient_unplanned 2022-12-31..2023-01-05", "event", {"time_days": 364}),
        ("stays", "inpatient_unplanned 2023-01-01..2023-01-05", "no event", {}),
        ("stays", "inpatient_unplanned 2021-12-31..2022-01-05", "no event", {}),
        ("stays", "inpatient_planned 2022-06-01..2022-06-05", "no event", {}),
    ],
    "emergency_visit": [
        ("events", ["contact:visit 2022-05-01", "contact:visit 2022-03-01"], "event", {"time_days": 59, "value": 1}),
        ("events", "primary_care contact:visit 2022-05-01", "no event", {"value": 0}),
    ],
    "emergency_visits": [
        ("events", ["contact:visit 2022-05-01", "contact:visit 2022-03-01"], "event", {"time_days": 59, "value": 2}),
        ("events", ["contact:visit 2021-12-31", "contact:visit 2023-01-01"], "no event", {"value": 0}),
    ],
    "frequent_use": [
        (
            "events",
            [f"contact:visit 2022-{month}-01" for month in ("02", "03", "05", "04")],
            "event",
            {"time_days": 120},
        ),
        ("events", [f"contact:visit 2022-{month}-01" for month in ("02", "03", "05")], "no event", {}),
        ("events", [f"contact:visit 20{month}-01" for month in ("21-12", "22-03", "22-05", "22-08")], "no event", {}),
    ],
    "bed_days": [
        (
            "stays",
            ["inpatient_planned 2022-02-01..2022-02-06", "inpatient_unplanned 2022-02-04..2022-02-09"],
            "event",
            {"value": 8},
        ),
        ("stays", "inpatient_unplanned 2021-12-20..2022-01-03", "no event", {"value": 2}),
        ("stays", "inpatient_planned 2022-12-30..2023-01-09", "event", {"value": 2}),
    ],
    "home_care_hours": [
        (
            "events",
            ["contact:home_visit 2022-02-01 0.75", "contact:home_visit 2022-02-02 1.5", "contact:remote 2022-02-03"],
            "event",
            {"value": 2.25, "exposure_days": 365},
        ),
        ("events", "contact:hospital_at_home 2022-02-01 3", "no event", {"value": 0}),
        ("events", "primary_care contact:home_visit 2022-02-01 1", "no event", {"value": 0}),
    ],
    "death": [
        ("death_date", "2022-12-31", "event", {"time_days": 364}),
        ("death_date", "2023-01-01", "no event", {"time_days": 365}),
        ("registered_to", "2022-05-01", "censored", {}),
    ],
    "mental_health_start": [
        ("events", "mental_health service:mental_health 2022-05-01", "event", {"time_days": 120}),
        ("events", "mental_health service:substance_use 2022-05-01", "event", {"time_days": 120}),
        ("events", "social service:needs_assessment 2022-05-01", "no event", {}),
    ],
    "diabetes_control_lost": [
        ("events", ["lab:HbA1c 2022-03-01 63", "lab:HbA1c 2022-06-01 64"], "event", {"time_days": 151}),
        ("events", ["lab:HbA1c 2021-12-31 90", "lab:HbA1c 2022-06-01 63.9"], "no event", {}),
        ("events", "lab:HbA1c 2022-06-01", "no event", {}),
        ("events", "lab:Hb 2022-06-01 140", "no event", {}),
    ],
}
LINES = [(name, *case) for name, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("name", "column", "happened", "status", "more"), LINES)
def test_what_happened_gives_the_label(name, column, happened, status, more):
    # A second person, who has what the outcome looks for before the index date only, keeps every source known.
    known = {"stays": "home_care 2020-01-01..2020-02-01", "events": "mental_health service:mental_health 2020-01-01"}
    known["events"] = [known["events"], "lab:HbA1c 2020-01-01 50"]
    expected = "no event" if name != "daily_home_care_start" else 0
    assure(Outcome(name), [{column: happened, "status": status, **more}, {**known, "status": expected}])


ADMITTED = "inpatient_unplanned 2022-05-02..2022-05-09"
DIAGNOSED = [
    ("acsc_admission", [ADMITTED], ["inpatient ICD-10:I509 2022-05-02"], "event", 121),
    ("acsc_admission", [ADMITTED], ["inpatient ICD-10:I509 2022-05-03"], "no event", 365),
    ("acsc_admission", [ADMITTED], ["inpatient ICD-10:I639 2022-05-02"], "no event", 365),
    ("acsc_admission", [ADMITTED], ["primary_care ICD-10:I509 2022-05-02"], "no event", 365),
    ("acsc_admission", ["inpatient_planned 2022-05-02.."], ["inpatient ICD-10:I509 2022-05-02"], "no event", 365),
    ("fall_fracture", [], ["emergency ICD-10:S720 2022-05-02"], "event", 121),
    ("fall_fracture", [], ["inpatient ICD-10:S5250 2022-05-02"], "event", 121),
    ("fall_fracture", [], ["primary_care ICD-10:S720 2022-05-02"], "no event", 365),
    ("fall_fracture", [], ["emergency ICD-10:S610 2022-05-02"], "no event", 365),
]


@pytest.mark.parametrize(("name", "stays", "events", "status", "day"), DIAGNOSED)
def test_a_diagnosis_counts_where_the_hospital_writes_it(name, stays, events, status, day):
    known = {
        "events": ["emergency contact:visit 2020-01-01"],
        "stays": "inpatient inpatient_planned 2020-01-01..2020-01-02",
    }
    assure(
        Outcome(name),
        [{"stays": stays, "events": events, "status": status, "time_days": day}, {**known, "status": "no event"}],
    )


def test_every_outcome_has_a_case():
    assert {*CASES, *(line[0] for line in DIAGNOSED)} == set(OUTCOMES)


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_says_what_it_is_in_three_languages(name):
    definition = OUTCOMES[name]
    assert definition.name == name
    assert all(definition.labels[language] for language in ("fi", "sv", "en"))
    assert definition.text.endswith(".")
    assert definition.population.endswith(".") or definition.population.endswith("].")
    assert definition.label_type in ("need", "use", "cost")
    for language in ("fi", "sv", "en"):
        assert len(Outcome(name).caveat(language)) > 60


def test_two_visits_a_week_start_care_that_one_visit_does_not():
    once = [f"contact:home_visit 2022-03-{day:02d}" for day in (1, 8, 15, 22)]
    twice = once + [f"contact:home_visit 2022-03-{day:02d}" for day in (3, 10, 17, 24)]
    for visits_per_week, labels in ((1, ("event", "event")), (2, ("no event", "event"))):
        outcome = Outcome("home_care_start", visits_per_week=visits_per_week, weeks=4)
        assure(outcome, [{"events": once, "status": labels[0]}, {"events": twice, "status": labels[1]}])


def test_a_row_of_ones_own_is_an_outcome():
    row = {"codes": ["lab:=HbA1c"], "at_least": 75, "times": 2, "label_type": "need", "name": "poor_control"}
    persons = [
        {"events": ["lab:HbA1c 2022-02-01 80", "lab:HbA1c 2022-08-01 76"], "status": "event", "time_days": 212},
        {"events": ["lab:HbA1c 2022-02-01 80", "lab:HbA1c 2022-08-01 74"], "status": "no event"},
    ]
    assert assure(Outcome(row), persons)["status"].tolist() == [1, 0]
    assert Outcome(row).definition.name == "poor_control"


def test_another_competing_event_may_be_an_event():
    row = {"codes": "stay:=home_care", "competing": "service:=informal_care", "label_type": "use"}
    persons = [
        {"events": "service:informal_care 2022-02-01", "stays": "home_care 2022-03-01..", "status": "other event"},
        {"events": "service:informal_care 2022-04-01", "stays": "home_care 2022-03-01..", "status": "event"},
    ]
    assure(Outcome(row), persons)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"codes": "ICD-10:S72"}, "must have a value of `label_type`"),
        ({"label_type": "need"}, "must have a value of `codes`"),
        (
            {"codes": "ICD-10:S72", "label_type": "wish"},
            "`label_type` must be one of 'need', 'use', 'cost'; got 'wish'",
        ),
        ({"codes": "ICD-10:S72", "label_type": "need", "lag": 1}, r"must have columns of .*; got \['lag'\]"),
        ({"codes": "ICD-10:S72", "label_type": "need", "times": "often"}, "`times` must be a whole number"),
        (
            {"codes": "ICD-10:S72", "label_type": "need", "min_age": 75.5},
            "`min_age` must be a whole number .* got '75.5'",
        ),
        ({"codes": "stay:home_care", "label_type": "use", "weeks": 8}, "`weeks` needs `visits_per_week`"),
    ],
)
def test_a_row_that_is_no_definition_is_refused(row, message):
    with pytest.raises(ValueError, match=message):
        definition_of_row(row)


def test_the_type_of_the_label_is_forced():
    with pytest.raises(ValueError, match="`label_type` must be 'need', 'use' or 'cost' for an outcome of your own"):
        Outcome(["ICD-10:S72"]).definition  # noqa: B018
    assert Outcome(["ICD-10:S72"], label_type="cost").caveat("en").startswith("The outcome is cost, not need")


def test_a_population_at_risk_comes_with_the_outcome():
    population = OUTCOMES["mental_health_start"].population_at_risk(area="Vaasa")
    assert (population.min_age, population.max_age, population.area) == (18, 29, "Vaasa")
    assert population.without == ["service:=mental_health", "service:=substance_use"]


def test_at_risk_leaves_out_whose_latest_value_has_reached_the_limit(county):
    cohort = Population(65).at(county, "2022-01-01")
    at_risk = Outcome({"codes": "lab:=HbA1c", "at_least": 50, "label_type": "need"}).at_risk(cohort)
    latest = LatestValue("lab:=HbA1c", lookback_days=None).transform(cohort).iloc[:, 0]
    assert at_risk.tolist() == (~(latest >= 50)).tolist()
    assert 0.5 < at_risk.mean() < 0.99
