"""A saved model is a folder of plain facts that loads to the same bits, and is refused when anything is off."""

import json
import pickle
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from servicenee import (
    AnyEvent,
    Assessments,
    CareChains,
    CareGaps,
    CareMoves,
    Charlson,
    Codelist,
    ConditionCount,
    Conditions,
    DaysSince,
    DaysSinceDischarge,
    DaysSinceFirst,
    DeficitCount,
    Demographics,
    DistinctCodes,
    Elixhauser,
    EventCounts,
    EventMaxima,
    EventMeans,
    EventMinima,
    EventSums,
    FeatureSet,
    FirstValue,
    HospitalFrailty,
    InStay,
    LatestValue,
    LongestStay,
    Medicines,
    NeedClassifier,
    NeedModel,
    Outcome,
    PlanAdherence,
    Population,
    StayCounts,
    StayDays,
    ValueTrend,
    WithinTarget,
    default_features,
    load_rules,
    save_model,
)
from servicenee.blueprint import CLASSES, from_plain, to_plain
from servicenee.codes import load_codelist
from servicenee.exceptions import ModelError, ServiceneeWarning
from servicenee.persistence import manifest_sha256, read_model

pytestmark = pytest.mark.filterwarnings("ignore::servicenee.exceptions.ServiceneeWarning")

DATES = ["2019-10-01", "2020-10-01"]
FEW = FeatureSet(
    [
        Demographics(),
        ("visits", EventCounts("contacts", source="emergency", lookback_days=(90, 730))),
        ("rai", LatestValue(source="rai", by=load_codelist("rai_scales").keep("CPS", "ADLH"))),
    ]
)


def fitted(county, estimator=None, features=FEW) -> NeedModel:
    model = NeedModel(
        Population(75, without=["stay:home_care", "stay:round_the_clock"]),
        features,
        NeedClassifier(estimator, random_state=0),
        Outcome("home_care_start"),
        name="home_care",
    )
    return model.fit(county, DATES)


@pytest.fixture(scope="module")
def model(county) -> NeedModel:
    return fitted(county, features=default_features())


@pytest.fixture
def folder(model, tmp_path):
    return save_model(model, tmp_path / "model")


