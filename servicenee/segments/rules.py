"""Features and a scheme of ordered rules come in; everybody's segment, and the rule that gave it, go out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from servicenee._checks import check_count
from servicenee.need.columns import column_names
from servicenee.segments.names import with_renamed
from servicenee.segments.reasons import REASON_COLUMNS
from servicenee.segments.schemes import Clause, Rule, as_rules, clause_values, plain_rules, segment_labels

_HOLDS = {">=": np.greater_equal, ">": np.greater, "<=": np.less_equal, "<": np.less, "==": np.equal}


class RuleSegmenter(BaseEstimator):
    """Segments by ordered rules written as data rows: everybody is in exactly one, by the first rule that holds.

    Parameters
    ----------
    scheme : str, DataFrame or list of dict, default="needs_pyramid"
        Name of a shipped scheme (`shipped_schemes`), or rows as `load_scheme` gives them.

    Attributes
    ----------
    segments_ : tuple of str
        Segments in the order of the rules.
    segment_shares_ : ndarray of shape (n_segments,)
        Share of the training persons in each.
    rules_ : tuple of Rule
        The rules in order.
    thresholds_ : dict of str to float
        For each rule on a top share ("feature, top 0.1"): the value from which a person belongs to it, learnt in
        training and then frozen.
    n_rows_ : int
        Rows of the training data.

    Notes
    -----
    A comparison with a missing value does not hold; a person is *uncertain* when a value that registers should hold was
    missing in a rule tried before one held. The segment is a proposal. Registers propose the burden only: the other
    axis of a four-field scheme (coping, resources, benefit) is a column that client and professional fill in, such as
    ``coping_assessed``; without it nobody is placed on that axis. Nobody is called self-managing because the registers
    are silent.

    References
    ----------
    Lynn J et al. Using population segmentation to provide better health care for all: the "Bridges to Health" model.
    Milbank Q 2007;85:185-208.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee import RuleSegmenter
    >>> X = pd.DataFrame({"n_chronic_conditions_1825d": [4, 0, 3], "stay_count_inpatient_unplanned_365d": [0, 0, 0]})
    >>> RuleSegmenter("suuntima").fit(X).scores(X)["segment"].tolist()
    ['burden_high', 'burden_low', 'burden_high']
    >>> X["coping_assessed"] = [1, None, 0]
    >>> RuleSegmenter("suuntima").fit(X).scores(X)["segment"].tolist()
    ['collaboration', 'burden_low', 'network']
    """

    def __init__(self, scheme="needs_pyramid"):
        self.scheme = scheme

    def fit(self, X, y=None):
        """Check the rules, and learn the thresholds of top shares.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns that the rules name; more are allowed.
        y : None
            Not used.

        Returns
        -------
        RuleSegmenter
            Itself.
        """
        self.rules_ = as_rules(self.scheme)
        names, columns = self._read(X, reset=True)
        self.segments_ = tuple(dict.fromkeys(rule.segment for rule in self.rules_))
        self.segment_names_ = segment_labels(self.scheme)
        tops = [clause for rule in self.rules_ for clause in rule.clauses if clause.comparison == "top_share"]
        self.thresholds_ = {
            _top(clause): _threshold(clause_values(clause, names, columns), clause.value) for clause in tops
        }
        self.n_rows_ = len(columns[0])
        places, _ = self._fire(names, columns)
        codes = self._codes()[places]
        self.segment_shares_ = np.bincount(codes, minlength=len(self.segments_)) / self.n_rows_
        return self

    def predict(self, X):
        """Give the number of every row's segment: its place in `segments_`.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        ndarray of int, shape (n_rows,)
        """
        check_is_fitted(self)
        places, _ = self._fire(*self._read(X, reset=False))
        return self._codes()[places]

    def fit_predict(self, X, y=None):
        """Check the rules and give the number of every row's segment.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
        y : None
            Not used.

        Returns
        -------
        ndarray of int, shape (n_rows,)
        """
        return self.fit(X).predict(X)

    def scores(self, X) -> pd.DataFrame:
        """Give every row its segment, with probability 1, and whether it is uncertain.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
            segment, segment_probability (1.0: rules leave no chance), uncertain (a value needed was missing).
        """
        check_is_fitted(self)
        places, uncertain = self._fire(*self._read(X, reset=False))
        segment = np.array(self.segments_, dtype=object)[self._codes()[places]]
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame({"segment": segment, "segment_probability": 1.0, "uncertain": uncertain}, index=index)

    @property
    def estimand(self):
        """What a segment is, in words."""
        return "segment of the first rule that the records before the index date meet; a proposal, not a decision"

    def segment_probabilities(self, X) -> pd.DataFrame:
        """Give 1 for every row's segment and 0 for the others, one column per segment.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
        """
        codes = self.predict(X)
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(np.eye(len(self.segments_))[codes], index=index, columns=list(self.segments_))

    def fired(self, X) -> pd.DataFrame:
        """Give the rule that placed every row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
            rule (its order in the scheme), segment, note.
        """
        check_is_fitted(self)
        places, _ = self._fire(*self._read(X, reset=False))
        rules = pd.DataFrame([[rule.order, rule.segment, rule.note] for rule in self.rules_])
        rules.columns = ["rule", "segment", "note"]
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(places))
        return rules.iloc[places].set_axis(index)

    def explain(self, X, n_reasons=3) -> pd.DataFrame:
        """Give the comparisons of the rule that placed each row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.
        n_reasons : int, default=3
            At most this many per row.

        Returns
        -------
        DataFrame
            order, feature (as the rule names it), value, reference (what the rule asks for), contribution (NaN: a rule
            holds or does not); the index of X's rows, repeated. Rows that no rule picked out have none.
        """
        check_is_fitted(self)
        check_count("n_reasons", n_reasons)
        names, columns = self._read(X, reset=False)
        places, _ = self._fire(names, columns)
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(places))
        parts = [pd.DataFrame(columns=["row", *REASON_COLUMNS])]
        for place, rule in enumerate(self.rules_):
            rows = np.flatnonzero(places == place)
            for order, clause in enumerate(rule.clauses[:n_reasons], start=1):
                if len(rows):
                    values = clause_values(clause, names, columns)[rows]
                    reference = self.thresholds_.get(_top(clause), clause.value)
                    facts = {"row": rows, "order": order, "feature": clause.feature, "value": values}
                    parts.append(pd.DataFrame(facts | {"reference": reference, "contribution": np.nan}))
        table = pd.concat(parts[1:] or parts, ignore_index=True).sort_values(["row", "order"], kind="stable")
        return table[REASON_COLUMNS].set_axis(index[table["row"].to_numpy(dtype=np.intp)])

    def rename(self, names: Mapping[str, Mapping[str, str]]) -> "RuleSegmenter":
        """Give segments the names that people chose.

        Parameters
        ----------
        names : mapping of str to mapping of str to str
            Name per language of each segment.

        Returns
        -------
        RuleSegmenter
            Itself.
        """
        check_is_fitted(self)
        self.segment_names_ = with_renamed(self.segment_names_, names, self.segments_)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self):
        state = super().__getstate__()
        # A saved model holds plain values only, and a scheme may come as a DataFrame.
        if "rules_" in state and not isinstance(self.scheme, str):
            return state | {"scheme": plain_rules(self.rules_)}
        return state

    def _read(self, X, *, reset: bool) -> tuple[list[str], list[np.ndarray]]:
        if not isinstance(X, pd.DataFrame):
            X = validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan")
            return column_names(X), list(np.asarray(X, dtype=np.float64).T)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if 0 in X.shape:
            raise ValueError(f"`X` must have at least one row and one column; got shape {X.shape}.")
        return column_names(X), [_numbers(X.iloc[:, place]) for place in range(X.shape[1])]

    def _codes(self) -> np.ndarray:
        """Place of each rule's segment."""
        return np.array([self.segments_.index(rule.segment) for rule in self.rules_], dtype=np.intp)

    def _fire(self, names: list[str], columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Place of the first rule that holds for each row; whether a value of an earlier or that rule was missing."""
        n_rows = len(columns[0])
        places = np.full(n_rows, len(self.rules_) - 1, dtype=np.intp)
        is_open, uncertain = np.ones(n_rows, dtype=bool), np.zeros(n_rows, dtype=bool)
        for place, rule in enumerate(self.rules_[:-1]):
            holds, unknown = self._holds(rule, names, columns)
            uncertain |= is_open & unknown & ~holds
            places[is_open & holds] = place
            is_open &= ~holds
        return places, uncertain

    def _holds(self, rule: Rule, names: list[str], columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        holds, unknown = np.ones(len(columns[0]), dtype=bool), np.zeros(len(columns[0]), dtype=bool)
        refuted = np.zeros(len(columns[0]), dtype=bool)
        for clause in rule.clauses:
            values = clause_values(clause, names, columns)
            if values is None:
                return np.zeros_like(holds), np.zeros_like(unknown)
            met = self._meets(clause, values)
            holds &= met
            unknown |= np.isnan(values) & (clause.origin == "register")
            refuted |= ~met & ~np.isnan(values)
        return holds, unknown & ~refuted

    def _meets(self, clause: Clause, values: np.ndarray) -> np.ndarray:
        if clause.comparison == "top_share":
            return values >= self.thresholds_[_top(clause)]
        return _HOLDS[clause.comparison](values, clause.value)


def _top(clause: Clause) -> str:
    return f"{clause.feature}, top {clause.value:g}"


def _threshold(values: np.ndarray, share: float) -> float:
    """The least value above 0 that at most this share of the known values reaches; infinity if ties leave none."""
    known = np.sort(values[~np.isnan(values)])
    distinct, first = np.unique(known, return_index=True)
    reached = (len(known) - first) / max(len(known), 1)
    fits = distinct[(reached <= share) & (distinct > 0)]
    return float(fits[0]) if len(fits) else float("inf")


def _numbers(column: pd.Series) -> np.ndarray:
    """Values as numbers; a column of text serves no rule and reads as missing."""
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
