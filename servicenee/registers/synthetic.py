"""A synthetic Finnish county: a seed in; its registers, and the true risks that made them, out.

The county is Ostrobothnia (Pohjanmaa, Österbotten): its municipalities and their languages, Finnish ages and
death hazards, and levels of service use that match Finnish statistics. Every person is invented.
"""

import numpy as np
import pandas as pd

from servicenee._checks import check_choice, check_count, check_days
from servicenee.registers import county_parameters as numbers
from servicenee.registers.core import Registers
from servicenee.registers.county_hazards import county_hazards
from servicenee.registers.county_parameters import Calendar, county_calendar
from servicenee.registers.county_people import county_people, person_numbers
from servicenee.registers.county_tables import county_tables

LARGEST_COUNTY = 10_000_000  # persons; an id that decodes to more belongs to another seed
_COMPETING = {  # events that end the risk; in a month with both, an acute event comes before the death
    "death": (),
    "round_the_clock_start": ("death",),
    "home_care_start": ("death", "round_the_clock_start"),
    "unplanned_admission": ("death",),
    "emergency_visit": ("death",),
    numbers.YOUNG_OUTCOME: ("death",),
}
_ACUTE = ("unplanned_admission", "emergency_visit")


def make_registers(
    n_persons: int = 5_000,
    *,
    random_state: int | None = None,
    start: str = "2018-01-01",
    extract_date: str = "2024-01-01",
    part: tuple[int, int] | None = None,
    ages: tuple[int, int | None] = numbers.OLDER,
) -> Registers:
    """Registers of a synthetic Finnish county, by default of persons who are 65 or turn 65 before the extract.

    Parameters
    ----------
    n_persons : int, default=5_000
        Size of the county. The first persons of a larger county with the same seed are the same persons.
    random_state : int, optional
        Seed; None draws a fresh one, whose true risks cannot be asked for afterwards.
    start : ISO date, default="2018-01-01"
        First day of the registers, the first of a month. Some sources begin later: see the coverage table.
    extract_date : ISO date, default="2024-01-01"
        Day of the extract, the first of a month at least a year after `start`.
    part : (int, int), optional
        ``(k, n)`` gives only part k (0 to n - 1) of n; all parts together are the whole county, person by
        person. So a county of any size can be written in bounded memory.
    ages : (int, int or None), default=(65, None)
        Persons who reach the first age, at least 18, before the extract and are not older than the second at the
        start. A county that begins before 65, such as ``(18, 29)``, also has mental-health and substance-use services.

    Returns
    -------
    Registers
        With the columns team and living_alone in the persons table, and requests of the last three years.

    Notes
    -----
    Latent frailty, which no register holds, drives conditions, medicines, visits, assessments, services and
    death. Monthly hazards depend on age, sex, place, living alone, conditions, latent frailty and recent
    acute illness, never on services the person already has: see `true_risks`. Nothing before a start tells
    more of it than its hazard. Rows not reported by the extract are absent; hospital rows come at discharge.

    Examples
    --------
    >>> from servicenee.registers import make_registers
    >>> registers = make_registers(300, random_state=0)
    >>> len(registers.persons), registers.extract_date.isoformat()
    (300, '2024-01-01T00:00:00')
    """
    calendar, ages = county_calendar(start, extract_date), _check_ages(ages)
    blocks = _blocks(check_count("n_persons", n_persons), part)
    if random_state is None and part is not None:
        raise ValueError("`random_state` must be a whole number when `part` is given; got None. Parts share a seed.")
    seed = np.random.SeedSequence().entropy if random_state is None else _check_seed(random_state)
    return Registers(**county_tables(n_persons, seed, calendar, blocks, ages))


