"""Code systems and code lists: one spelling for matching, lists as data rows."""

from servicenee.codes.codelist import Codelist, as_codelist, load_codelist, normalise_code, shipped_codelists

__all__ = ["Codelist", "as_codelist", "load_codelist", "normalise_code", "shipped_codelists"]
