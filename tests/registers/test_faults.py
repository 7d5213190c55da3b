"""Bad input: what cannot be mended is told all at once, what can is mended and counted, and no good row is lost."""

import datetime
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicenee import Cohort, EventCounts, Registers, StayDays
from servicenee.exceptions import RegisterError
from servicenee.registers.findings import Findings

MARKER = "MARKER99"  # the id of a person and a value of every text column: must be in no message
N_GOOD = 400


def dates(*texts) -> pd.Series:
    return pd.Series(texts, dtype="datetime64[us]")


def persons(**columns) -> pd.DataFrame:
    table = {
        "person_id": [MARKER, "p1"],
        "birth_date": dates("1940-05-01", "1938-01-31"),
        "sex": ["female", "male"],
        "registered_from": dates("2000-01-01", "2000-01-01"),
    }
    return pd.DataFrame(table | columns)


def events(bad: pd.DataFrame | None = None) -> pd.DataFrame:
    """Good events of both persons on different days, and the bad ones in between."""
    good = pd.DataFrame(
        {
            "person_id": [MARKER, "p1"] * (N_GOOD // 2),
            "time": pd.date_range("2020-01-01", periods=N_GOOD).astype("datetime64[us]"),
            "source": "emergency",
            "code_system": "contact",
            "code": MARKER,
        }
    )
    return good if bad is None else pd.concat([good[:100], bad, good[100:]], ignore_index=True)


def event(time="2021-06-01", person=MARKER, **columns) -> pd.DataFrame:
    row = {"person_id": [person], "time": dates(time), "source": ["emergency"], "code_system": ["contact"]}
    return pd.DataFrame(row | {"code": [MARKER]} | columns)


def stays(start="2021-03-10", end="2021-03-20", **columns) -> pd.DataFrame:
    row = {"person_id": [MARKER], "start": dates(start), "end": dates(end), "source": ["inpatient"]}
    return pd.DataFrame(row | {"kind": [MARKER]} | columns)


def registers(person_table=None, event_table=None, stay_table=None, **options) -> Registers:
    person_table = persons() if person_table is None else person_table
    event_table = events() if event_table is None else event_table
    options = {"extract_date": "2024-01-01"} | options
    return Registers(person_table, event_table, stay_table, **options)


def refused(*tables, **options) -> str:
    """The message of the refusal, which shows no value."""
    with pytest.raises(RegisterError) as error:
        registers(*tables, **options)
    assert MARKER not in str(error.value)
    assert error.value.__cause__ is None
    return str(error.value)


def n_of(made: Registers, fault: str) -> int:
    found = made.findings[made.findings["fault"].str.contains(fault, regex=False)]
    assert MARKER not in made.findings.to_csv()
    return int(found["n"].sum())


# --- structure: refused, all at once ---------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_told_in_one_error():
    person_table = persons().rename(columns={"sex": "gender"}).assign(birth_date=["1940-05-01", "1938-01-31"])
    event_table = events().rename(columns={"code": "icd"}).assign(value=MARKER)
    stay_table = stays().assign(start=[20210310])
    message = refused(person_table, event_table, stay_table)
    assert message.startswith("5 findings")
    for told in ("persons.sex", "persons.birth_date", "events.code:", "events.value", "stays.start"):
        assert told in message


def test_a_bad_column_here_does_not_hide_a_bad_row_there():
    person_table = pd.concat([persons(), persons()], ignore_index=True)
    unknown = pd.concat([event(person="nobody")] * 50, ignore_index=True)
    message = refused(person_table, events(unknown), stays().drop(columns="kind"))
    for told in ("rows repeat a person", "events.person_id: not among persons", "stays.kind: the column is missing"):
        assert told in message


@pytest.mark.parametrize("column", ["person_id", "birth_date", "sex"])
def test_a_missing_column_of_persons(column):
    assert f"persons.{column}: the column is missing" in refused(persons().drop(columns=column))


@pytest.mark.parametrize("column", ["person_id", "time", "source", "code_system", "code"])
def test_a_missing_column_of_events(column):
    assert f"events.{column}: the column is missing" in refused(None, events().drop(columns=column))


@pytest.mark.parametrize("column", ["person_id", "start", "end", "source", "kind"])
def test_a_missing_column_of_stays(column):
    assert f"stays.{column}: the column is missing" in refused(None, None, stays().drop(columns=column))


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("person_id", 1.0, "A float id such as 123.0"),
        ("person_id", np.nan, "whole numbers or text"),
        ("person_id", pd.Timestamp("2020-01-01"), "whole numbers or text"),
        ("time", "2020-01-01", "Parse text with pd.to_datetime"),
        ("time", 20200101, "must be dates"),
        ("source", 1.5, "must be text"),
        ("code", 1.5, "must be text"),
        ("value", MARKER, "must be numbers"),
        ("available_at", "2020-01-01", "must be dates"),
    ],
)
def test_a_column_of_a_wrong_type(column, values, told):
    message = refused(None, events().assign(**{column: values}))
    assert message.startswith("1 finding")
    assert f"events.{column}: must be" in message
    assert told in message


