"""What identity resolution and its crosswalk can refuse, each with a stable code."""

from __future__ import annotations

from typing import Any

from connectors.spi.errors import UserError


class UnknownNormalForm(UserError):
    """A match rule or identifier asks for a normal form that does not exist, or gives it an option that it does not take."""

    code = "C360_UNKNOWN_NORMAL_FORM"


class DuplicateKeys(UserError):
    """A key of a mapped table (or of an imported crosswalk) occurs more than once; `table` and `count` say where and how many."""

    code = "C360_DUPLICATE_KEYS"

    def __init__(self, table: str, count: int) -> None:
        self.table, self.count = table, count
        super().__init__(
            f"{count} key(s) of {table} occur more than once; a key of a resolved table names one record. Nothing was published",
            hint=f"map more columns of {table} as its key, or leave the repeated rows out with `where:`",
        )


class KeyType(UserError):
    """A key column holds values that do not fit the type declared for it."""

    code = "C360_KEY_TYPE"


class WeakSecret(UserError):
    """Ids are minted under the project's secret; it is missing or too short."""

    code = "C360_WEAK_SECRET"


class ResolveRunning(UserError):
    """Another resolve (or import) is writing the crosswalk."""

    code = "C360_RESOLVE_RUNNING"


class CrosswalkUnwritable(UserError):
    """The disk has no room for the crosswalk, or does not let it be written."""

    code = "C360_CROSSWALK_UNWRITABLE"


class ResolveMemory(UserError):
    """Resolving needs more memory than it was given; nothing is ever spilled to disk, nothing was published."""

    code = "C360_RESOLVE_MEMORY"


class SourceShrunk(UserError):
    """A table has lost most of its records since the last resolve: its source may be half written. `tables` tells which (Shrunk)."""

    code = "C360_SOURCE_SHRUNK"

    def __init__(self, message: str, tables: tuple[Any, ...], *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.tables = tables


class CrosswalkVersion(UserError):
    """The crosswalk file has another format than this version of c360 reads."""

    code = "C360_CROSSWALK_VERSION"


class CrosswalkDamaged(UserError):
    """The crosswalk file is missing, half-written or corrupt."""

    code = "C360_CROSSWALK_DAMAGED"


class CrosswalkKey(UserError):
    """The crosswalk file is encrypted, and the key is missing or wrong."""

    code = "C360_CROSSWALK_KEY"


class MissingEncryption(UserError):
    """Writing an encrypted crosswalk needs DuckDB's httpfs extension of exactly the running DuckDB version."""

    code = "C360_MISSING_ENCRYPTION"


class CrosswalkImport(UserError):
    """A table to import as a crosswalk lacks a column, or holds an id that cannot be one."""

    code = "C360_CROSSWALK_IMPORT"


class DecisionsFile(UserError):
    """A line of the file of decisions is none."""

    code = "C360_DECISIONS_FILE"


class ContradictoryDecisions(UserError):
    """Decisions that cannot all hold: A is B and B is C, but A is not C; or a person is pinned to two ids, or to one of another entity."""

    code = "C360_CONTRADICTORY_DECISIONS"


class DecisionTable(UserError):
    """A decision names a table that is not resolved for its entity and space, or a key that is not the table's."""

    code = "C360_DECISION_TABLE"


class DecisionExpired(UserError):
    """A decision is to hold until a moment that is over: it would never hold."""

    code = "C360_DECISION_EXPIRED"


class UnknownDecision(UserError):
    """There is no such decision, or it was withdrawn before."""

    code = "C360_UNKNOWN_DECISION"


class NoPlan(UserError):
    """There is no plan to apply."""

    code = "C360_NO_PLAN"


class StalePlan(UserError):
    """The crosswalk, the decisions or the model have changed since the plan was made."""

    code = "C360_STALE_PLAN"


class PlanDamaged(UserError):
    """The file of a plan is missing, incomplete or corrupt."""

    code = "C360_PLAN_DAMAGED"


class NoSuchVersion(UserError):
    """A version of the crosswalk is not kept (any more)."""

    code = "C360_NO_SUCH_VERSION"


class UnknownId360(UserError):
    """No crosswalk ever gave out this id360."""

    code = "C360_UNKNOWN_ID360"


class ModelMismatch(UserError):
    """A model file is broken, of another format, or was trained for other attributes than those compared now."""

    code = "C360_MODEL_MISMATCH"


class NoModel(UserError):
    """An entity is to be trained that is matched by rules alone."""

    code = "C360_NO_MODEL"


class UnreadableTable(UserError):
    """A file to evaluate is not there, is no table, or lacks the column of true clusters or of sources."""

    code = "C360_UNREADABLE_TABLE"


class NoEvidence(UserError):
    """This version of the crosswalk keeps no evidence: it was imported, or written by an older c360."""

    code = "C360_NO_EVIDENCE"


class UnknownRecord(UserError):
    """There is no such record in the crosswalk."""

    code = "C360_UNKNOWN_RECORD"


class LabelsFile(UserError):
    """A line of the file of labels is none, or a table of labels to import lacks a column."""

    code = "C360_LABELS_FILE"
