"""The tables of the synthetic county: seed and blocks in; persons, events, stays and coverage out."""

import numpy as np
import pandas as pd

from servicenee.registers import county_parameters as numbers
from servicenee.registers.county_events import county_events
from servicenee.registers.county_hazards import Fates, county_fates, county_hazards
from servicenee.registers.county_mental_health import mental_health_services
from servicenee.registers.county_parameters import Calendar, county_table, random_stream
from servicenee.registers.county_people import NEVER, People, county_people, person_ids
from servicenee.registers.county_requests import Requests, county_requests, request_frame
from servicenee.registers.county_rows import MENTAL_HEALTH_SERVICES, Rows, event_kinds, join, kind_of
from servicenee.registers.county_stays import STAY_KINDS, Stays, county_stays


def county_tables(
    n_persons: int, random_state: int, calendar: Calendar, blocks: range, ages: tuple[int, int | None]
) -> dict:
    """The arguments of `Registers` for some blocks of the county."""
    people, events, stays, requests, ids = [], [], [], [], []
    for place, block in enumerate(blocks):
        block_people, fates, block_events, block_stays, asked = _block(random_state, block, calendar, ages)
        shift, kept = (
            place * numbers.BLOCK_SIZE,
            min(n_persons - block * numbers.BLOCK_SIZE, numbers.BLOCK_SIZE),
        )
        ids.append(person_ids(block_people.number[:kept], random_state))
        people.append(_persons(block_people, fates, ids[-1]))
        events.append(_shifted(block_events.where(block_events.person < kept), shift))
        stays.append(_stay_rows(block_stays, shift, block_stays.person < kept))
        requests.append((asked.where(asked.person < kept), shift))
    everybody = np.concatenate(ids)
    return {
        "persons": pd.concat(people, ignore_index=True),
        "events": _event_frame(join(*events), everybody),
        "stays": _stay_frame(stays, everybody),
        "requests": request_frame(requests, everybody),
        "coverage": county_coverage(calendar, ages),
        "extract_date": pd.Timestamp(np.datetime64(calendar.extract, "D")),
    }


def county_coverage(calendar: Calendar, ages: tuple[int, int | None]) -> pd.DataFrame:
    """When each source begins and how late its rows arrive; sources that begin after the extract are out."""
    left_out = () if ages[0] < numbers.SERVICE_AGE else numbers.YOUNG_SOURCES
    months = np.datetime64(calendar.start, "D").astype("datetime64[M]")
    begins = {
        source: (months + np.timedelta64(after, "M")).astype("datetime64[D]")
        for source, (after, _) in numbers.SOURCES.items()
    }
    begins["communal_housing"] = max(begins["communal_housing"], np.datetime64(numbers.COMMUNAL_HOUSING_LAW, "D"))
    extract = np.datetime64(calendar.extract, "D")
    listed = [source for source in numbers.SOURCES if begins[source] < extract and source not in left_out]
    return pd.DataFrame(
        {
            "source": listed,
            "from": np.array([begins[source] for source in listed]).astype("datetime64[us]"),
            "to": np.full(len(listed), extract).astype("datetime64[us]"),
            "reporting_lag_days": [numbers.SOURCES[source][1] for source in listed],
        }
    )


def _block(
    random_state: int, block: int, calendar: Calendar, ages: tuple[int, int | None]
) -> tuple[People, Fates, Rows, Stays, Requests]:
    """Everything about one block; each stage draws from a stream of its own."""
    people = county_people(calendar, random_state, block, ages)
    hazards = county_hazards(people, calendar)
    fates = county_fates(people, hazards, calendar, random_stream(random_state, block, stage=1))
    stays = county_stays(people, fates, calendar, random_stream(random_state, block, stage=2))
    rng = random_stream(random_state, block, stage=3)
    events = county_events(people, fates, stays, hazards, calendar, rng)
    if ages[0] < numbers.SERVICE_AGE:
        more = mental_health_services(people, fates, hazards, calendar, random_stream(random_state, block, stage=6))
        events = join(events, more)
    coverage = county_coverage(calendar, ages)
    reporting = random_stream(random_state, block, stage=4)
    asking = random_stream(random_state, block, stage=5)
    reported = _reported_events(events, calendar, coverage, reporting)
    return (
        people,
        fates,
        reported,
        _reported_stays(stays, calendar, coverage, reporting),
        county_requests(people, events, reported, fates.exit_day, calendar, asking),
    )


