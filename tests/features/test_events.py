"""Statistics of events as builders, and events split by weekday and office hours."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from servicenee import (
    AnyEvent,
    Codelist,
    Cohort,
    DaysSinceFirst,
    DistinctCodes,
    EventCounts,
    EventMaxima,
    EventMeans,
    EventMinima,
    EventSums,
    FirstValue,
    LatestValue,
    Population,
    Registers,
    ValueTrend,
)
from servicenee.features.times import holidays, weekdays

MONDAY = "2024-01-29"


def _measured(values: dict[str, float], coverage=None) -> Registers:
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["male"]})
    events = pd.DataFrame(
        {
            "person_id": 1,
            "time": pd.to_datetime(pd.Series(list(values), dtype=object), format="ISO8601"),
            "source": "laboratory",
            "code_system": "lab",
            "code": "Hb",
            "value": pd.Series(list(values.values()), dtype=float),
        }
    )
    return Registers(persons, events, coverage=coverage, extract_date="2025-01-01")


def _coded(codes: list[tuple[str, str]]) -> Registers:
    """One person with one event in primary care for every (code system, code)."""
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["male"]})
    events = pd.DataFrame(codes, columns=["code_system", "code"])
    events = events.assign(person_id=1, time=pd.Timestamp("2023-05-01"), source="primary_care")
    return Registers(persons, events, extract_date="2025-01-01")


# Haemoglobin on four days and one without a result; seen on 1 January 2024, over a year.
VALUES = {"2022-12-31": 200, "2023-01-01": 140, "2023-07-02": 120, "2023-07-02T12:00": 130, "2023-12-31": np.nan}


@pytest.mark.parametrize(
    ("builder", "name", "expected"),
    [
        (EventMeans, "mean", 130),
        (EventMinima, "min", 120),
        (EventMaxima, "max", 140),
        (FirstValue, "first", 140),
        (AnyEvent, "any", 1),
        (DaysSinceFirst, "days_since_first", 365),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_year_of_haemoglobin(seen, builder, name, expected):
    X = builder("lab:Hb").fit_transform(seen(_measured(VALUES), "2024-01-01"))
    assert X.iloc[0].to_dict() == {f"{name}_lab:Hb_365d": expected}


TWICE_A_DAY = {"2023-11-30T08:00": 170, "2023-11-30T20:00": 160, "2023-12-31T08:00": 150, "2023-12-31T20:00": 130}


@pytest.mark.parametrize(
    ("builder", "at", "expected"),
    [
        (LatestValue, "day", 140),  # (150 + 130) / 2
        (LatestValue, "time", 130),
        (FirstValue, "day", 165),  # (170 + 160) / 2
        (FirstValue, "time", 170),
    ],
)
def test_several_values_of_a_day_count_as_their_mean_unless_the_moment_is_asked_for(seen, builder, at, expected):
    cohort = seen(_measured(TWICE_A_DAY), "2024-01-01")
    assert builder("lab:Hb", at=at).fit_transform(cohort).iloc[0, 0] == expected


def test_values_of_other_measurements_on_the_day_do_not_count(seen):
    registers = _measured(TWICE_A_DAY)
    events = registers.events
    events.loc[events["time"] == "2023-12-31T20:00", "code"] = "HbA1c"
    registers = Registers(registers.persons, events, extract_date="2025-01-01")
    X = LatestValue(by="laboratory").fit_transform(seen(registers, "2024-01-01"))
    assert (X["latest_Hb_365d"].item(), X["latest_HbA1c_365d"].item()) == (150, 130)


def test_at_is_a_day_or_a_time(seen):
    with pytest.raises(ValueError, match="`at` must be one of 'day', 'time'"):
        LatestValue("lab:Hb", at="hour").fit(seen(_measured(TWICE_A_DAY), "2024-01-01"))


def test_trend_is_the_change_in_a_year(seen):
    rising = {"2022-01-01": 100.0, "2022-07-02": 105.0, "2023-01-01": 110.0}
    cohort = seen(_measured(rising), "2023-06-01")
    assert ValueTrend("lab:Hb", lookback_days=None).fit_transform(cohort).iloc[0, 0] == pytest.approx(10.0, abs=0.02)


@pytest.mark.parametrize("values", [{}, {"2023-06-01": 1.0}, {"2023-06-01": np.nan, "2023-07-01": 2.0}])
def test_one_value_has_no_trend(seen, values):
    cohort = seen(_measured({"2020-01-01": 5.0} | values), "2024-01-01")
    assert ValueTrend("lab:Hb").fit_transform(cohort).isna().all(axis=None)


@pytest.mark.parametrize("builder", [EventMeans, EventMinima, EventMaxima, FirstValue, ValueTrend, DaysSinceFirst])
def test_a_value_that_was_not_measured_is_missing_not_zero(seen, builder):
    cohort = seen(_measured({"2020-01-01": 5.0}), "2024-01-01")
    assert builder("lab:Hb").fit_transform(cohort).isna().all(axis=None)


def test_any_is_zero_only_where_the_source_covers_the_window(seen):
    coverage = pd.DataFrame({"source": ["laboratory"], "from": pd.to_datetime(["2022-06-01"])})
    cohort = seen(_measured({"2022-07-01": 5.0}, coverage), "2023-01-01", "2024-01-01")
    X = AnyEvent("lab:Hb").fit_transform(cohort)
    np.testing.assert_array_equal(X.iloc[:, 0], [np.nan, 0])


def test_every_statistic_splits_by_a_code_list(seen):
    lists = Codelist({"haemoglobin": ["lab:Hb"], "weight": ["lab:weight"]}, name="mine")
    X = EventMeans(by=lists, lookback_days=(365, None)).fit_transform(seen(_measured(VALUES), "2024-01-01"))
    assert X.columns.tolist() == [f"mean_{group}_{span}" for group in lists.groups for span in ("365d", "ever")]
    np.testing.assert_array_equal(X.iloc[0], [130, 147.5, np.nan, np.nan])


# --- weekday and office hours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "part"),
    [
        ("2024-01-29T08:00", "office_hours"),
        ("2024-01-29T15:59", "office_hours"),
        ("2024-01-29T16:00", "evening_night"),
        ("2024-01-29T07:59", "evening_night"),
        ("2024-01-27T10:00", "weekend_holiday"),
        ("2024-01-28T23:00", "weekend_holiday"),
        ("2024-01-01T10:00", "weekend_holiday"),
        ("2024-01-27T00:00", "weekend_holiday"),
    ],
    ids=["opens", "last minute", "closes", "morning", "Saturday", "Sunday", "New Year", "Saturday, hour unknown"],
)
def test_office_hours_are_working_days_from_8_to_16(person, seen, time, part):
    cohort = seen(person([time]), "2024-01-31")
    X = EventCounts(source="emergency", by="office_hours").fit_transform(cohort)
    names = [f"count_emergency_{name}_365d" for name in ("office_hours", "evening_night", "weekend_holiday")]
    assert X.iloc[0].to_dict() == {name: float(f"_{part}_" in name) for name in names}


def test_a_date_without_an_hour_leaves_office_hours_unknown(person, seen):
    registers = person(["2023-06-05", "2024-01-29T09:00", "2024-01-28T09:00"])
    X = EventCounts(source="emergency", by="office_hours", lookback_days=(30, 365)).fit_transform(
        seen(registers, "2024-01-31")
    )
    np.testing.assert_array_equal(X.iloc[0], [1, np.nan, 0, np.nan, 1, 1])


def test_a_date_without_an_hour_leaves_office_hours_unknown_where_the_source_began_late_too(seen):
    coverage = pd.DataFrame({"source": ["laboratory"], "from": pd.to_datetime(["2024-01-01"])})
    registers = _measured({MONDAY: 100, f"{MONDAY}T09:00": 120, "2024-01-28T09:00": 140}, coverage)
    X = EventMaxima("lab:Hb", by="office_hours").fit_transform(seen(registers, "2024-01-31"))
    np.testing.assert_array_equal(X.iloc[0], [np.nan, np.nan, 140])


CLOSED = {"2023-12-24", "2023-12-25", "2023-12-26", "2024-01-01", "2024-01-06"}
_moment = st.tuples(st.integers(0, 24), st.sampled_from([0, 1, 479, 480, 959, 960, 1439]))


@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(_moment, max_size=12, unique=True), st.sampled_from([7, 15, None]), st.sampled_from([0, 2]))
def test_parts_of_the_week_equal_a_walk_through_a_calendar(moments, lookback, skip):
    times = [pd.Timestamp("2023-12-20") + pd.Timedelta(days=day, minutes=minute) for day, minute in moments]
    registers = _measured(
        {str(time): float(number) for number, time in enumerate(times)} | {"2010-01-05T10:00": np.nan}
    )
    index = pd.Timestamp("2024-01-10")
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": [index]}))
    begin = pd.Timestamp("2000-01-01") if lookback is None else index - pd.Timedelta(days=lookback)
    seen = [(n, time) for n, time in enumerate(times) if begin <= time < index - pd.Timedelta(days=skip)]
    if lookback is None:
        seen.append((np.nan, pd.Timestamp("2010-01-05T10:00")))  # a Tuesday
    free = [time.weekday() > 4 or str(time.date()) in CLOSED for _, time in seen]
    unknown = any(time.hour == time.minute == 0 and not off for (_, time), off in zip(seen, free, strict=True))
    parts = [2 if off else 0 if 8 <= time.hour < 16 else 1 for (_, time), off in zip(seen, free, strict=True)]
    for builder, statistic in ((EventCounts, len), (EventMaxima, lambda values: pd.Series(values, dtype=float).max())):
        made = builder(source="laboratory", lookback_days=lookback, skip_days=skip)
        of_days = [statistic([n for n, time in seen if time.weekday() == day]) for day in range(7)]
        X = made.set_params(by="weekday").fit_transform(cohort)
        np.testing.assert_array_equal(X.iloc[0], of_days)
        of_hours = [statistic([n for (n, _), of in zip(seen, parts, strict=True) if of == part]) for part in range(3)]
        X = made.set_params(by="office_hours").fit_transform(cohort)
        np.testing.assert_array_equal(X.iloc[0], [np.nan, np.nan, of_hours[2]] if unknown else of_hours)


def test_the_parts_of_the_week_add_up_to_the_whole(county):
    cohort = Population(70).at(county, ["2022-01-01", "2023-01-01"])[:300]
    for builder in (EventCounts, EventSums):
        asked = {"source": ["home_care", "emergency"], "lookback_days": (90, 365)}
        parts = builder(by="weekday", **asked).fit_transform(cohort).to_numpy(dtype=float)
        whole = builder(**asked).fit_transform(cohort).to_numpy(dtype=float)
        np.testing.assert_allclose(parts.reshape(len(cohort), 7, 2).sum(axis=1), whole, rtol=1e-5)


def test_any_statistic_can_be_split_by_time(seen):
    values = {f"{MONDAY}T09:00": 100, f"{MONDAY}T20:00": 120, "2024-01-28T09:00": 140}
    X = LatestValue("lab:Hb", by="office_hours").fit_transform(seen(_measured(values), "2024-01-31"))
    assert X.iloc[0].tolist() == [100, 120, 140]
    assert ValueTrend("lab:Hb", by="weekday").fit_transform(seen(_measured(values), "2024-01-31")).shape == (1, 7)


def test_holidays_of_two_years():
    days = np.array(["2024-03-05", "2025-11-11"], dtype="datetime64[D]").astype(np.int64)
    found = holidays(days).astype("datetime64[D]").astype(str).tolist()
    assert found == [
        *("2024-01-01", "2024-01-06", "2024-03-29", "2024-04-01", "2024-05-01", "2024-05-09", "2024-06-21"),
        *("2024-12-06", "2024-12-24", "2024-12-25", "2024-12-26"),
        *("2025-01-01", "2025-01-06", "2025-04-18", "2025-04-21", "2025-05-01", "2025-05-29", "2025-06-20"),
        *("2025-12-06", "2025-12-24", "2025-12-25", "2025-12-26"),
    ]


def test_weekdays_agree_with_the_calendar():
    dates = pd.date_range("1969-12-20", "1970-01-20")
    assert weekdays(dates.to_numpy().astype("datetime64[D]").astype(np.int64)).tolist() == [
        date.weekday() for date in dates
    ]


@pytest.mark.parametrize("builder", [EventCounts, EventSums, DistinctCodes])
def test_more_windows_than_fit_in_eight_bits(builder):
    persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    time = pd.date_range("2023-01-01", "2023-12-31", freq="D")
    events = pd.DataFrame({"person_id": "a", "source": "lab", "code_system": "lab", "time": time, "value": 1.0})
    events["code"] = [f"c{day}" for day in range(len(time))]
    registers = Registers(persons, events, extract_date="2024-06-01")
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    X = builder("lab:", lookback_days=list(range(1, 301))).fit_transform(cohort)
    assert X.iloc[0].tolist() == list(range(1, 301))


@pytest.mark.parametrize(
    ("system", "code", "diagnosis"),
    [
        ("ICPC-2", "T90", True),
        ("ICPC-2", "A97", True),
        ("ICPC-2", "-31", False),  # process codes: a medical examination,
        ("ICPC-2", "*45", False),  # advice
        ("ICPC-2", "-1", False),  # tokens for a missing code
        ("ICD-10", "-2", False),
        ("ICD-10", "E11.9", True),
    ],
)
def test_diagnoses_are_codes_of_diseases_and_symptoms_only(seen, system, code, diagnosis):
    cohort = seen(_coded([(system, code)]), MONDAY)
    for builder in (EventCounts("diagnoses"), DistinctCodes("diagnoses")):
        assert builder.fit_transform(cohort).iloc[0, 0] == diagnosis


def test_an_event_without_a_code_is_no_code_more(seen):
    registers = _coded([("ICD-10", "E11.9"), ("ICD-10", "-1"), ("ICPC-2", "____")])
    cohort = seen(registers, MONDAY)
    assert DistinctCodes().fit_transform(cohort).iloc[0].to_dict() == {"distinct_events_365d": 1}
    assert EventCounts(by="code").fit_transform(cohort).columns.tolist() == [
        "count_ICD-10:no_code_365d",
        "count_ICD-10:E119_365d",
        "count_ICPC-2:no_code_365d",
    ]
    labels = EventCounts(by="code").describe(registers)["label_fi"]
    assert labels[0] == "Perusterveydenhuollon käynnit ja yhteydenotot: ei ICD-10-koodia, viimeiset 12 kk"
