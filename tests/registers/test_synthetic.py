"""The synthetic county: reproducible, Finnish in its numbers, and honest about its true risks."""

import time

import numpy as np
import pandas as pd
import pytest

from servicenee.registers.county_hazards import county_fates, county_hazards
from servicenee.registers.county_parameters import (
    OUTCOMES,
    SOURCES,
    YOUNG_SOURCES,
    county_calendar,
    county_table,
    random_stream,
)
from servicenee.registers.county_people import NEVER, county_people, person_ids, person_numbers
from servicenee.registers.county_stays import STAY_KINDS
from servicenee.registers.synthetic import make_registers, true_hazards, true_risks

SEEDS = (0, 1, 2)
N_PERSONS = 5_000
YEARS = (2019, 2020, 2021, 2022)
TABLES = ("persons", "events", "stays", "coverage")


@pytest.fixture(scope="module")
def county():
    return make_registers(N_PERSONS, random_state=0)


@pytest.fixture(scope="module")
def rows_of_seeds(county):
    """One row per person at risk and year: what happened within a year, the true risk, age."""
    others = [(make_registers(N_PERSONS, random_state=seed), seed) for seed in SEEDS[1:]]
    return pd.concat([_yearly_rows(*pair) for pair in [(county, SEEDS[0]), *others]], ignore_index=True)


def _yearly_rows(registers, seed: int) -> pd.DataFrame:
    persons, stays, events = registers.persons.set_index("person_id"), registers.stays, registers.events
    visits = events[(events["source"] == "emergency") & (events["code_system"] == "contact")]
    starts = {
        "round_the_clock_start": stays[stays["kind"] == "round_the_clock"],
        "home_care_start": stays[stays["kind"] == "home_care"],
        "unplanned_admission": stays[stays["kind"] == "inpatient_unplanned"],
        "emergency_visit": visits.rename(columns={"time": "start"}),
    }
    frames = []
    for year in YEARS:
        start, end = pd.Timestamp(f"{year}-01-01"), pd.Timestamp(f"{year}-01-01") + pd.Timedelta(days=365)
        people = _living_at(registers.persons, str(start.date())).set_index("person_id")
        people = people[~(people["registered_to"] < end)]
        first = {outcome: _first(rows, start, end, people.index) for outcome, rows in starts.items()}
        first["death"] = people["death_date"].where(people["death_date"] < end)
        first["home_care_start"] = first["home_care_start"].mask(
            first["round_the_clock_start"] <= first["home_care_start"]
        )
        in_care = _inside(starts["round_the_clock_start"], start, people.index)
        served = {"round_the_clock_start": in_care}
        served["home_care_start"] = in_care | _inside(starts["home_care_start"], start, people.index)
        age = (start - persons["birth_date"].reindex(people.index)).dt.days / 365.25
        for outcome in OUTCOMES:
            rows = {"person_id": people.index, "index_date": start, "outcome": outcome, "age": age.to_numpy()}
            rows = pd.DataFrame(rows | {"happened": first[outcome].notna().to_numpy()})
            frames.append(rows[~served.get(outcome, np.zeros(len(rows), dtype=bool))])
    rows = pd.concat(frames, ignore_index=True)
    for outcome, group in rows.groupby("outcome"):
        rows.loc[group.index, "risk"] = true_risks(group, outcome, random_state=seed).to_numpy()
    return rows


def _first(rows: pd.DataFrame, start, end, persons: pd.Index) -> pd.Series:
    inside = rows[(rows["start"] >= start) & (rows["start"] < end)]
    return inside.groupby("person_id")["start"].min().reindex(persons)


def _inside(stays: pd.DataFrame, day, persons: pd.Index) -> np.ndarray:
    covering = stays[(stays["start"] < day) & (stays["end"].isna() | (stays["end"] >= day))]
    return persons.isin(covering["person_id"])


def _age_at(persons: pd.DataFrame, day: str) -> pd.Series:
    return (pd.Timestamp(day) - persons["birth_date"]).dt.days / 365.25


