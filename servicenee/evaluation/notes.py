"""Why a figure is missing, or to be read with care: the sentence in tables, its key in the texts."""

FEW = "fewer than 20 events: read with care"
NOT_ESTIMABLE = "not estimable: fewer than 20 events"
HIDDEN = "hidden: fewer than 5 persons with the event"
HIDDEN_REST = "hidden: fewer than 5 persons, or fewer than 5 without the event"
HIDDEN_BESIDE = "hidden beside a small group"
HIDDEN_MARKER = "hidden: fewer than 5 persons with the marker, in or outside the group"
NO_ROWS = "no rows"
NO_OUTCOME = "no row with a known outcome"
NO_EVENTS = "no events"
ONLY_EVENTS = "every row has the event"
EQUAL = "all risks are equal"
SEPARATED = "a cut of the risk separates the events"
MISSING_GROUP = "missing"

FEWEST_EVENTS = 20

TEXT_KEYS = {
    FEW: "evaluation.note.few",
    NOT_ESTIMABLE: "evaluation.note.not_estimable",
    HIDDEN: "evaluation.note.hidden",
    HIDDEN_REST: "evaluation.note.hidden_rest",
    HIDDEN_BESIDE: "evaluation.note.hidden_beside",
    HIDDEN_MARKER: "evaluation.note.hidden_marker",
    NO_ROWS: "evaluation.note.no_rows",
    NO_OUTCOME: "evaluation.note.no_outcome",
    NO_EVENTS: "evaluation.note.no_events",
    ONLY_EVENTS: "evaluation.note.only_events",
    EQUAL: "evaluation.note.equal",
    SEPARATED: "evaluation.note.separated",
    MISSING_GROUP: "evaluation.note.missing_group",
}
