"""Known outcomes: which rows count, and how much, when follow-up ends early."""

import numpy as np
import pandas as pd
import pytest

from servicenee import Outcome, Population
from servicenee.evaluation import effective_sample_size, is_labels, known_outcomes, with_strata

# Worked by hand. Each line is one row: status, day, weight (None: outcome not known).
# day 5: 10 followed, 1 leaves -> 9/10 stay.
# day 20: event and end of follow-up on the same day: the event comes first, so of the 8 rows still
#   there 7 could leave and 1 does -> 6/7 stay after day 20.
# day 40: 6 left, the competing event comes first, 5 could leave and 1 does -> 4/5 stay.
# Of ten rows one leaves on day 5, one of eight on day 20, one of five on day 40; leaving comes before an event.
HAND = [
    (3, 5, None),
    (1, 10, 10 / 9),
    (1, 20, 10 / 9 * 8 / 7),
    (3, 20, None),
    (2, 30, 10 / 9 * 8 / 7),
    (4, 40, 10 / 9 * 8 / 7 * 5 / 4),
    (3, 40, None),
    (0, 60, 10 / 9 * 8 / 7 * 5 / 4),
    (0, 60, 10 / 9 * 8 / 7 * 5 / 4),
    (0, 60, 10 / 9 * 8 / 7 * 5 / 4),
]


def make_labels(status, time_days, index=None):
    time_days = np.asarray(time_days, dtype=float)
    return pd.DataFrame(
        {
            "status": np.asarray(status, dtype="int8"),
            "time_days": time_days,
            "value": (np.asarray(status) == 1).astype(float),
            "exposure_days": time_days,
        },
        index=index,
    )


def test_weights_equal_a_table_worked_by_hand():
    labels = make_labels([row[0] for row in HAND], [row[1] for row in HAND])
    positions, y, weights = known_outcomes(labels)
    assert positions.tolist() == [i for i, row in enumerate(HAND) if row[2] is not None]
    assert y.tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert weights == pytest.approx([row[2] for row in HAND if row[2] is not None], rel=1e-12)


def test_weights_add_up_to_the_number_of_rows():
    labels = make_labels([row[0] for row in HAND], [row[1] for row in HAND])
    assert known_outcomes(labels).weights.sum() == pytest.approx(10)


def test_row_order_does_not_matter():
    labels = make_labels([row[0] for row in HAND], [row[1] for row in HAND])
    shuffled = labels.iloc[[9, 3, 5, 0, 7, 1, 8, 2, 6, 4]]
    weights = pd.Series(known_outcomes(labels).weights, index=labels.index[known_outcomes(labels).positions])
    found = known_outcomes(shuffled)
    assert weights.loc[shuffled.index[found.positions]].tolist() == found.weights.tolist()


def test_without_censoring_every_row_weighs_exactly_one():
    positions, y, weights = known_outcomes(make_labels([0, 1, 2, 4], [90, 10, 20, 30]))
    assert (positions.tolist(), y.tolist(), weights.tolist()) == ([0, 1, 2, 3], [0, 1, 0, 0], [1.0] * 4)


@pytest.mark.parametrize("outcome", [[0, 1, 1], np.array([False, True, True]), pd.Series([0.0, 1.0, 1.0])])
def test_a_plain_outcome_keeps_all_rows(outcome):
    positions, y, weights = known_outcomes(outcome)
    assert (positions.tolist(), y.tolist(), weights.tolist()) == ([0, 1, 2], [0, 1, 1], [1.0] * 3)


def test_weights_are_cut_at_twenty():
    labels = make_labels([3] * 99 + [0], [1] * 99 + [2])
    assert known_outcomes(labels).weights.tolist() == [20.0]


def test_windows_that_nobody_was_followed_through_are_refused():
    with pytest.raises(ValueError, match=r"none of 3 is \(2 censored\). Use earlier index dates"):
        known_outcomes(make_labels([3, 1, 3], [5, 10, 20]))


def test_leaving_and_events_on_the_first_day_give_the_share_among_the_followed():
    labels = make_labels([3] * 100 + [1] * 10 + [1] * 20 + [0] * 70, [0] * 110 + [50] * 20 + [365] * 70)
    _, y, weights = known_outcomes(labels)
    assert np.average(y, weights=weights) == pytest.approx(0.30)


