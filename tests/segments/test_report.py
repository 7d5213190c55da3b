"""The report holds what it should, in three languages, and no person."""

import re

import pandas as pd
import pytest

from servicenee import NeedModel, Population, RuleSegmenter, segment_profile
from servicenee.segments import name_segments, scheme_features, segment_report


@pytest.fixture(scope="module")
def evaluation(county):
    model = NeedModel(Population(65), scheme_features(1095), RuleSegmenter("needs_pyramid"), name="pyramid")
    return model.fit(county, "2021-10-01").evaluate(county, "2022-10-01")


@pytest.fixture(scope="module")
def pages(evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {
        language: evaluation.to_html(folder / f"{language}.html", language=language).read_text(encoding="utf-8")
        for language in ("fi", "sv", "en")
    }


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fi", ["Segmentti on ehdotus, ei päätös", "Ehdotus: yksilöllinen palveluohjaus", "Miten ihmiset siirtyivät"]),
        ("fi", ["Diabetes: munuaisten toiminta (eGFR) mittaamatta", "Nimetty vastuutyöntekijä"]),
        ("sv", ["Ett segment är ett förslag", "Förslag: individuell servicehandledning", "Luckor i vården"]),
        ("sv", ["Diabetes: njurfunktion (eGFR) inte mätt", "En namngiven ansvarig"]),
        ("en", ["A segment is a proposal", "Proposal: case management", "What happened in the next year"]),
    ],
)
def test_the_report_speaks_the_language_of_its_reader(pages, language, words):
    page = pages[language]
    assert f'<html lang="{language}">' in page
    for word in words:
        assert word in page
    assert "http" not in re.sub(r"data:image/[^\"]+", "", page)


def test_the_report_holds_no_person(evaluation, county, pages):
    shown = pages["en"] + evaluation.model_card() + "".join(map(str, evaluation.tables.values()))
    assert not [person for person in county.persons["person_id"] if str(person) in shown]


def test_the_same_evaluation_gives_the_same_bytes(evaluation, pages, tmp_path):
    again = evaluation.to_html(tmp_path / "again.html", language="en").read_text(encoding="utf-8")
    assert again == pages["en"]


def test_the_card_tells_size_outcome_and_limits(evaluation):
    card = evaluation.model_card(title="pyramid")
    assert card.startswith("# pyramid\n\n## Intended use")
    for heading in ("## Segments", "## Drift since training", "## Outcome in the next year", "## Limits"):
        assert heading in card


def test_figures_are_there_for_every_table(evaluation):
    assert list(evaluation.figures) == ["sizes", "profile", "transitions", "areas"]


def test_a_notebook_shows_names_and_sizes(evaluation):
    shown = evaluation._repr_html_()
    assert repr(evaluation) in shown
    assert "Proposal: case management" in shown
    assert shown.count("<tr>") == 1 + len(evaluation.tables["names"])


def test_an_unknown_table_is_refused(tmp_path):
    profile = segment_profile(pd.Series(["S1"] * 9), pd.DataFrame({"x": [1.0] * 9}))
    with pytest.raises(ValueError, match="`tables` must hold profile and names"):
        segment_report({"profile": profile}, tmp_path / "x.html")
    with pytest.raises(ValueError, match="may hold stability"):
        segment_report({"profile": profile, "names": name_segments(profile), "rows": profile}, tmp_path / "x.html")
