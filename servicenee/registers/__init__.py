"""Registers: tables with one meaning, readers that bring them in, and a synthetic county."""

from servicenee.registers.core import Registers

__all__ = ["Registers"]
