"""Finnish personal identity codes are refused wherever they stand; keyed pseudonyms take their place."""

import hashlib
import os
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicenee import Registers, pseudonym_key, pseudonymise, read_hilmo, read_registers
from servicenee.exceptions import RegisterError
from servicenee.registers.identity import is_identity_code, latest_ids

KEY = "0123456789abcdef0123456789abcdef"
CHECK = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def identity_code(birth: str = "010140", sign: str = "-", number: int = 901) -> str:
    """An invented code with a right check character; numbers from 900 on are nobody's."""
    return f"{birth}{sign}{number:03d}{CHECK[int(f'{birth}{number:03d}') % 31]}"


CODE = identity_code()


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("SERVICENEE_PSEUDONYM_KEY", KEY)
    return pseudonym_key()


def persons(ids, **columns) -> pd.DataFrame:
    return pd.DataFrame({"person_id": ids, "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"} | columns)


def no_events() -> pd.DataFrame:
    columns = ("person_id", "time", "source", "code_system", "code")
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})


# Recognised ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [*"+-", *"YXWVU", *"ABCDEF"])
def test_every_sign_of_the_century_is_recognised_also_those_of_2023(sign):
    assert is_identity_code(pa.array([identity_code(sign=sign)])).all()


@pytest.mark.parametrize(
    ("text", "recognised"),
    [
        (CODE, True),
        (f" {CODE.lower()} ", True),
        (f"{CODE[:-1]}0", True),  # a wrong check character is still somebody's code with a slip
        ("311299-9018", True),
        ("321299-9018", False),  # no such day
        ("311399-9018", False),  # no such month
        ("010140G901K", False),  # no such sign
        ("010140-901I", False),  # I is no check character
        ("010140-90", False),
        ("p02768409", False),
        ("", False),
    ],
)
def test_the_form_decides(text, recognised):
    assert is_identity_code(pa.array([text])).tolist() == [recognised]


@given(st.text(max_size=14))
def test_no_text_breaks_the_detector(text):
    assert is_identity_code(pa.array([text, None], pa.string())).tolist()[1] is False


# Refused --------------------------------------------------------------------------------------------


def test_registers_refuse_identity_codes_as_ids_count_them_and_show_none():
    wrong, temporary = f"{CODE[:-1]}0", identity_code(number=950)
    with pytest.raises(RegisterError) as caught:
        Registers(persons([identity_code(number=2), wrong, temporary]), no_events(), extract_date="2024-01-01")
    message = str(caught.value)
    assert "persons.person_id: 3 of 3 values have the form of Finnish personal identity codes" in message
    assert "1 with a wrong check character, 2 temporary" in message
    assert "pseudonymise" in message
    assert "010140" not in message


def test_registers_refuse_them_in_any_other_column_of_persons_too():
    with pytest.raises(RegisterError, match=r"persons\.hetu: 1 of 1 values"):
        Registers(persons(["a"], hetu=CODE), no_events(), extract_date="2024-01-01")


def test_one_code_among_pseudonyms_is_enough():
    with pytest.raises(RegisterError, match="1 of 2 values"):
        Registers(persons(["a", CODE]), no_events(), extract_date="2024-01-01")


def test_registers_in_files_are_refused_alike(tmp_path):
    (tmp_path / "persons.csv").write_text(f"person_id,birth_date,sex\n{CODE},1940-01-01,female\n")
    (tmp_path / "events.csv").write_text("person_id,time,source,code_system,code\n")
    with pytest.raises(RegisterError, match="personal identity codes") as caught:
        read_registers(tmp_path)
    assert "010140" not in str(caught.value)


def test_whole_number_ids_cost_nothing_and_are_left_alone():
    registers = Registers(persons([1, 2]), no_events(), extract_date="2024-01-01")
    assert registers.persons["person_id"].tolist() == [1, 2]


# Replaced -------------------------------------------------------------------------------------------


def test_a_pseudonym_is_the_same_in_every_table_and_another_with_another_key(key, tmp_path):
    other = tmp_path / "key.txt"
    other.write_text("another key of thirty-two letters\n")
    first = pseudonymise([CODE, None, CODE.lower() + " "], key)
    assert first[0] == first[2]
    assert first[1] is None
    assert first[0] == pseudonymise(pd.Series([CODE]), key)[0]
    assert first[0] != pseudonymise([CODE], pseudonym_key(other))[0]
    assert not is_identity_code(pa.array([first[0]])).any()


def test_the_pseudonym_is_the_hmac_of_rfc_2104(key):
    """Written out from the definition: H((K xor opad) | H((K xor ipad) | text))."""
    padded = KEY.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + b"A1").digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest()
    assert pseudonymise(["a1"], key)[0] == "p" + outer[:20]


def test_whole_numbers_are_pseudonymised_too(key):
    assert pseudonymise(np.array([7, 8, 7]), key)[0] == pseudonymise(["7"], key)[0]
    with pytest.raises(TypeError, match="decimal numbers"):
        pseudonymise([7.0], key)


