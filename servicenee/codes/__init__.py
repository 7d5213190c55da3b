"""Code systems and code lists: one spelling for matching, lists and score tables as data rows."""

from servicenee.codes.codelist import Codelist, as_codelist, load_codelist, shipped_codelists
from servicenee.codes.icd10fi import split_icd10, split_kinds, suggest_icd10
from servicenee.codes.scores import ScoreTable, load_score, shipped_scores
from servicenee.codes.spelling import atc_level, is_pseudo_code, normalise_code

__all__ = [
    "Codelist",
    "ScoreTable",
    "as_codelist",
    "atc_level",
    "is_pseudo_code",
    "load_codelist",
    "load_score",
    "normalise_code",
    "shipped_codelists",
    "shipped_scores",
    "split_icd10",
    "split_kinds",
    "suggest_icd10",
]
