"""What was listed, for whom, and who looked, is kept and never changed."""

import stat

import pandas as pd
import pytest

from servicenee.lists import log_access, read_access_log, read_record
from servicenee.lists.document import SegmentList
from servicenee.lists.handing_out import hand_out, write_list

WRITTEN = {"written_by": "analyst", "written_for": "Kokkola", "ground": "client guidance"}


def test_the_record_has_the_columns_that_measuring_the_effect_reads(listing, tmp_path):
    made = listing(holdout=0.3, random_state=2, capacity=6)
    list_id = made.record(tmp_path, written_at="2024-01-02 08:00", **WRITTEN)
    record = read_record(tmp_path)
    assert record.columns.tolist() == [
        "list_id",
        "written_at",
        "index_date",
        "team",
        "person_id",
        "risk",
        "rank",
        "role",
        "model",
        "version",
        "purpose",
    ]
    assert set(record["role"]) == {"listed", "held_out", "review"}
    assert set(record["list_id"]) == {list_id} == {made.list_id}
    assert set(record["written_at"]) == {pd.Timestamp("2024-01-02 08:00")}
    assert record.groupby("role").size()["listed"] == len(made.rows) == 12
    first = record[(record["team"] == "Kokkola") & (record["role"] != "review")]
    assert first["rank"].tolist() == sorted(first["rank"])
    assert first["risk"].is_monotonic_decreasing


def test_held_out_persons_are_in_the_record_and_nowhere_else(listing, tmp_path):
    made = listing(holdout=0.3, random_state=2, capacity=6)
    made.record(tmp_path, **WRITTEN)
    held = read_record(tmp_path).query("role == 'held_out'")["person_id"].tolist()
    assert held
    files = [made.to_html(tmp_path / "list.html"), made.to_csv(tmp_path / "list.csv")]
    shown = "".join(path.read_text("utf-8") for path in files)
    assert not [person for person in held if person in shown]


def test_nothing_is_recorded_twice_and_nothing_is_changed(listing, tmp_path):
    made = listing()
    made.record(tmp_path, **WRITTEN)
    (path,) = (tmp_path / "lists").iterdir()
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="is in the record already"):
        made.record(tmp_path, **WRITTEN)
    assert path.read_bytes() == before
    listing(capacity=4).record(tmp_path, **WRITTEN)
    assert read_record(tmp_path)["list_id"].nunique() == 2
    assert path.read_bytes() == before


def test_only_the_writing_account_may_enter_the_folder(listing, tmp_path):
    listing().record(tmp_path / "protected", **WRITTEN)
    for folder in (tmp_path / "protected", *(tmp_path / "protected").iterdir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_parts_of_a_list_are_recorded_one_by_one_under_one_id(listing, tmp_path):
    whole = listing()
    for name, part in whole.split().items():
        assert set(part.rows["group"]) == {name}
        assert part.record(tmp_path, written_by="analyst", written_for=name, ground="test") == whole.list_id
    assert len(read_record(tmp_path)) == len(whole.record_rows)
    assert sorted(read_access_log(tmp_path)["written_for"]) == ["Kokkola", "Veteli"]


def test_a_list_that_could_not_be_written_is_not_recorded_and_can_be_written_again(listing, tmp_path, monkeypatch):
    made, place = listing(), tmp_path / "out"
    place.mkdir()

    def full(self, path, key=None):
        path.write_text("half a file")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentList, "to_excel", full)
        with pytest.raises(OSError, match="no space left"):
            hand_out(made, place / "list.xlsx", tmp_path / "protected", **WRITTEN)
    assert list(place.iterdir()) == []
    assert len(read_record(tmp_path / "protected")) == len(read_access_log(tmp_path / "protected")) == 0
    hand_out(made, place / "list.xlsx", tmp_path / "protected", **WRITTEN)
    assert [file.name for file in place.iterdir()] == ["list.xlsx"]
    assert len(read_record(tmp_path / "protected")) == len(made.record_rows)


def test_a_list_that_could_not_be_recorded_is_not_handed_out(listing, tmp_path):
    made, place = listing(), tmp_path / "out"
    place.mkdir()
    with pytest.raises(ValueError, match="user, ground must not be empty"):
        hand_out(made, place / "list.html", tmp_path / "protected", written_by="", written_for="", ground="")
    assert list(place.iterdir()) == []
    assert len(read_record(tmp_path / "protected")) == 0
    hand_out(made, place / "list.html", tmp_path / "protected", **WRITTEN)
    assert read_access_log(tmp_path / "protected")["action"].tolist() == ["written"]


def test_a_file_that_is_open_elsewhere_costs_a_second_run_and_no_second_record(listing, tmp_path):
    """The last step, naming the file, fails: the list is in the record, and the next run hands it out."""
    made, path = listing(), tmp_path / "list.csv"
    path.mkdir()  # stands for a file that another program keeps open
    with pytest.raises((IsADirectoryError, PermissionError)):
        hand_out(made, path, tmp_path / "protected", **WRITTEN)
    path.rmdir()
    hand_out(made, path, tmp_path / "protected", **WRITTEN | {"written_for": "Veteli"})
    assert path.is_file()
    assert len(read_record(tmp_path / "protected")) == len(made.record_rows)
    log = read_access_log(tmp_path / "protected")
    assert sorted(log["written_for"]) == ["Kokkola", "Veteli"], "who got which copy"


def test_a_half_written_record_is_no_record(listing, tmp_path, monkeypatch):
    def stop(*_):
        raise OSError("interrupted")

    made = listing()
    with monkeypatch.context() as patch:
        patch.setattr("servicenee.lists.protected.os.replace", stop)
        with pytest.raises(OSError, match="interrupted"):
            made.record(tmp_path, **WRITTEN)
    assert len(read_record(tmp_path)) == 0
    made.record(tmp_path, **WRITTEN)
    assert len(read_record(tmp_path)) == len(made.record_rows)


def test_only_formats_that_people_open_are_handed_out(listing, tmp_path):
    with pytest.raises(ValueError, match=r"ending in \.xlsx, \.html, \.csv; got '\.parquet'"):
        write_list(listing(), tmp_path / "list.parquet")


def test_who_wrote_and_who_opened_is_logged_with_the_ground(listing, tmp_path):
    list_id = listing().record(tmp_path, written_at="2024-01-02 08:00", **WRITTEN)
    for _ in range(2):
        log_access(tmp_path, list_id, user="coordinator 7", ground="client guidance", at="2024-01-03T09:30+02:00")
    log = read_access_log(tmp_path)
    assert log[["action", "user"]].to_numpy().tolist() == [
        ["written", "analyst"],
        ["opened", "coordinator 7"],
        ["opened", "coordinator 7"],
    ]
    assert log["at"].tolist()[1] == pd.Timestamp("2024-01-03 07:30"), "UTC"
    with pytest.raises(ValueError, match="user, ground must not be empty"):
        log_access(tmp_path, list_id, user="", ground=" ")


def test_counts_for_knowledge_management_are_recorded_without_a_person(listing, tmp_path):
    listing(purpose="knowledge_management").record(tmp_path, **WRITTEN)
    assert len(read_record(tmp_path)) == 0
    assert read_access_log(tmp_path)["action"].tolist() == ["written"]


def test_an_empty_folder_has_an_empty_record(tmp_path):
    assert len(read_record(tmp_path)) == len(read_access_log(tmp_path)) == 0
