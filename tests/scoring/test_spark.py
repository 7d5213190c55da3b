"""Spark gives the scores of one machine, bit for bit, and brings no person to the driver."""

import json
import shutil
import sys
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from servicenee import Registers, log_model, make_registers, predict, write_registers
from servicenee.exceptions import ModelError, RegisterError
from servicenee.scoring import spark as on_spark
from servicenee.tracking import configure

pytest.importorskip("pyspark", reason="the extra servicenee[spark] is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
    pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning"),
]


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    options = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in options.items():
        builder = builder.config(name, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = builder.getOrCreate()
        yield session
        session.stop()


@pytest.fixture(scope="module")
def many_tasks():
    """Tasks of about 200 persons: the public limit would put the small county into one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_spark, "MIN_PERSONS_PER_TASK", 100)
        yield {"persons_per_task": 200}


def _frame(scores) -> pd.DataFrame:
    return scores.toPandas().sort_values(["person_id", "index_date"]).set_index(["person_id", "index_date"])


def _equal(left: np.ndarray, right: np.ndarray) -> bool:
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def _same(scores, expected: pd.DataFrame) -> None:
    found = _frame(scores)
    assert found.columns.tolist() == expected.columns.tolist()
    assert found.index.get_level_values("person_id").tolist() == expected.index.get_level_values("person_id").tolist()
    for name in expected.columns:
        assert _equal(found[name].to_numpy(), expected[name].to_numpy()), name


def test_the_scores_are_those_of_one_machine_bit_for_bit(spark, model, kept, scored_county, many_tasks, tmp_path):
    dates = ["2022-06-01", "2023-06-01"]
    output = str(tmp_path / "scores.parquet")
    scores = on_spark.predict(spark, kept.model, str(kept.whole), dates, output, **many_tasks)
    predict(model, scored_county, index_date=dates, output=tmp_path / "expected.parquet")
    _same(scores, pd.read_parquet(tmp_path / "expected.parquet"))
    unscored = _frame(spark.read.parquet(str(tmp_path / "scores.unscored.parquet")))
    expected = pd.read_parquet(tmp_path / "expected.unscored.parquet")
    assert unscored["reason"].tolist() == expected["reason"].tolist()
    facts = json.loads(scores.schema["model"].metadata["servicenee"])
    assert (facts["model"], facts["index_dates"]) == ("home_care", dates)
    told = json.loads(pq.read_schema(tmp_path / "expected.parquet").metadata[b"servicenee"])
    assert facts["registers"] == told["registers"]
    assert facts["training_digest"] == told["models"][0]["training_digest"]


def test_parts_are_tasks_as_they_are(spark, model, kept, scored_county, tmp_path):
    dates = ["2022-06-01", "2023-06-01"]
    scores = on_spark.predict(spark, model, str(kept.parts), dates, str(tmp_path / "scores.parquet"))
    predict(model, scored_county, index_date=dates, output=tmp_path / "expected.parquet")
    _same(scores, pd.read_parquet(tmp_path / "expected.parquet"))
    told = json.loads(pq.read_schema(tmp_path / "expected.parquet").metadata[b"servicenee"])
    assert json.loads(scores.schema["model"].metadata["servicenee"])["registers"] == told["registers"]
    shutil.copytree(kept.parts, tmp_path / "parts")
    shutil.rmtree(tmp_path / "parts" / "part-00003")
    with pytest.raises(RegisterError, match="1 of 7 parts are missing: part-00003"):
        on_spark.predict(spark, model, tmp_path / "parts")
    with pytest.raises(ValueError, match="`extract_date` must be that of the parts, 2024-01-01; got 2023-12-31"):
        on_spark.predict(spark, model, kept.parts, extract_date="2023-12-31")


def test_tables_of_a_catalogue_with_whole_numbers_and_days_as_dates(spark, model, scored_county, many_tasks):
    number = {person: 1_000 + at for at, person in enumerate(scored_county.persons["person_id"])}
    tables = {
        name: getattr(scored_county, name).assign(
            person_id=lambda table: table["person_id"].map(number).astype("int64")
        )
        for name in ("persons", "events", "stays")
    }
    numbered = Registers(**tables, coverage=scored_county.coverage, extract_date="2024-01-01")
    known = {name: table.dropna(axis=1, how="all").sample(frac=1, random_state=0) for name, table in tables.items()}
    given = {name: spark.createDataFrame(table) for name, table in known.items()}
    for name in ("start", "end"):
        given["stays"] = given["stays"].withColumn(name, given["stays"][name].cast("date"))
    given["coverage"] = spark.createDataFrame(scored_county.coverage)
    _same(on_spark.predict(spark, model, given, extract_date="2024-01-01", **many_tasks), predict(model, numbered))


def test_what_a_model_learns_from_is_what_it_is_on_one_machine(spark, second_model, kept, scored_county, many_tasks):
    dates = ["2021-06-01", "2022-06-01"]
    cohort = second_model.population.at(scored_county, dates)
    expected = pd.concat([second_model.features.transform(cohort), second_model.outcome.label(cohort)], axis=1)
    _same(on_spark.transform(spark, second_model, str(kept.whole), dates, **many_tasks), expected)
    _same(on_spark.transform(spark, second_model, str(kept.parts), dates), expected)


def test_a_registered_model_scores_a_feature_table_as_a_function_of_spark(
    spark, second_model, scored_county, tmp_path, monkeypatch
):
    import mlflow
    from pyspark.sql import functions as F

    monkeypatch.chdir(tmp_path)
    configure(tmp_path / "runs")
    evaluation = second_model.evaluate(scored_county, "2022-09-01")
    log_model(second_model, evaluation, experiment="tests", name="admission", alias="champion")
    X = second_model.transform(second_model.population.at(scored_county, "2023-06-01"))
    risk_of = mlflow.pyfunc.spark_udf(spark, "models:/admission@champion", env_manager="local", result_type="double")
    table = spark.createDataFrame(X.reset_index()).repartition(3)
    scored = table.withColumn("risk", risk_of(F.struct(*reversed(X.columns)))).select("person_id", "index_date", "risk")
    _same(scored, predict(second_model, scored_county, index_date="2023-06-01")[["risk"]])


def test_what_is_missing_is_said_on_the_driver(spark, model, kept, tmp_path):
    persons = spark.read.parquet(str(kept.whole / "persons.parquet"))
    with pytest.raises(ValueError, match="`input` must hold the tables events; they are not there"):
        on_spark.predict(spark, model, {"persons": persons}, extract_date="2024-01-01")
    with pytest.raises(ValueError, match="`input` must hold the table events with time, source, code_system, code"):
        on_spark.predict(spark, model, {"persons": persons, "events": persons}, extract_date="2024-01-01")
    events = spark.read.parquet(str(kept.whole / "events.parquet"))
    numbered = events.withColumn("person_id", events["person_id"].cast("double"))
    with pytest.raises(ValueError, match="as text in all; got string in persons, double in events"):
        on_spark.predict(spark, model, {"persons": persons, "events": numbered}, extract_date="2024-01-01")
    shutil.copytree(kept.whole, tmp_path / "whole")
    (tmp_path / "whole" / "stays.parquet").unlink()
    with pytest.raises(ValueError, match="`input` must hold the tables stays; they are not there"):
        on_spark.predict(spark, model, str(tmp_path / "whole"))
    with pytest.raises(ValueError, match="`extract_date` must be given"):
        on_spark.predict(
            spark, model, {"persons": persons, "events": spark.read.parquet(str(kept.whole / "events.parquet"))}
        )
    with pytest.raises(ModelError, match="is valid until 2023-01-01"):
        on_spark.predict(spark, model.renewed("2023-01-01"), str(kept.whole))


def test_an_empty_county_gives_no_rows(spark, model, scored_county, tmp_path):
    nobody = make_registers(60, random_state=5)
    write_registers(
        Registers(
            nobody.persons.iloc[:0], nobody.events.iloc[:0], coverage=scored_county.coverage, extract_date="2024-01-01"
        ),
        tmp_path / "none",
    )
    scores = on_spark.predict(spark, model, str(tmp_path / "none"), output=str(tmp_path / "scores.parquet"))
    assert scores.count() == 0
    assert scores.columns == ["person_id", "index_date", "risk", "rank", "model", "version"]


def test_what_a_column_of_persons_holds_is_decided_by_all_tasks(spark, kept):
    persons = spark.read.parquet(str(kept.whole / "persons.parquet")).drop("team", "living_alone")
    own = "person_id", "CASE WHEN area = 'Vaasa' THEN 'B' ELSE '5' END AS team", "'0.5' AS share", "'007' AS unit"
    further = on_spark._further(persons.join(persons.selectExpr(*own, "1 AS number"), "person_id"), {})
    assert further == {"team": "text", "share": "number", "unit": "text", "number": "number"}


def test_instants_of_coverage_are_finnish_local_time_wherever_the_driver_is(spark, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        table = "coverage(source, `from`, `to`)"
        values = "('emergency', TIMESTAMP '2021-06-30 21:30:00 UTC', CAST(NULL AS TIMESTAMP))"
        coverage = spark.sql(f"SELECT * FROM VALUES {values} AS {table}")
        kinds = {"events": pd.DataFrame({"source": ["emergency"]})}
        given = on_spark._coverage({"coverage": coverage}, kinds)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert given["from"].tolist() == [pd.Timestamp("2021-07-01 00:30")]
    assert given["to"].isna().all()
