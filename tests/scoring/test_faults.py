"""What goes wrong at night: one clear error, nothing half written, nothing lost that was finished."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from servicenee import NeedClassifier, NeedModel, Registers, predict, read_registers, write_registers
from servicenee._checks import check_count
from servicenee.cli import main
from servicenee.exceptions import ModelError, RegisterError, ServiceneeWarning, plain_reason
from servicenee.scoring import workplace as workplace_module
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


def test_a_source_without_a_single_row_is_refused_unless_forced(model, scored_county):
    events = scored_county.events
    events = events[events["source"] != "primary_care"]
    others = {"coverage": scored_county.coverage, "extract_date": scored_county.extract_date}
    registers = Registers(scored_county.persons, events, scored_county.stays, **others)
    features = model.features.without("diagnoses")  # whose codes would be missed
    model = NeedModel(model.population, features, NeedClassifier(random_state=0), model.outcome)
    model = model.fit(scored_county, ["2020-06-01", "2021-06-01"])
    silence = r"1 sources .* have no row in these registers: events primary_care\."
    with pytest.raises(ModelError, match=silence):
        predict(model, registers)
    with pytest.warns(ServiceneeWarning, match=silence):
        assert len(predict(model, registers, force=True))


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


WORKER_KILLED = """
import os, signal, sys
from servicenee import Population, load_model, predict
FIRST = os.getpid()
class Deadly(Population):
    def at(self, registers, index_dates):
        if os.getpid() != FIRST:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().at(registers, index_dates)
model = load_model(sys.argv[1])
model.population = Deadly(70)
try:
    predict(model, sys.argv[2], output=sys.argv[3], n_jobs=2)
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="processes are killed as on Unix")
def test_a_process_that_the_system_ended_is_told_and_leaves_no_output(kept, tmp_path):
    output = tmp_path / "scores.parquet"
    arguments = [sys.executable, "-W", "ignore", "-c", WORKER_KILLED, str(kept.model), str(kept.parts), str(output)]
    run = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert run.stdout.startswith("a process was ended from outside, as the system does when memory runs out."), run
    assert not output.exists()


def test_two_jobs_do_not_write_one_file(model, kept, tmp_path):
    output = tmp_path / "scores.parquet"
    with workplace(output), pytest.raises(ValueError, match=rf"by another job \(process {os.getpid()} on "):
        predict(model, kept.whole, output=output)
    assert not output.exists()
    predict(model, kept.whole, output=output)
    assert output.exists()


def test_two_jobs_do_not_write_one_file_on_windows_either(model, kept, tmp_path, monkeypatch):
    """With a stand-in for the locks of Windows: they refuse with another error, and no open file is removed."""
    fcntl = pytest.importorskip("fcntl")

    def locking(descriptor, mode, n_bytes):
        assert (mode, n_bytes, os.lseek(descriptor, 0, os.SEEK_CUR)) == ("not waiting", 1, 1 << 30)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(13, "Permission denied") from None

    stand_in = SimpleNamespace(locking=locking, LK_NBLCK="not waiting")
    monkeypatch.setattr(workplace_module, "fcntl", None)
    monkeypatch.setattr(workplace_module, "msvcrt", stand_in, raising=False)
    output = tmp_path / "scores.parquet"
    with workplace(output), pytest.raises(ValueError, match=rf"by another job \(process {os.getpid()} on "):
        predict(model, kept.whole, output=output)
    predict(model, kept.whole, output=output)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["scores.parquet", "scores.unscored.parquet"]


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


# --- parts that do not make a whole ----------------------------------------------------------------------------------


def test_a_part_that_was_deleted_is_missed(model, parts, tmp_path):
    shutil.rmtree(parts / "part-00003")
    for use in (read_registers, lambda folder: predict(model, folder, output=tmp_path / "scores.parquet")):
        with pytest.raises(RegisterError, match=r"1 of 7 parts are missing: part-00003\. Put them back"):
            use(parts)
    assert not (tmp_path / "scores.parquet").exists()


