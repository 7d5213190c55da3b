"""A NeedModel of segments: fitted, scored, saved, logged and loaded like every model."""

import numpy as np
import pytest

from servicenee import (
    ConditionCount,
    Conditions,
    FeatureSet,
    InStay,
    LatentClassSegmenter,
    NeedModel,
    Outcome,
    Population,
    RuleSegmenter,
    StayCounts,
    load_model,
    log_model,
    predict,
    save_model,
)
from servicenee.exceptions import LeakageError
from servicenee.segments import load_scheme
from servicenee.tracking import configure
from servicenee.training import find_definition, train

COLUMNS = ["segment", "segment_probability", "uncertain", "model", "version"]


def own_scheme():
    """The shipped pyramid, edited by a county: a DataFrame."""
    scheme = load_scheme("needs_pyramid")
    scheme.loc[scheme["order"] == 3, "value"] = 4
    return scheme


FEATURES = FeatureSet(
    [
        ("conditions", Conditions(lookback_days=1095)),
        ("count", ConditionCount(lookback_days=1095)),
        ("home_care", InStay("home_care")),
        ("round_the_clock", InStay("round_the_clock")),
        ("stays", StayCounts("inpatient_unplanned", lookback_days=365)),
    ]
)
BLOCKS = {"conditions": {"columns": "condition_*"}}


@pytest.fixture(
    scope="module",
    params=[LatentClassSegmenter(2, n_starts=2, blocks=BLOCKS, random_state=0), RuleSegmenter(own_scheme())],
    ids=["latent", "rules"],
)
def model(request, county):
    return NeedModel(Population(65), FEATURES, request.param, name="segments").fit(county, "2021-10-01")


def test_scores_have_the_columns_of_segments(model, county):
    scores = model.predict(county, "2022-10-01")
    assert scores.columns.tolist() == COLUMNS
    assert scores.index.names == ["person_id", "index_date"]
    assert set(scores["segment"]) <= set(model.estimator_.segments_)
    assert scores["segment_probability"].between(0, 1).all()


def test_a_saved_model_gives_the_same_bits(model, county, tmp_path):
    loaded = load_model(save_model(model, tmp_path / "model"))
    assert loaded.outcome is None
    assert loaded.predict(county).equals(model.predict(county))
    assert np.array_equal(loaded.estimator_.segment_shares_, model.estimator_.segment_shares_)


def test_a_saved_model_holds_no_person(model, county, tmp_path):
    folder = save_model(model, tmp_path / "model")
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert not [person for person in county.persons["person_id"] if str(person).encode() in content]


def test_reasons_come_with_the_scores(model, county):
    scores = predict(model, county, index_date="2022-10-01", reasons=True)
    assert scores.columns.tolist() == [*COLUMNS, "reasons"]
    assert scores["reasons"].str.contains("condition").any()


def test_a_date_of_training_is_no_evaluation(model, county):
    with pytest.raises(LeakageError, match="must lie after 2021-10-01"):
        model.evaluate(county, "2021-10-01")


def test_segments_are_neither_compared_with_refits_nor_recalibrated(model, county):
    with pytest.raises(ValueError, match="`refits` must be empty for segments; got 'baselines'"):
        model.evaluate(county, "2022-10-01", refits="baselines")
    with pytest.raises(TypeError, match=r"must be a NeedClassifier to be recalibrated; got .*Segmenter"):
        model.recalibrate(county, "2022-10-01")


@pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")
def test_words_of_people_answer_the_prompts_of_the_card(model, county):
    evaluation = model.evaluate(county, "2022-10-01")
    assert "_To be written:_ who uses the segments" in evaluation.model_card()
    words = {"Intended use": "For planners.", "Limits": "Private care is not seen."}
    card = evaluation.model_card(words=words)
    assert "## Intended use\n\nFor planners.\n" in card
    assert "- Private care is not seen.\n" in card
    with pytest.raises(ValueError, match=r"`words` must be for .*; got Nonsense"):
        evaluation.model_card(words={"Nonsense": "x"})


def test_nobody_in_the_population_gives_an_empty_table(model, county):
    empty = NeedModel(Population(120), model.features, model.estimator, name="segments")
    empty = empty.with_fit(model.estimator_, model.training_, model.feature_table, model.reference_)
    assert empty.predict(county).shape == (0, 5)


@pytest.mark.parametrize(
    ("estimator", "outcome"),
    [(RuleSegmenter(), Outcome("emergency_visit")), (None, None)],
    ids=["segments with an outcome", "a risk without one"],
)
def test_segments_have_no_outcome_and_risks_need_one(county, estimator, outcome):
    with pytest.raises(TypeError, match=r"`outcome` must be of class|`estimator` must be"):
        NeedModel(Population(65), FEATURES, estimator, outcome).fit(county, "2021-10-01")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")
def test_the_shipped_definition_is_trained_logged_and_loaded(county, tmp_path):
    assert (find_definition("chronic_segments") / "definition.py").is_file()
    trained = train("chronic_segments", county)
    assert len(trained.model.training_.index_dates) == 1
    configure(tmp_path / "mlruns")
    uri = log_model(trained.model, trained.evaluation, experiment="segments", alias="champion")
    assert load_model("models:/chronic_segments@champion").predict(county).equals(trained.model.predict(county))
    assert uri == "models:/chronic_segments/1"
