"""Hospital discharges of people with diabetes aged 60 and over: encounters, features and two outcomes at discharge."""

from importlib.resources import as_file, files

import numpy as np
import pandas as pd

from servicenee._checks import check_choice

HOME_HEALTH = (6, 8)
NURSING_FACILITY = (3, 4, 24)
NOT_ALIVE_OR_HOSPICE = (11, 13, 14, 19, 20, 21)
UNKNOWN_DISCHARGE = (18, 25, 26)
FROM_NURSING_FACILITY = 5

OUTCOMES = {"home_health": HOME_HEALTH, "nursing_facility": NURSING_FACILITY}

NUMBERS = (
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
)
CATEGORIES = ("race", "gender", "payer_code", "medical_specialty", "max_glu_serum", "A1Cresult", "insulin")
NUMBERED_CATEGORIES = ("admission_type_id", "admission_source_id")
MEDICINES = (
    "metformin",
    "repaglinide",
    "nateglinide",
    "glimepiride",
    "glipizide",
    "glyburide",
    "pioglitazone",
    "rosiglitazone",
    "acarbose",
)

# First three characters of ICD-9-CM, both ends included.
CHAPTERS = (
    ("infection", "001", "139"),
    ("neoplasm", "140", "239"),
    ("endocrine", "240", "249"),
    ("diabetes", "250", "250"),
    ("metabolic", "251", "279"),
    ("blood", "280", "289"),
    ("mental", "290", "319"),
    ("nervous", "320", "389"),
    ("circulatory", "390", "459"),
    ("respiratory", "460", "519"),
    ("digestive", "520", "579"),
    ("genitourinary", "580", "629"),
    ("skin", "680", "709"),
    ("musculoskeletal", "710", "739"),
    ("symptoms", "780", "799"),
    ("injury", "800", "999"),
    ("external", "E00", "E99"),
    ("contact", "V00", "V99"),
)
CONDITIONS = (
    ("sepsis", "038", "038"),
    ("dementia", "290", "290"),
    ("delirium_or_cognitive", "293", "294"),
    ("depression_or_psychosis", "295", "301"),
    ("parkinson_or_degenerative", "331", "335"),
    ("ischaemic_heart", "410", "414"),
    ("arrhythmia", "426", "427"),
    ("heart_failure", "428", "428"),
    ("stroke", "430", "438"),
    ("pneumonia", "480", "487"),
    ("copd", "490", "496"),
    ("kidney_failure", "584", "586"),
    ("urinary_infection", "599", "599"),
    ("skin_infection", "680", "686"),
    ("skin_ulcer", "707", "707"),
    ("joint_disease", "710", "719"),
    ("bone_disease", "730", "733"),
    ("hip_fracture", "820", "820"),
    ("other_fracture", "800", "829"),
    ("device_complication", "996", "999"),
    ("rehabilitation", "V57", "V57"),
)


def load_diabetes130() -> pd.DataFrame:
    """Give the hospital encounters of people with diabetes aged 60 and over, United States 1999-2008.

    Returns
    -------
    DataFrame of shape (48226, 48)
        One row per encounter with the columns of the source, indexed by person_id (patient_nbr) and encounter_id
        (rising with time; there are no dates). `discharge_disposition_id` and `readmitted` tell what came after.

    Notes
    -----
    A 70 % sample of the patients of the UCI data set 296, licensed under CC BY 4.0; ``diabetes130.md`` next to the
    data says what was changed.

    References
    ----------
    Strack B et al. Impact of HbA1c measurement on hospital readmission rates. BioMed Res Int 2014;781670.

    Examples
    --------
    >>> from servicenee.datasets import load_diabetes130
    >>> load_diabetes130().shape
    (48226, 48)
    """
    with as_file(files("servicenee.datasets") / "diabetes130.parquet") as path:
        encounters = pd.read_parquet(path)
    index = pd.MultiIndex.from_frame(encounters[["patient_nbr", "encounter_id"]], names=["person_id", "encounter_id"])
    return encounters.drop(columns=["patient_nbr", "encounter_id"]).set_index(index)


