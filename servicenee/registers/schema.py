"""Which columns each register table has and what they hold; the one place that names them."""

from dataclasses import dataclass

TEXT, NUMBER, DATE, IDENTITY = "text", "number", "date", "identity"
ZONE = "Europe/Helsinki"  # a time with a zone is converted to local time, once, where it is read


@dataclass(frozen=True)
class Column:
    """A column of a register table: what it holds and whether the table needs it."""

    holds: str
    required: bool = False


TABLES: dict[str, dict[str, Column]] = {
    "persons": {
        "person_id": Column(IDENTITY, True),
        "birth_date": Column(DATE, True),
        "sex": Column(TEXT, True),
        "language": Column(TEXT),
        "area": Column(TEXT),
        "registered_from": Column(DATE),
        "registered_to": Column(DATE),
        "death_date": Column(DATE),
    },
    "events": {
        "person_id": Column(IDENTITY, True),
        "time": Column(DATE, True),
        "source": Column(TEXT, True),
        "code_system": Column(TEXT, True),
        "code": Column(TEXT, True),
        "value": Column(NUMBER),
        "unit": Column(TEXT),
        "available_at": Column(DATE),
        "version": Column(NUMBER),
    },
    "stays": {
        "person_id": Column(IDENTITY, True),
        "start": Column(DATE, True),
        "end": Column(DATE, True),
        "source": Column(TEXT, True),
        "kind": Column(TEXT, True),
        "unit": Column(TEXT),
        "available_at": Column(DATE),
    },
    "requests": {
        "person_id": Column(IDENTITY, True),
        "requested": Column(DATE, True),
        "service": Column(TEXT),
        "urgency": Column(TEXT),
        "met": Column(DATE),
        "closed": Column(DATE),
        "closed_reason": Column(TEXT),
    },
    "coverage": {
        "source": Column(TEXT, True),
        "from": Column(DATE),
        "to": Column(DATE),
        "reporting_lag_days": Column(NUMBER),
        "priority": Column(NUMBER),
    },
}
