"""The workload that all runners share: a county on disk, the columns wanted, brute force, and one line of JSON."""

import argparse
import json
import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUPS = ["gp", "ed", "inpatient", "outpatient", "medication", "lab", "homecare", "social"]
VALUED = ["inpatient", "outpatient", "medication", "lab", "homecare"]
CODES_PER_GROUP = [30, 30, 80, 60, 90, 70, 20, 20]
SHARE_OF_GROUP = [0.22, 0.03, 0.03, 0.12, 0.25, 0.25, 0.07, 0.03]
LOOKBACKS = [30, 90, 180, 365, 730]
OF_EVENTS = ["count", "any", "since", "distinct"]
OF_VALUES = ["sum", "mean", "min", "max", "last", "slope"]
CORE = ["count", "any", "sum", "mean", "min", "max"]
DAY = 86_400_000_000
PERSONS_PER_BLOCK = 5_000
FIRST_DAY = np.datetime64("2019-01-01")
MINUTES = int(6 * 365.25 * 1440)


def statistics(group: str, level: str = "full") -> list[str]:
    """What is computed of a group."""
    wanted = OF_EVENTS + (OF_VALUES if group in VALUED else [])
    return wanted if level == "full" else [one for one in CORE if one in wanted]


def columns(level: str = "full") -> list[tuple[str, str, int]]:
    """(group, statistic, lookback) of every column."""
    return [(group, one, days) for group in GROUPS for one in statistics(group, level) for days in LOOKBACKS]


# --- the county ------------------------------------------------------------------------------------------------------


def _block(seed: int, number: int, ids: np.ndarray) -> pa.Table:
    """Events of some persons: heavy users, a few popular codes, no two events of a group in one minute."""
    rng = np.random.default_rng([seed, number])
    heavy = rng.lognormal(-0.4, 0.9, len(ids))
    person = np.repeat(np.arange(len(ids)), np.clip(rng.poisson(230 * heavy), 5, 6_000))
    group = rng.choice(len(GROUPS), len(person), p=SHARE_OF_GROUP)
    minute = (MINUTES * rng.random(len(person)) ** 0.8).astype(np.int64)
    person, minute, group = np.array(
        np.unravel_index(
            np.unique(np.ravel_multi_index((person, minute, group), (len(ids), MINUTES, 8))), (len(ids), MINUTES, 8)
        )
    )
    first_code = np.cumsum([0, *CODES_PER_GROUP])
    code, value = np.empty(len(person), dtype=np.int16), np.full(len(person), np.nan)
    for number_of_group, name in enumerate(GROUPS):
        own = np.flatnonzero(group == number_of_group)
        popularity = 1 / np.arange(1, CODES_PER_GROUP[number_of_group] + 1) ** 1.1
        code[own] = first_code[number_of_group] + rng.choice(len(popularity), len(own), p=popularity / popularity.sum())
        if name in VALUED:
            value[own] = np.round(np.exp(3 + 0.8 * rng.standard_normal(len(own))), 2)
    names = pa.array(
        [f"{name[:3].upper()}{at:03d}" for name, n in zip(GROUPS, CODES_PER_GROUP, strict=True) for at in range(n)]
    )
    return pa.table(
        {
            "person_id": ids[person],
            "time": (FIRST_DAY.astype("datetime64[m]") + minute).astype("datetime64[us]"),
            "group": pa.DictionaryArray.from_arrays(group.astype(np.int8), pa.array(GROUPS)),
            "code": pa.DictionaryArray.from_arrays(code, names),
            "value": pa.array(value, from_pandas=True),
        }
    )


def make(folder: Path, n_persons: int, seed: int = 7) -> None:
    """Write events in order and, of up to 100,000 persons, shuffled; index dates: two random ones, one, 36 monthly."""
    folder.mkdir(exist_ok=True)
    size = f"{n_persons // 1000}k"
    ids = np.cumsum(np.random.default_rng(11).integers(1, 17, n_persons)) + 1_000_000
    starts = range(0, n_persons, PERSONS_PER_BLOCK)
    blocks = [_block(seed, at, ids[start : start + PERSONS_PER_BLOCK]) for at, start in enumerate(starts)]
    events = pa.concat_tables(blocks).unify_dictionaries()
    orders = {"sorted": events}
    if n_persons <= 100_000:
        orders["shuffled"] = events.take(np.random.default_rng(seed + 1).permutation(len(events)))
    for order, table in orders.items():
        pq.write_table(table, folder / f"events_{size}_{order}.parquet", compression="zstd", row_group_size=1 << 20)
    rng = np.random.default_rng(seed + 2)
    for name, days in {
        "index2": np.sort(rng.integers(731, 2_160, (n_persons, 2)), axis=1),
        "index1": np.full((n_persons, 1), 2_000),
        "index36": np.tile(1_000 + 30 * np.arange(36), (n_persons, 1)),
    }.items():
        rows = np.unique(np.c_[np.repeat(ids, days.shape[1]), days.ravel()], axis=0)
        dates = (FIRST_DAY + rows[:, 1]).astype("datetime64[us]")
        table = pa.table({"row_id": np.arange(len(rows)), "person_id": rows[:, 0], "index_date": dates})
        pq.write_table(table, folder / f"{name}_{size}.parquet")
    print(f"{size}: {len(events):,} events")


