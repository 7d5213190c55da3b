"""Registers to the tables of a delivery, values still as dates, numbers and codes: `read_hilmo` backwards."""

import numpy as np
import pandas as pd

from servicenee.registers.core import Registers
from servicenee.registers.delivery import data_rows, with_role
from servicenee.registers.hilmo_people import within
from servicenee.registers.hilmo_rules import FIELDS, field_columns, rules_of
from servicenee.registers.municipalities import municipality_codes

_ALONE = {"medication": "ostot", "entitlement": "korvausoikeudet", "laboratory": "laboratorio"}
_CODED = {"hilmo": {"ICD-10": "hilmo_diag", "NCSP": "hilmo_toimp"}}
_CODED["avohilmo"] = {"ICD-10": "avohilmo_icd10", "ICPC-2": "avohilmo_icpc2", "SPAT": "avohilmo_toimenpide"}
_CODED["avohilmo"]["NCSP"] = "avohilmo_toimenpide"
_PERSON_COLUMNS = {"person_id", "birth_date", "sex", "language", "area", "registered_from", "registered_to"}
_PERSON_COLUMNS |= {"death_date", "team", "living_alone"}
_AT = ["person_id", "source", "time"]


def delivery_tables(registers: Registers) -> dict[str, pd.DataFrame]:
    """Tables by name, with the columns that are filled; a ValueError where a kind has no place in a delivery."""
    events, stays, last = registers.events, registers.stays, registers.extract_date - pd.Timedelta(days=1)
    tables = _persons(registers.persons, events[events["source"] == "cause_of_death"])
    events = events[events["source"] != "cause_of_death"]
    tables["hilmo"], tables["soshilmo"] = _stays(stays, last.year)
    decided = stays[(stays["source"] == "home_care") & (stays["kind"] == "home_care")]
    _refuse_kinds(events, stays)
    tables["paatokset"] = _decisions(decided, events[events["source"] == "social"])
    at_home = (events["source"] == "home_care") & (events["code_system"] == "contact") & (events["unit"] == "h")
    tables["kotihoito"] = _home_visits(events[at_home])
    tables["rai"] = _assessments(events[events["source"] == "rai"])
    for source, name in _ALONE.items():
        tables[name] = _alone(events[events["source"] == source], name)
    for name in ("hilmo", "avohilmo"):
        tables |= _contacts(tables.get(name), events[events["source"].isin(_sources(name)) & ~at_home], name)
    if registers.requests is not None:
        tables["avohilmo"] = _with_requests(tables["avohilmo"], registers.requests)
    tables["kattavuus"] = _coverage(registers)
    return {name: table for name, table in tables.items() if len(table)}


def _sources(table: str) -> list[str]:
    """Sources of contacts that a main table holds."""
    return sorted(
        {rule["source"] for rule in rules_of(table) if rule["target"] in ("event", "stay")} & set(_main_sources(table))
    )


def _main_sources(table: str) -> tuple[str, ...]:
    if table == "hilmo":
        return ("inpatient", "emergency", "outpatient")
    return ("primary_care", "home_care", "oral_health", "occupational_health", "mental_health")


def _refuse_kinds(events: pd.DataFrame, stays: pd.DataFrame) -> None:
    """An error that names the kinds that no table of a delivery can hold."""
    kinds = events[["source", "code_system", "code"]].drop_duplicates()
    bad = []
    for source, system, code in kinds.itertuples(index=False):
        table = next((name for name in ("hilmo", "avohilmo") if source in _main_sources(name)), None)
        if table is not None:
            held = system in _CODED[table] or (system == "contact" and _rules_for(table, "event", source, code))
            held = held or (system, source, code) == ("contact", "home_care", "home_visit")
            held = held or (system == "service" and (source, code) in _services_told(table))
        else:
            held = source in _ALONE or (source, system) in (("rai", "RAI"), ("social", "service"))
        if not held:
            bad.append(f"{source}, {system}{f', {code}' if system in ('contact', 'service') else ''}")
    for source, kind in stays[["source", "kind"]].drop_duplicates().itertuples(index=False):
        if (source, kind) != ("home_care", "home_care") and not _rules_for("soshilmo hilmo", "stay", source, kind):
            bad.append(f"stays of {source}, {kind}")
    if bad:
        listed = "; ".join(sorted(set(bad))[:10])
        raise ValueError(f"`registers` must hold what a delivery has a place for; it has none for {listed}.")


def _rules_for(tables: str, target: str, source: str, kind: str, service: str | None = None) -> list[dict[str, str]]:
    """Rules that make rows of this kind, in order; of a contact with this service, where one is given."""
    rules = [rule for table in tables.split() for rule in rules_of(table)]
    rules = [rule for rule in rules if (rule["target"], rule["source"], rule["kind"]) == (target, source, kind)]
    return [rule for rule in rules if service is None or rule["service"] == service]