@pytest.mark.parametrize("dtype", [object, "datetime64[us, UTC]"], ids=["objects", "typed"])
def test_times_with_a_zone_become_local_time_once_and_are_counted(dtype):
    moments = [datetime.datetime(2021, 1, 15, 22, 30, tzinfo=datetime.UTC)] * 2
    moments[1] = datetime.datetime(2021, 7, 15, 22, 30, tzinfo=datetime.UTC)
    table = pd.concat([event(), event(value=[1.0])], ignore_index=True).assign(time=pd.Series(moments, dtype=dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = registers(None, table)
    assert made.events["time"].tolist() == [pd.Timestamp("2021-01-16 00:30"), pd.Timestamp("2021-07-16 01:30")]
    assert n_of(made, "time with a zone") == 2


def test_a_table_that_is_not_a_data_frame():
    assert "events: must be a pandas DataFrame; got list" in refused(None, [MARKER])


def test_a_repeated_person():
    message = refused(pd.concat([persons(), persons()[:1]], ignore_index=True))
    assert "1 of 3 rows repeat a person; first at rows [2]" in message


def test_a_person_without_an_id():
    assert "1 of 2 values are missing; first at rows [1]" in refused(persons(person_id=[MARKER, None]))


def test_ids_that_are_numbers_here_and_text_there():
    message = refused(persons(person_id=[1, 2]))
    assert "events.person_id: holds text where persons.person_id holds whole numbers" in message
    message = refused(None, events().assign(person_id=1), stays().assign(person_id=2))
    assert message.startswith("2 findings")
    assert "stays.person_id: holds whole numbers where persons.person_id holds text" in message


def test_an_unknown_word_for_duplicates():
    with pytest.raises(ValueError, match="`duplicates` must be one of 'drop', 'keep'; got 'first'"):
        registers(duplicates="first")


# --- rows: mended or set aside, and counted --------------------------------------------------------------------------


def test_a_few_events_of_unknown_persons_are_set_aside_and_many_are_an_error():
    made = registers(None, events(event(person="nobody")))
    assert (len(made.events), n_of(made, "not among persons")) == (N_GOOD, 1)
    assert made.findings.iloc[0]["first_rows"] == "100"
    many = pd.concat([event(person="nobody")] * 5, ignore_index=True)
    message = refused(None, events(many))
    assert "events.person_id: not among persons in 5 of 405 rows (1.2%), first at rows 100, 101, 102" in message
    assert len(registers(None, events(many), tolerance=0.02).events) == N_GOOD


@pytest.mark.parametrize("end", ["2021-03-09", "2021-03-07"])
def test_an_end_up_to_three_days_before_the_start_is_swapped(end):
    made = registers(None, None, stays(end=end))
    assert n_of(made, "up to 3 days before start") == 1
    assert made.stays[["start", "end"]].iloc[0].tolist() == [pd.Timestamp(end), pd.Timestamp("2021-03-10")]


def test_an_end_more_than_three_days_before_the_start_leaves_a_stay_of_no_nights():
    made = registers(None, None, stays(end="2021-03-06"))
    assert n_of(made, "more than 3 days before start") == 1
    assert made.stays[["start", "end"]].iloc[0].tolist() == [pd.Timestamp("2021-03-10")] * 2


@pytest.mark.parametrize("end", ["2099-12-31", "2999-12-31", "9999-12-31", "1800-01-01", "1900-01-01", None])
def test_a_placeholder_end_is_an_open_stay(end):
    made = registers(None, None, stays(end=end))
    assert made.stays["end"].isna().all()
    assert n_of(made, "placeholder date") == (end is not None)


@pytest.mark.parametrize("time", ["2024-01-02", "2098-01-01"])
def test_an_event_after_the_extract_is_set_aside(time):
    made = registers(None, events(event(time)))
    assert (len(made.events), n_of(made, "after extract_date")) == (N_GOOD, 1)


def test_many_events_after_the_extract_are_an_error():
    assert "events.time: after extract_date in 120 of 400 rows (30.0%)" in refused(extract_date="2020-10-06")


@pytest.mark.parametrize("time", ["1800-01-01", "1900-01-01", "2099-12-31", "2999-12-31", "9999-12-31", None])
def test_an_event_at_a_placeholder_date_is_set_aside(time):
    made = registers(None, events(event(time)))
    assert (len(made.events), n_of(made, "missing or placeholder date")) == (N_GOOD, 1)


@pytest.mark.parametrize("column", ["birth_date", "death_date", "registered_from", "registered_to"])
@pytest.mark.parametrize("date", ["1900-01-01", "2999-12-31", "9999-12-31"])
def test_a_placeholder_date_of_a_person_is_missing(column, date):
    made = registers(persons(**{column: dates(date, "1939-01-31" if column == "birth_date" else "2023-12-31")}))
    assert made.persons[column].isna().tolist() == [True, False]
    assert (len(made.events), n_of(made, "placeholder date")) == (N_GOOD, 1)


@pytest.mark.parametrize("date", ["1900-01-01", "2999-12-31"])
def test_a_placeholder_in_available_at_neither_shows_a_row_early_nor_hides_it(date):
    coverage = pd.DataFrame({"source": ["emergency", "inpatient"], "reporting_lag_days": [30, 30]})
    late = event("2021-06-01", available_at=dates(date))
    stay = stays("2021-05-20", "2021-05-25", available_at=dates(date))
    made = registers(None, events(late), stay, coverage=coverage)
    assert n_of(made, "placeholder date") == 2
    rows = pd.DataFrame({"person_id": MARKER, "index_date": ["2021-06-03", "2021-07-02"]})
    cohort = Cohort.from_frame(made, rows)
    assert EventCounts(lookback_days=60).fit_transform(cohort).iloc[:, 0].tolist() == [0, 1]
    assert StayDays(lookback_days=60).fit_transform(cohort).iloc[:, 0].tolist() == [0, 5]


@pytest.mark.parametrize(
    ("columns", "time", "fault"),
    [
        ({"birth_date": dates("2020-01-10", "1938-01-31")}, "2020-01-09", "before birth_date"),
        ({"death_date": dates("2021-05-30", None)}, "2021-06-01", "after death_date"),
    ],
)
def test_events_outside_a_life_are_set_aside(columns, time, fault):
    in_life = events()[1::2]
    made = registers(persons(**columns), pd.concat([in_life, event(time)], ignore_index=True))
    assert (len(made.events), n_of(made, fault)) == (len(in_life), 1)


def test_an_event_on_the_day_of_death_is_kept():
    made = registers(persons(death_date=dates("2021-06-01", None)), events(event("2021-06-01")))
    assert len(made.events) == N_GOOD + 1


def test_a_death_before_birth_leaves_the_birth_date_unknown():
    made = registers(persons(birth_date=dates("1940-05-01", "2022-01-31"), death_date=dates(None, "2021-12-01")))
    assert made.persons["birth_date"].isna().tolist() == [False, True]
    assert n_of(made, "before birth_date") == 1


def test_moving_out_before_moving_in_leaves_the_end_open():
    made = registers(persons(registered_to=dates("1999-01-01", None)))
    assert made.persons["registered_to"].isna().all()
    assert n_of(made, "before registered_from") == 1


@pytest.mark.parametrize(
    ("column", "kept"), [("source", False), ("code_system", True), ("code", True)], ids=["source", "system", "code"]
)
def test_missing_text_is_kept_empty_but_for_the_source(column, kept):
    made = registers(None, events(event(**{column: [None]})))
    assert len(made.events) == N_GOOD + kept
    assert n_of(made, "missing") == 1


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e99], ids=["infinite", "minus infinite", "infinite in float32"])
def test_an_infinite_value_is_missing(value):
    made = registers(None, events(event(value=[value])))
    assert made.events["value"].isna().all()
    assert n_of(made, "infinite") == 1


