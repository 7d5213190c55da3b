"""What a row tells beside the risk: evidence, gaps, language, segment; and what may be looked at."""

import pandas as pd
import pytest

from servicenee import Assessments, Cohort, Conditions, EventCounts, FeatureSet, Population, Registers, StayDays
from servicenee.exceptions import ModelError
from servicenee.lists.evidence import latest_records
from servicenee.lists.facts import Sight, care_gaps, data_gaps
from servicenee.lists.rules import as_rules

DATE = "2024-01-01"


def registers(events=(), stays=(), **options):
    """One woman, "a", with (day, source, code_system, code[, value]) events and (start, end, source, kind) stays."""
    persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["female"]})
    columns = ["time", "source", "code_system", "code", "value"]
    listed = pd.DataFrame([(*event, None)[:5] for event in events], columns=columns).assign(person_id="a")
    listed["value"] = listed["value"].astype(float)
    kept = pd.DataFrame(list(stays), columns=["start", "end", "source", "kind"]).assign(person_id="a")
    listed["time"], kept["start"], kept["end"] = (
        pd.to_datetime(column) for column in (listed["time"], kept["start"], kept["end"])
    )
    return Registers(persons, listed, kept, extract_date=DATE, **options)


def sight(county):
    cohort = Cohort.from_frame(county, pd.DataFrame({"person_id": ["a"], "index_date": [DATE]}))
    return Sight(cohort, tuple(county.coverage_columns.source), as_rules(None))


def latest(county, builder):
    view = sight(county)
    (name,) = [feature for feature in builder.describe(county)["feature"]][:1]
    found = latest_records(builder, view.cohort, [name])
    return None if name not in found else tuple(found[name].iloc[0])


def test_the_evidence_is_the_latest_record_that_the_feature_could_see():
    county = registers(
        [
            ("2023-03-01", "emergency", "contact", "visit"),
            ("2023-12-20", "emergency", "contact", "visit"),
            ("2024-01-01", "primary_care", "contact", "visit"),
            ("2023-12-30", "primary_care", "contact", "visit"),
        ]
    )
    builder = EventCounts("contacts", source="emergency")
    assert latest(county, builder) == (pd.Timestamp("2023-12-20"), "emergency")
    assert latest(county, EventCounts("contacts", source="emergency", skip_days=30)) == (
        pd.Timestamp("2023-03-01"),
        "emergency",
    )


def test_the_evidence_of_a_stay_is_its_start():
    county = registers(stays=[("2023-02-01", "2023-02-05", "inpatient", "inpatient_unplanned")])
    assert latest(county, StayDays("inpatient_unplanned")) == (pd.Timestamp("2023-02-01"), "inpatient")


def test_the_evidence_of_a_condition_is_a_record_of_that_condition():
    county = registers(
        [
            ("2022-05-01", "primary_care", "ICD-10", "E119"),
            ("2023-05-01", "primary_care", "ICD-10", "I109"),
        ]
    )
    view = sight(county)
    builder = FeatureSet([Conditions("chronic_conditions")])
    names = [name for name in builder.describe(county)["feature"] if "diabetes" in name or "hypertension" in name]
    found = latest_records(builder, view.cohort, names)
    dates = {name.split("_")[1]: table["date"][0] for name, table in found.items()}
    assert dates == {"hypertension": pd.Timestamp("2023-05-01"), "diabetes": pd.Timestamp("2022-05-01")}


def test_the_evidence_of_a_scale_is_its_latest_valid_assessment():
    county = registers(
        [
            ("2023-05-01", "rai", "RAI", "CPS", 3),
            ("2023-06-01", "rai", "RAI", "ADLH", 2),
            ("2023-11-01", "rai", "RAI", "CPS", 8),  # did not occur
        ]
    )
    builder = Assessments("RAI:CPS", source="rai", columns="value")
    assert latest(county, builder) == (pd.Timestamp("2023-05-01"), "rai")


HOME_CARE = [("2022-01-01", None, "home_care", "home_care")]


@pytest.mark.parametrize(
    ("events", "stays", "expected"),
    [
        ([("2022-10-30", "rai", "RAI", "CPS")], HOME_CARE, "ei RAI-arviota 14 kk"),
        ([("2023-11-01", "rai", "RAI", "CPS")], HOME_CARE, None),
        ([("2022-11-01", "rai", "RAI", "CPS")], [], None),
        ([("2020-11-01", "emergency", "contact", "visit")], [], "ei kirjattuja käyntejä 37 kk"),
    ],
    ids=["old assessment", "fresh assessment", "no home care", "no contacts"],
)
def test_gaps_in_the_records_are_told_with_their_months(events, stays, expected):
    anchor = [] if expected and "käyntejä" in expected else [("2023-12-01", "emergency", "contact", "visit")]
    county = registers([*events, *anchor], stays)
    assert [gap["fi"] for gap in data_gaps(sight(county))[0]] == ([expected] if expected else [])


