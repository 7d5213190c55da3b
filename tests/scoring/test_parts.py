"""Many parts, many models, many dates: one answer, and work that is done once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from servicenee import (
    Demographics,
    NeedClassifier,
    NeedModel,
    Outcome,
    Population,
    Registers,
    load_model,
    predict,
    read_registers,
    write_registers,
)
from servicenee.exceptions import ServiceneeWarning
from servicenee.scoring import batch
from servicenee.scoring.portions import Task
from servicenee.scoring.workplace import key_of, state_of

pytestmark = pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")


def _bytes(folder) -> tuple[bytes, bytes]:
    return (folder / "scores.parquet").read_bytes(), (folder / "scores.unscored.parquet").read_bytes()


@pytest.fixture(scope="module")
def expected(model, scored_county, tmp_path_factory) -> tuple[bytes, bytes]:
    """What one process writes for registers in memory."""
    folder = tmp_path_factory.mktemp("expected")
    predict(model, scored_county, output=folder / "scores.parquet")
    return _bytes(folder)


@pytest.mark.parametrize("way", ["whole", "parts", "one part", "loaded model", "parts in another order"])
def test_every_way_gives_the_same_bytes(way, model, scored_county, kept, expected, tmp_path):
    scored, registers = model, {"whole": kept.whole}.get(way, kept.parts)
    if way == "one part":
        registers = tmp_path / "one"
        write_registers(scored_county, registers, partitions=1)
    elif way == "loaded model":
        scored = load_model(kept.model)
    elif way == "parts in another order":
        registers = tmp_path / "turned"
        for number, part in enumerate(sorted(kept.parts.iterdir(), reverse=True)):
            shutil.copytree(part, registers / f"part-{number:05d}")
    predict(scored, registers, output=tmp_path / "scores.parquet")
    assert _bytes(tmp_path) == expected


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(kept, expected, tmp_path):
    predict(kept.model, kept.parts, output=tmp_path / "scores.parquet", n_jobs=2)
    assert _bytes(tmp_path) == expected


def test_a_part_lacks_codes_that_the_model_counts_and_has_their_columns(model, kept):
    part = read_registers(kept.parts / "part-00000")
    used = np.bincount(part.event_columns.kind, minlength=len(part.event_columns.kinds))
    assert (used == 0).any()
    assert len(model.features.transform(model.population.at(part, "2023-01-01")).columns) == len(model.feature_table)


def test_several_models_and_dates_in_one_pass_are_each_as_alone(model, second_model, kept):
    dates = ["2022-06-01", "2023-06-01"]
    together = predict([model, second_model], kept.parts, index_date=dates)
    for one in (model, second_model):
        own = together[together["model"] == one.name]
        pd.testing.assert_frame_equal(own, predict(one, kept.whole, index_date=dates), check_exact=True)
    firsts = together[together["rank"] == 1].reset_index()
    assert firsts.groupby(["model", "index_date"]).size().tolist() == [1, 1, 1, 1]


def test_one_model_twice_is_refused(model, kept):
    with pytest.raises(ValueError, match="several of different names or versions; got 2"):
        predict([model, kept.model], kept.whole)


def test_the_metadata_name_everything_the_scores_come_from(model, second_model, kept, scored_county, tmp_path):
    predict([model, second_model], kept.parts, index_date="2023-06-01", output=tmp_path / "scores.parquet")
    facts = json.loads(pq.read_schema(tmp_path / "scores.parquet").metadata[b"servicenee"])
    assert [one["name"] for one in facts["models"]] == ["home_care", "admission"]
    assert [one["version"] for one in facts["models"]] == [model.version, second_model.version]
    assert (facts["index_dates"], facts["extract_date"]) == (["2023-06-01"], "2024-01-01")
    changed = scored_county.events
    changed.loc[100, "value"] = 17.5
    others = {"stays": scored_county.stays, "coverage": scored_county.coverage, "extract_date": "2024-01-01"}
    predict(model, Registers(scored_county.persons, changed, **others), output=tmp_path / "changed.parquet")
    other = json.loads(pq.read_schema(tmp_path / "changed.parquet").metadata[b"servicenee"])
    assert other["registers"] != facts["registers"]


# --- who cannot be scored --------------------------------------------------------------------------------------------


def test_who_cannot_be_scored_is_listed_with_the_reason_and_not_ranked(model, scored_county, tmp_path):
    persons = scored_county.persons
    scores = predict(model, scored_county)
    newcomer, ageless = scores.index.get_level_values("person_id")[:2]
    persons.loc[persons["person_id"] == newcomer, "registered_from"] = pd.Timestamp("2023-09-01")
    persons.loc[persons["person_id"] == ageless, "birth_date"] = pd.NaT
    others = {"stays": scored_county.stays, "coverage": scored_county.coverage, "extract_date": "2024-01-01"}
    registers = Registers(persons, scored_county.events, **others)
    scored = predict(model, registers, output=tmp_path / "scores.parquet")
    unscored = pd.read_parquet(tmp_path / "scores.unscored.parquet")
    reasons = unscored["reason"].droplevel("index_date")
    assert reasons[newcomer] == "less than 365 days of history"
    assert reasons[reasons == "unknown birth date"].index.tolist() == [ageless]
    assert len(scored) == len(scores) - 2
    assert sorted(scored["rank"]) == list(range(1, len(scored) + 1))
    assert not scored.index.isin(unscored.index).any()


def test_rows_without_a_score_of_the_estimator_are_listed_too(model, kept, tmp_path, monkeypatch):
    whole = predict(model, kept.whole)
    silent = whole.index[3]
    score = type(model).score

    def with_a_gap(self, cohort):
        table = score(self, cohort)
        table.loc[table.index.isin([silent])] = np.nan
        return table

    monkeypatch.setattr(type(model), "score", with_a_gap)
    scores = predict(model, kept.parts, output=tmp_path / "scores.parquet")
    unscored = pd.read_parquet(tmp_path / "scores.unscored.parquet")
    assert unscored.loc[silent, "reason"] == "the estimator gives no score"
    assert len(scores) == len(whole) - 1


# --- interrupted and resumed -----------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from servicenee import predict
from servicenee.scoring import batch
score, seen = batch.score_part, []
def score_or_die(part, task):
    seen.append(part)
    if len(seen) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return score(part, task)
batch.score_part = score_or_die
predict(sys.argv[1], sys.argv[2], output=sys.argv[3])
"""


