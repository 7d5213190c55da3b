"""Our own format: what is written comes back exactly, and what others write is read by stated rules."""

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee import Registers, make_registers, read_registers, write_registers
from servicenee.exceptions import RegisterError
from servicenee.registers.tables import TextColumn

MARKER = "MARKER99"  # stands for a person and for a value: must be in no message


def assert_same(left: Registers, right: Registers) -> None:
    """All arrays of the two registers are equal, of one type, bit by bit."""
    assert left.extract_day == right.extract_day
    for name in ("person_columns", "event_columns", "stay_columns", "coverage_columns"):
        columns, others = vars(getattr(left, name)), vars(getattr(right, name))
        for part in columns:
            _assert_equal(columns[part], others[part])
    if left.requests is None:
        assert right.requests is None
    else:
        pd.testing.assert_frame_equal(_by_person(left.requests), _by_person(right.requests))


def _by_person(requests: pd.DataFrame) -> pd.DataFrame:
    plain = requests.sort_values("person_id", ignore_index=True, kind="stable").astype(object)
    return plain.where(plain.notna(), None)


def _assert_equal(value, other) -> None:
    if isinstance(value, np.ndarray):
        assert value.dtype == other.dtype
        np.testing.assert_array_equal(value, other)
    elif isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(value, other)
    elif isinstance(value, dict):
        assert list(value) == list(other)
        for name in value:
            _assert_equal(value[name], other[name])
    elif isinstance(value, TextColumn):
        assert value.levels == other.levels
        _assert_equal(value.codes, other.codes)
    else:
        assert value == other


def _dates(*texts) -> pd.Series:
    return pd.Series(texts, dtype="datetime64[us]")


def small(ids=("007", "b", "ö"), **options) -> Registers:
    """Three persons with everything a register can hold."""
    a, b, c = ids
    persons = pd.DataFrame(
        {
            "person_id": [c, a, b],
            "birth_date": _dates("1935-02-28", None, "1940-01-01"),
            "sex": ["female", "male", None],
            "language": ["fi", "sv", "fi"],
            "registered_from": _dates("2001-01-01", None, None),
            "registered_to": _dates(None, "2023-05-05", None),
            "death_date": _dates(None, None, "2023-12-24"),
            "team": ["01", "2", None],
            "living_alone": [1.0, np.nan, 0.0],
            "Team lead": ["x;y", 'says "no"', "z\nz"],
        }
    )
    events = pd.DataFrame(
        {
            "person_id": [b, a, a, a, c],
            "time": _dates("2020-02-29", "2021-01-01T14:05", "2021-01-01T14:05", "2021-01-01T14:05", "2022-01-01"),
            "source": ["laboratory", "emergency", "emergency", "medication", "laboratory"],
            "code_system": ["lab", "contact", "contact", "ATC", "lab"],
            "code": ["Hb", "visit", "visit", "a10ba02", "Hb"],
            "value": [0.1 + 0.2, np.nan, np.nan, 1e-300, -7.0],
            "unit": ["g/l", None, None, None, None],
            "available_at": _dates("2020-03-05", None, None, None, "2022-01-01T08:00"),
        }
    )
    stays = pd.DataFrame(
        {
            "person_id": [a, a, b, c],
            "start": _dates("2020-01-01", "2021-01-01", "2022-03-03", "2022-03-03"),
            "end": _dates("2020-01-02", None, "2022-03-03", "2022-04-01"),
            "source": ["inpatient", "home_care", "inpatient", "inpatient"],
            "kind": ["inpatient_planned", "home_care", "inpatient_unplanned", "inpatient_unplanned"],
            "available_at": _dates("2020-02-01", None, None, "2022-03-03"),
        }
    )
    coverage = pd.DataFrame(
        {
            "source": ["laboratory", "home_care", "inpatient", "rai"],
            "from": _dates("2019-01-01", None, None, "2020-01-01"),
            "to": _dates(None, "2023-06-30", None, None),
            "reporting_lag_days": [0, 14, 40, 3],
        }
    )
    requests = pd.DataFrame(
        {
            "person_id": [c, a],
            "requested": _dates("2023-01-01", "2023-02-01"),
            "urgency": ["b", None],
            "met": _dates(None, None),
        }
    )
    return Registers(persons, events, stays, requests, coverage, extract_date="2024-01-01", **options)


