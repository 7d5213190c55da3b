"""Stays: chains, discharges, moves between levels of care; by hand and against a walk through the days."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from servicenee import (
    CareChains,
    CareMoves,
    Cohort,
    DaysSinceDischarge,
    InStay,
    LongestStay,
    Registers,
    StayCounts,
    StayDays,
)

HOSPITAL = "inpatient_unplanned"

# Seen on 31 January 2024, over a year. "since" is the time since discharge, "-" where there was none.
CHAINS = """
    stays                                               chains  longest  since
    2024-01-01:2024-01-05 2024-01-05:2024-01-09              1        8     22
    2024-01-01:2024-01-05 2024-01-06:2024-01-09              1        8     22
    2024-01-01:2024-01-05 2024-01-07:2024-01-09              2        4     22
    2024-01-01:2024-01-20 2024-01-03:2024-01-04              1       19     11
    2024-01-01:2024-01-05 2024-01-20:NaT                     2       11     26
    2024-01-01:2024-01-05 2024-01-06:NaT                     1       30      -
    2024-01-10:2024-01-10                                    1        0     21
    2023-01-20:2023-02-05                                    0        5    360
    2022-12-01:2023-01-30                                    0        0      -
    2024-01-29:2024-01-31                                    1        2      -
    2024-01-29:2024-01-30                                    1        1      1
