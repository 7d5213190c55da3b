"""Nobody is given away: an attacker who adds and subtracts whatever is published finds no number of 1 to 4 persons."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicenee import Registers
from servicenee.impact import (
    avoidable_admissions,
    care_guarantee,
    effect_of_lists,
    indicator_definitions,
    indicator_rates,
    service_cost,
    service_debt,
    service_mix,
    waiting_times,
)
from servicenee.impact.hiding import hidden_groups, shown_steps
from servicenee.impact.report import impact_report

YEAR = [("2023-01-01", "2024-01-01")]
AREAS = ("Halsua", "Kannus", "Veteli")
KINDS = {
    "home_care": "home_care",
    "round_the_clock": "round_the_clock_care",
    "inpatient_unplanned": "inpatient",
}
FATES = ("in_time", "late", "closed", "open")
TOTAL = "all areas"
few = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])


def random_county(seed: int) -> list[list[tuple[str, str]]]:
    """The service and the fate of the request of every person of three areas; most have neither, as in life."""
    random = np.random.default_rng(seed)
    services, fates = ("",) * random.integers(3, 9) + tuple(KINDS), ("in_time",) * random.integers(2, 12) + FATES
    return [
        [(str(random.choice(services)), str(random.choice(fates))) for _ in range(random.integers(4, 60))]
        for _ in AREAS
    ]


counties = st.integers(0, 10_000).map(random_county)


def registers_of(county) -> Registers:
    """Persons of one age and sex, so that standardised rates add up and the attacker need not guess."""
    people = [(area, *person) for area, persons in zip(AREAS, county, strict=True) for person in persons]
    table = pd.DataFrame(people, columns=["area", "kind", "fate"])
    table["person_id"] = [f"p{number:03d}" for number in range(len(table))]
    persons = table[["person_id", "area"]].assign(birth_date=pd.Timestamp("1940-06-15"), sex="female")
    served = table[table["kind"] != ""]
    stays = served[["person_id", "kind"]].assign(
        start=pd.Timestamp("2023-03-01"), end=pd.Timestamp("2023-03-11"), source=served["kind"].map(KINDS)
    )
    requested = pd.Timestamp("2023-05-01")
    met = table["fate"].map({"in_time": requested + pd.Timedelta(days=3), "late": requested + pd.Timedelta(days=20)})
    closed = table["fate"].map({"closed": requested + pd.Timedelta(days=9)})
    requests = table[["person_id"]].assign(requested=requested, met=met, closed=closed)
    for name in ("met", "closed"):
        requests[name] = requests[name].astype("datetime64[us]")
    events = pd.DataFrame({name: pd.Series(dtype=object) for name in ("person_id", "source", "code_system", "code")})
    events["time"] = pd.Series(dtype="datetime64[us]")
    return Registers(persons, events, stays, requests, extract_date="2024-06-01")


def small_and_found(true: dict, known: list[dict]) -> list:
    """Cells of 1 to 4 persons that follow from the known sums, each a dict of cell to coefficient."""
    cells = list(true)
    matrix = np.array([[sum_.get(cell, 0.0) for cell in cells] for sum_ in known]).reshape(len(known), len(cells))
    rank = np.linalg.matrix_rank(matrix)
    found = []
    for at, cell in enumerate(cells):
        if 1 <= true[cell] <= 4:
            with_it = np.vstack([matrix, np.eye(len(cells))[at]])
            if np.linalg.matrix_rank(with_it) == rank:
                found.append(cell)
    return found


def by_area_and_all(measure) -> pd.DataFrame:
    return pd.concat([measure(by="area"), measure(by=None).assign(area=TOTAL)], ignore_index=True)


def sums_of(table: pd.DataFrame, part_of: dict[str, str], areas) -> list[dict]:
    """What is read off a table of parts by area and for all: the cells whose value is shown, added over areas."""
    known = []
    for row in table[table["value"].notna() & table["indicator"].isin(list(part_of))].itertuples():
        within = areas if row.area == TOTAL else [row.area]
        known.append({(area, part_of[row.indicator]): 1.0 for area in within})
    return known


def persons_by(county, parts: dict[str, object]) -> dict:
    return {
        (area, part): sum(bool(belongs(person)) for person in persons)
        for area, persons in zip(AREAS, county, strict=True)
        for part, belongs in parts.items()
    }


@few
@given(county=counties)
def test_levels_of_service_cannot_be_worked_out_from_each_other(county):
    registers = registers_of(county)
    mix = by_area_and_all(lambda by: service_mix(registers, periods=YEAR, by=by))
    of = {"hospital": "inpatient_unplanned", "round_the_clock": "round_the_clock", "light_home_care": "home_care"}
    parts = {level: (lambda person, kind=kind: person[0] == kind) for level, kind in of.items()}
    true = persons_by(county, parts | {"none": lambda person: True})
    known = sums_of(mix, {f"level.{part}": part for part in (*of, "none")}, AREAS)
    known += [{(area, part): 1.0 for part in (*of, "none")} for area in AREAS]  # all days are known
    assert small_and_found(true, known) == []


@few
@given(county=counties)
def test_costs_of_levels_cannot_be_worked_out_from_the_total(county):
    registers = registers_of(county)
    cost = by_area_and_all(lambda by: service_cost(registers, periods=YEAR, by=by))
    levels = {"hospital": "inpatient_unplanned", "round_the_clock": "round_the_clock"}
    parts = {level: (lambda person, kind=kind: person[0] == kind) for level, kind in levels.items()}
    true = persons_by(county, parts)
    known = sums_of(
        cost, {f"{family}.{level}": level for family in ("cost", "cost_per_served") for level in levels}, AREAS
    )
    for row in cost[cost["value"].notna() & cost["indicator"].isin(["cost.all", "cost_per_served.all"])].itertuples():
        within = AREAS if row.area == TOTAL else [row.area]
        known.append({(area, level): 1.0 for area in within for level in levels})
    assert small_and_found(true, known) == []
    served = cost[cost["indicator"].str.startswith("cost_per_served")]["n_persons"]
    assert not served.between(1, 4).any()


@few
@given(county=counties)
def test_a_share_does_not_tell_of_those_who_are_not_in_it(county):
    """Living at home and living in round-the-clock care are two sides of one count."""
    registers = registers_of([[(kind, fate) for kind, fate in persons] for persons in county])
    ends = registers.stays.assign(end=pd.NaT)
    registers = Registers(registers.persons, registers.events, ends, extract_date="2024-06-01")
    definitions = indicator_definitions().query("measure.isin(['free_share', 'point_share'])")
    rates = by_area_and_all(lambda by: indicator_rates(registers, definitions=definitions, periods=YEAR, by=by))
    true = persons_by(
        county,
        {
            "inside": lambda person: person[0] == "round_the_clock",
            "outside": lambda person: person[0] != "round_the_clock",
        },
    )
    known = sums_of(rates, {"living_at_home_75": "outside", "round_the_clock_coverage_75": "inside"}, AREAS)
    for row in rates[rates["n_persons"].notna()].itertuples():
        within = AREAS if row.area == TOTAL else [row.area]
        known.append({(area, side): 1.0 for area in within for side in ("inside", "outside")})
    assert small_and_found(true, known) == []


@few
@given(county=counties)
def test_shares_of_requests_beside_their_number_tell_of_nobody(county):
    registers = registers_of(county)
    tables = by_area_and_all(
        lambda by: care_guarantee(
            registers.requests, limit_days=7, extract_date="2024-06-01", by=by, persons=registers.persons
        )
    )
    true = persons_by(county, {fate: (lambda person, fate=fate: person[1] == fate) for fate in FATES})
    known = []
    for row in tables.itertuples():
        within = AREAS if row.area == TOTAL else [row.area]
        shown = {"n": FATES, "share": ("in_time",), "closed_unmet_share": ("closed",), "open_share": ("open",)}
        known += [
            {(area, fate): 1.0 for area in within for fate in fates}
            for name, fates in shown.items()
            if np.isfinite(getattr(row, name))
        ]
        if np.isfinite(row.realised_visits_share):
            of_met = {"in_time": 1 - row.realised_visits_share, "late": -row.realised_visits_share}
            known.append({(area, fate): value for area in within for fate, value in of_met.items()})
        if np.isfinite(row.at_risk):
            known.append({(area, fate): 1.0 for area in within for fate in ("late", "closed", "open")})
    assert small_and_found(true, known) == []


@few
@given(county=counties)
def test_a_running_share_does_not_tell_of_single_days(county):
    registers = registers_of(county)
    options = {"extract_date": "2024-06-01", "days": range(31), "by": "area", "persons": registers.persons}
    table = waiting_times(registers.requests, **options)
    for name in ("share", "closed_unmet_share"):
        for _, shown in table[table[name].notna()].groupby("area"):
            steps = np.rint(np.diff(shown[name] * shown["n"], prepend=0)).astype(int)
            assert not [step for step in steps if 1 <= step <= 4]
    both = table[["share", "closed_unmet_share"]].notna().all(axis=1)
    assert table.loc[~both, "waiting_share"].isna().all()


@few
@given(flows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), min_size=13, max_size=20))
def test_queues_do_not_tell_what_was_asked_met_or_closed_between_them(flows):
    """Months of (asked, met at once, closed at once); the queue grows by what is asked and left."""
    rows, months = [], pd.date_range("2022-01-01", periods=len(flows), freq="MS")
    for month, (waiting, met, closed) in zip(months, flows, strict=True):
        rows += [(month, pd.NaT, pd.NaT)] * waiting + [(month, month, pd.NaT)] * met + [(month, pd.NaT, month)] * closed
    requests = pd.DataFrame(rows or [(months[0], pd.NaT, pd.NaT)], columns=["requested", "met", "closed"])
    requests = requests.assign(person_id=range(len(requests)))
    if requests["requested"].min() != months[0]:
        return
    until = months[-1] + pd.DateOffset(months=1)
    table = service_debt(requests, reference=("2022-01-01", "2023-01-01"), extract_date=until)
    seen = table.pivot(index="month", columns="measure", values="observed")
    asked = np.array([sum(flow) for flow in flows])
    true, known = {}, []
    for at, (_, met, closed) in enumerate(flows):
        true |= {(at, "asked"): asked[at], (at, "met"): met, (at, "closed"): closed}
        row = seen.iloc[at]
        known += [{(at, "asked"): 1.0}] if np.isfinite(row["requests"]) else []
        known += [{(at, "met"): 1.0}] if np.isfinite(row["met"]) else []
        if np.isfinite(row["queue"]):
            known.append(
                {
                    (then, name): 1.0 if name == "asked" else -1.0
                    for then in range(at + 1)
                    for name in ("asked", "met", "closed")
                }
            )
    assert small_and_found(true, known) == []


def test_crossed_groups_are_guarded_by_row_and_by_column():
    groups = pd.DataFrame({"area": ["A", "A", "B", "B", "C", "C"], "sex": ["f", "m"] * 3, "period": ["2023"] * 6})
    hidden = hidden_groups(groups, np.array([3, 20, 30, 40, 50, 60]))
    table = hidden.reshape(3, 2)
    assert table[0].all()
    assert (table.sum(axis=0) != 1).all()
    assert (table.sum(axis=1) != 1).all()


@pytest.mark.parametrize(
    ("added", "shown"),
    [
        ([[9], [0], [2], [1], [3]], [True, True, False, False, True]),
        ([[9, 0], [6, 2], [7, 4]], [True, False, True]),
        ([[0], [4]], [True, False]),
    ],
)
def test_a_running_total_is_shown_where_enough_were_added(added, shown):
    assert shown_steps(np.array(added)).tolist() == shown


def test_groups_of_avoidable_admissions_do_not_leave_one_to_work_out(registers_of_chains):
    table = avoidable_admissions(registers_of_chains, periods=YEAR).set_index("indicator")["value"]
    assert np.isfinite(table["avoidable.all"])
    assert table.isna().sum() >= 2


@pytest.fixture
def registers_of_chains():
    """Twenty persons with an admission for heart failure, and three for pneumonia."""
    ids = [f"p{number:02d}" for number in range(40)]
    persons = pd.DataFrame({"person_id": ids, "birth_date": pd.Timestamp("1940-06-15"), "sex": "female"})
    ill = pd.DataFrame({"person_id": ids[:23], "code": ["I500"] * 20 + ["J13"] * 3})
    times = {"time": pd.Timestamp("2023-03-01"), "source": "inpatient", "code_system": "ICD-10"}
    stays = ill[["person_id"]].assign(
        start=pd.Timestamp("2023-03-01"), end=pd.Timestamp("2023-03-08"), source="inpatient", kind="inpatient_unplanned"
    )
    return Registers(persons, ill.assign(**times), stays, extract_date="2024-06-01")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_small_stands_in_any_table_of_the_report(seed):
    report = impact_report(registers_of(random_county(seed)), periods=YEAR)
    for name in ("rates", "gaps", "mix", "cost", "areas", "months"):
        for column in ("n_persons", "n", "at_risk"):
            if column in report.tables.get(name, pd.DataFrame()):
                assert not report.tables[name][column].between(1, 4).any(), (name, column)


def test_a_description_does_not_tell_of_a_handful_with_any_use():
    ids = [f"p{number:03d}" for number in range(60)]
    persons = pd.DataFrame({"person_id": ids, "birth_date": pd.Timestamp("1940-01-01"), "sex": "female"})
    events = pd.DataFrame({"person_id": ids[:3], "time": pd.Timestamp("2022-05-01"), "source": "emergency"})
    events = events.assign(code_system="contact", code="visit")
    registers = Registers(persons, events, extract_date="2024-06-01")
    scores = persons[["person_id"]].assign(index_date=pd.Timestamp("2023-01-01"), risk=0.2)
    record = scores.head(30).assign(team="all", role="listed")
    found = effect_of_lists(record, scores, registers, outcome="emergency_visit", design="before_after")
    assert found.tables["before_after"]["before"].isna().iloc[0]
