"""Medicines in use by purchases: number of substances, polypharmacy, anticholinergic burden."""

from collections.abc import Iterable
from functools import partial

import numpy as np

from servicenee._checks import check_choice, check_count
from servicenee.codes import as_codelist, atc_level, load_score
from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Feature, Group, feeding, measured, windows
from servicenee.features.builders import Builder
from servicenee.features.derived import PUBLISHED, by_window, column, of_sources
from servicenee.registers import Registers
from servicenee.texts import text

_MEASURES = ("substances", "polypharmacy", "anticholinergic", "dose_dispensing")
_NOT_COUNTED = ("D", "V", "J07")  # skin preparations, various, vaccines
_DOSE_DISPENSING = "dose_dispensing"


class Medicines(Builder):
    """Medicines in use: different substances, polypharmacy and anticholinergic burden, from purchases.

    Parameters
    ----------
    measures : tuple of str, default=("substances", "polypharmacy", "anticholinergic")
        Which columns: "substances" (number of different ATC substances), "polypharmacy" (1/0 for each of
        `thresholds`), "anticholinergic" (sum of the scores of different substances) and "dose_dispensing" (1/0).
    thresholds : tuple of int, default=(5, 10)
        Numbers of substances from which on it is polypharmacy.
    anticholinergic : {"acbcalc2023", "boustani2008", "kiesel2018"}, default="acbcalc2023"
        List of anticholinergic scores; columns and labels carry its name, because lists disagree.
    by : Codelist or name of one, optional
        Adds the number of different substances in each group of the list, e.g. "medicine_groups".
    source : str or list of str, default="medication"
        Sources of purchases.
    lookback_days : int, None or list of them, default=90
        Window [index - lookback_days, index - skip_days). A purchase in Finland covers at most three months.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    A substance is a whole ATC code (level 5) and counts once, however often it is bought. Left out of "substances"
    and "polypharmacy" are skin preparations (D), various (V), vaccines (J07), codes above level 5 and Kela's pseudo
    codes (E0000UV); groups of `by` and the anticholinergic list hold what they hold, but substances only.

    0 means observed, none. NaN means that a source does not cover the window. Medicines given in hospital and in
    round-the-clock care are not bought: there 0 is the register's silence, not a person without medicines.

    Register extracts have no one column for dose dispensing. Where a county has the mark, write it as events of
    `source` with code_system "dose_dispensing"; the column is NaN, never 0, where the registers hold no such mark.

    References
    ----------
    Boustani et al. 2008, Aging Health 4:311. ACB calculator, 2023. Kiesel et al. 2018, BMC Geriatr 18:239.

    Examples
    --------
    Purchases of one person, seen on 1 January 2024; 90 days begin on 3 October 2023.

    ===========  ========  ==============================================  ==========
    date         ATC       counts as a substance                           ACBcalc
    ===========  ========  ==============================================  ==========
    2023-10-02   C07AB02   no: a day before the window                     -
    2023-10-03   C09AA02   yes: enalapril                                  0
    2023-11-01   N06AA09   yes: amitriptyline                              3
    2023-12-20   N06AA09   the same again                                  -
    2023-11-01   C03CA01   yes: furosemide                                 1
    2023-11-01   A02BC02   yes: pantoprazole                               0
    2023-11-01   N02BE01   yes: paracetamol                                0
    2023-11-01   D07AC01   no: skin preparation                            0
    2023-11-01   J07BB02   no: vaccine                                     0
    2023-11-01   A12AX     no: no substance (level 4)                      -
    2023-11-01   E0000UV   no: pseudo code of Kela                         -
    \\            \\         5 substances: polypharmacy of 5, not of 10      4
    ===========  ========  ==============================================  ==========

    >>> import pandas as pd
    >>> from servicenee import Cohort, Medicines, Registers
    >>> rows = [("2023-10-02", "C07AB02"), ("2023-10-03", "C09AA02"), ("2023-12-20", "N06AA09")]
    >>> november = ("N06AA09", "C03CA01", "A02BC02", "N02BE01", "D07AC01", "J07BB02", "A12AX", "E0000UV")
    >>> rows += [("2023-11-01", code) for code in november]
    >>> events = pd.DataFrame(rows, columns=["time", "code"]).assign(
    ...     person_id=1, source="medication", code_system="ATC", time=lambda rows: pd.to_datetime(rows["time"]))
    >>> persons = pd.DataFrame({"person_id": [1], "birth_date": pd.to_datetime(["1945-03-15"]), "sex": ["male"]})
    >>> registers = Registers(persons, events, extract_date="2024-02-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": [1], "index_date": ["2024-01-01"]}))
    >>> Medicines().fit_transform(cohort).iloc[0].astype(int)
    substances_90d                    5
    polypharmacy_5_90d                1
    polypharmacy_10_90d               0
    anticholinergic_acbcalc2023_90d   4
    Name: (1, 2024-01-01 00:00:00), dtype: int64
    """

    def __init__(
        self,
        measures=("substances", "polypharmacy", "anticholinergic"),
        *,
        thresholds=(5, 10),
        anticholinergic="acbcalc2023",
        by=None,
        source="medication",
        lookback_days=90,
        skip_days=0,
    ):
        self.measures = measures
        self.thresholds = thresholds
        self.anticholinergic = anticholinergic
        self.by = by
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        measures = [self.measures] if isinstance(self.measures, str) else list(self.measures)
        for measure in measures:
            check_choice("measures", measure, _MEASURES)
        several = self.thresholds if isinstance(self.thresholds, Iterable) else [self.thresholds]
        thresholds = [check_count("thresholds", n) for n in several]
        check_choice("anticholinergic", self.anticholinergic, load_score("anticholinergic").weights)
        sources = feeding(None, None, self.source)
        counted = Group("substances", substance_kinds(registers, self.source), sources)
        blocks = []
        if "substances" in measures:
            blocks.append(_distinct([counted], over, "", [None]))
        if "polypharmacy" in measures and thresholds:
            blocks.append(_polypharmacy(counted, over, thresholds))
        if "anticholinergic" in measures:
            blocks.append(self._burden(registers, sources, over))
        if "dose_dispensing" in measures:
            blocks.append(self._dose_dispensing(registers, sources, over))
        if self.by is not None:
            blocks.append(self._groups(registers, sources, over))
        return blocks

    def _groups(self, registers: Registers, sources, over) -> Block:
        codelist = as_codelist(self.by)
        found = codelist.groups_of_kinds(registers.event_columns.kinds) & _substances(registers, self.source)
        groups = [Group(name, found[row], sources) for row, name in enumerate(codelist.groups)]
        labels = [codelist.labels.get(name) or {} for name in codelist.groups]
        return _distinct(groups, over, codelist.name, labels)

    def _burden(self, registers: Registers, sources, over) -> Block:
        table, kinds = load_score("anticholinergic"), registers.event_columns.kinds
        scored = table.weights[self.anticholinergic]
        of_substance = table.codelist.groups_of_kinds(kinds) & _substances(registers, self.source)
        points = sorted({score for score in scored.values() if score})
        groups = []
        for score in points:
            rows = [row for row, name in enumerate(table.codelist.groups) if scored.get(name) == score]
            groups.append(Group(f"score_{score:g}", of_substance[rows].any(axis=0), sources))
        features = tuple(
            column(
                f"anticholinergic_{self.anticholinergic}",
                window,
                partial(text, "features.medicines.anticholinergic", what=PUBLISHED[self.anticholinergic]),
                measure="anticholinergic",
                source=sources,
                group=f"anticholinergic_{self.anticholinergic}",
                topic="medicines",
            )
            for window in over
        )
        parts = (measured(groups, "distinct", "distinct", over),)
        return Block(features, parts=parts, derive=partial(_points, points=tuple(points), n_windows=len(over)))

    def _dose_dispensing(self, registers: Registers, sources, over) -> Block:
        features = tuple(
            column(
                "dose_dispensing",
                window,
                partial(text, "features.medicines.dose_dispensing"),
                measure="any",
                source=sources,
                group="dose_dispensing",
                topic="medicines",
            )
            for window in over
        )
        kinds = registers.event_columns.kinds
        marked = of_sources(registers, self.source) & (kinds["code_system"] == _DOSE_DISPENSING).to_numpy()
        if not marked.any():
            return Block(features, compute=partial(_unknown, n_columns=len(over)))
        plain = measured([Group("dose_dispensing", marked, sources)], "any", "any", over)
        return Block(features, plain.measures)


