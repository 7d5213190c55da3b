"""The model card: what a human wrote, what the figures say, and what is still missing, item by item."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import ModelFacts, evaluate
from servicenee.evaluation.characteristics import FIGURES
from servicenee.evaluation.checklists import probast_table, tripod_table
from servicenee.evaluation.wording import full_group_text, short_group_text

INDEX = pd.MultiIndex.from_product([range(900), ["2023-01-01"]], names=["person_id", "index_date"])
RISK = pd.Series(np.random.default_rng(0).beta(1, 5, 900), index=INDEX)
STATUS = (np.random.default_rng(1).random(900) < RISK).astype("int8")
LABELS = pd.DataFrame(
    {"status": STATUS, "time_days": np.where(STATUS == 1, 50.0, 365), "value": STATUS, "exposure_days": 365.0}
)
FACTS = ModelFacts(
    name="home_care",
    version="3",
    outcome={"en": "start of home care"},
    definition="A start.",
    label_type="use",
    population="75+",
    training_dates=("2020-01-01", "2021-01-01"),
    n_rows=2000,
    n_persons=1200,
    n_events=300,
    n_features=40,
    engine="linear",
)


@pytest.fixture(scope="module")
def bare():
    return evaluate(LABELS, RISK, capacity=60, n_bootstrap=20)


@pytest.fixture(scope="module")
def known(bare):
    with_groups = evaluate(LABELS, RISK, by={"sex": np.tile(["female", "male"], 450)}, capacity=60, n_bootstrap=20)
    return with_groups.with_model(FACTS, {})


def status(evaluation, words, item):
    return tripod_table(evaluation, words).set_index("item").loc[item, "status"]


def test_every_item_of_the_checklist_is_there_once(bare):
    items = tripod_table(bare, {})["item"]
    assert len(items) == len(set(items)) == 52
    assert {int(item.rstrip("abcdefg")) for item in items} == set(range(1, 28))


def test_an_item_is_filled_by_figures_by_words_or_not_at_all(bare, known):
    assert status(bare, {}, "14") == "missing"
    assert status(known, {}, "14") == "filled"
    assert status(known, {}, "3b") == "prompt"
    assert status(known, {"Intended use": "Preventive home visits."}, "3b") == "filled"
    assert status(known, {}, "18a") == "prompt"


def test_what_is_not_filled_says_what_to_do(bare):
    table = tripod_table(bare, {})
    assert (table["where"].str.len() > 0).all()
    assert "by=" in table.set_index("item").loc["14", "where"]


def test_the_figures_answer_what_they_can_of_probast(bare, known):
    answers = probast_table(known).set_index("topic")["answer"]
    assert answers["Rows on later index dates than training"] == "yes"
    assert answers["The outcome measures need and not use or cost"] == "no"
    assert answers["Groups are judged one by one"] == "yes"
    assert answers["The model is compared with simple ones"] == "no"
    unknown = probast_table(bare).set_index("topic")["answer"]
    assert unknown["Eligibility is decided from what was known on the index date"] == "not known"
    early = replace(known, model=replace(FACTS, training_dates=("2024-01-01",)))
    assert probast_table(early).set_index("topic")["answer"]["Rows on later index dates than training"] == "no"


def test_the_card_prints_both_checklists_and_the_words(known):
    card = known.model_card(words={"Intended use": "Preventive home visits.", "Limits": "No private care."})
    assert card.startswith("# home_care, version 3\n")
    assert "## TRIPOD+AI" in card
    assert "## PROBAST+AI" in card
    assert "Preventive home visits." in card
    assert "- No private care." in card
    assert "52 items: " in card


def test_a_group_has_one_line_with_its_measures_and_intervals_beside_each_other(known):
    lines = known.model_card().splitlines()
    start = lines.index("## Groups")
    assert lines[start + 2].startswith("| by | group | n | events | event_share | observed_expected | auc |")
    women = [line for line in lines if line.startswith("| sex | female |")]
    assert len(women) == 1
    assert re.search(r"\| 450 \| \d+ \| 0\.\d{3} \(0\.\d{3} to 0\.\d{3}\) \|", women[0])


def test_the_definition_of_the_event_comes_from_the_model_unless_a_human_wrote_another(known, bare):
    assert "\nA start.\n" in known.model_card()
    written = known.model_card(words={"Outcome": "First visit."})
    assert "\nFirst visit.\n" in written
    assert "A start." not in written
    assert "_To be written:_ definition of the event." in bare.model_card()


def test_training_is_compared_only_where_its_means_are_known(known):
    columns = {f"label_{language}": ["age"] for language in ("fi", "sv", "en")}
    means = pd.DataFrame({"feature": ["age"], **columns, "difference": [0.2], "training_mean": [np.nan]})
    for training_mean, answer in ((np.nan, "missing"), (70.0, "filled")):
        judged = known.with_model(FACTS, {"characteristics": means.assign(training_mean=training_mean)})
        assert status(judged, {}, "20b") == "filled"
        assert status(judged, {}, "20c") == answer


@pytest.mark.parametrize(
    ("language", "shown"), [("fi", "naiset, 75–84"), ("sv", "kvinnor, 75–84"), ("en", "women, 75–84")]
)
def test_a_group_of_two_variables_is_in_the_language_of_the_reader(language, shown):
    assert short_group_text("sex:age_band", "female, 75–84", language) == shown
    assert full_group_text("sex:age_band", "female, 75–84", language).endswith(f": {shown}")


def test_characteristics_of_few_persons_with_the_event_are_said_to_be_hidden(known, tmp_path):
    columns = {f"label_{language}": ["age"] for language in ("fi", "sv", "en")}
    figures = {name: [np.nan] for name in FIGURES}
    judged = known.with_model(FACTS, {"characteristics": pd.DataFrame({"feature": ["age"], **columns, **figures})})
    page = judged.to_html(tmp_path / "r.html").read_text(encoding="utf-8")
    section = page[page.index("How those with the event differ") :]
    assert "hidden: fewer than 5 persons with the event" in section[: section.index("<h2")]


def test_words_for_an_unknown_section_are_refused(known):
    with pytest.raises(ValueError, match=r"`words` must be for Intended use, .*; got Purpose"):
        known.model_card(words={"Purpose": "?"})


@pytest.mark.parametrize(("kind", "sentence"), [("use", "use"), ("cost", "cost"), ("need", "need")])
def test_every_report_and_card_warns_of_what_the_label_is(known, tmp_path, kind, sentence):
    judged = replace(known, model=replace(FACTS, label_type=kind))
    for text in (judged.to_html(tmp_path / "r.html").read_text(encoding="utf-8"), judged.model_card()):
        assert {"use": "not need", "cost": "cost, not need", "need": "close to need"}[sentence] in text
