"""Faults that only the user can judge: mended on request, in a new object, and counted."""

import pandas as pd
import pytest

from servicenee import Registers, StayDays
from servicenee.registers import with_areas, with_assumed_ends, without_repeats

DAY = "2020-03-01"


def registers(events=(), stays=(), **persons) -> Registers:
    """Two persons; events as (person, time, source, code), stays as (person, start, end, kind)."""
    people = {"person_id": [1, 2], "birth_date": pd.Timestamp("1940-05-01"), "sex": "female"} | persons
    made = pd.DataFrame(events, columns=["person_id", "time", "source", "code"]).astype({"time": "datetime64[us]"})
    lasting = pd.DataFrame(stays, columns=["person_id", "start", "end", "kind"])
    lasting = lasting.astype({"start": "datetime64[us]", "end": "datetime64[us]"}).assign(source="home_care")
    table = made.assign(code_system="ICD-10")
    return Registers(pd.DataFrame(people), table, lasting, extract_date="2024-01-01")


def n_of(made: Registers) -> dict[str, int]:
    return dict(zip(made.findings["action"], made.findings["n"], strict=True))


# --- the same event from several sources -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "time", "source", "code", "kept"),
    [
        (1, f"{DAY}T15:30", "primary_care", "I50", False),
        (2, f"{DAY}T15:30", "primary_care", "I50", True),
        (1, "2020-03-02", "primary_care", "I50", True),
        (1, f"{DAY}T15:30", "primary_care", "I48", True),
        (1, f"{DAY}T15:30", "inpatient", "I50", True),
        (1, f"{DAY}T15:30", "emergency", "I50", True),
    ],
    ids=["same", "another person", "another day", "another code", "own source", "a source not listed"],
)
def test_an_event_told_by_a_more_trusted_source_is_dropped(person, time, source, code, kept):
    twice = registers([(1, f"{DAY}T08:00", "inpatient", "I50"), (person, time, source, code), *_others()])
    made = without_repeats(twice, ["inpatient", "primary_care"])
    assert len(made.events) == len(twice.events) - (not kept)
    assert n_of(made) == ({} if kept else {"set aside": 1})
    assert len(twice.findings) == 0


def _others():
    return [(2, "2019-01-01", "primary_care", "R99"), (2, "2019-01-02", "inpatient", "R99")]


def test_reading_with_priorities_in_the_coverage_is_the_same_and_every_row_is_accounted_for():
    twice = [(1, f"{DAY}T08:00", "inpatient", "I50"), (1, f"{DAY}T15:30", "primary_care", "I50"), *_others()]
    twice.append((1, f"{DAY}T09:00", "emergency", "I50"))  # of a source without a priority
    sources = ["inpatient", "primary_care", "emergency"]
    coverage = pd.DataFrame({"source": sources, "priority": [1, 2, None], "reporting_lag_days": 0})
    plain = registers(twice)
    read = Registers(plain.persons, plain.events, coverage=coverage, extract_date=plain.extract_date)
    pd.testing.assert_frame_equal(read.events, without_repeats(plain, sources[:2]).events)
    assert n_of(read) == {"set aside": 1}
    assert read.account.set_index("table").loc["events"].tolist() == [5, 4, 0, 1]


def test_what_is_left_can_be_counted_and_is_in_order():
    twice = [(1, DAY, "inpatient", "I50"), (1, DAY, "primary_care", "I50"), *_others()]
    made = without_repeats(registers(twice), ["inpatient", "primary_care"])
    again = Registers(made.persons, made.events, made.stays, extract_date=made.extract_date)
    pd.testing.assert_frame_equal(again.events, made.events)


@pytest.mark.parametrize("sources", ["inpatient", ["nowhere"], []], ids=["text", "unknown", "none"])
def test_sources_must_have_events(sources):
    with pytest.raises(ValueError, match="`sources` must be names of sources with events"):
        without_repeats(registers(_others()), sources)


# --- ends that nobody wrote down -------------------------------------------------------------------------------------

OPEN = (1, "2020-01-01", None, "home_care")
VISIT = (1, "2020-02-01", "home_care", "Z74")
SILENCE = "2020-07-30"  # 180 days after the visit


