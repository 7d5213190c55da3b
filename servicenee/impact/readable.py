"""Tables of a comparison under neutral names come in; the same tables in the words of a reader go out."""

from collections.abc import Mapping

import pandas as pd

from servicenee.texts import known_text, text

_NAMED = ("analysis", "step", "persons", "side", "term", "feature")  # columns whose values are names


def readable(frame: pd.DataFrame, language: str, labels: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """The table under headings of the language, with its names translated; `labels` name outcomes and features."""
    shown = frame.copy()
    for name in [name for name in _NAMED if name in shown]:
        shown[name] = [name_text(value, language, labels) for value in shown[name]]
    return shown.rename(columns={name: known_text(f"impact.column.{name}", language, name) for name in shown})


def name_text(name: str, language: str, labels: Mapping[str, Mapping[str, str]]) -> str:
    """A name as a reader writes it; one that nobody translated stays as it is."""
    if name in labels and labels[name].get(language):
        return labels[name][language]
    base = name.removesuffix("_missing")
    if base != name and labels.get(base, {}).get(language):
        return text("impact.value.missing", language, name=labels[base][language])
    return known_text(f"impact.value.{name}", language, name)
