"""Random damage to valid deliveries: never another error than ours, never a good row lost, never a value shown."""

import csv
import io
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicenee import read_meds, read_omop, read_registers, read_sql
from servicenee.exceptions import RegisterError

MARKER = "MARKER99"
N_ROWS = 12
N_PERSONS = 3


def _own() -> dict[str, list[list[str]]]:
    persons = [["person_id", "birth_date", "sex", "area"]]
    persons += [[f"p{n}", f"194{n}-05-01", "female", "north"] for n in range(N_PERSONS)]
    events = [["person_id", "time", "source", "code_system", "code", "value", "available_at"]]
    for n in range(N_ROWS):
        events.append([f"p{n % N_PERSONS}", f"2020-01-{n + 1:02}T08:00", "emergency", "own", f"{n}", "1.5", ""])
    stays = [["person_id", "start", "end", "source", "kind"]]
    stays += [[f"p{n}", "2020-03-01", "2020-03-09", "inpatient", "inpatient_planned"] for n in range(N_PERSONS)]
    return {"persons": persons, "events": events, "stays": stays}


def _omop() -> dict[str, list[list[str]]]:
    person = [["person_id", "gender_concept_id", "year_of_birth"]]
    person += [[f"{n}", "8532", "1940"] for n in range(N_PERSONS)]
    period = [["person_id", "observation_period_start_date", "observation_period_end_date"]]
    period += [[f"{n}", "2010-01-01", "2020-12-31"] for n in range(N_PERSONS)]
    condition = [["person_id", "condition_start_date", "condition_concept_id"]]
    condition += [[f"{n % N_PERSONS}", f"2020-01-{n + 1:02}", f"{n}000"] for n in range(N_ROWS)]
    return {"person": person, "observation_period": period, "condition_occurrence": condition}


