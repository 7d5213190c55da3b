"""Comorbidity and frailty scores from diagnoses: published weights, hierarchy first, every category once."""

from collections.abc import Callable
from functools import partial

import numpy as np

from servicenee._checks import check_choice
from servicenee.codes import ScoreTable, load_score
from servicenee.cohort import Cohort, completed_years
from servicenee.features.blocks import Block, Group, feeding, measured, windows
from servicenee.features.builders import Builder
from servicenee.features.derived import PUBLISHED, by_window, column, listed_groups, of_sources
from servicenee.features.medicines import substance_kinds
from servicenee.registers import Registers
from servicenee.texts import text
from servicenee.windows import Window

_CHARLSON_VARIANTS = ("quan2005", "sweden2021")
_AGE_POINTS_FROM = (50, 60, 70, 80)
_N_DEFICITS = 36
_POLYPHARMACY = 5
_MEDICINE_DAYS = 90


class Charlson(Builder):
    """Charlson comorbidity index from ICD-10 diagnoses.

    Parameters
    ----------
    weights : {"quan2011", "charlson1987"}, default="quan2011"
        Updated weights (Quan 2011) or the original ones.
    variant : {"quan2005", "sweden2021"}, default="quan2005"
        Codes of the 17 categories: Quan 2005, or the Swedish adaptation of Ludvigsson 2021.
    age_points : bool, default=False
        Adds 1 point from the age of 50, 2 from 60, 3 from 70 and 4 from 80 (Charlson 1994).
    source : str or list of str, optional
        Sources of the diagnoses; by default all with ICD-10 codes.
    lookback_days : int, None or list of them, default=1825
        Window [index - lookback_days, index - skip_days); None looks back over all history, as far as
        the source reaches: it is never taken for not covered.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    A category counts once, by one code of any source. The severer form takes the place of the milder before weighting:
    mild liver disease under severe, uncomplicated diabetes under complicated, cancer under metastatic. 0 means
    observed, none of the 17; NaN means that a source does not cover the window, that the registers hold no ICD-10 codes
    of it at all, or, with age points, that the age is unknown. ICPC-2 codes do not count: the index is defined on
    ICD-10.

    References
    ----------
    Charlson et al. 1987, J Chronic Dis 40:373; Charlson et al. 1994, J Clin Epidemiol 47:1245 (age). Quan et al. 2005,
    Med Care 43:1130 (codes). Quan et al. 2011, Am J Epidemiol 173:676 (weights). Ludvigsson et al. 2021, Clin
    Epidemiol 13:21 (Swedish codes).

    Examples
    --------
    A man born on 15 March 1945 is 78 on 1 January 2024. With five years of look-back:

    ===========  ======  ============================================  ====  ====
    date         code    category                                      1987  2011
    ===========  ======  ============================================  ====  ====
    2022-05-01   I50.9   congestive heart failure                         1     2
    2022-05-01   E11.9   diabetes, no complication: superseded            -     -
    2023-02-01   E11.4   diabetes with chronic complication               2     1
    2023-06-01   C61     cancer: superseded by metastatic                 -     -
    2023-06-01   C79.5   metastatic solid tumour                          6     6
    2018-06-01   I21.9   myocardial infarction: before the window         -     -
    \\            \\       sum                                              9     9
    \\            \\       with age points (70-79: 3)                      12    12
    ===========  ======  ============================================  ====  ====

    >>> import pandas as pd
    >>> from servicenee import Charlson, Cohort, Registers
    >>> records = {"2022-05-01": ["I50.9", "E11.9"], "2023-02-01": ["E11.4"], "2023-06-01": ["C61", "C79.5"],
    ...            "2018-06-01": ["I21.9"]}
    >>> rows = [(pd.Timestamp(day), code) for day, codes in records.items() for code in codes]
    >>> events = pd.DataFrame(rows, columns=["time", "code"])
    >>> events = events.assign(person_id=1, source="inpatient", code_system="ICD-10")
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1945-03-15"]), "sex": ["male"]})
    >>> registers = Registers(persons, events, extract_date="2024-02-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": ["2024-01-01"]}))
    >>> Charlson(lookback_days=[1825, None]).fit_transform(cohort).iloc[0].to_dict()
    {'charlson_quan2011_1825d': 9.0, 'charlson_quan2011_ever': 9.0}
    >>> Charlson("charlson1987", lookback_days=[1825, None]).fit_transform(cohort).iloc[0].to_dict()
    {'charlson_1987_1825d': 9.0, 'charlson_1987_ever': 10.0}
    >>> Charlson("charlson1987", age_points=True).fit_transform(cohort).iloc[0].to_dict()
    {'charlson_age_1987_1825d': 12.0}
    """

    def __init__(
        self,
        weights="quan2011",
        *,
        variant="quan2005",
        age_points=False,
        source=None,
        lookback_days=1825,
        skip_days=0,
    ):
        self.weights = weights
        self.variant = variant
        self.age_points = age_points
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        check_choice("variant", self.variant, _CHARLSON_VARIANTS)
        check_choice("age_points", self.age_points, (True, False))
        table = load_score(f"charlson_{self.variant}")
        check_choice("weights", self.weights, table.weights)
        kind = "charlson_age" if self.age_points else "charlson"
        suffix = "" if self.variant == "quan2005" else f"_{self.variant}"
        words = {"weights": PUBLISHED[self.weights], "variant": PUBLISHED[self.variant]}
        return [
            _weighted(
                registers,
                table,
                self,
                name=f"{kind}_{self.weights.removeprefix('charlson')}{suffix}",
                what=lambda language: text(f"features.score.{kind}", language, **words),
                after=(_with_age_points if self.age_points else _unchanged, ()),
            )
        ]


