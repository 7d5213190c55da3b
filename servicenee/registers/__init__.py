"""Registers: tables with one meaning, readers that bring them in, and a synthetic county."""

from servicenee.registers.core import Registers
from servicenee.registers.files import read_registers, write_registers
from servicenee.registers.omop import concept_codelist, read_omop
from servicenee.registers.synthetic import make_registers, true_risks

__all__ = [
    "Registers",
    "concept_codelist",
    "make_registers",
    "read_omop",
    "read_registers",
    "true_risks",
    "write_registers",
]