@pytest.mark.parametrize(("format", "partitions"), [("parquet", None), ("parquet", 1), ("parquet", 5), ("csv", None)])
@pytest.mark.parametrize(
    "ids", [("007", "b", "ö"), (3, 1, 20_000_000_000), ("1", "2", "3")], ids=["text", "int", "digits"]
)
@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_what_is_written_comes_back_exactly(tmp_path, format, partitions, ids, duplicates):
    registers = small(ids, duplicates=duplicates)
    write_registers(registers, tmp_path / "out", partitions, format=format)
    again = read_registers(tmp_path / "out")
    assert_same(registers, again)
    assert type(again.persons["person_id"][0]) is type(registers.persons["person_id"][0])
    assert again.findings.empty


def test_a_county_comes_back_exactly_from_parts(tmp_path):
    registers = make_registers(200, random_state=3)
    write_registers(registers, tmp_path / "county", partitions=7)
    assert_same(registers, read_registers(tmp_path / "county"))


@pytest.mark.parametrize(("format", "partitions"), [("parquet", None), ("csv", None), ("parquet", 3)])
def test_of_some_persons_the_same_events_are_read_and_no_code_is_lost(tmp_path, format, partitions):
    county = make_registers(200, random_state=3)
    write_registers(county, tmp_path / "county", partitions=partitions, format=format)
    chosen = county.persons["person_id"].tolist()[5:200:9]
    few = read_registers(tmp_path / "county", persons=chosen)
    assert len(few.event_columns) < len(county.event_columns) / 3
    pd.testing.assert_frame_equal(few.persons, county.persons)
    pd.testing.assert_frame_equal(few.stays, county.stays)
    pd.testing.assert_frame_equal(few.event_columns.kinds, county.event_columns.kinds)
    assert set(few.requests["person_id"]) == set(county.requests["person_id"]) & set(chosen)
    theirs = [one.events[one.events["person_id"].isin(chosen)].reset_index(drop=True) for one in (few, county)]
    pd.testing.assert_frame_equal(*theirs)
    assert len(few.findings) == 0


def test_persons_with_whole_numbers_are_chosen_by_number(tmp_path):
    persons = pd.DataFrame({"person_id": [7, 8], "birth_date": pd.Timestamp("1940-05-01"), "sex": "female"})
    events = pd.DataFrame({"person_id": [7, 8], "time": pd.Timestamp("2023-03-01"), "source": "emergency"})
    events = events.assign(code_system="contact", code="visit")
    write_registers(Registers(persons, events, extract_date="2024-01-01"), tmp_path / "county")
    few = read_registers(tmp_path / "county", persons=pd.Index([8]))
    assert set(few.events["person_id"]) == {7, 8}, "one event of the code is that of 7"
    assert len(read_registers(tmp_path / "county", persons=[]).events) == 1


def test_registers_without_anything_come_back(tmp_path):
    empty = {name: pd.Series(dtype=object) for name in ("person_id", "time", "source", "code_system", "code")}
    persons = pd.DataFrame({name: pd.Series(dtype=object) for name in ("person_id", "birth_date", "sex")})
    registers = Registers(persons, pd.DataFrame(empty), extract_date="2024-01-01")
    for format in ("parquet", "csv"):
        write_registers(registers, tmp_path / format, format=format)
        assert repr(read_registers(tmp_path / format)) == repr(registers)


