"""What `c360 check` can find, as data."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.spi.errors import C360Error

PROBLEM, NOTE = "problem", "note"
CODES = {
    "C360_DUPLICATE_KEYS": "Rows of a mapped table share a key: each would show as many times.",
    "C360_NULL_KEYS": "Rows of a mapped table have no key: they can be linked to nobody.",
    "C360_NOT_RESOLVED": "A mapped table is not in the crosswalk: its rows have no id360.",
    "C360_CROSSWALK_LAG": "Records came after the last resolve: they have no id360 yet.",
    "C360_PERSONAL_KEYS": "A table is keyed by something personal, and the crosswalk holds its keys.",
    "C360_UNINDEXED_KEY": "A source would read a whole table to find one person's rows.",
    "C360_KEY_ONLY": "A table answers by key only, so its rows could not be checked.",
    "C360_EMPTY_ATTRIBUTE": "An attribute by which records are matched has no value.",
    "C360_UNFIT_VALUES": "Values of an attribute are not what they are matched as.",
    "C360_DECISION_WAITS": "A steward's decision is not in force yet.",
    "C360_DECISION_GONE": "A steward's decision is about a record that is not in the crosswalk.",
    "C360_DECISION_DOUBTED": "The data speaks against a steward's decision.",
    "C360_MODEL_CHANGED": "The model in use is not the one that the crosswalk was made with.",
    "C360_MODEL_OUTGROWN": "There are by far more, or fewer, records than the model was trained on.",
    "C360_MODEL_DRIFT": "The matches of the last whole resolve do not look as those that the model was trained on.",
    "C360_LABELS_DISAGREE": "Labels say otherwise than the crosswalk, or are about records that are not in it.",
}
"""What `check` finds besides the errors that a query would raise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A thing that `check` found. A `problem` makes answers wrong or fail; a `note` is good to know. `where` names the table or source."""

    level: str
    code: str
    where: str
    message: str
    hint: str = ""


def problem(error: C360Error, where: str) -> Finding:
    """An error that was found."""
    return Finding(PROBLEM, error.code, where, error.message, error.hint)