def true_risks(
    index: pd.MultiIndex | pd.DataFrame,
    outcome: str,
    *,
    random_state: int,
    horizon_days: int = 365,
    gap_days: int = 0,
    start: str = "2018-01-01",
    extract_date: str = "2024-01-01",
    ages: tuple[int, int | None] = numbers.OLDER,
) -> pd.Series:
    """True risk of an outcome for persons of `make_registers` at index dates, from the hazards behind them.

    Parameters
    ----------
    index : MultiIndex or DataFrame
        Pairs of person_id and index_date, for example ``cohort.frame``, ``X.index`` or ``labels.index``.
    outcome : {"home_care_start", "round_the_clock_start", "death", "unplanned_admission", "emergency_visit"}
        Or, of a county that begins before 65, "mental_health_start".
    random_state, start, extract_date, ages
        As given to `make_registers`.
    horizon_days : int, default=365
        Length of the outcome window.
    gap_days : int, default=0
        Days between the index date and the window.

    Returns
    -------
    Series
        Risk in the order of `index`, named true_risk.

    Notes
    -----
    The risk is the cumulative incidence of the first event in the window,

    .. math:: p = \\sum_u S(u - 1) \\, (1 - h_{competing}(u)) \\, h_{outcome}(u)

    over months u on the path of the person's own latent frailty and acute illness, which continues past death
    and start. It is the risk of somebody alive, in the area and without the service at the index date.
    Death competes always, round-the-clock care with the start of home care. A start within the gap ends the
    risk, an admission or a visit within the gap does not. Events fall evenly on the days of a month, so risks
    are exact for index dates on the first of a month and close for others.

    Examples
    --------
    >>> import pandas as pd
    >>> from servicenee.registers import make_registers, true_risks
    >>> registers = make_registers(300, random_state=0)
    >>> rows = registers.persons[["person_id"]].assign(index_date=pd.Timestamp("2020-01-01"))
    >>> risk = true_risks(rows, "death", random_state=0)
    >>> bool(risk.between(0, 1).all()), len(risk)
    (True, 300)
    """
    check_choice("outcome", outcome, [*numbers.OUTCOMES, *([numbers.YOUNG_OUTCOME] if _is_young(ages) else [])])
    window = check_days("gap_days", gap_days), check_days("horizon_days", horizon_days, minimum=1)
    calendar = county_calendar(start, extract_date)
    ids, days = _pairs(index)
    _check_within(days, sum(window), calendar)
    seed, risk = _check_seed(random_state), np.zeros(len(ids))
    number = _check_numbers(person_numbers(ids, seed))
    for block, rows in _rows_by_block(number):
        hazards = county_hazards(county_people(calendar, seed, block, ages), calendar)
        local = number[rows] - block * numbers.BLOCK_SIZE
        paths = {name: hazards[name][local] for name in (outcome, *_COMPETING[outcome])}
        risk[rows] = _cumulative_incidence(paths, outcome, days[rows], window, calendar)
    dates = days.astype("datetime64[D]").astype("datetime64[us]")
    pairs = pd.MultiIndex.from_arrays([ids, dates], names=["person_id", "index_date"])
    return pd.Series(risk, index=pairs, name="true_risk")


def true_hazards(
    persons,
    *,
    random_state: int,
    start: str = "2018-01-01",
    extract_date: str = "2024-01-01",
    ages: tuple[int, int | None] = numbers.OLDER,
) -> pd.DataFrame:
    """True monthly hazards of persons of `make_registers`: one row per person and month.

    Parameters
    ----------
    persons : array-like of str
        Person ids of the county, each once.
    random_state, start, extract_date, ages
        As given to `make_registers`.

    Returns
    -------
    DataFrame
        Index person_id and month (its first day), columns death, home_care_start, round_the_clock_start,
        unplanned_admission and emergency_visit: the probability of the event for somebody at risk.

    Examples
    --------
    >>> from servicenee.registers.synthetic import make_registers, true_hazards
    >>> registers = make_registers(300, random_state=0)
    >>> true_hazards(registers.persons["person_id"].head(2), random_state=0).shape
    (144, 5)
    """
    calendar, seed, ages = county_calendar(start, extract_date), _check_seed(random_state), _check_ages(ages)
    ids = np.asarray(persons, dtype=object)
    number = _check_numbers(person_numbers(ids, seed))
    months = calendar.first_day[:-1].astype("datetime64[D]").astype("datetime64[us]")
    values = np.empty((len(ids), len(months), len(numbers.OUTCOMES)))
    for block, rows in _rows_by_block(number):
        hazards = county_hazards(county_people(calendar, seed, block, ages), calendar)
        local = number[rows] - block * numbers.BLOCK_SIZE
        values[rows] = np.stack([hazards[outcome][local] for outcome in numbers.OUTCOMES], axis=-1)
    index = pd.MultiIndex.from_product([ids, months], names=["person_id", "month"])
    return pd.DataFrame(values.reshape(-1, len(numbers.OUTCOMES)), index=index, columns=list(numbers.OUTCOMES))