class Elixhauser(Builder):
    """Elixhauser comorbidity index, one weighted sum, from ICD-10 diagnoses.

    Parameters
    ----------
    weights : {"vanwalraven2009", "swiss2021"}, default="vanwalraven2009"
        Weights of van Walraven 2009 or of Sharma 2021 (Swiss hospitals).
    source, lookback_days, skip_days
        As in `Charlson`.

    Notes
    -----
    31 categories with the codes of Quan 2005, each counted once; complicated hypertension takes the place of
    uncomplicated, complicated diabetes of uncomplicated, metastatic cancer of solid tumour, before weighting. Weights
    may be negative, so the index may be. 0 means observed and nothing on balance; NaN means that a source does not
    cover the window.

    References
    ----------
    Elixhauser et al. 1998, Med Care 36:8. Quan et al. 2005, Med Care 43:1130 (codes). van Walraven et al. 2009, Med
    Care 47:626. Sharma et al. 2021 (Swiss weights).

    Examples
    --------
    ===========  ======  =====================================  ============
    date         code    category                               van Walraven
    ===========  ======  =====================================  ============
    2022-05-01   I50.9   congestive heart failure                          7
    2022-05-01   E66.9   obesity                                          -4
    2023-02-01   C61     solid tumour: superseded                          -
    2023-02-01   C79.5   metastatic cancer                                12
    2023-02-01   I10     hypertension, uncomplicated                       0
    \\            \\       sum                                              15
    ===========  ======  =====================================  ============

    >>> import pandas as pd
    >>> from servicenee import Cohort, Elixhauser, Registers
    >>> events = pd.DataFrame({"person_id": 1, "source": "outpatient", "code_system": "ICD-10",
    ...     "time": pd.to_datetime(["2022-05-01"] * 2 + ["2023-02-01"] * 3),
    ...     "code": ["I50.9", "E66.9", "C61", "C79.5", "I10"]})
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1945-03-15"]), "sex": ["male"]})
    >>> registers = Registers(persons, events, extract_date="2024-02-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": ["2024-01-01"]}))
    >>> Elixhauser().fit_transform(cohort).iloc[0].to_dict()
    {'elixhauser_vanwalraven2009_1825d': 15.0}
    """

    def __init__(self, weights="vanwalraven2009", *, source=None, lookback_days=1825, skip_days=0):
        self.weights = weights
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        table = load_score("elixhauser_quan2005")
        check_choice("weights", self.weights, table.weights)
        words = {"weights": PUBLISHED[self.weights], "variant": PUBLISHED["quan2005"]}
        return [
            _weighted(
                registers,
                table,
                self,
                name=f"elixhauser_{self.weights}",
                what=lambda language: text("features.score.elixhauser", language, **words),
            )
        ]


