"""The kernel: what a window holds, written out by hand and against a slow, obvious oracle."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from servicenee import (
    Cohort,
    DaysSince,
    DistinctCodes,
    EventCounts,
    EventSums,
    LatestValue,
    Registers,
    StayCounts,
    StayDays,
)
from servicenee.registers.tables import CoverageColumns, EventColumns
from servicenee.windows import Measure, Window, measure_events
from servicenee.windows import events as kernel
from servicenee.windows.measure import COUNTING

DAY = pd.Timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "counted"),
    [("2023-12-31", 0), ("2024-01-01", 1), ("2024-01-30", 1), ("2024-01-30T23:59", 1), ("2024-01-31", 0)],
    ids=["too old", "first day", "day before", "minute before", "index date"],
)
def test_lookback_of_30_days_before_31_january(person, seen, day, counted):
    X = EventCounts(source="emergency", lookback_days=30).fit_transform(seen(person([day]), "2024-01-31"))
    assert X.iloc[0, 0] == counted


@pytest.mark.parametrize(
    ("day", "counted"),
    [("2024-01-01", 1), ("2024-01-23", 1), ("2024-01-24", 0), ("2024-01-30", 0)],
    ids=["first day", "last day kept", "first day skipped", "day before"],
)
def test_skipping_the_last_7_days(person, seen, day, counted):
    builder = EventCounts(source="emergency", lookback_days=30, skip_days=7)
    assert builder.fit_transform(seen(person([day]), "2024-01-31")).iloc[0, 0] == counted


def test_an_event_is_past_or_future_never_both(person, seen):
    registers = person(["2024-01-31"])
    counts = EventCounts(source="emergency", lookback_days=None).fit_transform(
        seen(registers, "2024-01-31", "2024-02-01")
    )
    assert counts.iloc[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("lag", "counted"), [(0, 1), (9, 1), (10, 0), (400, 0)], ids=["at once", "in time", "on the index date", "later"]
)
def test_reporting_lag_hides_what_had_not_arrived(person, seen, lag, counted):
    coverage = pd.DataFrame({"source": ["emergency"], "reporting_lag_days": [lag]})
    registers = person(["2024-01-21"], coverage=coverage)
    builder = EventCounts(source="emergency", lookback_days=None)
    assert builder.fit_transform(seen(registers, "2024-01-31")).iloc[0, 0] == counted


def test_available_at_overrides_the_lag(seen):
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["male"]})
    events = pd.DataFrame(
        {
            "person_id": 1,
            "time": pd.to_datetime(["2023-12-01", "2023-12-02"]),
            "source": "emergency",
            "code_system": "contact",
            "code": "visit",
            "available_at": pd.to_datetime(["2024-02-01", None]),
        }
    )
    registers = Registers(persons, events, extract_date="2025-01-01")
    dates = ("2024-01-31", "2024-02-01", "2024-02-02")  # what arrives on the index date is not known yet
    counts = EventCounts(source="emergency").fit_transform(seen(registers, *dates))
    assert counts.iloc[:, 0].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("covered_from", "index_date", "expected"),
    [("2023-01-01", "2024-01-01", 0.0), ("2023-01-02", "2024-01-01", np.nan), (None, "2024-01-01", 0.0)],
    ids=["just covered", "a day short", "always"],
)
def test_none_is_zero_only_where_the_source_covers_the_window(person, seen, covered_from, index_date, expected):
    coverage = pd.DataFrame({"source": ["emergency"], "from": pd.to_datetime([covered_from])})
    X = EventCounts(source="emergency", lookback_days=365).fit_transform(seen(person(coverage=coverage), index_date))
    np.testing.assert_equal(X.iloc[0, 0], np.float32(expected))


def test_a_source_that_stopped_covers_nothing_after(person, seen):
    coverage = pd.DataFrame({"source": ["emergency"], "to": pd.to_datetime(["2024-01-20"])})
    X = EventCounts(source="emergency").fit_transform(seen(person(coverage=coverage), "2024-01-20", "2024-01-21"))
    np.testing.assert_array_equal(X.iloc[:, 0], [0, np.nan])


def test_a_slow_source_is_no_excuse_for_another_that_stopped(person, seen):
    coverage = pd.DataFrame(
        {
            "source": ["emergency", "primary_care"],
            "to": pd.to_datetime(["2024-01-20", None]),
            "reporting_lag_days": [0, 60],
        }
    )
    both = EventCounts(source=["emergency", "primary_care"])
    X = both.fit_transform(seen(person(coverage=coverage), "2024-01-20", "2024-01-21"))
    np.testing.assert_array_equal(X.iloc[:, 0], [0, np.nan])


def test_a_value_found_in_a_partly_covered_window_stays(person, seen):
    coverage = pd.DataFrame({"source": ["emergency"], "from": pd.to_datetime(["2024-01-01"])})
    registers = person(["2024-01-21"], coverage=coverage)
    assert DaysSince(source="emergency").fit_transform(seen(registers, "2024-01-31")).iloc[0, 0] == 10


STAYS = """
    start       end         days  begun
    2023-01-31  2023-02-05     5      1
    2023-01-01  2023-02-05     5      0
    2024-01-25  2024-02-10     6      1
    2024-01-25  NaT            6      1
    2024-01-31  2024-02-10     0      0
    2024-01-10  2024-01-10     0      1
    2022-01-01  NaT          365      0
    2022-01-01  2023-01-31     0      0
