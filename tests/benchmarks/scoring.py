"""Scoring a county in parts, against pyarrow's own read of its events; and the engines alone, against scikit-learn.

    python tests/benchmarks/feature_workload.py make --persons 100000 --data DATA    (once)
    python tests/benchmarks/scoring.py DATA 100k

Prepares the county, fits 100 boosted trees on 310 features of a tenth of its persons, and scores everybody: read,
features, predict, write. Every line is a process of its own; seconds count from when everything is imported, memory is
the peak of the process. Ratios compare processes that ran one after the other on the same machine.

    python tests/benchmarks/scoring.py DATA 100k spark    (after the first; needs servicenee[spark] and Java)

Two local Spark tasks, start of Spark excluded, on the parts and on the tables as they were delivered (which takes a
shuffle of all events), against two processes on the parts.

    python tests/benchmarks/scoring.py engines

Trees against `predict_proba` on rows, and the linear engine against the same curves as a scikit-learn pipeline.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import skops.io  # noqa: F401  (reading a model imports it, and imports are no part of scoring)
from feature_workload import GROUPS, LOOKBACKS, VALUED, statistics
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler

import servicenee as sn
from servicenee.need.boosted import boosted_predictor, fit_boosted
from servicenee.need.columns import Rows, learn_columns, read_matrix, used
from servicenee.need.families import LOGISTIC
from servicenee.need.linear import LinearModel

TRAINED, SCORED, EXTRACT = "2023-12-01", "2024-06-23", "2025-01-02"
N_ROWS, N_COLUMNS = 40_000, 300
LIMITS = {"score / read": 4.0, "read prepared / read as delivered": 0.5, "one process / two (wall)": 1.6, "MB": 900}


def features() -> sn.FeatureSet:
    """310 columns."""
    builders = {
        "count": sn.EventCounts, "any": sn.AnyEvent, "since": sn.DaysSince, "distinct": sn.DistinctCodes,
        "sum": sn.EventSums, "mean": sn.EventMeans, "min": sn.EventMinima, "max": sn.EventMaxima,
        "last": partial(sn.LatestValue, at="time"), "slope": sn.ValueTrend,
    }  # fmt: skip
    kinds = [kind for kind in builders if kind in statistics("lab", "full")]
    sources = {kind: GROUPS if kind in statistics("gp", "full") else VALUED for kind in kinds}
    return sn.FeatureSet(
        [(kind, builders[kind](source=sources[kind], by="source", lookback_days=LOOKBACKS)) for kind in kinds]
    )


def deliver(data: Path, size: str, folder: Path) -> None:
    """The events of the workload as a folder of registers, as a county would deliver them."""
    folder.mkdir(parents=True)
    events, writer = pq.ParquetFile(data / f"events_{size}_sorted.parquet"), None
    for group in range(events.num_row_groups):
        table = events.read_row_group(group, use_threads=False)
        system = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(table), np.int8)), pa.array(["local"]))
        names = ["source" if name == "group" else name for name in table.column_names]
        table = table.rename_columns(names).append_column("code_system", system)
        writer = writer or pq.ParquetWriter(folder / "events.parquet", table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()
    ids = np.unique(pq.read_table(data / f"index1_{size}.parquet")["person_id"].to_numpy())
    births = np.datetime64("1930-01-01", "us") + (ids % 9_000).astype("timedelta64[D]")
    sex = np.where(ids % 3 == 0, "male", "female")
    pq.write_table(pa.table({"person_id": ids, "birth_date": births, "sex": sex}), folder / "persons.parquet")
    (folder / "registers.json").write_text(json.dumps({"extract_date": EXTRACT}))


def step_train(place: dict) -> None:
    """A saved model of the first part."""
    trees = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    estimator = sn.NeedClassifier(trees, calibration="none", random_state=0)
    outcome = sn.Outcome(["local:INP00"], horizon_days=180, label_type="use")
    model = sn.NeedModel(sn.Population(65), features(), estimator, outcome, name="trees")
    sn.save_model(model.fit(sn.read_registers(place["parts"] + "/part-00000"), TRAINED), place["model"])


# --- steps, each in a process of its own -----------------------------------------------------------------------------


def step_arrow(place: dict) -> None:
    """pyarrow's own read of the columns as they were delivered, one row group at a time."""
    events = pq.ParquetFile(place["county"] + "/events.parquet")
    for group in range(events.num_row_groups):
        events.read_row_group(group, use_threads=False)


