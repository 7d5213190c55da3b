"""Dates, numbers and windows stand as a reader in Finland writes them."""

import datetime

import numpy as np
import pandas as pd
import pytest

from servicenee.texts import format_date, format_horizon, format_number, format_percent, format_window

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("language", "expected"),
    [("fi", "5.3.2024"), ("sv", "5.3.2024"), ("en", "5 March 2024")],
)
@pytest.mark.parametrize(
    "date",
    ["2024-03-05", datetime.date(2024, 3, 5), pd.Timestamp("2024-03-05"), np.datetime64("2024-03-05")],
    ids=["ISO text", "date", "Timestamp", "datetime64"],
)
def test_a_date_has_no_leading_zeros(date, language, expected):
    assert format_date(date, language) == expected


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_what_is_missing_becomes_a_dash(language):
    assert format_date(pd.NaT, language) == "–"
    assert format_number(np.nan, language) == "–"
    assert format_number(np.inf, language, decimals=2) == "–"


@pytest.mark.parametrize(
    ("value", "decimals", "finnish", "english"),
    [
        (12345.6, None, f"12{NBSP}345,6", "12,345.6"),
        (1234567, 0, f"1{NBSP}234{NBSP}567", "1,234,567"),
        (4.0, None, "4", "4"),
        (0.0, None, "0", "0"),
        (0.25, None, "0,25", "0.25"),
        (2.5, None, "2,5", "2.5"),
        (2.0, 1, "2,0", "2.0"),
        (-3.2, None, "\u22123,2", "\u22123.2"),
        (-0.001, 1, "0,0", "0.0"),
        (np.float32(7), None, "7", "7"),
    ],
)
def test_numbers_have_decimal_comma_and_no_break_thousands(value, decimals, finnish, english):
    assert format_number(value, "fi", decimals=decimals) == finnish
    assert format_number(value, "sv", decimals=decimals) == finnish
    assert format_number(value, "en", decimals=decimals) == english


@pytest.mark.parametrize("call", [lambda: format_date("2024-03-05", "de"), lambda: format_number(1, "de")])
def test_formats_refuse_an_unknown_language(call):
    with pytest.raises(ValueError, match="`language` must be one of"):
        call()


def test_decimals_must_be_a_whole_number():
    with pytest.raises(ValueError, match="`decimals` must be a whole number of at least 0; got -1"):
        format_number(1.5, "fi", decimals=-1)


@pytest.mark.parametrize(
    ("lookback_days", "skip_days", "language", "expected"),
    [
        (30, 0, "fi", "viimeisin kuukausi"),
        (30, 0, "sv", "den senaste månaden"),
        (90, 0, "fi", "viimeiset 3 kk"),
        (180, 0, "en", "last 6 months"),
        (365.0, 0, "sv", "de senaste 12 mån."),
        (730, 0, "fi", "viimeiset 24 kk"),
        (100, 0, "fi", "viimeiset 100 vrk"),
        (None, 0, "fi", "koko historia"),
        (np.nan, 0, "en", "all history"),
        (365, 30, "fi", "viimeiset 12 kk, pois lukien viimeiset 30 vrk"),
        (1, 0, "en", "last day"),
        (365, 1, "en", "last 12 months, excluding the last day"),
    ],
)
def test_a_window_is_said_in_words(lookback_days, skip_days, language, expected):
    assert format_window(lookback_days, language, skip_days=skip_days) == expected


@pytest.mark.parametrize(
    ("horizon_days", "gap_days", "language", "expected"),
    [
        (365, 0, "fi", "seuraavat 12 kk"),
        (365, 0, "sv", "de följande 12 mån."),
        (30, 0, "sv", "den följande månaden"),
        (100, 0, "en", "next 100 days"),
        (180, 30, "fi", "seuraavat 6 kk, alkaen 30 vrk:n kuluttua"),
    ],
)
def test_a_horizon_is_said_in_words(horizon_days, gap_days, language, expected):
    assert format_horizon(horizon_days, language, gap_days=gap_days) == expected


@pytest.mark.parametrize(("language", "shown"), [("fi", "12,3\u00a0%"), ("sv", "12,3\u00a0%"), ("en", "12.3%")])
def test_a_share_is_written_as_per_cent(language, shown):
    assert format_percent(0.1234, language) == shown
    assert format_percent(0.1234, language, decimals=0) == shown.replace(",3", "").replace(".3", "")
    assert format_percent(float("nan"), language) == "–"
