"""Dates, numbers and windows of time as a Finnish, Swedish or English reader writes them."""

from datetime import date as calendar_date

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, check_count, check_days
from servicenee.texts.catalogue import LANGUAGES, text

MISSING = "–"
NO_BREAK_SPACE = "\u00a0"
MINUS = "\u2212"
_MONTHS_OF_DAYS = {30: 1, 90: 3, 180: 6, 365: 12, 730: 24, 1095: 36, 1825: 60}


def format_date(date: pd.Timestamp | calendar_date | np.datetime64 | str, language: str) -> str:
    """Calendar date in the reader's way: 5.3.2024 in Finnish and Swedish, 5 March 2024 in English.

    Parameters
    ----------
    date : date, Timestamp, datetime64 or str
        Text must be ISO (2024-03-05). NaT gives a dash.
    language : {"fi", "sv", "en"}
        Language of the reader.

    Returns
    -------
    str
        Day without leading zeros.

    Examples
    --------
    >>> from servicenee.texts import format_date
    >>> format_date("2024-03-05", "fi"), format_date("2024-03-05", "en")
    ('5.3.2024', '5 March 2024')
    """
    check_choice("language", language, LANGUAGES)
    stamp = pd.Timestamp(date)
    if stamp is pd.NaT:
        return MISSING
    if language == "en":
        month = text(f"common.month.{stamp.month}", "en")
        return f"{stamp.day} {month} {stamp.year}"
    return f"{stamp.day}.{stamp.month}.{stamp.year}"


def format_number(value: float, language: str, *, decimals: int | None = None) -> str:
    """Number in the reader's way: 12 345,6 in Finnish and Swedish (no-break space), 12,345.6 in English.

    Parameters
    ----------
    value : float
        NaN and infinity give a dash.
    language : {"fi", "sv", "en"}
        Language of the reader.
    decimals : int, default=None
        Decimals shown. None: whole numbers without decimals, others with one (two below 1).

    Returns
    -------
    str
        A negative number has a true minus sign.

    Examples
    --------
    >>> from servicenee.texts import format_number
    >>> format_number(12.5, "sv"), format_number(0.123, "en", decimals=1)
    ('12,5', '0.1')
    """
    check_choice("language", language, LANGUAGES)
    number = float(value)
    if not np.isfinite(number):
        return MISSING
    places = _decimals(number) if decimals is None else check_count("decimals", decimals, minimum=0)
    written = f"{abs(number):,.{places}f}"
    if language != "en":
        written = written.translate({ord(","): NO_BREAK_SPACE, ord("."): ","})
    negative = number < 0 and any(digit in "123456789" for digit in written)
    return MINUS + written if negative else written


def format_percent(share: float, language: str, *, decimals: int = 1) -> str:
    """Share as per cent in the reader's way: 12,3 % in Finnish and Swedish (no-break space), 12.3% in English.

    Parameters
    ----------
    share : float
        0.123 for 12.3 %. NaN and infinity give a dash.
    language : {"fi", "sv", "en"}
        Language of the reader.
    decimals : int, default=1
        Decimals shown.

    Returns
    -------
    str

    Examples
    --------
    >>> from servicenee.texts import format_percent
    >>> format_percent(0.123, "en"), format_percent(float("nan"), "fi")
    ('12.3%', '–')
    """
    number = format_number(100 * float(share), language, decimals=decimals)
    if number == MISSING:
        return MISSING
    return f"{number}%" if language == "en" else f"{number}{NO_BREAK_SPACE}%"


def format_window(lookback_days: float | None, language: str, *, skip_days: int = 0) -> str:
    """Lookback window in words, e.g. "last 12 months".

    Parameters
    ----------
    lookback_days : int or None
        Length of the window; None or NaN: all history.
    language : {"fi", "sv", "en"}
        Language of the reader.
    skip_days : int, default=0
        Days next to the index date that the window leaves out.

    Returns
    -------
    str
        30, 90, 180, 365, 730, 1095 and 1825 days are written as months, other lengths as days.

    Examples
    --------
    >>> from servicenee.texts import format_window
    >>> format_window(365, "en"), format_window(None, "fi")
    ('last 12 months', 'koko historia')
    """
    skip = check_days("skip_days", skip_days)
    if lookback_days is None or pd.isna(lookback_days):
        window = text("features.window.all", language)
    else:
        window = _length(int(lookback_days), language)
    if skip == 1:
        return text("features.window.skip_day", language, window=window)
    return text("features.window.skip", language, window=window, n=skip) if skip else window


def format_horizon(horizon_days: int, language: str, *, gap_days: int = 0) -> str:
    """Outcome window in words, e.g. "next 12 months".

    Parameters
    ----------
    horizon_days : int
        Length of the window; the lengths that `format_window` writes as months are months here too.
    language : {"fi", "sv", "en"}
        Language of the reader.
    gap_days : int, default=0
        Days between the index date and the window.

    Returns
    -------
    str

    Examples
    --------
    >>> from servicenee.texts import format_horizon
    >>> format_horizon(365, "en"), format_horizon(100, "fi", gap_days=30)
    ('next 12 months', 'seuraavat 100 vrk, alkaen 30 vrk:n kuluttua')
    """
    days, gap = check_days("horizon_days", horizon_days, minimum=1), check_days("gap_days", gap_days)
    months = _MONTHS_OF_DAYS.get(days)
    if months is None:
        horizon = text("common.horizon.days", language, n=days)
    elif months == 1:
        horizon = text("common.horizon.month", language)
    else:
        horizon = text("common.horizon.months", language, n=months)
    return text("common.horizon.gap", language, horizon=horizon, n=gap) if gap else horizon


def _decimals(number: float) -> int:
    if round(number, 9) == round(number):
        return 0
    return 1 if abs(number) >= 1 else 2


def _length(days: int, language: str) -> str:
    months = _MONTHS_OF_DAYS.get(days)
    if days == 1 or months == 1:
        return text("features.window.day" if days == 1 else "features.window.month", language)
    if months is not None:
        return text("features.window.months", language, n=months)
    return text("features.window.days", language, n=days)
