"""The events of the synthetic county: people, their fates and stays in; visits, diagnoses, purchases out."""

from functools import cache

import numpy as np

from servicenee.registers import county_parameters as numbers
from servicenee.registers.county_hazards import Fates
from servicenee.registers.county_measurements import assessments, laboratory
from servicenee.registers.county_parameters import Calendar, county_table, logistic
from servicenee.registers.county_people import NEVER, People
from servicenee.registers.county_rows import Rows, join, kind_of, rows, spread
from servicenee.registers.county_stays import HOME_CARE, PLANNED, UNPLANNED, Stays


def county_events(people: People, fates: Fates, stays: Stays, hazards: dict, calendar: Calendar, rng) -> Rows:
    """All events that happened while the person lived in the area, before reporting."""
    hospital = stays.of_kind(UNPLANNED, PLANNED)
    happened = join(
        _condition_contacts(people, fates, rng),
        _complaints(people, calendar, rng),
        _medicines(people, fates, rng),
        _emergency_visits(people, fates, calendar, rng),
        _hospital_diagnoses(people, hospital, calendar, rng),
        _home_visits(people, stays.of_kind(HOME_CARE), calendar, rng),
        _social_services(people, hazards, calendar, rng),
        laboratory(people, fates, calendar, rng),
        assessments(people, fates, stays.of_kind(HOME_CARE), calendar, rng),
    )
    here = (happened.day >= people.entry_day[happened.person]) & (happened.day < fates.exit_day[happened.person])
    entitled = _entitlements(people, rng)
    entitled = entitled.where(entitled.day < fates.exit_day[entitled.person])
    return join(happened.where(here), entitled)


def _condition_contacts(people: People, fates: Fates, rng) -> Rows:
    """Follow-up of conditions: a contact and its diagnosis on one day, in primary and specialist care."""
    table = county_table("conditions")
    begins = np.maximum(people.onset_day, people.entry_day[:, None])
    years = np.maximum(fates.exit_day[:, None] - begins, 0) / numbers.DAYS_PER_YEAR
    made = []
    for source, column in (("primary_care", "primary_per_year"), ("outpatient", "specialist_per_year")):
        counts = rng.poisson(years * table[column].to_numpy())
        person, condition, day = spread(rng, counts, begins, fates.exit_day[:, None])
        by_doctor = (rng.random(len(person)) < numbers.DOCTOR_SHARE) | (source == "outpatient")
        code = _condition_codes(rng, source, condition, by_doctor)
        made.append(rows(person, day, code))
        made.append(rows(person, day, _contact_kind(people, rng, source, person)))
    return join(*made)


