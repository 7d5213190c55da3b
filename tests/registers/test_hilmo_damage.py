"""Random damage to a valid delivery never ends in an uncaught exception, and no row that was not damaged is lost."""

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee import Registers, make_registers, read_hilmo, write_hilmo
from servicenee.exceptions import RegisterError

# What a slip of a hand, of a program or of a line may leave behind; '#' makes no id and no code that exists.
TRASH = [
    "",
    "#",
    "\x00",
    '"',
    ";",
    ";;;",
    "\n",
    "\r",
    "Ã¤",
    "ä",
    "99.99.9999",
    "1/2/20",
    "-",
    "9" * 30,
    "€",
    "E10-E14",
    "'",
]


@pytest.fixture(scope="module")
def county() -> Registers:
    return make_registers(25, random_state=5)


@pytest.fixture(scope="module")
def delivery(county, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("delivery")
    write_hilmo(county, folder)
    return folder


def rows_of(registers: Registers) -> Counter:
    """Events and stays as a bag of rows."""
    events, stays = registers.events, registers.stays.rename(columns={"start": "time", "kind": "code"})
    rows = pd.concat([events, stays])[["person_id", "time", "end", "source", "code_system", "code", "value"]]
    rows = rows.astype(object).where(rows.notna(), None)
    return Counter(rows.itertuples(index=False, name=None))


FEW = settings(max_examples=6)
MANY = settings(max_examples=int(os.environ.get("FUZZING_EXAMPLES", "60")))  # more of them by hand


@given(data=st.data())
@FEW
def test_damaged_lines_cost_only_themselves(delivery, county, tmp_path_factory, data):
    check_damaged_lines(delivery, county, tmp_path_factory, data)


@pytest.mark.slow
@given(data=st.data())
@MANY
def test_many_damaged_lines_cost_only_themselves(delivery, county, tmp_path_factory, data):
    check_damaged_lines(delivery, county, tmp_path_factory, data)


@given(data=st.data())
@FEW
def test_any_damage_ends_in_registers_or_in_a_clear_error(delivery, county, tmp_path_factory, data):
    check_any_damage(delivery, county, tmp_path_factory, data)


@pytest.mark.slow
@given(data=st.data())
@MANY
def test_much_damage_ends_in_registers_or_in_a_clear_error(delivery, county, tmp_path_factory, data):
    check_any_damage(delivery, county, tmp_path_factory, data)


def check_damaged_lines(delivery, county, tmp_path_factory, data) -> None:
    """A delivery with damaged lines holds at least what the same delivery without these lines holds."""
    damaged, without = (tmp_path_factory.mktemp("damaged") for _ in range(2))
    share = data.draw(st.sampled_from([0.002, 0.02, 0.2]))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    for file in sorted(delivery.iterdir()):
        header, *lines = file.read_bytes().split(b"\n")
        hit = [bool(line) and chance.random() < share for line in lines]
        broken = [_damaged(line, chance) if bad else line for line, bad in zip(lines, hit, strict=True)]
        kept = [line for line, bad in zip(lines, hit, strict=True) if not bad]
        (damaged / file.name).write_bytes(b"\n".join([header, *broken]))
        (without / file.name).write_bytes(b"\n".join([header, *kept]))
    found, expected = (
        read_hilmo(folder, extract_date=county.extract_date, coverage=county.coverage, tolerance=1.0)
        for folder in (damaged, without)
    )
    account = found.account
    assert (account["delivered"] == account[["unchanged", "repaired", "set_aside"]].sum(axis=1)).all()
    assert set(found.persons["person_id"]) >= set(expected.persons["person_id"])
    assert not rows_of(expected) - rows_of(found)


def _damaged(line: bytes, chance: random.Random) -> bytes:
    fields = line.decode("latin-1").split(";")
    place = chance.randrange(len(fields))
    fields[place] = chance.choice(TRASH) + chance.choice(["", fields[place]])
    return ";".join(fields).encode("utf-8")


def check_any_damage(delivery, county, tmp_path_factory, data) -> None:
    """Bytes anywhere, also in headers and coverage; files cut short, emptied, gone, or doubled."""
    folder = tmp_path_factory.mktemp("damaged") / "delivery"
    shutil.copytree(delivery, folder)
    for _ in range(data.draw(st.integers(1, 3))):
        file = data.draw(st.sampled_from(sorted(folder.iterdir())))
        content = file.read_bytes()
        at = data.draw(st.one_of(st.integers(0, 200), st.integers(0, len(content))))
        how = data.draw(st.sampled_from(["bytes", "cut", "insert", "gone", "empty", "double", "drop"]))
        trash = data.draw(st.binary(min_size=1, max_size=12))
        if how == "gone":
            if len(list(folder.iterdir())) > 1:
                file.unlink()
            continue
        changed = {
            "bytes": content[:at] + trash + content[at + len(trash) :],
            "cut": content[:at],
            "insert": content[:at] + trash + content[at:],
            "empty": b"",
            "double": content + content,
            "drop": content[:at] + content[at + 40 :],
        }[how]
        file.write_bytes(changed)
    try:
        again = read_hilmo(folder, extract_date=county.extract_date, tolerance=1.0)
    except RegisterError as error:
        text = str(error)
    else:
        text = again.findings.to_csv() + again.account.to_csv()
        account = again.account
        assert (account["delivered"] == account[["unchanged", "repaired", "set_aside"]].sum(axis=1)).all()
    assert not [person for person in county.persons["person_id"] if person in text]
