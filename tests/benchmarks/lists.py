"""Lists of a county of 100,000 persons and 30 teams: seconds, and the peak memory of a process that makes them.

    python tests/benchmarks/lists.py [folder]

Makes the county and scores it first (minutes; kept in the folder), then times what a monthly run does: read, list,
one Excel file per team, the county's page, CSV and Parquet, and the record. As the command `servicenee lists` does,
it reads the events of the scored persons alone. `seconds` are those of listing and writing, `process_mb` is the peak
of the whole process, reading included.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import servicenee as sn

N_PERSONS, N_TEAMS, SEED = 100_000, 30, 0
DATES = ("2023-12-01", "2024-01-01")
LIMITS = {"seconds": 60.0, "process_mb": 1_000.0}


def prepare(folder: Path) -> None:
    """The county, a model and scores of two dates."""
    registers = sn.make_registers(N_PERSONS, random_state=SEED)
    teams = pd.Series(np.random.RandomState(SEED).randint(N_TEAMS, size=N_PERSONS) + 1)
    persons = registers.persons.assign(team=[f"Tiimi {team:02d}" for team in teams])
    tables = {"stays": registers.stays, "coverage": registers.coverage, "extract_date": registers.extract_date}
    registers = sn.Registers(persons, registers.events, **tables)
    sn.write_registers(registers, folder / "registers")
    population = sn.Population(75, without=["stay:home_care", "stay:round_the_clock"])
    features = sn.default_features(registers).without("home_care")
    model = sn.NeedModel(population, features, sn.NeedClassifier(random_state=SEED), sn.Outcome("home_care_start"))
    small = sn.make_registers(10_000, random_state=SEED)
    sn.save_model(model.fit(small, ["2021-01-01", "2022-01-01"]), folder / "model")
    for date in DATES:
        model.predict(registers, date).to_parquet(folder / f"scores-{date}.parquet")


def measure(folder: Path) -> dict[str, float]:
    """One monthly run, as a process of its own sees it."""
    start = time.perf_counter()
    earlier_scores, scores = (pd.read_parquet(folder / f"scores-{date}.parquet") for date in DATES)
    persons = scores.index.unique("person_id").union(earlier_scores.index.unique("person_id"))
    registers = sn.read_registers(folder / "registers", persons=persons)
    model = sn.load_model(folder / "model")
    read = time.perf_counter()
    options = {"model": model, "purpose": "client_work", "by": "team", "capacity": 5, "weeks": 4, "legal_basis": "test"}
    earlier = sn.segment_list(earlier_scores, registers, **options)
    made = time.perf_counter()
    listing = sn.segment_list(scores, registers, previous=earlier, holdout=0.1, random_state=SEED, **options)
    listed = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        for number, own in enumerate(listing.split().values()):
            own.to_excel(Path(out) / f"team-{number}.xlsx")
        listing.to_excel(Path(out) / "county.xlsx")
        listing.to_html(Path(out) / "county.html")
        listing.to_csv(Path(out) / "county.csv")
        listing.to_parquet(Path(out) / "county.parquet")
        listing.record(Path(out) / "protected", written_by="benchmark", written_for="30 teams", ground="benchmark")
    written = time.perf_counter()
    return {
        "events": len(registers.event_columns.kind),
        "scored": len(scores),
        "listed": len(listing.rows),
        "teams": int((listing.groups["listed"] > 0).sum()),
        "read_s": round(read - start, 1),
        "list_s": round(listed - made, 1),
        "write_s": round(written - listed, 1),
        "seconds": round(written - made, 1),
        "process_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "benchmark-lists")
    if "--measure" in sys.argv:
        print(json.dumps(measure(place)))
    else:
        if not (place / "model").exists():
            place.mkdir(parents=True, exist_ok=True)
            prepare(place)
        run = subprocess.run([sys.executable, __file__, str(place), "--measure"], capture_output=True, text=True)
        sys.stderr.write(run.stderr)
        figures = json.loads(run.stdout)
        print(pd.Series(figures).to_string())
        sys.exit(any(figures[name] > limit for name, limit in LIMITS.items()))
