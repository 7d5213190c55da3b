"""Did it work: access, lighter services, equity, cost, and what a list changed; measured without flattery."""

from servicenee.impact.access import care_guarantee, care_limits, waiting_times
from servicenee.impact.comparison import Comparison
from servicenee.impact.cost import service_cost, unit_costs
from servicenee.impact.debt import service_debt
from servicenee.impact.effects import effect_of_lists
from servicenee.impact.equity import equity_gaps
from servicenee.impact.home import days_at_home
from servicenee.impact.indicators import avoidable_admissions, indicator_definitions, indicator_rates
from servicenee.impact.levels import service_levels
from servicenee.impact.mix import service_mix
from servicenee.impact.panel import difference_in_differences
from servicenee.impact.report import ImpactReport, impact_report
from servicenee.impact.residents import last_years
from servicenee.impact.series import interrupted_time_series

__all__ = [
    "Comparison",
    "ImpactReport",
    "avoidable_admissions",
    "care_guarantee",
    "care_limits",
    "days_at_home",
    "difference_in_differences",
    "effect_of_lists",
    "equity_gaps",
    "impact_report",
    "indicator_definitions",
    "indicator_rates",
    "interrupted_time_series",
    "last_years",
    "service_cost",
    "service_debt",
    "service_levels",
    "service_mix",
    "unit_costs",
    "waiting_times",
]
