"""Numbers that Arrow holds, as float64."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicenee.registers.arrow import arrow_numbers

NUMBERS = st.none() | st.floats(width=64)


@given(st.lists(st.tuples(st.lists(NUMBERS, max_size=20), st.integers(0, 9)), max_size=3))
def test_every_number_comes_as_it_is_and_every_null_as_nan_wherever_its_chunk_begins(chunks):
    column = pa.chunked_array([pa.array(numbers, pa.float64())[start:] for numbers, start in chunks], pa.float64())

    expected = np.array([np.nan if number is None else number for number in column.to_pylist()])

    np.testing.assert_array_equal(arrow_numbers(column), expected)


def test_what_lies_under_a_null_is_not_looked_at():
    under = np.array([np.inf, np.nan, 1e308, 5.0])
    valid = pa.py_buffer(np.packbits([False, False, False, True], bitorder="little"))
    array = pa.Array.from_buffers(pa.float64(), 4, [valid, pa.py_buffer(under)])

    np.testing.assert_array_equal(arrow_numbers(pa.chunked_array([array])), [np.nan, np.nan, np.nan, 5])


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint8(), pa.float32(), pa.null()])
def test_other_kinds_of_numbers_become_float64(kind):
    numbers = [None] * 9 if kind == pa.null() else [None, 1, 0] * 3

    found = arrow_numbers(pa.chunked_array([pa.array(numbers, kind)]))

    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.array(numbers, dtype=np.float64))
