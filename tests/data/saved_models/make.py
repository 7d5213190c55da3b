"""Writes the saved models of this folder with the libraries that are installed: python make.py sklearn_1.9

Run once for each supported set of libraries, when a release is made. The tests only read what is written here.
"""

import json
import sys
from pathlib import Path

from sklearn.ensemble import HistGradientBoostingClassifier

from servicenee import (
    Demographics,
    EventCounts,
    FeatureSet,
    NeedClassifier,
    NeedModel,
    Outcome,
    Population,
    make_registers,
    save_model,
)
from tests.data.saved_models.twelve import twelve_persons

TREES = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=4, random_state=0)


def write(folder: Path) -> None:
    """One model of our linear engine and one of scikit-learn's trees, each with the risks it gives twelve persons."""
    features = FeatureSet(
        [
            Demographics(columns=("age", "sex")),
            ("visits", EventCounts("contacts", source="emergency", lookback_days=(90, 365))),
        ]
    )
    registers = make_registers(3_000, random_state=0)
    for name, estimator in (("own", None), ("trees", TREES)):
        classifier = NeedClassifier(estimator, random_state=0)
        model = NeedModel(Population(75), features, classifier, Outcome("emergency_visit"), name=name)
        saved = save_model(model.fit(registers, ["2020-06-01"]), folder / name)
        scores = model.predict(twelve_persons(), "2023-01-01")
        text = json.dumps({"engine": model.estimator_.engine_, "risk": scores["risk"].tolist()}, indent=1)
        (saved / "expected.json").write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(__file__).parent / sys.argv[1])
