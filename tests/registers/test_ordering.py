"""Rows in any order, against NumPy's own sort; blocks are made so small that every row lies near the edge of one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicenee.registers import ordering
from servicenee.registers.ordering import Persons, blocks, first_rows, order_by_time, person_of_rows

N_PERSONS = 6
ROWS = st.lists(st.tuples(st.integers(0, N_PERSONS - 1), *[st.integers(0, 4)] * 3), max_size=60)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(ordering, "_ROWS_PER_BLOCK", 7)


def columns_of(rows: list[tuple]) -> dict[str, np.ndarray]:
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    types = {"person": np.int32, "minute": np.int32, "kind": np.uint16, "value": np.float64}
    return {name: table[:, at].astype(dtype) for at, (name, dtype) in enumerate(types.items())}


def placed(columns: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Columns as `build_events` has them before sorting, and the first row of every person."""
    whose = Persons(N_PERSONS, len(columns["person"]))
    for block in blocks(len(columns["person"])):
        whose.add(columns["person"][block])
    rows = {name: column.copy() for name, column in columns.items() if name != "person"}
    return (rows, whose.first) if whose.column is None else (rows | {"person": whose.column}, None)


def in_order(columns: dict[str, np.ndarray]) -> np.ndarray:
    return np.lexsort([columns[name] for name in ("value", "kind", "minute", "person")])


@given(ROWS, st.sampled_from(["as they come", "by person", "by person and time", "by everything"]))
def test_rows_come_out_as_numpy_sorts_them(rows, delivered):
    keys = {"as they come": 0, "by person": 1, "by person and time": 2, "by everything": 4}[delivered]
    columns = columns_of(sorted(rows, key=lambda row: row[:keys]))
    ordered, first = placed(columns)
    first, tied, steps = order_by_time(ordered, first, N_PERSONS)
    expected = {name: column[in_order(columns)] for name, column in columns.items()}
    for name, column in ordered.items():
        np.testing.assert_array_equal(column, expected[name])
    np.testing.assert_array_equal(person_of_rows(first), expected["person"])
    same = [expected[name][1:] == expected[name][:-1] for name in ("person", "minute")]
    np.testing.assert_array_equal(tied, np.flatnonzero(same[0] & same[1]) + 1)
    source = np.arange(len(rows))
    for step in steps:
        source = step[source]
    assert sorted(source.tolist()) == list(range(len(rows)))  # every row came from one of its own
    for name, column in columns.items():
        np.testing.assert_array_equal(column[source], expected[name])


@given(ROWS)
def test_persons_in_order_take_no_column(rows):
    columns = columns_of(sorted(rows))
    ordered, first = placed(columns)
    assert "person" not in ordered
    np.testing.assert_array_equal(first, first_rows(columns["person"], N_PERSONS))


@given(ROWS)
def test_persons_out_of_order_are_told_row_by_row(rows):
    columns = columns_of(rows)
    ordered, first = placed(columns)
    if (np.diff(columns["person"]) < 0).any():
        assert first is None
        np.testing.assert_array_equal(ordered["person"], columns["person"])
    else:
        np.testing.assert_array_equal(person_of_rows(first), columns["person"])


def test_of_rows_alike_the_first_delivered_comes_first():
    columns = columns_of([(3, 2, 1, 1), (0, 1, 1, 1), (3, 2, 1, 1), (3, 2, 1, 1)])
    ordered, first = placed(columns)
    _, _, (source,) = order_by_time(ordered, first, N_PERSONS)
    assert source.tolist() == [1, 0, 2, 3]


@pytest.mark.parametrize("latest", [2**31 - 1, 2**30])
def test_times_may_lie_as_far_apart_as_numbers_can(latest):
    columns = columns_of([(1, 0, 0, 0), (1, 0, 0, 1), (0, 0, 0, 2), (1, 0, 0, 3)])
    columns["minute"][:] = [latest, -(2**31), 7, 0]
    ordered, first = placed(columns)
    order_by_time(ordered, first, N_PERSONS)
    assert ordered["minute"].tolist() == [7, -(2**31), 0, latest]
    assert ordered["value"].tolist() == [2, 1, 3, 0]
