"""`predict` on Spark: a model and tables of any size come in, scores of everybody in the population go out.

The only module that imports pyspark, which comes with ``pip install "servicenee[spark]"``.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from servicenee import __version__
from servicenee._checks import check_count, check_dates
from servicenee.model import NeedModel
from servicenee.need.ranks import rounded
from servicenee.registers import Registers, read_registers
from servicenee.registers.arrow import DECIMAL, LEADING_ZERO
from servicenee.registers.findings import Findings
from servicenee.registers.fingerprint import content_sum
from servicenee.registers.folders import assembled, frame_of
from servicenee.registers.parts import Words, is_part, part_folders, read_manifest, refuse_incomplete, with_words
from servicenee.registers.schema import NUMBER, TABLES, TEXT, ZONE
from servicenee.scoring.portions import as_table, score_rows
from servicenee.tracking import load_model

PERSONS_PER_TASK = 20_000
MIN_PERSONS_PER_TASK = 10_000  # below, starting the tasks costs more than their work
_TABLES = ("persons", "events", "stays")
_ORDER = "_order"
_CONTENT = "_content"  # fingerprint of the registers of a task, in a row of its own
_WHOLE_NUMBERS = {"tinyint", "smallint", "int", "bigint"}
_NUMBERS = (*_WHOLE_NUMBERS, "float", "double", "decimal", "boolean")
_LABELS = ", status tinyint, time_days double, value double, exposure_days double"


def predict(
    spark,
    model: NeedModel | str | Path,
    input: str | Mapping[str, object],
    index_date=None,
    output: str | None = None,
    *,
    extract_date=None,
    persons_per_task: int = PERSONS_PER_TASK,
):
    """Score everybody in a model's population on an existing Spark, with the same Python path as on one machine.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        Spark 3.5 to 4.x, with servicenee installed where its Python runs.
    model : NeedModel, str or Path
        The model, its folder, or its address in the registry (``models:/name@alias``).
    input : str or mapping of str to pyspark DataFrame
        Tables persons, events and, if there are any, stays and coverage, with the columns of `Registers`; or the
        address of a folder that holds them as ``persons.parquet``, ... as `write_registers` lays out a whole county; or
        a folder in parts, if driver and workers see it under the same path.
    index_date : date, ISO text or list of them, optional
        By default the extract date.
    output : str, optional
        Address ending in ``.parquet`` of the data set to write; an existing one is replaced. A second one,
        ``NAME.unscored.parquet``, tells who cannot be scored, and why.
    extract_date : date or ISO text, optional
        Day on which the extract was taken; needed unless ``registers.json`` of the folder says so.
    persons_per_task : int, default=20_000
        At least 10,000: every task starts once, and needs memory for its persons only. A part is a task as it is.

    Returns
    -------
    pyspark DataFrame
        person_id, index_date, then as `NeedModel.predict`: risk, rank, model, version.

    Raises
    ------
    ModelError
        If the model is refused or its validity date is over, or a task finds that the tables lack what it needs.
    ValueError
        If tables or columns are missing, or person ids are numbers in one table and text in another.
    RegisterError
        If parts are missing, there twice or of different extracts.

    Notes
    -----
    The three tables are shuffled once, so that all rows of a person meet in one task; there they become `Registers`,
    which sorts them again, and are scored. A folder in parts has been sorted already: its tasks read one part each,
    nothing is shuffled, and it takes a fraction of the time. Nothing of a person comes to the driver: only code words,
    areas, coverage and counts do. Ranks are over the whole county, on risks rounded to 12 decimals, ties in order of
    person. Scores are the same as those of `servicenee.predict`, bit for bit. The metadata of the column `model` name
    the model, its training and dates; in what is read back from `output` also the fingerprint of the registers, as
    `servicenee.predict` writes it. Dates may be ``date``, ``timestamp_ntz`` (local time) or ``timestamp`` (an instant,
    taken to Finnish local time). Nanoseconds do not exist in Spark: write Parquet for it in microseconds.

    On Databricks and Microsoft Fabric `spark` is there already; install the wheel on the cluster (``%pip install
    servicenee`` or a library of the environment), give tables of the catalogue, ``{"persons":
    spark.table("care.persons"), ...}``, and write to a volume or to the lakehouse (``abfss://`` or ``Files/...``). A
    table that holds the features already is scored by ``mlflow.pyfunc.spark_udf(spark, "models:/name@champion",
    env_manager="local", result_type="double")`` of a struct of its columns, in any order: the risks are the same. For a
    Spark of your own, PYSPARK_PYTHON must name the Python that servicenee is installed in. Tried on local Spark only.

    Examples
    --------
    >>> from servicenee.scoring import spark as on_spark  # doctest: +SKIP
    >>> tables = {name: spark.table(f"care.{name}") for name in ("persons", "events", "stays")}  # doctest: +SKIP
    >>> on_spark.predict(spark, "models:/need@champion", tables, extract_date="2026-01-01")  # doctest: +SKIP
    """
    if output is not None and not str(output).endswith(".parquet"):
        raise ValueError(f"`output` must end in .parquet; got {output!r}.")
    check_count("persons_per_task", persons_per_task, minimum=MIN_PERSONS_PER_TASK)
    model = model if isinstance(model, NeedModel) else load_model(model)
    whole = _whole(spark, input, extract_date, persons_per_task)
    dates = [whole.extract_date] if index_date is None else _dates(index_date)
    model.check_valid(dates)
    found = whole.mapped(partial(_score, model, dates), _schema(model, whole.kind_of_ids)).persist()
    facts = {
        "servicenee": __version__,
        "model": model.name,
        "version": model.version,
        "training_digest": model.training_.digest,
        "index_dates": dates,
        "extract_date": whole.extract_date,
    }
    if output is None:
        return _ranked(found, facts)
    sums = found.filter(f"{_CONTENT} IS NOT NULL").select(_CONTENT).collect()
    scores = _ranked(found, facts | {"registers": f"{sum(int(row[0], 16) for row in sums) % 2**64:016x}"})
    unscored = found.filter("reason IS NOT NULL").select("person_id", "index_date", "model", "version", "reason")
    unscored.write.mode("overwrite").parquet(f"{str(output).removesuffix('.parquet')}.unscored.parquet")
    scores.write.mode("overwrite").parquet(str(output))
    found.unpersist()
    return spark.read.parquet(str(output))


def transform(
    spark,
    model: NeedModel,
    input: str | Mapping[str, object],
    index_dates,
    output: str | None = None,
    *,
    extract_date=None,
    persons_per_task: int = PERSONS_PER_TASK,
):
    """Build the table that a model learns from: features, and with an outcome the labels, in the way of `predict`.

    Parameters
    ----------
    spark, input, output, extract_date, persons_per_task
        As in `predict`.
    model : NeedModel
        Its population, features and outcome count; it need not be fitted.
    index_dates : date, ISO text or list of them

    Returns
    -------
    pyspark DataFrame
        person_id, index_date; one column per feature; with an outcome status, time_days, value, exposure_days. The
        strata of censoring (`evaluation.with_strata`) need all rows at once and are not there.

    Examples
    --------
    >>> from servicenee.scoring import spark as on_spark  # doctest: +SKIP
    >>> table = on_spark.transform(spark, model, tables, "2023-01-01", extract_date="2026-01-01")  # doctest: +SKIP
    >>> rows = table.toPandas().set_index(["person_id", "index_date"]).sort_index()  # doctest: +SKIP
    """
    check_count("persons_per_task", persons_per_task, minimum=MIN_PERSONS_PER_TASK)
    whole = _whole(spark, input, extract_date, persons_per_task)
    names = model.features.describe(whole.sample)["feature"]
    labels = "" if model.outcome is None else _LABELS
    columns = ", ".join(f"`{name}` float" for name in names)
    schema = f"person_id {whole.kind_of_ids}, index_date timestamp_ntz, {columns}{labels}"
    table = whole.mapped(partial(_learning_table, model, _dates(index_dates), list(names)), schema)
    if output is None:
        return table
    table.write.mode("overwrite").parquet(str(output))
    return spark.read.parquet(str(output))


# --- on the driver ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Whole:
    """Registers of any size: rows that Spark hands to tasks, how a task makes registers of them, what all of them know.

    `sample` is nobody with one row of each kind.
    """

    rows: object
    registers_of: Callable[[Iterator[pa.RecordBatch]], Iterable[Registers]]
    sample: Registers
    kind_of_ids: str
    extract_date: str

    def mapped(self, compute: Callable[[Registers], pa.Table], schema: str):
        """What `compute` gives for the registers of every task."""
        return self.rows.mapInArrow(_Task(compute, self.registers_of), schema)


def _whole(spark, given, extract_date, persons_per_task: int) -> _Whole:
    folders = [] if isinstance(given, Mapping) or not Path(given).is_dir() else part_folders(Path(given).resolve())
    if folders:
        return _whole_of_parts(spark, folders, extract_date)
    said = {}
    if not isinstance(given, Mapping):
        said = json.loads(spark.read.text(f"{given}/registers.json", wholetext=True).first()[0])
    extract_date = said.get("extract_date") if extract_date is None else extract_date
    if extract_date is None:
        raise ValueError("`extract_date` must be given: the day on which the extract was taken.")
    manifest = {"extract_date": _dates(extract_date)[0], "duplicates": said.get("duplicates", "drop")}
    tables = _tables(spark, given, said.get("tables", ()))
    kinds = {name: _kinds(tables[name], name) for name in ("events", "stays") if name in tables}
    coverage = _coverage(tables, kinds)
    sample = _sample(kinds, coverage, manifest["extract_date"])
    areas = tables["persons"].select("area").distinct().collect() if "area" in tables["persons"].columns else []
    levels = {"area": tuple(sorted(str(row[0]) for row in areas if row[0] is not None))} if areas else {}
    words = Words(sample.event_columns.kinds, sample.stay_columns.kinds, levels)
    further = _further(tables["persons"], said.get("persons", {}))
    rows = _together(tables, persons_per_task)
    registers_of = partial(_registers_of_rows, words=words, coverage=coverage, further=further, manifest=manifest)
    return _Whole(rows, registers_of, sample, _kind_of_ids(rows), manifest["extract_date"])


def _whole_of_parts(spark, folders: list[Path], extract_date) -> _Whole:
    """Every part is a task; on the driver only what all parts know is read."""
    refuse_incomplete(folders)
    if not all(is_part(folder) for folder in folders):
        raise ValueError("`input` must be tables, a folder of tables, or parts that write_registers wrote.")
    said = read_manifest(folders[0])["extract_date"]
    if extract_date is not None and _dates(extract_date) != [said]:
        raise ValueError(f"`extract_date` must be that of the parts, {said}; got {extract_date}.")
    coverage = pd.read_parquet(folders[0] / "coverage.parquet")
    files = {name: f"{name.removesuffix('s')}_kinds.parquet" for name in ("events", "stays")}
    kinds = {name: pd.read_parquet(folders[0] / file) for name, file in files.items()}
    ids = pq.read_schema(folders[0] / "persons.parquet").field("person_id").type
    kind_of_ids = "bigint" if pa.types.is_integer(ids) else "string"
    registers_of = partial(_registers_of_parts, [str(folder) for folder in folders])
    rows = spark.range(0, len(folders), 1, len(folders))
    return _Whole(rows, registers_of, _sample(kinds, coverage, said), kind_of_ids, said)


def _dates(dates) -> list[str]:
    return [str(date) for date in check_dates("index_date", dates)]


def _tables(spark, given, named: Iterable[str]) -> dict:
    if isinstance(given, Mapping):
        tables = {name: table for name, table in given.items() if table is not None}
    else:
        tables = {name: _parquet(spark, f"{given}/{name}.parquet") for name in (*_TABLES, "coverage")}
        tables = {name: table for name, table in tables.items() if table is not None}
    absent = [name for name in ("persons", "events", *named) if name not in tables and name != "requests"]
    if absent:
        raise ValueError(f"`input` must hold the tables {', '.join(dict.fromkeys(absent))}; they are not there.")
    for name in ("persons", "events"):
        required = [column for column, what in TABLES[name].items() if what.required]
        missing = [column for column in required if column not in tables[name].columns]
        if missing:
            raise ValueError(f"`input` must hold the table {name} with {', '.join(missing)}; see Registers.")
    kinds = {name: tables[name].schema["person_id"].dataType.simpleString() for name in _TABLES if name in tables}
    if not (_WHOLE_NUMBERS.issuperset(kinds.values()) or set(kinds.values()) == {"string"}):
        told = ", ".join(f"{kind} in {name}" for name, kind in kinds.items())
        raise ValueError(f"`input` must hold person_id as whole numbers in all tables or as text in all; got {told}.")
    return tables


def _further(persons, said: Mapping[str, str]) -> dict[str, str]:
    """What further columns of persons hold, by the values of all persons: those of one task might not tell."""
    from pyspark.sql import functions as F

    kinds = {name: kind for name, kind in persons.dtypes if name not in TABLES["persons"]}
    further = {name: NUMBER if kind.startswith(_NUMBERS) else TEXT for name, kind in kinds.items()}
    further |= {name: said[name] for name in kinds if name in said}
    texts = [name for name, kind in kinds.items() if kind == "string" and name not in said]
    if texts:
        numeric = [
            F.min(F.col(f"`{name}`").rlike(DECIMAL) & ~F.col(f"`{name}`").rlike(LEADING_ZERO)).alias(name)
            for name in texts
        ]
        row = persons.agg(*numeric).first()
        further |= {name: NUMBER if row[name] else TEXT for name in texts}
    return further


def _parquet(spark, address: str):
    from pyspark.errors import AnalysisException

    try:
        return spark.read.parquet(address)
    except AnalysisException as error:
        if "PATH_NOT_FOUND" in str(error):
            return None
        raise


def _kinds(table, name: str) -> pd.DataFrame:
    """Distinct source, code and unit of the rows of a table."""
    known = [column for column in ("source", "code_system", "code", "kind", "unit") if column in TABLES[name]]
    known = [column for column in known if column in table.columns]
    rows = table.select(known).distinct().collect()
    return pd.DataFrame([tuple(row) for row in rows], columns=known, dtype=object)


def _sample(kinds: Mapping[str, pd.DataFrame], coverage: pd.DataFrame, extract_date: str) -> Registers:
    """Nobody with one row of each kind: code words in their normal spelling, and nothing of a person."""
    nobody = {"person_id": [0], "birth_date": [pd.Timestamp("1900-06-01")], "sex": [""]}
    day = pd.Timestamp(extract_date) - pd.Timedelta(days=1)
    frames = {}
    for name, when in (("events", "time"), ("stays", "start")):
        rows = kinds.get(name, pd.DataFrame())
        needed = [column for column, what in TABLES[name].items() if what.required]
        columns = [*needed, *(column for column in rows.columns if column not in needed)]
        frames[name] = rows.assign(person_id=0, **{when: day}).reindex(columns=columns)
    return Registers(
        pd.DataFrame(nobody),
        frames["events"],
        frames["stays"],
        coverage=coverage,
        extract_date=extract_date,
        tolerance=1,
    )


def _coverage(tables: Mapping, kinds: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Coverage of all sources that have rows anywhere, so that a task without rows of one knows of it."""
    from pyspark.sql import functions as F

    sources = {str(source) for rows in kinds.values() for source in rows["source"].dropna()}
    listed = {"source": sorted(sources)}
    if "coverage" not in tables:
        return pd.DataFrame(listed)
    table = tables["coverage"]
    instants = [name for name in ("from", "to") if name in table.columns and _is_instant(table, name)]
    for name in instants:  # collected as they are, they would come in the time zone of the driver
        table = table.withColumn(name, F.unix_micros(F.col(f"`{name}`")))
    given = pd.DataFrame([row.asDict() for row in table.collect()], columns=table.columns)
    for name in [name for name in ("from", "to") if name in given]:
        times = pd.to_datetime(given[name], unit="us", utc=True) if name in instants else pd.to_datetime(given[name])
        times = times.dt.tz_convert(ZONE).dt.tz_localize(None) if name in instants else times
        given[name] = times.astype("datetime64[us]")
    new = [source for source in listed["source"] if source not in set(given["source"])]
    return pd.concat([given, pd.DataFrame({"source": new})], ignore_index=True) if new else given


def _is_instant(table, name: str) -> bool:
    return dict(table.dtypes)[name] == "timestamp"


def _together(tables: Mapping, persons_per_task: int):
    """Rows of all tables, each table in a column of its own, dealt out so that those of a person are in one task."""
    from pyspark.sql import functions as F

    parts = []
    for name in _TABLES:
        if name in tables:
            table = tables[name]
            kind = _kind_of_ids(tables["persons"])
            rest = F.struct(*[F.col(f"`{column}`") for column in table.columns if column != "person_id"])
            parts.append(table.select(F.col("person_id").cast(kind).alias("person_id"), rest.alias(name)))
    together = parts[0]
    for part in parts[1:]:
        together = together.unionByName(part, allowMissingColumns=True)
    n_tasks = max(1, -(-tables["persons"].count() // persons_per_task))
    return together.repartition(n_tasks, "person_id")


def _kind_of_ids(table) -> str:
    return "bigint" if table.schema["person_id"].dataType.simpleString() in _WHOLE_NUMBERS else "string"


def _schema(model: NeedModel, kind: str) -> str:
    columns = ["segment string, segment_probability double, uncertain boolean"]
    if not model.is_segmenter:
        columns = [f"`{name}` double" for name in model.estimator_.score_names]
    return ", ".join(
        [
            f"person_id {kind}, index_date timestamp_ntz",
            *columns,
            f"model string, version string, reason string, {_ORDER} double, {_CONTENT} string",
        ]
    )


def _ranked(found, facts: dict):
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    scores = found.filter(f"reason IS NULL AND {_CONTENT} IS NULL").drop("reason", _CONTENT)
    if "risk" in scores.columns:
        within = Window.partitionBy("index_date").orderBy(F.col(_ORDER).desc(), "person_id")
        scores = scores.withColumn("rank", F.row_number().over(within).cast("bigint"))
    names = [name for name in scores.columns if name not in ("rank", _ORDER)]
    if "rank" in scores.columns:
        names.insert(names.index("risk") + 1, "rank")
    return scores.select(names).withMetadata("model", {"servicenee": json.dumps(facts)})


# --- in a task -------------------------------------------------------------------------------------------------------


class _Task:
    """What Spark calls with the rows of one task."""

    def __init__(self, compute, registers_of):
        self.compute, self.registers_of = compute, registers_of

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with threadpool_limits(1):  # Spark runs a task per core already
            for registers in self.registers_of(batches):
                yield from self.compute(registers).to_batches()


def _registers_of_parts(folders: list[str], batches: Iterator[pa.RecordBatch]) -> Iterator[Registers]:
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield read_registers(folders[number])


def _registers_of_rows(
    batches: Iterator[pa.RecordBatch],
    *,
    words: Words,
    coverage: pd.DataFrame,
    further: dict[str, str],
    manifest: dict[str, str],
) -> list[Registers]:
    """One, or none where there are no rows: a list, so that the rows are gone when it is looked at."""
    rows = list(batches)
    if not rows:
        return []
    together = pa.Table.from_batches(rows)
    findings, tables = Findings(0.01), {}
    for name in (name for name in _TABLES if name in together.column_names):
        column = together.column(name)
        own = together.filter(column.is_valid())
        table = pa.Table.from_struct_array(own.column(name).combine_chunks())
        table = table.append_column("person_id", own.column("person_id").combine_chunks())
        known = {column: what.holds for column, what in TABLES[name].items()}
        known |= further if name == "persons" else {}
        wanted = [column for column in table.column_names if column in known]
        tables[name] = frame_of(table.select(wanted), name, known, None, findings)
    registers = assembled(tables | {"coverage": coverage}, findings, **manifest)
    return [with_words(registers, words)]


def _learning_table(model: NeedModel, dates: list[str], names: list[str], registers: Registers) -> pa.Table:
    """Features and labels of one task in the order of the schema."""
    cohort = model.population.at(registers, dates)
    X = model.features.transform(cohort)[names]
    if model.outcome is not None:
        X = pd.concat([X, model.outcome.label(cohort)], axis=1)
    return as_table(X, registers)


def _score(model: NeedModel, dates: list[str], registers: Registers) -> pa.Table:
    """Scored and unscored rows of one task and its fingerprint as one table in the order of `_schema`."""
    scores, unscored = score_rows(model, registers, dates)
    names = [name for name in scores.column_names if name not in ("person_id", "index_date")]
    order = rounded(scores["risk"].to_numpy()) if "risk" in names else np.zeros(len(scores))
    scored = {name: scores.column(name) for name in scores.column_names}
    scored |= _named(model, len(scores)) | {"reason": pa.nulls(len(scores), pa.string()), _ORDER: pa.array(order)}
    left = {name: unscored.column(name) for name in ("person_id", "index_date")}
    left |= {name: pa.nulls(len(unscored), scores.schema.field(name).type) for name in names}
    left |= _named(model, len(unscored)) | {
        "reason": unscored.column("reason"),
        _ORDER: pa.nulls(len(unscored), pa.float64()),
    }
    rows = pa.concat_tables([pa.table(scored), pa.table(left)])
    rows = rows.append_column(_CONTENT, pa.nulls(len(rows), pa.string()))
    content = pa.table({_CONTENT: [f"{content_sum(registers):x}"]})
    return pa.concat_tables([rows, content], promote_options="default")


def _named(model: NeedModel, n_rows: int) -> dict[str, pa.Array]:
    return {
        "model": pa.array([model.name] * n_rows, pa.string()),
        "version": pa.array([model.version] * n_rows, pa.string()),
    }
