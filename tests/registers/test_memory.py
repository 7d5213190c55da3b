"""The big arrays: what they are made of, and that they behave like any other array."""

import subprocess
import sys

import joblib
import numpy as np
import pytest

from servicenee.registers.tables import unfilled

MEGABYTES = 1 << 20
HOW_ARRAYS_ARE_MADE = """
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee import Registers
from servicenee.registers.tables import unfilled


def asks_for_huge_pages(array):
    middle, inside = array.ctypes.data + array.nbytes // 2, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split()[0]
        if "-" in first and not first.endswith(":"):
            low, high = (int(end, 16) for end in first.split("-"))
            inside = low <= middle < high
        elif inside and first == "VmFlags:":
            return "hg" in line.split()
    raise AssertionError("no mapping holds the array")


n = 9_000_000
minutes = np.datetime64("2020-01-01", "m") + np.arange(n)
same = {name: pd.Categorical(["x"]).repeat(n) for name in ("source", "code_system", "code")}
events = pd.DataFrame({"person_id": 1, "time": minutes.astype("datetime64[us]"), "value": np.arange(n) * 1.0} | same)
events.iloc[1] = events.iloc[0]  # without a repeated row nothing is taken away
persons = pd.DataFrame({"person_id": [1], "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
columns = Registers(persons, events, extract_date="2060-01-01").event_columns
print(
    asks_for_huge_pages(np.empty(64 << 20, dtype=np.uint8)),
    asks_for_huge_pages(unfilled(64 << 20, np.uint8)),
    *(asks_for_huge_pages(column) for column in (columns.minute, columns.kind, columns.value)),
)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/self/smaps is a thing of Linux")
def test_no_huge_pages_are_asked_for():
    done = subprocess.run([sys.executable, "-c", HOW_ARRAYS_ARE_MADE], capture_output=True, text=True, check=True)
    numpys, *ours = done.stdout.split()
    if numpys == "False":
        pytest.skip("NumPy does not ask for huge pages here")
    assert ours == ["False"] * 4


BLOCK_AFTER_BLOCK = """
import resource
import sys

import numpy as np

from servicenee.registers.tables import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
faults = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = [np.ones(150_000) for _ in range(8)]
    del block
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sum(faults[1:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc gives memory back so soon")
def test_a_block_gets_the_memory_of_the_one_before():
    with_and_without = []
    for how in ("kept", "given back"):
        command = [sys.executable, "-c", BLOCK_AFTER_BLOCK, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        with_and_without.append(int(done.stdout))
    kept, given_back = with_and_without
    if given_back < 10_000:
        pytest.skip("the C library keeps freed memory by itself here")
    assert kept < given_back / 10


@pytest.mark.parametrize("shape", [0, 5, (0, 3), (3, 0), (2, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_like_any_other_array(shape, dtype):
    array = unfilled(shape, dtype)
    plain = np.empty(shape, dtype=dtype)
    assert (array.shape, array.dtype) == (plain.shape, plain.dtype)
    array[...] = 1
    assert (array == 1).all()
    assert all(array.flags[name] for name in ("WRITEABLE", "ALIGNED", "C_CONTIGUOUS"))


def test_it_keeps_its_memory_and_shares_none():
    first, second = unfilled(1000, np.int64), unfilled(1000, np.int64)
    first[:], second[:] = 1, 2
    part = first[10:20]
    del first
    assert (part == 1).all()
    assert (second == 2).all()


def test_it_goes_to_another_process():
    array = unfilled(2 * MEGABYTES, np.uint8)
    array[:] = 7
    (total,) = joblib.Parallel(n_jobs=2, max_nbytes=MEGABYTES)([joblib.delayed(np.sum)(array)])
    assert total == 7 * array.size
