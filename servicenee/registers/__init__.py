"""Registers: tables with one meaning, readers that bring them in, and a synthetic county."""

from servicenee.registers.core import Registers
from servicenee.registers.files import read_registers, write_registers
from servicenee.registers.synthetic import make_registers, true_risks

__all__ = ["Registers", "make_registers", "read_registers", "true_risks", "write_registers"]