class HospitalFrailty(Builder):
    """Hospital Frailty Risk Score from the ICD-10 diagnoses of hospital admissions.

    Parameters
    ----------
    source : str or list of str, default="inpatient"
        Source of hospital admissions: of its diagnoses and of its stays.
    lookback_days, skip_days
        As in `Charlson`; the published score looks back two years.

    Notes
    -----
    Each of 109 three-character categories counts once. NaN, never 0, where the person has no admission in the window
    (no record and no stay of `source`), or the source does not cover it or tells no diagnoses at all: nobody looked. 0
    means admitted, none of the categories.

    The published score was made for inpatients of 75 and over, including the present stay; here the present stay
    counts once it has been reported. Published bands (below 5 low, 5 to 15 intermediate, above 15 high) do not carry
    over: Z and R codes are rarer in Finland, so use the number and set bands locally.

    References
    ----------
    Gilbert et al. 2018, Lancet 391:1775.

    Examples
    --------
    ===========  ======  ===========================================  ======
    admission    code    category                                     weight
    ===========  ======  ===========================================  ======
    2022-11-01   F00.1   F00 dementia in Alzheimer's disease             7.1
    2022-11-01   F00.9   F00 again: counts once                            -
    2023-04-01   S72.0   S72 fracture of femur                           1.4
    2023-04-01   W19.9   W19 unspecified fall                            3.2
    2021-05-01   N39.0   before the window of two years                    -
    \\            \\       sum                                           11.7
    ===========  ======  ===========================================  ======

    >>> import pandas as pd
    >>> from servicenee import Cohort, HospitalFrailty, Registers
    >>> rows = [("2022-11-01", "F00.1"), ("2022-11-01", "F00.9"), ("2023-04-01", "S72.0"), ("2023-04-01", "W19.9"),
    ...         ("2021-05-01", "N39.0")]
    >>> events = pd.DataFrame(rows, columns=["time", "code"]).assign(
    ...     person_id=1, source="inpatient", code_system="ICD-10", time=lambda rows: pd.to_datetime(rows["time"]))
    >>> persons = pd.DataFrame({"person_id": [1, 2], "birth_date": pd.to_datetime("1940-03-15"), "sex": "female"})
    >>> registers = Registers(persons, events, extract_date="2024-02-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1, 2], "index_date": "2024-01-01"}))
    >>> HospitalFrailty().fit_transform(cohort).astype(float).round(1).iloc[:, 0].tolist()
    [11.7, nan]
    """

    def __init__(self, *, source="inpatient", lookback_days=730, skip_days=0):
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        sources = feeding(None, None, self.source)
        events = Group("admissions", of_sources(registers, self.source), sources)
        stay_kinds = registers.stay_columns.kinds["source"].isin(sources).to_numpy()
        stays = Group("admissions", stay_kinds, sources)
        admitted = (
            measured([events], "any", "any", over),
            measured([stays], "any", "any", over, of_stays=True),
        )
        return [
            _weighted(
                registers,
                load_score("hfrs"),
                self,
                name="hfrs",
                what=lambda language: text("features.score.hfrs", language),
                after=(_if_admitted, admitted),
            )
        ]


class DeficitCount(Builder):
    """Share of 36 health deficits found in diagnoses and medicines: an unvalidated count, not the eFI.

    Parameters
    ----------
    as_share : bool, default=True
        Deficits divided by the number of deficits looked for; False gives their number.
    source : str or list of str, optional
        Sources of the diagnoses (ICD-10 and ICPC-2); by default all that have such codes.
    medicine_source : str or None, default="medication"
        Source of purchases for the deficit "at least 5 medicines in 90 days"; None leaves it out, and 35 remain.
    lookback_days, skip_days
        As in `Charlson`.

    Notes
    -----
    The deficits are those of the electronic frailty index; the ICD-10 and ICPC-2 codes that stand for them are our own
    and unvalidated (the index uses 2,171 British codes). So the cut-offs of the index (.12, .24, .36) must not be
    used. 0 means observed, none; NaN means that a source does not cover the window. The medicines are counted over the
    last 90 days of the window.

    References
    ----------
    Clegg et al. 2016, Age Ageing 45:353 (names of the deficits).

    Examples
    --------
    ===========  ============  ======  ==================================
    date         source        code    deficit
    ===========  ============  ======  ==================================
    2022-05-01   inpatient     I50.9   heart failure
    2022-06-01   primary_care  K77     heart failure again: counts once
    2023-02-01   primary_care  P20     memory and cognitive problems
    2023-11-20   medication    5 ATC   at least 5 medicines in 90 days
    ===========  ============  ======  ==================================

    Three of 36 deficits: 0.083.

    >>> import pandas as pd
    >>> from servicenee import Cohort, DeficitCount, Registers
    >>> rows = [("2022-05-01", "inpatient", "ICD-10", "I50.9"), ("2022-06-01", "primary_care", "ICPC-2", "K77"),
    ...         ("2023-02-01", "primary_care", "ICPC-2", "P20")]
    >>> bought = ("C07AB02", "C09AA02", "B01AC06", "A02BC02", "N02BE01")
    >>> rows += [("2023-11-20", "medication", "ATC", code) for code in bought]
    >>> events = pd.DataFrame(rows, columns=["time", "source", "code_system", "code"])
    >>> events = events.assign(person_id=1, time=pd.to_datetime(events["time"]))
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1945-03-15"]), "sex": ["male"]})
    >>> registers = Registers(persons, events, extract_date="2024-02-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": ["2024-01-01"]}))
    >>> DeficitCount().fit_transform(cohort).astype(float).round(3).iloc[0].to_dict()
    {'deficit_share_36_1825d': 0.083}
    >>> DeficitCount(as_share=False, medicine_source=None).fit_transform(cohort).iloc[0].to_dict()
    {'deficit_count_35_1825d': 2.0}
    """

    def __init__(self, *, as_share=True, source=None, medicine_source="medication", lookback_days=1825, skip_days=0):
        self.as_share = as_share
        self.source = source
        self.medicine_source = medicine_source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        check_choice("as_share", self.as_share, (True, False))
        over = windows(self.lookback_days, self.skip_days)
        n = _N_DEFICITS if self.medicine_source is not None else _N_DEFICITS - 1
        finish, further = partial(_divided, by=n if self.as_share else 1), ()
        if self.medicine_source is not None:
            recent = tuple(_last_days(window, _MEDICINE_DAYS) for window in over)
            unique = tuple(dict.fromkeys(recent))
            bought = Group(
                "medicines",
                substance_kinds(registers, self.medicine_source),
                feeding(None, None, self.medicine_source),
            )
            further = (measured([bought], "distinct", "distinct", unique),)
            finish = partial(finish, places=[unique.index(window) for window in recent])
        kind = "deficit_share" if self.as_share else "deficit_count"
        return [
            _weighted(
                registers,
                load_score("deficits"),
                self,
                name=f"{kind}_{n}",
                what=lambda language: text(f"features.score.{kind}", language, n=n),
                after=(finish, further),
            )
        ]


