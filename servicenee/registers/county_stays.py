"""The stays of the synthetic county: people and their fates in; hospital, care and housing stays out."""

from dataclasses import dataclass

import numpy as np

from servicenee.registers import county_parameters as numbers
from servicenee.registers.county_hazards import Fates
from servicenee.registers.county_parameters import Calendar
from servicenee.registers.county_people import NEVER, People

STAY_KINDS = (  # (source, kind); rows of a block point here
    ("inpatient", "inpatient_unplanned"),
    ("inpatient", "inpatient_planned"),
    ("home_care", "home_care"),
    ("round_the_clock_care", "round_the_clock"),
    ("round_the_clock_care", "interval_care"),
    ("communal_housing", "communal_housing"),
)
UNPLANNED, PLANNED, HOME_CARE, ROUND_THE_CLOCK, INTERVAL, COMMUNAL = range(len(STAY_KINDS))


@dataclass(frozen=True)
class Stays:
    """Stays of one block of persons; an end of NEVER is a stay still open at the extract."""

    person: np.ndarray
    start: np.ndarray
    end: np.ndarray
    kind: np.ndarray

    def of_kind(self, *kinds: int) -> "Stays":
        """The stays of some kinds."""
        kept = np.isin(self.kind, kinds)
        return Stays(self.person[kept], self.start[kept], self.end[kept], self.kind[kept])


def county_stays(people: People, fates: Fates, calendar: Calendar, rng) -> Stays:
    """All stays that happened, cut at death and at leaving the area, before reporting."""
    everybody = np.arange(len(people))
    parts = [
        _hospital_stays(people, fates, calendar, rng),
        (fates.home_care_person, fates.home_care_start, fates.home_care_end, HOME_CARE),
        (everybody, fates.round_the_clock_day, np.full(len(people), NEVER), ROUND_THE_CLOCK),
        _interval_stays(fates, calendar, rng),
        (everybody, fates.communal_day, fates.round_the_clock_day, COMMUNAL),
    ]
    person, start, end = (np.concatenate([part[column] for part in parts]) for column in range(3))
    kind = np.concatenate([np.broadcast_to(part[3], len(part[0])) for part in parts])
    last = fates.exit_day[person]
    end = np.minimum(end, last)
    kept = (start < end) & ((start >= people.entry_day[person]) | (start < calendar.start))
    end = np.where(end >= calendar.extract, NEVER, end)
    return Stays(person[kept], start[kept], end[kept], kind[kept])


def _hospital_stays(people: People, fates: Fates, calendar: Calendar, rng):
    """Unplanned and planned admissions; a new admission ends the stay before it."""
    person, month = np.nonzero(fates.admission_day < NEVER)
    start = fates.admission_day[person, month]
    mean_days = numbers.HOSPITAL_DAYS * np.exp(numbers.HOSPITAL_DAYS_FRAILTY * people.frailty[person, month])
    length = 1 + rng.geometric(1 / np.maximum(mean_days, 1.01)) - 1
    planned = rng.poisson(numbers.PLANNED_ADMISSIONS_PER_YEAR * calendar.years, len(people))
    planned_person = np.repeat(np.arange(len(people)), planned)
    planned_start = calendar.start + rng.integers(0, calendar.extract - calendar.start, len(planned_person))
    planned_length = rng.integers(1, 6, len(planned_person))
    person = np.concatenate([person, planned_person])
    start = np.concatenate([start, planned_start])
    length = np.concatenate([length, planned_length])
    kind = np.repeat([UNPLANNED, PLANNED], [len(month), len(planned_person)])
    order = np.lexsort((kind, start, person))
    person, start, length, kind = person[order], start[order], length[order], kind[order]
    end = start + np.minimum(length, numbers.LONGEST_HOSPITAL_STAY)
    inside = np.zeros(len(start), dtype=bool)
    inside[1:] = (person[1:] == person[:-1]) & (start[1:] < end[:-1])
    kept = ~(inside & (kind == PLANNED))
    person, start, end, kind = person[kept], start[kept], end[kept], kind[kept]
    following = np.append(np.where(person[1:] == person[:-1], start[1:], NEVER), NEVER)
    return person, start, np.minimum(end, following), kind


def _interval_stays(fates: Fates, calendar: Calendar, rng):
    """Short stays that relieve carers of home-care clients; they are no entry into round-the-clock care."""
    shape = fates.in_home_care.shape
    person, month = np.nonzero(fates.in_home_care & (rng.random(shape) < numbers.INTERVAL_CARE_PER_MONTH))
    start = calendar.first_day[month] + rng.integers(0, 14, len(month))
    end = start + rng.integers(5, 15, len(month))
    end = np.minimum(end, fates.round_the_clock_day[person])
    return person, start, end, INTERVAL
