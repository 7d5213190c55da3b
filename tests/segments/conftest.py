"""Planted classes, read once; and one segmenter fitted to them."""

from pathlib import Path

import pandas as pd
import pytest

from servicenee import LatentClassSegmenter

FOLDER = Path(__file__).parents[1] / "data" / "planted_segments"


def read(name: str) -> tuple[pd.DataFrame, pd.Series]:
    """Conditions and true class of a planted table."""
    table = pd.read_parquet(FOLDER / f"{name}.parquet")
    truth = table["true_class"] if "true_class" in table.columns else pd.Series(0, index=table.index)
    return table.drop(columns=[column for column in ("true_class",) if column in table.columns]), truth


@pytest.fixture(scope="session")
def planted():
    return read("persons")


@pytest.fixture(scope="session")
def new_persons():
    return read("new_persons")


@pytest.fixture(scope="session")
def structureless():
    return read("structureless")[0]


@pytest.fixture(scope="session")
def five(planted):
    return LatentClassSegmenter(5, n_starts=10, random_state=0).fit(planted[0])