def test_a_part_that_is_there_twice_or_of_another_extract_is_refused(model, parts, scored_county, tmp_path):
    shutil.copytree(parts / "part-00003", parts / "part-00007")
    with pytest.raises(RegisterError, match=r"part-00003, part-00007 hold the same part\. Keep one of them"):
        predict(model, parts)
    shutil.rmtree(parts / "part-00007")
    write_registers(scored_county, tmp_path / "other", partitions=8)
    shutil.copytree(tmp_path / "other" / "part-00003", parts / "part-00007")
    with pytest.raises(RegisterError, match="the parts are not of one extract"):
        predict(model, parts)


def test_persons_in_two_parts_of_another_layout_are_not_scored_twice(model, kept, tmp_path):
    for number in range(2):
        shutil.copytree(kept.whole, tmp_path / "theirs" / f"part-{number:05d}")
    n = len(predict(model, kept.whole))
    with pytest.raises(ValueError, match=rf"{n:,} rows are scored twice: persons are in several parts"):
        predict(model, tmp_path / "theirs")


# --- nothing of a person in an error ---------------------------------------------------------------------------------

BIRTH_DATE = "31.12.1939 (MARKER99)"  # a text that stands for a person: must be in no message


@pytest.mark.parametrize("column", ["birth_date", "living_alone", "person_id", "sex"])
def test_a_column_of_persons_of_another_type_is_named_without_its_values(column, model, parts, capsys, kept, tmp_path):
    file = parts / "part-00002" / "persons.parquet"
    persons = pd.read_parquet(file)
    persons[column] = 1.5 if column in ("person_id", "sex") else BIRTH_DATE
    persons.to_parquet(file)
    assert main(["predict", str(kept.model), str(parts), str(tmp_path / "scores.parquet"), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert f"1 of 7 parts cannot be scored. part-00002: persons.parquet: {column} must be " in told
    assert "MARKER99" not in told
    assert told.count("\n") == 1


def test_a_text_that_the_whole_does_not_know_is_not_taken_for_missing(parts):
    file = parts / "part-00002" / "persons.parquet"
    pd.read_parquet(file).assign(sex="MARKER99").to_parquet(file)
    with pytest.raises(RegisterError, match=r"sex holds texts that registers\.json does not name") as told:
        read_registers(parts)
    assert "MARKER99" not in str(told.value)


@pytest.mark.parametrize("damage", ["coverage without lags", "kinds without codes", "manifest cut", "manifest empty"])
def test_a_damaged_part_of_any_kind_does_not_stop_the_others(damage, kept, parts, tmp_path, capsys):
    part = parts / "part-00004"
    if damage.startswith("manifest"):
        text = (part / "registers.json").read_text()
        (part / "registers.json").write_text(text[:40] if damage == "manifest cut" else '{"layout": "part"}')
    else:
        file, column = {"co": ("coverage", "reporting_lag_days"), "ki": ("event_kinds", "code")}[damage[:2]]
        pd.read_parquet(part / f"{file}.parquet").drop(columns=column).to_parquet(part / f"{file}.parquet")
    assert main(["predict", str(kept.model), str(parts), str(tmp_path / "scores.parquet"), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert "1 of 7 parts cannot be scored. part-00004: " in told
    assert told.count("\n") == 1
    assert len(list((tmp_path / ".scores.parquet.work").glob("*/part-*"))) == 6


def test_an_error_nobody_foresaw_is_named_by_its_class_alone(model, parts, kept, tmp_path, capsys, monkeypatch):
    def score(self, cohort):
        raise KeyError(BIRTH_DATE)

    monkeypatch.setattr(NeedModel, "score", score)
    assert main(["predict", str(kept.model), str(parts), str(tmp_path / "scores.parquet"), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert "7 of 7 parts cannot be scored" in told or told.startswith("servicenee predict: KeyError in servicenee.")
    assert "MARKER99" not in told
    assert "Please report it" in told
    with pytest.raises(KeyError):  # in memory the caller is a programmer, who needs the error itself
        predict(model, read_registers(kept.whole))


def test_the_text_of_a_foreign_error_is_told_by_nobody():
    with pytest.raises(ValueError, match="MARKER99") as foreign:
        float(BIRTH_DATE)
    assert plain_reason(foreign.value) == "ValueError. Please report it with this line"
    with pytest.raises(ValueError, match="must be a whole number") as ours:
        check_count("n", 0)
    assert plain_reason(ours.value) == str(ours.value)
