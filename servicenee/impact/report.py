"""Registers in; the county's set of indicators out: value, interval, target, trend, equity gap, definition, date."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from servicenee._checks import check_choice
from servicenee.exceptions import ServiceneeWarning
from servicenee.impact import figures as drawing
from servicenee.impact.access import care_guarantee, waiting_times
from servicenee.impact.comparison import Comparison, Z
from servicenee.impact.cost import are_examples, service_cost
from servicenee.impact.debt import service_debt
from servicenee.impact.equity import equity_gaps
from servicenee.impact.guarantee import primary_care
from servicenee.impact.indicators import indicator_definitions, indicator_rates, measure_indicators, rates_by
from servicenee.impact.mix import service_mix
from servicenee.impact.report_page import impact_page
from servicenee.impact.report_workbook import workbook_bytes
from servicenee.impact.residents import last_years
from servicenee.registers import Registers
from servicenee.texts import LANGUAGES

GUARANTEE_DAYS = 7
TARGET_INDICATOR = "met_within_7_days"
CURVE_DAYS = tuple(range(61))
_FILLING_MONTHS = 3  # until requests made before the first recorded one have left the queue
_DIMENSIONS = ("sex", "age_band", "language", "urban_rural", "living_alone", "income", "area")


@dataclass(frozen=True, eq=False)
class ImpactReport:
    """The indicators of a county, as `impact_report` makes them.

    Attributes
    ----------
    tables : dict of str to DataFrame
        "summary" (a row per indicator), "rates" (by period), "gaps", "mix", "cost", "definitions", and with requests
        "months", "areas", "curve" and "debt". Small numbers are hidden; nobody is in them.
    comparisons : tuple of Comparison
    extract_date : Timestamp
    has_example_costs : bool
        Whether costs rest on shipped example prices; page and workbook then say so wherever they show euros.
    """

    tables: dict[str, pd.DataFrame]
    comparisons: tuple[Comparison, ...]
    extract_date: pd.Timestamp
    has_example_costs: bool = False

    def figures(self, language: str = "en") -> dict:
        """Matplotlib figures by name, in one language."""
        check_choice("language", language, LANGUAGES)
        tables, drawn = self.tables, {}
        if "months" in tables:
            target = _target(tables["definitions"], TARGET_INDICATOR)
            drawn["guarantee"] = drawing.plot_guarantee(tables["months"], target=target, language=language)
            drawn["waiting"] = drawing.plot_waiting(tables["curve"], language=language)
        if "debt" in tables:
            drawn["debt"] = drawing.plot_debt(tables["debt"], language=language)
        drawn["mix"] = drawing.plot_mix(tables["mix"], language=language)
        drawn["trends"] = drawing.plot_trends(tables["rates"], tables["definitions"], language=language)
        return drawn

    def to_html(self, path: str | Path, *, language: str = "fi") -> Path:
        """Write one page that needs no network, for the screen and for paper.

        Parameters
        ----------
        path : str or Path
        language : {"fi", "sv", "en"}, default="fi"

        Returns
        -------
        Path
            The file.
        """
        check_choice("language", language, LANGUAGES)
        return _written(path, impact_page(self, language).encode("utf-8"))

    def to_excel(self, path: str | Path, *, language: str = "fi") -> Path:
        """Write a workbook with a sheet per table.

        Parameters
        ----------
        path : str or Path
            Ends in .xlsx.
        language : {"fi", "sv", "en"}, default="fi"

        Returns
        -------
        Path
            The file.
        """
        check_choice("language", language, LANGUAGES)
        if Path(path).suffix.lower() != ".xlsx":
            raise ValueError(f"`path` must end in .xlsx; got a name ending in {Path(path).suffix!r}.")
        return _written(path, workbook_bytes(self, language))

    def __repr__(self) -> str:
        return f"ImpactReport({len(self.tables['summary'])} indicators, extract_date={self.extract_date:%Y-%m-%d})"

    def _repr_html_(self) -> str:
        return f"<p><b>{self!r}</b></p>{self.tables['summary'].round(2).to_html(index=False)}"


def impact_report(
    registers: Registers,
    *,
    periods=None,
    definitions: pd.DataFrame | None = None,
    costs: pd.DataFrame | None = None,
    reference: tuple | None = None,
    comparisons: Sequence[Comparison] = (),
) -> ImpactReport:
    """Give the county's set of indicators: value, interval, target, trend, equity gap, definition, date of the data.

    Parameters
    ----------
    registers : Registers
        With requests, if access is to be measured.
    periods : list of (date, date), optional
        By default `last_years`. The last one is reported, the others show the trend.
    definitions : DataFrame, optional
        Rows as of `indicator_definitions`, with targets; by default these.
    costs : DataFrame, optional
        Unit costs; by default `unit_costs`, which are examples.
    reference : (date, date), optional
        Normal time of `service_debt`; by default twelve months from the fourth month with requests on.
    comparisons : sequence of Comparison, optional
        Results of `effect_of_lists` and its like, shown with the rest.

    Returns
    -------
    ImpactReport

    Notes
    -----
    A target counts as met only if the whole interval is on its good side. The trend is the last period minus the
    first, the two taken as independent; as they share many persons its interval is, if anything, too wide. The gap
    is the largest clear one of all groups in the last period (`equity_gaps`).

    Examples
    --------
    >>> from servicenee import make_registers
    >>> from servicenee.impact import impact_report
    >>> report = impact_report(make_registers(400, random_state=0), periods=[("2022-01-01", "2023-01-01")])
    >>> report
    ImpactReport(16 indicators, extract_date=2024-01-01)
    """
    definitions = indicator_definitions() if definitions is None else definitions
    periods = last_years(registers) if periods is None else list(periods)
    requests = registers.requests
    tables = {} if requests is None or not len(requests) else _access_tables(registers, reference)
    with warnings.catch_warnings():
        # What is set aside among the requests was told once, for all of them together.
        warnings.simplefilter("ignore", ServiceneeWarning)
        rates = indicator_rates(registers, definitions=definitions, periods=periods, costs=costs)
        latest = measure_indicators(registers, definitions=definitions, periods=periods[-1:], costs=costs)
        gaps = equity_gaps(lambda _, by: rates_by(latest, by), registers, by=_dimensions(registers))
        tables |= {
            "rates": rates,
            "gaps": gaps,
            "mix": service_mix(registers, periods=periods),
            "cost": service_cost(registers, periods=periods, costs=costs),
            "definitions": definitions,
        }
    tables["summary"] = _summary(rates, gaps, definitions, registers.extract_date)
    return ImpactReport(tables, tuple(comparisons), registers.extract_date, are_examples(costs))


def _access_tables(registers: Registers, reference: tuple | None) -> dict[str, pd.DataFrame]:
    requests, until = primary_care(registers.requests, registers)
    if not len(requests):
        return {}
    shared = {"extract_date": until, "persons": registers.persons}
    months = care_guarantee(requests, limit_days=GUARANTEE_DAYS, by="month", **shared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ServiceneeWarning)
        # Twelve months up to the newest request: where a feed has stopped, the report still tells of what there was.
        newest = min(until, requests["requested"].max() + pd.Timedelta(days=1))
        last_year = requests[requests["requested"] >= newest - pd.DateOffset(years=1)]
        made = {"months": months, "curve": waiting_times(last_year, days=CURVE_DAYS, **shared)}
        if "area" in registers.persons.columns:
            made["areas"] = care_guarantee(last_year, limit_days=GUARANTEE_DAYS, by="area", **shared)
        reference = _default_reference(months, until) if reference is None else reference
        if reference is not None:
            made["debt"] = service_debt(requests, reference=reference, **shared)
    return made


def _default_reference(months: pd.DataFrame, extract_date: pd.Timestamp) -> tuple | None:
    """Twelve months once the queue has filled; None where no later month is left to compare."""
    start = pd.Timestamp(months["month"].min()) + pd.DateOffset(months=_FILLING_MONTHS)
    end = start + pd.DateOffset(months=12)
    return (start, end) if end < extract_date else None


def _dimensions(registers: Registers) -> list[str]:
    return [name for name in _DIMENSIONS if name == "age_band" or name in registers.person_columns.extra]


def _target(definitions: pd.DataFrame, indicator: str) -> float | None:
    """Target of an indicator as a share; None without one."""
    found = definitions[(definitions["indicator"] == indicator) & definitions.get("target", np.nan).notna()]
    return float(found["target"].iloc[0]) / float(found["per"].iloc[0]) if len(found) else None


def _summary(rates: pd.DataFrame, gaps: pd.DataFrame, definitions: pd.DataFrame, extract_date) -> pd.DataFrame:
    """One row per indicator, in the order of the definitions."""
    last = rates["period"].max()
    rows = []
    for row in definitions.itertuples():
        one = rates[rates["indicator"] == row.indicator].sort_values("period")
        now = one[one["period"] == last]
        known = now.iloc[0] if len(now) else pd.Series(dtype=object)
        first = one[one["value"].notna() & (one["period"] != last)].head(1)
        target = float(row.target) if pd.notna(getattr(row, "target", None)) else np.nan
        value, lower, upper = (float(known.get(name, np.nan)) for name in ("value", "lower", "upper"))
        rows.append(
            {
                "indicator": row.indicator,
                "period": last,
                "n_persons": known.get("n_persons", np.nan),
                "value": value,
                "lower": lower,
                "upper": upper,
                "target": target,
                "target_met": _met(lower, upper, target, row.better),
                **_trend(known, first, row.better),
                **_largest_gap(gaps[gaps["indicator"] == row.indicator]),
                "note": known.get("note", ""),
                "extract_date": extract_date,
            }
        )
    return pd.DataFrame(rows)


def _met(lower: float, upper: float, target: float, better: str) -> str:
    if not np.isfinite([lower, upper, target]).all() or better not in ("higher", "lower"):
        return ""
    good, bad = (lower >= target, upper < target) if better == "higher" else (upper <= target, lower > target)
    return "met" if good else "not_met" if bad else "unsure"


def _trend(now: pd.Series, first: pd.DataFrame, better: str) -> dict:
    """Change from the first period to the last, and whether it is for the better."""
    if first.empty or not np.isfinite(float(now.get("value", np.nan))):
        nothing = dict.fromkeys(("change", "change_lower", "change_upper"), np.nan)
        return {"since": "", **nothing, "verdict": ""}
    change = float(now["value"] - first["value"].iloc[0])
    width = Z * float(np.hypot(now["error"], first["error"].iloc[0]))
    verdict = "unclear"
    if abs(change) > width:
        words = {"higher": ("better", "worse"), "lower": ("worse", "better")}.get(better, ("up", "down"))
        verdict = words[0] if change > 0 else words[1]
    return {
        "since": first["period"].iloc[0],
        "change": change,
        "change_lower": change - width,
        "change_upper": change + width,
        "verdict": verdict,
    }


def _largest_gap(gaps: pd.DataFrame) -> dict:
    # A gap by age is expected of almost everything and would hide the others.
    clear = gaps[gaps["clear"].astype(bool) & (gaps["dimension"] != "age_band")]
    names = {"dimension": "gap_dimension", "group": "gap_group", "reference": "gap_reference", "gap": "gap"}
    if clear.empty:
        return {"gap_dimension": "", "gap_group": "", "gap_reference": "", "gap": np.nan, **_no_bounds()}
    row = clear.loc[clear["gap"].abs().idxmax()]
    return {new: row[old] for old, new in names.items()} | {"gap_lower": row["lower"], "gap_upper": row["upper"]}


def _no_bounds() -> dict:
    return {"gap_lower": np.nan, "gap_upper": np.nan}


def _written(path: str | Path, content: bytes) -> Path:
    """Write beside the final name first and rename when complete."""
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)
    return path
