"""No builder sees the future; a builder that does is caught."""

import numpy as np
import pandas as pd
import pytest

from servicenee import (
    AnyEvent,
    Assessments,
    CareChains,
    CareGaps,
    CareMoves,
    Cohort,
    DaysSinceDischarge,
    DaysSinceFirst,
    Demographics,
    EventCounts,
    EventMaxima,
    EventMeans,
    EventMinima,
    FeatureSet,
    FirstValue,
    InStay,
    LongestStay,
    PlanAdherence,
    Population,
    Registers,
    ValueTrend,
    WithinTarget,
    check_leakage,
    default_features,
)
from servicenee.exceptions import LeakageError
from servicenee.features import Builder
from servicenee.features.blocks import Block, Feature


class _SeesTheIndexDate(Builder):
    """Deliberately leaky: counts the events of the index date itself and all later ones of that month."""

    def blocks(self, registers):
        return [Block((Feature("leaky_count", "count"),), compute=self._count)]

    @staticmethod
    def _count(cohort: Cohort) -> np.ndarray:
        events = cohort.registers.event_columns
        counts = np.zeros(len(cohort))
        for row, (person, day) in enumerate(zip(cohort.person, cohort.index_day, strict=True)):
            minute = events.minute[events.first[person] : events.first[person + 1]]
            counts[row] = ((minute >= (day - 365) * 1440) & (minute < (day + 30) * 1440)).sum()
        return counts


class _IgnoresReportingLag(_SeesTheIndexDate):
    """Deliberately leaky: sees what happened before the index date but had not been reported."""

    @staticmethod
    def _count(cohort: Cohort) -> np.ndarray:
        events = cohort.registers.event_columns
        return np.array(
            [
                (events.minute[events.first[person] : events.first[person + 1]] < day * 1440).sum()
                for person, day in zip(cohort.person, cohort.index_day, strict=True)
            ]
        )


class _Peeks(_SeesTheIndexDate):
    """Deliberately leaky: a function of the registers gives one number for every person."""

    def __init__(self, peek=None):
        self.peek = peek

    def blocks(self, registers):
        return [Block((Feature("leaky_count", "count"),), compute=lambda cohort: self.peek(cohort)[cohort.person])]


def _latest_end_known(cohort: Cohort) -> np.ndarray:
    stays, day = cohort.registers.stay_columns, cohort.index_day.min()
    seen = np.flatnonzero((stays.start_day < day) & (stays.available_day < day))
    latest = np.zeros(len(stays.first) - 1)
    np.maximum.at(latest, np.searchsorted(stays.first, seen, side="right") - 1, stays.end_available_day[seen])
    return latest


def _for_all(number):
    return lambda cohort: np.full(len(cohort.registers.person_columns), float(number(cohort.registers)))


PEEKS = {
    "death": lambda cohort: cohort.registers.person_columns.death_day,
    "leaving the area": lambda cohort: cohort.registers.person_columns.to_day < cohort.index_day.min() + 365,
    "when an end is known": _latest_end_known,
    "size of the extract": _for_all(lambda registers: len(registers.event_columns)),
    "last time of the extract": _for_all(lambda registers: registers.event_columns.minute.max()),
    "date of the extract": _for_all(lambda registers: registers.extract_day),
    "end of the coverage": _for_all(lambda registers: registers.coverage_columns.to_day.max()),
    "requests": _for_all(lambda registers: len(registers.requests)),
    "answers to requests": _for_all(lambda registers: registers.requests["met"].notna().sum()),
    "last event of the last person": _for_all(lambda registers: registers.event_columns.minute[-1]),
}


class _OpenRequests(_SeesTheIndexDate):
    """Honest: requests made before the index date that had not been met by then."""

    @staticmethod
    def _count(cohort: Cohort) -> np.ndarray:
        requests = cohort.registers.requests.merge(cohort.frame.assign(row=np.arange(len(cohort))), on="person_id")
        waits = (requests["requested"] < requests["index_date"]) & ~(requests["met"] < requests["index_date"])
        return np.bincount(requests.loc[waits, "row"], minlength=len(cohort))


@pytest.fixture(scope="module")
def cohort(county):
    return Population(70).at(county, ["2021-01-01", "2022-01-01", "2023-01-01"])


def test_default_features_see_no_future(cohort):
    check_leakage(default_features(), cohort)