def _services_told(table: str) -> set[tuple[str, str]]:
    """Source and code of the services that contacts of a main table tell of."""
    return {(rule["source"], rule["service"]) for rule in rules_of(table) if rule["service"]}


def _persons(persons: pd.DataFrame, causes: pd.DataFrame) -> dict[str, pd.DataFrame]:
    further = sorted(set(persons.columns) - _PERSON_COLUMNS)
    if further:
        raise ValueError(f"`registers` must hold what a delivery has a place for; persons has {', '.join(further)}.")
    code_of = {area: f"{int(code):03d}" for area, code in municipality_codes().items()}
    codes = data_rows("hilmo_codes")
    spelled = {}
    for field in ("sex", "language"):
        rows = codes[(codes["field"] == field) & (codes["code"] != "*")].drop_duplicates("value")
        spelled[field] = dict(zip(rows["value"], rows["code"], strict=True))
    table = {"TNRO": persons["person_id"], "SYNTYMAPVM": persons["birth_date"]}
    table["SUKUPUOLI"] = persons["sex"].map(lambda sex: spelled["sex"].get(sex, sex))
    optional = {"language": "AIDINKIELI", "area": "KOTIKUNTA", "team": "TIIMI"}
    for name, column in optional.items():
        if name in persons:
            mapping = code_of if name == "area" else spelled.get(name, {})
            table[column] = persons[name].map(lambda text, mapping=mapping: mapping.get(text, text), na_action="ignore")
    table["MUUTTOPVM_TULO"], table["MUUTTOPVM_LAHTO"] = persons["registered_from"], persons["registered_to"]
    if "living_alone" in persons:
        table["ASUNTOKUNNAN_KOKO"] = 2 - persons["living_alone"]
    dead = persons[persons["death_date"].notna()]
    deaths = pd.DataFrame({"TNRO": dead["person_id"], "KPV": dead["death_date"]})
    cause = causes.drop_duplicates("person_id").set_index("person_id")["code"]
    deaths["TPKS"] = deaths["TNRO"].map(cause)
    return {"vaesto": pd.DataFrame(table), "kuolemat": deaths.reset_index(drop=True)}