def substance_kinds(registers: Registers, source) -> np.ndarray:
    """Kinds of events that count as a medicine: purchases of whole ATC codes, without D, V and vaccines."""
    codes = registers.event_columns.kinds["code"]
    return _substances(registers, source) & np.array([not code.startswith(_NOT_COUNTED) for code in codes], dtype=bool)


def _substances(registers: Registers, source) -> np.ndarray:
    kinds = registers.event_columns.kinds
    whole = np.array([atc_level(code) == 5 for code in kinds["code"]], dtype=bool)
    return of_sources(registers, source) & (kinds["code_system"] == "ATC").to_numpy() & whole


def _distinct(groups: list[Group], over, codes: str, labels: list[dict | None]) -> Block:
    """Number of different substances per group; without labels, of all."""
    features = tuple(
        _substances_column(group, window, codes, words)
        for group, words in zip(groups, labels, strict=True)
        for window in over
    )
    return Block(features, measured(groups, "distinct", "distinct", over).measures)


def _substances_column(group: Group, window, codes: str, words: dict | None) -> Feature:
    def what(language: str) -> str:
        if words is None:
            return text("features.medicines.substances", language)
        return text("features.medicines.substances_of", language, what=words.get(language) or group.name)

    return column(
        "substances" if words is None else f"substances_{group.name}",
        window,
        what,
        measure="distinct",
        source=group.sources,
        codes=codes,
        group=group.name,
        topic="medicines",
    )


def _polypharmacy(counted: Group, over, thresholds: list[int]) -> Block:
    features = tuple(
        column(
            f"polypharmacy_{n}",
            window,
            lambda language, n=n: text("features.medicines.polypharmacy", language, n=n),
            measure="any",
            source=counted.sources,
            group="substances",
            topic="medicines",
        )
        for n in thresholds
        for window in over
    )
    parts = (measured([counted], "distinct", "distinct", over),)
    return Block(features, parts=parts, derive=partial(_at_least, thresholds=tuple(thresholds)))


def _at_least(cohort: Cohort, distinct: np.ndarray, *, thresholds: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.where(np.isnan(distinct), np.nan, distinct >= n) for n in thresholds])


def _points(cohort: Cohort, distinct: np.ndarray, *, points: tuple[float, ...], n_windows: int) -> np.ndarray:
    burden = np.zeros((n_windows, len(cohort)))
    for score, n in zip(points, by_window(distinct, n_windows), strict=True):
        burden += score * n
    return burden


def _unknown(cohort: Cohort, *, n_columns: int) -> np.ndarray:
    return np.full((n_columns, len(cohort)), np.nan)
