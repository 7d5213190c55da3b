"""X, y and groups in; for every row the person it belongs to, so that nobody is on both sides of a split."""

import warnings

import numpy as np
import pandas as pd

from servicenee.exceptions import ServiceneeWarning


def person_groups(X, y=None, groups=None) -> np.ndarray | None:
    """Give the person of each row: from `groups`, else the index of `X`, else the index of `y`.

    Parameters
    ----------
    X : object
        Feature table or cohort; its index is used when it has a level ``person_id``.
    y : object, default=None
        Labels or outcome; its index is used when `X` has none.
    groups : array-like of shape (n_rows,), default=None
        One value per row, the same for rows of one person.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        `groups` as an array, or integer codes of the persons; None when persons are not known.
        Then one warning is given: rows were split as if independent.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.evaluation import person_groups
    >>> index = pd.MultiIndex.from_tuples([("a", "2024"), ("a", "2025"), ("b", "2025")],
    ...                                   names=["person_id", "index_date"])
    >>> person_groups(pd.DataFrame({"age": [80, 81, 70]}, index=index)).tolist()
    [0, 0, 1]
    """
    if groups is not None:
        return _checked(groups, X)
    for table in (X, y):
        codes = person_codes(getattr(table, "index", None))
        if codes is not None:
            return codes
    warnings.warn(
        "Persons are not known: rows were split as if independent. Pass `groups=`, or give X or y an index "
        "with the level person_id.",
        ServiceneeWarning,
        stacklevel=2,
    )
    return None


def person_codes(index) -> np.ndarray | None:
    """Integer code of the person of each row of an index; None when it has no level person_id."""
    if not isinstance(index, pd.Index) or "person_id" not in index.names:
        return None
    if isinstance(index, pd.MultiIndex):
        return np.array(index.codes[index.names.index("person_id")], dtype=np.int64)
    return pd.factorize(index)[0].astype(np.int64)


def _checked(groups, X) -> np.ndarray:
    groups = np.asarray(groups)
    if groups.ndim != 1 or (hasattr(X, "__len__") and len(groups) != len(X)):
        rows = f" ({len(X)})" if hasattr(X, "__len__") else ""
        raise ValueError(f"`groups` must hold one value per row of X{rows}; got shape {groups.shape}.")
    return groups
