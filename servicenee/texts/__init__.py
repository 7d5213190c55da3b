"""Every word a reader sees, as data, in Finnish, Swedish and English."""

from servicenee.texts.catalogue import LANGUAGES, known_text, text
from servicenee.texts.formats import format_date, format_horizon, format_number, format_percent, format_window

__all__ = [
    "LANGUAGES",
    "format_date",
    "format_horizon",
    "format_number",
    "format_percent",
    "format_window",
    "known_text",
    "text",
]