# Builders that work out their columns themselves, beside the kernel's one pass, or from several of its columns.
WORKED_OUT = FeatureSet(
    [
        ("any", AnyEvent("contacts", source="emergency", by="office_hours", lookback_days=(30, 365))),
        ("mean", EventMeans(by="laboratory", source="laboratory", skip_days=7)),
        ("min", EventMinima("lab:Hb", by="weekday")),
        ("max", EventMaxima("lab:Hb", lookback_days=None)),
        ("first", FirstValue(by="rai_scales", source="rai", lookback_days=None)),
        ("trend", ValueTrend(by="laboratory", source="laboratory", lookback_days=(365, None))),
        ("since_first", DaysSinceFirst(by="source", lookback_days=None)),
        ("chains", CareChains(source="inpatient", lookback_days=(30, None), skip_days=5)),
        ("longest", LongestStay(("inpatient_unplanned", "home_care"), lookback_days=(90, None))),
        ("discharge", DaysSinceDischarge(source="inpatient")),
        ("in_stay", InStay(("home_care", "inpatient_unplanned"))),
        ("moves", CareMoves(lookback_days=(90, None))),
        ("targets", WithinTarget(lookback_days=(90, 365))),
        ("rai", Assessments(source="rai", lookback_days=(90, None))),
        ("gaps", CareGaps(lookback_days=(730, None))),
        ("person", Demographics(columns=("age", "language"))),
    ]
)


def test_builders_beside_the_one_pass_see_no_future(cohort):
    check_leakage(WORKED_OUT, cohort[::3])


def test_late_reports_are_no_past_either():
    """Plans, measurements, assessments and stays of which half are reported long after they happened."""
    rng = np.random.default_rng(4)
    n, n_persons = 3_000, 60
    persons = pd.DataFrame({"person_id": np.arange(n_persons), "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    time = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D")
    late = pd.to_timedelta(np.where(rng.random(n) < 0.5, rng.integers(1, 200, n), 0), unit="D")
    kinds = [("plan", "BP_systolic"), ("lab", "BP_systolic"), ("RAI", "CPS"), ("ICD-10", "E119"), ("lab", "HbA1c")]
    kind = rng.integers(0, len(kinds), n)
    events = pd.DataFrame(
        {
            "person_id": rng.integers(0, n_persons, n),
            "time": time,
            "available_at": time + late,
            "source": "a",
            "code_system": [kinds[number][0] for number in kind],
            "code": [kinds[number][1] for number in kind],
            "value": rng.integers(0, 8, n).astype(float),
        }
    )
    start = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 700, 400), unit="D")
    stays = pd.DataFrame(
        {
            "person_id": rng.integers(0, n_persons, 400),
            "start": start,
            "end": start + pd.to_timedelta(rng.integers(0, 60, 400), unit="D"),
            "available_at": start + pd.to_timedelta(rng.integers(0, 100, 400), unit="D"),
            "source": "b",
            "kind": rng.choice(["home_care", "round_the_clock", "inpatient_unplanned"], 400),
        }
    )
    registers = Registers(persons, events, stays, extract_date="2024-06-01")
    dates = np.tile(pd.to_datetime(["2022-09-01", "2023-03-01", "2023-10-01"]), n_persons)
    frame = pd.DataFrame({"person_id": np.repeat(np.arange(n_persons), 3), "index_date": dates})
    builders = [
        PlanAdherence("lab:BP_systolic", "plan:BP_systolic", lookback_days=(90, None)),
        Assessments("RAI:CPS", lookback_days=(100, None)),
        CareGaps(),
        WithinTarget(skip_days=10),
        ValueTrend(by="weekday"),
        CareMoves(("home_care", "round_the_clock"), by="pair", lookback_days=(90, None)),
        CareChains(),
        LongestStay(),
        DaysSinceDischarge(),
        InStay(),
        InStay(skip_days=30),
    ]
    features = FeatureSet(builders)
    cohort = Cohort.from_frame(registers, frame)
    X = features.fit_transform(cohort)
    assert (X.nunique() > 1).sum() > 25, "columns that never vary prove nothing"
    check_leakage(features, cohort)


def test_personal_index_dates_are_checked_too(county):
    rng = np.random.default_rng(0)
    frame = Population(70).at(county, "2021-06-15").frame[["person_id", "index_date"]]
    days = rng.integers(-300, 300, len(frame)).astype("timedelta64[D]")
    check_leakage(default_features(), Cohort.from_frame(county, frame.assign(index_date=frame["index_date"] + days)))


@pytest.mark.parametrize(
    "leaky",
    [_SeesTheIndexDate(), _IgnoresReportingLag(), *map(_Peeks, PEEKS.values())],
    ids=["the index date", "what was not reported", *PEEKS],
)
def test_a_leaky_builder_is_caught_and_named(leaky, cohort):
    with pytest.raises(LeakageError, match=r"1 columns change .* leaky_count \(\d+ rows\)"):
        check_leakage(FeatureSet([EventCounts(by="source"), leaky]), cohort[:500])


def test_rows_that_move_are_counted_over_all_index_dates(cohort):
    with pytest.raises(LeakageError, match=rf"leaky_count \({len(cohort)} rows\)"):
        check_leakage(_Peeks(PEEKS["date of the extract"]), cohort)


def test_requests_as_they_stood_are_no_leak(cohort):
    assert _OpenRequests().fit_transform(cohort)["leaky_count"].nunique() > 1
    check_leakage(_OpenRequests(), cohort)
