"""Did it work: access, lighter services, equity, cost, and what a list changed; measured without flattery."""

from servicenee.impact.access import care_guarantee, care_limits, waiting_times

__all__ = [
    "care_guarantee",
    "care_limits",
    "waiting_times",
]