"""


@pytest.mark.parametrize("line", CHAINS.strip().splitlines()[1:], ids=lambda line: " ".join(line.split()[:-3]))
def test_transfers_are_one_chain_and_no_discharge(person, seen, line):
    *spans, chains, longest, since = line.split()
    stays = [(start, None if end == "NaT" else end, HOSPITAL) for start, end in (span.split(":") for span in spans)]
    cohort = seen(person(stays=stays), "2024-01-31")
    found = [builder(HOSPITAL).fit_transform(cohort).iloc[0, 0] for builder in (CareChains, LongestStay)]
    assert found == [int(chains), int(longest)]
    np.testing.assert_equal(
        DaysSinceDischarge(HOSPITAL).fit_transform(cohort).iloc[0, 0], np.nan if since == "-" else float(since)
    )


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        ("2024-01-30", None, 1),
        ("2024-01-31", None, 0),
        ("2024-01-01", "2024-01-30", 0),
        ("2024-01-01", "2024-01-31", 1),
        ("2024-01-01", "2024-05-01", 1),
    ],
    ids=["since yesterday", "from today", "left yesterday", "leaves today, not yet known", "leaves later"],
)
def test_in_a_stay_on_31_january(person, seen, start, end, inside):
    cohort = seen(person(stays=[(start, end, "home_care")]), "2024-01-31")
    assert InStay("home_care").fit_transform(cohort).iloc[0].to_dict() == {"in_stay_home_care": inside}


@pytest.mark.parametrize(("end", "inside"), [("2024-01-20", 0), ("2024-01-21", 1), ("2024-01-22", 1)])
def test_in_a_stay_ten_days_before_31_january(person, seen, end, inside):
    cohort = seen(person(stays=[("2024-01-01", end, "home_care")]), "2024-01-31")
    assert InStay("home_care", skip_days=10).fit_transform(cohort).iloc[0, 0] == inside


@pytest.mark.parametrize(("end", "days"), [("2024-01-20", 11), ("2024-01-21", np.nan)])
def test_a_discharge_on_the_last_day_is_after_a_window_that_leaves_out_ten(person, seen, end, days):
    cohort = seen(person(stays=[("2024-01-01", end, HOSPITAL)]), "2024-01-31")
    found = DaysSinceDischarge(HOSPITAL, skip_days=10).fit_transform(cohort)
    np.testing.assert_equal(found.iloc[0, 0], np.float32(days))


def test_an_end_not_yet_reported_is_no_discharge(person, seen):
    coverage = pd.DataFrame({"source": ["inpatient"], "reporting_lag_days": [10]})
    registers = person(stays=[("2024-01-01", "2024-01-11", HOSPITAL)], coverage=coverage)
    cohort = seen(registers, "2024-01-21", "2024-01-22")
    assert InStay(HOSPITAL).fit_transform(cohort).iloc[:, 0].tolist() == [1, 0]
    np.testing.assert_array_equal(DaysSinceDischarge(HOSPITAL).fit_transform(cohort).iloc[:, 0], [np.nan, 11])


@pytest.mark.parametrize(
    ("stays", "heavier", "lighter"),
    [
        ([("2023-06-01", None, "home_care")], 1, 0),
        ([("2023-06-01", None, "round_the_clock")], 1, 0),
        ([("2023-06-01", "2023-08-01", "home_care"), ("2023-08-01", None, "round_the_clock")], 2, 0),
        ([("2023-06-01", "2023-08-01", "home_care"), ("2023-08-02", None, "round_the_clock")], 2, 0),
        ([("2023-06-01", "2023-08-01", "home_care"), ("2023-08-10", None, "round_the_clock")], 2, 1),
        ([("2023-06-01", "2023-08-01", "home_care"), ("2023-08-02", None, "home_care")], 1, 0),
        ([("2022-01-01", None, "home_care")], 0, 0),
        ([("2022-01-01", "2023-08-01", "round_the_clock"), ("2022-01-01", None, "home_care")], 0, 1),
        ([("2023-06-01", "2023-06-10", "inpatient_unplanned"), ("2020-01-01", "2020-02-01", "home_care")], 0, 0),
    ],
    ids=[
        "home care",
        "straight to round the clock",
        "home care, then round the clock",
        "the same, a day between",
        "the same, nine days at home between",
        "two spells, a day between",
        "began before the window",
        "back to home care",
        "hospital is no level",
    ],
)
def test_moves_between_levels_of_care(person, seen, stays, heavier, lighter):
    X = CareMoves(("home_care", "round_the_clock")).fit_transform(seen(person(stays=stays), "2024-01-31"))
    assert X.iloc[0].tolist() == [heavier, lighter]


def test_moves_are_told_apart_by_where_they_lead(person, seen):
    stays = [("2023-03-01", "2023-06-01", "home_care"), ("2023-06-01", "2023-09-01", "round_the_clock")]
    builder = CareMoves(("home_care", ["communal_housing", "round_the_clock"]), by="pair")
    registers = person(stays=stays)
    X = builder.fit_transform(seen(registers, "2024-01-31"))
    heavier = ["home_to_home_care", "home_to_communal_housing+round_the_clock"]
    heavier += ["home_care_to_communal_housing+round_the_clock"]
    lighter = ["home_care_to_home", "communal_housing+round_the_clock_to_home"]
    lighter += ["communal_housing+round_the_clock_to_home_care"]
    assert X.columns.tolist() == [f"moves_{name}_365d" for name in (*heavier, *lighter)]
    assert X.iloc[0].tolist() == [1, 0, 1, 0, 1, 0]
    labels = builder.describe(registers)["label_en"]
    assert labels[2].startswith("Moves: regular home care → communal housing / round-the-clock care")


@pytest.mark.parametrize(
    "builder", [CareChains(), LongestStay(), InStay(), CareMoves()], ids=lambda b: type(b).__name__
)
def test_none_is_zero_only_where_the_source_covers(person, seen, builder):
    coverage = pd.DataFrame(
        {
            "source": ["home_care"],
            "from": pd.to_datetime(["2023-01-01"]),
            "to": pd.to_datetime(["2024-06-01"]),
        }
    )
    registers = person(stays=[("2023-02-01", "2023-02-02", "home_care")], coverage=coverage)
    X = builder.fit_transform(seen(registers, "2023-01-01", "2024-02-10", "2024-06-10"))
    np.testing.assert_array_equal(X.iloc[:, 0], [np.nan, 0, np.nan])


@pytest.mark.parametrize("levels", [[], ["home_care", "home_care"], [1]], ids=["none", "twice", "not text"])
def test_levels_that_are_no_ladder_are_refused(person, seen, levels):
    with pytest.raises(ValueError, match="`levels` must list kinds of stay"):
        CareMoves(levels).fit(seen(person(), "2024-01-31"))


# --- against a walk through the days ---------------------------------------------------------------------------------

INDEX = 100
WINDOWS = ((30, 0), (90, 0), (None, 0), (90, 20))
_stays = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.integers(0, 105),
        st.sampled_from([0, 1, 2, 3, 10, 40, None]),
        st.sampled_from(["home_care", "round_the_clock", HOSPITAL]),
        st.sampled_from([None, None, 0, 5, 50]),
    ),
    max_size=8,
)


@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(_stays)
def test_every_stay_statistic_equals_a_walk_through_the_days(stays):
    cohort = _cohort(stays)
    for lookback, skip in WINDOWS:
        options = {"source": "a", "lookback_days": lookback, "skip_days": skip}
        builders = [
            StayDays(**options),
            StayCounts(**options),
            CareChains(**options),
            LongestStay(**options),
            DaysSinceDischarge(**options),
            InStay(source="a", skip_days=skip),
            CareMoves((["home_care"], ["round_the_clock"]), **options),
            CareMoves((["home_care"], ["round_the_clock"]), by="pair", **options),
        ]
        found = np.hstack([builder.fit_transform(cohort).to_numpy() for builder in builders])
        expected = [_walk([stay for stay in stays if stay[0] == person], lookback, skip) for person in (0, 1)]
        np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


def _cohort(stays) -> Cohort:
    start = pd.Timestamp("2023-01-01")

    def dates(days):
        return pd.Series(
            [pd.NaT if day is None else start + pd.Timedelta(days=day) for day in days], dtype="datetime64[ns]"
        )

    ends = [None if length is None else begin + length for _, begin, length, *_ in stays]
    frame = pd.DataFrame(
        {
            "person_id": pd.Series([stay[0] for stay in stays], dtype="int64"),
            "start": dates([stay[1] for stay in stays]),
            "end": dates(ends),
            "source": "a",
            "kind": pd.Series([stay[3] for stay in stays], dtype=object),
            "available_at": dates([None if stay[4] is None else stay[1] + stay[4] for stay in stays]),
        }
    )
    persons = pd.DataFrame({"person_id": [0, 1], "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    events = pd.DataFrame({"person_id": [0], "time": [start], "source": "a", "code_system": "x", "code": "y"})
    registers = Registers(persons, events, frame, extract_date="2023-12-31")
    return Cohort.from_frame(
        registers, pd.DataFrame({"person_id": [0, 1], "index_date": start + pd.Timedelta(days=INDEX)})
    )


def _walk(stays, lookback, skip) -> list[float]:
    """Every statistic from sets of days, without interval arithmetic."""
    last, oldest = INDEX - skip, -10_000 if lookback is None else INDEX - lookback
    known = set()
    for _, start, length, kind, delay in stays:
        end = np.inf if length is None else start + length
        reported = start if delay is None else start + delay
        # A stay reported at its start is closed when it ends; one reported after its end brings the end with it.
        end_reported = reported if delay is not None and reported >= end else end
        if start < INDEX and reported < INDEX:
            known.add((start, end if end_reported < INDEX else np.inf, kind))
    days = {day for start, end, _ in known for day in range(max(start, oldest), int(min(end, last)))}
    begun = [stay for stay in known if oldest <= stay[0] < last]
    chains = _chains([stay[:2] for stay in known if stay[0] < last])
    ended = [INDEX - end for _, end in chains if oldest <= end < last]
    lengths = [min(end, last) - max(start, oldest) for start, end in chains]
    inside = any(start < last and end >= last for start, end, _ in known)
    return [
        len(days),
        len(begun),
        sum(start >= oldest for start, _ in chains),
        max([0, *lengths]),
        min(ended, default=np.nan),
        inside,
        *_moves(known, oldest, last),
    ]


def _chains(spans) -> list[tuple]:
    chains: list[list] = []
    for start, end in sorted(spans):
        if chains and start <= chains[-1][1] + 1:
            chains[-1][1] = max(chains[-1][1], end)
        else:
            chains.append([start, end])
    return [tuple(chain) for chain in chains]


def _moves(known, oldest, last) -> list[int]:
    """Level of every day, breaks of a day closed from the heaviest level down; then count the steps."""
    level = np.zeros(INDEX + 2, dtype=int)
    for least, kinds in ((1, ("home_care", "round_the_clock")), (2, ("round_the_clock",))):
        covered = np.zeros(INDEX + 2, dtype=bool)
        for start, end, kind in known:
            if kind in kinds and start < last:
                covered[start : int(min(end, INDEX + 2))] = True
        for day in range(1, INDEX + 1):
            if covered[day - 1] and covered[day + 1]:
                covered[day] = True
        level[covered] = least
    steps = list(zip([0, *level], level, strict=False))[max(0, oldest) : int(last)]
    pairs = [steps.count(pair) for pair in ((0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1))]
    return [sum(pairs[:3]), sum(pairs[3:]), *pairs]