def _blocks(n_persons: int, part: tuple[int, int] | None) -> range:
    """Blocks of the county or of one of its parts."""
    n_blocks = -(-n_persons // numbers.BLOCK_SIZE)
    if part is None:
        return range(n_blocks)
    try:
        k, n = (int(value) for value in part)
    except (TypeError, ValueError):
        raise ValueError(f"`part` must be a pair (k, n) of whole numbers; got {part!r}.") from None
    if not 0 <= k < n <= n_blocks:
        raise ValueError(
            f"`part` must be (k, n) with 0 <= k < n <= {n_blocks} for {n_persons} persons; got {part!r}. "
            f"Parts are made of whole blocks of {numbers.BLOCK_SIZE} persons."
        )
    return range(k * n_blocks // n, (k + 1) * n_blocks // n)


def _check_ages(ages: tuple[int, int | None]) -> tuple[int, int | None]:
    low, high = ages if isinstance(ages, tuple | list) and len(ages) == 2 else (0, None)
    whole = all(isinstance(age, int | np.integer) for age in (low, low if high is None else high))
    if not whole or not numbers.YOUNGEST <= low <= (95 if high is None else high) <= 95:
        raise ValueError(
            f"`ages` must be (lowest, highest) in whole years from {numbers.YOUNGEST} to 95, highest None for no "
            f"limit; got {ages!r}."
        )
    return low, high


def _is_young(ages: tuple[int, int | None]) -> bool:
    return _check_ages(ages)[0] < numbers.SERVICE_AGE


def _check_seed(random_state: int) -> int:
    if not isinstance(random_state, int | np.integer) or isinstance(random_state, bool) or random_state < 0:
        raise ValueError(f"`random_state` must be a whole number of at least 0; got {random_state!r}.")
    return int(random_state)


def _pairs(index: pd.MultiIndex | pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Ids and index days of the rows asked about."""
    names = ["person_id", "index_date"]
    if isinstance(index, pd.DataFrame) and not set(names) <= set(index.columns):
        index = index.index
    available = index.columns if isinstance(index, pd.DataFrame) else index.names
    if not set(names) <= set(available):
        raise ValueError("`index` must hold person_id and index_date; got neither columns nor levels of these names.")
    columns = [index[name] if isinstance(index, pd.DataFrame) else index.get_level_values(name) for name in names]
    dates = pd.DatetimeIndex(columns[1]).to_numpy().astype("datetime64[D]")
    return np.asarray(columns[0], dtype=object), dates.astype(np.int64)


def _check_within(days: np.ndarray, window_days: int, calendar: Calendar) -> None:
    outside = (days < calendar.start) | (days + window_days > calendar.extract)
    if outside.any():
        raise ValueError(
            f"`index` must keep every outcome window within the county's months; {int(outside.sum())} of "
            f"{len(days)} rows reach outside. Choose earlier dates, a shorter horizon or a later extract."
        )


def _check_numbers(number: np.ndarray) -> np.ndarray:
    unknown = (number < 0) | (number >= LARGEST_COUNTY)
    if unknown.any():
        raise ValueError(
            f"`random_state` must be the seed of the county the persons come from; {int(unknown.sum())} of "
            f"{len(number)} ids were not made with it."
        )
    return number


def _rows_by_block(number: np.ndarray):
    """Blocks in ascending order, each with the positions of its rows."""
    block = number // numbers.BLOCK_SIZE
    order = np.argsort(block, kind="stable")
    blocks, first = np.unique(block[order], return_index=True)
    return zip(blocks.tolist(), np.split(order, first[1:]), strict=True) if len(number) else ()


def _cumulative_incidence(
    paths: dict[str, np.ndarray], outcome: str, days: np.ndarray, window: tuple[int, int], calendar: Calendar
) -> np.ndarray:
    """Sum over months of being still at risk, no competing event first, and the event."""
    opens, closes = days + window[0], days + sum(window)
    month, row = calendar.month_of(days), np.arange(len(days))
    at_risk, risk = np.ones(len(days)), np.zeros(len(days))
    while (calendar.first_day[month] < closes).any():
        inside = np.minimum(month, calendar.n_months - 1)
        first, length = calendar.first_day[inside], calendar.length[inside]
        after_index = np.clip(first + length - np.maximum(first, days), 0, length) / length
        in_window = np.clip(np.minimum(first + length, closes) - np.maximum(first, opens), 0, length) / length
        hazard = paths[outcome][row, inside]
        spared = np.ones(len(days))
        for name in _COMPETING[outcome]:
            spared *= 1 - after_index * paths[name][row, inside]
        before = 1.0 if outcome in _ACUTE else spared
        risk += at_risk * before * hazard * in_window
        at_risk = at_risk * spared * (1 - hazard * (in_window if outcome in _ACUTE else after_index))
        month = np.minimum(month + 1, calendar.n_months)
    return risk
