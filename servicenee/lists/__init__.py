"""Lists that a clinician or a care coordinator opens."""

from servicenee.lists.listing import SegmentList, segment_list

__all__ = ["SegmentList", "segment_list"]
