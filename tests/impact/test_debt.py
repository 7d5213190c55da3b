"""Service debt: months are compared with the same month of normal times, and what is missing adds up."""

import numpy as np
import pandas as pd
import pytest

from servicenee.impact import service_debt

REFERENCE = ("2022-01-01", "2023-01-01")


def requests(per_day: dict[str, int], wait_days: int = 2) -> pd.DataFrame:
    """So many requests on every day of each month."""
    days = [
        day
        for month, n in per_day.items()
        for day in np.repeat(pd.date_range(month, periods=pd.Period(month).days_in_month), n)
    ]
    requested = pd.to_datetime(pd.Series(days))
    return pd.DataFrame(
        {"person_id": range(len(days)), "requested": requested, "met": requested + pd.Timedelta(days=wait_days)}
    )


NORMAL = {f"2022-{month:02d}": 6 if month == 7 else 10 for month in range(1, 13)}


def debt_of(asked, measure, **options):
    table = service_debt(asked, reference=REFERENCE, extract_date="2023-08-01", **options)
    return table[table["measure"] == measure].set_index("month")


def test_a_summer_is_compared_with_a_summer():
    later = {f"2023-{month:02d}": 6 if month == 7 else 10 for month in range(1, 8)}
    table = debt_of(requests(NORMAL | later), "requests")
    assert table.loc["2023-07-01", ["observed", "expected"]].tolist() == [186, 186]
    assert table["debt"].dropna().tolist() == pytest.approx([0] * 7)
    assert table.loc["2022-05-01", "in_reference"]


def test_missing_contacts_add_up_to_a_debt():
    later = {f"2023-{month:02d}": 8 if month < 3 else 10 for month in range(1, 8)}
    table = debt_of(requests(NORMAL | later, wait_days=0), "met")
    assert table.loc["2023-01-01", "difference"] == -62
    assert table.loc["2023-02-01", "debt"] == pytest.approx(62 + 56)
    assert not table.loc["2023-01-01", "lower"] <= table.loc["2023-01-01", "observed"]


def test_the_queue_is_who_waits_at_the_end_of_the_month():
    later = {f"2023-{month:02d}": 10 for month in range(1, 8)}
    asked = requests(NORMAL | later)
    asked.loc[asked["requested"] >= "2023-05-01", "met"] = pd.NaT
    table = debt_of(asked, "queue")
    assert table.loc["2023-04-01", "observed"] == 20
    assert table.loc["2023-05-01", "observed"] == 310
    assert table.loc["2023-05-01", "debt"] == pytest.approx(290)


def test_services_are_kept_apart():
    asked = requests(NORMAL | {"2023-01": 10})
    asked["service"] = np.where(np.arange(len(asked)) % 2, "primary_care", "specialist_care")
    table = service_debt(asked, reference=REFERENCE, extract_date="2023-02-01", by="service")
    assert table.groupby("service")["observed"].sum().nunique() == 1
    assert list(table.columns[:2]) == ["service", "month"]


def test_small_counts_are_hidden():
    asked = pd.concat([requests(NORMAL), requests({"2023-01": 1}).head(3)], ignore_index=True)
    asked["person_id"] = range(len(asked))
    table = service_debt(asked, reference=REFERENCE, extract_date="2023-02-01")
    row = table[(table["measure"] == "requests") & (table["month"] == "2023-01-01")].iloc[0]
    assert np.isnan(row["observed"])
    assert np.isnan(row["difference"])
    assert np.isnan(row["debt"])


@pytest.mark.parametrize(
    "reference",
    [
        ("2022-01-01", "2022-06-01"),
        ("2022-01-15", "2023-01-15"),
        ("2023-01-01", "2024-01-01"),
        ("2021-01-01", "2022-06-01"),
    ],
    ids=["too short", "broken months", "after the extract", "before the first request"],
)
def test_a_reference_that_cannot_serve_is_refused(reference):
    with pytest.raises(ValueError, match="`reference` must"):
        service_debt(requests(NORMAL), reference=reference, extract_date="2023-02-01")


def test_a_small_count_can_be_found_neither_in_what_was_expected_nor_in_the_sum():
    first = {"2022-03-01": 3, "2023-05-01": 2}
    months = pd.date_range("2022-01-01", "2023-07-01", freq="MS")
    days = pd.Series([month for month in months for _ in range(first.get(str(month.date()), 12))])
    table = debt_of(pd.DataFrame({"person_id": range(len(days)), "requested": days, "met": days}), "requests")
    for month in ("2022-03-01", "2023-03-01"):
        assert table.loc[month, ["expected", "lower", "upper", "difference"]].isna().all()
    assert table["observed"].isna().sum() == 2
    assert table["debt"].dropna().index.max() == pd.Timestamp("2023-02-01")
