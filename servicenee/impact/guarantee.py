"""Person-periods and requests in; the care guarantee as an indicator by period and group out."""

import numpy as np
import pandas as pd

from servicenee.impact.access import care_guarantee
from servicenee.impact.comparison import Z
from servicenee.impact.residents import RATE_COLUMNS, Residents, period_label
from servicenee.registers import Registers
from servicenee.registers.reading import read_dates, to_days
from servicenee.registers.tables import FAR_PAST

SOURCE = "primary_care"


def guarantee_rates(rows: Residents, requests: pd.DataFrame, *, limit_days: int) -> pd.DataFrame:
    """Share met within the limit, and share still open at the extract, of the period's primary-care requests."""
    requests, until = primary_care(requests, rows.registers)
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
            extract_date=until,
            by=names or None,
            persons=persons,
        ).assign(period=period_label((begins, ends)))
        tables += [_met(made, limit_days), _open(made)]
    columns = [*rows.groups.columns, *RATE_COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _met(made: pd.DataFrame, limit_days: int) -> pd.DataFrame:
    # The interval is symmetric on the logit scale; its half width serves comparisons between groups.
    error = (made["upper"] - made["lower"]) / (2 * Z)
    return made.assign(indicator=f"met_within_{limit_days}_days", value=made["share"], error=error, per=1.0)


def _open(made: pd.DataFrame) -> pd.DataFrame:
    share = made["open_share"]
    error = np.sqrt(share * (1 - share) / made["n"])
    return made.assign(
        indicator="still_waiting",
        value=share,
        error=error,
        lower=(share - Z * error).clip(lower=0),
        upper=(share + Z * error).clip(upper=1),
        per=1.0,
    )


def primary_care(requests: pd.DataFrame, registers: Registers) -> tuple[pd.DataFrame, pd.Timestamp]:
    """Non-urgent requests to primary care, and the day until which contacts have been reported completely.

    A table that names no service, or no urgency, is about nothing else. A contact not yet reported is not one that
    did not happen: requests are followed to the extract date minus the reporting lag of primary care.
    """
    coverage = registers.coverage_columns
    lag = int(coverage.lag_days[coverage.source.index(SOURCE)]) if SOURCE in coverage.source else 0
    until = registers.extract_date - pd.Timedelta(days=lag)
    kept = pd.Series(True, index=requests.index)
    if "service" in requests.columns:
        kept &= requests["service"].isna() | requests["service"].eq(SOURCE)
    if "urgency" in requests.columns:
        kept &= requests["urgency"].isna() | requests["urgency"].ne("urgent")
    late = to_days(read_dates(requests, "requested"), FAR_PAST) >= registers.extract_day - lag
    return requests[kept & ~late], until