def test_exact_duplicates_are_counted_by_their_rows_as_delivered():
    twice = pd.concat([event(), event(), event(value=[1.0]), event(person="nobody")], ignore_index=True)
    made = registers(None, events(twice))
    assert len(made.events) == N_GOOD + 2
    duplicate = made.findings.set_index("fault").loc["exact duplicate"]
    assert (duplicate["n"], duplicate["n_rows"], duplicate["first_rows"]) == (1, N_GOOD + 4, "101")


def test_of_duplicates_the_one_that_was_available_first_is_kept():
    both = [event(available_at=dates(day)) for day in ("2021-09-01", "2021-07-01")]
    for order in (both, both[::-1]):
        made = registers(None, events(pd.concat(order, ignore_index=True)))
        kept = made.events[made.events["time"] == "2021-06-01"]
        assert kept["available_at"].tolist() == [pd.Timestamp("2021-07-01")]


def test_duplicate_stays_are_dropped_and_counted():
    made = registers(None, None, pd.concat([stays(), stays()], ignore_index=True))
    assert (len(made.stays), n_of(made, "exact duplicate")) == (1, 1)


def test_a_kind_of_which_every_row_was_set_aside_leaves_nothing_behind():
    made = registers(None, events(event("2024-05-05", source=["laboratory"])))
    assert made.coverage["source"].tolist() == ["emergency"]


