"""The record of lists, the scores and registers in; what the lists changed, by the strongest design they allow, out."""

from dataclasses import replace

import numpy as np
import pandas as pd

from servicenee._checks import check_choice
from servicenee.cohort import Cohort
from servicenee.disclosure import MIN_CELL, is_small
from servicenee.evaluation import known_outcomes
from servicenee.features import FeatureSet, default_features
from servicenee.impact.comparison import Comparison
from servicenee.impact.designs import Rows, by_discontinuity, by_hold_out, by_matching
from servicenee.impact.home import days_at_home_after
from servicenee.outcomes import CENSORED, Outcome
from servicenee.registers import Registers
from servicenee.registers.tables import MINUTES_PER_DAY, TextColumn
from servicenee.texts import LANGUAGES
from servicenee.windows import rows_between

DESIGNS = ("auto", "hold_out", "discontinuity", "matched", "before_after")
DAYS_AT_HOME = "days_at_home"
_RECORD = ("person_id", "index_date", "team", "risk", "role")
_ROLES = ("listed", "held_out", "review")
_FEWEST_HELD_OUT = 20
_SAFE_RISK = 1e-6


def effect_of_lists(
    record: pd.DataFrame,
    scores: pd.DataFrame,
    registers: Registers,
    *,
    outcome: Outcome | str,
    design: str = "auto",
    features: FeatureSet | None = None,
) -> Comparison:
    """Give what lists changed in an outcome of the listed, against controls; without controls, a description.

    Parameters
    ----------
    record : DataFrame
        The record of lists: person_id, index_date, team, risk, role ("listed", "held_out": drawn not to be listed,
        "review": drawn for review only; the last are left out).
    scores : DataFrame
        Risks of everybody eligible: person_id, index_date (columns or index) and risk.
    registers : Registers
        Reaching far enough past the index dates for the outcome.
    outcome : Outcome, str or "days_at_home"
        What the lists were meant to change. Windows begin at the index date of the list.
    design : {"auto", "hold_out", "discontinuity", "matched", "before_after"}, default="auto"
        "auto" takes the first of the first two that the record allows.
    features : FeatureSet, optional
        What is matched on, as known on the index date; by default `default_features`. Used by "matched" only.

    Returns
    -------
    Comparison
        Difference of the outcome, listed minus controls: of shares for starts and events, of means for counts and
        days. Negative is fewer.

    Raises
    ------
    ValueError
        If columns are missing, listed persons have no score, the design lacks controls, fewer than 5 are described, or
        the registers do not reach back far enough to describe them.

    Notes
    -----
    *hold_out*: listed against those randomly held out, within list, adjusted for the risk. *discontinuity*: the jump
    where the list ends, per jump in being listed (local linear, triangular weights, the bandwidth of Imbens and
    Kalyanaraman shrunk for coverage, half and double of it beside); it holds for persons near the cut. *matched*:
    nearest propensity within 0.2 standard deviations on the same index date, then regression on what is least
    balanced. In both, the placebo "before_the_list" (the outcome's own count in the horizon before) must not differ,
    or the result is a description (`Comparison`). *before_after* has no controls: people chosen in a bad year improve
    anyway, which its table shows on people chosen by the same rule one horizon of the outcome earlier, when there was
    no list; the registers must reach two horizons back from the first list. Errors take the rows of one person
    together; censored rows are replaced by weights on the known ones (`known_outcomes`).

    References
    ----------
    Imbens G, Kalyanaraman K. Optimal bandwidth choice for the regression discontinuity estimator. Rev Econ Stud 2012;
    79:933-959. Calonico S, Cattaneo MD, Farrell MH. Optimal bandwidth choice for robust bias-corrected inference in
    regression discontinuity designs. Econometrics Journal 2020;23:192-210. Ho DE et al. Matching as nonparametric
    preprocessing. Political Analysis 2007;15:199-236.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import Outcome, Population, make_registers, true_risks
    >>> from servicenee.impact import effect_of_lists
    >>> registers = make_registers(1_500, random_state=0)
    >>> cohort = Population(65).at(registers, "2022-01-01")
    >>> scores = true_risks(cohort.index, "emergency_visit", random_state=0).rename("risk").reset_index()
    >>> record = scores.nlargest(150, "risk").assign(team="county", role="listed")
    >>> found = effect_of_lists(record, scores, registers, outcome=Outcome("emergency_visit"), design="before_after")
    >>> found.kind
    'description'
    """
    check_choice("design", design, DESIGNS)
    eligible = _eligible(record, scores, registers)
    cohort = Cohort.from_frame(registers, eligible[["person_id", "index_date"]])
    name, labels = _labels(outcome, cohort)
    if design == "auto":
        held_out = int((eligible["role"] == "held_out").sum())
        design = "hold_out" if held_out >= _FEWEST_HELD_OUT else "discontinuity"
    if design == "before_after":
        return _before_after(eligible, cohort, outcome, name, labels)
    kept, rows = _rows(eligible, cohort, outcome, name, labels)
    words = _outcome_labels(outcome)
    if design == "hold_out":
        return replace(by_hold_out(rows), labels=words)
    known = cohort[kept]
    placebo = prior_use(outcome, known, _horizon(outcome))
    if design == "discontinuity":
        return replace(by_discontinuity(rows, placebo), labels=words)
    builders = default_features(registers) if features is None else features
    X = builders.transform(known).reset_index(drop=True).assign(risk_logit=rows.logit)
    described = builders.describe(registers).set_index("feature")
    words |= {name: {spoken: row[f"label_{spoken}"] for spoken in LANGUAGES} for name, row in described.iterrows()}
    return replace(by_matching(rows, X, placebo), labels=words)


