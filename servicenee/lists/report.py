"""How a list came about: what its cover says beside the persons and the choices."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True, eq=False)
class Report:
    """Facts on the making of a list, without a person.

    `exclusions` gives the label of each exclusion by language; `unchecked` names those that could not be checked
    without joining sectors; `returned` counts what came back from earlier lists; `windows` gives the exclusions that
    last for some days, with their days; `is_confirmed` tells whether the county has handed over its own rules for them.
    """

    outcomes: dict[str, str]
    exclusions: dict[str, dict[str, str]]
    unchecked: tuple[str, ...] = ()
    segments: dict[str, dict] = field(default_factory=dict)
    hides_as_shipped: bool = True
    sources: tuple[str, ...] = ()
    previous_date: pd.Timestamp = pd.NaT
    returned: dict[str, int] | None = None
    windows: tuple[tuple[str, int], ...] = ()
    is_confirmed: bool = False