def _unchanged(cohort: Cohort, score: np.ndarray) -> np.ndarray:
    return score


def _weighted(
    registers: Registers,
    table: ScoreTable,
    builder: Builder,
    *,
    name: str,
    what: Callable[[str], str],
    after: tuple[Callable, tuple[Block, ...]] = (_unchanged, ()),
) -> Block:
    """The block of one score: the categories present, one sum per window, and what `after` makes of it.

    `after` is a function of the cohort, the sums and the further parts that it names.
    """
    finish, further = after
    over = windows(builder.lookback_days, builder.skip_days)
    weights = next(iter(table.weights.values())) if len(table.weights) == 1 else table.weights[builder.weights]
    kinds = registers.event_columns.kinds
    systems = sorted({system for pairs in table.codelist.groups.values() for system, _ in pairs})
    coded = of_sources(registers, builder.source) & kinds["code_system"].isin(systems).to_numpy()
    sources = feeding(kinds, coded, builder.source) if coded.any() else ()  # where nobody codes, 0 would be a guess
    groups = listed_groups(table.codelist, kinds, coded, sources)
    score = partial(_score, weights=weights, superseded_by=table.superseded_by, names=tuple(table.codelist.groups))
    derive = partial(_finished, score=score, finish=finish, n_windows=len(over))
    measure = name.partition("_")[0]
    features = tuple(
        column(name, window, what, measure=measure, source=sources, group=name, topic="diagnoses") for window in over
    )
    return Block(features, parts=(measured(groups, "any", "any", over), *further), derive=derive)


def _finished(cohort: Cohort, found: np.ndarray, *further: np.ndarray, score, finish, n_windows) -> np.ndarray:
    return finish(cohort, score(by_window(found, n_windows)), *further)


def _score(found: np.ndarray, *, weights: dict[str, float], superseded_by: dict[str, str], names) -> np.ndarray:
    """Sum of the weights of the categories that nothing severer supersedes; NaN where not observed."""
    tenths = np.zeros(found.shape[1:])
    for place, name in enumerate(names):
        counts = found[place] > 0
        if name in superseded_by:
            counts &= ~(found[names.index(superseded_by[name])] > 0)
        # Whole tenths add up exactly in any order, so the sum does not depend on chunks.
        tenths += np.round(10 * weights.get(name, 0.0)) * counts
    return np.where(np.isnan(found).any(axis=0), np.nan, tenths / 10)


def _with_age_points(cohort: Cohort, score: np.ndarray) -> np.ndarray:
    age = completed_years(cohort.registers.person_columns.birth_day[cohort.person], cohort.index_day)
    points = np.searchsorted(_AGE_POINTS_FROM, age, side="right").astype(np.float64)
    return score + np.where(np.isnan(age), np.nan, points)


def _if_admitted(cohort: Cohort, score: np.ndarray, by_events: np.ndarray, by_stays: np.ndarray) -> np.ndarray:
    return np.where((by_events > 0) | (by_stays > 0), score, np.nan)


def _divided(cohort: Cohort, score: np.ndarray, *substances: np.ndarray, by: int, places=()) -> np.ndarray:
    for distinct in substances:
        polypharmacy = np.where(np.isnan(distinct), np.nan, distinct >= _POLYPHARMACY)
        score = score + polypharmacy[list(places)]
    return score / by


def _last_days(window: Window, days: int) -> Window:
    most = window.skip_days + days
    lookback = most if window.lookback_days is None else min(window.lookback_days, most)
    return Window(lookback, window.skip_days)