def test_a_job_that_was_killed_goes_on_where_it_was(model, kept, expected, tmp_path, monkeypatch):
    output = tmp_path / "scores.parquet"
    arguments = [sys.executable, "-W", "ignore", "-c", KILLED, str(kept.model), str(kept.parts), str(output)]
    run = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert not output.exists()
    computed = []
    score = batch.score_part
    monkeypatch.setattr(batch, "score_part", lambda part, task: computed.append(part.name) or score(part, task))
    predict(kept.model, kept.parts, output=output)
    assert computed == [f"part-{number:05d}" for number in range(3, 7)]
    assert _bytes(tmp_path) == expected
    assert sorted(file.name for file in tmp_path.iterdir()) == ["scores.parquet", "scores.unscored.parquet"]


@pytest.mark.parametrize("change", ["date", "part"])
def test_what_depends_on_a_change_is_computed_anew(change, model, kept, tmp_path, monkeypatch):
    registers = tmp_path / "parts"
    shutil.copytree(kept.parts, registers)
    damaged = registers / "part-00005" / "events.parquet"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="1 of 7 parts cannot be scored"):
        predict(model, registers, index_date="2023-06-01", output=tmp_path / "scores.parquet")
    damaged.write_bytes(whole)
    if change == "part":
        events = registers / "part-00002" / "events.parquet"
        pq.write_table(pq.read_table(events)[:-1], events)
    computed = []
    score = batch.score_part
    monkeypatch.setattr(batch, "score_part", lambda part, task: computed.append(part.name) or score(part, task))
    index_date = "2023-06-02" if change == "date" else "2023-06-01"
    predict(model, registers, index_date=index_date, output=tmp_path / "scores.parquet")
    assert computed == (["part-00002", "part-00005"] if change == "part" else [f"part-{n:05d}" for n in range(7)])


