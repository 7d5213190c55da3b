"""Laboratory results and RAI assessments of the county: people and home-care spells in; rows out."""

import numpy as np

from servicenee.registers import county_parameters as numbers
from servicenee.registers.county_hazards import Fates
from servicenee.registers.county_parameters import Calendar, county_table
from servicenee.registers.county_people import NEVER, People
from servicenee.registers.county_rows import LABORATORY_UNITS, RAI_SCALES, Rows, join, kind_of, rows, spread
from servicenee.registers.county_stays import Stays


def laboratory(people: People, fates: Fates, calendar: Calendar, rng) -> Rows:
    """Laboratory and measurement results; diabetes and kidney disease bring their own tests."""
    n, years = len(people), np.maximum(fates.exit_day - people.entry_day, 0) / numbers.DAYS_PER_YEAR
    # The person's own level beside what the conditions say, so that repeated results belong together.
    own_level = rng.standard_normal((n, len(LABORATORY_UNITS)))
    made = []
    for column, name in enumerate(LABORATORY_UNITS):
        rate = np.full(n, numbers.LABORATORY_PER_YEAR[name])
        if name in ("HbA1c", "weight"):
            rate = rate + np.where(_ever(people, "diabetes") < fates.exit_day, 1.0, 0.0)
        counts = rng.poisson(rate * years)[:, None]
        person, _, day = spread(rng, counts, people.entry_day[:, None], fates.exit_day[:, None])
        month = np.clip(calendar.month_of(day), 0, calendar.n_months - 1)
        level = _level(name, people, person, day, month)
        value = level + _SPREAD[name] * (0.8 * own_level[person, column] + 0.6 * rng.standard_normal(len(person)))
        value = np.round(np.maximum(value, _LOWEST[name]), 1 if name == "weight" else 0)
        made.append(rows(person, day, kind_of("laboratory", "lab", name), value=value))
    return join(*made)


_SPREAD = {"HbA1c": 5.0, "eGFR": 11.0, "BP_systolic": 15.0, "weight": 12.0, "Hb": 9.0}
_LOWEST = {"HbA1c": 28.0, "eGFR": 5.0, "BP_systolic": 85.0, "weight": 36.0, "Hb": 70.0}


def _ever(people: People, condition: str) -> np.ndarray:
    return people.onset_day[:, county_table("conditions")["condition"].tolist().index(condition)]


def _level(name: str, people: People, person: np.ndarray, day: np.ndarray, month: np.ndarray) -> np.ndarray:
    """Expected result at the day: age, conditions, frailty (weight and haemoglobin fall as frailty grows)."""
    decades, frailty = people.decades[person, month], people.frailty[person, month]

    def has(condition: str) -> np.ndarray:
        return _ever(people, condition)[person] <= day

    male = people.male[person]
    if name == "HbA1c":
        return 38 + 13.0 * has("diabetes")
    if name == "eGFR":
        return 74 - 9.0 * decades - 22 * has("chronic_kidney_disease") - 2 * frailty
    if name == "BP_systolic":
        return 138 + 5.0 * has("hypertension") - 3 * frailty
    if name == "weight":
        return 70 + 13.0 * male - 5 * decades - 3.5 * frailty + 18 * has("obesity")
    return 134 + 10.0 * male - 3 * decades - 4 * frailty - 18 * has("anaemia")


def assessments(people: People, fates: Fates, spells: Stays, calendar: Calendar, rng) -> Rows:
    """RAI assessments: after a service begins and twice a year in it; seldom of others, by need alone."""
    log_rate = numbers.RAI_OTHERS["intercept"] + numbers.RAI_OTHERS["frailty"] * people.frailty
    log_rate = log_rate + numbers.RAI_OTHERS["age_10y"] * people.decades
    counts = rng.poisson(np.exp(np.minimum(log_rate, -1.0)))
    other_person, _, other_day = spread(rng, counts, calendar.first_day[:-1], calendar.first_day[1:])
    in_care = np.flatnonzero(fates.round_the_clock_day < NEVER)
    person = np.concatenate([spells.person, in_care])
    start = np.maximum(np.concatenate([spells.start, fates.round_the_clock_day[in_care]]), calendar.start)
    end = np.minimum(np.concatenate([spells.end, fates.exit_day[in_care]]), calendar.extract)
    first = start + rng.integers(7, 30, len(start))
    repeats = np.maximum(np.ceil((end - first) / numbers.RAI_INTERVAL_DAYS), 0).astype(np.int64)
    number = np.arange(repeats.sum()) - np.repeat(repeats.cumsum() - repeats, repeats)
    day = np.repeat(first, repeats) + number * numbers.RAI_INTERVAL_DAYS + rng.integers(0, 20, len(number))
    return _scales(
        people,
        calendar,
        rng,
        np.concatenate([np.repeat(person, repeats), other_person]),
        np.concatenate([day, other_day]),
    )


def _scales(people: People, calendar: Calendar, rng, person: np.ndarray, day: np.ndarray) -> Rows:
    """Scale values of one assessment each; noisy readings of frailty, dementia and depression."""
    month = np.clip(calendar.month_of(day), 0, calendar.n_months - 1)
    frailty, decades = people.frailty[person, month], people.decades[person, month]
    dementia, depression = (
        _ever(people, "dementia")[person] <= day,
        _ever(people, "depression")[person] <= day,
    )
    noise = rng.standard_normal((4, len(person)))
    cognition = np.clip(np.round(0.7 + 0.5 * frailty + 2.1 * dementia + 0.8 * noise[0]), 0, 6)
    function = np.clip(np.round(0.3 + 0.9 * frailty + 0.4 * decades + 0.6 * dementia + 0.9 * noise[1]), 0, 6)
    illness = 0.5 + 0.6 * frailty + 0.7 * people.acute[person, month] + 0.8 * noise[2]
    mood = 1.0 + 0.6 * frailty + 2.2 * depression + 1.6 * noise[3]
    values = {
        "CPS": cognition,
        "ADLH": function,
        "CHESS": np.clip(np.round(illness), 0, 5),
        "DRS": np.clip(np.round(mood), 0, 14),
        "MAPLE": 1 + (function >= 1) + (cognition >= 2) + (function >= 3) + (cognition + function >= 6),
        "IADLP": np.clip(np.round(14 + 8 * frailty + 4 * decades + 9 * dementia + 4 * noise[0]), 0, 48),
    }
    return join(*(rows(person, day, kind_of("rai", "RAI", name), value=values[name]) for name in RAI_SCALES))
