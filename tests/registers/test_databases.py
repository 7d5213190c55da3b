"""Registers from a database are those from files: SQLite, and a PostgreSQL server that the tests start."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from servicenee import Cohort, EventCounts, Registers, read_omop, read_sql
from servicenee.exceptions import RegisterError
from servicenee.registers import concept_codelist, concept_names

DATA = Path(__file__).parents[1] / "data"
GIBLEED, SYNPUF = DATA / "omop_gibleed", DATA / "omop_synpuf"
MARKER = "MARKER99"
TABLES = ("persons", "events", "stays", "coverage")


@pytest.fixture
def sqlite():
    return sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)


def same(one: Registers, other: Registers) -> None:
    for table in (*TABLES, "findings"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))
    assert one.extract_date == other.extract_date


def without_file_names(registers: Registers) -> Registers:
    """Findings of files and of tables alike: person.parquet, person.csv and person are person."""
    findings = registers.findings.assign(table=registers.findings["table"].str.partition(".")[0])
    return registers.replaced(findings=findings)


# --- OMOP in four kinds of storage -----------------------------------------------------------------------------------


def frames_of(folder: Path) -> dict[str, pd.DataFrame]:
    frames = {}
    for file in sorted(folder.glob("*.parquet")):
        frame = pd.read_parquet(file)
        whole = [name for name in frame.columns if name.endswith("_id") and frame[name].dtype == float]
        frames[file.stem] = frame.astype(dict.fromkeys(whole, "Int64"))
    return frames


def into_sqlite(folder: Path, engine) -> None:
    for name, frame in frames_of(folder).items():
        frame.to_sql(name, engine, index=False)


def into_postgres(folder: Path, engine, schema: str) -> None:
    """By COPY, which is many times faster than inserting rows."""
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
    for name, frame in frames_of(folder).items():
        frame[:0].to_sql(name, engine, schema=schema, index=False)
        connection = engine.raw_connection()
        with connection.cursor() as cursor:
            text = io.StringIO(frame.to_csv(index=False, header=False))
            cursor.copy_expert(f"COPY {schema}.{name} FROM STDIN WITH (FORMAT csv)", text)
        connection.commit()
        connection.close()


def into_csv(folder: Path, target: Path) -> Path:
    for name, frame in frames_of(folder).items():
        frame.to_csv(target / f"{name}.csv", index=False)
    return target


@pytest.fixture(
    params=[pytest.param("gibleed", marks=pytest.mark.slow), pytest.param("synpuf", marks=pytest.mark.slow), "slice"],
    ids=["GiBleed 5.3", "SynPUF 5.2", "50 persons of SynPUF"],
)
def omop(request, tmp_path_factory) -> Path:
    """A folder with OMOP tables."""
    if request.param == "gibleed":
        return GIBLEED
    if request.param == "synpuf":
        return SYNPUF
    folder = tmp_path_factory.mktemp("slice")
    for file in SYNPUF.glob("*.parquet"):
        table = pd.read_parquet(file)
        table[table["person_id"] <= 50].to_parquet(folder / file.name)
    return folder


def test_parquet_csv_and_sqlite_give_the_same_registers(omop, tmp_path, sqlite):
    parquet = without_file_names(read_omop(omop))
    same(without_file_names(read_omop(into_csv(omop, tmp_path))), parquet)
    into_sqlite(omop, sqlite)
    same(read_omop(sqlite), parquet)


def test_postgresql_gives_the_same_registers(omop, postgres):
    into_postgres(omop, postgres, "cdm")
    same(read_omop(postgres, schema="cdm"), without_file_names(read_omop(omop)))


@pytest.mark.slow
def test_published_counts_of_gibleed_from_a_database(sqlite):
    into_sqlite(GIBLEED, sqlite)
    registers = read_omop(sqlite)
    published = {"celecoxib": 1118084, "diclofenac": 1124300, "gi_bleed": "Gastrointestinal hemorrhage"}
    codes = concept_codelist(sqlite, published, name="published")
    everybody = pd.DataFrame({"person_id": registers.persons["person_id"], "index_date": registers.extract_date})
    cohort = Cohort.from_frame(registers, everybody)
    n_persons = (EventCounts(by=codes, lookback_days=None).fit_transform(cohort) > 0).sum().tolist()
    assert n_persons == [1_844, 850, 479]
    names = concept_names(sqlite, registers).set_index(["code_system", "code"])["name"]
    assert names["SNOMED", "74474003"] == "Gastrointestinal hemorrhage"


def test_an_old_and_partial_cdm_counts_every_row_as_published():
    """SynPUF 5.2: eras, no concept table, no visits."""
    published = {"condition_era": 99_855, "drug_era": 56_257, "measurement": 34_556, "observation": 19_339}
    registers = read_omop(SYNPUF, duplicates="keep")
    account = registers.account.set_index("table")
    delivered = account.loc[[f"{table}.parquet" for table in published], "delivered"]
    assert delivered.tolist() == list(published.values())
    made = registers.events["source"].value_counts()
    assert set(made.index) == {"condition", "drug", "measurement", "observation"}
    lost = account.loc[[*delivered.index, "events"], "set_aside"].sum()
    assert made.sum() + lost == sum(published.values())
    assert len(registers.persons) == 1_000
    assert registers.persons["death_date"].notna().sum() == 52


# --- our own four tables ---------------------------------------------------------------------------------------------


def own_tables(county: Registers, engine, **options) -> None:
    for name in TABLES:
        getattr(county, name).to_sql(name, engine, index=False, if_exists="replace", chunksize=20_000, **options)


@pytest.fixture(scope="module")
def small(county) -> Registers:
    """The first 40 persons of the county."""
    ids = county.persons["person_id"][:40]
    persons, events, stays = (
        table[table["person_id"].isin(ids)] for table in (county.persons, county.events, county.stays)
    )
    return Registers(
        persons, events, stays, coverage=county.coverage, extract_date=county.extract_date, duplicates="keep"
    )


def test_registers_come_back_from_sqlite_as_they_went_in(small, sqlite):
    own_tables(small, sqlite)
    same(read_sql(sqlite, until=small.extract_date, duplicates="keep"), small)


def test_registers_come_back_from_postgresql_as_they_went_in(small, postgres):
    own_tables(small, postgres)
    same(read_sql(postgres, until=small.extract_date, duplicates="keep"), small)


def expected_between(small: Registers, since: str, until: str) -> tuple[int, int]:
    events, stays = small.events, small.stays
    since, until = pd.Timestamp(since), pd.Timestamp(until)
    n_events = ((events["time"] >= since) & (events["time"] < until)).sum()
    n_stays = ((stays["start"] < until) & (stays["end"].isna() | (stays["end"] > since))).sum()
    return int(n_events), int(n_stays)


@pytest.mark.parametrize("storage", ["sqlite", "postgres"])
def test_the_database_filters_by_date_and_the_coverage_says_so(small, storage, request):
    engine = request.getfixturevalue(storage)
    own_tables(small, engine)
    statements = []
    sa.event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    read = read_sql(engine, since="2022-03-01", until="2023-06-01", duplicates="keep")
    assert (len(read.events), len(read.stays)) == expected_between(small, "2022-03-01", "2023-06-01")
    assert 0 < len(read.stays) < len(small.stays)
    assert read.extract_date == pd.Timestamp("2023-06-01")
    assert (read.coverage["from"] >= pd.Timestamp("2022-03-01")).all()
    filtered = [text for text in statements if "WHERE" in text]
    assert sum("FROM events" in text for text in filtered) == sum("FROM stays" in text for text in filtered) == 1


def test_a_window_cut_by_since_is_missing_not_empty(small, sqlite):
    own_tables(small, sqlite)
    read = read_sql(sqlite, since="2022-03-01", until="2023-06-01")
    cohort = Cohort.from_frame(read, pd.DataFrame({"person_id": read.persons["person_id"], "index_date": "2022-06-01"}))
    within, beyond = EventCounts(source="emergency", lookback_days=[60, 365]).fit_transform(cohort).to_numpy().T
    assert np.isfinite(within).all()
    assert np.isnan(beyond).all()


def test_many_chunks_are_one(small, sqlite, monkeypatch):
    own_tables(small, sqlite)
    monkeypatch.setattr("servicenee.registers.databases._ROWS_PER_CHUNK", 97)
    same(read_sql(sqlite, until=small.extract_date, duplicates="keep"), small)


def test_a_column_without_a_type_may_begin_with_chunks_of_nothing(sqlite, monkeypatch):
    monkeypatch.setattr("servicenee.registers.databases._ROWS_PER_CHUNK", 3)
    with sqlite.begin() as connection:
        connection.execute(sa.text("CREATE TABLE persons (person_id INTEGER, birth_date DATE, sex TEXT, weight)"))
        connection.execute(
            sa.text("CREATE TABLE events (person_id INTEGER, time DATE, source, code_system, code, value)")
        )
        for n in range(9):
            known = "NULL" if n < 5 else n / 2
            connection.execute(sa.text(f"INSERT INTO persons VALUES ({n}, '1940-01-01', 'male', {known})"))
            connection.execute(sa.text(f"INSERT INTO events VALUES ({n}, '2020-01-01', 'a', 'b', 'c', {known})"))
    read = read_sql(sqlite, until="2021-01-01")
    assert read.events["value"].fillna(-1).tolist() == read.persons["weight"].fillna(-1).tolist()
    assert read.events["value"].tolist()[5:] == [2.5, 3.0, 3.5, 4.0]


# --- faults ----------------------------------------------------------------------------------------------------------


def typed_loosely(engine, time="2020-01-01", value="1.5", person="1") -> None:
    """SQLite holds whatever it is given, whatever type the column was declared with."""
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE persons (person_id INTEGER, birth_date DATE, sex TEXT)",
            "CREATE TABLE events "
            "(person_id INTEGER, time DATETIME, source TEXT, code_system TEXT, code TEXT, value REAL)",
            "INSERT INTO persons VALUES (1, '1940-05-01', 'female')",
        ):
            connection.execute(sa.text(statement))
        row = sa.text("INSERT INTO events VALUES (:person, :time, 'laboratory', 'lab', 'Hb', :value)")
        rows = [{"person": 1, "time": f"2020-01-01 {n // 60:02}:{n % 60:02}:00", "value": n} for n in range(200)]
        connection.execute(row, [*rows, {"person": person, "time": time, "value": value}])


@pytest.mark.parametrize(
    ("bad", "fault", "kept"),
    [
        ({"time": MARKER}, "not dates", 200),
        ({"value": MARKER}, "not numbers", 201),
        ({"person": MARKER}, "not among persons", 200),
    ],
    ids=["time", "value", "person"],
)
def test_a_value_of_another_type_costs_itself_or_its_row_and_is_counted(sqlite, bad, fault, kept):
    typed_loosely(sqlite, **bad)
    registers = read_sql(sqlite, until="2021-01-01")
    assert len(registers.events) == kept
    assert registers.findings["fault"].str.contains(fault).sum() == 1
    assert MARKER not in registers.findings.to_csv()


def test_all_that_is_missing_is_told_at_once(sqlite):
    with pytest.raises(RegisterError) as error:
        read_sql(sqlite)
    assert "persons: there is no such table or view in the default schema" in str(error.value)
    assert "events: there is no such table" in str(error.value)
    with sqlite.begin() as connection:
        connection.execute(sa.text("CREATE TABLE persons (person_id INTEGER, sex TEXT)"))
        connection.execute(sa.text("CREATE TABLE events (person_id INTEGER, time DATETIME, code TEXT)"))
    with pytest.raises(RegisterError) as error:
        read_sql(sqlite)
    for told in ("persons.birth_date", "events.source", "events.code_system"):
        assert told in str(error.value)
    with pytest.raises(RegisterError, match="person: there is no such table"):
        read_omop(sqlite)


def test_a_query_that_fails_is_an_error_without_values(sqlite):
    with sqlite.begin() as connection:
        connection.execute(sa.text("CREATE TABLE persons (person_id INTEGER, birth_date DATE, sex TEXT)"))
        broken = f"CREATE VIEW events AS SELECT 1 AS person_id, '2020-01-01' AS time, no_such('{MARKER}') AS source"
        connection.execute(sa.text(broken))
    with pytest.raises(RegisterError) as error:
        read_sql(sqlite)
    assert "events: the database could not give it (OperationalError)" in str(error.value)
    assert MARKER not in str(error.value)


def test_times_with_a_zone_in_postgresql_become_local_time_and_are_counted(postgres):
    with postgres.begin() as connection:
        for statement in (
            "CREATE SCHEMA zoned",
            "CREATE TABLE zoned.persons (person_id int, birth_date date, sex text)",
            "CREATE TABLE zoned.events (person_id int, time timestamptz, source text, code_system text, code text)",
            "INSERT INTO zoned.persons VALUES (1, '1940-05-01', 'female')",
            "INSERT INTO zoned.events VALUES (1, '2020-01-15 22:30+00', 'a', 'b', 'winter')",
            "INSERT INTO zoned.events VALUES (1, '2020-07-15 23:30+01', 'a', 'b', 'summer')",
        ):
            connection.execute(sa.text(statement))
    read = read_sql(postgres, schema="zoned", until="2021-01-01")
    assert read.events["time"].tolist() == [pd.Timestamp("2020-01-16 00:30"), pd.Timestamp("2020-07-16 01:30")]
    finding = read.findings.iloc[0]
    assert (finding["fault"], finding["n"]) == ("time with a zone", 2)
    assert finding["action"] == "taken as local time of Europe/Helsinki"


def test_text_ids_with_leading_zeros_stay_text(sqlite):
    persons = pd.DataFrame({"person_id": ["007"], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": "male"})
    events = pd.DataFrame({"person_id": ["007"], "time": pd.to_datetime(["2020-01-01"]), "source": "a"})
    persons.to_sql("PERSONS", sqlite, index=False)
    events.assign(code_system="b", code="c").to_sql("Events", sqlite, index=False)
    assert read_sql(sqlite).events["person_id"].tolist() == ["007"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"engine": "sqlite://"}, "`engine` must be an SQLAlchemy engine; got str"),
        ({"since": "2022-01-01", "until": "2021-01-01"}, "`since` must be before `until`"),
        ({"since": "1.2.2021"}, "`since` must be dates or ISO text"),
    ],
)
def test_wrong_arguments(sqlite, arguments, told):
    with pytest.raises(ValueError, match=told):
        read_sql(**{"engine": sqlite} | arguments)


def test_a_schema_belongs_to_a_database():
    with pytest.raises(ValueError, match="`schema` must be None for a folder"):
        read_omop(GIBLEED, schema="cdm")
