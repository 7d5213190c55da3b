"""RAI assessments: expiry, ranges, change; and nothing that was never assessed becomes 0."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from servicenee import Assessments, Cohort, Registers, load_codelist, load_rules


def _assessed(rows, coverage=None) -> Registers:
    """Registers of one person with (day, scale, value[, instrument]) rows."""
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["male"]})
    events = pd.DataFrame(
        {
            "person_id": pd.Series([1] * len(rows), dtype="int64"),
            "time": pd.to_datetime(pd.Series([row[0] for row in rows], dtype=object), format="ISO8601"),
            "source": "rai",
            "code_system": "RAI",
            "code": pd.Series([row[1] for row in rows], dtype=object),
            "value": pd.Series([row[2] for row in rows], dtype=float),
            "unit": pd.Series([row[3] if len(row) > 3 else None for row in rows], dtype=object),
        }
    )
    coverage = pd.DataFrame({"source": ["rai"]}) if coverage is None else coverage
    return Registers(persons, events, coverage=coverage, extract_date="2025-01-01")


def _seen(rows, date="2024-01-01", **parameters) -> dict[str, float]:
    registers = _assessed(rows)
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": [date]}))
    X = Assessments(source="rai", **parameters).fit_transform(cohort)
    return {name.removesuffix("_365d"): value for name, value in X.iloc[0].to_dict().items()}


@pytest.mark.parametrize(
    ("day", "value", "age", "missing"),
    [
        ("2023-12-31", 3, 1, 0),
        ("2023-01-01", 3, 365, 0),
        ("2022-12-31", np.nan, np.nan, 1),
        ("2024-01-01", np.nan, np.nan, 1),
    ],
    ids=["yesterday", "last valid day", "expired", "on the index date"],
)
def test_an_assessment_is_valid_for_365_days(day, value, age, missing):
    found = _seen([(day, "CPS", 3)])
    expected = {"assessed_CPS": value, "assessment_age_CPS": age, "not_assessed_CPS": missing}
    np.testing.assert_equal({name: found[name] for name in expected}, expected)


def test_two_assessments_of_one_day_count_as_their_mean():
    found = _seen([("2023-03-01", "CPS", 1), ("2023-09-01T09:00", "CPS", 3), ("2023-09-01T11:00", "CPS", 4)])
    assert (found["assessed_CPS"], found["assessment_change_CPS"]) == (3.5, 2.5)


@pytest.mark.parametrize(
    ("instruments", "expected"),
    [
        (("RAI-HC", "interRAI-HC"), np.nan),  # sums of 0-21 and of 0-48 mean different things
        (("interRAI-HC", "interRAI-HC"), 2),
        (("RAI-HC", "RAI-HC"), 2),
    ],
)
def test_a_change_is_one_of_the_same_range(instruments, expected):
    before, now = instruments
    found = _seen([("2023-03-01", "IADLP", 10, before), ("2023-09-01", "IADLP", 12, now)], codes=["RAI:IADLP"])
    np.testing.assert_equal(next(found[name] for name in found if "change" in name), expected)


def test_an_assessment_between_with_another_instrument_is_passed_over():
    rows = [("2023-03-01", "IADLP", 10, "RAI-HC"), ("2023-06-01", "IADLP", 30, "interRAI-HC")]
    found = _seen([*rows, ("2023-09-01", "IADLP", 12, "RAI-HC")], codes=["RAI:IADLP"])
    assert next(found[name] for name in found if "change" in name) == 2


def test_each_instrument_named_has_columns_of_its_own():
    rows = [("2023-03-01", "IADLP", 10, "RAI-HC"), ("2023-06-01", "IADLP", 30, "interRAI-HC")]
    rows += [("2023-09-01", "IADLP", 12, "RAI-HC"), ("2023-10-01", "IADLP", 30, "RAI-HC")]  # 30 is out of 0-21
    scale = load_codelist("rai_scales").keep("IADLP")
    columns = {
        "columns": ["value", "age", "change", "missing"],
        "instruments": ["RAI-HC", "interRAI-HC", "interRAI-LTCF"],
    }
    found = _seen(rows, codes=scale, **columns)
    expected = {
        "RAI-HC": [12, 122, 2, 0],
        "interRAI-HC": [30, 214, np.nan, 0],
        "interRAI-LTCF": [np.nan, np.nan, np.nan, 1],
    }
    for instrument, values in expected.items():
        named = ("assessed", "assessment_age", "assessment_change", "not_assessed")
        np.testing.assert_equal([found[f"{word}_IADLP_{instrument}"] for word in named], values)
    labels = Assessments(scale, **columns).describe(_assessed(rows))["label_fi"]
    assert labels[0] == "Asioiden hoitaminen (RAI IADL), RAI-HC, viimeisin voimassa oleva arvio, viimeiset 12 kk"


def test_what_was_never_assessed_is_missing_not_zero():
    found = _seen([("2023-12-01", "CPS", 0)])
    assert found["assessed_CPS"] == 0
    for name in ("assessed_ADLH", "assessment_age_ADLH", "assessment_change_ADLH"):
        assert np.isnan(found[name])
    assert found["not_assessed_ADLH"] == 1


@pytest.mark.parametrize(
    ("scale", "value", "kept"),
    [
        ("ADLH", 6, True),
        ("ADLH", 8, False),
        ("CPS", 6, True),
        ("CPS", 7, False),
        ("CPS", -1, False),
        ("DRS", 14, True),
        ("DRS", 15, False),
        ("CHESS", 5, True),
        ("CHESS", 6, False),
        ("MAPLE", 0, False),
        ("MAPLE", 1, True),
        ("IADLP", 48, True),
        ("IADLP", 49, False),
        ("CPS", np.nan, False),
    ],
)
def test_a_value_out_of_range_counts_as_not_recorded(scale, value, kept):
    found = _seen([("2023-03-01", scale, 2), ("2023-09-01", scale, value)])
    assert found[f"assessed_{scale}"] == (value if kept else 2)
    assert found[f"assessment_age_{scale}"] == (122 if kept else 306)
    assert found[f"not_assessed_{scale}"] == 0


def test_the_instrument_decides_the_range():
    rows = [("2023-03-01", "IADLP", 10, "RAI-HC"), ("2023-09-01", "IADLP", 30, "RAI-HC")]
    assert _seen(rows)["assessed_IADLP"] == 10
    rows[1] = ("2023-09-01", "IADLP", 30, "interRAI-HC")
    assert _seen(rows)["assessed_IADLP"] == 30


@pytest.mark.parametrize(
    ("rows", "change"),
    [
        ([("2023-11-01", 4), ("2023-05-01", 1)], 3),
        ([("2023-11-01", 1), ("2023-05-01", 4), ("2023-02-01", 0)], -3),
        ([("2023-11-01", 2), ("2023-05-01", 2)], 0),
        ([("2023-02-01", 4), ("2022-02-02", 1)], 3),
        ([("2023-02-01", 4), ("2022-01-31", 1)], np.nan),
        ([("2023-11-01", 4), ("2023-05-01", 9), ("2023-04-01", 2)], 2),
        ([("2023-11-01", 4)], np.nan),
        ([("2022-11-01", 4), ("2022-05-01", 1)], np.nan),
        ([("2024-01-01", 6), ("2023-11-01", 4), ("2023-05-01", 1)], 3),
    ],
    ids=[
        "worse",
        "better than last time",
        "no change",
        "364 days apart",
        "366 days apart",
        "one out of range between",
        "a single one",
        "both expired",
        "the one on the index date is future",
    ],
)
def test_change_since_the_previous_assessment(rows, change):
    found = _seen([(day, "CPS", value) for day, value in rows])
    np.testing.assert_equal(found["assessment_change_CPS"], change)


def test_an_assessment_reported_late_is_not_the_previous_one_yet():
    coverage = pd.DataFrame({"source": ["rai"], "reporting_lag_days": [30]})
    registers = _assessed([("2023-06-01", "CPS", 1), ("2023-11-25", "CPS", 2), ("2023-12-10", "CPS", 5)], coverage)
    frame = pd.DataFrame({"person_id": [1, 1], "index_date": ["2024-01-01", "2024-01-15"]})
    X = Assessments("RAI:CPS", columns=("value", "change")).fit_transform(Cohort.from_frame(registers, frame))
    assert X.to_numpy().tolist() == [[2, 1], [5, 3]]


def test_missing_is_unknown_where_the_source_does_not_cover(seen):
    coverage = pd.DataFrame({"source": ["rai"], "from": pd.to_datetime(["2023-06-01"])})
    registers = _assessed([("2023-07-01", "CPS", 2)], coverage)
    X = Assessments("rai_scales", source="rai", columns="missing").fit_transform(
        seen(registers, "2024-01-01", "2024-07-10")
    )
    np.testing.assert_array_equal(X["not_assessed_CPS_365d"], [0, 1])
    np.testing.assert_array_equal(X["not_assessed_DRS_365d"], [np.nan, 1])


def test_a_countys_own_ranges_and_columns():
    ranges = load_rules("rai_ranges").assign(high=lambda rows: rows["high"].where(rows["scale"] != "CPS", 3))
    found = _seen([("2023-09-01", "CPS", 4), ("2023-09-01", "PAIN", 4)], ranges=ranges, columns=["value"])
    assert {name: value for name, value in found.items() if not np.isnan(value)} == {"assessed_PAIN": 4}
    assert "not_assessed_CPS" not in _seen([("2023-09-01", "CPS", 4)], columns=["value"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"columns": ["score"]}, "`columns` must be one of 'value'"),
        (
            {"ranges": [{"scale": "CPS", "codes": "RAI:CPS", "low": 0}]},
            "`ranges` must be rows with .* rows without high",
        ),
        ({"ranges": "own"}, "must name a shipped table"),
        ({"lookback_days": 0}, "`lookback_days` must be a whole number"),
        ({"instruments": ["RAI-HC", "RAI-HC"]}, "`instruments` must name instruments, each once"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        _seen([("2023-09-01", "CPS", 4)], **parameters)


_rows = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 100, 200, 364, 365, 366, 465, 500]), st.sampled_from([0.0, 2.0, 5.0, 9.0, np.nan])
    ),
    max_size=8,
)


@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(_rows)
def test_values_and_changes_equal_the_obvious_way(rows):
    start = pd.Timestamp("2022-09-01")
    index = start + pd.Timedelta(days=500)
    found = _seen([(start + pd.Timedelta(days=day), "CPS", value) for day, value in rows], date=str(index.date()))
    by_day: dict[int, list[float]] = {}
    for day, value in set(rows):
        if day < 500 and value <= 6:
            by_day.setdefault(day, []).append(value)
    days = sorted(by_day)
    valid = bool(days) and days[-1] >= 500 - 365
    means = {day: float(np.mean(values)) for day, values in by_day.items()}
    again = valid and len(days) > 1 and days[-1] - days[-2] <= 365
    expected = {
        "assessed_CPS": means[days[-1]] if valid else np.nan,
        "assessment_age_CPS": 500 - days[-1] if valid else np.nan,
        "assessment_change_CPS": means[days[-1]] - means[days[-2]] if again else np.nan,
        "not_assessed_CPS": 0 if valid else 1,
    }
    np.testing.assert_equal({name: found[name] for name in expected}, {k: np.float32(v) for k, v in expected.items()})
