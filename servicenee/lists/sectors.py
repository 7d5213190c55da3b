"""Sources and a legal basis come in; the sectors whose records one list may show together go out."""

from servicenee._checks import name_some
from servicenee.codes import as_codelist
from servicenee.registers import Registers

HEALTH, SOCIAL, UNKNOWN = "health", "social", "unknown"
_NEEDS_BASIS = (
    "{what} joins records of health care ({health}) and of social services ({social}){unknown}. Client work needs a "
    'legal basis for joining them: write yours, as in `legal_basis="..."` (the section of law and the decision of '
    "the controller; it is printed on the list and recorded), or train on the sources of one sector."
)
_UNDECLARED = (
    "`segments_model` must be given with `segments` for client work without a legal basis, because the table of "
    "segments does not tell from which records they were made. Hand over the model that made them, or name the "
    "`legal_basis` for joining health care and social services."
)


def sector_of(sources: tuple[str, ...] | list[str], rules: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    """Sector of each source; "unknown" for a source that the table of sectors does not name."""
    known = {row["source"]: row["sector"] for row in rules["sectors"]}
    return {source: known.get(source, UNKNOWN) for source in sources}


def sources_of(models: tuple, registers: Registers) -> tuple[str, ...]:
    """Sources that models look at: those of their features, and those that tell who is in their population."""
    found = {source for model in models for sources in model.feature_table["source"] for source in str(sources).split()}
    for model in models:
        for codes in (model.population.without, model.population.having):
            if codes is None:
                continue
            for columns in (registers.event_columns, registers.stay_columns):
                found |= set(columns.kinds["source"][as_codelist(codes).matches_kinds(columns.kinds)])
    return tuple(sorted(found))


def check_declared(segments, segments_model, legal_basis: str | None, purpose: str) -> None:
    """Refuse segments of unknown origin for client work: what is not declared may rest on both sectors."""
    if segments is not None and segments_model is None and legal_basis is None and purpose == "client_work":
        raise ValueError(_UNDECLARED)


def allowed_sources(
    models: tuple, registers: Registers, rules: dict[str, list[dict[str, str]]], legal_basis: str | None, purpose: str
) -> tuple[str, ...]:
    """Sources that the list may look at and show: all with a legal basis for joining, else those of the models' sector.

    `models` are the one that made the scores and, where there are segments, the one that made these.

    Raises
    ------
    ValueError
        If the list is for client work, the models join sectors, and no legal basis is named.
    """
    known = tuple(registers.coverage_columns.source)
    # Counts for knowledge management rest on section 41 of the act on secondary use (552/2019), which allows joining.
    if purpose != "client_work" or legal_basis is not None:
        return known
    used = sources_of(models, registers)
    sectors = sector_of(used, rules)
    of = {name: [source for source in used if sectors[source] == name] for name in (HEALTH, SOCIAL, UNKNOWN)}
    if sum(bool(sources) for sources in of.values()) > 1:
        unknown = f"; of unknown sector: {name_some(of[UNKNOWN])}" if of[UNKNOWN] else ""
        said = {name: name_some(of[name]) or "none" for name in (HEALTH, SOCIAL)}
        what = "the model" if len(models) == 1 else "the list, from a model and segments,"
        raise ValueError(_NEEDS_BASIS.format(what=what, unknown=unknown, **said))
    (sector,) = set(sectors.values()) or {UNKNOWN}
    return tuple(source for source, own in sector_of(known, rules).items() if own == sector)