def test_what_a_source_does_not_cover_is_no_gap():
    coverage = pd.DataFrame({"source": ["emergency"], "from": pd.to_datetime(["2023-01-01"]), "to": [pd.NaT]})
    county = registers([("2023-01-02", "emergency", "contact", "visit")], coverage=coverage)
    assert data_gaps(sight(county)) == [()]


def test_overdue_monitoring_is_told():
    county = registers(
        [
            ("2020-03-01", "inpatient", "ICD-10", "E119"),
            ("2022-06-01", "laboratory", "lab", "HbA1c"),
            ("2023-06-01", "laboratory", "lab", "eGFR"),
        ]
    )
    labels = [gap["en"] for gap in care_gaps(sight(county))[0]]
    assert labels == ["Diabetes: HbA1c not measured, last 12 months"]


@pytest.mark.parametrize(
    ("spoken", "interpreter", "expected"),
    [
        ("fi", None, "suomi"),
        ("sv", "yes", "ruotsi, tarvitsee tulkin"),
        ("ru", "no", "ru, selvitä tulkin tarve"),
        ("other", "arabia", "muu kieli, tulkki: arabia"),
        (None, None, "ei tiedossa"),
    ],
)
def test_contact_language_and_interpreter(spoken, interpreter, expected, listing, make_county):
    county = make_county(2, areas=("Kokkola",), language=spoken, interpreter=interpreter)
    assert listing(county).rows["language"].tolist() == [expected] * 2


def test_segment_and_first_step_come_from_tables(listing, make_county, make_scores):
    county = make_county()
    segments = make_scores(county)[[]].assign(segment="S2", segment_probability=0.5, uncertain=True)
    names = pd.DataFrame(
        {"segment": ["S2"], "codes": ["diabetes"], "name_fi": ["Sokeri"], "name_sv": ["Socker"], "name_en": ["Sugar"]}
    )
    words = {f"{column}_{spoken}": [f"{column} {spoken}"] for column in ("offer", "by_whom") for spoken in LANGUAGES}
    offers = pd.DataFrame({"code": ["diabetes"]} | words)
    rows = listing(segments=segments, rules={"segment_names": names, "offers": offers}).rows
    assert rows.loc[0, ["segment", "first_step"]].tolist() == ["Sokeri (epävarma)", "offer fi (by_whom fi)"]
    assert listing(segments=segments).rows.loc[0, "segment"] == "S2 (epävarma)"


def test_a_segmenter_that_is_handed_over_brings_names_and_first_steps(listing, make_county, make_scores, make_model):
    from servicenee import RuleSegmenter

    county, segmenter = make_county(), make_model(name="segments")
    pyramid = RuleSegmenter("needs_pyramid")
    pyramid.segment_names_ = {"case_management": {"fi": "Palveluohjaus", "sv": "Servicehandledning", "en": "Case"}}
    segmenter.estimator_ = pyramid
    segments = make_scores(county, model=segmenter).assign(
        segment="case_management", segment_probability=1.0, uncertain=False
    )
    rows = listing(county, segments=segments, segments_model=segmenter).rows
    assert rows.loc[0, "segment"] == "Palveluohjaus"
    assert rows.loc[0, "first_step"] == "Nimetty vastuutyöntekijä ja yhteinen suunnitelma (Palveluohjaaja)"


LANGUAGES = ("fi", "sv", "en")


def test_segments_order_the_list_by_mean_risk_or_by_category(listing, make_county, make_scores):
    county = make_county(6, areas=("Kokkola",))
    scores = make_scores(county)
    named = ["a", "b", "a", "b", None, "a"]
    segments = scores[[]].assign(segment=named, segment_probability=1.0, uncertain=False)
    by_mean = listing(county, scores, segments=segments, order="segment", capacity=6).rows
    assert by_mean["segment"].tolist() == ["b", "b", "a", "a", "a", ""], "0.36 against 0.32"
    segments["segment"] = pd.Categorical(named, categories=["a", "b"])
    by_category = listing(county, scores, segments=segments, order="segment", capacity=6).rows
    assert by_category["segment"].tolist() == ["a", "a", "a", "b", "b", ""]
    by_risk = listing(county, scores, segments=segments, capacity=6).rows
    assert by_risk["segment"].tolist() == ["a", "b", "a", "b", "", "a"], "segments alone change no order"


