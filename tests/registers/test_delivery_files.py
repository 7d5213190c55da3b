"""Text files as they arrive: encodings, delimiters, quotation marks, broken lines; dates and numbers of every shape."""

import numpy as np
import pyarrow as pa
import pytest

from servicenee.registers.delivery import table_of
from servicenee.registers.delivery_files import Coded, UnreadableError, read_lines
from servicenee.registers.delivery_values import dates_of, numbers_of

NAMES = {"A": ("A",), "B": ("B", "BEE")}


def read(tmp_path, data: bytes):
    file = tmp_path / "file.csv"
    file.write_bytes(data)
    return read_lines(file, NAMES)


def rows_of(lines) -> list[tuple]:
    """Values by row, None where missing."""
    columns = [[*column.levels.to_pylist(), None] for column in lines.columns.values()]
    codes = [column.codes for column in lines.columns.values()]
    return [
        tuple(levels[code[row]] for levels, code in zip(columns, codes, strict=True)) for row in range(len(lines.rows))
    ]


@pytest.mark.parametrize(
    "data",
    [
        "a;b\n1;ä\n2;\n".encode(),
        "a;b\n1;ä\n2;\n".encode("utf-8-sig"),
        "a;b\n1;ä\n2;\n".encode("latin-1"),
        "a;b\n1;ä\n2;\n".encode("utf-16"),
        "a;b\r\n1;ä\r\n2;\r\n".encode("latin-1"),
        "A,Bee\n1,ä\n2,NA\n".encode(),
        "A\tB\n1\tä\n2\t.\n".encode(),
        '"a";"b"\n"1";"ä"\n"2";""\n'.encode(),
        " a ;B;c\n1;\u00a0ä ;x\n2; ;y\n".encode(),
        "a;b\n1;Ã¤\n2;\n".encode(),  # UTF-8 that was read as Latin-1 and saved again
        "a;b\n\n1;ä\n\n2;\n".encode(),
    ],
    ids=[
        "UTF-8", "UTF-8 with a mark", "Latin-1", "UTF-16", "Windows line ends", "commas", "tabs", "quoted", "spaces",
        "mojibake", "empty lines",
    ],
)  # fmt: skip
def test_the_same_table_comes_out_of_every_kind_of_file(tmp_path, data):
    assert rows_of(read(tmp_path, data)) == [("1", "ä"), ("2", None)]


@pytest.mark.parametrize(
    ("lines", "read_rows", "broken"),
    [
        (["1;2", "3", "4;5"], [0, 2], [1]),
        (["1;2", "3;4;5", "6;7"], [0, 2], [1]),
        (["1;2", '"3;4', "5;6", '"7";"8"'], [0, 2, 3], [1]),  # half a quotation must not swallow the lines after it
        (['"1;2', "3;4", '5;6"', "7;8"], [1, 3], [0, 2]),
        (["1;2"], [0], []),
        ([], [], []),
    ],
)
def test_a_broken_line_costs_no_other(tmp_path, lines, read_rows, broken):
    found = read(tmp_path, "\n".join(["a;b", *lines, ""]).encode())
    assert found.rows.tolist() == read_rows
    assert found.broken.tolist() == broken
    assert found.n_rows == len(lines)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"one column\n1\n", b"\x00\x01\x02"])
def test_a_file_that_is_no_table_is_told(tmp_path, data):
    with pytest.raises(UnreadableError, match="header"):
        read(tmp_path, data)


def test_a_header_alone_is_an_empty_table(tmp_path):
    assert read(tmp_path, b"a;b").n_rows == 0


