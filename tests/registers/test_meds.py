"""MEDS shards to registers: birth and death codes, static rows, and a coverage that nobody may forget."""

import numpy as np
import pandas as pd
import pytest

from servicenee import Cohort, EventCounts, read_meds
from servicenee.exceptions import RegisterError

MARKER = "MARKER99"
ROWS = [
    # subject, time, code, numeric_value
    (1, None, "GENDER//F", None),
    (1, "1940-05-01T03:00", "MEDS_BIRTH", None),
    (1, "2020-03-01T08:30", "ICD-10//E11.9", None),
    (1, "2020-03-02T00:00", "LAB//HbA1c//mmol/mol", 48.0),
    (1, "2021-05-05T00:00", "MEDS_DEATH", None),
    (2, None, "GENDER//M", None),
    (2, "1938-01-31T00:00", "MEDS_BIRTH", None),
    (2, "2019-07-01T00:00", "SNOMED/74474003", None),
    (2, "2019-07-02T00:00", "ADMISSION", None),
    (2, None, "RACE//unknown", None),
]


def table(rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["subject_id", "time", "code", "numeric_value"])
    return frame.astype({"time": "datetime64[us]", "numeric_value": "float32"})


def written(folder, rows=ROWS, *, at="data/train/0.parquet"):
    (folder / at).parent.mkdir(parents=True, exist_ok=True)
    table(rows).to_parquet(folder / at)
    return folder


def coverage(*sources, to="2022-01-01") -> pd.DataFrame:
    sources = sources or ("icd_10", "lab", "snomed", "meds")
    dates = {"from": pd.Timestamp("2015-01-01"), "to": pd.Timestamp(to)}
    return pd.DataFrame({"source": sources} | dates)


def test_rows_become_persons_and_events(tmp_path):
    registers = read_meds(written(tmp_path), coverage=coverage())
    assert registers.persons[["birth_date", "sex", "death_date"]].to_numpy().tolist() == [
        [pd.Timestamp("1940-05-01"), "female", pd.Timestamp("2021-05-05")],
        [pd.Timestamp("1938-01-31"), "male", pd.NaT],
    ]
    assert registers.events[["person_id", "source", "code_system", "code"]].to_numpy().tolist() == [
        [1, "icd_10", "ICD-10", "E119"],
        [1, "lab", "LAB", "HbA1c//mmol/mol"],
        [2, "snomed", "SNOMED", "74474003"],
        [2, "meds", "MEDS", "ADMISSION"],
    ]
    assert registers.events["value"].tolist()[1] == 48.0
    assert registers.extract_date == pd.Timestamp("2022-01-01")
    assert registers.findings[["fault", "n", "action"]].to_numpy().tolist() == [
        ["static, and not the sex", 1, "set aside"]
    ]


def test_shards_in_any_cut_and_place_give_the_same_registers(tmp_path):
    whole = read_meds(written(tmp_path / "one"), coverage=coverage())
    for n, row in enumerate(ROWS):
        written(tmp_path / "many", [row], at=f"data/{'train' if n % 2 else 'held_out'}/{n}.parquet")
    pd.testing.assert_frame_equal(read_meds(tmp_path / "many", coverage=coverage()).events, whole.events)
    flat = written(tmp_path / "flat", at="0.parquet")
    pd.testing.assert_frame_equal(read_meds(flat, coverage=coverage()).persons, whole.persons)


def test_outside_the_coverage_counts_are_missing_not_zero(tmp_path):
    registers = read_meds(written(tmp_path), coverage=coverage())
    rows = pd.DataFrame({"person_id": [1, 1], "index_date": ["2015-06-01", "2021-01-01"]})
    counts = EventCounts(source="lab", lookback_days=365).fit_transform(Cohort.from_frame(registers, rows))
    assert np.isnan(counts.iloc[0, 0])
    assert counts.iloc[1, 0] == 1


@pytest.mark.parametrize(
    "bad",
    [None, "all", coverage().drop(columns="to"), coverage()[:0], coverage().assign(to=pd.NaT)],
    ids=["none", "text", "no end", "empty", "missing end"],
)
def test_the_coverage_is_required(tmp_path, bad):
    with pytest.raises(ValueError, match="`coverage` must"):
        read_meds(written(tmp_path), coverage=bad)


def test_a_source_without_coverage_is_refused_by_name(tmp_path):
    with pytest.raises(RegisterError, match=r"2 sources of the data are not listed: meds, snomed"):
        read_meds(written(tmp_path), coverage=coverage("icd_10", "lab"))


def test_a_few_rows_of_sources_without_coverage_cost_only_themselves(tmp_path):
    rows = [(1, "2020-01-01", f"ICD-10//I{n}", None) for n in range(10, 100)] + [(1, "2020-01-01", "stray", None)]
    registers = read_meds(written(tmp_path, rows), coverage=coverage("icd_10"), tolerance=0.02)
    assert len(registers.events) == 90
    found = registers.findings.set_index("fault").loc["source not in coverage"]
    assert (found["n"], found["first_rows"]) == (1, "90")
    assert registers.account.set_index("table").loc["data"].tolist() == [91, 90, 0, 1]


def test_sources_and_sexes_may_be_named(tmp_path):
    rows = [(1, None, "Kjonn//K", None), (1, "2020-01-01", "ICD-10//I10", None), (1, "2020-01-02", "LAB//Hb", 120.0)]
    registers = read_meds(
        written(tmp_path, rows),
        coverage=coverage("hospital"),
        sources={"ICD-10": "hospital", "LAB": "hospital"},
        sexes={"Kjonn//K": "female"},
    )
    assert registers.persons["sex"].tolist() == ["female"]
    assert set(registers.events["source"]) == {"hospital"}
    assert registers.findings["fault"].tolist() == ["no birth in the data"]


def test_of_several_births_and_deaths_the_earliest_counts_and_the_first_sex(tmp_path):
    rows = [
        (1, "1941-01-01", "MEDS_BIRTH", None),
        (1, "1940-01-01", "SNOMED/184099003", None),
        (1, "2021-01-02", "MEDS_DEATH", None),
        (1, "2021-01-01", "SNOMED/419620001", None),
        (1, None, "GENDER//F", None),
        (1, None, "GENDER//M", None),
    ]
    registers = read_meds(written(tmp_path, rows), coverage=coverage())
    person = registers.persons.iloc[0]
    assert (person["birth_date"], person["sex"]) == (pd.Timestamp("1940-01-01"), "female")
    assert person["death_date"] == pd.Timestamp("2021-01-01")
    assert registers.findings["n"].tolist() == [1, 1, 1]


def test_what_is_missing_or_broken_is_told_at_once(tmp_path):
    table([(1, "2020-01-01", MARKER, None)]).drop(columns="time").to_parquet(tmp_path / "0.parquet")
    (tmp_path / "1.parquet").write_text(MARKER)
    with pytest.raises(RegisterError) as error:
        read_meds(tmp_path, coverage=coverage())
    assert "0.parquet, time: the column is missing" in str(error.value)
    assert "1.parquet: cannot be read as Parquet" in str(error.value)
    assert MARKER not in str(error.value)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(RegisterError, match="no Parquet file in the folder"):
        read_meds(tmp_path / "nothing", coverage=coverage())
