"""Profile, names, areas, action sheets, care gaps: right numbers, and small counts never leave."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee import segment_profile
from servicenee.segments import (
    action_sheet,
    care_gaps_by_segment,
    load_offers,
    name_segments,
    risk_by_segment,
    scheme_names,
    segments_by_area,
    shipped_schemes,
)
from servicenee.texts import LANGUAGES


def rows(profile: pd.DataFrame, feature: str, columns: list[str]) -> list[list]:
    return profile.loc[profile["feature"] == feature, columns].to_numpy().tolist()


SEGMENTS = pd.Series(["S1"] * 60 + ["S2"] * 40)


def with_condition(in_s1: int, in_s2: int) -> pd.DataFrame:
    values = [1.0] * in_s1 + [0.0] * (60 - in_s1) + [1.0] * in_s2 + [0.0] * (40 - in_s2)
    return pd.DataFrame({"condition_ckd_1825d": values})


def test_share_ratio_and_exclusivity_by_hand():
    profile = segment_profile(SEGMENTS, with_condition(6, 20))
    columns = ["segment", "n", "value", "overall", "observed_expected", "exclusivity", "over_represented"]
    assert rows(profile, "persons", ["segment", "n", "value"]) == [["S1", 60.0, 0.6], ["S2", 40.0, 0.4]]
    assert rows(profile, "condition_ckd_1825d", columns) == [
        ["S1", 6.0, 0.1, 0.26, 0.1 / 0.26, 6 / 26, False],
        ["S2", 20.0, 0.5, 0.26, 0.5 / 0.26, 20 / 26, False],  # 1.9 times expected: not twice
    ]
    stronger = segment_profile(SEGMENTS, with_condition(0, 20))
    assert rows(stronger, "condition_ckd_1825d", ["over_represented"]) == [[False], [True]]


def test_means_leave_missing_values_out():
    X = pd.DataFrame({"age": [70.0] * 60 + [80.0] * 30 + [np.nan] * 10})
    assert rows(segment_profile(SEGMENTS, X), "age", ["segment", "statistic", "n", "value"]) == [
        ["S1", "mean", 60.0, 70.0],
        ["S2", "mean", 30.0, 80.0],
    ]


@pytest.mark.parametrize(
    ("in_s1", "in_s2", "shown"),
    [(6, 20, True), (3, 20, False), (57, 20, False), (20, 38, False), (0, 0, True)],
    ids=["large enough", "3 have it", "all but 3 have it", "all but 2 of the other", "nobody has it"],
)
def test_small_counts_and_what_would_give_them_away_are_hidden(in_s1, in_s2, shown):
    profile = segment_profile(SEGMENTS, with_condition(in_s1, in_s2))
    values = profile.loc[profile["feature"] == "condition_ckd_1825d", ["n", "value"]]
    assert values.notna().all(axis=None) == shown
    assert values.isna().all(axis=None) != shown


@given(
    counts=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=2, max_size=5).filter(
        lambda cells: all(a + b >= 5 for a, b in cells)
    )
)
@settings(max_examples=60)
def test_no_small_count_can_be_read_or_computed_from_a_profile(counts):
    segments = pd.Series(np.repeat([f"S{k}" for k in range(1, len(counts) + 1)], [a + b for a, b in counts]))
    X = pd.DataFrame({"x": np.concatenate([[1.0] * a + [0.0] * b for a, b in counts])})
    profile = segment_profile(segments, X).query("feature == 'x'").set_index("segment")
    for place, (having, without) in enumerate(counts, start=1):
        shown = profile.loc[f"S{place}", "n"]
        assert np.isnan(shown) or (shown == having and having not in range(1, 5) and without not in range(1, 5))
    if profile["overall"].notna().any():  # the total is told: the hidden cells must not be computable from it
        assert profile["n"].isna().sum() != 1


def test_names_are_the_conditions_that_stand_out(five, planted):
    profile = segment_profile(five.scores(planted[0]), planted[0])
    names = name_segments(profile, {"falls": {"fi": "Kaatumiset", "sv": "Fallolyckor", "en": "Falls"}})
    assert names["codes"].tolist() == [
        "",
        "diabetes dyslipidaemia hypertension",
        "heart_failure falls incontinence",
        "depression anxiety substance_use",
        "kidney stroke atrial_fibrillation",
    ]
    assert names.loc[2, ["name_fi", "name_sv", "name_en"]].tolist() == [
        "Sydämen vajaatoiminta, kaatumiset, virtsankarkailu",
        "Hjärtsvikt, fallolyckor, urininkontinens",
        "Heart failure, falls, urinary incontinence",
    ]
    assert names.loc[0, "name_fi"] == "Vähän pitkäaikaissairauksia rekistereissä"


def test_a_frozen_model_gives_new_persons_the_same_profile(five, planted, new_persons):
    was, now = (segment_profile(five.scores(X), X) for X in (planted[0], new_persons[0]))
    names = [[set(codes.split()) for codes in name_segments(profile)["codes"]] for profile in (was, now)]
    assert names[0] == names[1]
    shares = was["statistic"] == "share"
    n = was.loc[shares, "segment"].map(was[was["statistic"] == "size"].set_index("segment")["n"])
    error = np.sqrt(2 * was.loc[shares, "value"] * (1 - was.loc[shares, "value"]) / n)
    apart = (was.loc[shares, "value"] - now.loc[shares, "value"]).abs() / error
    assert (apart < 1.96).mean() > 0.9  # bootstrap intervals of 95 %, of 120 shares


def test_areas_hide_small_counts():
    segments = pd.Series(["S1"] * 50 + ["S2"] * 3 + ["S1"] * 30 + ["S2"] * 20)
    areas = pd.Series(["Kokkola"] * 53 + ["Veteli"] * 50)
    table = segments_by_area(segments, areas)
    assert table["n"].isna().all()  # 3 in Kokkola; 50 and the totals of the segments would give it away
    assert segments_by_area(segments[53:], areas[53:])["n"].tolist() == [30.0, 20.0]


def test_an_action_sheet_tells_what_whom_who_and_how_long():
    profile = segment_profile(SEGMENTS, with_condition(0, 20))
    offers = load_offers()
    offers.loc[offers["code"] == "ckd", "capacity_per_month"] = 10
    sheet = action_sheet(name_segments(profile), profile, offers=offers, language="en").set_index("segment")
    assert sheet.loc["S1", "offer"] == "No offer agreed yet"
    assert sheet.loc["S2", ["n", "capacity_per_month", "months_to_meet"]].tolist() == [40.0, 10.0, 4.0]
    assert sheet.loc["S2", "by_whom"] == "Physician and pharmacist"


def test_shipped_offers_are_whole_and_belong_to_something():
    offers = load_offers()
    texts = [f"{part}_{language}" for part in ("offer", "for_whom", "by_whom") for language in LANGUAGES]
    assert (offers[texts] != "").all(axis=None)
    assert offers["capacity_per_month"].isna().all()  # a county fills it in
    of_schemes = {code for scheme in shipped_schemes() for code in scheme_names(scheme)["codes"]}
    assert {code for code in offers["code"] if ":" in code} <= of_schemes
    for scheme in ("needs_pyramid", "what_would_help"):
        assert set(scheme_names(scheme)["codes"]) <= set(offers["code"])


def test_persons_of_high_risk_are_grouped_by_what_would_help():
    scores = pd.DataFrame({"risk": np.linspace(0.9, 0.1, 100)})
    groups = pd.Series((["physical"] * 6 + ["cognitive"] * 4) * 10)
    table = risk_by_segment(scores, groups, capacity=0.2).set_index("segment")
    assert table.loc["physical", ["n", "n_high_risk", "share_of_high_risk"]].tolist() == [60.0, 12.0, 0.6]
    assert table.loc["cognitive", "share_high_risk"] == pytest.approx(8 / 40)


def test_care_gaps_count_only_those_who_are_due():
    X = pd.DataFrame({"care_gap_ckd_egfr_1825d": [1.0] * 10 + [0.0] * 15 + [np.nan] * 75})
    table = care_gaps_by_segment(pd.Series(["S1"] * 50 + ["S2"] * 50), X)
    assert table[["segment", "n_due", "n_gap", "share"]].to_numpy().tolist()[0] == ["S1", 25.0, 10.0, 0.4]
    assert table.loc[1, "n_due"] == 0.0
    with pytest.raises(ValueError, match=r"Add the builder CareGaps\(\)"):
        care_gaps_by_segment(SEGMENTS, with_condition(6, 20))


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (pd.Series(["S1", None]), "must give every row a segment"),
        (pd.Series(["S1", "S2"], index=[5, 6]), "with the index of `segments`"),
    ],
    ids=["missing", "other index"],
)
def test_segments_must_fit_the_table(segments, message):
    with pytest.raises(ValueError, match=message):
        segment_profile(segments, pd.DataFrame({"x": [0.0, 1.0]}))