"""


@pytest.mark.parametrize("line", STAYS.strip().splitlines()[1:], ids=lambda line: " ".join(line.split()[:2]))
def test_days_in_stay_in_the_year_before_31_january_2024(person, seen, line):
    start, end, days, begun = line.split()
    cohort = seen(person(stays=[(start, None if end == "NaT" else end, "inpatient_unplanned")]), "2024-01-31")
    assert StayDays("inpatient_unplanned").fit_transform(cohort).iloc[0, 0] == int(days)
    assert StayCounts("inpatient_unplanned").fit_transform(cohort).iloc[0, 0] == int(begun)


def test_overlapping_stays_count_once(person, seen):
    stays = [
        ("2024-01-01", "2024-01-11", "home_care"),
        ("2024-01-06", "2024-01-16", "home_care"),
        ("2024-01-08", "2024-01-09", "home_care"),
        ("2024-01-20", "2024-01-22", "home_care"),
    ]
    assert StayDays("home_care").fit_transform(seen(person(stays=stays), "2024-01-31")).iloc[0, 0] == 17


def test_an_end_not_yet_reported_is_an_open_end(person, seen):
    coverage = pd.DataFrame({"source": ["inpatient"], "reporting_lag_days": [10]})
    registers = person(stays=[("2024-01-01", "2024-01-11", "inpatient_unplanned")], coverage=coverage)
    days = StayDays("inpatient_unplanned").fit_transform(seen(registers, "2024-01-11", "2024-01-21", "2024-01-22"))
    assert days.iloc[:, 0].tolist() == [0, 20, 10]


# --- against the oracle ----------------------------------------------------------------------------------------------

STATISTICS = {
    "count": lambda y, v, T: len(y),
    "any": lambda y, v, T: float(len(y) > 0),
    "sum": lambda y, v, T: v["value"].sum(),
    "mean": lambda y, v, T: v["value"].mean(),
    "min": lambda y, v, T: v["value"].min(),
    "max": lambda y, v, T: v["value"].max(),
    "last": lambda y, v, T: v.loc[v["time"].dt.date == v["time"].max().date(), "value"].mean() if len(v) else np.nan,
    "last_time": lambda y, v, T: v.loc[v["time"] == v["time"].max(), "value"].mean(),
    "first": lambda y, v, T: v.loc[v["time"].dt.date == v["time"].min().date(), "value"].mean() if len(v) else np.nan,
    "first_time": lambda y, v, T: v.loc[v["time"] == v["time"].min(), "value"].mean(),
    "since_last": lambda y, v, T: (T - y["time"].max()) / DAY,
    "since_first": lambda y, v, T: (T - y["time"].min()) / DAY,
    "slope": lambda y, v, T: 365.25 * 1440 * _slope((v["time"] - T) / pd.Timedelta(minutes=1), v["value"]),
    "distinct": lambda y, v, T: len(y[["code_system", "code"]].drop_duplicates()),
}


def _slope(x: pd.Series, y: pd.Series) -> float:
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum()) if len(x) > 1 and (x * x).sum() > 1e-9 else np.nan


@st.composite
def extracts(draw):
    """A small extract in any order, with ties, repeats, persons without events, missing values and late reports."""
    n = draw(st.integers(0, 40))
    delays = draw(st.sampled_from([[None], [None, 0, 1, 30, 400]]))
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.sampled_from([0, 1, 29, 30, 31, 60, 89, 90, 91, 92, 100, 365]),
                st.sampled_from([0, 0, 1, 719, 1439]),
                st.sampled_from("ab"),
                st.sampled_from(["x1", "x2", "y1"]),
                st.sampled_from([np.nan, 0.0, 1.5, -2.0, 1e6]),
                st.sampled_from(delays),
            ),
            min_size=n,
            max_size=n,
        )
    )
    start = pd.Timestamp("2023-10-01")
    columns = ["person_id", "day", "minute", "source", "code", "value", "delay"]
    events = pd.DataFrame(rows, columns=columns).astype(
        {"person_id": "int64", "day": "int64", "minute": "int64", "value": float}
    )
    events["time"] = (
        start + pd.to_timedelta(events.pop("day"), unit="D") + pd.to_timedelta(events.pop("minute"), unit="m")
    )
    events["code_system"] = events["code"].str[0]
    delay = pd.to_timedelta(pd.to_numeric(events.pop("delay")), unit="D")
    if len(delays) > 1:
        events["available_at"] = events["time"] + delay  # missing: the reporting lag of the source
    return events.astype({"source": object, "code": object, "code_system": object})


# Shrinking a failing extract takes minutes and tells little more: report the first one.
_PHASES = [Phase.explicit, Phase.reuse, Phase.generate]

WINDOWS = (Window(30), Window(91), Window(None), Window(91, 30), Window(91, 1), Window(None, 90))
SOURCES = (("a",), ("a", "b"))


_covered = st.tuples(
    st.sampled_from([None, "2023-09-30", "2023-10-02", "2023-12-01"]),
    st.sampled_from([None, "2023-12-02", "2023-12-31", "2024-01-01"]),
    st.sampled_from([0, 1, 30]),
)


@settings(max_examples=25, phases=_PHASES)
@given(
    extracts(),
    st.lists(_covered, min_size=2, max_size=2),
    st.sampled_from(["drop", "keep"]),
    st.sampled_from([1, 3, 150_000]),
)
def test_every_statistic_equals_the_oracle(events, covered, duplicates, pairs_per_chunk):
    coverage = pd.DataFrame(covered, columns=["from", "to", "reporting_lag_days"]).assign(source=["a", "b"])
    coverage = coverage.astype({"from": "datetime64[ns]", "to": "datetime64[ns]"})
    persons = pd.DataFrame({"person_id": [0, 1, 2, 3], "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    registers = Registers(
        persons, events, coverage=coverage, extract_date="2025-06-01", duplicates=duplicates, tolerance=1
    )
    frame = pd.DataFrame(
        {
            "person_id": [2, 0, 1, 3, 0],
            "index_date": ["2024-01-01", "2024-01-01", "2023-12-31", "2024-10-01", "2023-10-01"],
        }
    )
    cohort = Cohort.from_frame(registers, frame)
    kinds = registers.event_columns.kinds
    groups = np.array([kinds["source"].isin(sources) for sources in SOURCES])
    measures = [Measure(name, groups, SOURCES, WINDOWS) for name in STATISTICS]
    placed = [(number * 2 * len(WINDOWS), measure) for number, measure in enumerate(measures)]
    out = np.empty((len(measures) * 2 * len(WINDOWS), len(cohort)), dtype=np.float32)
    before, kernel._PAIRS_PER_CHUNK = kernel._PAIRS_PER_CHUNK, pairs_per_chunk
    try:
        measure_events(
            registers.event_columns, registers.coverage_columns, cohort.person, cohort.index_day, placed, out
        )
    finally:
        kernel._PAIRS_PER_CHUNK = before
    expected = _oracle(_reported(events, coverage, duplicates), frame, coverage.set_index("source"))
    np.testing.assert_allclose(out, expected, rtol=2e-6, atol=1e-6)


def _reported(events: pd.DataFrame, coverage: pd.DataFrame, duplicates: str) -> pd.DataFrame:
    """Events with the time at which they became known; of events told twice, the first to be known."""
    lag = events["source"].map(coverage.set_index("source")["reporting_lag_days"]).astype(float)
    known = events["time"] + pd.to_timedelta(lag, unit="D")
    events = events.assign(known=events["available_at"].fillna(known) if "available_at" in events else known)
    told = [name for name in events.columns if name not in ("known", "available_at")]
    return events.sort_values("known").drop_duplicates(told) if duplicates == "drop" else events


def _oracle(events: pd.DataFrame, frame: pd.DataFrame, coverage: pd.DataFrame) -> np.ndarray:
    columns = []
    for row in frame.itertuples():
        date = pd.Timestamp(row.index_date)
        own = events[(events["person_id"] == row.person_id) & (events["known"] < date)]
        seen = []
        for sources in SOURCES:
            for window in WINDOWS:
                y = own[own["source"].isin(sources) & (own["time"] < date - window.skip_days * DAY)]
                if window.lookback_days is not None:
                    y = y[y["time"] >= date - window.lookback_days * DAY]
                covers = all(_covers(coverage.loc[source], window, date) for source in sources)
                seen.append((y, y[y["value"].notna()], covers))
        columns.append(
            [
                statistic(y, v, date) if covers or name not in COUNTING else np.nan
                for name, statistic in STATISTICS.items()
                for y, v, covers in seen
            ]
        )
    return np.array(columns, dtype=float).T


def _covers(source: pd.Series, window: Window, date: pd.Timestamp) -> bool:
    """Whether the source tells of the whole window, but for its last days, which were still on their way."""
    begins = window.lookback_days is None or not date - window.lookback_days * DAY < source["from"]
    return begins and not date - max(window.skip_days, source["reporting_lag_days"]) * DAY > source["to"]


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(1)
    persons = pd.DataFrame({"person_id": np.arange(300), "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    n = 20_000
    events = pd.DataFrame(
        {
            "person_id": rng.integers(0, 300, n),
            "time": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1400, n), unit="D"),
            "source": rng.choice(["a", "b", "c"], n),
            "code_system": "x",
            "code": rng.choice([f"c{i}" for i in range(40)], n),
            "value": np.where(rng.random(n) < 0.2, np.nan, 10.0 ** rng.uniform(-3, 9, n)),
        }
    )
    return persons, events


def _features(persons, events, order=None):
    registers = Registers(persons, events, extract_date="2024-06-01")
    frame = pd.DataFrame(
        {
            "person_id": np.repeat(persons["person_id"].to_numpy(), 3),
            "index_date": ["2021-06-01", "2022-06-01", "2023-06-01"] * len(persons),
        }
    )
    cohort = Cohort.from_frame(registers, frame)
    cohort = cohort if order is None else cohort[order]
    builders = [
        kind(by="source", lookback_days=[30, 365, None]) for kind in (EventSums, LatestValue, DistinctCodes, DaysSince)
    ]
    return pd.concat([builder.fit_transform(cohort) for builder in builders], axis=1)


def test_order_of_the_input_rows_does_not_move_a_bit(many):
    persons, events = many
    shuffled = events.sample(frac=1, random_state=3), persons.sample(frac=1, random_state=4)
    pd.testing.assert_frame_equal(
        _features(persons, events), _features(shuffled[1].sort_values("person_id"), shuffled[0]), check_exact=True
    )


def test_chunks_do_not_move_a_bit(many, monkeypatch):
    whole = _features(*many)
    monkeypatch.setattr(kernel, "_PAIRS_PER_CHUNK", 7)
    pd.testing.assert_frame_equal(whole, _features(*many), check_exact=True)


def test_order_of_the_cohort_does_not_move_a_bit(many):
    persons, events = many
    order = np.random.default_rng(5).permutation(len(persons) * 3)
    pd.testing.assert_frame_equal(
        _features(persons, events).iloc[order], _features(persons, events, order), check_exact=True
    )


@pytest.mark.slow
def test_sums_of_fifty_million_rows_of_mixed_magnitude_are_exact_before_the_cast():
    rng = np.random.default_rng(3)
    n_persons, each = 5_000, 10_000
    minute = np.sort(rng.integers(0, 1_000_000, (n_persons, each), dtype=np.int32), axis=1).ravel()
    value = 10.0 ** rng.uniform(-3, 9, n_persons * each) * rng.choice([-1.0, 1.0, 1.0], n_persons * each)
    first = np.arange(n_persons + 1, dtype=np.int64) * each
    kinds = pd.DataFrame({"source": ["a"], "code_system": ["x"], "code": ["y"], "unit": [""]})
    kind = np.zeros(len(value), dtype=np.uint16)
    events = EventColumns(first, minute, kind, value, None, kinds, np.zeros(1, dtype=np.int32))
    coverage = CoverageColumns(("a",), *np.array([[-1_000], [10_000], [0]], dtype=np.int32))
    windows = (Window(30), Window(365), Window(None))
    measure = Measure("sum", np.ones((1, 1), dtype=bool), (None,), windows)
    out = np.empty((3, n_persons))
    day = np.full(n_persons, 500, dtype=np.int32)
    measure_events(events, coverage, np.arange(n_persons, dtype=np.int32), day, [(0, measure)], out)
    running = np.r_[0.0, np.cumsum(value)]
    apart = np.arange(n_persons) * 10_000_000  # persons' minutes on one line, far apart
    line = minute + np.repeat(apart, each)
    high = np.searchsorted(line, apart + 500 * 1440)
    prefix_is_off = 0
    for place, window in enumerate(windows):
        start = 0 if window.lookback_days is None else 500 - window.lookback_days
        low = np.searchsorted(line, apart + start * 1440)
        for person in range(0, n_persons, 10):
            own = value[low[person] : high[person]]
            allowed = 1e-12 * np.abs(own).sum()
            exact = math.fsum(own)
            assert abs(out[place, person] - exact) <= allowed
            prefix_is_off += abs(running[high[person]] - running[low[person]] - exact) > allowed
    assert prefix_is_off, "differences of running totals would pass too: the data are too easy"


def test_sums_of_mixed_magnitude_are_exact_before_the_cast():
    rng = np.random.default_rng(2)
    n, n_persons = 200_000, 50
    value = 10.0 ** rng.uniform(-3, 9, n) * rng.choice([-1.0, 1.0, 1.0], n)
    persons = pd.DataFrame({"person_id": np.arange(n_persons), "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    time = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 1_000_000, n)), unit="m")
    events = pd.DataFrame(
        {
            "person_id": np.arange(n) % n_persons,
            "time": time,
            "source": "a",
            "code_system": "x",
            "code": "y",
            "value": value,
        }
    )
    registers = Registers(persons, events, extract_date="2024-06-01", duplicates="keep")
    columns = registers.event_columns
    measure = Measure("sum", np.ones((1, len(columns.kinds)), dtype=bool), (None,), (Window(1), Window(30)))
    out = np.empty((2, n_persons))
    day = np.full(n_persons, int(np.datetime64("2021-06-01").astype(int)), dtype=np.int32)
    measure_events(columns, registers.coverage_columns, np.arange(n_persons, dtype=np.int32), day, [(0, measure)], out)
    running = np.r_[0.0, np.cumsum(columns.value)]
    prefix_is_off = 0
    for person in range(n_persons):
        for place, lookback in enumerate((1, 30)):
            own = slice(columns.first[person], columns.first[person + 1])
            minute = columns.minute[own]
            chosen = (
                np.flatnonzero((minute < day[person] * 1440) & (minute >= (day[person] - lookback) * 1440)) + own.start
            )
            exact = np.longdouble(0) + np.sum(columns.value[chosen].astype(np.longdouble))
            assert abs(out[place, person] - exact) <= 1e-12 * np.abs(columns.value[chosen]).sum()
            if len(chosen):
                by_prefix = running[chosen[-1] + 1] - running[chosen[0]]
                prefix_is_off += abs(by_prefix - exact) > 1e-12 * np.abs(columns.value[chosen]).sum()
    assert prefix_is_off, "differences of running totals would pass too: the data are too easy"
