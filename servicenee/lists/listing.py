"""`segment_list`: scores and registers come in, a list for people goes out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from servicenee._checks import check_choice
from servicenee.cohort import Cohort
from servicenee.exceptions import ModelError
from servicenee.lists.changes import earlier_lists, find_changes, last_list
from servicenee.lists.document import PLACED, SegmentList
from servicenee.lists.evidence import latest_records
from servicenee.lists.exclusions import LISTED_BEFORE, Exclusions, find_exclusions
from servicenee.lists.facts import Person, Sight, care_gaps, data_gaps, plain_facts
from servicenee.lists.history import place_decisions
from servicenee.lists.reasons import N_ASKED, Reason, choose_reasons, is_hidden
from servicenee.lists.report import Report
from servicenee.lists.rules import as_rules, is_confirmed, is_shipped
from servicenee.lists.sectors import allowed_sources, check_declared, sources_of
from servicenee.lists.segmented import segment_columns, segment_words, with_words_of
from servicenee.lists.select import HELD_OUT, LISTED, REVIEW, choose, find_candidates, mark_listed_before
from servicenee.lists.terms import Terms, check_terms
from servicenee.registers import Registers
from servicenee.texts import LANGUAGES, format_horizon, text
from servicenee.windows import kept_events


def segment_list(
    scores: pd.DataFrame,
    registers: Registers,
    *,
    model,
    purpose: str,
    segments: pd.DataFrame | None = None,
    segments_model=None,
    previous=None,
    decisions=None,
    capacity: int | float | Mapping[str, int] | None = None,
    by: str = "area",
    language: str = "fi",
    random_state: int | None = None,
    weeks: int = 1,
    cut: str = "unit",
    order: str = "risk",
    new: str = "mixed",
    n_review: int = 2,
    holdout: float = 0.0,
    legal_basis: str | None = None,
    rules: Mapping[str, pd.DataFrame] | None = None,
) -> SegmentList:
    """List the persons with the highest risk, unit by unit, as many as the service can act on.

    Parameters
    ----------
    scores : DataFrame
        What `predict` returned for one index date: index (person_id, index_date), columns risk, rank, model,
        version.
    registers : Registers
        The registers that were scored.
    model : NeedModel
        The model that scored them; gives the reasons of the listed persons and the labels of its features.
    purpose : {"client_work", "knowledge_management"}
        Client work: a professional goes through persons. Knowledge management: counts by unit; the list then
        holds no person. There is no default, because the legal basis differs.
    segments : DataFrame, optional
        What a segmenter predicted for the same persons: index (person_id, index_date), columns segment,
        segment_probability, uncertain; model and version where `segments_model` is given.
    segments_model : NeedModel, optional
        The model that made the segments. Client work without a legal basis needs it: it tells which records the
        segments rest on, which the table does not. Its segments keep their names, and those of a shipped scheme get
        the shipped offers as first steps, unless `rules` give others.
    previous : SegmentList or DataFrame, optional
        The last list, or what `read_record` gives: rows tell what changed since, and whoever was listed stays a
        little longer (see Notes). Lists of other models are left aside.
    decisions : Decisions or DataFrame, optional
        What `read_decisions` gave: persons contacted, refused, objecting or assessed are left out by the rules.
    capacity : int, float or mapping of str to int, default=None
        Persons per unit and week: a number, a share of the unit's persons (0.01 is 1 %), or a number for every
        unit. None: 20.
    by : str, default="area"
        Column of the persons table that makes the units, such as "area" or "team".
    language : {"fi", "sv", "en"}, default="fi"
        Language of the reader.
    random_state : int, optional
        Seed of the review sample and of the hold-out. Without it the sample follows from the scores.
    weeks : int, default=1
        Weeks that the list is for; each listed person gets a week.
    cut : {"unit", "county"}, default="unit"
        Every unit lists as many as its capacity, or the whole capacity goes to the highest risks of the county.
        Which is fair is for management to decide: the summary shows both.
    order : {"risk", "segment"}, default="risk"
        Highest risk first; or by segment, in the order of a categorical column `segment`, else that of the highest
        mean risk, and then by risk.
    new : {"mixed", "first", "only"}, default="mixed"
        Whether those who have not been on an earlier list come first, or are the only ones.
    n_review : int, default=2
        Persons of each unit drawn from those not listed, to be looked at without their risk: so that a person, not
        the model alone, sees who is left out.
    holdout : float, default=0.0
        Share of those whom the list reaches that is held out at random, to measure whether the list helps. It needs
        `random_state`; kept from list to list, it holds the same persons out.
    legal_basis : str, optional
        Ground for joining records of health care and social services on a list for client work. Without it, models
        that join them (in their features, or in who is in their population) are refused, and so are segments of
        unknown origin.
    rules : mapping of str to DataFrame, optional
        Tables to use instead of the shipped ones, from `list_rules`: exclusions, hidden_reasons, data_gaps, sectors.
        Two more give words to segments: segment_names, as `servicenee.segments` names them (segment, codes, name_fi,
        name_sv, name_en), and offers, the data rows behind its action sheets: the first that belongs to a code of the
        segment is the suggested first step.

    Returns
    -------
    SegmentList

    Raises
    ------
    ModelError
        If the scores were made by another model or version than `model`, or the segments than `segments_model`.
    ValueError
        If the choices contradict each other, or client work joins sectors, or might, without a legal basis.

    Notes
    -----
    The list can only add an offer. Nobody loses a service, or their turn, by being or not being on it.

    Exclusions are checked on the extract date, whenever the risk was assessed: a list is for contacting people now.
    To make a list of the past, hand over the registers as they were. Equal risks (to 12 decimals) are listed in
    order of `rank`, then of person. With `previous` and new="mixed", whoever was on the last list keeps the place as
    long as fewer than 1.25 times the places are ahead, so that lists do not churn by chance.

    The base rate of a row is the average risk of its unit, or of all when fewer than 20 persons of the unit were
    scored. Sex, language, area, mental health and substance use are not shown as reasons unless a county takes the
    rows out of the table hidden_reasons.

    References
    ----------
    Snooks H et al. Predictive risk stratification model: a randomised stepped-wedge trial in primary care
    (PRISMATIC). A list alone raised emergency admissions. Nord M et al. Effects of a comprehensive geriatric
    assessment for older people identified by a prediction model. A list with an offered assessment cut hospital days.

    Examples
    --------
    >>> from servicenee import segment_list  # doctest: +SKIP
    >>> listing = segment_list(scores, registers, model=model, purpose="client_work")  # doctest: +SKIP
    >>> listing.to_excel("list.xlsx")  # doctest: +SKIP
    """
    terms = Terms(purpose, by, capacity, weeks, cut, order, new, n_review, holdout, random_state, legal_basis)
    check_terms(terms, has_segments=segments is not None, has_previous=previous is not None)
    check_choice("language", language, LANGUAGES)
    table = with_words_of(as_rules(rules), segments_model)
    candidates = find_candidates(scores, registers, by)
    models = _models(scores, model, segments, segments_model, terms)
    allowed = allowed_sources(models, registers, table, legal_basis, purpose)
    date = pd.Timestamp(scores.index.get_level_values("index_date")[0])
    earlier, decided = earlier_lists(previous, date, str(model.name)), place_decisions(decisions, registers)
    candidates = _with_history(candidates, segments, earlier, date)
    exclusions = find_exclusions(candidates, registers, table["exclusions"], allowed, decided.table, model.outcome)
    exclusions = mark_listed_before(candidates, exclusions, new)
    candidates["excluded"] = exclusions.of
    chosen, groups = choose(candidates, terms)
    people: tuple[Person, ...] = ()
    if purpose == "client_work":
        sight = Sight(_cohort(chosen, registers, date), allowed, table)
        people = _people(chosen, sight, model, by, last_list(earlier), decided.table)
    looked_at = _looked_at(models, segments, allowed, registers)
    report = _report(model, looked_at, table, exclusions, last_list(earlier), decided.returned)
    placed = chosen[list(PLACED)] if purpose == "client_work" else chosen[list(PLACED)].head(0)
    made = (str(model.name), str(model.version), date, registers.extract_date)
    return SegmentList(people, placed, groups, _counts(candidates, exclusions, groups), terms, report, language, *made)


def _models(scores: pd.DataFrame, model, segments: pd.DataFrame | None, segments_model, terms: Terms) -> tuple:
    """The models behind the list: that of the scores, and that of the segments if it was handed over."""
    check_declared(segments, segments_model, terms.legal_basis, terms.purpose)
    _check_made_by(scores, model, "scores", "model")
    if segments is None or segments_model is None:
        return (model,)
    _check_made_by(segments, segments_model, "segments", "segments_model")
    return model, segments_model


def _looked_at(models: tuple, segments: pd.DataFrame | None, allowed: tuple[str, ...], registers: Registers):
    """Sources to tell the client of: of segments of unknown origin, all that they may rest on."""
    return allowed if segments is not None and len(models) == 1 else sources_of(models, registers)


def _report(
    model,
    looked_at: tuple[str, ...],
    table: dict,
    exclusions: Exclusions,
    last: pd.DataFrame,
    returned: dict[str, int] | None,
) -> Report:
    return Report(
        outcomes={spoken: _outcome(model, spoken) for spoken in LANGUAGES},
        exclusions=_exclusion_labels(table["exclusions"]),
        unchecked=exclusions.unchecked,
        segments=segment_words(table["segment_names"], table["offers"]),
        hides_as_shipped=is_shipped("hidden_reasons", table["hidden_reasons"]),
        sources=looked_at,
        previous_date=last["index_date"].iloc[0] if len(last) else pd.NaT,
        returned=returned,
        windows=tuple(
            dict.fromkeys((row["exclusion"], int(row["days"])) for row in table["exclusions"] if row["days"])
        ),
        is_confirmed=is_confirmed(table),
    )


def _check_made_by(table: pd.DataFrame, model, name: str, given: str) -> None:
    """Reasons, or sources, of another model than the one that made the table would mislead."""
    missing = [column for column in ("model", "version") if column not in table]
    if missing:
        raise ValueError(
            f"`{name}` must have the columns model, version, as predict gives them; {missing} are missing."
        )
    own = (str(model.name), str(model.version))
    made = sorted(set(zip(table["model"].astype(str), table["version"].astype(str), strict=True)))
    if made != [own]:
        raise ModelError(
            f"`{given}` must be the one that made the {name}, {made}; got {own}. Load that one, or predict again."
        )


def _with_history(
    candidates: pd.DataFrame, segments: pd.DataFrame | None, earlier: pd.DataFrame, date: pd.Timestamp
) -> pd.DataFrame:
    """The candidates with their segments, and whether they were on the last list or on any."""
    index = pd.MultiIndex.from_arrays(
        [candidates["person_id"], [date] * len(candidates)], names=["person_id", "index_date"]
    )
    own = segment_columns(segments, pd.Series(candidates["risk"].to_numpy(), index=index)).reset_index(drop=True)
    ids = candidates["person_id"].astype(str)
    listed = earlier[earlier["role"] == LISTED]
    return candidates.assign(
        **own,
        on_last=ids.isin(last_list(earlier)["person_id"].astype(str)),
        listed_before=ids.isin(listed["person_id"].astype(str)),
    )


def _cohort(chosen: pd.DataFrame, registers: Registers, date: pd.Timestamp) -> Cohort:
    """Rows of the chosen over registers with their events alone: each look at them would else go through all."""
    cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": chosen["person_id"], "index_date": date}))
    events = registers.event_columns
    theirs = np.zeros(len(events.kind), dtype=bool)
    for first, end in zip(events.first[cohort.person], events.first[cohort.person + 1], strict=True):
        theirs[first:end] = True
    few = registers.replaced(event_columns=kept_events(events, theirs))
    return Cohort(few, cohort.person, cohort.index_day, cohort.attrition)


def _people(
    chosen: pd.DataFrame, sight: Sight, model, by: str, last: pd.DataFrame, decided: pd.DataFrame
) -> tuple[Person, ...]:
    """All that is told of the listed and of those drawn for review; the held out are in the record only."""
    told = (chosen["role"] != HELD_OUT).to_numpy()
    chosen, sight = chosen[told], Sight(sight.cohort[np.flatnonzero(told)], sight.allowed, sight.rules)
    facts = plain_facts(chosen, sight, by)
    told_of = _reasons(chosen, sight, model)
    further = zip(care_gaps(sight), data_gaps(sight), find_changes(chosen, sight, last, decided), strict=True)
    rows = zip(facts, further, chosen["segment"], chosen["segment_probability"], chosen["uncertain"], strict=True)
    return tuple(
        Person(
            **fact,
            reasons=told_of.get(fact["person_id"], ()),
            care_gaps=care,
            data_gaps=data,
            changes=changed,
            segment=segment,
            segment_probability=float(probability),
            uncertain=bool(uncertain),
        )
        for fact, (care, data, changed), segment, probability, uncertain in rows
    )


def _reasons(chosen: pd.DataFrame, sight: Sight, model) -> dict[object, tuple[Reason, ...]]:
    """Reasons of the listed persons alone: those drawn for review are looked at without the model's view."""
    cohort = sight.cohort[np.flatnonzero(chosen["role"] == LISTED)]
    if not len(cohort):
        return {}
    persons = cohort.index.get_level_values("person_id")

    def records(features: list[str]) -> dict[str, dict]:
        found = latest_records(model.features, cohort, features)
        return {
            feature: dict(zip(persons, zip(table["date"], table["source"], strict=True), strict=True))
            for feature, table in found.items()
        }

    reasons = model.reasons(sight.registers, cohort.index, n_reasons=N_ASKED)
    hidden = is_hidden(model.feature_table, sight.rules["hidden_reasons"])
    return choose_reasons(reasons, model.feature_table, hidden, records)


def _counts(candidates: pd.DataFrame, exclusions: Exclusions, groups: pd.DataFrame) -> pd.DataFrame:
    excluded = candidates["excluded"].value_counts()
    n = {"able": int(excluded.get("", 0))}
    n |= {role: int(groups[role].sum()) for role in (LISTED, HELD_OUT, REVIEW)}
    n |= {name: int(excluded.get(name, 0)) for name in exclusions.names}
    return pd.DataFrame({"what": list(n), "n": list(n.values())})


def _exclusion_labels(rules: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    labels = {row["exclusion"]: {spoken: row[f"label_{spoken}"] for spoken in LANGUAGES} for row in rules}
    before = {spoken: text("lists.exclusion.listed_before", spoken) for spoken in LANGUAGES}
    return labels | {LISTED_BEFORE: before}


def _outcome(model, language: str) -> str:
    """Outcome and its window, e.g. "Start of regular home care, next 12 months"."""
    label, outcome = model.outcome_label(language), model.outcome
    horizon = format_horizon(outcome.horizon_days, language, gap_days=outcome.gap_days)
    return f"{label[:1].upper()}{label[1:]}, {horizon}"
