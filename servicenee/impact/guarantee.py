"""Person-periods and requests in; the care guarantee as an indicator by period and group out."""

import numpy as np
import pandas as pd

from servicenee.impact.access import care_guarantee
from servicenee.impact.residents import RATE_COLUMNS, Residents, period_label
from servicenee.registers.reading import read_dates, to_days
from servicenee.registers.tables import FAR_PAST

_Z = 1.959963984540054


def guarantee_rates(rows: Residents, requests: pd.DataFrame, *, limit_days: int) -> pd.DataFrame:
    """Share met within the limit, and share still open at the extract, of the period's primary-care requests."""
    requests = primary_care(requests)
    names = [name for name in rows.groups.columns if name != "period"]
    requested, persons = to_days(read_dates(requests, "requested"), FAR_PAST), rows.registers.persons
    tables = []
    for number, (begins, ends) in enumerate(rows.periods):
        ids = pd.Index(rows.registers.person_ids(np.unique(rows.person[rows.period == number])))
        within = requests[(requested >= begins) & (requested < ends) & requests["person_id"].isin(ids)]
        if not len(within):
            continue
        made = care_guarantee(
            within,
            limit_days=limit_days,
            extract_date=rows.registers.extract_date,
            by=names or None,
            persons=persons,
        ).assign(period=period_label((begins, ends)))
        tables += [_met(made, limit_days), _open(made)]
    columns = [*rows.groups.columns, *RATE_COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _met(made: pd.DataFrame, limit_days: int) -> pd.DataFrame:
    # The interval is symmetric on the logit scale; its half width serves comparisons between groups.
    error = (made["upper"] - made["lower"]) / (2 * _Z)
    return made.assign(
        indicator=f"met_within_{limit_days}_days", n_persons=made["n"], value=made["share"], error=error, per=1.0
    )


def _open(made: pd.DataFrame) -> pd.DataFrame:
    share = made["open_share"]
    error = np.sqrt(share * (1 - share) / made["n"])
    return made.assign(
        indicator="still_waiting",
        n_persons=made["n"],
        value=share,
        error=error,
        lower=(share - _Z * error).clip(lower=0),
        upper=(share + _Z * error).clip(upper=1),
        per=1.0,
    )


def primary_care(requests: pd.DataFrame) -> pd.DataFrame:
    """Requests to primary care; a table that names no service is about nothing else."""
    if "service" not in requests.columns:
        return requests
    return requests[requests["service"].isna() | requests["service"].eq("primary_care")]
