"""The workload with DuckDB, by hand: events summarised per disjoint segment of the past, then per window."""

import duckdb
from feature_workload import DAY, GROUPS, LOOKBACKS, VALUED, Run, statistics

run = Run()
base = duckdb.connect(config={"threads": 2})
base.sql("SET preserve_insertion_order = false")
run.lap()
base.sql(
    f"CREATE TABLE events AS SELECT person_id, time, \"group\"::VARCHAR AS source, code, value FROM '{run.events}'"
)
base.sql(f"CREATE TABLE dates AS SELECT * FROM '{run.index}'")
run.lap()
cut = " + ".join(f"(lag > {days * DAY})::INT" for days in LOOKBACKS)
for group in GROUPS:
    base.sql(f"""
        CREATE OR REPLACE TEMP TABLE pairs AS
        SELECT row_id, lag, code, value, -lag / {DAY}.0 AS x, {cut} AS segment
        FROM (SELECT row_id, code, value, epoch_us(index_date) - epoch_us(time) AS lag
              FROM dates JOIN events USING (person_id) WHERE source = '{group}')
        WHERE lag > 0 AND lag <= {max(LOOKBACKS) * DAY}""")
    of_values = """, sum(value) AS y, min(value) AS low, max(value) AS high, arg_min(value, lag) AS final, sum(x) AS x,
        sum(x * x) AS xx, sum(x * value) AS xy"""
    distinct = """LEFT JOIN (SELECT row_id, segment, count(*) AS codes
        FROM (SELECT row_id, code, min(segment) AS segment FROM pairs GROUP BY ALL) GROUP BY ALL)
        USING (row_id, segment)"""
    asked = []
    for at, days in enumerate(LOOKBACKS):
        inside = f"FILTER (WHERE segment <= {at})"
        n, x, y, xx, xy = (f"sum({name}) {inside}" for name in ("n", "x", "y", "xx", "xy"))
        made = {
            "count": f"coalesce({n}, 0)", "any": f"count(*) {inside} > 0", "since": f"min(lag) {inside} / {DAY}.0",
            "distinct": f"coalesce(sum(codes) {inside}, 0)", "sum": f"coalesce({y}, 0)", "mean": f"{y} / {n}",
            "min": f"min(low) {inside}", "max": f"max(high) {inside}", "last": f"arg_min(final, segment) {inside}",
            "slope": f"365.25 * ({n} * {xy} - {x} * {y}) / nullif({n} * {xx} - {x} * {x}, 0)",
        }  # fmt: skip
        asked += [f'{made[name]} AS "{group}/{name}/{days}"' for name in statistics(group, run.level)]
    base.sql(f"""
        CREATE TEMP TABLE made_{group} AS SELECT row_id, {", ".join(asked)}
        FROM (SELECT row_id, segment, count(*) AS n, min(lag) AS lag {of_values if group in VALUED else ""}
              FROM pairs GROUP BY ALL) {distinct if "distinct" in statistics(group, run.level) else ""}
        GROUP BY row_id""")
joins = " ".join(f"LEFT JOIN made_{group} USING (row_id)" for group in GROUPS)
X = base.sql(f"SELECT * FROM dates {joins}").to_arrow_table()
run.lap()


def of_rows(row_ids, columns):
    """Zero where a row has no pair at all."""
    frame = X.to_pandas().set_index("row_id").loc[row_ids]
    zero = [
        name
        for name in frame.columns
        if name.split("/")[1:2] and name.split("/")[1] in ("count", "any", "distinct", "sum")
    ]
    frame[zero] = frame[zero].astype(float).fillna(0)
    return frame[["/".join(map(str, column)) for column in columns]].astype(float).to_numpy()


run.report(of_rows)