def _stays(stays: pd.DataFrame, last_year: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Stays as rows of Hilmo and of social Hilmo; open ones as census rows of the last year."""
    made = {}
    for name, chosen in (
        ("hilmo", stays["source"] == "inpatient"),
        ("soshilmo", ~stays["source"].isin(["inpatient", "home_care"])),
    ):
        rows = stays[chosen].reset_index(drop=True)
        table = pd.DataFrame({"TNRO": rows["person_id"], "TUPVA": rows["start"], "LPVM": rows["end"]})
        table["VUOSI"] = rows["end"].dt.year.fillna(last_year)
        table["ILAJI"] = np.where(rows["end"].isna(), "2", "1")
        reported = rows["end"].fillna(pd.Timestamp(last_year, 12, 31)).to_numpy()
        made[name] = _with_fields(table, name, "stay", rows[["source", "kind"]], reported)
    return made["hilmo"], made["soshilmo"]


def _with_fields(
    table: pd.DataFrame, name: str, target: str, kinds: pd.DataFrame, reported: np.ndarray
) -> pd.DataFrame:
    """The table with codes that the rules read as these sources and kinds on the days of reporting."""
    fields = {field_columns(name, field)[0]: np.full(len(table), "", dtype=object) for field in FIELDS}
    open_still = np.ones(len(table), dtype=bool)
    kinds = kinds.assign(service=kinds["service"] if "service" in kinds else "")
    for source, kind, service in kinds.drop_duplicates().itertuples(index=False):
        alike = (kinds == [source, kind, service]).all(axis=1).to_numpy()
        for rule in _rules_for(name, target, source, kind, service):
            rows = alike & open_still & within(reported, rule)
            for field in FIELDS:
                code = rule[field].split(" ")[0]
                fields[field_columns(name, field)[0]][rows] = "" if code == "-" else code
            open_still &= ~rows
    if open_still.any():
        raise ValueError(
            f"`registers` must hold what a delivery has a place for; {int(open_still.sum())} of {len(table)} rows of "
            f"{name} have a kind that no rule knows on their days."
        )
    known = {row["column"] for row in data_rows("hilmo_columns").to_dict("records") if row["table"] == name}
    return table.assign(**{column: values for column, values in fields.items() if column in known})


def _decisions(decided: pd.DataFrame, services: pd.DataFrame) -> pd.DataFrame:
    names = data_rows("hilmo_services").drop_duplicates("kind").set_index("kind")["service"]
    care = pd.DataFrame(
        {"TNRO": decided["person_id"], "PALVELU": names["home_care"], "TOTEUTUNUT_ALKU": decided["start"]}
    )
    care["TOTEUTUNUT_LOPPU"] = decided["end"]
    other = pd.DataFrame({"TNRO": services["person_id"], "TOTEUTUNUT_ALKU": services["time"]})
    other["PALVELU"] = services["code"].map(lambda code: names.get(code, code))
    table = pd.concat([care, other], ignore_index=True)
    return table.assign(PAATOSPVM=table["TOTEUTUNUT_ALKU"], ALKUPVM=table["TOTEUTUNUT_ALKU"])


def _home_visits(events: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame({"TNRO": events["person_id"], "KAYNTI_ALKOI": events["time"]})
    table["TOTEUTUNUT_MIN"] = events["value"] * 60
    return table.assign(KAYNTITAPA=np.where(events["code"] == "remote", "E", "L")).reset_index(drop=True)


def _assessments(events: pd.DataFrame) -> pd.DataFrame:
    """One row per assessment, its scales side by side."""
    columns = {row["role"].partition(":")[2]: name for name, row in with_role("rai", "scale").items()}
    events = events.assign(unit=events["unit"].fillna(""), column=events["code"].map(columns))
    again = events.groupby(["person_id", "time", "unit", "code"], sort=False).cumcount()
    wide = events.assign(again=again).pivot(
        index=["person_id", "time", "unit", "again"], columns="column", values="value"
    )
    wide = wide.reset_index().drop(columns="again")
    return wide.rename(columns={"person_id": "TNRO", "time": "ARVIOINTIPVM", "unit": "VALINE"})


def _alone(events: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table with one event per row."""
    person, time, code, value = {
        "ostot": ("HETU", "OSTOPV", "ATC", "PLKM"),
        "korvausoikeudet": ("HETU", "KORVAUSOIKEUS_ALPV", "KORVAUSOIKEUS_KOODI", ""),
        "laboratorio": ("TNRO", "TUTKIMUSAIKA", "TUTKIMUS", "TULOS"),
    }[name]
    table = pd.DataFrame({person: events["person_id"], time: events["time"], code: events["code"]})
    if value:
        table[value] = events["value"]
    if name == "laboratorio":
        rows = data_rows("hilmo_codes")
        own = rows[rows["field"] == "lab"].drop_duplicates("value").set_index("value")["code"]
        table = table.assign(YKSIKKO=events["unit"], TUTKIMUS=table[code].map(lambda text: own.get(text, text)))
    return table.reset_index(drop=True)


def _contacts(stays: pd.DataFrame | None, events: pd.DataFrame, name: str) -> dict[str, pd.DataFrame]:
    """A main table with its contacts, and its child tables with the codes given at them."""
    key = "HILMO_ID" if name == "hilmo" else "AVOHILMO_ID"
    contacts = _with_services(events[events["code_system"].isin(["contact", "service"])], name)
    coded = events[~events["code_system"].isin(["contact", "service"])]
    inpatient = coded["source"] == "inpatient"
    # Codes without a contact on their day come from case handling, which is no contact with the person.
    alone = coded.loc[~inpatient, _AT].drop_duplicates()
    alone = alone.merge(contacts[_AT].drop_duplicates(), how="left", on=_AT, indicator=True)
    alone = alone.loc[alone["_merge"] == "left_only", _AT]
    parts = [_contact_rows(contacts, name, "event"), _contact_rows(alone.assign(code="", service=""), name, "record")]
    if stays is not None:
        parts = [stays.assign(time=stays["TUPVA"], source="inpatient"), *parts]
    main = pd.concat(parts, ignore_index=True)
    main[key] = np.arange(1, len(main) + 1)
    at = main.drop_duplicates(["TNRO", "source", "time"]).rename(columns={"TNRO": "person_id"})[[*_AT, key]]
    linked = coded.merge(at, how="left", on=_AT)
    if linked[key].isna().any():
        raise ValueError(
            f"`registers` must hold what a delivery has a place for; {int(linked[key].isna().sum())} of {len(linked)} "
            "codes of the source inpatient have no stay that begins on their day."
        )
    children = {}
    for system, child in _CODED[name].items():
        rows = linked[linked["code_system"] == system]
        column = next(iter(with_role(child, "coded")))
        made = pd.DataFrame({key: rows[key].astype(np.int64), "TNRO": rows["person_id"], column: rows["code"]})
        children[child] = pd.concat([children[child], made]) if child in children else made
    keys = main[key].astype(str)
    return {name: main.drop(columns=["time", "source"]).assign(**{key: keys}), **children}


def _with_services(events: pd.DataFrame, name: str) -> pd.DataFrame:
    """Contacts, each with the service it tells of: as many rows as the contact has services, "" for none."""
    told = {source for source, _ in _services_told(name)}
    services = events.loc[events["code_system"] == "service", [*_AT, "code"]].rename(columns={"code": "service"})
    contacts = events[events["code_system"] == "contact"]
    with_one = contacts["source"].isin(told)
    both = contacts[with_one].merge(services, how="outer", on=_AT, indicator=True)
    n_alone = int((both["_merge"] != "both").sum())
    if n_alone:
        raise ValueError(
            f"`registers` must hold what a delivery has a place for; {n_alone} of {len(both)} contacts and services of "
            f"{', '.join(sorted(told))} come without the other at their time."
        )
    return pd.concat([contacts[~with_one].assign(service=""), both.drop(columns="_merge")], ignore_index=True)


def _contact_rows(rows: pd.DataFrame, name: str, target: str) -> pd.DataFrame:
    rows = rows.reset_index(drop=True)
    time = "TUPVA" if name == "hilmo" else "KAYNTI_ALKOI"
    table = pd.DataFrame({"TNRO": rows["person_id"], time: rows["time"]})
    if name == "hilmo":
        table = table.assign(LPVM=rows["time"], VUOSI=rows["time"].dt.year.astype(float), ILAJI="1")
    else:
        table = table.assign(KAYNTI_KAVIJARYHMA="1", KAYNTI_LUONNE="SH")
    kinds = pd.DataFrame({"source": rows["source"], "kind": rows["code"], "service": rows["service"]})
    table = _with_fields(table, name, target, kinds, rows["time"].to_numpy())
    return table.assign(time=rows["time"], source=rows["source"])


def _with_requests(main: pd.DataFrame, requests: pd.DataFrame) -> pd.DataFrame:
    """Assessments of need in the rows of the visits that met them; those not met in rows of their own."""
    codes = data_rows("hilmo_codes")
    valid = codes[codes["field"].isin(["urgency", "service"]) & (codes["code"] != "*")]
    services = valid[valid["field"] == "service"].drop_duplicates("value").set_index("value")["code"]
    # AvoHilmo has the services of primary care; queues of specialist care are in other deliveries.
    asked = requests[requests["service"].isna() | requests["service"].isin(services.index)].reset_index(drop=True)
    table = pd.DataFrame({"TNRO": asked["person_id"], "HOIDONTARVE_AJANKOHTA": asked["requested"], "met": asked["met"]})
    spelled = np.full(len(asked), "", dtype=object)
    for row in valid[valid["field"] == "urgency"].to_dict("records"):
        fits = (
            (asked["urgency"] == row["value"]).to_numpy() & within(asked["requested"].to_numpy(), row) & (spelled == "")
        )
        spelled[fits] = row["code"]
    table = table.assign(HTA_KIIREELLISYYS=spelled, AJANVARAUS_PALVELUMUOTO=asked["service"].map(services))
    table = table.assign(PERUUTUS_AJANKOHTA=asked["closed"], PERUUTUS_SYY=np.where(asked["closed"].notna(), "1", ""))
    visits = main[main["KAYNTI_PALVELUMUOTO"] == "T11"]
    order = ["TNRO", "day"]
    visits = visits.assign(day=visits["KAYNTI_ALKOI"].dt.normalize(), row=visits.index).drop_duplicates(order)
    linked = table.assign(day=table["met"]).merge(visits[[*order, "row"]], how="left", on=order)
    if (linked["met"].notna() & (linked["row"].isna() | linked["row"].duplicated())).any():
        raise ValueError("`registers` must hold a visit of primary care of its own for every request that was met.")
    met = linked[linked["row"].notna()].set_index("row")
    columns = ["HOIDONTARVE_AJANKOHTA", "HTA_KIIREELLISYYS"]
    main = main.join(met[columns])
    waiting = linked.loc[linked["row"].isna()].drop(columns=["met", "day", "row"])
    # A request still open was not for the person's later visits; to the reader, prevention meets no request.
    still_open = waiting[waiting["PERUUTUS_AJANKOHTA"].isna()].groupby("TNRO")["HOIDONTARVE_AJANKOHTA"].min()
    later = main["KAYNTI_ALKOI"].to_numpy() >= still_open.reindex(main["TNRO"]).to_numpy()
    main.loc[later & main["HOIDONTARVE_AJANKOHTA"].isna(), "KAYNTI_LUONNE"] = "TH"
    main = pd.concat([main, waiting], ignore_index=True)
    return main.assign(AVOHILMO_ID=np.arange(1, len(main) + 1).astype(str).astype(object))


def _coverage(registers: Registers) -> pd.DataFrame:
    coverage = registers.coverage
    table = pd.DataFrame({"LAHDE": coverage["source"], "ALKUPVM": coverage["from"], "LOPPUPVM": coverage["to"]})
    return table.assign(VIIVE_PV=coverage["reporting_lag_days"], POIMINTAPVM=registers.extract_date)
