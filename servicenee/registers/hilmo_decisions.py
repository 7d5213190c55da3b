"""Decisions on social services, to stays and services from the day they really began; open ends are settled by rule."""

import numpy as np
import pandas as pd

from servicenee.registers.delivery import Delivered, data_rows
from servicenee.registers.hilmo_people import People, placed
from servicenee.registers.hilmo_rows import Coding, coding, events, joined, picked, stays
from servicenee.registers.hilmo_visits import days_of, distinct_days, person_range, regular_spells

_SILENT_DAYS = 180  # a home-care decision without a visit for so long is taken as ended, whatever the decision says
HOME_CARE = "home_care"


def read_decisions(
    table: Delivered, people: People, extract_day: int | None, visits: np.ndarray | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and stays from decisions; `visits` are the days of home-care visits (see `person_days`), if delivered."""
    table.drop_repeats()
    target, source, kind = _services(table)
    is_stay = _texts_are(target, "stay")
    time, start, end = _times(table, is_stay)
    place = placed(table, people, "ALKUPVM", time, extract_day)
    rows = np.flatnonzero(table.kept & ~is_stay)
    made = events(people, place[rows], time[rows], "social", "service", picked(kind, rows))
    rows = np.flatnonzero(table.kept & is_stay)
    spells = pd.DataFrame({"row": rows, "place": place[rows], "source": source[0][rows], "kind": kind[0][rows]})
    spells = spells.assign(start=_days(start[rows]), end=_days(end[rows]))
    spells = _end_at_next(spells, table)
    if visits is not None and HOME_CARE in kind[1]:
        spells = _end_in_silence(spells, kind[1].index(HOME_CARE), visits, extract_day, table)
    first, last = (spells[name].to_numpy().astype("datetime64[D]") for name in ("start", "end"))
    of_spells = ((spells["source"].to_numpy(), source[1]), (spells["kind"].to_numpy(), kind[1]))
    return made, stays(people, spells["place"].to_numpy(), first, last, *of_spells)


def home_care_from_visits(people: People, pieces: list[pd.DataFrame], extract_day: int | None) -> pd.DataFrame:
    """Stays of home care that the visits of these events show, for deliveries without decisions on it."""
    made = joined(pieces, people)
    at_home = made[(made["source"] == HOME_CARE) & (made["code_system"] == "contact")]
    place = people.place_of(at_home["person_id"])
    visits = distinct_days(place, at_home["time"].to_numpy())
    seen_until = int(days_of(visits).max(initial=0)) if extract_day is None else extract_day
    person, start, end, known = regular_spells(visits, seen_until)
    return stays(people, person, start, end, HOME_CARE, HOME_CARE, known)


def _services(table: Delivered) -> tuple[Coding, Coding, Coding]:
    """What every decision brings: target, source and kind by the name of the service."""
    rows = data_rows("hilmo_services").set_index("service")
    codes, levels = coding(table.texts("PALVELU"))
    table.refuse("PALVELU", "no service", codes < 0)
    names = [" ".join(level.lower().split()) for level in levels]
    known = np.array([name in rows.index for name in names] + [True], dtype=bool)[codes]
    table.note("PALVELU", "service that is not known", ~known, "kept under its own name")
    default = {"target": "service", "source": "social"}
    meanings = []
    for column in ("target", "source", "kind"):
        texts = [rows.at[name, column] if name in rows.index else default.get(column, name) for name in names]
        of_level, distinct = coding(np.array(texts, dtype=object))
        meanings.append((np.append(of_level, np.int32(-1))[codes], distinct))
    return tuple(meanings)


def _times(table: Delivered, is_stay: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When it happened, and from when to when: the real days where they are told, else the granted ones."""
    decided, granted, until = (table.dates(name) for name in ("PAATOSPVM", "ALKUPVM", "LOPPUPVM"))
    began, ended = table.dates("TOTEUTUNUT_ALKU"), table.dates("TOTEUTUNUT_LOPPU")
    start, end = _first_known(began, granted), _first_known(ended, until)
    table.note("TOTEUTUNUT_ALKU", "real start not told", is_stay & np.isnat(began), "kept, the granted start counts")
    table.note("LOPPUPVM", "before the start", is_stay & (end < start), "see stays")
    return np.where(is_stay, start, _first_known(start, decided)), start, end


def _end_at_next(spells: pd.DataFrame, table: Delivered) -> pd.DataFrame:
    """An open decision ends where the person's next one on the same service begins."""
    spells = spells.sort_values(["place", "kind", "start"], kind="stable", ignore_index=True)
    following = spells["start"].shift(-1)
    same = (spells[["place", "kind"]] == spells[["place", "kind"]].shift(-1)).all(axis=1)
    replaced = same & spells["end"].isna() & (following > spells["start"])
    rule = "open, with a later decision on the same service"
    _note(table, spells["row"][replaced], rule, "ends where the later one begins")
    return spells.assign(end=spells["end"].mask(replaced, following))


def _end_in_silence(
    spells: pd.DataFrame, home_care: int, visits: np.ndarray, extract_day: int | None, table: Delivered
) -> pd.DataFrame:
    """Open home-care decisions end after the first 180 days without a visit; the next visit begins them anew.

    An end follows from the visits before it only, so that nobody can tell from it what was still to come. A decision
    without any visit (care by voucher, say) stays open.
    """
    open_care = np.flatnonzero((spells["kind"] == home_care) & spells["end"].isna())
    begins = spells["start"].to_numpy()[open_care].astype("datetime64[D]").astype(np.int64)
    first, last = person_range(visits, spells["place"].to_numpy()[open_care], begins)
    n = last - first
    spell = np.repeat(np.arange(len(n)), n)
    place = np.arange(len(spell)) - np.repeat(n.cumsum() - n, n) + np.repeat(first, n)
    day = days_of(visits)[place]
    seen_until = int(days_of(visits).max(initial=0)) if extract_day is None else extract_day
    is_first = np.r_[True, spell[1:] != spell[:-1]][: len(spell)]
    is_last = np.r_[is_first[1:], True][: len(spell)]
    silence = np.where(is_last, seen_until, np.r_[day[1:], 0][: len(day)]) - day > _SILENT_DAYS
    starts = np.flatnonzero(is_first | np.r_[False, silence[:-1]][: len(day)])
    ends = np.flatnonzero(is_last | silence)
    _note(
        table, spells["row"].to_numpy()[open_care[spell[silence]]], "open, without a visit for 180 days", "ended then"
    )
    pieces = spells.iloc[open_care[spell[starts]]].assign(
        start=_days(np.where(is_first[starts], begins[spell[starts]], day[starts])),
        end=_days(np.where(silence[ends], day[ends] + _SILENT_DAYS, np.iinfo(np.int64).min)),
    )
    return pd.concat([spells.drop(index=open_care[n > 0]), pieces], ignore_index=True)


def _texts_are(column: Coding, text: str) -> np.ndarray:
    return np.append(np.array([level == text for level in column[1]], dtype=bool), False)[column[0]]


def _first_known(dates: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    return np.where(np.isnat(dates), otherwise, dates)


def _days(dates: np.ndarray) -> np.ndarray:
    """Whole days in the unit of data frames; the smallest integer is NaT."""
    return dates.astype("datetime64[D]").astype("datetime64[us]")


def _note(table: Delivered, rows, rule: str, action: str) -> None:
    which = np.zeros(len(table), dtype=bool)
    which[rows] = True
    table.note("LOPPUPVM", rule, which, action)
