"""What reading events from Parquet costs, against pyarrow's own read of the same columns and one sort.

Run by hand: ``python tests/benchmarks/reading.py [n_rows] [repeats]``. Every measurement is a process of its own; times
are CPU seconds (medians), memory is the peak above the imports. The rows come in random order of persons, each
person's in order of time, as from a register that is delivered by unit.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ["person_id", "time", "source", "code_system", "code", "value"]


def write(folder: Path, n_rows: int) -> None:
    """Registers of one person per 100 events, with 400 codes of four sources."""
    rng = np.random.default_rng(0)
    n_persons = max(n_rows // 100, 1)
    person = rng.integers(0, n_persons, n_rows)
    minutes = rng.integers(0, 6 * 365 * 1440, n_rows)
    code = np.minimum(rng.geometric(0.02, n_rows) - 1, 399)
    stamps = (np.datetime64("2018-01-01", "m") + minutes).astype("datetime64[us]")
    levels = {
        "source": [("primary_care", "home_care", "laboratory", "medication")[n % 4] for n in range(400)],
        "code_system": [("ICPC-2", "contact", "lab", "ATC")[n % 4] for n in range(400)],
        "code": [f"{'ABCD'[n % 4]}{n // 4:02}" for n in range(400)],
    }
    table = {"person_id": pa.array(person), "time": pa.array(stamps)}
    for name, texts in levels.items():
        distinct = sorted(set(texts))
        place = np.array([distinct.index(text) for text in texts], dtype=np.int32)
        table[name] = pa.DictionaryArray.from_arrays(pa.array(place[code]), pa.array(distinct)).cast(pa.string())
    table["value"] = pa.array(rng.normal(100, 20, n_rows))
    pq.write_table(pa.table(table), folder / "events.parquet", compression="zstd")
    births = pd.Timestamp("1940-01-01") + pd.to_timedelta(rng.integers(0, 9000, n_persons), "D")
    persons = pd.DataFrame({"person_id": np.arange(n_persons), "birth_date": births, "sex": "female"})
    persons.to_parquet(folder / "persons.parquet")


def arrow(folder: Path) -> int:
    """pyarrow's own read, text as dictionaries."""
    file = pq.ParquetFile(folder / "events.parquet", read_dictionary=["source", "code_system", "code"], memory_map=True)
    return file.read(columns=COLUMNS, use_threads=False).nbytes


def arrow_and_sort(folder: Path) -> int:
    """The read, and the fastest sort that NumPy has for it: person, minute and position packed into one number."""
    file = pq.ParquetFile(folder / "events.parquet", read_dictionary=["source", "code_system", "code"], memory_map=True)
    table = file.read(columns=COLUMNS, use_threads=False)
    person, moment = (table.column(name).to_numpy() for name in ("person_id", "time"))
    minute = moment.astype("datetime64[m]").astype(np.int64)
    minute -= minute.min()
    for_minute, for_position = int(minute.max()).bit_length(), len(minute).bit_length()
    packed = (((person << for_minute) | minute) << for_position) | np.arange(len(minute))
    assert int(person.max()).bit_length() + for_minute + for_position <= 63
    packed.sort()
    order = packed & ((1 << for_position) - 1)
    return len(order)


def registers(folder: Path) -> int:
    """Checked, coded, sorted: ready for cohorts and features."""
    from servicenee import read_registers

    return len(read_registers(folder, extract_date="2024-01-01", duplicates="keep").event_columns)


MEASURED = {function.__name__: function for function in (arrow, arrow_and_sort, registers)}


def measure(what: str, folder: Path) -> None:
    """One measurement, printed: CPU seconds and peak memory in MB above that of the imports."""
    if what == "registers":
        import servicenee.registers  # noqa: F401  (imports are not part of reading)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    result = MEASURED[what](folder)
    took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(took, (peak - before) / 1024, result)


def main(n_rows: int, repeats: int) -> None:
    """Write the file, measure everything in turn, print the table."""
    with tempfile.TemporaryDirectory() as made:
        subprocess.run([sys.executable, __file__, "write", made, str(n_rows)], check=True)
        runs: dict[str, list[list[float]]] = {what: [] for what in MEASURED}
        for _ in range(repeats):
            for what in MEASURED:
                command = [sys.executable, __file__, what, made]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                runs[what].append([float(number) for number in told.split()])
    took = {what: statistics.median(run[0] for run in listed) for what, listed in runs.items()}
    peak = {what: statistics.median(run[1] for run in listed) for what, listed in runs.items()}
    size = runs["arrow"][0][2] / 2**20
    print(f"{n_rows:,} rows, {repeats} runs, columns of {size:,.0f} MB in memory")
    for what in MEASURED:
        print(f"{what:15} {took[what]:7.2f} CPU s   peak {peak[what]:7,.0f} MB")
    sort = took["arrow_and_sort"] - took["arrow"]
    print(f"registers : (arrow + sort)       {took['registers'] / took['arrow_and_sort']:.2f}")
    print(f"registers : 2.5 x arrow + sort   {took['registers'] / (2.5 * took['arrow'] + sort):.2f}")
    print(f"peak : size of the columns       {peak['registers'] / size:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    elif len(sys.argv) > 2 and sys.argv[1] in MEASURED:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        given = [int(number) for number in sys.argv[1:]]
        main(*given, *(10_000_000, 3)[len(given) :])
