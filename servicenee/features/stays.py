"""Builders on stays: how many, how long, going on or ended, and moves between levels of care."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations

import numpy as np

from servicenee._checks import check_choice, check_days
from servicenee.cohort import Cohort
from servicenee.features.blocks import Block, Feature, measured, stay_groups, windows
from servicenee.features.builders import Builder
from servicenee.features.derived import column
from servicenee.features.labels import label
from servicenee.registers import Registers
from servicenee.texts import LANGUAGES, known_text, text
from servicenee.windows import Window, level_moves, uncovered


class _StayBuilder(Builder):
    """Parameters that all builders on stays share; a builder adds the statistic and the word for it."""

    _statistic: str
    _measure: str

    def __init__(self, kind=None, *, source=None, lookback_days=365, skip_days=0):
        self.kind = kind
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        groups = stay_groups(registers, self.kind, self.source)
        return [measured(groups, self._statistic, self._measure, over, of_stays=True)]


class StayDays(_StayBuilder):
    """Days in stay in each lookback window, overlapping stays counted once.

    Parameters
    ----------
    kind : str or list of str, optional
        Kinds of stay, one column each; by default all kinds together.
    source : str or list of str, optional
        Sources that count; by default all.
    lookback_days : int, None or list of them, default=365
        Window [index - lookback_days, index - skip_days); None looks back over all history, as far as
        the source reaches: it is never taken for not covered.
    skip_days : int, default=0
        Days next to the index date that are left out.

    Notes
    -----
    A stay covers the days from its start up to, not including, its end: a stay within one day has no days (nights). A
    stay whose end had not been reported by the index date goes on to the index date. 0 means observed, none; NaN means
    that a source does not cover the window.

    Examples
    --------
    In hospital from 1 to 11 March 2023, by a second record from 5 to 13 March, and from 20 December on. Seen on 1
    January 2024: 12 days in March, overlaps counted once, and 12 days in December.

    >>> import pandas as pd
    >>> from servicenee import Cohort, StayDays, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    >>> stays = pd.DataFrame({"person_id": "a", "source": "inpatient", "kind": "inpatient_unplanned",
    ...     "start": pd.to_datetime(["2023-03-01", "2023-03-05", "2023-12-20"]),
    ...     "end": pd.to_datetime(["2023-03-11", "2023-03-13", None])})
    >>> registers = Registers(persons, events, stays, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> StayDays("inpatient_unplanned", lookback_days=[30, 365]).fit_transform(cohort).iloc[0].to_dict()
    {'stay_days_inpatient_unplanned_30d': 12.0, 'stay_days_inpatient_unplanned_365d': 24.0}
    """

    _statistic, _measure = "days", "stay_days"


class StayCounts(_StayBuilder):
    """Number of stays that began in each lookback window.

    Parameters
    ----------
    kind, source, lookback_days, skip_days
        As in `StayDays`.

    Notes
    -----
    0 means observed, none; NaN means that a source does not cover the window.

    Examples
    --------
    In hospital on 1-5 March 2023, by transfer in another ward on 6-12 March, and again on 10-13 October; seen on 1
    January 2024. Three stays began in the year, one of them in the last 90 days (`CareChains` takes March as one).

    >>> import pandas as pd
    >>> from servicenee import Cohort, StayCounts, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    >>> stays = pd.DataFrame({"person_id": "a", "source": "inpatient", "kind": "inpatient_unplanned",
    ...     "start": pd.to_datetime(["2023-03-01", "2023-03-06", "2023-10-10"]),
    ...     "end": pd.to_datetime(["2023-03-05", "2023-03-12", "2023-10-13"])})
    >>> registers = Registers(persons, events, stays, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> StayCounts("inpatient_unplanned", lookback_days=[90, 365]).fit_transform(cohort).iloc[0].to_dict()
    {'stay_count_inpatient_unplanned_90d': 1.0, 'stay_count_inpatient_unplanned_365d': 3.0}
    """

    _statistic, _measure = "count", "stay_count"


class CareChains(_StayBuilder):
    """Number of care chains that began in each lookback window: stays with transfers between them count once.

    Parameters
    ----------
    kind, source, lookback_days, skip_days
        As in `StayDays`.

    Notes
    -----
    Stays of one column that overlap, or of which one begins at most a day after the end of another, are one chain. 0
    means observed, none; NaN means that a source does not cover the window.

    Examples
    --------
    In hospital on 1-5 March 2023, by transfer in another ward on 6-12 March, and again on 10-13 October; seen on 1
    January 2024. March is one chain, because the second stay began a day after the first had ended.

    >>> import pandas as pd
    >>> from servicenee import Cohort, CareChains, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    >>> stays = pd.DataFrame({"person_id": "a", "source": "inpatient", "kind": "inpatient_unplanned",
    ...     "start": pd.to_datetime(["2023-03-01", "2023-03-06", "2023-10-10"]),
    ...     "end": pd.to_datetime(["2023-03-05", "2023-03-12", "2023-10-13"])})
    >>> registers = Registers(persons, events, stays, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> CareChains("inpatient_unplanned").fit_transform(cohort).iloc[0].to_dict()
    {'chain_count_inpatient_unplanned_365d': 2.0}
    """

    _statistic, _measure = "chains", "chain_count"


class LongestStay(_StayBuilder):
    """Days of the longest care chain in each lookback window.

    Parameters
    ----------
    kind, source, lookback_days, skip_days
        As in `StayDays`.

    Notes
    -----
    Chains as in `CareChains`, from the first start to the last end; only days in the window count, and a chain that
    goes on is counted to the index date. 0 means observed, none (or within one day); NaN means that a source does not
    cover the window.

    Examples
    --------
    In hospital on 1-5 March 2023, by transfer in another ward on 6-12 March, and again on 10-13 October; seen on 1
    January 2024. From 1 to 12 March are 11 nights, in October there are 3.

    >>> import pandas as pd
    >>> from servicenee import Cohort, LongestStay, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    >>> stays = pd.DataFrame({"person_id": "a", "source": "inpatient", "kind": "inpatient_unplanned",
    ...     "start": pd.to_datetime(["2023-03-01", "2023-03-06", "2023-10-10"]),
    ...     "end": pd.to_datetime(["2023-03-05", "2023-03-12", "2023-10-13"])})
    >>> registers = Registers(persons, events, stays, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> LongestStay("inpatient_unplanned", lookback_days=[90, 365]).fit_transform(cohort).iloc[0].to_dict()
    {'longest_stay_inpatient_unplanned_90d': 3.0, 'longest_stay_inpatient_unplanned_365d': 11.0}
    """

    _statistic, _measure = "longest", "longest_stay"


class DaysSinceDischarge(_StayBuilder):
    """Days from the latest known end of a care chain in each lookback window to the index date.

    Parameters
    ----------
    kind, source, lookback_days, skip_days
        As in `StayDays`.

    Notes
    -----
    Chains as in `CareChains`: a transfer is no discharge. A person in hospital on the index date has the discharge
    before, if there is one (`InStay` tells that the person is in). An end not yet reported is not known. NaN means no
    discharge in the window, whether there was none or the source was silent.

    Examples
    --------
    In hospital on 1-5 March 2023, by transfer in another ward on 6-12 March, and again on 10-13 October; seen on 1
    January 2024. From 13 October to 1 January are 80 days.

    >>> import pandas as pd
    >>> from servicenee import Cohort, DaysSinceDischarge, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    >>> stays = pd.DataFrame({"person_id": "a", "source": "inpatient", "kind": "inpatient_unplanned",
    ...     "start": pd.to_datetime(["2023-03-01", "2023-03-06", "2023-10-10"]),
    ...     "end": pd.to_datetime(["2023-03-05", "2023-03-12", "2023-10-13"])})
    >>> registers = Registers(persons, events, stays, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> DaysSinceDischarge("inpatient_unplanned").fit_transform(cohort).iloc[0].to_dict()
    {'since_discharge_inpatient_unplanned_365d': 80.0}
    """

    _statistic, _measure = "since_end", "since_discharge"


class InStay(Builder):
    """Whether a stay goes on at the index date: 1 or 0.

    Parameters
    ----------
    kind, source
        As in `StayDays`.
    skip_days : int, default=0
        Asks for the day so many days before the index date, as far as is known on the index date.

    Notes
    -----
    A stay that began before the index date and whose end had not been reported before it goes on. 0 means observed, not
    in a stay; NaN means that a source does not cover the day before.

    Examples
    --------
    Home care began on 1 May 2023; a hospital stay began on 20 December and ended on 31 December. On 1 January 2024 the
    person is a home-care client and not in hospital.

    >>> import pandas as pd
    >>> from servicenee import Cohort, InStay, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    >>> stays = pd.DataFrame({"person_id": "a", "source": ["home_care", "inpatient"],
    ...     "kind": ["home_care", "inpatient_unplanned"], "start": pd.to_datetime(["2023-05-01", "2023-12-20"]),
    ...     "end": pd.to_datetime([None, "2023-12-31"])})
    >>> registers = Registers(persons, events, stays, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> InStay(["home_care", "inpatient_unplanned"]).fit_transform(cohort).iloc[0].to_dict()
    {'in_stay_home_care': 1.0, 'in_stay_inpatient_unplanned': 0.0}
    """

    def __init__(self, kind=None, *, source=None, skip_days=0):
        self.kind = kind
        self.source = source
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        skip = check_days("skip_days", self.skip_days)
        groups = stay_groups(registers, self.kind, self.source)
        block = measured(groups, "inside", "in_stay", (Window(skip + 1, skip),), of_stays=True)
        features = tuple(_without_window(feature, skip) for feature in block.features)
        return [replace(block, features=features)]


def _without_window(feature: Feature, skip: int) -> Feature:
    """The same column named for a day, not for a window."""
    name = f"in_stay_{feature.group}" + (f"_skip{skip}d" if skip else "")
    return replace(feature, name=name, words=partial(_in_stay_labels, feature, skip))


def _in_stay_labels(feature: Feature, skip: int) -> dict[str, str]:
    labels = label("in_stay", feature.group, "", feature.source, {}, None, of_stays=True)
    if not skip:
        return labels
    key, n = ("features.label.day_ago", {}) if skip == 1 else ("features.label.ago", {"n": skip})
    return {language: text(key, language, what=labels[language], **n) for language in LANGUAGES}


class CareMoves(Builder):
    """Number of moves between levels of care in each lookback window: by direction, or from each level to each other.

    Parameters
    ----------
    levels : list of (str or list of str), default=("home_care", "communal_housing", "round_the_clock")
        Kinds of stay from the lightest to the heaviest level; a level may hold several kinds. Before the first comes
        living at home without any of them.
    by : {"direction", "pair"}, default="direction"
        "direction": one column of the moves to a heavier level and one of those to a lighter. "pair": one column for
        every level that can be left and every other that can be entered, such as ``moves_home_to_home_care_365d``.
    source, lookback_days, skip_days
        As in `StayDays`.

    Notes
    -----
    The level of a day is the heaviest that covers it. Only levels named count: a hospital stay is no move. A break of a
    service of at most one day is no move; a longer one is a move away and a move back. A move over a level, such as
    from home straight to round-the-clock care, is one move. 0 means observed, none; NaN means that a source of these
    stays does not cover the window.

    Examples
    --------
    Home care from 1 March 2023, round-the-clock care from 10 November; home care is closed two weeks later. Seen on 1
    January 2024: from home to home care and from there to round-the-clock care are two moves to a heavier level within
    a year, one within 90 days.

    >>> import pandas as pd
    >>> from servicenee import Cohort, CareMoves, Registers
    >>> persons = pd.DataFrame({"person_id": ["a"], "birth_date": pd.to_datetime(["1940-05-01"]), "sex": ["female"]})
    >>> events = pd.DataFrame(columns=["person_id", "time", "source", "code_system", "code"])
    >>> stays = pd.DataFrame({"person_id": "a", "source": ["home_care", "round_the_clock_care"],
    ...     "kind": ["home_care", "round_the_clock"], "start": pd.to_datetime(["2023-03-01", "2023-11-10"]),
    ...     "end": pd.to_datetime(["2023-11-24", None])})
    >>> registers = Registers(persons, events, stays, extract_date="2024-06-01")
    >>> cohort = Cohort.from_frame(registers, pd.DataFrame({"person_id": ["a"], "index_date": ["2024-01-01"]}))
    >>> CareMoves(lookback_days=[90, 365]).fit_transform(cohort).iloc[0, :2].to_dict()
    {'heavier_care_90d': 1.0, 'heavier_care_365d': 2.0}
    >>> X = CareMoves(["home_care", "round_the_clock"], by="pair").fit_transform(cohort)
    >>> X.loc[:, X.iloc[0] > 0].iloc[0].to_dict()
    {'moves_home_to_home_care_365d': 1.0, 'moves_home_care_to_round_the_clock_365d': 1.0}
    """

    def __init__(
        self,
        levels=("home_care", "communal_housing", "round_the_clock"),
        *,
        by="direction",
        source=None,
        lookback_days=365,
        skip_days=0,
    ):
        self.levels = levels
        self.by = by
        self.source = source
        self.lookback_days = lookback_days
        self.skip_days = skip_days

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns to compute for these registers; the parameters are checked here."""
        over = windows(self.lookback_days, self.skip_days)
        by_pair = check_choice("by", self.by, ("direction", "pair")) == "pair"
        levels = _levels(self.levels)
        level_of_kind = np.zeros(len(registers.stay_columns.kinds), dtype=np.int32)
        sources: list[str] = []
        for number, kinds in enumerate(levels, start=1):
            for group in stay_groups(registers, kinds, self.source):
                level_of_kind[group.kinds] = number
                sources += [source for source in group.sources if source not in sources]
        moves = _moves_by_pair(levels) if by_pair else _moves_by_direction(len(levels))
        features = tuple(
            column(move.name, window, move.words, measure="moves", source=tuple(sources), topic="services")
            for move in moves
            for window in over
        )
        compute = partial(_counted, moves=moves, level_of_kind=level_of_kind, sources=tuple(sources), over=over)
        return [Block(features, compute=compute)]


@dataclass(frozen=True)
class _Move:
    """A column of moves: what it is called and which of them (from, to) it counts."""

    name: str
    words: Callable[[str], str]
    counted: np.ndarray


def _moves_by_direction(n_levels: int) -> list[_Move]:
    heavier = np.triu(np.ones((n_levels + 1, n_levels + 1), dtype=bool), 1)
    named = (("heavier_care", heavier), ("lighter_care", heavier.T))
    return [_Move(name, partial(text, f"features.measure.{name}"), counted) for name, counted in named]


def _moves_by_pair(levels: list[list[str]]) -> list[_Move]:
    """Every level to every other, heavier ones first."""
    names = [["home"], *levels]
    pairs = sorted(permutations(range(len(names)), 2), key=lambda pair: pair[0] > pair[1])
    moves = []
    for left, entered in pairs:
        counted = np.zeros((len(names), len(names)), dtype=bool)
        counted[left, entered] = True
        words = partial(_pair_words, names[left], names[entered])
        moves.append(_Move(f"moves_{'+'.join(names[left])}_to_{'+'.join(names[entered])}", words, counted))
    return moves


def _pair_words(left: list[str], entered: list[str], language: str) -> str:
    return text("features.measure.moves", language, left=_level(left, language), entered=_level(entered, language))


def _level(kinds: list[str], language: str) -> str:
    return " / ".join(known_text(f"features.level.{kind}", language) or kind for kind in kinds)


def _levels(levels) -> list[list[str]]:
    listed = [levels] if isinstance(levels, str) or not isinstance(levels, Iterable) else list(levels)
    groups = [list(level) if isinstance(level, list | tuple) else [level] for level in listed]
    kinds = [kind for group in groups for kind in group]
    if not kinds or not all(isinstance(kind, str) for kind in kinds) or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"`levels` must list kinds of stay from the lightest to the heaviest, each once; got {levels!r}."
        )
    return groups


def _counted(
    cohort: Cohort,
    *,
    moves: list[_Move],
    level_of_kind: np.ndarray,
    sources: tuple[str, ...],
    over: tuple[Window, ...],
) -> np.ndarray:
    registers = cohort.registers
    out = np.empty((len(moves), len(over), len(cohort)))
    for place, window in enumerate(over):
        found = level_moves(registers.stay_columns, level_of_kind, cohort.person, cohort.index_day, window)
        n_levels = len(found)  # levels that nobody has are no rows of `found`
        for number, move in enumerate(moves):
            out[number, place] = found[move.counted[:n_levels, :n_levels]].sum(axis=0)
        out[:, place, uncovered(registers.coverage_columns, sources, cohort.index_day, window)] = np.nan
    return out.reshape(len(moves) * len(over), len(cohort))
