"""Population register and deaths of a delivery: one row per person, and the place of every other row's person."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from servicenee.registers.delivery import Delivered, Delivery, columns_of, data_rows
from servicenee.registers.delivery_files import Coded
from servicenee.registers.delivery_values import are_whole_numbers, whole_numbers
from servicenee.registers.identity import PseudonymKey, flaws, latest_ids, refuse_identity_codes
from servicenee.registers.municipalities import merged_codes, merged_names, municipality_names
from servicenee.registers.reading import to_days
from servicenee.registers.tables import FAR_FUTURE, FAR_PAST

_UNKNOWN = "unknown"
_WITHOUT_ROWS_OF_PERSONS = ("kattavuus", "tunnusmuutokset")
_DAY = np.timedelta64(1440, "m")


@dataclass(frozen=True)
class Identity:
    """How the registers spell the ids of a delivery: changed ones as the latest, as pseudonyms where there is a key."""

    key: PseudonymKey | None
    latest: dict[str, str]  # by the old id in capitals

    def spelled(self, column: Coded) -> pa.Array:
        """The ids of the distinct texts of a column."""
        if self.key is None and not self.latest:
            return column.levels
        texts = [self.latest.get(text.upper(), text) for text in column.levels.to_pylist()]
        return pa.array(texts if self.key is None else [self.key.digest(text.upper()) for text in texts], pa.string())

    def note(self, delivery: Delivery) -> None:
        """Count rows with an id that changed, and persons with a temporary code or with a wrong check character."""
        for name in [name for name in delivery.tables if name not in _WITHOUT_ROWS_OF_PERSONS]:
            table = delivery[name]
            column = person_column(name)
            if self.latest and column in table:
                old = pc.is_in(pc.utf8_upper(table.columns[column].levels), pa.array(list(self.latest), pa.string()))
                rows = table.columns[column].spread(old.to_numpy(zero_copy_only=False), False)
                table.note(column, "an id that has changed", rows, "taken as the new one")
        column = delivery["vaesto"].columns["TNRO"]
        faults = ("identity code with a wrong check character", "temporary identity code")
        for fault, of_levels in zip(faults, flaws(column.levels), strict=True):
            delivery["vaesto"].note("TNRO", fault, column.spread(of_levels, False), "kept")


@dataclass(frozen=True)
class People:
    """Persons of the population table in the order of its rows."""

    texts: pa.Array  # ids as text, pseudonyms where there is a key
    ids: np.ndarray  # the same as they go into the registers
    birth_day: np.ndarray
    death_day: np.ndarray
    frame: pd.DataFrame
    identity: Identity

    def of_rows(self, table: Delivered) -> np.ndarray:
        """Place of every row's person, -1 where it is missing or not in the population table."""
        column = table.columns[person_column(table.name)]
        place = pc.fill_null(pc.index_in(self.identity.spelled(column), self.texts), -1)
        return column.spread(place.to_numpy(zero_copy_only=False).astype(np.int32), -1)

    def column(self, place: np.ndarray) -> pd.Categorical | np.ndarray:
        """The person_id column of rows of these persons."""
        return self.ids[place] if self.ids.dtype.kind == "i" else pd.Categorical.from_codes(place, categories=self.ids)

    def place_of(self, column: pd.Series) -> np.ndarray:
        """Places of the persons of such a column."""
        if isinstance(column.dtype, pd.CategoricalDtype):
            return column.cat.codes.to_numpy()
        return pd.Index(self.ids).get_indexer(column)


def person_column(table: str) -> str:
    """Name of the column that holds the person."""
    return next(row["column"] for row in columns_of(table) if row["holds"] == "person")


def read_people(delivery: Delivery, key: PseudonymKey | None) -> People:
    """Persons from the population table, with residences and deaths where there are such tables."""
    _refuse_codes(delivery, key)
    identity = Identity(key, _latest_ids(delivery))
    identity.note(delivery)
    table = delivery["vaesto"]
    table.drop_repeats()
    chosen = _one_row_each(table, identity)
    column = table.columns["TNRO"]
    texts = identity.spelled(column).take(pa.array(column.codes[chosen]))
    numbers = key is None and are_whole_numbers(column.levels)
    ids = texts.cast(pa.int64()).to_numpy() if numbers else texts.to_numpy(zero_copy_only=False)
    frame = _columns(table, chosen)
    people = People(texts, ids, np.zeros(0), np.zeros(0), frame, identity)
    if "asuminen" in delivery:
        _add_residences(delivery["asuminen"], people)
    if "kuolemat" in delivery:
        frame["death_date"] = _deaths(delivery["kuolemat"], people)
    frame.insert(0, "person_id", ids)
    never = pd.Series(np.datetime64("NaT", "us"), index=frame.index)
    birth = to_days(frame["birth_date"].to_numpy(), FAR_PAST)
    death = to_days(frame.get("death_date", never).to_numpy(), FAR_FUTURE)
    # Where death comes before birth, the registers take the birth for unknown.
    return People(texts, ids, np.where(death < birth, FAR_PAST, birth), death, frame, identity)


