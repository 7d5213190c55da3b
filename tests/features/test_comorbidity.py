"""Scores against golden numbers, published tables code by code, and what a clinician would check by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from servicenee import Charlson, Cohort, DeficitCount, Elixhauser, HospitalFrailty, Registers, check_leakage
from servicenee.codes import load_score

GOLDEN = pd.read_csv(Path(__file__).parents[1] / "data" / "golden_comorbidity.csv")
INDEX_DATE = "2024-01-01"


def registers_of(codes: dict[str, list[str]], *, source="inpatient", time="2023-06-01", **more) -> Registers:
    """One person per entry, with all codes on one day."""
    persons = pd.DataFrame({"person_id": list(codes), "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    rows = [(person, code) for person, listed in codes.items() for code in listed]
    events = pd.DataFrame(rows, columns=["person_id", "code"]).assign(
        time=pd.Timestamp(time), source=source, code_system="ICD-10"
    )
    return Registers(persons, events, extract_date="2024-06-01", **more)


def scores(builder, registers, date=INDEX_DATE) -> pd.Series:
    """The one column of the builder, by person."""
    ids = registers.persons["person_id"]
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ids, "index_date": date}))
    X = builder.fit_transform(cohort)
    assert X.shape[1] == 1
    return X.iloc[:, 0].droplevel("index_date").astype(float).round(4)


@pytest.fixture(scope="module")
def golden() -> Registers:
    return registers_of(dict(zip(GOLDEN["id"], GOLDEN["codes"].str.split("|"), strict=True)))


@pytest.mark.parametrize(
    ("column", "builder"),
    [
        ("charlson1987_quan", Charlson("charlson1987")),
        ("quan2011", Charlson("quan2011")),
        ("charlson1987_sweden", Charlson("charlson1987", variant="sweden2021")),
        ("elix_vw", Elixhauser()),
        ("elix_swiss", Elixhauser("swiss2021")),
        ("hfrs", HospitalFrailty()),
    ],
)
def test_300_of_300_golden_persons_agree(column, builder, golden):
    found = scores(builder, golden)
    agree = found.loc[GOLDEN["id"]].to_numpy() == GOLDEN[column].to_numpy()
    assert (len(agree), agree.sum()) == (300, 300)


@pytest.mark.parametrize(
    ("name", "builder"),
    [
        ("charlson_quan2005", Charlson("charlson1987")),
        ("charlson_quan2005", Charlson("quan2011")),
        ("charlson_sweden2021", Charlson("charlson1987", variant="sweden2021")),
        ("elixhauser_quan2005", Elixhauser()),
        ("elixhauser_quan2005", Elixhauser("swiss2021")),
        ("hfrs", HospitalFrailty()),
    ],
)
def test_every_published_code_alone_gives_the_weight_of_its_categories(name, builder):
    table = load_score(name)
    [weights] = [weights for key, weights in table.weights.items() if len(table.weights) == 1 or key == builder.weights]
    codes = table.codelist.frame()["prefix"].unique()
    registers = registers_of({code: [code] for code in codes})
    held = table.codelist.matches(["ICD-10"] * len(codes), codes)
    held &= ~np.array(
        [
            held[list(table.codelist.groups).index(table.superseded_by[group])]
            if group in table.superseded_by
            else np.zeros(len(codes), dtype=bool)
            for group in table.codelist.groups
        ]
    )
    expected = np.array([weights[group] for group in table.codelist.groups]) @ held
    np.testing.assert_allclose(scores(builder, registers).loc[codes], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("codes", "builder", "score"),
    [
        (["K73", "K72.1"], Charlson("charlson1987"), 3),  # mild under severe liver disease
        (["E11.9", "E11.2"], Charlson("charlson1987"), 2),
        (["C50.9", "C78.0"], Charlson("charlson1987"), 6),
        (["I50.0", "I50.9"], Charlson("charlson1987"), 1),  # a category counts once
        (["C50.9", "C78.0"], Elixhauser(), 12),
        (["I10", "I11.9"], Elixhauser("swiss2021"), -3),
        (["F00.1", "G30.1"], HospitalFrailty(), 11.1),  # a Finnish pair, split
        (["G30.1"], HospitalFrailty(), 4.0),
        (["F00.1", "F00.9"], HospitalFrailty(), 7.1),
        (["J45.0"], HospitalFrailty(), 0),
        (["Z38"], Charlson(), 0),
    ],
)
def test_hierarchy_comes_before_weights_and_a_category_counts_once(codes, builder, score):
    assert scores(builder, registers_of({"a": codes}))["a"] == score


@pytest.mark.parametrize(
    ("birth_date", "points"),
    [
        ("1974-01-02", 0),
        ("1974-01-01", 1),
        ("1964-01-01", 2),
        ("1954-01-02", 2),
        ("1954-01-01", 3),
        ("1944-01-01", 4),
    ],
)
def test_age_points_come_on_request_and_on_the_birthday(birth_date, points):
    registers = registers_of({"a": ["I50.0"]})
    persons = registers.persons.assign(birth_date=pd.Timestamp(birth_date))
    registers = Registers(persons, registers.events, extract_date="2024-06-01")
    assert scores(Charlson(), registers)["a"] == 2
    assert scores(Charlson(age_points=True), registers)["a"] == 2 + points


def test_an_unknown_age_makes_the_score_with_age_points_missing():
    registers = registers_of({"a": ["I50.0"]})
    registers = Registers(registers.persons.assign(birth_date=pd.NaT), registers.events, extract_date="2024-06-01")
    assert np.isnan(scores(Charlson(age_points=True), registers)["a"])


def test_the_window_is_half_open_and_a_source_that_does_not_cover_it_gives_missing():
    registers = registers_of({"a": ["I50.0"]}, time="2023-06-01")
    assert scores(Charlson(lookback_days=214), registers)["a"] == 2  # 1 June is 214 days before 1 January
    assert scores(Charlson(lookback_days=213), registers)["a"] == 0
    assert scores(Charlson(lookback_days=365, skip_days=214), registers)["a"] == 0
    assert scores(Charlson(lookback_days=365), registers, date="2023-06-01")["a"] == 0
    coverage = pd.DataFrame({"source": ["inpatient"], "from": pd.to_datetime(["2023-05-01"])})
    late = registers_of({"a": ["I50.0"]}, coverage=coverage)
    assert np.isnan(scores(Charlson(), late)["a"])
    assert scores(Charlson(lookback_days=240), late)["a"] == 2


def test_registers_without_any_diagnosis_have_no_score():
    registers = registers_of({"a": ["I50.0"]})
    events = registers.events.assign(code_system="contact", code="visit")
    registers = Registers(registers.persons, events, extract_date="2024-06-01")
    assert scores(Charlson(), registers).isna().all()
    assert scores(Elixhauser(), registers).isna().all()


def test_frailty_is_missing_without_an_admission_and_zero_with_one():
    persons = pd.DataFrame({"person_id": list("abcd"), "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    events = pd.DataFrame(
        {
            "person_id": ["a", "b", "d"],
            "time": pd.to_datetime(["2023-06-01", "2020-01-01", "2023-06-01"]),
            "source": ["inpatient", "inpatient", "primary_care"],
            "code_system": "ICD-10",
            "code": ["J45", "F00", "F00"],
        }
    )
    stays = pd.DataFrame(
        {
            "person_id": ["c"],
            "start": pd.to_datetime(["2023-06-01"]),
            "end": pd.to_datetime(["2023-06-05"]),
            "source": "inpatient",
            "kind": "inpatient_planned",
        }
    )
    found = scores(HospitalFrailty(), Registers(persons, events, stays, extract_date="2024-06-01"))
    np.testing.assert_array_equal(found.loc[list("abcd")], [0, np.nan, 0, np.nan])


def test_deficits_count_once_and_polypharmacy_is_one_of_them():
    persons = pd.DataFrame({"person_id": ["a", "b"], "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    rows = [
        ("a", "2022-06-01", "inpatient", "ICD-10", "I50.9"),
        ("a", "2022-06-01", "primary_care", "ICPC-2", "K77"),
        ("a", "2022-06-01", "primary_care", "ICPC-2", "K78"),
    ]
    rows += [("a", "2023-12-01", "medication", "ATC", code) for code in "C03CA01 C07AB02 A02BC02 N02BE01".split()]
    rows += [
        ("a", "2023-12-01", "medication", "ATC", "D07AC01"),
        ("a", "2023-01-01", "medication", "ATC", "B01AC06"),
    ]
    rows += [("b", "2023-12-01", "medication", "ATC", f"C03CA0{n}") for n in range(1, 6)]
    events = pd.DataFrame(rows, columns=["person_id", "time", "source", "code_system", "code"])
    registers = Registers(persons, events.assign(time=pd.to_datetime(events["time"])), extract_date="2024-06-01")
    assert scores(DeficitCount(as_share=False), registers).tolist() == [2, 1]
    assert scores(DeficitCount(), registers).tolist() == [round(2 / 36, 4), round(1 / 36, 4)]
    assert scores(DeficitCount(medicine_source=None), registers).tolist() == [round(2 / 35, 4), 0]
    assert len(load_score("deficits").codelist.groups) == 35


@pytest.mark.parametrize("builder", [Charlson(age_points=True), Elixhauser(), HospitalFrailty(), DeficitCount()])
def test_scores_see_no_future(builder, county, seen):
    check_leakage(builder, seen(county, "2022-01-01", "2023-01-01")[:600])


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (Charlson("quan"), "`weights` must be one of 'charlson1987', 'quan2011'; got 'quan'"),
        (Charlson(variant="cm"), "`variant` must be one of 'quan2005', 'sweden2021'; got 'cm'"),
        (Charlson(age_points="yes"), "`age_points` must be one of True, False"),
        (Charlson(source="hospital"), "`source` must name sources"),
        (Elixhauser("ahrq"), "`weights` must be one of"),
        (HospitalFrailty(source="hospital"), "`source` must name sources"),
        (HospitalFrailty(lookback_days=0), "`lookback_days` must be a whole number"),
        (DeficitCount(medicine_source="drug"), "`source` must name sources"),
        (DeficitCount(as_share=2), "`as_share` must be one of True, False"),
    ],
)
def test_parameters_out_of_range_are_refused(builder, message, golden):
    with pytest.raises(ValueError, match=message):
        scores(builder, golden)


@pytest.mark.parametrize(("left", "score"), [("2023-01-31", np.nan), ("2023-02-01", 0.0)])
def test_who_left_hospital_on_the_first_day_of_the_window_had_left_before_it(left, score):
    stays = pd.DataFrame({"person_id": ["a"], "source": "inpatient", "kind": "inpatient_unplanned"})
    stays = stays.assign(start=pd.Timestamp("2022-12-01"), end=pd.Timestamp(left))
    registers = registers_of({"a": ["I10"]}, time="2020-06-01", stays=stays)
    found = scores(HospitalFrailty(source="inpatient", lookback_days=365), registers, "2024-01-31")
    np.testing.assert_equal(found["a"], score)


@pytest.mark.parametrize("builder", [Charlson(source="inpatient"), Elixhauser(source="inpatient"), HospitalFrailty()])
def test_stays_without_any_diagnoses_are_unknown_not_zero(builder):
    stays = pd.DataFrame({"person_id": ["a"], "source": "inpatient", "kind": "inpatient_unplanned"})
    stays = stays.assign(start=pd.Timestamp("2023-05-01"), end=pd.Timestamp("2023-05-09"))
    assert scores(builder, registers_of({"a": ["I10"]}, stays=stays))["a"] == 0
    assert scores(builder, registers_of({"a": []}, stays=stays)).isna().all()


# --- against a walk through the records ------------------------------------------------------------------------------

_diagnosis = st.tuples(
    st.sampled_from(
        ["I50.9", "E11.9", "E11.4", "C61", "C79.5", "I10", "F00.1", "F00.9", "S72.0", "E66.9", "K70.3", "K70.4"]
    ),
    st.sampled_from([0, 1, 30, 31, 364, 365, 366, 800]),
    st.sampled_from(["inpatient", "inpatient", "primary_care"]),
)
WALKED = [
    (Charlson, "charlson_quan2005", "quan2011", None),
    (Elixhauser, "elixhauser_quan2005", "vanwalraven2009", None),
    (HospitalFrailty, "hfrs", "gilbert2018", "inpatient"),
    (DeficitCount, "deficits", "equal", None),
]


@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(_diagnosis, max_size=8), st.sampled_from([365, 31, None]), st.sampled_from([0, 30]))
def test_every_score_equals_a_walk_through_the_records(diagnoses, lookback, skip):
    index = pd.Timestamp(INDEX_DATE)
    rows = [(1, index - pd.Timedelta(days=days), source, code) for code, days, source in diagnoses]
    rows += [(2, index, source, "Z00") for source in ("inpatient", "primary_care")]
    events = pd.DataFrame(rows, columns=["person_id", "time", "source", "code"]).assign(code_system="ICD-10")
    persons = pd.DataFrame({"person_id": [1, 2], "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    registers = Registers(persons, events, extract_date="2024-06-01")
    seen = [(code.replace(".", ""), source) for code, days, source in diagnoses if skip < days <= (lookback or days)]
    for builder, name, weights, source in WALKED:
        made = builder(lookback_days=lookback, skip_days=skip)
        if builder is DeficitCount:
            made.set_params(as_share=False, medicine_source=None)
        codes = [code for code, of in seen if source in (None, of)]
        expected = _walked(load_score(name), weights, codes) if codes or source is None else np.nan
        np.testing.assert_allclose(scores(made, registers).loc[1], expected, atol=1e-4)


def _walked(table, weights: str, codes: list[str]) -> float:
    """Weights of the groups that a code belongs to, save those whose severer form is there."""
    groups = {
        group
        for group, prefixes in table.codelist.groups.items()
        if any(system == "ICD-10" and code.startswith(prefix) for system, prefix in prefixes for code in codes)
    }
    return sum(table.weights[weights].get(group, 0) for group in groups if table.superseded_by.get(group) not in groups)
