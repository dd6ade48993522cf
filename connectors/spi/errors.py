"""The error tree: whose move is it?

    C360Error
    ├── UserError        the query, the project file or the request must change
    ├── SourceError      a live source failed or cannot be asked now
    └── InternalError    we have a bug: report it

Every error has a stable `code`, a message that names the thing and what was expected, and a `hint` with the next step.
Neither holds a source row's value, a credential or a driver's raw text; the driver's exception stays attached as the cause.
Each layer derives its own classes; `docs/errors.md` has a heading for every code.
"""

from __future__ import annotations

from typing import ClassVar


class C360Error(Exception):
    """Root of all errors that c360 raises on purpose. `str(error)` is what a user reads."""

    code: ClassVar[str] = "C360_ERROR"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}" + (f"\n  next: {self.hint}" if self.hint else "")


class UserError(C360Error):
    """The query, the project file or the request must change."""

    code = "C360_USER"


class SourceError(C360Error):
    """A live source failed, or cannot be asked now. `source` names it."""

    code = "C360_SOURCE"

    def __init__(self, source: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.source = source


class InternalError(C360Error):
    """A state that must not occur: a bug of ours."""

    code = "C360_INTERNAL"


class SourceUnreachable(SourceError):
    """No connection could be made: host, port, file or network."""

    code = "C360_SOURCE_UNREACHABLE"


class SourceLogin(SourceError):
    """The source refused the credentials or a privilege is missing."""

    code = "C360_SOURCE_LOGIN"


class SourceTimeout(SourceError):
    """The source did not answer within the query's deadline."""

    code = "C360_SOURCE_TIMEOUT"


class SourceBroken(SourceError):
    """The connection was lost, or the source reported an error, after the question was asked."""

    code = "C360_SOURCE_BROKEN"


class SourceBusy(SourceError):
    """Every connection that the source's limit allows is in use."""

    code = "C360_SOURCE_BUSY"


class SchemaDrift(SourceError):
    """A table or column that the plan relies on has vanished or changed its type."""

    code = "C360_SCHEMA_DRIFT"


class UnmappedType(SourceError):
    """A column's native type has no exact Arrow counterpart, or a value does not fit its declared type."""

    code = "C360_UNMAPPED_TYPE"


class MissingDriver(UserError):
    """A source kind needs a package that is not installed; the hint names the extra."""

    code = "C360_MISSING_DRIVER"


class UnknownSourceKind(UserError):
    """No connector is registered for the `kind` of a source."""

    code = "C360_UNKNOWN_SOURCE_KIND"


class SourceConfig(UserError):
    """An option of a source is missing, unknown or malformed."""

    code = "C360_SOURCE_CONFIG"


class MissingKey(UserError):
    """A table that is read by key only was asked without one."""

    code = "C360_MISSING_KEY"


class Cancelled(C360Error):
    """The query was cancelled by its owner. Nobody's fault, nobody's move."""

    code = "C360_CANCELLED"
