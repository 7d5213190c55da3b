"""Rows of (person, index date) in; training and test rows out, training always before test."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.model_selection import BaseCrossValidator

from servicenee._checks import check_count, check_days, check_fraction
from servicenee.evaluation.grouping import person_groups

_DAY = np.timedelta64(1, "D")


class RollingOrigin(BaseCrossValidator):
    """Train on earlier index dates, test on later ones, and start again from a later origin.

    Parameters
    ----------
    n_splits : int
        Number of test periods. They do not overlap; the last ends with the latest index date.
    test_days : int
        Length of a test period: it holds the index dates of so many days.
    embargo_days : int
        Days between an index date of training and the first index date of the test. Take gap + horizon of the
        outcome, so that every outcome window of training has ended when the test begins.
    new_persons : float or None, default=None
        None tests everybody in the test period, most of whom training knows from earlier dates: that is how a model
        will be used. A fraction deals so many of the persons at random to the test of each split and keeps their
        rows out of its training: the figure for persons never seen.
    random_state : int or None, default=None
        Seed of the dealing; it needs `new_persons`.

    Notes
    -----
    Index dates are read from the level ``index_date`` of the index of X (a cohort or a feature table), else from that
    of y; persons likewise, or from ``groups``. So the splitter works wherever scikit-learn takes ``cv=``:
    `GridSearchCV` and `cross_validate` over a feature table, or over a cohort of raw registers.

    Training ends, to the day, where its outcome windows end; what the registers learned of them later (reporting lag,
    confirmation of a start) is not held back. Add those days to `embargo_days` to train as one could have on the spot.
    With metadata routing enabled, ``groups`` reach the splitter without being asked for.

    References
    ----------
    Tashman LJ. Out-of-sample tests of forecasting accuracy: an analysis and review. Int J Forecast 2000;16:437-450.
    López de Prado M. Advances in Financial Machine Learning. Wiley 2018, chapter 7 (purging and embargo).

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import RollingOrigin
    >>> dates = pd.to_datetime(["2019-01-01", "2020-01-01", "2021-01-01", "2022-01-01"])
    >>> X = pd.DataFrame({"age": range(4)}, index=pd.MultiIndex.from_product([["a"], dates],
    ...                  names=["person_id", "index_date"]))
    >>> splits = RollingOrigin(2, test_days=365, embargo_days=365)
    >>> [(train.tolist(), test.tolist()) for train, test in splits.split(X)]
    [([0, 1], [2]), ([0, 1, 2], [3])]
    """

    __metadata_request__split = {"groups": True}

    def __init__(
        self,
        n_splits: int,
        *,
        test_days: int,
        embargo_days: int,
        new_persons: float | None = None,
        random_state: int | None = None,
    ):
        self.n_splits = n_splits
        self.test_days = test_days
        self.embargo_days = embargo_days
        self.new_persons = new_persons
        self.random_state = random_state

    def split(self, X, y=None, groups=None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Positions of training and of test rows of every split, earliest test first.

        Parameters
        ----------
        X : Cohort or DataFrame
        y : DataFrame or Series, default=None
            Labels; their index is used when `X` has none with index dates.
        groups : array-like of shape (n_rows,), default=None
            Persons, for `new_persons`; by default those of the index.

        Yields
        ------
        train, test : ndarray of int
            Ascending positions.

        Raises
        ------
        ValueError
            If there are no index dates, or they do not reach far enough back for all splits.
        """
        self._check()
        day = _index_days(X, y)
        person = None if self.new_persons is None else self._persons(X, y, groups)
        for split, (test_from, test_to) in enumerate(self._periods(day)):
            train = day + self.embargo_days * _DAY <= test_from
            test = (day >= test_from) & (day <= test_to)
            if person is not None:
                tested = self._dealt(person, split)
                train, test = train & ~tested, test & tested
            if not train.any() or not test.any():
                raise ValueError(
                    f"`n_splits` must leave rows on both sides of every split; split {split + 1} of {self.n_splits}, "
                    f"tested from {test_from}, has {int(train.sum())} training and {int(test.sum())} test rows. "
                    "Take fewer splits, earlier index dates or a shorter embargo."
                )
            yield np.flatnonzero(train), np.flatnonzero(test)

    def get_n_splits(self, X=None, y=None, groups=None) -> int:
        """Number of splits.

        Parameters
        ----------
        X, y, groups : object, default=None
            Not used; scikit-learn passes them.
        """
        return self.n_splits

    def _check(self) -> None:
        check_count("n_splits", self.n_splits)
        check_days("test_days", self.test_days, minimum=1)
        check_days("embargo_days", self.embargo_days, minimum=1)
        if self.new_persons is not None and not 0 < check_fraction("new_persons", self.new_persons) < 1:
            raise ValueError(f"`new_persons` must be between 0 and 1, or None; got {self.new_persons!r}.")

    def _periods(self, day: np.ndarray) -> list[tuple[np.datetime64, np.datetime64]]:
        """First and last index date of every test period, earliest first."""
        left, periods = np.unique(day), []
        while len(periods) < self.n_splits and len(left):
            inside = left > left[-1] - self.test_days * _DAY
            periods.append((left[inside][0], left[-1]))
            left = left[~inside]
        if len(periods) < self.n_splits:
            raise ValueError(
                f"`n_splits` must not exceed the test periods there are; the index dates, {np.min(day)} to "
                f"{np.max(day)}, make {len(periods)} of {self.test_days} days, got n_splits={self.n_splits}."
            )
        return periods[::-1]

    def _persons(self, X, y, groups) -> np.ndarray:
        person = person_groups(X, y, groups)
        if person is None:
            raise ValueError("`new_persons` needs to know persons: pass `groups`, or X or y with a level person_id.")
        return pd.factorize(person, sort=True)[0]

    def _dealt(self, person: np.ndarray, split: int) -> np.ndarray:
        """True for the rows of the persons tested in this split; persons are dealt anew for every split."""
        n_persons = int(person.max()) + 1
        entropy = np.random.SeedSequence(self.random_state).entropy
        rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(split,)))
        tested = np.zeros(n_persons, dtype=bool)
        tested[rng.permutation(n_persons)[: round(self.new_persons * n_persons)]] = True
        return tested[person]


def _index_days(X, y) -> np.ndarray:
    """Index date of every row as ``datetime64[D]``."""
    for table in (X, y):
        index = getattr(table, "index", None)
        if isinstance(index, pd.Index) and "index_date" in index.names:
            return pd.DatetimeIndex(index.get_level_values("index_date")).to_numpy().astype("datetime64[D]")
    raise ValueError(
        "`X` must be a cohort, or X or y a table whose index has the level index_date; neither is. Bare arrays do not "
        "tell their dates."
    )
