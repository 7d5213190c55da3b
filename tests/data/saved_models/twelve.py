"""Registers of twelve made-up persons, no two alike: what the saved models of this folder are asked about."""

import pandas as pd

from servicenee import Registers


def twelve_persons() -> Registers:
    """Aged 76 to 98, with no to eleven visits to the emergency department in the last year, most of them long ago."""
    persons = pd.DataFrame(
        {
            "person_id": [f"made-up {n:02}" for n in range(12)],
            "birth_date": pd.to_datetime([f"{1924 + 2 * n}-06-15" for n in range(12)]),
            "sex": ["female", "male", "female"] * 4,
        }
    )
    visits = [
        (f"made-up {n:02}", pd.Timestamp("2022-12-20") - pd.Timedelta(days=29 * k)) for n in range(12) for k in range(n)
    ]
    events = pd.DataFrame(visits, columns=["person_id", "time"])
    events = events.assign(source="emergency", code_system="contact", code="visit")
    coverage = pd.DataFrame(
        {"source": ["emergency"], "from": pd.to_datetime(["2018-01-01"]), "to": pd.NaT, "reporting_lag_days": [7]}
    )
    return Registers(persons, events, coverage=coverage, extract_date="2023-01-01")
