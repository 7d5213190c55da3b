"""Finnish municipalities by code and name: today's, and merged ones as a part of the one that has their area now."""

from functools import cache

from servicenee.registers.delivery import data_rows


@cache
def municipality_codes() -> dict[str, str]:
    """Codes without leading zeros of today's municipalities, by Finnish name."""
    return dict(data_rows("hilmo_municipalities")[["area", "code"]].itertuples(index=False, name=None))


@cache
def municipality_names() -> dict[str, str]:
    """Finnish names of today's municipalities, by code and by Finnish and Swedish name in capitals."""
    rows = data_rows("hilmo_municipalities")
    spelled = [dict(zip(rows[column].str.upper(), rows["area"], strict=True)) for column in ("code", "area_sv", "area")]
    return spelled[0] | spelled[1] | spelled[2]


@cache
def merged_names() -> dict[str, str]:
    """Names of merged municipalities that no municipality has today, and the names of those that have their areas."""
    today = municipality_names()
    rows = data_rows("municipality_mergers")
    merged = zip(rows["area"], rows["became"].map(today), strict=True)
    return {name: became for name, became in merged if name.upper() not in today}


@cache
def merged_codes() -> dict[str, str]:
    """Codes without leading zeros of merged municipalities, and the names of those that have their areas today."""
    rows = data_rows("municipality_mergers")
    return dict(zip(rows["code"], rows["became"].map(municipality_names()), strict=True))
