"""Medicines in use: what counts as a substance, and what a burden adds up to."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from servicenee import Codelist, Cohort, FeatureSet, Medicines, Registers, check_leakage
from servicenee.codes import load_score

EVERYTHING = ("substances", "polypharmacy", "anticholinergic", "dose_dispensing")


def row_of(builder, purchases: str, *, date="2024-01-01", more=(), **registers) -> dict[str, float]:
    """The builder's columns for one person with purchases written 'C07AB02 2023-11-01, ...'."""
    rows = [("medication", "ATC", *purchase.split()) for purchase in purchases.split(", ") if purchase]
    rows += [("medication", "ATC", "C10AA05", "2000-01-01"), *more]
    events = pd.DataFrame(rows, columns=["source", "code_system", "code", "time"])
    events = events.assign(time=pd.to_datetime(events["time"]), person_id=1)
    persons = pd.DataFrame({"person_id": [1], "birth_date": [pd.Timestamp("1940-01-01")], "sex": ["female"]})
    tables = Registers(persons, events, extract_date="2024-06-01", **registers)
    cohort = Cohort.from_frame(tables, pd.DataFrame({"person_id": [1], "index_date": [date]}))
    return builder.fit_transform(cohort).iloc[0].to_dict()


def bought(*codes: str, day="2023-11-01") -> str:
    return ", ".join(f"{code} {day}" for code in codes)


@pytest.mark.parametrize(
    ("purchases", "substances"),
    [
        ("", 0),
        (bought("C07AB02"), 1),
        (bought("C07AB02") + ", " + bought("C07AB02", day="2023-12-01"), 1),  # bought twice
        (bought("c07ab02", "C07AB02."), 1),  # two spellings
        (bought("C07AB02", "C07AB07"), 2),
        (bought("D07AC01", "V03AE01", "J07BB02"), 0),  # skin, various, vaccine
        (bought("J01CA04"), 1),  # an antibiotic is no vaccine
        (bought("A12AX", "N05", "E0000UV", "012345"), 0),  # no substance, pseudo code, product number
        (bought("C07AB02", day="2023-10-03"), 1),  # 90 days before
        (bought("C07AB02", day="2023-10-02"), 0),
        (bought("C07AB02", day="2024-01-01"), 0),  # on the index date
    ],
)
def test_a_substance_counts_once_within_90_days(purchases, substances):
    assert row_of(Medicines("substances"), purchases) == {"substances_90d": substances}


@pytest.mark.parametrize(("n", "five", "ten"), [(4, 0, 0), (5, 1, 0), (9, 1, 0), (10, 1, 1)])
def test_polypharmacy_begins_at_five_and_ten(n, five, ten):
    codes = [f"C07AB{number:02d}" for number in range(1, n + 1)]
    found = row_of(Medicines("polypharmacy"), bought(*codes, "D07AC01"))
    assert found == {"polypharmacy_5_90d": five, "polypharmacy_10_90d": ten}


@pytest.mark.parametrize(
    ("codes", "boustani", "acbcalc", "kiesel"),
    [
        (["N06AA09"], 3, 3, 3),  # amitriptyline
        (["N05AD01"], 1, 2, 0),  # haloperidol: the lists disagree
        (["N06AA09", "C03CA01", "C07AB02"], 5, 5, 3),  # amitriptyline, furosemide, metoprolol
        (["N04AA02"], 0, 0, 0),  # biperiden: in no list
        (["N06AA09", "N06AA09"], 3, 3, 3),
        (["C09AA02"], 0, 0, 0),
    ],
)
def test_anticholinergic_burden_by_list(codes, boustani, acbcalc, kiesel):
    for name, expected in (("boustani2008", boustani), ("acbcalc2023", acbcalc), ("kiesel2018", kiesel)):
        found = row_of(Medicines("anticholinergic", anticholinergic=name), bought(*codes))
        assert found == {f"anticholinergic_{name}_90d": expected}


@pytest.mark.parametrize("name", ["boustani2008", "acbcalc2023", "kiesel2018"])
def test_every_listed_substance_alone_gives_its_score(name):
    table = load_score("anticholinergic")
    codes = table.codelist.frame().set_index("group")["prefix"]
    persons = pd.DataFrame({"person_id": codes.index, "birth_date": pd.Timestamp("1940-01-01"), "sex": "male"})
    events = pd.DataFrame(
        {
            "person_id": codes.index,
            "time": pd.Timestamp("2023-11-01"),
            "source": "medication",
            "code_system": "ATC",
            "code": codes.to_numpy(),
        }
    )
    registers = Registers(persons, events, extract_date="2024-06-01")
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": codes.index, "index_date": "2024-01-01"}))
    found = Medicines("anticholinergic", anticholinergic=name).fit_transform(cohort).iloc[:, 0]
    expected = [table.weights[name].get(substance, 0) for substance in codes.index]
    assert found.droplevel("index_date").loc[codes.index].tolist() == expected


