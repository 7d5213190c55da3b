"""The choices made for a list come in; one checked record of them, printed on the cover, goes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

from servicenee._checks import check_choice, check_count, check_fraction

PURPOSES = ("client_work", "knowledge_management")
CUTS = ("unit", "county")
ORDERS = ("risk", "segment")
NEW = ("mixed", "first", "only")
DEFAULT_CAPACITY = 20  # persons one worker can go through in a month


@dataclass(frozen=True)
class Terms:
    """How a list was made: what a reader, and whoever judges its effect, must know."""

    purpose: str
    by: str
    capacity: int | float | Mapping[str, int] | None
    weeks: int
    cut: str
    order: str
    new: str
    n_review: int
    holdout: float
    random_state: int | None
    legal_basis: str | None


def check_terms(terms: Terms, *, has_segments: bool, has_previous: bool) -> Terms:
    """The same terms, refused where they contradict each other."""
    check_choice("purpose", terms.purpose, PURPOSES)
    check_choice("cut", terms.cut, CUTS)
    check_choice("order", terms.order, ORDERS)
    check_choice("new", terms.new, NEW)
    check_count("weeks", terms.weeks)
    check_count("n_review", terms.n_review, minimum=0)
    check_fraction("holdout", terms.holdout)
    if terms.random_state is not None:
        check_count("random_state", terms.random_state, minimum=0)
    if terms.holdout > 0.5:
        raise ValueError(f"`holdout` must be at most 0.5; got {terms.holdout!r}. Half is the most that tells anything.")
    if terms.holdout and terms.random_state is None:
        raise ValueError(
            "`random_state` must be given with `holdout`. Choose a number and keep it from list to list: the same "
            "number holds the same persons out."
        )
    if terms.order == "segment" and not has_segments:
        raise ValueError("`segments` must be given to list by segment, then risk. Hand over their segments.")
    if terms.new != "mixed" and not has_previous:
        raise ValueError(f"`previous` must be given with new={terms.new!r}. Hand over the last list or the record.")
    if terms.legal_basis is not None and not str(terms.legal_basis).strip():
        raise ValueError("`legal_basis` must name the section of law and the decision it rests on, or be None.")
    return terms


def places_of(capacity: int | float | Mapping[str, int] | None, able: Mapping[str, int], weeks: int) -> dict[str, int]:
    """Places of each unit on the list; `able` counts the persons of each unit who can be listed.

    A whole number is per unit and week, a fraction a share of the unit's persons per week, a mapping names every unit.
    """
    if capacity is None:
        return dict.fromkeys(able, DEFAULT_CAPACITY * weeks)
    if isinstance(capacity, Mapping):
        _check_names(capacity, list(able))
        return {name: check_count(f"capacity[{name!r}]", capacity[name], minimum=0) * weeks for name in able}
    if isinstance(capacity, Real) and 0 < capacity < 1:
        # Rounded down: a capacity is what nobody may exceed. The small addend mends 0.07 * 100 = 7.000000000000001.
        return {name: int(float(capacity) * weeks * n + 1e-9) for name, n in able.items()}
    return dict.fromkeys(able, check_count("capacity", capacity) * weeks)


def _check_names(capacity: Mapping[str, int], names: list[str]) -> None:
    absent = [name for name in names if name not in capacity]
    if absent:
        listed = ", ".join(repr(name) for name in absent[:5])
        raise ValueError(
            f"`capacity` must name every group; {len(absent)} of {len(names)} are missing: {listed}. Give 0 "
            "to a group that gets no list ('' stands for persons whose group is not known)."
        )
