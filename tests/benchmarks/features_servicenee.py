"""The workload with servicenee, through its public builders."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feature_workload import GROUPS, LOOKBACKS, VALUED, Run, statistics

import servicenee as sn

BUILDERS = {
    "count": sn.EventCounts, "any": sn.AnyEvent, "since": sn.DaysSince, "distinct": sn.DistinctCodes,
    "sum": sn.EventSums, "mean": sn.EventMeans, "min": sn.EventMinima, "max": sn.EventMaxima,
    "last": sn.LatestValue, "slope": sn.ValueTrend,
}  # fmt: skip
wanted = {name: GROUPS if name in statistics("gp", "full") else VALUED for name in BUILDERS}

pa.set_memory_pool(pa.jemalloc_memory_pool())  # Arrow's own choice, mimalloc, asks for huge pages: see README.md
run = Run()
run.lap()
files = [pq.ParquetFile(path) for path in (run.events, run.index)]
tables = [
    pa.concat_tables([file.read_row_group(group, use_threads=False) for group in range(file.num_row_groups)])
    for file in files
]
run.lap()
# --- user code
events, index = (table.to_pandas(types_mapper=pd.ArrowDtype) for table in tables)
events = events.rename(columns={"group": "source"}).assign(code_system=pd.Categorical(["local"]).repeat(len(events)))
persons = pd.DataFrame(
    {"person_id": index["person_id"].unique(), "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"}
)
cohort = sn.Cohort.from_frame(sn.Registers(persons, events, extract_date="2025-01-02"), index)
kinds = [name for name in BUILDERS if name in statistics("lab", run.level)]
X = sn.FeatureSet([(kind, BUILDERS[kind](source=wanted[kind], by="source", lookback_days=LOOKBACKS)) for kind in kinds])
X = X.transform(cohort)
# ---
run.lap()


def of_rows(row_ids: np.ndarray, columns) -> np.ndarray:
    """Rows of the cohort stand in the order of `row_id`."""
    order = [(group, kind, days) for kind in kinds for group in wanted[kind] for days in LOOKBACKS]
    return X.to_numpy()[row_ids][:, [order.index(column) for column in columns]]


run.report(of_rows)
