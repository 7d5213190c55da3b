"""The workload with Polars, by hand. --way join: join, then filtered aggregations per group, as one would first write
it; --way segments: events summarised per disjoint segment of the past first, as an expert would.
"""

import polars as pl
from feature_workload import DAY, GROUPS, LOOKBACKS, VALUED, Run, statistics

run = Run()
run.lap()
events, index = pl.read_parquet(run.events), pl.read_parquet(run.index)
run.lap()


def pairs(group: str) -> pl.LazyFrame:
    """Events of the group within the widest window, with their lag in microseconds."""
    own = events.lazy().filter(pl.col("group") == group).drop("group")
    joined = (
        index.lazy()
        .join(own, on="person_id")
        .with_columns(
            lag=(pl.col("index_date") - pl.col("time")).dt.total_microseconds(), code=pl.col("code").to_physical()
        )
    )
    return joined.filter((pl.col("lag") > 0) & (pl.col("lag") <= max(LOOKBACKS) * DAY))


def in_days(lag: pl.Expr) -> pl.Expr:
    return lag / DAY


def join(group: str) -> pl.DataFrame:
    asked = []
    for days in LOOKBACKS:
        inside = pl.col("lag") <= days * DAY
        value, lag = pl.col("value").filter(inside), pl.col("lag").filter(inside)
        time = -in_days(lag)
        made = {
            "count": inside.sum(), "any": inside.any(), "since": in_days(lag.min()), "sum": value.sum(),
            "distinct": pl.col("code").filter(inside).n_unique(), "mean": value.mean(), "min": value.min(),
            "max": value.max(), "last": value.get(lag.arg_min(), null_on_oob=True),
            "slope": 365.25 * pl.cov(time, value) / time.var(),
        }  # fmt: skip
        asked += [made[name].alias(f"{group}/{name}/{days}") for name in statistics(group, run.level)]
    return pairs(group).group_by("row_id").agg(asked).collect()


def segments(group: str) -> pl.DataFrame:
    bounds = [(pl.col("lag") > days * DAY).cast(pl.Int8) for days in LOOKBACKS]
    cut = pairs(group).with_columns(segment=pl.sum_horizontal(bounds), time=-in_days(pl.col("lag")))
    value, time = pl.col("value"), pl.col("time")
    base = [pl.len().alias("n"), pl.col("lag").min()]
    if group in VALUED:
        base += [
            value.sum().alias("y"), value.min().alias("low"), value.max().alias("high"), time.sum().alias("x"),
            value.get(pl.col("lag").arg_min()).alias("last"), (time * time).sum().alias("xx"),
            (time * value).sum().alias("xy"),
        ]  # fmt: skip
    asked = [cut.group_by("row_id", "segment").agg(base)]
    if "distinct" in statistics(group, run.level):
        recent = cut.group_by("row_id", "code").agg(pl.col("segment").min())
        asked.append(recent.group_by("row_id", "segment").agg(pl.len().alias("codes")))
    found = pl.collect_all(asked)
    table = found[0] if len(found) == 1 else found[0].join(found[1], on=["row_id", "segment"], how="left")
    columns = [
        made.alias(f"{group}/{name}/{days}")
        for at, days in enumerate(LOOKBACKS)
        for name, made in from_segments(at).items()
        if name in statistics(group, run.level)
    ]
    return table.lazy().group_by("row_id").agg(columns).collect()


def from_segments(last_segment: int) -> dict[str, pl.Expr]:
    inside = pl.col("segment") <= last_segment
    n, x, y, xx, xy = (pl.col(name).filter(inside).sum() for name in ("n", "x", "y", "xx", "xy"))
    return {
        "count": n, "any": inside.any(), "since": in_days(pl.col("lag").filter(inside).min()), "sum": y,
        "distinct": pl.col("codes").filter(inside).sum(), "mean": y / n, "min": pl.col("low").filter(inside).min(),
        "max": pl.col("high").filter(inside).max(), "slope": 365.25 * (n * xy - x * y) / (n * xx - x * x),
        "last": pl.col("last").filter(inside).get(pl.col("segment").filter(inside).arg_min(), null_on_oob=True),
    }  # fmt: skip


X = index.select("row_id").sort("row_id")
for group in GROUPS:
    made = {"join": join, "segments": segments}[run.way](group)
    X = X.join(made, on="row_id", how="left", maintain_order="left")
zero = [
    name for name in X.columns if name.split("/")[1:2] and name.split("/")[1] in ("count", "any", "distinct", "sum")
]
X = X.with_columns(pl.col(zero).fill_null(0))
run.lap()


def of_rows(row_ids, columns):
    """Rows stand in the order of `row_id`."""
    names = ["/".join(map(str, column)) for column in columns]
    return X[row_ids.tolist()].select(pl.col(names).cast(pl.Float64)).to_numpy()


run.report(of_rows)