def test_strata_have_their_own_follow_up():
    status, days = [3, 0, 0, 0], [5, 30, 30, 30]
    weights = known_outcomes(make_labels(status, days), strata=["a", "a", "b", "b"]).weights
    assert weights.tolist() == [2.0, 1.0, 1.0]


def test_a_missing_stratum_is_a_stratum():
    labels = make_labels([3, 0, 0, 0], [5, 30, 30, 30])
    assert known_outcomes(labels, strata=[None, None, "b", "b"]).weights.tolist() == [2.0, 1.0, 1.0]


def simulated(n_rows, seed):
    """Frail persons have more events, more deaths; everybody leaves follow-up at the same rate."""
    rng = np.random.default_rng(seed)
    frail = rng.random(n_rows)
    event = rng.exponential(365 / (0.05 + 0.25 * frail))
    death = rng.exponential(365 / (0.02 + 0.2 * frail))
    leaves = rng.exponential(365 / 0.7, n_rows)
    time = np.minimum.reduce([event, death, leaves, np.full(n_rows, 365.0)])
    status = np.select([time == 365, time == event, time == death], [0, 1, 2], 3)
    truth = np.mean((event < 365) & (event < death))
    return make_labels(status, time), truth


def test_weighted_event_share_is_right_where_both_naive_ways_fail():
    labels, truth = simulated(200_000, seed=1)
    _, y, weights = known_outcomes(labels)
    assert np.average(y, weights=weights) == pytest.approx(truth, rel=0.02)
    assert (labels["status"] == 1).mean() < 0.85 * truth
    assert y.mean() > 1.15 * truth


def test_weighted_event_share_is_the_aalen_johansen_estimate():
    labels, _ = simulated(2_000, seed=2)
    labels["time_days"] = np.ceil(labels["time_days"] / 7) * 7  # weekly, so that days are shared
    status, days = labels["status"].to_numpy(), labels["time_days"].to_numpy()
    free, incidence = 1.0, 0.0
    for day in np.unique(days):
        at_risk = ((days >= day) & ~((days == day) & (status == 3))).sum()
        incidence += free * ((days == day) & (status == 1)).sum() / at_risk
        free *= 1 - ((days == day) & np.isin(status, [1, 2])).sum() / at_risk
    _, y, weights = known_outcomes(labels)
    assert (weights * y).sum() / len(labels) == pytest.approx(incidence, rel=1e-10)


def test_effective_sample_size():
    assert effective_sample_size([1, 1, 1]) == 3
    assert effective_sample_size([3, 1]) == pytest.approx(1.6)
    assert effective_sample_size([]) == 0


def test_labels_are_told_from_other_targets():
    labels = make_labels([0, 1], [30, 5])
    assert is_labels(labels)
    assert is_labels(labels.iloc[:0])
    assert not is_labels(labels["status"])
    assert not is_labels(labels[["status", "time_days"]])
    assert not is_labels(labels.to_numpy())


def test_no_rows_give_no_rows():
    positions, y, weights = known_outcomes(make_labels([], []))
    assert (len(positions), len(y), len(weights)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: make_labels([0, 7, 1], [3, 3, 3]), r"`labels.status` must be 0 to 4 .* 1 of 3 rows"),
        (lambda: make_labels([0, 1, 1], [3, -1, np.nan]), r"`labels.time_days` .* 2 of 3 rows"),
        (lambda: [0, 1, 2], r"0 or 1 in every row; 1 of 3 rows"),
        (lambda: [0, 1, np.nan], r"0 or 1 in every row; 1 of 3 rows"),
        (lambda: ["no", "yes"], r"0 or 1 in every row; got type"),
        (lambda: np.zeros((3, 2)), r"shape \(3, 2\)"),
    ],
    ids=["status 7", "bad days", "class 2", "missing", "text", "two columns"],
)
def test_bad_labels_are_named_and_counted(bad, message):
    with pytest.raises(ValueError, match=message):
        known_outcomes(bad())


def test_strata_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"`strata` must have one value per row of labels \(2\); got 3"):
        known_outcomes(make_labels([3, 0], [3, 3]), strata=[1, 2, 3])