def _living_at(persons: pd.DataFrame, day: str) -> pd.DataFrame:
    gone = (persons["death_date"] <= day) | (persons["registered_to"] <= day)
    return persons[~gone & (persons["registered_from"] <= day) & (_age_at(persons, day) >= 65)]


# Reproducible ---------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_tables_and_another_seed_others():
    first, second, other = (make_registers(400, random_state=seed) for seed in (5, 5, 6))
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(first, table), getattr(second, table))
    assert not first.persons["person_id"].isin(other.persons["person_id"]).any()


def test_the_parts_of_a_county_are_the_whole_county_person_by_person():
    whole = make_registers(1_700, random_state=3)
    parts = [make_registers(1_700, random_state=3, part=(k, 3)) for k in range(3)]
    for table in ("persons", "events", "stays"):
        joined = pd.concat([getattr(part, table) for part in parts], ignore_index=True)
        joined = joined.sort_values("person_id", kind="stable", ignore_index=True)
        pd.testing.assert_frame_equal(joined, getattr(whole, table), check_categorical=False)
    for part in parts:
        pd.testing.assert_frame_equal(part.coverage, whole.coverage)


def test_a_larger_county_with_the_same_seed_contains_the_smaller_one():
    small, large = make_registers(300, random_state=2), make_registers(1_200, random_state=2)
    kept = large.events[large.events["person_id"].isin(small.persons["person_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, small.events)


def test_without_a_seed_every_county_is_new():
    assert not make_registers(50).persons["person_id"].equals(make_registers(50).persons["person_id"])


def test_five_thousand_persons_take_less_than_five_seconds_of_one_core():
    make_registers(10, random_state=0)
    began = time.process_time()
    registers = make_registers(5_000, random_state=0)
    assert time.process_time() - began < 5
    assert 150 <= len(registers.events) / 5_000 <= 250


# Who lives there ------------------------------------------------------------------------------------


def test_the_county_has_no_findings_and_nothing_outside_its_time(county):
    assert county.findings.empty
    assert (county.events["time"] < county.extract_date).all()
    assert (county.stays["start"] < county.extract_date).all()
    assert (county.stays["end"].dropna() > county.stays.loc[county.stays["end"].notna(), "start"]).all()


def test_ages_and_sexes_are_those_of_finland(county):
    population = county_table("population")
    persons = _living_at(county.persons, "2018-01-01")
    age = _age_at(persons, "2018-01-01")
    real = population[population["age"] >= 65]
    weight = real["persons_2016"]
    for low, high in ((65, 75), (75, 85), (85, 120)):
        expected = weight[real["age"].between(low, high - 1)].sum() / weight.sum()
        assert ((age >= low) & (age < high)).mean() == pytest.approx(expected, abs=0.03)
    old = age >= 85
    expected = weight[(real["age"] >= 85) & (real["sex"] == "female")].sum() / weight[real["age"] >= 85].sum()
    assert (persons["sex"][old] == "female").mean() == pytest.approx(expected, abs=0.06)


def test_everybody_is_65_before_the_extract_and_some_turn_65_inside_the_period(county):
    at_start, at_end = (_age_at(county.persons, day) for day in ("2018-01-01", "2024-01-01"))
    assert (at_end >= 65).all()
    assert 0.1 < (at_start < 65).mean() < 0.4
    died_young = county.persons["death_date"] < county.persons["birth_date"] + pd.Timedelta(days=65 * 365)
    assert not died_young.any()


def test_languages_follow_the_language_status_of_the_municipality(county):
    towns = county_table("municipalities").set_index("area")
    assert set(county.persons["area"]) == set(towns.index)
    status = county.persons["area"].map(towns["language_status"])
    share = pd.crosstab(status, county.persons["language"], normalize="index")
    assert share.at["finnish", "fi"] > 0.9
    assert share.at["bilingual_finnish", "fi"] > 0.6 > share.at["bilingual_finnish", "sv"] > 0.2
    assert share.at["bilingual_swedish", "sv"] > 0.75
    assert set(county.persons["language"]) == {"fi", "sv", "other"}


def test_deaths_are_as_many_as_finnish_mortality_expects(county):
    by_age = county_table("population").pivot(index="age", columns="sex", values="death_hazard_2013")
    died = expected = 0.0
    for year in YEARS:
        persons = _living_at(county.persons, f"{year}-01-01")
        age = np.clip(_age_at(persons, f"{year}-01-01"), 40, 100).astype(int)
        hazard = by_age.stack().reindex(pd.MultiIndex.from_arrays([age, persons["sex"]])).to_numpy()
        expected += -np.expm1(-hazard).sum()
        died += (persons["death_date"] < f"{year + 1}-01-01").sum()
    assert 0.85 < died / expected < 1.10  # mortality has fallen since 2013


def test_some_move_in_and_some_move_out_and_leave_no_trace_while_away(county):
    persons = county.persons.set_index("person_id")
    moved_in, moved_out = persons["registered_from"] > "2018-01-01", persons["registered_to"].notna()
    assert 0.02 < moved_in.mean() < 0.06
    assert 0.01 < moved_out.mean() < 0.06
    assert not (moved_out & persons["death_date"].notna()).any()
    seen = county.events[county.events["source"] != "entitlement"]  # the national register knows earlier decisions
    times = seen.groupby("person_id")["time"].agg(["min", "max"]).reindex(persons.index)
    assert (times["min"] >= persons["registered_from"])[times["min"].notna()].all()
    assert (times["max"] < persons["registered_to"])[moved_out & times["max"].notna()].all()


def test_ids_look_like_pseudonyms_and_carry_no_information(county):
    persons = county.persons
    assert persons["person_id"].str.fullmatch("p[0-9a-f]{8}").all()
    assert persons["person_id"].is_unique
    order = np.arange(len(persons))  # persons come in ascending order of id
    risk = true_risks(persons[["person_id"]].assign(index_date=pd.Timestamp("2020-01-01")), "death", random_state=0)
    for carried in (
        risk.to_numpy(),
        persons["birth_date"].astype("int64"),
        person_numbers(persons["person_id"], 0),
    ):
        correlation = np.corrcoef(order, np.argsort(np.argsort(carried)))[0, 1]
        assert abs(correlation) < 4 / np.sqrt(len(persons))


def test_an_id_leads_back_to_its_place_only_with_the_seed():
    numbers = np.array([0, 1, 499, 123_456])
    assert person_numbers(person_ids(numbers, 7), 7).tolist() == numbers.tolist()
    assert person_numbers(["p123", "q00000001", None, "p0000000G"], 7).tolist() == [-1] * 4


# Sources --------------------------------------------------------------------------------------------


def test_sources_begin_and_report_as_the_coverage_table_says(county):
    coverage = county.coverage.set_index("source")
    start = pd.Timestamp("2018-01-01")
    assert (coverage.loc[["laboratory", "rai", "social", "communal_housing"], "from"] > start).all()
    assert (coverage["reporting_lag_days"] > 0).all()
    first = county.events.groupby("source")["time"].min()
    assert set(first.index) <= set(coverage.index)
    assert (first >= coverage["from"].reindex(first.index)).all()
    last = county.events.groupby("source")["time"].max()
    assert (last > county.extract_date - pd.Timedelta(days=60)).all()


def test_a_source_that_would_begin_after_the_extract_is_left_out():
    registers = make_registers(60, random_state=0, start="2018-01-01", extract_date="2019-01-01")
    assert not {"laboratory", "rai", "communal_housing"} & set(registers.coverage["source"])
    assert not {"laboratory", "rai"} & set(registers.events["source"])


def test_recent_rows_thin_out_as_their_reports_are_still_to_come(county):
    monthly = county.events.groupby(["source", county.events["time"].dt.to_period("M")]).size()
    outpatient = monthly["outpatient"]
    assert outpatient["2023-12"] < 0.75 * outpatient["2022-12"]


def test_hospital_rows_become_known_at_discharge(county):
    hospital = county.stays[county.stays["source"] == "inpatient"]
    assert hospital["end"].notna().all()
    assert (hospital["available_at"] == hospital["end"]).all()
    diagnoses = county.events[county.events["source"] == "inpatient"]
    merged = diagnoses.merge(hospital, left_on=["person_id", "time"], right_on=["person_id", "start"])
    assert len(merged) == len(diagnoses)
    assert (merged["available_at_x"] == merged["end"]).all()


def test_hospital_stays_of_a_person_never_overlap(county):
    hospital = county.stays[county.stays["source"] == "inpatient"].sort_values(["person_id", "start"])
    same = hospital["person_id"].eq(hospital["person_id"].shift(-1))
    assert (hospital["end"] <= hospital["start"].shift(-1))[same].all()


def test_every_kind_of_row_is_there(county):
    assert set(county.events["source"]) == set(SOURCES) - {"round_the_clock_care", "communal_housing", *YOUNG_SOURCES}
    assert set(county.stays["kind"]) == {kind for _, kind in STAY_KINDS}
    rai = county.events[county.events["source"] == "rai"].groupby("code")["value"].agg(["min", "max"])
    highest = {"CPS": 6, "ADLH": 6, "CHESS": 5, "DRS": 14, "MAPLE": 5, "IADLP": 48}
    for scale, limit in highest.items():
        assert rai.loc[scale].min() >= (1 if scale == "MAPLE" else 0)
        assert rai.loc[scale].max() <= limit


def test_a_home_care_spell_shorter_than_sixty_days_ends_only_by_death_round_the_clock_care_or_leaving(county):
    spells = county.stays[(county.stays["kind"] == "home_care") & county.stays["end"].notna()]
    short = spells[(spells["end"] - spells["start"]).dt.days < 60]
    assert len(short) > 5
    care = county.stays[county.stays["kind"] == "round_the_clock"].set_index("person_id")["start"]
    persons = county.persons.set_index("person_id")
    who = short["person_id"]
    reasons = [care.reindex(who), persons["death_date"].reindex(who), persons["registered_to"].reindex(who)]
    explained = np.any([reason.to_numpy() == short["end"].to_numpy() for reason in reasons], axis=0)
    assert explained.all()
    assert (spells["end"] - spells["start"]).dt.days.mean() > 365


# Levels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("home_care", 75, 85, (0.06, 0.14)),
        ("home_care", 85, 95, (0.22, 0.36)),
        ("home_care", 95, 120, (0.35, 0.70)),
        ("round_the_clock", 75, 120, (0.07, 0.115)),
    ],
)
def test_services_at_the_start_are_as_common_as_in_finland(county, kind, low, high, expected):
    persons = _living_at(county.persons, "2018-01-02")
    age = _age_at(persons, "2018-01-02")
    group = persons.loc[(age >= low) & (age < high), "person_id"]
    covered = _inside(county.stays[county.stays["kind"] == kind], pd.Timestamp("2018-01-02"), pd.Index(group))
    assert expected[0] < covered.mean() < expected[1]


@pytest.mark.parametrize(
    ("outcome", "min_age", "low", "high"),
    [
        ("home_care_start", 75, 0.05, 0.07),
        ("round_the_clock_start", 75, 0.02, 0.03),
        ("unplanned_admission", 65, 0.12, 0.15),
        ("unplanned_admission", 75, 0.20, 0.25),
        ("emergency_visit", 65, 0.20, 0.35),
    ],
)
def test_a_years_events_lie_in_the_finnish_bands(rows_of_seeds, outcome, min_age, low, high):
    rows = rows_of_seeds[(rows_of_seeds["outcome"] == outcome) & (rows_of_seeds["age"] >= min_age)]
    assert low <= rows["risk"].mean() <= high


# True risks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_happened_agrees_with_the_true_risks(rows_of_seeds, outcome):
    rows = rows_of_seeds[rows_of_seeds["outcome"] == outcome]
    observed, expected = rows["happened"].sum(), rows["risk"].sum()
    assert abs(observed - expected) < 4 * np.sqrt((rows["risk"] * (1 - rows["risk"])).sum())
    for _, group in rows.groupby(pd.qcut(rows["risk"], 4, duplicates="drop"), observed=True):
        noise = np.sqrt((group["risk"] * (1 - group["risk"])).sum())
        assert abs(group["happened"].sum() - group["risk"].sum()) < 4 * noise + 1


def test_the_true_risk_is_the_sum_over_months_written_out_by_hand():
    registers = make_registers(200, random_state=4)
    person = registers.persons["person_id"].iloc[:40]
    hazards = true_hazards(person, random_state=4)
    asked = pd.DataFrame({"person_id": person, "index_date": pd.Timestamp("2021-03-01")})
    risk = true_risks(asked, "home_care_start", random_state=4, horizon_days=365)
    for who in person:
        path = hazards.loc[who].loc["2021-03-01":"2022-02-01"]
        at_risk, expected = 1.0, 0.0
        for month in path.itertuples():
            spared = (1 - month.death) * (1 - month.round_the_clock_start)
            expected += at_risk * spared * month.home_care_start
            at_risk *= spared * (1 - month.home_care_start)
        assert risk[who].iloc[0] == pytest.approx(expected, rel=1e-12)


def test_the_hazard_path_goes_on_past_death_and_start_and_knows_nothing_of_them():
    calendar = county_calendar("2018-01-01", "2024-01-01")
    people = county_people(calendar, 0, 0)
    hazards = county_hazards(people, calendar)
    lives = [county_fates(people, hazards, calendar, random_stream(seed, 0, stage=1)) for seed in (0, 99)]
    assert (lives[0].death_day != lives[1].death_day).any()  # other fates, drawn from the very same hazards
    dead = lives[0].death_day < NEVER
    assert dead.any()
    assert (hazards["home_care_start"][dead, -1] > 0).all()
    asked = person_ids(people.number[dead], 0)
    known = true_hazards(asked, random_state=0)["death"].to_numpy().reshape(dead.sum(), -1)
    np.testing.assert_array_equal(known, hazards["death"][dead])


def test_true_risks_come_in_the_order_asked_and_for_any_index():
    registers = make_registers(1_200, random_state=8)
    person = registers.persons["person_id"].to_numpy()
    dates = pd.to_datetime(np.where(np.arange(len(person)) % 2, "2020-01-01", "2021-07-01"))
    frame = pd.DataFrame({"person_id": person, "index_date": dates, "follow_up_end": pd.NaT})
    risk = true_risks(frame, "emergency_visit", random_state=8)
    assert risk.index.names == ["person_id", "index_date"]
    shuffled = frame.sample(frac=1, random_state=0)
    again = true_risks(
        pd.MultiIndex.from_frame(shuffled[["person_id", "index_date"]]), "emergency_visit", random_state=8
    )
    np.testing.assert_array_equal(again.to_numpy(), risk.to_numpy()[shuffled.index])
    indexed = frame.set_index(["person_id", "index_date"])
    np.testing.assert_array_equal(true_risks(indexed, "emergency_visit", random_state=8), risk)


def test_longer_windows_hold_more_risk_and_a_gap_moves_the_window():
    registers = make_registers(200, random_state=4)
    asked = registers.persons[["person_id"]].assign(index_date=pd.Timestamp("2020-01-01"))
    short, long = (true_risks(asked, "death", random_state=4, horizon_days=days) for days in (182, 366))
    later = true_risks(asked, "death", random_state=4, gap_days=182, horizon_days=184)
    assert (long >= short).all()
    np.testing.assert_allclose(short + later, long, rtol=1e-12)


# A younger county ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def young():
    return make_registers(4_000, random_state=0, ages=(18, 29))


def test_everybody_of_a_younger_county_turns_18_before_the_extract_and_is_at_most_29_at_the_start(young):
    at_start, at_end = (_age_at(young.persons, day) for day in ("2018-01-01", "2024-01-01"))
    assert (at_end >= 18).all()
    assert (at_start < 30).all()
    assert 0.2 < (at_start < 18).mean() < 0.5
    assert young.findings.empty
    assert not young.stays["kind"].isin(["home_care"]).any()


def test_only_a_younger_county_has_mental_health_and_substance_use_services(county, young):
    assert "mental_health" not in set(county.coverage["source"]) | set(county.events["source"])
    assert "mental_health" in set(young.coverage["source"])
    services = young.events[(young.events["source"] == "mental_health") & (young.events["code_system"] == "service")]
    assert set(services["code"]) == {"mental_health", "substance_use"}
    in_a_year = services[services["time"].dt.year == 2021]["person_id"].nunique() / len(young.persons)
    assert 0.04 < in_a_year < 0.09


def test_starts_of_mental_health_services_agree_with_their_true_risks(young):
    services = young.events[(young.events["source"] == "mental_health") & (young.events["code_system"] == "service")]
    frames = []
    for year in YEARS:
        start, end = pd.Timestamp(f"{year}-01-01"), pd.Timestamp(f"{year}-01-01") + pd.Timedelta(days=181)
        persons = young.persons
        gone = (persons["death_date"] <= start) | (persons["registered_to"] < end)
        adult = _age_at(persons, f"{year}-01-01") >= 18.1
        lately = services[(services["time"] < start) & (services["time"] >= start - pd.Timedelta(days=365))]
        free = ~persons["person_id"].isin(lately["person_id"])
        who = persons.loc[~gone & adult & free & (persons["registered_from"] <= start), "person_id"]
        happened = services[(services["time"] >= start) & (services["time"] < end)]["person_id"]
        rows = pd.DataFrame({"person_id": who, "index_date": start, "happened": who.isin(happened)})
        risk = true_risks(rows, "mental_health_start", random_state=0, horizon_days=181, ages=(18, 29))
        frames.append(rows.assign(risk=risk.to_numpy()))
    rows = pd.concat(frames)
    assert 0.01 < rows["risk"].mean() < 0.04
    for _, group in [("all", rows), *rows.groupby(pd.qcut(rows["risk"], 4), observed=True)]:
        noise = np.sqrt((group["risk"] * (1 - group["risk"])).sum())
        assert abs(group["happened"].sum() - group["risk"].sum()) < 4 * noise


def test_the_usual_county_knows_no_risk_of_mental_health_services():
    person = make_registers(50, random_state=0).persons["person_id"]
    asked = pd.DataFrame({"person_id": person, "index_date": pd.Timestamp("2020-01-01")})
    with pytest.raises(ValueError, match="`outcome` must be one of"):
        true_risks(asked, "mental_health_start", random_state=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": "stroke"}, "`outcome` must be one of"),
        ({"random_state": 1}, "`random_state` must be the seed of the county"),
        ({"horizon_days": 2_000}, "`index` must keep every outcome window"),
        ({"random_state": -1}, "`random_state` must be a whole number"),
        ({"index": pd.DataFrame({"person": [1]})}, "`index` must hold person_id and index_date"),
    ],
)
def test_true_risks_refuse_what_they_cannot_know(change, message):
    person = make_registers(50, random_state=0).persons["person_id"]
    asked = {"index": pd.DataFrame({"person_id": person, "index_date": pd.Timestamp("2020-01-01")})}
    asked |= {"outcome": "death", "random_state": 0} | change
    with pytest.raises(ValueError, match=message) as caught:
        true_risks(**asked)
    assert not any(text in str(caught.value) for text in person)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_persons": 0}, "`n_persons` must be a whole number of at least 1"),
        ({"random_state": 1.5}, "`random_state` must be a whole number"),
        ({"start": "2018-01-15"}, "must be the first of a month"),
        ({"start": "01.01.2018"}, "`start` must be dates or ISO text"),
        ({"extract_date": "2018-06-01"}, "at least a year after"),
        ({"random_state": 0, "part": (0, 11)}, r"0 <= k < n <= 10 for 5000 persons"),
        ({"random_state": 0, "part": (2, 2)}, r"0 <= k < n"),
        ({"random_state": 0, "part": "half"}, "`part` must be a pair"),
        ({"part": (0, 2)}, "`random_state` must be a whole number when `part` is given"),
        ({"ages": (17, 29)}, r"`ages` must be \(lowest, highest\) in whole years from 18 to 95"),
        ({"ages": (30, 18)}, r"`ages` must be .* got \(30, 18\)"),
        ({"ages": 18}, "`ages` must be .* got 18"),
    ],
)
def test_make_registers_says_what_is_wrong_with_an_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_registers(**{"n_persons": 5_000} | arguments)
