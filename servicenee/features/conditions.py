"""Chronic conditions by the evidence in several registers: a condition is more than one code once."""

from collections.abc import Callable
from functools import partial

import numpy as np

from servicenee._checks import check_choice
from servicenee.codes import Codelist, as_codelist
from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Feature, feeding, measured, windows
from servicenee.features.builders import Builder
from servicenee.features.derived import by_window, column, listed_groups, of_sources
from servicenee.registers import Registers
from servicenee.texts import text
from servicenee.windows import Window

_EVIDENCE = ("diagnoses", "entitlements", "medicines")
_APART_DAYS = 30  # two notes of one episode of care do not make a condition chronic
_MEDICINE_DAYS = 365
_SUFFICIENT = "inpatient"
_PURCHASES = "medication"
_DIAGNOSES = ("ICD-10", "ICPC-2")
_ON_DATES = ("any", "since_first", "since_last")


class _ConditionBuilder(Builder):
    """Parameters that builders on conditions share; a builder adds what it makes of the conditions met."""

    def __init__(
        self,
        conditions="chronic_conditions",
        *,
        evidence=("diagnoses", "entitlements"),
        source=None,
        sufficient_source=_SUFFICIENT,
        lookback_days=1825,
        skip_days=0,
    ):
        self.conditions = conditions
        self.evidence = evidence
        self.source = source
        self.sufficient_source = sufficient_source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        evidence = [self.evidence] if isinstance(self.evidence, str) else list(self.evidence)
        if not evidence:
            raise ValueError(f"`evidence` must hold at least one of {', '.join(_EVIDENCE)}; got none.")
        for kind in evidence:
            check_choice("evidence", kind, _EVIDENCE)
        codelist = as_codelist(self.conditions)
        parts = list(self._parts(registers, codelist, evidence, over))
        blocks = tuple(block for _, listed in parts for block in listed)
        features = self._features(codelist, over, "medicines" in evidence, _sources(blocks))
        if not blocks:  # no source could have told
            return [Block(features, compute=partial(_unknown, n_columns=len(features)))]
        met = partial(_met, rules=tuple(rule for rule, _ in parts), n_windows=len(over))
        return [Block(features, parts=blocks, derive=partial(self._derive, met=met))]

    def _parts(self, registers, codelist, evidence, over):
        """Per rule of evidence the function that applies it and the blocks it takes."""
        kinds = registers.event_columns.kinds
        asked = of_sources(registers, self.source)
        system = kinds["code_system"]
        diagnosis = asked & ~system.isin(["Kela", "ATC"]).to_numpy()
        if "diagnoses" in evidence:
            yield from self._diagnoses(registers, codelist, diagnosis, over)
        if "entitlements" in evidence:
            kela = asked & (system == "Kela").to_numpy()
            if kela.any():
                groups = listed_groups(codelist, kinds, kela, feeding(kinds, kela, None))
                yield _any_of, [measured(groups, "any", "any", over)]
        if "medicines" in evidence:
            # An ATC code beside a diagnosis (T88.7#C07AB02) names the drug of an adverse effect, not a purchase.
            beside = kinds["source"].isin(set(kinds.loc[system.isin(_DIAGNOSES), "source"])).to_numpy()
            purchases = (kinds["source"] == _PURCHASES).to_numpy() | ~beside
            yield from self._medicines(codelist, kinds, asked & (system == "ATC").to_numpy() & purchases, over)

    @staticmethod
    def _medicines(codelist, kinds, bought, over):
        if bought.any():
            groups = listed_groups(codelist, kinds, bought, feeding(kinds, bought, None))
            recent = tuple(_recent(window) for window in over)
            unique = tuple(dict.fromkeys(recent))
            rule = partial(_twice, days=1, places=tuple(unique.index(window) for window in recent))
            yield rule, [measured(groups, name, "any", unique) for name in _ON_DATES]

    def _diagnoses(self, registers, codelist, diagnosis, over):
        kinds = registers.event_columns.kinds
        sufficient = self.sufficient_source
        if sufficient == _SUFFICIENT and sufficient not in registers.coverage_columns.source:
            sufficient = []  # registers without hospital care: diagnoses then count when repeated
        enough = np.zeros(len(kinds), dtype=bool)
        if sufficient is not None and len(sufficient):
            enough = of_sources(registers, sufficient)
        coded = diagnosis & kinds["code_system"].isin(_DIAGNOSES).to_numpy()
        sources = feeding(kinds, coded | (diagnosis & codelist.matches_kinds(kinds)), None)
        if not sources:
            return
        once = listed_groups(codelist, kinds, diagnosis & enough, sources)
        yield _any_of, [measured(once, "any", "any", over)]
        repeated = listed_groups(codelist, kinds, diagnosis & ~enough, sources)
        rule = partial(_twice, days=_APART_DAYS, places=tuple(range(len(over))))
        yield rule, [measured(repeated, name, "any", over) for name in _ON_DATES]

    def _features(self, codelist, over, probable, sources) -> tuple[Feature, ...]:
        raise NotImplementedError

    @staticmethod
    def _derive(cohort: Cohort, *filled: np.ndarray, met: Callable) -> np.ndarray:
        raise NotImplementedError


