"""What goes wrong at night: one clear error, nothing half written, nothing lost that was finished."""

import json
import os
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from servicenee import NeedClassifier, NeedModel, Registers, predict, read_registers, write_registers
from servicenee.cli import main
from servicenee.exceptions import ModelError, RegisterError, ServiceneeWarning
from servicenee.scoring.workplace import workplace

pytestmark = pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")


@pytest.fixture
def parts(kept, tmp_path):
    """A copy of the parts that may be damaged."""
    shutil.copytree(kept.parts, tmp_path / "parts")
    return tmp_path / "parts"


def _cut(file) -> None:
    file.write_bytes(file.read_bytes()[:100])


def test_an_unreadable_part_is_named_and_the_others_are_finished(kept, parts, tmp_path, capsys):
    for number in (2, 5):
        _cut(parts / f"part-0000{number}" / "events.parquet")
    output = tmp_path / "scores.parquet"
    assert main(["predict", str(kept.model), str(parts), str(output), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(
        "servicenee predict: 2 of 7 parts cannot be scored. part-00002, part-00005: events.parquet: cannot be read ("
    )
    assert told.endswith("The others are finished and kept: mend these and run it again.\n")
    assert told.count("\n") == 1
    assert not output.exists()
    finished = [part.name[:10] for part in (tmp_path / ".scores.parquet.work").glob("*/part-*")]
    assert sorted(finished) == [f"part-0000{number}" for number in (0, 1, 3, 4, 6)]


def test_a_missing_table_is_not_taken_for_a_county_without_stays(model, kept, parts, tmp_path):
    (parts / "part-00001" / "stays.parquet").unlink()
    with pytest.raises(ValueError, match=r"part-00001: stays\.parquet: is missing though registers\.json names it"):
        predict(model, parts)
    shutil.copytree(kept.whole, tmp_path / "whole")
    (tmp_path / "whole" / "stays.parquet").unlink()
    with pytest.raises(RegisterError, match=r"stays: there is no file stays\.parquet or stays\.csv in the folder"):
        predict(model, tmp_path / "whole")


def test_a_source_without_a_single_row_is_told(model, scored_county):
    events = scored_county.events
    events = events[events["source"] != "primary_care"]
    others = {"coverage": scored_county.coverage, "extract_date": scored_county.extract_date}
    registers = Registers(scored_county.persons, events, scored_county.stays, **others)
    features = model.features.without("diagnoses")  # whose codes would be missed
    model = NeedModel(model.population, features, NeedClassifier(random_state=0), model.outcome)
    model = model.fit(scored_county, ["2020-06-01", "2021-06-01"])
    with pytest.warns(ServiceneeWarning, match=r"1 sources .* have no row in these registers: primary_care\."):
        predict(model, registers)


def test_a_source_that_was_not_delivered_is_refused(model, scored_county):
    events = scored_county.events
    events = events[events["source"] != "emergency"]
    coverage = scored_county.coverage
    coverage = coverage[coverage["source"] != "emergency"]
    registers = Registers(
        scored_county.persons, events, scored_county.stays, coverage=coverage, extract_date=scored_county.extract_date
    )
    with pytest.raises(ValueError, match="emergency"):
        predict(model, registers)


def test_a_column_that_changed_its_type_is_named(model, kept, parts, tmp_path):
    shutil.copytree(kept.whole, tmp_path / "whole")
    file = tmp_path / "whole" / "events.parquet"
    pd.read_parquet(file).assign(time=1.5).to_parquet(file)
    with pytest.raises(RegisterError, match=r"events\.parquet, time: must be dates .*; got double"):
        predict(model, tmp_path / "whole")
    file = parts / "part-00000" / "events.parquet"
    pd.read_parquet(file).assign(value="12").to_parquet(file)
    with pytest.raises(ValueError, match=r"part-00000: events\.parquet: value must be double; got .*string"):
        predict(model, parts)


def test_numbers_that_were_changed_in_a_part_are_found(kept, parts):
    file = parts / "part-00000" / "events.parquet"
    table = pq.read_table(file)
    pq.write_table(table.take(list(reversed(range(len(table))))), file)
    with pytest.raises(RegisterError, match="person holds numbers out of order or range: the file was changed"):
        read_registers(parts / "part-00000")


@pytest.mark.parametrize("partitions", [None, 2])
def test_an_empty_county_gives_empty_files(partitions, model, scored_county, tmp_path):
    nobody = Registers(
        scored_county.persons.iloc[:0],
        scored_county.events.iloc[:0],
        scored_county.stays.iloc[:0],
        coverage=scored_county.coverage,
        extract_date="2024-01-01",
    )
    write_registers(nobody, tmp_path / "registers", partitions=partitions)
    scores = predict(model, tmp_path / "registers", output=tmp_path / "scores.parquet")
    assert scores.empty
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), scores)