def _text(rows: list[list[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


_JUNK = st.sampled_from(
    f'|{MARKER}|NA|-1|0|1e400|{"9" * 25}|31.12.2020|2020-02-30|2999-12-31|1800-01-01|\x00|"|2020-01-01T25:00|'
    "2020-01-01T24:00|2020-01-01T08:00+02:00|TÃ¶ysÃ¤|123.0| |Infinity|p0|1".split("|")
)
_CELLS = st.lists(st.tuples(st.integers(0, N_ROWS - 1), st.integers(0, 6), _JUNK), max_size=4)
_SETTINGS = settings(
    max_examples=int(os.environ.get("FUZZING_EXAMPLES", "15")),  # more of them by hand
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _damaged(rows: list[list[str]], cells) -> set[int]:
    """Write junk into cells of these rows, in place; which rows have any."""
    hit = set()
    for row, column, junk in cells:
        line = rows[1 + row % (len(rows) - 1)]
        line[column % len(line)] = junk
        hit.add(row % (len(rows) - 1))
    return hit


def _read(read, source, **options):
    """The registers, or None where they are refused with our own error; neither shows a value."""
    registers, shown = None, ""
    try:
        registers = read(source, **options)
        shown = registers.findings.to_csv()
    except RegisterError as error:
        shown = str(error)
    assert MARKER not in shown
    if registers is not None:
        account = registers.account
        assert (account["delivered"] == account[["unchanged", "repaired", "set_aside"]].sum(axis=1)).all()
        assert (account[["unchanged", "repaired", "set_aside"]] >= 0).all(axis=None)
    return registers


def _rows_in(registers, *places: str) -> list[int]:
    """Rows that were delivered in these files or tables, by the account."""
    first = registers.account.drop_duplicates(
        "table"
    )  # a database's own tables come before the registers' of that name
    return first.set_index("table").loc[list(places), "delivered"].tolist()


@_SETTINGS
@given(cells=_CELLS)
def test_bad_cells_of_events_cost_their_rows_at_most(tmp_path_factory, cells):
    tables, folder = _own(), tmp_path_factory.mktemp("own")
    hit = _damaged(tables["events"], cells)
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text(_text(rows), encoding="utf-8")
    registers = _read(read_registers, folder, extract_date="2021-01-01", tolerance=1.0)
    good = {str(n) for n in range(N_ROWS)} - {str(n) for n in hit}
    assert registers is not None
    assert good <= set(registers.events["code"])
    assert len(registers.stays) == N_PERSONS
    assert _rows_in(registers, "persons.csv", "events.csv", "stays.csv") == [N_PERSONS, N_ROWS, N_PERSONS]


@_SETTINGS
@given(cells=_CELLS)
def test_bad_cells_of_omop_conditions_cost_their_rows_at_most(tmp_path_factory, cells):
    tables, folder = _omop(), tmp_path_factory.mktemp("omop")
    hit = _damaged(tables["condition_occurrence"], cells)
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text(_text(rows), encoding="utf-8")
    registers = _read(read_omop, folder, tolerance=1.0)
    assert registers is not None
    assert {f"{n}000" for n in range(1, N_ROWS) if n not in hit} <= set(registers.events["code"])
    assert _rows_in(registers, "person.csv", "condition_occurrence.csv") == [N_PERSONS, N_ROWS]


@_SETTINGS
@given(cells=_CELLS)
def test_bad_cells_of_a_database_cost_their_rows_at_most(cells):
    tables, engine = _own(), sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    hit = _damaged(tables["events"], cells)
    types = {"time": "DATETIME", "birth_date": "DATE", "start": "DATE", "end": "DATE", "value": "REAL"}
    with engine.begin() as connection:
        for name, (header, *rows) in tables.items():
            columns = ", ".join(f'"{column}" {types.get(column, "TEXT")}' for column in header)
            connection.execute(sa.text(f"CREATE TABLE {name} ({columns})"))
            values = ", ".join(f":{column}" for column in header)
            listed = [{c: v if v != "" else None for c, v in zip(header, row, strict=True)} for row in rows]
            connection.execute(sa.text(f"INSERT INTO {name} VALUES ({values})"), listed)
    registers = _read(read_sql, engine, until="2021-01-01", tolerance=1.0)
    engine.dispose()
    assert registers is not None
    assert {str(n) for n in range(N_ROWS) if n not in hit} <= set(registers.events["code"])
    n_persons, n_events, n_stays = _rows_in(registers, "persons", "events", "stays")
    assert (n_persons, n_stays) == (N_PERSONS, N_PERSONS)
    assert N_ROWS - len(hit) <= n_events <= N_ROWS  # `until` leaves events of later days in the database


@_SETTINGS
@given(
    what=st.sampled_from(["cut", "bytes", "line", "header", "no column", "no file", "empty file", "twice", "quote"]),
    table=st.sampled_from(["persons", "events", "stays"]),
    place=st.integers(0, 400),
)
def test_broken_files_are_read_or_refused_with_our_own_error(tmp_path_factory, what, table, place):
    tables, folder = _own(), tmp_path_factory.mktemp("broken")
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text(_text(rows), encoding="utf-8")
    file = folder / f"{table}.csv"
    data = file.read_bytes()
    at = place % len(data)
    changed = {
        "cut": data[:at],
        "bytes": data[:at] + b"\xe4\xff" + data[at:],
        "line": data + b"a,b,c,d,e,f,g,h,i\n",
        "header": data.replace(b"person_id", b"henkilo", 1),
        "no column": data.replace(b",", b"", 1),
        "empty file": b"",
        "quote": data[:at] + b'"' + data[at:],
    }
    if what == "no file":
        file.unlink()
    elif what == "twice":
        file.with_suffix(".parquet").write_bytes(data)
    else:
        file.write_bytes(changed[what])
    _read(read_registers, folder, extract_date="2021-01-01", tolerance=1.0)


_MEDS_JUNK = {
    "subject_id": st.sampled_from([None, -1, 0, 2**62]),
    "time": st.sampled_from([None, "1800-01-01", "1939-01-01", "2020-06-01T12:00", "2262-01-01", "2999-12-31"]),
    "code": st.sampled_from(
        [None, "", "//", "A//", "A", MARKER, f"{MARKER}//1", "MEDS_BIRTH", "MEDS_DEATH", "GENDER//F"]
    ),
    "numeric_value": st.sampled_from([None, float("inf"), float("-inf"), 1e300]),
}
_MEDS_CELLS = st.lists(
    st.sampled_from(sorted(_MEDS_JUNK)).flatmap(
        lambda column: st.tuples(st.integers(0, N_ROWS - 1), st.just(column), _MEDS_JUNK[column])
    ),
    max_size=4,
)


@_SETTINGS
@given(cells=_MEDS_CELLS)
def test_bad_cells_of_a_shard_cost_their_rows_at_most(tmp_path_factory, cells):
    """Every person has rows of its own, so that a birth or a death in the wrong place costs that person's only."""
    days = pd.date_range("2020-01-01", periods=N_ROWS).astype("datetime64[us]")
    rows = {"subject_id": list(range(1, N_ROWS + 1)), "time": list(days), "code": [f"A//{n}" for n in range(N_ROWS)]}
    rows["numeric_value"] = [1.0] * N_ROWS
    for row, column, junk in cells:
        rows[column][row] = np.datetime64(junk, "us") if column == "time" and junk is not None else junk
    hit = {row for row, _, _ in cells}
    types = {"subject_id": pa.int64(), "time": pa.timestamp("us"), "code": pa.string(), "numeric_value": pa.float64()}
    folder = tmp_path_factory.mktemp("meds")
    table = pa.table({name: pa.array(values, types[name]) for name, values in rows.items()})
    pq.write_table(table, folder / "0.parquet")
    coverage = pd.DataFrame({"source": ["a"], "from": [pd.Timestamp("2019-01-01")], "to": [pd.Timestamp("2021-01-01")]})
    registers = _read(read_meds, folder, coverage=coverage, tolerance=1.0)
    assert registers is not None
    assert {f"{n}" for n in range(N_ROWS) if n not in hit} <= set(registers.events["code"])
    assert _rows_in(registers, "data") == [N_ROWS]


@_SETTINGS
@given(
    what=st.sampled_from(["cut", "bytes", "type", "null", "no column", "text file"]),
    column=st.sampled_from(["subject_id", "time", "code", "numeric_value"]),
    place=st.integers(0, 5_000),
)
def test_broken_shards_are_read_or_refused_with_our_own_error(tmp_path_factory, what, column, place):
    folder = tmp_path_factory.mktemp("meds")
    days = pd.date_range("2020-01-01", periods=N_ROWS)
    good = pd.DataFrame({"subject_id": range(N_ROWS), "time": days, "code": "A//1", "numeric_value": 1.0})
    bad = {"type": good.assign(**{column: [object.__name__] * N_ROWS}), "null": good.assign(**{column: None})}
    good.to_parquet(folder / "0.parquet")
    (bad.get(what) if what in bad else good.drop(columns=column)).to_parquet(folder / "1.parquet")
    data = (folder / "0.parquet").read_bytes()
    at = place % len(data)
    broken = {"cut": data[:at], "bytes": data[:at] + b"\xff" + data[at + 1 :], "text file": MARKER.encode()}
    if what in broken:
        (folder / "1.parquet").write_bytes(broken[what])
    coverage = pd.DataFrame({"source": ["a"], "from": [pd.Timestamp("2019-01-01")], "to": [pd.Timestamp("2021-01-01")]})
    registers = _read(read_meds, folder, coverage=coverage, tolerance=1.0)
    assert registers is None or len(registers.events) >= N_ROWS


def test_a_shard_with_a_broken_column_name_is_refused_with_our_own_error(tmp_path):
    rows = pd.DataFrame({"subject_id": [1], "time": pd.Timestamp("2020-01-01"), "code": "A//1", "numeric_value": 1.0})
    rows.to_parquet(tmp_path / "0.parquet")
    data = (tmp_path / "0.parquet").read_bytes()
    (tmp_path / "1.parquet").write_bytes(data.replace(b"subject_id", b"subjec\xff_id"))
    coverage = pd.DataFrame({"source": ["a"], "from": [pd.Timestamp("2019-01-01")], "to": [pd.Timestamp("2021-01-01")]})
    with pytest.raises(RegisterError, match=r"1\.parquet: cannot be read"):
        read_meds(tmp_path, coverage=coverage)


@pytest.mark.parametrize("table", ["persons", "events", "stays"])
def test_an_undamaged_delivery_has_no_findings(tmp_path, table):
    for name, rows in _own().items():
        (tmp_path / f"{name}.csv").write_text(_text(rows), encoding="utf-8")
    registers = read_registers(tmp_path, extract_date="2021-01-01")
    assert len(registers.findings) == 0
    assert len(getattr(registers, table)) == len(_own()[table]) - 1
