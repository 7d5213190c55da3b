"""Values within target, and plans of self-monitoring kept."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from servicenee import (
    Cohort,
    LatestValue,
    PlanAdherence,
    Registers,
    ValueTrend,
    WithinTarget,
    load_codelist,
    load_rules,
)


def _rows(rows, **options) -> Registers:
    """Registers of one person with (time, code, value[, unit[, reported]]) rows; code written SYSTEM:code."""
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["male"]})
    events = pd.DataFrame(
        {
            "person_id": 1,
            "time": pd.to_datetime(pd.Series([row[0] for row in rows], dtype=object), format="ISO8601"),
            "source": ["care" if row[1].startswith("plan") else "home" for row in rows],
            "code_system": [row[1].partition(":")[0] for row in rows],
            "code": [row[1].partition(":")[2] for row in rows],
            "value": [float(row[2]) for row in rows],
            "unit": pd.Series([row[3] if len(row) > 3 else None for row in rows], dtype=object),
            "available_at": pd.to_datetime(pd.Series([row[4] if len(row) > 4 else None for row in rows], dtype=object)),
        }
    )
    return Registers(persons, events, extract_date="2025-01-01", **options)


@pytest.mark.parametrize(
    ("values", "share"),
    [([139], 1), ([140], 0), ([150, 130, 120, 160], 0.5), ([np.nan], np.nan), ([130, np.nan], 1)],
    ids=["below", "at the bound", "half", "no result", "one result of two"],
)
def test_share_of_blood_pressures_below_140(seen, values, share):
    rows = [(f"2023-0{month + 1}-01", "lab:BP_systolic", value, "mmHg") for month, value in enumerate(values)]
    X = WithinTarget().fit_transform(seen(_rows(rows), "2024-01-01"))
    np.testing.assert_equal(X["within_target_BP_systolic_365d"].item(), share)
    assert X["within_target_HbA1c_365d"].isna().all()


@pytest.mark.parametrize(
    ("code", "value", "share"),
    [
        ("BP_systolic", 134, 1),
        ("BP_systolic", 135, 0),
        ("BP_diastolic", 84, 1),
        ("BP_diastolic", 85, 0),
        ("glucose_fasting", 3.9, 0),
        ("glucose_fasting", 4.0, 1),
        ("glucose_fasting", 7.0, 0),
    ],
)
def test_what_is_measured_at_home_has_targets_of_its_own(seen, code, value, share):
    X = WithinTarget().fit_transform(seen(_rows([("2023-05-01", f"home:{code}", value)]), "2024-01-01"))
    assert X.iloc[0].dropna().to_dict() == {f"within_target_{code}_home_365d": share}


def test_a_value_in_another_unit_is_not_compared(seen):
    rows = [("2023-05-01", "lab:HbA1c", 7.5, "%"), ("2023-06-01", "lab:HbA1c", 60, "mmol/mol")]
    X = WithinTarget().fit_transform(seen(_rows(rows), "2024-01-01"))
    assert X["within_target_HbA1c_365d"].item() == 0


def test_a_countys_own_target(seen):
    rows = [("2023-05-01", "lab:BP_systolic", 125), ("2023-06-01", "lab:BP_systolic", 105)]
    own = [{"measurement": "BP_frail", "codes": "lab:BP_systolic", "low": 110, "high": 150, "unit": "mmHg"}]
    builder = WithinTarget(own, lookback_days=(200, 365))
    cohort = seen(_rows(rows), "2024-01-01")
    np.testing.assert_array_equal(builder.fit_transform(cohort).iloc[0], [np.nan, 0.5])
    assert builder.describe(cohort.registers)["label_en"].tolist() == [
        "BP_frail (at least 110 and below 150 mmHg): share of values on target, last 200 days",
        "BP_frail (at least 110 and below 150 mmHg): share of values on target, last 12 months",
    ]


def test_home_measurements_are_a_list_in_words(seen):
    rows = [("2023-05-01", "home:BP_systolic", 150), ("2023-05-03", "home:weight", 80)]
    cohort = seen(_rows([*rows, ("2023-11-01", "home:weight", 76)]), "2024-01-01")
    latest, trend = LatestValue(by="home_measurements"), ValueTrend(by="home_measurements")
    assert latest.fit_transform(cohort).iloc[0].dropna().to_dict() == {
        "latest_BP_systolic_home_365d": 150,
        "latest_weight_home_365d": 76,
    }
    slope = trend.fit_transform(cohort)["trend_weight_home_365d"].item()
    assert slope == pytest.approx(-4 * 365.25 / 182, rel=1e-6)
    weight = load_codelist("home_measurements").keep("weight_home")
    table = PlanAdherence(weight, "plan:weight").describe(cohort.registers)
    assert table["feature"].tolist() == ["adherence_weight_home_28d"]
    assert table["label_sv"].tolist() == ["Vikt mätt hemma: andel av de planerade mätdagarna, de senaste 28 dygnen"]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([{"measurement": "a", "codes": "lab:a"}], "must give low or high"),
        ([{"measurement": "a", "high": 3}], "`targets` must be rows with measurement, codes; got rows without codes"),
        ([{"measurement": "a", "codes": "lab:a", "low": 8, "high": 8}], "a low below the high; a has 8 and 8"),
        ([], "got no rows"),
        (load_rules("targets").assign(high="low"), "`high` of a rule must be a number"),
        (3, "rules must be the name of a shipped table"),
    ],
)
def test_targets_that_cannot_be_followed_are_refused(seen, targets, message):
    with pytest.raises(ValueError, match=message):
        WithinTarget(targets).fit(seen(_rows([("2023-05-01", "lab:a", 1)]), "2024-01-01"))


PLAN = ("2023-12-04", "plan:BP", 7)  # 28 days before 1 January 2024


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ([PLAN], 0),
        ([PLAN, ("2023-12-04", "lab:BP", 1), ("2023-12-31", "lab:BP", 1)], 2 / 28),
        ([PLAN, ("2023-12-05T08:00", "lab:BP", 1), ("2023-12-05T20:00", "lab:BP", 1)], 1 / 28),
        ([("2023-12-04", "plan:BP", 1), *((f"2023-12-{day}", "lab:BP", 1) for day in range(10, 20))], 1),
        ([PLAN, ("2023-12-18", "plan:BP", 3.5), ("2023-12-10", "lab:BP", 1), ("2023-12-20", "lab:BP", 1)], 1 / 7),
        ([("2020-01-01", "plan:BP", 7), ("2023-12-03", "lab:BP", 1), ("2023-12-04", "lab:BP", 1)], 1 / 28),
        ([("2023-12-20", "lab:BP", 1)], np.nan),
        ([PLAN, ("2023-12-18", "plan:BP", 0), ("2023-12-20", "lab:BP", 1)], np.nan),
        ([("2024-01-01", "plan:BP", 7), ("2023-12-20", "lab:BP", 1)], np.nan),
        ([("2023-12-31", "plan:BP", 1), ("2023-12-31", "lab:BP", 1)], np.nan),
    ],
    ids=[
        "never measured",
        "first and last day",
        "twice on a day is one day",
        "more than planned",
        "the latest plan, from its day",
        "an old plan goes on",
        "no plan",
        "the plan has ended",
        "planned on the index date",
        "not a day due yet",
    ],
)
def test_days_measured_of_days_planned(seen, rows, share):
    builder = PlanAdherence("lab:BP", "plan:BP", source="home")
    registers = _rows([*rows, ("2020-01-01", "lab:BP", 1), ("2019-01-01", "plan:other", 1)])
    X = builder.fit_transform(seen(registers, "2024-01-01"))
    np.testing.assert_allclose(X.iloc[0, 0], share, rtol=1e-6)


def test_adherence_is_unknown_where_the_source_does_not_cover(seen):
    coverage = pd.DataFrame({"source": ["home"], "from": pd.to_datetime(["2023-12-20"])})
    registers = _rows([PLAN, ("2023-12-21", "lab:BP", 1)], coverage=coverage)
    X = PlanAdherence("lab:BP", "plan:BP", source="home", lookback_days=(7, 28)).fit_transform(
        seen(registers, "2024-01-01")
    )
    np.testing.assert_array_equal(X.iloc[0], [0, np.nan])


_record = st.tuples(
    st.sampled_from(["lab:BP", "lab:BP", "plan:BP"]),
    st.sampled_from([0, 1, 2, 7, 8, 27, 28, 29, 90]),
    st.sampled_from([0, 0, 480, 1439]),
    st.sampled_from([np.nan, 0.0, 3.0, 7.0, 134.9, 135.0]),
    st.sampled_from(["mmHg", "mmHg", None, "kPa"]),
    st.sampled_from([0, 0, 1, 20]),
)


@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    st.lists(_record, max_size=10, unique_by=lambda record: record[:3]),
    st.sampled_from([28, 7, None]),
    st.sampled_from([0, 1, 6]),
)
def test_both_shares_agree_with_their_rules_written_out(records, lookback, skip):
    index, day = pd.Timestamp("2024-01-01"), pd.Timedelta(days=1)
    rows = []
    for code, days, minute, value, unit, delay in records:
        time = index - days * day + pd.Timedelta(minutes=minute)
        rows.append((time, code, value, unit, time + delay * day))
    cohort = Cohort.from_frame(
        _rows([*rows, ("2020-01-01", "lab:BP", np.nan)]), pd.DataFrame({"person_id": [1], "index_date": [index]})
    )
    options = {"lookback_days": lookback, "skip_days": skip}
    begin, end = index - (lookback or 10_000) * day, index - skip * day
    known = [row[:4] for row in rows if row[0] < end and row[4] < index]
    measured = [row for row in known if row[1] == "lab:BP" and row[0] >= begin]
    asked = [value for _, _, value, unit in measured if unit != "kPa" and not np.isnan(value)]
    within = np.mean([3 <= value < 135 for value in asked]) if asked else np.nan
    target = [{"measurement": "BP", "codes": "lab:BP", "low": 3, "high": 135, "unit": "mmHg"}]
    assert _same(WithinTarget(target, **options).fit_transform(cohort), within)
    plans = [(time, value) for time, code, value, _ in known if code == "plan:BP" and not np.isnan(value)]
    planned, per_week = max(plans, default=(end, 0))
    first = max(planned.normalize(), begin)
    due = per_week * ((end - first) / day) / 7
    n_days = len({time.date() for time, *_ in measured if time >= first})
    kept = min(n_days / due, 1) if due >= 1 else np.nan
    assert _same(PlanAdherence("lab:BP", "plan:BP", source="home", **options).fit_transform(cohort), kept)


def _same(X: pd.DataFrame, expected: float) -> bool:
    return np.allclose(X.to_numpy(), [[expected]], rtol=1e-6, atol=0, equal_nan=True)
