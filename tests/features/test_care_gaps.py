"""Care gaps: overdue, done in time, or not concerned; and the table behind them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from servicenee import CareGaps, Cohort, Population, Registers, load_rules
from servicenee.features.rules import shipped_rules

INDEX = "2024-01-01"


def _patient(*rows, stays=(), coverage=None) -> Registers:
    """Registers of one person with (day, source, code) events, code written SYSTEM:code, and (start, end) home care."""
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["male"]})
    events = pd.DataFrame(
        {
            "person_id": pd.Series([1] * len(rows), dtype="int64"),
            "time": pd.to_datetime(pd.Series([row[0] for row in rows], dtype=object)),
            "source": pd.Series([row[1] for row in rows], dtype=object),
            "code_system": pd.Series([row[2].partition(":")[0] for row in rows], dtype=object),
            "code": pd.Series([row[2].partition(":")[2] for row in rows], dtype=object),
        }
    )
    spells = pd.DataFrame(
        {
            "person_id": pd.Series([1] * len(stays), dtype="int64"),
            "start": pd.to_datetime(pd.Series([stay[0] for stay in stays], dtype=object)),
            "end": pd.to_datetime(pd.Series([stay[1] for stay in stays], dtype=object)),
            "source": "home_care",
            "kind": "home_care",
        }
    )
    return Registers(persons, events, spells, coverage=coverage, extract_date="2025-01-01")


def _gaps(registers, rules="care_gaps", **parameters) -> pd.Series:
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": [INDEX]}))
    return CareGaps(rules, **parameters).fit_transform(cohort).iloc[0]


DIABETES = ("2022-01-01", "inpatient", "ICD-10:E119")
REPEATED = [("2022-01-01", "primary_care", "ICPC-2:T90"), ("2022-01-31", "primary_care", "ICD-10:E119")]
IN_HOSPITAL = ("2020-01-01", "inpatient", "ICD-10:J18")
OLD_TEST = ("2015-01-01", "laboratory", "lab:HbA1c")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([DIABETES, ("2023-01-01", "laboratory", "lab:HbA1c")], 0),
        ([DIABETES, ("2022-12-31", "laboratory", "lab:HbA1c")], 1),
        ([DIABETES, ("2023-12-31", "laboratory", "lab:HbA1c")], 0),
        ([DIABETES, ("2024-01-01", "laboratory", "lab:HbA1c")], 1),
        ([*REPEATED, OLD_TEST], 1),
        ([REPEATED[0], ("2022-01-30", "primary_care", "ICD-10:E119"), IN_HOSPITAL, OLD_TEST], np.nan),
        ([REPEATED[0], IN_HOSPITAL, OLD_TEST], np.nan),
        ([("2022-01-01", "entitlement", "Kela:103"), OLD_TEST], 1),
        ([("2019-01-02", "inpatient", "ICD-10:E119"), OLD_TEST], 1),
        ([("2019-01-01", "inpatient", "ICD-10:E119"), OLD_TEST], np.nan),
        ([("2023-10-02", "inpatient", "ICD-10:E119"), OLD_TEST], 1),
        ([("2023-10-03", "inpatient", "ICD-10:E119"), OLD_TEST], np.nan),
        ([("2022-01-01", "medication", "ATC:A10BA02"), OLD_TEST], np.nan),
        ([OLD_TEST], np.nan),
        ([DIABETES], np.nan),
    ],
    ids=[
        "a year ago",
        "a year and a day ago",
        "yesterday",
        "on the index date",
        "known by ICPC-2 and ICD-10, 30 days apart",
        "29 days apart",
        "one diagnosis in primary care",
        "an entitlement",
        "diagnosis 1825 days old",
        "diagnosis 1826 days old",
        "grace of 90 days over",
        "diagnosed within the grace days",
        "a medicine is no diagnosis",
        "no diabetes",
        "nobody records HbA1c here",
    ],
)
def test_hba1c_of_a_diabetic(rows, expected):
    np.testing.assert_equal(_gaps(_patient(*rows))["care_gap_diabetes_hba1c_1825d"], expected)


@pytest.mark.parametrize(
    ("stays", "day", "expected"),
    [
        ([("2022-01-01", None)], "2023-06-01", 0),
        ([("2022-01-01", None)], "2022-06-01", 1),
        ([("2023-12-15", None)], "2022-06-01", np.nan),
        ([("2023-12-02", None)], "2022-06-01", np.nan),
        ([("2023-12-01", None)], "2022-06-01", 1),
        ([("2022-01-01", "2023-12-01")], "2022-06-01", np.nan),
        ([], "2022-06-01", np.nan),
    ],
    ids=[
        "assessed",
        "overdue",
        "new client",
        "30 days a client",
        "31 days a client",
        "no longer a client",
        "never one",
    ],
)
def test_rai_of_a_home_care_client(stays, day, expected):
    registers = _patient((day, "rai", "RAI:CPS"), stays=stays or [("2015-01-01", "2015-02-01")])
    np.testing.assert_equal(_gaps(registers)["care_gap_home_care_rai"], expected)


def test_a_source_that_does_not_cover_the_interval_leaves_it_unknown():
    coverage = pd.DataFrame({"source": ["laboratory"], "from": pd.to_datetime(["2023-06-01"])})
    other = ("2023-07-01", "laboratory", "lab:eGFR")
    found = _gaps(_patient(DIABETES, OLD_TEST, other, coverage=coverage))
    assert np.isnan(found["care_gap_diabetes_hba1c_1825d"])
    assert found["care_gap_diabetes_egfr_1825d"] == 0, "done is done, whatever the source covers"


def test_a_county_edits_the_table():
    rules = load_rules("care_gaps").query("gap == 'diabetes_hba1c'").assign(interval_days=180)
    registers = _patient(DIABETES, ("2023-05-01", "laboratory", "lab:HbA1c"))
    assert _gaps(registers, rules).to_dict() == {"care_gap_diabetes_hba1c_1825d": 1}
    assert _gaps(registers).to_dict()["care_gap_diabetes_hba1c_1825d"] == 0
    own = [{"gap": "feet", "condition": "ICD-10:E11", "measurement": "SPAT:feet lab:HbA1c", "interval_days": 400}]
    assert _gaps(registers, own).to_dict() == {"care_gap_feet_1825d": 0}


def test_several_lookbacks_for_the_condition_are_told_apart(county):
    builder = CareGaps(lookback_days=(730, None))
    table = builder.describe(county)
    of_hba1c = table[table["group"] == "diabetes_hba1c"]
    assert of_hba1c["feature"].tolist() == ["care_gap_diabetes_hba1c_730d", "care_gap_diabetes_hba1c_ever"]
    assert of_hba1c["label_en"].tolist() == [
        "Diabetes: HbA1c not measured, last 12 months; condition recorded: last 24 months",
        "Diabetes: HbA1c not measured, last 12 months; condition recorded: all history",
    ]
    assert (table["feature"] == "care_gap_home_care_rai").sum() == 1


def test_gaps_of_a_county_agree_with_a_walk_through_its_tables(county):
    cohort = Population(70).at(county, "2022-01-01")[:150]
    X = CareGaps().fit_transform(cohort)
    events = county.events[county.events["available_at"] < "2022-01-01"]
    codes = events["code_system"] + ":" + events["code"]
    diagnosed = codes.str.match("ICD-10:I1[01235]|ICPC-2:K8[67]|Kela:205$")
    age = (pd.Timestamp("2022-01-01") - events["time"]) / pd.Timedelta(days=1)
    evidence = events[diagnosed & (age > 90) & (age <= 1825)]
    enough = evidence["source"].isin(["inpatient", "entitlement"])
    dates = evidence.loc[~enough, "time"].dt.normalize().groupby(evidence["person_id"]).agg(["min", "max"])
    repeated = dates.index[dates["max"] - dates["min"] >= pd.Timedelta(days=30)]
    known = {*evidence.loc[enough, "person_id"], *repeated}
    measured = set(events.loc[(events["code"] == "BP_systolic") & (age > 0) & (age <= 365), "person_id"])
    ids = X.index.get_level_values("person_id")
    expected = [np.nan if one not in known else float(one not in measured) for one in ids]
    np.testing.assert_array_equal(X["care_gap_hypertension_blood_pressure_1825d"], np.array(expected, dtype=np.float32))
    assert {0.0, 1.0} <= set(expected)


MINE = [
    {"gap": "sugar", "condition": "ICD-10:E11 ICPC-2:T90", "measurement": "lab:HbA1c", "interval_days": 90},
    {"gap": "late", "condition": "ICD-10:E11", "measurement": "lab:", "interval_days": 30, "grace_days": 60},
    {"gap": "client", "condition": "stay:home_care", "measurement": "lab:eGFR", "interval_days": 90, "grace_days": 30},
]
_record = st.tuples(
    st.sampled_from(
        ["inpatient ICD-10:E119", "primary_care ICD-10:E119", "primary_care ICPC-2:T90"]
        + ["laboratory lab:HbA1c", "laboratory lab:eGFR"] * 2
    ),
    st.sampled_from([0, 1, 10, 11, 30, 31, 59, 60, 61, 89, 90, 91, 92, 400]),
)
_spell = st.tuples(st.sampled_from([1, 10, 11, 29, 30, 31, 32, 90]), st.sampled_from([0, 1, 20, 60, None]))


@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    st.lists(_record, max_size=7), st.lists(_spell, max_size=2), st.sampled_from([365, None]), st.sampled_from([0, 10])
)
def test_gaps_agree_with_their_rules_written_out(records, spells, lookback, skip):
    index = pd.Timestamp(INDEX)
    ago = [(f"{index - pd.Timedelta(days=lag):%Y-%m-%d}", *what.split()) for what, lag in records]
    stays = [
        (index - pd.Timedelta(days=lag), None if length is None else index - pd.Timedelta(days=lag - length))
        for lag, length in spells
    ]
    registers = _patient(*ago, OLD_TEST, ("2015-01-01", "laboratory", "lab:eGFR"), IN_HOSPITAL, stays=stays)

    def established(codes, grace):
        lags = [(what, lag) for what, lag in records if grace < lag <= (lookback or lag) and what.split()[1] in codes]
        notes = [lag for what, lag in lags if what.startswith("primary_care")]
        return len(notes) < len(lags) or (len(notes) > 1 and max(notes) - min(notes) >= 30)

    def client(day):
        # An end is known the day after it: until then the stay goes on.
        ends = [(lag, -1 if length is None or length >= lag else lag - length) for lag, length in spells]
        return any(begun > day and end <= day for begun, end in ends)

    def overdue(concerned, codes, interval):
        done = any(skip < lag <= interval and what.split()[1] in codes for what, lag in records)
        return float(not done) if concerned else np.nan

    expected = [
        overdue(established(("ICD-10:E119", "ICPC-2:T90"), skip), ("lab:HbA1c",), 90),
        overdue(established(("ICD-10:E119",), 60), ("lab:HbA1c", "lab:eGFR"), 30),
        overdue(client(skip) and client(30), ("lab:eGFR",), 90),
    ]
    found = _gaps(registers, MINE, lookback_days=lookback, skip_days=skip)
    np.testing.assert_array_equal(found.to_numpy(), np.array(expected, dtype=np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"condition": "sugar"}, "`condition` must be a group of chronic_conditions"),
        ({"condition": "stay:home_care ICD-10:E11"}, "`condition` must be stays or diagnoses, not both"),
        ({"interval_days": None}, "`rules` must be rows with .* rows without interval_days"),
        ({"interval_days": 0}, "`interval_days` must be a whole number of days of at least 1"),
        ({"interval_days": "yearly"}, "`interval_days` of a rule must be a number"),
        ({"grace_days": 2000}, "`lookback_days` must be longer than the 2000 grace days"),
        ({"measurement": "HbA1c_list"}, "must be written 'SYSTEM:prefix'"),
    ],
)
def test_a_row_that_cannot_be_followed_is_refused(change, message):
    row = {"gap": "a", "condition": "diabetes", "measurement": "lab:HbA1c", "interval_days": 365} | change
    with pytest.raises(ValueError, match=message):
        _gaps(_patient(DIABETES), [row])


def test_a_gap_named_twice_is_refused():
    row = {"gap": "a", "condition": "diabetes", "measurement": "lab:HbA1c", "interval_days": 365}
    with pytest.raises(ValueError, match="comes twice"):
        _gaps(_patient(DIABETES), [row, row])


@pytest.mark.parametrize("name", shipped_rules())
def test_every_shipped_row_says_where_it_comes_from(name):
    rows = load_rules(name)
    assert (rows["note"].str.len() > 10).all()
    for label in [column for column in rows if column.startswith("label_")]:
        assert rows[label].is_unique
        assert (rows[label] != "").all()
    rows["note"] = ""
    assert (load_rules(name)["note"] != "").all(), "an edit must not reach the shipped table"