def test_the_key_is_never_shown_nor_stored(key):
    assert KEY not in repr(key) + str(key)
    with pytest.raises(TypeError, match="not stored"):
        pickle.dumps(key)


@pytest.mark.parametrize("secret", ["", "short"])
def test_a_short_or_missing_key_is_refused_and_not_shown(monkeypatch, secret):
    monkeypatch.setenv("SERVICENEE_PSEUDONYM_KEY", secret)
    with pytest.raises(ValueError, match="at least 16 bytes") as caught:
        pseudonym_key()
    assert not secret or secret not in str(caught.value)


def test_a_key_must_be_a_key(key, tmp_path):
    with pytest.raises(ValueError, match="which is none"):
        pseudonym_key(tmp_path / "none.txt")
    with pytest.raises(TypeError, match="must come from pseudonym_key"):
        pseudonymise(["a"], os.environ["SERVICENEE_PSEUDONYM_KEY"])
    with pytest.raises(TypeError, match="must come from pseudonym_key"):
        read_hilmo(tmp_path, key="text")


def test_a_delivery_with_identity_codes_is_read_with_a_key_only(key, tmp_path):
    (tmp_path / "vaesto.csv").write_text(f"HETU;SYNTYMAPVM;SUKUPUOLI\n{CODE};1.1.1940;2\n")
    (tmp_path / "laakeostot.csv").write_text(f"HETU;ATC;OSTOPV;PLKM\n{CODE.lower()};C07AB02;2.1.2020;1\n")
    with pytest.raises(RegisterError) as caught:
        read_hilmo(tmp_path, extract_date="2024-01-01")
    assert "vaesto.csv, TNRO: 1 of 1 values" in str(caught.value)
    assert "laakeostot.csv, HETU: 1 of 1 values" in str(caught.value)
    assert "010140" not in str(caught.value)
    registers = read_hilmo(tmp_path, extract_date="2024-01-01", key=key)
    assert registers.events["person_id"].tolist() == registers.persons["person_id"].tolist()
    assert registers.persons["person_id"].tolist() == pseudonymise([CODE], key).tolist()


OLD, NEWER, NEWEST = (identity_code(number=number) for number in (904, 906, 908))


@pytest.mark.parametrize("with_key", [True, False], ids=["with a key", "pseudonyms already"])
def test_a_person_whose_id_changed_twice_is_one_person(key, tmp_path, with_key):
    old, newer, newest = (OLD, NEWER, NEWEST) if with_key else ("pa", "pb", "pc")
    (tmp_path / "vaesto.csv").write_text(f"HETU;SYNTYMAPVM;SUKUPUOLI\n{newest};1.1.1940;2\n{newer};1.1.1940;2\n")
    (tmp_path / "tunnusmuutokset.csv").write_text(f"VANHA;UUSI\n{old};{newer}\n{newer.lower()};{newest}\n")
    rows = "".join(f"{code};C07AB02;{day}.1.2020;1\n" for day, code in enumerate((old, newer, newest), start=1))
    (tmp_path / "laakeostot.csv").write_text(f"HETU;ATC;OSTOPV;PLKM\n{rows}")
    registers = read_hilmo(tmp_path, extract_date="2024-01-01", key=key if with_key else None, tolerance=1.0)
    assert len(registers.persons) == 1
    assert len(registers.events) == 3
    found = registers.findings.set_index(["fault", "table"])["n"]
    assert found["an id that has changed", "laakeostot.csv"] == 2
    if with_key:
        assert registers.persons["person_id"].tolist() == pseudonymise([NEWEST], key).tolist()
        assert set(pseudonymise([OLD, NEWER], key, changed={OLD: NEWER, NEWER: NEWEST})) == {
            pseudonymise([NEWEST], key)[0]
        }
    assert not [code for code in (OLD, NEWER, NEWEST) if code in registers.findings.to_csv()]


def test_ids_that_change_in_a_circle_stay_as_they_are():
    assert latest_ids({"a": "b", "b": "a", "c": "d"}) == {"C": "d"}


def test_temporary_codes_and_wrong_check_characters_are_told_when_codes_are_replaced(key, tmp_path):
    wrong, temporary = f"{CODE[:-1]}0", identity_code(number=951)
    rows = "".join(f"{code};1.1.1940;2\n" for code in (CODE, wrong, temporary))
    (tmp_path / "vaesto.csv").write_text(f"HETU;SYNTYMAPVM;SUKUPUOLI\n{rows}")
    found = read_hilmo(tmp_path, extract_date="2024-01-01", key=key).findings.set_index("fault")
    told = ["identity code with a wrong check character", "temporary identity code"]
    assert found.loc[told, "first_rows"].tolist() == ["1", "0, 1, 2"]  # all of these tests' codes are temporary
    assert found.loc[told, "action"].tolist() == ["kept", "kept"]