def placed(
    table: Delivered, people: People, column: str, dates: np.ndarray, extract_day: int | None, *, needed: bool = True
) -> np.ndarray:
    """Place of every row's person; rows outside a known person's life and the time before the extract are set aside."""
    person = person_column(table.name)
    place = people.of_rows(table)
    table.refuse(person, "no person", table.columns[person].codes < 0)
    table.refuse(person, "not in the population table", place < 0)
    if needed:
        table.refuse(column, "no date", np.isnat(dates))
    day = to_days(dates, np.int32(0))
    known = ~np.isnat(dates) & (place >= 0)
    if extract_day is not None:
        table.refuse(column, "after extract_date", known & (day > extract_day))
    if len(people.ids):
        table.refuse(column, "before birth_date", known & (day < people.birth_day[place]), limited=False)
        table.refuse(column, "after death_date", known & (day > people.death_day[place]), limited=False)
    return place


def translated(
    table: Delivered, column: str, field: str, dates: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Meanings of codes by the code table, None where there is none, and which rows hold a code it does not have.

    A code counts on the days of its validity only; without `dates` validity does not matter.
    """
    codes, levels = table.codes(column)
    meanings = np.full(len(table), None, dtype=object)
    known = np.zeros(len(table), dtype=bool)
    rows = data_rows("hilmo_codes")
    rows = rows[rows["field"] == field]
    listed = set(rows["code"])
    for row in rows.to_dict("records"):
        meant = [level == row["code"] or (row["code"] == "*" and level not in listed) for level in levels]
        found = np.append(np.array(meant, dtype=bool), False)[codes]
        if dates is not None:
            found &= within(dates, row)
        meanings[found & ~known] = row["value"]
        known |= found
    return meanings, (codes >= 0) & ~known


def within(dates: np.ndarray, row: dict[str, str]) -> np.ndarray:
    """True for dates on which a row of a data table is valid; both of its ends count."""
    days = dates.astype("datetime64[D]")
    found = np.ones(len(dates), dtype=bool)
    if row["valid_from"]:
        found &= days >= np.datetime64(row["valid_from"])
    if row["valid_to"]:
        found &= days <= np.datetime64(row["valid_to"])
    return found


def _latest_ids(delivery: Delivery) -> dict[str, str]:
    """The latest id of every one that changed, where a table tells of changes."""
    if "tunnusmuutokset" not in delivery:
        return {}
    table = delivery["tunnusmuutokset"]
    old, new = table.texts("VANHA"), table.texts("UUSI")
    table.refuse("VANHA", "no person", pd.isna(old) | pd.isna(new))
    return latest_ids(dict(zip(old[table.kept], new[table.kept], strict=True)))


def _refuse_codes(delivery: Delivery, key: PseudonymKey | None) -> None:
    """Personal identity codes are not read without a key."""
    if key is not None:
        return
    for name, table in delivery.tables.items():
        if name != "kattavuus":
            column = person_column(name)
            if column in table:
                levels = table.columns[column].levels.to_numpy(zero_copy_only=False)
                refuse_identity_codes(table.parts[0][0], column, levels, delivery.findings)
    delivery.findings.raise_errors()


def _one_row_each(table: Delivered, identity: Identity) -> np.ndarray:
    """Rows of distinct persons: of several, the one of the latest year, else the first."""
    column = table.columns["TNRO"]
    table.refuse("TNRO", "no person", column.codes < 0)
    if identity.key is None and are_whole_numbers(column.levels):
        other = column.spread(~whole_numbers(column.levels), False)
        table.refuse("TNRO", "not a whole number as the other ids", other)
    year = table.numbers("VUOSI") if "VUOSI" in table else np.zeros(len(table))
    kept = np.flatnonzero(table.kept)
    person = column.codes[kept]
    spelled = identity.spelled(column)
    if spelled is not column.levels:  # an old id and a new one, or capitals and small letters, are one person
        person = pd.factorize(np.array(spelled.to_pylist(), dtype=object)[person])[0]
    order = kept[np.lexsort((kept, -np.nan_to_num(year[kept]), person))]
    sorted_person = np.sort(person, kind="stable")
    again = np.zeros(len(table), dtype=bool)
    again[order[1:][sorted_person[1:] == sorted_person[:-1]]] = True
    snapshots = "VUOSI" in table
    rule = "an older year of the person" if snapshots else "another row of the person"
    table.refuse("TNRO", rule, again, limited=not snapshots)
    return np.flatnonzero(table.kept)


def _columns(table: Delivered, chosen: np.ndarray) -> pd.DataFrame:
    """The person columns that the delivery has, under the names of the registers."""
    sex, unknown = translated(table, "SUKUPUOLI", "sex")
    table.note("SUKUPUOLI", "code that is not known", unknown, "taken as missing")
    frame = {"birth_date": _microseconds(table.dates("SYNTYMAPVM")), "sex": sex}
    if "AIDINKIELI" in table:
        frame["language"] = translated(table, "AIDINKIELI", "language")[0]
    if "KOTIKUNTA" in table:
        frame["area"] = _areas(table, "KOTIKUNTA")
    for name, column in (("registered_from", "MUUTTOPVM_TULO"), ("registered_to", "MUUTTOPVM_LAHTO")):
        if column in table:
            frame[name] = _microseconds(table.dates(column))
    if "TIIMI" in table:
        frame["team"] = table.texts("TIIMI")
    if "ASUNTOKUNNAN_KOKO" in table:
        size = table.numbers("ASUNTOKUNNAN_KOKO")
        frame["living_alone"] = np.where(np.isnan(size), np.nan, size == 1)
    return pd.DataFrame({name: values[chosen] for name, values in frame.items()})


def _areas(table: Delivered, column: str) -> np.ndarray:
    """Names of today's municipalities for codes and names of all that there have been; other names stay as they are."""
    today = municipality_names()
    merged = merged_codes() | {name.upper(): became for name, became in merged_names().items()}
    codes, levels = table.codes(column)
    spelled = {text.upper(): text for text in table.columns[column].levels.to_pylist()}
    keys = [level.lstrip("0") or "0" if level.isdigit() else level for level in levels]
    names = [today.get(key) or merged.get(key) or (_UNKNOWN if key.isdigit() else spelled[key]) for key in keys]
    for of_levels, fault, action in (
        ([key in merged for key in keys], "an area that is no more", "taken as what became of it"),
        ([name == _UNKNOWN for name in names], "municipality that is not known", f"taken as {_UNKNOWN!r}"),
    ):
        table.note(column, fault, np.append(np.array(of_levels, dtype=bool), False)[codes], action)
    return np.array([*names, None], dtype=object)[codes]


def _add_residences(table: Delivered, people: People) -> None:
    """First day in the area, first day outside it and the latest municipality, from all residences of a person."""
    table.drop_repeats()
    start, end = table.dates("START_OF_RESIDENCE"), table.dates("END_OF_RESIDENCE")
    place = people.of_rows(table)
    table.refuse("TNRO", "not in the population table", place < 0)
    table.refuse("START_OF_RESIDENCE", "no date", np.isnat(start))
    areas = _areas(table, "MUNICIPALITY")
    kept = np.flatnonzero(table.kept)
    rows = pd.DataFrame({"place": place[kept], "start": start[kept], "end": end[kept] + _DAY, "area": areas[kept]})
    rows = rows.sort_values("start", kind="stable")
    by_person = rows.groupby("place")
    frame = people.frame
    frame["registered_from"] = _microseconds(by_person["start"].min().reindex(frame.index).to_numpy())
    last = by_person["end"].max().where(by_person["end"].count() == by_person.size())
    frame["registered_to"] = _microseconds(last.reindex(frame.index).to_numpy())
    frame["area"] = by_person["area"].last().reindex(frame.index).to_numpy(dtype=object)


def _deaths(table: Delivered, people: People) -> np.ndarray:
    """Day of death per person; of several, the earliest."""
    table.drop_repeats()
    dates = table.dates("KPV").astype("datetime64[D]")
    place = people.of_rows(table)
    table.refuse("TNRO", "not in the population table", place < 0)
    table.refuse("KPV", "no date", np.isnat(dates))
    kept = np.flatnonzero(table.kept)
    order = kept[np.lexsort((dates[kept], place[kept]))]
    again = np.zeros(len(table), dtype=bool)
    again[order[1:][place[order[1:]] == place[order[:-1]]]] = True
    table.refuse("TNRO", "another death of the person", again, limited=False)
    days = np.full(len(people.frame), np.datetime64("NaT", "us"))
    days[place[table.kept]] = _microseconds(dates[table.kept])
    return days


def _microseconds(dates: np.ndarray) -> np.ndarray:
    return dates.astype("datetime64[us]")
