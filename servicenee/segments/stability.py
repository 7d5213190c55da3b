"""A fitted latent class segmenter and its persons come in; how far each segment is found again goes out."""

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from servicenee._checks import check_count
from servicenee.segments.blocks import read_values, used
from servicenee.segments.latent import LatentClassSegmenter
from servicenee.segments.mixture import Mixture, lay_out, make_design
from servicenee.segments.patterns import distinct_rows
from servicenee.segments.resampling import resampled_overlap, stability_table


def segment_stability(segmenter: LatentClassSegmenter, X, *, n_bootstrap: int = 100, random_state=None) -> pd.DataFrame:
    """Tell how far each segment is found again when the model is fitted anew to resampled persons.

    Parameters
    ----------
    segmenter : LatentClassSegmenter
        Fitted.
    X : DataFrame or array-like of shape (n_rows, n_features)
        The persons it was fitted on.
    n_bootstrap : int, default=100
        Resamples of at most 5,000 persons, drawn with replacement; every refit starts anew.
    random_state : int, RandomState or None, default=None
        Draws resamples and starts.

    Returns
    -------
    DataFrame
        segment, jaccard (mean overlap with the nearest segment of the refit, over all persons), dissolved (share of
        resamples with an overlap of at most 0.5), recovered (share with at least 0.75), verdict: "accept" from 0.75,
        "flag" from 0.60, else "reject".

    Notes
    -----
    Stable does not mean meaningful, but an unstable segment means nothing. Stability grows with the number of persons.

    References
    ----------
    Hennig C. Cluster-wise assessment of cluster stability. Comput Stat Data Anal 2007;52:258-271.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from servicenee import LatentClassSegmenter, segment_stability
    >>> rng = np.random.default_rng(0)
    >>> heart = rng.random(400) < 0.4
    >>> X = pd.DataFrame({f"c{j}": rng.random(400) < np.where(heart, 0.7, 0.1) for j in range(6)})
    >>> segmenter = LatentClassSegmenter(2, random_state=0).fit(X)
    >>> segment_stability(segmenter, X, n_bootstrap=5, random_state=0)["verdict"].tolist()
    ['accept', 'accept']
    """
    if not isinstance(segmenter, LatentClassSegmenter):
        raise TypeError(
            f"`segmenter` must be a LatentClassSegmenter; got {type(segmenter).__name__}. Rules are not estimated, so "
            "resampling does not move them."
        )
    check_count("n_bootstrap", n_bootstrap)
    segments = segmenter.segments_
    columns = used(segmenter.columns_)
    values, weights = distinct_rows(columns, read_values(columns, X)) if columns else (np.empty((0, 1)), np.array([1]))
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    mixture = Mixture(segmenter.segment_shares_, segmenter.means_, segmenter.loglik_, segmenter.loglik_, 0)
    with threadpool_limits(limits=1, user_api="blas"):
        design = make_design(columns, values, weights, lay_out(columns, np.isnan(values).any(axis=1)))
        overlaps = resampled_overlap(design, segmenter.overall_means_, mixture, n_bootstrap, rng)
    return stability_table(overlaps, segments)
