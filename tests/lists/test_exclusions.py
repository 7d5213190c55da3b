"""Who is never listed, by rules that a county can read and edit."""

import numpy as np
import pandas as pd
import pytest

from servicenee import Outcome, Registers
from servicenee.lists import list_rules

DATE = pd.Timestamp("2024-01-01")


def with_events(county, *events):
    """The county with (person, day, source, code_system, code) added."""
    columns = ["person_id", "time", "source", "code_system", "code"]
    added = pd.DataFrame(events, columns=columns).astype({"time": "datetime64[us]"})
    kept = county.events[columns]
    return Registers(county.persons, pd.concat([kept, added]), county.stays, extract_date=county.extract_date)


def decided(*rows):
    """Decisions as read_decisions gives them: (person, decision, reason, day)."""
    table = pd.DataFrame(rows, columns=["person_id", "decision", "decision_reason", "decision_date"])
    table["decision_date"] = pd.to_datetime(table["decision_date"])
    return table.assign(list_id="", coping="", free_text="")


def left_out(made):
    counts = dict(zip(made.counts["what"], made.counts["n"], strict=True))
    roles = ("able", "listed", "held_out", "review")
    return {name: n for name, n in counts.items() if n and name not in roles}


@pytest.mark.parametrize(
    ("decision", "reason", "day", "expected"),
    [
        ("contact", "", "2023-12-01", {"contacted": 1}),
        ("contact", "", "2023-06-01", {}),
        ("contact", "not_reached", "2023-12-01", {}),
        ("no_action", "declined", "2023-03-01", {"refused": 1}),
        ("no_action", "declined", "2022-12-01", {}),
        ("no_action", "objected", "2010-01-01", {"objected": 1}),
        ("", "objected", None, {"objected": 1}),
        ("no_action", "ongoing", "2023-12-01", {"assessment_running": 1}),
        ("no_action", "moved", "2023-12-01", {"moved": 1}),
        ("already_known", "", "2023-12-01", {"reviewed": 1}),
        ("no_action", "sufficient", "2023-12-01", {"reviewed": 1}),
        ("no_action", "", "2023-12-01", {}),
        ("wrong_data", "", "2023-12-01", {}),
    ],
)
def test_a_decision_leaves_out_for_its_time(decision, reason, day, expected, listing):
    made = listing(decisions=decided(("p0000", decision, reason, day)))
    assert left_out(made) == expected
    assert ("p0000" in set(made.rows["person_id"])) == (not expected)


def test_an_objection_ends_when_it_is_withdrawn(listing):
    objected = ("p0000", "", "objected", "2023-05-01")
    assert left_out(listing(decisions=decided(objected))) == {"objected": 1}
    withdrawn = ("p0000", "", "objection_withdrawn", "2023-06-01")
    assert left_out(listing(decisions=decided(objected, withdrawn))) == {}
    again = ("p0000", "", "objected", "2023-07-01")
    assert left_out(listing(decisions=decided(objected, withdrawn, again))) == {"objected": 1}
    undated = ("p0000", "", "objected", None)
    came_back = decided(objected, withdrawn, undated).assign(list_id="2023-04-01-0123456789")
    assert left_out(listing(decisions=came_back)) == {"objected": 1}


def test_a_decision_without_a_date_counts_from_the_date_of_its_list(listing):
    decisions = decided(("p0000", "contact", "", None))
    old = decisions.assign(list_id="2023-01-01-0123456789")
    assert left_out(listing(decisions=old)) == {}
    recent = decisions.assign(list_id="2023-12-01-0123456789")
    assert left_out(listing(decisions=recent)) == {"contacted": 1}


def test_decisions_on_unknown_persons_are_counted_in_a_warning_that_names_nobody(listing):
    from servicenee.exceptions import ServiceneeWarning

    decisions = decided(("stranger", "contact", "", "2023-12-01"), ("p0000", "contact", "", "2023-12-01"))
    with pytest.warns(ServiceneeWarning, match="1 of 2 decisions are on persons who are not in the registers") as told:
        made = listing(decisions=decisions)
    assert "stranger" not in str(told[0].message)
    assert left_out(made) == {"contacted": 1}