class Conditions(_ConditionBuilder):
    """Whether each chronic condition is established by the register evidence: 1, 0 or NaN.

    Parameters
    ----------
    conditions : Codelist, str or list of str, default="chronic_conditions"
        Conditions, one column per group: a Codelist, the name of a shipped one, or prefixes.
    evidence : tuple of {"diagnoses", "entitlements", "medicines"}, default=("diagnoses", "entitlements")
        What counts as evidence; each alone is enough. With "medicines" the column is called *probable*.
    source : str or list of str, optional
        Sources that count as evidence; by default all.
    sufficient_source : str, list of str or None, default="inpatient"
        Sources of which a single diagnosis is enough; add "outpatient" to trust specialists likewise.
    lookback_days : int, None or list of them, default=1825
        Window [index - lookback_days, index - skip_days) of all evidence; None looks back over all history.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    A condition is established (1) by any of

    - a diagnosis of a `sufficient_source`;
    - diagnoses of other sources on two dates at least 30 days apart (any two codes of the condition, ICD-10 or
      ICPC-2; not necessarily of one source);
    - a Kela entitlement, dated by the day it was granted. With a short window an old entitlement is out of sight:
      lookback_days=None counts entitlements of any age;
    - if asked for, purchases on two days or more within the last 12 months of the window. Only medicines that are
      used for hardly anything else are in the shipped list.

    0 means observed, not met. NaN means that a source of the evidence does not cover the window, whether or not
    something was found: otherwise 1 would be more common where the register is shorter. Sources of the evidence are
    those with diagnoses (ICD-10, ICPC-2), Kela codes or ATC codes, as far as `source` allows. Evidence that the
    registers hold no codes of at all is passed over.

    The same look-back must serve everybody whose columns are compared: prevalence grows with it.

    References
    ----------
    Ho et al. 2022, BMJ Medicine 1:e000247 (which conditions). Tonelli et al. 2015, BMC Med Inform Decis Mak 15:31 (one
    hospital or two other claims). Kela, reimbursement numbers of medicines for chronic diseases.

    Examples
    --------
    A woman of 80 is seen on 1 January 2024. Her records, and what they prove with five years of look-back:

    ===========  =============  ======  ============================================================
    date         source         code    condition
    ===========  =============  ======  ============================================================
    2021-03-10   inpatient      I50.0   heart failure: one hospital diagnosis is enough
    2022-02-01   primary_care   T90     diabetes: first date
    2022-02-20   primary_care   E11.9   diabetes: only 19 days later, not yet enough
    2022-03-03   primary_care   E11.9   diabetes: 30 days after the first date, established
    2023-05-05   primary_care   J44.8   COPD: one date in primary care, not established
    2020-06-01   entitlement    205     hypertension: entitlement, established
    2017-01-01   inpatient      G30.1   dementia: more than five years ago, not seen
    2023-08-01   medication     M05BA04 osteoporosis: with medicines as evidence, first purchase
    2023-11-01   medication     M05BA04 osteoporosis: second purchase within 12 months, probable
    ===========  =============  ======  ============================================================

    >>> import pandas as pd
    >>> from servicenee import Cohort, Conditions, Registers, load_codelist
    >>> rows = [("2021-03-10", "inpatient", "ICD-10", "I50.0"), ("2022-02-01", "primary_care", "ICPC-2", "T90"),
    ...         ("2022-02-20", "primary_care", "ICD-10", "E11.9"), ("2022-03-03", "primary_care", "ICD-10", "E11.9"),
    ...         ("2023-05-05", "primary_care", "ICD-10", "J44.8"), ("2020-06-01", "entitlement", "Kela", "205"),
    ...         ("2017-01-01", "inpatient", "ICD-10", "G30.1"), ("2023-08-01", "medication", "ATC", "M05BA04"),
    ...         ("2023-11-01", "medication", "ATC", "M05BA04")]
    >>> events = pd.DataFrame(rows, columns=["time", "source", "code_system", "code"])
    >>> events = events.assign(person_id=1, time=pd.to_datetime(events["time"]))
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1943-05-01"]), "sex": ["female"]})
    >>> registers = Registers(persons, events, extract_date="2024-02-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": ["2024-01-01"]}))
    >>> wanted = load_codelist("chronic_conditions").keep(
    ...     "heart_failure", "diabetes", "copd", "hypertension", "dementia", "osteoporosis")
    >>> Conditions(wanted).fit_transform(cohort).iloc[0].astype(int)
    condition_heart_failure_1825d    1
    condition_diabetes_1825d         1
    condition_copd_1825d             0
    condition_hypertension_1825d     1
    condition_dementia_1825d         0
    condition_osteoporosis_1825d     0
    Name: (1, 2024-01-01 00:00:00), dtype: int64
    >>> probable = Conditions(wanted.keep("osteoporosis"), evidence=("diagnoses", "entitlements", "medicines"))
    >>> probable.fit_transform(cohort).iloc[0].to_dict()
    {'probable_condition_osteoporosis_1825d': 1.0}
    """

    def _features(self, codelist: Codelist, over, probable: bool, sources) -> tuple[Feature, ...]:
        word = "probable_condition" if probable else "condition"
        return tuple(
            column(
                f"{word}_{group}",
                window,
                lambda language, group=group: text(
                    f"features.{word}", language, what=codelist.labels.get(group, {}).get(language) or group
                ),
                measure="any",
                source=sources,
                codes=codelist.name,
                group=group,
                topic="diagnoses",
            )
            for group in codelist.groups
            for window in over
        )

    @staticmethod
    def _derive(cohort: Cohort, *filled: np.ndarray, met: Callable) -> np.ndarray:
        return met(filled).reshape(-1, len(cohort))