def diabetes130_outcome(encounters: pd.DataFrame, outcome: str) -> pd.Series:
    """Give whether each eligible discharge was to home health care or to a nursing facility.

    Parameters
    ----------
    encounters : DataFrame
        As given by `load_diabetes130`.
    outcome : {"home_health", "nursing_facility"}
        Home under care of a home health service (discharge disposition 6 or 8), or a skilled, intermediate or other
        certified nursing facility (3, 4, 24).

    Returns
    -------
    Series of int64
        1 or 0, indexed like the eligible rows of `encounters`.

    Notes
    -----
    Eligible are those discharged alive and not to hospice (not 11, 13, 14, 19, 20, 21), whose discharge is known
    (not 18, 25, 26) and who did not come from a nursing facility (admission source 5).

    Examples
    --------
    >>> from servicenee.datasets import diabetes130_outcome, load_diabetes130
    >>> int(diabetes130_outcome(load_diabetes130(), "nursing_facility").sum())
    9044
    """
    check_choice("outcome", outcome, OUTCOMES)
    went_to = encounters["discharge_disposition_id"]
    eligible = ~went_to.isin(NOT_ALIVE_OR_HOSPICE + UNKNOWN_DISCHARGE)
    eligible &= encounters["admission_source_id"] != FROM_NURSING_FACILITY
    return went_to[eligible].isin(OUTCOMES[outcome]).astype("int64").rename(outcome)


def diabetes130_features(encounters: pd.DataFrame) -> pd.DataFrame:
    """Give what the ward knows before discharge, one row per encounter.

    Parameters
    ----------
    encounters : DataFrame
        As given by `load_diabetes130`, or some of its rows.

    Returns
    -------
    DataFrame
        Numbers (age as the middle of its ten-year band, stay, procedures, medicines, visits in the year before),
        0/1 columns (conditions among the three diagnoses, glucose-lowering medicines, change of treatment) and
        categories as text (sex, race, payer, specialty, way of admission, laboratory results, first diagnosis as
        chapter and as three-character code). The index is that of `encounters`.

    Notes
    -----
    Nothing is estimated from the data: a row's values do not depend on other rows. Left out are the discharge and
    everything after it, the identifiers (which run with time) and the weight (97 % missing). A laboratory result that
    was not taken is missing. The diagnoses are those coded for the stay; that the ward knew them before discharge is
    an assumption.

    Examples
    --------
    >>> from servicenee.datasets import diabetes130_features, load_diabetes130
    >>> diabetes130_features(load_diabetes130().head(3))["age"].tolist()
    [85.0, 85.0, 65.0]
    """
    codes = [_three_characters(encounters[f"diag_{place}"]) for place in (1, 2, 3)]
    features = {"age": encounters["age"].str.slice(1, 3).astype("float64") + 5.0}
    features |= {name: encounters[name].astype("float64") for name in NUMBERS}
    features["treatment_changed"] = (encounters["change"] == "Ch").astype("float64")
    features["diabetes_medicine"] = (encounters["diabetesMed"] == "Yes").astype("float64")
    features |= {name: (encounters[name] != "No").astype("float64") for name in MEDICINES}
    features |= {name: _text(encounters[name]) for name in CATEGORIES}
    features |= {name: _text(encounters[name].astype("string")) for name in NUMBERED_CATEGORIES}
    features["first_diagnosis"] = codes[0]
    for place, code in enumerate(codes, start=1):
        features[f"chapter_{place}"] = _chapter(code)
    for name, first, last in CONDITIONS:
        features[name] = np.maximum.reduce([_between(code, first, last) for code in codes])
    return pd.DataFrame(features, index=encounters.index)


def _text(values: pd.Series) -> pd.Series:
    """Text with missing values; "None" is the source's word for not measured."""
    text = values.astype("object")
    return text.where(text.notna() & (text != "None"), None)


def _three_characters(codes: pd.Series) -> pd.Series:
    return _text(codes.str.split(".").str.get(0).str.zfill(3))


def _between(codes: pd.Series, first: str, last: str) -> np.ndarray:
    return (codes.notna() & (codes >= first) & (codes <= last)).to_numpy(dtype="float64")


def _chapter(codes: pd.Series) -> pd.Series:
    chapter = np.full(len(codes), None, dtype=object)
    chapter[codes.notna().to_numpy()] = "other"
    for name, first, last in CHAPTERS:
        chapter[_between(codes.fillna(""), first, last) > 0] = name
    return pd.Series(chapter, index=codes.index)
