"""Registers: tables with one meaning, readers that bring them in, and a synthetic county."""

from servicenee.registers.core import Registers
from servicenee.registers.files import read_registers, write_registers
from servicenee.registers.hilmo import read_hilmo
from servicenee.registers.hilmo_writing import write_hilmo
from servicenee.registers.identity import pseudonym_key, pseudonymise
from servicenee.registers.meds import read_meds
from servicenee.registers.mending import with_areas, with_assumed_ends, without_repeats
from servicenee.registers.omop import read_omop
from servicenee.registers.omop_concepts import concept_codelist, concept_names
from servicenee.registers.quality import code_systems, lag_curve, source_table, weekly_volumes
from servicenee.registers.quality_report import register_report, register_summary
from servicenee.registers.signals import check_registers
from servicenee.registers.sql import read_sql
from servicenee.registers.synthetic import make_registers, true_risks

__all__ = [
    "Registers",
    "check_registers",
    "code_systems",
    "concept_codelist",
    "concept_names",
    "lag_curve",
    "make_registers",
    "pseudonym_key",
    "pseudonymise",
    "read_hilmo",
    "read_meds",
    "read_omop",
    "read_registers",
    "read_sql",
    "register_report",
    "register_summary",
    "source_table",
    "true_risks",
    "weekly_volumes",
    "with_areas",
    "with_assumed_ends",
    "without_repeats",
    "write_hilmo",
    "write_registers",
]
