"""Latent classes: planted ones are found, structure that is not there is not; nothing depends on order or threads."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from servicenee import LatentClassSegmenter

FOLDER = Path(__file__).parents[1] / "data" / "planted_segments"

# StepMix 3.0 (20 starts for 1 to 7 classes), as stated in tests/data/planted_segments/README.md.
STEPMIX = {1: -31886.3, 2: -30846.8, 3: -30330.5, 4: -29974.3, 5: -29790.8, 6: -29766.3, 7: -29738.4}


def test_five_classes_are_as_likely_as_those_of_stepmix_and_agree_with_the_truth(five, planted, new_persons):
    assert five.loglik_ >= STEPMIX[5] - 0.5
    assert adjusted_rand_score(planted[1], five.predict(planted[0])) >= 0.57
    assert adjusted_rand_score(new_persons[1], five.predict(new_persons[0])) >= 0.54


def test_the_loglik_of_training_is_the_sum_over_rows(five, planted):
    assert five.score_samples(planted[0]).sum() == pytest.approx(five.loglik_, rel=1e-12)


def test_bic_by_hand(five):
    # 4 free shares and 5 x 24 probabilities.
    assert five.bic_ == pytest.approx(-2 * five.loglik_ + 124 * np.log(4_000), rel=1e-12)


@pytest.mark.slow
def test_auto_finds_five_by_bic_and_reports_the_stability_of_each(planted):
    segmenter = LatentClassSegmenter(random_state=0).fit(planted[0])
    assert segmenter.n_segments_ == 5
    assert segmenter.selection_["n_segments"].tolist() == list(range(1, 11))
    assert segmenter.bic_ == segmenter.selection_["bic"].min() == pytest.approx(60_610, abs=1)
    assert segmenter.stability_["segment"].tolist() == ["S1", "S2", "S3", "S4", "S5"]
    assert segmenter.stability_["jaccard"].between(0.6, 1).all()
    found = segmenter.selection_.set_index("n_segments")["loglik"]
    for n_segments, loglik in STEPMIX.items():
        assert found[n_segments] >= loglik - abs(loglik) * 1e-4


@pytest.mark.slow
def test_structureless_data_are_one_segment(structureless):
    segmenter = LatentClassSegmenter(random_state=0, n_starts=10).fit(structureless)
    assert segmenter.n_segments_ == 1
    assert (segmenter.predict_proba(structureless) == 1.0).all()


def test_auto_tries_one_segment_first(structureless):
    segmenter = LatentClassSegmenter(max_segments=3, n_starts=5, random_state=0).fit(structureless)
    assert segmenter.n_segments_ == 1
    assert segmenter.selection_["chosen"].tolist() == [True, False, False]
    assert segmenter.stability_["verdict"].tolist() == ["accept"]


def test_auto_takes_no_segment_below_the_smallest_share(planted):
    free = LatentClassSegmenter(max_segments=3, n_starts=5, n_bootstrap=0, random_state=0).fit(planted[0])
    held = LatentClassSegmenter(max_segments=3, min_share=0.2, n_starts=5, n_bootstrap=0, random_state=0)
    assert (free.n_segments_, held.fit(planted[0]).n_segments_) == (3, 2)


def test_segments_are_ordered_by_size(five):
    assert five.segments_ == ("S1", "S2", "S3", "S4", "S5")
    assert (np.diff(five.segment_shares_) < 0).all()
    assert five.segment_shares_.sum() == pytest.approx(1)


def test_everybody_gets_a_segment_a_probability_and_a_flag(five, planted):
    table = five.scores(planted[0])
    assert table.columns.tolist() == ["segment", "segment_probability", "uncertain"]
    assert (table["segment_probability"] >= 0.2).all()
    assert (table["uncertain"] == (table["segment_probability"] < 0.6)).all()
    assert 0.02 < table["uncertain"].mean() < 0.3
    assert (five.predict(planted[0]) == table["segment"].str[1:].astype(int) - 1).all()


@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=4)
def test_row_order_does_not_matter(planted, seed):
    X = planted[0].head(600)
    options = {"n_segments": 3, "n_starts": 3, "random_state": 0}
    plain = LatentClassSegmenter(**options).fit(X)
    mixed = LatentClassSegmenter(**options).fit(X.sample(frac=1, random_state=seed))
    assert plain.means_.tobytes() == mixed.means_.tobytes()
    assert plain.segment_shares_.tobytes() == mixed.segment_shares_.tobytes()
    assert plain.predict_proba(X).tobytes() == mixed.predict_proba(X).tobytes()


def test_a_person_does_not_depend_on_who_else_is_scored(five, new_persons):
    X = new_persons[0]
    alone = np.vstack([five.predict_proba(X.iloc[[row]]) for row in range(5)])
    assert alone.tobytes() == five.predict_proba(X)[:5].tobytes()
    assert five.predict_proba(X.iloc[:1_001]).tobytes() == five.predict_proba(X)[:1_001].tobytes()


def test_threads_and_hash_seed_do_not_matter(five, planted):
    code = (
        f"import pandas as pd; X = pd.read_parquet({str(FOLDER / 'persons.parquet')!r}).drop(columns='true_class');"
        "from servicenee import LatentClassSegmenter; import hashlib;"
        "model = LatentClassSegmenter(5, n_starts=10, random_state=0).fit(X);"
        "print(hashlib.sha256(model.means_.tobytes() + model.predict_proba(X).tobytes()).hexdigest())"
    )
    threads = {"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4", "PYTHONHASHSEED": "7"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | threads
    )
    here = hashlib.sha256(five.means_.tobytes() + five.predict_proba(planted[0]).tobytes()).hexdigest()
    assert ran.stdout.strip() == here


def test_starts_on_a_sample_are_polished_on_everybody(planted, new_persons):
    # 12,000 persons: more than the starts see.
    X = pd.concat([planted[0], new_persons[0], planted[0]], ignore_index=True)
    sampled = LatentClassSegmenter(5, n_starts=10, random_state=0).fit(X)
    other = LatentClassSegmenter(5, n_starts=10, random_state=1).fit(X)
    assert sampled.loglik_ == pytest.approx(other.loglik_, rel=1e-6)
    assert sampled.score_samples(X).sum() == pytest.approx(sampled.loglik_, rel=1e-12)


def test_reasons_are_the_conditions_that_speak_for_the_segment(five, planted):
    person = pd.DataFrame([[0.0] * 24], columns=planted[0].columns)
    person[["heart_failure", "falls", "incontinence"]] = 1.0
    reasons = five.explain(person)
    assert set(reasons["feature"]) <= {"heart_failure", "falls", "incontinence"}
    assert reasons["order"].tolist() == [1, 2, 3]
    assert (reasons["contribution"] > 0).all()
    assert (np.diff(reasons["contribution"]) <= 0).all()


def test_names_that_people_give_stay_until_the_next_fit(five, planted):
    segmenter = LatentClassSegmenter(2, n_starts=2, random_state=0).fit(planted[0])
    assert segmenter.rename({"S1": {"fi": "Vähän sairauksia"}}).segment_names_ == {"S1": {"fi": "Vähän sairauksia"}}
    assert segmenter.fit(planted[0]).segment_names_ == {}
    with pytest.raises(ValueError, match=r"`names` must name segments \(S1, S2\); got S7"):
        segmenter.rename({"S7": {"fi": "?"}})
