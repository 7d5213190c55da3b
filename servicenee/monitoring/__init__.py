"""Is the model still true: a model and registers come in; findings, a page and a line of JSON go out."""

from servicenee.monitoring.limits import monitor_limits
from servicenee.monitoring.monitor import Monitoring, monitor
from servicenee.monitoring.shadow import compare_scores

__all__ = ["Monitoring", "compare_scores", "monitor", "monitor_limits"]
