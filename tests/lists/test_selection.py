"""Who gets a place: capacity, ties, churn, new persons, hold-out, the sample for review, and both ways of cutting."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee.lists.select import HELD_OUT, LISTED, MIN_GROUP, REVIEW, choose
from servicenee.lists.terms import Terms, check_terms, places_of

UNITS = ("Halsua", "Kokkola", "Veteli")


def terms(**changed):
    usual = {
        "purpose": "client_work",
        "by": "area",
        "capacity": 3,
        "weeks": 1,
        "cut": "unit",
        "order": "risk",
        "new": "mixed",
        "n_review": 0,
        "holdout": 0.0,
        "random_state": None,
        "legal_basis": None,
    }
    return Terms(**(usual | changed))


def candidates(risk, units="Kokkola", *, on_last=(), before=(), excluded=(), segment_order=0):
    """Persons in order, named by their place; `on_last`, `before` and `excluded` hold places."""
    n = len(risk)
    place = pd.Series(range(n))
    return pd.DataFrame(
        {
            "person_id": [f"p{number}" for number in range(n)],
            "position": range(n),
            "risk": np.asarray(risk, dtype=float),
            "rank": 0.0,
            "group": units,
            "excluded": np.where(place.isin(list(excluded)), "contacted", ""),
            "on_last": place.isin(list(on_last)),
            "listed_before": place.isin([*on_last, *before]),
            "segment_order": segment_order,
        }
    )


def chosen(table, role=LISTED, **changed):
    made, _ = choose(table, terms(**changed))
    return made.loc[made["role"] == role, "position"].tolist()


CANDIDATES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.1 + 1e-14, 0.3, 0.9]),
        st.sampled_from(UNITS),
        st.booleans(),  # on the last list
        st.booleans(),  # excluded
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40)
@given(
    people=CANDIDATES,
    capacity=st.one_of(st.integers(1, 6), st.floats(0.05, 0.6), st.just({"Halsua": 0, "Kokkola": 2, "Veteli": 5})),
    weeks=st.integers(1, 3),
    cut=st.sampled_from(["unit", "county"]),
    new=st.sampled_from(["mixed", "first"]),
    holdout=st.sampled_from([0.0, 0.3]),
)
def test_capacity_is_never_exceeded_and_nobody_excluded_is_chosen(people, capacity, weeks, cut, new, holdout):
    risk, units, on_last, excluded = (list(column) for column in zip(*people, strict=True))
    table = candidates(risk, units).assign(on_last=on_last, listed_before=on_last)
    table["excluded"] = np.where(excluded, "contacted", "")
    made, groups = choose(
        table,
        terms(capacity=capacity, weeks=weeks, cut=cut, new=new, holdout=holdout, n_review=2, random_state=1),
    )
    listed = made[made["role"] == LISTED]
    assert not set(made["position"]) & set(np.flatnonzero(excluded))
    assert made["position"].is_unique
    assert len(listed) <= groups["capacity"].sum()
    if cut == "unit":
        assert (groups["listed"] <= groups["capacity"]).all()
        able = table[table["excluded"] == ""].groupby("group").size()
        open_places = groups.set_index("group")["capacity"].clip(upper=able.reindex(groups["group"]).fillna(0))
        filled = groups.set_index("group")["listed"] + groups.set_index("group")["held_out"]
        assert (filled >= open_places).all(), "no place stays empty while somebody could have it"
    assert listed["week"].between(1, weeks).all()


@settings(max_examples=15)
@given(people=CANDIDATES, shuffle=st.randoms(use_true_random=False))
def test_ties_and_draws_do_not_depend_on_the_order_of_the_rows(people, shuffle):
    risk, units, on_last, _ = (list(column) for column in zip(*people, strict=True))
    table = candidates(risk, units).assign(on_last=on_last, listed_before=on_last)
    order = list(range(len(table)))
    shuffle.shuffle(order)
    options = {"holdout": 0.2, "n_review": 3, "random_state": 7}
    first, _ = choose(table, terms(**options))
    second, _ = choose(table.iloc[order].reset_index(drop=True), terms(**options))
    columns = ["position", "role", "place", "week"]
    pd.testing.assert_frame_equal(first[columns], second[columns])


@pytest.mark.parametrize(
    ("on_last", "listed", "why"),
    [
        ((), [0, 1, 2, 3], "highest risks first"),
        ((4,), [0, 1, 2, 4], "one place below the cut: stays"),
        ((5,), [0, 1, 2, 3], "two below: 1.25 times four places is five"),
        ((1, 2), [0, 1, 2, 3], "above the cut anyway"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whoever_was_listed_stays_a_little_longer(on_last, listed, why):
    risk = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    assert chosen(candidates(risk, on_last=on_last), capacity=4) == listed, why


def test_new_persons_first_fills_the_rest_with_those_known():
    table = candidates([0.9, 0.8, 0.7, 0.6], on_last=(0,), before=(1,))
    assert chosen(table, capacity=3, new="first") == [2, 3, 0]


def test_by_segment_then_risk():
    table = candidates([0.9, 0.8, 0.7, 0.6], segment_order=[1, 0, 1, 0])
    assert chosen(table, capacity=3, order="segment") == [1, 3, 0]


def test_the_whole_capacity_can_go_to_the_highest_risks_of_the_county_and_both_cuts_are_shown():
    table = candidates([0.9, 0.8, 0.7, 0.6, 0.2, 0.1], ["Kokkola"] * 4 + ["Veteli"] * 2)
    _, by_unit = choose(table, terms(capacity=2))
    _, by_county = choose(table, terms(capacity=2, cut="county"))
    assert by_unit[["group", "listed", "other_cut"]].to_numpy().tolist() == [["Kokkola", 2, 4], ["Veteli", 2, 0]]
    assert by_county[["group", "listed", "other_cut"]].to_numpy().tolist() == [["Kokkola", 4, 2], ["Veteli", 0, 2]]
    assert by_unit["lowest_risk"].tolist() == [0.8, 0.1]


def test_a_unit_without_capacity_gets_no_list_whatever_the_cut():
    table = candidates([0.9, 0.8, 0.7, 0.6], ["Veteli", "Kokkola"] * 2)
    _, by_county = choose(table, terms(capacity={"Kokkola": 3, "Veteli": 0}, cut="county"))
    assert by_county.set_index("group")["listed"].to_dict() == {"Kokkola": 2, "Veteli": 0}


@pytest.mark.parametrize("capacity", range(20, 41))
def test_whoever_is_held_out_below_the_last_place_is_not_counted_as_held_out(capacity):
    """Wherever the cut falls: also where the next person below it happens to be drawn out."""
    risk = np.linspace(0.9, 0.1, 200)
    chosen, _ = choose(candidates(risk), terms(capacity=capacity, holdout=0.3, random_state=5))
    listed, held = (chosen.loc[chosen["role"] == role, "risk"] for role in (LISTED, HELD_OUT))
    assert len(listed) == capacity
    assert held.min() > listed.min()


def test_the_sample_for_review_does_not_stand_in_order_of_risk():
    people = candidates(np.linspace(0.1, 0.9, 60))
    sample = chosen(people, REVIEW, n_review=8, random_state=0)
    assert len(sample) == 8
    assert sample == sorted(sample), "in order of person: the riskiest would stand first otherwise"


@pytest.mark.parametrize(("n", "own"), [(MIN_GROUP - 1, False), (MIN_GROUP, True)])
def test_a_unit_is_its_own_yardstick_from_the_smallest_size_on(n, own):
    units = np.repeat(["Halsua", "Veteli"], [n, 3 * MIN_GROUP])
    made, groups = choose(candidates(np.linspace(0.9, 0.1, len(units)), units), terms())
    of_unit = made[made["group"] == "Halsua"]
    rate = groups.set_index("group").loc["Halsua", "base_rate"] if own else 0.5
    assert (of_unit["own_base"] == own).all()
    np.testing.assert_allclose(of_unit["base_rate"], rate)


def test_what_the_order_of_additions_leaves_behind_decides_no_place():
    assert chosen(candidates([0.1, 0.1 + 1e-14, 0.1]), capacity=2) == [0, 1]


@pytest.mark.parametrize("new", ["mixed", "first"])
@pytest.mark.parametrize("seed", range(12))
def test_the_listed_are_those_who_would_be_listed_if_nobody_had_been_held_out(seed, new):
    on_last = np.flatnonzero(np.random.default_rng(seed).random(40) < 0.4)
    people = candidates(np.linspace(0.9, 0.1, 40), on_last=on_last)
    drawing = {"holdout": 0.4, "random_state": seed, "new": new}
    held = chosen(people, HELD_OUT, capacity=40, **drawing)
    alone = people[~people["position"].isin(held)]
    assert sorted(chosen(people, capacity=8, **drawing)) == sorted(chosen(alone, capacity=8, new=new))


@pytest.mark.parametrize("seed", range(8))
def test_where_there_is_room_for_all_everybody_is_listed_or_held_out(seed):
    people, drawing = candidates([0.5, 0.4, 0.3]), {"holdout": 0.5, "random_state": seed}
    listed = chosen(people, capacity=20, **drawing)
    for capacity in (20, max(1, len(listed))):  # more places than persons, and just enough
        held = chosen(people, HELD_OUT, capacity=capacity, **drawing)
        assert sorted(chosen(people, capacity=capacity, **drawing) + held) == [0, 1, 2]


def test_held_out_persons_use_no_place_stand_above_the_cut_and_stay_the_same_with_the_seed():
    risk = np.linspace(0.9, 0.1, 400)
    first, groups = choose(candidates(risk), terms(capacity=100, holdout=0.2, random_state=5))
    listed, held = (first.loc[first["role"] == role, "position"] for role in (LISTED, HELD_OUT))
    assert len(listed) == 100
    assert held.max() < listed.max(), "the list would have reached them"
    assert 12 <= len(held) <= 40, "about a fifth of 125"
    assert groups["held_out"].tolist() == [len(held)]
    again, _ = choose(candidates(risk[::-1]), terms(capacity=300, holdout=0.2, random_state=5))
    later = set(again.loc[again["role"] == HELD_OUT, "position"])
    assert len(set(held) & later) == len([person for person in held if person in set(again["position"])])


def test_the_sample_is_drawn_from_those_not_reached_and_follows_the_seed():
    table = candidates(np.linspace(0.9, 0.1, 50), ["Kokkola"] * 25 + ["Veteli"] * 25)
    drawn = chosen(table, REVIEW, n_review=4)
    assert len(drawn) == 8
    assert not set(drawn) & set(chosen(table, n_review=4))
    assert drawn == chosen(table, REVIEW, n_review=4), "without a seed the same input gives the same sample"
    assert drawn != chosen(table, REVIEW, n_review=4, random_state=3)
    assert drawn[:4] == sorted(drawn[:4]), "in order of person, which tells nothing of the risk"


def test_no_sample_is_drawn_for_knowledge_management():
    assert chosen(candidates([0.5] * 9), REVIEW, n_review=4, purpose="knowledge_management") == []


@pytest.mark.parametrize(
    ("capacity", "weeks", "places"),
    [(3, 1, [3, 3]), (3, 4, [12, 12]), (0.07, 1, [7, 0]), (0.01, 4, [4, 0]), (None, 2, [40, 40])],
)
def test_places_are_per_unit_and_week_and_shares_are_rounded_down(capacity, weeks, places):
    assert list(places_of(capacity, {"Kokkola": 100, "Veteli": 9}, weeks).values()) == places


def test_weeks_go_by_place():
    made, _ = choose(candidates(np.linspace(0.9, 0.1, 20)), terms(capacity=2, weeks=3))
    assert made["week"].tolist() == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cut": "team"}, "`cut` must be one of 'unit', 'county'"),
        ({"weeks": 0}, "`weeks` must be a whole number of at least 1"),
        ({"n_review": -1}, "`n_review` must be a whole number of at least 0"),
        ({"holdout": 0.1}, "`random_state` must be given with `holdout`"),
        ({"holdout": 0.9, "random_state": 1}, "`holdout` must be at most 0.5"),
        ({"order": "segment"}, "`segments` must be given to list by segment"),
        ({"new": "only"}, "`previous` must be given with new='only'"),
        ({"legal_basis": " "}, "`legal_basis` must name the section of law"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_terms_that_contradict_each_other_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        check_terms(terms(**changed), has_segments=False, has_previous=False)


def test_no_choice_of_a_list_removes_or_delays_anything():
    """The score adds an offer: no parameter, column or role of a list takes a service away."""
    import inspect

    from servicenee.lists import SegmentList, segment_list

    names = [*inspect.signature(segment_list).parameters, *dir(SegmentList)]
    assert [name for name in names if any(word in name for word in ("remove", "deny", "stop", "delay", "refuse"))] == []
