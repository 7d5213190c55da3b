"""Conditions, categories, counts and scale values come in; segments with probabilities go out: latent classes."""

import hashlib
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from servicenee._checks import check_count, check_fraction, name_some
from servicenee.exceptions import ServiceneeWarning
from servicenee.segments.blocks import BlockColumn, finish_columns, learn_blocks, read_values, used
from servicenee.segments.mixture import (
    Design,
    Mixture,
    climb,
    entropy_r2,
    lay_out,
    log_likelihoods,
    make_design,
    overall_means,
    race,
)
from servicenee.segments.names import segment_keys, with_renamed
from servicenee.segments.patterns import distinct_rows
from servicenee.segments.reasons import column_reasons
from servicenee.segments.resampling import ACCEPT, REJECT, resampled_overlap, stability_table

ROWS_PER_PART = 16_384
_RACE_PERSONS = 10_000
_TOL = 1e-8
_MAX_ROUNDS = 2_000
_FEWEST_PERSONS = 5
_DECIMALS = 12


class LatentClassSegmenter(DensityMixin, BaseEstimator):
    """Segments of people whose conditions and values go together, by a latent class model.

    Parameters
    ----------
    n_segments : int or "auto", default="auto"
        Number of segments; "auto" fits 1 to `max_segments` and takes the one with the lowest BIC, never one with a
        segment smaller than `min_share` or than five persons.
    blocks : dict, default=None
        Which columns are used, and how: ``{"conditions": {"columns": ["condition_*"], "kind": "binary"}, "function":
        {"columns": ["assessed_CPS_*"], "kind": "scale", "weight": 3}}``. Columns are names or patterns; columns in no
        block are ignored; `kind` is "binary", "category", "count" or "scale", by default told by the values; `weight`
        multiplies the block's log-likelihood (default 1). None: all columns.
    max_segments : int, default=10
        Largest number that "auto" tries.
    n_starts : int, default=20
        Random starts for every number of segments.
    min_share : float, default=0.01
        Smallest share of persons in a segment that "auto" accepts.
    uncertain_below : float, default=0.6
        A person whose most probable segment is less probable than this is uncertain.
    n_bootstrap : int, default=20
        Refits with which "auto" measures the stability of the chosen segments; 0 for none. See `segment_stability`.
    random_state : int, RandomState or None, default=None
        Draws starts and resamples; pass an integer for the same segments every time.

    Attributes
    ----------
    n_segments_ : int
        Segments found.
    segment_shares_ : ndarray of shape (n_segments_,)
        Expected share of persons, descending: segment S1 is the largest.
    means_ : ndarray of shape (n_segments_, n_statistics)
        Probabilities of conditions and categories, means of counts, and mean and mean square of standardised scale
        values, in the order of `columns_`.
    columns_ : tuple of BlockColumn
        What is remembered of each column; `dropped` says why one is not used.
    loglik_, bic_ : float
        Log-likelihood of the training persons and Bayesian information criterion (lower is better).
    n_rows_ : int
        Rows of the training data.
    fingerprint_ : str
        Of the fitted parameters; names given by people belong to this one.

    Notes
    -----
    Within a segment columns are independent: Bernoulli, categorical, Poisson or normal. A missing value is left out of
    the likelihood (missing at random given the segment); a category that fewer than five persons had in training, or
    that is new, counts as missing. Counts with a long tail, such as visits, tell better in classes than as they are.
    Age and sex belong into the profile, not into the model. With block weights, log-likelihood and BIC are weighted.

    Every start is the best of as many draws as segments. Starts climb on at most 10,000 persons; the best three are
    polished on all of them by EM with squared extrapolation. Only distinct rows are counted, in a fixed order and with
    one thread of linear algebra, so segments depend neither on the order of rows nor on threads. Frailty that runs
    through all conditions may make two segments of one: look at `segment_stability` and prefer fewer segments where
    they differ only by level.

    A segment describes records, not need; registers do not know how people cope.

    References
    ----------
    Goodman LA. Exploratory latent structure analysis using both identifiable and unidentifiable models. Biometrika
    1974;61:215-231. Biernacki C, Celeux G, Govaert G. Choosing starting values for the EM algorithm. Comput Stat Data
    Anal 2003;41:561-575. Varadhan R, Roland C. Simple and globally convergent methods for accelerating the convergence
    of any EM algorithm. Scand J Stat 2008;35:335-353.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee import LatentClassSegmenter
    >>> rng = np.random.default_rng(0)
    >>> heart = rng.random(600) < 0.3
    >>> X = pd.DataFrame({name: rng.random(600) < np.where(heart, high, 0.05) for name, high in
    ...                   {"coronary": 0.7, "heart_failure": 0.6, "atrial_fib": 0.6, "ckd": 0.5}.items()})
    >>> segmenter = LatentClassSegmenter(random_state=0, max_segments=3).fit(X)
    >>> segmenter.n_segments_, segmenter.scores(X).columns.tolist()
    (2, ['segment', 'segment_probability', 'uncertain'])
    """

    def __init__(
        self,
        n_segments="auto",
        *,
        blocks=None,
        max_segments=10,
        n_starts=20,
        min_share=0.01,
        uncertain_below=0.6,
        n_bootstrap=20,
        random_state=None,
    ):
        self.n_segments = n_segments
        self.blocks = blocks
        self.max_segments = max_segments
        self.n_starts = n_starts
        self.min_share = min_share
        self.uncertain_below = uncertain_below
        self.n_bootstrap = n_bootstrap
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn the segments.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            0/1, categories (text), counts and scale values; missing values are allowed.
        y : None
            Not used.

        Returns
        -------
        LatentClassSegmenter
            Itself.
        """
        self._check_parameters()
        X = self._check_X(X, reset=True)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        with threadpool_limits(limits=1, user_api="blas"):
            design = self._learn_columns(X)
            self._learn_segments(design, rng)
        self.segment_names_ = {}
        return self

    def predict_proba(self, X):
        """Give the probability of every segment.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        ndarray of shape (n_rows, n_segments_)
            A row's values do not depend on the other rows.
        """
        check_is_fitted(self)
        return self._evaluate(X)[0]

    def predict(self, X):
        """Give the number of the most probable segment, from 0 for the largest.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        ndarray of int, shape (n_rows,)
        """
        check_is_fitted(self)
        return self.predict_proba(X).argmax(axis=1)

    def fit_predict(self, X, y=None):
        """Learn the segments and give the number of each row's segment.

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
        """Give every row its segment, the probability of it, and whether it is uncertain.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
            segment ("S1" for the largest, and so on), segment_probability, uncertain.
        """
        probabilities = self.segment_probabilities(X)
        best = probabilities.to_numpy().argmax(axis=1)
        highest = probabilities.to_numpy()[np.arange(len(best)), best]
        return pd.DataFrame(
            {
                "segment": probabilities.columns.to_numpy(dtype=object)[best],
                "segment_probability": highest,
                "uncertain": highest < self.uncertain_below,
            },
            index=probabilities.index,
        )

    @property
    def estimand(self):
        """What a segment is, in words."""
        return (
            "most probable of the latent classes of the records before the index date; it describes records, not need"
        )

    def segment_probabilities(self, X) -> pd.DataFrame:
        """Give the probability of every segment as a table, one column per segment: S1, S2, and so on.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        DataFrame, index of X
        """
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(self.predict_proba(X), index=index, columns=list(self.segments_))

    def explain(self, X, n_reasons=3) -> pd.DataFrame:
        """Give the columns that speak most for each row's segment against the average person.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.
        n_reasons : int, default=3
            At most this many per row.

        Returns
        -------
        DataFrame
            order, feature, value, reference (the average of everybody), contribution (difference in log-likelihood,
            above 0, descending); the index of X's rows, repeated.
        """
        check_is_fitted(self)
        check_count("n_reasons", n_reasons)
        X = self._check_X(X, reset=False)
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(X))
        best = self.predict_proba(X).argmax(axis=1)
        design = self._design(read_values(used(self.columns_), X))
        return column_reasons(design, used(self.columns_), self.means_[best], self.overall_means_, index, n_reasons)

    def score_samples(self, X):
        """Give the log-likelihood of every row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        return self._evaluate(X)[1]

    def score(self, X, y=None):
        """Give the mean log-likelihood of a row: what a search maximises.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_features)
            The columns of training.
        y : None
            Not used.

        Returns
        -------
        float
        """
        return float(np.mean(self.score_samples(X)))

    def rename(self, names: Mapping[str, Mapping[str, str]]) -> "LatentClassSegmenter":
        """Give segments the names that people chose; `fit` forgets them, because it may find other segments.

        Parameters
        ----------
        names : mapping of str to mapping of str to str
            Name per language of each segment: ``{"S1": {"fi": "Sydän ja munuaiset", "en": "Heart and kidneys"}}``.

        Returns
        -------
        LatentClassSegmenter
            Itself.
        """
        check_is_fitted(self)
        self.segment_names_ = with_renamed(self.segment_names_, names, self.segments_)
        return self

    @property
    def segments_(self) -> tuple[str, ...]:
        """Codes of the segments, from the largest: S1, S2, and so on."""
        check_is_fitted(self)
        return segment_keys(self.n_segments_)

    @property
    def selection_(self) -> pd.DataFrame:
        """What was tried: n_segments, loglik, n_parameters, bic, smallest_share, entropy_r2, chosen."""
        check_is_fitted(self)
        return pd.DataFrame(list(self.tried_))

    @property
    def stability_(self) -> pd.DataFrame:
        """Stability of the segments that "auto" chose: segment, jaccard, dissolved, recovered, verdict."""
        check_is_fitted(self)
        return stability_table(self.overlaps_, self.segments_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check_parameters(self) -> None:
        if self.n_segments != "auto":
            check_count("n_segments", self.n_segments)
        for name in ("max_segments", "n_starts"):
            check_count(name, getattr(self, name))
        check_count("n_bootstrap", self.n_bootstrap, minimum=0)
        for name in ("min_share", "uncertain_below"):
            check_fraction(name, getattr(self, name))

    def _check_X(self, X, *, reset: bool):
        if not isinstance(X, pd.DataFrame):
            return validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan")
        validate_data(self, X, reset=reset, skip_check_array=True)
        if 0 in X.shape:
            raise ValueError(f"`X` must have at least one row and one column; got shape {X.shape}.")
        if not X.columns.is_unique:
            raise ValueError("`X` must have a distinct name for each column; got the same name more than once.")
        return X

    def _learn_columns(self, X) -> Design:
        columns = learn_blocks(X, self.blocks)
        values, weights = distinct_rows(columns, read_values(columns, X))
        self.columns_: tuple[BlockColumn, ...] = finish_columns(columns, values, weights)
        self.n_rows_ = int(weights.sum())
        dropped = [f"{column.name} ({column.dropped})" for column in self.columns_ if column.dropped]
        if dropped:
            _warn(f"{len(dropped)} of {len(self.columns_)} columns of X are not used: {name_some(dropped)}.")
        values = values[[not column.dropped for column in self.columns_]]
        layout = lay_out(used(self.columns_), np.isnan(values).any(axis=1))
        return make_design(used(self.columns_), values, weights, layout)

    def _learn_segments(self, design: Design, rng: np.random.Generator) -> None:
        overall = overall_means(design)
        numbers = self._numbers(design)
        seeds = rng.integers(2**63, size=len(numbers) + 1)
        found = [
            fit_mixture(design, overall, number, self.n_starts, seed)
            for number, seed in zip(numbers, seeds[1:], strict=True)
        ]
        self.tried_ = [self._facts(design, mixture) for mixture in found]
        best = self._choose()
        self.tried_ = tuple(facts | {"chosen": place == best} for place, facts in enumerate(self.tried_))
        mixture = found[best]
        self.n_segments_ = numbers[best]
        self.segment_shares_, self.means_, self.overall_means_ = mixture.shares, mixture.means, overall
        self.loglik_, self.bic_ = mixture.loglik, self.tried_[best]["bic"]
        self.loglik_spread_ = _spread(design, mixture)
        self.fingerprint_ = _fingerprint(mixture)
        is_auto = self.n_segments == "auto"
        n_bootstrap = self.n_bootstrap if is_auto else 0
        self.overlaps_ = resampled_overlap(design, overall, mixture, n_bootstrap, np.random.default_rng(seeds[0]))
        self._warn_of_weak_segments()

    def _numbers(self, design: Design) -> list[int]:
        n_distinct = design.statistics.shape[1] if len(design.statistics) else 1
        if self.n_segments == "auto":
            return list(range(1, min(self.max_segments, n_distinct) + 1))
        if self.n_segments > n_distinct:
            raise ValueError(
                f"`n_segments` must not exceed the number of different rows of X; got {self.n_segments} for "
                f"{n_distinct} different rows (n_samples = {self.n_rows_}). Use n_segments='auto'."
            )
        return [int(self.n_segments)]

    def _facts(self, design: Design, mixture: Mixture) -> dict:
        n_segments = len(mixture.shares)
        n_parameters = n_segments - 1 + n_segments * sum(column.n_parameters for column in used(self.columns_))
        posterior, _ = log_likelihoods(design, mixture.shares, mixture.means)
        return {
            "n_segments": n_segments,
            "loglik": mixture.loglik,
            "n_parameters": n_parameters,
            "bic": n_parameters * float(np.log(self.n_rows_)) - 2.0 * mixture.loglik,
            "smallest_share": float(mixture.shares[-1]),
            "entropy_r2": entropy_r2(posterior, design.weights),
        }

    def _choose(self) -> int:
        """Place of the lowest BIC among those without a segment that is too small; one segment is always allowed."""
        least = max(self.min_share, _FEWEST_PERSONS / self.n_rows_)
        allowed = [
            place
            for place, facts in enumerate(self.tried_)
            if facts["n_segments"] == 1 or facts["smallest_share"] >= least or len(self.tried_) == 1
        ]
        return min(allowed, key=lambda place: self.tried_[place]["bic"])

    def _warn_of_weak_segments(self) -> None:
        table = stability_table(self.overlaps_, segment_keys(self.n_segments_))
        weak = [f"{row.segment} ({row.jaccard:.2f})" for row in table.itertuples() if row.verdict != "accept"]
        if weak:
            _warn(
                f"{len(weak)} of {self.n_segments_} segments are not surely found again in resamples (Jaccard below "
                f"{ACCEPT}): {', '.join(weak)}. Do not act on those below {REJECT}; try fewer segments or more persons."
            )

    def _design(self, values: np.ndarray) -> Design:
        columns = used(self.columns_)
        # As if every column had missing values: a row's sums then do not depend on the other rows.
        layout = lay_out(columns, np.ones(len(columns), dtype=bool))
        return make_design(columns, values, np.ones(values.shape[1]), layout)

    def _evaluate(self, X) -> tuple[np.ndarray, np.ndarray]:
        X = self._check_X(X, reset=False)
        values = read_values(used(self.columns_), X)
        n_rows = X.shape[0]
        probabilities, logliks = np.empty((n_rows, self.n_segments_)), np.empty(n_rows)
        for start in range(0, n_rows, ROWS_PER_PART):
            part = slice(start, start + ROWS_PER_PART)
            posterior, loglik = log_likelihoods(self._design(values[:, part]), self.segment_shares_, self.means_)
            probabilities[part], logliks[part] = posterior.T, loglik
        return probabilities, logliks


def fit_mixture(design: Design, overall: np.ndarray, n_segments: int, n_starts: int, seed: int) -> Mixture:
    """The best of many starts with segments in order of size; starts race on a sample if there are many persons."""
    rng = np.random.default_rng(seed)
    numbers = design.weights.astype(np.int64)
    small = numbers.sum() <= _RACE_PERSONS
    sample = design if small else design.with_weights(rng.multivariate_hypergeometric(numbers, _RACE_PERSONS))
    finalists = race(sample, overall, n_segments, n_starts if n_segments > 1 else 1, rng)
    if not small:
        finalists = [climb(design, overall, start, max_iter=20, tol=_TOL) for start in finalists]
    # Two finalists at the same summit differ in the last digits only: the first of them is taken.
    best = max(finalists, key=lambda mixture: round(mixture.objective, 2))
    best = climb(design, overall, best, max_iter=_MAX_ROUNDS, tol=_TOL)
    order = np.lexsort((*np.round(best.means.T[::-1], _DECIMALS), -np.round(best.shares, _DECIMALS)))
    return Mixture(best.shares[order], best.means[order], best.loglik, best.objective, best.n_rounds)


def _spread(design: Design, mixture: Mixture) -> float:
    """Standard deviation of a person's log-likelihood."""
    _, loglik = log_likelihoods(design, mixture.shares, mixture.means)
    mean = (design.weights * loglik).sum() / design.weights.sum()
    return float(np.sqrt((design.weights * (loglik - mean) ** 2).sum() / design.weights.sum()))


def _fingerprint(mixture: Mixture) -> str:
    rounded = np.round(np.column_stack([mixture.shares, mixture.means]), 6) + 0.0
    return hashlib.sha256(rounded.tobytes()).hexdigest()[:12]


def _warn(message: str) -> None:
    warnings.warn(message, ServiceneeWarning, stacklevel=4)
