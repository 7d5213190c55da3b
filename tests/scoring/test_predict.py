"""`predict` takes a model or its address, registers or their folder, and writes whole files only."""

import json
import os

import pandas as pd
import pyarrow.parquet as pq
import pytest

from servicenee import Demographics, LatentClassSegmenter, NeedModel, Population, Registers, predict
from servicenee.exceptions import ModelError

pytestmark = pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")


@pytest.fixture(scope="module")
def county(scored_county):
    return scored_county


def test_object_and_folder_give_the_same_bits(model, county, kept):
    expected = model.predict(county)
    pd.testing.assert_frame_equal(predict(model, county), expected, check_exact=True)
    pd.testing.assert_frame_equal(predict(kept.model, str(kept.whole)), expected, check_exact=True)


def test_segments_come_with_what_they_are_as_from_the_model(county):
    segmenter = LatentClassSegmenter(2, random_state=0)
    model = NeedModel(Population(75), Demographics(), segmenter, name="groups").fit(county, "2021-06-01")
    scores, expected = predict(model, county), model.predict(county)
    pd.testing.assert_frame_equal(scores, expected, check_exact=True)
    assert scores.attrs == expected.attrs == {"estimand": model.estimator_.estimand}


def test_models_of_several_kinds_say_nothing_in_common(model, second_model, county):
    assert predict([model, second_model], county).attrs == predict(model, county).attrs
    segmenter = NeedModel(Population(75), Demographics(), LatentClassSegmenter(2, random_state=0), name="groups")
    assert predict([model, segmenter.fit(county, "2021-06-01")], county).attrs == {}


def test_the_file_holds_the_scores_and_says_what_made_them(model, county, tmp_path):
    file = tmp_path / "protected" / "scores.parquet"
    scores = predict(model, county, index_date="2023-05-01", output=file)
    pd.testing.assert_frame_equal(pd.read_parquet(file), scores, check_exact=True)
    facts = json.loads(pq.read_schema(file).metadata[b"servicenee"])
    assert facts["models"] == [
        {"name": "home_care", "version": "2024-01-01", "training_digest": model.training_.digest}
    ]
    assert facts["index_dates"] == ["2023-05-01"]
    assert facts["extract_date"] == "2024-01-01"


def test_the_same_input_gives_the_same_bytes(model, county, tmp_path):
    for name in ("a.parquet", "b.parquet"):
        predict(model, county, output=tmp_path / name)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_failed_write_keeps_the_old_file_and_leaves_no_half_one(model, county, tmp_path, monkeypatch):
    file = tmp_path / "scores.parquet"
    predict(model, county, index_date="2023-05-01", output=file)
    before = file.read_bytes()

    def fail(table, where, **_):
        with open(where, "wb") as stream:
            stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        predict(model, county, output=file)
    assert sorted(os.listdir(tmp_path)) == ["scores.parquet", "scores.unscored.parquet"]
    assert file.read_bytes() == before


def test_nobody_but_the_owner_reads_a_new_scores_file(model, county, tmp_path):
    predict(model, county, output=tmp_path / "scores.parquet")
    if os.name == "posix":
        assert (tmp_path / "scores.parquet").stat().st_mode & 0o077 == 0


def test_only_parquet_is_written(model, county, tmp_path):
    with pytest.raises(ValueError, match=r"`output` must be a file ending in \.parquet; got .*scores\.csv"):
        predict(model, county, output=tmp_path / "scores.csv")


def test_reasons_are_those_of_the_model_as_text_that_any_database_reads(model, county):
    scores = predict(model, county, reasons=True)
    assert scores.columns.tolist() == ["risk", "rank", "model", "version", "reasons"]
    row = scores.sort_values("rank").index[:1]
    told = json.loads(scores.loc[row, "reasons"].iloc[0])
    expected = model.reasons(county, row).drop(columns="order").reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.DataFrame(told), expected, check_dtype=False)


def test_the_population_is_asked_at_the_index_date(model, county):
    early, late = (predict(model, county, index_date=date) for date in ("2020-01-01", "2023-01-01"))
    born = county.persons.set_index("person_id")["birth_date"]
    youngest = born[late.index.get_level_values("person_id")].max()
    assert youngest > born[early.index.get_level_values("person_id")].max()
    assert youngest <= pd.Timestamp("1953-01-01")


def test_an_index_date_after_the_extract_is_refused(model, county):
    with pytest.raises(ValueError, match="must not lie after the extract date 2024-01-01"):
        predict(model, county, index_date="2024-02-01")


def test_a_path_without_a_model_is_refused(county, tmp_path):
    with pytest.raises(ModelError, match="it is no saved model"):
        predict(tmp_path, county)


def test_whole_number_ids_come_back_as_they_went_in(model, county, tmp_path):
    number = {person: 1_000 + at for at, person in enumerate(county.persons["person_id"])}
    persons, events, stays = (
        table.assign(person_id=table["person_id"].map(number).astype("int64"))
        for table in (county.persons, county.events, county.stays)
    )
    numbered = Registers(persons, events, stays, coverage=county.coverage, extract_date=county.extract_date)
    scores = predict(model, numbered, output=tmp_path / "scores.parquet")
    expected = predict(model, county)
    assert [number[person] for person in expected.index.get_level_values(0)] == list(scores.index.get_level_values(0))
    assert scores["risk"].tolist() == expected["risk"].tolist()
    assert pd.read_parquet(tmp_path / "scores.parquet").index.equals(scores.index)


def test_a_county_without_anybody_to_score_gives_an_empty_file(model, county, tmp_path):
    young = county.persons.assign(birth_date=pd.Timestamp("2000-01-01"), registered_from=pd.Timestamp("2000-01-01"))
    registers = Registers(
        young, county.events, county.stays, coverage=county.coverage, extract_date=county.extract_date
    )
    scores = predict(model, registers, output=tmp_path / "scores.parquet", reasons=True)
    assert scores.empty
    assert pd.read_parquet(tmp_path / "scores.parquet").columns.tolist() == scores.columns.tolist()