def step_read(place: dict) -> None:
    """The registers as they were delivered."""
    sn.read_registers(place["county"])


def step_prepare(place: dict) -> None:
    """Into parts of 10,000 persons."""
    sn.write_registers(place["county"], place["parts"])


def step_read_prepared(place: dict) -> None:
    """The parts, one after the other."""
    for part in sorted(Path(place["parts"]).glob("part-*")):
        sn.read_registers(part)


def step_score(place: dict, n_jobs: int = 1) -> None:
    """Everybody: read, features, predict, write."""
    sn.predict(place["model"], place["parts"], index_date=SCORED, output=place["output"], n_jobs=n_jobs)


def step_score_by_two(place: dict) -> None:
    """The same by two processes."""
    step_score(place, n_jobs=2)


def measured(step: str, place: dict) -> dict[str, float]:
    """CPU and wall seconds and peak memory of a step."""
    subprocess.run([sys.executable, __file__, "--step", step, json.dumps(place)], check=True)
    return json.loads(Path(place["facts"]).read_text())


def run_step(step: str, place: dict) -> None:
    """Run one step here and leave what it took; CPU without that of other processes."""
    warnings.simplefilter("ignore")
    sn.predict, sn.load_model  # noqa: B018
    start, cpu = time.perf_counter(), time.process_time()
    globals()[f"step_{step}"](place)
    taken = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - start}
    Path(place["facts"]).write_text(json.dumps({**taken, "mb": _own_peak_kb() / 1024}))


def _own_peak_kb() -> int:
    """Since this program began; `ru_maxrss` begins with what the process that started it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def score_county(data: Path, size: str) -> None:
    """All steps on one county, and their ratios."""
    place = {name: str(data / f"{name}_{size}") for name in ("county", "parts", "model")}
    place |= {"output": str(data / f"scores_{size}.parquet"), "facts": str(data / "facts.json")}
    if not Path(place["county"]).exists():
        deliver(data, size, Path(place["county"]))
    steps = {"prepare": measured("prepare", place)}
    if not Path(place["model"]).exists():
        measured("train", place)
    for step in ("arrow", "read", "read_prepared", "score", "score_by_two"):
        steps[step] = measured(step, place)
    print(pd.DataFrame(steps).T.round(2).to_string())
    cpu = {step: facts["cpu"] for step, facts in steps.items()}
    ratios = {
        "score / read": cpu["score"] / cpu["arrow"],
        "read prepared / read as delivered": cpu["read_prepared"] / cpu["read"],
        "one process / two (wall)": steps["score"]["wall"] / steps["score_by_two"]["wall"],
        "MB": steps["score"]["mb"],
    }
    print(json.dumps({name: round(value, 2) for name, value in ratios.items()} | {"limits": LIMITS}))


def score_on_spark(data: Path, size: str) -> None:
    """Wall seconds of two local tasks, after a small job that starts their Python, and of two processes on parts."""
    from pyspark.sql import SparkSession

    from servicenee.scoring import spark as on_spark

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g")
    for name in ("spark.driver.host", "spark.driver.bindAddress"):
        builder = builder.config(name, "127.0.0.1")
    spark = builder.config("spark.ui.enabled", "false").getOrCreate()
    spark.range(2).repartition(2).mapInArrow(_started, "id bigint").count()
    place = {name: str(data / f"{name}_{size}") for name in ("county", "parts", "model")}
    place |= {"output": str(data / f"scores_{size}.parquet"), "facts": str(data / "facts.json")}
    taken, found = {}, {}
    for way, given in (("spark, parts", place["parts"]), ("spark, tables", place["county"])):
        start = time.perf_counter()
        scores = on_spark.predict(
            spark, place["model"], given, SCORED, str(data / "spark.parquet"), persons_per_task=25_000
        )
        taken[way] = time.perf_counter() - start
        found[way] = scores.toPandas().sort_values("person_id")["risk"].to_numpy()
    spark.stop()
    taken["two processes"] = measured("score_by_two", place)["wall"]
    expected = pd.read_parquet(place["output"])["risk"].to_numpy()
    ratios = {f"{way} / two processes": taken[way] / taken["two processes"] for way in found}
    same = all(np.array_equal(risk, expected) for risk in found.values())
    print(json.dumps({name: round(value, 2) for name, value in (taken | ratios).items()} | {"same bits": same}))


def _started(batches):
    sn.predict  # noqa: B018
    yield from batches


# --- engines ---------------------------------------------------------------------------------------------------------


def compare_engines() -> None:
    """Our engines against scikit-learn's usual way, in this process: CPU microseconds per row, best of five."""
    rng = np.random.default_rng(0)
    X = rng.gamma(0.5, 4.0, (N_COLUMNS, N_ROWS)).round(1).astype(np.float32).T  # as builders make it: by column
    X[rng.random(X.shape) < 0.2] = np.nan
    logit = np.nan_to_num(X[:, :20]) @ rng.normal(0, 0.05, 20) - 2
    y = (rng.random(N_ROWS) < 1 / (1 + np.exp(-logit))).astype(int)
    frame = pd.DataFrame(X, columns=[f"x{number}" for number in range(N_COLUMNS)], copy=False)
    columns = used(learn_columns(frame, None))
    rows = Rows(read_matrix(columns, frame), columns, y, np.ones(N_ROWS))
    boosted = fit_boosted(rows, LOGISTIC, n_trees=100, seed=0)
    in_rows = np.ascontiguousarray(X, dtype=np.float64)
    classifier = sn.NeedClassifier(calibration="none", random_state=0)
    linear = classifier.fit(frame[:8_000].round(0), y[:8_000], groups=np.arange(8_000))
    pipeline = as_pipeline(linear.estimator_, frame)
    simple = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=200)).fit(X, y)
    times = {
        "trees, predict_proba on rows": _best(lambda: boosted.trees.predict_proba(in_rows)),
        "trees, ours": _best(lambda: boosted_predictor(boosted, read_matrix(columns, frame))),
        "linear, its pipeline": _best(lambda: pipeline.predict_proba(frame)),
        "linear, ours": _best(lambda: linear.predict_proba(frame)),
        "straight lines only: impute, scale, logistic": _best(lambda: simple.predict_proba(frame.to_numpy())),
    }
    trees = [boosted.trees.decision_function(in_rows), boosted_predictor(boosted, read_matrix(columns, frame))]
    lines = [model.predict_proba(frame)[:, 1] for model in (pipeline, linear)]
    facts = {
        "trees identical": bool(np.array_equal(*trees)),
        "lines differ at most": float(np.abs(lines[0] - lines[1]).max()),
    }
    print(json.dumps({name: round(seconds / N_ROWS * 1e6, 2) for name, seconds in times.items()} | facts))


