"""The people of the synthetic county: seed and block in; persons with frailty, illness and moves out."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from servicenee.registers import county_parameters as numbers
from servicenee.registers.county_parameters import Calendar, county_table, logistic, logit, random_stream

NEVER = 10**6  # a day far after every calendar: has not moved, has not died


@dataclass(frozen=True)
class People:
    """One block of persons; arrays of months have shape (persons, months)."""

    number: np.ndarray  # position in the county
    birth_day: np.ndarray
    male: np.ndarray
    area: np.ndarray  # row of the municipality table
    team: np.ndarray
    language: np.ndarray  # position in LANGUAGES
    living_alone: np.ndarray
    registered_from: np.ndarray
    entry_day: np.ndarray  # first day on which the county can see the person
    leave_day: np.ndarray  # NEVER while staying
    open_from: np.ndarray  # first month in which the person can die or start a service
    decades: np.ndarray  # age in 10 years from 75, by month
    frailty: np.ndarray  # by month
    acute: np.ndarray  # recent acute illness, by month
    onset_day: np.ndarray  # (persons, conditions); NEVER if the condition does not come

    def __len__(self) -> int:
        return len(self.number)


def county_people(
    calendar: Calendar, random_state: int, block: int, ages: tuple[int, int | None] = numbers.OLDER
) -> People:
    """Persons of one block, alive at the start, who reach the lower age before the extract; see `make_registers`."""
    n = numbers.BLOCK_SIZE
    rng = random_stream(random_state, block, stage=0)
    male, age = _sex_and_age(rng, calendar, n, ages)
    birth_day = (calendar.start - np.round(age * numbers.DAYS_PER_YEAR)).astype(np.int64)
    area, team, language = _places(rng, n)
    alone = numbers.LIVING_ALONE
    alone_logit = alone["intercept"] + alone["age_10y"] * (age - 75) / 10 + alone["female"] * ~male
    living_alone = rng.random(n) < np.where(
        age < numbers.YOUNG_UNTIL, numbers.LIVING_ALONE_YOUNG, logistic(alone_logit)
    )
    registered_from, entry_day, leave_day = _moves(rng, calendar, birth_day)
    decades = (calendar.first_day[:-1] - birth_day[:, None]) / (10 * numbers.DAYS_PER_YEAR) - 7.5
    constitution = rng.standard_normal(n)
    frailty = _frailty(rng, constitution, decades)
    turns = birth_day + int(np.ceil(ages[0] * numbers.DAYS_PER_YEAR)) + 1
    return People(
        number=block * n + np.arange(n),
        birth_day=birth_day,
        male=male,
        area=area,
        team=team,
        language=language,
        living_alone=living_alone,
        registered_from=registered_from,
        entry_day=entry_day,
        leave_day=leave_day,
        open_from=np.searchsorted(calendar.first_day, np.maximum(turns, entry_day)),
        decades=decades,
        frailty=frailty,
        acute=_acute_illness(rng, frailty, decades),
        onset_day=_onsets(rng, birth_day, constitution, male),
    )


def person_ids(people_numbers: np.ndarray, random_state: int) -> np.ndarray:
    """Pseudonyms: 'p' and eight hexadecimal digits, one for every number, in an order that means nothing."""
    mixed = _mix(np.asarray(people_numbers, dtype=np.uint64), random_state)
    return np.array([f"p{value:08x}" for value in mixed.tolist()], dtype=object)


def person_numbers(ids: np.ndarray, random_state: int) -> np.ndarray:
    """Positions in the county of pseudonyms made by `person_ids`; -1 for text that is no such pseudonym."""
    values = np.array([_hexadecimal(text) for text in ids], dtype=np.int64)
    found = _unmix(np.maximum(values, 0).astype(np.uint64), random_state).astype(np.int64)
    return np.where(values < 0, -1, found)


def _hexadecimal(text) -> int:
    if not isinstance(text, str) or len(text) != 9 or text[0] != "p":
        return -1
    return int(text[1:], 16) if all(letter in "0123456789abcdef" for letter in text[1:]) else -1


# Three rounds of an invertible 32-bit mix keyed by the seed: multiply by an odd number, fold the high half.
_MULTIPLIER, _INVERSE, _MASK = 0x9E3779B1, pow(0x9E3779B1, -1, 2**32), 0xFFFFFFFF


def _round_keys(random_state: int) -> list[int]:
    return np.random.SeedSequence(random_state, spawn_key=(2**20,)).generate_state(3).tolist()


def _mix(values: np.ndarray, random_state: int) -> np.ndarray:
    for key in _round_keys(random_state):
        values = ((values ^ np.uint64(key)) * np.uint64(_MULTIPLIER)) & np.uint64(_MASK)
        values = values ^ (values >> np.uint64(16))
    return values


def _unmix(values: np.ndarray, random_state: int) -> np.ndarray:
    for key in reversed(_round_keys(random_state)):
        values = values ^ (values >> np.uint64(16))
        values = ((values * np.uint64(_INVERSE)) & np.uint64(_MASK)) ^ np.uint64(key)
    return values


def _sex_and_age(
    rng: np.random.Generator, calendar: Calendar, n: int, ages: tuple[int, int | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Sex and exact age in years at the start, in the proportions of the mean population."""
    low, high = ages
    population = county_table("population")
    youngest = low - calendar.years + 0.1  # reaches the age at least a month before the extract
    population = population[population["age"] >= min(numbers.POPULATION_FROM, int(youngest))]
    years = population["age"].to_numpy(dtype=float)
    lower = np.maximum(years, youngest)
    upper = np.minimum(years + 1, np.inf if high is None else high + 1)
    width = np.clip(upper - lower, 0, 1)
    weight = population["persons_2016"].to_numpy() * width
    row = rng.choice(len(years), size=n, p=weight / weight.sum())
    return population["sex"].eq("male").to_numpy()[row], lower[row] + rng.random(n) * width[row]