def test_every_person_is_in_the_part_that_the_rule_names(tmp_path):
    registers = make_registers(100, random_state=0)
    write_registers(registers, tmp_path / "out", partitions=3)
    parts = [read_registers(tmp_path / "out" / f"part-{number:05d}") for number in range(3)]
    for number, part in enumerate(parts):
        ids = part.persons["person_id"]
        assert {zlib.crc32(str(person).encode()) % 3 for person in ids} == {number}
        assert part.coverage.equals(registers.coverage)
        assert part.extract_date == registers.extract_date
    assert sum(len(part.persons) for part in parts) == 100
    assert sum(len(part.event_columns) for part in parts) == len(registers.event_columns)
    assert sum(len(part.stay_columns) for part in parts) == len(registers.stay_columns)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_the_same_registers_give_the_same_bytes(tmp_path, format):
    for name in ("one", "two"):
        write_registers(small(), tmp_path / name, 2 if format == "parquet" else None, format=format)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_writing_again_replaces_the_whole_folder(tmp_path):
    write_registers(small(), tmp_path / "out", partitions=4)
    write_registers(small(), tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "coverage.parquet",
        "events.parquet",
        "persons.parquet",
        "registers.json",
        "requests.parquet",
        "stays.parquet",
    ]


def test_a_folder_with_other_files_is_not_touched(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(ValueError, match="holds something else"):
        write_registers(small(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.docx"]


def test_writing_that_fails_leaves_the_old_registers_and_nothing_else(tmp_path):
    write_registers(small(), tmp_path / "out")
    before = _bytes(tmp_path)
    broken = small()
    broken.requests["service"] = [object(), object()]
    with pytest.raises(Exception, match="service"):
        write_registers(broken, tmp_path / "out")
    assert _bytes(tmp_path) == before


def test_parquet_holds_microseconds_and_dictionaries(tmp_path):
    write_registers(small(), tmp_path / "out")
    frame = pd.read_parquet(tmp_path / "out" / "events.parquet")
    assert frame["time"].dtype == "datetime64[us]"
    assert isinstance(frame["source"].dtype, pd.CategoricalDtype)


# --- files written by hand -------------------------------------------------------------------------------------------

PERSONS = "person_id,birth_date,sex\n1,1940-05-01,female\n2,1938-01-31,male\n"
EVENTS = (
    "person_id,time,source,code_system,code,value\n"
    "1,2023-03-01,emergency,contact,visit,\n"
    "2,2023-03-02T09:15,lab,lab,Hb,120.5\n"
)


def hand_written(folder: Path, **texts: str) -> Path:
    for name, text in ({"persons": PERSONS, "events": EVENTS} | texts).items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    return folder


def test_csv_written_by_hand(tmp_path):
    registers = read_registers(hand_written(tmp_path), extract_date="2024-01-01")
    assert registers.persons["person_id"].tolist() == [1, 2]
    assert registers.events["time"].tolist() == [pd.Timestamp("2023-03-01"), pd.Timestamp("2023-03-02 09:15")]
    assert registers.events["value"].fillna(-1).tolist() == [-1, 120.5]
    assert registers.findings.empty


@pytest.mark.parametrize(
    ("mark", "bom"), [(";", ""), ("\t", ""), (",", "\ufeff"), (";", "\ufeff")], ids=["semicolon", "tab", "bom", "both"]
)
def test_delimiter_and_byte_order_mark_are_recognised(tmp_path, mark, bom):
    texts = {"persons": bom + PERSONS.replace(",", mark), "events": bom + EVENTS.replace(",", mark)}
    assert len(read_registers(hand_written(tmp_path, **texts)).events) == 2


@pytest.mark.parametrize(
    ("first", "second", "back"),
    [("1", "2", [1, 2]), ("01", "2", ["01", "2"]), ("1", "x", ["1", "x"]), ("-5", "0", [-5, 0])],
    ids=["whole numbers", "leading zero", "one is text", "negative"],
)
def test_ids_are_whole_numbers_only_if_all_are(tmp_path, first, second, back):
    persons = f"person_id,birth_date,sex\n{first},1940-05-01,female\n{second},1938-01-31,male\n"
    events = f"person_id,time,source,code_system,code\n{second},2023-03-01,emergency,contact,visit\n"
    registers = read_registers(hand_written(tmp_path, persons=persons, events=events))
    assert registers.persons["person_id"].tolist() == back
    assert registers.events["person_id"].tolist() == [back[1]]


def test_ids_like_123_0_are_refused(tmp_path):
    persons = PERSONS.replace("\n1,", "\n1.0,").replace("\n2,", "\n2.0,")
    with pytest.raises(RegisterError, match=r"persons.csv, person_id: must be whole numbers or text"):
        read_registers(hand_written(tmp_path, persons=persons))


def test_an_event_id_of_another_type_is_set_aside_and_counted(tmp_path):
    rows = "".join(f"{1 + row % 2},2023-03-01,emergency,contact,visit,{row}\n" for row in range(199))
    events = EVENTS.splitlines()[0] + f"\n{rows}{MARKER},2023-03-01,emergency,contact,visit,\n"
    registers = read_registers(hand_written(tmp_path, events=events))
    assert len(registers.events) == 199
    assert registers.findings[["fault", "n", "first_rows"]].iloc[0].tolist() == ["not among persons", 1, "199"]


@pytest.mark.parametrize(
    "text",
    ["31.12.2021", "2021-02-30", "2021-13-01", "12/31/2021", "20211231", "2021-1-1", "2021-01-01T25:00", "2021-01-01Z"],
)
def test_what_is_not_an_iso_date_is_counted_and_not_guessed(tmp_path, text):
    rows = "".join(f"1,2023-03-01,emergency,contact,visit,{row}\n" for row in range(199))
    events = EVENTS.splitlines()[0] + f"\n1,{text},emergency,contact,visit,\n{rows}"
    registers = read_registers(hand_written(tmp_path, events=events))
    assert len(registers.events) == 199
    first = registers.findings.iloc[0]
    assert (first["table"], first["column"], first["n"], first["first_rows"]) == ("events.csv", "time", 1, "0")


def test_a_column_of_finnish_dates_is_refused_by_name(tmp_path):
    events = EVENTS.replace("2023-03-01", "1.3.2023").replace("2023-03-02T09:15", "2.3.2023")
    with pytest.raises(RegisterError, match=r"events.csv, time: not dates such as 2021-12-31"):
        read_registers(hand_written(tmp_path, events=events))


def test_a_decimal_comma_is_counted_and_not_guessed(tmp_path):
    rows = "".join("1;2023-03-01;lab;lab;Hb;1.5\n" for _ in range(199))
    events = EVENTS.splitlines()[0].replace(",", ";") + f"\n{rows}1;2023-03-01;lab;lab;Hb;1,5\n"
    texts = {"persons": PERSONS.replace(",", ";"), "events": events}
    findings = read_registers(hand_written(tmp_path, **texts), duplicates="keep").findings
    assert findings[["column", "n", "first_rows"]].values.tolist() == [["value", 1, "199"]]


@pytest.mark.parametrize("word", ["NA", "NaN", "NULL"])
def test_the_usual_words_for_missing_are_missing_in_numbers_and_dates(tmp_path, word):
    persons = PERSONS.replace("1938-01-31", word)
    registers = read_registers(hand_written(tmp_path, persons=persons, events=EVENTS.replace("120.5", word)))
    assert registers.findings.empty
    assert registers.events["value"].isna().all()
    assert registers.persons["birth_date"].isna().sum() == 1


def test_a_row_with_too_many_fields_is_set_aside_and_counted(tmp_path):
    rows = "".join(f"1,2023-03-01,emergency,contact,visit,{row}\n" for row in range(199))
    events = EVENTS.splitlines()[0] + f"\n1,2023-03-01,{MARKER},emergency,contact,visit,,\n{rows}"
    registers = read_registers(hand_written(tmp_path, events=events))
    assert len(registers.events) == 199
    assert registers.findings[["n", "n_rows", "first_rows"]].values.tolist() == [[1, 200, "0"]]


def test_further_columns_of_persons_are_numbers_or_text(tmp_path):
    persons = "person_id,birth_date,sex,team,living_alone\n1,1940-05-01,female,01,1\n2,1938-01-31,male,2,\n"
    back = read_registers(hand_written(tmp_path, persons=persons)).persons
    assert back["team"].tolist() == ["01", "2"]
    assert back["living_alone"].fillna(-1).tolist() == [1.0, -1.0]


def _break(folder: Path, fault: str) -> None:
    if fault == "no files":
        for file in folder.iterdir():
            file.unlink()
    elif fault == "no columns":
        (folder / "persons.csv").write_text(f"person_id,sex\n{MARKER},female\n")
        (folder / "events.csv").write_text(f"person_id,time,source\n{MARKER},2023-01-01,x\n")
    elif fault == "not Parquet":
        (folder / "events.csv").unlink()
        (folder / "events.parquet").write_bytes(f"{MARKER} is not Parquet".encode())
    elif fault == "latin-1":
        (folder / "events.csv").write_bytes(f"{EVENTS}1,2023-03-01,päivystys,{MARKER},y,\n".encode("latin-1"))
    elif fault == "two files":
        pd.DataFrame({"person_id": [1]}).to_parquet(folder / "events.parquet")
    elif fault == "empty file":
        (folder / "events.csv").write_text("")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("no files", ["persons: there is no file", "events: there is no file"]),
        ("no columns", ["persons.birth_date: the column", "events.code_system: the column", "events.code: the column"]),
        ("not Parquet", ["events.parquet: cannot be read as Parquet"]),
        ("latin-1", ["events.csv: cannot be read as UTF-8 text"]),
        ("two files", ["events: there are several files of this name"]),
        ("empty file", ["events.person_id: the column is missing", "events.time: the column is missing"]),
    ],
)
def test_a_folder_that_cannot_be_read_tells_all_that_is_wrong(tmp_path, fault, told):
    _break(hand_written(tmp_path), fault)
    with pytest.raises(RegisterError) as error:
        read_registers(tmp_path)
    for text in told:
        assert text in str(error.value)
    assert MARKER not in str(error.value)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """A valid delivery in both formats, as bytes."""
    root = tmp_path_factory.mktemp("delivered")
    for format in ("parquet", "csv"):
        write_registers(small((MARKER, "b", "ö")), root / format, format=format)
    return {format: _bytes(root / format) for format in ("parquet", "csv")}


_DAMAGE = st.lists(
    st.tuples(
        st.integers(0, 100_000),
        st.integers(0, 40),
        st.sampled_from(
            [b"", b",", b"\n", b'"', b"\x00", b"\xff", b"2999-12-31", b"1e999", b"-", b";", b"99999999999999999999"]
        ),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150)
@given(format=st.sampled_from(["parquet", "csv"]), file=st.integers(0, 4), damage=_DAMAGE)
def test_a_damaged_delivery_is_read_or_refused_and_nothing_else(delivered, tmp_path_factory, format, file, damage):
    files = dict(delivered[format])
    name = [name for name in files if not name.endswith(".json")][file]
    for place, n_cut, put in damage:
        place %= len(files[name]) + 1
        files[name] = files[name][:place] + put + files[name][place + n_cut :]
    folder = tmp_path_factory.mktemp("damaged")
    for each, content in files.items():
        (folder / each).write_bytes(content)
    try:
        told = read_registers(folder, tolerance=1.0).findings.to_csv()
    except RegisterError as error:
        told = str(error)
    assert MARKER not in told


def test_a_path_that_is_no_folder_says_so(tmp_path):
    with pytest.raises(ValueError, match="must be a folder of Parquet or CSV files"):
        read_registers(tmp_path / "nowhere")


def test_parts_of_different_extracts_are_not_mixed(tmp_path):
    write_registers(small(), tmp_path / "one", partitions=2)
    manifest = tmp_path / "one" / "part-00001" / "registers.json"
    manifest.write_text(manifest.read_text().replace("2024-01-01", "2024-02-01"))
    with pytest.raises(RegisterError, match="not of one extract"):
        read_registers(tmp_path / "one")


def test_parquet_of_others_is_read_by_its_types(tmp_path):
    persons = pd.DataFrame(
        {"person_id": ["1", "2"], "birth_date": ["1940-05-01", "1938-01-31"], "sex": ["female", "male"]}
    )
    events = pd.DataFrame(
        {
            "person_id": ["1", "2"],
            "time": pd.to_datetime(["2023-03-01", "2023-03-02"]).astype("datetime64[ns]"),
            "source": "emergency",
            "code_system": "contact",
            "code": [1, 2],
        }
    )
    persons.to_parquet(tmp_path / "persons.parquet")
    events.to_parquet(tmp_path / "events.parquet")
    registers = read_registers(tmp_path)
    assert registers.persons["person_id"].tolist() == ["1", "2"]
    assert registers.events["code"].tolist() == ["1", "2"]


def test_parquet_columns_of_a_wrong_type_are_told_together(tmp_path):
    persons = pd.DataFrame({"person_id": [1.0], "birth_date": [19400501], "sex": ["female"]})
    events = pd.DataFrame({"person_id": [1], "time": 1.5, "source": "a", "code_system": "b", "code": [1.5]})
    persons.to_parquet(tmp_path / "persons.parquet")
    events.to_parquet(tmp_path / "events.parquet")
    with pytest.raises(RegisterError) as error:
        read_registers(tmp_path)
    for column in (
        "persons.parquet, person_id",
        "persons.parquet, birth_date",
        "events.parquet, time",
        "events.parquet, code",
    ):
        assert column in str(error.value)


def test_times_with_a_zone_become_local_time_once_and_are_counted(tmp_path):
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    times = pd.to_datetime(["2023-01-15T22:30", "2023-07-15T22:30", None]).tz_localize("UTC")
    events = pd.DataFrame({"person_id": [1, 1, 1], "time": times, "source": "a", "code_system": "b", "code": "c"})
    persons.to_parquet(tmp_path / "persons.parquet")
    events.to_parquet(tmp_path / "events.parquet")
    registers = read_registers(tmp_path, extract_date="2024-01-01", tolerance=1.0)
    assert registers.events["time"].tolist() == [pd.Timestamp("2023-01-16 00:30"), pd.Timestamp("2023-07-16 01:30")]
    found = registers.findings[["fault", "n", "first_rows"]].to_numpy().tolist()
    assert found == [["time with a zone", 2, "0, 1"], ["missing or placeholder date", 1, "2"]]


def test_midnight_as_24_and_offsets_in_text(tmp_path):
    (tmp_path / "persons.csv").write_text("person_id,birth_date,sex\n1,1940-05-01,female\n")
    times = [
        "2023-12-31T24:00",
        "2023-01-15T22:30Z",
        "2023-07-15 23:30:00+01:00",
        "2023-02-30T10:00Z",
        "2023-01-01T24:01",
    ]
    rows = "".join(f"1,{time},a,b,{n}\n" for n, time in enumerate(times))
    (tmp_path / "events.csv").write_text(f"person_id,time,source,code_system,code\n{rows}")
    registers = read_registers(tmp_path, extract_date="2024-01-01", tolerance=1.0)
    assert registers.events["time"].astype(str).tolist() == [
        "2023-01-16 00:30:00",
        "2023-07-16 01:30:00",
        "2024-01-01 00:00:00",
    ]
    found = registers.findings.set_index("fault")["first_rows"].to_dict()
    assert found["time with a zone"] == "1, 2, 3"
    assert found["24:00"] == "0"
    assert found["not dates such as 2021-12-31 or 2021-12-31T14:05"] == "3, 4"


def test_the_account_counts_lines_that_make_no_row(tmp_path):
    (tmp_path / "persons.csv").write_text("person_id,birth_date,sex\n1,1940-05-01,female\n")
    good = "".join(f"1,2023-01-{day:02},a,b,c,{day}\n" for day in range(1, 10))
    lines = f"person_id,time,source,code_system,code,value\n{good}1,2023-02-01,a,b,c\n1,2023-03-01,a,b,c,many\n"
    (tmp_path / "events.csv").write_text(lines)
    account = read_registers(tmp_path, extract_date="2024-01-01", tolerance=1.0).account.set_index("table")
    assert account.loc["events.csv"].tolist() == [11, 9, 1, 1]
    assert account.loc["events"].tolist() == [10, 10, 0, 0]