def _horizon(outcome: Outcome | str) -> int:
    return 365 if outcome == DAYS_AT_HOME else _outcome(outcome).horizon_days


def _outcome_labels(outcome: Outcome | str) -> dict[str, dict[str, str]]:
    """Name of the outcome for readers, where its definition has one."""
    if outcome == DAYS_AT_HOME:
        return {}
    definition = _outcome(outcome).definition
    return {definition.name: dict(definition.labels)}


def prior_use(outcome: Outcome | str, cohort: Cohort, days: int) -> np.ndarray:
    """Events or stays of the outcome begun in the days before each index date; hospital stays for days at home."""
    definition = _used(outcome)
    count, stop = np.zeros(len(cohort)), cohort.index_day.astype(np.int64)
    for columns, time, unit in (
        (cohort.registers.event_columns, "minute", MINUTES_PER_DAY),
        (cohort.registers.stay_columns, "start_day", 1),
    ):
        if definition.codes is None:
            break
        chosen = _kinds_of(definition, columns.kinds)
        at, _ = rows_between(
            columns.first,
            getattr(columns, time),
            chosen[columns.kind],
            cohort.person,
            (stop - days) * unit,
            stop * unit,
        )
        count += np.bincount(at, minlength=len(cohort))
    return count


def _used(outcome: Outcome | str):
    """Definition of the use that is counted: that of the outcome; hospital stays for days at home."""
    if isinstance(outcome, str) and outcome == DAYS_AT_HOME:
        return Outcome(["stay:inpatient"], label_type="use").definition
    return _outcome(outcome).definition


def _kinds_of(definition, kinds: pd.DataFrame) -> np.ndarray:
    chosen = definition.codes.matches_kinds(kinds)
    return chosen & kinds["source"].isin(definition.source).to_numpy() if definition.source else chosen


def _eligible(record: pd.DataFrame, scores: pd.DataFrame, registers: Registers) -> pd.DataFrame:
    """Everybody with a score, and the role each had; one row per person and index date."""
    missing = [name for name in _RECORD if name not in record.columns]
    if missing:
        raise ValueError(f"`record` must have the columns {', '.join(_RECORD)}; missing are {', '.join(missing)}.")
    scores = scores.reset_index() if "person_id" not in scores.columns else scores
    missing = [name for name in ("person_id", "index_date", "risk") if name not in scores.columns]
    if missing:
        raise ValueError(f"`scores` must have person_id, index_date and risk; missing are {', '.join(missing)}.")
    wrong = int((~record["role"].isin(_ROLES)).sum())
    if wrong:
        raise ValueError(f"`record.role` must be one of {', '.join(_ROLES)}; {wrong} of {len(record)} rows are not.")
    roles = record[["person_id", "index_date", "team", "role"]].assign(index_date=pd.to_datetime(record["index_date"]))
    # Of several roles on one date the strongest counts: somebody listed by one team was listed.
    rank = roles["role"].map({"listed": 0, "held_out": 1, "review": 2})
    roles = roles.iloc[np.argsort(rank, kind="stable")].drop_duplicates(["person_id", "index_date"])
    frame = scores[["person_id", "index_date", "risk"]].assign(index_date=pd.to_datetime(scores["index_date"]))
    dates = roles["index_date"].unique()
    frame = frame[frame["index_date"].isin(dates)].drop_duplicates(["person_id", "index_date"])
    merged = frame.merge(roles, on=["person_id", "index_date"], how="left", indicator=True)
    unscored = len(roles) - int((merged["_merge"] == "both").sum())
    if unscored:
        raise ValueError(
            f"`scores` must hold everybody who was eligible; {unscored} of {len(roles)} persons of the record have no "
            "score on their index date."
        )
    merged["role"] = merged["role"].fillna("not_listed")
    merged["team"] = _teams(merged, registers)
    return merged[merged["role"] != "review"].drop(columns="_merge").reset_index(drop=True)


def _teams(merged: pd.DataFrame, registers: Registers) -> pd.Series:
    """Team of everybody: by the column of persons that the record's teams come from; else one for all."""
    known = merged["team"].notna().to_numpy()
    place = pd.Index(registers.person_ids(np.arange(len(registers.person_columns)))).get_indexer(
        pd.Index(merged["person_id"])
    )
    for name in ("team", "area"):
        column = registers.person_columns.extra.get(name)
        if isinstance(column, TextColumn):
            values = np.where(place >= 0, column.to_numpy()[place], None)
            if known.any() and (values[known] == merged["team"].to_numpy()[known]).all():
                return pd.Series(values, index=merged.index)
    return pd.Series("all", index=merged.index)


