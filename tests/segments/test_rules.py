"""Rules: everybody in exactly one segment, by the first rule that holds; registers never fill the client's axis."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee import Population, RuleSegmenter
from servicenee.segments import load_scheme, scheme_features, scheme_segments, shipped_schemes

NAMES = {
    "n": "n_chronic_conditions_1825d",
    "stays": "stay_count_inpatient_unplanned_365d",
    "home_care": "in_stay_home_care",
    "round": "in_stay_round_the_clock",
    "diabetes": "condition_diabetes_1825d",
}


def person(**values) -> pd.DataFrame:
    """One row with these columns; the others are 0."""
    return pd.DataFrame([{long: float(values.get(short, 0)) for short, long in NAMES.items()}])


@pytest.mark.parametrize(
    ("values", "segment", "rule"),
    [
        ({}, "general_support", 7),
        ({"n": 1}, "general_support", 7),
        ({"n": 1, "diabetes": 1}, "disease_management", 6),
        ({"n": 2}, "disease_management", 5),
        ({"n": 3, "stays": 1}, "disease_management", 5),
        ({"n": 3, "stays": 2}, "case_management", 4),
        ({"n": 5}, "case_management", 3),
        ({"home_care": 1}, "case_management", 2),
        ({"home_care": 1, "round": 1, "n": 5}, "case_management", 1),
    ],
    ids=str,
)
def test_the_needs_pyramid_and_the_rule_that_fired(values, segment, rule):
    X = person(**values)
    fired = RuleSegmenter("needs_pyramid").fit(X).fired(X)
    assert fired[["rule", "segment"]].to_numpy().tolist() == [[rule, segment]]


@pytest.mark.parametrize(
    ("n", "coping", "suuntima", "uusimaa"),
    [
        (4, None, "burden_high", "burden_high"),
        (4, 1, "collaboration", "cooperation"),
        (4, 0, "network", "caring"),
        (0, None, "burden_low", "burden_low"),
        (0, 1, "self_directed", "self_directed"),
        (0, 0, "community", "supported"),
    ],
    ids=str,
)
def test_the_second_axis_is_what_client_and_professional_say(n, coping, suuntima, uusimaa):
    X = person(n=n).assign(coping_assessed=np.array([coping], dtype=float))
    for scheme, expected in (("suuntima", suuntima), ("uusimaa_nelikentta", uusimaa)):
        assert RuleSegmenter(scheme).fit(X).scores(X)["segment"].tolist() == [expected]


FOUR_FIELDS = ["suuntima", "uusimaa_nelikentta", "paijat_hame"]


@pytest.mark.parametrize("scheme", FOUR_FIELDS)
def test_registers_alone_place_nobody_on_the_second_axis(county, scheme):
    cohort = Population(65).at(county, "2022-01-01")
    X = scheme_features(1095).fit_transform(cohort)
    found = set(RuleSegmenter(scheme).fit(X).scores(X)["segment"])
    axes = scheme_segments(scheme).set_index("segment")
    assert found == {"burden_high", "burden_low"}
    assert (axes.loc[sorted(found), "second_axis"] == "").all()


@pytest.mark.parametrize("scheme", shipped_schemes())
def test_no_one_is_called_self_managing_because_registers_are_silent(scheme):
    table = scheme_segments(scheme)
    silent = load_scheme(scheme)["segment"].iloc[-1]
    words = " ".join(table.loc[table["segment"] == silent, ["label_fi", "label_sv", "label_en"]].iloc[0]).lower()
    for claim in ("omatoimi", "pärjää hyvin", "självständig", "självgående", "self-manag", "self-directed"):
        assert claim not in words


@pytest.mark.parametrize("scheme", shipped_schemes())
def test_a_shipped_scheme_is_whole(scheme):
    rows, segments = load_scheme(scheme), scheme_segments(scheme)
    assert set(rows["segment"]) == set(segments["segment"])
    assert (segments[["label_fi", "label_sv", "label_en"]] != "").all(axis=None)
    assert rows["feature"].iloc[-1] == ""


@given(table=st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 6)) for _ in NAMES]), min_size=1, max_size=30))
@settings(max_examples=15)
def test_everybody_is_in_exactly_one_segment_whatever_is_missing(table):
    X = pd.DataFrame(table, columns=list(NAMES.values()), dtype=float)
    X[["in_stay_home_care", "in_stay_round_the_clock"]] = X[["in_stay_home_care", "in_stay_round_the_clock"]].clip(0, 1)
    segmenter = RuleSegmenter("needs_pyramid").fit(X)
    ones = segmenter.segment_probabilities(X).to_numpy()
    assert (ones.sum(axis=1) == 1).all()
    assert segmenter.segment_shares_.sum() == pytest.approx(1)
    # What is missing counts as not held: filled with 0 the segment is the same.
    assert np.array_equal(segmenter.predict(X), segmenter.predict(X.fillna(0.0)))


def test_a_missing_value_makes_uncertain_only_where_it_could_matter():
    X = pd.concat([person(n=5), person(), person(n=2, stays=1)], ignore_index=True)
    X.loc[0, "in_stay_home_care"] = np.nan  # rule 2 could have held
    X.loc[1, "stay_count_inpatient_unplanned_365d"] = np.nan  # rule 4 fails on the conditions anyway
    assert RuleSegmenter("needs_pyramid").fit(X).scores(X)["uncertain"].tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("contacts", "n_frequent"),
    [(list(range(100)), 10), ([0] * 95 + [7] * 5, 5), ([0] * 100, 0), ([1] * 80 + [5] * 20, 0), ([3] * 100, 0)],
    ids=["all different", "few use any", "nobody", "ties of more than a tenth", "all alike"],
)
def test_frequent_users_are_at_most_the_top_tenth(contacts, n_frequent):
    X = pd.DataFrame({"count_contacts_emergency_365d": contacts, "count_contacts_outpatient_365d": 0.0})
    found = RuleSegmenter("frequent_users").fit(X).scores(X)["segment"]
    assert (found == "frequent_user").sum() == n_frequent


def test_the_threshold_of_frequent_users_is_frozen():
    X = pd.DataFrame({"count_contacts_emergency_365d": np.arange(100.0)})
    segmenter = RuleSegmenter("frequent_users").fit(X)
    assert segmenter.thresholds_ == {"count_contacts_*_365d, top 0.1": 90.0}
    assert (segmenter.scores(X + 50)["segment"] == "frequent_user").sum() == 60


def test_reasons_are_the_comparisons_of_the_rule():
    X = pd.concat([person(n=3, stays=2), person()], ignore_index=True)
    reasons = RuleSegmenter("needs_pyramid").fit(X).explain(X)
    assert reasons.index.tolist() == [0, 0]
    assert reasons[["order", "feature", "value", "reference"]].to_numpy().tolist() == [
        [1, "n_chronic_conditions_*", 3.0, 3.0],
        [2, "stay_count_inpatient_unplanned_365d", 2.0, 2.0],
    ]


ROW = {"order": 1, "segment": "a", "feature": "x", "comparison": ">=", "value": 1}
REST = {"order": 2, "segment": "b", "feature": ""}


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ([], "got no rows"),
        ("pyramid", "`scheme` must be one of 'needs_pyramid'"),
        ([ROW], "must end with a rule without a feature"),
        ([REST | {"order": 0}, ROW, REST], "a rule after it would never fire"),
        ([ROW, ROW | {"segment": "c"}, REST], "rule 1 gives a, c"),
        ([ROW | {"comparison": "about"}, REST], "comparison of rule 1` must be one of"),
        ([ROW | {"value": "many"}, REST], "value of rule 1 must be a number; got 'many'"),
        ([ROW | {"comparison": "top_share", "value": 10}, REST], "For 10 % write 0.1"),
        ([ROW | {"feature": "z"}, REST], "`X` must have columns for the rule on 'z'; it has none"),
    ],
    ids=["empty", "unknown", "not exhaustive", "dead rule", "two segments", "comparison", "value", "share", "column"],
)
def test_schemes_are_checked(scheme, message):
    with pytest.raises(ValueError, match=message):
        RuleSegmenter(scheme).fit(pd.DataFrame({"x": [1.0, 0.0]}))


def test_a_county_edits_its_own_scheme():
    scheme = load_scheme("needs_pyramid")
    scheme.loc[scheme["order"] == 3, "value"] = 4
    X = person(n=4)
    assert RuleSegmenter(scheme).fit(X).scores(X)["segment"].tolist() == ["case_management"]
    assert RuleSegmenter("needs_pyramid").fit(X).scores(X)["segment"].tolist() == ["disease_management"]