def _source_numbers(coverage: pd.DataFrame, sources: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """First covered day and lag of a list of sources; NEVER where the source has not begun."""
    coverage = coverage.set_index("source")
    begins = coverage["from"].to_numpy().astype("datetime64[D]").astype(np.int64)
    first = dict(zip(coverage.index, begins.tolist(), strict=True))
    lags = [numbers.SOURCES[source][1] for source in sources]
    return np.array([first.get(source, NEVER) for source in sources]), np.array(lags)


def _reported_events(events: Rows, calendar: Calendar, coverage: pd.DataFrame, rng) -> Rows:
    """The rows the extract holds, in order of person, day and code, one a day of each."""
    first, lag = _source_numbers(coverage, [kind[0] for kind in event_kinds()])
    kept = (events.day >= first[events.kind]) & (events.day < calendar.extract)
    recent = np.flatnonzero(kept & (events.day + lag[events.kind] >= calendar.extract))
    delay = rng.integers(0, lag[events.kind[recent]] + 1)
    known = np.where(events.available[recent] < NEVER, events.available[recent], events.day[recent] + delay)
    kept[recent] = known < calendar.extract
    events = events.where(_with_visits(events, kept))
    key = (events.person.astype(np.int64) << 40) + ((events.day.astype(np.int64) + 2**24) << 12) + events.kind
    order = np.argsort(key, kind="stable")
    return events.where(order[np.append(True, np.diff(key[order]) > 0)] if len(order) else order)


def _with_visits(events: Rows, kept: np.ndarray) -> np.ndarray:
    """Rows kept, visits of mental-health services with the service: one row of a register tells of both."""
    visit = events.kind == kind_of("mental_health", "contact", "visit")
    services = [kind_of("mental_health", "service", code) for code in MENTAL_HEALTH_SERVICES]
    at = (events.person.astype(np.int64) << 32) + events.day
    return np.where(visit, np.isin(at, at[kept & np.isin(events.kind, services)]), kept)


def _reported_stays(stays: Stays, calendar: Calendar, coverage: pd.DataFrame, rng) -> Stays:
    """Stays the extract knows of: hospital stays from the discharge on, others from their report on."""
    first, lag = _source_numbers(coverage, [source for source, _ in STAY_KINDS])
    delay = rng.integers(0, lag[stays.kind] + 1, size=(2, len(stays.kind)))
    hospital = np.array([source == "inpatient" for source, _ in STAY_KINDS])[stays.kind]
    known = np.where(hospital, stays.end, stays.start + delay[0])
    kept = (known < calendar.extract) & (stays.end > first[stays.kind])
    end = np.where(~hospital & (stays.end + delay[1] >= calendar.extract), NEVER, stays.end)
    return Stays(stays.person[kept], stays.start[kept], end[kept], stays.kind[kept])


def _shifted(rows: Rows, shift: int) -> Rows:
    return Rows(rows.person + np.int32(shift), rows.day, rows.kind, rows.value, rows.available)


def _stay_rows(stays: Stays, shift: int, kept: np.ndarray) -> tuple[np.ndarray, ...]:
    return stays.person[kept] + shift, stays.start[kept], stays.end[kept], stays.kind[kept]


def _dates(days: np.ndarray) -> np.ndarray:
    dates = days.astype("datetime64[D]").astype("datetime64[us]")
    dates[days == NEVER] = np.datetime64("NaT", "us")
    return dates


def _persons(people: People, fates: Fates, ids: np.ndarray) -> pd.DataFrame:
    towns = county_table("municipalities")
    names = towns["area"].to_numpy(dtype=object)
    kept = slice(len(ids))
    area, team = people.area[kept], people.team[kept]
    return pd.DataFrame(
        {
            "person_id": ids,
            "birth_date": _dates(people.birth_day[kept]),
            "sex": np.where(people.male[kept], "male", "female").astype(object),
            "language": np.array(numbers.LANGUAGES, dtype=object)[people.language[kept]],
            "area": names[area],
            "registered_from": _dates(people.registered_from[kept]),
            "registered_to": _dates(np.where(fates.death_day < NEVER, NEVER, people.leave_day)[kept]),
            "death_date": _dates(fates.death_day[kept]),
            "team": np.array([f"{names[a]} {t + 1}" for a, t in zip(area, team, strict=True)], dtype=object),
            "living_alone": people.living_alone[kept].astype(np.int64),
        }
    )


def _category(levels: list, positions: np.ndarray, of_row: np.ndarray) -> pd.Categorical:
    """A text column by the kind of each row."""
    return pd.Categorical.from_codes(positions[of_row], categories=levels)


def _by_kind(kinds, field: int, of_row: np.ndarray) -> pd.Categorical:
    levels = sorted({kind[field] for kind in kinds if kind[field] is not None})
    positions = np.array([levels.index(kind[field]) if kind[field] is not None else -1 for kind in kinds])
    return _category(levels, positions, of_row)


def _event_frame(rows: Rows, ids: np.ndarray) -> pd.DataFrame:
    kinds = event_kinds()
    return pd.DataFrame(
        {
            "person_id": pd.Categorical.from_codes(rows.person, categories=ids),
            "time": _dates(rows.day),
            "source": _by_kind(kinds, 0, rows.kind),
            "code_system": _by_kind(kinds, 1, rows.kind),
            "code": _by_kind(kinds, 2, rows.kind),
            "value": rows.value,
            "unit": _by_kind(kinds, 3, rows.kind),
            "available_at": _dates(rows.available),
        }
    )


def _stay_frame(parts: list[tuple[np.ndarray, ...]], ids: np.ndarray) -> pd.DataFrame:
    person, start, end, kind = (np.concatenate(column) for column in zip(*parts, strict=True))
    hospital = np.array([source == "inpatient" for source, _ in STAY_KINDS])[kind]
    return pd.DataFrame(
        {
            "person_id": pd.Categorical.from_codes(person, categories=ids),
            "start": _dates(start),
            "end": _dates(end),
            "source": _by_kind(STAY_KINDS, 0, kind),
            "kind": _by_kind(STAY_KINDS, 1, kind),
            "available_at": _dates(np.where(hospital, end, NEVER)),
        }
    )
