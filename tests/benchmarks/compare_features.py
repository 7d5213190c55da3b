"""Run servicenee and its peers in turn on one workload; print medians and ratios of CPU time, and peak memory."""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNNERS = {
    "servicenee": ["features_servicenee.py"],
    "polars-join": ["features_polars.py", "--way", "join"],
    "polars-segments": ["features_polars.py", "--way", "segments"],
    "duckdb": ["features_duckdb.py"],
    "timeseriesflattener": ["features_timeseriesflattener.py"],
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--peers", nargs="*", default=["polars-join", "polars-segments"], choices=[*RUNNERS])
parser.add_argument("--size", default="10k")
parser.add_argument("--index", default="index2")
parser.add_argument("--level", default="full")
parser.add_argument("--order", default="sorted")
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--data", default=str(HERE / "data"))
parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers installed")
given = parser.parse_args()

workload = ["--size", given.size, "--index", given.index, "--level", given.level, "--order", given.order]
found: dict[str, list[dict]] = {name: [] for name in ["servicenee", *given.peers]}
for _ in range(given.repeats):
    for name, runs in found.items():
        script, *way = RUNNERS[name]
        python = sys.executable if name == "servicenee" else given.peers_python
        command = [python, str(HERE / script), *way, *workload, "--data", given.data]
        done = subprocess.run(command, capture_output=True, text=True, cwd=HERE)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr[-800:]}")
        runs.append(json.loads(done.stdout.strip().splitlines()[-1]))

print(f"{given.size} {given.index} {given.level} {given.order}, median of {given.repeats}")
print("| tool | read, CPU s | compute, CPU s | of it system | compute ÷ ours | read and compute ÷ ours | peak MB |")
print("|---|---|---|---|---|---|---|")
middle = {
    name: {key: statistics.median(run[key] for run in runs) for key in ("read", "compute", "system", "peak_mb")}
    | {"all": statistics.median(run["read"] + run["compute"] for run in runs)}
    for name, runs in found.items()
}
for name, run in middle.items():
    ours = middle["servicenee"]
    print(
        f"| {name} | {run['read']:.2f} | {run['compute']:.2f} | {run['system']:.2f} | "
        f"{run['compute'] / ours['compute']:.1f} | {run['all'] / ours['all']:.1f} | {run['peak_mb']:.0f} |"
    )
