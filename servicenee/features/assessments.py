"""Builder on assessments (RAI): the latest valid value of every scale, how old it is and how it has changed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from servicenee._checks import check_choice
from servicenee.codes import as_codelist
from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Group, Records, event_groups, measured, windows
from servicenee.features.builders import Builder
from servicenee.features.rules import as_rules
from servicenee.registers import Registers
from servicenee.registers.tables import EventColumns
from servicenee.windows import Measure, change_since_previous, chosen_events, kept_events, measure_events

# Column asked for -> (statistic of the kernel, word in names and labels); a change is worked out from two values.
_COLUMNS = {
    "value": ("last", "assessed"),
    "age": ("since_last", "assessment_age"),
    "change": ("last", "assessment_change"),
    "missing": ("any", "not_assessed"),
}


class Assessments(Builder):
    """Latest valid value of every scale, its age, its change since the previous one, and whether there is none.

    Parameters
    ----------
    codes : Codelist, str or list of str, default="rai_scales"
        Scales, one group each.
    source : str or list of str, optional
        Sources that count; by default all.
    ranges : "rai_ranges", DataFrame or list of dict, default="rai_ranges"
        Values that a scale can take: codes, low and high (both included), instrument (compared with the unit of the
        events; a row without one is for all other instruments). `load_rules("rai_ranges")` gives the shipped table.
    columns : list of {"value", "age", "change", "missing"}, default all
        What to show of every scale.
    instruments : str or list of str, optional
        Instruments, as the unit of the events names them, that get columns of their own, such as
        ``["RAI-HC", "interRAI-HC"]``. By default a scale has one column, of whichever instrument came last.
    lookback_days : int, None or list of them, default=365
        How long an assessment is valid; older ones have expired.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    A value out of its range, such as 8 for "did not occur", counts as not recorded, never as 0. Values are taken as
    delivered: scales are not computed from items, whose algorithms belong to interRAI.

    value: NaN without a valid assessment, which is not 0: most people without RAI are no clients. age: days, at least
    1. change: the latest value minus the previous one under the same row of `ranges`, if that is no further back from
    the latest than an assessment is valid: an IADLP of RAI-HC (0-21) is not compared with one of interRAI-HC (0-48),
    nor with one of an unknown instrument. 0 means no change, NaN no two such assessments. Several values of one day
    count as their mean. missing: 1 if there is no valid assessment, 0 if there is one, NaN where a source does not
    cover the window.

    The value itself is that of whichever instrument came last. Where a county uses several, name them in `instruments`
    for IADLP, of which 15 of 21 and 15 of 48 would look the same.

    References
    ----------
    Ranges and cut-offs as published for the interRAI scales; the sources stand in the table.

    Examples
    --------
    Cognition (CPS) was 1 on 1 March 2023 and 3 on 2 October, function (ADLH) 2 and then 8, a code for "did not occur".
    Seen on 1 January 2024: CPS is 3, 91 days old, and has grown by 2; the valid ADLH is that of March.

    >>> import pandas as pd
    >>> from servicenee import Assessments, Cohort, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame({"person_id": "a", "source": "rai", "code_system": "RAI",
    ...     "time": pd.to_datetime(["2023-03-01", "2023-03-01", "2023-10-02", "2023-10-02"]),
    ...     "code": ["CPS", "ADLH", "CPS", "ADLH"], "value": [1.0, 2.0, 3.0, 8.0]})
    >>> registers = Registers(persons, events, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> X = Assessments(["RAI:CPS"], source="rai").fit_transform(cohort)
    >>> X.iloc[0].tolist()
    [3.0, 91.0, 2.0, 0.0]
    >>> Assessments(source="rai", columns=["value", "age"]).fit_transform(cohort).filter(like="_ADLH").iloc[0].to_dict()
    {'assessed_ADLH_365d': 2.0, 'assessment_age_ADLH_365d': 306.0}

    IADL by instrument: 15 of 21 in RAI-HC on 1 March, 15 of 48 in interRAI-HC on 2 October.

    >>> iadl = events[events["code"] == "CPS"].assign(code="IADLP", value=15.0, unit=["RAI-HC", "interRAI-HC"])
    >>> registers = Registers(persons, iadl, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> builder = Assessments("RAI:IADLP", columns=["value", "age"], instruments=["RAI-HC", "interRAI-HC"])
    >>> builder.fit_transform(cohort).iloc[0].tolist()
    [15.0, 15.0, 306.0, 91.0]
    """

    def __init__(
        self,
        codes="rai_scales",
        *,
        source=None,
        ranges="rai_ranges",
        columns=("value", "age", "change", "missing"),
        instruments=None,
        lookback_days=365,
        skip_days=0,
    ):
        self.codes = codes
        self.source = source
        self.ranges = ranges
        self.columns = columns
        self.instruments = instruments
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        columns = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        for name in columns:
            check_choice("columns", name, _COLUMNS)
        groups = event_groups(registers, None, self.source, as_codelist(self.codes))
        if self.instruments is not None:
            groups = _by_instrument(groups, registers.event_columns.kinds, self.instruments)
        low, high, row = _ranges(registers.event_columns.kinds, as_rules("rai_ranges", self.ranges))
        made = {name: measured(groups, *_COLUMNS[name], over) for name in columns}
        found = measured(groups, *_COLUMNS["age"], over)
        features = tuple(feature for block in made.values() for feature in block.features)
        of_column = np.repeat([group.kinds for group in groups], len(over), axis=0)
        records = Records(np.tile(of_column, (len(made), 1)), low, high)
        compute = partial(_assessed, made=made, found=found, records=records, range_of_kind=row)
        return [Block(features, compute=compute, records=records)]


def _by_instrument(groups: list[Group], kinds: pd.DataFrame, instruments) -> list[Group]:
    """One group for every scale and instrument."""
    names = [instruments] if isinstance(instruments, str) else list(instruments)
    if not names or len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"`instruments` must name instruments, each once, such as 'interRAI-HC'; got {instruments!r}.")
    return [
        replace(
            group,
            name=f"{group.name}_{name}",
            kinds=group.kinds & (kinds["unit"] == name).to_numpy(),
            labels={language: f"{label}, {name}" for language, label in group.labels.items()},
        )
        for group in groups
        for name in names
    ]


def _ranges(kinds: pd.DataFrame, rows: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest and highest value of every kind, and the number of the row that says so.

    A range of a kind's instrument comes before a general one; kinds without any take every value.
    """
    low, high = np.full(len(kinds), -np.inf), np.full(len(kinds), np.inf)
    number = np.full(len(kinds), len(rows))
    for place, row in enumerate(sorted(rows, key=lambda row: row["instrument"] != "")):
        meant = as_codelist(row["codes"].split()).matches_kinds(kinds)
        if row["instrument"]:
            meant &= (kinds["unit"] == row["instrument"]).to_numpy()
        low[meant], high[meant], number[meant] = row["low"], row["high"], place
    return low, high, number


def _assessed(
    cohort: Cohort, *, made: dict[str, Block], found: Block, records: Records, range_of_kind: np.ndarray
) -> np.ndarray:
    registers, where = cohort.registers, (cohort.person, cohort.index_day)
    events = chosen_events(registers.event_columns, records.kinds.any(axis=0), cohort.person)
    events = kept_events(events, records.counting(events))
    n = len(found.features)
    out = np.empty((n * (len(made) + 1), len(cohort)), dtype=np.float32)
    asked = []
    for place, (column, block) in enumerate([*made.items(), ("age", found)]):
        for measure in block.measures:
            if column == "change":
                out[list(measure.columns(place * n))] = _changes(events, measure, range_of_kind, *where)
            else:
                asked.append((place * n, measure))
    measure_events(events, registers.coverage_columns, *where, asked, out)
    if "missing" in made:
        missing = out[list(made).index("missing") * n :][:n]
        # A valid assessment is there even where its source does not cover the whole window.
        missing[:] = np.where(np.isnan(out[-n:]), 1 - missing, 0)
    return out[: n * len(made)]


def _changes(
    events: EventColumns, measure: Measure, scale_of_kind: np.ndarray, person: np.ndarray, index_day: np.ndarray
) -> np.ndarray:
    where = (scale_of_kind, person, index_day)
    changes = [change_since_previous(events, measure.groups, *where, window) for window in measure.windows]
    return np.stack(changes, axis=1).reshape(len(measure.sources) * len(measure.windows), len(person))
