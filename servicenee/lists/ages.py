"""An age in years comes in; the band that a list shows goes out."""

import numpy as np

from servicenee.texts import text

_BANDS = (65, 75, 85, 95)


def age_band(years: float, language: str) -> str:
    """Ten-year band: the exact age of one person is more than the reader needs."""
    if np.isnan(years):
        return text("common.unknown", language)
    if years < _BANDS[0]:
        return text("lists.age.under", language, age=_BANDS[0])
    if years >= _BANDS[-1]:
        return text("lists.age.over", language, age=_BANDS[-1])
    first = max(band for band in _BANDS if band <= years)
    return text("lists.age.between", language, first=first, last=first + 9)
