"""Segments of the scored persons come in; their order on the list, and the words for them, go out."""

import numpy as np
import pandas as pd

from servicenee.segments import load_offers
from servicenee.texts import LANGUAGES

_SEGMENTS = ("segment", "segment_probability", "uncertain")


def segment_columns(segments: pd.DataFrame | None, risk: pd.Series) -> pd.DataFrame:
    """Columns segment ("" for none), segment_probability, uncertain and segment_order for rows indexed as `risk`."""
    if segments is None:
        nothing = {"segment": "", "segment_probability": np.nan, "uncertain": False, "segment_order": 0}
        return pd.DataFrame(nothing, index=risk.index)
    missing = [name for name in _SEGMENTS if name not in segments]
    if list(segments.index.names) != ["person_id", "index_date"] or missing:
        raise ValueError(
            "`segments` must have the index (person_id, index_date) and the columns segment, segment_probability, "
            f"uncertain; got index {list(segments.index.names)}, missing {missing}."
        )
    if segments.index.duplicated().any():
        raise ValueError("`segments` must hold each person once; drop the repeated rows.")
    found = segments[list(_SEGMENTS)].reindex(risk.index)
    named = found["segment"].astype(object)
    named = named.where(named.notna(), "").astype(str)
    order = _order(segments["segment"], named, risk)
    return pd.DataFrame(
        {
            "segment": named,
            "segment_probability": found["segment_probability"].astype(np.float64),
            "uncertain": found["uncertain"].eq(True).to_numpy(),
            "segment_order": named.map(order).astype(np.int64),
        },
        index=risk.index,
    )


def _order(given: pd.Series, named: pd.Series, risk: pd.Series) -> dict[str, int]:
    """Place of each segment: that of its category, else by mean risk, highest first; no segment comes last."""
    if isinstance(given.dtype, pd.CategoricalDtype):
        names = [str(name) for name in given.cat.categories]
    else:
        means = risk.groupby(named).mean().round(12)
        names = sorted((name for name in means.index if name), key=lambda name: (-means[name], name))
    return {name: at for at, name in enumerate(names)} | {"": len(names)}


def with_words_of(rules: dict[str, list[dict[str, str]]], segments_model) -> dict[str, list[dict[str, str]]]:
    """The tables, with the names that the segmenter carries and the shipped offers where the county gave none."""
    names = getattr(getattr(segments_model, "estimator_", None), "segment_names_", {})
    if rules["segment_names"] or not names:
        return rules
    scheme = getattr(segments_model.estimator_, "scheme", "")
    rows = [
        {"segment": key, "codes": f"{scheme}:{key}" if isinstance(scheme, str) else ""}
        | {f"name_{spoken}": words.get(spoken, key) for spoken in LANGUAGES}
        for key, words in names.items()
    ]
    return rules | {"segment_names": rows, "offers": rules["offers"] or load_offers().astype(str).to_dict("records")}


def segment_words(names: list[dict[str, str]], offers: list[dict[str, str]]) -> dict[str, dict]:
    """Label and first step of each segment by language: the first offer that belongs to one of its codes."""
    words = {}
    for row in names:
        own = [offer for offer in offers if offer["code"] in row["codes"].split()]
        step = {spoken: f"{own[0][f'offer_{spoken}']} ({own[0][f'by_whom_{spoken}']})" for spoken in LANGUAGES if own}
        words[row["segment"]] = {"label": {spoken: row[f"name_{spoken}"] for spoken in LANGUAGES}, "first_step": step}
    return words