def _places(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Municipality, home-care team within it and language."""
    towns = county_table("municipalities")
    size = towns["population_2022"].to_numpy(dtype=float)
    area = rng.choice(len(towns), size=n, p=size / size.sum())
    n_teams = np.maximum(1, np.round(size / numbers.TEAM_SIZE)).astype(int)
    team = (rng.random(n) * n_teams[area]).astype(int)
    shares = np.array([numbers.LANGUAGE_SHARES[status] for status in towns["language_status"]])
    language = (rng.random(n)[:, None] > np.cumsum(shares, axis=1)[area, :2]).sum(axis=1)
    return area, team, language


def _moves(rng: np.random.Generator, calendar: Calendar, birth_day: np.ndarray):
    """Day registered, first visible day, and day of leaving."""
    n = len(birth_day)
    native = rng.random(n) < numbers.NATIVE_SHARE
    grown = birth_day + int(18 * numbers.DAYS_PER_YEAR)
    settled = grown + (rng.random(n) * (calendar.start - 30 - grown)).astype(np.int64)
    arrived = calendar.start + 1 + (rng.random(n) * 0.9 * (calendar.extract - calendar.start)).astype(np.int64)
    moves_in = rng.random(n) < numbers.MOVE_IN_SHARE
    registered_from = np.where(moves_in, arrived, np.where(native, birth_day, settled))
    entry_day = np.maximum(registered_from, calendar.start)
    stays = rng.exponential(numbers.DAYS_PER_YEAR / numbers.MOVE_OUT_PER_YEAR, n).astype(np.int64)
    leave_day = entry_day + 30 + stays
    return registered_from, entry_day, np.where(leave_day < calendar.extract, leave_day, NEVER)


def _frailty(rng: np.random.Generator, constitution: np.ndarray, decades: np.ndarray) -> np.ndarray:
    """Latent frailty by month: constitution, a personal rate of decline and small monthly steps.

    It is frailty beyond what is usual at the age; the usual growth is part of the effect of age.
    """
    n, months = decades.shape
    growth = rng.gamma(*numbers.FRAILTY_GROWTH, size=n)
    growth -= numbers.FRAILTY_USUAL_GROWTH * np.clip(0.8 - 0.8 * decades[:, 0], 0, 1)
    survivors = -numbers.FRAILTY_SURVIVORS * np.maximum(decades[:, :1] - 0.3, 0)
    steps = rng.normal(0, numbers.FRAILTY_STEP, size=(n, months)).cumsum(axis=1)
    own = numbers.FRAILTY_SPREAD * constitution[:, None]
    return survivors + own + growth[:, None] * np.arange(months) / 12 + steps


def _acute_illness(rng: np.random.Generator, frailty: np.ndarray, decades: np.ndarray) -> np.ndarray:
    """Recent acute illness by month: shocks that fade. Nobody's services or events feed back into it."""
    n, months = frailty.shape
    shock = numbers.ACUTE_SHOCK
    log_chance = shock["intercept"] + shock["frailty"] * frailty + shock["age_10y"] * decades
    chance = np.minimum(np.exp(log_chance), 0.5)
    chance = np.concatenate([np.repeat(chance[:, :1], numbers.BURN_IN_MONTHS, axis=1), chance], axis=1)
    shocks = np.where(rng.random(chance.shape) < chance, rng.gamma(*numbers.ACUTE_SIZE, size=chance.shape), 0.0)
    level, path = np.zeros(n), np.empty_like(chance)
    for month in range(chance.shape[1]):
        level = numbers.ACUTE_DECAY * level + shocks[:, month]
        path[:, month] = level
    return path[:, numbers.BURN_IN_MONTHS :][:, :months]


def _onsets(rng, birth_day: np.ndarray, constitution: np.ndarray, male: np.ndarray) -> np.ndarray:
    """Day each condition begins: when its prevalence among persons alike reaches the person's own draw."""
    base, age_effect, frailty_effect, male_effect = _condition_effects()
    draw = logit(rng.random((len(birth_day), len(base))) * (1 - 2e-12) + 1e-12)
    own = base + frailty_effect * constitution[:, None] + male_effect * (male[:, None] - 0.45)
    onset_age = 75 + 10 * (draw - own) / age_effect
    onset = birth_day[:, None] + np.round(np.clip(onset_age, 0, 130) * numbers.DAYS_PER_YEAR).astype(np.int64)
    return np.where(onset_age < 130, onset, NEVER)


@cache
def _condition_effects() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Logit of the prevalence at 75, per 10 years, per unit of constitution, and for men against women."""
    table = county_table("conditions")
    frailty_effect = table["frailty"].to_numpy(dtype=float)
    widening = np.sqrt(1 + 0.35 * frailty_effect**2)  # keeps the prevalence when persons differ
    base = logit(table["prevalence_75"].to_numpy()) * widening
    return base, table["age_10y"].to_numpy(dtype=float), frailty_effect, table["male"].to_numpy(dtype=float)