@pytest.mark.parametrize(
    ("more", "persons", "end", "reason"),
    [
        ([], {}, SILENCE, "180 days without an event"),
        ([], {"death_date": "2020-05-05"}, "2020-05-05", "death"),
        ([], {"registered_to": "2020-06-06"}, "2020-06-06", "leaving the area"),
        ([(1, "2020-04-04", "2020-04-20", "home_care")], {}, "2020-04-04", "the next stay of the kind"),
        ([(1, "2020-04-04", "2020-04-20", "interval_care")], {}, SILENCE, "180 days without an event"),
        ([(2, "2020-04-04", "2020-04-20", "home_care")], {}, SILENCE, "180 days without an event"),
    ],
    ids=["silence", "death", "moved", "next stay", "a stay of another kind", "another person's stay"],
)
def test_an_open_stay_ends_at_the_first_of(more, persons, end, reason):
    dates = {name: pd.to_datetime([date, None]) for name, date in persons.items()}
    made = with_assumed_ends(registers([VISIT], [OPEN, *more], **dates), ["home_care"])
    assert made.stays.loc[0, "end"] == pd.Timestamp(end)
    assert n_of(made) == {f"end assumed: {reason}": 1}


def test_a_stay_with_recent_events_stays_open():
    still = registers([(1, "2023-12-01", "home_care", "Z74")], [OPEN])
    made = with_assumed_ends(still, ["home_care"])
    assert made.stays["end"].isna().all()
    assert n_of(made) == {}


def test_ends_that_are_known_and_kinds_not_asked_for_are_not_touched():
    closed = registers([VISIT], [(1, "2020-01-01", "2023-01-01", "home_care"), (2, "2020-01-01", None, "other")])
    pd.testing.assert_frame_equal(with_assumed_ends(closed, ["home_care"]).stays, closed.stays)


def test_silence_is_known_only_when_it_has_lasted(seen):
    made = with_assumed_ends(registers([VISIT], [OPEN]), ["home_care"])
    days = StayDays("home_care", lookback_days=60).fit_transform(seen(made, "2020-07-01", "2020-08-15")).iloc[:2, 0]
    assert days.tolist() == [60, (pd.Timestamp(SILENCE) - pd.Timestamp("2020-06-16")).days]


def test_order_is_canonical_after_ends_were_assumed():
    stays = [(1, "2020-01-01", None, "home_care"), (1, "2020-01-01", "2021-01-01", "home_care")]
    made = with_assumed_ends(registers([VISIT], stays), ["home_care"])
    again = Registers(made.persons, made.events, made.stays, extract_date=made.extract_date)
    pd.testing.assert_frame_equal(again.stays, made.stays)


def test_unknown_kinds_and_senseless_days_are_refused():
    with pytest.raises(ValueError, match="`kinds` must be kinds of stays that there are; got prison"):
        with_assumed_ends(registers([VISIT], [OPEN]), ["prison"])
    with pytest.raises(ValueError, match="`inactive_days` must be a whole number of days of at least 1"):
        with_assumed_ends(registers([VISIT], [OPEN]), ["home_care"], inactive_days=0)


# --- areas -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("area", "becomes", "action"),
    [
        ("Kuopio", "Kuopio", None),
        ("Nilsiä", "Kuopio", "taken as what became of it"),
        ("Atlantis", "unknown", "taken as unknown"),
        (None, "unknown", "taken as unknown"),
    ],
)
def test_an_area_is_of_the_geography_or_unknown_and_counted(area, becomes, action):
    made = with_areas(registers(_others(), area=["Kuopio", area]), ["Kuopio", "Iisalmi"], {"Nilsiä": "Kuopio"})
    assert made.persons["area"].tolist() == ["Kuopio", becomes]
    assert n_of(made) == ({} if action is None else {action: 1})


def test_finnish_municipalities_that_merged_are_known_and_a_listed_area_stays():
    merged = registers(_others(), area=["Nilsiä", "Vehmersalmi"])
    assert with_areas(merged, ["Kuopio"]).persons["area"].tolist() == ["Kuopio", "Kuopio"]
    assert with_areas(merged, ["Kuopio", "Nilsiä"]).persons["area"].tolist() == ["Nilsiä", "Kuopio"]


def test_registers_without_areas_are_refused():
    with pytest.raises(ValueError, match="must have the column area"):
        with_areas(registers(_others()), ["Kuopio"])