def test_a_county_of_young_people_gives_empty_files(model, scored_county, tmp_path):
    persons = scored_county.persons.assign(birth_date=pd.Timestamp("2000-01-01"), registered_from=pd.NaT)
    registers = Registers(
        persons, scored_county.events, scored_county.stays, coverage=scored_county.coverage, extract_date="2024-01-01"
    )
    write_registers(registers, tmp_path / "registers", partitions=3)
    scores = predict(model, tmp_path / "registers", output=tmp_path / "scores.parquet")
    assert scores.empty
    assert scores.columns.tolist() == ["risk", "rank", "model", "version"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), scores)


def test_a_model_older_than_its_validity_date_scores_nobody(model, kept, tmp_path, capsys):
    with pytest.raises(ModelError, match="is valid until 2023-12-31; the index date is 2024-01-01"):
        predict(model.renewed("2023-12-31"), kept.parts, output=tmp_path / "scores.parquet")
    assert not (tmp_path / "scores.parquet").exists()


def test_two_jobs_do_not_write_one_file(model, kept, tmp_path):
    output = tmp_path / "scores.parquet"
    with workplace(output), pytest.raises(ValueError, match=rf"by another job \(process {os.getpid()} on "):
        predict(model, kept.whole, output=output)
    assert not output.exists()
    predict(model, kept.whole, output=output)
    assert output.exists()


def test_the_lock_of_a_dead_job_does_not_stand_in_the_way(model, kept, tmp_path):
    folder = tmp_path / ".scores.parquet.work"
    folder.mkdir()
    (folder / "lock").write_text("process 99999999 on elsewhere")
    predict(model, kept.whole, output=tmp_path / "scores.parquet")
    assert (tmp_path / "scores.parquet").exists()


@pytest.mark.skipif(os.name != "posix", reason="limits of file size are set as on Unix")
def test_a_full_disk_leaves_the_old_file_and_says_so(kept, tmp_path, capsys):
    import resource

    output = tmp_path / "scores.parquet"
    arguments = ["predict", str(kept.model), str(kept.parts), str(output), "--quiet"]
    assert main([*arguments, "--date", "2022-06-01"]) == 0
    before = output.read_bytes()
    capsys.readouterr()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))  # no file may grow over a thousand bytes
    try:
        code = main(arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert "File too large" in capsys.readouterr().err
    assert output.read_bytes() == before
    assert main(arguments) == 0
    assert output.read_bytes() != before


def test_the_shell_scores_several_models_on_several_dates(model, kept, tmp_path, capsys):
    output = tmp_path / "scores.parquet"
    dates = ["--date", "2022-06-01", "2023-06-01"]
    assert main(["predict", str(kept.model), str(kept.parts), str(output), *dates, "--quiet"]) == 0
    scores = pd.read_parquet(output)
    assert f"{len(scores):,} persons scored" in capsys.readouterr().out
    pd.testing.assert_frame_equal(scores, predict(model, kept.whole, index_date=["2022-06-01", "2023-06-01"]))


def test_the_shell_prepares_registers_and_progress_can_be_switched_off(kept, scored_county, tmp_path, capsys):
    assert main(["prepare", str(kept.whole), str(tmp_path / "loud"), "--partitions", "3"]) == 0
    assert "part 3 of 3 written" in capsys.readouterr().err
    assert main(["prepare", str(kept.whole), str(tmp_path / "quiet"), "--partitions", "3", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    write_registers(scored_county, tmp_path / "written", partitions=3)
    for part in sorted((tmp_path / "written").iterdir()):
        for file in sorted(part.iterdir()):
            others = [(tmp_path / way / part.name / file.name) for way in ("loud", "quiet")]
            if file.suffix == ".json":
                assert json.loads(file.read_text())["levels"] == json.loads(others[0].read_text())["levels"]
            assert others[0].read_bytes() == others[1].read_bytes()
