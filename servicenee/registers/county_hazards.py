"""Monthly hazards and what happens: people in; hazards by month, deaths, starts and acute events out.

A hazard is the probability that the event happens in a month to a person still at risk at its beginning.
Hazards depend on age, sex, place, conditions, latent frailty and recent acute illness, never on services
the person has: they go on past a start or a death, so everybody's true risk is known.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from servicenee.registers import county_parameters as numbers
from servicenee.registers.county_parameters import Calendar, county_table, logistic, logit
from servicenee.registers.county_people import NEVER, People

ADMITTED_THROUGH_EMERGENCY = 0.9  # share of unplanned admissions that begin with an emergency visit


@dataclass(frozen=True)
class Fates:
    """What happened to one block of persons; days are NEVER where it did not happen."""

    death_day: np.ndarray
    exit_day: np.ndarray  # first of death, leaving, extract
    round_the_clock_day: np.ndarray
    communal_day: np.ndarray
    home_care_person: np.ndarray  # one entry per spell
    home_care_start: np.ndarray
    home_care_end: np.ndarray
    in_home_care: np.ndarray  # (persons, months): a spell is open at the beginning of the month
    admission_day: np.ndarray  # (persons, months)
    emergency_day: np.ndarray  # (persons, months)


def county_hazards(people: People, calendar: Calendar) -> dict[str, np.ndarray]:
    """Hazard of every outcome, (persons, months)."""
    exponents = _log_hazards(people, calendar)
    exponents["death"] += _log_mortality(people, calendar)
    supply = np.log(county_table("municipalities")["home_care_supply"].to_numpy())
    exponents["home_care_start"] += supply[people.area][:, None]
    exponents[numbers.YOUNG_OUTCOME] = _log_mental_health(people, calendar)
    hazards = {outcome: -np.expm1(-np.exp(np.minimum(level, 0.5))) for outcome, level in exponents.items()}
    closed = np.arange(calendar.n_months) < people.open_from[:, None]
    for outcome in ("death", "home_care_start", "round_the_clock_start", numbers.YOUNG_OUTCOME):
        hazards[outcome][closed] = 0.0
    admitted = ADMITTED_THROUGH_EMERGENCY * hazards["unplanned_admission"]
    hazards["emergency_visit"] = 1 - (1 - hazards["emergency_visit"]) * (1 - admitted)
    return hazards


def county_fates(people: People, hazards: dict[str, np.ndarray], calendar: Calendar, rng) -> Fates:
    """Draw what happens from the hazards."""
    death, death_day = _deaths(people, hazards["death"], calendar, rng)
    exit_day = np.minimum(np.minimum(death_day, people.leave_day), calendar.extract)
    has_home_care, has_round_the_clock = _services_at_start(people, hazards, rng)
    entry, entry_day = _round_the_clock_entries(hazards, calendar, rng, has_round_the_clock, death)
    gone = np.minimum(death, entry)
    spells, in_home_care = _home_care_spells(people, hazards, calendar, rng, (has_home_care, gone))
    person, start, end = spells
    last = np.minimum(exit_day, entry_day)[person]
    end = np.where((end >= last) & (last < calendar.extract), last, end)
    kept = start < last
    admission_day, emergency_day = _acute_events(hazards, calendar, rng, death_day)
    return Fates(
        death_day=death_day,
        exit_day=exit_day,
        round_the_clock_day=np.where(entry_day < exit_day, entry_day, NEVER),
        communal_day=_communal_housing(people, calendar, rng),
        home_care_person=person[kept],
        home_care_start=start[kept],
        home_care_end=end[kept],
        in_home_care=in_home_care,
        admission_day=admission_day,
        emergency_day=emergency_day,
    )


def _log_hazards(people: People, calendar: Calendar) -> dict[str, np.ndarray]:
    """Sum of all effects by outcome, before mortality by age and local supply."""
    weights = county_table("hazards").set_index("term")
    terms = {
        "age_10y": people.decades,
        "male": people.male[:, None],
        "frailty": people.frailty,
        "frailty_squared": np.maximum(people.frailty, 0) ** 2,
        "acute": people.acute,
        "living_alone": people.living_alone[:, None],
        "age_frailty": people.decades * people.frailty,
    }
    has = {name: _has(people, calendar, name) for name in _harmful_conditions()}
    terms["dementia_alone"] = has["dementia"] & people.living_alone[:, None]
    conditions = county_table("conditions").set_index("condition")
    exponents = {}
    for outcome in numbers.OUTCOMES:
        level = np.full(people.frailty.shape, weights.at["intercept", outcome])
        for table, present in ((weights, terms), (conditions, has)):
            for name, where in present.items():
                if table.at[name, outcome]:
                    level += table.at[name, outcome] * where
        exponents[outcome] = level
    return exponents


def _log_mental_health(people: People, calendar: Calendar) -> np.ndarray:
    """Log hazard of an episode in mental-health or substance-use services."""
    effects = numbers.MENTAL_HEALTH_START
    level = effects["intercept"] + effects["age_10y"] * people.decades + effects["frailty"] * people.frailty
    level = level + effects["acute"] * people.acute + effects["female"] * ~people.male[:, None]
    for condition in ("depression", "alcohol_use_disorder", "psychosis"):
        level = level + effects[condition] * _has(people, calendar, condition)
    return level


@cache
def _harmful_conditions() -> tuple[str, ...]:
    """Conditions that raise at least one hazard."""
    table = county_table("conditions")
    return tuple(table.loc[(table[list(numbers.OUTCOMES)] != 0).any(axis=1), "condition"])


@cache
def _column_of(condition: str) -> int:
    return county_table("conditions")["condition"].tolist().index(condition)


def _has(people: People, calendar: Calendar, condition: str) -> np.ndarray:
    """Whether the condition is there at the beginning of each month."""
    return people.onset_day[:, _column_of(condition), None] <= calendar.first_day[:-1]


def _log_mortality(people: People, calendar: Calendar) -> np.ndarray:
    """Log of the population's monthly death hazard at the person's sex, age and calendar year."""
    population = county_table("population")
    youngest = numbers.YOUNGEST
    ages = np.clip(np.floor(75 + 10 * people.decades).astype(int), youngest, 100) - youngest
    by_age = population.pivot(index="age", columns="sex", values="death_hazard_2013").loc[youngest:100]
    yearly = np.where(people.male[:, None], by_age["male"].to_numpy()[ages], by_age["female"].to_numpy()[ages])
    years = 1970 + calendar.first_day[:-1] / numbers.DAYS_PER_YEAR - 2013
    return np.log(yearly / 12) + np.log(numbers.MORTALITY_TREND) * years


def _first_month(happens: np.ndarray) -> np.ndarray:
    """First month in which it happens, the number of months where it never does."""
    return np.where(happens.any(axis=1), happens.argmax(axis=1), happens.shape[1])


def _day_in_month(calendar: Calendar, month: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The day that lies `share` of the way through a month; NEVER after the last month."""
    inside = np.minimum(month, calendar.n_months - 1)
    day = calendar.first_day[inside] + (share * calendar.length[inside]).astype(np.int64)
    return np.where(month < calendar.n_months, day, NEVER)


