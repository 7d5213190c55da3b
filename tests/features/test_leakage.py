"""No builder sees the future; a builder that does is caught."""

import numpy as np
import pytest

from servicenee import Cohort, EventCounts, FeatureSet, Population, check_leakage, default_features
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


class _SeesDeath(_SeesTheIndexDate):
    """Deliberately leaky: knows who will die."""

    @staticmethod
    def _count(cohort: Cohort) -> np.ndarray:
        return cohort.registers.person_columns.death_day[cohort.person]


@pytest.fixture(scope="module")
def cohort(county):
    return Population(70).at(county, ["2021-01-01", "2022-01-01", "2023-01-01"])


def test_default_features_see_no_future(cohort):
    check_leakage(default_features(), cohort)


def test_personal_index_dates_are_checked_too(county):
    rng = np.random.default_rng(0)
    frame = Population(70).at(county, "2021-06-15").frame[["person_id", "index_date"]]
    days = rng.integers(-300, 300, len(frame)).astype("timedelta64[D]")
    check_leakage(default_features(), Cohort.from_frame(county, frame.assign(index_date=frame["index_date"] + days)))


@pytest.mark.parametrize(
    "leaky", [_SeesTheIndexDate(), _IgnoresReportingLag(), _SeesDeath()], ids=lambda b: type(b).__name__
)
def test_a_leaky_builder_is_caught_and_named(leaky, cohort):
    with pytest.raises(LeakageError, match=r"1 columns change .* leaky_count \(\d+ rows\)"):
        check_leakage(FeatureSet([EventCounts(by="source"), leaky]), cohort)
