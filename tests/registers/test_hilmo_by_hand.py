"""A delivery typed by hand from the register descriptions, and the registers that must come out of it."""

import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from servicenee import Cohort, Outcome, Registers, read_hilmo
from servicenee.texts import LANGUAGES, text

DELIVERY = Path(__file__).parents[1] / "data" / "hilmo_by_hand"


@pytest.fixture(scope="module")
def registers() -> Registers:
    return read_hilmo(DELIVERY, extract_date="2024-01-01", tolerance=0.5)


def table(lines: str) -> list[tuple[str, ...]]:
    return [tuple(line.split()) for line in StringIO(lines) if line.strip() and not line.lstrip().startswith("#")]


def listed(frame: pd.DataFrame, *columns: str) -> list[tuple[str, ...]]:
    """Rows as text, in the order of the registers; dates without midnight, '-' where missing."""
    texts = pd.DataFrame()
    for name in columns:
        column = frame[name]
        if pd.api.types.is_datetime64_dtype(column.dtype):
            column = column.dt.strftime("%Y-%m-%dT%H:%M").str.removesuffix("T00:00")
        texts[name] = column.astype(object).where(column.notna(), "-").astype(str)
    return list(texts.itertuples(index=False, name=None))


def test_persons(registers):
    expected = table("""
        1001 1938-03-05 female fi    Kaskinen   -
        1002 1944-11-12 male   sv    Mustasaari -
        1003 1940-01-01 female other Vaasa      -
        # Valtimo (911) became a part of Nurmes on 1 January 2020
        1004 1950-01-01 male   fi    Nurmes     -
        # of the two years of 1005 the later one counts: 5 (005) is Alajärvi
        1005 1931-07-30 female fi    Alajärvi   2022-05-15
    """)
    assert listed(registers.persons, "person_id", "birth_date", "sex", "language", "area", "death_date") == expected


def test_stays(registers):
    expected = table("""
        # K is urgent until 2014; 1 is an emergency in 2015-2018
        1001 2014-03-03 2014-03-09 inpatient            inpatient_unplanned
        1001 2018-12-20 2018-12-31 inpatient            inpatient_unplanned
        # begun in 2018, reported in 2019: R80 and 3
        1001 2018-12-28 2019-01-05 inpatient            inpatient_unplanned
        # decided for 25 November, begun on 1 December; the last visit was on 4 December, at a distance
        1001 2020-12-01 2021-06-02 home_care            home_care
        # in the census of 2021, with a placeholder for the end, but not in those of 2022 and 2023
        1001 2021-03-01 2022-01-01 round_the_clock_care round_the_clock
        # 2: within one to seven days
        1002 2018-02-01 2018-02-04 inpatient            inpatient_planned
        1002 2020-02-10 2020-02-12 inpatient            inpatient_planned
        # 2019 on, no form of contact: a ward (1) is a stay all the same
        1002 2020-03-10 2020-03-11 inpatient            inpatient_planned
        # 38 as reported for 2023 is communal housing
        1002 2022-02-01 -          communal_housing     communal_housing
        # only the granted start is told; 180 days after the visit of 1 January; begun anew with that of 1 July
        1003 2019-12-15 2020-06-29 home_care            home_care
        1003 2020-07-01 2020-12-28 home_care            home_care
        # reason 37 is the carer's days off
        1004 2021-06-01 2021-06-14 round_the_clock_care interval_care
        1004 2021-11-01 -          inpatient            inpatient_unplanned
        # two days before its start: swapped
        1004 2021-11-18 2021-11-20 inpatient            inpatient_unplanned
        # two census rows and the final one are one stay
        1005 2019-05-01 2022-05-15 round_the_clock_care round_the_clock
    """)
    assert listed(registers.stays, "person_id", "start", "end", "source", "kind") == expected


def test_hospital_rows_become_known_at_discharge(registers):
    stays = registers.stays[registers.stays["source"] == "inpatient"].dropna(subset="end")
    assert (stays["available_at"] == stays["end"]).all()
    codes = registers.events[(registers.events["source"] == "inpatient") & (registers.events["code"] == "G301")]
    assert codes["time"].dt.date.astype(str).tolist() == ["2018-12-28"]
    assert codes["available_at"].dt.date.astype(str).tolist() == ["2019-01-05"]


def test_contacts(registers):
    contacts = registers.events[registers.events["code_system"].isin(["contact", "KAYNTI_YHTEYSTAPA"])]
    expected = table("""
        1001 2017-12-01T10:00 primary_care  remote
        1001 2020-09-08T09:00 primary_care  visit
        # in the home-care system and in AvoHilmo: counted once
        1001 2020-12-01T10:00 home_care     home_visit
        1001 2020-12-02T10:00 home_care     home_visit
        1001 2020-12-04T10:00 home_care     remote
        # service sector 91
        1002 2018-06-05       emergency     visit
        1002 2020-09-20T09:00 primary_care  remote
        # T73 at a distance is of substance-use services
        1002 2020-09-23T13:00 mental_health remote
        1003 2018-08-07       outpatient    visit
        1003 2020-01-01T10:00 home_care     home_visit
        1003 2020-07-01T10:00 home_care     home_visit
        1003 2020-09-04T08:05 oral_health   visit
        1003 2020-09-10T08:05 primary_care  visit
        # T71
        1003 2020-09-22T13:00 mental_health visit
        # R10 and 6
        1003 2021-01-02T23:40 emergency     visit
        1003 2021-02-05T09:00 outpatient    visit
        1003 2021-03-06T10:00 outpatient    remote
        # R52 did not exist in 2016
        1004 2016-10-14T12:00 other_contact R52
        1004 2020-09-04       primary_care  visit
        # hospital at home (T43) is no home care; 12 October at 24:00
        1004 2020-10-13       primary_care  home_visit
    """)
    assert listed(contacts, "person_id", "time", "source", "code") == expected