def _deaths(people: People, hazard: np.ndarray, calendar: Calendar, rng) -> tuple[np.ndarray, np.ndarray]:
    """Month and day of death; never the first of a month, so that an acute event can come before it."""
    month = _first_month(rng.random(hazard.shape) < hazard)
    inside = np.minimum(month, calendar.n_months - 1)
    offset = 1 + (rng.random(len(month)) * (calendar.length[inside] - 1)).astype(np.int64)
    day = np.where(month < calendar.n_months, calendar.first_day[inside] + offset, NEVER)
    return month, np.where(day < people.leave_day, day, NEVER)


def _services_at_start(people: People, hazards: dict[str, np.ndarray], rng) -> tuple[np.ndarray, np.ndarray]:
    """Who has home care and who round-the-clock care at the start: prevalence by age, then by own need."""
    age = 75 + 10 * people.decades[:, 0]
    weights = county_table("hazards").set_index("term")
    here = (people.open_from == 0) & (age >= numbers.SERVICE_AGE)
    chances = []
    for outcome, prevalence in (
        ("home_care_start", numbers.HOME_CARE_PREVALENCE),
        ("round_the_clock_start", numbers.ROUND_THE_CLOCK_PREVALENCE),
    ):
        usual = weights.at["intercept", outcome] + weights.at["age_10y", outcome] * people.decades[:, 0]
        need = np.log(np.where(here, hazards[outcome][:, 0], 1.0)) - usual - numbers.USUAL_NEED[outcome]
        by_age = np.interp(age, numbers.PREVALENCE_AGES, logit(np.array(prevalence)))
        chances.append(np.where(here, logistic(by_age + numbers.PREVALENT_NEED * need), 0.0))
    draw, second = rng.random((2, len(people)))
    round_the_clock = draw < chances[1]
    return ~round_the_clock & (second < chances[0] / np.maximum(1 - chances[1], 0.2)), round_the_clock


