"""Persons of rows: from groups, else X, else y, else one warning."""

import warnings

import numpy as np
import pandas as pd
import pytest

from servicenee.evaluation import person_groups
from servicenee.exceptions import ServiceneeWarning

INDEX = pd.MultiIndex.from_tuples([("b", 1), ("a", 1), ("b", 2)], names=["person_id", "index_date"])
WITH_PERSONS = pd.DataFrame({"x": [1, 2, 3]}, index=INDEX)
PLAIN = pd.DataFrame({"x": [1, 2, 3]})


def same_person(groups):
    return (groups[:, None] == groups[None, :]).astype(int).tolist()


BY_INDEX = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize(
    ("X", "y", "groups", "together"),
    [
        (WITH_PERSONS, None, None, BY_INDEX),
        (PLAIN, WITH_PERSONS, None, BY_INDEX),
        (np.zeros((3, 1)), WITH_PERSONS["x"], None, BY_INDEX),
        (WITH_PERSONS, None, [7, 7, 8], [[1, 1, 0], [1, 1, 0], [0, 0, 1]]),
        (PLAIN.set_index(pd.Index(["p", "q", "p"], name="person_id")), None, None, BY_INDEX),
    ],
    ids=["X", "y", "y of an array X", "groups come first", "one index level"],
)
def test_where_persons_come_from(X, y, groups, together):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same_person(person_groups(X, y, groups)) == together


def test_a_slice_keeps_its_persons():
    assert same_person(person_groups(WITH_PERSONS.iloc[[2, 0]])) == [[1, 1], [1, 1]]


def test_unknown_persons_give_one_warning_and_none():
    with pytest.warns(ServiceneeWarning, match="rows were split as if independent") as caught:
        assert person_groups(PLAIN, [0, 1, 0]) is None
    assert len(caught) == 1


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"`groups` must hold one value per row of X \(3\); got shape \(2,\)"):
        person_groups(PLAIN, None, [1, 2])