# --- what runners share ----------------------------------------------------------------------------------------------


class Run:
    """Arguments of a runner, its phases by CPU time, and its report."""

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("--size", default="10k")
        parser.add_argument("--index", default="index2")
        parser.add_argument("--level", default="full")
        parser.add_argument("--order", default="sorted")
        parser.add_argument("--way", default="")
        parser.add_argument("--check", type=int, default=0)
        parser.add_argument("--data", default=str(Path(__file__).parent / "data"))
        self.arguments = parser.parse_args()
        self.level, self.way = self.arguments.level, self.arguments.way
        folder = Path(self.arguments.data)
        self.events = str(folder / f"events_{self.arguments.size}_{self.arguments.order}.parquet")
        self.index = str(folder / f"{self.arguments.index}_{self.arguments.size}.parquet")
        self._laps: list[tuple[float, float]] = []

    def lap(self) -> None:
        """Called before reading, before computing and after it; any number of times in turn."""
        spent = resource.getrusage(resource.RUSAGE_SELF)
        self._laps.append((spent.ru_utime + spent.ru_stime, spent.ru_stime))

    def report(self, of_rows) -> None:
        """Print CPU seconds and peak memory; `of_rows(row_ids, columns)` is used to compare with brute force."""
        phases = np.diff(self._laps, axis=0)  # reading and computing take turns
        read, (compute, system) = phases[0::2, 0].sum(), phases[1::2].sum(axis=0)
        n_events = pq.ParquetFile(self.events).metadata.num_rows
        facts = {"read": read, "compute": compute, "system": system, "ns_per_event": 1e9 * compute / n_events}
        facts |= {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        if self.arguments.check:
            facts["columns_that_differ"] = self._differing(of_rows)
        print(json.dumps(facts))

    def _differing(self, of_rows) -> list[str]:
        index = pq.read_table(self.index).to_pandas()
        n_checked = min(self.arguments.check, len(index))
        some = index.iloc[np.sort(np.random.default_rng(5).choice(len(index), n_checked, replace=False))]
        events = pq.read_table(
            self.events, filters=[("person_id", "in", some["person_id"].unique().tolist())]
        ).to_pandas()
        by_person = dict(iter(events.groupby("person_id")))
        wanted = columns(self.level)
        expected = np.array(
            [
                [_brute(by_person[row.person_id], row.index_date, *column) for column in wanted]
                for row in some.itertuples()
            ]
        )
        found = np.asarray(of_rows(some["row_id"].to_numpy(), wanted), dtype=float)
        near = np.isclose(found, expected, rtol=2e-5, atol=1e-4, equal_nan=True)
        return ["/".join(map(str, column)) for column, same in zip(wanted, near.all(axis=0), strict=True) if not same]


def _brute(events, index_date, group: str, statistic: str, days: int) -> float:
    before = events[(events["group"] == group) & (events["time"] < index_date)].sort_values("time")
    seen = before[before["time"] >= index_date - np.timedelta64(days, "D")]
    if statistic in ("count", "any", "distinct", "sum"):
        made = {"count": len(seen), "any": len(seen) > 0, "sum": seen["value"].sum()}
        return float(made[statistic] if statistic in made else seen["code"].astype(str).nunique())
    if not len(seen):
        return np.nan
    if statistic == "since":
        return (index_date - seen["time"].iloc[-1]) / np.timedelta64(1, "D")
    if statistic == "last":
        return seen["value"].iloc[-1]
    if statistic == "slope":
        return _slope((seen["time"] - index_date) / np.timedelta64(1, "D"), seen["value"])
    return getattr(seen["value"], statistic)()


def _slope(x, y) -> float:
    """Least-squares slope per year of 365.25 days."""
    x = x - x.mean()
    return float(365.25 * (x * y).sum() / (x * x).sum()) if len(x) > 1 and (x * x).sum() > 0 else np.nan


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["make"])
    parser.add_argument("--persons", type=int, default=10_000)
    parser.add_argument("--data", default=str(Path(__file__).parent / "data"))
    given = parser.parse_args()
    make(Path(given.data), given.persons)
