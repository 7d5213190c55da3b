"""The workload with servicenee, through its public builders. --way streamed: a million events at a time, X dropped."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feature_workload import GROUPS, LOOKBACKS, VALUED, Run, statistics

import servicenee as sn

BUILDERS = {
    "count": sn.EventCounts, "any": sn.AnyEvent, "since": sn.DaysSince, "distinct": sn.DistinctCodes,
    "sum": sn.EventSums, "mean": sn.EventMeans, "min": sn.EventMinima, "max": sn.EventMaxima,
    "last": partial(sn.LatestValue, at="time"), "slope": sn.ValueTrend,
}  # fmt: skip
wanted = {name: GROUPS if name in statistics("gp", "full") else VALUED for name in BUILDERS}

pa.set_memory_pool(pa.jemalloc_memory_pool())  # Arrow's own choice, mimalloc, asks for huge pages: see README.md
run = Run()
kinds = [name for name in BUILDERS if name in statistics("lab", run.level)]


def built(events: pa.Table, index: pa.Table) -> pd.DataFrame:
    # --- user code
    events, index = (table.to_pandas(types_mapper=pd.ArrowDtype) for table in (events, index))
    local = pd.Categorical(["local"]).repeat(len(events))
    events = events.rename(columns={"group": "source"}).assign(code_system=local)
    persons = {"person_id": index["person_id"].unique(), "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"}
    cohort = sn.Cohort.from_frame(sn.Registers(pd.DataFrame(persons), events, extract_date="2025-01-02"), index)
    builders = [(kind, BUILDERS[kind](source=wanted[kind], by="source", lookback_days=LOOKBACKS)) for kind in kinds]
    return sn.FeatureSet(builders).transform(cohort)
    # ---


def row_groups(path: str) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path)
    return (file.read_row_group(group, use_threads=False) for group in range(file.num_row_groups))


def whole_persons(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The rows of each table; those of its last person with the next one, where that person may go on."""
    held = next(tables)
    for table in tables:
        person = held["person_id"].to_numpy()
        cut = int(np.searchsorted(person, person[-1]))
        yield held.slice(0, cut)
        held = pa.concat_tables([held.slice(cut), table])
    yield held


run.lap()
index = pa.concat_tables(row_groups(run.index))
if run.way == "streamed":
    if run.arguments.check or run.arguments.order != "sorted":
        raise SystemExit("--way streamed keeps no features to check, and takes events in order of person only")
    n_done = 0
    for events in whole_persons(row_groups(run.events)):
        run.lap()
        stop = int(np.searchsorted(index["person_id"].to_numpy(), events["person_id"][-1].as_py(), side="right"))
        X = built(events, index.slice(n_done, stop - n_done))
        run.lap()
        n_done = stop
else:
    events = pa.concat_tables(row_groups(run.events))
    run.lap()
    X = built(events, index)
    run.lap()


def of_rows(row_ids: np.ndarray, columns) -> np.ndarray:
    """Rows of the cohort stand in the order of `row_id`."""
    order = [(group, kind, days) for kind in kinds for group in wanted[kind] for days in LOOKBACKS]
    return X.to_numpy()[row_ids][:, [order.index(column) for column in columns]]


run.report(of_rows)