def _labels(outcome: Outcome | str, cohort: Cohort) -> tuple[str, pd.DataFrame]:
    if isinstance(outcome, str) and outcome == DAYS_AT_HOME:
        return DAYS_AT_HOME, days_at_home_after(cohort)
    return _outcome(outcome).definition.name, _outcome(outcome).label(cohort)


def _outcome(outcome: Outcome | str) -> Outcome:
    return Outcome(outcome) if isinstance(outcome, str) else outcome


def _rows(eligible, cohort: Cohort, outcome, name: str, labels: pd.DataFrame) -> tuple[np.ndarray, Rows]:
    """Positions of the rows whose outcome is known, and what the designs need of them."""
    kept, y, weight = known_outcomes(labels)
    amounts = outcome == DAYS_AT_HOME or _outcome(outcome).definition.kind in ("counts", "days")
    y = labels["value"].to_numpy(np.float64)[kept] if amounts else y.astype(np.float64)
    role = eligible["role"].to_numpy()
    risk = np.clip(eligible["risk"].to_numpy(np.float64), _SAFE_RISK, 1 - _SAFE_RISK)
    logit = np.log(risk) - np.log1p(-risk)
    team = pd.factorize(eligible["team"], use_na_sentinel=False)[0]
    stratum = np.column_stack([cohort.index_day.astype(np.int64), team])
    number = pd.factorize(pd.MultiIndex.from_arrays(list(stratum.T)))[0]
    on_list = np.isin(role, ("listed", "held_out"))
    lowest = np.full(number.max() + 1, np.inf)
    np.minimum.at(lowest, number[on_list], logit[on_list])
    cut = np.where(np.isfinite(lowest), lowest, np.nan)[number]
    whole = (y, weight, cohort.person, stratum, role == "listed", role == "held_out", logit, cut)
    return kept, Rows(name, *whole[:2], *(column[kept] for column in whole[2:]))


def _before_after(eligible, cohort: Cohort, outcome, name: str, labels: pd.DataFrame) -> Comparison:
    """Use of the listed before and after, beside people picked by the same past use one horizon earlier.

    Both look one horizon back and one ahead; the second ends where the list begins.
    """
    days = _horizon(outcome)
    listed = np.flatnonzero(eligible["role"].to_numpy() == "listed")
    now = cohort[listed]
    n_listed = len(np.unique(now.person))
    if n_listed < MIN_CELL:
        raise ValueError(
            f"`record` must list at least {MIN_CELL} persons with a score for a description; it lists fewer, and the "
            "means of a handful would tell of single persons. Gather more lists."
        )
    _check_reach(cohort, outcome, days)
    observed = labels["status"].to_numpy()[listed] != CENSORED
    before, after = prior_use(outcome, now, days)[observed], prior_use(outcome, _moved(now, days), days)[observed]
    earlier = _moved(cohort, -days)
    earlier_before = prior_use(outcome, earlier, days)
    # Those with the most use, as many as were listed: the same rule, before there was a list.
    picked = np.argsort(-earlier_before, kind="stable")[: len(listed)]
    earlier_after = prior_use(outcome, cohort[picked], days)
    table = pd.DataFrame(
        {
            "persons": ["listed", "same_rule_before_there_was_a_list"],
            "n": [int(observed.sum()), len(picked)],
            "before": [_mean(before), _mean(earlier_before[picked])],
            "after": [_mean(after), _mean(earlier_after)],
        }
    )
    table["change"] = table["after"] - table["before"]
    tables = {"before_after": table}
    return Comparison("before_after", name, n_listed=n_listed, tables=tables, labels=_outcome_labels(outcome))


def _mean(use: np.ndarray) -> float:
    """Mean use; NaN where 1 to 4 rows have any, whose use the mean times the number of rows would tell."""
    return float(use.mean()) if len(use) and not is_small(int((use != 0).sum())) else np.nan


def _check_reach(cohort: Cohort, outcome, days: int) -> None:
    """Two horizons of use before the lists are needed to show what happens without one."""
    begins = int(cohort.index_day.min()) - 2 * days
    definition = _used(outcome)
    coverage, found = cohort.registers.coverage_columns, set()
    for columns in (cohort.registers.event_columns, cohort.registers.stay_columns):
        if definition.codes is not None:
            found |= set(columns.kinds["source"][_kinds_of(definition, columns.kinds)])
    from_day = coverage.of(sorted(found))[0] if found else begins
    if from_day > begins:
        raise ValueError(
            f"`registers` must reach {2 * days} days back from the first list, to {np.datetime64(begins, 'D')}, for "
            f"'before_after'; the sources of the outcome begin on {np.datetime64(int(from_day), 'D')}. Take a shorter "
            "horizon or later lists."
        )


def _moved(cohort: Cohort, days: int) -> Cohort:
    """The same persons on other dates."""
    return Cohort(cohort.registers, cohort.person, (cohort.index_day + days).astype(np.int32), cohort.attrition)
