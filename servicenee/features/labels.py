"""Words for feature columns: a noun phrase with its window in every language, and the topic a reason belongs to."""

from servicenee.texts import LANGUAGES, format_window, known_text, text
from servicenee.windows import Window

ALL_EVENTS, ALL_STAYS = "events", "stays"  # names of groups of whatever there is

_TOPIC_OF_LIST = {
    "chronic_conditions": "diagnoses",
    "diagnoses": "diagnoses",
    "distress_signs": "diagnoses",
    "fall_fractures": "diagnoses",
    "falls_fractures": "diagnoses",
    "frailty_signs": "function",
    "medicine_groups": "medicines",
    "home_measurements": "measurements",
    "laboratory": "measurements",
    "rai_scales": "function",
    "social_services": "social",
}
_TOPIC_OF_SYSTEM = {
    "ICD-10": "diagnoses",
    "ICPC-2": "diagnoses",
    "Kela": "diagnoses",
    "ATC": "medicines",
    "lab": "measurements",
    "home": "measurements",
    "RAI": "function",
    "service": "social",
}
_TOPIC_OF_SOURCE = {
    "emergency": "acute_use",
    "inpatient": "acute_use",
    "rai": "function",
    "medication": "medicines",
    "laboratory": "measurements",
    "self_monitoring": "measurements",
    "entitlement": "diagnoses",
    "social": "social",
}


def topic_of(codes: str, sources: tuple[str, ...]) -> str:
    """Topic of a column by its code list, else its code system, else its source, else "services"."""
    if codes in _TOPIC_OF_LIST:
        return _TOPIC_OF_LIST[codes]
    system = codes.partition(":")[0]
    if system in _TOPIC_OF_SYSTEM:
        return _TOPIC_OF_SYSTEM[system]
    if len(sources) == 1:
        return _TOPIC_OF_SOURCE.get(sources[0], "services")
    return "services"


def label(
    measure: str,
    group: str,
    codes: str,
    sources: tuple[str, ...],
    labels: dict[str, str],
    window: Window | None,
    of_stays: bool,
) -> dict[str, str]:
    """Noun phrase per language: what is measured and over which window, if there is one."""
    found = {}
    for language in LANGUAGES:
        of_one_source = codes == "contacts" and len(sources) == 1  # the source has a name of its own for its contacts
        what = "" if of_one_source else labels.get(language, "")
        what = what or _what(measure, group, codes, sources, language, of_stays)
        found[language] = text(f"features.measure.{measure}", language, what=what)
    return found if window is None else windowed(found, window)


def of_source(labels: dict[str, str], source: str) -> dict[str, str]:
    """The labels of a list with the one source of which its codes are counted."""
    return {
        language: text(
            "features.label.coded",
            language,
            source=known_text(f"features.source.{source}", language) or source,
            codes=what,
        )
        for language, what in labels.items()
    }


def windowed(phrases: dict[str, str], window: Window) -> dict[str, str]:
    """The phrases with the window in words."""
    return {
        language: text(
            "features.label.windowed",
            language,
            what=phrase,
            window=format_window(window.lookback_days, language, skip_days=window.skip_days),
        )
        for language, phrase in phrases.items()
    }


def _what(measure: str, group: str, codes: str, sources: tuple[str, ...], language: str, of_stays: bool) -> str:
    if of_stays:
        return _stays(measure, "all" if group == ALL_STAYS else group, language)
    source = sources[0] if len(sources) == 1 else "all"
    of_one = (known_text(f"features.events.{source}", language) if measure == "sum" else "") or known_text(
        f"features.source.{source}", language
    )
    if codes == "contacts" or (not codes and group in (source, ALL_EVENTS)):
        return of_one or group
    listed = group.removesuffix(f"_{source}") if codes else group
    what = known_text(f"features.list.{listed}", language) or known_text(f"features.system.{listed}", language)
    return text("features.label.coded", language, source=of_one or source, codes=what or listed)


def _stays(measure: str, group: str, language: str) -> str:
    days = known_text(f"features.stay_days.{group}", language) if measure == "stay_days" else ""
    if days:
        return days
    stays = known_text(f"features.stay.{group}", language) or known_text(f"features.stay_source.{group}", language)
    return text("features.label.days_of", language, what=stays or group) if measure == "stay_days" else stays or group
