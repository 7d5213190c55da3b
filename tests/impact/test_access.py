"""The care guarantee: requests are the denominator, the queue counts, and nobody is flattered."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicenee.evaluation import known_outcomes
from servicenee.exceptions import RegisterError, ServiceneeWarning
from servicenee.impact import care_guarantee, waiting_times
from servicenee.impact.access import NOT_FOLLOWED, TOO_FEW, share_interval
from servicenee.impact.incidence import cumulative_incidence, share_error

DATA = Path(__file__).parents[1] / "data"
EXTRACT = "2025-04-01"


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    return pd.read_parquet(DATA / "waiting" / "requests.parquet")


def requests(*rows, **columns) -> pd.DataFrame:
    """Requests of persons 0, 1, ...: (requested, met, closed), ISO or None."""
    frame = pd.DataFrame(rows, columns=["requested", "met", "closed"])
    dates = {name: frame[name].astype("datetime64[us]") for name in frame.columns}
    return pd.DataFrame({"person_id": range(len(rows))} | dates | columns)


# --- the truth of a simulation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("newest_days", "limit", "truth", "claimed"),
    [(None, 7, 0.490, 0.639), (None, 14, 0.620, 0.794), (30, 7, 0.492, 0.783), (30, 14, 0.622, 0.938)],
    ids=["all, 7 days", "all, 14 days", "last 30 days, 7 days", "last 30 days, 14 days"],
)
def test_the_truth_is_found_where_counting_visits_claims_more(simulated, newest_days, limit, truth, claimed):
    chosen = simulated
    if newest_days:
        chosen = simulated[simulated["requested"] >= pd.Timestamp(EXTRACT) - pd.Timedelta(days=newest_days)]
    found = care_guarantee(chosen, limit_days=limit, extract_date=EXTRACT).iloc[0]
    assert abs(found["share"] - truth) < 0.005
    assert found["lower"] < truth < found["upper"]
    assert abs(found["realised_visits_share"] - claimed) < 0.006
    assert found["realised_visits_bias"] == pytest.approx(found["realised_visits_share"] - found["share"])


def test_a_million_requests_take_less_than_ten_seconds(simulated):
    many = pd.concat([simulated] * 10, ignore_index=True)
    many = many.assign(person_id=np.arange(len(many)), area=np.arange(len(many)) % 21)
    start = time.process_time()
    table = care_guarantee(many, extract_date=EXTRACT, by=["area", "month"])
    assert time.process_time() - start < 10
    assert len(table) == 63
    assert table["n"].sum() == 1_000_000


# --- numbers against others ------------------------------------------------------------------------------------------


def test_aalen_johansen_and_its_error_as_in_statsmodels_and_r():
    """mgus2: share with malignancy at 5, 10 and 20 years, death competing. R: 3.41, 6.37, 9.98 %."""
    from statsmodels.duration.survfunc import CumIncidenceRight

    data = pd.read_parquet(DATA / "mgus2" / "mgus2.parquet")
    months = np.where(data["pstat"] == 1, data["ptime"], data["futime"])
    status = np.where(data["pstat"] == 1, 1, np.where(data["death"] == 1, 4, 3))
    # Both put events before censorings of the same month; ours knows nothing of the day on which follow-up ends.
    half_months = 2 * months + (status == 3)
    group, person = np.zeros(len(data), dtype=int), np.arange(len(data))
    ours = cumulative_incidence(half_months, status, group, n_groups=1, n_days=900)
    with np.errstate(all="ignore"):
        theirs = CumIncidenceRight(months.astype(float), np.where(status == 3, 0, np.where(status == 1, 1, 2)))
    for month, published in ((60, 3.41), (120, 6.37), (240, 9.98)):
        at = np.searchsorted(theirs.times, month, side="right") - 1
        assert round(100 * ours.met[0, 2 * month], 2) == published
        assert ours.met[0, 2 * month] == pytest.approx(theirs.cinc[0][at], abs=1e-12)
        error = share_error(ours, 2 * month, half_months, status, group, person)[0]
        assert error == pytest.approx(theirs.cinc_se[0][at], rel=1e-3)


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([1, 3, 4])), min_size=1, max_size=60), st.integers(0, 25))
def test_the_share_is_that_of_weighted_known_outcomes(rows, limit):
    """Two ways to one number: Aalen-Johansen, and censoring weights on those whose outcome is known."""
    days, status = (np.array(column) for column in zip(*rows, strict=True))
    beyond = days > limit
    labels = pd.DataFrame(
        {"status": np.where(beyond, 0, status), "time_days": np.minimum(days, limit + 1).astype(float)}
    ).assign(value=0.0, exposure_days=0.0)
    if not (labels["status"] == 0).any():
        return
    positions, y, weights = known_outcomes(labels)
    if len(positions) < len(labels) and weights.max() > 15:
        return  # weights are cut at 20
    group = np.zeros(len(days), dtype=int)
    found = cumulative_incidence(days, status, group, n_groups=1, n_days=limit + 1)
    assert found.met[0, limit] == pytest.approx(np.sum(weights * y) / len(labels), abs=1e-9)


def test_requests_of_one_person_do_not_count_as_independent():
    alone = requests(*[("2025-01-01", "2025-01-03" if i % 2 else None, None) for i in range(200)])
    shared = alone.assign(person_id=np.repeat(np.arange(20), 10).repeat(1)).assign(
        met=lambda d: pd.to_datetime(np.where(d["person_id"] % 2, "2025-01-03", None))
    )
    shared["service"] = [f"s{i % 10}" for i in range(200)]  # else they would be exact repeats
    wide, narrow = (care_guarantee(one, extract_date=EXTRACT).iloc[0] for one in (shared, alone))
    assert wide["share"] == narrow["share"] == 0.5
    assert (wide["upper"] - wide["lower"]) > 2.5 * (narrow["upper"] - narrow["lower"])


# --- what counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "share"),
    [
        (("2025-01-01", "2025-01-01", None), 1.0),
        (("2025-01-01", "2025-01-08", None), 1.0),
        (("2025-01-01", "2025-01-09", None), 0.0),
        (("2025-01-01", None, "2025-01-03"), 0.0),
        (("2025-01-01", "2025-01-05", "2025-01-03"), 0.0),
        (("2025-01-01", "2025-01-03", "2025-01-05"), 1.0),
        (("2025-01-01", None, None), 0.0),
        (("2025-01-01", "2025-06-01", None), 0.0),
    ],
    ids=["same day", "day 7", "day 8", "cancelled", "cancelled, then seen", "seen, then closed", "open", "booked"],
)
def test_within_seven_days_means_up_to_day_seven(row, share):
    assert care_guarantee(requests(*[row] * 10), extract_date=EXTRACT)["share"].iloc[0] == share


def test_death_and_moving_away_end_the_wait():
    open_requests = requests(*[("2025-01-01", None, None)] * 10)
    persons = pd.DataFrame({"person_id": range(10), "death_date": pd.Timestamp("2025-01-04")})
    table = care_guarantee(open_requests, extract_date=EXTRACT, persons=persons)
    assert table["closed_unmet_share"].iloc[0] == 1.0
    assert care_guarantee(open_requests, extract_date=EXTRACT)["open_share"].iloc[0] == 1.0


def test_the_interval_of_a_share_is_wald_s_on_the_log_odds():
    """30 of 50: log odds 0.4055, standard error sqrt(1/30 + 1/20) = 0.2887, so 0.4600 to 0.7254. None of 50: exact."""
    lower, upper = share_interval(np.array([0.6, 0.0]), np.sqrt([0.6 * 0.4 / 50, 0.0]), np.array([50, 50]))
    np.testing.assert_allclose([lower[0], upper[0]], [0.46000, 0.72537], atol=1e-5)
    np.testing.assert_allclose([lower[1], upper[1]], [0, 1 - 0.025 ** (1 / 50)], atol=1e-9)


def test_the_median_is_the_first_day_by_which_half_had_been_met():
    days, status = np.repeat([4, 9], 5), np.ones(10, dtype=np.int8)
    incidence = cumulative_incidence(days, status, np.zeros(10, dtype=np.int64), n_groups=1, n_days=20)
    assert [incidence.quantile(share).tolist() for share in (0.5, 0.51, 1.0)] == [[4], [9], [9]]


def test_followed_to_the_limit_is_who_was_followed_through_its_last_day():
    """Of the day of the extract nothing is known: a request of seven days before has been followed for six."""
    requested = pd.to_datetime(["2025-01-24"] * 30 + ["2025-01-25"] * 20)
    asked = pd.DataFrame({"person_id": range(50), "requested": requested, "met": pd.NaT})
    table = care_guarantee(asked, limit_days=7, extract_date="2025-02-01")
    assert table["followed_share"].tolist() == [0.6]
    with pytest.raises(ValueError, match="only 39% were made more than the limit before"):
        care_guarantee(asked.iloc[17:], limit_days=7, extract_date="2025-02-01")


@pytest.mark.parametrize(
    ("requested", "born", "days"),
    [
        ("2025-02-01", "2002-02-02", 14),
        ("2025-02-01", "2002-02-01", 90),
        ("2025-02-01", "2007-01-01", 14),
        ("2024-12-31", "1950-01-01", 14),
        ("2023-08-31", "1950-01-01", 90),
        ("2023-09-01", "1950-01-01", 14),
    ],
    ids=["22 in 2025", "23 in 2025", "18 in 2025", "74 in 2024", "before September 2023", "September 2023"],
)
def test_the_law_depends_on_date_and_age(requested, born, days):
    asked = requests(*[(requested, None, None)] * 10)
    persons = pd.DataFrame({"person_id": range(10), "birth_date": pd.Timestamp(born)})
    table = care_guarantee(asked, limit_days="law", extract_date="2025-12-01", persons=persons)
    assert table["limit_days"].tolist() == [days]


def test_specialist_care_has_its_own_limits():
    asked = requests(
        *[("2025-02-01", "2025-03-01", None)] * 10, service=["specialist_assessment", "specialist_care"] * 5
    )
    persons = pd.DataFrame({"person_id": range(10), "birth_date": pd.Timestamp("1950-01-01")})
    table = care_guarantee(asked, limit_days="law", extract_date="2025-12-01", persons=persons, by="service")
    assert table[["service", "limit_days", "share"]].to_numpy().tolist() == [
        ["specialist_assessment", 21, 0.0],
        ["specialist_care", 180, 1.0],
    ]


def test_of_crossed_groups_none_is_left_alone_in_its_row_or_column():
    """Three men of B are what the men of all areas leave of those of A and C, and what B leaves of its women."""
    groups = [("A", "m", 30), ("A", "f", 40), ("B", "m", 3), ("B", "f", 20), ("C", "m", 25), ("C", "f", 50)]
    rows = [(area, sex) for area, sex, n in groups for _ in range(n)]
    asked = requests(
        *[("2025-01-01", "2025-01-03", None)] * len(rows), area=[a for a, _ in rows], sex=[s for _, s in rows]
    )
    shown = care_guarantee(asked, extract_date=EXTRACT, by=["area", "sex"]).pivot(
        index="area", columns="sex", values="n"
    )
    assert shown.loc["B"].isna().all()
    assert (shown.isna().sum() >= 2).all()


def test_assessment_coverage_is_told_where_the_column_is():
    asked = requests(*[("2025-01-01", "2025-01-03", None)] * 20)
    asked["assessed"] = pd.to_datetime(["2025-01-01"] * 14 + [None] * 6)
    assert care_guarantee(asked, extract_date=EXTRACT)["assessed_share"].iloc[0] == pytest.approx(0.7)


# --- groups ----------------------------------------------------------------------------------------------------------


def test_groups_come_from_requests_persons_month_and_age():
    asked = requests(*[("2025-01-01", "2025-01-03", None)] * 20, service="primary_care")
    persons = pd.DataFrame({"person_id": range(20), "area": ["A", "B"] * 10, "birth_date": pd.Timestamp("1945-01-01")})
    table = care_guarantee(asked, extract_date=EXTRACT, by=["area", "month", "age_band", "service"], persons=persons)
    assert table[["area", "month", "age_band", "service", "n"]].to_numpy().tolist() == [
        ["A", "2025-01", "75–84", "primary_care", 10.0],
        ["B", "2025-01", "75–84", "primary_care", 10.0],
    ]


def test_small_groups_and_those_beside_them_are_hidden():
    asked = requests(*[("2025-01-01", "2025-01-03", None)] * 30, area=["A"] * 20 + ["B"] * 7 + ["C"] * 3)
    table = care_guarantee(asked, extract_date=EXTRACT, by="area").set_index("area")
    assert table["note"].tolist() == ["", TOO_FEW, TOO_FEW]
    assert table.loc[["B", "C"], ["n", "share", "open_share", "median_days"]].isna().all(axis=None)


def test_a_month_without_follow_up_is_no_success():
    asked = requests(*[("2025-01-01", "2025-01-20", None)] * 30, *[("2025-03-30", "2025-03-31", None)] * 10)
    table = care_guarantee(asked, limit_days=14, extract_date=EXTRACT, by="month").set_index("month")
    assert table.loc["2025-03", "note"] == NOT_FOLLOWED
    assert np.isnan(table.loc["2025-03", "share"])
    assert table.loc["2025-03", "n"] == 10


def test_a_table_of_new_requests_only_is_refused():
    asked = requests(*[("2025-03-28", "2025-03-29", None)] * 10)
    with pytest.raises(ValueError, match="only 0% were made more than the limit before `extract_date`"):
        care_guarantee(asked, extract_date=EXTRACT)


def test_the_curve_is_the_guarantee_day_by_day(simulated):
    curve = waiting_times(simulated, extract_date=EXTRACT, days=[7, 14]).set_index("day")
    for day in (7, 14):
        table = care_guarantee(simulated, limit_days=day, extract_date=EXTRACT).iloc[0]
        for name in ("share", "lower", "upper", "at_risk"):
            assert curve.loc[day, name] == table[name], name
    total = curve[["share", "closed_unmet_share", "waiting_share"]].sum(axis=1)
    assert total.tolist() == pytest.approx([1, 1])


# --- bad input -------------------------------------------------------------------------------------------------------


def test_faults_are_counted_and_the_good_rows_used():
    good = [("2025-01-01", "2025-01-03", None)] * 995
    bad = [
        ("1900-01-01", "2025-01-03", None),
        ("2025-04-01", None, None),
        ("2025-01-05", "2025-01-03", None),
        ("2025-01-05", None, "2025-01-03"),
        ("2025-01-05", "2999-12-31", None),
    ]
    with pytest.warns(ServiceneeWarning, match="requested: missing or placeholder date in 1 of 1000 rows") as told:
        table = care_guarantee(requests(*good, *bad), extract_date=EXTRACT)
    assert table["n"].iloc[0] == 996
    assert len(told) == 1
    assert "2025-01" not in str(told[0].message)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop(columns="requested"), "requests.requested: the column is missing"),
        (lambda frame: frame.assign(requested="1.2.2025"), "requests.requested: must be dates"),
        (lambda frame: frame.assign(met=pd.Timestamp("2024-01-01")), "requests.met: before requested in 10 of 10 rows"),
    ],
    ids=["no column", "text", "met before asked"],
)
def test_a_table_that_cannot_be_used_is_refused(change, said):
    with pytest.raises(RegisterError, match=said):
        care_guarantee(change(requests(*[("2025-01-01", None, None)] * 10)), extract_date=EXTRACT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"limit_days": 1.5}, "`limit_days` must be a whole number of days"),
        ({"limit_days": "soon"}, "`limit_days` must be one of 'law'"),
        ({"limit_days": "law"}, "`persons` must hold birth_date"),
        ({"by": "area"}, "`by` must name columns of requests or of persons"),
        ({"by": ["month", "month"]}, "`by` must be a column or several different columns"),
        ({"extract_date": "1.4.2025"}, "`extract_date` must be dates or ISO text"),
    ],
    ids=["half a day", "unknown word", "no ages", "unknown column", "twice", "Finnish date"],
)
def test_wrong_arguments_get_one_clear_error(arguments, said):
    asked = requests(*[("2025-01-01", None, None)] * 10)
    with pytest.raises(ValueError, match=said):
        care_guarantee(asked, **{"extract_date": EXTRACT, **arguments})


def test_the_order_of_the_rows_does_not_matter(simulated):
    some = simulated.head(5_000)
    shuffled = some.sample(frac=1, random_state=1)
    first, second = (care_guarantee(one, extract_date=EXTRACT, by="month") for one in (some, shuffled))
    pd.testing.assert_frame_equal(first, second, rtol=1e-12)