def test_codes(registers):
    systems = ["ICD-10", "ICPC-2", "SPAT", "NCSP", "service", "ATC", "Kela"]
    coded = registers.events[registers.events["code_system"].isin(systems)]
    expected = table("""
        1001 entitlement    Kela    205
        1001 inpatient      ICD-10  I501
        1001 inpatient      ICD-10  E119
        # F00.10*G30.1
        1001 inpatient      ICD-10  F0010
        1001 inpatient      ICD-10  G301
        1001 medication     ATC     C07AB02
        1001 medication     ATC     C09AA05
        1001 primary_care   ICD-10  I10
        1001 primary_care   ICPC-2  K86
        1001 primary_care   NCSP    XX1AA
        1001 primary_care   SPAT    SPAT1053
        1001 home_care      ICPC-2  -31
        1001 social         service home_care_plan
        1001 social         service support_service
        1002 medication     ATC     A12AX
        1002 mental_health  service substance_use
        1002 social         service etäryhmä
        1002 social         service informal_care
        1003 entitlement    Kela    307
        1003 mental_health  ICD-10  F321
        1003 mental_health  service mental_health
        1003 emergency      ICD-10  S720
        # from case handling and consultation (R60, R71): no contact and no service, but the diagnosis counts
        1004 mental_health  ICD-10  F102
        1004 primary_care   ICD-10  G301
        1004 outpatient     ICD-10  C61
        1005 cause_of_death ICD-10  I219
    """)
    assert listed(coded, "person_id", "source", "code_system", "code") == expected


def test_a_start_of_mental_health_services_comes_from_the_delivery(registers):
    """What the outcome for young adults reads; asked here of everybody, whatever the age."""
    frame = pd.DataFrame({"person_id": [1001, 1002, 1003, 1004], "index_date": pd.Timestamp("2020-09-01")})
    labels = Outcome("mental_health_start", horizon_days=182).label(Cohort.from_frame(registers, frame))
    assert labels["status"].tolist() == [0, 1, 1, 0]
    assert labels["time_days"].tolist()[1:3] == [22, 21]


def test_values(registers):
    valued = registers.events.dropna(subset="value")
    expected = table("""
        C07AB02     1.0   package
        C09AA05     2.0   package
        HbA1c       48.0  mmol/mol
        P-K         4.1   mmol/l
        BP_systolic 142.0 mmHg
        weight      61.5  kg
        # 27.5 minutes; then by the clock, as no minutes are given
        home_visit  0.458 h
        home_visit  0.75  h
        remote      0.15  h
        # ADLH 8 means that the activity did not occur: no value
        CHESS       1.0   interRAI-HC
        CPS         3.0   interRAI-HC
        IADLP       31.0  interRAI-HC
        MAPLE       4.0   interRAI-HC
        A12AX       1.5   package
        home_visit  0.5   h
        home_visit  0.5   h
    """)
    assert listed(valued.assign(value=valued["value"].round(3)), "code", "value", "unit") == expected


def test_requests(registers):
    expected = table("""
        1001 2020-09-01 primary_care non_urgent 2020-09-08 -          -
        # cancelled before the visit
        1002 2020-09-02 primary_care non_urgent -          2020-09-05 cancelled
        # met by the next visit that has no assessment of its own
        1002 2020-09-03 primary_care non_urgent 2020-09-20 -          -
        # assessed and treated at once
        1003 2020-09-04 oral_health  urgent     2020-09-04 -          -
        # still waiting; the visit of 10 September was for prevention, and so is no request either
        1003 2020-09-05 primary_care non_urgent -          -          -
        # assessed three days after its own visit
        1004 2020-09-04 primary_care non_urgent 2020-09-04 -          -
    """)
    columns = ("person_id", "requested", "service", "urgency", "met", "closed", "closed_reason")
    assert tuple(registers.requests.columns) == columns
    assert listed(registers.requests, *columns) == expected


def test_every_row_is_accounted_for(registers):
    account = registers.account
    assert (account["delivered"] == account[["unchanged", "repaired", "set_aside"]].sum(axis=1)).all()
    aside = account[account["set_aside"] > 0].set_index("table")["set_aside"].to_dict()
    assert aside == {
        "thl2019_1776_hilmo.csv": 1,  # PALA ZZ
        "THL2021_2196_HILMO_DIAG.csv": 4,  # no such row; of the row with ZZ; another person; no code
        "Kela_164_522_LAAKEOSTOT_2020.csv": 1,  # E0000UV
        "soshilmo_2019_2023.csv": 3,  # census rows
        "DVV_vaesto.csv": 1,  # an older year
        "events": 1,  # meals and a safety alarm on one day are one row of support services
    }


def test_no_finding_shows_a_person_or_a_value(registers):
    shown = registers.findings.to_csv() + registers.account.to_csv()
    assert not [person for person in range(1001, 1006) if str(person) in shown]
    assert "G301" not in shown
    assert "F00" not in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_has_a_name_in_all_languages(registers, language):
    for fault in registers.findings["fault"]:
        assert text("faults." + re.sub(r"[^a-z0-9]+", "_", fault.lower()).strip("_"), language)
