"""The straight line in the order of the README: registers, model, evaluation, scores, list."""

import numpy as np
import openpyxl
import pytest

import servicenee as sn


@pytest.fixture(scope="module")
def fitted(county):
    population = sn.Population(70, without=["stay:home_care", "stay:round_the_clock"])
    model = sn.NeedModel(
        population, sn.default_features(county), sn.NeedClassifier(random_state=0), sn.Outcome("home_care_start")
    )
    return model.fit(county, ["2020-01-01", "2021-01-01"])


def test_from_registers_to_a_list(fitted, county, tmp_path):
    evaluation = fitted.evaluate(county, "2022-01-01", capacity=0.05)
    metrics = evaluation.tables["metrics"].set_index("metric")
    assert 0.55 < metrics.loc["auc", "value"] < 0.95
    assert metrics.loc["auc", "lower"] < metrics.loc["auc", "value"] < metrics.loc["auc", "upper"]

    scores = fitted.predict(county)
    assert scores["risk"].between(0, 1).all()
    assert sorted(scores["rank"]) == list(range(1, len(scores) + 1))
    assert np.all(np.diff(scores.sort_values("rank")["risk"].round(12)) <= 0)

    purpose = {"purpose": "client_work", "legal_basis": "made-up data"}
    listing = sn.segment_list(scores, county, model=fitted, capacity=3, language="fi", **purpose)
    workbook = openpyxl.load_workbook(listing.to_excel(tmp_path / "lista.xlsx"))
    cells = [cell for sheet in workbook for row in sheet.iter_rows() for cell in row]
    shown = [cell.value for cell in cells if isinstance(cell.value, str)]
    assert any("ehdotus" in text.lower() for text in shown)


def test_reloaded_from_a_folder_it_gives_the_same_bytes(fitted, county, tmp_path):
    sn.save_model(fitted, tmp_path / "model")
    again = sn.load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(county)["risk"], fitted.predict(county)["risk"])


def test_scored_in_two_halves_it_gives_the_same_bytes(fitted, county):
    whole = fitted.predict(county)["risk"]
    persons, events, stays = county.persons, county.events, county.stays
    for half in (persons["person_id"].iloc[::2], persons["person_id"].iloc[1::2]):
        part = sn.Registers(
            *(table[table["person_id"].isin(half)] for table in (persons, events, stays)),
            coverage=county.coverage,
            extract_date=county.extract_date,
        )
        risk = fitted.predict(part)["risk"]
        np.testing.assert_array_equal(risk, whole[risk.index])