@cache
def _code_lists(source: str, system: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Kinds of the codes of every condition, a row each, repeated to one width, and how many there are."""
    lists = [text.split("|") for text in county_table("conditions")[column]]
    width = max(len(codes) for codes in lists)
    kinds = [[kind_of(source, system, codes[i % len(codes)]) for i in range(width)] for codes in lists]
    return np.array(kinds), np.array([len(codes) for codes in lists])


def _condition_codes(rng, source: str, condition: np.ndarray, by_doctor: np.ndarray) -> np.ndarray:
    """Doctors write ICD-10; nurses in primary care ICPC-2."""
    share = rng.random(len(condition))
    lists, n_codes = _code_lists(source, "ICD-10", "icd10")
    code = lists[condition, (share * n_codes[condition]).astype(int)]
    if source == "primary_care":
        lists, n_codes = _code_lists(source, "ICPC-2", "icpc2")
        code = np.where(by_doctor, code, lists[condition, (share * n_codes[condition]).astype(int)])
    return code


def _contact_kind(people: People, rng, source: str, person: np.ndarray) -> np.ndarray:
    """Visit, remote contact or, for the frail, a home visit."""
    visit = kind_of(source, "contact", "visit")
    if source != "primary_care":
        return np.full(len(person), visit)
    at_home = logistic(-3.0 + 1.1 * people.frailty[person, 0] + 0.5 * people.decades[person, 0])
    draw = rng.random(len(person))
    elsewhere = np.where(draw < 0.68, visit, kind_of(source, "contact", "remote"))
    return np.where(rng.random(len(person)) < at_home, kind_of(source, "contact", "home_visit"), elsewhere)


def _complaints(people: People, calendar: Calendar, rng) -> Rows:
    """Contacts for everyday complaints and for signs of frailty; acute illness brings more of both."""
    made = []
    for kind, rate in numbers.COMPLAINTS.items():
        log_rate = rate["intercept"] + rate["frailty"] * people.frailty + rate["age_10y"] * people.decades
        counts = rng.poisson(np.exp(np.minimum(log_rate + rate["acute"] * people.acute, 1.5)))
        person, _, day = spread(rng, counts, calendar.first_day[:-1], calendar.first_day[1:])
        made.append(rows(person, day, _complaint(rng, "primary_care", kind, len(person))))
        made.append(rows(person, day, _contact_kind(people, rng, "primary_care", person)))
    return join(*made)


@cache
def _complaint_list(source: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    table = county_table("complaints")
    table = table[(table["source"] == source) & (table["kind"] == kind)]
    written = "inpatient" if source == "planned" else source
    codes = zip(table["code_system"], table["code"], strict=True)
    weight = table["weight"].to_numpy(dtype=float)
    return np.array([kind_of(written, system, code) for system, code in codes]), weight.cumsum() / weight.sum()


def _complaint(rng, source: str, kind: str, n: int) -> np.ndarray:
    codes, cumulative = _complaint_list(source, kind)
    return codes[np.searchsorted(cumulative, rng.random(n), side="right").clip(max=len(codes) - 1)]


def _own_condition(people: People, rng, source: str, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """One of the person's conditions on that day, -1 for those without any."""
    has = people.onset_day[person] <= day[:, None]
    pick = np.where(has, rng.random(has.shape), -1.0)
    lists, _ = _code_lists(source, "ICD-10", "icd10")
    chosen = pick.argmax(axis=1)
    return np.where(has.any(axis=1), lists[chosen, 0], -1)


def _acute_code(people: People, rng, source: str, person: np.ndarray, month: np.ndarray) -> np.ndarray:
    """Main diagnosis of an emergency visit or admission; falls and confusion when frail."""
    frail = rng.random(len(person)) < logistic(-1.3 + 0.9 * people.frailty[person, month])
    ordinary = _complaint(rng, source, "ordinary", len(person))
    return np.where(frail, _complaint(rng, source, "frailty", len(person)), ordinary)


def _emergency_visits(people: People, fates: Fates, calendar: Calendar, rng) -> Rows:
    person, month = np.nonzero(fates.emergency_day < NEVER)
    day = fates.emergency_day[person, month]
    acute = _acute_code(people, rng, "emergency", person, month)
    own = _own_condition(people, rng, "emergency", person, day)
    code = np.where((own >= 0) & (rng.random(len(person)) < 0.3), own, acute)
    return join(rows(person, day, kind_of("emergency", "contact", "visit")), rows(person, day, code))


def _hospital_diagnoses(people: People, hospital: Stays, calendar: Calendar, rng) -> Rows:
    """Main diagnosis and one or two others of each finished stay; they become known at discharge."""
    finished = hospital.end < NEVER
    person, day, end = hospital.person[finished], hospital.start[finished], hospital.end[finished]
    month = calendar.month_of(day)
    unplanned = hospital.kind[finished] == UNPLANNED
    planned = _complaint(rng, "planned", "ordinary", len(person))
    main = np.where(unplanned, _acute_code(people, rng, "inpatient", person, month), planned)
    first = _own_condition(people, rng, "inpatient", person, day)
    second = _own_condition(people, rng, "inpatient", person, day)
    has_second = (second >= 0) & (second != first) & (rng.random(len(person)) < 0.5)
    return join(
        rows(person, day, main, available=end),
        rows(person, day, first, available=end).where((first >= 0) & (first != main)),
        rows(person, day, second, available=end).where(has_second & (second != main)),
    )


def _medicines(people: People, fates: Fates, rng) -> Rows:
    """Purchases at the medicine's interval from the condition's onset on; mostly for three months each."""
    medicines = county_table("medicines")
    conditions = county_table("conditions")["condition"].tolist()
    column = np.array([conditions.index(name) for name in medicines["condition"]])
    interval = medicines["interval_days"].to_numpy(dtype=float)
    uses = rng.random((len(people), len(medicines))) < medicines["share"].to_numpy()
    begins = np.maximum(people.onset_day[:, column], people.entry_day[:, None]) + rng.random(uses.shape) * interval
    last = fates.exit_day[:, None]
    counts = np.where(uses & (begins < last), np.ceil((last - begins) / interval), 0).astype(np.int64)
    person, medicine = np.nonzero(counts)
    repeats = counts[person, medicine]
    number = np.arange(repeats.sum()) - np.repeat(repeats.cumsum() - repeats, repeats)
    person, medicine = np.repeat(person, repeats), np.repeat(medicine, repeats)
    jitter = rng.uniform(-0.12, 0.12, len(person))
    day = np.floor(begins[person, medicine] + (number + jitter) * interval[medicine]).astype(np.int64)
    kinds = np.array([kind_of("medication", "ATC", code) for code in medicines["atc"]])
    packages = np.where(rng.random(len(person)) < 0.8, 1.0, 2.0)
    bought = rng.random(len(person)) < numbers.PURCHASES_MADE
    return rows(person, day, kinds[medicine], value=packages).where(bought)


def _entitlements(people: People, rng) -> Rows:
    """Special reimbursement decisions, some months after the onset; the national register reaches back."""
    table = county_table("conditions")
    granted = rng.random(people.onset_day.shape) < table["kela_share"].to_numpy()
    delay = rng.exponential(120, people.onset_day.shape).astype(np.int64)
    person, condition = np.nonzero(granted & (people.onset_day < NEVER))
    kinds = np.array([-1 if code != code else kind_of("entitlement", "Kela", code) for code in table["kela"]])
    return rows(person, people.onset_day[person, condition] + delay[person, condition], kinds[condition])


def _home_visits(people: People, spells: Stays, calendar: Calendar, rng) -> Rows:
    """Days with home-care visits and the hours of the day: one row a day, more days and hours when frail."""
    begin = np.maximum(spells.start, calendar.start)
    days = np.minimum(spells.end, calendar.extract) - begin
    spell = np.repeat(np.arange(len(days)), days)
    day = np.arange(len(spell)) - np.repeat(days.cumsum() - days, days) + begin[spell]
    person = spells.person[spell]
    month = calendar.month_of(day)
    frailty = people.frailty[person, month]
    visited = rng.random(len(day)) < np.clip(logistic(-0.55 + 0.7 * frailty + 0.2 * people.decades[person, 0]), 0.15, 1)
    person, day, frailty = person[visited], day[visited], frailty[visited]
    hours = np.exp(-0.45 + 0.35 * frailty + 0.45 * rng.standard_normal(len(day)))
    value = np.clip(np.round(4 * hours) / 4, 0.25, 8.0)
    return rows(person, day, kind_of("home_care", "contact", "home_visit"), value=value)


def _social_services(people: People, hazards: dict, calendar: Calendar, rng) -> Rows:
    """Needs assessments, support services and informal care: they follow need, never a start to come."""
    frail = people.frailty + 0.9 * people.decades
    alone = people.living_alone[:, None]
    monthly = {
        "needs_assessment": 0.006 * np.exp(0.5 * frail) + 0.35 * hazards["home_care_start"],
        "support_service": 0.012 * np.exp(0.9 * frail + 0.4 * alone),
        "informal_care": np.where(alone, 0.0, 0.006) * np.exp(0.9 * frail),
    }
    made = []
    for code, rate in monthly.items():
        person, _, day = spread(
            rng, rng.poisson(np.minimum(rate, 0.6)), calendar.first_day[:-1], calendar.first_day[1:]
        )
        made.append(rows(person, day, kind_of("social", "service", code)))
    return join(*made)