def test_segments_must_be_a_table_of_segments(listing, make_county, make_scores):
    with pytest.raises(ValueError, match="`segments` must have the index"):
        listing(segments=make_scores(make_county()))


def test_joining_sectors_for_client_work_needs_a_legal_basis(listing, make_model):
    with pytest.raises(ValueError, match=r"joins records of health care \(emergency\) and of social services \(rai\)"):
        listing(legal_basis=None)
    made = listing(legal_basis="Act 1/2023, section 2")
    assert "Act 1/2023, section 2" in str(dict(_cover(made)))
    assert len(listing(purpose="knowledge_management", legal_basis=None).groups) == 2
    unknown = make_model()
    unknown.feature_table = unknown.feature_table.assign(source=["emergency", "own_source", "", ""])
    with pytest.raises(ValueError, match="of unknown sector: own_source"):
        listing(model=unknown, legal_basis=None)


def health_only(make_model, **options):
    """A model whose features, and population, rest on health care alone."""
    model = make_model(**options)
    model.feature_table = model.feature_table.assign(source=["emergency", "", "", ""])
    return model


def test_segments_that_join_sectors_need_a_legal_basis_too(listing, make_county, make_scores, make_model):
    """The model of the risks looks at health care only; the segmenter looks at RAI assessments as well."""
    county, model = make_county(), health_only(make_model)
    segmenter = make_model(name="segments")
    segments = make_scores(county, model=segmenter).assign(segment="S1", segment_probability=1.0, uncertain=False)
    options = {"model": model, "segments": segments, "legal_basis": None}
    assert len(listing(county, model=model, legal_basis=None).rows)
    with pytest.raises(ValueError, match="`segments_model` must be given with `segments` for client work"):
        listing(county, **options)
    with pytest.raises(ValueError, match=r"segments, joins .* \(emergency\) and of social services \(rai\)"):
        listing(county, **options, segments_model=segmenter)
    with pytest.raises(ModelError, match="`segments_model` must be the one that made the segments"):
        listing(county, **options, segments_model=health_only(make_model, name="other"))
    with pytest.raises(ValueError, match="`segments` must have the columns model, version"):
        listing(
            county, **options | {"segments": segments.drop(columns="model")}, segments_model=health_only(make_model)
        )
    made = listing(county, **options, segments_model=health_only(make_model, name="segments"))
    assert set(made.rows["segment"]) == {"S1"}
    joined = listing(county, **options | {"legal_basis": "Act 1/2023"}, segments_model=segmenter)
    assert joined.report.sources == ("emergency", "rai"), "the client is told of both"
    unknown = listing(county, **options | {"legal_basis": "Act 1/2023"})
    assert set(unknown.report.sources) == {"emergency", "home_care", "inpatient"}, "all that they may rest on"


def test_a_population_that_looks_at_the_other_sector_joins_as_well(listing, make_model):
    """Who has no home care is known from social services."""
    model = health_only(make_model, population=Population(without=["stay:home_care"]))
    with pytest.raises(ValueError, match=r"of social services \(home_care\)"):
        listing(model=model, legal_basis=None)
    assert listing(model=model).report.sources == ("emergency", "home_care")


def _cover(made):
    from servicenee.lists.cover import cover_sections

    return cover_sections(made)


def test_opting_in_is_said_on_the_cover(listing):
    from servicenee.lists import list_rules

    rules = list_rules("hidden_reasons")
    kept = rules[~((rules["field"] == "group") & (rules["value"] == "depression"))]
    assert "ei koskaan näytetä perusteina" in str(_cover(listing()))
    said = str(_cover(listing(rules={"hidden_reasons": kept})))
    assert "ei koskaan näytetä perusteina" not in said
    assert "Hyvinvointialue on päättänyt" in said


def test_working_rules_say_that_the_county_has_not_confirmed_them(listing):
    from servicenee.lists import list_rules

    own = {name: list_rules(name) for name in ("exclusions", "data_gaps")}
    shipped, half, confirmed = (
        " ".join(dict(_cover(listing(language="en", rules=rules)))["Time limits"])
        for rules in (None, {"exclusions": own["exclusions"]}, own)
    )
    assert "contacted (183 days)" in shipped
    for said in (shipped, half):
        assert "The county has not yet confirmed them" in said
    assert "The county has confirmed these limits" in confirmed


def test_reasons_of_another_model_are_refused(listing, make_model):
    with pytest.raises(ModelError):
        listing(model=make_model(name="other"))