def test_coverage_with_a_repeated_source_or_a_negative_lag():
    coverage = pd.DataFrame({"source": ["emergency", "emergency"], "reporting_lag_days": [-1, 0]})
    message = refused(coverage=coverage)
    assert "coverage.source: 1 of 2 rows repeat a source" in message
    assert "coverage.reporting_lag_days: 1 of 2 values are not between 0 and 36,500" in message


# --- nothing at all --------------------------------------------------------------------------------------------------


def test_empty_tables_are_registers_of_nobody():
    made = registers(persons()[:0], events()[:0], stays()[:0])
    assert repr(made) == "Registers(0 persons, 0 events, 0 stays, extract_date=2024-01-01)"
    assert made.events.columns.tolist() == registers().events.columns.tolist()


def test_persons_without_events():
    made = registers(None, events()[:0])
    assert (len(made.persons), len(made.events)) == (2, 0)
    assert made.findings.empty


def test_events_of_nobody_are_an_error():
    assert "events.person_id: not among persons in 400 of 400 rows" in refused(persons()[:0])


# --- invariants ------------------------------------------------------------------------------------------------------

_TIMES = ["1900-01-01", "2020-02-01", "2020-02-01", "2021-03-04T10:00", "2023-12-31", "2999-12-31", None]
_ROWS = st.lists(
    st.tuples(
        st.sampled_from([MARKER, "p1", "nobody"]),
        st.sampled_from(_TIMES),
        st.sampled_from(["emergency", "laboratory", None]),
        st.sampled_from([0.0, 1.5, None]),
        st.sampled_from(["2021-04-01", "2024-01-01", "2999-12-31", None]),
    ),
    max_size=25,
)


