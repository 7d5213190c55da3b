"""`FeatureSet`: several builders as one, computed in one pass over the events."""

from servicenee.codes import load_codelist
from servicenee.features.assessments import Assessments
from servicenee.features.blocks import Block
from servicenee.features.builders import Builder
from servicenee.features.events import DaysSince, DistinctCodes, EventCounts, EventSums, LatestValue
from servicenee.features.medicines import Medicines
from servicenee.features.persons import Demographics
from servicenee.features.stays import StayCounts, StayDays
from servicenee.registers import Registers

_DIAGNOSES = ("primary_care", "emergency", "outpatient", "inpatient")
_HOSPITAL = ("inpatient_unplanned", "inpatient_planned")
_CONDITIONS = (
    "dementia parkinson stroke heart_failure coronary atrial_fib hypertension diabetes copd asthma ckd depression "
    "schizophrenia substance osteoarthritis osteoporosis solid_cancer incontinence vision hearing anaemia "
    "skin_ulcer"
).split()
_SCALES = ("CPS", "ADLH", "CHESS", "DRS", "MAPLE", "IADLP")  # of RAI


class FeatureSet(Builder):
    """Several builders side by side; X holds their columns in order.

    Parameters
    ----------
    builders : list of (str, builder) or list of builders
        A plain list is named by class, as scikit-learn's `make_union` does. The names address parameters:
        ``featureset__visits__lookback_days``.

    Notes
    -----
    All builders on events share one pass over the events, so a set costs far less than its builders one by one. The
    set learns nothing; dropping and imputing columns belongs to the model.

    Examples
    --------
    >>> from servicenee import Demographics, EventCounts, FeatureSet, Population, make_registers
    >>> features = FeatureSet([Demographics(), ("visits", EventCounts("contacts", source="emergency"))])
    >>> cohort = Population(min_age=85).at(make_registers(300, random_state=0), "2023-01-01")
    >>> features.fit_transform(cohort).columns.tolist()
    ['age', 'sex_female', 'count_contacts_emergency_365d']
    """

    def __init__(self, builders):
        self.builders = builders

    @property
    def named_builders(self) -> dict[str, Builder]:
        """The builders by name, in order."""
        listed = list(self.builders)
        given = [pair if isinstance(pair, tuple) else (type(pair).__name__.lower(), pair) for pair in listed]
        names = [name for name, _ in given]
        numbered = []
        for place, (name, builder) in enumerate(given):
            plain = not isinstance(listed[place], tuple) and names.count(name) > 1
            numbered.append((f"{name}-{names[: place + 1].count(name)}" if plain else name, builder))
        named = dict(numbered)
        if len(named) < len(listed):
            raise ValueError("`builders` must have different names; give each builder a name of its own.")
        return named

    def blocks(self, registers: Registers) -> list[Block]:
        """Columns of all builders."""
        return [block for builder in self.named_builders.values() for block in builder.blocks(registers)]

    def get_params(self, deep: bool = True) -> dict:
        """Parameters; with `deep` also the builders by name and their parameters as name__parameter."""
        params = {"builders": self.builders}
        if deep:
            for name, builder in self.named_builders.items():
                params[name] = builder
                params |= {f"{name}__{key}": value for key, value in builder.get_params(deep=True).items()}
        return params

    def set_params(self, **params) -> "FeatureSet":
        """Set parameters of the set (`builders`), replace a builder by name, or set `name__parameter`."""
        if "builders" in params:
            self.builders = params.pop("builders")
        named = self.named_builders
        for key, value in params.items():
            name, _, parameter = key.partition("__")
            if name not in named:
                raise ValueError(f"a parameter must begin with one of {', '.join(named)}; got {key!r}.")
            if parameter:
                named[name].set_params(**{parameter: value})
            else:
                named[name] = value
        self.builders = list(named.items())
        return self

    def without(self, *names: str) -> "FeatureSet":
        """The set without the builders of these names."""
        named = self.named_builders
        unknown = [name for name in names if name not in named]
        if unknown:
            raise ValueError(f"builders must be among {', '.join(named)}; got {unknown}.")
        return FeatureSet([(name, builder) for name, builder in named.items() if name not in names])

    def __len__(self) -> int:
        return len(self.builders)


def default_features(registers: Registers | None = None) -> FeatureSet:
    """Features that serve the elderly-care models to begin with: use of services, diagnoses, medicines, function.

    Parameters
    ----------
    registers : Registers, optional
        Leaves out builders of sources that these registers do not have. Without it, transforming such registers names
        the missing source in an error.

    Returns
    -------
    FeatureSet
        Builders named person, contacts, forms_of_contact, emergency_gap, home_care, stays, admissions, conditions,
        frailty_signs, falls, diagnoses, medicines, medicine_groups, laboratory, rai and social.

    Notes
    -----
    Needs assessments and service decisions are left out: they belong to the decision that is to be predicted.

    Examples
    --------
    >>> from servicenee import default_features
    >>> list(default_features().named_builders)[:3]
    ['person', 'contacts', 'forms_of_contact']
    """
    conditions = load_codelist("chronic_conditions").keep(*_CONDITIONS)
    scales = load_codelist("rai_scales").keep(*_SCALES)
    contacts = ("primary_care", "emergency", "outpatient")
    builders = [
        ("person", Demographics(columns=("age", "sex"))),
        ("contacts", EventCounts("contacts", source=contacts, by="source", lookback_days=(90, 365, 730))),
        ("forms_of_contact", EventCounts(source="primary_care", by="contact_forms", lookback_days=365)),
        ("emergency_gap", DaysSince("contacts", source="emergency", lookback_days=730)),
        ("home_care", EventSums("contacts", source="home_care", lookback_days=(30, 365))),
        (
            "stays",
            StayDays(_HOSPITAL, source="inpatient", lookback_days=(90, 365, 730)),
        ),
        (
            "admissions",
            StayCounts(_HOSPITAL, source="inpatient", lookback_days=(90, 365)),
        ),
        ("conditions", EventCounts(source=_DIAGNOSES, by=conditions, lookback_days=730)),
        ("frailty_signs", EventCounts(source=_DIAGNOSES, by="frailty_signs", lookback_days=(365, 730))),
        ("falls", EventCounts("falls_fractures", source=_DIAGNOSES, lookback_days=(365, 730))),
        ("diagnoses", DistinctCodes("diagnoses", source=_DIAGNOSES, lookback_days=730)),
        ("medicines", Medicines("substances", lookback_days=(90, 365))),
        ("medicine_groups", EventCounts(source="medication", by="medicine_groups", lookback_days=365)),
        ("laboratory", LatestValue(source="laboratory", by="laboratory", lookback_days=730)),
        ("rai", Assessments(scales, source="rai", columns="value")),
        ("social", EventCounts(source="social", by="social_services", lookback_days=730)),
    ]
    if registers is None:
        return FeatureSet(builders)
    known = set(registers.coverage_columns.source)
    return FeatureSet([(name, builder) for name, builder in builders if _sources_of(builder) <= known])


def _sources_of(builder: Builder) -> set[str]:
    source = getattr(builder, "source", None)
    return set() if source is None else {source} if isinstance(source, str) else set(source)