def test_mojibake_is_counted_in_the_rows_that_have_it(tmp_path):
    found = read(tmp_path, "a;b\n1;ä\n2;Ã¤\n3;ä\n".encode())
    assert found.columns["B"].mended.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("31.12.2021", "2021-12-31T00:00"),
        ("1.2.2020", "2020-02-01T00:00"),
        ("31.12.2021 14:05", "2021-12-31T14:05"),
        ("31.12.2021 14.05.59", "2021-12-31T14:05"),
        ("15MAY2015:00:00:00", "2015-05-15T00:00"),
        ("15may2015", "2015-05-15T00:00"),
        ("2021-12-31", "2021-12-31T00:00"),
        ("2021-12-31T14:05:33.5", "2021-12-31T14:05"),
        ("2021-12-31 14:05", "2021-12-31T14:05"),
        ("20211231", "2021-12-31T00:00"),
        ("31.12.2021 24:00", "2022-01-01T00:00"),  # the midnight that ends the day
        ("9999-12-31", "9999-12-31T00:00"),
        ("01/02/2020", None),  # 1 February or 2 January: nobody can know
        ("5.5.05", None),
        ("31.2.2020", None),
        ("29.2.2021", None),
        ("1.13.2020", None),
        ("31.12.2021 24:01", None),
        ("15XXX2020", None),
        ("0000-00-00", None),
        ("soon", None),
    ],
)
def test_dates_have_the_shapes_of_registers_and_no_other(text, date):
    column = Coded(np.array([0, -1], dtype=np.int32), pa.array([text]))
    dates, wrong = dates_of(column)
    assert str(dates[0]) == (date or "NaT")
    assert wrong.tolist() == [date is None, False]
    assert np.isnat(dates[1])


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,5", 1.5), ("1.5", 1.5), ("-3", -3), ("1 234,5", 1234.5), ("1\u00a0234", 1234), ("2,", 2), ("1e3", 1000)],
)
def test_numbers_have_a_decimal_comma_or_point(text, number):
    numbers, wrong = numbers_of(Coded(np.array([0], dtype=np.int32), pa.array([text])))
    assert (numbers[0], wrong[0]) == (number, False)


@pytest.mark.parametrize("text", ["1.234,5", "1,2,3", "x", "1e999", "--1", "½"])
def test_what_is_no_number_is_told(text):
    numbers, wrong = numbers_of(Coded(np.array([0], dtype=np.int32), pa.array([text])))
    assert np.isnan(numbers[0])
    assert wrong[0]


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("THL2021_2196_HILMO_2019_2021.csv", "hilmo"),
        ("thl2019_1776_hilmo_diagnoosit_kaikki.csv.finreg_IDs", "hilmo_diag"),
        ("thl2019_1776_hilmo_toimenpide.csv", "hilmo_toimp"),
        ("thl2019_1776_hilmo_laakkeet.csv", "hilmo_laakitys"),
        ("THL2021_2196_HILMO_PSYKLAAKE.csv", ""),
        ("THL2021_2196_HILMO_TEHOHOITO.csv", ""),
        ("thl2019_1776_avohilmo_17_18.csv", "avohilmo"),
        ("thl2019_1776_avohilmo_17_20_icd10.csv", "avohilmo_icd10"),
        ("THL2021_2196_AVOHILMO_ICPC2_DIAG.csv", "avohilmo_icpc2"),
        ("THL2021_2196_AVOHILMO_TOIMP.csv", "avohilmo_toimenpide"),
        ("thl2021_2196_avohilmo_suu_toimp.csv", ""),
        ("thl2019_1776_avohilmo_rokotus.csv", "avohilmo_rokotus"),
        ("thl2019_1776_avohilmo_rokotussuoja.csv", ""),
        ("thl2019_1776_avohilmo_kotihoito.csv", "avohilmo_kotihoito"),
        ("THL_SOSHILMO_2022.csv", "soshilmo"),
        ("81_522_2022_KORVAUSOIKEUDET.csv", "korvausoikeudet"),
        ("164_522_2021_LAAKEOSTOT_1995.csv", "ostot"),
        ("RAI-arvioinnit.csv", "rai"),
        ("kotihoito_käynnit.csv", "kotihoito"),
        ("Palvelupäätökset 2023.csv", "paatokset"),
        ("lue minut.txt", None),
    ],
)
def test_files_are_known_by_the_names_under_which_they_are_delivered(file, table):
    assert table_of(file) == table