# --- the same model comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        None,
        HistGradientBoostingClassifier(max_iter=10, random_state=0),
        make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
    ],
    ids=["our own", "boosted trees", "a pipeline"],
)
def test_a_loaded_model_predicts_the_same_bits(county, tmp_path, estimator):
    model = fitted(county, estimator)
    loaded = read_model(save_model(model, tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(county), model.predict(county), check_exact=True)


def test_a_loaded_model_knows_what_it_knew(model, folder):
    loaded = read_model(folder)
    assert (loaded.name, loaded.version) == (model.name, model.version)
    assert loaded.training_ == model.training_
    assert repr(loaded.population) == repr(model.population)
    assert loaded.outcome_label("fi") == model.outcome_label("fi")
    assert loaded.estimator.get_params() == model.estimator.get_params()
    pd.testing.assert_frame_equal(loaded.feature_table, model.feature_table)


def test_a_loaded_model_gives_the_same_reasons(model, folder, county):
    index = model.predict(county).index[:10]
    pd.testing.assert_frame_equal(
        read_model(folder).reasons(county, index), model.reasons(county, index), check_exact=True
    )


def test_a_loaded_model_can_be_saved_again(model, folder, tmp_path, county):
    again = read_model(save_model(read_model(folder), tmp_path / "again"))
    pd.testing.assert_frame_equal(again.predict(county), model.predict(county), check_exact=True)


def test_the_folder_can_be_moved(folder, tmp_path, model, county):
    shutil.move(folder, tmp_path / "elsewhere")
    assert read_model(tmp_path / "elsewhere").predict(county).equals(model.predict(county))


def test_saving_twice_gives_the_same_manifest_but_for_the_hash(model, tmp_path):
    first, second = (
        json.loads((save_model(model, tmp_path / name) / "manifest.json").read_text("utf-8")) for name in ("a", "b")
    )
    assert first | {"files": None} == second | {"files": None}


def test_a_saved_model_replaces_the_one_before_and_leaves_nothing_else(model, folder):
    before = {file.name for file in folder.parent.iterdir()}
    save_model(model, folder)
    assert {file.name for file in folder.parent.iterdir()} == before == {"model"}
    assert {file.name for file in folder.iterdir()} == {"manifest.json", "estimator.skops", "reference.json"}


def test_a_folder_with_other_files_is_not_overwritten(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError, match="holds something else"):
        save_model(model, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_an_interrupted_save_leaves_the_old_model(model, folder, county, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(skops.io, "dump", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(model, folder)
    assert read_model(folder).predict(county).equals(model.predict(county))
    assert [file.name for file in folder.parent.iterdir()] == ["model"]


# --- plain parameters ------------------------------------------------------------------------------------------------

OWN_LIST = Codelist(
    {"b": ["ICD-10:E11", "ATC:A10"], "a": ["ICD-10:I10"]}, name="own", labels={"a": {"fi": "Verenpaine"}}
)


@pytest.mark.parametrize(
    "value",
    [
        Population(70, 99, min_history_days=10, without="contacts", having=["ICD-10:F00"], area=["Vaasa", "Laihia"]),
        Outcome(
            ["ICD-10:S72"],
            kind="counts",
            horizon_days=90,
            gap_days=7,
            death="event",
            source="inpatient",
            label_type="need",
        ),
        Outcome("home_care_start", visits_per_week=2, weeks=13),
        Outcome({"codes": "lab:=HbA1c", "at_least": 75, "label_type": "need"}),
        Demographics(columns=("age", "education"), levels={"education": ("secondary", "tertiary")}),
        EventCounts(OWN_LIST, source=("emergency", "inpatient"), by="code", lookback_days=(90, None), skip_days=3),
        EventSums(source="home_care"),
        DaysSince("ICD-10:W0"),
        DistinctCodes(["ATC:"]),
        LatestValue(by=OWN_LIST),
        StayDays(("home_care", "round_the_clock")),
        StayCounts("home_care", lookback_days=None),
        Charlson("charlson1987", variant="sweden2021", age_points=True),
        ConditionCount(OWN_LIST, evidence="diagnoses"),
        Conditions(OWN_LIST, sufficient_source=["inpatient", "outpatient"], lookback_days=(365, None)),
        DeficitCount(as_share=False, medicine_source=None),
        Elixhauser("swiss2021", source=("inpatient", "outpatient")),
        HospitalFrailty(lookback_days=365),
        Medicines("substances", thresholds=(3,), by=OWN_LIST),
        AnyEvent("contacts", by="office_hours"),
        DaysSinceFirst("ICD-10:W0", lookback_days=None),
        EventMaxima("lab:Hb"),
        EventMeans("lab:Hb", lookback_days=(90, 365)),
        EventMinima("lab:Hb", skip_days=7),
        FirstValue(by="laboratory"),
        ValueTrend(by=OWN_LIST),
        CareChains("inpatient_unplanned"),
        CareMoves(("home_care", ["communal_housing", "round_the_clock"]), lookback_days=730),
        DaysSinceDischarge(source="inpatient"),
        InStay("home_care", skip_days=30),
        Assessments(source="rai", columns=("value", "age")),
        CareGaps(load_rules("care_gaps").head(2), lookback_days=(730, None)),
        PlanAdherence("lab:BP_systolic", ["plan:BP_systolic"], source="self_monitoring"),
        WithinTarget([{"measurement": "own", "codes": "lab:own", "low": 4.5}]),
        LongestStay(source="inpatient", lookback_days=None),
        FeatureSet([EventCounts(), EventCounts(source="emergency"), ("named", Demographics())]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_class_of_ours_survives_the_way_through_json(value):
    plain = to_plain(value)
    back = from_plain(json.loads(json.dumps(plain)))
    assert type(back) is type(value)
    assert to_plain(back) == plain


def test_the_way_through_json_is_tested_for_every_class():
    [case] = [mark for mark in test_every_class_of_ours_survives_the_way_through_json.pytestmark]
    assert {type(value).__name__ for value in case.args[1]} == set(CLASSES)


def test_default_features_keep_names_and_order_of_columns(county):
    back = from_plain(json.loads(json.dumps(to_plain(default_features()))))
    pd.testing.assert_frame_equal(back.describe(county), default_features().describe(county))


def test_shipped_tables_of_rules_are_written_out_in_full(county):
    plain = json.loads(json.dumps(to_plain(CareGaps())))
    rules = plain["parameters"]["rules"]
    assert [rule["gap"] for rule in rules] == load_rules("care_gaps")["gap"].tolist()
    pd.testing.assert_frame_equal(from_plain(plain).describe(county), CareGaps().describe(county))


def test_shipped_code_lists_are_written_out_in_full(folder):
    plain = json.loads((folder / "manifest.json").read_text("utf-8"))["features"]
    builders = dict(plain["parameters"]["builders"])
    falls = builders["falls"]["parameters"]["codes"]
    assert falls == to_plain(load_codelist("falls_fractures"))
    assert falls["groups"][0][1], "prefixes, not only a name"


def test_something_that_is_not_ours_cannot_be_saved(county):
    class Odd(EventCounts):
        pass

    with pytest.raises(ModelError, match=r"`builders` of FeatureSet cannot be saved: it holds a Odd"):
        to_plain(FeatureSet([Odd()]))


def test_a_changed_definition_of_the_outcome_is_told(folder):
    change_manifest(folder, lambda manifest: manifest["outcome_definition"].update(confirm_days=7))
    with pytest.warns(ServiceneeWarning, match="definition of 'home_care_start' has changed"):
        read_model(folder)


# --- what is refused before anything is unpacked ---------------------------------------------------------------------


def change_manifest(folder, change) -> None:
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    change(manifest)
    file.write_text(json.dumps(manifest), "utf-8")


@pytest.fixture
def never_unpacked(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("the estimator was unpacked")

    monkeypatch.setattr(skops.io, "load", fail)


@pytest.mark.usefixtures("never_unpacked")
class TestRefused:
    def test_a_changed_estimator(self, folder):
        content = bytearray((folder / "estimator.skops").read_bytes())
        content[len(content) // 2] ^= 1
        (folder / "estimator.skops").write_bytes(content)
        with pytest.raises(ModelError, match="has changed since the model was saved"):
            read_model(folder)

    def test_a_changed_manifest_when_its_fingerprint_is_given(self, folder):
        accepted = manifest_sha256(folder)
        change_manifest(folder, lambda manifest: manifest.update(version="8"))
        with pytest.raises(ModelError, match="differs from `expected_sha256`"):
            read_model(folder, expected_sha256=accepted)

    def test_classes_of_another_scikit_learn(self, folder):
        put_in_place(folder, LogisticRegression())
        change_manifest(folder, lambda manifest: manifest["libraries"].update({"scikit-learn": "1.4.2"}))
        with pytest.raises(ModelError, match=r"classes of scikit-learn 1\.4\.2 .* Install scikit-learn 1\.4"):
            read_model(folder)

    def test_another_format(self, folder):
        change_manifest(folder, lambda manifest: manifest.update(format=99))
        with pytest.raises(ModelError, match="has format 99; this version of servicenee reads 2"):
            read_model(folder)

    def test_a_folder_without_a_manifest(self, tmp_path):
        with pytest.raises(ModelError, match="it is no saved model"):
            read_model(tmp_path)

    def test_a_manifest_cut_short(self, folder):
        (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes()[:500])
        with pytest.raises(ModelError, match="cannot be read"):
            read_model(folder)

    def test_a_missing_estimator(self, folder):
        (folder / "estimator.skops").unlink()
        with pytest.raises(ModelError, match=r"estimator\.skops is missing"):
            read_model(folder)

    def test_a_class_that_is_not_on_our_list(self, folder):
        put_in_place(folder, Untrusted())
        with pytest.raises(ModelError, match=r"not trusted: .*Untrusted"):
            read_model(folder)

    def test_a_function_inside_an_estimator_even_of_numpy(self, folder):
        put_in_place(folder, FunctionTransformer(np.log1p))
        with pytest.raises(ModelError, match=r"not trusted: numpy\S*\.log1p"):
            read_model(folder)

    def test_a_pickle_in_place_of_the_estimator_which_is_never_run(self, folder, tmp_path):
        (folder / "estimator.skops").write_bytes(pickle.dumps(Intruder(tmp_path / "was here")))
        trust_the_bytes(folder)
        with pytest.raises(ModelError, match=r"cannot be read as an estimator \(BadZipFile\)"):
            read_model(folder)
        assert not (tmp_path / "was here").exists()

    def test_a_pickle_inside_the_estimator_which_is_never_run(self, folder, tmp_path):
        with zipfile.ZipFile(folder / "estimator.skops", "a") as archive:
            archive.writestr("extra.npy", pickle.dumps(Intruder(tmp_path / "was here")))
        with pytest.raises(ModelError, match="has changed since the model was saved"):
            read_model(folder)

    def test_a_changed_reference(self, folder):
        text = (folder / "reference.json").read_text("utf-8")
        (folder / "reference.json").write_text(text.replace("0.1", "0.2", 1), "utf-8")
        with pytest.raises(ModelError, match=r"reference\.json has changed since the model was saved"):
            read_model(folder)

    def test_a_file_more_than_there_should_be(self, folder):
        change_manifest(folder, lambda manifest: manifest["files"].update({"../elsewhere": "0" * 64}))
        with pytest.raises(ModelError, match=r"must list estimator\.skops and reference\.json and nothing else"):
            read_model(folder)

    def test_something_that_is_no_archive(self, folder):
        (folder / "estimator.skops").write_bytes(b"not a zip")
        trust_the_bytes(folder)
        with pytest.raises(ModelError, match=r"cannot be read as an estimator \(BadZipFile\)"):
            read_model(folder)


class Intruder:
    """What a pickle can do: write a file while it is being loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class Untrusted:
    """A class of somebody else."""

    def __init__(self):
        self.greeting = "hello"


def put_in_place(folder, estimator) -> None:
    """An attacker who can write to the folder replaces the estimator and mends the hash."""
    skops.io.dump(estimator, folder / "estimator.skops")
    trust_the_bytes(folder)


def trust_the_bytes(folder) -> None:
    import hashlib

    digest = hashlib.sha256((folder / "estimator.skops").read_bytes()).hexdigest()
    change_manifest(folder, lambda manifest: manifest["files"].update({"estimator.skops": digest}))


# --- no training rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "kept"),
    [(KNeighborsClassifier(), "_fit_X|_y"), (SVC(), "support_vectors_")],
    ids=["nearest neighbours", "support vectors"],
)
def test_an_estimator_that_keeps_training_rows_is_not_saved(county, tmp_path, estimator, kept):
    model = fitted(county, make_pipeline(SimpleImputer(), estimator))
    with pytest.raises(ModelError, match=f"keeps training rows in `.*({kept})`"):
        save_model(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_no_array_of_the_saved_estimator_has_one_entry_per_training_row(model, folder):
    with zipfile.ZipFile(folder / "estimator.skops") as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        shapes = [np.load(archive.open(name), allow_pickle=False).shape for name in names]
    sizes = {size for shape in shapes for size in shape}
    assert sizes, "there are arrays to look at"
    assert not sizes & {model.training_.n_rows, model.training_.n_persons, model.estimator_.n_rows_}


def test_an_unfitted_model_is_not_saved(tmp_path):
    model = NeedModel(Population(), FEW, NeedClassifier(), Outcome("death"))
    with pytest.raises(ModelError, match="only a fitted NeedModel can be saved"):
        save_model(model, tmp_path / "model")
