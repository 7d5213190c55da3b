"""Small counts never leave: hidden themselves, and not to be found by subtraction."""

import numpy as np
import pandas as pd
import pytest

from servicenee.disclosure import count_text, is_small, suppress


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([10, 20, 30], ["10", "20", "30"]),
        ([10, 3, 30], ["hidden", "<5", "30"]),
        ([10, 3, 2], ["10", "<5", "<5"]),
        ([10, 1, 2, 8], ["10", "<5", "<5", "hidden"]),
        ([0, 3, 9], ["0", "<5", "hidden"]),
        ([0, 3, 0], ["hidden", "<5", "hidden"]),
        ([0, 0, 9], ["0", "0", "9"]),
        ([7, 4, 7], ["hidden", "<5", "7"]),
        ([3], ["<5"]),
        ([5], ["5"]),
    ],
    ids=[
        "nothing small",
        "the next smallest too",
        "two small ones protect each other",
        "two small ones that add up to fewer than five do not",
        "a zero is shown while others protect",
        "a zero is hidden when nothing else is left",
        "zeros are not small",
        "equal counts are hidden in their order",
        "alone",
        "five is shown",
    ],
)
def test_counts_with_a_known_total(counts, text):
    series = pd.Series(counts)
    assert count_text(series).tolist() == text
    numbers = [float(one) if one.isdigit() else np.nan for one in text]
    np.testing.assert_array_equal(suppress(series).to_numpy(), numbers)


def solvable(shown, rows, columns):
    """Cells that follow from the shown ones and the totals by subtraction alone."""
    shown = shown.copy()
    found = True
    while found:
        found = False
        for line, total in [*zip(shown, rows, strict=True), *zip(shown.T, columns, strict=True)]:
            unknown = np.flatnonzero(np.isnan(line))
            if len(unknown) == 1:
                line[unknown[0]] = total - np.nansum(line)
                found = True
    return ~np.isnan(shown)


def test_no_hidden_cell_of_a_table_follows_from_the_totals():
    rng = np.random.default_rng(0)
    n_hidden = 0
    for _ in range(200):
        counts = pd.DataFrame(rng.poisson(rng.uniform(2, 15), size=(4, 5)))
        shown = suppress(counts).to_numpy()
        hidden = np.isnan(shown)
        n_hidden += hidden.sum()
        assert hidden[is_small(counts)].all()
        assert not solvable(shown, counts.sum(axis=1), counts.sum())[hidden].any()
    assert n_hidden > 0


def test_a_table_with_two_rows():
    counts = pd.DataFrame({"event": [3, 50, 40], "none": [97, 60, 80]}, index=["a", "b", "c"])
    assert count_text(counts).to_numpy().tolist() == [["<5", "hidden"], ["50", "60"], ["hidden", "hidden"]]


def test_index_columns_and_the_input_stay_as_they_are():
    counts = pd.DataFrame({"x": [3, 9], "y": [7, 8]}, index=["north", "south"])
    before = counts.copy()
    shown = suppress(counts)
    assert shown.index.equals(counts.index)
    assert shown.columns.equals(counts.columns)
    pd.testing.assert_frame_equal(counts, before)


def test_another_limit():
    assert count_text(pd.Series([9, 30, 40]), min_cell=10).tolist() == ["<10", "hidden", "40"]
    assert is_small(9, min_cell=10)
    assert not is_small(0, min_cell=10)


def test_nothing_to_show():
    assert suppress(pd.Series([], dtype="int64")).empty
    assert suppress(pd.DataFrame({"x": pd.Series([], dtype="int64")})).empty


@pytest.mark.parametrize("bad", [pd.Series([1.5, 2.0]), pd.Series([-1, 3]), pd.Series(["a"])])
def test_what_is_not_a_count_is_refused(bad):
    with pytest.raises(ValueError, match="`counts` must be whole numbers of at least 0"):
        suppress(bad)


def test_a_list_is_refused():
    with pytest.raises(TypeError, match="`counts` must be a Series or a DataFrame; got list"):
        suppress([1, 2])


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`min_cell` must be a whole number of at least 1"):
        suppress(pd.Series([1]), min_cell=0)
