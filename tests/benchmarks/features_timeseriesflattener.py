"""The workload, as far as it goes, with timeseriesflattener 2: counts, any, sums, means, minima and maxima."""

import contextlib
import datetime
import io

import numpy as np
import polars as pl
import timeseriesflattener as ts
from feature_workload import GROUPS, LOOKBACKS, Run, statistics

AGGREGATORS = {
    "count": ts.CountAggregator, "any": ts.HasValuesAggregator, "sum": ts.SumAggregator, "mean": ts.MeanAggregator,
    "min": ts.MinAggregator, "max": ts.MaxAggregator,
}  # fmt: skip
WORDS = {"any": "bool"}

run = Run()
run.lap()
events, index = pl.read_parquet(run.events), pl.read_parquet(run.index)
run.lap()
just_before = index.with_columns(at=pl.col("index_date") - pl.duration(microseconds=1)).drop("index_date")
times = ts.PredictionTimeFrame(init_df=just_before, entity_id_col_name="person_id", timestamp_col_name="at")
asked = []
for group in GROUPS:
    own = events.filter(pl.col("group") == group)
    values = own.select("person_id", "time", pl.col("value").fill_null(1.0).alias(group))
    frame = ts.ValueFrame(init_df=values, entity_id_col_name="person_id", value_timestamp_col_name="time")
    asked.append(
        ts.PredictorSpec(
            value_frame=frame,
            lookbehind_distances=[datetime.timedelta(days=days) for days in LOOKBACKS],
            aggregators=[AGGREGATORS[name]() for name in statistics(group, run.level) if name in AGGREGATORS],
            fallback=np.nan,
            column_prefix="p",
        )
    )
with contextlib.redirect_stdout(io.StringIO()):
    X = ts.Flattener(predictiontime_frame=times).aggregate_timeseries(specs=asked).df
run.lap()


def of_rows(row_ids, columns):
    """Zero where a row has no event, for counts, any and sums."""
    some = X.sort("row_id")[row_ids.tolist()]
    out = np.full((len(row_ids), len(columns)), np.nan)
    for at, (group, name, days) in enumerate(columns):
        begin = f"p_{group}_within_0_to_{days}_days_{WORDS.get(name, name)}_"
        found = [column for column in some.columns if column.startswith(begin)]
        if found:
            out[:, at] = some[found[0]].cast(pl.Float64).to_numpy()
        if name in ("count", "any", "sum"):
            out[:, at] = np.nan_to_num(out[:, at])
    return out


run.report(of_rows)