def strata_of(n_followed: list[int]) -> pd.DataFrame:
    """One stratum after the other: one row that leaves on day 5, then the rows followed to the end."""
    parts = [make_labels([3] + [0] * n, [5] + [30] * n).assign(stratum=code) for code, n in enumerate(n_followed)]
    return pd.concat(parts, ignore_index=True)


# rows followed to the end in each stratum; which strata share one estimate of staying in follow-up
JOINED = [
    ([60, 80], [[0], [1]]),
    ([20, 40, 70], [[0, 1], [2]]),
    ([60, 10, 30], [[0, 1, 2]]),
    ([60, 10, 45, 50], [[0], [1, 2], [3]]),
    ([5, 4], [[0, 1]]),
    ([60, 0, 60], [[0, 1], [2]]),
    ([0, 60, 60], [[0, 1], [2]]),
]


@pytest.mark.parametrize(("n_followed", "together"), JOINED)
def test_strata_with_few_rows_are_joined_with_the_next(n_followed, together):
    labels = strata_of(n_followed)
    positions, _, weights = known_outcomes(labels)
    stratum = labels["stratum"].to_numpy()[positions]
    for strata in together:
        n = sum(n_followed[code] for code in strata)
        assert weights[np.isin(stratum, strata)] == pytest.approx((n + len(strata)) / n)


def test_strata_are_age_band_then_area_then_index_date(county):
    cohort = Population(65).at(county, ["2021-01-01", "2022-01-01"])
    labels = with_strata(Outcome("emergency_visit").label(cohort), cohort)
    persons = county.persons.iloc[cohort.person]
    age = (cohort.frame["index_date"].to_numpy() - persons["birth_date"].to_numpy()).astype("timedelta64[D]")
    band = np.digitize(age.astype(int) / 365.25, [75, 85])
    groups = pd.DataFrame({"date": cohort.index_day, "band": band, "area": persons["area"].to_numpy()})
    assert len(groups.drop_duplicates()) - 4 <= labels["stratum"].nunique() <= len(groups.drop_duplicates()) + 4
    assert labels.groupby("stratum")["status"].size().index.tolist() == list(range(labels["stratum"].nunique()))
    for code, rows in labels.groupby("stratum").indices.items():
        assert groups.iloc[rows][["date", "area"]].drop_duplicates().shape[0] == 1, code
    assert np.corrcoef(labels["stratum"], groups["band"])[0, 1] > 0.9


def test_people_of_earlier_dates_speak_for_a_date_that_nobody_was_followed_from_to_the_end(county):
    cohort = Population(75, without=["stay:round_the_clock"]).at(county, ["2021-01-01", "2022-01-01", "2023-01-01"])
    labels = with_strata(Outcome("unplanned_admission").label(cohort), cohort)
    assert (labels.loc[(slice(None), "2023-01-01"), "status"] != 0).all()
    positions, _, weights = known_outcomes(labels)
    assert effective_sample_size(weights) > 0.9 * len(positions)
    assert weights.max() < 3
    assert weights.sum() == pytest.approx(len(labels), rel=0.01)


def test_strata_undo_the_bias_of_old_people_who_leave_more_often():
    young, truth = simulated(60_000, seed=5)
    rng = np.random.default_rng(6)
    leaves = np.where(rng.random(60_000) < 0.9, rng.exponential(150, 60_000), 1e6)
    frail_leave = make_labels([1] * 20_000 + [0] * 40_000, [200.0] * 20_000 + [365.0] * 40_000)
    gone = leaves < frail_leave["time_days"].to_numpy()
    frail_leave.loc[gone, "status"] = 3
    frail_leave.loc[gone, "time_days"] = np.ceil(leaves[gone])
    labels = pd.concat([young.assign(stratum=0), frail_leave.assign(stratum=1)], ignore_index=True)
    expected = (truth + 1 / 3) / 2

    def share(labels):
        _, y, weights = known_outcomes(labels)
        return np.average(y, weights=weights)

    assert share(labels) == pytest.approx(expected, rel=0.03)
    assert abs(share(labels.drop(columns="stratum")) / expected - 1) > 0.05


def test_labels_of_other_rows_get_no_strata(county):
    cohort = Population(65).at(county, "2021-01-01")
    labels = Outcome("emergency_visit").label(cohort)
    with pytest.raises(ValueError, match="`labels` must be those of the cohort"):
        with_strata(labels, cohort[:10])
