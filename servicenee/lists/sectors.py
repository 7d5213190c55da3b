"""Sources and a legal basis come in; the sectors whose records one list may show together go out."""

from servicenee._checks import name_some
from servicenee.registers import Registers

HEALTH, SOCIAL, UNKNOWN = "health", "social", "unknown"
_NEEDS_BASIS = (
    "the model joins records of health care ({health}) and of social services ({social}){unknown}. Client work needs a "
    'legal basis for joining them: write yours, as in `legal_basis="..."` (the section of law and the decision of '
    "the controller; it is printed on the list and recorded), or train a model on the sources of one sector."
)


def sector_of(sources: tuple[str, ...] | list[str], rules: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    """Sector of each source; "unknown" for a source that the table of sectors does not name."""
    known = {row["source"]: row["sector"] for row in rules["sectors"]}
    return {source: known.get(source, UNKNOWN) for source in sources}


def allowed_sources(
    model, registers: Registers, rules: dict[str, list[dict[str, str]]], legal_basis: str | None, purpose: str
) -> tuple[str, ...]:
    """Sources that the list may look at and show: all with a legal basis for joining, else those of the model's sector.

    Raises
    ------
    ValueError
        If the list is for client work, the model joins sectors, and no legal basis is named.
    """
    known = tuple(registers.coverage_columns.source)
    # Counts for knowledge management rest on section 41 of the act on secondary use (552/2019), which allows joining.
    if purpose != "client_work" or legal_basis is not None:
        return known
    used = sorted({source for sources in model.feature_table["source"] for source in str(sources).split()})
    sectors = sector_of(used, rules)
    of = {name: [source for source in used if sectors[source] == name] for name in (HEALTH, SOCIAL, UNKNOWN)}
    if sum(bool(sources) for sources in of.values()) > 1:
        unknown = f"; of unknown sector: {name_some(of[UNKNOWN])}" if of[UNKNOWN] else ""
        said = {name: name_some(of[name]) or "none" for name in (HEALTH, SOCIAL)}
        raise ValueError(_NEEDS_BASIS.format(unknown=unknown, **said))
    (sector,) = set(sectors.values()) or {UNKNOWN}
    return tuple(source for source, own in sector_of(known, rules).items() if own == sector)
