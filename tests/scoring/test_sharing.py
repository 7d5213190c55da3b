"""Parts shared by several processes."""

import os

import pytest

from servicenee.scoring.sharing import Team


def who_squared(number):
    return number**2, os.getpid()


def test_alone_parts_come_in_their_order():
    with Team(None, 4) as team:
        assert list(team.share(who_squared, range(4))) == [(number**2, os.getpid()) for number in range(4)]


def test_with_another_process_every_part_is_done_once_and_this_process_works_too():
    with Team(2, 40) as team:
        found = list(team.share(who_squared, range(40)))

    assert sorted(square for square, _ in found) == [number**2 for number in range(40)]
    assert len({who for _, who in found}) == 2
    assert os.getpid() in {who for _, who in found}


def test_nothing_to_do_is_done():
    with Team(2, 3) as team:
        assert list(team.share(who_squared, [])) == []


def test_an_error_of_a_part_comes_back_from_another_process_as_well():
    with Team(2, 2) as team, pytest.raises(ZeroDivisionError):
        list(team.share(lambda number: 1 / number, [0, 0]))