class Twice(Demographics):
    """A builder of one's own: its code is in no package whose version is known."""


@pytest.mark.parametrize("own", ["builder", "function"])
def test_parts_of_a_model_with_code_of_ones_own_are_not_kept(own, model, kept, scored_county, tmp_path, caplog):
    estimator, builder = NeedClassifier(random_state=0), Twice() if own == "builder" else Demographics()
    if own == "function":
        estimator = NeedClassifier(make_pipeline(FunctionTransformer(lambda X: X.fillna(0)), LogisticRegression()))
    mine = NeedModel(Population(70), builder, estimator, Outcome("emergency_visit"))
    mine.fit(scored_county, "2021-06-01")
    task = Task((model,), None, False)
    assert key_of(task) is not None
    assert key_of(replace(task, models=(model, mine))) is None
    with caplog.at_level("INFO", logger="servicenee"):
        predict(mine, kept.parts, output=tmp_path / "scores.parquet")
    assert "a model holds code of your own" in caplog.text
    assert sorted(file.name for file in tmp_path.iterdir()) == ["scores.parquet", "scores.unscored.parquet"]


def test_a_file_in_the_place_of_another_of_its_size_and_age_is_seen(kept, tmp_path):
    shutil.copytree(kept.parts / "part-00000", tmp_path / "part")
    file = tmp_path / "part" / "stays.parquet"
    before, age = state_of(tmp_path / "part"), file.stat().st_mtime_ns
    assert state_of(tmp_path / "part") == before
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"!")
    os.utime(file, ns=(age, age))
    assert state_of(tmp_path / "part") != before


# --- the two files ---------------------------------------------------------------------------------------------------


def test_who_cannot_be_scored_is_in_the_same_order_for_one_part_and_for_several(model, scored_county, tmp_path):
    persons = scored_county.persons
    persons.loc[::3, "registered_from"] = pd.Timestamp("2023-09-01")
    persons.loc[::4, "birth_date"] = pd.NaT
    others = {"stays": scored_county.stays, "coverage": scored_county.coverage, "extract_date": "2024-01-01"}
    registers = Registers(persons, scored_county.events, **others)
    write_registers(registers, tmp_path / "parts", partitions=3)
    for name, given in (("one", registers), ("three", tmp_path / "parts")):
        predict(model, given, index_date=["2023-10-01", "2023-11-01"], output=tmp_path / f"{name}.parquet")
    one = pd.read_parquet(tmp_path / "one.unscored.parquet").reset_index()
    assert one["reason"].nunique() == 2
    pd.testing.assert_frame_equal(one, one.sort_values(["person_id", "index_date", "reason"], ignore_index=True))
    assert (tmp_path / "one.unscored.parquet").read_bytes() == (tmp_path / "three.unscored.parquet").read_bytes()


def test_a_crash_between_the_two_files_leaves_no_old_scores_beside_new_reasons(model, kept, tmp_path, monkeypatch):
    predict(model, kept.whole, index_date="2022-06-01", output=tmp_path / "scores.parquet")
    put = os.replace

    def put_and_crash(partial, file):
        put(partial, file)
        if str(file).endswith(".unscored.parquet"):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", put_and_crash)
    with pytest.raises(KeyboardInterrupt):
        predict(model, kept.whole, output=tmp_path / "scores.parquet")
    assert not (tmp_path / "scores.parquet").exists()


def test_notes_that_are_not_told_are_counted(model, kept, monkeypatch):
    def score_with_notes(part, task):
        portion = score(part, task)
        notes = [f"note {part.name} {number}" for number in range(2)]
        return replace(portion, facts=portion.facts | {"notes": notes})

    score = batch.score_part
    monkeypatch.setattr(batch, "score_part", score_with_notes)
    with pytest.warns(ServiceneeWarning, match=r"and 9 more notes of parts") as told:
        predict(model, kept.parts)
    assert sum("note part" in str(one.message) for one in told) == 5
