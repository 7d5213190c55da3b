"""Who is listed, in which order, and who is not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicenee.exceptions import ModelError
from servicenee.lists import segment_list
from servicenee.registers import Registers

DATE = pd.Timestamp("2024-01-01")


def test_the_highest_risks_of_each_area_are_listed_in_order(listing):
    rows = listing().rows
    assert rows["group"].tolist() == ["Kokkola"] * 3 + ["Veteli"] * 3
    assert rows["place"].tolist() == [1, 2, 3, 1, 2, 3]
    assert rows["person_id"].tolist() == ["p0000", "p0002", "p0004", "p0001", "p0003", "p0005"]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    risk=st.lists(st.sampled_from([0.0, 0.1, 0.1 + 1e-14, 0.5, 1.0, np.nan]), min_size=12, max_size=12),
    capacity=st.integers(1, 7),
)
def test_capacity_is_kept_and_nobody_is_listed_without_a_risk(risk, capacity, listing, make_county, make_scores):
    registers = make_county(12)
    made = listing(registers, make_scores(registers, risk), capacity=capacity)
    assert made.rows["risk"].notna().all()
    assert (made.rows["reasons"] != "").all(), "nobody is listed without a reason"
    assert made.rows.groupby("group").size().le(capacity).all()
    able = np.isfinite(risk)
    for group, own in (("Kokkola", able[0::2]), ("Veteli", able[1::2])):
        assert (made.rows["group"] == group).sum() == min(capacity, own.sum())


def test_ties_go_by_rank_whatever_the_order_of_the_rows(listing, make_county, make_scores):
    registers = make_county(20)
    scores = make_scores(registers, np.full(20, 0.25))
    shuffled = scores.sample(frac=1, random_state=3)
    expected = listing(registers, scores).rows
    assert expected["person_id"].tolist()[:3] == ["p0000", "p0002", "p0004"]
    pd.testing.assert_frame_equal(listing(registers, shuffled).rows, expected)


def test_a_mapping_gives_each_area_its_own_capacity(listing):
    made = listing(capacity={"Kokkola": 1, "Veteli": 4})
    assert made.groups["listed"].tolist() == [1, 4]


def test_a_mapping_must_name_every_area_and_may_give_none_of_them_a_list(listing):
    assert listing(capacity={"Kokkola": 0, "Veteli": 2}).groups["listed"].tolist() == [0, 2]
    with pytest.raises(ValueError, match=r"`capacity` must name every group; 1 of 2 are missing: 'Veteli'"):
        listing(capacity={"Kokkola": 1})


def test_without_a_capacity_twenty_of_each_area_are_listed(listing):
    assert listing(capacity=None).groups["listed"].tolist() == [20, 20]


@pytest.mark.parametrize("capacity", [0, -1, 2.5, True], ids=repr)
def test_a_capacity_must_be_a_count(capacity, listing):
    with pytest.raises(ValueError, match="`capacity` must be a whole number of at least 1"):
        listing(capacity=capacity)


def test_dead_moved_and_unscored_persons_are_left_out_and_counted(listing, make_county, make_scores):
    death, moved = pd.Series(pd.NaT, index=range(60)), pd.Series(pd.NaT, index=range(60))
    death[0], moved[[0, 1, 2]] = pd.Timestamp("2023-11-01"), pd.Timestamp("2023-06-01")
    registers = make_county(death_date=pd.to_datetime(death), registered_to=pd.to_datetime(moved))
    risk = np.linspace(0.6, 0.01, 60)
    risk[3] = np.nan
    made = listing(registers, make_scores(registers, risk))
    assert made.rows["person_id"].tolist() == ["p0004", "p0006", "p0008", "p0005", "p0007", "p0009"]
    counts = dict(zip(made.counts["what"], made.counts["n"], strict=True))
    left_out = {name: n for name, n in counts.items() if n}
    assert left_out == {"able": 56, "listed": 6, "review": 4, "dead": 1, "moved": 2, "no_risk": 1}


def test_the_base_rate_is_that_of_the_area_or_of_all_where_it_is_small(listing, make_county, make_scores):
    registers = make_county(45, areas=("Kokkola", "Kokkola", "Veteli"))
    scores = make_scores(registers)
    rows = listing(registers, scores, capacity=1).rows.set_index("group")
    kokkola = scores["risk"].to_numpy()[registers.persons["area"] == "Kokkola"]
    assert rows.loc["Kokkola", "base_rate"] == pytest.approx(kokkola.mean())
    assert "alueella 31 sadasta" in rows.loc["Kokkola", "reading"]
    assert rows.loc["Veteli", "base_rate"] == pytest.approx(scores["risk"].mean())
    assert "kaikilla arvioiduilla 30 sadasta" in rows.loc["Veteli", "reading"]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("fi", "Palvelutarve voi kasvaa\n12 sadasta, alueella 6 sadasta (noin 2\u2011kertainen)"),
        ("sv", "Servicebehovet kan öka\n12 av 100, i området 6 av 100 (ungefär 2 gånger så hög)"),
        ("en", "Service need may grow\n12 of 100, in the area 6 of 100 (about 2 times as high)"),
    ],
)
def test_a_risk_is_told_against_the_base_rate(language, expected, listing, make_county, make_scores):
    registers = make_county(42, areas=("Kokkola", "Veteli"))
    risk = np.r_[0.12, 0.12, np.full(40, 0.057)]
    assert listing(registers, make_scores(registers, risk), language=language).rows["reading"][0] == expected


def test_the_reading_of_a_usual_risk_does_not_speak_of_growing_need(listing, make_county, make_scores):
    registers = make_county(42)
    readings = listing(registers, make_scores(registers, np.full(42, 0.004))).rows["reading"]
    assert readings[0] == "Ei tavallista suurempi\n4 tuhannesta, alueella 4 tuhannesta (suunnilleen sama)"


def test_a_row_shows_what_a_coordinator_needs_and_no_more(listing):
    row = listing().rows.iloc[2]
    assert row["age_band"] == "85–94"
    assert row["language"] == "ruotsi"
    assert row["services"] == "säännöllinen kotihoito, sairaalassa (päivystyksellisesti)"
    assert row["reasons"] == "• Päivystyskäynnit: 4 (yleensä 0)\n• Kognitio: 2 (yleensä 0)"
    assert row["source"] == "round_the_clock 1.2.0, 1.1.2024"
    assert (row[["decision", "decision_reason", "decision_date", "coping", "free_text"]] == "").all()


def test_only_stays_that_go_on_at_the_index_date_are_current_services(listing):
    rows = listing(language="en").rows.set_index("person_id")
    assert rows.loc["p0000", "services"] == "regular home care"
    assert rows.loc["p0002", "services"] == "no ongoing service spells"


@pytest.mark.parametrize(
    ("born", "band"),
    [
        ("1929-01-01", "95 tai yli"),
        ("1929-01-02", "85–94"),
        ("1949-01-01", "75–84"),
        ("1949-01-02", "65–74"),
        ("1959-01-02", "alle 65"),
    ],
)
def test_age_bands_change_on_the_birthday(born, band, listing, make_county):
    registers = make_county(2, areas=("Kokkola",), birth_date=pd.Timestamp(born))
    assert listing(registers).rows["age_band"].tolist() == [band] * 2


def test_reasons_are_asked_for_the_listed_persons_alone(listing, make_model):
    model = make_model()
    rows = listing(model=model).rows
    assert model.asked == [[(person, DATE) for person in rows["person_id"]]]


def test_a_person_without_a_displayable_reason_is_listed_with_a_sentence_that_says_so(listing, make_model):
    model = make_model(feature_table=make_model().feature_table.iloc[2:])
    rows = listing(model=model, language="sv").rows
    assert set(rows["reasons"]) == {"• Ingen enskild uppgift att visa: bedömningen grundar sig på helheten."}


def test_knowledge_management_holds_counts_and_no_person(listing, make_model):
    model = make_model()
    made = listing(model=model, purpose="knowledge_management")
    assert len(made.rows) == 0
    assert model.asked == []
    assert made.groups["listed"].tolist() == [3, 3]
    assert "p0000" not in made._repr_html_()


def test_a_list_may_be_divided_by_another_column_of_persons(listing):
    made = listing(by="team")
    assert made.groups["group"].tolist() == ["team 0", "team 1", "team 2"]
    assert made.frame.columns[:5].tolist() == ["Sija", "Tunniste", "Ikä", "Tiimi", "Alue"]


def test_persons_without_an_area_form_a_group_of_their_own_at_the_end(listing, make_county):
    registers = make_county(4, area=["Åbo", None, "Veteli", "Äänekoski"])
    rows = listing(registers).rows
    assert rows["group"].tolist() == ["Veteli", "Åbo", "Äänekoski", "Ei tiedossa"]


def test_integer_ids_come_back_as_they_went_in(listing, make_county):
    county = make_county(4)
    persons, events = county.persons.assign(person_id=[7, 8, 9, 10]), county.events.assign(person_id=7)
    registers = Registers(persons, events, extract_date=DATE)
    assert listing(registers).rows["person_id"].tolist() == [7, 9, 8, 10]


def test_scores_of_another_model_or_version_are_refused(listing, make_model):
    with pytest.raises(ModelError, match="`model` must be the one that made the scores"):
        listing(model=make_model(version="2.0.0"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda scores: scores.reset_index(), "`scores` must have the index"),
        (lambda scores: scores.drop(columns="rank"), r"missing \['rank'\]"),
        (lambda scores: pd.concat([scores, scores]), "got 60 repeated rows"),
        (lambda scores: scores.assign(risk=1.5), "60 of 60 values are not"),
        (lambda scores: scores.assign(risk=-0.1), "`scores.risk` must be probabilities between 0 and 1"),
        (
            lambda scores: scores.rename(index={"p0000": "nobody"}, level="person_id"),
            "1 of 60 are not in the persons table",
        ),
        (
            lambda scores: pd.concat([scores, scores.rename(index={DATE: pd.Timestamp("2023-01-01")})]),
            "`scores` must hold one index date; got 2",
        ),
    ],
    ids=["no index", "no rank", "repeated", "no probability", "below zero", "unknown person", "two dates"],
)
def test_unusable_scores_are_refused_without_naming_anyone(spoil, message, listing, make_county, make_scores):
    registers = make_county()
    with pytest.raises(ValueError, match=message) as refusal:
        listing(registers, spoil(make_scores(registers)))
    assert "p00" not in str(refusal.value)
    assert "nobody" not in str(refusal.value)


def test_purpose_has_no_default_and_options_are_checked(listing, make_county, make_scores, make_model):
    registers = make_county()
    with pytest.raises(TypeError, match="purpose"):
        segment_list(make_scores(registers), registers, model=make_model())
    with pytest.raises(ValueError, match="`purpose` must be one of"):
        listing(purpose="research")
    with pytest.raises(ValueError, match="`language` must be one of"):
        listing(language="de")
    with pytest.raises(ValueError, match="`by` must be a column of the persons table"):
        listing(by="region")


def test_the_repr_shows_no_person(listing):
    expected = "SegmentList(client_work, fi, by area, model round_the_clock 1.2.0, data 2024-01-01)"
    assert repr(listing()) == expected


def test_the_notebook_view_is_escaped(listing, make_county):
    registers = make_county(areas=("<b>Kokkola</b>", "Veteli"))
    view = listing(registers)._repr_html_()
    assert "&lt;b&gt;Kokkola" in view
    assert "<b>Kokkola" not in view
    assert "Ympärivuorokautisen hoivan alkaminen, seuraavat 12 kk" in view
