"""Requests of the synthetic county: they fit its persons and contacts, and leave everything else as it was."""

import numpy as np
import pandas as pd

from servicenee import make_registers


def test_requests_are_of_persons_who_live_there_and_make_sense_in_time(county):
    requests = county.requests.merge(county.persons, on="person_id")
    assert len(requests) == len(county.requests) > 1_000
    assert (requests["requested"] < county.extract_date).all()
    assert not (requests["requested"] >= requests["death_date"]).any()
    assert not (requests["met"] < requests["requested"]).any()
    assert not (requests["closed"] <= requests["requested"]).any()
    assert not (requests["met"].notna() & requests["closed"].notna()).any()
    assert not county.requests.duplicated(["person_id", "requested", "service"]).any()


def test_a_met_request_ends_in_a_visit(county):
    met = county.requests[county.requests["met"].notna()]
    visits = county.events[county.events["code_system"].eq("contact") & county.events["code"].eq("visit")]
    place = {"primary_care": "primary_care", "specialist_care": "outpatient"}
    wanted = pd.MultiIndex.from_arrays([met["person_id"], met["met"].dt.normalize(), met["service"].map(place)])
    there = pd.MultiIndex.from_arrays([visits["person_id"], visits["time"].dt.normalize(), visits["source"]])
    assert wanted.isin(there).all()
    assert not wanted.duplicated().any()


def test_there_is_a_queue_and_requests_do_not_thin_out_before_the_extract(county):
    counts = county.requests.groupby(county.requests["requested"].dt.to_period("M")).size()
    assert counts.iloc[-3:].mean() > 0.85 * counts.iloc[-15:-3].mean()
    newest = county.requests[county.requests["requested"] >= "2023-12-01"]
    waiting = newest["met"].isna() & newest["closed"].isna()
    assert 0.2 < waiting.mean() < 0.7


def test_the_first_persons_of_a_larger_county_ask_for_the_same():
    small, large = (make_registers(n, random_state=4).requests for n in (100, 200))
    shared = large[large["person_id"].isin(small["person_id"].unique())].reset_index(drop=True)
    pd.testing.assert_frame_equal(small, shared)
    assert np.array_equal(small["service"].unique(), ["primary_care", "specialist_care"]) or len(small) > 0
