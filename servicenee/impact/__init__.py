"""Did it work: access, lighter services, equity, cost, and what a list changed; measured without flattery."""

from servicenee.impact.access import care_guarantee, care_limits, waiting_times
from servicenee.impact.cost import service_cost, unit_costs
from servicenee.impact.home import days_at_home
from servicenee.impact.indicators import avoidable_admissions, indicator_definitions, indicator_rates
from servicenee.impact.levels import service_levels
from servicenee.impact.mix import service_mix
from servicenee.impact.residents import last_years

__all__ = [
    "avoidable_admissions",
    "care_guarantee",
    "care_limits",
    "days_at_home",
    "indicator_definitions",
    "indicator_rates",
    "last_years",
    "service_cost",
    "service_levels",
    "service_mix",
    "unit_costs",
    "waiting_times",
]