def _round_the_clock_entries(hazards, calendar: Calendar, rng, already: np.ndarray, death: np.ndarray):
    """Month and day of moving into round-the-clock care; month -1 and an earlier day if already there."""
    n, months = hazards["round_the_clock_start"].shape
    month = _first_month(rng.random((n, months)) < hazards["round_the_clock_start"])
    month = np.where(month < death, month, months)
    day = _day_in_month(calendar, month, rng.random(n))
    earlier = calendar.start - 1 - rng.exponential(numbers.PREVALENT_ROUND_THE_CLOCK_DAYS, n).astype(np.int64)
    return np.where(already, -1, month), np.where(already, earlier, day)


def _home_care_spells(people: People, hazards, calendar: Calendar, rng, state):
    """Spells as (person, first day, day of ending or NEVER), and whether one is open as each month begins.

    `state` holds who has home care at the start, and the month of death or entry into round-the-clock care.
    """
    is_open, gone = state[0].copy(), state[1]
    n, months = people.frailty.shape
    recovery = numbers.RECOVERY
    leaves_chance = np.exp(
        recovery["intercept"] + recovery["frailty"] * people.frailty + recovery["age_10y"] * people.decades
    )
    draw, share = rng.random((2, n, months))
    earlier = rng.exponential(numbers.PREVALENT_HOME_CARE_DAYS, n).astype(np.int64)
    start_day = calendar.start - numbers.CONFIRMED_DAYS - 1 - earlier
    start_month = np.full(n, -numbers.RECOVERY_FROM_MONTH)
    in_home_care, finished = np.zeros((n, months), dtype=bool), []
    for month in range(months):
        there = month < gone
        in_home_care[:, month] = is_open & (month <= gone)
        day = calendar.first_day[month] + (share[:, month] * calendar.length[month]).astype(np.int64)
        settled = month - start_month >= numbers.RECOVERY_FROM_MONTH
        ends = is_open & there & settled & (draw[:, month] < leaves_chance[:, month])
        starts = ~is_open & there & (draw[:, month] < hazards["home_care_start"][:, month])
        finished.append((np.flatnonzero(ends), start_day[ends], day[ends]))
        start_day = np.where(starts, day, start_day)
        start_month = np.where(starts, month, start_month)
        is_open = (is_open & ~ends) | starts
    finished.append((np.flatnonzero(is_open), start_day[is_open], np.full(is_open.sum(), NEVER)))
    return tuple(np.concatenate(column) for column in zip(*finished, strict=True)), in_home_care


def _communal_housing(people: People, calendar: Calendar, rng) -> np.ndarray:
    """Day of moving into communal housing, from the year of the law on; NEVER for most."""
    law_day = np.datetime64(numbers.COMMUNAL_HOUSING_LAW, "D").astype(np.int64)
    rate = numbers.COMMUNAL_HOUSING
    month = min(max(int(calendar.month_of(law_day)), 0), calendar.n_months - 1)
    frailty, decades = people.frailty[:, month], people.decades[:, month]
    yearly = np.exp(rate["intercept"] + rate["frailty"] * frailty + rate["age_10y"] * decades)
    years = rng.exponential(1.0, len(people)) / yearly
    day = law_day + np.minimum(years * numbers.DAYS_PER_YEAR, NEVER).astype(np.int64)
    first = np.maximum(day, calendar.first_day[np.minimum(people.open_from, calendar.n_months)])
    return np.where(day < calendar.extract, first, NEVER)


def _acute_events(hazards, calendar: Calendar, rng, death_day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Day of the unplanned admission and of the first emergency visit of each month, NEVER without one."""
    shape = hazards["unplanned_admission"].shape
    first = calendar.first_day[:-1]
    # In the month of death the day lies before the death, so the month's hazard stays a probability.
    room = np.minimum(calendar.length, np.maximum(death_day[:, None] - first, 1))
    draws = rng.random((5, *shape))
    admitted = draws[0] < hazards["unplanned_admission"]
    admission = np.where(admitted, first + (draws[1] * room).astype(np.int64), NEVER)
    through = ADMITTED_THROUGH_EMERGENCY * hazards["unplanned_admission"]
    own_hazard = 1 - (1 - hazards["emergency_visit"]) / (1 - through)
    own = np.where(draws[2] < own_hazard, first + (draws[3] * room).astype(np.int64), NEVER)
    with_admission = np.where(draws[4] < ADMITTED_THROUGH_EMERGENCY, admission, NEVER)
    return admission, np.minimum(own, with_admission)
