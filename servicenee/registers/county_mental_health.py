"""Mental-health and substance-use services of younger counties: people, fates and hazards in; event rows out."""

import numpy as np

from servicenee.registers import county_parameters as numbers
from servicenee.registers.county_hazards import Fates
from servicenee.registers.county_parameters import Calendar, county_table, logistic
from servicenee.registers.county_people import People
from servicenee.registers.county_rows import DISTRESS_CODES, MENTAL_HEALTH_SERVICES, Rows, join, kind_of, rows, spread


def mental_health_services(
    people: People, fates: Fates, hazards: dict[str, np.ndarray], calendar: Calendar, rng
) -> Rows:
    """Contacts of every episode of care, and the contacts in primary care that distress brings, in care or not."""
    person, start, end = _episodes(people, fates, hazards[numbers.YOUNG_OUTCOME], calendar, rng)
    years = np.maximum(end - start - 1, 0) / numbers.DAYS_PER_YEAR
    counts = rng.poisson(12 * numbers.MENTAL_HEALTH_CONTACTS * years)[:, None]
    episode, _, day = spread(rng, counts, start[:, None] + 1, np.maximum(end, start + 1)[:, None])
    episode = np.concatenate([np.arange(len(start)), episode])  # the first contact opens the episode
    day = np.concatenate([start, day])
    of_substances = rng.random(len(start)) < _substance_share(people, person, start)
    service = np.array([kind_of("mental_health", "service", code) for code in MENTAL_HEALTH_SERVICES])
    made = join(
        rows(person[episode], day, service[of_substances[episode].astype(int)]),
        rows(person[episode], day, kind_of("mental_health", "contact", "visit")),
        _distress(people, calendar, rng),
    )
    return made.where((made.day >= people.entry_day[made.person]) & (made.day < fates.exit_day[made.person]))


def _episodes(people: People, fates: Fates, hazard: np.ndarray, calendar: Calendar, rng):
    """Episodes as (person, first day, end); some are open when the county begins."""
    n, months = hazard.shape
    gone = calendar.month_of(fates.death_day)  # in a month with both, the death comes first
    draw, share = rng.random((2, n, months))
    lengths = rng.geometric(1 / numbers.MENTAL_HEALTH_MONTHS, size=(n, months + 1))
    open_until = np.where(rng.random(n) < numbers.MENTAL_HEALTH_MONTHS * hazard[:, 0], lengths[:, months], -1)
    begins = open_until >= 0
    found = [(np.flatnonzero(begins), np.full(begins.sum(), calendar.start), open_until[begins])]
    for month in range(months):
        starts = (open_until < month) & (month < gone) & (draw[:, month] < hazard[:, month])
        open_until = np.where(starts, month + lengths[:, month], open_until)
        day = calendar.first_day[month] + (share[starts, month] * calendar.length[month]).astype(np.int64)
        found.append((np.flatnonzero(starts), day, open_until[starts]))
    person, start, last = (np.concatenate(column) for column in zip(*found, strict=True))
    return person, start, calendar.first_day[np.minimum(last, months)]


def _substance_share(people: People, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    effects = numbers.SUBSTANCE_USE
    column = county_table("conditions")["condition"].tolist().index("alcohol_use_disorder")
    has = people.onset_day[person, column] <= day
    return logistic(
        effects["intercept"] + effects["male"] * people.male[person] + effects["alcohol_use_disorder"] * has
    )


def _distress(people: People, calendar: Calendar, rng) -> Rows:
    effects = numbers.DISTRESS
    column = county_table("conditions")["condition"].tolist().index("depression")
    has = people.onset_day[:, column, None] <= calendar.first_day[:-1]
    log_rate = effects["intercept"] + effects["frailty"] * people.frailty + effects["acute"] * people.acute
    counts = rng.poisson(np.exp(np.minimum(log_rate + effects["depression"] * has, 0.5)))
    person, _, day = spread(rng, counts, calendar.first_day[:-1], calendar.first_day[1:])
    kinds = np.array([kind_of("primary_care", "ICPC-2", code) for code in DISTRESS_CODES])
    code = kinds[rng.integers(0, len(kinds), len(person))]
    return join(rows(person, day, code), rows(person, day, kind_of("primary_care", "contact", "visit")))
