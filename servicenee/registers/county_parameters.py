"""The numbers behind the synthetic county: the tables in `data/` and the constants below.

Rates by age, the spread of conditions and the strength of effects are set so that the county shows the base
rates that Finnish statistics publish; where no source is named the number is our assumption. Nothing here was
estimated from persons.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from servicenee._checks import check_dates

BLOCK_SIZE = 500  # persons whose random numbers are drawn together; parts are made of whole blocks
OUTCOMES = ("death", "home_care_start", "round_the_clock_start", "unplanned_admission", "emergency_visit")
YOUNG_OUTCOME = "mental_health_start"  # of counties that begin before SERVICE_AGE
DAYS_PER_YEAR = 365.25

# People -------------------------------------------------------------------------------------------
SERVICE_AGE = 65  # years; from here on the county's services for older people count
YOUNGEST = 18  # of any county: children have services of their own
POPULATION_FROM = 40  # rows below are read only for younger counties: random numbers stay those of the usual one
OLDER = (SERVICE_AGE, None)  # ages of the usual county
MOVE_IN_SHARE = 0.04  # of persons, over the whole period
MOVE_OUT_PER_YEAR = 0.006
NATIVE_SHARE = 0.45  # registered in the area since birth
LANGUAGES = ("fi", "sv", "other")
LANGUAGE_SHARES = {  # shares of fi, sv, other among older persons, by the municipality's language status
    "finnish": (0.965, 0.020, 0.015),
    "bilingual_finnish": (0.70, 0.26, 0.04),
    "bilingual_swedish": (0.14, 0.83, 0.03),
    "swedish": (0.05, 0.93, 0.02),
}
TEAM_SIZE = 25_000  # inhabitants per home-care team of a municipality
# Logit of the share living alone; gives about 45 % of those aged 75 and over.
LIVING_ALONE = {"intercept": -1.15, "age_10y": 0.45, "female": 0.95}
LIVING_ALONE_YOUNG = 0.33  # share before YOUNG_UNTIL, who leave home and do not yet live with somebody
YOUNG_UNTIL = 35  # years
MORTALITY_TREND = 0.985  # per year after 2013, the last year of the death hazards

# Frailty and acute illness ------------------------------------------------------------------------
FRAILTY_SPREAD = 0.80
FRAILTY_GROWTH = (2.0, 0.03)  # gamma shape and scale, per year: some persons decline faster than others
FRAILTY_USUAL_GROWTH = 0.045  # per year below 75; the oldest lose their frailest to death instead
FRAILTY_SURVIVORS = 0.2  # how much less frail those who are 10 years older at the start are, having survived
FRAILTY_STEP = 0.07  # standard deviation of the monthly random step
BURN_IN_MONTHS = 12
ACUTE_DECAY = 0.55  # share of an acute illness that is left after a month
ACUTE_SHOCK = {"intercept": -3.35, "frailty": 0.35, "age_10y": 0.22}  # log of the monthly probability
ACUTE_SIZE = (2.0, 0.7)  # gamma shape and scale

# Services at the start of the county --------------------------------------------------------------
PREVALENCE_AGES = (65.0, 70.0, 80.0, 90.0, 98.0)
# Shares at these ages. THL, Kotihoito 2022: regular home care 75-84 8 %, 85-94 30 %, 95+ 57 %.
HOME_CARE_PREVALENCE = (0.010, 0.022, 0.080, 0.300, 0.570)
# THL, Sotkanet 2015: round-the-clock care 75+ 9.2 %.
ROUND_THE_CLOCK_PREVALENCE = (0.004, 0.013, 0.055, 0.190, 0.330)
PREVALENT_NEED = 0.75  # weight of a person's own need, beside age, in who has a service at the start
# Log hazard beyond age in the middle of the county, so that need moves persons but not the prevalence.
USUAL_NEED = {"home_care_start": 0.6, "round_the_clock_start": 1.3}
PREVALENT_HOME_CARE_DAYS = 900  # mean days since the spell began, beyond CONFIRMED_DAYS
PREVALENT_ROUND_THE_CLOCK_DAYS = 700
CONFIRMED_DAYS = 60  # a shorter spell ends only by death, round-the-clock care or leaving the area
# Log of the monthly probability that a home-care spell ends because it is no longer needed.
RECOVERY = {"intercept": -3.85, "frailty": -0.45, "age_10y": -0.3}
RECOVERY_FROM_MONTH = 3  # months after the month of the start, so never within CONFIRMED_DAYS
COMMUNAL_HOUSING = {"intercept": -5.6, "frailty": 0.6, "age_10y": 0.8}  # log of the yearly rate

# Use of services; the effects work on the log of the rate -----------------------------------------
DOCTOR_SHARE = 0.45  # of primary-care follow-up contacts; the rest are a nurse's
COMPLAINTS = {  # log of the monthly number of contacts
    "frailty": {"intercept": -3.05, "frailty": 0.95, "age_10y": 0.45, "acute": 0.30},
    "ordinary": {"intercept": -1.9, "frailty": 0.15, "age_10y": 0.05, "acute": 0.40},
}
PURCHASES_MADE = 0.93  # share of medicine purchases that are made at all
HOSPITAL_DAYS = 5.5  # mean length of an unplanned stay
HOSPITAL_DAYS_FRAILTY = 0.2  # log, per unit of frailty
LONGEST_HOSPITAL_STAY = 60  # days
PLANNED_ADMISSIONS_PER_YEAR = 0.05
INTERVAL_CARE_PER_MONTH = 0.012  # of home-care clients
LABORATORY_PER_YEAR = {"HbA1c": 0.25, "eGFR": 0.7, "BP_systolic": 0.9, "weight": 0.4, "Hb": 0.7}
RAI_INTERVAL_DAYS = 182  # in a service; assessing its clients is a duty (Act 980/2012, section 15 a)
# Log of the monthly number of assessments that need alone brings, service or not.
RAI_OTHERS = {"intercept": -6.3, "frailty": 0.8, "age_10y": 0.7}

# Mental-health and substance-use services, in counties that begin before SERVICE_AGE ----------------
# Log of the monthly probability that an episode of care begins at age 75; gives 4-6 % a year of those aged 18-29.
MENTAL_HEALTH_START = {
    "intercept": -7.6,
    "age_10y": -0.28,
    "frailty": 0.85,
    "acute": 0.20,
    "female": 0.25,
    "depression": 1.2,
    "alcohol_use_disorder": 1.1,
    "psychosis": 1.4,
}
MENTAL_HEALTH_MONTHS = 8  # mean length of an episode
MENTAL_HEALTH_CONTACTS = 1.6  # mean contacts a month in an episode
SUBSTANCE_USE = {"intercept": -2.2, "male": 0.7, "alcohol_use_disorder": 2.2}  # logit of the share of episodes
# Log of the monthly number of contacts in primary care for distress: they come from need, care or not.
DISTRESS = {"intercept": -3.7, "frailty": 0.8, "acute": 0.30, "depression": 0.7}

# Reporting ----------------------------------------------------------------------------------------
COMMUNAL_HOUSING_LAW = "2023-01-01"  # Act 790/2022: communal housing became a form of its own
SOURCES = {  # source: (months after the county's start at which it begins, reporting lag in days)
    "primary_care": (0, 7),
    "emergency": (0, 7),
    "outpatient": (0, 30),
    "inpatient": (0, 60),
    "home_care": (0, 30),
    "round_the_clock_care": (0, 30),
    "communal_housing": (0, 30),
    "medication": (0, 14),
    "entitlement": (-240, 30),
    "laboratory": (24, 2),
    "rai": (12, 14),
    "social": (6, 30),
    "mental_health": (0, 30),
}
YOUNG_SOURCES = ("mental_health",)  # of counties that begin before SERVICE_AGE


@dataclass(frozen=True)
class Calendar:
    """The months of a county: first day (since 1970-01-01) and length of each."""

    first_day: np.ndarray
    length: np.ndarray

    @property
    def n_months(self) -> int:
        return len(self.length)

    @property
    def start(self) -> int:
        return int(self.first_day[0])

    @property
    def extract(self) -> int:
        return int(self.first_day[-1])

    @property
    def years(self) -> float:
        return (self.extract - self.start) / DAYS_PER_YEAR

    def month_of(self, days: np.ndarray) -> np.ndarray:
        """Month in which a day lies; -1 before the first month, `n_months` after the last."""
        return np.searchsorted(self.first_day, days, side="right") - 1


def county_calendar(start: str, extract_date: str) -> Calendar:
    """Months from `start` to `extract_date`, both the first of a month."""
    first, last = (pd.Timestamp(_one_date(*pair)) for pair in (("start", start), ("extract_date", extract_date)))
    if first.day != 1 or last.day != 1:
        raise ValueError(
            f"`start` and `extract_date` must be the first of a month; got {first:%Y-%m-%d} and "
            f"{last:%Y-%m-%d}. The county lives by calendar months."
        )
    if (last - first).days < 365:
        raise ValueError(
            f"`extract_date` must be at least a year after `start`; got {first:%Y-%m-%d} and {last:%Y-%m-%d}."
        )
    months = np.arange(np.datetime64(first, "M"), np.datetime64(last, "M") + np.timedelta64(1, "M"))
    first_day = months.astype("datetime64[D]").astype(np.int64)
    return Calendar(first_day, np.diff(first_day))


def _one_date(name: str, date) -> np.datetime64:
    dates = check_dates(name, date)
    if len(dates) != 1:
        raise ValueError(f"`{name}` must be one date; got {len(dates)}.")
    return dates[0]


@cache
def county_table(name: str) -> pd.DataFrame:
    """One of the tables in `data/`, for example ``"conditions"``."""
    path = files("servicenee.registers").joinpath("data", f"county_{name}.csv")
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"kela": str, "code": str}, keep_default_na=False, na_values=[""])


def random_stream(random_state: int, block: int, stage: int) -> np.random.Generator:
    """Random numbers of one block of persons and one stage, independent of every other block and stage."""
    return np.random.default_rng(np.random.SeedSequence(random_state, spawn_key=(block, stage)))


def logistic(x: np.ndarray) -> np.ndarray:
    """Inverse of the logit, safe for large values."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def logit(p: np.ndarray) -> np.ndarray:
    """Log odds of a probability strictly between 0 and 1."""
    p = np.asarray(p, dtype=float)
    return np.log(p) - np.log1p(-p)