def test_palliative_care_and_a_running_assessment_leave_out(listing, make_county):
    county = with_events(
        make_county(),
        ("p0000", "2023-10-01", "inpatient", "ICD-10", "Z515"),
        ("p0002", "2023-12-01", "social", "service", "needs_assessment"),
        ("p0004", "2023-03-01", "social", "service", "needs_assessment"),
    )
    made = listing(county)
    assert left_out(made) == {"end_of_life": 1, "assessment_running": 1}
    assert "p0004" in set(made.rows["person_id"]), "an assessment of ten months ago is over"


def test_whoever_has_the_service_whose_start_is_assessed_is_left_out(listing, make_model):
    made = listing(model=make_model(outcome=Outcome("home_care_start")))
    assert left_out(made) == {"in_service": 2}, "p0000 and p0004 have home care"


def test_what_another_sector_knows_is_not_looked_at_without_a_legal_basis(listing, make_county, make_model):
    """A model on health care alone may be used without joining; the cover then says what was not checked."""
    county = with_events(make_county(), ("p0000", "2023-12-01", "social", "service", "needs_assessment"))
    model = make_model()
    model.feature_table = model.feature_table.assign(source="emergency")
    made = listing(county, model=model, legal_basis=None)
    assert left_out(made) == {}
    assert made.report.unchecked == ("assessment_running",)
    assert "säännöllinen kotihoito" not in " ".join(made.rows["services"]), "home care is of the other sector"


def test_a_county_adds_and_edits_rules(listing):
    rules = list_rules("exclusions")
    hospital = {"exclusion": "in_hospital", "looks_at": "stays", "codes": "stay:inpatient_unplanned", "days": ""}
    words = {f"label_{language}": "sairaalassa" for language in ("fi", "sv", "en")}
    rules.loc[len(rules)] = hospital | words | {"note": ""}
    made = listing(rules={"exclusions": rules})
    assert left_out(made) == {"in_hospital": 1}


def test_nobody_can_take_away_the_rules_that_protect(listing):
    rules = list_rules("exclusions")
    with pytest.raises(ValueError, match=r"must keep the shipped rows dead, moved, no_risk, objected"):
        listing(rules={"exclusions": rules[rules["exclusion"] == "contacted"]})
    weaker = rules.assign(days=np.where(rules["exclusion"] == "objected", "30", rules["days"]))
    with pytest.raises(ValueError, match="must keep the shipped rows objected"):
        listing(rules={"exclusions": weaker})


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"exclusion": None}, "`rules` must name tables among exclusions, hidden_reasons"),
        ({"sectors": pd.DataFrame({"source": ["a"]})}, r"`rules\['sectors'\]` must be a table with source, sector"),
        (
            {"exclusions": list_rules("exclusions").assign(days="a year")},
            "must have whole numbers or nothing as days",
        ),
    ],
    ids=["unknown table", "missing column", "days in words"],
)
def test_tables_are_checked(rules, message, listing):
    with pytest.raises(ValueError, match=message):
        listing(rules=rules)


def test_every_rule_has_words_in_every_language():
    for name, columns in (("exclusions", ("label",)), ("data_gaps", ("label", "never"))):
        rows = list_rules(name)
        for column in columns:
            for language in ("fi", "sv", "en"):
                assert (rows[f"{column}_{language}"] != "").all(), f"{name}.{column}_{language}"


def test_only_new_persons_leaves_out_and_counts_those_listed_before(listing, make_county, make_scores):
    before = listing(scores=make_scores(make_county()).rename(index={DATE: pd.Timestamp("2023-12-01")}))
    made = listing(previous=before, new="only")
    assert left_out(made) == {"listed_before": 6}
    assert not set(made.rows["person_id"]) & set(before.rows["person_id"])