def _table(rows) -> pd.DataFrame:
    person, time, source, value, available = zip(*rows, strict=True) if rows else ([],) * 5
    return pd.DataFrame(
        {
            "person_id": pd.Series(person, dtype=object),
            "time": dates(*time),
            "source": pd.Series(source, dtype=object),
            "code_system": "lab",
            "code": "Hb",
            "value": pd.Series(value, dtype=float),
            "available_at": dates(*available),
        }
    )


@settings(max_examples=150)
@given(rows=_ROWS, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter_and_every_row_is_kept_or_counted(rows, shuffled):
    made = registers(None, _table(rows), tolerance=1.0)
    other_order = list(rows)
    shuffled.shuffle(other_order)
    again = registers(None, _table(other_order), tolerance=1.0)
    pd.testing.assert_frame_equal(made.events, again.events)
    counts = [table.findings.groupby(["column", "fault"])["n"].sum() for table in (made, again)]
    pd.testing.assert_series_equal(*counts)
    unusable = [
        person == "nobody" or source is None or time in ("1900-01-01", "2999-12-31", None)
        for person, time, source, *_ in rows
    ]
    usable = [row for row, bad in zip(rows, unusable, strict=True) if not bad]
    assert len(made.events) == len({row[:4] for row in usable})
    assert n_of(made, "exact duplicate") == len(usable) - len(made.events)
    account = made.account.set_index("table").loc["events"]
    assert account["delivered"] == len(rows) == account["unchanged"] + account["repaired"] + account["set_aside"]
    assert account["unchanged"] + account["repaired"] == len(made.events)


@settings(max_examples=100)
@given(rows=_ROWS)
def test_with_duplicates_kept_every_usable_row_is_there(rows):
    made = registers(None, _table(rows), tolerance=1.0, duplicates="keep")
    usable = [row for row in rows if row[0] != "nobody" and row[2] and row[1] in _TIMES[1:5]]
    assert len(made.events) == len(usable)
    assert made.events["value"].sum() == sum(row[3] or 0 for row in usable)


_STAYS = st.lists(
    st.tuples(
        st.sampled_from([MARKER, "nobody"]),
        st.sampled_from(["2021-03-10", "2021-04-01", "2999-12-31", None]),
        st.sampled_from(["2021-03-08", "2021-03-10", "2021-05-01", "2021-01-01", "2999-12-31", None]),
        st.sampled_from(["2021-03-12", "2999-12-31", None]),
    ),
    max_size=15,
)


@settings(max_examples=100)
@given(rows=_STAYS, shuffled=st.randoms(use_true_random=False))
def test_stays_are_kept_or_counted_in_any_order(rows, shuffled):
    def made(listed):
        columns = list(zip(*listed, strict=True)) if listed else [()] * 4
        person, start, end, available = columns
        table = {"person_id": pd.Series(person, dtype=object), "start": dates(*start), "end": dates(*end)}
        table |= {"source": "inpatient", "kind": "inpatient_planned", "available_at": dates(*available)}
        return registers(None, None, pd.DataFrame(table), tolerance=1.0)

    other_order = list(rows)
    shuffled.shuffle(other_order)
    one, two = made(rows), made(other_order)
    pd.testing.assert_frame_equal(one.stays, two.stays)
    n_unusable = sum(row[0] == "nobody" or row[1] in ("2999-12-31", None) for row in rows)
    assert len(one.stays) == len(rows) - n_unusable - n_of(one, "exact duplicate")
    assert (one.stays["end"].isna() | (one.stays["end"] >= one.stays["start"])).all()
    account = one.account.set_index("table").loc["stays"]
    assert account["delivered"] == len(rows)
    assert account["unchanged"] + account["repaired"] == len(one.stays)


# --- types in which tables come --------------------------------------------------------------------------------------


def _as_objects(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(object).where(table.notna(), None)


def _as_dates(table: pd.DataFrame) -> pd.DataFrame:
    table = table.copy()
    for name in ("time", "birth_date", "registered_from", "start", "end"):
        if name in table.columns:
            table[name] = pd.Series([value.date() for value in table[name]], dtype=object, index=table.index)
    return table


def _as_categories(table: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in table.columns if pd.api.types.is_string_dtype(table[name].dtype)]
    return table.astype(dict.fromkeys(texts, "category"))


def _as_strings(table: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in table.columns if pd.api.types.is_string_dtype(table[name].dtype)]
    return table.astype(dict.fromkeys(texts, "string"))


def _as_nanoseconds(table: pd.DataFrame) -> pd.DataFrame:
    times = [name for name in table.columns if pd.api.types.is_datetime64_dtype(table[name].dtype)]
    return table.astype(dict.fromkeys(times, "datetime64[ns]"))


def _as_seconds(table: pd.DataFrame) -> pd.DataFrame:
    times = [name for name in table.columns if pd.api.types.is_datetime64_dtype(table[name].dtype)]
    return table.astype(dict.fromkeys(times, "datetime64[s]"))


@pytest.mark.parametrize(
    "change",
    [_as_objects, _as_dates, _as_categories, _as_strings, _as_nanoseconds, _as_seconds],
    ids=lambda f: f.__name__,
)
def test_every_usual_type_gives_the_same_registers(change):
    plain = registers(None, None, stays())
    other = registers(change(persons()), change(events()), change(stays()))
    for table in ("persons", "events", "stays"):
        pd.testing.assert_frame_equal(getattr(plain, table), getattr(other, table))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint16", "Int64"])
def test_every_type_of_whole_numbers_will_do_for_ids(dtype):
    person_table = persons(person_id=pd.Series([7, 8], dtype=dtype))
    event_table = events().assign(person_id=pd.Series([7, 8] * (N_GOOD // 2), dtype=dtype))
    made = registers(person_table, event_table)
    assert made.persons["person_id"].tolist() == [7, 8]
    assert len(made.events) == N_GOOD


def test_the_tables_given_are_not_changed():
    tables = [persons(birth_date=dates("1900-01-01", None)), events(event(None)), stays("2021-03-10", "2021-03-08")]
    copies = [table.copy(deep=True) for table in tables]
    registers(*tables)
    for table, copied in zip(tables, copies, strict=True):
        pd.testing.assert_frame_equal(table, copied)


def test_a_derived_extract_date_in_the_future_is_refused():
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1940-01-01"]), "sex": ["female"]})
    times = pd.to_datetime(["2020-01-01", "2090-01-01"])
    events = pd.DataFrame({"person_id": 1, "time": times, "source": "a", "code_system": "x", "code": "y"})
    with pytest.raises(RegisterError, match=r"extract_date: the last date .* 2090-01-01, lies in the future"):
        Registers(persons, events)


def test_finnish_combination_codes_are_split_and_counted():
    persons = pd.DataFrame({"person_id": [1, 2], "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    events = pd.DataFrame(
        {
            "person_id": [1, 1, 2, 2, 2],
            "time": pd.to_datetime(["2020-01-02", "2020-01-01", "2020-01-03", "2020-01-04", "2020-01-04"]),
            "source": "inpatient",
            "code_system": "ICD-10",
            "code": ["F00.10*G30.1", "I10", "T88.7#C07AB02", "E10-E14", "E11.3+H36.09"],
        }
    )
    registers = Registers(persons, events, extract_date="2024-01-01")
    read = registers.events[["person_id", "code_system", "code"]].to_numpy().tolist()
    assert read == [
        [1, "ICD-10", "I10"],
        [1, "ICD-10", "F0010"],
        [1, "ICD-10", "G301"],
        [2, "ATC", "C07AB02"],
        [2, "ICD-10", "T887"],
        [2, "ICD-10", "E113"],
        [2, "ICD-10", "H3609"],
    ]
    findings = registers.findings.set_index("fault")
    assert findings.loc["combination of codes", ["n", "n_rows", "first_rows"]].tolist() == [3, 5, "0, 2, 4"]
    assert findings.loc["block of codes", ["n", "first_rows", "action"]].tolist() == [1, "3", "set aside"]


def test_an_atc_code_among_diagnoses_is_a_medicine_and_no_cancer():
    persons = pd.DataFrame({"person_id": [1], "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    events = pd.DataFrame({"person_id": [1, 1], "code_system": "ICD-10", "code": ["C10AX09", "I10"]})
    events = events.assign(time=pd.Timestamp("2023-05-01"), source="inpatient")
    registers = Registers(persons, events, extract_date="2024-01-01")
    assert registers.events[["code_system", "code"]].to_numpy().tolist() == [["ATC", "C10AX09"], ["ICD-10", "I10"]]
    finding = registers.findings.set_index("fault").loc["ATC code among diagnoses"]
    assert finding[["n", "n_rows", "first_rows", "action"]].tolist() == [1, 2, "0", "taken as a medicine"]


# --- versions, ages, late papers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "values", "kept"),
    [
        ([1, 2], [5.0, 6.0], [6.0]),
        ([2, 1], [5.0, 6.0], [5.0]),
        ([None, 1], [5.0, 6.0], [6.0]),
        ([2, 2], [5.0, 6.0], [5.0, 6.0]),
        ([3, 3], [5.0, 5.0], [5.0]),
    ],
    ids=["later", "delivered first", "without a version", "the same version", "the same row"],
)
def test_of_several_versions_the_latest_counts(versions, values, kept):
    both = [event(value=[value], version=[version]) for version, value in zip(versions, values, strict=True)]
    made = registers(None, events(pd.concat(both, ignore_index=True)).astype({"version": float}))
    assert sorted(made.events["value"].dropna()) == kept
    assert n_of(made, "superseded by a later version") == len(set(versions)) - 1


@pytest.mark.parametrize(
    ("born", "died", "known"),
    [("1912-12-31", None, False), ("1913-01-02", None, True), ("1902-01-01", "2010-01-01", True)],
    ids=["111 at the extract", "110 at the extract", "died at 108"],
)
def test_an_age_over_110_is_no_age(born, died, known):
    table = persons(birth_date=dates(born, "1938-01-31"), death_date=dates(died, None))
    made = registers(table, events()[1::2])
    assert made.persons["birth_date"].notna().tolist() == [known, True]
    assert n_of(made, "an age over 110 years") == (not known)


@pytest.mark.parametrize(("day", "conflict"), [("2021-06-29", 0), ("2021-07-15", 1)])
def test_rows_long_after_a_death_contradict_it_and_late_papers_do_not(day, conflict):
    in_life = events()[1::2]
    made = registers(persons(death_date=dates("2021-05-31", None)), pd.concat([in_life, event(day)]))
    assert n_of(made, "more than 30 days after death_date") == conflict
    assert n_of(made, "after death_date") == 1


def test_the_account_adds_up_even_where_one_row_has_several_faults():
    bad = [event("2999-12-31", person="nobody"), event("2024-05-05", person="nobody"), event(value=[np.inf])]
    made = registers(None, events(pd.concat(bad, ignore_index=True)), tolerance=0.1)
    account = made.account.set_index("table")
    assert account.loc["events"].tolist() == [N_GOOD + 3, N_GOOD, 1, 2]
    assert account.loc["persons"].tolist() == [2, 2, 0, 0]


def test_a_column_may_lose_five_times_as_much_as_a_table():
    """1 % of rows, 5 % of a column: the column of a file, whose values become missing."""
    tolerated = Findings(0.01)
    bad = np.arange(100) < 4
    tolerated.add("events.csv", "value", "not numbers", bad, "taken as missing", limited=True)
    assert tolerated.errors == []
    tolerated.add("events.csv", "value", "not numbers", np.arange(100) < 6, "taken as missing", limited=True)
    tolerated.add("events", "time", "missing", bad, "set aside", limited=True)
    assert ["at most 5%" in error for error in tolerated.errors] == [True, False]
    assert "at most 1%" in tolerated.errors[1]
