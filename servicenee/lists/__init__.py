"""Lists that a clinician or a care coordinator opens, fills in and returns."""

from servicenee.lists.decisions import Decisions, read_decisions
from servicenee.lists.document import SegmentList
from servicenee.lists.listing import segment_list
from servicenee.lists.record import log_access, read_access_log, read_record
from servicenee.lists.rules import list_rules

__all__ = [
    "Decisions",
    "SegmentList",
    "list_rules",
    "log_access",
    "read_access_log",
    "read_decisions",
    "read_record",
    "segment_list",
]