def as_pipeline(model: LinearModel, frame: pd.DataFrame) -> Pipeline:
    """The curves of our linear engine in scikit-learn: impute, logarithm, linear splines, logistic."""
    steps, weights = [], []
    for name, curve in zip(frame.columns, model.curves, strict=True):
        start = float(np.expm1(curve.knots[0]) if curve.logarithmic else curve.knots[0])
        spline = [SimpleImputer(strategy="constant", fill_value=start, keep_empty_features=True)]
        spline += [FunctionTransformer(np.log1p)] if curve.logarithmic else []
        spline += [SplineTransformer(degree=1, knots=curve.knots[:, np.newaxis], extrapolation="constant")]
        steps += [(f"{name} known", make_pipeline(*spline), [name])]
        steps += [(f"{name} missing", MissingIndicator(features="all"), [name])]
        weights += [*curve.heights, curve.missing - curve.heights[0]]
    logistic = LogisticRegression().fit(np.eye(2), [0, 1])
    logistic.coef_, logistic.intercept_ = np.array([weights]), np.array([model.intercept])
    logistic.n_features_in_ = len(weights)
    return Pipeline([("columns", ColumnTransformer(steps).fit(frame)), ("logistic", logistic)])


def _best(run) -> float:
    taken = []
    for _ in range(5):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


if __name__ == "__main__":
    if sys.argv[1] == "--step":
        run_step(sys.argv[2], json.loads(sys.argv[3]))
    elif sys.argv[1] == "engines":
        compare_engines()
    elif sys.argv[3:] == ["spark"]:
        score_on_spark(Path(sys.argv[1]), sys.argv[2])
    else:
        shutil.rmtree(Path(sys.argv[1]) / f"parts_{sys.argv[2]}", ignore_errors=True)
        score_county(Path(sys.argv[1]), sys.argv[2])