class ConditionCount(_ConditionBuilder):
    """Number of chronic conditions established by the register evidence.

    Parameters
    ----------
    conditions, evidence, source, sufficient_source, lookback_days, skip_days
        As in `Conditions`; every group of the list counts once.

    Notes
    -----
    0 means observed, none; NaN means that a source of the evidence does not cover the window. Groups of the shipped
    list that overlap (end-stage and chronic kidney disease) count each; choose others with ``Codelist.keep``.

    Examples
    --------
    The woman of the example in `Conditions` has heart failure, diabetes and hypertension: 3. Here a man with one
    hospital stay for pneumonia on top of diabetes (E11.9) and atrial fibrillation (I48.9), all three in hospital:

    ===========  =========  =====  ==========================================
    date         source     code   counts
    ===========  =========  =====  ==========================================
    2023-02-03   inpatient  J18.9  no: pneumonia is not a chronic condition
    2023-02-03   inpatient  E11.9  diabetes
    2023-02-03   inpatient  I48.9  atrial fibrillation
    ===========  =========  =====  ==========================================

    >>> import pandas as pd
    >>> from servicenee import Cohort, ConditionCount, Registers
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1943-05-01"]), "sex": ["male"]})
    >>> events = pd.DataFrame({"person_id": 1, "time": pd.to_datetime("2023-02-03"), "source": "inpatient",
    ...                        "code_system": "ICD-10", "code": ["J18.9", "E11.9", "I48.9"]})
    >>> registers = Registers(persons, events, extract_date="2024-02-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": ["2024-01-01"]}))
    >>> ConditionCount(lookback_days=[365, 30]).fit_transform(cohort).iloc[0].to_dict()
    {'n_chronic_conditions_365d': 2.0, 'n_chronic_conditions_30d': 0.0}
    """

    def _features(self, codelist: Codelist, over, probable: bool, sources) -> tuple[Feature, ...]:
        key = "features.probable_condition_count" if probable else "features.condition_count"
        word = "n_probable" if probable else "n"
        own = "" if codelist.name == "chronic_conditions" else f" ({codelist.name})"
        return tuple(
            column(
                f"{word}_{codelist.name}",
                window,
                lambda language: text(key, language) + own,
                measure="condition_count",
                source=sources,
                group=codelist.name,
                topic="diagnoses",
            )
            for window in over
        )

    @staticmethod
    def _derive(cohort: Cohort, *filled: np.ndarray, met: Callable) -> np.ndarray:
        return met(filled).sum(axis=0)


def _recent(window: Window) -> Window:
    """The last 12 months of a window."""
    most = window.skip_days + _MEDICINE_DAYS
    lookback = most if window.lookback_days is None else min(window.lookback_days, most)
    return Window(lookback, window.skip_days)


def _sources(blocks: tuple[Block, ...]) -> tuple[str, ...]:
    named = {source for block in blocks for feature in block.features for source in feature.source}
    return tuple(sorted(named))


def _any_of(found: np.ndarray, n_windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Met, and not observed, where one record is enough."""
    found = by_window(found, n_windows)
    return found > 0, np.isnan(found)


def _twice(
    found: np.ndarray,
    since_first: np.ndarray,
    since_last: np.ndarray,
    n_windows: int,
    *,
    days: int,
    places: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Met, and not observed, where records on two dates at least `days` apart are asked for."""
    n_own = max(places) + 1
    # A lag counts from midnight of the index date, so rounding it up gives the calendar date whatever the hour.
    apart = np.ceil(by_window(since_first, n_own)) - np.ceil(by_window(since_last, n_own))
    return (apart >= days)[:, list(places)], np.isnan(by_window(found, n_own))[:, list(places)]


def _met(filled: tuple[np.ndarray, ...], *, rules: tuple[Callable, ...], n_windows: int) -> np.ndarray:
    """1, 0 or NaN per condition, window and row."""
    met = unobserved = False
    at = 0
    for rule in rules:
        n_parts = 1 if rule is _any_of else len(_ON_DATES)
        proved, blank = rule(*filled[at : at + n_parts], n_windows)
        met, unobserved, at = met | proved, unobserved | blank, at + n_parts
    return np.where(unobserved, np.nan, met)


def _unknown(cohort: Cohort, *, n_columns: int) -> np.ndarray:
    return np.full((n_columns, len(cohort)), np.nan)