def test_groups_count_substances_in_each():
    found = row_of(Medicines((), by="medicine_groups"), bought("N05AH04", "N05AX08", "N05BA01", "N05A", "E0000UV"))
    assert found["substances_antipsychotics_90d"] == 2
    assert found["substances_sedatives_90d"] == 1
    assert found["substances_dementia_medicines_90d"] == 0


def test_dose_dispensing_is_known_only_where_it_is_recorded():
    builder = Medicines("dose_dispensing", lookback_days=(90, 365))
    assert all(np.isnan(value) for value in row_of(builder, bought("C07AB02")).values())
    marked = [("medication", "dose_dispensing", "yes", "2023-05-01")]
    assert row_of(builder, "", more=marked) == {"dose_dispensing_90d": 0, "dose_dispensing_365d": 1}


def test_the_drug_of_an_adverse_effect_in_hospital_is_no_purchase():
    beside = [("inpatient", "ATC", "N06AA09", "2023-11-01")]
    assert set(row_of(Medicines(), "", more=beside).values()) == {0}


def test_purchases_not_covered_are_missing():
    coverage = pd.DataFrame({"source": ["medication"], "from": pd.to_datetime(["2023-11-01"])})
    found = row_of(Medicines(lookback_days=(30, 90)), bought("C07AB02", day="2023-12-20"), coverage=coverage)
    assert found["substances_30d"] == 1
    assert [name for name, value in found.items() if np.isnan(value)] == [
        "substances_90d",
        "polypharmacy_5_90d",
        "polypharmacy_10_90d",
        "anticholinergic_acbcalc2023_90d",
    ]


def test_labels_name_the_list_and_never_repeat(county):
    features = FeatureSet(
        [
            ("all", Medicines(EVERYTHING, by="medicine_groups", lookback_days=(90, 365))),
            ("other", Medicines("anticholinergic", anticholinergic="boustani2008")),
        ]
    )
    table = features.describe(county)
    for language in ("fi", "sv", "en"):
        assert not table[f"label_{language}"].duplicated().any()
    burden = table[table["measure"] == "anticholinergic"]
    assert burden["label_fi"].str.contains("ACBcalc 2023|Boustani 2008").all()
    assert set(table["topic"]) == {"medicines"}


def test_medicines_see_no_future(county, seen):
    builder = Medicines(EVERYTHING, by="medicine_groups", lookback_days=(90, None))
    check_leakage(builder, seen(county, "2022-01-01", "2023-01-01")[:600])


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (Medicines("burden"), "`measures` must be one of 'substances', 'polypharmacy'"),
        (Medicines(thresholds=0), "`thresholds` must be a whole number of at least 1"),
        (Medicines(anticholinergic="acb"), "`anticholinergic` must be one of 'boustani2008'"),
        (Medicines(source="drug"), "`source` must name sources"),
        (Medicines(by="groups"), "`codes` must name a shipped list"),
        (Medicines(lookback_days=0), "`lookback_days` must be a whole number"),
    ],
)
def test_parameters_out_of_range_are_refused(builder, message):
    with pytest.raises(ValueError, match=message):
        row_of(builder, "")


# Substances that count, with their points in ACBcalc; what else is bought counts nowhere.
POINTS = {"N06AA09": 3, "N05AD01": 2, "C03CA01": 1, "C07AB02": 1, "C09AA02": 0, "A02BC02": 0}
_purchase = st.tuples(
    st.sampled_from([*POINTS, "D07AC01", "J07BB02", "V03AE01", "C03", "E0000UV"]),
    st.sampled_from([0, 1, 10, 11, 60, 89, 90, 91]),
)


@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(_purchase, max_size=12), st.sampled_from([90, 60, None]), st.sampled_from([0, 10]))
def test_every_column_equals_a_count_by_hand(purchases, lookback, skip):
    index = pd.Timestamp("2024-01-01")
    written = ", ".join(f"{code} {(index - pd.Timedelta(days=days)).date()}" for code, days in purchases)
    heart = Codelist({"heart": ["ATC:C03", "ATC:C07", "ATC:D07"]}, name="mine")
    builder = Medicines(thresholds=2, by=heart, lookback_days=lookback, skip_days=skip)
    bought_then = {code for code, days in purchases if skip < days <= (lookback or days)}
    if lookback is None:
        bought_then.add("C10AA05")  # of the year 2000, without points
    counted = bought_then & {*POINTS, "C10AA05"}
    assert list(row_of(builder, written).values()) == [
        len(counted),
        len(counted) >= 2,
        sum(POINTS.get(code, 0) for code in counted),
        len(bought_then & {"C03CA01", "C07AB02", "D07AC01"}),
    ]
